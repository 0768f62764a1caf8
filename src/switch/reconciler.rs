//! Makes a switch hold what is wanted, and knows what it holds. No I/O and no clock: the session feeds
//! it and sends what it writes.
//!
//! *Wanted* comes from the pipeline. *Installed* is what the switch has confirmed: reported in an audit
//! or by the flow monitor, or committed. What differs goes out in one batch at a time, as one bundle:
//! adds first, then deletes. A flow that the switch refuses is *rejected*: left out of the batch, shown,
//! and tried again later.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::batch::{Batch, Operation, Outcome};
use crate::flow::{Changes, Flow, FlowKey, FlowTable, LearntScope, diff};
use crate::openflow::flow_monitor::{FlowEvent, FlowUpdateFull};
use crate::openflow::{Cookie, EncodeError, ErrorCode, FlowStats, PortNo, Reader, Writer, Xid};
use crate::pipeline::cookie;

/// Whose flows a bridge holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ownership {
    /// All of them are Heddle's; what is not wanted goes.
    All,
    /// The operator's too: only flows with Heddle's cookie are touched.
    Ours,
}

/// The complete wanted state of one bridge.
pub struct Wanted {
    /// Whose flows the bridge holds.
    pub ownership: Ownership,
    /// Every wanted flow.
    pub flows: FlowTable,
    /// Where learnt flows are welcome.
    pub learnt: Vec<LearntScope>,
    /// Counts the states of the agent; what is confirmed says which one.
    pub generation: u64,
}

/// A flow that the switch refused.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The flow.
    pub flow: Arc<Flow>,
    /// Why.
    pub code: ErrorCode,
    /// How often.
    pub attempts: u32,
    retry_at: Duration,
}

/// What the switch is known to hold.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The newest generation that is in effect, but for rejected flows.
    pub generation: u64,
    /// Flows that are wanted.
    pub wanted: usize,
    /// Flows of these that are confirmed.
    pub installed: usize,
    /// Flows that the switch refuses.
    pub rejected: Vec<Rejected>,
    /// FLOW_MODs sent since the connection began.
    pub flow_mods: u64,
    /// Flows that somebody else changed or removed and that were put right.
    pub repaired: u64,
}

/// First wait before a rejected flow is tried again; doubles up to [`RETRY_LIMIT`].
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LIMIT: Duration = Duration::from_secs(300);

/// See the module.
pub struct Reconciler {
    ownership: Ownership,
    wanted: FlowTable,
    installed: FlowTable,
    learnt: Vec<LearntScope>,
    queue: Changes,
    in_flight: Option<Batch>,
    rejected: Vec<Rejected>,
    /// False once the switch has refused a bundle as such.
    bundles: bool,
    audited: bool,
    /// Somebody else changed a flow while a batch without bundle was on its way: what it left is unsure.
    unsure: bool,
    wanted_generation: u64,
    progress: Progress,
}

impl Reconciler {
    /// Wants `wanted`; knows nothing of the switch until an audit is complete.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            ownership: wanted.ownership,
            wanted: wanted.flows,
            installed: FlowTable::new(),
            learnt: wanted.learnt,
            queue: Changes::default(),
            in_flight: None,
            rejected: Vec::new(),
            bundles: true,
            audited: false,
            unsure: false,
            wanted_generation: wanted.generation,
            progress: Progress::default(),
        }
    }

    /// The wanted state changed: `changes` lead from the state before to `generation`.
    pub fn update(&mut self, generation: u64, changes: Changes) {
        for flow in &changes.delete {
            if self.wanted.get(&flow.key()).is_some_and(|there| there == flow) {
                self.wanted.remove(&flow.key());
            }
        }
        for flow in &changes.add {
            self.wanted.insert(flow.clone());
        }
        let wanted = &self.wanted;
        self.rejected.retain(|rejected| wanted.get(&rejected.flow.key()) == Some(&rejected.flow));
        self.wanted_generation = generation;
        if self.audited {
            self.queue.add.extend(changes.add);
            self.queue.delete.extend(changes.delete);
            self.queue.forget.extend(changes.forget);
        }
    }

    /// Where learnt flows are welcome has changed; matters at the next audit.
    pub fn set_learnt(&mut self, learnt: Vec<LearntScope>) {
        self.learnt = learnt;
    }

    /// Forgets what the switch holds: a dump of all its flows follows.
    pub fn begin_audit(&mut self) {
        self.installed = FlowTable::new();
        self.installed.reserve(self.wanted.len());
        self.queue = Changes::default();
        self.audited = false;
        self.unsure = false;
    }

    /// One flow of the dump.
    pub fn on_flow_stats(&mut self, stats: &FlowStats<'_>) {
        if cookie::is_learnt(stats.cookie) {
            let flow = Flow::from_stats(stats);
            if !is_welcome(&flow, &self.learnt) {
                self.installed.insert(Arc::new(flow));
            }
            return;
        }
        let key = FlowKey { table: stats.table, priority: stats.priority, match_tlvs: stats.match_tlvs };
        match self.wanted.get(&key) {
            Some(wanted) if wanted.is(stats) => {
                self.installed.insert(wanted.clone());
            }
            Some(_) => {
                self.installed.insert(Arc::new(Flow::from_stats(stats)));
            }
            None if self.owns(stats.cookie) => {
                self.installed.insert(Arc::new(Flow::from_stats(stats)));
            }
            None => {}
        }
    }

    fn owns(&self, cookie: Cookie) -> bool {
        self.ownership == Ownership::All || cookie::decode(cookie).is_some()
    }

    /// The dump is complete: what differs is to be sent. Returns how many FLOW_MODs that takes.
    pub fn on_audit_done(&mut self) -> usize {
        self.audited = true;
        self.queue = diff(&self.wanted, &self.installed);
        let rejected = std::mem::take(&mut self.rejected);
        self.queue.add.retain(|flow| !rejected.iter().any(|rejected| rejected.flow == *flow));
        self.rejected = rejected;
        self.queue.len()
    }

    /// The cookies of the flows that wait to be added: after an audit, of those that were missing or another.
    pub fn missing(&self) -> HashSet<Cookie> {
        self.queue.add.iter().map(|flow| flow.cookie).collect()
    }

    /// Somebody else, or a timeout, changed a flow.
    pub fn on_flow_update(&mut self, update: &FlowUpdateFull<'_>) {
        if cookie::is_learnt(update.cookie) {
            return;
        }
        let tlvs = update.flow_match.oxm_fields().rest();
        let key = FlowKey { table: update.table_id, priority: update.priority, match_tlvs: tlvs };
        let wanted = self.wanted.get(&key).cloned();
        if wanted.is_none() && !self.owns(update.cookie) {
            return;
        }
        self.unsure |= self.in_flight.as_ref().is_some_and(|batch| !batch.is_bundle());
        if update.event == FlowEvent::Deleted {
            let there = self.installed.remove(&key);
            if let (Some(flow), Some(_), true) = (wanted, there, self.audited) {
                self.progress.repaired += 1;
                self.queue.add.push(flow);
            }
            return;
        }
        let flow = Arc::new(Flow::from_stats(&stats_of(update)));
        let as_wanted = wanted.as_ref() == Some(&flow);
        self.installed.insert(wanted.clone().filter(|_| as_wanted).unwrap_or_else(|| flow.clone()));
        if self.audited && !as_wanted {
            self.progress.repaired += 1;
            match wanted {
                Some(wanted) => self.queue.add.push(wanted),
                None => self.queue.delete.push(flow),
            }
        }
    }

    /// True if only an audit can tell what the switch holds.
    pub fn needs_audit(&self) -> bool {
        self.unsure && self.in_flight.is_none()
    }

    /// Puts rejected flows whose time has come back into the queue.
    pub fn on_tick(&mut self, now: Duration) {
        if !self.audited {
            return;
        }
        let due = self.rejected.iter_mut().filter(|rejected| rejected.retry_at <= now);
        self.queue.add.extend(due.map(|rejected| {
            rejected.retry_at = Duration::MAX;
            rejected.flow.clone()
        }));
    }

    /// Writes what is to be sent next, as long as `out` is short; begins a batch if none is on its way.
    /// Messages get the xids from `next_xid` on.
    pub fn write(&mut self, next_xid: &mut Xid, out: &mut Writer) -> Result<(), EncodeError> {
        if self.in_flight.is_none() && self.audited && !self.queue.is_empty() {
            let operations = self.take_queue();
            if !operations.is_empty() {
                self.progress.flow_mods += operations.len() as u64;
                self.in_flight = Some(Batch::new(operations, self.wanted_generation, self.bundles, next_xid));
            }
        }
        match &mut self.in_flight {
            Some(batch) => batch.write(out),
            None => Ok(()),
        }
    }

    /// What of the queue is still to be done.
    fn take_queue(&mut self) -> Vec<Operation> {
        let queue = std::mem::take(&mut self.queue);
        let (wanted, installed) = (&self.wanted, &self.installed);
        let mut operations = Vec::with_capacity(queue.len());
        let is = |table: &FlowTable, flow: &Arc<Flow>| table.get(&flow.key()).is_some_and(|there| there == flow);
        let adds = queue.add.into_iter().filter(|flow| is(wanted, flow) && !is(installed, flow));
        operations.extend(adds.map(Operation::Add));
        let gone = |flow: &Arc<Flow>| wanted.get(&flow.key()).is_none() && installed.get(&flow.key()).is_some();
        operations.extend(queue.delete.into_iter().filter(gone).map(Operation::Delete));
        operations.extend(queue.forget.into_iter().map(Operation::Forget));
        operations
    }

    /// An error for `xid`. False: not of a flow.
    pub fn on_error(&mut self, xid: Xid, code: ErrorCode, now: Duration) -> bool {
        let Some(batch) = &mut self.in_flight else { return false };
        if !batch.on_error(xid, code) {
            return false;
        }
        self.conclude(now);
        true
    }

    /// The switch has committed the bundle that `xid` asked it to.
    pub fn on_commit_reply(&mut self, xid: Xid, now: Duration) {
        if let Some(batch) = &mut self.in_flight {
            batch.on_commit_reply(xid);
            self.conclude(now);
        }
    }

    /// The switch is through with everything before the barrier `xid`. False: not a barrier of ours.
    pub fn on_barrier_reply(&mut self, xid: Xid, now: Duration) -> bool {
        let Some(batch) = &mut self.in_flight else { return false };
        if !batch.on_barrier_reply(xid) {
            return false;
        }
        self.conclude(now);
        true
    }

    /// If the outcome of the batch on its way is known, takes it into account.
    fn conclude(&mut self, now: Duration) {
        let Some(outcome) = self.in_flight.as_ref().and_then(Batch::outcome) else { return };
        let Some(batch) = self.in_flight.take() else { return };
        let generation = batch.generation();
        let bundle = batch.is_bundle();
        let mut any_failed = false;
        for (operation, failure) in batch.into_operations() {
            match (failure, operation) {
                (Some(code), Operation::Add(flow)) => {
                    any_failed = true;
                    self.reject(flow, code, now);
                }
                (Some(_), Operation::Delete(_) | Operation::Forget(_)) => any_failed = true,
                (None, operation) if outcome == Outcome::Done => self.install(operation),
                (None, Operation::Add(flow)) => self.queue.add.push(flow),
                (None, Operation::Delete(flow)) => self.queue.delete.push(flow),
                (None, Operation::Forget(scope)) => self.queue.forget.push(scope),
            }
        }
        if outcome == Outcome::Failed && bundle && !any_failed {
            self.bundles = false;
        }
        if outcome == Outcome::Done {
            self.progress.generation = generation;
        }
    }

    fn install(&mut self, operation: Operation) {
        match operation {
            Operation::Add(flow) => {
                self.rejected.retain(|rejected| rejected.flow != flow);
                self.installed.insert(flow);
            }
            Operation::Delete(flow) => {
                self.installed.remove(&flow.key());
            }
            Operation::Forget(_) => {}
        }
    }

    fn reject(&mut self, flow: Arc<Flow>, code: ErrorCode, now: Duration) {
        let attempts = match self.rejected.iter().position(|rejected| rejected.flow == flow) {
            Some(place) => self.rejected.swap_remove(place).attempts + 1,
            None => 1,
        };
        let wait = RETRY_FIRST.saturating_mul(1 << attempts.min(16).saturating_sub(1)).min(RETRY_LIMIT);
        self.rejected.push(Rejected { flow, code, attempts, retry_at: now + wait });
    }

    /// True if nothing is on its way or waiting to be sent.
    pub fn is_quiet(&self) -> bool {
        self.audited && self.in_flight.is_none() && self.queue.is_empty()
    }

    /// True while a batch is on its way.
    pub fn is_busy(&self) -> bool {
        self.in_flight.is_some()
    }

    /// How far it is. Once it is quiet, all that is wanted is in effect but for what is rejected.
    pub fn progress(&mut self) -> Progress {
        if self.is_quiet() {
            self.progress.generation = self.wanted_generation;
        }
        self.progress.wanted = self.wanted.len();
        self.progress.installed = self.installed.len();
        self.progress.rejected.clone_from(&self.rejected);
        self.progress.clone()
    }

    /// The switch does without bundles.
    pub fn without_bundles(&self) -> bool {
        !self.bundles
    }
}

/// What a flow monitor's update says of a flow, as a dump would.
fn stats_of<'a>(update: &FlowUpdateFull<'a>) -> FlowStats<'a> {
    FlowStats {
        table: update.table_id,
        duration_sec: 0,
        duration_nsec: 0,
        priority: update.priority,
        idle_timeout: update.idle_timeout,
        hard_timeout: update.hard_timeout,
        flags: Default::default(),
        cookie: update.cookie,
        packet_count: 0,
        byte_count: 0,
        match_tlvs: update.flow_match.oxm_fields().rest(),
        instructions: update.instructions.bytes(),
        instructions_offset: update.instructions.reader().offset(),
    }
}

/// True if a learnt flow lies in a network in use, and leads where a known tunnel does.
fn is_welcome(flow: &Flow, scopes: &[LearntScope]) -> bool {
    let ports: Vec<PortNo> = output_ports(flow);
    let in_match = |scope: &&LearntScope| scope.table == flow.table && contains(&scope.matching, flow.match_tlvs());
    let mut vlan = false;
    let mut port = false;
    for scope in scopes.iter().filter(in_match) {
        match scope.out_port {
            PortNo::ANY => vlan = true,
            out_port if scope.matching.as_bytes().is_empty() => port |= ports.contains(&out_port),
            // A port of the topology: its packets come through one tunnel only.
            out_port if !ports.contains(&out_port) => return false,
            _ => {}
        }
    }
    vlan && port
}

/// True if every field of `general` stands in `tlvs` too, the same to the bit.
fn contains(general: &crate::openflow::Match, tlvs: &[u8]) -> bool {
    let fields = |bytes| crate::openflow::oxm::Tlvs::new(Reader::at(bytes, 0)).flatten();
    let there: HashMap<(u16, u8), _> = fields(tlvs).map(|tlv| ((tlv.class, tlv.number), tlv)).collect();
    fields(general.as_bytes()).all(|tlv| there.get(&(tlv.class, tlv.number)) == Some(&tlv))
}

/// The ports that a flow outputs to.
fn output_ports(flow: &Flow) -> Vec<PortNo> {
    use crate::openflow::{Action, Instruction};
    let instructions = flow.decode_instructions().unwrap_or_default();
    let actions = instructions.into_iter().flat_map(|instruction| match instruction {
        Instruction::ApplyActions(actions) => actions,
        _ => Vec::new(),
    });
    actions
        .filter_map(|action| match action {
            Action::Output { port, .. } => Some(port),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
#[path = "reconciler_tests.rs"]
mod tests;
