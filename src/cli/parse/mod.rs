//! `ofctl-dump parse`: what `ovs-ofctl` takes as text, in normal form or as the bytes of messages.

mod convert;
mod port_names;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::{Args as ClapArgs, ValueEnum};
use convert::{Converter, Parsed};
use port_names::PortNames;
use serde_json::json;

use super::hex::hex;
use super::lines::Lines;
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

/// Does what `args` ask for. True: every line was good. What is not goes to the standard error, with line and
/// column; the others are printed.
pub fn run(args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    let mut names = NameTable::default();
    args.port_names.apply(&mut names).map_err(Error::Input)?;
    args.table_names.apply(&mut names, "")?;
    match &args.file {
        Some(path) => file(args, &names, &read(path).map_err(Error::Input)?, out),
        None => {
            let mut good = true;
            let told = |number, error: &str| {
                good = false;
                tell(number, error);
            };
            lines(args, &names, io::stdin().lock(), out, told)?;
            Ok(good)
        }
    }
}

/// Reads a file; an error names it.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn tell(number: usize, error: &str) {
    eprintln!("ofctl-dump: line {number}, {error}");
}

/// What came of some lines of a file.
#[derive(Default)]
struct Part {
    out: Vec<u8>,
    /// Numbers of lines, from 1 in this part, and what is wrong with them.
    errors: Vec<(usize, String)>,
    lines: usize,
}

impl Part {
    fn of(args: &Args, names: &NameTable, text: &[u8]) -> Result<Self, Error> {
        // A normal form is about as long as what it was made from.
        let mut part = Self { out: Vec::with_capacity(text.len() * 5 / 4), ..Self::default() };
        let errors = &mut part.errors;
        let told = |number, error: &str| errors.push((number, error.to_owned()));
        part.lines = lines(args, names, text, &mut part.out, told)?;
        Ok(part)
    }
}

/// Lines of a file: each is on its own, so all cores take their shares. What came of a share is written as soon as
/// it is its turn, and its memory serves the next ones.
fn file(args: &Args, names: &NameTable, text: &[u8], out: &mut impl Write) -> Result<bool, Error> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let shares = Mutex::new(shares(text, SHARE).enumerate());
    let take = || shares.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (sender, parts) = mpsc::sync_channel(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some((number, share)) = take() {
                    if sender.send((number, Part::of(args, names, share))).is_err() {
                        // Nobody reads what is written.
                        return;
                    }
                }
            });
        }
        drop(sender);
        write_in_order(parts, out)
    })
}

/// Writes what came of the shares, which arrive with their numbers from 0. True: every line was good.
fn write_in_order(parts: Receiver<(usize, Result<Part, Error>)>, out: &mut impl Write) -> Result<bool, Error> {
    let (mut early, mut due) = (BTreeMap::new(), 0);
    let (mut good, mut before) = (true, 0);
    for (number, part) in parts {
        early.insert(number, part);
        while let Some(part) = early.remove(&due).transpose()? {
            out.write_all(&part.out)?;
            part.errors.iter().for_each(|(number, error)| tell(before + number, error));
            good &= part.errors.is_empty();
            before += part.lines;
            due += 1;
        }
    }
    Ok(good)
}

/// How much of a file is converted at a time, in bytes.
const SHARE: usize = 256 * 1024;

/// Cuts a text at ends of lines into parts of `length` bytes and what is left of the last line.
fn shares(text: &[u8], length: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.iter().skip(length).position(|&byte| byte == b'\n');
        let (share, after) = rest.split_at(end.map_or(rest.len(), |end| length + end + 1));
        rest = after;
        (!share.is_empty()).then_some(share)
    })
}

/// Converts line by line; `told` hears what is wrong with which. Returns how many lines there were.
fn lines(
    args: &Args,
    names: &NameTable,
    input: impl BufRead,
    out: &mut impl Write,
    mut told: impl FnMut(usize, &str),
) -> Result<usize, Error> {
    let mut lines = Lines::new(input);
    let mut converter = Converter::new(args, names);
    let mut count = 0;
    while let Some((number, line)) = lines.next().map_err(Error::Input)? {
        count = number;
        let blank = line.trim().is_empty() || line.trim_start().starts_with('#');
        if blank && !args.json {
            continue;
        }
        let Parsed { text, bytes, error } = converter.convert(&line);
        if args.json {
            let text = text.map(String::from_utf8_lossy);
            writeln!(out, "{}", json!({"text": text, "hex": bytes.map(hex), "error": error}))?;
            continue;
        }
        match (bytes, text) {
            (Some(bytes), _) if args.hex => writeln!(out, "{}", hex(bytes))?,
            (_, Some(text)) if !args.hex => {
                out.write_all(text)?;
                out.write_all(b"\n")?;
            }
            _ => {}
        }
        if let Some(error) = error {
            told(number, &error);
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn a_text_is_cut_at_ends_of_lines_and_nothing_is_lost() {
        let line = format!("{}\n", "x".repeat(999));
        for (lines, last) in [(0, ""), (1, ""), (300, ""), (300, "the end"), (64, "y")] {
            let text = line.repeat(lines) + last;
            for length in [1, 999, 1000, 65_536, 1_000_000] {
                let found: Vec<&[u8]> = shares(text.as_bytes(), length).collect();
                assert_eq!(found.concat(), text.as_bytes());
                let (_, inner) = found.split_last().unwrap_or((&&[][..], &[]));
                assert!(inner.iter().all(|share| share.ends_with(b"\n") && share.len() > length));
            }
        }
    }
}
