//! How many packets may come up: so many a second from one port, and so many from all ports of a bridge.
//!
//! Each limit is a token bucket in its shortest form (GCRA, ITU-T I.371): one number says when the bucket would be
//! full again. Ports share a table of fixed size by hash; two that share a place share its rate, which nobody notices
//! below the limit.

use std::time::Duration;

use crate::openflow::{MacAddr, PortNo};

/// Packets a second. A whole second's worth may come at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate(Option<u32>);

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self(None);

    /// So many a second; 0 is no limit.
    pub const fn per_second(packets: u32) -> Self {
        Self(if packets == 0 { None } else { Some(packets) })
    }

    /// Takes one packet at `now` if the bucket that is full at `full_at` holds one; both in nanoseconds.
    fn take(self, full_at: &mut u64, now: u64) -> bool {
        const SECOND: u64 = 1_000_000_000;
        let Self(Some(packets)) = self else { return true };
        let next = (*full_at).max(now) + SECOND / u64::from(packets);
        let is_there = next - now <= SECOND;
        if is_there {
            *full_at = next;
        }
        is_there
    }
}

/// Who sends a packet up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// A port of its own.
    Port(PortNo),
    /// A machine behind a port that many share: its MAC address and VLAN.
    Address(MacAddr, u16),
}

impl Source {
    /// A number that spreads sources over all its bits.
    pub(super) fn spread(self) -> u64 {
        let number = match self {
            Self::Port(port) => u64::from(port.0),
            Self::Address(MacAddr([a, b, c, d, e, f]), vid) => {
                u64::from_be_bytes([0, 0, a, b, c, d, e, f]) | u64::from(vid) << 48
            }
        };
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Its place in a table of [`Source::PLACES`]; others may have the same.
    pub(super) fn place(self) -> usize {
        (self.spread() >> (u64::BITS - PLACES_BITS)) as usize
    }

    pub(super) const PLACES: usize = 1 << PLACES_BITS;
}

const PLACES_BITS: u32 = 12;

/// The limits of one bridge, and how far they are used up.
#[derive(Debug)]
pub struct Limits {
    per_source: Rate,
    per_bridge: Rate,
    sources: Box<[u64]>,
    bridge: u64,
}

impl Limits {
    /// Each source and the whole bridge at these rates.
    pub fn new(per_source: Rate, per_bridge: Rate) -> Self {
        let places = if per_source == Rate::UNLIMITED { 0 } else { Source::PLACES };
        Self { per_source, per_bridge, sources: vec![0; places].into_boxed_slice(), bridge: 0 }
    }

    /// No limit.
    pub fn none() -> Self {
        Self::new(Rate::UNLIMITED, Rate::UNLIMITED)
    }

    /// Whether a packet of `source` may be looked at. What a source is refused does not count for the bridge.
    #[inline]
    pub(super) fn admit(&mut self, source: Source, now: Duration) -> bool {
        // 584 years from the start of the connection on.
        let now = now.as_nanos() as u64;
        let within = match self.sources.get_mut(source.place()) {
            Some(full_at) => self.per_source.take(full_at, now),
            None => true,
        };
        within && self.per_bridge.take(&mut self.bridge, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(limits: &mut Limits, port: u32, at: Duration, packets: usize) -> usize {
        (0..packets).filter(|_| limits.admit(Source::Port(PortNo(port)), at)).count()
    }

    #[test]
    fn a_flooding_port_is_held_to_its_rate_and_harms_no_other() {
        let mut limits = Limits::new(Rate::per_second(100), Rate::per_second(1000));
        let start = Duration::from_secs(5);
        assert_eq!(admitted(&mut limits, 1, start, 10_000), 100);
        assert_eq!(admitted(&mut limits, 2, start, 50), 50);
        assert_eq!(admitted(&mut limits, 1, start + Duration::from_millis(100), 10_000), 10);
        assert_eq!(admitted(&mut limits, 1, start + Duration::from_secs(10), 10_000), 100);
    }

    #[test]
    fn all_ports_together_are_held_to_the_rate_of_the_bridge() {
        let mut limits = Limits::new(Rate::per_second(100), Rate::per_second(250));
        let at = Duration::from_secs(1);
        let all: usize = (1..=5).map(|port| admitted(&mut limits, port, at, 100)).sum();
        assert_eq!(all, 250);
    }

    #[test]
    fn without_a_limit_everything_is_admitted() {
        let mut limits = Limits::none();
        assert_eq!(admitted(&mut limits, 1, Duration::ZERO, 100_000), 100_000);
        assert_eq!(Rate::per_second(0), Rate::UNLIMITED);
    }
}
