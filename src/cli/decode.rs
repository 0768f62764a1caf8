//! `ofctl-dump decode`: OpenFlow messages in hexadecimal as text.

use std::io::{self, BufRead, Write};

use clap::Args;
use serde_json::{Value, json};

use super::message_text::{self, NotPrinted};

/// OpenFlow messages as text, in the words of ovs-ofctl; without HEX one message in hex per input line
#[derive(Args, Debug)]
pub struct DecodeArgs {
    /// For each message one line of JSON: {"text": …, "error": …}
    #[arg(long)]
    json: bool,
    /// A message in hexadecimal digits; blanks between them do not count
    hex: Vec<String>,
}

/// Why one case has no text.
#[derive(Debug, thiserror::Error)]
enum CaseError {
    #[error("column {column}: expected a hexadecimal digit, found {found:?}")]
    Digit { column: usize, found: char },
    #[error("an odd number of hexadecimal digits: {count}")]
    Odd { count: usize },
    #[error(transparent)]
    NotPrinted(#[from] NotPrinted),
}

/// Prints the messages; returns how many of them could not be. Those are told on the standard error stream, in
/// JSON in their own line. Errors: input or output.
pub fn run(args: &DecodeArgs, out: &mut impl Write) -> io::Result<usize> {
    let mut failed = 0;
    if args.hex.is_empty() {
        for (number, line) in io::stdin().lock().lines().enumerate() {
            failed += usize::from(!case(args, number + 1, &line?, out)?);
        }
    }
    for (number, hex) in args.hex.iter().enumerate() {
        failed += usize::from(!case(args, number + 1, hex, out)?);
    }
    Ok(failed)
}

/// Prints one message. False: it could not be.
fn case(args: &DecodeArgs, number: usize, hex: &str, out: &mut impl Write) -> io::Result<bool> {
    let mut text = Vec::new();
    let result = bytes(hex).and_then(|bytes| Ok(message_text::message(&bytes, &mut text)?));
    if args.json {
        let (text, error) = match &result {
            Ok(_) => (Value::from(String::from_utf8_lossy(&text)), Value::Null),
            Err(error) => (Value::Null, Value::from(error.to_string())),
        };
        writeln!(out, "{}", json!({ "text": text, "error": error }))?;
    } else if let Err(error) = &result {
        out.flush()?;
        eprintln!("ofctl-dump: message {number}: {error}");
    } else {
        out.write_all(&text)?;
    }
    Ok(result.is_ok())
}

fn bytes(hex: &str) -> Result<Vec<u8>, CaseError> {
    let mut digits = Vec::with_capacity(hex.len());
    for (column, found) in hex.chars().enumerate() {
        match found.to_digit(16) {
            Some(digit) => digits.push(digit as u8),
            None if found.is_whitespace() => {}
            None => return Err(CaseError::Digit { column: column + 1, found }),
        }
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    match rest {
        [] => Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect()),
        _ => Err(CaseError::Odd { count: digits.len() }),
    }
}
