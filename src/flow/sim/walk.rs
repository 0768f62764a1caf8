//! A packet's way through tables: what `ofproto/trace` of Open vSwitch does, with its order and its limits.
//!
//! A walk begins at a bridge and follows resubmits, groups, clones and patch ports until nothing is left to do.
//! What happens later (behind `ct`, at another host) it leaves as legs of their own.

use std::sync::Arc;

use super::actions::reads_inner_headers;
use super::network::{Bridge, BridgeId, End, Network};
use super::packet::Packet;
use super::set;
use super::step::{Delivery, Destination, Fault, Hit, Leg, Note, Start, Step};
use super::table::{Entry, Found};
use crate::openflow::action::Nat;
use crate::openflow::oxm;
use crate::openflow::port::PortConfig;
use crate::openflow::{Action, Instruction, PortNo, TableId};

/// `MAX_DEPTH` of Open vSwitch.
const MAX_DEPTH: usize = 64;
/// `MAX_RESUBMITS` of Open vSwitch.
const MAX_RESUBMITS: usize = 64 * 64;
/// Bytes that Open vSwitch lets a stack hold.
const MAX_STACK: usize = 65_536;

/// Something to do: instructions besides "apply actions" stand among the actions, as Open vSwitch takes them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation<'a> {
    Action(&'a Action),
    Instruction(&'a Instruction),
}

/// Whether there is more to do with the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Going {
    On,
    /// Not up to the end of the bridge or bucket.
    Stopped,
    /// Likewise, and the action set waits too.
    Frozen,
}

/// A packet, and all that a switch keeps about it meanwhile.
pub(super) struct Walk<'n> {
    pub(super) network: &'n Network,
    pub(super) packet: Packet,
    pub(super) bridge: BridgeId,
    pub(super) table: TableId,
    pub(super) action_set: Vec<Action>,
    /// Values as wide as the subfields that were pushed.
    pub(super) stack: Vec<(u128, u16)>,
    /// `ct_clear` has something to clear.
    pub(super) tracked: bool,
    /// The last label went: what it covered has to be looked at before anything reads it.
    pub(super) uncovered: bool,
    pub(super) going: Going,
    pub(super) fault: Option<Fault>,
    depth: usize,
    resubmits: usize,
    /// How many things that are not known led here.
    pub(super) doubts: usize,
    pub(super) in_action_set: bool,
    /// The list that is being written.
    pub(super) steps: Vec<Step>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) pending: Vec<Pending>,
}

/// A leg that is still to be walked.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) start: Start,
    pub(super) bridge: BridgeId,
    pub(super) packet: Packet,
    pub(super) action_set: Vec<Action>,
    pub(super) stack: Vec<(u128, u16)>,
    /// How conntrack changes its addresses meanwhile.
    pub(super) nat: Option<Nat>,
    pub(super) certain: bool,
}

impl Pending {
    /// A packet that a bridge receives.
    pub(super) const fn received(start: Start, bridge: BridgeId, packet: Packet) -> Self {
        Self { start, bridge, packet, action_set: Vec::new(), stack: Vec::new(), nat: None, certain: true }
    }
}

impl<'n> Walk<'n> {
    /// Walks a leg; returns those that follow from it.
    pub(super) fn leg(network: &'n Network, pending: Pending) -> (Leg, Vec<Pending>) {
        let Pending { start, bridge, mut packet, action_set, stack, certain, .. } = pending;
        packet.set(&oxm::ACTSET_OUTPUT, UNSET);
        let first = packet.clone();
        let table = match start {
            Start::Tracked { table, .. } => table,
            _ => TableId(0),
        };
        let mut walk = Self {
            network,
            bridge,
            table,
            tracked: packet.get(&oxm::CT_STATE) != 0,
            packet,
            action_set: Vec::new(),
            stack,
            uncovered: false,
            going: Going::On,
            fault: None,
            depth: 0,
            resubmits: 0,
            doubts: usize::from(!certain),
            in_action_set: false,
            steps: Vec::new(),
            deliveries: Vec::new(),
            pending: Vec::new(),
        };
        if matches!(start, Start::Tracked { .. }) {
            walk.steps.push(Step::Thaw(table));
        }
        walk.write_actions(&action_set);
        walk.enter();
        walk.end(start, first)
    }

    fn end(mut self, start: Start, first: Packet) -> (Leg, Vec<Pending>) {
        if self.fault.is_some() {
            self.deliveries.clear();
            self.pending.clear();
        }
        let bridge = self.bridge;
        let steps = vec![Step::Bridge { bridge, steps: self.steps }];
        let (last, deliveries, fault) = (self.packet, self.deliveries, self.fault);
        let goes_on = !self.pending.is_empty();
        (Leg { start, bridge, first, steps, last, goes_on, deliveries, fault }, self.pending)
    }

    /// The table that the packet begins in, and the action set in the end.
    fn enter(&mut self) {
        let forbidden = self.here().and_then(|bridge| bridge.ports.known.get(&self.packet.in_port()));
        if forbidden.is_some_and(|port| port.config.contains(PortConfig::NO_RECV)) {
            return self.note(Note::Forbidden(self.packet.in_port()));
        }
        // Open vSwitch writes the action set below the first table.
        let found = self.look_up(self.packet.in_port(), self.table);
        let (table, hit) = (self.table, hit(&found));
        let steps = self.nested(|walk| {
            walk.perform(&found);
            walk.execute_action_set();
        });
        self.report_table(table, hit, found, steps);
    }

    pub(super) fn here(&self) -> Option<&'n Bridge> {
        self.network.bridge(self.bridge)
    }

    pub(super) fn note(&mut self, note: Note) {
        self.steps.push(Step::Note(note));
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.note(Note::Fault(fault));
        self.fault = Some(fault);
    }

    /// The steps that `inner` writes, in a list of their own.
    pub(super) fn nested(&mut self, inner: impl FnOnce(&mut Self)) -> Vec<Step> {
        let outer = std::mem::take(&mut self.steps);
        inner(self);
        std::mem::replace(&mut self.steps, outer)
    }

    /// Does `inner` as something that may happen.
    pub(super) fn doubtful(&mut self, inner: impl FnOnce(&mut Self)) {
        self.doubts += 1;
        inner(self);
        self.doubts -= 1;
    }

    pub(super) fn deliver(&mut self, to: Destination) {
        let (bridge, packet) = (self.bridge, self.packet.clone());
        self.deliveries.push(Delivery { bridge, to, packet, certain: self.doubts == 0 });
    }

    /// Leaves a leg for later.
    pub(super) fn postpone(&mut self, pending: Pending) {
        self.pending.push(Pending { certain: pending.certain && self.doubts == 0, ..pending });
    }

    fn look_up(&self, in_port: PortNo, table: TableId) -> Found<'n> {
        let Some(bridge) = self.here() else { return Found::default() };
        if in_port == self.packet.in_port() {
            return bridge.tables.lookup(table, &self.packet);
        }
        bridge.tables.lookup(table, &self.packet.clone().with(&oxm::IN_PORT, in_port.0.into()))
    }

    fn report_table(&mut self, table: TableId, hit: Option<Box<Hit>>, found: Found<'_>, steps: Vec<Step>) {
        self.steps.extend(found.unknown.into_iter().map(|flow| Step::Note(Note::UnknownMatch(flow))));
        self.steps.push(Step::Table { table, hit, steps });
    }

    /// Looks the packet up in a table as if it had come from `in_port`, and does what it finds.
    pub(super) fn resubmit(&mut self, in_port: PortNo, table: TableId) {
        if self.uncovered {
            return self.wait_for_headers();
        }
        if !self.has_resources() {
            return;
        }
        let found = self.look_up(in_port, table);
        self.follow(table, found);
    }

    /// Likewise, with the addresses and ports of the connection's first packet.
    pub(super) fn resubmit_original(&mut self, in_port: PortNo, table: TableId) {
        if self.uncovered {
            return self.wait_for_headers();
        }
        if !self.has_resources() {
            return;
        }
        match super::conntrack::original(&self.packet) {
            Some(original) => {
                let tables = self.here().map(|bridge| &bridge.tables);
                let original = original.with(&oxm::IN_PORT, in_port.0.into());
                let found = tables.map(|tables| tables.lookup(table, &original)).unwrap_or_default();
                self.follow(table, found);
            }
            None => self.note(Note::NotTracked),
        }
    }

    fn follow(&mut self, table: TableId, found: Found<'n>) {
        let before = std::mem::replace(&mut self.table, table);
        let deepens = usize::from(table <= before);
        self.resubmits += 1;
        self.depth += deepens;
        let hit = hit(&found);
        let steps = self.nested(|walk| walk.perform(&found));
        self.report_table(table, hit, found, steps);
        self.depth -= deepens;
        self.table = before;
    }

    fn has_resources(&mut self) -> bool {
        let stacked: usize = self.stack.iter().map(|(_, bits)| usize::from(*bits).div_ceil(8) + 2).sum();
        let fault = if self.depth >= MAX_DEPTH {
            Fault::TooDeep
        } else if self.resubmits >= MAX_RESUBMITS {
            Fault::TooManyResubmits
        } else if stacked >= MAX_STACK {
            Fault::StackTooDeep
        } else {
            return true;
        };
        self.fail(fault);
        false
    }

    /// As deep again, for what is no resubmit.
    pub(super) fn deeper(&mut self, inner: impl FnOnce(&mut Self)) {
        if self.has_resources() {
            self.depth += 1;
            inner(self);
            self.depth -= 1;
        }
    }

    pub(super) fn wait_for_headers(&mut self) {
        self.note(Note::InnerHeaders);
        self.going = Going::Frozen;
    }

    fn perform(&mut self, found: &Found<'_>) {
        match found.entry {
            Some(entry) => self.operations(&operations(entry)),
            None => self.steps.push(Step::Drop),
        }
    }

    pub(super) fn actions(&mut self, actions: &[Action]) {
        self.operations(&actions.iter().map(Operation::Action).collect::<Vec<_>>());
    }

    fn operations(&mut self, operations: &[Operation<'_>]) {
        if operations.is_empty() {
            self.steps.push(Step::Drop);
        }
        for (at, operation) in operations.iter().enumerate() {
            if self.fault.is_some() || self.going != Going::On {
                return;
            }
            if self.uncovered && reads_inner_headers(operation) {
                return self.wait_for_headers();
            }
            let done = match operation {
                Operation::Action(Action::CheckPktLarger { length, dst }) => {
                    self.steps.push(Step::Action(Action::CheckPktLarger { length: *length, dst: *dst }));
                    let rest = operations.get(at + 1..).unwrap_or_default();
                    return self.both_lengths(*length, |walk, larger| {
                        walk.packet.set_subfield(dst, larger.into());
                        walk.operations(rest);
                    });
                }
                Operation::Action(action) => {
                    self.steps.push(Step::Action((*action).clone()));
                    self.action(action)
                }
                Operation::Instruction(instruction) => {
                    self.steps.push(Step::Instruction((*instruction).clone()));
                    self.instruction(instruction);
                    Rest::Goes
                }
            };
            if done == Rest::IsSkipped {
                return;
            }
        }
    }

    /// What follows, for a packet that is larger and for one that is not.
    fn both_lengths(&mut self, length: u16, rest: impl Fn(&mut Self, bool)) {
        self.note(Note::BothLengths(length));
        for larger in [true, false] {
            let steps = self.nested(|walk| walk.doubtful(|walk| walk.aside(|walk| rest(walk, larger))));
            self.steps.push(Step::Case { larger, steps });
            self.going = Going::On;
        }
    }

    /// Does `inner` and the action set with a copy of the packet.
    pub(super) fn aside(&mut self, inner: impl FnOnce(&mut Self)) {
        let packet = self.packet.clone();
        let (action_set, stack) = (self.action_set.clone(), self.stack.clone());
        let (tracked, uncovered) = (self.tracked, self.uncovered);
        inner(self);
        self.execute_action_set();
        (self.packet, self.action_set, self.stack) = (packet, action_set, stack);
        (self.tracked, self.uncovered) = (tracked, uncovered);
    }

    fn instruction(&mut self, instruction: &Instruction) {
        match instruction {
            Instruction::GotoTable(table) => self.resubmit(self.packet.in_port(), *table),
            Instruction::WriteMetadata { metadata, mask } => {
                self.packet.set_masked(&oxm::METADATA, (*metadata).into(), (*mask).into());
            }
            Instruction::WriteActions(actions) => {
                self.write_actions(actions);
                self.note(Note::ActionSetIs(self.action_set.clone()));
            }
            Instruction::ClearActions => {
                self.action_set.clear();
                self.packet.set(&oxm::ACTSET_OUTPUT, UNSET);
            }
            Instruction::ApplyActions(actions) => self.actions(actions),
            Instruction::Meter(_) | Instruction::Other { .. } => {}
        }
    }

    /// Adds to the action set; `actset_output` says where it leads.
    fn write_actions(&mut self, actions: &[Action]) {
        let is_group = |action: &Action| matches!(action, Action::Group(_));
        let had_group = self.action_set.iter().any(is_group);
        self.action_set.extend_from_slice(actions);
        let output = actions.iter().rev().find_map(|action| match action {
            Action::Output { port, .. } => Some(u128::from(port.0)),
            _ => None,
        });
        if actions.iter().any(is_group) {
            self.packet.set(&oxm::ACTSET_OUTPUT, UNSET);
        } else if let (false, Some(port)) = (had_group, output) {
            self.packet.set(&oxm::ACTSET_OUTPUT, port);
        }
    }

    /// The end of a pipeline: the action set, unless the packet waits for something. Afterwards it goes on again.
    pub(super) fn execute_action_set(&mut self) {
        if self.fault.is_some() {
            return;
        }
        if self.going == Going::Frozen {
            self.going = Going::On;
            return;
        }
        let actions = set::order(&std::mem::take(&mut self.action_set));
        if actions.is_empty() {
            return;
        }
        self.in_action_set = true;
        let steps = self.nested(|walk| walk.actions(&actions));
        self.steps.push(Step::ActionSet(steps));
        self.in_action_set = false;
        if self.going == Going::Frozen {
            self.going = Going::On;
        }
    }

    /// What happens to a copy of the packet on the bridge behind a patch port.
    pub(super) fn cross(&mut self, end: End) {
        let packet = self.packet.clone();
        let arriving = packet.clone().on_the_wire().with(&oxm::PKT_MARK, packet.get(&oxm::PKT_MARK));
        self.packet = arriving.with(&oxm::IN_PORT, end.port.0.into()).with(&oxm::ACTSET_OUTPUT, UNSET);
        let bridge = std::mem::replace(&mut self.bridge, end.bridge);
        let before = std::mem::replace(&mut self.table, TableId(0));
        let (action_set, stack) = (std::mem::take(&mut self.action_set), std::mem::take(&mut self.stack));
        let (tracked, uncovered) = (std::mem::take(&mut self.tracked), self.uncovered);
        let outer = std::mem::take(&mut self.steps);
        self.deeper(|walk| walk.cross_pipeline(end));
        let steps = std::mem::replace(&mut self.steps, outer);
        self.steps.push(Step::Bridge { bridge: end.bridge, steps });
        (self.packet, self.bridge, self.table) = (packet, bridge, before);
        (self.action_set, self.stack) = (action_set, stack);
        (self.tracked, self.uncovered) = (tracked, uncovered);
        // What stops there, or goes wrong, does so for that bridge alone.
        (self.going, self.fault) = (Going::On, None);
    }

    fn cross_pipeline(&mut self, end: End) {
        let port = self.here().and_then(|bridge| bridge.ports.known.get(&end.port));
        if port.is_some_and(|port| port.config.contains(PortConfig::NO_RECV)) {
            return self.note(Note::Forbidden(end.port));
        }
        self.resubmit(end.port, TableId(0));
        self.execute_action_set();
    }
}

/// Whether the actions behind one are done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rest {
    Goes,
    /// Not those of the same list.
    IsSkipped,
}

/// `OFPP_UNSET`: the action set has no output.
const UNSET: u128 = 0xffff_fff7;

fn hit(found: &Found<'_>) -> Option<Box<Hit>> {
    let flow = |entry: &Entry| Arc::clone(&entry.flow);
    let entry = found.entry?;
    Some(Box::new(Hit { flow: flow(entry), rival: found.rival.map(flow), clauses: found.clauses.clone() }))
}

/// All that a flow does, in the order in which instructions are executed (OpenFlow 1.3.5 §5.9).
fn operations(entry: &Entry) -> Vec<Operation<'_>> {
    let mut instructions: Vec<&Instruction> = entry.instructions.iter().collect();
    instructions.sort_by_key(|instruction| instruction.rank());
    let parts = instructions.into_iter().map(|instruction| match instruction {
        Instruction::ApplyActions(actions) => actions.iter().map(Operation::Action).collect(),
        other => vec![Operation::Instruction(other)],
    });
    parts.collect::<Vec<_>>().concat()
}
