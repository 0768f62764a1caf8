//! `ovs-vswitchd` restarts, crashes, hangs, or comes back with flows that somebody saved.

mod lab;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::*;
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(10);

fn all_flows(host: &Host) -> Vec<BTreeSet<String>> {
    BRIDGES.map(|bridge| host.flow_set(bridge)).into()
}

/// One fault while traffic runs, over and over: all flows and all traffic are back, and nothing came twice.
fn survives(name: &str, fault: &str, rounds: u32, inflict: impl Fn(&Host)) {
    let lab = every_network(name).start_settled();
    let host = lab.host("a");
    let flows = all_flows(host);
    for round in 0..rounds {
        let traffic = lab.traffic();
        let began = Instant::now();
        inflict(host);
        host.wait_settled();
        lab.wait_ready();
        lab.await_traffic();
        let repaired = began.elapsed();
        let losses = traffic.stop();
        if round == 0 {
            report(fault, &losses, repaired);
        }
        losses.assert_no_duplicate();
        assert_eq!(all_flows(host), flows);
    }
}

#[test]
fn a_restart_brings_every_flow_and_all_traffic_back() {
    survives("restarts", "ovs-vswitchd: restart", scaled(1, 10), Host::restart_vswitchd);
}

#[test]
fn a_crash_brings_every_flow_and_all_traffic_back() {
    survives("crashes", "ovs-vswitchd: kill -9, started again at once", scaled(1, 10), |host| {
        host.kill_vswitchd();
        host.start_vswitchd();
    });
}

/// What `ovs-ctl restart` does: save, stop, hold everybody off, start, restore, let go.
#[test]
fn a_restart_with_saved_flows_is_left_alone_until_the_flows_are_restored() {
    let lab = every_network("saved").start_settled();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    let saved = BRIDGES.map(|bridge| (bridge, host.save_flows(bridge, str::to_owned)));
    let began = Instant::now();
    host.stop_vswitchd();
    host.begin_flow_restore();
    host.start_vswitchd();
    let audits = host.log_count("compared flows");
    host.wait_status("that flows are being restored", |status| status.to_string().contains("flow-restore-wait"));
    assert!(host.has_flow_restore_wait(), "Heddle gives whoever restores the flows his time");
    for (bridge, file) in &saved {
        host.restore_flows(bridge, file);
    }
    assert_eq!(host.log_count("compared flows"), audits, "nobody interfered");
    let sent = host.record_openflow();
    host.end_flow_restore();
    host.wait_settled();
    lab.await_traffic();
    let repaired = began.elapsed();
    let losses = traffic.stop();
    report("ovs-vswitchd: restart with saved and restored flows, as ovs-ctl does it", &losses, repaired);
    losses.assert_no_duplicate();
    assert_eq!(all_flows(host), flows);
    // Ports may have come back with other numbers: then the flows of these ports are corrected.
    println!("{} FLOW_MODs", sent.sent_by_controller("FLOW_MOD").len());
    assert!(!host.heddle_status().to_string().contains("flow-restore-wait"));
}

#[test]
fn a_restoration_that_nobody_finishes_is_ended_and_the_switch_forwards_again() {
    let lab = every_network("unfinished").config("a", "[ovsdb]\nflow_restore_timeout = 3").start_settled();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    let began = Instant::now();
    host.stop_vswitchd();
    host.begin_flow_restore();
    host.start_vswitchd();
    host.wait_log("flow-restore-wait has been set for 3 s");
    eventually("it is not set any more", SOON, || !host.has_flow_restore_wait());
    host.wait_settled();
    lab.await_traffic();
    let repaired = began.elapsed();
    let losses = traffic.stop();
    let fault = "ovs-vswitchd: flow-restore-wait left behind (flow_restore_timeout = 3 s, default 60 s)";
    report(fault, &losses, repaired);
    losses.assert_no_duplicate();
    assert_eq!(all_flows(host), flows);
}

#[test]
fn a_hang_is_noticed_and_ends_without_a_flow_changed() {
    let hang = scaled(Duration::from_secs(14), Duration::from_secs(30));
    let lab = every_network("hang").start_settled();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    let began = Instant::now();
    host.signal_vswitchd(Signal::SIGSTOP);
    host.wait_log_within("nothing heard for", Duration::from_secs(15));
    let noticed = began.elapsed();
    std::thread::sleep(hang.saturating_sub(noticed));
    host.signal_vswitchd(Signal::SIGCONT);
    let again = Instant::now();
    host.wait_settled();
    lab.await_traffic();
    let repaired = again.elapsed();
    let losses = traffic.stop();
    report(&format!("ovs-vswitchd: hangs for {} s (SIGSTOP)", hang.as_secs()), &losses, repaired);
    losses.assert_no_duplicate();
    assert_eq!(all_flows(host), flows);
    for bridge in host.heddle_status()["bridges"].as_array().unwrap() {
        assert_eq!(bridge["differences"], 0, "{bridge}");
        assert_eq!(bridge["flow_mods"], 0, "{bridge}");
    }
}
