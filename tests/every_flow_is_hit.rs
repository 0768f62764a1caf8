//! Each flow that the pipeline knows is there for some packet: here is one for each.

mod lab;

use std::collections::BTreeSet;

use heddle::pipeline::cookie::Kind as FlowKind;
use lab::frame::{self, EVERYONE, marked, tagged};
use lab::{Flat, FlowLine, Lab, Local, Vlan, Vxlan};

const UNKNOWN: &str = "00:00:00:00:00:00";
const STRANGER: &str = "fa:16:3e:00:99:99";
/// Allowed to `free` only, so the topology has no port of it.
const PAIR: &str = "fa:16:3e:00:88:88";

/// Of hosts with other settings: `arp_by_packet_in`, and `tests/learning_bridges.rs`.
const IN_OTHER_LABS: [FlowKind; 5] =
    [FlowKind::ArpToHeddle, FlowKind::Unheard, FlowKind::Reserved, FlowKind::NoStation, FlowKind::Bridged];

/// On b everything that a reaches, and on a everything that is looked at.
fn lab() -> Lab {
    Lab::new("every-flow")
        .network("loc", Local, &["172.18.0.0/24"])
        .with("subnets.loc-0 = { enable_dhcp = true, dhcp_server_ip = '172.18.0.2' }")
        .network("flt", Flat("physnet"), &["172.18.1.0/24"])
        .network("vln", Vlan("physnet", 100), &["172.18.2.0/24"])
        .network("blue", Vxlan(1001), &["172.18.3.0/24", "2001:db8::/64"])
        .with("subnets.blue-1 = { enable_dhcp = true, ipv6_ra_mode = 'dhcpv6-stateful' }")
        .with("subnets.blue-1.ipv6_address_mode = 'dhcpv6-stateful'")
        .host("a")
        .host("b")
        .vm("a", "l-a", "loc")
        .vm_with("a", "l-b", "loc", |vm| vm.port_security(false))
        .vm("a", "f-a", "flt")
        .vm("b", "f-b", "flt")
        .vm("a", "v-a", "vln")
        .vm("b", "v-b", "vln")
        .vm("a", "x-a", "blue")
        .vm("b", "x-b", "blue")
        .vm_with("a", "open", "blue", |vm| vm.port_security(false))
        .vm_with("b", "free", "blue", |vm| vm.allow("172.18.3.200", Some(PAIR)))
        .start()
}

fn ask(lab: &Lab, vm: &str, sender: &str, ip: &str) {
    let mac = lab.vm(vm).mac();
    lab.vm(vm).send(&frame::arp((&mac, EVERYONE), 1, (&mac, sender), (UNKNOWN, ip)));
}

/// What users of the network send.
fn use_it(lab: &Lab) {
    for (from, to) in
        [("f-a", "f-b"), ("v-a", "v-b"), ("x-a", "x-b"), ("x-a", "open"), ("open", "x-b"), ("open", "free")]
    {
        lab.vm(from).assert_ping(to);
        lab.vm(to).assert_ping(from);
    }
    lab.vm("x-a").assert_ping6("x-b");
    lab.vm("x-b").assert_ping6("x-a");
    // Clients of DHCP, to any server and to theirs.
    for vm in ["l-a", "l-b"] {
        let (mac, ip) = (lab.vm(vm).mac(), lab.vm(vm).ip());
        lab.vm(vm).send(&frame::udp((&mac, EVERYONE), ("0.0.0.0", "255.255.255.255"), (68, 67)));
        lab.vm(vm).send(&frame::udp((&mac, EVERYONE), (&ip, "172.18.0.2"), (68, 67)));
        ask(lab, vm, &ip, "172.18.0.2");
    }
    // Clients of DHCPv6, and hosts that look for routers.
    for vm in ["x-a", "open"] {
        let mac = lab.vm(vm).mac();
        lab.vm(vm).send(&frame::udp6(&mac, (546, 547)));
        lab.vm(vm).send(&frame::icmpv6(133, &mac, &frame::link_local(&mac), &[0; 4]));
    }
    // Broadcast of every network; that of loc ends where no tunnel begins.
    for vm in ["l-a", "f-a", "v-a", "x-a"] {
        lab.vm(vm).send(&marked(&lab.vm(vm).mac(), EVERYONE, "hello"));
    }
    // A MAC that b has beside those of its ports, and what a sends there once it has learnt it.
    lab.vm("free").send(&marked(PAIR, EVERYONE, "I too"));
    lab.host("a")
        .wait_for_flow("br-tun", "was learnt", |flow| flow.kind() == Some(FlowKind::Learnt) && flow.is_to(PAIR));
    lab.vm("x-a").send(&marked(&lab.vm("x-a").mac(), PAIR, "you too"));
    // Announcements and probes of every address of blue, from the port that may send them.
    for vm in ["x-a", "open", "x-b", "free"] {
        ask(lab, "open", &lab.vm(vm).ip(), &lab.vm(vm).ip());
        ask(lab, "x-a", &lab.vm("x-a").ip(), &lab.vm(vm).ip());
        ask(lab, "open", &lab.vm("open").ip(), &lab.vm(vm).ip());
    }
    ask(lab, "open", "0.0.0.0", &lab.vm("x-b").ip());
    ask(lab, "x-a", &lab.vm("x-a").ip(), "172.18.3.250");
    // Each form in which a new place is announced.
    let (mac, ip) = (lab.vm("x-b").mac(), lab.vm("x-b").ip());
    lab.vm("x-b").send(&frame::arp((&mac, EVERYONE), 2, (&mac, &ip), (EVERYONE, &ip)));
    for vm in ["l-a", "f-a", "v-a", "x-a", "x-b"] {
        let mac = lab.vm(vm).mac();
        let own = frame::link_local(&mac);
        lab.vm(vm).send(&frame::advertisement(&mac, &own, (&mac, &own)));
        lab.vm(vm).send(&frame::arp((&mac, EVERYONE), 1, (&mac, &lab.vm(vm).ip()), (UNKNOWN, &lab.vm(vm).ip())));
    }
    // Each address is asked for; and, without a word about the asker, whether it is free.
    for vm in ["x-a", "open", "x-b", "free"] {
        let (mac, ip6) = (lab.vm("open").mac(), lab.vm("open").ip6());
        for target in [lab.vm(vm).ip6(), frame::link_local(&lab.vm(vm).mac())] {
            lab.vm("open").send(&frame::solicitation(&mac, &ip6, &target));
            lab.vm("open").send(&frame::solicitation(&mac, "::", &target));
        }
    }
    let (ip6, mac) = (lab.vm("x-a").ip6(), lab.vm("x-a").mac());
    lab.vm("x-a").send(&frame::advertisement(&mac, &ip6, (&mac, &ip6)));
    let advertise =
        |kind: u8| frame::icmpv6(kind, &lab.vm("x-b").mac(), &frame::link_local(&lab.vm("x-b").mac()), &[0; 12]);
    lab.vm("x-b").send(&advertise(134));
}

/// What only an attacker sends, or somebody whose cables are wrong.
fn abuse_it(lab: &Lab) {
    let a = lab.host("a");
    let (mac, ip) = (lab.vm("x-a").mac(), lab.vm("x-b").ip());
    ask(lab, "x-a", &ip, &ip);
    lab.vm("x-a").send(&marked(STRANGER, EVERYONE, "not mine"));
    lab.vm("open").send(&frame::udp6(STRANGER, (546, 547)));
    lab.vm("l-b").send(&frame::udp((STRANGER, EVERYONE), ("0.0.0.0", "255.255.255.255"), (68, 67)));
    lab.vm("x-a").send(&tagged(4095, &marked(&mac, EVERYONE, "from the dead")));
    lab::netns::send_frame(lab.wire("physnet").namespace(), "br0", &tagged(999, &marked(STRANGER, EVERYONE, "stray")));
    // From the bridges' own interfaces, and in VXLAN with a VNI that nobody has.
    for bridge in ["br-int", "br-tun"] {
        assert!(a.exec(&["ip", "link", "set", bridge, "up"]).ok());
        lab::netns::send_frame(a.namespace(), bridge, &marked(STRANGER, EVERYONE, "from the host"));
    }
    // From b's own stack, which neither leaves UDP checksums to the hardware then nor has to ask for a's MAC.
    let link = a.exec(&["cat", "/sys/class/net/br-under/address"]).stdout;
    let neighbour = ["ip", "neigh", "replace", &a.tunnel_ip(), "lladdr", link.trim(), "dev", "br-under"];
    for command in [&["ethtool", "-K", "br-under", "tx", "off"][..], &neighbour] {
        assert!(lab.host("b").exec(command).ok(), "{command:?}");
    }
    let vxlan = [lab::netns::hex("08000000 00270f 00"), marked(STRANGER, EVERYONE, "no such VNI")].concat();
    let target = format!("{}:4789", a.tunnel_ip());
    lab::netns::inside(lab.host("b").namespace(), || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a free port");
        socket.send_to(&vxlan, &target).expect("the underlay takes a packet");
    });
}

#[test]
fn every_flow_is_hit_by_some_packet() {
    let lab = lab();
    use_it(&lab);
    abuse_it(&lab);
    let a = lab.host("a");
    let flows = || ["br-int", "br-tun", "br-phys"].map(|bridge| (bridge, a.flow_packets(bridge)));
    // What is learnt of a populated MAC is never used: populated beats learnt.
    let is_spare = |flow: &FlowLine| match flow.kind() {
        Some(FlowKind::Canary) => true,
        Some(FlowKind::Learnt) => !flow.is_to(PAIR),
        _ => false,
    };
    let is_idle = |flow: &FlowLine| flow.packets == 0 && !is_spare(flow);
    let idle = || -> Vec<String> {
        let all = flows().into_iter();
        let idle = all.flat_map(|(bridge, flows)| {
            flows.into_iter().filter(is_idle).map(move |flow| format!("{bridge}: {flow:?}"))
        });
        idle.collect()
    };
    // The last packets may still be on their way.
    let settled = (0..10).any(|_| idle().is_empty());
    assert!(settled, "{:#?}", idle());

    let kinds =
        |flows: &[FlowLine]| flows.iter().filter_map(|flow| flow.kind()).map(|kind| kind as u8).collect::<Vec<_>>();
    let seen: BTreeSet<u8> = flows().iter().flat_map(|(_, flows)| kinds(flows)).collect();
    // Those of the firewall, which this topology has not, are in `tests/firewall.rs`.
    let here = FlowKind::ALL.iter().filter(|kind| !kind.is_firewall() && !IN_OTHER_LABS.contains(kind));
    let all: BTreeSet<u8> = here.map(|kind| *kind as u8).collect();
    assert_eq!(seen, all, "every kind of flow occurs in this lab");
    let canary = a.flows_of("br-int", FlowKind::Canary);
    assert!(canary.len() == 1 && canary[0].packets == 0, "{canary:?}");
    let status = a.heddle_status();
    for bridge in status["bridges"].as_array().expect("it has bridges") {
        assert!(bridge["rejected"].as_array().is_some_and(Vec::is_empty), "the switch takes every flow: {bridge}");
    }
}
