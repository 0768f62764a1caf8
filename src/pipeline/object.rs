//! The parts of which the wanted flows are made: every flow belongs to one object, and a change
//! touches the flows of the objects that it concerns.

use std::sync::Arc;

use super::cookie::{self, Kind};
use super::view::{Bridge, View};
use super::{integration, physical, tunnel};
use crate::flow::{Flow, LearntScope};
use crate::openflow::{Action, EncodeError, Match, TableId};
use crate::topology::Name;

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
}

impl<'a> Entry<'a> {
    /// A flow that drops; see [`apply`](Self::apply) and [`goto`](Self::goto).
    pub(super) fn new(table: TableId, priority: u16, kind: Kind, matching: Match) -> Self {
        Self { table, priority, kind, matching, actions: &[], next: None }
    }

    /// Applies `actions`.
    pub(super) fn apply(self, actions: &'a [Action]) -> Self {
        Self { actions, ..self }
    }

    /// Then goes on in `table`.
    pub(super) fn goto(self, table: TableId) -> Self {
        Self { next: Some(table), ..self }
    }
}

impl Sink<'_> {
    /// Adds a flow to `bridge`. The same identity twice for one object is one flow: the first.
    pub(super) fn add(&mut self, bridge: &Bridge, entry: Entry<'_>) {
        let name = match self.object {
            Object::Host => "",
            Object::Physical(name) | Object::Network(name) | Object::Port(name) | Object::Peer(name) => name,
        };
        let cookie = cookie::cookie(entry.kind, name);
        match Flow::new(entry.table, entry.priority, &entry.matching, cookie, entry.actions, entry.next) {
            Ok(flow) if self.flows.iter().any(|(on, there)| on == bridge && there.key() == flow.key()) => {}
            Ok(flow) => self.flows.push((bridge.clone(), Arc::new(flow))),
            Err(error) => self.refused.push(Unencodable { object: self.object.clone(), table: entry.table, error }),
        }
    }
}

/// The flows of one object, in the order in which the pipeline names them. Of an object that does
/// not exist, or has nothing here, there are none.
pub(super) fn flows<'a>(object: &'a Object, view: &View<'_>) -> Sink<'a> {
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
                    tunnel::local_port(port, view, &mut sink);
                } else {
                    tunnel::remote_port(port, view, &mut sink);
                }
            }
        }
        Object::Peer(name) => tunnel::peer(name, view, &mut sink),
    }
    sink
}
