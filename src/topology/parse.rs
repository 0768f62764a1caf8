//! From `topology.toml` to a topology: values first, chunk by chunk, then what must hold between them.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use toml::de::DeTable;

use super::check::{check_name, check_subnets};
use super::document::{self, At, Report, Value};
use super::index::{NetworkEntry, NodeEntry};
use super::mtu::{LEAST, LEAST_IPV6, Mtu};
use super::security::{self, AddressGroup, Security, SecurityGroup};
use super::{
    AddressPair, Boot, Dhcp, Fault, Ipv6Mode, Name, Network, NetworkKind, Node, Port, Refused, Subnet, Topology,
};
use crate::openflow::MacAddr;

/// The largest file that is read. 100,000 ports take about 14 MB.
const MAX_FILE: u64 = 64 << 20;
/// The size from which a chunk ends at the next port.
pub(super) const CHUNK: usize = 1 << 16;
/// The tables of the file.
const KINDS: &[&str] = &["nodes", "networks", "ports", "security_groups", "address_groups", "mtu"];

/// What a subnet may say: its own keys, those of [`Dhcp`] and the modes of IPv6.
const SUBNET_KEYS: &[&str] = &[
    "cidr",
    "gateway_ip",
    "enable_dhcp",
    "dhcp_server_ip",
    "dhcp_lease_time",
    "dns_nameservers",
    "ntp_servers",
    "domain_name",
    "domain_search",
    "host_routes",
    "tftp_server_name",
    "bootfile_name",
    "ipv6_ra_mode",
    "ipv6_address_mode",
];
/// What a port may say: its own keys and [`Boot::KEYS`].
const PORT_KEYS: &[&str] = &[
    "network",
    "node",
    "interface",
    "mac_address",
    "fixed_ips",
    "port_security",
    "allowed_address_pairs",
    "security_groups",
    "tftp_server_name",
    "bootfile_name",
];

impl Topology {
    /// Reads the text of a topology file. `file` is its name in messages.
    pub fn parse(text: &str, file: &str) -> Result<Topology, Refused> {
        Self::parse_in_chunks(text, file, CHUNK)
    }

    /// Reads a topology file of at most 64 MiB.
    pub fn load(path: &Path) -> Result<Topology, Refused> {
        Self::parse(&document::read_text(path, MAX_FILE)?, &path.to_string_lossy())
    }

    pub(super) fn parse_in_chunks(text: &str, file: &str, size: usize) -> Result<Topology, Refused> {
        let text = document::without_byte_order_mark(text);
        let mut chunks = document::chunks(text, size);
        let (draft, mut report) = match Draft::read(&chunks) {
            Ok(read) => read,
            Err(Torn { start }) => {
                document::check_syntax(file, text, start)?;
                chunks = vec![(0, text)];
                match Draft::read(&chunks) {
                    Ok(read) => read,
                    Err(_) => return Err(document::not_toml(file, text)),
                }
            }
        };
        let topology = draft.assemble(text, file, &mut report);
        if report.is_empty() { Ok(topology) } else { Err(report.refuse(file, text, &chunks)) }
    }
}

/// The chunk that starts here is no document of its own, or it speaks of a thing that one before speaks of.
struct Torn {
    start: usize,
}

/// Values that are right by themselves.
#[derive(Default)]
struct Draft {
    names: HashSet<Name>,
    nodes: BTreeMap<Name, Node>,
    /// With the offset of the name of the physical network.
    networks: BTreeMap<Name, (Network, Option<usize>)>,
    ports: BTreeMap<Name, Arc<Port>>,
    security_groups: BTreeMap<Name, Arc<SecurityGroup>>,
    address_groups: BTreeMap<Name, Arc<AddressGroup>>,
    /// The file says something about security.
    firewall: bool,
    mtu: Option<Mtu>,
    /// What the file declares but has a problem: (kind, name).
    broken: HashSet<(&'static str, Name)>,
}

impl Draft {
    fn read(chunks: &[(usize, &str)]) -> Result<(Draft, Report), Torn> {
        let mut draft = Draft::default();
        let mut report = Report::default();
        for &chunk in chunks {
            let root = document::parse_chunk(chunk).ok_or(Torn { start: chunk.0 })?;
            draft.add(&root, chunk.0, &mut report)?;
        }
        Ok((draft, report))
    }

    fn add(&mut self, root: &DeTable<'_>, base: usize, report: &mut Report) -> Result<(), Torn> {
        for (key, value) in root {
            let at = At::ROOT.key(key.get_ref());
            let Some(&kind) = KINDS.iter().find(|kind| ***kind == **key.get_ref()) else {
                report.push(&at, Fault::UnknownKey { known: KINDS });
                continue;
            };
            if kind == "mtu" {
                if self.mtu.is_some() {
                    return Err(Torn { start: base });
                }
                self.mtu = Some(Mtu::read(value, &at, report));
                continue;
            }
            self.firewall |= matches!(kind, "security_groups" | "address_groups");
            for (name, value) in document::table(value, &at, report).into_iter().flatten() {
                let at = at.key(name.get_ref());
                // Nothing refers to a port.
                let name = if kind == "ports" { Name::from(&**name.get_ref()) } else { self.name(name.get_ref()) };
                if self.declares(kind, &name) {
                    return Err(Torn { start: base });
                }
                check_name(&name, &at, report);
                let sound = match kind {
                    "nodes" => self.add_node(&name, value, &at, report),
                    "networks" => self.add_network(&name, (base, value), &at, report),
                    "security_groups" => security::security_group(&name, value, &at, report)
                        .map(|group| drop(self.security_groups.insert(name.clone(), Arc::new(group)))),
                    "address_groups" => security::address_group(&name, value, &at, report)
                        .map(|group| drop(self.address_groups.insert(name.clone(), Arc::new(group)))),
                    _ => self.add_port(&name, value, &at, report),
                };
                if sound.is_none() {
                    self.broken.insert((kind, name));
                }
            }
        }
        Ok(())
    }

    fn declares(&self, kind: &'static str, name: &Name) -> bool {
        let sound = match kind {
            "nodes" => self.nodes.contains_key(name),
            "networks" => self.networks.contains_key(name),
            "security_groups" => self.security_groups.contains_key(name),
            "address_groups" => self.address_groups.contains_key(name),
            _ => self.ports.contains_key(name),
        };
        sound || (!self.broken.is_empty() && self.broken.contains(&(kind, name.clone())))
    }

    /// The shared string of a name.
    fn name(&mut self, text: &str) -> Name {
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        self.names.insert(name.clone());
        name
    }

    fn add_node(&mut self, name: &Name, value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<()> {
        let mut node = Node { name: name.clone(), tunnel_ip: None };
        for (key, value) in document::table(value, at, report)? {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "tunnel_ip" => node.tunnel_ip = Some(address(value, &at, report)?),
                _ => report.push(&at, Fault::UnknownKey { known: &["tunnel_ip"] }),
            }
        }
        self.nodes.insert(name.clone(), node);
        Some(())
    }

    fn add_network(
        &mut self,
        name: &Name,
        (base, value): (usize, &Value<'_>),
        at: &At<'_>,
        report: &mut Report,
    ) -> Option<()> {
        let table = document::table(value, at, report)?;
        let kind = network_kind(table, at, report);
        const KNOWN: &[&str] =
            &["type", "segmentation_id", "physical_network", "mtu", "arp_responder", "nd_responder", "subnets"];
        let (mut mtu, mut subnets, mut sound) = (None, Vec::new(), true);
        let (mut arp_responder, mut nd_responder) = (None, None);
        for (key, value) in table {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "type" | "segmentation_id" | "physical_network" => {}
                "mtu" => {
                    mtu = document::number(value, &at, report, "a size in bytes", (u32::from(LEAST), 65535));
                    sound &= mtu.is_some();
                }
                "subnets" => {
                    for (name, value) in document::table(value, &at, report)? {
                        let at = at.key(name.get_ref());
                        check_name(name.get_ref(), &at, report);
                        match subnet(name.get_ref(), value, &at, report) {
                            Some(subnet) => subnets.push(subnet),
                            None => sound = false,
                        }
                    }
                }
                "arp_responder" => {
                    arp_responder = document::boolean(value, &at, report);
                    sound &= arp_responder.is_some();
                }
                "nd_responder" => {
                    nd_responder = document::boolean(value, &at, report);
                    sound &= nd_responder.is_some();
                }
                _ => report.push(&at, Fault::UnknownKey { known: KNOWN }),
            }
        }
        if let Some(size) =
            mtu.filter(|size| *size < u32::from(LEAST_IPV6) && subnets.iter().any(|subnet| subnet.cidr.is_ipv6()))
        {
            let what = "a size in bytes for a network with an IPv6 subnet";
            let fault =
                Fault::OutOfRange { found: size.to_string().into(), what, low: u32::from(LEAST_IPV6), high: 65535 };
            report.push(&at.key("mtu"), fault);
        }
        for (key, wish) in [("arp_responder", arp_responder), ("nd_responder", nd_responder)] {
            if let (Some(true), Some(kind)) = (wish, kind.as_ref().filter(|kind| !kind.is_vxlan())) {
                report.push(&at.key(key), Fault::NotAllowed { kind: kind.as_str() });
            }
        }
        let mtu = mtu.and_then(|size| u16::try_from(size).ok());
        let network = Network { name: name.clone(), kind: kind?, mtu, arp_responder, nd_responder, subnets };
        check_subnets(&network, at, report);
        let named_at = table.get("physical_network").map(|value| base + value.span().start);
        sound.then(|| self.networks.insert(name.clone(), (network, named_at))).map(drop)
    }

    fn add_port(&mut self, name: &Name, value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<()> {
        let mut security_groups = Some(None);
        let table = document::table(value, at, report)?;
        let (mut network, mut node, mut interface, mut mac) = (None, None, None, None);
        let (mut fixed_ips, mut port_security, mut pairs, mut boot) = (Some(Vec::new()), Some(true), None, None);
        for (key, value) in table {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "network" => network = Some(document::string(value, &at, report)),
                "node" => node = Some(document::string(value, &at, report)),
                "interface" => interface = Some(document::string(value, &at, report)),
                "mac_address" => {
                    mac = Some(document::parsed(value, &at, report, Fault::BadMac, |text| text.parse().ok()));
                }
                "fixed_ips" => fixed_ips = addresses(value, &at, report),
                "port_security" => port_security = document::boolean(value, &at, report),
                "allowed_address_pairs" => pairs = Some(value),
                "security_groups" => {
                    self.firewall = true;
                    security_groups = security::port_groups(value, &at, report).map(Some);
                }
                key if Boot::KEYS.contains(&key) => {
                    boot.get_or_insert_with(Box::<Boot>::default).read(key, value, &at, report);
                }
                _ => report.push(&at, Fault::UnknownKey { known: PORT_KEYS }),
            }
        }
        for (missing, key, expected) in [
            (network.is_none(), "network", "the name of a network"),
            (node.is_none(), "node", "the name of a node"),
            (mac.is_none(), "mac_address", "an Ethernet address"),
        ] {
            if missing {
                report.push(at, Fault::Missing { key, expected });
            }
        }
        let mac = mac.flatten();
        let allowed_address_pairs = match pairs {
            // The address is only a default: without it, the pairs are still worth a look.
            Some(value) => address_pairs(value, mac.unwrap_or_default(), &at.key("allowed_address_pairs"), report),
            None => Some(Vec::new()),
        };
        let interface = match interface {
            Some(text) => Some(Name::from(text?)),
            None => None,
        };
        let port = Port {
            name: name.clone(),
            network: self.name(network??),
            node: self.name(node??),
            interface,
            mac_address: mac?,
            fixed_ips: fixed_ips?,
            port_security: port_security?,
            allowed_address_pairs: allowed_address_pairs?,
            security_groups: security_groups?,
            boot,
        };
        self.ports.insert(port.name.clone(), Arc::new(port));
        Some(())
    }

    /// Puts the values together and checks them against each other.
    fn assemble(self, text: &str, file: &str, report: &mut Report) -> Topology {
        let Draft { names, nodes, networks, ports, mtu, broken, .. } = self;
        let (mut security_groups, mut address_groups) = (self.security_groups, self.address_groups);
        drop(names);
        // Groups with a problem of their own: do not blame the rules that name them.
        for (kind, name) in &broken {
            match *kind {
                "security_groups" => drop(security_groups.insert(name.clone(), Arc::new(SecurityGroup::empty(name)))),
                "address_groups" => drop(address_groups.insert(name.clone(), Arc::new(AddressGroup::empty(name)))),
                _ => {}
            }
        }
        if nodes.is_empty() && !broken.iter().any(|(kind, _)| *kind == "nodes") {
            report.push(&At::ROOT, Fault::NoNodes);
        }
        let offsets: Vec<usize> = networks.values().filter_map(|(_, named_at)| *named_at).collect();
        let mut positions = document::positions_in(text, &offsets).into_iter();
        let networks = networks.into_iter().map(|(name, (network, named_at))| {
            let position = named_at.and_then(|_| positions.next());
            (name, NetworkEntry::new(Arc::new(network), position))
        });
        let security = match self.firewall {
            true => Security::new(security_groups, address_groups),
            false => Security::default(),
        };
        let has_ipv6_tunnels = nodes.values().any(|node| node.tunnel_ip.is_some_and(|address| address.is_ipv6()));
        let mut topology = Topology {
            networks: networks.collect(),
            nodes: nodes.into_iter().map(|(name, node)| (name, NodeEntry::from(node))).collect(),
            ports: BTreeMap::new(),
            security,
            mtu: mtu.unwrap_or_default(),
            has_ipv6_tunnels,
            file: Some(Name::from(file)),
        };
        topology.check_shared(report);
        topology.check_remotes(report);
        for port in ports.values() {
            let groups = port.security_groups.iter().flat_map(|names| names.iter());
            let mut unsure = [("networks", &port.network), ("nodes", &port.node)]
                .into_iter()
                .chain(groups.map(|name| ("security_groups", name)));
            // Its network, node or group has a problem of its own: do not blame the port.
            if !broken.is_empty() && unsure.any(|(kind, name)| broken.contains(&(kind, name.clone()))) {
                continue;
            }
            topology.check_port(port, report);
            topology.index_port(port);
        }
        topology.ports = ports;
        // Of a file with other problems nobody knows what its networks can carry.
        if report.is_empty() {
            topology.check_mtus(report);
        }
        topology
    }
}

/// `type`, and the keys that depend on it.
fn network_kind(table: &DeTable<'_>, at: &At<'_>, report: &mut Report) -> Option<NetworkKind> {
    let Some(value) = table.get("type") else {
        report.push(at, Fault::Missing { key: "type", expected: "\"local\", \"flat\", \"vlan\" or \"vxlan\"" });
        return None;
    };
    let kind = document::parsed(value, &at.key("type"), report, Fault::BadType, |text| {
        ["local", "flat", "vlan", "vxlan"].into_iter().find(|kind| *kind == text)
    })?;

    let at_physical = at.key("physical_network");
    let physical_network = match (table.get("physical_network"), kind) {
        (Some(value), "flat" | "vlan") => document::string(value, &at_physical, report).map(|name| {
            check_name(name, &at_physical, report);
            Name::from(name)
        }),
        (Some(_), kind) => {
            report.push(&at_physical, Fault::NotAllowed { kind });
            return None;
        }
        (None, "flat" | "vlan") => {
            report.push(at, Fault::Missing { key: "physical_network", expected: "the name of one" });
            None
        }
        (None, _) => None,
    };

    let at_segment = at.key("segmentation_id");
    let (what, range) = if kind == "vlan" { ("a VLAN id", (1, 4094)) } else { ("a VNI", (1, 0x00ff_ffff)) };
    let segmentation_id = match (table.get("segmentation_id"), kind) {
        (Some(value), "vlan" | "vxlan") => document::number(value, &at_segment, report, what, range),
        (Some(_), kind) => {
            report.push(&at_segment, Fault::NotAllowed { kind });
            return None;
        }
        (None, "vlan" | "vxlan") => {
            report.push(at, Fault::Missing { key: "segmentation_id", expected: what });
            None
        }
        (None, _) => None,
    };

    Some(match kind {
        "local" => NetworkKind::Local,
        "flat" => NetworkKind::Flat { physical_network: physical_network? },
        "vlan" => NetworkKind::Vlan {
            physical_network: physical_network?,
            segmentation_id: u16::try_from(segmentation_id?).ok()?,
        },
        _ => NetworkKind::Vxlan { segmentation_id: segmentation_id? },
    })
}

fn subnet(name: &str, value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<Subnet> {
    let (mut cidr, mut gateway_ip, mut dhcp) = (None, None, Dhcp::default());
    let (mut ipv6_ra_mode, mut ipv6_address_mode) = (None, None);
    for (key, value) in document::table(value, at, report)? {
        let at = at.key(key.get_ref());
        match &**key.get_ref() {
            "cidr" => cidr = Some(document::parsed(value, &at, report, Fault::BadCidr, block)),
            "gateway_ip" => gateway_ip = Some(address(value, &at, report)),
            "ipv6_ra_mode" => ipv6_ra_mode = Ipv6Mode::read(value, &at, report),
            "ipv6_address_mode" => ipv6_address_mode = Ipv6Mode::read(value, &at, report),
            key if dhcp.read(key, value, &at, report) => {}
            _ => report.push(&at, Fault::UnknownKey { known: SUBNET_KEYS }),
        }
    }
    if cidr.is_none() {
        report.push(at, Fault::Missing { key: "cidr", expected: "a block of addresses" });
    }
    let gateway_ip = match gateway_ip {
        Some(address) => Some(address?),
        None => None,
    };
    Some(Subnet { name: name.into(), cidr: cidr??, gateway_ip, dhcp, ipv6_ra_mode, ipv6_address_mode })
}

/// `ADDRESS/BITS`.
pub(super) fn block(text: &str) -> Option<IpNetwork> {
    let (address, bits) = text.split_once('/')?;
    let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    IpNetwork::new(address.parse().ok()?, digits.then(|| bits.parse().ok())??).ok()
}

fn address(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<IpAddr> {
    document::parsed(value, at, report, Fault::BadAddress, |text| text.parse().ok())
}

fn addresses(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<Vec<IpAddr>> {
    let values = document::array(value, at, report)?;
    let mut addresses = Vec::with_capacity(values.len());
    addresses.extend(values.iter().enumerate().filter_map(|(index, value)| address(value, &at.index(index), report)));
    (addresses.len() == values.len()).then_some(addresses)
}

fn address_pairs(value: &Value<'_>, own: MacAddr, at: &At<'_>, report: &mut Report) -> Option<Vec<AddressPair>> {
    let values = document::array(value, at, report)?;
    let mut pairs = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let at = at.index(index);
        let (mut ip_address, mut mac_address) = (None, Some(own));
        for (key, value) in document::table(value, &at, report)? {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "ip_address" => {
                    let read = |text: &str| block(text).or_else(|| text.parse().map(IpAddr::into).ok());
                    ip_address = Some(document::parsed(value, &at, report, Fault::BadCidr, read));
                }
                "mac_address" => {
                    mac_address = document::parsed(value, &at, report, Fault::BadMac, |text| text.parse().ok());
                }
                _ => report.push(&at, Fault::UnknownKey { known: &["ip_address", "mac_address"] }),
            }
        }
        if ip_address.is_none() {
            report.push(&at, Fault::Missing { key: "ip_address", expected: "an address or a block of addresses" });
        }
        if let (Some(Some(ip_address)), Some(mac_address)) = (ip_address, mac_address) {
            pairs.push(AddressPair { ip_address, mac_address });
        }
    }
    (pairs.len() == values.len()).then_some(pairs)
}
