//! Which port of the topology is which port of `br-int`, and which local VLAN stands for which network.
//! Pure; follows the database row by row, so that a change costs what it changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::openflow::PortNo;
use crate::ovsdb::{Database, Interface, Ofport, Uuid, marks};
use crate::pipeline::LocalVlan;
use crate::topology::{Name, Topology};

/// Why an interface on `br-int` is not served.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unserved {
    /// No port of the topology has this `iface-id` or `interface`.
    #[error("the topology knows no port with this iface-id or interface name")]
    Unknown,
    /// The port is another node's.
    #[error("port {port} belongs on node {node}")]
    OtherNode {
        /// The port.
        port: Name,
        /// Where the topology has it.
        node: Name,
    },
    /// A bond cannot be a port.
    #[error("a port with several interfaces (a bond) cannot be a port of the topology")]
    Bond,
}

/// A port of `br-int` that may be one of the topology.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The interface's row, unless it is a bond.
    pub interface: Option<Uuid>,
    /// The interface's name.
    pub interface_name: String,
    /// The port of the topology that it is meant to be, or why it is none.
    pub claim: Result<Name, Unserved>,
    /// Its number.
    pub ofport: Ofport,
    tag: Option<u16>,
}

/// A served port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// Its row in the database's `Port` table.
    pub row: Uuid,
    /// Its row in `Interface`.
    pub interface: Uuid,
    /// Its network.
    pub network: Name,
    /// Its number, once the switch has given it one and it carries its network's local VLAN or the dead one.
    pub ofport: Option<PortNo>,
    /// Which of the two it carries.
    pub place: Place,
}

/// On which VLAN a port is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On the dead one, or on none that Heddle gave it.
    Closed,
    /// On the local VLAN of its network.
    Open,
}

/// What the binder looks at.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// What the switch's database holds.
    pub database: &'a Database,
    /// What is wanted.
    pub topology: &'a Topology,
    /// This node.
    pub node: &'a Name,
    /// The row of `br-int`.
    pub integration: Uuid,
}

/// What a refresh changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refreshed {
    /// Ports of the topology whose binding is another.
    pub ports: BTreeSet<Name>,
    /// Networks that came into use here, or went out of it.
    pub networks: BTreeSet<Name>,
}

/// A local VLAN that no other network may have yet.
struct Resting {
    /// Whose it was.
    network: Name,
    /// The generation that does without it.
    since: u64,
}

/// See the module.
#[derive(Default)]
pub struct Binder {
    rows: HashMap<Uuid, Row>,
    /// Rows that claim a port of the topology.
    claims: HashMap<Name, BTreeSet<Uuid>>,
    bindings: BTreeMap<Name, Binding>,
    /// Of each network in use, how many ports are bound.
    used: BTreeMap<Name, usize>,
    local_vlans: BTreeMap<Name, LocalVlan>,
    /// Local VLANs that their networks gave up, and that a bridge may still take for theirs.
    resting: BTreeMap<LocalVlan, Resting>,
    /// Ports that would be bound if there were a local VLAN left for their network.
    starved: BTreeSet<Name>,
}

impl Binder {
    /// Reads back which local VLAN stood for which network: what ports say that carry both. Those that
    /// nothing uses are given up by the next [`settle`](Self::settle).
    pub fn recall(&mut self, source: &Source<'_>) {
        let mut taken: BTreeSet<LocalVlan> = self.local_vlans.values().copied().collect();
        for (_, port) in source.database.ports_of(source.integration) {
            let Some(name) = port.external_ids.get(marks::NETWORK) else { continue };
            let Some(vlan) = port.tag.and_then(LocalVlan::new) else { continue };
            let Some(network) = source.topology.network(name) else { continue };
            if !self.local_vlans.contains_key(&network.name) && taken.insert(vlan) {
                self.local_vlans.insert(network.name.clone(), vlan);
            }
        }
    }

    /// Every row that this binder follows.
    pub fn row_ids(&self) -> impl Iterator<Item = Uuid> {
        self.rows.keys().copied()
    }

    /// The rows with what they are.
    pub fn rows(&self) -> impl Iterator<Item = (Uuid, &Row)> {
        self.rows.iter().map(|(uuid, row)| (*uuid, row))
    }

    /// One row.
    pub fn row(&self, uuid: Uuid) -> Option<&Row> {
        self.rows.get(&uuid)
    }

    /// The served ports.
    pub fn bindings(&self) -> &BTreeMap<Name, Binding> {
        &self.bindings
    }

    /// Networks in use here.
    pub fn local_vlans(&self) -> &BTreeMap<Name, LocalVlan> {
        &self.local_vlans
    }

    /// True if a port cannot be bound because no local VLAN is free.
    pub fn is_starved(&self, port: &Name) -> bool {
        self.starved.contains(port)
    }

    /// The network and the local VLAN of a row's port. `None`: it serves no port.
    pub fn wanted_tag(&self, uuid: Uuid) -> Option<(Name, LocalVlan)> {
        let port = self.rows.get(&uuid)?.claim.as_ref().ok()?;
        let binding = self.bindings.get(port).filter(|binding| binding.row == uuid)?;
        Some((binding.network.clone(), *self.local_vlans.get(&binding.network)?))
    }

    /// Looks at one row anew: it may be new, changed, or gone. Call [`settle`](Self::settle) after the last.
    pub fn refresh(&mut self, uuid: Uuid, source: &Source<'_>, refreshed: &mut Refreshed) {
        let row = read_row(uuid, source);
        let before = match row.clone() {
            Some(row) => self.rows.insert(uuid, row),
            None => self.rows.remove(&uuid),
        };
        let claimed = |row: Option<Row>| row.and_then(|row| row.claim.ok());
        let (before, after) = (claimed(before), claimed(row));
        if before != after {
            if let Some(port) = &before
                && let Some(rows) = self.claims.get_mut(port)
            {
                rows.remove(&uuid);
                if rows.is_empty() {
                    self.claims.remove(port);
                }
            }
            if let Some(port) = &after {
                self.claims.entry(port.clone()).or_default().insert(uuid);
            }
        }
        if let Some(port) = before.filter(|port| after.as_ref() != Some(port)) {
            self.bind(&port, source, refreshed);
        }
        if let Some(port) = after {
            self.bind(&port, source, refreshed);
        }
    }

    /// Gives up the local VLANs of networks that no port uses any more: from `generation` on, no flow is theirs. They
    /// rest then. Binds the ports that wait for one.
    pub fn settle(&mut self, generation: u64, source: &Source<'_>, refreshed: &mut Refreshed) {
        self.used.retain(|_, count| *count > 0);
        let Self { used, local_vlans, resting, .. } = self;
        local_vlans.retain(|network, vlan| {
            let keep = used.contains_key(network);
            if !keep {
                refreshed.networks.insert(network.clone());
                resting.insert(*vlan, Resting { network: network.clone(), since: generation });
            }
            keep
        });
        for port in std::mem::take(&mut self.starved) {
            self.bind(&port, source, refreshed);
        }
    }

    /// Chooses the row that serves `port` and follows it.
    fn bind(&mut self, port: &Name, source: &Source<'_>, refreshed: &mut Refreshed) {
        let before = self.bindings.get(port).cloned();
        let network = source.topology.port(port).map(|port| port.network.clone());
        let holder = self.holder(port, before.as_ref().map(|binding| binding.row));
        if let Some(before) =
            before.as_ref().filter(|before| holder.is_none() || Some(&before.network) != network.as_ref())
            && let Some(count) = self.used.get_mut(&before.network)
        {
            *count = count.saturating_sub(1);
        }
        self.starved.remove(port);
        let counted = before.as_ref().map(|binding| &binding.network);
        let after = holder.zip(network).and_then(|((row, interface), network)| {
            let Some(vlan) = self.take_into_use(&network, counted == Some(&network), refreshed) else {
                self.starved.insert(port.clone());
                return None;
            };
            let tag = self.rows.get(&row).and_then(|row| row.tag);
            let place = if tag == Some(vlan.vid()) { Place::Open } else { Place::Closed };
            let placed = place == Place::Open || tag == Some(LocalVlan::DEAD);
            let numbered = self.rows.get(&row).filter(|_| placed);
            let ofport = numbered.and_then(|row| row.ofport.port_no());
            Some(Binding { row, interface, network, ofport, place })
        });
        if before == after {
            return;
        }
        refreshed.ports.insert(port.clone());
        match after {
            Some(binding) => self.bindings.insert(port.clone(), binding),
            None => self.bindings.remove(port),
        };
    }

    /// The row that serves a port: the one that did, as long as it has a number; else the first that has;
    /// else the one that did, or the first.
    fn holder(&self, port: &Name, before: Option<Uuid>) -> Option<(Uuid, Uuid)> {
        let rows = self.claims.get(port)?;
        let numbered = |uuid: &Uuid| self.rows.get(uuid).is_some_and(|row| row.ofport.port_no().is_some());
        let kept = before.filter(|uuid| rows.contains(uuid));
        let row = kept
            .filter(numbered)
            .or_else(|| rows.iter().copied().find(numbered))
            .or(kept)
            .or_else(|| rows.first().copied())?;
        Some((row, self.rows.get(&row)?.interface?))
    }

    /// Local VLANs given up in generations that are in effect everywhere may be anybody's. True if a port waits for one.
    pub fn wake(&mut self, in_effect: impl Fn(u64) -> bool) -> bool {
        let before = self.resting.len();
        self.resting.retain(|_, resting| !in_effect(resting.since));
        self.resting.len() < before && !self.starved.is_empty()
    }

    /// The local VLAN of a network that a port uses, a free one if it has none. `None`: none is free.
    fn take_into_use(&mut self, network: &Name, counted: bool, refreshed: &mut Refreshed) -> Option<LocalVlan> {
        let vlan = match self.local_vlans.get(network) {
            Some(vlan) => *vlan,
            None => self.free(network)?,
        };
        self.resting.remove(&vlan);
        let count = self.used.entry(network.clone()).or_default();
        if !counted {
            *count += 1;
        }
        if self.local_vlans.insert(network.clone(), vlan).is_none() || (*count == 1 && !counted) {
            refreshed.networks.insert(network.clone());
        }
        Some(vlan)
    }

    /// One that the network had and nobody else took for his since, or the lowest that is nobody's.
    fn free(&self, network: &Name) -> Option<LocalVlan> {
        if let Some((vlan, _)) = self.resting.iter().find(|(_, resting)| resting.network == *network) {
            return Some(*vlan);
        }
        let mut taken: BTreeSet<LocalVlan> = self.local_vlans.values().copied().collect();
        taken.extend(self.resting.keys());
        LocalVlan::all().find(|vlan| !taken.contains(vlan))
    }
}

/// What a row of the database is. `None`: not there, or not a port that could be the topology's.
fn read_row(uuid: Uuid, source: &Source<'_>) -> Option<Row> {
    let database = source.database;
    let port = database.port(uuid)?;
    let bridge = database.bridge(source.integration)?;
    let ours = port.external_ids.contains_key(marks::OWNER);
    if database.bridge_of_port(uuid) != Some(source.integration) || ours || port.name == bridge.name {
        return None;
    }
    let unserved = |reason| Row {
        interface: None,
        interface_name: port.name.clone(),
        claim: Err(reason),
        ofport: Ofport::Unset,
        tag: port.tag,
    };
    let Some((interface_uuid, interface)) = database.only_interface_of(uuid) else {
        return Some(unserved(Unserved::Bond));
    };
    Some(Row {
        interface: Some(interface_uuid),
        interface_name: interface.name.clone(),
        claim: claim(interface, source),
        ofport: interface.ofport,
        tag: port.tag,
    })
}

/// By `iface-id`, else by name.
fn claim(interface: &Interface, source: &Source<'_>) -> Result<Name, Unserved> {
    let by_id = interface.external_ids.get("iface-id").and_then(|id| source.topology.port(id));
    match by_id.or_else(|| source.topology.port_by_interface(source.node, &interface.name)) {
        Some(port) if port.node == *source.node => Ok(port.name.clone()),
        Some(port) => Err(Unserved::OtherNode { port: port.name.clone(), node: port.node.clone() }),
        None => Err(Unserved::Unknown),
    }
}

#[cfg(test)]
#[path = "binder_tests.rs"]
mod tests;
