//! Where packets go: bridges, their ports and groups, and what connects them.

use std::collections::BTreeMap;

use super::table::Tables;
use crate::openflow::group::{GroupDesc, GroupType};
use crate::openflow::port::PortConfig;
use crate::openflow::{Action, DecodeError, GroupId, MacAddr, PortNo};

/// A port of a bridge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BridgePort {
    /// Its name; empty where only the number is known.
    pub name: String,
    /// What is forbidden.
    pub config: PortConfig,
    /// Whether a fast failover group may use it; `None`: not known.
    pub live: Option<bool>,
}

/// The ports of a bridge, as far as they are known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ports {
    /// Those that are known.
    pub known: BTreeMap<PortNo, BridgePort>,
    /// True if there are no others.
    pub complete: bool,
}

/// How a port takes part in `NORMAL` (`vlan_mode` in `ovs-vswitchd.conf.db(5)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortVlan {
    /// One VLAN, without a tag on the port.
    Access(u16),
    /// All VLANs, with their tags.
    Trunk,
}

/// What `NORMAL` goes by, which no flow tells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Switching {
    /// VLANs of ports; those that are not here are not known.
    pub vlans: BTreeMap<PortNo, PortVlan>,
    /// Ports behind addresses in a VLAN; `None`: not known.
    pub learnt: Option<BTreeMap<(u16, MacAddr), PortNo>>,
}

/// A bucket of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Its number, from 0.
    pub id: u32,
    /// Its share of what a select group takes; 0: none.
    pub weight: u16,
    /// It lives as long as this port does.
    pub watch_port: Option<PortNo>,
    /// It lives as long as this group has a live bucket.
    pub watch_group: Option<GroupId>,
    /// An action set.
    pub actions: Vec<Action>,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// How it treats its buckets.
    pub kind: GroupType,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
}

impl Group {
    /// The group that a switch describes.
    pub fn from_desc(desc: &GroupDesc<'_>) -> Result<Self, DecodeError> {
        let buckets = desc.buckets().zip(0..).map(|(bucket, id)| {
            let bucket = bucket?;
            let (port, group) = (bucket.watch_port, bucket.watch_group);
            Ok(Bucket {
                id,
                weight: bucket.weight,
                watch_port: (port != PortNo::ANY).then_some(port),
                watch_group: (group != GroupId::ANY).then_some(group),
                actions: Action::decode_list(bucket.actions.reader())?,
            })
        });
        Ok(Self { kind: desc.group_type, buckets: buckets.collect::<Result<_, _>>()? })
    }
}

/// One bridge.
#[derive(Debug, Default)]
pub struct Bridge {
    /// What it is called, behind its host and a colon if that has a name: `br-int`, `host2:br-tun`.
    pub name: String,
    /// Its flows.
    pub tables: Tables,
    /// Its ports.
    pub ports: Ports,
    /// Its groups by number; `None`: not known.
    pub groups: Option<BTreeMap<GroupId, Group>>,
    /// What `NORMAL` goes by.
    pub switching: Switching,
}

impl Bridge {
    /// The host that the name says; empty for the one at which the trace begins.
    pub fn host(&self) -> &str {
        self.name.rsplit_once(':').map_or("", |(host, _)| host)
    }

    /// The name of a port, if it has one.
    pub fn port_name(&self, port: PortNo) -> Option<&str> {
        self.ports.known.get(&port).map(|port| port.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The port of this name.
    pub fn port_by_name(&self, name: &str) -> Option<PortNo> {
        self.ports.known.iter().find_map(|(number, port)| (port.name == name).then_some(*number))
    }

    /// The tunnel ports that Heddle and Neutron name after the peer's IPv4 address: `vxlan-c0000202`.
    fn tunnels(&self) -> impl Iterator<Item = (PortNo, u32)> {
        self.ports.known.iter().filter_map(|(number, port)| Some((*number, peer_address(&port.name)?)))
    }
}

/// The address in the name of a tunnel port.
pub(super) fn peer_address(name: &str) -> Option<u32> {
    let (kind, digits) = name.split_once('-')?;
    let tunnel = matches!(kind, "vxlan" | "gre" | "geneve") && digits.len() == 8;
    u32::from_str_radix(digits, 16).ok().filter(|_| tunnel)
}

/// A bridge of a [`Network`], by its position.
pub type BridgeId = usize;

/// A port of a bridge of a [`Network`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct End {
    /// Which bridge.
    pub bridge: BridgeId,
    /// Which of its ports.
    pub port: PortNo,
}

/// What connects two ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cable {
    /// A pair of patch ports: within one switch.
    Patch,
    /// A tunnel from one host to another.
    Tunnel,
}

/// Bridges and what connects them.
#[derive(Debug, Default)]
pub struct Network {
    bridges: Vec<Bridge>,
    links: BTreeMap<End, (Cable, End)>,
}

impl Network {
    /// Bridges, connected as the names of their ports say: the patch ports of Heddle and Neutron
    /// (`patch-tun`/`patch-int`, `int-X`/`phy-X`) on one host, and tunnel ports named after the other host's
    /// address where that leaves no choice.
    pub fn new(bridges: Vec<Bridge>) -> Self {
        let mut network = Self { bridges, links: BTreeMap::new() };
        network.link_patches();
        network.link_tunnels();
        network
    }

    /// The bridges.
    pub fn bridges(&self) -> &[Bridge] {
        &self.bridges
    }

    /// One of them.
    pub fn bridge(&self, id: BridgeId) -> Option<&Bridge> {
        self.bridges.get(id)
    }

    /// One of them, to say more of it.
    pub fn bridge_mut(&mut self, id: BridgeId) -> Option<&mut Bridge> {
        self.bridges.get_mut(id)
    }

    /// The one of this name.
    pub fn bridge_by_name(&self, name: &str) -> Option<BridgeId> {
        self.bridges.iter().position(|bridge| bridge.name == name)
    }

    /// Connects two ports, both ways; a patch on one host, a tunnel between two.
    pub fn link(&mut self, a: End, b: End) {
        let host = |end: End| self.bridge(end.bridge).map(Bridge::host);
        let cable = if host(a) == host(b) { Cable::Patch } else { Cable::Tunnel };
        self.links.insert(a, (cable, b));
        self.links.insert(b, (cable, a));
    }

    /// What a port is connected to.
    pub fn peer(&self, end: End) -> Option<(Cable, End)> {
        self.links.get(&end).copied()
    }

    fn link_patches(&mut self) {
        let mut pairs = Vec::new();
        for (id, bridge) in self.bridges.iter().enumerate() {
            for (port, peer) in
                bridge.ports.known.iter().filter_map(|(port, known)| Some((*port, patch_peer(&known.name)?)))
            {
                let same_host = self.bridges.iter().enumerate().filter(|(_, other)| other.host() == bridge.host());
                let mut ends =
                    same_host.filter_map(|(bridge, other)| Some(End { bridge, port: other.port_by_name(&peer)? }));
                if let (Some(end), None) = (ends.next(), ends.next()) {
                    pairs.push((End { bridge: id, port }, end));
                }
            }
        }
        pairs.into_iter().for_each(|(a, b)| self.link(a, b));
    }

    /// Hosts with tunnels to each other have the same tunnels but for one: each has that to the other. So two
    /// bridges meet if each has exactly one address that the other lacks.
    fn link_tunnels(&mut self) {
        let mut pairs = Vec::new();
        for (a, one) in self.bridges.iter().enumerate() {
            for (b, other) in self.bridges.iter().enumerate().skip(a + 1) {
                let apart = one.host() != other.host();
                if let (true, Some(there), Some(back)) = (apart, only_tunnel(one, other), only_tunnel(other, one)) {
                    pairs.push((End { bridge: a, port: there }, End { bridge: b, port: back }));
                }
            }
        }
        pairs.into_iter().for_each(|(a, b)| self.link(a, b));
    }
}

/// The one tunnel port of a bridge to an address to which the other has none.
fn only_tunnel(bridge: &Bridge, other: &Bridge) -> Option<PortNo> {
    let lacks = |address: u32| other.tunnels().all(|(_, known)| known != address);
    let mut ports = bridge.tunnels().filter(|(_, address)| lacks(*address));
    let (port, _) = ports.next()?;
    ports.next().is_none().then_some(port)
}

/// Whether this is the name of a patch port of Heddle or Neutron.
pub fn is_patch(name: &str) -> bool {
    patch_peer(name).is_some()
}

/// The name of the other end of a patch port.
fn patch_peer(name: &str) -> Option<String> {
    match name {
        "patch-tun" => Some("patch-int".to_owned()),
        "patch-int" => Some("patch-tun".to_owned()),
        _ => {
            let physical = name.strip_prefix("int-").map(|rest| format!("phy-{rest}"));
            physical.or_else(|| name.strip_prefix("phy-").map(|rest| format!("int-{rest}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(name: &str, ports: &[&str]) -> Bridge {
        let port = |name: &&str| BridgePort { name: (*name).to_owned(), config: PortConfig::default(), live: None };
        let known = ports.iter().enumerate().map(|(at, name)| (PortNo(at as u32 + 1), port(name))).collect();
        Bridge { name: name.to_owned(), ports: Ports { known, complete: true }, ..Bridge::default() }
    }

    fn peer(network: &Network, bridge: &str, port: &str) -> Option<(Cable, String)> {
        let id = network.bridge_by_name(bridge).unwrap();
        let port = network.bridges()[id].port_by_name(port).unwrap();
        let (cable, end) = network.peer(End { bridge: id, port })?;
        let other = &network.bridges()[end.bridge];
        Some((cable, format!("{} {}", other.name, other.port_name(end.port).unwrap())))
    }

    #[test]
    fn patch_ports_meet_on_their_own_host() {
        let network = Network::new(vec![
            bridge("br-int", &["tap1", "patch-tun", "int-ext"]),
            bridge("br-tun", &["patch-int"]),
            bridge("br-ext", &["phy-ext"]),
            bridge("host2:br-tun", &["patch-int"]),
        ]);
        assert_eq!(peer(&network, "br-int", "patch-tun"), Some((Cable::Patch, "br-tun patch-int".into())));
        assert_eq!(peer(&network, "br-ext", "phy-ext"), Some((Cable::Patch, "br-int int-ext".into())));
        assert_eq!(peer(&network, "host2:br-tun", "patch-int"), None);
        assert_eq!(peer(&network, "br-int", "tap1"), None);
    }

    #[test]
    fn tunnels_meet_where_the_addresses_leave_no_choice() {
        let network = Network::new(vec![
            bridge("br-tun", &["patch-int", "vxlan-c0000202", "vxlan-c0000203"]),
            bridge("two:br-tun", &["vxlan-c0000201", "vxlan-c0000203"]),
            bridge("three:br-tun", &["vxlan-c0000201", "vxlan-c0000202"]),
        ]);
        let end = |text: &str| Some((Cable::Tunnel, text.to_owned()));
        assert_eq!(peer(&network, "br-tun", "vxlan-c0000202"), end("two:br-tun vxlan-c0000201"));
        assert_eq!(peer(&network, "three:br-tun", "vxlan-c0000202"), end("two:br-tun vxlan-c0000203"));
        let unclear = Network::new(vec![
            bridge("br-tun", &["vxlan-c0000202", "vxlan-c0000203"]),
            bridge("two:br-tun", &["vxlan-c0000201"]),
        ]);
        assert_eq!(peer(&unclear, "br-tun", "vxlan-c0000202"), None);
    }
}
