//! Connections as tracking sees them: what each packet is to those that were kept before.
//!
//! A plain account of what Open vSwitch documents (ovs-fields(7), `ct_state`) and, where that leaves it open, of what
//! its userspace datapath does. It distinguishes
//! - TCP by its flags and by sequence numbers that are far off; a segment in the middle of a stream begins a
//!   connection, a SYN with an ACK does not; a SYN begins anew what both sides have closed, or one has reset;
//! - exchanges of ICMP by their identifier, all else by addresses, UDP by ports too;
//! - an error by the packet that it is about, which must be one that its receiver has sent.

use std::net::IpAddr;

use super::firewall::{Seen, Sight};
use super::firewall_packet::{About, Ip, Load, Segment};

/// How far off a sequence number is that cannot be of this connection. Tests send far less than this, or are off by far
/// more.
const FAR_OFF: u32 = 1 << 20;

/// Both ends of a connection, as its first packet has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tuple {
    protocol: u8,
    src: (IpAddr, u16),
    dst: (IpAddr, u16),
    /// Of ICMP.
    icmp_type: Option<u8>,
}

impl Tuple {
    /// None for what tracking does not understand.
    fn of(ip: &Ip) -> Option<Self> {
        let (src, dst, icmp_type) = match &ip.load {
            Load::Tcp(Segment { src, dst, .. }) | Load::Udp { src, dst } => {
                (*src > 0 && *dst > 0).then_some((*src, *dst, None))?
            }
            Load::Icmp { icmp_type, code: 0, about: About::Exchange(id) } => {
                answer(*icmp_type, ip.src.is_ipv4())?;
                (*id, *id, Some(*icmp_type))
            }
            Load::Icmp { .. } => return None,
            Load::Other(_) => (0, 0, None),
        };
        Some(Self { protocol: ip.protocol(), src: (ip.src, src), dst: (ip.dst, dst), icmp_type })
    }

    fn reversed(self) -> Self {
        let icmp_type = self.icmp_type.and_then(|icmp_type| answer(icmp_type, self.src.0.is_ipv4()));
        Self { src: self.dst, dst: self.src, icmp_type, ..self }
    }
}

/// The type of the ICMP message that answers this one, or that this one answers.
fn answer(icmp_type: u8, ipv4: bool) -> Option<u8> {
    let pairs: &[(u8, u8)] = if ipv4 { &[(8, 0), (13, 14), (15, 16)] } else { &[(128, 129)] };
    pairs.iter().find_map(|&(question, answer)| match icmp_type {
        _ if icmp_type == question => Some(answer),
        _ if icmp_type == answer => Some(question),
        _ => None,
    })
}

fn is_error(icmp_type: u8, ipv4: bool) -> bool {
    if ipv4 { matches!(icmp_type, 3 | 4 | 5 | 11 | 12) } else { matches!(icmp_type, 1..=4) }
}

/// May the packet begin a connection?
fn may_begin(ip: &Ip) -> bool {
    match &ip.load {
        Load::Tcp(segment) => makes_sense(segment) && !segment.has(Segment::SYN | Segment::ACK),
        Load::Icmp { icmp_type, .. } => matches!((icmp_type, ip.src.is_ipv4()), (8 | 13 | 15, true) | (128, false)),
        Load::Udp { .. } | Load::Other(_) => true,
    }
}

/// Flags that some segment could have.
fn makes_sense(segment: &Segment) -> bool {
    let (syn, ack) = (segment.has(Segment::SYN), segment.has(Segment::ACK));
    let (fin, rst) = (segment.has(Segment::FIN), segment.has(Segment::RST));
    if syn { !rst && !fin } else { ack || (rst && !fin) }
}

#[derive(Clone, Debug)]
struct Connection {
    tuple: Tuple,
    first: Ip,
    /// An answer was seen.
    answered: bool,
    /// No rule allows it any more.
    revoked: bool,
    /// Of TCP: who began it, and the other.
    peers: [Peer; 2],
}

/// A side of a TCP connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
enum Phase {
    #[default]
    Unheard,
    Opening,
    Open,
    Closing,
    Closed,
}

#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    phase: Phase,
    /// The highest sequence number that it has sent, or that the other has asked it for.
    highest: Option<u32>,
}

/// What a packet does to the connection that it belongs to.
enum Effect {
    /// It is one more of it.
    Goes,
    /// It is the first of it once more.
    Begins,
    /// The connection is over, this is the first packet of another one.
    Replaces,
    /// It cannot be of it.
    Clashes,
}

impl Connection {
    fn new(tuple: Tuple, ip: &Ip) -> Self {
        let mut peers = [Peer::default(); 2];
        if let Load::Tcp(segment) = &ip.load {
            peers[0] = Peer { phase: Phase::Opening, highest: Some(segment.seq) };
        }
        Self { tuple, first: ip.clone(), answered: false, revoked: false, peers }
    }

    fn next(&mut self, ip: &Ip, answers: bool) -> Effect {
        if let Load::Tcp(segment) = &ip.load {
            return self.next_segment(segment, answers);
        }
        self.answered |= answers;
        if self.answered { Effect::Goes } else { Effect::Begins }
    }

    fn next_segment(&mut self, segment: &Segment, answers: bool) -> Effect {
        let [first, second] = &mut self.peers;
        let (from, to) = if answers { (second, first) } else { (first, second) };
        if !makes_sense(segment) {
            return Effect::Clashes;
        }
        let over = from.phase == Phase::Closed || to.phase == Phase::Closed;
        if segment.has(Segment::SYN) && !segment.has(Segment::ACK) {
            if from.phase == Phase::Closed && to.phase == Phase::Closed {
                return Effect::Replaces;
            }
            if from.phase <= Phase::Opening {
                from.phase = Phase::Opening;
                return Effect::Begins;
            }
        }
        let numbers = u32::from(segment.has(Segment::SYN)) + u32::from(segment.has(Segment::FIN));
        let end = segment.seq.wrapping_add(u32::from(segment.length) + numbers);
        if from.phase == Phase::Unheard {
            *from = Peer { phase: Phase::Opening, highest: Some(segment.seq) };
        } else {
            let off = segment.seq.wrapping_sub(from.highest.unwrap_or(0));
            let off = off.min(off.wrapping_neg());
            // Nobody resets a connection from outside: that takes the very next number, while both sides are up.
            let strict = segment.has(Segment::RST) && to.phase != Phase::Unheard && !over;
            let empty = end == segment.seq;
            if (off > FAR_OFF && !empty) || (strict && off > 1) {
                return Effect::Clashes;
            }
        }
        if end != segment.seq && end.wrapping_sub(from.highest.unwrap_or(0)) < 1 << 31 {
            from.highest = Some(end);
        }
        if segment.has(Segment::FIN) {
            from.phase = from.phase.max(Phase::Closing);
        }
        if segment.has(Segment::ACK) {
            to.highest.get_or_insert(segment.ack);
            to.phase = match to.phase {
                Phase::Opening => Phase::Open,
                Phase::Closing => Phase::Closed,
                phase => phase,
            };
        }
        if segment.has(Segment::RST) {
            (from.phase, to.phase) = (Phase::Closed, Phase::Closed);
        }
        Effect::Goes
    }
}

/// The connections of one network on one node.
#[derive(Clone, Debug, Default)]
pub struct Connections(Vec<Connection>);

impl Connections {
    fn find(&self, tuple: Tuple) -> Option<(usize, bool)> {
        self.0.iter().enumerate().rev().find_map(|(index, connection)| match connection.tuple {
            known if known == tuple => Some((index, false)),
            known if known == tuple.reversed() => Some((index, true)),
            _ => None,
        })
    }

    /// What the packet is to the connections that are kept.
    pub fn see(&mut self, ip: &Ip) -> Sight {
        let invalid = || Sight::forward(Seen::Invalid, ip);
        if ip.damaged {
            return invalid();
        }
        if let Load::Icmp { icmp_type, about: About::Packet(inner), .. } = &ip.load
            && is_error(*icmp_type, ip.src.is_ipv4())
        {
            let known = Tuple::of(inner).filter(|_| inner.src == ip.dst).and_then(|tuple| self.find(tuple));
            let error = |(index, answers): (usize, bool)| {
                let first = self.0[index].first.clone();
                Sight { seen: Seen::Related, first, back: !answers }
            };
            return known.map_or_else(invalid, error);
        }
        let Some(tuple) = Tuple::of(ip) else { return invalid() };
        let begins = Sight::forward(if may_begin(ip) { Seen::New } else { Seen::Invalid }, ip);
        let Some((index, answers)) = self.find(tuple) else { return begins };
        let connection = &mut self.0[index];
        match connection.next(ip, answers) {
            Effect::Begins => Sight::forward(Seen::New, ip),
            Effect::Clashes => invalid(),
            Effect::Replaces => {
                self.0.remove(index);
                begins
            }
            Effect::Goes => {
                let seen = match (answers, connection.revoked) {
                    (false, false) => Seen::Forward,
                    (false, true) => Seen::Revoked,
                    (true, false) => Seen::Reply,
                    (true, true) => Seen::RevokedReply,
                };
                Sight { seen, first: connection.first.clone(), back: answers }
            }
        }
    }

    /// A segment of TCP that Open vSwitch makes of what a plain account cannot tell:
    /// - a SYN from the side that was asked to open the connection and has said nothing so far: two that open it at once;
    /// - the first that one side is heard to say, if it is far off, and what it says in a connection that was over before.
    pub fn is_doubtful(&self, ip: &Ip) -> bool {
        let Load::Tcp(segment) = &ip.load else { return false };
        let Some((index, answers)) = Tuple::of(ip).and_then(|tuple| self.find(tuple)) else { return segment.stray };
        let from = self.0[index].peers[usize::from(answers)];
        let opens = segment.has(Segment::SYN) && !segment.has(Segment::ACK);
        match from.phase {
            Phase::Unheard => segment.stray || (opens && answers),
            _ => from.highest.is_none(),
        }
    }

    /// Keeps the connection that the packet begins, unless it is there.
    pub fn keep(&mut self, ip: &Ip) {
        if let Some(tuple) = Tuple::of(ip)
            && self.find(tuple).is_none()
        {
            self.0.push(Connection::new(tuple, ip));
        }
    }

    /// No rule allows the packet's connection any more, or one does again.
    pub fn revoke(&mut self, ip: &Ip, revoked: bool) {
        if let Some((index, _)) = Tuple::of(ip).and_then(|tuple| self.find(tuple)) {
            self.0[index].revoked = revoked;
        }
    }
}
