//! What the numbers in cookies stand for.

use std::collections::BTreeMap;

use super::cookie::{self, ObjectKind};
use crate::openflow::Cookie;
use crate::topology::Topology;

/// The names of the objects that numbers in cookies stand for. The default knows none.
#[derive(Debug, Default)]
pub struct ObjectNames {
    names: BTreeMap<(&'static str, u32), Vec<String>>,
}

impl ObjectNames {
    /// All that a topology has.
    pub fn of(topology: &Topology) -> Self {
        let mut objects = Self::default();
        for network in topology.networks() {
            objects.add(ObjectKind::Network, &network.name);
            if let Some(physical_network) = network.kind.physical_network() {
                objects.add(ObjectKind::PhysicalNetwork, physical_network);
            }
        }
        topology.ports().for_each(|port| objects.add(ObjectKind::Port, &port.name));
        topology.nodes().for_each(|node| objects.add(ObjectKind::Node, &node.name));
        topology.security_groups().for_each(|group| objects.add(ObjectKind::SecurityGroup, &group.name));
        objects
    }

    /// One more name.
    pub fn add(&mut self, kind: ObjectKind, name: &str) {
        let names = self.names.entry((kind.words(), cookie::object_number(name))).or_default();
        if !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
    }

    /// The names of all objects of this kind with this number; two names may share one.
    pub fn names(&self, kind: ObjectKind, number: u32) -> &[String] {
        self.names.get(&(kind.words(), number)).map_or(&[], Vec::as_slice)
    }

    /// What a flow of ours is for; `None`: it is another's.
    pub fn purpose(&self, cookie: Cookie) -> Option<String> {
        Some(match cookie::decode(cookie)? {
            (Err(code), _) => format!("Heddle's, of a kind that this version does not know ({code:#04x})"),
            (Ok(kind), number) => kind.words().replace("{}", &self.object(kind.object_kind(), number)),
        })
    }

    /// Whose a flow of ours is, as `port web1`; `None`: the bridge's, or another's.
    pub fn owner(&self, cookie: Cookie) -> Option<String> {
        match cookie::decode(cookie)? {
            (Ok(kind), number) if kind.object_kind() != ObjectKind::Bridge => {
                Some(self.object(kind.object_kind(), number))
            }
            _ => None,
        }
    }

    fn object(&self, kind: ObjectKind, number: u32) -> String {
        match self.names(kind, number) {
            [] => format!("{} {number:08x}", kind.words()),
            names => format!("{} {}", kind.words(), names.join(" or ")),
        }
    }
}
