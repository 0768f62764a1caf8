//! The firewall's flows against the plain meaning of the rules, packet by packet in the software switch.

mod support;

use std::net::IpAddr;
use std::sync::Arc;

use heddle::agent::preview::Preview;
use heddle::config::Config;
use heddle::flow::sim::{self, CtState, Destination, Hit, Network, Packet, Step, Tables, Trace, trace};
use heddle::flow::{Flow, FlowTable};
use heddle::openflow::action::CtFlags;
use heddle::openflow::{Action, Instruction, MacAddr, PortNo, oxm};
use heddle::pipeline::cookie::{self, Kind};
use heddle::pipeline::origin::{RuleFlow, rules_of_flow, rules_of_hit};
use heddle::pipeline::{Bridge, all_flows};
use heddle::topology::{Direction, Name, Payload, Port, Role, Topology, Traffic};
use proptest::prelude::*;
use support::firewall::{Base, Ruling, Seen, by_rules, enters, is_stateful, leaves, macs};
use support::firewall_packet::{self, About, Body, Ip, Load, Segment};
use support::firewall_topology::{PORTS, model};

/// What becomes of a packet on `br-int`.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Dropped,
    /// Each once.
    Delivered(Vec<Name>),
    Switched,
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// The packet's fields, for the software switch.
fn fields(packet: &firewall_packet::Packet) -> Packet {
    let mac = |mac: MacAddr| oxm::number(&mac.0);
    let Body::Ip(ip) = &packet.body else { panic!("only IP is sent") };
    let ipv6 = ip.src.is_ipv6();
    let (eth_type, src, dst) =
        if ipv6 { (0x86dd, &oxm::IPV6_SRC, &oxm::IPV6_DST) } else { (0x0800, &oxm::IPV4_SRC, &oxm::IPV4_DST) };
    let fields = Packet::default()
        .with(&oxm::ETH_SRC, mac(packet.eth_src))
        .with(&oxm::ETH_DST, mac(packet.eth_dst))
        .with(&oxm::ETH_TYPE, eth_type)
        .with(&oxm::IP_PROTO, ip.protocol().into())
        .with(src, number(ip.src))
        .with(dst, number(ip.dst));
    // The first of them.
    let fields = if ip.fragments { fields.with(&oxm::IP_FRAG, 1) } else { fields };
    match &ip.load {
        Load::Tcp(segment) => fields.with(&oxm::TCP_SRC, segment.src.into()).with(&oxm::TCP_DST, segment.dst.into()),
        Load::Udp { src, dst } => fields.with(&oxm::UDP_SRC, (*src).into()).with(&oxm::UDP_DST, (*dst).into()),
        Load::Icmp { icmp_type, code, about } if ipv6 => {
            let fields = fields.with(&oxm::ICMPV6_TYPE, (*icmp_type).into()).with(&oxm::ICMPV6_CODE, (*code).into());
            match about {
                About::Address(target) => fields.with(&oxm::ND_TARGET, (*target).into()),
                About::AddressFor(target, own) => {
                    fields.with(&oxm::ND_TARGET, (*target).into()).with(&oxm::ND_SLL, mac(*own))
                }
                _ => fields,
            }
        }
        Load::Icmp { icmp_type, code, .. } => {
            fields.with(&oxm::ICMPV4_TYPE, (*icmp_type).into()).with(&oxm::ICMPV4_CODE, (*code).into())
        }
        Load::Other(_) => fields,
    }
}

/// `ct_state` of what is seen. The software switch has no marks: those are asked of the flows on a real one.
fn state(seen: Seen) -> CtState {
    let words = match seen {
        Seen::New => "trk,new",
        Seen::Forward | Seen::Revoked => "trk,est",
        Seen::Reply | Seen::RevokedReply => "trk,est,rpl",
        Seen::Related | Seen::RevokedRelated => "trk,rel",
        Seen::Invalid => "trk,inv",
    };
    CtState::parse(words).unwrap()
}

impl Fate {
    /// Whoever gets it now has got it before, and by the same way.
    fn is_no_more_than(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Dropped, _) => true,
            (Self::Delivered(now), Self::Delivered(before)) => now.iter().all(|name| before.contains(name)),
            _ => self == before,
        }
    }
}

/// Takes away one of those whose absence is to open nothing, and returns it.
fn take_one(flows: &mut Vec<Arc<Flow>>, which: prop::sample::Index) -> Option<Arc<Flow>> {
    let kind = |flow: &Flow| cookie::decode(flow.cookie).and_then(|(kind, _)| kind.ok());
    let guarded = |flow: &Arc<Flow>| kind(flow).is_some_and(|kind| kind.is_guard());
    let candidates: Vec<usize> = (0..flows.len()).filter(|&at| !guarded(&flows[at])).collect();
    let at = candidates.get(which.index(candidates.len().max(1)))?;
    Some(flows.remove(*at))
}

/// `br-int` of the first node, everything plugged in.
struct Node {
    topology: Topology,
    preview: Preview,
    flows: Vec<Arc<Flow>>,
    network: Network,
}

impl Node {
    fn new(topology: Topology) -> Self {
        Self::with(topology, |_| {})
    }

    /// With flows that `change` changes.
    fn with(topology: Topology, change: impl FnOnce(&mut Vec<Arc<Flow>>)) -> Self {
        let preview = Preview::new(&topology, &Config::defaults("node0"));
        let mut flows = all_flows(&preview.view(&topology)).remove(&Bridge::Integration).unwrap().sorted();
        change(&mut flows);
        let tables = Tables::new(flows.clone()).unwrap();
        let network = Network::new(vec![sim::Bridge { tables, ..sim::Bridge::default() }]);
        Self { topology, preview, flows, network }
    }

    fn trace(&self, in_port: PortNo, packet: Packet, seen: Seen) -> Trace {
        trace(&self.network, 0, packet.with(&oxm::IN_PORT, in_port.0.into()), &[state(seen); 8])
    }

    /// The port whose number a flow has in `reg5`.
    fn port_of(&self, flow: &Flow) -> Option<&Port> {
        let number = RuleFlow::new(flow).port_number()?;
        let (name, _) = self.preview.bindings.ports.iter().find(|(_, ofport)| ofport.0 == number)?;
        self.topology.port(name).map(|port| &**port)
    }

    fn fate(&self, in_port: PortNo, packet: Packet, seen: Seen) -> Fate {
        let trace = self.trace(in_port, packet, seen);
        let deliveries: Vec<_> =
            trace.legs.iter().flat_map(|leg| &leg.deliveries).map(|delivery| &delivery.to).collect();
        match deliveries[..] {
            [] => Fate::Dropped,
            [Destination::Normal] => Fate::Switched,
            _ => {
                let name = |to: &&Destination| {
                    let (name, _) =
                        self.preview.bindings.ports.iter().find(|(_, ofport)| **to == Destination::Port(**ofport))?;
                    Some(name.clone())
                };
                let mut names: Vec<Name> = deliveries.iter().map(|to| name(to).expect("a port")).collect();
                names.sort_unstable();
                Fate::Delivered(names)
            }
        }
    }

    /// What the rules mean for a packet that is on this node, to whoever has its destination.
    fn expected(&self, from: Option<&Port>, on: &str, packet: &firewall_packet::Packet, seen: Seen) -> Fate {
        let passes = |port: &Port, direction| passes(&self.topology, (port, direction), packet, seen);
        if let Some(from) = from {
            match leaves(from, packet) {
                // What needs no rule is switched, and NORMAL finds its port by itself.
                Base::Free => return Fate::Switched,
                _ if !passes(from, Direction::Egress) => return Fate::Dropped,
                _ => {}
            }
        }
        let has = |port: &&std::sync::Arc<Port>| macs(port).any(|mac| mac == packet.eth_dst);
        // Whose own address it is, or else everybody who has it in a pair.
        let owner = self.topology.port_by_mac(on, packet.eth_dst).filter(|owner| &*owner.node == "node0");
        let to: Vec<_> = match owner {
            Some(owner) => vec![owner],
            None => self.topology.ports_on(on, "node0").filter(has).collect(),
        };
        let to: Vec<_> = to.into_iter().filter(|port| port.port_security).collect();
        if to.is_empty() {
            return Fate::Switched;
        }
        let enters = |port: &&&std::sync::Arc<Port>| {
            let back = from.is_some_and(|from| from.name == port.name);
            !back && passes(port, Direction::Ingress)
        };
        let names: Vec<Name> = to.iter().filter(enters).map(|port| port.name.clone()).collect();
        if names.is_empty() { Fate::Dropped } else { Fate::Delivered(names) }
    }
}

/// May the packet pass the port?
fn passes(
    topology: &Topology,
    (port, direction): (&Port, Direction),
    packet: &firewall_packet::Packet,
    seen: Seen,
) -> bool {
    let base = match direction {
        Direction::Egress => leaves(port, packet),
        Direction::Ingress => enters(port, packet),
    };
    match base {
        Base::Refused(_) | Base::RefusedFirst(_) => false,
        Base::Free | Base::Needed => true,
        Base::Rules => by_rules(topology, (port, direction), packet, seen) == Ruling::Allowed,
    }
}

fn load() -> impl Strategy<Value = Load> {
    let port = || prop::sample::select(vec![1_u16, 67, 68, 78, 79, 80, 81, 82, 83, 546, 547, 40000]);
    let icmp_type = prop::sample::select(vec![0_u8, 1, 3, 8, 128, 129, 130, 133, 134, 135]);
    let tcp = |(src, dst)| Load::Tcp(Segment { src, dst, flags: 0, seq: 0, ack: 0, length: 0, stray: false });
    let advertisement = |id| {
        let IpAddr::V6(target) = address(id, true) else { unreachable!("it is of IPv6") };
        Load::Icmp { icmp_type: 136, code: 0, about: About::Address(target) }
    };
    prop_oneof![
        6 => (port(), port()).prop_map(tcp),
        6 => (port(), port()).prop_map(|(src, dst)| Load::Udp { src, dst }),
        6 => (icmp_type, 0..2_u8).prop_map(|(icmp_type, code)| Load::Icmp { icmp_type, code, about: About::Nothing }),
        1 => (0..10_u8).prop_map(advertisement),
        2 => Just(Load::Other(47)),
    ]
}

/// Numbers of addresses of nobody, and of groups.
const UNSPECIFIED: u8 = 10;
const SOLICITED: u8 = 11;
const REPORTS: u8 = 12;

/// Whose addresses a packet has: of a port, or some that no port has.
fn address(id: u8, ipv6: bool) -> IpAddr {
    let text = match (id, ipv6) {
        (..PORTS, false) => format!("10.0.0.{}", id + 1),
        (..PORTS, true) => format!("2001:db8::{:x}", id + 1),
        (7, false) => "10.0.0.130".into(),
        (7, true) => "2001:db8::105".into(),
        (8, false) => "0.0.0.0".into(),
        (8, true) => "fe80::1234".into(),
        (UNSPECIFIED, true) => "::".into(),
        (SOLICITED, true) => "ff02::1:ff00:1".into(),
        (REPORTS, true) => "ff02::16".into(),
        (REPORTS, false) => "224.0.0.22".into(),
        (_, false) => "192.0.2.9".into(),
        (_, true) => "fe80::f816:3eff:fe00:99".into(),
    };
    text.parse().unwrap()
}

fn mac(id: u8) -> MacAddr {
    MacAddr([0xfa, 0x16, 0x3e, 0, 0, if id < PORTS { id + 1 } else { 0x99 }])
}

/// A packet by the numbers of those whose addresses it has.
#[derive(Clone, Debug)]
struct Sent {
    from: u8,
    macs: (u8, u8),
    ips: (u8, u8),
    ipv6: bool,
    load: Load,
    seen: Seen,
}

impl Sent {
    fn packet(&self) -> firewall_packet::Packet {
        let (eth_src, eth_dst) = (mac(self.macs.0), mac(self.macs.1));
        let discovery = |about: &About| matches!(about, About::Address(_) | About::AddressFor(..));
        let ipv6 = self.ipv6 || matches!(&self.load, Load::Icmp { about, .. } if discovery(about));
        let (src, dst) = (address(self.ips.0, ipv6), address(self.ips.1, ipv6));
        firewall_packet::Packet { eth_src, eth_dst, body: Body::Ip(Ip::new(src, dst, self.load.clone())) }
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let seen =
        prop::sample::select(vec![Seen::New, Seen::New, Seen::Forward, Seen::Reply, Seen::Related, Seen::Invalid]);
    let source = prop_oneof![6 => Just(None), 1 => (0..10_u8).prop_map(Some)];
    let sources = (source.clone(), source);
    let addressed = (0..PORTS, sources, 0..8_u8, 0..9_u8, any::<bool>(), load(), seen).prop_map(
        |(from, (eth_src, src), to, dst, ipv6, load, seen)| {
            let ips = (src.unwrap_or(from), if dst == 8 { to } else { dst });
            Sent { from, macs: (eth_src.unwrap_or(from), to), ips, ipv6, load, seen }
        },
    );
    prop_oneof![9 => addressed, 1 => unaddressed()]
}

/// What machines send before they have an address, mostly, to multicast groups.
fn unaddressed() -> impl Strategy<Value = Sent> {
    let icmp = |icmp_type, about| Load::Icmp { icmp_type, code: 0, about };
    let target = |id| match address(id, true) {
        IpAddr::V6(target) => target,
        IpAddr::V4(_) => unreachable!("it is of IPv6"),
    };
    let load = move |from| {
        let of = prop_oneof![3 => Just(from), 1 => 0..10_u8];
        prop_oneof![
            4 => of.prop_map(move |id| icmp(135, About::Address(target(id)))),
            1 => Just(icmp(135, About::AddressFor(target(from), mac(from)))),
            3 => prop::sample::select(vec![131, 132, 133, 143]).prop_map(move |it| icmp(it, About::Nothing)),
        ]
    };
    let source = |from| prop_oneof![4 => Just(UNSPECIFIED), 1 => Just(from), 1 => 8..10_u8];
    let sent = move |from| {
        let groups = prop_oneof![4 => Just(SOLICITED), 2 => Just(REPORTS), 1 => 0..PORTS];
        let macs = (prop_oneof![6 => Just(from), 1 => 0..8_u8], 0..8_u8);
        (Just(from), macs, source(from), groups, load(from))
    };
    (0..PORTS).prop_flat_map(sent).prop_map(|(from, macs, src, dst, load)| Sent {
        from,
        macs,
        ips: (src, dst),
        ipv6: true,
        load,
        seen: Seen::Invalid,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_packet_meets_the_fate_that_the_rules_mean(model in model(), packets in prop::collection::vec(sent(), 60)) {
        let node = Node::new(model.topology());
        for sent in packets {
            let packet = sent.packet();
            let Some(port) = node.topology.port(&format!("port{}", sent.from)).filter(|port| &*port.node == "node0") else {
                continue;
            };
            let ofport = node.preview.bindings.ports[&port.name];
            let found = node.fate(ofport, fields(&packet), sent.seen);
            prop_assert_eq!(found, node.expected(Some(port), &port.network, &packet, sent.seen), "{:?} from {:?}", sent, port);
            // The same from afar, by br-tun.
            let vlan = node.preview.bindings.local_vlans[&port.network].vid();
            let tagged = fields(&packet).with_vlan(Some(vlan));
            let found = node.fate(node.preview.bindings.patch_tun.unwrap(), tagged, sent.seen);
            prop_assert_eq!(found, node.expected(None, &port.network, &packet, sent.seen), "{:?} from afar", sent);
        }
    }

    #[test]
    fn a_first_fragment_does_not_hide_what_it_carries(model in model()) {
        let node = Node::new(model.topology());
        let udp = |src, dst| Load::Udp { src, dst };
        let icmp = |icmp_type| Load::Icmp { icmp_type, code: 0, about: About::Nothing };
        let v4 = [udp(67, 68), udp(68, 67), udp(0, 0), udp(5000, 80)].map(|load| (false, load));
        let v6 = [udp(547, 546), udp(0, 0), udp(5000, 80), icmp(134), icmp(136), icmp(128)].map(|load| (true, load));
        for port in node.topology.ports().filter(|port| port.port_security && &*port.node == "node0") {
            for (ipv6, load) in v4.iter().chain(&v6).cloned() {
                let to = address(REPORTS, ipv6);
                let src = *port.fixed_ips.iter().find(|address| address.is_ipv6() == ipv6).unwrap();
                let body = Body::Ip(Ip { fragments: true, ..Ip::new(src, to, load) });
                let eth_dst = MacAddr::BROADCAST;
                let packet = firewall_packet::Packet { eth_src: port.mac_address, eth_dst, body };
                let found = node.fate(node.preview.bindings.ports[&port.name], fields(&packet), Seen::New);
                let expected = match leaves(port, &packet) {
                    Base::RefusedFirst(_) => Fate::Dropped,
                    // What their connections tell of fragments is asked of the flows on a real switch.
                    _ if is_stateful(&node.topology, port) => continue,
                    _ => node.expected(Some(port), &port.network, &packet, Seen::New),
                };
                prop_assert_eq!(found, expected, "{} of {:?}", packet, port);
            }
        }
    }

    #[test]
    fn nothing_stands_behind_a_commit(model in model()) {
        let node = Node::new(model.topology());
        for flow in all_flows(&node.preview.view(&node.topology)).values().flat_map(FlowTable::iter) {
            for instruction in flow.decode_instructions().unwrap() {
                let Instruction::ApplyActions(actions) = instruction else { continue };
                let commits = |action: &Action| matches!(action, Action::Ct(ct) if ct.flags.0 & CtFlags::COMMIT.0 > 0);
                let behind = actions.iter().skip_while(|action| !commits(action)).count();
                prop_assert!(behind <= 1, "{:?}", flow);
            }
        }
    }

    #[test]
    fn without_a_flow_that_is_no_guard_nothing_more_passes(
        model in model(), missing in any::<prop::sample::Index>(), packets in prop::collection::vec(sent(), 60),
    ) {
        let whole = Node::new(model.topology());
        let mut gone = None;
        let node = Node::with(model.topology(), |flows| gone = take_one(flows, missing));
        for sent in packets {
            let packet = fields(&sent.packet());
            let port = node.topology.port(&format!("port{}", sent.from)).filter(|port| &*port.node == "node0");
            let Some(port) = port else { continue };
            let vlan = node.preview.bindings.local_vlans[&port.network].vid();
            let near = (node.preview.bindings.ports[&port.name], packet.clone());
            let far = (node.preview.bindings.patch_tun.unwrap(), packet.with_vlan(Some(vlan)));
            let fragment = (near.0, near.1.clone().with(&oxm::IP_FRAG, 1));
            for (in_port, packet) in [near, far, fragment] {
                let (found, before) = (node.fate(in_port, packet.clone(), sent.seen), whole.fate(in_port, packet, sent.seen));
                prop_assert!(found.is_no_more_than(&before), "{:?} after {:?} without {:?}: {:?}", found, before, gone, sent);
            }
        }
    }
}

/// The same packet as `heddle why` looks at it; it does not look for which address neighbour discovery is.
fn traffic(packet: &firewall_packet::Packet) -> Option<Traffic> {
    let ip = ip(packet);
    let ports = |protocol, source, destination| Payload::Ports { protocol, source, destination };
    let payload = match &ip.load {
        Load::Tcp(segment) => ports(6, segment.src, segment.dst),
        Load::Udp { src, dst } => ports(17, *src, *dst),
        Load::Icmp { about: About::Address(_) | About::AddressFor(..), .. } => return None,
        Load::Icmp { icmp_type, code, .. } => Payload::Icmp { icmp_type: *icmp_type, icmp_code: *code },
        Load::Other(protocol) => Payload::Protocol(*protocol),
    };
    let (eth_src, eth_dst) = (Some(packet.eth_src), Some(packet.eth_dst));
    Some(Traffic { source: ip.src, destination: ip.dst, eth_src, eth_dst, payload })
}

fn ip(packet: &firewall_packet::Packet) -> &Ip {
    let Body::Ip(ip) = &packet.body else { panic!("only IP is sent") };
    ip
}

/// May the packet leave the port?
fn sends(topology: &Topology, port: &Port, packet: &firewall_packet::Packet, seen: Seen) -> bool {
    passes(topology, (port, Direction::Egress), packet, seen)
}

/// May the packet enter the port?
fn receives(topology: &Topology, port: &Port, packet: &firewall_packet::Packet, seen: Seen) -> bool {
    passes(topology, (port, Direction::Ingress), packet, seen)
}

/// What connection tracking says of the first packet of a connection. With ICMP other than questions none begins
/// (`conntrack-icmp.c` of Open vSwitch).
fn first(packet: &firewall_packet::Packet) -> Seen {
    let ip = ip(packet);
    match (&ip.load, ip.src.is_ipv6()) {
        (Load::Icmp { icmp_type: 8 | 13 | 15, .. }, false) | (Load::Icmp { icmp_type: 128, .. }, true) => Seen::New,
        (Load::Icmp { .. }, _) => Seen::Invalid,
        _ => Seen::New,
    }
}

/// All flows that a packet hits, in their order.
fn hits(steps: &[Step]) -> Vec<&Hit> {
    let one = |step| match step {
        &Step::Table { hit: Some(ref hit), ref steps, .. } => [&**hit].into_iter().chain(hits(steps)).collect(),
        step => hits(Step::inner(step, 0).1),
    };
    steps.iter().flat_map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn why_says_what_the_rules_mean(model in model(), packets in prop::collection::vec(sent(), 60)) {
        let topology = model.topology();
        for sent in packets {
            let (probe, seen) = (sent.packet(), first(&sent.packet()));
            let Some(packet) = traffic(&probe) else { continue };
            for port in topology.ports() {
                let expected = [sends(&topology, port, &probe, seen), receives(&topology, port, &probe, seen)];
                let found = [topology.leaves(port, &packet, Role::First), topology.enters(port, &packet, Role::First)];
                prop_assert_eq!(found.each_ref().map(Result::is_ok), expected, "{:?} at {:?}: {:?}", probe, port, found);
                let (reply, role) = (Seen::Reply, Role::Answer);
                let expected = [sends(&topology, port, &probe, reply), receives(&topology, port, &probe, reply)];
                let found = [topology.leaves(port, &packet, role), topology.enters(port, &packet, role)];
                prop_assert_eq!(found.each_ref().map(Result::is_ok), expected, "answer {:?} at {:?}", probe, port);
            }
        }
    }

    #[test]
    fn why_says_what_the_flows_do_with_a_packet_and_its_answer(
        model in model(), packets in prop::collection::vec(sent(), 60),
    ) {
        let node = Node::new(model.topology());
        let port = |id: u8| node.topology.port(&format!("port{id}")).filter(|port| &*port.node == "node0");
        for sent in packets {
            let probe = Sent { macs: (sent.macs.0, sent.macs.1 % PORTS), ..sent.clone() }.packet();
            let (Some(from), Some(to)) = (port(sent.from), port(sent.macs.1 % PORTS)) else { continue };
            // Who speaks in the receiver's name is answered by nobody: that answer would go where it comes from.
            if probe.eth_src == probe.eth_dst {
                continue;
            }
            // What is for all routers NORMAL takes to the neighbours.
            let it = ip(&probe);
            let for_all = matches!(it.load, Load::Icmp { icmp_type: 131..=133 | 143, .. }) && it.src.is_ipv6();
            if from.network != to.network || from.name == to.name || for_all {
                continue;
            }
            let Some(packet) = traffic(&probe) else { continue };
            let exchange = node.topology.exchange(Some(from), Some(to), &packet);
            let fate = node.fate(node.preview.bindings.ports[&from.name], fields(&probe), first(&probe));
            prop_assert_eq!(exchange.request.is_allowed(), fate != Fate::Dropped, "{:?}: {:?}", probe, exchange);
            let Some(answer) = exchange.answer else { continue };
            let probe = reversed(&probe);
            prop_assert_eq!(traffic(&probe), Some(answer.traffic));
            let fate = node.fate(node.preview.bindings.ports[&to.name], fields(&probe), Seen::Reply);
            prop_assert_eq!(answer.is_allowed(), fate != Fate::Dropped, "answer {:?}: {:?}", probe, answer);
        }
    }

    #[test]
    fn a_flow_tells_its_rules_and_a_hit_only_such_as_allow_the_packet(
        model in model(), packets in prop::collection::vec(sent(), 60),
    ) {
        let node = Node::new(model.topology());
        for flow in node.flows.iter().filter(|flow| kind(flow) == Some(Kind::GroupRule)) {
            let port = node.port_of(flow).expect("a rule is about a port");
            prop_assert!(!rules_of_flow(&node.topology, port, flow).is_empty(), "{:?} of {:?}", flow, port);
        }
        for sent in packets {
            let probe = sent.packet();
            let Some(packet) = traffic(&probe) else { continue };
            let Some(port) = node.topology.port(&format!("port{}", sent.from)).filter(|port| &*port.node == "node0") else {
                continue;
            };
            let trace = node.trace(node.preview.bindings.ports[&port.name], fields(&probe), first(&probe));
            for hit in trace.legs.iter().flat_map(|leg| hits(&leg.steps)) {
                if kind(&hit.flow) != Some(Kind::GroupRule) {
                    continue;
                }
                let port = node.port_of(&hit.flow).expect("a rule is about a port");
                let named = rules_of_hit(&node.topology, port, hit);
                prop_assert!(!named.is_empty(), "{:?} is let through by nothing", probe);
                for one in named {
                    let misses = node.topology.mismatches(one.rule, &packet);
                    prop_assert!(misses.is_empty(), "{:?} is not for {}: {:?}", probe, one, misses);
                }
            }
        }
    }
}

fn kind(flow: &Flow) -> Option<Kind> {
    cookie::decode(flow.cookie)?.0.ok()
}

/// The answer to a question.
fn reversed(packet: &firewall_packet::Packet) -> firewall_packet::Packet {
    let ip = ip(packet);
    let load = match &ip.load {
        Load::Tcp(segment) => Load::Tcp(Segment { src: segment.dst, dst: segment.src, ..*segment }),
        Load::Udp { src, dst } => Load::Udp { src: *dst, dst: *src },
        Load::Icmp { icmp_type, about, .. } => {
            let icmp_type = if *icmp_type == 8 { 0 } else { icmp_type + 1 };
            Load::Icmp { icmp_type, code: 0, about: about.clone() }
        }
        Load::Other(protocol) => Load::Other(*protocol),
    };
    let body = Body::Ip(Ip::new(ip.dst, ip.src, load));
    firewall_packet::Packet { eth_src: packet.eth_dst, eth_dst: packet.eth_src, body }
}
