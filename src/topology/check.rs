//! What must hold between values. The same checks serve a file and a single port.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::document::{At, Report, clip};
use super::{Fault, Name, Network, NetworkKind, Port, Subnet, Topology, dhcp, ipv6};
use crate::openflow::MacAddr;

/// The longest interface name of Linux (`IFNAMSIZ` less its final zero).
const MAX_DEVICE_NAME: usize = 15;

/// A name of 1 to 255 bytes without control characters.
pub(crate) fn check_name(name: &str, at: &At<'_>, report: &mut Report) {
    if name.is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
        report.push(at, Fault::BadName(clip(name).into()));
    }
}

/// A name that Linux takes for an interface (`dev_valid_name`), as every port and bridge of Open vSwitch may become one.
pub(crate) fn check_device(name: &str, at: &At<'_>, report: &mut Report) {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '/' || c == ':';
    if name.is_empty() || name.len() > MAX_DEVICE_NAME || name == "." || name == ".." || name.chars().any(bad) {
        report.push(at, Fault::BadDevice(clip(name).into()));
    }
}

fn check_mac(mac: MacAddr, at: &At<'_>, report: &mut Report) {
    if mac.is_multicast() || mac.is_zero() {
        report.push(at, Fault::MacNotUnicast(mac));
    }
}

pub(super) fn check_unicast(address: IpAddr, at: &At<'_>, report: &mut Report) {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_multicast() || address.is_unspecified() || broadcast {
        report.push(at, Fault::AddressNotUnicast(address));
    }
}

pub(super) fn check_host_bits(block: IpNetwork, at: &At<'_>, report: &mut Report) {
    match IpNetwork::new(block.network(), block.prefix()) {
        Ok(expected) if expected != block => report.push(at, Fault::HostBits { found: block, expected }),
        _ => {}
    }
}

/// The subnets of one network.
pub(super) fn check_subnets(network: &Network, at: &At<'_>, report: &mut Report) {
    let subnets = at.key("subnets");
    for (index, subnet) in network.subnets.iter().enumerate() {
        let at = subnets.key(&subnet.name);
        let at_cidr = at.key("cidr");
        check_host_bits(subnet.cidr, &at_cidr, report);
        if subnet.cidr.ip().is_multicast() {
            report.push(&at_cidr, Fault::AddressNotUnicast(subnet.cidr.ip()));
        }
        for other in network.subnets.iter().take(index) {
            if other.cidr.contains(subnet.cidr.network()) || subnet.cidr.contains(other.cidr.network()) {
                let fault = Fault::Overlap { found: subnet.cidr, other: other.cidr };
                report.clash(&at_cidr, fault, &subnets.key(&other.name).key("cidr"));
            }
        }
        if let Some(found) = subnet.gateway_ip {
            subnet.check_router(found, &at.key("gateway_ip"), report);
        }
        dhcp::check(subnet, &at, report);
        ipv6::check(subnet, &at, report);
    }
}

impl Subnet {
    /// The address of a router or a server of this subnet.
    pub(super) fn check_router(&self, found: IpAddr, at: &At<'_>, report: &mut Report) {
        let cidr = self.cidr;
        // Routers announce themselves by their link-local address (RFC 4861 §4.2), DHCPv6 servers answer from it.
        let link_local = matches!((found, cidr), (IpAddr::V6(a), IpNetwork::V6(_)) if a.is_unicast_link_local());
        if !cidr.contains(found) && !link_local {
            report.push(at, Fault::OutsideSubnet { found, cidr });
        } else if self.reserves(found) {
            report.push(at, Fault::Reserved { found, cidr });
        }
    }
}

impl Topology {
    /// Nodes and networks, each against the others.
    pub(super) fn check_shared(&self, report: &mut Report) {
        let at = At::ROOT.key("nodes");
        let mut tunnels: BTreeMap<IpAddr, &Name> = BTreeMap::new();
        for node in self.nodes() {
            let at_node = at.key(&node.name);
            let Some(address) = node.tunnel_ip else { continue };
            let at_tunnel = at_node.key("tunnel_ip");
            check_unicast(address, &at_tunnel, report);
            if let Some(other) = tunnels.get(&address) {
                report.clash(&at_tunnel, Fault::TunnelIpTaken(address), &at.key(other).key("tunnel_ip"));
            } else {
                tunnels.insert(address, &node.name);
            }
        }

        let at = At::ROOT.key("networks");
        let mut segments: BTreeMap<(Option<&Name>, u32), &Name> = BTreeMap::new();
        for network in self.networks() {
            // No VLAN id and no VNI is 0, so that 0 can stand for untagged.
            let (segment, key, fault) = match &network.kind {
                NetworkKind::Local => continue,
                NetworkKind::Flat { physical_network } => {
                    ((Some(physical_network), 0), "physical_network", Fault::FlatTaken(physical_network.clone()))
                }
                &NetworkKind::Vlan { ref physical_network, segmentation_id: id } => {
                    let fault = Fault::VlanTaken { id, physical_network: physical_network.clone() };
                    ((Some(physical_network), u32::from(id)), "segmentation_id", fault)
                }
                &NetworkKind::Vxlan { segmentation_id: id } => ((None, id), "segmentation_id", Fault::VniTaken(id)),
            };
            if let Some(other) = segments.get(&segment) {
                report.clash(&at.key(&network.name).key(key), fault, &at.key(other).key(key));
            } else {
                segments.insert(segment, &network.name);
            }
        }
    }

    /// A port on its own and against everything that is there, except the port of its own name.
    pub(super) fn check_port(&self, port: &Port, report: &mut Report) {
        let ports = At::ROOT.key("ports");
        let at = ports.key(&port.name);
        check_name(&port.name, &at, report);
        check_mac(port.mac_address, &at.key("mac_address"), report);
        let pairs = at.key("allowed_address_pairs");
        for (index, pair) in port.allowed_address_pairs.iter().enumerate() {
            let at = pairs.index(index);
            check_host_bits(pair.ip_address, &at.key("ip_address"), report);
            if pair.mac_address != port.mac_address {
                check_mac(pair.mac_address, &at.key("mac_address"), report);
            }
        }

        let node = self.nodes.get(&port.node);
        if node.is_none() {
            report.push(&at.key("node"), Fault::UnknownNode(clip(&port.node).into()));
        }
        if let Some(interface) = &port.interface {
            let at = at.key("interface");
            check_device(interface, &at, report);
            let holder = node.and_then(|node| node.interfaces.get(&**interface)).map(|entry| &entry.0);
            if let Some(holder) = holder.filter(|holder| holder.name != port.name) {
                let fault = Fault::InterfaceTaken { interface: interface.clone(), node: port.node.clone() };
                report.clash(&at, fault, &ports.key(&holder.name).key("interface"));
            }
        }

        let Some(network) = self.networks.get(&port.network) else {
            report.push(&at.key("network"), Fault::UnknownNetwork(clip(&port.network).into()));
            return;
        };
        if network.network.kind.is_vxlan() && node.is_some_and(|node| node.node.tunnel_ip.is_none()) {
            report.push(&At::ROOT.key("nodes").key(&port.node), Fault::NoTunnelIp);
        }
        if let Some(holder) = network.macs.get(&port.mac_address).filter(|holder| holder.name != port.name) {
            let fault = Fault::MacTaken { mac: port.mac_address, network: port.network.clone() };
            report.clash(&at.key("mac_address"), fault, &ports.key(&holder.name).key("mac_address"));
        }
        self.check_addresses(port, &at, report);
        self.check_port_groups(port, &at, report);
    }

    fn check_addresses(&self, port: &Port, at: &At<'_>, report: &mut Report) {
        let Some(entry) = self.networks.get(&port.network) else { return };
        let network = &entry.network;
        let name = || network.name.clone();
        let ports = At::ROOT.key("ports");
        let fixed_ips = at.key("fixed_ips");
        for (index, &address) in port.fixed_ips.iter().enumerate() {
            let at = fixed_ips.index(index);
            match network.subnet_of(address) {
                None if network.subnets.is_empty() => {
                    report.push(&at, Fault::NoSubnets { address, network: name() });
                }
                None => report.push(&at, Fault::OutsideSubnets { address, network: name() }),
                Some(subnet) if subnet.reserves(address) => {
                    report.push(&at, Fault::Reserved { found: address, cidr: subnet.cidr });
                }
                Some(subnet) if subnet.dhcp.dhcp_server_ip == Some(address) && subnet.gateway_ip != Some(address) => {
                    let networks = At::ROOT.key("networks");
                    let subnets = networks.key(&network.name);
                    let subnets = subnets.key("subnets");
                    let server = subnets.key(&subnet.name);
                    report.clash(&at, Fault::ServerAddress(address), &server.key("dhcp_server_ip"));
                }
                Some(_) => check_unicast(address, &at, report),
            }
            let taken = Fault::AddressTaken { address, network: name() };
            let twin = port.fixed_ips.iter().take(index).position(|other| *other == address);
            let holder = entry.addresses.get(&address).filter(|holder| holder.name != port.name);
            if let Some(twin) = twin {
                report.clash(&at, taken, &fixed_ips.index(twin));
            } else if let Some(holder) = holder {
                let index = holder.fixed_ips.iter().position(|other| *other == address).unwrap_or_default();
                report.clash(&at, taken, &ports.key(&holder.name).key("fixed_ips").index(index));
            }
        }
    }
}
