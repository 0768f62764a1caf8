//! The keys of DHCP: values, and each refusal with its line, column and words.

use super::*;

const GOOD: &str = r#"[nodes.n1]
[networks.blue]
type = "local"
[networks.blue.subnets.v4]
cidr = "10.0.0.0/24"
gateway_ip = "10.0.0.1"
enable_dhcp = true
dhcp_server_ip = "10.0.0.2"
dhcp_lease_time = 600
dns_nameservers = ["10.0.0.3", "192.0.2.53"]
ntp_servers = ["192.0.2.123"]
domain_name = "blue.example"
domain_search = ["blue.example.", "_x.example"]
host_routes = [{ destination = "192.0.2.0/24", nexthop = "10.0.0.9" }, { destination = "198.51.100.7/32", nexthop = "0.0.0.0" }]
tftp_server_name = "boot.example"
bootfile_name = "pxelinux.0"
[ports.a]
network = "blue"
node = "n1"
mac_address = "fa:16:3e:00:00:01"
fixed_ips = ["10.0.0.7"]
bootfile_name = "http://192.0.2.9/ipxe"
"#;

/// Replaces the first `old` and expects these lines.
fn expect(cases: &[(&str, &str, &str)]) {
    for (old, new, expected) in cases {
        assert!(GOOD.contains(old), "{old}");
        let found = match Topology::parse(&GOOD.replacen(old, new, 1), "t") {
            Ok(_) => "accepted".to_owned(),
            Err(refused) => refused.to_string(),
        };
        assert_eq!(found, *expected, "\nafter {old:?} became {new:?}");
    }
}

#[test]
fn the_keys_become_their_values() {
    let topology = Topology::parse(GOOD, "t").unwrap();
    let subnet = &topology.network("blue").unwrap().subnets[0];
    let name = |text| DomainName::new(text).unwrap();
    let expected = Dhcp {
        enable_dhcp: true,
        dhcp_server_ip: Some("10.0.0.2".parse().unwrap()),
        dhcp_lease_time: 600,
        dns_nameservers: vec!["10.0.0.3".parse().unwrap(), "192.0.2.53".parse().unwrap()],
        ntp_servers: vec!["192.0.2.123".parse().unwrap()],
        domain_name: Some(name("blue.example")),
        domain_search: vec![name("blue.example"), name("_x.example")],
        host_routes: vec![
            HostRoute { destination: "192.0.2.0/24".parse().unwrap(), nexthop: "10.0.0.9".parse().unwrap() },
            HostRoute { destination: "198.51.100.7/32".parse().unwrap(), nexthop: "0.0.0.0".parse().unwrap() },
        ],
        boot: Boot { tftp_server_name: Some("boot.example".into()), bootfile_name: Some("pxelinux.0".into()) },
    };
    assert_eq!(subnet.dhcp, expected);
    assert_eq!(subnet.dhcp_server_ip(), expected.dhcp_server_ip);
    let boot = Boot { tftp_server_name: None, bootfile_name: Some("http://192.0.2.9/ipxe".into()) };
    assert_eq!(topology.port("a").unwrap().boot.as_deref(), Some(&boot));
}

#[test]
fn without_the_keys_there_is_no_dhcp_and_the_gateway_would_be_the_server() {
    let (before, rest) = GOOD.split_once("enable_dhcp").unwrap();
    let (_, after) = rest.split_once("[ports.a]").unwrap();
    let topology = Topology::parse(&format!("{before}[ports.a]{after}"), "t").unwrap();
    let subnet = &topology.network("blue").unwrap().subnets[0];
    assert_eq!(subnet.dhcp, Dhcp::default());
    assert_eq!(subnet.dhcp_server_ip(), subnet.gateway_ip);
}

#[test]
fn values_that_dhcp_cannot_say_are_refused() {
    const AT: &str = "networks.blue.subnets.v4";
    const DOMAIN: &str = "expected a domain name such as example.org";
    const FILE: &str = "expected a file name of 1 to 255 printable ASCII characters without spaces";
    let long = "x".repeat(256);
    let many = format!("ntp_servers = [{}]", "\"192.0.2.1\", ".repeat(64));
    expect(&[
        ("enable_dhcp = true", "enable_dhcp = 1", &format!("t:7:15: {AT}.enable_dhcp: found an integer, expected true or false")),
        ("600", "11", &format!("t:9:19: {AT}.dhcp_lease_time: found 11, expected a time in seconds from 12 to 4294967295")),
        ("600", "4294967295", "accepted"),
        ("\"10.0.0.3\"", "\"ns\"", &format!("t:10:20: {AT}.dns_nameservers[0]: found \"ns\", expected an IP address such as 192.0.2.1 or 2001:db8::1")),
        ("\"10.0.0.3\"", "\"::1\"", &format!("t:10:20: {AT}.dns_nameservers[0]: found ::1, expected an IPv4 address like those of the subnet")),
        ("\"10.0.0.3\"", "\"224.0.0.1\"", &format!("t:10:20: {AT}.dns_nameservers[0]: found 224.0.0.1, expected a unicast address")),
        ("ntp_servers = [\"192.0.2.123\"]", &many, &format!("t:11:15: {AT}.ntp_servers: found a list of 64, expected at most 63")),
        ("\"blue.example\"", "\"blue..example\"", &format!("t:12:15: {AT}.domain_name: found \"blue..example\", {DOMAIN}")),
        ("\"_x.example\"", "\"-x.example\"", &format!("t:13:35: {AT}.domain_search[1]: found \"-x.example\", {DOMAIN}")),
        ("\"192.0.2.0/24\"", "\"192.0.2.1/24\"", &format!("t:14:32: {AT}.host_routes[0].destination: found 192.0.2.1/24, which has host bits set, expected the network address: 192.0.2.0/24")),
        ("\"10.0.0.9\"", "\"fe80::9\"", &format!("t:14:58: {AT}.host_routes[0].nexthop: found fe80::9, expected an IPv4 address like those of the subnet")),
        ("\"10.0.0.9\"", "\"255.255.255.255\"", &format!("t:14:58: {AT}.host_routes[0].nexthop: found 255.255.255.255, expected a unicast address")),
        ("198.51.100.7/32", "192.0.2.0/24", &format!("t:14:88: {AT}.host_routes[1].destination: found 192.0.2.0/24 again, expected one route to each destination; {AT}.host_routes[0].destination is at line 14")),
        (", nexthop = \"10.0.0.9\"", "", &format!("t:14:16: {AT}.host_routes[0]: found no nexthop, expected the address of a router")),
        ("nexthop", "via", &format!("t:14:48: {AT}.host_routes[0].via: found an unknown key, expected destination or nexthop\nt:14:16: {AT}.host_routes[0]: found no nexthop, expected the address of a router").split('\n').rev().collect::<Vec<_>>().join("\n")),
        ("boot.example", "boot example", &format!("t:15:20: {AT}.tftp_server_name: found \"boot example\", expected a host name or an IP address")),
        ("boot.example", "192.0.2.8", "accepted"),
        ("pxelinux.0", "", &format!("t:16:17: {AT}.bootfile_name: found \"\", {FILE}")),
        ("http://192.0.2.9/ipxe", &long, &format!("t:22:17: ports.a.bootfile_name: found {:?}, {FILE}", &long[..80])),
    ]);
}

#[test]
fn a_server_needs_an_address_that_is_the_subnets_and_nobody_elses() {
    const AT: &str = "networks.blue.subnets.v4";
    expect(&[
        (
            "\"10.0.0.2\"",
            "\"10.0.1.2\"",
            &format!("t:8:18: {AT}.dhcp_server_ip: found 10.0.1.2, expected an address of the subnet 10.0.0.0/24"),
        ),
        (
            "\"10.0.0.2\"",
            "\"10.0.0.255\"",
            &format!(
                "t:8:18: {AT}.dhcp_server_ip: found 10.0.0.255, expected neither the network address nor the broadcast address of 10.0.0.0/24"
            ),
        ),
        (
            "\"10.0.0.2\"",
            "\"fe80::1\"",
            &format!("t:8:18: {AT}.dhcp_server_ip: found fe80::1, expected an address of the subnet 10.0.0.0/24"),
        ),
        (
            "\"10.0.0.7\"",
            "\"10.0.0.2\"",
            &format!(
                "t:21:14: ports.a.fixed_ips[0]: found 10.0.0.2, expected an address that is not the DHCP server's; {AT}.dhcp_server_ip is at line 8"
            ),
        ),
        // A router may be a port, and DHCP may be answered in its name.
        ("\"10.0.0.7\"", "\"10.0.0.1\"", "accepted"),
        ("dhcp_server_ip = \"10.0.0.2\"\n", "", "accepted"),
        ("gateway_ip = \"10.0.0.1\"\n", "", "accepted"),
        (
            "gateway_ip = \"10.0.0.1\"\nenable_dhcp = true\ndhcp_server_ip = \"10.0.0.2\"\n",
            "enable_dhcp = true\n",
            &format!(
                "t:4:1: {AT}: found enable_dhcp without a server's address, expected dhcp_server_ip or gateway_ip"
            ),
        ),
        ("gateway_ip = \"10.0.0.1\"\nenable_dhcp = true\ndhcp_server_ip = \"10.0.0.2\"\n", "", "accepted"),
    ]);
    let v6 = GOOD.replace("[ports.a]", "[networks.blue.subnets.v6]\ncidr = \"2001:db8::/64\"\nenable_dhcp = true\ndns_nameservers = [\"2001:db8::53\"]\n[ports.a]");
    let topology = Topology::parse(&v6, "t").unwrap();
    assert!(topology.network("blue").unwrap().subnets[1].dhcp.enable_dhcp, "a server of DHCPv6 needs no address");
}

#[test]
fn what_dhcp_says_is_part_of_the_difference() {
    let old = Topology::parse(GOOD, "t").unwrap();
    let new = Topology::parse(&GOOD.replace("600", "601"), "t").unwrap();
    assert_eq!(Topology::diff(&old, &new).networks, ["blue".into()]);
    let new = Topology::parse(&GOOD.replace("ipxe", "gpxe"), "t").unwrap();
    assert_eq!(Topology::diff(&old, &new).ports, ["a".into()]);
}

#[test]
fn a_domain_name_is_held_to_its_limits() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", &label[..61]);
    for good in ["a", "a-b.example", "xn--bcher-kva.example", "3com.example", &longest, &format!("{longest}.")] {
        assert_eq!(DomainName::new(good).unwrap().to_string(), good.trim_end_matches('.'));
    }
    for bad in ["", ".", "a..b", ".a", "a-.b", "-a", "a b", "bücher", &format!("{label}a"), &format!("{longest}a")] {
        assert_eq!(DomainName::new(bad), None, "{bad:?}");
    }
}
