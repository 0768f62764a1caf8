//! A switch that refuses flows of the firewall: what they were for stays closed, `heddle status` says so, and all is well
//! again once the switch takes them. Table after table of a real switch is full.

mod lab;

use std::time::Duration;

use lab::frame::{EVERYONE, udp};
use lab::{Capture, Connection, Host, Lab, Vm, Vxlan};
use serde_json::Value;

/// How long the database may take to say what it was told.
const SOON: Duration = Duration::from_secs(5);
/// Between two forbidden packets of one sender. Many more would fill the switch's buffers on a busy machine.
const PAUSE: Duration = Duration::from_millis(20);
/// What no rule allows.
const FORBIDDEN: u16 = 9;
const DEAD_VLAN: &str = "4095";

const RULES: &str = r#"
[security_groups.web]
rules = [
    { direction = "egress" },
    { direction = "ingress", protocol = "tcp", port_range = "80" },
    { direction = "ingress", protocol = "icmp" },
]
[security_groups.client]
rules = [
    { direction = "egress" },
    { direction = "ingress", protocol = "icmp" },
]
"#;

/// `web` and two others on host a, one of them without port security, and `far` on host b.
fn lab(name: &str) -> Lab {
    Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .security(RULES)
        .vm_with("a", "near", "blue", |vm| vm.groups(&["client"]))
        .vm_with("a", "open", "blue", |vm| vm.port_security(false))
        .vm_with("b", "far", "blue", |vm| vm.groups(&["client"]))
        .vm_with("a", "web", "blue", |vm| vm.groups(&["web"]).unplugged())
        .start()
}

/// Plugs `web` as hypervisors do that want no moment in which a port is a trunk.
fn plug_dead(host: &Host) {
    let id = ["--", "set", "Interface", "tap-web", "external_ids:iface-id=web"];
    host.vsctl(&[&["add-port", "br-int", "tap-web", "tag=4095"][..], &id].concat());
}

fn port<'a>(status: &'a Value, name: &str) -> &'a Value {
    let ports = status["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    ports.iter().find(|port| port["name"] == name).unwrap_or(&Value::Null)
}

/// Heddle says that the switch refuses a flow of `web` in this table, and why: as JSON, and to people.
fn wait_refused(host: &Host, table: u8) {
    host.wait_status(&format!("that a flow of table {table} is refused"), |status| {
        let refused = port(status, "web")["refused"].as_array().cloned().unwrap_or_default();
        port(status, "web")["state"] == "refused"
            && refused.iter().any(|flow| flow["table"] == table)
            && refused.iter().all(|flow| flow["error"] == "OFPFMFC_TABLE_FULL" && flow["purpose"] != "")
    });
    let text = host.heddle(&["status", "-c", &host.config_path()]);
    assert_eq!(text.code, 1);
    let line = text.stdout.lines().find(|line| line.trim_start().starts_with("web ")).expect("a line about web");
    let refusal = format!("br-int refuses its flow of table {table} with OFPFMFC_TABLE_FULL");
    assert!(line.contains("REFUSED") && line.contains(&refusal), "{line}");
}

/// Everybody tries to reach `web` in a way that no rule allows, and `web` to be a DHCP server, as long as `meanwhile` runs.
/// Nothing of it may ever arrive.
fn under_attack(lab: &Lab, macs: &[&str], meanwhile: impl FnOnce()) {
    let (web, near, far, open) = (lab.vm("web"), lab.vm("near"), lab.vm("far"), lab.vm("open"));
    let at_web = web.capture_headers();
    let at_others: Vec<Capture> = [&near, &far].map(|vm| vm.capture_headers()).into();
    let forbidden = |from: &Vm<'_>| -> Vec<Vec<u8>> {
        macs.iter().map(|mac| udp((&from.mac(), mac), (&from.ip(), &web.ip()), (40000, FORBIDDEN))).collect()
    };
    let answer = udp((&web.mac(), EVERYONE), (&web.ip(), "255.255.255.255"), (67, 68));
    let mut job: Box<dyn FnOnce() + '_> = Box::new(meanwhile);
    for from in [near, far, open] {
        for frame in forbidden(&from) {
            let inner = job;
            job = Box::new(move || assert!(from.flood(&frame, PAUSE, inner) > 0));
        }
    }
    assert!(web.flood(&answer, PAUSE, job) > 0);
    assert_eq!(at_web.text(&format!("udp and dst port {FORBIDDEN}")), "", "what no rule allows has reached web");
    for capture in at_others {
        assert_eq!(capture.text("udp and dst port 68"), "", "web answers as a DHCP server");
    }
}

#[test]
fn a_port_whose_flows_find_no_room_stays_closed_and_nobody_else_is_harmed() {
    let lab = lab("closed");
    let (web, near, far, a) = (lab.vm("web"), lab.vm("near"), lab.vm("far"), lab.host("a"));
    let unharmed = near.ping_stream("far", Duration::from_millis(10));
    under_attack(&lab, &[&web.mac()], || {
        for table in [60, 71, 72, 73, 81, 82, 92] {
            a.limit_table("br-int", table, a.flows_in("br-int", table));
            plug_dead(a);
            wait_refused(a, table);
            // Flows of 81 and 92 only let something pass: without them it does not.
            let guards = !matches!(table, 81 | 92);
            assert_eq!(port(&a.heddle_status(), "web")["closed"], guards, "table {table}");
            assert_eq!(a.tag("tap-web") == DEAD_VLAN, guards, "table {table}");
            assert!(!a.is_marked("tap-web"), "table {table}");
            near.assert_no_ping("web");
            a.lift_limits("br-int");
            a.wait_settled();
            Connection::open(&near, &web, 80).assert_alive();
            Connection::open(&far, &web, 80).assert_alive();
            a.vsctl(&["del-port", "br-int", "tap-web"]);
            a.wait_status("that web is not plugged", |status| port(status, "web")["state"] == "waiting");
        }
    });
    let pings = unharmed.stop();
    assert!(pings.all_but_of_the_tunnel(), "{pings:?}");
}

#[test]
fn an_open_port_is_closed_when_the_switch_refuses_what_guards_a_change_of_it() {
    let lab = lab("closed-change");
    let (web, near, a) = (lab.vm("web"), lab.vm("near"), lab.host("a"));
    lab.plug("web");
    lab.wait_ready();
    Connection::open(&near, &web, 80).assert_alive();
    let unharmed = near.ping_stream("far", Duration::from_millis(10));
    for table in [60, 73] {
        let pair = format!("fa:16:3e:00:99:{table}");
        a.limit_table("br-int", table, a.flows_in("br-int", table));
        lab.edit_topology(|topology| {
            topology.port("web").allowed_address_pairs.push((web.ip(), Some(pair.clone())));
        });
        wait_refused(a, table);
        lab::eventually("the port is closed", SOON, || a.tag("tap-web") == DEAD_VLAN);
        // If the switch heard it, NORMAL would deliver to it.
        let announce = udp((&pair, EVERYONE), (&web.ip(), "172.18.0.255"), (40000, 40000));
        web.flood(&announce, PAUSE, || {
            under_attack(&lab, &[&web.mac(), &pair], || near.assert_no_ping("web"));
        });
        a.lift_limits("br-int");
        a.wait_settled();
        Connection::open(&near, &web, 80).assert_alive();
    }
    let pings = unharmed.stop();
    assert!(pings.all(), "{pings:?}");
}

#[test]
fn a_switch_that_comes_back_without_room_for_a_table_lets_nothing_through_that_it_checks() {
    let lab = lab("closed-restart");
    let (web, near, a) = (lab.vm("web"), lab.vm("near"), lab.host("a"));
    lab.plug("web");
    lab.wait_ready();
    under_attack(&lab, &[&web.mac()], || {
        for table in [60, 73, 91, 93, 94] {
            a.limit_table("br-int", table, 0);
            a.restart_vswitchd();
            wait_refused(a, table);
            // What reaches a neighbour passes 60 and 73, what leaves the host 91 and 94 too; 93 only counts what is dropped.
            match table {
                60 | 73 => near.assert_no_ping("web"),
                91 | 94 => near.assert_no_ping("far"),
                _ => near.assert_ping("web"),
            }
            a.lift_limits("br-int");
            a.wait_settled();
            near.assert_ping("web");
            Connection::open(&near, &web, 80).assert_alive();
        }
    });
}
