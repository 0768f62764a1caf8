//! `--json`: the schema of docs/OFCTL-DUMP.md, and that every flow there is fits it.

#[path = "support/corpora.rs"]
mod corpora;

use heddle::cli::json::{self, Printed, Statistics};
use heddle::flow::parse::{NoNames, flow_stats};
use heddle::flow::text::{Numbers, Printer};
use heddle::openflow::multipart::Multipart;
use heddle::openflow::{FlowStats, Message, Reader};
use serde_json::{Value, json};

fn line(flow: &FlowStats<'_>, statistics: Statistics) -> String {
    let (mut printer, mut text, mut out) = (Printer::new(&Numbers), Vec::new(), Vec::new());
    let range = match statistics {
        Statistics::Shown => printer.with_stats(flow, &mut text).unwrap(),
        Statistics::Hidden => printer.without_stats(flow, &mut text).unwrap(),
    };
    json::flow(flow, Printed { text: &text, match_text: (range.start, range.end), statistics }, &mut out);
    String::from_utf8(out).unwrap()
}

fn object(text: &str) -> Value {
    let flow = flow_stats(text, &NoNames).unwrap_or_else(|error| panic!("{text}: {error}"));
    serde_json::from_str(&line(&flow.to_flow_stats(), Statistics::Shown)).unwrap()
}

/// The text between a fence that begins with `fence` and its end.
fn block<'t>(page: &'t str, fence: &str) -> &'t str {
    let (_, rest) = page.split_once(fence).unwrap_or_else(|| panic!("the page has a block {fence:?}"));
    rest.split_once("```").unwrap().0
}

#[test]
fn the_example_in_the_documentation_is_what_the_program_prints() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OFCTL-DUMP.md")).unwrap();
    let section = page.split_once("\n## JSON\n").unwrap().1;
    let expected: Value = serde_json::from_str(block(section, "```json\n")).unwrap();
    assert_eq!(object(block(section, "```\n").trim_end()), expected);
}

#[test]
fn each_action_has_the_arguments_that_the_documentation_gives_it() {
    for (text, expected) in [
        ("actions=drop", json!([{"drop": true}])),
        (
            "actions=NORMAL,LOCAL,IN_PORT",
            json!([{"output": {"port": "NORMAL"}}, {"output": {"port": "LOCAL"}}, {"output": {"port": "IN_PORT"}}]),
        ),
        ("actions=CONTROLLER:128", json!([{"CONTROLLER": {"max_len": 128}}])),
        (
            "actions=controller(reason=no_match,max_len=12,id=3)",
            json!([{"controller": {"reason": "no_match", "max_len": 12, "id": 3}}]),
        ),
        ("actions=output:NXM_NX_REG0[16..31]", json!([{"output": {"port": "NXM_NX_REG0[16..31]"}}])),
        ("actions=resubmit:1", json!([{"resubmit": {"port": 1}}])),
        (
            "tcp,actions=ct_clear,ct(commit,force,table=4,zone=5,alg=ftp,nat)",
            json!([{"ct_clear": true}, {"ct": {"commit": true, "force": true, "table": 4, "zone": 5, "alg": "ftp", "nat": true}}]),
        ),
        (
            "ipv6,actions=ct(commit,nat(dst=[fe80::1]-[fe80::9]:80,random),exec(set_field:0x1->ct_mark))",
            json!([{"ct": {
                "commit": true,
                "nat": {
                    "type": "dst",
                    "addrs": {"start": "fe80::1", "end": "fe80::9"},
                    "ports": {"start": 80, "end": 80},
                    "random": true
                },
                "exec": [{"set_field": {"value": {"ct_mark": {"value": 1, "mask": 0xffff_ffff_u32}}, "dst": {"field": "ct_mark"}}}]
            }}]),
        ),
        (
            "ipv6,actions=ct(commit,nat(src=fe80::1))",
            json!([{"ct": {"commit": true, "nat": {"type": "src", "addrs": {"start": "fe80::1", "end": "fe80::1"}}}}]),
        ),
        (
            "actions=learn(table=10,hard_timeout=300,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],output:NXM_OF_IN_PORT[])",
            json!([{"learn": [
                {"table": 10},
                {"hard_timeout": 300.0},
                {"NXM_OF_VLAN_TCI[0..11]": {"field": "NXM_OF_VLAN_TCI", "start": 0, "end": 11}},
                {"NXM_OF_ETH_DST[]": {"field": "NXM_OF_ETH_SRC"}},
                {"load": {"value": 0, "dst": {"field": "NXM_OF_VLAN_TCI"}}},
                {"output": {"port": "NXM_OF_IN_PORT[]"}}
            ]}]),
        ),
        (
            "actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]",
            json!([{"move": {"src": {"field": "NXM_OF_ETH_SRC"}, "dst": {"field": "NXM_OF_ETH_DST"}}}]),
        ),
        ("ip,actions=dec_ttl,dec_ttl(1,2)", json!([{"dec_ttl": true}, {"dec_ttl": [1, 2]}])),
        ("actions=clone(output:1,output:2)", json!([{"clone": [{"output": {"port": 1}}, {"output": {"port": 2}}]}])),
        ("actions=conjunction(4,1/2)", json!([{"conjunction": {"id": 4, "k": 1, "n": 2}}])),
        ("actions=note:00.01,group:5", json!([{"note": "00.01.00.00.00.00"}, {"group": 5}])),
        (
            "actions=meter:3,output:1,write_metadata:0x5/0xff,goto_table:9",
            json!([{"meter": 3}, {"output": {"port": 1}}, {"write_metadata": {"value": 5, "mask": 255}}, {"goto_table": 9}]),
        ),
        (
            "actions=clear_actions,write_actions(output:1)",
            json!([{"clear_actions": true}, {"write_actions": [{"output": {"port": 1}}]}]),
        ),
        (
            "actions=push:NXM_NX_REG0[0..7],pop:NXM_NX_REG1[]",
            json!([{"push": {"field": "NXM_NX_REG0", "start": 0, "end": 7}}, {"pop": {"field": "NXM_NX_REG1"}}]),
        ),
    ] {
        assert_eq!(object(text)["actions"], expected, "{text}");
    }
}

#[test]
fn each_kind_of_match_has_the_value_that_the_documentation_gives_it() {
    for (text, expected) in [
        ("priority=32768", json!({})),
        ("priority=0", json!({"priority": 0})),
        ("dl_type=0x88cc", json!({"dl_type": 0x88cc})),
        ("vlan_tci=0/0x1fff", json!({"vlan_tci": {"value": 0, "mask": 0x1fff}})),
        ("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", json!({"dl_dst": "01:00:00:00:00:00/01:00:00:00:00:00"})),
        (
            "ip,nw_src=10.0.0.1,nw_dst=10.0.0.0/255.0.255.0",
            json!({"ip": true, "nw_src": "10.0.0.1", "nw_dst": "10.0.0.0/255.0.255.0"}),
        ),
        ("ipv6,ipv6_src=fe80::/64", json!({"ipv6": true, "ipv6_src": "fe80::/64"})),
        ("in_port=LOCAL", json!({"in_port": "LOCAL"})),
        ("packet_type=(1,0x894f)", json!({"packet_type": "(1,0x894f)"})),
        ("ct_zone=7,ct_mark=1", json!({"ct_zone": 7, "ct_mark": {"value": 1, "mask": 0xffff_ffff_u32}})),
        ("tcp,tcp_flags=+syn-ack,ip_frag=no", json!({"tcp": true, "tcp_flags": "+syn-ack", "nw_frag": "no"})),
        ("metadata=0xffffffffffffffff", json!({"metadata": {"value": u64::MAX, "mask": u64::MAX}})),
    ] {
        assert_eq!(object(&format!("{text} actions=drop"))["match"], expected, "{text}");
    }
}

#[test]
fn without_statistics_two_dumps_of_a_flow_are_the_same_line() {
    let lines = [
        "duration=1s, n_packets=5, n_bytes=9, cookie=0x1 actions=drop",
        "duration=7.5s, n_packets=6, cookie=0x1 actions=drop",
    ]
    .map(|text| line(&flow_stats(text, &NoNames).unwrap().to_flow_stats(), Statistics::Hidden));
    assert_eq!(lines[0], lines[1]);
    assert_eq!(
        lines[0],
        "{\"orig\":\"cookie=0x1, actions=drop\",\"info\":{\"cookie\":1,\"table\":0},\"match\":{},\"actions\":[{\"drop\":true}]}\n"
    );
}

#[test]
fn a_counter_that_the_switch_does_not_keep_is_null() {
    let info = &object("n_packets=?, n_bytes=9 actions=drop")["info"];
    assert_eq!((&info["n_packets"], &info["n_bytes"]), (&Value::Null, &json!(9)));
}

const INFO: [&str; 12] = [
    "cookie",
    "duration",
    "table",
    "n_packets",
    "n_bytes",
    "idle_timeout",
    "hard_timeout",
    "send_flow_rem",
    "check_overlap",
    "reset_counts",
    "no_packet_counts",
    "no_byte_counts",
];

/// Holds what the schema says of any flow.
fn check(flow: &Value) {
    let keys: Vec<_> = flow.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 4, "{flow}");
    assert!(["orig", "info", "match", "actions"].iter().all(|key| keys.contains(key)), "{flow}");
    assert!(
        flow["info"].as_object().unwrap().iter().all(|(key, value)| {
            INFO.contains(&key.as_str()) && (value.is_number() || value.is_boolean() || value.is_null())
        }),
        "{flow}"
    );
    for value in flow["match"].as_object().unwrap().values() {
        let masked = value
            .as_object()
            .is_some_and(|object| object.len() == 2 && value["value"].is_number() && value["mask"].is_number());
        assert!(masked || value.is_number() || value == &Value::Bool(true) || value.is_string(), "{flow}");
    }
    let actions = flow["actions"].as_array().unwrap();
    assert!(!actions.is_empty(), "{flow}");
    for action in actions {
        assert_eq!(action.as_object().unwrap().len(), 1, "{flow}");
    }
}

#[test]
fn every_flow_of_the_corpora_fits_the_schema() {
    let bytes = corpora::file("flowstats-dev.bin").unwrap_or_default();
    let (mut rest, mut count) = (Reader::new(&bytes), 0);
    while !rest.is_empty() {
        let message = Message::decode_first(&mut rest).unwrap();
        let mut body = Multipart::decode(message.body).unwrap().body.reader();
        while !body.is_empty() {
            let flow = FlowStats::decode(&mut body).unwrap();
            check(&serde_json::from_str(&line(&flow, Statistics::Shown)).unwrap());
            count += 1;
        }
    }
    println!("{count} flows fit");
}
