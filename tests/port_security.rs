//! Port security: a port sends from its own MAC, and ARP and neighbour advertisements for its own addresses only.

mod lab;

use std::time::Duration;

use heddle::pipeline::cookie::Kind as FlowKind;
use lab::frame::{EVERYONE, advertisement, arp, link_local, marked};
use lab::{Capture, FlowLine, Frame, Lab, Vm, VmSpec, Vxlan, eventually};

/// How soon a change of the topology is in effect on a host.
const SOON: Duration = Duration::from_secs(5);
const UNKNOWN: &str = "00:00:00:00:00:00";
const OTHER_MAC: &str = "fa:16:3e:00:99:99";
const OTHER_IP: &str = "172.18.0.99";
const OTHER_IP6: &str = "2001:db8::99";

/// VM `vm` on host a, changed as a test wants it; `near` beside it, and `far` on host b.
fn secured(name: &str, change: impl FnOnce(VmSpec) -> VmSpec) -> Lab {
    Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24", "2001:db8::/64"])
        .host("a")
        .host("b")
        .vm_with("a", "vm", "blue", change)
        .vm("a", "near", "blue")
        .vm("b", "far", "blue")
        .start()
}

/// What a VM may try to send.
struct Try {
    what: &'static str,
    frame: Vec<u8>,
    /// With port security and no address pairs.
    passes: bool,
}

/// Everything of interest that `vm` may send, to everyone.
fn tries(vm: &Vm<'_>) -> Vec<Try> {
    let (mac, ip, ip6) = (&*vm.mac(), &*vm.ip(), &*vm.ip6());
    let own = &*link_local(mac);
    let request = |source, sender, ip| arp((source, EVERYONE), 1, (sender, ip), (UNKNOWN, "172.18.0.250"));
    let reply = |source, sender, ip| arp((source, EVERYONE), 2, (sender, ip), (EVERYONE, "172.18.0.250"));
    let tries = [
        ("own MAC", marked(mac, EVERYONE, "own MAC"), true),
        ("another MAC", marked(OTHER_MAC, EVERYONE, "another MAC"), false),
        ("a request", request(mac, mac, ip), true),
        ("a request from another address", request(mac, mac, OTHER_IP), false),
        ("a request from another MAC", request(OTHER_MAC, mac, ip), false),
        ("a reply", reply(mac, mac, ip), true),
        ("a reply for another address", reply(mac, mac, OTHER_IP), false),
        ("a reply from another MAC", reply(OTHER_MAC, mac, ip), false),
        ("an advertisement", advertisement(mac, ip6, (mac, ip6)), true),
        ("an advertisement of the link-local address", advertisement(mac, own, (mac, own)), true),
        ("an advertisement of another address", advertisement(mac, ip6, (mac, OTHER_IP6)), false),
        ("an advertisement of another link-local address", advertisement(mac, own, (mac, "fe80::99")), false),
        ("an advertisement from another MAC", advertisement(OTHER_MAC, ip6, (mac, ip6)), false),
    ];
    tries.map(|(what, frame, passes)| Try { what, frame, passes }).into()
}

/// Sends all tries, then a frame that passes; returns what of them has come to each of the captures.
fn send_all(vm: &Vm<'_>, tries: &[Try], captures: &[&Capture], round: &str) -> Vec<Vec<&'static str>> {
    tries.iter().for_each(|one| vm.send(&one.frame));
    vm.send(&marked(&vm.mac(), EVERYONE, round));
    captures.iter().for_each(|capture| capture.await_marked(round));
    let come = |capture: &&Capture, one: &Try| {
        let wanted = Frame::parse(&one.frame).unwrap();
        capture.count(|frame| *frame == wanted) > 0
    };
    let through = |capture| tries.iter().filter(|one| come(capture, one)).map(|one| one.what).collect();
    captures.iter().map(through).collect()
}

/// The flows that say what the port of `vm` may send.
fn flows(lab: &Lab) -> Vec<FlowLine> {
    let port = lab.host("a").ofport("tap-vm").expect("it is plugged");
    let of_port = |flow: &FlowLine| flow.matching.split(',').any(|field| field == format!("in_port={port}"));
    lab.host("a").flow_packets("br-int").into_iter().filter(of_port).collect()
}

#[test]
fn only_what_belongs_to_the_port_leaves_it() {
    let lab = secured("secured", |vm| vm);
    let (vm, near, far) = (lab.vm("vm"), lab.vm("near").capture(), lab.vm("far").capture());
    let tries = tries(&vm);
    let expected: Vec<_> = tries.iter().filter(|one| one.passes).map(|one| one.what).collect();
    assert_eq!(send_all(&vm, &tries, &[&near, &far], "sent"), [expected.clone(), expected]);
    for target in ["near", "far"] {
        vm.assert_ping(target);
        vm.assert_ping6(target);
        lab.vm(target).assert_ping("vm");
        lab.vm(target).assert_ping6("vm");
    }
    let kinds = [
        FlowKind::PortArp,
        FlowKind::PortAdvertisement,
        FlowKind::PortMac,
        FlowKind::PortArpAllowed,
        FlowKind::PortAdvertisementAllowed,
        FlowKind::PortMacAllowed,
    ];
    lab.host("a").assert_hit("br-int", &kinds);
    let untouched: Vec<_> = flows(&lab).into_iter().filter(|flow| flow.packets == 0).collect();
    assert!(untouched.is_empty(), "each flow of the port has seen a packet: {untouched:#?}");
    for table in [24, 25] {
        assert!(lab.host("a").packets_in("br-int", table, "drop") > 0, "what is refused is dropped in table {table}");
    }
}

#[test]
fn address_pairs_let_more_addresses_and_macs_out() {
    let lab = secured("pairs", |vm| {
        vm.allow("172.18.0.77", None)
            .allow("172.18.0.64/29", None)
            .allow("2001:db8::40/124", None)
            .allow(OTHER_IP, Some(OTHER_MAC))
            .allow(OTHER_IP6, Some(OTHER_MAC))
    });
    let (vm, far) = (lab.vm("vm"), lab.vm("far").capture());
    let (mac, other) = (&*vm.mac(), OTHER_MAC);
    let say = |source: &str, ip: &str| arp((source, EVERYONE), 2, (source, ip), (EVERYONE, ip));
    let claim = |source: &str, ip: &str| advertisement(source, &link_local(source), (source, ip));
    let tries: Vec<_> = [
        ("single", say(mac, "172.18.0.77"), true),
        ("beside the single one", say(mac, "172.18.0.78"), false),
        ("first of the prefix", say(mac, "172.18.0.64"), true),
        ("last of the prefix", say(mac, "172.18.0.71"), true),
        ("after the prefix", say(mac, "172.18.0.72"), false),
        ("in the IPv6 prefix", claim(mac, "2001:db8::4f"), true),
        ("after the IPv6 prefix", claim(mac, "2001:db8::50"), false),
        ("other MAC", marked(other, EVERYONE, "other"), true),
        ("other MAC and its address", say(other, OTHER_IP), true),
        ("other MAC and its IPv6 address", claim(other, OTHER_IP6), true),
        ("other MAC and its link-local address", claim(other, &link_local(other)), true),
        ("a third MAC", marked("fa:16:3e:00:99:98", EVERYONE, "third"), false),
        ("a third MAC with an allowed address", say("fa:16:3e:00:99:98", OTHER_IP), false),
    ]
    .into_iter()
    .map(|(what, frame, passes)| Try { what, frame, passes })
    .collect();
    let expected: Vec<_> = tries.iter().filter(|one| one.passes).map(|one| one.what).collect();
    assert_eq!(send_all(&vm, &tries, &[&far], "sent"), [expected]);

    // And an address of a pair is of use.
    assert!(vm.exec(&["ip", "addr", "add", "172.18.0.77/24", "dev", "eth0"]).ok());
    lab.vm("far").assert_ping("172.18.0.77");
    lab.vm("near").assert_ping("172.18.0.77");
}

#[test]
fn a_pair_of_every_address_allows_every_address_but_no_other_mac() {
    let lab = secured("any", |vm| vm.allow("0.0.0.0/0", None).allow("::/0", None));
    let (vm, far) = (lab.vm("vm"), lab.vm("far").capture());
    let tries = tries(&vm);
    let from_own_mac = |one: &&Try| Frame::parse(&one.frame).unwrap().is_from(&vm.mac());
    let expected: Vec<_> = tries.iter().filter(from_own_mac).map(|one| one.what).collect();
    assert_eq!(expected.len(), tries.len() - 4);
    assert_eq!(send_all(&vm, &tries, &[&far], "sent"), [expected]);
}

#[test]
fn port_security_is_switched_off_and_on_while_it_runs() {
    let lab = secured("toggle", |vm| vm);
    let vm = lab.vm("vm");
    let tries = tries(&vm);
    let all: Vec<_> = tries.iter().map(|one| one.what).collect();
    let allowed: Vec<_> = tries.iter().filter(|one| one.passes).map(|one| one.what).collect();
    let shape =
        || -> Vec<_> { flows(&lab).into_iter().map(|f| (f.table, f.priority, f.matching, f.actions)).collect() };
    let before = shape();
    assert!(before.iter().any(|flow| flow.0 == 24) && before.iter().any(|flow| flow.0 == 25));
    for (round, secure) in [("on", true), ("off", false), ("on again", true), ("off again", false)] {
        lab.edit_topology(|topology| topology.port("vm").port_security = Some(secure));
        eventually(&format!("port security is {round}"), SOON, || {
            let open = flows(&lab).iter().any(|flow| flow.kind() == Some(FlowKind::PortOpen));
            open != secure
        });
        let far = lab.vm("far").capture();
        let expected = if secure { allowed.clone() } else { all.clone() };
        assert_eq!(send_all(&vm, &tries, &[&far], round), [expected], "port security is {round}");
        if secure {
            assert_eq!(shape(), before, "port security is {round}");
        } else {
            let left: Vec<_> = shape().into_iter().filter(|flow| flow.0 != 0).collect();
            assert_eq!(left, [], "nothing is left in the tables of port security");
            lab.host("a").assert_hit("br-int", &[FlowKind::PortOpen]);
        }
    }
}

#[test]
fn pairs_come_and_go_while_it_runs() {
    let lab = secured("change", |vm| vm);
    let vm = lab.vm("vm");
    let before = flows(&lab).len();
    let frame = arp((OTHER_MAC, EVERYONE), 2, (OTHER_MAC, OTHER_IP), (EVERYONE, OTHER_IP));
    let tries = [Try { what: "pair", frame, passes: false }];
    for round in ["first", "second"] {
        lab.edit_topology(|topology| {
            topology.port("vm").allowed_address_pairs.push((OTHER_IP.into(), Some(OTHER_MAC.into())));
        });
        eventually("the pair is allowed", SOON, || flows(&lab).len() == before + 3);
        let far = lab.vm("far").capture();
        assert_eq!(send_all(&vm, &tries, &[&far], round), [["pair"]]);
        lab.edit_topology(|topology| topology.port("vm").allowed_address_pairs.clear());
        eventually("nothing of the pair is left", SOON, || flows(&lab).len() == before);
        let far = lab.vm("far").capture();
        assert_eq!(send_all(&vm, &tries, &[&far], &format!("{round}, gone")), [Vec::<&str>::new()]);
    }
}

#[test]
fn a_port_cannot_answer_arp_or_solicitations_for_another() {
    let lab = secured("answers", |vm| vm);
    let (vm, near) = (lab.vm("vm"), lab.vm("near"));
    // vm takes an address that is not its own: its kernel answers for it, and nobody hears that.
    for address in [format!("{OTHER_IP}/24"), format!("{OTHER_IP6}/64")] {
        assert!(vm.exec(&["ip", "addr", "add", &address, "dev", "eth0"]).ok());
    }
    let tap = lab.host("a").capture("tap-vm");
    for asker in [near, lab.vm("far")] {
        assert_eq!(asker.arping(OTHER_IP), None);
        asker.assert_no_ping6(OTHER_IP6);
        assert_eq!(asker.arping("vm"), Some(vm.mac()), "its own it may");
    }
    assert!(tap.count(|frame| frame.is_arp_reply() && frame.is_arp_of(OTHER_IP)) >= 2, "{}", tap.text("arp"));
    assert!(tap.count(|frame| frame.is_icmpv6(136)) >= 2, "{}", tap.text("icmp6"));
}

#[test]
fn ipv6_works_with_duplicate_address_detection() {
    let lab = Lab::new("dad")
        .network("blue", Vxlan(1001), &["2001:db8::/64"])
        .host("a")
        .host("b")
        .vm_with("a", "v6-a", "blue", VmSpec::dad)
        .vm_with("b", "v6-b", "blue", VmSpec::dad)
        .vm_with("b", "thief", "blue", |vm| vm.dad().port_security(false))
        .start();
    for vm in ["v6-a", "v6-b"] {
        let state = || lab.vm(vm).exec(&["ip", "-6", "addr", "show", "dev", "eth0"]).stdout;
        eventually("addresses are no longer tentative", SOON, || !state().contains("tentative"));
        assert!(!state().contains("dadfailed"), "{}", state());
    }
    lab.vm("v6-a").assert_ping6("v6-b");
    lab.vm("v6-b").assert_ping6("v6-a");
    lab.vm("v6-b").assert_ping6(&format!("{}%eth0", link_local(&lab.vm("v6-a").mac())));
    // Who takes an address in use hears from its owner, who passes for it.
    let taken = format!("{}/64", lab.vm("v6-a").ip6());
    assert!(lab.vm("thief").exec(&["ip", "addr", "add", &taken, "dev", "eth0"]).ok());
    eventually("the thief finds out", SOON, || {
        lab.vm("thief").exec(&["ip", "-6", "addr", "show", "dev", "eth0"]).stdout.contains("dadfailed")
    });
    lab.vm("v6-b").assert_ping6("v6-a");
}
