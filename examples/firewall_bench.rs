//! What security groups cost on a real switch: `cargo run --release --example firewall_bench [members|stream]`.
//!
//! `members`: one port lets 2,000 members of a group in by 50 rules; how long until the flows of one more are in effect,
//! and until none of that group are left once the rules are taken out of the topology. `stream`: one TCP stream between
//! two ports of a host, without security groups, with them, and with the flows of Neutron's agent for the same, which
//! `ovs-ofctl` installs (from `HEDDLE_ORACLE`, or `../shared/oracle`; left out where there are none). Runs alternate.

#[path = "../tests/lab/mod.rs"]
mod lab;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use lab::{Host, Lab, Vxlan, eventually};

const MEMBERS: usize = 2_000;
const RULES: usize = 50;
const RUNS: usize = 5;
/// Neutron's flows let this port in.
const SSH: &str = "22";
const SECONDS: &str = "4";
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {
            members();
            stream();
        }
        Some("members") => members(),
        Some("stream") => stream(),
        Some(_) => {
            eprintln!("firewall_bench: takes `members`, `stream` or nothing");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// The middle one, the smallest and the largest.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn members() {
    let lab = Lab::new("firewall-bench").network("blue", Vxlan(1001), &["10.0.0.0/16"]).host("a").start_unplugged();
    let host = lab.host("a");
    host.vsctl(&["add-port", "br-int", "t0", "--", "set", "Interface", "t0", "type=internal"]);
    host.vsctl(&["set", "Interface", "t0", "external_ids:iface-id=web"]);
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..RUNS {
        let mut step = |which: usize, members: usize, rules: usize| {
            let text = topology(host, members, rules);
            let began = Instant::now();
            lab.write_topology(&text);
            let wanted = if rules == 0 { 0 } else { members + rules + 1 };
            eventually("the flows of conjunctions", PATIENCE, || conjunctions(host) == wanted);
            times[which].push(began.elapsed().as_secs_f64() * 1e3);
        };
        step(0, MEMBERS, RULES);
        step(1, MEMBERS + 1, RULES);
        step(2, MEMBERS, RULES);
        step(3, MEMBERS, 0);
    }
    println!("{MEMBERS} members, {RULES} rules: from the file to the switch, {RUNS} runs, in ms (polled by ovs-ofctl)");
    let what = ["all of them", "one more member", "one member less", "no rule any more"];
    for (what, times) in what.into_iter().zip(times) {
        let (median, least, most) = spread(times);
        println!("{what:24}{median:9.1}   ({least:.1} to {most:.1})");
    }
}

/// Flows of table 82 with the priority of conjunctions.
fn conjunctions(host: &Host) -> usize {
    let dump = host.ofctl(&["dump-flows", "br-int", "table=82"]);
    dump.lines().filter(|line| line.contains("priority=73,")).count()
}

fn topology(host: &Host, members: usize, rules: usize) -> String {
    let mut text = format!(
        "[nodes.a]\ntunnel_ip = \"{}\"\n[nodes.b]\ntunnel_ip = \"198.51.100.1\"\n[networks.blue]\ntype = \"vxlan\"\n\
         segmentation_id = 1\n[networks.blue.subnets.v4]\ncidr = \"10.0.0.0/16\"\n",
        host.tunnel_ip()
    );
    let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a String takes everything");
    add(format_args!("[security_groups.client]\nrules = []\n[security_groups.web]\nrules = [\n"));
    for rule in 0..rules {
        let port = 8_000 + 2 * rule;
        add(format_args!(
            "{{ direction = \"ingress\", protocol = \"tcp\", port_range = \"{port}\", remote_group = \"client\" }},\n"
        ));
    }
    add(format_args!("]\n"));
    let mut port = |name: &str, node: &str, number: usize, group: &str| {
        let (high, low) = (number / 250, number % 250 + 2);
        add(format_args!(
            "[ports.{name}]\nnetwork = \"blue\"\nnode = \"{node}\"\nmac_address = \"fa:16:3e:00:{high:02x}:{low:02x}\"\n\
             fixed_ips = [\"10.0.{high}.{low}\"]\nsecurity_groups = [\"{group}\"]\n"
        ));
    };
    port("web", "a", 0, "web");
    for member in 1..=members {
        port(&format!("client{member}"), "b", member, "client");
    }
    text
}

const GROUP: &str = r#"
[security_groups.ssh]
rules = [
    { direction = "egress" },
    { direction = "ingress", protocol = "tcp", port_range = "22" },
    { direction = "ingress", protocol = "icmp" },
]
"#;

fn stream() {
    let base = |name: &str| Lab::new(name).network("blue", Vxlan(1001), &["10.0.1.0/24"]).host("a");
    let open = base("fw-without").vm("a", "one", "blue").vm("a", "two", "blue").start();
    let firewalled = base("fw-with")
        .security(GROUP)
        .vm_with("a", "one", "blue", |vm| vm.groups(&["ssh"]))
        .vm_with("a", "two", "blue", |vm| vm.groups(&["ssh"]))
        .start();
    let neutron = neutron_flows().map(|flows| {
        let lab = base("fw-neutron")
            .vm_with("a", "one", "blue", |vm| vm.ips(&["10.0.1.11"]).mac("fa:16:3e:00:01:01"))
            .vm_with("a", "two", "blue", |vm| vm.ips(&["10.0.1.12"]).mac("fa:16:3e:00:01:02"))
            .start_without_heddle();
        as_neutron(lab.host("a"), &flows, [&lab.vm("one").spec().interface(), &lab.vm("two").spec().interface()]);
        lab
    });
    let labs: Vec<(&str, &Lab)> = [("without security groups", &open), ("with security groups", &firewalled)]
        .into_iter()
        .chain(neutron.as_ref().map(|lab| ("with Neutron's flows", lab)))
        .collect();
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); labs.len()];
    for _ in 0..RUNS {
        for ((_, lab), rates) in labs.iter().zip(&mut rates) {
            rates.push(throughput(lab));
        }
    }
    println!("one TCP stream on one host, {RUNS} runs of {SECONDS} s, in Mbit/s");
    let without = spread(rates[0].clone()).0;
    for ((what, _), rates) in labs.iter().zip(rates) {
        let (median, least, most) = spread(rates);
        println!("{what:28}{median:9.0}   ({least:.0} to {most:.0}){:8.2}", median / without);
    }
}

/// Mbit/s of one stream from `one` to `two`.
fn throughput(lab: &Lab) -> f64 {
    let (one, two) = (lab.vm("one"), lab.vm("two"));
    let mut server = two
        .command("iperf")
        .args(["-s", "-p", SSH])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("iperf");
    eventually("iperf listens", PATIENCE, || two.exec(&["ss", "-tln"]).stdout.contains(":22 "));
    let report = run(one.command("iperf").args(["-c", &two.ip(), "-p", SSH, "-t", SECONDS, "-y", "C"]));
    server.kill().expect("it runs");
    server.wait().expect("it was started");
    let bits = report.trim().rsplit(',').next().and_then(|bits| bits.parse::<f64>().ok());
    bits.unwrap_or_else(|| panic!("iperf reported {report:?}")) / 1e6
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("it is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

/// The agent's flows of `br-int` for one port that lets TCP port 22 and ICMP in.
fn neutron_flows() -> Option<String> {
    let oracle = std::env::var_os("HEDDLE_ORACLE").map_or_else(|| PathBuf::from("../shared/oracle"), PathBuf::from);
    std::fs::read_to_string(oracle.join("golden/secgroup-ssh-icmp/br-int.flows")).ok()
}

/// `br-int` with two ports as the agent would have them: its flows for one, and again for the other.
fn as_neutron(host: &Host, flows: &str, ports: [&str; 2]) {
    host.add_bridge("br-int");
    for (port, number) in ports.into_iter().zip(["3", "4"]) {
        let ofport = format!("ofport_request={number}");
        host.vsctl(&["add-port", "br-int", port, "tag=1", "--", "set", "Interface", port, &ofport]);
    }
    let other = |line: &str| {
        let line = line.replace("reg5=0x3", "reg5=0x4").replace("in_port=3", "in_port=4");
        let line = line.replace("output:3", "output:4").replace("set_field:0x3->reg5", "set_field:0x4->reg5");
        let line = line.replace("fa:16:3e:00:01:01", "fa:16:3e:00:01:02").replace("fe00:101", "fe00:102");
        line.replace("10.0.1.11", "10.0.1.12").replace("2001:db8:1::11", "2001:db8:1::12")
    };
    let both: String = flows.lines().map(|line| format!("{line}\n{}\n", other(line))).collect();
    let file = host.dir().join("neutron.flows");
    std::fs::write(&file, both).expect("the lab's directory can be written");
    host.ofctl(&["add-flows", "br-int", file.to_str().expect("it is text")]);
}
