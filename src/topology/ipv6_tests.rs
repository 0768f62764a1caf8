//! The modes of IPv6: what follows from each pair, and each refusal with its line, column and words.

use super::*;

fn topology(modes: &str) -> Result<Topology, Refused> {
    let text = format!(
        r#"[nodes.n1]
[networks.blue]
type = "local"
[networks.blue.subnets.v6]
cidr = "2001:db8::/64"
gateway_ip = "2001:db8::1"
{modes}
[ports.a]
network = "blue"
node = "n1"
mac_address = "fa:16:3e:00:00:01"
fixed_ips = ["2001:db8::7"]
[ports.router]
network = "blue"
node = "n1"
mac_address = "fa:16:3e:00:00:99"
fixed_ips = ["2001:db8::1"]
"#
    );
    Topology::parse(&text, "t")
}

fn subnet(topology: &Topology) -> &Subnet {
    &topology.network("blue").unwrap().subnets[0]
}

fn pair(ra_mode: &str, address_mode: &str, dhcp: &str) -> String {
    let line = |key: &str, mode: &str| if mode.is_empty() { String::new() } else { format!("{key} = \"{mode}\"\n") };
    format!("{}{}{dhcp}", line("ipv6_ra_mode", ra_mode), line("ipv6_address_mode", address_mode))
}

#[test]
fn each_pair_of_modes_says_who_advertises_and_what_dhcp_gives() {
    use Dhcpv6::{Stateful, Stateless};
    for (ra_mode, address_mode, dhcpv6) in [
        ("", "", Some(Stateful)),
        ("", "slaac", None),
        ("", "dhcpv6-stateful", Some(Stateful)),
        ("", "dhcpv6-stateless", Some(Stateless)),
        ("slaac", "", None),
        ("slaac", "slaac", None),
        ("dhcpv6-stateful", "", None),
        ("dhcpv6-stateful", "dhcpv6-stateful", Some(Stateful)),
        ("dhcpv6-stateless", "", None),
        ("dhcpv6-stateless", "dhcpv6-stateless", Some(Stateless)),
    ] {
        let found = topology(&pair(ra_mode, address_mode, "enable_dhcp = true")).unwrap();
        let network = found.network("blue").unwrap();
        assert_eq!(subnet(&found).dhcpv6(), dhcpv6, "{ra_mode:?} {address_mode:?}");
        assert_eq!(network.answers_dhcpv6(), dhcpv6.is_some());
        assert_eq!(network.advertises_routers(), !ra_mode.is_empty(), "{ra_mode:?} {address_mode:?}");
        assert_eq!(subnet(&found).ipv6_ra_mode.map(Ipv6Mode::name).unwrap_or_default(), ra_mode);
    }
}

#[test]
fn without_enable_dhcp_there_are_advertisements_and_no_dhcp() {
    for (ra_mode, address_mode) in [("slaac", "slaac"), ("dhcpv6-stateful", ""), ("dhcpv6-stateless", ""), ("", "")] {
        let found = topology(&pair(ra_mode, address_mode, "")).unwrap();
        assert_eq!(subnet(&found).dhcpv6(), None);
    }
}

#[test]
fn modes_that_contradict_each_other_or_their_subnet_are_refused() {
    const AT: &str = "networks.blue.subnets.v6";
    const BOTH: &str = "or none: both modes say how hosts come by addresses";
    for (lines, expected) in [
        (
            "ipv6_ra_mode = \"SLAAC\"",
            format!(
                "t:7:16: {AT}.ipv6_ra_mode: found \"SLAAC\", expected \"slaac\", \"dhcpv6-stateful\" or \
                 \"dhcpv6-stateless\""
            ),
        ),
        (
            "ipv6_ra_mode = \"slaac\"\nipv6_address_mode = \"dhcpv6-stateless\"\nenable_dhcp = true",
            format!(
                "t:8:21: {AT}.ipv6_address_mode: found \"dhcpv6-stateless\", expected \"slaac\" {BOTH}; \
                 {AT}.ipv6_ra_mode is at line 7"
            ),
        ),
        (
            "ipv6_address_mode = \"dhcpv6-stateful\"",
            format!(
                "t:7:21: {AT}.ipv6_address_mode: found \"dhcpv6-stateful\" with DHCP off, expected enable_dhcp = true \
                 beside it"
            ),
        ),
    ] {
        let found = topology(lines).expect_err("it contradicts").to_string();
        assert_eq!(found, expected);
    }
    let text = r#"[nodes.n1]
[networks.blue]
type = "local"
[networks.blue.subnets]
v4 = { cidr = "10.0.0.0/24", ipv6_ra_mode = "slaac" }
v6 = { cidr = "2001:db8::/48", ipv6_ra_mode = "slaac" }
"#;
    assert_eq!(
        Topology::parse(text, "t").expect_err("no mode of IPv6 fits").to_string(),
        "t:5:45: networks.blue.subnets.v4.ipv6_ra_mode: found a mode of IPv6 in the subnet 10.0.0.0/24, expected none\n\
         t:6:47: networks.blue.subnets.v6.ipv6_ra_mode: found \"slaac\" in the subnet 2001:db8::/48, expected a /64: \
         hosts make addresses of no other (RFC 4291 §2.5.1)"
    );
    let stateful = text.replace("v4 = { cidr = \"10.0.0.0/24\", ipv6_ra_mode = \"slaac\" }\n", "");
    Topology::parse(&stateful.replace("slaac", "dhcpv6-stateful"), "t").expect("DHCPv6 gives addresses of any block");
}

#[test]
fn a_router_is_known_by_its_port_or_its_link_local_address() {
    let router = |gateway: &str| {
        let found = topology("ipv6_ra_mode = \"slaac\"").unwrap();
        let mut subnet = subnet(&found).clone();
        subnet.gateway_ip = (!gateway.is_empty()).then(|| gateway.parse().unwrap());
        found.ipv6_router(found.network("blue").unwrap(), &subnet)
    };
    let mac = "fa:16:3e:00:00:99".parse().unwrap();
    let address = "fe80::f816:3eff:fe00:99".parse().unwrap();
    assert_eq!(router("2001:db8::1"), Some(Ipv6Router { address, mac: Some(mac) }));
    assert_eq!(router("fe80::f816:3eff:fe00:99"), Some(Ipv6Router { address, mac: Some(mac) }));
    assert_eq!(router("fe80::1"), Some(Ipv6Router { address: "fe80::1".parse().unwrap(), mac: None }));
    assert_eq!(router("2001:db8::2"), None);
    assert_eq!(router(""), None);
    let found = topology("ipv6_ra_mode = \"slaac\"").unwrap();
    let hears = ["a", "router"].map(|name| found.hears_routers(found.port(name).unwrap()));
    assert_eq!(hears, [true, false]);
    let silent = topology("").unwrap();
    assert!(!silent.hears_routers(silent.port("a").unwrap()));
}
