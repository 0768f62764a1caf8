//! Each refusal with its line, column and words; who is in a group; numbers of uses.

use std::fmt::Write;

use super::*;
use crate::topology::Topology;

const GOOD: &str = r#"[nodes.n1]
[networks.blue]
type = "local"
[networks.blue.subnets.v4]
cidr = "10.0.0.0/24"
[security_groups.web]
[[security_groups.web.rules]]
direction = "ingress"
protocol = "tcp"
port_range = "8000-8010"
remote_group = "web"
[[security_groups.web.rules]]
direction = "egress"
ethertype = "IPv6"
protocol = "icmp"
icmp_type = 128
icmp_code = 0
remote_ip_prefix = "2001:db8::/32"
[address_groups.office]
addresses = ["203.0.113.0/24", "2001:db8::1"]
[security_groups.open]
stateful = false
log = "all"
rules = [{ direction = "egress" }, { direction = "ingress", protocol = 50, remote_address_group = "office" }]
[ports.a]
network = "blue"
node = "n1"
mac_address = "fa:16:3e:00:00:01"
fixed_ips = ["10.0.0.2"]
allowed_address_pairs = [{ ip_address = "10.1.0.0/28" }, { ip_address = "::/0" }]
security_groups = ["web"]
[ports.b]
network = "blue"
node = "n1"
mac_address = "fa:16:3e:00:00:02"
fixed_ips = ["10.0.0.3"]
"#;

fn topology(text: &str) -> Topology {
    Topology::parse(text, "t").unwrap_or_else(|refused| panic!("{refused}"))
}

/// Replaces the first `old` and expects these lines.
fn expect(cases: &[(&str, &str, &str)]) {
    for (old, new, expected) in cases {
        assert!(GOOD.contains(old), "{old}");
        let text = GOOD.replacen(old, new, 1);
        let found = Topology::parse(&text, "t").map(|_| "accepted".to_owned());
        assert_eq!(found.unwrap_or_else(|refused| refused.to_string()), *expected, "\nafter {old:?} became {new:?}");
    }
}

fn names(groups: impl Iterator<Item = impl AsRef<SecurityGroup>>) -> String {
    groups.map(|group| group.as_ref().name.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn groups_become_their_values() {
    let topology = topology(GOOD);
    assert!(topology.firewall());
    let web = topology.security_group("web").unwrap();
    assert!(web.stateful && web.log.is_none());
    let ports = Service::Ports { protocol: 6, first: 8000, last: 8010 };
    let rule = |direction, ethertype, service, remote| Rule { direction, ethertype, service, remote };
    let icmp = Service::Icmp { icmp_type: 128, icmp_code: Some(0) };
    let prefix = Remote::Prefix("2001:db8::/32".parse().unwrap());
    assert_eq!(
        web.rules,
        [
            rule(Direction::Ingress, Ethertype::Ipv4, ports, Remote::Group("web".into())),
            rule(Direction::Egress, Ethertype::Ipv6, icmp, prefix),
        ]
    );
    let open = topology.security_group("open").unwrap();
    assert!(!open.stateful);
    assert_eq!(open.log, Some(Log::All));
    let office = Remote::AddressGroup("office".into());
    assert_eq!(open.rules[1], rule(Direction::Ingress, Ethertype::Ipv4, Service::Protocol(50), office));
    let blocks: Vec<String> =
        topology.address_group("office").unwrap().addresses.iter().map(ToString::to_string).collect();
    assert_eq!(blocks, ["203.0.113.0/24", "2001:db8::1/128"]);
}

#[test]
fn a_protocol_goes_by_name_or_number() {
    for (written, ethertype, service) in [
        ("\"any\"", "IPv4", Service::Any),
        ("0", "IPv6", Service::Any),
        ("\"TCP\"", "IPv4", Service::Protocol(6)),
        ("\"6\"", "IPv4", Service::Protocol(6)),
        ("132", "IPv6", Service::Protocol(132)),
        ("\"icmp\"", "IPv6", Service::Protocol(58)),
        ("1", "IPv6", Service::Protocol(58)),
        ("\"ipv6-icmp\"", "IPv6", Service::Protocol(58)),
        ("255", "IPv4", Service::Protocol(255)),
        ("\"udp\"\nport_range = \"1-65535\"", "IPv4", Service::Protocol(17)),
        ("\"udp\"\nport_range = 53", "IPv4", Service::Ports { protocol: 17, first: 53, last: 53 }),
    ] {
        let rule = format!("direction = \"ingress\"\nethertype = \"{ethertype}\"\nprotocol = {written}\n");
        let topology = topology(&format!("[nodes.n]\n[security_groups.g]\n[[security_groups.g.rules]]\n{rule}"));
        assert_eq!(topology.security_group("g").unwrap().rules[0].service, service, "{written}");
    }
}

#[test]
fn rules_that_mean_nothing_are_refused_where_they_stand() {
    const AT: &str = "security_groups.web.rules";
    const RANGE: &str = "expected a port or a range of ports from 1 to 65535 such as \"22\" or \"8000-8010\"";
    let ports = |found: &str| format!("t:10:14: {AT}[0].port_range: found {found:?}, {RANGE}");
    expect(&[
        ("ingress", "in", &format!("t:8:13: {AT}[0].direction: found \"in\", expected \"ingress\" or \"egress\"")),
        (
            "direction = \"ingress\"\n",
            "",
            &format!("t:7:1: {AT}[0]: found no direction, expected \"ingress\" or \"egress\""),
        ),
        ("\"IPv6\"", "\"IPX\"", &format!("t:14:13: {AT}[1].ethertype: found \"IPX\", expected \"IPv4\" or \"IPv6\"")),
        (
            "\"tcp\"",
            "\"tpc\"",
            &format!(
                "t:9:12: {AT}[0].protocol: found \"tpc\", expected a protocol: \"any\", a name such as \"tcp\" or \
                 \"icmp\", or a number from 0 to 255"
            ),
        ),
        ("\"tcp\"", "256", &format!("t:9:12: {AT}[0].protocol: found 256, expected a protocol number from 0 to 255")),
        (
            "\"tcp\"",
            "\"icmpv6\"",
            &format!(
                "t:9:12: {AT}[0].protocol: found icmpv6, which is a protocol of IPv6, in a rule for IPv4; expected \
                 ethertype = \"IPv6\""
            ),
        ),
        (
            "8000-8010",
            "8010-8000",
            &format!("t:10:14: {AT}[0].port_range: found 8010-8000, expected the lower port first: 8000-8010"),
        ),
        ("8000-8010", "", &ports("")),
        ("8000-8010", "0-22", &ports("0-22")),
        ("8000-8010", "22-", &ports("22-")),
        ("8000-8010", "+22", &ports("+22")),
        ("8000-8010", "22-65536", &ports("22-65536")),
        (
            "\"tcp\"",
            "\"gre\"",
            &format!(
                "t:10:14: {AT}[0].port_range: found ports for protocol gre, expected none: only tcp, udp and sctp have \
                 ports to look at"
            ),
        ),
        (
            "protocol = \"tcp\"\n",
            "",
            &format!(
                "t:9:14: {AT}[0].port_range: found ports without a protocol, expected protocol = \"tcp\", \"udp\" or \
                 \"sctp\" with them"
            ),
        ),
        (
            "protocol = \"icmp\"",
            "protocol = \"tcp\"",
            &format!("t:16:13: {AT}[1].icmp_type: found it for protocol tcp, expected protocol = \"icmp\" with it"),
        ),
        (
            "icmp_type = 128\n",
            "",
            &format!("t:12:1: {AT}[1]: found no icmp_type, expected one, as there is an icmp_code"),
        ),
        (
            "icmp_type = 128",
            "icmp_type = 300",
            &format!("t:16:13: {AT}[1].icmp_type: found 300, expected an ICMP type or code from 0 to 255"),
        ),
        (
            "ethertype = \"IPv6\"\n",
            "",
            &format!(
                "t:17:20: {AT}[1].remote_ip_prefix: found 2001:db8::/32 in a rule for IPv4, expected addresses of that \
                 family"
            ),
        ),
        (
            "2001:db8::/32",
            "2001:db8::1/32",
            &format!(
                "t:18:20: {AT}[1].remote_ip_prefix: found 2001:db8::1/32, which has host bits set, expected the network \
                 address: 2001:db8::/32"
            ),
        ),
        (
            "remote_group = \"web\"",
            "remote_group = \"web\"\nremote_address_group = \"office\"",
            &format!(
                "t:12:24: {AT}[0].remote_address_group: found another other side, expected one of remote_ip_prefix, \
                 remote_group and remote_address_group; {AT}[0].remote_group is at line 11"
            ),
        ),
        (
            "remote_group = \"web\"",
            "remote_group = \"wbe\"",
            &format!(
                "t:11:16: {AT}[0].remote_group: found \"wbe\", expected the name of a security group in this file"
            ),
        ),
        (
            "log = \"all\"",
            "log = \"some\"",
            "t:23:7: security_groups.open.log: found \"some\", expected \"drop\", \"accept\" or \"all\"",
        ),
        (
            "\"office\" }",
            "\"home\" }",
            "t:24:99: security_groups.open.rules[1].remote_address_group: found \"home\", expected the name of an \
             address group in this file",
        ),
    ]);
}

#[test]
fn groups_that_a_port_cannot_have_are_refused_where_they_stand() {
    expect(&[
        (
            "[\"web\"]",
            "[\"web\", \"wbe\"]",
            "t:31:27: ports.a.security_groups[1]: found \"wbe\", expected the name of a security group in this file",
        ),
        (
            "[\"web\"]",
            "[\"web\", \"web\"]",
            "t:31:27: ports.a.security_groups[1]: found \"web\" again, expected each group once; \
             ports.a.security_groups[0] is at line 31",
        ),
        (
            "[\"web\"]",
            "[\"web\", \"open\"]",
            "t:31:27: ports.a.security_groups[1]: found a stateful and a stateless group, expected groups of a port to \
             be all the one or all the other; ports.a.security_groups[0] is at line 31",
        ),
    ]);
}

#[test]
fn a_group_with_a_problem_of_its_own_is_not_held_against_those_that_name_it() {
    expect(&[
        (
            "protocol = \"tcp\"",
            "protocol = \"tpc\"",
            "t:9:12: security_groups.web.rules[0].protocol: found \"tpc\", expected a protocol: \"any\", a name such as \"tcp\" or \"icmp\", or a number from 0 to 255",
        ),
        (
            "203.0.113.0/24",
            "203.0.113.0/33",
            "t:20:14: address_groups.office.addresses[0]: found \"203.0.113.0/33\", expected a block of addresses such as 172.18.0.0/24 or 2001:db8::/64",
        ),
    ]);
}

#[test]
fn groups_may_name_each_other_in_a_circle() {
    let rule = |group: &str, remote: &str| {
        format!("[[security_groups.{group}.rules]]\ndirection = \"ingress\"\nremote_group = \"{remote}\"\n")
    };
    let topology = topology(&format!("[nodes.n]\n{}{}", rule("a", "b"), rule("b", "a")));
    assert_eq!(names(topology.security_groups()), "a b");
}

#[test]
fn ten_thousand_rules_in_a_group_are_read() {
    let mut text = "[nodes.n]\n[security_groups.g]\n".to_owned();
    for port in 1..=10_000 {
        let _ = writeln!(
            text,
            "[[security_groups.g.rules]]\ndirection = \"ingress\"\nprotocol = \"tcp\"\nport_range = \"{port}\""
        );
    }
    assert_eq!(topology(&text).security_group("g").unwrap().rules.len(), 10_000);
}

#[test]
fn the_firewall_is_off_in_a_file_that_says_nothing_about_security() {
    assert!(!topology("[nodes.n]\n").firewall());
    assert!(topology("[nodes.n]\n[security_groups]\n").firewall());
    assert!(topology("[nodes.n]\n[address_groups]\n").firewall());
    let (_, port) = GOOD.split_once("[ports.b]").unwrap();
    let port =
        format!("[nodes.n1]\n[networks.blue]\ntype = \"local\"\nsubnets.v4.cidr = \"10.0.0.0/24\"\n[ports.b]{port}");
    assert!(!topology(&port).firewall());
    assert!(topology(&format!("{port}security_groups = []\n")).firewall());
    let mut closed = topology(&port);
    let named = Port { security_groups: Some(Arc::new([])), ..Port::clone(closed.port("b").unwrap()) };
    let refused = closed.insert_port(named).unwrap_err();
    assert!(
        refused.to_string().starts_with("ports.b.security_groups: found security groups in a topology without any")
    );
}

#[test]
fn a_port_without_a_list_is_in_the_default_group() {
    let implied = topology(GOOD);
    let group = |topology: &Topology, port: &str| names(topology.groups_of(topology.port(port).unwrap()));
    assert_eq!(group(&implied, "a"), "web");
    assert_eq!(group(&implied, "b"), "default");
    let b = implied.port("b").unwrap();
    assert_eq!(implied.groups_of(b).next().unwrap().rules.len(), 2, "egress of both families");
    let named = topology(&format!("{GOOD}[security_groups.default]\n"));
    let b = named.port("b").unwrap();
    assert!(named.groups_of(b).next().unwrap().rules.is_empty());
    let open = topology(&GOOD.replace("[ports.b]", "[ports.b]\nport_security = false"));
    assert_eq!(group(&open, "b"), "");
    let none = topology(&GOOD.replace("[\"web\"]", "[]"));
    assert_eq!(group(&none, "a"), "");
}

#[test]
fn members_and_their_addresses_follow_the_ports() {
    let mut topology = topology(GOOD);
    let web = Remote::Group("web".into());
    let listed = |topology: &Topology| {
        let of_web = topology.remote_addresses().filter(|address| topology.remotes_of(address).any(|one| *one == web));
        of_web.map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(listed(&topology), "10.0.0.2/32, 10.1.0.0/28, ::/0 with fa:16:3e:00:00:01");
    let a = topology.remove_port("a").unwrap();
    assert_eq!(listed(&topology), "");
    assert_eq!(topology.group_members("web").count(), 0);
    let mut b = Port::clone(topology.port("b").unwrap());
    b.security_groups = a.security_groups.clone();
    // The block of both stays as long as one of them has it.
    b.allowed_address_pairs = a.allowed_address_pairs[..1].to_vec();
    topology.insert_port(b).unwrap();
    topology.insert_port(Port::clone(&a)).unwrap();
    topology.remove_port("a").unwrap();
    assert_eq!(listed(&topology), "10.0.0.3/32, 10.1.0.0/28");
    assert_eq!(topology.group_members("web").map(|port| &*port.name).collect::<Vec<_>>(), ["b"]);
    let in_use: Vec<_> = topology.groups_in_use("blue", "n1").map(|name| &**name).collect();
    assert_eq!(in_use, ["web"]);
}

#[test]
fn a_use_keeps_its_number_whatever_else_is_in_the_file() {
    let one = RemoteUse {
        group: "web".into(),
        remote: Remote::Group("web".into()),
        direction: Direction::Ingress,
        ethertype: Ethertype::Ipv4,
    };
    let number = topology(GOOD).remote_use(&one).unwrap();
    let more = "[[security_groups.a.rules]]\ndirection = \"ingress\"\nremote_group = \"web\"\n";
    let topology = topology(&format!("{GOOD}{more}"));
    assert_eq!(topology.remote_use(&one), Some(number));
    let uses: Vec<_> = topology.uses_of(&one.remote).map(|(one, number)| (&*one.group, number)).collect();
    assert_eq!(uses.len(), 2);
    assert_ne!(uses[0].1, uses[1].1);
    assert_eq!(topology.remote_use(&RemoteUse { direction: Direction::Egress, ..one }), None);
}

#[test]
fn changes_name_groups_and_ports() {
    let old = topology(GOOD);
    let new = topology(&GOOD.replacen("8010", "8011", 1).replacen("203.0.113.0", "203.0.114.0", 1));
    let changes = Topology::diff(&old, &new);
    assert_eq!((changes.security_groups, changes.address_groups), (vec!["web".into()], vec!["office".into()]));
    assert!(changes.ports.is_empty() && !changes.firewall);
    let off = GOOD.split_once("[security_groups.web]").unwrap().0;
    assert!(Topology::diff(&old, &topology(off)).firewall);
}
