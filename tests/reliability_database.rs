//! The database restarts, is lost, lags or refuses, and what is plugged changes faster than anybody can follow.

mod lab;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::*;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);
/// How long the switch and Heddle may take for thousands of ports.
const MANY: Duration = Duration::from_secs(300);

const UNTUNNELLED: [&str; 3] = ["local", "flat", "VLAN"];

fn all_flows(host: &Host) -> Vec<BTreeSet<String>> {
    BRIDGES.map(|bridge| host.flow_set(bridge)).into()
}

#[test]
fn a_restart_of_the_database_loses_nothing() {
    let lab = every_network("db-restart").start_settled();
    let host = lab.host("a");
    let (flows, sent, traffic) = (all_flows(host), host.record_openflow(), lab.traffic());
    let mut longest = Duration::ZERO;
    for round in 0..scaled(2, 20) {
        let connects = host.log_count("connected to the database");
        host.stop_ovsdb();
        host.wait_status("that the database is away", |status| status["ovsdb_connected"] == false);
        let began = Instant::now();
        host.start_ovsdb();
        eventually("heddle is connected again", SOON, || host.log_count("connected to the database") > connects);
        host.wait_settled();
        longest = longest.max(began.elapsed());
        // Until ovs-vswitchd has its lock again. A database that goes away before that stops it: bridge_run() of Open
        // vSwitch does nothing then, and the userspace datapath forwards nothing.
        host.vsctl(&["set", "Open_vSwitch", ".", &format!("external_ids:round={round}")]);
    }
    let losses = traffic.stop();
    report("OVSDB: restart", &losses, longest);
    losses.assert_none();
    assert_eq!(sent.sent_by_controller("FLOW_MOD"), Vec::<String>::new());
    assert_eq!(all_flows(host), flows);
}

#[test]
fn a_database_that_is_lost_and_recreated_empty_is_filled_again() {
    let lab = every_network("db-lost").start_settled();
    let host = lab.host("a");
    let traffic = lab.traffic();
    let mut longest = Duration::ZERO;
    for _ in 0..scaled(1, 5) {
        let began = Instant::now();
        host.lose_database();
        eventually("br-int is there again", SOON, || host.bridge_exists("br-int"));
        host.restore_operators_bridges(&[("br-phys", "physnet")]);
        for vm in ["l1", "l2", "f1", "v1", "x1"] {
            lab.plug(vm);
        }
        lab.wait_ready();
        host.wait_settled();
        lab.await_traffic();
        longest = longest.max(began.elapsed());
    }
    let losses = traffic.stop();
    report("OVSDB: lost and recreated empty, until all that was plugged is plugged again and served", &losses, longest);
    losses.assert_no_duplicate();
}

#[test]
fn a_database_that_hangs_stops_nothing_and_is_caught_up_with() {
    let hang = scaled(Duration::from_secs(3), Duration::from_secs(30));
    let lab = every_network("db-hangs").start_settled();
    let host = lab.host("a");
    let (flows, traffic) = (all_flows(host), lab.traffic());
    host.signal_ovsdb(Signal::SIGSTOP);
    lab.edit_topology(|topology| topology.port("l2").allowed_address_pairs.push(("172.18.0.77".into(), None)));
    host.wait_for_flow("br-int", "allows the new address all the same", |flow| flow.contains("172.18.0.77"));
    std::thread::sleep(hang);
    lab.edit_topology(|topology| topology.port("l2").allowed_address_pairs.clear());
    host.signal_ovsdb(Signal::SIGCONT);
    let repaired = host.time_to_settle();
    eventually("the flows are as before", SOON, || all_flows(host) == flows);
    let losses = traffic.stop();
    report(&format!("OVSDB: hangs for {} s (SIGSTOP)", hang.as_secs()), &losses, repaired);
    losses.assert_none();
}

#[test]
fn a_monitor_that_lags_half_a_second_leads_to_the_same_end() {
    let lab = every_network("db-lags").vm_with("a", "l3", "loc", VmSpec::unplugged).start_settled();
    let host = lab.host("a");
    let traffic = lab.traffic_on(&UNTUNNELLED);
    host.stop_heddle();
    host.delay_database(Duration::from_millis(500));
    host.start_heddle();
    host.wait_settled();
    let flows = all_flows(host);
    for _ in 0..scaled(10, 100) {
        plug_at_once(&lab, "l3");
        host.vsctl(&["--no-wait", "del-port", "br-int", "tap-l3"]);
    }
    plug_at_once(&lab, "l3");
    let began = Instant::now();
    eventually("l3 is installed", SOON, || lab.is_ready("l3"));
    host.wait_settled();
    let repaired = began.elapsed();
    lab.vm("l3").assert_ping("l1");
    host.vsctl(&["del-port", "br-int", "tap-l3"]);
    eventually("nothing of l3 is left", SOON, || all_flows(host) == flows);
    let losses = traffic.stop();
    report("OVSDB: the monitor lags by 0.5 s while a port comes and goes", &losses, repaired);
    losses.assert_none();
}

fn plug_at_once(lab: &Lab, vm: &str) {
    let (interface, id) = (format!("tap-{vm}"), format!("external_ids:iface-id={vm}"));
    let set = ["--", "set", "Interface", &interface, &id];
    lab.host("a").vsctl(&[&["--no-wait", "add-port", "br-int", &interface], &set[..]].concat());
}

#[test]
fn a_port_deleted_and_added_under_its_name_within_a_millisecond_is_bound_again() {
    let lab = every_network("same-name").vm("a", "l3", "loc").start_settled();
    let host = lab.host("a");
    let traffic = lab.traffic_on(&UNTUNNELLED);
    let mut longest = Duration::ZERO;
    let bind = ["--", "set", "Interface", "tap-l3", "external_ids:iface-id=l3"];
    for round in 0..scaled(10, 100) {
        // One transaction, and two with nothing in between.
        let (del, add) = (["--no-wait", "del-port", "br-int", "tap-l3"], ["add-port", "br-int", "tap-l3"]);
        if round % 2 == 0 {
            host.vsctl(&[&del[..], &["--"], &add, &bind].concat());
        } else {
            host.vsctl(&del);
            host.vsctl(&[&["--no-wait"], &add[..], &bind].concat());
        }
        let began = Instant::now();
        eventually("l3 is installed", SOON, || lab.is_ready("l3"));
        lab.vm("l3").assert_ping("l1");
        longest = longest.max(began.elapsed());
    }
    host.wait_settled();
    let own = host.ofport("tap-l3").expect("it has a number");
    let of_others = |flow: &FlowLine| !flow.contains(&format!("in_port={own}")) && flow.contains("172.18.0.5");
    assert!(!host.dump_flows("br-int").iter().any(of_others), "nothing of an older number is left");
    let losses = traffic.stop();
    report("OVSDB: a port deleted and added with the same name at once, others' traffic", &losses, longest);
    losses.assert_none();
}

/// Plugs so many ports in one transaction. Tunnel ports stand for taps: they have numbers and need no device. Returns
/// the rows.
fn plug_many(host: &Host, count: u16) -> Value {
    let rows = (0..count).flat_map(|number| {
        let (name, [high, low]) = (format!("many{number}"), (number + 1).to_be_bytes());
        let options = json!(["map", [["remote_ip", format!("203.0.{}.{}", 113 + high, low)]]]);
        let ids = json!(["map", [["iface-id", name]]]);
        let interface = json!({"name": name, "type": "gre", "options": options, "external_ids": ids});
        let port = json!({"name": name, "tag": 4095, "interfaces": ["named-uuid", format!("i{number}")]});
        [
            json!({"op": "insert", "table": "Interface", "uuid-name": format!("i{number}"), "row": interface}),
            json!({"op": "insert", "table": "Port", "uuid-name": format!("p{number}"), "row": port}),
        ]
    });
    let names = (0..count).map(|number| json!(["named-uuid", format!("p{number}")]));
    let operations = [rows.collect::<Vec<_>>(), vec![of_br_int("insert", names.collect())]].concat();
    let answers = host.transact(operations);
    json!(answers.iter().skip(1).step_by(2).map(|answer| answer["uuid"].clone()).collect::<Vec<_>>())
}

/// Inserts or deletes ports of br-int.
fn of_br_int(mutator: &str, ports: Value) -> Value {
    let mutations = json!([["ports", mutator, ["set", ports]]]);
    json!({"op": "mutate", "table": "Bridge", "where": [["name", "==", "br-int"]], "mutations": mutations})
}

#[test]
fn thousands_of_ports_at_once_are_served_and_go_again() {
    let count: u16 = scaled(500, 5_000);
    let lab = every_network("many").start_settled();
    let host = lab.host("a");
    let flows = all_flows(host);
    lab.edit_topology(|topology| {
        let template = topology.port("l2").clone();
        topology.ports.extend((0..count).map(|number| {
            let [high, low] = (number + 1).to_be_bytes();
            let mac_address = format!("fa:16:40:00:{high:02x}:{low:02x}");
            Port { name: format!("many{number}"), mac_address, fixed_ips: Vec::new(), ..template.clone() }
        }));
    });
    let traffic = lab.traffic_on(&["local"]);
    let began = Instant::now();
    let ports = plug_many(host, count);
    let find = ["--bare", "--columns=name", "find", "Interface", "external_ids:heddle-installed=true", "type=gre"];
    eventually("all are installed", MANY, || host.vsctl(&find).split_whitespace().count() == usize::from(count));
    let repaired = began.elapsed();
    host.transact(vec![of_br_int("delete", ports)]);
    eventually("their flows are gone", MANY, || all_flows(host) == flows);
    let losses = traffic.stop();
    report(&format!("OVSDB: {count} ports at once, until the last is installed; local traffic"), &losses, repaired);
    losses.assert_no_duplicate();
}

#[test]
fn ports_that_never_get_a_number_cost_nothing_and_hold_nobody_up() {
    let lab = every_network("ghosts").vm_with("a", "l3", "loc", VmSpec::unplugged).start_settled();
    let host = lab.host("a");
    let traffic = lab.traffic_on(&UNTUNNELLED);
    for number in 0..20 {
        let (name, id) = (format!("ghost{number}"), format!("external_ids:iface-id=ghost{number}"));
        host.try_vsctl(&["--no-wait", "add-port", "br-int", &name, "--", "set", "Interface", &name, &id]);
    }
    eventually("the switch has failed to open the last", SOON, || {
        host.column("Interface", "ghost19", "ofport") == "-1"
    });
    host.vsctl(&["set", "Interface", "ghost7", "external_ids:iface-id=l3"]);
    eventually("the port waits", SOON, || host.port_state("l3") == "waiting");
    let (database, cpu) = (host.database_file().len(), host.heddle_cpu());
    let watched = scaled(Duration::from_secs(3), Duration::from_secs(60));
    std::thread::sleep(watched);
    let used = host.heddle_cpu() - cpu;
    println!("{used:.2} s of processor time in {watched:?} with 20 interfaces of ofport -1");
    assert_eq!(host.database_file().len(), database, "nothing is written");
    assert!(used < watched.as_secs_f64() / 10.0, "{used} s of processor time in {watched:?}");
    host.vsctl(&["del-port", "ghost7"]);
    let began = Instant::now();
    lab.plug("l3");
    lab.wait_ready();
    let losses = traffic.stop();
    report("OVSDB: 20 interfaces of ofport -1 for ever; until another port is served", &losses, began.elapsed());
    losses.assert_none();
}
