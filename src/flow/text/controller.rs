//! `CONTROLLER:…` and `controller(…)` (`ovs-actions(7)`).

use super::actions::decimal;
use super::nicira::{close, parameter};
use super::put::{self, Out};
use crate::openflow::action::Controller;

/// `NXAST_CONTROLLER`.
pub(super) fn controller(out: &mut Out, max_len: u16, id: u16, reason: u8) {
    controller2(out, &Controller { max_len, id, reason, ..Controller::default() });
}

/// `NXAST_CONTROLLER2`; without any property it prints as an output.
pub(super) fn controller2(out: &mut Out, wanted: &Controller) {
    let plain = Controller { max_len: wanted.max_len, ..Controller::default() };
    if *wanted == plain {
        return decimal(out, "CONTROLLER:", wanted.max_len.into());
    }
    put::text(out, "controller(");
    if wanted.reason != plain.reason {
        put::text(out, "reason=");
        match Controller::REASONS.get(usize::from(wanted.reason)) {
            Some(name) => put::text(out, name),
            None => put::decimal(out, wanted.reason.into()),
        }
        out.push(b',');
    }
    if wanted.max_len != u16::MAX {
        parameter(out, "max_len=", wanted.max_len.into());
    }
    if wanted.id != plain.id {
        parameter(out, "id=", wanted.id.into());
    }
    if !wanted.userdata.is_empty() {
        put::text(out, "userdata=");
        put::hex_separated(out, &wanted.userdata, b'.');
        out.push(b',');
    }
    if wanted.pause {
        put::text(out, "pause,");
    }
    if wanted.meter_id != plain.meter_id {
        parameter(out, "meter_id=", wanted.meter_id.into());
    }
    close(out);
}
