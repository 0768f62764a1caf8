//! Flow text: printing what a switch dumps, reading what a person wrote. `examples/text_bench.rs` puts `ovs-ofctl`
//! beside it.

#![allow(missing_docs, reason = "criterion_group makes a public function without any")]

#[path = "../tests/support/apply.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with an example")]
mod apply;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use heddle::flow::parse::{self, NoNames};
use heddle::flow::text::{Cookies, Numbers, Printer};

const FLOWS: usize = 20_000;

fn text(criterion: &mut Criterion) {
    let flows = apply::flows(FLOWS);
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Elements(FLOWS as u64));
    let mut printer = Printer::new(&Numbers);
    let mut printed = Vec::new();
    group.bench_function(format!("print/{FLOWS}"), |bencher| {
        bencher.iter(|| {
            printed.clear();
            for flow in black_box(&flows) {
                printer.wanted(flow, Cookies::Shown, &mut printed).unwrap();
                printed.push(b'\n');
            }
            black_box(printed.len())
        });
    });
    let printed = String::from_utf8(printed).unwrap();
    group.bench_function(format!("parse/{FLOWS}"), |bencher| {
        bencher.iter(|| {
            for line in black_box(&printed).lines() {
                black_box(parse::flow(line, &NoNames).unwrap());
            }
        });
    });
}

criterion_group!(benches, text);
criterion_main!(benches);
