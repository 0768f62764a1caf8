//! `CONTROLLER:…` and `controller(…)` (`ovs-actions(7)`).

use super::nicira::{close, parameter};
use super::put::{self, Out};
use crate::openflow::{DecodeError, Reader};

/// `OFPR_ACTION`: the reason of a packet-in that an action asked for.
const REASON_ACTION: u8 = 1;
/// `NX_CTLR_NO_METER`.
const NO_METER: u32 = 0;

/// What `controller(…)` says.
struct Controller<'a> {
    max_len: u16,
    id: u16,
    reason: u8,
    userdata: &'a [u8],
    pause: bool,
    meter: u32,
}

impl Default for Controller<'_> {
    fn default() -> Self {
        Self { max_len: u16::MAX, id: 0, reason: REASON_ACTION, userdata: &[], pause: false, meter: NO_METER }
    }
}

/// `NXAST_CONTROLLER`, from what follows the subtype.
pub(super) fn controller(out: &mut Out, mut body: Reader<'_>) -> Result<(), DecodeError> {
    let max_len = body.u16("controller.max_len")?;
    let id = body.u16("controller.controller_id")?;
    let reason = body.u8("controller.reason")?;
    print(out, &Controller { max_len, id, reason, ..Controller::default() });
    Ok(())
}

/// `NXAST_CONTROLLER2`: properties, from what follows the subtype.
pub(super) fn controller2(out: &mut Out, mut body: Reader<'_>) -> Result<(), DecodeError> {
    body.skip(6, "controller2.pad")?;
    let mut wanted = Controller::default();
    while !body.is_empty() {
        let property = body.u16("controller2.prop.type")?;
        let length = body.u16("controller2.prop.len")?;
        let size = usize::from(length).max(4);
        let mut value = body.child(size - 4, "controller2.prop")?;
        body.skip((size.next_multiple_of(8) - size).min(body.remaining()), "controller2.prop.pad")?;
        match property {
            0 => wanted.max_len = value.u16("controller2.max_len")?,
            1 => wanted.id = value.u16("controller2.controller_id")?,
            2 => wanted.reason = value.u8("controller2.reason")?,
            3 => wanted.userdata = value.rest(),
            4 => wanted.pause = true,
            5 => wanted.meter = value.u32("controller2.meter_id")?,
            _ => {}
        }
    }
    print(out, &wanted);
    Ok(())
}

fn print(out: &mut Out, wanted: &Controller<'_>) {
    let plain = Controller::default();
    if (wanted.reason, wanted.id, wanted.pause, wanted.meter) == (plain.reason, plain.id, plain.pause, plain.meter)
        && wanted.userdata.is_empty()
    {
        put::text(out, "CONTROLLER:");
        return put::decimal(out, wanted.max_len.into());
    }
    put::text(out, "controller(");
    if wanted.reason != plain.reason {
        put::text(out, "reason=");
        match wanted.reason {
            0 => put::text(out, "no_match"),
            2 => put::text(out, "invalid_ttl"),
            3 => put::text(out, "action_set"),
            4 => put::text(out, "group"),
            5 => put::text(out, "packet_out"),
            reason => put::decimal(out, reason.into()),
        }
        out.push(b',');
    }
    if wanted.max_len != plain.max_len {
        parameter(out, "max_len=", wanted.max_len.into());
    }
    if wanted.id != plain.id {
        parameter(out, "id=", wanted.id.into());
    }
    if !wanted.userdata.is_empty() {
        put::text(out, "userdata=");
        put::hex_separated(out, wanted.userdata, b'.');
        out.push(b',');
    }
    if wanted.pause {
        put::text(out, "pause,");
    }
    if wanted.meter != plain.meter {
        parameter(out, "meter_id=", wanted.meter.into());
    }
    close(out);
}
