//! `arp_responder = "controller"`: one flow for a network sends ARP requests up, and Heddle does what flows would.

mod lab;

use std::time::Duration;

use heddle::pipeline::cookie::Kind as FlowKind;
use lab::frame::{self, EVERYONE, marked};
use lab::{Capture, Frame, Lab, LabBuilder, Vlan, Vxlan, eventually};

const UNKNOWN: &str = "00:00:00:00:00:00";

/// How soon something that was sent has had its effect.
const SOON: Duration = Duration::from_secs(5);

/// `blue`: x-a and y-a on a, x-b on b, x-c on c.
fn asked(name: &str) -> LabBuilder {
    Lab::new(name)
        .config_all("[tunnel]\narp_responder = \"controller\"")
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .host("c")
        .vm("a", "x-a", "blue")
        .vm("a", "y-a", "blue")
        .vm("b", "x-b", "blue")
        .vm("c", "x-c", "blue")
}

/// The VM asks who has the address, by broadcast or of one MAC.
fn ask(lab: &Lab, vm: &str, whom: &str, ip: &str) {
    let (mac, own) = (lab.vm(vm).mac(), lab.vm(vm).ip());
    lab.vm(vm).send(&frame::arp((&mac, whom), 1, (&mac, &own), (UNKNOWN, ip)));
}

/// What Heddle was asked before this it has answered: it answers in order.
fn settle(lab: &Lab, from: &str, known: &str) {
    let seen = lab.vm(from).capture();
    ask(lab, from, EVERYONE, &lab.vm(known).ip());
    eventually("a later request is answered", SOON, || answers(&seen, &lab.vm(known).ip()) > 0);
}

fn answers(capture: &Capture, ip: &str) -> usize {
    capture.count(|frame| frame.is_arp_reply() && frame.is_arp_of(ip))
}

#[test]
fn known_addresses_are_answered_once_unknown_ones_flooded_once_and_local_ones_left_alone() {
    let lab = asked("arp-punt").vm_with("c", "off", "blue", |vm| vm.unplugged()).start();
    let (asker, underlay) = (lab.vm("x-a"), lab.capture_underlay());
    let seen = asker.capture();
    for (vm, whom) in [("x-b", None), ("x-c", Some(lab.vm("x-c").mac())), ("off", None)] {
        let (ip, mac) = (lab.vm(vm).ip(), lab.vm(vm).mac());
        ask(&lab, "x-a", whom.as_deref().unwrap_or(EVERYONE), &ip);
        eventually("the request is answered", SOON, || answers(&seen, &ip) > 0);
        settle(&lab, "x-a", "x-b");
        let expected = if vm == "x-b" { 2 } else { 1 };
        assert_eq!(answers(&seen, &ip), expected, "{}", seen.text("arp"));
        let reply = seen.frames().into_iter().rfind(|frame| frame.is_arp_reply() && frame.is_arp_of(&ip)).unwrap();
        let said = frame::arp((&mac, &asker.mac()), 2, (&mac, &ip), (&asker.mac(), &asker.ip()));
        assert_eq!(reply, Frame::parse(&said).unwrap());
    }
    assert_eq!(underlay.count_vxlan(Frame::is_arp), 0, "{}", underlay.text("udp"));
    assert!(asker.pings("x-b", 3).all() && asker.pings("y-a", 3).all());
    let probe =
        ["ip", "neigh", "replace", &lab.vm("x-b").ip(), "dev", "eth0", "lladdr", &lab.vm("x-b").mac(), "nud", "probe"];
    assert!(asker.exec(&probe).ok());
    let confirmed = || asker.exec(&["ip", "neigh", "show", &lab.vm("x-b").ip()]).stdout.contains("REACHABLE");
    eventually("the neighbour is confirmed", SOON, confirmed);
    settle(&lab, "x-a", "x-b");
    assert_eq!(underlay.count_vxlan(Frame::is_arp), 0, "{}", underlay.text("udp"));

    ask(&lab, "x-a", EVERYONE, "172.18.0.200");
    settle(&lab, "x-a", "x-b");
    let tunnels = ["b", "c"].map(|host| lab.host(host).tunnel_ip());
    assert_eq!(underlay.vxlan_destinations(Frame::is_arp_request), tunnels, "to each node of the network once");
    let flows = lab.host("a").dump_flows("br-tun");
    let of_table_21 = flows.iter().filter(|flow| flow.table == 21 && flow.contains("arp")).count();
    assert_eq!(of_table_21, 1, "one flow, however many addresses there are: {flows:#?}");
    lab.host("a").assert_hit("br-tun", &[FlowKind::ArpRequest, FlowKind::ArpToHeddle]);
}

#[test]
fn probes_and_announcements_reach_every_node_and_are_not_answered() {
    let lab = asked("arp-punt-tell").vm_with("a", "free", "blue", |vm| vm.port_security(false)).start();
    let (free, known) = (lab.vm("free"), lab.vm("x-b").ip());
    let mac = free.mac();
    let captures = ["x-b", "x-c"].map(|vm| lab.vm(vm).capture());
    let seen = free.capture();
    for sender in ["0.0.0.0", &known] {
        free.send(&frame::arp((&mac, EVERYONE), 1, (&mac, sender), (UNKNOWN, &known)));
    }
    free.announce_reply(&free.ip());
    settle(&lab, "free", "x-c");
    settle(&lab, "x-a", "x-c");
    for capture in &captures {
        let told = || capture.count(|frame| frame.is_arp() && frame.is_from(&mac) && frame.is_to(EVERYONE));
        eventually("everyone was told", SOON, || told() >= 3);
        assert_eq!(told(), 3, "{}", capture.text("arp"));
    }
    // x-b has the address and defends it; nobody else says a word in its name.
    let replies = seen.count(|frame| frame.is_arp_reply() && frame.is_arp_of(&known));
    assert!(replies <= 2, "{}", seen.text("arp"));
}

#[test]
fn a_port_that_moved_is_answered_for_from_then_on_and_one_that_is_gone_no_more() {
    let lab = asked("arp-punt-move").start();
    let asker = lab.vm("x-a");
    for (host, mate) in [("c", "x-c"), ("a", "y-a"), ("b", "x-c")] {
        lab.move_port("x-b", host);
        lab.move_vm("x-b", host);
        lab.wait_ready();
        for vm in [&asker, &lab.vm(mate)] {
            vm.flush_neighbors();
            vm.assert_ping("x-b");
        }
    }
    lab.unplug("x-b");
    lab.edit_topology(|topology| drop(topology.remove_port("x-b")));
    let ip = lab.vm("x-b").ip();
    eventually("nobody answers in its name", SOON, || asker.arping(&ip).is_none());
}

#[test]
fn networks_of_other_types_and_those_that_say_so_send_nothing_up() {
    let lab = asked("arp-punt-off")
        .network("quiet", Vxlan(1002), &["172.18.1.0/24"])
        .network("vln", Vlan("physnet", 100), &["172.18.2.0/24"])
        .vm("a", "q-a", "quiet")
        .vm("b", "q-b", "quiet")
        .vm("a", "v-a", "vln")
        .vm("b", "v-b", "vln")
        .start();
    let text = std::fs::read_to_string(lab.host("a").dir().join("topology.toml")).expect("it was written");
    lab.write_topology(&text.replace("[networks.quiet]\n", "[networks.quiet]\narp_responder = false\n"));
    let a = lab.host("a");
    let sent_up = || a.flows_of("br-tun", FlowKind::ArpToHeddle);
    eventually("only blue sends ARP up", SOON, || sent_up().len() == 1);
    let before: u64 = sent_up().iter().map(|flow| flow.packets).sum();
    let underlay = lab.capture_underlay();
    for (asker, owner) in [("q-a", "q-b"), ("v-a", "v-b")] {
        let seen = lab.vm(asker).capture();
        let (ip, mac) = (lab.vm(owner).ip(), lab.vm(owner).mac());
        assert_eq!(lab.vm(asker).arping(owner).as_deref(), Some(&*mac), "its owner answers");
        let arrives = lab.vm(owner).capture();
        lab.vm(asker).send(&marked(&lab.vm(asker).mac(), EVERYONE, "done"));
        arrives.await_marked("done");
        assert_eq!(answers(&seen, &ip), 1, "{}", seen.text("arp"));
        lab.vm(asker).assert_ping(owner);
    }
    assert!(underlay.count_vxlan(Frame::is_arp_request) >= 1);
    let after: u64 = sent_up().iter().map(|flow| flow.packets).sum();
    assert_eq!(before, after);
}
