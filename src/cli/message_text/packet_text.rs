//! A packet in one line: every field that Open vSwitch would match on, and the checksum of its segment.
//!
//! The words are those of a match, but not the rules: what a packet has not got is printed too, as zero.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Out;
use crate::flow::text::{flag_names, ipv6_address, keyword, packet_type};
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::numbers::{
    IP_PROTO_ICMP, IP_PROTO_ICMPV6, IP_PROTO_IGMP, IP_PROTO_SCTP, IP_PROTO_TCP, IP_PROTO_UDP,
};
use crate::openflow::oxm::Format;
use crate::packet::key::{Addresses, Ip, Network};
use crate::packet::nsh::Metadata;
use crate::packet::{Arp, Fragment, Key, Label, Nsh};

/// The line of a packet of this `packet_type`, and its end.
pub(super) fn packet(out: &mut Out, packet_type: u32, bytes: &[u8]) {
    let key = Key::of_packet(packet_type, bytes);
    let keyword = link(out, &key);
    match &key.network {
        Network::Other => {}
        Network::Mpls(labels) => mpls(out, labels),
        Network::Arp(packet) => arp(out, packet.as_ref()),
        Network::Nsh(header) => nsh(out, header.as_ref()),
        Network::Ip(packet) => ip(out, packet, keyword),
    }
    super::chomp(out, b',');
    if let Network::Ip(packet) = &key.network {
        checksum(out, packet);
    }
    out.push(b'\n');
}

/// Whether the first word of a line has said what the packet carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keyword {
    /// Nothing, or the Ethernet type alone.
    Type,
    /// The IP protocol too.
    Protocol,
}

/// The Ethernet header, or the packet type of what has none.
fn link(out: &mut Out, key: &Key<'_>) -> Keyword {
    if key.packet_type != 0 {
        packet_type(out, key.packet_type);
        out.push(b',');
        return Keyword::Type;
    }
    let ip_proto = match &key.network {
        Network::Ip(packet) => Some(packet.proto),
        _ => None,
    };
    let keyword = keyword(key.eth_type, ip_proto);
    if let Some((name, _)) = keyword {
        put!(out, "{name},");
    }
    for (i, tci) in key.vlan_tci.into_iter().enumerate() {
        let suffix = if i == 0 { String::new() } else { i.to_string() };
        if tci & VLAN_PRESENT == 0 {
            // The first that is not there is shown, and ends the list.
            put!(out, "vlan_tci{suffix}={tci:#06x},");
            break;
        }
        put!(out, "dl_vlan{suffix}={},dl_vlan_pcp{suffix}={},", tci & 0x0fff, tci >> 13);
    }
    put!(out, "dl_src={},dl_dst={},", key.eth_src, key.eth_dst);
    if keyword.is_none() {
        put!(out, "dl_type={:#06x},", key.eth_type);
    }
    if keyword.is_some_and(|(_, says_protocol)| says_protocol) { Keyword::Protocol } else { Keyword::Type }
}

/// The first label by its parts, those behind it as numbers, to the bottom of the stack.
fn mpls(out: &mut Out, [first, rest @ ..]: &[Label; 3]) {
    put!(out, "mpls_label={},mpls_tc={},", first.label(), first.tc());
    put!(out, "mpls_ttl={},mpls_bos={},", first.ttl(), u8::from(first.is_bottom()));
    let mut above = first;
    for (i, label) in rest.iter().enumerate() {
        if above.is_bottom() {
            break;
        }
        put!(out, "mpls_lse{}={},", i + 1, label.0);
        above = label;
    }
}

fn arp(out: &mut Out, packet: Option<&Arp>) {
    let none = Ipv4Addr::UNSPECIFIED;
    let (spa, tpa) = packet.map_or((none, none), |arp| (arp.spa, arp.tpa));
    let (sha, tha) = packet.map_or_else(Default::default, |arp| (arp.sha, arp.tha));
    // Open vSwitch keeps eight bits of the operation, and of a larger one nothing.
    let op = packet.and_then(|arp| u8::try_from(arp.op).ok()).unwrap_or(0);
    put!(out, "arp_spa={spa},arp_tpa={tpa},arp_op={op},arp_sha={sha},arp_tha={tha},");
}

fn nsh(out: &mut Out, header: Option<&Nsh<'_>>) {
    let (flags, ttl, md_type, np) =
        header.map_or((0, 0, 0, 0), |nsh| (nsh.flags, nsh.ttl, nsh.md_type, nsh.next_proto));
    put!(out, "nsh_flags={flags},nsh_ttl={ttl},nsh_mdtype={md_type},nsh_np={np},");
    let (spi, si) = header.map_or((0, 0), |nsh| (nsh.spi, nsh.si));
    put!(out, "nsh_spi={spi:#x},nsh_si={si},");
    if let Some(Metadata::Context(words)) = header.map(|nsh| nsh.metadata) {
        for (i, word) in words.into_iter().enumerate() {
            put!(out, "nsh_c{}={word:#x},", i + 1);
        }
    }
    // Open vSwitch takes the fields of IP for those of NSH, too.
    put!(out, "nw_proto=0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no,");
}

fn ip(out: &mut Out, packet: &Ip<'_>, keyword: Keyword) {
    match packet.addresses {
        Addresses::V4(src, dst) => put!(out, "nw_src={src},nw_dst={dst},"),
        Addresses::V6(src, dst) => {
            named_ipv6(out, "ipv6_src", src);
            named_ipv6(out, "ipv6_dst", dst);
            put!(out, "ipv6_label={:#07x},", packet.label);
        }
    }
    if keyword == Keyword::Type {
        put!(out, "nw_proto={},", packet.proto);
    }
    put!(out, "nw_tos={},nw_ecn={},nw_ttl={},", packet.tos & 0xfc, packet.tos & 3, packet.ttl);
    let fragment = match packet.fragment {
        Fragment::No => "no",
        Fragment::First => "first",
        Fragment::Later => "later",
    };
    put!(out, "nw_frag={fragment},");
    if packet.fragment != Fragment::Later {
        segment(out, packet);
    }
}

fn segment(out: &mut Out, packet: &Ip<'_>) {
    let (src, dst) = match (packet.addresses, packet.proto) {
        (Addresses::V4(..), IP_PROTO_ICMP) | (Addresses::V6(..), IP_PROTO_ICMPV6) => ("icmp_type", "icmp_code"),
        (_, IP_PROTO_ICMP | IP_PROTO_IGMP | IP_PROTO_ICMPV6) => ("tp_src", "tp_dst"),
        (_, IP_PROTO_TCP | IP_PROTO_UDP | IP_PROTO_SCTP) => ("tp_src", "tp_dst"),
        _ => return,
    };
    put!(out, "{src}={},{dst}={},", packet.tp_src, packet.tp_dst);
    if packet.is_neighbor_discovery() {
        let neighbor = packet.neighbor;
        named_ipv6(out, "nd_target", neighbor.target);
        put!(out, "nd_sll={},nd_tll={},", neighbor.source, neighbor.link_target);
    }
    if packet.proto == IP_PROTO_TCP {
        put!(out, "tcp_flags=");
        flag_names(out, Format::TcpFlags.flags().map_or(&[], |flags| flags.names), packet.tcp_flags.into());
        out.push(b',');
    }
}

fn named_ipv6(out: &mut Out, name: &str, address: Ipv6Addr) {
    put!(out, "{name}=");
    ipv6_address(out, address.into());
    out.push(b',');
}

fn checksum(out: &mut Out, packet: &Ip<'_>) {
    let name = match packet.proto {
        IP_PROTO_TCP => "tcp",
        IP_PROTO_UDP => "udp",
        IP_PROTO_SCTP => "sctp",
        IP_PROTO_ICMP => "icmp",
        IP_PROTO_ICMPV6 => "icmp6",
        _ => return,
    };
    if let Some(checksum) = packet.checksum() {
        put!(out, " {name}_csum:{checksum:x}");
    }
}
