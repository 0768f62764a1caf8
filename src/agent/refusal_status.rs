//! What `heddle status` shows of flows that switches refuse.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::host::Host;
use super::port_flows::RefusedOn;
use super::refusals::Timing;
use super::status::Standing;
use crate::flow::Flow;
use crate::flow::text::{Cookies, Numbers, Printer};
use crate::pipeline::{Bridge, ObjectNames};
use crate::switch::RefusedChange;
use crate::topology::Name;

/// A flow that a switch refuses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefusalStatus {
    /// The bridge.
    pub bridge: String,
    /// `addition`, or `deletion`: then it is there and should not be.
    pub refused: RefusedChange,
    /// The table.
    pub table: u8,
    /// Whose it is, such as `port web1`; nothing if it is the bridge's.
    pub owner: Option<String>,
    /// What it would be there for.
    pub purpose: String,
    /// The flow in the syntax of ovs-ofctl.
    pub flow: String,
    /// The OpenFlow error.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// For how long it has been refused.
    pub refused_seconds: u64,
    /// When it is tried again; nothing while that is on its way, or the bridge is not connected.
    pub retry_seconds: Option<u64>,
}

/// Tells of refused flows in words.
pub(super) struct Teller<'a> {
    standing: Standing<'a>,
    bridges: BTreeMap<&'a Bridge, (&'a Name, bool)>,
    names: ObjectNames,
}

impl<'a> Teller<'a> {
    pub(super) fn new(host: &'a Host, standing: Standing<'a>) -> Self {
        let any = host.bridges().rejected().next().is_some();
        let bridges = host.bridges().iter().map(|(name, bridge, state)| (bridge, (name, state.connected.is_some())));
        Self {
            standing,
            bridges: if any { bridges.collect() } else { BTreeMap::new() },
            names: if any { ObjectNames::of(host.topology()) } else { ObjectNames::default() },
        }
    }

    pub(super) fn tell(&self, (bridge, rejected): RefusedOn<'_>) -> RefusalStatus {
        let flow = &rejected.flow;
        let Timing { refused_for, retry_in } = self.standing.refusals.timing(bridge, rejected, self.standing.now);
        let (name, connected) =
            self.bridges.get(bridge).map_or(("", false), |(name, connected)| (&***name, *connected));
        RefusalStatus {
            bridge: name.to_owned(),
            refused: rejected.refused,
            table: flow.table.0,
            owner: self.names.owner(flow.cookie),
            purpose: self.names.purpose(flow.cookie).unwrap_or_default(),
            flow: flow_text(flow),
            error: rejected.code.to_string(),
            attempts: rejected.attempts,
            refused_seconds: refused_for.as_secs(),
            retry_seconds: retry_in.filter(|_| connected).map(|wait| wait.as_secs()),
        }
    }
}

impl RefusalStatus {
    /// How it stands, as `for 12 s, tried 4 times, next in 3 s`.
    pub fn pace(&self) -> String {
        let times = if self.attempts == 1 { "once".to_owned() } else { format!("{} times", self.attempts) };
        let next = self.retry_seconds.map_or_else(String::new, |seconds| format!(", next in {seconds} s"));
        format!("for {} s, tried {times}{next}", self.refused_seconds)
    }
}

/// What a port is without, in one line: the first of its refused flows stands for all.
pub(super) fn why_refused(closed: bool, refused: &[RefusalStatus]) -> String {
    let Some(first) = refused.first() else { return String::new() };
    let RefusalStatus { bridge, table, error, purpose, .. } = first;
    let closed = if closed { "closed: " } else { "" };
    let others = match refused.len() - 1 {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    format!("{closed}{bridge} refuses its flow of table {table} with {error} ({purpose}){others}, {}", first.pace())
}

fn flow_text(flow: &Flow) -> String {
    let mut text = Vec::new();
    match Printer::new(&Numbers).wanted(flow, Cookies::Shown, &mut text) {
        Ok(_) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => error.to_string(),
    }
}
