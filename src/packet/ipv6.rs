//! IPv6 and its extension headers (RFC 8200; authentication header: RFC 4302).

use std::net::Ipv6Addr;

use super::{Fragment, PacketError, Payload};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
/// The extension header of a fragment; what a later fragment has for its upper-layer protocol.
pub const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// An IPv6 packet.
///
/// | byte | field                 |                                     |
/// |-----:|-----------------------|-------------------------------------|
/// |    0 | version, class, label | 4, 8 and 20 bits                    |
/// |    4 | payload length        | of everything behind this header    |
/// |    6 | next header           |                                     |
/// |    7 | hop limit             |                                     |
/// |    8 | source                |                                     |
/// |   24 | destination           |                                     |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6<'a> {
    /// 6 unless somebody lies: Open vSwitch does not look at it, so that this view must not either.
    pub version: u8,
    /// Traffic class: DSCP and ECN.
    pub tos: u8,
    /// Flow label, 20 bits.
    pub label: u32,
    /// What the payload begins with: an extension header or the upper-layer protocol.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// From whom.
    pub src: Ipv6Addr,
    /// To whom.
    pub dst: Ipv6Addr,
    /// What follows, as long as the payload length says: without padding of the frame.
    pub payload: Payload<'a>,
}

impl<'a> Ipv6<'a> {
    /// Reads a packet, without its extension headers. Errors: cut off.
    pub fn decode(mut packet: Payload<'a>) -> Result<Self, PacketError> {
        let [v0, v1, v2, v3, l0, l1, next_header, hop_limit] = packet.array("ipv6")?;
        let src = Ipv6Addr::from(packet.array::<16>("ipv6.source")?);
        let dst = Ipv6Addr::from(packet.array::<16>("ipv6.destination")?);
        let first = u32::from_be_bytes([v0, v1, v2, v3]);
        let payload_len = u16::from_be_bytes([l0, l1]);
        Ok(Self {
            version: v0 >> 4,
            tos: (first >> 20) as u8,
            label: first & 0x000f_ffff,
            next_header,
            hop_limit,
            src,
            dst,
            payload: packet.take(payload_len.into(), "ipv6.payload")?,
        })
    }

    /// Passes over the extension headers. Errors: one that is cut off.
    pub fn upper_layer(&self) -> Result<UpperLayer<'a>, PacketError> {
        let mut upper = UpperLayer { proto: self.next_header, fragment: Fragment::No, payload: self.payload };
        while upper.fragment != Fragment::Later && upper.skip_extension()? {}
        Ok(upper)
    }
}

/// What stands behind the extension headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpperLayer<'a> {
    /// Its protocol; [`FRAGMENT`] for a later fragment, whose protocol is not in it.
    pub proto: u8,
    /// Which part of the datagram this is.
    pub fragment: Fragment,
    /// The bytes.
    pub payload: Payload<'a>,
}

impl UpperLayer<'_> {
    /// Passes over one extension header; false if there is none.
    fn skip_extension(&mut self) -> Result<bool, PacketError> {
        if !matches!(self.proto, HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | FRAGMENT | AUTHENTICATION) {
            return Ok(false);
        }
        // The shortest one has 8 bytes; what is looked at stands in them.
        let [next, length, o0, o1, ..] = { self.payload }.array::<8>("ipv6.extension")?;
        let (at_fragment, length) = (self.proto == FRAGMENT, usize::from(length));
        let whole = match self.proto {
            FRAGMENT => 8,
            AUTHENTICATION => (length + 2) * 4,
            _ => (length + 1) * 8,
        };
        self.payload.take(whole, "ipv6.extension")?;
        self.proto = next;
        let offset = u16::from_be_bytes([o0, o1]);
        if at_fragment && offset != 0 {
            self.fragment = Fragment::First;
            if offset & 0xfff8 != 0 {
                (self.fragment, self.proto) = (Fragment::Later, FRAGMENT);
            }
        }
        Ok(true)
    }
}
