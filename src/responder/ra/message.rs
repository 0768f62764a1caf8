//! What a router advertisement says, and its bytes (RFC 4861 §4.2, §4.6; routes: RFC 4191 §2.3; name servers and
//! search list: RFC 8106 §5).
//!
//! | byte | field           |                                        |
//! |-----:|-----------------|----------------------------------------|
//! |    0 | type, code      | 134, 0                                 |
//! |    2 | checksum        | filled in with the IPv6 header         |
//! |    4 | hop limit       |                                        |
//! |    5 | flags           | M 0x80, O 0x40                         |
//! |    6 | router lifetime | seconds; 0: no default router          |
//! |    8 | reachable time  | 0: unspecified                         |
//! |   12 | retrans timer   | 0: unspecified                         |
//! |   16 | options         | type, length in 8 bytes, content       |

use std::net::Ipv6Addr;

use ipnetwork::Ipv6Network;

use crate::openflow::numbers::ROUTER_ADVERTISEMENT;
use crate::openflow::{MacAddr, Writer};
use crate::packet::domain;
use crate::packet::nd::{NdOption, PrefixInformation, RouterAdvertisement};
use crate::topology::DomainName;

/// How long a router may be used after its last word, in seconds: three of the longest intervals (RFC 4861 §6.2.1).
pub(super) const ROUTER_LIFETIME: u16 = 1800;
/// How long an address may be used, and how long it is preferred, in seconds: as those of Neutron's radvd. Shorter
/// than RFC 4861 has it, so that what a silent change leaves behind does not stay for a month (RFC 9096 §3.1).
const VALID_LIFETIME: u32 = 86_400;
const PREFERRED_LIFETIME: u32 = 14_400;

const HOP_LIMIT: u8 = 64;
/// Type of a route (RFC 4191 §2.3).
const ROUTE_INFORMATION: u8 = 24;

/// The longest message: what fits into the smallest packet that every link carries (RFC 8200 §5), with its header.
const MAX_MESSAGE: usize = 1280 - 40;
/// Addresses in one RDNSS option, and the bytes of names in one DNSSL option: parts of a message, so that options of any
/// number can be put into messages.
const SERVERS_PER_OPTION: usize = 16;
const NAMES_PER_OPTION: usize = 512;

/// What one router says of a link.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Content {
    /// Addresses come from DHCPv6.
    pub(super) managed: bool,
    /// Other settings come from DHCPv6.
    pub(super) other: bool,
    /// In seconds.
    pub(super) router_lifetime: u16,
    /// The router's, if it is known.
    pub(super) mac: Option<MacAddr>,
    /// The largest packet of the link.
    pub(super) mtu: Option<u16>,
    /// What is on the link.
    pub(super) prefixes: Vec<Prefix>,
    /// What else is reached through the router.
    pub(super) routes: Vec<Ipv6Network>,
    /// Name servers.
    pub(super) servers: Vec<Ipv6Addr>,
    /// Where to look up names without dots.
    pub(super) search: Vec<DomainName>,
}

/// A prefix of the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Prefix {
    /// Which one.
    pub(super) network: Ipv6Network,
    /// Hosts make addresses of it by themselves (RFC 4862).
    pub(super) autonomous: bool,
}

/// Whether something is there to be used, or was and is to be let go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Current,
    Withdrawn,
}

impl Status {
    const fn lifetime(self, current: u32) -> u32 {
        match self {
            Self::Current => current,
            Self::Withdrawn => 0,
        }
    }
}

impl Content {
    /// The messages that say this, and of what is in `before` and no longer here that it is to be let go: mostly one.
    pub(super) fn messages(&self, before: &Self) -> Vec<Box<[u8]>> {
        let flags = if self.managed { RouterAdvertisement::MANAGED } else { 0 }
            | if self.other { RouterAdvertisement::OTHER } else { 0 };
        let [l0, l1] = self.router_lifetime.to_be_bytes();
        let header = [ROUTER_ADVERTISEMENT, 0, 0, 0, HOP_LIMIT, flags, l0, l1, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut messages = Vec::new();
        let mut message = header.to_vec();
        for option in self.options(before) {
            if message.len() + option.len() > MAX_MESSAGE {
                messages.push(std::mem::replace(&mut message, header.to_vec()).into());
            }
            message.extend(option);
        }
        messages.push(message.into());
        messages
    }

    /// This, and what of `before` is not in it.
    pub(super) fn and(mut self, before: &Self) -> Self {
        let gone = before.prefixes.iter().filter(|prefix| !self.is_on_link(prefix.network)).copied();
        let prefixes: Vec<Prefix> = gone.collect();
        self.prefixes.extend(prefixes);
        self.routes.extend(missing(&before.routes, &self.routes));
        self.servers.extend(missing(&before.servers, &self.servers));
        self.search.extend(missing(&before.search, &self.search));
        self
    }

    fn is_on_link(&self, network: Ipv6Network) -> bool {
        self.prefixes.iter().any(|prefix| prefix.network == network)
    }

    fn options(&self, before: &Self) -> Vec<Vec<u8>> {
        let mut options = Vec::new();
        options.extend(self.mac.map(|mac| option(NdOption::SOURCE_LINK_ADDRESS, &[&mac.0])));
        options.extend(self.mtu.map(|mtu| option(NdOption::MTU, &[&[0; 2], &u32::from(mtu).to_be_bytes()])));
        options.extend(self.prefixes.iter().map(|prefix| prefix.option(Status::Current)));
        let gone = before.prefixes.iter().filter(|prefix| !self.is_on_link(prefix.network));
        options.extend(gone.map(|prefix| prefix.option(Status::Withdrawn)));
        options.extend(self.routes.iter().map(|route| route_option(*route, Status::Current)));
        let gone = missing(&before.routes, &self.routes);
        options.extend(gone.into_iter().map(|route| route_option(route, Status::Withdrawn)));
        options.extend(server_options(&self.servers, Status::Current));
        options.extend(server_options(&missing(&before.servers, &self.servers), Status::Withdrawn));
        options.extend(search_options(&self.search, Status::Current));
        options.extend(search_options(&missing(&before.search, &self.search), Status::Withdrawn));
        options
    }
}

/// Those of `before` that are not among `now`.
fn missing<T: Clone + PartialEq>(before: &[T], now: &[T]) -> Vec<T> {
    before.iter().filter(|value| !now.contains(value)).cloned().collect()
}

impl Prefix {
    /// RFC 4861 §4.6.2. A host lets an address of a withdrawn prefix go after two hours (RFC 4862 §5.5.3 e), and uses it
    /// for nothing new from now on.
    fn option(&self, status: Status) -> Vec<u8> {
        let flags = PrefixInformation::ON_LINK | if self.autonomous { PrefixInformation::AUTONOMOUS } else { 0 };
        let (valid, preferred) = (status.lifetime(VALID_LIFETIME), status.lifetime(PREFERRED_LIFETIME));
        let parts: [&[u8]; 5] = [
            &[self.network.prefix(), flags],
            &valid.to_be_bytes(),
            &preferred.to_be_bytes(),
            &[0; 4],
            &self.network.network().octets(),
        ];
        option(NdOption::PREFIX_INFORMATION, &parts)
    }
}

/// RFC 4191 §2.3, with the medium preference.
fn route_option(route: Ipv6Network, status: Status) -> Vec<u8> {
    let lifetime = status.lifetime(ROUTER_LIFETIME.into()).to_be_bytes();
    let address = route.network().octets();
    let needed = match route.prefix() {
        0 => 0,
        1..=64 => 8,
        _ => 16,
    };
    option(ROUTE_INFORMATION, &[&[route.prefix(), 0], &lifetime, address.get(..needed).unwrap_or(&address)])
}

/// RFC 8106 §5.1.
fn server_options(servers: &[Ipv6Addr], status: Status) -> impl Iterator<Item = Vec<u8>> {
    let lifetime = status.lifetime(ROUTER_LIFETIME.into()).to_be_bytes();
    servers.chunks(SERVERS_PER_OPTION).map(move |servers| {
        let addresses: Vec<u8> = servers.iter().flat_map(|server| server.octets()).collect();
        option(NdOption::RDNSS, &[&[0; 2], &lifetime, &addresses])
    })
}

/// RFC 8106 §5.2.
fn search_options(search: &[DomainName], status: Status) -> Vec<Vec<u8>> {
    let lifetime = status.lifetime(ROUTER_LIFETIME.into()).to_be_bytes();
    let mut lists = vec![Vec::new()];
    for name in search {
        let mut writer = Writer::new();
        domain::encode(name.labels(), &mut writer);
        let name = writer.into_vec();
        match lists.last_mut() {
            Some(list) if list.len() + name.len() <= NAMES_PER_OPTION => list.extend(name),
            _ => lists.push(name),
        }
    }
    let lists = lists.into_iter().filter(|list| !list.is_empty());
    lists.map(|list| option(NdOption::DNSSL, &[&[0; 2], &lifetime, &list])).collect()
}

/// An option: type, length in 8 bytes, content, padded with zeros. No content here is longer than 600 bytes.
fn option(code: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![code, 0];
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let length = u8::try_from(bytes.len() / 8).unwrap_or(u8::MAX);
    if let Some(place) = bytes.get_mut(1) {
        *place = length;
    }
    bytes
}
