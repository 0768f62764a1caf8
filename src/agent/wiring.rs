//! The bridges and ports of Heddle's own: what there is to be, and which numbers the switch gave them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::config::{self, Config, Listen};
use crate::openflow::PortNo;
use crate::ovsdb::{Database, DesiredBridge, DesiredPort, Plan, PortKind, Role, Uuid, plan, tunnel_port_name};
use crate::pipeline::{Bridge, PatchPorts};
use crate::topology::{Name, Node, Topology};

/// The patch port on `br-int` towards `br-tun`.
pub const PATCH_TUN: &str = "patch-tun";
/// The patch port on `br-tun` towards `br-int`.
pub const PATCH_INT: &str = "patch-int";
/// Where a patch leads whose other end must not be reached yet.
const OPEN_END: &str = "nonexistent-peer";

/// The patch between `br-int` and a physical bridge.
struct Patch {
    bridge: Name,
    /// On `br-int`.
    integration: String,
    /// On the physical bridge.
    physical: String,
}

/// Whether anything could leak through the patch to a physical bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guards {
    /// Nothing: the flows at both ends that drop it are in effect.
    InEffect,
    /// They may not be.
    Unconfirmed,
    /// A switch refuses one.
    Refused,
}

/// The numbers of the ports of Heddle's own.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// `patch-tun`.
    pub patch_tun: Option<PortNo>,
    /// `patch-int`.
    pub patch_int: Option<PortNo>,
    /// By physical network.
    pub physical: BTreeMap<Name, PatchPorts>,
    /// By peer node.
    pub tunnels: BTreeMap<Name, PortNo>,
}

/// See the module. Constant while the daemon runs.
pub struct Wiring {
    node: Name,
    integration: Name,
    tunnel: Name,
    patches: BTreeMap<Name, Patch>,
    datapath_type: &'static str,
    controller: String,
    /// Packets a second that `br-int` may send up.
    controller_rate_limit: Option<i64>,
}

/// The least that `Controller.controller_rate_limit` can be (ovs-vswitchd.conf.db(5)).
const MIN_RATE_LIMIT: u32 = 100;

impl Wiring {
    /// From the host's own file.
    pub fn new(config: &Config) -> Self {
        let patches = config.bridges.physical.iter().map(|(physical_network, bridge)| {
            let (integration, physical) = config::patch_port_names(bridge);
            (physical_network.clone(), Patch { bridge: bridge.clone(), integration, physical })
        });
        Self {
            node: config.node.clone(),
            integration: config.bridges.integration.clone(),
            tunnel: config.bridges.tunnel.clone(),
            patches: patches.collect(),
            datapath_type: config.bridges.datapath_type.as_str(),
            controller: config.openflow.listen.first().map(controller_target).unwrap_or_default(),
            controller_rate_limit: match config.limits.packet_in_per_bridge {
                0 => None,
                packets => Some(packets.max(MIN_RATE_LIMIT).into()),
            },
        }
    }

    /// The name of `br-int`.
    pub fn integration(&self) -> &Name {
        &self.integration
    }

    /// The name of a bridge, if it is one of `[bridges]`.
    pub fn bridge_name(&self, bridge: &Bridge) -> Option<&Name> {
        match bridge {
            Bridge::Integration => Some(&self.integration),
            Bridge::Tunnel => Some(&self.tunnel),
            Bridge::Physical(physical_network) => Some(&self.patches.get(physical_network)?.bridge),
            Bridge::Learning(_) => None,
        }
    }

    /// What has to be written so that bridges and ports are as wanted. The patch to a physical bridge is
    /// closed when its guards are in effect, and stays closed until one is refused.
    pub fn plan(&self, database: &Database, topology: &Topology, guards: impl Fn(&Name) -> Guards) -> Plan {
        let mut bridges =
            vec![self.bridge(&self.integration, Role::Integration), self.bridge(&self.tunnel, Role::Tunnel)];
        let mut ports = vec![patch(&self.integration, PATCH_TUN, PATCH_INT), patch(&self.tunnel, PATCH_INT, PATCH_TUN)];
        for (physical_network, ends) in &self.patches {
            bridges.push(self.bridge(&ends.bridge, Role::Physical));
            if database.bridge_named(&ends.bridge).is_none() {
                continue;
            }
            let closed = match guards(physical_network) {
                Guards::InEffect => true,
                Guards::Unconfirmed => !is_open(ends, database),
                Guards::Refused => false,
            };
            let peer = |name| if closed { name } else { OPEN_END };
            ports.push(patch(&self.integration, &ends.integration, peer(&ends.physical)));
            ports.push(patch(&ends.bridge, &ends.physical, peer(&ends.integration)));
        }
        for (_, local_ip, remote_ip) in self.tunnels(topology) {
            let kind = PortKind::Vxlan { remote_ip, local_ip };
            ports.push(DesiredPort { bridge: self.tunnel.to_string(), name: tunnel_port_name(remote_ip), kind });
        }
        plan(database, &bridges, &ports)
    }

    fn bridge(&self, name: &Name, role: Role) -> DesiredBridge {
        DesiredBridge {
            name: name.to_string(),
            role,
            datapath_type: self.datapath_type.to_owned(),
            controllers: vec![self.controller.clone()],
            // Open vSwitch queues by port: on the tunnel bridge, where all come through one, a flood would starve the rest.
            controller_rate_limit: self.controller_rate_limit.filter(|_| role == Role::Integration),
        }
    }

    /// The nodes that share a VXLAN network with this one: with our address and theirs.
    fn tunnels<'a>(&self, topology: &'a Topology) -> impl Iterator<Item = (&'a Node, IpAddr, IpAddr)> + use<'a> {
        let local = topology.node(&self.node).and_then(|node| node.tunnel_ip);
        topology
            .peers(&self.node)
            .filter_map(move |peer| Some((peer, local?, peer.tunnel_ip?)))
            .filter(|(_, local, remote)| local.is_ipv4() == remote.is_ipv4())
    }

    /// The numbers that the switch gave to our ports.
    pub fn numbers(&self, database: &Database, topology: &Topology) -> Numbers {
        let number = |bridge: &str, port: &str| number(database, bridge, port);
        let physical = self.patches.iter().map(|(physical_network, ends)| {
            let patch = PatchPorts {
                integration: number(&self.integration, &ends.integration),
                physical: number(&ends.bridge, &ends.physical),
            };
            (physical_network.clone(), patch)
        });
        let tunnels = self.tunnels(topology).filter_map(|(peer, _, remote)| {
            Some((peer.name.clone(), number(&self.tunnel, &tunnel_port_name(remote))?))
        });
        Numbers {
            patch_tun: number(&self.integration, PATCH_TUN),
            patch_int: number(&self.tunnel, PATCH_INT),
            physical: physical.collect(),
            tunnels: tunnels.collect(),
        }
    }

    /// Physical networks whose patch is there and not closed yet.
    pub fn open_patches<'a>(&'a self, database: Option<&'a Database>) -> impl Iterator<Item = &'a Name> {
        let open = move |ends: &Patch| database.is_some_and(|database| is_open(ends, database));
        self.patches.iter().filter(move |(_, ends)| open(ends)).map(|(physical_network, _)| physical_network)
    }
}

fn patch(bridge: &Name, name: &str, peer: &str) -> DesiredPort {
    DesiredPort { bridge: bridge.to_string(), name: name.to_owned(), kind: PortKind::Patch { peer: peer.to_owned() } }
}

/// True unless both ends of a patch lead to each other.
fn is_open(ends: &Patch, database: &Database) -> bool {
    let leads = |from: &str, to: &str| {
        let interface = database.interface_named(from).map(|(_, interface)| interface);
        interface.and_then(|interface| interface.options.get("peer")).is_some_and(|peer| peer == to)
    };
    !(leads(&ends.integration, &ends.physical) && leads(&ends.physical, &ends.integration))
}

/// The number of a port, if it is on that bridge.
fn number(database: &Database, bridge: &str, port: &str) -> Option<PortNo> {
    let (uuid, interface) = database.interface_named(port)?;
    let on: Uuid = database.bridge_of_port(database.port_of_interface(uuid)?)?;
    let here = database.bridge(on).is_some_and(|row| row.name == bridge);
    interface.ofport.port_no().filter(|_| here)
}

/// How bridges of this host reach a listener of ours.
fn controller_target(listen: &Listen) -> String {
    let Listen { transport, address } = *listen;
    let (port, address) = (address.port(), address.ip());
    let address = match address {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        address => address,
    };
    Listen { transport, address: SocketAddr::new(address, port) }.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::{bridge, config, topology, uuid};
    use super::*;
    use crate::config::Transport;
    use crate::ovsdb::{Change, Interface, Ofport, Port};

    /// A port of ours with its interface, which has the port's number.
    fn wire(number: u8, name: &str, kind: &str, peer: &str) -> [Change; 2] {
        let interfaces = BTreeSet::from([uuid(number + 100)]);
        let port = Port {
            name: name.into(),
            interfaces,
            external_ids: [("heddle".into(), "port".into())].into(),
            ..Port::default()
        };
        let interface = Interface {
            name: name.into(),
            kind: kind.into(),
            ofport: Ofport::Valid(PortNo(number.into())),
            options: [("peer".into(), peer.into())].into(),
            ..Interface::default()
        };
        [Change::Port(uuid(number), Some(port)), Change::Interface(uuid(number + 100), Some(interface))]
    }

    /// The three bridges with the patches between them; that to br-phys leads to `integration_peer` and
    /// `physical_peer`.
    fn wired(integration_peer: &str, physical_peer: &str) -> Database {
        let rows = [
            wire(1, "patch-tun", "patch", "patch-int"),
            wire(2, "patch-int", "patch", "patch-tun"),
            wire(3, "int-br-phys", "patch", integration_peer),
            wire(4, "phy-br-phys", "patch", physical_peer),
            wire(5, "vxlan-c0000202", "vxlan", ""),
        ];
        let bridges = [bridge(200, "br-int", &[1, 3]), bridge(201, "br-tun", &[2, 5]), bridge(202, "br-phys", &[4])];
        Database::from_rows(bridges.into_iter().chain(rows.into_iter().flatten()))
    }

    fn text(plan: &Plan) -> String {
        plan.operations.iter().map(|operation| operation.to_json().to_string()).collect()
    }

    const SHARED: [(&str, &str, &str); 2] = [("p1", "blue", "a"), ("p2", "blue", "b")];

    #[test]
    fn a_patch_to_a_physical_bridge_is_open_until_it_is_guarded_and_then_stays_closed() {
        let (wiring, topology) = (Wiring::new(&config()), topology(&[]));
        let without_patch = Database::from_rows([bridge(202, "br-phys", &[])]);
        let plan = wiring.plan(&without_patch, &topology, |_| Guards::Unconfirmed);
        assert_eq!(text(&plan).matches("nonexistent-peer").count(), 2);
        let open = wired(OPEN_END, OPEN_END);
        assert_eq!(wiring.open_patches(Some(&open)).count(), 1);
        assert!(text(&wiring.plan(&open, &topology, |_| Guards::InEffect)).contains("phy-br-phys"));
        for guards in [Guards::Unconfirmed, Guards::Refused] {
            assert!(!text(&wiring.plan(&open, &topology, |_| guards)).contains(r#"["peer","phy-br-phys"]"#));
        }
        let closed = wired("phy-br-phys", "int-br-phys");
        assert_eq!(wiring.open_patches(Some(&closed)).count(), 0);
        let plan = wiring.plan(&closed, &topology, |_| Guards::Unconfirmed);
        assert!(!text(&plan).contains("peer"), "a restart cuts nothing");
        let plan = wiring.plan(&closed, &topology, |_| Guards::Refused);
        assert_eq!(text(&plan).matches("nonexistent-peer").count(), 2, "a refused guard does");
    }

    #[test]
    fn a_missing_physical_bridge_is_a_problem_and_the_rest_is_planned() {
        let plan = Wiring::new(&config()).plan(&Database::default(), &topology(&[]), |_| Guards::InEffect);
        assert_eq!(plan.problems.len(), 1);
        assert!(text(&plan).contains("br-int") && text(&plan).contains("patch-tun"));
    }

    #[test]
    fn a_tunnel_leads_to_each_node_that_shares_a_network() {
        let wiring = Wiring::new(&config());
        let database = Database::from_rows([bridge(202, "br-phys", &[])]);
        assert!(text(&wiring.plan(&database, &topology(&SHARED), |_| Guards::Unconfirmed)).contains("vxlan-c0000202"));
        let apart = [("p1", "blue", "a"), ("p2", "green", "b"), ("p3", "red", "a"), ("p4", "flat", "b")];
        assert!(!text(&wiring.plan(&database, &topology(&apart), |_| Guards::Unconfirmed)).contains("vxlan-"));
    }

    #[test]
    fn numbers_are_those_of_ports_on_the_right_bridge() {
        let wiring = Wiring::new(&config());
        let found = wiring.numbers(&wired("phy-br-phys", "int-br-phys"), &topology(&SHARED));
        assert_eq!((found.patch_tun, found.patch_int), (Some(PortNo(1)), Some(PortNo(2))));
        let patch = PatchPorts { integration: Some(PortNo(3)), physical: Some(PortNo(4)) };
        assert_eq!(found.physical, [("physnet".into(), patch)].into());
        assert_eq!(found.tunnels, [("b".into(), PortNo(5))].into());
        let mut strayed = wired("phy-br-phys", "int-br-phys");
        strayed.apply([bridge(201, "br-tun", &[5]), bridge(202, "br-phys", &[4, 2])]);
        assert_eq!(wiring.numbers(&strayed, &topology(&[])).patch_int, None);
    }

    #[test]
    fn bridges_reach_a_listener_on_any_address_through_loopback() {
        for (transport, listen, target) in [
            (Transport::Tcp, "127.0.0.1:6633", "tcp:127.0.0.1:6633"),
            (Transport::Tcp, "0.0.0.0:6653", "tcp:127.0.0.1:6653"),
            (Transport::Ssl, "[::]:6633", "ssl:[::1]:6633"),
        ] {
            assert_eq!(controller_target(&Listen { transport, address: listen.parse().unwrap() }), target);
        }
    }
}
