//! What monitoring and `heddle punts` are told by a real daemon about packets that really came up.

mod lab;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use lab::*;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);

/// One host with a machine, whose port may send up three packets a second.
fn one_host(name: &str) -> Lab {
    let lab = Lab::new(name).network("blue", Vxlan(1001), &["172.18.0.0/24"]).host("a");
    lab.config_all("[limits]\npacket_in_per_port = 3\n").vm("a", "x1", "blue").vm("a", "x2", "blue").start()
}

/// The answer to a GET of a path, from the host's own namespace; head and body.
fn get(host: &Host, path: &str) -> Option<(String, String)> {
    let text = netns::inside(host.namespace(), || {
        let mut stream = TcpStream::connect("127.0.0.1:9633").ok()?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: heddle\r\n\r\n").as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    })?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

fn scrape(host: &Host) -> String {
    let (head, body) = get(host, "/metrics").unwrap_or_else(|| panic!("no answer\n{}", host.heddle_log()));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; "), "{head}");
    body
}

/// The value of a sample, written as in the text.
fn value(text: &str, sample: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

fn await_value(host: &Host, sample: &str, wanted: f64) {
    eventually(&format!("{sample} {wanted}"), SOON, || value(&scrape(host), sample) == Some(wanted));
}

/// The switch sends a packet up as if a flow had done so. Nobody answers an unknown protocol.
fn send_up(host: &Host, interface: &str) {
    let frame = frame::marked("fa:16:3e:00:00:01", "ff:ff:ff:ff:ff:ff", "who answers?");
    let frame: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
    let in_port = host.ofport(interface).expect("it is plugged");
    let message = format!("in_port={in_port},packet={frame},actions=controller");
    host.ofctl(&["packet-out", &host.mgmt("br-int").display().to_string(), &message]);
}

fn punts(host: &Host, words: &[&str]) -> Output {
    host.heddle(&[&["punts", "-c", &host.config_path()], words].concat())
}

#[test]
fn a_scrape_tells_what_the_daemon_holds_and_what_it_did() {
    let lab = one_host("scrape");
    let host = lab.host("a");
    host.wait_settled();
    let text = scrape(host);
    assert!(text.ends_with("# EOF\n"), "{text}");
    for (sample, wanted) in [
        ("heddle_database_connected", 1.0),
        ("heddle_topology_current", 1.0),
        ("heddle_topology_loads_total{result=\"ok\"}", 1.0),
        ("heddle_topology_loads_total{result=\"failed\"}", 0.0),
        ("heddle_networks", 1.0),
        ("heddle_ports{state=\"installed\"}", 2.0),
        ("heddle_ports{state=\"waiting\"}", 0.0),
        ("heddle_ports_bound", 2.0),
        ("heddle_bridge_connected{bridge=\"br-tun\"}", 1.0),
        ("heddle_bridge_flows_rejected{bridge=\"br-int\"}", 0.0),
        ("heddle_punt_answer_seconds_count{bridge=\"br-int\"}", 0.0),
    ] {
        assert_eq!(value(&text, sample), Some(wanted), "{sample}\n{text}");
    }
    let status = host.heddle_status();
    let bridge = status["bridges"].as_array().unwrap().iter().find(|bridge| bridge["name"] == "br-int").unwrap();
    for (sample, key) in
        [("flows_wanted", "wanted"), ("flows_installed", "installed"), ("flow_mods_total", "flow_mods")]
    {
        let sample = format!("heddle_bridge_{sample}{{bridge=\"br-int\"}}");
        assert_eq!(value(&text, &sample), bridge[key].as_f64(), "{sample}\n{text}");
    }
    let audits = value(&text, "heddle_bridge_audits_total{bridge=\"br-int\"}").unwrap();
    assert!(
        audits >= 1.0 && value(&text, "heddle_database_transactions_total{result=\"ok\"}").unwrap() >= 1.0,
        "{text}"
    );

    host.restart_vswitchd();
    host.wait_settled();
    let more = || value(&scrape(host), "heddle_bridge_audits_total{bridge=\"br-int\"}") > Some(audits);
    eventually("the new connection is audited", SOON, more);
    lab.write_topology("nonsense");
    await_value(host, "heddle_topology_loads_total{result=\"failed\"}", 1.0);
    await_value(host, "heddle_topology_current", 0.0);
}

#[test]
fn health_and_readiness_follow_the_daemon() {
    let lab = one_host("health");
    let host = lab.host("a");
    host.wait_settled();
    let status = |path: &str| {
        let (head, body) = get(host, path).unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), body)
    };
    assert_eq!(status("/readyz"), ("200".into(), "ok\n".into()));
    host.stop_vswitchd();
    eventually("br-int is missed", SOON, || status("/readyz").1.contains("bridge br-int is not connected\n"));
    assert_eq!((status("/readyz").0, status("/healthz").0), ("503".into(), "200".into()));
    host.start_vswitchd();
    eventually("it is ready again", SOON, || status("/readyz").0 == "200");
    assert_eq!(status("/").0, "404");
}

#[test]
fn packets_that_come_up_are_counted_with_their_sender_and_those_above_the_limit_too() {
    let lab = one_host("punts");
    let host = lab.host("a");
    host.wait_settled();
    let nothing = punts(host, &["--once"]);
    assert_eq!((nothing.code, nothing.stderr.as_str()), (1, ""), "{}", nothing.stdout);
    (0..6).for_each(|_| send_up(host, "tap-x1"));
    send_up(host, "tap-x2");
    let sample =
        |verdict: &str| format!("heddle_punts_total{{bridge=\"br-int\",kind=\"other\",verdict=\"{verdict}\"}}");
    let counted = |text: &str| ["ignored", "limited"].map(|verdict| value(text, &sample(verdict)).unwrap_or(0.0));
    eventually("seven packets are counted", SOON, || counted(&scrape(host)).iter().sum::<f64>() == 7.0);
    let [ignored, limited] = counted(&scrape(host));
    // How many pass depends on how long the six take.
    assert!(ignored >= 4.0, "three of one port and one of the other: {ignored} and {limited}");

    let json = punts(host, &["--once", "--json"]);
    assert!(json.ok(), "{}", json.stderr);
    let said: Value = serde_json::from_str(&json.stdout).unwrap();
    let bridge = &said["bridges"][0];
    assert_eq!((&said["node"], &bridge["bridge"]), (&"a".into(), &"br-int".into()));
    let packets_of = |port: &str| -> u64 {
        let talkers = bridge["talkers"].as_array().unwrap().iter();
        let own = talkers.filter(|t| t["port"] == port && t["interface"] == format!("tap-{port}"));
        own.map(|talker| talker["packets"].as_u64().unwrap()).sum()
    };
    assert_eq!((packets_of("x1"), packets_of("x2")), (6, 1), "{said}");

    let text = punts(host, &["--once"]);
    assert!(text.ok() && text.stdout.contains("x1 (tap-x1)  other  ignored: "), "{}", text.stdout);
}

#[test]
fn answers_are_counted_and_timed_and_their_askers_named() {
    let lab = Lab::new("timed").network("blue", Vxlan(1001), &["172.18.0.0/24"]).host("a").host("b");
    let lab = lab.config_all("[tunnel]\narp_responder = \"controller\"\n");
    let lab = lab.vm("a", "x1", "blue").vm("b", "x2", "blue").start();
    let host = lab.host("a");
    let status = host.heddle(&["status", "-c", &host.config_path()]);
    assert!(status.stdout.contains("answers arp (heddle)"), "{}", status.stdout);
    assert_eq!(lab.vm("x1").arping("x2"), Some(lab.vm("x2").mac()));
    let answered = "heddle_punts_total{bridge=\"br-tun\",kind=\"arp\",verdict=\"answered\"}";
    let timed = "heddle_punt_answer_seconds_count{bridge=\"br-tun\"}";
    let text = eventually_some("each answer is counted and timed", SOON, || {
        let text = scrape(host);
        let answered = value(&text, answered)?;
        (answered >= 1.0 && value(&text, timed) == Some(answered)).then_some(text)
    });
    let of_histogram = |part: &str| value(&text, &format!("heddle_punt_answer_seconds_{part}")).unwrap();
    let count = value(&text, timed).unwrap();
    assert_eq!(of_histogram("bucket{le=\"+Inf\",bridge=\"br-tun\"}"), count);
    let sum = of_histogram("sum{bridge=\"br-tun\"}");
    assert!(sum > 0.0 && sum < count, "an answer takes less than a second: {sum}");
    let said = punts(host, &["--once"]).stdout;
    let asker = format!("br-tun  x1 ({})  arp   answered", lab.vm("x1").mac());
    assert!(said.contains(&asker) && said.contains("; answers take "), "{said}");
}

#[test]
fn punts_shows_a_block_each_interval_until_the_daemon_ends() {
    let lab = one_host("live");
    let host = lab.host("a");
    host.wait_settled();
    let mut command = host.command(&program("heddle").display().to_string());
    command.args(["punts", "-c", &host.config_path()]).env("HEDDLE_RUNDIR", host.run_dir());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().ends_with("a: 0 packets/s (mean since the start)"));
    send_up(host, "tap-x1");
    let heading = lines.find(|line| line.contains("ignored")).expect("a block with the packet");
    assert!(heading.contains(" a: ") && heading.contains(" packets/s: "), "{heading}");
    assert!(lines.next().unwrap().contains("bridge  from         kind   verdict"));
    assert!(lines.next().unwrap().contains("br-int  x1 (tap-x1)  other  ignored: "));
    host.stop_heddle();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("no daemon answers on"), "{ended:?}");
}

#[test]
fn an_address_that_is_taken_is_warned_of_and_had_once_it_is_free() {
    let lab = Lab::new("taken").network("red", Local, &["172.18.0.0/24"]).host("a").vm("a", "r1", "red");
    let lab = lab.start_without_heddle();
    let host = lab.host("a");
    let holder = netns::inside(host.namespace(), || TcpListener::bind("127.0.0.1:9633").unwrap());
    host.start_heddle();
    host.wait_log("no metrics: cannot listen");
    lab.plug_all();
    lab.wait_ready();
    drop(holder);
    eventually("the address is had", SOON, || get(host, "/healthz").is_some_and(|(_, body)| body == "ok\n"));
}

#[test]
fn an_empty_address_is_no_metrics() {
    let lab = Lab::new("off").network("red", Local, &["172.18.0.0/24"]).host("a").vm("a", "r1", "red");
    let lab = lab.config_all("[metrics]\nlisten = \"\"\n").start();
    let host = lab.host("a");
    assert_eq!(get(host, "/metrics"), None);
    assert!(!host.heddle_log().contains("metrics"));
}
