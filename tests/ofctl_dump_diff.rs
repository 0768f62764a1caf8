//! `ofctl-dump diff` between two bridges of a real Open vSwitch, texts, and what `heddle flows` wants.
//!
//! Skipped where Open vSwitch is not installed, unless `HEDDLE_REQUIRE_OVS=1`.

#[path = "support/switch.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of what several test files share")]
mod switch;

use std::io::Write;
use std::process::{Output, Stdio};
use std::time::Instant;

use switch::Switch;

fn add(switch: &Switch, bridge: &str, flows: &str) {
    let path = switch.path("flows.txt");
    std::fs::write(&path, flows).unwrap();
    switch.run("ovs-ofctl", &["-O", "OpenFlow13", "replace-flows", bridge, path.to_str().unwrap()]);
}

fn diff(switch: &Switch, words: &str) -> Output {
    let arguments: Vec<&str> = ["diff"].into_iter().chain(words.split_whitespace()).collect();
    switch.command(env!("CARGO_BIN_EXE_ofctl-dump"), &arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// How many lines begin with each sign; headings of files do not count.
fn signs(text: &str) -> (usize, usize) {
    let count = |sign: char, heading: &str| {
        text.lines().filter(|line| line.starts_with(sign) && !line.starts_with(heading)).count()
    };
    (count('-', "---"), count('+', "+++"))
}

#[test]
fn two_switches_are_found_to_differ_where_ovs_ofctl_finds_it() {
    let Some(switch) = Switch::start(&["br0", "br1"]) else { return };
    let base = "table=0,priority=5,in_port=1 actions=resubmit(,10)\ntable=10,priority=1,ip,nw_src=10.0.0.0/8 actions=output:2\n";
    let cases = [
        ("", ""),
        ("table=3,priority=7,tcp,tp_dst=80 actions=drop", "table=3,priority=7,tcp,tp_dst=81 actions=drop"),
        ("cookie=0x1,table=4 actions=drop", "cookie=0x2,table=4 actions=drop"),
        ("table=4,idle_timeout=500 actions=drop", "table=4,idle_timeout=501 actions=drop"),
        ("table=4,priority=9 actions=load:5->NXM_NX_REG0[]", "table=4,priority=9 actions=set_field:5->reg0"),
        ("table=4,dl_vlan=7 actions=strip_vlan,output:3", "table=4,dl_vlan=7 actions=strip_vlan,output:4"),
        ("", "table=253,priority=65535,arp actions=NORMAL"),
        ("table=4 actions=learn(table=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])", "table=4 actions=clear_actions"),
    ];
    for (a, b) in cases {
        add(&switch, "br0", &format!("{base}{a}\n"));
        add(&switch, "br1", &format!("{base}{b}\n"));
        let ours = diff(&switch, "br0 br1");
        let theirs = switch.command("ovs-ofctl", &["-O", "OpenFlow13", "diff-flows", "br0", "br1"]).output().unwrap();
        let printed = text(&ours.stdout);
        assert_eq!(signs(&printed), signs(&text(&theirs.stdout)), "{a} / {b}: {printed}");
        assert_eq!(ours.status.code() == Some(0), theirs.status.success(), "{a} / {b}");
        assert_eq!(ours.status.code(), Some(i32::from(!printed.is_empty())), "{a} / {b}");
    }
}

#[test]
fn differences_stand_by_table_with_both_sides_and_a_summary() {
    let Some(switch) = Switch::start(&["br0", "br1"]) else { return };
    add(
        &switch,
        "br0",
        "cookie=0x5,table=2,priority=3,arp actions=drop\ntable=7,priority=9,ip actions=output:1\ntable=8 actions=drop",
    );
    add(
        &switch,
        "br1",
        "cookie=0x6,table=2,priority=3,arp actions=NORMAL\ntable=7,priority=8,ip actions=output:1\ntable=8 actions=drop",
    );
    let output = diff(&switch, "br0 br1");
    let expected = "--- br0\n+++ br1\n\
                    @@ table 2: 0 removed, 0 added, 1 changed @@\n # changed: cookie, actions\n\
                    -cookie=0x5, table=2, priority=3,arp actions=drop\n+cookie=0x6, table=2, priority=3,arp actions=NORMAL\n\
                    @@ table 7: 1 removed, 1 added, 0 changed @@\n\
                    -cookie=0x0, table=7, priority=9,ip actions=output:1\n+cookie=0x0, table=7, priority=8,ip actions=output:1\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "ofctl-dump: br0 and br1: 1 removed, 1 added, 1 changed, 1 alike\n");
    let output = diff(&switch, "br0 br1 --ignore-cookie");
    assert!(text(&output.stdout).contains(" # changed: actions\n-table=2, priority=3,arp actions=drop\n"));
}

#[test]
fn differences_have_the_names_and_colours_that_were_asked_for() {
    let Some(switch) = Switch::start(&["br0", "br1"]) else { return };
    add(&switch, "br0", "table=60,priority=3,arp actions=drop");
    add(&switch, "br1", "");
    let named = text(&diff(&switch, "br0 br1 --names --table-names antrea").stdout);
    assert!(named.contains("@@ table 60, EgressDefaultRule: 1 removed"), "{named}");
    assert!(named.contains("-cookie=0x0, table=EgressDefaultRule, priority=3,arp actions=drop\n"), "{named}");
    let colored = text(&diff(&switch, "br0 br1 --color=always").stdout);
    assert!(colored.contains("\x1b[1;31m\x1b[Kactions=\x1b[m\x1b[K"), "{colored}");
}

#[test]
fn a_text_with_names_equals_the_switch_that_has_the_ports() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    switch.vsctl(&["add-port", "br0", "tap-1", "--", "set", "Interface", "tap-1", "type=internal", "ofport_request=7"]);
    add(
        &switch,
        "br0",
        "table=1,priority=4,in_port=7 actions=IN_PORT\ntable=2,priority=4,ip actions=output:7,output:8",
    );
    let named = "table=1, priority=4,in_port=\"tap-1\" actions=IN_PORT\ntable=2, priority=4,ip actions=output:\"tap-1\",output:8\n";
    std::fs::write(switch.path("named.txt"), named).unwrap();
    std::fs::write(switch.path("other.txt"), named.replace("tap-1", "tap-2")).unwrap();
    for words in ["br0 named.txt", "named.txt br0", "named.txt named.txt", "other.txt other.txt"] {
        let output = diff(&switch, words);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), ""), "{words}: {output:?}");
    }
    let output = diff(&switch, "br0 other.txt");
    assert_eq!(output.status.code(), Some(1));
    // Nobody has the number that stands for a name which the switch does not know.
    assert!(text(&output.stdout).contains("in_port=\"tap-2\""), "{output:?}");
    // With its counters a dump is as good a text.
    let dump = switch.run("ovs-ofctl", &["-O", "OpenFlow13", "--names", "dump-flows", "br0"]);
    std::fs::write(switch.path("dump.txt"), dump).unwrap();
    assert_eq!(diff(&switch, "dump.txt br0").status.code(), Some(0));
}

const TOPOLOGY: &str = "[nodes.one]\ntunnel_ip = \"192.0.2.1\"\n[nodes.two]\ntunnel_ip = \"192.0.2.2\"\n\
    [networks.blue]\ntype = \"vxlan\"\nsegmentation_id = 1001\n\
    [ports.web1]\nnetwork = \"blue\"\nnode = \"one\"\nmac_address = \"fa:16:3e:00:00:01\"\n\
    [ports.web2]\nnetwork = \"blue\"\nnode = \"two\"\nmac_address = \"fa:16:3e:00:00:02\"\n";

#[test]
fn a_switch_is_held_against_what_heddle_wants_without_what_it_learnt() {
    let Some(switch) = Switch::start(&["br-tun"]) else { return };
    std::fs::write(switch.path("topology.toml"), TOPOLOGY).unwrap();
    for (number, port) in [("4", "vxlan-c0000202"), ("9", "patch-int")] {
        let request = format!("ofport_request={number}");
        switch.vsctl(&["add-port", "br-tun", port, "--", "set", "Interface", port, "type=internal", &request]);
    }
    let flows = ["flows", "--topology", "topology.toml", "--node", "one", "--bridge", "br-tun"];
    let wanted = switch.run(env!("CARGO_BIN_EXE_heddle"), &flows);
    std::fs::write(switch.path("wanted.txt"), &wanted).unwrap();
    switch.run("ovs-ofctl", &["-O", "OpenFlow13", "--names", "replace-flows", "br-tun", "wanted.txt"]);
    let output = diff(&switch, "br-tun wanted.txt");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), ""));

    // A frame through the tunnel teaches a flow.
    let frame = format!("fa163e000001fa163e0000020800{}", "00".repeat(46));
    let packet = format!("in_port=4,packet={frame},actions=set_field:1001->tun_id,resubmit(,4)");
    switch.run("ovs-ofctl", &["-O", "OpenFlow13", "packet-out", "br-tun", &packet]);
    let mut command = switch.command(env!("CARGO_BIN_EXE_ofctl-dump"), &["diff", "-", "br-tun"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(wanted.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout);
    assert_eq!(signs(&printed), (0, 1), "{printed}");
    assert!(printed.contains("@@ table 20, ucast_to_tun: 0 removed, 1 added, 0 changed @@"), "{printed}");
    assert_eq!(diff(&switch, "wanted.txt br-tun --ignore-learnt").status.code(), Some(0));
}

#[test]
fn what_cannot_be_compared_is_a_failure_and_no_difference() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    std::fs::write(switch.path("bad.txt"), "table=1,priority=4,colour=red actions=drop\n").unwrap();
    for (words, reason) in [
        ("br0 bad.txt", "bad.txt:1:"),
        ("br0 br-none", "no bridge at"),
        ("- -", "only one side"),
        ("br0 /nonexistent/flows.txt", "/nonexistent/flows.txt"),
    ] {
        let output = diff(&switch, words);
        assert_eq!(output.status.code(), Some(2), "{words}: {output:?}");
        assert!(text(&output.stderr).contains(reason) && output.stdout.is_empty(), "{words}: {output:?}");
    }
}

#[test]
fn fifty_thousand_flows_are_compared_by_hash() {
    let folder = tempfile::tempdir().unwrap();
    let line = |i: u32| {
        format!(
            "table=20,priority=2,dl_vlan={},dl_dst=fa:16:3e:00:{:02x}:{:02x} actions=output:{}\n",
            i / 65_536 + 1,
            i >> 8 & 255,
            i & 255,
            i % 50 + 1
        )
    };
    let a: String = (0..50_000).map(line).collect();
    // The other way round, one flow changed.
    let b: String =
        (0..50_000).rev().map(|i| if i == 777 { line(i).replace("output:", "output:9,") } else { line(i) }).collect();
    std::fs::write(folder.path().join("a.txt"), a).unwrap();
    std::fs::write(folder.path().join("b.txt"), b).unwrap();
    let begin = Instant::now();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ofctl-dump"))
        .args(["diff", "a.txt", "b.txt"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert_eq!(text(&output.stderr), "ofctl-dump: a.txt and b.txt: 0 removed, 0 added, 1 changed, 49999 alike\n");
    // Comparing each with each would take hours.
    assert!(begin.elapsed() < switch::DEADLINE * 3, "{:?}", begin.elapsed());
}
