//! A host's database and files for unit tests, as `ovs-vswitchd` and an operator would have them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::Config;
use crate::openflow::{DatapathId, PortNo};
use crate::ovsdb::{Bridge, Change, Database, Interface, Ofport, OpenVswitch, Port, Uuid};
use crate::topology::Topology;

pub(super) fn uuid(number: u8) -> Uuid {
    Uuid([number; 16])
}

/// `br-int`'s row.
pub(super) const BR_INT: u8 = 200;
const BR_TUN: u8 = 201;
const BR_PHYS: u8 = 202;

pub(super) fn config() -> Config {
    Config::parse("node = 'a'", "heddle.toml", "a").unwrap()
}

/// Two nodes, a local network, two VXLAN networks and a flat one.
const BASE: &str = "
[nodes.a]
tunnel_ip = '192.0.2.1'
[nodes.b]
tunnel_ip = '192.0.2.2'
[networks.red]
type = 'local'
[networks.blue]
type = 'vxlan'
segmentation_id = 1001
[networks.green]
type = 'vxlan'
segmentation_id = 1002
[networks.flat]
type = 'flat'
physical_network = 'physnet'
";

/// A topology of these ports: name, network, node.
pub(super) fn topology(ports: &[(&str, &str, &str)]) -> Arc<Topology> {
    Arc::new(Topology::parse(&text(ports), "topology.toml").unwrap())
}

fn text(ports: &[(&str, &str, &str)]) -> String {
    let mut text = BASE.to_owned();
    for (number, (name, network, node)) in ports.iter().enumerate() {
        let mac = format!("fa:16:3e:00:00:{number:02x}");
        text += &format!("[ports.{name}]\nnetwork = '{network}'\nnode = '{node}'\nmac_address = '{mac}'\n");
    }
    text
}

/// The same with the firewall on.
pub(super) fn secured(ports: &[(&str, &str, &str)]) -> Arc<Topology> {
    let text = format!("{}[security_groups]\n", text(ports));
    Arc::new(Topology::parse(&text, "topology.toml").unwrap())
}

pub(super) fn bridge(number: u8, name: &str, ports: &[u8]) -> Change {
    let bridge = Bridge {
        name: name.into(),
        datapath_id: Some(DatapathId(number.into())),
        ports: ports.iter().map(|&port| uuid(port)).collect(),
        ..Bridge::default()
    };
    Change::Bridge(uuid(number), Some(bridge))
}

pub(super) fn br_int(ports: &[u8]) -> Change {
    bridge(BR_INT, "br-int", ports)
}

/// A port named `tap{number}` in row `number`, whose interface is in row `number + 100`.
#[derive(Clone, Default)]
pub(super) struct Tap {
    pub(super) number: u8,
    pub(super) iface_id: &'static str,
    pub(super) ofport: Option<i32>,
    pub(super) tag: Option<u16>,
    /// `heddle-network`.
    pub(super) network: Option<&'static str>,
    /// `heddle-installed`.
    pub(super) installed: bool,
}

impl Tap {
    pub(super) fn port(&self) -> Change {
        let network = self.network.map(|network| ("heddle-network".to_owned(), network.to_owned()));
        let port = Port {
            name: format!("tap{}", self.number),
            interfaces: BTreeSet::from([uuid(self.number + 100)]),
            tag: self.tag,
            external_ids: network.into_iter().collect(),
            ..Port::default()
        };
        Change::Port(uuid(self.number), Some(port))
    }

    pub(super) fn interface(&self) -> Change {
        let mut ids = vec![("iface-id".to_owned(), self.iface_id.to_owned())];
        ids.extend(self.installed.then(|| ("heddle-installed".to_owned(), "true".to_owned())));
        let interface = Interface {
            name: format!("tap{}", self.number),
            ofport: match self.ofport {
                None => Ofport::Unset,
                Some(number) => u32::try_from(number).map_or(Ofport::Failed, |number| Ofport::Valid(PortNo(number))),
            },
            external_ids: ids.into_iter().collect(),
            ..Interface::default()
        };
        Change::Interface(uuid(self.number + 100), Some(interface))
    }

    pub(super) fn rows(&self) -> [Change; 2] {
        [self.port(), self.interface()]
    }
}

pub(super) fn tap(number: u8, iface_id: &'static str) -> Tap {
    Tap { number, iface_id, ..Tap::default() }
}

/// One with a number, and bound by an earlier run.
pub(super) fn bound(number: u8, iface_id: &'static str, network: &'static str, tag: u16) -> Tap {
    Tap { ofport: Some(number.into()), tag: Some(tag), network: Some(network), ..tap(number, iface_id) }
}

/// The three bridges, and these ports on `br-int`.
pub(super) fn database(taps: &[Tap]) -> Database {
    let numbers: Vec<u8> = taps.iter().map(|tap| tap.number).collect();
    let bridges = [br_int(&numbers), bridge(BR_TUN, "br-tun", &[]), bridge(BR_PHYS, "br-phys", &[])];
    let root = OpenVswitch { bridges: [BR_INT, BR_TUN, BR_PHYS].map(uuid).into(), ..OpenVswitch::default() };
    let rows = bridges.into_iter().chain([Change::OpenVswitch(uuid(0), Some(root))]);
    Database::from_rows(rows.chain(taps.iter().flat_map(Tap::rows)))
}
