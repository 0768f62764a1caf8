//! The parts of which the wanted flows are made: every flow belongs to one object, and a change
//! touches the flows of the objects that it concerns.

use std::sync::Arc;

use hashbrown::HashSet;

use super::cookie::{self, Kind};
use super::firewall::{self, Places};
use super::view::{Bridge, Overlay, View};
use super::{arp_nd, dhcp, integration, ipv6, physical, tunnel};
use crate::flow::{Flow, LearntScope};
use crate::openflow::{Action, EncodeError, Match, PortNo, TableId};
use crate::topology::{Name, Port, RemoteAddress};

/// What flows belong to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Object {
    /// This host: flows that are always there.
    Host,
    /// A physical network that has a bridge here.
    Physical(Name),
    /// A network.
    Network(Name),
    /// A port, on this node or another.
    Port(Name),
    /// Another node.
    Peer(Name),
    /// An address of a set that rules of security groups name.
    Address(Arc<RemoteAddress>),
}

/// A flow that the pipeline wants and that cannot be put on the wire.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("table {table}: flow of {object:?}: {error}")]
pub struct Unencodable {
    /// Whose flow.
    pub object: Object,
    /// In which table.
    pub table: TableId,
    /// Why not.
    pub error: EncodeError,
}

/// Takes the flows of one object.
pub(super) struct Sink<'a> {
    object: &'a Object,
    pub(super) flows: Vec<(Bridge, Arc<Flow>)>,
    pub(super) scopes: Vec<LearntScope>,
    pub(super) refused: Vec<Unencodable>,
}

/// One flow as the pipeline writes it down.
pub(super) struct Entry<'a> {
    pub(super) table: TableId,
    pub(super) priority: u16,
    pub(super) kind: Kind,
    pub(super) matching: Match,
    pub(super) actions: &'a [Action],
    pub(super) next: Option<TableId>,
    /// What the cookie names, if it is not the object that the flow belongs to.
    pub(super) object: Option<&'a str>,
}

impl<'a> Entry<'a> {
    /// A flow that drops; see [`apply`](Self::apply) and [`goto`](Self::goto).
    pub(super) fn new(table: TableId, priority: u16, kind: Kind, matching: Match) -> Self {
        Self { table, priority, kind, matching, actions: &[], next: None, object: None }
    }

    /// Applies `actions`.
    pub(super) fn apply(self, actions: &'a [Action]) -> Self {
        Self { actions, ..self }
    }

    /// The cookie names `object`.
    pub(super) fn named(self, object: &'a str) -> Self {
        Self { object: Some(object), ..self }
    }

    /// Then goes on in `table`.
    pub(super) fn goto(self, table: TableId) -> Self {
        Self { next: Some(table), ..self }
    }
}

impl Sink<'_> {
    /// True if no two flows have one identity.
    fn is_distinct(&self) -> bool {
        let mut seen = HashSet::new();
        self.flows.iter().all(|(bridge, flow)| seen.insert((bridge, flow.key())))
    }

    /// Adds a flow to `bridge`. An object names each identity once.
    pub(super) fn add(&mut self, bridge: &Bridge, entry: Entry<'_>) {
        let name = match self.object {
            Object::Host | Object::Address(_) => "",
            Object::Physical(name) | Object::Network(name) | Object::Port(name) | Object::Peer(name) => name,
        };
        let cookie = cookie::cookie(entry.kind, entry.object.unwrap_or(name));
        match Flow::new(entry.table, entry.priority, &entry.matching, cookie, entry.actions, entry.next) {
            Ok(flow) => {
                self.flows.push((bridge.clone(), Arc::new(flow)));
            }
            Err(error) => self.refused.push(Unencodable { object: self.object.clone(), table: entry.table, error }),
        }
    }
}

/// Facts that the ports of one network, or of one node, share: kept from one port to the next, since
/// they mostly come in rows. Good for one view.
#[derive(Default)]
pub(super) struct Recent {
    places: Option<Places>,
    network: Option<(Name, Option<Overlay>, bool)>,
    node: Option<(Name, Option<PortNo>)>,
}

impl Recent {
    /// The port's network as an overlay in use here, and whether a port of this node may announce any
    /// address in it.
    pub(super) fn overlay(&mut self, port: &Port, view: &View<'_>) -> (Option<Overlay>, bool) {
        match &self.network {
            Some((name, overlay, announces)) if Arc::ptr_eq(name, &port.network) => (*overlay, *announces),
            _ => {
                let overlay = view.topology.network(&port.network).and_then(|network| view.overlay(network));
                let announces = overlay.is_some() && view.may_announce_any(&port.network);
                self.network = Some((port.network.clone(), overlay, announces));
                (overlay, announces)
            }
        }
    }

    /// The tunnel port to the port's node.
    pub(super) fn tunnel(&mut self, port: &Port, view: &View<'_>) -> Option<PortNo> {
        match &self.node {
            Some((name, tunnel)) if Arc::ptr_eq(name, &port.node) => *tunnel,
            _ => {
                let tunnel = view.bindings.tunnels.get(&port.node).copied();
                self.node = Some((port.node.clone(), tunnel));
                tunnel
            }
        }
    }
}

/// The flows of one object, in the order in which the pipeline names them. Of an object that does
/// not exist, or has nothing here, there are none.
pub(super) fn flows<'a>(object: &'a Object, view: &View<'_>, recent: &mut Recent) -> Sink<'a> {
    let mut sink = Sink { object, flows: Vec::new(), scopes: Vec::new(), refused: Vec::new() };
    match object {
        Object::Host => {
            integration::host(view, &mut sink);
            tunnel::host(view, &mut sink);
        }
        Object::Physical(physical_network) => {
            integration::guard(physical_network, view, &mut sink);
            physical::base(physical_network, view, &mut sink);
        }
        Object::Network(name) => {
            if let Some(network) = view.topology.network(name) {
                integration::network(network, view, &mut sink);
                physical::network(network, view, &mut sink);
                tunnel::network(network, view, &mut sink);
            }
        }
        Object::Port(name) => {
            if let Some(port) = view.topology.port(name) {
                if view.is_local(port) {
                    integration::port(port, view, &mut sink);
                    dhcp::port(port, view, &mut sink);
                    ipv6::port(port, view, &mut sink);
                    arp_nd::local_port(port, view, &mut sink);
                } else {
                    tunnel::remote_port(port, view, recent, &mut sink);
                }
            }
        }
        Object::Peer(name) => tunnel::peer(name, view, &mut sink),
        Object::Address(address) => {
            let places = recent.places.get_or_insert_with(|| Places::of(view));
            firewall::address(address, view, places, &mut sink);
        }
    }
    debug_assert!(sink.is_distinct(), "{object:?} names an identity twice");
    sink
}
