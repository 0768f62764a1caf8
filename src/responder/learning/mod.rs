//! A learning bridge: what one does that forwards by the addresses it has heard (IEEE 802.1D §7).
//!
//! The switch sends up what no flow knows. The source address is learnt. A known destination gets a flow, so
//! that the next packet stays in the switch, and the packet goes there; an unknown or a multicast one is
//! flooded. When a station is heard on another port, the flows from and to it go at once.
//!
//! Loops are not amplified, without a spanning tree (the idea of ARP-Path bridges: "the first copy is the
//! fastest path"): the port on which a flooded frame's source was heard first stays its port for about a
//! second. What comes in from it elsewhere within that time is a copy, neither learnt nor sent on, so that
//! each bridge floods a frame once. A station that did move is believed when the second is over.

mod learnt_flow;
mod mac_table;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::learnt_flow::XID;
use self::learnt_flow::{LearntFlow, forget_address, forget_port};
pub use self::mac_table::{AGEING, CAPACITY, LOCK};
use self::mac_table::{Heard, Key, MacTable, Place, Tick};
use super::Verdict;
use crate::flow::Flow;
use crate::openflow::header::VERSION;
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::packet::{NO_BUFFER, PacketIn};
use crate::openflow::{Cookie, EncodeError, ErrorCode, MacAddr, MessageType, PortNo, Writer};
use crate::packet::{Addresses, Payload};
use crate::pipeline::cookie::{self, Kind};
use crate::pipeline::learning::{RESERVED, RESERVED_MASK};

/// After the switch has said that its table is full, no flow is tried for so long.
const RESPITE: Duration = Duration::from_secs(1);

/// What a learning bridge has done since it connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Addresses that are remembered.
    pub addresses: usize,
    /// Addresses that were forgotten for want of room.
    pub evicted: u64,
    /// Packets that were flooded.
    pub flooded: u64,
    /// Flows that were written.
    pub flows: u64,
    /// Stations that were heard on another port than before.
    pub moves: u64,
    /// Of these, moves within seconds of the last.
    pub flaps: u64,
    /// Copies of flooded packets that a loop brought back.
    pub copies: u64,
    /// Messages that the switch refused.
    pub refused: u64,
}

/// See the module.
#[derive(Debug)]
pub struct LearningBridge {
    /// Of the flows that it writes.
    cookie: Cookie,
    table: MacTable,
    counters: Counters,
    no_flows_before: Duration,
}

/// A packet with what matters of it.
struct Arrival<'a> {
    in_port: PortNo,
    addresses: Addresses,
    packet: &'a PacketIn<'a>,
}

impl<'a> Arrival<'a> {
    /// Errors: nothing that a bridge forwards.
    #[inline]
    fn of(packet: &'a PacketIn<'a>) -> Result<Self, Verdict> {
        let in_port = packet.in_port().ok_or(Verdict::Ignored("nobody says which port it came in through"))?;
        let addresses = Addresses::decode(Payload::new(packet.data)).map_err(Verdict::Malformed)?;
        if packet.buffer_id == NO_BUFFER && packet.data.len() < usize::from(packet.total_len) {
            return Err(Verdict::Ignored("the switch has cut it"));
        }
        if addresses.src.is_multicast() || addresses.src.is_zero() {
            return Err(Verdict::Ignored("it comes from no station"));
        }
        if is_reserved(addresses.dst) {
            return Err(Verdict::Ignored("it is for the neighbouring bridge alone"));
        }
        Ok(Self { in_port, addresses, packet })
    }

    fn key(&self, mac: MacAddr) -> Key {
        Key::new(mac, self.addresses.tag.map_or(0, |tag| tag.vid()))
    }
}

fn is_reserved(dst: MacAddr) -> bool {
    dst.0.iter().zip(RESERVED_MASK.0).map(|(octet, mask)| octet & mask).eq(RESERVED.0)
}

impl Default for LearningBridge {
    fn default() -> Self {
        Self::new()
    }
}

impl LearningBridge {
    /// A bridge that has heard nothing yet.
    pub fn new() -> Self {
        Self {
            cookie: cookie::cookie(Kind::Bridged, ""),
            table: MacTable::new(),
            counters: Counters::default(),
            no_flows_before: Duration::ZERO,
        }
    }

    /// Answers one packet. `now` is the time since the connection began. Without an answer nothing is written.
    #[inline]
    pub fn on_packet_in(&mut self, packet: &PacketIn<'_>, now: Duration, out: &mut Writer) -> Verdict {
        let begin = out.begin();
        match Arrival::of(packet) {
            Ok(arrival) => self.answer(&arrival, now, out).unwrap_or_else(|_| {
                out.undo(begin);
                Verdict::Ignored("its answer is too long")
            }),
            Err(verdict) => verdict,
        }
    }

    #[inline]
    fn answer(&mut self, arrival: &Arrival<'_>, now: Duration, out: &mut Writer) -> Result<Verdict, EncodeError> {
        let tick = Tick::of(now);
        let Addresses { dst, src, .. } = arrival.addresses;
        let place = match self.table.hear(arrival.key(src), arrival.in_port, tick) {
            Heard::New(place) | Heard::Known(place) => place,
            Heard::Copy => {
                self.counters.copies += 1;
                return Ok(Verdict::Ignored("it is a copy that a loop brought back"));
            }
            Heard::Moved(place) => {
                self.counters.moves += 1;
                forget_address(src, self.cookie, out)?;
                place
            }
            Heard::Flapped(place) => {
                self.counters.moves += 1;
                self.counters.flaps += 1;
                forget_address(src, self.cookie, out)?;
                place
            }
        };
        let known = if dst.is_multicast() { None } else { self.table.port_of(arrival.key(dst), tick) };
        match known {
            Some(port) => self.forward(arrival, port, now, out),
            None => self.flood(arrival, (place, tick), out),
        }
    }

    fn flood(
        &mut self,
        arrival: &Arrival<'_>,
        (place, tick): (Place, Tick),
        out: &mut Writer,
    ) -> Result<Verdict, EncodeError> {
        self.table.lock(place, tick);
        self.counters.flooded += 1;
        packet_out(arrival, PortNo::FLOOD, out)?;
        Ok(Verdict::Answered)
    }

    fn forward(
        &mut self,
        arrival: &Arrival<'_>,
        port: PortNo,
        now: Duration,
        out: &mut Writer,
    ) -> Result<Verdict, EncodeError> {
        let out_port = (port != arrival.in_port).then_some(port);
        if now >= self.no_flows_before {
            let Addresses { dst, src, tag } = arrival.addresses;
            let vlan_vid = tag.map_or(0, |tag| tag.vid() | VLAN_PRESENT);
            LearntFlow { in_port: arrival.in_port, dst, src, vlan_vid, out_port }.add(self.cookie, out);
            self.counters.flows += 1;
        }
        let Some(port) = out_port else { return Ok(Verdict::Ignored("its station is behind the same port")) };
        packet_out(arrival, port, out)?;
        Ok(Verdict::Answered)
    }

    /// A port went down or away: what was heard there is forgotten, and the flows from and to it go.
    pub fn on_port_gone(&mut self, port: PortNo, out: &mut Writer) -> Result<(), EncodeError> {
        self.table.forget_port(port);
        forget_port(port, self.cookie, out)
    }

    /// The switch has refused a message with [`XID`].
    pub fn on_refused(&mut self, code: ErrorCode, now: Duration) {
        self.counters.refused += 1;
        if code == ErrorCode::FMFC_TABLE_FULL {
            self.no_flows_before = now + RESPITE;
        }
    }

    /// Flows of a learning bridge that are on the switch already, from before this connection: they tell where
    /// stations are, and those go whose station was heard elsewhere since.
    pub fn recall<'a>(
        &mut self,
        flows: impl IntoIterator<Item = &'a Flow>,
        now: Duration,
        out: &mut Writer,
    ) -> Result<(), EncodeError> {
        let tick = Tick::of(now);
        let mut forgotten = BTreeSet::new();
        for flow in flows.into_iter().filter(|flow| flow.cookie == self.cookie) {
            let Some(learnt) = LearntFlow::of_stats(&flow.to_stats()) else { continue };
            for (mac, port) in [(learnt.src, Some(learnt.in_port)), (learnt.dst, learnt.out_port)] {
                let key = Key::new(mac, learnt.vid());
                match (port, self.table.port_of(key, tick)) {
                    (Some(port), None) => drop(self.table.hear(key, port, tick)),
                    (Some(port), Some(known)) if port != known && forgotten.insert(mac) => {
                        forget_address(mac, self.cookie, out)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// What it has done.
    pub fn counters(&self) -> Counters {
        Counters { addresses: self.table.len(), evicted: self.table.evicted(), ..self.counters }
    }
}

/// An `OFPT_PACKET_OUT` up to its data (OpenFlow 1.3.5 §7.3.7), with one output.
#[rustfmt::skip]
const PACKET_OUT: [u8; 40] = [
    VERSION, MessageType::PACKET_OUT.0, 0, 0, 0, 0, 0, XID.0 as u8,
    0, 0, 0, 0, 0, 0, 0, 0, // buffer, in_port
    0, 16, 0, 0, 0, 0, 0, 0, // bytes of actions
    0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // output
];

/// Appends the message that sends the packet out. What the switch has kept need not go back.
fn packet_out(arrival: &Arrival<'_>, port: PortNo, out: &mut Writer) -> Result<(), EncodeError> {
    let data = if arrival.packet.buffer_id == NO_BUFFER { arrival.packet.data } else { &[] };
    let found = PACKET_OUT.len() + data.len();
    let length = u16::try_from(found).map_err(|_| EncodeError::TooLong { what: "packet_out", found })?;
    let mut bytes = PACKET_OUT;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes[8..12].copy_from_slice(&arrival.packet.buffer_id.to_be_bytes());
    bytes[12..16].copy_from_slice(&arrival.in_port.0.to_be_bytes());
    bytes[28..32].copy_from_slice(&port.0.to_be_bytes());
    out.bytes(&bytes);
    out.bytes(data);
    Ok(())
}

#[cfg(test)]
mod tests;
