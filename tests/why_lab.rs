//! `heddle why` and `ofctl-dump` beside the daemon and a real switch: what they say is what happens.

mod lab;

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use lab::frame::icmp;
use lab::{Lab, Vm, Vxlan, eventually, netns};
use serde_json::Value;

/// How long a connection that nothing stops may take.
const SOON: Duration = Duration::from_secs(5);
/// How long we wait for what must not come.
const IN_VAIN: Duration = Duration::from_millis(600);

const SECURITY: &str = r#"
[security_groups.web]
rules = [
    { direction = "ingress", protocol = "icmp", icmp_type = 8, remote_group = "client" },
    { direction = "ingress", protocol = "tcp", port_range = "80-83" },
    { direction = "ingress", protocol = "tcp", port_range = "443", remote_group = "client" },
    { direction = "ingress", protocol = "tcp", port_range = "444", remote_ip_prefix = "192.0.2.0/24" },
]
[security_groups.client]
rules = [{ direction = "egress" }]
"#;

/// `web` and `near` on host a, `far` on host b; `open` on a without port security.
fn lab(name: &str) -> Lab {
    Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .security(SECURITY)
        .vm_with("a", "web", "blue", |vm| vm.groups(&["web"]))
        .vm_with("a", "near", "blue", |vm| vm.groups(&["client"]))
        .vm_with("b", "far", "blue", |vm| vm.groups(&["client"]))
        .vm_with("a", "open", "blue", |vm| vm.port_security(false))
        .start()
}

fn why(lab: &Lab, question: &[&str]) -> Value {
    let host = lab.host("a");
    let config = host.config_path();
    let output = host.heddle(&[&["why", "-c", &config, "--json"], question].concat());
    let answer: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    assert_eq!(answer["allowed"] == true, output.code == 0, "{output:?}");
    answer
}

fn connects(from: &Vm<'_>, to: &Vm<'_>, port: u16, within: Duration) -> bool {
    let address = SocketAddr::new(to.ip().parse::<IpAddr>().unwrap(), port);
    netns::inside(&from.namespace(), || TcpStream::connect_timeout(&address, within).is_ok())
}

#[test]
fn what_is_said_to_be_allowed_gets_through_and_the_rest_does_not() {
    let lab = lab("why");
    let web = lab.vm("web");
    let ports = [79, 80, 83, 84, 443, 444];
    let _listeners: Vec<TcpListener> = ports
        .iter()
        .map(|port| netns::inside(&web.namespace(), || TcpListener::bind(("0.0.0.0", *port)).expect("a free port")))
        .collect();
    let mut verdicts = [0, 0];
    for name in ["near", "far", "open"] {
        let client = lab.vm(name);
        for port in ports {
            let allowed = why(&lab, &[name, "web", &format!("tcp/{port}")])["allowed"] == true;
            let within = if allowed { SOON } else { IN_VAIN };
            assert_eq!(connects(&client, &web, port, within), allowed, "{name} to port {port}");
            verdicts[usize::from(allowed)] += 1;
        }
        match why(&lab, &[name, "web", "icmp"])["allowed"] == true {
            true => client.assert_ping("web"),
            false => client.assert_no_ping("web"),
        }
    }
    assert_eq!(verdicts, [10, 8]);
    assert_eq!(why(&lab, &["web", "far", "icmp"])["allowed"], false);
    web.assert_no_ping("far");
}

#[test]
fn an_icmp_message_that_nobody_asked_for_begins_no_connection() {
    let lab = lab("why-icmp");
    let (near, open) = (lab.vm("near"), lab.vm("open"));
    let heard = open.capture();
    let message = |kind| icmp((&near.mac(), &open.mac()), (&near.ip(), &open.ip()), (kind, 0));
    for (kind, allowed) in [(3, false), (0, false), (5, false), (13, true), (8, true)] {
        let answer = why(&lab, &["near", "open", &format!("icmp/{kind}/0")]);
        assert_eq!(answer["packets"][0]["request"]["egress"]["allowed"], allowed, "{kind}: {answer}");
        near.send(&message(kind));
    }
    eventually("the echo request comes by", SOON, || !heard.text("icmp[icmptype] == 8").is_empty());
    assert!(!heard.text("icmp[icmptype] == 13").is_empty());
    assert_eq!(heard.text(&format!("src host {} and icmp[icmptype] != 8 and icmp[icmptype] != 13", near.ip())), "");
}

#[test]
fn where_a_daemon_runs_it_is_told_what_the_host_has_of_both_ports() {
    let lab = lab("why-host");
    let host = lab.host("a");
    let config = host.config_path();
    let answer = why(&lab, &["far", "web", "tcp/80"]);
    assert_eq!(answer["host"]["in_effect"], true, "{answer}");
    let text = host.heddle(&["why", "-c", &config, "far", "web", "tcp/80"]).stdout;
    assert!(
        text.contains("\non this host, a:\n  far is on node b: ask there\n  web is plugged (interface tap-web)"),
        "{text}"
    );
    lab.unplug("web");
    host.wait_status("web waits", |status| {
        status["ports"].as_array().unwrap().iter().any(|port| port["name"] == "web" && port["state"] == "waiting")
    });
    let answer = why(&lab, &["far", "web", "tcp/80"]);
    assert_eq!((&answer["allowed"], &answer["host"]["in_effect"]), (&true.into(), &false.into()), "{answer}");
    let text = host.heddle(&["why", "-c", &config, "far", "web", "tcp/80"]).stdout;
    assert!(text.contains("web is NOT PLUGGED: no interface on the integration bridge has its name"), "{text}");
    // Of a file that the daemon refuses, it has not what is asked about.
    lab.write_topology("nodes = 1");
    host.wait_status("the file is refused", |status| !status["topology_problem"].is_null());
    let output = host.heddle(&["why", "-c", &config, "far", "web", "tcp/80"]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{}", output.stderr);
}

#[test]
fn live_flows_and_traces_name_the_rule() {
    let lab = lab("why-trace");
    let host = lab.host("a");
    let (mgmt, topology) = (host.mgmt("br-int").display().to_string(), host.dir().join("topology.toml"));
    let topology = topology.display().to_string();
    let explained = host.ofctl_dump(&[&mgmt, "--explain", "--no-stats", "--topology", &topology]).stdout;
    for expected in [
        "# for port web, security group web, rule 2: IPv4 tcp to ports 80-83, from anywhere\n",
        "# for port web, half of security group web, rule 3: IPv4 tcp to port 443, from security group client (2 ports)\n",
        "# an address of security group client: half of security group web, rules 1 and 3\n",
    ] {
        assert!(explained.contains(expected), "no {expected:?} in\n{explained}");
    }
    let (near, web) = (lab.vm("near"), lab.vm("web"));
    let packet = |port: u16| {
        let addresses = format!("nw_src={},nw_dst={},dl_src={},dl_dst={}", near.ip(), web.ip(), near.mac(), web.mac());
        format!("in_port=tap-near,tcp,{addresses},tp_dst={port}")
    };
    for (port, expected, code) in [
        (
            443,
            "# let in by security group web, rule 3: IPv4 tcp to port 443, from security group client (2 ports)\n",
            0,
        ),
        (81, "# let in by security group web, rule 2: IPv4 tcp to ports 80-83, from anywhere\n", 0),
        (84, "# no ingress rule of port web (security group web) allows tcp to port 84 from ", 1),
        (444, "rule 4: IPv4 tcp to port 444, from 192.0.2.0/24: ", 1),
    ] {
        let trace = host.ofctl_dump(&["trace", &mgmt, &packet(port), "--names", "--topology", &topology]);
        assert!(trace.stdout.contains(expected), "no {expected:?} in\n{}{}", trace.stdout, trace.stderr);
        assert_eq!(trace.code, code, "{}", trace.stdout);
    }
}
