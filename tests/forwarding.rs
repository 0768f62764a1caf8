//! Local, flat, VLAN and VXLAN networks: who reaches whom, and what the wires see of it.

mod lab;

use heddle::pipeline::cookie::Kind as FlowKind;
use lab::frame::{EVERYONE, marked, tagged};
use lab::{Capture, Flat, Frame, Lab, Local, Vlan, Vxlan};

/// VLAN id of the network `vln`.
const RED: u16 = 100;

/// A network of each kind, `loc`, `flt`, `vln` and `vxl`, with VMs like `f-a` on host `a`; `loc` has `l-a` and `l2-a`.
fn every_kind(name: &str, hosts: &[&str]) -> Lab {
    let mut lab = Lab::new(name)
        .network("loc", Local, &["172.18.0.0/24", "2001:db8:0::/64"])
        .network("flt", Flat("physnet"), &["172.18.1.0/24", "2001:db8:1::/64"])
        .network("vln", Vlan("physnet", RED), &["172.18.2.0/24", "2001:db8:2::/64"])
        .network("vxl", Vxlan(1001), &["172.18.3.0/24", "2001:db8:3::/64"]);
    for host in hosts {
        lab = lab.host(host);
    }
    for host in hosts {
        lab = lab.vm(host, &format!("l-{host}"), "loc").vm(host, &format!("l2-{host}"), "loc");
        for (letter, network) in [("f", "flt"), ("v", "vln"), ("x", "vxl")] {
            lab = lab.vm(host, &format!("{letter}-{host}"), network);
        }
    }
    lab.start()
}

fn assert_reach(lab: &Lab, from: &str, to: &str) {
    lab.vm(from).assert_ping(to);
    lab.vm(from).assert_ping6(to);
}

/// A frame of the VM is in the capture, whatever it carries.
fn count_from(capture: &Capture, lab: &Lab, vm: &str) -> usize {
    let mac = lab.vm(vm).mac();
    capture.count(|frame| frame.is_from(&mac))
}

#[test]
fn every_kind_of_network_carries_ipv4_and_ipv6_in_its_own_clothes() {
    let lab = every_kind("kinds", &["a", "b"]);
    let (wire, underlay) = (lab.capture_wire("physnet"), lab.capture_underlay());
    for (from, to) in [("l-a", "l2-a"), ("l2-b", "l-b"), ("f-a", "f-b"), ("v-a", "v-b"), ("x-a", "x-b")] {
        assert_reach(&lab, from, to);
        let pings = lab.vm(from).pings(to, 20);
        assert!(pings.all(), "{from} to {to}: {pings:?}");
    }
    lab.vm("l-a").assert_no_ping("l-b");

    for (vms, vlan) in [(["f-a", "f-b"], None), (["v-a", "v-b"], Some(RED))] {
        for vm in vms {
            let mac = lab.vm(vm).mac();
            assert!(count_from(&wire, &lab, vm) >= 20);
            assert_eq!(wire.count(|frame| frame.is_from(&mac) && frame.vlan != vlan), 0, "{}", wire.text(""));
        }
    }
    for vm in ["l-a", "l2-a", "l-b", "l2-b", "x-a", "x-b"] {
        assert_eq!(count_from(&wire, &lab, vm), 0, "{vm}: {}", wire.text(""));
    }
    let known: Vec<_> = ["f-a", "f-b", "v-a", "v-b"].map(|vm| lab.vm(vm).mac()).into();
    assert_eq!(wire.count(|frame| !known.iter().any(|mac| frame.is_from(mac))), 0, "{}", wire.text(""));

    let tunnelled = underlay.vxlan();
    let (a, b) = (lab.vm("x-a").mac(), lab.vm("x-b").mac());
    assert!(tunnelled.len() >= 40);
    for (vni, inner) in tunnelled {
        assert!(vni == 1001 && inner.vlan.is_none() && (inner.is_from(&a) || inner.is_from(&b)), "{vni}: {inner:?}");
    }
    let host = lab.host("a");
    host.assert_hit("br-int", &[FlowKind::FromTunnelBridge, FlowKind::NetworkFromPhysical, FlowKind::Normal]);
    host.assert_hit("br-phys", &[FlowKind::NetworkToPhysical, FlowKind::PhysicalGuard, FlowKind::Normal]);
    let tunnel = [FlowKind::FromIntegration, FlowKind::FromPeer, FlowKind::NetworkFromTunnel, FlowKind::NetworkFlood];
    host.assert_hit("br-tun", &tunnel);
}

#[test]
fn three_hosts_reach_each_other_and_a_broadcast_arrives_once() {
    let hosts = ["a", "b", "c"];
    let lab = every_kind("three", &hosts);
    for letter in ["f", "v", "x"] {
        for (from, to) in [("a", "b"), ("b", "c"), ("c", "a")] {
            assert_reach(&lab, &format!("{letter}-{from}"), &format!("{letter}-{to}"));
        }
    }
    let (wire, underlay) = (lab.capture_wire("physnet"), lab.capture_underlay());
    let vms: Vec<String> = hosts.iter().flat_map(|h| ["l", "l2", "f", "v", "x"].map(|l| format!("{l}-{h}"))).collect();
    let captures: Vec<_> = vms.iter().map(|vm| (vm, lab.vm(vm).capture())).collect();
    let senders = ["l-a", "f-a", "v-a", "x-a", "x-b", "f-c"];
    for text in ["all", "after"] {
        for sender in senders {
            lab.vm(sender).send(&marked(&lab.vm(sender).mac(), EVERYONE, &format!("{text} from {sender}")));
        }
    }
    let network = |vm: &str| lab.vm(vm).spec().port.network;
    let in_reach = |from: &str, to: &str| {
        network(from) == network(to) && (network(from) != "loc" || from.ends_with(to.split_once('-').unwrap().1))
    };
    for (vm, capture) in &captures {
        for sender in senders.iter().filter(|sender| in_reach(sender, vm)) {
            capture.await_marked(&format!("after from {sender}"));
        }
    }
    for sender in senders {
        let text = format!("all from {sender}");
        for (vm, capture) in &captures {
            let expected = usize::from(in_reach(sender, vm));
            assert_eq!(capture.count(|frame| frame.is_marked(&text)), expected, "{vm} sees it from {sender}");
        }
    }
    let on_wire = |sender: &str| wire.count(|frame| frame.is_marked(&format!("all from {sender}")));
    assert_eq!(["f-a", "f-c", "v-a", "x-a", "l-a"].map(on_wire), [1, 1, 1, 0, 0], "{}", wire.text(""));
    let tunnelled = |sender: &str| underlay.vxlan_destinations(|frame| frame.is_marked(&format!("all from {sender}")));
    assert_eq!(tunnelled("x-a"), ["192.0.2.2", "192.0.2.3"]);
    assert_eq!(tunnelled("x-b"), ["192.0.2.1", "192.0.2.3"]);
    assert!(["f-a", "v-a", "l-a", "f-c"].iter().all(|sender| tunnelled(sender).is_empty()));
}

#[test]
fn several_physical_networks_stay_apart() {
    let subnet = &["172.18.0.0/24"];
    let lab = Lab::new("physical")
        .network("one", Vlan("physnet", RED), subnet)
        .network("two", Vlan("other", RED), subnet)
        .network("bare", Flat("other"), subnet)
        .host("a")
        .host("b")
        .vm_with("a", "one-a", "one", |vm| vm.mac("fa:16:3e:00:00:0a"))
        .vm_with("b", "one-b", "one", |vm| vm.mac("fa:16:3e:00:00:0b"))
        .vm_with("a", "two-a", "two", |vm| vm.mac("fa:16:3e:00:00:0a"))
        .vm("b", "two-b", "two")
        .vm("a", "bare-a", "bare")
        .vm("b", "bare-b", "bare")
        .start();
    let (physnet, other) = (lab.capture_wire("physnet"), lab.capture_wire("other"));
    for (from, to) in [("one-a", "one-b"), ("two-a", "two-b"), ("bare-a", "bare-b")] {
        lab.vm(from).assert_ping(to);
        assert!(lab.vm(from).pings(to, 5).all());
    }
    let seen = |wire: &Capture, vm: &str| count_from(wire, &lab, vm) > 0;
    assert!(seen(&physnet, "one-b") && seen(&other, "two-b") && seen(&other, "bare-a"));
    assert!(!seen(&other, "one-b") && !seen(&physnet, "two-b") && !seen(&physnet, "bare-a"));
    assert_eq!(physnet.count(|frame| frame.vlan != Some(RED)), 0, "{}", physnet.text(""));
    for vm in ["one-a", "two-a"] {
        lab.vm(vm).send(&marked(&lab.vm(vm).mac(), EVERYONE, vm));
    }
    physnet.await_marked("one-a");
    other.await_marked("two-a");
    assert_eq!((physnet.count(|f| f.is_marked("two-a")), other.count(|f| f.is_marked("one-a"))), (0, 0));
}

#[test]
fn the_same_addresses_in_several_networks_never_meet() {
    let networks = [
        ("xa", Vxlan(1001)),
        ("xb", Vxlan(1002)),
        ("va", Vlan("physnet", 100)),
        ("vb", Vlan("physnet", 101)),
        ("fl", Flat("physnet")),
        ("lo", Local),
    ];
    let mut lab = Lab::new("overlap").host("a").host("b");
    for (name, kind) in networks.clone() {
        lab = lab.network(name, kind, &["172.18.0.0/24"]);
    }
    for (network, kind) in &networks {
        let far = if *kind == Local { "a" } else { "b" };
        lab = lab.vm_with("a", &format!("{network}1"), network, |vm| vm.mac("fa:16:3e:00:00:0a")).vm_with(
            far,
            &format!("{network}2"),
            network,
            |vm| vm.mac("fa:16:3e:00:00:0b"),
        );
    }
    let lab = lab.vm_with("b", "lone", "lo", |vm| vm.mac("fa:16:3e:00:00:0c")).start();

    let names = networks.map(|(name, _)| name);
    let captures = names.map(|network| lab.vm(&format!("{network}2")).capture());
    for network in names {
        let pings = lab.vm(&format!("{network}1")).pings(&format!("{network}2"), 3);
        assert!(pings.all(), "{network}: {pings:?}");
    }
    for network in names {
        let send = |destination: &str, text: &str| {
            lab.vm(&format!("{network}1")).send(&marked(
                "fa:16:3e:00:00:0a",
                destination,
                &format!("{text} {network}"),
            ));
        };
        send(EVERYONE, "only");
        send("fa:16:3e:00:00:0b", "to");
    }
    for (network, capture) in names.iter().zip(&captures) {
        capture.await_marked(&format!("to {network}"));
        assert_eq!(capture.count(|frame| frame.is_marked("only")), 1, "{network}");
        assert_eq!(capture.count(|frame| frame.is_marked(&format!("only {network}"))), 1, "{network}");
        assert_eq!(capture.count(|frame| frame.is_marked("to")), 1, "{network}");
    }
    lab.vm("lone").assert_no_ping("172.18.0.3");
    lab.vm("lone").assert_no_ping("172.18.0.4");
}

#[test]
fn traffic_between_ports_of_one_host_stays_there() {
    let mut lab = Lab::new("inside")
        .network("flt", Flat("physnet"), &["172.18.1.0/24"])
        .network("vln", Vlan("physnet", RED), &["172.18.2.0/24"])
        .network("vxl", Vxlan(1001), &["172.18.3.0/24"])
        .host("a")
        .host("b");
    for network in ["flt", "vln", "vxl"] {
        for (number, host) in [(1, "a"), (2, "a"), (3, "b")] {
            lab = lab.vm(host, &format!("{network}{number}"), network);
        }
    }
    let lab = lab.start();
    let (wire, underlay) = (lab.capture_wire("physnet"), lab.capture_underlay());
    for network in ["flt", "vln", "vxl"] {
        let [from, to] = [1, 2].map(|number| format!("{network}{number}"));
        lab.vm(&from).assert_ping(&to);
        assert!(lab.vm(&from).pings(&to, 10).all());
    }
    assert_eq!(wire.count(Frame::is_icmp_echo), 0, "{}", wire.text("icmp"));
    let of_pings = |frame: &Frame| frame.is_icmp_echo() || frame.is_arp();
    assert_eq!(underlay.count_vxlan(of_pings), 0, "{}", underlay.text(""));
    lab.vm("flt1").assert_ping("flt3");
    assert!(wire.count(Frame::is_icmp_echo) > 0);
}

#[test]
fn the_physical_bridge_still_switches_for_its_operator() {
    let lab = Lab::new("operator")
        .network("vln", Vlan("physnet", RED), &["172.18.2.0/24"])
        .network("vxl", Vxlan(1001), &["172.18.3.0/24"])
        .host("a")
        .host("b")
        .vm("a", "v-a", "vln")
        .vm("b", "v-b", "vln")
        .vm("a", "x-a", "vxl")
        .start();
    for (host, last) in [("a", 1), ("b", 2)] {
        for (port, tag, third) in [("own", "", 0), ("tagged", "tag=55", 55), ("in-red", "tag=100", 2)] {
            let host = lab.host(host);
            let set = ["--", "set", "Interface", port, "type=internal"];
            host.vsctl(
                &[
                    &["add-port", "br-phys", port][..],
                    if tag.is_empty() { &[] } else { std::slice::from_ref(&tag) },
                    &set,
                ]
                .concat(),
            );
            let address = format!("172.18.{third}.{}/24", 100 + last);
            assert!(host.exec(&["ip", "addr", "add", &address, "dev", port]).ok());
            assert!(host.exec(&["ip", "link", "set", port, "up"]).ok());
        }
    }
    let (v, x) = (lab.vm("v-a").capture(), lab.vm("x-a").capture());
    let reaches = |ip: &str| lab.host("a").exec(&["ping", "-n", "-c", "3", "-i", "0.01", "-w", "2", ip]).stdout;
    for ip in ["172.18.0.102", "172.18.55.102"] {
        let said = reaches(ip);
        assert!(said.contains(" 3 received") && !said.contains("DUP"), "{said}");
    }
    let of_pings = |frame: &Frame| frame.is_icmp_echo() || frame.is_arp();
    assert_eq!(v.count(of_pings) + x.count(of_pings), 0, "{}{}", v.text(""), x.text(""));
    // An operator's port with the VLAN of a network is a part of that network.
    lab.vm("v-b").assert_ping("172.18.2.101");
    let said = reaches(&lab.vm("v-b").ip());
    assert!(said.contains(" 3 received") && !said.contains("DUP"), "{said}");
}

#[test]
fn a_tagged_frame_from_a_vm_goes_nowhere() {
    let lab = every_kind("tagged", &["a", "b"]);
    let vms = ["l-a", "l2-a", "f-a", "v-a", "x-a", "l-b", "f-b", "v-b", "x-b"];
    let senders = [("l-a", "l2-a"), ("f-a", "f-b"), ("v-a", "v-b"), ("x-a", "x-b")];
    senders.iter().for_each(|(from, to)| lab.vm(from).assert_ping(to));
    let captures = vms.map(|vm| (vm, lab.vm(vm).capture()));
    let (wire, underlay) = (lab.capture_wire("physnet"), lab.capture_underlay());
    for (sender, to) in senders {
        let (mac, peer) = (lab.vm(sender).mac(), lab.vm(to).mac());
        for vlan in [1, 2, 3, 4, 5, RED, 4094, 4095] {
            for destination in [EVERYONE, &peer] {
                lab.vm(sender).send(&tagged(vlan, &marked(&mac, destination, "with a tag")));
            }
        }
        lab.vm(sender).send(&marked(&mac, &peer, &format!("bare from {sender}")));
    }
    let capture_of = |vm: &str| &captures.iter().find(|(name, _)| *name == vm).unwrap().1;
    for (sender, to) in senders {
        capture_of(to).await_marked(&format!("bare from {sender}"));
    }
    for (vm, capture) in &captures {
        let own = if senders.iter().any(|(sender, _)| sender == vm) { 16 } else { 0 };
        assert_eq!(capture.count(|frame| frame.is_marked("with a tag")), own, "{vm}: {}", capture.text(""));
    }
    assert_eq!(wire.count(|frame| frame.is_marked("with a tag")), 0, "{}", wire.text(""));
    assert_eq!(underlay.count_vxlan(|frame| frame.is_marked("with a tag")), 0, "{}", underlay.text(""));
    lab.host("a").assert_hit("br-int", &[FlowKind::DeadVlan]);
}

#[test]
fn a_tag_behind_a_priority_tag_does_not_hop_into_another_vlan() {
    let lab = every_kind("hopping", &["a", "b"]);
    let (wire, red) = (lab.capture_wire("physnet"), lab.vm("v-a").capture());
    let far = ["f-b", "v-b", "x-b"].map(|vm| lab.vm(vm).capture());
    for (sender, far) in ["f-a", "v-a", "x-a"].into_iter().zip(&far) {
        let (mac, text) = (lab.vm(sender).mac(), format!("hidden by {sender}"));
        let hidden = tagged(0, &tagged(RED, &marked(&mac, EVERYONE, &text)));
        // Tags of IEEE 802.1Q, and of 802.1ad outside, inside, and on both.
        for places in [&[][..], &[12], &[16], &[12, 16]] {
            let mut frame = hidden.clone();
            places.iter().for_each(|&at| frame[at..at + 2].copy_from_slice(&[0x88, 0xa8]));
            lab.vm(sender).send(&frame);
        }
        lab.vm(sender).send(&marked(&mac, EVERYONE, "bare"));
        far.await_marked("bare");
    }
    let carries = |frame: &Frame, text: &str| frame.payload.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    for sender in ["f-a", "x-a"] {
        let text = format!("hidden by {sender}");
        for capture in [&wire, &red, &far[1]] {
            assert_eq!(capture.count(|frame| carries(frame, &text)), 0, "{text}: {}", capture.text(""));
        }
    }
    let strayed = |frame: &Frame| carries(frame, "hidden by v-a");
    assert_eq!(far[0].count(strayed) + far[2].count(strayed), 0, "{}{}", far[0].text(""), far[2].text(""));
}

#[test]
fn a_frame_on_the_wire_with_a_foreign_tag_goes_nowhere() {
    let lab = every_kind("wire", &["a", "b"]);
    let vms = ["l-a", "f-a", "v-a", "x-a", "f-b", "v-b", "x-b"];
    let captures = vms.map(|vm| (vm, lab.vm(vm).capture()));
    let underlay = lab.capture_underlay();
    let stranger = "fa:16:3e:00:99:99";
    let wire = lab.wire("physnet").namespace();
    let send = |frame: &[u8]| lab::netns::send_frame(wire, "br0", frame);
    for vlan in [1, 2, 3, 4, 5, RED + 1, 4094, 4095] {
        send(&tagged(vlan, &marked(stranger, EVERYONE, "foreign")));
        for vm in vms {
            send(&tagged(vlan, &marked(stranger, &lab.vm(vm).mac(), "foreign")));
        }
    }
    for vm in vms {
        for vlan in [None, Some(RED)] {
            let frame = marked(stranger, &lab.vm(vm).mac(), &format!("{vlan:?} to {vm}"));
            send(&vlan.map_or(frame.clone(), |vlan| tagged(vlan, &frame)));
        }
    }
    send(&marked(stranger, EVERYONE, "bare"));
    send(&tagged(RED, &marked(stranger, EVERYONE, "red")));
    for (vm, capture) in &captures {
        let (bare, red) = (usize::from(vm.starts_with('f')), usize::from(vm.starts_with('v')));
        if bare + red > 0 {
            capture.await_marked(if bare > 0 { "bare" } else { "red" });
        }
        let count = |text: &str| capture.count(|frame| frame.is_marked(text));
        assert_eq!((count("foreign"), count("bare"), count("red")), (0, bare, red), "{vm}: {}", capture.text(""));
        let straight = (count(&format!("None to {vm}")), count(&format!("Some({RED}) to {vm}")));
        assert_eq!(straight, (bare, red), "{vm}");
    }
    assert_eq!(underlay.count_vxlan(|frame| frame.is_from(stranger)), 0, "{}", underlay.text(""));
    lab.host("a").assert_hit("br-int", &[FlowKind::PhysicalGuard]);
}

#[test]
fn a_changed_segmentation_id_is_in_effect_on_every_host() {
    let lab = every_kind("segment", &["a", "b"]);
    lab.vm("v-a").assert_ping("v-b");
    lab.vm("x-a").assert_ping("x-b");
    lab.edit_topology(|topology| {
        for network in &mut topology.networks {
            match network.kind {
                Vlan(physical, _) => network.kind = Vlan(physical, 200),
                Vxlan(_) => network.kind = Vxlan(2001),
                _ => {}
            }
        }
    });
    for host in lab.hosts() {
        host.wait_for_flow("br-phys", "writes VLAN 200", |flow| flow.actions.contains("set_field:4296->vlan_vid"));
        host.wait_for_flow("br-int", "takes VLAN 200", |flow| flow.matching.contains("dl_vlan=200"));
        host.wait_for_flow("br-tun", "takes VNI 2001", |flow| flow.matching.contains("tun_id=0x7d1"));
    }
    let (wire, underlay) = (lab.capture_wire("physnet"), lab.capture_underlay());
    for (from, to) in [("v-a", "v-b"), ("x-a", "x-b")] {
        let pings = lab.vm(from).pings(to, 3);
        assert!(pings.all(), "{from} to {to}: {pings:?}");
    }
    assert_eq!(wire.count(|frame| frame.vlan == Some(RED)), 0, "{}", wire.text(""));
    assert!(wire.count(|frame| frame.vlan == Some(200) && frame.is_icmp_echo()) >= 6);
    assert!(underlay.vxlan().iter().all(|(vni, _)| *vni == 2001), "{}", underlay.text(""));
}
