//! `ct`: the packet is tracked, and a copy of it goes on in another table with what is known of its connection.

use super::packet::Packet;
use super::rewrite::{icmp, ports};
use super::step::{Note, Start};
use super::walk::{Pending, Walk};
use crate::openflow::action::{Conntrack, CtZone, Nat, NatAddresses, NatFlags};
use crate::openflow::numbers::ETH_TYPE_IPV6;
use crate::openflow::oxm::{self, Field};
use crate::openflow::{Action, TableId};

/// What is known of the first packet of a connection.
const FIRST: [&Field; 7] = [
    &oxm::CT_NW_SRC,
    &oxm::CT_NW_DST,
    &oxm::CT_IPV6_SRC,
    &oxm::CT_IPV6_DST,
    &oxm::CT_NW_PROTO,
    &oxm::CT_TP_SRC,
    &oxm::CT_TP_DST,
];

/// What conntrack says of a packet (`ct_state` in `ovs-fields(7)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CtState(pub u32);

impl CtState {
    /// `trk|new`: what `ofproto/trace` assumes where nobody says otherwise.
    pub const NEW: Self = Self(0x21);

    const REL: u32 = 0x04;
    const RPL: u32 = 0x08;
    const INV: u32 = 0x10;

    const fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// Reads flags by name, joined by `,`, `|` or `+`.
    pub fn parse(text: &str) -> Option<Self> {
        let words = text.split([',', '|', '+']).map(str::trim).filter(|word| !word.is_empty());
        let names = oxm::CT_STATE.format.flags()?.names;
        let bits = words.map(|word| names.iter().position(|name| *name == word));
        bits.map(|bit| Some(1 << bit?)).try_fold(0, |state, bit: Option<u32>| Some(state | bit?)).map(Self)
    }
}

impl Walk<'_> {
    pub(super) fn track(&mut self, ct: &Conntrack) {
        let zone = match ct.zone {
            CtZone::Number(zone) => zone.into(),
            CtZone::Field(subfield) => self.packet.subfield(&subfield),
        };
        if !ct.actions.is_empty() {
            self.actions(&ct.actions);
        }
        if ct.recirc_table != TableId::ALL {
            let nat = ct.actions.iter().rev().find_map(|action| match action {
                Action::Nat(nat) => Some(**nat),
                _ => None,
            });
            self.postpone(Pending {
                start: Start::Tracked { table: ct.recirc_table, assumed: true },
                bridge: self.bridge,
                packet: self.packet.clone().with(&oxm::CT_ZONE, zone),
                action_set: self.action_set.clone(),
                stack: self.stack.clone(),
                nat,
                certain: true,
            });
            self.note(Note::Forked(ct.recirc_table));
        }
        self.untrack();
        self.note(Note::Untracked);
    }

    pub(super) fn untrack(&mut self) {
        self.packet.forget_connection();
        self.tracked = false;
    }
}

/// A leg behind `ct`, with what was said of the connection; translated addresses are the first of their range.
pub(super) fn resumed(mut pending: Pending, told: Option<CtState>) -> Pending {
    if let Start::Tracked { assumed, .. } = &mut pending.start {
        *assumed = told.is_none();
        let state = told.unwrap_or(CtState::NEW);
        pending.packet.set(&oxm::CT_STATE, state.0.into());
        know_first(&mut pending.packet, state);
        if let Some(nat) = &pending.nat {
            translate(&mut pending.packet, nat);
        }
    }
    pending
}

/// Tells what the first packet of its connection was (`ct_nw_src` and the fields beside it in `ovs-fields(7)`). An ICMP
/// error quotes a packet of another protocol, which its headers do not tell.
fn know_first(packet: &mut Packet, state: CtState) {
    FIRST.iter().for_each(|field| packet.set(field, 0));
    if !packet.is_ip() || state.has(CtState::INV) {
        return;
    }
    let answers = state.has(CtState::RPL);
    let turned = |pair: (u128, u128)| if answers { (pair.1, pair.0) } else { pair };
    let ipv6 = packet.get(&oxm::ETH_TYPE) == ETH_TYPE_IPV6.into();
    let (src, dst, known_src, known_dst) = match ipv6 {
        true => (&oxm::IPV6_SRC, &oxm::IPV6_DST, &oxm::CT_IPV6_SRC, &oxm::CT_IPV6_DST),
        false => (&oxm::IPV4_SRC, &oxm::IPV4_DST, &oxm::CT_NW_SRC, &oxm::CT_NW_DST),
    };
    let (first_src, first_dst) = turned((packet.get(src), packet.get(dst)));
    packet.set(known_src, first_src);
    packet.set(known_dst, first_dst);
    if state.has(CtState::REL) {
        return;
    }
    let (tp_src, tp_dst) = match (ports(packet), icmp(packet)) {
        (Some((src, dst)), _) => turned((packet.get(src), packet.get(dst))),
        (None, Some((icmp_type, _))) if answers => (question(packet.get(icmp_type), ipv6), 0),
        (None, Some((icmp_type, code))) => (packet.get(icmp_type), packet.get(code)),
        (None, None) => (0, 0),
    };
    packet.set(&oxm::CT_NW_PROTO, packet.get(&oxm::IP_PROTO));
    packet.set(&oxm::CT_TP_SRC, tp_src);
    packet.set(&oxm::CT_TP_DST, tp_dst);
}

/// The ICMP type that one of an answer belongs to (RFC 792, RFC 4443 §4).
const fn question(answer: u128, ipv6: bool) -> u128 {
    match (answer, ipv6) {
        (0, false) => 8,
        (14 | 16, false) | (129, true) => answer - 1,
        _ => answer,
    }
}

fn translate(packet: &mut Packet, nat: &Nat) {
    let ports = ports(packet);
    let sides = [
        (NatFlags::SRC, &oxm::IPV4_SRC, &oxm::IPV6_SRC, ports.map(|(src, _)| src)),
        (NatFlags::DST, &oxm::IPV4_DST, &oxm::IPV6_DST, ports.map(|(_, dst)| dst)),
    ];
    for (_, ipv4, ipv6, port) in sides.into_iter().filter(|(side, ..)| nat.flags.contains(*side)) {
        match nat.addresses {
            Some(NatAddresses::Ipv4(first, _)) => packet.set(ipv4, u32::from(first).into()),
            Some(NatAddresses::Ipv6(first, _)) => packet.set(ipv6, u128::from(first)),
            None => continue,
        }
        if let (Some(range), Some(port)) = (nat.ports, port) {
            packet.set(port, range.min.into());
        }
    }
}

/// The packet with the addresses and ports of its connection's first packet in place of its own, if both are
/// known: what `resubmit(…,ct)` looks up.
pub(super) fn original(packet: &Packet) -> Option<Packet> {
    let protocol = packet.get(&oxm::CT_NW_PROTO);
    if protocol == 0 || !packet.is_ip() {
        return None;
    }
    let mut original = packet.clone().with(&oxm::IP_PROTO, protocol);
    let mut swap = |field: &Field, tracked: &Field| original.set(field, packet.get(tracked));
    if packet.get(&oxm::ETH_TYPE) == ETH_TYPE_IPV6.into() {
        swap(&oxm::IPV6_SRC, &oxm::CT_IPV6_SRC);
        swap(&oxm::IPV6_DST, &oxm::CT_IPV6_DST);
    } else {
        swap(&oxm::IPV4_SRC, &oxm::CT_NW_SRC);
        swap(&oxm::IPV4_DST, &oxm::CT_NW_DST);
    }
    if let Some((src, dst)) = ports(&original) {
        original.set(src, packet.get(&oxm::CT_TP_SRC));
        original.set(dst, packet.get(&oxm::CT_TP_DST));
    }
    Some(original)
}
