//! How far broadcasts get through bridges as they are at one moment, with what the database says of their ports.
//! `NORMAL` floods within its VLAN, as a switch does that has learnt nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use heddle::flow::FlowTable;
use heddle::flow::sim::{Bridge as SimBridge, Destination, Network, Packet, Tables, trace};
use heddle::openflow::{MacAddr, PortNo, oxm};
use heddle::pipeline::LocalVlan;
use heddle::topology::{NetworkKind, Port};

use super::one_host::OneHost;

/// To all stations.
const BROADCAST: u128 = 0xffff_ffff_ffff;

/// Where a network's packets are outside the host: VNI or VLAN.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Segment {
    Vxlan(u32),
    Vlan(String, u16),
    Flat(String),
}

pub fn segment(kind: &NetworkKind) -> Option<Segment> {
    match kind {
        NetworkKind::Local => None,
        NetworkKind::Flat { physical_network } => Some(Segment::Flat(physical_network.to_string())),
        NetworkKind::Vlan { physical_network, segmentation_id } => {
            Some(Segment::Vlan(physical_network.to_string(), *segmentation_id))
        }
        NetworkKind::Vxlan { segmentation_id } => Some(Segment::Vxlan(*segmentation_id)),
    }
}

/// Where a packet comes out.
#[derive(Debug)]
pub enum End {
    Port(String),
    Segment(Segment),
}

/// The bridges as they are at this moment, and what connects them.
pub struct Wires {
    bridges: BTreeMap<String, Network>,
    /// The local ports by name: number and access tag.
    pub ports: BTreeMap<String, (PortNo, u16)>,
    patch_tun: Option<PortNo>,
    patch_int: Option<PortNo>,
    tunnels: Vec<PortNo>,
    /// By physical network, where the patch is closed: its ends on br-int and on the physical bridge.
    physical: BTreeMap<String, (PortNo, PortNo)>,
}

impl Wires {
    pub fn new(one: &OneHost) -> Self {
        let database = &one.database.snapshot();
        let number = |name: &str| database.interface_named(name).and_then(|(_, interface)| interface.ofport.port_no());
        let table = |flows: &FlowTable| Tables::new(flows.sorted()).expect("flows are well-formed");
        let bridges = one.switches.iter().map(|(name, switch)| {
            let bridge = SimBridge { tables: table(&switch.simulator.flows), ..SimBridge::default() };
            (name.clone(), Network::new(vec![bridge]))
        });
        let integration = database.bridge_named("br-int").map(|(uuid, _)| uuid);
        let mut ports = BTreeMap::new();
        for (uuid, port) in integration.into_iter().flat_map(|uuid| database.ports_of(uuid)) {
            let Some((_, interface)) = database.only_interface_of(uuid) else { continue };
            let (Some(id), Some(number)) = (interface.external_ids.get("iface-id"), interface.ofport.port_no()) else {
                continue;
            };
            ports.extend(port.tag.map(|tag| (id.clone(), (number, tag))));
        }
        let peer = |name: &str| {
            database.interface_named(name).and_then(|(_, interface)| interface.options.get("peer")).cloned()
        };
        let physical = (0..2).filter_map(|place| {
            let ends = [format!("int-br-phys{place}"), format!("phy-br-phys{place}")];
            let closed = peer(&ends[0]).as_ref() == Some(&ends[1]) && peer(&ends[1]).as_ref() == Some(&ends[0]);
            let (there, here) = (number(&ends[0])?, number(&ends[1])?);
            closed.then(|| (format!("phys{place}"), (there, here)))
        });
        let tunnel = database.bridge_named("br-tun").map(|(uuid, _)| uuid);
        let tunnels = tunnel.into_iter().flat_map(|uuid| database.ports_of(uuid)).filter_map(|(uuid, _)| {
            let (_, interface) = database.only_interface_of(uuid)?;
            interface.ofport.port_no().filter(|_| interface.kind == "vxlan")
        });
        Self {
            bridges: bridges.collect(),
            ports,
            patch_tun: number("patch-tun"),
            patch_int: number("patch-int"),
            tunnels: tunnels.collect(),
            physical: physical.collect(),
        }
    }

    /// What comes out of a bridge.
    fn outputs(&self, bridge: &str, in_port: PortNo, packet: Packet) -> Vec<(Destination, Packet)> {
        let Some(network) = self.bridges.get(bridge) else { return Vec::new() };
        let trace = trace(network, 0, packet.with(&oxm::IN_PORT, in_port.0.into()), &[]);
        trace.legs.into_iter().flat_map(|leg| leg.deliveries).map(|delivery| (delivery.to, delivery.packet)).collect()
    }

    /// Who hears a local port ask all for an address that nobody has.
    pub fn broadcast(&self, port: &Port) -> Vec<End> {
        let mut heard = Vec::new();
        if let Some((number, tag)) = self.ports.get(&*port.name) {
            self.enter_integration(*number, Some(*tag), who_has(port), &mut heard);
        }
        heard
    }

    /// A packet enters br-int; `tag` is the access tag of a local port.
    fn enter_integration(&self, in_port: PortNo, tag: Option<u16>, packet: Packet, heard: &mut Vec<End>) {
        for (to, packet) in self.outputs("br-int", in_port, packet) {
            match to {
                Destination::Normal => {
                    let vlan = if tag.is_some() { tag } else { packet.vlan() };
                    for (name, (number, on)) in &self.ports {
                        // On the dead VLAN are ports that are not served, and as long as their flows are there they
                        // hear each other.
                        let is_closed = *on == LocalVlan::DEAD;
                        if Some(*on) == vlan && *number != in_port && !is_closed {
                            heard.push(End::Port(name.clone()));
                        }
                    }
                    for patch in self.patch_tun.into_iter().chain(self.physical.values().map(|(there, _)| *there)) {
                        if patch != in_port {
                            self.through_patch(patch, packet.clone().with_vlan(vlan), heard);
                        }
                    }
                }
                Destination::Port(port) => {
                    let local = self.ports.iter().find(|(_, (number, _))| *number == port);
                    heard.extend(local.map(|(name, _)| End::Port(name.clone())));
                    self.through_patch(port, packet, heard);
                }
                _ => {}
            }
        }
    }

    fn through_patch(&self, patch: PortNo, packet: Packet, heard: &mut Vec<End>) {
        if Some(patch) == self.patch_tun {
            let Some(end) = self.patch_int else { return };
            for (to, packet) in self.outputs("br-tun", end, packet.clone().on_the_wire()) {
                if matches!(to, Destination::Port(port) if self.tunnels.contains(&port)) {
                    heard.push(End::Segment(Segment::Vxlan(packet.get(&oxm::TUN_ID) as u32)));
                }
            }
        }
        let Some((name, (_, end))) = self.physical.iter().find(|(_, (there, _))| *there == patch) else { return };
        for (to, packet) in self.outputs(&format!("br-{name}"), *end, packet.on_the_wire()) {
            if to == Destination::Normal {
                heard.push(End::Segment(match packet.vlan() {
                    Some(vid) => Segment::Vlan(name.clone(), vid),
                    None => Segment::Flat(name.clone()),
                }));
            }
        }
    }

    /// A broadcast comes out of every tunnel.
    pub fn leave_tunnels(&self, vni: u32) -> Vec<End> {
        let mut heard = Vec::new();
        for tunnel in &self.tunnels {
            let packet = Packet::default()
                .with(&oxm::ETH_SRC, 0xfa16_3e77_7777)
                .with(&oxm::ETH_DST, BROADCAST)
                .with(&oxm::ETH_TYPE, 0x0800)
                .with(&oxm::TUN_ID, vni.into());
            for (to, packet) in self.outputs("br-tun", *tunnel, packet) {
                let is_patch = matches!(to, Destination::Port(port) if Some(port) == self.patch_int);
                if let Some(patch_tun) = self.patch_tun.filter(|_| is_patch) {
                    self.enter_integration(patch_tun, None, packet.on_the_wire(), &mut heard);
                }
            }
        }
        heard
    }
}

fn number(mac: MacAddr) -> u128 {
    mac.0.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// The port asks by ARP for an address that nobody has.
fn who_has(port: &Port) -> Packet {
    let source = number(port.mac_address);
    let ipv4 = port.fixed_ips.iter().find_map(|address| match address {
        IpAddr::V4(address) => Some(u128::from(u32::from(*address))),
        IpAddr::V6(_) => None,
    });
    Packet::default()
        .with(&oxm::ETH_SRC, source)
        .with(&oxm::ETH_DST, BROADCAST)
        .with(&oxm::ETH_TYPE, 0x0806)
        .with(&oxm::ARP_OP, 1)
        .with(&oxm::ARP_SHA, source)
        .with(&oxm::ARP_SPA, ipv4.unwrap_or(0))
        .with(&oxm::ARP_TPA, u128::from(u32::from_be_bytes([10, 0, 0, 250])))
}
