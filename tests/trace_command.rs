//! `ofctl-dump trace` as people use it, with text dumps: no switch is needed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const TOPOLOGY: &str = include_str!("trace/topology.toml");

/// The flows that Heddle wants on two of its hosts, as files.
fn dumps() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("topology.toml"), TOPOLOGY).unwrap();
    for node in ["one", "two"] {
        fs::create_dir(folder.path().join(node)).unwrap();
        for bridge in ["br-int", "br-tun", "br-phys"] {
            let output = Command::new(env!("CARGO_BIN_EXE_heddle"))
                .args(["flows", "--topology", "topology.toml", "--node", node, "--bridge", bridge])
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            fs::write(folder.path().join(node).join(format!("{bridge}.flows")), output.stdout).unwrap();
        }
    }
    folder
}

fn trace(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ofctl-dump"));
    command.arg("trace").args(arguments).args(["--topology", "topology.toml"]).current_dir(folder).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// All bridges of both hosts, from `br-int` of the first; VLANs are those that `heddle flows` makes up.
const BOTH_HOSTS: [&str; 17] = [
    "one/br-int.flows",
    "--peer",
    "one/br-tun.flows",
    "--peer",
    "one/br-phys.flows",
    "--peer",
    "two:br-int=two/br-int.flows",
    "--peer",
    "two:br-tun=two/br-tun.flows",
    "--tag",
    "red1=5",
    "--tag",
    "red2=5",
    "--tag",
    "office1=4",
    "--tag",
    "two:br-int:red3=2",
];

fn both_hosts<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&BOTH_HOSTS[..], more].concat()
}

#[test]
fn a_packet_is_followed_through_the_tunnel_to_the_port_on_the_other_host() {
    let folder = dumps();
    let request = "in_port=red1,arp,dl_src=fa:16:3e:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.77";
    let text = text(&trace(folder.path(), &both_hosts(&[request])));
    for expected in [
        "# arp_spoof: ARP from an address that port red1 owns",
        "bridge(\"br-tun\")",
        "set_field:0x3e9->tun_id",
        "comes out of the tunnel at port \"vxlan-c0000201\" of two:br-tun",
        "at the other end of the tunnel \"vxlan-c0000202\" of br-tun",
        "would learn: table=20",
        "output from two:br-int to port red3",
        "output from br-int to port red2",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(!text.contains("to port office1"), "another VLAN:\n{text}");
}

#[test]
fn a_forged_packet_is_dropped_and_the_exit_status_says_so() {
    let folder = dumps();
    let output = trace(folder.path(), &["one/br-int.flows", "in_port=red1,dl_src=fa:16:3e:00:00:09,ip"]);
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    assert!(text.contains("everything else that port red1 sends must pass the check of its source MAC"), "{text}");
    assert!(text.ends_with("Outcome: dropped\n"), "{text}");
}

#[test]
fn what_flows_do_not_tell_is_said_and_how_to_tell_it() {
    let folder = dumps();
    let flow = "in_port=red1,dl_src=fa:16:3e:00:00:01,ip";
    let text = text(&trace(folder.path(), &["one/br-int.flows", flow]));
    assert!(
        text.contains(" ?? not known: the VLAN of port red1, which flows do not tell: --tag red1=VLAN does"),
        "{text}"
    );
}

#[test]
fn a_frame_in_hexadecimal_is_the_packet_that_its_fields_describe() {
    let folder = dumps();
    let frame = "ffffffffffff fa163e000001 0806 0001 0800 06 04 0001 fa163e000001 0a000001 000000000000 0a000002";
    let fields = "in_port=red1,arp,dl_src=fa:16:3e:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_spa=10.0.0.1,\
                  arp_tpa=10.0.0.2,arp_sha=fa:16:3e:00:00:01";
    let of_bytes = trace(folder.path(), &["one/br-int.flows", "in_port=red1", "--packet", frame]);
    let of_fields = trace(folder.path(), &["one/br-int.flows", fields]);
    assert_eq!(text(&of_bytes), text(&of_fields));
}

#[test]
fn json_has_every_step_with_its_depth() {
    let folder = dumps();
    let flow = "in_port=red1,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,ip";
    let output = trace(folder.path(), &both_hosts(&[flow, "--json"]));
    let trace: Value = serde_json::from_str(&text(&output)).unwrap();
    assert_eq!(trace["dropped"], false);
    let steps = trace["legs"][0]["steps"].as_array().unwrap();
    let first = &steps[1];
    assert_eq!((&first["step"], &first["table"], &first["depth"]), (&"table".into(), &0.into(), &1.into()));
    assert_eq!(first["hit"]["match"], "in_port=red1");
    assert!(steps.iter().any(|step| step["step"] == "note" && step["weight"] == "unknown"), "MAC addresses");
}

#[test]
fn errors_say_what_to_type_instead() {
    let folder = dumps();
    let cases: &[(&[&str], &str)] = &[
        (&["one/br-int.flows", "in_port=tap9"], "FLOW, column 9: found \"tap9\", expected a port"),
        (&["one/br-int.flows", "ip,nw_src=10.0.0.0/8"], "FLOW: ip_src has a mask: a packet has one value of it"),
        (&["one/br-int.flows", "in_port=1", "--ct", "often"], "--ct: found \"often\", expected trk with any of new"),
        (
            &["one/br-int.flows", "in_port=1", "--tag", "red1"],
            "--tag: found \"red1\", expected PORT=VLAN or PORT=trunk",
        ),
        (&["one/br-int.flows", "in_port=1", "--tag", "nix=5"], "--tag: br-int has no port \"nix\""),
        (
            &["one/br-int.flows", "in_port=1", "--link", "a:1=br-int:2"],
            "--link: there is no bridge \"a\" in this trace: there are br-int",
        ),
        (&["one/br-int.flows", "in_port=1", "--fdb", "none"], "--fdb: none: No such file"),
        (&["one/br-int.flows", "in_port=1", "--packet", "0x1"], "--packet: expected bytes in hexadecimal"),
    ];
    for (arguments, expected) in cases {
        let output = trace(folder.path(), arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(expected) && output.status.code() == Some(2), "{arguments:?}: {error}");
    }
}
