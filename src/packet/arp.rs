//! ARP and RARP for IPv4 over Ethernet (RFC 826, RFC 903).

use std::net::Ipv4Addr;

use super::{PacketError, Payload};
use crate::openflow::numbers::ETH_TYPE_IPV4;
use crate::openflow::{MacAddr, Writer};

/// `ar_hrd` of Ethernet.
const HARDWARE_ETHERNET: u16 = 1;

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
    pub fn decode(mut payload: Payload<'_>) -> Result<Self, PacketError> {
        let at = payload;
        let packet = payload.array::<28>("arp")?;
        let [h0, h1, p0, p1, hlen, plen, o0, o1, rest @ ..] = packet;
        for (what, found, wanted, expected) in [
            ("arp.hrd", u16::from_be_bytes([h0, h1]), HARDWARE_ETHERNET, "1 (Ethernet)"),
            ("arp.pro", u16::from_be_bytes([p0, p1]), ETH_TYPE_IPV4, "2048 (IPv4)"),
            ("arp.hln", hlen.into(), 6, "6 (an Ethernet address)"),
            ("arp.pln", plen.into(), 4, "4 (an IPv4 address)"),
        ] {
            if found != wanted {
                return Err(at.invalid(what, found.into(), expected));
            }
        }
        let [a, b, c, d, e, f, s0, s1, s2, s3, u, v, w, x, y, z, t0, t1, t2, t3] = rest;
        Ok(Self {
            op: u16::from_be_bytes([o0, o1]),
            sha: MacAddr([a, b, c, d, e, f]),
            spa: Ipv4Addr::new(s0, s1, s2, s3),
            tha: MacAddr([u, v, w, x, y, z]),
            tpa: Ipv4Addr::new(t0, t1, t2, t3),
        })
    }

    /// Appends the packet.
    #[inline]
    pub fn encode(&self, writer: &mut Writer) {
        writer.u16(HARDWARE_ETHERNET);
        writer.u16(ETH_TYPE_IPV4);
        writer.bytes(&[6, 4]);
        writer.u16(self.op);
        writer.bytes(&self.sha.0);
        writer.bytes(&self.spa.octets());
        writer.bytes(&self.tha.0);
        writer.bytes(&self.tpa.octets());
    }
}
