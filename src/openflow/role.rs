//! ROLE: which controllers may write (`struct ofp_role_request`, OpenFlow 1.3.5 §7.3.9).

use super::header::MessageType;
use super::message::message;
use super::{DecodeError, EncodeError, Reader, Writer, Xid};

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
}
