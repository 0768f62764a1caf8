//! The groups of a topology, who is in them, and which of their rules look at sets of addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{AddressGroup, DEFAULT_GROUP, Remote, RemoteAddress, RemoteUse, SecurityGroup, Shared};
use crate::topology::document::{At, Report, clip};
use crate::topology::index::ByName;
use crate::topology::{Fault, Name, Port, Topology};

/// All about security groups.
#[derive(Debug, Clone)]
pub(in crate::topology) struct Security {
    firewall: bool,
    groups: Shared<SecurityGroup>,
    address_groups: Shared<AddressGroup>,
    implied: Arc<SecurityGroup>,
    /// Each with a number of its own, see [`Topology::remote_use`].
    uses: BTreeMap<RemoteUse, u32>,
    /// The uses by their set of addresses.
    remotes: BTreeMap<Remote, Vec<RemoteUse>>,
    /// The ports of each group, also of those that do not exist.
    members: BTreeMap<Name, BTreeSet<ByName>>,
    /// How many ports of a network on a node are held to the rules of a group; by network and node.
    in_use: BTreeMap<Name, BTreeMap<Name, BTreeMap<Name, usize>>>,
    /// The sets that an address belongs to, and how often; only sets that a rule looks at.
    addresses: BTreeMap<RemoteAddress, BTreeMap<Remote, usize>>,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            firewall: false,
            groups: BTreeMap::new(),
            address_groups: BTreeMap::new(),
            implied: Arc::new(SecurityGroup::implied()),
            uses: BTreeMap::new(),
            remotes: BTreeMap::new(),
            members: BTreeMap::new(),
            in_use: BTreeMap::new(),
            addresses: BTreeMap::new(),
        }
    }
}

impl Security {
    /// The firewall is on. No ports so far.
    pub(in crate::topology) fn new(groups: Shared<SecurityGroup>, address_groups: Shared<AddressGroup>) -> Self {
        let all = groups
            .values()
            .flat_map(|group| group.rules.iter().filter_map(move |rule| RemoteUse::of(&group.name, rule)));
        let all: BTreeSet<RemoteUse> = all.collect();
        let uses = numbered(all);
        let mut remotes: BTreeMap<Remote, Vec<RemoteUse>> = BTreeMap::new();
        for one in uses.keys() {
            remotes.entry(one.remote.clone()).or_default().push(one.clone());
        }
        let mut security = Self { firewall: true, groups, address_groups, uses, remotes, ..Self::default() };
        let looked_at = |name: &Name| Remote::AddressGroup(name.clone());
        for group in security.address_groups.values() {
            let remote = looked_at(&group.name);
            if security.remotes.contains_key(&remote) {
                for &block in &group.addresses {
                    let sets = security.addresses.entry(RemoteAddress::block(block)).or_default();
                    sets.insert(remote.clone(), 1);
                }
            }
        }
        security
    }

    /// The names of the groups whose rules hold for a port, if it is held to any.
    fn names<'a>(&'a self, port: &'a Port) -> &'a [Name] {
        match &port.security_groups {
            Some(names) => names,
            None if port.port_security => std::slice::from_ref(&self.implied.name),
            None => &[],
        }
    }

    pub(in crate::topology) fn enter(&mut self, port: &Arc<Port>) {
        if !self.firewall {
            return;
        }
        for name in self.names(port).to_vec() {
            if port.port_security {
                let nodes = self.in_use.entry(port.network.clone()).or_default();
                *nodes.entry(port.node.clone()).or_default().entry(name.clone()).or_default() += 1;
            }
            let remote = Remote::Group(name.clone());
            if self.remotes.contains_key(&remote) {
                for address in RemoteAddress::of_port(port) {
                    *self.addresses.entry(address).or_default().entry(remote.clone()).or_default() += 1;
                }
            }
            self.members.entry(name).or_default().insert(ByName(port.clone()));
        }
    }

    pub(in crate::topology) fn leave(&mut self, port: &Arc<Port>) {
        if !self.firewall {
            return;
        }
        for name in self.names(port).to_vec() {
            if port.port_security
                && let Some(nodes) = self.in_use.get_mut(&port.network)
            {
                take(nodes, &port.node, &name);
            }
            let remote = Remote::Group(name.clone());
            if self.remotes.contains_key(&remote) {
                for address in RemoteAddress::of_port(port) {
                    take(&mut self.addresses, &address, &remote);
                }
            }
            if let Some(ports) = self.members.get_mut(&name) {
                ports.remove(&*port.name);
                if ports.is_empty() {
                    self.members.remove(&name);
                }
            }
        }
    }
}

/// Counts one down, and leaves nothing empty behind.
fn take<K: Ord, L: Ord>(counts: &mut BTreeMap<K, BTreeMap<L, usize>>, key: &K, inner: &L) {
    let Some(inside) = counts.get_mut(key) else { return };
    if let Some(count) = inside.get_mut(inner) {
        *count -= 1;
        if *count == 0 {
            inside.remove(inner);
        }
    }
    if inside.is_empty() {
        counts.remove(key);
    }
}

/// Gives each use a number of its own that depends on names alone: its hash, and where two have the same one, the
/// next that is free, in the order of the uses.
fn numbered(uses: BTreeSet<RemoteUse>) -> BTreeMap<RemoteUse, u32> {
    let mut taken = BTreeSet::new();
    let number = |one: &RemoteUse| {
        let mut number = hash(one).max(1);
        while !taken.insert(number) {
            number = number.checked_add(1).unwrap_or(1);
        }
        number
    };
    let numbers: Vec<u32> = uses.iter().map(number).collect();
    uses.into_iter().zip(numbers).collect()
}

/// FNV-1a of all that makes a use what it is.
fn hash(one: &RemoteUse) -> u32 {
    let (kind, remote) = match &one.remote {
        Remote::Group(name) => ("group", &**name),
        Remote::AddressGroup(name) => ("address_group", &**name),
        Remote::Any | Remote::Prefix(_) => ("", ""),
    };
    let parts = [&*one.group, kind, remote, one.direction.word(), one.ethertype.word()];
    // No name has a control character in it.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Topology {
    /// True if ports are held to the rules of security groups.
    pub fn firewall(&self) -> bool {
        self.security.firewall
    }

    /// The security group of this name.
    pub fn security_group(&self, name: &str) -> Option<&Arc<SecurityGroup>> {
        self.security.groups.get(name)
    }

    /// All security groups, sorted by name.
    pub fn security_groups(&self) -> impl ExactSizeIterator<Item = &Arc<SecurityGroup>> {
        self.security.groups.values()
    }

    /// The address group of this name.
    pub fn address_group(&self, name: &str) -> Option<&Arc<AddressGroup>> {
        self.security.address_groups.get(name)
    }

    /// All address groups, sorted by name.
    pub fn address_groups(&self) -> impl ExactSizeIterator<Item = &Arc<AddressGroup>> {
        self.security.address_groups.values()
    }

    /// The groups that a port is in: those it names, or [`DEFAULT_GROUP`], which a topology without one implies.
    /// A port without port security is only in those it names, and their rules do not hold for it.
    pub fn groups_of<'a>(&'a self, port: &'a Port) -> impl Iterator<Item = &'a Arc<SecurityGroup>> {
        let names = self.security.names(port);
        names.iter().filter_map(|name| match self.security.groups.get(name) {
            None if **name == *DEFAULT_GROUP => Some(&self.security.implied),
            group => group,
        })
    }

    /// The ports of a security group, sorted by name.
    pub fn group_members<'a>(&'a self, group: &str) -> impl Iterator<Item = &'a Arc<Port>> + use<'a> {
        self.security.members.get(group).into_iter().flatten().map(|ByName(port)| port)
    }

    /// The names of the groups whose rules hold for a port of the network on the node, sorted.
    pub fn groups_in_use<'a>(&'a self, network: &str, node: &str) -> impl Iterator<Item = &'a Name> + use<'a> {
        let groups = self.security.in_use.get(network).and_then(|nodes| nodes.get(node));
        groups.into_iter().flat_map(BTreeMap::keys)
    }

    /// A number for these rules that no others have, 1–4294967295. It depends on nothing but the names of groups in
    /// the file, so it is the same on every node and after every restart.
    pub fn remote_use(&self, one: &RemoteUse) -> Option<u32> {
        self.security.uses.get(one).copied()
    }

    /// The rules with this number.
    pub fn use_with_number(&self, number: u32) -> Option<&RemoteUse> {
        self.security.uses.iter().find(|(_, own)| **own == number).map(|(one, _)| one)
    }

    /// The sets of addresses that rules of a group look at, sorted.
    pub fn remotes_in<'a>(&'a self, group: &Name) -> impl Iterator<Item = &'a Remote> + use<'a> {
        let rules = self.security.groups.get(group).into_iter().flat_map(|group| &group.rules);
        let remotes: BTreeSet<&Remote> = rules.map(|rule| &rule.remote).filter(|remote| remote.is_set()).collect();
        remotes.into_iter()
    }

    /// The groups with rules whose number was another in `before`; that takes two uses with one hash.
    pub fn renumbered<'a>(&'a self, before: &Topology) -> impl Iterator<Item = &'a Name> {
        let other =
            |(one, number): &(&RemoteUse, &u32)| before.remote_use(one).is_some_and(|before| before != **number);
        self.security.uses.iter().filter(other).map(|(one, _)| &one.group)
    }

    /// True if an address belongs to a set that a rule looks at.
    pub fn is_remote(&self, address: &RemoteAddress) -> bool {
        self.security.addresses.contains_key(address)
    }

    /// The uses of a set of addresses with their numbers, sorted.
    pub fn uses_of<'a>(&'a self, remote: &Remote) -> impl Iterator<Item = (&'a RemoteUse, u32)> + use<'a> {
        let uses = self.security.remotes.get(remote).into_iter().flatten();
        uses.filter_map(|one| Some((one, self.remote_use(one)?)))
    }

    /// All addresses of sets that a rule looks at, sorted.
    pub fn remote_addresses(&self) -> impl Iterator<Item = &RemoteAddress> {
        self.security.addresses.keys()
    }

    /// The sets that this address belongs to and that a rule looks at, sorted.
    pub fn remotes_of(&self, address: &RemoteAddress) -> impl Iterator<Item = &Remote> {
        self.security.addresses.get(address).into_iter().flat_map(BTreeMap::keys)
    }

    /// The addresses of a set, if a rule looks at it; some may come twice.
    pub fn addresses_of<'a>(&'a self, remote: &'a Remote) -> Vec<RemoteAddress> {
        match remote {
            _ if !self.security.remotes.contains_key(remote) => Vec::new(),
            Remote::Group(name) => self.group_members(name).flat_map(|port| RemoteAddress::of_port(port)).collect(),
            Remote::AddressGroup(name) => {
                let blocks = self.address_group(name).map_or(&[][..], |group| &group.addresses);
                blocks.iter().map(|&block| RemoteAddress::block(block)).collect()
            }
            Remote::Any | Remote::Prefix(_) => Vec::new(),
        }
    }

    /// The groups, each against the others.
    pub(in crate::topology) fn check_remotes(&self, report: &mut Report) {
        let at = At::ROOT.key("security_groups");
        for group in self.security_groups() {
            let at = at.key(&group.name);
            let at = at.key("rules");
            for (index, rule) in group.rules.iter().enumerate() {
                let at = at.index(index);
                match &rule.remote {
                    Remote::Group(name) if self.security_group(name).is_none() => {
                        report.push(&at.key("remote_group"), Fault::UnknownGroup(clip(name).into()));
                    }
                    Remote::AddressGroup(name) if self.address_group(name).is_none() => {
                        report.push(&at.key("remote_address_group"), Fault::UnknownAddressGroup(clip(name).into()));
                    }
                    _ => {}
                }
            }
        }
    }

    /// The groups that a port names.
    pub(in crate::topology) fn check_port_groups(&self, port: &Port, at: &At<'_>, report: &mut Report) {
        let Some(names) = &port.security_groups else { return };
        let at = at.key("security_groups");
        if !self.firewall() {
            report.push(&at, Fault::NoFirewall);
            return;
        }
        let mut first: Option<(usize, &SecurityGroup)> = None;
        for (index, name) in names.iter().enumerate() {
            let at_name = at.index(index);
            match (self.security_group(name), first) {
                (None, _) => report.push(&at_name, Fault::UnknownGroup(clip(name).into())),
                (Some(group), Some((other, one))) if one.stateful != group.stateful => {
                    report.clash(&at_name, Fault::MixedStates, &at.index(other));
                }
                (Some(_), Some(_)) => {}
                (Some(group), None) => first = Some((index, group)),
            }
        }
    }
}
