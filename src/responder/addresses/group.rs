//! Places for some addresses in a row of cache lines, and pages of these.

use std::sync::Arc;

use super::{Holder, NodeKind, Place};
use crate::openflow::MacAddr;

/// Addresses of a group: with their MAC addresses, one cache line of 64 bytes for IPv4 and two for IPv6.
pub(super) const GROUP_V4: usize = 6;
pub(super) const GROUP_V6: usize = 5;
/// A page is full when it has this much of its places taken: beyond, groups overflow into others too often.
const FULL: (usize, usize) = (3, 4);
/// Consecutive addresses with one hash: 2 to the power of this.
pub(super) const ROW_BITS: u32 = 2;
/// 2^64 divided by the golden ratio: multiples of it are spread evenly, those of consecutive numbers best (Knuth,
/// The Art of Computer Programming 3, §6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// An odd number without a pattern, to tell apart equal hosts of different IPv6 prefixes.
pub(super) const PREFIX: u64 = 0xd6e8_feb8_6659_fd93;

/// An address as a number.
pub(super) trait Key: Copy + Eq + Default {
    /// Equal for a row of consecutive addresses.
    fn hash(self) -> u64;
}

impl Key for u32 {
    fn hash(self) -> u64 {
        u64::from(self >> ROW_BITS).wrapping_mul(GOLDEN)
    }
}

impl Key for u128 {
    fn hash(self) -> u64 {
        let (prefix, host) = ((self >> 64) as u64, self as u64);
        (host >> ROW_BITS ^ prefix.wrapping_mul(PREFIX)).wrapping_mul(GOLDEN)
    }
}

/// The upper bits of a hash, as many as `bits`.
pub(super) fn upper(hash: u64, bits: u32) -> usize {
    hash.checked_shr(u64::BITS - bits).unwrap_or(0) as usize
}

/// Places for `N` addresses in as few cache lines as they need.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Group<K, const N: usize> {
    keys: [K; N],
    macs: [MacAddr; N],
    /// A bit for each place that is taken.
    taken: u8,
    /// A bit for each address that is here.
    here: u8,
    /// A bit for each that may be a router's.
    routers: u8,
}

impl<K: Key, const N: usize> Group<K, N> {
    const EMPTY_MAC: MacAddr = MacAddr([0; 6]);
    const ALL: u8 = ((1u16 << N) - 1) as u8;

    fn empty() -> Self {
        Self { keys: [K::default(); N], macs: [Self::EMPTY_MAC; N], taken: 0, here: 0, routers: 0 }
    }

    fn is_full(&self) -> bool {
        self.taken == Self::ALL
    }

    /// The place of an address. Looks at all of them, so that there is nothing to guess wrong.
    fn place_of(&self, key: K) -> Option<usize> {
        let equal = self.keys.iter().enumerate().fold(0u8, |equal, (at, there)| equal | u8::from(*there == key) << at);
        let found = equal & self.taken;
        (found != 0).then(|| found.trailing_zeros() as usize)
    }

    pub(super) fn holder(&self, at: usize) -> Option<Holder> {
        let place = if self.here >> at & 1 != 0 { Place::Here } else { Place::Elsewhere };
        let kind = if self.routers >> at & 1 != 0 { NodeKind::Router } else { NodeKind::Host };
        self.macs.get(at).map(|&mac| Holder { mac, place, kind })
    }

    pub(super) fn put(&mut self, at: usize, key: K, holder: Holder) {
        let (Some(there), Some(mac)) = (self.keys.get_mut(at), self.macs.get_mut(at)) else { return };
        (*there, *mac) = (key, holder.mac);
        self.taken |= 1 << at;
        self.here = self.here & !(1 << at) | u8::from(holder.place == Place::Here) << at;
        self.routers = self.routers & !(1 << at) | u8::from(holder.kind == NodeKind::Router) << at;
    }

    fn entries(&self) -> impl Iterator<Item = (K, Holder)> {
        let taken = (0..N).filter(|at| self.taken >> at & 1 != 0);
        taken.filter_map(|at| Some((*self.keys.get(at)?, self.holder(at)?)))
    }
}

/// Groups, a power of two of them. An address stands in the group that its hash says, or behind full ones in the
/// first that was not.
pub(super) type Page<K, const N: usize> = [Group<K, N>];

pub(super) fn empty_page<K: Key, const N: usize>(groups: usize) -> Arc<Page<K, N>> {
    (0..groups).map(|_| Group::empty()).collect()
}

/// The groups in which an address of this hash may stand, in order.
pub(super) fn probe<K: Key, const N: usize>(page: &Page<K, N>, hash: u64) -> impl Iterator<Item = usize> + use<K, N> {
    let groups = page.len();
    let first = upper(hash, groups.trailing_zeros());
    (first..first + groups).map(move |at| at & (groups - 1))
}

/// Where an address stands.
pub(super) fn find<K: Key, const N: usize>(page: &Page<K, N>, key: K, hash: u64) -> Option<(usize, usize)> {
    for at in probe(page, hash) {
        let group = page.get(at)?;
        if let Some(place) = group.place_of(key) {
            return Some((at, place));
        }
        if !group.is_full() {
            return None;
        }
    }
    None
}

/// Adds an address that is not there to a page that has room.
pub(super) fn add<K: Key, const N: usize>(page: &mut Page<K, N>, key: K, holder: Holder) {
    for at in probe(page, key.hash()) {
        if let Some(group) = page.get_mut(at).filter(|group| !group.is_full()) {
            return group.put(group.taken.trailing_ones() as usize, key, holder);
        }
    }
}

pub(super) fn entries<K: Key, const N: usize>(page: &Page<K, N>) -> impl Iterator<Item = (K, Holder)> {
    page.iter().flat_map(Group::entries)
}

pub(super) fn count<K: Key, const N: usize>(page: &Page<K, N>) -> usize {
    page.iter().map(|group| group.taken.count_ones() as usize).sum()
}

/// How many addresses a page of so many groups takes.
pub(super) const fn room<const N: usize>(groups: usize) -> usize {
    groups * N * FULL.0 / FULL.1
}

/// A page of these addresses, as small as it can be.
pub(super) fn page_of<K: Key, const N: usize>(entries: &[(K, Holder)]) -> Arc<Page<K, N>> {
    let mut groups = 1;
    while room::<N>(groups) < entries.len() {
        groups *= 2;
    }
    let mut page: Vec<Group<K, N>> = (0..groups).map(|_| Group::empty()).collect();
    for &(key, holder) in entries {
        add(&mut page, key, holder);
    }
    page.into()
}

// What the figures above promise of memory.
const _: () = assert!(size_of::<Group<u32, GROUP_V4>>() == 64 && size_of::<Group<u128, GROUP_V6>>() == 128);
