//! A topology that random edits change, by a seed.

use std::sync::Arc;

use heddle::topology::Topology;

use super::dice::Dice;
use super::{firewall_topology, model};

/// The topology, as what makes it.
pub enum Scene {
    /// Networks of every kind.
    Networks(model::Model),
    /// Security groups.
    Firewall(firewall_topology::Model),
}

impl Scene {
    pub fn new(dice: &mut Dice) -> Self {
        if dice.below(2) == 0 {
            Self::Networks(dice.draw(model::model()))
        } else {
            Self::Firewall(dice.draw(firewall_topology::model()))
        }
    }

    pub fn topology(&self) -> Arc<Topology> {
        Arc::new(match self {
            Self::Networks(model) => model.topology(),
            Self::Firewall(model) => model.topology(),
        })
    }

    /// One thing becomes another.
    pub fn edit(&mut self, dice: &mut Dice) -> String {
        match self {
            Self::Networks(model) => {
                let id = dice.below(model::PORTS.into()) as u8;
                match dice.below(6) {
                    0 => {
                        let network = dice.below(model.networks.len());
                        model.networks[network] = dice.draw(model::network_model());
                        format!("net{network} is another")
                    }
                    1 | 2 => {
                        model.ports.remove(&id);
                        format!("port{id} is removed from the topology")
                    }
                    _ => {
                        model.ports.insert(id, dice.draw(model::port_model()));
                        format!("port{id} is another")
                    }
                }
            }
            Self::Firewall(model) => {
                let fresh = dice.draw(firewall_topology::model());
                let id = dice.below(firewall_topology::PORTS.into()) as u8;
                match (dice.below(6), fresh.ports.get(&id)) {
                    (0, _) => {
                        model.offices = fresh.offices;
                        "the address groups are others".into()
                    }
                    (1, _) => {
                        model.default = fresh.default;
                        "the default group is another".into()
                    }
                    (2 | 3, _) => {
                        let group = dice.below(model.groups.len()) as u8;
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
