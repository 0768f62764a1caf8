//! What the daemon has counted since it started, whatever connections came and went. Every table has a bound.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::outage::Outage;
use super::strangers::Strangers;
use crate::pipeline::Bridge;
use crate::responder::{self, Latency, Outcome, Punts, Source, Topic, Verdict};
use crate::switch::{ConnectionId, Progress};

/// Senders that are remembered of a bridge; those that were silent longest give way.
const MAX_TALKERS: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub struct Counters {
    bridges: BTreeMap<Bridge, BridgeCounters>,
    /// Readings of the topology file.
    pub topology: Attempts,
    /// Transactions with the database.
    pub transactions: Attempts,
    /// Connections that were sent away or given up.
    pub strangers: Strangers,
}

/// How often something went well or did not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attempts {
    /// It went well.
    pub good: u64,
    /// It did not.
    pub failed: u64,
}

impl Attempts {
    /// One more.
    pub fn count<T, E>(&mut self, result: &Result<T, E>) {
        match result {
            Ok(_) => self.good += 1,
            Err(_) => self.failed += 1,
        }
    }
}

/// What was counted of one bridge.
#[derive(Debug, Default)]
pub struct BridgeCounters {
    /// Its connection: whether there is one, and how often it was lost.
    pub outage: Outage,
    /// How often its flows were compared with what is wanted.
    pub audits: u64,
    /// Flows that differed then.
    pub differences: u64,
    /// FLOW_MODs sent to it.
    pub flow_mods: u64,
    /// Flows put right after somebody else changed them.
    pub repaired: u64,
    /// How often it refused a flow.
    pub refusals: u64,
    /// The connection that counts for `flow_mods`, `repaired` and `refusals`, and what it said last.
    last: Option<(ConnectionId, [u64; 3])>,
    /// What came up, by topic and outcome.
    pub punts: responder::Counts,
    /// How long answers took.
    pub latency: Latency,
    /// Who sent it.
    pub talkers: HashMap<TalkerKey, TalkerCounters>,
    /// When the bridge's connection told last, since the daemon started.
    pub told_at: Duration,
}

/// What tells the rows of senders apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TalkerKey {
    /// Who sent.
    pub source: Source,
    /// Whose business it was.
    pub topic: Topic,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was ignored; else empty.
    pub reason: &'static str,
}

/// Packets of one sender that met the same end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TalkerCounters {
    /// How many.
    pub packets: u64,
    /// The last such end.
    pub verdict: Verdict,
    /// When they were told of last, since the daemon started.
    pub told_at: Duration,
}

impl Counters {
    /// Of a daemon that has read its topology and nothing else yet.
    pub fn new() -> Self {
        Self { topology: Attempts { good: 1, failed: 0 }, ..Self::default() }
    }

    /// What was counted of a bridge, if anything was.
    pub fn bridge(&self, bridge: &Bridge) -> Option<&BridgeCounters> {
        self.bridges.get(bridge)
    }

    /// What was counted of a bridge, to count on.
    pub fn bridge_mut(&mut self, bridge: &Bridge) -> &mut BridgeCounters {
        self.bridges.entry(bridge.clone()).or_default()
    }

    /// The bridges that flapped and are steady now, with how often each was lost since the start.
    pub fn steady_again(&mut self, now: Duration) -> Vec<(Bridge, u64)> {
        let steady = self.bridges.iter_mut().filter_map(|(bridge, counters)| {
            counters.outage.is_steady_again(now).then(|| (bridge.clone(), counters.outage.count))
        });
        steady.collect()
    }

    /// Forgets a bridge that has gone for good.
    pub fn forget(&mut self, bridge: &Bridge) {
        self.bridges.remove(bridge);
    }
}

impl BridgeCounters {
    /// The bridge's flows were compared with what is wanted.
    pub fn audited(&mut self, differences: usize) {
        self.audits += 1;
        self.differences += differences as u64;
    }

    /// Adds what a connection has done since it said so last.
    pub fn progressed(&mut self, connection: ConnectionId, progress: &Progress) {
        let told = [progress.flow_mods, progress.repaired, progress.refusals];
        let before = match self.last {
            Some((last, before)) if last == connection => before,
            _ => [0; 3],
        };
        let sums = [&mut self.flow_mods, &mut self.repaired, &mut self.refusals];
        for (sum, (told, before)) in sums.into_iter().zip(told.into_iter().zip(before)) {
            *sum += told.saturating_sub(before);
        }
        self.last = Some((connection, told));
    }

    /// Adds what came up, as told at `now` since the daemon started.
    pub fn punted(&mut self, punts: &Punts, now: Duration) {
        self.punts.add(&punts.counts);
        self.latency.add(&punts.latency);
        self.told_at = now;
        for talker in &punts.talkers {
            let reason = if let Verdict::Ignored(reason) = talker.verdict { reason } else { "" };
            let key = TalkerKey { source: talker.source, topic: talker.topic, outcome: talker.verdict.into(), reason };
            let row =
                self.talkers.entry(key).or_insert(TalkerCounters { packets: 0, verdict: talker.verdict, told_at: now });
            row.packets += talker.packets;
            (row.verdict, row.told_at) = (talker.verdict, now);
        }
        self.forget_the_silent();
    }

    /// Half of the senders go when there are too many.
    fn forget_the_silent(&mut self) {
        if self.talkers.len() <= MAX_TALKERS {
            return;
        }
        let mut by_age: Vec<(Duration, TalkerKey)> =
            self.talkers.iter().map(|(key, talker)| (talker.told_at, *key)).collect();
        by_age.sort_unstable_by_key(|(told_at, _)| *told_at);
        for (_, key) in by_age.iter().take(MAX_TALKERS / 2) {
            self.talkers.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::PortNo;
    use crate::responder::{Counts, Talker};

    fn progress(flow_mods: u64) -> Progress {
        Progress { flow_mods, refusals: flow_mods * 2, ..Progress::default() }
    }

    fn punts(ports: std::ops::Range<u32>) -> Punts {
        let talker = |port| Talker {
            source: Source::Port(PortNo(port)),
            topic: Topic::Arp,
            verdict: Verdict::Ignored("nobody has it"),
            packets: 2,
        };
        Punts { counts: Counts::default(), latency: Latency::default(), talkers: ports.map(talker).collect() }
    }

    #[test]
    fn flow_mods_of_all_connections_of_a_bridge_add_up() {
        let mut counters = Counters::default();
        let bridge = counters.bridge_mut(&Bridge::Integration);
        for (connection, flow_mods) in [(1, 10), (1, 12), (2, 5), (2, 5), (2, 6)] {
            bridge.progressed(ConnectionId(connection), &progress(flow_mods));
        }
        let counted = counters.bridge(&Bridge::Integration).unwrap();
        assert_eq!((counted.flow_mods, counted.refusals), (12 + 6, 2 * (12 + 6)));
        assert!(counters.bridge(&Bridge::Tunnel).is_none());
        counters.forget(&Bridge::Integration);
        assert!(counters.bridge(&Bridge::Integration).is_none());
    }

    #[test]
    fn a_sender_is_one_row_for_each_end_that_its_packets_met() {
        let mut bridge = BridgeCounters::default();
        bridge.punted(&punts(1..3), Duration::from_secs(1));
        bridge.punted(&punts(2..4), Duration::from_secs(2));
        let mut packets: Vec<u64> = bridge.talkers.values().map(|talker| talker.packets).collect();
        packets.sort_unstable();
        assert_eq!(packets, [2, 2, 4]);
        assert_eq!(bridge.told_at, Duration::from_secs(2));
    }

    #[test]
    fn senders_are_bounded_and_the_silent_go_first() {
        let mut bridge = BridgeCounters::default();
        for second in 0..40 {
            bridge.punted(&punts(second * 250..second * 250 + 250), Duration::from_secs(second.into()));
            assert!(bridge.talkers.len() <= MAX_TALKERS);
        }
        let newest = |key: &TalkerKey| matches!(key.source, Source::Port(PortNo(port)) if port >= 39 * 250);
        assert_eq!(bridge.talkers.keys().filter(|key| newest(key)).count(), 250);
    }
}
