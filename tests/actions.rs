//! Actions and instructions against those of Open vSwitch 3.1: decoded and encoded again they are the same bytes,
//! and what is refused is refused with the same error.
//!
//! The files are not part of the project: `../shared/corpora`, or the folder in `HEDDLE_CORPORA`.

#[path = "support/corpora.rs"]
mod corpora;

use corpora::rows;
use heddle::flow::check;
use heddle::openflow::oxm::Packet;
use heddle::openflow::{Action, DecodeError, FlowMod, Instruction, Message, Reader, Writer};
use serde_json::Value;

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// The bytes of what they were decoded to.
fn again(bytes: &[u8], instructions: bool) -> Result<Vec<u8>, String> {
    let mut writer = Writer::new();
    let reader = Reader::new(bytes);
    let encoded = if instructions {
        let list = Instruction::decode_list(reader).map_err(|error| error.to_string())?;
        list.iter().try_for_each(|instruction| instruction.encode(&mut writer))
    } else {
        let list = Action::decode_list(reader).map_err(|error| error.to_string())?;
        list.iter().try_for_each(|action| action.encode(&mut writer))
    };
    encoded.map_err(|error| error.to_string())?;
    Ok(writer.into_vec())
}

#[test]
fn actions_that_open_vswitch_takes_encode_to_the_bytes_that_they_were() {
    let (mut cases, mut others) = (0, Vec::new());
    // Open vSwitch itself passes over some padding and gives zeros back.
    let mut case = |hexadecimal: &str, instructions| {
        let bytes = hex(hexadecimal);
        cases += 1;
        if again(&bytes, instructions).as_ref() != Ok(&bytes) {
            others.push(format!("{hexadecimal}: {:?}", again(&bytes, instructions)));
        }
    };
    for row in rows("actions-of13.jsonl") {
        if row["kind"] == "text2hex" {
            case(text(&row, "instructions_hex"), true);
            case(text(&row, "actions_hex"), false);
        } else if row["ok"] == true && row["roundtrip_diffs"].as_array().is_none_or(Vec::is_empty) {
            case(text(&row, "hex"), text(&row, "cmd").starts_with("parse-instructions"));
        }
    }
    for row in rows("flows-roundtrip.jsonl") {
        let bytes = hex(text(&row, "flow_mod_hex"));
        let flow = FlowMod::decode(Message::decode(&bytes).unwrap().body).unwrap();
        let instructions: String = flow.instructions.iter().map(|byte| format!("{byte:02x}")).collect();
        case(&instructions, true);
    }
    println!("{} of {cases} lists of actions or instructions are the same bytes", cases - others.len());
    assert!(others.is_empty(), "{}", others.join("\n"));
}

/// What holds actions of a packet-out, or the instructions of a flow that takes every packet of its table.
fn refusal(row: &Value) -> Result<(), DecodeError> {
    let (table, hexadecimal) = text(row, "hex").split_once(',').unwrap_or(("0", text(row, "hex")));
    let bytes = hex(hexadecimal);
    let reader = Reader::new(&bytes);
    if text(row, "cmd").starts_with("parse-instructions") {
        let packet = Packet { table: table.parse().unwrap(), ..Packet::default() };
        return check::instructions_for(reader, packet).map(drop);
    }
    let list = Action::decode_list(reader)?;
    check::verify::actions(&list).map_err(|violation| violation.at(&reader))
}

#[test]
fn what_open_vswitch_refuses_is_refused_with_its_error() {
    let (mut cases, mut others) = (0, Vec::new());
    for row in rows("actions-of13.jsonl").iter().filter(|row| row["kind"] == "hex2text") {
        cases += 1;
        let first = row["expected"][0].as_str().unwrap();
        let expected = if row["ok"] == true { None } else { first.rsplit_once(": ").map(|(_, name)| name.to_owned()) };
        let found = refusal(row).err();
        if found.as_ref().map(|error| error.code.to_string()) != expected {
            others.push(format!("{}: found {found:?}, expected {first}", text(row, "hex")));
        }
    }
    println!("{} of {cases} lists of actions or instructions are taken or refused alike", cases - others.len());
    assert!(others.is_empty(), "{}", others.join("\n"));
}

#[test]
fn flows_that_open_vswitch_takes_fit_their_match() {
    let mut others = Vec::new();
    for row in rows("flows-roundtrip.jsonl") {
        let bytes = hex(text(&row, "flow_mod_hex"));
        let body = Message::decode(&bytes).unwrap().body;
        let flow = FlowMod::decode(body).unwrap();
        let checked = check::flow_mod(&flow, bytes.len() - flow.instructions.len());
        if row["switch"] == "ok" && checked.is_err() {
            others.push(format!("{}: {checked:?}", text(&row, "input")));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}
