//! The options of a server's answers as bytes: made when a topology comes into force, copied for each answer.

use std::net::{IpAddr, Ipv4Addr};

use dhcproto::Encodable;
use dhcproto::v4::DhcpOption;
use ipnet::Ipv4Net;
use ipnetwork::IpNetwork;

use crate::openflow::Writer;
use crate::packet::dhcpv4::{Dhcpv4, option};
use crate::topology::{DomainName, HostRoute, Lease4, Subnet};

/// One option under its code; a long one in parts (RFC 3396).
#[derive(Clone, PartialEq, Eq, Debug)]
struct Encoded {
    code: u8,
    bytes: Box<[u8]>,
}

/// What a client is told if it asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Options {
    list: Box<[Encoded]>,
}

impl Options {
    /// What a subnet tells; `boot` is the names of the boot server and of the boot file.
    pub(super) fn of(lease: &Lease4<'_>, mtu: u16, boot: [Option<&str>; 2]) -> Self {
        use DhcpOption as O;
        let dhcp = &lease.subnet.dhcp;
        let [tftp_server_name, bootfile_name] = boot.map(|name| name.map(|name| name.as_bytes().to_vec()));
        let router = lease.subnet.gateway_ip.and_then(ipv4);
        let (dns, ntp) = (all_ipv4(&dhcp.dns_nameservers), all_ipv4(&dhcp.ntp_servers));
        let search = names(&dhcp.domain_search);
        let routes = routes(lease.subnet, router);
        let list = [
            (option::CLASSLESS_ROUTES, (!routes.is_empty()).then_some(O::ClasslessStaticRoute(routes))),
            (option::ROUTER, router.map(|router| O::Router(vec![router]))),
            (option::DNS_SERVERS, (!dns.is_empty()).then_some(O::DomainNameServer(dns))),
            (option::MTU, Some(O::InterfaceMtu(mtu))),
            (option::DOMAIN_NAME, dhcp.domain_name.as_ref().map(|name| O::DomainName(name.to_string()))),
            (option::DOMAIN_SEARCH, (!search.is_empty()).then_some(O::DomainSearch(search))),
            (option::NTP_SERVERS, (!ntp.is_empty()).then_some(O::NtpServers(ntp))),
            (option::TFTP_SERVER_NAME, tftp_server_name.map(O::TFTPServerName)),
            (option::BOOTFILE_NAME, bootfile_name.map(O::BootfileName)),
            (option::BROADCAST_ADDRESS, broadcast(lease).map(O::BroadcastAddr)),
        ];
        let encoded = list.into_iter().filter_map(|(code, option)| Some(Encoded { code, bytes: encode(&[option?]) }));
        Self { list: encoded.collect() }
    }

    fn get(&self, code: u8) -> Option<(u32, &[u8])> {
        let mut numbered = (0..).zip(&self.list);
        numbered.find(|(_, encoded)| encoded.code == code).map(|(number, encoded)| (1 << number, &*encoded.bytes))
    }
}

/// Options as they stand on the wire.
pub(super) fn encode(options: &[DhcpOption]) -> Box<[u8]> {
    let encoded = options.iter().flat_map(|option| {
        // Names and lengths were checked with the topology.
        option.to_vec().unwrap_or_default()
    });
    encoded.collect()
}

fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

fn all_ipv4(addresses: &[IpAddr]) -> Vec<Ipv4Addr> {
    addresses.iter().copied().filter_map(ipv4).collect()
}

/// A /31 has no broadcast address (RFC 3021 §2.2), and in a /32 nobody would hear it.
fn broadcast(lease: &Lease4<'_>) -> Option<Ipv4Addr> {
    (lease.cidr.prefix() < 31).then(|| lease.cidr.broadcast())
}

fn names(search: &[DomainName]) -> Vec<dhcproto::Name> {
    search.iter().filter_map(|name| dhcproto::Name::from_ascii(format!("{name}.")).ok()).collect()
}

/// The routes of a subnet and, with them, that to its router: who takes option 121 takes no notice of option 3
/// (RFC 3442).
fn routes(subnet: &Subnet, router: Option<Ipv4Addr>) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let own = subnet.dhcp.host_routes.iter().filter_map(|HostRoute { destination, nexthop }| {
        let IpNetwork::V4(destination) = destination else { return None };
        Some((Ipv4Net::new(destination.network(), destination.prefix()).ok()?, ipv4(*nexthop)?))
    });
    let mut routes: Vec<(Ipv4Net, Ipv4Addr)> = own.collect();
    let everywhere = Ipv4Net::default();
    if let Some(router) = router
        && !routes.is_empty()
        && !routes.iter().any(|(destination, _)| *destination == everywhere)
    {
        routes.push((everywhere, router));
    }
    routes
}

/// Options on their way into a message that has room for so many bytes of them.
pub(super) struct Room<'w> {
    writer: &'w mut Writer,
    left: usize,
}

impl<'w> Room<'w> {
    /// `left` bytes, the end option not counted.
    pub(super) fn new(writer: &'w mut Writer, left: usize) -> Self {
        Self { writer, left }
    }

    /// Writes all of `bytes` or nothing. False if there is no room.
    pub(super) fn put(&mut self, bytes: &[u8]) -> bool {
        let Some(left) = self.left.checked_sub(bytes.len()) else { return false };
        self.left = left;
        self.writer.bytes(bytes);
        true
    }

    /// Returns what the client said under `code`, in the parts in which it came.
    pub(super) fn echo(&mut self, message: &Dhcpv4<'_>, code: u8) {
        for said in message.options().flatten().filter(|option| option.code == code) {
            let length = u8::try_from(said.data.len()).unwrap_or(u8::MAX);
            if self.left >= said.data.len() + 2 {
                self.put(&[code, length]);
                self.put(said.data.bytes());
            }
        }
    }

    /// Writes what the client asks for, in its order (RFC 2132 §9.8), as far as there is room; to one that has no list,
    /// everything. Where routes and router are wanted, the routes alone (RFC 3442).
    pub(super) fn answer(&mut self, options: &Options, message: &Dhcpv4<'_>) {
        let asked = || message.options().flatten().filter(|option| option.code == option::PARAMETER_LIST);
        let codes = || asked().flat_map(|list| list.data.bytes().iter().copied());
        if asked().next().is_none() {
            for encoded in &options.list {
                self.put(&encoded.bytes);
            }
            return;
        }
        let routes =
            options.get(option::CLASSLESS_ROUTES).filter(|_| codes().any(|code| code == option::CLASSLESS_ROUTES));
        let router = options.get(option::ROUTER).map_or(0, |(bit, _)| bit);
        let mut done = 0;
        for code in codes() {
            if (code == option::ROUTER || code == option::CLASSLESS_ROUTES)
                && let Some((bit, bytes)) = routes
                && done & (bit | router) == 0
                && self.put(bytes)
            {
                done |= bit | router;
            } else if let Some((bit, bytes)) = options.get(code)
                && done & bit == 0
                && self.put(bytes)
            {
                done |= bit;
            }
        }
    }
}
