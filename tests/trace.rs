//! `ofctl-dump trace` against `ofproto/trace` of a real Open vSwitch: the same flows in the same order, the same
//! packet in the end, the same packets out of the same ports.

mod support;

use std::fs;

use heddle::agent::preview::{Preview, preview};
use heddle::config::{Config, DatapathType};
use heddle::flow::text::Cookies;
use heddle::topology::Topology;
use support::switch::Switch;
use support::trace_lab::{Lab, add_flows, add_port, add_ports};

/// A flow for each kind of action, told apart by input port 1 and the register of a test.
const ACTIONS: &str = include_str!("trace/actions.flows");
/// Packets for them: what the packet is, then the states of its connection.
const PACKETS: &str = include_str!("trace/actions.packets");

#[test]
fn every_action_leads_where_open_vswitch_says() {
    let Some(switch) = Switch::start(&["br-int", "br-tun"]) else { return };
    add_ports(&switch, "br-int", "p", 6);
    add_port(&switch, "br-int", "patch-tun", 10, &["type=patch", "options:peer=patch-int"]);
    add_port(&switch, "br-tun", "patch-int", 1, &["type=patch", "options:peer=patch-tun"]);
    add_port(
        &switch,
        "br-tun",
        "vxlan-c0000202",
        2,
        &["type=vxlan", "options:remote_ip=192.0.2.2", "options:key=flow"],
    );
    for group in [
        "group_id=1,type=all,bucket=actions=output:2,bucket=actions=set_field:8->nw_ttl,output:3",
        "group_id=2,type=indirect,bucket=actions=push_vlan:0x8100,set_field:4196->vlan_vid,output:2",
        "group_id=3,type=ff,bucket=watch_port:2,actions=output:2,bucket=watch_port:3,actions=output:3",
        "group_id=4,type=select,bucket=weight:0,actions=output:3,bucket=weight:5,actions=resubmit(,40)",
        "group_id=5,type=all,bucket=actions=group:1,bucket=actions=output:4",
    ] {
        switch.run("ovs-ofctl", &["-OOpenFlow13", "add-group", "unix:br-int.mgmt", group]);
    }
    switch
        .run("ovs-ofctl", &["-OOpenFlow13", "add-meter", "unix:br-int.mgmt", "meter=1,kbps,band=type=drop,rate=1000"]);
    add_flows(&switch, "br-int", ACTIONS);
    add_flows(
        &switch,
        "br-tun",
        "priority=5,ip,in_port=1,actions=set_field:1001->tun_id,output:2,IN_PORT\n\
                                  priority=4,in_port=1,reg0=0,actions=output:2\nin_port=2,actions=output:1",
    );
    let mut lab = Lab::new(switch);
    for line in PACKETS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let flow = words.next().unwrap();
        lab.compare("br-int", flow, &words.collect::<Vec<_>>());
    }
    let (packets, delivered) = lab.end();
    assert!(packets >= 70 && delivered >= 50, "{packets} packets, {delivered} come out");
}

/// A node with ports of every type of network, and two peers.
const TOPOLOGY: &str = include_str!("trace/topology.toml");

/// Adds the ports that a node's flows are about, with the numbers and VLANs that they have there. Returns what
/// `NORMAL` goes by, which `ofctl-dump` has to be told.
fn plug(switch: &Switch, preview: &Preview, topology: &Topology) -> Vec<String> {
    let mut facts: Vec<String> = Vec::new();
    let mut fact =
        |bridge: &str, port: &str, vlan: &str| facts.extend(["--tag".into(), format!("{bridge}:{port}={vlan}")]);
    let tag_of = |port: &str| {
        let port = topology.port(port)?;
        preview.bindings.local_vlans.get(&port.network).map(|vlan| vlan.vid().to_string())
    };
    for (_, bridge, ports) in &preview.bridges {
        fact(bridge, "LOCAL", "trunk");
        for (number, name) in ports.iter() {
            let patch = |peer: &str| format!("options:peer={peer}");
            let (settings, tag): (Vec<String>, _) = match &**name {
                "patch-tun" => (vec!["type=patch".into(), patch("patch-int")], None),
                "patch-int" => (vec!["type=patch".into(), patch("patch-tun")], None),
                "int-br-phys" => (vec!["type=patch".into(), patch("phy-br-phys")], None),
                "phy-br-phys" => (vec!["type=patch".into(), patch("int-br-phys")], None),
                tunnel if tunnel.starts_with("vxlan-") => {
                    let address = u32::from_str_radix(&tunnel["vxlan-".len()..], 16).unwrap();
                    let remote = format!("options:remote_ip={}", std::net::Ipv4Addr::from(address));
                    (vec!["type=vxlan".into(), remote, "options:key=flow".into()], None)
                }
                name => (vec!["type=internal".into()], tag_of(name)),
            };
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            add_port(switch, bridge, name, number.0, &settings);
            if let Some(tag) = tag {
                switch.vsctl(&["set", "Port", name, &format!("tag={tag}")]);
                fact(bridge, name, &tag);
            }
        }
    }
    add_port(switch, "br-phys", "wire", 1000, &["type=internal"]);
    fact("br-phys", "wire", "trunk");
    facts
}

#[test]
fn the_pipeline_leads_where_open_vswitch_says() {
    let Some(switch) = Switch::start(&["br-int", "br-tun", "br-phys"]) else { return };
    let topology = Topology::parse(TOPOLOGY, "topology.toml").unwrap();
    let mut config = Config::defaults("one");
    config.bridges.datapath_type = DatapathType::Netdev;
    let facts = plug(&switch, &Preview::new(&topology, &config), &topology);
    for bridge in preview(&topology, &config) {
        add_flows(&switch, &bridge.name, std::str::from_utf8(&bridge.text(Cookies::Shown).unwrap()).unwrap());
    }
    let mut lab = Lab::new(switch);
    lab.facts = facts;
    // Nothing learnt, and then some of it.
    for round in ["empty", "learnt"] {
        if round == "learnt" {
            for (port, mac) in [("red1", 1), ("flat1", 1), ("office1", 1), ("island2", 2)] {
                let flow = format!("in_port={port},dl_src=fa:16:3e:00:00:{mac:02x},dl_dst=ff:ff:ff:ff:ff:ff");
                lab.appctl(&["ofproto/trace", "br-int", &flow, "-generate"]);
            }
        }
        for bridge in ["br-int", "br-phys"] {
            let file = lab.switch.path(&format!("{bridge}.fdb"));
            fs::write(&file, lab.appctl(&["fdb/show", bridge])).unwrap();
            if round == "empty" {
                lab.facts.extend(["--fdb".into(), format!("{bridge}={}", file.display())]);
            }
        }
        for (bridge, flow) in pipeline_packets() {
            lab.compare(bridge, &flow, &[]);
        }
    }
    let (packets, delivered) = lab.end();
    assert!(packets >= 180 && delivered >= 60, "{packets} packets, {delivered} come out");
}

/// Packets from every port of the node, from a peer's tunnel and from the wire: allowed and forged, to everybody
/// and to one.
fn pipeline_packets() -> Vec<(&'static str, String)> {
    let mac = |last: u8| format!("fa:16:3e:00:00:{last:02x}");
    let mut packets = Vec::new();
    let ports = [("red1", 1), ("red2", 2), ("open", 6), ("flat1", 1), ("office1", 1), ("island1", 1), ("island2", 2)];
    for (port, own) in ports {
        let mut add = |src: u8, dst: String, rest: &str| {
            packets.push(("br-int", format!("in_port={port},dl_src={},dl_dst={dst},{rest}", mac(src))));
        };
        for dst in [mac(2), mac(3), mac(9), "ff:ff:ff:ff:ff:ff".to_owned(), "01:00:5e:00:00:05".to_owned()] {
            add(own, dst, "udp,nw_ttl=64,udp_src=1,udp_dst=2");
        }
        add(9, mac(2), "ip");
        for (spa, tpa) in [(own, 2), (own, 3), (own, 9), (9, 2)] {
            let arp = format!("arp,arp_op=1,arp_spa=10.0.0.{spa},arp_tpa=10.0.0.{tpa},arp_sha={}", mac(own));
            add(own, "ff:ff:ff:ff:ff:ff".to_owned(), &arp);
        }
        add(own, mac(3), "icmp6,icmpv6_type=136,nd_target=fe80::1");
        // Of a port elsewhere, of one here, of nobody, from beyond the link; and without a word about the sender.
        for (target, ttl, sll) in [(3, 255, own), (2, 255, own), (9, 255, own), (3, 254, own), (3, 255, 0)] {
            let sll = if sll == 0 { "00:00:00:00:00:00".to_owned() } else { mac(sll) };
            let asked = format!(
                "icmp6,nw_ttl={ttl},ipv6_src=2001:db8::1,icmpv6_type=135,nd_target=fe80::f816:3eff:fe00:{target},nd_sll={sll}"
            );
            add(own, "33:33:ff:00:00:03".to_owned(), &asked);
        }
        add(own, mac(3), "dl_vlan=1,dl_type=0x1234");
    }
    for (key, dst) in [(1001, 1), (1001, 9), (1002, 1), (7, 1)] {
        packets
            .push(("br-tun", format!("in_port=vxlan-c0000202,tun_id={key},dl_src={},dl_dst={},ip", mac(3), mac(dst))));
    }
    for tag in ["", ",dl_vlan=100", ",dl_vlan=200"] {
        for dst in [mac(1), "ff:ff:ff:ff:ff:ff".to_owned()] {
            packets.push(("br-phys", format!("in_port=wire,dl_src={},dl_dst={dst}{tag},dl_type=0x0800", mac(3))));
        }
    }
    packets
}
