//! Random choices that one number repeats.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

pub struct Dice(TestRunner);

impl Dice {
    pub fn new(seed: u64) -> Self {
        let bytes: Vec<u8> = seed.to_le_bytes().repeat(4);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self(TestRunner::new_with_rng(ProptestConfig::default(), rng))
    }

    /// A value of a strategy.
    pub fn draw<S: Strategy>(&mut self, strategy: S) -> S::Value {
        strategy.new_tree(&mut self.0).expect("nothing is filtered").current()
    }

    /// 0 up to `end`, without it.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.rng().next_u64() % end as u64).unwrap()
    }

    pub fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}
