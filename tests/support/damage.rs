//! What a packet may meet between who wrote it and who reads it.

use proptest::prelude::*;
use proptest::sample::Index;

/// What happens to a packet on its way: nothing, bytes change, or its end is cut off.
#[derive(Clone, Debug)]
pub(crate) struct Damage {
    changes: Vec<(Index, u8)>,
    cut: Option<Index>,
}

impl Damage {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        (proptest::collection::vec(any::<(Index, u8)>(), 0..4), any::<Option<Index>>())
            .prop_map(|(changes, cut)| Self { changes, cut })
    }

    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        for (place, value) in &self.changes {
            let place = place.index(bytes.len());
            bytes[place] = *value;
        }
        if let Some(cut) = self.cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
    }
}
