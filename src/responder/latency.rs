//! How long answers took, as a histogram of fixed size.

use std::time::Duration;

/// Buckets of a decade.
const STEPS: u64 = 9;
/// Buckets with an upper bound: eight decades, from 100 ns until 9 s.
const BOUNDED: u64 = STEPS * 8;
/// Those, and one for what is longer.
const BUCKETS: usize = BOUNDED as usize + 1;
/// The upper bound of the first bucket in nanoseconds, as a power of ten.
const FIRST: u32 = 2;

/// The upper bound of a bucket in nanoseconds: 100, 200, … 900, 1000, 2000, …
const fn bound(bucket: u64) -> u64 {
    (bucket % STEPS + 1) * 10_u64.pow(FIRST + (bucket / STEPS) as u32)
}

/// The first bucket whose bound is not below so many nanoseconds.
fn bucket_of(nanoseconds: u64) -> u64 {
    let below = nanoseconds.saturating_sub(1);
    match below.checked_ilog10() {
        Some(decade) if decade >= FIRST => {
            let step = below / 10_u64.pow(decade);
            (u64::from(decade - FIRST) * STEPS + step).min(BOUNDED)
        }
        _ => 0,
    }
}

/// Counts durations in buckets that grow with them, nine in each power of ten: a quantile comes out at most twice as
/// long as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Latency {
    /// Of each bucket, and of what is longer than the last one's bound.
    buckets: [u64; BUCKETS],
    /// Of all durations, in nanoseconds.
    sum: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum: 0 }
    }
}

impl Latency {
    /// So many answers took so long each.
    pub fn record(&mut self, duration: Duration, answers: u64) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.buckets.get_mut(bucket_of(nanoseconds) as usize) {
            *count += answers;
        }
        self.sum = self.sum.saturating_add(nanoseconds.saturating_mul(answers));
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All of them together.
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// Each bucket with its upper bound, the last one without, and how many durations it holds.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = (0..BOUNDED).map(|bucket| Some(Duration::from_nanos(bound(bucket))));
        bounds.chain([None]).zip(self.buckets)
    }

    /// What that part of all durations did not exceed: the upper bound of a bucket, the longest one's for what is
    /// longer still. `None` of none.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let rank = (self.count() as f64 * part).ceil() as u64;
        let mut seen = 0;
        let (bound, _) = self.buckets().find(|(_, count)| {
            seen += count;
            seen > 0 && seen >= rank
        })?;
        Some(bound.unwrap_or(Duration::from_nanos(self::bound(BOUNDED - 1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECOND: Duration = Duration::from_micros(1);

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        for (duration, bound) in [
            (Duration::ZERO, Some(Duration::from_nanos(100))),
            (Duration::from_nanos(100), Some(Duration::from_nanos(100))),
            (Duration::from_nanos(101), Some(Duration::from_nanos(200))),
            (Duration::from_nanos(900), Some(Duration::from_nanos(900))),
            (Duration::from_nanos(901), Some(MICROSECOND)),
            (Duration::from_millis(35), Some(Duration::from_millis(40))),
            (Duration::from_secs(9), Some(Duration::from_secs(9))),
            (Duration::from_secs(10), None),
            (Duration::MAX, None),
        ] {
            let mut latency = Latency::default();
            latency.record(duration, 3);
            let filled: Vec<_> = latency.buckets().filter(|(_, count)| *count > 0).collect();
            assert_eq!(filled, [(bound, 3)], "{duration:?}");
        }
    }

    #[test]
    fn quantiles_are_never_less_than_they_were_and_bounds_grow() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile(0.5), None);
        latency.record(10 * MICROSECOND, 98);
        latency.record(35 * MICROSECOND, 1);
        latency.record(Duration::from_secs(60), 1);
        assert_eq!(latency.quantile(0.0), Some(10 * MICROSECOND));
        assert_eq!(latency.quantile(0.5), Some(10 * MICROSECOND));
        assert_eq!(latency.quantile(0.99), Some(40 * MICROSECOND));
        assert_eq!(latency.quantile(1.0), Some(Duration::from_secs(9)));
        let bounds: Vec<_> = latency.buckets().filter_map(|(bound, _)| bound).collect();
        assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
    }

    #[test]
    fn two_histograms_add_up() {
        let (mut one, mut other) = (Latency::default(), Latency::default());
        one.record(MICROSECOND, 1);
        other.record(MICROSECOND, 2);
        other.record(5 * MICROSECOND, 1);
        one.add(&other);
        assert_eq!((one.count(), one.sum()), (4, 8 * MICROSECOND));
        other.record(Duration::MAX, u64::MAX);
        assert_eq!(other.sum(), Duration::from_nanos(u64::MAX), "it never goes round");
    }
}
