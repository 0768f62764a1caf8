//! What people type at `ofctl-dump`, right and wrong, against a real Open vSwitch.
//!
//! Skipped where Open vSwitch is not installed, unless `HEDDLE_REQUIRE_OVS=1`.

#[path = "support/switch.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of what several test files share")]
mod switch;

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::Value;
use switch::Switch;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ofctl-dump");
const FLOWS: &str = "table=20,priority=1,tcp,actions=drop";

fn run(switch: &Switch, arguments: &[&str]) -> Output {
    switch.command(PROGRAM, arguments).output().unwrap()
}

/// The exit code, the standard output, the standard error.
fn outcome(switch: &Switch, arguments: &[&str]) -> (i32, String, String) {
    let output = run(switch, arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn wrong_usage_is_told_with_what_to_type_instead() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    for (typed, told) in [
        ("dump-flows br0", "found \"dump-flows\" where it cannot stand: type ofctl-dump br0 flows"),
        ("show br0", "type ofctl-dump br0 show"),
        ("br0 dump-ports", "type ofctl-dump br0 ports --stats"),
        ("-O OpenFlow10 br0", "expected OpenFlow13: no other version is spoken"),
        ("--json br0 snoop", "type ofctl-dump snoop br0"),
        ("br0 --watch tcp", "a filter stands before --watch"),
        ("br0 flwos", "did you mean flows?"),
        ("br0 --no-stat", "--no-stats"),
        ("br0 ports --graph dot", "--graph is for flows: leave it out"),
        ("br0 tables --table 3", "--table is for flows and aggregate: leave it out"),
        ("br0 --table ucast", "'table=NAME' as a filter"),
        ("diff br0", "<B>"),
        ("trace br0 icpm", "FLOW, column 1: found \"icpm\", expected a match field or a protocol: did you mean icmp?"),
    ] {
        let (code, out, err) = outcome(&switch, &typed.split(' ').collect::<Vec<_>>());
        assert_eq!((code, out.as_str()), (2, ""), "{typed}: {err}");
        assert!(err.starts_with("ofctl-dump: ") && err.contains(told), "{typed}: {err}");
    }
    let (code, _, err) = outcome(&switch, &["br0", "group"]);
    assert_eq!((code, err.as_str()), (1, "ofctl-dump: no flow has group: did you mean br0 groups?\n"));
    assert_eq!(outcome(&switch, &["-O", "OpenFlow10,OpenFlow13", "br0"]).0, 0);
}

#[test]
fn a_command_may_stand_behind_its_target() {
    let Some(switch) = Switch::start(&["br0", "snoop"]) else { return };
    for (typed, told) in [
        ("br0 snoop", "br0 has no connection to a controller to listen to"),
        ("snoop snoop", "snoop has no connection to a controller to listen to"),
        ("br0 diff none", "no bridge at"),
        ("br0 trace none", "FLOW, column 1"),
    ] {
        let (code, _, err) = outcome(&switch, &typed.split(' ').collect::<Vec<_>>());
        assert!(code == 2 && err.contains(told), "{typed}: {err}");
    }
    assert_eq!(outcome(&switch, &["--", "snoop", "flows"]).0, 0);
}

#[test]
fn a_text_may_come_through_a_pipe_of_the_shell() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    switch.run("ovs-ofctl", &["-O", "OpenFlow13", "add-flow", "br0", FLOWS]);
    let shell = |script: &str| {
        let output = switch.command("bash", &["-c", &script.replace("OD", PROGRAM)]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let dump = "ovs-ofctl -O OpenFlow13 dump-flows br0";
    let (code, out, err) = shell(&format!("OD diff br0 <({dump})"));
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    assert_eq!(shell(&format!("OD diff <({dump}) <({dump} | grep -v tcp)")).0, Some(1));
    let (code, out, err) = shell(&format!("OD <({dump}) 'tcp' --no-stats"));
    assert_eq!((code, out.as_str()), (Some(0), " table=20, priority=1,tcp actions=drop\n"), "{err}");
}

#[test]
fn a_filter_knows_the_names_of_tables_wherever_one_stands() {
    let Some(switch) = Switch::start(&["br-tun"]) else { return };
    switch.vsctl(&["add-port", "br-tun", "patch-int", "--", "set", "Interface", "patch-int", "type=patch"]);
    switch.run("ovs-ofctl", &["-O", "OpenFlow13", "add-flow", "br-tun", FLOWS]);
    std::fs::write(switch.path("dump.txt"), "table=20,priority=1,tcp actions=drop\n").unwrap();
    let filter = "table=ucast_to_tun";
    for options in [
        &["br-tun", filter][..],
        &["br-tun", "aggregate", filter],
        &["br-tun", filter, "--graph", "dot"],
        &["br-tun", filter, "--watch", "--count", "1"],
        &["--input", "dump.txt", "--table-names", "br-tun", filter],
    ] {
        let (code, out, err) = outcome(&switch, options);
        assert!(code == 0 && !out.is_empty(), "{options:?}: {err}");
    }
    let (_, out, _) = outcome(&switch, &["--input", "dump.txt", "--table-names", "br-tun", filter]);
    assert_eq!(out, " table=20, priority=1,tcp actions=drop\n");
    let (_, out, err) = outcome(&switch, &["monitor", "br-tun", "--names", "--initial", "--count", "1"]);
    assert!(out.contains("table=\"ucast_to_tun\""), "{out}{err}");
}

#[test]
fn reports_have_names_where_ovs_ofctl_has_them() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    switch.vsctl(&["add-port", "br0", "tap-a", "--", "set", "Interface", "tap-a", "type=internal"]);
    switch.run("ovs-ofctl", &["-O", "OpenFlow13", "add-group", "br0", "group_id=7,type=all,bucket=output:tap-a"]);
    let steady = |text: &str| {
        let known = |line: &&str| !line.contains("(xid=") && !line.contains("duration");
        text.lines().filter(known).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    for (options, theirs) in [(&["groups"][..], "dump-groups"), (&["ports", "--stats"], "dump-ports")] {
        for names in ["--names", "--no-names"] {
            let (code, ours, err) = outcome(&switch, &[&["br0", names], options].concat());
            let theirs = switch.run("ovs-ofctl", &["-O", "OpenFlow13", names, theirs, "br0"]);
            assert_eq!((code, steady(&ours)), (0, steady(&theirs)), "{err}");
            assert_eq!(ours.contains("\"tap-a\""), names == "--names", "{ours}");
        }
    }
}

#[test]
fn counters_are_json_too() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    for object in [
        ["add-meter", "br0", "meter=1,kbps,band=type=drop,rate=1000"],
        ["add-group", "br0", "group_id=7,type=all,bucket=IN_PORT"],
        ["add-flow", "br0", "priority=1,tcp,actions=meter:1,group:7"],
    ] {
        switch.run("ovs-ofctl", &[&["-O", "OpenFlow13"][..], &object].concat());
    }
    for (options, pointer, expected) in [
        (&["ports", "--stats"][..], "/port", Value::from("LOCAL")),
        (&["groups", "--stats"], "/buckets/0/n_packets", 0.into()),
        (&["groups", "--stats"], "/ref_count", 1.into()),
        (&["meters", "--stats"], "/n_flows", 1.into()),
        (&["meters", "--stats"], "/bands/0/n_bytes", 0.into()),
        (&["aggregate"], "/n_flows", 1.into()),
        (&["aggregate", "tcp"], "/n_flows", 1.into()),
        (&["aggregate", "arp"], "/n_flows", 0.into()),
        (&["desc"], "/manufacturer", "Nicira, Inc.".into()),
        (&["show"], "/n_tables", 254.into()),
        (&["show"], "/ports/0/port", "LOCAL".into()),
        (&["show"], "/frags", "normal".into()),
    ] {
        let (code, out, err) = outcome(&switch, &[&["br0", "--json"], options].concat());
        let value: Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{options:?}: {error}: {out}{err}"));
        assert_eq!((code, value.pointer(pointer)), (0, Some(&expected)), "{options:?}: {out}");
    }
}
