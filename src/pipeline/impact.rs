//! Which objects a change of the input concerns.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::topology::{Changes, Name, NetworkKind, Port, Remote, RemoteAddress, Topology};

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
        let addresses = self.topology.remote_addresses().map(object_of);
        [Object::Host].into_iter().chain(physical).chain(peers).chain(with_ports).chain(ports).chain(addresses)
    }

    /// Another topology is in force than `before`, with these changes.
    pub fn objects_of_changes(&self, before: &Topology, changes: &Changes) -> Vec<Object> {
        let mut objects: Vec<Object> = Vec::new();
        for network in &changes.networks {
            objects.extend(self.objects_of_network(network));
        }
        for name in &changes.ports {
            objects.extend(self.objects_of_port(before, name));
        }
        objects.extend(self.objects_of_security_groups(before, &changes.security_groups));
        for name in &changes.address_groups {
            objects.extend(self.objects_of_address_group(before, name));
        }
        if changes.firewall {
            objects.extend(self.objects_of_firewall(before));
        }
        objects
    }

    /// A network came into use, went out of use, or changed its segment: the network and all its ports.
    pub fn objects_of_network(&self, network: &str) -> impl Iterator<Item = Object> {
        let members = self.topology.members(network).map(|port| Object::Port(port.name.clone()));
        let groups = self.topology.groups_in_use(network, &self.layout.node);
        let addresses = groups
            .flat_map(|group| self.topology.remotes_in(group))
            .flat_map(|remote| addresses(self.topology, remote));
        [Object::Network(network.into())].into_iter().chain(members).chain(addresses)
    }

    /// A local port was plugged in, unplugged, or changed its number.
    pub fn objects_of_binding(&self, port: &Name) -> impl Iterator<Item = Object> {
        let network = self.topology.port(port).filter(|_| self.topology.firewall());
        let network = network.map(|port| Object::Network(port.network.clone()));
        [Object::Port(port.clone())].into_iter().chain(network)
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
            let in_firewall = before.firewall() || self.topology.firewall();
            if flood_list_changed || (self.is_local(port) && (!restricted || in_firewall)) {
                objects.push(Object::Network(port.network.clone()));
            }
            self.objects_of_membership(before, port, &mut objects);
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

    /// A port came, went or changed: its addresses for the rules of others, and those of others for its rules, if it
    /// is the first or was the last of its network here in a group.
    fn objects_of_membership(&self, before: &Topology, port: &Port, objects: &mut Vec<Object>) {
        let topologies = [before, self.topology];
        let looked_at = |address: &RemoteAddress| topologies.iter().any(|topology| topology.is_remote(address));
        objects.extend(RemoteAddress::of_port(port).filter(looked_at).map(|address| object_of(&address)));
        if !self.is_local(port) {
            return;
        }
        let in_use = topologies
            .map(|topology| -> BTreeSet<&Name> { topology.groups_in_use(&port.network, &self.layout.node).collect() });
        for group in in_use[0].symmetric_difference(&in_use[1]) {
            for topology in topologies {
                objects.extend(topology.remotes_in(group).flat_map(|remote| addresses(topology, remote)));
            }
        }
    }

    /// Security groups came, went or changed: their ports here, and the addresses that their rules look at.
    fn objects_of_security_groups(&self, before: &Topology, names: &[Name]) -> Vec<Object> {
        let topologies = [before, self.topology];
        let mut groups: BTreeSet<&Name> = names.iter().collect();
        groups.extend(self.topology.renumbered(before));
        let mut objects = Vec::new();
        for name in groups {
            for topology in topologies {
                let local = topology.group_members(name).filter(|port| self.is_local(port));
                objects.extend(local.map(|port| Object::Port(port.name.clone())));
                objects.extend(topology.remotes_in(name).flat_map(|remote| addresses(topology, remote)));
            }
        }
        objects
    }

    /// An address group came, went or changed.
    fn objects_of_address_group(&self, before: &Topology, name: &Name) -> Vec<Object> {
        let remote = Remote::AddressGroup(name.clone());
        [before, self.topology].into_iter().flat_map(|topology| addresses(topology, &remote)).collect()
    }

    /// The firewall was turned on or off.
    fn objects_of_firewall(&self, before: &Topology) -> Vec<Object> {
        let ports = self.topology.local_ports(&self.layout.node).map(|port| Object::Port(port.name.clone()));
        let networks = self.bindings.local_vlans.keys().cloned().map(Object::Network);
        let remote =
            [before, self.topology].into_iter().flat_map(|topology| topology.remote_addresses().map(object_of));
        [Object::Host].into_iter().chain(networks).chain(ports).chain(remote).collect()
    }
}

/// The flows of an address.
fn object_of(address: &RemoteAddress) -> Object {
    Object::Address(Arc::new(*address))
}

/// The flows of the addresses of a set.
fn addresses(topology: &Topology, remote: &Remote) -> impl Iterator<Item = Object> {
    topology.addresses_of(remote).into_iter().map(|address| object_of(&address))
}
