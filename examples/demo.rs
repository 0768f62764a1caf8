//! `make demo`: two hosts with one network of each kind, and who reaches whom.
//!
//! All networks have the same subnet and all VMs different addresses, so a leak between two networks would show as a
//! ping that succeeds. `demo clean` takes away what `KEEP=1` and killed runs left.

#[path = "../tests/lab/mod.rs"]
mod lab;

use std::collections::BTreeSet;
use std::process::ExitCode;

use lab::{Flat, Frame, Lab, Local, Vlan, Vxlan, sweep};

const SUBNET: &[&str] = &["172.18.0.0/24"];

/// Echo requests per pair; one answer is enough.
const PINGS: u32 = 2;

/// A VM of the demo: name, host, network. Its address follows from its place in this list.
const VMS: [(&str, &str, &str); 9] = [
    ("local1", "a", "attic"),
    ("local2", "a", "attic"),
    ("local3", "b", "attic"),
    ("flat1", "a", "white"),
    ("flat2", "b", "white"),
    ("vlan1", "a", "red"),
    ("vlan2", "b", "red"),
    ("vxlan1", "a", "blue"),
    ("vxlan2", "b", "blue"),
];

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("clean") => {
            println!("{} labs taken away", sweep::sweep_all());
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!("demo: unknown argument `{other}`; there is `clean`");
            ExitCode::from(2)
        }
        None => run(),
    }
}

fn run() -> ExitCode {
    clean_up_on_interrupt();
    println!("Bringing up hosts a and b, each with its own Open vSwitch and its own Heddle …");
    let lab = start();
    let good = [show_arp(&lab), show_reach(&lab), show_bridge(&lab)];
    if good.contains(&false) {
        eprintln!("demo: something above is not as it should be; the logs of Heddle:\n{}", lab::logs());
        return ExitCode::FAILURE;
    }
    println!("All as it should be.");
    ExitCode::SUCCESS
}

fn start() -> Lab {
    let mut lab = Lab::new("demo")
        .network("attic", Local, SUBNET)
        .network("white", Flat("physnet"), SUBNET)
        .network("red", Vlan("physnet", 100), SUBNET)
        .network("blue", Vxlan(1001), SUBNET)
        .host("a")
        .host("b");
    for ((name, host, network), number) in VMS.into_iter().zip(11..) {
        lab = lab.vm_with(host, name, network, |vm| vm.ips(&[&format!("172.18.0.{number}")]));
    }
    lab.start()
}

/// A VXLAN neighbour is resolved and reached, and nobody on the other side was asked.
fn show_arp(lab: &Lab) -> bool {
    let answered = |host: &str| lab.host(host).packets_in("br-tun", 21, "arp");
    let before = answered("a") + answered("b");
    let underlay = lab.capture_underlay();
    lab.vm("vxlan1").flush_neighbors();
    lab.vm("vxlan2").flush_neighbors();
    let reached = lab.vm("vxlan1").pings("vxlan2", 3).all() && lab.vm("vxlan2").pings("vxlan1", 3).all();
    let answered = answered("a") + answered("b") - before;
    let (pings, arps) = (underlay.count_vxlan(Frame::is_icmp_echo), underlay.count_vxlan(Frame::is_arp));
    println!("\nvxlan1 and vxlan2 ping each other, having forgotten each other's MAC:");
    println!("  {pings:>3} pings and replies in VXLAN on the underlay");
    println!("  {arps:>3} ARP packets in VXLAN on the underlay");
    println!("  {answered:>3} ARP requests answered in br-tun, table 21");
    reached && pings == 12 && arps == 0 && answered >= 2
}

/// The table of who reaches whom, checked against [`VMS`].
fn show_reach(lab: &Lab) -> bool {
    let reached = reach(lab);
    println!("\nWho reaches whom (✓ yes, · no; all in 172.18.0.0/24, in four networks):\n");
    let heads: String = VMS.iter().map(|(name, ..)| format!("{name:>8}")).collect();
    println!("  {:<24}{heads}", "VM       host  network");
    let mut good = true;
    for from in VMS {
        let (name, host, network) = from;
        let mut row = format!("  {name:<9}{host:<6}{network:<9}");
        for to in VMS {
            let is = reached.contains(&(name, to.0));
            good &= is == (from != to && expected(from, to));
            row += &format!(
                "{:>8}",
                if from == to {
                    " "
                } else if is {
                    "✓"
                } else {
                    "·"
                }
            );
        }
        println!("{row}");
    }
    if !good {
        println!("\nExpected: within a network and nowhere else; a local network ends at its host.");
    }
    good
}

fn expected(from: (&str, &str, &str), to: (&str, &str, &str)) -> bool {
    from.2 == to.2 && (from.2 != "attic" || from.1 == to.1)
}

/// Pings every pair at once, since those that must fail take their time.
fn reach(lab: &Lab) -> BTreeSet<(&'static str, &'static str)> {
    let names = VMS.map(|(name, ..)| name);
    let pairs: Vec<_> = names.iter().flat_map(|&from| names.map(|to| (from, to))).filter(|(f, t)| f != t).collect();
    std::thread::scope(|scope| {
        let ping = |(from, to)| scope.spawn(move || lab.vm(from).pings(to, PINGS).any().then_some((from, to)));
        let threads: Vec<_> = pairs.into_iter().map(ping).collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("a ping ends")).collect()
    })
}

/// One bridge, each flow with what it is for.
fn show_bridge(lab: &Lab) -> bool {
    let mgmt = lab.host("a").mgmt("br-tun").display().to_string();
    let topology = lab.host("a").dir().join("topology.toml").display().to_string();
    let words = ["--explain", "--topology", &topology, "--names", "--no-stats", &mgmt];
    let dump = lab.host("a").ofctl_dump(&words);
    println!("\n$ ofctl-dump {}\n{}{}", words.join(" "), dump.stdout, dump.stderr);
    dump.ok()
}

/// Ctrl-C ends the program without a drop, so the lab is swept from here.
fn clean_up_on_interrupt() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let interrupted = runtime.map(|runtime| runtime.block_on(tokio::signal::ctrl_c()));
        if matches!(interrupted, Ok(Ok(()))) {
            sweep::sweep_own();
            std::process::exit(130);
        }
    });
}
