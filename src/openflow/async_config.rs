//! ASYNC: which messages a switch sends of its own accord (`struct ofp_async_config`,
//! OpenFlow 1.3.5 §7.3.10).

use super::error::NICIRA;
use super::experimenter::experimenter_message;
use super::header::MessageType;
use super::message::{empty_message, message};
use super::nicira::SET_ASYNC_CONFIG;
use super::{DecodeError, EncodeError, Reader, Writer, Xid};

/// Reasons, as bits, for each of the two kinds of role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AsyncMask {
    /// While the controller is master or equal.
    pub master: u32,
    /// While it is slave.
    pub slave: u32,
}

impl AsyncMask {
    fn decode(body: &mut Reader<'_>, what: &'static str) -> Result<Self, DecodeError> {
        Ok(Self { master: body.u32(what)?, slave: body.u32(what)? })
    }

    fn encode(self, writer: &mut Writer) {
        writer.u32(self.master);
        writer.u32(self.slave);
    }
}

/// The body of `OFPT_SET_ASYNC` and `OFPT_GET_ASYNC_REPLY` (OpenFlow 1.3.5 §7.3.10), 32 bytes with the
/// header. Bit n of a mask lets messages with reason n through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AsyncConfig {
    /// Byte 8: `OFPR_*`, reasons of packet-ins.
    pub packet_in: AsyncMask,
    /// Byte 16: `OFPPR_*`, reasons of port status messages.
    pub port_status: AsyncMask,
    /// Byte 24: `OFPRR_*`, reasons of flow removed messages.
    pub flow_removed: AsyncMask,
}

impl AsyncConfig {
    /// Decodes the body of either message.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let packet_in = AsyncMask::decode(&mut body, "async_config.packet_in_mask")?;
        let port_status = AsyncMask::decode(&mut body, "async_config.port_status_mask")?;
        let flow_removed = AsyncMask::decode(&mut body, "async_config.flow_removed_mask")?;
        body.finish("async_config")?;
        Ok(Self { packet_in, port_status, flow_removed })
    }

    /// Appends an `OFPT_SET_ASYNC`.
    pub fn encode_set(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode(writer, MessageType::SET_ASYNC, xid)
    }

    /// Appends an `OFPT_GET_ASYNC_REPLY`.
    pub fn encode_reply(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode(writer, MessageType::GET_ASYNC_REPLY, xid)
    }

    /// Appends an `NXT_SET_ASYNC_CONFIG`, the same for OpenFlow before 1.3.
    pub fn encode_nicira(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, SET_ASYNC_CONFIG), xid, |w| {
            self.encode_masks(w);
            Ok(())
        })
    }

    fn encode(&self, writer: &mut Writer, message_type: MessageType, xid: Xid) -> Result<(), EncodeError> {
        message(writer, message_type, xid, |w| {
            self.encode_masks(w);
            Ok(())
        })
    }

    fn encode_masks(&self, writer: &mut Writer) {
        for mask in [self.packet_in, self.port_status, self.flow_removed] {
            mask.encode(writer);
        }
    }
}

/// Appends an `OFPT_GET_ASYNC_REQUEST` (OpenFlow 1.3.5 §7.3.10).
pub fn encode_request(writer: &mut Writer, xid: Xid) {
    empty_message(writer, MessageType::GET_ASYNC_REQUEST, xid);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess, written};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn an_async_configuration_reads_as_it_was_written() {
        let bytes = hex("041c0020 12345678 00000005 00000001 00000007 00000006 0000000f 00000000");
        let config = AsyncConfig {
            packet_in: AsyncMask { master: 5, slave: 1 },
            port_status: AsyncMask { master: 7, slave: 6 },
            flow_removed: AsyncMask { master: 15, slave: 0 },
        };
        assert_eq!(AsyncConfig::decode(Message::decode(&bytes).unwrap().body), Ok(config));
        assert_eq!(encoded(|w| config.encode_set(w, XID)), bytes);
        assert_eq!(encoded(|w| config.encode_reply(w, XID))[..2], [4, 27]);
        assert_eq!(encoded(|w| config.encode_nicira(w, XID))[8..], [&hex("00002320 00000013"), &bytes[8..]].concat());
        refuses_cut_and_excess(&bytes, &[], AsyncConfig::decode);
        assert_eq!(written(|w| encode_request(w, XID)), hex("041a0008 12345678"));
    }
}
