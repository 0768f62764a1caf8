//! The wanted flows, kept up to date object by object: a change costs what it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use hashbrown::hash_map::{Entry, HashMap};
use hashbrown::hash_set::HashSet;

use super::object::{self, Object, Recent, Sink, Unencodable};
use super::view::{Bridge, View};
use crate::flow::{Changes, Flow, FlowKey, FlowTable, LearntScope};
use crate::topology::Name;

/// What belongs to one object.
#[derive(Default)]
struct Owned {
    flows: Box<[(Bridge, Arc<Flow>)]>,
    /// Where the switch may have learnt flows because of it; all on `br-tun`.
    scopes: Box<[LearntScope]>,
}

/// The wanted flows of every bridge of this node.
#[derive(Default)]
pub struct Desired {
    owned: HashMap<Object, Owned>,
    refused: BTreeMap<Object, Vec<Unencodable>>,
    /// Networks where a local port may announce addresses that are not its own.
    announced: BTreeSet<Name>,
}

impl Desired {
    /// Nothing wanted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the flows of `dirty` anew from `view`, in the order in which they are first named, and
    /// returns what that changes, by bridge. Objects that come out as before change nothing.
    pub fn update(&mut self, view: &View<'_>, dirty: impl IntoIterator<Item = Object>) -> BTreeMap<Bridge, Changes> {
        let mut seen = HashSet::new();
        let mut objects: Vec<Object> = dirty.into_iter().filter(|object| seen.insert(object.clone())).collect();
        let announced = self.announcements(view, &objects);
        objects.extend(announced.filter(|object| seen.insert(object.clone())));
        let mut changes: BTreeMap<Bridge, Changes> = BTreeMap::new();
        let mut recent = Recent::default();
        for object in objects {
            self.update_object(object, view, &mut recent, &mut changes);
        }
        for changes in changes.values_mut() {
            changes.settle();
        }
        changes.retain(|_, changes| !changes.is_empty());
        changes
    }

    /// When a network's first port that may announce any address comes, or its last goes, the ARP
    /// answers of all of the network's ports change.
    fn announcements<'a>(&mut self, view: &View<'a>, dirty: &[Object]) -> impl Iterator<Item = Object> + use<'a> {
        let mut changed = Vec::new();
        for object in dirty {
            let Object::Network(network) = object else { continue };
            let differs = match view.may_announce_any(network) {
                true => self.announced.insert(network.clone()),
                false => self.announced.remove(network),
            };
            changed.extend(differs.then(|| network.clone()));
        }
        let topology = view.topology;
        let members = changed.into_iter().flat_map(|network| topology.members(&network));
        members.map(|port| Object::Port(port.name.clone()))
    }

    fn update_object(
        &mut self,
        object: Object,
        view: &View<'_>,
        recent: &mut Recent,
        changes: &mut BTreeMap<Bridge, Changes>,
    ) {
        let Sink { flows, scopes, refused, .. } = object::flows(&object, view, recent);
        if refused.is_empty() {
            self.refused.remove(&object);
        } else {
            self.refused.insert(object.clone(), refused);
        }
        let after = Owned { flows: flows.into_boxed_slice(), scopes: scopes.into_boxed_slice() };
        let nothing = after.flows.is_empty() && after.scopes.is_empty();
        match self.owned.entry(object) {
            Entry::Occupied(mut place) => {
                let before = mem::take(place.get_mut());
                let after = replace(before, after, changes);
                if nothing {
                    place.remove();
                } else {
                    place.insert(after);
                }
            }
            Entry::Vacant(_) if nothing => {}
            Entry::Vacant(place) => {
                place.insert(replace(Owned::default(), after, changes));
            }
        }
    }

    /// All wanted flows of one bridge.
    pub fn flows(&self, bridge: &Bridge) -> FlowTable {
        let all = self.owned.values().flat_map(|owned| &owned.flows);
        let on_bridge = all.filter(|(on, _)| on == bridge);
        on_bridge.map(|(_, flow)| flow.clone()).collect()
    }

    /// Number of wanted flows of all bridges.
    pub fn len(&self) -> usize {
        self.owned.values().map(|owned| owned.flows.len()).sum()
    }

    /// True if nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.owned.values().all(|owned| owned.flows.is_empty())
    }

    /// The wanted flows of one object.
    pub fn of(&self, object: &Object) -> &[(Bridge, Arc<Flow>)] {
        self.owned.get(object).map_or(&[], |owned| &owned.flows)
    }

    /// Where flows that the switch learnt are welcome on `br-tun`.
    pub fn learnt_scopes(&self) -> Vec<LearntScope> {
        self.owned.values().flat_map(|owned| &owned.scopes).cloned().collect()
    }

    /// Flows that are wanted and cannot be put on the wire.
    pub fn refused(&self) -> impl Iterator<Item = &Unencodable> {
        self.refused.values().flatten()
    }
}

/// Notes what turns `before` into `after`. Flows that are equal stay the very ones that there were.
fn replace(before: Owned, mut after: Owned, changes: &mut BTreeMap<Bridge, Changes>) -> Owned {
    let mut stays = vec![false; before.flows.len()];
    // Flows of an object keep their order: the next is mostly behind the last that was found. The others are looked
    // up, as a port with thousands of rules has thousands of flows.
    let mut places: Option<HashMap<(&Bridge, FlowKey<'_>), usize>> = None;
    let mut next = 0;
    for (bridge, flow) in &mut after.flows {
        let is_it = |(on, there): &&(Bridge, Arc<Flow>)| on == bridge && there.key() == flow.key();
        let found = before.flows.get(next).filter(is_it).map(|_| next).or_else(|| {
            let all = || before.flows.iter().enumerate().map(|(at, (on, there))| ((on, there.key()), at));
            places.get_or_insert_with(|| all().collect()).get(&(&*bridge, flow.key())).copied()
        });
        let Some(at) = found else {
            changes_of(changes, bridge).add.push(flow.clone());
            continue;
        };
        let (_, there) = &before.flows[at];
        if there == flow {
            *flow = there.clone();
        } else {
            changes_of(changes, bridge).add.push(flow.clone());
        }
        stays[at] = true;
        next = at + 1;
    }
    drop(places);
    let gone = before.flows.into_iter().zip(stays).filter(|(_, stays)| !stays);
    for ((bridge, flow), _) in gone {
        changes_of(changes, &bridge).delete.push(flow);
    }
    for scope in after.scopes.iter().filter(|scope| !before.scopes.contains(scope)) {
        changes_of(changes, &Bridge::Tunnel).welcome.push(scope.clone());
    }
    for scope in before.scopes {
        if !after.scopes.contains(&scope) {
            changes_of(changes, &Bridge::Tunnel).forget.push(scope);
        }
    }
    after
}

fn changes_of<'a>(changes: &'a mut BTreeMap<Bridge, Changes>, bridge: &Bridge) -> &'a mut Changes {
    changes.entry(bridge.clone()).or_default()
}

/// The wanted flows of every bridge of a view, from scratch: the reference for [`Desired::update`].
pub fn all_flows(view: &View<'_>) -> BTreeMap<Bridge, FlowTable> {
    let mut desired = Desired::new();
    desired.update(view, view.objects());
    view.layout.bridges().map(|bridge| (bridge.clone(), desired.flows(&bridge))).collect()
}
