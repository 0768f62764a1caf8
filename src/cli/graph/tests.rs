//! What the three pictures say of flows that are given as text.

use super::*;
use crate::flow::parse::{self, NoNames};
use crate::flow::text::Numbers;
use crate::openflow::PortNo;

/// A graph of flows in the syntax of ovs-ofctl, each with the packets that it saw before it, or `-`.
fn graph<'n>(text: &str, names: &'n dyn Names) -> Graph<'n> {
    let mut graph = Graph::new("br0", names);
    for line in text.lines() {
        let (packets, line) = line.trim().split_once(' ').unwrap();
        let parsed = parse::flow(line, &NoNames).unwrap();
        let flow = parsed.to_flow_mod();
        let stats = FlowStats {
            table: flow.table,
            duration_sec: 1,
            duration_nsec: 0,
            priority: flow.priority,
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            flags: flow.flags,
            cookie: flow.cookie,
            packet_count: packets.parse().unwrap_or(u64::MAX),
            byte_count: 0,
            match_tlvs: flow.match_tlvs,
            instructions: flow.instructions,
            instructions_offset: 0,
        };
        graph.add(&stats).unwrap();
    }
    graph
}

#[test]
fn temporary() {
    let Ok(path) = std::env::var("GRAPH_IN") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let text: String = text.lines().filter(|l| !l.is_empty()).map(|l| format!("{} {l}\n", l.len() * 37 % 1000)).collect();
    let names = crate::cli::graph::tests::T;
    let mut graph = graph(&text, &names);
    let mut out = Vec::new();
    graph.write(Format::Html, &mut out).unwrap();
    std::fs::write("/tmp/live-graph.html", &out).unwrap();
    out.clear();
    graph.write(Format::Dot, &mut out).unwrap();
    std::fs::write("/tmp/live-graph.dot", &out).unwrap();
}
struct T;
impl Names for T {
    fn port(&self, _: PortNo) -> Option<&str> { None }
    fn table(&self, t: TableId) -> Option<&str> { crate::flow::table_names::table_name(crate::flow::table_names::BridgeRole::Integration, t).map(|t| t.name.as_str()) }
}
