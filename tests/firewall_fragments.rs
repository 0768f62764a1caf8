//! Fragments. Those whose others never come Open vSwitch's userspace datapath keeps for a while and then lets go with
//! whatever it tracks just then: wherever that goes, they must not come along. And they show no ports: what a port may not
//! send in one piece, it must not send in several.

mod lab;
mod support;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use heddle::pipeline::cookie::Kind;
use lab::{FlowLine, Lab, RawMachines, Vxlan, eventually};
use support::firewall_packet::{About, Body, Ip, Load, Packet, number_of};

/// Open vSwitch keeps fragments for 15 seconds.
const DEADLINE: Duration = Duration::from_secs(40);
const DATAGRAMS: u32 = 20;
const SECURITY: &str = r#"
[security_groups.server]
rules = [
    { direction = "egress" },
    { direction = "ingress", protocol = "udp", port_range = "5000-60000" },
]
"#;

/// `sender` and `receiver` share a network; `stranger` and `neighbour` another one, on the same host.
fn lab() -> Lab {
    let subnets = &["10.0.0.0/24"];
    let lab = Lab::new("fragments").network("red", Vxlan(1), subnets).network("blue", Vxlan(2), subnets);
    let machines = [("sender", "red"), ("receiver", "red"), ("stranger", "blue"), ("neighbour", "blue")];
    let lab = lab.host("a").security(SECURITY);
    let vm =
        |lab: lab::LabBuilder, (name, network)| lab.vm_with("a", name, network, |vm| vm.groups(&["server"]).mute());
    machines.into_iter().fold(lab, vm).start()
}

fn udp(lab: &Lab, (from, to): (&str, &str), port: u16) -> Packet {
    let (from, to) = (lab.vm(from), lab.vm(to));
    let ip = |text: String| text.parse::<IpAddr>().unwrap();
    let body = Body::Ip(Ip::new(ip(from.ip()), ip(to.ip()), Load::Udp { src: 4000, dst: port }));
    Packet { eth_src: from.mac().parse().unwrap(), eth_dst: to.mac().parse().unwrap(), body }
}

fn in_fragments(packet: Packet) -> Packet {
    let Body::Ip(ip) = packet.body else { panic!("it is of IP") };
    Packet { body: Body::Ip(Ip { fragments: true, ..ip }), ..packet }
}

/// How many fragments the host's switch has let go without their others.
fn let_go(lab: &Lab) -> u64 {
    let status = lab.host("a").appctl(&["dpctl/ipf-get-status"]);
    let counts = status.lines().filter_map(|line| line.trim().split_once("frags expired:"));
    counts.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum()
}

#[test]
fn fragments_that_are_let_go_late_come_to_no_other_port() {
    let lab = lab();
    let machines = RawMachines::open(["sender", "receiver", "stranger", "neighbour"].map(|name| lab.vm(name)));
    let fragments = |packet: Packet, number| in_fragments(packet).frames(number);
    let before = let_go(&lab);
    // Many at once: tracking lets go of one at a time, and some of them where a connection is kept. Of half of the
    // datagrams the receiver's rules refuse the first fragment, of the others it is never sent.
    for number in 0..DATAGRAMS {
        let refused = fragments(udp(&lab, ("sender", "receiver"), 80), number);
        refused.iter().for_each(|frame| machines.send("sender", frame));
        let lone = fragments(udp(&lab, ("sender", "receiver"), 5000), DATAGRAMS + number);
        machines.send("sender", &lone[1]);
    }

    // Meanwhile others begin one connection after the other.
    let mut next = 1000;
    let mut heard = BTreeSet::new();
    eventually("the switch lets go of them", DEADLINE, || {
        next += 1;
        let packet = udp(&lab, ("stranger", "neighbour"), 5000 + next as u16);
        machines.send("stranger", &packet.frames(next)[0]);
        let deadline = Instant::now() + DEADLINE;
        loop {
            let (name, frame) = machines.hear(deadline).expect("what is allowed arrives");
            if let Some((number, _)) = number_of(&frame) {
                heard.insert((name.to_owned(), number));
                if number == next {
                    break;
                }
            }
        }
        let_go(&lab) >= before + 2 * u64::from(DATAGRAMS)
    });
    let expected: BTreeSet<(String, u32)> = (1001..=next).map(|number| ("neighbour".into(), number)).collect();
    assert_eq!(heard, expected);
}

/// From this number on, first fragments that do not show what they carry.
const HIDDEN: u32 = 1000;
const OPEN: &str = r#"
[security_groups.tracked]
rules = [{ direction = "egress" }, { direction = "egress", ethertype = "IPv6" }]
[security_groups.untracked]
stateful = false
rules = [{ direction = "egress" }, { direction = "egress", ethertype = "IPv6" }]
"#;

/// A message of a machine to everybody, by what it carries.
fn to_all(lab: &Lab, name: &str, load: Load, ipv6: bool) -> Packet {
    let vm = lab.vm(name);
    let (src, dst, eth_dst) = match ipv6 {
        true => (vm.ip6(), "ff02::1", "33:33:00:00:00:01"),
        false => (vm.ip(), "255.255.255.255", "ff:ff:ff:ff:ff:ff"),
    };
    let body = Body::Ip(Ip::new(src.parse().unwrap(), dst.parse().unwrap(), load));
    Packet { eth_src: vm.mac().parse().unwrap(), eth_dst: eth_dst.parse().unwrap(), body }
}

/// The first fragment of an IPv6 packet whose options (RFC 8200 §4.6) leave no room for what they stand in front of. They
/// are as long as they say, or longer than the fragment.
fn first_without_ports(lab: &Lab, name: &str, options_go_on: bool, number: u32) -> Vec<u8> {
    const UDP: u8 = 17;
    let whole = to_all(lab, name, Load::Udp { src: 547, dst: 546 }, true).frames(number);
    let (ethernet_and_ip, rest) = whole[0].split_at(14 + 40);
    let mut headers = ethernet_and_ip.to_vec();
    // In front of an options header of 8 bytes, a fragment header that says that more follow.
    headers[14 + 4..14 + 7].copy_from_slice(&[0, 16, 44]);
    let fragment = [&[60, 0, 0, 1][..], &number.to_be_bytes()].concat();
    let options = [UDP, u8::from(options_go_on), 1, 4, 0, 0, 0, 0];
    let mark = &rest[rest.len() - 12..];
    [&headers[..], &fragment, &options, mark].concat()
}

#[test]
fn in_fragments_too_a_machine_is_no_dhcp_server_and_no_router() {
    let security = |lab: lab::LabBuilder, group: &'static str| {
        lab.vm_with("a", group, "red", move |vm| vm.groups(&[group]).mute())
    };
    let lab = Lab::new("servers").network("red", Vxlan(1), &["10.0.0.0/24", "2001:db8::/64"]).host("a").security(OPEN);
    let lab = ["tracked", "untracked"].into_iter().fold(lab, security);
    let lab = lab.vm_with("a", "anybody", "red", |vm| vm.port_security(false).mute()).start();
    let machines = RawMachines::open(["tracked", "untracked", "anybody"].map(|name| lab.vm(name)));
    let udp = |src, dst| Load::Udp { src, dst };
    let icmp = |icmp_type| Load::Icmp { icmp_type, code: 0, about: About::Exchange(1) };
    // RFC 7112 has the first fragment tell what it carries. Ports of zero are what it shows where it does not.
    let refused = [
        (udp(67, 68), false),
        (udp(547, 546), true),
        (icmp(134), true),
        (icmp(136), true),
        (udp(0, 0), false),
        (udp(0, 0), true),
        (icmp(0), true),
    ];
    let passes = [(udp(68, 6767), false), (udp(546, 6767), true), (icmp(128), true), (icmp(8), false)];
    let mut number = 0;
    for name in ["tracked", "untracked"] {
        let mut send = |(load, ipv6): (Load, bool)| {
            number += 1;
            let frames = in_fragments(to_all(&lab, name, load, ipv6)).frames(number);
            frames.iter().for_each(|frame| machines.send(name, frame));
            (number, frames.len())
        };
        let first = refused.clone().map(&mut send)[0].0;
        for (options_go_on, number) in [(false, HIDDEN), (true, HIDDEN + 1)] {
            machines.send(name, &first_without_ports(&lab, name, options_go_on, number));
        }
        let mut missing: BTreeSet<(u32, u8)> = BTreeSet::new();
        for (number, frames) in passes.clone().map(&mut send) {
            missing.extend((0..).take(frames).map(|index| (number, index)));
        }
        let deadline = Instant::now() + DEADLINE;
        while !missing.is_empty() {
            let (to, frame) = machines.hear(deadline).unwrap_or_else(|| panic!("{name}: {missing:?} do not arrive"));
            let Some((number, index)) = number_of(&frame).filter(|_| to == "anybody") else { continue };
            assert!(number < HIDDEN, "{name}: a first fragment without ports gets out");
            if !missing.remove(&(number, index)) {
                // The later fragments of a stateless port pass, of no use without their first.
                let about = &refused[(number - first) as usize];
                assert!(index > 0 && name == "untracked", "{name}: fragment {index} of {about:?} gets out");
            }
        }
    }
    let told = |flow: &FlowLine| match flow.kind() {
        Some(Kind::FirewallFragment) => true,
        Some(Kind::PortServerOut) => flow.contains("nw_frag=first") || flow.matching.ends_with("nw_proto=0"),
        _ => false,
    };
    let flows: Vec<FlowLine> = lab.host("a").flow_packets("br-int").into_iter().filter(told).collect();
    assert_eq!(flows.len(), 3 + 2 * 8, "{flows:#?}");
    let untouched: Vec<_> = flows.iter().filter(|flow| flow.packets == 0).collect();
    assert!(untouched.is_empty(), "each of them has seen a packet: {untouched:#?}");
}
