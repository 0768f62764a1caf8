//! Whatever breaks, no frame loops between br-int, the physical bridges and the wire.

mod lab;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lab::*;

const SOON: Duration = Duration::from_secs(10);
/// Between two broadcasts.
const PAUSE: Duration = Duration::from_millis(10);
/// Begins what the broadcasts carry; their number follows.
const MARK: &str = "seq ";

/// Two hosts with a network on each of two wires, which are one: a frame that br-int lets from the one physical bridge
/// to the other comes back for ever.
fn ring(name: &str) -> Lab {
    let lab = Lab::new(name)
        .network("flt", Flat("physnet"), &["172.18.0.0/24"])
        .network("flt2", Flat("physnet2"), &["172.18.1.0/24"])
        .network("vln", Vlan("physnet", 100), &["172.18.2.0/24"])
        .host("a")
        .host("b")
        .vm("a", "f1", "flt")
        .vm("b", "f2", "flt")
        .vm("a", "g1", "flt2")
        .vm("b", "g2", "flt2")
        .vm("a", "v1", "vln")
        .vm("b", "v2", "vln")
        .start_settled();
    lab.join_wires("physnet", "physnet2");
    let far = lab.capture_wire("physnet2");
    eventually("a broadcast reaches both wires", SOON, || {
        lab.vm("f1").send(&frame::marked(&lab.vm("f1").mac(), frame::EVERYONE, "both"));
        far.count(|frame| frame.is_marked("both")) > 0
    });
    lab
}

/// How often each numbered broadcast was on the wire.
fn seen(wire: &Capture) -> BTreeMap<u64, usize> {
    let mut seen = BTreeMap::new();
    for frame in wire.frames() {
        let text = frame.payload.strip_prefix(MARK.as_bytes());
        let digits = text.map(|text| text.iter().copied().take_while(u8::is_ascii_digit).collect::<Vec<_>>());
        let number = digits.and_then(|digits| String::from_utf8(digits).ok()?.parse().ok());
        if let Some(number) = number {
            *seen.entry(number).or_default() += 1;
        }
    }
    seen
}

/// Broadcasts while `fault` does its worst: each is on the wire once at the most; returns how many were not.
fn never_twice(lab: &Lab, name: &str, fault: impl FnOnce()) -> u64 {
    let wires = ["physnet", "physnet2"].map(|wire| lab.capture_wire(wire));
    let began = Instant::now();
    let source = lab.vm("f1");
    let frame = |number| frame::marked(&source.mac(), frame::EVERYONE, &format!("{MARK}{number}"));
    let sent = source.send_numbered(frame, PAUSE, fault);
    let took = began.elapsed();
    let mut missed = 0;
    for (wire, seen) in ["physnet", "physnet2"].into_iter().zip(wires.each_ref().map(seen)) {
        let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{name}: on {wire}, number and how often: {twice:?}");
        missed = missed.max(sent - seen.len() as u64);
    }
    assert!(missed < sent, "{name}: no broadcast came through at all");
    println!(
        "RELIABILITY | no loop: {name} | {missed} of {sent} broadcasts not on the wire, none twice | {:.2} s",
        took.as_secs_f64()
    );
    missed
}

#[test]
fn no_broadcast_is_on_the_wire_twice_while_heddle_dies() {
    let lab = ring("loop-heddle");
    let host = lab.host("a");
    let mut random = Random::announced();
    let missed = never_twice(&lab, "Heddle: kill -9", || {
        for _ in 0..scaled(3, 20) {
            host.kill_heddle();
            host.start_heddle();
            random.moment(Duration::from_millis(500));
        }
        host.wait_settled();
    });
    assert_eq!(missed, 0, "every one is there");
}

#[test]
fn no_broadcast_is_on_the_wire_twice_while_the_switch_restarts() {
    let lab = ring("loop-switch");
    let host = lab.host("a");
    never_twice(&lab, "ovs-vswitchd: crash and restart", || {
        for _ in 0..scaled(2, 20) {
            host.kill_vswitchd();
            host.start_vswitchd();
            host.wait_settled();
            lab.vm("f1").assert_ping("f2");
        }
    });
}

/// The harder case: the switch comes back while nobody is there to program it, and the guards are missing.
#[test]
fn no_broadcast_is_on_the_wire_twice_while_the_switch_restarts_without_heddle() {
    let lab = ring("loop-alone");
    let host = lab.host("a");
    never_twice(&lab, "ovs-vswitchd: restart while Heddle is away", || {
        for _ in 0..scaled(1, 10) {
            host.kill_heddle();
            host.restart_vswitchd();
            lab.vm("f1").assert_no_ping("f2");
            host.start_heddle();
            host.wait_settled();
            lab.vm("f1").assert_ping("f2");
        }
    });
}

#[test]
fn no_broadcast_is_on_the_wire_twice_while_the_database_is_lost() {
    let lab = ring("loop-database");
    let host = lab.host("a");
    never_twice(&lab, "OVSDB: database lost", || {
        for _ in 0..scaled(1, 5) {
            host.lose_database();
            eventually("br-int is there again", SOON, || host.bridge_exists("br-int"));
            host.restore_operators_bridges(&[("br-phys", "physnet"), ("br-phys2", "physnet2")]);
            ["f1", "g1", "v1"].into_iter().for_each(|vm| lab.plug(vm));
            lab.wait_ready();
            host.wait_settled();
            lab.vm("f1").assert_ping("f2");
        }
    });
}

#[test]
fn no_broadcast_is_on_the_wire_twice_while_somebody_deletes_all_flows() {
    let lab = ring("loop-deleted");
    let host = lab.host("a");
    never_twice(&lab, "Others: all flows deleted", || {
        for round in 0..scaled(6, 60) {
            host.ofctl(&["del-flows", ["br-int", "br-phys", "br-phys2"][round % 3]]);
            host.wait_settled();
        }
        lab.vm("f1").assert_ping("f2");
    });
}
