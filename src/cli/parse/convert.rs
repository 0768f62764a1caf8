//! One line of text into its normal form and its bytes.

use super::{Args, Kind};
use crate::cli::message_text;
use crate::cli::ofctl_dump::names::NameTable;
use crate::flow::parse::{self, ParseError, ParsedFlow, ParsedMessage};
use crate::flow::text::{Names, Numbers, Printer, oxm};
use crate::openflow::match_fields::{Form, MatchFields, Strictness};
use crate::openflow::{DecodeError, EncodeError, Match, MessageType, Reader, Writer, Xid, message};

/// What came of a line.
#[derive(Default)]
pub(super) struct Parsed {
    /// The normal form.
    pub(super) text: Option<String>,
    /// The bytes, in hexadecimal.
    pub(super) hex: Option<String>,
    /// What is wrong.
    pub(super) error: Option<String>,
}

/// Why a line has no bytes.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The text is not understood.
    #[error(transparent)]
    Text(#[from] ParseError),
    /// A switch would refuse the match.
    #[error("a match that Open vSwitch refuses: {}", .0.code)]
    Match(#[from] DecodeError),
    /// The message would be too long.
    #[error(transparent)]
    Length(#[from] EncodeError),
}

/// Reads lines of one kind.
pub(super) struct Converter<'n> {
    kind: Kind,
    strictness: Strictness,
    lookup: &'n NameTable,
    printer: Printer<'n>,
}

impl<'n> Converter<'n> {
    pub(super) fn new(args: &Args, names: &'n NameTable) -> Self {
        let strictness = if args.loose { Strictness::Loose } else { Strictness::Strict };
        let shown: &dyn Names = if args.names { names } else { &Numbers };
        Self { kind: args.kind, strictness, lookup: names, printer: Printer::new(shown) }
    }

    /// Converts one line.
    pub(super) fn convert(&mut self, line: &str) -> Parsed {
        match self.bytes_and_text(line) {
            Ok((bytes, text)) => {
                let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let (text, error) = text.map_or_else(|error| (None, Some(error)), |text| (Some(text), None));
                Parsed { text, hex: Some(hex), error }
            }
            Err(error) => Parsed { error: Some(error.to_string()), ..Parsed::default() },
        }
    }

    fn bytes_and_text(&mut self, line: &str) -> Result<(Vec<u8>, Result<String, String>), Error> {
        match self.kind {
            Kind::Flow => self.flow(&parse::flow_mod(line, self.lookup)?),
            Kind::Bundle => match parse::bundle(line, self.lookup)? {
                ParsedMessage::Flow(flow) => self.flow(&flow),
                ParsedMessage::Group(group) => {
                    framed(MessageType::GROUP_MOD, |writer| group.to_group_mod().encode(writer))
                }
                ParsedMessage::PacketOut(packet) => printed(|writer| packet.to_packet_out().encode(writer, Xid(0))),
            },
            Kind::Group => {
                let group = parse::group(line, self.lookup)?;
                framed(MessageType::GROUP_MOD, |writer| group.to_group_mod().encode(writer))
            }
            Kind::Meter => {
                let meter = parse::meter(line)?;
                framed(MessageType::METER_MOD, |writer| meter.to_meter_mod().encode(writer))
            }
            Kind::PacketOut => {
                let packet = parse::packet_out(line, self.lookup)?;
                printed(|writer| packet.to_packet_out().encode(writer, Xid(0)))
            }
            Kind::TlvMap => {
                let mappings = parse::tlv_map(line)?;
                printed(|writer| mappings.encode(writer, Xid(0)))
            }
            Kind::Match => {
                let tlvs = parse::matching(line, self.lookup)?;
                let mut out = Vec::new();
                self.printer.matching(&tlvs, &mut out)?;
                Ok((of_match(&tlvs)?, Ok(lossy(&out))))
            }
            Kind::Actions => {
                let actions = parse::actions(line, self.lookup)?;
                let mut out = Vec::new();
                self.printer.actions(Reader::new(&actions), &mut out)?;
                Ok((actions, Ok(lossy(&out))))
            }
            Kind::Oxm => self.headers(line, Form::Oxm),
            Kind::Nxm => self.headers(line, Form::Nxm),
        }
    }

    fn flow(&mut self, flow: &ParsedFlow) -> Result<(Vec<u8>, Result<String, String>), Error> {
        let flow = flow.to_flow_mod();
        let mut out = Vec::new();
        self.printer.flow_mod(&flow, &mut out)?;
        let mut writer = Writer::new();
        message(&mut writer, MessageType::FLOW_MOD, Xid(0), |writer| flow.encode(writer))?;
        Ok((writer.into_vec(), Ok(lossy(&out))))
    }

    /// A list of headers in canonical form.
    fn headers(&self, line: &str, form: Form) -> Result<(Vec<u8>, Result<String, String>), Error> {
        let tlvs = parse::oxm(line)?;
        let fields = MatchFields::decode(Reader::new(&tlvs), form, self.strictness)?;
        let mut writer = Writer::new();
        fields.encode(form, &mut writer);
        let mut out = Vec::new();
        oxm(writer.as_slice(), &mut out)?;
        let bytes = match form {
            Form::Oxm => of_match(writer.as_slice())?,
            Form::Nxm => {
                let padding = writer.len().next_multiple_of(8) - writer.len();
                writer.zeros(padding);
                writer.into_vec()
            }
        };
        Ok((bytes, Ok(lossy(&out))))
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn of_match(tlvs: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::new();
    Match::encode_tlvs(tlvs, &mut writer)?;
    Ok(writer.into_vec())
}

fn framed(
    message_type: MessageType,
    encode: impl FnOnce(&mut Writer),
) -> Result<(Vec<u8>, Result<String, String>), Error> {
    printed(|writer| {
        message(writer, message_type, Xid(0), |writer| {
            encode(writer);
            Ok(())
        })
    })
}

/// A message, and its text as that of any message; or the error that a switch would answer.
fn printed(
    encode: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<(Vec<u8>, Result<String, String>), Error> {
    let mut writer = Writer::new();
    encode(&mut writer)?;
    let mut out = Vec::new();
    let text = match message_text::message(writer.as_slice(), &mut out) {
        Ok(None) => Ok(behind_heading(&lossy(&out)).to_owned()),
        Ok(Some(error)) => Err(format!("a message that Open vSwitch refuses: {}", error.code)),
        Err(error) => Err(error.to_string()),
    };
    Ok((writer.into_vec(), text))
}

/// What stands behind the name and the xid of a message.
fn behind_heading(text: &str) -> &str {
    text.split_once("(xid=0x0):").map_or(text, |(_, rest)| rest).trim()
}
