//! Our views of headers beside an independent reader, etherparse: on packets that it wrote, cut to any length and
//! with changed bytes. Each layer is held against the same bytes, so that a layer that it refuses hides no other.

#[path = "support/damage.rs"]
#[allow(unreachable_pub, reason = "shared with another test file")]
mod damage;

use std::net::Ipv4Addr;

use damage::Damage;
use etherparse::{
    ArpPacketSlice, Ethernet2Slice, IcmpEchoHeader, Icmpv6Slice, Icmpv6Type, IpFragOffset, IpHeaders, IpNumber,
    Ipv4Extensions, Ipv4Header, Ipv4HeaderSlice, Ipv4Options, Ipv6Extensions, Ipv6ExtensionsSlice, Ipv6FragmentHeader,
    Ipv6Header, Ipv6HeaderSlice, Ipv6RawExtHeader, PacketBuilder, SingleVlanSlice, TcpHeader, TcpSlice, UdpSlice,
    VlanId,
};
use heddle::openflow::numbers::{
    ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, IP_PROTO_ICMPV6, IP_PROTO_TCP, IP_PROTO_UDP,
};
use heddle::packet::{Arp, Ethernet, Fragment, Icmpv6, Ipv4, Ipv6, Payload, Tcp, Udp, ethernet};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

type Checked = Result<(), TestCaseError>;

fn ipv4_headers() -> impl Strategy<Value = IpHeaders> {
    let words = proptest::collection::vec(any::<[u8; 4]>(), 0..=10);
    (any::<([u8; 4], [u8; 4], u8, u16)>(), any::<(bool, bool)>(), prop_oneof![3 => Just(0), 1 => 0..0x1fff_u16], words)
        .prop_map(|((source, destination, time_to_live, identification), (dont_fragment, more), offset, words)| {
            let header = Ipv4Header {
                source,
                destination,
                time_to_live,
                identification,
                dont_fragment,
                more_fragments: more && offset % 2 == 1,
                fragment_offset: IpFragOffset::try_new(offset).unwrap(),
                options: Ipv4Options::try_from(&words.concat()[..]).unwrap(),
                ..Ipv4Header::default()
            };
            IpHeaders::Ipv4(header, Ipv4Extensions::default())
        })
}

fn raw_extension() -> impl Strategy<Value = Option<Ipv6RawExtHeader>> {
    let payload = (0..4_usize).prop_flat_map(|units| proptest::collection::vec(any::<u8>(), 6 + 8 * units));
    proptest::option::of(payload.prop_map(|payload| Ipv6RawExtHeader::new_raw(IpNumber(0), &payload).unwrap()))
}

fn ipv6_headers() -> impl Strategy<Value = IpHeaders> {
    let fragment = proptest::option::of((0..3_u16, any::<bool>(), any::<u32>())).prop_map(|fragment| {
        fragment.map(|(offset, more, identification)| {
            Ipv6FragmentHeader::new(IpNumber(0), IpFragOffset::try_new(offset).unwrap(), more, identification)
        })
    });
    (any::<([u8; 16], [u8; 16], u8, u8)>(), 0..0x10_0000_u32, raw_extension(), raw_extension(), fragment).prop_map(
        |(
            (source, destination, hop_limit, traffic_class),
            label,
            hop_by_hop_options,
            destination_options,
            fragment,
        )| {
            let flow_label = label.try_into().unwrap();
            let header =
                Ipv6Header { source, destination, hop_limit, traffic_class, flow_label, ..Ipv6Header::default() };
            let extensions =
                Ipv6Extensions { hop_by_hop_options, destination_options, fragment, ..Ipv6Extensions::default() };
            IpHeaders::Ipv6(header, extensions)
        },
    )
}

fn transport() -> impl Strategy<Value = Transport> {
    let options = proptest::collection::vec(any::<[u8; 4]>(), 0..=10);
    let tcp = (any::<(u16, u16, u32, u32)>(), any::<(u16, u16, u16)>(), options).prop_map(
        |((source, destination, sequence, acknowledgment), (flags, window, urgent), options)| {
            let bit = |bit: u32| flags >> bit & 1 == 1;
            let mut header = TcpHeader::new(source, destination, sequence, window);
            header.acknowledgment_number = acknowledgment;
            header.urgent_pointer = urgent;
            (header.fin, header.syn, header.rst, header.psh) = (bit(0), bit(1), bit(2), bit(3));
            (header.ack, header.urg, header.ece, header.cwr, header.ns) = (bit(4), bit(5), bit(6), bit(7), bit(8));
            header.set_options_raw(&options.concat()).unwrap();
            Transport::Tcp(header)
        },
    );
    let echo = any::<(u16, u16)>().prop_map(|(id, seq)| Transport::Echo(IcmpEchoHeader { id, seq }));
    prop_oneof![any::<(u16, u16)>().prop_map(|(src, dst)| Transport::Udp(src, dst)), tcp, echo]
}

#[derive(Clone, Debug)]
enum Transport {
    Udp(u16, u16),
    Tcp(TcpHeader),
    Echo(IcmpEchoHeader),
}

fn arp_packet() -> impl Strategy<Value = Vec<u8>> {
    any::<([u8; 6], Ipv4Addr, [u8; 6], Ipv4Addr, u16)>().prop_map(|(sha, spa, tha, tpa, op)| {
        [&[0, 1, 8, 0, 6, 4][..], &op.to_be_bytes(), &sha, &spa.octets(), &tha, &tpa.octets()].concat()
    })
}

/// IP packets of every kind, as etherparse writes them.
fn ip_packet() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let payload = proptest::collection::vec(any::<u8>(), 0..100);
    (prop_oneof![ipv4_headers(), ipv6_headers()], transport(), payload).prop_map(|(ip, transport, payload)| {
        let eth_type = if matches!(ip, IpHeaders::Ipv4(..)) { ETH_TYPE_IPV4 } else { ETH_TYPE_IPV6 };
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ip(ip);
        let written = match transport {
            Transport::Udp(source, destination) => builder.udp(source, destination).write(&mut bytes, &payload),
            Transport::Tcp(header) => builder.tcp_header(header).write(&mut bytes, &payload),
            Transport::Echo(echo) => builder.icmpv6(Icmpv6Type::EchoRequest(echo)).write(&mut bytes, &payload),
        };
        // ICMPv6 goes over IPv6 only.
        (eth_type, if written.is_ok() { bytes } else { Vec::new() })
    })
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let tags = proptest::collection::vec((prop_oneof![Just(0x8100_u16), Just(0x88a8)], any::<u16>()), 0..=2);
    let packet = prop_oneof![arp_packet().prop_map(|packet| (ETH_TYPE_ARP, packet)), ip_packet(), ip_packet()];
    (any::<[u8; 12]>(), tags, packet).prop_map(|(addresses, tags, (eth_type, packet))| {
        let tags = tags.iter().flat_map(|(tpid, tci)| [tpid.to_be_bytes(), tci.to_be_bytes()].concat()).collect();
        [addresses.to_vec(), tags, eth_type.to_be_bytes().to_vec(), packet].concat()
    })
}

/// Holds our reading of a frame against etherparse's, from the Ethernet header on.
fn ethernet_agrees(bytes: &[u8]) -> Checked {
    let ours = Ethernet::decode(Payload::new(bytes));
    let Ok(theirs) = Ethernet2Slice::from_slice_without_fcs(bytes) else {
        prop_assert!(ours.is_err());
        return Ok(());
    };
    let (mut eth_type, mut rest, mut tags) = (theirs.ether_type().0, theirs.payload_slice(), Vec::new());
    while ethernet::is_vlan(eth_type) && tags.len() < ethernet::MAX_TAGS {
        let Ok(tag) = SingleVlanSlice::from_slice(rest) else {
            prop_assert!(ours.is_err());
            return Ok(());
        };
        tags.push((eth_type, tag.vlan_identifier(), tag.priority_code_point().value()));
        (eth_type, rest) = (tag.ether_type().0, tag.payload_slice());
    }
    if eth_type < 0x600 {
        // A length: 802.2, which etherparse does not read.
        return Ok(());
    }
    let ours = ours.unwrap();
    prop_assert_eq!((ours.dst.0, ours.src.0), (theirs.destination(), theirs.source()));
    let our_tags = ours.tags.iter().flatten().map(|tag| (tag.tpid, VlanId::try_new(tag.vid()).unwrap(), tag.pcp()));
    prop_assert_eq!(our_tags.collect::<Vec<_>>(), tags);
    prop_assert_eq!((ours.eth_type, ours.payload.bytes()), (eth_type, rest));
    match eth_type {
        ETH_TYPE_ARP => arp_agrees(ours.payload),
        ETH_TYPE_IPV4 => ipv4_agrees(ours.payload),
        ETH_TYPE_IPV6 => ipv6_agrees(ours.payload),
        _ => Ok(()),
    }
}

fn arp_agrees(payload: Payload<'_>) -> Checked {
    let ours = Arp::decode(payload);
    let theirs = ArpPacketSlice::from_slice(payload.bytes()).ok().filter(|arp| {
        (arp.hw_addr_type().0, arp.proto_addr_type().0) == (1, ETH_TYPE_IPV4)
            && (arp.hw_addr_size(), arp.proto_addr_size()) == (6, 4)
    });
    prop_assert_eq!(ours.is_ok(), theirs.is_some());
    if let (Ok(ours), Some(theirs)) = (ours, theirs) {
        prop_assert_eq!(ours.op, theirs.operation().0);
        prop_assert_eq!(&ours.sha.0, theirs.sender_hw_addr());
        prop_assert_eq!(&ours.spa.octets(), theirs.sender_protocol_addr());
        prop_assert_eq!(&ours.tha.0, theirs.target_hw_addr());
        prop_assert_eq!(&ours.tpa.octets(), theirs.target_protocol_addr());
    }
    Ok(())
}

fn ipv4_agrees(payload: Payload<'_>) -> Checked {
    let ours = Ipv4::decode(payload);
    if payload.bytes().first().is_some_and(|first| first >> 4 != 4) {
        // Open vSwitch does not look at the version, etherparse does.
        return Ok(());
    }
    let theirs = Ipv4HeaderSlice::from_slice(payload.bytes()).ok().and_then(|header| {
        let segment = payload.bytes().get(header.slice().len()..header.total_len().into())?;
        Some((header, segment))
    });
    prop_assert_eq!(ours.is_ok(), theirs.is_some());
    let (Ok(ours), Some((theirs, segment))) = (ours, theirs) else { return Ok(()) };
    prop_assert_eq!((ours.src, ours.dst), (theirs.source_addr(), theirs.destination_addr()));
    prop_assert_eq!(
        (ours.ttl, ours.proto, ours.checksum),
        (theirs.ttl(), theirs.protocol().0, theirs.header_checksum())
    );
    prop_assert_eq!(ours.tos, theirs.dcp().value() << 2 | theirs.ecn().value());
    prop_assert_eq!(ours.identification, theirs.identification());
    prop_assert_eq!(ours.more_fragments(), theirs.more_fragments());
    prop_assert_eq!(ours.fragment_offset() / 8, theirs.fragments_offset().value());
    prop_assert_eq!(ours.fragment() != Fragment::No, theirs.is_fragmenting_payload());
    prop_assert_eq!((ours.options.bytes(), ours.payload.bytes()), (theirs.options(), segment));
    segment_agrees(ours.proto, ours.payload)
}

fn ipv6_agrees(payload: Payload<'_>) -> Checked {
    let ours = Ipv6::decode(payload);
    if payload.bytes().first().is_some_and(|first| first >> 4 != 6) {
        return Ok(());
    }
    let theirs = Ipv6HeaderSlice::from_slice(payload.bytes())
        .ok()
        .filter(|header| payload.len() >= Ipv6Header::LEN + usize::from(header.payload_length()));
    prop_assert_eq!(ours.is_ok(), theirs.is_some());
    let (Ok(ours), Some(theirs)) = (ours, theirs) else { return Ok(()) };
    prop_assert_eq!((ours.src, ours.dst), (theirs.source_addr(), theirs.destination_addr()));
    prop_assert_eq!((ours.hop_limit, ours.tos), (theirs.hop_limit(), theirs.traffic_class()));
    prop_assert_eq!((ours.label, ours.next_header), (theirs.flow_label().value(), theirs.next_header().0));
    prop_assert_eq!(ours.payload.len(), usize::from(theirs.payload_length()));
    extensions_agree(&ours)
}

fn extensions_agree(packet: &Ipv6<'_>) -> Checked {
    let theirs = Ipv6ExtensionsSlice::from_slice(IpNumber(packet.next_header), packet.payload.bytes());
    let ours = packet.upper_layer();
    let fragments: Vec<_> = packet.extensions().flatten().filter_map(|extension| extension.fragment()).collect();
    // What etherparse refuses for another reason than its length we read, as Open vSwitch does; and it reads
    // behind the header of a later fragment, where no header is.
    let Ok((theirs, proto, rest)) = theirs else { return Ok(()) };
    prop_assert_eq!(fragments.iter().any(|one| one.offset != 0 || one.more_fragments), theirs.is_fragmenting_payload());
    let ours = ours.unwrap();
    if ours.fragment == Fragment::Later {
        return Ok(());
    }
    prop_assert_eq!((ours.proto, ours.payload.bytes()), (proto.0, rest));
    segment_agrees(ours.proto, ours.payload)
}

fn segment_agrees(proto: u8, payload: Payload<'_>) -> Checked {
    match proto {
        IP_PROTO_UDP => udp_agrees(payload),
        IP_PROTO_TCP => tcp_agrees(payload),
        IP_PROTO_ICMPV6 => {
            let (ours, theirs) = (Icmpv6::decode(payload), Icmpv6Slice::from_slice(payload.bytes()));
            prop_assert_eq!(ours.is_ok(), theirs.is_ok());
            let (Ok(ours), Ok(theirs)) = (ours, theirs) else { return Ok(()) };
            prop_assert_eq!((ours.icmp_type, ours.code), (theirs.type_u8(), theirs.code_u8()));
            prop_assert_eq!((ours.checksum, ours.rest_of_header), (theirs.checksum(), theirs.bytes5to8()));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn udp_agrees(payload: Payload<'_>) -> Checked {
    let ours = Udp::decode(payload);
    // A length of 0 means "to the end" to etherparse, as it may over IPv6 (RFC 2675), and nothing to us.
    if ours.is_ok_and(|udp| udp.length == 0) {
        return Ok(());
    }
    let theirs = UdpSlice::from_slice(payload.bytes());
    prop_assert_eq!(ours.and_then(|udp| udp.body()).is_ok(), theirs.is_ok());
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else { return Ok(()) };
    prop_assert_eq!((ours.src, ours.dst), (theirs.source_port(), theirs.destination_port()));
    prop_assert_eq!((ours.length, ours.checksum), (theirs.length(), theirs.checksum()));
    prop_assert_eq!(ours.body().unwrap().bytes(), theirs.payload());
    Ok(())
}

fn tcp_agrees(payload: Payload<'_>) -> Checked {
    let (ours, theirs) = (Tcp::decode(payload), TcpSlice::from_slice(payload.bytes()));
    prop_assert_eq!(ours.is_ok(), theirs.is_ok());
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else { return Ok(()) };
    prop_assert_eq!((ours.src, ours.dst), (theirs.source_port(), theirs.destination_port()));
    prop_assert_eq!((ours.seq, ours.ack), (theirs.sequence_number(), theirs.acknowledgment_number()));
    prop_assert_eq!((ours.window, ours.checksum), (theirs.window_size(), theirs.checksum()));
    prop_assert_eq!((ours.urgent, ours.options), (theirs.urgent_pointer(), theirs.options()));
    let flags = [theirs.fin(), theirs.syn(), theirs.rst(), theirs.psh(), theirs.ack(), theirs.urg()];
    let flags = flags.into_iter().chain([theirs.ece(), theirs.cwr(), theirs.ns()]).enumerate();
    let flags: u16 = flags.map(|(bit, set)| u16::from(set) << bit).sum();
    prop_assert_eq!((ours.flags & 0x1ff, ours.payload.bytes()), (flags, theirs.payload()));
    Ok(())
}
proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn frames_are_read_as_etherparse_reads_them(mut bytes in frame(), damage in Damage::any()) {
        ethernet_agrees(&bytes)?;
        damage.apply(&mut bytes);
        ethernet_agrees(&bytes)?;
    }
}

#[test]
fn every_prefix_of_a_frame_is_read_as_etherparse_reads_it() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..50 {
        let bytes = frame().new_tree(&mut runner).unwrap().current();
        for end in 0..bytes.len() {
            ethernet_agrees(&bytes[..end]).unwrap();
        }
    }
}
