//! Match fields: the one registry of their names, codes, widths and formats.
//!
//! The registry stands in the order in which Open vSwitch 3.1 puts fields into a match, so that a
//! match sorted by [`Field::rank`] has the bytes that the switch sends back.
//!
//! A field on the wire is a TLV (OpenFlow 1.3.5 §7.2.3.2):
//! ```text
//! 0               2           2+7 bit   +1 bit   3        4
//! | oxm_class     | oxm_field | hasmask | length | value … [mask …]
//! ```

use super::{DecodeError, ErrorCode, Reader, Writer};

/// How a field's value reads as text (`ovs-fields(7)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A number in decimal.
    Decimal,
    /// A number in hexadecimal.
    Hexadecimal,
    /// An Ethernet address.
    Ethernet,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A port number or name.
    Port,
    /// `ct_state`: flags with `+` and `-`.
    ConnectionState,
    /// `tcp_flags`.
    TcpFlags,
    /// `tun_flags`.
    TunnelFlags,
    /// `ip_frag`.
    Fragment,
    /// `packet_type`: name space and type.
    PacketType,
}

/// One match field.
#[derive(Debug)]
pub struct Field {
    /// Position in the registry, and in a canonical match.
    pub rank: u8,
    /// Open vSwitch's name, such as `eth_dst`.
    pub name: &'static str,
    /// The name of its header in `move`, `load` and `learn`, such as `NXM_OF_ETH_DST`.
    pub header_name: &'static str,
    /// OXM class and field number in a match or `set_field` of OpenFlow 1.3.
    pub oxm: (u16, u8),
    /// Whose field it is if the class is [`EXPERIMENTER`]: four more bytes of header; else 0.
    pub experimenter: u32,
    /// Class and field number in Nicira's `move`, `load` and `learn`.
    pub nxm: (u16, u8),
    /// Width of the value on the wire, in bytes, at most 16.
    pub bytes: u8,
    /// Bits that carry a value, counted from the least significant.
    pub bits: u8,
    /// How the value reads.
    pub format: Format,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Field {}

const BASIC: u16 = 0x8000;
const PACKET_REGS: u16 = 0x8001;
const NXM0: u16 = 0x0000;
const NXM1: u16 = 0x0001;
const ERICSSON: u16 = 0x1000;
/// `OFPXMC_EXPERIMENTER`: the header is followed by four bytes that say whose field it is.
pub const EXPERIMENTER: u16 = 0xffff;
const ONF: u32 = 0x4f4e_4600;
const NICIRA: u32 = 0x0000_2320;
const NSH: u32 = 0x005a_d650;

/// The longest value of a field in the registry, in bytes.
pub const MAX_VALUE: usize = 16;

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $text:literal, $header:literal, $oxm:expr, $nxm:expr, $bytes:literal, $bits:literal, $format:ident $(, $experimenter:ident)?;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "positions in the registry, named as the fields are")]
        enum Rank { $($name),* }
        $(
            #[doc = concat!("`", $text, "`, `", $header, "`.")] $(#[$doc])*
            pub static $name: Field = Field {
                rank: Rank::$name as u8, name: $text, header_name: $header, oxm: $oxm, nxm: $nxm,
                experimenter: 0 $(+ $experimenter)?, bytes: $bytes, bits: $bits, format: Format::$format,
            };
        )*
        /// Every known field, in canonical order.
        pub static FIELDS: &[&Field] = &[$(&$name),*];

        /// The codes of every field, in the same order.
        const CODES: &[((u16, u8), (u16, u8))] = &[$(($oxm, $nxm)),*];
    };
}

fields! {
    PACKET_TYPE: "packet_type", "OXM_OF_PACKET_TYPE", (BASIC, 44), (BASIC, 44), 4, 32, PacketType;
    DP_HASH: "dp_hash", "NXM_NX_DP_HASH", (NXM1, 35), (NXM1, 35), 4, 32, Hexadecimal;
    RECIRC_ID: "recirc_id", "NXM_NX_RECIRC_ID", (NXM1, 36), (NXM1, 36), 4, 32, Hexadecimal;
    CONJ_ID: "conj_id", "NXM_NX_CONJ_ID", (NXM1, 37), (NXM1, 37), 4, 32, Decimal;
    IN_PORT: "in_port_oxm", "OXM_OF_IN_PORT", (BASIC, 0), (BASIC, 0), 4, 32, Port;
    /// The OpenFlow 1.0 form of [`IN_PORT`], 16 bits wide; `learn` and `load` still use it.
    IN_PORT_16: "in_port", "NXM_OF_IN_PORT", (NXM0, 0), (NXM0, 0), 2, 16, Port;
    ACTSET_OUTPUT: "actset_output", "ONFOXM_ET_ACTSET_OUTPUT", (EXPERIMENTER, 43), (EXPERIMENTER, 43), 4, 32, Port, ONF;
    ETH_SRC: "eth_src", "NXM_OF_ETH_SRC", (BASIC, 4), (NXM0, 2), 6, 48, Ethernet;
    ETH_DST: "eth_dst", "NXM_OF_ETH_DST", (BASIC, 3), (NXM0, 1), 6, 48, Ethernet;
    ETH_TYPE: "eth_type", "NXM_OF_ETH_TYPE", (BASIC, 5), (NXM0, 3), 2, 16, Hexadecimal;
    VLAN_TCI: "vlan_tci", "NXM_OF_VLAN_TCI", (NXM0, 4), (NXM0, 4), 2, 16, Hexadecimal;
    /// Bit 12 (`OFPVID_PRESENT`) says that there is a tag.
    VLAN_VID: "vlan_vid", "OXM_OF_VLAN_VID", (BASIC, 6), (BASIC, 6), 2, 13, Decimal;
    VLAN_PCP: "vlan_pcp", "OXM_OF_VLAN_PCP", (BASIC, 7), (BASIC, 7), 1, 3, Decimal;
    MPLS_TC: "mpls_tc", "OXM_OF_MPLS_TC", (BASIC, 35), (BASIC, 35), 1, 3, Decimal;
    MPLS_BOS: "mpls_bos", "OXM_OF_MPLS_BOS", (BASIC, 36), (BASIC, 36), 1, 1, Decimal;
    MPLS_TTL: "mpls_ttl", "NXM_NX_MPLS_TTL", (NXM1, 30), (NXM1, 30), 1, 8, Decimal;
    MPLS_LABEL: "mpls_label", "OXM_OF_MPLS_LABEL", (BASIC, 34), (BASIC, 34), 4, 20, Decimal;
    IPV4_SRC: "ip_src", "NXM_OF_IP_SRC", (BASIC, 11), (NXM0, 7), 4, 32, Ipv4;
    IPV4_DST: "ip_dst", "NXM_OF_IP_DST", (BASIC, 12), (NXM0, 8), 4, 32, Ipv4;
    IPV6_SRC: "ipv6_src", "NXM_NX_IPV6_SRC", (BASIC, 26), (NXM1, 19), 16, 128, Ipv6;
    IPV6_DST: "ipv6_dst", "NXM_NX_IPV6_DST", (BASIC, 27), (NXM1, 20), 16, 128, Ipv6;
    IP_FRAG: "ip_frag", "NXM_NX_IP_FRAG", (NXM1, 26), (NXM1, 26), 1, 2, Fragment;
    IP_DSCP: "ip_dscp", "OXM_OF_IP_DSCP", (BASIC, 8), (BASIC, 8), 1, 6, Decimal;
    /// The type of service byte of OpenFlow 1.0, whose upper six bits count.
    IP_TOS: "nw_tos", "NXM_OF_IP_TOS", (NXM0, 5), (NXM0, 5), 1, 8, Decimal;
    IP_ECN: "nw_ecn", "NXM_NX_IP_ECN", (BASIC, 9), (NXM1, 28), 1, 2, Decimal;
    IP_TTL: "nw_ttl", "NXM_NX_IP_TTL", (NXM1, 29), (NXM1, 29), 1, 8, Decimal;
    IPV6_LABEL: "ipv6_label", "NXM_NX_IPV6_LABEL", (BASIC, 28), (NXM1, 27), 4, 20, Hexadecimal;
    IP_PROTO: "nw_proto", "NXM_OF_IP_PROTO", (BASIC, 10), (NXM0, 6), 1, 8, Decimal;
    TCP_SRC: "tcp_src", "NXM_OF_TCP_SRC", (BASIC, 13), (NXM0, 9), 2, 16, Decimal;
    TCP_DST: "tcp_dst", "NXM_OF_TCP_DST", (BASIC, 14), (NXM0, 10), 2, 16, Decimal;
    TCP_FLAGS: "tcp_flags", "NXM_NX_TCP_FLAGS", (EXPERIMENTER, 42), (NXM1, 34), 2, 12, TcpFlags, ONF;
    UDP_SRC: "udp_src", "NXM_OF_UDP_SRC", (BASIC, 15), (NXM0, 11), 2, 16, Decimal;
    UDP_DST: "udp_dst", "NXM_OF_UDP_DST", (BASIC, 16), (NXM0, 12), 2, 16, Decimal;
    SCTP_SRC: "sctp_src", "OXM_OF_SCTP_SRC", (BASIC, 17), (BASIC, 17), 2, 16, Decimal;
    SCTP_DST: "sctp_dst", "OXM_OF_SCTP_DST", (BASIC, 18), (BASIC, 18), 2, 16, Decimal;
    ICMPV4_TYPE: "icmp_type", "NXM_OF_ICMP_TYPE", (BASIC, 19), (NXM0, 13), 1, 8, Decimal;
    ICMPV4_CODE: "icmp_code", "NXM_OF_ICMP_CODE", (BASIC, 20), (NXM0, 14), 1, 8, Decimal;
    ICMPV6_TYPE: "icmpv6_type", "NXM_NX_ICMPV6_TYPE", (BASIC, 29), (NXM1, 21), 1, 8, Decimal;
    ICMPV6_CODE: "icmpv6_code", "NXM_NX_ICMPV6_CODE", (BASIC, 30), (NXM1, 22), 1, 8, Decimal;
    ND_RESERVED: "nd_reserved", "ERICOXM_OF_ICMPV6_ND_RESERVED", (ERICSSON, 1), (ERICSSON, 1), 4, 32, Decimal;
    ND_TARGET: "nd_target", "NXM_NX_ND_TARGET", (BASIC, 31), (NXM1, 23), 16, 128, Ipv6;
    ND_OPTIONS_TYPE: "nd_options_type", "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE", (ERICSSON, 2), (ERICSSON, 2), 1, 8, Decimal;
    ND_SLL: "nd_sll", "NXM_NX_ND_SLL", (BASIC, 32), (NXM1, 24), 6, 48, Ethernet;
    ND_TLL: "nd_tll", "NXM_NX_ND_TLL", (BASIC, 33), (NXM1, 25), 6, 48, Ethernet;
    ARP_OP: "arp_op", "NXM_OF_ARP_OP", (BASIC, 21), (NXM0, 15), 2, 16, Decimal;
    ARP_SPA: "arp_spa", "NXM_OF_ARP_SPA", (BASIC, 22), (NXM0, 16), 4, 32, Ipv4;
    ARP_TPA: "arp_tpa", "NXM_OF_ARP_TPA", (BASIC, 23), (NXM0, 17), 4, 32, Ipv4;
    ARP_SHA: "arp_sha", "NXM_NX_ARP_SHA", (BASIC, 24), (NXM1, 17), 6, 48, Ethernet;
    ARP_THA: "arp_tha", "NXM_NX_ARP_THA", (BASIC, 25), (NXM1, 18), 6, 48, Ethernet;
    TUN_ID: "tun_id", "NXM_NX_TUN_ID", (BASIC, 38), (NXM1, 16), 8, 64, Hexadecimal;
    TUN_FLAGS: "tun_flags", "NXM_NX_TUN_FLAGS", (NXM1, 104), (NXM1, 104), 2, 1, TunnelFlags;
    TUN_SRC: "tun_src", "NXM_NX_TUN_IPV4_SRC", (NXM1, 31), (NXM1, 31), 4, 32, Ipv4;
    TUN_DST: "tun_dst", "NXM_NX_TUN_IPV4_DST", (NXM1, 32), (NXM1, 32), 4, 32, Ipv4;
    TUN_IPV6_SRC: "tun_ipv6_src", "NXM_NX_TUN_IPV6_SRC", (NXM1, 109), (NXM1, 109), 16, 128, Ipv6;
    TUN_IPV6_DST: "tun_ipv6_dst", "NXM_NX_TUN_IPV6_DST", (NXM1, 110), (NXM1, 110), 16, 128, Ipv6;
    TUN_GBP_ID: "tun_gbp_id", "NXM_NX_TUN_GBP_ID", (NXM1, 38), (NXM1, 38), 2, 16, Decimal;
    TUN_GBP_FLAGS: "tun_gbp_flags", "NXM_NX_TUN_GBP_FLAGS", (NXM1, 39), (NXM1, 39), 1, 8, Hexadecimal;
    TUN_ERSPAN_IDX: "tun_erspan_idx", "NXOXM_ET_ERSPAN_IDX", (EXPERIMENTER, 11), (EXPERIMENTER, 11), 4, 20, Hexadecimal, NICIRA;
    TUN_ERSPAN_VER: "tun_erspan_ver", "NXOXM_ET_ERSPAN_VER", (EXPERIMENTER, 12), (EXPERIMENTER, 12), 1, 4, Decimal, NICIRA;
    TUN_ERSPAN_DIR: "tun_erspan_dir", "NXOXM_ET_ERSPAN_DIR", (EXPERIMENTER, 13), (EXPERIMENTER, 13), 1, 1, Decimal, NICIRA;
    TUN_ERSPAN_HWID: "tun_erspan_hwid", "NXOXM_ET_ERSPAN_HWID", (EXPERIMENTER, 14), (EXPERIMENTER, 14), 1, 6, Hexadecimal, NICIRA;
    TUN_GTPU_FLAGS: "tun_gtpu_flags", "NXOXM_ET_GTPU_FLAGS", (EXPERIMENTER, 15), (EXPERIMENTER, 15), 1, 8, Hexadecimal, NICIRA;
    TUN_GTPU_MSGTYPE: "tun_gtpu_msgtype", "NXOXM_ET_GTPU_MSGTYPE", (EXPERIMENTER, 16), (EXPERIMENTER, 16), 1, 8, Decimal, NICIRA;
    NSH_FLAGS: "nsh_flags", "NXOXM_NSH_FLAGS", (EXPERIMENTER, 1), (EXPERIMENTER, 1), 1, 8, Decimal, NSH;
    NSH_TTL: "nsh_ttl", "NXOXM_NSH_TTL", (EXPERIMENTER, 10), (EXPERIMENTER, 10), 1, 8, Decimal, NSH;
    NSH_MDTYPE: "nsh_mdtype", "NXOXM_NSH_MDTYPE", (EXPERIMENTER, 2), (EXPERIMENTER, 2), 1, 8, Decimal, NSH;
    NSH_NP: "nsh_np", "NXOXM_NSH_NP", (EXPERIMENTER, 3), (EXPERIMENTER, 3), 1, 8, Decimal, NSH;
    NSH_SPI: "nsh_spi", "NXOXM_NSH_SPI", (EXPERIMENTER, 4), (EXPERIMENTER, 4), 4, 24, Hexadecimal, NSH;
    NSH_SI: "nsh_si", "NXOXM_NSH_SI", (EXPERIMENTER, 5), (EXPERIMENTER, 5), 1, 8, Decimal, NSH;
    NSH_C1: "nsh_c1", "NXOXM_NSH_C1", (EXPERIMENTER, 6), (EXPERIMENTER, 6), 4, 32, Hexadecimal, NSH;
    NSH_C2: "nsh_c2", "NXOXM_NSH_C2", (EXPERIMENTER, 7), (EXPERIMENTER, 7), 4, 32, Hexadecimal, NSH;
    NSH_C3: "nsh_c3", "NXOXM_NSH_C3", (EXPERIMENTER, 8), (EXPERIMENTER, 8), 4, 32, Hexadecimal, NSH;
    NSH_C4: "nsh_c4", "NXOXM_NSH_C4", (EXPERIMENTER, 9), (EXPERIMENTER, 9), 4, 32, Hexadecimal, NSH;
    REG0: "reg0", "NXM_NX_REG0", (NXM1, 0), (NXM1, 0), 4, 32, Hexadecimal;
    REG1: "reg1", "NXM_NX_REG1", (NXM1, 1), (NXM1, 1), 4, 32, Hexadecimal;
    REG2: "reg2", "NXM_NX_REG2", (NXM1, 2), (NXM1, 2), 4, 32, Hexadecimal;
    REG3: "reg3", "NXM_NX_REG3", (NXM1, 3), (NXM1, 3), 4, 32, Hexadecimal;
    REG4: "reg4", "NXM_NX_REG4", (NXM1, 4), (NXM1, 4), 4, 32, Hexadecimal;
    REG5: "reg5", "NXM_NX_REG5", (NXM1, 5), (NXM1, 5), 4, 32, Hexadecimal;
    REG6: "reg6", "NXM_NX_REG6", (NXM1, 6), (NXM1, 6), 4, 32, Hexadecimal;
    REG7: "reg7", "NXM_NX_REG7", (NXM1, 7), (NXM1, 7), 4, 32, Hexadecimal;
    REG8: "reg8", "NXM_NX_REG8", (NXM1, 8), (NXM1, 8), 4, 32, Hexadecimal;
    REG9: "reg9", "NXM_NX_REG9", (NXM1, 9), (NXM1, 9), 4, 32, Hexadecimal;
    REG10: "reg10", "NXM_NX_REG10", (NXM1, 10), (NXM1, 10), 4, 32, Hexadecimal;
    REG11: "reg11", "NXM_NX_REG11", (NXM1, 11), (NXM1, 11), 4, 32, Hexadecimal;
    REG12: "reg12", "NXM_NX_REG12", (NXM1, 12), (NXM1, 12), 4, 32, Hexadecimal;
    REG13: "reg13", "NXM_NX_REG13", (NXM1, 13), (NXM1, 13), 4, 32, Hexadecimal;
    REG14: "reg14", "NXM_NX_REG14", (NXM1, 14), (NXM1, 14), 4, 32, Hexadecimal;
    REG15: "reg15", "NXM_NX_REG15", (NXM1, 15), (NXM1, 15), 4, 32, Hexadecimal;
    XREG0: "xreg0", "OXM_OF_PKT_REG0", (PACKET_REGS, 0), (PACKET_REGS, 0), 8, 64, Hexadecimal;
    XREG1: "xreg1", "OXM_OF_PKT_REG1", (PACKET_REGS, 1), (PACKET_REGS, 1), 8, 64, Hexadecimal;
    XREG2: "xreg2", "OXM_OF_PKT_REG2", (PACKET_REGS, 2), (PACKET_REGS, 2), 8, 64, Hexadecimal;
    XREG3: "xreg3", "OXM_OF_PKT_REG3", (PACKET_REGS, 3), (PACKET_REGS, 3), 8, 64, Hexadecimal;
    XREG4: "xreg4", "OXM_OF_PKT_REG4", (PACKET_REGS, 4), (PACKET_REGS, 4), 8, 64, Hexadecimal;
    XREG5: "xreg5", "OXM_OF_PKT_REG5", (PACKET_REGS, 5), (PACKET_REGS, 5), 8, 64, Hexadecimal;
    XREG6: "xreg6", "OXM_OF_PKT_REG6", (PACKET_REGS, 6), (PACKET_REGS, 6), 8, 64, Hexadecimal;
    XREG7: "xreg7", "OXM_OF_PKT_REG7", (PACKET_REGS, 7), (PACKET_REGS, 7), 8, 64, Hexadecimal;
    XXREG0: "xxreg0", "NXM_NX_XXREG0", (NXM1, 111), (NXM1, 111), 16, 128, Hexadecimal;
    XXREG1: "xxreg1", "NXM_NX_XXREG1", (NXM1, 112), (NXM1, 112), 16, 128, Hexadecimal;
    XXREG2: "xxreg2", "NXM_NX_XXREG2", (NXM1, 113), (NXM1, 113), 16, 128, Hexadecimal;
    XXREG3: "xxreg3", "NXM_NX_XXREG3", (NXM1, 114), (NXM1, 114), 16, 128, Hexadecimal;
    PKT_MARK: "pkt_mark", "NXM_NX_PKT_MARK", (NXM1, 33), (NXM1, 33), 4, 32, Hexadecimal;
    CT_STATE: "ct_state", "NXM_NX_CT_STATE", (NXM1, 105), (NXM1, 105), 4, 8, ConnectionState;
    CT_ZONE: "ct_zone", "NXM_NX_CT_ZONE", (NXM1, 106), (NXM1, 106), 2, 16, Hexadecimal;
    CT_MARK: "ct_mark", "NXM_NX_CT_MARK", (NXM1, 107), (NXM1, 107), 4, 32, Hexadecimal;
    CT_LABEL: "ct_label", "NXM_NX_CT_LABEL", (NXM1, 108), (NXM1, 108), 16, 128, Hexadecimal;
    CT_NW_SRC: "ct_nw_src", "NXM_NX_CT_NW_SRC", (NXM1, 120), (NXM1, 120), 4, 32, Ipv4;
    CT_IPV6_SRC: "ct_ipv6_src", "NXM_NX_CT_IPV6_SRC", (NXM1, 122), (NXM1, 122), 16, 128, Ipv6;
    CT_NW_DST: "ct_nw_dst", "NXM_NX_CT_NW_DST", (NXM1, 121), (NXM1, 121), 4, 32, Ipv4;
    CT_IPV6_DST: "ct_ipv6_dst", "NXM_NX_CT_IPV6_DST", (NXM1, 123), (NXM1, 123), 16, 128, Ipv6;
    CT_NW_PROTO: "ct_nw_proto", "NXM_NX_CT_NW_PROTO", (NXM1, 119), (NXM1, 119), 1, 8, Decimal;
    CT_TP_SRC: "ct_tp_src", "NXM_NX_CT_TP_SRC", (NXM1, 124), (NXM1, 124), 2, 16, Decimal;
    CT_TP_DST: "ct_tp_dst", "NXM_NX_CT_TP_DST", (NXM1, 125), (NXM1, 125), 2, 16, Decimal;
    METADATA: "metadata", "OXM_OF_METADATA", (BASIC, 2), (BASIC, 2), 8, 64, Hexadecimal;
}

impl Field {
    /// The field with this class and number, by either of its codes.
    pub fn by_code(class: u16, number: u8) -> Option<&'static Field> {
        static BY_CODE: [[u8; 128]; 5] = index_by_code();
        let position = *BY_CODE.get(class_row(class)?)?.get(usize::from(number))?;
        FIELDS.get(usize::from(position)).copied()
    }

    /// The field of this experimenter with this number.
    pub fn by_experimenter(experimenter: u32, number: u8) -> Option<&'static Field> {
        FIELDS.iter().find(|field| field.experimenter == experimenter && field.oxm == (EXPERIMENTER, number)).copied()
    }

    /// Appends the header by which Nicira's actions name this field: 4 bytes, or 8 for an
    /// experimenter's.
    pub fn encode_nxm_header(&self, writer: &mut Writer) {
        if self.nxm.0 == EXPERIMENTER {
            writer.u32(self.nxm_header() + 4);
            writer.u32(self.experimenter);
        } else {
            writer.u32(self.nxm_header());
        }
    }

    /// The header of a Nicira subfield of this field, without a mask.
    pub const fn nxm_header(&self) -> u32 {
        (self.nxm.0 as u32) << 16 | (self.nxm.1 as u32) << 9 | self.bytes as u32
    }
}

/// Which row of the index holds a class; `None` for a class whose numbers mean nothing by themselves.
const fn class_row(class: u16) -> Option<usize> {
    match class {
        BASIC => Some(0),
        NXM1 => Some(1),
        NXM0 => Some(2),
        PACKET_REGS => Some(3),
        ERICSSON => Some(4),
        _ => None,
    }
}

/// Positions in the registry by class and number; 255 where there is no field.
#[allow(clippy::indexing_slicing, reason = "runs when the program is compiled")]
const fn index_by_code() -> [[u8; 128]; 5] {
    let mut index = [[u8::MAX; 128]; 5];
    let mut position = 0;
    while position < CODES.len() {
        let ((class, number), (nxm_class, nxm_number)) = CODES[position];
        if let Some(row) = class_row(class) {
            index[row][number as usize] = position as u8;
        }
        if let Some(row) = class_row(nxm_class) {
            index[row][nxm_number as usize] = position as u8;
        }
        position += 1;
    }
    index
}

/// A field as it stands on the wire: header, value, and mask if it has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tlv<'a> {
    /// Class of the field.
    pub class: u16,
    /// Number of the field in its class, 0–127.
    pub number: u8,
    /// Whose field it is, in class [`EXPERIMENTER`]; else 0.
    pub experimenter: u32,
    /// The value.
    pub value: &'a [u8],
    /// The mask, as long as the value.
    pub mask: Option<&'a [u8]>,
}

impl<'a> Tlv<'a> {
    /// Reads one TLV. Errors: `BMC_BAD_LEN` for a length that runs past the end, or an odd one with a mask.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let class = reader.u16("oxm.class")?;
        let code = reader.u8("oxm.field")?;
        let length = usize::from(reader.u8("oxm.length")?);
        let bad = |expected| start.error("oxm.length", length as u64, expected, ErrorCode::BMC_BAD_LEN);
        let mut body = reader.child(length, "oxm.value").map_err(|_| bad("no more than what is left of the match"))?;
        let experimenter = match class {
            EXPERIMENTER => body.u32("oxm.experimenter").map_err(|_| bad("at least 4, for the experimenter"))?,
            _ => 0,
        };
        let body = body.rest();
        let (value, mask) = if code & 1 == 1 {
            if body.len() % 2 == 1 {
                return Err(bad("an even length, for a value and its mask"));
            }
            let (value, mask) = body.split_at(body.len() / 2);
            (value, Some(mask))
        } else {
            (body, None)
        };
        Ok(Self { class, number: code >> 1, experimenter, value, mask })
    }

    /// What the registry knows about it; `None` too if its width is another.
    pub fn field(&self) -> Option<&'static Field> {
        let field = match self.class {
            EXPERIMENTER => Field::by_experimenter(self.experimenter, self.number),
            _ => Field::by_code(self.class, self.number),
        };
        field.filter(|field| usize::from(field.bytes) == self.value.len())
    }

    /// The value as a number, at most its last 16 bytes.
    pub fn number_value(&self) -> u128 {
        self.value.iter().fold(0, |number, &byte| number << 8 | u128::from(byte))
    }
}

/// Iterates over the TLVs of a match; stops behind the first that is malformed.
#[derive(Clone, Debug)]
pub struct Tlvs<'a>(Reader<'a>);

impl<'a> Tlvs<'a> {
    /// The TLVs in `reader`, which holds nothing else.
    pub const fn new(reader: Reader<'a>) -> Self {
        Self(reader)
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<Tlv<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let tlv = Tlv::decode(&mut self.0);
        if tlv.is_err() {
            self.0 = Reader::at(&[], self.0.offset());
        }
        Some(tlv)
    }
}

/// A field of the registry with a value, and a mask where not all of it counts: what `set_field`
/// writes and a match holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldValue {
    /// Which field.
    pub field: &'static Field,
    /// The value in the first `field.bytes` bytes.
    value: [u8; MAX_VALUE],
    /// The mask, likewise; `None`: all of the value counts.
    mask: Option<[u8; MAX_VALUE]>,
}

fn left_aligned(bytes: &[u8]) -> [u8; MAX_VALUE] {
    let mut value = [0; MAX_VALUE];
    for (place, byte) in value.iter_mut().zip(bytes) {
        *place = *byte;
    }
    value
}

fn number_bytes(field: &Field, number: u128) -> [u8; MAX_VALUE] {
    let all = number.to_be_bytes();
    left_aligned(all.get(MAX_VALUE - usize::from(field.bytes)..).unwrap_or_default())
}

impl FieldValue {
    /// `number` in all bits of `field`; bits beyond its width are dropped.
    pub fn new(field: &'static Field, number: u128) -> Self {
        Self { field, value: number_bytes(field, number), mask: None }
    }

    /// Those bits of `number` that `mask` has, canonical: the others are zero.
    pub fn masked(field: &'static Field, number: u128, mask: u128) -> Self {
        Self { field, value: number_bytes(field, number & mask), mask: Some(number_bytes(field, mask)) }
    }

    /// From a TLV whose field the registry knows.
    pub fn from_tlv(tlv: &Tlv<'_>) -> Option<Self> {
        let field = tlv.field()?;
        Some(Self { field, value: left_aligned(tlv.value), mask: tlv.mask.map(left_aligned) })
    }

    /// The value's bytes, `field.bytes` of them.
    pub fn value(&self) -> &[u8] {
        self.value.get(..usize::from(self.field.bytes)).unwrap_or_default()
    }

    /// The mask's bytes.
    pub fn mask(&self) -> Option<&[u8]> {
        self.mask.as_ref().map(|mask| mask.get(..usize::from(self.field.bytes)).unwrap_or_default())
    }

    /// Appends the TLV.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u16(self.field.oxm.0);
        let masked = self.mask.is_some();
        writer.u8(self.field.oxm.1 << 1 | u8::from(masked));
        let length = self.field.bytes << u8::from(masked);
        if self.field.oxm.0 == EXPERIMENTER {
            writer.u8(length + 4);
            writer.u32(self.field.experimenter);
        } else {
            writer.u8(length);
        }
        writer.bytes(self.value());
        writer.bytes(self.mask().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_fields_share_a_code_or_a_name() {
        for (i, a) in FIELDS.iter().enumerate() {
            assert_eq!(usize::from(a.rank), i);
            assert!(usize::from(a.bytes) <= MAX_VALUE && usize::from(a.bits) <= usize::from(a.bytes) * 8, "{}", a.name);
            for b in FIELDS.iter().skip(i + 1) {
                assert!(
                    a.name != b.name
                        && a.header_name != b.header_name
                        && (a.oxm, a.experimenter) != (b.oxm, b.experimenter)
                        && (a.nxm, a.experimenter) != (b.nxm, b.experimenter),
                    "{}",
                    b.name
                );
            }
        }
    }

    #[test]
    fn every_field_is_found_by_its_codes() {
        for &field in FIELDS {
            let mut writer = Writer::new();
            FieldValue::new(field, 1).encode(&mut writer);
            let tlv = Tlv::decode(&mut Reader::new(writer.as_slice())).unwrap();
            assert_eq!(FieldValue::from_tlv(&tlv), Some(FieldValue::new(field, 1)), "{}", field.name);
            if field.nxm.0 != EXPERIMENTER {
                assert_eq!(Field::by_code(field.nxm.0, field.nxm.1), Some(field));
            }
        }
    }

    #[test]
    fn a_masked_value_has_zeros_where_the_mask_has() {
        let mut writer = Writer::new();
        FieldValue::masked(&ETH_DST, 0x0123_4567_89ab, 0x0100_0000_0000).encode(&mut writer);
        assert_eq!(writer.as_slice(), [0x80, 0, 7, 12, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
        let tlv = Tlv::decode(&mut Reader::new(writer.as_slice())).unwrap();
        assert_eq!(FieldValue::from_tlv(&tlv), Some(FieldValue::masked(&ETH_DST, 0x0100_0000_0000, 0x0100_0000_0000)));
    }

    #[test]
    fn rejects_a_value_past_the_end_of_the_match() {
        for end in 1..8 {
            let bytes = [0x80, 0, 0, 4, 0, 0, 0, 9];
            assert!(Tlv::decode(&mut Reader::new(&bytes[..end])).is_err());
        }
        let error = Tlv::decode(&mut Reader::at(&[0x80, 0, 1, 3, 0, 0, 0], 40)).unwrap_err();
        assert_eq!((error.offset, error.code), (40, ErrorCode::BMC_BAD_LEN));
    }
}
