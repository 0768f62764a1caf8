//! Filters against a naive evaluator, and against what the printed flow says.

#[path = "support/corpora.rs"]
mod corpora;

use std::fmt::Write;

use heddle::cli::filter::{Filter, Scratch};
use heddle::flow::parse::{NoNames, flow_stats};
use heddle::flow::text::{Numbers, Printer};
use heddle::openflow::multipart::Multipart;
use heddle::openflow::{FlowStats, Message, Reader};
use proptest::prelude::*;

fn verdict(filter: &str, flow: &FlowStats<'_>) -> bool {
    let filter = Filter::parse(filter, &NoNames).unwrap_or_else(|error| panic!("{filter}: {error}"));
    filter.matches(flow, &mut Scratch::default()).unwrap()
}

/// A flow in the fields that the filters here ask for.
#[derive(Clone, Debug)]
struct Model {
    table: u8,
    priority: u16,
    packets: u64,
    in_port: Option<u16>,
    /// Address and prefix length.
    source: Option<(u32, u8)>,
    destination_port: Option<u16>,
    outputs: Vec<u16>,
    tables: Vec<u8>,
}

impl Model {
    fn text(&self) -> String {
        let mut text = format!("table={}, n_packets={}, priority={},tcp", self.table, self.packets, self.priority);
        if let Some(port) = self.in_port {
            write!(text, ",in_port={port}").unwrap();
        }
        if let Some((address, length)) = self.source {
            write!(text, ",nw_src={}/{length}", std::net::Ipv4Addr::from(address)).unwrap();
        }
        if let Some(port) = self.destination_port {
            write!(text, ",tp_dst={port}").unwrap();
        }
        let outputs = self.outputs.iter().map(|port| format!("output:{port}"));
        let actions: Vec<_> = outputs.chain(self.tables.iter().map(|table| format!("resubmit(,{table})"))).collect();
        let actions = if actions.is_empty() { "drop".to_owned() } else { actions.join(",") };
        write!(text, " actions={actions}").unwrap();
        text
    }

    /// The first and the last address.
    fn range(address: u32, length: u8) -> (u64, u64) {
        let size = 1_u64 << (32 - length);
        let first = u64::from(address) / size * size;
        (first, first + size - 1)
    }
}

#[derive(Clone, Debug)]
enum Condition {
    Number(&'static str, &'static str, u64),
    Address(&'static str, u32, u8),
    There(&'static str),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    fn text(&self) -> String {
        match self {
            Self::Number(key, sign, number) => format!("{key}{sign}{number}"),
            Self::Address(sign, address, length) => {
                format!("nw_src {sign} {}/{length}", std::net::Ipv4Addr::from(*address))
            }
            Self::There(key) => (*key).to_owned(),
            Self::Not(inner) => format!("!({})", inner.text()),
            Self::And(a, b) => format!("({}) && ({})", a.text(), b.text()),
            Self::Or(a, b) => format!("({}) || ({})", a.text(), b.text()),
        }
    }

    /// What ought to be said of `flow`, value by value.
    fn holds(&self, flow: &Model) -> bool {
        match self {
            Self::Number(key, sign, wanted) => {
                let any = numbers(key, flow).into_iter().any(|found| match *sign {
                    "=" | "!=" | "~=" => found == *wanted,
                    "<" => found < *wanted,
                    "<=" => found <= *wanted,
                    ">" => found > *wanted,
                    _ => found >= *wanted,
                });
                any != (*sign == "!=")
            }
            Self::Address(sign, address, length) => {
                let wanted = Model::range(*address, *length);
                let within = |a: (u64, u64), b: (u64, u64)| b.0 <= a.0 && a.1 <= b.1;
                let found = flow.source.map(|(address, length)| Model::range(address, length));
                match *sign {
                    "=" => found == Some(wanted),
                    _ => found.is_some_and(|found| within(found, wanted) || within(wanted, found)),
                }
            }
            Self::There("drop") => flow.outputs.is_empty() && flow.tables.is_empty(),
            Self::There("nw_src") => flow.source.is_some_and(|(_, length)| length > 0),
            Self::There(key) => !numbers(key, flow).is_empty(),
            Self::Not(inner) => !inner.holds(flow),
            Self::And(a, b) => a.holds(flow) && b.holds(flow),
            Self::Or(a, b) => a.holds(flow) || b.holds(flow),
        }
    }
}

fn numbers(key: &str, flow: &Model) -> Vec<u64> {
    match key {
        "table" => vec![flow.table.into()],
        "priority" => vec![flow.priority.into()],
        "n_packets" => vec![flow.packets],
        "in_port" => flow.in_port.into_iter().map(u64::from).collect(),
        "tp_dst" => flow.destination_port.into_iter().map(u64::from).collect(),
        "output.port" => flow.outputs.iter().copied().map(u64::from).collect(),
        _ => flow.tables.iter().copied().map(u64::from).collect(),
    }
}

const NUMBERS: [&str; 7] = ["table", "priority", "n_packets", "in_port", "tp_dst", "output.port", "resubmit.table"];

fn model() -> impl Strategy<Value = Model> {
    let small = || proptest::option::of(1..5_u16);
    let source = proptest::option::of((0x0a00_0000..0x0a00_0100_u32, 1..=32_u8));
    let actions = (proptest::collection::vec(1..5_u16, 0..3), proptest::collection::vec(1..5_u8, 0..3));
    (0..5_u8, 0..5_u16, 0..5_u64, small(), source, small(), actions).prop_map(
        |(table, priority, packets, in_port, source, destination_port, (outputs, tables))| Model {
            table,
            priority,
            packets,
            in_port,
            source,
            destination_port,
            outputs,
            tables,
        },
    )
}

fn condition() -> impl Strategy<Value = Condition> {
    let signs = ["=", "!=", "~=", "<", "<=", ">", ">="];
    let number = (proptest::sample::select(NUMBERS.to_vec()), proptest::sample::select(signs.to_vec()), 0..5_u64);
    let address = (proptest::sample::select(vec!["=", "~="]), 0x0a00_0000..0x0a00_0100_u32, 1..=32_u8);
    let leaf = prop_oneof![
        4 => number.prop_map(|(key, sign, number)| Condition::Number(key, sign, number)),
        2 => address.prop_map(|(sign, address, length)| Condition::Address(sign, address, length)),
        1 => proptest::sample::select(vec!["drop", "nw_src", "in_port", "tp_dst", "output.port"])
            .prop_map(Condition::There),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let pair = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            inner.clone().prop_map(|condition| Condition::Not(Box::new(condition))),
            pair().prop_map(|(a, b)| Condition::And(a, b)),
            pair().prop_map(|(a, b)| Condition::Or(a, b)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn a_filter_says_what_a_naive_evaluator_says(flow in model(), condition in condition()) {
        let parsed = flow_stats(&flow.text(), &NoNames).unwrap();
        prop_assert_eq!(verdict(&condition.text(), &parsed.to_flow_stats()), condition.holds(&flow), "{}", condition.text());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z_0-9.:/!=~<>()&| \"é-]{0,60}") {
        let _ = Filter::parse(&text, &NoNames);
    }
}

/// Whether printed match and actions show what a filter asks for.
type Shown = fn(&str, &str) -> bool;

/// Filters that ask what the printed flow shows, and how to see it there.
const SHOWN: &[(&str, Shown)] = &[
    ("drop", |_, actions| actions == "drop"),
    ("tcp", |matching, _| matching.split(',').any(|part| part == "tcp")),
    ("ip", |matching, _| matching.split(',').any(|part| part == "ip")),
    ("arp", |matching, _| matching.split(',').any(|part| part == "arp")),
    ("nw_src", |matching, _| matching.split(',').any(|part| part.starts_with("nw_src="))),
    ("dl_vlan", |matching, _| matching.split(',').any(|part| part.starts_with("dl_vlan="))),
    ("tp_dst=80", |matching, _| matching.split(',').any(|part| part == "tp_dst=80")),
    ("in_port=1", |matching, _| matching.split(',').any(|part| part == "in_port=1")),
    ("conjunction", |_, actions| actions.contains("conjunction(")),
    ("learn", |_, actions| actions.starts_with("learn(") || actions.contains(",learn(")),
    ("goto_table=2", |_, actions| actions.ends_with("goto_table:2")),
];

#[test]
fn filters_see_of_every_flow_what_is_printed_of_it() {
    let bytes = corpora::file("flowstats-dev.bin").unwrap_or_default();
    let (mut rest, mut count, mut hits) = (Reader::new(&bytes), 0, vec![0; SHOWN.len()]);
    let filters: Vec<_> = SHOWN.iter().map(|(filter, _)| Filter::parse(filter, &NoNames).unwrap()).collect();
    let (mut scratch, mut printer) = (Scratch::default(), Printer::new(&Numbers));
    while !rest.is_empty() {
        let message = Message::decode_first(&mut rest).unwrap();
        let mut body = Multipart::decode(message.body).unwrap().body.reader();
        while !body.is_empty() {
            let flow = FlowStats::decode(&mut body).unwrap();
            let mut text = Vec::new();
            let range = printer.with_stats(&flow, &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            let (matching, actions) = (text[range.clone()].trim(), text[range.end..].trim_start_matches("actions="));
            for (((filter, shown), parsed), hits) in SHOWN.iter().zip(&filters).zip(&mut hits) {
                let found = parsed.matches(&flow, &mut scratch).unwrap();
                assert_eq!(found, shown(matching, actions), "{filter}: {text}");
                *hits += usize::from(found);
            }
            count += 1;
        }
    }
    println!("{count} flows, {hits:?} of them taken");
    assert!(count == 0 || hits.iter().all(|hits| *hits > 0));
}
