//! Changes under traffic: what stays allowed loses no packet and no connection, what is not allowed never gets through,
//! not even for a moment; members of a group take their right along when they move, and leave it when they go.

mod lab;

use std::time::Duration;

use heddle::pipeline::cookie::{Kind, object_number};
use lab::frame::udp;
use lab::{Answers, Capture, Connection, Conversation, Datagrams, FlowLine, Host, Lab, Vm, Vxlan, eventually};

/// How long a change may take to come into effect.
const SOON: Duration = Duration::from_secs(10);
/// Between two packets of a stream. Many more would fill the switch's buffers on a busy machine.
const PAUSE: Duration = Duration::from_millis(10);
/// What no rule allows.
const FORBIDDEN: u16 = 9;
/// What members of `client` may ask for.
const SERVICE: u16 = 5000;

const RULES: &str = r#"
[security_groups.web]
rules = [
    { direction = "egress" },
    { direction = "ingress", protocol = "tcp", port_range = "80" },
    { direction = "ingress", protocol = "udp", port_range = "5000", remote_group = "client" },
    { direction = "ingress", protocol = "icmp", remote_group = "client" },
]
[security_groups.twin]
rules = [
    { direction = "egress" },
    { direction = "ingress", protocol = "tcp", port_range = "80" },
    { direction = "ingress", protocol = "udp", port_range = "5000", remote_group = "client" },
    { direction = "ingress", protocol = "icmp", remote_group = "client" },
]
[security_groups.also]
rules = [{ direction = "ingress", protocol = "tcp", port_range = "80" }]
[security_groups.client]
rules = [{ direction = "egress" }]
"#;

/// `web` with a neighbour `near` on host a, `far` on b, `other` on a, which nobody talks to.
fn lab(name: &str) -> Lab {
    Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .security(RULES)
        .vm_with("a", "web", "blue", |vm| vm.groups(&["web", "also"]))
        .vm_with("a", "near", "blue", |vm| vm.groups(&["client"]))
        .vm_with("b", "far", "blue", |vm| vm.groups(&["client"]))
        .vm_with("a", "other", "blue", |vm| vm.groups(&["client"]))
        .start()
}

/// Allowed traffic from `from` to `web` of every kind while `meanwhile` runs: nothing of it may be lost.
fn without_loss(lab: &Lab, from: &[Vm<'_>], meanwhile: impl FnOnce()) {
    let web = lab.vm("web");
    let pings: Vec<_> = from.iter().map(|vm| vm.ping_stream("web", PAUSE)).collect();
    let mut connections: Vec<_> = from.iter().map(|vm| Connection::open(vm, &web, 80)).collect();
    let datagrams = from.first().map(|vm| Datagrams::start(vm, &web, SERVICE));
    meanwhile();
    connections.iter_mut().for_each(Connection::assert_alive);
    if let Some(datagrams) = datagrams {
        assert_eq!(datagrams.stop(), Vec::<u32>::new(), "each of them begins a connection");
    }
    for (vm, pings) in from.iter().zip(pings.into_iter().map(lab::PingStream::stop)) {
        let is_near = vm.spec().host == web.spec().host;
        let unharmed = if is_near { pings.all() } else { pings.all_but_of_the_tunnel() };
        assert!(unharmed, "{} pings web: {pings:?}\n{}", vm.ip(), lab::logs());
    }
}

/// Packets that no rule allows, from `from` to `web`, as long as `meanwhile` runs: none may arrive.
fn under_attack(lab: &Lab, from: &[Vm<'_>], meanwhile: impl FnOnce()) {
    let web = lab.vm("web");
    let seen: Capture = web.capture_headers();
    let mut job: Box<dyn FnOnce() + '_> = Box::new(meanwhile);
    for vm in from {
        let frame = udp((&vm.mac(), &web.mac()), (&vm.ip(), &web.ip()), (40000, FORBIDDEN));
        let inner = job;
        job = Box::new(move || assert!(vm.flood(&frame, PAUSE, inner) > 0));
    }
    job();
    assert_eq!(seen.text(&format!("udp and dst port {FORBIDDEN}")), "", "what no rule allows has arrived");
}

/// Waits until flows of `br-int` are as they should be after a change.
fn wait_flows(host: &Host, awaited: &str, wanted: impl Fn(&[FlowLine]) -> bool) {
    eventually(&format!("{}: {awaited}", host.name()), SOON, || wanted(&host.dump_flows("br-int")));
}

fn any(flows: &[FlowLine], text: &str) -> bool {
    flows.iter().any(|flow| flow.contains(text))
}

/// A rule of this group, as its cookie says.
fn is_rule_of(flow: &FlowLine, group: &str) -> bool {
    flow.kind() == Some(Kind::GroupRule) && flow.cookie as u32 == object_number(group)
}

#[test]
fn changes_of_rules_and_groups_cost_no_allowed_packet_and_let_no_other_through() {
    let lab = lab("changes-rules");
    let (near, far, a) = (lab.vm("near"), lab.vm("far"), lab.host("a"));
    under_attack(&lab, &[near, far], || {
        without_loss(&lab, &[near, far], || {
            // A rule comes, and goes.
            let another = "port_range = \"80\" }, { direction = \"ingress\", protocol = \"tcp\", port_range = \"443\"";
            lab.edit_topology(|topology| topology.security = RULES.replacen("port_range = \"80\"", another, 1));
            wait_flows(a, "port 443 is open", |flows| any(flows, "tp_dst=443"));
            lab.edit_topology(|topology| topology.security = RULES.into());
            wait_flows(a, "port 443 is closed", |flows| !any(flows, "tp_dst=443"));
            // A rule goes that another group has too.
            let without =
                RULES.replacen("{ direction = \"ingress\", protocol = \"tcp\", port_range = \"80\" },", "", 1);
            lab.edit_topology(|topology| topology.security = without);
            wait_flows(a, "port 80 is open by the other group", |flows| {
                flows.iter().any(|flow| flow.contains("tp_dst=80") && is_rule_of(flow, "also"))
            });
            // A group that allows the same takes the place of another.
            lab.edit_topology(|topology| {
                topology.security = RULES.into();
                topology.port("web").security_groups = Some(vec!["twin".into()]);
            });
            wait_flows(a, "the twin's rules are in the place of the group's", |flows| {
                let of = |group: &str| flows.iter().any(|flow| is_rule_of(flow, group));
                of("twin") && !of("web") && !of("also")
            });
        });
    });
    lab.host("a").wait_settled();
}

#[test]
fn members_that_come_go_or_get_another_address_leave_the_others_alone() {
    let lab = lab("changes-members");
    let (near, far, a) = (lab.vm("near"), lab.vm("far"), lab.host("a"));
    let (old, new) = (far.ip(), "172.18.0.77");
    far.assert_ping("web");
    under_attack(&lab, &[near, far], || {
        without_loss(&lab, &[near], || {
            let other = lab.vm("other").ip();
            let has = |flows: &[FlowLine], ip: &str| {
                let of_member = |flow: &&FlowLine| flow.kind() == Some(Kind::RemoteAddress);
                flows.iter().filter(of_member).any(|flow| flow.contains(&format!("nw_src={ip}")))
            };
            lab.edit_topology(|topology| topology.port("other").security_groups = Some(Vec::new()));
            wait_flows(a, "a member is gone", |flows| !has(flows, &other));
            lab.edit_topology(|topology| topology.port("other").security_groups = Some(vec!["client".into()]));
            wait_flows(a, "the member is back", |flows| has(flows, &other));
            // Port security of a neighbour goes and comes.
            lab.edit_topology(|topology| {
                topology.port("other").port_security = Some(false);
                topology.port("other").security_groups = Some(Vec::new());
            });
            wait_flows(a, "a neighbour is open", |flows| {
                flows.iter().any(|flow| flow.kind() == Some(Kind::PortUnfiltered))
            });
            lab.edit_topology(|topology| {
                topology.port("other").port_security = Some(true);
                topology.port("other").security_groups = Some(vec!["client".into()]);
            });
            wait_flows(a, "a neighbour is held to rules", |flows| {
                !flows.iter().any(|flow| flow.kind() == Some(Kind::PortUnfiltered))
            });
            // A member gets another address: that one may ask now, the old one may not.
            lab.edit_topology(|topology| topology.port("far").fixed_ips = vec![new.parse().unwrap()]);
            wait_flows(a, "the new address is allowed, the old one is not", |flows| {
                has(flows, new) && !has(flows, &old)
            });
        });
    });
    far.assert_no_ping("web");
    assert!(far.exec(&["ip", "addr", "del", &format!("{old}/24"), "dev", "eth0"]).ok());
    assert!(far.exec(&["ip", "addr", "add", &format!("{new}/24"), "dev", "eth0"]).ok());
    far.assert_ping("web");
}

#[test]
fn a_restart_with_other_rules_costs_no_allowed_packet_and_lets_no_other_through() {
    let lab = lab("changes-restart");
    let (near, far, a) = (lab.vm("near"), lab.vm("far"), lab.host("a"));
    under_attack(&lab, &[near, far], || {
        without_loss(&lab, &[near, far], || {
            a.stop_heddle();
            let another = "port_range = \"80\" }, { direction = \"ingress\", protocol = \"tcp\", port_range = \"443\"";
            lab.edit_topology(|topology| {
                topology.security = RULES.replacen("port_range = \"80\"", another, 1);
                topology.port("web").security_groups = Some(vec!["web".into()]);
            });
            a.start_heddle();
            wait_flows(a, "the other rules are in effect", |flows| {
                any(flows, "tp_dst=443") && !flows.iter().any(|flow| is_rule_of(flow, "also"))
            });
            a.wait_settled();
        });
    });
}

#[test]
fn of_the_connections_of_a_port_those_are_cut_that_no_rule_allows_any_more() {
    let lab = lab("changes-cut");
    let (web, near, far, a) = (lab.vm("web"), lab.vm("near"), lab.vm("far"), lab.host("a"));
    let service = Conversation::open(&near, &web, SERVICE);
    let mut tcp = [near, far].map(|vm| Connection::open(&vm, &web, 80));
    // The rule for datagrams goes.
    lab.edit_topology(|topology| topology.security = RULES.replacen(SERVICE_RULE, "", 1));
    wait_flows(a, "no rule for the service", |flows| !any(flows, "tp_dst=5000"));
    service.assert_dead();
    tcp.iter_mut().for_each(Connection::assert_alive);
    let marked = a.appctl(&["dpctl/dump-conntrack"]);
    let of_service = marked.lines().find(|line| line.contains("udp") && line.contains("dport=5000"));
    assert!(of_service.is_some_and(|line| line.contains("mark=1")), "{marked}");
    // With the rule it goes on.
    lab.edit_topology(|topology| topology.security = RULES.into());
    wait_flows(a, "a rule for the service", |flows| any(flows, "tp_dst=5000"));
    service.assert_alive();
}

/// The rule of `web` by which members of `client` ask.
const SERVICE_RULE: &str =
    "{ direction = \"ingress\", protocol = \"udp\", port_range = \"5000\", remote_group = \"client\" },";

#[test]
fn answers_to_which_nobody_says_anything_are_cut_with_the_rule_of_the_server_and_come_back_with_it() {
    let lab = lab("changes-answers");
    let (web, near, far, a) = (lab.vm("web"), lab.vm("near"), lab.vm("far"), lab.host("a"));
    let answers = Answers::start(&[near, far], &web, SERVICE);
    // Another group of the server has the rule too: nothing happens, whichever of both goes.
    lab.edit_topology(|topology| topology.port("web").security_groups = Some(vec!["web".into(), "twin".into()]));
    wait_flows(a, "the twin's rules hold too", |flows| flows.iter().any(|flow| is_rule_of(flow, "twin")));
    lab.edit_topology(|topology| topology.security = RULES.replacen(SERVICE_RULE, "", 1));
    wait_flows(a, "the service is open by the twin alone", |flows| {
        let of = |group: &str| flows.iter().any(|flow| flow.contains("tp_dst=5000") && is_rule_of(flow, group));
        of("twin") && !of("web")
    });
    (0..2).for_each(|client| answers.assert_complete(client));
    // No group has it any more.
    lab.edit_topology(|topology| topology.security = RULES.replace(SERVICE_RULE, ""));
    (0..2).for_each(|client| answers.assert_cut(client));
    let kept = a.appctl(&["dpctl/dump-conntrack"]);
    let of_service = kept.lines().filter(|line| line.contains("udp") && line.contains("dport=5000"));
    assert_eq!(of_service.filter(|line| line.contains("mark=1")).count(), 2, "{kept}");
    lab.edit_topology(|topology| topology.security = RULES.into());
    (0..2).for_each(|client| answers.assert_come(client));
    answers.stop();
}

#[test]
fn answers_to_which_nobody_says_anything_are_cut_when_the_client_leaves_the_group_that_may_ask() {
    let lab = lab("changes-answers-group");
    let (web, near, far) = (lab.vm("web"), lab.vm("near"), lab.vm("far"));
    let answers = Answers::start(&[near, far], &web, SERVICE);
    for (client, name) in ["near", "far"].into_iter().enumerate() {
        // The other group lets out all that the first did.
        lab.edit_topology(|topology| topology.port(name).security_groups = Some(vec!["twin".into()]));
        answers.assert_cut(client);
        answers.assert_come(1 - client);
        lab.edit_topology(|topology| topology.port(name).security_groups = Some(vec!["client".into()]));
        answers.assert_come(client);
    }
    answers.stop();
}

#[test]
fn answers_to_which_nobody_says_anything_are_cut_with_the_rule_of_the_client_and_come_back_with_it() {
    let lab = lab("changes-answers-client");
    let (web, near, far) = (lab.vm("web"), lab.vm("near"), lab.vm("far"));
    let answers = Answers::start(&[near, far], &web, SERVICE);
    let client = "[security_groups.client]\nrules = [{ direction = \"egress\"";
    assert!(RULES.contains(client));
    let narrow = |what: &str| RULES.replacen(client, &format!("{client}, {what}"), 1);
    // Still by a narrower rule.
    let service = narrow("protocol = \"udp\", port_range = \"5000\", remote_ip_prefix = \"172.18.0.0/24\"");
    lab.edit_topology(|topology| topology.security = service);
    for host in lab.hosts() {
        let lets_out = |flow: &FlowLine| flow.table == 72 && flow.contains("tp_dst=5000");
        host.wait_for_flow("br-int", "lets the service's questions out", lets_out);
    }
    (0..2).for_each(|client| answers.assert_complete(client));
    lab.edit_topology(|topology| topology.security = narrow("protocol = \"tcp\""));
    (0..2).for_each(|client| answers.assert_cut(client));
    lab.edit_topology(|topology| topology.security = RULES.into());
    (0..2).for_each(|client| answers.assert_come(client));
    answers.stop();
}

#[test]
fn a_member_that_moves_takes_its_right_along_and_one_that_is_removed_leaves_it() {
    let lab = Lab::new("changes-move")
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .host("c")
        .security(RULES)
        .vm_with("a", "web", "blue", |vm| vm.groups(&["web"]))
        .vm_with("a", "near", "blue", |vm| vm.groups(&["client"]))
        .vm_with("b", "mover", "blue", |vm| vm.groups(&["client"]))
        .vm_with("b", "open", "blue", |vm| vm.port_security(false))
        .vm_with("c", "third", "blue", |vm| vm.groups(&["client"]))
        .start();
    let (web, near, mover, open, a) = (lab.vm("web"), lab.vm("near"), lab.vm("mover"), lab.vm("open"), lab.host("a"));
    mover.assert_ping("web");
    let of_mover = format!("nw_src={}", mover.ip());
    let allowed = || a.flow_set("br-int").into_iter().filter(|flow| flow.contains(&of_mover)).collect::<Vec<_>>();
    let before = allowed();
    assert!(!before.is_empty());
    under_attack(&lab, &[near, mover], || {
        without_loss(&lab, &[near, lab.vm("third")], || {
            let sent = a.record_openflow();
            lab.move_port("mover", "c");
            lab.move_vm("mover", "c");
            lab.wait_ready();
            mover.assert_ping("web");
            assert_eq!(allowed(), before);
            assert_eq!(
                sent.sent_by_controller(&of_mover),
                Vec::<String>::new(),
                "the address was allowed all the time"
            );
            let pings = mover.pings("web", 50);
            assert!(pings.all(), "{pings:?}");
        });
    });
    // Somebody else uses its address: as long as that is a member's, it is let in.
    let datagram = udp((&open.mac(), &web.mac()), (&mover.ip(), &web.ip()), (40000, SERVICE));
    let filter = format!("udp and src host {} and dst port {SERVICE}", mover.ip());
    let seen = web.capture_headers();
    open.send(&datagram);
    eventually("a datagram from a member's address arrives", SOON, || !seen.text(&filter).is_empty());
    lab.edit_topology(|topology| drop(topology.remove_port("mover")));
    wait_flows(a, "the address of a removed member is gone", |flows| !any(flows, &of_mover));
    let seen = web.capture_headers();
    open.send(&datagram);
    // What the same machine sends afterwards goes the same way.
    Connection::open(&open, &web, 80).assert_alive();
    assert_eq!(seen.text(&filter), "");
}
