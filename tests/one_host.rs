//! A host at single moments, with a switch that is slow on purpose.

mod support;

use std::sync::Arc;

use heddle::config::Config;
use heddle::topology::Topology;
use support::broadcasts::{End, Segment, Wires};
use support::one_host::OneHost;

const TOPOLOGY: &str = "
nodes.node0.tunnel_ip = '192.0.2.1'
nodes.node1.tunnel_ip = '192.0.2.2'
networks.blue = { type = 'vxlan', segmentation_id = 1001 }
networks.green = { type = 'vxlan', segmentation_id = 1002 }
ports.blue0 = { network = 'blue', node = 'node0', mac_address = 'fa:16:3e:00:00:01', port_security = false }
ports.blue1 = { network = 'blue', node = 'node1', mac_address = 'fa:16:3e:00:00:02', port_security = false }
ports.green0 = { network = 'green', node = 'node0', mac_address = 'fa:16:3e:00:00:03', port_security = false }
ports.green1 = { network = 'green', node = 'node1', mac_address = 'fa:16:3e:00:00:04', port_security = false }
";

/// A host with this port plugged, at rest.
fn host(port: &str) -> OneHost {
    let topology = Topology::parse(TOPOLOGY, "topology.toml").unwrap();
    let mut one = OneHost::new(Config::defaults("node0"), Arc::new(topology));
    one.settle(&[]);
    one.plug(port);
    one.settle(&[]);
    assert!(one.host.is_installed(port));
    one
}

/// The segments that a broadcast of the port gets into.
fn segments(one: &OneHost, port: &str) -> Vec<Segment> {
    let port = one.host.topology().port(port).unwrap();
    let ends = Wires::new(one).broadcast(port);
    ends.into_iter()
        .filter_map(|end| match end {
            End::Segment(segment) => Some(segment),
            End::Port(_) => None,
        })
        .collect()
}

/// The local ports that hear what comes out of a tunnel with this VNI.
fn listeners(one: &OneHost, vni: u32) -> Vec<String> {
    let ends = Wires::new(one).leave_tunnels(vni);
    ends.into_iter()
        .filter_map(|end| match end {
            End::Port(name) => Some(name),
            End::Segment(_) => None,
        })
        .collect()
}

#[test]
fn a_network_gets_no_local_vlan_that_a_slow_bridge_still_takes_for_anothers() {
    let mut one = host("blue0");
    assert_eq!(segments(&one, "blue0"), [Segment::Vxlan(1001)]);
    one.unplug("blue0");
    one.settle(&["br-tun"]);
    one.plug("green0");
    one.settle(&["br-tun"]);
    assert!(!segments(&one, "green0").contains(&Segment::Vxlan(1001)), "green is heard in blue's tunnels");
    assert_eq!(listeners(&one, 1001), Vec::<String>::new(), "green hears blue");
    one.settle(&[]);
    assert_eq!(segments(&one, "green0"), [Segment::Vxlan(1002)]);
    assert_eq!(listeners(&one, 1002), ["green0"]);
    assert!(one.host.is_installed("green0"));
}

#[test]
fn a_network_gets_no_local_vlan_of_which_a_bridge_refuses_to_delete_flows() {
    let mut one = host("blue0");
    let keep = |one: &mut OneHost, keeps| one.switches.get_mut("br-tun").unwrap().simulator.keeps = keeps;
    keep(&mut one, true);
    one.unplug("blue0");
    one.settle(&[]);
    one.plug("green0");
    one.settle(&[]);
    assert!(one.host.bridges().rejected().count() > 0, "br-tun keeps flows of blue");
    assert_eq!(segments(&one, "green0"), [Segment::Vxlan(1002)]);
    assert_eq!(listeners(&one, 1001), Vec::<String>::new(), "green hears blue");
    assert_eq!(listeners(&one, 1002), ["green0"]);
    keep(&mut one, false);
    one.tick();
    one.settle(&[]);
    assert_eq!(one.host.bridges().rejected().count(), 0);
    assert_eq!(listeners(&one, 1002), ["green0"]);
}
