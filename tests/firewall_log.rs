//! Logs of security groups: which flows tell of which packets, in the software switch; and lines of the daemon's log
//! about packets on real switches.

mod lab;

use std::io::Write;
use std::time::{Duration, Instant};

use heddle::agent::preview::Preview;
use heddle::config::Config;
use heddle::flow::FlowTable;
use heddle::flow::sim::{self, CtState, Destination, Network, Packet, Tables, trace};
use heddle::openflow::{MacAddr, PortNo, oxm};
use heddle::pipeline::cookie::Kind;
use heddle::pipeline::{Bridge, Desired, Object, all_flows};
use heddle::topology::Topology;
use lab::frame::{self, EVERYONE};
use lab::sockets::send;
use lab::{Host, Lab, Vxlan, eventually};
use serde_json::Value;

/// How long a packet may take that nothing stops.
const SOON: Duration = Duration::from_secs(5);
/// How long we wait for what must not come.
const IN_VAIN: Duration = Duration::from_millis(400);

/// Three ports of one host: with a log, without one, and with a log but no connections.
fn topology(web: &str, plain: &str) -> Topology {
    let port = |name: &str, last: u8, group: &str| {
        format!(
            "{name} = {{ network = 'blue', node = 'n', mac_address = 'fa:16:3e:00:00:0{last}', \
             fixed_ips = ['10.0.0.{last}', '2001:db8::{last}'], security_groups = ['{group}'] }}\n"
        )
    };
    let text = format!(
        "nodes.n.tunnel_ip = '192.0.2.1'
        [networks.blue]
        type = 'vxlan'
        segmentation_id = 1
        subnets = {{ v4 = {{ cidr = '10.0.0.0/24' }}, v6 = {{ cidr = '2001:db8::/64' }} }}
        [security_groups.web]
        {web}
        rules = [
            {{ direction = 'ingress', protocol = 'tcp', port_range = '80' }},
            {{ direction = 'ingress', protocol = 'udp', port_range = '53', remote_group = 'other' }},
            {{ direction = 'egress' }},
        ]
        [security_groups.other]
        rules = [{{ direction = 'ingress' }}, {{ direction = 'egress' }}, {{ direction = 'egress', ethertype = 'IPv6' }}]
        [security_groups.plain]
        stateful = false
        {plain}
        rules = [{{ direction = 'ingress' }}, {{ direction = 'egress' }}]
        [ports]
        {}{}{}",
        port("web1", 1, "web"),
        port("other1", 2, "other"),
        port("plain1", 3, "plain")
    );
    Topology::parse(&text, "t").unwrap_or_else(|refused| panic!("{refused}"))
}

/// `br-int`, everything plugged in, and the numbers of the three ports.
struct Node {
    network: Network,
    ports: [PortNo; 3],
}

/// Where copies of a packet come out, and how often Heddle hears of it.
type Fate = (Vec<Destination>, usize);

impl Node {
    fn new(topology: &Topology) -> Self {
        let preview = Preview::new(topology, &Config::defaults("n"));
        let flows = all_flows(&preview.view(topology)).remove(&Bridge::Integration).unwrap();
        let tables = Tables::new(flows.sorted()).unwrap();
        let network = Network::new(vec![sim::Bridge { tables, ..sim::Bridge::default() }]);
        Self { network, ports: ["web1", "other1", "plain1"].map(|name| preview.bindings.ports[name]) }
    }

    fn fate(&self, from: usize, packet: &Packet, seen: &str) -> Fate {
        let states = [CtState::parse(seen).unwrap(); 4];
        let trace = trace(&self.network, 0, packet.clone().with(&oxm::IN_PORT, self.ports[from].0.into()), &states);
        let all = trace.legs.iter().flat_map(|leg| &leg.deliveries).map(|delivery| delivery.to.clone());
        let (told, out): (Vec<_>, Vec<_>) = all.partition(|to| matches!(to, Destination::Controller(_)));
        (out, told.len())
    }
}

/// From one port to another; the number of a port is the end of its addresses, less one.
fn packet((from, to): (usize, usize), (protocol, dst): (u8, u16), flags: u16) -> Packet {
    let mac = |number: usize| oxm::number(&MacAddr([0xfa, 0x16, 0x3e, 0, 0, number as u8 + 1]).0);
    let ip = |number: usize| u128::from(u32::from_be_bytes([10, 0, 0, number as u8 + 1]));
    let ip = Packet::default()
        .with(&oxm::ETH_SRC, mac(from))
        .with(&oxm::ETH_DST, mac(to))
        .with(&oxm::ETH_TYPE, 0x0800)
        .with(&oxm::IPV4_SRC, ip(from))
        .with(&oxm::IPV4_DST, ip(to))
        .with(&oxm::IP_PROTO, protocol.into());
    match protocol {
        6 => ip.with(&oxm::TCP_SRC, 40000).with(&oxm::TCP_DST, dst.into()).with(&oxm::TCP_FLAGS, flags.into()),
        17 => ip.with(&oxm::UDP_SRC, 40000).with(&oxm::UDP_DST, dst.into()),
        _ => ip.with(&oxm::ICMPV4_TYPE, dst.into()),
    }
}

const SYN: u16 = 2;
const ACK: u16 = 16;
/// web1, other1, plain1; and a neighbour that is none of them.
const WEB: usize = 0;
const OTHER: usize = 1;
const PLAIN: usize = 2;
const NOBODY: usize = 6;

#[test]
fn a_log_changes_nothing_of_where_packets_go() {
    let (silent, logged) = (Node::new(&topology("", "")), Node::new(&topology("log = 'all'", "log = 'all'")));
    let mut told = 0;
    for from in [WEB, OTHER, PLAIN] {
        for to in [WEB, OTHER, PLAIN, NOBODY] {
            for what in [(6, 80), (6, 81), (17, 53), (17, 68), (1, 8), (47, 0)] {
                for seen in ["trk,new", "trk,est", "trk,est,rpl", "trk,rel", "trk,inv"] {
                    for flags in [SYN, SYN | ACK, ACK] {
                        let packet = packet((from, to), what, flags);
                        let (expected, nothing) = silent.fate(from, &packet, seen);
                        let (found, heard) = logged.fate(from, &packet, seen);
                        assert_eq!(found, expected, "{from} to {to}: {what:?} {seen}");
                        assert_eq!(nothing, 0, "no log, no packet-in");
                        told += heard;
                    }
                }
            }
        }
    }
    assert!(told > 0);
}

#[test]
fn heddle_hears_of_what_begins_and_of_what_is_dropped_once_at_each_port_with_a_log() {
    let node = |web: &str, plain: &str| Node::new(&topology(web, plain));
    let told = |node: &Node, ends: (usize, usize), what, seen| node.fate(ends.0, &packet(ends, what, SYN), seen).1;
    let (drop, accept, all) =
        (node("log = 'drop'", ""), node("log = 'accept'", ""), node("log = 'all'", "log = 'all'"));
    // A connection to the port with the log, and from it to a neighbour, to another host.
    for (ends, what) in
        [((OTHER, WEB), (6, 80)), ((OTHER, WEB), (17, 53)), ((WEB, OTHER), (6, 9)), ((WEB, NOBODY), (6, 9))]
    {
        assert_eq!([&drop, &accept, &all].map(|node| told(node, ends, what, "trk,new")), [0, 1, 1], "{ends:?}");
        assert_eq!([&drop, &accept, &all].map(|node| told(node, ends, what, "trk,est")), [0, 0, 0], "{ends:?}");
    }
    // No rule, no connection, foreign addresses.
    assert_eq!([&drop, &accept, &all].map(|node| told(node, (OTHER, WEB), (6, 81), "trk,new")), [1, 0, 1]);
    assert_eq!([&drop, &accept, &all].map(|node| told(node, (WEB, OTHER), (6, 80), "trk,inv")), [1, 0, 1]);
    let forged = packet((OTHER, NOBODY), (6, 80), SYN);
    assert_eq!([&drop, &accept, &all].map(|node| node.fate(WEB, &forged, "trk,new").1), [1, 0, 1]);
    // A connection that no rule allows any more is told of when it is marked.
    assert_eq!([&drop, &accept, &all].map(|node| told(node, (OTHER, WEB), (6, 81), "trk,est")), [1, 0, 1]);
    // Both ends have a log: each tells.
    assert_eq!(told(&all, (WEB, PLAIN), (17, 7), "trk,new"), 2);
    // Without connections TCP begins with a SYN, and everything else with each packet; DHCP needs no rule.
    let plain = |what, flags| all.fate(PLAIN, &packet((PLAIN, NOBODY), what, flags), "trk,new").1;
    assert_eq!([plain((6, 9), SYN), plain((6, 9), SYN | ACK), plain((6, 9), ACK), plain((17, 9), 0)], [1, 0, 0, 1]);
    let request = packet((PLAIN, NOBODY), (17, 67), 0).with(&oxm::UDP_SRC, 68);
    assert_eq!(all.fate(PLAIN, &request, "trk,new").1, 0);
}

#[test]
fn turning_a_log_on_replaces_flows_of_its_ports_only_and_off_again_leaves_nothing() {
    let (silent, logged) = (topology("", ""), topology("log = 'all'", ""));
    let preview = Preview::new(&silent, &Config::defaults("n"));
    let mut desired = Desired::new();
    desired.update(&preview.view(&silent), preview.view(&silent).objects());
    let before = texts(&desired.flows(&Bridge::Integration));
    let web1 = preview.bindings.ports["web1"].0;
    let view = preview.view(&logged);
    let dirty: Vec<Object> = view.objects_of_changes(&silent, &Topology::diff(&silent, &logged));
    let changes = desired.update(&view, dirty).remove(&Bridge::Integration).unwrap();
    assert_eq!(changes.delete.len(), 0);
    assert!((1..30).contains(&changes.add.len()), "{}", changes.add.len());
    let about = |flow: &String| flow.contains(&format!("reg5={web1:#x}"));
    assert!(changes.add.iter().map(|flow| text(flow)).all(|flow| about(&flow)), "{changes:?}");
    let view = preview.view(&silent);
    let dirty: Vec<Object> = view.objects_of_changes(&logged, &Topology::diff(&logged, &silent));
    desired.update(&view, dirty);
    assert_eq!(texts(&desired.flows(&Bridge::Integration)), before);
}

fn text(flow: &heddle::flow::Flow) -> String {
    let mut out = Vec::new();
    let mut printer = heddle::flow::text::Printer::new(&heddle::flow::text::Numbers);
    printer.wanted(flow, heddle::flow::text::Cookies::Shown, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn texts(table: &FlowTable) -> Vec<String> {
    table.sorted().iter().map(|flow| text(flow)).collect()
}

const GROUPS: &str = r#"
[security_groups.web]
log = "all"
rules = [
    { direction = "ingress", protocol = "icmp" },
    { direction = "ingress", protocol = "tcp", port_range = "80-83" },
    { direction = "ingress", protocol = "tcp", port_range = "90", remote_group = "client" },
    { direction = "egress", protocol = "udp", port_range = "53" },
]
[security_groups.client]
rules = [{ direction = "egress" }]
"#;

/// `web`, whose group has a log, and `near` on host a, `far` on host b.
fn lab(name: &str, config: &str) -> Lab {
    Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .security(GROUPS)
        .config_all(config)
        .vm_with("a", "web", "blue", |vm| vm.groups(&["web"]))
        .vm_with("a", "near", "blue", |vm| vm.groups(&["client"]))
        .vm_with("b", "far", "blue", |vm| vm.groups(&["client"]))
        .start()
}

/// Lines of the security log with all of these words.
fn lines(host: &Host, words: &[&str]) -> Vec<String> {
    let log = host.heddle_log();
    let all = log.lines().filter(|line| line.contains("heddle::security_log"));
    all.filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

/// Waits for such a line.
fn await_line(host: &Host, words: &[&str]) -> String {
    eventually(&format!("a line with {words:?}"), SOON, || !lines(host, words).is_empty());
    lines(host, words).remove(0)
}

/// The value behind `key=` in a line.
fn number(line: &str, key: &str) -> u64 {
    let rest = line.split(&format!(" {key}=")).nth(1).unwrap_or_default();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Packets for the log that came up on `br-int`, as `heddle punts` counts them.
fn punted(host: &Host, verdict: &str) -> u64 {
    let punts = host.heddle(&["punts", "--once", "--json"]).stdout;
    let punts: Value = serde_json::from_str(&punts).expect("it prints JSON");
    let rows = punts["bridges"].as_array().into_iter().flatten().flat_map(|bridge| bridge["packets"].as_array());
    let packets = rows.flatten().filter(|row| row["kind"] == "security_log" && row["verdict"] == verdict);
    packets.filter_map(|row| row["packets"].as_u64()).sum()
}

#[test]
fn an_accepted_connection_is_one_line_with_port_group_and_rule_and_a_dropped_packet_another() {
    let lab = lab("seclog", "");
    let (web, near, far, a) = (lab.vm("web"), lab.vm("near"), lab.vm("far"), lab.host("a"));
    let listeners = [80, 90].map(|port| web.listen(port));
    for client in [&near, &far] {
        let from = format!("src={}", client.ip());
        for (port, rule) in [(80, "rule=2"), (90, "rule=3")] {
            let mut connection = client.connect(&web.ip(), port, SOON).expect("it is allowed");
            let to = format!("dst_port={port}");
            let line = await_line(a, &[&from, &to]);
            for word in [
                "action=\"accept\"",
                "direction=\"ingress\"",
                "port=\"web\"",
                "network=\"blue\"",
                "group=\"web\"",
                rule,
                if port == 80 {
                    "IPv4 tcp to ports 80-83, from anywhere"
                } else {
                    "from security group client (2 ports)"
                },
                "protocol=\"tcp\"",
                "tcp_flags=\"syn\"",
            ] {
                assert!(line.contains(word), "{word}: {line}");
            }
            // What follows in the connection is not told of: after all of it there is still one line.
            connection.write_all(&[7; 50_000]).unwrap();
            drop(connection);
        }
        let socket = client.udp(40000);
        send(&socket, &web.ip(), 5000, b"unasked");
        let line = await_line(a, &[&from, "dst_port=5000"]);
        for word in ["action=\"drop\"", "port=\"web\"", "group=\"web\"", "no rule allows it", "protocol=\"udp\""] {
            assert!(line.contains(word), "{word}: {line}");
        }
        for port in [80, 90] {
            let told = lines(a, &[&from, &format!("dst_port={port}")]);
            assert_eq!(told.len(), 1, "{told:#?}");
        }
    }
    // On its way out, to a neighbour, and forged.
    let question = web.udp(40001);
    send(&question, &near.ip(), 53, b"name?");
    let line = await_line(a, &["direction=\"egress\"", "action=\"accept\"", "dst_port=53"]);
    assert!(line.contains("rule=4"), "{line}");
    send(&question, &near.ip(), 54, b"not a name");
    await_line(a, &["direction=\"egress\"", "action=\"drop\"", "dst_port=54", "no rule allows it"]);
    let stranger = "fa:16:3e:00:99:99";
    web.send(&frame::arp((stranger, EVERYONE), 1, (stranger, "172.18.0.99"), ("00:00:00:00:00:00", &near.ip())));
    await_line(a, &["protocol=\"arp\"", "src=172.18.0.99", "not from an address of the port"]);
    // What a rule allows no more is told of.
    let held = web.listen(81);
    let mut connection = near.connect(&web.ip(), 81, SOON).expect("it is allowed");
    lab.edit_topology(|topology| topology.security = GROUPS.replacen("80-83", "80", 1));
    a.wait_for_flow("br-int", "allows port 80 alone", |flow| flow.contains("tp_dst=80"));
    connection.write_all(b"gone").unwrap();
    await_line(a, &["dst_port=81", "no rule allows its connection any more"]);
    let kinds = [Kind::PortBegins, Kind::PortDelivered, Kind::PortNoRule, Kind::PortForged, Kind::PortRevoked];
    a.assert_hit("br-int", &kinds);
    drop((listeners, held));
    // Of the port without a log nothing was told.
    assert_eq!(lines(a, &["port=\"near\""]), [""; 0]);
    eventually("heddle punts counts each line", SOON, || punted(a, "logged") == lines(a, &[]).len() as u64);
}

/// How long something may take while the switch has all the packets that it can take.
const UNDER_FLOOD: Duration = Duration::from_secs(30);

#[test]
fn a_flood_is_logged_at_its_rate_and_harms_neither_others_nor_the_flows() {
    let lab = lab("seclog-flood", "[limits]\nlog_per_port = 20\nlog_per_bridge = 40\npacket_in_per_bridge = 2000");
    let (web, near, a) = (lab.vm("web"), lab.vm("near"), lab.host("a"));
    let listener = web.listen(80);
    lab.unplug("near");
    let (stranger, ip) = ("fa:16:3e:00:99:99", web.ip());
    let forged = frame::udp((stranger, "fa:16:3e:00:99:98"), (&ip, "172.18.0.98"), (1, 2));
    let began = Instant::now();
    let sent = web.flood(&forged, Duration::ZERO, || {
        // Flows are programmed, and connections of others work, while the log is flooded.
        lab.plug("near");
        eventually("the port is installed during the flood", SOON, || a.port_state("near") == "installed");
        lab.edit_topology(|topology| topology.security = GROUPS.replacen("80-83", "80-84", 1));
        a.wait_for_flow("br-int", "allows port 84 during the flood", |flow| flow.contains("tp_dst=84"));
        for other in [&near, &lab.vm("far")] {
            // The switch itself loses packets while it is flooded.
            eventually("others connect to it", UNDER_FLOOD, || other.connect(&web.ip(), 80, SOON).is_some());
        }
    });
    assert!(sent > 10_000, "only {sent} packets in the flood");
    // After the flood, now and then one more tells of the rest: what came up is a line, or counted in one.
    let told = || lines(a, &[]);
    let suppressed = || -> u64 { told().iter().map(|line| number(line, "suppressed")).sum() };
    let mut sent_at = Instant::now();
    eventually("every packet that came up is told of or counted", 4 * SOON, || {
        // The counts of the daemon are a second old.
        if sent_at.elapsed() > Duration::from_millis(2500) {
            web.send(&forged);
            sent_at = Instant::now();
        }
        let came_up: u64 = ["logged", "limited"].map(|verdict| punted(a, verdict)).iter().sum();
        came_up == told().len() as u64 + suppressed()
    });
    assert!(suppressed() > told().len() as u64, "{} of {sent}", suppressed());
    let allowed = 20 * (began.elapsed().as_secs() + 2);
    assert!(told().len() as u64 <= allowed, "{} lines in {:?}", told().len(), began.elapsed());
    assert_eq!(a.log_count("disconnected"), 0);
    drop(listener);
}

#[test]
fn without_a_log_nothing_comes_up_and_turning_it_on_takes_effect_at_once() {
    let lab = lab("seclog-off", "");
    let (web, near, a) = (lab.vm("web"), lab.vm("near"), lab.host("a"));
    let listener = web.listen(80);
    lab.edit_topology(|topology| topology.security = GROUPS.replacen("log = \"all\"", "", 1));
    let tells = || a.flow_set("br-int").iter().any(|flow| flow.contains("controller("));
    eventually("the log is off", SOON, || !tells());
    let before = lines(a, &[]).len();
    assert!(near.connect(&web.ip(), 80, SOON).is_some());
    assert!(near.connect(&web.ip(), 84, IN_VAIN).is_none());
    lab.edit_topology(|topology| topology.security = GROUPS.replacen("\"all\"", "\"drop\"", 1));
    eventually("the log is on", SOON, tells);
    // Only what is dropped: the line about it comes after that of the connection would.
    assert!(near.connect(&web.ip(), 80, SOON).is_some());
    assert!(near.connect(&web.ip(), 84, IN_VAIN).is_none());
    await_line(a, &["dst_port=84"]);
    let told = lines(a, &[]);
    assert!(told[before..].iter().all(|line| line.contains("dst_port=84") && line.contains("drop")), "{told:#?}");
    drop(listener);
}
