//! What a flow is for, in one sentence. Heddle's flows say it in their cookie; of others it follows from match and
//! actions, whoever's they are. Conjunctions are joined back into rules.

mod actions;
mod conjunction;
mod firewall;
mod matching;
mod objects;

pub use objects::{Objects, TopologyError, bridge_role};

pub(in crate::cli) use firewall::{groups, rule_words};

use conjunction::Conjunctions;
use firewall::Firewall;

use crate::flow::Flow;
use crate::flow::sim::Hit;
use crate::flow::table_names::{BridgeRole, table_name};
use crate::flow::text::{Names, Printer};
use crate::openflow::{Cookie, DecodeError, FlowStats, TableId};
use crate::pipeline::cookie;
use crate::topology::{Direction, Port, RuleRef};

/// What is known of a bridge before its flows.
#[derive(Clone, Copy)]
pub struct Bridge<'a> {
    /// Which of ours it is; if it is none, tables have no words.
    pub role: Option<BridgeRole>,
    /// What object numbers stand for.
    pub objects: &'a Objects,
    /// What its ports and tables are called.
    pub names: &'a dyn Names,
}

/// Explains the flows of one bridge. A rule consists of several flows: all are [taken in](Self::note) first.
pub struct Explainer<'a> {
    bridge: Bridge<'a>,
    printer: Printer<'a>,
    flows: Vec<Noted>,
    conjunctions: Conjunctions,
    firewall: Firewall<'a>,
}

/// A flow that was taken in, as it prints with names.
struct Noted {
    table: TableId,
    cookie: Cookie,
    matching: String,
    actions: String,
    /// What security groups have to do with it.
    of_rules: Option<Flow>,
}

/// A flow that was taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotedFlow(usize);

impl<'a> Explainer<'a> {
    /// Knows no flows yet.
    pub fn new(bridge: Bridge<'a>) -> Self {
        let printer = Printer::new(bridge.names);
        let firewall = Firewall::new(bridge.objects);
        Self { bridge, printer, flows: Vec::new(), conjunctions: Conjunctions::default(), firewall }
    }

    /// Takes a flow in.
    pub fn note(&mut self, flow: &FlowStats<'_>) -> Result<NotedFlow, DecodeError> {
        let mut text = Vec::new();
        let range = self.printer.without_stats(flow, &mut text)?;
        let part = |part: &[u8]| String::from_utf8_lossy(part).trim_end_matches([',', ' ']).to_owned();
        let matching = part(text.get(range.clone()).unwrap_or_default());
        let actions = part(text.get(range.end..).unwrap_or_default());
        let actions = actions.strip_prefix("actions=").unwrap_or_default().to_owned();
        self.conjunctions.note(flow.table, &matching, &actions);
        let of_rules = self.firewall.note(flow, self.bridge.objects);
        self.flows.push(Noted { table: flow.table, cookie: flow.cookie, matching, actions, of_rules });
        Ok(NotedFlow(self.flows.len() - 1))
    }

    /// A line of words about a table, with an empty one before it unless it is the first. Like
    /// [`reason`](Self::reason) a comment to ovs-ofctl, so that the whole is still a file of flows.
    pub fn heading(&self, table: TableId, first: bool, out: &mut Vec<u8>) {
        if !first {
            out.push(b'\n');
        }
        let words = match self.bridge.role.and_then(|role| table_name(role, table)) {
            Some(named) => format!("# table {table}, {}: {}\n", named.name, named.meaning),
            None => format!("# table {table}\n"),
        };
        out.extend_from_slice(words.as_bytes());
    }

    /// What a flow is for.
    pub fn words(&self, flow: NotedFlow) -> String {
        self.flows.get(flow.0).map(|flow| self.sentence(flow)).unwrap_or_default()
    }

    /// A line of words about a flow: what it is for.
    pub fn reason(&self, flow: NotedFlow, out: &mut Vec<u8>) {
        let words = self.words(flow);
        out.extend_from_slice(format!("     # {words}\n").as_bytes());
    }

    /// The port whose security groups a packet has met at this flow, and the rules by which it got past them.
    pub fn passed(&self, hit: &Hit) -> Option<(&'a Port, Vec<RuleRef<'a>>)> {
        self.firewall.passed(hit)
    }

    /// The port, and the direction, of which no rule let a packet through that hit this flow.
    pub fn refused(&self, hit: &Hit) -> Option<(&'a Port, Direction)> {
        self.firewall.refused(hit)
    }

    fn sentence(&self, flow: &Noted) -> String {
        let of_rules = flow.of_rules.as_ref().and_then(|flow| self.firewall.words(flow));
        let by_cookie = || self.bridge.objects.purpose(flow.cookie);
        let Some(purpose) = of_rules.or_else(by_cookie) else { return self.by_content(flow) };
        let is_firewall = matches!(cookie::decode(flow.cookie), Some((Ok(kind), _)) if kind.is_firewall());
        let told = is_firewall && flow.actions.contains("controller(");
        purpose + if told { "; Heddle hears of it, for the log of security groups" } else { "" }
    }

    fn by_content(&self, flow: &Noted) -> String {
        let deeds = actions::deeds(&flow.actions, &|table| self.table_words(table));
        if let Some(id) = conjunction::id_of(&flow.matching) {
            let packets = self.conjunctions.packets(flow.table, id, &flow.matching);
            return format!("rule {id}: {packets}: {deeds}");
        }
        let packets = matching::packets(&matching::parts(&flow.matching));
        let lacking = |(id, ..): &(u32, u64, u64)| self.conjunctions.lacks_effect(flow.table, *id);
        match conjunction::met(&flow.actions).iter().find(|met| lacking(met)) {
            Some((id, ..)) => format!("{packets} {deeds}; no flow has conj_id={id}, so that nothing follows"),
            None => format!("{packets} {deeds}"),
        }
    }

    /// `table 72 (rules_egress)`.
    fn table_words(&self, table: &str) -> String {
        let number = table.parse().map(TableId).ok();
        let known = number.zip(self.bridge.role).and_then(|(table, role)| table_name(role, table));
        known.map_or_else(|| format!("table {table}"), |known| format!("table {table} ({})", known.name))
    }
}

#[cfg(test)]
mod tests;
