//! The wanted bridges and ports against those that are there: the difference as one transaction. Pure.
//!
//! Only what differs is written. That matters most for a controller's target, which cuts the bridge's traffic when
//! it is written again with the same value (LP#1948642). What belongs to others (keys in maps, other controllers
//! of a physical bridge, ports without our mark) stays.
//!
//! Open vSwitch removes all flows of a bridge when it gets its first controller, and when the fail mode changes
//! while it has none (`connmgr_set_controllers`, `connmgr_set_fail_mode`). A plan that adds Heddle to a physical
//! bridge that ran alone therefore stops that bridge until Heddle's flows are there.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::database::Database;
use super::desired::{DesiredBridge, DesiredPort, PortKind, Role, is_tunnel_port_name};
use super::marks;
use super::model::{Bridge, Controller, Interface, Port, Table, TextMap};
use super::transaction::{Mutation, Operation, Row, named};
use super::value::{Atom, Datum, Uuid};

/// Silence on a controller's connection before the bridge sends an echo request, in milliseconds.
pub const INACTIVITY_PROBE_MS: i64 = 5000;
/// How long a bridge waits at most before it connects again, in milliseconds: the least that the schema allows,
/// so that a restarted Heddle is found at once.
pub const MAX_BACKOFF_MS: i64 = 1000;
/// MAC addresses that the integration bridge's NORMAL action may learn.
pub const MAC_TABLE_SIZE: &str = "50000";
/// What a bridge of ours speaks: 1.3 for Heddle, the others for people's tools.
pub const OWNED_PROTOCOLS: [&str; 4] = ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"];
/// The protocol that a bridge must speak.
const PROTOCOL: &str = "OpenFlow13";

/// What a plan cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A physical bridge, or the bridge of a port, is not there.
    #[error("the bridge {bridge} does not exist")]
    BridgeAbsent {
        /// The bridge.
        bridge: String,
    },
    /// A name is taken by a port or interface that is not ours.
    #[error("the name {name} is taken by a port that is not Heddle's, on the bridge {holder}")]
    NameTaken {
        /// The name of the wanted bridge or port.
        name: String,
        /// The bridge that holds the name.
        holder: String,
    },
    /// Two wanted bridges or ports have one name; the first counts.
    #[error("two bridges or ports are to have the name {name}")]
    NamedTwice {
        /// The name.
        name: String,
    },
}

/// The difference between what is wanted and what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One transaction; empty if nothing differs.
    pub operations: Vec<Operation>,
    /// What is wanted and stays undone.
    pub problems: Vec<Problem>,
}

/// What to write so that the database has these bridges and ports, and no other port of ours.
///
/// Call it with the complete wanted state: a port that carries our mark and is not in `ports` is removed, from
/// whatever bridge it is on.
pub fn plan(db: &Database, bridges: &[DesiredBridge], ports: &[DesiredPort]) -> Plan {
    let mut draft = Draft::new(db, bridges);
    let mut names = HashSet::new();
    let bridges = bridges.iter().filter(|bridge| {
        let first = names.insert(bridge.name.as_str());
        if !first {
            draft.problems.push(Problem::NamedTwice { name: bridge.name.clone() });
        }
        first
    });
    for bridge in bridges.collect::<Vec<_>>() {
        draft.plan_bridge(bridge);
    }
    let mut wanted = HashSet::new();
    for port in ports {
        if names.insert(&port.name) {
            wanted.insert((port.bridge.as_str(), port.name.as_str()));
            draft.plan_port(port);
        } else {
            draft.problems.push(Problem::NamedTwice { name: port.name.clone() });
        }
    }
    draft.plan_removals(&wanted);
    draft.finish()
}

/// The changes to a bridge's row, existing or new, until all of them are known.
#[derive(Default)]
struct BridgeDraft {
    row: Row,
    mutations: Vec<Mutation>,
    new_ports: Vec<Atom>,
    old_ports: Vec<Uuid>,
}

struct Draft<'a> {
    db: &'a Database,
    tunnel_bridges: HashSet<&'a str>,
    existing: BTreeMap<Uuid, BridgeDraft>,
    created: BTreeMap<String, BridgeDraft>,
    waits: Vec<Operation>,
    operations: Vec<Operation>,
    problems: Vec<Problem>,
    inserted: usize,
}

impl<'a> Draft<'a> {
    fn new(db: &'a Database, bridges: &'a [DesiredBridge]) -> Self {
        let tunnel_bridges =
            bridges.iter().filter(|bridge| bridge.role == Role::Tunnel).map(|bridge| bridge.name.as_str()).collect();
        Self {
            db,
            tunnel_bridges,
            existing: BTreeMap::new(),
            created: BTreeMap::new(),
            waits: Vec::new(),
            operations: Vec::new(),
            problems: Vec::new(),
            inserted: 0,
        }
    }

    fn insert(&mut self, table: Table, row: Row) -> Atom {
        self.inserted += 1;
        let name = format!("row{}", self.inserted);
        let reference = named(&name);
        self.operations.push(Operation::insert(table, name, row));
        reference
    }

    fn report(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn plan_bridge(&mut self, wanted: &DesiredBridge) {
        match self.db.bridge_named(&wanted.name) {
            Some((uuid, bridge)) => self.correct_bridge(uuid, bridge, wanted),
            None if !wanted.role.is_owned() => self.report(Problem::BridgeAbsent { bridge: wanted.name.clone() }),
            None => match self.holder_of(&wanted.name) {
                Some(holder) => self.report(Problem::NameTaken { name: wanted.name.clone(), holder }),
                None => self.create_bridge(wanted),
            },
        }
    }

    fn create_bridge(&mut self, wanted: &DesiredBridge) {
        let name = || Datum::from(wanted.name.as_str());
        let interface = self.insert(Table::Interface, vec![("name", name()), ("type", "internal".into())]);
        let port = self.insert(Table::Port, vec![("name", name()), ("interfaces", interface.into())]);
        let limit = wanted.controller_rate_limit;
        let controllers = targets(wanted).into_iter().map(|target| self.insert_controller(target, limit)).collect();
        let mut settings = vec![("disable-in-band", "true")];
        if wanted.role == Role::Integration {
            settings.push(("mac-table-size", MAC_TABLE_SIZE));
        }
        let mut row = vec![
            ("name", name()),
            ("fail_mode", "secure".into()),
            ("protocols", Datum::set(OWNED_PROTOCOLS)),
            ("controller", Datum::Set(controllers)),
            ("other_config", Datum::map(settings)),
        ];
        // Empty is the schema's word for `system`.
        if !matches!(wanted.datapath_type.as_str(), "" | "system") {
            row.push(("datapath_type", wanted.datapath_type.as_str().into()));
        }
        let draft = BridgeDraft { row, new_ports: vec![port], ..BridgeDraft::default() };
        self.created.insert(wanted.name.clone(), draft);
    }

    fn insert_controller(&mut self, target: &str, rate_limit: Option<i64>) -> Atom {
        let mut row = vec![
            ("target", target.into()),
            ("connection_mode", "out-of-band".into()),
            ("inactivity_probe", INACTIVITY_PROBE_MS.into()),
            ("max_backoff", MAX_BACKOFF_MS.into()),
            ("external_ids", Datum::map([(marks::OWNER, marks::OWNER_CONTROLLER)])),
        ];
        row.extend(rate_limit.map(|packets| ("controller_rate_limit", packets.into())));
        self.insert(Table::Controller, row)
    }

    fn correct_bridge(&mut self, uuid: Uuid, bridge: &Bridge, wanted: &DesiredBridge) {
        let mut draft = BridgeDraft::default();
        if bridge.fail_mode.as_deref() != Some("secure") {
            draft.row.push(("fail_mode", "secure".into()));
        }
        if bridge.protocols.is_empty() {
            // Open vSwitch's default has 1.3 in it, so that a bridge of the operator's may stay as it is.
            if wanted.role.is_owned() {
                draft.row.push(("protocols", Datum::set(OWNED_PROTOCOLS)));
            }
        } else if !bridge.protocols.contains(PROTOCOL) {
            // If someone clears the set meanwhile, to add ours would shut all other versions out.
            let seen = Datum::set(bridge.protocols.iter().map(String::as_str));
            self.waits.push(Operation::wait(Table::Bridge, uuid, vec![("protocols", seen)]));
            draft.mutations.push(Mutation::insert("protocols", Datum::set([PROTOCOL])));
        }
        let foreign = self.correct_controllers(bridge, wanted, &mut draft);
        // Another controller of the operator's may need in-band flows; ours is out-of-band by its own row.
        if !foreign && bridge.other_config.get("disable-in-band").is_none_or(|value| value != "true") {
            draft.mutations.extend(Mutation::set_key("other_config", "disable-in-band", "true"));
        }
        if wanted.role == Role::Integration && !bridge.other_config.contains_key("mac-table-size") {
            draft.mutations.push(Mutation::insert("other_config", Datum::map([("mac-table-size", MAC_TABLE_SIZE)])));
        }
        self.existing.insert(uuid, draft);
    }

    /// Controllers of the bridge by their targets. Returns whether some that are not ours stay.
    fn correct_controllers(&mut self, bridge: &Bridge, wanted: &DesiredBridge, draft: &mut BridgeDraft) -> bool {
        let db = self.db;
        let mut others: Vec<(Uuid, Option<&Controller>)> =
            bridge.controllers.iter().map(|&uuid| (uuid, db.controller(uuid))).collect();
        let mut new = Vec::new();
        for target in targets(wanted) {
            match others.iter().position(|(_, row)| row.is_some_and(|row| row.target == target)) {
                Some(at) => {
                    if let (uuid, Some(row)) = others.swap_remove(at) {
                        self.correct_controller(uuid, row, wanted.controller_rate_limit);
                    }
                }
                None => new.push(self.insert_controller(target, wanted.controller_rate_limit)),
            }
        }
        let is_ours =
            |row: Option<&Controller>| row.is_some_and(|row| is_marked(&row.external_ids, marks::OWNER_CONTROLLER));
        let mut unwanted: Vec<Uuid> = Vec::new();
        let mut foreign = false;
        for (uuid, row) in others {
            if wanted.role.is_owned() || is_ours(row) { unwanted.push(uuid) } else { foreign = true }
        }
        unwanted.sort_unstable();
        if !unwanted.is_empty() {
            draft.mutations.push(Mutation::delete("controller", Datum::set(unwanted)));
        }
        if !new.is_empty() {
            draft.mutations.push(Mutation::insert("controller", Datum::Set(new)));
        }
        foreign
    }

    fn correct_controller(&mut self, uuid: Uuid, row: &Controller, rate_limit: Option<i64>) {
        let mut update = Row::new();
        if row.connection_mode.as_deref() != Some("out-of-band") {
            update.push(("connection_mode", "out-of-band".into()));
        }
        if row.inactivity_probe != Some(INACTIVITY_PROBE_MS) {
            update.push(("inactivity_probe", INACTIVITY_PROBE_MS.into()));
        }
        if row.max_backoff != Some(MAX_BACKOFF_MS) {
            update.push(("max_backoff", MAX_BACKOFF_MS.into()));
        }
        if row.controller_rate_limit != rate_limit {
            update.push(("controller_rate_limit", Datum::Set(rate_limit.map(Atom::from).into_iter().collect())));
        }
        if !update.is_empty() {
            self.operations.push(Operation::update(Table::Controller, uuid, update));
        }
    }

    fn plan_port(&mut self, wanted: &DesiredPort) {
        let bridge = self.db.bridge_named(&wanted.bridge).map(|(uuid, _)| uuid);
        if bridge.is_none() && !self.created.contains_key(&wanted.bridge) {
            // The bridge's own problem, if it has one, says more.
            let told = self.problems.iter().any(|problem| match problem {
                Problem::NameTaken { name, .. } | Problem::BridgeAbsent { bridge: name } => *name == wanted.bridge,
                Problem::NamedTwice { .. } => false,
            });
            if !told {
                self.report(Problem::BridgeAbsent { bridge: wanted.bridge.clone() });
            }
            return;
        }
        match self.db.port_named(&wanted.name) {
            Some((uuid, port)) if bridge.is_some() && self.db.bridge_of_port(uuid) == bridge => {
                self.correct_port(uuid, port, wanted);
            }
            // Ours on another bridge: plan_removals takes it away, in the same transaction.
            Some((uuid, port)) if self.is_ours(uuid, port) => self.create_port(bridge, wanted),
            _ => match self.holder_of(&wanted.name) {
                Some(holder) => self.report(Problem::NameTaken { name: wanted.name.clone(), holder }),
                None => self.create_port(bridge, wanted),
            },
        }
    }

    fn create_port(&mut self, bridge: Option<Uuid>, wanted: &DesiredPort) {
        let name = || Datum::from(wanted.name.as_str());
        let interface = vec![
            ("name", name()),
            ("type", wanted.kind.interface_type().into()),
            ("options", Datum::map(wanted.kind.options())),
        ];
        let interface = self.insert(Table::Interface, interface);
        let mark = Datum::map([(marks::OWNER, marks::OWNER_PORT)]);
        let port =
            self.insert(Table::Port, vec![("name", name()), ("interfaces", interface.into()), ("external_ids", mark)]);
        let draft = match bridge {
            Some(uuid) => self.existing.entry(uuid).or_default(),
            None => self.created.entry(wanted.bridge.clone()).or_default(),
        };
        draft.new_ports.push(port);
    }

    /// A port on the right bridge. Without our mark it is taken over if it is what we would have made, such as
    /// another agent's patch port; anything else with that name is not ours to change.
    fn correct_port(&mut self, uuid: Uuid, port: &Port, wanted: &DesiredPort) {
        let kind = wanted.kind.interface_type();
        let marked = is_marked(&port.external_ids, marks::OWNER_PORT);
        let interface = self.db.only_interface_of(uuid).filter(|(_, row)| marked || row.kind == kind);
        let Some((interface, row)) = interface else {
            return self.report(Problem::NameTaken { name: wanted.name.clone(), holder: wanted.bridge.clone() });
        };
        if !marked {
            let mark = Mutation::set_key("external_ids", marks::OWNER, marks::OWNER_PORT);
            self.operations.push(Operation::mutate(Table::Port, uuid, mark.into()));
        }
        self.operations.extend(correct_interface(interface, row, &wanted.kind));
    }

    fn plan_removals(&mut self, wanted: &HashSet<(&str, &str)>) {
        for (bridge_uuid, bridge) in self.db.bridges() {
            let unwanted: Vec<Uuid> = self
                .db
                .ports_of(bridge_uuid)
                .filter(|(uuid, port)| {
                    !wanted.contains(&(bridge.name.as_str(), port.name.as_str())) && self.is_ours(*uuid, port)
                })
                .map(|(uuid, _)| uuid)
                .collect();
            if !unwanted.is_empty() {
                self.existing.entry(bridge_uuid).or_default().old_ports = unwanted;
            }
        }
    }

    /// A port that we may remove: it carries our mark, or is a tunnel port by type and name on a tunnel bridge.
    fn is_ours(&self, uuid: Uuid, port: &Port) -> bool {
        if is_marked(&port.external_ids, marks::OWNER_PORT) {
            return true;
        }
        let bridge = self.db.bridge_of_port(uuid).and_then(|bridge| self.db.bridge(bridge));
        bridge.is_some_and(|bridge| self.tunnel_bridges.contains(bridge.name.as_str()))
            && is_tunnel_port_name(&port.name)
            && self.db.only_interface_of(uuid).is_some_and(|(_, interface)| interface.kind == "vxlan")
    }

    /// The bridge that holds a port or an interface (a bond's member, say) of this name.
    fn holder_of(&self, name: &str) -> Option<String> {
        let port = self.db.port_named(name).map(|(uuid, _)| uuid);
        let interface = || self.db.interface_named(name).map(|(uuid, _)| self.db.port_of_interface(uuid));
        let port = port.map(Some).or_else(interface)?;
        let bridge = port.and_then(|port| self.db.bridge_of_port(port)).and_then(|bridge| self.db.bridge(bridge));
        Some(bridge.map_or_else(String::new, |bridge| bridge.name.clone()))
    }

    fn finish(mut self) -> Plan {
        for (uuid, draft) in std::mem::take(&mut self.existing) {
            let mut mutations = draft.mutations;
            if !draft.old_ports.is_empty() {
                mutations.push(Mutation::delete("ports", Datum::set(draft.old_ports)));
            }
            if !draft.new_ports.is_empty() {
                mutations.push(Mutation::insert("ports", Datum::Set(draft.new_ports)));
            }
            if !draft.row.is_empty() {
                self.operations.push(Operation::update(Table::Bridge, uuid, draft.row));
            }
            if !mutations.is_empty() {
                self.operations.push(Operation::mutate(Table::Bridge, uuid, mutations));
            }
        }
        let mut created = Vec::new();
        for (_, draft) in std::mem::take(&mut self.created) {
            let mut row = draft.row;
            row.push(("ports", Datum::Set(draft.new_ports)));
            created.push(self.insert(Table::Bridge, row));
        }
        if !created.is_empty() {
            let created = Datum::Set(created);
            match self.db.open_vswitch() {
                Some((root, _)) => {
                    let bridges = Mutation::insert("bridges", created);
                    self.operations.push(Operation::mutate(Table::OpenVswitch, root, vec![bridges]));
                }
                // A database that nobody has used yet (ovs-vsctl init). The schema allows one such row, so that
                // of two who make it at once one fails and tries again.
                None => drop(self.insert(Table::OpenVswitch, vec![("bridges", created)])),
            }
        }
        let mut operations = self.waits;
        operations.append(&mut self.operations);
        if !operations.is_empty() {
            operations.push(Operation::Comment("heddle: bridges and ports".to_owned()));
        }
        Plan { operations, problems: self.problems }
    }
}

/// Each target once: Open vSwitch ignores a second row with the same one.
fn targets(wanted: &DesiredBridge) -> BTreeSet<&str> {
    wanted.controllers.iter().map(String::as_str).collect()
}

fn is_marked(external_ids: &TextMap, value: &str) -> bool {
    external_ids.get(marks::OWNER).is_some_and(|mark| mark == value)
}

/// What differs on an interface. Options that we do not set, such as `dst_port`, stay, unless the type changes.
fn correct_interface(uuid: Uuid, row: &Interface, kind: &PortKind) -> Option<Operation> {
    let options = kind.options();
    if row.kind != kind.interface_type() {
        let update = vec![("type", kind.interface_type().into()), ("options", Datum::map(options))];
        return Some(Operation::update(Table::Interface, uuid, update));
    }
    let mutations: Vec<Mutation> = options
        .iter()
        .filter(|(key, value)| row.options.get(*key) != Some(value))
        .flat_map(|(key, value)| Mutation::set_key("options", key, value))
        .collect();
    (!mutations.is_empty()).then(|| Operation::mutate(Table::Interface, uuid, mutations))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
