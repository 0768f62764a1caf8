//! Matches against what Open vSwitch 3.1 makes of them: as text, as lists of headers, as bytes.
//!
//! The files are not part of the project: `../shared/corpora`, or the folder in `HEDDLE_CORPORA`.

#[path = "support/corpora.rs"]
mod corpora;

use corpora::{file, rows};
use heddle::flow::{parse, text};
use heddle::openflow::match_fields::{Form, MatchFields, Strictness, canonical};
use heddle::openflow::oxm::Field;
use heddle::openflow::{Match, Reader, Writer};
use serde_json::Value;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An `ofp_match` around the TLVs, or Nicira's form of it.
fn framed(tlvs: &[u8], form: Form) -> String {
    let mut writer = Writer::new();
    match form {
        Form::Oxm => Match::encode_tlvs(tlvs, &mut writer).unwrap(),
        Form::Nxm => {
            let mark = writer.begin();
            writer.bytes(tlvs);
            writer.pad8(mark);
        }
    }
    hex(writer.as_slice())
}

/// Text and bytes of a row's match in canonical form, or the name of its error.
fn normalised(row: &Value) -> Result<(String, String), String> {
    let form = if row["cmd"] == "parse-nx-match" { Form::Nxm } else { Form::Oxm };
    let strictness = if row["strict"] == true { Strictness::Strict } else { Strictness::Loose };
    let tlvs = parse::oxm(row["input"].as_str().unwrap()).map_err(|error| error.to_string())?;
    if let Some(expected) = row["input_hex"].as_str() {
        assert_eq!(framed(&tlvs, form), expected, "{}", row["name"]);
    }
    let fields = MatchFields::decode(Reader::new(&tlvs), form, strictness).map_err(|error| error.code.to_string())?;
    let mut writer = Writer::new();
    fields.encode(form, &mut writer);
    let mut out = Vec::new();
    text::oxm(writer.as_slice(), &mut out).unwrap();
    Ok((String::from_utf8(out).unwrap(), framed(writer.as_slice(), form)))
}

#[test]
fn lists_of_headers_become_those_of_open_vswitch() {
    let (mut same, mut refused) = (0, 0);
    for row in rows("oxm.jsonl").iter().filter(|row| row["ok"] == true || row["only_in_newer_tests"] != true) {
        match (normalised(row), row["ok"] == true) {
            (Ok((text, hex)), true) => {
                assert_eq!(Some(text.as_str()), row["expected"].as_str(), "{}", row["name"]);
                // Nothing has no bytes there.
                assert_eq!(hex, row["hex"].as_str().unwrap_or_default(), "{}", row["name"]);
                same += 1;
            }
            (Err(error), false) => {
                let expected = row["error"].as_str().unwrap();
                assert!(error == expected || expected.starts_with("ovs-ofctl"), "{}: {error}, {expected}", row["name"]);
                refused += 1;
            }
            (found, _) => panic!("{}: {found:?}, expected {}", row["name"], row["expected"]),
        }
    }
    println!("oxm.jsonl: {same} the same, {refused} refused for the same reason");
}

#[test]
fn headers_have_the_codes_of_open_vswitch() {
    let Some(content) = file("oxm-headers.json") else { return };
    let headers: Value = serde_json::from_slice(&content).unwrap();
    for (name, code) in headers.as_object().unwrap() {
        let (bare, masked) = name.strip_suffix("_W").map_or((name.as_str(), false), |bare| (bare, true));
        let bytes = Field::by_header_name(bare).map_or(8, |field| usize::from(field.bytes));
        let value = "00".repeat(bytes);
        let text = if masked { format!("{name}({value}/{value})") } else { format!("{name}({value})") };
        let found = hex(&parse::oxm(&text).unwrap());
        assert!(found.starts_with(code.as_str().unwrap()), "{name}: {found}");
    }
}

#[test]
fn the_text_of_a_match_becomes_its_bytes() {
    let rows = rows("match-of13.jsonl");
    for row in &rows {
        let (match_text, expected) = (row["match"].as_str().unwrap(), row["oxm_hex"].as_str().unwrap());
        let tlvs = parse::matching(match_text, &parse::NoNames).unwrap_or_else(|error| panic!("{match_text}: {error}"));
        assert_eq!(canonical(Reader::new(&tlvs), Strictness::Strict).as_ref(), Ok(&tlvs), "{match_text}");
        let mut out = Vec::new();
        text::Printer::new(&text::Numbers).matching(&tlvs, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), match_text);
        // Open vSwitch leaves out the masks of these two when it prints them.
        let lossy = ["tun_metadata", "tun_gbp_flags"].iter().any(|field| match_text.contains(field));
        assert!(framed(&tlvs, Form::Oxm) == expected || lossy, "{match_text}: {tlvs:02x?}, {expected}");
    }
    println!("match-of13.jsonl: {} matches", rows.len());
}
