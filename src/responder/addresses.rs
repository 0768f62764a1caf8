//! Which MAC address is behind an address of a network: made for millions of addresses, to be looked up for every
//! question that comes up, and to be handed on changed at the cost of the change.
//!
//! ```text
//!  directory ──► page ──► group of one or two cache lines: some addresses, their MAC addresses
//!  2^depth        up to 64 groups
//! ```
//!
//! Extendible hashing. A hash tells the place in the directory and the group within the page; of a full group the
//! next one takes over. A page that fills up doubles its groups, then becomes two pages. Directory and pages are
//! shared between a table and its clones; who changes one copies the directory and the page that changes.
//!
//! A few addresses in a row have one hash: they stand in one group, and whoever asks for all of a subnet
//! waits for memory once for all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;

use crate::openflow::MacAddr;

/// Addresses of a group: with their MAC addresses, one cache line of 64 bytes for IPv4 and two for IPv6.
const GROUP_V4: usize = 6;
const GROUP_V6: usize = 5;
/// Groups of a page that becomes two instead of doubling: 2 to the power of this.
const PAGE_BITS: u32 = 6;
/// A page is full when it has this much of its places taken: beyond, groups overflow into others too often.
const FULL: (usize, usize) = (3, 4);
/// The directory has at most one entry for this many addresses, however badly their hashes are spread.
const PER_ENTRY: usize = 32;
/// With fewer addresses for each entry of the directory than this, the table is made anew.
const SPARSE: usize = PER_ENTRY / 4;
/// Consecutive addresses with one hash: 2 to the power of this.
const ROW_BITS: u32 = 2;
/// 2^64 divided by the golden ratio: multiples of it are spread evenly, those of consecutive numbers best (Knuth,
/// The Art of Computer Programming 3, §6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// An odd number without a pattern, to tell apart equal hosts of different IPv6 prefixes.
const PREFIX: u64 = 0xd6e8_feb8_6659_fd93;

/// Who has an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its MAC address.
    pub mac: MacAddr,
    /// Where it is.
    pub place: Place,
    /// What it is to others.
    pub kind: NodeKind,
}

/// What the holder of an address may be to others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// It sends and takes its own packets.
    Host,
    /// It may pass on those of others.
    Router,
}

/// Where the holder of an address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A port of this host: it answers itself.
    Here,
    /// A port of another host.
    Elsewhere,
}

/// The known addresses of one network. A clone costs nothing and never changes.
#[derive(Clone, Default, Debug)]
pub struct AddressTable {
    v4: Table<u32, GROUP_V4>,
    v6: Table<u128, GROUP_V6>,
}

impl AddressTable {
    /// A table without addresses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who has this IPv4 address.
    #[inline]
    pub fn ipv4(&self, address: Ipv4Addr) -> Option<Holder> {
        self.v4.get(address.into())
    }

    /// Who has this IPv6 address.
    #[inline]
    pub fn ipv6(&self, address: Ipv6Addr) -> Option<Holder> {
        self.v6.get(address.into())
    }

    /// Notes who has an address, and returns who had it.
    pub fn insert(&mut self, address: IpAddr, holder: Holder) -> Option<Holder> {
        match address {
            IpAddr::V4(v4) => self.v4.insert(v4.into(), holder),
            IpAddr::V6(v6) => self.v6.insert(v6.into(), holder),
        }
    }

    /// Forgets an address, and returns who had it.
    pub fn remove(&mut self, address: IpAddr) -> Option<Holder> {
        match address {
            IpAddr::V4(v4) => self.v4.remove(v4.into()),
            IpAddr::V6(v6) => self.v6.remove(v6.into()),
        }
    }

    /// Number of addresses.
    pub fn len(&self) -> usize {
        self.v4.len + self.v6.len
    }

    /// True if no address is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl PartialEq for AddressTable {
    fn eq(&self, other: &Self) -> bool {
        self.v4.equals(&other.v4) && self.v6.equals(&other.v6)
    }
}

impl Eq for AddressTable {}

/// An address as a number.
trait Key: Copy + Eq + Default {
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
fn upper(hash: u64, bits: u32) -> usize {
    hash.checked_shr(u64::BITS - bits).unwrap_or(0) as usize
}

/// Places for `N` addresses in as few cache lines as they need.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Group<K, const N: usize> {
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

    fn holder(&self, at: usize) -> Option<Holder> {
        let place = if self.here >> at & 1 != 0 { Place::Here } else { Place::Elsewhere };
        let kind = if self.routers >> at & 1 != 0 { NodeKind::Router } else { NodeKind::Host };
        self.macs.get(at).map(|&mac| Holder { mac, place, kind })
    }

    fn put(&mut self, at: usize, key: K, holder: Holder) {
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
type Page<K, const N: usize> = [Group<K, N>];

fn empty_page<K: Key, const N: usize>(groups: usize) -> Arc<Page<K, N>> {
    (0..groups).map(|_| Group::empty()).collect()
}

/// The groups in which an address of this hash may stand, in order.
fn probe<K: Key, const N: usize>(page: &Page<K, N>, hash: u64) -> impl Iterator<Item = usize> + use<K, N> {
    let groups = page.len();
    let first = upper(hash, groups.trailing_zeros());
    (first..first + groups).map(move |at| at & (groups - 1))
}

/// Where an address stands.
fn find<K: Key, const N: usize>(page: &Page<K, N>, key: K, hash: u64) -> Option<(usize, usize)> {
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
fn add<K: Key, const N: usize>(page: &mut Page<K, N>, key: K, holder: Holder) {
    for at in probe(page, key.hash()) {
        if let Some(group) = page.get_mut(at).filter(|group| !group.is_full()) {
            return group.put(group.taken.trailing_ones() as usize, key, holder);
        }
    }
}

fn entries<K: Key, const N: usize>(page: &Page<K, N>) -> impl Iterator<Item = (K, Holder)> {
    page.iter().flat_map(Group::entries)
}

fn count<K: Key, const N: usize>(page: &Page<K, N>) -> usize {
    page.iter().map(|group| group.taken.count_ones() as usize).sum()
}

/// How many addresses a page of so many groups takes.
const fn room<const N: usize>(groups: usize) -> usize {
    groups * N * FULL.0 / FULL.1
}

/// A page of these addresses, as small as it can be.
fn page_of<K: Key, const N: usize>(entries: &[(K, Holder)]) -> Arc<Page<K, N>> {
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

/// The table for one version of IP.
#[derive(Clone, Debug)]
struct Table<K, const N: usize> {
    /// 2^`depth` entries; a page that did not split as often as others stands in several, in a row.
    directory: Arc<[Arc<Page<K, N>>]>,
    depth: u32,
    len: usize,
}

impl<K: Key, const N: usize> Default for Table<K, N> {
    fn default() -> Self {
        Self { directory: [empty_page(1)].into(), depth: 0, len: 0 }
    }
}

impl<K: Key, const N: usize> Table<K, N> {
    /// The entry of the directory: by other bits than those that tell the group.
    fn entry(&self, hash: u64) -> usize {
        upper(hash << PAGE_BITS, self.depth)
    }

    #[inline]
    fn get(&self, key: K) -> Option<Holder> {
        let hash = key.hash();
        let page = self.directory.get(self.entry(hash))?;
        let (group, place) = find(page, key, hash)?;
        page.get(group)?.holder(place)
    }

    fn insert(&mut self, key: K, holder: Holder) -> Option<Holder> {
        let hash = key.hash();
        loop {
            let entry = self.entry(hash);
            let page = self.directory.get(entry)?;
            if let Some((group, place)) = find(page, key, hash) {
                let before = page.get(group)?.holder(place);
                if before != Some(holder) {
                    self.change(entry, |page| {
                        if let Some(group) = page.get_mut(group) {
                            group.put(place, key, holder);
                        }
                    });
                }
                return before;
            }
            if count(page) < room::<N>(page.len()) {
                self.change(entry, |page| add(page, key, holder));
                self.len += 1;
                return None;
            }
            self.enlarge(entry);
        }
    }

    fn remove(&mut self, key: K) -> Option<Holder> {
        let hash = key.hash();
        let entry = self.entry(hash);
        let page = self.directory.get(entry)?;
        let (group, place) = find(page, key, hash)?;
        let holder = page.get(group)?.holder(place);
        // Made anew, for what stands behind full groups may move forward.
        let rest: Vec<_> = entries(page).filter(|(there, _)| *there != key).collect();
        let run = self.run(entry);
        self.replace(run, &page_of(&rest));
        self.len -= 1;
        if self.depth > 0 && self.len < self.directory.len() * SPARSE {
            *self = self.anew();
        }
        holder
    }

    /// The entries of the directory that lead to the same page as this one.
    fn run(&self, entry: usize) -> Range<usize> {
        let Some(page) = self.directory.get(entry) else { return entry..entry };
        let same = |other: &&Arc<Page<K, N>>| Arc::ptr_eq(page, other);
        let (before, behind) = self.directory.split_at(entry);
        let first = entry - before.iter().rev().take_while(same).count();
        first..entry + behind.iter().take_while(same).count()
    }

    fn replace(&mut self, run: Range<usize>, page: &Arc<Page<K, N>>) {
        let directory = Arc::make_mut(&mut self.directory);
        directory.get_mut(run).into_iter().flatten().for_each(|there| *there = page.clone());
    }

    /// Changes a page: in place, if nobody shares it, otherwise a copy of it.
    fn change(&mut self, entry: usize, change: impl FnOnce(&mut Page<K, N>)) {
        let run = self.run(entry);
        let directory = Arc::make_mut(&mut self.directory);
        let Some(entries) = directory.get_mut(run) else { return };
        let Some((first, others)) = entries.split_first_mut() else { return };
        // The other entries share it, too: they let go of it for as long as it changes.
        others.iter_mut().for_each(|other| *other = Arc::default());
        change(Arc::make_mut(first));
        others.iter_mut().for_each(|other| *other = first.clone());
    }

    /// Gives a full page more groups, or makes it two pages.
    fn enlarge(&mut self, entry: usize) {
        let run = self.run(entry);
        let Some(page) = self.directory.get(entry).cloned() else { return };
        let splits = page.len() >= 1 << PAGE_BITS;
        if splits && run.len() == 1 && self.directory.len() * 2 * PER_ENTRY <= self.len {
            self.directory = self.directory.iter().flat_map(|page| [page.clone(), page.clone()]).collect();
            self.depth += 1;
            return;
        }
        if splits && run.len() > 1 {
            let middle = run.start + run.len() / 2;
            let (left, right): (Vec<_>, Vec<_>) = entries(&page).partition(|(key, _)| self.entry(key.hash()) < middle);
            self.replace(run.start..middle, &page_of(&left));
            self.replace(middle..run.end, &page_of(&right));
            return;
        }
        let mut larger = empty_page(page.len() * 2);
        let groups = Arc::make_mut(&mut larger);
        entries(&page).for_each(|(key, holder)| add(groups, key, holder));
        self.replace(run, &larger);
    }

    /// The same addresses in a table of their size.
    fn anew(&self) -> Self {
        let mut table = Self::default();
        for (key, holder) in self.pages().flat_map(|page| entries(page)) {
            table.insert(key, holder);
        }
        table
    }

    /// True if both have the same addresses with the same holders.
    fn equals(&self, other: &Self) -> bool {
        let is_there = |(key, holder)| other.get(key) == Some(holder);
        Arc::ptr_eq(&self.directory, &other.directory)
            || self.len == other.len && self.pages().flat_map(|page| entries(page)).all(is_there)
    }

    /// Each page once.
    fn pages(&self) -> impl Iterator<Item = &Arc<Page<K, N>>> {
        let followers = self.directory.iter().skip(1).map(Some).chain([None]);
        let last_of_run = self.directory.iter().zip(followers);
        last_of_run.filter(|(page, next)| next.is_none_or(|next| !Arc::ptr_eq(page, next))).map(|(page, _)| page)
    }
}

// What the figures above promise of memory.
const _: () = assert!(size_of::<Group<u32, GROUP_V4>>() == 64 && size_of::<Group<u128, GROUP_V6>>() == 128);

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    fn holder(number: u32) -> Holder {
        let [_, a, b, c] = number.to_be_bytes();
        let place = if number.is_multiple_of(3) { Place::Here } else { Place::Elsewhere };
        let kind = if number.is_multiple_of(5) { NodeKind::Router } else { NodeKind::Host };
        Holder { mac: MacAddr([0xfa, 0x16, 0x3e, a, b, c]), place, kind }
    }

    fn table(count: u32) -> AddressTable {
        let mut table = AddressTable::new();
        for number in 0..count {
            assert_eq!(table.insert(v4(number), holder(number)), None);
            assert_eq!(table.insert(v6(number), holder(number)), None);
        }
        table
    }

    fn v4(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    fn v6(number: u32) -> IpAddr {
        Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(number)).into()
    }

    fn get(table: &AddressTable, address: IpAddr) -> Option<Holder> {
        match address {
            IpAddr::V4(v4) => table.ipv4(v4),
            IpAddr::V6(v6) => table.ipv6(v6),
        }
    }

    /// Bytes of pages and directory.
    fn memory<K: Key, const N: usize>(table: &Table<K, N>) -> usize {
        let groups: usize = table.pages().map(|page| page.len()).sum();
        groups * size_of::<Group<K, N>>() + size_of_val(&*table.directory)
    }

    /// Pages of `after` that `before` has not.
    fn touched<K: Key, const N: usize>(before: &Table<K, N>, after: &Table<K, N>) -> usize {
        let known: HashSet<_> = before.pages().map(|page| page.as_ptr()).collect();
        after.pages().filter(|page| !known.contains(&page.as_ptr())).count()
    }

    #[test]
    fn a_hundred_thousand_addresses_are_found_and_no_others() {
        let table = table(100_000);
        assert_eq!(table.len(), 200_000);
        for number in 0..100_000 {
            assert_eq!(get(&table, v4(number)), Some(holder(number)));
            assert_eq!(get(&table, v6(number)), Some(holder(number)));
        }
        for number in 100_000..200_000 {
            assert_eq!((get(&table, v4(number)), get(&table, v6(number))), (None, None));
        }
    }

    #[test]
    fn one_address_more_or_less_among_a_hundred_thousand_touches_one_page() {
        let before = table(100_000);
        for number in 100_000..100_020 {
            let mut after = before.clone();
            after.insert(v4(number), holder(1));
            after.insert(v6(number), holder(1));
            // A page that is full becomes two.
            assert!(touched(&before.v4, &after.v4) <= 2 && touched(&before.v6, &after.v6) <= 2);
            let full = after.clone();
            after.remove(v4(number));
            assert_eq!((touched(&full.v4, &after.v4), touched(&full.v6, &after.v6)), (1, 0));
            after.insert(v6(number), holder(2));
            assert_eq!(touched(&full.v6, &after.v6), 1);
            assert_eq!(get(&full, v6(number)), Some(holder(1)), "a clone stays as it was");
        }
        let mut same = before.clone();
        same.insert(v4(7), holder(7));
        assert_eq!(touched(&before.v4, &same.v4), 0, "what is known already changes nothing");
    }

    #[test]
    fn memory_follows_the_number_of_addresses() {
        let mut table = table(20_000);
        assert!(memory(&table.v4) < 20_000 * 30, "{}", memory(&table.v4));
        assert!(memory(&table.v6) < 20_000 * 70, "{}", memory(&table.v6));
        for number in 10..20_000 {
            table.remove(v4(number));
            table.remove(v6(number));
        }
        assert_eq!(table.len(), 20);
        assert!(memory(&table.v4) + memory(&table.v6) < 4096);
        assert!((0..10).all(|number| get(&table, v4(number)).is_some() && get(&table, v6(number)).is_some()));
        let empty = AddressTable::new();
        assert!(memory(&empty.v4) + memory(&empty.v6) < 256, "networks that are not used cost nothing");
    }

    #[test]
    fn addresses_far_apart_take_no_more_than_those_in_a_row() {
        let mut table = AddressTable::new();
        for number in 0..50_000u32 {
            table.insert(Ipv4Addr::from(number.wrapping_mul(65_537)).into(), holder(number));
            table.insert(Ipv6Addr::from(u128::from(number) << 64 | 1).into(), holder(number));
        }
        assert!(memory(&table.v4) < 50_000 * 30, "{}", memory(&table.v4));
        assert!(memory(&table.v6) < 50_000 * 70, "{}", memory(&table.v6));
    }

    #[test]
    fn addresses_that_all_have_one_hash_are_found_in_bounded_memory() {
        // The prefix undoes what the host part adds.
        let collide = |number: u64| {
            let host = (number.wrapping_mul(PREFIX)) << ROW_BITS;
            u128::from(number) << 64 | u128::from(host)
        };
        let mut table = Table::<u128, GROUP_V6>::default();
        let keys: Vec<u128> =
            (0..4000).map(collide).filter(|key| key.hash() >> 58 == collide(1).hash() >> 58).collect();
        for (number, &key) in keys.iter().enumerate() {
            table.insert(key, holder(number as u32));
        }
        assert!(keys.len() > 50);
        assert!(keys.iter().enumerate().all(|(number, &key)| table.get(key) == Some(holder(number as u32))));
        assert!(memory(&table) < keys.len() * 128 + 1024, "{} for {}", memory(&table), keys.len());
    }

    /// Addresses of few blocks, so that they meet.
    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 = (0..4u32, 0..600u32).prop_map(|(net, host)| Ipv4Addr::from(net << 24 | host).into());
        let v6 = (0..3u128, 0..400u128).prop_map(|(net, host)| Ipv6Addr::from(net << 64 | host).into());
        prop_oneof![v4, v6]
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(IpAddr, u32),
        Remove(IpAddr),
        Clone,
        /// Everything with an even last byte goes.
        Thin,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            200 => (address(), any::<u32>()).prop_map(|(address, number)| Step::Insert(address, number)),
            60 => address().prop_map(Step::Remove),
            4 => Just(Step::Clone),
            1 => Just(Step::Thin),
        ]
    }

    fn is_even(address: &IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => v4.octets()[3] % 2 == 0,
            IpAddr::V6(v6) => v6.octets()[15] % 2 == 0,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn a_table_is_a_map_whatever_happens_to_it_and_its_clones(steps in prop::collection::vec(step(), 0..4000)) {
            let (mut table, mut map) = (AddressTable::new(), BTreeMap::new());
            let mut clones = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(address, number) => {
                        prop_assert_eq!(table.insert(address, holder(number)), map.insert(address, holder(number)));
                    }
                    Step::Remove(address) => prop_assert_eq!(table.remove(address), map.remove(&address)),
                    Step::Clone => clones.push((table.clone(), map.clone())),
                    Step::Thin => {
                        for address in map.keys().copied().filter(is_even).collect::<Vec<_>>() {
                            prop_assert_eq!(table.remove(address), map.remove(&address));
                        }
                    }
                }
                prop_assert_eq!(table.len(), map.len());
            }
            clones.push((table, map));
            for (table, map) in clones {
                for (address, holder) in &map {
                    prop_assert_eq!(get(&table, *address), Some(*holder));
                }
                let found: BTreeMap<IpAddr, Holder> = table.v4.pages().flat_map(|page| entries(page))
                    .map(|(key, holder)| (Ipv4Addr::from(key).into(), holder))
                    .chain(table.v6.pages().flat_map(|page| entries(page)).map(|(key, holder)| (Ipv6Addr::from(key).into(), holder)))
                    .collect();
                prop_assert_eq!(found, map);
            }
        }
    }
}
