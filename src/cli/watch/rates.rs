//! From one reading of the counters to the next: rates, and what changed.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use crate::cli::ofctl_dump::dump::FlowEntries;
use crate::flow::Flow;
use crate::openflow::FlowStats;

/// Per second.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Rate {
    pub(super) packets: f64,
    pub(super) bytes: f64,
}

/// A flow that is there.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Row {
    /// Which of the entries.
    pub(super) index: usize,
    pub(super) rate: Rate,
    /// No packet has hit it; not known of a flow that does not count.
    pub(super) never_hit: bool,
}

/// What happened to a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    Added,
    Removed,
    Modified,
}

impl Event {
    pub(super) const fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Modified => '~',
        }
    }
}

/// What happened to which flow since the last reading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) event: Event,
    /// As it is, or was.
    pub(super) flow: Flow,
}

/// What there is to say about a reading.
#[derive(Default, Debug)]
pub(super) struct Refresh {
    pub(super) flows: FlowEntries,
    /// The flow with the most packets per second first, and among those without any the one that had the most.
    pub(super) rows: Vec<Row>,
    pub(super) changes: Vec<Change>,
    pub(super) total: Rate,
    /// The rates are means over the lives of the flows: nothing was read before.
    pub(super) is_first: bool,
}

impl Refresh {
    pub(super) fn never_hit(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.never_hit)
    }

    pub(super) fn count(&self, event: Event) -> usize {
        self.changes.iter().filter(|change| change.event == event).count()
    }
}

/// Table, priority and match.
type Key = (u8, u16, Box<[u8]>);

fn key(flow: &FlowStats<'_>) -> Key {
    (flow.table.0, flow.priority, flow.match_tlvs.into())
}

/// Remembers the last reading.
#[derive(Default)]
pub(super) struct Meter {
    flows: FlowEntries,
    places: HashMap<Key, usize>,
    at: Option<Duration>,
}

impl Meter {
    /// Takes a reading, made at `at` by a clock that never goes back.
    pub(super) fn read(&mut self, flows: FlowEntries, at: Duration) -> Refresh {
        let before = std::mem::take(self);
        let elapsed = before.at.map(|before| at.saturating_sub(before).as_secs_f64());
        let mut refresh = Refresh { is_first: elapsed.is_none(), ..Refresh::default() };
        let mut seen = vec![false; before.flows.len()];
        for (index, flow) in flows.iter().enumerate() {
            let key = key(&flow);
            let old_index = before.places.get(&key).copied();
            if let Some(seen) = old_index.and_then(|index| seen.get_mut(index)) {
                *seen = true;
            }
            let old = old_index.and_then(|index| before.flows.get(index));
            let event = match &old {
                Some(old) if same(old, &flow) => None,
                Some(_) => Some(Event::Modified),
                None => Some(Event::Added),
            };
            if let Some(event) = event.filter(|_| elapsed.is_some()) {
                refresh.changes.push(Change { event, flow: Flow::from_stats(&flow) });
            }
            let rate = rate(old.as_ref(), &flow, elapsed);
            refresh.total.packets += rate.packets;
            refresh.total.bytes += rate.bytes;
            refresh.rows.push(Row { index, rate, never_hit: flow.packet_count == 0 });
            self.places.insert(key, index);
        }
        let gone = before.flows.iter().zip(&seen).filter(|(_, seen)| !**seen);
        refresh.changes.extend(gone.map(|(flow, _)| Change { event: Event::Removed, flow: Flow::from_stats(&flow) }));
        let of_same_rate =
            |flow: FlowStats<'_>| (Reverse(known(flow.packet_count).unwrap_or(0)), flow.table, Reverse(flow.priority));
        let usual: Vec<_> = flows.iter().map(of_same_rate).collect();
        refresh.rows.sort_by(|a, b| {
            b.rate.packets.total_cmp(&a.rate.packets).then_with(|| usual.get(a.index).cmp(&usual.get(b.index)))
        });
        refresh.flows = flows.clone();
        self.flows = flows;
        self.at = Some(at);
        refresh
    }
}

/// A switch that does not count says all ones.
fn known(count: u64) -> Option<u64> {
    (count != u64::MAX).then_some(count)
}

/// True unless the flow was changed, or replaced by one like it.
fn same(old: &FlowStats<'_>, new: &FlowStats<'_>) -> bool {
    let what = |flow: &FlowStats<'_>| (flow.cookie, flow.idle_timeout, flow.hard_timeout, flow.flags);
    what(old) == what(new)
        && old.instructions == new.instructions
        && (old.duration_sec, old.duration_nsec) <= (new.duration_sec, new.duration_nsec)
}

/// Packets and bytes per second since the last reading, or since the flow exists if that is less or nothing was read
/// before. Counters that went back began anew.
fn rate(old: Option<&FlowStats<'_>>, new: &FlowStats<'_>, elapsed: Option<f64>) -> Rate {
    let life = f64::from(new.duration_sec) + f64::from(new.duration_nsec) * 1e-9;
    let seconds = elapsed.map_or(life, |elapsed| if old.is_some() { elapsed } else { elapsed.min(life) });
    let per_second = |count: fn(&FlowStats<'_>) -> u64| {
        let now = known(count(new)).unwrap_or(0);
        let before = old.and_then(|old| known(count(old))).filter(|before| *before <= now).unwrap_or(0);
        if seconds > 0.0 { (now - before) as f64 / seconds } else { 0.0 }
    };
    Rate { packets: per_second(|flow| flow.packet_count), bytes: per_second(|flow| flow.byte_count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::parse::{NoNames, flow_stats};

    fn entries(lines: &str) -> FlowEntries {
        let mut flows = FlowEntries::default();
        for line in lines.lines() {
            flows.encode(&flow_stats(line.trim(), &NoNames).unwrap().to_flow_stats()).unwrap();
        }
        flows
    }

    fn rates(refresh: &Refresh) -> Vec<(u8, f64, f64)> {
        let rate = |row: &Row| (refresh.flows.get(row.index).unwrap().table.0, row.rate.packets, row.rate.bytes);
        refresh.rows.iter().map(rate).collect()
    }

    #[test]
    fn rates_are_since_the_last_reading_and_the_busiest_flow_comes_first() {
        let mut meter = Meter::default();
        let first = "table=1,duration=10s,n_packets=100,n_bytes=1000 actions=drop\n\
                     table=2,duration=10s,n_packets=50,n_bytes=5000 actions=drop\n\
                     table=3,duration=10s,n_packets=0,n_bytes=0 actions=drop";
        let refresh = meter.read(entries(first), Duration::from_secs(5));
        assert!(refresh.is_first && refresh.changes.is_empty());
        assert_eq!(rates(&refresh), [(1, 10.0, 100.0), (2, 5.0, 500.0), (3, 0.0, 0.0)]);
        let second = "table=1,duration=12s,n_packets=104,n_bytes=1040 actions=drop\n\
                      table=2,duration=12s,n_packets=70,n_bytes=7000 actions=drop\n\
                      table=3,duration=12s,n_packets=0,n_bytes=0 actions=drop\n\
                      table=4,duration=1s,n_packets=3,n_bytes=30 actions=drop";
        let refresh = meter.read(entries(second), Duration::from_secs(7));
        assert_eq!(rates(&refresh), [(2, 10.0, 1000.0), (4, 3.0, 30.0), (1, 2.0, 20.0), (3, 0.0, 0.0)]);
        assert_eq!((refresh.total.packets, refresh.never_hit().count()), (15.0, 1));
    }

    #[test]
    fn flows_of_the_same_rate_stand_by_count_then_table_then_priority() {
        let lines = "table=2,n_packets=0,duration=1s,priority=9,actions=drop\n\
                     table=1,n_packets=0,duration=1s,priority=3,actions=drop\n\
                     table=1,n_packets=0,duration=1s,priority=5,actions=drop";
        let refresh = Meter::default().read(entries(lines), Duration::ZERO);
        let order =
            refresh.rows.iter().map(|row| refresh.flows.get(row.index).map(|flow| (flow.table.0, flow.priority)));
        assert_eq!(order.collect::<Vec<_>>(), [Some((1, 5)), Some((1, 3)), Some((2, 9))]);
    }

    #[test]
    fn changes_are_flows_that_came_went_or_are_not_what_they_were() {
        let mut meter = Meter::default();
        let read = |meter: &mut Meter, lines: &str, at| {
            let refresh = meter.read(entries(lines), Duration::from_secs(at));
            let change = |change: &Change| (change.event.sign(), change.flow.table.0);
            refresh.changes.iter().map(change).collect::<Vec<_>>()
        };
        let lines = |actions: &str| {
            format!(
                "table=1,duration=9s,priority=1,ip actions={actions}\ntable=2,duration=9s,priority=1,ip actions=drop"
            )
        };
        assert_eq!(read(&mut meter, &lines("drop"), 0), []);
        assert_eq!(read(&mut meter, &lines("drop"), 1), []);
        assert_eq!(read(&mut meter, &lines("output:1"), 2), [('~', 1)]);
        let replaced =
            "table=1,duration=1s,priority=1,ip actions=output:1\ntable=2,duration=10s,priority=2,ip actions=drop";
        assert_eq!(read(&mut meter, replaced, 3), [('~', 1), ('+', 2), ('-', 2)]);
    }

    #[test]
    fn counters_that_went_back_or_are_not_kept_make_no_wild_rates() {
        let mut meter = Meter::default();
        meter.read(entries("duration=9s,n_packets=1000,n_bytes=9000 actions=drop"), Duration::ZERO);
        let refresh = meter.read(entries("duration=10s,n_packets=4,n_bytes=40 actions=drop"), Duration::from_secs(1));
        assert_eq!(rates(&refresh), [(0, 4.0, 40.0)]);
        let refresh = meter.read(entries("actions=drop"), Duration::from_secs(2));
        assert_eq!(rates(&refresh), [(0, 0.0, 0.0)]);
        assert_eq!(refresh.never_hit().count(), 0);
    }
}
