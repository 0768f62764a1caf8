//! What a switch refuses, and when each of it is tried again. No clock: the reconciler says what time it is.
//!
//! A flow waits a second after its first refusal, and twice as long after each further one, up to a minute. A full table
//! is refusal enough for all of its flows: they share one wait, a few are tried first, and twice as many as soon as those
//! got in. They are tried at once when a flow has left the table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::flow::Flow;
use crate::openflow::{ErrorCode, TableId};
use crate::pipeline::cookie;

/// What of a flow is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedChange {
    /// To add it.
    Addition,
    /// To delete it: it stands there, and is not wanted.
    Deletion,
}

/// A flow that the switch refuses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// The flow.
    pub flow: Arc<Flow>,
    /// What is refused of it.
    pub refused: RefusedChange,
    /// Why.
    pub code: ErrorCode,
    /// How often.
    pub attempts: u32,
    /// When it is tried again, on the clock of its [`Progress`](super::Progress); `None`: that is on its way.
    pub retry_at: Option<Duration>,
}

/// How long a refused flow waits at first; twice as long each further time, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// So many flows find out whether a full table has room.
const SCOUTS: usize = 8;

/// What a refused flow waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// Nothing: it is to be sent, or on its way.
    No,
    /// This moment.
    Until(Duration),
    /// Room in its table.
    ForRoom,
}

struct Refusal {
    code: ErrorCode,
    attempts: u32,
    waits: Waits,
}

/// A table that takes no more flows.
struct Full {
    retry_at: Duration,
    wait: Duration,
    /// So many flows are tried next.
    scouts: usize,
    /// They are to be sent, or on their way.
    scouted: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Refusals {
    additions: HashMap<Arc<Flow>, Refusal>,
    deletions: HashMap<Arc<Flow>, Refusal>,
    full: BTreeMap<TableId, Full>,
    /// Tables that have refused one of the flows on their way because they are full.
    still_full: BTreeSet<TableId>,
    count: u64,
    /// What [`Self::list`] returned, until something changes.
    listed: Option<Arc<[Rejected]>>,
}

impl Refusals {
    /// True if an addition was refused.
    pub(super) fn contains(&self, flow: &Arc<Flow>) -> bool {
        self.additions.contains_key(flow)
    }

    /// True if an addition was refused and its time has not come.
    pub(super) fn waits(&self, flow: &Arc<Flow>) -> bool {
        self.additions.get(flow).is_some_and(|refusal| refusal.waits != Waits::No)
    }

    /// Likewise of a deletion.
    pub(super) fn deletion_waits(&self, flow: &Arc<Flow>) -> bool {
        self.deletions.get(flow).is_some_and(|refusal| refusal.waits != Waits::No)
    }

    /// The switch refused something.
    pub(super) fn refuse(&mut self, refused: RefusedChange, flow: Arc<Flow>, code: ErrorCode, now: Duration) {
        self.listed = None;
        self.count += 1;
        let table = flow.table;
        let flows = match refused {
            RefusedChange::Addition => &mut self.additions,
            RefusedChange::Deletion => &mut self.deletions,
        };
        let refusal = flows.entry(flow).or_insert(Refusal { code, attempts: 0, waits: Waits::No });
        refusal.code = code;
        refusal.attempts = refusal.attempts.saturating_add(1);
        refusal.waits = Waits::Until(now + wait_after(refusal.attempts));
        if code == ErrorCode::FMFC_TABLE_FULL {
            refusal.waits = Waits::ForRoom;
            self.still_full.insert(table);
            let first = Full { retry_at: now + FIRST_WAIT, wait: FIRST_WAIT, scouts: SCOUTS, scouted: false };
            self.full.entry(table).or_insert(first);
        }
    }

    /// A flow is there, or not wanted any more: nothing of its addition is to be tried again.
    pub(super) fn forget(&mut self, flow: &Arc<Flow>) {
        if self.additions.remove(flow).is_some() {
            self.listed = None;
        }
    }

    /// Keeps of the refused additions those that are still `missing`, and of the deletions those that are still `there`.
    pub(super) fn retain(&mut self, missing: impl Fn(&Arc<Flow>) -> bool, there: impl Fn(&Arc<Flow>) -> bool) {
        let before = self.len();
        self.additions.retain(|flow, _| missing(flow));
        self.deletions.retain(|flow, _| there(flow));
        if self.len() != before {
            self.listed = None;
        }
    }

    /// Likewise of the deletions alone.
    pub(super) fn retain_deletions(&mut self, there: impl Fn(&Arc<Flow>) -> bool) {
        if !self.deletions.is_empty() {
            self.retain(|_| true, there);
        }
    }

    /// A flow has left a table.
    pub(super) fn on_room(&mut self, table: TableId) {
        if let Some(full) = self.full.get_mut(&table) {
            full.retry_at = Duration::ZERO;
            self.listed = None;
        }
    }

    /// The additions and the deletions whose time has come; each is on its way from then on.
    pub(super) fn take_due(&mut self, now: Duration) -> (Vec<Arc<Flow>>, Vec<Arc<Flow>>) {
        if self.len() == 0 {
            self.full.clear();
            return Default::default();
        }
        let mut additions = due(&mut self.additions, now);
        let deletions = due(&mut self.deletions, now);
        let may_have_room = |(_, full): &(&TableId, &mut Full)| full.retry_at <= now && !full.scouted;
        let mut tables: BTreeMap<TableId, Vec<Arc<Flow>>> =
            self.full.iter_mut().filter(may_have_room).map(|(table, _)| (*table, Vec::new())).collect();
        if !tables.is_empty() {
            for (flow, _) in self.additions.iter().filter(|(_, refusal)| refusal.waits == Waits::ForRoom) {
                tables.entry(flow.table).and_modify(|flows| flows.push(flow.clone()));
            }
        }
        for (table, flows) in tables {
            let scouts = self.scouts(table, flows);
            additions.extend(scouts);
        }
        if !(additions.is_empty() && deletions.is_empty()) {
            self.listed = None;
        }
        additions
            .sort_unstable_by(|a, b| (a.table, b.priority, a.match_tlvs()).cmp(&(b.table, a.priority, b.match_tlvs())));
        (additions, deletions)
    }

    /// Which of the flows that wait for room in a table are tried: first those without which others would open something,
    /// then those of higher priority.
    fn scouts(&mut self, table: TableId, mut flows: Vec<Arc<Flow>>) -> Vec<Arc<Flow>> {
        if flows.is_empty() {
            self.full.remove(&table);
        }
        let Some(full) = self.full.get_mut(&table) else { return flows };
        flows.sort_unstable_by_key(|flow| (!cookie::is_guard(flow.cookie), std::cmp::Reverse(flow.priority)));
        flows.truncate(full.scouts);
        full.scouted = true;
        for flow in &flows {
            self.additions.entry(flow.clone()).and_modify(|refusal| refusal.waits = Waits::No);
        }
        flows
    }

    /// What [`Self::take_due`] returned is sent now.
    pub(super) fn on_trying(&mut self) {
        self.still_full.clear();
    }

    /// It has been tried.
    pub(super) fn on_tried(&mut self, now: Duration) {
        for (table, full) in &mut self.full {
            if !std::mem::take(&mut full.scouted) {
                continue;
            }
            self.listed = None;
            if self.still_full.contains(table) {
                full.wait = (full.wait * 2).min(LONGEST_WAIT);
                full.retry_at = now + full.wait;
                full.scouts = SCOUTS;
            } else {
                full.wait = FIRST_WAIT;
                full.retry_at = Duration::ZERO;
                full.scouts = full.scouts.saturating_mul(2);
            }
        }
    }

    /// What was on its way did not leave: it is due still.
    pub(super) fn on_not_tried(&mut self) {
        for (refused, flows) in [(true, &mut self.additions), (false, &mut self.deletions)] {
            for refusal in flows.values_mut().filter(|refusal| refusal.waits == Waits::No) {
                let for_room = refused && refusal.code == ErrorCode::FMFC_TABLE_FULL;
                refusal.waits = if for_room { Waits::ForRoom } else { Waits::Until(Duration::ZERO) };
            }
        }
        for full in self.full.values_mut().filter(|full| full.scouted) {
            (full.scouted, full.retry_at) = (false, Duration::ZERO);
        }
    }

    /// Number of flows that are refused.
    pub(super) fn len(&self) -> usize {
        self.additions.len() + self.deletions.len()
    }

    /// Number of flows that are wanted and refused.
    pub(super) fn missing(&self) -> usize {
        self.additions.len()
    }

    /// How often the switch has refused something.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// All of them, by table, priority and match.
    pub(super) fn list(&mut self) -> Arc<[Rejected]> {
        if let Some(listed) = &self.listed {
            return listed.clone();
        }
        let retry_at = |flow: &Flow, refusal: &Refusal| match refusal.waits {
            Waits::No => None,
            Waits::Until(moment) => Some(moment),
            Waits::ForRoom => self.full.get(&flow.table).map(|full| full.retry_at),
        };
        let rejected = |refused, (flow, refusal): (&Arc<Flow>, &Refusal)| Rejected {
            flow: flow.clone(),
            refused,
            code: refusal.code,
            attempts: refusal.attempts,
            retry_at: retry_at(flow, refusal),
        };
        let additions = self.additions.iter().map(|entry| rejected(RefusedChange::Addition, entry));
        let deletions = self.deletions.iter().map(|entry| rejected(RefusedChange::Deletion, entry));
        let mut list: Vec<Rejected> = additions.chain(deletions).collect();
        list.sort_unstable_by(|a, b| (a.flow.key(), a.refused).cmp(&(b.flow.key(), b.refused)));
        let list: Arc<[Rejected]> = list.into();
        self.listed = Some(list.clone());
        list
    }
}

/// How long a flow waits that was refused so often.
fn wait_after(attempts: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_WAIT)
}

fn due(flows: &mut HashMap<Arc<Flow>, Refusal>, now: Duration) -> Vec<Arc<Flow>> {
    let mut due = Vec::new();
    for (flow, refusal) in flows {
        if matches!(refusal.waits, Waits::Until(moment) if moment <= now) {
            refusal.waits = Waits::No;
            due.push(flow.clone());
        }
    }
    due
}

#[cfg(test)]
#[path = "refusals_tests.rs"]
mod tests;
