//! A set of flows, by identity.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::entry::{Flow, FlowKey};

/// Flows by identity. Holds pointers: a flow that stands in several tables exists once.
#[derive(Clone, Default)]
pub struct FlowTable {
    flows: HashTable<Arc<Flow>>,
    hasher: DefaultHashBuilder,
}

impl FlowTable {
    /// No flows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of flows.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// True without flows.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// The flow of this identity.
    pub fn get(&self, key: &FlowKey<'_>) -> Option<&Arc<Flow>> {
        // The first apply asks an empty table about every flow.
        if self.flows.is_empty() {
            return None;
        }
        self.flows.find(self.hasher.hash_one(key), |flow| flow.key() == *key)
    }

    /// Adds a flow; returns the one of the same identity that it replaced.
    pub fn insert(&mut self, flow: Arc<Flow>) -> Option<Arc<Flow>> {
        let hash = self.hasher.hash_one(flow.key());
        match self.flows.find_mut(hash, |other| other.key() == flow.key()) {
            Some(place) => Some(std::mem::replace(place, flow)),
            None => {
                let hasher = &self.hasher;
                self.flows.insert_unique(hash, flow, |flow| hasher.hash_one(flow.key()));
                None
            }
        }
    }

    /// Takes the flow of this identity out.
    pub fn remove(&mut self, key: &FlowKey<'_>) -> Option<Arc<Flow>> {
        let hash = self.hasher.hash_one(key);
        self.flows.find_entry(hash, |flow| flow.key() == *key).ok().map(|entry| entry.remove().0)
    }

    /// All flows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Flow>> {
        self.flows.iter()
    }

    /// All flows in the order in which people read them: by table, then priority from high to low,
    /// then match.
    pub fn sorted(&self) -> Vec<Arc<Flow>> {
        let mut flows: Vec<_> = self.flows.iter().cloned().collect();
        flows.sort_by(|a, b| (a.table, b.priority, a.match_tlvs()).cmp(&(b.table, a.priority, b.match_tlvs())));
        flows
    }

    /// Makes room for `additional` flows.
    pub fn reserve(&mut self, additional: usize) {
        let hasher = &self.hasher;
        self.flows.reserve(additional, |flow| hasher.hash_one(flow.key()));
    }
}

impl FromIterator<Arc<Flow>> for FlowTable {
    fn from_iter<I: IntoIterator<Item = Arc<Flow>>>(flows: I) -> Self {
        let mut table = Self::new();
        for flow in flows {
            table.insert(flow);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::{Cookie, Match, PortNo, TableId};

    fn flow(port: u32, priority: u16, cookie: u64) -> Arc<Flow> {
        let matching = Match::new().in_port(PortNo(port));
        Arc::new(Flow::new(TableId(0), priority, &matching, Cookie(cookie), &[], None).unwrap())
    }

    #[test]
    fn identity_is_table_priority_and_match() {
        let mut table = FlowTable::new();
        assert_eq!(table.insert(flow(1, 9, 0)), None);
        assert_eq!(table.insert(flow(1, 10, 0)), None);
        assert_eq!(table.insert(flow(2, 9, 0)), None);
        assert_eq!(table.insert(flow(1, 9, 77)), Some(flow(1, 9, 0)));
        assert_eq!(table.len(), 3);
        assert_eq!(table.get(&flow(1, 9, 0).key()).unwrap().cookie, Cookie(77));
        assert_eq!(table.remove(&flow(1, 9, 0).key()).unwrap().cookie, Cookie(77));
        assert_eq!(table.remove(&flow(1, 9, 0).key()), None);
        let order: Vec<u16> = table.sorted().iter().map(|flow| flow.priority).collect();
        assert_eq!(order, [10, 9]);
    }
}
