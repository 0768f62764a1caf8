//! What a PACKET_IN asks: its port, its frame as far as every responder needs it, and whose business it is.

use std::net::IpAddr;

use super::Role;
use super::limits::Source;
use crate::openflow::numbers::{
    ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, ETH_TYPE_VLAN, IP_PROTO_ICMPV6, IP_PROTO_UDP, NEIGHBOR_SOLICITATION,
    ROUTER_SOLICITATION,
};
use crate::openflow::packet::PacketIn;
use crate::openflow::{MacAddr, PortNo};
use crate::packet::ethernet::MAX_TAGS;
use crate::packet::{
    ArpFrame, ArpPacket, Ethernet, Fragment, Icmpv6, Ipv4, Ipv6, PacketError, Payload, Udp, VlanTag, dhcpv4, dhcpv6,
};

/// Whose business a packet is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Topic {
    /// ARP.
    Arp,
    /// Neighbor solicitations.
    Nd,
    /// What a DHCPv4 client sends.
    Dhcpv4,
    /// What a DHCPv6 client sends.
    Dhcpv6,
    /// Router solicitations.
    RouterSolicitation,
    /// What the firewall tells of a packet, whatever it is.
    SecurityLog,
    /// Anything on a learning bridge.
    Learning,
    /// Nobody's.
    Other,
}

impl Topic {
    /// Every topic, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::Arp,
        Self::Nd,
        Self::Dhcpv4,
        Self::Dhcpv6,
        Self::RouterSolicitation,
        Self::SecurityLog,
        Self::Learning,
        Self::Other,
    ];

    /// As metrics and `heddle punts` name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arp => "arp",
            Self::Nd => "nd",
            Self::Dhcpv4 => "dhcpv4",
            Self::Dhcpv6 => "dhcpv6",
            Self::RouterSolicitation => "router_solicitation",
            Self::SecurityLog => "security_log",
            Self::Learning => "learning",
            Self::Other => "other",
        }
    }
}

/// The layer above Ethernet, decoded as far as the topic needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// ARP for IPv4 over Ethernet.
    Arp(ArpPacket<'a>),
    /// UDP over IPv4, no fragment; what it carries is its [`body`](Udp::body).
    Udp4(Ipv4<'a>, Udp<'a>),
    /// UDP over IPv6, likewise.
    Udp6(Ipv6<'a>, Udp<'a>),
    /// A whole ICMPv6 message.
    Icmpv6(Ipv6<'a>, Icmpv6<'a>),
    /// Nothing that anybody answers, a fragment among others.
    Other,
}

impl<'a> Body<'a> {
    #[inline]
    fn of(ethernet: &Ethernet<'a>) -> Result<Self, PacketError> {
        match ethernet.eth_type {
            ETH_TYPE_ARP => ArpPacket::decode(ethernet.payload).map(Self::Arp),
            ETH_TYPE_IPV4 => ipv4(ethernet.payload),
            ETH_TYPE_IPV6 => ipv6(ethernet.payload),
            _ => Ok(Self::Other),
        }
    }
}

/// A packet that came up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Query<'a> {
    /// The port that it came in through.
    pub in_port: PortNo,
    /// On which bridge.
    pub role: Role,
    /// Whose business it is.
    pub topic: Topic,
    /// The MAC address that it comes from.
    pub src: MacAddr,
    /// Its tags. The one on `br-tun` is the local VLAN.
    pub tags: [Option<VlanTag>; MAX_TAGS],
    /// What is in it.
    pub body: Body<'a>,
    /// All of it.
    pub frame: &'a [u8],
}

impl<'a> Query<'a> {
    /// Reads as much of the frame as tells whose business it is. Errors: a header that is cut off or cannot be one.
    #[inline]
    pub fn of(packet_in: &PacketIn<'a>, role: Role) -> Result<Self, PacketError> {
        let frame = packet_in.data;
        let (src, tags, body) = match ArpFrame::of(frame) {
            Some(arp) => (arp.src(), [arp.tag, None], Body::Arp(arp.packet)),
            None => {
                let ethernet = Ethernet::decode(Payload::new(frame))?;
                (ethernet.src, ethernet.tags, Body::of(&ethernet)?)
            }
        };
        let in_port = super::in_port(packet_in);
        Ok(Self { in_port, role, topic: topic(&body), src, tags, body, frame })
    }

    /// Who is to be held to a limit.
    pub(super) const fn source(&self) -> Source {
        match self.role {
            // All local ports share one patch port: their addresses tell them apart.
            Role::Tunnel => Source::Address(self.src, self.vid()),
            Role::Silent | Role::Integration => Source::Port(self.in_port),
        }
    }

    /// The VLAN id of the outer tag; 0 without one.
    pub const fn vid(&self) -> u16 {
        match self.tags {
            [Some(tag), ..] => tag.vid(),
            _ => 0,
        }
    }
}

/// The VLAN of a tagged frame, and the address that it asks for: where ARP and neighbor discovery have it in nearly all
/// frames. A guess, for reading it twice would cost more than it is worth.
#[inline]
pub(super) fn likely_target(frame: &[u8]) -> Option<(u16, IpAddr)> {
    let tag = VlanTag { tpid: read_u16(frame, 12)?, tci: read_u16(frame, 14)? };
    let target = match read_u16(frame, 16)? {
        ETH_TYPE_ARP => IpAddr::from(*frame.get(42..)?.first_chunk::<4>()?),
        ETH_TYPE_IPV6 => IpAddr::from(*frame.get(66..)?.first_chunk::<16>()?),
        _ => return None,
    };
    (tag.tpid == ETH_TYPE_VLAN).then_some((tag.vid(), target))
}

#[inline]
fn read_u16(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?))
}

fn ipv4(packet: Payload<'_>) -> Result<Body<'_>, PacketError> {
    let ip = Ipv4::decode(packet)?;
    if ip.proto != IP_PROTO_UDP || ip.fragment() != Fragment::No {
        return Ok(Body::Other);
    }
    Ok(Body::Udp4(ip, Udp::decode(ip.payload)?))
}

fn ipv6(packet: Payload<'_>) -> Result<Body<'_>, PacketError> {
    let ip = Ipv6::decode(packet)?;
    let upper = ip.upper_layer()?;
    Ok(match upper.proto {
        _ if upper.fragment != Fragment::No => Body::Other,
        IP_PROTO_UDP => Body::Udp6(ip, Udp::decode(upper.payload)?),
        IP_PROTO_ICMPV6 => Body::Icmpv6(ip, Icmpv6::decode(upper.payload)?),
        _ => Body::Other,
    })
}

const fn topic(body: &Body<'_>) -> Topic {
    match body {
        Body::Arp(_) => Topic::Arp,
        Body::Udp4(_, udp) if udp.dst == dhcpv4::SERVER_PORT => Topic::Dhcpv4,
        Body::Udp6(_, udp) if udp.dst == dhcpv6::SERVER_PORT => Topic::Dhcpv6,
        Body::Icmpv6(_, icmp) if icmp.icmp_type == NEIGHBOR_SOLICITATION => Topic::Nd,
        Body::Icmpv6(_, icmp) if icmp.icmp_type == ROUTER_SOLICITATION => Topic::RouterSolicitation,
        _ => Topic::Other,
    }
}
