//! A machine that floods what Heddle has to answer: it is held to its limit, and harms nobody else.

mod lab;

use std::fs;
use std::time::Duration;

use lab::frame::{self, EVERYONE};
use lab::{Host, Lab, Vxlan, eventually};

/// How soon a change is in effect, whatever goes on meanwhile.
const SOON: Duration = Duration::from_secs(5);

const CONFIG: &str = "[tunnel]\narp_responder = \"controller\"\n\
    [limits]\npacket_in_per_port = 200\npacket_in_per_bridge = 2000";

/// Memory of the daemon, in kB.
fn memory(host: &Host) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", host.heddle_pid())).expect("heddle runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a process has memory");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number of kB")
}

#[test]
fn a_machine_that_floods_requests_harms_neither_others_nor_the_flows() {
    let lab = Lab::new("flood")
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .vm("a", "flooder", "blue")
        .vm("a", "quiet", "blue")
        .vm("b", "remote", "blue")
        .config_all(CONFIG)
        .start();
    let (host, quiet) = (lab.host("a"), lab.vm("quiet"));
    lab.unplug("quiet");
    let (mac, own, asked) = (lab.vm("flooder").mac(), lab.vm("flooder").ip(), lab.vm("remote").ip());
    let request = frame::arp((&mac, EVERYONE), 1, (&mac, &own), ("00:00:00:00:00:00", &asked));
    let before = memory(host);
    let sent = lab.vm("flooder").flood(&request, Duration::ZERO, || {
        // Flows are programmed, and the new port is answered, each time that it asks.
        lab.plug("quiet");
        eventually("the port is installed during the flood", SOON, || host.port_state("quiet") == "installed");
        for _ in 0..10 {
            quiet.flush_neighbors();
            eventually("an answer during the flood", SOON, || quiet.arping("remote").is_some());
        }
    });
    assert!(sent > 10_000, "only {sent} requests in the flood");
    let grown = memory(host).saturating_sub(before);
    assert!(grown < 32 << 10, "heddle grew by {grown} kB");
    // Nobody lost the connection over it.
    quiet.assert_ping("remote");
    lab.vm("flooder").assert_ping("remote");
    let disconnected = host.heddle_log().lines().filter(|line| line.contains("disconnected")).count();
    assert_eq!(disconnected, 0, "{}", host.heddle_log());
}
