//! ICMPv6 (RFC 4443); what neighbor discovery says with it is in [`nd`](super::nd).

use super::{PacketError, Payload};

/// An ICMPv6 message: type, code, checksum (2 bytes), and 4 bytes that the type explains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Icmpv6<'a> {
    /// What it is.
    pub icmp_type: u8,
    /// Which of that.
    pub code: u8,
    /// Checksum, not verified.
    pub checksum: u16,
    /// Flags of an advertisement, identifier and sequence number of an echo, …
    pub rest_of_header: [u8; 4],
    /// What follows.
    pub payload: Payload<'a>,
}

impl<'a> Icmpv6<'a> {
    /// Reads a message. Errors: a header that is cut off.
    #[inline]
    pub fn decode(mut message: Payload<'a>) -> Result<Self, PacketError> {
        let [icmp_type, code, c0, c1, a, b, c, d] = message.array("icmpv6")?;
        let checksum = u16::from_be_bytes([c0, c1]);
        Ok(Self { icmp_type, code, checksum, rest_of_header: [a, b, c, d], payload: message })
    }
}
