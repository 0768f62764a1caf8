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
    (
        "040b003800000001000000000000000080000000000000000000000000000000000000000000000000000000000000000001000400000000",
        "OFPT_FLOW_REMOVED (OF1.3) (xid=0x1):  reason=idle table_id=0 duration0s idle0 pkts0 bytes0\n",
    ),
    ("04120018000000010005000000000000ffffffffffffffff", "OFPST_QUEUE request (OF1.3) (xid=0x1): port=ANY queue=ALL\n"),
    ("04120018000000010006000000000000fffffffc00000000", "OFPST_GROUP request (OF1.3) (xid=0x1): group_id=ALL\n"),
    ("04120010000000010007000000000000", "OFPST_GROUP_DESC request (OF1.3) (xid=0x1): group_id=ALL\n"),
    ("0412001000000001000d000000000000", "OFPST_PORT_DESC request (OF1.3) (xid=0x1): port=ANY\n"),
    (
        "0413003800000001000500000000000000000002000000030000000000000004000000000000000500000000000000060000000700000008",
        "OFPST_QUEUE reply (OF1.3) (xid=0x1): 1 queues\n  port 2 queue 3: bytes=4, pkts=5, errors=6, duration=7.000000008s\n",
    ),
    (
        "0413003800000001000600000000000000280000000000010000000000000000000000000000000000000000000000000000000000000000",
        "OFPST_GROUP reply (OF1.3) (xid=0x1):\n group_id=1,duration=0s,ref_count=0,packet_count=0,byte_count=0\n",
    ),
    (
        "041300380000000100080000000000000000000f000000070000000100000002000000030000000400000005000000060000000700000008",
        "OFPST_GROUP_FEATURES reply (OF1.3) (xid=0x1):\n Group table:\n    Types:  0xf\n    Capabilities:  0x7\n    all group:\n       max_groups=0x1\n       actions: output\n    select group:\n       max_groups=0x2\n       actions: <none>\n    indirect group:\n       max_groups=0x3\n       actions: output\n    fast failover group:\n       max_groups=0x4\n       actions: <none>\n",
    ),
    (
        "0413003800000001000900000000000000000001002800000000000000000000000000000000000000000000000000000000000000000000",
        "OFPST_METER reply (OF1.3) (xid=0x1):\nmeter:1 flow_count:0 packet_in_count:0 byte_in_count:0 duration:0s bands:\n",
    ),
    (
        "0413002000000001000b00000000000000000001000000020000000f04050000",
        "OFPST_METER_FEATURES reply (OF1.3) (xid=0x1):\nmax_meter:1 max_bands:4 max_color:5\nband_types: drop\ncapabilities: kbps pktps burst stats\n",
    ),
    (
        "0413002000000001ffff0000000000004f4e46000000074e0008000300000007",
        "ONFST_FLOW_MONITOR reply (OF1.3) (xid=0x1):\n event=ABBREV xid=0x7\n",
    ),
    (
        "04130028000000010007000000000000001800000000000100100000ffffffffffffffff00000000",
        "OFPST_GROUP_DESC reply (OF1.3) (xid=0x1):\n group_id=1,type=all,bucket=actions=drop\n",
    ),
    (
        "0413002800000001000a000000000000001800010000000100010010000000020000000000000000",
        "OFPST_METER_CONFIG reply (OF1.3) (xid=0x1):\nmeter=1 kbps bands=\ntype=drop rate=2\n",
    ),
    ("0416001000000001ffffffff00000000", "OFPT_QUEUE_GET_CONFIG_REQUEST (OF1.3) (xid=0x1): port=ANY\n"),
    (
        "0417003000000001000000010000000000000007000000010020000000000000000100100000000001f4000000000000",
        "OFPT_QUEUE_GET_CONFIG_REPLY (OF1.3) (xid=0x1): port=1\nqueue 7: min_rate:50.0%\n",
    ),
    (
        "04040020000000014f4e46000000077700000003010000000000000000000007",
        "ONFT_ROLE_STATUS (OF1.3) (xid=0x1): role=secondary generation_id=7 reason=configuration_changed\n",
    ),
    (
        "04040020000000014f4e46000000092e040f0010000000010000000000000001",
        "ONFT_REQUESTFORWARD (OF1.3) (xid=0x1): reason=group_mod\n ADD group_id=1,type=all\n",
    ),
    (
        "040400200000000100002320000000180000000000000000ffff010400020000",
        "NXT_TLV_TABLE_MOD (OF1.3) (xid=0x1):\n ADD mapping table:\n  class  type  length  match field\n ------  ----  ------  --------------\n 0xffff   0x1       4  tun_metadata2\n",
    ),
    (
        "0404002800000001000023200000001a00000100004000000000000000000000ffff010400020000",
        "NXT_TLV_TABLE_REPLY (OF1.3) (xid=0x1):\n max option space=256 max fields=64\n allocated option space=4\n\n mapping table:\n  class  type  length  match field\n ------  ----  ------  --------------\n 0xffff   0x1       4  tun_metadata2\n",
    ),
    (
        "0404001800000001000023200000001b0000000800000005",
        "NXT_SET_ASYNC_CONFIG2 (OF1.3) (xid=0x1):\n primary:\n       PACKET_IN: (off)\n     PORT_STATUS: (off)\n    FLOW_REMOVED: (off)\n     ROLE_STATUS: (off)\n    TABLE_STATUS: (off)\n  REQUESTFORWARD: (off)\n\n secondary:\n       PACKET_IN: no_match invalid_ttl\n     PORT_STATUS: (off)\n    FLOW_REMOVED: (off)\n     ROLE_STATUS: (off)\n    TABLE_STATUS: (off)\n  REQUESTFORWARD: (off)\n",
    ),
    ("0404001800000001000023200000001d000000000000000d", "NXT_CT_FLUSH_ZONE (OF1.3) (xid=0x1): zone_id=13\n"),
    (
        "0404002000000001000023200000002006000000000000000002000600050000",
        "NXT_CT_FLUSH (OF1.3) (xid=0x1): zone=5 'ct_ipv6_src=::,ct_ipv6_dst=::,ct_tp_src=0,ct_tp_dst=0,ct_nw_proto=6' 'ct_ipv6_src=::,ct_ipv6_dst=::,ct_tp_src=0,ct_tp_dst=0'\n",
    ),
    (
        "041301a800000001000c0000000000000088000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000ff000000000000000f00000000000003e80000000800010004000200050200000000040008000000040006000800000004000800108000000480000b0480000c02000a000880000c02000c000400000000000e0008800006060088010000000000000000000000000000000000000000000000000000000000000000000000000000000000000000ff000000000000000f00000000000003e80000000800010004000200050200000000040008000000040006000800000004000800108000000480000b0480000c02000a000880000c02000c000400000000000e0008800006060088020000000000000000000000000000000000000000000000000000000000000000000000000000000000000000ff000000000000000f00000000000003e80000000800010004000200050200000000040008000000040006000800000004000800108000000480000b0480000c02000a000880000c02000c000400000000000e000880000606",
        "OFPST_TABLE_FEATURES reply (OF1.3) (xid=0x1):\n  table 0:\n    metadata: match=0xff write=0xf\n    max_entries=1000\n    instructions (table miss and others):\n      next tables: 2\n      instructions: goto_table\n      Write-Actions features:\n        actions: output\n      Apply-Actions features:\n        actions: output\n        supported on Set-Field: eth_dst\n    matching:\n      arbitrary mask: eth_type\n      exact match or wildcard: vlan_vid\n      must exact match: in_port_oxm\n\n  tables 1...2: ditto\n",
    ),
    (
        "0413007000000001ffff0000000000000000232000000003000000000000000100000000000000020000000000000003000000000000000400000000000000050000000000000006000000000000000700000000000000080000000000000009000000000000000a0000000700000000",
        "NXST_IPFIX_BRIDGE reply (OF1.3) (xid=0x1):\n  bridge ipfix: flows=1, current flows=2, sampled pkts=3, ipv4 ok=4, ipv6 ok=5, tx pkts=9\n                pkts errs=6, ipv4 errs=7, ipv6 errs=8, tx errs=10\n",
    ),
    (
        "0413007000000001ffff0000000000000000232000000004000000000000000100000000000000020000000000000003000000000000000400000000000000050000000000000006000000000000000700000000000000080000000000000009000000000000000a0000000700000000",
        "NXST_IPFIX_FLOW reply (OF1.3) (xid=0x1): 1 ids\n  id   7: flows=1, current flows=2, sampled pkts=3, ipv4 ok=4, ipv6 ok=5, tx pkts=9\n          pkts errs=6, ipv4 errs=7, ipv6 errs=8, tx errs=10\n",
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
