//! `ofctl-dump --explain`, filters and `--json` on a real bridge with the flows of another controller.

mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::switch::Switch;

/// A security group as Neutron's agent makes it: who may come, what may come, and what follows.
const FLOWS: &[&str] = &[
    "table=0,priority=100,tcp,in_port=LOCAL,tp_dst=22,actions=resubmit(,82)",
    "table=82,priority=73,ip,nw_src=10.0.0.1,actions=conjunction(5,1/2)",
    "table=82,priority=73,ip,nw_src=10.0.0.2,actions=conjunction(5,1/2)",
    "table=82,priority=73,tcp,tp_dst=80,actions=conjunction(5,2/2)",
    "table=82,priority=73,tcp,tp_dst=443,actions=conjunction(5,2/2)",
    "table=82,priority=73,conj_id=5,ip,actions=load:0x5->NXM_NX_REG7[],LOCAL",
    "table=82,priority=0,actions=drop",
];

fn start() -> Option<Switch> {
    let switch = Switch::start(&["br0"])?;
    for flow in FLOWS {
        switch.run("ovs-ofctl", &["-O", "OpenFlow13", "add-flow", "br0", flow]);
    }
    Some(switch)
}

fn ofctl_dump(switch: &Switch, arguments: &[&str]) -> Output {
    let socket = switch.path("br0.mgmt");
    Command::new(env!("CARGO_BIN_EXE_ofctl-dump")).args(["--no-stats"]).arg(socket).args(arguments).output().unwrap()
}

fn printed(switch: &Switch, arguments: &[&str]) -> String {
    let output = ofctl_dump(switch, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_flows_of_a_conjunction_are_explained_as_one_rule() {
    let Some(switch) = start() else { return };
    let page = printed(&switch, &["flows", "--explain"]);
    let reason = |flow: &str| {
        let (_, rest) = page.split_once(flow).unwrap_or_else(|| panic!("{flow} in\n{page}"));
        rest.lines().nth(1).unwrap().trim_start_matches([' ', '#'])
    };
    assert_eq!(
        reason("conj_id=5,ip "),
        "rule 5: IPv4, if (from 10.0.0.1 or 10.0.0.2) and (TCP to port 80 or 443): gets reg7=0x5 and goes to the \
         bridge's own port"
    );
    assert_eq!(reason("ip,nw_src=10.0.0.2 "), "IPv4 from 10.0.0.2 meets condition 1 of 2 of rule 5");
    assert_eq!(reason("priority=100,"), "TCP to port 22 from port LOCAL goes to table 82");
    assert_eq!(reason("table=82, priority=0 "), "everything is dropped");
    // A rule is whole even where the filter leaves its conditions out, and where flows come as they are sent.
    for options in [&["flows", "conj_id=5", "--explain"][..], &["flows", "conj_id", "--explain", "--unsorted"]] {
        let alone = printed(&switch, options);
        assert!(alone.contains("if (from 10.0.0.1 or 10.0.0.2) and (TCP to port 80 or 443)"), "{alone}");
        assert!(!alone.contains("conjunction("), "{alone}");
    }
}

#[test]
fn a_filter_takes_the_flows_that_it_says() {
    let Some(switch) = start() else { return };
    let count = |filter: &str| printed(&switch, &["flows", filter]).lines().count();
    for (filter, expected) in [
        ("drop", 1),
        ("table=82 && !drop", 5),
        ("nw_src~=10.0.0.0/8", 2),
        ("conjunction.k=2 || conj_id", 3),
        ("in_port=LOCAL && resubmit.table>70", 1),
        ("in_port=br0", 1),
        ("n_packets>=0 and duration<3600 and (tcp or drop)", 4),
    ] {
        assert_eq!(count(filter), expected, "{filter}");
    }
    assert_eq!(
        printed(&switch, &["conj_id=5"]),
        " table=82, priority=73,conj_id=5,ip actions=load:0x5->NXM_NX_REG7[],LOCAL\n"
    );
    let nothing = ofctl_dump(&switch, &["flows", "arp"]);
    assert_eq!((nothing.status.code(), nothing.stdout.len(), nothing.stderr.len()), (Some(1), 0, 0));
    let refused = ofctl_dump(&switch, &["flows", "nw_scr=10.0.0.1"]);
    assert_eq!(refused.status.code(), Some(2));
    let reason = String::from_utf8(refused.stderr).unwrap();
    assert!(
        reason.starts_with("ofctl-dump: filter, column 1: ") && reason.ends_with("did you mean nw_src?\n"),
        "{reason}"
    );
}

#[test]
fn flows_are_json_in_the_order_of_the_text() {
    let Some(switch) = start() else { return };
    let text = printed(&switch, &["flows"]);
    let json = printed(&switch, &["flows", "--json"]);
    let objects: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), FLOWS.len());
    for (line, object) in text.lines().zip(&objects) {
        assert_eq!(object["orig"], line.trim());
        assert!(object["info"]["n_packets"].is_null() && object["info"]["table"].is_number());
    }
    let one = printed(&switch, &["flows", "conj_id=5", "--json"]);
    let object: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(object["match"], serde_json::json!({"priority": 73, "conj_id": 5, "ip": true}));
    assert_eq!(object["actions"][1], serde_json::json!({"output": {"port": "LOCAL"}}));
}

#[test]
fn ports_tables_groups_and_meters_are_json_too() {
    let Some(switch) = start() else { return };
    for words in [
        "add-group br0 group_id=7,type=select,bucket=weight:5,actions=output:1,bucket=weight:1,actions=set_field:1->reg0,NORMAL",
        "add-group br0 group_id=8,type=ff,bucket=watch_port:1,actions=output:1",
        "add-meter br0 meter=3,kbps,burst,band=type=drop,rate=1000,burst_size=100",
    ] {
        switch.run("ovs-ofctl", &["-O", "OpenFlow13"].into_iter().chain(words.split(' ')).collect::<Vec<_>>());
    }
    let objects = |what: &str| -> Vec<Value> {
        printed(&switch, &[what, "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let port = &objects("ports")[0];
    assert_eq!((&port["port"], &port["name"]), (&"LOCAL".into(), &"br0".into()));
    let tables = objects("tables");
    assert_eq!((tables.len(), &tables[82]["active"], &tables[82]["table"]), (254, &6.into(), &82.into()));
    let mut groups = objects("groups");
    groups.sort_unstable_by_key(|group| std::cmp::Reverse(group["group_id"].as_u64()));
    assert_eq!(
        groups,
        [
            serde_json::json!({"group_id": 8, "type": "ff", "buckets": [
                {"weight": 0, "watch_port": 1, "actions": [{"output": {"port": 1}}]},
            ]}),
            serde_json::json!({"group_id": 7, "type": "select", "buckets": [
                {"weight": 5, "actions": [{"output": {"port": 1}}]},
                {"weight": 1, "actions": [
                    {"set_field": {"value": {"reg0": {"value": 1, "mask": 0xffff_ffff_u32}}, "dst": {"field": "reg0"}}},
                    {"output": {"port": "NORMAL"}},
                ]},
            ]}),
        ]
    );
    assert_eq!(
        objects("meters"),
        [serde_json::json!({
            "meter": 3,
            "flags": ["kbps", "burst"],
            "bands": [{"type": "drop", "rate": 1000, "burst_size": 100}],
        })]
    );
    assert_eq!(objects("show")[0]["ports"][0]["port"], "LOCAL");
}
