//! Random packets of machines that talk to each other: conversations with their turns, and packets on their own that
//! need no rule or that nobody may send.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heddle::openflow::MacAddr;
use heddle::topology::{Name, Port, Topology};

use super::dice::Dice;
use super::firewall::macs;
use super::firewall_packet::{About, Body, Ip, Load, Packet, Segment};

/// How many conversations go on at once.
const CONVERSATIONS: usize = 60;
/// A MAC address that nobody has.
const STRANGER: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 0x98]);
/// Beside and inside the ranges of rules.
const SERVICES: [u16; 9] = [1, 78, 79, 80, 81, 82, 83, 443, 40000];
/// From sequence numbers of ours to some that are none: also beyond the largest window, which counts for connections that
/// were met in their middle.
const FAR_OFF: u32 = 3 << 29;

/// One side of a conversation, or who speaks in its name.
#[derive(Clone, Debug)]
struct Side {
    port: Name,
    mac: MacAddr,
    ip: IpAddr,
    /// TCP: the number of the next byte.
    next: u32,
    spoke: bool,
    /// What it sent last.
    last: Option<Ip>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Tcp(u16, u16),
    Udp(u16, u16),
    /// An exchange of ICMP with this identifier.
    Ping(u16),
    Other(u8),
}

/// Two machines that talk; the first one asks.
#[derive(Clone, Debug)]
struct Conversation {
    kind: Kind,
    sides: [Side; 2],
}

/// What a machine sends.
#[derive(Clone, Debug)]
pub struct Sent {
    pub from: Name,
    pub packet: Packet,
    /// What the packet depends on: no two of one round share it, since their order is not known.
    pub about: String,
}

/// All that goes on.
#[derive(Default)]
pub struct Traffic {
    conversations: Vec<Conversation>,
    started: u16,
}

impl Traffic {
    /// What machines send next, each packet independent of the others. The names are those of the ports that speak.
    pub fn round(&mut self, dice: &mut Dice, topology: &Topology, ports: &[Name]) -> Vec<Sent> {
        self.conversations.retain(|_| !dice.percent(6));
        while self.conversations.len() < CONVERSATIONS {
            self.started = self.started.wrapping_add(1);
            let conversation = Conversation::begin(dice, topology, ports, self.started);
            self.conversations.push(conversation);
        }
        let mut round: Vec<Sent> = Vec::new();
        for conversation in &mut self.conversations {
            match dice.below(10) {
                0 => round.extend(conversation.error(dice, topology, ports)),
                1..=7 => round.extend(conversation.turn(dice)),
                _ => {}
            }
        }
        for _ in 0..10 {
            let port = topology.port(&dice.pick(ports)).expect("a port of the topology");
            let other = other_of(dice, topology, ports, port);
            round.extend(single(dice, port, other));
        }
        let mut seen = std::collections::BTreeSet::new();
        round.retain(|sent| is_reachable(topology, sent) && seen.insert(sent.about.clone()));
        round
    }
}

/// Somebody else of the port's network.
fn other_of<'a>(dice: &mut Dice, topology: &'a Topology, ports: &[Name], port: &Port) -> &'a Port {
    let others = ports.iter().filter_map(|name| topology.port(name));
    let others: Vec<&Port> =
        others.filter(|it| it.network == port.network && it.name != port.name).map(|it| &**it).collect();
    dice.pick(&others)
}

/// Is there somebody else whom the switch finds by this address, whatever it has learnt?
fn is_reachable(topology: &Topology, sent: &Sent) -> bool {
    let (from, mac) = (topology.port(&sent.from).expect("a port of the topology"), sent.packet.eth_dst);
    let near = |port: &std::sync::Arc<Port>| port.port_security && macs(port).any(|own| own == mac);
    let pair = matches!(sent.packet.body, Body::Ip(_)) && topology.ports_on(&from.network, &from.node).any(near);
    let own = macs(from).any(|own| own == mac);
    mac.is_multicast() || !own && (pair || topology.port_by_mac(&from.network, mac).is_some())
}

fn address(port: &Port, ipv6: bool) -> IpAddr {
    let address = port.fixed_ips.iter().find(|address| address.is_ipv6() == ipv6);
    *address.expect("each port has an address of each family")
}

impl Side {
    /// With its own address mostly, else with one of its pairs, or of its own making.
    fn of(dice: &mut Dice, port: &Port, ipv6: bool) -> Self {
        let mut side = Self {
            port: port.name.clone(),
            mac: port.mac_address,
            ip: address(port, ipv6),
            next: dice.below(1 << 30) as u32,
            spoke: false,
            last: None,
        };
        let candidates = ["10.0.0.130", "192.0.2.9", "2001:db8::105"].map(|text| text.parse::<IpAddr>().unwrap());
        let pair = port.allowed_address_pairs.first().and_then(|pair| {
            let ip = candidates.into_iter().find(|ip| pair.ip_address.contains(*ip) && ip.is_ipv6() == ipv6)?;
            Some((pair.mac_address, ip))
        });
        match (dice.below(10), pair) {
            (0..=3, Some((mac, ip))) => (side.mac, side.ip) = (mac, ip),
            (5, _) if ipv6 => side.ip = port.mac_address.link_local_ipv6().into(),
            _ => {}
        }
        side
    }
}

impl Conversation {
    fn begin(dice: &mut Dice, topology: &Topology, ports: &[Name], number: u16) -> Self {
        let port = topology.port(&dice.pick(ports)).expect("a port of the topology");
        let other = other_of(dice, topology, ports, port);
        let ipv6 = dice.percent(40);
        let (src, dst) = (1024 + number % 30_000, dice.pick(&SERVICES));
        let kind = match dice.below(20) {
            0..9 => Kind::Tcp(src, dst),
            9..15 => Kind::Udp(src, dst),
            15..19 => Kind::Ping(number),
            _ => Kind::Other(dice.pick(&[47, 99])),
        };
        Self { kind, sides: [Side::of(dice, port, ipv6), Side::of(dice, other, ipv6)] }
    }

    /// What one side sends the other.
    fn send(&mut self, side: usize, change: impl FnOnce(&mut Ip), load: Load) -> Sent {
        let (from, to) = (self.sides[side].clone(), &self.sides[1 - side]);
        let mut ip = Ip::new(from.ip, to.ip, load);
        change(&mut ip);
        let body = Body::Ip(ip.clone());
        let packet = Packet { eth_src: from.mac, eth_dst: to.mac, body };
        self.sides[side].spoke = true;
        self.sides[side].last = Some(Ip { fragments: false, damaged: false, ..ip });
        Sent { from: from.port, packet, about: self.name() }
    }

    /// What its packets have in common, and no other's.
    fn name(&self) -> String {
        let mut ips = [&self.sides[0], &self.sides[1]].map(|side| side.ip);
        ips.sort_unstable();
        format!("{:?} {ips:?}", self.kind)
    }

    fn turn(&mut self, dice: &mut Dice) -> Option<Sent> {
        let side = match self.sides[0].spoke {
            false => usize::from(dice.percent(8)),
            true => dice.below(2),
        };
        let (fragments, damaged) = (dice.percent(10), dice.percent(3));
        let change = |ip: &mut Ip| (ip.fragments, ip.damaged) = (fragments, damaged);
        let ports = |(src, dst): (u16, u16)| if side == 0 { (src, dst) } else { (dst, src) };
        match self.kind {
            Kind::Tcp(src, dst) => Some(self.segment(dice, side, ports((src, dst)))),
            Kind::Udp(src, dst) => {
                let (src, dst) = ports((src, dst));
                Some(self.send(side, change, Load::Udp { src, dst }))
            }
            Kind::Ping(id) => {
                let types = if self.sides[0].ip.is_ipv4() { [8, 0] } else { [128, 129] };
                let about = About::Exchange(id);
                Some(self.send(side, change, Load::Icmp { icmp_type: types[side], code: 0, about }))
            }
            // Without a checksum.
            Kind::Other(protocol) => Some(self.send(side, |ip| ip.fragments = fragments, Load::Other(protocol))),
        }
    }

    /// What TCP says next: mostly what its state asks for.
    fn segment(&mut self, dice: &mut Dice, side: usize, (src, dst): (u16, u16)) -> Sent {
        const DATA: u8 = Segment::ACK;
        let heard = [self.sides[0].spoke, self.sides[1].spoke];
        let (flags, length) = match (side, heard) {
            (0, [false, _]) => dice.pick(&[(Segment::SYN, 0), (Segment::SYN, 0), (Segment::SYN, 0), (DATA, 9)]),
            (1, [_, false]) => {
                let accept = (Segment::SYN | DATA, 0);
                dice.pick(&[accept, accept, accept, (DATA, 9), (Segment::RST | DATA, 0)])
            }
            _ => match dice.below(20) {
                0..11 => (DATA, dice.pick(&[1, 9, 100])),
                11..13 => (DATA, 0),
                13 | 14 => (Segment::FIN | DATA, 0),
                15 => (Segment::RST, 0),
                16 | 17 if side == 0 => (Segment::SYN, 0),
                18 => (dice.pick(&[Segment::SYN | Segment::FIN, 0, Segment::FIN]), 0),
                _ => (DATA, 9),
            },
        };
        let (whole, damaged, stray) = (length != 9 || dice.percent(80), dice.percent(3), length > 0 && dice.percent(5));
        let length = if whole { length } else { 2000 };
        let (seq, ack) = (self.sides[side].next, self.sides[1 - side].next);
        let seq = if stray { seq.wrapping_add(FAR_OFF) } else { seq };
        let ack = if flags & Segment::ACK > 0 { ack } else { 0 };
        let segment = Segment { src, dst, flags, seq, ack, length, stray };
        let odd = flags == 0 || flags == Segment::FIN || segment.has(Segment::SYN | Segment::FIN);
        if !(damaged || stray || odd) {
            let numbers = flags & (Segment::SYN | Segment::FIN);
            self.sides[side].next = seq.wrapping_add(u32::from(length) + numbers.count_ones());
        }
        self.send(side, |ip| (ip.fragments, ip.damaged) = (!whole, damaged), Load::Tcp(segment))
    }

    /// An ICMP error about what was said last, by who got it or by a router that has an address here.
    fn error(&mut self, dice: &mut Dice, topology: &Topology, ports: &[Name]) -> Option<Sent> {
        let side = dice.below(2);
        let about = self.sides[side].last.clone()?;
        let blamed = &self.sides[side];
        let from = match dice.percent(30) {
            false => self.sides[1 - side].clone(),
            true => {
                let router = other_of(dice, topology, ports, topology.port(&blamed.port)?);
                Side::of(dice, router, blamed.ip.is_ipv6())
            }
        };
        let (icmp_type, code) =
            dice.pick(if from.ip.is_ipv4() { &[(3, 1), (3, 3), (11, 0)] } else { &[(1, 4), (3, 0)] });
        let to = if dice.percent(90) { blamed.ip } else { from.ip };
        let ip = Ip::new(from.ip, to, Load::Icmp { icmp_type, code, about: About::Packet(Box::new(about)) });
        let packet = Packet { eth_src: from.mac, eth_dst: blamed.mac, body: Body::Ip(ip) };
        Some(Sent { from: from.port, packet, about: self.name() })
    }
}

/// A packet that belongs to no conversation.
fn single(dice: &mut Dice, port: &Port, other: &Port) -> Option<Sent> {
    match dice.below(5) {
        0 => arp(dice, port, other),
        1 => discovery(dice, port, other),
        2 => servers(dice, port, other),
        3 => forged(dice, port, other),
        _ => rest(dice, port, other),
    }
}

fn sent(port: &Port, eth_src: MacAddr, eth_dst: MacAddr, body: Body) -> Option<Sent> {
    let about = match &body {
        Body::Ip(ip) => {
            let mut ips = [ip.src, ip.dst];
            ips.sort_unstable();
            format!("{:?} {} {ips:?}", port.network, ip.protocol())
        }
        // Nothing of it is remembered.
        _ => format!("{body:?} from {}", port.name),
    };
    Some(Sent { from: port.name.clone(), packet: Packet { eth_src, eth_dst, body }, about })
}

fn ipv4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => panic!("{address} is not of IPv4"),
    }
}

fn ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V6(address) => address,
        IpAddr::V4(_) => panic!("{address} is not of IPv6"),
    }
}

/// ARP and RARP, mostly with one part of it forged.
fn arp(dice: &mut Dice, port: &Port, other: &Port) -> Option<Sent> {
    let own = (port.mac_address, ipv4(address(port, false)));
    let theirs = (other.mac_address, ipv4(address(other, false)));
    let eth_dst = dice.pick(&[MacAddr::BROADCAST, other.mac_address]);
    let (mut eth_src, mut sha, mut spa) = (own.0, own.0, own.1);
    match dice.below(8) {
        0 if port.port_security => eth_src = theirs.0,
        0 | 1 => sha = theirs.0,
        2 => spa = theirs.1,
        3 => spa = "10.0.0.130".parse().unwrap(),
        4 => return sent(port, own.0, MacAddr::BROADCAST, Body::Rarp(own.0)),
        5 if port.port_security => return sent(port, theirs.0, MacAddr::BROADCAST, Body::Rarp(theirs.0)),
        _ => {}
    }
    sent(port, eth_src, eth_dst, Body::Arp { op: dice.pick(&[1, 2]), sha, spa, tpa: theirs.1 })
}

/// Neighbour discovery and what else of ICMPv6 goes over one link.
fn discovery(dice: &mut Dice, port: &Port, other: &Port) -> Option<Sent> {
    let all_nodes: (MacAddr, IpAddr) = (MacAddr([0x33, 0x33, 0, 0, 0, 1]), "ff02::1".parse().unwrap());
    let (eth_dst, dst) = dice.pick(&[all_nodes, all_nodes, (other.mac_address, address(other, true))]);
    let own = [address(port, true), port.mac_address.link_local_ipv6().into()];
    let theirs = [address(other, true), other.mac_address.link_local_ipv6().into()];
    let src = if dice.percent(75) { dice.pick(&own) } else { dice.pick(&theirs) };
    let target = ipv6(if dice.percent(75) { dice.pick(&own) } else { dice.pick(&theirs) });
    if dice.percent(40) {
        return unaddressed(dice, port, (&own, &theirs));
    }
    let icmp_type = dice.pick(&[130, 131, 133, 134, 135, 136, 136, 137, 143]);
    let about = if matches!(icmp_type, 135 | 136) { About::Address(target) } else { About::Nothing };
    let ip = Ip::new(src, dst, Load::Icmp { icmp_type, code: 0, about });
    sent(port, port.mac_address, eth_dst, Body::Ip(Ip { fragments: dice.percent(20), ..ip }))
}

/// What a machine sends before it has an address, mostly: of its own addresses and of another's.
fn unaddressed(dice: &mut Dice, port: &Port, (own, theirs): (&[IpAddr], &[IpAddr])) -> Option<Sent> {
    let src = if dice.percent(80) { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { dice.pick(own) };
    let target = ipv6(if dice.percent(60) { dice.pick(own) } else { dice.pick(theirs) });
    let reports: (MacAddr, IpAddr) = (MacAddr([0x33, 0x33, 0, 0, 0, 0x16]), "ff02::16".parse().unwrap());
    let [.., a, b, c] = target.octets();
    let listeners = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let asked = (MacAddr([0x33, 0x33, 0xff, a, b, c]), listeners.into());
    let (icmp_type, about) = match dice.below(6) {
        0 => (dice.pick(&[131, 132, 143]), About::Nothing),
        1 => (133, About::Nothing),
        2 => (135, About::AddressFor(target, port.mac_address)),
        _ => (135, About::Address(target)),
    };
    let usual = if icmp_type == 135 { asked } else { reports };
    let (eth_dst, dst) = if dice.percent(90) { usual } else { reports };
    let eth_src = if port.port_security && dice.percent(15) { STRANGER } else { port.mac_address };
    let ip = Ip::new(src, dst, Load::Icmp { icmp_type, code: 0, about });
    sent(port, eth_src, eth_dst, Body::Ip(Ip { fragments: dice.percent(5), ..ip }))
}

/// DHCP, both ways and both versions.
fn servers(dice: &mut Dice, port: &Port, other: &Port) -> Option<Sent> {
    let v6 = dice.percent(50);
    let (client, server) = if v6 { (546, 547) } else { (68, 67) };
    let all: (MacAddr, IpAddr) = match v6 {
        true => (MacAddr([0x33, 0x33, 0, 1, 0, 2]), "ff02::1:2".parse().unwrap()),
        false => (MacAddr::BROADCAST, "255.255.255.255".parse().unwrap()),
    };
    let (eth_dst, dst) = dice.pick(&[all, (other.mac_address, address(other, v6))]);
    let (src, udp) = match dice.below(4) {
        0 if !v6 => ("0.0.0.0".parse().unwrap(), Load::Udp { src: client, dst: server }),
        0 | 1 => (address(port, v6), Load::Udp { src: client, dst: server }),
        2 => (address(port, v6), Load::Udp { src: server, dst: client }),
        _ => (address(other, v6), Load::Udp { src: client, dst: server }),
    };
    sent(port, port.mac_address, eth_dst, Body::Ip(Ip { fragments: dice.percent(25), ..Ip::new(src, dst, udp) }))
}

/// In another's name.
fn forged(dice: &mut Dice, port: &Port, other: &Port) -> Option<Sent> {
    let v6 = dice.percent(50);
    let (mac, ip) = (port.mac_address, address(port, v6));
    let (stranger, link_local) = match v6 {
        true => ("2001:db8::99", "fe80::1234"),
        false => ("10.0.0.99", "10.0.0.255"),
    };
    let (eth_src, src): (MacAddr, IpAddr) = match dice.below(4) {
        0 if port.port_security => (other.mac_address, ip),
        0 | 1 => (STRANGER, ip),
        2 => (mac, stranger.parse().unwrap()),
        _ => (mac, link_local.parse().unwrap()),
    };
    let load = dice.pick(&[
        Load::Udp { src: 5000, dst: 80 },
        Load::Tcp(Segment { src: 5000, dst: 80, flags: Segment::SYN, seq: 1, ack: 0, length: 0, stray: false }),
    ]);
    sent(port, eth_src, other.mac_address, Body::Ip(Ip::new(src, address(other, v6), load)))
}

/// To everybody, of no known protocol, and messages of ICMP that begin nothing.
fn rest(dice: &mut Dice, port: &Port, other: &Port) -> Option<Sent> {
    let (v6, mac) = (dice.percent(50), port.mac_address);
    let (src, dst) = (address(port, v6), address(other, v6));
    let all: (MacAddr, IpAddr) = match v6 {
        true => (MacAddr([0x33, 0x33, 0, 0, 0, 0xfb]), "ff02::fb".parse().unwrap()),
        false => (MacAddr::BROADCAST, "10.0.0.255".parse().unwrap()),
    };
    match dice.below(4) {
        0 => sent(port, mac, dice.pick(&[MacAddr::BROADCAST, other.mac_address]), Body::Unknown),
        1 => {
            let udp = Load::Udp { src: 5353, dst: dice.pick(&[80, 5353]) };
            sent(port, mac, all.0, Body::Ip(Ip::new(src, all.1, udp)))
        }
        2 => {
            let icmp_type = if v6 { dice.pick(&[100, 129, 200]) } else { dice.pick(&[0, 9, 14, 17]) };
            let load = Load::Icmp { icmp_type, code: dice.pick(&[0, 1]), about: About::Exchange(7) };
            sent(port, mac, other.mac_address, Body::Ip(Ip::new(src, dst, load)))
        }
        _ => {
            let udp = Load::Udp { src: dice.pick(&[0, 6000]), dst: dice.pick(&[0, 80]) };
            sent(port, mac, other.mac_address, Body::Ip(Ip::new(src, dst, udp)))
        }
    }
}
