//! Tables 72 and 82: the rules of a port's security groups.
//!
//! A rule is one flow that accepts. Where its other side is a set of addresses, it is half of a conjunction: the
//! port and what the rule says of the packet here, the addresses in [`super::members`], so that there are as many
//! flows as rules and addresses, not as their product.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use hashbrown::HashSet;

use super::port_range::masks;
use super::{Bound, FAMILIES, ON, REVOKED, commit_marked, ct_state, eth_type, state};
use crate::openflow::numbers::{IP_PROTO_SCTP, IP_PROTO_TCP};
use crate::openflow::oxm::Field;
use crate::openflow::{Action, Match, TableId, oxm};
use crate::pipeline::cookie::Kind;
use crate::pipeline::object::{Entry, Sink};
use crate::pipeline::tables::{ACCEPT_OR_INGRESS, ACCEPTED_INGRESS, RULES_EGRESS, RULES_INGRESS};
use crate::topology::{Direction, Ethertype, Name, Remote, RemoteUse, Rule, Service, Topology};

/// The priority of all flows of conjunctions.
pub(super) const CONJUNCTION: u16 = 73;
/// The lowest priority of rules that are no conjunctions.
const PLAIN: u16 = 74;
/// `nw_frag=no`.
const NO_FRAGMENT: u128 = 0;
/// `nw_frag=first`.
pub(super) const FIRST_FRAGMENT: u128 = 1;
/// `nw_frag=later`.
const LATER_FRAGMENT: u128 = 3;

/// The rules of one direction.
#[derive(Clone, Copy)]
struct Chain {
    direction: Direction,
    /// Where they are.
    table: TableId,
    /// Where what they accept goes on.
    next: TableId,
}

const CHAINS: [Chain; 2] = [
    Chain { direction: Direction::Egress, table: RULES_EGRESS, next: ACCEPT_OR_INGRESS },
    Chain { direction: Direction::Ingress, table: RULES_INGRESS, next: ACCEPTED_INGRESS },
];

/// All rules that hold for a port, and what happens to packets that none allows.
pub(super) fn of_port(bound: &Bound<'_>, topology: &Topology, sink: &mut Sink<'_>) {
    let stateful = topology.is_stateful(bound.port);
    for chain in CHAINS {
        let rules = Rules { bound, chain, topology, stateful };
        rules.plain(sink);
        rules.with_sets(sink);
        if stateful {
            rules.connections(sink);
        } else {
            let drop = bound.told.drop();
            sink.add(ON, Entry::new(chain.table, 40, Kind::PortNoRule, bound.about()).apply(&drop));
        }
    }
}

struct Rules<'a> {
    bound: &'a Bound<'a>,
    chain: Chain,
    topology: &'a Topology,
    stateful: bool,
}

impl<'a> Rules<'a> {
    /// The rules of this direction with the names of their groups.
    fn all(&self) -> impl Iterator<Item = (&'a Name, &'a Rule)> {
        let direction = self.chain.direction;
        let groups = self.topology.groups_of(self.bound.port);
        groups
            .flat_map(|group| group.rules.iter().map(move |rule| (&group.name, rule)))
            .filter(move |(_, rule)| rule.direction == direction)
    }

    /// The first fragments that a rule is about, where it looks at ports or types: they do not show them, but their
    /// connection does. A datapath that puts packets together has no fragments here.
    fn fragments(&self, rule: &Rule) -> Vec<Match> {
        let fragment = |protocol: u8| {
            let family = self.bound.about().eth_type(eth_type(rule.ethertype)).ip_proto(protocol);
            // Open vSwitch takes a connection's ports only beside its protocol, and with `ct_state=+trk-inv`.
            let fragment = family.field(&oxm::IP_FRAG, FIRST_FRAGMENT);
            fragment.field(&oxm::CT_NW_PROTO, protocol.into())
        };
        match rule.service {
            _ if !self.stateful => Vec::new(),
            Service::Any | Service::Protocol(_) => Vec::new(),
            Service::Ports { protocol, first, last } => {
                let masked = |(port, mask): (u16, u16)| {
                    fragment(protocol).field_masked(&oxm::CT_TP_DST, port.into(), mask.into())
                };
                masks(first, last).into_iter().map(masked).collect()
            }
            Service::Icmp { icmp_type, icmp_code } => {
                let messages = fragment(rule.ethertype.icmp()).field(&oxm::CT_TP_SRC, icmp_type.into());
                vec![match icmp_code {
                    Some(code) => messages.field(&oxm::CT_TP_DST, code.into()),
                    None => messages,
                }]
            }
        }
    }

    /// Packets in the direction of their connection, which is new or known.
    fn forward(&self, matching: Match) -> Match {
        match self.stateful {
            true => ct_state(matching, state::TRK, state::REL | state::RPL | state::INV),
            false => matching,
        }
    }

    /// Rules with anybody, or with a block of addresses, as their other side.
    fn plain(&self, sink: &mut Sink<'_>) {
        let accept = [Action::resubmit(self.chain.next)];
        let mut seen = HashSet::new();
        for (group, rule) in self.all().filter(|(_, rule)| !rule.remote.is_set()) {
            let all = services(self.bound, rule).into_iter().chain(self.fragments(rule));
            for matching in all {
                let matching = self.forward(match (&rule.remote, self.chain.direction) {
                    (Remote::Prefix(prefix), Direction::Ingress) => matching.ip_src(*prefix),
                    (Remote::Prefix(prefix), Direction::Egress) => matching.ip_dst(*prefix),
                    _ => matching,
                });
                let priority = PLAIN + rule.precision();
                // Two groups may say the same.
                if seen.insert((priority, matching.as_bytes().to_vec())) {
                    let entry = Entry::new(self.chain.table, priority, Kind::GroupRule, matching);
                    sink.add(ON, entry.named(group).apply(&accept));
                }
            }
        }
    }

    /// Rules with a set of addresses as their other side.
    fn with_sets(&self, sink: &mut Sink<'_>) {
        let mut clauses: Vec<(&Name, Match, Vec<u32>)> = Vec::new();
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut ids: BTreeMap<u32, (&Name, Ethertype)> = BTreeMap::new();
        for (group, rule) in self.all() {
            let Some(id) = RemoteUse::of(group, rule).and_then(|one| self.topology.remote_use(&one)) else { continue };
            ids.insert(id, (group, rule.ethertype));
            let tracked = |matching| ct_state(matching, state::TRK, state::INV);
            let all = services(self.bound, rule).into_iter().chain(self.fragments(rule).into_iter().map(tracked));
            for matching in all {
                let place = *places.entry(matching.as_bytes().to_vec()).or_insert(clauses.len());
                match clauses.get_mut(place) {
                    Some((_, _, of)) if of.contains(&id) => {}
                    Some((_, _, of)) => of.push(id),
                    None => clauses.push((group, matching, vec![id])),
                }
            }
        }
        for (group, matching, of) in clauses {
            let actions = conjunction(of, 1);
            let entry = Entry::new(self.chain.table, CONJUNCTION, Kind::GroupRule, matching);
            sink.add(ON, entry.named(group).apply(&actions));
        }
        for (id, (group, ethertype)) in ids {
            let matching = self.bound.about().eth_type(eth_type(ethertype)).field(&oxm::CONJ_ID, id.into());
            let accept = [Action::set_field(&oxm::REG7, id.into()), Action::resubmit(self.chain.next)];
            let entry = Entry::new(self.chain.table, CONJUNCTION, Kind::GroupRule, self.forward(matching));
            sink.add(ON, entry.named(group).apply(&accept));
        }
    }

    /// What belongs to connections that a rule allowed, and what does not.
    fn connections(&self, sink: &mut Sink<'_>) {
        let (bound, table) = (self.bound, self.chain.table);
        let entry = |priority, kind, matching| Entry::new(table, priority, kind, matching);
        let (drop, accept) = (bound.told.drop(), [Action::resubmit(self.chain.next)]);
        let allowed = |set, clear| {
            let known = bound.about().field(&oxm::CT_ZONE, bound.local_vlan.vid().into()).field(&oxm::CT_MARK, 0);
            ct_state(known, set, clear)
        };
        // Nothing of a later fragment tells its port. Of a new connection, tracking holds it back until the first one,
        // which does, is accepted too.
        for family in FAMILIES {
            let later = bound.about().eth_type(family).field(&oxm::IP_FRAG, LATER_FRAGMENT).field(&oxm::CT_MARK, 0);
            sink.add(ON, entry(78, Kind::PortFragment, self.forward(later)).apply(&accept));
        }
        let revoked = bound.about().field(&oxm::CT_MARK, REVOKED);
        sink.add(ON, entry(50, Kind::PortCut, revoked).apply(&drop));
        let reply = allowed(state::EST | state::RPL, state::REL);
        sink.add(ON, entry(50, Kind::PortAnswer, reply).apply(&accept));
        let related = allowed(state::REL, state::NEW | state::EST | state::INV);
        sink.add(ON, entry(50, Kind::PortAnswer, related).apply(&accept));
        let new = ct_state(bound.about(), 0, state::EST);
        sink.add(ON, entry(40, Kind::PortNoRule, new).apply(&drop));
        let revoke = [bound.told.refused(), vec![commit_marked(REVOKED, TableId::ALL)]].concat();
        for family in FAMILIES {
            let known = ct_state(bound.about().eth_type(family), state::EST, 0);
            sink.add(ON, entry(40, Kind::PortRevoked, known).apply(&revoke));
        }
    }
}

/// `conjunction(ID,CLAUSE/2)` for each id, in their order.
pub(super) fn conjunction(mut ids: Vec<u32>, clause: u8) -> Vec<Action> {
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(|id| Action::Conjunction { id, clause, n_clauses: 2 }).collect()
}

/// The packets that a rule is about, but for its other side.
fn services(bound: &Bound<'_>, rule: &Rule) -> Vec<Match> {
    let family = bound.about().eth_type(eth_type(rule.ethertype));
    match rule.service {
        Service::Any => vec![family],
        Service::Protocol(protocol) => vec![family.ip_proto(protocol)],
        Service::Ports { protocol, first, last } => {
            let packets = family.ip_proto(protocol);
            let masked = |(port, mask): (u16, u16)| {
                packets.clone().field_masked(destination_port(protocol), port.into(), mask.into())
            };
            masks(first, last).into_iter().map(masked).collect()
        }
        Service::Icmp { icmp_type, icmp_code } => {
            let (type_field, code_field) = match rule.ethertype {
                Ethertype::Ipv4 => (&oxm::ICMPV4_TYPE, &oxm::ICMPV4_CODE),
                Ethertype::Ipv6 => (&oxm::ICMPV6_TYPE, &oxm::ICMPV6_CODE),
            };
            let messages = family.ip_proto(rule.ethertype.icmp()).field(type_field, icmp_type.into());
            // To Open vSwitch every fragment has the type 0.
            let messages = if icmp_type == 0 { messages.field(&oxm::IP_FRAG, NO_FRAGMENT) } else { messages };
            vec![match icmp_code {
                Some(code) => messages.field(code_field, code.into()),
                None => messages,
            }]
        }
    }
}

fn destination_port(protocol: u8) -> &'static Field {
    match protocol {
        IP_PROTO_TCP => &oxm::TCP_DST,
        IP_PROTO_SCTP => &oxm::SCTP_DST,
        _ => &oxm::UDP_DST,
    }
}
