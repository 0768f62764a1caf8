//! Writes what fuzzing starts from: `fuzz_seeds DIRECTORY` makes a folder for each target.
//!
//! From the flows of this repository, and from the corpora where they are (`HEDDLE_CORPORA`, or `../shared/corpora`
//! beside the repository).

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use heddle::flow::parse::{self, NoNames};
use heddle::openflow::packet::{PacketIn, PacketOut};
use heddle::openflow::{FlowMod, Message, MessageType, Writer, Xid, message};
use serde_json::Value;

/// Longer ones only slow the fuzzer down.
const LONGEST: usize = 4096;

fn main() -> io::Result<()> {
    let Some(directory) = std::env::args_os().nth(1) else {
        eprintln!("usage: fuzz_seeds DIRECTORY");
        std::process::exit(2);
    };
    let seeds = Seeds { directory: directory.into() };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in files(&repository.join("flows"), "flows")? {
        for line in fs::read_to_string(path)?.lines() {
            seeds.text(line)?;
        }
    }
    let corpora = std::env::var_os("HEDDLE_CORPORA").map_or(repository.join("../shared/corpora"), PathBuf::from);
    if !corpora.is_dir() {
        println!("corpora: not found, skipped");
        return Ok(());
    }
    for path in files(&corpora, "jsonl")? {
        for row in fs::read_to_string(path)?.lines() {
            seeds.row("", &serde_json::from_str(row)?)?;
        }
    }
    Ok(())
}

/// The files below `directory` with this extension.
fn files(directory: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|its| its == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

struct Seeds {
    directory: PathBuf,
}

impl Seeds {
    fn write(&self, target: &str, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() || bytes.len() > LONGEST {
            return Ok(());
        }
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let folder = self.directory.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{:016x}", hasher.finish())), bytes)
    }

    /// Every string in a row of the corpora: bytes in hexadecimal, or text.
    fn row(&self, key: &str, value: &Value) -> io::Result<()> {
        match value {
            Value::Object(members) => members.iter().try_for_each(|(key, value)| self.row(key, value)),
            Value::Array(items) => items.iter().try_for_each(|value| self.row(key, value)),
            Value::String(text) if key.contains("hex") => self.bytes(&from_hex(text)),
            Value::String(text) if ["input", "flow", "dumped", "normalised", "expected"].contains(&key) => {
                self.text(text)
            }
            _ => Ok(()),
        }
    }

    fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let Ok(whole) = Message::decode(bytes) else {
            // A match begins with its type, 1, and its length; all else are actions or instructions.
            return match bytes {
                [0, 1, _, length, tlvs @ ..] => {
                    self.write("match", tlvs.get(..usize::from(*length).saturating_sub(4)).unwrap_or(tlvs))
                }
                _ => self.write("actions", bytes),
            };
        };
        self.write("message", bytes)?;
        if let Ok(packet) = whole.body_of(MessageType::PACKET_OUT).and_then(PacketOut::decode) {
            self.write("packet", packet.data)?;
        }
        if let Ok(packet) = whole.body_of(MessageType::PACKET_IN).and_then(PacketIn::decode) {
            self.write("packet", packet.data)?;
        }
        match whole.body_of(MessageType::FLOW_MOD).and_then(FlowMod::decode) {
            Ok(flow) => self.parts(&flow),
            Err(_) => Ok(()),
        }
    }

    fn parts(&self, flow: &FlowMod<'_>) -> io::Result<()> {
        self.write("match", flow.match_tlvs)?;
        self.write("actions", flow.instructions)?;
        // The actions of an instruction follow its header.
        self.write("actions", flow.instructions.get(8..).unwrap_or_default())
    }

    fn text(&self, line: &str) -> io::Result<()> {
        self.write("text", line.as_bytes())?;
        let Ok(flow) = parse::flow_mod(line, &NoNames) else { return Ok(()) };
        let flow = flow.to_flow_mod();
        let mut writer = Writer::new();
        if message(&mut writer, MessageType::FLOW_MOD, Xid(1), |writer| flow.encode(writer)).is_ok() {
            self.write("message", writer.as_slice())?;
        }
        self.parts(&flow)
    }
}

/// The bytes; none if it is no hexadecimal.
fn from_hex(text: &str) -> Vec<u8> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect(),
        _ => Vec::new(),
    }
}
