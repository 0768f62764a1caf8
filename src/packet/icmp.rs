//! ICMP (RFC 792) and IGMP (RFC 2236, RFC 3376).

use std::net::Ipv4Addr;

use super::{PacketError, Payload};

/// An ICMP message: type, code, checksum (2 bytes), and 4 bytes that the type explains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Icmp<'a> {
    /// What it is.
    pub icmp_type: u8,
    /// Which of that.
    pub code: u8,
    /// Checksum, not verified.
    pub checksum: u16,
    /// Identifier and sequence number of an echo, gateway of a redirect, …
    pub rest_of_header: [u8; 4],
    /// What follows.
    pub payload: Payload<'a>,
}

impl<'a> Icmp<'a> {
    /// Reads a message. Errors: a header that is cut off.
    pub fn decode(mut message: Payload<'a>) -> Result<Self, PacketError> {
        let [icmp_type, code, c0, c1, a, b, c, d] = message.array("icmp")?;
        let checksum = u16::from_be_bytes([c0, c1]);
        Ok(Self { icmp_type, code, checksum, rest_of_header: [a, b, c, d], payload: message })
    }
}

/// An IGMP message: type, maximum response time, checksum (2 bytes), group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Igmp<'a> {
    /// What it is.
    pub igmp_type: u8,
    /// Maximum response time; Open vSwitch matches on it as a code.
    pub code: u8,
    /// Checksum, not verified.
    pub checksum: u16,
    /// The group, in version 2.
    pub group: Ipv4Addr,
    /// What follows.
    pub payload: Payload<'a>,
}

impl<'a> Igmp<'a> {
    /// Reads a message. Errors: a header that is cut off.
    pub fn decode(mut message: Payload<'a>) -> Result<Self, PacketError> {
        let [igmp_type, code, c0, c1, a, b, c, d] = message.array("igmp")?;
        let checksum = u16::from_be_bytes([c0, c1]);
        Ok(Self { igmp_type, code, checksum, group: Ipv4Addr::new(a, b, c, d), payload: message })
    }
}
