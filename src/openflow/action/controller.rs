//! `controller`: the packet to a controller, with properties (`ovs-actions(7)`, `NXAST_CONTROLLER2`).

use crate::openflow::{DecodeError, ErrorCode, Reader, Writer};

/// What `NXAST_CONTROLLER2` says: each part is a property, left out where it has its default.
///
/// | byte | field      |                                        |
/// |-----:|------------|----------------------------------------|
/// |   10 | padding    | 6 bytes, zero                          |
/// |   16 | properties | type, length without padding, value, padding to 8 bytes |
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Controller {
    /// Bytes of the packet; 65,535: all.
    pub max_len: u16,
    /// Which controller connections; 0: those that asked for nothing else.
    pub id: u16,
    /// `OFPR_*` of the packet-in; 1: an action.
    pub reason: u8,
    /// What comes back with the packet-in.
    pub userdata: Box<[u8]>,
    /// The packet waits for `NXT_RESUME`.
    pub pause: bool,
    /// The meter that limits packet-ins; 0: none.
    pub meter_id: u32,
}

const MAX_LEN: u16 = 0;
const CONTROLLER_ID: u16 = 1;
const REASON: u16 = 2;
const USERDATA: u16 = 3;
const PAUSE: u16 = 4;
const METER_ID: u16 = 5;

/// From here on property types are experimenters'.
const FIRST_EXPERIMENTER: u16 = 0xffff;

impl Default for Controller {
    fn default() -> Self {
        let reason = Self::REASON_ACTION;
        Self { max_len: u16::MAX, id: 0, reason, userdata: Box::default(), pause: false, meter_id: 0 }
    }
}

impl Controller {
    /// `OFPR_ACTION`.
    pub const REASON_ACTION: u8 = 1;

    /// The names of reasons in `controller(reason=…)`, from 0.
    pub const REASONS: [&str; 6] = ["no_match", "action", "invalid_ttl", "action_set", "group", "packet_out"];

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.zeros(6);
        if self.max_len != u16::MAX {
            property_u16(writer, MAX_LEN, self.max_len);
        }
        if self.id != 0 {
            property_u16(writer, CONTROLLER_ID, self.id);
        }
        if self.reason != Self::REASON_ACTION {
            property(writer, REASON, &[self.reason]);
        }
        if !self.userdata.is_empty() {
            property(writer, USERDATA, &self.userdata);
        }
        if self.pause {
            property(writer, PAUSE, &[]);
        }
        if self.meter_id != 0 {
            property(writer, METER_ID, &self.meter_id.to_be_bytes());
        }
    }

    /// Reads what follows the subtype.
    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut pad = body.child(6, "controller2.pad")?;
        super::decode::zeros(&mut pad, "controller2.pad", ErrorCode::NXBRC_MUST_BE_ZERO)?;
        let mut controller = Self::default();
        while !body.is_empty() {
            controller.decode_property(body)?;
        }
        Ok(controller)
    }

    fn decode_property(&mut self, body: &mut Reader<'_>) -> Result<(), DecodeError> {
        let start = *body;
        let (kind, mut value) = next_property(body)?;
        let found = value.remaining() as u64 + 4;
        let bad_len = || start.error("controller2.prop.len", found, "room for the value", ErrorCode::TFFC_BAD_LEN);
        match kind {
            MAX_LEN => self.max_len = value.u16("controller2.max_len").map_err(|_| bad_len())?,
            CONTROLLER_ID => self.id = value.u16("controller2.controller_id").map_err(|_| bad_len())?,
            REASON => self.reason = value.u8("controller2.reason").map_err(|_| bad_len())?,
            USERDATA => self.userdata = value.rest().into(),
            PAUSE => self.pause = true,
            METER_ID if value.remaining() != 4 => return Err(bad_len()),
            METER_ID => self.meter_id = value.u32("controller2.meter_id")?,
            _ => return Err(unknown_property(start, (kind, value))),
        }
        Ok(())
    }
}

fn unknown_property(start: Reader<'_>, (kind, mut value): (u16, Reader<'_>)) -> DecodeError {
    let code = match (kind, value.u32("controller2.prop.experimenter")) {
        (FIRST_EXPERIMENTER, Ok(0)) => ErrorCode::BPC_BAD_EXPERIMENTER,
        (FIRST_EXPERIMENTER, _) => ErrorCode::BPC_BAD_EXP_TYPE,
        _ => ErrorCode::TFFC_BAD_TYPE,
    };
    start.error("controller2.prop.type", kind.into(), "a property from 0 to 5", code)
}

fn property(writer: &mut Writer, kind: u16, value: &[u8]) {
    let mark = writer.begin();
    writer.u16(kind);
    // A value too long for an action makes the action too long: that is where it is told.
    writer.u16((4 + value.len()) as u16);
    writer.bytes(value);
    writer.pad8(mark);
}

/// OpenFlow's properties of 16 bits are 8 bytes long, two of them of no meaning.
fn property_u16(writer: &mut Writer, kind: u16, value: u16) {
    let [high, low] = value.to_be_bytes();
    property(writer, kind, &[high, low, 0, 0]);
}

/// Takes a property with its padding: its type and its value.
fn next_property<'a>(body: &mut Reader<'a>) -> Result<(u16, Reader<'a>), DecodeError> {
    let start = *body;
    let bad_len = |found: u16| {
        let expected = "4 at the least, and with its padding no more than what is left of the action";
        start.error("controller2.prop.len", found.into(), expected, ErrorCode::TFFC_BAD_LEN)
    };
    let kind = body.u16("controller2.prop.type").map_err(|_| bad_len(0))?;
    let length = body.u16("controller2.prop.len").map_err(|_| bad_len(0))?;
    let size = usize::from(length);
    let value = size.checked_sub(4).ok_or_else(|| bad_len(length))?;
    let value = body.child(value, "controller2.prop").map_err(|_| bad_len(length))?;
    body.skip(size.next_multiple_of(8) - size, "controller2.prop.pad").map_err(|_| bad_len(length))?;
    if kind == FIRST_EXPERIMENTER && value.remaining() < 8 {
        return Err(bad_len(length));
    }
    Ok((kind, value))
}
