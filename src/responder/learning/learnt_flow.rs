//! The messages that a learning bridge answers with: templates, of which a copy is filled in.
//!
//! **Invariant:** besides `switch::batch`, this is the only place that makes a FLOW_MOD for a switch. It adds
//! and deletes flows with the cookie of learnt ones, and those alone.

use std::time::Duration;

use crate::openflow::flow_mod::GROUP_ANY;
use crate::openflow::header::VERSION;
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::packet::NO_BUFFER;
use crate::openflow::{
    Cookie, EncodeError, FlowFlags, FlowMod, FlowModCommand, FlowStats, MacAddr, Match, MessageType, PortNo, Writer,
    Xid, message,
};
use crate::pipeline::learning::TABLE;

/// The messages' xid, which no other request of a session has: an error that bears it is about one of them.
pub const XID: Xid = Xid(0);

/// Above the table-miss flow.
const PRIORITY: u16 = 1;
/// A pair of stations that is silent for so long is forgotten.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// At the latest then the next packet comes up. Less than the ageing time: a station that speaks is heard
/// again before its address is forgotten, and a flow to where it no longer is does not stay.
const HARD_TIMEOUT: Duration = Duration::from_secs(180);

/// What leads from one station to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LearntFlow {
    /// Where the packets come in.
    pub(super) in_port: PortNo,
    /// To whom.
    pub(super) dst: MacAddr,
    /// From whom.
    pub(super) src: MacAddr,
    /// As `OXM_OF_VLAN_VID` has it: 0 without tag.
    pub(super) vlan_vid: u16,
    /// Where they go out; nowhere if both stations are on one port.
    pub(super) out_port: Option<PortNo>,
}

/// A FLOW_MOD that adds a [`LearntFlow`] (OpenFlow 1.3.5 §7.3.4.1): header, body, match, one instruction with
/// one action.
const ADD: [u8; 112] = {
    let [idle_high, idle_low] = (IDLE_TIMEOUT.as_secs() as u16).to_be_bytes();
    let [hard_high, hard_low] = (HARD_TIMEOUT.as_secs() as u16).to_be_bytes();
    let [priority_high, priority_low] = PRIORITY.to_be_bytes();
    #[rustfmt::skip]
    let template = [
        VERSION, MessageType::FLOW_MOD.0, 0, 112, 0, 0, 0, XID.0 as u8,
        0, 0, 0, 0, 0, 0, 0, 0, // cookie
        0, 0, 0, 0, 0, 0, 0, 0,
        TABLE.0, FlowModCommand::ADD.0, idle_high, idle_low, hard_high, hard_low, priority_high, priority_low,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // no buffer, any port
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, // any group, no flags
        0, 1, 0, 38, 0x80, 0x00, 0x00, 4, 0, 0, 0, 0, // in_port
        0x80, 0x00, 0x08, 6, 0, 0, 0, 0, 0, 0, // eth_src
        0x80, 0x00, 0x06, 6, 0, 0, 0, 0, 0, 0, // eth_dst
        0x80, 0x00, 0x0c, 2, 0, 0, // vlan_vid
        0, 0,
        0, 4, 0, 24, 0, 0, 0, 0, // apply
        0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // output
    ];
    template
};
/// Where the instruction begins. The message without it adds a flow that drops.
const INSTRUCTION: u8 = 88;
/// Bytes of the OXM fields.
const MATCH_LEN: usize = 34;

impl LearntFlow {
    /// Appends the message that adds the flow.
    pub(super) fn add(&self, cookie: Cookie, out: &mut Writer) {
        let mut bytes = ADD;
        bytes[8..16].copy_from_slice(&cookie.0.to_be_bytes());
        bytes[56..60].copy_from_slice(&self.in_port.0.to_be_bytes());
        bytes[64..70].copy_from_slice(&self.src.0);
        bytes[74..80].copy_from_slice(&self.dst.0);
        bytes[84..86].copy_from_slice(&self.vlan_vid.to_be_bytes());
        match self.out_port {
            Some(out_port) => {
                bytes[100..104].copy_from_slice(&out_port.0.to_be_bytes());
                out.bytes(&bytes);
            }
            None => {
                bytes[3] = INSTRUCTION;
                out.bytes(&bytes[..88]);
            }
        }
    }

    /// The flow of a dump, if it is one that [`add`](Self::add) has made.
    pub(super) fn of_stats(stats: &FlowStats<'_>) -> Option<Self> {
        let tlvs: &[u8; MATCH_LEN] = stats.match_tlvs.try_into().ok()?;
        let [_, _, _, _, p0, p1, p2, p3, rest @ ..] = *tlvs;
        let [_, _, _, _, s0, s1, s2, s3, s4, s5, _, _, _, _, d0, d1, d2, d3, d4, d5, _, _, _, _, v0, v1] = rest;
        let out_port = match *stats.instructions {
            [] => None,
            [.., o0, o1, o2, o3, _, _, _, _, _, _, _, _] => Some(PortNo(u32::from_be_bytes([o0, o1, o2, o3]))),
            _ => return None,
        };
        let flow = Self {
            in_port: PortNo(u32::from_be_bytes([p0, p1, p2, p3])),
            dst: MacAddr([d0, d1, d2, d3, d4, d5]),
            src: MacAddr([s0, s1, s2, s3, s4, s5]),
            vlan_vid: u16::from_be_bytes([v0, v1]),
            out_port,
        };
        flow.is(stats).then_some(flow)
    }

    /// True if `stats` has the match and the instructions of this flow.
    fn is(&self, stats: &FlowStats<'_>) -> bool {
        let mut made = Writer::new();
        self.add(stats.cookie, &mut made);
        let matching = made.as_slice().get(52..52 + MATCH_LEN);
        let instructions = made.as_slice().get(usize::from(INSTRUCTION)..);
        matching == Some(stats.match_tlvs) && instructions == Some(stats.instructions)
    }

    /// The VLAN of the flow's packets, 0 for those without.
    pub(super) fn vid(&self) -> u16 {
        self.vlan_vid & !VLAN_PRESENT
    }
}

/// Appends what deletes every learnt flow from and to an address.
pub(super) fn forget_address(mac: MacAddr, cookie: Cookie, out: &mut Writer) -> Result<(), EncodeError> {
    delete(&Match::new().eth_dst(mac), PortNo::ANY, cookie, out)?;
    delete(&Match::new().eth_src(mac), PortNo::ANY, cookie, out)
}

/// Appends what deletes every learnt flow from and to a port.
pub(super) fn forget_port(port: PortNo, cookie: Cookie, out: &mut Writer) -> Result<(), EncodeError> {
    delete(&Match::new().in_port(port), PortNo::ANY, cookie, out)?;
    delete(&Match::new(), port, cookie, out)
}

fn delete(matching: &Match, out_port: PortNo, cookie: Cookie, out: &mut Writer) -> Result<(), EncodeError> {
    let flow_mod = FlowMod {
        cookie,
        cookie_mask: u64::MAX,
        table: TABLE,
        command: FlowModCommand::DELETE,
        idle_timeout: 0,
        hard_timeout: 0,
        priority: 0,
        buffer_id: NO_BUFFER,
        out_port,
        out_group: GROUP_ANY,
        flags: FlowFlags::default(),
        match_tlvs: matching.as_bytes(),
        instructions: &[],
    };
    message(out, MessageType::FLOW_MOD, XID, |out| flow_mod.encode(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::{Action, Message, TableId, instruction};

    const FLOW: LearntFlow = LearntFlow {
        in_port: PortNo(3),
        dst: MacAddr([2, 0, 0, 0, 0, 1]),
        src: MacAddr([2, 0, 0, 0, 0, 2]),
        vlan_vid: 0x1007,
        out_port: Some(PortNo(9)),
    };
    const COOKIE: Cookie = Cookie(0x4ed1_3000_0000_0000);

    /// What the encoder of the wire layer makes of it.
    fn encoded(flow: &LearntFlow) -> Vec<u8> {
        let matching = Match::new().in_port(flow.in_port).eth_dst(flow.dst).eth_src(flow.src);
        let matching = if flow.vlan_vid == 0 { matching.untagged() } else { matching.vlan(flow.vid()) };
        let mut instructions = Writer::new();
        let actions: Vec<Action> = flow.out_port.map(Action::output).into_iter().collect();
        instruction::encode_apply(&actions, None, &mut instructions).unwrap();
        let flow_mod = FlowMod {
            cookie: COOKIE,
            cookie_mask: 0,
            table: TableId(0),
            command: FlowModCommand::ADD,
            idle_timeout: 60,
            hard_timeout: 180,
            priority: 1,
            buffer_id: NO_BUFFER,
            out_port: PortNo::ANY,
            out_group: GROUP_ANY,
            flags: FlowFlags::default(),
            match_tlvs: matching.as_bytes(),
            instructions: instructions.as_slice(),
        };
        let mut writer = Writer::new();
        message(&mut writer, MessageType::FLOW_MOD, XID, |w| flow_mod.encode(w)).unwrap();
        writer.into_vec()
    }

    fn variants() -> [LearntFlow; 3] {
        [FLOW, LearntFlow { vlan_vid: 0, ..FLOW }, LearntFlow { out_port: None, ..FLOW }]
    }

    #[test]
    fn the_template_is_what_the_wire_layer_encodes() {
        for flow in variants() {
            let mut writer = Writer::new();
            flow.add(COOKIE, &mut writer);
            assert_eq!(writer.as_slice(), encoded(&flow), "{flow:?}");
        }
    }

    #[test]
    fn a_flow_is_read_back_from_a_dump_and_no_other_is() {
        for flow in variants() {
            let bytes = encoded(&flow);
            let flow_mod = FlowMod::decode(Message::decode(&bytes).unwrap().body).unwrap();
            assert_eq!(LearntFlow::of_stats(&flow_mod.to_stats()), Some(flow));
            let normal = [0, 4, 0, 24, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0];
            for instructions in [&normal[..], &normal[..16], &[1, 2]] {
                let other = FlowStats { instructions, ..flow_mod.to_stats() };
                assert_eq!(LearntFlow::of_stats(&other), None);
            }
            let matching = Match::new().in_port(PortNo(3));
            let other = FlowStats { match_tlvs: matching.as_bytes(), ..flow_mod.to_stats() };
            assert_eq!(LearntFlow::of_stats(&other), None);
        }
    }
}
