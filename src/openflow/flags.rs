//! Sets of named bits.

/// Makes a set of bits: its constants, `contains`, `|`, and the names that Open vSwitch prints.
macro_rules! flags {
    ($(#[$doc:meta])* $type:ident($integer:ty) { $($(#[$bit_doc:meta])* $name:ident = $bit:literal => $printed:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        pub struct $type(pub $integer);

        impl $type {
            $($(#[$bit_doc])* pub const $name: Self = Self(1 << $bit);)*

            /// True if every bit of `other` is set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The name of each bit that is set, as Open vSwitch prints it, lowest first; without those
            /// that have none.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                [$((Self::$name, $printed)),*].into_iter().filter(move |(bit, _)| self.contains(*bit)).map(|(_, name)| name)
            }
        }

        impl std::ops::BitOr for $type {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    };
}

pub(crate) use flags;
