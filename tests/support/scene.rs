//! A topology that random edits change, by a seed.

use std::sync::Arc;

use heddle::topology::Topology;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config as RunnerConfig, RngAlgorithm, TestRng, TestRunner};

use super::{firewall_topology, model};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    pub fn of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    pub fn sample<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        let mut seed = [0; 32];
        seed.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.next().to_le_bytes()));
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(RunnerConfig::default(), rng);
        strategy.new_tree(&mut runner).expect("every value will do").current()
    }
}

/// The topology, as what makes it.
pub enum Scene {
    /// Networks of every kind.
    Networks(model::Model),
    /// Security groups.
    Firewall(firewall_topology::Model),
}

impl Scene {
    pub fn new(random: &mut Random) -> Self {
        if random.below(2) == 0 {
            Self::Networks(random.sample(&model::model()))
        } else {
            Self::Firewall(random.sample(&firewall_topology::model()))
        }
    }

    pub fn topology(&self) -> Arc<Topology> {
        Arc::new(match self {
            Self::Networks(model) => model.topology(),
            Self::Firewall(model) => model.topology(),
        })
    }

    /// One thing becomes another.
    pub fn edit(&mut self, random: &mut Random) -> String {
        match self {
            Self::Networks(model) => {
                let id = random.below(model::PORTS.into()) as u8;
                match random.below(6) {
                    0 => {
                        let network = random.below(model.networks.len());
                        model.networks[network] = random.sample(&model::network_model());
                        format!("net{network} is another")
                    }
                    1 | 2 => {
                        model.ports.remove(&id);
                        format!("port{id} is removed from the topology")
                    }
                    _ => {
                        model.ports.insert(id, random.sample(&model::port_model()));
                        format!("port{id} is another")
                    }
                }
            }
            Self::Firewall(model) => {
                let fresh = random.sample(&firewall_topology::model());
                let id = random.below(firewall_topology::PORTS.into()) as u8;
                match (random.below(6), fresh.ports.get(&id)) {
                    (0, _) => {
                        model.offices = fresh.offices;
                        "the address groups are others".into()
                    }
                    (1, _) => {
                        model.default = fresh.default;
                        "the default group is another".into()
                    }
                    (2 | 3, _) => {
                        let group = random.below(model.groups.len()) as u8;
                        model.groups.insert(group, fresh.groups[&group].clone());
                        format!("group{group} is another")
                    }
                    (_, Some(port)) => {
                        model.ports.insert(id, port.clone());
                        format!("port{id} is another")
                    }
                    (_, None) => {
                        model.ports.remove(&id);
                        format!("port{id} is removed from the topology")
                    }
                }
            }
        }
    }
}
