//! Packets are answered without allocating: counted by an allocator that counts, on this test's own thread.
#![allow(
    unsafe_code,
    reason = "an allocator is unsafe by its definition; this one hands everything on to the system's"
)]

#[path = "support/packet_in.rs"]
#[allow(unreachable_pub, reason = "shared with other tests")]
mod packet_in;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use heddle::agent::preview::Preview;
use heddle::config::{Config, ResponderMode};
use heddle::openflow::matching::ETH_TYPE_VLAN;
use heddle::openflow::packet::{PacketIn, PacketInReason};
use heddle::openflow::{MacAddr, Message, PortNo, Writer};
use heddle::packet::build::{Frame, Ipv4Header, Ipv6Header, Ports};
use heddle::packet::{Arp, VlanTag};
use heddle::responder::{Answers, Limits, Rate, Responder, Role, Snapshot, Topic, Verdict};
use heddle::topology::Topology;
use packet_in::packet_in;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's allocator does the work, and counting in a constant-initialized thread local allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

const GUEST: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
const OTHER: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 2]);
const PACKETS: u64 = 1000;

/// A port here that is given its address, and one elsewhere that is asked for.
const TOPOLOGY: &str = r#"
nodes.one.tunnel_ip = "192.0.2.1"
nodes.two.tunnel_ip = "192.0.2.2"
[networks.blue]
type = "vxlan"
segmentation_id = 1001
[networks.blue.subnets.v4]
cidr = "10.0.0.0/24"
gateway_ip = "10.0.0.1"
enable_dhcp = true
dns_nameservers = ["10.0.0.53"]
domain_search = ["lab.example"]
[networks.blue.subnets.v6]
cidr = "2001:db8::/64"
[ports.a]
network = "blue"
node = "one"
mac_address = "fa:16:3e:00:00:01"
fixed_ips = ["10.0.0.5", "2001:db8::5"]
[ports.b]
network = "blue"
node = "two"
mac_address = "fa:16:3e:00:00:02"
fixed_ips = ["10.0.0.6", "2001:db8::6"]
"#;

/// What is answered from, the local VLAN of the network and the number of the local port.
fn snapshot() -> (Arc<Snapshot>, u16, PortNo) {
    let topology = Topology::parse(TOPOLOGY, "t").expect("it is a topology");
    let mut config = Config::defaults("one");
    config.tunnel.arp_responder = ResponderMode::Controller;
    config.tunnel.nd_responder = Some(ResponderMode::Controller);
    let preview = Preview::new(&topology, &config);
    let view = preview.view(&topology);
    let mut answers = Answers::default();
    answers.update(&view, &view.objects().collect::<Vec<_>>());
    let vlan = view.local_vlan("blue").expect("the network is in use").vid();
    let (_, port) = preview.bindings.ports.iter().next().expect("a port is bound");
    (answers.snapshot().clone(), vlan, *port)
}

/// What comes up when this frame comes in.
fn frame_in(in_port: PortNo, build: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut frame = Writer::new();
    build(&mut frame);
    packet_in(in_port, PacketInReason::ACTION, frame.as_slice())
}

fn frame(dst: MacAddr, vlan: Option<u16>) -> Frame {
    Frame { dst, src: GUEST, tags: [vlan.map(|tci| VlanTag { tpid: ETH_TYPE_VLAN, tci }), None] }
}

fn arp_request(vlan: u16) -> Vec<u8> {
    let (spa, tpa) = (Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::new(10, 0, 0, 6));
    let request = Arp { op: Arp::REQUEST, sha: GUEST, spa, tha: MacAddr::default(), tpa };
    frame_in(PortNo(1), |writer| frame(MacAddr::BROADCAST, Some(vlan)).arp(&request, writer))
}

fn solicitation(vlan: u16) -> Vec<u8> {
    let target = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 6);
    let dst = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 6);
    frame_in(PortNo(1), |writer| {
        frame(MacAddr([0x33, 0x33, 0xff, 0, 0, 6]), Some(vlan)).ipv6(writer);
        let header = Ipv6Header { src: GUEST.link_local_ipv6(), dst, hop_limit: 255 };
        let sent = header.icmpv6(writer, |writer| {
            writer.bytes(&[135, 0, 0, 0, 0, 0, 0, 0]);
            writer.bytes(&target.octets());
            writer.bytes(&[1, 1]);
            writer.bytes(&GUEST.0);
            Ok(())
        });
        sent.expect("it is short");
    })
}

fn discover(in_port: PortNo) -> Vec<u8> {
    frame_in(in_port, |writer| {
        frame(MacAddr::BROADCAST, None).ipv4(writer);
        let header = Ipv4Header { src: Ipv4Addr::UNSPECIFIED, dst: Ipv4Addr::BROADCAST, ttl: 64 };
        let sent = header.udp(Ports { src: 68, dst: 67 }, writer, |writer| {
            writer.bytes(&[1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0]);
            writer.zeros(16);
            writer.bytes(&GUEST.0);
            writer.zeros(10 + 192);
            writer.bytes(&[0x63, 0x82, 0x53, 0x63, 53, 1, 1, 55, 7, 1, 3, 6, 15, 26, 119, 121, 255]);
            Ok(())
        });
        sent.expect("it is short");
    })
}

/// Allocations while `responder` answers so many packets, all of which it answers, of `topic`.
fn allocations(mut responder: Responder, topic: Topic, messages: &[Vec<u8>]) -> u64 {
    let mut out = Writer::new();
    let mut answer = |count: u64| {
        for message in messages.iter().cycle().take(count as usize) {
            out.clear();
            let message = Message::decode(message).expect("it is a message");
            let packet_in = PacketIn::decode(message.body).expect("it is a PACKET_IN");
            responder.foresee([packet_in].iter());
            responder.on_packet_in(&packet_in, Duration::from_secs(1), &mut out);
            assert!(!out.is_empty(), "{topic:?} is answered");
        }
    };
    answer(10);
    let before = ALLOCATIONS.get();
    answer(PACKETS);
    let made = ALLOCATIONS.get() - before;
    assert_eq!(responder.tally().of(topic, Verdict::Answered), 10 + PACKETS);
    made
}

#[test]
fn the_allocator_of_this_test_counts() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATIONS.get() - before, 1);
}

#[test]
fn answers_to_arp_and_neighbor_solicitations_allocate_nothing() {
    let (snapshot, vlan, _) = snapshot();
    let responder = || Responder::new(Role::Tunnel, snapshot.clone(), limits());
    assert_eq!(allocations(responder(), Topic::Arp, &[arp_request(vlan)]), 0);
    assert_eq!(allocations(responder(), Topic::Nd, &[solicitation(vlan)]), 0);
}

#[test]
fn answers_to_dhcp_clients_allocate_nothing() {
    let (snapshot, _, port) = snapshot();
    let responder = Responder::new(Role::Integration, snapshot, limits());
    assert_eq!(allocations(responder, Topic::Dhcpv4, &[discover(port)]), 0);
}

#[test]
fn a_learning_bridge_floods_and_writes_flows_without_allocating() {
    let from = |src, dst, port| {
        frame_in(PortNo(port), |writer| {
            Frame { dst, src, tags: [None, None] }.ipv4(writer);
            writer.zeros(64);
        })
    };
    // A broadcast is flooded, the others go to a station that was heard.
    let messages = [from(GUEST, MacAddr::BROADCAST, 1), from(OTHER, GUEST, 2), from(GUEST, OTHER, 1)];
    assert_eq!(allocations(Responder::learning(), Topic::Learning, &messages), 0);
}

/// High enough never to be met, so that they are looked at.
fn limits() -> Limits {
    Limits::new(Rate::per_second(1_000_000), Rate::per_second(1_000_000))
}
