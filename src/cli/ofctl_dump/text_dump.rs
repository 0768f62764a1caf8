//! Flows out of text: what `ovs-ofctl dump-flows` printed, with whatever stands around it.

use std::fmt;

use super::dump::{Dump, FlowEntries};
use super::names::NameTable;
use super::stand_ins::stand_ins;
use crate::flow::parse::{ParsedStats, flow_stats};

/// A line that is no flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Which text.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
    /// What stands there and what could.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}: {}", self.name, self.line, self.column, self.reason)
    }
}

/// Reads the flows of `text`, called `name`. Names of ports and tables that `known` does not have get stand-in
/// numbers. What is no flow is left out and returned.
pub fn read(name: &str, text: &str, known: &NameTable) -> (Dump, Vec<Fault>) {
    let names = stand_ins(text, known);
    let (mut flows, mut faults, mut has_stats) = (FlowEntries::default(), Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        let Some(at) = flow_start(line) else { continue };
        match flow(&line[at..], &names, &mut flows) {
            Ok(parsed) => has_stats |= parsed.has_counters(),
            Err((column, reason)) => {
                faults.push(Fault { name: name.to_owned(), line: number + 1, column: at + column, reason });
            }
        }
    }
    (Dump { name: name.to_owned(), names, flows, has_stats, live: false }, faults)
}

fn flow(text: &str, names: &NameTable, flows: &mut FlowEntries) -> Result<ParsedStats, (usize, String)> {
    let parsed = flow_stats(text, names)
        .map_err(|error| (error.column, format!("found {:?}, expected {}", error.found, error.expected)))?;
    flows.encode(&parsed.to_flow_stats()).map_err(|error| (1, error.to_string()))?;
    Ok(parsed)
}

/// Where in a line its flow begins; none in empty lines, comments and what announces a reply. Before a cookie,
/// which begins a flow in a dump, others may have put a time and a name.
fn flow_start(line: &str) -> Option<usize> {
    let text = line.trim_start();
    let begin = line.len() - text.len();
    let is_heading = ["NXST_FLOW reply", "OFPST_FLOW reply"].iter().any(|heading| text.contains(heading));
    if text.is_empty() || text.starts_with('#') || is_heading {
        return None;
    }
    match text.find("cookie=") {
        Some(at) if text[..at].ends_with(char::is_whitespace) && !text[..at].contains('=') => Some(begin + at),
        _ => Some(begin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::text::Printer;

    const DUMP: &str = "\
NXST_FLOW reply (xid=0x4):

 cookie=0x7, duration=12.5s, table=0, n_packets=3, n_bytes=180, idle_age=4, priority=9,in_port=\"int-br\" actions=NORMAL
# a word between
 cookie=0x0, duration=1s, table=5, n_packets=0, n_bytes=0, priority=1,colour=red actions=drop
2026-11-21 INFO agent: cookie=0x0, duration=1s, table=5, n_packets=0, n_bytes=0, idle_age=2, actions=output:tap1
OFPST_FLOW reply (OF1.3) (xid=0x2): flags=[more]
";

    fn printed(dump: &Dump) -> Vec<String> {
        let mut printer = Printer::new(&dump.names);
        let print = |flow| {
            let mut out = Vec::new();
            printer.with_stats(&flow, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        dump.flows.iter().map(print).collect()
    }

    #[test]
    fn flows_are_read_from_between_headings_blanks_and_log_noise() {
        let (dump, faults) = read("f.txt", DUMP, &NameTable::default());
        assert_eq!(
            printed(&dump),
            [
                "cookie=0x7, duration=12.500s, table=0, n_packets=3, n_bytes=180, priority=9,in_port=\"int-br\" \
                 actions=NORMAL",
                "cookie=0x0, duration=1s, table=5, n_packets=0, n_bytes=0, actions=output:tap1",
            ]
        );
        assert!(dump.has_stats);
        let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("f.txt:5:71: found \"colour\""), "{told:?}");
    }

    #[test]
    fn a_cut_line_is_told_and_not_taken_for_noise() {
        let (dump, faults) = read("-", " cookie=0x0, duration=1s, table=0, n_pack", &NameTable::default());
        assert_eq!((dump.flows.len(), faults.len(), dump.has_stats), (0, 1, false));
    }
}
