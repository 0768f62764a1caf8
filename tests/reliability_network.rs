//! The network between bridges and Heddle fails: it is cut, goes dead without a word, is slow, loses packets, brings
//! bytes one by one, or ends in the middle of a message.

mod lab;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::*;
use serde_json::Value;

/// Either end is to notice within this that the other does not hear it.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);
/// What a busy machine may add to that.
const LOAD: Duration = Duration::from_secs(15);
/// How long what is awaited beside that may take.
const SOON: Duration = Duration::from_secs(30);

fn all_flows(host: &Host) -> Vec<BTreeSet<String>> {
    BRIDGES.map(|bridge| host.flow_set(bridge)).into()
}

/// A change of the topology that changes flows of br-int: the second local VM may use these addresses too.
fn allow(lab: &Lab, addresses: &[&str]) {
    let pairs: Vec<_> = addresses.iter().map(|&ip| (ip.to_owned(), None)).collect();
    lab.edit_topology(|topology| topology.port("l2").allowed_address_pairs = pairs);
}

/// That change is in effect, or is not any more.
fn await_allowed(host: &Host, address: &str, wanted: bool) {
    eventually(&format!("flows with {address}: {wanted}"), SOON, || {
        host.dump_flows("br-int").iter().any(|flow| flow.contains(address)) == wanted
    });
}

fn bridge(status: &Value, name: &str) -> Value {
    let rows = status["bridges"].as_array().expect("a status has bridges");
    rows.iter().find(|row| row["name"] == name).cloned().expect("the bridge is one of Heddle's")
}

fn is_connected(host: &Host, name: &str) -> bool {
    host.try_status().is_some_and(|status| bridge(&status, name)["connected_from"].is_string())
}

fn await_connected(host: &Host, wanted: bool) {
    eventually(&format!("every bridge is connected: {wanted}"), NOTICED_WITHIN + LOAD, || {
        BRIDGES.iter().all(|name| is_connected(host, name) == wanted)
    });
}

/// Waits so long until all bridges hold what is wanted.
fn await_settled_within(host: &Host, deadline: Duration) {
    eventually("all bridges hold what is wanted", deadline, || {
        let Some(status) = host.try_status() else { return false };
        BRIDGES.iter().map(|name| bridge(&status, name)).all(|bridge| {
            let compared = bridge["connected_from"].is_string() && bridge["differences"].is_number();
            compared && bridge["installed"] == bridge["wanted"] && bridge["wanted"] != 0
        })
    });
}

/// These bridges were compared with what is wanted when they came back, nothing differed, and nothing was sent.
fn assert_untouched(host: &Host, bridges: &[&str]) {
    let status = host.heddle_status();
    for name in bridges {
        let bridge = bridge(&status, name);
        assert_eq!((&bridge["differences"], &bridge["flow_mods"]), (&0.into(), &0.into()), "{bridge}");
    }
}

#[test]
fn a_line_that_is_cut_costs_nothing_and_what_changed_meanwhile_is_applied_when_it_is_back() {
    let (lab, line) = every_network("net-cut").start_on_line();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    let mut longest = Duration::ZERO;
    for _ in 0..scaled(2, 10) {
        for changes in [false, true] {
            line.cut();
            await_connected(host, false);
            if changes {
                allow(&lab, &["172.18.0.77"]);
                host.wait_status("that the change waits", |status| {
                    let bridge = bridge(status, "br-int");
                    bridge["wanted"] != bridge["installed"] || bridge["connected_from"].is_null()
                });
            }
            line.mend();
            let mended = Instant::now();
            host.wait_settled();
            longest = longest.max(mended.elapsed());
            if changes {
                await_allowed(host, "172.18.0.77", true);
                allow(&lab, &[]);
                await_allowed(host, "172.18.0.77", false);
            } else {
                assert_untouched(host, &BRIDGES);
            }
        }
    }
    let losses = traffic.stop();
    report("the line to the bridges is cut and connections are refused, over and over", &losses, longest);
    losses.assert_none();
    assert_eq!(all_flows(host), flows);
}

/// Heddle notices that nothing comes any more, says so, and says since when a bridge is not connected. Returns how long
/// it took.
fn await_noticed(host: &Host, said: &str) -> Duration {
    let (began, before) = (Instant::now(), host.log_count(said));
    eventually(&format!("every connection ends: {said}"), NOTICED_WITHIN + LOAD, || {
        host.log_count(said) >= before + BRIDGES.len()
    });
    let noticed = began.elapsed();
    await_connected(host, false);
    host.wait_status("since when bridges are not connected, and why", |status| {
        BRIDGES.iter().all(|name| {
            let bridge = bridge(status, name);
            let why = bridge["disconnected_reason"].as_str();
            bridge["disconnected_seconds"].is_number() && why.is_some_and(|why| why.contains(said))
        })
    });
    let text = host.heddle(&["status", "-c", &host.config_path()]).stdout;
    assert_eq!(text.matches("NOT CONNECTED for ").count(), BRIDGES.len(), "{text}");
    noticed
}

/// The switch says of each bridge whether its controller is connected.
fn await_switch_says(host: &Host, connected: &str) {
    eventually(&format!("the switch says is_connected={connected}"), NOTICED_WITHIN + LOAD, || {
        let rows = host.vsctl(&["--bare", "--columns=is_connected", "list", "Controller"]);
        rows.split_whitespace().count() == BRIDGES.len() && rows.split_whitespace().all(|word| word == connected)
    });
}

#[test]
fn a_line_that_goes_dead_without_a_word_is_noticed_by_both_ends_and_resumed_by_audit() {
    let (lab, line) = every_network("net-dead").start_on_line();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    let mut repaired = Duration::ZERO;
    for changes in scaled(&[true][..], &[false, true]) {
        line.pass(Passage::Blocked);
        let noticed = await_noticed(host, "nothing heard for");
        await_switch_says(host, "false");
        if *changes {
            allow(&lab, &["172.18.0.77"]);
        }
        line.leave_behind();
        line.mend();
        let mended = Instant::now();
        host.wait_settled();
        repaired = repaired.max(mended.elapsed());
        assert_untouched(host, if *changes { &["br-tun", "br-phys"] } else { &BRIDGES });
        if *changes {
            await_allowed(host, "172.18.0.77", true);
            allow(&lab, &[]);
            await_allowed(host, "172.18.0.77", false);
        }
        println!("noticed after {noticed:?}");
    }
    let losses = traffic.stop();
    report("the line to the bridges goes dead without a word", &losses, repaired);
    losses.assert_none();
    host.wait_settled();
    assert_eq!(all_flows(host), flows);
}

#[test]
fn of_two_connections_of_a_switch_the_newer_wins_and_late_bytes_of_the_older_do_nothing() {
    let (lab, line) = every_network("net-newer").start_on_line();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    let before = line.connections();
    line.desert();
    let began = Instant::now();
    eventually("the switch connects anew", SOON, || line.connections() >= before + BRIDGES.len() as u64);
    allow(&lab, &["172.18.0.77"]);
    let said = "has connected anew";
    eventually("the older connections end", NOTICED_WITHIN + LOAD, || host.log_count(said) == BRIDGES.len());
    let noticed = began.elapsed();
    host.wait_settled();
    await_allowed(host, "172.18.0.77", true);
    allow(&lab, &[]);
    await_allowed(host, "172.18.0.77", false);
    host.wait_settled();
    let repaired = began.elapsed();
    assert_eq!(host.log_count("bridge disconnected"), BRIDGES.len(), "the newer ones stay");
    println!("the newer connection won after {noticed:?}");
    let losses = traffic.stop();
    report("the switch has connected anew, and its older connections live on without it", &losses, repaired);
    losses.assert_none();
    assert_eq!(all_flows(host), flows);
}

#[test]
fn on_a_line_with_half_a_second_each_way_thousands_of_flows_take_seconds_and_no_echo_is_missed() {
    let (lab, line) = every_network("net-slow").start_on_line();
    let host = lab.host("a");
    let before = all_flows(host);
    let traffic = lab.traffic();
    let ports = scaled(2_500, 17_000);
    host.stop_heddle();
    line.pass(Passage::Late(Duration::from_millis(500)));
    lab.add_remote_ports(ports);
    let began = Instant::now();
    line.start_heddle(host);
    await_settled_within(host, 4 * SOON);
    let repaired = began.elapsed();
    let applied = host.dump_flows("br-tun").len();
    // For longer than silence may last.
    let watched = Instant::now();
    while watched.elapsed() < scaled(NOTICED_WITHIN, Duration::from_secs(30)) {
        allow(&lab, &["172.18.0.77"]);
        await_allowed(host, "172.18.0.77", true);
        allow(&lab, &[]);
        await_allowed(host, "172.18.0.77", false);
    }
    assert_eq!(host.log_count("bridge disconnected"), 0);
    let losses = traffic.stop();
    let fault = format!("500 ms each way; a start with {applied} flows of br-tun to be added");
    report(&fault, &losses, repaired);
    losses.assert_none();
    lab.remove_remote_ports();
    eventually("what came has gone", 4 * SOON, || all_flows(host) == before);
}

#[test]
fn with_five_packets_of_a_hundred_lost_every_change_arrives_and_with_all_lost_it_is_noticed() {
    let lab = every_network("net-loss").start_settled();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    host.lose_packets(5);
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    while began.elapsed() < scaled(Duration::from_secs(5), Duration::from_secs(60)) || host.packets_lost() < 20 {
        let changed = Instant::now();
        allow(&lab, &["172.18.0.77"]);
        await_allowed(host, "172.18.0.77", true);
        allow(&lab, &[]);
        await_allowed(host, "172.18.0.77", false);
        longest = longest.max(changed.elapsed() / 2);
    }
    let lost = host.packets_lost();
    host.lose_packets(100);
    let noticed = await_noticed(host, "nothing heard for");
    allow(&lab, &["172.18.0.77"]);
    host.lose_no_packets();
    let mended = Instant::now();
    host.wait_settled();
    await_allowed(host, "172.18.0.77", true);
    let repaired = mended.elapsed();
    allow(&lab, &[]);
    await_allowed(host, "172.18.0.77", false);
    println!(
        "{lost} packets lost; a change took {longest:?} at the most; that all are lost was noticed after {noticed:?}"
    );
    let losses = traffic.stop();
    report("5 % of the packets between Heddle and the bridges are lost, then all", &losses, repaired);
    losses.assert_none();
    host.wait_settled();
    assert_eq!(all_flows(host), flows);
}

#[test]
fn bytes_that_come_one_by_one_make_the_same_messages_for_little_processor_time() {
    let (lab, line) = every_network("net-bytes").start_on_line();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    host.stop_heddle();
    line.pass(Passage::Trickling);
    let bytes = || line.bytes(Way::ToHeddle) + line.bytes(Way::ToSwitch);
    let before = bytes();
    lab.add_remote_ports(scaled(1_000, 5_000));
    let began = Instant::now();
    line.start_heddle(host);
    await_settled_within(host, 8 * SOON);
    let repaired = began.elapsed();
    allow(&lab, &["172.18.0.77"]);
    await_allowed(host, "172.18.0.77", true);
    let (bytes, cpu) = (bytes() - before, host.heddle_cpu());
    println!("{bytes} bytes, {cpu} s of processor time");
    assert!(cpu < 2.0 + bytes as f64 * 50e-6, "{cpu} s of processor time for {bytes} bytes");
    assert_eq!(host.log_count("bridge disconnected"), 0);
    line.mend();
    allow(&lab, &[]);
    lab.remove_remote_ports();
    eventually("what came has gone", 4 * SOON, || all_flows(host) == flows);
    let losses = traffic.stop();
    report(&format!("one byte at a time, both ways, {bytes} bytes"), &losses, repaired);
    losses.assert_none();
}

/// Waits until so many connections of bridges have ended since there were `before`.
fn await_ended(host: &Host, before: usize, count: usize) {
    eventually(&format!("{count} connections end"), NOTICED_WITHIN + LOAD, || {
        host.log_count("bridge disconnected") >= before + count
    });
}

#[test]
fn a_bundle_that_ends_in_the_middle_of_a_message_is_noticed_and_changes_nothing_until_it_comes_whole() {
    let (lab, line) = every_network("net-bundle").start_on_line();
    let host = lab.host("a");
    let before = all_flows(host);
    let traffic = lab.traffic();
    let mut repaired = Duration::ZERO;
    for _ in 0..scaled(1, 3) {
        let ended = host.log_count("bridge disconnected");
        line.pass_one_way(Way::ToSwitch, Passage::Until(Sort::BundleAdd));
        let began = Instant::now();
        allow(&lab, &["172.18.0.77"]);
        lab.add_remote_ports(300);
        await_ended(host, ended, 2);
        let noticed = began.elapsed();
        assert_eq!(all_flows(host), before, "half a bundle is none");
        line.mend();
        let mended = Instant::now();
        await_allowed(host, "172.18.0.77", true);
        await_settled_within(host, SOON);
        repaired = repaired.max(mended.elapsed());
        println!("noticed after {noticed:?}");
        allow(&lab, &[]);
        lab.remove_remote_ports();
        eventually("what came has gone", SOON, || all_flows(host) == before);
    }
    let losses = traffic.stop();
    report("bundles to two bridges end in the middle of a message", &losses, repaired);
    losses.assert_none();
}

#[test]
fn a_dump_that_ends_in_the_middle_of_a_message_is_noticed_and_nothing_is_sent_before_it_comes_whole() {
    let (lab, line) = every_network("net-dump").start_on_line();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    host.stop_heddle();
    line.pass_one_way(Way::ToHeddle, Passage::Until(Sort::FlowDump));
    allow(&lab, &["172.18.0.77"]);
    let began = Instant::now();
    line.start_heddle(host);
    await_ended(host, 0, BRIDGES.len());
    let noticed = began.elapsed();
    assert_eq!(all_flows(host), flows, "half a dump says nothing");
    line.mend();
    let mended = Instant::now();
    await_allowed(host, "172.18.0.77", true);
    host.wait_settled();
    let repaired = mended.elapsed();
    println!("noticed after {noticed:?}");
    allow(&lab, &[]);
    eventually("what came has gone", SOON, || all_flows(host) == flows);
    let losses = traffic.stop();
    report("the dumps of all bridges end in the middle of a message", &losses, repaired);
    losses.assert_none();
}

/// What Heddle writes ahead for a switch that does not read: twice `ENOUGH` of src/switch/batch.rs.
const UNSENT: u64 = 2 * (64 << 10);
/// What an allocator may keep to itself. The flows as messages would take more than that in `make soak`.
const ALLOCATOR: u64 = 8 << 20;

/// How long a change of br-int takes; it is undone.
fn time_of_change(lab: &Lab) -> Duration {
    let began = Instant::now();
    allow(lab, &["172.18.0.77"]);
    await_allowed(lab.host("a"), "172.18.0.77", true);
    let took = began.elapsed();
    allow(lab, &[]);
    await_allowed(lab.host("a"), "172.18.0.77", false);
    took
}

#[test]
fn a_switch_that_stops_reading_or_reads_slowly_holds_up_nobody_and_takes_no_memory() {
    let (lab, line) = every_network("net-reader").start_on_line();
    let host = lab.host("a");
    let before = all_flows(host);
    let ports = scaled(2_500, 33_400);
    // Once without a fault: how long a change takes, and what the flows themselves take, also when all of them are missing
    // at an audit.
    lab.add_remote_ports(ports);
    eventually("remote ports have flows", 8 * SOON, || host.dump_flows("br-tun").len() > usize::from(ports));
    await_settled_within(host, 8 * SOON);
    let all = all_flows(host);
    let normally = time_of_change(&lab);
    line.cut();
    await_connected(host, false);
    host.ofctl(&["del-flows", "br-tun"]);
    line.mend();
    eventually("br-tun has all flows again", 8 * SOON, || host.flow_set("br-tun") == all[1]);
    await_settled_within(host, 8 * SOON);
    let normal = host.heddle_memory_peak();
    lab.remove_remote_ports();
    eventually("what came has gone", 8 * SOON, || all_flows(host) == before);

    let traffic = lab.traffic();
    let ended = host.log_count("bridge disconnected");
    line.pass_of((host, "br-tun"), Way::ToSwitch, Passage::Blocked);
    lab.add_remote_ports(ports);
    let began = Instant::now();
    await_ended(host, ended, 1);
    let noticed = began.elapsed();
    assert_eq!(line.lingering(), 0, "what was sent and has not arrived is forgotten");
    let meanwhile = time_of_change(&lab);
    assert_eq!(host.flow_set("br-tun"), before[1]);

    // Slower than silence may last: whoever reads is there.
    line.pass_of((host, "br-tun"), Way::ToSwitch, Passage::Slow(scaled(100_000, 1_000_000)));
    let ended = host.log_count("bridge disconnected");
    let slow = Instant::now();
    eventually("br-tun has all flows", 20 * SOON, || host.flow_set("br-tun") == all[1]);
    let repaired = slow.elapsed();
    // The connection that was blocked may have been one more.
    assert!(host.log_count("bridge disconnected") <= ended + 1, "a slow switch is no dead one");
    let peak = host.heddle_memory_peak();
    println!("noticed after {noticed:?}; a change of br-int took {meanwhile:?}, without the fault {normally:?}");
    println!("memory at the peak: {normal} bytes without the fault, {peak} with it");
    assert!(peak < normal + UNSENT + ALLOCATOR, "{} more bytes", peak - normal);
    lab.remove_remote_ports();
    line.mend();
    eventually("what came has gone", 8 * SOON, || all_flows(host) == before);
    let losses = traffic.stop();
    report(&format!("br-tun does not read {} flows, then reads slowly", all[1].len()), &losses, repaired);
    losses.assert_none();
}

/// What the log says of a bridge, above what debugging adds.
fn told_of(host: &Host, bridge: &str) -> usize {
    let log = host.heddle_log();
    let lines = log.lines().filter(|line| line.contains(" INFO ") || line.contains(" WARN "));
    lines.filter(|line| line.contains(&format!("bridge=\"{bridge}\""))).count()
}

#[test]
fn a_bridge_that_flaps_is_told_of_a_few_times_and_then_not_before_it_is_steady() {
    let (lab, line) = every_network("net-flaps").start_on_line();
    let host = lab.host("a");
    let flows = all_flows(host);
    let traffic = lab.traffic();
    let flap = |times: u32| {
        for _ in 0..times {
            await_connected(host, true);
            line.cut();
            await_connected(host, false);
            line.mend();
        }
        await_connected(host, true);
    };
    flap(6);
    host.wait_log("nothing more is said of that until it has been connected for 60 s");
    let told = told_of(host, "br-int");
    flap(scaled(3, 30));
    assert_eq!(told_of(host, "br-int"), told, "nothing more");
    let status = host.heddle_status();
    assert_eq!(bridge(&status, "br-int")["disconnections"], scaled(9, 36));
    if soak() {
        host.wait_log_within("bridge stays connected", Duration::from_secs(90));
    }
    host.wait_settled();
    let losses = traffic.stop();
    report(&format!("bridges flap; {told} lines of the log are about each"), &losses, Duration::ZERO);
    losses.assert_none();
    assert_eq!(all_flows(host), flows);
}
