//! `heddle why` and its kin (`heddle check`, `ofctl-dump --explain`, `ofctl-dump trace`): which rule of which security
//! group lets a packet through, or which missing one stops it.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const TOPOLOGY: &str = include_str!("why/topology.toml");

/// A folder with both files of a host.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        fs::write(files.0.path().join("topology.toml"), TOPOLOGY).unwrap();
        fs::write(files.0.path().join("heddle.toml"), "node = \"compute1\"\ntopology = \"topology.toml\"\n").unwrap();
        files
    }

    fn run(&self, program: &str, words: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.0.path()).env("HEDDLE_RUNDIR", self.0.path());
        command.output().unwrap()
    }

    /// Exit code, standard output and standard error of `heddle why`.
    fn why(&self, question: &str) -> (Option<i32>, String, String) {
        let words: Vec<&str> = ["why", "-c", "heddle.toml"].into_iter().chain(question.split(' ')).collect();
        let output = self.run(env!("CARGO_BIN_EXE_heddle"), &words);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn answer(&self, question: &str, code: i32) -> String {
        let (found, text, errors) = self.why(question);
        assert_eq!((found, errors.as_str()), (Some(code), ""), "{question}\n{text}");
        text
    }

    fn refused(&self, question: &str) -> String {
        let (code, text, errors) = self.why(question);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{question}\n{errors}");
        errors
    }

    /// The flows of `br-int` that this host would have, in a file.
    fn flows(&self) -> &'static str {
        const FILE: &str = "br-int.flows";
        let words = ["flows", "-c", "heddle.toml", "--bridge", "br-int"];
        let output = self.run(env!("CARGO_BIN_EXE_heddle"), &words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::write(self.0.path().join(FILE), output.stdout).unwrap();
        FILE
    }

    fn ofctl_dump(&self, words: &[&str]) -> String {
        let words = [words, &["--topology", "topology.toml"]].concat();
        let output = self.run(env!("CARGO_BIN_EXE_ofctl-dump"), &words);
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The line of the file on which the rule of a group begins that has this in it.
fn line_of(rule: &str) -> usize {
    let at = TOPOLOGY.find(rule).unwrap_or_else(|| panic!("no {rule} in the topology"));
    let header = TOPOLOGY[..at].rfind("[[security_groups").unwrap();
    TOPOLOGY[..header].lines().count() + 1
}

#[test]
fn the_rules_that_let_a_packet_through_are_named_with_their_lines() {
    let text = Files::new().answer("client1 web1 tcp/80 -4", 0);
    let line = line_of("port_range = \"80\"");
    let expected = format!(
        "IPv4 tcp to port 80, from client1 (172.18.0.4) to web1 (172.18.0.3): allowed
  out of client1: security group client, rule 1 (topology.toml:34): IPv4 of every protocol, to anywhere
    and so does: security group client, rule 2 (topology.toml:34): IPv4 tcp, to anywhere
  into web1: security group web, rule 2 (topology.toml:{line}): IPv4 tcp to port 80, from security group client (1 port)
  answers: pass, they belong to a connection that was allowed
"
    );
    assert_eq!(text, expected);
}

#[test]
fn what_is_missing_is_said_with_the_rule_that_comes_nearest() {
    let files = Files::new();
    let text = files.answer("client1 web1 tcp/8011 -4", 1);
    assert!(
        text.starts_with("IPv4 tcp to port 8011, from client1 (172.18.0.4) to web1 (172.18.0.3): denied\n"),
        "{text}"
    );
    let missing = format!(
        "  into web1: DENIED, no ingress rule of security group web allows tcp to port 8011 from 172.18.0.4
    the nearest is security group web, rule 1 (topology.toml:{}): IPv4 tcp to ports 8000-8010, from anywhere; but not for port 8011
",
        line_of("port_range = \"8000-8010\"")
    );
    assert!(text.ends_with(&missing), "{text}");
    let text = files.answer("bare web1 tcp/80 -4", 1);
    assert!(text.contains("but 172.18.0.6 is no address of security group client"), "{text}");
    assert!(
        text.contains("out of bare: it has no security_groups, and there is no group default: everything gets out"),
        "{text}"
    );
    let text = files.answer("web1 203.0.113.5 tcp/443", 1);
    assert!(text.contains("out of web1: DENIED, it is in security group web, with no egress rule at all"), "{text}");
}

#[test]
fn every_family_that_both_have_is_answered_for_and_each_must_pass() {
    let files = Files::new();
    let text = files.answer("client1 web1 tcp/80", 1);
    let verdicts: Vec<&str> = text.lines().filter(|line| line.starts_with("IPv")).collect();
    assert!(verdicts[0].starts_with("IPv4") && verdicts[0].ends_with(": allowed"), "{text}");
    assert!(verdicts[1].starts_with("IPv6") && verdicts[1].ends_with(": denied"), "{text}");
    assert!(text.contains("but not for IPv6"), "{text}");
    files.answer("client1 web1 tcp/80 --ipv4", 0);
    files.answer("client1 web1 tcp/80 --ipv6", 1);
}

#[test]
fn without_connection_tracking_answers_need_a_rule_too() {
    let files = Files::new();
    let text = files.answer("plain1 bare tcp/80", 1);
    assert!(text.contains("into bare: DENIED"), "{text}");
    let text = files.answer("plain1 203.0.113.5 tcp/80", 0);
    assert!(text.contains("  answers: into plain1: security group plain, rule 2"), "{text}");
    let text = files.answer("plain1 203.0.113.5 tcp/80 --source-port 1024", 1);
    assert!(text.contains(": allowed, but its answers are denied\n"), "{text}");
    let denied = "answers: into plain1: DENIED, no ingress rule of security group plain allows tcp to port 1024 from 203.0.113.5";
    assert!(text.contains(denied), "{text}");
}

#[test]
fn the_world_outside_has_addresses_only() {
    let files = Files::new();
    let text = files.answer("203.0.113.5 web1 icmp", 0);
    assert!(text.contains("into web1: security group web, rule 3"), "{text}");
    assert!(text.contains("note: 203.0.113.5 is outside network blue: it takes a router to get there"), "{text}");
    files.answer("203.0.114.5 web1 icmp", 1);
    // An address of a port is that port.
    let text = files.answer("172.18.0.4 web1 tcp/80", 0);
    assert!(text.contains("from client1 (172.18.0.4)"), "{text}");
    let text = files.answer("172.18.0.77 web1 tcp/8000", 0);
    assert!(text.contains("note: no port of network blue has the address 172.18.0.77"), "{text}");
}

#[test]
fn what_no_rule_decides_is_said_too() {
    let files = Files::new();
    for (question, code, expected) in [
        ("client1 web1 tcp/8000 --from-address 172.18.0.99", 1, "172.18.0.99 is not among the fixed_ips"),
        (
            "203.0.113.5 web1 icmp/3/1",
            1,
            "no connection begins with icmp of type 3 (destination unreachable) and code 1",
        ),
        ("web1 172.18.0.1 udp/67 --source-port 68", 0, "out of web1: it needs no rule"),
        ("web1 172.18.0.6 udp/68 --source-port 67", 1, "a port is no DHCP server and no router"),
        ("client1 224.0.0.5 ospf", 0, "broadcast and multicast reach the ports of the network past their rules"),
        ("open web1 tcp/8000 --from-address 10.9.9.9", 1, "no way: open is in network red, web1 in network blue"),
        ("open 192.0.2.7 tcp/1 --from-address 10.9.9.9", 0, "out of open: its port security is off"),
        ("plain1 web1 tcp/80", 1, "note: plain1 is in subnet other, web1 in subnet v4"),
    ] {
        let text = files.answer(question, code);
        assert!(text.contains(expected), "{question}\n{text}");
    }
}

#[test]
fn a_question_that_makes_no_sense_is_refused_with_what_was_expected() {
    let files = Files::new();
    for (question, expected) in [
        (
            "webb1 web1 tcp/80",
            "heddle: \"webb1\" is neither a port of the topology nor an address; did you mean web1?\n",
        ),
        ("client1 web1 tcp", "heddle: SERVICE, \"tcp\": expected one port behind the protocol, as in tcp/80\n"),
        ("1.2.3.4 5.6.7.8 tcp/1", "heddle: neither 1.2.3.4 nor 5.6.7.8 is a port"),
        ("web1 web1 tcp/80", "heddle: web1 is on both sides"),
        ("web1 bare tcp/22 -6", "web1 has IPv4 and IPv6, bare has IPv4"),
        ("224.0.0.1 web1 tcp/1", "heddle: 224.0.0.1 is an address of many"),
        (
            "1.2.3.4 web1 tcp/1 --from-address 1.2.3.5",
            "heddle: --from-address is for a port, and 1.2.3.4 is an address",
        ),
        ("client1 web1 tcp/80 --topology nothing.toml", "heddle: nothing.toml: "),
    ] {
        let refused = files.refused(question);
        assert!(refused.contains(expected), "{question}\n{refused}");
    }
}

#[test]
fn json_has_the_verdict_the_rules_and_what_they_miss() {
    let files = Files::new();
    let object: Value = serde_json::from_str(&files.answer("client1 web1 tcp/80 --json", 1)).unwrap();
    assert_eq!(
        (&object["from"], &object["to"], &object["allowed"]),
        (&"client1".into(), &"web1".into(), &false.into())
    );
    assert!(object["host"].is_null());
    let [ipv4, ipv6] = &object["packets"].as_array().unwrap()[..] else { panic!("{object}") };
    let ingress = &ipv4["request"]["ingress"];
    assert_eq!((&ingress["allowed"], &ingress["reason"]), (&true.into(), &"rule".into()));
    let (rule, line) = (&ingress["rules"][0], line_of("port_range = \"80\""));
    assert_eq!((&rule["group"], &rule["rule"], &rule["line"]), (&"web".into(), &2.into(), &line.into()));
    assert_eq!(ipv4["answer"]["ingress"]["reason"], "answer");
    let ingress = &ipv6["request"]["ingress"];
    assert_eq!((&ingress["reason"], &ingress["nearest"]["misses"]), (&"no_rule".into(), &"not for IPv6".into()));
    assert!(ipv6["answer"].is_null());
}

#[test]
fn check_tells_each_rule_with_its_number_and_of_ports_that_are_in_no_group() {
    let files = Files::new();
    let checked = files.run(env!("CARGO_BIN_EXE_heddle"), &["check", "-c", "heddle.toml"]);
    let text = String::from_utf8(checked.stdout).unwrap();
    for expected in [
        "security group plain, 1 port, stateless: answers need a rule too:\n",
        "security group client, 1 port, what its ports are refused is logged:\n",
        "  in, rule 2: IPv4 tcp to port 80, from security group client (1 port)\n",
        "  in, rule 3: IPv4 icmp, from address group office (1 block of IPv4)\n",
        "  out: nothing but answers\n",
        "address group office, 2 blocks: 203.0.113.0/24, 2001:db8:ffff::/48\n",
        "1 port without security_groups: everything gets out, only answers get in\n",
        "1 port with port_security = false: everything gets out and in\n",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
}

#[test]
fn explained_flows_name_the_group_the_rule_and_the_port() {
    let files = Files::new();
    let page = files.ofctl_dump(&["--input", files.flows(), "--explain"]);
    let reason = |flow: &str| {
        let (_, rest) = page.split_once(flow).unwrap_or_else(|| panic!("{flow} in\n{page}"));
        rest.lines().nth(1).unwrap().trim_start_matches([' ', '#']).to_owned()
    };
    assert_eq!(
        reason("ct_tp_dst=0x1f48/0xfffe,ip,reg5="),
        "for port web1, security group web, rule 1: IPv4 tcp to ports 8000-8010, from anywhere"
    );
    assert_eq!(
        reason("73,ct_state=-inv+trk,ct_nw_proto=1,ip,reg5="),
        "for port web1, half of security group web, rule 3: IPv4 icmp, from address group office (1 block of IPv4)"
    );
    assert_eq!(
        reason("ct_nw_src=172.18.0.4,ip,reg6="),
        "an address of security group client: half of security group web, rule 2"
    );
    assert!(page.contains("# refuses what no egress rule of port bare allows (security group default)\n"), "{page}");
}

#[test]
fn a_file_that_does_not_validate_still_names_groups_of_flows() {
    let files = Files::new();
    let flows = files.flows();
    fs::write(files.0.path().join("topology.toml"), TOPOLOGY.replace("203.0.113.0/24", "203.0.113.0/33")).unwrap();
    let page = files.ofctl_dump(&["--input", flows, "--explain"]);
    assert!(page.contains("     # a rule of security group web\n"), "{page}");
}

#[test]
fn a_flow_of_a_rule_that_is_gone_is_said_to_be_one() {
    let files = Files::new();
    let flows = files.flows();
    fs::write(files.0.path().join("topology.toml"), TOPOLOGY.replace("8000-8010", "9000")).unwrap();
    let page = files.ofctl_dump(&["--input", flows, "--explain"]);
    assert!(page.contains("     # a rule for port web1 that the topology file does not have\n"), "{page}");
}

/// A packet from the port of bare, on its way to web1.
const FROM_BARE: &str =
    "in_port=bare,tcp,dl_src=fa:16:3e:00:00:04,dl_dst=fa:16:3e:00:00:01,nw_src=172.18.0.6,nw_dst=172.18.0.3,tp_dst=";
/// The same from client1, as it comes out of the tunnel.
const FROM_CLIENT: &str = "in_port=patch-tun,dl_vlan=1,tcp,dl_src=fa:16:3e:00:00:02,dl_dst=fa:16:3e:00:00:01,\
                           nw_src=172.18.0.4,nw_dst=172.18.0.3,tp_dst=";

#[test]
fn a_trace_names_the_rule_that_lets_a_packet_through() {
    let files = Files::new();
    let flows = files.flows();
    let text = files.ofctl_dump(&["trace", flows, &format!("{FROM_BARE}8001")]);
    for expected in [
        "# let out by security group default, rule 1: IPv4 of every protocol, to anywhere\n",
        "# let in by security group web, rule 1: IPv4 tcp to ports 8000-8010, from anywhere\n",
        "output from br-int to port web1\n",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    // Of a conjunction, the rule is that whose halves held.
    let text = files.ofctl_dump(&["trace", flows, &format!("{FROM_CLIENT}80")]);
    let rule = "# let in by security group web, rule 2: IPv4 tcp to port 80, from security group client (1 port)\n";
    assert!(text.contains(rule), "{text}");
    let json = files.ofctl_dump(&["trace", flows, &format!("{FROM_CLIENT}80"), "--json"]);
    let object: Value = serde_json::from_str(&json).unwrap();
    let steps = object["legs"].as_array().unwrap().iter().flat_map(|leg| leg["steps"].as_array().unwrap());
    let rules: Vec<&Value> = steps.filter_map(|step| step["hit"]["rules"].as_array()?.first()).collect();
    assert_eq!(rules, [&serde_json::json!({ "group": "web", "rule": 2 })]);
}

#[test]
fn a_trace_says_which_rule_is_missing_where_a_packet_is_dropped() {
    let files = Files::new();
    let text = files.ofctl_dump(&["trace", files.flows(), &format!("{FROM_BARE}80")]);
    for expected in [
        "# no ingress rule of port web1 (security group web) allows tcp to port 80 from 172.18.0.6\n",
        "# the nearest is security group web, rule 2: IPv4 tcp to port 80, from security group client (1 port): \
         172.18.0.6 is no address of security group client\n",
        "Outcome: dropped\n",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
}
