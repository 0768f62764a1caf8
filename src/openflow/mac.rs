//! Ethernet addresses.

use std::fmt;
use std::str::FromStr;

/// An Ethernet (MAC) address, six octets in wire order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

/// Text that is not an Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {0:?}, expected an Ethernet address such as fa:16:3e:00:00:01")]
pub struct ParseMacError(pub String);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The lowest 48 bits of `number`.
    pub const fn from_number(number: u128) -> Self {
        let [.., a, b, c, d, e, f] = number.to_be_bytes();
        Self([a, b, c, d, e, f])
    }

    /// True if the group bit is set: multicast, and broadcast too.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// True for the all-zero address.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }

    /// The link-local IPv6 address that an interface with this address makes for itself
    /// (`fe80::/64` and the modified EUI-64; RFC 4291 §2.5.6 and appendix A).
    pub const fn link_local_ipv6(self) -> std::net::Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        std::net::Ipv6Addr::new(
            0xfe80,
            0,
            0,
            0,
            (((a ^ 2) as u16) << 8) | b as u16,
            ((c as u16) << 8) | 0xff,
            0xfe00 | d as u16,
            ((e as u16) << 8) | f as u16,
        )
    }

    /// The address whose [link-local address](Self::link_local_ipv6) this is.
    pub fn of_link_local_ipv6(address: std::net::Ipv6Addr) -> Option<Self> {
        let [.., a, b, c, _, _, d, e, f] = address.octets();
        Some(Self([a ^ 2, b, c, d, e, f])).filter(|mac| mac.link_local_ipv6() == address)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for MacAddr {
    type Err = ParseMacError;

    /// Six groups of one or two hexadecimal digits with colons between them.
    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let refuse = || ParseMacError(text.to_owned());
        let mut octets = [0u8; 6];
        let mut groups = text.split(':');
        for octet in &mut octets {
            let group = groups.next().ok_or_else(refuse)?;
            if group.is_empty() || group.len() > 2 || !group.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(refuse());
            }
            *octet = u8::from_str_radix(group, 16).map_err(|_| refuse())?;
        }
        if groups.next().is_some() { Err(refuse()) } else { Ok(Self(octets)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_prints() {
        let mac: MacAddr = "fa:16:3e:00:01:0a".parse().unwrap();
        assert_eq!(mac, MacAddr([0xfa, 0x16, 0x3e, 0, 1, 10]));
        assert_eq!(mac.to_string(), "fa:16:3e:00:01:0a");
    }

    #[test]
    fn text_that_is_no_address_is_refused() {
        for text in
            ["", "fa:16:3e:00:01", "fa:16:3e:00:01:0a:0b", "fa-16-3e-00-01-0a", "+a:16:3e:00:01:0a", "g0:0:0:0:0:0"]
        {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_link_local_address_is_the_modified_eui_64() {
        let mac: MacAddr = "fa:16:3e:00:01:01".parse().unwrap();
        assert_eq!(mac.link_local_ipv6().to_string(), "fe80::f816:3eff:fe00:101");
        assert_eq!(MacAddr::of_link_local_ipv6(mac.link_local_ipv6()), Some(mac));
        for other in ["fe80::1", "fe80::f816:3eff:ff00:101", "2001:db8::f816:3eff:fe00:101"] {
            assert_eq!(MacAddr::of_link_local_ipv6(other.parse().unwrap()), None, "{other}");
        }
    }
}
