//! Numbers of other protocols that fields of a match hold: EtherTypes (IEEE 802), IP protocols and types of
//! ICMPv6 (IANA).

/// EtherType of IPv4.
pub const ETH_TYPE_IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ETH_TYPE_ARP: u16 = 0x0806;
/// EtherType of RARP.
pub const ETH_TYPE_RARP: u16 = 0x8035;
/// EtherType of an 802.1Q tag.
pub const ETH_TYPE_VLAN: u16 = 0x8100;
/// EtherType of IPv6.
pub const ETH_TYPE_IPV6: u16 = 0x86dd;
/// EtherType of MPLS.
pub const ETH_TYPE_MPLS: u16 = 0x8847;
/// EtherType of MPLS with an upstream-assigned label, once "multicast".
pub const ETH_TYPE_MPLS_MULTICAST: u16 = 0x8848;
/// EtherType of an 802.1ad service tag, the outer one of QinQ.
pub const ETH_TYPE_SERVICE_VLAN: u16 = 0x88a8;
/// EtherType of NSH.
pub const ETH_TYPE_NSH: u16 = 0x894f;

/// IP protocol number of ICMP.
pub const IP_PROTO_ICMP: u8 = 1;
/// IP protocol number of IGMP.
pub const IP_PROTO_IGMP: u8 = 2;
/// IP protocol number of TCP.
pub const IP_PROTO_TCP: u8 = 6;
/// IP protocol number of UDP.
pub const IP_PROTO_UDP: u8 = 17;
/// IP protocol number of ICMPv6.
pub const IP_PROTO_ICMPV6: u8 = 58;
/// IP protocol number of SCTP.
pub const IP_PROTO_SCTP: u8 = 132;

/// Type of an ICMPv6 router solicitation.
pub const ROUTER_SOLICITATION: u8 = 133;
/// Type of an ICMPv6 router advertisement.
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// Type of an ICMPv6 neighbor solicitation.
pub const NEIGHBOR_SOLICITATION: u8 = 135;
/// Type of an ICMPv6 neighbor advertisement.
pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// Type of an ICMPv6 redirect.
pub const REDIRECT: u8 = 137;
