//! What DHCPv6 clients and hosts that look for routers send, through the wanted flows: what comes up, and what is
//! switched as ever.

mod support;

use heddle::openflow::oxm::{self, Field};
use heddle::openflow::{MacAddr, matching};
use heddle::topology::Topology;
use support::flow_sim::Packet;
use support::world::{Heard, World};

/// In red Heddle advertises, in blue it gives addresses too, in green it tells settings alone, in grey nothing. Each has a
/// `server` on the other node, and red a router.
const TOPOLOGY: &str = r#"
    nodes.one.tunnel_ip = "192.0.2.1"
    nodes.two.tunnel_ip = "192.0.2.2"
    [networks]
    red = { type = "vxlan", segmentation_id = 1, subnets = { v6 = { cidr = "2001:db8:1::/64", gateway_ip = "2001:db8:1::1", ipv6_ra_mode = "slaac" } } }
    blue = { type = "vxlan", segmentation_id = 2, subnets = { v6 = { cidr = "2001:db8:2::/64", enable_dhcp = true, ipv6_ra_mode = "dhcpv6-stateful", ipv6_address_mode = "dhcpv6-stateful" } } }
    green = { type = "vxlan", segmentation_id = 3, subnets = { v6 = { cidr = "2001:db8:3::/64", enable_dhcp = true, ipv6_address_mode = "dhcpv6-stateless" } } }
    grey = { type = "vxlan", segmentation_id = 4, subnets = { v6 = { cidr = "2001:db8:4::/64" } } }
    [ports]
    red1 = { network = "red", node = "one", mac_address = "fa:16:3e:00:00:01" }
    blue1 = { network = "blue", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["2001:db8:2::11"], port_security = false }
    green1 = { network = "green", node = "one", mac_address = "fa:16:3e:00:00:01" }
    grey1 = { network = "grey", node = "one", mac_address = "fa:16:3e:00:00:01" }
    red-router = { network = "red", node = "one", mac_address = "fa:16:3e:00:00:05", fixed_ips = ["2001:db8:1::1"] }
    red-server = { network = "red", node = "two", mac_address = "fa:16:3e:00:00:09", port_security = false }
    blue-server = { network = "blue", node = "two", mac_address = "fa:16:3e:00:00:09", port_security = false }
    green-server = { network = "green", node = "two", mac_address = "fa:16:3e:00:00:09", port_security = false }
    grey-server = { network = "grey", node = "two", mac_address = "fa:16:3e:00:00:09", port_security = false }
"#;

const OWN: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
const STRANGER: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 0x77]);

fn world() -> World {
    World::new(Topology::parse(TOPOLOGY, "topology.toml").unwrap(), |_| {})
}

fn packet(src: MacAddr, dst: &str, fields: &[(&'static Field, u128)]) -> Packet {
    let dst: std::net::Ipv6Addr = dst.parse().unwrap();
    let [.., a, b, c, d] = dst.octets();
    let group = MacAddr([0x33, 0x33, a, b, c, d]);
    let base = [
        (&oxm::ETH_SRC, matching::mac_number(src)),
        (&oxm::ETH_DST, matching::mac_number(group)),
        (&oxm::ETH_TYPE, 0x86dd),
        (&oxm::IPV6_DST, u128::from(dst)),
    ];
    base.iter().chain(fields).fold(Packet::default(), |packet, (field, value)| packet.with(field, *value))
}

fn solicit(src: MacAddr) -> Packet {
    packet(src, "ff02::1:2", &[(&oxm::IP_PROTO, 17), (&oxm::UDP_SRC, 546), (&oxm::UDP_DST, 547)])
}

fn router_solicitation(src: MacAddr) -> Packet {
    packet(src, "ff02::2", &[(&oxm::IP_PROTO, 58), (&oxm::ICMPV6_TYPE, 133)])
}

/// Came up once, and nobody else got anything.
fn came_up(heard: &Heard) -> bool {
    heard.up.len() == 1 && heard.ports.is_empty() && heard.underlay.is_empty()
}

/// Went to everybody in the network and not up.
fn was_switched(heard: &Heard, network: &str) -> bool {
    heard.up.is_empty() && heard.ports.contains_key(&format!("{network}-server"))
}

#[test]
fn what_heddle_answers_comes_up_and_goes_nowhere_else_and_the_rest_is_switched() {
    let world = world();
    for (network, answers_dhcpv6, advertises) in
        [("red", false, true), ("blue", true, true), ("green", true, false), ("grey", false, false)]
    {
        let port = format!("{network}1");
        for (what, packet, comes_up) in [
            ("a solicit", solicit(OWN), answers_dhcpv6),
            ("a router solicitation", router_solicitation(OWN), advertises),
        ] {
            let heard = world.send(&port, packet);
            let expected = if comes_up { came_up(&heard) } else { was_switched(&heard, network) };
            assert!(expected, "{what} from {port}: {heard:?}");
        }
    }
}

#[test]
fn what_servers_and_routers_say_is_switched() {
    let world = world();
    let reply = packet(STRANGER, "ff02::1", &[(&oxm::IP_PROTO, 17), (&oxm::UDP_SRC, 547), (&oxm::UDP_DST, 546)]);
    let advertisement = packet(STRANGER, "ff02::1", &[(&oxm::IP_PROTO, 58), (&oxm::ICMPV6_TYPE, 134)]);
    for packet in [reply, advertisement] {
        let heard = world.send("blue-server", packet);
        assert!(heard.up.is_empty() && heard.ports.contains_key("blue1"), "{heard:?}");
    }
}

#[test]
fn a_router_asks_other_routers_as_ever() {
    let heard = world().send("red-router", router_solicitation(MacAddr([0xfa, 0x16, 0x3e, 0, 0, 5])));
    assert!(was_switched(&heard, "red"), "{heard:?}");
}

#[test]
fn an_address_is_asked_for_by_the_port_itself_and_a_router_by_whoever_is_behind_it() {
    let world = world();
    assert!(world.send("blue1", solicit(STRANGER)).nothing());
    assert!(came_up(&world.send("blue1", router_solicitation(STRANGER))));
    assert!(world.send("red1", router_solicitation(STRANGER)).nothing(), "it is spoofed");
}
