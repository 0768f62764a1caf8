//! A switch that refuses: tables that are full, actions that its datapath cannot do. What can be installed is, the rest is
//! reported and tried again now and then, and nobody else is harmed.

mod lab;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use heddle::pipeline::cookie::Kind as Purpose;
use lab::*;
use serde_json::Value;

/// How long a standing refusal is watched.
const STANDING: Duration = Duration::from_secs(4);
/// What is refused is tried again within a minute; the switch may take a while for it.
const NEXT_TRY: Duration = Duration::from_secs(75);
/// FLOW_MODs by which a full table may be tried again while it is watched.
const TRIES: u64 = 8 * 5;

fn rows<'a>(value: &'a Value, list: &str) -> &'a [Value] {
    value[list].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn row<'a>(status: &'a Value, list: &str, name: &str) -> &'a Value {
    rows(status, list).iter().find(|row| row["name"] == name).unwrap_or(&Value::Null)
}

/// What a bridge refuses in a table.
fn refused<'a>(status: &'a Value, bridge: &str, table: u8) -> Vec<&'a Value> {
    rows(row(status, "bridges", bridge), "rejected").iter().filter(|refusal| refusal["table"] == table).collect()
}

/// All that is known of a refusal is said of it.
fn is_complete(refusal: &Value, error: &str) -> bool {
    refusal["error"] == error
        && refusal["attempts"].as_u64().is_some_and(|attempts| attempts > 0)
        && refusal["refused_seconds"].is_u64()
        && refusal["flow"].as_str().is_some_and(|flow| flow.contains("table=") || refusal["table"] == 0)
        && refusal["purpose"].as_str().is_some_and(|purpose| !purpose.is_empty())
}

fn flow_mods(host: &Host) -> u64 {
    let status = host.heddle_status();
    rows(&status, "bridges").iter().filter_map(|bridge| bridge["flow_mods"].as_u64()).sum()
}

/// Nothing runs hot while flows stay refused: neither the processor nor the connection. Nothing more is logged.
fn watch_standing(host: &Host, tries: u64) {
    let (sent, cpu, lines) = (flow_mods(host), host.heddle_cpu(), host.log_count("refuse"));
    std::thread::sleep(STANDING);
    // The question how many were sent is not what is measured.
    let used = host.heddle_cpu() - cpu;
    let sent = flow_mods(host) - sent;
    println!("{used:.2} s of processor time and {sent} FLOW_MODs in {STANDING:?}");
    assert!(used < STANDING.as_secs_f64() / 4.0, "{used} s of processor time in {STANDING:?}");
    assert!(sent <= tries, "{sent} FLOW_MODs in {STANDING:?}");
    assert_eq!(host.log_count("refuse"), lines, "a refusal is logged once, not each time");
}

fn text(host: &Host) -> String {
    let output = host.heddle(&["status", "-c", &host.config_path()]);
    assert_eq!(output.code, 1, "something stands in the way");
    output.stdout
}

/// Tables of all three bridges are as full as they are, and ports, networks and other hosts' ports come.
#[test]
fn tables_that_are_full_while_ports_come_take_the_rest_as_soon_as_they_have_room() {
    let lab = every_network("full-tables")
        .network("vln2", Vlan("physnet", 200), &["172.18.3.0/24"])
        .vm_with("a", "l3", "loc", |vm| vm.unplugged())
        .vm_with("a", "v3", "vln2", |vm| vm.unplugged())
        .start_settled();
    let host = lab.host("a");
    let full = [("br-int", 25), ("br-tun", 20), ("br-tun", 21), ("br-phys", 0)];
    for (bridge, table) in full {
        host.limit_table(bridge, table, host.flows_in(bridge, table));
    }
    let traffic = lab.traffic_on(&["local", "flat", "VLAN"]);
    let remote = scaled(200, 5000);
    lab.add_remote_ports(remote);
    lab.plug("l3");
    lab.plug("v3");
    host.wait_status("which flows are refused, and whose", |status| {
        let error = "OFPFMFC_TABLE_FULL";
        let all = full.map(|(bridge, table)| refused(status, bridge, table));
        let owned = |refusals: &[&Value], owner: &str| refusals.iter().any(|refusal| refusal["owner"] == owner);
        all.iter().flatten().all(|refusal| is_complete(refusal, error))
            && all[1].len() >= usize::from(remote)
            && owned(&all[0], "port l3")
            && owned(&all[1], "port remote-0")
            && owned(&all[3], "network vln2")
            && ["l3", "v3"].iter().all(|port| row(status, "ports", port)["state"] == "refused")
    });
    let said = text(host);
    let line = said.lines().find(|line| line.trim_start().starts_with("v3 ")).expect("a line about v3");
    assert!(
        line.contains("REFUSED: br-") && line.contains("with OFPFMFC_TABLE_FULL (") && line.contains("tried "),
        "{line}"
    );
    assert!(said.contains("br-tun: refuses ") && said.lines().count() < 100, "{said}");
    let lines = host.log_count("the switch refuses flows: OFPFMFC_TABLE_FULL");
    assert!((full.len()..=2 * full.len()).contains(&lines), "{lines} lines for what is refused now");
    lab.vm("l1").assert_no_ping("l3");
    watch_standing(host, full.len() as u64 * TRIES);
    let lifted = Instant::now();
    BRIDGES.iter().for_each(|bridge| host.lift_limits(bridge));
    eventually("all that was refused is in", NEXT_TRY, || {
        host.try_status()
            .is_some_and(|status| rows(&status, "bridges").iter().all(|row| row["installed"] == row["wanted"]))
    });
    host.wait_settled();
    let repaired = lifted.elapsed();
    let losses = traffic.stop();
    lab.vm("l1").assert_ping("l3");
    eventually("the log says so", NEXT_TRY, || host.log_count("flows are refused no more") > 0);
    report("Refused: four tables full while ports come", &losses, repaired);
    losses.assert_none();
}

/// The switch comes back without a flow, and has no room for all.
#[test]
fn a_switch_that_comes_back_with_too_little_room_gets_what_fits_and_the_rest_later() {
    const ROOM: usize = 100;
    let lab = every_network("full-start").start_settled();
    let host = lab.host("a");
    let remote = scaled(1000, 5000);
    lab.add_remote_ports(remote);
    host.wait_for_flow("br-tun", "is for the last of them", |flow| {
        flow.table == 20 && flow.contains(&format!("fa:16:3f:00:{:02x}:{:02x}", (remote - 1) >> 8, (remote - 1) & 0xff))
    });
    host.wait_settled();
    let wanted = BRIDGES.map(|bridge| host.flow_set(bridge));
    host.limit_table("br-tun", 20, ROOM);
    host.limit_table("br-tun", 21, ROOM);
    host.restart_vswitchd();
    host.wait_status("that flows are refused", |status| refused(status, "br-tun", 21).len() > ROOM);
    for table in [20, 21] {
        assert_eq!(host.flows_in("br-tun", table), ROOM, "table {table} has what it takes");
    }
    host.assert_flows("br-int", &wanted[0]);
    host.assert_flows("br-phys", &wanted[2]);
    let all: usize = wanted.iter().map(BTreeSet::len).sum();
    let took = flow_mods(host);
    assert!(took <= 4 * all as u64 + TRIES, "{took} FLOW_MODs for {all} flows");
    lab.await_traffic();
    let traffic = lab.traffic();
    watch_standing(host, 2 * TRIES);
    let lifted = Instant::now();
    host.lift_limits("br-tun");
    eventually("all flows are in", NEXT_TRY, || BRIDGES.map(|bridge| host.flow_set(bridge)) == wanted);
    let repaired = lifted.elapsed();
    let losses = traffic.stop();
    host.wait_settled();
    report("Refused: tables full at the first apply", &losses, repaired);
    losses.assert_none();
}

/// Everything gets out, and pings get in.
const RULES: &str = r#"
[security_groups.default]
rules = [{ direction = "egress" }, { direction = "ingress", protocol = "icmp" }]
"#;

/// What the datapath of the switch says that it can do, as a kernel without the module would.
fn set_feature(host: &Host, feature: &str, on: &str) {
    host.appctl(&["dpif/set-dp-features", "br-int", feature, on]);
}

/// The datapath loses connection tracking zones: the switch refuses actions and matches that it has taken before.
#[test]
fn actions_that_the_datapath_cannot_do_keep_out_the_ports_that_need_them_and_no_others() {
    const ERRORS: [&str; 2] = ["NXBAC_CT_DATAPATH_SUPPORT", "NXBMC_CT_DATAPATH_SUPPORT"];
    let lab = every_network("no-ct").security(RULES).vm_with("a", "l3", "loc", |vm| vm.unplugged()).start_settled();
    let host = lab.host("a");
    let traffic = lab.traffic_on(&["local", "flat", "VLAN"]);
    set_feature(host, "ct_zone", "false");
    lab.plug("l3");
    host.wait_status("that l3 is refused for it", |status| {
        let port = row(status, "ports", "l3");
        let (refused, of_bridge) = (rows(port, "refused"), rows(row(status, "bridges", "br-int"), "rejected"));
        let known = |refusal: &Value| ERRORS.iter().any(|error| is_complete(refusal, error));
        port["state"] == "refused"
            && port["closed"] == true
            && refused.len() == of_bridge.len()
            && refused.iter().all(|refusal| known(refusal) && refusal["owner"] == "port l3")
    });
    assert!(text(host).contains("br-int: refuses "));
    lab.vm("l1").assert_no_ping("l3");
    let refused = rows(row(&host.heddle_status(), "ports", "l3"), "refused").len() as u64;
    watch_standing(host, refused * 5);
    let mended = Instant::now();
    set_feature(host, "ct_zone", "true");
    eventually("the port is installed", NEXT_TRY, || host.port_state("l3") == "installed");
    let repaired = mended.elapsed();
    host.wait_settled();
    lab.vm("l1").assert_ping("l3");
    let losses = traffic.stop();
    report("Refused: the datapath cannot track connections", &losses, repaired);
    losses.assert_none();
}

/// The flow that keeps what belongs to no network off the wire is gone, and there is no room for it.
#[test]
fn a_patch_without_its_guard_is_taken_apart_until_the_switch_takes_it() {
    let lab = every_network("unguarded").start_settled();
    let host = lab.host("a");
    let peer = || host.column("Interface", "phy-br-phys", "options");
    let [guard] = &host.flows_of("br-phys", Purpose::PhysicalGuard)[..] else { panic!("br-phys has one guard") };
    host.limit_table("br-phys", 0, host.flows_in("br-phys", 0));
    let traffic = lab.traffic_on(&["local", "VXLAN"]);
    let change = host.dir().join("another-takes-its-place");
    let other = "add table=0,priority=7,dl_src=02:00:00:00:77:01,actions=drop";
    fs::write(&change, format!("delete_strict table=0,priority=2,{}\n{other}\n", guard.matching)).unwrap();
    host.ofctl(&["--bundle", "add-flows", &host.mgmt("br-phys").display().to_string(), &change.display().to_string()]);
    host.wait_status("that the ports behind it are refused", |status| {
        let refused = refused(status, "br-phys", 0);
        refused.iter().any(|refusal| refusal["owner"] == "physical network physnet")
            && ["f1", "v1"].iter().all(|port| row(status, "ports", port)["state"] == "refused")
            && ["l1", "x1"].iter().all(|port| row(status, "ports", port)["state"] == "installed")
    });
    eventually("the patch leads nowhere", NEXT_TRY, || peer().contains("nonexistent-peer"));
    watch_standing(host, TRIES);
    let lifted = Instant::now();
    host.lift_limits("br-phys");
    eventually("the patch leads to br-int again", NEXT_TRY, || peer().contains("int-br-phys"));
    host.wait_settled();
    lab.await_traffic();
    let repaired = lifted.elapsed();
    let losses = traffic.stop();
    report("Refused: the guard of the patch to a physical bridge", &losses, repaired);
    losses.assert_none();
}
