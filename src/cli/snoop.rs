//! `ofctl-dump snoop`: what a switch and its controller say to each other, as they say it.

use std::io::{self, Write};
use std::ops::ControlFlow;

use clap::Args as ClapArgs;
use serde_json::json;

use super::client::{Client, ClientError, ParseTargetError, Peer, Target};
use super::hex::hex;
use super::{clock, message_text};
use crate::openflow::{Header, MessageType, Reader, kind};

/// What a bridge of this host and its controller say to each other, until Ctrl-C
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// A bridge, or a path to its management or snoop socket
    target: String,
    /// Only messages of these types, such as flow_mod,packet_in or ONFT_BUNDLE_CONTROL
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<Wanted>,
    /// When each message came, in UTC
    #[arg(long)]
    timestamp: bool,
    /// For each message one line of JSON: time, type, version, xid, text, hex
    #[arg(long)]
    json: bool,
    /// Stop after so many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// Why there is nothing to hear.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target.
    #[error(transparent)]
    Target(#[from] ParseTargetError),
    /// The socket.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No switch of this host.
    #[error("{0}: only a bridge of this host can be listened to; name it or its socket")]
    Remote(Target),
    /// Open vSwitch hangs up at once if there is no controller.
    #[error(
        "{0} has no connection to a controller to listen to: `ovs-vsctl get-controller {0}` tells whether it is given one"
    )]
    NoController(String),
    /// The output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// A type of messages that is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Wanted(String);

impl std::str::FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = plain(text);
        if kind::names().any(|name| answers_to(name, &word)) || type_names().any(|name| plain(name) == word) {
            return Ok(Self(word));
        }
        Err("expected the name of a message, such as flow_mod, packet_in, multipart_reply or bundle_control".to_owned())
    }
}

/// The types of OpenFlow 1.3.
fn type_names() -> impl Iterator<Item = &'static str> {
    (0..=u8::MAX).filter_map(|number| MessageType(number).name())
}

/// `OFPST_FLOW reply` and `flow_reply` are the same word.
fn plain(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    let prefix =
        ["ofpt_", "ofpst_", "onft_", "onfst_", "nxt_", "nxst_"].into_iter().find(|prefix| name.starts_with(prefix));
    name[prefix.map_or(0, str::len)..].to_owned()
}

/// `packet_in` asks for `NXT_PACKET_IN2` too, and `flow` for requests and replies.
fn answers_to(name: &str, word: &str) -> bool {
    let name = plain(name);
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    [name, name.trim_end_matches("_request"), name.trim_end_matches("_reply")]
        .iter()
        .any(|name| *name == word.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// Prints messages as they come.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Error> {
    let target = Target::parse(&args.target)?;
    let snoop = target.snoop().ok_or_else(|| Error::Remote(target.clone()))?;
    let bridge = target.bridge().unwrap_or("BRIDGE").to_owned();
    let mut client = Client::connect(&snoop).map_err(|error| match error {
        ClientError::Closed(_) => Error::NoController(bridge),
        error => error.into(),
    })?;
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut text = Vec::new();
    if left == 0 {
        return Ok(());
    }
    client.listen(Peer::Snoop, |bytes| {
        text.clear();
        let heard = Heard::new(bytes, &mut text);
        if !heard.is_wanted(&args.types) {
            return Ok(ControlFlow::Continue(()));
        }
        if args.json {
            heard.write_json(out)?
        } else {
            heard.write_text(args.timestamp, out)?
        }
        out.flush()?;
        left -= 1;
        Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
}

/// A message that was heard.
struct Heard<'a> {
    bytes: &'a [u8],
    /// Bytes of a message always begin with one.
    header: Option<Header>,
    text: &'a [u8],
    /// Why there is no text.
    failure: Option<String>,
}

impl<'a> Heard<'a> {
    fn new(bytes: &'a [u8], text: &'a mut Vec<u8>) -> Self {
        let failure = message_text::message(bytes, text).err().map(|error| error.to_string());
        let header = Header::decode(&mut Reader::new(bytes)).ok();
        Self { bytes, header, text, failure }
    }

    /// `OFPST_FLOW reply`: up to the version.
    fn name(&self) -> String {
        let text = String::from_utf8_lossy(self.text);
        let end = text.find(" (").unwrap_or(text.len());
        match (&self.failure, &self.header) {
            (None, _) if text.starts_with(|c: char| c.is_ascii_uppercase()) => text[..end].to_owned(),
            (_, Some(header)) => header.message_type.to_string(),
            _ => String::new(),
        }
    }

    fn is_wanted(&self, types: &[Wanted]) -> bool {
        let name = self.name();
        let type_name = self.header.and_then(|header| header.message_type.name()).map(plain).unwrap_or_default();
        types.is_empty() || types.iter().any(|Wanted(word)| answers_to(&name, word) || type_name == *word)
    }

    /// In the words of ovs-ofctl; a message that has none, as its bytes.
    fn write_text(&self, timestamp: bool, out: &mut impl Write) -> io::Result<()> {
        if timestamp {
            write!(out, "{}: ", clock::timestamp())?;
        }
        let Some(failure) = &self.failure else { return out.write_all(self.text) };
        let (version, xid) = self.header.map_or((0, 0), |header| (header.version, header.xid.0));
        writeln!(out, "{} (version {version:#04x}) (xid={xid:#x}): {failure}", self.name())?;
        let mut dump = Vec::new();
        message_text::hex_dump(&mut dump, self.bytes);
        out.write_all(&dump)
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let text = self.failure.is_none().then(|| String::from_utf8_lossy(self.text));
        let line = json!({
            "time": clock::timestamp(),
            "type": self.name(),
            "version": self.header.map(|header| header.version),
            "xid": self.header.map(|header| header.xid.0),
            "text": text,
            "error": self.failure,
            "hex": hex(self.bytes),
        });
        writeln!(out, "{line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(bytes: &[u8], types: &str) -> Option<String> {
        let mut text = Vec::new();
        let heard = Heard::new(bytes, &mut text);
        let types: Vec<Wanted> =
            types.split(',').filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect();
        let mut out = Vec::new();
        heard.write_text(false, &mut out).unwrap();
        heard.is_wanted(&types).then(|| String::from_utf8(out).unwrap())
    }

    const BARRIER: [u8; 8] = [4, 20, 0, 8, 0, 0, 0, 7];

    #[test]
    fn types_are_asked_for_by_any_of_their_names() {
        for types in ["", "barrier_request", "OFPT_BARRIER_REQUEST", "flow_mod,Barrier-Request", "barrier"] {
            assert_eq!(heard(&BARRIER, types).unwrap(), "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x7):\n", "{types}");
        }
        assert_eq!(heard(&BARRIER, "barrier_reply,flow_mod"), None);
        let desc_request = [4, 18, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        for types in ["desc", "OFPST_DESC request", "multipart_request"] {
            assert!(heard(&desc_request, types).is_some(), "{types}");
        }
        assert!(heard(&desc_request, "multipart_reply").is_none());
        assert!("flowmod".parse::<Wanted>().is_err());
        assert!(answers_to("NXT_PACKET_IN2", "packet_in") && answers_to("OFPT_PACKET_IN", "packet_in"));
    }

    #[test]
    fn a_message_without_text_is_its_bytes() {
        // A FLOW_MOD of OpenFlow 1.0.
        let mut bytes = [0; 72];
        bytes[..8].copy_from_slice(&[1, 14, 0, 72, 0, 0, 0, 9]);
        let text = heard(&bytes, "").unwrap();
        assert!(text.starts_with("OFPT_FLOW_MOD (version 0x01) (xid=0x9): "), "{text}");
        assert!(text.contains("\n00000000  01 0e 00 48 00 00 00 09-00 00"), "{text}");
        let (mut buffer, mut out) = (Vec::new(), Vec::new());
        Heard::new(&bytes, &mut buffer).write_json(&mut out).unwrap();
        let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&line["text"], &line["type"]), (&serde_json::Value::Null, &"OFPT_FLOW_MOD".into()));
        assert!(line["hex"].as_str().unwrap().starts_with("010e0048000000090000"));
    }
}
