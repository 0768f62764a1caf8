//! Questions of clients and what they are told. Both are written and read by `dhcproto`, whole messages as bytes here.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use dhcproto::v4::{self, DhcpOption as O, DhcpOptions, Flags, Message, OptionCode as Code};
use dhcproto::{Decodable, Decoder, Encodable};
use proptest::prelude::*;

use super::*;
use crate::openflow::packet::{NO_BUFFER, PacketIn, PacketInReason};
use crate::openflow::{Cookie, Match, PortNo, RawMatch, Reader, TableId};
use crate::packet::{Ethernet, Payload, VlanTag};
use crate::responder::Role;
use crate::responder::query::Body;
use crate::topology::Topology;

const MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 99);
const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// A subnet with these keys, a port with those.
fn server(subnet: &str, port: &str) -> Option<Server> {
    let text = format!(
        "nodes.n = {{}}\n[networks.blue]\ntype = 'local'\n[networks.blue.subnets.v4]\ncidr = '10.0.0.0/24'\n\
         gateway_ip = '10.0.0.1'\ndhcp_server_ip = '10.0.0.2'\n{subnet}\n\
         [networks.blue.subnets.other]\ncidr = '10.0.1.0/24'\n\
         [ports.a]\nnetwork = 'blue'\nnode = 'n'\nmac_address = 'fa:16:3e:00:00:01'\n{port}"
    );
    let topology = Topology::parse(&text, "t").unwrap_or_else(|refused| panic!("{refused}"));
    Server::of(topology.port("a")?, topology.network("blue")?, 1450)
}

const FULL: &str = "enable_dhcp = true
dhcp_lease_time = 600
dns_nameservers = ['10.0.0.3', '192.0.2.53']
ntp_servers = ['192.0.2.123']
domain_name = 'blue.example'
domain_search = ['blue.example', 'lab.blue.example']
host_routes = [{ destination = '192.0.2.0/25', nexthop = '10.0.0.9' }]
tftp_server_name = '10.0.0.8'
bootfile_name = 'pxelinux.0'";

fn full() -> Server {
    server(FULL, "fixed_ips = ['10.0.0.7']").unwrap()
}

/// A message of the port's client with these options.
fn message(options: impl IntoIterator<Item = O>) -> Message {
    let mut message = Message::default();
    message.set_xid(0x0102_0304).set_chaddr(&MAC.0);
    message.set_opts(DhcpOptions::from_iter(options));
    message
}

fn discover() -> Message {
    message([O::MessageType(v4::MessageType::Discover)])
}

fn request(options: impl IntoIterator<Item = O>) -> Message {
    message([O::MessageType(v4::MessageType::Request)].into_iter().chain(options))
}

/// How a message travels: by default as that of a client that has no address yet.
#[derive(Clone, Copy)]
struct Envelope {
    src: MacAddr,
    dst: Ipv4Addr,
    tag: Option<VlanTag>,
}

impl Default for Envelope {
    fn default() -> Self {
        Self { src: MAC, dst: Ipv4Addr::BROADCAST, tag: None }
    }
}

fn frame(envelope: Envelope, bytes: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    Frame { dst: MacAddr::BROADCAST, src: envelope.src, tags: [envelope.tag, None] }.ipv4(&mut writer);
    let ip = Ipv4Header { src: NOBODY, dst: envelope.dst, ttl: 64 };
    let body = |writer: &mut Writer| {
        writer.bytes(bytes);
        Ok(())
    };
    ip.udp(Ports { src: CLIENT_PORT, dst: SERVER_PORT }, &mut writer, body).unwrap();
    writer.into_vec()
}

/// What the server makes of a frame, and the frame that it sends.
fn ask(server: &Server, frame: &[u8]) -> (Verdict, Vec<u8>) {
    let mut matching = Writer::new();
    Match::encode_tlvs(Match::new().in_port(PortNo(5)).as_bytes(), &mut matching).unwrap();
    let packet_in = PacketIn {
        buffer_id: NO_BUFFER,
        total_len: 0,
        reason: PacketInReason(1),
        table_id: TableId(77),
        cookie: Cookie(0),
        flow_match: RawMatch::decode(&mut Reader::new(matching.as_slice())).unwrap(),
        data: frame,
    };
    let query = Query::of(&packet_in, Role::Integration).unwrap();
    let mut out = Writer::new();
    let Body::Udp4(ip, udp) = &query.body else { panic!("{:?}", query.body) };
    let verdict = server.answer(&query, (ip, udp), &mut Reply::new(&query, &mut out));
    // Header of a PACKET_OUT and one action.
    (verdict, out.as_slice().get(40..).unwrap_or_default().to_vec())
}

/// An answer with what carries it.
struct Told {
    eth_dst: MacAddr,
    dst: Ipv4Addr,
    bytes: Vec<u8>,
    message: Message,
}

impl Told {
    fn of(frame: &[u8]) -> Self {
        let ethernet = Ethernet::decode(Payload::new(frame)).unwrap();
        let ip = Ipv4::decode(ethernet.payload).unwrap();
        let udp = Udp::decode(ip.payload).unwrap();
        assert_eq!((ethernet.src, udp.src, udp.dst), (DHCP_SERVER_MAC, 67, 68));
        let bytes = udp.payload.bytes().to_vec();
        let message = Message::decode(&mut Decoder::new(&bytes)).unwrap();
        assert_eq!(message.opcode(), v4::Opcode::BootReply);
        assert_eq!((message.xid(), message.giaddr(), message.chaddr()), (0x0102_0304, NOBODY, &MAC.0[..]));
        assert_eq!(message.opts().get(Code::ServerIdentifier), Some(&O::ServerIdentifier(ip.src)));
        Self { eth_dst: ethernet.dst, dst: ip.dst, bytes, message }
    }

    fn kind(&self) -> v4::MessageType {
        self.message.opts().msg_type().unwrap()
    }

    fn has(&self, code: Code) -> bool {
        self.message.opts().contains(code)
    }

    /// The codes of the options as they stand.
    fn codes(&self) -> Vec<u8> {
        let view = Dhcpv4::decode(Payload::new(&self.bytes)).unwrap();
        view.options().map(|option| option.unwrap().code).collect()
    }

    fn data(&self, code: u8) -> Vec<u8> {
        let view = Dhcpv4::decode(Payload::new(&self.bytes)).unwrap();
        let parts = view.options().map(Result::unwrap).filter(|option| option.code == code);
        parts.flat_map(|option| option.data.bytes().to_vec()).collect()
    }
}

fn answered_in(envelope: Envelope, server: &Server, message: &Message) -> Told {
    let (verdict, sent) = ask(server, &frame(envelope, &message.to_vec().unwrap()));
    assert_eq!(verdict, Verdict::Answered);
    Told::of(&sent)
}

fn answered(server: &Server, message: &Message) -> Told {
    answered_in(Envelope::default(), server, message)
}

/// Why nothing was said.
fn ignored_in(envelope: Envelope, server: &Server, message: &Message) -> &'static str {
    match ask(server, &frame(envelope, &message.to_vec().unwrap())) {
        (Verdict::Ignored(reason), sent) if sent.is_empty() => reason,
        (verdict, _) => panic!("{verdict:?}"),
    }
}

fn ignored(server: &Server, message: &Message) -> &'static str {
    ignored_in(Envelope::default(), server, message)
}

fn with_list(mut message: Message, list: &[Code]) -> Message {
    message.opts_mut().insert(O::ParameterRequestList(list.to_vec()));
    message
}

#[test]
fn a_port_without_an_address_of_a_subnet_with_dhcp_has_no_server() {
    assert!(server("enable_dhcp = true", "").is_none());
    assert!(server("enable_dhcp = true", "fixed_ips = ['10.0.1.7']").is_none());
    assert!(server("", "fixed_ips = ['10.0.0.7']").is_none());
    let second = server("enable_dhcp = true", "fixed_ips = ['10.0.1.7', '10.0.0.7', '10.0.0.8']").unwrap();
    assert_eq!(second.address, ADDRESS, "the first one that has DHCP");
}

#[test]
fn who_discovers_is_offered_the_ports_address() {
    let told = answered(&full(), &discover());
    assert_eq!((told.kind(), told.message.yiaddr(), told.message.ciaddr()), (v4::MessageType::Offer, ADDRESS, NOBODY));
    assert_eq!((told.eth_dst, told.dst), (MAC, ADDRESS), "unicast, before the address is configured");
    let options = told.message.opts();
    let expected = [
        O::AddressLeaseTime(600),
        O::Renewal(300),
        O::Rebinding(525),
        O::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)),
        O::Router(vec![GATEWAY]),
        O::DomainNameServer(vec![Ipv4Addr::new(10, 0, 0, 3), Ipv4Addr::new(192, 0, 2, 53)]),
        O::DomainName("blue.example".into()),
        O::InterfaceMtu(1450),
        O::BroadcastAddr(Ipv4Addr::new(10, 0, 0, 255)),
        O::NtpServers(vec![Ipv4Addr::new(192, 0, 2, 123)]),
        O::TFTPServerName(b"10.0.0.8".to_vec()),
        O::BootfileName(b"pxelinux.0".to_vec()),
    ];
    for option in expected {
        assert_eq!(options.get(Code::from(&option)), Some(&option));
    }
    assert_eq!(told.bytes.len() % 2, 0);
    assert!(told.bytes.len() >= 300);
}

#[test]
fn routes_hold_the_default_route_too_as_bytes_of_rfc_3442() {
    let told = answered(&full(), &discover());
    let expected = [25, 192, 0, 2, 0, 10, 0, 0, 9, 0, 10, 0, 0, 1];
    assert_eq!(told.data(option::CLASSLESS_ROUTES), expected);
    let own = server(
        "enable_dhcp = true\nhost_routes = [{ destination = '0.0.0.0/0', nexthop = '10.0.0.9' }]",
        "fixed_ips = ['10.0.0.7']",
    );
    let told = answered(&own.unwrap(), &discover());
    assert_eq!(told.data(option::CLASSLESS_ROUTES), [0, 10, 0, 0, 9], "a default route of its own");
    let none = answered(&server("enable_dhcp = true", "fixed_ips = ['10.0.0.7']").unwrap(), &discover());
    assert!(!none.has(Code::ClasslessStaticRoute) && none.has(Code::Router));
}

#[test]
fn a_search_list_is_compressed_as_rfc_3397_has_it() {
    let told = answered(&full(), &discover());
    let expected = b"\x04blue\x07example\x00\x03lab\xc0\x00";
    assert_eq!(told.data(option::DOMAIN_SEARCH), expected);
}

#[test]
fn every_domain_that_a_topology_may_name_can_be_told() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", &label[..61]);
    for name in ["x", "_x._y.example", "3com.example", "a-b.xn--bcher-kva.example", &longest] {
        let keys = format!("enable_dhcp = true\ndomain_name = '{name}'\ndomain_search = ['{name}.']");
        let mut asked = with_list(discover(), &[Code::DomainName, Code::DomainSearch]);
        asked.opts_mut().insert(O::MaxMessageSize(1450));
        let told = answered(&server(&keys, "fixed_ips = ['10.0.0.7']").unwrap(), &asked);
        assert_eq!(told.data(option::DOMAIN_NAME), name.as_bytes());
        let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
        assert_eq!(told.data(option::DOMAIN_SEARCH), labels.chain([0]).collect::<Vec<u8>>());
    }
}

#[test]
fn who_asks_for_routes_gets_them_in_place_of_the_router() {
    for list in [[Code::Router, Code::ClasslessStaticRoute], [Code::ClasslessStaticRoute, Code::Router]] {
        let told = answered(&full(), &with_list(discover(), &list));
        assert!(told.has(Code::ClasslessStaticRoute) && !told.has(Code::Router));
    }
    let told = answered(&full(), &with_list(discover(), &[Code::Router]));
    assert!(told.has(Code::Router) && !told.has(Code::ClasslessStaticRoute));
}

#[test]
fn a_request_list_says_what_is_told_and_in_which_order() {
    let list = [
        Code::NtpServers,
        Code::DomainName,
        Code::Unknown(200),
        Code::SubnetMask,
        Code::DomainNameServer,
        Code::NtpServers,
    ];
    let told = answered(&full(), &with_list(discover(), &list));
    assert_eq!(told.codes(), [53, 54, 51, 58, 59, 1, 42, 15, 6]);
    let told = answered(&full(), &with_list(discover(), &[Code::SubnetMask]));
    assert_eq!(told.codes(), [53, 54, 51, 58, 59, 1]);
}

#[test]
fn a_list_in_two_parts_is_one_list() {
    let mut bytes = discover().to_vec().unwrap();
    assert_eq!(bytes.pop(), Some(255));
    bytes.extend([55, 2, 42, 15, 12, 1, b'x', 55, 1, 6, 255]);
    let (_, sent) = ask(&full(), &frame(Envelope::default(), &bytes));
    assert_eq!(Told::of(&sent).codes(), [53, 54, 51, 58, 59, 1, 42, 15, 6]);
}

#[test]
fn who_chose_this_server_gets_the_lease_and_who_chose_another_hears_nothing() {
    let server = full();
    let told = answered(&server, &request([O::ServerIdentifier(SERVER), O::RequestedIpAddress(ADDRESS)]));
    assert_eq!((told.kind(), told.message.yiaddr(), told.dst), (v4::MessageType::Ack, ADDRESS, ADDRESS));
    assert!(told.has(Code::AddressLeaseTime));
    let other = request([O::ServerIdentifier(OTHER), O::RequestedIpAddress(ADDRESS)]);
    assert_eq!(ignored(&server, &other), "another server was chosen");
    let wrong = answered(&server, &request([O::ServerIdentifier(SERVER), O::RequestedIpAddress(OTHER)]));
    assert_eq!(wrong.kind(), v4::MessageType::Nak);
}

#[test]
fn after_a_reboot_the_own_address_is_confirmed_and_another_refused() {
    let server = full();
    assert_eq!(answered(&server, &request([O::RequestedIpAddress(ADDRESS)])).kind(), v4::MessageType::Ack);
    for address in [OTHER, Ipv4Addr::new(192, 168, 1, 5)] {
        let mut asked = request([O::RequestedIpAddress(address), O::ClientIdentifier(vec![1, 2, 3])]);
        asked.set_secs(7);
        let told = answered(&server, &asked);
        assert_eq!(told.kind(), v4::MessageType::Nak);
        assert_eq!((told.eth_dst, told.dst), (MacAddr::BROADCAST, Ipv4Addr::BROADCAST), "RFC 2131 §4.1");
        assert_eq!((told.message.yiaddr(), told.message.ciaddr(), told.message.siaddr()), (NOBODY, NOBODY, NOBODY));
        assert_eq!(told.codes(), [53, 54, 56, 61], "RFC 2131 table 3");
        assert!(told.message.fname().is_none() && told.bytes.len() >= 300);
    }
}

#[test]
fn a_lease_is_renewed_by_unicast_and_by_broadcast_and_a_wrong_one_refused() {
    let server = full();
    let mut renewal = request([]);
    renewal.set_ciaddr(ADDRESS);
    for dst in [SERVER, Ipv4Addr::BROADCAST] {
        let told = answered_in(Envelope { dst, ..Envelope::default() }, &server, &renewal);
        assert_eq!((told.kind(), told.eth_dst, told.dst), (v4::MessageType::Ack, MAC, ADDRESS));
        assert_eq!((told.message.ciaddr(), told.message.yiaddr()), (ADDRESS, ADDRESS));
    }
    renewal.set_ciaddr(OTHER);
    let told = answered_in(Envelope { dst: SERVER, ..Envelope::default() }, &server, &renewal);
    assert_eq!((told.kind(), told.dst), (v4::MessageType::Nak, Ipv4Addr::BROADCAST));
    assert_eq!(ignored(&server, &request([])), "a request for no address");
}

#[test]
fn who_informs_gets_settings_and_no_lease() {
    let mut inform = message([O::MessageType(v4::MessageType::Inform)]);
    inform.set_ciaddr(OTHER);
    let told = answered(&full(), &inform);
    assert_eq!((told.kind(), told.dst, told.message.yiaddr()), (v4::MessageType::Ack, OTHER, NOBODY));
    assert!(told.has(Code::DomainNameServer) && told.has(Code::SubnetMask));
    for code in [Code::AddressLeaseTime, Code::Renewal, Code::Rebinding] {
        assert!(!told.has(code), "{code:?}");
    }
    inform.set_ciaddr(Ipv4Addr::new(10, 0, 1, 7));
    assert_eq!(ignored(&full(), &inform), "informs of an address of another subnet");
}

#[test]
fn what_needs_no_answer_gets_none() {
    let server = full();
    let of =
        |kind, chosen| message([O::MessageType(kind), O::ServerIdentifier(chosen), O::RequestedIpAddress(ADDRESS)]);
    for (kind, chosen, reason) in [
        (v4::MessageType::Decline, SERVER, "declined: somebody else uses the address"),
        (v4::MessageType::Release, SERVER, "released"),
        (v4::MessageType::Decline, OTHER, "to another server"),
        (v4::MessageType::Release, OTHER, "to another server"),
        (v4::MessageType::Offer, SERVER, "not a message of a client"),
        (v4::MessageType::ForceRenew, SERVER, "not a message of a client"),
    ] {
        assert_eq!(ignored(&server, &of(kind, chosen)), reason, "{kind:?}");
    }
    assert_eq!(ignored(&server, &message([O::Hostname("x".into())])), "BOOTP without DHCP");
    assert_eq!(ignored(&server, discover().set_opcode(v4::Opcode::BootReply)), "not of a client");
}

#[test]
fn only_the_ports_own_client_is_answered() {
    let server = full();
    let foreign = "of an Ethernet address that is not the port's";
    let stranger = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 2]);
    assert_eq!(ignored(&server, discover().set_chaddr(&stranger.0)), foreign);
    assert_eq!(ignored_in(Envelope { src: stranger, ..Envelope::default() }, &server, &discover()), foreign);
    assert_eq!(ignored(&server, discover().set_giaddr(OTHER)), "passed on by a relay agent");
    assert_eq!(ignored_in(Envelope { dst: OTHER, ..Envelope::default() }, &server, &discover()), "to another server");
    let tag = |tci| Envelope { tag: Some(VlanTag { tpid: 0x8100, tci }), ..Envelope::default() };
    assert_eq!(ignored_in(tag(7), &server, &discover()), "of a VLAN inside the port");
    assert_eq!(answered_in(tag(0xe000), &server, &discover()).kind(), v4::MessageType::Offer);
}

#[test]
fn a_client_that_asks_for_broadcast_gets_it() {
    let mut asked = discover();
    asked.set_flags(Flags::default().set_broadcast());
    let told = answered(&full(), &asked);
    assert_eq!((told.eth_dst, told.dst), (MacAddr::BROADCAST, Ipv4Addr::BROADCAST));
    assert!(told.message.flags().broadcast());
}

#[test]
fn identifiers_come_back_as_they_were_said() {
    let mut bytes = discover().to_vec().unwrap();
    assert_eq!(bytes.pop(), Some(255));
    bytes.extend([82, 4, 1, 2, 0, 9, 61, 3, 1, 2, 3, 255]);
    let (_, sent) = ask(&full(), &frame(Envelope::default(), &bytes));
    let told = Told::of(&sent);
    assert_eq!(
        (told.data(option::CLIENT_IDENTIFIER), told.data(option::RELAY_AGENT)),
        (vec![1, 2, 3], vec![1, 2, 0, 9])
    );
    assert_eq!(told.codes().last(), Some(&option::RELAY_AGENT));
}

/// More than fits into the smallest packet.
fn wordy() -> Server {
    let routes = (0..60).map(|number| format!("{{ destination = '192.0.{number}.0/24', nexthop = '10.0.0.9' }}"));
    let routes: Vec<String> = routes.collect();
    let dns = ["'10.0.0.3'"; 63].join(", ");
    let keys = format!("enable_dhcp = true\ndns_nameservers = [{dns}]\nhost_routes = [{}]", routes.join(", "));
    server(&keys, "fixed_ips = ['10.0.0.7']").unwrap()
}

#[test]
fn an_answer_is_no_longer_than_the_client_and_the_network_take() {
    let list = [Code::ClasslessStaticRoute, Code::Router, Code::DomainNameServer, Code::InterfaceMtu];
    let of = |size: Option<u16>| {
        let mut asked = with_list(discover(), &list);
        if let Some(size) = size {
            asked.opts_mut().insert(O::MaxMessageSize(size));
        }
        answered(&wordy(), &asked)
    };
    for size in [None, Some(0), Some(400), Some(576)] {
        let told = of(size);
        assert!(told.bytes.len() + 28 <= 576);
        assert_eq!(told.codes(), [53, 54, 51, 58, 59, 1, 3, 6, 26], "without the routes, the router: {size:?}");
    }
    for size in [1450, 9000] {
        let told = of(Some(size));
        assert!((577..=1450).contains(&(told.bytes.len() + 28)));
        // 60 routes of 8 bytes and one of 5.
        assert_eq!(told.data(option::CLASSLESS_ROUTES).len(), 485, "in parts of 255 at the most (RFC 3396)");
        assert_eq!(told.codes(), [53, 54, 51, 58, 59, 1, 121, 121, 6, 26]);
    }
}

#[test]
fn a_machine_that_boots_from_the_network_finds_its_server_and_file() {
    let told = answered(&full(), &discover());
    assert_eq!((told.message.siaddr(), told.message.sname()), (Ipv4Addr::new(10, 0, 0, 8), None));
    assert_eq!(told.message.fname_str(), Some(Ok("pxelinux.0\0")));
    let own = "fixed_ips = ['10.0.0.7']\ntftp_server_name = 'boot.example'\nbootfile_name = 'own.efi'";
    let told = answered(&server(FULL, own).unwrap(), &discover());
    assert_eq!((told.message.siaddr(), told.message.sname_str()), (NOBODY, Some(Ok("boot.example\0"))));
    assert_eq!(told.message.fname_str(), Some(Ok("own.efi\0")));
    assert_eq!(told.message.opts().get(Code::TFTPServerName), Some(&O::TFTPServerName(b"boot.example".to_vec())));
    let long = format!("fixed_ips = ['10.0.0.7']\nbootfile_name = 'http://{}'", "x".repeat(128));
    let told = answered(&server(FULL, &long).unwrap(), &discover());
    assert_eq!(told.message.fname(), None, "too long for the field");
    assert_eq!(told.data(option::BOOTFILE_NAME).len(), 135);
}

#[test]
fn a_lease_for_ever_has_no_times_of_renewal() {
    let server = server("enable_dhcp = true\ndhcp_lease_time = 4294967295", "fixed_ips = ['10.0.0.7']").unwrap();
    let told = answered(&server, &discover());
    assert_eq!(told.message.opts().get(Code::AddressLeaseTime), Some(&O::AddressLeaseTime(u32::MAX)));
    assert!(!told.has(Code::Renewal) && !told.has(Code::Rebinding));
}

#[test]
fn a_message_that_is_cut_off_is_malformed() {
    let server = full();
    let whole = with_list(request([O::RequestedIpAddress(ADDRESS)]), &[Code::Router]).to_vec().unwrap();
    let mut verdicts = BTreeSet::new();
    for end in 0..whole.len() {
        let (verdict, sent) = ask(&server, &frame(Envelope::default(), &whole[..end]));
        if verdict != Verdict::Answered {
            assert!(sent.is_empty());
        }
        verdicts.insert(matches!(verdict, Verdict::Malformed(_)));
        assert!(end >= HEADER || matches!(verdict, Verdict::Malformed(_)), "{end}");
    }
    assert_eq!(verdicts.len(), 2, "between two options it is only shorter");
}

#[test]
fn what_stands_behind_the_length_of_the_datagram_is_not_read() {
    let mut message = discover().to_vec().unwrap();
    assert_eq!(message.pop(), Some(255));
    let length = 8 + message.len() as u16;
    // The beginning of a host name.
    message.extend([12, 200, b'x']);
    let server = full();
    let ask_with_length = |length: u16| {
        let mut frame = frame(Envelope::default(), &message);
        frame[38..40].copy_from_slice(&length.to_be_bytes());
        ask(&server, &frame).0
    };
    assert_eq!(ask_with_length(length), Verdict::Answered);
    for wrong in [0, 7, length + 1, length + 3, length + 4] {
        assert!(matches!(ask_with_length(wrong), Verdict::Malformed(_)), "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered_within_the_clients_limit_or_not_at_all(
        options in prop::collection::vec(any::<u8>(), 0..600),
        kind in 1..9_u8,
        size in any::<u16>(),
        addresses in any::<[bool; 3]>(),
    ) {
        let mut bytes = discover().to_vec().unwrap();
        bytes.truncate(HEADER);
        let [a, b] = size.to_be_bytes();
        bytes.extend([53, 1, kind, 57, 2, a, b]);
        for (code, wanted) in [(50, addresses[0]), (54, addresses[1])] {
            if wanted {
                bytes.extend([code, 4]);
                bytes.extend(if code == 50 { ADDRESS } else { SERVER }.octets());
            }
        }
        if addresses[2] {
            bytes[12..16].copy_from_slice(&ADDRESS.octets());
        }
        bytes.extend(options);
        let (verdict, sent) = ask(&wordy(), &frame(Envelope::default(), &bytes));
        prop_assert_eq!(verdict == Verdict::Answered, !sent.is_empty());
        if !sent.is_empty() {
            let told = Told::of(&sent);
            // A later option 57 counts, and none is above the MTU.
            prop_assert!(told.bytes.len() + 28 <= 1450);
            prop_assert!(told.codes().len() >= 2);
        }
    }
}
