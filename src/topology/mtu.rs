//! How large the packets of a network may be, computed as Neutron computes it.
//!
//! `[mtu]` holds Neutron's options: `global_physnet_mtu` of neutron.conf, `path_mtu` and `physical_network_mtus` of
//! ml2_conf.ini. A network over tunnels has the smaller of the first two less what a tunnel adds; a flat or VLAN
//! network the smaller of the global one and its physical network's own; a local one the global one.

use std::collections::BTreeMap;
use std::fmt;

use super::check::check_name;
use super::document::{self, At, Report, Value};
use super::{Fault, Name, Network, NetworkKind, Topology};

/// The smallest MTU of any network (RFC 791 §3.2: every module forwards packets of 68 bytes).
pub(super) const LEAST: u16 = 68;
/// The smallest MTU of a network with an IPv6 subnet (RFC 8200 §5).
pub(super) const LEAST_IPV6: u16 = 1280;

/// What carries the packets of a VXLAN network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underlay {
    /// Tunnels between IPv4 addresses.
    Ipv4,
    /// At least one tunnel between IPv6 addresses.
    Ipv6,
}

impl Underlay {
    /// What a VXLAN tunnel adds to a packet in bytes: the headers of IP, UDP and VXLAN, and the packet's own
    /// Ethernet header, which travels inside (RFC 7348 §5).
    pub const fn overhead(self) -> u16 {
        let ip = match self {
            Self::Ipv4 => 20,
            Self::Ipv6 => 40,
        };
        ip + 8 + 8 + 14
    }
}

/// `[mtu]` of the topology: what the networks underneath carry, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mtu {
    /// Of the physical networks and the network between the tunnel addresses; 68–65535, 1500 by default.
    pub global_physnet_mtu: u16,
    /// Of the network between the tunnel addresses, if that is smaller; 68–65535, or 0 for not set.
    pub path_mtu: u16,
    /// Of single physical networks, if that is smaller; 68–65535.
    pub physical_network_mtus: BTreeMap<Name, u16>,
}

impl Default for Mtu {
    fn default() -> Self {
        Self { global_physnet_mtu: 1500, path_mtu: 0, physical_network_mtus: BTreeMap::new() }
    }
}

/// The largest packet that a network can carry, and what makes it so. Prints as
/// `1450 bytes (global_physnet_mtu 1500 less 50 for VXLAN)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MtuLimit {
    /// In bytes.
    pub bytes: u16,
    /// The option that limits it, with its value.
    option: (&'static str, u16),
    /// What a tunnel takes of it.
    overhead: u16,
}

impl fmt::Display for MtuLimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = self.option;
        write!(out, "{} bytes ({name} {value}", self.bytes)?;
        match self.overhead {
            0 => write!(out, ")"),
            overhead => write!(out, " less {overhead} for VXLAN)"),
        }
    }
}

impl Mtu {
    /// The largest packet of a network of this kind.
    pub fn limit(&self, kind: &NetworkKind, underlay: Underlay) -> MtuLimit {
        let global = ("global_physnet_mtu", self.global_physnet_mtu);
        let own = match kind {
            NetworkKind::Local => None,
            NetworkKind::Vxlan { .. } => Some(("path_mtu", self.path_mtu)).filter(|(_, value)| *value > 0),
            NetworkKind::Flat { physical_network } | NetworkKind::Vlan { physical_network, .. } => {
                self.physical_network_mtus.get(physical_network).map(|value| ("physical_network_mtus", *value))
            }
        };
        let option = own.filter(|(_, value)| *value < self.global_physnet_mtu).unwrap_or(global);
        let overhead = if kind.is_vxlan() { underlay.overhead() } else { 0 };
        MtuLimit { bytes: option.1.saturating_sub(overhead), option, overhead }
    }

    /// Reads `[mtu]`. What is wrong is reported and keeps its default.
    pub(super) fn read(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Self {
        const KNOWN: &[&str] = &["global_physnet_mtu", "path_mtu", "physical_network_mtus"];
        let mut mtu = Self::default();
        for (key, value) in document::table(value, at, report).into_iter().flatten() {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "global_physnet_mtu" => {
                    mtu.global_physnet_mtu = size(value, &at, report).unwrap_or(mtu.global_physnet_mtu);
                }
                "path_mtu" if document::is_zero(value) => mtu.path_mtu = 0,
                "path_mtu" => mtu.path_mtu = size(value, &at, report).unwrap_or(mtu.path_mtu),
                "physical_network_mtus" => {
                    for (name, value) in document::table(value, &at, report).into_iter().flatten() {
                        let at = at.key(name.get_ref());
                        check_name(name.get_ref(), &at, report);
                        let size = size(value, &at, report);
                        mtu.physical_network_mtus.extend(size.map(|size| (Name::from(&**name.get_ref()), size)));
                    }
                }
                _ => report.push(&at, Fault::UnknownKey { known: KNOWN }),
            }
        }
        mtu
    }
}

fn size(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<u16> {
    let size = document::number(value, at, report, "a size in bytes", (u32::from(LEAST), u32::from(u16::MAX)))?;
    u16::try_from(size).ok()
}

/// A network's own MTU, or what it gets without one, against what can be.
pub(super) fn check_mtu(network: &Network, limit: MtuLimit, report: &mut Report) {
    let networks = At::ROOT.key("networks");
    let at = networks.key(&network.name);
    let has_ipv6 = network.subnets.iter().any(|subnet| subnet.cidr.is_ipv6());
    let least = if has_ipv6 { LEAST_IPV6 } else { LEAST };
    match network.mtu {
        Some(found) if found > limit.bytes => report.push(&at.key("mtu"), Fault::MtuTooLarge { found, limit }),
        None if limit.bytes < least => report.push(&at, Fault::MtuTooSmall { limit, least }),
        _ => {}
    }
}

impl Topology {
    /// Every network. Ports come first: which nodes a network is on counts.
    pub(super) fn check_mtus(&self, report: &mut Report) {
        for network in self.networks() {
            check_mtu(network, self.mtu_limit(network), report);
        }
    }

    /// The largest packet of a network's ports in bytes: its own `mtu` if it has one, else as much as can pass.
    pub fn mtu_of(&self, network: &Network) -> u16 {
        network.mtu.unwrap_or_else(|| self.mtu_limit(network).bytes)
    }

    /// The largest packet that can pass through a network, whatever its own `mtu` says. Looks at each of its
    /// nodes where some nodes have IPv6 tunnels.
    pub fn mtu_limit(&self, network: &Network) -> MtuLimit {
        let over_ipv6 = self.has_ipv6_tunnels
            && network.kind.is_vxlan()
            && self.nodes_of(&network.name).any(|node| self.underlay_of(node) == Underlay::Ipv6);
        self.mtu.limit(&network.kind, if over_ipv6 { Underlay::Ipv6 } else { Underlay::Ipv4 })
    }

    /// What carries the tunnels of a node.
    pub(super) fn underlay_of(&self, node: &str) -> Underlay {
        match self.node(node).and_then(|node| node.tunnel_ip) {
            Some(address) if address.is_ipv6() => Underlay::Ipv6,
            _ => Underlay::Ipv4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Port, Refused};

    const NODES: &str = "[nodes.a]\ntunnel_ip = '192.0.2.1'\n[nodes.b]\ntunnel_ip = '192.0.2.2'\n\
                         [nodes.six]\ntunnel_ip = '2001:db8::1'\n";
    const NETWORKS: &str = "[networks.tunnel]\ntype = 'vxlan'\nsegmentation_id = 1\n\
                            [networks.lan]\ntype = 'flat'\nphysical_network = 'slow'\n\
                            [networks.vlan]\ntype = 'vlan'\nphysical_network = 'fast'\nsegmentation_id = 5\n\
                            [networks.here]\ntype = 'local'\n";

    fn port(node: &str, number: u8) -> String {
        format!("[ports.p{number}]\nnetwork = 'tunnel'\nnode = '{node}'\nmac_address = 'fa:16:3e:00:00:{number:02x}'\n")
    }

    fn parse(text: &str) -> Result<Topology, Refused> {
        Topology::parse(&format!("{text}{NODES}{NETWORKS}{}", port("a", 1)), "t")
    }

    /// The MTUs of the networks `tunnel`, `lan`, `vlan` and `here`.
    fn mtus(text: &str) -> [u16; 4] {
        let topology = parse(text).unwrap();
        ["tunnel", "lan", "vlan", "here"].map(|name| topology.mtu_of(topology.network(name).unwrap()))
    }

    #[test]
    fn without_options_all_is_1500_and_tunnels_take_their_headers_from_it() {
        assert_eq!(mtus(""), [1450, 1500, 1500, 1500]);
        assert_eq!(mtus("[mtu]\n"), [1450, 1500, 1500, 1500]);
    }

    #[test]
    fn the_smallest_option_that_concerns_a_network_counts() {
        assert_eq!(mtus("[mtu]\nglobal_physnet_mtu = 9000\n"), [8950, 9000, 9000, 9000]);
        assert_eq!(mtus("[mtu]\nglobal_physnet_mtu = 9000\npath_mtu = 1600\n"), [1550, 9000, 9000, 9000]);
        assert_eq!(mtus("[mtu]\npath_mtu = 9000\n"), [1450, 1500, 1500, 1500]);
        let own =
            "[mtu]\nglobal_physnet_mtu = 4000\npath_mtu = 0\nphysical_network_mtus = { slow = 1400, fast = 9000 }\n";
        assert_eq!(mtus(own), [3950, 1400, 4000, 4000]);
    }

    #[test]
    fn a_node_with_an_ipv6_tunnel_address_costs_its_networks_20_bytes_more() {
        let mut topology = parse("").unwrap();
        let mtu = |topology: &Topology| topology.mtu_of(topology.network("tunnel").unwrap());
        let before = topology.clone();
        let name = "p2".into();
        let moved = Port {
            name,
            node: "six".into(),
            mac_address: "fa:16:3e:00:00:02".parse().unwrap(),
            ..(**topology.port("p1").unwrap()).clone()
        };
        topology.insert_port(moved).unwrap();
        assert_eq!((mtu(&before), mtu(&topology)), (1450, 1430));
        let changes = Topology::diff(&before, &topology);
        assert_eq!(changes.networks, ["tunnel".into()], "the network changed for all its ports");
        topology.remove_port("p2");
        assert_eq!(mtu(&topology), 1450);
    }

    #[test]
    fn a_diff_names_the_networks_whose_mtu_is_another() {
        let networks = |text| Topology::diff(&parse("").unwrap(), &parse(text).unwrap()).networks;
        assert_eq!(networks("[mtu]\nphysical_network_mtus = { slow = 1400 }\n"), ["lan".into()]);
        assert_eq!(networks("[mtu]\npath_mtu = 1400\n"), ["tunnel".into()]);
        assert_eq!(networks("[mtu]\npath_mtu = 1500\n"), [] as [Name; 0]);
    }

    #[test]
    fn a_network_may_have_less_and_never_more_than_can_pass() {
        let text = |mtu: u16| {
            format!("{NODES}{NETWORKS}{}", port("a", 1)).replacen("id = 1\n", &format!("id = 1\nmtu = {mtu}\n"), 1)
        };
        let topology = Topology::parse(&text(1400), "t").unwrap();
        assert_eq!(topology.mtu_of(topology.network("tunnel").unwrap()), 1400);
        assert_eq!(
            Topology::parse(&text(1451), "t").unwrap_err().to_string(),
            "t:10:7: networks.tunnel.mtu: found 1451, expected at most 1450 bytes (global_physnet_mtu 1500 less 50 for \
             VXLAN)"
        );
        let mut topology = Topology::parse(&text(1450), "t").unwrap();
        let six = Port {
            name: "p2".into(),
            node: "six".into(),
            mac_address: "fa:16:3e:00:00:02".parse().unwrap(),
            ..(**topology.port("p1").unwrap()).clone()
        };
        assert_eq!(
            topology.insert_port(six).unwrap_err().to_string(),
            "networks.tunnel.mtu: found 1450, expected at most 1430 bytes (global_physnet_mtu 1500 less 70 for VXLAN)"
        );
        assert!(topology.port("p2").is_none());
    }

    #[test]
    fn a_network_whose_packets_would_be_too_small_is_refused() {
        let text = parse("[mtu]\npath_mtu = 100\n").unwrap_err().to_string();
        assert_eq!(
            text,
            "t:9:1: networks.tunnel: found room for packets of 50 bytes (path_mtu 100 less 50 for VXLAN), expected 68 or \
             more"
        );
        let six = format!(
            "[mtu]\nphysical_network_mtus = {{ slow = 1000 }}\n{NODES}{NETWORKS}\
                           [networks.lan.subnets.s]\ncidr = '2001:db8::/64'\n"
        );
        assert_eq!(
            Topology::parse(&six, "t").unwrap_err().to_string(),
            "t:12:1: networks.lan: found room for packets of 1000 bytes (physical_network_mtus 1000), expected 1280 or \
             more"
        );
    }

    #[test]
    fn the_section_comes_once_wherever_it_is_in_a_large_file() {
        let text = |sections: &str| format!("{NODES}{NETWORKS}{}{sections}", port("a", 1));
        let once = Topology::parse_in_chunks(&text("[mtu]\npath_mtu = 1400\n"), "t", 1).unwrap();
        assert_eq!(once.mtu_of(once.network("tunnel").unwrap()), 1350);
        let twice = format!("[mtu]\npath_mtu = 1400\n{}", text("[mtu]\n"));
        let refused = Topology::parse_in_chunks(&twice, "t", 1).unwrap_err().to_string();
        assert_eq!(refused, Topology::parse(&twice, "t").unwrap_err().to_string());
        assert!(refused.ends_with("not TOML: duplicate key mtu"), "{refused}");
    }

    #[test]
    fn options_that_cannot_be_are_refused_where_they_stand() {
        let size = |found: u32| format!("found {found}, expected a size in bytes from 68 to 65535");
        for (options, expected) in [
            ("global_physnet_mtu = 0", format!("t:2:22: mtu.global_physnet_mtu: {}", size(0))),
            ("global_physnet_mtu = 65536", format!("t:2:22: mtu.global_physnet_mtu: {}", size(65536))),
            ("path_mtu = 67", format!("t:2:12: mtu.path_mtu: {}", size(67))),
            ("path_mtu = '1500'", "t:2:12: mtu.path_mtu: found a string, expected an integer".into()),
            ("physical_network_mtus = { slow = 1 }", format!("t:2:34: mtu.physical_network_mtus.slow: {}", size(1))),
            (
                "mtu = 1500",
                "t:2:1: mtu.mtu: found an unknown key, expected global_physnet_mtu, path_mtu or physical_network_mtus"
                    .into(),
            ),
        ] {
            assert_eq!(parse(&format!("[mtu]\n{options}\n")).unwrap_err().to_string(), expected);
        }
    }
}
