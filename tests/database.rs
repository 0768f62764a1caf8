//! What Heddle writes into Open vSwitch's database, what it leaves alone, and when.

mod lab;

use std::collections::BTreeSet;
use std::time::Duration;

use lab::*;

const SOON: Duration = Duration::from_secs(5);

fn two_hosts(name: &str) -> LabBuilder {
    Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .network("wire", Vlan("physnet", 100), &["172.18.1.0/24"])
        .host("a")
        .host("b")
        .vm("a", "x1", "blue")
        .vm("b", "x2", "blue")
}

fn ports(host: &Host, bridge: &str) -> BTreeSet<String> {
    host.vsctl(&["list-ports", bridge]).lines().map(str::to_owned).collect()
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn bridges_are_made_secure_with_openflow_13_and_our_controller_out_of_band() {
    let lab = two_hosts("bridges").start();
    let host = lab.host("a");
    for bridge in ["br-int", "br-tun", "br-phys"] {
        assert_eq!(host.vsctl(&["get-fail-mode", bridge]).trim(), "secure", "{bridge}");
        assert_eq!(host.vsctl(&["get-controller", bridge]).trim(), "tcp:127.0.0.1:6633", "{bridge}");
        assert_eq!(host.column("Controller", bridge, "connection_mode"), "out-of-band", "{bridge}");
        assert_eq!(host.column("Bridge", bridge, "datapath_type"), "netdev", "{bridge}");
        assert_eq!(host.column("Bridge", bridge, "other_config:disable-in-band"), "true", "{bridge}");
    }
    for bridge in ["br-int", "br-tun"] {
        assert!(host.column("Bridge", bridge, "protocols").contains("OpenFlow13"));
        let hidden = host.appctl(&["bridge/dump-flows", bridge]);
        assert!(!hidden.contains("priority=180"), "in-band flows: {hidden}");
    }
    assert_eq!(ports(host, "br-int"), names(["int-br-phys", "patch-tun", "tap-x1"]));
    assert_eq!(ports(host, "br-tun"), names(["patch-int", "vxlan-c0000202"]));
    assert_eq!(ports(host, "br-phys"), names(["phy-br-phys", "physnet"]));
    for (port, peer) in [("patch-tun", "patch-int"), ("patch-int", "patch-tun")] {
        assert_eq!(host.column("Interface", port, "options:peer"), peer);
    }
    assert_eq!(host.column("Interface", "vxlan-c0000202", "options:remote_ip"), "192.0.2.2");
    assert_eq!(host.column("Interface", "vxlan-c0000202", "options:local_ip"), "192.0.2.1");
    assert_eq!(host.column("Interface", "vxlan-c0000202", "options:in_key"), "flow");
}

#[test]
fn only_what_differs_is_written_and_the_rest_is_put_right() {
    let lab = two_hosts("differences").start();
    let host = lab.host("a");
    lab.hosts().iter().for_each(Host::wait_settled);
    let before = host.database_file();
    host.vsctl(&["set-fail-mode", "br-int", "standalone"]);
    eventually("br-int is secure again", SOON, || host.vsctl(&["get-fail-mode", "br-int"]).trim() == "secure");
    host.vsctl(&["clear", "Port", "tap-x1", "tag"]);
    eventually("the tag is back", SOON, || host.tag("tap-x1") == "1");
    host.vsctl(&["remove", "Interface", "tap-x1", "external_ids", "heddle-installed"]);
    eventually("the mark is back", SOON, || host.is_marked("tap-x1"));
    host.vsctl(&["del-port", "patch-tun"]);
    eventually("the patch is back", SOON, || ports(host, "br-int").contains("patch-tun"));
    host.wait_settled();
    lab.vm("x1").assert_ping("x2");
    let written = host.database_file().split_off(before.len());
    let written = String::from_utf8_lossy(&written);
    assert!(!written.contains("6633"), "a controller that is right is not written again: {written}");
}

#[test]
fn what_others_keep_in_the_database_stays() {
    let lab = two_hosts("foreign").start();
    let host = lab.host("a");
    host.add_bridge("br-mine");
    host.vsctl(&["set-controller", "br-mine", "tcp:192.0.2.200:6653"]);
    let key = "external_ids:mine=yes";
    for (table, row) in [("Bridge", "br-int"), ("Port", "tap-x1"), ("Interface", "tap-x1"), ("Port", "patch-tun")] {
        host.vsctl(&["set", table, row, key]);
    }
    host.vsctl(&["set", "Open_vSwitch", ".", key]);
    host.vsctl(&["set", "Bridge", "br-int", "other_config:mac-aging-time=100"]);
    host.vsctl(&["set", "Bridge", "br-mine", key]);
    let mine = || {
        ["fail_mode", "protocols", "external_ids", "other_config", "ports"].map(|c| host.column("Bridge", "br-mine", c))
    };
    let before = mine();
    host.restart_heddle();
    host.wait_settled();
    lab.unplug("x1");
    lab.plug("x1");
    host.vsctl(&["set", "Interface", "tap-x1", key]);
    lab.wait_ready();
    assert_eq!(mine(), before);
    assert_eq!(host.vsctl(&["get-controller", "br-mine"]).trim(), "tcp:192.0.2.200:6653");
    for (table, row) in [("Bridge", "br-int"), ("Interface", "tap-x1"), ("Port", "patch-tun"), ("Open_vSwitch", ".")] {
        assert_eq!(host.column(table, row, "external_ids:mine"), "yes", "{table} {row}");
    }
    assert_eq!(host.column("Bridge", "br-int", "other_config:mac-aging-time"), "100");
}

#[test]
fn a_tunnel_comes_with_the_first_shared_network_and_goes_with_the_last() {
    let lab = two_hosts("tunnels").host("c").vm("c", "x3", "blue").start();
    let tunnels = |host: &str| {
        let mut tunnels = ports(lab.host(host), "br-tun");
        tunnels.remove("patch-int");
        tunnels
    };
    assert_eq!(tunnels("a"), names(["vxlan-c0000202", "vxlan-c0000203"]));
    let others = lab.vm("x1").ping_stream("x2", Duration::from_millis(10));
    let port = lab.vm("x3").spec().port;
    lab.edit_topology(|topology| drop(topology.remove_port("x3")));
    eventually("no tunnel to c is left", SOON, || {
        tunnels("a") == names(["vxlan-c0000202"])
            && tunnels("b") == names(["vxlan-c0000201"])
            && tunnels("c").is_empty()
    });
    lab.edit_topology(|topology| topology.ports.push(port));
    eventually("the tunnels are back", SOON, || tunnels("c").len() == 2 && tunnels("a").len() == 2);
    lab.wait_ready();
    lab.vm("x3").assert_ping("x1");
    let pings = others.stop();
    assert!(pings.all_but_of_the_tunnel(), "{pings:?}\n{}", logs());
}

#[test]
fn the_database_is_reached_over_tcp_too() {
    let lab = two_hosts("tcp").config("a", "[ovsdb]\nremote = \"tcp:127.0.0.1:6640\"").start_without_heddle();
    lab.host("a").appctl_to("ovsdb-server", &["ovsdb-server/add-remote", "ptcp:6640:127.0.0.1"]);
    lab.hosts().iter().for_each(Host::start_heddle);
    for host in lab.hosts() {
        eventually("br-int is there", SOON, || host.bridge_exists("br-int"));
    }
    lab.plug_all();
    lab.wait_ready();
    lab.vm("x1").assert_ping("x2");
    assert_eq!(lab.host("a").heddle_status()["ovsdb"], "tcp:127.0.0.1:6640");
}

#[test]
fn a_missing_physical_bridge_is_reported_and_served_once_it_appears() {
    let lab = two_hosts("no-phys").vm("a", "w1", "wire").vm("b", "w2", "wire").start_without_heddle();
    let host = lab.host("a");
    host.vsctl(&["del-br", "br-phys"]);
    lab.hosts().iter().for_each(Host::start_heddle);
    for host in lab.hosts() {
        eventually("br-int is there", SOON, || host.bridge_exists("br-int"));
    }
    lab.plug_all();
    eventually("networks without it are served", SOON, || lab.is_ready("x1") && lab.is_ready("x2"));
    lab.vm("x1").assert_ping("x2");
    let status = host.heddle(&["status", "-c", &host.config_path()]);
    assert_eq!(status.code, 1);
    assert!(status.stdout.contains("the bridge br-phys does not exist"), "{}", status.stdout);
    assert!(host.heddle_log().contains("the bridge br-phys does not exist"));

    host.add_bridge("br-phys");
    host.vsctl(&["add-port", "br-phys", "physnet"]);
    host.wait_settled();
    lab.wait_ready();
    lab.vm("w1").assert_ping("w2");
    assert_eq!(host.heddle(&["status", "-c", &host.config_path()]).code, 0);
}

#[test]
fn a_patch_to_a_physical_bridge_is_closed_after_its_guards_and_nothing_loops() {
    // The wire joins two physical networks: a loop through both, unless the guards are there first.
    let lab = Lab::new("loop").network("flt", Flat("physnet"), &["172.18.0.0/24"]);
    let lab = lab.network("flt2", Flat("physnet2"), &["172.18.1.0/24"]).host("a");
    let lab = lab.vm("a", "f1", "flt").vm("a", "f2", "flt2").start_without_heddle();
    let host = lab.host("a");
    let captures = ["physnet", "physnet2"].map(|wire| lab.capture_wire(wire));
    host.start_heddle();
    eventually("br-int is there", SOON, || host.bridge_exists("br-int"));
    lab.plug_all();
    host.wait_settled();
    lab.wait_ready();
    eventually("the patches are closed", SOON, || {
        host.column("Interface", "int-br-phys", "options:peer") == "phy-br-phys"
    });
    let database = String::from_utf8_lossy(&host.database_file()).into_owned();
    let at = |text: &str| database.find(text).unwrap_or_else(|| panic!("the database never held {text}"));
    assert!(at("nonexistent-peer") < at(r#"["peer","phy-br-phys"]"#), "the patch was open first");
    lab.vm("f1").send_hex("ffffffffffff fa163e000001 88b5 0102030405060708");
    eventually("it is on the wire", SOON, || captures[0].count(|frame| frame.ethertype == 0x88b5) > 0);
    lab.vm("f1").assert_no_ping("172.18.0.250");
    assert_eq!(captures.each_ref().map(|capture| capture.count(|frame| frame.ethertype == 0x88b5)), [1, 0]);
}

#[test]
fn an_unplugged_host_writes_nothing_however_often_it_starts() {
    let lab = two_hosts("quiet").start_unplugged();
    let host = lab.host("a");
    host.wait_settled();
    let before = host.database_file();
    for _ in 0..3 {
        host.restart_heddle();
        host.wait_settled();
    }
    assert_eq!(String::from_utf8_lossy(&host.database_file()[before.len()..]), "");
}
