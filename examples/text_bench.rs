//! `ofctl-dump` beside `ovs-ofctl`, whole processes, on the same bridge and the same file of 100,000 flows of br-tun:
//! `cargo build --release && cargo run --release --example text_bench [RUNS]`.
//!
//! Runs alternate, the output goes to /dev/null, medians are printed. Both dumps hold the same flows; both
//! readers of text print the same normal form: that is checked before anything is timed.

#[path = "../tests/support/apply.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with a benchmark")]
mod apply;
#[path = "../tests/support/switch.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests, which use the rest")]
mod switch;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use heddle::flow::text::{Cookies, Numbers, Printer};
use switch::Switch;

const BRIDGE: &str = "br-bench";
const FLOWS: usize = 100_000;

fn main() {
    let runs = std::env::args().nth(1).map_or(7, |runs| runs.parse().expect("a number of runs"));
    let Some(switch) = Switch::start(&[BRIDGE]) else { return };
    let socket = switch.path(&format!("{BRIDGE}.mgmt")).display().to_string();
    let file = switch.path("flows.txt").display().to_string();
    std::fs::write(&file, text()).unwrap();
    output(&mut ovs_ofctl(&["--bundle", "add-flows", &socket, &file]));

    let ours = ["--no-stats", "--no-names", &socket, "flows"];
    let unsorted = [&["--unsorted"][..], &ours].concat();
    let theirs = ["--no-stats", "--no-names", "dump-flows", &socket];
    same(&mut ofctl_dump(&ours), &mut ovs_ofctl(&theirs));
    let (parse, parse_flows) = (["parse", &file], ["parse-flows", &file]);
    same(&mut ofctl_dump(&parse), &mut ovs_ofctl(&parse_flows));

    let mut commands =
        [ofctl_dump(&ours), ofctl_dump(&unsorted), ovs_ofctl(&theirs), ofctl_dump(&parse), ovs_ofctl(&parse_flows)];
    let mut times: [Vec<Duration>; 5] = Default::default();
    for _ in 0..runs {
        for (command, times) in commands.iter_mut().zip(&mut times) {
            times.push(timed(command));
        }
    }
    let [sorted, unsorted, dump, parse, parse_flows] = times.map(median);
    println!("{FLOWS} flows of br-tun, medians of {runs} runs in ms");
    println!("{:28}{:>12}{:>11}{:>8}", "", "ofctl-dump", "ovs-ofctl", "ratio");
    for (what, ours, theirs) in [
        ("dump, no stats, sorted", sorted, dump),
        ("dump, no stats, --unsorted", unsorted, dump),
        ("parse | parse-flows", parse, parse_flows),
    ] {
        println!("{what:28}{ours:12.1}{theirs:11.1}{:8.2}", ours / theirs);
    }
}

/// The flows as `add-flows` reads them.
fn text() -> Vec<u8> {
    let mut text = Vec::new();
    let mut printer = Printer::new(&Numbers);
    for flow in apply::flows(FLOWS) {
        printer.wanted(&flow, Cookies::Shown, &mut text).unwrap();
        text.push(b'\n');
    }
    text
}

fn ovs_ofctl(arguments: &[&str]) -> Command {
    let mut command = Command::new("ovs-ofctl");
    command.args(["-O", "OpenFlow13"]).args(arguments);
    command
}

/// The program that was built with this one.
fn ofctl_dump(arguments: &[&str]) -> Command {
    let example = std::env::current_exe().unwrap();
    let program: PathBuf = example.ancestors().nth(2).unwrap().join("ofctl-dump");
    assert!(program.exists(), "{} is missing: cargo build --release", program.display());
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Holds that both print the same flows.
fn same(ours: &mut Command, theirs: &mut Command) {
    for (ours, theirs) in lines(ours).iter().zip(&lines(theirs)) {
        assert_eq!(ours, theirs);
    }
}

/// The flows that it prints, without the header of the message that brings them, in an order of our own.
fn lines(command: &mut Command) -> Vec<String> {
    let output = output(command);
    let flows = output.lines().filter(|line| line.contains("actions="));
    let flow = |line: &str| line.rsplit_once("): ").map_or(line, |(_, flow)| flow).trim().to_owned();
    let mut lines: Vec<String> = flows.map(flow).collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), FLOWS, "{command:?}");
    lines
}

fn timed(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().unwrap();
    let took = began.elapsed();
    assert!(status.success(), "{command:?}");
    took
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}
