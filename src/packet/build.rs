//! Headers in front of what they carry: frames for a PACKET_OUT.
//!
//! Everything appends to a [`Writer`] and allocates nothing of its own. What is carried is written by a closure;
//! lengths and checksums are filled in behind it. Where that fails, nothing was appended.
//!
//! ```
//! use heddle::openflow::{MacAddr, Writer};
//! use heddle::packet::build::{Frame, Ipv4Header, Ports};
//!
//! let mut writer = Writer::new();
//! let frame = Frame { dst: MacAddr::BROADCAST, src: MacAddr::default(), tags: [None, None] };
//! let ip = Ipv4Header { src: [10, 0, 0, 1].into(), dst: [255; 4].into(), ttl: 64 };
//! frame.ipv4(&mut writer);
//! ip.udp(Ports { src: 67, dst: 68 }, &mut writer, |writer| {
//!     writer.bytes(b"what is said");
//!     Ok(())
//! })?;
//! # Ok::<(), heddle::openflow::EncodeError>(())
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use super::checksum::Checksum;
use super::ethernet::MAX_TAGS;
use super::ipv4::HEADER_LEN;
use super::{Arp, VlanTag};
use crate::openflow::numbers::{ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, IP_PROTO_ICMPV6, IP_PROTO_UDP};
use crate::openflow::{EncodeError, MacAddr, Writer};

/// Do not fragment: with it, the identification may be anything (RFC 6864 §4.1), so it is 0.
const DO_NOT_FRAGMENT: u16 = 0x4000;

/// An Ethernet header without the type: who tells whom, in which VLAN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// To whom.
    pub dst: MacAddr,
    /// From whom.
    pub src: MacAddr,
    /// The outer tag, the one within it.
    pub tags: [Option<VlanTag>; MAX_TAGS],
}

impl Frame {
    /// Appends the header, for a payload of this type.
    #[inline]
    pub fn encode(&self, eth_type: u16, writer: &mut Writer) {
        writer.bytes(&self.dst.0);
        writer.bytes(&self.src.0);
        for tag in self.tags.iter().flatten() {
            writer.u16(tag.tpid);
            writer.u16(tag.tci);
        }
        writer.u16(eth_type);
    }

    /// Appends the header and an ARP packet.
    #[inline]
    pub fn arp(&self, packet: &Arp, writer: &mut Writer) {
        self.encode(ETH_TYPE_ARP, writer);
        packet.encode(writer);
    }

    /// Appends the header of a frame that carries IPv4.
    #[inline]
    pub fn ipv4(&self, writer: &mut Writer) {
        self.encode(ETH_TYPE_IPV4, writer);
    }

    /// Appends the header of a frame that carries IPv6.
    #[inline]
    pub fn ipv6(&self, writer: &mut Writer) {
        self.encode(ETH_TYPE_IPV6, writer);
    }
}

/// The ports of a UDP datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ports {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
}

impl Ports {
    /// Appends the header (RFC 768) and what `body` writes, and fills in its length and then its checksum: `pseudo`
    /// makes the sum of the pseudo header out of the length.
    #[inline]
    fn encode(
        self,
        writer: &mut Writer,
        pseudo: impl FnOnce(u16) -> Checksum,
        body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mark = writer.begin();
        let ([s0, s1], [d0, d1]) = (self.src.to_be_bytes(), self.dst.to_be_bytes());
        writer.bytes(&[s0, s1, d0, d1, 0, 0, 0, 0]);
        body(writer)?;
        let length = writer.length(mark, "udp")?;
        writer.fill_u16(mark, 4, length);
        let checksum = match pseudo(length).with(writer.since(mark)).finish() {
            // 0 on the wire would say that there is none.
            0 => 0xffff,
            checksum => checksum,
        };
        writer.fill_u16(mark, 6, checksum);
        Ok(())
    }
}

/// What an answer says in its IPv4 header; the rest is as in every one that is no fragment and has no options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Header {
    /// From whom.
    pub src: Ipv4Addr,
    /// To whom.
    pub dst: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
}

impl Ipv4Header {
    /// Appends the packet: a UDP datagram that carries what `body` writes. Errors: more than 65,535 bytes.
    #[inline]
    pub fn udp(
        &self,
        ports: Ports,
        writer: &mut Writer,
        body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let pseudo = |length| Checksum::of_ipv4(self.src, self.dst, IP_PROTO_UDP, length);
        self.packet(IP_PROTO_UDP, writer, |writer| ports.encode(writer, pseudo, body))
    }

    #[inline]
    fn packet(
        &self,
        proto: u8,
        writer: &mut Writer,
        segment: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mark = writer.begin();
        let [flags, offset] = DO_NOT_FRAGMENT.to_be_bytes();
        writer.bytes(&[0x45, 0, 0, 0, 0, 0, flags, offset, self.ttl, proto, 0, 0]);
        writer.bytes(&self.src.octets());
        writer.bytes(&self.dst.octets());
        segment(writer).and_then(|()| writer.end(mark, 2, "ipv4")).inspect_err(|_| writer.undo(mark))?;
        let header = writer.since(mark).get(..HEADER_LEN).unwrap_or_default();
        writer.fill_u16(mark, 10, Checksum::new().with(header).finish());
        Ok(())
    }
}

/// What an answer says in its IPv6 header; traffic class and flow label are 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Header {
    /// From whom.
    pub src: Ipv6Addr,
    /// To whom.
    pub dst: Ipv6Addr,
    /// Hop limit; 255 for neighbor discovery (RFC 4861 §4).
    pub hop_limit: u8,
}

impl Ipv6Header {
    /// Appends the packet: a UDP datagram that carries what `body` writes. Errors: more than 65,535 bytes.
    #[inline]
    pub fn udp(
        &self,
        ports: Ports,
        writer: &mut Writer,
        body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let pseudo = |length| Checksum::of_ipv6(self.src, self.dst, IP_PROTO_UDP, length);
        self.packet(IP_PROTO_UDP, writer, |writer| ports.encode(writer, pseudo, body))
    }

    /// Appends the packet: an ICMPv6 message, which `message` writes from its type on, with 0 for the checksum.
    /// Errors: more than 65,535 bytes.
    #[inline]
    pub fn icmpv6(
        &self,
        writer: &mut Writer,
        message: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.packet(IP_PROTO_ICMPV6, writer, |writer| {
            let mark = writer.begin();
            message(writer)?;
            let pseudo = Checksum::of_ipv6(self.src, self.dst, IP_PROTO_ICMPV6, writer.length(mark, "icmpv6")?);
            writer.fill_u16(mark, 2, pseudo.with(writer.since(mark)).finish());
            Ok(())
        })
    }

    #[inline]
    fn packet(
        &self,
        next_header: u8,
        writer: &mut Writer,
        segment: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.bytes(&[0x60, 0, 0, 0, 0, 0, next_header, self.hop_limit]);
        writer.bytes(&self.src.octets());
        writer.bytes(&self.dst.octets());
        let body = writer.begin();
        let length = segment(writer).and_then(|()| writer.length(body, "ipv6")).inspect_err(|_| writer.undo(mark))?;
        writer.fill_u16(mark, 4, length);
        Ok(())
    }
}
