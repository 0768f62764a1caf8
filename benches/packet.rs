//! A PACKET_IN from its first byte to the fields that an answer needs; and its frame beside two other readers.
#![allow(missing_docs, reason = "criterion_group makes a public function without any")]

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::{ArpEthIpv4Packet, LinkSlice, NetSlice, SlicedPacket};
use heddle::openflow::matching::ETH_TYPE_VLAN;
use heddle::openflow::packet::{NO_BUFFER, PacketIn, PacketInReason};
use heddle::openflow::{
    Cookie, DecodeError, MacAddr, Match, Message, MessageType, PortNo, RawMatch, Reader, TableId, Writer, Xid,
};
use heddle::packet::build::{Frame, Ipv4Header, Ports};
use heddle::packet::dhcpv4::{self, MessageType as DhcpMessage, option};
use heddle::packet::{Arp, ArpFrame, Dhcpv4, Ethernet, Ipv4, PacketError, Payload, Udp, VlanTag};
use smoltcp::wire::{ArpPacket, ArpRepr, EthernetFrame};

const CLIENT: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);

fn arp_request(tag: Option<VlanTag>) -> Vec<u8> {
    let frame = Frame { dst: MacAddr::BROADCAST, src: CLIENT, tags: [tag, None] };
    let (spa, tpa) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let mut writer = Writer::new();
    frame.arp(&Arp { op: Arp::REQUEST, sha: CLIENT, spa, tha: MacAddr::default(), tpa }, &mut writer);
    writer.into_vec()
}

/// What dhclient sends at first, padded to the 300 bytes of BOOTP.
fn dhcp_discover() -> Vec<u8> {
    let frame = Frame { dst: MacAddr::BROADCAST, src: CLIENT, tags: [None, None] };
    let ip = Ipv4Header { src: Ipv4Addr::UNSPECIFIED, dst: Ipv4Addr::BROADCAST, ttl: 128 };
    let ports = Ports { src: dhcpv4::CLIENT_PORT, dst: dhcpv4::SERVER_PORT };
    let mut writer = Writer::new();
    frame.ipv4(&mut writer);
    let sent = ip.udp(ports, &mut writer, |writer| {
        let begin = writer.begin();
        writer.bytes(&[Dhcpv4::REQUEST, 1, 6, 0, 0x12, 0x34, 0x56, 0x78]);
        writer.zeros(20);
        writer.bytes(&CLIENT.0);
        writer.zeros(10 + 64 + 128);
        writer.u32(dhcpv4::MAGIC_COOKIE);
        writer.bytes(&[option::MESSAGE_TYPE, 1, DhcpMessage::DISCOVER.0]);
        writer.bytes(&[option::REQUESTED_ADDRESS, 4, 10, 0, 0, 5]);
        writer.bytes(&[option::HOST_NAME, 3, b'v', b'm', b'1']);
        writer.bytes(&[option::PARAMETER_LIST, 13, 1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42, option::END]);
        writer.zeros(300 - writer.since(begin).len());
        Ok(())
    });
    sent.expect("300 bytes fit a datagram");
    writer.into_vec()
}

/// The message by which Open vSwitch sends up this frame.
fn packet_in(frame: &[u8]) -> Vec<u8> {
    let mut flow_match = Writer::new();
    Match::encode_tlvs(Match::new().in_port(PortNo(7)).as_bytes(), &mut flow_match).expect("one field fits");
    let packet_in = PacketIn {
        buffer_id: NO_BUFFER,
        total_len: frame.len() as u16,
        reason: PacketInReason::ACTION,
        table_id: TableId(21),
        cookie: Cookie(0x4ed1_2a00_0000_0001),
        flow_match: RawMatch::decode(&mut Reader::new(flow_match.as_slice())).expect("it was just encoded"),
        data: frame,
    };
    let mut writer = Writer::new();
    packet_in.encode(&mut writer, Xid(0)).expect("a frame fits a message");
    writer.into_vec()
}

#[inline(always)]
fn open(message: &[u8]) -> Result<PacketIn<'_>, DecodeError> {
    PacketIn::decode(Message::decode(message)?.body_of(MessageType::PACKET_IN)?)
}

/// What was read of a frame with ARP.
struct Read {
    source: MacAddr,
    op: u16,
    sender: (MacAddr, Ipv4Addr),
    target: (MacAddr, Ipv4Addr),
}

/// Uses every field once, in as few instructions as that takes: to put all of them into memory, which no responder
/// does, would take longer than finding them.
#[inline(always)]
fn keep(read: &Read) {
    let head = |MacAddr([a, b, c, d, ..]): MacAddr| u32::from_ne_bytes([a, b, c, d]);
    let tail = |MacAddr([.., e, f]): MacAddr| u16::from_ne_bytes([e, f]);
    let ip = |address: Ipv4Addr| u32::from_ne_bytes(address.octets());
    let ((sha, spa), (tha, tpa)) = (read.sender, read.target);
    let heads = head(read.source) ^ head(sha) ^ ip(spa) ^ head(tha) ^ ip(tpa);
    black_box(heads ^ u32::from(tail(read.source) ^ tail(sha) ^ tail(tha) ^ read.op));
}

#[inline(always)]
fn heddle_arp(frame: &[u8]) {
    let frame = ArpFrame::of(frame).expect("a frame with ARP");
    let (source, arp) = (frame.src(), frame.packet);
    keep(&Read { source, op: arp.op(), sender: (arp.sha(), arp.spa()), target: (arp.tha(), arp.tpa()) });
}

/// The same by way of the views that read any frame.
#[inline(always)]
fn heddle_arp_by_layers(frame: &[u8]) {
    let ethernet = Ethernet::decode(Payload::new(frame)).expect("a frame");
    let arp = Arp::decode(ethernet.payload).expect("an ARP packet");
    keep(&Read { source: ethernet.src, op: arp.op, sender: (arp.sha, arp.spa), target: (arp.tha, arp.tpa) });
}

/// What a server looks at.
#[derive(Default)]
struct Discover {
    message_type: Option<DhcpMessage>,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    wanted: Option<usize>,
}

fn discover_of(frame: Payload<'_>) -> Result<(MacAddr, u32, Discover), PacketError> {
    let packet = Ipv4::decode(Ethernet::decode(frame)?.payload)?;
    let message = Dhcpv4::decode(Udp::decode(packet.payload)?.body()?)?;
    let mut discover = Discover::default();
    for option in message.options() {
        let option = option?;
        match option.code {
            option::MESSAGE_TYPE => discover.message_type = Some(option.message_type()?),
            option::REQUESTED_ADDRESS => discover.requested = Some(option.ipv4()?),
            option::SERVER_IDENTIFIER => discover.server = Some(option.ipv4()?),
            option::PARAMETER_LIST => discover.wanted = Some(option.data.len()),
            _ => {}
        }
    }
    Ok((message.chaddr, message.xid, discover))
}

#[inline(always)]
fn etherparse_arp(frame: &[u8]) {
    let packet = SlicedPacket::from_ethernet(frame).expect("a frame");
    let (Some(LinkSlice::Ethernet2(ethernet)), Some(NetSlice::Arp(arp))) = (packet.link, packet.net) else {
        panic!("not an ARP packet");
    };
    let arp = ArpEthIpv4Packet::try_from(arp.to_packet()).expect("of IPv4 over Ethernet");
    let (sha, tha) = (MacAddr(arp.sender_mac), MacAddr(arp.target_mac));
    let (spa, tpa) = (arp.sender_ipv4.into(), arp.target_ipv4.into());
    let source = MacAddr(ethernet.source());
    keep(&Read { source, op: arp.operation.0, sender: (sha, spa), target: (tha, tpa) });
}

#[inline(always)]
fn smoltcp_arp(frame: &[u8]) {
    let frame = EthernetFrame::new_checked(frame).expect("a frame");
    let arp = ArpRepr::parse(&ArpPacket::new_checked(frame.payload()).expect("an ARP packet"));
    let ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr,
        source_protocol_addr,
        target_hardware_addr,
        target_protocol_addr,
    } = arp.expect("of IPv4 over Ethernet")
    else {
        panic!("not of IPv4 over Ethernet");
    };
    let (sha, tha) = (MacAddr(source_hardware_addr.0), MacAddr(target_hardware_addr.0));
    let (spa, tpa) = (source_protocol_addr, target_protocol_addr);
    let source = MacAddr(frame.src_addr().0);
    keep(&Read { source, op: operation.into(), sender: (sha, spa), target: (tha, tpa) });
}

fn packet(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packet");
    group.throughput(Throughput::Elements(1));

    let (frame, discover) = (arp_request(None), dhcp_discover());
    let tagged = arp_request(Some(VlanTag { tpid: ETH_TYPE_VLAN, tci: 7 }));
    let (arp_message, discover_message) = (packet_in(&frame), packet_in(&discover));

    group.bench_function("decode_arp/packet_in", |bencher| {
        bencher.iter(|| {
            let packet_in = open(black_box(&arp_message)).expect("a PACKET_IN");
            black_box(packet_in.in_port());
            heddle_arp(packet_in.data);
        });
    });
    group.bench_function("decode_dhcp_discover/packet_in", |bencher| {
        bencher.iter(|| {
            let packet_in = open(black_box(&discover_message)).expect("a PACKET_IN");
            black_box(packet_in.in_port());
            let (mac, xid, discover) = discover_of(Payload::new(packet_in.data)).expect("a DISCOVER");
            black_box((mac, xid, discover.message_type, discover.requested, discover.server, discover.wanted))
        });
    });
    group.bench_function("decode_arp/frame", |bencher| bencher.iter(|| heddle_arp(black_box(&frame))));
    group.bench_function("decode_arp/frame_tagged", |bencher| bencher.iter(|| heddle_arp(black_box(&tagged))));
    group.bench_function("decode_arp/frame_by_layers", |bencher| {
        bencher.iter(|| heddle_arp_by_layers(black_box(&frame)));
    });
    group.bench_function("decode_arp/frame_etherparse", |bencher| bencher.iter(|| etherparse_arp(black_box(&frame))));
    group.bench_function("decode_arp/frame_smoltcp", |bencher| bencher.iter(|| smoltcp_arp(black_box(&frame))));
    group.finish();
}

criterion_group!(benches, packet);
criterion_main!(benches);
