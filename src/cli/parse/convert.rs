//! One line of text into its normal form and its bytes.

use super::{Args, Kind};
use crate::cli::filter::suggest::advised;
use crate::cli::message_text::{self, NotPrinted};
use crate::cli::ofctl_dump::names::NameTable;
use crate::flow::parse::{self, ParseError, ParsedFlow, ParsedGroup, ParsedMessage, ParsedPacketOut};
use crate::flow::text::{Names, Numbers, Printer, oxm};
use crate::openflow::match_fields::{Form, MatchFields, Strictness};
use crate::openflow::{DecodeError, EncodeError, Match, MessageType, Reader, Writer, Xid, message};

/// What came of a line.
pub(super) struct Parsed<'c> {
    /// The normal form.
    pub(super) text: Option<&'c [u8]>,
    /// The bytes; there may be some without a text.
    pub(super) bytes: Option<&'c [u8]>,
    /// What is wrong.
    pub(super) error: Option<String>,
}

/// Why a line has no bytes.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The text is not understood.
    #[error("{}", advised(.0))]
    Text(#[from] ParseError),
    /// A switch would refuse the match.
    #[error("Open vSwitch refuses it with {code}: {0}", code = .0.code)]
    Bytes(#[from] DecodeError),
    /// The message would be too long.
    #[error(transparent)]
    Length(#[from] EncodeError),
    /// The message has no text.
    #[error(transparent)]
    NotPrinted(#[from] NotPrinted),
}

/// Reads lines of one kind.
pub(super) struct Converter<'n> {
    kind: Kind,
    strictness: Strictness,
    lookup: &'n NameTable,
    printer: Printer<'n>,
    bytes: Writer,
    text: Vec<u8>,
}

impl<'n> Converter<'n> {
    pub(super) fn new(args: &Args, names: &'n NameTable) -> Self {
        let strictness = if args.loose { Strictness::Loose } else { Strictness::Strict };
        let shown: &dyn Names = if args.names { names } else { &Numbers };
        let (bytes, text) = (Writer::new(), Vec::new());
        Self { kind: args.kind, strictness, lookup: names, printer: Printer::new(shown), bytes, text }
    }

    /// Converts one line.
    pub(super) fn convert(&mut self, line: &str) -> Parsed<'_> {
        self.bytes.clear();
        self.text.clear();
        let error = self.line(line).err().map(|error| error.to_string());
        Parsed {
            text: error.is_none().then_some(self.text.as_slice()),
            bytes: (error.is_none() || !self.bytes.is_empty()).then(|| self.bytes.as_slice()),
            error,
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Error> {
        match self.kind {
            Kind::Flow => self.flow(&parse::flow_mod(line, self.lookup)?),
            Kind::Bundle => match parse::bundle(line, self.lookup)? {
                ParsedMessage::Flow(flow) => self.flow(&flow),
                ParsedMessage::Group(group) => self.group(&group),
                ParsedMessage::PacketOut(packet) => self.packet_out(&packet),
            },
            Kind::Group => self.group(&parse::group(line, self.lookup)?),
            Kind::Meter => {
                let meter = parse::meter(line)?;
                self.framed(MessageType::METER_MOD, |writer| meter.to_meter_mod().encode(writer))
            }
            Kind::PacketOut => self.packet_out(&parse::packet_out(line, self.lookup)?),
            Kind::TlvMap => {
                parse::tlv_map(line)?.encode(&mut self.bytes, Xid(0))?;
                self.message_text()
            }
            Kind::Match => {
                let tlvs = parse::matching(line, self.lookup)?;
                self.printer.matching(&tlvs, &mut self.text)?;
                Ok(Match::encode_tlvs(&tlvs, &mut self.bytes)?)
            }
            Kind::Actions => {
                let actions = parse::actions(line, self.lookup)?;
                self.printer.actions(Reader::new(&actions), &mut self.text)?;
                self.bytes.bytes(&actions);
                Ok(())
            }
            Kind::Oxm => self.headers(line, Form::Oxm),
            Kind::Nxm => self.headers(line, Form::Nxm),
        }
    }

    fn flow(&mut self, flow: &ParsedFlow) -> Result<(), Error> {
        let flow = flow.to_flow_mod();
        self.printer.flow_mod(&flow, &mut self.text)?;
        Ok(message(&mut self.bytes, MessageType::FLOW_MOD, Xid(0), |writer| flow.encode(writer))?)
    }

    fn group(&mut self, group: &ParsedGroup) -> Result<(), Error> {
        self.framed(MessageType::GROUP_MOD, |writer| group.to_group_mod().encode(writer))
    }

    fn packet_out(&mut self, packet: &ParsedPacketOut) -> Result<(), Error> {
        packet.to_packet_out().encode(&mut self.bytes, Xid(0))?;
        self.message_text()
    }

    fn framed(&mut self, message_type: MessageType, encode: impl FnOnce(&mut Writer)) -> Result<(), Error> {
        message(&mut self.bytes, message_type, Xid(0), |writer| {
            encode(writer);
            Ok(())
        })?;
        self.message_text()
    }

    /// The text of the message, as that of any, or the error that a switch would answer.
    fn message_text(&mut self) -> Result<(), Error> {
        let mut out = Vec::new();
        if let Some(error) = message_text::message(self.bytes.as_slice(), &mut out)? {
            return Err(error.into());
        }
        self.text.extend_from_slice(behind_heading(&String::from_utf8_lossy(&out)).as_bytes());
        Ok(())
    }

    /// A list of headers in canonical form.
    fn headers(&mut self, line: &str, form: Form) -> Result<(), Error> {
        let tlvs = parse::oxm(line)?;
        let fields = MatchFields::decode(Reader::new(&tlvs), form, self.strictness)?;
        let mut writer = Writer::new();
        fields.encode(form, &mut writer);
        oxm(writer.as_slice(), &mut self.text)?;
        if form == Form::Oxm {
            return Ok(Match::encode_tlvs(writer.as_slice(), &mut self.bytes)?);
        }
        self.bytes.bytes(writer.as_slice());
        self.bytes.zeros(writer.len().next_multiple_of(8) - writer.len());
        Ok(())
    }
}

/// What stands behind the name and the xid of a message.
fn behind_heading(text: &str) -> &str {
    text.split_once("(xid=0x0):").map_or(text, |(_, rest)| rest).trim()
}
