//! What the text knows of match fields beyond the registry: other names, and what they take
//! (`ovs-fields(7)`).

use super::ParseError;
use super::check::Packet;
use super::piece::Piece;
use super::values::number_u16;
use crate::openflow::Subfield;
use crate::openflow::oxm::{self, FIELDS, Field};

/// Names that the registry does not have.
static ALIASES: &[(&str, &Field)] = &[
    ("tunnel_id", &oxm::TUN_ID),
    ("dl_src", &oxm::ETH_SRC),
    ("dl_dst", &oxm::ETH_DST),
    ("dl_type", &oxm::ETH_TYPE),
    ("nw_src", &oxm::IPV4_SRC),
    ("nw_dst", &oxm::IPV4_DST),
    ("ip_proto", &oxm::IP_PROTO),
    ("ip_ecn", &oxm::IP_ECN),
    ("ip_ttl", &oxm::IP_TTL),
    ("nw_frag", &oxm::IP_FRAG),
    ("tp_src", &oxm::TCP_SRC),
    ("tp_dst", &oxm::TCP_DST),
    ("icmpv4_type", &oxm::ICMPV4_TYPE),
    ("icmpv4_code", &oxm::ICMPV4_CODE),
    ("gtpu_flags", &oxm::TUN_GTPU_FLAGS),
    ("gtpu_msgtype", &oxm::TUN_GTPU_MSGTYPE),
    ("nsp", &oxm::NSH_SPI),
    ("nsi", &oxm::NSH_SI),
];

/// Headers that name a field besides its own; OpenFlow's names of Nicira's and the other way.
static HEADERS: &[(&str, &Field)] = &[
    ("OXM_OF_ETH_SRC", &oxm::ETH_SRC),
    ("OXM_OF_ETH_DST", &oxm::ETH_DST),
    ("OXM_OF_ETH_TYPE", &oxm::ETH_TYPE),
    ("OXM_OF_IPV4_SRC", &oxm::IPV4_SRC),
    ("OXM_OF_IPV4_DST", &oxm::IPV4_DST),
    ("OXM_OF_IPV6_SRC", &oxm::IPV6_SRC),
    ("OXM_OF_IPV6_DST", &oxm::IPV6_DST),
    ("OXM_OF_IPV6_FLABEL", &oxm::IPV6_LABEL),
    ("OXM_OF_IP_PROTO", &oxm::IP_PROTO),
    ("OXM_OF_IP_ECN", &oxm::IP_ECN),
    ("OXM_OF_TCP_SRC", &oxm::TCP_SRC),
    ("OXM_OF_TCP_DST", &oxm::TCP_DST),
    ("ONFOXM_ET_TCP_FLAGS", &oxm::TCP_FLAGS),
    ("OXM_OF_TCP_FLAGS", &oxm::TCP_FLAGS),
    ("OXM_OF_UDP_SRC", &oxm::UDP_SRC),
    ("OXM_OF_UDP_DST", &oxm::UDP_DST),
    ("OXM_OF_ICMPV4_TYPE", &oxm::ICMPV4_TYPE),
    ("OXM_OF_ICMPV4_CODE", &oxm::ICMPV4_CODE),
    ("OXM_OF_ICMPV6_TYPE", &oxm::ICMPV6_TYPE),
    ("OXM_OF_ICMPV6_CODE", &oxm::ICMPV6_CODE),
    ("NXM_NX_ICMPV6_TYPE", &oxm::ICMPV6_TYPE),
    ("OXM_OF_IPV6_ND_TARGET", &oxm::ND_TARGET),
    ("OXM_OF_IPV6_ND_SLL", &oxm::ND_SLL),
    ("OXM_OF_IPV6_ND_TLL", &oxm::ND_TLL),
    ("OXM_OF_ARP_OP", &oxm::ARP_OP),
    ("OXM_OF_ARP_SPA", &oxm::ARP_SPA),
    ("OXM_OF_ARP_TPA", &oxm::ARP_TPA),
    ("OXM_OF_ARP_SHA", &oxm::ARP_SHA),
    ("OXM_OF_ARP_THA", &oxm::ARP_THA),
    ("OXM_OF_TUNNEL_ID", &oxm::TUN_ID),
    ("NXOXM_NSH_SPI", &oxm::NSH_SPI),
];

static UNMASKABLE: &[&Field] = &[
    &oxm::RECIRC_ID,
    &oxm::PACKET_TYPE,
    &oxm::CONJ_ID,
    &oxm::IN_PORT,
    &oxm::IN_PORT_16,
    &oxm::ACTSET_OUTPUT,
    &oxm::CT_ZONE,
    &oxm::CT_NW_PROTO,
    &oxm::ETH_TYPE,
    &oxm::VLAN_PCP,
    &oxm::MPLS_LABEL,
    &oxm::MPLS_TC,
    &oxm::MPLS_BOS,
    &oxm::MPLS_TTL,
    &oxm::IP_PROTO,
    &oxm::IP_TOS,
    &oxm::IP_DSCP,
    &oxm::IP_ECN,
    &oxm::IP_TTL,
    &oxm::ARP_OP,
    &oxm::ICMPV4_TYPE,
    &oxm::ICMPV4_CODE,
    &oxm::ICMPV6_TYPE,
    &oxm::ICMPV6_CODE,
    &oxm::ND_RESERVED,
    &oxm::ND_OPTIONS_TYPE,
    &oxm::NSH_MDTYPE,
    &oxm::NSH_NP,
    &oxm::NSH_SPI,
    &oxm::NSH_SI,
    &oxm::NSH_TTL,
];

static READ_ONLY: &[&Field] = &[
    &oxm::DP_HASH,
    &oxm::RECIRC_ID,
    &oxm::PACKET_TYPE,
    &oxm::CONJ_ID,
    &oxm::TUN_GTPU_FLAGS,
    &oxm::TUN_GTPU_MSGTYPE,
    &oxm::ACTSET_OUTPUT,
    &oxm::CT_STATE,
    &oxm::CT_ZONE,
    &oxm::CT_NW_PROTO,
    &oxm::CT_NW_SRC,
    &oxm::CT_NW_DST,
    &oxm::CT_IPV6_SRC,
    &oxm::CT_IPV6_DST,
    &oxm::CT_TP_SRC,
    &oxm::CT_TP_DST,
    &oxm::ETH_TYPE,
    &oxm::MPLS_BOS,
    &oxm::IP_PROTO,
    &oxm::IP_FRAG,
    &oxm::TCP_FLAGS,
    &oxm::NSH_MDTYPE,
    &oxm::NSH_NP,
];

/// The field of this name, of a match or `set_field`.
pub fn by_name(name: &str) -> Option<&'static Field> {
    let known = FIELDS.iter().find(|field| field.name == name || field.header_name == name).copied();
    known.or_else(|| ALIASES.iter().chain(HEADERS).find(|(alias, _)| *alias == name).map(|(_, field)| *field))
}

/// True if a match may look at some of its bits only.
pub(super) fn is_maskable(field: &Field) -> bool {
    !UNMASKABLE.contains(&field)
}

/// True if actions may change it.
pub(super) fn is_writable(field: &Field) -> bool {
    !READ_ONLY.contains(&field)
}

/// Bits that a subfield may name. Open vSwitch counts the tag-present bit of `vlan_vid` out, and all
/// bits of flags in.
pub(super) fn width(field: &Field) -> u16 {
    match field.name {
        "vlan_vid" => 12,
        "ct_state" => 32,
        _ => u16::from(field.bits),
    }
}

/// `FIELD`, `FIELD[]`, `FIELD[3]` or `FIELD[0..11]`.
pub(super) fn subfield(piece: Piece<'_>) -> Result<Subfield, ParseError> {
    let (name, range) = match piece.split_once("[") {
        Some((name, rest)) => {
            let (range, after) = rest.split_once("]").ok_or_else(|| rest.error("a closing bracket"))?;
            if !after.is_empty() {
                return Err(after.error("nothing behind the bracket"));
            }
            (name, Some(range))
        }
        None => (piece, None),
    };
    let field = by_name(name.text).ok_or_else(|| name.error("the name of a field"))?;
    let bits = width(field);
    let Some(range) = range.filter(|range| !range.is_empty()) else {
        return Ok(Subfield { field, offset: 0, bits });
    };
    let (first, last) = match range.split_once("..") {
        Some((first, last)) => (number_u16(first)?, number_u16(last)?),
        None => (number_u16(range)?, number_u16(range)?),
    };
    if first > last || last >= bits {
        return Err(range.error("bits of the field, the lowest first"));
    }
    Ok(Subfield { field, offset: first, bits: last - first + 1 })
}

/// A subfield to read from, whose prerequisites the packet meets.
pub(super) fn source(piece: Piece<'_>, packet: &Packet) -> Result<Subfield, ParseError> {
    let subfield = subfield(piece)?;
    packet.require(subfield.field, piece)?;
    Ok(subfield)
}

/// A subfield to write to, likewise.
pub(super) fn destination(piece: Piece<'_>, packet: &Packet) -> Result<Subfield, ParseError> {
    let subfield = source(piece, packet)?;
    if is_writable(subfield.field) { Ok(subfield) } else { Err(piece.error("a field that can be written")) }
}
