//! `br-int`: what DHCP clients of local ports send goes up to Heddle, which answers in the place of their server.
//!
//! The flows stand in table 60, behind the checks of what a port may send and before the firewall. Each matches its
//! port: the DHCP of all others is switched as it was, to whatever server there is.

use std::net::{IpAddr, Ipv4Addr};

use super::arp_nd::arp_answer;
use super::cookie::Kind;
use super::integration::allowed_macs;
use super::object::{Entry, Sink};
use super::tables::{DHCP_IPV4, TRANSIENT};
use super::view::{Bridge, View};
use crate::openflow::features::SwitchConfig;
use crate::openflow::matching::ETH_TYPE_ARP;
use crate::openflow::{Action, Match, PortNo};
use crate::packet::Arp;
use crate::topology::{DHCP_SERVER_MAC, Network, Port, Topology};

/// UDP ports of DHCPv4 (RFC 2131 §4.1).
const CLIENT: u16 = 68;
const SERVER: u16 = 67;

const ON: &Bridge = &Bridge::Integration;

/// The flows of a local port that gets its address by DHCPv4.
pub(super) fn port(port: &Port, view: &View<'_>, sink: &mut Sink<'_>) {
    let Some(&ofport) = view.bindings.ports.get(&port.name) else { return };
    let Some(network) = view.topology.network(&port.network) else { return };
    let Some(lease) = network.lease4(port) else { return };
    let from_port = || Match::new().in_port(ofport);
    let request = || from_port().udp4(CLIENT, SERVER);
    for server in [Ipv4Addr::BROADCAST, lease.server] {
        sink.add(ON, Entry::new(TRANSIENT, 101, Kind::PortDhcp, request().ipv4_dst(server)).goto(DHCP_IPV4));
    }
    let up = [to_heddle()];
    let own = request().eth_src(port.mac_address);
    sink.add(ON, Entry::new(DHCP_IPV4, 100, Kind::PortDhcpToHeddle, own).apply(&up));
    if may_be_foreign(port) {
        sink.add(ON, Entry::new(DHCP_IPV4, 1, Kind::PortDhcpForeign, from_port()));
    }
    if is_nowhere(lease.server, network, view.topology) {
        let who_has = from_port().eth_type(ETH_TYPE_ARP).arp_op(Arp::REQUEST).arp_tpa(lease.server);
        let answer = arp_answer(DHCP_SERVER_MAC, lease.server);
        sink.add(ON, Entry::new(TRANSIENT, 101, Kind::PortDhcpServer, who_has).apply(&answer));
    }
}

/// True if more than the port's own MAC address comes this far: of others, table 25 lets nothing through.
pub(super) fn may_be_foreign(port: &Port) -> bool {
    !port.port_security || allowed_macs(port).len() > 1
}

/// The whole packet goes up.
pub(super) const fn to_heddle() -> Action {
    Action::Output { port: PortNo::CONTROLLER, max_len: SwitchConfig::WHOLE_PACKET }
}

/// True if no machine has this address of a server: then nobody else answers ARP for it. A gateway on a physical network
/// may be one that the topology does not know.
fn is_nowhere(server: Ipv4Addr, network: &Network, topology: &Topology) -> bool {
    let server = IpAddr::V4(server);
    let is_gateway = || network.subnets.iter().any(|subnet| subnet.gateway_ip == Some(server));
    topology.port_by_address(&network.name, server).is_none()
        && (network.kind.physical_network().is_none() || !is_gateway())
}

/// True if a port with these addresses is where the DHCP server of a subnet would be: its coming and going concerns the
/// clients.
pub(super) fn has_address_of_server(port: &Port, topology: &Topology) -> bool {
    let Some(network) = topology.network(&port.network) else { return false };
    let of_server = |address| network.subnets.iter().any(|subnet| subnet.dhcp_server_ip() == Some(address));
    port.fixed_ips.iter().any(|&address| of_server(address))
}
