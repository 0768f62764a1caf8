//! What the flows of a bridge are for, each found again by what makes it this flow.

use std::collections::HashMap;

use crate::cli::explain::{Bridge, Explainer, NotedFlow};
use crate::cli::ofctl_dump::dump::Dump;
use crate::flow::Flow;
use crate::openflow::TableId;

/// Table, priority and match.
type Identity = (TableId, u16, Vec<u8>);

/// The explanations of one bridge.
pub(super) struct Purposes<'a> {
    explainer: Explainer<'a>,
    flows: HashMap<Identity, NotedFlow>,
}

impl<'a> Purposes<'a> {
    /// Takes all flows of a dump in.
    pub(super) fn new(bridge: Bridge<'a>, dump: &Dump) -> Self {
        let mut explainer = Explainer::new(bridge);
        let noted = dump.flows.iter().filter_map(|flow| {
            let identity = (flow.table, flow.priority, flow.match_tlvs.to_vec());
            Some((identity, explainer.note(&flow).ok()?))
        });
        let flows = noted.collect();
        Self { explainer, flows }
    }

    /// What a flow is for; `None`: it is not of this bridge.
    pub(super) fn of(&self, flow: &Flow) -> Option<String> {
        let identity = (flow.table, flow.priority, flow.match_tlvs().to_vec());
        self.flows.get(&identity).map(|noted| self.explainer.words(*noted))
    }

    /// What is known of all flows together.
    pub(super) const fn explainer(&self) -> &Explainer<'a> {
        &self.explainer
    }
}
