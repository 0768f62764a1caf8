//! Small messages of Nicira's (`include/openflow/nicira-ext.h` of Open vSwitch): experimenter messages with
//! experimenter [`NICIRA`] that set one thing of a connection or of the switch.

use super::error::NICIRA;
use super::experimenter::experimenter_message;
use super::{DecodeError, EncodeError, ErrorCode, Reader, Writer, Xid};

/// `NXT_ROLE_REQUEST`: the `exp_type` of a [`NxRole`] that is asked for.
pub const ROLE_REQUEST: u32 = 10;
/// `NXT_ROLE_REPLY`: the `exp_type` of a [`NxRole`] that is held.
pub const ROLE_REPLY: u32 = 11;
/// `NXT_FLOW_MOD_TABLE_ID`: the `exp_type` of [`FlowModTableId`].
pub const FLOW_MOD_TABLE_ID: u32 = 15;
/// `NXT_FLOW_AGE`: the `exp_type` of the request to look for flows whose time is over, which has no body.
pub const FLOW_AGE: u32 = 18;
/// `NXT_SET_ASYNC_CONFIG`: the `exp_type` of an [`AsyncConfig`](super::async_config::AsyncConfig).
pub const SET_ASYNC_CONFIG: u32 = 19;
/// `NXT_SET_CONTROLLER_ID`: the `exp_type` of [`SetControllerId`].
pub const SET_CONTROLLER_ID: u32 = 20;
/// `NXT_SET_ASYNC_CONFIG2`: the `exp_type` of an asynchronous configuration as properties of OpenFlow 1.4.
pub const SET_ASYNC_CONFIG2: u32 = 27;
/// `NXT_CT_FLUSH_ZONE`: the `exp_type` of [`CtFlushZone`].
pub const CT_FLUSH_ZONE: u32 = 29;

/// `NXT_ROLE_REQUEST` and `NXT_ROLE_REPLY` (`struct nx_role_request`), 20 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NxRole {
    /// `NX_ROLE_OTHER`: as a connection begins.
    Other,
    /// `NX_ROLE_MASTER`: Open vSwitch says primary.
    Master,
    /// `NX_ROLE_SLAVE`: Open vSwitch says secondary.
    Slave,
}

impl NxRole {
    /// Decodes what follows the experimenter header; `RRFC_BAD_ROLE`.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let at = body;
        let role = match body.u32("nx_role.role")? {
            0 => Self::Other,
            1 => Self::Master,
            2 => Self::Slave,
            found => return Err(at.error("nx_role.role", found.into(), "0 to 2", ErrorCode::RRFC_BAD_ROLE)),
        };
        body.finish("nx_role")?;
        Ok(role)
    }

    /// Appends the message; `exp_type` is [`ROLE_REQUEST`] or [`ROLE_REPLY`].
    pub fn encode(self, writer: &mut Writer, exp_type: u32, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, exp_type), xid, |w| {
            w.u32(match self {
                Self::Other => 0,
                Self::Master => 1,
                Self::Slave => 2,
            });
            Ok(())
        })
    }
}

/// `NXT_FLOW_MOD_TABLE_ID` (`struct nx_flow_mod_table_id`), 24 bytes: whether FLOW_MODs of OpenFlow 1.0 name a
/// table; of no effect in 1.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowModTableId {
    /// Byte 16: 0 for no, anything else for yes.
    pub set: u8,
}

impl FlowModTableId {
    /// Decodes what follows the experimenter header.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let set = body.u8("flow_mod_table_id.set")?;
        body.skip(7, "flow_mod_table_id.pad")?;
        body.finish("flow_mod_table_id")?;
        Ok(Self { set })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, FLOW_MOD_TABLE_ID), xid, |w| {
            w.u8(self.set);
            w.zeros(7);
            Ok(())
        })
    }
}

/// `NXT_SET_CONTROLLER_ID` (`struct nx_controller_id`), 24 bytes: the number that `controller(id=…)` means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetControllerId {
    /// Byte 22.
    pub controller_id: u16,
}

impl SetControllerId {
    /// Decodes what follows the experimenter header.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        body.skip(6, "controller_id.zero")?;
        let controller_id = body.u16("controller_id.controller_id")?;
        body.finish("controller_id")?;
        Ok(Self { controller_id })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, SET_CONTROLLER_ID), xid, |w| {
            w.zeros(6);
            w.u16(self.controller_id);
            Ok(())
        })
    }
}

/// `NXT_CT_FLUSH_ZONE` (`struct nx_zone_id`), 24 bytes: forget all connections of a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CtFlushZone {
    /// Byte 22.
    pub zone_id: u16,
}

impl CtFlushZone {
    /// Decodes what follows the experimenter header.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        body.skip(6, "ct_flush_zone.zero")?;
        let zone_id = body.u16("ct_flush_zone.zone_id")?;
        body.finish("ct_flush_zone")?;
        Ok(Self { zone_id })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, CT_FLUSH_ZONE), xid, |w| {
            w.zeros(6);
            w.u16(self.zone_id);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::experimenter::Experimenter;
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    fn body(body: Reader<'_>) -> Result<Reader<'_>, DecodeError> {
        Ok(Experimenter::decode(body)?.body.reader())
    }

    /// Holds that the message reads as `value` and is written again.
    fn hold<T: PartialEq + std::fmt::Debug + 'static>(
        bytes: &str,
        value: &T,
        decode: impl Fn(Reader<'_>) -> Result<T, DecodeError>,
        encode: impl FnOnce(&T, &mut Writer) -> Result<(), EncodeError>,
    ) {
        let bytes = hex(bytes);
        let read = decode(body(Message::decode(&bytes).unwrap().body).unwrap());
        assert_eq!(read.as_ref(), Ok(value));
        assert_eq!(encoded(|w| encode(value, w)), bytes);
        refuses_cut_and_excess(&bytes, &[], |reader| decode(body(reader)?));
    }

    #[test]
    fn small_messages_read_as_they_were_written() {
        let role = "04040014 12345678 00002320 0000000a 00000001";
        hold(role, &NxRole::Master, NxRole::decode, |role, w| role.encode(w, ROLE_REQUEST, XID));
        let table = "04040018 12345678 00002320 0000000f 01 00000000000000";
        hold(table, &FlowModTableId { set: 1 }, FlowModTableId::decode, |set, w| set.encode(w, XID));
        let id = "04040018 12345678 00002320 00000014 000000000000 007b";
        hold(id, &SetControllerId { controller_id: 123 }, SetControllerId::decode, |id, w| id.encode(w, XID));
        let zone = "04040018 12345678 00002320 0000001d 000000000000 000d";
        hold(zone, &CtFlushZone { zone_id: 13 }, CtFlushZone::decode, |zone, w| zone.encode(w, XID));
    }

    #[test]
    fn a_role_without_a_meaning_is_refused() {
        let bytes = hex("00000003");
        assert_eq!(NxRole::decode(Reader::new(&bytes)).unwrap_err().code, ErrorCode::RRFC_BAD_ROLE);
    }
}
