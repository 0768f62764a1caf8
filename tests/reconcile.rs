//! Whatever restarts, is reloaded or is meddled with: the same flows, and no more than the difference is sent.

mod lab;

use std::collections::BTreeSet;
use std::time::Duration;

use lab::*;

/// How long a flow that somebody else changed may stay so.
const REPAIR: Duration = Duration::from_secs(1);
/// How long reachability may take to come back after the switch has lost everything.
const BACK: Duration = Duration::from_secs(10);

fn start(builder: LabBuilder) -> Lab {
    builder.start_settled()
}

fn streams(lab: &Lab) -> Vec<(&'static str, PingStream)> {
    PAIRS.map(|(_, from, to)| (from, lab.vm(from).ping_stream(to, Duration::from_millis(10)))).into()
}

fn assert_none_lost(streams: Vec<(&'static str, PingStream)>) {
    for (from, stream) in streams {
        let pings = stream.stop();
        assert!(pings.all(), "the stream of {from}: {pings:?}\n{}", logs());
    }
}

fn all_flows(host: &Host) -> Vec<BTreeSet<String>> {
    BRIDGES.map(|bridge| host.flow_set(bridge)).into()
}

fn assert_all_reach(lab: &Lab) {
    for (_, from, to) in PAIRS {
        eventually(&format!("{from} reaches {to} again"), BACK, || lab.vm(from).ping(to));
        let pings = lab.vm(from).pings(to, 20);
        assert!(pings.all(), "{from} to {to}: {pings:?}");
    }
}

#[test]
fn a_restart_with_nothing_changed_writes_nothing_and_loses_no_packet() {
    let lab = start(every_network("restart"));
    let host = lab.host("a");
    let streams = streams(&lab);
    let sent = host.record_openflow();
    let (flows, database) = (all_flows(host), host.database_file());
    for end in [Host::stop_heddle, Host::kill_heddle] {
        end(host);
        host.start_heddle();
        host.wait_settled();
        for vm in ["l1", "l2", "f1", "v1", "x1"] {
            assert!(lab.is_ready(vm), "{vm} was and stays installed");
        }
    }
    assert_none_lost(streams);
    assert_eq!(sent.sent_by_controller("FLOW_MOD"), Vec::<String>::new());
    assert_eq!(all_flows(host), flows);
    let added = host.database_file().split_off(database.len());
    assert!(added.is_empty(), "written to the database: {}", String::from_utf8_lossy(&added));
}

#[test]
fn what_changed_while_heddle_was_down_is_applied_at_its_start_and_nothing_else() {
    let lab = start(every_network("while-down"));
    let host = lab.host("a");
    let streams = streams(&lab);
    host.kill_heddle();
    lab.edit_topology(|topology| topology.port("l2").allowed_address_pairs.push(("172.18.0.77".into(), None)));
    let sent = host.record_openflow();
    host.start_heddle();
    host.wait_settled();
    assert_none_lost(streams);
    let flow_mods = sent.sent_by_controller("FLOW_MOD");
    assert_eq!(flow_mods.len(), 1, "{flow_mods:#?}");
    assert!(flow_mods[0].contains("arp_spa=172.18.0.77"), "{flow_mods:#?}");
}

#[test]
fn a_change_of_one_port_sends_only_the_flows_of_that_port() {
    let lab = start(every_network("one-port").vm("a", "l3", "loc"));
    let host = lab.host("a");
    let mut streams = streams(&lab);
    // Through a tunnel the userspace datapath loses a packet in a hundred while ports come and go, Heddle or not.
    streams.retain(|(from, _)| *from != "x1");
    let number = host.ofport("tap-l3").unwrap();
    let sent = host.record_openflow();
    lab.unplug("l3");
    eventually("the flows of l3 are gone", REPAIR, || {
        !host.flow_set("br-int").iter().any(|flow| flow.contains(&format!("in_port={number}")))
    });
    lab.plug("l3");
    lab.wait_ready();
    let again = host.ofport("tap-l3").unwrap();
    assert_none_lost(streams);
    let flow_mods = sent.sent_by_controller("FLOW_MOD");
    assert!(!flow_mods.is_empty());
    for flow_mod in flow_mods {
        let of_l3 = [number, again].iter().any(|number| flow_mod.contains(&format!("in_port={number}")));
        assert!(of_l3, "{flow_mod}");
    }
}

#[test]
fn what_others_do_to_the_flows_of_our_bridges_is_undone_within_a_second() {
    let lab = start(every_network("meddled"));
    let host = lab.host("a");
    let in_port = host.ofport("tap-l1").unwrap();
    let flows: Vec<_> = BRIDGES.into_iter().zip(all_flows(host)).collect();
    let one = format!("br-int table=0,arp,in_port={in_port}");
    for meddling in [
        "del-flows br-int",
        "del-flows br-tun",
        "del-flows br-phys",
        &format!("del-flows {one}"),
        &format!("mod-flows {one},actions=drop"),
        "add-flow br-int table=94,priority=77,ip,actions=drop",
        "add-flow br-tun table=2,priority=77,actions=drop",
        "add-flow br-tun cookie=0x4ed1220000000000,table=2,priority=77,actions=drop",
    ] {
        let words: Vec<&str> = meddling.splitn(3, ' ').collect();
        host.ofctl(&words);
        eventually(&format!("{meddling} is undone"), REPAIR, || {
            flows.iter().all(|(bridge, flows)| host.flow_set(bridge) == *flows)
        });
    }
    assert_all_reach(&lab);
    let status = host.heddle_status();
    assert!(status["bridges"][0]["repaired"].as_u64().is_some_and(|repaired| repaired > 3), "{status:#}");
}

#[test]
fn flows_of_others_on_a_physical_bridge_stay_whatever_happens() {
    let lab = start(every_network("foreign"));
    let host = lab.host("a");
    host.ofctl(&["add-flow", "br-phys", "cookie=0x77,table=5,priority=9,ip,actions=drop"]);
    let is_theirs = |flow: &&FlowLine| flow.cookie == 0x77;
    let theirs = || host.dump_flows("br-phys").iter().filter(is_theirs).count();
    host.restart_heddle();
    host.wait_settled();
    assert_eq!(theirs(), 1);
    host.ofctl(&["del-flows", "br-phys", "cookie=0x4ed1000000000000/0xffff000000000000"]);
    host.wait_settled();
    assert_all_reach(&lab);
    assert_eq!(theirs(), 1);
}

#[test]
fn a_restart_of_the_switch_brings_every_flow_back_without_a_loop() {
    let lab = start(every_network("vswitchd"));
    let host = lab.host("a");
    let flows = all_flows(host);
    let tags = ["l1", "l2", "f1", "v1", "x1"].map(|vm| host.tag(&format!("tap-{vm}")));
    let wire = lab.capture_wire("physnet");
    for _ in 0..2 {
        host.restart_vswitchd();
        lab.vm("f1").send_hex("ffffffffffff fa163e000003 88b5 0102030405060708");
        host.wait_settled();
        lab.wait_ready();
        assert_all_reach(&lab);
        assert_eq!(all_flows(host), flows);
    }
    let probes = wire.count(|frame| frame.ethertype == 0x88b5);
    assert!(probes <= 2, "two broadcasts became {probes} frames on the wire");
    assert_eq!(["l1", "l2", "f1", "v1", "x1"].map(|vm| host.tag(&format!("tap-{vm}"))), tags);
}

#[test]
fn a_restart_of_the_database_changes_no_flow_and_loses_no_packet() {
    let lab = start(every_network("ovsdb"));
    let host = lab.host("a");
    let streams = streams(&lab);
    let sent = host.record_openflow();
    let connects = host.log_count("connected to the database");
    host.restart_ovsdb();
    eventually("heddle is connected to the database again", BACK, || {
        host.log_count("connected to the database") > connects
    });
    host.wait_settled();
    assert_none_lost(streams);
    assert_eq!(sent.sent_by_controller("FLOW_MOD"), Vec::<String>::new());
    lab.unplug("l2");
    lab.plug("l2");
    lab.wait_ready();
    lab.vm("l1").assert_ping("l2");
}

#[test]
fn a_restart_of_both_daemons_of_open_vswitch_is_survived() {
    let lab = start(every_network("both"));
    let host = lab.host("a");
    let flows = all_flows(host);
    host.stop_vswitchd();
    host.restart_ovsdb();
    host.start_vswitchd();
    host.wait_settled();
    lab.wait_ready();
    assert_all_reach(&lab);
    assert_eq!(all_flows(host), flows);
}

#[test]
fn a_saved_file_and_sighup_apply_the_topology_and_a_refused_file_changes_nothing() {
    let lab = start(every_network("reload"));
    let host = lab.host("a");
    lab.edit_topology(|topology| topology.port("l2").allowed_address_pairs.push(("172.18.0.77".into(), None)));
    host.wait_for_flow("br-int", "allows the new address", |flow| flow.matching.contains("arp_spa=172.18.0.77"));

    let (flows, good) = (all_flows(host), std::fs::read_to_string(host.dir().join("topology.toml")).unwrap());
    let sent = host.record_openflow();
    lab.write_topology(&good.replacen("fa:16:3e:00:00:01", "fa:16:3e:00:00", 1));
    host.wait_status("that the file is refused", |status| status["topology_problem"].is_string());
    let problem = host.heddle_status()["topology_problem"].as_str().unwrap().to_owned();
    let file = host.dir().join("topology.toml").display().to_string();
    let place = problem.split(' ').next().unwrap().strip_prefix(&format!("{file}:")).unwrap().to_owned();
    assert_eq!(
        place.trim_end_matches(':').split(':').map(str::parse::<u32>).filter(Result::is_ok).count(),
        2,
        "{problem}"
    );
    assert!(host.heddle_log().contains(&problem), "the log says it too: {problem}");
    let status = host.heddle(&["status", "-c", &host.config_path()]);
    assert_eq!(status.code, 1);
    assert!(status.stdout.contains(&problem), "{}", status.stdout);
    assert_eq!(all_flows(host), flows);

    host.sighup_heddle();
    eventually("SIGHUP reads the bad file again", BACK, || host.log_count("topology refused") >= 2);
    lab.write_topology(&good);
    host.wait_status("that the file is good", |status| status["topology_problem"].is_null());
    assert_eq!(sent.sent_by_controller("FLOW_MOD"), Vec::<String>::new());
    let read = host.log_count("topology read");
    host.sighup_heddle();
    eventually("SIGHUP reads the good file", BACK, || host.log_count("topology read") > read);
    assert_all_reach(&lab);
}

#[test]
fn a_change_that_describes_and_does_not_forward_sends_nothing() {
    let lab = start(every_network("mtu"));
    let host = lab.host("a");
    let (sent, database) = (host.record_openflow(), host.database_file());
    let text = std::fs::read_to_string(host.dir().join("topology.toml")).unwrap();
    let read = host.log_count("topology read");
    lab.write_topology(&text.replace("type = \"vxlan\"\n", "type = \"vxlan\"\nmtu = 1400\n"));
    eventually("the file is read", BACK, || host.log_count("topology read") > read);
    host.wait_settled();
    assert_eq!(sent.sent_by_controller("FLOW_MOD"), Vec::<String>::new());
    assert_eq!(host.database_file(), database);
}

#[test]
fn a_heddle_that_starts_before_open_vswitch_serves_it_once_it_is_there() {
    let lab = every_network("before").start_without_heddle();
    for host in lab.hosts() {
        host.stop_vswitchd();
        host.stop_ovsdb();
        host.start_heddle();
        host.wait_status("that the database is away", |status| status["ovsdb_connected"] == false);
        host.start_ovsdb();
        host.start_vswitchd();
        eventually("br-int is there", BACK, || host.bridge_exists("br-int"));
    }
    lab.plug_all();
    lab.wait_ready();
    assert_all_reach(&lab);
}

#[test]
fn an_integration_bridge_that_somebody_deleted_comes_back_with_its_flows() {
    let lab = start(every_network("del-br"));
    let host = lab.host("a");
    host.vsctl(&["del-br", "br-int"]);
    eventually("br-int is back", BACK, || host.bridge_exists("br-int"));
    for vm in ["l1", "l2", "f1", "v1", "x1"] {
        lab.plug(vm);
    }
    lab.wait_ready();
    host.wait_settled();
    assert_all_reach(&lab);
    host.vsctl(&["del-br", "br-tun"]);
    eventually("br-tun is back", BACK, || host.bridge_exists("br-tun"));
    host.wait_settled();
    assert_all_reach(&lab);
}
