//! How long it takes to bring a real bridge to 20,000 flows, or as many as `FLOWS` says, and to find out that it has
//! them, beside `ovs-ofctl` doing the same: `cargo run --release --example apply_bench [RUNS [FLOWS]]`.
//!
//! "process" is a whole process, from its start to its end, that reads the flows from a file: as FLOW_MODs here,
//! as text for `ovs-ofctl`. "session" is the part of ours from connecting to the last confirmation; either way
//! that holds handshake, port descriptions, flow monitor, a dump, the bundle and its commit. Runs alternate;
//! medians are printed. Deleting the flows between runs is not timed. With `apply SOCKET FILE FLOWS` this program is
//! the process that is timed.

#[path = "../tests/support/apply.rs"]
#[allow(unreachable_pub, reason = "shared with a benchmark")]
mod apply;
#[path = "../tests/support/switch.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests, which use the rest")]
mod switch;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use heddle::flow::{Flow, FlowTable};
use heddle::openflow::frame::Framing;
use heddle::openflow::{FlowMod, Message, MessageType, Writer, Xid, message};
use switch::Switch;

const BRIDGE: &str = "br-bench";
const FLOWS: usize = 20_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("apply") => apply_once(Path::new(&arguments[1]), Path::new(&arguments[2]), number(&arguments[3])),
        runs => {
            let flows = arguments.get(1).map_or(FLOWS, |flows| number(flows));
            compare(runs.map_or(7, number), flows);
        }
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn apply_once(socket: &Path, file: &Path, count: usize) {
    let flows = read(&std::fs::read(file).unwrap(), count);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let began = Instant::now();
    let (progress, differences) = runtime.block_on(apply::apply(socket, flows));
    let took = began.elapsed();
    assert!(progress.rejected.is_empty() && progress.flow_mods == differences as u64);
    println!("{}", took.as_micros());
    // As `ovs-ofctl` does, it leaves its memory to the system.
    std::process::exit(0);
}

fn write(flows: &[Arc<Flow>]) -> Vec<u8> {
    let mut writer = Writer::new();
    for flow in flows {
        message(&mut writer, MessageType::FLOW_MOD, Xid(0), |w| flow.to_add().encode(w)).unwrap();
    }
    writer.into_vec()
}

fn read(mut bytes: &[u8], count: usize) -> FlowTable {
    let mut flows = FlowTable::new();
    flows.reserve(count);
    while let Framing::Frame(frame) = Framing::of(bytes) {
        let flow_mod = FlowMod::decode(Message::decode(frame).unwrap().body).unwrap();
        flows.insert(Arc::new(Flow::from_stats(&flow_mod.to_stats())));
        bytes = &bytes[frame.len()..];
    }
    flows
}

/// Runs a program to its success; its wall time, and its output unless it goes to nowhere.
fn timed(command: &mut Command) -> (Duration, String) {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (took, String::from_utf8(output.stdout).unwrap())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn compare(runs: usize, flows: usize) {
    let Some(switch) = Switch::start(&[BRIDGE]) else { return };
    let socket = switch.path(&format!("{BRIDGE}.mgmt"));
    let target = format!("unix:{}", socket.display());
    let messages = switch.path("flows.bin");
    std::fs::write(&messages, write(&apply::flows(flows))).unwrap();
    let ours = || {
        let (whole, session) = timed(
            Command::new(std::env::current_exe().unwrap())
                .arg("apply")
                .arg(&socket)
                .arg(&messages)
                .arg(flows.to_string()),
        );
        (whole, Duration::from_micros(session.trim().parse().unwrap()))
    };
    let ofctl = |arguments: &[&str]| {
        let mut command = Command::new("ovs-ofctl");
        command.args(["-O", "OpenFlow13"]).args(arguments);
        command
    };
    let empty = || drop(timed(&mut ofctl(&["del-flows", &target])));
    let held = || timed(&mut ofctl(&["dump-aggregate", &target])).1.contains(&format!("flow_count={flows}"));

    ours();
    let text = timed(&mut ofctl(&["dump-flows", "--no-stats", &target])).1;
    let file = switch.path("flows.txt");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();

    let mut times: [Vec<Duration>; 6] = Default::default();
    for _ in 0..runs {
        empty();
        let (whole, session) = ours();
        assert!(held());
        let (audit, audit_session) = ours();
        let dump = timed(ofctl(&["dump-flows", &target]).stdout(Stdio::null())).0;
        empty();
        let add = timed(&mut ofctl(&["--bundle", "add-flows", &target, file])).0;
        assert!(held());
        for (times, time) in times.iter_mut().zip([whole, session, add, audit, audit_session, dump]) {
            times.push(time);
        }
    }
    let [whole, session, add, audit, audit_session, dump] = times.map(median);
    println!("{flows} flows of br-tun, medians of {runs} runs in ms");
    println!("{:34}{:>9}{:>9}{:>11}{:>8}", "", "session", "process", "ovs-ofctl", "ratio");
    let line = |what, session, whole, other| {
        println!("{what:34}{session:9.1}{whole:9.1}{other:11.1}{:8.2}", whole / other);
    };
    line("first apply | --bundle add-flows", session, whole, add);
    line("audit | dump-flows >/dev/null", audit_session, audit, dump);
}
