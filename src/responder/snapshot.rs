//! What packets are answered from: immutable, shared by the connections of a host's bridges, replaced as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use super::neighbors::NetworkAnswers;
use super::security_log::LoggedPort;
use super::{dhcpv4, dhcpv6, ra};
use crate::openflow::{MacAddr, PortNo};
use crate::pipeline::View;
use crate::topology::{Name, Port};

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    pub(super) ports: HashMap<PortNo, Arc<PortAnswers>>,
    /// By local VLAN.
    pub(super) networks: Vec<Option<Arc<NetworkAnswers>>>,
}

impl Snapshot {
    /// What a local port is answered; `None` for a port of `br-int` that the topology does not know.
    pub fn port(&self, in_port: PortNo) -> Option<&PortAnswers> {
        self.ports.get(&in_port).map(|answers| &**answers)
    }

    /// Every local port.
    pub(super) fn ports(&self) -> impl Iterator<Item = (PortNo, &PortAnswers)> {
        self.ports.iter().map(|(port, answers)| (*port, &**answers))
    }

    /// Whether answers in the name of others are likely to wait for memory.
    pub(super) fn outgrows_caches(&self) -> bool {
        self.networks.iter().flatten().any(|known| known.addresses.outgrows_caches())
    }

    /// What is answered in the name of others in the network of a local VLAN.
    pub fn network(&self, vid: u16) -> Option<&NetworkAnswers> {
        self.networks.get(usize::from(vid))?.as_deref()
    }
}

/// What one local port is answered, made when its port or network changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortAnswers {
    /// The port.
    pub name: Name,
    /// Its MAC address.
    pub mac_address: MacAddr,
    /// Its DHCPv4 server, if Heddle is that.
    pub dhcpv4: Option<dhcpv4::Server>,
    /// Its DHCPv6 server, if Heddle is that.
    pub dhcpv6: Option<dhcpv6::Server>,
    /// What it hears of routers, if Heddle speaks for them.
    pub router: Option<Arc<ra::Router>>,
    /// What is to be known of it, if one of its security groups has a log.
    pub log: Option<Arc<LoggedPort>>,
}

impl PortAnswers {
    /// What a local port is answered.
    pub(super) fn of(port: &Port, view: &View<'_>) -> Self {
        let topology = view.topology;
        let network = topology.network(&port.network);
        let heard = network.filter(|_| topology.hears_routers(port));
        Self {
            name: port.name.clone(),
            mac_address: port.mac_address,
            dhcpv4: network.and_then(|network| dhcpv4::Server::of(port, network, topology.mtu_of(network))),
            dhcpv6: network.and_then(|network| dhcpv6::Server::of(port, network)),
            router: heard.and_then(|network| ra::Router::of(network, topology)).map(Arc::new),
            log: LoggedPort::of(port, view).map(Arc::new),
        }
    }
}
