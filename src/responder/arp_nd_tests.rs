//! Questions for addresses, from topology to PACKET_OUT; and what each change of the topology does to the answers.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::*;
use crate::agent::preview::Preview;
use crate::config::{Config, ResponderMode};
use crate::openflow::packet::{NO_BUFFER, PacketInReason, PacketOut};
use crate::openflow::{Action, Cookie, MacAddr, PortNo, RawMatch, Reader, TableId};
use crate::packet::build::{Frame, Ipv6Header};
use crate::packet::checksum::Checksum;
use crate::packet::{Arp, Ethernet, Icmpv6, Ipv6, NdOption, Payload, VlanTag};
use crate::pipeline::tables::{FLOOD_TO_TUN, UCAST_TO_TUN};
use crate::pipeline::{AnsweredBy, Object};
use crate::topology::{Port, Topology};

const TOPOLOGY: &str = r#"
    nodes.one.tunnel_ip = "192.0.2.1"
    nodes.two.tunnel_ip = "192.0.2.2"
    [networks]
    blue = { type = "vxlan", segmentation_id = 1, subnets = { v4 = { cidr = "10.0.0.0/24", gateway_ip = "10.0.0.4" }, v6 = { cidr = "2001:db8::/64" } } }
    mute = { type = "vxlan", segmentation_id = 2, arp_responder = false, nd_responder = false, subnets = { v4 = { cidr = "10.0.0.0/24" }, v6 = { cidr = "2001:db8::/64" } } }
    wire = { type = "local", subnets = { v4 = { cidr = "10.0.0.0/24" } } }
    [ports]
    own = { network = "blue", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.1", "2001:db8::1"] }
    near = { network = "blue", node = "one", mac_address = "fa:16:3e:00:00:03", fixed_ips = ["10.0.0.3", "2001:db8::3"] }
    far = { network = "blue", node = "two", mac_address = "fa:16:3e:00:00:02", fixed_ips = ["10.0.0.2", "2001:db8::2"] }
    gateway = { network = "blue", node = "two", mac_address = "fa:16:3e:00:00:04", fixed_ips = ["10.0.0.4", "2001:db8::4"] }
    mute1 = { network = "mute", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.1", "2001:db8::1"] }
    mute2 = { network = "mute", node = "two", mac_address = "fa:16:3e:00:00:02", fixed_ips = ["10.0.0.2", "2001:db8::2"] }
"#;

/// Local VLANs of `blue` and `mute`.
const BLUE: u16 = 2;
const MUTE: u16 = 1;
const PATCH_INT: PortNo = PortNo(1);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

fn mac(last: u8) -> MacAddr {
    MacAddr([0xfa, 0x16, 0x3e, 0, 0, last])
}

fn v4(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

/// A host where Heddle answers everything, and what it answers from.
struct World {
    topology: Topology,
    preview: Preview,
    answers: Answers,
}

impl World {
    fn new() -> Self {
        let topology = Topology::parse(TOPOLOGY, "topology.toml").unwrap();
        let mut config = Config::defaults("one");
        config.tunnel.arp_responder = ResponderMode::Controller;
        config.tunnel.nd_responder = Some(ResponderMode::Controller);
        let preview = Preview::new(&topology, &config);
        let mut world = Self { topology, preview, answers: Answers::default() };
        world.start();
        world
    }

    fn start(&mut self) {
        let view = self.preview.view(&self.topology);
        self.answers.update(&view, &view.objects().collect::<Vec<_>>());
    }

    /// Looks at these ports anew. True if that changed anything.
    fn update(&mut self, ports: &[&str]) -> bool {
        let objects: Vec<Object> = ports.iter().map(|&name| Object::Port(name.into())).collect();
        self.answers.update(&self.preview.view(&self.topology), &objects)
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Port)) {
        let mut port = Port::clone(self.topology.port(name).unwrap());
        self.topology.remove_port(name);
        change(&mut port);
        self.topology.insert_port(port).unwrap();
    }

    /// What Heddle sends when this comes up.
    fn ask(&self, frame: &[u8]) -> (Verdict, Option<Sent>) {
        let mut responder = Responder::new(Role::Tunnel, self.answers.snapshot().clone(), Limits::none());
        let in_port = [0, 1, 0, 12, 0x80, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0];
        let packet_in = PacketIn {
            buffer_id: NO_BUFFER,
            total_len: frame.len() as u16,
            reason: PacketInReason::ACTION,
            table_id: TableId(21),
            cookie: Cookie(0),
            flow_match: RawMatch::decode(&mut Reader::new(&in_port)).unwrap(),
            data: frame,
        };
        let mut out = Writer::new();
        responder.on_packet_in(&packet_in, Duration::ZERO, &mut out);
        let verdict = [Verdict::Answered, Verdict::PassedOn, Verdict::Ignored("")]
            .into_iter()
            .find(|&verdict| Topic::ALL.into_iter().any(|topic| responder.tally().of(topic, verdict) == 1))
            .expect("it was counted");
        (verdict, (!out.is_empty()).then(|| Sent::decode(out.as_slice())))
    }

    fn arp(&self, vid: u16, spa: Ipv4Addr, tpa: Ipv4Addr) -> (Verdict, Option<Sent>) {
        self.ask(&arp_request(vid, spa, tpa))
    }

    fn nd(&self, question: Solicitation) -> (Verdict, Option<Sent>) {
        self.ask(&question.frame())
    }
}

/// One PACKET_OUT.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    in_port: PortNo,
    actions: Vec<Action>,
    frame: Vec<u8>,
}

impl Sent {
    fn decode(bytes: &[u8]) -> Self {
        let length = u16::from_be_bytes([bytes[2], bytes[3]]);
        assert_eq!((bytes[0], bytes[1], usize::from(length)), (4, 13, bytes.len()), "one PACKET_OUT");
        let packet_out = PacketOut::decode(Reader::at(&bytes[8..], 8)).unwrap();
        let actions = Action::decode_list(Reader::new(packet_out.actions.bytes())).unwrap();
        Self { in_port: packet_out.in_port, actions, frame: packet_out.data.to_vec() }
    }

    fn passes_on(frame: &[u8], table: TableId) -> (Verdict, Option<Self>) {
        let sent = Self { in_port: PATCH_INT, actions: vec![Action::resubmit(table)], frame: frame.to_vec() };
        (Verdict::PassedOn, Some(sent))
    }

    fn is_answer(&self) -> bool {
        (self.in_port, &*self.actions) == (PATCH_INT, &[Action::output(PortNo::IN_PORT)])
    }
}

fn tagged(vid: u16, dst: MacAddr, src: MacAddr) -> Frame {
    Frame { dst, src, tags: [Some(VlanTag { tpid: 0x8100, tci: vid | 0x6000 }), None] }
}

fn arp_request(vid: u16, spa: Ipv4Addr, tpa: Ipv4Addr) -> Vec<u8> {
    let mut writer = Writer::new();
    let request = Arp { op: Arp::REQUEST, sha: mac(1), spa, tha: MacAddr::default(), tpa };
    tagged(vid, MacAddr::BROADCAST, mac(1)).arp(&request, &mut writer);
    writer.into_vec()
}

#[derive(Clone, Copy)]
struct Solicitation {
    vid: u16,
    from: MacAddr,
    src: Ipv6Addr,
    hop_limit: u8,
    target: Ipv6Addr,
}

impl Solicitation {
    fn of(target: Ipv6Addr) -> Self {
        Self { vid: BLUE, from: mac(1), src: v6(1), hop_limit: 255, target }
    }

    /// Duplicate address detection: without a source.
    fn probe(target: Ipv6Addr) -> Self {
        Self { src: Ipv6Addr::UNSPECIFIED, ..Self::of(target) }
    }

    fn frame(self) -> Vec<u8> {
        let mut writer = Writer::new();
        let [.., a, b, c] = self.target.octets();
        tagged(self.vid, MacAddr([0x33, 0x33, 0xff, a, b, c]), self.from).ipv6(&mut writer);
        let dst = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
        let header = Ipv6Header { src: self.src, dst, hop_limit: self.hop_limit };
        let body = |writer: &mut Writer| {
            writer.bytes(&[135, 0, 0, 0, 0, 0, 0, 0]);
            writer.bytes(&self.target.octets());
            if !self.src.is_unspecified() {
                writer.bytes(&[1, 1]);
                writer.bytes(&self.from.0);
            }
            Ok(())
        };
        header.icmpv6(&mut writer, body).unwrap();
        writer.into_vec()
    }
}

/// What an advertisement says: flags, who has it.
fn advertised(sent: &Sent) -> (u32, Ipv6Addr, MacAddr) {
    assert!(sent.is_answer(), "{sent:?}");
    let ethernet = Ethernet::decode(Payload::new(&sent.frame)).unwrap();
    let ip = Ipv6::decode(ethernet.payload).unwrap();
    let segment = ip.upper_layer().unwrap().payload;
    let icmp = Icmpv6::decode(segment).unwrap();
    let pseudo = Checksum::of_ipv6(ip.src, ip.dst, 58, segment.bytes().len() as u16);
    assert_eq!(pseudo.with(segment.bytes()).finish(), 0, "its checksum is right");
    assert_eq!((ip.hop_limit, icmp.icmp_type, icmp.code), (255, 136, 0));
    let said = icmp.neighbor_discovery().unwrap().unwrap();
    let options: Vec<NdOption<'_>> = said.options.map(Result::unwrap).collect();
    let [option] = options[..] else { panic!("{options:?}") };
    assert_eq!(option.option_type, NdOption::TARGET_LINK_ADDRESS);
    assert_eq!((ip.src, ethernet.src), (said.target, option.mac().unwrap()));
    assert_eq!(ethernet.tags[0].map(VlanTag::vid), Some(BLUE));
    (said.flags, said.target, ethernet.src)
}

#[test]
fn a_request_for_a_port_elsewhere_is_answered_in_its_name() {
    let (verdict, sent) = World::new().arp(BLUE, v4(1), v4(2));
    let sent = sent.unwrap();
    assert_eq!((verdict, sent.is_answer()), (Verdict::Answered, true));
    let ethernet = Ethernet::decode(Payload::new(&sent.frame)).unwrap();
    assert_eq!((ethernet.dst, ethernet.src, ethernet.tags[0].unwrap().tci), (mac(1), mac(2), BLUE | 0x6000));
    let expected = Arp { op: Arp::REPLY, sha: mac(2), spa: v4(2), tha: mac(1), tpa: v4(1) };
    assert_eq!(Arp::decode(ethernet.payload).unwrap(), expected);
}

#[test]
fn what_arp_does_not_answer_goes_where_flows_would_send_it_or_nowhere() {
    let world = World::new();
    let passed = |vid, spa, tpa, table| {
        assert_eq!(world.arp(vid, spa, tpa), Sent::passes_on(&arp_request(vid, spa, tpa), table));
    };
    passed(BLUE, v4(1), v4(9), UCAST_TO_TUN);
    passed(BLUE, Ipv4Addr::UNSPECIFIED, v4(2), FLOOD_TO_TUN);
    passed(BLUE, v4(2), v4(2), FLOOD_TO_TUN);
    passed(BLUE, v4(1), v4(1), FLOOD_TO_TUN);
    passed(MUTE, v4(1), v4(2), UCAST_TO_TUN);
    passed(77, v4(1), v4(2), UCAST_TO_TUN);
    assert_eq!(world.arp(BLUE, v4(1), v4(3)), (Verdict::Ignored(""), None), "it is on this host");
}

#[test]
fn a_solicitation_for_a_port_elsewhere_is_answered_to_whoever_asks() {
    let world = World::new();
    for target in [v6(2), mac(2).link_local_ipv6()] {
        let (verdict, sent) = world.nd(Solicitation::of(target));
        let sent = sent.unwrap();
        assert_eq!((verdict, advertised(&sent)), (Verdict::Answered, (0x6000_0000, target, mac(2))));
        let ethernet = Ethernet::decode(Payload::new(&sent.frame)).unwrap();
        assert_eq!((ethernet.dst, Ipv6::decode(ethernet.payload).unwrap().dst), (mac(1), v6(1)));
    }
    let (_, sent) = world.nd(Solicitation::of(v6(4)));
    assert_eq!(advertised(&sent.unwrap()), (0xe000_0000, v6(4), mac(4)), "the gateway says that it is a router");
}

#[test]
fn duplicate_address_detection_is_answered_to_all_if_the_address_is_taken_elsewhere() {
    let world = World::new();
    let (_, sent) = world.nd(Solicitation::probe(v6(2)));
    let sent = sent.unwrap();
    assert_eq!(advertised(&sent), (0x2000_0000, v6(2), mac(2)), "not solicited");
    let ethernet = Ethernet::decode(Payload::new(&sent.frame)).unwrap();
    let dst = Ipv6::decode(ethernet.payload).unwrap().dst;
    assert_eq!((ethernet.dst, dst), (MacAddr([0x33, 0x33, 0, 0, 0, 1]), ALL_NODES));
    let from_its_owner = Solicitation { from: mac(2), ..Solicitation::probe(v6(2)) };
    for (question, table) in [
        (from_its_owner, FLOOD_TO_TUN),
        (Solicitation::probe(v6(1)), FLOOD_TO_TUN),
        (Solicitation::probe(v6(3)), FLOOD_TO_TUN),
        (Solicitation::probe(v6(9)), UCAST_TO_TUN),
        (Solicitation::of(v6(9)), UCAST_TO_TUN),
        (Solicitation { vid: MUTE, ..Solicitation::of(v6(2)) }, UCAST_TO_TUN),
    ] {
        assert_eq!(world.nd(question), Sent::passes_on(&question.frame(), table));
    }
}

#[test]
fn solicitations_of_a_port_here_and_those_from_afar_are_not_answered() {
    let world = World::new();
    assert_eq!(world.nd(Solicitation::of(v6(3))), (Verdict::Ignored(""), None));
    let routed = Solicitation { hop_limit: 254, ..Solicitation::of(v6(2)) };
    assert_eq!(world.nd(routed), (Verdict::Ignored(""), None));
}

#[test]
fn an_address_follows_its_port() {
    let mut world = World::new();
    let answered = |world: &World| world.arp(BLUE, v4(1), v4(2)).0;
    world.change("far", |port| port.node = "one".into());
    world.preview.bindings.ports.insert("far".into(), PortNo(9));
    assert!(world.update(&["far"]));
    assert_eq!(answered(&world), Verdict::Ignored(""), "now it is here");
    world.preview.bindings.ports.remove("far");
    assert!(world.update(&["far"]));
    assert_eq!(answered(&world), Verdict::PassedOn, "nobody knows where it is");
    world.change("far", |port| port.node = "two".into());
    assert!(world.update(&["far"]));
    assert_eq!(answered(&world), Verdict::Answered);
    world.preview.bindings.tunnels.clear();
    assert!(world.update(&["far"]));
    assert_eq!(answered(&world), Verdict::PassedOn, "nothing leads there");
    assert!(!world.update(&["far", "own", "gone"]), "nothing has changed");
}

#[test]
fn two_ports_may_swap_their_addresses_in_one_step() {
    let mut world = World::new();
    world.topology.remove_port("gateway");
    world.change("far", |port| port.fixed_ips = vec![v4(4).into()]);
    let text = TOPOLOGY.replace("\"10.0.0.4\", \"2001:db8::4\"", "\"10.0.0.2\"");
    let gateway = text.replace("fixed_ips = [\"10.0.0.2\", \"2001:db8::2\"]", "fixed_ips = []");
    let gateway = Topology::parse(&gateway, "t").unwrap().port("gateway").unwrap().clone();
    world.topology.insert_port(Port::clone(&gateway)).unwrap();
    for order in [["far", "gateway"], ["gateway", "far"]] {
        let mut world = World { topology: world.topology.clone(), preview: World::new().preview, ..World::new() };
        assert!(world.update(&order));
        let holder = |address: u8| {
            let sent = world.arp(BLUE, v4(1), v4(address)).1.unwrap();
            Ethernet::decode(Payload::new(&sent.frame)).unwrap().src
        };
        assert_eq!((holder(2), holder(4)), (mac(4), mac(2)));
        assert_eq!(world.nd(Solicitation::of(v6(2))).0, Verdict::PassedOn);
    }
}

#[test]
fn networks_may_swap_their_local_vlans_and_a_network_out_of_use_is_forgotten() {
    let mut world = World::new();
    let networks = |world: &World| {
        let view = world.preview.view(&world.topology);
        ["blue", "mute"].into_iter().flat_map(|name| view.objects_of_network(name)).collect::<Vec<_>>()
    };
    let vlans = &mut world.preview.bindings.local_vlans;
    let (blue, mute) = (vlans["blue"], vlans["mute"]);
    vlans.extend([("blue".into(), mute), ("mute".into(), blue)]);
    let objects = networks(&world);
    assert!(world.answers.update(&world.preview.view(&world.topology), &objects));
    assert_eq!(world.arp(MUTE, v4(1), v4(2)).0, Verdict::Answered);
    assert_eq!(world.arp(BLUE, v4(1), v4(2)).0, Verdict::PassedOn);
    world.preview.bindings.local_vlans.clear();
    assert!(world.answers.update(&world.preview.view(&world.topology), &objects));
    assert_eq!(world.answers.snapshot().network(MUTE), None);
    world.preview.bindings.local_vlans.insert("blue".into(), blue);
    assert!(world.answers.update(&world.preview.view(&world.topology), &objects));
    assert_eq!(world.arp(BLUE, v4(1), v4(2)).0, Verdict::Answered);
}

#[test]
fn where_flows_answer_solicitations_only_what_they_cannot_is_known_here() {
    let mut world = World::new();
    world.preview.layout.arp_responder.by = AnsweredBy::Flows;
    world.preview.layout.nd_responder.by = AnsweredBy::Flows;
    world.answers = Answers::default();
    world.start();
    assert_eq!(world.arp(BLUE, v4(1), v4(2)).0, Verdict::PassedOn);
    assert_eq!(world.nd(Solicitation::probe(v6(2))).0, Verdict::Answered);
}

#[test]
fn a_change_of_one_port_changes_the_answers_of_its_network_only() {
    let mut world = World::new();
    let before = world.answers.snapshot().clone();
    world.change("far", |port| port.mac_address = mac(7));
    assert!(world.update(&["far"]));
    let sent = world.arp(BLUE, v4(1), v4(2)).1.unwrap();
    assert_eq!(Ethernet::decode(Payload::new(&sent.frame)).unwrap().src, mac(7));
    let old = before.network(BLUE).unwrap().addresses.ipv4(v4(2)).unwrap();
    assert_eq!(old.mac, mac(2), "who still has the old snapshot answers as before");
}

#[test]
fn what_is_looked_up_is_guessed_from_where_it_usually_stands() {
    let arp = arp_request(BLUE, v4(1), v4(2));
    assert_eq!(query::likely_target(&arp), Some((BLUE, v4(2).into())));
    let nd = Solicitation::of(v6(2)).frame();
    assert_eq!(query::likely_target(&nd), Some((BLUE, v6(2).into())));
    for frame in [arp, nd] {
        for length in 0..frame.len() {
            let guess = query::likely_target(&frame[..length]);
            assert!(guess.is_none() || length >= 46, "of {length} bytes");
        }
    }
}
