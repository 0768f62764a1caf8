//! `ofctl-dump TARGET flows`. What a switch sends is printed as it arrives, without a copy of it.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::ops::Range;

use super::Error;
use super::args::{Args, Request};
use super::color::Palette;
use super::names::NameTable;
use super::paint::paint;
use super::sort::{Order, Place};
use super::source::Source;
use crate::cli::client::{Client, Target};
use crate::cli::explain::{Bridge, Explainer, NotedFlow, Objects, TopologyError, bridge_role};
use crate::cli::filter::{Filter, FilterError, Scratch};
use crate::cli::json::Statistics::{Hidden, Shown};
use crate::cli::json::{self, Printed};
use crate::flow::text::{Names, Numbers, Printer};
use crate::openflow::flow_mod::encode_flow_stats_request;
use crate::openflow::multipart::MultipartType;
use crate::openflow::{Cookie, DecodeError, FlowStats, TableId};

/// Prints the flows that `request` asks for. True: some were found, or all were asked for.
pub(super) fn run(request: &Request, args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    let objects = topology(args)?;
    let found = match &request.source {
        Source::Switch(target) => of_switch(target, (request, args), &objects, out)?,
        Source::File(_) | Source::Stdin => of_text((request, args), &objects, out)?,
    };
    Ok(found || args.table.is_none() && request.filter.is_none())
}

fn topology(args: &Args) -> Result<Objects, TopologyError> {
    Ok(match &args.topology {
        _ if !args.explain => Objects::default(),
        Some(path) => Objects::read(path)?,
        None => Objects::of_this_host().unwrap_or_default(),
    })
}

fn of_switch(
    target: &Target,
    (request, args): (&Request, &Args),
    objects: &Objects,
    out: &mut impl Write,
) -> Result<bool, Error> {
    let mut client = Client::connect(target)?;
    let (mut names, named) = (NameTable::default(), args.look.by_name.get());
    if named || args.explain || request.filter.is_some() {
        names.read_ports(&mut client)?;
    }
    if named || request.filter.is_some() {
        names.read_tables(&mut client)?;
        args.look.table_names.apply(&mut names, &request.source.name())?;
    }
    let style = Style::new((request, args), &names, objects)?;
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
            if args.unsorted && !args.explain && failed.is_none() {
                failed = lines.flush(out).err();
            }
            Ok(())
        },
    )?;
    match failed {
        Some(error) => Err(error.into()),
        None if args.unsorted => {
            lines.flush(out)?;
            Ok(lines.found)
        }
        None => Ok(lines.finish(out)?),
    }
}

fn of_text((request, args): (&Request, &Args), objects: &Objects, out: &mut impl Write) -> Result<bool, Error> {
    let reading = request.source.read(&NameTable::default())?;
    let dump = &reading.dump;
    let (mut names, by_name) = (dump.names.clone(), args.look.by_name.get());
    if by_name || request.filter.is_some() {
        args.look.table_names.apply(&mut names, &dump.name)?;
    }
    let mut style = Style::new((request, args), &names, objects)?;
    style.stats &= dump.has_stats;
    // What the text calls by name has no number to print.
    let mut lines = Lines::new(if by_name { &names } else { &dump.names }, style);
    for flow in dump.flows.iter().filter(|flow| args.table.is_none_or(|table| flow.table.0 == table)) {
        lines.add(&flow)?;
    }
    let found = if args.unsorted { lines.flush(out).map(|()| lines.found) } else { lines.finish(out) }?;
    reading.finish()?;
    Ok(found)
}

/// What is known of the bridge whose names these are.
fn bridge<'a>(names: &'a NameTable, objects: &'a Objects) -> Bridge<'a> {
    let role = bridge_role(names.ports().map(|(_, name)| name), names.bridge().unwrap_or_default());
    Bridge { role, objects, names }
}

/// One flow in the text of all.
struct Line {
    table: TableId,
    priority: Reverse<u16>,
    match_text: Range<usize>,
    whole: Range<usize>,
    noted: Option<NotedFlow>,
    place: Place,
}

/// Which flows are printed, how, and in which order.
struct Style<'a> {
    filter: Option<Filter>,
    stats: bool,
    json: bool,
    order: &'a Order,
    palette: Option<Palette>,
    explainer: Option<Explainer<'a>>,
}

impl<'a> Style<'a> {
    /// What the command line says; `names` are those of the switch.
    fn new(
        (request, args): (&'a Request, &'a Args),
        names: &'a NameTable,
        objects: &'a Objects,
    ) -> Result<Self, FilterError> {
        Ok(Self {
            filter: request.filter.as_deref().map(|text| Filter::parse(text, names)).transpose()?,
            stats: !args.no_stats,
            json: args.json,
            order: args.order(),
            palette: args.look.palette(),
            explainer: args.explain.then(|| Explainer::new(bridge(names, objects))),
        })
    }
}

/// The flows printed so far.
struct Lines<'a> {
    printer: Printer<'a>,
    style: Style<'a>,
    text: Vec<u8>,
    /// One flow as JSON.
    json: Vec<u8>,
    lines: Vec<Line>,
    scratch: Scratch,
    found: bool,
}

impl<'a> Lines<'a> {
    fn new(names: &'a dyn Names, style: Style<'a>) -> Self {
        Self {
            printer: Printer::new(names),
            style,
            text: Vec::new(),
            json: Vec::new(),
            lines: Vec::new(),
            scratch: Scratch::default(),
            found: false,
        }
    }

    /// Takes a flow, if the filter does. A rule may consist of flows that it does not take.
    fn add(&mut self, flow: &FlowStats<'_>) -> Result<(), DecodeError> {
        let noted = self.style.explainer.as_mut().map(|explainer| explainer.note(flow)).transpose()?;
        if let Some(filter) = &self.style.filter
            && !filter.matches(flow, &mut self.scratch)?
        {
            return Ok(());
        }
        let text = &mut self.text;
        let mut start = text.len();
        text.push(b' ');
        let match_text = if self.style.stats {
            self.printer.with_stats(flow, text)?
        } else {
            self.printer.without_stats(flow, text)?
        };
        text.push(b'\n');
        if self.style.json {
            // The text stays in front of it, to sort by.
            let (end, statistics) = (text.len(), if self.style.stats { Shown } else { Hidden });
            let match_text = (match_text.start - start, match_text.end - start);
            self.json.clear();
            json::flow(flow, Printed { text: &text[start..end], match_text, statistics }, &mut self.json);
            text.extend_from_slice(&self.json);
            start = end;
        }
        let (table, priority) = (flow.table, Reverse(flow.priority));
        let place = self.style.order.place(flow)?;
        self.lines.push(Line { table, priority, match_text, whole: start..text.len(), noted, place });
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
            if let (Some(explainer), Some(noted)) = (&self.style.explainer, line.noted) {
                explainer.reason(noted, &mut words);
            }
            out.write_all(&words)?;
        }
        Ok(())
    }
}
