//! `ofctl-dump diff`: the flows of two switches, of two texts, or of one of each.

mod compare;

use std::io::{self, Write};
use std::sync::Arc;

use clap::Args as ClapArgs;

pub use compare::{Aspect, Difference, Rules, compare};

use super::client::ParseTargetError;
use super::ofctl_dump::color::Palette;
use super::ofctl_dump::dump::Dump;
use super::ofctl_dump::look::Look;
use super::ofctl_dump::names::NameTable;
use super::ofctl_dump::paint::paint;
use super::ofctl_dump::source::{Source, SourceError};
use super::ofctl_dump::table_names::{self, TableNames};
use crate::flow::text::{Cookies, Names, Numbers, Printer};
use crate::flow::{Flow, FlowTable};
use crate::openflow::{DecodeError, TableId};

/// Two switches, two texts, or one of each: exit code 0 if they have the same flows, 1 if not
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// A bridge, a management socket, tcp:HOST:PORT, ptcp:[PORT[:HOST]], a file of flows, or - for the standard input
    a: String,
    /// Likewise
    b: String,
    /// Flows that differ in nothing but their cookies are equal
    #[arg(long)]
    ignore_cookie: bool,
    /// Leave out flows that the switch has learnt by itself
    #[arg(long)]
    ignore_learnt: bool,
    #[command(flatten)]
    look: Look,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of the sides.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What one of the sides is.
    #[error(transparent)]
    Target(#[from] ParseTargetError),
    /// Names of tables.
    #[error(transparent)]
    TableNames(#[from] table_names::Error),
    /// There is one standard input.
    #[error("only one side can be the standard input")]
    TwiceStdin,
    /// A flow that is none.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// Prints the differences; true if there is none. How many there are goes to the standard error.
pub fn run(args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    let (a, b) = read(&Source::parse_any(&args.a)?, &Source::parse_any(&args.b)?)?;
    let rules = Rules { ignore_cookie: args.ignore_cookie, ignore_learnt: args.ignore_learnt };
    let (before, after) = (table(&a), table(&b));
    let differences = compare(&before, &after, rules)?;
    let by_name = args.look.by_name.get();
    // Numbers that stand in for names are nobody's.
    let invented = [&a, &b].into_iter().any(|dump| !dump.live && dump.names.ports().count() > live_ports(&a, &b));
    let table_names = &args.look.table_names;
    let (before_names, after_names) = (named(&a, &b, table_names)?, named(&b, &a, table_names)?);
    let printer = |names| Printer::new(if by_name || invented { names } else { &Numbers });
    let mut report = Report {
        before: printer(&before_names),
        after: printer(&after_names),
        titles: &after_names,
        palette: args.look.palette(),
        cookies: if args.ignore_cookie { Cookies::Hidden } else { Cookies::Shown },
    };
    if !differences.is_empty() {
        writeln!(out, "--- {}\n+++ {}", a.name, b.name)?;
    }
    for differences in differences.chunk_by(|a, b| a.flow().table == b.flow().table) {
        report.table(differences, out)?;
    }
    out.flush()?;
    let counts = Counts::of(&differences);
    let alike = after.len().saturating_sub(counts.added + counts.changed);
    eprintln!("ofctl-dump: {} and {}: {counts}, {alike} alike", a.name, b.name);
    Ok(differences.is_empty())
}

/// Reads a switch first: its names give a text its numbers.
fn read(a: &Source, b: &Source) -> Result<(Dump, Dump), Error> {
    if (a, b) == (&Source::Stdin, &Source::Stdin) {
        return Err(Error::TwiceStdin);
    }
    let read = |source: &Source, known: &NameTable| {
        let reading = source.read(known)?;
        reading.finish()?;
        Ok::<_, SourceError>(reading.dump)
    };
    let unknown = NameTable::default();
    if matches!(b, Source::Switch(_)) && !matches!(a, Source::Switch(_)) {
        let b = read(b, &unknown)?;
        return Ok((read(a, &b.names)?, b));
    }
    let a = read(a, &unknown)?;
    let b = read(b, &a.names)?;
    Ok((a, b))
}

/// The names to print the flows of `side` with. A switch has its own; of two texts the one that was read second knows
/// those of both.
fn named(side: &Dump, other: &Dump, table_names: &TableNames) -> Result<NameTable, table_names::Error> {
    let more = |dump: &Dump| dump.names.ports().count() + dump.names.tables().count();
    let mut names = if !side.live && more(other) > more(side) { other.names.clone() } else { side.names.clone() };
    table_names.apply(&mut names, &side.name)?;
    Ok(names)
}

/// Ports of the switch that one side is.
fn live_ports(a: &Dump, b: &Dump) -> usize {
    [a, b].into_iter().find(|dump| dump.live).map_or(0, |dump| dump.names.ports().count())
}

/// By identity; of two flows of one identity in a text the second counts, as when both are added.
fn table(dump: &Dump) -> FlowTable {
    let mut table = FlowTable::new();
    table.reserve(dump.flows.len());
    for flow in dump.flows.iter() {
        table.insert(Arc::new(Flow::from_stats(&flow)));
    }
    table
}

/// How many flows differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Counts {
    removed: usize,
    added: usize,
    changed: usize,
}

impl Counts {
    fn of(differences: &[Difference]) -> Self {
        let mut counts = Self::default();
        for difference in differences {
            *match difference {
                Difference::Removed(_) => &mut counts.removed,
                Difference::Added(_) => &mut counts.added,
                Difference::Changed { .. } => &mut counts.changed,
            } += 1;
        }
        counts
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} removed, {} added, {} changed", self.removed, self.added, self.changed)
    }
}

/// Differences as text that programs which show patches take.
struct Report<'n> {
    /// Of the first side.
    before: Printer<'n>,
    /// Of the second.
    after: Printer<'n>,
    titles: &'n NameTable,
    palette: Option<Palette>,
    cookies: Cookies,
}

impl Report<'_> {
    /// Those of one table.
    fn table(&mut self, differences: &[Difference], out: &mut impl Write) -> Result<(), Error> {
        let Some(first) = differences.first() else { return Ok(()) };
        writeln!(out, "@@ {}: {} @@", self.title(first.flow().table), Counts::of(differences))?;
        for difference in differences {
            match difference {
                Difference::Removed(flow) => self.removed(flow, out)?,
                Difference::Added(flow) => self.added(flow, out)?,
                Difference::Changed { before, after, aspects } => {
                    let words: Vec<&str> = aspects.iter().map(|aspect| aspect.word()).collect();
                    writeln!(out, " # changed: {}", words.join(", "))?;
                    self.removed(before, out)?;
                    self.added(after, out)?;
                }
            }
        }
        Ok(())
    }

    fn title(&self, table: TableId) -> String {
        match Names::table(self.titles, table) {
            Some(name) => format!("table {table}, {name}"),
            None => format!("table {table}"),
        }
    }

    fn removed(&mut self, flow: &Flow, out: &mut impl Write) -> Result<(), Error> {
        let mut text = Vec::new();
        self.before.wanted(flow, self.cookies, &mut text)?;
        self.line('-', &text, out)
    }

    fn added(&mut self, flow: &Flow, out: &mut impl Write) -> Result<(), Error> {
        let mut text = Vec::new();
        self.after.wanted(flow, self.cookies, &mut text)?;
        self.line('+', &text, out)
    }

    fn line(&self, sign: char, flow: &[u8], out: &mut impl Write) -> Result<(), Error> {
        let mut text = sign.to_string().into_bytes();
        match &self.palette {
            Some(palette) => paint(&String::from_utf8_lossy(flow), palette, &mut text),
            None => text.extend_from_slice(flow),
        }
        text.push(b'\n');
        Ok(out.write_all(&text)?)
    }
}
