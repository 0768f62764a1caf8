//! What is known of the packets of a flow, from its match and then from each action before: whether a
//! field is there to be read or written.

use super::ParseError;
use super::piece::Piece;
use crate::openflow::matching::{ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, IP_PROTO_ICMPV6, VLAN_PRESENT};
use crate::openflow::oxm::{self, Field};

/// EtherType of a network service header.
pub(super) const ETH_TYPE_NSH: u16 = 0x894f;
pub(super) const ETH_TYPE_RARP: u16 = 0x8035;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const SCTP: u8 = 132;

/// The packets of a flow, as far as they are known; zero where they are not.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::flow) struct Packet {
    pub(in crate::flow) packet_type: u32,
    pub(in crate::flow) eth_type: u16,
    pub(in crate::flow) ip_proto: u8,
    pub(in crate::flow) fragment: u8,
    pub(in crate::flow) icmp_type: u8,
    pub(in crate::flow) icmp_code: u8,
    /// Tags from the outermost.
    pub(in crate::flow) tci: [u16; 2],
    pub(in crate::flow) ct_state: u32,
    /// Bits of `ct_state` that the match looks at.
    pub(in crate::flow) ct_state_mask: u32,
    /// The flow's table; 255 where none was named.
    pub(in crate::flow) table: u8,
}

impl Packet {
    /// The Ethernet type that counts: of the frame, or of a packet without one.
    pub(super) const fn dl_type(&self) -> u16 {
        match (self.packet_type, self.packet_type >> 16) {
            (0, _) => self.eth_type,
            (_, 1) => self.packet_type as u16,
            _ => 0,
        }
    }

    pub(in crate::flow) const fn is_ip(&self) -> bool {
        matches!(self.dl_type(), ETH_TYPE_IPV4 | ETH_TYPE_IPV6)
    }

    pub(in crate::flow) const fn is_mpls(&self) -> bool {
        matches!(self.dl_type(), 0x8847 | 0x8848)
    }

    pub(super) const fn is_vlan(&self) -> bool {
        let [outer, _] = self.tci;
        outer & VLAN_PRESENT != 0
    }

    const fn is_transport(&self, protocol: u8) -> bool {
        self.is_ip() && self.ip_proto == protocol && self.fragment & 2 == 0
    }

    const fn is_icmpv6(&self) -> bool {
        self.dl_type() == ETH_TYPE_IPV6 && self.ip_proto == IP_PROTO_ICMPV6
    }

    pub(super) const fn is_neighbour_discovery(&self) -> bool {
        self.is_icmpv6() && self.icmp_code == 0 && matches!(self.icmp_type, 135 | 136)
    }

    /// Whether packets have this field.
    pub(in crate::flow) fn has(&self, field: &Field) -> bool {
        let dl_type = self.dl_type();
        match field.name {
            "eth_src" | "eth_dst" | "eth_type" | "vlan_tci" => self.packet_type == 0,
            "vlan_vid" | "vlan_pcp" => self.is_vlan(),
            "mpls_label" | "mpls_tc" | "mpls_bos" | "mpls_ttl" => self.is_mpls(),
            "ip_src" | "ip_dst" => dl_type == ETH_TYPE_IPV4,
            "ipv6_src" | "ipv6_dst" | "ipv6_label" => dl_type == ETH_TYPE_IPV6,
            "nw_proto" | "nw_tos" | "ip_dscp" | "nw_ecn" | "nw_ttl" | "ip_frag" => self.is_ip(),
            "arp_op" | "arp_spa" | "arp_tpa" | "arp_sha" | "arp_tha" => {
                matches!(dl_type, ETH_TYPE_ARP | ETH_TYPE_RARP)
            }
            "tcp_src" | "tcp_dst" | "tcp_flags" => self.is_transport(TCP),
            "udp_src" | "udp_dst" => self.is_transport(UDP),
            "sctp_src" | "sctp_dst" => self.is_transport(SCTP),
            "icmp_type" | "icmp_code" => dl_type == ETH_TYPE_IPV4 && self.ip_proto == 1,
            "icmpv6_type" | "icmpv6_code" => self.is_icmpv6(),
            "nd_target" | "nd_reserved" | "nd_options_type" => self.is_neighbour_discovery(),
            "nd_sll" => self.is_neighbour_discovery() && self.icmp_type == 135,
            "nd_tll" => self.is_neighbour_discovery() && self.icmp_type == 136,
            name if name.starts_with("nsh_") => dl_type == ETH_TYPE_NSH,
            "ct_nw_proto" | "ct_nw_src" | "ct_nw_dst" | "ct_ipv6_src" | "ct_ipv6_dst" | "ct_tp_src" | "ct_tp_dst" => {
                self.has_tracked()
            }
            _ => true,
        }
    }

    /// Tracked, and neither new nor invalid as far as the match says.
    const fn has_tracked(&self) -> bool {
        self.ct_state & 0x20 != 0 && self.ct_state & 0x10 == 0 || self.ct_state_mask == 0
    }

    /// Packets have `field`, or an error at `piece`.
    pub(super) fn require(&self, field: &Field, piece: Piece<'_>) -> Result<(), ParseError> {
        if self.has(field) {
            return Ok(());
        }
        Err(piece.error("a field of the packets that the match takes (its prerequisites are missing there)"))
    }

    pub(super) fn require_ip(&self, piece: Piece<'_>) -> Result<(), ParseError> {
        if self.is_ip() { Ok(()) } else { Err(piece.error("this action in a flow that matches IPv4 or IPv6")) }
    }

    pub(super) fn require_mpls(&self, piece: Piece<'_>) -> Result<(), ParseError> {
        if self.is_mpls() { Ok(()) } else { Err(piece.error("this action in a flow that matches MPLS")) }
    }

    /// What `set_field` or `load` to `field` changes.
    pub(super) fn written(&mut self, field: &Field, value: u128) {
        if field == &oxm::VLAN_TCI {
            self.tci[0] = value as u16;
        }
    }
}
