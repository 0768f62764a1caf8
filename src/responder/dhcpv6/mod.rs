//! DHCPv6 in the place of a server on every link of this host (RFC 8415).
//!
//! A server is made for each port, and keeps no leases: what a port is given is what the topology says, whoever asks
//! there, so it is the same before and after a reboot of the machine, of this host, and on the next host. All servers of a
//! network have one DUID, a UUID made of the network's name (RFC 6355), for the same reason: a machine that has moved
//! renews its lease with the server that it knows.
//!
//! | message | answer |
//! |---|---|
//! | SOLICIT | ADVERTISE, or REPLY if it asks for a rapid commit and there is an address |
//! | REQUEST | REPLY with the port's addresses; NotOnLink for an address of another link |
//! | RENEW, REBIND | REPLY with the port's addresses, and lifetimes of 0 for all others |
//! | CONFIRM | REPLY: Success if all addresses are the port's, else NotOnLink: no other may be used there |
//! | RELEASE, DECLINE | REPLY: Success; NoBinding for what is not the port's |
//! | INFORMATION-REQUEST | REPLY with settings |
//!
//! Temporary addresses and delegated prefixes there are none. Settings are those that the client asks for; one that asks
//! for none in particular gets them all. What a relay agent has passed on is not answered: on these links there is none.

mod answer;
mod request;
mod settings;

use std::net::{IpAddr, Ipv6Addr};

use dhcproto::Encodable;
use dhcproto::v6::duid::Duid;
use dhcproto::v6::{DhcpOption, DhcpOptions, IAAddr};
use ipnetwork::IpNetwork;

use self::request::Request;
use self::settings::Setting;
use super::query::Body;
use super::{Destination, Query, Reply, Verdict, identity};
use crate::openflow::MacAddr;
use crate::packet::build::{Frame, Ipv6Header, Ports};
use crate::packet::dhcpv6::{CLIENT_PORT, Dhcpv6, SERVER_PORT};
use crate::packet::{PacketError, Payload};
use crate::topology::{Dhcpv6 as Gives, Network, Port, Subnet};

/// Any will do: no router lies between a client and its server.
const HOP_LIMIT: u8 = 64;
/// A lifetime that does not end (RFC 8415 §7.7).
const FOR_EVER: u32 = u32::MAX;

/// The server of one port, compiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    mac: MacAddr,
    address: Ipv6Addr,
    /// The option that names the server.
    identifier: Box<[u8]>,
    /// What is given to the port, each an option of an association.
    leases: Vec<Lease>,
    /// When to renew, and when to ask any server, in seconds.
    t1: u32,
    t2: u32,
    /// What is on the link.
    on_link: Vec<IpNetwork>,
    settings: Vec<Setting>,
}

/// An address of the port.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Lease {
    address: Ipv6Addr,
    option: Box<[u8]>,
}

impl Server {
    /// The server of a port; `None` if its network has nothing to say by DHCPv6.
    pub(super) fn of(port: &Port, network: &Network) -> Option<Self> {
        if !network.answers_dhcpv6() {
            return None;
        }
        let leased = leased(port, network);
        let renewed_within = leased.iter().map(|(_, subnet)| subnet.dhcp.dhcp_lease_time).min().unwrap_or(FOR_EVER);
        let mac = identity::mac(&network.name);
        Some(Self {
            mac,
            address: mac.link_local_ipv6(),
            identifier: encoded(&DhcpOption::ServerId(Duid::uuid(&identity::uuid(&network.name)).as_ref().to_vec())),
            t1: part_of(renewed_within, 5),
            t2: part_of(renewed_within, 8),
            on_link: network.subnets.iter().map(|subnet| subnet.cidr).collect(),
            settings: settings::of(port, network, &leased),
            leases: leased.iter().map(|(address, subnet)| Lease::of(*address, subnet)).collect(),
        })
    }

    /// Answers a client.
    pub(super) fn answer(&self, query: &Query<'_>, reply: &mut Reply<'_>) -> Verdict {
        let Body::Udp6(ip, udp) = query.body else { return Verdict::Ignored("not DHCPv6") };
        if !ip.src.is_unicast_link_local() {
            return Verdict::Ignored("DHCPv6 that is not from a link-local address");
        }
        let request = match udp.body().and_then(read) {
            Ok(Ok(request)) => request,
            Ok(Err(reason)) => return Verdict::Ignored(reason),
            Err(error) => return Verdict::Malformed(error),
        };
        let answer = match self.answer_to(&request) {
            Ok(answer) => answer,
            Err(reason) => return Verdict::Ignored(reason),
        };
        let frame = Frame { dst: query.src, src: self.mac, tags: query.tags };
        let header = Ipv6Header { src: self.address, dst: ip.src, hop_limit: HOP_LIMIT };
        reply.send(Destination::InPort, |writer| {
            frame.ipv6(writer);
            header.udp(Ports { src: SERVER_PORT, dst: CLIENT_PORT }, writer, |writer| {
                answer.write(&request, writer);
                Ok(())
            })
        });
        Verdict::Answered
    }
}

/// Reads a message whole, or says why nobody answers it.
fn read(message: Payload<'_>) -> Result<Result<Request<'_>, &'static str>, PacketError> {
    match Dhcpv6::decode(message)? {
        Dhcpv6::Direct(message) => Request::of(message),
        Dhcpv6::Relay(_) => Ok(Err("DHCPv6 that a relay agent has passed on")),
    }
}

impl Lease {
    fn of(address: Ipv6Addr, subnet: &Subnet) -> Self {
        let lifetime = subnet.dhcp.dhcp_lease_time;
        let option = DhcpOption::IAAddr(IAAddr {
            addr: address,
            preferred_life: lifetime,
            valid_life: lifetime,
            opts: DhcpOptions::new(),
        });
        Self { address, option: encoded(&option) }
    }
}

/// The addresses that a port is given, each with its subnet.
fn leased<'a>(port: &Port, network: &'a Network) -> Vec<(Ipv6Addr, &'a Subnet)> {
    let addresses = port.fixed_ips.iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some(*address),
        IpAddr::V4(_) => None,
    });
    let of_subnet = |address: Ipv6Addr| Some((address, network.subnet_of(address.into())?));
    addresses.filter_map(of_subnet).filter(|(_, subnet)| subnet.dhcpv6() == Some(Gives::Stateful)).collect()
}

/// A number of tenths of a time; what lasts for ever is never renewed.
fn part_of(time: u32, tenths: u32) -> u32 {
    if time == FOR_EVER { FOR_EVER } else { time / 10 * tenths + time % 10 * tenths / 10 }
}

/// An option as bytes. Only one of more than 65,535 bytes has none, and none is made here.
fn encoded(option: &DhcpOption) -> Box<[u8]> {
    option.to_vec().unwrap_or_default().into()
}
