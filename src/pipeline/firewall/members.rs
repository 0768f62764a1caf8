//! Addresses that rules name as their other side by a set: the other half of their conjunctions.
//!
//! An address may belong to many sets, and many rules may look at each: one flow in each network stands for all.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::rules::{CONJUNCTION, conjunction};
use super::{ON, eth_type};
use crate::openflow::{Match, oxm};
use crate::pipeline::cookie::Kind;
use crate::pipeline::object::{Entry, Sink};
use crate::pipeline::tables::{RULES_EGRESS, RULES_INGRESS};
use crate::pipeline::view::{LocalVlan, View};
use crate::topology::{Direction, Ethertype, Name, RemoteAddress};

/// The local VLANs of the networks in which a port of this node is held to a group. Good for one view.
pub(in crate::pipeline) struct Places(HashMap<Name, Vec<LocalVlan>>);

impl Places {
    pub(in crate::pipeline) fn of(view: &View<'_>) -> Self {
        let mut places: HashMap<Name, Vec<LocalVlan>> = HashMap::new();
        for (network, &local_vlan) in &view.bindings.local_vlans {
            for group in view.topology.groups_in_use(network, &view.layout.node) {
                places.entry(group.clone()).or_default().push(local_vlan);
            }
        }
        Self(places)
    }

    fn of_group(&self, group: &Name) -> &[LocalVlan] {
        self.0.get(group).map_or(&[], Vec::as_slice)
    }
}

/// An address, for all rules of ports of this node that look at a set which it belongs to.
pub(in crate::pipeline) fn address(address: &RemoteAddress, view: &View<'_>, places: &Places, sink: &mut Sink<'_>) {
    let family = Ethertype::of(address.prefix);
    let mut ids: BTreeMap<(LocalVlan, Direction), Vec<u32>> = BTreeMap::new();
    for remote in view.topology.remotes_of(address) {
        for (one, id) in view.topology.uses_of(remote).filter(|(one, _)| one.ethertype == family) {
            for &local_vlan in places.of_group(&one.group) {
                ids.entry((local_vlan, one.direction)).or_default().push(id);
            }
        }
    }
    for ((local_vlan, direction), ids) in ids {
        let matching = Match::new().field(&oxm::REG6, local_vlan.vid().into());
        let matching = match (address.mac, direction) {
            (Some(mac), Direction::Ingress) => matching.eth_src(mac),
            (Some(mac), Direction::Egress) => matching.eth_dst(mac),
            (None, _) => matching,
        };
        let matching = matching.eth_type(eth_type(family));
        let (table, matching) = match direction {
            Direction::Ingress => (RULES_INGRESS, matching.ip_src(address.prefix)),
            Direction::Egress => (RULES_EGRESS, matching.ip_dst(address.prefix)),
        };
        let actions = conjunction(ids, 0);
        sink.add(ON, Entry::new(table, CONJUNCTION, Kind::RemoteAddress, matching).apply(&actions));
    }
}
