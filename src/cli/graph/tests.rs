//! What the three pictures say of flows that are given as text.

use super::*;
use crate::flow::parse::{self, NoNames};
use crate::flow::sim::{Bucket, Group};
use crate::flow::text::Numbers;
use crate::openflow::group::GroupType;
use crate::openflow::{Action, GroupId, PortNo};

/// A graph of flows in the syntax of ovs-ofctl, each with the packets that it saw before it, or `-`.
fn graph<'n>(text: &str, names: &'n dyn Names) -> Graph<'n> {
    graph_with_groups(text, names, Groups::new())
}

fn graph_with_groups<'n>(text: &str, names: &'n dyn Names, groups: Groups) -> Graph<'n> {
    let mut graph = Graph::new("br0", names, groups);
    for line in text.lines() {
        let (packets, line) = line.trim().split_once(' ').unwrap();
        let parsed = parse::flow(line, &NoNames).unwrap();
        let flow = parsed.to_flow_mod();
        let stats = FlowStats {
            table: flow.table,
            duration_sec: 1,
            duration_nsec: 0,
            priority: flow.priority,
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            flags: flow.flags,
            cookie: flow.cookie,
            packet_count: packets.parse().unwrap_or(u64::MAX),
            byte_count: 0,
            match_tlvs: flow.match_tlvs,
            instructions: flow.instructions,
            instructions_offset: 0,
        };
        graph.add(&stats).unwrap();
    }
    graph
}

#[derive(Clone, Copy)]
struct Named;

impl Names for Named {
    fn port(&self, port: PortNo) -> Option<&str> {
        (port == PortNo(7)).then_some("tap</script>\"&")
    }

    fn table(&self, table: TableId) -> Option<&str> {
        (table == TableId(25)).then_some("mac_spoof")
    }
}

const FLOWS: &str = "\
    5 table=0,priority=9,in_port=7 actions=resubmit(,25)
    1 table=0,priority=8,ip,in_port=8 actions=clone(ct(commit,table=30)),group:4
    - table=0,priority=1 actions=goto_table:25
    0 table=25,priority=3,ip actions=learn(table=40,hard_timeout=3,NXM_OF_ETH_SRC[]),set_tunnel:5,output:9
    0 table=25,priority=2,ip actions=set_field:1->reg0
    0 table=25,priority=1,ip,reg0=1 actions=conjunction(7,1/2)
    0 table=30,priority=1 actions=NORMAL,output:7,controller(reason=action)
    0 table=30,priority=2,arp actions=resubmit(,0),output:reg1[],output(port=5,max_len=64)
    0 table=99,priority=0 actions=drop";

fn written(format: Format) -> String {
    let mut out = Vec::new();
    graph(FLOWS, &Named).write(format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_way_out_of_a_table_is_counted_with_its_packets() {
    let graph = graph(FLOWS, &Named);
    let edges: Vec<_> =
        graph.edges.iter().map(|((from, to, via), t)| (from.0, to.0, via.word(), t.flows, t.packets)).collect();
    let expected = [
        (0, 25, "goto_table", 1, 0),
        (0, 25, "resubmit", 1, 5),
        (0, 30, "ct", 1, 1),
        (25, 40, "learn", 1, 0),
        (30, 0, "resubmit", 1, 0),
    ];
    assert_eq!(edges, expected);
    let ends = |table: u8| -> Vec<String> {
        graph.tables[&TableId(table)]
            .ends
            .keys()
            .map(|end| format!("{} {}", end.kind(), graph.end_title(end)))
            .collect()
    };
    assert_eq!(ends(0), ["group group 4"]);
    assert_eq!(ends(25), ["tunnel port 9", "conjunction conjunction", "drop drop"]);
    assert_eq!(ends(30)[..2], ["normal NORMAL", "controller CONTROLLER"]);
    assert_eq!(ends(30)[2..4], ["port port 5", "port tap</script>\\\"&"]);
    assert_eq!(ends(30)[4..], ["port port in reg1"]);
    assert_eq!((ends(40), ends(99)), (vec![], vec!["drop drop".to_owned()]));
}

#[test]
fn the_ways_of_a_flow_go_through_the_buckets_of_its_groups() {
    let group = |actions: &[Action]| {
        let bucket = Bucket { id: 0, weight: 0, watch_port: None, watch_group: None, actions: actions.to_vec() };
        Group { kind: GroupType::ALL, buckets: vec![bucket] }
    };
    // Two groups that lead to each other: a switch refuses that, a picture has to end all the same.
    let to_table = group(&[Action::resubmit(TableId(30)), Action::Group(5)]);
    let to_tunnel = group(&[Action::SetTunnel(7), Action::output(PortNo(9)), Action::Group(4)]);
    let groups = Groups::from([(GroupId(4), to_table), (GroupId(5), to_tunnel)]);
    let graph = graph_with_groups("3 table=0 actions=group:4,output:8", &Numbers, groups);
    let ends: Vec<_> = graph.tables[&TableId(0)].ends.keys().map(|end| graph.end_title(end)).collect();
    assert_eq!(ends, ["group 4", "group 5", "port 9", "port 8"]);
    assert!(graph.edges.contains_key(&(TableId(0), TableId(30), Via::Resubmit)));
}

#[test]
fn a_dot_graph_has_a_line_for_each_table_end_and_way() {
    let dot = written(Format::Dot);
    for line in [
        "  table25 [label=\"25 mac_spoof\\n3 flows, 0 packets\"];",
        "  table0 -> table25 [label=\"1\", tooltip=\"resubmit: 1 flow, 5 packets\", style=solid, arrowhead=vee];",
        "  table99_end0 [label=\"drop\", shape=ellipse, fillcolor=\"#f6c7c3\", fontsize=10];",
    ] {
        assert!(dot.lines().any(|found| found == line), "{line} in {dot}");
    }
    assert_eq!(dot.matches("tooltip=").count(), 5);
}

#[test]
fn nothing_in_a_flow_is_markup_in_the_drawing_or_the_page() {
    let drawing = written(Format::Svg);
    assert!(drawing.starts_with("<svg xmlns=") && drawing.ends_with("</svg>\n"));
    let page = written(Format::Html);
    for text in [&drawing, &page] {
        assert!(!text.contains("tap</script>"), "{text}");
        assert!(text.contains("tap&lt;/script&gt;\\&quot;&amp;"), "{text}");
    }
    assert!(page.contains("tap\\u003c/script"));
    // Its own two and no more.
    assert_eq!(page.matches("</script>").count(), 2);
    for place in ["{{", "http://www.w3.org/1999", "src=", "href=", "@import", "url(http"] {
        assert!(!page.contains(place), "{place}");
    }
}

#[test]
fn the_page_has_every_flow_once_with_what_it_saw_and_where_it_leads() {
    let page = written(Format::Html);
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let data: serde_json::Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["tables"]["25"], "25 mac_spoof");
    let flows = data["flows"].as_array().unwrap();
    assert_eq!(flows.len(), 9);
    assert_eq!(flows[2], serde_json::json!([0, "priority=1", "goto_table:\"mac_spoof\"", null, "0x0", [25]]));
}

#[test]
fn numbers_are_short_where_they_are_large() {
    let cases = [(0, "0"), (999, "999"), (1_000, "1.0k"), (12_345, "12.3k"), (999_999, "999k"), (4_560_000, "4.5M")];
    for (number, expected) in cases {
        assert_eq!(short(number), expected);
    }
    assert_eq!((counted(1, "flow"), counted(2, "flow")), ("1 flow".to_owned(), "2 flows".to_owned()));
}
