//! `ofctl-dump decode`: OpenFlow messages as text, from hexadecimal digits or as they came over a connection.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::hex::hex;
use super::lines::Lines;
use super::message_text::{self, NotPrinted};
use crate::openflow::frame::FrameBuffer;
use crate::openflow::{AnyMessage, DecodeError, EncodeError, Writer};

/// OpenFlow messages as text, in the words of ovs-ofctl; without HEX one message in hex per input line
#[derive(Args, Debug)]
pub struct DecodeArgs {
    /// For each message one line of JSON: {"text": …, "hex": …, "error": …}
    #[arg(long)]
    json: bool,
    /// Messages one behind the other, as they came over a connection; - for the standard input
    #[arg(long, value_name = "FILE", conflicts_with = "hex")]
    stream: Option<PathBuf>,
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
    #[error("the stream ends {count} bytes into a message")]
    Cut { count: usize },
    #[error("no message can begin so: {0}")]
    Broken(DecodeError),
    #[error(transparent)]
    NotPrinted(#[from] NotPrinted),
}

/// Prints the messages; returns how many of them could not be. Those are told on the standard error stream, in
/// JSON in their own line; there too, in full, what is wrong with a message that has a text. Errors: input or output.
pub fn run(args: &DecodeArgs, out: &mut impl Write) -> io::Result<usize> {
    let mut cases = Cases { json: args.json, out, number: 0, failed: 0 };
    if let Some(path) = &args.stream {
        cases.stream(path)?;
    } else if args.hex.is_empty() {
        let mut lines = Lines::new(io::stdin().lock());
        while let Some((_, line)) = lines.next()? {
            cases.case(bytes(&line))?;
        }
    }
    for hex in &args.hex {
        cases.case(bytes(hex))?;
    }
    Ok(cases.failed)
}

/// Where the texts go, and how many there were.
struct Cases<'a, W> {
    json: bool,
    out: &'a mut W,
    number: usize,
    failed: usize,
}

impl<W: Write> Cases<'_, W> {
    /// Prints the messages of a stream, until it ends or what comes cannot be a message.
    fn stream(&mut self, path: &Path) -> io::Result<()> {
        let mut input: Box<dyn Read> =
            if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(open(path)?) };
        let mut buffer = FrameBuffer::new();
        loop {
            let count = input.read(buffer.spare())?;
            if count == 0 {
                return match buffer.pending() {
                    0 => Ok(()),
                    count => self.case(Err(CaseError::Cut { count })),
                };
            }
            buffer.filled(count);
            for frame in buffer.frames() {
                match frame {
                    Ok(frame) => self.case(Ok(frame.to_vec()))?,
                    Err(error) => return self.case(Err(CaseError::Broken(error))),
                }
            }
        }
    }

    /// Prints one message, or why there is none.
    fn case(&mut self, bytes: Result<Vec<u8>, CaseError>) -> io::Result<()> {
        self.number += 1;
        let mut text = Vec::new();
        let mut hex = Value::Null;
        let result = bytes.and_then(|bytes| {
            hex = again(&bytes);
            Ok(message_text::message(&bytes, &mut text)?)
        });
        self.failed += usize::from(result.is_err());
        if self.json {
            let (text, error) = match &result {
                Ok(_) => (Value::from(String::from_utf8_lossy(&text)), Value::Null),
                Err(error) => (Value::Null, Value::from(error.to_string())),
            };
            return writeln!(self.out, "{}", json!({ "text": text, "hex": hex, "error": error }));
        }
        self.out.write_all(if result.is_ok() { &text } else { &[] })?;
        let told = match result {
            Ok(None) => return Ok(()),
            Ok(Some(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.out.flush()?;
        eprintln!("ofctl-dump: message {}: {told}", self.number);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::open(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The message decoded and encoded again, if it is one.
fn again(bytes: &[u8]) -> Value {
    let encode = |message: AnyMessage<'_>| -> Result<Vec<u8>, EncodeError> {
        let mut writer = Writer::new();
        message.encode(&mut writer).map(|()| writer.into_vec())
    };
    let bytes = AnyMessage::decode(bytes).ok().and_then(|message| encode(message).ok());
    bytes.map_or(Value::Null, |bytes| hex(&bytes).into())
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
