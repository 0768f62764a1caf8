//! 200,000 wanted flows on one node: how long, how much memory. `cargo run --release --example scale`.
//!
//! One host with 100 ports, each in a network of its own out of 1,000; 100,000 ports of these networks on 100 other
//! nodes: a unicast flow and an ARP answer each. A real Open vSwitch takes them; nothing listens at the tunnels' ends.

#[path = "../tests/lab/mod.rs"]
mod lab;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lab::{Host, Lab, eventually};

const NETWORKS: usize = 1_000;
const LOCAL: usize = 100;
const REMOTE: usize = 100_000;
const NODES: usize = 100;

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some() {
        eprintln!("scale: takes no arguments");
        return ExitCode::from(2);
    }
    let lab = Lab::new("scale").host("a").start_unplugged();
    let host = lab.host("a");
    println!("{LOCAL} local ports, {NETWORKS} networks, {REMOTE} remote ports on {NODES} nodes\n");
    row("", "seconds", "resident MB");

    let began = Instant::now();
    lab.write_topology(&topology(host));
    let plugs: Vec<String> = (0..LOCAL)
        .map(|port| {
            format!("add-port br-int t{port} -- set Interface t{port} type=internal external_ids:iface-id=local{port}")
        })
        .collect();
    let plugs = plugs.join(" -- ");
    host.vsctl(&plugs.split(' ').collect::<Vec<_>>());
    wait_until_quiet(host, 2 * REMOTE);
    row("topology saved and ports plugged → all flows in effect", &seconds(began), &resident(host));

    let renamed = topology(host).replace("[ports.r0]", "[ports.r0-renamed]");
    let before = flow_mods(host);
    let began = Instant::now();
    lab.write_topology(&renamed);
    eventually("the renamed port", Duration::from_secs(60), || flow_mods(host) == before + 2);
    row("one port renamed in the file → its two flows in effect", &seconds(began), &resident(host));

    let pings = Instant::now();
    host.kill_heddle();
    host.start_heddle();
    wait_until_quiet(host, 2 * REMOTE);
    row("kill -9, start again → audited, nothing differs", &seconds(pings), &resident(host));
    println!("\nFLOW_MODs sent after the restart: {}", flow_mods(host));
    ExitCode::SUCCESS
}

fn topology(host: &Host) -> String {
    let mut text = format!("[nodes.a]\ntunnel_ip = \"{}\"\n", host.tunnel_ip());
    let mac = |number: usize| {
        format!("fa:16:3e:{:02x}:{:02x}:{:02x}", number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff)
    };
    let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a String takes everything");
    for node in 0..NODES {
        add(format_args!("[nodes.n{node}]\ntunnel_ip = \"198.51.100.{}\"\n", node + 1));
    }
    for network in 0..NETWORKS {
        add(format_args!(
            "[networks.net{network}]\ntype = \"vxlan\"\nsegmentation_id = {}\n[networks.net{network}.subnets.v4]\ncidr = \"10.0.0.0/16\"\n",
            network + 1
        ));
    }
    let mut port = |name: String, network: usize, node: String, number: usize, address: String| {
        add(format_args!(
            "[ports.{name}]\nnetwork = \"net{network}\"\nnode = \"{node}\"\nmac_address = \"{}\"\nfixed_ips = [\"{address}\"]\n",
            mac(number)
        ));
    };
    for local in 0..LOCAL {
        port(format!("local{local}"), local, "a".into(), local, format!("10.0.0.{}", local + 1));
    }
    for remote in 0..REMOTE {
        let (network, place) = (remote % LOCAL, remote / LOCAL);
        let address = format!("10.0.{}.{}", 1 + place / 250, place % 250 + 1);
        port(format!("r{remote}"), network, format!("n{}", place % NODES), LOCAL + remote, address);
    }
    text
}

/// The daemon's status, once it answers.
fn status(host: &Host) -> serde_json::Value {
    let answer = host.heddle(&["status", "--json"]);
    serde_json::from_str(&answer.stdout).unwrap_or_default()
}

fn count(status: &serde_json::Value, key: &str) -> u64 {
    status["bridges"].as_array().into_iter().flatten().filter_map(|bridge| bridge[key].as_u64()).sum()
}

fn flow_mods(host: &Host) -> u64 {
    count(&status(host), "flow_mods")
}

/// Until every port is installed and every bridge holds what it is to hold, `flows` at the least.
fn wait_until_quiet(host: &Host, flows: usize) {
    eventually("all flows in effect", Duration::from_secs(120), || {
        let status = status(host);
        let ports = status["ports"]
            .as_array()
            .is_some_and(|ports| ports.len() == LOCAL && ports.iter().all(|port| port["state"] == "installed"));
        let installed = count(&status, "installed");
        ports && installed >= flows as u64 && installed == count(&status, "wanted")
    });
}

fn seconds(since: Instant) -> String {
    format!("{:.2}", since.elapsed().as_secs_f64())
}

fn resident(host: &Host) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.heddle_pid())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kilobytes: f64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(f64::NAN);
    format!("{:.0}", kilobytes / 1000.0)
}

fn row(what: &str, seconds: &str, megabytes: &str) {
    println!("{what:<60}{seconds:>10}{megabytes:>14}");
}
