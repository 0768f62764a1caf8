//! Packets to the controller and back.

use super::{Context, Out, Stop, known_port, packet_text};
use crate::flow::check::verify;
use crate::flow::text::{Numbers, Printer};
use crate::openflow::kind::Kind;
use crate::openflow::match_fields::{Form, MatchFields, Strictness};
use crate::openflow::nx_packet_in::{NxPacketIn, PacketInFormat, SetPacketInFormat};
use crate::openflow::oxm::{PACKET_TYPE, Tlv, Tlvs};
use crate::openflow::packet::{NO_BUFFER, PacketIn, PacketOut};
use crate::openflow::packet_in2::{ContinuationProperty, NO_COOKIE, PacketIn2};
use crate::openflow::{Action, Cookie, DecodeError, ErrorCode, PortNo, Raw, Reader, TableId};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    let result = match context.kind() {
        Kind::PacketIn => PacketIn::decode(body).and_then(|packet| packet_in(&packet.into(), out)),
        Kind::PacketOut => packet_out(body, out),
        Kind::SetPacketInFormat => format(body, out),
        Kind::NxPacketIn => NxPacketIn::decode(body).and_then(|packet| packet_in(&packet.into(), out)),
        Kind::NxPacketIn2 | Kind::Resume => PacketIn2::decode(body).and_then(|packet| packet_in(&packet, out)),
        _ => return None,
    };
    Some(result.map_err(Stop::from))
}

fn format(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let format = SetPacketInFormat::decode(body)?.format;
    let name = match format {
        PacketInFormat::STANDARD => "standard",
        PacketInFormat::NXT_PACKET_IN => "nxt_packet_in",
        PacketInFormat::NXT_PACKET_IN2 => "nxt_packet_in2",
        PacketInFormat(unknown) => {
            let what = "nx_set_packet_in_format.format";
            return Err(body.error(what, unknown.into(), "0 to 2", ErrorCode::BRC_EPERM));
        }
    };
    put!(out, " format={name}");
    Ok(())
}

fn packet_out(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let mut at = body;
    at.skip(4, "packet_out.buffer_id")?;
    known_port(&at, PortNo({ at }.u32("packet_out.in_port")?))?;
    let packet = PacketOut::decode(body)?;
    let printer = Printer::new(&Numbers);
    let mut text = b" in_port=".to_vec();
    printer.port(packet.in_port, &mut text);
    put!(text, " actions=");
    append_actions(&mut text, packet.actions)?;
    if packet.in_port >= PortNo::MAX && ![PortNo::LOCAL, PortNo::ANY, PortNo::CONTROLLER].contains(&packet.in_port) {
        let expected = "a port, LOCAL, CONTROLLER or ANY";
        return Err(at.error("packet_out.in_port", packet.in_port.0.into(), expected, ErrorCode::BRC_BAD_PORT));
    }
    if packet.buffer_id == NO_BUFFER {
        put!(text, " data_len={}", packet.data.len());
        if !packet.data.is_empty() {
            text.push(b'\n');
            packet_text::packet(&mut text, 0, packet.data);
        }
    } else {
        put!(text, " buffer={:#010x}", packet.buffer_id);
    }
    out.append(&mut text);
    Ok(())
}

/// A packet-in of any form: everything, or nothing where a part of it is wrong.
fn packet_in(message: &PacketIn2<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let mut text = Vec::new();
    summary(message, &mut text)?;
    if !message.userdata.is_empty() {
        let bytes: Vec<String> = message.userdata.iter().map(|byte| format!("{byte:02x}")).collect();
        put!(text, " userdata={}\n", bytes.join("."));
    }
    Continuation::decode(message)?.print(&mut text);
    packet_text::packet(&mut text, packet_type(message.metadata)?, message.packet);
    out.append(&mut text);
    Ok(())
}

fn summary(message: &PacketIn2<'_>, text: &mut Out) -> Result<(), DecodeError> {
    if message.table_id != TableId(0) {
        put!(text, " table_id={}", message.table_id);
    }
    if message.cookie != NO_COOKIE {
        put!(text, " cookie={:#x}", message.cookie.0);
    }
    put!(text, " total_len={} ", message.full_len);
    metadata(text, message.metadata)?;
    match message.reason.name() {
        Some(name) => put!(text, " (via {name})"),
        None => put!(text, " (via {})", message.reason.0),
    }
    let (total, held) = (message.full_len as usize, message.packet.len());
    put!(text, " data_len={held}");
    if message.buffer_id == NO_BUFFER {
        put!(text, " (unbuffered)");
        if total != held {
            put!(text, " (***total_len != data_len***)");
        }
    } else {
        put!(text, " buffer={:#010x}", message.buffer_id);
        if total < held {
            put!(text, " (***total_len < data_len***)");
        }
    }
    text.push(b'\n');
    Ok(())
}

/// Fields of a packet: those that are not known or that take any value do not count, but the others must be right.
fn metadata(text: &mut Out, fields: Raw<'_>) -> Result<(), DecodeError> {
    MatchFields::decode(fields.reader(), Form::Oxm, Strictness::Loose)?;
    let mut reader = fields.reader();
    let mut known = Vec::new();
    while !reader.is_empty() {
        let start = reader.rest();
        let length = start.len();
        let tlv = Tlv::decode(&mut reader)?;
        let matches_all = tlv.mask.is_some_and(|mask| mask.iter().all(|&byte| byte == 0));
        if tlv.field().is_some_and(|field| !matches_all || field.is_variable()) {
            known.extend_from_slice(start.get(..length - reader.remaining()).unwrap_or_default());
        }
    }
    Printer::new(&Numbers).matching(&known, text)
}

/// What kind of packet the metadata says it is; without a word, an Ethernet frame.
fn packet_type(metadata: Raw<'_>) -> Result<u32, DecodeError> {
    for tlv in Tlvs::new(metadata.reader()) {
        let tlv = tlv?;
        if tlv.field() == Some(&PACKET_TYPE) {
            return Ok(tlv.number_value() as u32);
        }
    }
    Ok(0)
}

/// Where a packet waits, gathered from the properties of a continuation.
#[derive(Default)]
struct Continuation {
    bridge: [u8; 16],
    /// Values from the top, each with a blank in front.
    stack: Out,
    mirrors: u32,
    conntracked: bool,
    /// Actions with the flows that they come from.
    actions: Out,
    action_set: Out,
    odp_port: u32,
}

impl Continuation {
    fn decode(message: &PacketIn2<'_>) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        let mut of = (TableId(0), Cookie(0));
        for property in message.continuation() {
            match property? {
                ContinuationProperty::Bridge(uuid) => found.bridge = uuid,
                ContinuationProperty::Stack(value) => found.push(value),
                ContinuationProperty::Mirrors(mirrors) => found.mirrors = mirrors,
                ContinuationProperty::Conntracked(_) => found.conntracked = true,
                ContinuationProperty::TableId(table) => of.0 = table,
                ContinuationProperty::Cookie(cookie) => of.1 = cookie,
                ContinuationProperty::Actions(actions) => found.actions(of, actions)?,
                ContinuationProperty::ActionSet(actions) => found.action_set(actions)?,
                ContinuationProperty::OdpPort(port) => found.odp_port = port,
                ContinuationProperty::Other(_) => {}
            }
        }
        Ok(found)
    }

    fn push(&mut self, value: &[u8]) {
        match value.iter().position(|&byte| byte != 0).and_then(|first| value.get(first..)) {
            Some([first, rest @ ..]) => {
                put!(self.stack, " {first:#x}");
                rest.iter().for_each(|byte| put!(self.stack, "{byte:02x}"));
            }
            _ => put!(self.stack, " 0"),
        }
    }

    fn actions(&mut self, (table, cookie): (TableId, Cookie), actions: Raw<'_>) -> Result<(), DecodeError> {
        if !self.actions.is_empty() {
            self.actions.push(b',');
        }
        put!(self.actions, "unroll_xlate(table={table}, cookie={})", cookie.0);
        if actions.bytes().is_empty() {
            return Ok(());
        }
        let list = Action::decode_list(actions.reader())?;
        if list.iter().any(|action| matches!(action, Action::Conjunction { .. })) {
            // It stands alone in a list, and here is never alone: the flow stands in front.
            let (found, expected) = (list.len() as u64, "no conjunction");
            let code = ErrorCode::NXBAC_BAD_CONJUNCTION;
            return Err(actions.reader().error("continuation.actions", found, expected, code));
        }
        self.actions.push(b',');
        append_actions(&mut self.actions, actions)
    }

    fn action_set(&mut self, actions: Raw<'_>) -> Result<(), DecodeError> {
        if actions.bytes().is_empty() {
            return Ok(());
        }
        if !self.action_set.is_empty() {
            self.action_set.push(b',');
        }
        append_actions(&mut self.action_set, actions)
    }

    fn print(&self, out: &mut Out) {
        if self.bridge != [0; 16] {
            put!(out, " continuation.bridge=");
            uuid(out, self.bridge);
            out.push(b'\n');
        }
        if !self.stack.is_empty() {
            put!(out, " continuation.stack=(top)");
            out.extend_from_slice(&self.stack);
            put!(out, " (bottom)\n");
        }
        if self.mirrors != 0 {
            put!(out, " continuation.mirrors={:#x}\n", self.mirrors);
        }
        if self.conntracked {
            put!(out, " continuation.conntracked=true\n");
        }
        for (name, actions) in [("actions", &self.actions), ("action_set", &self.action_set)] {
            if !actions.is_empty() {
                put!(out, " continuation.{name}=");
                out.extend_from_slice(actions);
                out.push(b'\n');
            }
        }
        if self.odp_port != 0 {
            put!(out, " continuation.odp_port={}\n", self.odp_port);
        }
    }
}

/// Four words as a little-endian processor wrote them, which is what all that run Open vSwitch today are.
fn uuid(out: &mut Out, [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]: [u8; 16]) {
    let words = [[a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3], [d0, d1, d2, d3]];
    let [a, b, c, d] = words.map(u32::from_le_bytes);
    put!(out, "{a:08x}-{:04x}-{:04x}-{:04x}-{:04x}{d:08x}", b >> 16, b & 0xffff, c >> 16, c & 0xffff);
}

/// Appends a list of actions that Open vSwitch knows and that may stand together.
fn append_actions(out: &mut Out, actions: Raw<'_>) -> Result<(), DecodeError> {
    let reader = actions.reader();
    verify::actions(&Action::decode_list(reader)?).map_err(|violation| violation.at(&reader))?;
    Printer::new(&Numbers).actions(reader, out)
}
