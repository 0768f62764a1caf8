//! The Internet checksum (RFC 1071).

use std::net::{Ipv4Addr, Ipv6Addr};

/// A checksum in the making: the sum of what it covers, part by part.
///
/// The sum of 16-bit words with the carry added at the end is the same in either byte order, and the same for wider
/// words. So words of 32 bits are added as they stand in memory, without a carry until 16 GiB were added.
#[derive(Clone, Copy, Default, Debug)]
pub struct Checksum(u64);

impl Checksum {
    /// The sum of nothing.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Begins with the pseudo header of IPv4 (RFC 768): `length` is that of the segment.
    #[inline]
    pub fn of_ipv4(src: Ipv4Addr, dst: Ipv4Addr, proto: u8, length: u16) -> Self {
        let [high, low] = length.to_be_bytes();
        Self::new().with(&src.octets()).with(&dst.octets()).with(&[0, proto, high, low])
    }

    /// Begins with the pseudo header of IPv6 (RFC 8200 §8.1): `length` is that of the segment.
    #[inline]
    pub fn of_ipv6(src: Ipv6Addr, dst: Ipv6Addr, proto: u8, length: u16) -> Self {
        let [high, low] = length.to_be_bytes();
        Self::new().with(&src.octets()).with(&dst.octets()).with(&[0, 0, high, low, 0, 0, 0, proto])
    }

    /// With these bytes too. Only the last may be odd in number.
    #[inline]
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        let sum: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
        let last = match *rest {
            [a] => [a, 0, 0, 0],
            [a, b] => [a, b, 0, 0],
            [a, b, c] => [a, b, c, 0],
            _ => [0; 4],
        };
        Self(self.0 + sum + u64::from(u32::from_ne_bytes(last)))
    }

    /// The checksum. 0 over bytes that hold their checksum means that it is right.
    #[inline]
    pub const fn finish(self) -> u16 {
        let mut sum = self.0;
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        u16::from_be(!(sum as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let sum = Checksum::new().with(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.finish(), !0xddf2);
        assert_eq!(Checksum::new().finish(), 0xffff);
    }

    /// Word by word, as the RFC says it.
    fn reference(bytes: &[u8]) -> u16 {
        let mut sum: u32 = 0;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    proptest! {
        #[test]
        fn it_is_the_sum_of_the_words_however_the_bytes_are_cut(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xff), Just(0)], 0..200),
            cut in any::<proptest::sample::Index>(),
        ) {
            prop_assert_eq!(Checksum::new().with(&bytes).finish(), reference(&bytes));
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1) & !1);
            prop_assert_eq!(Checksum::new().with(head).with(tail).finish(), reference(&bytes));
        }
    }
}
