//! What packets are answered from: immutable, shared by the connections of a host's bridges, replaced as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use crate::openflow::{MacAddr, PortNo};
use crate::pipeline::View;
use crate::topology::{Name, Port};

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    pub(super) ports: HashMap<PortNo, Arc<PortAnswers>>,
}

impl Snapshot {
    /// What a local port is answered; `None` for a port of `br-int` that the topology does not know.
    pub fn port(&self, in_port: PortNo) -> Option<&PortAnswers> {
        self.ports.get(&in_port).map(|answers| &**answers)
    }
}

/// What one local port is answered, made when its port or network changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortAnswers {
    /// The port.
    pub name: Name,
    /// Its MAC address.
    pub mac_address: MacAddr,
}

impl PortAnswers {
    /// What a local port is answered.
    pub(super) fn of(port: &Port, _view: &View<'_>) -> Self {
        Self { name: port.name.clone(), mac_address: port.mac_address }
    }
}
