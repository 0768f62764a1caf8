//! IPv6 neighbour discovery over VXLAN: solicitations for known addresses are answered on the asker's host, by flows
//! or by Heddle; everything else goes its way.

mod lab;

use std::fs;
use std::time::Duration;

use heddle::pipeline::cookie::Kind as FlowKind;
use lab::frame::{self, EVERYONE, link_local, marked};
use lab::{Capture, Frame, Lab, LabBuilder, Vm, Vxlan, eventually};

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const ALL_NODES: &str = "33:33:00:00:00:01";
/// Flags of an advertisement: it answers a solicitation, and replaces what is cached.
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// How soon something that was sent has had its effect.
const SOON: Duration = Duration::from_secs(5);

/// Each way in which solicitations are answered.
const WAYS: [(&str, &str); 2] = [("flows", "true"), ("controller", "\"controller\"")];

/// `blue`: x-a and y-a on a, x-b on b, and whatever the test adds.
fn answering(name: &str, way: &str) -> LabBuilder {
    Lab::new(name)
        .config_all(&format!("[tunnel]\nnd_responder = {way}"))
        .network("blue", Vxlan(1001), &["172.18.0.0/24", "2001:db8::/64"])
        .host("a")
        .host("b")
        .host("c")
        .vm("a", "x-a", "blue")
        .vm("a", "y-a", "blue")
        .vm("b", "x-b", "blue")
}

/// Whatever the VM has sent before this has arrived wherever it was to arrive on that host, or it never will.
fn settle(lab: &Lab, from: &str, to: &str, text: &str) {
    let capture = lab.vm(to).capture();
    lab.vm(from).send(&marked(&lab.vm(from).mac(), EVERYONE, text));
    capture.await_marked(text);
}

fn solicit(vm: &Vm<'_>, target: &str) {
    vm.send(&frame::solicitation(&vm.mac(), &vm.ip6(), target));
}

fn advertisements(capture: &Capture, target: &str) -> Vec<Frame> {
    let mut frames = capture.frames();
    frames.retain(|frame| frame.is_nd_of(ADVERTISEMENT, target));
    frames
}

/// The kernel's word for what it knows of a neighbour.
fn neighbor(vm: &Vm<'_>, ip: &str) -> String {
    vm.exec(&["ip", "-6", "neigh", "show", ip]).stdout
}

#[test]
fn a_solicitation_of_a_known_address_is_answered_once_and_never_crosses() {
    for (name, way) in WAYS {
        let lab = answering(&format!("nd-{name}"), way).start();
        let (asker, underlay) = (lab.vm("x-a"), lab.capture_underlay());
        let (ip, mac) = (lab.vm("x-b").ip6(), lab.vm("x-b").mac());
        let seen = asker.capture();
        for (target, number) in [(ip.clone(), 1), (link_local(&mac), 2)] {
            solicit(&asker, &target);
            eventually("the solicitation is answered", SOON, || !advertisements(&seen, &target).is_empty());
            settle(&lab, "x-a", "x-b", &format!("asked {number}"));
            let answers = advertisements(&seen, &target);
            assert_eq!(answers.len(), 1, "{}", seen.text("icmp6"));
            assert_eq!(answers[0].nd_flags(), Some(SOLICITED | OVERRIDE));
            assert!(answers[0].is_from(&mac) && answers[0].is_to(&asker.mac()), "{answers:?}");
        }
        // The kernel's own questions, to everybody and to one, and its judgement of the answers.
        asker.flush_neighbors();
        asker.assert_ping6("x-b");
        lab.vm("x-b").assert_ping6("x-a");
        eventually("the neighbour is reachable", SOON, || neighbor(&asker, &ip).contains("REACHABLE"));
        let probe = ["ip", "neigh", "replace", &ip, "dev", "eth0", "lladdr", &mac, "nud", "probe"];
        assert!(asker.exec(&probe).ok());
        eventually("the neighbour is confirmed", SOON, || neighbor(&asker, &ip).contains("REACHABLE"));
        assert!(neighbor(&asker, &ip).contains(&mac));
        settle(&lab, "x-a", "x-b", "pinged");
        let crossed = underlay
            .count_vxlan(|frame| frame.is_nd_of(SOLICITATION, &ip) || frame.is_nd_of(SOLICITATION, &asker.ip6()));
        assert_eq!(crossed, 0, "{}", underlay.text("udp"));

        // A neighbour of the same host answers itself, and nobody else is asked.
        lab.vm("y-a").assert_ping6("x-a");
        let near = lab.vm("y-a").ip6();
        solicit(&asker, &near);
        eventually("the neighbour answers", SOON, || !advertisements(&seen, &near).is_empty());
        settle(&lab, "x-a", "x-b", "asked a neighbour");
        assert_eq!(underlay.count_vxlan(|frame| frame.is_nd_of(SOLICITATION, &near)), 0);

        // An unknown address is asked of the other nodes of the network, once, and not of those that have none of it.
        let unknown = "2001:db8::99";
        solicit(&asker, unknown);
        settle(&lab, "x-a", "x-b", "asked for the unknown");
        let asked = underlay.vxlan_destinations(|frame| frame.is_nd_of(SOLICITATION, unknown));
        assert_eq!(asked, [lab.host("b").tunnel_ip()], "{way}");
        assert!(advertisements(&seen, unknown).is_empty());
        let kinds: &[FlowKind] = match name {
            "flows" => &[FlowKind::Solicitation, FlowKind::PortNdAnswer, FlowKind::Advertise, FlowKind::PortNdLocal],
            _ => &[FlowKind::Solicitation, FlowKind::SolicitationToHeddle],
        };
        lab.host("a").assert_hit("br-tun", kinds);
        if name == "controller" {
            assert_eq!(lab.host("a").flows_of("br-tun", FlowKind::PortNdAnswer).len(), 0, "one flow for all");
        }
    }
}

#[test]
fn duplicate_address_detection_fails_if_and_only_if_the_address_is_taken() {
    for (name, way) in WAYS {
        let lab = answering(&format!("dad-{name}"), way)
            .vm_with("a", "free", "blue", |vm| vm.port_security(false).dad())
            .vm_with("b", "off", "blue", |vm| vm.unplugged())
            .start();
        let (free, underlay) = (lab.vm("free"), lab.capture_underlay());
        let add = |ip: &str| assert!(free.exec(&["ip", "addr", "add", &format!("{ip}/64"), "dev", "eth0"]).ok());
        let seen = free.capture();
        // It does not run, and its address is taken all the same: the topology gives it to nobody else.
        for taken in [lab.vm("x-b").ip6(), lab.vm("off").ip6()] {
            add(&taken);
            assert!(free.own_address(&taken).contains("dadfailed"), "{way}: {taken} is taken");
            let answers = advertisements(&seen, &taken);
            assert!(!answers.is_empty(), "{}", seen.text("icmp6"));
            assert!(answers.iter().all(|answer| answer.is_to(ALL_NODES) && answer.nd_flags() == Some(OVERRIDE)));
            settle(&lab, "free", "x-b", &format!("probed {taken}"));
            let crossed = underlay.count_vxlan(|frame| frame.is_nd_of(SOLICITATION, &taken));
            assert_eq!(crossed, 0, "{way}: never both an answer and a flood");
        }
        let unused = "2001:db8::77";
        add(unused);
        assert!(!free.own_address(unused).contains("dadfailed"), "{way}: nobody has {unused}");
        settle(&lab, "free", "x-b", "probed what nobody has");
        let probe = |frame: &Frame| frame.is_nd_of(SOLICITATION, unused);
        assert!(underlay.count_vxlan(probe) >= 1, "everyone is asked");
        assert!(advertisements(&seen, unused).iter().all(|answer| answer.is_from(&free.mac())));
        // The owner of a known address has moved here before anybody said so: it must not be told that it is taken.
        let (ip, mac) = (lab.vm("x-b").ip6(), lab.vm("x-b").mac());
        let before = advertisements(&seen, &ip).len();
        free.send(&frame::solicitation(&mac, "::", &ip));
        settle(&lab, "free", "x-b", "probed one's own");
        let answers = advertisements(&seen, &ip);
        assert!(
            answers[before..].iter().all(|answer| answer.nd_flags() == Some(OVERRIDE)),
            "{way}: only the owner's own"
        );
        assert_eq!(underlay.count_vxlan(|frame| frame.is_nd_of(SOLICITATION, &ip)), 1, "{way}: everyone is asked");
        lab.host("a").assert_hit("br-tun", &[FlowKind::SolicitationToHeddle]);
    }
}

#[test]
fn a_port_that_moved_is_asked_for_and_reached_at_its_new_host() {
    for (name, way) in WAYS {
        let lab = answering(&format!("nd-move-{name}"), way).vm("c", "x-c", "blue").start();
        let (asker, mac) = (lab.vm("x-a"), lab.vm("x-b").mac());
        asker.assert_ping6("x-b");
        for (host, mate) in [("c", "x-c"), ("a", "y-a")] {
            lab.move_port("x-b", host);
            lab.move_vm("x-b", host);
            lab.wait_ready();
            asker.flush_neighbors();
            asker.assert_ping6("x-b");
            lab.vm(mate).assert_ping6("x-b");
            assert!(neighbor(&asker, &lab.vm("x-b").ip6()).contains(&mac));
        }
    }
}

#[test]
fn a_network_that_says_so_is_left_to_its_owners() {
    for (name, way) in WAYS {
        let lab = answering(&format!("nd-off-{name}"), way)
            .network("quiet", Vxlan(1002), &["2001:db8:1::/64"])
            .vm("a", "q-a", "quiet")
            .vm("b", "q-b", "quiet")
            .start();
        let rewrite = |from: &str, to: &str| {
            let text = fs::read_to_string(lab.host("a").dir().join("topology.toml")).expect("it was written");
            assert!(text.contains(from), "{text}");
            lab.write_topology(&text.replace(from, to));
        };
        let underlay = lab.capture_underlay();
        let target = lab.vm("q-b").ip6();
        let crossed = || underlay.count_vxlan(|frame| frame.is_nd_of(SOLICITATION, &target));
        let ask = |text: &str| {
            solicit(&lab.vm("q-a"), &target);
            settle(&lab, "q-a", "q-b", text);
        };
        ask("answered here");
        assert_eq!(crossed(), 0);
        rewrite("[networks.quiet]\n", "[networks.quiet]\nnd_responder = false\n");
        eventually("no flow is there for the addresses of quiet", SOON, || {
            ask("answered there");
            crossed() > 0
        });
        let before = crossed();
        ask("answered there again");
        assert_eq!(crossed(), before + 1, "flooded once");
        lab.vm("q-a").flush_neighbors();
        lab.vm("q-a").assert_ping6("q-b");
        // And back, without a restart.
        rewrite("nd_responder = false\n", "");
        eventually("solicitations stay at home", SOON, || {
            let before = crossed();
            ask("answered here again");
            crossed() == before
        });
    }
}

#[test]
fn without_l2_population_nobody_answers_for_others() {
    let lab = answering("nd-learn", "true").config_all("[tunnel]\nl2_population = false").start();
    let (underlay, target) = (lab.capture_underlay(), lab.vm("x-b").ip6());
    let seen = lab.vm("x-a").capture();
    solicit(&lab.vm("x-a"), &target);
    eventually("the owner answers", SOON, || !advertisements(&seen, &target).is_empty());
    settle(&lab, "x-a", "x-b", "asked");
    assert_eq!(advertisements(&seen, &target).len(), 1);
    assert_eq!(underlay.count_vxlan(|frame| frame.is_nd_of(SOLICITATION, &target)), 1);
    lab.vm("x-a").assert_ping6("x-b");
    for kind in [FlowKind::Solicitation, FlowKind::PortNdAnswer, FlowKind::SolicitationToHeddle] {
        assert!(lab.host("a").flows_of("br-tun", kind).is_empty());
    }
}
