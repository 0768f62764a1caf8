//! `heddle.toml` changes while the daemon runs.

mod lab;

use std::fs;
use std::time::Duration;

use lab::*;

fn edit(host: &Host, from: &str, to: &str) {
    let path = host.config_path();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    let new = format!("{path}.new");
    fs::write(&new, text.replace(from, to)).unwrap();
    fs::rename(new, path).unwrap();
}

fn config_problem(host: &Host) -> Option<String> {
    let answer = host.heddle(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
    status["config_problem"].as_str().map(str::to_owned)
}

#[test]
fn another_configuration_takes_effect_without_a_packet_lost_and_a_bad_one_changes_nothing() {
    let lab = Lab::new("configuration")
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .vm("a", "web1", "blue")
        .vm("b", "web2", "blue")
        .config_all("[tunnel]\nl2_population = true")
        .start();
    lab.wait_ready();
    lab.vm("web1").assert_ping("web2");
    let host = lab.host("a");
    let pings = lab.vm("web1").ping_stream("web2", Duration::from_millis(20));

    edit(host, "l2_population = true", "l2_population = 7");
    eventually("the refusal in the status", Duration::from_secs(5), || config_problem(host).is_some());
    let problem = config_problem(host).unwrap();
    assert!(problem.contains("heddle.toml:") && problem.contains("l2_population"), "{problem}");
    assert!(host.dump_flows("br-tun").iter().any(|flow| flow.table == 20 && flow.priority == 2));

    edit(host, "l2_population = 7", "l2_population = false");
    eventually("the populated flows to go", Duration::from_secs(10), || {
        host.dump_flows("br-tun").iter().all(|flow| flow.table != 21 && (flow.table, flow.priority) != (20, 2))
    });
    assert_eq!(config_problem(host), None);
    let pings = pings.stop();
    assert!(pings.all(), "{pings:?}");
    lab.vm("web1").assert_ping("web2");
    lab.wait_ready();
}

#[test]
fn a_configuration_that_cannot_work_leaves_the_last_good_one_in_force() {
    let lab = Lab::new("configuration-listen")
        .network("blue", Local, &["172.18.0.0/24"])
        .host("a")
        .vm("a", "web1", "blue")
        .vm("a", "web2", "blue")
        .config_all("[openflow]\nlisten = [\"127.0.0.1:6633\"]\ninsecure = true")
        .start();
    lab.wait_ready();
    let host = lab.host("a");
    edit(host, "127.0.0.1:6633", "203.0.113.9:6633");
    eventually("the refusal in the status", Duration::from_secs(10), || config_problem(host).is_some());
    assert!(config_problem(host).unwrap().contains("203.0.113.9:6633"));
    assert!(host.heddle_runs());
    eventually("the bridges to be back", Duration::from_secs(15), || {
        let status = host.heddle_status();
        status["bridges"].as_array().unwrap().iter().filter(|bridge| bridge["connected_from"].is_string()).count() >= 2
    });
    lab.vm("web1").assert_ping("web2");
}
