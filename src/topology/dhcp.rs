//! What DHCP tells the ports of a subnet: values, how they are read, what must hold.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::{IpNetwork, Ipv4Network};

use super::check::{check_host_bits, check_unicast};
use super::document::{self, At, Report, Value};
use super::{Fault, Name, Network, Port, Subnet};
use crate::openflow::MacAddr;

/// The most addresses of one list: what one option of DHCPv4 holds (RFC 2132 §2, a length of one byte).
const MAX_ADDRESSES: usize = 63;
/// The most names of a search list: more than any resolver looks at.
const MAX_SEARCH: usize = 32;
/// The most routes.
const MAX_ROUTES: usize = 64;
/// The longest text of an option of DHCPv4 in bytes.
const MAX_TEXT: usize = 255;
/// The shortest lease in seconds: enough for a client to send its renewal twice (RFC 2131 §4.1: 4 s, then 8 s).
const MIN_LEASE: u32 = 12;

/// The Ethernet address of every DHCP server of Heddle's: locally administered, and seen on the client's port only.
pub const DHCP_SERVER_MAC: MacAddr = MacAddr([0x0a, 0x4e, 0xd1, 0x00, 0x00, 0x43]);

/// What a subnet tells its ports by DHCP. The names are those of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dhcp {
    /// If DHCP is answered at all. The other values are checked either way.
    pub enable_dhcp: bool,
    /// The server's address if it is not the gateway's; [`Subnet::dhcp_server_ip`] is the one that counts.
    pub dhcp_server_ip: Option<IpAddr>,
    /// How long a lease lasts in seconds, at least 12; `u32::MAX` is for ever (RFC 2131 §3.3).
    pub dhcp_lease_time: u32,
    /// Name servers, the preferred first; of the subnet's family.
    pub dns_nameservers: Vec<IpAddr>,
    /// Time servers, the preferred first; of the subnet's family.
    pub ntp_servers: Vec<IpAddr>,
    /// The domain of the hosts.
    pub domain_name: Option<DomainName>,
    /// Where to look up names without dots.
    pub domain_search: Vec<DomainName>,
    /// Routes besides that to the gateway.
    pub host_routes: Vec<HostRoute>,
    /// What to boot.
    pub boot: Boot,
}

impl Default for Dhcp {
    fn default() -> Self {
        Self {
            enable_dhcp: false,
            dhcp_server_ip: None,
            dhcp_lease_time: 86400,
            dns_nameservers: Vec::new(),
            ntp_servers: Vec::new(),
            domain_name: None,
            domain_search: Vec::new(),
            host_routes: Vec::new(),
            boot: Boot::default(),
        }
    }
}

/// What to boot, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boot {
    /// The TFTP server: a host name or an address.
    pub tftp_server_name: Option<Name>,
    /// The boot file: a path on that server, or a URL; 1 to 255 printable ASCII characters.
    pub bootfile_name: Option<Name>,
}

/// A route for the hosts of a subnet, both of the subnet's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostRoute {
    /// Where to; no host bit is set.
    pub destination: IpNetwork,
    /// Through which router; unspecified (`0.0.0.0`, `::`): without one, the destination is on the link (RFC 3442).
    pub nexthop: IpAddr,
}

/// A domain name of at most 253 characters, without a dot at its end: labels of 1 to 63 letters, digits, `-` and `_`
/// that begin and end with none of the hyphens (RFC 1035 §2.3.1, RFC 1123 §2.1; `_` as in RFC 8552).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainName(Name);

impl DomainName {
    /// `None` if it is no domain name.
    pub fn new(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        (name.len() <= 253 && name.split('.').all(label)).then(|| Self(name.into()))
    }

    /// Its labels, the outermost last.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// What a port gets by DHCPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease4<'a> {
    /// The port's address.
    pub address: Ipv4Addr,
    /// The block that it is from.
    pub cidr: Ipv4Network,
    /// The server's address.
    pub server: Ipv4Addr,
    /// The subnet that says the rest.
    pub subnet: &'a Subnet,
}

impl Network {
    /// What a port of this network gets by DHCPv4, which has room for one address: the first fixed one of a subnet with
    /// `enable_dhcp`.
    pub fn lease4(&self, port: &Port) -> Option<Lease4<'_>> {
        port.fixed_ips.iter().find_map(|&address| {
            let subnet = self.subnet_of(address).filter(|subnet| subnet.dhcp.enable_dhcp)?;
            match (address, subnet.cidr, subnet.dhcp_server_ip()?) {
                (IpAddr::V4(address), IpNetwork::V4(cidr), IpAddr::V4(server)) => {
                    Some(Lease4 { address, cidr, server, subnet })
                }
                _ => None,
            }
        })
    }
}

impl Subnet {
    /// Where its DHCP server is, if it has an address of its own or a gateway to borrow one from.
    pub fn dhcp_server_ip(&self) -> Option<IpAddr> {
        self.dhcp.dhcp_server_ip.or(self.gateway_ip)
    }
}

impl Dhcp {
    /// Where to look up names without dots: the domains of the list, or that of the hosts.
    pub fn search(&self) -> &[DomainName] {
        if self.domain_search.is_empty() { self.domain_name.as_slice() } else { &self.domain_search }
    }

    /// Reads a key of a subnet; false if it is none of DHCP. A value that is wrong is reported and leaves the default.
    pub(super) fn read(&mut self, key: &str, value: &Value<'_>, at: &At<'_>, report: &mut Report) -> bool {
        match key {
            "enable_dhcp" => self.enable_dhcp = document::boolean(value, at, report).unwrap_or_default(),
            "dhcp_server_ip" => self.dhcp_server_ip = address(value, at, report),
            "dhcp_lease_time" => {
                let lease = document::number(value, at, report, "a time in seconds", (MIN_LEASE, u32::MAX));
                self.dhcp_lease_time = lease.unwrap_or(self.dhcp_lease_time);
            }
            "dns_nameservers" => self.dns_nameservers = list((value, MAX_ADDRESSES), at, report, address),
            "ntp_servers" => self.ntp_servers = list((value, MAX_ADDRESSES), at, report, address),
            "domain_name" => self.domain_name = domain(value, at, report),
            "domain_search" => self.domain_search = list((value, MAX_SEARCH), at, report, domain),
            "host_routes" => self.host_routes = list((value, MAX_ROUTES), at, report, route),
            key if Boot::KEYS.contains(&key) => self.boot.read(key, value, at, report),
            _ => return false,
        }
        true
    }
}

impl Boot {
    /// The keys of a subnet or a port that are read here.
    pub(super) const KEYS: [&'static str; 2] = ["tftp_server_name", "bootfile_name"];

    /// Reads one of [`Boot::KEYS`].
    pub(super) fn read(&mut self, key: &str, value: &Value<'_>, at: &At<'_>, report: &mut Report) {
        if key == "tftp_server_name" {
            let host =
                |text: &str| (text.parse::<IpAddr>().is_ok() || DomainName::new(text).is_some()).then(|| text.into());
            self.tftp_server_name = document::parsed(value, at, report, Fault::BadHost, host);
        } else {
            let printable = |text: &str| {
                let fits = (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
                fits.then(|| text.into())
            };
            self.bootfile_name = document::parsed(value, at, report, Fault::BadFileName, printable);
        }
    }
}

/// The elements of a list of at most some number.
fn list<'v, 'i, T>(
    (value, most): (&'v Value<'i>, usize),
    at: &At<'_>,
    report: &mut Report,
    read: fn(&'v Value<'i>, &At<'_>, &mut Report) -> Option<T>,
) -> Vec<T> {
    let values = document::array(value, at, report).map(|values| &values[..]).unwrap_or_default();
    if values.len() > most {
        report.push(at, Fault::TooMany { found: values.len(), most });
    }
    values.iter().enumerate().filter_map(|(index, value)| read(value, &at.index(index), report)).collect()
}

fn address(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<IpAddr> {
    document::parsed(value, at, report, Fault::BadAddress, |text| text.parse().ok())
}

fn domain(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<DomainName> {
    document::parsed(value, at, report, Fault::BadDomainName, DomainName::new)
}

fn route(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<HostRoute> {
    let (mut destination, mut nexthop) = (None, None);
    let table = document::table(value, at, report)?;
    for (key, value) in table {
        let at = at.key(key.get_ref());
        match &**key.get_ref() {
            "destination" => destination = document::parsed(value, &at, report, Fault::BadCidr, super::parse::block),
            "nexthop" => nexthop = address(value, &at, report),
            _ => report.push(&at, Fault::UnknownKey { known: &["destination", "nexthop"] }),
        }
    }
    for (key, expected) in [("destination", "a block of addresses"), ("nexthop", "the address of a router")] {
        if !table.contains_key(key) {
            report.push(at, Fault::Missing { key, expected });
        }
    }
    Some(HostRoute { destination: destination?, nexthop: nexthop? })
}

/// What DHCP says in a subnet. The subnet itself is checked.
pub(super) fn check(subnet: &Subnet, at: &At<'_>, report: &mut Report) {
    let Dhcp { enable_dhcp, dhcp_server_ip, dns_nameservers, ntp_servers, host_routes, .. } = &subnet.dhcp;
    let cidr = subnet.cidr;
    // A DHCPv6 server is known by its DUID and answers from a link-local address (RFC 8415 §18.3): it needs none.
    if *enable_dhcp && cidr.is_ipv4() && subnet.dhcp_server_ip().is_none() {
        report.push(at, Fault::NoDhcpServer);
    }
    if let Some(found) = *dhcp_server_ip {
        subnet.check_router(found, &at.key("dhcp_server_ip"), report);
    }
    for (key, addresses) in [("dns_nameservers", dns_nameservers), ("ntp_servers", ntp_servers)] {
        let at = at.key(key);
        for (index, &found) in addresses.iter().enumerate() {
            let at = at.index(index);
            check_family(found, cidr, &at, report);
            check_unicast(found, &at, report);
        }
    }
    let routes = at.key("host_routes");
    for (index, route) in host_routes.iter().enumerate() {
        let at = routes.index(index);
        let HostRoute { destination, nexthop } = *route;
        let at_destination = at.key("destination");
        check_family(destination.ip(), cidr, &at_destination, report);
        check_host_bits(destination, &at_destination, report);
        let at_nexthop = at.key("nexthop");
        check_family(nexthop, cidr, &at_nexthop, report);
        if !nexthop.is_unspecified() {
            check_unicast(nexthop, &at_nexthop, report);
        }
        if let Some(twin) = host_routes.iter().take(index).position(|other| other.destination == destination) {
            report.clash(&at_destination, Fault::RouteTwice(destination), &routes.index(twin).key("destination"));
        }
    }
}

fn check_family(found: IpAddr, cidr: IpNetwork, at: &At<'_>, report: &mut Report) {
    if found.is_ipv4() != cidr.is_ipv4() {
        report.push(at, Fault::WrongFamily { found, family: if cidr.is_ipv4() { "IPv4" } else { "IPv6" } });
    }
}
