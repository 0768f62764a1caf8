//! What has to hold for any bytes: nothing panics, and what was understood can be said again.
//!
//! Each function is one fuzz target. They take what a switch or a file says; `scripts/fuzz.sh` feeds them.

use heddle::cli::message_text;
use heddle::flow::parse::{self, NoNames};
use heddle::flow::text::{Numbers, Printer};
use heddle::openflow::frame::Framing;
use heddle::openflow::{Action, FlowMod, FlowStats, Instruction, Match, Reader, Writer};

/// A stream from a switch: every message of it is printed.
pub fn message(mut stream: &[u8]) {
    while let Framing::Frame(bytes) = Framing::of(stream) {
        let mut text = Vec::new();
        let _ = message_text::message(bytes, &mut text);
        stream = &stream[bytes.len()..];
    }
    // What is left is no whole message; a file may still hold it.
    let _ = message_text::message(stream, &mut Vec::new());
}

/// The TLVs of an `ofp_match`: what can be printed is read back as a match of the same text.
pub fn r#match(tlvs: &[u8]) {
    let mut writer = Writer::new();
    if Match::encode_tlvs(tlvs, &mut writer).is_err() {
        return;
    }
    let Ok(decoded) = Match::decode_tlvs(&mut Reader::new(writer.as_slice())) else { return };
    assert_eq!(decoded, tlvs);
    let mut text = Vec::new();
    if Printer::new(&Numbers).matching(decoded, &mut text).is_ok() {
        flow_again(&format!("{},actions=drop", utf8(&text)));
    }
}

/// Instructions, and the same bytes as actions: what decodes encodes to the same bytes.
pub fn actions(bytes: &[u8]) {
    let printer = Printer::new(&Numbers);
    if let Ok(list) = Action::decode_list(Reader::new(bytes)) {
        let mut writer = Writer::new();
        for action in &list {
            action.encode(&mut writer).expect("it came from a shorter buffer");
        }
        assert_eq!(Action::decode_list(Reader::new(writer.as_slice())).as_ref(), Ok(&list));
    }
    let _ = printer.actions(Reader::new(bytes), &mut Vec::new());
    let _ = Instruction::decode_list(Reader::new(bytes));
    let mut text = Vec::new();
    if printer.instructions(Reader::new(bytes), &mut text).is_ok() {
        // Text says less than bytes: reading it may be refused, but must not panic.
        let _ = parse::flow_mod(&format!("ip,{}", utf8(&text)), &NoNames);
    }
}

/// Flow text from a file: what was read prints as text that reads as the same bytes.
pub fn text(text: &[u8]) {
    for line in String::from_utf8_lossy(text).lines() {
        flow_again(line);
    }
}

/// Reads a flow, prints it as a switch's dump shows it, reads that, and holds the two equal.
fn flow_again(line: &str) {
    let Ok(first) = parse::flow(line, &NoNames) else { return };
    let printed = print(&first.to_flow_mod());
    let second = parse::flow(&printed, &NoNames)
        .unwrap_or_else(|error| panic!("{line:?} prints as {printed:?}: {error}"));
    // A match may say in bytes what text leaves out: that a packet has an Ethernet frame.
    let (first, second) = (first.to_flow_mod(), second.to_flow_mod());
    assert_eq!(first.instructions, second.instructions, "{line:?} prints as {printed:?}");
    assert_eq!(print(&second), printed, "of {line:?}");
}

fn print(flow: &FlowMod<'_>) -> String {
    let entry = FlowStats {
        table: flow.table,
        duration_sec: 0,
        duration_nsec: 0,
        priority: flow.priority,
        idle_timeout: flow.idle_timeout,
        hard_timeout: flow.hard_timeout,
        flags: flow.flags,
        cookie: flow.cookie,
        packet_count: 0,
        byte_count: 0,
        match_tlvs: flow.match_tlvs,
        instructions: flow.instructions,
        instructions_offset: 0,
    };
    let mut text = Vec::new();
    Printer::new(&Numbers).without_stats(&entry, &mut text).expect("what the parser made is well-formed");
    utf8(&text).to_owned()
}

fn utf8(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("printed text is UTF-8")
}
