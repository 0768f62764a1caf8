//! The table of match fields: one row for each field, in the order in which Open vSwitch 3.1 puts fields
//! into a match.
//!
//! A row reads
//! ```text
//! NAME: "name" ["alias"] in SHARED, bytes bits Format masked|exact rw|ro, Prerequisite, {headers};
//! ```
//! The first header is the one of Nicira's actions, the one behind `oxm` that of a match and of `set_field`
//! in OpenFlow 1.3 if it is another, the one behind `also` is understood. `in SHARED` says with which field
//! the value shares its place: Open vSwitch keeps the ports of TCP and UDP, or the addresses of IPv4 and
//! ARP, only once.

use super::field::{Class, Field, FieldHeader, Format};
use super::prerequisite::Prerequisite;

const BASIC: Class = Class { class: 0x8000, experimenter: 0 };
const PACKET_REGS: Class = Class { class: 0x8001, experimenter: 0 };
const NXM0: Class = Class { class: 0x0000, experimenter: 0 };
const NXM1: Class = Class { class: 0x0001, experimenter: 0 };
const ERICSSON: Class = Class { class: 0x1000, experimenter: 0 };
const ONF: Class = Class { class: EXPERIMENTER, experimenter: 0x4f4e_4600 };
const NICIRA: Class = Class { class: EXPERIMENTER, experimenter: 0x0000_2320 };
const NSH: Class = Class { class: EXPERIMENTER, experimenter: 0x005a_d650 };

/// The classes in the order of their use, most often first: the rows of the index.
const CLASSES: [Class; 8] = [BASIC, NXM1, NXM0, PACKET_REGS, ERICSSON, ONF, NICIRA, NSH];

/// `OFPXMC_EXPERIMENTER`: the header is followed by four bytes that say whose field it is.
pub const EXPERIMENTER: u16 = 0xffff;

/// The longest tunnel option, in bytes.
pub const MAX_OPTION: usize = 124;

/// Number of the header of the first tunnel option.
const FIRST_OPTION: u8 = 40;

/// What stands behind the name in a row, as `true` or `false`.
macro_rules! is {
    (masked) => {
        true
    };
    (exact) => {
        false
    };
    (rw) => {
        true
    };
    (ro) => {
        false
    };
}

/// The rank of the last of these fields.
macro_rules! rank {
    ($name:ident) => {
        Rank::$name as u8
    };
    ($name:ident $kept_in:ident) => {
        Rank::$kept_in as u8
    };
}

/// The last of these headers.
macro_rules! header {
    ($name:ident $class:ident $number:literal) => {
        FieldHeader { name: stringify!($name), class: $class.class, experimenter: $class.experimenter, number: $number }
    };
    ($name:ident $class:ident $number:literal, $($other:tt)*) => { header!($($other)*) };
}

macro_rules! fields {
    ($(
        $name:ident
        $(
            : $text:literal [$($alias:literal)*] $(in $kept_in:ident)?,
            $bytes:literal $bits:literal $format:ident $masked:ident $access:ident,
            $prerequisite:ident,
            {$nxm:ident $nxm_class:ident $nxm_number:literal
                $(; oxm $oxm:ident $oxm_class:ident $oxm_number:literal)?
                $(; also $also:ident $also_class:ident $also_number:literal)?}
        )?
        $(option $option:literal)?
        ;
    )*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "positions in the registry, named as the fields are")]
        enum Rank { $($name),* }
        $(
            $(
                #[doc = concat!("`", $text, "`, `", stringify!($nxm), "`.")]
                pub static $name: Field = Field {
                    rank: Rank::$name as u8,
                    kept_in: rank!($name $($kept_in)?),
                    name: $text,
                    aliases: &[$($alias),*],
                    nxm: header!($nxm $nxm_class $nxm_number),
                    oxm: header!($nxm $nxm_class $nxm_number $(, $oxm $oxm_class $oxm_number)?),
                    also: &[$(header!($also $also_class $also_number))?],
                    bytes: $bytes,
                    bits: $bits,
                    format: Format::$format,
                    maskable: is!($masked),
                    writable: is!($access),
                    prerequisite: Prerequisite::$prerequisite,
                };
            )?
            $(
                #[doc = concat!("`tun_metadata", $option, "`, `NXM_NX_TUN_METADATA", $option, "`: a tunnel option.")]
                pub static $name: Field = Field {
                    rank: Rank::$name as u8,
                    kept_in: Rank::$name as u8,
                    name: concat!("tun_metadata", $option),
                    aliases: &[],
                    nxm: option_header(concat!("NXM_NX_TUN_METADATA", $option), $option),
                    oxm: option_header(concat!("NXM_NX_TUN_METADATA", $option), $option),
                    also: &[],
                    bytes: MAX_OPTION as u8,
                    bits: MAX_OPTION as u16 * 8,
                    format: Format::Hexadecimal,
                    maskable: true,
                    writable: true,
                    prerequisite: Prerequisite::None,
                };
            )?
        )*
        /// Every known field, in canonical order.
        pub static FIELDS: &[&Field] = &[$(&$name),*];
    };
}

const fn option_header(name: &'static str, option: u8) -> FieldHeader {
    FieldHeader { name, class: NXM1.class, experimenter: 0, number: FIRST_OPTION + option }
}

fields! {
    PACKET_TYPE: "packet_type" [], 4 32 PacketType exact ro, None, {OXM_OF_PACKET_TYPE BASIC 44};
    DP_HASH: "dp_hash" [], 4 32 Hexadecimal masked ro, None, {NXM_NX_DP_HASH NXM1 35; also NXOXM_ET_DP_HASH NICIRA 0};
    RECIRC_ID: "recirc_id" [], 4 32 Hexadecimal exact ro, None, {NXM_NX_RECIRC_ID NXM1 36};
    CONJ_ID: "conj_id" [], 4 32 Decimal exact ro, None, {NXM_NX_CONJ_ID NXM1 37};
    IN_PORT: "in_port_oxm" [], 4 32 Port exact rw, None, {OXM_OF_IN_PORT BASIC 0};
    // The OpenFlow 1.0 form of IN_PORT, 16 bits wide; `learn` and `load` still use it.
    IN_PORT_16: "in_port" [] in IN_PORT, 2 16 Port exact rw, None, {NXM_OF_IN_PORT NXM0 0};
    ACTSET_OUTPUT: "actset_output" [], 4 32 Port exact ro, None, {ONFOXM_ET_ACTSET_OUTPUT ONF 43; also OXM_OF_ACTSET_OUTPUT BASIC 43};
    ETH_SRC: "eth_src" ["dl_src"], 6 48 Ethernet masked rw, Ethernet, {NXM_OF_ETH_SRC NXM0 2; oxm OXM_OF_ETH_SRC BASIC 4};
    ETH_DST: "eth_dst" ["dl_dst"], 6 48 Ethernet masked rw, Ethernet, {NXM_OF_ETH_DST NXM0 1; oxm OXM_OF_ETH_DST BASIC 3};
    ETH_TYPE: "eth_type" ["dl_type"], 2 16 Hexadecimal exact ro, Ethernet, {NXM_OF_ETH_TYPE NXM0 3; oxm OXM_OF_ETH_TYPE BASIC 5};
    VLAN_TCI: "vlan_tci" [], 2 16 Hexadecimal masked rw, Ethernet, {NXM_OF_VLAN_TCI NXM0 4};
    // Bit 12 (`OFPVID_PRESENT`) says that there is a tag.
    VLAN_VID: "vlan_vid" [] in VLAN_TCI, 2 12 Decimal masked rw, Ethernet, {OXM_OF_VLAN_VID BASIC 6};
    VLAN_PCP: "vlan_pcp" [] in VLAN_TCI, 1 3 Decimal exact rw, VlanTag, {OXM_OF_VLAN_PCP BASIC 7};
    MPLS_TC: "mpls_tc" [], 1 3 Decimal exact rw, Mpls, {OXM_OF_MPLS_TC BASIC 35};
    MPLS_BOS: "mpls_bos" [], 1 1 Decimal exact ro, Mpls, {OXM_OF_MPLS_BOS BASIC 36};
    MPLS_TTL: "mpls_ttl" [], 1 8 Decimal exact rw, Mpls, {NXM_NX_MPLS_TTL NXM1 30};
    MPLS_LABEL: "mpls_label" [], 4 20 Decimal exact rw, Mpls, {OXM_OF_MPLS_LABEL BASIC 34};
    IPV4_SRC: "ip_src" ["nw_src"], 4 32 Ipv4 masked rw, Ipv4, {NXM_OF_IP_SRC NXM0 7; oxm OXM_OF_IPV4_SRC BASIC 11};
    IPV4_DST: "ip_dst" ["nw_dst"], 4 32 Ipv4 masked rw, Ipv4, {NXM_OF_IP_DST NXM0 8; oxm OXM_OF_IPV4_DST BASIC 12};
    IPV6_SRC: "ipv6_src" [], 16 128 Ipv6 masked rw, Ipv6, {NXM_NX_IPV6_SRC NXM1 19; oxm OXM_OF_IPV6_SRC BASIC 26};
    IPV6_DST: "ipv6_dst" [], 16 128 Ipv6 masked rw, Ipv6, {NXM_NX_IPV6_DST NXM1 20; oxm OXM_OF_IPV6_DST BASIC 27};
    IP_FRAG: "ip_frag" ["nw_frag"], 1 2 Fragment masked ro, Ip, {NXM_NX_IP_FRAG NXM1 26};
    IP_DSCP: "ip_dscp" [] in IP_TOS, 1 6 Decimal exact rw, Ip, {OXM_OF_IP_DSCP BASIC 8};
    // The type of service byte of OpenFlow 1.0, whose upper six bits count.
    IP_TOS: "nw_tos" [], 1 8 Decimal exact rw, Ip, {NXM_OF_IP_TOS NXM0 5};
    IP_ECN: "nw_ecn" ["ip_ecn"], 1 2 Decimal exact rw, Ip, {NXM_NX_IP_ECN NXM1 28; oxm OXM_OF_IP_ECN BASIC 9};
    IP_TTL: "nw_ttl" [], 1 8 Decimal exact rw, Ip, {NXM_NX_IP_TTL NXM1 29};
    IPV6_LABEL: "ipv6_label" [], 4 20 Hexadecimal masked rw, Ipv6, {NXM_NX_IPV6_LABEL NXM1 27; oxm OXM_OF_IPV6_FLABEL BASIC 28};
    IP_PROTO: "nw_proto" ["ip_proto"], 1 8 Decimal exact ro, Ip, {NXM_OF_IP_PROTO NXM0 6; oxm OXM_OF_IP_PROTO BASIC 10};
    TCP_SRC: "tcp_src" ["tp_src"], 2 16 Decimal masked rw, Tcp, {NXM_OF_TCP_SRC NXM0 9; oxm OXM_OF_TCP_SRC BASIC 13};
    TCP_DST: "tcp_dst" ["tp_dst"], 2 16 Decimal masked rw, Tcp, {NXM_OF_TCP_DST NXM0 10; oxm OXM_OF_TCP_DST BASIC 14};
    TCP_FLAGS: "tcp_flags" [], 2 12 TcpFlags masked ro, Tcp, {NXM_NX_TCP_FLAGS NXM1 34; oxm ONFOXM_ET_TCP_FLAGS ONF 42; also OXM_OF_TCP_FLAGS BASIC 42};
    UDP_SRC: "udp_src" [] in TCP_SRC, 2 16 Decimal masked rw, Udp, {NXM_OF_UDP_SRC NXM0 11; oxm OXM_OF_UDP_SRC BASIC 15};
    UDP_DST: "udp_dst" [] in TCP_DST, 2 16 Decimal masked rw, Udp, {NXM_OF_UDP_DST NXM0 12; oxm OXM_OF_UDP_DST BASIC 16};
    SCTP_SRC: "sctp_src" [] in TCP_SRC, 2 16 Decimal masked rw, Sctp, {OXM_OF_SCTP_SRC BASIC 17};
    SCTP_DST: "sctp_dst" [] in TCP_DST, 2 16 Decimal masked rw, Sctp, {OXM_OF_SCTP_DST BASIC 18};
    ICMPV4_TYPE: "icmp_type" [] in TCP_SRC, 1 8 Decimal exact rw, Icmpv4, {NXM_OF_ICMP_TYPE NXM0 13; oxm OXM_OF_ICMPV4_TYPE BASIC 19};
    ICMPV4_CODE: "icmp_code" [] in TCP_DST, 1 8 Decimal exact rw, Icmpv4, {NXM_OF_ICMP_CODE NXM0 14; oxm OXM_OF_ICMPV4_CODE BASIC 20};
    ICMPV6_TYPE: "icmpv6_type" [] in TCP_SRC, 1 8 Decimal exact rw, Icmpv6, {NXM_NX_ICMPV6_TYPE NXM1 21; oxm OXM_OF_ICMPV6_TYPE BASIC 29};
    ICMPV6_CODE: "icmpv6_code" [] in TCP_DST, 1 8 Decimal exact rw, Icmpv6, {NXM_NX_ICMPV6_CODE NXM1 22; oxm OXM_OF_ICMPV6_CODE BASIC 30};
    ND_RESERVED: "nd_reserved" [], 4 32 Decimal exact rw, NeighborDiscovery, {ERICOXM_OF_ICMPV6_ND_RESERVED ERICSSON 1};
    ND_TARGET: "nd_target" [], 16 128 Ipv6 masked rw, NeighborDiscovery, {NXM_NX_ND_TARGET NXM1 23; oxm OXM_OF_IPV6_ND_TARGET BASIC 31};
    ND_OPTIONS_TYPE: "nd_options_type" [] in TCP_FLAGS, 1 8 Decimal exact rw, NeighborDiscovery, {ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE ERICSSON 2};
    ND_SLL: "nd_sll" [] in ARP_SHA, 6 48 Ethernet masked rw, NeighborSolicitation, {NXM_NX_ND_SLL NXM1 24; oxm OXM_OF_IPV6_ND_SLL BASIC 32};
    ND_TLL: "nd_tll" [] in ARP_THA, 6 48 Ethernet masked rw, NeighborAdvertisement, {NXM_NX_ND_TLL NXM1 25; oxm OXM_OF_IPV6_ND_TLL BASIC 33};
    ARP_OP: "arp_op" [] in IP_PROTO, 2 16 Decimal exact rw, Arp, {NXM_OF_ARP_OP NXM0 15; oxm OXM_OF_ARP_OP BASIC 21};
    ARP_SPA: "arp_spa" [] in IPV4_SRC, 4 32 Ipv4 masked rw, Arp, {NXM_OF_ARP_SPA NXM0 16; oxm OXM_OF_ARP_SPA BASIC 22};
    ARP_TPA: "arp_tpa" [] in IPV4_DST, 4 32 Ipv4 masked rw, Arp, {NXM_OF_ARP_TPA NXM0 17; oxm OXM_OF_ARP_TPA BASIC 23};
    ARP_SHA: "arp_sha" [], 6 48 Ethernet masked rw, Arp, {NXM_NX_ARP_SHA NXM1 17; oxm OXM_OF_ARP_SHA BASIC 24};
    ARP_THA: "arp_tha" [], 6 48 Ethernet masked rw, Arp, {NXM_NX_ARP_THA NXM1 18; oxm OXM_OF_ARP_THA BASIC 25};
    TUN_ID: "tun_id" ["tunnel_id"], 8 64 Hexadecimal masked rw, None, {NXM_NX_TUN_ID NXM1 16; oxm OXM_OF_TUNNEL_ID BASIC 38};
    TUN_FLAGS: "tun_flags" [], 2 1 TunnelFlags masked rw, None, {NXM_NX_TUN_FLAGS NXM1 104};
    TUN_SRC: "tun_src" [], 4 32 Ipv4 masked rw, None, {NXM_NX_TUN_IPV4_SRC NXM1 31};
    TUN_DST: "tun_dst" [], 4 32 Ipv4 masked rw, None, {NXM_NX_TUN_IPV4_DST NXM1 32};
    TUN_IPV6_SRC: "tun_ipv6_src" [], 16 128 Ipv6 masked rw, None, {NXM_NX_TUN_IPV6_SRC NXM1 109};
    TUN_IPV6_DST: "tun_ipv6_dst" [], 16 128 Ipv6 masked rw, None, {NXM_NX_TUN_IPV6_DST NXM1 110};
    TUN_GBP_ID: "tun_gbp_id" [], 2 16 Decimal masked rw, None, {NXM_NX_TUN_GBP_ID NXM1 38};
    TUN_GBP_FLAGS: "tun_gbp_flags" [], 1 8 Hexadecimal masked rw, None, {NXM_NX_TUN_GBP_FLAGS NXM1 39};
    // Tunnel options, as wide as the switch's table of them says (`ovs-ofctl add-tlv-map`).
    TUN_METADATA0 option 0; TUN_METADATA1 option 1; TUN_METADATA2 option 2; TUN_METADATA3 option 3;
    TUN_METADATA4 option 4; TUN_METADATA5 option 5; TUN_METADATA6 option 6; TUN_METADATA7 option 7;
    TUN_METADATA8 option 8; TUN_METADATA9 option 9; TUN_METADATA10 option 10; TUN_METADATA11 option 11;
    TUN_METADATA12 option 12; TUN_METADATA13 option 13; TUN_METADATA14 option 14; TUN_METADATA15 option 15;
    TUN_METADATA16 option 16; TUN_METADATA17 option 17; TUN_METADATA18 option 18; TUN_METADATA19 option 19;
    TUN_METADATA20 option 20; TUN_METADATA21 option 21; TUN_METADATA22 option 22; TUN_METADATA23 option 23;
    TUN_METADATA24 option 24; TUN_METADATA25 option 25; TUN_METADATA26 option 26; TUN_METADATA27 option 27;
    TUN_METADATA28 option 28; TUN_METADATA29 option 29; TUN_METADATA30 option 30; TUN_METADATA31 option 31;
    TUN_METADATA32 option 32; TUN_METADATA33 option 33; TUN_METADATA34 option 34; TUN_METADATA35 option 35;
    TUN_METADATA36 option 36; TUN_METADATA37 option 37; TUN_METADATA38 option 38; TUN_METADATA39 option 39;
    TUN_METADATA40 option 40; TUN_METADATA41 option 41; TUN_METADATA42 option 42; TUN_METADATA43 option 43;
    TUN_METADATA44 option 44; TUN_METADATA45 option 45; TUN_METADATA46 option 46; TUN_METADATA47 option 47;
    TUN_METADATA48 option 48; TUN_METADATA49 option 49; TUN_METADATA50 option 50; TUN_METADATA51 option 51;
    TUN_METADATA52 option 52; TUN_METADATA53 option 53; TUN_METADATA54 option 54; TUN_METADATA55 option 55;
    TUN_METADATA56 option 56; TUN_METADATA57 option 57; TUN_METADATA58 option 58; TUN_METADATA59 option 59;
    TUN_METADATA60 option 60; TUN_METADATA61 option 61; TUN_METADATA62 option 62; TUN_METADATA63 option 63;
    TUN_ERSPAN_IDX: "tun_erspan_idx" [], 4 20 Hexadecimal masked rw, None, {NXOXM_ET_ERSPAN_IDX NICIRA 11};
    TUN_ERSPAN_VER: "tun_erspan_ver" [], 1 4 Decimal masked rw, None, {NXOXM_ET_ERSPAN_VER NICIRA 12};
    TUN_ERSPAN_DIR: "tun_erspan_dir" [], 1 1 Decimal masked rw, None, {NXOXM_ET_ERSPAN_DIR NICIRA 13};
    TUN_ERSPAN_HWID: "tun_erspan_hwid" [], 1 6 Hexadecimal masked rw, None, {NXOXM_ET_ERSPAN_HWID NICIRA 14};
    TUN_GTPU_FLAGS: "tun_gtpu_flags" ["gtpu_flags"], 1 8 Hexadecimal masked ro, None, {NXOXM_ET_GTPU_FLAGS NICIRA 15};
    TUN_GTPU_MSGTYPE: "tun_gtpu_msgtype" ["gtpu_msgtype"], 1 8 Decimal masked ro, None, {NXOXM_ET_GTPU_MSGTYPE NICIRA 16};
    NSH_FLAGS: "nsh_flags" [], 1 8 Decimal masked rw, Nsh, {NXOXM_NSH_FLAGS NSH 1};
    NSH_TTL: "nsh_ttl" [], 1 8 Decimal exact rw, Nsh, {NXOXM_NSH_TTL NSH 10};
    NSH_MDTYPE: "nsh_mdtype" [], 1 8 Decimal exact ro, Nsh, {NXOXM_NSH_MDTYPE NSH 2};
    NSH_NP: "nsh_np" [], 1 8 Decimal exact ro, Nsh, {NXOXM_NSH_NP NSH 3};
    NSH_SPI: "nsh_spi" ["nsp"], 4 24 Hexadecimal exact rw, Nsh, {NXOXM_NSH_SPI NSH 4};
    NSH_SI: "nsh_si" ["nsi"], 1 8 Decimal exact rw, Nsh, {NXOXM_NSH_SI NSH 5};
    NSH_C1: "nsh_c1" ["nshc1"], 4 32 Hexadecimal masked rw, Nsh, {NXOXM_NSH_C1 NSH 6};
    NSH_C2: "nsh_c2" ["nshc2"], 4 32 Hexadecimal masked rw, Nsh, {NXOXM_NSH_C2 NSH 7};
    NSH_C3: "nsh_c3" ["nshc3"], 4 32 Hexadecimal masked rw, Nsh, {NXOXM_NSH_C3 NSH 8};
    NSH_C4: "nsh_c4" ["nshc4"], 4 32 Hexadecimal masked rw, Nsh, {NXOXM_NSH_C4 NSH 9};
    REG0: "reg0" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG0 NXM1 0};
    REG1: "reg1" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG1 NXM1 1};
    REG2: "reg2" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG2 NXM1 2};
    REG3: "reg3" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG3 NXM1 3};
    REG4: "reg4" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG4 NXM1 4};
    REG5: "reg5" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG5 NXM1 5};
    REG6: "reg6" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG6 NXM1 6};
    REG7: "reg7" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG7 NXM1 7};
    REG8: "reg8" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG8 NXM1 8};
    REG9: "reg9" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG9 NXM1 9};
    REG10: "reg10" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG10 NXM1 10};
    REG11: "reg11" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG11 NXM1 11};
    REG12: "reg12" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG12 NXM1 12};
    REG13: "reg13" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG13 NXM1 13};
    REG14: "reg14" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG14 NXM1 14};
    REG15: "reg15" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_REG15 NXM1 15};
    XREG0: "xreg0" [], 8 64 Hexadecimal masked rw, None, {OXM_OF_PKT_REG0 PACKET_REGS 0};
    XREG1: "xreg1" [], 8 64 Hexadecimal masked rw, None, {OXM_OF_PKT_REG1 PACKET_REGS 1};
    XREG2: "xreg2" [], 8 64 Hexadecimal masked rw, None, {OXM_OF_PKT_REG2 PACKET_REGS 2};
    XREG3: "xreg3" [], 8 64 Hexadecimal masked rw, None, {OXM_OF_PKT_REG3 PACKET_REGS 3};
    XREG4: "xreg4" [], 8 64 Hexadecimal masked rw, None, {OXM_OF_PKT_REG4 PACKET_REGS 4};
    XREG5: "xreg5" [], 8 64 Hexadecimal masked rw, None, {OXM_OF_PKT_REG5 PACKET_REGS 5};
    XREG6: "xreg6" [], 8 64 Hexadecimal masked rw, None, {OXM_OF_PKT_REG6 PACKET_REGS 6};
    XREG7: "xreg7" [], 8 64 Hexadecimal masked rw, None, {OXM_OF_PKT_REG7 PACKET_REGS 7};
    XXREG0: "xxreg0" [], 16 128 Hexadecimal masked rw, None, {NXM_NX_XXREG0 NXM1 111};
    XXREG1: "xxreg1" [], 16 128 Hexadecimal masked rw, None, {NXM_NX_XXREG1 NXM1 112};
    XXREG2: "xxreg2" [], 16 128 Hexadecimal masked rw, None, {NXM_NX_XXREG2 NXM1 113};
    XXREG3: "xxreg3" [], 16 128 Hexadecimal masked rw, None, {NXM_NX_XXREG3 NXM1 114};
    PKT_MARK: "pkt_mark" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_PKT_MARK NXM1 33};
    CT_STATE: "ct_state" [], 4 32 ConnectionState masked ro, None, {NXM_NX_CT_STATE NXM1 105};
    CT_ZONE: "ct_zone" [], 2 16 Hexadecimal exact ro, None, {NXM_NX_CT_ZONE NXM1 106};
    CT_MARK: "ct_mark" [], 4 32 Hexadecimal masked rw, None, {NXM_NX_CT_MARK NXM1 107};
    CT_LABEL: "ct_label" [], 16 128 Hexadecimal masked rw, None, {NXM_NX_CT_LABEL NXM1 108};
    CT_NW_SRC: "ct_nw_src" [], 4 32 Ipv4 masked ro, Tracked, {NXM_NX_CT_NW_SRC NXM1 120};
    CT_IPV6_SRC: "ct_ipv6_src" [], 16 128 Ipv6 masked ro, Tracked, {NXM_NX_CT_IPV6_SRC NXM1 122};
    CT_NW_DST: "ct_nw_dst" [], 4 32 Ipv4 masked ro, Tracked, {NXM_NX_CT_NW_DST NXM1 121};
    CT_IPV6_DST: "ct_ipv6_dst" [], 16 128 Ipv6 masked ro, Tracked, {NXM_NX_CT_IPV6_DST NXM1 123};
    CT_NW_PROTO: "ct_nw_proto" [], 1 8 Decimal exact ro, Tracked, {NXM_NX_CT_NW_PROTO NXM1 119};
    CT_TP_SRC: "ct_tp_src" [], 2 16 Decimal masked ro, Tracked, {NXM_NX_CT_TP_SRC NXM1 124};
    CT_TP_DST: "ct_tp_dst" [], 2 16 Decimal masked ro, Tracked, {NXM_NX_CT_TP_DST NXM1 125};
    METADATA: "metadata" [], 8 64 Hexadecimal masked rw, None, {OXM_OF_METADATA BASIC 2};
}

/// The field with this class and number; `experimenter` counts in class [`EXPERIMENTER`] only.
pub(super) fn by_code(class: Class, number: u8) -> Option<&'static Field> {
    static BY_CODE: [[u8; 128]; CLASSES.len()] = index_by_code(FIELDS);
    let row = CLASSES.iter().position(|known| *known == class)?;
    let rank = *BY_CODE.get(row)?.get(usize::from(number))?;
    FIELDS.get(usize::from(rank)).copied()
}

/// Ranks by class and number; 255 where there is no field.
#[allow(clippy::indexing_slicing, reason = "runs when the program is compiled")]
const fn index_by_code(fields: &[&Field]) -> [[u8; 128]; CLASSES.len()] {
    let mut index = [[u8::MAX; 128]; CLASSES.len()];
    let mut rank = 0;
    while rank < fields.len() {
        let field = fields[rank];
        let mut row = 0;
        while row < CLASSES.len() {
            index_header(&mut index[row], row, &field.nxm, rank as u8);
            index_header(&mut index[row], row, &field.oxm, rank as u8);
            let mut other = 0;
            while other < field.also.len() {
                index_header(&mut index[row], row, &field.also[other], rank as u8);
                other += 1;
            }
            row += 1;
        }
        rank += 1;
    }
    index
}

#[allow(clippy::indexing_slicing, reason = "runs when the program is compiled")]
const fn index_header(numbers: &mut [u8; 128], row: usize, header: &FieldHeader, rank: u8) {
    if header.class == CLASSES[row].class && header.experimenter == CLASSES[row].experimenter {
        numbers[header.number as usize] = rank;
    }
}
