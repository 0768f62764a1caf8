//! VXLAN with L2 population: what the topology knows is a flow before the first packet, and ARP for it stays at home.

mod lab;

use std::time::Duration;

use heddle::pipeline::cookie::Kind as FlowKind;
use lab::frame::{self, EVERYONE, marked};
use lab::{Capture, Frame, Host, Lab, LabBuilder, Vlan, Vxlan, eventually};

const UNKNOWN: &str = "00:00:00:00:00:00";

/// How soon a change of the topology is in effect on a host.
const SOON: Duration = Duration::from_secs(5);

/// `blue`: x-a and y-a on a, x-b on b. The rest is up to the test.
fn populated(name: &str) -> LabBuilder {
    Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .network("red", Vxlan(1002), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .host("c")
        .vm("a", "x-a", "blue")
        .vm("a", "y-a", "blue")
        .vm("b", "x-b", "blue")
}

/// The VM asks who has the address, by broadcast or of one MAC.
fn ask(lab: &Lab, vm: &str, whom: &str, ip: &str) {
    let (mac, own) = (lab.vm(vm).mac(), lab.vm(vm).ip());
    lab.vm(vm).send(&frame::arp((&mac, whom), 1, (&mac, &own), (UNKNOWN, ip)));
}

/// Whatever the VM has sent before this has arrived wherever it was to arrive on that host, or it never will.
fn settle(lab: &Lab, from: &str, to: &str, text: &str) {
    let capture = lab.vm(to).capture();
    lab.vm(from).send(&marked(&lab.vm(from).mac(), EVERYONE, text));
    capture.await_marked(text);
}

fn answers(capture: &Capture, ip: &str) -> usize {
    capture.count(|frame| frame.is_arp_reply() && frame.is_arp_of(ip))
}

#[test]
fn arp_for_a_known_address_is_answered_once_and_never_crosses() {
    let lab = populated("responder").start();
    let (asker, underlay) = (lab.vm("x-a"), lab.capture_underlay());
    let (ip, mac) = (lab.vm("x-b").ip(), lab.vm("x-b").mac());
    let seen = asker.capture();
    assert_eq!(asker.arping("x-b").as_deref(), Some(&*mac));
    settle(&lab, "x-a", "x-b", "after the broadcast");
    assert_eq!(answers(&seen, &ip), 1, "{}", seen.text("arp"));
    ask(&lab, "x-a", &mac, &ip);
    eventually("a unicast request is answered too", SOON, || answers(&seen, &ip) >= 2);
    settle(&lab, "x-a", "x-b", "after the unicast");
    assert_eq!(answers(&seen, &ip), 2, "{}", seen.text("arp"));
    let reply = seen.frames().into_iter().rfind(|frame| frame.is_arp_reply()).unwrap();
    let expected = frame::arp((&mac, &asker.mac()), 2, (&mac, &ip), (&asker.mac(), &asker.ip()));
    assert_eq!(reply, Frame::parse(&expected).unwrap());

    assert!(asker.pings("x-b", 3).all());
    lab.vm("x-b").flush_neighbors();
    assert!(lab.vm("x-b").pings("x-a", 3).all());
    // The kernel asks again, by unicast, whether what it knows still holds.
    let address = ["ip", "neigh", "replace", &ip, "dev", "eth0", "lladdr", &mac, "nud", "probe"];
    assert!(asker.exec(&address).ok());
    let confirmed = || asker.exec(&["ip", "neigh", "show", &ip]).stdout.contains("REACHABLE");
    eventually("the neighbour is confirmed", SOON, confirmed);
    assert!(asker.pings("x-b", 3).all());

    assert_eq!(underlay.count_vxlan(Frame::is_arp), 0, "{}", underlay.text("udp"));
    assert!(underlay.count_vxlan(Frame::is_icmp_echo) >= 18);
    let kinds = [FlowKind::ArpRequest, FlowKind::PortArpAnswer, FlowKind::PortUnicast, FlowKind::FromIntegration];
    lab.host("a").assert_hit("br-tun", &kinds);
}

#[test]
fn every_remote_port_of_a_present_network_is_a_unicast_flow_and_an_arp_answer() {
    let lab = populated("flows")
        .vm_with("b", "two", "blue", |vm| vm.ips(&["172.18.0.50", "172.18.0.51"]))
        .vm_with("c", "off", "blue", |vm| vm.unplugged())
        .vm("b", "r-b", "red")
        .start();
    let a = lab.host("a");
    lab.host("a").wait_for_flow("br-tun", "leads to c", |flow| flow.is_to(&lab.vm("off").mac()));
    let mut expected: Vec<_> = ["x-b", "two", "off"].map(|vm| lab.vm(vm).mac()).into();
    let unicast = a.flows_of("br-tun", FlowKind::PortUnicast);
    let mut macs: Vec<_> =
        unicast.iter().map(|flow| flow.matching.rsplit_once("dl_dst=").unwrap().1.to_owned()).collect();
    expected.sort();
    macs.sort();
    assert_eq!(macs, expected);
    let mut asked: Vec<_> =
        a.flows_of("br-tun", FlowKind::PortArpAnswer).into_iter().map(|flow| flow.matching).collect();
    asked.sort();
    let ips = [lab.vm("x-b").ip(), "172.18.0.50".into(), "172.18.0.51".into(), lab.vm("off").ip()];
    assert_eq!(asked.len(), 4, "{asked:#?}");
    for ip in ips {
        assert!(asked.iter().any(|matching| matching.contains(&format!("arp_tpa={ip},"))), "{ip}: {asked:#?}");
    }
    // Nothing runs at that address, and it is answered all the same: a flow answers, not a VM.
    assert_eq!(lab.vm("x-a").arping("172.18.0.51"), Some(lab.vm("two").mac()));
    assert_eq!(lab.vm("x-a").arping(&lab.vm("off").ip()), Some(lab.vm("off").mac()));
}

#[test]
fn an_unknown_address_is_asked_of_the_networks_peers_and_answered_by_its_owner() {
    let lab = populated("unknown")
        .vm_with("b", "own", "blue", |vm| vm.allow("172.18.0.200", None))
        .vm("a", "r-a", "red")
        .vm("c", "r-c", "red")
        .start();
    let ip = "172.18.0.200";
    assert!(lab.vm("own").exec(&["ip", "addr", "add", &format!("{ip}/24"), "dev", "eth0"]).ok());
    let (underlay, seen) = (lab.capture_underlay(), lab.vm("x-a").capture());
    assert_eq!(lab.vm("x-a").arping(ip), Some(lab.vm("own").mac()));
    settle(&lab, "x-a", "own", "done");
    assert_eq!(answers(&seen, ip), 1, "{}", seen.text("arp"));
    assert_eq!(underlay.vxlan_destinations(Frame::is_arp_request), ["192.0.2.2"], "to b, not to c");
    assert_eq!(underlay.vxlan_destinations(Frame::is_arp_reply), ["192.0.2.1"]);
    assert!(lab.vm("x-a").pings(ip, 3).all());
    assert_eq!(lab.vm("x-a").arping("172.18.0.201"), None);
    lab.host("a").assert_hit("br-tun", &[FlowKind::NetworkFlood, FlowKind::TableMiss]);
}

#[test]
fn arp_between_vms_of_one_host_never_crosses() {
    let lab = populated("neighbours").start();
    let (underlay, seen) = (lab.capture_underlay(), lab.vm("x-a").capture());
    let (ip, mac) = (lab.vm("y-a").ip(), lab.vm("y-a").mac());
    assert_eq!(lab.vm("x-a").arping("y-a").as_deref(), Some(&*mac));
    assert!(lab.vm("x-a").pings("y-a", 3).all());
    let before = answers(&seen, &ip);
    ask(&lab, "x-a", EVERYONE, &ip);
    ask(&lab, "x-a", &mac, &ip);
    eventually("both are answered", SOON, || answers(&seen, &ip) >= before + 2);
    settle(&lab, "x-a", "x-b", "done");
    assert_eq!(answers(&seen, &ip), before + 2, "{}", seen.text("arp"));
    assert_eq!(underlay.count_vxlan(Frame::is_arp), 0, "{}", underlay.text("udp"));
    lab.host("a").assert_hit("br-tun", &[FlowKind::PortArpLocal]);
}

#[test]
fn announcements_and_probes_are_not_answered_and_reach_every_node_of_the_network() {
    let lab =
        populated("announce").vm_with("a", "free", "blue", |vm| vm.port_security(false)).vm("c", "x-c", "blue").start();
    let (own, known) = (lab.vm("free").ip(), lab.vm("x-b").ip());
    let captures = ["free", "x-a", "x-b", "x-c"].map(|vm| (vm, lab.vm(vm).capture()));
    let mac = lab.vm("free").mac();
    let mut sent = 0;
    for ip in [&own, &known] {
        for (operation, target) in [(1, UNKNOWN), (2, EVERYONE)] {
            lab.vm("free").send(&frame::arp((&mac, EVERYONE), operation, (&mac, ip), (target, ip)));
            sent += 1;
        }
    }
    // x-a has port security: what it announces is its own.
    lab.vm("x-a").announce_request(&lab.vm("x-a").ip());
    lab.vm("x-a").announce_reply(&lab.vm("x-a").ip());
    settle(&lab, "x-a", "x-c", "announced");
    settle(&lab, "free", "x-c", "announced too");
    for (vm, capture) in &captures {
        let own = |frame: &Frame| frame.is_arp() && frame.is_to(EVERYONE);
        let from_free = capture.count(|frame| own(frame) && frame.is_from(&mac));
        let from_x_a = capture.count(|frame| own(frame) && frame.is_from(&lab.vm("x-a").mac()));
        assert_eq!((from_free, from_x_a), (sent, 2), "{vm}: {}", capture.text("arp"));
        let answers = capture.count(|frame| frame.is_arp() && !frame.is_to(EVERYONE));
        assert_eq!(answers, 0, "{vm}: {}", capture.text("arp"));
    }

    // Duplicate address detection: of an address that its VM really uses, of one that is known and unused, of one's own.
    lab.edit_topology(|topology| topology.port("x-c").fixed_ips.push("172.18.0.99".parse().unwrap()));
    lab.host("a").wait_for_flow("br-tun", "answers for 172.18.0.99", |flow| flow.contains("172.18.0.99"));
    let probe = |ip: &str| lab.vm("free").exec(&["arping", "-D", "-c", "1", "-w", "1", "-I", "eth0", ip]).ok();
    assert!(!probe(&known), "x-b has this address and says so");
    assert!(probe("172.18.0.99") && probe(&own), "nobody answers for an address that nobody uses");
    settle(&lab, "free", "x-c", "probed");
    for (vm, capture) in &captures {
        let probes = capture.count(|frame| frame.is_arp_request() && frame.is_arp_of("0.0.0.0"));
        assert_eq!(probes, 3, "{vm}: {}", capture.text("arp"));
    }
    let free = &captures[0].1;
    assert_eq!(free.count(|f| f.is_arp_reply() && f.is_to(&mac)), 1, "{}", free.text("arp"));
    lab.host("a").assert_hit("br-tun", &[FlowKind::ArpProbe, FlowKind::PortArpAnnounce]);
}

#[test]
fn nobody_answers_arp_for_vlan_and_flat_networks() {
    let subnet = &["172.18.0.0/24"];
    let lab = Lab::new("vlan-arp")
        .network("vln", Vlan("physnet", 100), subnet)
        .network("flt", lab::Flat("physnet"), subnet)
        .network("blue", Vxlan(1001), subnet)
        .host("a")
        .host("b")
        .vm("a", "v-a", "vln")
        .vm("b", "v-b", "vln")
        .vm_with("b", "v-off", "vln", |vm| vm.unplugged())
        .vm("a", "f-a", "flt")
        .vm("b", "f-b", "flt")
        .vm_with("b", "f-off", "flt", |vm| vm.unplugged())
        .vm("a", "x-a", "blue")
        .vm("b", "x-b", "blue")
        .vm("b", "y-b", "blue")
        .start();
    let wire = lab.capture_wire("physnet");
    for letter in ["v", "f"] {
        let [asker, owner, off] = ["a", "b", "off"].map(|who| format!("{letter}-{who}"));
        let seen = lab.vm(&asker).capture();
        assert_eq!(lab.vm(&asker).arping(&owner), Some(lab.vm(&owner).mac()));
        assert_eq!(lab.vm(&asker).arping(&off), None, "the topology knows it, but it does not run");
        settle(&lab, &asker, &owner, "done");
        assert_eq!(seen.count(Frame::is_arp_reply), 1, "{}", seen.text("arp"));
        assert_eq!(wire.count(|f| f.is_arp_reply() && f.is_from(&lab.vm(&owner).mac())), 1);
    }
}

#[test]
fn what_is_populated_beats_what_is_learnt() {
    let lab = populated("beats").vm_with("c", "liar", "blue", |vm| vm.port_security(false)).start();
    let (a, mac) = (lab.host("a"), lab.vm("x-b").mac());
    lab.vm("liar").send(&marked(&mac, EVERYONE, "I am x-b"));
    let to_c = format!("output:{}", a.tunnel_to(lab.host("c")).expect("there is a tunnel"));
    let learnt = a.wait_for_flow("br-tun", "was learnt from the liar", |flow| {
        flow.kind() == Some(FlowKind::Learnt) && flow.is_to(&mac) && flow.actions.ends_with(&to_c)
    });
    assert_eq!(learnt.priority, 1);
    let underlay = lab.capture_underlay();
    lab.vm("x-a").send(&marked(&lab.vm("x-a").mac(), &mac, "to x-b"));
    underlay.await_marked_inside("to x-b");
    assert_eq!(underlay.vxlan_destinations(|frame| frame.is_marked("to x-b")), ["192.0.2.2"]);
}

/// Where a broadcast of the VM goes.
fn flood_of(lab: &Lab, vm: &str, text: &str) -> Vec<String> {
    let underlay = lab.capture_underlay();
    settle(lab, vm, "y-a", text);
    underlay.vxlan_destinations(|frame| frame.is_marked(text))
}

#[test]
fn flood_lists_and_tunnels_follow_the_ports_of_a_network() {
    let lab = populated("lists").vm("c", "x-c", "blue").vm("a", "r-a", "red").vm("b", "r-b", "red").start();
    let (a, c) = (lab.host("a"), lab.host("c"));
    let floods = |host: &Host| {
        let lists = host.flows_of("br-tun", FlowKind::NetworkFlood).into_iter();
        let mut counts: Vec<_> = lists.map(|flow| flow.actions.matches("output:").count()).collect();
        counts.sort();
        counts
    };
    assert_eq!(floods(a), [1, 2]);
    assert_eq!(flood_of(&lab, "x-a", "three"), ["192.0.2.2", "192.0.2.3"]);
    let underlay = lab.capture_underlay();
    lab.vm("r-a").send(&marked(&lab.vm("r-a").mac(), EVERYONE, "red"));
    underlay.await_marked_inside("red");
    assert_eq!(underlay.vxlan_destinations(|frame| frame.is_marked("red")), ["192.0.2.2"]);

    // The last port of c goes, and with it the last network that c shares.
    let mut gone = None;
    lab.edit_topology(|topology| gone = Some(topology.remove_port("x-c")));
    eventually("the tunnels to c are gone", SOON, || {
        a.tunnel_to(c).is_none() && lab.host("b").tunnel_to(c).is_none() && c.tunnel_to(a).is_none()
    });
    eventually("c is in no flood list", SOON, || floods(a) == [1, 1] && floods(c).is_empty());
    assert_eq!(flood_of(&lab, "x-a", "two"), ["192.0.2.2"]);

    // It comes back, in red; then blue too.
    lab.edit_topology(|topology| {
        topology.ports.extend(gone);
        topology.port("x-c").network = "red".into();
    });
    eventually("c is in red's list", SOON, || floods(a) == [1, 2] && a.tunnel_to(c).is_some());
    assert_eq!(flood_of(&lab, "x-a", "still two"), ["192.0.2.2"]);
    lab.edit_topology(|topology| topology.port("x-c").network = "blue".into());
    lab.wait_ready();
    eventually("c is in blue's list", SOON, || {
        lab.vm("x-a").ping("x-c") && flood_of(&lab, "x-a", "three again") == ["192.0.2.2", "192.0.2.3"]
    });
    lab.vm("x-c").assert_ping("x-b");
}

#[test]
fn a_moved_port_is_reached_at_its_new_host() {
    let lab = populated("moved").vm("c", "x-c", "blue").start();
    lab.vm("x-a").assert_ping("x-b");
    for to in ["c", "a", "b"] {
        lab.move_port("x-b", to);
        lab.move_vm("x-b", to);
        lab.wait_ready();
        lab.vm("x-b").announce_request(&lab.vm("x-b").ip());
        for vm in ["x-a", "x-c", "y-a"] {
            lab.vm(vm).assert_ping("x-b");
        }
        let pings = lab.vm("x-a").pings("x-b", 5);
        assert!(pings.all(), "on {to}: {pings:?}");
    }
}

#[test]
fn without_the_responder_arp_crosses_and_unicast_stays_populated() {
    let lab = populated("no-responder").vm("c", "x-c", "blue").config_all("[tunnel]\narp_responder = false").start();
    let (underlay, seen) = (lab.capture_underlay(), lab.vm("x-a").capture());
    assert_eq!(lab.vm("x-a").arping("x-b"), Some(lab.vm("x-b").mac()));
    settle(&lab, "x-a", "x-b", "done");
    assert_eq!(seen.count(Frame::is_arp_reply), 1, "{}", seen.text("arp"));
    assert_eq!(underlay.vxlan_destinations(Frame::is_arp_request), ["192.0.2.2", "192.0.2.3"]);
    lab.vm("x-a").send(&marked(&lab.vm("x-a").mac(), &lab.vm("x-c").mac(), "unicast"));
    underlay.await_marked_inside("unicast");
    assert_eq!(underlay.vxlan_destinations(|f| f.is_marked("unicast")), ["192.0.2.3"], "before c has said a word");
    let flows = lab.host("a").dump_flows("br-tun");
    assert!(!flows.iter().any(|flow| flow.table == 21 && flow.contains("arp")), "{flows:#?}");
    assert!(lab.vm("x-a").pings("x-c", 3).all());
}
