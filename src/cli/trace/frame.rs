//! A packet from its bytes.

use crate::flow::sim::Packet;
use crate::openflow::matching::mac_number;
use crate::openflow::numbers::{IP_PROTO_ICMP, IP_PROTO_ICMPV6, IP_PROTO_SCTP, IP_PROTO_TCP, IP_PROTO_UDP};
use crate::openflow::oxm::{self, Field};
use crate::packet::key::{Addresses, Ip, Network};
use crate::packet::{Arp, Fragment, Key, Label, Nsh};

/// Bytes in hexadecimal, with or without blanks and colons between them. `None`: not that.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b':').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(pair).collect()).flatten()
}

/// `packet` with the header fields of an Ethernet frame.
pub(super) fn with_headers(packet: Packet, frame: &[u8]) -> Packet {
    let key = Key::of_frame(frame);
    let packet = packet
        .with(&oxm::ETH_SRC, mac_number(key.eth_src))
        .with(&oxm::ETH_DST, mac_number(key.eth_dst))
        .with(&oxm::ETH_TYPE, key.eth_type.into())
        .with_tags(key.vlan_tci);
    match key.network {
        Network::Other | Network::Arp(None) | Network::Nsh(None) => packet,
        Network::Mpls(labels) => packet.with_labels(labels.map(|Label(entry)| entry)),
        Network::Arp(Some(arp)) => with_all(packet, arp_fields(&arp)),
        Network::Nsh(Some(nsh)) => with_all(packet, nsh_fields(&nsh)),
        Network::Ip(ip) => with_transport(with_all(packet, ip_fields(&ip)), &ip),
    }
}

fn with_all<const N: usize>(packet: Packet, fields: [(&'static Field, u128); N]) -> Packet {
    fields.into_iter().fold(packet, |packet, (field, value)| packet.with(field, value))
}

fn arp_fields(arp: &Arp) -> [(&'static Field, u128); 5] {
    [
        (&oxm::ARP_OP, arp.op.into()),
        (&oxm::ARP_SPA, u32::from(arp.spa).into()),
        (&oxm::ARP_TPA, u32::from(arp.tpa).into()),
        (&oxm::ARP_SHA, mac_number(arp.sha)),
        (&oxm::ARP_THA, mac_number(arp.tha)),
    ]
}

fn nsh_fields(nsh: &Nsh<'_>) -> [(&'static Field, u128); 6] {
    [
        (&oxm::NSH_FLAGS, nsh.flags.into()),
        (&oxm::NSH_TTL, nsh.ttl.into()),
        (&oxm::NSH_MDTYPE, nsh.md_type.into()),
        (&oxm::NSH_NP, nsh.next_proto.into()),
        (&oxm::NSH_SPI, nsh.spi.into()),
        (&oxm::NSH_SI, nsh.si.into()),
    ]
}

fn ip_fields(ip: &Ip<'_>) -> [(&'static Field, u128); 8] {
    let [src, dst] = match ip.addresses {
        Addresses::V4(src, dst) => [(&oxm::IPV4_SRC, u32::from(src).into()), (&oxm::IPV4_DST, u32::from(dst).into())],
        Addresses::V6(src, dst) => [(&oxm::IPV6_SRC, src.into()), (&oxm::IPV6_DST, dst.into())],
    };
    let fragment = match ip.fragment {
        Fragment::No => 0,
        Fragment::First => 1,
        Fragment::Later => 3,
    };
    [
        src,
        dst,
        (&oxm::IPV6_LABEL, ip.label.into()),
        (&oxm::IP_TOS, ip.tos.into()),
        (&oxm::IP_ECN, (ip.tos & 3).into()),
        (&oxm::IP_TTL, ip.ttl.into()),
        (&oxm::IP_PROTO, ip.proto.into()),
        (&oxm::IP_FRAG, fragment),
    ]
}

fn with_transport(packet: Packet, ip: &Ip<'_>) -> Packet {
    let (src, dst) = match (ip.proto, ip.addresses) {
        (IP_PROTO_TCP, _) => (&oxm::TCP_SRC, &oxm::TCP_DST),
        (IP_PROTO_UDP, _) => (&oxm::UDP_SRC, &oxm::UDP_DST),
        (IP_PROTO_SCTP, _) => (&oxm::SCTP_SRC, &oxm::SCTP_DST),
        (IP_PROTO_ICMP, Addresses::V4(..)) => (&oxm::ICMPV4_TYPE, &oxm::ICMPV4_CODE),
        (IP_PROTO_ICMPV6, Addresses::V6(..)) => (&oxm::ICMPV6_TYPE, &oxm::ICMPV6_CODE),
        _ => return packet,
    };
    let fields = [
        (src, ip.tp_src.into()),
        (dst, ip.tp_dst.into()),
        (&oxm::TCP_FLAGS, ip.tcp_flags.into()),
        (&oxm::ND_TARGET, ip.neighbor.target.into()),
        (&oxm::ND_SLL, mac_number(ip.neighbor.source)),
        (&oxm::ND_TLL, mac_number(ip.neighbor.link_target)),
    ];
    with_all(packet, fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::PortNo;

    #[test]
    fn bytes_may_stand_together_or_apart() {
        assert_eq!(bytes("0a:0b 0C0d"), Some(vec![10, 11, 12, 13]));
        assert_eq!((bytes("0a0"), bytes("zz")), (None, None));
    }

    #[test]
    fn a_frame_gives_the_headers_and_leaves_where_it_came_from() {
        // VLAN 7, UDP from 10.0.0.1:53 to 10.0.0.2:99, TTL 64, DSCP 46.
        let frame =
            "020000000002 020000000001 81000007 0800 45b8001c00000000 4011 0000 0a000001 0a000002 0035 0063 0008 0000";
        let start = Packet::default().with(&oxm::IN_PORT, PortNo(3).0.into());
        let packet = with_headers(start, &bytes(frame).unwrap());
        let value = |field| packet.get(field);
        assert_eq!((packet.in_port(), packet.vlan()), (PortNo(3), Some(7)));
        assert_eq!((value(&oxm::ETH_SRC), value(&oxm::IPV4_DST)), (0x0200_0000_0001, 0x0a00_0002));
        assert_eq!((value(&oxm::UDP_SRC), value(&oxm::UDP_DST)), (53, 99));
        assert_eq!((value(&oxm::IP_TTL), value(&oxm::IP_DSCP)), (64, 46));
    }
}
