//! `ofctl-dump parse`: flow text in normal form, or as the bytes of FLOW_MODs.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::flow::parse::{self, NoNames};
use crate::flow::text::{Numbers, Printer};
use crate::openflow::{MessageType, Writer, Xid, message};

/// Flow text in the syntax of ovs-ofctl in normal form, or as the bytes of FLOW_MODs.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// The bytes of the FLOW_MODs, in hexadecimal
    #[arg(long)]
    hex: bool,
    /// One JSON object for each line: text, hex, error
    #[arg(long, conflicts_with = "hex")]
    json: bool,
    /// Flows; standard input by default
    file: Option<PathBuf>,
}

/// Does what `args` ask for. True: every line was a flow. What is not goes to the standard error, with line and
/// column; the others are printed.
pub fn run(args: &Args, out: &mut impl Write) -> io::Result<bool> {
    let input: Box<dyn BufRead> = match &args.file {
        Some(path) => Box::new(BufReader::new(
            File::open(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?,
        )),
        None => Box::new(io::stdin().lock()),
    };
    let mut good = true;
    for (number, line) in input.lines().enumerate() {
        let line = line?;
        let blank = line.trim().is_empty() || line.trim_start().starts_with('#');
        if blank && !args.json {
            continue;
        }
        match convert(&line) {
            Ok((text, _)) if !args.json && !args.hex => writeln!(out, "{text}")?,
            Ok((_, hex)) if args.hex => writeln!(out, "{hex}")?,
            Ok((text, hex)) => writeln!(out, "{}", json!({"text": text, "hex": hex, "error": null}))?,
            Err(error) if args.json => writeln!(out, "{}", json!({"text": null, "hex": null, "error": error}))?,
            Err(error) => {
                good = false;
                eprintln!("ofctl-dump: line {}, {error}", number + 1);
            }
        }
    }
    Ok(good)
}

/// Text and bytes of a flow, or why it is none.
fn convert(line: &str) -> Result<(String, String), String> {
    let flow = parse::flow_mod(line, &NoNames).map_err(|error| error.to_string())?;
    let flow = flow.to_flow_mod();
    let mut text = Vec::new();
    Printer::new(&Numbers).flow_mod(&flow, &mut text).map_err(|error| error.to_string())?;
    let mut writer = Writer::new();
    message(&mut writer, MessageType::FLOW_MOD, Xid(0), |writer| flow.encode(writer))
        .map_err(|error| error.to_string())?;
    let hex = writer.as_slice().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((String::from_utf8_lossy(&text).into_owned(), hex))
}
