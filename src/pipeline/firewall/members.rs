//! Addresses that rules name as their other side by a set: the other half of their conjunctions.
//!
//! An address may belong to many sets, and many rules may look at each: one flow in each network stands for all.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::rules::{CONJUNCTION, Chain, conjunction};
use super::subject::Subject;
use super::{ON, OWN_WAY};
use crate::openflow::{MacAddr, Match, oxm};
use crate::pipeline::cookie::Kind;
use crate::pipeline::object::{Entry, Sink};
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
    let mut ids: BTreeMap<(LocalVlan, Direction, Subject), Vec<u32>> = BTreeMap::new();
    for remote in view.topology.remotes_of(address) {
        for (one, id) in view.topology.uses_of(remote).filter(|(one, _)| one.ethertype == family) {
            let stateful = view.topology.security_group(&one.group).is_none_or(|group| group.stateful);
            for &local_vlan in places.of_group(&one.group) {
                ids.entry((local_vlan, one.direction, Subject::of(stateful))).or_default().push(id);
            }
        }
    }
    for ((local_vlan, direction, subject), ids) in ids {
        let chain = Chain::of(direction);
        let near = Match::new().field(&oxm::REG6, local_vlan.vid().into());
        let actions = conjunction(ids, 0);
        for matching in from_or_to(near, address.mac, chain, subject) {
            let matching = subject.family(matching, family);
            let matching = subject.other_side(matching, direction, address.prefix);
            sink.add(ON, Entry::new(chain.table, CONJUNCTION, Kind::RemoteAddress, matching).apply(&actions));
        }
    }
}

/// What comes from an Ethernet address, or goes to it, as the rules of a chain look at their other side. An answer goes
/// the other way.
fn from_or_to(matching: Match, mac: Option<MacAddr>, chain: Chain, subject: Subject) -> Vec<Match> {
    let Some(mac) = mac else { return vec![matching] };
    let to = |matching: Match, direction| match direction {
        Direction::Ingress => matching.eth_src(mac),
        Direction::Egress => matching.eth_dst(mac),
    };
    match subject {
        Subject::Packet => vec![to(matching, chain.direction)],
        Subject::Connection => {
            let own_way = matching.clone().field(&oxm::REG12, OWN_WAY);
            let answers = matching.field(&oxm::REG12, chain.answers);
            vec![to(own_way, chain.direction), to(answers, chain.direction.other())]
        }
    }
}
