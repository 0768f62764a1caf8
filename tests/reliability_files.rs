//! Disks that are full, and topology files that are not files, not there, or never the same for two milliseconds.

mod lab;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use lab::*;

const SOON: Duration = Duration::from_secs(10);

fn all_flows(host: &Host) -> Vec<BTreeSet<String>> {
    BRIDGES.map(|bridge| host.flow_set(bridge)).into()
}

#[test]
fn a_log_and_a_run_directory_on_a_full_disk_end_nothing() {
    let lab = every_network("full-log").start_settled();
    let host = lab.host("a");
    let traffic = lab.traffic();
    host.stop_heddle();
    let disk = host.small_disk(64);
    let log = host.dir().join("heddle.log");
    fs::rename(&log, host.dir().join("heddle.log.1")).unwrap();
    symlink(disk.path().join("heddle.log"), &log).unwrap();
    fs::remove_dir_all(host.run_dir()).and_then(|()| fs::create_dir(disk.path().join("run"))).unwrap();
    symlink(disk.path().join("run"), host.run_dir()).unwrap();
    disk.fill();
    host.start_heddle();
    host.wait_settled();
    for address in ["172.18.0.77", "172.18.0.78"] {
        lab.edit_topology(|topology| topology.port("l2").allowed_address_pairs = vec![(address.into(), None)]);
        host.wait_for_flow("br-int", "allows the new address", |flow| flow.contains(address));
    }
    host.kill_heddle();
    host.start_heddle();
    host.wait_settled();
    assert_eq!(host.heddle_log(), "", "nothing fitted in");
    disk.clear();
    let began = Instant::now();
    host.sighup_heddle();
    eventually("it logs again", SOON, || host.heddle_log().contains("topology read"));
    let losses = traffic.stop();
    report("Disk full: log and run directory", &losses, began.elapsed());
    losses.assert_none();
}

/// The database's disk is full: a transaction of Heddle's fails until there is room.
#[test]
fn a_transaction_that_fails_is_made_again_and_holds_up_no_flow() {
    let lab = every_network("full-db").network("loc2", Local, &["172.18.9.0/24"]).start_settled();
    let host = lab.host("a");
    let tag = host.tag("tap-l2");
    let traffic = lab.traffic_on(&["flat", "VLAN", "VXLAN"]);
    let disk = host.small_disk(2048);
    host.stop_ovsdb();
    let (database, small) = (host.dir().join("conf.db"), disk.path().join("conf.db"));
    fs::copy(&database, &small).and_then(|_| fs::remove_file(&database)).unwrap();
    symlink(&small, &database).unwrap();
    host.start_ovsdb();
    host.wait_settled();
    disk.fill();
    // The last page of the database itself has room for a few transactions more.
    let write = |n: u32| host.try_vsctl(&["--no-wait", "set", "Bridge", "br-under", &format!("external_ids:n={n}")]);
    assert!((0..100).any(|n| !write(n).ok()), "a transaction fails");
    let cpu = host.heddle_cpu();
    // Another network, another tag: that has to be written.
    lab.edit_topology(|topology| {
        let port = topology.port("l2");
        (port.network, port.fixed_ips) = ("loc2".into(), Vec::new());
    });
    host.wait_log("a change of the database failed, trying again");
    let tried = || host.log_count("a change of the database failed again");
    eventually("it is tried again", SOON, || tried() > 0);
    let (count, watched) = (tried(), Duration::from_secs(3));
    std::thread::sleep(watched);
    assert!(tried() - count <= 4, "tried {} times in {watched:?}", tried() - count);
    assert_eq!(host.log_count("a change of the database failed, trying again"), 1, "said once is enough");
    let problems = host.heddle_status()["problems"].to_string();
    assert!(problems.contains("a change of the database failed: "), "{problems}");
    println!("{:.2} s of processor time in {watched:?}", host.heddle_cpu() - cpu);
    assert_eq!(host.tag("tap-l2"), tag);
    let allowed = "172.18.0.77";
    lab.edit_topology(|topology| topology.port("l1").allowed_address_pairs = vec![(allowed.into(), None)]);
    host.wait_for_flow("br-int", "needs no database", |flow| flow.contains(allowed));
    disk.clear();
    let began = Instant::now();
    eventually("the tag is the other network's", SOON, || {
        ![tag.as_str(), "4095", "[]"].contains(&&*host.tag("tap-l2"))
    });
    host.wait_settled();
    let losses = traffic.stop();
    report("Disk full: the database's, every transaction fails", &losses, began.elapsed());
    losses.assert_none();
    // Its server must not outlive the disk.
    host.stop_ovsdb();
    host.stop_vswitchd();
}

#[test]
fn a_topology_file_that_is_a_directory_or_gone_changes_nothing_and_is_reported() {
    let lab = every_network("no-file").start_settled();
    let host = lab.host("a");
    let (flows, sent, traffic) = (all_flows(host), host.record_openflow(), lab.traffic());
    let (file, away) = (host.dir().join("topology.toml"), host.dir().join("away"));
    let mut longest = Duration::ZERO;
    let is_reported = |status: &serde_json::Value| status["topology_problem"].is_string();
    for directory in [true, false, true] {
        fs::rename(&file, &away).unwrap();
        if directory {
            fs::create_dir(&file).unwrap();
        }
        host.wait_status("that the file cannot be read", is_reported);
        assert_eq!(host.heddle(&["status", "-c", &host.config_path()]).code, 1);
        host.sighup_heddle();
        host.wait_settled();
        if directory {
            fs::remove_dir(&file).unwrap();
        }
        fs::rename(&away, &file).unwrap();
        let began = Instant::now();
        host.wait_status("that the file is good", |status| status["topology_problem"].is_null());
        longest = longest.max(began.elapsed());
    }
    let losses = traffic.stop();
    report("Topology file: replaced by a directory, deleted", &losses, longest);
    losses.assert_none();
    assert_eq!(sent.sent_by_controller("FLOW_MOD"), Vec::<String>::new());
    assert_eq!(all_flows(host), flows);
}

#[test]
fn a_topology_file_that_changes_a_thousand_times_a_second_is_followed_to_the_last() {
    let lab = every_network("thousand").start_settled();
    let host = lab.host("a");
    let flows = all_flows(host);
    let good = fs::read_to_string(host.dir().join("topology.toml")).unwrap();
    let traffic = lab.traffic_on(&["flat", "VLAN", "VXLAN"]);
    let (began, cpu) = (Instant::now(), host.heddle_cpu());
    let lasts = scaled(Duration::from_secs(3), Duration::from_secs(60));
    let mut written = 0_u32;
    while began.elapsed() < lasts {
        // Written in place, so that it is often read while it is half there; or replaced at once.
        let text = good.replace("172.18.0.4", &format!("172.18.0.{}", 100 + written % 100));
        if written.is_multiple_of(2) {
            fs::write(host.dir().join("topology.toml"), &text).unwrap();
        } else {
            host.write_topology(&text);
        }
        written += 1;
        std::thread::sleep((began + Duration::from_millis(1) * written).saturating_duration_since(Instant::now()));
    }
    let (took, used) = (began.elapsed().as_secs_f64(), host.heddle_cpu() - cpu);
    println!("written {written} times in {took:.1} s; {used:.2} s of processor time");
    host.write_topology(&good);
    let last = Instant::now();
    eventually("the flows are those of the last file", SOON, || all_flows(host) == flows);
    host.wait_status("that the file is good", |status| status["topology_problem"].is_null());
    let repaired = last.elapsed();
    let losses = traffic.stop();
    report("Topology file: changed 1,000 times a second; pings of ports it does not concern", &losses, repaired);
    assert!(used < took / 2.0, "{used} s of processor time in {took} s");
    losses.assert_none();
    host.wait_settled();
}
