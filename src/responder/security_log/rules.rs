//! Which rule let a packet through, from what the flows say of it and what stands in its headers.

use std::sync::Arc;

use super::Headers;
use crate::pipeline::View;
use crate::topology::{Direction, Ethertype, Log, Name, Port, Remote, RemoteUse, Rule, SecurityGroup};

/// A port with a security group that wants to be told of packets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedPort {
    /// The port.
    pub name: Name,
    /// Its network.
    pub network: Name,
    /// All groups whose rules hold for it.
    pub groups: Box<[Arc<SecurityGroup>]>,
    /// What the numbers of conjunctions stand for.
    uses: Box<[(u32, RemoteUse)]>,
}

/// A rule of a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    /// Its group.
    pub group: Arc<SecurityGroup>,
    /// Its place among the group's rules.
    pub index: usize,
}

impl Allowed {
    /// The rule.
    pub fn rule(&self) -> Option<&Rule> {
        self.group.rules.get(self.index)
    }
}

impl LoggedPort {
    /// `None` of a port whose groups want to hear nothing.
    pub(in crate::responder) fn of(port: &Port, view: &View<'_>) -> Option<Self> {
        let is_told = |log: Log| log.tells_drops() || log.tells_accepts();
        let groups: Box<[_]> = view.topology.groups_of(port).cloned().collect();
        if !groups.iter().filter_map(|group| group.log).any(is_told) {
            return None;
        }
        let of_group = |group: &Arc<SecurityGroup>| {
            group.rules.iter().filter_map(|rule| RemoteUse::of(&group.name, rule)).collect()
        };
        let mut uses: Vec<RemoteUse> = groups.iter().flat_map(|group| -> Vec<_> { of_group(group) }).collect();
        uses.sort_unstable();
        uses.dedup();
        let numbered = uses.into_iter().filter_map(|one| Some((view.topology.remote_use(&one)?, one)));
        let (name, network) = (port.name.clone(), port.network.clone());
        Some(Self { name, network, uses: numbered.collect(), groups })
    }

    /// The rule by which a packet passed: one with a set of addresses where the flow names a conjunction, else the one
    /// that says most of the packet, since its flow is in front of the others.
    pub(super) fn allowing(&self, direction: Direction, conjunction: u32, headers: &Headers) -> Option<Allowed> {
        let is_met = |(id, one): &&(u32, RemoteUse)| *id == conjunction && one.direction == direction;
        let set = self.uses.iter().find(is_met).map(|(_, one)| one);
        let payload = headers.payload()?;
        let mut best: Option<(u16, &Arc<SecurityGroup>, usize)> = None;
        for group in self.groups.iter().filter(|group| set.is_none_or(|one| one.group == group.name)) {
            for (index, rule) in group.rules.iter().enumerate().filter(|(_, rule)| rule.direction == direction) {
                let better = best.is_none_or(|(precision, ..)| rule.precision() > precision);
                if better && is_other_side(rule, set, headers) && rule.serves(payload) {
                    best = Some((rule.precision(), group, index));
                }
            }
        }
        best.map(|(_, group, index)| Allowed { group: group.clone(), index })
    }
}

/// Whether a packet's other side is that of a rule. Who belongs to a set of addresses, the flows have found out.
fn is_other_side(rule: &Rule, set: Option<&RemoteUse>, headers: &Headers) -> bool {
    let Some((src, dst)) = headers.addresses else { return false };
    let other = if rule.direction == Direction::Ingress { src } else { dst };
    let of_family = rule.ethertype == Ethertype::of(other.into());
    of_family
        && match (&rule.remote, set) {
            (remote, Some(one)) => *remote == one.remote,
            (Remote::Any, None) => true,
            (Remote::Prefix(prefix), None) => prefix.contains(other),
            (Remote::Group(_) | Remote::AddressGroup(_), None) => false,
        }
}
