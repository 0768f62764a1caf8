//! Makes a switch hold what is wanted, and knows what it holds. No I/O and no clock: the session feeds
//! it and sends what it writes.
//!
//! *Wanted* comes from the pipeline. *Installed* is what the switch has confirmed: reported in an audit
//! or by the flow monitor, or committed. What differs goes out in one batch at a time, as one bundle:
//! adds first, then deletes. A flow that the switch refuses is *rejected*: left out of the batch, shown,
//! and tried again later, by itself, so that it holds nothing else up.
//!
//! If it is a guard ([`Kind::is_guard`](cookie::Kind::is_guard)), what was to come into effect with it would open something.
//! Nothing more is sent then until the agent has closed what the guard was for.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::batch::{Batch, BundleRefusal, Operation, Outcome};
use super::learnt::Welcome;
use super::progress::{Counts, Progress};
use super::refusals::{Refusals, RefusedChange};
use crate::flow::{Changes, Flow, FlowKey, FlowTable, LearntScope, diff};
use crate::openflow::flow_monitor::{FlowEvent, FlowUpdateFull};
use crate::openflow::{Cookie, EncodeError, ErrorCode, FlowStats, Writer, Xid};
use crate::pipeline::cookie;

/// Whose flows a bridge holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ownership {
    /// All of them are Heddle's; what is not wanted goes.
    All,
    /// The operator's too: only flows with Heddle's cookie are touched.
    Ours,
    /// Of a learning bridge: as [`Ours`](Self::Ours), without the flows that it learns, which go by their timeouts.
    Learning,
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

/// A switch that refused a bundle, and not for good, gets the next one after this.
const BUNDLES_AGAIN: Duration = Duration::from_secs(60);
/// After this an audit tells what became of learnt flows that the switch refused to delete.
const AUDIT_AGAIN: Duration = Duration::from_secs(60);

/// How long the agent may take to close what a refused guard was for. Others wait for their flows too.
const HELD_AT_MOST: Duration = Duration::from_secs(5);

/// So many changes more than twice the flows there are may wait for a switch that is slow to take those before. When there
/// are more, an audit finds what differs in the end.
const MAX_BACKLOG: usize = 1024;

/// A commit names one refused flow at a time. After so many failed ones in a row the changes go between
/// barriers once, where every refused flow is named and holds no other back.
const FAILED_COMMITS: u32 = 3;

/// See the module.
pub struct Reconciler {
    ownership: Ownership,
    wanted: FlowTable,
    installed: FlowTable,
    learnt: Welcome,
    /// What the dump says of the flows that a learning bridge has learnt.
    bridged: Vec<Flow>,
    queue: Changes,
    /// The queue is what an audit found, and nothing has changed since: all of it is to be sent.
    fresh: bool,
    in_flight: Option<Batch>,
    refusals: Refusals,
    /// What was refused and is to be tried again, once nothing else is to be sent.
    retries: Vec<Operation>,
    /// The batch on its way is of retries.
    retrying: bool,
    /// A guard was refused: nothing is sent before then, unless the agent says so.
    held_until: Option<Duration>,
    /// The switch has refused a bundle as such.
    without_bundles: Option<BundleRefusal>,
    /// When it gets another one.
    bundles_again: Option<Duration>,
    audit_again: Option<Duration>,
    /// The time that was told last.
    now: Duration,
    /// Commits that failed in a row.
    failed_commits: u32,
    audited: bool,
    /// What the switch holds is not known for sure, only an audit can tell.
    unsure: bool,
    wanted_generation: u64,
    confirmed_generation: u64,
    flow_mods: u64,
    repaired: u64,
}

impl Reconciler {
    /// Wants `wanted`; knows nothing of the switch until an audit is complete.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            ownership: wanted.ownership,
            wanted: wanted.flows,
            installed: FlowTable::new(),
            learnt: Welcome::new(wanted.learnt),
            bridged: Vec::new(),
            queue: Changes::default(),
            fresh: false,
            in_flight: None,
            refusals: Refusals::default(),
            retries: Vec::new(),
            retrying: false,
            held_until: None,
            without_bundles: None,
            bundles_again: None,
            audit_again: None,
            now: Duration::ZERO,
            failed_commits: 0,
            audited: false,
            unsure: true,
            wanted_generation: wanted.generation,
            confirmed_generation: 0,
            flow_mods: 0,
            repaired: 0,
        }
    }

    /// The wanted state changed: `changes` lead from the state before to `generation`.
    pub fn update(&mut self, generation: u64, changes: Changes) {
        for flow in &changes.delete {
            self.refusals.forget(flow);
            if self.wanted.get(&flow.key()).is_some_and(|there| there == flow) {
                self.wanted.remove(&flow.key());
            }
        }
        for flow in &changes.add {
            if let Some(before) = self.wanted.insert(flow.clone()).filter(|before| before != flow) {
                self.refusals.forget(&before);
            }
        }
        self.forget_settled_deletions();
        self.wanted_generation = generation;
        self.fresh = false;
        changes.forget.iter().for_each(|scope| self.learnt.remove(scope));
        changes.welcome.into_iter().for_each(|scope| self.learnt.add(scope));
        self.queue.forget.extend(changes.forget);
        // An audit finds the others by itself.
        if self.audited {
            self.queue.add.extend(changes.add);
            self.queue.delete.extend(changes.delete);
        }
        if self.audited && self.queue.len() > MAX_BACKLOG + 2 * (self.wanted.len() + self.installed.len()) {
            self.queue = Changes::default();
            self.doubt();
        }
    }

    /// What the switch holds is not known any more. Nothing is sent before the next audit.
    pub fn doubt(&mut self) {
        self.unsure = true;
    }

    /// True if it is time to [begin an audit](Self::begin_audit): one is needed, and nothing is on its way.
    pub fn needs_audit(&self) -> bool {
        self.unsure && self.in_flight.is_none()
    }

    /// Forgets what the switch holds: a dump of all its flows follows.
    pub fn begin_audit(&mut self) {
        self.installed = FlowTable::new();
        self.installed.reserve(self.wanted.len());
        self.bridged.clear();
        self.queue.add.clear();
        self.queue.delete.clear();
        self.retries.clear();
        self.refusals.on_not_tried();
        self.audited = false;
        self.unsure = false;
        self.fresh = false;
    }

    /// One flow of the dump.
    pub fn on_flow_stats(&mut self, stats: &FlowStats<'_>) {
        let key = FlowKey { table: stats.table, priority: stats.priority, match_tlvs: stats.match_tlvs };
        match self.wanted.get(&key) {
            Some(wanted) if wanted.is(stats) => {
                self.installed.insert(wanted.clone());
            }
            Some(_) => {
                self.installed.insert(Arc::new(Flow::from_stats(stats)));
            }
            None if self.owns(stats.cookie) => {
                let flow = Flow::from_stats(stats);
                if !(cookie::is_learnt(stats.cookie) && self.learnt.contains(&flow)) {
                    self.installed.insert(Arc::new(flow));
                }
            }
            None if self.ownership == Ownership::Learning && cookie::is_bridged(stats.cookie) => {
                self.bridged.push(Flow::from_stats(stats));
            }
            None => {}
        }
    }

    fn owns(&self, cookie: Cookie) -> bool {
        match self.ownership {
            Ownership::All => true,
            Ownership::Ours => cookie::decode(cookie).is_some(),
            Ownership::Learning => cookie::decode(cookie).is_some() && !cookie::is_bridged(cookie),
        }
    }

    /// Whose flows the bridge holds.
    pub const fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// After an audit of a learning bridge: the flows that it has learnt.
    pub fn take_bridged(&mut self) -> Vec<Flow> {
        std::mem::take(&mut self.bridged)
    }

    /// The dump is complete: what differs is to be sent. Returns how many FLOW_MODs that takes.
    pub fn on_audit_done(&mut self) -> usize {
        self.audited = true;
        let changes = diff(&self.wanted, &self.installed);
        self.queue = Changes { forget: std::mem::take(&mut self.queue.forget), ..changes };
        let Self { refusals, wanted, installed, .. } = self;
        refusals.retain(|flow| !is_in(installed, flow), |flow| is_leftover(wanted, installed, flow));
        self.queue.add.retain(|flow| !refusals.waits(flow));
        self.queue.delete.retain(|flow| !refusals.deletion_waits(flow));
        self.fresh = true;
        self.queue.len()
    }

    /// The cookies of the flows that wait to be added: after an audit, of those that were missing or another.
    pub fn missing(&self) -> HashSet<Cookie> {
        self.queue.add.iter().map(|flow| flow.cookie).collect()
    }

    /// Somebody else, or a timeout, changed a flow.
    pub fn on_flow_update(&mut self, update: &FlowUpdateFull<'_>) {
        let tlvs = update.flow_match.oxm_fields().rest();
        let key = FlowKey { table: update.table_id, priority: update.priority, match_tlvs: tlvs };
        self.fresh = false;
        let wanted = self.wanted.get(&key).cloned();
        if wanted.is_none() && (cookie::is_learnt(update.cookie) || !self.owns(update.cookie)) {
            self.installed.remove(&key);
            if update.event == FlowEvent::Deleted {
                self.refusals.on_room(key.table);
            }
            return;
        }
        // Whether it came before or after our own change to the same flow, nobody says.
        self.unsure |= self.in_flight.as_ref().is_some_and(|batch| !batch.is_bundle());
        if update.event == FlowEvent::Deleted {
            let there = self.installed.remove(&key);
            self.refusals.on_room(key.table);
            self.forget_settled_deletions();
            if let (Some(flow), Some(_), true) = (wanted, there, self.audited) {
                self.repaired += 1;
                self.queue.add.push(flow);
            }
            return;
        }
        let flow = Arc::new(Flow::from_stats(&stats_of(update, wanted.as_deref())));
        let Some(wanted) = wanted else {
            self.repaired += u64::from(self.audited);
            self.queue.delete.extend(self.audited.then(|| flow.clone()));
            self.installed.insert(flow);
            return;
        };
        if wanted == flow {
            self.refusals.forget(&wanted);
            self.installed.insert(wanted);
        } else {
            self.installed.insert(flow);
            self.repaired += u64::from(self.audited);
            self.queue.add.extend(self.audited.then_some(wanted));
        }
    }

    /// Time passes; call it about once a second.
    pub fn on_tick(&mut self, now: Duration) {
        self.now = now;
        if self.held_until.is_some_and(|held_until| held_until <= now) {
            self.proceed();
        }
        if self.bundles_again.is_some_and(|again| again <= now) {
            (self.without_bundles, self.bundles_again) = (None, None);
        }
        if self.audit_again.is_some_and(|again| again <= now) {
            self.audit_again = None;
            self.doubt();
        }
        self.take_due();
    }

    /// What was refused and whose time has come is to be tried again.
    fn take_due(&mut self) {
        if !self.audited || self.retrying || !self.retries.is_empty() {
            return;
        }
        let (additions, deletions) = self.refusals.take_due(self.now);
        self.retries = additions.into_iter().map(Operation::Add).collect();
        self.retries.extend(deletions.into_iter().map(Operation::Delete));
    }

    /// What refused guards were for is closed.
    pub fn proceed(&mut self) {
        self.held_until = None;
    }

    /// Writes what is to be sent next, as long as `out` is short; begins a batch if none is on its way.
    /// Messages get the xids from `next_xid` on.
    pub fn write(&mut self, next_xid: &mut Xid, out: &mut Writer) -> Result<(), EncodeError> {
        let may_begin = self.in_flight.is_none() && self.audited && !self.unsure && self.held_until.is_none();
        if may_begin && !self.queue.is_empty() {
            let operations = self.take_queue();
            if !operations.is_empty() {
                self.in_flight = Some(self.begin(operations, next_xid));
            }
        }
        if may_begin && self.in_flight.is_none() && !self.retries.is_empty() {
            self.in_flight = self.retry(next_xid);
        }
        match &mut self.in_flight {
            Some(batch) => batch.write(out),
            None => Ok(()),
        }
    }

    fn begin(&mut self, operations: Vec<Operation>, next_xid: &mut Xid) -> Batch {
        let bundle = self.without_bundles.is_none() && self.failed_commits < FAILED_COMMITS;
        let (operations, generation) = match bundle {
            true => (operations, self.wanted_generation),
            false => self.guards_first(operations),
        };
        self.flow_mods += operations.len() as u64;
        Batch::new(operations, generation, bundle, next_xid)
    }

    /// What was refused before goes between barriers, where each flow is judged by itself. `None`: there is nothing of it
    /// to do any more.
    fn retry(&mut self, next_xid: &mut Xid) -> Option<Batch> {
        self.refusals.on_trying();
        let mut operations = std::mem::take(&mut self.retries);
        let Self { wanted, installed, .. } = self;
        operations.retain(|operation| match operation {
            Operation::Add(flow) => is_in(wanted, flow) && !is_in(installed, flow),
            Operation::Delete(flow) => is_leftover(wanted, installed, flow),
            Operation::Forget(_) => false,
        });
        if operations.is_empty() {
            self.refusals.on_tried(self.now);
            return None;
        }
        operations.sort_by_key(|operation| !operation.is_guard());
        self.retrying = true;
        self.flow_mods += operations.len() as u64;
        Some(Batch::new(operations, self.wanted_generation, false, next_xid))
    }

    /// Between barriers each operation is in effect by itself: guards have to be before anything else is sent, and the
    /// others wait.
    fn guards_first(&mut self, operations: Vec<Operation>) -> (Vec<Operation>, u64) {
        let (guards, others): (Vec<_>, Vec<_>) = operations.into_iter().partition(Operation::is_guard);
        if guards.is_empty() || others.is_empty() {
            return ([guards, others].concat(), self.wanted_generation);
        }
        others.into_iter().for_each(|operation| self.requeue(operation));
        (guards, self.confirmed_generation)
    }

    fn requeue(&mut self, operation: Operation) {
        match operation {
            Operation::Add(flow) => self.queue.add.push(flow),
            Operation::Delete(flow) => self.queue.delete.push(flow),
            Operation::Forget(scope) => self.queue.forget.push(scope),
        }
    }

    /// What of the queue is still to be done: each identity once, adds first.
    fn take_queue(&mut self) -> Vec<Operation> {
        let queue = std::mem::take(&mut self.queue);
        if std::mem::take(&mut self.fresh) {
            let (adds, deletes) = (queue.add.into_iter(), queue.delete.into_iter());
            let forgets = queue.forget.into_iter().map(Operation::Forget);
            return adds.map(Operation::Add).chain(deletes.map(Operation::Delete)).chain(forgets).collect();
        }
        let (wanted, installed, refusals) = (&self.wanted, &self.installed, &self.refusals);
        let mut operations = Vec::with_capacity(queue.len());
        let mut seen = FlowTable::new();
        seen.reserve(queue.add.len());
        let adds = queue.add.into_iter().filter(|flow| {
            let missing = is_in(wanted, flow) && !is_in(installed, flow);
            missing && !refusals.contains(flow) && seen.insert(flow.clone()).is_none()
        });
        operations.extend(adds.map(Operation::Add));
        let deletes = queue.delete.into_iter().filter(|flow| {
            let stays = refusals.deletion_waits(flow) || !is_leftover(wanted, installed, flow);
            !stays && seen.insert(flow.clone()).is_none()
        });
        operations.extend(deletes.map(Operation::Delete));
        operations.extend(queue.forget.into_iter().map(Operation::Forget));
        operations
    }

    /// An error for `xid`. False: not of a flow.
    pub fn on_error(&mut self, xid: Xid, code: ErrorCode, now: Duration) -> bool {
        let Some(batch) = &mut self.in_flight else { return false };
        if !batch.on_error(xid, code) {
            return false;
        }
        self.now = now;
        self.conclude();
        true
    }

    /// The switch has committed the bundle that `xid` asked it to.
    pub fn on_commit_reply(&mut self, xid: Xid, now: Duration) {
        if let Some(batch) = &mut self.in_flight {
            batch.on_commit_reply(xid);
            self.now = now;
            self.conclude();
        }
    }

    /// The switch is through with everything before the barrier `xid`. False: not a barrier of ours.
    pub fn on_barrier_reply(&mut self, xid: Xid, now: Duration) -> bool {
        let Some(batch) = &mut self.in_flight else { return false };
        if !batch.on_barrier_reply(xid) {
            return false;
        }
        self.now = now;
        self.conclude();
        true
    }

    /// If the outcome of the batch on its way is known, takes it into account.
    fn conclude(&mut self) {
        let Some(outcome) = self.in_flight.as_ref().and_then(Batch::outcome) else { return };
        let Some(batch) = self.in_flight.take() else { return };
        let generation = batch.generation();
        self.failed_commits = match (outcome, batch.bundle_refused()) {
            (Outcome::Failed, Some(refusal)) => {
                self.without_bundles = Some(refusal);
                self.bundles_again = (!refusal.is_for_good()).then(|| self.now + BUNDLES_AGAIN);
                0
            }
            (Outcome::Failed, None) => self.failed_commits + 1,
            (Outcome::Done, _) => 0,
        };
        for (operation, failure) in batch.into_operations() {
            match (failure, operation) {
                (Some(code), operation) => self.refuse(operation, code),
                (None, operation) if outcome == Outcome::Done => self.install(operation),
                (None, operation) => self.requeue(operation),
            }
        }
        if outcome == Outcome::Done && !self.unsure {
            self.confirmed_generation = generation;
        }
        if std::mem::take(&mut self.retrying) {
            self.refusals.on_tried(self.now);
        }
        self.forget_settled_deletions();
        self.take_due();
    }

    fn install(&mut self, operation: Operation) {
        match operation {
            Operation::Add(flow) => {
                self.refusals.forget(&flow);
                self.installed.insert(flow);
            }
            Operation::Delete(flow) => {
                self.installed.remove(&flow.key());
                self.refusals.on_room(flow.table);
            }
            Operation::Forget(_) => {}
        }
    }

    fn refuse(&mut self, operation: Operation, code: ErrorCode) {
        match operation {
            Operation::Add(flow) if is_in(&self.wanted, &flow) => {
                if cookie::is_guard(flow.cookie) && !self.refusals.contains(&flow) {
                    self.held_until = Some(self.now + HELD_AT_MOST);
                }
                self.refusals.refuse(RefusedChange::Addition, flow, code, self.now);
            }
            Operation::Delete(flow) if is_leftover(&self.wanted, &self.installed, &flow) => {
                self.refusals.refuse(RefusedChange::Deletion, flow, code, self.now);
            }
            Operation::Forget(_) => self.audit_again = Some(self.now + AUDIT_AGAIN),
            Operation::Add(_) | Operation::Delete(_) => {}
        }
    }

    /// Forgets that a deletion was refused where there is nothing to delete any more.
    fn forget_settled_deletions(&mut self) {
        let Self { refusals, wanted, installed, .. } = self;
        refusals.retain_deletions(|flow| is_leftover(wanted, installed, flow));
    }

    /// True if nothing is on its way or waiting to be sent.
    pub fn is_quiet(&self) -> bool {
        self.audited && !self.unsure && self.in_flight.is_none() && self.queue.is_empty() && self.retries.is_empty()
    }

    /// How far it is, in numbers.
    pub fn counts(&mut self) -> Counts {
        if self.is_quiet() {
            self.confirmed_generation = self.wanted_generation;
        }
        Counts {
            generation: self.confirmed_generation,
            rejected: self.refusals.len(),
            refusals: self.refusals.count(),
            without_bundles: self.without_bundles.is_some(),
            flow_mods: self.flow_mods,
            repaired: self.repaired,
            held: self.held_until.is_some(),
        }
    }

    /// How far it is. Once it is quiet, all that is wanted is in effect but for what is rejected.
    pub fn progress(&mut self) -> Progress {
        let Counts { generation, refusals, flow_mods, repaired, held, .. } = self.counts();
        let wanted = self.wanted.len();
        let installed =
            if self.is_quiet() { wanted.saturating_sub(self.refusals.missing()) } else { self.installed.len() };
        let (rejected, without_bundles) = (self.refusals.list(), self.without_bundles);
        let at = self.now;
        Progress { generation, wanted, installed, rejected, refusals, without_bundles, at, flow_mods, repaired, held }
    }

    /// Why the switch does without bundles, if it does.
    pub const fn without_bundles(&self) -> Option<BundleRefusal> {
        self.without_bundles
    }
}

/// True if the table holds exactly this flow.
fn is_in(table: &FlowTable, flow: &Flow) -> bool {
    table.get(&flow.key()).is_some_and(|there| **there == *flow)
}

/// True if something of the flow's identity is there, and not wanted.
fn is_leftover(wanted: &FlowTable, installed: &FlowTable, flow: &Flow) -> bool {
    wanted.get(&flow.key()).is_none() && installed.get(&flow.key()).is_some()
}

/// What a flow monitor's update says of a flow, as a dump would. It says nothing of the flags: they are
/// taken to be those `wanted` has.
fn stats_of<'a>(update: &FlowUpdateFull<'a>, wanted: Option<&Flow>) -> FlowStats<'a> {
    FlowStats {
        table: update.table_id,
        duration_sec: 0,
        duration_nsec: 0,
        priority: update.priority,
        idle_timeout: update.idle_timeout,
        hard_timeout: update.hard_timeout,
        flags: wanted.map(|flow| flow.flags).unwrap_or_default(),
        cookie: update.cookie,
        packet_count: 0,
        byte_count: 0,
        match_tlvs: update.flow_match.oxm_fields().rest(),
        instructions: update.instructions.bytes(),
        instructions_offset: update.instructions.reader().offset(),
    }
}

#[cfg(test)]
#[path = "reconciler_tests.rs"]
mod tests;
