//! A range of ports as masked matches.

/// The fewest pairs of value and mask that match exactly the ports from `first` to `last`, in their order.
pub(super) fn masks(first: u16, last: u16) -> Vec<(u16, u16)> {
    let mut masks = Vec::new();
    let (mut next, last) = (u32::from(first), u32::from(last));
    while next <= last {
        // The largest block that begins here and does not go past the end.
        let aligned = next.trailing_zeros().min(16);
        let left = (last - next + 1).ilog2();
        let bits = aligned.min(left);
        masks.push((next as u16, (0xffff_u32 << bits) as u16));
        next += 1 << bits;
    }
    masks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_becomes_the_blocks_that_neutron_writes() {
        assert_eq!(masks(8000, 8010), [(0x1f40, 0xfff8), (0x1f48, 0xfffe), (8010, 0xffff)]);
        assert_eq!(masks(22, 22), [(22, 0xffff)]);
        assert_eq!(masks(0, 65535), [(0, 0)]);
        assert_eq!(masks(1, 65535).len(), 16);
        assert_eq!(masks(65535, 65535), [(65535, 0xffff)]);
    }

    /// The size of the smallest set, by cutting the range at the boundaries of ever larger blocks.
    fn fewest(first: u32, last: u32, block: u32) -> u32 {
        match (first, last) {
            _ if first > last => 0,
            _ if first.is_multiple_of(block) && last - first + 1 == block => 1,
            _ => {
                let half = block / 2;
                let middle = first / block * block + half;
                fewest(first, last.min(middle - 1), half) + fewest(first.max(middle), last, half)
            }
        }
    }

    proptest! {
        #[test]
        fn a_range_is_matched_exactly_once_and_by_the_fewest_blocks(a: u16, b: u16) {
            let (first, last) = (a.min(b), a.max(b));
            let masks = masks(first, last);
            prop_assert_eq!(masks.len() as u32, fewest(first.into(), last.into(), 0x1_0000));
            for port in [first, last, first.saturating_sub(1), last.saturating_add(1), a / 2 + b / 2] {
                let hits = masks.iter().filter(|(value, mask)| port & mask == *value).count();
                prop_assert_eq!(hits, usize::from((first..=last).contains(&port)), "{}", port);
            }
        }
    }
}
