//! The decoders against messages that Open vSwitch and os-ken made: decoded and encoded again they are
//! the same bytes, and errors bear the names that `ovs-ofctl` prints.
//!
//! The files are not part of the project: `../shared/corpora`, or the folder in `HEDDLE_CORPORA`.

#[path = "support/corpora.rs"]
mod corpora;

use std::collections::BTreeMap;

use corpora::rows;
use heddle::openflow::error_msg::ErrorMsg;
use heddle::openflow::{AnyMessage, Body, Message, MessageType, Reader, Writer};
use serde_json::Value;

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What one file's messages became.
#[derive(Default)]
struct Tally {
    same: usize,
    /// Padding that was not zero is.
    zeroed: Vec<String>,
    refused: usize,
    /// Refused by both for another reason: Open vSwitch looks at other fields first, or knows port numbers.
    otherwise: Vec<String>,
    wrong: Vec<String>,
}

impl Tally {
    /// Holds that `bytes`, which `ovs-ofctl` prints as `text`, come back the same, or are refused by both with the
    /// same error.
    fn hold(&mut self, name: &str, bytes: &[u8], text: &str) {
        let mut writer = Writer::new();
        match AnyMessage::decode(bytes) {
            Ok(message) => {
                message.encode(&mut writer).expect("what fitted a message fits one again");
                let again = AnyMessage::decode(writer.as_slice());
                if writer.as_slice() == bytes {
                    self.same += 1;
                } else if writer.len() == bytes.len() && again.as_ref() == Ok(&message) {
                    self.zeroed.push(name.to_owned());
                } else {
                    self.wrong.push(format!("{name}: {bytes:02x?}\nbecame {:02x?}\n{text}", writer.as_slice()));
                }
            }
            Err(error) => {
                let code = error.code.to_string();
                let truncated = text.contains("(***");
                if truncated || text.contains(&format!("***decode error: {code}***")) {
                    self.refused += 1;
                } else if text.contains("***decode error: ") {
                    self.otherwise.push(format!("{name}: {error}"));
                } else {
                    self.wrong.push(format!("{name}: refused, {error}\n{bytes:02x?}\n{text}"));
                }
            }
        }
    }

    /// `zeroed` and `otherwise` are how many of those there are.
    fn end(self, file: &str, zeroed: usize, otherwise: usize) {
        println!("{file}: {} the same, {} refused by both", self.same, self.refused);
        assert!(self.wrong.is_empty(), "{} of {file}:\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert!(self.zeroed.len() <= zeroed, "{file}: {:#?}", self.zeroed);
        assert!(self.otherwise.len() <= otherwise, "{file}: {:#?}", self.otherwise);
    }
}

/// The strings at `key`, of which a row may have one or many.
fn strings<'a>(row: &'a Value, key: &str) -> Vec<&'a str> {
    match &row[key] {
        Value::String(text) => vec![text],
        list => list.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    }
}

/// Holds all messages of a file that stand at `key`, with the texts at `text` if there are any.
fn hold(file: &str, (zeroed, otherwise): (usize, usize), keys: &[(&str, &str)]) {
    let mut tally = Tally::default();
    for row in rows(file) {
        let name = row["name"].as_str().or(row["input"].as_str()).unwrap_or("row");
        for (key, text) in keys {
            let texts = strings(&row, text);
            for (i, bytes) in strings(&row, key).into_iter().enumerate() {
                tally.hold(name, &hex(bytes), texts.get(i).copied().unwrap_or_default());
            }
        }
    }
    tally.end(file, zeroed, otherwise);
}

#[test]
fn messages_of_a_live_switch_and_of_its_suite_come_back_the_same() {
    hold("messages-of13.jsonl", (0, 0), &[("hex", "text")]);
    hold("ofp-print-of13.jsonl", (1, 0), &[("hex", "expected")]);
    hold("ofp-print-derived13.jsonl", (3, 7), &[("hex", "expected")]);
    hold("errors-of13.jsonl", (0, 0), &[("hex", "expected"), ("request_hex", "")]);
    hold("packetout-of13.jsonl", (0, 0), &[("packet_out_hex", "text")]);
    hold("osken-of13/index.jsonl", (0, 1), &[("hex", "ovs_text")]);
}

#[test]
fn groups_and_meters_come_back_the_same() {
    let groups = [
        ("group_mod_hex", "group_mod_text"),
        ("group_desc_reply_hex", "group_desc_reply_text"),
        ("group_stats_reply_hex", "group_stats_reply_text"),
        ("switch_error_hex", ""),
    ];
    hold("groups-of13.jsonl", (0, 0), &groups);
    let meters = [
        ("meter_mod_hex", "meter_mod_text"),
        ("meter_config_reply_hex", "meter_config_reply_text"),
        ("meter_stats_reply_hex", "meter_stats_reply_text"),
        ("switch_error_hex", ""),
    ];
    hold("meters-of13.jsonl", (0, 0), &meters);
}

#[test]
fn flows_and_their_statistics_come_back_the_same() {
    hold("flows-roundtrip.jsonl", (0, 0), &[("flow_mod_hex", ""), ("flow_stats_reply_hex", "flow_stats_reply_text")]);
    hold("oxm.jsonl", (0, 0), &[("flow_mod_hex", "")]);
    let mut tally = Tally::default();
    let stream = corpora::file("flowstats-dev.bin").unwrap_or_default();
    let mut reader = Reader::new(&stream);
    while !reader.is_empty() {
        let at = reader;
        let message = Message::decode_first(&mut reader).unwrap();
        let bytes = &at.rest()[..message.header.length.into()];
        assert!(matches!(AnyMessage::decode(bytes).unwrap().body, Body::MultipartReply { .. }));
        tally.hold("part", bytes, "");
    }
    tally.end("flowstats-dev.bin", 0, 0);
}

#[test]
fn bundles_come_back_the_same() {
    let mut tally = Tally::default();
    for row in rows("bundles-of13.jsonl") {
        for message in row["messages"].as_array().into_iter().flatten() {
            let bytes = hex(message["hex"].as_str().unwrap());
            tally.hold("bundle", &bytes, message["text"].as_str().unwrap());
        }
    }
    tally.end("bundles-of13.jsonl", 0, 0);
}

#[test]
fn odd_messages_and_their_answers_come_back_the_same() {
    // What ovs-ofctl prints for the messages that were sent stands in other files, under their names.
    let mut texts = BTreeMap::new();
    for file in ["ofp-print-of13.jsonl", "ofp-print-derived13.jsonl", "osken-of13/index.jsonl"] {
        for row in rows(file) {
            let text = row["expected"].as_str().or(row["ovs_text"].as_str()).unwrap_or_default();
            texts.insert(row["name"].as_str().unwrap_or_default().to_owned(), text.to_owned());
        }
    }
    let mut tally = Tally::default();
    for row in rows("live-replies.jsonl") {
        let name = row["name"].as_str().unwrap();
        let source = name.rsplit_once(' ').map_or(name, |(_, _)| name.split_once(' ').map_or(name, |(_, rest)| rest));
        let text = texts.get(source).map(String::as_str).or(row["sent_text"].as_str()).unwrap_or_default();
        tally.hold(name, &hex(row["sent_hex"].as_str().unwrap()), text);
        for reply in row["replies"].as_array().into_iter().flatten() {
            tally.hold(name, &hex(reply["hex"].as_str().unwrap()), reply["text"].as_str().unwrap());
        }
    }
    tally.end("live-replies.jsonl", 4, 8);
}

#[test]
fn errors_have_the_names_that_open_vswitch_prints() {
    let mut count = 0;
    for row in rows("errors-of13.jsonl") {
        let bytes = hex(row["hex"].as_str().unwrap());
        let message = Message::decode(&bytes).unwrap();
        let error = ErrorMsg::decode(message.body_of(MessageType::ERROR).unwrap()).unwrap();
        let printed = row["expected"].as_str().unwrap();
        let name = printed.split("): ").nth(1).unwrap().split(['\n', ' ']).next().unwrap();
        assert_eq!(error.code.name(), Some(name), "{printed}");
        count += 1;
    }
    println!("errors-of13.jsonl: {count} errors");
}

proptest::proptest! {
    /// Whatever a body holds, a decoder answers with a value or an error, and what it took it can write.
    #[test]
    fn no_body_makes_a_decoder_panic(
        message_type in 0u8..32,
        start in proptest::sample::select(vec!["", "ffff0000000000004f4e46000000074e", "4f4e4600000008fd", "000d000000000000", "000023200000001e"]),
        rest in proptest::collection::vec(proptest::prop_oneof![proptest::prelude::Just(0u8), 0u8..16, 0u8..=255], 0..160),
    ) {
        let mut bytes = vec![4, message_type, 0, 0, 0, 0, 0, 0];
        bytes.extend(hex(start));
        bytes.extend(rest);
        let length = bytes.len() as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let mut writer = Writer::new();
        if let Ok(message) = AnyMessage::decode(&bytes) {
            proptest::prop_assert!(message.encode(&mut writer).is_ok());
        }
    }
}
