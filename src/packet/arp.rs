//! ARP and RARP for IPv4 over Ethernet (RFC 826, RFC 903).

use std::net::Ipv4Addr;

use super::{PacketError, Payload};
use crate::openflow::{MacAddr, Writer};

/// What a packet for IPv4 over Ethernet begins with: hardware and protocol, and the lengths of their addresses.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// An ARP or RARP packet, 28 bytes.
///
/// | byte | field          |                     |
/// |-----:|----------------|---------------------|
/// |    0 | hardware type  | 1, Ethernet         |
/// |    2 | protocol type  | 0x0800, IPv4        |
/// |    4 | lengths        | 6 and 4             |
/// |    6 | operation      |                     |
/// |    8 | sender         | MAC and IPv4 address |
/// |   18 | target         | MAC and IPv4 address |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// [`REQUEST`](Self::REQUEST), [`REPLY`](Self::REPLY), or another.
    pub op: u16,
    /// Who sends.
    pub sha: MacAddr,
    /// Its address.
    pub spa: Ipv4Addr,
    /// Who is asked or told; zero in a request.
    pub tha: MacAddr,
    /// The address that is asked for.
    pub tpa: Ipv4Addr,
}

impl Arp {
    /// Who has this address?
    pub const REQUEST: u16 = 1;
    /// I have.
    pub const REPLY: u16 = 2;

    /// Reads a packet; padding behind it does not count. Errors: cut off, or not for IPv4 over Ethernet.
    #[inline]
    pub fn decode(mut payload: Payload<'_>) -> Result<Self, PacketError> {
        let offset = payload.offset();
        let mut packet = payload.take(28, "arp")?;
        let head = packet.array("arp")?;
        if head != ETHERNET_IPV4 {
            return Err(foreign(head, offset));
        }
        Ok(Self {
            op: u16::from_be_bytes(packet.array("arp.op")?),
            sha: MacAddr(packet.array("arp.sha")?),
            spa: Ipv4Addr::from(packet.array::<4>("arp.spa")?),
            tha: MacAddr(packet.array("arp.tha")?),
            tpa: Ipv4Addr::from(packet.array::<4>("arp.tpa")?),
        })
    }

    /// Appends the packet.
    #[inline]
    pub fn encode(&self, writer: &mut Writer) {
        writer.bytes(&ETHERNET_IPV4);
        writer.u16(self.op);
        writer.bytes(&self.sha.0);
        writer.bytes(&self.spa.octets());
        writer.bytes(&self.tha.0);
        writer.bytes(&self.tpa.octets());
    }
}

/// Says which of the first fields, of the packet that begins at `offset`, is another than [`ETHERNET_IPV4`].
#[cold]
fn foreign(head: [u8; 6], offset: usize) -> PacketError {
    let [h0, h1, p0, p1, hardware_len, protocol_len] = head;
    let (what, found, expected) = match head {
        [0, 1, 8, 0, 6, _] => ("arp.pln", protocol_len.into(), "4 (an IPv4 address)"),
        [0, 1, 8, 0, ..] => ("arp.hln", hardware_len.into(), "6 (an Ethernet address)"),
        [0, 1, ..] => ("arp.pro", u16::from_be_bytes([p0, p1]), "2048 (IPv4)"),
        _ => ("arp.hrd", u16::from_be_bytes([h0, h1]), "1 (Ethernet)"),
    };
    PacketError::Invalid { what, offset, found: found.into(), expected }
}
