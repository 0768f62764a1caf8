//! Random topologies, small enough that things meet.

use std::collections::BTreeMap;
use std::fmt::Write;

use heddle::topology::Topology;
use proptest::prelude::*;

pub const NODES: u8 = 3;
pub const NETWORKS: u8 = 4;
pub const PORTS: u8 = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Local,
    Flat,
    Vlan,
    Vxlan,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetworkModel {
    pub kind: Kind,
    /// Tells one segment of the network from the next, and whether it has DHCP.
    pub version: u8,
    /// What the network says about the two responders; heard in a VXLAN network only.
    pub responders: [Option<bool>; 2],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortModel {
    pub network: u8,
    pub node: u8,
    pub port_security: bool,
    pub pair: bool,
}

/// A topology as a few numbers. Names are `node0`, `net0`, `port0`, physical networks `phys0` and `phys1`; every
/// network has the same addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Model {
    pub networks: Vec<NetworkModel>,
    pub ports: BTreeMap<u8, PortModel>,
}

pub fn network_model() -> impl Strategy<Value = NetworkModel> {
    let kinds =
        prop_oneof![1 => Just(Kind::Local), 1 => Just(Kind::Flat), 1 => Just(Kind::Vlan), 4 => Just(Kind::Vxlan)];
    let wish = || prop_oneof![2 => Just(None), 1 => Just(Some(false)), 1 => Just(Some(true))];
    (kinds, 0..3_u8, [wish(), wish()]).prop_map(|(kind, version, responders)| NetworkModel {
        kind,
        version,
        responders,
    })
}

pub fn port_model() -> impl Strategy<Value = PortModel> {
    let security = prop_oneof![3 => Just(true), 1 => Just(false)];
    let pair = prop_oneof![3 => Just(false), 1 => Just(true)];
    (0..NETWORKS, 0..NODES, security, pair).prop_map(|(network, node, port_security, pair)| PortModel {
        network,
        node,
        port_security,
        pair: pair && port_security,
    })
}

pub fn model() -> impl Strategy<Value = Model> {
    let networks = prop::collection::vec(network_model(), usize::from(NETWORKS));
    let ports = prop::collection::btree_map(0..PORTS, port_model(), 0..=usize::from(PORTS));
    (networks, ports).prop_map(|(networks, ports)| Model { networks, ports })
}

impl Model {
    pub fn topology(&self) -> Topology {
        let mut text = String::new();
        for node in 0..NODES {
            writeln!(text, "nodes.node{node}.tunnel_ip = '192.0.2.{node}'").unwrap();
        }
        for (index, network) in self.networks.iter().enumerate() {
            // A physical network carries one flat network; there are two, so that others become VLANs.
            let physical = index % 2;
            let vlan = 100 + 10 * index + usize::from(network.version);
            let kind = match network.kind {
                Kind::Local => "type = 'local'".to_owned(),
                Kind::Flat if index < 2 => format!("type = 'flat', physical_network = 'phys{physical}'"),
                Kind::Flat | Kind::Vlan => {
                    format!("type = 'vlan', segmentation_id = {vlan}, physical_network = 'phys{physical}'")
                }
                Kind::Vxlan => {
                    let wishes = ["arp_responder", "nd_responder"].into_iter().zip(network.responders);
                    let said = wishes.filter_map(|(key, wish)| Some(format!(", {key} = {}", wish?)));
                    format!("type = 'vxlan', segmentation_id = {}{}", 1000 + vlan, said.collect::<String>())
                }
            };
            // The gateway's address is that of port 2, which may be in the network or not.
            let dhcp = match network.version {
                0 => "",
                1 => ", enable_dhcp = true, gateway_ip = '10.0.0.3'",
                _ => ", enable_dhcp = true, dhcp_server_ip = '10.0.0.200'",
            };
            let ipv6 = match network.version {
                0 => "",
                1 => ", ipv6_ra_mode = 'slaac', gateway_ip = '2001:db8::3'",
                _ => ", enable_dhcp = true, ipv6_ra_mode = 'dhcpv6-stateful', ipv6_address_mode = 'dhcpv6-stateful'",
            };
            let subnets = format!("v4 = {{ cidr = '10.0.0.0/24'{dhcp} }}, v6 = {{ cidr = '2001:db8::/64'{ipv6} }}");
            writeln!(text, "networks.net{index} = {{ {kind}, subnets = {{ {subnets} }} }}").unwrap();
        }
        for (id, port) in &self.ports {
            let pairs = if port.pair { "allowed_address_pairs = [{ ip_address = '10.0.0.64/28' }], " } else { "" };
            writeln!(
                text,
                "ports.port{id} = {{ network = 'net{}', node = 'node{}', mac_address = '{}', port_security = {}, {pairs}\
                 fixed_ips = ['10.0.0.{}', '2001:db8::{}'] }}",
                port.network,
                port.node,
                mac(*id),
                port.port_security,
                id + 1,
                id + 1,
            )
            .unwrap();
        }
        Topology::parse(&text, "random").unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

/// The MAC address of a port.
pub fn mac(id: u8) -> String {
    format!("fa:16:3e:00:00:{:02x}", id + 1)
}
