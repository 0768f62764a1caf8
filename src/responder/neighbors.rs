//! Who has which address in the networks of `br-tun`, kept as topology and bindings want it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::addresses::{AddressTable, Holder, NodeKind, Place};
use crate::pipeline::{AnsweredBy, LocalVlan, Object, View, ipv4_addresses, ipv6_addresses, may_route};
use crate::topology::{Name, Port};

/// What is answered in the name of others in one network.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NetworkAnswers {
    /// The addresses that are asked for.
    pub addresses: AddressTable,
}

/// Which questions come up in a network that is in use here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Asked {
    local_vlan: LocalVlan,
    arp: bool,
    nd: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    asked: Asked,
    answers: Arc<NetworkAnswers>,
}

/// The addresses that a port brought in.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    network: Name,
    addresses: Box<[IpAddr]>,
    holder: Holder,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Neighbors {
    networks: HashMap<Name, Entry>,
    ports: HashMap<Name, Known>,
}

impl Neighbors {
    /// Looks at `objects` anew: a network before its ports, whatever their order. True if an answer may have changed.
    pub(super) fn update(&mut self, view: &View<'_>, objects: &[Object]) -> bool {
        let mut changed = false;
        for object in objects {
            if let Object::Network(name) = object {
                changed |= self.update_network(name, view);
            }
        }
        let mut ports = Vec::new();
        for object in objects {
            if let Object::Port(name) = object {
                let after = self.known(name, view);
                if self.ports.get(name) != after.as_ref() {
                    ports.push((name, after));
                }
            }
        }
        changed | self.update_ports(ports)
    }

    /// The answers of each network at the place of its local VLAN.
    pub(super) fn by_vlan(&self) -> Vec<Option<Arc<NetworkAnswers>>> {
        let mut by_vlan = Vec::new();
        for Entry { asked, answers } in self.networks.values() {
            let place = usize::from(asked.local_vlan.vid());
            if by_vlan.len() <= place {
                by_vlan.resize(place + 1, None);
            }
            if let Some(slot) = by_vlan.get_mut(place) {
                *slot = Some(answers.clone());
            }
        }
        by_vlan
    }

    fn update_network(&mut self, name: &Name, view: &View<'_>) -> bool {
        let wanted = asked(name, view);
        let before = self.networks.get_mut(name);
        match (before, wanted) {
            (Some(entry), Some(asked)) if entry.asked == asked => return false,
            (Some(entry), Some(asked)) => entry.asked = asked,
            (None, Some(asked)) => {
                self.networks.insert(name.clone(), Entry { asked, answers: Arc::default() });
            }
            (Some(_), None) => {
                self.networks.remove(name);
            }
            (None, None) => return false,
        }
        true
    }

    /// What a port is to bring in.
    fn known(&self, name: &Name, view: &View<'_>) -> Option<Known> {
        let port = view.topology.port(name)?;
        let asked = self.networks.get(&port.network)?.asked;
        let place = place(port, view)?;
        let kind = match view.topology.network(&port.network) {
            Some(network) if may_route(port, network) => NodeKind::Router,
            _ => NodeKind::Host,
        };
        let v4 = ipv4_addresses(port).filter(|_| asked.arp).map(IpAddr::V4);
        let v6 = ipv6_addresses(port).filter(|_| asked.nd).map(IpAddr::V6);
        let holder = Holder { mac: port.mac_address, place, kind };
        Some(Known { network: port.network.clone(), addresses: v4.chain(v6).collect(), holder })
    }

    /// First all that goes, then all that comes: an address may pass from one port to another.
    fn update_ports(&mut self, ports: Vec<(&Name, Option<Known>)>) -> bool {
        let mut drafts = BTreeMap::new();
        for (name, _) in &ports {
            if let Some(known) = self.ports.remove(*name)
                && let Some(table) = self.draft(&known.network, &mut drafts)
            {
                for &address in &known.addresses {
                    table.remove(address);
                }
            }
        }
        for (name, after) in ports {
            let Some(known) = after else { continue };
            if let Some(table) = self.draft(&known.network, &mut drafts) {
                for &address in &known.addresses {
                    table.insert(address, known.holder);
                }
            }
            self.ports.insert(name.clone(), known);
        }
        let changed = !drafts.is_empty();
        for (name, addresses) in drafts {
            if let Some(entry) = self.networks.get_mut(&name) {
                entry.answers = Arc::new(NetworkAnswers { addresses });
            }
        }
        changed
    }

    /// The addresses of a network while they change.
    fn draft<'a>(&self, network: &Name, drafts: &'a mut BTreeMap<Name, AddressTable>) -> Option<&'a mut AddressTable> {
        let entry = self.networks.get(network)?;
        Some(drafts.entry(network.clone()).or_insert_with(|| entry.answers.addresses.clone()))
    }
}

/// Which questions come up: ARP only where Heddle answers; of neighbour discovery some even where flows do.
fn asked(network: &str, view: &View<'_>) -> Option<Asked> {
    let network = view.topology.network(network).filter(|network| network.kind.is_vxlan())?;
    let local_vlan = view.local_vlan(&network.name)?;
    let arp = view.layout.answers_arp_of(network) == Some(AnsweredBy::Controller);
    let nd = view.layout.answers_nd_of(network).is_some();
    (arp || nd).then_some(Asked { local_vlan, arp, nd })
}

/// Where a port can be reached, if it can.
fn place(port: &Port, view: &View<'_>) -> Option<Place> {
    if view.is_local(port) {
        view.bindings.ports.contains_key(&port.name).then_some(Place::Here)
    } else {
        view.bindings.tunnels.contains_key(&port.node).then_some(Place::Elsewhere)
    }
}
