//! What the responder answers to DHCPv6 clients and router solicitations, and advertises by itself, from a topology and
//! the bytes of PACKET_INs. `dhcproto` reads the answers too.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use dhcproto::v6::{self, DhcpOption, OptionCode, Status};
use dhcproto::{Decodable, Decoder};
use heddle::agent::preview::Preview;
use heddle::config::Config;
use heddle::openflow::packet::{NO_BUFFER, PacketIn, PacketInReason, PacketOut};
use heddle::openflow::{Cookie, MacAddr, Match, Message, PortNo, RawMatch, Reader, TableId, Writer};
use heddle::packet::build::{Frame, Ipv6Header, Ports};
use heddle::packet::nd::NdValue;
use heddle::packet::{Ethernet, Icmpv6, Ipv6, Payload, RouterAdvertisement, Udp};
use heddle::pipeline::Object;
use heddle::responder::{Answers, Limits, Outcome, Responder, Role, Topic};
use heddle::topology::Topology;
use proptest::prelude::*;

const GUEST: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
const SECOND: Duration = Duration::from_secs(1);

/// A port `a`, and in the same network its router, on the same node.
fn topology(modes: &str) -> String {
    format!(
        r#"
        nodes.one.tunnel_ip = "192.0.2.1"
        nodes.two.tunnel_ip = "192.0.2.2"
        [networks.blue]
        type = "vxlan"
        segmentation_id = 1001
        [networks.blue.subnets.v6]
        cidr = "2001:db8::/64"
        gateway_ip = "2001:db8::1"
        {modes}
        [ports.a]
        network = "blue"
        node = "one"
        mac_address = "{GUEST}"
        fixed_ips = ["2001:db8::7"]
        [ports.router]
        network = "blue"
        node = "one"
        mac_address = "fa:16:3e:00:00:99"
        fixed_ips = ["2001:db8::1"]
        "#
    )
}

/// A responder of br-int, and what keeps its snapshot.
struct Bench {
    responder: Responder,
    answers: Answers,
    numbers: Vec<(String, PortNo)>,
    now: Duration,
}

impl Bench {
    fn new(text: &str) -> Self {
        Self::on("one", text)
    }

    fn on(node: &str, text: &str) -> Self {
        let responder = Responder::new(Role::Integration, Arc::default(), Limits::none());
        let mut bench = Self { responder, answers: Answers::default(), numbers: Vec::new(), now: Duration::ZERO };
        bench.change(node, text);
        bench
    }

    /// Another topology is in force.
    fn change(&mut self, node: &str, text: &str) {
        let topology = Topology::parse(text, "t").unwrap_or_else(|refused| panic!("{refused}"));
        let preview = Preview::new(&topology, &Config::defaults(node));
        let view = preview.view(&topology);
        let gone = self.numbers.iter().map(|(name, _)| Object::Port(name.as_str().into()));
        let objects: Vec<Object> = view.objects().chain(gone).collect();
        self.answers.update(&view, &objects);
        self.responder.set_snapshot(self.answers.snapshot().clone());
        self.numbers = preview.bindings.ports.iter().map(|(name, port)| (name.to_string(), *port)).collect();
    }

    fn port(&self, name: &str) -> PortNo {
        self.numbers.iter().find(|(known, _)| known == name).expect("it is bound").1
    }

    /// A frame comes up from port `a`; the frames that go out, each with its port.
    fn up(&mut self, frame: &[u8]) -> Vec<(PortNo, Vec<u8>)> {
        let mut matching = Writer::new();
        Match::encode_tlvs(Match::new().in_port(self.port("a")).as_bytes(), &mut matching).unwrap();
        let packet_in = PacketIn {
            buffer_id: NO_BUFFER,
            total_len: u16::try_from(frame.len()).unwrap(),
            reason: PacketInReason::ACTION,
            table_id: TableId(78),
            cookie: Cookie(0),
            flow_match: RawMatch::decode(&mut Reader::new(matching.as_slice())).unwrap(),
            data: frame,
        };
        let mut out = Writer::new();
        self.responder.on_packet_in(&packet_in, self.now, &mut out);
        packet_outs(out.as_slice())
    }

    /// What goes out in the ticks of the next seconds, each with its second.
    fn wait(&mut self, seconds: u64) -> Vec<(u64, PortNo, Vec<u8>)> {
        let mut said = Vec::new();
        for _ in 0..seconds {
            let mut out = Writer::new();
            self.responder.on_tick(self.now, &mut out);
            let sent = packet_outs(out.as_slice()).into_iter();
            said.extend(sent.map(|(port, frame)| (self.now.as_secs(), port, frame)));
            self.now += SECOND;
        }
        said
    }

    /// How many packets met such an end since the last time.
    fn count(&mut self, topic: Topic, outcome: Outcome) -> u64 {
        self.responder.take_punts().map_or(0, |punts| punts.counts.of(topic, outcome))
    }
}

/// The port and the frame of each PACKET_OUT.
fn packet_outs(mut bytes: &[u8]) -> Vec<(PortNo, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (message, rest) = bytes.split_at(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])));
        let packet_out = PacketOut::decode(Message::decode(message).unwrap().body).unwrap();
        let action = packet_out.actions.bytes();
        assert_eq!((&action[..4], action.len()), (&[0, 0, 0, 16][..], 16), "one output");
        found.push((PortNo(u32::from_be_bytes(action[4..8].try_into().unwrap())), packet_out.data.to_vec()));
        bytes = rest;
    }
    found
}

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn ipv6(frame: &[u8]) -> (Ethernet<'_>, Ipv6<'_>) {
    let ethernet = Ethernet::decode(Payload::new(frame)).unwrap();
    (ethernet, Ipv6::decode(ethernet.payload).unwrap())
}

// Router advertisements.

fn solicitation(src: Ipv6Addr, hop_limit: u8, options: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    Frame { dst: MacAddr([0x33, 0x33, 0, 0, 0, 2]), src: GUEST, tags: [None, None] }.ipv6(&mut writer);
    let header = Ipv6Header { src, dst: address("ff02::2"), hop_limit };
    let message = |writer: &mut Writer| {
        writer.bytes(&[133, 0, 0, 0, 0, 0, 0, 0]);
        writer.bytes(options);
        Ok(())
    };
    header.icmpv6(&mut writer, message).unwrap();
    writer.into_vec()
}

/// A router advertisement in words.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    src: String,
    dst: String,
    flags: u8,
    lifetime: u16,
    mac: Option<MacAddr>,
    mtu: Option<u32>,
    /// As `2001:db8::/64 LA 86400 14400`.
    prefixes: Vec<String>,
    dns: Vec<String>,
    search: Vec<String>,
    other: Vec<u8>,
}

fn heard(frame: &[u8]) -> Heard {
    let (ethernet, ip) = ipv6(frame);
    let message = Icmpv6::decode(ip.payload).unwrap();
    let checksum = heddle::packet::checksum::Checksum::of_ipv6(ip.src, ip.dst, 58, ip.payload.len() as u16);
    assert_eq!((checksum.with(ip.payload.bytes()).finish(), ip.hop_limit), (0, 255));
    assert!(frame.len() <= 14 + 1280);
    let said: RouterAdvertisement<'_> = message.router_advertisement().unwrap().expect("it is one");
    assert_eq!((said.hop_limit, said.reachable_time, said.retrans_timer), (64, 0, 0));
    let dst = format!("{} {}", ethernet.dst, ip.dst);
    let mut heard = Heard { src: format!("{} {}", ethernet.src, ip.src), dst, ..Heard::default() };
    (heard.flags, heard.lifetime) = (said.flags, said.router_lifetime);
    for option in said.options {
        let option = option.unwrap();
        match option.value().unwrap() {
            NdValue::SourceLinkAddress(mac) => heard.mac = Some(mac),
            NdValue::Mtu(mtu) => heard.mtu = Some(mtu),
            NdValue::Prefix(prefix) => heard.prefixes.push(format!(
                "{}/{} {}{} {} {}",
                prefix.prefix,
                prefix.prefix_len,
                if prefix.flags & 0x80 == 0 { "" } else { "L" },
                if prefix.flags & 0x40 == 0 { "" } else { "A" },
                prefix.valid_lifetime,
                prefix.preferred_lifetime
            )),
            NdValue::Rdnss { lifetime, servers } => {
                heard.dns.extend(servers.map(|server| format!("{server} {lifetime}")));
            }
            NdValue::Dnssl { lifetime, domains } => {
                heard.search.extend(domains.map(|name| format!("{} {lifetime}", name.unwrap())));
            }
            _ => heard.other.extend([&[option.option_type], option.data.bytes()].concat()),
        }
    }
    heard
}

/// The advertisements that port `a` hears in some seconds, each with its second.
fn listen(bench: &mut Bench, seconds: u64) -> Vec<(u64, Heard)> {
    let port = bench.port("a");
    let said = bench.wait(seconds).into_iter().filter(|(_, to, _)| *to == port);
    said.map(|(second, _, frame)| (second, heard(&frame))).collect()
}

const ALL_NODES: &str = "33:33:00:00:00:01 ff02::1";
const ROUTER: &str = "fa:16:3e:00:00:99 fe80::f816:3eff:fe00:99";
const SLAAC: &str = "2001:db8::/64 LA 86400 14400";

#[test]
fn an_advertisement_comes_from_the_router_and_says_what_the_subnet_says() {
    let settings = r#"ipv6_ra_mode = "slaac"
        dns_nameservers = ["2001:db8::53", "2001:db8::54"]
        domain_name = "blue.example"
        domain_search = ["example", "lab.example"]
        host_routes = [{ destination = "2001:db8:ff::/48", nexthop = "2001:db8::1" }, { destination = "2001:db8:1::/64", nexthop = "::" }]"#;
    let mut bench = Bench::new(&topology(settings));
    let said = listen(&mut bench, 1);
    let route = [&[24, 48, 0, 0, 0, 7, 8][..], &address("2001:db8:ff::").octets()[..8]].concat();
    let expected = Heard {
        src: ROUTER.into(),
        dst: ALL_NODES.into(),
        flags: 0,
        lifetime: 1800,
        mac: Some("fa:16:3e:00:00:99".parse().unwrap()),
        mtu: Some(1450),
        prefixes: vec![SLAAC.into(), "2001:db8:1::/64 L 86400 14400".into()],
        dns: vec!["2001:db8::53 1800".into(), "2001:db8::54 1800".into()],
        search: vec!["example 1800".into(), "lab.example 1800".into()],
        other: route,
    };
    assert_eq!(said, [(0, expected)]);
}

#[test]
fn the_mode_sets_the_flags() {
    for (mode, flags, prefix) in [
        ("slaac", 0, "2001:db8::/64 LA 86400 14400"),
        ("dhcpv6-stateful", 0x80, "2001:db8::/64 L 86400 14400"),
        ("dhcpv6-stateless", 0x40, "2001:db8::/64 LA 86400 14400"),
    ] {
        let mut bench = Bench::new(&topology(&format!("ipv6_ra_mode = \"{mode}\"")));
        let said = listen(&mut bench, 1);
        assert_eq!((said[0].1.flags, &*said[0].1.prefixes), (flags, &[prefix.to_owned()][..]), "{mode}");
    }
    let mut bench = Bench::new(&topology("ipv6_address_mode = \"slaac\""));
    assert_eq!(listen(&mut bench, 1000), []);
    assert_eq!(bench.up(&solicitation(address("fe80::1"), 255, &[])), []);
}

#[test]
fn without_a_known_router_nobody_is_told_to_use_one() {
    let modes = "ipv6_ra_mode = \"slaac\"";
    let unknown = topology(modes).replace("gateway_ip = \"2001:db8::1\"", "gateway_ip = \"2001:db8::2\"");
    let absent = topology(modes).replace("gateway_ip = \"2001:db8::1\"\n", "");
    let said = [unknown, absent].map(|text| listen(&mut Bench::new(&text), 1).remove(0).1);
    assert_eq!(said[0], said[1]);
    assert_eq!((said[0].lifetime, said[0].mac), (0, None));
    assert_eq!(said[0].prefixes, [SLAAC]);
    let (mac, address) = said[0].src.split_once(' ').unwrap();
    let mac: MacAddr = mac.parse().unwrap();
    assert_eq!((mac.0[0] & 3, mac.link_local_ipv6().to_string()), (2, address.to_owned()), "locally administered");
    // A link-local gateway is a router, though nobody knows its MAC address.
    let link_local = topology(modes).replace("gateway_ip = \"2001:db8::1\"", "gateway_ip = \"fe80::1\"");
    let said = listen(&mut Bench::new(&link_local), 1).remove(0).1;
    assert_eq!((said.lifetime, said.mac, said.src), (1800, None, format!("{mac} fe80::1")));
}

#[test]
fn routers_of_one_network_speak_for_their_own_subnets_and_hear_nothing() {
    let more = r#"ipv6_ra_mode = "slaac"
        [networks.blue.subnets.other]
        cidr = "2001:db8:1::/64"
        ipv6_ra_mode = "dhcpv6-stateful"
        gateway_ip = "fe80::f816:3eff:fe00:99"
        [networks.blue.subnets.third]
        cidr = "2001:db8:2::/64"
        ipv6_ra_mode = "slaac""#;
    let mut bench = Bench::new(&topology(more));
    let (a, router) = (bench.port("a"), bench.port("router"));
    let said = bench.wait(1);
    assert!(said.iter().all(|(_, port, _)| *port == a && *port != router), "{said:?}");
    let said: Vec<_> = said.iter().map(|(_, _, frame)| heard(frame)).collect();
    let by_router = said.iter().find(|heard| heard.src == ROUTER).unwrap();
    assert_eq!((said.len(), by_router.flags), (2, 0x80));
    assert_eq!(by_router.prefixes, ["2001:db8:1::/64 L 86400 14400", SLAAC]);
    let by_nobody = said.iter().find(|heard| heard.src != ROUTER).unwrap();
    assert_eq!((by_nobody.lifetime, &*by_nobody.prefixes[0]), (0, "2001:db8:2::/64 LA 86400 14400"));
}

#[test]
fn what_does_not_fit_into_one_packet_is_said_in_several() {
    let mut modes = String::from("ipv6_ra_mode = \"slaac\"\n");
    for number in 1..=60 {
        modes += &format!("[networks.blue.subnets.s{number}]\ncidr = \"2001:db8:{number}::/64\"\n");
        modes += "ipv6_ra_mode = \"slaac\"\ngateway_ip = \"fe80::f816:3eff:fe00:99\"\n";
    }
    let said = listen(&mut Bench::new(&topology(&modes)), 1);
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|(_, heard)| heard.src == ROUTER && heard.lifetime == 1800));
    assert_eq!(said.iter().map(|(_, heard)| heard.prefixes.len()).sum::<usize>(), 61);
}

#[test]
fn a_host_that_asks_is_answered_at_once_and_alone() {
    let mut bench = Bench::new(&topology("ipv6_ra_mode = \"slaac\""));
    let host = GUEST.link_local_ipv6();
    let link_address = [1, 1, 0xfa, 0x16, 0x3e, 0, 0, 1];
    for options in [&link_address[..], &[]] {
        let [(port, frame)] = &bench.up(&solicitation(host, 255, options))[..] else { panic!("one answer") };
        assert_eq!(*port, PortNo::IN_PORT);
        assert_eq!((heard(frame).dst, &*heard(frame).prefixes), (format!("{GUEST} {host}"), &[SLAAC.to_owned()][..]));
    }
}

#[test]
fn a_host_without_an_address_makes_all_nodes_hear_but_not_more_than_every_three_seconds() {
    let mut bench = Bench::new(&topology("ipv6_ra_mode = \"slaac\""));
    let nobody = solicitation(Ipv6Addr::UNSPECIFIED, 255, &[]);
    assert_eq!(bench.wait(1).len(), 1, "the first at second 0");
    for second in 1..3 {
        assert_eq!(bench.up(&nobody), [], "{second}");
        assert_eq!(bench.wait(1), [], "{second}");
    }
    // At second 3 that is due.
    let said = listen(&mut bench, 1);
    assert_eq!((said.len(), said[0].0, &*said[0].1.dst), (1, 3, ALL_NODES));
    assert_eq!(bench.wait(6), []);
    // And now one may be told at once again.
    let [(port, frame)] = &bench.up(&nobody)[..] else { panic!("one answer") };
    assert_eq!((*port, &*heard(frame).dst), (PortNo::IN_PORT, ALL_NODES));
    assert_eq!(bench.up(&nobody), []);
}

#[test]
fn solicitations_that_no_host_of_the_link_sends_are_ignored() {
    let mut bench = Bench::new(&topology("ipv6_ra_mode = \"slaac\""));
    let link_address = [1, 1, 0xfa, 0x16, 0x3e, 0, 0, 1];
    let host = GUEST.link_local_ipv6();
    for frame in [
        solicitation(host, 64, &[]),
        solicitation(Ipv6Addr::UNSPECIFIED, 255, &link_address),
        solicitation(address("ff02::1"), 255, &[]),
    ] {
        assert_eq!(bench.up(&frame), []);
        assert_eq!(bench.count(Topic::RouterSolicitation, Outcome::Ignored), 1);
    }
    assert_eq!(bench.up(&solicitation(host, 255, &[1, 0, 0, 0, 0, 0, 0, 0])), [], "an option without a length");
    assert_eq!(bench.count(Topic::RouterSolicitation, Outcome::Malformed), 1);
}

#[test]
fn advertisements_come_three_times_at_first_and_then_every_few_minutes_at_no_fixed_interval() {
    let mut bench = Bench::new(&topology("ipv6_ra_mode = \"slaac\""));
    let seconds: Vec<u64> = listen(&mut bench, 10_000).iter().map(|(second, _)| *second).collect();
    assert_eq!(seconds[..3], [0, 16, 32]);
    let intervals: Vec<u64> = seconds[2..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(intervals.iter().all(|interval| (200..=601).contains(interval)), "{intervals:?}");
    let mut different = intervals.clone();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() * 2 > intervals.len(), "{intervals:?}");
}

#[test]
fn a_changed_prefix_is_told_at_once_and_the_old_one_let_go() {
    let modes = "ipv6_ra_mode = \"slaac\"\ndns_nameservers = [\"2001:db8::53\"]\ndomain_name = \"old.example\"";
    let mut bench = Bench::new(&topology(modes));
    assert_eq!(listen(&mut bench, 1000)[0].1.prefixes, [SLAAC]);
    let changed = topology(modes).replace("2001:db8::", "2001:db8:1::").replace("old.example", "new.example");
    bench.change("one", &changed);
    let (new, gone) = ("2001:db8:1::/64 LA 86400 14400", "2001:db8::/64 LA 0 0");
    let said = listen(&mut bench, 40);
    let seconds: Vec<u64> = said.iter().map(|(second, _)| *second).collect();
    assert_eq!(seconds, [1000, 1016, 1032]);
    for (_, heard) in &said {
        assert_eq!(heard.prefixes, [new, gone]);
        assert_eq!(heard.dns, ["2001:db8:1::53 1800", "2001:db8::53 0"]);
        assert_eq!(heard.search, ["new.example 1800", "old.example 0"]);
        assert_eq!((heard.lifetime, &*heard.src), (1800, ROUTER));
    }
    let later = listen(&mut bench, 1000);
    assert!(!later.is_empty() && later.iter().all(|(_, heard)| heard.prefixes == [new]));
    let [(_, frame)] = &bench.up(&solicitation(GUEST.link_local_ipv6(), 255, &[]))[..] else { panic!("one answer") };
    assert_eq!(heard(frame).prefixes, [new]);
}

#[test]
fn what_a_host_was_told_before_the_first_tick_is_let_go_too() {
    let modes = "ipv6_ra_mode = \"slaac\"";
    let mut bench = Bench::new(&topology(modes));
    assert_eq!(bench.up(&solicitation(GUEST.link_local_ipv6(), 255, &[])).len(), 1);
    bench.change("one", &topology(modes).replace("2001:db8::", "2001:db8:1::"));
    let said = listen(&mut bench, 1);
    assert_eq!(said[0].1.prefixes, ["2001:db8:1::/64 LA 86400 14400", "2001:db8::/64 LA 0 0"]);
}

#[test]
fn two_changes_in_a_row_leave_nothing_of_the_first_behind() {
    let modes = "ipv6_ra_mode = \"slaac\"";
    let mut bench = Bench::new(&topology(modes));
    listen(&mut bench, 100);
    bench.change("one", &topology(modes).replace("2001:db8::", "2001:db8:1::"));
    listen(&mut bench, 1);
    bench.change("one", &topology(modes).replace("2001:db8::", "2001:db8:2::"));
    let said = listen(&mut bench, 100);
    // Not within three seconds of the last.
    assert_eq!(said[0].0, 103);
    let expected = ["2001:db8:2::/64 LA 86400 14400", "2001:db8:1::/64 LA 0 0", "2001:db8::/64 LA 0 0"];
    assert_eq!(said[0].1.prefixes, expected);
}

#[test]
fn the_last_words_of_a_router_end_what_it_has_said() {
    let mut bench = Bench::new(&topology("ipv6_ra_mode = \"slaac\"\ndns_nameservers = [\"2001:db8::53\"]"));
    listen(&mut bench, 100);
    bench.change("one", &topology(""));
    let said = listen(&mut bench, 5000);
    let seconds: Vec<u64> = said.iter().map(|(second, _)| *second).collect();
    assert_eq!(seconds, [100, 116, 132], "and never again");
    for (_, heard) in said {
        assert_eq!((heard.lifetime, &*heard.src, heard.mtu), (0, ROUTER, None));
        assert_eq!(
            (&heard.prefixes[..], &heard.dns[..]),
            (&["2001:db8::/64 LA 0 0".into()][..], &["2001:db8::53 0".into()][..])
        );
    }
}

#[test]
fn another_router_makes_the_former_say_farewell() {
    let modes = "ipv6_ra_mode = \"slaac\"";
    let mut bench = Bench::new(&topology(modes));
    listen(&mut bench, 100);
    bench.change("one", &topology(modes).replace("fa:16:3e:00:00:99", "fa:16:3e:00:00:98"));
    let said = listen(&mut bench, 1);
    let by = |mac: &str| said.iter().find(|(_, heard)| heard.src.starts_with(mac)).map(|(_, heard)| heard).unwrap();
    assert_eq!((by("fa:16:3e:00:00:98").lifetime, by("fa:16:3e:00:00:99").lifetime), (1800, 0));
    assert_eq!(said.len(), 2);
}

#[test]
fn a_port_that_went_hears_nothing_and_its_number_no_farewell_of_its() {
    let mut bench = Bench::new(&topology("ipv6_ra_mode = \"slaac\""));
    listen(&mut bench, 100);
    let other = topology("").replace("[ports.a]", "[ports.another]").replace(&GUEST.to_string(), "fa:16:3e:00:00:05");
    let number = bench.port("a");
    bench.change("one", &other);
    assert_eq!(bench.port("another"), number);
    assert_eq!(bench.wait(1000), []);
}

#[test]
fn a_router_on_another_node_that_gets_another_mac_is_spoken_for_anew() {
    let text = topology("ipv6_ra_mode = \"slaac\"");
    let far = text.replace(
        "[ports.router]\n        network = \"blue\"\n        node = \"one\"",
        "[ports.router]\nnetwork = \"blue\"\nnode = \"two\"",
    );
    assert_ne!(far, text);
    for gateway in ["2001:db8::1", "fe80::f816:3eff:fe00:99"] {
        let far = far.replace("gateway_ip = \"2001:db8::1\"", &format!("gateway_ip = \"{gateway}\""));
        let mut bench = Bench::new(&far);
        assert_eq!(listen(&mut bench, 100)[0].1.src, ROUTER);
        let parse = |text: &str| Topology::parse(text, "t").unwrap();
        let (before, after) = (parse(&far), parse(&far.replace("fa:16:3e:00:00:99", "fa:16:3e:00:00:98")));
        // As the daemon does: what the changed port concerns, and nothing else.
        let preview = Preview::new(&after, &Config::defaults("one"));
        let view = preview.view(&after);
        assert!(bench.answers.update(&view, &view.objects_of_port(&before, "router")), "{gateway}");
        bench.responder.set_snapshot(bench.answers.snapshot().clone());
        let said = listen(&mut bench, 1);
        assert_ne!(said[0].1.mac, Some("fa:16:3e:00:00:99".parse().unwrap()), "{gateway}");
    }
}

// DHCPv6.

const CLIENT_DUID: [u8; 10] = [0, 3, 0, 1, 0xfa, 0x16, 0x3e, 0, 0, 1];

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

fn client_id() -> Vec<u8> {
    option(1, &CLIENT_DUID)
}

fn ia_na(iaid: u32, addresses: &[&str]) -> Vec<u8> {
    let addresses = addresses.iter().map(|text| option(5, &[&address(text).octets()[..], &[0; 8]].concat()));
    option(3, &[&iaid.to_be_bytes()[..], &[0; 8], &addresses.collect::<Vec<_>>().concat()].concat())
}

fn requested(codes: &[u16]) -> Vec<u8> {
    option(6, &codes.iter().flat_map(|code| code.to_be_bytes()).collect::<Vec<_>>())
}

fn message(message_type: u8, options: &[Vec<u8>]) -> Vec<u8> {
    [&[message_type, 0xab, 0xcd, 0xef][..], &options.concat()].concat()
}

fn dhcp_frame(payload: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    Frame { dst: MacAddr([0x33, 0x33, 0, 1, 0, 2]), src: GUEST, tags: [None, None] }.ipv6(&mut writer);
    let header = Ipv6Header { src: GUEST.link_local_ipv6(), dst: address("ff02::1:2"), hop_limit: 1 };
    let body = |writer: &mut Writer| {
        writer.bytes(payload);
        Ok(())
    };
    header.udp(Ports { src: 546, dst: 547 }, &mut writer, body).unwrap();
    writer.into_vec()
}

/// The answer to a message, as `dhcproto` reads it.
fn ask(bench: &mut Bench, message_type: u8, options: &[Vec<u8>]) -> Option<v6::Message> {
    let answers = bench.up(&dhcp_frame(&message(message_type, options)));
    let [(port, frame)] = &answers[..] else {
        assert!(answers.is_empty(), "one at the most");
        return None;
    };
    let (ethernet, ip) = ipv6(frame);
    let udp = Udp::decode(ip.payload).unwrap();
    let checksum = heddle::packet::checksum::Checksum::of_ipv6(ip.src, ip.dst, 17, ip.payload.len() as u16);
    assert_eq!(checksum.with(ip.payload.bytes()).finish(), 0);
    assert_eq!((*port, ethernet.dst, ip.dst), (PortNo::IN_PORT, GUEST, GUEST.link_local_ipv6()));
    assert_eq!((udp.src, udp.dst, ip.src), (547, 546, ethernet.src.link_local_ipv6()));
    assert!(frame.len() <= 14 + 1280, "{}", frame.len());
    let answer = v6::Message::decode(&mut Decoder::new(udp.payload.bytes())).unwrap();
    assert_eq!(answer.xid(), [0xab, 0xcd, 0xef]);
    Some(answer)
}

fn stateful() -> Bench {
    Bench::new(&topology("enable_dhcp = true\ndhcp_lease_time = 1000"))
}

fn server_id(bench: &mut Bench) -> Vec<u8> {
    let offer = ask(bench, 1, &[client_id(), ia_na(7, &[])]).unwrap();
    match offer.opts().get(OptionCode::ServerId) {
        Some(DhcpOption::ServerId(duid)) => option(2, duid),
        other => panic!("{other:?}"),
    }
}

/// T1, T2, and each address with its lifetimes, or the status, of each association.
fn leases(answer: &v6::Message) -> Vec<(u32, u32, u32, Vec<String>)> {
    let options = answer.opts().get_all(OptionCode::IANA).unwrap_or_default().iter();
    let mut found: Vec<_> = options
        .map(|option| {
            let DhcpOption::IANA(ia) = option else { panic!("{option:?}") };
            let words = ia.opts.iter().map(|option| match option {
                DhcpOption::IAAddr(address) => {
                    format!("{} {} {}", address.addr, address.preferred_life, address.valid_life)
                }
                DhcpOption::StatusCode(code) => format!("{:?}", code.status),
                other => panic!("{other:?}"),
            });
            (ia.id, ia.t1, ia.t2, words.collect())
        })
        .collect();
    found.sort();
    found
}

fn status(answer: &v6::Message) -> Option<Status> {
    match answer.opts().get(OptionCode::StatusCode)? {
        DhcpOption::StatusCode(code) => Some(code.status),
        other => panic!("{other:?}"),
    }
}

const OWN: &str = "2001:db8::7 1000 1000";

#[test]
fn a_client_finds_the_server_and_is_given_the_address_of_its_port() {
    let mut bench = stateful();
    let offer = ask(&mut bench, 1, &[client_id(), ia_na(7, &[]), requested(&[])]).unwrap();
    assert_eq!(offer.msg_type(), v6::MessageType::Advertise);
    assert_eq!(leases(&offer), [(7, 500, 800, vec![OWN.to_owned()])]);
    assert_eq!(offer.opts().get(OptionCode::ClientId), Some(&DhcpOption::ClientId(CLIENT_DUID.to_vec())));
    assert_eq!(offer.opts().get(OptionCode::Preference), Some(&DhcpOption::Preference(255)));
    assert_eq!(offer.opts().get(OptionCode::RapidCommit), None);

    let server = server_id(&mut bench);
    assert_eq!((server.len(), &server[4..6]), (4 + 18, &[0, 4][..]), "a UUID");
    let reply = ask(&mut bench, 3, &[client_id(), server, ia_na(7, &["2001:db8::99"])]).unwrap();
    assert_eq!(reply.msg_type(), v6::MessageType::Reply);
    assert_eq!(leases(&reply), [(7, 500, 800, vec![OWN.to_owned()])], "whatever address it would like");
    assert_eq!(reply.opts().get(OptionCode::Preference), None);
}

#[test]
fn a_rapid_commit_saves_two_messages_where_there_is_an_address() {
    let rapid = option(14, &[]);
    let reply = ask(&mut stateful(), 1, &[client_id(), rapid.clone(), ia_na(7, &[])]).unwrap();
    assert_eq!(reply.msg_type(), v6::MessageType::Reply);
    assert_eq!(reply.opts().get(OptionCode::RapidCommit), Some(&DhcpOption::RapidCommit));
    assert_eq!(leases(&reply)[0].3, [OWN]);
    let bare = topology("enable_dhcp = true").replace("fixed_ips = [\"2001:db8::7\"]\n", "");
    let offer = ask(&mut Bench::new(&bare), 1, &[client_id(), rapid, ia_na(7, &[])]).unwrap();
    assert_eq!(
        (offer.msg_type(), leases(&offer)),
        (v6::MessageType::Advertise, vec![(7, 0, 0, vec!["NoAddrsAvail".into()])])
    );
}

#[test]
fn only_one_association_gets_the_addresses_and_others_none() {
    let mut bench = stateful();
    let offer = ask(&mut bench, 1, &[client_id(), ia_na(7, &[]), ia_na(8, &[])]).unwrap();
    let nothing = |iaid| (iaid, 0, 0, vec!["NoAddrsAvail".to_owned()]);
    assert_eq!(leases(&offer), [(7, 500, 800, vec![OWN.to_owned()]), nothing(8)]);
    let offer = ask(&mut bench, 1, &[client_id(), ia_na(7, &[]), ia_na(8, &["2001:db8::7"])]).unwrap();
    assert_eq!(leases(&offer), [nothing(7), (8, 500, 800, vec![OWN.to_owned()])]);
    let prefixes = option(25, &[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
    let temporary = option(4, &[0, 0, 0, 5]);
    let offer = ask(&mut bench, 1, &[client_id(), prefixes, temporary]).unwrap();
    let Some(DhcpOption::IAPD(prefixes)) = offer.opts().get(OptionCode::IAPD) else { panic!("{offer:?}") };
    let Some(DhcpOption::IATA(temporary)) = offer.opts().get(OptionCode::IATA) else { panic!("{offer:?}") };
    let code = |options: &v6::DhcpOptions| match options.get(OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(code)) => code.status,
        other => panic!("{other:?}"),
    };
    assert_eq!((prefixes.id, code(&prefixes.opts)), (9, Status::NoPrefixAvail));
    assert_eq!((temporary.id, code(&temporary.opts)), (5, Status::NoAddrsAvail));
}

#[test]
fn a_lease_is_extended_and_what_is_not_the_ports_ends() {
    let mut bench = stateful();
    let server = server_id(&mut bench);
    let ended = "2001:db8::99 0 0".to_owned();
    for (message_type, server) in [(5, vec![server.clone()]), (6, vec![])] {
        let mut ask = |addresses: &[&str]| {
            let options = [vec![client_id(), ia_na(7, addresses)], server.clone()].concat();
            leases(&ask(&mut bench, message_type, &options).unwrap()).remove(0)
        };
        assert_eq!(ask(&["2001:db8::7"]), (7, 500, 800, vec![OWN.to_owned()]));
        assert_eq!(ask(&["2001:db8::99"]), (7, 500, 800, vec![OWN.to_owned(), ended.clone()]));
    }
    let bare = topology("enable_dhcp = true").replace("fixed_ips = [\"2001:db8::7\"]\n", "");
    let mut bench = Bench::new(&bare);
    let mut rebind = |addresses: &[&str]| leases(&ask(&mut bench, 6, &[client_id(), ia_na(7, addresses)]).unwrap());
    assert_eq!(rebind(&["2001:db8::99"]), [(7, 0, 0, vec![ended])]);
    assert_eq!(rebind(&[]), [(7, 0, 0, vec!["NoBinding".into()])]);
}

#[test]
fn an_address_of_another_link_is_told_to_be_one() {
    let mut bench = stateful();
    let server = server_id(&mut bench);
    let reply = ask(&mut bench, 3, &[client_id(), server, ia_na(7, &["2001:db8:1::7"])]).unwrap();
    assert_eq!(leases(&reply), [(7, 0, 0, vec!["NotOnLink".into()])]);
    for (addresses, expected) in [
        (&["2001:db8::7"][..], Some(Status::Success)),
        (&["2001:db8:1::7"], Some(Status::NotOnLink)),
        (&["2001:db8::7", "2001:db8::8"], Some(Status::NotOnLink)),
        (&["2001:db8::8", "2001:db8::7"], Some(Status::NotOnLink)),
        (&[], None),
    ] {
        let reply = ask(&mut bench, 4, &[client_id(), ia_na(7, addresses)]);
        assert_eq!(reply.as_ref().and_then(status), expected, "{addresses:?}");
        assert_eq!(reply.is_some(), expected.is_some());
    }
}

#[test]
fn what_is_given_back_is_taken_with_thanks() {
    let mut bench = stateful();
    let server = server_id(&mut bench);
    for message_type in [8, 9] {
        let reply = ask(&mut bench, message_type, &[client_id(), server.clone(), ia_na(7, &["2001:db8::7"])]).unwrap();
        assert_eq!((status(&reply), leases(&reply)), (Some(Status::Success), vec![]));
        let reply = ask(&mut bench, message_type, &[client_id(), server.clone(), ia_na(7, &["2001:db8::8"])]).unwrap();
        assert_eq!(leases(&reply), [(7, 0, 0, vec!["NoBinding".into()])]);
    }
    assert_eq!(leases(&ask(&mut bench, 1, &[client_id(), ia_na(7, &[])]).unwrap())[0].3, [OWN], "it stays the port's");
}

const SETTINGS: &str = r#"enable_dhcp = true
    dhcp_lease_time = 7200
    dns_nameservers = ["2001:db8::53"]
    ntp_servers = ["2001:db8::123"]
    domain_search = ["blue.example", "example"]
    bootfile_name = "tftp://[2001:db8::69]/boot.efi""#;

#[test]
fn settings_are_those_that_are_asked_for() {
    let mut bench = Bench::new(&topology(&format!("ipv6_address_mode = \"dhcpv6-stateless\"\n{SETTINGS}")));
    let codes = |answer: &v6::Message| -> Vec<u16> {
        let codes = answer.opts().iter().map(|option| u16::from(OptionCode::from(option)));
        codes.filter(|code| *code > 14).collect()
    };
    let all = ask(&mut bench, 11, &[client_id()]).unwrap();
    assert_eq!(codes(&all), [23, 24, 31, 32, 56, 59]);
    let dns = DhcpOption::DomainNameServers(vec![address("2001:db8::53")]);
    assert_eq!(all.opts().get(OptionCode::DomainNameServers), Some(&dns));
    let ntp = DhcpOption::NtpServer(vec![v6::NtpSuboption::ServerAddress(address("2001:db8::123"))]);
    assert_eq!(all.opts().get(OptionCode::NtpServer), Some(&ntp));
    let raw = |code| match all.opts().get(code) {
        Some(DhcpOption::Unknown(option)) => option.data().to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(raw(OptionCode::OptBootfileUrl), b"tftp://[2001:db8::69]/boot.efi");
    assert_eq!(raw(OptionCode::SntpServers), address("2001:db8::123").octets());
    assert_eq!(raw(OptionCode::InformationRefreshTime), 7200_u32.to_be_bytes());
    let Some(DhcpOption::DomainSearchList(names)) = all.opts().get(OptionCode::DomainSearchList) else {
        panic!("{all:?}")
    };
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["blue.example.", "example."]);

    for wanted in [&[][..], &[23], &[24, 59], &[32]] {
        let answer = ask(&mut bench, 11, &[requested(wanted)]).unwrap();
        assert_eq!(codes(&answer), wanted);
        assert_eq!(answer.opts().get(OptionCode::ClientId), None, "none was given");
    }
    let offer = ask(&mut bench, 1, &[client_id(), ia_na(7, &[]), requested(&[23, 32])]).unwrap();
    assert_eq!(codes(&offer), [23], "a refresh time is only for those who ask for settings alone");
    assert_eq!(leases(&offer), [(7, 0, 0, vec!["NoAddrsAvail".into()])], "addresses there are none");
}

#[test]
fn names_of_a_search_list_are_not_compressed() {
    let mut bench = Bench::new(&topology(SETTINGS));
    let frame = &bench.up(&dhcp_frame(&message(11, &[requested(&[24])])))[0].1;
    let list = option(24, b"\x04blue\x07example\0\x07example\0");
    assert!(frame.windows(list.len()).any(|window| window == list), "{frame:02x?}");
}

#[test]
fn a_ports_own_boot_file_counts_and_a_path_is_for_dhcpv4() {
    let boot = |text: &str| {
        let answer = ask(&mut Bench::new(text), 11, &[requested(&[59])]).unwrap();
        match answer.opts().get(OptionCode::OptBootfileUrl) {
            Some(DhcpOption::Unknown(option)) => Some(String::from_utf8(option.data().to_vec()).unwrap()),
            _ => None,
        }
    };
    let with = |file: &str| topology(SETTINGS).replace("[ports.a]", &format!("[ports.a]\nbootfile_name = \"{file}\""));
    assert_eq!(boot(&with("http://x/y")).as_deref(), Some("http://x/y"));
    assert_eq!(boot(&with("pxelinux.0")), None);
}

#[test]
fn messages_that_break_the_rules_are_discarded() {
    let mut bench = stateful();
    let server = server_id(&mut bench);
    let other = option(2, &[0, 4, 1, 2, 3]);
    let ia = || ia_na(7, &["2001:db8::7"]);
    for (what, message_type, options) in [
        ("no client", 1, vec![ia()]),
        ("no client", 6, vec![ia()]),
        ("no client", 3, vec![server.clone(), ia()]),
        ("a client of no length", 1, vec![option(1, &[]), ia()]),
        ("a client too long", 1, vec![option(1, &[0; 131]), ia()]),
        ("a server", 1, vec![client_id(), server.clone(), ia()]),
        ("a server", 4, vec![client_id(), server.clone(), ia()]),
        ("a server", 6, vec![client_id(), server.clone(), ia()]),
        ("no server", 3, vec![client_id(), ia()]),
        ("no server", 5, vec![client_id(), ia()]),
        ("no server", 8, vec![client_id(), ia()]),
        ("no server", 9, vec![client_id(), ia()]),
        ("another server", 3, vec![client_id(), other.clone(), ia()]),
        ("another server", 5, vec![client_id(), other.clone(), ia()]),
        ("another server", 11, vec![client_id(), other]),
        ("addresses", 11, vec![client_id(), ia()]),
        ("a server's message", 2, vec![client_id(), server.clone()]),
        ("a server's message", 7, vec![client_id(), server]),
    ] {
        bench.responder.take_punts();
        assert!(ask(&mut bench, message_type, &options).is_none(), "{message_type} with {what}");
        assert_eq!(bench.count(Topic::Dhcpv6, Outcome::Ignored), 1, "{message_type} with {what}");
    }
    let relayed = [&[12, 0][..], &[0; 32], &option(9, &message(1, &[client_id(), ia()]))].concat();
    assert_eq!(bench.up(&dhcp_frame(&relayed)), []);
}

#[test]
fn a_message_that_is_cut_anywhere_is_answered_or_told_to_be_malformed() {
    let mut bench = stateful();
    let whole = message(1, &[client_id(), ia_na(7, &["2001:db8::7"]), requested(&[23])]);
    let boundaries = [4, 18, 62, whole.len()];
    for end in 0..=whole.len() {
        bench.up(&dhcp_frame(&whole[..end]));
        let is_malformed = bench.count(Topic::Dhcpv6, Outcome::Malformed) == 1;
        assert_eq!(is_malformed, !boundaries.contains(&end), "{end}");
    }
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_answered_within_bounds_or_not_at_all(
        message_type in 0..14_u8,
        noise in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        order in Just((0..8).collect::<Vec<usize>>()).prop_shuffle(),
        count in 0..8_usize,
    ) {
        let mut bench = stateful();
        let options = [
            client_id(),
            server_id(&mut bench),
            ia_na(7, &["2001:db8::7", "2001:db8:9::9"]),
            ia_na(8, &["2001:db8::7"]),
            option(25, &[0; 12]),
            option(4, &[0; 4]),
            option(14, &[]),
            requested(&[23, 24, 32]),
        ];
        let chosen: Vec<Vec<u8>> = order.iter().take(count).map(|index| options[*index].clone()).collect();
        let mut bytes = message(message_type, &chosen);
        for (index, byte) in noise {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        for (_, frame) in bench.up(&dhcp_frame(&bytes)) {
            let (_, ip) = ipv6(&frame);
            let answer = Udp::decode(ip.payload).unwrap().payload;
            prop_assert!(frame.len() <= 14 + 1280);
            prop_assert!(v6::Message::decode(&mut Decoder::new(answer.bytes())).is_ok());
        }
    }
}

#[test]
fn an_answer_fits_into_the_smallest_packet_however_much_is_asked() {
    let many: Vec<String> = (0..63).map(|number| format!("\"2001:db8::1:{number:x}\"")).collect();
    let names: Vec<String> = (0..32).map(|number| format!("\"{}.example\"", number.to_string().repeat(30))).collect();
    let settings = format!(
        "enable_dhcp = true\ndns_nameservers = [{0}]\nntp_servers = [{0}]\ndomain_search = [{1}]",
        many.join(", "),
        names.join(", ")
    );
    let mut bench = Bench::new(&topology(&settings));
    let options = [vec![client_id()], (0..60).map(|iaid| ia_na(iaid, &[])).collect()].concat();
    let offer = ask(&mut bench, 1, &options).unwrap();
    assert_eq!(leases(&offer)[0].3.len(), 1);
    let answer = ask(&mut bench, 11, &[requested(&[23, 24])]).unwrap();
    assert!(answer.opts().get(OptionCode::DomainNameServers).is_some());
    assert!(answer.opts().get(OptionCode::DomainSearchList).is_some());
}

#[test]
fn the_server_is_the_same_on_every_node() {
    let text = topology("enable_dhcp = true");
    let here = server_id(&mut Bench::on("one", &text));
    let moved = text.replace(
        "[ports.a]\n        network = \"blue\"\n        node = \"one\"",
        "[ports.a]\nnetwork = \"blue\"\nnode = \"two\"",
    );
    assert_ne!(moved, text);
    assert_eq!(server_id(&mut Bench::on("two", &moved)), here);
}

#[test]
fn a_lease_for_ever_is_never_renewed() {
    let mut bench = Bench::new(&topology("enable_dhcp = true\ndhcp_lease_time = 4294967295"));
    let offer = ask(&mut bench, 1, &[client_id(), ia_na(7, &[])]).unwrap();
    assert_eq!(leases(&offer), [(7, u32::MAX, u32::MAX, vec![format!("2001:db8::7 {0} {0}", u32::MAX)])]);
}

#[test]
fn a_network_without_dhcpv6_is_not_answered() {
    for modes in
        ["", "ipv6_ra_mode = \"dhcpv6-stateful\"\nenable_dhcp = true", "ipv6_ra_mode = \"slaac\"\nenable_dhcp = true"]
    {
        assert!(ask(&mut Bench::new(&topology(modes)), 1, &[client_id(), ia_na(7, &[])]).is_none(), "{modes}");
    }
}
