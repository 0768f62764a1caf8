//! What the way from this host to other nodes carries, against what the networks over tunnels need.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, UdpSocket};

use crate::topology::{Name, Network, Node, Topology, Underlay};

/// The port of VXLAN (RFC 7348 §5); nothing is sent there.
const VXLAN_PORT: u16 = 4789;

/// A way to other nodes that is too small for a network.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooSmall {
    /// One of the nodes, with its address.
    node: (Name, IpAddr),
    /// How many more there are.
    more: usize,
    /// What the way carries in bytes.
    carries: u32,
    /// The network that needs most, and its MTU.
    network: (Name, u16),
    /// What the tunnel adds to that.
    overhead: u16,
}

impl fmt::Display for TooSmall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node: (node, address), more, carries, network: (network, mtu), overhead } = self;
        write!(out, "the way to node {node} ({address})")?;
        if *more > 0 {
            write!(out, " and {more} more")?;
        }
        write!(
            out,
            " carries packets of up to {carries} bytes, network {network} needs {} (its mtu {mtu} and {overhead} for \
             VXLAN): raise the MTU of the underlay, or say path_mtu = {carries} under [mtu] in the topology",
            u32::from(*mtu) + u32::from(*overhead)
        )
    }
}

/// The ways from `node` that are too small, if this host is that node: it has the node's `tunnel_ip`.
pub(super) fn too_small(topology: &Topology, node: &str) -> Vec<TooSmall> {
    let Some(own) = topology.node(node).and_then(|node| node.tunnel_ip) else { return Vec::new() };
    find(topology, node, |peer| way_mtu(own, peer).ok())
}

/// The kernel's idea of the largest packet from one of our addresses to a peer: the MTU of the interface that its
/// route takes, or of the route itself (ip(7), `IP_MTU`). Sends nothing.
fn way_mtu(own: IpAddr, peer: IpAddr) -> io::Result<u32> {
    let socket = UdpSocket::bind((own, 0))?;
    socket.connect((peer, VXLAN_PORT))?;
    let mtu =
        if peer.is_ipv6() { rustix::net::sockopt::ipv6_mtu(&socket) } else { rustix::net::sockopt::ip_mtu(&socket) };
    Ok(mtu?)
}

/// Asks `carries` what the way to each peer carries; `None`: nobody knows.
fn find(topology: &Topology, node: &str, carries: impl Fn(IpAddr) -> Option<u32>) -> Vec<TooSmall> {
    let mut found: BTreeMap<(u32, Name), TooSmall> = BTreeMap::new();
    for peer in topology.peers(node) {
        let Some((address, network)) = peer.tunnel_ip.zip(largest_shared(topology, node, peer)) else { continue };
        let overhead = if address.is_ipv6() { Underlay::Ipv6 } else { Underlay::Ipv4 }.overhead();
        let mtu = topology.mtu_of(network);
        let needed = u32::from(mtu) + u32::from(overhead);
        let Some(carries) = carries(address).filter(|carries| *carries < needed) else { continue };
        let way = found.entry((carries, network.name.clone()));
        way.and_modify(|way| way.more += 1).or_insert_with(|| TooSmall {
            node: (peer.name.clone(), address),
            more: 0,
            carries,
            network: (network.name.clone(), mtu),
            overhead,
        });
    }
    found.into_values().collect()
}

/// The network with the largest packets that travel between two nodes.
fn largest_shared<'a>(topology: &'a Topology, node: &str, peer: &Node) -> Option<&'a Network> {
    let networks = topology.networks_on(node).filter_map(|name| topology.network(name));
    let shared = networks.filter(|network| network.kind.is_vxlan());
    let shared = shared.filter(|network| topology.ports_on(&network.name, &peer.name).next().is_some());
    shared.max_by_key(|network| topology.mtu_of(network)).map(|network| &**network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(mtu: &str) -> Topology {
        let mut text = format!("{mtu}\n[networks.blue]\ntype = 'vxlan'\nsegmentation_id = 1\n");
        text.push_str("[networks.small]\ntype = 'vxlan'\nsegmentation_id = 2\nmtu = 1000\n");
        for (number, node) in ["a", "b", "c", "d"].iter().enumerate() {
            let network = if *node == "d" { "small" } else { "blue" };
            text.push_str(&format!(
                "[nodes.{node}]\ntunnel_ip = '192.0.2.{}'\n[ports.{node}]\nnetwork = '{network}'\nnode = '{node}'\n\
                 mac_address = 'fa:16:3e:00:00:0{number}'\n",
                number + 1
            ));
        }
        text.push_str("[ports.a2]\nnetwork = 'small'\nnode = 'a'\nmac_address = 'fa:16:3e:00:00:09'\n");
        Topology::parse(&text, "t").unwrap()
    }

    fn said(mtu: &str, carries: Option<u32>) -> Vec<String> {
        find(&topology(mtu), "a", |_| carries).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_way_that_carries_the_largest_packet_of_its_networks_is_good() {
        assert_eq!(said("", Some(1500)), [] as [String; 0]);
        assert_eq!(said("[mtu]\npath_mtu = 1400", Some(1400)), [] as [String; 0]);
        assert_eq!(said("", None), [] as [String; 0], "what nobody knows is no fault");
    }

    #[test]
    fn ways_that_are_too_small_are_told_once_for_all_nodes_of_a_network() {
        assert_eq!(
            said("", Some(1400)),
            ["the way to node b (192.0.2.2) and 1 more carries packets of up to 1400 bytes, network blue needs 1500 \
              (its mtu 1450 and 50 for VXLAN): raise the MTU of the underlay, or say path_mtu = 1400 under [mtu] in \
              the topology"]
        );
        assert_eq!(said("", Some(1000)).len(), 2, "the network with an mtu of its own is too large too");
    }

    #[test]
    fn only_the_node_itself_sees_its_ways() {
        // The addresses of the topology are for documentation (RFC 5737): no host has them.
        assert_eq!(too_small(&topology(""), "a"), []);
        assert!(way_mtu([127, 0, 0, 1].into(), [127, 0, 0, 2].into()).unwrap() >= 1500);
    }
}
