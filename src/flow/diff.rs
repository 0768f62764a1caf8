//! The difference between what is wanted and what is installed.

use std::sync::Arc;

use super::entry::Flow;
use super::table::FlowTable;
use crate::openflow::{Match, PortNo, TableId};

/// What turns one set of flows into another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Flows to add; one of an identity that exists replaces it.
    pub add: Vec<Arc<Flow>>,
    /// Flows to delete, by identity.
    pub delete: Vec<Arc<Flow>>,
    /// Learnt flows to delete.
    pub forget: Vec<LearntScope>,
    /// Where learnt flows are welcome from now on.
    pub welcome: Vec<LearntScope>,
}

/// Some of the flows that the switch learnt by itself: those in `table` that `matching` contains and
/// that have an output to `out_port` ([`PortNo::ANY`]: whatever they do).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LearntScope {
    /// Where `learn` puts them.
    pub table: TableId,
    /// What they have in common.
    pub matching: Match,
    /// Where they lead.
    pub out_port: PortNo,
    /// The VNI that they send with, where all have to have the same: another makes another scope.
    pub vni: Option<u32>,
}

impl Changes {
    /// True if nothing changes.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.delete.is_empty() && self.forget.is_empty() && self.welcome.is_empty()
    }

    /// Drops deletes of an identity that is added too: the ADD replaces the flow, and one that goes and comes the same
    /// stays. Call it once both lists are complete.
    pub fn settle(&mut self) {
        if !self.add.is_empty() && !self.delete.is_empty() {
            let added: FlowTable = self.add.iter().cloned().collect();
            let deleted: FlowTable = self.delete.iter().cloned().collect();
            self.add.retain(|flow| deleted.get(&flow.key()).is_none_or(|there| there != flow));
            self.delete.retain(|flow| added.get(&flow.key()).is_none());
        }
    }

    /// Number of FLOW_MODs that it takes.
    pub fn len(&self) -> usize {
        self.add.len() + self.delete.len() + self.forget.len()
    }
}

/// What has to be sent so that `installed` becomes `wanted`: added and changed flows, and deletes.
/// In the order in which people read flows, so that equal inputs give equal messages.
pub fn diff(wanted: &FlowTable, installed: &FlowTable) -> Changes {
    let mut known = 0;
    let mut add = Vec::new();
    for flow in wanted.iter() {
        let there = installed.get(&flow.key());
        known += usize::from(there.is_some());
        if there.is_none_or(|there| !Arc::ptr_eq(there, flow) && there != flow) {
            add.push(flow.clone());
        }
    }
    // Mostly every installed flow is a wanted one, and there is no need to look for the others.
    let mut delete = Vec::new();
    if known < installed.len() {
        delete.extend(installed.iter().filter(|flow| wanted.get(&flow.key()).is_none()).cloned());
    }
    for flows in [&mut add, &mut delete] {
        flows
            .sort_unstable_by(|a, b| (a.table, b.priority, a.match_tlvs()).cmp(&(b.table, a.priority, b.match_tlvs())));
    }
    Changes { add, delete, ..Changes::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::Cookie;

    fn flow(port: u32, cookie: u64) -> Arc<Flow> {
        let matching = Match::new().in_port(PortNo(port));
        Arc::new(Flow::new(TableId(0), 1, &matching, Cookie(cookie), &[], None).unwrap())
    }

    #[test]
    fn only_what_differs_is_sent() {
        let wanted: FlowTable = [flow(1, 0), flow(2, 0), flow(3, 5)].into_iter().collect();
        let installed: FlowTable = [flow(1, 0), flow(3, 4), flow(4, 0)].into_iter().collect();
        let changes = diff(&wanted, &installed);
        assert_eq!(
            changes,
            Changes { add: vec![flow(2, 0), flow(3, 5)], delete: vec![flow(4, 0)], ..Changes::default() }
        );
        assert!(diff(&wanted, &wanted.clone()).is_empty());
    }
}
