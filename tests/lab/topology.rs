//! What the lab's `topology.toml` says, as a value that tests change.

use std::net::IpAddr;

use toml::{Table, Value};

/// How a network leaves its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Not at all.
    Local,
    /// Untagged on a physical network.
    Flat(&'static str),
    /// With a VLAN id on a physical network.
    Vlan(&'static str, u16),
    /// In VXLAN with a VNI.
    Vxlan(u32),
}

/// One network and its subnets.
#[derive(Debug, Clone)]
pub struct Network {
    pub name: String,
    pub kind: Kind,
    /// Each as `172.18.0.0/24`; the gateway is the first address.
    pub subnets: Vec<String>,
    /// More keys of the network; tables are merged with what stands here. Its subnets are `NETWORK-0`, `NETWORK-1`, ….
    pub more: Table,
}

/// One port, as `topology.toml` has it.
#[derive(Debug, Clone)]
pub struct Port {
    pub name: String,
    pub network: String,
    pub node: String,
    /// Bound by this OVS interface name; none: by `external_ids:iface-id`.
    pub interface: Option<String>,
    pub mac_address: String,
    pub fixed_ips: Vec<IpAddr>,
    /// None: what Heddle does by default.
    pub port_security: Option<bool>,
    /// Address or CIDR, and a MAC unless it is the port's own.
    pub allowed_address_pairs: Vec<(String, Option<String>)>,
    /// None: what Heddle does by default.
    pub security_groups: Option<Vec<String>>,
}

/// The whole file.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// Name and tunnel address.
    pub nodes: Vec<(String, IpAddr)>,
    pub networks: Vec<Network>,
    pub ports: Vec<Port>,
    /// TOML: `security_groups` and `address_groups`.
    pub security: String,
}

impl Topology {
    /// The port to change. Panics if there is none of that name.
    pub fn port(&mut self, name: &str) -> &mut Port {
        let port = self.ports.iter_mut().find(|port| port.name == name);
        port.unwrap_or_else(|| panic!("the lab's topology has no port {name}"))
    }

    /// Takes a port away.
    pub fn remove_port(&mut self, name: &str) -> Port {
        let at = self.ports.iter().position(|port| port.name == name);
        self.ports.remove(at.unwrap_or_else(|| panic!("the lab's topology has no port {name}")))
    }

    /// The network of that name. Panics if there is none.
    pub fn network(&self, name: &str) -> &Network {
        let network = self.networks.iter().find(|network| network.name == name);
        network.unwrap_or_else(|| panic!("the lab's topology has no network {name}"))
    }

    /// The physical networks in use, in order of first mention.
    pub fn physical_networks(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for network in &self.networks {
            if let Kind::Flat(name) | Kind::Vlan(name, _) = network.kind
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// The text of `topology.toml`.
    pub fn render(&self) -> String {
        let nodes = self.nodes.iter().map(|(name, ip)| (name.clone(), Value::Table(node_table(*ip))));
        let networks = self.networks.iter().map(|network| (network.name.clone(), Value::Table(network.table())));
        let ports = self.ports.iter().map(|port| (port.name.clone(), Value::Table(port.table())));
        let mut file = Table::new();
        file.insert("nodes".into(), Value::Table(nodes.collect()));
        file.insert("networks".into(), Value::Table(networks.collect()));
        file.insert("ports".into(), Value::Table(ports.collect()));
        file.extend(self.security.parse::<Table>().unwrap_or_else(|e| panic!("security of the lab: {e}")));
        file.to_string()
    }
}

fn node_table(ip: IpAddr) -> Table {
    Table::from_iter([("tunnel_ip".into(), ip.to_string().into())])
}

impl Network {
    /// The address of host number `host` in each subnet, with IPv4 subnets up to /16 and IPv6 ones as long as that.
    pub fn addresses(&self, host: u16) -> Vec<IpAddr> {
        self.subnets.iter().map(|cidr| address_in(cidr, host)).collect()
    }

    /// What fits into one underlay packet of 1,500 bytes.
    pub fn mtu(&self) -> u32 {
        if matches!(self.kind, Kind::Vxlan(_)) { 1450 } else { 1500 }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        let (kind, physical, id) = match self.kind {
            Kind::Local => ("local", None, None),
            Kind::Flat(physical) => ("flat", Some(physical), None),
            Kind::Vlan(physical, id) => ("vlan", Some(physical), Some(i64::from(id))),
            Kind::Vxlan(id) => ("vxlan", None, Some(i64::from(id))),
        };
        table.insert("type".into(), kind.into());
        table.extend(physical.map(|name| ("physical_network".into(), name.into())));
        table.extend(id.map(|id| ("segmentation_id".into(), id.into())));
        let subnets = self.subnets.iter().enumerate();
        let subnets = subnets.map(|(n, cidr)| (format!("{}-{n}", self.name), Value::Table(subnet_table(cidr))));
        table.insert("subnets".into(), Value::Table(subnets.collect()));
        merge(&mut table, self.more.clone());
        table
    }
}

/// Adds `more` to a table, and to the tables inside it.
pub(super) fn merge(into: &mut Table, more: Table) {
    for (key, value) in more {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(table)), Value::Table(more)) => merge(table, more),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn subnet_table(cidr: &str) -> Table {
    let gateway = address_in(cidr, 1).to_string();
    Table::from_iter([("cidr".into(), cidr.into()), ("gateway_ip".into(), gateway.into())])
}

impl Port {
    fn table(&self) -> Table {
        let ips: Vec<_> = self.fixed_ips.iter().map(|ip| Value::from(ip.to_string())).collect();
        let mut table = Table::from_iter([
            ("network".into(), self.network.as_str().into()),
            ("node".into(), self.node.as_str().into()),
            ("mac_address".into(), self.mac_address.as_str().into()),
            ("fixed_ips".into(), ips.into()),
        ]);
        table.extend(self.interface.iter().map(|name| ("interface".into(), name.as_str().into())));
        table.extend(self.port_security.map(|on| ("port_security".into(), on.into())));
        let groups = self.security_groups.iter().map(|names| Value::from(names.clone()));
        table.extend(groups.map(|groups| ("security_groups".into(), groups)));
        if !self.allowed_address_pairs.is_empty() {
            let pairs: Vec<_> = self.allowed_address_pairs.iter().map(pair_table).map(Value::Table).collect();
            table.insert("allowed_address_pairs".into(), pairs.into());
        }
        table
    }
}

fn pair_table((ip, mac): &(String, Option<String>)) -> Table {
    let mut table = Table::from_iter([("ip_address".into(), ip.as_str().into())]);
    table.extend(mac.iter().map(|mac| ("mac_address".into(), mac.as_str().into())));
    table
}

fn address_in(cidr: &str, host: u16) -> IpAddr {
    let (base, _) = cidr.split_once('/').unwrap_or_else(|| panic!("{cidr} is no CIDR"));
    match base.parse().unwrap_or_else(|e| panic!("{cidr}: {e}")) {
        IpAddr::V4(base) => IpAddr::V4((u32::from(base) + u32::from(host)).into()),
        IpAddr::V6(base) => IpAddr::V6((u128::from(base) + u128::from(host)).into()),
    }
}

/// The prefix length that `cidr` names.
pub(super) fn prefix_of(cidr: &str) -> &str {
    cidr.split_once('/').map_or("32", |(_, prefix)| prefix)
}
