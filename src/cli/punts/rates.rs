//! From one answer of the daemon to the next: how much came up a second, and how long answers took.

use std::collections::HashMap;
use std::time::Duration;

use crate::agent::punts::{BridgePunts, Bucket, PuntsStatus, TalkerPunts};

/// One reading held against the one before; against the start of the daemon if there was none.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Refresh {
    /// The node.
    pub(super) node: String,
    /// True if the rates are means since the daemon started.
    pub(super) is_first: bool,
    /// Packets since the daemon started.
    pub(super) packets: u64,
    /// Packets a second by verdict.
    pub(super) verdicts: Vec<(String, f64)>,
    /// How long the answers in between took, half of them and all but a hundredth.
    pub(super) latency: Option<(Duration, Duration)>,
    /// Senders, the busiest first.
    pub(super) rows: Vec<Row>,
}

/// Packets of one sender that met the same end.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Row {
    pub(super) bridge: String,
    pub(super) talker: TalkerPunts,
    /// Packets a second.
    pub(super) rate: f64,
}

impl Refresh {
    /// Packets a second.
    pub(super) fn rate(&self) -> f64 {
        self.verdicts.iter().map(|(_, rate)| rate).sum()
    }
}

/// Remembers the last reading.
#[derive(Default)]
pub(super) struct Meter {
    last: Option<PuntsStatus>,
}

impl Meter {
    /// Takes a reading.
    pub(super) fn read(&mut self, status: PuntsStatus) -> Refresh {
        // Another daemon since: it counts anew.
        let last = self.last.take().filter(|last| last.uptime <= status.uptime);
        let mut refresh = Refresh { node: status.node.clone(), is_first: last.is_none(), ..Refresh::default() };
        let mut latency: HashMap<Option<u64>, u64> = HashMap::new();
        for bridge in &status.bridges {
            let before = last.as_ref().and_then(|last| last.bridges.iter().find(|b| b.bridge == bridge.bridge));
            let seconds = bridge.told_at - before.map_or(0.0, |before| before.told_at);
            refresh.packets += bridge.packets.iter().map(|count| count.packets).sum::<u64>();
            add_verdicts(bridge, before, seconds, &mut refresh.verdicts);
            add_rows(bridge, before, seconds, &mut refresh.rows);
            for bucket in &bridge.latency {
                let same = |before: &&Bucket| before.nanoseconds == bucket.nanoseconds;
                let old = before.and_then(|before| before.latency.iter().find(same)).map_or(0, |before| before.answers);
                *latency.entry(bucket.nanoseconds).or_default() += bucket.answers.saturating_sub(old);
            }
        }
        refresh.latency = quantile(&latency, 0.5).zip(quantile(&latency, 0.99));
        refresh.rows.sort_by(|a, b| b.rate.total_cmp(&a.rate).then_with(|| b.talker.packets.cmp(&a.talker.packets)));
        self.last = Some(status);
        refresh
    }
}

fn per_second(now: u64, before: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { now.saturating_sub(before) as f64 / seconds } else { 0.0 }
}

fn add_verdicts(bridge: &BridgePunts, before: Option<&BridgePunts>, seconds: f64, verdicts: &mut Vec<(String, f64)>) {
    for count in &bridge.packets {
        let old = before.and_then(|before| {
            before.packets.iter().find(|old| (&old.kind, &old.verdict) == (&count.kind, &count.verdict))
        });
        let rate = per_second(count.packets, old.map_or(0, |old| old.packets), seconds);
        match verdicts.iter_mut().find(|(verdict, _)| *verdict == count.verdict) {
            Some((_, sum)) => *sum += rate,
            None => verdicts.push((count.verdict.clone(), rate)),
        }
    }
}

fn add_rows(bridge: &BridgePunts, before: Option<&BridgePunts>, seconds: f64, rows: &mut Vec<Row>) {
    let old: HashMap<_, u64> = before.map_or_else(HashMap::new, |before| {
        before.talkers.iter().map(|talker| (identity(talker), talker.packets)).collect()
    });
    rows.extend(bridge.talkers.iter().map(|talker| Row {
        bridge: bridge.bridge.clone(),
        rate: per_second(talker.packets, old.get(&identity(talker)).copied().unwrap_or(0), seconds),
        talker: talker.clone(),
    }));
}

/// What tells the rows of a bridge apart. The words about a malformed packet are those of the last one.
fn identity(talker: &TalkerPunts) -> impl Eq + std::hash::Hash + '_ {
    let reason = talker.reason.as_deref().filter(|_| talker.verdict == "ignored");
    let sender = (&talker.interface, &talker.port, &talker.mac_address);
    (sender, &talker.kind, &talker.verdict, reason)
}

/// The bound that this part of the answers did not exceed; that of the longest known for what is longer still.
fn quantile(latency: &HashMap<Option<u64>, u64>, part: f64) -> Option<Duration> {
    let mut buckets: Vec<(u64, u64)> =
        latency.iter().map(|(bound, answers)| (bound.unwrap_or(u64::MAX), *answers)).collect();
    buckets.sort_unstable();
    let rank = (buckets.iter().map(|(_, answers)| answers).sum::<u64>() as f64 * part).ceil() as u64;
    let mut seen = 0;
    let found = buckets.iter().find(|(_, answers)| {
        seen += answers;
        seen > 0 && seen >= rank
    });
    found.map(|(bound, _)| Duration::from_nanos(*bound))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::agent::punts::KindPunts;

    pub(in crate::cli::punts) fn talker(port: &str, verdict: &str, packets: u64) -> TalkerPunts {
        TalkerPunts {
            interface: Some(format!("tap-{port}")),
            port: Some(port.into()),
            mac_address: None,
            kind: "arp".into(),
            verdict: verdict.into(),
            reason: (verdict == "ignored").then(|| "nobody has it".into()),
            packets,
        }
    }

    pub(in crate::cli::punts) fn status(told_at: f64, answered: u64, talkers: Vec<TalkerPunts>) -> PuntsStatus {
        let packets = vec![
            KindPunts { kind: "arp".into(), verdict: "answered".into(), packets: answered },
            KindPunts { kind: "nd".into(), verdict: "answered".into(), packets: 1 },
            KindPunts { kind: "arp".into(), verdict: "limited".into(), packets: 10 },
        ];
        let latency = vec![
            Bucket { nanoseconds: Some(20_000), answers: answered },
            Bucket { nanoseconds: Some(50_000), answers: 1 },
        ];
        let bridge = BridgePunts { bridge: "br-int".into(), told_at, packets, latency, answer_seconds: None, talkers };
        PuntsStatus { node: "a".into(), uptime: told_at + 0.5, bridges: vec![bridge] }
    }

    #[test]
    fn the_first_reading_tells_the_mean_since_the_start_and_the_next_what_came_between() {
        let mut meter = Meter::default();
        let first = meter.read(status(10.0, 100, vec![talker("p1", "answered", 100)]));
        assert!(first.is_first);
        assert_eq!((first.packets, first.rate()), (111, 11.1));
        assert_eq!(first.rows[0].rate, 10.0);
        let next = meter.read(status(12.0, 104, vec![talker("p1", "answered", 102), talker("p2", "answered", 2)]));
        assert_eq!(next.verdicts, [("answered".into(), 2.0), ("limited".into(), 0.0)]);
        let rows: Vec<_> = next.rows.iter().map(|row| (row.talker.port.as_deref(), row.rate)).collect();
        assert_eq!(rows, [(Some("p1"), 1.0), (Some("p2"), 1.0)]);
        assert_eq!(next.latency, Some((Duration::from_micros(20), Duration::from_micros(20))), "the 50 us were before");
    }

    #[test]
    fn nothing_new_is_a_rate_of_zero() {
        let mut meter = Meter::default();
        meter.read(status(10.0, 100, vec![talker("p1", "answered", 100)]));
        let next = meter.read(status(10.0, 100, vec![talker("p1", "answered", 100)]));
        assert_eq!((next.rate(), next.rows[0].rate, next.latency), (0.0, 0.0, None));
    }

    #[test]
    fn a_daemon_that_started_again_counts_from_its_start() {
        let mut meter = Meter::default();
        meter.read(status(100.0, 100, Vec::new()));
        assert!(meter.read(status(2.0, 1, Vec::new())).is_first);
    }
}
