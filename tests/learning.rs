//! VXLAN without L2 population: flood, learn, follow who moves, forget what is over.

mod lab;

use std::time::Duration;

use heddle::pipeline::cookie::{self, Kind as FlowKind};
use lab::frame::{self, EVERYONE, marked};
use lab::{FlowLine, Frame, Host, Lab, LabBuilder, Vxlan, eventually};

/// How soon a switch learns from a packet that was sent.
const AT_ONCE: Duration = Duration::from_secs(2);

/// `blue` has a VM on a, b and c: x-a, x-b, x-c. `red` has r-a, and r-d on d. Every MAC is learnt.
fn learning(name: &str) -> LabBuilder {
    Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .network("red", Vxlan(1002), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .host("c")
        .config_all("[tunnel]\nl2_population = false")
        .vm("a", "x-a", "blue")
        .vm("b", "x-b", "blue")
        // Port security is off, so that x-c can speak in the name of one that moved here.
        .vm_with("c", "x-c", "blue", |vm| vm.port_security(false))
}

/// The learnt flows towards a MAC on `host`.
fn learnt(host: &Host, mac: &str) -> Vec<FlowLine> {
    host.flows_of("br-tun", FlowKind::Learnt).into_iter().filter(|flow| flow.is_to(mac)).collect()
}

/// Waits until `host` sends what is for `mac` to `peer`, and to nobody else.
fn await_learnt(lab: &Lab, host: &str, mac: &str, peer: &str) -> FlowLine {
    let host = lab.host(host);
    let output = format!("output:{}", host.tunnel_to(lab.host(peer)).expect("there is a tunnel"));
    let is_it = |flow: &FlowLine| flow.kind() == Some(FlowKind::Learnt) && flow.is_to(mac);
    let flow = |flow: &FlowLine| is_it(flow) && flow.actions.split(',').any(|action| action == output);
    eventually(&format!("{} has learnt that {mac} is on {peer}", host.name()), AT_ONCE, || {
        host.dump_flows("br-tun").iter().any(flow)
    });
    let mut found = learnt(host, mac);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn the_first_packet_floods_to_the_peers_of_its_network_and_the_reply_is_learnt() {
    let lab = learning("learn").host("d").vm("a", "r-a", "red").vm("d", "r-d", "red").start();
    let a = lab.host("a");
    // What a plugged port has announced is not of this test.
    let all = format!("cookie={:#x}/-1", cookie::cookie(FlowKind::Learnt, "").0);
    lab.hosts().iter().for_each(|host| drop(host.ofctl(&["del-flows", "br-tun", &all])));
    let underlay = lab.capture_underlay();
    lab.vm("x-a").assert_ping("x-b");
    assert_eq!(underlay.vxlan_destinations(Frame::is_arp_request), ["192.0.2.2", "192.0.2.3"]);
    assert_eq!(underlay.vxlan_destinations(Frame::is_arp_reply), ["192.0.2.1"]);

    let flow = await_learnt(&lab, "a", &lab.vm("x-b").mac(), "b");
    assert_eq!((flow.table, flow.priority, flow.hard_timeout), (20, 1, 300));
    await_learnt(&lab, "b", &lab.vm("x-a").mac(), "a");

    assert!(lab.vm("x-a").pings("x-b", 10).all());
    let echoes = underlay.vxlan_destinations(Frame::is_icmp_echo);
    assert!(echoes.len() >= 22 && echoes.iter().all(|to| to == "192.0.2.1" || to == "192.0.2.2"), "{echoes:?}");
    assert!(learnt(a, &lab.vm("x-b").mac())[0].packets >= 10);

    // Nobody knows this address yet: to both peers of blue, not to d.
    let (mac, nobody) = (lab.vm("x-a").mac(), "fa:16:3e:00:99:99");
    lab.vm("x-a").send(&marked(&mac, nobody, "unknown"));
    lab.vm("x-a").send(&marked(&mac, EVERYONE, "everyone"));
    underlay.await_marked_inside("everyone");
    for text in ["unknown", "everyone"] {
        assert_eq!(underlay.vxlan_destinations(|f| f.is_marked(text)), ["192.0.2.2", "192.0.2.3"], "{text}");
    }
    let to_d = underlay.frames().into_iter().filter(|f| f.ip_destination().is_some_and(|ip| ip.octets()[3] == 4));
    assert_eq!(to_d.count(), 0, "{}", underlay.text(""));
    lab.vm("r-a").assert_ping("r-d");
    assert_eq!(underlay.vxlan_destinations(|f| f.is_from(&lab.vm("r-a").mac())).last().unwrap(), "192.0.2.4");

    let kinds = [FlowKind::LearnFromTunnel, FlowKind::Learnt, FlowKind::Unicast, FlowKind::Flooded];
    a.assert_hit("br-tun", &kinds);
    a.assert_hit("br-tun", &[FlowKind::NetworkFlood, FlowKind::TableMiss]);
    let dump = a.dump_flows("br-tun");
    assert!(dump.iter().all(|flow| flow.table != 21), "nobody answers for others: {dump:#?}");
}

#[test]
fn an_announcement_from_a_new_place_moves_the_entry_at_once() {
    let lab = learning("announce").start();
    let mac = lab.vm("x-b").mac();
    let ip = lab.vm("x-b").ip();
    let request = frame::arp((&mac, EVERYONE), 1, (&mac, &ip), ("00:00:00:00:00:00", &ip));
    let reply = frame::arp((&mac, EVERYONE), 2, (&mac, &ip), (EVERYONE, &ip));
    let advertisement = frame::advertisement(&mac, "fe80::1", (&mac, "fe80::1"));
    for (what, frame) in [("request", request), ("reply", reply), ("advertisement", advertisement)] {
        lab.vm("x-b").send(&marked(&mac, EVERYONE, what));
        await_learnt(&lab, "a", &mac, "b");
        lab.vm("x-c").send(&frame);
        await_learnt(&lab, "a", &mac, "c");
        // And what a sends goes there, to nobody else.
        let underlay = lab.capture_underlay();
        lab.vm("x-a").send(&marked(&lab.vm("x-a").mac(), &mac, what));
        underlay.await_marked_inside(what);
        assert_eq!(underlay.vxlan_destinations(|f| f.is_marked(what)), ["192.0.2.3"], "after a gratuitous {what}");
    }
    let learning = lab.host("a").flows_of("br-tun", FlowKind::LearnFromTunnel);
    let hit = |text: &str| learning.iter().any(|flow| flow.packets > 0 && flow.matching.contains(text));
    assert!(hit("arp_tha=ff:ff:ff:ff:ff:ff") && hit("icmp_type=136"), "{learning:#?}");
}

/// `host` takes in what `peer` sends through its tunnel.
fn listens(lab: &Lab, host: &str, peer: &str) -> bool {
    let host = lab.host(host);
    let Some(tunnel) = host.tunnel_to(lab.host(peer)) else { return false };
    let from_peer = format!("in_port={tunnel}");
    let is_it = |flow: &FlowLine| flow.kind() == Some(FlowKind::FromPeer) && flow.matching == from_peer;
    host.dump_flows("br-tun").iter().any(is_it)
}

#[test]
fn a_moved_vm_is_reached_at_its_new_host_as_soon_as_it_speaks() {
    let lab = learning("move").start();
    let mac = lab.vm("x-b").mac();
    lab.vm("x-a").assert_ping("x-b");
    await_learnt(&lab, "a", &mac, "b");
    for (to, by_request) in [("c", true), ("b", false), ("a", true), ("c", false)] {
        lab.move_port("x-b", to);
        lab.move_vm("x-b", to);
        lab.wait_ready();
        // Before a has read the file it may have no tunnel to that host, and would not hear it.
        eventually("a listens to the new host", AT_ONCE, || to == "a" || listens(&lab, "a", to));
        let (vm, ip) = (lab.vm("x-b"), lab.vm("x-b").ip());
        if by_request {
            vm.announce_request(&ip)
        } else {
            vm.announce_reply(&ip)
        }
        if to == "a" {
            eventually("a forgets that x-b was elsewhere", AT_ONCE, || learnt(lab.host("a"), &mac).is_empty());
        } else {
            await_learnt(&lab, "a", &mac, to);
        }
        let pings = lab.vm("x-a").pings("x-b", 5);
        assert!(pings.all(), "on {to}: {pings:?}");
        lab.vm("x-c").assert_ping("x-b");
    }
}

#[test]
fn a_port_that_moves_in_the_topology_is_forgotten_where_it_was() {
    let lab = learning("forget").start();
    let mac = lab.vm("x-b").mac();
    lab.vm("x-a").assert_ping("x-b");
    lab.vm("x-a").assert_ping("x-c");
    await_learnt(&lab, "a", &mac, "b");
    lab.move_port("x-b", "c");
    eventually("a forgets where x-b was", AT_ONCE, || learnt(lab.host("a"), &mac).is_empty());
    await_learnt(&lab, "a", &lab.vm("x-c").mac(), "c");
}

/// Heddle runs, every bridge is connected, and all wanted flows are there.
fn is_audited(host: &Host) -> bool {
    let answer = host.heddle(&["status", "-c", &host.config_path(), "--json"]);
    let status: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
    let bridges = status["bridges"].as_array().cloned().unwrap_or_default();
    let settled = |b: &serde_json::Value| !b["differences"].is_null() && b["wanted"] == b["installed"];
    bridges.len() >= 2 && bridges.iter().all(settled)
}

#[test]
fn what_was_learnt_survives_a_restart_of_heddle() {
    let lab = learning("restart").start();
    lab.vm("x-a").assert_ping("x-b");
    lab.vm("x-a").assert_ping("x-c");
    let a = lab.host("a");
    let (b_mac, c_mac) = (lab.vm("x-b").mac(), lab.vm("x-c").mac());
    let log = a.record_openflow();
    let stream = lab.vm("x-a").ping_stream("x-b", Duration::from_millis(10));
    let before = learnt(a, &b_mac)[0].packets;
    for stop in [Host::stop_heddle, Host::kill_heddle] {
        stop(a);
        a.start_heddle();
        eventually("every bridge is audited again", Duration::from_secs(20), || is_audited(a));
    }
    assert!(learnt(a, &b_mac)[0].packets > before, "the same flow, still counting");
    assert_eq!(learnt(a, &c_mac).len(), 1);
    let pings = stream.stop();
    assert!(pings.all(), "{pings:?}");
    assert_eq!(log.sent_by_controller("OFPT_FLOW_MOD"), Vec::<String>::new());
}

#[test]
fn a_local_vlan_that_changes_hands_carries_nothing_over() {
    let lab =
        learning("handover").host("d").vm_with("a", "r-a", "red", |vm| vm.unplugged()).vm("d", "r-d", "red").start();
    let a = lab.host("a");
    lab.vm("x-a").assert_ping("x-b");
    lab.vm("x-a").assert_ping("x-c");
    let flow = await_learnt(&lab, "a", &lab.vm("x-b").mac(), "b");
    let vlan = flow.matching.split(',').find(|field| field.starts_with("vlan_tci=")).unwrap().to_owned();
    let tag = |vm: &str| a.vsctl(&["get", "Port", &format!("tap-{vm}"), "tag"]);
    let blue_tag = tag("x-a");

    lab.unplug("x-a");
    eventually("nothing learnt is left", AT_ONCE, || a.flows_of("br-tun", FlowKind::Learnt).is_empty());
    lab.plug("r-a");
    lab.wait_ready();
    assert_eq!(tag("r-a"), blue_tag, "red takes the lowest free local VLAN, which was blue's");
    lab.vm("r-a").assert_ping("r-d");
    let learnt = a.flows_of("br-tun", FlowKind::Learnt);
    assert!(learnt.iter().all(|flow| flow.is_to(&lab.vm("r-d").mac())), "{vlan}: {learnt:#?}");
}

#[test]
fn a_tunnel_that_goes_takes_along_what_was_learnt_through_it() {
    let lab = learning("tunnel").start();
    let (a, c) = (lab.host("a"), lab.host("c"));
    lab.vm("x-a").assert_ping("x-b");
    lab.vm("x-a").assert_ping("x-c");
    await_learnt(&lab, "a", &lab.vm("x-c").mac(), "c");
    let mut gone = None;
    lab.edit_topology(|topology| gone = Some(topology.remove_port("x-c")));
    eventually("the tunnel to c is gone", AT_ONCE, || a.tunnel_to(c).is_none());
    eventually("what was learnt through it too", AT_ONCE, || learnt(a, &lab.vm("x-c").mac()).is_empty());
    await_learnt(&lab, "a", &lab.vm("x-b").mac(), "b");
    lab.edit_topology(|topology| topology.ports.extend(gone));
    lab.wait_ready();
    lab.vm("x-a").assert_ping("x-c");
    await_learnt(&lab, "a", &lab.vm("x-c").mac(), "c");
}

#[test]
fn a_changed_vni_leaves_nothing_behind_that_was_learnt_with_the_old_one() {
    let lab = learning("vni").start();
    lab.vm("x-a").assert_ping("x-b");
    lab.edit_topology(|topology| topology.networks[0].kind = Vxlan(2001));
    for host in lab.hosts() {
        host.wait_for_flow("br-tun", "takes VNI 2001", |flow| flow.matching.contains("tun_id=0x7d1"));
    }
    let underlay = lab.capture_underlay();
    for (from, to) in [("x-a", "x-b"), ("x-b", "x-c"), ("x-c", "x-a")] {
        let pings = lab.vm(from).pings(to, 3);
        assert!(pings.all(), "{from} to {to}: {pings:?}");
    }
    let vnis: Vec<_> = underlay.vxlan().into_iter().map(|(vni, _)| vni).filter(|vni| *vni != 2001).collect();
    assert!(vnis.is_empty(), "{vnis:?}");
}
