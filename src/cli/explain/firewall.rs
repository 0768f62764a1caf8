//! Flows of security groups: which rules of which groups they come from, as the topology has them.

use std::collections::BTreeMap;

use super::Objects;
use crate::flow::Flow;
use crate::flow::sim::Hit;
use crate::openflow::{Cookie, FlowStats};
use crate::pipeline::cookie::{self, Kind, ObjectKind};
use crate::pipeline::origin::{RuleFlow, rules_of_flow, rules_of_hit};
use crate::topology::{Direction, Port, Remote, RemoteUse, RuleRef, Topology};

/// How many rules of a flow are told.
const MAX_TOLD: usize = 3;

/// What is known of the firewall of a bridge: which ports the numbers in `reg5` stand for.
#[derive(Default)]
pub(super) struct Firewall<'a> {
    topology: Option<&'a Topology>,
    ports: BTreeMap<u32, &'a Port>,
}

impl<'a> Firewall<'a> {
    pub(super) fn new(objects: &'a Objects) -> Self {
        Self { topology: objects.topology(), ports: BTreeMap::new() }
    }

    /// Takes a flow in; it comes back if there is more to say of it than its cookie does.
    pub(super) fn note(&mut self, flow: &FlowStats<'_>, objects: &'a Objects) -> Option<Flow> {
        let topology = self.topology?;
        let (Ok(kind), number) = cookie::decode(flow.cookie)? else { return None };
        if !kind.is_firewall() {
            return None;
        }
        let flow = Flow::from_stats(flow);
        if kind.object_kind() == ObjectKind::Port
            && let Some(port_number) = RuleFlow::new(&flow).port_number()
            && let [name] = objects.names(ObjectKind::Port, number)
            && let Some(port) = topology.port(name)
        {
            self.ports.insert(port_number, port);
        }
        has_rules(kind).then_some(flow)
    }

    /// The port that a flow of a rule is about.
    pub(super) fn port_of(&self, flow: &Flow) -> Option<&'a Port> {
        self.ports.get(&RuleFlow::new(flow).port_number()?).copied()
    }

    /// What a flow is for; `None`: its cookie says all there is.
    pub(super) fn words(&self, flow: &Flow) -> Option<String> {
        let topology = self.topology?;
        match kind(flow.cookie)? {
            Kind::GroupRule => self.rule_words(flow, topology),
            Kind::RemoteAddress => address_words(flow, topology),
            Kind::PortNoRule => {
                let port = self.port_of(flow)?;
                let direction = RuleFlow::new(flow).direction()?;
                Some(format!(
                    "refuses what no {} rule of port {} allows ({})",
                    direction.word(),
                    port.name,
                    groups(topology, port)
                ))
            }
            _ => None,
        }
    }

    fn rule_words(&self, flow: &Flow, topology: &'a Topology) -> Option<String> {
        let port = self.port_of(flow)?;
        let rules = rules_of_flow(topology, port, flow);
        let half = if RuleFlow::new(flow).parts().is_empty() { "" } else { "half of " };
        let told: Vec<String> = rules.iter().take(MAX_TOLD).map(|one| rule_words(one, topology)).collect();
        let more = match rules.len().saturating_sub(MAX_TOLD) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        match told.is_empty() {
            true => Some(format!("a rule for port {} that the topology file does not have", port.name)),
            false => Some(format!("for port {}, {half}{}{more}", port.name, told.join("; "))),
        }
    }

    /// The port whose firewall a packet has met at this flow, and the rules by which it got past it.
    pub(super) fn passed(&self, hit: &Hit) -> Option<(&'a Port, Vec<RuleRef<'a>>)> {
        let (topology, port) = (self.topology?, self.port_of(&hit.flow)?);
        Some((port, rules_of_hit(topology, port, hit))).filter(|(_, rules)| !rules.is_empty())
    }

    /// The port, and the direction, whose rules let a packet that hit this flow not through.
    pub(super) fn refused(&self, hit: &Hit) -> Option<(&'a Port, Direction)> {
        let refuses = matches!(kind(hit.flow.cookie)?, Kind::PortNoRule | Kind::PortRevoked);
        let direction = RuleFlow::new(&hit.flow).direction()?;
        Some((self.port_of(&hit.flow)?, direction)).filter(|_| refuses)
    }
}

fn kind(cookie: Cookie) -> Option<Kind> {
    cookie::decode(cookie)?.0.ok()
}

const fn has_rules(kind: Kind) -> bool {
    matches!(kind, Kind::GroupRule | Kind::RemoteAddress | Kind::PortNoRule)
}

/// `security group web, rule 2: IPv4 tcp to port 80, from anywhere`.
pub(in crate::cli) fn rule_words(one: &RuleRef<'_>, topology: &Topology) -> String {
    format!("{one}: {}", topology.rule_words(one.rule))
}

/// `security groups web, default`.
pub(in crate::cli) fn groups(topology: &Topology, port: &Port) -> String {
    let names: Vec<&str> = topology.groups_of(port).map(|group| &*group.name).collect();
    match names.as_slice() {
        [] => "no security group".to_owned(),
        [one] => format!("security group {one}"),
        all => format!("security groups {}", all.join(", ")),
    }
}

/// Which sets an address belongs to, and which rules look at those.
fn address_words(flow: &Flow, topology: &Topology) -> Option<String> {
    let read = RuleFlow::new(flow);
    let uses: Vec<&RemoteUse> = read.parts().iter().filter_map(|number| topology.use_with_number(*number)).collect();
    let told: Vec<String> = uses.iter().take(MAX_TOLD).map(|one| use_words(one, topology)).collect();
    let more = match uses.len().saturating_sub(MAX_TOLD) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    (!told.is_empty()).then(|| format!("an address of {}{more}", told.join("; of ")))
}

/// `security group client: half of security group web, rules 2 and 3`.
fn use_words(one: &RemoteUse, topology: &Topology) -> String {
    let group = topology.security_group(&one.group);
    let of_use = |rule: &RuleRef<'_>| RemoteUse::of(&one.group, rule.rule).as_ref() == Some(one);
    let numbers: Vec<String> = group
        .into_iter()
        .flat_map(|group| group.all_rules())
        .filter(of_use)
        .map(|rule| rule.number().to_string())
        .collect();
    let set = match &one.remote {
        Remote::AddressGroup(name) => format!("address group {name}"),
        Remote::Group(name) => format!("security group {name}"),
        Remote::Any | Remote::Prefix(_) => String::new(),
    };
    let rules = match numbers.split_last() {
        Some((last, [])) => format!("rule {last}"),
        Some((last, others)) => format!("rules {} and {last}", others.join(", ")),
        None => "no rule".to_owned(),
    };
    format!("{set}: half of security group {}, {rules}", one.group)
}
