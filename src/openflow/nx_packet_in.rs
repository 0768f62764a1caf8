//! Packets to the controller in Nicira's first form, and which form a connection wants
//! (`include/openvswitch/nicira-ext.h`).

use super::error::NICIRA;
use super::experimenter::experimenter_message;
use super::packet::PacketInReason;
use super::{Cookie, DecodeError, EncodeError, ErrorCode, Raw, Reader, TableId, Writer, Xid};

/// `NXT_SET_PACKET_IN_FORMAT`: the `exp_type` of [`SetPacketInFormat`].
pub const SET_PACKET_IN_FORMAT: u32 = 16;
/// `NXT_PACKET_IN`: the `exp_type` of [`NxPacketIn`].
pub const PACKET_IN: u32 = 17;

/// `enum ofputil_packet_in_format`: how a switch tells this connection of packets. Unknown ones survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PacketInFormat(pub u32);

impl PacketInFormat {
    /// `OFPT_PACKET_IN`.
    pub const STANDARD: Self = Self(0);
    /// `NXT_PACKET_IN`.
    pub const NXT_PACKET_IN: Self = Self(1);
    /// `NXT_PACKET_IN2`.
    pub const NXT_PACKET_IN2: Self = Self(2);
}

/// `NXT_SET_PACKET_IN_FORMAT`: behind the `exp_type` 4 bytes with the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetPacketInFormat {
    /// The one that is wanted.
    pub format: PacketInFormat,
}

impl SetPacketInFormat {
    /// Decodes the body behind the `exp_type`.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let format = PacketInFormat(body.u32("nx_set_packet_in_format.format")?);
        body.finish("nx_set_packet_in_format")?;
        Ok(Self { format })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, SET_PACKET_IN_FORMAT), xid, |w| {
            w.u32(self.format.0);
            Ok(())
        })
    }
}

/// `NXT_PACKET_IN` (`struct nx_packet_in`).
///
/// | byte | field          |                                           |
/// |-----:|----------------|-------------------------------------------|
/// |    8 | `experimenter` | [`NICIRA`]                                |
/// |   12 | `exp_type`     | [`PACKET_IN`]                             |
/// |   16 | `buffer_id`    |                                           |
/// |   20 | `total_len`    |                                           |
/// |   22 | `reason`       |                                           |
/// |   23 | `table_id`     |                                           |
/// |   24 | `cookie`       |                                           |
/// |   32 | `match_len`    | without the padding behind the match      |
/// |   34 | padding        | 6 bytes                                   |
/// |   40 | match          | NXM fields, padded to 8 bytes             |
/// |      | padding        | 2 bytes, so that the IP header is aligned |
/// |      | `data`         |                                           |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NxPacketIn<'a> {
    /// Where the switch keeps the packet, or [`NO_BUFFER`](super::packet::NO_BUFFER).
    pub buffer_id: u32,
    /// Length of the packet, of which `data` may be the start.
    pub total_len: u16,
    /// Why it was sent.
    pub reason: PacketInReason,
    /// The table of the flow that sent it.
    pub table_id: TableId,
    /// The flow's cookie; all ones if there is none.
    pub cookie: Cookie,
    /// The packet's metadata: NXM fields without padding.
    pub fields: Raw<'a>,
    /// The packet, from its Ethernet header.
    pub data: &'a [u8],
}

impl<'a> NxPacketIn<'a> {
    /// Decodes the body behind the `exp_type`; `BMC_BAD_LEN` if the match does not fit.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let buffer_id = body.u32("nx_packet_in.buffer_id")?;
        let total_len = body.u16("nx_packet_in.total_len")?;
        let reason = PacketInReason(body.u8("nx_packet_in.reason")?);
        let table_id = TableId(body.u8("nx_packet_in.table_id")?);
        let cookie = Cookie(body.u64("nx_packet_in.cookie")?);
        let at = body;
        let match_len = body.u16("nx_packet_in.match_len")?;
        body.skip(6, "nx_packet_in.pad")?;
        let mut padded =
            body.child(usize::from(match_len).next_multiple_of(8), "nx_packet_in.match").map_err(|_| {
                let expected = "with its padding no more than what is left of the message";
                at.error("nx_packet_in.match_len", match_len.into(), expected, ErrorCode::BMC_BAD_LEN)
            })?;
        let fields = Raw::take(&mut padded, match_len.into(), "nx_packet_in.match")?;
        body.skip(2, "nx_packet_in.pad2")?;
        Ok(Self { buffer_id, total_len, reason, table_id, cookie, fields, data: body.rest() })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        let found = self.fields.bytes().len();
        let match_len = u16::try_from(found).map_err(|_| EncodeError::TooLong { what: "nx_packet_in.match", found })?;
        experimenter_message(writer, (NICIRA, PACKET_IN), xid, |w| {
            w.u32(self.buffer_id);
            w.u16(self.total_len);
            w.u8(self.reason.0);
            w.u8(self.table_id.0);
            w.u64(self.cookie.0);
            w.u16(match_len);
            w.zeros(6);
            let mark = w.begin();
            w.bytes(self.fields.bytes());
            w.pad8(mark);
            w.zeros(2);
            w.bytes(self.data);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::experimenter::Experimenter;
    use super::super::packet::NO_BUFFER;
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    fn format(body: Reader<'_>) -> Result<SetPacketInFormat, DecodeError> {
        SetPacketInFormat::decode(Experimenter::decode(body)?.body.reader())
    }

    fn packet_in(body: Reader<'_>) -> Result<NxPacketIn<'_>, DecodeError> {
        NxPacketIn::decode(Experimenter::decode(body)?.body.reader())
    }

    #[test]
    fn a_format_reads_as_it_was_written() {
        let bytes = hex("04040014 12345678 00002320 00000010 00000002");
        let message = format(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!(message, SetPacketInFormat { format: PacketInFormat::NXT_PACKET_IN2 });
        assert_eq!(encoded(|w| message.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[], format);
    }

    #[test]
    fn a_packet_in_reads_as_it_was_written() {
        let bytes = hex("04040038 12345678 00002320 00000011
             ffffffff 0036 01 07 00000000000000ab 0006 000000000000 00000002 0001 0000 0000 505400000007");
        let packet = packet_in(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!((packet.fields.bytes(), packet.fields.reader().offset()), (&hex("000000020001")[..], 40));
        assert_eq!((packet.buffer_id, packet.total_len, packet.table_id), (NO_BUFFER, 54, TableId(7)));
        assert_eq!(packet.data, hex("505400000007"));
        assert_eq!(encoded(|w| packet.encode(w, XID)), bytes);
        let open: Vec<usize> = (50..56).chain([usize::MAX]).collect();
        refuses_cut_and_excess(&bytes, &open, packet_in);
    }

    #[test]
    fn a_match_that_does_not_fit_is_refused_both_ways() {
        let bytes = hex("ffffffff 0036 01 07 00000000000000ab 0009 000000000000 0000000200010000");
        let error = NxPacketIn::decode(Reader::new(&bytes)).unwrap_err();
        assert_eq!((error.offset, error.what, error.code), (16, "nx_packet_in.match_len", ErrorCode::BMC_BAD_LEN));
        let fields = vec![0; 65_536];
        let packet = NxPacketIn {
            buffer_id: NO_BUFFER,
            total_len: 0,
            reason: PacketInReason::ACTION,
            table_id: TableId(0),
            cookie: Cookie(0),
            fields: Raw::new(&fields),
            data: &[],
        };
        assert!(packet.encode(&mut Writer::new(), XID).is_err());
    }
}
