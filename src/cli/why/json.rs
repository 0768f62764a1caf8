//! The answer as one JSON object; `docs/OPERATIONS.md` describes it.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::text::verdict;
use super::{Answer, RuleLines};
use crate::topology::{NoWay, Pass, Passage, RuleRef, Stop, Topology, Traffic, Verdict};

/// Writes the whole answer.
pub(super) fn write(answer: &Answer<'_>, out: &mut impl Write) -> io::Result<()> {
    let teller = Teller { topology: answer.topology, lines: &answer.lines };
    let packets: Vec<Value> = answer
        .exchanges
        .iter()
        .map(|exchange| {
            let traffic = &exchange.request.traffic;
            json!({
                "ethertype": traffic.ethertype().word(),
                "source": traffic.source,
                "destination": traffic.destination,
                "allowed": exchange.is_allowed(),
                "verdict": verdict(exchange),
                "no_way": exchange.no_way.map(no_way),
                "request": teller.passage(&exchange.request),
                "answer": exchange.answer.as_ref().map(|answer| teller.passage(answer)),
            })
        })
        .collect();
    let host = answer.host.as_ref().map(|host| {
        let ports =
            host.ports.iter().map(|port| json!({ "name": port.name, "state": port.state, "words": port.words }));
        json!({
            "node": host.node,
            "in_effect": host.is_in_effect(),
            "doubt": host.doubt,
            "ports": ports.collect::<Vec<_>>(),
        })
    });
    let object = json!({
        "from": answer.ends.from.name(),
        "to": answer.ends.to.name(),
        "service": answer.service.to_string(),
        "allowed": answer.is_allowed(),
        "packets": packets,
        "host": host,
    });
    writeln!(out, "{object}")
}

const fn no_way(why: NoWay) -> &'static str {
    match why {
        NoWay::OtherNetwork => "other_network",
        NoWay::Local => "local_network",
    }
}

struct Teller<'a> {
    topology: &'a Topology,
    lines: &'a RuleLines<'a>,
}

impl Teller<'_> {
    fn passage(&self, passage: &Passage<'_>) -> Value {
        let side = |verdict: &Option<Verdict<'_>>| verdict.as_ref().map(|one| self.verdict(one, &passage.traffic));
        json!({ "egress": side(&passage.egress), "ingress": side(&passage.ingress) })
    }

    fn verdict(&self, verdict: &Verdict<'_>, traffic: &Traffic) -> Value {
        let reason = match verdict {
            Ok(Pass::NoFirewall) => "no_firewall",
            Ok(Pass::Unfiltered) => "port_security_off",
            Ok(Pass::Needed) => "needs_no_rule",
            Ok(Pass::Rules(_)) => "rule",
            Ok(Pass::Answer) => "answer",
            Err(Stop::Forged) => "not_its_address",
            Err(Stop::Server) => "server",
            Err(Stop::NoConnection) => "no_connection",
            Err(Stop::NoRule { .. }) => "no_rule",
        };
        let rules = match verdict {
            Ok(Pass::Rules(rules)) => rules.iter().map(|one| self.rule(one)).collect(),
            _ => Vec::new(),
        };
        let nearest = match verdict {
            Err(Stop::NoRule { nearest: Some(nearest) }) => {
                let mut value = self.rule(nearest);
                value["misses"] = self.topology.mismatch_words(nearest, traffic).into();
                Some(value)
            }
            _ => None,
        };
        json!({ "allowed": verdict.is_ok(), "reason": reason, "rules": rules, "nearest": nearest })
    }

    fn rule(&self, one: &RuleRef<'_>) -> Value {
        json!({
            "group": &*one.group.name,
            "rule": one.number(),
            "line": self.lines.of(one),
            "words": self.topology.rule_words(one.rule).to_string(),
        })
    }
}
