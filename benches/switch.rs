//! The way of a flow from wanted to confirmed: encoding, decoding, comparing, and a session with a real switch
//! (left out where there is no Open vSwitch). `examples/apply_bench.rs` puts `ovs-ofctl` beside it.

#![allow(missing_docs, reason = "criterion_group makes a public function without any")]

#[path = "../tests/support/apply.rs"]
#[allow(unreachable_pub, reason = "shared with an example")]
mod apply;
#[path = "../tests/support/switch.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests, which use the rest")]
mod switch;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use heddle::flow::{Flow, FlowTable, diff};
use heddle::openflow::bundle::{BundleFlags, BundleId, encode_add};
use heddle::openflow::{FlowStats, MessageType, Reader, Writer, Xid, message};
use switch::Switch;

const FLOWS: usize = 20_000;
const BRIDGE: &str = "br-bench";

fn flow(criterion: &mut Criterion) {
    let flows = apply::flows(FLOWS);
    let mut group = criterion.benchmark_group("flow");
    group.throughput(Throughput::Elements(FLOWS as u64));
    let mut writer = Writer::new();
    group.bench_function(format!("encode_flow_mods/{FLOWS}"), |bencher| {
        bencher.iter(|| {
            writer.clear();
            for flow in black_box(&flows) {
                let bundle = (BundleId(7), BundleFlags(3));
                let add = |w: &mut Writer, xid| message(w, MessageType::FLOW_MOD, xid, |w| flow.to_add().encode(w));
                encode_add(&mut writer, bundle, Xid(1), add).unwrap();
            }
            black_box(writer.len())
        });
    });
    let entries = stats(&flows);
    let wanted: FlowTable = flows.iter().cloned().collect();
    group.bench_function(format!("decode_flow_stats/{FLOWS}"), |bencher| {
        bencher.iter(|| {
            let mut reader = Reader::new(black_box(&entries));
            let mut equal = 0;
            while !reader.is_empty() {
                let stats = FlowStats::decode(&mut reader).unwrap();
                let key = heddle::flow::FlowKey {
                    table: stats.table,
                    priority: stats.priority,
                    match_tlvs: stats.match_tlvs,
                };
                equal += usize::from(wanted.get(&key).is_some_and(|flow| flow.is(&stats)));
            }
            assert_eq!(black_box(equal), FLOWS);
        });
    });
    let wanted: FlowTable = apply::flows(10 * FLOWS).into_iter().collect();
    // Other pointers to equal flows, as after an audit of a switch that nobody has seen before.
    let installed: FlowTable = wanted.iter().map(|flow| Arc::new(Flow::clone(flow))).collect();
    group.throughput(Throughput::Elements(10 * FLOWS as u64));
    group.bench_function(format!("diff/{}", 10 * FLOWS), |bencher| {
        bencher.iter(|| black_box(diff(black_box(&wanted), black_box(&installed))));
    });
}

/// The flows as a switch dumps them.
fn stats(flows: &[Arc<Flow>]) -> Vec<u8> {
    let mut writer = Writer::new();
    for flow in flows {
        flow.to_stats().encode(&mut writer).unwrap();
    }
    writer.into_vec()
}

/// A whole session each: connect, identify, audit, apply.
fn session(criterion: &mut Criterion) {
    let Some(switch) = Switch::start(&[BRIDGE]) else { return };
    let socket = switch.path(&format!("{BRIDGE}.mgmt"));
    let flows: FlowTable = apply::flows(FLOWS).into_iter().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = |differences| {
        let wanted = flows.clone();
        let began = Instant::now();
        let (_, found) = runtime.block_on(apply::apply(&socket, wanted));
        assert_eq!(found, differences);
        began.elapsed()
    };
    let mut group = criterion.benchmark_group("switch");
    group.throughput(Throughput::Elements(FLOWS as u64)).sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function(format!("first_apply/{FLOWS}"), |bencher| {
        bencher.iter_custom(|times| {
            let once = |_| {
                switch.run("ovs-ofctl", &["-OOpenFlow13", "del-flows", &format!("unix:{BRIDGE}.mgmt")]);
                run(FLOWS)
            };
            (0..times).map(once).sum()
        });
    });
    group.bench_function(format!("audit/{FLOWS}"), |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| run(0)).sum());
    });
}

criterion_group!(benches, flow, session);
criterion_main!(benches);
