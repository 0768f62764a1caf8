//! `ofctl-dump TARGET --watch`: the flows of a switch with their rates, again and again.
//!
//! ```text
//!   reader ── readings ──┐
//!   keys ────────────────┼─► run: meter, then screen or blocks
//!   signals ─────────────┘
//! ```
//!
//! The reader asks the switch; keys and signals only have threads on a terminal. None of them outlives the process,
//! and a switch that does not answer keeps nobody from leaving.

pub(in crate::cli) mod frame;
mod rates;
mod screen;
pub(in crate::cli) mod terminal;
pub(in crate::cli) mod text;

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use frame::Colours;
use rates::{Change, Meter, Refresh};
use screen::{Screen, Wish};
use terminal::{Input, Terminal};

use super::client::{Client, ClientError, Target};
use super::clock;
use super::filter::{Filter, FilterError, Scratch};
use super::ofctl_dump::dump::FlowEntries;
use super::ofctl_dump::names::NameTable;
use super::ofctl_dump::table_names::{self, TableNames};
use crate::flow::text::{Names, Numbers};
use crate::openflow::flow_mod::encode_flow_stats_request;
use crate::openflow::multipart::MultipartType;
use crate::openflow::{Cookie, FlowStats, TableId};

/// Rows of a kind in a block.
const BLOCK_ROWS: usize = 20;

/// What to watch, and how.
pub struct Options {
    /// Between two readings.
    pub interval: Duration,
    /// Readings after which it ends; `None`: never.
    pub count: Option<u64>,
    /// Only the flows of this table; [`TableId::ALL`] for all.
    pub table: TableId,
    /// Only flows that this filter takes.
    pub filter: Option<String>,
    /// Ports and tables by name.
    pub by_name: bool,
    /// Where tables that the switch does not name get theirs.
    pub table_names: TableNames,
}

/// Why there is nothing to watch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The switch.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A file of table names.
    #[error(transparent)]
    TableNames(#[from] table_names::Error),
    /// The filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// What the main thread waits for.
enum Event {
    Reading(Result<Box<Reading>, Error>),
    Input(Input),
}

/// What a switch said, and when by the reader's clock.
struct Reading {
    flows: FlowEntries,
    names: NameTable,
    at: Duration,
}

/// Shows the flows of `target` until it is told to stop: on a terminal as a screen, elsewhere as a block of text for
/// each reading.
pub fn run(target: &Target, options: Options, out: &mut impl Write) -> Result<(), Error> {
    let (sender, events) = channel();
    let by_name = options.by_name;
    let count = options.count.unwrap_or(u64::MAX);
    let name = target.bridge().map_or_else(|| target.to_string(), str::to_owned);
    let mut reader = Reader::new(&name, Client::connect(target)?, options)?;
    // The first one here: what fails at once is told before the screen is taken.
    let first = reader.read()?;
    let inputs = sender.clone();
    let mut meter = Meter::default();
    let first = Step::new(first, &mut meter, by_name);
    if count > 1 {
        thread::spawn(move || reader.run(&sender));
    }
    if io::stdout().is_terminal() {
        let terminal = Terminal::take(inputs, Event::Input)?;
        let result = on_terminal(Session { name, events, meter, by_name, count }, first);
        drop(terminal);
        result
    } else {
        drop(inputs);
        in_blocks(Session { name, events, meter, by_name, count }, first, out)
    }
}

/// The thread that asks the switch.
struct Reader {
    /// What the bridge is called.
    name: String,
    client: Client,
    options: Options,
    filter: Option<Filter>,
    scratch: Scratch,
    began: Instant,
}

impl Reader {
    fn new(name: &str, mut client: Client, options: Options) -> Result<Self, Error> {
        let filter = match &options.filter {
            Some(text) => {
                let mut names = names_of(&mut client)?;
                options.table_names.apply(&mut names, name)?;
                Some(Filter::parse(text, &names)?)
            }
            None => None,
        };
        Ok(Self { name: name.to_owned(), client, options, filter, scratch: Scratch::default(), began: Instant::now() })
    }

    /// Reads once an interval, until it fails or nobody listens. A reading that takes longer than that makes the next
    /// one late, not many.
    fn run(mut self, readings: &Sender<Event>) {
        loop {
            thread::sleep(self.options.interval);
            let reading = self.read();
            let failed = reading.is_err();
            if readings.send(Event::Reading(reading.map(Box::new))).is_err() || failed {
                return;
            }
        }
    }

    fn read(&mut self) -> Result<Reading, Error> {
        let mut names = NameTable::default();
        if self.options.by_name {
            names = names_of(&mut self.client)?;
            self.options.table_names.apply(&mut names, &self.name)?;
        }
        let mut flows = FlowEntries::default();
        let at = self.began.elapsed();
        let (table, filter, scratch) = (self.options.table, &self.filter, &mut self.scratch);
        self.client.multipart(
            MultipartType::FLOW,
            |writer| encode_flow_stats_request(table, Cookie(0), 0, writer),
            |_, part| {
                let mut body = part.body.reader();
                while !body.is_empty() {
                    let flow = FlowStats::decode(&mut body)?;
                    if filter.as_ref().map_or(Ok(true), |filter| filter.matches(&flow, scratch))? {
                        flows.push(&flow);
                    }
                }
                Ok(())
            },
        )?;
        Ok(Reading { flows, names, at })
    }
}

fn names_of(client: &mut Client) -> Result<NameTable, ClientError> {
    let mut names = NameTable::default();
    names.read_ports(client)?;
    names.read_tables(client)?;
    Ok(names)
}

/// A reading held against the one before.
struct Step {
    refresh: Refresh,
    names: Option<NameTable>,
}

impl Step {
    fn new(reading: Reading, meter: &mut Meter, by_name: bool) -> Self {
        Self { refresh: meter.read(reading.flows, reading.at), names: by_name.then_some(reading.names) }
    }
}

fn names(names: &Option<NameTable>) -> &dyn Names {
    match names {
        Some(names) => names,
        None => &Numbers,
    }
}

/// What both ways of showing have in common.
struct Session {
    name: String,
    events: Receiver<Event>,
    meter: Meter,
    by_name: bool,
    /// Readings that are left, with the first.
    count: u64,
}

fn in_blocks(mut session: Session, first: Step, out: &mut impl Write) -> Result<(), Error> {
    let mut step = first;
    loop {
        block(&session.name, &step.refresh, names(&step.names), out)?;
        out.flush()?;
        session.count -= 1;
        if session.count == 0 {
            return Ok(());
        }
        step = loop {
            match session.events.recv() {
                Ok(Event::Reading(reading)) => break Step::new(*reading?, &mut session.meter, session.by_name),
                Ok(Event::Input(_)) => {}
                Err(_) => return Ok(()),
            }
        };
    }
}

/// One reading: a heading, the flows that packets hit, what changed, flows that none ever hit, an empty line.
fn block(name: &str, refresh: &Refresh, names: &dyn Names, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} {}", clock::timestamp(), text::heading(name, refresh))?;
    let busy = refresh.rows.iter().take_while(|row| row.rate.packets > 0.0).count();
    if busy > 0 {
        writeln!(out, "{}", text::COLUMNS)?;
    }
    for row in 0..busy.min(BLOCK_ROWS) {
        writeln!(out, "{}", text::columns(refresh, row, names))?;
    }
    rest(busy, out)?;
    for Change { event, flow } in refresh.changes.iter().take(BLOCK_ROWS) {
        writeln!(out, "{} {}", event.sign(), text::flow(flow, names))?;
    }
    rest(refresh.changes.len(), out)?;
    for row in refresh.never_hit().take(BLOCK_ROWS) {
        if let Some(stats) = refresh.flows.get(row.index) {
            writeln!(out, "never hit: {}", text::flow(&crate::flow::Flow::from_stats(&stats), names))?;
        }
    }
    rest(refresh.never_hit().count(), out)?;
    writeln!(out)
}

fn rest(count: usize, out: &mut impl Write) -> io::Result<()> {
    match count.checked_sub(BLOCK_ROWS) {
        Some(more) if more > 0 => writeln!(out, "... and {more} more"),
        _ => Ok(()),
    }
}

fn on_terminal(mut session: Session, first: Step) -> Result<(), Error> {
    let mut screen = Screen::new(&session.name, Colours::of_environment());
    let mut step_names = first.names;
    screen.update(first.refresh, &clock::time_of_day(), names(&step_names));
    session.count -= 1;
    let mut out = io::stdout();
    loop {
        out.write_all(screen.draw(Terminal::size(), names(&step_names)).as_bytes())?;
        out.flush()?;
        // Nothing to draw for a key that means nothing.
        loop {
            match session.events.recv() {
                Err(_) | Ok(Event::Input(Input::Stop)) => return Ok(()),
                Ok(Event::Input(Input::Resized)) => break,
                Ok(Event::Input(Input::Key(key))) => match screen.key(key) {
                    Wish::Quit => return Ok(()),
                    Wish::Redraw => break,
                    Wish::Nothing => {}
                },
                Ok(Event::Reading(reading)) => {
                    if session.count == 0 {
                        return Ok(());
                    }
                    let step = Step::new(*reading?, &mut session.meter, session.by_name);
                    step_names = step.names;
                    screen.update(step.refresh, &clock::time_of_day(), names(&step_names));
                    session.count -= 1;
                    break;
                }
            }
        }
    }
}
