//! Fragments whose others never come: Open vSwitch's userspace datapath keeps them for a while and then lets them go
//! with whatever it tracks just then. Wherever that goes, they must not come along.

mod lab;
mod support;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use lab::{Lab, RawMachines, Vxlan, eventually};
use support::firewall_packet::{Body, Ip, Load, Packet, number_of};

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
    let fragments = |packet: Packet, number| {
        let Body::Ip(ip) = packet.body else { panic!("it is of IP") };
        Packet { body: Body::Ip(Ip { fragments: true, ..ip }), ..packet }.frames(number)
    };
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
