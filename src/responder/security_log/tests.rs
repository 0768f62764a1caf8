//! What the firewall tells of packets, from topology and PACKET_IN to records.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::agent::preview::Preview;
use crate::config::Config;
use crate::openflow::packet::NO_BUFFER;
use crate::openflow::{Match, RawMatch, Reader, TableId, Writer, oxm};
use crate::responder::{Answers, Rate, Responder, Role};
use crate::topology::{Ethertype, Remote, RemoteUse, Topology};

const TOPOLOGY: &str = "
nodes.one.tunnel_ip = '192.0.2.1'
[networks.blue]
type = 'vxlan'
segmentation_id = 1
subnets = { v4 = { cidr = '10.0.0.0/24', enable_dhcp = true, gateway_ip = '10.0.0.2' }, v6 = { cidr = '2001:db8::/64' } }
[security_groups.web]
log = 'all'
rules = [
    { direction = 'ingress', protocol = 'tcp' },
    { direction = 'ingress', protocol = 'tcp', port_range = '80-83', remote_ip_prefix = '10.0.0.0/28' },
    { direction = 'ingress', protocol = 'udp', port_range = '53', remote_group = 'web' },
    { direction = 'ingress', ethertype = 'IPv6', protocol = 'icmp', icmp_type = 128 },
    { direction = 'egress' },
]
[security_groups.ssh]
rules = [{ direction = 'ingress', protocol = 'tcp', port_range = '22' }, { direction = 'ingress', protocol = 'icmp' }]
[ports]
logged = { network = 'blue', node = 'one', mac_address = 'fa:16:3e:00:00:01', fixed_ips = ['10.0.0.1', '2001:db8::1'], security_groups = ['web', 'ssh'] }
silent = { network = 'blue', node = 'one', mac_address = 'fa:16:3e:00:00:03', fixed_ips = ['10.0.0.3'], security_groups = ['ssh'] }
";

const SECOND: Duration = Duration::from_secs(1);

/// A responder of `br-int`, and the numbers of its ports.
struct Bench {
    topology: Topology,
    preview: Preview,
    responder: Responder,
    now: Duration,
}

/// A packet that the firewall sends up.
struct Up<'a> {
    kind: Kind,
    table: TableId,
    conjunction: u32,
    /// `reg12`.
    answer: u32,
    frame: &'a [u8],
    /// Bytes of it that come up.
    bytes: usize,
}

impl<'a> Up<'a> {
    fn new(kind: Kind, table: TableId, frame: &'a [u8]) -> Self {
        Self { kind, table, conjunction: 0, answer: 0, frame, bytes: 128 }
    }
}

impl Bench {
    fn new(per_port: u32, per_bridge: u32) -> Self {
        let topology = Topology::parse(TOPOLOGY, "t").unwrap();
        let preview = Preview::new(&topology, &Config::defaults("one"));
        let mut answers = Answers::default();
        let view = preview.view(&topology);
        answers.update(&view, &view.objects().collect::<Vec<_>>());
        let limits = Limits::new(Rate::per_second(1000), Rate::UNLIMITED);
        let log = Limits::new(Rate::per_second(per_port), Rate::per_second(per_bridge));
        let responder = Responder::new(Role::Integration, answers.snapshot().clone(), limits).with_security_log(log);
        Self { topology, preview, responder, now: SECOND }
    }

    fn port(&self, name: &str) -> PortNo {
        self.preview.bindings.ports[name]
    }

    /// What comes up, and the messages that it is answered with.
    fn hear(&mut self, port: &str, up: &Up<'_>) -> usize {
        let matching = Match::new()
            .in_port(self.port(port))
            .field(&oxm::REG5, self.port(port).0.into())
            .field(&oxm::REG6, 1)
            .field(&oxm::REG7, up.conjunction.into())
            .field(&oxm::REG12, up.answer.into());
        let cookie = cookie::cookie(up.kind, port);
        self.raw(&matching, (PacketInReason::NO_MATCH, cookie, up.table), up.frame, up.bytes)
    }

    fn raw(
        &mut self,
        matching: &Match,
        (reason, cookie, table_id): (PacketInReason, crate::openflow::Cookie, TableId),
        frame: &[u8],
        bytes: usize,
    ) -> usize {
        let mut tlvs = Writer::new();
        Match::encode_tlvs(matching.as_bytes(), &mut tlvs).unwrap();
        let packet_in = PacketIn {
            buffer_id: NO_BUFFER,
            total_len: frame.len() as u16,
            reason,
            table_id,
            cookie,
            flow_match: RawMatch::decode(&mut Reader::new(tlvs.as_slice())).unwrap(),
            data: &frame[..bytes.min(frame.len())],
        };
        let mut out = Writer::new();
        self.responder.on_packet_in(&packet_in, self.now, &mut out);
        out.as_slice().len()
    }

    fn record(&mut self, up: &Up<'_>) -> Record {
        assert_eq!(self.hear("logged", up), 0, "nothing is answered");
        let mut records = self.responder.take_records();
        assert_eq!(records.len(), 1);
        records.remove(0)
    }

    /// Group and place of the rule that a packet is said to have passed by.
    fn rule(&mut self, up: &Up<'_>) -> Option<(String, usize)> {
        match self.record(up).decision {
            Decision::Accepted(allowed) => allowed.map(|allowed| (allowed.group.name.to_string(), allowed.index)),
            Decision::Dropped(reason) => panic!("{reason:?}"),
        }
    }

    fn count(&self, verdict: Verdict) -> u64 {
        self.responder.tally().of(Topic::SecurityLog, verdict)
    }
}

fn ethernet(eth_type: u16, rest: &[&[u8]]) -> Vec<u8> {
    let head = [&[0xfa, 0x16, 0x3e, 0, 0, 1][..], &[0xfa, 0x16, 0x3e, 0, 0, 9], &eth_type.to_be_bytes()];
    [head.concat(), rest.concat()].concat()
}

fn ipv4(protocol: u8, src: [u8; 4], segment: &[u8]) -> Vec<u8> {
    let [a, b] = (20 + segment.len() as u16).to_be_bytes();
    let head = [0x45, 0, a, b, 0, 0, 0, 0, 64, protocol, 0, 0];
    ethernet(0x0800, &[&head, &src, &[10, 0, 0, 1], segment])
}

fn tcp(src: u16, dst: u16, payload: usize) -> Vec<u8> {
    let ports = [src.to_be_bytes(), dst.to_be_bytes()].concat();
    [&ports[..], &[0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02, 0, 0, 0, 0, 0, 0], &vec![7; payload]].concat()
}

fn udp(src: u16, dst: u16, payload: usize) -> Vec<u8> {
    let words = [src, dst, 8 + payload as u16, 0].map(u16::to_be_bytes).concat();
    [words, vec![7; payload]].concat()
}

const FRIEND: [u8; 4] = [10, 0, 0, 9];
const STRANGER: [u8; 4] = [192, 0, 2, 9];

#[test]
fn an_accepted_packet_is_told_of_with_the_rule_that_says_most_of_it() {
    let mut bench = Bench::new(0, 0);
    let mut rule = |frame: &[u8]| bench.rule(&Up::new(Kind::PortDelivered, tables::ACCEPTED_INGRESS, frame));
    let told = |group: &str, index| Some((group.to_owned(), index));
    assert_eq!(rule(&ipv4(6, FRIEND, &tcp(40000, 80, 0))), told("web", 0), "both say as much: the first");
    assert_eq!(rule(&ipv4(6, STRANGER, &tcp(40000, 80, 0))), told("web", 0));
    assert_eq!(rule(&ipv4(1, STRANGER, &[8, 0, 0, 0, 0, 0, 0, 0])), told("ssh", 1), "of a group without a log");
    let echo = [&[0x60, 0, 0, 0, 0, 8, 58, 64][..], &[0x20; 16], &[0x21; 16], &[128, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(rule(&ethernet(0x86dd, &[&echo])), told("web", 3));
    assert_eq!(rule(&ipv4(17, FRIEND, &udp(1, 53, 0))), None, "that rule would have told the number of its set");
    let sent = ipv4(17, [10, 0, 0, 1], &udp(5, 9999, 0));
    let up = Up::new(Kind::PortBegins, tables::ACCEPT_OR_INGRESS, &sent);
    assert_eq!(bench.rule(&up), told("web", 4));
    assert_eq!(bench.record(&up).direction, Direction::Egress);
}

#[test]
fn a_rule_with_a_set_of_addresses_is_found_by_the_number_of_its_conjunction() {
    let mut bench = Bench::new(0, 0);
    let one = RemoteUse {
        group: "web".into(),
        remote: Remote::Group("web".into()),
        direction: Direction::Ingress,
        ethertype: Ethertype::Ipv4,
    };
    let id = bench.topology.remote_use(&one).unwrap();
    let frame = ipv4(17, FRIEND, &udp(1, 53, 0));
    let up = |table, conjunction| Up { conjunction, ..Up::new(Kind::PortDelivered, table, &frame) };
    assert_eq!(bench.rule(&up(tables::ACCEPTED_INGRESS, id)), Some(("web".into(), 2)));
    // The number that a packet met on its way out says nothing about its way in.
    assert_eq!(bench.rule(&up(tables::ACCEPT_OR_INGRESS, id)), Some(("web".into(), 4)));
    assert_eq!(bench.rule(&up(tables::ACCEPTED_INGRESS, id ^ 1)), None);
}

#[test]
fn an_answer_goes_its_own_way_whichever_rules_refuse_it() {
    let mut bench = Bench::new(0, 0);
    let frame = ipv4(17, STRANGER, &udp(5000, 1, 0));
    for (table, answer, direction) in
        [(tables::RULES_INGRESS, 1, Direction::Egress), (tables::RULES_EGRESS, 2, Direction::Ingress)]
    {
        let up = Up { answer, ..Up::new(Kind::PortRevoked, table, &frame) };
        assert_eq!(bench.record(&up).direction, direction);
    }
}

#[test]
fn the_flow_that_dropped_a_packet_says_why() {
    let mut bench = Bench::new(0, 0);
    let frame = ipv4(17, STRANGER, &udp(1, 5000, 0));
    for (kind, table, direction, reason) in [
        (Kind::PortNoRule, tables::RULES_INGRESS, Direction::Ingress, Reason::NoRule),
        (Kind::PortNoRule, tables::RULES_EGRESS, Direction::Egress, Reason::NoRule),
        (Kind::PortCut, tables::RULES_INGRESS, Direction::Ingress, Reason::Revoked),
        (Kind::PortRevoked, tables::RULES_EGRESS, Direction::Egress, Reason::Revoked),
        (Kind::PortInvalid, tables::RULES_INGRESS, Direction::Ingress, Reason::Invalid),
        (Kind::PortForged, tables::BASE_EGRESS, Direction::Egress, Reason::Forged),
        (Kind::PortServerOut, tables::BASE_EGRESS, Direction::Egress, Reason::Server),
    ] {
        let record = bench.record(&Up::new(kind, table, &frame));
        assert_eq!((record.direction, record.decision), (direction, Decision::Dropped(reason)), "{kind:?}");
        assert_eq!((&*record.port.name, &*record.port.network, record.suppressed), ("logged", "blue", 0));
        assert_eq!(record.headers.transport, Transport::Ports(1, 5000));
        assert_eq!(record.headers.addresses.unwrap().0.to_string(), "192.0.2.9");
    }
    assert_eq!(bench.count(Verdict::Logged), 7);
}

#[test]
fn the_headers_of_a_long_packet_are_read_from_its_first_bytes() {
    let mut bench = Bench::new(0, 0);
    let long = ipv4(6, FRIEND, &tcp(40000, 8080, 1400));
    let record = bench.record(&Up::new(Kind::PortNoRule, tables::RULES_INGRESS, &long));
    assert_eq!(record.headers.transport, Transport::Tcp(40000, 8080, 2));
    assert_eq!(record.headers.length, 14 + 20 + 20 + 1400);
    let [a, b] = 1408_u16.to_be_bytes();
    let options = [17, 0, 1, 4, 0, 0, 0, 0];
    let six = [&[0x60, 0, 0, 0, a, b, 0, 64][..], &[0x20; 16], &[0x21; 16], &options, &udp(7, 9, 1392)].concat();
    let record = bench.record(&Up::new(Kind::PortNoRule, tables::RULES_INGRESS, &ethernet(0x86dd, &[&six])));
    assert_eq!((record.headers.protocol, record.headers.transport), (Some(17), Transport::Ports(7, 9)));
    let arp =
        ethernet(0x0806, &[&[0, 1, 8, 0, 6, 4, 0, 1], &[2; 6], &[10, 0, 0, 77], &[0; 6], &[10, 0, 0, 1], &[0; 18]]);
    let record = bench.record(&Up::new(Kind::PortForged, tables::BASE_EGRESS, &arp));
    assert_eq!(record.headers.addresses, Some(([10, 0, 0, 77].into(), [10, 0, 0, 1].into())));
}

#[test]
fn a_flood_is_told_of_at_the_rate_of_its_port_and_what_was_left_out_is_counted() {
    let mut bench = Bench::new(10, 0);
    let frame = ipv4(17, STRANGER, &udp(1, 5000, 0));
    let up = Up::new(Kind::PortNoRule, tables::RULES_INGRESS, &frame);
    for _ in 0..1000 {
        bench.hear("logged", &up);
    }
    assert_eq!((bench.count(Verdict::Logged), bench.count(Verdict::Limited)), (10, 990));
    assert_eq!(bench.responder.take_records().len(), 10);
    bench.now += SECOND / 10;
    assert_eq!(bench.record(&up).suppressed, 990);
    bench.now += SECOND;
    assert_eq!(bench.record(&up).suppressed, 0, "it is told once");
}

#[test]
fn all_ports_together_are_held_to_the_rate_of_the_bridge_and_to_the_room_there_is() {
    let frame = ipv4(17, STRANGER, &udp(1, 5000, 0));
    let up = Up::new(Kind::PortNoRule, tables::RULES_INGRESS, &frame);
    let mut bench = Bench::new(0, 5);
    for _ in 0..100 {
        bench.hear("logged", &up);
    }
    assert_eq!(bench.responder.take_records().len(), 5);
    let mut bench = Bench::new(0, 0);
    for _ in 0..QUEUE + 100 {
        bench.hear("logged", &up);
    }
    assert_eq!(bench.responder.take_records().len(), QUEUE);
    assert!(!bench.responder.has_records());
    assert_eq!(bench.record(&up).suppressed, 100);
}

#[test]
fn what_is_told_of_is_never_answered_and_takes_nothing_from_what_is() {
    let mut bench = Bench::new(10, 0);
    let discover = {
        let mut dhcp = vec![1, 1, 6, 0, 1, 2, 3, 4];
        dhcp.extend([0; 20]);
        dhcp.extend([0xfa, 0x16, 0x3e, 0, 0, 1]);
        dhcp.extend([0; 202]);
        dhcp.extend([99, 130, 83, 99, 53, 1, 1, 255]);
        let mut datagram = udp(68, 67, dhcp.len());
        datagram.splice(8.., dhcp);
        let mut frame = ipv4(17, [0; 4], &datagram);
        frame[..6].fill(0xff);
        frame[6..12].copy_from_slice(&[0xfa, 0x16, 0x3e, 0, 0, 1]);
        frame[30..34].fill(0xff);
        frame
    };
    let up = Up { bytes: 1500, ..Up::new(Kind::PortNoRule, tables::RULES_INGRESS, &discover) };
    for _ in 0..5000 {
        assert_eq!(bench.hear("logged", &up), 0);
    }
    let matching = Match::new().in_port(bench.port("logged"));
    let cookie = cookie::cookie(Kind::PortDhcpToHeddle, "logged");
    let asked = (PacketInReason::ACTION, cookie, tables::DHCP_IPV4);
    assert!(bench.raw(&matching, asked, &discover, 1500) > 0, "the port's own question is answered");
}

#[test]
fn a_port_whose_groups_have_no_log_makes_no_record() {
    let mut bench = Bench::new(0, 0);
    let frame = ipv4(17, STRANGER, &udp(1, 5000, 0));
    bench.hear("silent", &Up::new(Kind::PortNoRule, tables::RULES_INGRESS, &frame));
    assert!(!bench.responder.has_records());
    assert_eq!(bench.count(Verdict::Ignored("")), 1);
}

#[test]
fn later_fragments_are_told_of_only_where_they_are_dropped() {
    let mut bench = Bench::new(0, 0);
    let mut frame = ipv4(17, STRANGER, &udp(1, 5000, 0));
    frame[14 + 7] = 1;
    bench.hear("logged", &Up::new(Kind::PortDelivered, tables::ACCEPTED_INGRESS, &frame));
    assert!(!bench.responder.has_records());
    let record = bench.record(&Up::new(Kind::PortNoRule, tables::RULES_INGRESS, &frame));
    assert_eq!((record.headers.fragment, record.headers.transport), (Fragment::Later, Transport::Other));
}

proptest! {
    #[test]
    fn no_frame_makes_the_log_fail(frame in prop::collection::vec(any::<u8>(), 0..300), bytes in 0..300_usize, kind in 0..2) {
        let mut bench = Bench::new(0, 0);
        let kind = if kind == 0 { Kind::PortForged } else { Kind::PortDelivered };
        bench.hear("logged", &Up { bytes, ..Up::new(kind, tables::ACCEPTED_INGRESS, &frame) });
        prop_assert_eq!(bench.responder.tally().of(Topic::Other, Verdict::Answered), 0);
    }

    #[test]
    fn a_packet_reads_the_same_in_whole_and_in_part(
        src: [u8; 4], protocol in prop::sample::select(vec![1_u8, 6, 17, 132, 47]), payload in 0..900_usize,
    ) {
        let segment = tcp(1234, 80, payload);
        let frame = ipv4(protocol, src, &segment);
        let mut bench = Bench::new(0, 0);
        let mut read = |bytes| bench.record(&Up { bytes, ..Up::new(Kind::PortForged, tables::BASE_EGRESS, &frame) }).headers;
        prop_assert_eq!(read(128), read(2000));
    }
}
