//! FLOW_REMOVED: a flow is gone (`struct ofp_flow_removed`, OpenFlow 1.3.5 §7.4.2).

use super::header::MessageType;
use super::message::message;
use super::{Cookie, DecodeError, EncodeError, Raw, RawMatch, Reader, TableId, Writer, Xid};

/// `enum ofp_flow_removed_reason` (OpenFlow 1.3.5 §7.4.2). Unknown reasons survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FlowRemovedReason(pub u8);

impl FlowRemovedReason {
    /// `OFPRR_IDLE_TIMEOUT`: no packet for too long.
    pub const IDLE_TIMEOUT: Self = Self(0);
    /// `OFPRR_HARD_TIMEOUT`: its time was over.
    pub const HARD_TIMEOUT: Self = Self(1);
    /// `OFPRR_DELETE`: deleted by a FLOW_MOD.
    pub const DELETE: Self = Self(2);
    /// `OFPRR_GROUP_DELETE`: its group was removed.
    pub const GROUP_DELETE: Self = Self(3);
    /// `OFPRR_METER_DELETE`: its meter was removed (OpenFlow 1.4.1 §7.4.2; Open vSwitch knows it in 1.3 too).
    pub const METER_DELETE: Self = Self(4);
    /// `OFPRR_EVICTION`: it made room (OpenFlow 1.4.1 §7.4.2).
    pub const EVICTION: Self = Self(5);
}

/// `OFPT_FLOW_REMOVED` (OpenFlow 1.3.5 §7.4.2): 48 bytes and a match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowRemoved<'a> {
    /// Byte 8.
    pub cookie: Cookie,
    /// Byte 16.
    pub priority: u16,
    /// Byte 18: why it went.
    pub reason: FlowRemovedReason,
    /// Byte 19.
    pub table_id: TableId,
    /// Byte 20: seconds that it lived.
    pub duration_sec: u32,
    /// Byte 24: nanoseconds beyond those.
    pub duration_nsec: u32,
    /// Byte 28: seconds; 0 for none.
    pub idle_timeout: u16,
    /// Byte 30: seconds; 0 for none.
    pub hard_timeout: u16,
    /// Byte 32: packets that it took.
    pub packet_count: u64,
    /// Byte 40: their bytes.
    pub byte_count: u64,
    /// Byte 48.
    pub flow_match: RawMatch<'a>,
    /// What follows the match; Open vSwitch neither sends nor reads anything there.
    pub excess: Raw<'a>,
}

impl<'a> FlowRemoved<'a> {
    /// Decodes the body.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            cookie: Cookie(body.u64("flow_removed.cookie")?),
            priority: body.u16("flow_removed.priority")?,
            reason: FlowRemovedReason(body.u8("flow_removed.reason")?),
            table_id: TableId(body.u8("flow_removed.table_id")?),
            duration_sec: body.u32("flow_removed.duration_sec")?,
            duration_nsec: body.u32("flow_removed.duration_nsec")?,
            idle_timeout: body.u16("flow_removed.idle_timeout")?,
            hard_timeout: body.u16("flow_removed.hard_timeout")?,
            packet_count: body.u64("flow_removed.packet_count")?,
            byte_count: body.u64("flow_removed.byte_count")?,
            flow_match: RawMatch::decode(&mut body)?,
            excess: Raw::rest(&mut body),
        })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        message(writer, MessageType::FLOW_REMOVED, xid, |w| {
            w.u64(self.cookie.0);
            w.u16(self.priority);
            w.u8(self.reason.0);
            w.u8(self.table_id.0);
            w.u32(self.duration_sec);
            w.u32(self.duration_nsec);
            w.u16(self.idle_timeout);
            w.u16(self.hard_timeout);
            w.u64(self.packet_count);
            w.u64(self.byte_count);
            self.flow_match.encode(w);
            w.bytes(self.excess.bytes());
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
    fn a_removed_flow_reads_as_it_was_written() {
        let bytes = hex("040b0040 12345678 00000000000000ab 8000 00 17 00000007 00000008 0009 000a
             000000000000000b 000000000000000c 0001000c 80000004 00000001 00000000");
        let removed = FlowRemoved::decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!((removed.reason, removed.table_id), (FlowRemovedReason::IDLE_TIMEOUT, TableId(23)));
        assert_eq!((removed.idle_timeout, removed.hard_timeout, removed.byte_count), (9, 10, 12));
        assert_eq!(encoded(|w| removed.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[usize::MAX], FlowRemoved::decode);
    }
}
