use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::group::{Group, Key, PREFIX, ROW_BITS, entries};
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
    let keys: Vec<u128> = (0..4000).map(collide).filter(|key| key.hash() >> 58 == collide(1).hash() >> 58).collect();
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
