//! What a scrape tells: the state of the daemon and what it has counted, as OpenMetrics text.
//!
//! The agent fills a [`Metrics`] when it is asked; the text is made by whoever asked. Labels take their values from
//! the bridges of the host and from words of this program, so their number has a bound.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::counters::{Attempts, BridgeCounters, Counters};
use super::host::Host;
use super::status::{PortState, Status};
use crate::responder::{Counts, Latency, Outcome, Topic};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The upper bounds of the buckets in nanoseconds are 1, 2 and 5 in each of these decades.
const DECADES: std::ops::RangeInclusive<u32> = 3..=9;

/// One look at everything.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Why the daemon does not do all it should; nothing if it does.
    pub not_ready: Vec<String>,
    database_connected: bool,
    standing_by: bool,
    topology_current: bool,
    networks: usize,
    /// By state.
    ports: [(&'static str, usize); 4],
    bound: usize,
    topology: Attempts,
    transactions: Attempts,
    strangers: Vec<(&'static str, u64)>,
    bridges: Vec<BridgeMetrics>,
}

/// Of one bridge.
#[derive(Debug, Default)]
struct BridgeMetrics {
    name: String,
    connected: bool,
    disconnections: u64,
    wanted: usize,
    installed: usize,
    rejected: usize,
    audits: u64,
    differences: u64,
    flow_mods: u64,
    repaired: u64,
    refusals: u64,
    punts: Counts,
    latency: Latency,
}

impl Metrics {
    /// As it is now.
    pub fn of(host: &Host, status: &Status, counters: &Counters) -> Self {
        let ports = [
            ("installed", PortState::Installed),
            ("programming", PortState::Programming),
            ("refused", PortState::Refused),
            ("waiting", PortState::Waiting),
        ];
        let count = |state| status.ports.iter().filter(|port| port.state == state).count();
        let mut metrics = Self {
            not_ready: not_ready(status),
            database_connected: status.ovsdb_connected,
            standing_by: status.standing_by,
            topology_current: status.topology_problem.is_none(),
            networks: status.networks.len(),
            ports: ports.map(|(word, state)| (word, count(state))),
            bound: host.binder().bindings().values().filter(|binding| binding.ofport.is_some()).count(),
            topology: counters.topology,
            transactions: counters.transactions,
            strangers: counters.strangers.iter().map(|(reason, of)| (reason, of.count)).collect(),
            bridges: Vec::new(),
        };
        for (name, bridge, state) in host.bridges().iter() {
            let progress = &state.progress;
            metrics.bridges.push(BridgeMetrics {
                name: name.to_string(),
                connected: state.connected.is_some(),
                wanted: progress.wanted,
                installed: progress.installed,
                rejected: progress.rejected.len(),
                ..counters.bridge(bridge).map(BridgeMetrics::counted).unwrap_or_default()
            });
        }
        metrics.tell_apart();
        metrics
    }

    /// Of a daemon that does nothing, for these reasons.
    #[cfg(test)]
    pub(super) fn not_ready(reasons: &[&str]) -> Self {
        Self { not_ready: reasons.iter().map(|reason| (*reason).to_owned()).collect(), ..Self::default() }
    }

    /// Bridges of one name get a number each: Prometheus refuses two values for the same labels.
    fn tell_apart(&mut self) {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for bridge in &mut self.bridges {
            let count = seen.entry(bridge.name.clone()).or_default();
            *count += 1;
            if *count > 1 {
                bridge.name = format!("{}#{count}", bridge.name);
            }
        }
    }

    /// In the text format of OpenMetrics 1.0.
    pub fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("heddle");
        registry.register_collector(Box::new(Arc::new(self)));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl BridgeMetrics {
    fn counted(counters: &BridgeCounters) -> Self {
        Self {
            disconnections: counters.outage.count,
            audits: counters.audits,
            differences: counters.differences,
            flow_mods: counters.flow_mods,
            repaired: counters.repaired,
            refusals: counters.refusals,
            punts: counters.punts,
            latency: counters.latency.clone(),
            ..Self::default()
        }
    }
}

fn not_ready(status: &Status) -> Vec<String> {
    if status.topology.is_none() {
        // Learning bridges alone come and go as they like.
        return Vec::new();
    }
    if status.standing_by {
        return vec!["standing by: another heddle serves the database".to_owned()];
    }
    let mut reasons = Vec::new();
    if !status.ovsdb_connected {
        reasons.push("the database is not connected".to_owned());
    }
    let away = status.bridges.iter().filter(|bridge| bridge.connected_from.is_none());
    reasons.extend(away.map(|bridge| format!("bridge {} is not connected", bridge.name)));
    reasons
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut text = Text(&mut encoder);
        text.0
            .encode_descriptor("build", "The version of the daemon.", None, MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        self.encode_state(&mut text)?;
        self.encode_bridges(&mut text)?;
        self.encode_punts(&mut text)
    }
}

impl Metrics {
    fn encode_state(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        let of = |attempts: &Attempts| {
            [([("result", "ok")], attempts.good), ([("result", "failed")], attempts.failed)].into_iter()
        };
        text.single(
            "database_connected",
            "1 while the database of Open vSwitch is connected.",
            self.database_connected.into(),
        )?;
        text.single(
            "standing_by",
            "1 while another Heddle serves the database and this one waits for its end.",
            self.standing_by.into(),
        )?;
        text.counter("database_transactions", "Transactions with the database.", of(&self.transactions))?;
        text.single(
            "topology_current",
            "1 if the topology file is what is in force, 0 if it was refused.",
            self.topology_current.into(),
        )?;
        text.counter("topology_loads", "Readings of the topology file; failed: refused.", of(&self.topology))?;
        text.single("networks", "Networks in use on this node.", self.networks)?;
        let ports = self.ports.iter().map(|(state, count)| ([("state", *state)], *count));
        text.gauge("ports", "Ports that the topology has on this node, by state.", ports)?;
        text.single("ports_bound", "Ports whose interface has its tag and its number.", self.bound)?;
        let strangers = self.strangers.iter().map(|(reason, count)| ([("reason", *reason)], *count));
        text.counter("connections_refused", "Connections that were sent away or given up, by reason.", strangers)
    }

    fn encode_bridges(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        type Gauge = (&'static str, &'static str, fn(&BridgeMetrics) -> usize);
        type Counter = (&'static str, &'static str, fn(&BridgeMetrics) -> u64);
        const GAUGES: [Gauge; 4] = [
            ("bridge_connected", "1 while the bridge is connected.", |bridge| bridge.connected.into()),
            ("bridge_flows_wanted", "Flows that the bridge is to have.", |bridge| bridge.wanted),
            ("bridge_flows_installed", "Of these, flows that the bridge has confirmed.", |bridge| bridge.installed),
            ("bridge_flows_rejected", "Of these, flows that the bridge refuses.", |bridge| bridge.rejected),
        ];
        const COUNTERS: [Counter; 6] = [
            ("bridge_disconnections", "How often the bridge's connection has ended.", |bridge| bridge.disconnections),
            ("bridge_audits", "Comparisons of all flows with what is wanted.", |bridge| bridge.audits),
            ("bridge_audit_differences", "Flows that differed in audits.", |bridge| bridge.differences),
            ("bridge_flow_mods", "FLOW_MODs sent.", |bridge| bridge.flow_mods),
            ("bridge_flow_refusals", "Refusals of flows, each time that one was tried.", |bridge| bridge.refusals),
            ("bridge_flows_repaired", "Flows put right after somebody else changed them.", |bridge| bridge.repaired),
        ];
        for (name, help, value) in GAUGES {
            text.gauge(name, help, self.bridges.iter().map(|bridge| ([("bridge", &*bridge.name)], value(bridge))))?;
        }
        for (name, help, value) in COUNTERS {
            text.counter(name, help, self.bridges.iter().map(|bridge| ([("bridge", &*bridge.name)], value(bridge))))?;
        }
        Ok(())
    }

    fn encode_punts(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        let punts = self.bridges.iter().flat_map(|bridge| {
            let counts = bridge.punts.iter().filter(|(topic, ..)| has_any(&bridge.punts, *topic));
            counts.map(|(topic, outcome, packets)| {
                ([("bridge", &*bridge.name), ("kind", topic.name()), ("verdict", outcome.name())], packets)
            })
        });
        text.counter("punts", "Packets that came up from a bridge, by kind and what became of them.", punts)?;
        let mut descriptor = text.0.encode_descriptor(
            "punt_answer_seconds",
            "From when the batch with a packet was read until its answer was handed to the kernel.",
            None,
            MetricType::Histogram,
        )?;
        for bridge in &self.bridges {
            let latency = &bridge.latency;
            descriptor.encode_family(&[("bridge", &*bridge.name)])?.encode_histogram::<NoLabelSet>(
                latency.sum().as_secs_f64(),
                latency.count(),
                &buckets(latency),
                None,
            )?;
        }
        Ok(())
    }
}

/// A kind appears with all its verdicts once there was a packet of it, so that rates have a zero to start from.
fn has_any(counts: &Counts, topic: Topic) -> bool {
    Outcome::ALL.iter().any(|outcome| counts.of(topic, *outcome) > 0)
}

/// Upper bounds in seconds with how much is between them.
fn buckets(latency: &Latency) -> Vec<(f64, u64)> {
    let bounds = DECADES.flat_map(|decade| [1, 2, 5].map(|step| step * 10_u64.pow(decade)));
    let mut filled = latency.buckets().peekable();
    let mut buckets: Vec<(f64, u64)> = bounds
        .map(|nanoseconds| {
            let mut count = 0;
            while let Some((_, more)) =
                filled.next_if(|(bound, _)| bound.is_some_and(|bound| bound.as_nanos() <= nanoseconds.into()))
            {
                count += more;
            }
            (std::time::Duration::from_nanos(nanoseconds).as_secs_f64(), count)
        })
        .collect();
    buckets.push((f64::INFINITY, filled.map(|(_, count)| count).sum()));
    buckets
}

/// Writes metrics.
struct Text<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Text<'_, '_> {
    /// One value without labels.
    fn single(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&(value as u64))
    }

    /// A value for each set of labels.
    fn gauge<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl Iterator<Item = (L, usize)>,
    ) -> fmt::Result {
        let mut descriptor = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            descriptor.encode_family(&labels)?.encode_gauge(&(value as u64))?;
        }
        Ok(())
    }

    /// A value for each set of labels; the format puts `_total` behind the name.
    fn counter<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl Iterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut descriptor = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            descriptor.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn metrics() -> Metrics {
        let mut latency = Latency::default();
        latency.record(Duration::from_micros(3), 98);
        latency.record(Duration::from_micros(30), 1);
        latency.record(Duration::from_secs(60), 1);
        let bridge = BridgeMetrics {
            name: "br-\"int\"".into(),
            connected: true,
            wanted: 7,
            flow_mods: 9,
            refusals: 4,
            latency,
            ..BridgeMetrics::default()
        };
        Metrics { bridges: vec![bridge], strangers: vec![("unknown", 2)], bound: 3, ..Metrics::default() }
    }

    #[test]
    fn values_stand_behind_their_names_and_labels_and_the_end_is_marked() {
        let text = metrics().text().unwrap();
        for line in [
            "# TYPE heddle_bridge_flow_mods counter",
            "heddle_bridge_flow_mods_total{bridge=\"br-\\\"int\\\"\"} 9",
            "heddle_bridge_flow_refusals_total{bridge=\"br-\\\"int\\\"\"} 4",
            "heddle_bridge_flows_wanted{bridge=\"br-\\\"int\\\"\"} 7",
            "heddle_connections_refused_total{reason=\"unknown\"} 2",
            "heddle_ports_bound 3",
            "heddle_topology_loads_total{result=\"failed\"} 0",
            concat!("heddle_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn two_bridges_of_one_name_have_labels_of_their_own() {
        let named = |name: &str| BridgeMetrics { name: name.into(), ..BridgeMetrics::default() };
        let mut metrics = Metrics { bridges: ["s1", "s1", "s2", "s1"].map(named).into(), ..Metrics::default() };
        metrics.tell_apart();
        let names: Vec<&str> = metrics.bridges.iter().map(|bridge| &*bridge.name).collect();
        assert_eq!(names, ["s1", "s1#2", "s2", "s1#3"]);
    }

    #[test]
    fn a_histogram_is_cumulative_in_seconds_and_loses_nothing() {
        let text = metrics().text().unwrap();
        let bucket = |le: &str| {
            let start = format!("heddle_punt_answer_seconds_bucket{{le=\"{le}\",bridge=\"br-\\\"int\\\"\"}} ");
            let found = text.lines().find_map(|line| line.strip_prefix(&start));
            found.unwrap_or_else(|| panic!("{start}\n{text}")).to_owned()
        };
        assert_eq!([bucket("0.000002"), bucket("0.000005"), bucket("5.0"), bucket("+Inf")], ["0", "98", "99", "100"]);
        assert!(text.contains("heddle_punt_answer_seconds_count{bridge=\"br-\\\"int\\\"\"} 100"));
    }
}
