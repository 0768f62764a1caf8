//! `ofctl-dump TARGET --graph` of a real Open vSwitch's tables.
//!
//! Skipped where Open vSwitch is not installed, unless `HEDDLE_REQUIRE_OVS=1`.

#[path = "support/switch.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of what several test files share")]
mod switch;

use switch::Switch;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ofctl-dump");

const FLOWS: &str = "\
table=0,priority=2,in_port=7 actions=resubmit(,25)
table=0,priority=1,ip actions=ct(table=72,zone=5)
table=0,priority=0 actions=goto_table:60
table=25,priority=1 actions=clone(resubmit(,60))
table=60,priority=1 actions=output:7,NORMAL
table=72,priority=1 actions=learn(table=60,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),CONTROLLER
";

fn start() -> Option<Switch> {
    let switch = Switch::start(&["br-int"])?;
    let patch = "add-port br-int patch-tun -- set Interface patch-tun type=internal ofport_request=7";
    switch.vsctl(&patch.split(' ').collect::<Vec<_>>());
    std::fs::write(switch.path("flows.txt"), FLOWS).unwrap();
    switch.run("ovs-ofctl", &["-O", "OpenFlow13", "replace-flows", "br-int", "flows.txt"]);
    let frame = format!("fa163e000001fa163e0000020800{}", "00".repeat(46));
    let packet = format!("in_port=7,packet={frame},actions=TABLE");
    switch.run("ovs-ofctl", &["-O", "OpenFlow13", "packet-out", "br-int", &packet]);
    Some(switch)
}

#[test]
fn tables_and_what_leads_from_one_to_the_other_are_written_for_graphviz() {
    let Some(switch) = start() else { return };
    let dot = switch.run(PROGRAM, &["br-int", "--graph", "dot"]);
    for (line, count) in [
        ("table0 [label=\"0 local_switching\\n3 flows, 1 packets\"]", 1),
        ("table0 -> table25 [label=\"1\", tooltip=\"resubmit: 1 flow, 1 packets\"", 1),
        ("table0 -> table72 [label=\"1\", tooltip=\"ct: 1 flow, 0 packets\"", 1),
        ("table0 -> table60 [label=\"1\", tooltip=\"goto_table: ", 1),
        ("table25 -> table60 [label=\"1\", tooltip=\"resubmit: ", 1),
        ("table72 -> table60 [label=\"1\", tooltip=\"learn: ", 1),
        ("[label=\"patch-tun\", ", 1),
        ("[label=\"NORMAL\", ", 1),
        ("[label=\"CONTROLLER\", ", 1),
    ] {
        assert_eq!(dot.matches(line).count(), count, "{line} in {dot}");
    }
}

#[test]
fn a_flow_to_a_group_leads_where_its_buckets_lead() {
    let Some(switch) = start() else { return };
    let group = "group_id=3,type=all,bucket=actions=resubmit(,72)";
    switch.run("ovs-ofctl", &["-O", "OpenFlow13", "add-group", "br-int", group]);
    switch.run("ovs-ofctl", &["-O", "OpenFlow13", "add-flow", "br-int", "table=25,priority=5,arp actions=group:3"]);
    let dot = switch.run(PROGRAM, &["br-int", "--graph", "dot"]);
    assert!(dot.contains("table25 -> table72 [label=\"1\", tooltip=\"resubmit: 1 flow, 0 packets\""), "{dot}");
    assert!(dot.contains("[label=\"group 3\", "), "{dot}");
}

#[test]
fn a_page_needs_nothing_but_itself_and_a_drawing_is_well_formed() {
    let Some(switch) = start() else { return };
    let page = switch.run(PROGRAM, &["br-int", "--graph", "html"]);
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    for table in ["0", "25", "60", "72"] {
        assert_eq!(page.matches(&format!("data-table=\"{table}\"")).count(), 1);
    }
    assert!(page.contains("<title>br-int</title>") && !page.contains("src=") && !page.contains("{{"));
    let drawing = switch.run(PROGRAM, &["br-int", "--graph=svg"]);
    let mut open = Vec::new();
    for tag in drawing.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        match (tag.strip_prefix('/'), tag.ends_with('/')) {
            (Some(name), _) => assert_eq!(open.pop(), Some(name)),
            (None, true) => {}
            (None, false) => open.push(tag.split_whitespace().next().unwrap()),
        }
    }
    assert_eq!(open, [] as [&str; 0]);
}

#[test]
fn a_text_dump_makes_the_same_graph_as_its_switch() {
    let Some(switch) = start() else { return };
    let live = switch.run(PROGRAM, &["br-int", "--graph", "dot", "--table", "72"]);
    let dump = switch.run("ovs-ofctl", &["-O", "OpenFlow13", "dump-flows", "br-int"]);
    std::fs::write(switch.path("dump.txt"), dump).unwrap();
    let text = switch.run(PROGRAM, &["--input", "dump.txt", "--graph", "dot", "--table", "72"]);
    let plain = |dot: &str| dot.replace("dump.txt", "br-int").replace(" rules_egress", "").replace(" transient", "");
    assert_eq!(plain(&text), plain(&live));
    for words in [["br-int", "--graph", "png"], ["br-none", "--graph", "svg"]] {
        assert_eq!(switch.command(PROGRAM, &words).output().unwrap().status.code(), Some(2));
    }
}
