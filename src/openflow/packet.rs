//! Packets to the controller and back (OpenFlow 1.3.5 §7.4.1, §7.3.7).

use super::header::MessageType;
use super::message::message;
use super::{Cookie, DecodeError, EncodeError, ErrorCode, PortNo, Raw, RawMatch, Reader, TableId, Writer, Xid};

/// `OFP_NO_BUFFER`: the packet itself is in the message.
pub const NO_BUFFER: u32 = 0xffff_ffff;

/// The first three bytes of the header of `OXM_OF_IN_PORT`: class, field 0, no mask.
const IN_PORT_OXM: [u8; 3] = [0x80, 0, 0];
/// The same of `NXM_NX_REG0` (`ovs-fields(7)`); the registers behind it are the fields behind it.
const REG0_NXM: [u8; 3] = [0, 1, 0];

/// `enum ofp_packet_in_reason` (OpenFlow 1.3.5 §7.4.1). Unknown reasons survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PacketInReason(pub u8);

impl PacketInReason {
    /// `OFPR_NO_MATCH`: the table-miss flow sent it.
    pub const NO_MATCH: Self = Self(0);
    /// `OFPR_ACTION`: a flow's output to the controller.
    pub const ACTION: Self = Self(1);
    /// `OFPR_INVALID_TTL`: its time to live ran out.
    pub const INVALID_TTL: Self = Self(2);

    /// The name that Open vSwitch prints: empty for a miss of a kind that it knows within itself, `None` for
    /// an unknown reason. Those behind the third are of OpenFlow 1.4.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "no_match",
            1 => "action",
            2 => "invalid_ttl",
            3 => "action_set",
            4 => "group",
            5 => "packet_out",
            6 | 7 => "",
            _ => return None,
        })
    }
}

/// `OFPT_PACKET_IN` (`struct ofp_packet_in`, OpenFlow 1.3.5 §7.4.1).
///
/// | byte | field       |                                             |
/// |-----:|-------------|---------------------------------------------|
/// |    8 | `buffer_id` |                                             |
/// |   12 | `total_len` |                                             |
/// |   14 | `reason`    |                                             |
/// |   15 | `table_id`  |                                             |
/// |   16 | `cookie`    |                                             |
/// |   24 | `match`     | padded to 8 bytes                           |
/// |      | padding     | 2 bytes, so that the IP header is aligned   |
/// |      | `data`      |                                             |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketIn<'a> {
    /// Where the switch keeps the packet, or [`NO_BUFFER`]; always that from Open vSwitch.
    pub buffer_id: u32,
    /// Length of the packet, of which `data` may be the start.
    pub total_len: u16,
    /// Why it was sent.
    pub reason: PacketInReason,
    /// The table of the flow that sent it.
    pub table_id: TableId,
    /// The flow's cookie; all ones if there is none.
    pub cookie: Cookie,
    /// The packet's metadata: `in_port`, `tunnel_id`, registers.
    pub flow_match: RawMatch<'a>,
    /// The packet, from its Ethernet header.
    pub data: &'a [u8],
}

impl<'a> PacketIn<'a> {
    /// Decodes the body.
    #[inline]
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let buffer_id = body.u32("packet_in.buffer_id")?;
        let total_len = body.u16("packet_in.total_len")?;
        let reason = PacketInReason(body.u8("packet_in.reason")?);
        let table_id = TableId(body.u8("packet_in.table_id")?);
        let cookie = Cookie(body.u64("packet_in.cookie")?);
        let flow_match = RawMatch::decode(&mut body)?;
        body.skip(2, "packet_in.pad")?;
        Ok(Self { buffer_id, total_len, reason, table_id, cookie, flow_match, data: body.rest() })
    }

    /// The port that the packet came in through, out of the match; `None` if that does not say.
    #[inline]
    pub fn in_port(&self) -> Option<PortNo> {
        self.metadata(IN_PORT_OXM).map(PortNo)
    }

    /// A register of the packet, 0 to 15. The switch leaves out those that are 0.
    pub fn register(&self, number: u8) -> u32 {
        let [c0, c1, reg0] = REG0_NXM;
        // The lowest bit says whether there is a mask.
        self.metadata([c0, c1, reg0 | number << 1]).unwrap_or(0)
    }

    /// A field of 32 bits out of the match.
    #[inline]
    fn metadata(&self, header: [u8; 3]) -> Option<u32> {
        let mut fields = self.flow_match.oxm_fields();
        while let Ok([c0, c1, field, length]) = fields.array::<4>("oxm.header") {
            let value = fields.bytes(length.into(), "oxm.value").ok()?;
            if [c0, c1, field] == header {
                return <[u8; 4]>::try_from(value).ok().map(u32::from_be_bytes);
            }
        }
        None
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        message(writer, MessageType::PACKET_IN, xid, |w| {
            w.u32(self.buffer_id);
            w.u16(self.total_len);
            w.u8(self.reason.0);
            w.u8(self.table_id.0);
            w.u64(self.cookie.0);
            self.flow_match.encode(w);
            w.zeros(2);
            w.bytes(self.data);
            Ok(())
        })
    }
}

/// `OFPT_PACKET_OUT` (`struct ofp_packet_out`, OpenFlow 1.3.5 §7.3.7).
///
/// | byte | field         |                     |
/// |-----:|---------------|---------------------|
/// |    8 | `buffer_id`   |                     |
/// |   12 | `in_port`     |                     |
/// |   16 | `actions_len` | a multiple of 8     |
/// |   18 | padding       | 6 bytes             |
/// |   24 | `actions`     |                     |
/// |      | `data`        |                     |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketOut<'a> {
    /// The packet that the switch keeps, or [`NO_BUFFER`].
    pub buffer_id: u32,
    /// Where the packet seems to come from: a port, or [`PortNo::CONTROLLER`].
    pub in_port: PortNo,
    /// What to do with it: encoded actions.
    pub actions: Raw<'a>,
    /// The packet, from its Ethernet header.
    pub data: &'a [u8],
}

impl<'a> PacketOut<'a> {
    /// Decodes the body; `BRC_BAD_LEN` if the actions are not a whole number of 8 bytes.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let buffer_id = body.u32("packet_out.buffer_id")?;
        let in_port = PortNo(body.u32("packet_out.in_port")?);
        let at = body;
        let actions_len = body.u16("packet_out.actions_len")?;
        body.skip(6, "packet_out.pad")?;
        if actions_len % 8 != 0 || usize::from(actions_len) > body.remaining() {
            let expected = "a multiple of 8, and no more than what is left of the message";
            return Err(at.error("packet_out.actions_len", actions_len.into(), expected, ErrorCode::BRC_BAD_LEN));
        }
        let actions = Raw::take(&mut body, actions_len.into(), "packet_out.actions")?;
        Ok(Self { buffer_id, in_port, actions, data: body.rest() })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        let found = self.actions.bytes().len();
        let what = "packet_out.actions";
        let actions_len = u16::try_from(found).map_err(|_| EncodeError::TooLong { what, found })?;
        message(writer, MessageType::PACKET_OUT, xid, |w| {
            w.u32(self.buffer_id);
            w.u32(self.in_port.0);
            w.u16(actions_len);
            w.zeros(6);
            w.bytes(self.actions.bytes());
            w.bytes(self.data);
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
    fn a_packet_in_reads_as_it_was_written() {
        let bytes = hex("040a0030 12345678 ffffffff 0036 01 14 00000000000000ab
             0001000c 80000004 00000002 00000000 0000 505400000007");
        let packet = PacketIn::decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!(packet.flow_match.oxm_fields().rest(), hex("80000004 00000002"));
        let expected = PacketIn {
            buffer_id: NO_BUFFER,
            total_len: 54,
            reason: PacketInReason::ACTION,
            table_id: TableId(20),
            cookie: Cookie(0xab),
            flow_match: packet.flow_match,
            data: &hex("505400000007"),
        };
        assert_eq!(packet, expected);
        assert_eq!(encoded(|w| packet.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[42, 43, 44, 45, 46, 47, usize::MAX], PacketIn::decode);
    }

    #[test]
    fn a_packet_out_reads_as_it_was_written() {
        let bytes = hex("040d0030 12345678 ffffffff fffffffd 0010 000000000000
             00000010 fffffffb 0000 000000000000 0001020304050010");
        let packet = PacketOut::decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!((packet.in_port, packet.data.len()), (PortNo::CONTROLLER, 8));
        assert_eq!(packet.actions.reader().offset(), 24);
        assert_eq!(encoded(|w| packet.encode(w, XID)), bytes);
        let open: Vec<usize> = (40..48).chain([usize::MAX]).collect();
        refuses_cut_and_excess(&bytes, &open, PacketOut::decode);
    }

    #[test]
    fn actions_that_do_not_fit_are_refused_both_ways() {
        let bytes = hex("040d0020 12345678 ffffffff fffffffd 0007 000000000000 0000000000000000");
        let error = PacketOut::decode(Message::decode(&bytes).unwrap().body).unwrap_err();
        assert_eq!((error.offset, error.what), (16, "packet_out.actions_len"));
        let actions = vec![0; 65_536];
        let packet =
            PacketOut { buffer_id: NO_BUFFER, in_port: PortNo::CONTROLLER, actions: Raw::new(&actions), data: &[] };
        let mut writer = Writer::new();
        assert!(packet.encode(&mut writer, XID).is_err());
        let packet = PacketOut { actions: Raw::default(), data: &actions, ..packet };
        assert!(packet.encode(&mut writer, XID).is_err());
        assert!(writer.is_empty());
    }
}
