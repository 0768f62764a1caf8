use super::*;
use crate::openflow::packet::{PacketInReason, PacketOut};
use crate::openflow::{FlowMod, FlowModCommand, FlowStats, Match, Message, RawMatch, Reader, TableId};

const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);
const NOW: Duration = Duration::from_secs(100);
const SECOND: Duration = Duration::from_secs(1);

/// What a bridge sends, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Sent {
    /// A packet out of a port.
    Packet(PortNo),
    /// A flow from one port to another, or to none.
    Flow(PortNo, Option<PortNo>),
    /// Flows are deleted: this match, this output.
    Delete(Match, PortNo),
}

fn frame(dst: MacAddr, src: MacAddr, tag: &[u8]) -> Vec<u8> {
    [&dst.0[..], &src.0, tag, &[0x08, 0x00], &[0x55; 46]].concat()
}

/// The body of a packet-in from `in_port`.
fn body(in_port: u32) -> Vec<u8> {
    let mut writer = Writer::new();
    Match::encode_tlvs(Match::new().in_port(PortNo(in_port)).as_bytes(), &mut writer).unwrap();
    writer.into_vec()
}

struct Bridge {
    bridge: LearningBridge,
}

impl Bridge {
    fn new() -> Self {
        Self { bridge: LearningBridge::new() }
    }

    /// Hands the bridge a packet-in that `change` has made another, and returns its answer.
    fn answer(
        &mut self,
        (in_port, frame): (u32, &[u8]),
        now: Duration,
        change: impl FnOnce(&mut PacketIn<'_>),
    ) -> Vec<u8> {
        let body = body(in_port);
        let mut packet = PacketIn {
            buffer_id: NO_BUFFER,
            total_len: frame.len() as u16,
            reason: PacketInReason::NO_MATCH,
            table_id: TableId(0),
            cookie: Cookie(0),
            flow_match: RawMatch::decode(&mut Reader::new(&body)).unwrap(),
            data: frame,
        };
        change(&mut packet);
        let mut out = Writer::new();
        let verdict = self.bridge.on_packet_in(&packet, now, &mut out);
        assert!(verdict != Verdict::Answered || !out.is_empty(), "{verdict:?}");
        out.into_vec()
    }

    fn hear_with(&mut self, from: (u32, &[u8]), now: Duration, change: impl FnOnce(&mut PacketIn<'_>)) -> Vec<Sent> {
        said(&self.answer(from, now, change), from.1)
    }

    fn hear(&mut self, in_port: u32, frame: &[u8], now: Duration) -> Vec<Sent> {
        self.hear_with((in_port, frame), now, |_| {})
    }

    fn said_by(&mut self, act: impl FnOnce(&mut LearningBridge, &mut Writer)) -> Vec<Sent> {
        let mut out = Writer::new();
        act(&mut self.bridge, &mut out);
        said(out.as_slice(), &[])
    }
}

fn said(mut bytes: &[u8], data: &[u8]) -> Vec<Sent> {
    let mut said = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let (first, rest) = bytes.split_at(length);
        bytes = rest;
        let message = Message::decode(first).unwrap();
        assert_eq!(message.header.xid, XID);
        said.push(match message.header.message_type {
            MessageType::PACKET_OUT => {
                let packet = PacketOut::decode(message.body).unwrap();
                if packet.buffer_id == NO_BUFFER {
                    assert_eq!(packet.data, data, "all of it");
                }
                Sent::Packet(only_output(packet.actions.bytes()).unwrap())
            }
            MessageType::FLOW_MOD => flow_mod(&FlowMod::decode(message.body).unwrap()),
            other => panic!("{other}"),
        });
    }
    said
}

fn flow_mod(flow_mod: &FlowMod<'_>) -> Sent {
    assert_eq!((flow_mod.table, flow_mod.cookie), (TableId(0), Cookie(0x4ed1_7f00_0000_0000)));
    match flow_mod.command {
        FlowModCommand::ADD => {
            let in_port = PortNo(u32::from_be_bytes(flow_mod.match_tlvs[4..8].try_into().unwrap()));
            Sent::Flow(in_port, flow_mod.instructions.get(8..).and_then(only_output))
        }
        FlowModCommand::DELETE => {
            assert_eq!(flow_mod.cookie_mask, u64::MAX, "the operator's flows are none of ours");
            let matches = [A, B].into_iter().flat_map(|mac| [Match::new().eth_dst(mac), Match::new().eth_src(mac)]);
            let ports = (1..4).map(|port| Match::new().in_port(PortNo(port)));
            let matching = matches.chain(ports).chain([Match::new()]).find(|m| m.as_bytes() == flow_mod.match_tlvs);
            Sent::Delete(matching.unwrap(), flow_mod.out_port)
        }
        other => panic!("{other:?}"),
    }
}

fn only_output(actions: &[u8]) -> Option<PortNo> {
    assert_eq!((actions.len(), &actions[..4]), (16, &[0, 0, 0, 16][..]));
    Some(PortNo(u32::from_be_bytes(actions[4..8].try_into().unwrap())))
}

fn packet(port: u32) -> Sent {
    Sent::Packet(PortNo(port))
}

fn flow(in_port: u32, out_port: u32) -> Sent {
    Sent::Flow(PortNo(in_port), Some(PortNo(out_port)))
}

fn forgets(mac: MacAddr) -> [Sent; 2] {
    [Match::new().eth_dst(mac), Match::new().eth_src(mac)].map(|matching| Sent::Delete(matching, PortNo::ANY))
}

const FLOODED: Sent = Sent::Packet(PortNo::FLOOD);

#[test]
fn what_is_unknown_is_flooded_and_what_is_known_gets_a_flow_before_the_packet_goes() {
    let mut bridge = Bridge::new();
    assert_eq!(bridge.hear(1, &frame(B, A, &[]), NOW), [FLOODED]);
    assert_eq!(bridge.hear(2, &frame(A, B, &[]), NOW), [flow(2, 1), packet(1)]);
    assert_eq!(bridge.hear(1, &frame(B, A, &[]), NOW), [flow(1, 2), packet(2)]);
    assert_eq!(bridge.hear(1, &frame(MacAddr::BROADCAST, A, &[]), NOW), [FLOODED]);
    let counters = bridge.bridge.counters();
    assert_eq!((counters.flooded, counters.flows, counters.addresses), (2, 2, 2));
}

#[test]
fn stations_of_one_port_are_left_to_it() {
    let mut bridge = Bridge::new();
    bridge.hear(1, &frame(B, A, &[]), NOW);
    assert_eq!(bridge.hear(1, &frame(A, B, &[]), NOW), [Sent::Flow(PortNo(1), None)], "a flow that drops");
}

#[test]
fn each_vlan_is_a_network_of_its_own() {
    let mut bridge = Bridge::new();
    let (seven, eight, priority) = ([0x81, 0x00, 0x00, 7], [0x81, 0x00, 0x20, 8], [0x81, 0x00, 0xa0, 0]);
    bridge.hear(1, &frame(B, A, &seven), NOW);
    assert_eq!(bridge.hear(2, &frame(A, B, &eight), NOW), [FLOODED]);
    assert_eq!(bridge.hear(2, &frame(A, B, &[]), NOW), [FLOODED]);
    assert_eq!(bridge.hear(2, &frame(A, B, &seven), NOW), [flow(2, 1), packet(1)]);
    bridge.hear(3, &frame(B, A, &priority), NOW);
    assert_eq!(bridge.hear(2, &frame(A, B, &[]), NOW), [flow(2, 3), packet(3)], "a priority is no VLAN");
    let service = [0x88, 0xa8, 0x00, 7];
    assert_eq!(bridge.hear(2, &frame(A, B, &service), NOW), [flow(2, 1), packet(1)]);
}

#[test]
fn a_moved_station_is_followed_and_the_flows_to_where_it_was_go_first() {
    let mut bridge = Bridge::new();
    bridge.hear(1, &frame(B, A, &[]), NOW);
    bridge.hear(2, &frame(A, B, &[]), NOW);
    let moved = bridge.hear(3, &frame(B, A, &[]), NOW + SECOND);
    assert_eq!(moved, [&forgets(A)[..], &[flow(3, 2), packet(2)]].concat());
    assert_eq!(bridge.hear(2, &frame(A, B, &[]), NOW + SECOND), [flow(2, 3), packet(3)]);
    let back = bridge.hear(1, &frame(MacAddr::BROADCAST, A, &[]), NOW + 3 * SECOND);
    assert_eq!(back, [&forgets(A)[..], &[FLOODED]].concat());
    let counters = bridge.bridge.counters();
    assert_eq!((counters.moves, counters.flaps), (2, 1));
}

#[test]
fn a_copy_of_a_flooded_frame_is_neither_learnt_nor_sent_on() {
    let mut bridge = Bridge::new();
    let broadcast = frame(MacAddr::BROADCAST, A, &[]);
    assert_eq!(bridge.hear(1, &broadcast, NOW), [FLOODED]);
    for port in [2, 3, 2, 3] {
        assert_eq!(bridge.hear(port, &broadcast, NOW + SECOND / 2), []);
    }
    assert_eq!(bridge.hear(2, &frame(A, B, &[]), NOW + SECOND / 2), [flow(2, 1), packet(1)], "A is where it was");
    assert_eq!(bridge.bridge.counters().copies, 4);
    assert_eq!(bridge.hear(1, &broadcast, NOW + SECOND / 2), [FLOODED], "the station itself may go on");
    assert_eq!(bridge.hear(3, &broadcast, NOW + SECOND), [], "and that locks it anew");
}

#[test]
fn what_no_bridge_forwards_is_dropped() {
    let mut bridge = Bridge::new();
    let lldp = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x0e]);
    assert_eq!(bridge.hear(1, &frame(lldp, A, &[]), NOW), []);
    assert_eq!(bridge.hear(1, &frame(RESERVED, A, &[]), NOW), []);
    assert_eq!(bridge.hear(1, &frame(B, MacAddr::BROADCAST, &[]), NOW), []);
    assert_eq!(bridge.hear(1, &frame(B, MacAddr::default(), &[]), NOW), []);
    assert_eq!(bridge.bridge.counters().addresses, 0);
    let beyond = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x10]);
    assert_eq!(bridge.hear(1, &frame(beyond, A, &[]), NOW), [FLOODED]);
    let whole = frame(B, A, &[0x81, 0, 0, 7]);
    for end in 0..18 {
        let cut = bridge.hear_with((1, &whole[..end]), NOW, |packet| packet.total_len = end as u16);
        assert_eq!(cut, if end < 18 { vec![] } else { vec![FLOODED] }, "{end}");
    }
}

#[test]
fn a_packet_that_the_switch_keeps_is_not_sent_back_and_one_that_it_cut_is_not_sent_on() {
    let mut bridge = Bridge::new();
    let whole = frame(B, A, &[]);
    let kept = bridge.hear_with((1, &whole[..20]), NOW, |packet| (packet.buffer_id, packet.total_len) = (7, 60));
    assert_eq!(kept, [FLOODED]);
    assert_eq!(bridge.hear_with((1, &whole[..20]), NOW, |packet| packet.total_len = 60), []);
}

#[test]
fn a_packet_whose_port_is_not_told_is_dropped() {
    let mut bridge = Bridge::new();
    let none = bridge.hear_with((1, &frame(B, A, &[])), NOW, |packet| packet.flow_match = RawMatch::default());
    assert_eq!(none, []);
}

#[test]
fn a_port_that_goes_takes_its_stations_and_flows_along() {
    let mut bridge = Bridge::new();
    bridge.hear(1, &frame(B, A, &[]), NOW);
    let said = bridge.said_by(|bridge, out| bridge.on_port_gone(PortNo(1), out).unwrap());
    let expected = [Sent::Delete(Match::new().in_port(PortNo(1)), PortNo::ANY), Sent::Delete(Match::new(), PortNo(1))];
    assert_eq!(said, expected);
    assert_eq!(bridge.hear(2, &frame(A, B, &[]), NOW), [FLOODED]);
}

#[test]
fn a_full_switch_still_forwards_and_is_spared_flows_for_a_second() {
    let mut bridge = Bridge::new();
    bridge.hear(1, &frame(B, A, &[]), NOW);
    bridge.bridge.on_refused(ErrorCode::BAC_BAD_OUT_PORT, NOW);
    assert_eq!(bridge.hear(2, &frame(A, B, &[]), NOW), [flow(2, 1), packet(1)]);
    bridge.bridge.on_refused(ErrorCode::FMFC_TABLE_FULL, NOW);
    assert_eq!(bridge.hear(2, &frame(A, B, &[]), NOW), [packet(1)]);
    assert_eq!(bridge.hear(2, &frame(A, B, &[]), NOW + SECOND), [flow(2, 1), packet(1)]);
    assert_eq!(bridge.bridge.counters().refused, 2);
}

/// The flow that a bridge adds when it hears B on port 2 after A on port 1.
fn flow_from_b_to_a() -> Flow {
    let mut bridge = Bridge::new();
    bridge.hear(1, &frame(B, A, &[]), NOW);
    let answer = bridge.answer((2, &frame(A, B, &[])), NOW, |_| {});
    let flow_mod = FlowMod::decode(Message::decode(&answer[..112]).unwrap().body).unwrap();
    Flow::from_stats(&FlowStats { duration_sec: 9, packet_count: 4, byte_count: 400, ..flow_mod.to_stats() })
}

#[test]
fn flows_from_before_a_restart_tell_where_stations_are() {
    let flow_there = flow_from_b_to_a();
    let mut after = Bridge::new();
    let mut another = flow_there.clone();
    another.cookie = Cookie(1);
    assert_eq!(after.said_by(|bridge, out| bridge.recall([&another], SECOND, out).unwrap()), []);
    assert_eq!(after.bridge.counters().addresses, 0, "flows of others tell nothing");
    assert_eq!(after.said_by(|bridge, out| bridge.recall([&flow_there], SECOND, out).unwrap()), []);
    assert_eq!(after.bridge.counters().addresses, 2);
    let moved = after.hear(3, &frame(A, B, &[]), 2 * SECOND);
    assert_eq!(moved, [&forgets(B)[..], &[flow(3, 1), packet(1)]].concat(), "a move is noticed at once");
}

#[test]
fn flows_from_before_a_restart_go_if_their_station_was_heard_elsewhere_since() {
    let flow_there = flow_from_b_to_a();
    let mut after = Bridge::new();
    after.hear(3, &frame(MacAddr::BROADCAST, B, &[]), SECOND);
    let said = after.said_by(|bridge, out| bridge.recall([&flow_there, &flow_there], SECOND, out).unwrap());
    assert_eq!(said, forgets(B), "once");
    assert_eq!(after.hear(1, &frame(B, A, &[]), SECOND), [flow(1, 3), packet(3)], "what was heard stays");
}

/// Bridges whose ports 1 and 2 are wired to a ring, with a station on port 3 of each; no flows, so that every
/// packet comes up. Returns how many frames cross the wires of the ring when each frame is sent in turn.
fn frames_on_the_ring(bridges: &mut [Bridge], (from, data): (usize, &[u8]), now: Duration) -> usize {
    let ring = bridges.len();
    let mut crossing = 0;
    let mut arrivals = std::collections::VecDeque::from([(from, 3)]);
    while let Some((at, in_port)) = arrivals.pop_front() {
        for sent in bridges[at].hear(in_port, data, now) {
            let Sent::Packet(port) = sent else { continue };
            let ports = if port == PortNo::FLOOD { vec![1, 2, 3] } else { vec![port.0] };
            for port in ports.into_iter().filter(|&port| port != in_port && port != 3) {
                crossing += 1;
                assert!(crossing < 100, "the ring amplifies");
                arrivals.push_back(if port == 1 { ((at + 1) % ring, 2) } else { ((at + ring - 1) % ring, 1) });
            }
        }
    }
    crossing
}

#[test]
fn a_ring_of_bridges_floods_each_frame_once_and_every_station_hears_it() {
    for ring in 3..7 {
        let mut bridges: Vec<Bridge> = (0..ring).map(|_| Bridge::new()).collect();
        for (round, dst) in [MacAddr::BROADCAST, B, MacAddr::BROADCAST, B].into_iter().enumerate() {
            let now = NOW + SECOND * round as u32 * 2;
            let crossing = frames_on_the_ring(&mut bridges, (0, &frame(dst, A, &[])), now);
            assert_eq!(crossing, ring + 1, "{ring} bridges: every wire once, the last in both directions");
        }
        // What was learnt on the way leads back.
        let crossing = frames_on_the_ring(&mut bridges, (1, &frame(A, B, &[])), NOW + 8 * SECOND);
        assert_eq!(crossing, 1);
        assert!(bridges.iter().all(|bridge| bridge.bridge.counters().flaps == 0));
    }
}
