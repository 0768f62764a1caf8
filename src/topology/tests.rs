//! Each refusal with its line, column and words; the indexes against a fresh parse; noise.

use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;

use super::*;

const GOOD: &str = r#"[nodes.n1]
tunnel_ip = "192.0.2.1"
[nodes.n2]

[networks.blue]
type = "vxlan"
segmentation_id = 1001
mtu = 1450
[networks.blue.subnets.v4]
cidr = "10.0.0.0/24"
gateway_ip = "10.0.0.1"
[networks.red]
type = "vlan"
physical_network = "physnet"
segmentation_id = 5
[networks.lan]
type = "flat"
physical_network = "physnet"
[networks.here]
type = "local"
[ports.a]
network = "blue"
node = "n1"
interface = "tap-a"
mac_address = "fa:16:3e:00:00:01"
fixed_ips = ["10.0.0.2"]
port_security = false
allowed_address_pairs = [{ ip_address = "10.0.0.64/28", mac_address = "fa:16:3e:00:00:09" }, { ip_address = "::1" }]
[ports.b]
network = "red"
node = "n2"
mac_address = "fa:16:3e:00:00:01"
"#;

fn refusal(text: &str) -> String {
    Topology::parse(text, "t").map(|_| "accepted".to_owned()).unwrap_or_else(|refused| refused.to_string())
}

/// Replaces the first `old`, or appends to the file, and expects these lines.
fn expect(cases: &[(&str, &str, &str)]) {
    for (old, new, expected) in cases {
        assert!(GOOD.contains(old), "{old}");
        let text = if old.is_empty() { format!("{GOOD}{new}") } else { GOOD.replacen(old, new, 1) };
        assert_eq!(refusal(&text), *expected, "\nafter {old:?} became {new:?}");
    }
}

fn names<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    names.map(|name| &**name).collect::<Vec<_>>().join(" ")
}

fn port_names<'a>(ports: impl Iterator<Item = &'a std::sync::Arc<Port>>) -> String {
    names(ports.map(|port| &port.name))
}

#[test]
fn a_good_file_becomes_its_values() {
    let topology = Topology::parse(GOOD, "t").unwrap();
    assert_eq!(topology.node("n1").unwrap().tunnel_ip, Some("192.0.2.1".parse().unwrap()));
    let blue = topology.network("blue").unwrap();
    assert_eq!(blue.kind, NetworkKind::Vxlan { segmentation_id: 1001 });
    assert_eq!((blue.mtu, blue.arp_responder, blue.nd_responder), (Some(1450), None, None));
    assert_eq!(blue.subnets[0].gateway_ip, Some("10.0.0.1".parse().unwrap()));
    let red = NetworkKind::Vlan { physical_network: "physnet".into(), segmentation_id: 5 };
    assert_eq!(topology.network("red").unwrap().kind, red);
    assert_eq!(topology.network("lan").unwrap().kind, NetworkKind::Flat { physical_network: "physnet".into() });
    assert_eq!(topology.network("here").unwrap().kind, NetworkKind::Local);
    let a = topology.port("a").unwrap();
    assert_eq!(a.interface.as_deref(), Some("tap-a"));
    assert!(!a.port_security && topology.port("b").unwrap().port_security);
    assert_eq!(a.allowed_address_pairs[0].mac_address.to_string(), "fa:16:3e:00:00:09");
    assert_eq!(a.allowed_address_pairs[1].mac_address, a.mac_address);
    assert_eq!(a.allowed_address_pairs[1].ip_address.to_string(), "::1/128");
    assert!(std::sync::Arc::ptr_eq(&a.network, &blue.name), "a reference shares the name");
}

#[test]
fn text_that_is_not_toml_is_refused_where_it_breaks() {
    expect(&[
        ("cidr = \"10.0.0.0/24\"", "cidr = \"10.0", "t:10:13: not TOML: invalid basic string, expected `\"`"),
        ("[ports.b]", "[ports.a]", "t:29:8: not TOML: duplicate key a"),
    ]);
    let twice = "string values must be quoted, expected literal string";
    assert_eq!(refusal("a = x\nb = 1\nc = x"), format!("t:1:5: not TOML: {twice}\nt:3:5: not TOML: {twice}"));
    assert_eq!(refusal("[nodes.x"), "t:1:9: not TOML: unclosed table, expected `]`");
}

#[test]
fn a_file_without_nodes_is_refused() {
    for text in ["", "\u{feff}", "# nothing yet\n", "[nodes]\n"] {
        assert_eq!(refusal(text), "t:1:1: found no node, expected at least one [nodes.NAME]", "{text:?}");
    }
}

#[test]
fn unknown_keys_and_wrong_types_are_refused_everywhere() {
    const TOP: &str = "found an unknown key, expected nodes, networks, ports, security_groups, address_groups or mtu";
    const PORT: &str = "found an unknown key, expected network, node, interface, mac_address, fixed_ips, port_security, \
                        allowed_address_pairs, security_groups, tftp_server_name \
                        or bootfile_name";
    const NETWORK: &str = "found an unknown key, expected type, segmentation_id, physical_network, mtu, arp_responder, \
                           nd_responder or subnets";
    expect(&[
        ("[nodes.n1]", "x = 1\n[nodes.n1]", &format!("t:1:1: x: {TOP}")),
        ("[nodes.n2]", "[nodes.n2]\n ip = 1", "t:4:2: nodes.n2.ip: found an unknown key, expected tunnel_ip"),
        ("mtu", "mru", &format!("t:8:1: networks.blue.mru: {NETWORK}")),
        (
            "gateway_ip",
            "gateway",
            "t:11:1: networks.blue.subnets.v4.gateway: found an unknown key, expected cidr, gateway_ip, enable_dhcp, \
             dhcp_server_ip, dhcp_lease_time, dns_nameservers, ntp_servers, domain_name, domain_search, host_routes, \
             tftp_server_name, bootfile_name, ipv6_ra_mode or ipv6_address_mode",
        ),
        ("port_security", "\"port security\"", &format!("t:27:1: ports.a.\"port security\": {PORT}")),
        (
            "mac_address = \"fa:16:3e:00:00:09\"",
            "mac = 1",
            "t:28:57: ports.a.allowed_address_pairs[0].mac: found an unknown key, expected ip_address or mac_address",
        ),
        ("\"192.0.2.1\"", "1", "t:2:13: nodes.n1.tunnel_ip: found an integer, expected a string"),
        ("[\"10.0.0.2\"]", "\"10.0.0.2\"", "t:26:13: ports.a.fixed_ips: found a string, expected an array"),
        ("false", "\"no\"", "t:27:17: ports.a.port_security: found a string, expected true or false"),
        ("1001", "\"1001\"", "t:7:19: networks.blue.segmentation_id: found a string, expected an integer"),
        ("[ports.b]", "[ports]\nc = 1.5\n[ports.b]", "t:30:5: ports.c: found a float, expected a table"),
        (
            "{ ip_address = \"::1\" }",
            "7",
            "t:28:94: ports.a.allowed_address_pairs[1]: found an integer, expected a table",
        ),
    ]);
    assert_eq!(refusal("nodes = 1979-05-27"), "t:1:9: nodes: found a date or time, expected a table\nt:1:1: found no node, expected at least one [nodes.NAME]".split('\n').rev().collect::<Vec<_>>().join("\n"));
}

#[test]
fn missing_keys_are_refused_at_the_header() {
    expect(&[
        ("network = \"blue\"\n", "", "t:21:1: ports.a: found no network, expected the name of a network"),
        ("node = \"n1\"\n", "", "t:21:1: ports.a: found no node, expected the name of a node"),
        (
            "mac_address = \"fa:16:3e:00:00:01\"\nfixed_ips",
            "fixed_ips",
            "t:21:1: ports.a: found no mac_address, expected an Ethernet address",
        ),
        (
            "type = \"vxlan\"\n",
            "",
            "t:5:1: networks.blue: found no type, expected \"local\", \"flat\", \"vlan\" or \"vxlan\"",
        ),
        ("segmentation_id = 1001\n", "", "t:5:1: networks.blue: found no segmentation_id, expected a VNI"),
        ("segmentation_id = 5\n", "", "t:12:1: networks.red: found no segmentation_id, expected a VLAN id"),
        (
            "type = \"vlan\"\nphysical_network = \"physnet\"\n",
            "type = \"vlan\"\n",
            "t:12:1: networks.red: found no physical_network, expected the name of one",
        ),
        (
            "cidr = \"10.0.0.0/24\"\n",
            "",
            "t:9:1: networks.blue.subnets.v4: found no cidr, expected a block of addresses",
        ),
        (
            "ip_address = \"::1\"",
            "",
            "t:28:94: ports.a.allowed_address_pairs[1]: found no ip_address, expected an address or a block of addresses",
        ),
    ]);
}

#[test]
fn values_that_do_not_parse_are_refused() {
    const CIDR: &str = "expected a block of addresses such as 172.18.0.0/24 or 2001:db8::/64";
    const ADDRESS: &str = "expected an IP address such as 192.0.2.1 or 2001:db8::1";
    const MAC: &str = "expected an Ethernet address such as fa:16:3e:00:00:01";
    const NAME: &str = "expected a name of 1 to 255 bytes without control characters";
    const DEVICE: &str = "expected an interface name: 1 to 15 bytes, no white space, '/' or ':', not \".\" or \"..\"";
    expect(&[
        ("192.0.2.1", "192.0.2.256", &format!("t:2:13: nodes.n1.tunnel_ip: found \"192.0.2.256\", {ADDRESS}")),
        ("\"10.0.0.2\"", "\"\"", &format!("t:26:14: ports.a.fixed_ips[0]: found \"\", {ADDRESS}")),
        ("\"10.0.0.1\"", "\"x\"", &format!("t:11:14: networks.blue.subnets.v4.gateway_ip: found \"x\", {ADDRESS}")),
        ("10.0.0.0/24", "10.0.0.0", &format!("t:10:8: networks.blue.subnets.v4.cidr: found \"10.0.0.0\", {CIDR}")),
        (
            "10.0.0.0/24",
            "10.0.0.0/33",
            &format!("t:10:8: networks.blue.subnets.v4.cidr: found \"10.0.0.0/33\", {CIDR}"),
        ),
        (
            "10.0.0.0/24",
            "10.0.0.0/+8",
            &format!("t:10:8: networks.blue.subnets.v4.cidr: found \"10.0.0.0/+8\", {CIDR}"),
        ),
        (
            "10.0.0.64/28",
            "é/28",
            &format!("t:28:41: ports.a.allowed_address_pairs[0].ip_address: found \"é/28\", {CIDR}"),
        ),
        ("fa:16:3e:00:00:01", "fa:16:3e", &format!("t:25:15: ports.a.mac_address: found \"fa:16:3e\", {MAC}")),
        (
            "fa:16:3e:00:00:09",
            "é",
            &format!("t:28:71: ports.a.allowed_address_pairs[0].mac_address: found \"é\", {MAC}"),
        ),
        (
            "type = \"local\"",
            "type = \"gre\"",
            "t:20:8: networks.here.type: found \"gre\", expected \"local\", \"flat\", \"vlan\" or \"vxlan\"",
        ),
        ("tap-a", "", &format!("t:24:13: ports.a.interface: found \"\", {DEVICE}")),
        ("tap-a", "0123456789abcdef", &format!("t:24:13: ports.a.interface: found \"0123456789abcdef\", {DEVICE}")),
        ("tap-a", "tap a", &format!("t:24:13: ports.a.interface: found \"tap a\", {DEVICE}")),
        ("tap-a", "tap/a", &format!("t:24:13: ports.a.interface: found \"tap/a\", {DEVICE}")),
        ("[nodes.n2]", "[nodes.\"\"]\n[nodes.n2]", &format!("t:3:1: nodes.\"\": found \"\", {NAME}")),
        (
            "[networks.here]",
            "[networks.\"a\\u0007\"]",
            &format!("t:19:1: networks.\"a\\u{{7}}\": found \"a\\u{{7}}\", {NAME}"),
        ),
        ("[ports.b]", "[ports.\"\"]", &format!("t:29:1: ports.\"\": found \"\", {NAME}")),
        (
            "physical_network = \"physnet\"",
            "physical_network = \"\"",
            &format!("t:14:20: networks.red.physical_network: found \"\", {NAME}"),
        ),
    ]);
    let long = "x".repeat(256);
    assert!(refusal(&GOOD.replacen("[ports.b]", &format!("[ports.{long}]"), 1)).starts_with("t:29:1: ports.xxx"));
    assert_eq!(refusal(&GOOD.replacen("[ports.b]", &format!("[ports.{}]", &long[1..]), 1)), "accepted");
}

#[test]
fn a_network_says_who_answers_in_it_and_only_a_vxlan_network_says_yes() {
    let read = |keys: &str| {
        let text = format!("nodes.n.tunnel_ip = '192.0.2.1'\nnetworks.w = {{ {keys} }}");
        let topology = Topology::parse(&text, "t").map_err(|refused| refused.to_string())?;
        let network = topology.network("w").unwrap();
        Ok((network.arp_responder, network.nd_responder))
    };
    let vxlan = |says: &str| read(&format!("type = 'vxlan', segmentation_id = 1{says}"));
    assert_eq!(vxlan(""), Ok((None, None)));
    assert_eq!(vxlan(", arp_responder = true, nd_responder = false"), Ok((Some(true), Some(false))));
    assert_eq!(read("type = 'local', arp_responder = false"), Ok((Some(false), None)));
    let refused = "t:2:47: networks.w.nd_responder: found one in a network of type local, expected none";
    assert_eq!(read("type = 'local', nd_responder = true"), Err(refused.to_owned()));
}

#[test]
fn numbers_out_of_range_are_refused() {
    expect(&[
        ("1001", "0", "t:7:19: networks.blue.segmentation_id: found 0, expected a VNI from 1 to 16777215"),
        (
            "1001",
            "0x1000000",
            "t:7:19: networks.blue.segmentation_id: found 1000000, expected a VNI from 1 to 16777215",
        ),
        ("= 5", "= 4095", "t:15:19: networks.red.segmentation_id: found 4095, expected a VLAN id from 1 to 4094"),
        ("= 5", "= -1", "t:15:19: networks.red.segmentation_id: found -1, expected a VLAN id from 1 to 4094"),
        (
            "1450",
            "1450\narp_responder = 1",
            "t:9:17: networks.blue.arp_responder: found an integer, expected true or false",
        ),
        ("1450", "67", "t:8:7: networks.blue.mtu: found 67, expected a size in bytes from 68 to 65535"),
        ("1450", "65536", "t:8:7: networks.blue.mtu: found 65536, expected a size in bytes from 68 to 65535"),
        (
            "1450",
            "1279\nsubnets.v6.cidr = \"2001:db8::/64\"",
            "t:8:7: networks.blue.mtu: found 1279, expected a size in bytes for a network with an IPv6 subnet from 1280 to 65535",
        ),
    ]);
}

#[test]
fn keys_that_a_type_of_network_has_not_are_refused() {
    let local = "type = \"local\"";
    expect(&[
        (
            local,
            "type = \"local\"\nsegmentation_id = 1",
            "t:21:19: networks.here.segmentation_id: found one in a network of type local, expected none",
        ),
        (
            local,
            "type = \"local\"\nphysical_network = \"p\"",
            "t:21:20: networks.here.physical_network: found one in a network of type local, expected none",
        ),
        (
            "type = \"flat\"",
            "type = \"flat\"\nsegmentation_id = 1",
            "t:18:19: networks.lan.segmentation_id: found one in a network of type flat, expected none",
        ),
        (
            "1001",
            "1001\nphysical_network = \"p\"",
            "t:8:20: networks.blue.physical_network: found one in a network of type vxlan, expected none",
        ),
    ]);
}

#[test]
fn a_segment_belongs_to_one_network() {
    expect(&[
        (
            "",
            "[networks.aaa]\ntype = \"vxlan\"\nsegmentation_id = 1001",
            "t:35:19: networks.aaa.segmentation_id: found 1001, expected a VNI that no other network has; \
             networks.blue.segmentation_id is at line 7",
        ),
        (
            "",
            "[networks.red2]\ntype = \"vlan\"\nphysical_network = \"physnet\"\nsegmentation_id = 5",
            "t:36:19: networks.red2.segmentation_id: found 5, expected a VLAN id that no other network has on \"physnet\"; \
             networks.red.segmentation_id is at line 15",
        ),
        (
            "",
            "[networks.lan2]\ntype = \"flat\"\nphysical_network = \"physnet\"",
            "t:35:20: networks.lan2.physical_network: found \"physnet\", expected a physical network without another flat \
             network; networks.lan.physical_network is at line 18",
        ),
    ]);
    for other in [
        "type = \"vlan\"\nphysical_network = \"p2\"\nsegmentation_id = 5",
        "type = \"vxlan\"\nsegmentation_id = 5",
        "type = \"flat\"\nphysical_network = \"p2\"",
    ] {
        assert_eq!(refusal(&format!("{GOOD}[networks.other]\n{other}")), "accepted");
    }
}

#[test]
fn subnets_and_gateways_that_cannot_be_are_refused() {
    expect(&[
        (
            "10.0.0.0/24",
            "10.0.0.7/24",
            "t:10:8: networks.blue.subnets.v4.cidr: found 10.0.0.7/24, which has host bits set, expected the network address: \
             10.0.0.0/24",
        ),
        (
            "10.0.0.64/28",
            "10.0.0.65/28",
            "t:28:41: ports.a.allowed_address_pairs[0].ip_address: found 10.0.0.65/28, which has host bits set, expected the \
             network address: 10.0.0.64/28",
        ),
        (
            "mtu = 1450",
            "mtu = 1450\n[networks.blue.subnets.z]\ncidr = \"10.0.0.128/25\"",
            "t:12:8: networks.blue.subnets.v4.cidr: found 10.0.0.0/24, expected a block that does not overlap 10.0.0.128/25; \
             networks.blue.subnets.z.cidr is at line 10",
        ),
        (
            "\"10.0.0.1\"",
            "\"10.0.1.1\"",
            "t:11:14: networks.blue.subnets.v4.gateway_ip: found 10.0.1.1, expected an address of the subnet 10.0.0.0/24",
        ),
        (
            "\"10.0.0.1\"",
            "\"fe80::1\"",
            "t:11:14: networks.blue.subnets.v4.gateway_ip: found fe80::1, expected an address of the subnet 10.0.0.0/24",
        ),
        (
            "\"10.0.0.1\"",
            "\"10.0.0.255\"",
            "t:11:14: networks.blue.subnets.v4.gateway_ip: found 10.0.0.255, expected neither the network address nor the \
             broadcast address of 10.0.0.0/24",
        ),
        (
            "type = \"local\"",
            "type = \"local\"\nsubnets.m.cidr = \"224.0.0.0/8\"",
            "t:21:18: networks.here.subnets.m.cidr: found 224.0.0.0, expected a unicast address",
        ),
    ]);
    let v6 = "\n[networks.blue.subnets.v6]\ncidr = \"2001:db8::/64\"\ngateway_ip = \"fe80::1\"";
    assert_eq!(refusal(&format!("{GOOD}{v6}")), "accepted", "a router's link-local address is its address");
}

#[test]
fn nodes_need_a_tunnel_address_of_their_own() {
    let taken = "t:4:13: nodes.n2.tunnel_ip: found 192.0.2.1, expected an address that no other node has; \
                 nodes.n1.tunnel_ip is at line 2";
    let missing = "found no tunnel_ip, expected one: the node has ports of a VXLAN network";
    let second = "[ports.c]\nnetwork = \"blue\"\nnode = \"n2\"\nmac_address = \"fa:16:3e:00:00:03\"\n\
                  [ports.d]\nnetwork = \"blue\"\nnode = \"n2\"\nmac_address = \"fa:16:3e:00:00:04\"";
    expect(&[
        ("[nodes.n2]", "[nodes.n2]\ntunnel_ip = \"192.0.2.1\"", taken),
        ("192.0.2.1", "224.0.0.1", "t:2:13: nodes.n1.tunnel_ip: found 224.0.0.1, expected a unicast address"),
        ("192.0.2.1", "::", "t:2:13: nodes.n1.tunnel_ip: found ::, expected a unicast address"),
        ("192.0.2.1", "127.0.0.1", "accepted"),
        ("", second, &format!("t:3:1: nodes.n2: {missing}")),
    ]);
}

#[test]
fn a_port_is_on_a_known_network_and_node() {
    expect(&[
        ("\"blue\"", "\"blu\"", "t:22:11: ports.a.network: found \"blu\", expected the name of a network in this file"),
        ("\"n1\"", "\"n3\"", "t:23:8: ports.a.node: found \"n3\", expected the name of a node in this file"),
        // A network with a problem of its own is not unknown.
        ("1001", "0", "t:7:19: networks.blue.segmentation_id: found 0, expected a VNI from 1 to 16777215"),
    ]);
}

#[test]
fn ports_have_addresses_of_their_own() {
    let port = |text: &str| format!("[ports.\"0\"]\nnetwork = \"blue\"\nnode = \"n1\"\n{text}");
    let mac = "mac_address = \"fa:16:3e:00:00:07\"\n";
    let fixed = |address: &str| port(&format!("{mac}fixed_ips = [\"{address}\"]"));
    let free = "expected an address that no other port of network \"blue\" has";
    let reserved = "expected neither the network address nor the broadcast address of 10.0.0.0/24";
    expect(&[
        (
            "",
            &port("mac_address = \"fa:16:3e:00:00:01\""),
            &format!(
                "t:36:15: ports.0.mac_address: found fa:16:3e:00:00:01, {free}; ports.a.mac_address is at line 25"
            ),
        ),
        (
            "",
            &fixed("10.0.0.2"),
            &format!("t:37:14: ports.0.fixed_ips[0]: found 10.0.0.2, {free}; ports.a.fixed_ips[0] is at line 26"),
        ),
        (
            "",
            &fixed("10.0.1.2"),
            "t:37:14: ports.0.fixed_ips[0]: found 10.0.1.2, expected an address inside a subnet of network \"blue\"",
        ),
        ("", &fixed("10.0.0.0"), &format!("t:37:14: ports.0.fixed_ips[0]: found 10.0.0.0, {reserved}")),
        ("", &fixed("10.0.0.255"), &format!("t:37:14: ports.0.fixed_ips[0]: found 10.0.0.255, {reserved}")),
        (
            "[\"10.0.0.2\"]",
            "[\"10.0.0.2\", \"10.0.0.2\"]",
            &format!("t:26:26: ports.a.fixed_ips[1]: found 10.0.0.2, {free}; ports.a.fixed_ips[0] is at line 26"),
        ),
        (
            "",
            "fixed_ips = [\"10.0.0.2\"]",
            "t:33:14: ports.b.fixed_ips[0]: found 10.0.0.2, but network \"red\" has no subnet, expected no fixed address",
        ),
        ("10.0.0.0/24\"\ngateway_ip = \"10.0.0.1", "0.0.0.0/0", "accepted"),
        (
            "",
            &port(&format!("{mac}interface = \"tap-a\"")),
            "t:37:13: ports.0.interface: found \"tap-a\", expected an interface that no other port of node \"n1\" has; \
             ports.a.interface is at line 24",
        ),
    ]);
    let text =
        GOOD.replacen("10.0.0.0/24\"\ngateway_ip = \"10.0.0.1", "0.0.0.0/0", 1).replacen("10.0.0.2", "239.0.0.1", 1);
    assert_eq!(refusal(&text), "t:25:14: ports.a.fixed_ips[0]: found 239.0.0.1, expected a unicast address");
    for bits in [31, 32] {
        let text = GOOD.replacen("10.0.0.0/24\"\ngateway_ip = \"10.0.0.1", &format!("10.0.0.2/{bits}"), 1);
        assert_eq!(refusal(&text), "accepted", "/{bits} has no network address");
    }
}

#[test]
fn group_and_zero_addresses_are_refused() {
    let unicast = "expected a unicast Ethernet address";
    expect(&[
        (
            "fa:16:3e:00:00:01",
            "01:00:5e:00:00:01",
            &format!("t:25:15: ports.a.mac_address: found 01:00:5e:00:00:01, {unicast}"),
        ),
        (
            "fa:16:3e:00:00:01",
            "0:0:0:0:0:0",
            &format!("t:25:15: ports.a.mac_address: found 00:00:00:00:00:00, {unicast}"),
        ),
        (
            "fa:16:3e:00:00:09",
            "ff:ff:ff:ff:ff:ff",
            &format!("t:28:71: ports.a.allowed_address_pairs[0].mac_address: found ff:ff:ff:ff:ff:ff, {unicast}"),
        ),
    ]);
}

#[test]
fn all_problems_are_told_in_the_order_of_the_file_up_to_twenty() {
    let text = GOOD.replacen("1450", "1", 1).replacen("tap-a", "", 1).replacen("false", "0", 1);
    let lines: Vec<_> = refusal(&text).lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["t:8:7:", "t:27:17:"], "what depends on a broken value is not checked");

    let mut text = GOOD.to_owned();
    for number in 0..1000 {
        write!(
            text,
            "[ports.p{number}]\nnetwork = \"n\"\nnode = \"n1\"\nmac_address = \"fa:16:3e:01:{:02x}:{:02x}\"\n",
            number >> 8,
            number & 255
        )
        .unwrap();
    }
    let refused = Topology::parse(&text, "t").unwrap_err();
    assert_eq!((refused.problems().len(), refused.more()), (20, 980));
    assert!(refused.to_string().ends_with("\nand 980 more"));
}

/// A file with many ports: every table of its own, so that it is read in chunks.
fn large(ports: u32) -> String {
    let mut text = "[nodes.n0]\ntunnel_ip = \"192.0.2.1\"\n[nodes.n1]\ntunnel_ip = \"192.0.2.2\"\n[networks.blue]\n\
                    type = \"vxlan\"\nsegmentation_id = 1\n[networks.blue.subnets.v4]\ncidr = \"10.0.0.0/8\"\n"
        .to_owned();
    for number in 0..ports {
        let [_, a, b, c] = (number + 1).to_be_bytes();
        write!(
            text,
            "[ports.p{number}]\nnetwork = \"blue\"\nnode = \"n{}\"\ninterface = \"tap{number}\"\n\
             mac_address = \"fa:16:3e:{a:02x}:{b:02x}:{c:02x}\"\nfixed_ips = [\"10.{a}.{b}.{c}\"]\n",
            number & 1
        )
        .unwrap();
    }
    text
}

#[test]
fn a_hundred_thousand_ports_validate() {
    let text = large(100_000);
    let topology = Topology::parse(&text, "t").unwrap();
    assert_eq!((topology.ports().len(), topology.ports_on("blue", "n1").count()), (100_000, 50_000));
    assert_eq!(topology.port_by_interface("n1", "tap99999").unwrap().name.as_ref(), "p99999");
}

#[test]
fn a_problem_in_a_large_file_has_its_line() {
    let good = large(3000);
    assert!(document::chunks(&good, parse::CHUNK).len() > 3, "the file is read in chunks");
    let line = |number: usize, key: usize| 9 + number * 6 + 1 + key;
    let last = good.replacen("\"tap2999\"", "\"tap0\"", 1);
    let expected = format!(
        "t:{}:13: ports.p2999.interface: found \"tap2999/\", expected an interface name: 1 to 15 bytes, no white space, \
         '/' or ':', not \".\" or \"..\"",
        line(2999, 3)
    );
    assert_eq!(refusal(&good.replacen("tap2999", "tap2999/", 1)), expected);
    let expected = format!(
        "t:{}:15: ports.p2998.mac_address: found fa:16:3e:00:00:01, expected an address that no other port of network \
         \"blue\" has; ports.p0.mac_address is at line {}",
        line(2998, 4),
        line(0, 4)
    );
    assert_eq!(refusal(&good.replacen("fa:16:3e:00:0b:b7", "fa:16:3e:00:00:01", 1)), expected);
    assert_eq!(refusal(&last), "accepted", "the two are on different nodes");
    let twice = format!("{good}[ports.p0]\n");
    assert_eq!(refusal(&twice), format!("t:{}:8: not TOML: duplicate key p0", line(3000, 0)));
    let far = format!(
        "{good}[[ports.p0.allowed_address_pairs]]\nip_address = \"10.0.0.0/8\"\n[networks.blue.subnets.v6]\ncidr = \"::/64\""
    );
    let topology = Topology::parse(&far, "t").unwrap();
    assert_eq!(topology.port("p0").unwrap().allowed_address_pairs.len(), 1, "a table may continue at the end");
    assert_eq!(topology.network("blue").unwrap().subnets.len(), 2);
}

#[test]
fn a_large_file_that_is_cut_off_or_broken_is_refused_where_it_breaks() {
    let good = large(20_000);
    assert_eq!(
        refusal(&good[..good.len() - 3]),
        "t:120009:25: not TOML: unclosed array, expected `]`\nt:120009:25: not TOML: invalid basic string, expected `\"`"
    );
    let early = good.replacen("\"n0\"", "x0", 1).replacen("[ports.p19999]", "[ports.p19999", 1);
    assert_eq!(refusal(&early), "t:12:8: not TOML: string values must be quoted, expected literal string");
    let late = good.replacen("[ports.p19999]", "[ports.p19999", 1);
    assert_eq!(refusal(&late), "t:120004:14: not TOML: unclosed table, expected `]`");
}

#[test]
fn a_file_that_looks_like_chunks_but_is_not_reads_the_same() {
    let filler = "x".repeat(70_000);
    let inside = format!("[nodes.\"n1\"]\n# {filler}\n[networks.x]\ntype = \"\"\"{filler}\n[ports.y]\n\"\"\"\n");
    let message = refusal(&inside);
    assert!(message.starts_with("t:4:8: networks.x.type: found \"xxx"), "{message}");
    assert!(message.len() < 300, "{message}");
}

#[test]
fn files_that_cannot_be_read_are_refused_plainly() {
    let directory = tempfile::tempdir().unwrap();
    let load = |name: &str| {
        let text = Topology::load(&directory.path().join(name)).unwrap_err().to_string();
        text.replace(&*directory.path().to_string_lossy(), "")
    };
    assert_eq!(load("absent"), "/absent: cannot read it: entity not found");
    assert_eq!(load(""), "/: cannot read it: is a directory");
    std::fs::write(directory.path().join("bytes"), b"# \xc3\xa9\n \xff").unwrap();
    assert_eq!(load("bytes"), "/bytes:2:2: found the byte 0xff, expected text in UTF-8");
    let huge = std::fs::File::create(directory.path().join("huge")).unwrap();
    huge.set_len((64 << 20) + 1).unwrap();
    assert_eq!(load("huge"), "/huge: found more than 67108864 bytes, expected at most that many");
    std::fs::write(directory.path().join("good"), GOOD).unwrap();
    assert_eq!(Topology::load(&directory.path().join("good")).unwrap().ports().len(), 2);
}

#[test]
fn indexes_answer_by_node_and_network() {
    let text = GOOD.replacen("[nodes.n2]", "[nodes.n0]\n[nodes.n2]\ntunnel_ip = \"192.0.2.2\"", 1);
    let extra = "[ports.c]\nnetwork = \"blue\"\nnode = \"n2\"\nmac_address = \"fa:16:3e:00:00:03\"\n\
                 [ports.\"0\"]\nnetwork = \"blue\"\nnode = \"n1\"\nmac_address = \"fa:16:3e:00:00:04\"\n";
    let topology = Topology::parse(&format!("{text}{extra}"), "t").unwrap();
    assert_eq!(port_names(topology.ports_on("blue", "n1")), "0 a");
    assert_eq!(port_names(topology.members("blue")), "0 a c");
    assert_eq!(names(topology.nodes_of("blue")), "n1 n2");
    assert_eq!(names(topology.networks_on("n2")), "blue red");
    assert_eq!(port_names(topology.local_ports("n2")), "c b");
    assert_eq!(topology.peers("n1").map(|node| &*node.name).collect::<Vec<_>>(), ["n2"]);
    assert_eq!(topology.peers("n0").count(), 0);
    assert_eq!(topology.port_by_interface("n1", "tap-a").unwrap().name.as_ref(), "a");
    assert!(topology.port_by_interface("n2", "tap-a").is_none());
    assert_eq!(topology.port_by_address("blue", "10.0.0.2".parse().unwrap()).unwrap().name.as_ref(), "a");
    assert_eq!(port_names(topology.ports_on("none", "n1")) + &port_names(topology.members("none")), "");
}

#[test]
fn a_diff_names_what_was_added_removed_or_changed() {
    let old = Topology::parse(GOOD, "t").unwrap();
    assert!(Topology::diff(&old, &Topology::parse(GOOD, "t").unwrap()).is_empty());
    let new = GOOD
        .replacen("192.0.2.1", "192.0.2.9", 1)
        .replacen("1450", "1400", 1)
        .replacen("[networks.lan]", "[networks.wan]", 1)
        .replacen("[ports.b]", "[ports.c]", 1)
        .replacen("false", "true", 1);
    let changes = Topology::diff(&old, &Topology::parse(&new, "t").unwrap());
    assert_eq!(names(changes.nodes.iter()), "n1");
    assert_eq!(names(changes.networks.iter()), "blue lan wan");
    assert_eq!(names(changes.ports.iter()), "a b c");
    let mut less = old.clone();
    less.remove_port("a");
    assert_eq!(names(Topology::diff(&old, &less).ports.iter()), "a");
}

#[test]
fn a_port_that_does_not_fit_changes_nothing() {
    let mut topology = Topology::parse(GOOD, "t").unwrap();
    let mut port = Port::clone(topology.port("a").unwrap());
    port.name = "z".into();
    port.node = "n9".into();
    let conflict = topology.insert_port(port).unwrap_err();
    let expected = "ports.z.node: found \"n9\", expected the name of a node in this file; \
                    ports.z.mac_address: found fa:16:3e:00:00:01, expected an address that no other port of network \"blue\" \
                    has; the other is ports.a.mac_address; \
                    ports.z.fixed_ips[0]: found 10.0.0.2, expected an address that no other port of network \"blue\" has; \
                    the other is ports.a.fixed_ips[0]";
    assert_eq!(conflict.to_string(), expected);
    assert_eq!(conflict.problems().len(), 3);
    assert!(Topology::diff(&topology, &Topology::parse(GOOD, "t").unwrap()).is_empty());
}

/// Everything that the indexes answer.
fn answers(topology: &Topology) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    for node in topology.nodes() {
        let node = &node.name;
        answers.insert(format!("networks_on {node}"), names(topology.networks_on(node)));
        answers.insert(format!("local_ports {node}"), port_names(topology.local_ports(node)));
        answers.insert(format!("peers {node}"), names(topology.peers(node).map(|node| &node.name)));
        for number in 0..4 {
            let port = topology.port_by_interface(node, &format!("tap{number}"));
            answers.insert(format!("interface {node} {number}"), format!("{port:?}"));
        }
        for network in topology.networks() {
            answers.insert(format!("on {} {node}", network.name), port_names(topology.ports_on(&network.name, node)));
        }
    }
    for network in topology.networks() {
        let name = &network.name;
        answers.insert(format!("members {name}"), port_names(topology.members(name)));
        answers.insert(format!("nodes_of {name}"), names(topology.nodes_of(name)));
        for number in 0..8 {
            let by_mac = topology.port_by_mac(name, crate::openflow::MacAddr([2, 0, 0, 0, 0, number]));
            let by_address = topology.port_by_address(name, std::net::IpAddr::from([10, 0, 0, number]));
            answers.insert(format!("addresses {name} {number}"), format!("{by_mac:?} {by_address:?}"));
        }
    }
    answers
}

fn printed(base: &str, ports: &BTreeMap<Name, Port>) -> String {
    let mut text = base.to_owned();
    for port in ports.values() {
        let Port { name, network, node, mac_address, fixed_ips, .. } = port;
        let interface = port.interface.iter().fold(String::new(), |_, name| format!("interface = {name:?}\n"));
        let fixed_ips: Vec<_> = fixed_ips.iter().map(ToString::to_string).collect();
        write!(
            text,
            "[ports.{name}]\nnetwork = {network:?}\nnode = {node:?}\n{interface}mac_address = \"{mac_address}\"\n\
             fixed_ips = {fixed_ips:?}\n"
        )
        .unwrap();
    }
    text
}

fn any_port() -> impl Strategy<Value = Port> {
    let address = prop::collection::vec((0u8..8).prop_map(|number| [10, 0, 0, number].into()), 0..3);
    (0..6, 0usize..4, 0usize..4, prop::option::of(0..4), 0u8..8, address).prop_map(
        |(name, network, node, interface, mac, fixed_ips)| Port {
            name: format!("p{name}").into(),
            network: ["blue", "green", "red", "none"][network].into(),
            node: ["n1", "n2", "n3", "none"][node].into(),
            interface: interface.map(|number| format!("tap{number}").into()),
            mac_address: crate::openflow::MacAddr([2, 0, 0, 0, 0, mac]),
            fixed_ips,
            port_security: true,
            allowed_address_pairs: Vec::new(),
            security_groups: None,
            boot: None,
        },
    )
}

proptest! {
    #[test]
    fn inserts_and_removals_equal_a_fresh_parse(
        steps in prop::collection::vec(prop_oneof![4 => any_port().prop_map(Ok), 1 => (0..6).prop_map(Err)], 1..24),
    ) {
        let mut base = String::new();
        for (number, name) in ["n1", "n2"].iter().enumerate() {
            write!(base, "[nodes.{name}]\ntunnel_ip = \"192.0.2.{number}\"\n").unwrap();
        }
        base += "[nodes.n3]\n[networks.red]\ntype = \"local\"\nsubnets.s.cidr = \"10.0.0.0/24\"\n";
        for (number, name) in ["blue", "green"].iter().enumerate() {
            write!(base, "[networks.{name}]\ntype = \"vxlan\"\nsegmentation_id = {}\n", number + 1).unwrap();
            base += "subnets.s.cidr = \"10.0.0.0/29\"\n";
        }
        let mut topology = Topology::parse(&base, "t").unwrap();
        let mut ports = BTreeMap::new();
        for step in steps {
            match step {
                Ok(port) => {
                    let mut wanted = ports.clone();
                    wanted.insert(port.name.clone(), port.clone());
                    let whole = Topology::parse(&printed(&base, &wanted), "t");
                    match topology.insert_port(port.clone()) {
                        Ok(replaced) => {
                            prop_assert_eq!(replaced.as_deref(), ports.get(&port.name));
                            prop_assert!(whole.is_ok(), "{}", whole.unwrap_err());
                            ports = wanted;
                        }
                        Err(_) => prop_assert!(whole.is_err(), "the file with {:?} is accepted", port),
                    }
                }
                Err(number) => {
                    let name = format!("p{number}");
                    let (removed, expected) = (topology.remove_port(&name), ports.remove(name.as_str()));
                    prop_assert_eq!(removed.as_deref(), expected.as_ref());
                }
            }
            let fresh = Topology::parse(&printed(&base, &ports), "t").unwrap();
            prop_assert!(Topology::diff(&topology, &fresh).is_empty());
            prop_assert_eq!(answers(&topology), answers(&fresh));
        }
    }

    #[test]
    fn random_text_never_panics(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Topology::parse(&text, "t");
        let _ = Topology::parse(&String::from_utf8_lossy(&bytes), "t");
    }

    #[test]
    fn a_damaged_file_reads_the_same_in_chunks(
        at in 0..GOOD.len(),
        length in 0usize..20,
        noise in "(\\[\\[?(ports|nodes|networks)[.]?[abc]?(\\]|[.][a-z]\\])\n)?[\\]\\[\"'={}.,#\na-c0-9é]{0,8}",
    ) {
        let mut text = format!("{GOOD}[ports.c]\nnetwork = \"here\"\nnode = \"n1\"\nmac_address = \"2:0:0:0:0:3\"\n");
        text.replace_range(at..(at + length).min(text.len()), &noise);
        let whole = Topology::parse_in_chunks(&text, "t", usize::MAX);
        let chunked = Topology::parse_in_chunks(&text, "t", 1);
        match (whole, chunked) {
            (Ok(whole), Ok(chunked)) => {
                prop_assert!(Topology::diff(&whole, &chunked).is_empty());
                prop_assert_eq!(answers(&whole), answers(&chunked));
            }
            (Err(whole), Err(chunked)) => {
                // A chunk tells fewer problems of syntax, as it does not see the rest.
                let first = |refused: &Refused| refused.problems()[0].to_string();
                if !first(&whole).contains("not TOML") {
                    prop_assert_eq!(whole.to_string(), chunked.to_string());
                }
            }
            (whole, chunked) => prop_assert!(false, "{}: whole {:?}, in chunks {:?}", text, whole.err(), chunked.err()),
        }
    }
}

#[test]
fn no_truncated_file_panics() {
    for end in 0..GOOD.len() {
        if let Err(refused) = Topology::parse(&GOOD[..end], "t") {
            assert!(!refused.problems().is_empty());
            assert!(refused.problems().iter().all(|problem| problem.position.is_some()));
        }
    }
}
