//! Groups, meters, packet-outs and bundles as text, against the messages that Open vSwitch 3.1 made of them.
//!
//! The files are not part of the project: `../shared/corpora`, or the folder in `HEDDLE_CORPORA`.

#[path = "support/corpora.rs"]
mod corpora;
#[path = "support/ports.rs"]
mod ports;

use corpora::rows;
use heddle::flow::parse::{self, ParsedMessage};
use heddle::openflow::{EncodeError, MessageType, Writer, Xid, message};
use ports::Ports;
use serde_json::Value;

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The message without its header, in hexadecimal.
fn body(encode: impl FnOnce(&mut Writer) -> Result<(), EncodeError>) -> String {
    let mut writer = Writer::new();
    encode(&mut writer).unwrap();
    writer.as_slice()[8..].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn framed(message_type: MessageType, encode: impl FnOnce(&mut Writer)) -> String {
    body(|writer| {
        message(writer, message_type, Xid(0), |writer| {
            encode(writer);
            Ok(())
        })
    })
}

fn bundle_body(parsed: &ParsedMessage) -> String {
    match parsed {
        ParsedMessage::Flow(flow) => {
            body(|writer| message(writer, MessageType::FLOW_MOD, Xid(0), |writer| flow.to_flow_mod().encode(writer)))
        }
        ParsedMessage::Group(group) => framed(MessageType::GROUP_MOD, |writer| group.to_group_mod().encode(writer)),
        ParsedMessage::PacketOut(packet) => body(|writer| packet.to_packet_out().encode(writer, Xid(0))),
    }
}

#[test]
fn groups_become_the_messages_of_ovs_ofctl() {
    let (mut same, mut refused) = (0, 0);
    for row in rows("groups-of13.jsonl") {
        let (input, sent) = (row["input"].as_str().unwrap(), strings(&row["group_mod_hex"]));
        match (parse::group(input, &Ports::of_corpora()), sent.first()) {
            (Ok(group), Some(sent)) => {
                let found = framed(MessageType::GROUP_MOD, |writer| group.to_group_mod().encode(writer));
                assert_eq!(found, sent[16..], "{input}");
                same += 1;
            }
            (Err(_), None) => refused += 1,
            (found, sent) => panic!("{input}: {found:?}, expected {sent:?}: {}", row["error"]),
        }
    }
    println!("groups-of13.jsonl: {same} the same, {refused} refused by both");
}

#[test]
fn meters_become_the_messages_of_ovs_ofctl() {
    let (mut same, mut refused) = (0, 0);
    for row in rows("meters-of13.jsonl") {
        let (input, sent) = (row["input"].as_str().unwrap(), strings(&row["meter_mod_hex"]));
        let command = if row["cmd"] == "del-meter" { "delete " } else { "" };
        match (parse::meter(&format!("{command}{input}")), sent.first()) {
            (Ok(meter), Some(sent)) => {
                let found = framed(MessageType::METER_MOD, |writer| meter.to_meter_mod().encode(writer));
                assert_eq!(found, sent[16..], "{input}");
                same += 1;
            }
            (Err(_), None) => refused += 1,
            (found, sent) => panic!("{input}: {found:?}, expected {sent:?}: {}", row["error"]),
        }
    }
    println!("meters-of13.jsonl: {same} the same, {refused} refused by both");
}

#[test]
fn packet_outs_become_the_messages_of_ovs_ofctl() {
    let (mut same, mut refused) = (0, 0);
    for row in rows("packetout-of13.jsonl") {
        // The old form of the command has three arguments.
        let input = match strings(&row["input"])[..] {
            [in_port, actions, packet] => format!("in_port={in_port} packet={packet} actions={actions}"),
            ref parts => parts.concat(),
        };
        match (parse::packet_out(&input, &Ports::of_corpora()), strings(&row["packet_out_hex"]).first()) {
            (Ok(packet), Some(sent)) => {
                assert_eq!(body(|writer| packet.to_packet_out().encode(writer, Xid(0))), sent[16..], "{input}");
                same += 1;
            }
            (Err(_), None) => refused += 1,
            (found, sent) => panic!("{input}: {found:?}, expected {sent:?}: {}", row["error"]),
        }
    }
    println!("packetout-of13.jsonl: {same} the same, {refused} refused by both");
}

/// The messages that a row's bundle was sent with, without their headers.
fn added(row: &Value) -> Vec<String> {
    let messages = row["messages"].as_array().into_iter().flatten().filter(|message| message["dir"] == ">");
    let hex = messages.map(|message| message["hex"].as_str().unwrap());
    hex.filter(|hex| hex[16..].starts_with("4f4e4600000008fd")).map(|hex| hex[64..].to_owned()).collect()
}

#[test]
fn bundles_become_the_messages_of_ovs_ofctl() {
    let (mut same, mut refused) = (0, 0);
    for row in rows("bundles-of13.jsonl") {
        let input = row["input"].as_str().unwrap();
        // An action of Open vSwitch's own tests, which no released switch takes.
        if input.contains("debug_recirc") {
            continue;
        }
        let sent = added(&row);
        let lines = input.lines().map(|line| line.split('#').next().unwrap_or_default());
        let lines = lines.filter(|line| !line.trim().is_empty());
        let parsed: Result<Vec<_>, _> = lines.map(line_of).collect();
        match parsed {
            Ok(found) => {
                assert_eq!(found, sent, "{input}");
                same += found.len();
            }
            Err(error) => {
                assert!(sent.is_empty(), "{input}: {error}");
                refused += 1;
            }
        }
    }
    println!("bundles-of13.jsonl: {same} messages the same, {refused} bundles refused by both");
}

/// A line of a bundle, or of a file of flows, which some rows are.
fn line_of(line: &str) -> Result<String, parse::ParseError> {
    let names = Ports::of_corpora();
    let of_bundle = ["flow ", "group ", "packet-out "].iter().any(|word| line.trim_start().starts_with(word));
    let parsed =
        if of_bundle { parse::bundle(line, &names)? } else { ParsedMessage::Flow(parse::flow_mod(line, &names)?) };
    Ok(bundle_body(&parsed))
}
