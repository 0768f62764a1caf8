//! Packets to the controller and back as lists of properties (`include/openvswitch/nicira-ext.h`).
//!
//! `NXT_PACKET_IN2` is the packet-in that also holds what a `controller` action with `userdata` or `pause`
//! asks for. Its continuation is where in the pipeline the packet waits; `NXT_RESUME` brings both back.
//!
//! | byte | field          |                                            |
//! |-----:|----------------|--------------------------------------------|
//! |    8 | `experimenter` | [`NICIRA`]                                 |
//! |   12 | `exp_type`     | [`PACKET_IN2`] or [`RESUME`]               |
//! |   16 | properties     | [`PacketInProperty`]                       |

use super::error::NICIRA;
use super::experimenter::experimenter_message;
use super::nx_packet_in::NxPacketIn;
use super::oxm::Tlvs;
use super::packet::{NO_BUFFER, PacketIn, PacketInReason};
use super::property::{Property, aligned_property, property};
use super::{Cookie, DecodeError, EncodeError, Entries, Entry, ErrorCode, Raw, Reader, TableId, Writer, Xid};

/// `NXT_PACKET_IN2`: the `exp_type` of a packet-in.
pub const PACKET_IN2: u32 = 30;
/// `NXT_RESUME`: the `exp_type` of a packet on its way back.
pub const RESUME: u32 = 28;

/// The cookie of a packet-in that no flow sent.
pub const NO_COOKIE: Cookie = Cookie(u64::MAX);

/// One property of either message (`enum nx_packet_in2_prop_type`). Those that are not known survive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketInProperty<'a> {
    /// `NXPINT_PACKET`: the packet, or its beginning.
    Packet(&'a [u8]),
    /// `NXPINT_FULL_LEN`: length of the packet, if that is not all of it.
    FullLen(u32),
    /// `NXPINT_BUFFER_ID`: where the switch keeps it.
    BufferId(u32),
    /// `NXPINT_TABLE_ID`: the table of the flow that sent it.
    TableId(TableId),
    /// `NXPINT_COOKIE`: that flow's cookie.
    Cookie(Cookie),
    /// `NXPINT_REASON`: why it was sent.
    Reason(PacketInReason),
    /// `NXPINT_METADATA`: the packet's metadata, OXM fields without the frame of a match.
    Metadata(Raw<'a>),
    /// `NXPINT_USERDATA`: as given to the `controller` action.
    Userdata(&'a [u8]),
    /// `NXPINT_CONTINUATION`: a list of [`ContinuationProperty`], to be sent back as it is.
    Continuation(Raw<'a>),
    /// Another.
    Other(Property<'a>),
}

impl<'a> Entry<'a> for PacketInProperty<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let property = Property::decode(reader)?;
        Ok(match property.property_type {
            0 => Self::Packet(property.value()?.bytes()),
            1 => Self::FullLen(property.u32("packet_in2.full_len")?),
            2 => Self::BufferId(property.u32("packet_in2.buffer_id")?),
            3 => Self::TableId(TableId(property.u8("packet_in2.table_id")?)),
            4 => Self::Cookie(Cookie(property.u64("packet_in2.cookie")?)),
            5 => Self::Reason(PacketInReason(property.u8("packet_in2.reason")?)),
            6 => Self::Metadata(property.value()?),
            7 => Self::Userdata(property.value()?.bytes()),
            8 => Self::Continuation(property.aligned()?),
            _ => Self::Other(property),
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        match *self {
            Self::Packet(packet) => property(writer, 0, |w| w.bytes(packet)),
            Self::FullLen(length) => property(writer, 1, |w| w.u32(length)),
            Self::BufferId(id) => property(writer, 2, |w| w.u32(id)),
            Self::TableId(table) => property(writer, 3, |w| w.u8(table.0)),
            Self::Cookie(cookie) => aligned_property(writer, 4, |w| w.u64(cookie.0)),
            Self::Reason(reason) => property(writer, 5, |w| w.u8(reason.0)),
            Self::Metadata(fields) => property(writer, 6, |w| w.bytes(fields.bytes())),
            Self::Userdata(userdata) => property(writer, 7, |w| w.bytes(userdata)),
            Self::Continuation(inner) => aligned_property(writer, 8, |w| w.bytes(inner.bytes())),
            Self::Other(property) => property.encode(writer),
        }
    }
}

/// One property of a continuation (`enum nx_continuation_prop_type` of Open vSwitch 3.1). Only the switch that
/// made it may rely on what it says; for anybody else it is there to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContinuationProperty<'a> {
    /// `NXCPT_BRIDGE`: the UUID of the bridge in which the packet waits, four words in the byte order of the
    /// switch's processor.
    Bridge([u8; 16]),
    /// `NXCPT_STACK`: a value on the stack; the first is the topmost.
    Stack(&'a [u8]),
    /// `NXCPT_MIRRORS`: the mirrors that have seen the packet, as bits.
    Mirrors(u32),
    /// `NXCPT_CONNTRACKED`: it was tracked.
    Conntracked(Property<'a>),
    /// `NXCPT_TABLE_ID`: the table of the actions behind it.
    TableId(TableId),
    /// `NXCPT_COOKIE`: the cookie of the flow of the actions behind it.
    Cookie(Cookie),
    /// `NXCPT_ACTIONS`: what is left to do of one flow.
    Actions(Raw<'a>),
    /// `NXCPT_ACTION_SET`: what the action set has gathered.
    ActionSet(Raw<'a>),
    /// `NXCPT_ODP_PORT`: the datapath's number of the port that the packet came from.
    OdpPort(u32),
    /// Another.
    Other(Property<'a>),
}

/// The longest value on the stack: the widest field that there is, in bytes.
const MAX_STACK_VALUE: usize = 128;

impl<'a> Entry<'a> for ContinuationProperty<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let property = Property::decode(reader)?;
        Ok(match property.property_type {
            0x8000 => Self::Bridge(property.array("continuation.bridge")?),
            0x8001 => Self::Stack(stack_value(&property)?),
            0x8002 => Self::Mirrors(property.u32("continuation.mirrors")?),
            0x8003 => Self::Conntracked(property),
            0x8004 => Self::TableId(TableId(property.u8("continuation.table_id")?)),
            0x8005 => Self::Cookie(Cookie(property.u64("continuation.cookie")?)),
            0x8006 => Self::Actions(actions(&property)?),
            0x8007 => Self::ActionSet(actions(&property)?),
            0x8008 => Self::OdpPort(property.u32("continuation.odp_port")?),
            _ => Self::Other(property),
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        match *self {
            Self::Bridge(uuid) => property(writer, 0x8000, |w| w.bytes(&uuid)),
            Self::Stack(value) => property(writer, 0x8001, |w| w.bytes(value)),
            Self::Mirrors(mirrors) => property(writer, 0x8002, |w| w.u32(mirrors)),
            Self::TableId(table) => property(writer, 0x8004, |w| w.u8(table.0)),
            Self::Cookie(cookie) => aligned_property(writer, 0x8005, |w| w.u64(cookie.0)),
            Self::Actions(actions) => aligned_property(writer, 0x8006, |w| w.bytes(actions.bytes())),
            Self::ActionSet(actions) => aligned_property(writer, 0x8007, |w| w.bytes(actions.bytes())),
            Self::OdpPort(port) => property(writer, 0x8008, |w| w.u32(port)),
            Self::Conntracked(property) | Self::Other(property) => property.encode(writer),
        }
    }
}

/// Actions, a whole number of 8 bytes.
fn actions<'a>(property: &Property<'a>) -> Result<Raw<'a>, DecodeError> {
    let actions = property.aligned()?;
    let found = actions.bytes().len();
    if found % 8 != 0 {
        let expected = "a multiple of 8 bytes";
        return Err(actions.reader().error("continuation.actions", found as u64, expected, ErrorCode::BRC_BAD_LEN));
    }
    Ok(actions)
}

fn stack_value<'a>(property: &Property<'a>) -> Result<&'a [u8], DecodeError> {
    let value = property.value()?;
    let found = value.bytes().len();
    if found > MAX_STACK_VALUE {
        let expected = "128 bytes at the most";
        return Err(value.reader().error("continuation.stack", found as u64, expected, ErrorCode::TFFC_BAD_LEN));
    }
    Ok(value.bytes())
}

/// What the properties of a message say together. Encoded, they stand in the order in which Open vSwitch 3.1
/// has them, and properties that are not known are gone: to pass a message on, pass its properties on. The other
/// forms of a packet-in say less of the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketIn2<'a> {
    /// The packet, from its Ethernet header, or its beginning.
    pub packet: &'a [u8],
    /// Length of the packet.
    pub full_len: u32,
    /// Where the switch keeps it, or [`NO_BUFFER`]; always that from Open vSwitch.
    pub buffer_id: u32,
    /// The table of the flow that sent it.
    pub table_id: TableId,
    /// The flow's cookie, or [`NO_COOKIE`].
    pub cookie: Cookie,
    /// Why it was sent.
    pub reason: PacketInReason,
    /// The packet's metadata: OXM fields without the frame of a match.
    pub metadata: Raw<'a>,
    /// As given to the `controller` action; empty if it gave none.
    pub userdata: &'a [u8],
    /// Properties that say where the packet waits; empty if it does not.
    pub continuation: Raw<'a>,
}

impl<'a> From<PacketIn<'a>> for PacketIn2<'a> {
    fn from(message: PacketIn<'a>) -> Self {
        Self {
            packet: message.data,
            full_len: message.total_len.into(),
            buffer_id: message.buffer_id,
            table_id: message.table_id,
            cookie: message.cookie,
            reason: message.reason,
            metadata: Raw::rest(&mut message.flow_match.oxm_fields()),
            userdata: &[],
            continuation: Raw::default(),
        }
    }
}

impl<'a> From<NxPacketIn<'a>> for PacketIn2<'a> {
    fn from(message: NxPacketIn<'a>) -> Self {
        Self {
            packet: message.data,
            full_len: message.total_len.into(),
            buffer_id: message.buffer_id,
            table_id: message.table_id,
            cookie: message.cookie,
            reason: message.reason,
            metadata: message.fields,
            userdata: &[],
            continuation: Raw::default(),
        }
    }
}

impl<'a> PacketIn2<'a> {
    /// Decodes the body behind the `exp_type`. Of a property that is there twice the last counts. Errors:
    /// `OFPBPC_*` for a property, `BMC_BAD_LEN` for metadata that are no fields, `BRC_BAD_LEN` without a packet
    /// or with one longer than it says.
    pub fn decode(body: Reader<'a>) -> Result<Self, DecodeError> {
        let mut packet_in = Self {
            packet: &[],
            full_len: 0,
            buffer_id: NO_BUFFER,
            table_id: TableId(0),
            cookie: NO_COOKIE,
            reason: PacketInReason::NO_MATCH,
            metadata: Raw::default(),
            userdata: &[],
            continuation: Raw::default(),
        };
        for property in Entries::new(body) {
            packet_in.note(property?)?;
        }
        let found = packet_in.packet.len();
        if found == 0 {
            return Err(body.error("packet_in2.packet", 0, "a packet", ErrorCode::BRC_BAD_LEN));
        }
        if packet_in.full_len == 0 {
            packet_in.full_len = u32::try_from(found).unwrap_or(u32::MAX);
        }
        if (packet_in.full_len as usize) < found {
            let full_len = packet_in.full_len.into();
            let expected = "no less than the length of the packet";
            return Err(body.error("packet_in2.full_len", full_len, expected, ErrorCode::BRC_BAD_LEN));
        }
        Ok(packet_in)
    }

    fn note(&mut self, property: PacketInProperty<'a>) -> Result<(), DecodeError> {
        match property {
            PacketInProperty::Packet(packet) => self.packet = packet,
            PacketInProperty::FullLen(length) => self.full_len = length,
            PacketInProperty::BufferId(id) => self.buffer_id = id,
            PacketInProperty::TableId(table) => self.table_id = table,
            PacketInProperty::Cookie(cookie) => self.cookie = cookie,
            PacketInProperty::Reason(reason) => self.reason = reason,
            PacketInProperty::Metadata(fields) => {
                Tlvs::new(fields.reader()).try_for_each(|field| field.map(drop))?;
                self.metadata = fields;
            }
            PacketInProperty::Userdata(userdata) => self.userdata = userdata,
            PacketInProperty::Continuation(inner) => self.continuation = inner,
            PacketInProperty::Other(_) => {}
        }
        Ok(())
    }

    /// The properties of the continuation.
    pub const fn continuation(&self) -> Entries<'a, ContinuationProperty<'a>> {
        Entries::new(self.continuation.reader())
    }

    /// Appends an `NXT_PACKET_IN2`.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, PACKET_IN2), xid, |w| {
            self.encode_common(w)?;
            if self.userdata.is_empty() {
                return Ok(());
            }
            PacketInProperty::Userdata(self.userdata).encode(w)
        })
    }

    /// Appends the `NXT_RESUME` with which the packet, changed or not, goes on where it waits.
    pub fn encode_resume(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, RESUME), xid, |w| self.encode_common(w))
    }

    /// The properties that both messages have.
    fn encode_common(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        PacketInProperty::Packet(self.packet).encode(writer)?;
        if self.full_len as usize != self.packet.len() {
            PacketInProperty::FullLen(self.full_len).encode(writer)?;
        }
        if self.buffer_id != NO_BUFFER {
            PacketInProperty::BufferId(self.buffer_id).encode(writer)?;
        }
        PacketInProperty::TableId(self.table_id).encode(writer)?;
        if self.cookie != NO_COOKIE {
            PacketInProperty::Cookie(self.cookie).encode(writer)?;
        }
        PacketInProperty::Reason(self.reason).encode(writer)?;
        PacketInProperty::Metadata(self.metadata).encode(writer)?;
        if !self.continuation.bytes().is_empty() {
            PacketInProperty::Continuation(self.continuation).encode(writer)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::experimenter::Experimenter;
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    /// A packet-in with all properties that Open vSwitch sends, in its order.
    const PACKET_IN: &str = "040400a0 12345678 00002320 0000001e
        0000 0012 505400000007101111111111 0800 000000000000
        0001 0008 00000036
        0003 0005 07 000000
        0004 0010 00000000 00000000000000ab
        0005 0005 01 000000
        0006 000c 80000004 00000002 00000000
        0008 0038 00000000
            8000 0014 e1e77b352d6842d2931786155193787b 00000000
            8006 0018 00000000 0000 0010 00000005 0000 000000000000
        0007 0006 aabb 0000";

    fn body(bytes: &[u8]) -> Reader<'_> {
        Experimenter::decode(Message::decode(bytes).unwrap().body).unwrap().body.reader()
    }

    #[test]
    fn a_packet_in_reads_as_it_was_written() {
        let bytes = hex(PACKET_IN);
        let packet_in = PacketIn2::decode(body(&bytes)).unwrap();
        assert_eq!((packet_in.packet.len(), packet_in.full_len), (14, 54));
        assert_eq!((packet_in.table_id, packet_in.cookie), (TableId(7), Cookie(0xab)));
        assert_eq!((packet_in.reason, packet_in.userdata), (PacketInReason::ACTION, &[0xaa, 0xbb][..]));
        assert_eq!(packet_in.metadata.bytes(), hex("80000004 00000002"));
        let continuation: Vec<_> = packet_in.continuation().map(Result::unwrap).collect();
        assert!(matches!(
            continuation[..],
            [ContinuationProperty::Bridge([0xe1, ..]), ContinuationProperty::Actions(actions)]
                if actions.bytes().len() == 16 && actions.reader().offset() == 136
        ));
        assert_eq!(encoded(|w| packet_in.encode(w, XID)), bytes);
        let mut inner = Writer::new();
        continuation.iter().for_each(|property| property.encode(&mut inner).unwrap());
        assert_eq!(inner.as_slice(), packet_in.continuation.bytes());
    }

    #[test]
    fn a_packet_in_of_another_form_says_the_same() {
        let bytes = hex("040a0030 12345678 ffffffff 0036 01 14 00000000000000ab
             0001000c 80000004 00000002 00000000 0000 505400000007");
        let standard = PacketIn2::from(PacketIn::decode(Message::decode(&bytes).unwrap().body).unwrap());
        let bytes = hex("ffffffff 0036 01 14 00000000000000ab 0008 000000000000 8000000400000002 0000 505400000007");
        let nicira = PacketIn2::from(NxPacketIn::decode(Reader::new(&bytes)).unwrap());
        assert_eq!(standard, nicira);
        let again = encoded(|w| standard.encode(w, XID));
        assert_eq!(PacketIn2::decode(body(&again)).unwrap(), standard);
    }

    #[test]
    fn a_packet_in_goes_back_without_its_userdata() {
        let bytes = hex(PACKET_IN);
        let packet_in = PacketIn2::decode(body(&bytes)).unwrap();
        let resume = encoded(|w| packet_in.encode_resume(w, XID));
        assert_eq!(resume[4..16], hex("12345678 00002320 0000001c"));
        assert_eq!(resume[16..], bytes[16..bytes.len() - 8]);
        assert_eq!(PacketIn2::decode(body(&resume)).unwrap(), PacketIn2 { userdata: &[], ..packet_in });
    }

    #[test]
    fn no_part_of_a_packet_in_is_one_but_at_the_end_of_a_property() {
        let bytes = hex(PACKET_IN);
        let ends = [40, 48, 56, 72, 80, 96, 152];
        let decode = |body| PacketIn2::decode(Experimenter::decode(body)?.body.reader());
        refuses_cut_and_excess(&bytes, &ends, decode);
    }

    #[test]
    fn properties_that_are_not_known_survive() {
        let bytes = hex("0009 0007 010203 ff  ffff 000d 00002320 00000001 aa 000000  0003 0005 07 000000");
        let mut writer = Writer::new();
        for property in Entries::<PacketInProperty<'_>>::new(Reader::new(&bytes)) {
            property.unwrap().encode(&mut writer).unwrap();
        }
        assert_eq!(writer.as_slice(), bytes);
    }

    #[test]
    fn a_packet_in_needs_a_packet_that_is_not_longer_than_it_says() {
        let packet = "0000 0006 0102 0000";
        for (text, what) in [
            (String::new(), "packet_in2.packet"),
            ("0000 0004 00000000".to_owned(), "packet_in2.packet"),
            (format!("{packet} 0001 0008 00000001"), "packet_in2.full_len"),
        ] {
            let bytes = hex(&text);
            let error = PacketIn2::decode(Reader::new(&bytes)).unwrap_err();
            assert_eq!((error.what, error.code), (what, ErrorCode::BRC_BAD_LEN));
        }
        let bytes = hex(packet);
        assert_eq!(PacketIn2::decode(Reader::new(&bytes)).unwrap().full_len, 2);
    }

    #[test]
    fn parts_that_are_cut_off_are_refused_with_the_error_of_their_kind() {
        for (text, code) in [
            ("0006 000b 80000004 000002 00 0000 000f", ErrorCode::BMC_BAD_LEN),
            ("0006 0007 800000 00", ErrorCode::BMC_BAD_LEN),
        ] {
            assert_eq!(PacketIn2::decode(Reader::new(&hex(text))).unwrap_err().code, code, "{text}");
        }
        let actions = hex("8006 000f 00000000 00000010 000000 00");
        let error = ContinuationProperty::decode(&mut Reader::new(&actions)).unwrap_err();
        assert_eq!((error.what, error.offset, error.code), ("continuation.actions", 8, ErrorCode::BRC_BAD_LEN));
    }

    #[test]
    fn no_value_on_the_stack_is_wider_than_a_field() {
        let mut bytes = hex("8001 0085");
        bytes.resize(136, 0);
        let error = ContinuationProperty::decode(&mut Reader::new(&bytes)).unwrap_err();
        assert_eq!((error.what, error.offset, error.code), ("continuation.stack", 4, ErrorCode::TFFC_BAD_LEN));
        bytes[3] = 0x84;
        assert!(ContinuationProperty::decode(&mut Reader::new(&bytes)).is_ok());
    }
}
