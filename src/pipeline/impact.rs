//! Which objects a change of the input concerns.

use std::sync::Arc;

use crate::topology::{NetworkKind, Port, Topology};

use super::dhcp;
use super::object::Object;
use super::view::View;

impl View<'_> {
    /// Every object that may have flows, in an order that depends on nothing but the view.
    pub fn objects(&self) -> impl Iterator<Item = Object> {
        let physical = self.layout.physical_networks.iter().cloned().map(Object::Physical);
        let networks = self.bindings.local_vlans.keys();
        let with_ports = networks.flat_map(|network| self.objects_of_network(network));
        let peers = self.bindings.tunnels.keys().cloned().map(Object::Peer);
        let bound = |port: &&Arc<Port>| self.bindings.ports.contains_key(&port.name);
        let local = self.topology.local_ports(&self.layout.node).filter(bound);
        let ports = local.map(|port| Object::Port(port.name.clone()));
        [Object::Host].into_iter().chain(physical).chain(peers).chain(with_ports).chain(ports)
    }

    /// A network came into use, went out of use, or changed its segment: the network and all its ports.
    pub fn objects_of_network(&self, network: &str) -> impl Iterator<Item = Object> {
        let members = self.topology.members(network).map(|port| Object::Port(port.name.clone()));
        [Object::Network(network.into())].into_iter().chain(members)
    }

    /// A tunnel port to `node` came, went or changed its number: what is reached through it.
    pub fn objects_of_tunnel(&self, node: &str) -> Vec<Object> {
        let mut objects = vec![Object::Peer(node.into())];
        for network in self.topology.networks_on(node).filter(|network| self.local_vlan(network).is_some()) {
            objects.push(Object::Network(network.clone()));
            objects.extend(self.topology.ports_on(network, node).map(|port| Object::Port(port.name.clone())));
        }
        objects
    }

    /// A patch port of a physical network changed its number: the guards, and the networks on the wire.
    pub fn objects_of_physical(&self, physical_network: &str) -> Vec<Object> {
        let on_it = self.bindings.local_vlans.keys().filter(|name| {
            self.topology.network(name).is_some_and(|network| match &network.kind {
                NetworkKind::Flat { physical_network: on } | NetworkKind::Vlan { physical_network: on, .. } => {
                    **on == *physical_network
                }
                NetworkKind::Local | NetworkKind::Vxlan { .. } => false,
            })
        });
        let networks = on_it.cloned().map(Object::Network);
        [Object::Physical(physical_network.into())].into_iter().chain(networks).collect()
    }

    /// A port of the topology came, went or changed. `before` is the topology that was in force; this
    /// view has the new one, with all that changed together.
    pub fn objects_of_port(&self, before: &Topology, name: &str) -> Vec<Object> {
        let (old, new) = (before.port(name), self.topology.port(name));
        let mut objects = Vec::new();
        for port in [old, new].into_iter().flatten() {
            if objects.is_empty() {
                objects.push(Object::Port(port.name.clone()));
            }
            let is_there = |topology: &Topology| topology.ports_on(&port.network, &port.node).next().is_some();
            let flood_list_changed = is_there(before) != is_there(self.topology);
            let restricted = port.port_security && port.allowed_address_pairs.is_empty();
            if flood_list_changed || (self.is_local(port) && !restricted) {
                objects.push(Object::Network(port.network.clone()));
            }
        }
        let is_server = |topology: &Topology, port: &Option<&Arc<Port>>| {
            let concerns_others =
                |port: &&Arc<Port>| dhcp::has_address_of_server(port, topology) || topology.is_ipv6_router(port);
            port.filter(concerns_others).map(|port| port.network.clone())
        };
        for network in [is_server(before, &old), is_server(self.topology, &new)].into_iter().flatten() {
            let clients = self.topology.ports_on(&network, &self.layout.node);
            objects.extend(clients.map(|port| Object::Port(port.name.clone())));
        }
        objects
    }
}
