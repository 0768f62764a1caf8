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
use source::{Source, SourceError};

use super::client::{Client, ClientError, ParseTargetError};
use super::explain::TopologyError;
use super::{decode, parse};
use crate::openflow::DecodeError;

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
        What::Flows => return flows::run(&source, args, out),
        What::Ports => switch::ports(&mut connect()?, out)?,
        What::Show => switch::show(&mut connect()?, out)?,
    }
    Ok(true)
}
