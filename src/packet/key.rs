//! All fields of a packet that Open vSwitch matches on.
//!
//! Never an error: where a header is cut off or cannot be, its fields and those behind it are zero, and the
//! packet is what the headers in front of it say. That is how the switch classifies such a packet, so it is
//! how it must be told and traced.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::ethernet::{self, MAX_TAGS, is_vlan};
use super::{Arp, Fragment, Icmp, Icmpv6, Igmp, Ipv4, Ipv6, Label, LabelStack, Nsh, Payload, Sctp, Tcp, Udp, VlanTag};
use crate::openflow::MacAddr;
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::numbers::{
    ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, ETH_TYPE_MPLS, ETH_TYPE_MPLS_MULTICAST, ETH_TYPE_NSH, ETH_TYPE_RARP,
    IP_PROTO_ICMP, IP_PROTO_ICMPV6, IP_PROTO_IGMP, IP_PROTO_SCTP, IP_PROTO_TCP, IP_PROTO_UDP, NEIGHBOR_ADVERTISEMENT,
    NEIGHBOR_SOLICITATION,
};

/// Labels of a stack that are told apart.
pub const MAX_LABELS: usize = 3;

/// The fields of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Key<'a> {
    /// `packet_type`: name space in the upper 16 bits, type in the lower; 0: an Ethernet frame.
    pub packet_type: u32,
    /// `eth_dst`.
    pub eth_dst: MacAddr,
    /// `eth_src`.
    pub eth_src: MacAddr,
    /// `vlan_tci` of the outer tag and of the one within it; [`VLAN_PRESENT`] is set in those that are there.
    pub vlan_tci: [u16; MAX_TAGS],
    /// `eth_type`.
    pub eth_type: u16,
    /// What the frame holds.
    pub network: Network<'a>,
}

/// Fields above Ethernet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Network<'a> {
    /// A type without fields.
    #[default]
    Other,
    /// The outermost labels of a stack; zero behind its bottom.
    Mpls([Label; MAX_LABELS]),
    /// ARP or RARP, if it is for IPv4 over Ethernet.
    Arp(Option<Arp>),
    /// NSH.
    Nsh(Option<Nsh<'a>>),
    /// IPv4 or IPv6.
    Ip(Ip<'a>),
}

/// Addresses of an IP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Addresses {
    /// `ip_src`, `ip_dst`.
    V4(Ipv4Addr, Ipv4Addr),
    /// `ipv6_src`, `ipv6_dst`.
    V6(Ipv6Addr, Ipv6Addr),
}

/// Fields of an IP packet and of what it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ip<'a> {
    /// Its addresses.
    pub addresses: Addresses,
    /// `ipv6_label`.
    pub label: u32,
    /// `ip_dscp` and `nw_ecn`.
    pub tos: u8,
    /// `nw_ttl`.
    pub ttl: u8,
    /// `nw_proto`.
    pub proto: u8,
    /// `ip_frag`.
    pub fragment: Fragment,
    /// `tcp_src`, `udp_src`, `sctp_src`, or the type of an ICMP or IGMP message.
    pub tp_src: u16,
    /// `tcp_dst`, `udp_dst`, `sctp_dst`, or the code of an ICMP or IGMP message.
    pub tp_dst: u16,
    /// `tcp_flags`.
    pub tcp_flags: u16,
    /// `nd_target`, `nd_sll`, `nd_tll`.
    pub neighbor: Neighbor,
    /// What follows the IP header, where that could be read to its end.
    pub segment: Option<Payload<'a>>,
}

/// Fields of a neighbor solicitation or advertisement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbor {
    /// `nd_target`.
    pub target: Ipv6Addr,
    /// `nd_sll`.
    pub source: MacAddr,
    /// `nd_tll`.
    pub link_target: MacAddr,
}

impl Default for Neighbor {
    fn default() -> Self {
        Self { target: Ipv6Addr::UNSPECIFIED, source: MacAddr::default(), link_target: MacAddr::default() }
    }
}

impl<'a> Key<'a> {
    /// The fields of an Ethernet frame.
    pub fn of_frame(frame: &'a [u8]) -> Self {
        Self::of_packet(0, frame)
    }

    /// The fields of a packet of this `packet_type`.
    pub fn of_packet(packet_type: u32, packet: &'a [u8]) -> Self {
        let mut rest = Payload::new(packet);
        let mut key = Self { packet_type, ..Self::default() };
        if packet_type != 0 {
            key.eth_type = packet_type as u16;
        } else if key.ethernet(&mut rest).is_none() {
            return key;
        }
        key.network = Network::of(key.eth_type, rest);
        key
    }

    /// Takes the Ethernet header off. A tag that is cut off is no tag but a payload of its type.
    fn ethernet(&mut self, rest: &mut Payload<'a>) -> Option<()> {
        let (dst, src, mut eth_type) = ethernet::addresses(rest).ok()?;
        (self.eth_dst, self.eth_src) = (dst, src);
        for place in &mut self.vlan_tci {
            if !is_vlan(eth_type) {
                break;
            }
            let Ok((tag, next)) = VlanTag::decode(eth_type, rest) else { break };
            *place = tag.tci | VLAN_PRESENT;
            eth_type = next;
        }
        self.eth_type = ethernet::snap(eth_type, rest).unwrap_or(ethernet::ETH_TYPE_NONE);
        Some(())
    }
}

impl<'a> Network<'a> {
    fn of(eth_type: u16, rest: Payload<'a>) -> Self {
        match eth_type {
            ETH_TYPE_IPV4 => Self::Ip(Ip::of_ipv4(rest)),
            ETH_TYPE_IPV6 => Self::Ip(Ip::of_ipv6(rest)),
            ETH_TYPE_ARP | ETH_TYPE_RARP => Self::Arp(Arp::decode(rest).ok()),
            ETH_TYPE_NSH => Self::Nsh(Nsh::decode(rest).ok()),
            ETH_TYPE_MPLS | ETH_TYPE_MPLS_MULTICAST => {
                let mut labels = [Label::default(); MAX_LABELS];
                for (place, label) in labels.iter_mut().zip(LabelStack::new(rest).flatten()) {
                    *place = label;
                }
                Self::Mpls(labels)
            }
            _ => Self::Other,
        }
    }
}

impl<'a> Ip<'a> {
    /// A packet of which nothing but the addresses is known.
    fn with(addresses: Addresses) -> Self {
        Self {
            addresses,
            label: 0,
            tos: 0,
            ttl: 0,
            proto: 0,
            fragment: Fragment::No,
            tp_src: 0,
            tp_dst: 0,
            tcp_flags: 0,
            neighbor: Neighbor::default(),
            segment: None,
        }
    }

    fn of_ipv4(packet: Payload<'a>) -> Self {
        let Ok(header) = Ipv4::decode(packet) else {
            return Self::with(Addresses::V4(Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED));
        };
        let (tos, ttl, proto, fragment) = (header.tos, header.ttl, header.proto, header.fragment());
        Self { tos, ttl, proto, fragment, ..Self::with(Addresses::V4(header.src, header.dst)) }.carrying(header.payload)
    }

    fn of_ipv6(packet: Payload<'a>) -> Self {
        let Ok(header) = Ipv6::decode(packet) else {
            return Self::with(Addresses::V6(Ipv6Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED));
        };
        let plain = Self::with(Addresses::V6(header.src, header.dst));
        let Ok(upper) = header.upper_layer() else { return plain };
        let (label, tos, ttl) = (header.label, header.tos, header.hop_limit);
        Self { label, tos, ttl, proto: upper.proto, fragment: upper.fragment, ..plain }.carrying(upper.payload)
    }

    /// Adds what can be read of the segment, which a later fragment does not begin with.
    fn carrying(mut self, segment: Payload<'a>) -> Self {
        self.segment = Some(segment);
        if self.fragment == Fragment::Later {
            return self;
        }
        let ports = match self.proto {
            IP_PROTO_TCP => Tcp::decode(segment).map(|tcp| {
                self.tcp_flags = tcp.flags;
                (tcp.src, tcp.dst)
            }),
            IP_PROTO_UDP => Udp::decode(segment).map(|udp| (udp.src, udp.dst)),
            IP_PROTO_SCTP => Sctp::decode(segment).map(|sctp| (sctp.src, sctp.dst)),
            IP_PROTO_ICMP => Icmp::decode(segment).map(|icmp| (icmp.icmp_type.into(), icmp.code.into())),
            IP_PROTO_IGMP => Igmp::decode(segment).map(|igmp| (igmp.igmp_type.into(), igmp.code.into())),
            IP_PROTO_ICMPV6 => Icmpv6::decode(segment).map(|icmp| {
                self.neighbor = Neighbor::of(&icmp).unwrap_or_default();
                (icmp.icmp_type.into(), icmp.code.into())
            }),
            _ => return self,
        };
        (self.tp_src, self.tp_dst) = ports.unwrap_or_default();
        self
    }

    /// True for a neighbor solicitation or advertisement.
    pub const fn is_neighbor_discovery(&self) -> bool {
        matches!(self.addresses, Addresses::V6(..))
            && self.proto == IP_PROTO_ICMPV6
            && (self.tp_src == NEIGHBOR_SOLICITATION as u16 || self.tp_src == NEIGHBOR_ADVERTISEMENT as u16)
            && self.tp_dst == 0
    }

    /// The checksum of the segment as it stands, where the bytes of its header are there, whatever they say:
    /// in a later fragment they are not a header.
    pub fn checksum(&self) -> Option<u32> {
        let mut segment = self.segment?;
        let bytes = match self.proto {
            IP_PROTO_TCP => segment.array::<20>("tcp").map(|[.., a, b, _, _]| [0, 0, a, b]),
            IP_PROTO_UDP => segment.array::<8>("udp").map(|[.., a, b]| [0, 0, a, b]),
            IP_PROTO_SCTP => segment.array::<12>("sctp").map(|[.., a, b, c, d]| [a, b, c, d]),
            IP_PROTO_ICMP => segment.array::<8>("icmp").map(|[_, _, a, b, ..]| [0, 0, a, b]),
            IP_PROTO_ICMPV6 => segment.array::<4>("icmpv6").map(|[_, _, a, b]| [0, 0, a, b]),
            _ => return None,
        };
        bytes.ok().map(u32::from_be_bytes)
    }
}

impl Neighbor {
    /// `None` where a link-layer address is said twice: Open vSwitch believes nothing of such a message.
    fn of(message: &Icmpv6<'_>) -> Option<Self> {
        let discovery = message.neighbor_discovery().ok()??;
        let mut neighbor = Self { target: discovery.target, ..Self::default() };
        for option in discovery.options.map_while(Result::ok) {
            let Some(mac) = option.mac() else { continue };
            let place = match option.option_type {
                super::NdOption::SOURCE_LINK_ADDRESS => &mut neighbor.source,
                _ => &mut neighbor.link_target,
            };
            if !place.is_zero() {
                return None;
            }
            *place = mac;
        }
        Some(neighbor)
    }
}
