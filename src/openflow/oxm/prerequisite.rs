//! Prerequisites: what a packet has to be, to have a field (OpenFlow 1.3.5 §7.2.3.6, `ovs-fields(7)`).

use super::{Field, Prerequisite as P};
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::numbers::{
    ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, ETH_TYPE_MPLS, ETH_TYPE_MPLS_MULTICAST, ETH_TYPE_NSH, ETH_TYPE_RARP,
    IP_PROTO_ICMP, IP_PROTO_ICMPV6, IP_PROTO_SCTP, IP_PROTO_TCP, IP_PROTO_UDP, NEIGHBOR_ADVERTISEMENT,
    NEIGHBOR_SOLICITATION,
};

/// Bit of `ip_frag`: not the first fragment.
const FRAGMENT_LATER: u8 = 2;
/// Bits of `ct_state`.
const CT_INVALID: u32 = 0x10;
const CT_TRACKED: u32 = 0x20;
/// Those that only a valid connection has: all but `inv` and `trk`.
const CT_OF_VALID: u32 = 0xcf;

/// What a packet has to be, to have a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prerequisite {
    /// Nothing: every packet has the field.
    None,
    /// A frame, not a bare packet.
    Ethernet,
    /// ARP or RARP.
    Arp,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// A frame with a VLAN tag.
    VlanTag,
    /// MPLS, unicast or multicast.
    Mpls,
    /// IPv4 or IPv6.
    Ip,
    /// With a network service header.
    Nsh,
    /// Seen by connection tracking and valid.
    Tracked,
    /// TCP, and not a later fragment.
    Tcp,
    /// UDP, and not a later fragment.
    Udp,
    /// SCTP, and not a later fragment.
    Sctp,
    /// ICMP of IPv4.
    Icmpv4,
    /// ICMP of IPv6.
    Icmpv6,
    /// A neighbour solicitation or advertisement.
    NeighborDiscovery,
    /// A neighbour solicitation.
    NeighborSolicitation,
    /// A neighbour advertisement.
    NeighborAdvertisement,
}

impl Prerequisite {
    /// What to match on to meet it, as text; empty for none.
    pub const fn text(self) -> &'static str {
        match self {
            P::None => "",
            P::Ethernet => "eth",
            P::Arp => "arp or rarp",
            P::Ipv4 => "ip",
            P::Ipv6 => "ipv6",
            P::VlanTag => "a VLAN tag (vlan_tci=0x1000/0x1000 or dl_vlan=ID)",
            P::Mpls => "mpls or mplsm",
            P::Ip => "ip or ipv6",
            P::Nsh => "dl_type=0x894f",
            P::Tracked => "ct_state=+trk-inv",
            P::Tcp => "tcp or tcp6",
            P::Udp => "udp or udp6",
            P::Sctp => "sctp or sctp6",
            P::Icmpv4 => "icmp",
            P::Icmpv6 => "icmp6",
            P::NeighborDiscovery => "icmp6,icmpv6_code=0 and icmpv6_type=135 or 136",
            P::NeighborSolicitation => "icmp6,icmpv6_type=135,icmpv6_code=0",
            P::NeighborAdvertisement => "icmp6,icmpv6_type=136,icmpv6_code=0",
        }
    }
}

/// What is known of packets, from a match and then from each action: whether they have a field. Zero
/// where nothing is known.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Name space and type; 0 for a frame.
    pub packet_type: u32,
    /// EtherType of a frame.
    pub eth_type: u16,
    /// IP protocol, or the opcode of ARP.
    pub ip_proto: u8,
    /// `ip_frag`.
    pub fragment: u8,
    /// Type of ICMP.
    pub icmp_type: u8,
    /// Code of ICMP.
    pub icmp_code: u8,
    /// TCIs from the outermost tag.
    pub tci: [u16; 2],
    /// `ct_state`.
    pub ct_state: u32,
    /// Bits of `ct_state` that are known.
    pub ct_state_mask: u32,
    /// The flow's table; 255 where none was named.
    pub table: u8,
}

impl Packet {
    /// The EtherType that counts: of the frame, or of a packet without one.
    pub const fn dl_type(&self) -> u16 {
        match (self.packet_type, self.packet_type >> 16) {
            (0, _) => self.eth_type,
            (_, 1) => self.packet_type as u16,
            _ => 0,
        }
    }

    /// IPv4 or IPv6.
    pub const fn is_ip(&self) -> bool {
        matches!(self.dl_type(), ETH_TYPE_IPV4 | ETH_TYPE_IPV6)
    }

    /// MPLS, unicast or multicast.
    pub const fn is_mpls(&self) -> bool {
        matches!(self.dl_type(), ETH_TYPE_MPLS | ETH_TYPE_MPLS_MULTICAST)
    }

    /// With a VLAN tag.
    pub const fn is_vlan(&self) -> bool {
        let [outer, _] = self.tci;
        outer & VLAN_PRESENT != 0
    }

    const fn is_transport(&self, protocol: u8) -> bool {
        self.is_ip() && self.ip_proto == protocol && self.fragment & FRAGMENT_LATER == 0
    }

    const fn is_icmpv6(&self) -> bool {
        self.dl_type() == ETH_TYPE_IPV6 && self.ip_proto == IP_PROTO_ICMPV6
    }

    /// A neighbour solicitation or advertisement.
    pub const fn is_neighbor_discovery(&self) -> bool {
        self.is_icmpv6()
            && self.icmp_code == 0
            && matches!(self.icmp_type, NEIGHBOR_SOLICITATION | NEIGHBOR_ADVERTISEMENT)
    }

    /// Known to be tracked and valid.
    const fn is_tracked(&self) -> bool {
        let not_invalid = self.ct_state_mask & !self.ct_state & CT_INVALID != 0;
        self.ct_state & CT_OF_VALID != 0 || self.ct_state & CT_TRACKED != 0 && not_invalid
    }

    /// Whether the packets are what `prerequisite` asks for.
    pub const fn meets(&self, prerequisite: Prerequisite) -> bool {
        let dl_type = self.dl_type();
        match prerequisite {
            P::None => true,
            P::Ethernet => self.packet_type == 0,
            P::Arp => matches!(dl_type, ETH_TYPE_ARP | ETH_TYPE_RARP),
            P::Ipv4 => dl_type == ETH_TYPE_IPV4,
            P::Ipv6 => dl_type == ETH_TYPE_IPV6,
            P::VlanTag => self.packet_type == 0 && self.is_vlan(),
            P::Mpls => self.is_mpls(),
            P::Ip => self.is_ip(),
            P::Nsh => dl_type == ETH_TYPE_NSH,
            P::Tracked => self.is_tracked(),
            P::Tcp => self.is_transport(IP_PROTO_TCP),
            P::Udp => self.is_transport(IP_PROTO_UDP),
            P::Sctp => self.is_transport(IP_PROTO_SCTP),
            P::Icmpv4 => dl_type == ETH_TYPE_IPV4 && self.ip_proto == IP_PROTO_ICMP,
            P::Icmpv6 => self.is_icmpv6(),
            P::NeighborDiscovery => self.is_neighbor_discovery(),
            P::NeighborSolicitation => self.is_neighbor_discovery() && self.icmp_type == NEIGHBOR_SOLICITATION,
            P::NeighborAdvertisement => self.is_neighbor_discovery() && self.icmp_type == NEIGHBOR_ADVERTISEMENT,
        }
    }

    /// Whether packets have this field.
    pub const fn has(&self, field: &Field) -> bool {
        self.meets(field.prerequisite)
    }
}
