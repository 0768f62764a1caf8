//! Keeps the [`Snapshot`] as topology and bindings want it. A change costs what it concerns, and two tables of
//! pointers: those of the ports and networks of this host.

use std::collections::HashMap;
use std::sync::Arc;

use super::neighbors::Neighbors;
use super::{PortAnswers, Snapshot};
use crate::openflow::PortNo;
use crate::pipeline::{Object, View};
use crate::topology::Name;

/// See the module.
#[derive(Debug, Default)]
pub struct Answers {
    snapshot: Arc<Snapshot>,
    /// Under which number the snapshot has each port.
    numbers: HashMap<Name, PortNo>,
    neighbors: Neighbors,
}

impl Answers {
    /// What is answered now.
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Looks at `objects` anew. True if another snapshot is in force.
    pub fn update(&mut self, view: &View<'_>, objects: &[Object]) -> bool {
        let before = self.snapshot.clone();
        if self.neighbors.update(view, objects) {
            Arc::make_mut(&mut self.snapshot).networks = self.neighbors.by_vlan();
        }
        for object in objects {
            if let Object::Port(name) = object {
                self.update_port(name, view);
            }
        }
        !Arc::ptr_eq(&before, &self.snapshot)
    }

    fn update_port(&mut self, name: &Name, view: &View<'_>) {
        let port = view.topology.port(name).filter(|port| view.is_local(port));
        let wanted = port.and_then(|port| {
            let number = *view.bindings.ports.get(name)?;
            Some((number, PortAnswers::of(port, view)))
        });
        let before = self.numbers.get(name).copied();
        let current = before.and_then(|number| Some((number, self.snapshot.port(number)?)));
        if current == wanted.as_ref().map(|(number, answers)| (*number, answers)) {
            return;
        }
        let snapshot = Arc::make_mut(&mut self.snapshot);
        // Another port may have taken its number since.
        if let Some(number) = before
            && snapshot.ports.get(&number).is_some_and(|there| there.name == *name)
        {
            snapshot.ports.remove(&number);
        }
        match wanted {
            Some((number, answers)) => {
                snapshot.ports.insert(number, Arc::new(answers));
                self.numbers.insert(name.clone(), number);
            }
            None => {
                self.numbers.remove(name);
            }
        }
    }
}
