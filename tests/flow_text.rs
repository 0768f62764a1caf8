//! Flows as text against what Open vSwitch 3.1 printed for the same bytes.
//!
//! The files are not part of the project: `../shared/corpora`, or the folder in `HEDDLE_CORPORA`.
//! `ofctl_dump.rs` holds the same code against vectors of our own and a running switch.

#[path = "support/corpora.rs"]
mod corpora;

use std::ops::Range;

use corpora::{file, rows};
use heddle::flow::text::{Names, Numbers, Printer};
use heddle::openflow::multipart::Multipart;
use heddle::openflow::{DecodeError, FlowStats, Match, Message, PortNo, Reader, TableId};
use serde_json::Value;

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Prints one flow.
type Print<'a> = dyn FnMut(&FlowStats<'_>, &mut Vec<u8>) -> Result<Range<usize>, DecodeError> + 'a;

/// The lines of the flows in a FLOW statistics reply.
fn lines(
    message: &[u8],
    mut print: impl FnMut(&FlowStats<'_>, &mut Vec<u8>) -> Result<Range<usize>, DecodeError>,
) -> Result<Vec<String>, DecodeError> {
    let message = Message::decode(message)?;
    let mut body = Multipart::decode(message.body)?.body.reader();
    let mut lines = Vec::new();
    while !body.is_empty() {
        let mut line = b" ".to_vec();
        print(&FlowStats::decode(&mut body)?, &mut line)?;
        lines.push(String::from_utf8(line).unwrap());
    }
    Ok(lines)
}

/// Counts cases, prints those that differ, and holds how many are exact.
#[derive(Default)]
struct Tally {
    cases: usize,
    exact: usize,
}

impl Tally {
    fn case<T: PartialEq + std::fmt::Debug>(&mut self, found: T, expected: T) {
        self.cases += 1;
        if found == expected {
            self.exact += 1;
        } else {
            println!("expected {expected:?}\n   found {found:?}");
        }
    }

    fn hold(&self, what: &str, floor: usize) {
        println!("{what}: {} cases, {} exact", self.cases, self.exact);
        assert!(self.cases == 0 || self.exact >= floor, "{what}: {} exact, expected {floor}", self.exact);
    }
}

struct Context(std::collections::HashMap<u32, String>);

impl Context {
    fn read() -> Self {
        let Some(content) = file("flows-context.json") else { return Self(Default::default()) };
        let context: Value = serde_json::from_slice(&content).unwrap();
        let ports = context["ports"].as_object().unwrap().iter();
        Self(ports.map(|(name, number)| (number.as_u64().unwrap() as u32, name.clone())).collect())
    }
}

impl Names for Context {
    fn port(&self, port: PortNo) -> Option<&str> {
        self.0.get(&port.0).map(String::as_str)
    }

    fn table(&self, _: TableId) -> Option<&str> {
        None
    }
}

#[test]
fn flows_of_a_switch_print_as_ovs_ofctl_dump_flows_prints_them() {
    let (mut stats, mut no_stats, mut names) = (Tally::default(), Tally::default(), Tally::default());
    let context = Context::read();
    for row in rows("flows-roundtrip.jsonl") {
        let messages: Vec<Vec<u8>> = strings(&row["flow_stats_reply_hex"]).into_iter().map(hex).collect();
        if messages.is_empty() {
            continue;
        }
        let all = |print: &mut Print<'_>| {
            let lines: Result<Vec<_>, _> = messages.iter().map(|message| lines(message, &mut *print)).collect();
            lines.map(|lines| lines.concat()).map_err(|error| error.to_string())
        };
        let mut numbers = Printer::new(&Numbers);
        let text: String = strings(&row["flow_stats_reply_text"]).concat();
        let expected: Vec<String> = text.lines().filter(|line| line.starts_with(' ')).map(String::from).collect();
        stats.case(all(&mut |flow, out| numbers.with_stats(flow, out)), Ok(expected));
        let expected = strings(&row["dumped"]).into_iter().map(String::from).collect();
        no_stats.case(all(&mut |flow, out| numbers.without_stats(flow, out)), Ok(expected));
        if row["dumped_names"].is_array() {
            let mut named = Printer::new(&context);
            let expected = strings(&row["dumped_names"]).into_iter().map(String::from).collect();
            names.case(all(&mut |flow, out| named.without_stats(flow, out)), Ok(expected));
        }
    }
    stats.hold("flows with statistics", 1886);
    no_stats.hold("flows without statistics", 1886);
    names.hold("flows with port names", 115);
}

#[test]
fn matches_print_as_ovs_ofctl_prints_them() {
    let mut tally = Tally::default();
    for row in rows("match-of13.jsonl") {
        let bytes = hex(row["oxm_hex"].as_str().unwrap());
        let mut out = Vec::new();
        let printed = Match::decode_tlvs(&mut Reader::new(&bytes))
            .and_then(|tlvs| Printer::new(&Numbers).matching(tlvs, &mut out))
            .map(|()| String::from_utf8(out).unwrap());
        tally.case(printed.map_err(|error| error.to_string()), Ok(row["match"].as_str().unwrap().to_owned()));
    }
    tally.hold("matches", 874);
}

#[test]
fn actions_and_instructions_print_as_ovs_ofctl_prints_them() {
    let mut tally = Tally::default();
    for row in rows("actions-of13.jsonl") {
        let (Some(command), Some(text)) = (row["cmd"].as_str(), strings(&row["expected"]).first().copied()) else {
            continue;
        };
        if row["kind"] != "hex2text" || row["ok"] != true {
            continue;
        }
        let bytes = hex(row["hex"].as_str().unwrap());
        let (printer, mut out) = (Printer::new(&Numbers), b"actions=".to_vec());
        let printed = match command {
            "parse-instructions OpenFlow13" => printer.instructions(Reader::new(&bytes), &mut out),
            _ => printer.actions(Reader::new(&bytes), &mut out),
        };
        let printed = printed.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string());
        tally.case(printed, Ok(text.to_owned()));
    }
    tally.hold("actions and instructions", 92);
}

#[test]
fn many_flows_print_as_ovs_ofctl_prints_them() {
    let (Some(bytes), Some(text)) = (file("flowstats-dev.bin"), file("flowstats-dev.ofp-print.txt")) else { return };
    let text = String::from_utf8(text).unwrap();
    let mut expected = text.lines().filter(|line| line.starts_with(' '));
    let (mut tally, mut reader, mut printer) = (Tally::default(), Reader::new(&bytes), Printer::new(&Numbers));
    while !reader.is_empty() {
        let length = usize::from(u16::from_be_bytes([reader.rest()[2], reader.rest()[3]]));
        let message = reader.bytes(length, "message").unwrap();
        for line in lines(message, |flow, out| printer.with_stats(flow, out)).unwrap() {
            tally.case(Some(line.as_str()), expected.next());
        }
    }
    assert_eq!(expected.next(), None);
    tally.hold("flows of many messages", 8497);
}
