//! How large packets may be: what Heddle asks Open vSwitch for, shows, and warns of.

mod lab;

use std::time::Duration;

use lab::*;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(5);

/// One host whose port `i1` is to be an internal interface, and a machine in the same network.
fn one_host(name: &str) -> Lab {
    let lab = Lab::new(name).network("blue", Vxlan(1001), &["172.18.0.0/24"]).host("a").host("b");
    lab.vm("a", "x1", "blue").vm_with("a", "i1", "blue", VmSpec::unplugged).vm("b", "x2", "blue").start()
}

fn plug_internal(host: &Host, settings: &[&str]) {
    let words = ["add-port", "br-int", "i1", "--", "set", "Interface", "i1", "type=internal"];
    host.vsctl(&[&words[..], &["external_ids:iface-id=i1"], settings].concat());
    eventually("i1 is installed", SOON, || host.is_marked("i1"));
}

fn is_sized(host: &Host, mtu: &str) -> bool {
    ["mtu_request", "mtu"].iter().all(|column| host.column("Interface", "i1", column) == mtu)
}

fn await_size(host: &Host, mtu: &str) {
    eventually(&format!("i1 has the MTU {mtu}"), SOON, || is_sized(host, mtu));
}

fn with_mtu(lab: &Lab, mtu: &str) {
    let text = std::fs::read_to_string(lab.host("a").dir().join("topology.toml")).unwrap();
    let text = text.lines().filter(|line| !line.starts_with("mtu = ")).collect::<Vec<_>>().join("\n");
    lab.write_topology(&text.replace("type = \"vxlan\"\n", &format!("type = \"vxlan\"\n{mtu}\n")));
}

#[test]
fn an_internal_port_has_the_mtu_of_its_network_and_gives_it_back() {
    let lab = one_host("mtu-internal");
    let host = lab.host("a");
    plug_internal(host, &[]);
    await_size(host, "1450");
    for (table, row, column) in [("Interface", "tap-x1", "mtu_request"), ("Interface", "patch-tun", "mtu_request")] {
        assert_eq!(host.column(table, row, column), "[]", "{row} is not ours to size");
    }
    with_mtu(&lab, "mtu = 1300");
    await_size(host, "1300");
    host.vsctl(&["clear", "Interface", "i1", "mtu_request"]);
    await_size(host, "1300");
    let database = host.database_file();
    host.restart_heddle();
    host.wait_settled();
    assert_eq!(host.database_file(), database, "a restart writes nothing");
    host.vsctl(&["remove", "Interface", "i1", "external_ids", "iface-id"]);
    eventually("nothing is asked for", SOON, || host.column("Interface", "i1", "mtu_request") == "[]");
    assert_eq!(host.column("Interface", "i1", "external_ids"), "{}");
}

#[test]
fn an_mtu_that_somebody_else_asked_for_stays_and_a_smaller_one_is_warned_of() {
    let lab = one_host("mtu-theirs");
    let host = lab.host("a");
    plug_internal(host, &["mtu_request=1200"]);
    host.wait_settled();
    await_size(host, "1200");
    let status = host.heddle_status();
    let network = |status: &Value| status["networks"][0]["mtu"].clone();
    assert_eq!(network(&status), 1450);
    let port = |name: &str| {
        let ports = status["ports"].as_array().unwrap();
        ports.iter().find(|port| port["name"] == name).unwrap().clone()
    };
    assert_eq!((&port("i1")["mtu"], &port("i1")["state"]), (&1200.into(), &"installed".into()));
    assert_eq!(port("i1")["warning"], "its interface passes packets of up to 1200 bytes, its network's are up to 1450");
    assert_eq!((&port("x1")["mtu"], &port("x1")["warning"]), (&1450.into(), &Value::Null));
    let text = host.heddle(&["status", "-c", &host.config_path()]);
    assert!(text.ok() && text.stdout.contains("blue  vlan 1  mtu 1450"), "{}", text.stdout);
    assert!(text.stdout.contains("installed; its interface passes packets of up to 1200 bytes"), "{}", text.stdout);
    with_mtu(&lab, "mtu = 1150");
    host.wait_status("the network's new MTU", |status| network(status) == 1150);
    assert!(is_sized(host, "1200"), "theirs");
}

#[test]
fn check_warns_of_a_way_to_other_nodes_that_is_too_small_and_only_then() {
    let lab = one_host("mtu-underlay");
    let host = lab.host("a");
    let check = || host.heddle(&["check", "-c", &host.config_path()]);
    let good = check();
    assert!(good.ok() && good.stderr.is_empty(), "{}", good.stderr);
    let smaller = host.exec(&["ip", "route", "replace", "192.0.2.2/32", "dev", "br-under", "mtu", "1400"]);
    assert!(smaller.ok(), "{}", smaller.stderr);
    let warned = check();
    assert!(warned.ok() && warned.stdout.contains("1 tunnels"), "{}", warned.stdout);
    assert_eq!(
        warned.stderr.trim(),
        "heddle: warning: the way to node b (192.0.2.2) carries packets of up to 1400 bytes, network blue needs 1500 \
         (its mtu 1450 and 50 for VXLAN): raise the MTU of the underlay, or say path_mtu = 1400 under [mtu] in the \
         topology"
    );
    let text = std::fs::read_to_string(host.dir().join("topology.toml")).unwrap();
    std::fs::write(host.dir().join("topology.toml"), format!("{text}\n[mtu]\npath_mtu = 1400\n")).unwrap();
    assert_eq!(check().stderr, "", "what the topology says now fits");
}
