//! A PACKET_IN to its answer: whole messages in, whole messages out, with few and with many known addresses, asked
//! for in their order and in none.

#![allow(missing_docs, reason = "criterion_group makes a public function without any")]

use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

use heddle::agent::preview::Preview;
use heddle::config::{Config, ResponderMode};
use heddle::openflow::matching::{ETH_TYPE_VLAN, Match};
use heddle::openflow::message::Message;
use heddle::openflow::packet::{NO_BUFFER, PacketIn, PacketInReason};
use heddle::openflow::{Cookie, MacAddr, PortNo, RawMatch, Reader, TableId, Writer, Xid};
use heddle::packet::build::{Frame, Ipv6Header};
use heddle::packet::{Arp, VlanTag};
use heddle::responder::{Answers, Limits, Responder, Role, Snapshot, Topic, Verdict};
use heddle::topology::{Port, Topology};

/// How many addresses are known.
const KNOWN: [u32; 2] = [10_000, 1_000_000];
/// Addresses of one port, so that a million need no million ports.
const PER_PORT: u32 = 10;
/// Questions of one read, answered by one write.
const BATCH: usize = 64;
/// Questions that a connection hands to the responder at once.
const TOGETHER: usize = 8;
/// Questions of one measured step.
const STEP: usize = 1024;

const ASKER: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0xff, 0, 1]);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 1);
const PREFIX: u128 = 0x2001_0db8 << 96;

fn v4(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0001 + number)
}

fn v6(number: u32) -> Ipv6Addr {
    Ipv6Addr::from(PREFIX + 1 + u128::from(number))
}

/// A network with so many addresses of ports elsewhere, each of both versions, where Heddle answers.
fn snapshot(known: u32) -> Arc<Snapshot> {
    let text = "nodes.one.tunnel_ip = '192.0.2.1'\nnodes.two.tunnel_ip = '192.0.2.2'\n\
                [networks.blue]\ntype = 'vxlan'\nsegmentation_id = 1\n\
                subnets = { v4 = { cidr = '10.0.0.0/8' }, v6 = { cidr = '2001:db8::/64' } }\n\
                [ports.own]\nnetwork = 'blue'\nnode = 'one'\nmac_address = 'fa:16:3e:ff:00:01'\n";
    let mut topology = Topology::parse(text, "topology.toml").expect("it is a topology");
    for number in 0..known / PER_PORT {
        let [_, a, b, c] = number.to_be_bytes();
        let addresses = number * PER_PORT..(number + 1) * PER_PORT;
        let port = Port {
            name: format!("port{number}").into(),
            node: "two".into(),
            mac_address: MacAddr([0xfa, 0x16, 0x3e, a, b, c]),
            fixed_ips: addresses.flat_map(|number| [v4(number).into(), v6(number).into()]).collect(),
            ..Port::clone(topology.port("own").expect("it was parsed"))
        };
        topology.insert_port(port).expect("it fits");
    }
    let mut config = Config::defaults("one");
    config.tunnel.arp_responder = ResponderMode::Controller;
    config.tunnel.nd_responder = Some(ResponderMode::Controller);
    let preview = Preview::new(&topology, &config);
    let view = preview.view(&topology);
    let mut answers = Answers::default();
    answers.update(&view, &view.objects().collect::<Vec<_>>());
    answers.snapshot().clone()
}

/// A question as br-tun sends it up, and where in it the last four bytes of the address stand.
#[derive(Clone)]
struct Question {
    message: Vec<u8>,
    at: usize,
    topic: Topic,
}

impl Question {
    fn of(frame: &[u8], last_of_address: usize, topic: Topic) -> Self {
        let mut flow_match = Writer::new();
        Match::encode_tlvs(Match::new().in_port(PortNo(1)).as_bytes(), &mut flow_match).expect("it is short");
        let packet_in = PacketIn {
            buffer_id: NO_BUFFER,
            total_len: frame.len() as u16,
            reason: PacketInReason::ACTION,
            table_id: TableId(21),
            cookie: Cookie(0x4ed1_2d00_0000_0000),
            flow_match: RawMatch::decode(&mut Reader::new(flow_match.as_slice())).expect("it is a match"),
            data: frame,
        };
        let mut writer = Writer::new();
        packet_in.encode(&mut writer, Xid(0)).expect("it is short");
        let message = writer.into_vec();
        let at = message.len() - frame.len() + last_of_address;
        Self { message, at, topic }
    }

    fn arp() -> Self {
        let request = Arp { op: Arp::REQUEST, sha: ASKER, spa: OWN, tha: MacAddr::default(), tpa: v4(0) };
        let mut writer = Writer::new();
        to(MacAddr::BROADCAST).arp(&request, &mut writer);
        Self::of(writer.as_slice(), writer.len() - 4, Topic::Arp)
    }

    fn solicitation() -> Self {
        let mut writer = Writer::new();
        to(MacAddr([0x33, 0x33, 0xff, 0, 0, 1])).ipv6(&mut writer);
        let dst = Ipv6Addr::from((0xff02 << 112) | 0x1_ff00_0001);
        let header = Ipv6Header { src: ASKER.link_local_ipv6(), dst, hop_limit: 255 };
        let body = |writer: &mut Writer| {
            writer.bytes(&[135, 0, 0, 0, 0, 0, 0, 0]);
            writer.bytes(&v6(0).octets());
            writer.bytes(&[1, 1]);
            writer.bytes(&ASKER.0);
            Ok(())
        };
        header.icmpv6(&mut writer, body).expect("it is short");
        Self::of(writer.as_slice(), writer.len() - 12, Topic::Nd)
    }

    /// Asks for the address of this number.
    fn ask_for(&mut self, number: u32) {
        let last = match self.topic {
            Topic::Arp => u32::from(v4(number)),
            _ => u128::from(v6(number)) as u32,
        };
        self.message[self.at..self.at + 4].copy_from_slice(&last.to_be_bytes());
    }
}

fn to(dst: MacAddr) -> Frame {
    Frame { dst, src: ASKER, tags: [Some(VlanTag { tpid: ETH_TYPE_VLAN, tci: 1 }), None] }
}

/// Asks for addresses in the order of `next`, a batch after the other.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: String,
    (snapshot, question): (&Arc<Snapshot>, Question),
    mut next: impl FnMut() -> u32,
) {
    let mut responder = Responder::new(Role::Tunnel, snapshot.clone(), Limits::none());
    let mut questions = [(); TOGETHER].map(|()| question.clone());
    let mut out = Writer::new();
    let mut asked = 0;
    group.bench_function(id, |bencher| {
        bencher.iter(|| {
            for _ in 0..STEP / BATCH {
                out.clear();
                for _ in 0..BATCH / TOGETHER {
                    questions.iter_mut().for_each(|question| question.ask_for(next()));
                    let packets = questions.each_ref().map(|question| {
                        let message = Message::decode(black_box(&question.message)).expect("it is a message");
                        PacketIn::decode(message.body).expect("it is a PACKET_IN")
                    });
                    if responder.foresees() {
                        responder.foresee(packets.iter());
                    }
                    for packet_in in &packets {
                        responder.on_packet_in(packet_in, Duration::ZERO, &mut out);
                    }
                }
                black_box(out.as_slice());
            }
            asked += STEP as u64;
        });
    });
    assert_eq!(responder.tally().of(question.topic, Verdict::Answered), asked, "all were answered");
}

fn responder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("responder");
    group.throughput(Throughput::Elements(STEP as u64));
    for known in KNOWN {
        let snapshot = snapshot(known);
        for (name, question) in [("arp", Question::arp as fn() -> Question), ("nd", Question::solicitation)] {
            let mut number = 0;
            let in_order = || {
                number = (number + 1) % known;
                number
            };
            measure(&mut group, format!("{name}/{known}"), (&snapshot, question()), in_order);
            let mut state = 0x9e37_79b9_u32;
            let at_random = || {
                // Xorshift (Marsaglia, 2003).
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                ((u64::from(state) * u64::from(known)) >> 32) as u32
            };
            measure(&mut group, format!("{name}_at_random/{known}"), (&snapshot, question()), at_random);
        }
    }
    group.finish();
}

criterion_group!(benches, responder);
criterion_main!(benches);
