//! `br-int`: what local ports ask by DHCPv6, and their router solicitations, go up to Heddle, which answers in the place
//! of server and router.
//!
//! As for [DHCPv4](super::dhcp), each flow matches its port: what all others ask is switched as it was.

use super::cookie::Kind;
use super::dhcp::{may_be_foreign, to_heddle};
use super::object::{Entry, Sink};
use super::tables::{DHCP_IPV6, TRANSIENT};
use super::view::{Bridge, View};
use crate::openflow::Match;
use crate::openflow::numbers::ROUTER_SOLICITATION;
use crate::topology::Port;

/// UDP ports of DHCPv6 (RFC 8415 §7.2).
const CLIENT: u16 = 546;
const SERVER: u16 = 547;
/// Where clients ask (RFC 8415 §7.1).
const ALL_SERVERS: std::net::Ipv6Addr = std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

const ON: &Bridge = &Bridge::Integration;

/// The flows of a local port of a network with DHCPv6 or router advertisements.
pub(super) fn port(port: &Port, view: &View<'_>, sink: &mut Sink<'_>) {
    let Some(&ofport) = view.bindings.ports.get(&port.name) else { return };
    let Some(network) = view.topology.network(&port.network) else { return };
    let from_port = || Match::new().in_port(ofport);
    let up = [to_heddle()];
    if network.answers_dhcpv6() {
        let request = || from_port().udp6(CLIENT, SERVER);
        let to_all = request().ipv6_dst(ALL_SERVERS);
        sink.add(ON, Entry::new(TRANSIENT, 101, Kind::PortDhcpv6, to_all).goto(DHCP_IPV6));
        let own = request().eth_src(port.mac_address);
        sink.add(ON, Entry::new(DHCP_IPV6, 100, Kind::PortDhcpv6ToHeddle, own).apply(&up));
        if may_be_foreign(port) {
            sink.add(ON, Entry::new(DHCP_IPV6, 1, Kind::PortDhcpv6Foreign, from_port()));
        }
    }
    if view.topology.hears_routers(port) {
        let solicitation = || from_port().icmpv6_type(ROUTER_SOLICITATION);
        sink.add(ON, Entry::new(TRANSIENT, 101, Kind::PortSolicitation, solicitation()).goto(DHCP_IPV6));
        sink.add(ON, Entry::new(DHCP_IPV6, 100, Kind::PortSolicitationToHeddle, solicitation()).apply(&up));
    }
}
