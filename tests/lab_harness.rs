//! The lab itself, with flows installed by hand: what it promises to the tests that stand on it.

mod lab;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use lab::{FlowLine, Frame, Lab, Local, Pings, Vlan, Vxlan, eventually, frame, sweep};

/// `br-int` as a plain switch on every host, and every VM plugged.
fn plug_into_plain_switches(lab: &Lab) {
    lab.hosts().iter().for_each(|host| host.add_bridge("br-int"));
    lab.plug_all();
}

/// Joins `br-int` to another bridge by patch ports.
fn patch(lab: &Lab, host: &str, bridge: &str) {
    let ends = [("br-int", "to-other", "to-int"), (bridge, "to-int", "to-other")];
    for (bridge, port, peer) in ends {
        let (kind, peer) = ("type=patch", format!("options:peer={peer}"));
        lab.host(host).vsctl(&["add-port", bridge, port, "--", "set", "Interface", port, kind, &peer]);
    }
}

/// A VXLAN port on `br-int`, as Heddle would have it on `br-tun`.
fn tunnel(lab: &Lab, from: &str, to: &str) {
    let host = lab.host(from);
    let local = format!("options:local_ip={}", host.tunnel_ip());
    let remote = format!("options:remote_ip={}", lab.host(to).tunnel_ip());
    let set = ["--", "set", "Interface", "vxlan0", "type=vxlan", "options:key=1001", &local, &remote];
    host.vsctl(&[&["add-port", "br-int", "vxlan0"][..], &set].concat());
}

fn two_hosts_over_vxlan(name: &str) -> Lab {
    let lab = Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24", "2001:db8::/64"])
        .host("a")
        .host("b")
        .vm("a", "web1", "blue")
        .vm("b", "web2", "blue")
        .start_without_heddle();
    plug_into_plain_switches(&lab);
    tunnel(&lab, "a", "b");
    tunnel(&lab, "b", "a");
    lab
}

#[test]
fn vms_of_one_host_reach_each_other_and_flows_count_it() {
    let lab = Lab::new("one-host")
        .network("blue", Local, &["172.18.0.0/24"])
        .host("a")
        .vm("a", "web1", "blue")
        .vm_with("a", "web2", "blue", |vm| vm.by_interface().ips(&["172.18.0.77"]).mac("fa:16:3e:aa:bb:cc"))
        .start_without_heddle();
    plug_into_plain_switches(&lab);
    let host = lab.host("a");

    lab.vm("web1").assert_ping("web2");
    assert_eq!(lab.vm("web1").arping("web2").as_deref(), Some("fa:16:3e:aa:bb:cc"));
    assert_eq!(lab.vm("web1").neighbour("web2").as_deref(), Some("fa:16:3e:aa:bb:cc"));
    assert!(lab.vm("web1").pings("web2", 20).all());
    assert_eq!(host.try_vsctl(&["get", "Interface", "tap-web1", "external_ids:iface-id"]).stdout, "web1\n");
    assert!(!host.try_vsctl(&["get", "Interface", "tap-web2", "external_ids:iface-id"]).ok());

    let port = host.ofport("tap-web1").expect("a plugged VM has an ofport");
    host.ofctl(&["add-flow", "br-int", &format!("table=0,priority=7,in_port={port},actions=drop")]);
    let flow = host.wait_for_flow("br-int", "drops", |flow| flow.actions == "drop");
    assert_eq!((flow.table, flow.priority), (0, 7));
    lab.vm("web1").assert_no_ping("web2");
    assert!(host.packets_in("br-int", 0, "drop") >= 3, "{:?}", host.flow_packets("br-int"));

    lab.unplug("web1");
    assert_eq!(host.ofport("tap-web1"), None);
    host.ofctl(&["--strict", "del-flows", "br-int", &format!("priority=7,in_port={port}")]);
    lab.plug("web1");
    lab.vm("web1").assert_ping("web2");
}

#[test]
fn tagged_frames_cross_the_wire_of_their_physical_network() {
    let lab = Lab::new("wire")
        .network("red", Vlan("physnet", 100), &["172.19.0.0/24"])
        .network("green", Vlan("other", 200), &["172.20.0.0/24"])
        .host("a")
        .host("b")
        .vm("a", "web1", "red")
        .vm("b", "web2", "red")
        .start_without_heddle();
    plug_into_plain_switches(&lab);
    for host in ["a", "b"] {
        patch(&lab, host, "br-phys");
    }
    lab.host("a").vsctl(&["set", "Port", "tap-web1", "tag=100"]);
    lab.host("b").vsctl(&["set", "Port", "tap-web2", "tag=100"]);
    let (wire, other) = (lab.capture_wire("physnet"), lab.capture_wire("other"));

    lab.vm("web1").assert_ping("web2");
    assert!(lab.vm("web1").pings("web2", 5).all());

    assert!(wire.count(|f| f.vlan == Some(100) && f.is_icmp_echo()) >= 12, "{}", wire.text(""));
    assert!(wire.count(|f| f.vlan == Some(100) && f.is_arp_request()) >= 1);
    assert_eq!(wire.count(|f| f.vlan != Some(100)), 0, "{}", wire.text(""));
    assert_eq!(other.frames(), []);
}

#[test]
fn vxlan_crosses_the_underlay_without_losing_the_first_packet() {
    let lab = two_hosts_over_vxlan("vxlan");
    let capture = lab.capture_underlay();

    assert!(lab.vm("web1").pings("web2", 3).all());
    assert!(lab.vm("web1").ping6("web2"));
    assert!(!lab.vm("web1").ping("172.18.0.99"));

    assert!(capture.count_vxlan(Frame::is_icmp_echo) >= 6, "{}", capture.text("udp port 4789"));
    assert!(capture.vxlan().iter().all(|(vni, _)| *vni == 1001));
    let unanswered = capture.count_vxlan(Frame::is_arp_request) - capture.count_vxlan(Frame::is_arp_reply);
    assert!(unanswered >= 1, "{}", capture.text(""));
    assert_eq!(capture.count_vxlan(|f| f.is_icmpv6(136)), capture.count_vxlan(|f| f.is_icmpv6(135)));
    assert_eq!(capture.count(Frame::is_arp), 0, "the underlay itself needs no ARP: {}", capture.text("arp"));
}

#[test]
fn a_restarted_switch_gets_its_tunnels_back_and_a_stream_shows_the_gap() {
    let lab = two_hosts_over_vxlan("restart");
    let (a, b) = (lab.host("a"), lab.host("b"));
    let stream = lab.vm("web1").ping_stream("web2", Duration::from_millis(10));
    a.restart_ovsdb();
    a.vsctl(&["get", "Bridge", "br-int", "datapath_type"]);
    let calm = stream.stop();
    assert!(calm.all(), "the database's restart loses nothing: {calm:?}");

    let stream = lab.vm("web1").ping_stream("web2", Duration::from_millis(10));
    b.stop_vswitchd();
    eventually("the VMs part", Duration::from_secs(5), || !lab.vm("web1").ping("web2"));
    b.start_vswitchd();
    lab.vm("web1").assert_ping("web2");
    let pings = stream.stop();
    assert!(!pings.lost.is_empty() && pings.received > 0, "{pings:?}");
}

#[test]
fn a_vm_moves_to_another_host() {
    let lab = two_hosts_over_vxlan("move");
    lab.vm("web1").assert_ping("web2");
    lab.move_vm("web2", "a");
    lab.vm("web2").announce_request(&lab.vm("web2").ip());
    let capture = lab.capture_underlay();
    lab.vm("web1").assert_ping("web2");
    assert_eq!(capture.count_vxlan(Frame::is_icmp_echo), 0, "{}", capture.text(""));
    assert_eq!(lab.vm("web2").spec().host, "a");
}

#[test]
fn raw_frames_leave_a_vm_as_they_are() {
    let lab = two_hosts_over_vxlan("raw");
    let capture = lab.vm("web2").capture();
    let (mac, everyone) = ("fa:16:3e:99:99:99", "ff:ff:ff:ff:ff:ff");
    let request = frame::arp((mac, everyone), 1, (mac, "172.18.0.99"), ("00:00:00:00:00:00", "172.18.0.4"));
    lab.vm("web1").send(&request);
    lab.vm("web1").send_hex("fa163e000002 fa163e000001 88b5 68656464 6c65");
    let seen = |wanted: &dyn Fn(&Frame) -> bool| capture.count(wanted) == 1;
    eventually("the ARP request arrives", Duration::from_secs(2), || seen(&Frame::is_arp_request));
    eventually("the odd frame arrives", Duration::from_secs(2), || {
        seen(&|f| f.ethertype == 0x88b5 && f.payload.starts_with(b"heddle"))
    });
}

#[test]
fn the_switch_tells_which_flow_mods_it_received() {
    let lab = Lab::new("openflow").network("blue", Local, &["172.18.0.0/24"]).host("a").start_without_heddle();
    let host = lab.host("a");
    host.add_bridge("br-int");
    host.ofctl(&["add-flow", "br-int", "priority=1,actions=drop"]);
    let log = host.record_openflow();
    host.dump_flows("br-int");
    assert_eq!(log.sent_by_tools("OFPT_FLOW_MOD"), Vec::<String>::new());
    host.ofctl(&["add-flow", "br-int", "priority=2,actions=drop"]);
    host.ofctl(&["--bundle", "add-flow", "br-int", "priority=3,actions=drop"]);
    let received = log.sent_by_tools("OFPT_FLOW_MOD");
    assert_eq!(received.len(), 2, "{received:#?}");
    assert!(received[1].contains("BUNDLE_ADD"), "{received:#?}");
    assert_eq!(log.sent_by_controller("OFPT_FLOW_MOD"), Vec::<String>::new());
}

#[test]
fn files_of_the_hosts_say_what_the_test_said() {
    let lab = Lab::new("files")
        .network("blue", Vxlan(1001), &["172.18.0.0/24", "2001:db8::/64"])
        .network("red", Vlan("physnet", 100), &[])
        .host("a")
        .vm_with("a", "web1", "blue", |vm| vm.port_security(false).allow("172.18.0.64/28", None).by_interface())
        .vm_with("a", "stray", "blue", |vm| vm.unknown().unplugged())
        .config("a", "[tunnel]\nl2_population = false\n[bridges]\nintegration = \"br-x\"")
        .start_without_heddle();
    let read = |file: &str| -> toml::Table {
        let text = fs::read_to_string(lab.host("a").dir().join(file)).expect("the harness wrote it");
        text.parse().expect("it is TOML")
    };
    let config = read("heddle.toml");
    assert_eq!(config["tunnel"]["l2_population"].as_bool(), Some(false));
    assert_eq!(config["bridges"]["physical"]["physnet"].as_str(), Some("br-phys"));
    assert_eq!(config["bridges"]["integration"].as_str(), Some("br-x"));
    let topology = read("topology.toml");
    assert_eq!(topology["networks"]["blue"]["segmentation_id"].as_integer(), Some(1001));
    assert_eq!(topology["networks"]["blue"]["subnets"]["blue-1"]["gateway_ip"].as_str(), Some("2001:db8::1"));
    assert_eq!(topology["ports"]["web1"]["fixed_ips"][1].as_str(), Some("2001:db8::3"));
    assert_eq!(topology["ports"]["web1"]["interface"].as_str(), Some("tap-web1"));
    assert!(topology["ports"].get("stray").is_none());

    lab.edit_topology(|topology| topology.port("web1").port_security = None);
    assert!(read("topology.toml")["ports"]["web1"].get("port_security").is_none());
    lab.write_topology("noise");
    assert_eq!(fs::read_to_string(lab.host("a").dir().join("topology.toml")).expect("it is there"), "noise");
}

#[test]
fn a_dropped_lab_leaves_nothing() {
    let lab = two_hosts_over_vxlan("gone");
    let (dir, pidfile) = (lab.dir(), lab.host("a").dir().join("ovs-vswitchd.pid"));
    let pid: u32 = fs::read_to_string(pidfile).expect("the switch runs").trim().parse().expect("a pid");
    assert!(!sweep::is_gone(pid));
    let namespace = lab.vm("web1").namespace();
    drop(lab);
    assert!(!dir.exists());
    assert!(sweep::is_gone(pid));
    assert!(!fs::exists(format!("/run/netns/{namespace}")).expect("the file system can be asked"));
}

#[test]
fn what_a_killed_test_left_is_swept() {
    drop(Lab::new("first").start_without_heddle()); // the sweep of this process's first lab is over
    let (namespace, dir) = leftovers_of_a_dead_process();
    let mut sleep = Command::new("ip");
    let mut sleeper = sleep.args(["netns", "exec", &namespace, "sleep", "60"]).spawn().expect("ip is there");
    eventually("the sleeper is inside", Duration::from_secs(5), || {
        let pids = Command::new("ip").args(["netns", "pids", &namespace]).output().expect("ip is there");
        String::from_utf8_lossy(&pids.stdout).contains(&sleeper.id().to_string())
    });

    sweep::sweep_dead();
    assert!(dir.exists(), "a lab that somebody kept stays");
    fs::remove_file(dir.join("kept")).expect("it is there");
    sweep::sweep_dead();

    assert!(!sleeper.wait().expect("it is our child").success(), "the sleeper was killed");
    let gone = || !dir.exists() && !fs::exists(format!("/run/netns/{namespace}")).expect("it can be asked");
    eventually("nothing is left", Duration::from_secs(5), gone);
}

/// A namespace and a directory as a killed test leaves them, but marked as kept, lest another test sweep them first.
fn leftovers_of_a_dead_process() -> (String, PathBuf) {
    let mut child = Command::new("true").spawn().expect("true is there");
    let pid = child.id();
    child.wait().expect("it is our child");
    let dir = PathBuf::from(format!("/tmp/heddle-lab/{pid}-1"));
    fs::create_dir_all(dir.join("a")).expect("/tmp takes a directory");
    fs::write(dir.join("kept"), "").expect("the directory takes a file");
    let namespace = format!("hdl-{pid}-1-h-a");
    let added = Command::new("ip").args(["netns", "add", &namespace]).status().expect("ip is there");
    assert!(added.success(), "cannot add {namespace}");
    (namespace, dir)
}

#[test]
fn lines_of_a_dump_are_read_in_all_their_forms() {
    let dump = " cookie=0x4ed1, duration=1.5s, table=21, n_packets=3, n_bytes=126, idle_timeout=300, \
                priority=1,arp,arp_tpa=172.18.0.3 actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],IN_PORT\n \
                cookie=0x0, duration=1s, table=0, n_packets=0, n_bytes=0, actions=NORMAL\n \
                cookie=0x0, duration=1s, table=2, n_packets=1, n_bytes=0, in_port=1 actions=drop\n \
                cookie=0x0, duration=1s, table=2, n_packets=1, n_bytes=0, reset_counts priority=0 actions=drop\n\
                OFPST_FLOW reply (OF1.3) (xid=0x2):\n";
    let flows = FlowLine::parse_dump(dump);
    let keys: Vec<_> = flows.iter().map(|f| (f.table, f.priority, f.packets, f.matching.as_str())).collect();
    let expected = [(21, 1, 3, "arp,arp_tpa=172.18.0.3"), (0, 32768, 0, ""), (2, 32768, 1, "in_port=1"), (2, 0, 1, "")];
    assert_eq!(keys, expected);
    assert_eq!(flows[0].cookie, 0x4ed1);
    assert!(flows[0].contains("IN_PORT"));
    assert_ne!(flows[1].actions, flows[2].actions);
    assert_eq!(Pings::default().any(), Pings::default().all());
}
