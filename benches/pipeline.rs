//! The pipeline on one node with 100 local ports, each of its own network, and many remote ports: two flows for
//! each of these. 900 more networks are in the topology and not in use here.
#![allow(missing_docs, reason = "the macros of criterion write a function without")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use heddle::agent::preview::Preview;
use heddle::config::Config;
use heddle::flow::{FlowTable, diff};
use heddle::openflow::MacAddr;
use heddle::pipeline::{Bridge, Desired, Object, View, all_flows};
use heddle::topology::{Port, Topology};

const SIZES: [usize; 3] = [2_000, 20_000, 200_000];
const NETWORKS: usize = 1_000;
const IN_USE: usize = 100;
const NODES: usize = 100;

/// `remote_ports` of them in the networks in use, and a tenth as many in the others.
fn topology(remote_ports: usize) -> Topology {
    let mut text = String::new();
    for node in 0..=NODES {
        text += &format!("nodes.node{node:03}.tunnel_ip = '192.0.2.{node}'\n");
    }
    for network in 0..NETWORKS {
        let subnet = "subnets = { v4 = { cidr = '10.0.0.0/8' } }";
        text +=
            &format!("networks.net{network:04} = {{ type = 'vxlan', segmentation_id = {}, {subnet} }}\n", network + 1);
    }
    let mut topology = Topology::parse(&text, "bench").unwrap();
    for local in 0..IN_USE {
        topology.insert_port(port("local", local, local, 0)).unwrap();
    }
    for remote in 0..remote_ports {
        topology.insert_port(port("remote", remote, remote % IN_USE, 1 + remote % NODES)).unwrap();
    }
    for other in 0..remote_ports / 10 {
        let network = IN_USE + other % (NETWORKS - IN_USE);
        topology.insert_port(port("other", other, network, 1 + other % NODES)).unwrap();
    }
    topology
}

fn port(kind: &str, index: usize, network: usize, node: usize) -> Port {
    let number = u32::try_from(index).unwrap() + if kind == "local" { 0x0b00_0000 } else { 0x0a00_0001 };
    let address = if kind == "local" { 0x0aff_0000 + u32::try_from(index).unwrap() } else { number };
    let [a, b, c, d] = number.to_be_bytes();
    Port {
        name: format!("{kind}-{index:06}").into(),
        network: format!("net{network:04}").into(),
        node: format!("node{node:03}").into(),
        interface: None,
        mac_address: MacAddr([0xfa, 0x16, a, b, c, d]),
        fixed_ips: vec![std::net::Ipv4Addr::from(address).into()],
        port_security: true,
        allowed_address_pairs: Vec::new(),
        security_groups: None,
        boot: None,
    }
}

struct Setup {
    topology: Topology,
    preview: Preview,
}

impl Setup {
    fn new(flows: usize) -> Self {
        let topology = topology(flows / 2);
        let preview = Preview::new(&topology, &Config::defaults("node000"));
        Self { topology, preview }
    }

    fn view(&self) -> View<'_> {
        self.preview.view(&self.topology)
    }

    fn desired(&self) -> Desired {
        let mut desired = Desired::new();
        desired.update(&self.view(), self.view().objects());
        desired
    }
}

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipeline/build");
    group.sample_size(10);
    for size in SIZES {
        let setup = Setup::new(size);
        let flows = setup.desired().len();
        group.throughput(Throughput::Elements(flows as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter_with_large_drop(|| {
                let mut desired = Desired::new();
                let changes = desired.update(black_box(&setup.view()), setup.view().objects());
                black_box((desired, changes))
            });
        });
    }
    group.finish();
}

/// What the agent does when a port of the topology came or went: mark, make anew, compare.
fn one_port(c: &mut Criterion) {
    for (what, kind) in [("remote_port", "remote"), ("port", "local")] {
        for size in SIZES {
            let Setup { topology: before, mut preview } = Setup::new(size);
            let node = if kind == "local" { 0 } else { 7 };
            let name = format!("{kind}-999999");
            let mut added = port(kind, 999_999, 6, node);
            added.fixed_ips = vec![std::net::Ipv4Addr::new(10, 254, 0, 1).into()];
            let mut after = before.clone();
            after.insert_port(added).unwrap();
            preview.bindings.ports.insert((*name).into(), heddle::openflow::PortNo(60_000));
            let without = preview.view(&before);
            let with = preview.view(&after);
            let mut desired = Desired::new();
            desired.update(&without, without.objects());
            let change = |desired: &mut Desired, from: &Topology, to: &View<'_>| {
                let dirty: Vec<Object> = to.objects_of_port(from, &name);
                let changes = desired.update(to, dirty);
                assert!(!changes.is_empty());
                changes
            };
            for (event, from, to, back) in [("added", &before, &with, &without), ("removed", &after, &without, &with)] {
                let mut group = c.benchmark_group(format!("pipeline/{what}_{event}"));
                if event == "removed" {
                    change(&mut desired, &before, &with);
                }
                group.bench_function(BenchmarkId::from_parameter(size), |b| {
                    b.iter_custom(|rounds| {
                        let mut spent = std::time::Duration::ZERO;
                        for _ in 0..rounds {
                            let start = std::time::Instant::now();
                            let changes = black_box(change(&mut desired, black_box(from), black_box(to)));
                            spent += start.elapsed();
                            drop(changes);
                            change(&mut desired, to.topology, back);
                        }
                        spent
                    });
                });
                group.finish();
            }
        }
    }
}

fn tables(c: &mut Criterion) {
    for size in SIZES {
        let setup = Setup::new(size);
        let desired = setup.desired();
        let wanted = desired.flows(&Bridge::Tunnel);
        // As read from a switch: equal flows, none of them the same allocation.
        let installed: FlowTable = wanted.iter().map(|flow| Arc::new((**flow).clone())).collect();
        let mut group = c.benchmark_group("flow/table");
        group.sample_size(10).throughput(Throughput::Elements(wanted.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter_with_large_drop(|| black_box(&desired).flows(&Bridge::Tunnel));
        });
        group.finish();
        let mut group = c.benchmark_group("flow/diff_equal");
        group.sample_size(10).throughput(Throughput::Elements(wanted.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| diff(black_box(&wanted), black_box(&installed)));
        });
        group.finish();
        let mut group = c.benchmark_group("flow/diff_to_empty");
        group.sample_size(10).throughput(Throughput::Elements(wanted.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter_batched(FlowTable::new, |empty| diff(black_box(&wanted), &empty), BatchSize::LargeInput);
        });
        group.finish();
    }
}

/// Resident memory of what is wanted, printed once: not a time.
fn memory(_: &mut Criterion) {
    let resident = || -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
    };
    let start = resident();
    let setup = Setup::new(200_000);
    let with_topology = resident();
    let desired = setup.desired();
    let with_flows = resident();
    let table = desired.flows(&Bridge::Tunnel);
    let with_table = resident();
    let mib = |kib: usize| kib as f64 / 1024.0;
    println!(
        "pipeline/memory: {} flows: topology {:.1} MiB, wanted flows {:.1} MiB, table {:.1} MiB, in all {:.1} MiB",
        desired.len(),
        mib(with_topology - start),
        mib(with_flows - with_topology),
        mib(with_table - with_flows),
        mib(with_table),
    );
    black_box((all_flows(&setup.view()), table));
}

criterion_group!(benches, memory, build, one_port, tables);
criterion_main!(benches);
