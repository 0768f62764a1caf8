//! What clients of DHCP send, through the wanted flows: what comes up, and what is switched as ever.

mod support;

use heddle::openflow::oxm::{self, Field};
use heddle::openflow::{MacAddr, matching};
use heddle::topology::{DHCP_SERVER_MAC, Topology};
use support::flow_sim::Packet;
use support::world::{Heard, World};

/// In each network a `server` has DHCP of its own at .9, in `plain` Heddle has none.
const TOPOLOGY: &str = r#"
    nodes.one.tunnel_ip = "192.0.2.1"
    nodes.two.tunnel_ip = "192.0.2.2"
    [networks]
    red = { type = "vxlan", segmentation_id = 1001, subnets = { v4 = { cidr = "10.0.0.0/24", enable_dhcp = true, dhcp_server_ip = "10.0.0.2", gateway_ip = "10.0.0.1" }, off = { cidr = "10.0.1.0/24", gateway_ip = "10.0.1.1" } } }
    routed = { type = "vxlan", segmentation_id = 1002, subnets = { v4 = { cidr = "10.0.0.0/24", enable_dhcp = true, gateway_ip = "10.0.0.1" } } }
    empty = { type = "vxlan", segmentation_id = 1003, subnets = { v4 = { cidr = "10.0.0.0/24", enable_dhcp = true, gateway_ip = "10.0.0.1" } } }
    office = { type = "vlan", physical_network = "physnet", segmentation_id = 100, subnets = { v4 = { cidr = "10.0.0.0/24", enable_dhcp = true, gateway_ip = "10.0.0.1" } } }
    annex = { type = "vlan", physical_network = "physnet", segmentation_id = 101, subnets = { v4 = { cidr = "10.0.0.0/24", enable_dhcp = true, dhcp_server_ip = "10.0.0.2", gateway_ip = "10.0.0.1" } } }
    [ports]
    red1 = { network = "red", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.11"] }
    red2 = { network = "red", node = "one", mac_address = "fa:16:3e:00:00:02", fixed_ips = ["10.0.1.12"] }
    bare = { network = "red", node = "one", mac_address = "fa:16:3e:00:00:03" }
    open = { network = "red", node = "one", mac_address = "fa:16:3e:00:00:04", fixed_ips = ["10.0.0.14"], port_security = false }
    server = { network = "red", node = "two", mac_address = "fa:16:3e:00:00:09", port_security = false }
    routed1 = { network = "routed", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.11"] }
    router = { network = "routed", node = "two", mac_address = "fa:16:3e:00:00:09", fixed_ips = ["10.0.0.1"] }
    empty1 = { network = "empty", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.11"] }
    office1 = { network = "office", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.11"] }
    annex1 = { network = "annex", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.11"] }
"#;

fn world() -> World {
    World::new(Topology::parse(TOPOLOGY, "topology.toml").unwrap(), |config| {
        config.bridges.physical.insert("physnet".into(), "br-phys".into());
    })
}

fn mac(last: u8) -> MacAddr {
    MacAddr([0xfa, 0x16, 0x3e, 0, 0, last])
}

fn ip(text: &str) -> u128 {
    u128::from(u32::from(text.parse::<std::net::Ipv4Addr>().unwrap()))
}

fn packet(src: MacAddr, dst: MacAddr, fields: &[(&'static Field, u128)]) -> Packet {
    let ends = [(&oxm::ETH_SRC, src), (&oxm::ETH_DST, dst)].map(|(field, mac)| (field, matching::mac_number(mac)));
    ends.iter().chain(fields).fold(Packet::default(), |packet, (field, value)| packet.with(field, *value))
}

/// UDP over IPv4.
fn udp(src: MacAddr, dst: (MacAddr, &str), ports: (u128, u128)) -> Packet {
    let fields = [
        (&oxm::ETH_TYPE, 0x0800),
        (&oxm::IP_PROTO, 17),
        (&oxm::IPV4_DST, ip(dst.1)),
        (&oxm::UDP_SRC, ports.0),
        (&oxm::UDP_DST, ports.1),
    ];
    packet(src, dst.0, &fields)
}

fn discover(src: MacAddr) -> Packet {
    udp(src, (MacAddr::BROADCAST, "255.255.255.255"), (68, 67))
}

fn who_has(src: MacAddr, sender: &str, target: &str) -> Packet {
    let fields = [
        (&oxm::ETH_TYPE, 0x0806),
        (&oxm::ARP_OP, 1),
        (&oxm::ARP_SHA, matching::mac_number(src)),
        (&oxm::ARP_SPA, ip(sender)),
        (&oxm::ARP_TPA, ip(target)),
    ];
    packet(src, MacAddr::BROADCAST, &fields)
}

/// Came up once, and nobody else got anything.
fn came_up(heard: &Heard) -> bool {
    heard.up.len() == 1 && heard.ports.is_empty() && heard.underlay.is_empty() && heard.wire.is_empty()
}

#[test]
fn what_a_client_sends_to_any_server_or_to_heddle_comes_up_and_goes_nowhere_else() {
    let world = world();
    for (port, number) in [("red1", 1), ("open", 4), ("routed1", 1), ("empty1", 1), ("office1", 1), ("annex1", 1)] {
        assert!(came_up(&world.send(port, discover(mac(number)))), "{port}");
    }
    for (port, server) in [("red1", "10.0.0.2"), ("annex1", "10.0.0.2"), ("routed1", "10.0.0.1")] {
        assert!(came_up(&world.send(port, udp(mac(1), (DHCP_SERVER_MAC, server), (68, 67)))), "{port}");
    }
}

#[test]
fn a_port_that_heddle_gives_no_address_finds_another_server() {
    let world = world();
    // No address in the subnet that has DHCP, and none at all: beside them are ports that are answered.
    for (port, number) in [("red2", 2), ("bare", 3), ("server", 9)] {
        let heard = world.send(port, discover(mac(number)));
        assert!(heard.up.is_empty(), "{port}");
        assert_eq!(heard.ports.contains_key("server"), port != "server", "{port}");
        assert_eq!(heard.ports.len(), 4, "{port}");
    }
}

#[test]
fn a_request_to_another_server_and_the_answers_of_servers_are_switched() {
    let world = world();
    let heard = world.send("red1", udp(mac(1), (mac(9), "10.0.0.9"), (68, 67)));
    assert!(heard.up.is_empty() && heard.ports.contains_key("server"));
    let heard = world.send("server", udp(mac(9), (mac(3), "10.0.0.13"), (67, 68)));
    assert!(heard.up.is_empty() && heard.ports.contains_key("bare"));
}

#[test]
fn nothing_comes_up_from_a_mac_address_that_is_not_the_ports() {
    let world = world();
    for port in ["red1", "open"] {
        assert!(world.send(port, discover(mac(0x77))).nothing(), "{port}");
    }
}

#[test]
fn the_servers_address_answers_arp_where_no_machine_has_it() {
    let world = world();
    for (port, target) in [("red1", "10.0.0.2"), ("empty1", "10.0.0.1"), ("annex1", "10.0.0.2")] {
        let heard = world.send(port, who_has(mac(1), "10.0.0.11", target));
        assert_eq!(heard.by(), [port], "one answer, and nobody is asked");
        assert!(heard.underlay.is_empty() && heard.wire.is_empty() && heard.up.is_empty());
        let answer = heard.ports[port][0].clone();
        let expected = who_has(DHCP_SERVER_MAC, target, "10.0.0.11")
            .with(&oxm::ETH_DST, matching::mac_number(mac(1)))
            .with(&oxm::ARP_THA, matching::mac_number(mac(1)))
            .with(&oxm::ARP_OP, 2);
        assert_eq!(answer, expected, "{port}");
    }
}

#[test]
fn a_machine_that_has_the_servers_address_answers_arp_itself() {
    let world = world();
    let heard = world.send("routed1", who_has(mac(1), "10.0.0.11", "10.0.0.1"));
    assert_eq!(heard.by(), ["routed1"], "the tunnel bridge answers for ports of other nodes");
    let answer = &heard.ports["routed1"][0];
    assert_eq!(*answer, answer.clone().with(&oxm::ARP_SHA, matching::mac_number(mac(9))), "with the router's address");
    let heard = world.send("office1", who_has(mac(1), "10.0.0.11", "10.0.0.1"));
    assert_eq!(heard.wire.len(), 1, "the gateway is somewhere on the physical network");
}

#[test]
fn other_addresses_and_other_ports_ask_as_ever() {
    let world = world();
    for (port, number, sender, target) in [("red1", 1, "10.0.0.11", "10.0.0.9"), ("red2", 2, "10.0.1.12", "10.0.0.2")] {
        let heard = world.send(port, who_has(mac(number), sender, target));
        assert!(heard.ports.contains_key("server") && !heard.ports.contains_key(port), "{port}");
    }
}

#[test]
fn arp_with_a_forged_sender_gets_no_answer() {
    assert!(world().send("red1", who_has(mac(1), "10.0.0.99", "10.0.0.2")).nothing());
    assert!(world().send("red1", who_has(mac(0x77), "10.0.0.11", "10.0.0.2")).nothing());
}
