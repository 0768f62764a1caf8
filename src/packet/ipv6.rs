//! IPv6 and its extension headers (RFC 8200; authentication header: RFC 4302).

use std::net::Ipv6Addr;

use super::{Fragment, PacketError, Payload};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
/// The extension header of a fragment; what a later fragment has for its upper-layer protocol.
pub const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
/// Nothing follows.
const NO_NEXT_HEADER: u8 = 59;
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
    #[inline]
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
    #[inline]
    pub fn upper_layer(&self) -> Result<UpperLayer<'a>, PacketError> {
        let mut extensions = self.extensions();
        while extensions.decode_next()?.is_some() {}
        Ok(extensions.behind)
    }

    /// The extension headers.
    #[inline]
    pub const fn extensions(&self) -> Extensions<'a> {
        let (proto, payload) = (self.next_header, self.payload);
        Extensions { behind: UpperLayer { proto, fragment: Fragment::No, payload } }
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

/// An extension header.
///
/// | byte | field       |                                                                            |
/// |-----:|-------------|----------------------------------------------------------------------------|
/// |    0 | next header |                                                                            |
/// |    1 | length      | in 8 bytes, without the first 8; in 4 bytes without 2 in an authentication header |
/// |    2 | data        |                                                                            |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension<'a> {
    /// What it is: the number that the header in front of it names.
    pub header: u8,
    /// What follows it.
    pub next_header: u8,
    /// What stands behind next header and length.
    pub data: Payload<'a>,
}

impl Extension<'_> {
    /// What a fragment's header says; `None` for another header.
    pub fn fragment(&self) -> Option<FragmentHeader> {
        let [a, b, i0, i1, i2, i3] = *self.data.bytes() else { return None };
        let (field, identification) = (u16::from_be_bytes([a, b]), u32::from_be_bytes([i0, i1, i2, i3]));
        let header = FragmentHeader { offset: field & 0xfff8, more_fragments: field & 1 != 0, identification };
        (self.header == FRAGMENT).then_some(header)
    }
}

/// Which part of a datagram a packet holds (RFC 8200 §4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FragmentHeader {
    /// Where in the datagram the payload belongs, in bytes.
    pub offset: u16,
    /// True if more fragments follow.
    pub more_fragments: bool,
    /// Names the datagram.
    pub identification: u32,
}

/// The extension headers of a packet, those that Open vSwitch knows: up to the upper-layer protocol, or to that of
/// a later fragment, behind which stands no header. After an error there are no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extensions<'a> {
    behind: UpperLayer<'a>,
}

impl<'a> Extensions<'a> {
    #[inline]
    fn decode_next(&mut self) -> Result<Option<Extension<'a>>, PacketError> {
        let behind = &mut self.behind;
        let header = behind.proto;
        let known = matches!(header, HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | FRAGMENT | AUTHENTICATION);
        if !known || behind.fragment == Fragment::Later {
            return Ok(None);
        }
        // The shortest one has 8 bytes; what is looked at stands in them.
        let [next_header, length, o0, o1, ..] = { behind.payload }.array::<8>("ipv6.extension")?;
        let length = usize::from(length);
        let whole = match header {
            FRAGMENT => 8,
            AUTHENTICATION => (length + 2) * 4,
            _ => (length + 1) * 8,
        };
        let mut data = behind.payload.take(whole, "ipv6.extension")?;
        data.take(2, "ipv6.extension")?;
        behind.proto = next_header;
        let offset = u16::from_be_bytes([o0, o1]);
        if header == FRAGMENT && offset != 0 {
            behind.fragment = Fragment::First;
            if offset & 0xfff8 != 0 {
                (behind.fragment, behind.proto) = (Fragment::Later, FRAGMENT);
            }
        }
        Ok(Some(Extension { header, next_header, data }))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<Extension<'a>, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        let extension = self.decode_next();
        if extension.is_err() {
            self.behind = UpperLayer { proto: NO_NEXT_HEADER, fragment: Fragment::No, payload: Payload::default() };
        }
        extension.transpose()
    }
}
