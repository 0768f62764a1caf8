//! Matches. The wire has the fields in one order, `ovs-ofctl` prints them in another: [`ROWS`].

use super::field::{self, Known};
use super::names::{self, Names};
use super::put::{self, Out};
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::numbers::{
    ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, ETH_TYPE_MPLS, ETH_TYPE_MPLS_MULTICAST, ETH_TYPE_RARP, IP_PROTO_ICMP,
    IP_PROTO_ICMPV6, IP_PROTO_SCTP, IP_PROTO_TCP, IP_PROTO_UDP,
};
use crate::openflow::oxm::{self, FIELDS, Field, Flags, Format, Tlv};
use crate::openflow::{DecodeError, PortNo, Reader};

/// How a field of a match reads. Where two forms are given, the second is for a value with a mask.
#[derive(Clone, Copy)]
enum Show {
    /// `0x2a` or a bare `0`, the mask likewise.
    Hex,
    /// `0x2a` or a bare `0`; a mask is not shown.
    HexOnly,
    /// Hexadecimal, also zero; a mask is not shown.
    HexAlways,
    /// Decimal; a mask is not shown.
    Decimal,
    /// Decimal; `0x1/0x1`.
    Number,
    /// Decimal; `0x01/0x01`.
    Byte,
    /// Decimal; `0x00000001/0x00000001`.
    Word,
    /// Any number of bytes in hexadecimal.
    Bytes,
    /// As the value of a field reads elsewhere.
    Value,
    /// Only the bits 2 to 7 of a byte.
    TypeOfService,
    /// The six bits of a DSCP, shifted to their place in the byte.
    Dscp,
    /// Five digits at the least.
    Label,
    Port,
    ConnectionState,
    TunnelFlags,
    TcpFlags,
    PacketType,
    /// The protocol keyword that Ethernet type and IP protocol make.
    Keyword,
    IpProto,
    Vlan,
    Fragment,
}

/// The fields in the order in which they print, each with the name it has there.
static ROWS: &[(&Field, &str, Show)] = &[
    (&oxm::PKT_MARK, "pkt_mark=", Show::Hex),
    (&oxm::RECIRC_ID, "recirc_id=", Show::Hex),
    (&oxm::DP_HASH, "dp_hash=", Show::Hex),
    (&oxm::CONJ_ID, "conj_id=", Show::Decimal),
    (&oxm::ACTSET_OUTPUT, "actset_output=", Show::Port),
    (&oxm::CT_STATE, "ct_state=", Show::ConnectionState),
    (&oxm::CT_ZONE, "ct_zone=", Show::Number),
    (&oxm::CT_MARK, "ct_mark=", Show::Hex),
    (&oxm::CT_LABEL, "ct_label=", Show::Bytes),
    (&oxm::CT_NW_SRC, "ct_nw_src=", Show::Value),
    (&oxm::CT_IPV6_SRC, "ct_ipv6_src=", Show::Value),
    (&oxm::CT_NW_DST, "ct_nw_dst=", Show::Value),
    (&oxm::CT_IPV6_DST, "ct_ipv6_dst=", Show::Value),
    (&oxm::CT_NW_PROTO, "ct_nw_proto=", Show::Decimal),
    (&oxm::CT_TP_SRC, "ct_tp_src=", Show::Number),
    (&oxm::CT_TP_DST, "ct_tp_dst=", Show::Number),
    (&oxm::PACKET_TYPE, "", Show::PacketType),
    (&oxm::ETH_TYPE, "", Show::Keyword),
    (&oxm::REG0, "reg0=", Show::Hex),
    (&oxm::REG1, "reg1=", Show::Hex),
    (&oxm::REG2, "reg2=", Show::Hex),
    (&oxm::REG3, "reg3=", Show::Hex),
    (&oxm::REG4, "reg4=", Show::Hex),
    (&oxm::REG5, "reg5=", Show::Hex),
    (&oxm::REG6, "reg6=", Show::Hex),
    (&oxm::REG7, "reg7=", Show::Hex),
    (&oxm::REG8, "reg8=", Show::Hex),
    (&oxm::REG9, "reg9=", Show::Hex),
    (&oxm::REG10, "reg10=", Show::Hex),
    (&oxm::REG11, "reg11=", Show::Hex),
    (&oxm::REG12, "reg12=", Show::Hex),
    (&oxm::REG13, "reg13=", Show::Hex),
    (&oxm::REG14, "reg14=", Show::Hex),
    (&oxm::REG15, "reg15=", Show::Hex),
    (&oxm::XREG0, "xreg0=", Show::Hex),
    (&oxm::XREG1, "xreg1=", Show::Hex),
    (&oxm::XREG2, "xreg2=", Show::Hex),
    (&oxm::XREG3, "xreg3=", Show::Hex),
    (&oxm::XREG4, "xreg4=", Show::Hex),
    (&oxm::XREG5, "xreg5=", Show::Hex),
    (&oxm::XREG6, "xreg6=", Show::Hex),
    (&oxm::XREG7, "xreg7=", Show::Hex),
    (&oxm::XXREG0, "xxreg0=", Show::Bytes),
    (&oxm::XXREG1, "xxreg1=", Show::Bytes),
    (&oxm::XXREG2, "xxreg2=", Show::Bytes),
    (&oxm::XXREG3, "xxreg3=", Show::Bytes),
    (&oxm::TUN_ID, "tun_id=", Show::Hex),
    (&oxm::TUN_SRC, "tun_src=", Show::Value),
    (&oxm::TUN_DST, "tun_dst=", Show::Value),
    (&oxm::TUN_IPV6_SRC, "tun_ipv6_src=", Show::Value),
    (&oxm::TUN_IPV6_DST, "tun_ipv6_dst=", Show::Value),
    (&oxm::TUN_GBP_ID, "tun_gbp_id=", Show::Number),
    (&oxm::TUN_GBP_FLAGS, "tun_gbp_flags=", Show::HexOnly),
    (&oxm::TUN_ERSPAN_VER, "tun_erspan_ver=", Show::Decimal),
    (&oxm::TUN_ERSPAN_IDX, "tun_erspan_idx=", Show::HexOnly),
    (&oxm::TUN_ERSPAN_DIR, "tun_erspan_dir=", Show::Decimal),
    (&oxm::TUN_ERSPAN_HWID, "tun_erspan_hwid=", Show::HexOnly),
    (&oxm::TUN_GTPU_FLAGS, "gtpu_flags=", Show::HexOnly),
    (&oxm::TUN_GTPU_MSGTYPE, "gtpu_msgtype=", Show::Decimal),
    (&oxm::TUN_FLAGS, "tun_flags=", Show::TunnelFlags),
    (&oxm::METADATA, "metadata=", Show::Hex),
    (&oxm::IN_PORT, "in_port=", Show::Port),
    (&oxm::IN_PORT_16, "in_port=", Show::Value),
    (&oxm::VLAN_TCI, "", Show::Vlan),
    (&oxm::ETH_SRC, "dl_src=", Show::Value),
    (&oxm::ETH_DST, "dl_dst=", Show::Value),
    (&oxm::IPV6_SRC, "ipv6_src=", Show::Value),
    (&oxm::IPV6_DST, "ipv6_dst=", Show::Value),
    (&oxm::IPV6_LABEL, "ipv6_label=", Show::Label),
    (&oxm::ARP_SPA, "arp_spa=", Show::Value),
    (&oxm::ARP_TPA, "arp_tpa=", Show::Value),
    (&oxm::NSH_FLAGS, "nsh_flags=", Show::Byte),
    (&oxm::NSH_TTL, "nsh_ttl=", Show::Byte),
    (&oxm::NSH_MDTYPE, "nsh_mdtype=", Show::Byte),
    (&oxm::NSH_NP, "nsh_np=", Show::Byte),
    (&oxm::NSH_SPI, "nsh_spi=", Show::HexAlways),
    (&oxm::NSH_SI, "nsh_si=", Show::Byte),
    (&oxm::NSH_C1, "nsh_c1=", Show::Hex),
    (&oxm::NSH_C2, "nsh_c2=", Show::Hex),
    (&oxm::NSH_C3, "nsh_c3=", Show::Hex),
    (&oxm::NSH_C4, "nsh_c4=", Show::Hex),
    (&oxm::IPV4_SRC, "nw_src=", Show::Value),
    (&oxm::IPV4_DST, "nw_dst=", Show::Value),
    (&oxm::ARP_OP, "arp_op=", Show::Decimal),
    (&oxm::IP_PROTO, "nw_proto=", Show::IpProto),
    (&oxm::ARP_SHA, "arp_sha=", Show::Value),
    (&oxm::ARP_THA, "arp_tha=", Show::Value),
    (&oxm::IP_TOS, "nw_tos=", Show::TypeOfService),
    (&oxm::IP_DSCP, "nw_tos=", Show::Dscp),
    (&oxm::IP_ECN, "nw_ecn=", Show::Decimal),
    (&oxm::IP_TTL, "nw_ttl=", Show::Decimal),
    (&oxm::MPLS_LABEL, "mpls_label=", Show::Decimal),
    (&oxm::MPLS_TC, "mpls_tc=", Show::Decimal),
    (&oxm::MPLS_TTL, "mpls_ttl=", Show::Decimal),
    (&oxm::MPLS_BOS, "mpls_bos=", Show::Decimal),
    (&oxm::IP_FRAG, "nw_frag=", Show::Fragment),
    (&oxm::ICMPV4_TYPE, "icmp_type=", Show::Decimal),
    (&oxm::ICMPV4_CODE, "icmp_code=", Show::Decimal),
    (&oxm::ICMPV6_TYPE, "icmp_type=", Show::Decimal),
    (&oxm::ICMPV6_CODE, "icmp_code=", Show::Decimal),
    (&oxm::ND_TARGET, "nd_target=", Show::Value),
    (&oxm::ND_SLL, "nd_sll=", Show::Value),
    (&oxm::ND_TLL, "nd_tll=", Show::Value),
    (&oxm::ND_RESERVED, "nd_reserved=", Show::Word),
    (&oxm::ND_OPTIONS_TYPE, "nd_options_type=", Show::Number),
    (&oxm::TCP_SRC, "tp_src=", Show::Number),
    (&oxm::TCP_DST, "tp_dst=", Show::Number),
    (&oxm::UDP_SRC, "tp_src=", Show::Number),
    (&oxm::UDP_DST, "tp_dst=", Show::Number),
    (&oxm::SCTP_SRC, "tp_src=", Show::Number),
    (&oxm::SCTP_DST, "tp_dst=", Show::Number),
    (&oxm::TCP_FLAGS, "tcp_flags=", Show::TcpFlags),
];

/// Row of each field of the registry; `vlan_vid` and `vlan_pcp` print as one with `vlan_tci`.
static ROW_OF: std::sync::LazyLock<Vec<u16>> = std::sync::LazyLock::new(|| {
    let row = |field: &Field| ROWS.iter().position(|row| row.0 == field).map_or(u16::MAX, |row| row as u16);
    let shown = |field| if [&oxm::VLAN_VID, &oxm::VLAN_PCP].contains(&field) { &oxm::VLAN_TCI } else { field };
    FIELDS.iter().map(|&field| row(shown(field))).collect()
});

/// Between two rows: the place of what follows row `row`.
const fn after(row: u16) -> u16 {
    row * 2 + 1
}

/// What the fields of one match say together.
#[derive(Default)]
struct Whole {
    eth_type: Option<u16>,
    packet_type: Option<u32>,
    ip_proto: Option<u8>,
    tci: u16,
    tci_mask: u16,
    nsh_mdtype: Option<u8>,
    erspan_version: Option<u8>,
}

impl Whole {
    fn note(&mut self, field: &Field, tlv: &Tlv<'_>) {
        let number = tlv.number_value();
        let mask = tlv.mask.map_or(u16::MAX, |mask| put::number(mask) as u16);
        if field == &oxm::ETH_TYPE {
            self.eth_type = Some(number as u16);
        } else if field == &oxm::PACKET_TYPE {
            self.packet_type = Some(number as u32);
        } else if field == &oxm::IP_PROTO {
            self.ip_proto = Some(number as u8);
        } else if field == &oxm::NSH_MDTYPE {
            self.nsh_mdtype = Some(number as u8);
        } else if field == &oxm::TUN_ERSPAN_VER {
            self.erspan_version = Some(number as u8);
        } else if field == &oxm::VLAN_TCI {
            (self.tci, self.tci_mask) = (self.tci | number as u16, self.tci_mask | mask);
        } else if field == &oxm::VLAN_VID {
            (self.tci, self.tci_mask) = (self.tci | number as u16, self.tci_mask | mask & 0x1fff);
        } else if field == &oxm::VLAN_PCP {
            self.tci |= (number as u16 & 7) << 13 | VLAN_PRESENT;
            self.tci_mask |= 0xe000 | VLAN_PRESENT;
        }
    }

    /// False for a field that only headers of another type have than the match says.
    fn shows(&self, field: &Field) -> bool {
        match field {
            _ if (oxm::NSH_C1.rank..=oxm::NSH_C4.rank).contains(&field.rank) => self.nsh_mdtype == Some(1),
            _ if field == &oxm::TUN_ERSPAN_IDX => self.erspan_version == Some(1),
            _ if [&oxm::TUN_ERSPAN_DIR, &oxm::TUN_ERSPAN_HWID].contains(&field) => self.erspan_version == Some(2),
            _ => true,
        }
    }

    /// The keyword for the Ethernet type, and whether it says the IP protocol too.
    fn keyword(&self) -> Option<(&'static str, bool)> {
        let in_name_space_1 = self.packet_type.filter(|packet_type| packet_type >> 16 == 1);
        let eth_type = in_name_space_1.map_or(self.eth_type?, |packet_type| packet_type as u16);
        keyword(eth_type, self.ip_proto)
    }
}

/// The keyword for packets of this Ethernet type and IP protocol, and whether it says the latter too.
pub(crate) const fn keyword(eth_type: u16, ip_proto: Option<u8>) -> Option<(&'static str, bool)> {
    Some(match (eth_type, ip_proto) {
        (ETH_TYPE_IPV4, Some(IP_PROTO_ICMP)) => ("icmp", true),
        (ETH_TYPE_IPV4, Some(IP_PROTO_TCP)) => ("tcp", true),
        (ETH_TYPE_IPV4, Some(IP_PROTO_UDP)) => ("udp", true),
        (ETH_TYPE_IPV4, Some(IP_PROTO_SCTP)) => ("sctp", true),
        (ETH_TYPE_IPV4, _) => ("ip", false),
        (ETH_TYPE_IPV6, Some(IP_PROTO_ICMPV6)) => ("icmp6", true),
        (ETH_TYPE_IPV6, Some(IP_PROTO_TCP)) => ("tcp6", true),
        (ETH_TYPE_IPV6, Some(IP_PROTO_UDP)) => ("udp6", true),
        (ETH_TYPE_IPV6, Some(IP_PROTO_SCTP)) => ("sctp6", true),
        (ETH_TYPE_IPV6, _) => ("ipv6", false),
        (ETH_TYPE_ARP, _) => ("arp", false),
        (ETH_TYPE_RARP, _) => ("rarp", false),
        (ETH_TYPE_MPLS, _) => ("mpls", false),
        (ETH_TYPE_MPLS_MULTICAST, _) => ("mplsm", false),
        _ => return None,
    })
}

/// Prints a match with a comma behind each part. `places` is memory to reuse.
pub(super) fn print(
    out: &mut Out,
    names: &dyn Names,
    tlvs: &[u8],
    places: &mut Vec<(u16, u16)>,
) -> Result<(), DecodeError> {
    places.clear();
    let mut whole = Whole::default();
    let row_of = |field: &Field| ROW_OF.get(usize::from(field.rank)).copied().unwrap_or(u16::MAX);
    let mut reader = Reader::new(tlvs);
    while !reader.is_empty() {
        let offset = reader.offset() as u16;
        let tlv = Tlv::decode(&mut reader)?;
        match Known::of(&tlv) {
            // The options stand between the flags and the metadata.
            Known::Field(field) if field.is_variable() => places.push((after(row_of(&oxm::TUN_FLAGS)), offset)),
            Known::Field(field) => {
                whole.note(field, &tlv);
                let place = row_of(field) * 2;
                // Both halves of a VLAN tag print in one place.
                if place != row_of(&oxm::VLAN_TCI) * 2 || !places.iter().any(|other| other.0 == place) {
                    places.push((place, offset));
                }
            }
            Known::Unknown(..) => places.push((u16::MAX, offset)),
        }
    }
    let keyword = whole.keyword();
    if keyword.is_none() {
        let keyword_place = row_of(&oxm::ETH_TYPE) * 2;
        for place in places.iter_mut().filter(|place| place.0 == keyword_place) {
            place.0 = after(row_of(&oxm::ETH_DST));
        }
    }
    places.sort_unstable();
    for &(place, offset) in places.iter() {
        let mut reader = Reader::new(tlvs.get(usize::from(offset)..).unwrap_or_default());
        let tlv = Tlv::decode(&mut reader)?;
        match ROWS.get(usize::from(place / 2)) {
            Some((field, ..)) if !whole.shows(field) => {}
            Some(&(_, name, show)) if place % 2 == 0 => part(out, names, (name, show), &tlv, &whole),
            Some((field, ..)) if field == &&oxm::ETH_DST => {
                put::text(out, "dl_type=");
                put::hex_padded(out, tlv.number_value() as u64, 4);
                out.push(b',');
            }
            _ => other(out, &tlv),
        }
    }
    Ok(())
}

/// A field without a row: tunnel metadata, or one that is not known.
fn other(out: &mut Out, tlv: &Tlv<'_>) {
    let known = Known::of(tlv);
    known.name(out);
    match known {
        Known::Field(_) => tunnel_metadata(out, tlv.value, tlv.mask),
        _ => {
            put::text(out, "=0x");
            put::hex_pairs(out, tlv.value);
            if let Some(mask) = tlv.mask {
                put::text(out, "/0x");
                put::hex_pairs(out, mask);
            }
        }
    }
    out.push(b',');
}

/// How long an option is stands in a table of the switch; what is read from the match alone begins
/// with the first byte that is in the value or the mask.
fn tunnel_metadata(out: &mut Out, value: &[u8], mask: Option<&[u8]>) {
    let Some(mask) = mask else {
        out.push(b'=');
        return put::hex_bytes(out, value);
    };
    if mask.iter().all(|&byte| byte == 0) {
        return;
    }
    out.push(b'=');
    put::hex_bytes(out, value);
    let first = value.iter().zip(mask).position(|(value, mask)| value | mask != 0).unwrap_or(0);
    if mask.iter().skip(first).any(|&byte| byte != 0xff) {
        out.push(b'/');
        put::hex_bytes(out, mask);
    }
}

fn part(out: &mut Out, names: &dyn Names, (name, show): (&str, Show), tlv: &Tlv<'_>, whole: &Whole) {
    let number = tlv.number_value();
    let mask = tlv.mask.filter(|mask| mask.iter().any(|&byte| byte != 0xff)).map(put::number);
    let start = out.len();
    put::text(out, name);
    match show {
        Show::Hex => with_mask(out, number, mask, put::hex_or_zero, put::hex_or_zero),
        Show::HexOnly => put::hex_or_zero(out, number as u64),
        Show::HexAlways => put::hex(out, number as u64),
        Show::Decimal => put::decimal(out, number as u64),
        Show::Number => with_mask(out, number, mask, put::decimal, put::hex),
        Show::Byte => with_mask(out, number, mask, put::decimal, |out, number| put::hex_padded(out, number, 2)),
        Show::Word => with_mask(out, number, mask, put::decimal, |out, number| put::hex_padded(out, number, 8)),
        Show::Label => {
            let label = |out: &mut Out, number| put::hex_padded(out, number, 5);
            with_mask(out, number, mask, label, label);
        }
        Show::Bytes => {
            put::hex_bytes(out, tlv.value);
            if let (Some(_), Some(mask)) = (mask, tlv.mask) {
                out.push(b'/');
                put::hex_bytes(out, mask);
            }
        }
        Show::Value => field::value(out, names, Known::of(tlv), tlv.value, tlv.mask),
        Show::TypeOfService => put::decimal(out, number as u64 & 0xfc),
        Show::Dscp => put::decimal(out, (number as u64 & 0x3f) << 2),
        Show::Port => names::port(out, names, PortNo(number as u32)),
        Show::ConnectionState => {
            let names = field::flags(Format::ConnectionState).names;
            put::flags_masked(out, names, number as u32, mask.map_or(0xff, |mask| mask as u32), 0xff);
        }
        Show::TunnelFlags => {
            let names = field::flags(Format::TunnelFlags).names;
            put::flags_masked(out, names, number as u32, mask.map_or(0xf, |mask| mask as u32 & 0xf), 0xf);
        }
        Show::TcpFlags => {
            let Flags { names, allowed } = field::flags(Format::TcpFlags);
            let all = u32::from(allowed);
            put::flags_masked(out, names, number as u32, mask.map_or(all, |mask| mask as u32 & all), all);
        }
        Show::PacketType if number == 0 => return,
        Show::PacketType => field::packet_type(out, number as u32),
        Show::Keyword => put::text(out, whole.keyword().map_or("", |keyword| keyword.0)),
        Show::IpProto if whole.keyword().is_some_and(|keyword| keyword.1) => return out.truncate(start),
        Show::IpProto => put::decimal(out, number as u64),
        Show::Vlan => vlan(out, whole.tci, whole.tci_mask),
        Show::Fragment => put::text(out, field::fragment(number as u8, mask.map_or(3, |mask| mask as u8))),
    }
    out.push(b',');
}

fn with_mask(out: &mut Out, number: u128, mask: Option<u128>, exact: fn(&mut Out, u64), masked: fn(&mut Out, u64)) {
    match mask {
        None => exact(out, number as u64),
        Some(mask) => {
            masked(out, number as u64);
            out.push(b'/');
            masked(out, mask as u64);
        }
    }
}

/// `dl_vlan=…,dl_vlan_pcp=…` where the match is on whole parts of a tag that is there, else
/// `vlan_tci=…`.
fn vlan(out: &mut Out, tci: u16, mask: u16) {
    let (vid, pcp) = (mask & 0x0fff, mask & 0xe000);
    let whole_parts = matches!(vid, 0 | 0x0fff) && matches!(pcp, 0 | 0xe000) && vid | pcp != 0;
    if mask & tci & VLAN_PRESENT == 0 || !whole_parts {
        put::text(out, "vlan_tci=");
        put::hex_padded(out, tci.into(), 4);
        if mask != u16::MAX {
            out.push(b'/');
            put::hex_padded(out, mask.into(), 4);
        }
        return;
    }
    if vid != 0 {
        put::text(out, "dl_vlan=");
        put::decimal(out, u64::from(tci & 0x0fff));
    }
    if pcp != 0 {
        put::text(out, if vid != 0 { ",dl_vlan_pcp=" } else { "dl_vlan_pcp=" });
        put::decimal(out, u64::from(tci >> 13));
    }
}
