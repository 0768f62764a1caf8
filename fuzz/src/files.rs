//! Files and arguments that people write.

use heddle::agent::preview::preview;
use heddle::cli::client::Target;
use heddle::cli::filter::{Filter, Scratch};
use heddle::config::Config;
use heddle::flow::parse::{self, NoNames};
use heddle::flow::table_names;
use heddle::flow::text::Cookies;
use heddle::ovsdb::Remote;
use heddle::topology::Topology;

/// A topology file: what is not refused becomes flows on each of its nodes, which print.
pub fn topology(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    match Topology::parse(&text, "topology.toml") {
        Ok(topology) => {
            for node in topology.nodes().take(2) {
                for bridge in preview(&topology, &Config::defaults(&node.name)) {
                    bridge.text(Cookies::Shown).expect("flows of a topology that was not refused print");
                }
            }
        }
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
}

/// A host's own file.
pub fn config(text: &[u8]) {
    if let Err(refused) = Config::parse(&String::from_utf8_lossy(text), "heddle.toml", "here") {
        assert!(!refused.to_string().is_empty());
    }
}

/// Flows that a filter may choose.
const FLOWS: [&str; 3] = [
    "table=0,priority=2,tcp,tp_dst=0x50/0xfff0,actions=ct(commit,zone=5,nat(src=10.0.0.1-10.0.0.9)),resubmit(,2)",
    "table=71,cookie=0x4ed1,reg5=0x7,ipv6,icmp_type=135,actions=load:0x1->NXM_NX_REG0[0..3],output:3",
    "idle_timeout=9,in_port=1,dl_vlan=7,actions=learn(table=10,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),drop",
];

/// What is said on a command line: a filter, a target, a remote, a list of tables.
pub fn arguments(text: &[u8]) {
    let text = &*String::from_utf8_lossy(text);
    let _ = (Target::parse(text), text.parse::<Remote>(), table_names::parse(text));
    let Ok(filter) = Filter::parse(text, &NoNames) else { return };
    for flow in FLOWS.iter().filter_map(|flow| parse::flow(flow, &NoNames).ok()) {
        filter.matches(&flow.to_flow_mod().to_stats(), &mut Scratch::default()).expect("its actions can be read");
    }
}
