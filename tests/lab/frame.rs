//! Just enough of Ethernet and VXLAN to count what a capture saw. Independent of the code under test on purpose.

use super::netns::hex;

const ARP: u16 = 0x0806;
const VLAN: u16 = 0x8100;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const VXLAN_PORT: u16 = 4789;

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
        bytes.extend(ip.parse::<std::net::Ipv4Addr>().unwrap_or_else(|e| panic!("{ip}: {e}")).octets());
    }
    bytes
}
