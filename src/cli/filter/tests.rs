use super::*;
use crate::flow::parse::{self, NoNames};
use crate::openflow::{FlowMod, PortNo, TableId};

struct Switch;

impl Lookup for Switch {
    fn port(&self, name: &str) -> Option<PortNo> {
        (name == "tap1").then_some(PortNo(5))
    }

    fn table(&self, name: &str) -> Option<TableId> {
        (name == "classifier").then_some(TableId(7))
    }
}

fn stats<'a>(flow: &FlowMod<'a>) -> FlowStats<'a> {
    FlowStats {
        table: flow.table,
        duration_sec: 10,
        duration_nsec: 500_000_000,
        priority: flow.priority,
        idle_timeout: flow.idle_timeout,
        hard_timeout: flow.hard_timeout,
        flags: flow.flags,
        cookie: flow.cookie,
        packet_count: 7,
        byte_count: u64::MAX,
        match_tlvs: flow.match_tlvs,
        instructions: flow.instructions,
        instructions_offset: 0,
    }
}

fn verdict(filter: &str, flow: &str) -> bool {
    let filter = Filter::parse(filter, &Switch).unwrap_or_else(|error| panic!("{filter}: {error}"));
    let flow = parse::flow(flow, &NoNames).unwrap_or_else(|error| panic!("{flow}: {error}"));
    filter.matches(&stats(&flow.to_flow_mod()), &mut Scratch::default()).unwrap()
}

fn refusal(filter: &str) -> String {
    Filter::parse(filter, &Switch).unwrap_err().to_string()
}

/// Flows, each with filters that take it and filters that do not.
const VERDICTS: &[(&str, &[&str], &[&str])] = &[
    (
        "table=7,priority=10,cookie=0x4ed1000000000005,idle_timeout=60,send_flow_rem,tcp,in_port=5,nw_src=10.1.0.0/16,\
         tp_dst=80,actions=drop",
        &[
            "drop",
            "n_packets>0 && drop",
            "n_packets > 0 and drop",
            "!n_bytes",
            "duration>10 && duration<10.6s && duration=10.5",
            "table=7",
            "table=classifier",
            "priority>=10 && priority<=10 && priority!=11",
            "cookie=0x4ed1000000000005",
            "cookie~=0x4ed1000000000000/0xffff000000000000",
            "idle_timeout=60 && !hard_timeout && hard_timeout=0",
            "send_flow_rem && !check_overlap",
            "send_flow_rem=true",
            "tcp",
            "tcp=true",
            "udp=false",
            "!ip",
            "dl_type=0x800 && eth_type=0x0800",
            "nw_proto=6 && ip_proto=6",
            "in_port=5 && in_port=tap1",
            "nw_src~=10.0.0.0/8",
            "nw_src~=10.1.2.3",
            "nw_src~=10.1.2.0/24",
            "ip_src=10.1.0.0/16",
            "nw_src=10.1.255.255/16",
            "nw_src>10.0.255.255 && nw_src<10.2.0.0",
            "tp_dst=80 && tcp_dst=80",
            "tp_dst<1024",
            "tp_dst~=0x50/0xfff0",
            "(udp || tcp) && !(tp_dst=443 || tp_dst=8080)",
            "udp || tcp && table=7",
            "not udp",
            "! udp",
            "nw_dst!=10.0.0.1",
            "\"drop\"",
        ],
        &[
            "!drop",
            "output",
            "n_bytes>0",
            "n_packets>7",
            "idle_age>1",
            "nw_src=10.1.0.0",
            "nw_src~=11.0.0.0/8",
            "nw_src~=10.2.0.1",
            "nw_src<10.1.128.0",
            "nw_dst",
            "nw_dst~=0.0.0.0/0",
            "udp_dst=80",
            "tp_dst>=1024",
            "check_overlap",
            "tcp=false",
            "drop=false",
            "udp && tcp || table=8",
            "table!=7",
            "cookie~=0x4ed2000000000000/0xffff000000000000",
        ],
    ),
    (
        "ip,dl_vlan=5,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,nw_tos=32,ct_state=+trk+est-new,reg0=0x10/0xf0,\
         actions=output:1,output:2,resubmit(,72),ct(commit,zone=NXM_NX_REG6[0..15],table=80,nat(src=10.0.0.1-10.0.0.9:\
         100-200,random),exec(set_field:0x1->ct_mark)),set_field:10.1.2.3->tun_dst,move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],\
         group:9",
        &[
            "ip && !tcp",
            "dl_vlan=5 && vlan_vid=5 && vlan_vid=0x1005 && vlan_tci=0x1005/0x1fff",
            "dl_vlan>4",
            "vlan_tci~=0x1000/0x1000",
            "dl_dst~=ff:ff:ff:ff:ff:ff",
            "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
            "nw_tos=32 && ip_dscp=8",
            "ct_state=+trk+est-new",
            "ct_state~=+trk",
            "ct_state~=-new",
            "ct_state~=trk",
            "ct_state~=trk|est",
            "reg0~=0x10/0xf0 && reg0~=0x17 && reg0=0x10/0xf0",
            "output.port=1 && output.port=2",
            "output.port>1",
            "resubmit.table>70 && resubmit.table=72 && RESUBMIT.TABLE=72",
            "ct.commit && ct.commit=true && !ct.force",
            "ct.table=80",
            "ct.zone=NXM_NX_REG6[0..15] && ct.zone.field=NXM_NX_REG6 && ct.zone.end=15",
            "ct.nat.type=src && ct.nat.addrs.start=10.0.0.1 && ct.nat.addrs.end~=10.0.0.0/8",
            "ct.nat.ports.start>=100 && ct.nat.random",
            "ct.exec.set_field.value.ct_mark=1",
            "set_field && set_field.dst=tun_dst && set_field.value.tun_dst=10.1.2.3 && set_field.value.tun_dst~=10.0.0.0/8",
            "move.src=NXM_OF_ETH_SRC",
            "group=9 && group<10",
        ],
        &[
            "tcp",
            "drop",
            "dl_vlan=4",
            "dl_vlan_pcp",
            "dl_dst~=00:00:00:00:00:01",
            "ct_state~=+new",
            "ct_state~=rpl",
            "ct_state=+trk",
            "reg0~=0x20",
            "reg0>0x10",
            "output.port=3",
            "output.max_len",
            "resubmit.table<70",
            "ct.table=81",
            "ct.zone=5",
            "ct.nat.persistent",
            "set_field.value.tun_dst~=11.0.0.0/8",
            "learn",
        ],
    ),
    (
        "ip,actions=conjunction(4,1/2),conjunction(5,2/2)",
        &["conjunction", "conjunction.id=4 && conjunction.k=1 && conjunction.n=2", "conjunction.id=5"],
        &["conjunction.id=6"],
    ),
    (
        "icmp6,icmp_type=135,nd_target=fe80::/64,vlan_tci=0/0x1fff,tcp_flags=0,actions=learn(table=10,hard_timeout=300,\
         NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),dec_ttl(1,2),NORMAL,goto_table:5",
        &[
            "icmp6 && icmpv6_type=135 && icmp_type=135",
            "nd_target~=fe80::1 && nd_target~=fe80::/10",
            "vlan_tci=0/0x1fff && vlan_vid=0",
            "learn.table=10 && learn.hard_timeout=300 && learn.hard_timeout>299.5",
            "learn.output.port~=IN_PORT",
            "dec_ttl=2",
            "output.port=NORMAL && output.port=normal",
            "goto_table=5",
        ],
        &[
            "ipv6",
            "dl_vlan",
            "dl_vlan=0",
            "icmp_code",
            "nd_target~=fe81::/64",
            "learn.table=11",
            "dec_ttl=3",
            "udp || drop",
        ],
    ),
];

#[test]
fn every_flow_of_the_table_gets_its_verdict() {
    for (flow, taken, left) in VERDICTS {
        for filter in *taken {
            assert!(verdict(filter, flow), "{filter} takes {flow}");
        }
        for filter in *left {
            assert!(!verdict(filter, flow), "{filter} leaves {flow}");
        }
    }
}

#[test]
fn a_filter_that_is_none_says_where_and_what_to_type() {
    for (filter, expected) in [
        ("", "filter, column 1: found the end, expected a condition, such as n_packets>0, drop or nw_src~=10.0.0.0/8"),
        ("drop &&", "column 8: found the end, expected a condition"),
        ("(drop", "column 6: found the end, expected &&, || or a closing parenthesis"),
        ("drop)", "column 5: found \")\", expected && or ||"),
        ("tcp,tp_dst=80", "column 4: found \",\", expected && or ||"),
        ("tcp tp_dst=80", "column 5: found \"tp_dst\", expected && or ||"),
        (
            "nw_scr=10.0.0.1",
            "column 1: found \"nw_scr\", expected a match field, an action, or one of table, cookie, duration, n_packets, n_bytes, priority: did you mean nw_src?",
        ),
        ("n_packets>0 && drp", "did you mean drop?"),
        ("drop || NORMAL", "column 9: found \"NORMAL\", expected an action with an argument: output.port=NORMAL"),
        ("resubmit.tabel=7", "column 10: found \"tabel\", expected one of port, table, ct: did you mean table?"),
        ("resubmit=7", "column 10: found \"7\", expected a key behind resubmit, such as resubmit.port"),
        ("drop.port", "column 6: found \"port\", expected nothing behind a value without arguments"),
        ("clone.otput.port=1", "column 7: found \"otput\", expected an action: did you mean output?"),
        ("n_packets==0", "column 10: found \"==\", expected =, !=, ~=, <, <=, > or >="),
        ("n_packets=many", "column 11: found \"many\", expected a number"),
        ("table=clasifier", "column 7: found \"clasifier\", expected a table: its number, or its name"),
        ("nw_src=10.0.0", "column 8: found \"10.0.0\", expected an IPv4 address"),
        ("nw_src=10.0.0.0/33", "column 17: found \"33\", expected a prefix length within the address"),
        ("in_port=tap2", "column 9: found \"tap2\", expected a port"),
        ("nw_src>10.0.0.0/8", "column 8: found \"10.0.0.0/8\", expected one value without a mask"),
        ("cookie=1/1", "column 8: found \"1/1\", expected a number without a mask"),
        ("tcp=6", "column 5: found \"6\", expected true or false, or no value"),
        ("dl_vlan=4096", "column 9: found \"4096\", expected a VLAN id from 0 to 4095"),
        ("nw_src=", "column 8: found the end, expected a value"),
        ("\"drop", "column 1: found \"\"\", expected a second quote behind it"),
        ("duration>1h", "column 10: found \"1h\", expected seconds"),
    ] {
        let found = refusal(filter);
        assert!(found.contains(expected), "{filter}\n{found}\n{expected}");
    }
}

#[test]
fn nesting_has_an_end() {
    assert!(refusal(&"(".repeat(100_000)).contains("column 101"));
    assert!(refusal(&"!".repeat(100_000)).contains("column 101"));
    assert!(verdict(&format!("{}drop{}", "(".repeat(99), ")".repeat(99)), "actions=drop"));
}

#[test]
fn a_broken_flow_fails_only_a_filter_that_asks_for_its_actions() {
    let flow = parse::flow("table=3,actions=drop", &NoNames).unwrap();
    let broken = FlowStats { instructions: &[0, 4, 0, 6, 0, 0, 0, 0], ..stats(&flow.to_flow_mod()) };
    let matches = |filter| Filter::parse(filter, &NoNames).unwrap().matches(&broken, &mut Scratch::default());
    assert_eq!(matches("table=3"), Ok(true));
    assert_eq!(matches("table=4 && drop"), Ok(false));
    assert!(matches("table=3 && drop").is_err());
}
