//! The wanted flows of a node from its files alone: as if every port of it were plugged in.
//!
//! No switch has given numbers yet, so they are made up: local VLANs from 1 in the order of the node's
//! ports by name; ports of each bridge from 1 in a fixed order, the patches first. The same files give the
//! same numbers and so the same flows.

use std::collections::{BTreeMap, HashSet};

use crate::config::{Config, DatapathType, ResponderMode, patch_port_names};
use crate::flow::FlowTable;
use crate::flow::text::{Cookies, Names, Printer};
use crate::openflow::{DecodeError, PortNo, TableId};
use crate::ovsdb::tunnel_port_name;
use crate::pipeline::{AnsweredBy, Answering, Bindings, Bridge, Layout, LocalVlan, PatchPorts, View, all_flows};
use crate::topology::{Name, Topology};

/// What the pipeline would work with on a node that has everything of it plugged in.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What the node has.
    pub layout: Layout,
    /// Made-up numbers.
    pub bindings: Bindings,
    /// The bridges, `br-int` first.
    pub bridges: Vec<(Bridge, Name, PortNames)>,
}

/// One bridge with its wanted flows.
pub struct BridgeFlows {
    /// The bridge's name in Open vSwitch.
    pub name: Name,
    /// What wants to be there.
    pub flows: FlowTable,
    /// To print them with.
    pub ports: PortNames,
}

impl BridgeFlows {
    /// A line per flow, in the syntax of ovs-ofctl with port names: by table, then priority from high to low,
    /// then match.
    pub fn text(&self, cookies: Cookies) -> Result<Vec<u8>, DecodeError> {
        let mut printer = Printer::new(&self.ports);
        let mut out = Vec::new();
        for flow in self.flows.sorted() {
            printer.wanted(&flow, cookies, &mut out)?;
            out.push(b'\n');
        }
        Ok(out)
    }
}

/// Names of the made-up ports of a bridge, for the printer of flows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortNames {
    names: Vec<Name>,
    seen: HashSet<Name>,
    shared: HashSet<Name>,
}

impl PortNames {
    /// Takes the next number.
    fn add(&mut self, name: impl Into<Name>) -> PortNo {
        let name = name.into();
        if !self.seen.insert(name.clone()) {
            self.shared.insert(name.clone());
        }
        self.names.push(name);
        PortNo(u32::try_from(self.names.len()).unwrap_or(PortNo::MAX.0))
    }

    /// Every port with its number, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (PortNo, &Name)> {
        (1..).map(PortNo).zip(&self.names)
    }
}

impl Names for PortNames {
    fn port(&self, port: PortNo) -> Option<&str> {
        let index = usize::try_from(port.0).ok()?.checked_sub(1)?;
        let name = self.names.get(index)?;
        (!self.shared.contains(name)).then_some(&**name)
    }

    fn table(&self, _: TableId) -> Option<&str> {
        None
    }
}

/// What a host has, as its file says.
pub fn layout(config: &Config) -> Layout {
    Layout {
        node: config.node.clone(),
        physical_networks: config.bridges.physical.keys().cloned().collect(),
        l2_population: config.tunnel.l2_population,
        arp_responder: answering(config.tunnel.arp_responder, AnsweredBy::Flows),
        nd_responder: nd_answering(config),
    }
}

const fn answering(mode: ResponderMode, when_on: AnsweredBy) -> Answering {
    match mode {
        ResponderMode::Controller => Answering { by: AnsweredBy::Controller, default: true },
        ResponderMode::On => Answering { by: when_on, default: true },
        ResponderMode::Off => Answering { by: when_on, default: false },
    }
}

/// The kernel's datapath cannot write the fields that make an advertisement of a solicitation.
fn nd_answering(config: &Config) -> Answering {
    let (by, default) = match config.bridges.datapath_type {
        DatapathType::System => (AnsweredBy::Controller, ResponderMode::Off),
        DatapathType::Netdev => (AnsweredBy::Flows, ResponderMode::On),
    };
    answering(config.tunnel.nd_responder.unwrap_or(default), by)
}

impl Preview {
    /// Plugs in every port that `topology` has on the node of `config`, and reaches every peer. A network beyond the
    /// 4094 that a node has local VLANs for gets none, nor do its ports.
    pub fn new(topology: &Topology, config: &Config) -> Self {
        let layout = layout(config);
        let mut bindings = Bindings::default();
        let (mut integration, mut tunnel) = (PortNames::default(), PortNames::default());
        let mut physical = Vec::new();
        for (physical_network, bridge) in &config.bridges.physical {
            let (on_integration, on_physical) = patch_port_names(bridge);
            let mut ports = PortNames::default();
            let patch = PatchPorts {
                integration: Some(integration.add(on_integration)),
                physical: Some(ports.add(on_physical)),
            };
            bindings.physical.insert(physical_network.clone(), patch);
            physical.push((Bridge::Physical(physical_network.clone()), bridge.clone(), ports));
        }
        bindings.patch_tun = Some(integration.add("patch-tun"));
        bindings.patch_int = Some(tunnel.add("patch-int"));
        plug(topology, &layout.node, &mut bindings, &mut integration);
        for peer in topology.peers(&layout.node) {
            if let Some(address) = peer.tunnel_ip {
                bindings.tunnels.insert(peer.name.clone(), tunnel.add(tunnel_port_name(address)));
            }
        }
        let mut bridges = vec![
            (Bridge::Integration, config.bridges.integration.clone(), integration),
            (Bridge::Tunnel, config.bridges.tunnel.clone(), tunnel),
        ];
        bridges.append(&mut physical);
        Self { layout, bindings, bridges }
    }

    /// The pipeline's input.
    pub fn view<'a>(&'a self, topology: &'a Topology) -> View<'a> {
        View { topology, layout: &self.layout, bindings: &self.bindings }
    }
}

fn plug(topology: &Topology, node: &str, bindings: &mut Bindings, names: &mut PortNames) {
    let mut free = LocalVlan::all();
    let by_name: BTreeMap<_, _> = topology.local_ports(node).map(|port| (&port.name, port)).collect();
    for (name, port) in by_name {
        if !bindings.local_vlans.contains_key(&port.network) {
            let Some(vlan) = free.next() else { continue };
            bindings.local_vlans.insert(port.network.clone(), vlan);
        }
        let ofport = names.add(port.interface.as_ref().unwrap_or(name).clone());
        bindings.ports.insert(name.clone(), ofport);
    }
}

/// The wanted flows of each bridge of the node of `config`, `br-int` first.
pub fn preview(topology: &Topology, config: &Config) -> Vec<BridgeFlows> {
    let preview = Preview::new(topology, config);
    let mut flows = all_flows(&preview.view(topology));
    let bridges = preview.bridges.into_iter();
    bridges
        .map(|(bridge, name, ports)| BridgeFlows { name, flows: flows.remove(&bridge).unwrap_or_default(), ports })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPOLOGY: &str = r#"
        nodes.one.tunnel_ip = "192.0.2.1"
        nodes.two.tunnel_ip = "192.0.2.2"
        nodes.three.tunnel_ip = "192.0.2.3"
        networks.red = { type = "vxlan", segmentation_id = 7 }
        networks.blue = { type = "vlan", segmentation_id = 100, physical_network = "physnet" }
        [ports]
        b = { network = "red", node = "one", mac_address = "fa:16:3e:00:00:01", interface = "tap-b" }
        a = { network = "blue", node = "one", mac_address = "fa:16:3e:00:00:02" }
        c = { network = "red", node = "two", mac_address = "fa:16:3e:00:00:03" }
        d = { network = "blue", node = "three", mac_address = "fa:16:3e:00:00:04" }
    "#;

    #[test]
    fn everything_of_the_node_is_plugged_in_with_numbers_in_a_fixed_order() {
        let topology = Topology::parse(TOPOLOGY, "topology.toml").unwrap();
        let preview = Preview::new(&topology, &Config::defaults("one"));
        let names = |index: usize| -> Vec<String> {
            preview.bridges[index].2.iter().map(|(port, name)| format!("{port:?} {name}")).collect()
        };
        let bridges: Vec<&str> = preview.bridges.iter().map(|(_, name, _)| &**name).collect();
        assert_eq!(bridges, ["br-int", "br-tun", "br-phys"]);
        assert_eq!(names(0), ["PortNo(1) int-br-phys", "PortNo(2) patch-tun", "PortNo(3) a", "PortNo(4) tap-b"]);
        assert_eq!(names(1), ["PortNo(1) patch-int", "PortNo(2) vxlan-c0000202"]);
        assert_eq!(names(2), ["PortNo(1) phy-br-phys"]);
        let vlans: Vec<_> = preview.bindings.local_vlans.iter().map(|(name, vlan)| (&**name, vlan.vid())).collect();
        assert_eq!(vlans, [("blue", 1), ("red", 2)]);
    }

    #[test]
    fn a_name_that_two_ports_have_is_not_printed() {
        let mut names = PortNames::default();
        let ports = ["tap1", "tap2", "tap1"].map(|name| names.add(name));
        assert_eq!(ports.map(|port| names.port(port)), [None, Some("tap2"), None]);
        assert_eq!(names.port(PortNo(0)), None);
        assert_eq!(names.port(PortNo(4)), None);
    }
}
