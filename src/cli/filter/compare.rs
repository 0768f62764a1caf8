//! Values as sets: a number and the bits of it that count stand for all numbers that have these bits.

use super::Operator;

/// A value and the bits of it that count. The others are zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Set {
    pub(super) value: u128,
    pub(super) mask: u128,
}

impl Set {
    /// The set of one number.
    pub(super) const fn exactly(value: u128) -> Self {
        Self { value, mask: u128::MAX }
    }

    pub(super) const fn new(value: u128, mask: u128) -> Self {
        Self { value: value & mask, mask }
    }

    /// Only the lowest `bits` bits; those above are not part of the value.
    pub(super) const fn within(self, bits: u16) -> Self {
        let all = u128::MAX >> 128_u16.saturating_sub(bits);
        Self { value: self.value & all, mask: self.mask & all | !all }
    }

    pub(super) const fn is_one(self) -> bool {
        self.mask == u128::MAX
    }

    /// The highest member.
    const fn last(self) -> u128 {
        self.value | !self.mask
    }

    /// True if one of the two is part of the other.
    const fn is_nested(self, other: Self) -> bool {
        let common = self.mask & other.mask;
        (common == self.mask || common == other.mask) && (self.value ^ other.value) & common == 0
    }

    /// What `self` of a flow has to do with `other` of a filter. Greater and less hold if they do for every member.
    pub(super) fn compare(self, operator: Operator, other: Self) -> bool {
        match operator {
            Operator::Equal => self == other,
            Operator::NotEqual => self != other,
            Operator::Contains => self.is_nested(other),
            Operator::Less => self.last() < other.value,
            Operator::LessOrEqual => self.last() <= other.value,
            Operator::Greater => self.value > other.last(),
            Operator::GreaterOrEqual => self.value >= other.last(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_set_is_nested_in_another_as_prefixes_are() {
        let prefix = |value: u32, length: u32| Set::new(value.into(), u128::from(u32::MAX << (32 - length))).within(32);
        let ten = prefix(0x0a00_0000, 8);
        for (other, nested) in [
            (prefix(0x0a01_0000, 16), true),
            (prefix(0x0a00_0000, 7), true),
            (prefix(0x0a00_0000, 8), true),
            (prefix(0x0b00_0000, 8), false),
            (prefix(0x0aff_ffff, 32), true),
            (prefix(0x0bff_ffff, 32), false),
        ] {
            assert_eq!(ten.compare(Operator::Contains, other), nested, "{other:?}");
            assert_eq!(other.compare(Operator::Contains, ten), nested, "{other:?}");
        }
    }

    #[test]
    fn sets_that_only_overlap_are_not_nested() {
        let (low, high) = (Set::new(1, 1).within(8), Set::new(0x80, 0x80).within(8));
        assert!(!low.compare(Operator::Contains, high));
        assert!(low.compare(Operator::Contains, Set::new(0x81, 0x81).within(8)));
    }

    #[test]
    fn less_holds_for_every_member_or_not_at_all() {
        let ports = Set::new(0x400, 0xfc00).within(16);
        assert!(ports.compare(Operator::Less, Set::exactly(0x800)));
        assert!(!ports.compare(Operator::Less, Set::exactly(0x7ff)));
        assert!(ports.compare(Operator::LessOrEqual, Set::exactly(0x7ff)));
        assert!(ports.compare(Operator::GreaterOrEqual, Set::exactly(0x400)));
        assert!(!ports.compare(Operator::Greater, Set::exactly(0x400)));
    }
}
