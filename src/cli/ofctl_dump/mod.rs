//! The program `ofctl-dump`: what a switch holds, as text.
//!
//! [`source`] reads flows, from a switch or from a text, into a [`dump`] that commands on flows work on; only
//! `flows` itself prints them as they arrive.

mod aggregate;
mod args;
pub mod color;
pub mod dump;
mod flows;
mod habits;
pub mod look;
mod manual;
pub mod names;
pub mod paint;
mod reports;
pub mod sort;
pub mod source;
mod stand_ins;
pub mod table_names;
pub mod text_dump;
mod views;

use std::io::{self, Write};

pub use args::Args;
use args::{Command, Request, What, WordError};
use reports::Question;
use source::{Source, SourceError};

use super::client::{Client, ClientError, ParseTargetError};
use super::explain::TopologyError;
use super::filter::FilterError;
use super::message_text::NotPrinted;
use super::{decode, diff, monitor, parse, snoop, trace, watch};
use crate::openflow::DecodeError;

/// What `ofctl-dump` can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flows, or where they should have come from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The command line.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The names of tables.
    #[error(transparent)]
    TableNames(#[from] table_names::Error),
    /// The filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// An answer that cannot be printed.
    #[error(transparent)]
    NotPrinted(#[from] NotPrinted),
    /// The topology file.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A flow that is none.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A text, which only has flows.
    #[error("{0} is a text of flows: ask a switch for anything else")]
    OnlyFlows(String),
    /// Messages that could not be printed; each was told.
    #[error("messages that could not be printed: {0}")]
    NotDecoded(usize),
    /// Lines that could not be parsed; each was told.
    #[error("not every line could be parsed")]
    NotParsed,
    /// Text that was to be parsed.
    #[error(transparent)]
    Parse(parse::Error),
    /// Comparing.
    #[error(transparent)]
    Diff(diff::Error),
    /// Listening to a controller.
    #[error(transparent)]
    Snoop(snoop::Error),
    /// Being told of changes.
    #[error(transparent)]
    Monitor(monitor::Error),
    /// A trace.
    #[error(transparent)]
    Trace(#[from] trace::Error),
    /// The output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        SourceError::from(error).into()
    }
}

impl From<ParseTargetError> for Error {
    fn from(error: ParseTargetError) -> Self {
        SourceError::from(error).into()
    }
}

/// A command's own error, but for that of the output, which is the same for all.
macro_rules! error_of {
    ($($command:ident in $variant:ident),*) => {$(
        impl From<$command::Error> for Error {
            fn from(error: $command::Error) -> Self {
                match error {
                    $command::Error::Output(error) => Self::Output(error),
                    error => Self::$variant(error),
                }
            }
        }
    )*};
}

error_of!(parse in Parse, diff in Diff, snoop in Snoop, monitor in Monitor);

impl From<watch::Error> for Error {
    fn from(error: watch::Error) -> Self {
        match error {
            watch::Error::Client(error) => error.into(),
            watch::Error::Filter(error) => error.into(),
            watch::Error::TableNames(error) => error.into(),
            watch::Error::Output(error) => Self::Output(error),
        }
    }
}

/// Does what `args` ask for. True: something was found.
pub fn run(args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    if args.about.print(Args::definition(), &manual::MANUAL, out)? {
        return Ok(true);
    }
    match &args.command {
        Some(Command::Decode(args)) => match decode::run(args, out)? {
            0 => Ok(true),
            failed => Err(Error::NotDecoded(failed)),
        },
        Some(Command::Parse(args)) => match parse::run(args, out)? {
            true => Ok(true),
            false => Err(Error::NotParsed),
        },
        Some(Command::Diff(args)) => Ok(diff::run(args, out)?),
        Some(Command::Snoop(args)) => Ok(snoop::run(args, out).map(|()| true)?),
        Some(Command::Monitor(args)) => Ok(monitor::run(args, out).map(|()| true)?),
        Some(Command::Trace(args)) => Ok(trace::run(args, out)?),
        None => {
            let request = args.request()?;
            let found = print(&request, args, out).map_err(|error| args.explain(&request, error))?;
            if let (false, Some(hint)) = (found, request.hint()) {
                eprintln!("ofctl-dump: {hint}");
            }
            Ok(found)
        }
    }
}

/// Prints what there is of a target.
fn print(request: &Request, args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    let connect = || match &request.source {
        Source::Switch(target) => Ok(Client::connect(target)?),
        Source::File(_) | Source::Stdin => Err(Error::OnlyFlows(request.source.name())),
    };
    let question = match (request.what, args.stats) {
        (What::Flows, _) if views::asked_for(args) => {
            return views::show(request, args, out).map(|()| true);
        }
        (What::Flows, _) => return flows::run(request, args, out),
        (What::Aggregate, _) => return aggregate::run(request, args, out).map(|()| true),
        (What::Show, _) if args.json => return reports::show_json(&mut connect()?, out).map(|()| true),
        (What::Show, _) => return reports::show(&mut connect()?, args, out).map(|()| true),
        (What::Ports, false) => Question::Ports,
        (What::Ports, true) => Question::PortCounters,
        (What::Tables, _) => Question::Tables,
        (What::Groups, false) => Question::Groups,
        (What::Groups, true) => Question::GroupCounters,
        (What::Meters, false) => Question::Meters,
        (What::Meters, true) => Question::MeterCounters,
        (What::Queues, _) => Question::Queues,
        (What::Desc, _) => Question::Desc,
    };
    let mut client = connect()?;
    if args.json {
        reports::ask_json(&mut client, question, out)?;
    } else {
        reports::ask(&mut client, question, args, out)?;
    }
    Ok(true)
}
