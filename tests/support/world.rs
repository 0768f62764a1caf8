//! Several nodes whose wanted flows run in software: what a port sends, and who hears it.
//!
//! `NORMAL` floods within its VLAN, as a switch does that has learnt nothing: the most that can be heard.

use std::collections::{BTreeMap, VecDeque};

use heddle::agent::preview::Preview;
use heddle::config::Config;
use heddle::openflow::{PortNo, oxm};
use heddle::pipeline::{Bridge, all_flows};
use heddle::topology::{Name, Topology};

use super::flow_sim::{Packet, Sim};

/// The physical bridges' port on the wire.
const WIRE: PortNo = PortNo(1000);
/// Packets in flight after which something goes round in circles.
const MAX_PACKETS: usize = 10_000;

/// The nodes of a topology, everything plugged in.
pub struct World {
    pub topology: Topology,
    nodes: BTreeMap<Name, Node>,
}

struct Node {
    preview: Preview,
    /// The access tag of each local port.
    tags: BTreeMap<PortNo, u16>,
    bridges: BTreeMap<Bridge, Sim>,
}

/// What came of a packet.
#[derive(Debug, Default)]
pub struct Heard {
    /// What each port got, by its name.
    pub ports: BTreeMap<String, Vec<Packet>>,
    /// What crossed the underlay: from, to, and with which VNI and content.
    pub underlay: Vec<(Name, Name, Packet)>,
    /// What went onto a physical network.
    pub wire: Vec<(Name, Packet)>,
    /// What was sent up to Heddle, and from which node.
    pub up: Vec<(Name, Packet)>,
}

impl Heard {
    /// The ports that got anything.
    pub fn by(&self) -> Vec<&str> {
        self.ports.keys().map(|name| &**name).collect()
    }

    /// True if nobody got anything and nothing left the host.
    pub fn nothing(&self) -> bool {
        self.ports.is_empty() && self.underlay.is_empty() && self.wire.is_empty() && self.up.is_empty()
    }
}

impl World {
    /// Each node with the settings that `configure` makes of the default.
    pub fn new(topology: Topology, configure: impl Fn(&mut Config)) -> Self {
        let node = |name: &Name| {
            let mut config = Config::defaults(name);
            configure(&mut config);
            let preview = Preview::new(&topology, &config);
            let flows = all_flows(&preview.view(&topology));
            let bridges = flows.into_iter().map(|(bridge, flows)| (bridge, Sim::new(&flows))).collect();
            let bindings = &preview.bindings;
            let tag = |name: &Name| bindings.local_vlans[&topology.port(name).unwrap().network].vid();
            let tags = bindings.ports.iter().map(|(name, ofport)| (*ofport, tag(name))).collect();
            Node { preview, tags, bridges }
        };
        let nodes = topology.nodes().map(|found| (found.name.clone(), node(&found.name))).collect();
        Self { topology, nodes }
    }

    /// A port sends a packet.
    pub fn send(&self, port: &str, packet: Packet) -> Heard {
        let port = self.topology.port(port).expect("a port of the topology");
        let ofport = self.nodes[&port.node].preview.bindings.ports[&port.name];
        self.inject(&port.node, Bridge::Integration, ofport, packet)
    }

    /// A packet comes from a physical network to all nodes.
    pub fn arrive(&self, physical_network: &str, packet: Packet) -> Heard {
        let mut heard = Heard::default();
        let bridge = Bridge::Physical(physical_network.into());
        let queue = self.nodes.keys().map(|node| (node.clone(), bridge.clone(), WIRE, packet.clone())).collect();
        self.run(queue, &mut heard);
        heard
    }

    /// A packet enters a bridge through a port of this number.
    pub fn inject(&self, node: &str, bridge: Bridge, in_port: PortNo, packet: Packet) -> Heard {
        let mut heard = Heard::default();
        self.run(VecDeque::from([(node.into(), bridge, in_port, packet)]), &mut heard);
        heard
    }

    fn run(&self, mut queue: VecDeque<(Name, Bridge, PortNo, Packet)>, heard: &mut Heard) {
        let mut packets = 0;
        while let Some((name, bridge, in_port, packet)) = queue.pop_front() {
            packets += 1;
            assert!(packets < MAX_PACKETS, "packets go round in circles");
            let node = &self.nodes[&name];
            for (port, packet) in node.bridges[&bridge].send(in_port, packet) {
                let outputs = match port {
                    PortNo::NORMAL => node.normal(&bridge, in_port, packet),
                    _ => vec![(port, packet)],
                };
                for (port, packet) in outputs {
                    self.output(&name, &bridge, port, packet, heard, &mut queue);
                }
            }
        }
    }

    /// What leaves a bridge arrives somewhere.
    fn output(
        &self,
        name: &Name,
        bridge: &Bridge,
        port: PortNo,
        packet: Packet,
        heard: &mut Heard,
        queue: &mut VecDeque<(Name, Bridge, PortNo, Packet)>,
    ) {
        let bindings = &self.nodes[name].preview.bindings;
        match bridge {
            _ if port == PortNo::CONTROLLER => heard.up.push((name.clone(), packet.on_the_wire())),
            Bridge::Integration => {
                let local = bindings.ports.iter().find(|(_, ofport)| **ofport == port);
                let physical = bindings.physical.iter().find(|(_, patch)| patch.integration == Some(port));
                if let Some((port, _)) = local {
                    heard.ports.entry(port.to_string()).or_default().push(packet.on_the_wire());
                } else if let Some((network, patch)) = physical {
                    let end = patch.physical.expect("both ends");
                    queue.push_back((name.clone(), Bridge::Physical(network.clone()), end, packet.on_the_wire()));
                } else {
                    assert_eq!(Some(port), bindings.patch_tun, "no such port");
                    let end = bindings.patch_int.expect("both ends");
                    queue.push_back((name.clone(), Bridge::Tunnel, end, packet.on_the_wire()));
                }
            }
            Bridge::Tunnel if Some(port) == bindings.patch_int => {
                let end = bindings.patch_tun.expect("both ends");
                queue.push_back((name.clone(), Bridge::Integration, end, packet.on_the_wire()));
            }
            Bridge::Tunnel => {
                let (peer, _) = bindings.tunnels.iter().find(|(_, ofport)| **ofport == port).expect("a tunnel");
                heard.underlay.push((name.clone(), peer.clone(), packet.clone().with(&oxm::IN_PORT, 0)));
                let end = self.nodes[peer].preview.bindings.tunnels[name];
                queue.push_back((peer.clone(), Bridge::Tunnel, end, packet));
            }
            Bridge::Physical(network) if port == WIRE => {
                heard.wire.push((network.clone(), packet.clone().on_the_wire()));
                let others = self.nodes.keys().filter(|other| *other != name);
                queue.extend(others.map(|other| (other.clone(), bridge.clone(), WIRE, packet.clone().on_the_wire())));
            }
            Bridge::Physical(network) => {
                let end = bindings.physical[network].integration.expect("both ends");
                queue.push_back((name.clone(), Bridge::Integration, end, packet.on_the_wire()));
            }
            Bridge::Learning(_) => unreachable!("no topology has one"),
        }
    }
}

impl Node {
    /// Every port of the packet's VLAN but the one it came from; a tag is what tells trunks the VLAN.
    fn normal(&self, bridge: &Bridge, in_port: PortNo, packet: Packet) -> Vec<(PortNo, Packet)> {
        let bindings = &self.preview.bindings;
        let mut outputs = Vec::new();
        match bridge {
            Bridge::Integration => {
                let vlan = match (self.tags.get(&in_port), packet.vlan()) {
                    (Some(_), Some(_)) => return outputs,
                    (Some(vlan), None) => Some(*vlan),
                    (None, vlan) => vlan,
                };
                let ports = self.tags.iter().filter(|(_, on)| Some(**on) == vlan).map(|(port, _)| *port);
                outputs.extend(ports.map(|port| (port, packet.clone().with_vlan(None))));
                let patches = bindings.physical.values().filter_map(|patch| patch.integration);
                outputs.extend(patches.chain(bindings.patch_tun).map(|port| (port, packet.clone().with_vlan(vlan))));
            }
            Bridge::Physical(network) => {
                let patch = bindings.physical[network].physical;
                outputs.extend([Some(WIRE), patch].into_iter().flatten().map(|port| (port, packet.clone())));
            }
            Bridge::Tunnel | Bridge::Learning(_) => panic!("no NORMAL there"),
        }
        outputs.retain(|(port, _)| *port != in_port);
        outputs
    }
}
