//! Router advertisements in the place of a network's routers (RFC 4861 §6.2).
//!
//! Who routes is the topology's to say ([`Topology::ipv6_router`]), so an advertisement comes from the router's own
//! link-local address, and everything that a host learns from it holds. Where no router is known, one comes from an
//! address that nobody has, with a lifetime of 0: hosts make addresses of its prefixes and take no default route.

mod message;
mod schedule;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use ipnetwork::IpNetwork;

pub(super) use schedule::Schedule;

use self::message::{Content, Prefix, ROUTER_LIFETIME};
use super::query::Body;
use super::{Destination, Query, Reply, Verdict, identity};
use crate::openflow::{EncodeError, MacAddr, Writer};
use crate::packet::PacketError;
use crate::packet::build::{Frame, Ipv6Header};
use crate::packet::nd::NdOption;
use crate::topology::{Ipv6Mode, Ipv6Router, Network, Subnet, Topology};

/// The hop limit of neighbor discovery: what has it was not forwarded (RFC 4861 §3.1).
const HOP_LIMIT: u8 = 255;

/// What the ports of a network hear of their routers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Router {
    /// Sorted by source.
    advertisements: Vec<Advertisement>,
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Source {
    address: Ipv6Addr,
    mac: MacAddr,
}

/// What one of them says: the same to everybody.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Advertisement {
    source: Source,
    /// All that a host may know from it afterwards.
    known: Content,
    messages: Vec<Box<[u8]>>,
}

/// To whom.
#[derive(Clone, Copy)]
struct Listener {
    address: Ipv6Addr,
    mac: MacAddr,
}

impl Listener {
    /// Every node of a link (RFC 4291 §2.7.1), with the Ethernet address that it has (RFC 2464 §7).
    const ALL_NODES: Self =
        Self { address: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), mac: MacAddr([0x33, 0x33, 0, 0, 0, 1]) };
}

impl Router {
    /// What is to be said in a network; `None` if that is nothing.
    pub(super) fn of(network: &Network, topology: &Topology) -> Option<Self> {
        let mut contents: BTreeMap<Source, Content> = BTreeMap::new();
        for subnet in &network.subnets {
            let (Some(mode), IpNetwork::V6(prefix)) = (subnet.ipv6_ra_mode, subnet.cidr) else { continue };
            let (source, content) = speaker(network, subnet, topology);
            let content = contents.entry(source).or_insert(content);
            content.managed |= mode == Ipv6Mode::Dhcpv6Stateful;
            content.other |= mode == Ipv6Mode::Dhcpv6Stateless;
            content.prefixes.push(Prefix { network: prefix, autonomous: mode != Ipv6Mode::Dhcpv6Stateful });
            add_settings(subnet, content);
        }
        let regular = |(source, content)| Advertisement::new(source, content, &Content::default());
        let advertisements: Vec<_> = contents.into_iter().map(regular).collect();
        (!advertisements.is_empty()).then_some(Self { advertisements })
    }

    /// What is to be said for some time where `before` was said: all of `now`, and what of `before` is to be let go.
    fn after(before: &Self, now: Option<&Self>) -> Self {
        let now = now.map(|router| &router.advertisements[..]).unwrap_or_default();
        let known = |source| before.advertisements.iter().find(|before| before.source == source);
        let news = now.iter().map(|now| match known(now.source) {
            Some(before) => Advertisement::new(now.source, now.known.clone(), &before.known),
            None => now.clone(),
        });
        let is_silent = |before: &&Advertisement| now.iter().all(|now| now.source != before.source);
        let silent = before.advertisements.iter().filter(is_silent);
        let farewells = silent.map(|before| Advertisement::new(before.source, Content::default(), &before.known));
        Self { advertisements: news.chain(farewells).collect() }
    }

    /// Answers a solicitation: the host alone if it has an address, else all nodes behind its port.
    pub(super) fn answer(&self, query: &Query<'_>, solicitation: Solicitation, reply: &mut Reply<'_>) -> Verdict {
        let listener = match solicitation {
            Solicitation::From(address) => Listener { address, mac: query.src },
            Solicitation::FromNobody => Listener::ALL_NODES,
        };
        self.tell(listener, Destination::InPort, reply);
        Verdict::Answered
    }

    /// Tells a host, or all nodes, behind a port.
    fn tell(&self, listener: Listener, to: Destination, reply: &mut Reply<'_>) {
        for advertisement in &self.advertisements {
            for message in &advertisement.messages {
                reply.send(to, |writer| advertisement.source.write(listener, message, writer));
            }
        }
    }
}

/// Who asks for routers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Solicitation {
    /// A host with an address.
    From(Ipv6Addr),
    /// One that has none yet.
    FromNobody,
}

impl Solicitation {
    /// Holds a solicitation against the rules (RFC 4861 §6.1.1), or says why nobody answers it. Errors: cut off.
    ///
    /// The checksum is left alone: a virtual machine may leave it to its interface, and what it sends comes up without.
    pub(super) fn of(query: &Query<'_>) -> Result<Result<Self, &'static str>, PacketError> {
        let Body::Icmpv6(ip, message) = query.body else { return Ok(Err("no router solicitation")) };
        let Some(options) = message.router_solicitation() else { return Ok(Err("no router solicitation")) };
        let mut has_link_address = false;
        for option in options {
            has_link_address |= option?.option_type == NdOption::SOURCE_LINK_ADDRESS;
        }
        Ok(match ip.src {
            _ if ip.hop_limit != HOP_LIMIT => Err("a router solicitation from beyond the link"),
            src if src.is_unspecified() && has_link_address => Err("a router solicitation from nobody with an address"),
            src if src.is_unspecified() => Ok(Self::FromNobody),
            src if src.is_multicast() => Err("a router solicitation from a group"),
            src => Ok(Self::From(src)),
        })
    }
}

impl Advertisement {
    /// `content` where a host may know `before`.
    fn new(source: Source, content: Content, before: &Content) -> Self {
        let messages = content.messages(before);
        Self { source, known: content.and(before), messages }
    }
}

impl Source {
    fn write(self, listener: Listener, message: &[u8], writer: &mut Writer) -> Result<(), EncodeError> {
        Frame { dst: listener.mac, src: self.mac, tags: [None, None] }.ipv6(writer);
        Ipv6Header { src: self.address, dst: listener.address, hop_limit: HOP_LIMIT }.icmpv6(writer, |writer| {
            writer.bytes(message);
            Ok(())
        })
    }
}

/// Who speaks for a subnet, and what that alone says.
fn speaker(network: &Network, subnet: &Subnet, topology: &Topology) -> (Source, Content) {
    let nobody = identity::mac(&network.name);
    let content = Content { mtu: Some(topology.mtu_of(network)), ..Content::default() };
    match topology.ipv6_router(network, subnet) {
        Some(Ipv6Router { address, mac }) => {
            let content = Content { router_lifetime: ROUTER_LIFETIME, mac, ..content };
            (Source { address, mac: mac.unwrap_or(nobody) }, content)
        }
        None => (Source { address: nobody.link_local_ipv6(), mac: nobody }, content),
    }
}

/// What a subnet's settings add to what its router says.
fn add_settings(subnet: &Subnet, content: &mut Content) {
    for server in &subnet.dhcp.dns_nameservers {
        match server {
            IpAddr::V6(server) if !content.servers.contains(server) => content.servers.push(*server),
            _ => {}
        }
    }
    for name in subnet.dhcp.search() {
        if !content.search.contains(name) {
            content.search.push(name.clone());
        }
    }
    for route in &subnet.dhcp.host_routes {
        match route.destination {
            IpNetwork::V6(network) if route.nexthop.is_unspecified() => {
                content.prefixes.push(Prefix { network, autonomous: false });
            }
            // Another router's routes are that router's to announce.
            IpNetwork::V6(network) if Some(route.nexthop) == subnet.gateway_ip => content.routes.push(network),
            _ => {}
        }
    }
}
