//! The values of a topology.

use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use super::{Boot, Dhcp, Ipv6Mode};
use crate::openflow::MacAddr;

/// A name: 1 to 255 bytes without control characters. Shared, so that a reference to a thing costs no copy of its name.
pub type Name = Arc<str>;

/// A host that runs Open vSwitch and Heddle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The name, unique among nodes.
    pub name: Name,
    /// Where the other nodes send its encapsulated packets. Always there if the node has ports of a VXLAN network.
    pub tunnel_ip: Option<IpAddr>,
}

/// How the packets of a network travel between nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkKind {
    /// They do not: each node has a part of its own.
    Local,
    /// Untagged on a physical network.
    Flat {
        /// Which one; each node maps it to a bridge.
        physical_network: Name,
    },
    /// With a VLAN tag on a physical network.
    Vlan {
        /// Which one; each node maps it to a bridge.
        physical_network: Name,
        /// The VLAN id, 1–4094, unique on the physical network.
        segmentation_id: u16,
    },
    /// In VXLAN tunnels between the nodes.
    Vxlan {
        /// The VNI, 1–16777215, unique.
        segmentation_id: u32,
    },
}

impl NetworkKind {
    /// The physical network of a flat or VLAN network.
    pub fn physical_network(&self) -> Option<&Name> {
        match self {
            Self::Flat { physical_network } | Self::Vlan { physical_network, .. } => Some(physical_network),
            Self::Local | Self::Vxlan { .. } => None,
        }
    }

    /// The word in the file.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Flat { .. } => "flat",
            Self::Vlan { .. } => "vlan",
            Self::Vxlan { .. } => "vxlan",
        }
    }

    /// True for VXLAN.
    pub const fn is_vxlan(&self) -> bool {
        matches!(self, Self::Vxlan { .. })
    }
}

/// A block of addresses of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// The name, unique in its network.
    pub name: Name,
    /// The block; no host bit is set.
    pub cidr: IpNetwork,
    /// The router: inside the block or, for IPv6, link-local.
    pub gateway_ip: Option<IpAddr>,
    /// What its ports are told by DHCP.
    pub dhcp: Dhcp,
    /// What Heddle advertises in the place of the subnet's router; only of an IPv6 subnet.
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    /// How its hosts come by addresses; only of an IPv6 subnet. [`Subnet::dhcpv6`] says what follows from both.
    pub ipv6_address_mode: Option<Ipv6Mode>,
}

impl Subnet {
    /// True for the network address and the broadcast address of an IPv4 subnet, which no host may have.
    /// The subnets /31 (RFC 3021) and /32 have neither.
    pub fn reserves(&self, address: IpAddr) -> bool {
        match self.cidr {
            IpNetwork::V4(cidr) if cidr.prefix() < 31 => address == cidr.network() || address == cidr.broadcast(),
            _ => false,
        }
    }
}

/// One broadcast domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The name, unique among networks.
    pub name: Name,
    /// How its packets travel.
    pub kind: NetworkKind,
    /// The largest packet of its ports in bytes, at least 68 (RFC 791), 1280 with an IPv6 subnet (RFC 8200 §5).
    pub mtu: Option<u16>,
    /// If ARP requests for known addresses are answered on the asker's host; each host has a default. VXLAN only.
    pub arp_responder: Option<bool>,
    /// The same for neighbour solicitations.
    pub nd_responder: Option<bool>,
    /// Its subnets by name; they do not overlap.
    pub subnets: Vec<Subnet>,
}

impl Network {
    /// The subnet that holds `address`.
    pub fn subnet_of(&self, address: IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.cidr.contains(address))
    }
}

/// Addresses that a port may use besides its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPair {
    /// A block without host bits; a single address is a /32 or /128.
    pub ip_address: IpNetwork,
    /// The port's own unless the file says another.
    pub mac_address: MacAddr,
}

/// Where something is plugged into a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The name, unique among ports; the `external_ids:iface-id` of its interface.
    pub name: Name,
    /// The network's name.
    pub network: Name,
    /// The name of the node it is on.
    pub node: Name,
    /// The name of its interface, if it is not found by `iface-id`; unique on the node.
    pub interface: Option<Name>,
    /// Unicast, unique in the network.
    pub mac_address: MacAddr,
    /// Each inside a subnet of the network and unique in the network.
    pub fixed_ips: Vec<IpAddr>,
    /// If only packets from its own addresses may leave it.
    pub port_security: bool,
    /// The addresses that may leave it too.
    pub allowed_address_pairs: Vec<AddressPair>,
    /// The security groups that it names, each once. None: [`DEFAULT_GROUP`](super::DEFAULT_GROUP).
    pub security_groups: Option<Arc<[Name]>>,
    /// What to boot, where it differs from what the subnets say.
    pub boot: Option<Box<Boot>>,
}
