//! Packets as a test describes them, and their bytes. Independent of the code under test on purpose.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heddle::openflow::MacAddr;

/// What a whole datagram carries at the most that is not sent in fragments.
const SHORT: usize = 24;
/// What one in fragments carries.
const LONG: usize = 2500;
/// What one fragment carries, a multiple of 8. Open vSwitch drops fragments under 1200 (IPv4) or 1280 bytes (IPv6)
/// that are not the last.
const FRAGMENT: usize = 1304;
/// What an error says of the packet that met it, in bytes.
const QUOTED: usize = 128;
/// For frames that no protocol knows (IEEE 802, local experimental).
const EXPERIMENTAL: u16 = 0x88b5;

/// A frame of a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    pub eth_src: MacAddr,
    pub eth_dst: MacAddr,
    pub body: Body,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    Arp {
        op: u16,
        sha: MacAddr,
        spa: Ipv4Addr,
        tpa: Ipv4Addr,
    },
    /// With the MAC address that it announces.
    Rarp(MacAddr),
    Ip(Ip),
    /// Of an EtherType that nobody knows.
    Unknown,
}

/// An IP packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ip {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub load: Load,
    /// Sent in fragments.
    pub fragments: bool,
    /// The checksum of what it carries is wrong.
    pub damaged: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Load {
    Tcp(Segment),
    Udp {
        src: u16,
        dst: u16,
    },
    /// ICMP or ICMPv6, by the family of the packet.
    Icmp {
        icmp_type: u8,
        code: u8,
        about: About,
    },
    /// A protocol without ports.
    Other(u8),
}

/// What an ICMP message is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum About {
    /// An exchange with this identifier.
    Exchange(u16),
    /// An error: the packet that met it.
    Packet(Box<Ip>),
    /// Neighbour discovery: an address.
    Address(Ipv6Addr),
    /// The same, with the link-layer address of who asks.
    AddressFor(Ipv6Addr, MacAddr),
    Nothing,
}

/// A TCP segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    pub src: u16,
    pub dst: u16,
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
    pub length: u16,
    /// The sequence number is far off those of its stream.
    pub stray: bool,
}

impl Segment {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const ACK: u8 = 0x10;

    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

impl Ip {
    pub fn new(src: IpAddr, dst: IpAddr, load: Load) -> Self {
        Self { src, dst, load, fragments: false, damaged: false }
    }

    pub fn protocol(&self) -> u8 {
        match self.load {
            Load::Tcp(_) => 6,
            Load::Udp { .. } => 17,
            Load::Icmp { .. } if self.src.is_ipv4() => 1,
            Load::Icmp { .. } => 58,
            Load::Other(protocol) => protocol,
        }
    }

    /// Header and load of the transport layer.
    fn transport(&self) -> Vec<u8> {
        let content = |length: usize| (0..length).map(|at| at as u8);
        let length = if self.fragments { LONG } else { SHORT };
        // Some messages need fragments only because somebody makes them long.
        let rest = || content(if self.fragments { LONG } else { 0 });
        let mut bytes = Vec::new();
        let at = match &self.load {
            Load::Tcp(segment) => {
                bytes.extend([segment.src.to_be_bytes(), segment.dst.to_be_bytes()].concat());
                bytes.extend([segment.seq.to_be_bytes(), segment.ack.to_be_bytes()].concat());
                bytes.extend([0x50, segment.flags, 0xff, 0xff, 0, 0, 0, 0]);
                bytes.extend(content(segment.length.into()));
                16
            }
            Load::Udp { src, dst } => {
                let whole = u16::try_from(8 + length).unwrap();
                bytes.extend([src, dst, &whole, &0].iter().flat_map(|word| word.to_be_bytes()));
                bytes.extend(content(length));
                6
            }
            Load::Icmp { icmp_type, code, about } => {
                bytes.extend([*icmp_type, *code, 0, 0]);
                match about {
                    About::Exchange(id) => {
                        bytes.extend([id.to_be_bytes(), [0, 1]].concat());
                        bytes.extend(content(length));
                    }
                    About::Packet(inner) => {
                        bytes.extend([0; 4]);
                        bytes.extend(inner.packet().into_iter().take(QUOTED));
                    }
                    About::Address(address) => {
                        bytes.extend([0x20, 0, 0, 0]);
                        bytes.extend(address.octets());
                        bytes.extend(rest());
                    }
                    About::AddressFor(address, mac) => {
                        bytes.extend([0; 4]);
                        bytes.extend(address.octets());
                        bytes.extend([&[1, 1][..], &mac.0].concat());
                        bytes.extend(rest());
                    }
                    About::Nothing => {
                        bytes.extend([0; 12]);
                        bytes.extend(rest());
                    }
                }
                2
            }
            Load::Other(_) => {
                bytes.extend(content(length));
                return bytes;
            }
        };
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        let pseudo = match (self.src, self.dst) {
            (IpAddr::V4(_), IpAddr::V4(_)) if self.protocol() == 1 => Vec::new(),
            (IpAddr::V4(src), IpAddr::V4(dst)) => [src.octets(), dst.octets(), length].concat(),
            (IpAddr::V6(src), IpAddr::V6(dst)) => [&src.octets()[..], &dst.octets(), &length].concat(),
            _ => panic!("both addresses are of one family"),
        };
        let protocol = if pseudo.is_empty() { Vec::new() } else { vec![0, self.protocol()] };
        let sum = checksum(&[pseudo, protocol, bytes.clone()].concat()) ^ u16::from(self.damaged);
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// The packet in one piece.
    fn packet(&self) -> Vec<u8> {
        let transport = self.transport();
        [self.header(transport.len(), None), transport].concat()
    }

    /// The packets that it is sent in.
    fn packets(&self, number: u32) -> Vec<Vec<u8>> {
        if !self.fragments {
            return vec![self.packet()];
        }
        let transport = self.transport();
        let parts: Vec<&[u8]> = transport.chunks(FRAGMENT).collect();
        let fragment = |(index, part): (usize, &&[u8])| {
            let more = index + 1 < parts.len();
            let place = Fragment { number, offset: (index * FRAGMENT) as u16, more };
            [self.header(part.len(), Some(place)), part.to_vec()].concat()
        };
        parts.iter().enumerate().map(fragment).collect()
    }

    fn header(&self, length: usize, fragment: Option<Fragment>) -> Vec<u8> {
        let word = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let place = fragment.as_ref().map_or([0; 4], |it| {
                    let place = (it.offset / 8) | (u16::from(it.more) << 13);
                    [(it.number as u16).to_be_bytes(), place.to_be_bytes()].concat().try_into().unwrap()
                });
                let mut header = [&[0x45, 0][..], &word(20 + length), &place, &[64, self.protocol(), 0, 0]].concat();
                header.extend([src.octets(), dst.octets()].concat());
                let sum = checksum(&header);
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                header
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let place = fragment.map_or(Vec::new(), |it| {
                    let place = (it.offset | u16::from(it.more)).to_be_bytes();
                    [&[self.protocol(), 0][..], &place, &it.number.to_be_bytes()].concat()
                });
                let next = if place.is_empty() { self.protocol() } else { 44 };
                let header = [&[0x60, 0, 0, 0][..], &word(place.len() + length), &[next, 255]].concat();
                [&header[..], &src.octets(), &dst.octets(), &place].concat()
            }
            _ => panic!("both addresses are of one family"),
        }
    }
}

/// Where a fragment belongs.
struct Fragment {
    number: u32,
    offset: u16,
    more: bool,
}

impl Packet {
    /// The frames that it is sent in. A number of its own makes each of them one of a kind: it tells whose fragments are
    /// whose, and stands behind the packet, where Ethernet pads.
    pub fn frames(&self, number: u32) -> Vec<Vec<u8>> {
        let (eth_type, packets) = match &self.body {
            Body::Arp { op, sha, spa, tpa } => (0x0806, vec![arp(*op, (*sha, *spa), (MacAddr::default(), *tpa))]),
            Body::Rarp(mac) => {
                let nobody = Ipv4Addr::UNSPECIFIED;
                (0x8035, vec![arp(3, (*mac, nobody), (*mac, nobody))])
            }
            Body::Ip(ip) if ip.src.is_ipv4() => (0x0800, ip.packets(number)),
            Body::Ip(ip) => (0x86dd, ip.packets(number)),
            Body::Unknown => (EXPERIMENTAL, vec![vec![0; SHORT]]),
        };
        let frame = |(index, packet): (u8, Vec<u8>)| {
            let ethernet = [&self.eth_dst.0[..], &self.eth_src.0, &u16::to_be_bytes(eth_type)].concat();
            [&ethernet[..], &packet, MARK, &number.to_be_bytes(), &[index]].concat()
        };
        (0..).zip(packets).map(frame).collect()
    }
}

/// What stands before the number of a frame.
const MARK: &[u8] = b"heddle:";

/// The number of a frame, and which of its packet's frames it is.
pub fn number_of(frame: &[u8]) -> Option<(u32, u8)> {
    let (rest, number) = frame.split_at_checked(frame.len().checked_sub(5)?)?;
    let (index, number) = number.split_last()?;
    rest.ends_with(MARK).then(|| (u32::from_be_bytes(number.try_into().unwrap()), *index))
}

fn arp(op: u16, sender: (MacAddr, Ipv4Addr), target: (MacAddr, Ipv4Addr)) -> Vec<u8> {
    let mut bytes = [&[0, 1, 8, 0, 6, 4][..], &op.to_be_bytes()].concat();
    for (mac, ip) in [sender, target] {
        bytes.extend([&mac.0[..], &ip.octets()].concat());
    }
    bytes
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

impl fmt::Display for Packet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} > {}: ", self.eth_src, self.eth_dst)?;
        match &self.body {
            Body::Arp { op, sha, spa, tpa } => write!(out, "ARP {op}: {spa} is at {sha}, for {tpa}"),
            Body::Rarp(mac) => write!(out, "RARP of {mac}"),
            Body::Ip(ip) => ip.fmt(out),
            Body::Unknown => write!(out, "of no protocol"),
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} > {}: ", self.src, self.dst)?;
        match &self.load {
            Load::Tcp(it) => {
                let flags = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"].into_iter().enumerate();
                let flags: Vec<_> = flags.filter(|(bit, _)| it.flags >> bit & 1 == 1).map(|(_, name)| name).collect();
                let Segment { src, dst, seq, ack, length, .. } = it;
                write!(out, "TCP {src} > {dst} {} seq {seq} ack {ack} length {length}", flags.join("+"))?;
            }
            Load::Udp { src, dst } => write!(out, "UDP {src} > {dst}")?,
            Load::Icmp { icmp_type, code, about } => {
                write!(out, "ICMP type {icmp_type} code {code}")?;
                match about {
                    About::Exchange(id) => write!(out, " id {id}")?,
                    About::Packet(inner) => write!(out, " about [{inner}]")?,
                    About::Address(address) => write!(out, " for {address}")?,
                    About::AddressFor(address, mac) => write!(out, " for {address} by {mac}")?,
                    About::Nothing => {}
                }
            }
            Load::Other(protocol) => write!(out, "protocol {protocol}")?,
        }
        write!(
            out,
            "{}{}",
            if self.fragments { ", in fragments" } else { "" },
            if self.damaged { ", damaged" } else { "" }
        )
    }
}
