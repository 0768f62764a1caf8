//! Conjunctions joined back: flows with `conjunction(ID,K/N)` are conditions, the flow with `conj_id=ID` is what
//! happens where all N are met (`ovs-actions(7)`). Together they are one rule.

use std::collections::BTreeMap;

use super::matching::{listed, packets, parts, spoken};
use crate::cli::keyed::Node;
use crate::flow::parse;
use crate::openflow::TableId;

/// How many alternatives of one condition are told.
const MAX_TOLD: usize = 12;

/// Which conditions there are, by table and id.
#[derive(Debug, Default)]
pub(super) struct Conjunctions {
    rules: BTreeMap<(TableId, u32), Rule>,
}

#[derive(Debug, Default)]
struct Rule {
    /// How many conditions.
    count: u64,
    /// The matches that meet each condition.
    conditions: BTreeMap<u64, Vec<String>>,
    /// Whether a flow has its id.
    has_effect: bool,
}

/// The `conj_id` that a printed match asks for.
pub(super) fn id_of(matching: &str) -> Option<u32> {
    let (_, value) = parse::pairs(matching).find(|(key, _)| *key == "conj_id")?;
    value.parse().ok()
}

/// The id, the number and the count of the conditions that actions meet.
pub(super) fn met(actions: &str) -> Vec<(u32, u64, u64)> {
    let mut met = Vec::new();
    Node::actions(actions).children(&mut |name, node| {
        if name == "conjunction" {
            let mut numbers = [0; 3];
            let mut places = numbers.iter_mut();
            node.children(&mut |_, child| {
                if let (Some(place), Some(number)) = (places.next(), parse::number(child.text())) {
                    *place = number as u64;
                }
            });
            met.push((numbers[0] as u32, numbers[1], numbers[2]));
        }
    });
    met
}

impl Conjunctions {
    /// Takes a flow in, by what is printed of it.
    pub(super) fn note(&mut self, table: TableId, matching: &str, actions: &str) {
        if let Some(id) = id_of(matching) {
            self.rules.entry((table, id)).or_default().has_effect = true;
        }
        for (id, number, count) in met(actions) {
            let rule = self.rules.entry((table, id)).or_default();
            rule.count = rule.count.max(count);
            rule.conditions.entry(number).or_default().push(matching.to_owned());
        }
    }

    /// True if no flow says what follows where these conditions are met.
    pub(super) fn lacks_effect(&self, table: TableId, id: u32) -> bool {
        self.rules.get(&(table, id)).is_none_or(|rule| !rule.has_effect)
    }

    /// The packets that the rule `id` is about; `matching` is that of the flow with `conj_id=ID`.
    pub(super) fn packets(&self, table: TableId, id: u32, matching: &str) -> String {
        let own: Vec<_> = parts(matching).into_iter().filter(|(key, _)| *key != "conj_id").collect();
        let subject = packets(&own);
        let Some(rule) = self.rules.get(&(table, id)).filter(|rule| rule.count > 0) else {
            return format!("{subject} that meets a conjunction of which no flow has a condition");
        };
        let condition = |number| match rule.conditions.get(&number) {
            Some(alternatives) => format!("({})", alternatively(alternatives, &own)),
            None => format!("(condition {number}, which no flow meets)"),
        };
        let conditions: Vec<_> = (1..=rule.count).map(condition).collect();
        format!("{subject}, if {}", conditions.join(" and "))
    }
}

/// The alternatives of one condition. What the rule says anyway, `own`, is not said again.
fn alternatively(alternatives: &[String], own: &[(&str, &str)]) -> String {
    let rest = |text| parts(text).into_iter().filter(|part| !own.contains(part)).collect::<Vec<_>>();
    let alternatives: Vec<_> = alternatives.iter().map(|text| rest(text)).collect();
    if let Some(key) = only_difference(&alternatives) {
        let values: Vec<_> = alternatives
            .iter()
            .filter_map(|parts| value(parts, key))
            .map(|value| spoken(key, value).into_owned())
            .collect();
        let values = told(values);
        let first = alternatives.first().map_or(&[][..], Vec::as_slice);
        let joined: Vec<_> =
            first.iter().map(|&(name, value)| (name, if name == key { values.as_str() } else { value })).collect();
        return clause(&joined);
    }
    told(alternatives.iter().map(|parts| clause(parts)).collect())
}

/// As an adverb: `from 10.0.0.1`.
fn clause(parts: &[(&str, &str)]) -> String {
    let words = packets(parts);
    match words.strip_prefix("everything ") {
        Some(words) => words.to_owned(),
        None if words == "everything" => "anything".to_owned(),
        None => words,
    }
}

fn value<'t>(parts: &[(&str, &'t str)], key: &str) -> Option<&'t str> {
    parts.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
}

/// The one key in which several matches of the same keys differ.
fn only_difference<'t>(alternatives: &[Vec<(&'t str, &'t str)>]) -> Option<&'t str> {
    let (first, others) = alternatives.split_first().filter(|(_, others)| !others.is_empty())?;
    let mut differing = None;
    for other in others {
        if other.len() != first.len() {
            return None;
        }
        for ((key, value), (other_key, other_value)) in first.iter().zip(other) {
            let differs = value != other_value;
            if key != other_key || differs && differing.is_some_and(|differing| differing != *key) {
                return None;
            }
            if differs {
                differing = Some(*key);
            }
        }
    }
    differing
}

/// `a, b or c`; of many only some.
fn told(mut words: Vec<String>) -> String {
    if words.len() > MAX_TOLD {
        let more = words.len() - MAX_TOLD;
        words.truncate(MAX_TOLD);
        words.push(format!("{more} more"));
    }
    listed(&words, "or")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: TableId = TableId(82);

    fn conjunctions(flows: &[(&str, &str)]) -> Conjunctions {
        let mut found = Conjunctions::default();
        flows.iter().for_each(|(matching, actions)| found.note(TABLE, matching, actions));
        found
    }

    #[test]
    fn a_rule_is_the_product_of_its_conditions() {
        let found = conjunctions(&[
            ("ip,reg5=0x3,nw_src=10.0.0.1", "conjunction(5,1/2)"),
            ("ip,reg5=0x3,nw_src=10.0.0.2", "conjunction(5,1/2),conjunction(6,1/2)"),
            ("tcp,reg5=0x3,tp_dst=80", "conjunction(5,2/2)"),
            ("tcp,reg5=0x3,tp_dst=0x1f40/0xfff8", "conjunction(5,2/2)"),
            ("icmp,reg5=0x3", "conjunction(6,2/2)"),
            ("udp,reg5=0x3,tp_dst=53", "conjunction(6,2/2)"),
            ("conj_id=5,ip,reg5=0x3", "output:1"),
        ]);
        assert_eq!(
            found.packets(TABLE, 5, "conj_id=5,ip,reg5=0x3"),
            "IPv4 with reg5=0x3, if (from 10.0.0.1 or 10.0.0.2) and (TCP to port 80 or 8000-8007)"
        );
        assert_eq!(
            found.packets(TABLE, 6, "conj_id=6,ip,reg5=0x3"),
            "IPv4 with reg5=0x3, if (from 10.0.0.2) and (ICMP or UDP to port 53)"
        );
        assert_eq!((found.lacks_effect(TABLE, 5), found.lacks_effect(TABLE, 6)), (false, true));
        assert!(found.lacks_effect(TableId(1), 5));
    }

    #[test]
    fn what_is_missing_of_a_rule_is_said() {
        let found = conjunctions(&[("ip,nw_src=10.0.0.1", "conjunction(5,1/3)"), ("ip", "conjunction(5,3/3)")]);
        assert_eq!(
            found.packets(TABLE, 5, "conj_id=5,ip"),
            "IPv4, if (from 10.0.0.1) and (condition 2, which no flow meets) and (anything)"
        );
        assert_eq!(
            found.packets(TABLE, 7, "conj_id=7"),
            "everything that meets a conjunction of which no flow has a condition"
        );
    }

    #[test]
    fn of_many_alternatives_some_are_told() {
        let matches: Vec<_> = (1..=100).map(|host| format!("ip,nw_src=10.0.0.{host}")).collect();
        let flows: Vec<_> = matches.iter().map(|text| (text.as_str(), "conjunction(1,1/2)")).collect();
        let words = conjunctions(&flows).packets(TABLE, 1, "conj_id=1,ip");
        assert!(words.starts_with("IPv4, if (from 10.0.0.1, 10.0.0.2, "), "{words}");
        assert!(words.contains("10.0.0.12 or 88 more) and (condition 2"), "{words}");
    }
}
