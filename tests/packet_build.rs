//! Frames that `packet::build` writes, read by our own views, by etherparse and by smoltcp.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use heddle::openflow::{EncodeError, MacAddr, Writer};
use heddle::packet::build::{Frame, Ipv4Header, Ipv6Header, Ports};
use heddle::packet::{Arp, Ethernet, Icmpv6, Ipv4, Ipv6, Payload, Udp, VlanTag};
use proptest::prelude::*;
use smoltcp::wire::{
    ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, Icmpv6Packet, Ipv4Packet, Ipv6Packet, UdpPacket,
};

fn frame() -> impl Strategy<Value = Frame> {
    let tag = |tpid| proptest::option::of(any::<u16>().prop_map(move |tci| VlanTag { tpid, tci }));
    (any::<[u8; 6]>(), any::<[u8; 6]>(), tag(0x88a8), tag(0x8100)).prop_map(|(dst, src, outer, inner)| {
        // A single tag is the outer one.
        let tags = if outer.is_some() { [outer, inner] } else { [inner, None] };
        Frame { dst: MacAddr(dst), src: MacAddr(src), tags }
    })
}

fn ports() -> impl Strategy<Value = Ports> {
    any::<(u16, u16)>().prop_map(|(src, dst)| Ports { src, dst })
}

fn ipv4() -> impl Strategy<Value = Ipv4Header> {
    any::<(Ipv4Addr, Ipv4Addr, u8)>().prop_map(|(src, dst, ttl)| Ipv4Header { src, dst, ttl })
}

fn ipv6() -> impl Strategy<Value = Ipv6Header> {
    any::<(Ipv6Addr, Ipv6Addr, u8)>().prop_map(|(src, dst, hop_limit)| Ipv6Header { src, dst, hop_limit })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..600)
}

/// What `write` appends behind bytes that are there already.
fn written(write: impl FnOnce(&mut Writer) -> Result<(), EncodeError>) -> Vec<u8> {
    let mut writer = Writer::from_vec(vec![0xee; 3]);
    write(&mut writer).unwrap();
    writer.as_slice()[3..].to_vec()
}

/// Holds the Ethernet header to be that of `frame`, and gives its payload.
fn behind<'a>(frame: &Frame, bytes: &'a [u8]) -> Payload<'a> {
    let header = Ethernet::decode(Payload::new(bytes)).unwrap();
    assert_eq!((header.dst, header.src, header.tags), (frame.dst, frame.src, frame.tags));
    header.payload
}

proptest! {
    #[test]
    fn an_arp_reply_is_read_as_it_was_written(
        frame in frame(), op in 1..=2_u16, (sha, spa) in any::<([u8; 6], Ipv4Addr)>(),
        (tha, tpa) in any::<([u8; 6], Ipv4Addr)>(),
    ) {
        let arp = Arp { op, sha: MacAddr(sha), spa, tha: MacAddr(tha), tpa };
        let bytes = written(|w| { frame.arp(&arp, w); Ok(()) });
        prop_assert_eq!(Arp::decode(behind(&frame, &bytes)), Ok(arp));
        let untagged = written(|w| { Frame { tags: [None, None], ..frame }.arp(&arp, w); Ok(()) });
        let theirs = EthernetFrame::new_checked(&untagged).unwrap();
        prop_assert_eq!(theirs.dst_addr(), EthernetAddress(frame.dst.0));
        let ArpRepr::EthernetIpv4 { source_hardware_addr, source_protocol_addr, target_protocol_addr, .. } =
            ArpRepr::parse(&ArpPacket::new_checked(theirs.payload()).unwrap()).unwrap() else { panic!() };
        prop_assert_eq!(source_hardware_addr, EthernetAddress(sha));
        prop_assert_eq!((source_protocol_addr, target_protocol_addr), (spa, tpa));
    }

    #[test]
    fn a_datagram_over_ipv4_is_read_as_it_was_written_and_its_checksums_are_right(
        frame in frame(), ip in ipv4(), ports in ports(), body in body(),
    ) {
        let bytes = written(|w| {
            frame.ipv4(w);
            ip.udp(ports, w, |w| { w.bytes(&body); Ok(()) })
        });
        let packet = Ipv4::decode(behind(&frame, &bytes)).unwrap();
        prop_assert_eq!((packet.src, packet.dst, packet.ttl), (ip.src, ip.dst, ip.ttl));
        let udp = Udp::decode(packet.payload).unwrap();
        prop_assert_eq!((udp.src, udp.dst, udp.payload.bytes()), (ports.src, ports.dst, &body[..]));
        prop_assert_eq!(usize::from(udp.length), 8 + body.len());

        let theirs = SlicedPacket::from_ethernet(&bytes).unwrap();
        let (Some(NetSlice::Ipv4(net)), Some(TransportSlice::Udp(transport))) = (theirs.net, theirs.transport)
            else { panic!() };
        let header = net.header().to_header();
        prop_assert_eq!(header.header_checksum, header.calc_header_checksum());
        prop_assert_eq!(
            Ok(transport.checksum()),
            transport.to_header().calc_checksum_ipv4(&header, transport.payload())
        );
        let theirs = Ipv4Packet::new_checked(behind(&frame, &bytes).bytes()).unwrap();
        prop_assert!(theirs.verify_checksum());
        let udp = UdpPacket::new_checked(theirs.payload()).unwrap();
        prop_assert!(udp.verify_checksum(&ip.src.into(), &ip.dst.into()));
        prop_assert_eq!(udp.payload(), &body[..]);
    }

    #[test]
    fn a_datagram_over_ipv6_is_read_as_it_was_written_and_its_checksum_is_right(
        frame in frame(), ip in ipv6(), ports in ports(), body in body(),
    ) {
        let bytes = written(|w| {
            frame.ipv6(w);
            ip.udp(ports, w, |w| { w.bytes(&body); Ok(()) })
        });
        let packet = Ipv6::decode(behind(&frame, &bytes)).unwrap();
        prop_assert_eq!((packet.src, packet.dst, packet.hop_limit), (ip.src, ip.dst, ip.hop_limit));
        let udp = Udp::decode(packet.upper_layer().unwrap().payload).unwrap();
        prop_assert_eq!((udp.src, udp.dst, udp.payload.bytes()), (ports.src, ports.dst, &body[..]));

        let theirs = SlicedPacket::from_ethernet(&bytes).unwrap();
        let (Some(NetSlice::Ipv6(net)), Some(TransportSlice::Udp(transport))) = (theirs.net, theirs.transport)
            else { panic!() };
        prop_assert_eq!(
            Ok(transport.checksum()),
            transport.to_header().calc_checksum_ipv6(&net.header().to_header(), transport.payload())
        );
        let theirs = Ipv6Packet::new_checked(behind(&frame, &bytes).bytes()).unwrap();
        let udp = UdpPacket::new_checked(theirs.payload()).unwrap();
        prop_assert!(udp.verify_checksum(&ip.src.into(), &ip.dst.into()));
    }

    #[test]
    fn an_icmpv6_message_is_read_as_it_was_written_and_its_checksum_is_right(
        frame in frame(), ip in ipv6(), icmp_type in 128..=136_u8, body in proptest::collection::vec(any::<u8>(), 4..200),
    ) {
        let bytes = written(|w| {
            frame.ipv6(w);
            ip.icmpv6(w, |w| { w.bytes(&[icmp_type, 0, 0, 0]); w.bytes(&body); Ok(()) })
        });
        let packet = Ipv6::decode(behind(&frame, &bytes)).unwrap();
        let message = Icmpv6::decode(packet.upper_layer().unwrap().payload).unwrap();
        prop_assert_eq!((message.icmp_type, message.payload.bytes()), (icmp_type, &body[4..]));

        let theirs = SlicedPacket::from_ethernet(&bytes).unwrap();
        let Some(TransportSlice::Icmpv6(transport)) = theirs.transport else { panic!() };
        prop_assert!(transport.is_checksum_valid(ip.src.octets(), ip.dst.octets()));
        let theirs = Ipv6Packet::new_checked(behind(&frame, &bytes).bytes()).unwrap();
        prop_assert_eq!((theirs.hop_limit(), theirs.next_header().into()), (ip.hop_limit, 58_u8));
        let message = Icmpv6Packet::new_unchecked(theirs.payload());
        prop_assert!(message.verify_checksum(&ip.src, &ip.dst));
    }
}

#[test]
fn a_checksum_of_zero_is_sent_as_ones() {
    // The body is what makes the sum come out so: the complement of the checksum over a body of zeros.
    let ip = Ipv4Header { src: Ipv4Addr::new(10, 0, 0, 1), dst: Ipv4Addr::new(10, 0, 0, 2), ttl: 64 };
    let ports = Ports { src: 67, dst: 68 };
    let datagram = |body: [u8; 2]| {
        written(|w| {
            ip.udp(ports, w, |w| {
                w.bytes(&body);
                Ok(())
            })
        })
    };
    let zeros = datagram([0, 0]);
    let bytes = datagram([zeros[26], zeros[27]]);
    assert_eq!(bytes[26..28], [0xff, 0xff]);
}

#[test]
fn what_is_too_long_leaves_nothing_behind() {
    let v4 = Ipv4Header { src: Ipv4Addr::LOCALHOST, dst: Ipv4Addr::LOCALHOST, ttl: 1 };
    let v6 = Ipv6Header { src: Ipv6Addr::LOCALHOST, dst: Ipv6Addr::LOCALHOST, hop_limit: 1 };
    let ports = Ports { src: 1, dst: 2 };
    let mut writer = Writer::from_vec(vec![7]);
    let zeros = |count| {
        move |w: &mut Writer| {
            w.zeros(count);
            Ok(())
        }
    };
    for (found, what, error) in [
        (65_536, "udp", v4.udp(ports, &mut writer, zeros(65_528))),
        (65_536, "ipv4", v4.udp(ports, &mut writer, zeros(65_508))),
        (65_536, "udp", v6.udp(ports, &mut writer, zeros(65_528))),
        (65_536, "icmpv6", v6.icmpv6(&mut writer, zeros(65_536))),
    ] {
        assert_eq!(error, Err(EncodeError::TooLong { what, found }));
    }
    assert_eq!(writer.as_slice(), [7]);
    assert_eq!(v6.udp(ports, &mut writer, zeros(65_527)), Ok(()));
}
