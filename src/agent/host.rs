//! The agent's state, without I/O: topology, database and bridges come in as events, and what has to be
//! done about them comes out as [`Effects`]. Every start, reload, reconnect and restart is the same path:
//! new input, then the difference.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem;
use std::sync::Arc;

use super::announce;
use super::binder::{Binder, Place, Refreshed, Source};
use super::bridges::{Bridges, Stranger};
use super::flow_restore::{self, FlowRestore, Restoration};
use super::port_flows::{InEffect, PortFlows, Refusals, bridges_of};
use super::preview::layout;
use super::wiring::{Guards, Wiring};
use crate::config::Config;
use crate::openflow::Cookie;
use crate::ovsdb::{self, Change, Database, Operation, Table, Uuid, marks, port_state};
use crate::pipeline::cookie;
use crate::pipeline::{Bindings, Bridge, Desired, Layout, LocalVlan, Object, View};
use crate::responder::learning::Counters;
use crate::responder::{Answers, Limits, Rate, Responder, Role};
use crate::switch::{Command, ConnectionId, Identity, Progress, Rejected};
use crate::topology::{Name, Topology};

/// What has to be done.
#[derive(Default)]
pub struct Effects {
    /// To tell a connection.
    pub commands: Vec<(ConnectionId, Command)>,
    /// Connections to send away, and why.
    pub refused: Vec<(ConnectionId, Stranger)>,
}

/// See the module.
pub struct Host {
    config: Config,
    layout: Layout,
    wiring: Wiring,
    topology: Arc<Topology>,
    database: Option<Database>,
    binder: Binder,
    bindings: Bindings,
    desired: Desired,
    answers: Answers,
    bridges: Bridges,
    ports: PortFlows,
    /// Those that came into effect since the last tick, and are announced once more then.
    announced: BTreeSet<Name>,
    generation: u64,
    /// Rows of `Port` whose database state may have to be put right.
    dirty_rows: BTreeSet<Uuid>,
    /// Bridges and ports of ours may have to be put right.
    wiring_dirty: bool,
    problems: Vec<ovsdb::Problem>,
    flow_restore: FlowRestore,
}

impl Host {
    /// A host that knows its files and nothing else yet.
    pub fn new(config: Config, topology: Arc<Topology>) -> Self {
        let layout = layout(&config);
        let wiring = Wiring::new(&config);
        let named = layout.bridges().filter_map(|bridge| Some((wiring.bridge_name(&bridge)?.clone(), bridge)));
        let bridges = Bridges::new(named, config.learning.clone());
        Self {
            config,
            layout,
            wiring,
            topology,
            database: None,
            binder: Binder::default(),
            bindings: Bindings::default(),
            desired: Desired::new(),
            answers: Answers::default(),
            bridges,
            ports: PortFlows::default(),
            announced: BTreeSet::new(),
            generation: 0,
            dirty_rows: BTreeSet::new(),
            wiring_dirty: true,
            problems: Vec::new(),
            flow_restore: FlowRestore::default(),
        }
    }

    /// The database as it is, after connecting to it.
    pub fn on_snapshot(&mut self, database: Database) -> Effects {
        self.database = Some(database);
        self.refresh_all(Vec::new())
    }

    /// The connection to the database is gone; what it said last stays in force.
    pub fn on_database_lost(&mut self) {
        // Writes that were on their way may or may not have arrived; the next snapshot tells.
        self.wiring_dirty = true;
    }

    /// Rows of the database changed.
    pub fn on_changes(&mut self, changes: Vec<Change>) -> Effects {
        let Some(mut database) = self.database.take() else { return Effects::default() };
        let integration = self.wiring.integration();
        let before = database.bridge_named(integration).map(|(uuid, bridge)| (uuid, bridge.ports.clone()));
        // A port that takes a name of ours may have gone: as long as something is undone, everything counts.
        let wiring_changed =
            !self.problems.is_empty() || changes.iter().any(|change| concerns_wiring(change, &database));
        let in_table = |table| changes.iter().filter(move |change| change.table() == table).map(Change::uuid);
        let mut rows: BTreeSet<Uuid> = in_table(Table::Port).collect();
        rows.extend(in_table(Table::Interface).filter_map(|uuid| database.port_of_interface(uuid)));
        let interfaces: Vec<Uuid> = in_table(Table::Interface).collect();
        database.apply(changes);
        rows.extend(interfaces.into_iter().filter_map(|uuid| database.port_of_interface(uuid)));
        let after = database.bridge_named(integration).map(|(uuid, bridge)| (uuid, bridge.ports.clone()));
        self.database = Some(database);
        if before.as_ref().map(|(uuid, _)| *uuid) != after.as_ref().map(|(uuid, _)| *uuid) {
            return self.refresh_all(Vec::new());
        }
        if let (Some((_, before)), Some((_, after))) = (before, after) {
            rows.extend(before.symmetric_difference(&after));
        }
        self.wiring_dirty |= wiring_changed;
        self.refresh(rows, wiring_changed, Vec::new())
    }

    /// Another topology is in force. It has passed [`Config::check_topology`].
    pub fn on_topology(&mut self, topology: Arc<Topology>) -> Effects {
        let before = mem::replace(&mut self.topology, topology);
        let changes = Topology::diff(&before, &self.topology);
        if changes.is_empty() {
            return Effects::default();
        }
        let dirty = self.view().objects_of_changes(&before, &changes);
        self.refresh_all(dirty)
    }

    /// Looks at every row of the database anew.
    fn refresh_all(&mut self, dirty: Vec<Object>) -> Effects {
        self.wiring_dirty = true;
        let mut rows: BTreeSet<Uuid> = self.binder.row_ids().collect();
        if let Some((database, integration)) = self.integration() {
            rows.extend(database.ports_of(integration).map(|(uuid, _)| uuid));
        }
        self.refresh(rows, true, dirty)
    }

    fn integration(&self) -> Option<(&Database, Uuid)> {
        let database = self.database.as_ref()?;
        Some((database, database.bridge_named(self.wiring.integration())?.0))
    }

    /// Follows `rows`, and the ports of ours if `wiring` says so, and makes anew the flows that this and
    /// `dirty` concern.
    fn refresh(&mut self, rows: BTreeSet<Uuid>, wiring: bool, mut dirty: Vec<Object>) -> Effects {
        let mut refreshed = Refreshed::default();
        if let Some(database) = &self.database {
            // Without br-int there are no rows: what was bound is let go.
            let integration = database.bridge_named(self.wiring.integration()).map_or(Uuid([0; 16]), |(uuid, _)| uuid);
            let source = Source { database, topology: &self.topology, node: &self.layout.node, integration };
            if self.generation == 0 {
                self.binder.recall(&source);
            }
            for &row in &rows {
                self.binder.refresh(row, &source, &mut refreshed);
            }
            self.binder.settle(self.generation + 1, &source, &mut refreshed);
        }
        self.dirty_rows.extend(rows);
        self.take_over_bindings(&refreshed, &mut dirty);
        if wiring {
            self.take_over_wiring(&mut dirty);
        }
        self.recompute(dirty, &refreshed)
    }

    /// The binder's view becomes the pipeline's.
    fn take_over_bindings(&mut self, refreshed: &Refreshed, dirty: &mut Vec<Object>) {
        for network in &refreshed.networks {
            match self.binder.local_vlans().get(network) {
                Some(vlan) => self.bindings.local_vlans.insert(network.clone(), *vlan),
                None => self.bindings.local_vlans.remove(network),
            };
            dirty.extend(self.view().objects_of_network(network));
        }
        for port in &refreshed.ports {
            let binding = self.binder.bindings().get(port);
            self.dirty_rows.extend(binding.map(|binding| binding.row));
            let before = self.bindings.ports.get(port).copied();
            let (ofport, place) = binding.map_or((None, Place::Closed), |binding| (binding.ofport, binding.place));
            let recalled = self.generation == 0 && place == Place::Open;
            if (ofport.is_none() || ofport != before) && !recalled && self.is_held_to_rules(port) {
                self.ports.arrived(port);
            }
            self.bindings.closed.remove(port);
            match ofport {
                Some(ofport) => {
                    self.bindings.ports.insert(port.clone(), ofport);
                    self.bindings.closed.extend((place == Place::Closed).then(|| port.clone()));
                }
                None => {
                    self.bindings.ports.remove(port);
                    self.ports.left(port);
                }
            }
            if binding.is_none() {
                self.ports.forget(port);
            }
            dirty.extend(self.view().objects_of_binding(port));
        }
    }

    /// True if what reaches this port has to pass rules first.
    fn is_held_to_rules(&self, port: &str) -> bool {
        self.topology.firewall() && self.topology.port(port).is_some_and(|port| port.port_security)
    }

    /// The numbers of patch and tunnel ports.
    fn take_over_wiring(&mut self, dirty: &mut Vec<Object>) {
        let Some(database) = &self.database else { return };
        let found = self.wiring.numbers(database, &self.topology);
        let before = &self.bindings;
        if (before.patch_tun, before.patch_int) != (found.patch_tun, found.patch_int) {
            dirty.push(Object::Host);
        }
        let physical: Vec<Name> = self.layout.physical_networks.clone();
        let changed: Vec<&Name> =
            physical.iter().filter(|name| before.physical.get(*name) != found.physical.get(*name)).collect();
        let nodes: BTreeSet<Name> = before.tunnels.keys().chain(found.tunnels.keys()).cloned().collect();
        let tunnels: Vec<Name> =
            nodes.into_iter().filter(|node| before.tunnels.get(node) != found.tunnels.get(node)).collect();
        self.bindings.patch_tun = found.patch_tun;
        self.bindings.patch_int = found.patch_int;
        self.bindings.physical = found.physical;
        self.bindings.tunnels = found.tunnels;
        let view = self.view();
        for physical_network in changed {
            dirty.extend(view.objects_of_physical(physical_network));
        }
        for node in &tunnels {
            dirty.extend(view.objects_of_tunnel(node));
        }
    }

    /// The pipeline's input.
    pub fn view(&self) -> View<'_> {
        View { topology: &self.topology, layout: &self.layout, bindings: &self.bindings }
    }

    /// Makes the flows of `dirty` anew and hands the changes to the bridges.
    fn recompute(&mut self, mut dirty: Vec<Object>, refreshed: &Refreshed) -> Effects {
        if self.database.is_none() {
            return Effects::default();
        }
        let first = self.generation == 0;
        if first {
            dirty = self.view().objects().collect();
        }
        let mut effects = Effects::default();
        let view = View { topology: &self.topology, layout: &self.layout, bindings: &self.bindings };
        let answers_changed = self.answers.update(&view, &dirty);
        let changes = self.desired.update(&view, dirty);
        if first || !changes.is_empty() {
            self.generation += 1;
        }
        if answers_changed {
            // Before the flows that send packets up for them.
            let connections = [Bridge::Integration, Bridge::Tunnel].map(|bridge| self.bridges.connection(&bridge));
            let answers = |connection| (connection, Command::Answers(self.answers.snapshot().clone()));
            effects.commands.extend(connections.into_iter().flatten().map(answers));
        }
        for (bridge, changes) in changes {
            effects.commands.extend(self.bridges.update(&bridge, self.generation, changes));
        }
        for port in refreshed.ports.iter().filter(|port| self.bindings.ports.contains_key(*port)) {
            let required = self.required(port);
            self.ports.require(port, required, if first { InEffect::Unsure } else { InEffect::No });
        }
        self.confirm_ports(&mut effects);
        self.settle_identities(&mut effects);
        effects
    }

    /// Which generation of which bridge carries all flows of a local port as it is now.
    fn required(&self, port: &str) -> BTreeMap<Bridge, u64> {
        let bridges = self.topology.port(port).into_iter().flat_map(|port| bridges_of(port, &self.topology));
        bridges.map(|bridge| (bridge.clone(), self.bridges.sent(&bridge))).collect()
    }

    /// Looks which ports have come into effect, and which may be opened or have to be closed.
    fn confirm_ports(&mut self, effects: &mut Effects) {
        let view = View { topology: &self.topology, layout: &self.layout, bindings: &self.bindings };
        let confirmed = self.ports.confirm(&self.bridges, &self.desired, &view);
        self.dirty_rows_of(&confirmed.changed);
        effects.commands.extend(confirmed.arrived.iter().filter_map(|port| self.announcement(port)));
        self.announced.extend(confirmed.arrived);
        if confirmed.closed {
            effects.commands.extend(self.bridges.proceed(&Bridge::Integration));
        }
    }

    /// Something has to be told to the database about these ports.
    fn dirty_rows_of<'a>(&mut self, ports: impl IntoIterator<Item = &'a Name>) {
        let bindings = self.binder.bindings();
        let rows = ports.into_iter().filter_map(|port| bindings.get(port));
        self.dirty_rows.extend(rows.map(|binding| binding.row));
    }

    /// Tells the switch that a local port is where it is.
    fn announcement(&self, port: &Name) -> Option<(ConnectionId, Command)> {
        let in_port = *self.bindings.ports.get(port)?;
        let port = self.topology.port(port)?;
        let frame = announce::frame(port.mac_address, &self.topology.network(&port.network)?.kind);
        Some((self.bridges.connection(&Bridge::Integration)?, Command::PacketOut { in_port, frame }))
    }

    /// A bridge has connected and says who it is.
    pub fn on_identified(&mut self, connection: ConnectionId, identity: Identity, peer: String) -> Effects {
        self.bridges.identified(connection, identity, peer);
        let mut effects = Effects::default();
        self.settle_identities(&mut effects);
        effects
    }

    /// Adopts the waiting connections that are bridges of ours. Nothing is adopted before a complete
    /// wanted state exists; that of a learning bridge always does.
    fn settle_identities(&mut self, effects: &mut Effects) {
        let database = self.database.as_ref().filter(|_| self.generation > 0);
        for (connection, verdict) in self.bridges.settle(database) {
            match verdict {
                Ok(bridge) => {
                    // The responder first: it hears of what the switch holds already.
                    effects.commands.extend(self.responder(&bridge).map(|responder| (connection, responder)));
                    let wanted = self.bridges.wanted(&bridge, &self.desired, self.generation);
                    effects.commands.push((connection, Command::Adopt(Box::new(wanted))));
                }
                Err(reason) => effects.refused.push((connection, reason)),
            }
        }
        let challenged = self.bridges.take_challenged().into_iter();
        effects.commands.extend(challenged.map(|connection| (connection, Command::Challenge)));
    }

    /// What answers the packets of a bridge.
    fn responder(&self, bridge: &Bridge) -> Option<Command> {
        let role = match bridge {
            Bridge::Integration => Role::Integration,
            Bridge::Tunnel => Role::Tunnel,
            Bridge::Physical(_) => return None,
            Bridge::Learning(_) => return Some(Command::Respond(Box::new(Responder::learning()))),
        };
        let config = &self.config.limits;
        let rate = Rate::per_second;
        let limits = Limits::new(rate(config.packet_in_per_port), rate(config.packet_in_per_bridge));
        let log_limits = Limits::new(rate(config.log_per_port), rate(config.log_per_bridge));
        let responder = Responder::new(role, self.answers.snapshot().clone(), limits);
        Some(Command::Respond(Box::new(match role {
            Role::Integration => responder.with_security_log(log_limits),
            _ => responder,
        })))
    }

    /// Time passes; call it about once a second. Connections that no bridge of ours claims are refused.
    pub fn on_tick(&mut self) -> Effects {
        let mut effects = Effects::default();
        self.bridges.tick();
        // The switch may have been slower to take the tag over than to take the flows.
        for port in mem::take(&mut self.announced) {
            effects.commands.extend(self.announcement(&port));
        }
        self.settle_identities(&mut effects);
        effects
    }

    /// After [`on_tick`](Self::on_tick): what there is to be said of flows that somebody restores.
    pub fn follow_restoration(&mut self) -> Option<Restoration> {
        let timeout = self.config.ovsdb.flow_restore_timeout;
        self.flow_restore.on_tick(self.database.as_ref(), timeout)
    }

    /// True while somebody restores the flows of the switch, or is taken to.
    pub fn awaits_restoration(&self) -> bool {
        self.database.as_ref().is_some_and(flow_restore::is_set)
    }

    /// A connection ended.
    pub fn on_closed(&mut self, connection: ConnectionId) -> Effects {
        self.bridges.closed(connection);
        let mut effects = Effects::default();
        self.settle_identities(&mut effects);
        effects
    }

    /// A bridge's flows were compared with what is wanted: so many differed, and flows with these cookies were
    /// missing or others. Ports that lack one are not installed until it is back.
    pub fn on_audited(&mut self, connection: ConnectionId, differences: usize, missing: &HashSet<Cookie>) {
        let Some(bridge) = self.bridges.audited(connection, differences) else { return };
        if missing.is_empty() {
            return;
        }
        let lost = self.ports.missed(&bridge, missing, &self.desired);
        self.dirty_rows_of(&lost);
    }

    /// A learning bridge goes on learning.
    pub fn on_learnt(&mut self, connection: ConnectionId, counters: Counters) {
        self.bridges.learnt(connection, counters);
    }

    /// A bridge has come further.
    pub fn on_progress(&mut self, connection: ConnectionId, progress: Progress) -> Effects {
        self.bridges.progressed(connection, progress);
        let mut effects = self.wake_vlans();
        self.confirm_ports(&mut effects);
        // A patch to a physical bridge is closed once the guards on both ends are in effect.
        self.wiring_dirty |= self.wiring.open_patches(self.database.as_ref()).next().is_some();
        // And taken apart while one is refused.
        let physical = &self.layout.physical_networks;
        self.wiring_dirty |= physical.iter().any(|network| self.guards(network) == Guards::Refused);
        effects
    }

    /// Lets other networks have the local VLANs that no bridge takes for somebody's any more.
    fn wake_vlans(&mut self) -> Effects {
        let (Some(database), bridges) = (&self.database, &self.bridges) else { return Effects::default() };
        if self.binder.wake(|generation| bridges.all_reached(generation, database)) {
            return self.refresh(BTreeSet::new(), false, Vec::new());
        }
        Effects::default()
    }

    /// What has to be written to the database now. One transaction at a time: call it when none is on
    /// its way, and again when it has been committed.
    pub fn take_operations(&mut self) -> Vec<Operation> {
        let Some(database) = &self.database else { return Vec::new() };
        let mut operations = Vec::new();
        if mem::take(&mut self.wiring_dirty) {
            let guards = |physical_network: &Name| self.guards(physical_network);
            let plan = self.wiring.plan(database, &self.topology, guards);
            operations.extend(plan.operations);
            self.problems = plan.problems;
        }
        for row in mem::take(&mut self.dirty_rows) {
            operations.extend(self.row_operations(row, database));
        }
        operations.extend(self.flow_restore.take_operation(database));
        operations
    }

    /// The transaction of the last [`take_operations`](Self::take_operations) failed: everything is to be
    /// looked at again.
    pub fn on_transaction_failed(&mut self) {
        self.wiring_dirty = true;
        self.dirty_rows.extend(self.binder.row_ids());
    }

    /// True if [`take_operations`](Self::take_operations) may return something.
    pub fn has_operations(&self) -> bool {
        self.database.is_some() && (self.wiring_dirty || self.flow_restore.is_overdue() || !self.dirty_rows.is_empty())
    }

    /// How it stands with the guards of the patch to a physical bridge.
    fn guards(&self, physical_network: &Name) -> Guards {
        let object = Object::Physical(physical_network.clone());
        let both_known = self
            .bindings
            .physical
            .get(physical_network)
            .is_some_and(|patch| patch.integration.is_some() && patch.physical.is_some());
        let bridges = [Bridge::Integration, Bridge::Physical(physical_network.clone())];
        let in_effect = |bridge: &Bridge| self.bridges.confirmed(bridge) >= self.bridges.sent(bridge);
        let flows = self.desired.of(&object);
        let is_one = |rejected: &Rejected| flows.iter().any(|(_, flow)| *flow == rejected.flow);
        let refused: Vec<&Rejected> =
            self.bridges.rejected().map(|(_, rejected)| rejected).filter(|rejected| is_one(rejected)).collect();
        let is_guard = |rejected: &&Rejected| {
            matches!(cookie::decode(rejected.flow.cookie), Some((Ok(cookie::Kind::PhysicalGuard), _)))
        };
        let all_reached = self.bridges.sent(&Bridge::Integration) > 0 && bridges.iter().all(in_effect);
        match refused.is_empty() {
            true if both_known && all_reached => Guards::InEffect,
            false if refused.iter().any(is_guard) => Guards::Refused,
            _ => Guards::Unconfirmed,
        }
    }

    /// Tag, marks and MTU of one port.
    fn row_operations(&self, uuid: Uuid, database: &Database) -> Vec<Operation> {
        let (Some(row), Some(port)) = (self.binder.row(uuid), database.port(uuid)) else { return Vec::new() };
        let served = self.binder.wanted_tag(uuid);
        let name = row.claim.as_ref().ok().filter(|_| served.is_some());
        let unguarded = name.is_some_and(|name| self.ports.is_unguarded(name));
        let mut operations = match &served {
            Some((network, _)) if unguarded => port_state::bind_port(uuid, port, LocalVlan::DEAD, network),
            Some((network, vlan)) => port_state::bind_port(uuid, port, vlan.vid(), network),
            None => port_state::kill_port(uuid, port),
        };
        let interface = row.interface.and_then(|uuid| Some((uuid, database.interface(uuid)?)));
        if let Some((uuid, interface)) = interface {
            operations.extend(match name.map_or(InEffect::No, |name| self.ports.in_effect(name)) {
                InEffect::Yes => port_state::mark_installed(uuid, interface),
                InEffect::No => port_state::unmark_installed(uuid, interface),
                InEffect::Unsure => Vec::new(),
            });
            let network = served.as_ref().and_then(|(network, _)| self.topology.network(network));
            operations.extend(match network {
                Some(network) => port_state::request_mtu(uuid, interface, self.topology.mtu_of(network)),
                None => port_state::withdraw_mtu(uuid, interface),
            });
        }
        operations
    }

    /// The host's own settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is wanted.
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// The binder.
    pub fn binder(&self) -> &Binder {
        &self.binder
    }

    /// The bridges and their connections.
    pub fn bridges(&self) -> &Bridges {
        &self.bridges
    }

    /// What is wanted of the database and stays undone.
    pub fn problems(&self) -> &[ovsdb::Problem] {
        &self.problems
    }

    /// The database, once it was seen.
    pub fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// The wanted flows.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// True if all flows of a local port are in effect.
    pub fn is_installed(&self, port: &str) -> bool {
        self.ports.in_effect(port) == InEffect::Yes
    }

    /// The flows that switches refuse, port by port.
    pub fn refusals(&self) -> Refusals<'_> {
        Refusals::of(&self.bridges, &self.desired, &self.view())
    }

    /// True if a port is kept on the dead VLAN until the switch has the flows that guard it.
    pub fn is_unguarded(&self, port: &str) -> bool {
        self.ports.is_unguarded(port)
    }
}

/// True if a change may call for another look at bridges and ports of Heddle's own. `before` is the database
/// without it. What only plugs a port into a bridge does not.
fn concerns_wiring(change: &Change, before: &Database) -> bool {
    let is_ours = |port: &ovsdb::Port| port.external_ids.contains_key(marks::OWNER);
    let is_wire = |interface: &ovsdb::Interface| matches!(interface.kind.as_str(), "patch" | "vxlan");
    match change {
        Change::OpenVswitch(_, after) => {
            before.open_vswitch().map(|(_, root)| &root.bridges) != after.as_ref().map(|root| &root.bridges)
        }
        Change::Bridge(uuid, after) => {
            let settings = |bridge: &ovsdb::Bridge| ovsdb::Bridge { ports: BTreeSet::new(), ..bridge.clone() };
            before.bridge(*uuid).map(settings) != after.as_ref().map(settings)
        }
        Change::Port(uuid, after) => before.port(*uuid).is_some_and(is_ours) || after.as_ref().is_some_and(is_ours),
        Change::Interface(uuid, after) => {
            before.interface(*uuid).is_some_and(is_wire) || after.as_ref().is_some_and(is_wire)
        }
        Change::Controller(..) => true,
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
