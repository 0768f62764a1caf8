//! What a log line says of a packet, read from as much of it as came up.

use std::net::{IpAddr, Ipv4Addr};

use crate::openflow::MacAddr;
use crate::openflow::numbers::{
    ETH_TYPE_IPV4, ETH_TYPE_IPV6, IP_PROTO_ICMP, IP_PROTO_ICMPV6, IP_PROTO_SCTP, IP_PROTO_TCP, IP_PROTO_UDP,
};
use crate::openflow::packet::PacketIn;
use crate::packet::key::{Addresses, Ip, Key, Network};
use crate::packet::{Arp, Ethernet, Fragment, Payload};
use crate::topology::{self, Ethertype};

/// Bytes of a packet that are looked at where not all of it came up.
const EXCERPT: usize = 256;
/// Bytes of the header of IPv6, which its payload length does not count.
const IPV6_HEADER_LEN: usize = 40;

/// Headers of a packet. What could not be read is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Headers {
    /// From which Ethernet address.
    pub eth_src: MacAddr,
    /// To which.
    pub eth_dst: MacAddr,
    /// What the frame holds.
    pub eth_type: u16,
    /// Of IP, from where to where; of ARP, who asks for whom.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// The protocol within IP.
    pub protocol: Option<u8>,
    /// Which part of its datagram it is.
    pub fragment: Fragment,
    /// What the protocol says.
    pub transport: Transport,
    /// Bytes of the whole frame.
    pub length: u16,
}

/// What stands in the header behind IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// From and to which port of UDP or SCTP.
    Ports(u16, u16),
    /// The same of TCP, and its flags.
    Tcp(u16, u16, u16),
    /// Type and code of ICMP or ICMPv6.
    Icmp(u8, u8),
    /// Nothing that a line tells.
    Other,
}

impl Headers {
    /// What rules look at beyond addresses; `None` if it is none of IP.
    pub(super) fn payload(&self) -> Option<topology::Payload> {
        let (protocol, (src, _)) = (self.protocol?, self.addresses?);
        Some(match self.transport {
            Transport::Ports(source, destination) | Transport::Tcp(source, destination, _) => {
                topology::Payload::Ports { protocol, source, destination }
            }
            Transport::Icmp(icmp_type, icmp_code) if protocol == Ethertype::of(src.into()).icmp() => {
                topology::Payload::Icmp { icmp_type, icmp_code }
            }
            Transport::Icmp(..) | Transport::Other => topology::Payload::Protocol(protocol),
        })
    }

    /// Of a packet that came up, whole or in part.
    pub(super) fn of(packet_in: &PacketIn<'_>) -> Self {
        let frame = packet_in.data;
        if frame.len() >= packet_in.total_len.into() {
            return Self::of_key(&Key::of_frame(frame), packet_in.total_len);
        }
        let mut copy = [0; EXCERPT];
        let excerpt = fill(&mut copy, frame);
        end_here(excerpt);
        Self::of_key(&Key::of_frame(excerpt), packet_in.total_len)
    }

    fn of_key(key: &Key<'_>, length: u16) -> Self {
        let ethernet = Self {
            eth_src: key.eth_src,
            eth_dst: key.eth_dst,
            eth_type: key.eth_type,
            addresses: None,
            protocol: None,
            fragment: Fragment::No,
            transport: Transport::Other,
            length,
        };
        match &key.network {
            Network::Ip(ip) => ethernet.with_ip(ip),
            Network::Arp(Some(arp)) => ethernet.with_arp(arp),
            _ => ethernet,
        }
    }

    fn with_ip(self, ip: &Ip<'_>) -> Self {
        let addresses = match ip.addresses {
            Addresses::V4(src, dst) => (src.into(), dst.into()),
            Addresses::V6(src, dst) => (src.into(), dst.into()),
        };
        let (src, dst) = (ip.tp_src, ip.tp_dst);
        let transport = match ip.proto {
            _ if ip.fragment == Fragment::Later => Transport::Other,
            IP_PROTO_TCP => Transport::Tcp(src, dst, ip.tcp_flags),
            IP_PROTO_UDP | IP_PROTO_SCTP => Transport::Ports(src, dst),
            IP_PROTO_ICMP | IP_PROTO_ICMPV6 => Transport::Icmp(src as u8, dst as u8),
            _ => Transport::Other,
        };
        Self { addresses: Some(addresses), protocol: Some(ip.proto), fragment: ip.fragment, transport, ..self }
    }

    fn with_arp(self, arp: &Arp) -> Self {
        let address = |address: Ipv4Addr| IpAddr::V4(address);
        Self { addresses: Some((address(arp.spa), address(arp.tpa))), ..self }
    }
}

/// As much of `frame` as there is room for.
fn fill<'a>(room: &'a mut [u8; EXCERPT], frame: &[u8]) -> &'a mut [u8] {
    let length = frame.len().min(EXCERPT);
    for (place, byte) in room.iter_mut().zip(frame) {
        *place = *byte;
    }
    room.get_mut(..length).unwrap_or_default()
}

/// Makes the IP header of an excerpt say that the packet ends with it: the readers of headers take no packet that goes
/// on behind the end of its frame.
fn end_here(excerpt: &mut [u8]) {
    let Ok(ethernet) = Ethernet::decode(Payload::new(excerpt)) else { return };
    let (begin, length) = (ethernet.payload.offset(), ethernet.payload.len());
    let (place, length) = match ethernet.eth_type {
        ETH_TYPE_IPV4 => (begin + 2, length),
        ETH_TYPE_IPV6 => (begin + 4, length.saturating_sub(IPV6_HEADER_LEN)),
        _ => return,
    };
    if let Some(field) = excerpt.get_mut(place..place + 2) {
        field.copy_from_slice(&(length as u16).to_be_bytes());
    }
}
