//! Protocols with ports: TCP (RFC 9293), UDP (RFC 768), SCTP (RFC 9260).

use super::{PacketError, Payload};

/// Bytes of a TCP header without options.
const TCP_HEADER_LEN: usize = 20;

/// A TCP segment.
///
/// | byte | field            |                                         |
/// |-----:|------------------|-----------------------------------------|
/// |    0 | source port      |                                         |
/// |    2 | destination port |                                         |
/// |    4 | sequence number  |                                         |
/// |    8 | acknowledgement  |                                         |
/// |   12 | offset and flags | 4 bits, in 4 bytes; 12 bits             |
/// |   14 | window           |                                         |
/// |   16 | checksum         |                                         |
/// |   18 | urgent pointer   |                                         |
/// |   20 | options          |                                         |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tcp<'a> {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags from FIN (bit 0) on, the reserved bits too.
    pub flags: u16,
    /// Window.
    pub window: u16,
    /// Checksum, not verified.
    pub checksum: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Options, not looked at.
    pub options: &'a [u8],
    /// What follows.
    pub payload: Payload<'a>,
}

impl<'a> Tcp<'a> {
    /// Reads a segment. Errors: cut off, or a header length that cannot be.
    pub fn decode(segment: Payload<'a>) -> Result<Self, PacketError> {
        let mut rest = segment;
        let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, o0, o1, w0, w1, c0, c1, u0, u1] = rest.array("tcp")?;
        let control = u16::from_be_bytes([o0, o1]);
        let words = control >> 12;
        let Some(options_len) = usize::from(words * 4).checked_sub(TCP_HEADER_LEN) else {
            return Err(segment.invalid("tcp.data_offset", words.into(), "5 at the least"));
        };
        Ok(Self {
            src: u16::from_be_bytes([s0, s1]),
            dst: u16::from_be_bytes([d0, d1]),
            seq: u32::from_be_bytes([q0, q1, q2, q3]),
            ack: u32::from_be_bytes([a0, a1, a2, a3]),
            flags: control & 0x0fff,
            window: u16::from_be_bytes([w0, w1]),
            checksum: u16::from_be_bytes([c0, c1]),
            urgent: u16::from_be_bytes([u0, u1]),
            options: rest.take(options_len, "tcp.options")?.bytes(),
            payload: rest,
        })
    }
}

/// A UDP datagram: source port, destination port, length and checksum, 2 bytes each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Udp<'a> {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
    /// Length of header and payload as it stands; [`body`](Self::body) holds it against the bytes that are there.
    pub length: u16,
    /// Checksum, not verified; 0: none.
    pub checksum: u16,
    /// All that follows, whatever the length says: that is what Open vSwitch matches on.
    pub payload: Payload<'a>,
}

impl<'a> Udp<'a> {
    /// Bytes of the header.
    const HEADER_LEN: u16 = 8;

    /// Reads a datagram. Errors: a header that is cut off.
    #[inline]
    pub fn decode(mut datagram: Payload<'a>) -> Result<Self, PacketError> {
        let [s0, s1, d0, d1, l0, l1, c0, c1] = datagram.array("udp")?;
        Ok(Self {
            src: u16::from_be_bytes([s0, s1]),
            dst: u16::from_be_bytes([d0, d1]),
            length: u16::from_be_bytes([l0, l1]),
            checksum: u16::from_be_bytes([c0, c1]),
            payload: datagram,
        })
    }

    /// What the datagram carries, as long as its length says. Errors: a length that cannot be, or a datagram that is
    /// cut off, as the first of several fragments is.
    #[inline]
    pub fn body(&self) -> Result<Payload<'a>, PacketError> {
        let mut payload = self.payload;
        match self.length.checked_sub(Self::HEADER_LEN) {
            Some(length) => payload.take(length.into(), "udp.payload"),
            None => Err(payload.invalid("udp.length", self.length.into(), "8 at the least")),
        }
    }
}

/// An SCTP packet: source port, destination port (2 bytes each), verification tag, checksum (4 bytes each).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sctp<'a> {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
    /// Verification tag.
    pub tag: u32,
    /// Checksum (CRC32c), not verified.
    pub checksum: u32,
    /// Chunks.
    pub payload: Payload<'a>,
}

impl<'a> Sctp<'a> {
    /// Reads a packet. Errors: a header that is cut off.
    pub fn decode(mut packet: Payload<'a>) -> Result<Self, PacketError> {
        let [s0, s1, d0, d1, t0, t1, t2, t3, c0, c1, c2, c3] = packet.array("sctp")?;
        Ok(Self {
            src: u16::from_be_bytes([s0, s1]),
            dst: u16::from_be_bytes([d0, d1]),
            tag: u32::from_be_bytes([t0, t1, t2, t3]),
            checksum: u32::from_be_bytes([c0, c1, c2, c3]),
            payload: packet,
        })
    }
}
