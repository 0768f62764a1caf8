//! Packets that come up to the responders: none makes them panic, and every answer is one that a network takes.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use heddle::agent::preview::Preview;
use heddle::config::{Config, ResponderMode};
use heddle::openflow::numbers::{ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, IP_PROTO_ICMPV6, IP_PROTO_UDP};
use heddle::openflow::packet::{PacketIn, PacketInReason, PacketOut};
use heddle::openflow::{Message, MessageType, PortNo, RawMatch, Reader, Writer};
use heddle::packet::{Arp, Checksum, Ethernet, Icmpv6, Ipv4, Ipv6, Payload, Udp};
use heddle::pipeline::Object;
use heddle::pipeline::cookie::{Kind, cookie};
use heddle::pipeline::tables::{ACCEPTED_INGRESS, BASE_EGRESS};
use heddle::responder::{Answers, Limits, Responder, Role, Snapshot};
use heddle::topology::Topology;

/// A network with everything that is answered, a port of it here and one elsewhere. `examples/fuzz_seeds.rs` asks for
/// their addresses.
const TOPOLOGY: &str = r#"
    nodes.here.tunnel_ip = "192.0.2.1"
    nodes.there.tunnel_ip = "192.0.2.2"
    [networks.blue]
    type = "vxlan"
    segmentation_id = 1001
    [networks.blue.subnets.v4]
    cidr = "10.0.0.0/24"
    gateway_ip = "10.0.0.1"
    enable_dhcp = true
    dns_nameservers = ["10.0.0.53"]
    domain_search = ["lan.example"]
    [networks.blue.subnets.v6]
    cidr = "2001:db8::/64"
    gateway_ip = "2001:db8::1"
    enable_dhcp = true
    ipv6_ra_mode = "dhcpv6-stateful"
    ipv6_address_mode = "dhcpv6-stateful"
    dns_nameservers = ["2001:db8::53"]
    [security_groups.told]
    log = "all"
    rules = [
        { direction = "ingress" },
        { direction = "ingress", protocol = "tcp", port_range = "80" },
        { direction = "ingress", ethertype = "IPv6", protocol = "icmp", icmp_type = 128 },
    ]
    [ports.near]
    network = "blue"
    node = "here"
    security_groups = ["told"]
    mac_address = "fa:16:3e:00:00:01"
    fixed_ips = ["10.0.0.7", "2001:db8::7"]
    [ports.far]
    network = "blue"
    node = "there"
    mac_address = "fa:16:3e:00:00:02"
    fixed_ips = ["10.0.0.8", "2001:db8::8"]
    [ports.router]
    network = "blue"
    node = "here"
    mac_address = "fa:16:3e:00:00:99"
    fixed_ips = ["10.0.0.1", "2001:db8::1"]
"#;

/// What is answered from, and the number of the port `near`.
static HOST: LazyLock<(Arc<Snapshot>, PortNo)> = LazyLock::new(|| {
    let topology = Topology::parse(TOPOLOGY, "topology").unwrap_or_else(|refused| panic!("{refused}"));
    let mut config = Config::defaults("here");
    config.tunnel.arp_responder = ResponderMode::Controller;
    config.tunnel.nd_responder = Some(ResponderMode::Controller);
    let preview = Preview::new(&topology, &config);
    let view = preview.view(&topology);
    let objects: Vec<Object> = view.objects().collect();
    let mut answers = Answers::default();
    answers.update(&view, &objects);
    (answers.snapshot().clone(), preview.bindings.ports["near"])
});

/// The bytes of a PACKET_IN, on each kind of bridge.
pub fn packet_in(bytes: &[u8]) {
    let message = Message::decode(bytes).and_then(|message| message.body_of(MessageType::PACKET_IN));
    let Ok(packet_in) = message.and_then(PacketIn::decode) else { return };
    for role in [Role::Silent, Role::Integration, Role::Tunnel] {
        let mut responder = Responder::new(role, HOST.0.clone(), Limits::none());
        let mut out = Writer::new();
        responder.on_packet_in(&packet_in, Duration::from_secs(1), &mut out);
        check_answers(out.as_slice());
    }
    told(&packet_in);
}

/// The same packet as the firewall tells of it: dropped, then accepted. A record each, and never an answer.
fn told(packet_in: &PacketIn<'_>) {
    let (snapshot, near) = &*HOST;
    let mut responder =
        Responder::new(Role::Integration, snapshot.clone(), Limits::none()).with_security_log(Limits::none());
    let [a, b, c, d] = near.0.to_be_bytes();
    let about_near = [0, 1, 0, 12, 0, 1, 5 << 1, 4, a, b, c, d, 0, 0, 0, 0];
    let mut out = Writer::new();
    for (kind, table_id) in [(Kind::PortForged, BASE_EGRESS), (Kind::PortDelivered, ACCEPTED_INGRESS)] {
        let (reason, cookie) = (PacketInReason::NO_MATCH, cookie(kind, "near"));
        let flow_match = RawMatch::decode(&mut Reader::new(&about_near)).expect("it is one");
        let told = PacketIn { reason, cookie, table_id, flow_match, ..*packet_in };
        responder.on_packet_in(&told, Duration::from_secs(1), &mut out);
    }
    assert!((1..=2).contains(&responder.take_records().len()), "a later fragment is no beginning");
    assert!(out.is_empty(), "what is told of is no question");
}

/// Whole PACKET_OUTs and nothing else.
fn check_answers(mut out: &[u8]) {
    while !out.is_empty() {
        let length = u16::from_be_bytes([out[2], out[3]]);
        let (message, rest) = out.split_at(length.into());
        let message = Message::decode(message).expect("whole messages");
        let body = message.body_of(MessageType::PACKET_OUT).expect("a PACKET_OUT");
        let packet_out = PacketOut::decode(body).expect("a PACKET_OUT decodes");
        // What goes on through the flows is what came; what goes out of a port is an answer.
        let action = packet_out.actions.bytes();
        if action.starts_with(&[0, 0]) {
            check_frame(packet_out.data);
        }
        out = rest;
    }
}

fn check_frame(frame: &[u8]) {
    let frame = Ethernet::decode(Payload::new(frame)).expect("an answer is a frame");
    match frame.eth_type {
        ETH_TYPE_ARP => assert_eq!(Arp::decode(frame.payload).expect("an ARP packet").op, Arp::REPLY),
        ETH_TYPE_IPV4 => check_ipv4(frame.payload),
        ETH_TYPE_IPV6 => check_ipv6(frame.payload),
        other => panic!("an answer of type {other:#06x}"),
    }
}

fn check_ipv4(payload: Payload<'_>) {
    let packet = Ipv4::decode(payload).expect("an IPv4 packet");
    let header = payload.len() - packet.payload.len();
    assert_eq!(Checksum::new().with(&payload.bytes()[..header]).finish(), 0, "the header's checksum");
    assert_eq!(packet.proto, IP_PROTO_UDP);
    let udp = Udp::decode(packet.payload).expect("a datagram");
    assert_eq!(udp.body().expect("its length is right").len(), udp.payload.len());
    let sum = Checksum::of_ipv4(packet.src, packet.dst, packet.proto, udp.length);
    assert_eq!(sum.with(packet.payload.bytes()).finish(), 0, "the datagram's checksum");
}

fn check_ipv6(payload: Payload<'_>) {
    let packet = Ipv6::decode(payload).expect("an IPv6 packet");
    match packet.next_header {
        IP_PROTO_UDP => assert!(Udp::decode(packet.payload).and_then(|udp| udp.body()).is_ok()),
        IP_PROTO_ICMPV6 => assert!(Icmpv6::decode(packet.payload).is_ok()),
        other => panic!("an answer of protocol {other}"),
    }
    let length = u16::try_from(packet.payload.len()).expect("a packet fits a message");
    let sum = Checksum::of_ipv6(packet.src, packet.dst, packet.next_header, length);
    assert_eq!(sum.with(packet.payload.bytes()).finish(), 0, "the segment's checksum");
}
