//! `--graph`: the tables of a switch and the flows between them, as a picture.
//!
//! [`Graph`] counts; `dot` writes it for graphviz, `svg` draws it itself, `html` makes a page of one file
//! around the drawing, to look at in a browser.

mod dot;
mod html;
mod layout;
mod svg;
#[cfg(test)]
mod tests;
mod ways;

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::ValueEnum;

use crate::flow::text::{Names, Printer};
use crate::openflow::{Cookie, DecodeError, FlowStats, Reader, TableId};
pub use ways::Groups;
use ways::{End, Via, Way, ways};

/// How a graph is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// For the programs of graphviz
    Dot,
    /// A picture
    Svg,
    /// A page of one file, to zoom, search and click through
    Html,
}

/// Flows, and the packets that they have seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Traffic {
    flows: u64,
    packets: u64,
}

impl Traffic {
    fn count(&mut self, packets: u64) {
        self.flows += 1;
        self.packets = self.packets.saturating_add(packets);
    }
}

/// A table that has flows, or to which flows lead.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Table {
    traffic: Traffic,
    ends: BTreeMap<End, Traffic>,
}

/// From a table to another.
type Edge = (TableId, TableId, Via);

/// A flow as the page lists it.
struct Line {
    table: TableId,
    priority: u16,
    cookie: Cookie,
    match_text: String,
    actions: String,
    packets: Option<u64>,
    /// The tables that it leads to.
    next: Vec<TableId>,
}

/// The tables of a switch and what leads from one to the other.
pub struct Graph<'n> {
    title: String,
    names: &'n dyn Names,
    printer: Printer<'n>,
    groups: Groups,
    tables: BTreeMap<TableId, Table>,
    edges: BTreeMap<Edge, Traffic>,
    lines: Vec<Line>,
}

impl<'n> Graph<'n> {
    /// Without flows. `title` says of which switch they are going to be; `groups` are those that it has, as far as
    /// they are known.
    pub fn new(title: impl Into<String>, names: &'n dyn Names, groups: Groups) -> Self {
        Self {
            title: title.into(),
            names,
            printer: Printer::new(names),
            groups,
            tables: BTreeMap::new(),
            edges: BTreeMap::new(),
            lines: Vec::new(),
        }
    }

    /// Counts a flow. Errors: bytes that are no match or no actions.
    pub fn add(&mut self, flow: &FlowStats<'_>) -> Result<(), DecodeError> {
        let packets = (flow.packet_count != u64::MAX).then_some(flow.packet_count);
        let count = packets.unwrap_or(0);
        let ways = ways(flow, &self.groups)?;
        let table = self.tables.entry(flow.table).or_default();
        table.traffic.count(count);
        let mut next = Vec::new();
        for way in &ways {
            match way {
                Way::End(end) => table.ends.entry(end.clone()).or_default().count(count),
                Way::Table(to, via) => {
                    self.edges.entry((flow.table, *to, *via)).or_default().count(count);
                    next.push(*to);
                }
            }
        }
        for table in &next {
            self.tables.entry(*table).or_default();
        }
        let (mut match_text, mut actions) = (Vec::new(), Vec::new());
        self.printer.matching(flow.match_tlvs, &mut match_text)?;
        self.printer.instructions(Reader::at(flow.instructions, flow.instructions_offset), &mut actions)?;
        self.lines.push(Line {
            table: flow.table,
            priority: flow.priority,
            cookie: flow.cookie,
            match_text: String::from_utf8_lossy(&match_text).into_owned(),
            actions: String::from_utf8_lossy(&actions).into_owned(),
            packets,
            next,
        });
        Ok(())
    }

    /// Writes the picture.
    pub fn write(&mut self, format: Format, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Dot => dot::write(self, out),
            Format::Svg => out.write_all(svg::draw(self).as_bytes()),
            Format::Html => {
                self.lines
                    .sort_by(|a, b| (a.table, b.priority, &a.match_text).cmp(&(b.table, a.priority, &b.match_text)));
                html::write(self, out)
            }
        }
    }

    /// `60 transient`, or the number alone.
    fn table_title(&self, table: TableId) -> String {
        match self.names.table(table) {
            Some(name) => format!("{table} {name}"),
            None => table.to_string(),
        }
    }

    fn end_title(&self, end: &End) -> String {
        match end {
            End::Normal => "NORMAL".to_owned(),
            End::Controller => "CONTROLLER".to_owned(),
            End::Group(group) => format!("group {group}"),
            End::Tunnel(port) | End::Port(port) => {
                let mut text = Vec::new();
                self.printer.port(*port, &mut text);
                let text = String::from_utf8_lossy(&text).into_owned();
                let text = text.trim_matches('"');
                if text.starts_with(|first: char| first.is_ascii_digit()) {
                    format!("port {text}")
                } else {
                    text.to_owned()
                }
            }
            End::Field(name) => format!("port in {name}"),
            End::Conjunction => "conjunction".to_owned(),
            End::Drop => "drop".to_owned(),
        }
    }
}

impl End {
    /// A word for its kind.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Controller => "controller",
            Self::Group(_) => "group",
            Self::Tunnel(_) => "tunnel",
            Self::Port(_) | Self::Field(_) => "port",
            Self::Conjunction => "conjunction",
            Self::Drop => "drop",
        }
    }
}

/// `1 flow`, `2 flows`.
fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A number as people take it in: `950`, `12.3k`, `4.5M`.
fn short(number: u64) -> String {
    const STEPS: [(u64, &str); 4] = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    match STEPS.iter().find(|(step, _)| number >= *step) {
        Some((step, letter)) if number / step >= 100 => format!("{}{letter}", number / step),
        Some((step, letter)) => format!("{}.{}{letter}", number / step, number % step * 10 / step),
        None => number.to_string(),
    }
}
