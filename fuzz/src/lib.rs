//! What has to hold for any bytes: nothing panics, and what was understood can be said again.
//!
//! Each public function is one fuzz target: they take what a switch, a database server, a client or a file says.
//! `scripts/fuzz.sh` feeds them.

pub mod clients;
pub mod database;
pub mod files;
pub mod packet_in;
pub mod switch;

use heddle::cli::message_text;
use heddle::flow::parse::{self, NoNames};
use heddle::flow::text::{Numbers, Printer};
use heddle::openflow::frame::Framing;
use heddle::openflow::packet::{NO_BUFFER, PacketOut};
use heddle::openflow::{Action, AnyMessage, FlowMod, Instruction, Match, PortNo, Raw, Reader, Writer, Xid};
use heddle::packet::dhcpv6::{IaAddress, IdentityAssociation};
use heddle::packet::key::Network;
use heddle::packet::nd::NdValue;
use heddle::packet::{
    Arp, Dhcpv4, Dhcpv6, Dhcpv6Options, DomainNames, Ethernet, Icmp, Icmpv6, Igmp, Ipv4, Ipv6, Key, NdOptions, Nsh,
    PacketError, Payload, Sctp, Tcp, Udp, dhcpv6,
};

/// A stream from a switch: every message of it is printed, and what one says can be said again.
pub fn message(mut stream: &[u8]) {
    while let Framing::Frame(bytes) = Framing::of(stream) {
        print_message(bytes);
        if let Ok(decoded) = AnyMessage::decode(bytes) {
            let mut writer = Writer::new();
            decoded.encode(&mut writer).expect("it came from a message");
            let again = AnyMessage::decode(writer.as_slice()).expect("what was encoded decodes");
            assert_eq!(again, decoded);
        }
        stream = &stream[bytes.len()..];
    }
    // What is left is no whole message; a file may still hold it.
    print_message(stream);
}

fn print_message(bytes: &[u8]) {
    let _ = message_text::message(bytes, &mut Vec::new());
}

/// A frame, as in a PACKET_IN; its headers one by one, and as the message that brings it is printed.
pub fn packet(frame: &[u8]) {
    if let Network::Ip(ip) = Key::of_frame(frame).network {
        let _ = ip.checksum();
    }
    headers(Payload::new(frame));
    let packet_out = PacketOut { buffer_id: NO_BUFFER, in_port: PortNo(1), actions: Raw::new(&[]), data: frame };
    let mut writer = Writer::new();
    if packet_out.encode(&mut writer, Xid(1)).is_ok() {
        print_message(writer.as_slice());
    }
}

/// Every header decoder, at the first byte that could be its own.
fn headers(frame: Payload<'_>) {
    let _ = Ethernet::decode(frame);
    let mut rest = frame;
    if rest.take(14, "ethernet").is_err() {
        return;
    }
    let _ = (Arp::decode(rest), Nsh::decode(rest));
    let _ = (Tcp::decode(rest), Sctp::decode(rest), Icmp::decode(rest), Igmp::decode(rest));
    if let Ok(ipv4) = Ipv4::decode(rest) {
        walk(ipv4.options);
    }
    if let Ok(ipv6) = Ipv6::decode(rest) {
        walk(ipv6.extensions().map(|extension| extension.map(|extension| extension.fragment())));
        let _ = ipv6.upper_layer();
    }
    if let Ok(message) = Icmpv6::decode(rest) {
        discovery(message);
    }
    if let Ok(body) = Udp::decode(rest).and_then(|udp| udp.body()) {
        dhcp(body);
    }
    dhcp(rest);
}

/// Goes to the end of an iterator over parts of a packet, which ends behind its first error.
fn walk<T>(mut parts: impl Iterator<Item = Result<T, PacketError>>) {
    while let Some(part) = parts.next() {
        if part.is_err() {
            assert!(parts.next().is_none());
            return;
        }
    }
}

fn discovery(message: Icmpv6<'_>) {
    let options = |options: NdOptions<'_>| {
        for option in options.flatten() {
            let _ = option.mac();
            match option.value() {
                Ok(NdValue::Rdnss { servers, .. }) => assert!(servers.count() * 16 <= option.data.len()),
                Ok(NdValue::Dnssl { domains, .. }) => names(domains),
                _ => {}
            }
        }
    };
    walk(message.router_solicitation().into_iter().flatten());
    if let Ok(Some(said)) = message.neighbor_discovery() {
        options(said.options);
    }
    if let Ok(Some(said)) = message.router_advertisement() {
        options(said.options);
    }
    if let Ok(Some(said)) = message.redirect() {
        options(said.options);
    }
}

fn names(domains: DomainNames<'_>) {
    walk(domains.map(|name| name.map(|name| assert!(name.to_string().len() <= 4 * name.bytes().len()))));
}

fn dhcp(message: Payload<'_>) {
    if let Ok(message) = Dhcpv4::decode(message) {
        walk(message.options().map(|option| {
            option.map(|option| {
                let _ = (option.message_type(), option.u16(), option.u32(), option.ipv4());
                names(DomainNames::new(option.data));
            })
        }));
    }
    match Dhcpv6::decode(message) {
        Ok(Dhcpv6::Direct(message)) => associations(message.options),
        Ok(Dhcpv6::Relay(relay)) => associations(relay.options),
        Err(_) => {}
    }
}

fn associations(options: Dhcpv6Options<'_>) {
    walk(options.map(|option| {
        option.map(|option| match option.code {
            dhcpv6::option::IA_NA | dhcpv6::option::IA_PD => {
                if let Ok(association) = IdentityAssociation::decode(option.data) {
                    walk(association.options.map(|inner| inner.map(|inner| IaAddress::decode(inner.data))));
                }
            }
            dhcpv6::option::DOMAIN_LIST => names(DomainNames::new(option.data)),
            _ => {}
        })
    }));
}

/// The TLVs of an `ofp_match`: what can be printed is read back as a match of the same text.
pub fn r#match(tlvs: &[u8]) {
    let mut writer = Writer::new();
    if Match::encode_tlvs(tlvs, &mut writer).is_err() {
        return;
    }
    let Ok(decoded) = Match::decode_tlvs(&mut Reader::new(writer.as_slice())) else { return };
    assert_eq!(decoded, tlvs);
    let mut text = Vec::new();
    if Printer::new(&Numbers).matching(decoded, &mut text).is_ok() {
        flow_again(&format!("{},actions=drop", utf8(&text)));
    }
}

/// Instructions, and the same bytes as actions: what decodes encodes to the same bytes.
pub fn actions(bytes: &[u8]) {
    let printer = Printer::new(&Numbers);
    if let Ok(list) = Action::decode_list(Reader::new(bytes)) {
        let mut writer = Writer::new();
        for action in &list {
            action.encode(&mut writer).expect("it came from a shorter buffer");
        }
        assert_eq!(Action::decode_list(Reader::new(writer.as_slice())).as_ref(), Ok(&list));
    }
    let _ = printer.actions(Reader::new(bytes), &mut Vec::new());
    let _ = Instruction::decode_list(Reader::new(bytes));
    let mut text = Vec::new();
    if printer.instructions(Reader::new(bytes), &mut text).is_ok() {
        // Text says less than bytes: reading it may be refused, but must not panic.
        let _ = parse::flow_mod(&format!("ip,{}", utf8(&text)), &NoNames);
    }
}

/// Flow text from a file: what was read prints as text that reads as the same bytes.
pub fn text(text: &[u8]) {
    for line in String::from_utf8_lossy(text).lines() {
        flow_again(line);
    }
}

/// Reads a flow, prints it as a switch's dump shows it, and holds that to be read as a flow of the same text. Bytes
/// may differ: text leaves some out (`tests/flow_text_and_back.rs`).
fn flow_again(line: &str) {
    let Ok(first) = parse::flow(line, &NoNames) else { return };
    let Some(printed) = print(&first.to_flow_mod()).filter(|printed| !loses_a_digit(printed)) else { return };
    let second =
        parse::flow(&printed, &NoNames).unwrap_or_else(|error| panic!("{line:?} prints as {printed:?}: {error}"));
    assert_eq!(print(&second.to_flow_mod()), Some(printed), "of {line:?}");
}

/// True if an NSH TLV's value has an odd number of digits: Open vSwitch prints it as a number and reads it as bytes, of
/// which each takes two digits.
fn loses_a_digit(printed: &str) -> bool {
    let tlvs = printed.split("tlv(").skip(1).filter_map(|tlv| tlv.split(')').next());
    tlvs.filter_map(|tlv| tlv.rsplit_once(",0x")).any(|(_, digits)| digits.len() % 2 == 1)
}

/// The text; none if it is a flow that a switch refuses, which `ovs-ofctl` takes as text all the same.
fn print(flow: &FlowMod<'_>) -> Option<String> {
    let mut text = Vec::new();
    Printer::new(&Numbers).without_stats(&flow.to_stats(), &mut text).ok()?;
    Some(utf8(&text).to_owned())
}

fn utf8(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("printed text is UTF-8")
}
