//! Heddle dies, at any moment, or is another when it comes back: no packet is lost and no flow.

mod lab;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::*;
use nix::sys::signal::Signal;

/// How long a large apply may take.
const APPLIED: Duration = Duration::from_secs(60);

fn all_flows(host: &Host) -> Vec<BTreeSet<String>> {
    BRIDGES.map(|bridge| host.flow_set(bridge)).into()
}

fn allow(lab: &Lab, addresses: &[String]) {
    let pairs: Vec<_> = addresses.iter().map(|ip| (ip.clone(), None)).collect();
    lab.edit_topology(|topology| topology.port("l2").allowed_address_pairs = pairs);
}

#[test]
fn killed_at_random_moments_it_loses_no_packet_and_leaves_no_flow_behind() {
    let lab = every_network("killed").start_settled();
    let host = lab.host("a");
    let (flows, mut random, mut longest) = (all_flows(host), Random::announced(), Duration::ZERO);
    let traffic = lab.traffic();
    for round in 0..scaled(8, 50) {
        allow(&lab, &[format!("172.18.0.{}", 100 + round)]);
        random.moment(Duration::from_millis(600));
        host.kill_heddle();
        host.start_heddle();
        if round % 4 == 0 {
            longest = longest.max(host.time_to_settle());
        }
    }
    allow(&lab, &[]);
    longest = longest.max(host.time_to_settle());
    let losses = traffic.stop();
    report("Heddle: kill -9 at random moments, while its topology changes", &losses, longest);
    losses.assert_none();
    host.wait_settled();
    assert_eq!(all_flows(host), flows);
}

/// Waits until br-tun holds as many flows as the remote ports make, and no half of them.
fn await_flows(host: &Host, count: usize) {
    eventually(&format!("br-tun holds {count} flows"), APPLIED, || host.dump_flows("br-tun").len() == count);
    host.wait_settled();
}

#[test]
fn killed_in_the_middle_of_a_large_apply_it_leaves_all_or_nothing_and_ends_with_all() {
    let lab = every_network("large").start_settled();
    let host = lab.host("a");
    let before = host.dump_flows("br-tun").len();
    let ports = scaled(2_500, 17_000);
    let began = Instant::now();
    lab.add_remote_ports(ports);
    host.wait_status("that the flows of remote ports are in", |status| wanted(status) > before + usize::from(ports));
    let takes = began.elapsed();
    let after = host.dump_flows("br-tun").len();
    let all = host.flow_set("br-tun");
    println!("{} flows of {ports} remote ports in {takes:?}", after - before);

    let mut random = Random::announced();
    let traffic = lab.traffic();
    let mut longest = Duration::ZERO;
    for _ in 0..scaled(4, 5) {
        lab.remove_remote_ports();
        await_flows(host, before);
        host.kill_heddle();
        lab.add_remote_ports(ports);
        for _ in 0..scaled(3, 6) {
            host.start_heddle();
            random.moment(takes);
            host.kill_heddle();
            let found = host.dump_flows("br-tun").len();
            assert!(found == before || found == after, "half an apply: {found} flows, not {before} or {after}");
        }
        let began = Instant::now();
        host.start_heddle();
        await_flows(host, after);
        longest = longest.max(began.elapsed());
    }
    let losses = traffic.stop();
    report(&format!("Heddle: kill -9 in the middle of an apply of {} flows", after - before), &losses, longest);
    losses.assert_none();
    assert_eq!(host.flow_set("br-tun"), all);
}

/// Flows of br-tun that Heddle says are installed, once that is all.
fn wanted(status: &serde_json::Value) -> usize {
    let bridges = status["bridges"].as_array().into_iter().flatten();
    let number = |bridge: &serde_json::Value, field: &str| bridge[field].as_u64().unwrap_or_default() as usize;
    let tunnel = bridges.filter(|bridge| bridge["name"] == "br-tun");
    tunnel.filter(|b| b["wanted"] == b["installed"]).map(|b| number(b, "wanted")).sum()
}

/// A switch that does not read leaves Heddle with a bundle that is open and has no commit behind it.
#[test]
fn killed_between_the_opening_of_a_bundle_and_its_commit_it_changes_nothing() {
    let lab = every_network("bundle").start_settled();
    let host = lab.host("a");
    let before = all_flows(host);
    let traffic = lab.traffic_on(&["local", "flat", "VLAN"]);
    let read = host.log_count("topology read");
    // More than fits between them: Heddle cannot be rid of it. It works out the flows before it sends them.
    lab.add_remote_ports(10_000);
    eventually("Heddle has read it", Duration::from_secs(20), || host.log_count("topology read") > read);
    host.signal_vswitchd(Signal::SIGSTOP);
    eventually("Heddle has begun to send", Duration::from_secs(20), || host.unread_bytes() > 30_000);
    host.kill_heddle();
    host.signal_vswitchd(Signal::SIGCONT);
    eventually("the switch answers", Duration::from_secs(5), || host.try_ofctl(&["show", "br-tun"]).ok());
    assert_eq!(all_flows(host), before, "what was not committed is not there");
    lab.remove_remote_ports();
    let sent = host.record_openflow();
    host.start_heddle();
    let repaired = host.time_to_settle();
    let losses = traffic.stop();
    report("Heddle: kill -9 between a bundle's opening and its commit (the switch hangs meanwhile)", &losses, repaired);
    assert_eq!(sent.sent_by_controller("FLOW_MOD"), Vec::<String>::new());
    assert_eq!(all_flows(host), before);
}

/// What an older build would have left: the same forwarding, by flows of other priorities and cookies.
fn older(line: &str) -> String {
    let (head, actions) = line.split_once(" actions=").expect("a flow has actions");
    if head.contains("cookie=0x4ed12f") {
        return line.to_owned(); // learnt by the switch
    }
    let fields = head.split(',').map(|field| {
        let field = field.trim();
        if let Some(cookie) = field.strip_prefix("cookie=0x") {
            return format!("cookie={:#x}", u64::from_str_radix(cookie, 16).expect("a cookie is a number") ^ 0xff);
        }
        let priority = field.strip_prefix("priority=").and_then(|number| number.parse::<u16>().ok());
        priority.map_or(field.to_owned(), |priority| format!("priority={}", priority.saturating_add(1)))
    });
    format!("{} actions={actions}", fields.collect::<Vec<_>>().join(","))
}

#[test]
fn an_upgrade_that_changes_every_flow_makes_before_it_breaks() {
    let lab = every_network("upgrade").start_settled();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    let mut longest = Duration::ZERO;
    for _ in 0..scaled(2, 20) {
        host.stop_heddle();
        for bridge in BRIDGES {
            host.restore_flows(bridge, &host.save_flows(bridge, older));
        }
        let old = all_flows(host);
        let shared = flows.iter().zip(&old).map(|(ours, old)| ours.intersection(old).count()).sum::<usize>();
        assert_eq!(shared, 0, "every flow is another: {old:#?}");
        let began = Instant::now();
        host.start_heddle();
        eventually("every flow is that of this build", Duration::from_secs(20), || all_flows(host) == flows);
        longest = longest.max(began.elapsed());
        host.wait_settled();
    }
    let losses = traffic.stop();
    report("Heddle: upgrade to a build with other priorities and cookies in every flow", &losses, longest);
    losses.assert_none();
}

#[test]
fn what_changes_while_it_is_stopped_for_long_is_applied_at_its_start_and_the_rest_goes_on() {
    let lab = every_network("stopped").vm_with("a", "l3", "loc", VmSpec::unplugged).start_settled();
    let host = lab.host("a");
    let traffic = lab.traffic_on(&["local", "flat", "VLAN"]);
    host.stop_heddle();
    let stopped = Instant::now();
    let mut round = 0;
    while round < 5 || stopped.elapsed() < scaled(Duration::ZERO, Duration::from_secs(600)) {
        round += 1;
        allow(&lab, &[format!("172.18.0.{}", 100 + round % 100)]);
        lab.edit_topology(|topology| topology.port("x1").port_security = Some(round % 2 == 0));
        std::thread::sleep(Duration::from_millis(scaled(0, 5_000)));
    }
    lab.add_remote_ports(100);
    lab.plug("l3");
    let began = Instant::now();
    host.start_heddle();
    lab.wait_ready();
    host.wait_settled();
    let repaired = began.elapsed();
    lab.vm("l3").assert_ping("l1");
    let losses = traffic.stop();
    let pause = scaled("seconds", "10 minutes");
    report(&format!("Heddle: stopped for {pause} while topology and ports change"), &losses, repaired);
    losses.assert_none();
}
