//! IPv4 (RFC 791).

use std::net::Ipv4Addr;

use super::{Fragment, PacketError, Payload};

/// Bytes of the header without options.
pub(super) const HEADER_LEN: usize = 20;

/// An IPv4 packet.
///
/// | byte | field             |                                      |
/// |-----:|-------------------|--------------------------------------|
/// |    0 | version, length   | 4 bits each, the length in 4 bytes   |
/// |    1 | type of service   | DSCP (6 bits), ECN (2 bits)          |
/// |    2 | total length      |                                      |
/// |    4 | identification    |                                      |
/// |    6 | flags and offset  | 3 bits; 13 bits, in 8 bytes          |
/// |    8 | time to live      |                                      |
/// |    9 | protocol          |                                      |
/// |   10 | header checksum   |                                      |
/// |   12 | source            |                                      |
/// |   16 | destination       |                                      |
/// |   20 | options           |                                      |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4<'a> {
    /// 4 unless somebody lies: Open vSwitch does not look at it, so that this view must not either.
    pub version: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Names the datagram of which this is a fragment.
    pub identification: u16,
    /// Flags (do not fragment, more fragments) and offset as they stand.
    pub flags_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// What the payload is.
    pub proto: u8,
    /// Checksum of the header, not verified.
    pub checksum: u16,
    /// From whom.
    pub src: Ipv4Addr,
    /// To whom.
    pub dst: Ipv4Addr,
    /// Options, not looked at yet.
    pub options: Ipv4Options<'a>,
    /// What follows, as long as the total length says: without padding of the frame.
    pub payload: Payload<'a>,
}

impl<'a> Ipv4<'a> {
    /// Reads a packet. Errors: cut off, or lengths that contradict each other or the frame.
    #[inline]
    pub fn decode(packet: Payload<'a>) -> Result<Self, PacketError> {
        let mut rest = packet;
        let [version_ihl, tos, l0, l1, i0, i1, f0, f1, ttl, proto, c0, c1, s0, s1, s2, s3, d0, d1, d2, d3] =
            rest.array::<HEADER_LEN>("ipv4")?;
        let header_len = usize::from(version_ihl & 0x0f) * 4;
        let Some(options_len) = header_len.checked_sub(HEADER_LEN) else {
            return Err(packet.invalid("ipv4.ihl", (version_ihl & 0x0f).into(), "5 at the least"));
        };
        let options = Ipv4Options(rest.take(options_len, "ipv4.options")?);
        let total_len = u16::from_be_bytes([l0, l1]);
        let Some(payload_len) = usize::from(total_len).checked_sub(header_len) else {
            return Err(packet.invalid("ipv4.total_length", total_len.into(), "no less than the header's length"));
        };
        Ok(Self {
            version: version_ihl >> 4,
            tos,
            identification: u16::from_be_bytes([i0, i1]),
            flags_offset: u16::from_be_bytes([f0, f1]),
            ttl,
            proto,
            checksum: u16::from_be_bytes([c0, c1]),
            src: Ipv4Addr::new(s0, s1, s2, s3),
            dst: Ipv4Addr::new(d0, d1, d2, d3),
            options,
            payload: rest.take(payload_len, "ipv4.payload")?,
        })
    }

    /// True if more fragments follow.
    pub const fn more_fragments(&self) -> bool {
        self.flags_offset & 0x2000 != 0
    }

    /// Where in the datagram the payload belongs, in bytes.
    pub const fn fragment_offset(&self) -> u16 {
        (self.flags_offset & 0x1fff) * 8
    }

    /// Which part of the datagram this is.
    pub const fn fragment(&self) -> Fragment {
        match (self.fragment_offset(), self.more_fragments()) {
            (0, false) => Fragment::No,
            (0, true) => Fragment::First,
            _ => Fragment::Later,
        }
    }
}

/// One option (RFC 791 §3.1): type, length of the whole, and what that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Option<'a> {
    /// What it is; the upper bit says that every fragment has it.
    pub option_type: u8,
    /// What stands behind type and length.
    pub data: Payload<'a>,
}

impl Ipv4Option<'_> {
    /// The last one; without a length.
    pub const END: u8 = 0;
    /// Fills a gap; without a length.
    pub const NO_OPERATION: u8 = 1;
    /// Routers are to look at the packet (RFC 2113), as in IGMP.
    pub const ROUTER_ALERT: u8 = 148;
}

/// The options of a packet, those without a meaning left out. After an error there are no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Options<'a>(Payload<'a>);

impl<'a> Ipv4Options<'a> {
    /// The bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.0.bytes()
    }

    fn decode_next(&mut self) -> Result<Ipv4Option<'a>, PacketError> {
        let at = self.0;
        let [option_type, length] = { at }.array("ipv4.option")?;
        if length < 2 {
            return Err(at.invalid("ipv4.option.length", length.into(), "2 at the least"));
        }
        let mut data = self.0.take(length.into(), "ipv4.option")?;
        data.take(2, "ipv4.option")?;
        Ok(Ipv4Option { option_type, data })
    }
}

impl<'a> Iterator for Ipv4Options<'a> {
    type Item = Result<Ipv4Option<'a>, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let [Ipv4Option::NO_OPERATION, ..] = self.bytes() {
            self.0.next_byte();
        }
        if let [] | [Ipv4Option::END, ..] = self.bytes() {
            return None;
        }
        let option = self.decode_next();
        if option.is_err() {
            self.0 = Payload::default();
        }
        Some(option)
    }
}
