//! Which local ports have their flows in effect, and which have to stay closed.
//!
//! Most flows of a port let something pass, and where one is missing, its packets are dropped. *Guards* are the others
//! ([`Kind::is_guard`]): they stop packets, or lead them to where they are checked. A port is *unguarded* as long as the
//! switch may lack one. It is then kept on the dead VLAN, where NORMAL delivers nothing to it, and what it sends
//! enters no table.
//!
//! | a port | is unguarded |
//! |---|---|
//! | plugged in, and held to rules | until the switch has confirmed its guards |
//! | of which the switch refuses a guard | until the switch takes it |
//! | that changes | not for that: all of the change comes into effect at once, or none |

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use super::bridges::Bridges;
use crate::flow::Flow;
use crate::openflow::Cookie;
use crate::pipeline::cookie::{self, Kind};
use crate::pipeline::{Bridge, Desired, LocalVlan, Object, View, is_in_network, is_to};
use crate::switch::Rejected;
use crate::topology::{Name, NetworkKind, Port, Topology};

/// Whether a port's flows are in effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InEffect {
    /// Nobody has looked since Heddle started. What an earlier run told the database stays until then, so
    /// that a restart writes nothing.
    Unsure,
    /// Some are not.
    No,
    /// All are.
    Yes,
}

/// What is known of one port's flows.
#[derive(Clone, Debug)]
struct Known {
    /// The generation that has to be in effect on each bridge that carries the port's traffic.
    required: BTreeMap<Bridge, u64>,
    /// Whether it was, last time we looked.
    in_effect: InEffect,
}

/// What [`PortFlows::confirm`] found.
#[derive(Default)]
pub struct Confirmed {
    /// Ports whose flows have come into effect.
    pub arrived: Vec<Name>,
    /// Ports of which something has to be told to the database.
    pub changed: BTreeSet<Name>,
    /// Every unguarded port is on the dead VLAN.
    pub closed: bool,
}

/// See the module.
#[derive(Default)]
pub struct PortFlows {
    ports: BTreeMap<Name, Known>,
    /// Those of `ports` that are not known to be in effect.
    pending: BTreeSet<Name>,
    unguarded: BTreeSet<Name>,
}

impl PortFlows {
    /// Whether all flows of a port are in effect.
    pub fn in_effect(&self, port: &str) -> InEffect {
        self.ports.get(port).map_or(InEffect::No, |known| known.in_effect)
    }

    /// True if a port has to be on the dead VLAN.
    pub fn is_unguarded(&self, port: &str) -> bool {
        self.unguarded.contains(port)
    }

    /// A port that is held to rules has been plugged in, or has got another number.
    pub fn arrived(&mut self, port: &Name) {
        self.unguarded.insert(port.clone());
    }

    /// A port has no number any more.
    pub fn left(&mut self, port: &Name) {
        self.ports.remove(port);
        self.pending.remove(port);
    }

    /// The topology has no such port here any more.
    pub fn forget(&mut self, port: &Name) {
        self.left(port);
        self.unguarded.remove(port);
    }

    /// The flows of a port changed: it takes these generations.
    pub fn require(&mut self, port: &Name, required: BTreeMap<Bridge, u64>, in_effect: InEffect) {
        self.ports.insert(port.clone(), Known { required, in_effect });
        self.pending.insert(port.clone());
    }

    /// A bridge lacks flows with these cookies. Returns the ports that are not in effect for that.
    pub fn missed(&mut self, bridge: &Bridge, missing: &HashSet<Cookie>, desired: &Desired) -> Vec<Name> {
        let mut found = Vec::new();
        for (name, known) in &mut self.ports {
            let lost = |(on, flow): &(Bridge, Arc<Flow>)| on == bridge && missing.contains(&flow.cookie);
            if known.in_effect != InEffect::No && desired.of(&Object::Port(name.clone())).iter().any(lost) {
                known.in_effect = InEffect::No;
                self.pending.insert(name.clone());
                found.push(name.clone());
            }
        }
        found
    }

    /// Looks which ports have all their flows in effect, which are guarded, and which lost that because the switch
    /// refuses a flow.
    pub fn confirm(&mut self, bridges: &Bridges, desired: &Desired, view: &View<'_>) -> Confirmed {
        let refusals = Refusals::of(bridges, desired, view);
        let mut confirmed = Confirmed::default();
        if !refusals.is_empty() {
            let refused = self.ports.keys().filter(|name| refusals.concern(name));
            self.pending.extend(refused.cloned());
        }
        let mut pending = mem::take(&mut self.pending);
        pending.retain(|name| {
            let Some(known) = self.ports.get_mut(name) else { return false };
            let reached = |bridge: &Bridge, generation: u64| bridges.confirmed(bridge) >= generation;
            let all_reached = known.required.iter().all(|(bridge, generation)| reached(bridge, *generation));
            let guards_reached = known
                .required
                .get(&Bridge::Integration)
                .is_some_and(|generation| reached(&Bridge::Integration, *generation));
            let changed = match refusals.lacks_guard(name) {
                true => self.unguarded.insert(name.clone()),
                false => guards_reached && self.unguarded.remove(name),
            };
            let is_open = !self.unguarded.contains(name) && !view.bindings.closed.contains(name);
            let in_effect = match known.in_effect {
                _ if refusals.concern(name) => InEffect::No,
                _ if all_reached && is_open => InEffect::Yes,
                before => before,
            };
            if (known.in_effect, in_effect) == (InEffect::No, InEffect::Yes) {
                confirmed.arrived.push(name.clone());
            }
            if changed || known.in_effect != in_effect {
                known.in_effect = in_effect;
                confirmed.changed.insert(name.clone());
            }
            in_effect != InEffect::Yes
        });
        self.pending = pending;
        let is_open = |name: &Name| view.bindings.ports.contains_key(name) && !view.bindings.closed.contains(name);
        confirmed.closed = !self.unguarded.iter().any(is_open);
        confirmed
    }
}

/// The bridges that carry a port's traffic.
pub fn bridges_of(port: &Port, topology: &Topology) -> impl Iterator<Item = Bridge> {
    let other = topology.network(&port.network).and_then(|network| match &network.kind {
        NetworkKind::Local => None,
        NetworkKind::Vxlan { .. } => Some(Bridge::Tunnel),
        NetworkKind::Flat { physical_network } | NetworkKind::Vlan { physical_network, .. } => {
            Some(Bridge::Physical(physical_network.clone()))
        }
    });
    [Some(Bridge::Integration), other].into_iter().flatten()
}

/// A refused flow with the bridge that refuses it.
pub type RefusedOn<'a> = (&'a Bridge, &'a Rejected);

/// The flows that switches refuse, port by port.
pub struct Refusals<'a> {
    rejected: HashMap<(&'a Bridge, &'a Arc<Flow>), &'a Rejected>,
    /// Those that ports share: of the host, of networks and of physical networks.
    shared: HashMap<Object, Vec<RefusedOn<'a>>>,
    /// Those of addresses that rules name by a set, by security group and network.
    addresses: HashMap<(Name, LocalVlan), Vec<RefusedOn<'a>>>,
    desired: &'a Desired,
    view: View<'a>,
}

impl<'a> Refusals<'a> {
    /// What is refused now.
    pub fn of(bridges: &'a Bridges, desired: &'a Desired, view: &View<'a>) -> Self {
        let rejected = bridges.rejected().map(|(bridge, rejected)| ((bridge, &rejected.flow), rejected));
        let (shared, addresses) = (HashMap::new(), HashMap::new());
        let mut refusals = Self { rejected: rejected.collect(), shared, addresses, desired, view: *view };
        if !refusals.is_empty() {
            let networks = view.bindings.local_vlans.keys().cloned().map(Object::Network);
            let physical = view.layout.physical_networks.iter().cloned().map(Object::Physical);
            let objects = networks.chain(physical).chain([Object::Host]);
            refusals.shared = objects.map(|object| (object.clone(), refusals.of_object(&object).collect())).collect();
            refusals.addresses = refusals.of_addresses();
        }
        refusals
    }

    fn of_object(&self, object: &Object) -> impl Iterator<Item = RefusedOn<'a>> + use<'_, 'a> {
        let flows = self.desired.of(object).iter();
        flows.filter_map(|(bridge, flow)| Some((bridge, *self.rejected.get(&(bridge, flow))?)))
    }

    fn of_addresses(&self) -> HashMap<(Name, LocalVlan), Vec<RefusedOn<'a>>> {
        let mut found: HashMap<(Name, LocalVlan), Vec<RefusedOn<'a>>> = HashMap::new();
        let is_one = |rejected: &&Rejected| is_of_kind(&rejected.flow, Kind::RemoteAddress);
        if !self.rejected.values().any(is_one) {
            return found;
        }
        let View { topology, bindings, .. } = self.view;
        for address in topology.remote_addresses() {
            let object = Object::Address(Arc::new(*address));
            let refused: Vec<RefusedOn<'a>> = self.of_object(&object).collect();
            let uses = topology.remotes_of(address).flat_map(|remote| topology.uses_of(remote));
            let groups: BTreeSet<&Name> =
                if refused.is_empty() { BTreeSet::new() } else { uses.map(|(one, _)| &one.group).collect() };
            for group in groups {
                for &local_vlan in bindings.local_vlans.values() {
                    let here = refused.iter().filter(|(_, rejected)| is_in_network(&rejected.flow, local_vlan));
                    found.entry((group.clone(), local_vlan)).or_default().extend(here);
                }
            }
        }
        found
    }

    /// True if nothing is.
    pub fn is_empty(&self) -> bool {
        self.rejected.is_empty()
    }

    /// True if a port is without a flow that is refused.
    fn concern(&self, name: &str) -> bool {
        self.of_port(name).next().is_some()
    }

    /// True if one of those is a guard.
    fn lacks_guard(&self, name: &str) -> bool {
        let Some(port) = self.view.topology.port(name).filter(|_| !self.is_empty()) else { return false };
        self.own_and_shared(port).any(|(_, rejected)| cookie::is_guard(rejected.flow.cookie))
    }

    /// The refused flows that a port is without: its own, what it shares of those of its network and of the host, and
    /// the addresses that its rules look at.
    pub fn of_port(&self, name: &str) -> impl Iterator<Item = RefusedOn<'a>> + use<'_, 'a> {
        let port = self.view.topology.port(name).filter(|_| !self.is_empty());
        port.into_iter().flat_map(|port| self.own_and_shared(port).chain(self.looked_at(port)))
    }

    fn own_and_shared(&self, port: &'a Port) -> impl Iterator<Item = RefusedOn<'a>> + use<'_, 'a> {
        let carriers: Vec<Bridge> = bridges_of(port, self.view.topology).collect();
        let network = self.view.topology.network(&port.network);
        let physical = network.and_then(|network| network.kind.physical_network()).cloned().map(Object::Physical);
        let shared = [Object::Network(port.network.clone()), Object::Host].into_iter().chain(physical);
        let shared = shared.filter_map(|object| self.shared.get(&object)).flatten().copied();
        let all = self.of_object(&Object::Port(port.name.clone())).collect::<Vec<_>>().into_iter().chain(shared);
        all.filter(move |(bridge, rejected)| carriers.contains(bridge) && concerns(port, &rejected.flow))
    }

    /// Of the addresses that the rules of a port look at.
    fn looked_at(&self, port: &'a Port) -> impl Iterator<Item = RefusedOn<'a>> + use<'_, 'a> {
        let local_vlan = self.view.local_vlan(&port.network).filter(|_| port.port_security);
        let groups = self.view.topology.groups_of(port);
        groups.filter_map(move |group| self.addresses.get(&(group.name.clone(), local_vlan?))).flatten().copied()
    }
}

fn is_of_kind(flow: &Flow, wanted: Kind) -> bool {
    matches!(cookie::decode(flow.cookie), Some((Ok(kind), _)) if kind == wanted)
}

/// False for a flow of the port's network that is there for others.
fn concerns(port: &Port, flow: &Flow) -> bool {
    !is_of_kind(flow, Kind::PairReached) || port.allowed_address_pairs.iter().any(|pair| is_to(flow, pair.mac_address))
}
