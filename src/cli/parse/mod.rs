//! `ofctl-dump parse`: what `ovs-ofctl` takes as text, in normal form or as the bytes of messages.

mod convert;
mod port_names;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use convert::{Converter, Parsed};
use port_names::PortNames;
use serde_json::json;

use super::ofctl_dump::names::NameTable;
use super::ofctl_dump::table_names::{self, TableNames};

/// Text in the syntax of ovs-ofctl in normal form, or as the bytes of messages.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// What each line is
    #[arg(long = "as", value_name = "KIND", default_value = "flow", hide_default_value = true)]
    kind: Kind,
    /// The bytes, in hexadecimal
    #[arg(long)]
    hex: bool,
    /// One JSON object for each line: text, hex, error
    #[arg(long, conflicts_with = "hex")]
    json: bool,
    /// Ports that may stand by name: NAME=NUMBER,… or a FILE with one of these in a line
    #[arg(long, value_name = "PORTS", default_value = "", hide_default_value = true)]
    port_names: PortNames,
    /// Tables that may stand by name: the name of a set, or a FILE of names, as where flows are printed
    #[arg(long, value_name = "SET", default_value = "none", hide_default_value = true)]
    table_names: TableNames,
    /// Ports and tables of flows, matches and actions by name
    #[arg(long)]
    names: bool,
    /// Fields that are not known are passed over, and no prerequisites asked for (oxm and nxm)
    #[arg(long)]
    loose: bool,
    /// What to read; standard input by default
    file: Option<PathBuf>,
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    /// A flow, behind add, modify, modify_strict, delete or delete_strict, or to add (the default)
    Flow,
    /// A group, behind add, modify, add_or_mod or delete, or to add
    Group,
    /// A meter, behind add, modify or delete, or to add
    Meter,
    /// A packet-out
    PacketOut,
    /// A line of a bundle: flow …, group … or packet-out …
    Bundle,
    /// Mappings of tunnel options, behind add, delete or clear, or to add
    TlvMap,
    /// A match
    Match,
    /// Actions
    Actions,
    /// A match as a list of headers, as ovs-ofctl parse-oxm reads it
    Oxm,
    /// The same in Nicira's form, as ovs-ofctl parse-nx-match reads it
    Nxm,
}

/// Why nothing could be parsed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input, or a file of names, cannot be read.
    #[error("{0}")]
    Input(#[source] io::Error),
    /// There are no names of tables.
    #[error(transparent)]
    TableNames(#[from] table_names::Error),
    /// The output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// Opens a file; an error names it.
fn open(path: &PathBuf) -> io::Result<BufReader<File>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    File::open(path).map(BufReader::new).map_err(named)
}

/// Does what `args` ask for. True: every line was good. What is not goes to the standard error, with line and
/// column; the others are printed.
pub fn run(args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    let mut names = NameTable::default();
    args.port_names.apply(&mut names).map_err(Error::Input)?;
    args.table_names.apply(&mut names, "")?;
    let input: Box<dyn BufRead> = match &args.file {
        Some(path) => Box::new(open(path).map_err(Error::Input)?),
        None => Box::new(io::stdin().lock()),
    };
    let mut converter = Converter::new(args, &names);
    let mut good = true;
    for (number, line) in input.lines().enumerate() {
        let line = line.map_err(Error::Input)?;
        let blank = line.trim().is_empty() || line.trim_start().starts_with('#');
        if blank && !args.json {
            continue;
        }
        let Parsed { text, hex, error } = converter.convert(&line);
        if args.json {
            writeln!(out, "{}", json!({"text": text, "hex": hex, "error": error}))?;
            continue;
        }
        if let Some(line) = if args.hex { hex } else { text } {
            writeln!(out, "{line}")?;
        }
        if let Some(error) = error {
            good = false;
            eprintln!("ofctl-dump: line {}, {error}", number + 1);
        }
    }
    Ok(good)
}
