//! What the pipeline looks at: topology, layout of this host, and what is bound on it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::openflow::{DatapathId, PortNo};
use crate::topology::{Name, Network, NetworkKind, Port, Topology};

/// A VLAN id that stands for a network on one node, 1–4094.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LocalVlan(u16);

impl LocalVlan {
    /// The VLAN of ports that the topology does not know: nothing enters or leaves it.
    pub const DEAD: u16 = 4095;

    /// `None` unless 1–4094.
    pub const fn new(vid: u16) -> Option<Self> {
        if vid >= 1 && vid <= 4094 { Some(Self(vid)) } else { None }
    }

    /// The VLAN id.
    pub const fn vid(self) -> u16 {
        self.0
    }

    /// All of them, from the lowest.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=4094).map(Self)
    }
}

impl fmt::Display for LocalVlan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// One of the bridges that Heddle programs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bridge {
    /// `br-int`.
    Integration,
    /// `br-tun`.
    Tunnel,
    /// The bridge of this physical network.
    Physical(Name),
    /// A learning bridge, by its datapath id: the topology knows nothing of it.
    Learning(DatapathId),
}

/// What this host has, from its own file: constant while the daemon runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// This node's name in the topology.
    pub node: Name,
    /// Physical networks that have a bridge here.
    pub physical_networks: Vec<Name>,
    /// Known remote MACs become flows.
    pub l2_population: bool,
    /// ARP requests for known remote addresses; takes `l2_population`.
    pub arp_responder: Answering,
    /// Neighbour solicitations for known remote addresses; takes `l2_population`.
    pub nd_responder: Answering,
}

/// Who answers in place of a port on another node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnsweredBy {
    /// The switch: a flow for each address.
    Flows,
    /// Heddle: one flow that sends the question up.
    Controller,
}

/// Answers in place of ports on other nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answering {
    /// Who gives them.
    pub by: AnsweredBy,
    /// If they are given in networks that do not say.
    pub default: bool,
}

impl Answering {
    /// Who answers in a network that says this.
    const fn in_network(self, wish: Option<bool>) -> Option<AnsweredBy> {
        let on = match wish {
            Some(on) => on,
            None => self.default,
        };
        if on { Some(self.by) } else { None }
    }
}

/// How hosts ask who has an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// An ARP request, for IPv4.
    Arp,
    /// A neighbour solicitation, for IPv6.
    Solicitation,
}

impl Question {
    pub(super) const ALL: [Self; 2] = [Self::Arp, Self::Solicitation];
}

impl Layout {
    /// Who answers a question here in a network that says nothing about it.
    pub(super) fn answers(&self, question: Question) -> Option<AnsweredBy> {
        self.answers_where(question, None)
    }

    /// Who answers ARP requests for known addresses of a network here.
    pub fn answers_arp_of(&self, network: &Network) -> Option<AnsweredBy> {
        self.answers_where(Question::Arp, network.arp_responder)
    }

    /// Who answers neighbour solicitations for known addresses of a network here.
    pub fn answers_nd_of(&self, network: &Network) -> Option<AnsweredBy> {
        self.answers_where(Question::Solicitation, network.nd_responder)
    }

    fn answers_where(&self, question: Question, wish: Option<bool>) -> Option<AnsweredBy> {
        let responder = match question {
            Question::Arp => self.arp_responder,
            Question::Solicitation => self.nd_responder,
        };
        responder.in_network(wish).filter(|_| self.l2_population)
    }

    /// Every bridge, `br-int` first.
    pub fn bridges(&self) -> impl Iterator<Item = Bridge> {
        [Bridge::Integration, Bridge::Tunnel]
            .into_iter()
            .chain(self.physical_networks.iter().cloned().map(Bridge::Physical))
    }
}

/// The two ends of the patch between `br-int` and a physical bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PatchPorts {
    /// On `br-int`.
    pub integration: Option<PortNo>,
    /// On the physical bridge.
    pub physical: Option<PortNo>,
}

/// What exists on this host: names with the numbers that the switch gave them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bindings {
    /// `patch-tun` on `br-int`.
    pub patch_tun: Option<PortNo>,
    /// `patch-int` on `br-tun`.
    pub patch_int: Option<PortNo>,
    /// By physical network.
    pub physical: BTreeMap<Name, PatchPorts>,
    /// The VXLAN port towards each node.
    pub tunnels: BTreeMap<Name, PortNo>,
    /// Ports of the topology that are on `br-int`, have a number, and carry their tag or that of the dead VLAN.
    pub ports: HashMap<Name, PortNo>,
    /// Those of them on the dead VLAN: nothing that they send may enter.
    pub closed: HashSet<Name>,
    /// Networks in use here.
    pub local_vlans: BTreeMap<Name, LocalVlan>,
}

/// The pipeline's whole input.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// What is wanted.
    pub topology: &'a Topology,
    /// What this host has.
    pub layout: &'a Layout,
    /// What exists on it.
    pub bindings: &'a Bindings,
}

/// A VXLAN network in use here, as flows need it.
#[derive(Clone, Copy)]
pub(super) struct Overlay {
    pub(super) local_vlan: LocalVlan,
    pub(super) vni: u32,
    arp: Option<AnsweredBy>,
    nd: Option<AnsweredBy>,
}

impl Overlay {
    /// Who answers a question for a known address.
    pub(super) const fn answers(&self, question: Question) -> Option<AnsweredBy> {
        match question {
            Question::Arp => self.arp,
            Question::Solicitation => self.nd,
        }
    }
}

impl<'a> View<'a> {
    /// True if the port belongs on this node.
    pub fn is_local(&self, port: &Port) -> bool {
        port.node == self.layout.node
    }

    /// True if what a local port sends may enter: it is on its network's local VLAN, so that NORMAL keeps it there.
    pub(super) fn is_open(&self, port: &str) -> bool {
        !self.bindings.closed.contains(port)
    }

    /// The local VLAN of a network, if it is in use here.
    pub fn local_vlan(&self, network: &str) -> Option<LocalVlan> {
        self.bindings.local_vlans.get(network).copied()
    }

    /// A VXLAN network in use here.
    pub(super) fn overlay(&self, network: &Network) -> Option<Overlay> {
        let NetworkKind::Vxlan { segmentation_id } = network.kind else { return None };
        Some(Overlay {
            local_vlan: self.local_vlan(&network.name)?,
            vni: segmentation_id,
            arp: self.layout.answers_arp_of(network),
            nd: self.layout.answers_nd_of(network),
        })
    }

    /// Tunnel ports to the other nodes that have ports of the network, in ascending order.
    pub(super) fn flood_ports(&self, network: &str) -> Vec<PortNo> {
        let others = self.topology.nodes_of(network).filter(|&node| *node != self.layout.node);
        let mut ports: Vec<PortNo> = others.filter_map(|node| self.bindings.tunnels.get(node)).copied().collect();
        ports.sort_unstable();
        ports
    }

    /// True if a port of this network on this node may use addresses that the topology gives to
    /// others: then a gratuitous ARP for any address may come from here.
    pub(super) fn may_announce_any(&self, network: &str) -> bool {
        self.topology
            .ports_on(network, &self.layout.node)
            .any(|port| !port.port_security || !port.allowed_address_pairs.is_empty())
    }
}
