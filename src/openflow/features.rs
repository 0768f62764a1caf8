//! FEATURES and CONFIG: which switch this is and what it does with what (OpenFlow 1.3.5 §7.3.1, §7.3.2).

use super::flags::flags;
use super::header::MessageType;
use super::message::{empty_message, message};
use super::{DatapathId, DecodeError, EncodeError, Reader, Writer, Xid};

flags! {
    /// What a switch can do (`enum ofp_capabilities`, OpenFlow 1.3.5 §7.3.1).
    Capabilities(u32) {
        /// `OFPC_FLOW_STATS`: flow statistics.
        FLOW_STATS = 0 => "FLOW_STATS",
        /// `OFPC_TABLE_STATS`: table statistics.
        TABLE_STATS = 1 => "TABLE_STATS",
        /// `OFPC_PORT_STATS`: port statistics.
        PORT_STATS = 2 => "PORT_STATS",
        /// `OFPC_GROUP_STATS`: group statistics.
        GROUP_STATS = 3 => "GROUP_STATS",
        /// `OFPC_IP_REASM`: reassembles IP fragments.
        IP_REASM = 5 => "IP_REASM",
        /// `OFPC_QUEUE_STATS`: queue statistics.
        QUEUE_STATS = 6 => "QUEUE_STATS",
        /// `OFPC_PORT_BLOCKED`: blocks looping ports.
        PORT_BLOCKED = 8 => "PORT_BLOCKED",
    }
}

/// Appends an `OFPT_FEATURES_REQUEST` (OpenFlow 1.3.5 §7.3.1).
pub fn encode_request(writer: &mut Writer, xid: Xid) {
    empty_message(writer, MessageType::FEATURES_REQUEST, xid);
}

/// `OFPT_FEATURES_REPLY` (`struct ofp_switch_features`, OpenFlow 1.3.5 §7.3.1), 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeaturesReply {
    /// Byte 8: which switch.
    pub datapath_id: DatapathId,
    /// Byte 16: packets that it buffers; 0 from Open vSwitch.
    pub n_buffers: u32,
    /// Byte 20: its flow tables; 254 from Open vSwitch.
    pub n_tables: u8,
    /// Byte 21: 0 for the main connection.
    pub auxiliary_id: u8,
    /// Byte 24: what it can do.
    pub capabilities: Capabilities,
    /// Byte 28: nothing yet.
    pub reserved: u32,
}

impl FeaturesReply {
    /// Decodes the body.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let datapath_id = DatapathId(body.u64("switch_features.datapath_id")?);
        let n_buffers = body.u32("switch_features.n_buffers")?;
        let n_tables = body.u8("switch_features.n_tables")?;
        let auxiliary_id = body.u8("switch_features.auxiliary_id")?;
        body.skip(2, "switch_features.pad")?;
        let capabilities = Capabilities(body.u32("switch_features.capabilities")?);
        let reserved = body.u32("switch_features.reserved")?;
        body.finish("switch_features")?;
        Ok(Self { datapath_id, n_buffers, n_tables, auxiliary_id, capabilities, reserved })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        message(writer, MessageType::FEATURES_REPLY, xid, |w| {
            w.u64(self.datapath_id.0);
            w.u32(self.n_buffers);
            w.u8(self.n_tables);
            w.u8(self.auxiliary_id);
            w.zeros(2);
            w.u32(self.capabilities.0);
            w.u32(self.reserved);
            Ok(())
        })
    }
}

/// Appends an `OFPT_GET_CONFIG_REQUEST` (OpenFlow 1.3.5 §7.3.2).
pub fn encode_config_request(writer: &mut Writer, xid: Xid) {
    empty_message(writer, MessageType::GET_CONFIG_REQUEST, xid);
}

/// `struct ofp_switch_config` (OpenFlow 1.3.5 §7.3.2): the body of `OFPT_SET_CONFIG` and
/// `OFPT_GET_CONFIG_REPLY`, 12 bytes with the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwitchConfig {
    /// Byte 8: `OFPC_FRAG_*`, 0 for normal handling of fragments.
    pub flags: u16,
    /// Byte 10: bytes of a packet that a packet-in of a table miss brings.
    pub miss_send_len: u16,
}

impl SwitchConfig {
    /// `OFPCML_NO_BUFFER` as [`miss_send_len`](Self::miss_send_len): the whole packet.
    pub const WHOLE_PACKET: u16 = 0xffff;

    /// Decodes the body of either message.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let flags = body.u16("switch_config.flags")?;
        let miss_send_len = body.u16("switch_config.miss_send_len")?;
        body.finish("switch_config")?;
        Ok(Self { flags, miss_send_len })
    }

    /// Appends an `OFPT_SET_CONFIG`.
    pub fn encode_set(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode(writer, MessageType::SET_CONFIG, xid)
    }

    /// Appends an `OFPT_GET_CONFIG_REPLY`.
    pub fn encode_reply(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode(writer, MessageType::GET_CONFIG_REPLY, xid)
    }

    fn encode(&self, writer: &mut Writer, message_type: MessageType, xid: Xid) -> Result<(), EncodeError> {
        message(writer, message_type, xid, |w| {
            w.u16(self.flags);
            w.u16(self.miss_send_len);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess, written};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn features_read_as_they_were_written() {
        let bytes = hex("04060020 12345678 fedcba9876543210 00000000 fe 00 0000 0000004f 00000000");
        let features = FeaturesReply {
            datapath_id: DatapathId(0xfedc_ba98_7654_3210),
            n_buffers: 0,
            n_tables: 254,
            auxiliary_id: 0,
            capabilities: Capabilities(0x4f),
            reserved: 0,
        };
        assert_eq!(FeaturesReply::decode(Message::decode(&bytes).unwrap().body), Ok(features));
        assert_eq!(encoded(|w| features.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[], FeaturesReply::decode);
        let names: Vec<_> = features.capabilities.names().collect();
        assert_eq!(names, ["FLOW_STATS", "TABLE_STATS", "PORT_STATS", "GROUP_STATS", "QUEUE_STATS"]);
        assert_eq!(written(|w| encode_request(w, XID)), hex("04050008 12345678"));
    }

    #[test]
    fn the_configuration_reads_as_it_was_written() {
        let bytes = hex("0409000c 12345678 0001 ffff");
        let config = SwitchConfig { flags: 1, miss_send_len: SwitchConfig::WHOLE_PACKET };
        assert_eq!(SwitchConfig::decode(Message::decode(&bytes).unwrap().body), Ok(config));
        assert_eq!(encoded(|w| config.encode_set(w, XID)), bytes);
        assert_eq!(encoded(|w| config.encode_reply(w, XID)), hex("0408000c 12345678 0001 ffff"));
        refuses_cut_and_excess(&bytes, &[], SwitchConfig::decode);
        assert_eq!(written(|w| encode_config_request(w, XID)), hex("04070008 12345678"));
    }
}
