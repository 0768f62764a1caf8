//! Neighbor discovery (RFC 4861), and what router advertisements say of names (RFC 8106).

use std::net::Ipv6Addr;

use super::{DomainNames, Icmpv6, PacketError, Payload};
use crate::openflow::MacAddr;
use crate::openflow::numbers::{
    NEIGHBOR_ADVERTISEMENT, NEIGHBOR_SOLICITATION, REDIRECT, ROUTER_ADVERTISEMENT, ROUTER_SOLICITATION,
};

impl<'a> Icmpv6<'a> {
    /// True for a neighbor solicitation or advertisement.
    pub const fn is_neighbor_discovery(&self) -> bool {
        matches!(self.icmp_type, NEIGHBOR_SOLICITATION | NEIGHBOR_ADVERTISEMENT) && self.code == 0
    }

    /// What a neighbor solicitation or advertisement says; `None` for another message. Errors: a target that
    /// is cut off.
    #[inline]
    pub fn neighbor_discovery(&self) -> Result<Option<NeighborDiscovery<'a>>, PacketError> {
        if !self.is_neighbor_discovery() {
            return Ok(None);
        }
        let mut rest = self.payload;
        let target = Ipv6Addr::from(rest.array::<16>("nd.target")?);
        let flags = u32::from_be_bytes(self.rest_of_header);
        Ok(Some(NeighborDiscovery { flags, target, options: NdOptions(rest) }))
    }

    /// The options of a router solicitation (RFC 4861 §4.1), which says nothing else; `None` for another message.
    #[inline]
    pub const fn router_solicitation(&self) -> Option<NdOptions<'a>> {
        if self.is(ROUTER_SOLICITATION) { Some(NdOptions(self.payload)) } else { None }
    }

    /// What a router advertisement says; `None` for another message. Errors: cut off.
    pub fn router_advertisement(&self) -> Result<Option<RouterAdvertisement<'a>>, PacketError> {
        if !self.is(ROUTER_ADVERTISEMENT) {
            return Ok(None);
        }
        let mut rest = self.payload;
        let [hop_limit, flags, l0, l1] = self.rest_of_header;
        let [a, b, c, d, e, f, g, h] = rest.array("router_advertisement")?;
        Ok(Some(RouterAdvertisement {
            hop_limit,
            flags,
            router_lifetime: u16::from_be_bytes([l0, l1]),
            reachable_time: u32::from_be_bytes([a, b, c, d]),
            retrans_timer: u32::from_be_bytes([e, f, g, h]),
            options: NdOptions(rest),
        }))
    }

    /// What a redirect says; `None` for another message. Errors: cut off.
    pub fn redirect(&self) -> Result<Option<Redirect<'a>>, PacketError> {
        if !self.is(REDIRECT) {
            return Ok(None);
        }
        let mut rest = self.payload;
        Ok(Some(Redirect {
            target: Ipv6Addr::from(rest.array::<16>("redirect.target")?),
            destination: Ipv6Addr::from(rest.array::<16>("redirect.destination")?),
            options: NdOptions(rest),
        }))
    }

    const fn is(&self, icmp_type: u8) -> bool {
        self.icmp_type == icmp_type && self.code == 0
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
    /// R, of an advertisement: it comes from a router.
    pub const ROUTER: u32 = 1 << 31;
    /// S, of an advertisement: it answers a solicitation.
    pub const SOLICITED: u32 = 1 << 30;
    /// O, of an advertisement: what is cached is to be replaced.
    pub const OVERRIDE: u32 = 1 << 29;
}

/// A router advertisement (RFC 4861 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouterAdvertisement<'a> {
    /// Hop limit for those that send through the router; 0: no opinion.
    pub hop_limit: u8,
    /// [`MANAGED`](Self::MANAGED), [`OTHER`](Self::OTHER) and others.
    pub flags: u8,
    /// For how many seconds it is a default router; 0: it is none.
    pub router_lifetime: u16,
    /// For how many milliseconds a neighbor is taken to be reachable; 0: no opinion.
    pub reachable_time: u32,
    /// Milliseconds between two solicitations; 0: no opinion.
    pub retrans_timer: u32,
    /// The options.
    pub options: NdOptions<'a>,
}

impl RouterAdvertisement<'_> {
    /// M: addresses come from DHCPv6.
    pub const MANAGED: u8 = 0x80;
    /// O: the rest comes from DHCPv6.
    pub const OTHER: u8 = 0x40;
}

/// A redirect (RFC 4861 §4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Redirect<'a> {
    /// The better first hop.
    pub target: Ipv6Addr,
    /// On the way to whom.
    pub destination: Ipv6Addr,
    /// The options.
    pub options: NdOptions<'a>,
}

/// One option (RFC 4861 §4.6): type, length in 8 bytes, and what that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NdOption<'a> {
    /// [`SOURCE_LINK_ADDRESS`](Self::SOURCE_LINK_ADDRESS) or another.
    pub option_type: u8,
    /// What stands behind type and length.
    pub data: Payload<'a>,
}

impl<'a> NdOption<'a> {
    /// Type of the source link-layer address.
    pub const SOURCE_LINK_ADDRESS: u8 = 1;
    /// Type of the target link-layer address.
    pub const TARGET_LINK_ADDRESS: u8 = 2;
    /// Type of a prefix.
    pub const PREFIX_INFORMATION: u8 = 3;
    /// Type of the packet that led to a redirect.
    pub const REDIRECTED_HEADER: u8 = 4;
    /// Type of the MTU.
    pub const MTU: u8 = 5;
    /// Type of the name servers.
    pub const RDNSS: u8 = 25;
    /// Type of the domains in which names are looked up.
    pub const DNSSL: u8 = 31;

    /// The Ethernet address of an option that holds one.
    #[inline]
    pub fn mac(&self) -> Option<MacAddr> {
        let holds_one = matches!(self.option_type, Self::SOURCE_LINK_ADDRESS | Self::TARGET_LINK_ADDRESS);
        <[u8; 6]>::try_from(self.data.bytes()).ok().filter(|_| holds_one).map(MacAddr)
    }

    /// What the option says. Errors: an option that is too short or too long for its type.
    pub fn value(&self) -> Result<NdValue<'a>, PacketError> {
        Ok(match self.option_type {
            Self::SOURCE_LINK_ADDRESS => NdValue::SourceLinkAddress(MacAddr(self.exactly("1 (an Ethernet address)")?)),
            Self::TARGET_LINK_ADDRESS => NdValue::TargetLinkAddress(MacAddr(self.exactly("1 (an Ethernet address)")?)),
            Self::PREFIX_INFORMATION => NdValue::Prefix(PrefixInformation::decode(self.exactly("4")?)),
            Self::MTU => {
                let [_, _, a, b, c, d] = self.exactly("1")?;
                NdValue::Mtu(u32::from_be_bytes([a, b, c, d]))
            }
            Self::RDNSS => {
                let (lifetime, rest) = self.lifetime()?;
                let (servers, []) = rest.bytes().as_chunks::<16>() else {
                    return Err(self.wrong_length("an odd number"));
                };
                NdValue::Rdnss { lifetime, servers: Ipv6Addrs(servers) }
            }
            Self::DNSSL => {
                let (lifetime, rest) = self.lifetime()?;
                NdValue::Dnssl { lifetime, domains: DomainNames::padded(rest) }
            }
            _ => NdValue::Other,
        })
    }

    fn exactly<const N: usize>(&self, expected: &'static str) -> Result<[u8; N], PacketError> {
        self.data.bytes().try_into().map_err(|_| self.wrong_length(expected))
    }

    fn wrong_length(&self, expected: &'static str) -> PacketError {
        self.data.invalid("nd_option.length", (self.data.len() as u64 + 2) / 8, expected)
    }

    /// A lifetime behind two reserved bytes, and what stands behind it.
    fn lifetime(&self) -> Result<(u32, Payload<'a>), PacketError> {
        let mut rest = self.data;
        let [_, _, a, b, c, d] = rest.array("nd_option.lifetime")?;
        Ok((u32::from_be_bytes([a, b, c, d]), rest))
    }
}

/// What an option says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NdValue<'a> {
    /// Address of the sender (RFC 4861 §4.6.1).
    SourceLinkAddress(MacAddr),
    /// Address of the target.
    TargetLinkAddress(MacAddr),
    /// A prefix of the link (§4.6.2).
    Prefix(PrefixInformation),
    /// MTU of the link (§4.6.4).
    Mtu(u32),
    /// Name servers (RFC 8106 §5.1).
    Rdnss {
        /// For how many seconds they may be used.
        lifetime: u32,
        /// Their addresses.
        servers: Ipv6Addrs<'a>,
    },
    /// Domains in which names are looked up (RFC 8106 §5.2).
    Dnssl {
        /// For how many seconds they may be used.
        lifetime: u32,
        /// Their names.
        domains: DomainNames<'a>,
    },
    /// Something else.
    Other,
}

/// A prefix (RFC 4861 §4.6.2).
///
/// | byte | field     |                                    |
/// |-----:|-----------|------------------------------------|
/// |    0 | type      | 3                                  |
/// |    1 | length    | 4                                  |
/// |    2 | prefix length | bits                           |
/// |    3 | flags     |                                    |
/// |    4 | valid     | lifetime in seconds                |
/// |    8 | preferred | lifetime in seconds                |
/// |   12 | reserved  |                                    |
/// |   16 | prefix    |                                    |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrefixInformation {
    /// Bits of the prefix that count.
    pub prefix_len: u8,
    /// [`ON_LINK`](Self::ON_LINK), [`AUTONOMOUS`](Self::AUTONOMOUS) and others.
    pub flags: u8,
    /// For how long the prefix, or addresses made of it, may be used at all.
    pub valid_lifetime: u32,
    /// For how long addresses made of it may be used for what begins.
    pub preferred_lifetime: u32,
    /// The prefix.
    pub prefix: Ipv6Addr,
}

impl PrefixInformation {
    /// L: addresses with this prefix are neighbors.
    pub const ON_LINK: u8 = 0x80;
    /// A: a host makes its own address of it.
    pub const AUTONOMOUS: u8 = 0x40;

    fn decode(data: [u8; 30]) -> Self {
        let [prefix_len, flags, v0, v1, v2, v3, p0, p1, p2, p3, _, _, _, _, prefix @ ..] = data;
        Self {
            prefix_len,
            flags,
            valid_lifetime: u32::from_be_bytes([v0, v1, v2, v3]),
            preferred_lifetime: u32::from_be_bytes([p0, p1, p2, p3]),
            prefix: Ipv6Addr::from(prefix),
        }
    }
}

/// Addresses, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Addrs<'a>(&'a [[u8; 16]]);

impl Iterator for Ipv6Addrs<'_> {
    type Item = Ipv6Addr;

    fn next(&mut self) -> Option<Ipv6Addr> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(Ipv6Addr::from(*first))
    }
}

/// The options of a message, one after the other. After an error there are no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NdOptions<'a>(Payload<'a>);

impl<'a> NdOption<'a> {
    /// Takes one off.
    #[inline]
    fn decode(rest: &mut Payload<'a>) -> Result<Self, PacketError> {
        let at = *rest;
        let [option_type, length] = { *rest }.array("nd_option")?;
        if length == 0 {
            return Err(at.invalid("nd_option.length", 0, "1 at the least"));
        }
        let mut data = rest.take(usize::from(length) * 8, "nd_option")?;
        data.take(2, "nd_option")?;
        Ok(Self { option_type, data })
    }
}

impl<'a> Iterator for NdOptions<'a> {
    type Item = Result<NdOption<'a>, PacketError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_of(NdOption::decode)
    }
}

#[cfg(test)]
#[path = "nd_tests.rs"]
mod tests;
