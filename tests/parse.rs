//! Flow text against what Open vSwitch 3.1 makes of it: the normal form, the FLOW_MOD bytes, what it refuses.
//!
//! The files are not part of the project: `../shared/corpora`, or the folder in `HEDDLE_CORPORA`.

#[path = "support/corpora.rs"]
mod corpora;
#[path = "support/ports.rs"]
mod ports;

use std::path::{Path, PathBuf};

use corpora::rows;
use heddle::flow::parse::{self, Lookup, NoNames, ParsedFlow};
use heddle::flow::text::{Numbers, Printer};
use heddle::openflow::{MessageType, PortNo, TableId, Writer, Xid, message};
use ports::Ports;
use serde_json::Value;

fn printed(flow: &ParsedFlow) -> String {
    let mut out = Vec::new();
    Printer::new(&Numbers).flow_mod(&flow.to_flow_mod(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The message without its header, in hexadecimal.
fn body(flow: &ParsedFlow) -> String {
    let mut writer = Writer::new();
    message(&mut writer, MessageType::FLOW_MOD, Xid(0), |writer| flow.to_flow_mod().encode(writer)).unwrap();
    writer.as_slice()[8..].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// Reads a row's flow: behind a command as a line of a file, else as `ovs-ofctl parse-flow` does.
fn read(row: &Value, names: &dyn Lookup) -> Result<ParsedFlow, parse::ParseError> {
    let read = if row["command_keyword"].is_null() { parse::flow } else { parse::flow_mod };
    read(text(row, "input"), names)
}

/// Says what went wrong where `HEDDLE_VERBOSE` is set.
fn complain(what: &str, row: &Value, found: &str) {
    if std::env::var_os("HEDDLE_VERBOSE").is_some() {
        println!("{what}: {}\n    {found}", text(row, "input"));
    }
}

#[test]
fn the_text_and_the_bytes_are_those_of_ovs_ofctl() {
    let (rows, ports) = (rows("flows-roundtrip.jsonl"), Ports::of_corpora());
    let (mut texts, mut bytes) = (0, 0);
    for row in &rows {
        let names: &dyn Lookup = if row["needs_port_names"] == true { &ports } else { &NoNames };
        match read(row, names) {
            Ok(flow) => {
                let (found, hex) = (printed(&flow), body(&flow));
                texts += usize::from(found == text(row, "normalised"));
                if found != text(row, "normalised") {
                    complain("other text", row, &format!("{found}\n    {}", text(row, "normalised")));
                }
                let same = hex == text(row, "flow_mod_hex")[16..];
                bytes += usize::from(same);
                if !same {
                    let expected = &text(row, "flow_mod_hex")[16..];
                    complain("other bytes", row, &format!("{found}\n    {hex}\n    {expected}"));
                }
            }
            Err(error) => complain("refused", row, &error.to_string()),
        }
    }
    println!("flows-roundtrip: {texts} texts and {bytes} messages of {} are the same", rows.len());
    assert_eq!((texts, bytes), (rows.len(), rows.len()));
}

#[test]
fn what_ovs_ofctl_refuses_is_refused() {
    let (rows, ports) = (rows("flow-syntax.jsonl"), Ports::of_corpora());
    let (mut accepted, mut refused) = ((0, 0), (0, 0));
    for row in rows.iter().filter(|row| row["only_in_newer_tests"] != true) {
        let names: &dyn Lookup = if row["needs_port_names"] == true { &ports } else { &NoNames };
        let found = read(row, names);
        if row["status"] == "accepted" {
            accepted.1 += 1;
            accepted.0 += usize::from(found.is_ok_and(|flow| printed(&flow) == text(row, "normalised")));
        } else {
            refused.1 += 1;
            refused.0 += usize::from(found.is_err());
            if let Ok(flow) = found {
                complain("accepted", row, &format!("{}\n    {}", printed(&flow), text(row, "error")));
            }
        }
    }
    println!("flow-syntax: {} of {} accepted, {} of {} refused", accepted.0, accepted.1, refused.0, refused.1);
    assert_eq!((accepted.0, refused.0), (accepted.1, refused.1));
}

fn flow_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            flow_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "flows") {
            found.push(path);
        }
    }
}

/// Every name is a port, numbered as it comes.
struct Everything(std::cell::RefCell<Vec<String>>);

impl Lookup for Everything {
    fn port(&self, name: &str) -> Option<PortNo> {
        let mut names = self.0.borrow_mut();
        let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.into());
            names.len() - 1
        });
        name.starts_with(|c: char| c.is_ascii_alphanumeric()).then_some(PortNo(place as u32 + 1))
    }

    fn table(&self, _: &str) -> Option<TableId> {
        None
    }
}

impl heddle::flow::text::Names for Everything {
    fn port(&self, _: PortNo) -> Option<&str> {
        None
    }

    fn table(&self, _: TableId) -> Option<&str> {
        None
    }
}

#[test]
fn what_the_pipeline_makes_is_read_and_printed_again() {
    let mut files = Vec::new();
    flow_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("flows"), &mut files);
    let (names, mut count) = (Everything(Vec::new().into()), 0);
    for path in &files {
        let file = std::fs::read_to_string(path).unwrap();
        for line in file.lines().filter(|line| !line.starts_with('#') && line.contains("actions=")) {
            let flow = parse::flow(line, &names).unwrap_or_else(|error| panic!("{}: {line}: {error}", path.display()));
            let again = printed(&flow);
            let (head, rest) = again.split_once(' ').unwrap();
            assert_eq!(head, "ADD");
            let again =
                rest.replace("table:", "table=").replace("cookie:", "cookie=").replace("idle:", "idle_timeout=");
            let again = parse::flow(&again.replace("hard:", "hard_timeout="), &NoNames).unwrap();
            assert_eq!(again, flow, "{line}");
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}
