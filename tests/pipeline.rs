//! Packets through the wanted flows of several nodes, in software.

mod support;

use heddle::openflow::oxm;
use heddle::openflow::{MacAddr, PortNo};
use heddle::pipeline::Bridge;
use heddle::topology::Topology;
use proptest::prelude::*;
use support::flow_sim::Packet;
use support::model::{Kind, Model, mac, model};
use support::world::{Heard, World};

/// Three nodes; `red` and `blue` are VXLAN networks with the same addresses, `flat` and `office` share a physical
/// network, `island` stays on its node.
const TOPOLOGY: &str = r#"
    nodes.one.tunnel_ip = "192.0.2.1"
    nodes.two.tunnel_ip = "192.0.2.2"
    nodes.three.tunnel_ip = "192.0.2.3"
    [networks]
    red = { type = "vxlan", segmentation_id = 1001, subnets = { v4 = { cidr = "10.0.0.0/24" }, v6 = { cidr = "2001:db8::/64" } } }
    blue = { type = "vxlan", segmentation_id = 1002, subnets = { v4 = { cidr = "10.0.0.0/24" } } }
    flat = { type = "flat", physical_network = "physnet", subnets = { v4 = { cidr = "10.0.0.0/24" } } }
    office = { type = "vlan", physical_network = "physnet", segmentation_id = 100, subnets = { v4 = { cidr = "10.0.0.0/24" } } }
    island = { type = "local", subnets = { v4 = { cidr = "10.0.0.0/24" } } }
    [ports]
    red1 = { network = "red", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.1", "2001:db8::1"] }
    red2 = { network = "red", node = "one", mac_address = "fa:16:3e:00:00:02", fixed_ips = ["10.0.0.2"] }
    red3 = { network = "red", node = "two", mac_address = "fa:16:3e:00:00:03", fixed_ips = ["10.0.0.3"] }
    red4 = { network = "red", node = "two", mac_address = "fa:16:3e:00:00:04", fixed_ips = ["10.0.0.4"], port_security = false }
    paired = { network = "red", node = "one", mac_address = "fa:16:3e:00:00:05", fixed_ips = ["10.0.0.5"], allowed_address_pairs = [{ ip_address = "10.0.0.64/28", mac_address = "fa:16:3e:aa:00:05" }] }
    blue1 = { network = "blue", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.1"] }
    blue2 = { network = "blue", node = "three", mac_address = "fa:16:3e:00:00:03", fixed_ips = ["10.0.0.3"] }
    flat1 = { network = "flat", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.1"] }
    flat2 = { network = "flat", node = "two", mac_address = "fa:16:3e:00:00:02", fixed_ips = ["10.0.0.2"] }
    office1 = { network = "office", node = "one", mac_address = "fa:16:3e:00:00:01", fixed_ips = ["10.0.0.1"] }
    office3 = { network = "office", node = "three", mac_address = "fa:16:3e:00:00:03", fixed_ips = ["10.0.0.3"] }
    island1 = { network = "island", node = "one", mac_address = "fa:16:3e:00:00:01" }
    island2 = { network = "island", node = "one", mac_address = "fa:16:3e:00:00:02" }
    island3 = { network = "island", node = "two", mac_address = "fa:16:3e:00:00:03" }
"#;

const BROADCAST: MacAddr = MacAddr::BROADCAST;
const STRANGER: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0xff, 0, 1]);

fn vm(last: u8) -> MacAddr {
    MacAddr([0xfa, 0x16, 0x3e, 0, 0, last])
}

fn world() -> World {
    World::new(Topology::parse(TOPOLOGY, "topology.toml").unwrap(), |_| {})
}

fn number(mac: MacAddr) -> u128 {
    heddle::openflow::matching::mac_number(mac)
}

fn v4(text: &str) -> u128 {
    u128::from(u32::from(text.parse::<std::net::Ipv4Addr>().unwrap()))
}

fn frame(src: MacAddr, dst: MacAddr, eth_type: u16) -> Packet {
    let packet = Packet::default().with(&oxm::ETH_SRC, number(src)).with(&oxm::ETH_DST, number(dst));
    packet.with(&oxm::ETH_TYPE, u128::from(eth_type))
}

fn ip(src: MacAddr, dst: MacAddr) -> Packet {
    frame(src, dst, 0x0800)
}

fn arp(op: u128, src: MacAddr, dst: MacAddr, spa: &str, tpa: &str) -> Packet {
    let packet = frame(src, dst, 0x0806).with(&oxm::ARP_OP, op).with(&oxm::ARP_SHA, number(src));
    packet.with(&oxm::ARP_SPA, v4(spa)).with(&oxm::ARP_TPA, v4(tpa))
}

fn who_has(src: MacAddr, spa: &str, tpa: &str) -> Packet {
    arp(1, src, BROADCAST, spa, tpa)
}

fn advertisement(src: MacAddr, target: &str) -> Packet {
    let target = u128::from(target.parse::<std::net::Ipv6Addr>().unwrap());
    let packet = frame(src, BROADCAST, 0x86dd).with(&oxm::IP_PROTO, 58).with(&oxm::ICMPV6_TYPE, 136);
    packet.with(&oxm::ND_TARGET, target)
}

/// The replies to ARP that a port got: from which MAC address and address.
fn answers(heard: &Heard, port: &str) -> Vec<(u128, u128)> {
    let packets = heard.ports.get(port).into_iter().flatten();
    let replies = packets.filter(|packet| packet.get(&oxm::ARP_OP) == 2);
    replies
        .map(|reply| {
            assert_eq!(reply.get(&oxm::ETH_SRC), reply.get(&oxm::ARP_SHA));
            assert_eq!(reply.get(&oxm::ETH_DST), reply.get(&oxm::ARP_THA));
            (reply.get(&oxm::ARP_SHA), reply.get(&oxm::ARP_SPA))
        })
        .collect()
}

fn peers(heard: &Heard) -> Vec<&str> {
    heard.underlay.iter().map(|(_, to, _)| &**to).collect()
}

#[test]
fn a_port_sends_only_from_its_own_mac_address() {
    let world = world();
    assert_eq!(world.send("red1", ip(vm(1), BROADCAST)).by(), ["paired", "red2", "red3", "red4"]);
    assert!(world.send("red1", ip(vm(2), BROADCAST)).nothing());
    assert!(world.send("red1", ip(STRANGER, vm(2))).nothing());
}

#[test]
fn a_port_sends_arp_only_for_its_own_addresses() {
    let world = world();
    assert!(!world.send("red1", who_has(vm(1), "10.0.0.1", "10.0.0.2")).nothing());
    assert!(world.send("red1", who_has(vm(1), "10.0.0.2", "10.0.0.3")).nothing());
    assert!(world.send("red1", arp(2, vm(1), vm(2), "10.0.0.3", "10.0.0.2")).nothing());
    assert!(world.send("red1", who_has(STRANGER, "10.0.0.1", "10.0.0.2")).nothing(), "own address, foreign MAC");
}

#[test]
fn a_port_advertises_only_its_own_addresses_from_its_own_mac_address() {
    let world = world();
    assert!(!world.send("red1", advertisement(vm(1), "2001:db8::1")).nothing());
    assert!(!world.send("red1", advertisement(vm(1), "fe80::f816:3eff:fe00:1")).nothing());
    assert!(world.send("red1", advertisement(vm(1), "2001:db8::2")).nothing());
    assert!(world.send("red1", advertisement(vm(1), "fe80::f816:3eff:fe00:2")).nothing());
    assert!(world.send("red1", advertisement(STRANGER, "2001:db8::1")).nothing());
}

#[test]
fn address_pairs_widen_what_a_port_may_send() {
    let world = world();
    let second = MacAddr([0xfa, 0x16, 0x3e, 0xaa, 0, 5]);
    assert!(!world.send("paired", ip(second, BROADCAST)).nothing());
    assert!(!world.send("paired", who_has(second, "10.0.0.79", "10.0.0.99")).nothing());
    assert!(!world.send("paired", advertisement(second, "fe80::f816:3eff:feaa:5")).nothing());
    assert!(world.send("paired", who_has(second, "10.0.0.80", "10.0.0.99")).nothing());
}

#[test]
fn a_port_without_port_security_sends_anything() {
    let world = world();
    assert_eq!(world.send("red4", ip(STRANGER, BROADCAST)).by(), ["paired", "red1", "red2", "red3"]);
    assert!(!world.send("red4", advertisement(STRANGER, "2001:db8::77")).nothing());
}

#[test]
fn a_port_that_nobody_bound_gets_nothing() {
    let world = world();
    assert!(world.inject("one", Bridge::Integration, PortNo(99), ip(vm(1), BROADCAST)).nothing());
    let tagged = ip(vm(1), BROADCAST).with_vlan(Some(1));
    assert!(world.inject("one", Bridge::Integration, PortNo(99), tagged).nothing());
}

#[test]
fn arp_for_an_address_on_another_node_is_answered_once_and_stays_here() {
    let world = world();
    let cached = arp(1, vm(1), vm(3), "10.0.0.1", "10.0.0.3");
    for request in [who_has(vm(1), "10.0.0.1", "10.0.0.3"), cached] {
        let heard = world.send("red1", request);
        assert_eq!(answers(&heard, "red1"), [(number(vm(3)), v4("10.0.0.3"))]);
        assert!(heard.underlay.is_empty(), "{heard:?}");
    }
}

#[test]
fn arp_for_an_address_on_this_node_is_heard_there_and_stays_here() {
    let world = world();
    let heard = world.send("red1", who_has(vm(1), "10.0.0.1", "10.0.0.2"));
    assert!(heard.ports["red2"].len() == 1 && answers(&heard, "red1").is_empty() && heard.underlay.is_empty());
}

#[test]
fn arp_for_an_unknown_address_asks_every_node_of_the_network() {
    let world = world();
    let heard = world.send("red1", who_has(vm(1), "10.0.0.1", "10.0.0.99"));
    assert_eq!(peers(&heard), ["two"]);
    assert_eq!(heard.by(), ["paired", "red2", "red3", "red4"]);
    assert!(answers(&heard, "red1").is_empty());
}

#[test]
fn probes_and_gratuitous_arp_are_told_to_all_and_never_answered() {
    let world = world();
    let probe = arp(1, vm(4), BROADCAST, "0.0.0.0", "10.0.0.1");
    let own = who_has(vm(1), "10.0.0.1", "10.0.0.1");
    let taken_over = who_has(STRANGER, "10.0.0.1", "10.0.0.1");
    let reply = arp(2, vm(1), BROADCAST, "10.0.0.1", "10.0.0.1");
    for (port, packet, peer) in
        [("red4", probe, "one"), ("red1", own, "two"), ("red4", taken_over, "one"), ("red1", reply, "two")]
    {
        let heard = world.send(port, packet);
        assert!(!heard.ports.contains_key(port), "something came back: {heard:?}");
        assert_eq!((peers(&heard), heard.ports.len()), (vec![peer], 4), "{port}");
    }
}

/// A neighbour solicitation with the address of its sender, as it asks everybody.
fn solicitation(src: MacAddr, target: std::net::Ipv6Addr) -> Packet {
    let [.., a, b, c] = target.octets();
    frame(src, MacAddr([0x33, 0x33, 0xff, a, b, c]), 0x86dd)
        .with(&oxm::IP_PROTO, 58)
        .with(&oxm::IP_TTL, 255)
        .with(&oxm::IPV6_SRC, u128::from(src.link_local_ipv6()))
        .with(&oxm::IPV6_DST, u128::from_be_bytes([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]))
        .with(&oxm::ICMPV6_TYPE, 135)
        .with(&oxm::ND_TARGET, u128::from(target))
        .with(&oxm::ND_SLL, number(src))
}

fn in_user_space(config: &mut heddle::config::Config) {
    config.bridges.datapath_type = heddle::config::DatapathType::Netdev;
}

#[test]
fn a_solicitation_of_an_address_on_another_node_becomes_its_advertisement() {
    let world = World::new(Topology::parse(TOPOLOGY, "topology.toml").unwrap(), in_user_space);
    for (far, flags) in [(3, 0x6000_0000), (4, 0xe000_0000)] {
        let target = vm(far).link_local_ipv6();
        let asked = solicitation(vm(1), target);
        for question in [asked.clone(), asked.with(&oxm::ETH_DST, number(vm(far)))] {
            let heard = world.send("red1", question);
            assert!(heard.underlay.is_empty() && heard.up.is_empty(), "{heard:?}");
            let [answer] = &heard.ports["red1"][..] else { panic!("{heard:?}") };
            let expected = frame(vm(far), vm(1), 0x86dd)
                .with(&oxm::IP_PROTO, 58)
                .with(&oxm::IP_TTL, 255)
                .with(&oxm::IPV6_SRC, u128::from(target))
                .with(&oxm::IPV6_DST, u128::from(vm(1).link_local_ipv6()))
                .with(&oxm::ICMPV6_TYPE, 136)
                .with(&oxm::ND_TARGET, u128::from(target))
                .with(&oxm::ND_RESERVED, flags)
                .with(&oxm::ND_OPTIONS_TYPE, 2)
                .with(&oxm::ND_TLL, number(vm(far)));
            // What a solicitation has, an advertisement has not.
            assert_eq!(answer.clone().with(&oxm::ND_SLL, 0), expected);
        }
    }
}

#[test]
fn solicitations_that_flows_cannot_answer_go_up_or_where_they_would_have_gone() {
    let world = World::new(Topology::parse(TOPOLOGY, "topology.toml").unwrap(), in_user_space);
    let [near, far, nobody] = [2, 3, 99].map(|last| vm(last).link_local_ipv6());
    let probe = solicitation(vm(1), far).with(&oxm::IPV6_SRC, 0).with(&oxm::ND_SLL, 0);
    let heard = world.send("red1", probe);
    assert_eq!((heard.up.len(), peers(&heard).len()), (1, 0), "{heard:?}");
    let heard = world.send("red1", solicitation(vm(1), near));
    assert!(heard.underlay.is_empty() && heard.up.is_empty() && heard.ports["red2"].len() == 1, "{heard:?}");
    for question in [solicitation(vm(1), nobody), solicitation(vm(1), far).with(&oxm::IP_TTL, 254)] {
        let heard = world.send("red1", question);
        assert_eq!((heard.up.len(), peers(&heard)), (0, vec!["two"]), "{heard:?}");
        assert!(!heard.ports.contains_key("red1"));
    }
}

#[test]
fn what_heddle_answers_goes_up_once_and_nowhere_else() {
    let world = World::new(Topology::parse(TOPOLOGY, "topology.toml").unwrap(), |config| {
        config.tunnel.arp_responder = heddle::config::ResponderMode::Controller;
        config.tunnel.nd_responder = Some(heddle::config::ResponderMode::Controller);
    });
    let known = vm(3).link_local_ipv6();
    let asked = who_has(vm(1), "10.0.0.1", "10.0.0.99");
    for question in [asked, who_has(vm(1), "10.0.0.1", "10.0.0.3"), solicitation(vm(1), known)] {
        let heard = world.send("red1", question);
        assert_eq!((heard.up.len(), heard.underlay.len()), (1, 0), "{heard:?}");
        assert_eq!(heard.by(), ["paired", "red2"], "who is on this host hears it");
    }
    let heard = world.send("flat1", who_has(vm(1), "10.0.0.1", "10.0.0.3"));
    assert!(heard.up.is_empty());
}

#[test]
fn known_unicast_goes_to_its_node_only_and_unknown_to_the_nodes_of_its_network() {
    let world = world();
    let heard = world.send("red1", ip(vm(1), vm(3)));
    let [(from, to, packet)] = &heard.underlay[..] else { panic!("{heard:?}") };
    assert_eq!((&**from, &**to, packet.get(&oxm::TUN_ID), packet.vlan()), ("one", "two", 1001, None));
    assert_eq!(peers(&world.send("blue1", ip(vm(1), STRANGER))), ["three"]);
}

#[test]
fn without_l2_population_everything_is_asked_and_nothing_answered() {
    let learning = |config: &mut heddle::config::Config| config.tunnel.l2_population = false;
    let world = World::new(Topology::parse(TOPOLOGY, "topology.toml").unwrap(), learning);
    let heard = world.send("red1", who_has(vm(1), "10.0.0.1", "10.0.0.3"));
    assert_eq!((peers(&heard), answers(&heard, "red1").len()), (vec!["two"], 0));
    assert_eq!(heard.by(), ["paired", "red2", "red3", "red4"]);
}

#[test]
fn overlapping_networks_never_meet() {
    let world = world();
    let reached = |port: &str| world.send(port, ip(vm(1), BROADCAST)).by().join(" ");
    assert_eq!(reached("red1"), "paired red2 red3 red4");
    assert_eq!(reached("blue1"), "blue2");
    assert_eq!(reached("flat1"), "flat2");
    assert_eq!(reached("office1"), "office3");
    assert_eq!(reached("island1"), "island2");
    let heard = world.send("blue1", who_has(vm(1), "10.0.0.1", "10.0.0.3"));
    assert_eq!(answers(&heard, "blue1"), [(number(vm(3)), v4("10.0.0.3"))]);
    assert!(!heard.ports.contains_key("red3"));
}

#[test]
fn flat_is_untagged_on_the_wire_and_vlan_has_its_segment() {
    let world = world();
    let tags = |port: &str| -> Vec<Option<u16>> {
        world.send(port, ip(vm(1), BROADCAST)).wire.iter().map(|(_, packet)| packet.vlan()).collect()
    };
    assert_eq!(tags("flat1"), [None]);
    assert_eq!(tags("office1"), [Some(100)]);
    let from_wire = |vlan| world.arrive("physnet", ip(STRANGER, BROADCAST).with_vlan(vlan)).by().join(" ");
    assert_eq!(from_wire(None), "flat1 flat2");
    assert_eq!(from_wire(Some(100)), "office1 office3");
    for vlan in [1, 2, 3, 101, 4095] {
        assert_eq!(from_wire(Some(vlan)), "", "{vlan}");
    }
}

#[test]
fn a_vni_that_is_not_in_use_here_is_dropped() {
    let world = world();
    let from_one = PortNo(2);
    let packet = |vni: u128| ip(STRANGER, BROADCAST).with(&oxm::TUN_ID, vni);
    assert!(world.inject("two", Bridge::Tunnel, from_one, packet(1002)).nothing());
    assert_eq!(world.inject("two", Bridge::Tunnel, from_one, packet(1001)).by(), ["red3", "red4"]);
}

/// The ports that should hear a broadcast of a port.
fn members(model: &Model, from: u8) -> Vec<String> {
    let sender = model.ports[&from];
    let local = model.networks[usize::from(sender.network)].kind == Kind::Local;
    let others = model.ports.iter().filter(|(id, _)| **id != from);
    let same = others.filter(|(_, port)| port.network == sender.network && (!local || port.node == sender.node));
    same.map(|(id, _)| format!("port{id}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_broadcast_reaches_its_network_and_nobody_else(model in model(), l2_population in any::<bool>()) {
        let world = World::new(model.topology(), |config| {
            config.bridges.physical = [("phys0".into(), "br-0".into()), ("phys1".into(), "br-1".into())].into();
            config.tunnel.l2_population = l2_population;
        });
        for id in model.ports.keys() {
            let own: MacAddr = mac(*id).parse().unwrap();
            let heard = world.send(&format!("port{id}"), ip(own, BROADCAST));
            prop_assert_eq!(heard.by(), members(&model, *id));
            prop_assert!(heard.ports.values().all(|packets| packets.len() == 1), "heard twice: {:?}", heard);
        }
    }

    #[test]
    fn a_port_is_reached_where_it_is_and_arp_is_answered_once(model in model()) {
        let world = World::new(model.topology(), |config| {
            config.bridges.physical = [("phys0".into(), "br-0".into()), ("phys1".into(), "br-1".into())].into();
        });
        for (id, port) in &model.ports {
            let own: MacAddr = mac(*id).parse().unwrap();
            for (other, there) in model.ports.iter().filter(|(other, there)| *other != id && there.network == port.network) {
                let vxlan = model.networks[usize::from(port.network)].kind == Kind::Vxlan;
                let elsewhere = there.node != port.node;
                let address = format!("10.0.0.{}", other + 1);
                let request = who_has(own, &format!("10.0.0.{}", id + 1), &address);
                let heard = world.send(&format!("port{id}"), request);
                let mac = number(mac(*other).parse().unwrap());
                let responder = model.networks[usize::from(port.network)].responders[0] != Some(false);
                let expected = if vxlan && elsewhere && responder { vec![(mac, v4(&address))] } else { vec![] };
                let leaves = expected.is_empty() && model.networks[usize::from(port.network)].kind != Kind::Local;
                prop_assert_eq!(answers(&heard, &format!("port{id}")), expected);
                prop_assert!(heard.underlay.is_empty() || !responder);
                prop_assert_eq!(heard.ports.contains_key(&format!("port{other}")), leaves || !elsewhere);
                let unicast = world.send(&format!("port{id}"), frame(own, support::model::mac(*other).parse().unwrap(), 0x0800));
                if vxlan && elsewhere {
                    prop_assert_eq!(peers(&unicast), [format!("node{}", there.node)]);
                    let name = format!("port{other}");
                    prop_assert!(unicast.ports.contains_key(&name));
                }
            }
        }
    }
}
