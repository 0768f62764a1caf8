//! `ofctl-dump TARGET flows`. What a switch sends is printed as it arrives, without a copy of it.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::ops::Range;

use super::Error;
use super::args::Args;
use super::color::Palette;
use super::names::NameTable;
use super::paint::paint;
use super::sort::{Order, Place};
use super::source::Source;
use crate::cli::client::{Client, Target};
use crate::cli::explain::{Explainer, Objects, TopologyError, bridge_role};
use crate::flow::text::{Names, Numbers, Printer};
use crate::openflow::flow_mod::encode_flow_stats_request;
use crate::openflow::multipart::MultipartType;
use crate::openflow::{Cookie, DecodeError, FlowStats, PortNo, TableId};

/// Prints the flows of `source`. True: some were found, or all were asked for.
pub(super) fn run(source: &Source, args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    let objects = topology(args)?;
    let found = match source {
        Source::Switch(target) => of_switch(target, args, &objects, out)?,
        Source::File(_) | Source::Stdin => of_text(source, args, &objects, out)?,
    };
    Ok(found || args.table.is_none())
}

fn topology(args: &Args) -> Result<Objects, TopologyError> {
    Ok(match &args.topology {
        _ if !args.explain => Objects::default(),
        Some(path) => Objects::read(path)?,
        None => Objects::of_this_host().unwrap_or_default(),
    })
}

fn of_switch(target: &Target, args: &Args, objects: &Objects, out: &mut impl Write) -> Result<bool, Error> {
    let mut client = Client::connect(target)?;
    let (mut names, named) = (NameTable::default(), args.by_name());
    if named || args.explain {
        names.read_ports(&mut client)?;
    }
    if named {
        names.read_tables(&mut client)?;
    }
    let explainer = args.explain.then(|| explainer(&names, objects));
    let style = Style { stats: !args.no_stats, order: args.order(), palette: args.palette(), explainer };
    let mut lines = Lines::new(if named { &names } else { &Numbers }, style);
    let table = args.table.map_or(TableId::ALL, TableId);
    let mut failed = None;
    client.multipart(
        MultipartType::FLOW,
        |writer| encode_flow_stats_request(table, Cookie(0), 0, writer),
        |_, part| {
            let mut body = part.body.reader();
            while !body.is_empty() {
                lines.add(&FlowStats::decode(&mut body)?)?;
            }
            if args.unsorted && failed.is_none() {
                failed = lines.flush(out).err();
            }
            Ok(())
        },
    )?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(lines.finish(out)?),
    }
}

fn of_text(source: &Source, args: &Args, objects: &Objects, out: &mut impl Write) -> Result<bool, Error> {
    let reading = source.read(&NameTable::default())?;
    let dump = &reading.dump;
    let explainer = args.explain.then(|| explainer(&dump.names, objects));
    let style =
        Style { stats: dump.has_stats && !args.no_stats, order: args.order(), palette: args.palette(), explainer };
    let mut lines = Lines::new(&dump.names, style);
    for flow in dump.flows.iter().filter(|flow| args.table.is_none_or(|table| flow.table.0 == table)) {
        lines.add(&flow)?;
    }
    let found = if args.unsorted { lines.flush(out).map(|()| lines.found) } else { lines.finish(out) }?;
    reading.finish()?;
    Ok(found)
}

fn explainer<'a>(names: &NameTable, objects: &'a Objects) -> Explainer<'a> {
    let bridge = names.ports().find(|(port, _)| *port == PortNo::LOCAL).map_or("", |(_, name)| name);
    Explainer { role: bridge_role(names.ports().map(|(_, name)| name), bridge), objects }
}

/// One flow in the text of all.
struct Line {
    table: TableId,
    priority: Reverse<u16>,
    match_text: Range<usize>,
    whole: Range<usize>,
    cookie: Cookie,
    place: Place,
}

/// How flows are printed, and in which order.
struct Style<'a> {
    stats: bool,
    order: &'a Order,
    palette: Option<Palette>,
    explainer: Option<Explainer<'a>>,
}

/// The flows printed so far.
struct Lines<'a> {
    printer: Printer<'a>,
    style: Style<'a>,
    text: Vec<u8>,
    lines: Vec<Line>,
    found: bool,
}

impl<'a> Lines<'a> {
    fn new(names: &'a dyn Names, style: Style<'a>) -> Self {
        Self { printer: Printer::new(names), style, text: Vec::new(), lines: Vec::new(), found: false }
    }

    fn add(&mut self, flow: &FlowStats<'_>) -> Result<(), DecodeError> {
        let text = &mut self.text;
        let start = text.len();
        text.push(b' ');
        let match_text = if self.style.stats {
            self.printer.with_stats(flow, text)?
        } else {
            self.printer.without_stats(flow, text)?
        };
        text.push(b'\n');
        let (table, priority, cookie) = (flow.table, Reverse(flow.priority), flow.cookie);
        let place = self.style.order.place(flow)?;
        self.lines.push(Line { table, priority, match_text, whole: start..text.len(), cookie, place });
        self.found = true;
        Ok(())
    }

    /// Writes what there is, in the order in which it came, and forgets it.
    fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.write(out)?;
        self.text.clear();
        self.lines.clear();
        Ok(())
    }

    /// Writes all in order. True: there was one.
    fn finish(mut self, out: &mut impl Write) -> io::Result<bool> {
        let text = &self.text;
        let usual = |line: &Line| (line.table, line.priority, &text[line.match_text.clone()]);
        let order = self.style.order;
        self.lines.sort_unstable_by(|a, b| order.compare(&a.place, &b.place).then_with(|| usual(a).cmp(&usual(b))));
        self.write(out)?;
        Ok(self.found)
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut words = Vec::new();
        let mut table = None;
        for line in &self.lines {
            words.clear();
            if let Some(explainer) = self.style.explainer.as_ref().filter(|_| table != Some(line.table)) {
                explainer.heading(line.table, table.is_none(), &mut words);
                table = Some(line.table);
            }
            let text = &self.text[line.whole.clone()];
            match &self.style.palette {
                Some(palette) => paint(&String::from_utf8_lossy(text), palette, &mut words),
                None => words.extend_from_slice(text),
            }
            if let Some(explainer) = &self.style.explainer {
                explainer.reason(line.cookie, &mut words);
            }
            out.write_all(&words)?;
        }
        Ok(())
    }
}
