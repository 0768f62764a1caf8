//! The topology itself: three sorted maps, and the indexes that answer without a search.
//!
//! Ports are shared by their `Arc`; an index entry is one pointer. Names are shared too: a port's `network` and `node`
//! are the very strings of the network and the node.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::document::Report;
use super::mtu::{Mtu, Underlay, check_mtu};
use super::security::Security;
use super::{Conflict, Name, Network, Node, Port, Position};
use crate::openflow::MacAddr;

/// A validated topology.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    pub(super) nodes: BTreeMap<Name, NodeEntry>,
    pub(super) networks: BTreeMap<Name, NetworkEntry>,
    pub(super) ports: BTreeMap<Name, Arc<Port>>,
    pub(super) security: Security,
    pub(super) mtu: Mtu,
    /// If any node has an IPv6 `tunnel_ip`.
    pub(super) has_ipv6_tunnels: bool,
    /// The file it comes from, for messages.
    pub(super) file: Option<Name>,
}

/// A node and what is on it.
#[derive(Debug, Clone)]
pub(super) struct NodeEntry {
    pub(super) node: Node,
    networks: BTreeSet<Name>,
    pub(super) interfaces: BTreeSet<ByInterface>,
}

impl From<Node> for NodeEntry {
    fn from(node: Node) -> Self {
        Self { node, networks: BTreeSet::new(), interfaces: BTreeSet::new() }
    }
}

/// A network and what is in it.
#[derive(Debug, Clone)]
pub(super) struct NetworkEntry {
    pub(super) network: Arc<Network>,
    /// Where the file names its physical network.
    pub(super) position: Option<Position>,
    /// By node; no set is empty.
    nodes: BTreeMap<Name, BTreeSet<ByName>>,
    pub(super) macs: BTreeMap<MacAddr, Arc<Port>>,
    pub(super) addresses: BTreeMap<IpAddr, Arc<Port>>,
}

impl NetworkEntry {
    pub(super) fn new(network: Arc<Network>, position: Option<Position>) -> Self {
        Self { network, position, nodes: BTreeMap::new(), macs: BTreeMap::new(), addresses: BTreeMap::new() }
    }
}

impl Topology {
    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name).map(|entry| &entry.node)
    }

    /// The network of this name.
    pub fn network(&self, name: &str) -> Option<&Arc<Network>> {
        self.networks.get(name).map(|entry| &entry.network)
    }

    /// The port of this name.
    pub fn port(&self, name: &str) -> Option<&Arc<Port>> {
        self.ports.get(name)
    }

    /// All nodes, sorted by name.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.nodes.values().map(|entry| &entry.node)
    }

    /// All networks, sorted by name.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = &Arc<Network>> {
        self.networks.values().map(|entry| &entry.network)
    }

    /// All ports, sorted by name.
    pub fn ports(&self) -> impl ExactSizeIterator<Item = &Arc<Port>> {
        self.ports.values()
    }

    /// The ports of a network on a node, sorted by name.
    pub fn ports_on<'a>(&'a self, network: &str, node: &str) -> impl Iterator<Item = &'a Arc<Port>> + use<'a> {
        let ports = self.networks.get(network).and_then(|entry| entry.nodes.get(node));
        ports.into_iter().flatten().map(|ByName(port)| port)
    }

    /// All ports of a network, sorted by node and then by name.
    pub fn members<'a>(&'a self, network: &str) -> impl Iterator<Item = &'a Arc<Port>> + use<'a> {
        let entry = self.networks.get(network);
        entry.into_iter().flat_map(|entry| entry.nodes.values().flatten()).map(|ByName(port)| port)
    }

    /// The nodes with at least one port of the network, sorted.
    pub fn nodes_of<'a>(&'a self, network: &str) -> impl Iterator<Item = &'a Name> + use<'a> {
        self.networks.get(network).into_iter().flat_map(|entry| entry.nodes.keys())
    }

    /// The networks with at least one port on the node, sorted.
    pub fn networks_on<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a Name> + use<'a> {
        self.nodes.get(node).into_iter().flat_map(|entry| &entry.networks)
    }

    /// All ports of a node, sorted by network and then by name.
    pub fn local_ports<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a Arc<Port>> + use<'a> {
        let entry = self.nodes.get(node);
        entry.into_iter().flat_map(|entry| entry.networks.iter().flat_map(|name| self.ports_on(name, &entry.node.name)))
    }

    /// The port of a node that names this interface in the file.
    pub fn port_by_interface(&self, node: &str, interface: &str) -> Option<&Arc<Port>> {
        self.nodes.get(node)?.interfaces.get(interface).map(|ByInterface(port)| port)
    }

    /// The port of a network with this Ethernet address.
    pub fn port_by_mac(&self, network: &str, mac: MacAddr) -> Option<&Arc<Port>> {
        self.networks.get(network)?.macs.get(&mac)
    }

    /// The port of a network with this fixed address.
    pub fn port_by_address(&self, network: &str, address: IpAddr) -> Option<&Arc<Port>> {
        self.networks.get(network)?.addresses.get(&address)
    }

    /// The other nodes that share at least one VXLAN network with `node`, sorted by name, each once.
    pub fn peers<'a>(&'a self, node: &str) -> impl Iterator<Item = &'a Node> + use<'a> {
        let mut names = BTreeSet::new();
        for network in self.networks_on(node).filter_map(|name| self.networks.get(name)) {
            if network.network.kind.is_vxlan() {
                names.extend(network.nodes.keys());
            }
        }
        names.retain(|name: &&Name| &***name != node);
        names.into_iter().filter_map(|name| self.node(name))
    }

    /// The file it comes from.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Where the file names the physical network of this network.
    pub(crate) fn physical_network_position(&self, network: &str) -> Option<Position> {
        self.networks.get(network)?.position
    }

    /// Adds a port, or replaces the one of this name and returns it. Checked as the file is; a port that does not fit
    /// changes nothing.
    pub fn insert_port(&mut self, mut port: Port) -> Result<Option<Arc<Port>>, Conflict> {
        let mut report = Report::default();
        self.check_port(&port, &mut report);
        if let Some(entry) = self.networks.get(&port.network).filter(|_| self.underlay_of(&port.node) == Underlay::Ipv6)
        {
            check_mtu(&entry.network, self.mtu.limit(&entry.network.kind, Underlay::Ipv6), &mut report);
        }
        if !report.is_empty() {
            return Err(Conflict { problems: report.into_problems() });
        }
        if let Some(entry) = self.networks.get(&port.network) {
            port.network = entry.network.name.clone();
        }
        if let Some(entry) = self.nodes.get(&port.node) {
            port.node = entry.node.name.clone();
        }
        let replaced = self.remove_port(&port.name);
        let port = Arc::new(port);
        self.index_port(&port);
        self.ports.insert(port.name.clone(), port);
        Ok(replaced)
    }

    /// Removes a port and returns it.
    pub fn remove_port(&mut self, name: &str) -> Option<Arc<Port>> {
        let port = self.ports.remove(name)?;
        self.security.leave(&port);
        if let Some(network) = self.networks.get_mut(&port.network) {
            network.macs.remove(&port.mac_address);
            for address in &port.fixed_ips {
                network.addresses.remove(address);
            }
            if let Some(ports) = network.nodes.get_mut(&port.node) {
                ports.remove(name);
                if ports.is_empty() {
                    network.nodes.remove(&port.node);
                    if let Some(node) = self.nodes.get_mut(&port.node) {
                        node.networks.remove(&port.network);
                    }
                }
            }
        }
        if let (Some(node), Some(interface)) = (self.nodes.get_mut(&port.node), &port.interface) {
            node.interfaces.remove(&**interface);
        }
        Some(port)
    }

    /// Enters a checked port into every index. Its network and node exist.
    pub(super) fn index_port(&mut self, port: &Arc<Port>) {
        self.security.enter(port);
        if let Some(network) = self.networks.get_mut(&port.network) {
            network.macs.insert(port.mac_address, port.clone());
            network.addresses.extend(port.fixed_ips.iter().map(|address| (*address, port.clone())));
            network.nodes.entry(port.node.clone()).or_default().insert(ByName(port.clone()));
        }
        if let Some(node) = self.nodes.get_mut(&port.node) {
            if !node.networks.contains(&port.network) {
                node.networks.insert(port.network.clone());
            }
            if port.interface.is_some() {
                node.interfaces.insert(ByInterface(port.clone()));
            }
        }
    }
}

/// A port in the order of its name.
#[derive(Debug, Clone)]
pub(super) struct ByName(pub(super) Arc<Port>);

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        &self.0.name
    }
}

/// A port with an interface, in the order of that.
#[derive(Debug, Clone)]
pub(super) struct ByInterface(pub(super) Arc<Port>);

impl Borrow<str> for ByInterface {
    fn borrow(&self) -> &str {
        self.0.interface.as_deref().unwrap_or_default()
    }
}

/// Orders a wrapper of a port by the text that it lends.
macro_rules! order_by_borrowed_text {
    ($($wrapper:ty),+) => {$(
        impl PartialEq for $wrapper {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $wrapper {}

        impl PartialOrd for $wrapper {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $wrapper {
            fn cmp(&self, other: &Self) -> Ordering {
                let text: &str = self.borrow();
                text.cmp(other.borrow())
            }
        }
    )+};
}

order_by_borrowed_text!(ByName, ByInterface);
