//! The wanted flows, kept up to date object by object: a change costs what it changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::object::{self, Object, Unencodable};
use super::view::{Bridge, View};
use crate::flow::{Changes, Flow, FlowTable, LearntScope};
use crate::topology::Name;

/// The flows of one object.
type Owned = Box<[(Bridge, Arc<Flow>)]>;

/// Where the switch may have learnt flows because of one object; all on `br-tun`.
type Scopes = Box<[LearntScope]>;

/// The wanted flows of every bridge of this node.
#[derive(Default)]
pub struct Desired {
    flows: HashMap<Object, Owned>,
    scopes: HashMap<Object, Scopes>,
    refused: BTreeMap<Object, Vec<Unencodable>>,
    /// Networks where a local port may announce addresses that are not its own.
    announced: BTreeSet<Name>,
}

impl Desired {
    /// Nothing wanted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the flows of `dirty` anew from `view` and returns what that changes, by bridge. Objects
    /// that come out as before change nothing.
    pub fn update(&mut self, view: &View<'_>, dirty: impl IntoIterator<Item = Object>) -> BTreeMap<Bridge, Changes> {
        let mut dirty: BTreeSet<Object> = dirty.into_iter().collect();
        self.extend_by_announcements(view, &mut dirty);
        let mut changes: BTreeMap<Bridge, Changes> = BTreeMap::new();
        for object in dirty {
            self.update_object(object, view, &mut changes);
        }
        for changes in changes.values_mut() {
            changes.settle();
        }
        changes.retain(|_, changes| !changes.is_empty());
        changes
    }

    /// When a network's first port that may announce any address comes, or its last goes, the ARP
    /// answers of all of the network's ports change.
    fn extend_by_announcements(&mut self, view: &View<'_>, dirty: &mut BTreeSet<Object>) {
        let networks: Vec<Name> = dirty
            .iter()
            .filter_map(|object| match object {
                Object::Network(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        for network in networks {
            let announces = view.may_announce_any(&network);
            let changed =
                if announces { self.announced.insert(network.clone()) } else { self.announced.remove(&network) };
            if changed {
                dirty.extend(view.topology.members(&network).map(|port| Object::Port(port.name.clone())));
            }
        }
    }

    fn update_object(&mut self, object: Object, view: &View<'_>, changes: &mut BTreeMap<Bridge, Changes>) {
        let made = object::flows(&object, view);
        let (flows, scopes, refused) = (made.flows, made.scopes, made.refused);
        let before = self.flows.remove(&object).unwrap_or_default();
        let mut kept = Vec::with_capacity(flows.len());
        for (bridge, flow) in flows {
            match before.iter().find(|(on, there)| *on == bridge && there.key() == flow.key()) {
                Some((_, there)) if *there == flow => kept.push((bridge, there.clone())),
                _ => {
                    changes.entry(bridge.clone()).or_default().add.push(flow.clone());
                    kept.push((bridge, flow));
                }
            }
        }
        for (bridge, flow) in before {
            if !kept.iter().any(|(on, there)| *on == bridge && there.key() == flow.key()) {
                changes.entry(bridge).or_default().delete.push(flow);
            }
        }
        let scopes_before = self.scopes.remove(&object).unwrap_or_default();
        for scope in scopes.iter().filter(|scope| !scopes_before.contains(scope)) {
            changes.entry(Bridge::Tunnel).or_default().welcome.push(scope.clone());
        }
        for scope in scopes_before {
            if !scopes.contains(&scope) {
                changes.entry(Bridge::Tunnel).or_default().forget.push(scope);
            }
        }
        if !scopes.is_empty() {
            self.scopes.insert(object.clone(), scopes.into_boxed_slice());
        }
        if refused.is_empty() {
            self.refused.remove(&object);
        } else {
            self.refused.insert(object.clone(), refused);
        }
        if !kept.is_empty() {
            self.flows.insert(object, kept.into_boxed_slice());
        }
    }

    /// All wanted flows of one bridge.
    pub fn flows(&self, bridge: &Bridge) -> FlowTable {
        let on_bridge = self.flows.values().flatten().filter(|(on, _)| on == bridge);
        on_bridge.map(|(_, flow)| flow.clone()).collect()
    }

    /// Number of wanted flows of all bridges.
    pub fn len(&self) -> usize {
        self.flows.values().map(|flows| flows.len()).sum()
    }

    /// True if nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// The wanted flows of one object.
    pub fn of(&self, object: &Object) -> &[(Bridge, Arc<Flow>)] {
        self.flows.get(object).map_or(&[], |flows| flows)
    }

    /// Where flows that the switch learnt are welcome on `br-tun`.
    pub fn learnt_scopes(&self) -> Vec<LearntScope> {
        self.scopes.values().flatten().cloned().collect()
    }

    /// Flows that are wanted and cannot be put on the wire.
    pub fn refused(&self) -> impl Iterator<Item = &Unencodable> {
        self.refused.values().flatten()
    }
}

/// The wanted flows of every bridge of a view, from scratch: the reference for [`Desired::update`].
pub fn all_flows(view: &View<'_>) -> BTreeMap<Bridge, FlowTable> {
    let mut desired = Desired::new();
    desired.update(view, view.objects());
    view.layout.bridges().map(|bridge| (bridge.clone(), desired.flows(&bridge))).collect()
}
