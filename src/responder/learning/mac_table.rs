//! Which address was heard on which port: the memory of a learning bridge.
//!
//! ```text
//! address, VLAN ──hash──► bucket ──► 8 places: keys in one cache line, and beside them what is known of each
//! ```
//! The table never grows: a bucket that is full gives up the place that was silent for longest. A new
//! table costs nothing before it is used, because its memory comes zeroed from the system.

use std::time::Duration;

use crate::openflow::{MacAddr, PortNo};

/// An address that was silent for so long is forgotten (IEEE 802.1D, the recommended ageing time).
pub const AGEING: Duration = Duration::from_secs(300);
/// For so long after a frame was flooded, copies of it that come in elsewhere are known as copies.
pub const LOCK: Duration = Duration::from_secs(1);
/// An address that moves again within so long flaps.
const FLAPPING: Duration = Duration::from_secs(10);

const BUCKETS: usize = 1 << 12;
const WAYS: usize = 8;
/// Addresses that a table holds at the most.
pub const CAPACITY: usize = BUCKETS * WAYS;

/// Time in sixteenths of a second since the connection began; wraps after eight years.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tick(u32);

impl Tick {
    const PER_SECOND: u32 = 16;

    pub(super) fn of(now: Duration) -> Self {
        let parts = now.subsec_nanos() / (1_000_000_000 / Self::PER_SECOND);
        Self((now.as_secs() as u32).wrapping_mul(Self::PER_SECOND).wrapping_add(parts))
    }

    fn plus(self, time: Duration) -> Self {
        Self(self.0.wrapping_add(Self::of(time).0))
    }

    fn is_before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }
}

/// An address within its VLAN. Frames without a tag, and those that have one for their priority alone, are
/// in VLAN 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key(u64);

impl Key {
    /// The key of no station.
    const NONE: u64 = 0;

    pub(super) fn new(mac: MacAddr, vid: u16) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]) << 12 | u64::from(vid & 0x0fff))
    }

    /// Consecutive addresses, which are common, go to different buckets.
    fn bucket(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BUCKETS.trailing_zeros())) as usize
    }
}

/// What is known of one address.
#[derive(Clone, Copy)]
struct Station {
    port: PortNo,
    /// When it was last heard.
    heard: Tick,
    /// Until then it cannot move.
    locked_until: Tick,
    /// Until then another move counts as flapping.
    restless_until: Tick,
}

/// [`Station`] as memory that may be all zeros.
type Words = [u32; 4];

impl From<Words> for Station {
    fn from([port, heard, locked_until, restless_until]: Words) -> Self {
        let (locked_until, restless_until) = (Tick(locked_until), Tick(restless_until));
        Self { port: PortNo(port), heard: Tick(heard), locked_until, restless_until }
    }
}

impl From<Station> for Words {
    fn from(station: Station) -> Self {
        [station.port.0, station.heard.0, station.locked_until.0, station.restless_until.0]
    }
}

/// The place of a station that was just heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    bucket: usize,
    way: usize,
}

/// What hearing an address meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// It was not known.
    New(Place),
    /// It is where it was.
    Known(Place),
    /// It was on another port before.
    Moved(Place),
    /// As before; and it had just moved there.
    Flapped(Place),
    /// It is on another port, where it has just been heard: this is a copy of what it sent there.
    Copy,
}

/// See the module.
#[derive(Debug)]
pub(super) struct MacTable {
    keys: Box<[[u64; WAYS]]>,
    stations: Box<[[Words; WAYS]]>,
    /// Stations, the silent ones too.
    len: usize,
    evicted: u64,
}

impl MacTable {
    pub(super) fn new() -> Self {
        Self {
            keys: vec![[Key::NONE; WAYS]; BUCKETS].into_boxed_slice(),
            stations: vec![[[0; 4]; WAYS]; BUCKETS].into_boxed_slice(),
            len: 0,
            evicted: 0,
        }
    }

    /// Addresses that are remembered, also of those that have been silent for too long.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Addresses that were forgotten for want of room.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn find(&self, key: Key) -> Option<Place> {
        let bucket = key.bucket();
        let way = self.keys.get(bucket)?.iter().position(|&other| other == key.0)?;
        Some(Place { bucket, way })
    }

    fn station(&self, place: Place) -> Option<Station> {
        self.stations.get(place.bucket)?.get(place.way).map(|&words| words.into())
    }

    fn put(&mut self, place: Place, station: Station) {
        if let Some(words) = self.stations.get_mut(place.bucket).and_then(|bucket| bucket.get_mut(place.way)) {
            *words = station.into();
        }
    }

    /// Where an address is.
    pub(super) fn port_of(&self, key: Key, now: Tick) -> Option<PortNo> {
        let station = self.station(self.find(key)?)?;
        now.is_before(station.heard.plus(AGEING)).then_some(station.port)
    }

    /// An address was heard on a port.
    pub(super) fn hear(&mut self, key: Key, port: PortNo, now: Tick) -> Heard {
        let known = self.find(key).and_then(|place| Some((place, self.station(place)?)));
        let Some((place, station)) = known.filter(|(_, station)| now.is_before(station.heard.plus(AGEING))) else {
            let place = known.map_or_else(|| self.take_place(key, now), |(place, _)| place);
            self.put(place, Station { port, heard: now, locked_until: now, restless_until: now });
            return Heard::New(place);
        };
        if station.port == port {
            self.put(place, Station { heard: now, ..station });
            return Heard::Known(place);
        }
        if now.is_before(station.locked_until) {
            return Heard::Copy;
        }
        let (locked_until, restless_until) = (now.plus(LOCK), now.plus(FLAPPING));
        self.put(place, Station { port, heard: now, locked_until, restless_until });
        if now.is_before(station.restless_until) { Heard::Flapped(place) } else { Heard::Moved(place) }
    }

    /// What the station sent is flooded: copies of it may come back.
    pub(super) fn lock(&mut self, place: Place, now: Tick) {
        if let Some(station) = self.station(place) {
            self.put(place, Station { locked_until: now.plus(LOCK), ..station });
        }
    }

    /// A place for an address that has none: a free one, or that of the station that was silent for longest.
    fn take_place(&mut self, key: Key, now: Tick) -> Place {
        let bucket = key.bucket();
        let free = self.keys.get(bucket).and_then(|keys| keys.iter().position(|&other| other == Key::NONE));
        let way = match free {
            Some(way) => {
                self.len += 1;
                way
            }
            None => {
                self.evicted += 1;
                let silence = |words: &Words| now.0.wrapping_sub(Station::from(*words).heard.0);
                let stations = self.stations.get(bucket).into_iter().flatten().map(silence);
                stations.enumerate().max_by_key(|&(_, silence)| silence).map_or(0, |(way, _)| way)
            }
        };
        if let Some(place) = self.keys.get_mut(bucket).and_then(|keys| keys.get_mut(way)) {
            *place = key.0;
        }
        Place { bucket, way }
    }

    /// Forgets what was heard on a port.
    pub(super) fn forget_port(&mut self, port: PortNo) {
        for (keys, stations) in self.keys.iter_mut().zip(&self.stations) {
            for (key, &words) in keys.iter_mut().zip(stations) {
                if *key != Key::NONE && Station::from(words).port == port {
                    *key = Key::NONE;
                    self.len -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Key {
        let [a, b, c, d] = number.to_be_bytes();
        Key::new(MacAddr([2, 0, a, b, c, d]), 0)
    }

    fn at(seconds: u64) -> Tick {
        Tick::of(Duration::from_secs(seconds))
    }

    const ONE: PortNo = PortNo(1);
    const TWO: PortNo = PortNo(2);

    #[test]
    fn an_address_is_where_it_was_last_heard_within_the_ageing_time() {
        let mut table = MacTable::new();
        assert_eq!(table.port_of(key(1), at(0)), None);
        assert!(matches!(table.hear(key(1), ONE, at(0)), Heard::New(_)));
        assert!(matches!(table.hear(key(1), ONE, at(200)), Heard::Known(_)));
        assert_eq!(table.port_of(key(1), at(499)), Some(ONE));
        assert_eq!(table.port_of(key(1), at(500)), None);
        assert!(matches!(table.hear(key(1), TWO, at(500)), Heard::New(_)), "no move: it was forgotten");
        assert_eq!((table.port_of(key(1), at(501)), table.len()), (Some(TWO), 1));
    }

    #[test]
    fn an_address_of_another_vlan_is_another() {
        let mut table = MacTable::new();
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        table.hear(Key::new(mac, 7), ONE, at(0));
        assert_eq!(table.port_of(Key::new(mac, 7), at(1)), Some(ONE));
        assert_eq!(table.port_of(Key::new(mac, 8), at(1)), None);
    }

    #[test]
    fn a_locked_address_stays_and_an_unlocked_one_moves() {
        let mut table = MacTable::new();
        let Heard::New(place) = table.hear(key(1), ONE, at(0)) else { panic!() };
        table.lock(place, at(0));
        assert_eq!(table.hear(key(1), TWO, at(0)), Heard::Copy);
        assert_eq!(table.port_of(key(1), at(0)), Some(ONE));
        assert!(matches!(table.hear(key(1), TWO, at(1)), Heard::Moved(_)));
        assert_eq!(table.hear(key(1), ONE, at(1)), Heard::Copy, "a move locks too");
        assert!(matches!(table.hear(key(1), ONE, at(9)), Heard::Flapped(_)));
        assert!(matches!(table.hear(key(1), TWO, at(30)), Heard::Moved(_)));
    }

    #[test]
    fn a_full_bucket_gives_up_the_address_that_was_silent_for_longest() {
        let mut table = MacTable::new();
        let of_one_bucket: Vec<Key> = (0..).map(key).filter(|key| key.bucket() == 5).take(WAYS + 1).collect();
        for (second, &key) in of_one_bucket[..WAYS].iter().enumerate() {
            table.hear(key, ONE, at(second as u64));
        }
        table.hear(of_one_bucket[0], ONE, at(20));
        table.hear(of_one_bucket[WAYS], TWO, at(21));
        let there: Vec<bool> = of_one_bucket.iter().map(|&key| table.port_of(key, at(22)).is_some()).collect();
        let mut expected = vec![true; WAYS + 1];
        expected[1] = false;
        assert_eq!(there, expected);
        assert_eq!((table.len(), table.evicted()), (WAYS, 1));
    }

    #[test]
    fn thousands_of_consecutive_addresses_fit() {
        let mut table = MacTable::new();
        for number in 0..8192 {
            table.hear(key(number), PortNo(number % 3), at(0));
        }
        assert!(table.evicted() < 8, "{}", table.evicted());
        assert_eq!(table.len() as u64 + table.evicted(), 8192);
        for number in 8192..200_000 {
            table.hear(key(number), ONE, at(1));
        }
        assert!(table.len() <= CAPACITY);
    }

    #[test]
    fn a_port_that_goes_takes_its_addresses_along() {
        let mut table = MacTable::new();
        for number in 0..100 {
            table.hear(key(number), PortNo(number % 2 + 1), at(0));
        }
        table.forget_port(TWO);
        assert_eq!(table.len(), 50);
        assert_eq!((table.port_of(key(0), at(1)), table.port_of(key(1), at(1))), (Some(ONE), None));
    }

    #[test]
    fn time_wraps_without_harm() {
        let mut table = MacTable::new();
        let late = Duration::from_secs(u64::from(u32::MAX) / 16);
        table.hear(key(1), ONE, Tick::of(late));
        assert_eq!(table.port_of(key(1), Tick::of(late + Duration::from_secs(10))), Some(ONE));
        assert_eq!(table.port_of(key(1), Tick::of(late + Duration::from_secs(301))), None);
    }
}
