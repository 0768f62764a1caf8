//! Two Heddles on one host: one serves it, the other stands by and takes over.

mod lab;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use lab::*;

const SOON: Duration = Duration::from_secs(10);
/// How long the other one may take from the end of the first until it serves all bridges.
const TAKE_OVER: Duration = Duration::from_secs(5);

fn stands_by(second: &SecondHeddle<'_>) {
    eventually("the second heddle stands by", SOON, || second.status()["standing_by"] == true);
}

/// Every bridge is connected to it, and every port installed.
fn serves(status: &serde_json::Value) -> bool {
    let all = |list: &str, good: fn(&serde_json::Value) -> bool| {
        status[list].as_array().is_some_and(|list| !list.is_empty() && list.iter().all(good))
    };
    status["standing_by"] == false
        && status["ovsdb_connected"] == true
        && all("bridges", |bridge| bridge["connected_from"].is_string() && bridge["differences"].is_number())
        && all("ports", |port| port["state"] == "installed")
}

/// A Heddle that is relieved begins anew, and answers nobody meanwhile.
fn status_or_nothing(host: &Host) -> serde_json::Value {
    serde_json::from_str(&host.heddle(&["status", "--json"]).stdout).unwrap_or_default()
}

fn readiness(host: &Host, address: &str) -> String {
    let mut stream = netns::inside(host.namespace(), || TcpStream::connect(address)).expect("it listens");
    stream.write_all(b"GET /readyz HTTP/1.1\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    answer
}

#[test]
fn a_second_heddle_stands_by_and_takes_over_within_five_seconds_without_a_lost_packet() {
    let lab = every_network("second").start_settled();
    let host = lab.host("a");
    let (traffic, sent, database) = (lab.traffic(), host.record_openflow(), host.database_file());
    let second = host.start_second_heddle();
    stands_by(&second);
    let status = second.heddle(&["status"]);
    assert_eq!(status.code, 1);
    assert!(status.stdout.contains("STANDING BY: another heddle serves it"), "{}", status.stdout);
    let answer = readiness(host, SecondHeddle::METRICS);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("standing by"), "{answer}");

    // Both read the change; one makes it.
    lab.edit_topology(|topology| topology.port("l2").allowed_address_pairs.push(("172.18.0.77".into(), None)));
    host.wait_for_flow("br-int", "allows the new address", |flow| flow.matching.contains("arp_spa=172.18.0.77"));
    host.wait_settled();
    assert_eq!(sent.sent_by_controller("FLOW_MOD").len(), 1);
    assert_eq!(host.database_file(), database);

    host.kill_heddle();
    let killed = Instant::now();
    eventually("the second heddle serves every bridge", TAKE_OVER, || serves(&second.status()));
    let took = killed.elapsed();
    assert_eq!(sent.sent_by_controller("FLOW_MOD").len(), 1, "what was installed was right");
    lab.edit_topology(|topology| topology.port("l2").allowed_address_pairs.push(("172.18.0.78".into(), None)));
    host.wait_for_flow("br-int", "allows the new address", |flow| flow.matching.contains("arp_spa=172.18.0.78"));

    host.start_heddle();
    host.wait_status("that it stands by in its turn", |status| status["standing_by"] == true);
    drop(second);
    eventually("the first heddle serves every bridge again", TAKE_OVER, || serves(&host.heddle_status()));
    let lost = traffic.stop();
    report("Heddle: killed while a second stands by, and the other way round", &lost, took);
    lost.assert_none();
}

#[test]
fn after_a_restart_of_the_database_one_of_two_serves_and_the_other_stands_by() {
    let lab = every_network("two-db").start_settled();
    let host = lab.host("a");
    let sent = host.record_openflow();
    let second = host.start_second_heddle();
    stands_by(&second);
    for _ in 0..3 {
        host.restart_ovsdb();
        eventually("one serves and the other stands by", SOON, || {
            let (first, second) = (status_or_nothing(host), second.status());
            let (first_waits, second_waits) = (first["standing_by"] == true, second["standing_by"] == true);
            (serves(&first) && second_waits) || (serves(&second) && first_waits)
        });
        lab.await_traffic();
    }
    assert_eq!(sent.sent_by_controller("FLOW_MOD"), Vec::<String>::new());
}
