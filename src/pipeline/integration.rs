//! `br-int`: every local port, one VLAN per network.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::cookie::Kind;
use super::firewall;
use super::object::{Entry, Sink};
use super::tables::{
    ARP_SPOOF, BANDWIDTH_RATE_LIMIT, CANARY, LOCAL_SWITCHING, MAC_SPOOF, PACKET_RATE_LIMIT, TRANSIENT,
};
use super::view::{Bridge, LocalVlan, View};
use crate::openflow::matching::{ETH_TYPE_ARP, ETH_TYPE_VLAN, VLAN_PRESENT};
use crate::openflow::numbers::NEIGHBOR_ADVERTISEMENT;
use crate::openflow::{Action, MacAddr, Match, PortNo, oxm};
use crate::topology::{Network, NetworkKind, Port};

const ON: &Bridge = &Bridge::Integration;

/// Flows that do not depend on networks or ports.
pub(super) fn host(view: &View<'_>, sink: &mut Sink<'_>) {
    let miss = |table| Entry::new(table, 0, Kind::TableMiss, Match::new());
    sink.add(ON, Entry::new(LOCAL_SWITCHING, 65535, Kind::DeadVlan, Match::new().vlan(LocalVlan::DEAD)));
    if let Some(port) = view.bindings.patch_tun {
        let matching = Match::new().in_port(port);
        sink.add(ON, Entry::new(LOCAL_SWITCHING, 1, Kind::FromTunnelBridge, matching).goto(PACKET_RATE_LIMIT));
    }
    sink.add(ON, miss(LOCAL_SWITCHING));
    sink.add(ON, Entry::new(CANARY, 0, Kind::Canary, Match::new()));
    if !view.topology.firewall() {
        sink.add(ON, miss(ARP_SPOOF));
        sink.add(ON, miss(MAC_SPOOF));
    }
    sink.add(ON, miss(PACKET_RATE_LIMIT).goto(BANDWIDTH_RATE_LIMIT));
    sink.add(ON, miss(BANDWIDTH_RATE_LIMIT).goto(TRANSIENT));
    let normal = [Action::output(PortNo::NORMAL)];
    // With a firewall only what comes from outside: what a port sends goes where its flows say, or nowhere.
    let switched = if view.topology.firewall() { Match::new().field(&oxm::REG5, 0) } else { Match::new() };
    sink.add(ON, Entry::new(TRANSIENT, 1, Kind::Normal, switched).apply(&normal));
    if view.topology.firewall() {
        firewall::host(sink);
    }
}

/// Nothing enters from a physical bridge unless a network wants it.
pub(super) fn guard(physical_network: &str, view: &View<'_>, sink: &mut Sink<'_>) {
    if let Some(port) = view.bindings.physical.get(physical_network).and_then(|patch| patch.integration) {
        sink.add(ON, Entry::new(LOCAL_SWITCHING, 2, Kind::PhysicalGuard, Match::new().in_port(port)));
    }
}

/// From the wire: segmentation id, or no tag, to the local VLAN.
pub(super) fn network(network: &Network, view: &View<'_>, sink: &mut Sink<'_>) {
    if view.topology.firewall() {
        firewall::network(network, view, sink);
    }
    let (physical_network, segmentation_id) = match &network.kind {
        NetworkKind::Flat { physical_network } => (physical_network, None),
        NetworkKind::Vlan { physical_network, segmentation_id } => (physical_network, Some(*segmentation_id)),
        NetworkKind::Local | NetworkKind::Vxlan { .. } => return,
    };
    let Some(local_vlan) = view.local_vlan(&network.name) else { return };
    let Some(port) = view.bindings.physical.get(physical_network).and_then(|patch| patch.integration) else { return };
    let entry = |matching| Entry::new(LOCAL_SWITCHING, 3, Kind::NetworkFromPhysical, matching);
    let matching = Match::new().in_port(port);
    match segmentation_id {
        Some(vid) => {
            let actions = [set_vlan(local_vlan.vid())];
            sink.add(ON, entry(matching.vlan(vid)).apply(&actions).goto(PACKET_RATE_LIMIT));
        }
        None => {
            let actions = [Action::PushVlan(ETH_TYPE_VLAN), set_vlan(local_vlan.vid())];
            sink.add(ON, entry(matching.untagged()).apply(&actions).goto(PACKET_RATE_LIMIT));
        }
    }
}

/// Writes the VLAN id of a tagged packet.
pub(super) fn set_vlan(vid: u16) -> Action {
    Action::set_field(&oxm::VLAN_VID, u128::from(vid | VLAN_PRESENT))
}

/// What a local port may send.
pub(super) fn port(port: &Port, view: &View<'_>, sink: &mut Sink<'_>) {
    if view.topology.firewall() {
        return firewall::port(port, view, sink);
    }
    let Some(&ofport) = view.bindings.ports.get(&port.name) else { return };
    let from_port = || Match::new().in_port(ofport);
    if !port.port_security {
        if view.is_open(&port.name) {
            sink.add(ON, Entry::new(LOCAL_SWITCHING, 9, Kind::PortOpen, from_port()).goto(PACKET_RATE_LIMIT));
        }
        return;
    }
    let arp = || from_port().eth_type(ETH_TYPE_ARP);
    let advertisement = || from_port().icmpv6_type(NEIGHBOR_ADVERTISEMENT);
    sink.add(ON, Entry::new(LOCAL_SWITCHING, 10, Kind::PortArp, arp()).goto(ARP_SPOOF));
    sink.add(ON, Entry::new(LOCAL_SWITCHING, 10, Kind::PortAdvertisement, advertisement()).goto(ARP_SPOOF));
    sink.add(ON, Entry::new(LOCAL_SWITCHING, 9, Kind::PortMac, from_port()).goto(MAC_SPOOF));
    for network in allowed_addresses(port) {
        let entry = match network {
            IpNetwork::V4(_) => Entry::new(ARP_SPOOF, 2, Kind::PortArpAllowed, arp().arp_spa(network)),
            IpNetwork::V6(_) => {
                Entry::new(ARP_SPOOF, 2, Kind::PortAdvertisementAllowed, advertisement().nd_target(network))
            }
        };
        sink.add(ON, entry.goto(MAC_SPOOF));
    }
    for mac in allowed_macs(port).into_iter().filter(|_| view.is_open(&port.name)) {
        let entry = Entry::new(MAC_SPOOF, 2, Kind::PortMacAllowed, from_port().eth_src(mac));
        sink.add(ON, entry.goto(PACKET_RATE_LIMIT));
    }
}

/// The MAC addresses that a port may use.
pub(super) fn allowed_macs(port: &Port) -> BTreeSet<MacAddr> {
    port.allowed_address_pairs.iter().map(|pair| pair.mac_address).chain([port.mac_address]).collect()
}

/// The addresses that a port may announce: its own, those of its pairs, and the link-local one of
/// each MAC address.
fn allowed_addresses(port: &Port) -> BTreeSet<IpNetwork> {
    let fixed = port.fixed_ips.iter().map(|&address| IpNetwork::from(address));
    let pairs = port.allowed_address_pairs.iter().map(|pair| pair.ip_address);
    let link_local = allowed_macs(port).into_iter().map(|mac| IpNetwork::from(IpAddr::V6(mac.link_local_ipv6())));
    fixed.chain(pairs).chain(link_local).collect()
}
