//! Tables 72 and 82: the rules of a port's security groups.
//!
//! A rule is one flow that accepts. Where its other side is a set of addresses, it is half of a conjunction: the
//! port and what the rule says of the packet here, the addresses in [`super::members`], so that there are as many
//! flows as rules and addresses, not as their product. What a rule says is in [`super::subject`].

use std::collections::BTreeMap;

use hashbrown::HashMap;
use hashbrown::HashSet;

use super::subject::Subject;
use super::{ANSWER_RECEIVED, ANSWER_SENT, Bound, FAMILIES, ON, OWN_WAY, REVOKED, commit_marked, ct_state, state};
use crate::openflow::{Action, Match, TableId, oxm};
use crate::pipeline::cookie::Kind;
use crate::pipeline::object::{Entry, Sink};
use crate::pipeline::tables::{ACCEPT_OR_INGRESS, ACCEPTED_INGRESS, RULES_EGRESS, RULES_INGRESS};
use crate::topology::{Direction, Ethertype, Name, Remote, RemoteUse, Rule, Topology};

/// The priority of all flows of conjunctions.
pub(super) const CONJUNCTION: u16 = 73;
/// The lowest priority of rules that are no conjunctions.
const PLAIN: u16 = 74;
/// The priority above all rules of what they may not see yet.
const ANSWER: u16 = 79;
/// `nw_frag=first`.
pub(super) const FIRST_FRAGMENT: u128 = 1;
/// `nw_frag=later`.
const LATER_FRAGMENT: u128 = 3;

/// The rules of one direction.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    pub(super) direction: Direction,
    /// Where they are.
    pub(super) table: TableId,
    /// Where what they accept goes on.
    next: TableId,
    /// `reg12` of the answers that they are held against: to what came by them.
    pub(super) answers: u128,
}

const EGRESS: Chain =
    Chain { direction: Direction::Egress, table: RULES_EGRESS, next: ACCEPT_OR_INGRESS, answers: ANSWER_RECEIVED };
const INGRESS: Chain =
    Chain { direction: Direction::Ingress, table: RULES_INGRESS, next: ACCEPTED_INGRESS, answers: ANSWER_SENT };

impl Chain {
    pub(super) const fn of(direction: Direction) -> Self {
        match direction {
            Direction::Egress => EGRESS,
            Direction::Ingress => INGRESS,
        }
    }
}

/// All rules that hold for a port, and what happens to packets that none allows.
pub(super) fn of_port(bound: &Bound<'_>, topology: &Topology, sink: &mut Sink<'_>) {
    let stateful = topology.is_stateful(bound.port);
    for chain in [EGRESS, INGRESS] {
        let rules = Rules { bound, chain, topology, subject: Subject::of(stateful) };
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
    subject: Subject,
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

    /// Rules with anybody, or with a block of addresses, as their other side.
    fn plain(&self, sink: &mut Sink<'_>) {
        let accept = [Action::resubmit(self.chain.next)];
        let mut seen = HashSet::new();
        for (group, rule) in self.all().filter(|(_, rule)| !rule.remote.is_set()) {
            for matching in self.subject.services(self.bound.about(), rule) {
                let matching = match rule.remote {
                    Remote::Prefix(prefix) => self.subject.other_side(matching, self.chain.direction, prefix),
                    _ => matching,
                };
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
            for matching in self.subject.services(self.bound.about(), rule) {
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
            let matching = self.subject.family(self.bound.about(), ethertype).field(&oxm::CONJ_ID, id.into());
            let accept = [Action::set_field(&oxm::REG7, id.into()), Action::resubmit(self.chain.next)];
            let entry = Entry::new(self.chain.table, CONJUNCTION, Kind::GroupRule, matching);
            sink.add(ON, entry.named(group).apply(&accept));
        }
    }

    /// Answers, and what no rule allows, or none any more.
    fn connections(&self, sink: &mut Sink<'_>) {
        let (bound, chain) = (self.bound, self.chain);
        let entry = |priority, kind, matching| Entry::new(chain.table, priority, kind, matching);
        let (drop, accept) = (bound.told.drop(), [Action::resubmit(chain.next)]);
        let judging = Chain::of(chain.direction.other());
        let turn = [Action::set_field(&oxm::REG12, judging.answers), Action::resubmit(judging.table)];
        // No answer is new. Looked at here it is for every packet, as in 73 and 92, so that what the datapath keeps of
        // packets which are refused stays apart when they go another way: when Open vSwitch 3.1 changes the actions of
        // one of its flows in userspace, it may hit another that overlaps.
        let answer = ct_state(bound.about().field(&oxm::REG12, OWN_WAY), state::RPL, state::NEW | state::INV);
        sink.add(ON, entry(ANSWER, Kind::PortAnswer, answer).apply(&turn));
        // Of a connection's later fragments the switch shows no ports. Of a new connection, tracking holds them back
        // until the first one, which does, is accepted too.
        for ethertype in Ethertype::ALL {
            let later = bound.about().field(&oxm::IP_FRAG, LATER_FRAGMENT).field(&oxm::CT_MARK, 0);
            let later = self.subject.family(later, ethertype);
            sink.add(ON, entry(78, Kind::PortFragment, later).apply(&accept));
        }
        let revoked = bound.about().field(&oxm::CT_MARK, REVOKED);
        sink.add(ON, entry(50, Kind::PortCut, revoked).apply(&drop));
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
