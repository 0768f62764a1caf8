//! Security groups in the pipeline: one port of this node, whose group lets the members of another in by 50 rules.
#![allow(missing_docs, reason = "the macros of criterion write a function without")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use heddle::agent::preview::Preview;
use heddle::config::Config;
use heddle::openflow::MacAddr;
use heddle::pipeline::tables::{RULES_EGRESS, RULES_INGRESS};
use heddle::pipeline::{Bridge, Desired, Object, View};
use heddle::topology::{Port, Topology};

const SIZES: [(usize, usize); 5] = [(100, 50), (1_000, 10), (1_000, 50), (2_000, 50), (10_000, 50)];
const RULES: usize = 50;
const NODES: usize = 10;

/// `members` ports of group `client` on other nodes; `web0` here lets them in by `rules` ports of TCP.
fn topology(members: usize, rules: usize) -> Topology {
    let mut text = String::from(
        "networks.blue = { type = 'vxlan', segmentation_id = 1, subnets = { v4 = { cidr = '10.0.0.0/8' } } }\n",
    );
    let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a String takes everything");
    for node in 0..=NODES {
        add(format_args!("nodes.node{node}.tunnel_ip = '192.0.2.{node}'\n"));
    }
    add(format_args!("[security_groups.client]\nrules = [{{ direction = 'egress' }}]\n"));
    add(format_args!("[security_groups.web]\nrules = [\n"));
    for rule in 0..rules {
        let port = 8_000 + 2 * rule;
        add(format_args!(
            "{{ direction = 'ingress', protocol = 'tcp', port_range = '{port}', remote_group = 'client' }},\n"
        ));
    }
    add(format_args!("]\n"));
    let mut topology = Topology::parse(&text, "bench").expect("it is well formed");
    topology.insert_port(port("web", 0, 0)).expect("it is new");
    for member in 0..members {
        topology.insert_port(port("client", member, 1 + member % NODES)).expect("it is new");
    }
    topology
}

fn port(group: &str, index: usize, node: usize) -> Port {
    let number = u32::try_from(index).expect("it is small") + if group == "web" { 0x0b00_0000 } else { 0x0a00_0001 };
    let [a, b, c, d] = number.to_be_bytes();
    Port {
        name: format!("{group}{index}").into(),
        network: "blue".into(),
        node: format!("node{node}").into(),
        interface: None,
        mac_address: MacAddr([0xfa, 0x16, a, b, c, d]),
        fixed_ips: vec![Ipv4Addr::new(10, b.wrapping_add(a), c, d).into()],
        port_security: true,
        allowed_address_pairs: Vec::new(),
        security_groups: Some([group.into()].into()),
        boot: None,
    }
}

/// What Neutron's agent installs for the same: two flows a member, two a rule, two that accept. The pattern is that of
/// its flows for three members and one rule.
const fn neutron(members: usize, rules: usize) -> usize {
    2 * (members + rules + 1)
}

/// Flows of conjunctions, printed once: not a time.
fn flows(_: &mut Criterion) {
    println!("{:>8}{:>7}{:>9}{:>9}{:>17}", "members", "rules", "heddle", "neutron", "members x rules");
    for (members, rules) in SIZES {
        let topology = topology(members, rules);
        let preview = Preview::new(&topology, &Config::defaults("node0"));
        let view = preview.view(&topology);
        let mut desired = Desired::new();
        desired.update(&view, view.objects());
        let conjunction = |flow: &&std::sync::Arc<heddle::flow::Flow>| {
            matches!(flow.key().table, RULES_EGRESS | RULES_INGRESS) && flow.key().priority == 73
        };
        let heddle = desired.flows(&Bridge::Integration).iter().filter(conjunction).count();
        println!("{members:8}{rules:7}{heddle:9}{:9}{:17}", neutron(members, rules), members * rules);
    }
}

/// What the agent does when a member came or went: mark, make anew, compare.
fn member(c: &mut Criterion) {
    for (event, comes) in [("added", true), ("removed", false)] {
        let mut group = c.benchmark_group(format!("firewall/member_{event}"));
        for members in [100, 1_000, 10_000] {
            let without = topology(members, RULES);
            let mut with = without.clone();
            let new = port("client", 999_999, 1);
            let name = new.name.clone();
            with.insert_port(new).expect("it is new");
            let preview = Preview::new(&without, &Config::defaults("node0"));
            let (before, after) = if comes { (&without, &with) } else { (&with, &without) };
            let mut desired = Desired::new();
            desired.update(&preview.view(before), preview.view(before).objects());
            let mut change = |from: &Topology, to: &View<'_>| {
                let dirty: Vec<Object> = to.objects_of_port(from, &name);
                let changes = desired.update(to, dirty);
                assert!(!changes.is_empty());
                changes
            };
            group.bench_function(BenchmarkId::from_parameter(members), |b| {
                b.iter_custom(|rounds| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..rounds {
                        let began = Instant::now();
                        let changes = black_box(change(black_box(before), &preview.view(after)));
                        spent += began.elapsed();
                        drop(changes);
                        change(after, &preview.view(before));
                    }
                    spent
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, flows, member);
criterion_main!(benches);
