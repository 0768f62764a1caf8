//! ARP and RARP for IPv4 over Ethernet (RFC 826, RFC 903).
//!
//! [`Arp`] holds the fields, to be kept or written. [`ArpPacket`] and [`ArpFrame`] only say where they are: what comes
//! up to be answered is read by these.

use std::net::Ipv4Addr;

use super::{PacketError, Payload, VlanTag};
use crate::openflow::numbers::{ETH_TYPE_ARP, ETH_TYPE_VLAN};
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
    pub fn decode(payload: Payload<'_>) -> Result<Self, PacketError> {
        let packet = ArpPacket::decode(payload)?;
        Ok(Self { op: packet.op(), sha: packet.sha(), spa: packet.spa(), tha: packet.tha(), tpa: packet.tpa() })
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

/// An ARP or RARP packet where it stands: a field is read when it is asked for. Bytes as in [`Arp`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArpPacket<'a>(&'a [u8; 28]);

impl<'a> ArpPacket<'a> {
    /// Finds a packet; padding behind it does not count. Errors: cut off, or not for IPv4 over Ethernet.
    #[inline]
    pub fn decode(payload: Payload<'a>) -> Result<Self, PacketError> {
        let Some(bytes) = payload.bytes().first_chunk::<28>() else {
            return Err(payload.truncated("arp", 28));
        };
        let [a, b, c, d, e, f, ..] = *bytes;
        let head = [a, b, c, d, e, f];
        if head == ETHERNET_IPV4 { Ok(Self(bytes)) } else { Err(foreign(head, payload.offset())) }
    }

    /// [`Arp::REQUEST`], [`Arp::REPLY`], or another.
    #[inline]
    pub const fn op(&self) -> u16 {
        let [_, _, _, _, _, _, a, b, ..] = *self.0;
        u16::from_be_bytes([a, b])
    }

    /// Who sends.
    #[inline]
    pub const fn sha(&self) -> MacAddr {
        let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, ..] = *self.0;
        MacAddr([a, b, c, d, e, f])
    }

    /// Its address.
    #[inline]
    pub const fn spa(&self) -> Ipv4Addr {
        let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d, ..] = *self.0;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Who is asked or told; zero in a request.
    #[inline]
    pub const fn tha(&self) -> MacAddr {
        let [.., a, b, c, d, e, f, _, _, _, _] = *self.0;
        MacAddr([a, b, c, d, e, f])
    }

    /// The address that is asked for.
    #[inline]
    pub const fn tpa(&self) -> Ipv4Addr {
        let [.., a, b, c, d] = *self.0;
        Ipv4Addr::new(a, b, c, d)
    }
}

/// A frame as nearly all with ARP are: with no tag or one of 802.1Q, for IPv4 over Ethernet, whole. One look at its
/// length and one at its types tell, and nothing is copied. [`Ethernet`](super::Ethernet) and [`ArpPacket`] read the
/// same out of it, and all others.
///
/// | byte | field       |                                             |
/// |-----:|-------------|---------------------------------------------|
/// |    0 | destination |                                             |
/// |    6 | source      |                                             |
/// |   12 | tag         | none, or 4 bytes                            |
/// |      | type        | 0x0806                                      |
/// |      | packet      | 28 bytes                                    |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArpFrame<'a> {
    addresses: &'a [u8; 12],
    /// The tag.
    pub tag: Option<VlanTag>,
    /// The packet.
    pub packet: ArpPacket<'a>,
}

impl<'a> ArpFrame<'a> {
    /// Recognizes such a frame; padding behind it does not count.
    #[inline]
    pub fn of(frame: &'a [u8]) -> Option<Self> {
        let plain = frame.first_chunk::<42>()?;
        if let Some(packet) = packet_of(plain.last_chunk()?) {
            return Some(Self { addresses: plain.first_chunk()?, tag: None, packet });
        }
        let tagged = frame.first_chunk::<46>()?;
        let [.., t, p, a, b] = *tagged.first_chunk::<16>()?;
        let tpid = u16::from_be_bytes([t, p]);
        let packet = packet_of(tagged.last_chunk()?).filter(|_| tpid == ETH_TYPE_VLAN)?;
        let tag = Some(VlanTag { tpid, tci: u16::from_be_bytes([a, b]) });
        Some(Self { addresses: tagged.first_chunk()?, tag, packet })
    }

    /// To whom.
    #[inline]
    pub const fn dst(&self) -> MacAddr {
        let [a, b, c, d, e, f, ..] = *self.addresses;
        MacAddr([a, b, c, d, e, f])
    }

    /// From whom.
    #[inline]
    pub const fn src(&self) -> MacAddr {
        let [.., a, b, c, d, e, f] = *self.addresses;
        MacAddr([a, b, c, d, e, f])
    }
}

/// The packet behind the type in front of it, if that is ARP's and the packet is for IPv4 over Ethernet.
#[inline]
fn packet_of(bytes: &[u8; 30]) -> Option<ArpPacket<'_>> {
    const HEAD: [u8; 8] = {
        let ([t, u], [a, b, c, d, e, f]) = (ETH_TYPE_ARP.to_be_bytes(), ETHERNET_IPV4);
        [t, u, a, b, c, d, e, f]
    };
    (*bytes.first_chunk()? == HEAD).then_some(ArpPacket(bytes.last_chunk()?))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Ethernet;

    /// Frames with ARP, tagged or not, and what can happen to one: other bytes, padding, an end that is cut off.
    fn arp_frame() -> impl Strategy<Value = Vec<u8>> {
        let tag = prop_oneof![
            Just(Vec::new()),
            any::<[u8; 2]>().prop_map(|tci| [&[0x81, 0], &tci[..]].concat()),
            any::<[u8; 6]>().prop_map(|[a, b, c, d, ..]| vec![0x88, 0xa8, a, b, 0x81, 0, c, d]),
        ];
        let change = proptest::option::of((0..50_usize, any::<u8>()));
        (any::<[u8; 12]>(), tag, any::<[u8; 22]>(), change, 0..60_usize).prop_map(
            |(addresses, tag, fields, change, len)| {
                let mut bytes = [&addresses[..], &tag, &[8, 6, 0, 1, 8, 0, 6, 4], &fields].concat();
                if let Some((at, value)) = change
                    && let Some(byte) = bytes.get_mut(at)
                {
                    *byte = value;
                }
                bytes.resize(len.max(20), 0);
                bytes
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_frame_with_arp_is_read_alike_at_one_look_and_layer_by_layer(bytes in arp_frame()) {
            let slow = Ethernet::decode(Payload::new(&bytes)).ok().and_then(|ethernet| {
                let arp = Arp::decode(ethernet.payload).ok().filter(|_| ethernet.eth_type == ETH_TYPE_ARP)?;
                Some((ethernet.dst, ethernet.src, ethernet.tags, arp))
            });
            let fast = ArpFrame::of(&bytes).map(|frame| {
                let (op, sha, spa) = (frame.packet.op(), frame.packet.sha(), frame.packet.spa());
                let arp = Arp { op, sha, spa, tha: frame.packet.tha(), tpa: frame.packet.tpa() };
                (frame.dst(), frame.src(), [frame.tag, None], arp)
            });
            let is_common = |tags: [Option<VlanTag>; 2]| matches!(tags, [None | Some(VlanTag { tpid: 0x8100, .. }), None]);
            prop_assert_eq!(fast, slow.filter(|(_, _, tags, _)| is_common(*tags)));
        }
    }
}
