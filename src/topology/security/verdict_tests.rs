use super::*;
use crate::topology::Topology;

const GOOD: &str = "
[nodes.n]
[nodes.m]
[networks.blue]
type = 'local'
subnets.v4.cidr = '10.0.0.0/24'
subnets.v6.cidr = '2001:db8::/64'
[networks.red]
type = 'local'
[address_groups.office]
addresses = ['203.0.113.0/24']
[security_groups.web]
[[security_groups.web.rules]]
direction = 'ingress'
protocol = 'tcp'
port_range = '8000-8010'
[[security_groups.web.rules]]
direction = 'ingress'
protocol = 'tcp'
port_range = '80'
remote_group = 'client'
[[security_groups.web.rules]]
direction = 'ingress'
protocol = 'icmp'
remote_address_group = 'office'
[security_groups.client]
rules = [{ direction = 'egress' }]
[security_groups.plain]
stateful = false
rules = [{ direction = 'egress', protocol = 'tcp', port_range = '80' }, { direction = 'egress', ethertype = 'IPv6' }]
[ports.web]
network = 'blue'
node = 'n'
mac_address = 'fa:16:3e:00:00:01'
fixed_ips = ['10.0.0.1', '2001:db8::1']
security_groups = ['web']
[ports.client]
network = 'blue'
node = 'n'
mac_address = 'fa:16:3e:00:00:02'
fixed_ips = ['10.0.0.2']
allowed_address_pairs = [{ ip_address = '10.0.0.128/25', mac_address = 'fa:16:3e:00:00:99' }]
security_groups = ['client']
[ports.plain]
network = 'blue'
node = 'm'
mac_address = 'fa:16:3e:00:00:03'
fixed_ips = ['10.0.0.3', '2001:db8::3']
security_groups = ['plain']
[ports.open]
network = 'red'
node = 'n'
mac_address = 'fa:16:3e:00:00:04'
port_security = false
";

fn topology() -> Topology {
    Topology::parse(GOOD, "t").unwrap_or_else(|refused| panic!("{refused}"))
}

fn traffic(source: &str, destination: &str, payload: Payload) -> Traffic {
    let [source, destination] = [source, destination].map(|text| text.parse().unwrap());
    Traffic { source, destination, eth_src: None, eth_dst: None, payload }
}

const fn tcp(destination: u16) -> Payload {
    Payload::Ports { protocol: 6, source: 40000, destination }
}

fn rules(verdict: &Verdict<'_>) -> String {
    match verdict {
        Ok(Pass::Rules(rules)) => rules.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_rule_that_lets_a_packet_through_is_named_by_group_and_number() {
    let topology = topology();
    let (web, client) = (topology.port("web").unwrap(), topology.port("client").unwrap());
    let request = traffic("10.0.0.2", "10.0.0.1", tcp(80));
    assert_eq!(rules(&topology.leaves(client, &request, Role::First)), "security group client, rule 1");
    assert_eq!(rules(&topology.enters(web, &request, Role::First)), "security group web, rule 2");
    assert_eq!(topology.enters(client, &request.answer().unwrap(), Role::Answer), Ok(Pass::Answer));
}

#[test]
fn where_no_rule_allows_a_packet_the_nearest_is_named_with_what_it_misses() {
    let topology = topology();
    let web = topology.port("web").unwrap();
    for (source, payload, expected) in [
        ("10.0.0.3", tcp(80), "security group web, rule 2: 10.0.0.3 is no address of security group client"),
        ("10.0.0.3", tcp(8011), "security group web, rule 1: not for port 8011"),
        ("10.0.0.2", tcp(90), "security group web, rule 2: not for port 90"),
        (
            "192.0.2.1",
            Payload::Icmp { icmp_type: 8, icmp_code: 0 },
            "security group web, rule 3: 192.0.2.1 is not in address group office",
        ),
    ] {
        let traffic = traffic(source, "10.0.0.1", payload);
        let Err(Stop::NoRule { nearest: Some(nearest) }) = topology.enters(web, &traffic, Role::First) else {
            panic!("{traffic:?}: {:?}", topology.enters(web, &traffic, Role::First));
        };
        assert_eq!(format!("{nearest}: {}", topology.mismatch_words(&nearest, &traffic)), expected);
    }
    let ipv6 = traffic("2001:db8::3", "2001:db8::1", tcp(80));
    let Err(Stop::NoRule { nearest: Some(nearest) }) = topology.enters(web, &ipv6, Role::First) else { panic!() };
    assert_eq!(topology.mismatch_words(&nearest, &ipv6), "not for IPv6");
    let none = topology.leaves(web, &traffic("10.0.0.1", "10.0.0.2", tcp(80)), Role::First);
    assert_eq!(none, Err(Stop::NoRule { nearest: None }));
}

#[test]
fn without_tracking_an_answer_needs_a_rule_of_its_own() {
    let topology = topology();
    let plain = topology.port("plain").unwrap();
    let request = traffic("10.0.0.3", "10.0.0.1", tcp(80));
    assert!(matches!(topology.leaves(plain, &request, Role::First), Ok(Pass::Rules(_))));
    let answer = request.answer().unwrap();
    assert_eq!(answer.payload, Payload::Ports { protocol: 6, source: 80, destination: 40000 });
    assert_eq!(topology.enters(plain, &answer, Role::Answer), Err(Stop::NoRule { nearest: None }));
}

#[test]
fn a_port_sends_from_its_own_addresses_and_with_the_ethernet_address_of_each() {
    let topology = topology();
    let client = topology.port("client").unwrap();
    for (address, mac) in [
        ("10.0.0.2", Some("fa:16:3e:00:00:02")),
        ("10.0.0.130", Some("fa:16:3e:00:00:99")),
        ("fe80::7", Some("fa:16:3e:00:00:02")),
        ("fe80::f816:3eff:fe00:99", Some("fa:16:3e:00:00:02")),
        ("10.0.0.1", None),
        ("2001:db8::1", None),
    ] {
        assert_eq!(client.mac_of(address.parse().unwrap()).map(|mac| mac.to_string()).as_deref(), mac, "{address}");
    }
    let forged = traffic("10.0.0.1", "10.0.0.3", tcp(80));
    assert_eq!(topology.leaves(client, &forged, Role::First), Err(Stop::Forged));
    let wrong_mac = Traffic { eth_src: Some(client.mac_address), ..traffic("10.0.0.130", "10.0.0.3", tcp(80)) };
    assert_eq!(topology.leaves(client, &wrong_mac, Role::First), Err(Stop::Forged));
}

#[test]
fn what_every_port_needs_passes_without_a_rule_and_servers_are_refused() {
    let topology = topology();
    let web = topology.port("web").unwrap();
    let udp = |source, destination| Payload::Ports { protocol: 17, source, destination };
    let icmp = |icmp_type| Payload::Icmp { icmp_type, icmp_code: 0 };
    let out = |source: &str, destination: &str, payload| {
        topology.leaves(web, &traffic(source, destination, payload), Role::First)
    };
    assert_eq!(out("0.0.0.0", "255.255.255.255", udp(68, 67)), Ok(Pass::Needed));
    assert_eq!(out("10.0.0.1", "255.255.255.255", udp(67, 68)), Err(Stop::Server));
    assert_eq!(out("fe80::1", "ff02::1", icmp(134)), Err(Stop::Server));
    assert_eq!(out("2001:db8::1", "2001:db8::3", icmp(136)), Ok(Pass::Needed));
    assert_eq!(out("::", "ff02::1:ff00:1", icmp(135)), Ok(Pass::Needed));
    assert_eq!(out("::", "2001:db8::3", icmp(135)), Err(Stop::Forged));
    assert_eq!(out("::", "ff02::16", icmp(143)), Ok(Pass::Needed));
    assert_eq!(out("fe80::1", "ff02::16", icmp(143)), Ok(Pass::Needed));
    assert_eq!(out("2001:db8::1", "ff02::16", icmp(143)), Err(Stop::NoConnection));
    let strange = Traffic { eth_src: "fa:16:3e:00:00:77".parse().ok(), ..traffic("::", "ff02::16", icmp(143)) };
    assert_eq!(topology.leaves(web, &strange, Role::First), Err(Stop::Forged));
    let into = |payload| topology.enters(web, &traffic("fe80::9", "2001:db8::1", payload), Role::First);
    assert_eq!(into(icmp(134)), Ok(Pass::Needed));
    assert_eq!(into(udp(547, 546)), Ok(Pass::Needed));
    assert_eq!(into(icmp(129)), Err(Stop::NoConnection));
}

#[test]
fn a_port_without_port_security_and_a_topology_without_groups_let_everything_through() {
    let open = topology();
    let port = open.port("open").unwrap();
    let any = traffic("10.9.9.9", "10.0.0.1", tcp(80));
    assert_eq!(open.leaves(port, &any, Role::First), Ok(Pass::Unfiltered));
    assert_eq!(open.enters(port, &any, Role::First), Ok(Pass::Unfiltered));
    let web = open.port("web").unwrap();
    assert_eq!(open.no_way(port, web), Some(NoWay::OtherNetwork));
    assert_eq!(open.no_way(web, open.port("plain").unwrap()), Some(NoWay::Local));
    assert_eq!(open.no_way(web, open.port("client").unwrap()), None);
    let closed = Topology::parse("[nodes.n]\n[networks.b]\ntype = 'local'\n[ports.p]\nnetwork = 'b'\nnode = 'n'\nmac_address = 'fa:16:3e:00:00:01'", "t").unwrap();
    assert_eq!(closed.leaves(closed.port("p").unwrap(), &any, Role::First), Ok(Pass::NoFirewall));
}

#[test]
fn rules_are_found_in_the_text_of_their_file() {
    let topology = topology();
    let rules: Vec<RuleRef<'_>> =
        ["web", "client"].iter().flat_map(|name| topology.security_group(name).unwrap().all_rules()).collect();
    let lines: Vec<u32> =
        Topology::rule_positions(GOOD, &rules).into_iter().map(|position| position.unwrap().line).collect();
    assert_eq!(lines, [13, 17, 22, 27]);
    let implied = SecurityGroup::implied();
    let implied: Vec<RuleRef<'_>> = implied.all_rules().collect();
    assert_eq!(Topology::rule_positions(GOOD, &implied), [None, None]);
}
