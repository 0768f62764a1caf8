//! What came up, and what became of it.

use super::{Topic, Verdict};

/// Counters of one connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    counts: [[u64; KINDS]; Topic::ALL.len()],
}

const KINDS: usize = 5;

/// The place of a verdict in a row of counters.
const fn kind(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Answered => 0,
        Verdict::PassedOn => 1,
        Verdict::Ignored(_) => 2,
        Verdict::Limited => 3,
        Verdict::Malformed(_) => 4,
    }
}

impl Tally {
    /// One more packet.
    pub(super) fn count(&mut self, topic: Topic, verdict: Verdict) {
        if let Some(count) = self.counts.get_mut(topic as usize).and_then(|row| row.get_mut(kind(verdict))) {
            *count += 1;
        }
    }

    /// How many packets of `topic` met a verdict of this kind, whatever its reason.
    pub fn of(&self, topic: Topic, verdict: Verdict) -> u64 {
        self.counts.get(topic as usize).and_then(|row| row.get(kind(verdict))).copied().unwrap_or(0)
    }
}
