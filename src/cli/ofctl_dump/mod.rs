//! The program `ofctl-dump`: what a switch holds, as text.
//!
//! [`source`] reads flows, from a switch or from a text, into a [`dump`] that commands on flows work on; only
//! [`flows`] itself prints them as they arrive.

mod args;
pub mod color;
pub mod dump;
mod flows;
pub mod names;
mod paint;
pub mod sort;
pub mod source;
mod stand_ins;
mod switch;
pub mod text_dump;

use std::io::{self, Write};

pub use args::Args;
use args::{Command, What, WhatError};
use names::NameTable;
use source::{Source, SourceError};

use super::client::{Client, ClientError, ParseTargetError};
use super::explain::TopologyError;
use super::tables::name_known_tables;
use super::{decode, diff, graph, monitor, parse, snoop, watch};
use crate::openflow::{DecodeError, FlowStats, TableId};

/// What `ofctl-dump` can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flows, or where they should have come from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The command line.
    #[error(transparent)]
    What(#[from] WhatError),
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
    /// Lines that are no flows; each was told.
    #[error("not every line is a flow")]
    NotParsed,
    /// Comparing.
    #[error(transparent)]
    Diff(diff::Error),
    /// Listening to a controller.
    #[error(transparent)]
    Snoop(snoop::Error),
    /// Being told of changes.
    #[error(transparent)]
    Monitor(monitor::Error),
    /// Watching.
    #[error(transparent)]
    Watch(watch::Error),
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

error_of!(diff in Diff, snoop in Snoop, monitor in Monitor, watch in Watch);

/// Does what `args` ask for. True: something was found.
pub fn run(args: &Args, out: &mut impl Write) -> Result<bool, Error> {
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
        None => print(args, out),
    }
}

/// Prints what there is of a target.
fn print(args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    let (source, what) = (args.source()?, args.what()?);
    let connect = || match &source {
        Source::Switch(target) => Ok(Client::connect(target)?),
        Source::File(_) | Source::Stdin => Err(Error::OnlyFlows(source.name())),
    };
    match what {
        What::Flows if args.graph.is_some() || args.watch.is_some() => picture(&source, args, out)?,
        What::Flows => return flows::run(&source, args, out),
        What::Ports => switch::ports(&mut connect()?, out)?,
        What::Show => switch::show(&mut connect()?, out)?,
    }
    Ok(true)
}

/// The flows of a target other than as lines.
fn picture(source: &Source, args: &Args, out: &mut impl Write) -> Result<(), Error> {
    let kept = args.table;
    let keep = move |flow: &FlowStats<'_>| kept.is_none_or(|table| flow.table.0 == table);
    if let Some(format) = args.graph {
        let reading = source.read(&NameTable::default())?;
        let mut names = reading.dump.names.clone();
        name_known_tables(&mut names);
        let mut graph = graph::Graph::new(reading.dump.name.clone(), &names);
        for flow in reading.dump.flows.iter().filter(keep) {
            graph.add(&flow)?;
        }
        graph.write(format, out)?;
        reading.finish()?;
    }
    if let Some(interval) = args.watch {
        let Source::Switch(target) = source else { return Err(Error::OnlyFlows(source.name())) };
        let options = watch::Options {
            interval,
            count: args.count,
            table: args.table.map_or(TableId::ALL, TableId),
            filter: Box::new(keep),
            by_name: args.by_name(),
        };
        watch::run(target, options, out)?;
    }
    Ok(())
}
