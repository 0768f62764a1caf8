//! A packet as the values of its fields, and where fields share bits: `vlan_vid` within the tag, `xreg0` over
//! `reg0` and `reg1`, the 16-bit `in_port` of OpenFlow 1.0 within that of 1.3 (`ovs-fields(7)`).

use std::collections::BTreeMap;

use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::numbers::{ETH_TYPE_IPV6, ETH_TYPE_VLAN};
use crate::openflow::oxm::{self, FIELDS, Field, FieldValue, Format, Tlvs};
use crate::openflow::{DecodeError, PortNo, Reader, Subfield, Writer};

/// Tags that Open vSwitch looks at.
const MAX_TAGS: usize = 2;
/// Labels that Open vSwitch looks at.
pub(super) const MAX_LABELS: usize = 3;

/// Bits of a label stack entry besides the label.
const LABEL_SHIFT: u32 = 12;
const TC_SHIFT: u32 = 9;
const BOTTOM: u32 = 1 << 8;

/// A VLAN tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Tag {
    /// 0x8100 or 0x88a8; 0 where there is no tag.
    pub(super) ethertype: u16,
    /// Priority, [`VLAN_PRESENT`], VLAN id.
    pub(super) tci: u16,
}

/// A packet on its way through a switch: headers, registers and metadata. What was not set is zero, and without
/// an input port a packet comes from nowhere. Of tunnel metadata the last 16 bytes count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Packet {
    /// Values other than zero, by rank of the field.
    fields: BTreeMap<u8, u128>,
    /// Tags from the outermost.
    tags: [Tag; MAX_TAGS],
    /// Label stack entries from the outermost.
    labels: [u32; MAX_LABELS],
}

/// Where the bits of a field are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Home {
    /// Under its own rank.
    Own(u8),
    /// The lower bits of the field of this rank, 32 bits each, from the highest.
    Registers {
        first: u8,
        count: u8,
    },
    /// The upper six bits of `nw_tos`.
    Dscp,
    Tos,
    InPort16,
    VlanTci,
    VlanVid,
    VlanPcp,
    Label,
    LabelTc,
    LabelBottom,
    LabelTtl,
}

impl Home {
    pub(super) fn of(field: &Field) -> Self {
        match field.name {
            "in_port" => Self::InPort16,
            "vlan_tci" => Self::VlanTci,
            "vlan_vid" => Self::VlanVid,
            "vlan_pcp" => Self::VlanPcp,
            "mpls_label" => Self::Label,
            "mpls_tc" => Self::LabelTc,
            "mpls_bos" => Self::LabelBottom,
            "mpls_ttl" => Self::LabelTtl,
            "ip_dscp" => Self::Dscp,
            "nw_tos" => Self::Tos,
            name => wide(name, "xxreg", 4).or_else(|| wide(name, "xreg", 2)).unwrap_or(Self::Own(field.rank)),
        }
    }
}

/// The registers behind a wide one.
fn wide(name: &str, prefix: &str, count: u8) -> Option<Home> {
    let number: u8 = name.strip_prefix(prefix)?.parse().ok()?;
    Some(Home::Registers { first: oxm::REG0.rank + number * count, count })
}

/// Ones in the lowest `bits`.
pub(super) fn ones(bits: u16) -> u128 {
    1u128.checked_shl(bits.into()).map_or(u128::MAX, |bit| bit - 1)
}

/// The bits that a field holds: of `vlan_vid` the one too that says that there is a tag.
pub(super) fn bits(field: &Field) -> u128 {
    if field == &oxm::VLAN_VID { 0x1fff } else { ones(field.bits) }
}

/// What does not describe one packet.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PacketError {
    /// Only some bits of a field were given.
    #[error("{0} has a mask: a packet has one value of it")]
    Mask(&'static str),
    /// A field that the registry does not know.
    #[error("a field that this version does not know")]
    UnknownField,
    /// No match.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Packet {
    /// The packet that a match without masks describes. Of flags (`ct_state`, `tcp_flags`) the named ones are set.
    pub fn from_match(tlvs: &[u8]) -> Result<Self, PacketError> {
        let mut packet = Self::default();
        packet.set(&oxm::IN_PORT, PortNo::ANY.0.into());
        for tlv in Tlvs::new(Reader::new(tlvs)) {
            let tlv = tlv?;
            let field = tlv.field().ok_or(PacketError::UnknownField)?;
            let flags = matches!(field.format, Format::ConnectionState | Format::TcpFlags | Format::TunnelFlags);
            if tlv.mask.is_some() && !flags {
                return Err(PacketError::Mask(field.name));
            }
            packet.set(field, tlv.number_value());
        }
        Ok(packet)
    }

    /// The value of a field.
    pub fn get(&self, field: &Field) -> u128 {
        self.read(Home::of(field))
    }

    /// Gives a field another value.
    pub fn set(&mut self, field: &Field, value: u128) {
        self.write(Home::of(field), value & bits(field));
    }

    /// The packet with another value of a field.
    #[must_use]
    pub fn with(mut self, field: &Field, value: u128) -> Self {
        self.set(field, value);
        self
    }

    /// The VLAN id, if there is a tag.
    pub fn vlan(&self) -> Option<u16> {
        self.is_tagged().then_some(self.tags[0].tci & 0xfff)
    }

    /// With one tag, or without.
    #[must_use]
    pub fn with_vlan(self, vlan: Option<u16>) -> Self {
        self.with_tags([vlan.map_or(0, |vid| vid & 0xfff | VLAN_PRESENT), 0])
    }

    /// With tags of these TCIs, the outermost first; what lacks [`VLAN_PRESENT`] is no tag.
    #[must_use]
    pub fn with_tags(mut self, tcis: [u16; MAX_TAGS]) -> Self {
        self.tags = [Tag::default(); MAX_TAGS];
        for tci in tcis.into_iter().rev().filter(|tci| tci & VLAN_PRESENT != 0) {
            self.push_tag(ETH_TYPE_VLAN, tci);
        }
        self
    }

    /// With these label stack entries, the outermost first.
    #[must_use]
    pub const fn with_labels(mut self, entries: [u32; MAX_LABELS]) -> Self {
        self.labels = entries;
        self
    }

    /// The port that it came through; [`PortNo::ANY`] for none.
    pub fn in_port(&self) -> PortNo {
        PortNo(self.get(&oxm::IN_PORT) as u32)
    }

    /// The bits of a subfield.
    pub fn subfield(&self, subfield: &Subfield) -> u128 {
        self.get(subfield.field) >> subfield.offset & ones(subfield.bits)
    }

    /// Writes the bits of a subfield and leaves the others.
    pub fn set_subfield(&mut self, subfield: &Subfield, value: u128) {
        let mask = ones(subfield.bits) << subfield.offset;
        self.set_masked(subfield.field, value << subfield.offset, mask);
    }

    /// Writes those bits of a field that `mask` has.
    pub(super) fn set_masked(&mut self, field: &Field, value: u128, mask: u128) {
        self.set(field, self.get(field) & !mask | value & mask);
    }

    /// Whether it has this field: its prerequisites (`ovs-fields(7)`).
    pub fn has(&self, field: &Field) -> bool {
        self.known().has(field)
    }

    /// An IPv4 or IPv6 packet.
    pub fn is_ip(&self) -> bool {
        self.known().is_ip()
    }

    pub(super) fn is_mpls(&self) -> bool {
        self.known().is_mpls()
    }

    pub(super) fn is_tagged(&self) -> bool {
        self.tags[0].tci & VLAN_PRESENT != 0
    }

    fn known(&self) -> oxm::Packet {
        let small = |field: &Field| self.get(field) as u8;
        let ipv6 = self.get(&oxm::ETH_TYPE) == u128::from(ETH_TYPE_IPV6);
        let (icmp_type, icmp_code) =
            if ipv6 { (&oxm::ICMPV6_TYPE, &oxm::ICMPV6_CODE) } else { (&oxm::ICMPV4_TYPE, &oxm::ICMPV4_CODE) };
        oxm::Packet {
            packet_type: self.get(&oxm::PACKET_TYPE) as u32,
            eth_type: self.get(&oxm::ETH_TYPE) as u16,
            ip_proto: small(&oxm::IP_PROTO),
            fragment: small(&oxm::IP_FRAG),
            icmp_type: small(icmp_type),
            icmp_code: small(icmp_code),
            tci: self.tags.map(|tag| tag.tci),
            ct_state: self.get(&oxm::CT_STATE) as u32,
            ct_state_mask: u32::MAX,
            table: 0,
        }
    }

    pub(super) fn read(&self, home: Home) -> u128 {
        let [tag, _] = self.tags;
        let [label, ..] = self.labels;
        match home {
            Home::Own(rank) => self.own(rank),
            Home::Registers { first, count } => {
                (first..first + count).fold(0, |wide, rank| wide << 32 | self.own(rank))
            }
            Home::Tos => self.own(oxm::IP_TOS.rank),
            Home::Dscp => self.own(oxm::IP_TOS.rank) >> 2,
            Home::InPort16 => self.own(oxm::IN_PORT.rank) & 0xffff,
            Home::VlanTci => tag.tci.into(),
            Home::VlanVid => (tag.tci & 0x1fff).into(),
            Home::VlanPcp => (tag.tci >> 13).into(),
            Home::Label => (label >> LABEL_SHIFT).into(),
            Home::LabelTc => (label >> TC_SHIFT & 7).into(),
            Home::LabelBottom => u128::from(label & BOTTOM != 0),
            Home::LabelTtl => (label & 0xff).into(),
        }
    }

    fn own(&self, rank: u8) -> u128 {
        self.fields.get(&rank).copied().unwrap_or(0)
    }

    fn set_own(&mut self, rank: u8, value: u128) {
        if value == 0 {
            self.fields.remove(&rank);
        } else {
            self.fields.insert(rank, value);
        }
    }

    fn write(&mut self, home: Home, value: u128) {
        let low = value as u32;
        let [label, ..] = &mut self.labels;
        match home {
            Home::Own(rank) => self.set_own(rank, value),
            Home::Registers { first, count } => {
                for (at, rank) in (first..first + count).rev().enumerate() {
                    self.set_own(rank, value >> (32 * at) & u128::from(u32::MAX));
                }
            }
            Home::Tos => self.set_own(oxm::IP_TOS.rank, value & 0xfc),
            Home::Dscp => self.set_own(oxm::IP_TOS.rank, (value & 0x3f) << 2),
            Home::InPort16 => {
                let port = if value >= 0xff00 { value | 0xffff_0000 } else { value };
                self.set_own(oxm::IN_PORT.rank, port);
            }
            Home::VlanTci => self.set_tci(value as u16),
            Home::VlanVid => self.set_tci(self.tags[0].tci & !0x1fff | value as u16),
            Home::VlanPcp => self.set_tci(self.tags[0].tci & 0x0fff | (value as u16) << 13 | VLAN_PRESENT),
            Home::Label => *label = *label & 0xfff | low << LABEL_SHIFT,
            Home::LabelTc => *label = *label & !(7 << TC_SHIFT) | (low & 7) << TC_SHIFT,
            Home::LabelBottom => *label = *label & !BOTTOM | (low & 1) << 8,
            Home::LabelTtl => *label = *label & !0xff | low & 0xff,
        }
    }

    fn set_tci(&mut self, tci: u16) {
        let ethertype = match (tci & VLAN_PRESENT != 0, self.tags[0].ethertype) {
            (false, _) => 0,
            (true, 0) => ETH_TYPE_VLAN,
            (true, ethertype) => ethertype,
        };
        self.tags[0] = Tag { ethertype, tci };
    }

    /// Puts a tag outside of the others; the innermost goes where there are too many.
    pub(super) fn push_tag(&mut self, ethertype: u16, tci: u16) {
        self.tags = [Tag { ethertype, tci }, self.tags[0]];
    }

    /// Takes the outermost tag off.
    pub(super) fn pop_tag(&mut self) {
        self.tags = [self.tags[1], Tag::default()];
    }

    /// The tag within the outermost, if there is one.
    pub fn inner_tag(&self) -> Option<u16> {
        (self.tags[1].tci & VLAN_PRESENT != 0).then_some(self.tags[1].tci)
    }

    /// Number of labels, up to the one with the bottom of stack bit.
    pub(super) fn label_count(&self) -> usize {
        if !self.is_mpls() {
            return 0;
        }
        self.labels.iter().position(|label| label & BOTTOM != 0).map_or(MAX_LABELS, |bottom| bottom + 1)
    }

    /// Puts a label entry outside of the others: a copy of the outermost, or one for what is not MPLS yet
    /// (OpenFlow 1.3.5 §5.12.1). Then nothing is known any more of what it covers. There is room for it.
    pub(super) fn push_label(&mut self, ethertype: u16) {
        let outer = if self.label_count() > 0 { self.labels[0] & !BOTTOM } else { self.first_label() };
        if self.label_count() == 0 {
            self.forget_above_ethernet();
            self.labels = [0; MAX_LABELS];
        }
        self.labels = [outer, self.labels[0], self.labels[1]];
        self.set(&oxm::ETH_TYPE, ethertype.into());
    }

    fn first_label(&self) -> u32 {
        let label = if self.get(&oxm::ETH_TYPE) == u128::from(ETH_TYPE_IPV6) { 2 } else { 0 };
        let (tc, ttl) =
            if self.is_ip() { (self.get(&oxm::IP_TOS) as u32 >> 2 & 7, self.get(&oxm::IP_TTL) as u32) } else { (0, 0) };
        label << LABEL_SHIFT | tc << TC_SHIFT | BOTTOM | if ttl == 0 { 64 } else { ttl }
    }

    /// Takes the outermost label off; false if there is none, or the stack is deeper than is known.
    pub(super) fn pop_label(&mut self, ethertype: u16) -> bool {
        let count = self.label_count();
        if count == 0 || count == MAX_LABELS && self.labels[MAX_LABELS - 1] & BOTTOM == 0 {
            return false;
        }
        self.labels = [self.labels[1], self.labels[2], 0];
        self.set(&oxm::ETH_TYPE, ethertype.into());
        true
    }

    /// Forgets the headers behind Ethernet and its tags.
    pub(super) fn forget_above_ethernet(&mut self) {
        let above = |rank: u8| (oxm::IPV4_SRC.rank..=oxm::ARP_THA.rank).contains(&rank);
        let nsh = |rank: u8| (oxm::NSH_FLAGS.rank..=oxm::NSH_C4.rank).contains(&rank);
        self.fields.retain(|&rank, _| !above(rank) && !nsh(rank));
        self.set(&oxm::DP_HASH, 0);
    }

    /// Forgets all headers of the packet itself.
    pub(super) fn forget_headers(&mut self) {
        self.forget_above_ethernet();
        self.tags = [Tag::default(); MAX_TAGS];
        self.labels = [0; MAX_LABELS];
        for field in [&oxm::ETH_SRC, &oxm::ETH_DST, &oxm::ETH_TYPE] {
            self.set(field, 0);
        }
    }

    /// Forgets what conntrack said.
    pub(super) fn forget_connection(&mut self) {
        let tracked = |rank: u8| (oxm::CT_STATE.rank..=oxm::CT_TP_DST.rank).contains(&rank);
        self.fields.retain(|&rank, _| !tracked(rank));
    }

    /// As it arrives from elsewhere: the headers, and nothing that a switch noted about them.
    #[must_use]
    pub fn on_the_wire(mut self) -> Self {
        self.fields.retain(|&rank, _| is_header(rank));
        self
    }

    /// As another switch takes it from a tunnel: with the key and addresses of that.
    #[must_use]
    pub fn through_a_tunnel(mut self) -> Self {
        self.fields.retain(|&rank, _| is_header(rank) || is_tunnel(rank));
        self
    }

    /// The match that only packets like this one have, as OXM TLVs: every header field, and what else is not
    /// zero. An [inner tag](Self::inner_tag) has no place in it.
    pub fn to_match(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        for field in FIELDS.iter().copied().filter(|field| self.shows(field)) {
            FieldValue::new(field, self.get(field)).encode(&mut writer);
        }
        writer.into_vec()
    }

    /// What another switch would see of it that it would not see of `other`: header fields, and the key and
    /// addresses of a tunnel, in the same form.
    pub fn differences(&self, other: &Self) -> Vec<u8> {
        let mut writer = Writer::new();
        let leaves = |field: &&Field| {
            is_header(field.rank) && self.shows(field) || is_tunnel(field.rank) && self.get(field) != 0
        };
        for field in FIELDS.iter().copied().filter(leaves).filter(|field| self.get(field) != other.get(field)) {
            FieldValue::new(field, self.get(field)).encode(&mut writer);
        }
        writer.into_vec()
    }

    /// Whether a field is said of the packet.
    fn shows(&self, field: &Field) -> bool {
        let shared = Home::of(field) != Home::Own(field.rank);
        match field.name {
            "vlan_tci" => self.get(&oxm::PACKET_TYPE) == 0,
            "packet_type" => self.get(field) != 0,
            // What the action set would do is no property of the packet.
            "actset_output" => false,
            "ip_dscp" | "mpls_label" | "mpls_tc" | "mpls_bos" | "mpls_ttl" => self.has(field),
            _ if shared => false,
            "nd_sll" | "nd_tll" => self.has(&oxm::ND_TARGET),
            // Few look at them, so that few want to see them.
            "nd_reserved" | "nd_options_type" => self.get(field) != 0 && self.has(field),
            _ if is_header(field.rank) => self.has(field),
            _ => self.get(field) != 0,
        }
    }
}

/// Whether the field is one of a tunnel.
fn is_tunnel(rank: u8) -> bool {
    (oxm::TUN_ID.rank..=oxm::TUN_GTPU_MSGTYPE.rank).contains(&rank)
}

/// Whether the field stands in the packet itself.
fn is_header(rank: u8) -> bool {
    let frame = (oxm::ETH_SRC.rank..=oxm::ARP_THA.rank).contains(&rank);
    let nsh = (oxm::NSH_FLAGS.rank..=oxm::NSH_C4.rank).contains(&rank);
    frame || nsh || rank == oxm::PACKET_TYPE.rank
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_share_bits_change_together() {
        let packet = Packet::default().with(&oxm::XXREG0, 0x1111_1111_2222_2222_3333_3333_4444_4444);
        assert_eq!(packet.get(&oxm::REG1), 0x2222_2222);
        assert_eq!(packet.get(&oxm::XREG1), 0x3333_3333_4444_4444);
        let packet = packet.with(&oxm::REG3, 0);
        assert_eq!(packet.get(&oxm::XXREG0), 0x1111_1111_2222_2222_3333_3333_0000_0000);
        let packet = Packet::default().with(&oxm::IN_PORT, PortNo::LOCAL.0.into());
        assert_eq!(packet.get(&oxm::IN_PORT_16), 0xfffe);
        assert_eq!(Packet::default().with(&oxm::IN_PORT_16, 0xfffe).in_port(), PortNo::LOCAL);
        let packet = Packet::default().with(&oxm::IP_DSCP, 46).with(&oxm::IP_ECN, 1);
        assert_eq!((packet.get(&oxm::IP_TOS), packet.get(&oxm::IP_ECN)), (184, 1));
    }

    #[test]
    fn tags_are_a_stack_of_two() {
        let mut packet = Packet::default().with_vlan(Some(7));
        assert_eq!((packet.vlan(), packet.get(&oxm::VLAN_VID)), (Some(7), 0x1007));
        packet.push_tag(0x88a8, VLAN_PRESENT);
        packet.set(&oxm::VLAN_PCP, 5);
        packet.set_masked(&oxm::VLAN_VID, 0x1009, 0x1fff);
        assert_eq!((packet.get(&oxm::VLAN_TCI), packet.inner_tag()), (0xb009, Some(0x1007)));
        packet.pop_tag();
        assert_eq!((packet.vlan(), packet.inner_tag()), (Some(7), None));
        packet.set(&oxm::VLAN_TCI, 0);
        assert_eq!(packet.vlan(), None);
    }

    #[test]
    fn a_first_label_takes_the_ttl_and_hides_what_it_covers() {
        let ip = Packet::default().with(&oxm::ETH_TYPE, 0x0800).with(&oxm::IP_TTL, 9).with(&oxm::IPV4_SRC, 5);
        let mut packet = ip;
        packet.push_label(0x8847);
        packet.set(&oxm::MPLS_LABEL, 77);
        assert_eq!((packet.get(&oxm::MPLS_TTL), packet.get(&oxm::MPLS_BOS), packet.get(&oxm::IPV4_SRC)), (9, 1, 0));
        packet.push_label(0x8847);
        assert_eq!((packet.label_count(), packet.get(&oxm::MPLS_LABEL), packet.get(&oxm::MPLS_BOS)), (2, 77, 0));
        assert!(packet.pop_label(0x8847));
        assert!(packet.pop_label(0x0800));
        assert!(!packet.pop_label(0x0800));
        assert_eq!(packet.get(&oxm::ETH_TYPE), 0x0800);
    }

    #[test]
    fn a_packet_is_described_without_masks() {
        let described = FieldValue::masked(&oxm::ETH_SRC, 1, 0xff);
        let mut writer = Writer::new();
        described.encode(&mut writer);
        assert_eq!(Packet::from_match(writer.as_slice()), Err(PacketError::Mask("eth_src")));
    }

    #[test]
    fn a_packet_is_described_by_the_match_that_it_makes() {
        let packet = Packet::default()
            .with(&oxm::IN_PORT, 3)
            .with(&oxm::ETH_TYPE, 0x86dd)
            .with(&oxm::IP_PROTO, 58)
            .with(&oxm::ICMPV6_TYPE, 135)
            .with(&oxm::ND_TARGET, 1)
            .with(&oxm::IP_DSCP, 46)
            .with(&oxm::XREG0, 0x5_0000_0006)
            .with_vlan(Some(9));
        assert_eq!(Packet::from_match(&packet.to_match()), Ok(packet));
    }
}
