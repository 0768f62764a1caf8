//! The answer in words.

use std::io::{self, Write};

use super::{Answer, RuleLines};
use crate::cli::explain::groups;
use crate::topology::{Direction, Exchange, NoWay, Pass, Passage, Port, RuleRef, Stop, Topology, Traffic, Verdict};

/// How many rules are told of those that allow the same.
const MAX_TOLD: usize = 3;

/// Writes the whole answer: a paragraph for each family, then what this host has.
pub(super) fn write(answer: &Answer<'_>, out: &mut impl Write) -> io::Result<()> {
    for exchange in &answer.exchanges {
        let (traffic, words) = (&exchange.request.traffic, verdict(exchange));
        let (from, to) =
            (end(answer.ends.from.port(), traffic.source), end(answer.ends.to.port(), traffic.destination));
        writeln!(out, "{} {traffic}, from {from} to {to}: {words}", traffic.ethertype().word())?;
        for line in lines(exchange, answer) {
            writeln!(out, "  {line}")?;
        }
    }
    let Some(host) = &answer.host else { return Ok(()) };
    let good = if host.is_in_effect() { "" } else { ", NOT ALL OF WHICH IS IN EFFECT" };
    writeln!(out, "on this host, {}{good}:", host.node)?;
    if let Some(doubt) = &host.doubt {
        writeln!(out, "  the daemon does not know this file: {doubt}")?;
    }
    for port in &host.ports {
        writeln!(out, "  {} {}", port.name, port.words)?;
    }
    Ok(())
}

/// `web1 (172.18.0.3)`, or the address alone.
fn end(port: Option<&Port>, address: std::net::IpAddr) -> String {
    port.map_or_else(|| address.to_string(), |port| format!("{} ({address})", port.name))
}

/// One word, or a few.
pub(super) fn verdict(exchange: &Exchange<'_>) -> &'static str {
    match exchange {
        _ if exchange.is_allowed() => "allowed",
        Exchange { no_way: None, request, .. } if request.is_allowed() => "allowed, but its answers are denied",
        _ => "denied",
    }
}

/// The rules that are told of an exchange.
pub(super) fn rules<'a>(exchange: &Exchange<'a>) -> Vec<RuleRef<'a>> {
    let passages = [Some(&exchange.request), exchange.answer.as_ref()];
    let verdicts = passages.into_iter().flatten().flat_map(|passage| [&passage.egress, &passage.ingress]);
    let rules = verdicts.flatten().flat_map(|verdict| match verdict {
        Ok(Pass::Rules(rules)) => rules.clone(),
        Err(Stop::NoRule { nearest }) => nearest.iter().copied().collect(),
        _ => Vec::new(),
    });
    rules.collect()
}

fn lines(exchange: &Exchange<'_>, answer: &Answer<'_>) -> Vec<String> {
    let (from, to) = (answer.ends.from.port(), answer.ends.to.port());
    let teller = Teller { topology: answer.topology, lines: &answer.lines };
    let mut lines: Vec<String> = exchange.no_way.into_iter().flat_map(|why| no_way(why, from, to)).collect();
    lines.extend(teller.passage(&exchange.request, (from, to)));
    if let Some(reply) = &exchange.answer {
        lines.extend(teller.reply(reply, (to, from)));
    }
    lines.extend(notes(exchange, answer));
    lines
}

fn no_way(why: NoWay, from: Option<&Port>, to: Option<&Port>) -> Option<String> {
    let (from, to) = from.zip(to)?;
    Some(match why {
        NoWay::OtherNetwork => format!(
            "no way: {} is in network {}, {} in network {}; Heddle does not route. If a router does, the rules would say:",
            from.name, from.network, to.name, to.network
        ),
        NoWay::Local => format!(
            "no way: network {} is local, and {} is on node {}, {} on node {}. On one node, the rules would say:",
            from.network, from.name, from.node, to.name, to.node
        ),
    })
}

/// What else to know.
fn notes(exchange: &Exchange<'_>, answer: &Answer<'_>) -> Option<String> {
    let traffic = &exchange.request.traffic;
    match (answer.ends.from.port(), answer.ends.to.port()) {
        _ if traffic.is_to_many() => {
            Some("note: broadcast and multicast reach the ports of the network past their rules of ingress".to_owned())
        }
        (Some(from), Some(to)) if exchange.no_way.is_none() => {
            let network = answer.topology.network(&from.network)?;
            let subnets = (network.subnet_of(traffic.source)?, network.subnet_of(traffic.destination)?);
            let differ = (subnets.0.name != subnets.1.name).then_some(subnets)?;
            Some(format!(
                "note: {} is in subnet {}, {} in subnet {}: what goes by a router meets the rules of its port too",
                from.name, differ.0.name, to.name, differ.1.name
            ))
        }
        (Some(_), Some(_)) => None,
        (Some(port), None) => outside(port, traffic.destination, answer.topology),
        (None, Some(port)) => outside(port, traffic.source, answer.topology),
        (None, None) => None,
    }
}

fn outside(port: &Port, address: std::net::IpAddr, topology: &Topology) -> Option<String> {
    let network = topology.network(&port.network)?;
    Some(match network.subnet_of(address) {
        Some(_) => format!("note: no port of network {} has the address {address}", network.name),
        None => format!("note: {address} is outside network {}: it takes a router to get there", network.name),
    })
}

/// Tells what ports say of packets.
struct Teller<'a> {
    topology: &'a Topology,
    lines: &'a RuleLines<'a>,
}

/// A port, what it says, and which way the packet goes.
type Said<'a> = (&'a Port, &'a Verdict<'a>, Direction);

impl Teller<'_> {
    fn said<'a>(passage: &'a Passage<'a>, (from, to): (Option<&'a Port>, Option<&'a Port>)) -> Vec<Said<'a>> {
        let egress = from.zip(passage.egress.as_ref()).map(|(port, verdict)| (port, verdict, Direction::Egress));
        let ingress = to.zip(passage.ingress.as_ref()).map(|(port, verdict)| (port, verdict, Direction::Ingress));
        egress.into_iter().chain(ingress).collect()
    }

    fn passage(&self, passage: &Passage<'_>, ends: (Option<&Port>, Option<&Port>)) -> Vec<String> {
        let said = Self::said(passage, ends);
        said.into_iter().flat_map(|one| self.verdict(one, &passage.traffic)).collect()
    }

    /// The answer in one line if nobody looks at it, else as any other packet.
    fn reply(&self, passage: &Passage<'_>, ends: (Option<&Port>, Option<&Port>)) -> Vec<String> {
        let said = Self::said(passage, ends);
        let unasked =
            |(_, verdict, _): &Said<'_>| matches!(verdict, Ok(Pass::Answer | Pass::Unfiltered | Pass::NoFirewall));
        if said.iter().all(unasked) {
            let known = said.iter().any(|(_, verdict, _)| **verdict == Ok(Pass::Answer));
            return known
                .then(|| "answers: pass, they belong to a connection that was allowed".to_owned())
                .into_iter()
                .collect();
        }
        let lines = said.into_iter().flat_map(|one| self.verdict(one, &passage.traffic));
        lines.map(|line| format!("answers: {line}")).collect()
    }

    /// Lines about one port: why it lets the packet pass, or what it misses.
    fn verdict(&self, (port, verdict, direction): Said<'_>, traffic: &Traffic) -> Vec<String> {
        let way = match direction {
            Direction::Ingress => format!("into {}", port.name),
            Direction::Egress => format!("out of {}", port.name),
        };
        match verdict {
            Ok(Pass::Rules(rules)) => self.allowing(&way, port, rules),
            Ok(pass) => vec![format!("{way}: {}", pass_words(pass))],
            Err(Stop::NoRule { nearest }) => self.missing(&way, (port, direction), traffic, nearest.as_ref()),
            Err(stop) => vec![format!("{way}: DENIED, {}", stop_words(stop, port, traffic))],
        }
    }

    fn allowing(&self, way: &str, port: &Port, rules: &[RuleRef<'_>]) -> Vec<String> {
        if port.security_groups.is_none()
            && rules.iter().all(|one| self.topology.security_group(&one.group.name).is_none())
        {
            return vec![format!(
                "{way}: it has no security_groups, and there is no group default: everything gets out"
            )];
        }
        let told = rules.iter().take(MAX_TOLD).enumerate();
        let mut lines: Vec<String> = told
            .map(|(index, one)| format!("{}: {}", if index == 0 { way } else { "  and so does" }, self.rule(one)))
            .collect();
        let more = rules.len().saturating_sub(MAX_TOLD);
        lines.extend((more > 0).then(|| format!("  and so do {more} rules more")));
        lines
    }

    fn missing(
        &self,
        way: &str,
        (port, direction): (&Port, Direction),
        traffic: &Traffic,
        nearest: Option<&RuleRef<'_>>,
    ) -> Vec<String> {
        let word = direction.word();
        let groups = groups(self.topology, port);
        let (side, other) = match direction {
            Direction::Ingress => ("from", traffic.source),
            Direction::Egress => ("to", traffic.destination),
        };
        let has_none = self.topology.rules_of(port, direction).next().is_none();
        let why = match has_none {
            true => format!("it is in {groups}, with no {word} rule at all"),
            false => format!("no {word} rule of {groups} allows {traffic} {side} {other}"),
        };
        let mut lines = vec![format!("{way}: DENIED, {why}")];
        lines.extend(nearest.map(|one| {
            format!("  the nearest is {}; but {}", self.rule(one), self.topology.mismatch_words(one, traffic))
        }));
        lines
    }

    /// `security group web, rule 2 (topology.toml:14): IPv4 tcp to port 80, from anywhere`.
    fn rule(&self, one: &RuleRef<'_>) -> String {
        let place = self.lines.of(one).map_or_else(String::new, |line| format!(" ({}:{line})", self.lines.file));
        format!("{one}{place}: {}", self.topology.rule_words(one.rule))
    }
}

fn pass_words(pass: &Pass<'_>) -> &'static str {
    match pass {
        Pass::NoFirewall => "the topology says nothing of security groups, so that nothing is held to any",
        Pass::Unfiltered => "its port security is off, and it is held to no rules",
        Pass::Needed => "it needs no rule: every port may do so for DHCP and neighbour discovery",
        Pass::Answer => "it belongs to a connection that was allowed",
        Pass::Rules(_) => "",
    }
}

fn stop_words(stop: &Stop<'_>, port: &Port, traffic: &Traffic) -> String {
    match stop {
        Stop::Forged => {
            format!("{} is not among the fixed_ips and allowed_address_pairs of {}", traffic.source, port.name)
        }
        Stop::Server => "a port is no DHCP server and no router".to_owned(),
        Stop::NoConnection => format!(
            "no connection begins with {traffic}: it passes only as an answer or an error about one that was allowed"
        ),
        Stop::NoRule { .. } => String::new(),
    }
}
