//! ICMPv6 (RFC 4443) and neighbor discovery (RFC 4861).

use std::net::Ipv6Addr;

use super::{PacketError, Payload};
use crate::openflow::MacAddr;
use crate::openflow::numbers::{NEIGHBOR_ADVERTISEMENT, NEIGHBOR_SOLICITATION};

/// An ICMPv6 message: type, code, checksum (2 bytes), and 4 bytes that the type explains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Icmpv6<'a> {
    /// What it is.
    pub icmp_type: u8,
    /// Which of that.
    pub code: u8,
    /// Checksum, not verified.
    pub checksum: u16,
    /// Flags of an advertisement, identifier and sequence number of an echo, …
    pub rest_of_header: [u8; 4],
    /// What follows.
    pub payload: Payload<'a>,
}

impl<'a> Icmpv6<'a> {
    /// Reads a message. Errors: a header that is cut off.
    pub fn decode(mut message: Payload<'a>) -> Result<Self, PacketError> {
        let [icmp_type, code, c0, c1, a, b, c, d] = message.array("icmpv6")?;
        let checksum = u16::from_be_bytes([c0, c1]);
        Ok(Self { icmp_type, code, checksum, rest_of_header: [a, b, c, d], payload: message })
    }

    /// True for a neighbor solicitation or advertisement.
    pub const fn is_neighbor_discovery(&self) -> bool {
        matches!(self.icmp_type, NEIGHBOR_SOLICITATION | NEIGHBOR_ADVERTISEMENT) && self.code == 0
    }

    /// What a neighbor solicitation or advertisement says; `None` for another message. Errors: a target that
    /// is cut off.
    pub fn neighbor_discovery(&self) -> Result<Option<NeighborDiscovery<'a>>, PacketError> {
        if !self.is_neighbor_discovery() {
            return Ok(None);
        }
        let mut rest = self.payload;
        let target = Ipv6Addr::from(rest.array::<16>("nd.target")?);
        let flags = u32::from_be_bytes(self.rest_of_header);
        Ok(Some(NeighborDiscovery { flags, target, options: NdOptions(rest) }))
    }
}

/// A neighbor solicitation (RFC 4861 §4.3) or advertisement (§4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeighborDiscovery<'a> {
    /// Router, solicited and override in the upper three bits of an advertisement; the rest is reserved.
    pub flags: u32,
    /// Who is asked for or speaks.
    pub target: Ipv6Addr,
    /// The options.
    pub options: NdOptions<'a>,
}

impl NeighborDiscovery<'_> {
    /// Flag of an advertisement: it comes from a router.
    pub const ROUTER: u32 = 1 << 31;
    /// Flag of an advertisement: it answers a solicitation.
    pub const SOLICITED: u32 = 1 << 30;
    /// Flag of an advertisement: what is cached is to be replaced.
    pub const OVERRIDE: u32 = 1 << 29;
}

/// One option (RFC 4861 §4.6): type, length in 8 bytes, and what that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NdOption<'a> {
    /// [`SOURCE_LINK_ADDRESS`](Self::SOURCE_LINK_ADDRESS), [`TARGET_LINK_ADDRESS`](Self::TARGET_LINK_ADDRESS)
    /// or another.
    pub option_type: u8,
    /// What stands behind type and length.
    pub data: &'a [u8],
}

impl NdOption<'_> {
    /// Type of the source link-layer address.
    pub const SOURCE_LINK_ADDRESS: u8 = 1;
    /// Type of the target link-layer address.
    pub const TARGET_LINK_ADDRESS: u8 = 2;

    /// The Ethernet address of an option that holds one.
    pub fn mac(&self) -> Option<MacAddr> {
        let holds_one = matches!(self.option_type, Self::SOURCE_LINK_ADDRESS | Self::TARGET_LINK_ADDRESS);
        <[u8; 6]>::try_from(self.data).ok().filter(|_| holds_one).map(MacAddr)
    }
}

/// The options of a message, one after the other. After an error there are no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NdOptions<'a>(Payload<'a>);

impl<'a> NdOptions<'a> {
    fn decode_next(&mut self) -> Result<NdOption<'a>, PacketError> {
        let at = self.0;
        let [option_type, length] = { self.0 }.array("nd_option")?;
        if length == 0 {
            return Err(at.invalid("nd_option.length", 0, "1 at the least"));
        }
        let mut option = self.0.take(usize::from(length) * 8, "nd_option")?;
        option.take(2, "nd_option")?;
        Ok(NdOption { option_type, data: option.bytes() })
    }
}

impl<'a> Iterator for NdOptions<'a> {
    type Item = Result<NdOption<'a>, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let option = self.decode_next();
        if option.is_err() {
            self.0 = Payload::default();
        }
        Some(option)
    }
}
