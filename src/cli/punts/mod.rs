//! `heddle punts`: what comes up from the switches and what becomes of it, again and again.
//!
//! ```text
//!   reader ── answers of the daemon ──┐
//!   keys, signals ────────────────────┴─► run: meter, then screen or blocks
//! ```

mod rates;
mod screen;
mod text;

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::ask::{AskError, ask};
use super::clock;
use super::watch::frame::Colours;
use super::watch::terminal::{Input, Terminal};
use crate::agent::PuntsStatus;
use crate::agent::socket::PUNTS;
use rates::{Meter, Refresh};
use screen::{Screen, Wish};
use text::Table;

/// Rows in a block.
const BLOCK_ROWS: usize = 20;

/// How to show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// For people.
    Text,
    /// What the daemon says, one object in a line.
    Json,
}

/// What to show, and how.
pub(super) struct Options {
    pub(super) form: Form,
    /// Between two readings; `None`: one reading only.
    pub(super) interval: Option<Duration>,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the daemon's answer cannot be printed: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// What the main thread waits for.
enum Event {
    Reading(Result<PuntsStatus, AskError>),
    Input(Input),
}

/// Shows readings until it is told to stop. False if nothing has come up.
pub(super) fn run(options: &Options, out: &mut impl Write) -> Result<bool, Error> {
    // The first one here: what fails at once is told before the screen is taken.
    let first: PuntsStatus = ask(PUNTS)?;
    let Some(interval) = options.interval else {
        let any = !first.bridges.is_empty();
        in_blocks(first, std::iter::empty(), options.form, out)?;
        return Ok(any);
    };
    let (sender, events) = channel();
    let inputs = sender.clone();
    thread::spawn(move || read(interval, &sender));
    if options.form == Form::Text && io::stdout().is_terminal() {
        let terminal = Terminal::take(inputs, Event::Input)?;
        let result = on_terminal(first, &events);
        drop(terminal);
        result?;
    } else {
        drop(inputs);
        let readings = events.iter().filter_map(|event| match event {
            Event::Reading(reading) => Some(reading),
            Event::Input(_) => None,
        });
        in_blocks(first, readings, options.form, out)?;
    }
    Ok(true)
}

/// Asks the daemon once an interval, until it does not answer or nobody listens.
fn read(interval: Duration, readings: &Sender<Event>) {
    loop {
        thread::sleep(interval);
        let reading = ask(PUNTS);
        let failed = reading.is_err();
        if readings.send(Event::Reading(reading)).is_err() || failed {
            return;
        }
    }
}

fn in_blocks(
    first: PuntsStatus,
    readings: impl Iterator<Item = Result<PuntsStatus, AskError>>,
    form: Form,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut meter = Meter::default();
    for reading in std::iter::once(Ok(first)).chain(readings) {
        let reading = reading?;
        match form {
            Form::Json => {
                serde_json::to_writer(&mut *out, &reading)?;
                writeln!(out)?;
            }
            Form::Text => block(&meter.read(reading), out)?,
        }
        out.flush()?;
    }
    Ok(())
}

/// One reading: a heading, those who sent something up since the last, an empty line.
fn block(refresh: &Refresh, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} {}", clock::timestamp(), text::heading(refresh))?;
    let busy = refresh.rows.iter().take_while(|row| row.rate > 0.0).count();
    if busy > 0 {
        let shown = || refresh.rows.iter().take(busy.min(BLOCK_ROWS));
        let table = Table::new(shown());
        writeln!(out, "{}", table.headings())?;
        for row in shown() {
            writeln!(out, "{}", table.row(row))?;
        }
    }
    if busy > BLOCK_ROWS {
        writeln!(out, "... and {} more", busy - BLOCK_ROWS)?;
    }
    writeln!(out)
}

fn on_terminal(first: PuntsStatus, events: &Receiver<Event>) -> Result<(), Error> {
    let mut meter = Meter::default();
    let mut screen = Screen::new(Colours::of_environment());
    screen.update(meter.read(first), &clock::time_of_day());
    let mut out = io::stdout();
    loop {
        out.write_all(screen.draw(Terminal::size()).as_bytes())?;
        out.flush()?;
        // Nothing to draw for a key that means nothing.
        loop {
            match events.recv() {
                Err(_) | Ok(Event::Input(Input::Stop)) => return Ok(()),
                Ok(Event::Input(Input::Resized)) => break,
                Ok(Event::Input(Input::Key(key))) => match screen.key(key) {
                    Wish::Quit => return Ok(()),
                    Wish::Redraw => break,
                    Wish::Nothing => {}
                },
                Ok(Event::Reading(reading)) => {
                    screen.update(meter.read(reading?), &clock::time_of_day());
                    break;
                }
            }
        }
    }
}
