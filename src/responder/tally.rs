//! What came up, from whom, and what became of it: counted without a lock or an allocation per packet.

use std::mem;
use std::time::Duration;

use super::latency::Latency;
use super::limits::Source;
use super::{Topic, Verdict};

/// What became of packets, without the reason.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// [`Verdict::Answered`].
    Answered,
    /// [`Verdict::PassedOn`].
    PassedOn,
    /// [`Verdict::Logged`].
    Logged,
    /// [`Verdict::Ignored`].
    Ignored,
    /// [`Verdict::Limited`].
    Limited,
    /// [`Verdict::Malformed`].
    Malformed,
}

impl Outcome {
    /// Every outcome, in the order of its number.
    pub const ALL: [Self; 6] =
        [Self::Answered, Self::PassedOn, Self::Logged, Self::Ignored, Self::Limited, Self::Malformed];

    /// As metrics and `heddle punts` name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::PassedOn => "passed_on",
            Self::Logged => "logged",
            Self::Ignored => "ignored",
            Self::Limited => "limited",
            Self::Malformed => "malformed",
        }
    }
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Answered => Self::Answered,
            Verdict::PassedOn => Self::PassedOn,
            Verdict::Logged => Self::Logged,
            Verdict::Ignored(_) => Self::Ignored,
            Verdict::Limited => Self::Limited,
            Verdict::Malformed(_) => Self::Malformed,
        }
    }
}

/// How many packets of each topic met each outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts([[u64; Outcome::ALL.len()]; Topic::ALL.len()]);

impl Counts {
    fn add_one(&mut self, topic: Topic, outcome: Outcome) {
        if let Some(count) = self.0.get_mut(topic as usize).and_then(|row| row.get_mut(outcome as usize)) {
            *count += 1;
        }
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        let counts = self.0.as_flattened_mut().iter_mut();
        for (count, more) in counts.zip(other.0.as_flattened()) {
            *count += more;
        }
    }

    /// How many packets of a topic met an outcome.
    pub fn of(&self, topic: Topic, outcome: Outcome) -> u64 {
        self.0.get(topic as usize).and_then(|row| row.get(outcome as usize)).copied().unwrap_or(0)
    }

    /// Every topic with every outcome.
    pub fn iter(&self) -> impl Iterator<Item = (Topic, Outcome, u64)> {
        Topic::ALL.into_iter().flat_map(move |topic| {
            Outcome::ALL.into_iter().map(move |outcome| (topic, outcome, self.of(topic, outcome)))
        })
    }

    /// All packets.
    pub fn total(&self) -> u64 {
        self.0.as_flattened().iter().sum()
    }
}

/// Packets of one sender that met the same end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Talker {
    /// Who sent them.
    pub source: Source,
    /// Whose business they were.
    pub topic: Topic,
    /// What became of them; of malformed ones, what was wrong with the first.
    pub verdict: Verdict,
    /// How many.
    pub packets: u64,
}

impl Talker {
    fn is(&self, source: Source, topic: Topic, verdict: Verdict) -> bool {
        let same_end = match (self.verdict, verdict) {
            (Verdict::Ignored(one), Verdict::Ignored(other)) => one == other,
            (one, other) => mem::discriminant(&one) == mem::discriminant(&other),
        };
        same_end && self.source == source && self.topic == topic
    }
}

/// What came up on a connection in a while.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Punts {
    /// By topic and outcome, complete.
    pub counts: Counts,
    /// How long answers took: from when the batch with the packet had been read until the last byte of its answers
    /// had been handed to the kernel.
    pub latency: Latency,
    /// By sender; as many as there was room for, the first ones that spoke.
    pub talkers: Vec<Talker>,
}

/// Counters of one connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    counts: Counts,
    latency: Latency,
    talkers: Box<[Option<Talker>; PLACES]>,
    /// Answers that have not left yet, and when the batch of the first of them was read.
    leaving: Option<(Duration, u64)>,
}

const PLACES_BITS: u32 = 8;
/// Talkers at the most between two reports.
const PLACES: usize = 1 << PLACES_BITS;
/// So many places are tried for one.
const PROBES: usize = 8;

impl Default for Tally {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            latency: Latency::default(),
            talkers: Box::new([None; PLACES]),
            leaving: None,
        }
    }
}

impl Tally {
    /// One more packet, read at `now`.
    #[inline]
    pub(super) fn count(&mut self, source: Source, topic: Topic, verdict: Verdict, now: Duration) {
        let outcome = Outcome::from(verdict);
        self.counts.add_one(topic, outcome);
        if matches!(outcome, Outcome::Answered | Outcome::PassedOn) {
            self.leaving.get_or_insert((now, 0)).1 += 1;
        }
        let key = source.spread() ^ ((topic as u64) << 4 | outcome as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = (key >> (u64::BITS - PLACES_BITS)) as usize;
        for probe in 0..PROBES {
            match self.talkers.get_mut((place + probe) % PLACES) {
                Some(Some(talker)) if talker.is(source, topic, verdict) => {
                    talker.packets += 1;
                    return;
                }
                Some(free @ None) => {
                    *free = Some(Talker { source, topic, verdict, packets: 1 });
                    return;
                }
                _ => {}
            }
        }
    }

    /// If answers wait to leave.
    pub(super) const fn has_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// All answers have left.
    pub(super) fn left(&mut self, now: Duration) {
        if let Some((since, answers)) = self.leaving.take() {
            self.latency.record(now.saturating_sub(since), answers);
        }
    }

    /// How many packets of `topic` met a verdict of this kind, whatever its reason, since the counts were last taken.
    pub fn of(&self, topic: Topic, verdict: Verdict) -> u64 {
        self.counts.of(topic, verdict.into())
    }

    /// What was counted since the last time; `None` if that is nothing.
    pub(super) fn take(&mut self) -> Option<Punts> {
        if self.counts == Counts::default() && self.latency == Latency::default() {
            return None;
        }
        let talkers = self.talkers.iter_mut().filter_map(Option::take).collect();
        Some(Punts { counts: mem::take(&mut self.counts), latency: mem::take(&mut self.latency), talkers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::{MacAddr, PortNo};

    const NOW: Duration = Duration::from_secs(1);

    fn port(number: u32) -> Source {
        Source::Port(PortNo(number))
    }

    #[test]
    fn what_came_up_is_counted_by_sender_topic_and_reason_and_taken_once() {
        let mut tally = Tally::default();
        assert_eq!(tally.take(), None);
        for _ in 0..3 {
            tally.count(port(1), Topic::Arp, Verdict::Answered, NOW);
            tally.count(port(2), Topic::Arp, Verdict::Ignored("nobody has it"), NOW);
        }
        tally.count(port(2), Topic::Arp, Verdict::Ignored("it is here"), NOW);
        tally.count(Source::Address(MacAddr([2; 6]), 1), Topic::Nd, Verdict::Limited, NOW);
        assert_eq!(tally.of(Topic::Arp, Verdict::Ignored("whatever")), 4);
        let mut punts = tally.take().unwrap();
        assert_eq!((punts.counts.total(), punts.counts.of(Topic::Nd, Outcome::Limited)), (8, 1));
        punts.talkers.sort_by_key(|talker| (talker.topic as usize, talker.packets, Outcome::from(talker.verdict)));
        let rows: Vec<_> = punts.talkers.iter().map(|t| (t.source, t.verdict, t.packets)).collect();
        assert_eq!(
            rows,
            [
                (port(2), Verdict::Ignored("it is here"), 1),
                (port(1), Verdict::Answered, 3),
                (port(2), Verdict::Ignored("nobody has it"), 3),
                (Source::Address(MacAddr([2; 6]), 1), Verdict::Limited, 1),
            ]
        );
        assert_eq!(tally.of(Topic::Arp, Verdict::Answered), 0);
    }

    #[test]
    fn answers_take_from_the_read_of_the_first_until_the_last_has_left() {
        let mut tally = Tally::default();
        tally.count(port(1), Topic::Arp, Verdict::Limited, NOW);
        assert!(!tally.has_leaving());
        tally.count(port(1), Topic::Arp, Verdict::Answered, NOW);
        tally.count(port(1), Topic::Arp, Verdict::PassedOn, NOW + Duration::from_micros(3));
        assert!(tally.has_leaving());
        tally.left(NOW + Duration::from_micros(5));
        tally.left(NOW + Duration::from_micros(50));
        let latency = tally.take().unwrap().latency;
        assert_eq!((latency.count(), latency.quantile(1.0)), (2, Some(Duration::from_micros(5))));
    }

    #[test]
    fn answers_that_left_after_the_last_report_are_in_the_next() {
        let mut tally = Tally::default();
        tally.count(port(1), Topic::Arp, Verdict::Answered, NOW);
        assert_eq!(tally.take().unwrap().latency.count(), 0);
        tally.left(NOW + Duration::from_micros(5));
        assert_eq!(tally.take().unwrap().latency.count(), 1);
        assert_eq!(tally.take(), None);
    }

    #[test]
    fn a_crowd_of_senders_is_counted_in_full_and_named_in_part() {
        let mut tally = Tally::default();
        for number in 0..10_000 {
            tally.count(port(number), Topic::Other, Verdict::Limited, NOW);
        }
        let punts = tally.take().unwrap();
        assert_eq!(punts.counts.total(), 10_000);
        assert!((PLACES / 2..=PLACES).contains(&punts.talkers.len()), "{}", punts.talkers.len());
    }

    #[test]
    fn counts_of_several_reports_add_up() {
        let (mut tally, mut sum) = (Tally::default(), Counts::default());
        for _ in 0..2 {
            tally.count(port(1), Topic::Other, Verdict::Limited, NOW);
            sum.add(&tally.take().unwrap().counts);
        }
        let told: Vec<_> = sum.iter().filter(|(_, _, packets)| *packets > 0).collect();
        assert_eq!(told, [(Topic::Other, Outcome::Limited, 2)]);
    }
}
