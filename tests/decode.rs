//! Messages as text against what `ovs-ofctl -O OpenFlow13 ofp-print` 3.1 printed for the same bytes.
//!
//! The corpora are not part of the project: `../shared/corpora`, or the folder in `HEDDLE_CORPORA`.

#[path = "support/corpora.rs"]
mod corpora;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use corpora::rows;
use heddle::cli::message_text::message;
use serde_json::Value;

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Hexadecimal digits and the text expected for them.
type Case = (String, String);

fn pair(row: &Value, hex: &str, text: &str) -> Vec<Case> {
    let strings = |value: &Value| -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            list => list.as_array().into_iter().flatten().filter_map(Value::as_str).map(String::from).collect(),
        }
    };
    strings(&row[hex]).into_iter().zip(strings(&row[text])).collect()
}

/// Holds that every text is exact, and that there are at least so many of them, if the folder is there.
fn hold(name: &str, floor: usize, cases: impl Fn(&Value) -> Vec<Case>) {
    let (mut exact, mut wrong, mut not_yet, mut refused) = (0, 0, 0, 0);
    for row in rows(name) {
        if row["args"].as_array().is_some_and(|args| !args.is_empty()) {
            continue;
        }
        for (bytes, expected) in cases(&row) {
            let mut out = Vec::new();
            let result = message(&hex(&bytes), &mut out);
            // The error in full has the code that the text names.
            if let Ok(Some(error)) = &result {
                refused += 1;
                let named = format!("***decode error: {}***", error.code);
                assert!(expected.contains(&named), "{name}: {bytes}\n{error}\n{expected}");
            }
            match result {
                Ok(_) if out == expected.as_bytes() => exact += 1,
                Ok(_) => {
                    wrong += 1;
                    println!("{name}: {bytes}\nexpected {expected}   found {}", String::from_utf8_lossy(&out));
                }
                Err(error) => {
                    not_yet += 1;
                    println!("{name}: {error}");
                }
            }
        }
    }
    println!("{name}: {exact} exact, {refused} of them refused; {wrong} other, {not_yet} not printed yet");
    assert!(wrong + not_yet == 0, "{name}: {wrong} other, {not_yet} not printed");
    assert!(exact == 0 || exact >= floor, "{name}: {exact} of {floor}");
}

#[test]
fn captured_messages_print_as_ovs_ofctl_prints_them() {
    hold("messages-of13.jsonl", 117, |row| pair(row, "hex", "text"));
}

#[test]
fn messages_of_its_own_suite_print_as_ovs_ofctl_prints_them() {
    hold("ofp-print-of13.jsonl", 28, |row| pair(row, "hex", "expected"));
}

#[test]
fn messages_of_other_versions_print_as_ovs_ofctl_prints_them() {
    hold("ofp-print-derived13.jsonl", 123, |row| pair(row, "hex", "expected"));
}

#[test]
fn every_error_prints_as_ovs_ofctl_prints_it() {
    hold("errors-of13.jsonl", 120, |row| pair(row, "hex", "expected"));
}

#[test]
fn bundles_print_as_ovs_ofctl_prints_them() {
    hold("bundles-of13.jsonl", 1075, |row| {
        row["messages"].as_array().into_iter().flatten().flat_map(|row| pair(row, "hex", "text")).collect()
    });
}

#[test]
fn replies_of_a_switch_print_as_ovs_ofctl_prints_them() {
    hold("live-replies.jsonl", 178, |row| {
        row["replies"].as_array().into_iter().flatten().flat_map(|row| pair(row, "hex", "text")).collect()
    });
}

#[test]
fn messages_of_another_implementation_print_as_ovs_ofctl_prints_them() {
    hold("osken-of13/index.jsonl", 62, |row| pair(row, "hex", "ovs_text"));
}

#[test]
fn packet_outs_print_as_ovs_ofctl_prints_them() {
    hold("packetout-of13.jsonl", 61, |row| pair(row, "packet_out_hex", "text"));
}

#[test]
fn groups_print_as_ovs_ofctl_prints_them() {
    hold("groups-of13.jsonl", 127, |row| {
        let mut cases = pair(row, "group_mod_hex", "group_mod_text");
        cases.extend(pair(row, "group_desc_reply_hex", "group_desc_reply_text"));
        cases.extend(pair(row, "group_stats_reply_hex", "group_stats_reply_text"));
        cases
    });
}

#[test]
fn meters_print_as_ovs_ofctl_prints_them() {
    hold("meters-of13.jsonl", 30, |row| {
        let mut cases = pair(row, "meter_mod_hex", "meter_mod_text");
        cases.extend(pair(row, "meter_config_reply_hex", "meter_config_reply_text"));
        cases.extend(pair(row, "meter_stats_reply_hex", "meter_stats_reply_text"));
        cases
    });
}

/// Hexadecimal digits of our own, and what ovs-ofctl 3.1 prints for them.
const VECTORS: &[(&str, &str)] = &[
    ("04000010000000010001000800000010", "OFPT_HELLO (OF1.3) (xid=0x1):\n version bitmap: 0x04\n"),
    (
        "040200090000000241",
        "OFPT_ECHO_REQUEST (OF1.3) (xid=0x2): 1 bytes of payload\n00000000  41                                              |A               |\n",
    ),
    (
        "0401001400000003000400090414000800000003",
        "OFPT_ERROR (OF1.3) (xid=0x3): OFPBMC_BAD_PREREQ\nOFPT_BARRIER_REQUEST (OF1.3) (xid=0x3):\n",
    ),
    (
        "040600200000000400000000000000ab00000000fe0000000000004f00000000",
        "OFPT_FEATURES_REPLY (OF1.3) (xid=0x4): dpid:00000000000000ab\nn_tables:254, n_buffers:0\ncapabilities: FLOW_STATS TABLE_STATS PORT_STATS GROUP_STATS QUEUE_STATS\n",
    ),
    ("0409000c0000000500010080", "OFPT_SET_CONFIG (OF1.3) (xid=0x5): frags=drop miss_send_len=128\n"),
    ("0414000800000006", "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x6):\n"),
    (
        "040e0034000000070000000000000012000000000000000003000000001e00070000000a00000000ffffffff0000000000000000",
        "***decode error: OFPBRC_BAD_LEN***\n00000000  04 0e 00 34 00 00 00 07-00 00 00 00 00 00 00 12 |...4............|\n00000010  00 00 00 00 00 00 00 00-03 00 00 00 00 1e 00 07 |................|\n00000020  00 00 00 0a 00 00 00 00-ff ff ff ff 00 00 00 00 |................|\n00000030  00 00 00 00                                     |....            |\n",
    ),
    (
        "041800180000000800000002000000000000000000000009",
        "OFPT_ROLE_REQUEST (OF1.3) (xid=0x8): role=primary generation_id=9\n",
    ),
    (
        "041c002000000009000000050000000100000007000000060000000f00000000",
        "OFPT_SET_ASYNC (OF1.3) (xid=0x9):\n primary:\n       PACKET_IN: no_match invalid_ttl\n     PORT_STATUS: add delete modify\n    FLOW_REMOVED: idle hard delete group_delete\n     ROLE_STATUS: (off)\n    TABLE_STATUS: (off)\n  REQUESTFORWARD: (off)\n\n secondary:\n       PACKET_IN: no_match\n     PORT_STATUS: delete modify\n    FLOW_REMOVED: (off)\n     ROLE_STATUS: (off)\n    TABLE_STATUS: (off)\n  REQUESTFORWARD: (off)\n",
    ),
    (
        "041200380000000200010000000000000300000000000002ffffffff00000000000000000000000000000000000000000001000400000000",
        "OFPST_FLOW request (OF1.3) (xid=0x2): table=3 out_port=2\n",
    ),
    (
        "041300280000000a0002000000000000000000000000000300000000000001020000000200000000",
        "OFPST_AGGREGATE reply (OF1.3) (xid=0xa): packet_count=3 byte_count=258 flow_count=2\n",
    ),
    (
        "041300580000000b0003000000000000000000000000000100000000000000020000000000000003010000000000000100000000000000020000000000000003020000000000000500000000000000060000000000000007",
        "OFPST_TABLE reply (OF1.3) (xid=0xb):\n  table 0:\n    active=1, lookup=2, matched=3\n\n  table 1: ditto\n\n  table 2:\n    active=5, lookup=6, matched=7\n",
    ),
    (
        "04040018000000054f4e4600000008fc0000000700040003",
        "ONFT_BUNDLE_CONTROL (OF1.3) (xid=0x5):\n bundle_id=0x7 type=COMMIT_REQUEST flags=atomic ordered\n",
    ),
    (
        "04040028000000054f4e4600000008fd000000070000000204110010000000050300000000000000",
        "ONFT_BUNDLE_ADD_MESSAGE (OF1.3) (xid=0x5): ***decode error: OFPBFC_MSG_UNSUP***\n00000000  04 04 00 28 00 00 00 05-4f 4e 46 00 00 00 08 fd |...(....ONF.....|\n00000010  00 00 00 07 00 00 00 02-04 11 00 10 00 00 00 05 |................|\n00000020  03 00 00 00 00 00 00 00-                        |........        |\n",
    ),
];

fn decode(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ofctl-dump"))
        .arg("decode")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn one_message_of_each_kind_prints_as_ovs_ofctl_prints_it() {
    for (bytes, expected) in VECTORS {
        let mut out = Vec::new();
        message(&hex(bytes), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), *expected);
    }
    let arguments: Vec<&str> = VECTORS.iter().map(|(bytes, _)| *bytes).collect();
    let output = decode(&arguments, "");
    let expected: String = VECTORS.iter().map(|(_, text)| *text).collect();
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(0), expected));
}

#[test]
fn each_input_line_is_a_message_and_what_cannot_be_printed_is_told() {
    let input = "04140008 00000007\n041200080000\n0z\n041\n";
    let output = decode(&[], input);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("OFPT_BARRIER_REQUEST (OF1.3) (xid=0x7):\nOpenFlow"));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("message 3: column 2: expected a hexadecimal digit, found 'z'"), "{told}");
    assert!(told.contains("message 4: an odd number of hexadecimal digits: 3"), "{told}");
}

#[test]
fn what_is_wrong_with_a_message_is_told_in_full_beside_its_text() {
    let output = decode(&["0410000800000007"], "");
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout).unwrap().starts_with("***decode error: OFPBRC_BAD_LEN***\n00000000  04 10")
    );
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = "message 1: message.body at byte 8: found 0, expected the length of its kind (OFPBRC_BAD_LEN)";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_stream_is_read_message_by_message_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream");
    let mut stream = hex("0400001000000001000100080000001004140008000000020415000800000002");
    std::fs::write(&file, &stream).unwrap();
    let text = "OFPT_HELLO (OF1.3) (xid=0x1):\n version bitmap: 0x04\nOFPT_BARRIER_REQUEST (OF1.3) (xid=0x2):\n\
                OFPT_BARRIER_REPLY (OF1.3) (xid=0x2):\n";
    let path = file.to_str().unwrap();
    let output = decode(&["--stream", path], "");
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(0), text.to_owned()));

    for (tail, told) in [
        ("0414000800", "message 4: the stream ends 5 bytes into a message"),
        ("0414000700000003", "message 4: no message can begin so: header.length at byte 2: found 7"),
    ] {
        let length = stream.len();
        stream.extend(hex(tail));
        std::fs::write(&file, &stream).unwrap();
        stream.truncate(length);
        let output = decode(&["--stream", path], "");
        assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(2), text.to_owned()));
        let found = String::from_utf8(output.stderr).unwrap();
        assert!(found.contains(told), "{found}");
    }
}

#[test]
fn json_has_one_object_for_each_line() {
    let output = decode(&["--json"], &format!("0414000800000007\n010b005800000007{}\n", "00".repeat(80)));
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = "OFPT_BARRIER_REQUEST (OF1.3) (xid=0x7):\n";
    assert_eq!(lines[0], serde_json::json!({ "text": text, "hex": "0414000800000007", "error": null }));
    assert_eq!(lines[1]["error"], "message type not printed yet: OFPT_FLOW_REMOVED of OpenFlow version byte 0x01");
}
