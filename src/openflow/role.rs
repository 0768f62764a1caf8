//! ROLE: which controllers may write (`struct ofp_role_request`, OpenFlow 1.3.5 §7.3.9).

use super::error::ONF;
use super::experimenter::experimenter_message;
use super::header::MessageType;
use super::message::message;
use super::{DecodeError, EncodeError, Raw, Reader, Writer, Xid};

/// `ONFT_ROLE_STATUS`: the `exp_type` of [`RoleStatus`].
pub const ROLE_STATUS: u32 = 1911;

/// `enum ofp_controller_role` (OpenFlow 1.3.5 §7.3.9). Unknown roles survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Role(pub u32);

impl Role {
    /// `OFPCR_ROLE_NOCHANGE`: only ask.
    pub const NOCHANGE: Self = Self(0);
    /// `OFPCR_ROLE_EQUAL`: what a connection begins with.
    pub const EQUAL: Self = Self(1);
    /// `OFPCR_ROLE_MASTER`: Open vSwitch says primary.
    pub const MASTER: Self = Self(2);
    /// `OFPCR_ROLE_SLAVE`: Open vSwitch says secondary.
    pub const SLAVE: Self = Self(3);
}

/// The body of `OFPT_ROLE_REQUEST` and `OFPT_ROLE_REPLY` (OpenFlow 1.3.5 §7.3.9), 24 bytes with the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ControllerRole {
    /// Byte 8: wanted, or held.
    pub role: Role,
    /// Byte 16: of the election that made the master; an old one is refused with `RRFC_STALE`.
    pub generation_id: u64,
}

impl ControllerRole {
    /// Decodes the body of either message.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let role = Role(body.u32("role.role")?);
        body.skip(4, "role.pad")?;
        let generation_id = body.u64("role.generation_id")?;
        body.finish("role")?;
        Ok(Self { role, generation_id })
    }

    /// Appends an `OFPT_ROLE_REQUEST`.
    pub fn encode_request(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode(writer, MessageType::ROLE_REQUEST, xid)
    }

    /// Appends an `OFPT_ROLE_REPLY`.
    pub fn encode_reply(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode(writer, MessageType::ROLE_REPLY, xid)
    }

    fn encode(&self, writer: &mut Writer, message_type: MessageType, xid: Xid) -> Result<(), EncodeError> {
        message(writer, message_type, xid, |w| {
            w.u32(self.role.0);
            w.zeros(4);
            w.u64(self.generation_id);
            Ok(())
        })
    }
}

/// `enum ofp14_controller_role_reason` (OpenFlow 1.4.1 §7.4.4). Unknown reasons survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RoleReason(pub u8);

impl RoleReason {
    /// `OFPCRR_MASTER_REQUEST`: another controller became the master.
    pub const MASTER_REQUEST: Self = Self(0);
    /// `OFPCRR_CONFIG`: the switch's configuration changed.
    pub const CONFIG: Self = Self(1);
    /// `OFPCRR_EXPERIMENTER`: an experimenter's.
    pub const EXPERIMENTER: Self = Self(2);
}

/// `ONFT_ROLE_STATUS` (`struct ofp14_role_status`; OpenFlow 1.4.1 §7.4.4), in OpenFlow 1.3 an extension of the ONF
/// (EXT-191): the role of this connection changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoleStatus<'a> {
    /// Byte 16: the new role.
    pub role: Role,
    /// Byte 20: why.
    pub reason: RoleReason,
    /// Byte 24: of the election that made the master; all ones if there is none.
    pub generation_id: u64,
    /// Byte 32: encoded properties; nothing from Open vSwitch.
    pub properties: Raw<'a>,
}

impl<'a> RoleStatus<'a> {
    /// Decodes what follows the experimenter header.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let role = Role(body.u32("role_status.role")?);
        let reason = RoleReason(body.u8("role_status.reason")?);
        body.skip(3, "role_status.pad")?;
        let generation_id = body.u64("role_status.generation_id")?;
        Ok(Self { role, reason, generation_id, properties: Raw::rest(&mut body) })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (ONF, ROLE_STATUS), xid, |w| {
            w.u32(self.role.0);
            w.u8(self.reason.0);
            w.zeros(3);
            w.u64(self.generation_id);
            w.bytes(self.properties.bytes());
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn a_role_reads_as_it_was_written() {
        let bytes = hex("04180018 12345678 00000002 00000000 f000f000f000f000");
        let role = ControllerRole { role: Role::MASTER, generation_id: 0xf000_f000_f000_f000 };
        assert_eq!(ControllerRole::decode(Message::decode(&bytes).unwrap().body), Ok(role));
        assert_eq!(encoded(|w| role.encode_request(w, XID)), bytes);
        assert_eq!(encoded(|w| role.encode_reply(w, XID)), hex("04190018 12345678 00000002 00000000 f000f000f000f000"));
        refuses_cut_and_excess(&bytes, &[], ControllerRole::decode);
    }

    #[test]
    fn a_role_status_reads_as_it_was_written() {
        use crate::openflow::experimenter::Experimenter;
        let bytes = hex("04040020 12345678 4f4e4600 00000777 00000003 01 000000 0000000000000007");
        let decode = |body: Reader<'static>| RoleStatus::decode(Experimenter::decode(body)?.body.reader());
        let status = decode(Message::decode(bytes.clone().leak()).unwrap().body).unwrap();
        assert_eq!((status.role, status.reason, status.generation_id), (Role::SLAVE, RoleReason::CONFIG, 7));
        assert_eq!(encoded(|w| status.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[usize::MAX], decode);
    }
}
