//! Vectors of our own, and what holds for every input.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::ethernet::ETH_TYPE_NONE;
use super::key::{Addresses, Network};
use super::nsh::Metadata;
use super::*;
use crate::openflow::MacAddr;
use crate::openflow::numbers::{
    ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, ETH_TYPE_MPLS, ETH_TYPE_NSH, IP_PROTO_ICMP, IP_PROTO_ICMPV6,
    IP_PROTO_IGMP, IP_PROTO_SCTP, IP_PROTO_TCP, IP_PROTO_UDP,
};
use crate::openflow::testing::hex;

const ADDRESSES: &str = "fa163e000002 fa163e000001";

/// A frame of this type and payload.
fn frame(rest: &str) -> Vec<u8> {
    hex(&format!("{ADDRESSES} {rest}"))
}

const ARP: &str = "0806 0001 0800 06 04 0001 fa163e000001 0a000001 000000000000 0a000002";
const UDP: &str = "0800 4500 001c 1234 4000 40 11 0000 0a000001 0a000002  0044 0043 0008 abcd";
const TCP_WITH_OPTIONS: &str = "8100 6007 0800 4600 0030 0000 0000 40 06 0000 0a000001 0a000002 94040000
    0050 1f90 00000001 00000002 6012 ffff beef 0000 020405b4";
const SOLICITATION: &str = "86dd 60000000 0020 3a ff fe800000000000000000000000000001 ff0200000000000000000001ff000002
    87 00 1234 00000000 fe800000000000000000000000000002  01 01 fa163e000001";
const FRAGMENTED_SCTP: &str =
    "86dd 6ab12345 0020 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002
    2c 00 000000000000  84 00 0001 00000007  0050 0051 00000001 deadbeef 00000000";
const ECHO: &str = "88a8 0064 8100 00c8 0800 4500 001c 0000 0000 40 01 0000 0a000001 0a000002  08 00 1234 0001 0002";
const GROUP_QUERY: &str = "0800 4500 001c 0000 0000 01 02 0000 0a000001 e0000001  11 64 ee9b 00000000";
const LABELS: &str = "8847 0001 4a3f 0002 0b40";
const SERVICE: &str = "894f 0fc6 01 03 000102 ff 00000001 00000002 00000003 00000004";
const SNAP: &str = "0024 aaaa03 000000 0806 0001 0800 06 04 0002 fa163e000001 0a000001 fa163e000002 0a000002";

/// One of each kind.
fn vectors() -> Vec<Vec<u8>> {
    [ARP, UDP, TCP_WITH_OPTIONS, SOLICITATION, FRAGMENTED_SCTP, ECHO, GROUP_QUERY, LABELS, SERVICE, SNAP]
        .map(frame)
        .to_vec()
}

fn ethernet(bytes: &[u8]) -> Ethernet<'_> {
    Ethernet::decode(Payload::new(bytes)).unwrap()
}

/// Goes through all views that a frame asks for, to its end or to the first error.
fn descend(frame: &[u8]) -> Result<(), PacketError> {
    let frame = Ethernet::decode(Payload::new(frame))?;
    match frame.eth_type {
        ETH_TYPE_IPV4 => {
            let packet = Ipv4::decode(frame.payload)?;
            segment(packet.proto, packet.fragment(), packet.payload)
        }
        ETH_TYPE_IPV6 => {
            let upper = Ipv6::decode(frame.payload)?.upper_layer()?;
            segment(upper.proto, upper.fragment, upper.payload)
        }
        ETH_TYPE_ARP => Arp::decode(frame.payload).map(drop),
        ETH_TYPE_NSH => Nsh::decode(frame.payload).map(drop),
        ETH_TYPE_MPLS => LabelStack::new(frame.payload).try_for_each(|label| label.map(drop)),
        _ => Ok(()),
    }
}

fn segment(proto: u8, fragment: Fragment, payload: Payload<'_>) -> Result<(), PacketError> {
    if fragment == Fragment::Later {
        return Ok(());
    }
    match proto {
        IP_PROTO_TCP => Tcp::decode(payload).map(drop),
        IP_PROTO_UDP => Udp::decode(payload).map(drop),
        IP_PROTO_SCTP => Sctp::decode(payload).map(drop),
        IP_PROTO_ICMP => Icmp::decode(payload).map(drop),
        IP_PROTO_IGMP => Igmp::decode(payload).map(drop),
        IP_PROTO_ICMPV6 => match Icmpv6::decode(payload)?.neighbor_discovery()? {
            Some(mut discovery) => discovery.options.try_for_each(|option| option.map(drop)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

#[test]
fn an_arp_request_says_who_asks_for_whom() {
    let bytes = frame(ARP);
    let header = ethernet(&bytes);
    assert_eq!((header.dst, header.src), (MacAddr([0xfa, 0x16, 0x3e, 0, 0, 2]), MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1])));
    let arp = Arp::decode(header.payload).unwrap();
    assert_eq!((arp.op, arp.spa, arp.tpa), (Arp::REQUEST, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)));
    assert_eq!((arp.sha, arp.tha), (header.src, MacAddr::default()));
}

#[test]
fn arp_for_anything_but_ipv4_over_ethernet_is_refused() {
    for (place, what) in [(15, "arp.hrd"), (16, "arp.pro"), (18, "arp.hln"), (19, "arp.pln")] {
        let mut bytes = frame(ARP);
        bytes[place] = 9;
        let error = Arp::decode(ethernet(&bytes).payload).unwrap_err();
        assert!(matches!(error, PacketError::Invalid { what: found, offset: 14, .. } if found == what), "{error}");
    }
}

#[test]
fn tags_are_told_apart_and_taken_off() {
    let bytes = frame(ECHO);
    let header = ethernet(&bytes);
    let [Some(outer), Some(inner)] = header.tags else { panic!("two tags") };
    assert_eq!((outer.tpid, outer.vid(), inner.tpid, inner.vid()), (0x88a8, 100, 0x8100, 200));
    assert_eq!((header.eth_type, header.payload.offset()), (ETH_TYPE_IPV4, 22));
    let bytes = frame(TCP_WITH_OPTIONS);
    assert_eq!(ethernet(&bytes).tags[0].map(|tag| (tag.vid(), tag.pcp())), Some((7, 3)));
}

#[test]
fn a_length_is_no_type_but_snap_has_one() {
    let bytes = frame(SNAP);
    assert_eq!(ethernet(&bytes).eth_type, ETH_TYPE_ARP);
    assert_eq!(Arp::decode(ethernet(&bytes).payload).unwrap().op, Arp::REPLY);
    for other in ["0003 424203 0000000000", "0008 aaaa03 000000 05ff"] {
        assert_eq!(ethernet(&frame(other)).eth_type, ETH_TYPE_NONE);
    }
}

#[test]
fn ip_ends_where_it_says_and_not_where_the_frame_does() {
    let bytes = [frame(UDP), vec![0; 18]].concat();
    let packet = Ipv4::decode(ethernet(&bytes).payload).unwrap();
    assert_eq!((packet.payload.len(), packet.payload.offset(), packet.fragment()), (8, 34, Fragment::No));
    let udp = Udp::decode(packet.payload).unwrap();
    assert_eq!((udp.src, udp.dst, udp.length, udp.checksum, udp.payload.len()), (68, 67, 8, 0xabcd, 0));
    let bytes = frame(TCP_WITH_OPTIONS);
    let packet = Ipv4::decode(ethernet(&bytes).payload).unwrap();
    assert_eq!((packet.options.bytes().len(), packet.proto), (4, IP_PROTO_TCP));
    let tcp = Tcp::decode(packet.payload).unwrap();
    assert_eq!((tcp.dst, tcp.flags, tcp.checksum, tcp.options), (8080, 0x12, 0xbeef, &hex("020405b4")[..]));
}

#[test]
fn a_datagram_ends_where_it_says_and_not_where_the_packet_does() {
    for (length, expected) in [
        ("0008", Ok(0)),
        ("000a", Ok(2)),
        ("000b", Err("udp.payload at byte 8: found 2 bytes, expected 3")),
        ("0007", Err("udp.length at byte 8: found 7, expected 8 at the least")),
    ] {
        let bytes = hex(&format!("0044 0043 {length} abcd 0102"));
        let body = Udp::decode(Payload::new(&bytes)).unwrap().body();
        assert_eq!(body.map(|body| body.len()).map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }
}

#[test]
fn extension_headers_are_passed_over() {
    let bytes = frame(FRAGMENTED_SCTP);
    let packet = Ipv6::decode(ethernet(&bytes).payload).unwrap();
    assert_eq!((packet.label, packet.tos, packet.hop_limit), (0x12345, 0xab, 64));
    let upper = packet.upper_layer().unwrap();
    assert_eq!((upper.proto, upper.fragment), (IP_PROTO_SCTP, Fragment::First));
    let sctp = Sctp::decode(upper.payload).unwrap();
    assert_eq!((sctp.src, sctp.dst, sctp.tag, sctp.checksum), (80, 81, 1, 0xdead_beef));
}

#[test]
fn extension_headers_are_told_one_by_one() {
    let bytes = frame(FRAGMENTED_SCTP);
    let packet = Ipv6::decode(ethernet(&bytes).payload).unwrap();
    let [hop_by_hop, fragment] = packet.extensions().map(Result::unwrap).collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((hop_by_hop.header, hop_by_hop.next_header, hop_by_hop.data.bytes()), (0, ipv6::FRAGMENT, &[0; 6][..]));
    assert_eq!((fragment.header, fragment.next_header), (ipv6::FRAGMENT, IP_PROTO_SCTP));
    let expected = ipv6::FragmentHeader { offset: 0, more_fragments: true, identification: 7 };
    assert_eq!((hop_by_hop.fragment(), fragment.fragment()), (None, Some(expected)));
    let bytes = frame(&FRAGMENTED_SCTP.replacen("2c 00", "2c 04", 1));
    let mut extensions = Ipv6::decode(ethernet(&bytes).payload).unwrap().extensions();
    assert!(extensions.next().unwrap().is_err());
    assert_eq!(extensions.next(), None);
}

#[test]
fn options_of_ipv4_end_with_their_field_or_with_an_end() {
    let options = |text: &str| {
        let bytes = frame(&TCP_WITH_OPTIONS.replace("94040000", text));
        let packet = Ipv4::decode(ethernet(&bytes).payload).unwrap();
        packet.options.map(|option| option.map(|option| (option.option_type, option.data.len()))).collect()
    };
    let told = |text: &str| -> Result<Vec<_>, String> {
        let read: Result<Vec<_>, PacketError> = options(text);
        read.map_err(|error| error.to_string())
    };
    assert_eq!(told("94040000"), Ok(vec![(Ipv4Option::ROUTER_ALERT, 2)]));
    assert_eq!(told("01010101"), Ok(vec![]));
    assert_eq!(told("01 8302 00"), Ok(vec![(0x83, 0)]));
    assert_eq!(told("00 8309 00"), Ok(vec![]));
    assert_eq!(told("01 8304 00"), Err("ipv4.option at byte 39: found 3 bytes, expected 4".into()));
    assert_eq!(told("01 8301 00"), Err("ipv4.option.length at byte 39: found 1, expected 2 at the least".into()));
    assert_eq!(told("010101 83"), Err("ipv4.option at byte 41: found 1 bytes, expected 2".into()));
}

#[test]
fn the_protocol_of_a_later_fragment_is_not_known() {
    let later = FRAGMENTED_SCTP.replace("84 00 0001", "84 00 0009");
    let bytes = frame(&later);
    let upper = Ipv6::decode(ethernet(&bytes).payload).unwrap().upper_layer().unwrap();
    assert_eq!((upper.proto, upper.fragment, upper.payload.len()), (ipv6::FRAGMENT, Fragment::Later, 16));
    for (flags, expected) in [("2000", Fragment::First), ("2001", Fragment::Later), ("0001", Fragment::Later)] {
        let bytes = frame(&UDP.replace("4000", flags));
        let packet = Ipv4::decode(ethernet(&bytes).payload).unwrap();
        assert_eq!(packet.fragment(), expected, "{flags}");
    }
}

#[test]
fn a_neighbor_solicitation_says_who_asks_for_whom() {
    let bytes = frame(SOLICITATION);
    let upper = Ipv6::decode(ethernet(&bytes).payload).unwrap().upper_layer().unwrap();
    let discovery = Icmpv6::decode(upper.payload).unwrap().neighbor_discovery().unwrap().unwrap();
    assert_eq!(discovery.target, "fe80::2".parse::<Ipv6Addr>().unwrap());
    let macs: Vec<_> = discovery.options.map(|option| option.unwrap().mac()).collect();
    assert_eq!(macs, [Some(MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]))]);
}

#[test]
fn an_option_without_a_length_is_the_last() {
    let bytes = frame(&SOLICITATION.replace("01 01 fa163e000001", "01 00 fa163e000001"));
    let upper = Ipv6::decode(ethernet(&bytes).payload).unwrap().upper_layer().unwrap();
    let mut options = Icmpv6::decode(upper.payload).unwrap().neighbor_discovery().unwrap().unwrap().options;
    let error = options.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "nd_option.length at byte 78: found 0, expected 1 at the least");
    assert_eq!(options.next(), None);
}

#[test]
fn a_label_stack_ends_at_its_bottom() {
    let bytes = frame(&format!("{LABELS} ffff"));
    let mut stack = LabelStack::new(ethernet(&bytes).payload);
    let labels: Vec<_> = stack.by_ref().map(Result::unwrap).map(|l| (l.label(), l.tc(), l.ttl())).collect();
    assert_eq!(labels, [(20, 5, 63), (32, 5, 64)]);
    assert_eq!(stack.payload().bytes(), [0xff, 0xff]);
}

#[test]
fn a_service_header_has_a_path_and_metadata() {
    let bytes = frame(SERVICE);
    let nsh = Nsh::decode(ethernet(&bytes).payload).unwrap();
    assert_eq!((nsh.flags, nsh.ttl, nsh.md_type, nsh.next_proto), (0, 63, 1, 3));
    assert_eq!((nsh.spi, nsh.si, nsh.metadata), (0x102, 255, Metadata::Context([1, 2, 3, 4])));
    for (good, bad, what) in
        [("0fc6", "4fc6", "nsh.version"), ("0fc6", "0fc5", "nsh.length"), ("0fc6 01", "0fc1 02", "nsh.length")]
    {
        let bytes = frame(&SERVICE.replace(good, bad));
        let error = Nsh::decode(ethernet(&bytes).payload).unwrap_err();
        assert!(matches!(error, PacketError::Invalid { what: found, .. } if found == what), "{error}");
    }
}

#[test]
fn lengths_that_contradict_the_packet_are_refused() {
    for (vector, good, bad, expected) in [
        (UDP, "4500", "4400", "ipv4.ihl at byte 14: found 4, expected 5 at the least"),
        (UDP, "4500", "4f00", "ipv4.options at byte 34: found 8 bytes, expected 40"),
        (UDP, "001c", "0013", "ipv4.total_length at byte 14: found 19, expected no less than the header's length"),
        (UDP, "001c", "001d", "ipv4.payload at byte 34: found 8 bytes, expected 9"),
        (TCP_WITH_OPTIONS, "6012", "4012", "tcp.data_offset at byte 42: found 4, expected 5 at the least"),
        (TCP_WITH_OPTIONS, "6012", "7012", "tcp.options at byte 62: found 4 bytes, expected 8"),
        (SOLICITATION, "0020 3a", "0021 3a", "ipv6.payload at byte 54: found 32 bytes, expected 33"),
        (FRAGMENTED_SCTP, "2c 00", "2c 04", "ipv6.extension at byte 54: found 32 bytes, expected 40"),
    ] {
        assert_eq!(descend(&frame(&vector.replacen(good, bad, 1))).unwrap_err().to_string(), expected);
    }
}

#[test]
fn every_vector_is_whole_and_every_strict_prefix_is_told_to_be_cut() {
    for bytes in vectors() {
        assert_eq!(descend(&bytes), Ok(()));
        for end in 0..bytes.len() {
            let error = descend(&bytes[..end]).unwrap_err();
            let PacketError::Truncated { offset, found, expected, .. } = error else { panic!("{error}") };
            assert!(offset + found == end && expected > found, "{end}: {error}");
        }
    }
}

#[test]
fn a_key_has_the_fields_of_every_layer() {
    let bytes = frame(TCP_WITH_OPTIONS);
    let key = Key::of_frame(&bytes);
    assert_eq!((key.vlan_tci, key.eth_type), ([0x7007, 0], ETH_TYPE_IPV4));
    let Network::Ip(ip) = key.network else { panic!("{key:?}") };
    assert_eq!((ip.tp_src, ip.tp_dst, ip.tcp_flags, ip.checksum()), (80, 8080, 0x12, Some(0xbeef)));
    let bytes = frame(SOLICITATION);
    let Network::Ip(ip) = Key::of_frame(&bytes).network else { panic!() };
    assert!(ip.is_neighbor_discovery());
    assert_eq!(ip.neighbor.source, MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]));
    let bytes = frame(UDP);
    let ipv4 = Key::of_packet(0x0001_0800, &bytes[14..]);
    let Network::Ip(ip) = ipv4.network else { panic!("{ipv4:?}") };
    assert_eq!((ip.addresses, ip.tp_dst), (Addresses::V4([10, 0, 0, 1].into(), [10, 0, 0, 2].into()), 67));
}

#[test]
fn a_key_is_what_the_headers_in_front_of_an_error_say() {
    let bytes = frame(UDP);
    let Network::Ip(ip) = Key::of_frame(&bytes[..bytes.len() - 1]).network else { panic!() };
    assert_eq!((ip.addresses, ip.proto), (Addresses::V4([0; 4].into(), [0; 4].into()), 0));
    // A tag that is cut off is none.
    let key_bytes = frame("8100 0007 08");
    assert_eq!((Key::of_frame(&key_bytes).eth_type, Key::of_frame(&key_bytes).vlan_tci), (0x8100, [0, 0]));
    assert_eq!(Key::of_frame(&bytes[..13]), Key::default());
    // Nothing is believed of a solicitation that says its sender twice.
    let twice = SOLICITATION.replace("0020 3a", "0028 3a") + "01 01 fa163e000003";
    let bytes = frame(&twice);
    let Network::Ip(ip) = Key::of_frame(&bytes).network else { panic!() };
    assert_eq!((ip.tp_src, ip.neighbor), (135, key::Neighbor::default()));
}

proptest! {
    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), packet_type in any::<u32>()) {
        let _ = descend(&bytes);
        Key::of_packet(packet_type, &bytes);
    }

    #[test]
    fn no_vector_with_changed_bytes_panics_and_what_reads_strictly_reads_as_a_key(
        which in 0..10_usize,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = vectors().swap_remove(which);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let key = Key::of_frame(&bytes);
        if let Ok(header) = Ethernet::decode(Payload::new(&bytes)) {
            prop_assert_eq!(key.eth_type, header.eth_type);
            prop_assert_eq!(key.vlan_tci.map(|tci| tci & 0x1000 != 0), header.tags.map(|tag| tag.is_some()));
        }
        if let Err(PacketError::Truncated { offset, found, expected, .. }) = descend(&bytes) {
            prop_assert!(offset + found <= bytes.len() && expected > found);
        }
    }
}
