//! Learning bridges on real Open vSwitch: by name beside the topology's own bridges, moves, loops, restarts, and
//! without a database or a topology.

mod lab;

use std::time::Duration;

use heddle::pipeline::cookie::Kind as FlowKind;
use lab::frame::{EVERYONE, marked};
use lab::{Capture, FlowLine, Frame, Host, Lab, Local, eventually, netns};
use serde_json::Value;

const A: &str = "02:00:00:00:00:0a";
const B: &str = "02:00:00:00:00:0b";
const C: &str = "02:00:00:00:00:0c";
const SOON: Duration = Duration::from_secs(5);
/// A bridge comes back on its own when Heddle does; Open vSwitch tries every few seconds.
const RECONNECT: Duration = Duration::from_secs(20);

/// A host with two VMs of a network, for which `bridges` learn.
fn lab(name: &str, bridges: &str) -> Lab {
    let lab = Lab::new(name).network("red", Local, &["172.18.0.0/24"]).host("a");
    let lab = lab.vm("a", "r1", "red").vm("a", "r2", "red");
    lab.config_all(&format!("[learning]\nbridges = {bridges}")).start()
}

fn ip(host: &Host, words: &str) {
    let words: Vec<&str> = std::iter::once("ip").chain(words.split(' ')).collect();
    let output = host.exec(&words);
    assert!(output.ok(), "{words:?}: {}", output.stderr);
}

/// A bridge whose controller is Heddle, adopted.
fn add_bridge(host: &Host, bridge: &str) {
    host.add_bridge(bridge);
    host.vsctl(&["set", "Bridge", bridge, "fail_mode=secure", "protocols=OpenFlow13"]);
    host.vsctl(&["set-controller", bridge, "tcp:127.0.0.1:6633"]);
    await_adopted(host, bridge);
}

fn await_adopted(host: &Host, bridge: &str) {
    for kind in [FlowKind::Unheard, FlowKind::Reserved, FlowKind::NoStation] {
        host.wait_for_flow(bridge, &format!("is {kind:?}"), |flow| flow.kind() == Some(kind));
    }
}

/// A cable; both ends are interfaces of the host.
fn cable(host: &Host, one: &str, other: &str) {
    ip(host, &format!("link add {one} type veth peer name {other}"));
    ip(host, &format!("link set {one} up"));
    ip(host, &format!("link set {other} up"));
}

/// A station `st-NAME` at port `p-NAME` of a bridge: it says what the test sends, and hears what is captured.
fn add_station(host: &Host, bridge: &str, name: &str) {
    cable(host, &format!("st-{name}"), &format!("p-{name}"));
    host.vsctl(&["add-port", bridge, &format!("p-{name}")]);
}

fn send(host: &Host, station: &str, frame: &[u8]) {
    netns::send_frame(host.namespace(), &format!("st-{station}"), frame);
}

fn hear(host: &Host, station: &str) -> Capture {
    host.capture(&format!("st-{station}"))
}

/// Captures also see what the station itself sends.
fn heard(capture: &Capture, text: &str) -> usize {
    capture.count(|frame: &Frame| frame.is_marked(text))
}

fn bridged(host: &Host, bridge: &str) -> Vec<FlowLine> {
    host.flows_of(bridge, FlowKind::Bridged)
}

/// What the status says of a bridge; nothing while no daemon answers.
fn row(host: &Host, bridge: &str) -> Value {
    let answer = host.heddle(&["status", "-c", &host.config_path(), "--json"]);
    let status: Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
    let rows = status["bridges"].as_array().cloned().unwrap_or_default();
    rows.into_iter().find(|row| row["name"] == bridge).unwrap_or_default()
}

/// A and B know of each other, and two flows lead between them.
fn acquaint(host: &Host, bridge: &str) {
    let (a, b) = (hear(host, "a"), hear(host, "b"));
    send(host, "a", &marked(A, B, "hello"));
    b.await_marked("hello");
    send(host, "b", &marked(B, A, "welcome"));
    a.await_marked("welcome");
    send(host, "a", &marked(A, B, "thanks"));
    b.await_marked("thanks");
    eventually("two flows lead between A and B", SOON, || bridged(host, bridge).len() == 2);
}

#[test]
fn a_named_bridge_learns_beside_those_of_the_topology() {
    let lab = lab("named", r#"["s1"]"#);
    let host = lab.host("a");
    add_bridge(host, "s1");
    ["a", "b", "c"].iter().for_each(|name| add_station(host, "s1", name));
    let (a, b, c) = (hear(host, "a"), hear(host, "b"), hear(host, "c"));
    send(host, "a", &marked(A, B, "first"));
    b.await_marked("first");
    c.await_marked("first");
    send(host, "b", &marked(B, A, "answer"));
    a.await_marked("answer");
    send(host, "a", &marked(A, B, "second"));
    b.await_marked("second");
    eventually("two flows lead between A and B", SOON, || bridged(host, "s1").len() == 2);

    // The datapath may remember for a moment that such packets go up.
    let from_a = |flow: &FlowLine| flow.matching.contains(&format!("dl_src={A}"));
    eventually("further packets stay in the switch", SOON, || {
        send(host, "a", &marked(A, B, "third"));
        bridged(host, "s1").iter().any(|flow| from_a(flow) && flow.packets > 0)
    });
    b.await_marked("third");
    let flow = bridged(host, "s1").into_iter().find(from_a).unwrap();
    assert_eq!((flow.table, flow.priority, flow.hard_timeout), (0, 1, 180), "{flow:?}");

    // What is told to neighbouring bridges, and what no station sends; the last frame tells that all are through.
    send(host, "a", &marked(A, "01:80:c2:00:00:0e", "lldp"));
    send(host, "a", &marked("03:00:00:00:00:0a", EVERYONE, "group"));
    send(host, "a", &marked(A, EVERYONE, "everyone"));
    c.await_marked("everyone");
    for text in ["answer", "second", "third", "lldp", "group"] {
        assert_eq!(heard(&c, text), 0, "C hears {text:?}");
    }
    assert_eq!(heard(&b, "everyone"), 1);
    assert_eq!((heard(&b, "lldp"), heard(&b, "group")), (0, 0));

    lab.vm("r1").assert_ping("r2");
    let row = row(host, "s1");
    assert_eq!((&row["role"], &row["installed"]), (&"learning".into(), &3.into()), "{row}");
    eventually("the status tells how many addresses there are", SOON, || {
        self::row(host, "s1")["learning"]["addresses"] == 2
    });
    host.ofctl(&["del-flows", "s1"]);
    await_adopted(host, "s1");
}

#[test]
fn a_station_that_moves_is_followed_at_once_and_a_port_that_goes_down_is_forgotten() {
    let lab = lab("moves", r#"["*"]"#);
    let host = lab.host("a");
    add_bridge(host, "s1");
    ["a", "b", "c"].iter().for_each(|name| add_station(host, "s1", name));
    acquaint(host, "s1");
    let to_a = |port: &str| {
        let output = format!("output:{}", host.ofport(port).expect("it is plugged"));
        let is_it = move |flow: &FlowLine| flow.is_to(A) && flow.actions == output;
        bridged(host, "s1").iter().any(is_it)
    };
    assert!(to_a("p-a"));

    // A was heard a moment ago: until it can have moved, this is taken for a copy.
    let (a, b, c) = (hear(host, "a"), hear(host, "b"), hear(host, "c"));
    eventually("A is heard at its new port", SOON, || {
        send(host, "c", &marked(A, B, "moved"));
        heard(&b, "moved") > 0
    });
    eventually("no flow leads to where A was", SOON, || !to_a("p-a"));
    send(host, "b", &marked(B, A, "there"));
    c.await_marked("there");
    assert_eq!(heard(&a, "there"), 0);
    eventually("a flow leads to where A is", SOON, || to_a("p-c"));

    ip(host, "link set p-c down");
    let of_c = format!("in_port={}", host.ofport("p-c").expect("it is plugged"));
    let concerns_c = |flow: &FlowLine| flow.is_to(A) || flow.matching.contains(&of_c);
    eventually("the flows of a port that is down go", SOON, || !bridged(host, "s1").iter().any(concerns_c));
    assert!(host.heddle_runs());
}

#[test]
fn a_ring_of_three_bridges_carries_each_broadcast_once_over_each_wire_and_no_storm() {
    const BROADCASTS: usize = 20;
    let lab = lab("ring", r#"["*"]"#);
    let host = lab.host("a");
    ["s1", "s2", "s3"].iter().for_each(|bridge| add_bridge(host, bridge));
    for (one, other) in [("s1", "s2"), ("s2", "s3"), ("s3", "s1")] {
        let (here, there) = (format!("{one}-{other}"), format!("{other}-{one}"));
        cable(host, &here, &there);
        host.vsctl(&["add-port", one, &here, "--", "add-port", other, &there]);
    }
    add_station(host, "s1", "a");
    add_station(host, "s2", "b");
    add_station(host, "s3", "c");
    let wires = ["s1-s2", "s2-s3", "s3-s1"].map(|end| host.capture(end));
    let (a, b, c) = (hear(host, "a"), hear(host, "b"), hear(host, "c"));
    for number in 0..BROADCASTS {
        let text = format!("broadcast {number};");
        send(host, "a", &marked(A, EVERYONE, &text));
        b.await_marked(&text);
        c.await_marked(&text);
    }
    send(host, "b", &marked(B, A, "answer"));
    a.await_marked("answer");
    send(host, "a", &marked(A, B, "unicast"));
    b.await_marked("unicast");
    send(host, "c", &marked(C, EVERYONE, "last"));
    a.await_marked("last");
    b.await_marked("last");

    // Each bridge floods once: over two of the wires once, over the third from both sides.
    let crossing = |text: &str| wires.iter().map(|wire| heard(wire, text)).sum::<usize>();
    for number in 0..BROADCASTS {
        let text = format!("broadcast {number};");
        assert_eq!((heard(&b, &text), heard(&c, &text)), (1, 1), "{text}");
        assert!((3..=4).contains(&crossing(&text)), "{text} crossed {} times", crossing(&text));
    }
    assert_eq!((crossing("answer"), crossing("unicast")), (1, 1), "the direct way");
    assert_eq!(heard(&a, "broadcast"), BROADCASTS, "none comes back to A");
    let copies = || {
        let copies = ["s1", "s2", "s3"].map(|bridge| row(host, bridge)["learning"]["copies"].as_u64());
        copies.into_iter().flatten().sum::<u64>()
    };
    eventually("the status tells of the loop", SOON, || copies() >= BROADCASTS as u64);
    let said = host.heddle(&["status", "-c", &host.config_path()]).stdout;
    assert!(said.contains("came back through a loop"), "{said}");
}

#[test]
fn a_restart_of_heddle_keeps_forwarding_and_remembers_where_stations_are() {
    let lab = lab("restarts", r#"["s1"]"#);
    let host = lab.host("a");
    add_bridge(host, "s1");
    ["a", "b", "c"].iter().for_each(|name| add_station(host, "s1", name));
    acquaint(host, "s1");
    let b = hear(host, "b");
    host.kill_heddle();
    send(host, "a", &marked(A, B, "while away"));
    b.await_marked("while away");
    host.start_heddle();
    eventually("the bridge is audited again", RECONNECT, || row(host, "s1")["differences"] == 0);
    assert_eq!(bridged(host, "s1").len(), 2, "what was learnt stays");
    eventually("the stations are known from their flows", SOON, || row(host, "s1")["learning"]["addresses"] == 2);

    send(host, "c", &marked(A, B, "elsewhere"));
    b.await_marked("elsewhere");
    let old = format!("output:{}", host.ofport("p-a").expect("it is plugged"));
    eventually("no flow leads to where A was", SOON, || {
        bridged(host, "s1").iter().all(|flow| !(flow.is_to(A) && flow.actions == old))
    });
}

#[test]
fn without_a_database_and_without_a_topology_learning_bridges_are_served_and_nothing_else_is() {
    let lab = lab("bare", r#"["s1"]"#);
    let host = lab.host("a");
    add_bridge(host, "s1");
    ["a", "b"].iter().for_each(|name| add_station(host, "s1", name));
    let flows = host.dump_flows("br-int").len();

    let config = std::fs::read_to_string(host.config_path()).unwrap();
    host.stop_heddle();
    std::fs::write(host.config_path(), config.replace("db.sock", "none.sock")).unwrap();
    host.ofctl(&["del-flows", "s1"]);
    host.start_heddle();
    eventually("s1 connects without a database", RECONNECT, || row(host, "s1")["installed"] == 3);
    assert_eq!(host.heddle_status()["ovsdb_connected"], false);
    acquaint(host, "s1");
    std::fs::write(host.config_path(), config).unwrap();
    eventually("the rest is served with the database", RECONNECT, || row(host, "br-int")["installed"] == flows);

    host.stop_heddle();
    std::fs::remove_file(host.dir().join("topology.toml")).unwrap();
    host.ofctl(&["del-flows", "s1"]);
    host.start_heddle();
    eventually("s1 connects without a topology", RECONNECT, || row(host, "s1")["installed"] == 3);
    acquaint(host, "s1");
    let status = host.heddle_status();
    assert_eq!((&status["topology"], status["bridges"].as_array().map(Vec::len)), (&Value::Null, Some(1)), "{status}");
    assert!(host.heddle(&["status", "-c", &host.config_path()]).ok(), "nothing is wrong");
    assert_eq!(host.dump_flows("br-int").len(), flows, "br-int is left as it is");
    lab.vm("r1").assert_ping("r2");
    lab.edit_topology(|_| {});
    eventually("the rest is served with the topology", RECONNECT, || row(host, "br-int")["installed"] == flows);
    lab.vm("r1").assert_ping("r2");
}
