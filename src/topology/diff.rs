//! What differs between two topologies.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Name, Network, Topology};

/// The names of what was added, removed or changed, each list sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Nodes.
    pub nodes: Vec<Name>,
    /// Networks, their subnets and the effective MTU included.
    pub networks: Vec<Name>,
    /// Ports.
    pub ports: Vec<Name>,
    /// Security groups.
    pub security_groups: Vec<Name>,
    /// Address groups.
    pub address_groups: Vec<Name>,
    /// True if the firewall was turned on or off.
    pub firewall: bool,
}

impl Changes {
    /// True if nothing differs.
    pub fn is_empty(&self) -> bool {
        let names = [&self.nodes, &self.networks, &self.ports, &self.security_groups, &self.address_groups];
        !self.firewall && names.iter().all(|names| names.is_empty())
    }
}

impl Topology {
    /// What differs between `old` and `new`: one walk over both. Values that both share are not looked into.
    pub fn diff(old: &Topology, new: &Topology) -> Changes {
        // What a network can carry may depend on all that is around it.
        let same_network =
            |a: &Arc<Network>, b: &Arc<Network>| (Arc::ptr_eq(a, b) || a == b) && old.mtu_of(a) == new.mtu_of(b);
        let same_port = |a: &_, b: &_| Arc::ptr_eq(a, b) || a == b;
        Changes {
            nodes: differing(old.nodes(), new.nodes(), |node| &node.name, |a, b| a == b),
            networks: differing(old.networks(), new.networks(), |network| &network.name, same_network),
            ports: differing(old.ports(), new.ports(), |port| &port.name, same_port),
            security_groups: differing(
                old.security_groups(),
                new.security_groups(),
                |group| &group.name,
                PartialEq::eq,
            ),
            address_groups: differing(old.address_groups(), new.address_groups(), |group| &group.name, PartialEq::eq),
            firewall: old.firewall() != new.firewall(),
        }
    }
}

/// Merges two iterators sorted by name.
fn differing<'a, T: 'a>(
    mut old: impl Iterator<Item = &'a T>,
    mut new: impl Iterator<Item = &'a T>,
    name: impl Fn(&T) -> &Name,
    same: impl Fn(&T, &T) -> bool,
) -> Vec<Name> {
    let mut names = Vec::new();
    let (mut left, mut right) = (old.next(), new.next());
    loop {
        let order = match (left, right) {
            (Some(a), Some(b)) => name(a).cmp(name(b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return names,
        };
        let only_old = left.filter(|_| order.is_lt());
        let only_new = right.filter(|_| order.is_gt());
        let changed = left.zip(right).filter(|(a, b)| order.is_eq() && !same(a, b)).map(|(a, _)| a);
        names.extend(only_old.or(only_new).or(changed).map(|value| name(value).clone()));
        if order.is_le() {
            left = old.next();
        }
        if order.is_ge() {
            right = new.next();
        }
    }
}
