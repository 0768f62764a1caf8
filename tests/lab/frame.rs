//! Just enough of Ethernet and VXLAN to count what a capture saw. Independent of the code under test on purpose.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::netns::hex;

const ARP: u16 = 0x0806;
const VLAN: u16 = 0x8100;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const VXLAN_PORT: u16 = 4789;

/// For frames that mean something to tests only (IEEE 802, local experimental).
const EXPERIMENTAL: u16 = 0x88b5;

/// Everyone's MAC address.
pub const EVERYONE: &str = "ff:ff:ff:ff:ff:ff";

/// One Ethernet frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub destination: [u8; 6],
    pub source: [u8; 6],
    /// VLAN id of its one tag, if it carries one.
    pub vlan: Option<u16>,
    pub ethertype: u16,
    pub payload: Vec<u8>,
}

impl Frame {
    /// None if the bytes end before the payload.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let tagged = u16_at(bytes, 12)? == VLAN;
        let vlan = if tagged { Some(u16_at(bytes, 14)? & 0x0fff) } else { None };
        let at = if tagged { 16 } else { 12 };
        Some(Self {
            destination: bytes.get(0..6)?.try_into().ok()?,
            source: bytes.get(6..12)?.try_into().ok()?,
            vlan,
            ethertype: u16_at(bytes, at)?,
            payload: bytes.get(at + 2..)?.to_vec(),
        })
    }

    /// The VNI and the frame inside, if this is VXLAN over IPv4.
    pub fn vxlan(&self) -> Option<(u32, Self)> {
        let header = usize::from(self.payload.first()? & 0x0f) * 4;
        let is_udp = self.ethertype == IPV4 && self.payload.get(9) == Some(&UDP);
        if !is_udp || u16_at(&self.payload, header + 2)? != VXLAN_PORT {
            return None;
        }
        let vxlan = self.payload.get(header + 8..)?;
        let vni = u32::from_be_bytes([0, *vxlan.get(4)?, *vxlan.get(5)?, *vxlan.get(6)?]);
        Some((vni, Self::parse(vxlan.get(8..)?)?))
    }

    /// Made by [`marked`] with this text.
    pub fn is_marked(&self, text: &str) -> bool {
        self.ethertype == EXPERIMENTAL && self.payload.starts_with(text.as_bytes())
    }

    /// It comes from this MAC.
    pub fn is_from(&self, mac: &str) -> bool {
        self.source[..] == hex(mac)
    }

    /// It goes to this MAC.
    pub fn is_to(&self, mac: &str) -> bool {
        self.destination[..] == hex(mac)
    }

    /// Where the IPv4 packet goes.
    pub fn ip_destination(&self) -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = self.payload.get(16..20)?.try_into().ok()?;
        (self.ethertype == IPV4).then(|| bytes.into())
    }

    /// The ARP message says that this is the sender's address.
    pub fn is_arp_of(&self, ip: &str) -> bool {
        self.is_arp() && self.payload.get(14..18).is_some_and(|spa| *spa == address(ip))
    }

    /// Any ARP.
    pub fn is_arp(&self) -> bool {
        self.ethertype == ARP
    }

    /// ARP operation 1.
    pub fn is_arp_request(&self) -> bool {
        self.is_arp() && u16_at(&self.payload, 6) == Some(1)
    }

    /// ARP operation 2.
    pub fn is_arp_reply(&self) -> bool {
        self.is_arp() && u16_at(&self.payload, 6) == Some(2)
    }

    /// ICMPv6 of this type straight after the IPv6 header: 135 neighbour solicitation, 136 advertisement.
    pub fn is_icmpv6(&self, kind: u8) -> bool {
        self.ethertype == IPV6 && self.payload.get(6) == Some(&ICMPV6) && self.payload.get(40) == Some(&kind)
    }

    /// A neighbour solicitation or advertisement of this target.
    pub fn is_nd_of(&self, kind: u8, target: &str) -> bool {
        self.is_icmpv6(kind) && self.payload.get(48..64).is_some_and(|there| *there == address6(target))
    }

    /// The flags of a neighbour advertisement: router, solicited and override in the upper three bits.
    pub fn nd_flags(&self) -> Option<u8> {
        self.payload.get(44).copied().filter(|_| self.is_icmpv6(136))
    }

    /// ICMP echo request or reply.
    pub fn is_icmp_echo(&self) -> bool {
        let header = usize::from(self.payload.first().copied().unwrap_or_default() & 0x0f) * 4;
        self.ethertype == IPV4 && self.payload.get(9) == Some(&1) && matches!(self.payload.get(header), Some(0 | 8))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The bytes of an ARP message in a frame of its own: who sends it, operation, sender's and target's (MAC, IPv4).
pub fn arp(frame: (&str, &str), operation: u16, sender: (&str, &str), target: (&str, &str)) -> Vec<u8> {
    let (source, destination) = frame;
    let mut bytes = [hex(destination), hex(source)].concat();
    bytes.extend(ARP.to_be_bytes());
    bytes.extend(hex("0001 0800 06 04"));
    bytes.extend(operation.to_be_bytes());
    for (mac, ip) in [sender, target] {
        bytes.extend(hex(mac));
        bytes.extend(address(ip));
    }
    bytes
}

fn address(ip: &str) -> [u8; 4] {
    ip.parse::<Ipv4Addr>().unwrap_or_else(|e| panic!("{ip}: {e}")).octets()
}

fn address6(ip: &str) -> [u8; 16] {
    ip.parse::<Ipv6Addr>().unwrap_or_else(|e| panic!("{ip}: {e}")).octets()
}

/// A UDP datagram over IPv4 without content: who sends it to whom (MAC), addresses, ports.
pub fn udp((source, destination): (&str, &str), addresses: (&str, &str), ports: (u16, u16)) -> Vec<u8> {
    let addresses = [address(addresses.0), address(addresses.1)].concat();
    let ports = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    let mut ip = [&hex("45 00 001c 0000 0000 40 11 0000")[..], &addresses].concat();
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let ethernet = [hex(destination), hex(source), IPV4.to_be_bytes().to_vec()].concat();
    [ethernet, ip, ports, hex("0008 0000"), vec![0; 18]].concat()
}

/// ICMP over IPv4 with an empty body: who sends it to whom (MAC), addresses, type and code.
pub fn icmp((source, destination): (&str, &str), addresses: (&str, &str), message: (u8, u8)) -> Vec<u8> {
    let addresses = [address(addresses.0), address(addresses.1)].concat();
    let mut ip = [&hex("45 00 0024 0000 0000 40 01 0000")[..], &addresses].concat();
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut icmp = [&[message.0, message.1][..], &[0; 14]].concat();
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    [hex(destination), hex(source), IPV4.to_be_bytes().to_vec(), ip, icmp, vec![0; 10]].concat()
}

/// A UDP datagram over IPv6 without content, from a link-local address to all DHCPv6 servers: who sends it (MAC), ports.
pub fn udp6(source: &str, ports: (u16, u16)) -> Vec<u8> {
    let addresses = [address6(&link_local(source)), address6("ff02::1:2")].concat();
    let mut udp = [&ports.0.to_be_bytes()[..], &ports.1.to_be_bytes(), &hex("0008 0000")].concat();
    let sum = checksum(&[&addresses[..], &hex("00000008 00000011"), &udp].concat());
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    let ethernet = [&hex("33:33:00:01:00:02")[..], &hex(source), &IPV6.to_be_bytes()].concat();
    [&ethernet[..], &hex("60000000 0008 11 01"), &addresses, &udp].concat()
}

/// A frame that no protocol knows, to be found again by its text.
pub fn marked(source: &str, destination: &str, text: &str) -> Vec<u8> {
    let mut bytes = [hex(destination), hex(source), EXPERIMENTAL.to_be_bytes().to_vec(), text.into()].concat();
    bytes.resize(bytes.len().max(60), 0);
    bytes
}

/// The frame with a VLAN tag.
pub fn tagged(vlan: u16, frame: &[u8]) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, &VLAN.to_be_bytes(), &vlan.to_be_bytes(), rest].concat()
}

/// A neighbour advertisement that nobody asked for, to all nodes: who sends it (MAC, IPv6), and the target with its MAC.
pub fn advertisement(frame_source: &str, source: &str, target: (&str, &str)) -> Vec<u8> {
    let (target_mac, target_ip) = target;
    let body = [&hex("20000000")[..], &address6(target_ip), &hex("02 01"), &hex(target_mac)].concat();
    icmpv6(136, frame_source, source, &body)
}

/// A neighbour solicitation of a target to its solicited-node address: who sends it (MAC, IPv6). From `::`, without a
/// word about its sender.
pub fn solicitation(frame_source: &str, source: &str, target: &str) -> Vec<u8> {
    let options = if source == "::" { Vec::new() } else { [hex("01 01"), hex(frame_source)].concat() };
    solicitation_with(&options, (frame_source, source), target)
}

/// The same with these options.
pub fn solicitation_with(options: &[u8], (frame_source, source): (&str, &str), target: &str) -> Vec<u8> {
    let target = address6(target);
    let body = [&[0; 4][..], &target, options].concat();
    let [.., a, b, c] = target;
    let group = format!("ff02::1:ff{a:02x}:{b:02x}{c:02x}");
    icmpv6_to(&group, 135, (frame_source, source), &body)
}

/// ICMPv6 of a type with code 0, to all nodes: who sends it (MAC, IPv6), and what follows the checksum.
pub fn icmpv6(kind: u8, frame_source: &str, source: &str, body: &[u8]) -> Vec<u8> {
    icmpv6_to("ff02::1", kind, (frame_source, source), body)
}

/// The same to any multicast address.
pub fn icmpv6_to(group: &str, kind: u8, (frame_source, source): (&str, &str), body: &[u8]) -> Vec<u8> {
    let group = address6(group);
    let addresses = [address6(source), group].concat();
    let mut icmp = [&[kind, 0, 0, 0], body].concat();
    let length = u16::try_from(icmp.len()).expect("a test sends short packets").to_be_bytes();
    let sum = checksum(&[&addresses[..], &[0, 0], &length, &[0, 0, 0, ICMPV6], &icmp].concat());
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let ethernet = [&hex("33:33")[..], &group[12..], &hex(frame_source), &IPV6.to_be_bytes()].concat();
    [&ethernet[..], &hex("60000000"), &length, &[ICMPV6, 255], &addresses, &icmp].concat()
}

/// The link-local address that belongs to a MAC (RFC 4291, appendix A).
pub fn link_local(mac: &str) -> String {
    let m = hex(mac);
    format!("fe80::{:02x}{:02x}:{:02x}ff:fe{:02x}:{:02x}{:02x}", m[0] ^ 2, m[1], m[2], m[3], m[4], m[5])
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let sum: u32 = words.sum();
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}
