//! Stateless security groups on real switches: each packet by itself, nothing is tracked.

mod lab;

use std::time::Duration;

use heddle::topology::Topology;
use lab::sockets::{arrives, echoes, send};
use lab::{Lab, Vm, VmSpec, Vxlan, eventually};

/// How long a packet may take that nothing stops.
const SOON: Duration = Duration::from_secs(5);
/// How long we wait for what must not come.
const IN_VAIN: Duration = Duration::from_millis(500);

/// A group of the server, and one of its clients that lets everything through.
fn groups(server: &str, clients_are_stateful: bool) -> String {
    format!(
        r#"
[security_groups.server]
stateful = false
rules = [{server}]
[security_groups.client]
stateful = {clients_are_stateful}
rules = [
    {{ direction = "egress" }}, {{ direction = "egress", ethertype = "IPv6" }},
    {{ direction = "ingress", protocol = "icmp", icmp_type = 8 }},
    {open}
]
"#,
        open = if clients_are_stateful {
            ""
        } else {
            "{ direction = \"ingress\" }, { direction = \"ingress\", ethertype = \"IPv6\" },"
        }
    )
}

/// `server` and `near` on host a, `far` on host b.
fn lab(name: &str, security: &str) -> Lab {
    let of = |group: &'static str| move |vm: VmSpec| vm.groups(&[group]);
    Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24", "2001:db8::/64"])
        .host("a")
        .host("b")
        .security(security)
        .vm_with("a", "server", "blue", of("server"))
        .vm_with("a", "near", "blue", of("client"))
        .vm_with("b", "far", "blue", of("client"))
        .start()
}

/// Connections that the switches of all hosts follow, of an address.
fn tracked(lab: &Lab, vm: &Vm<'_>) -> Vec<String> {
    let addresses = [vm.ip(), vm.ip6()].map(|address| [format!("src={address},"), format!("dst={address},")]);
    let of_vm = |line: &&str| addresses.iter().flatten().any(|address| line.contains(address));
    let dumps = lab.hosts().iter().map(|host| host.appctl(&["dpctl/dump-conntrack"]));
    dumps.flat_map(|dump| dump.lines().filter(of_vm).map(str::to_owned).collect::<Vec<_>>()).collect()
}

const IN: &str = "{ direction = \"ingress\", protocol = \"tcp\", port_range = \"80\" },
    { direction = \"ingress\", ethertype = \"IPv6\", protocol = \"tcp\", port_range = \"80\" },";
const OUT: &str = "{ direction = \"egress\", protocol = \"tcp\" },
    { direction = \"egress\", ethertype = \"IPv6\", protocol = \"tcp\" },";

#[test]
fn answers_need_a_rule_of_their_own_and_nothing_is_tracked() {
    let lab = lab("stateless", &groups(IN, false));
    let (server, a) = (lab.vm("server"), lab.host("a"));
    let listener = server.listen(80);
    let seen = server.capture();
    for client in [lab.vm("near"), lab.vm("far")] {
        for address in [server.ip(), server.ip6()] {
            assert!(client.connect(&address, 80, IN_VAIN).is_none(), "the answer has no rule");
        }
    }
    // The questions came, and the answers were sent.
    for filter in ["tcp[tcpflags] == tcp-syn", "tcp[tcpflags] == tcp-syn|tcp-ack"] {
        eventually(filter, SOON, || !seen.text(filter).is_empty());
    }
    lab.edit_topology(|topology| topology.security = groups(&format!("{IN}{OUT}"), false));
    let may_answer = |flow: &lab::FlowLine| flow.table == 72 && flow.contains("tcp6");
    a.wait_for_flow("br-int", "lets TCP out", may_answer);
    let mut connections = Vec::new();
    for client in [lab.vm("near"), lab.vm("far")] {
        for address in [server.ip(), server.ip6()] {
            let mut near = client.connect(&address, 80, SOON).expect("both ways have a rule");
            // Those that gave up may still be in the queue.
            let own = near.local_addr().expect("it is connected").port();
            let accepted = |_| listener.accept().expect("somebody connected");
            let (mut far, _) = (0..9).map(accepted).find(|(_, peer)| peer.port() == own).expect("among the first");
            assert!(echoes(&mut near, &mut far, SOON));
            connections.push((near, far));
        }
        // Other ports have no rule.
        assert!(client.connect(&server.ip(), 81, IN_VAIN).is_none());
    }
    assert_eq!(tracked(&lab, &server), [""; 0]);
    // No connection outlives its rule, and none has to be cut.
    lab.edit_topology(|topology| topology.security = groups(IN, false));
    eventually("nothing leaves any more", SOON, || !a.dump_flows("br-int").iter().any(may_answer));
    for (near, far) in &mut connections {
        assert!(!echoes(near, far, IN_VAIN));
    }
    assert_eq!(tracked(&lab, &server), [""; 0]);
}

#[test]
fn icmp_passes_by_type_in_each_direction() {
    let lab = lab(
        "stateless-icmp",
        &groups(
            r#"{ direction = "ingress", protocol = "icmp", icmp_type = 8 },
            { direction = "egress", protocol = "icmp", icmp_type = 0 },
            { direction = "ingress", ethertype = "IPv6", protocol = "icmp", icmp_type = 128 },
            { direction = "egress", ethertype = "IPv6", protocol = "icmp", icmp_type = 129, icmp_code = 0 }"#,
            false,
        ),
    );
    let server = lab.vm("server");
    for client in [lab.vm("near"), lab.vm("far")] {
        client.assert_ping("server");
        client.assert_ping6("server");
    }
    for client in ["near", "far"] {
        server.assert_no_ping(client);
        server.assert_no_ping6(client);
    }
    assert_eq!(tracked(&lab, &server), [""; 0]);
}

#[test]
fn fragments_pass_by_rules_that_do_not_look_at_ports() {
    let with = |service: &str, more: &str| {
        groups(
            &format!(
                "{{ direction = \"ingress\", protocol = \"udp\"{service} }},
                {{ direction = \"ingress\", ethertype = \"IPv6\", protocol = \"udp\"{service} }},
                {more}"
            ),
            false,
        )
    };
    // Behind the header of a later fragment of IPv6 nobody looks: that header is its protocol.
    let fragments = "{ direction = \"ingress\", ethertype = \"IPv6\", protocol = \"ipv6-frag\" }";
    let lab = lab("stateless-fragments", &with("", fragments));
    let (server, a) = (lab.vm("server"), lab.host("a"));
    let to = server.udp(5000);
    let clients = [lab.vm("near"), lab.vm("far")].map(|client| client.udp(40000));
    for address in [server.ip(), server.ip6()] {
        for client in &clients {
            for size in [100, 4000] {
                let payload = vec![7; size];
                eventually(&format!("{size} bytes arrive at {address}"), SOON, || {
                    send(client, &address, 5000, &payload);
                    arrives(&to, &payload, IN_VAIN)
                });
            }
        }
    }
    let held_back = |address: &str| {
        for client in &clients {
            send(client, address, 5000, &[8; 4000]);
            send(client, address, 5000, b"whole");
            assert!(arrives(&to, b"whole", SOON));
            assert!(!arrives(&to, &[8; 4000], IN_VAIN), "not all of its fragments have a rule");
        }
    };
    lab.edit_topology(|topology| topology.security = with("", ""));
    let by_header = |flow: &lab::FlowLine| flow.table == 82 && flow.contains("nw_proto=44");
    eventually("the rule for fragments goes", SOON, || !a.dump_flows("br-int").iter().any(by_header));
    held_back(&server.ip6());
    lab.edit_topology(|topology| topology.security = with(", port_range = \"5000\"", ""));
    let by_port = |flow: &lab::FlowLine| flow.table == 82 && flow.contains("udp6") && flow.contains("tp_dst=5000");
    a.wait_for_flow("br-int", "lets port 5000 in", by_port);
    held_back(&server.ip());
    held_back(&server.ip6());
    assert_eq!(tracked(&lab, &server), [""; 0]);
}

#[test]
fn a_stateful_neighbour_follows_its_connections_to_a_stateless_one() {
    let lab = lab("stateless-mixed", &groups(&format!("{IN}{OUT}"), true));
    let server = lab.vm("server");
    let listener = server.listen(80);
    for client in [lab.vm("near"), lab.vm("far")] {
        let mut near = client.connect(&server.ip(), 80, SOON).expect("the client's answers need no rule");
        let (mut far, _) = listener.accept().expect("somebody connected");
        assert!(echoes(&mut near, &mut far, SOON));
        let followed = tracked(&lab, &client);
        assert!(!followed.is_empty(), "the client's group has connections");
        // What the server begins is no answer to the client, and has no rule there.
        let other = client.listen(81);
        assert!(server.connect(&client.ip(), 81, IN_VAIN).is_none());
        drop(other);
    }
}

#[test]
fn the_groups_of_a_port_are_all_stateful_or_all_stateless() {
    let text = format!(
        "nodes.n = {{}}\n[networks.blue]\ntype = 'local'\n{}\n[ports.p]\nnetwork = 'blue'\nnode = 'n'\n\
         mac_address = 'fa:16:3e:00:00:01'\nsecurity_groups = ['client', 'server']\n",
        groups(IN, true)
    );
    let line = text.lines().position(|line| line.starts_with("security_groups =")).unwrap() + 1;
    let refused = Topology::parse(&text, "topology.toml").expect_err("one of both").to_string();
    assert!(refused.starts_with(&format!("topology.toml:{line}:")), "{refused}");
    assert!(refused.contains("stateful"), "{refused}");
    assert!(Topology::parse(&text.replace("'client', 'server'", "'server'"), "t").is_ok());
}
