//! Ports come, go, move and change, and interfaces are not always what they should be.

mod lab;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use lab::*;

const SOON: Duration = Duration::from_secs(5);

/// One host, one local network.
fn local(name: &str) -> LabBuilder {
    Lab::new(name).network("red", Local, &["172.18.0.0/24"]).host("a")
}

/// A stream that a test's change must not touch.
fn stream(lab: &Lab, from: &str, to: &str) -> PingStream {
    lab.vm(from).ping_stream(to, Duration::from_millis(10))
}

fn assert_untouched(stream: PingStream) {
    let pings = stream.stop();
    assert!(pings.all(), "{pings:?}\n{}", logs());
}

fn set_link(host: &Host, link: &str, change: &[&str]) {
    let output = host.exec(&[&["ip", "link", "set", link], change].concat());
    assert!(output.ok(), "{}", output.stderr);
}

#[test]
fn a_port_is_found_by_its_iface_id_and_by_the_name_of_its_interface() {
    let lab = local("find").vm("a", "r1", "red").vm_with("a", "r2", "red", VmSpec::by_interface).start();
    let host = lab.host("a");
    assert_eq!(host.column("Interface", "tap-r2", "external_ids:iface-id"), "");
    lab.vm("r1").assert_ping("r2");
    assert_eq!(host.column("Port", "tap-r2", "external_ids:heddle-network"), "red");
}

#[test]
fn a_port_comes_and_goes_at_run_time_without_touching_others() {
    let lab = local("plug").vm("a", "r1", "red").vm("a", "r2", "red").vm("a", "r3", "red").start();
    let host = lab.host("a");
    let others = stream(&lab, "r1", "r2");
    for _ in 0..3 {
        let number = host.ofport("tap-r3").unwrap();
        lab.vm("r3").assert_ping("r1");
        lab.unplug("r3");
        eventually("its flows are gone", SOON, || {
            !host.flow_set("br-int").iter().any(|flow| flow.contains(&format!("in_port={number} ")))
        });
        assert_eq!(host.port_state("r3"), "waiting");
        lab.plug("r3");
        lab.wait_ready();
    }
    lab.vm("r3").assert_ping("r1");
    assert_untouched(others);
}

#[test]
fn a_port_that_the_topology_does_not_know_is_dropped_and_listed_until_it_does() {
    let lab =
        local("unknown").vm("a", "r1", "red").vm("a", "r2", "red").vm_with("a", "u1", "red", VmSpec::unknown).start();
    let host = lab.host("a");
    eventually("the unknown port is on the dead VLAN", SOON, || host.tag("tap-u1") == "4095");
    let reason = host.unserved_reason("tap-u1").expect("heddle status lists it");
    assert!(reason.contains("knows no port"), "{reason}");
    assert!(host.heddle(&["status", "-c", &host.config_path()]).stdout.contains("tap-u1"));
    assert!(!host.is_marked("tap-u1"));

    let (inside, outside) = (lab.vm("u1").capture(), lab.vm("r1").capture());
    let (others, me) = (lab.vm("r2").mac(), lab.vm("u1").mac());
    lab.vm("r2").announce_request(&lab.vm("r2").ip());
    lab.vm("u1").announce_request(&lab.vm("u1").ip());
    lab.vm("u1").assert_no_ping("r1");
    lab.vm("r2").assert_ping("r1");
    let is_from = |mac: &str| {
        let mac = netns::hex(mac);
        move |frame: &Frame| frame.source[..] == mac[..]
    };
    assert_eq!(inside.count(is_from(&others)), 0, "it receives nothing");
    assert_eq!(outside.count(is_from(&me)), 0, "nothing of it arrives");

    let port = lab.vm("u1").spec().port;
    lab.edit_topology(|topology| topology.ports.push(port));
    lab.wait_ready();
    lab.vm("u1").assert_ping("r1");
    lab.edit_topology(|topology| drop(topology.remove_port("u1")));
    eventually("the mark is taken away", SOON, || !host.is_marked("tap-u1"));
    eventually("it is dead again", SOON, || host.tag("tap-u1") == "4095");
    lab.vm("u1").assert_no_ping("r1");
}

#[test]
fn an_interface_that_comes_back_with_another_number_is_bound_again() {
    let lab = local("renumber").vm("a", "r1", "red").vm("a", "r2", "red").vm("a", "r3", "red").start();
    let host = lab.host("a");
    let others = stream(&lab, "r1", "r3");
    let bind = "external_ids:iface-id=r2";
    let has = |number: &str| {
        eventually(&format!("r2 is bound to number {number}"), SOON, || {
            let flows = host.flow_set("br-int");
            host.is_marked("tap-r2") && flows.iter().any(|flow| flow.contains(&format!("in_port={number} ")))
        });
        lab.vm("r2").assert_ping("r1");
    };
    let add =
        |number: &'static str| vec!["add-port", "br-int", "tap-r2", "--", "set", "Interface", "tap-r2", number, bind];
    host.vsctl(&["del-port", "tap-r2"]);
    host.vsctl(&add("ofport_request=77"));
    has("77");
    host.vsctl(&[&["del-port", "tap-r2", "--"], &add("ofport_request=78")[..]].concat());
    has("78");
    host.vsctl(&["set", "Interface", "tap-r2", "ofport_request=79"]);
    has("79");
    eventually("nothing of the old numbers is left", SOON, || {
        let flows = host.flow_set("br-int");
        !flows.iter().any(|flow| flow.contains("in_port=77 ") || flow.contains("in_port=78 "))
    });
    assert_untouched(others);
}

#[test]
fn an_interface_without_a_device_waits_and_harms_nobody_and_works_once_the_device_appears() {
    let ghost = |vm: VmSpec| vm.unplugged();
    let lab = local("ghost").vm_with("a", "r1", "red", ghost).vm_with("a", "r2", "red", ghost);
    let lab = lab.vm_with("a", "g1", "red", ghost).start();
    let host = lab.host("a");
    let add = ["add-port", "br-int", "late0", "--", "set", "Interface", "late0", "external_ids:iface-id=g1"];
    host.try_vsctl(&add);
    eventually("the switch has failed to open it", SOON, || host.column("Interface", "late0", "ofport") == "-1");
    lab.plug("r1");
    lab.plug("r2");
    eventually("others are served meanwhile", SOON, || lab.is_ready("r1") && lab.is_ready("r2"));
    lab.vm("r1").assert_ping("r2");
    assert_eq!(host.port_state("g1"), "waiting");
    let status = host.heddle(&["status", "-c", &host.config_path()]);
    assert!(status.stdout.contains("ofport -1"), "{}", status.stdout);
    assert!(!host.is_marked("late0"));

    set_link(host, "tap-g1", &["down"]);
    set_link(host, "tap-g1", &["name", "late0"]);
    set_link(host, "late0", &["up"]);
    eventually("it is installed", SOON, || host.is_marked("late0"));
    lab.vm("g1").assert_ping("r1");
}

#[test]
fn the_mark_is_there_exactly_while_the_flows_are() {
    let lab = local("mark").vm("a", "r1", "red").vm("a", "r2", "red").start();
    let host = lab.host("a");
    let history = host.watch_interfaces();
    host.restart_vswitchd();
    host.wait_settled();
    lab.wait_ready();
    let unmarked =
        |name: &str| history.rows().iter().any(|row| row.name == name && !row.installed && row.ofport.is_some());
    eventually("the mark was taken away while the flows were gone", SOON, || unmarked("tap-r1") && unmarked("tap-r2"));
    lab.edit_topology(|topology| topology.port("r2").node = "elsewhere".into());
    host.wait_status("that the node is unknown", |status| status["topology_problem"].is_string());
    assert!(host.is_marked("tap-r2"), "a refused file changes nothing");
    lab.edit_topology(|topology| {
        topology.nodes.push(("elsewhere".into(), "192.0.2.9".parse().unwrap()));
    });
    eventually("the port is another node's now", SOON, || !host.is_marked("tap-r2"));
    assert!(host.is_marked("tap-r1"));
}

#[test]
fn a_port_that_is_deleted_and_added_in_quick_succession_ends_up_bound() {
    let lab = local("quick").vm("a", "r1", "red").vm("a", "r2", "red").start();
    let host = lab.host("a");
    let add = ["add-port", "br-int", "tap-r2", "--", "set", "Interface", "tap-r2", "external_ids:iface-id=r2"];
    for _ in 0..10 {
        host.vsctl(&["--no-wait", "del-port", "tap-r2"]);
        host.vsctl(&[&["--no-wait"], &add[..]].concat());
    }
    host.wait_settled();
    lab.wait_ready();
    lab.vm("r2").assert_ping("r1");
    let own = host.ofport("tap-r2").unwrap().to_string();
    let flows = host.dump_flows("br-int");
    let number = |flow: &FlowLine| Some(flow.matching.split_once("in_port=")?.1.split(',').next()?.to_owned());
    let numbers: BTreeSet<String> = flows.iter().filter(|flow| flow.priority >= 9).filter_map(number).collect();
    assert!(numbers.len() == 2 && numbers.contains(&own), "flows of two ports, {own} among them: {numbers:?}");
}

#[test]
fn a_port_that_moves_to_another_node_is_reached_there_once_both_hosts_have_read_the_file() {
    let lab = Lab::new("move").network("blue", Vxlan(1001), &["172.18.0.0/24"]).host("a").host("b").host("c");
    let lab = lab.vm("a", "m1", "blue").vm("a", "s1", "blue").vm("b", "s2", "blue").vm("c", "s3", "blue").start();
    for vm in ["s1", "s2", "s3"] {
        lab.vm(vm).assert_ping("m1");
    }
    let others = stream(&lab, "s2", "s3");
    lab.move_port("m1", "c");
    lab.move_vm("m1", "c");
    lab.wait_ready();
    for vm in ["s1", "s2", "s3"] {
        lab.vm(vm).assert_ping("m1");
    }
    lab.move_port("m1", "b");
    lab.move_vm("m1", "b");
    lab.wait_ready();
    for vm in ["s1", "s2", "s3"] {
        lab.vm(vm).assert_ping("m1");
    }
    let pings = others.stop();
    assert!(pings.all_but_of_the_tunnel(), "{pings:?}\n{}", logs());
}

#[test]
fn of_two_interfaces_with_one_iface_id_the_first_serves_until_it_goes() {
    let lab = local("twins").vm("a", "r1", "red").vm("a", "r2", "red").vm_with("a", "t1", "red", VmSpec::unknown);
    let lab = lab.vm_with("a", "t2", "red", |vm| vm.unknown().unplugged()).start();
    let host = lab.host("a");
    let others = stream(&lab, "r1", "r2");
    host.vsctl(&["set", "Interface", "tap-t1", "external_ids:iface-id=r2"]);
    eventually("the second is on the dead VLAN", SOON, || host.tag("tap-t1") == "4095");
    let reason = || host.unserved_reason("tap-t1").unwrap_or_default();
    eventually("and listed", SOON, || reason().contains("another interface is port r2"));
    assert_untouched(others);
    lab.unplug("r2");
    eventually("the second takes over", SOON, || host.is_marked("tap-t1"));
    assert_eq!(host.tag("tap-t1"), host.tag("tap-r1"));
    assert_eq!(host.port_state("r2"), "installed");
}

#[test]
fn a_port_of_another_node_is_not_served_here() {
    let lab = Lab::new("other-node").network("blue", Vxlan(1001), &["172.18.0.0/24"]).host("a").host("b");
    let lab = lab.vm("a", "s1", "blue").vm("a", "m1", "blue").start();
    let host = lab.host("a");
    lab.move_port("m1", "b");
    eventually("the port is on the dead VLAN", SOON, || host.tag("tap-m1") == "4095" && !host.is_marked("tap-m1"));
    let reason = host.unserved_reason("tap-m1").unwrap();
    assert_eq!(reason, "port m1 belongs on node b");
    lab.vm("m1").assert_no_ping("s1");
    lab.move_port("m1", "a");
    lab.wait_ready();
    lab.vm("m1").assert_ping("s1");
}

#[test]
fn mac_addresses_and_port_security_change_while_traffic_flows() {
    let lab = Lab::new("live").network("blue", Vxlan(1001), &["172.18.0.0/24"]).host("a").host("b");
    let lab = lab.vm("a", "s1", "blue").vm("a", "s2", "blue").vm("b", "s3", "blue").start();
    let others = stream(&lab, "s1", "s3");
    let change = |words: &[&str]| assert!(lab.vm("s2").exec(words).ok(), "{words:?}");

    change(&["ip", "addr", "flush", "dev", "eth0"]);
    change(&["ip", "addr", "add", "172.18.0.99/24", "dev", "eth0"]);
    lab.vm("s2").assert_no_ping("s1");
    lab.edit_topology(|topology| topology.port("s2").fixed_ips = vec!["172.18.0.99".parse().unwrap()]);
    for vm in ["s1", "s3"] {
        lab.vm(vm).assert_ping("172.18.0.99");
    }

    change(&["ip", "link", "set", "eth0", "address", "fa:16:3e:00:00:99"]);
    lab.vm("s2").assert_no_ping("s1");
    lab.edit_topology(|topology| topology.port("s2").mac_address = "fa:16:3e:00:00:99".into());
    // Whoever asks before b has read the file is told the old address, and remembers it for a while.
    let answers = |flow: &FlowLine| flow.table == 21 && flow.actions.contains("fa:16:3e:00:00:99");
    lab.host("b").wait_for_flow("br-tun", "the ARP answer with the new address", answers);
    for vm in ["s1", "s3"] {
        lab.vm(vm).flush_neighbors();
        lab.vm("s2").assert_ping(vm);
    }

    change(&["ip", "addr", "replace", "172.18.0.100/24", "dev", "eth0"]);
    let spoofed =
        || lab.vm("s2").exec(&["ping", "-n", "-c", "1", "-W", "1", "-I", "172.18.0.100", &lab.vm("s3").ip()]).ok();
    assert!(!spoofed());
    lab.edit_topology(|topology| topology.port("s2").port_security = Some(false));
    eventually("without port security any address may be used", SOON, spoofed);
    lab.edit_topology(|topology| topology.port("s2").port_security = Some(true));
    eventually("and with it again none may", SOON, || {
        lab.vm("s3").flush_neighbors(); // no ARP from an address that is not its own gets an answer back to it
        !spoofed()
    });
    assert_untouched(others);
}

#[test]
fn local_vlans_survive_a_restart_whatever_the_order_in_which_they_were_given() {
    let lab = Lab::new("vlans").host("a").network("red", Local, &["172.18.0.0/24"]);
    let lab = lab.network("green", Local, &["172.18.1.0/24"]).network("blue", Local, &["172.18.2.0/24"]);
    let later = |vm: VmSpec| vm.unplugged();
    let lab = lab.vm_with("a", "r1", "red", later).vm_with("a", "g1", "green", later).vm_with("a", "b1", "blue", later);
    let lab = lab.start();
    let host = lab.host("a");
    for vm in ["r1", "g1", "b1"] {
        lab.plug(vm);
        lab.wait_ready();
    }
    let tags = || ["tap-r1", "tap-g1", "tap-b1"].map(|interface| host.tag(interface));
    assert_eq!(tags(), ["1", "2", "3"]);
    lab.unplug("r1");
    eventually("the first is free", SOON, || host.heddle_status()["networks"].as_array().unwrap().len() == 2);
    host.restart_heddle();
    host.restart_vswitchd();
    host.wait_settled();
    assert_eq!(tags(), ["", "2", "3"]);
    lab.plug("r1");
    lab.wait_ready();
    assert_eq!(tags(), ["1", "2", "3"]);
}

#[test]
fn a_port_that_asks_to_be_a_trunk_is_made_an_access_port_and_sees_no_other_network() {
    let lab = local("trunk").network("green", Local, &["172.18.1.0/24"]);
    let lab = lab.vm("a", "r1", "red").vm("a", "g1", "green").vm("a", "g2", "green");
    let lab = lab.vm_with("a", "u1", "red", VmSpec::unknown).start();
    let host = lab.host("a");
    for interface in ["tap-r1", "tap-u1"] {
        host.vsctl(&[
            "set",
            "Port",
            interface,
            "vlan_mode=trunk",
            "trunks=1,2",
            "--",
            "clear",
            "Port",
            interface,
            "tag",
        ]);
        eventually("it is an access port again", SOON, || {
            let columns = ["vlan_mode", "trunks"].map(|column| host.column("Port", interface, column));
            columns == ["[]", "[]"] && !["", "[]"].contains(&host.tag(interface).as_str())
        });
    }
    host.appctl(&["revalidator/wait"]);
    host.vsctl(&["set", "Open_vSwitch", ".", "external_ids:seen=yes"]); // returns when the switch has caught up
    let seen = ["r1", "u1"].map(|vm| lab.vm(vm).capture());
    lab.vm("g1").announce_request(&lab.vm("g1").ip());
    // Tagged with the other network's VLAN by its own hand.
    let vlan: u16 = host.tag("tap-g1").parse().unwrap();
    let tagged = format!("ffffffffffff fa163e000001 8100 {vlan:04x} 88b5 0001020304");
    let arrived = lab.vm("g2").capture();
    lab.vm("r1").send_hex(&tagged);
    lab.vm("u1").send_hex(&tagged);
    lab.vm("g1").assert_ping("g2");
    for capture in seen {
        assert_eq!(capture.count(|frame| frame.source[5] == 2), 0, "{:?}", capture.frames());
    }
    assert_eq!(arrived.count(|frame| frame.ethertype == 0x88b5 || frame.vlan.is_some()), 0);
}

/// A port without a tag is a trunk until Heddle has given it one, about a millisecond later. Whoever plugs with
/// `tag=4095`, as OpenStack's os-vif does, leaves no such moment.
#[test]
fn a_port_that_is_plugged_on_the_dead_vlan_never_sees_another_network() {
    let lab = local("window").network("green", Local, &["172.18.1.0/24"]);
    let lab = lab.vm("a", "r1", "red").vm("a", "g1", "green").vm_with("a", "r2", "red", VmSpec::unplugged).start();
    let host = lab.host("a");
    let seen = lab.vm("r2").capture();
    let mut flood = lab.vm("g1").command("ping");
    flood.args(["-b", "-q", "-i", "0.002", "172.18.1.255"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut flood = flood.spawn().unwrap();
    for _ in 0..10 {
        let set = ["--", "set", "Interface", "tap-r2", "external_ids:iface-id=r2"];
        host.vsctl(&[&["add-port", "br-int", "tap-r2", "tag=4095"], &set[..]].concat());
        eventually("it is bound", SOON, || host.is_marked("tap-r2"));
        lab.vm("r2").assert_ping("r1");
        host.vsctl(&["del-port", "br-int", "tap-r2"]);
    }
    flood.kill().and_then(|()| flood.wait()).unwrap();
    let green = netns::hex(&lab.vm("g1").mac());
    assert_eq!(seen.count(|frame| frame.source[..] == green[..]), 0);
}
