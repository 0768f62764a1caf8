//! Packets that a flow sends up, and their answers.
//!
//! Pure: the bytes of a PACKET_IN come in, those of PACKET_OUTs go out, time is a [`Duration`] since the connection
//! began. Each connection has a [`Responder`] of its own and calls it from its own task; what it answers from is a
//! [`Snapshot`] that the agent replaces as a whole. Nothing here allocates per packet, and nothing waits.
//!
//! ```text
//! PACKET_IN ─► Query ─► Limits ─► by what it is: ARP, ND, DHCP … ─► Reply ─► PACKET_OUT
//!                                        │
//!                                     Snapshot ◄── Answers ◄── topology, bindings
//! ```
#![deny(clippy::unwrap_used, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod addresses;
pub mod answers;
mod arp;
#[cfg(test)]
mod arp_nd_tests;
pub mod dhcpv4;
pub mod dhcpv6;
mod identity;
pub mod latency;
pub mod learning;
pub mod limits;
mod nd;
pub mod neighbors;
pub mod query;
pub mod ra;
pub mod reply;
pub mod security_log;
pub mod snapshot;
pub mod tally;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use answers::Answers;
pub use latency::Latency;
pub use learning::LearningBridge;
pub use limits::{Limits, Rate, Source};
pub use query::{Query, Topic};
pub use reply::{Destination, Reply};
pub use snapshot::{PortAnswers, Snapshot};
pub use tally::{Counts, Outcome, Punts, Talker, Tally};

use self::query::Body;
use self::ra::Schedule;
use self::security_log::{Record, SecurityLog, Sight};
use crate::openflow::packet::PacketIn;
use crate::openflow::{PortNo, Writer};
use crate::packet::PacketError;

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It was answered.
    Answered,
    /// It went on its way through the flows, as if it had not come up.
    PassedOn,
    /// The firewall told of it, and the log will.
    Logged,
    /// There is nothing to answer; why.
    Ignored(&'static str),
    /// It came above the limit of its port or bridge, or the switch does not read its answers.
    Limited,
    /// It is not what its headers say.
    Malformed(PacketError),
}

/// The port that a packet came in through, if the switch says so.
fn in_port(packet_in: &PacketIn<'_>) -> PortNo {
    packet_in.in_port().unwrap_or(PortNo::ANY)
}

/// Which packets come up on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// None that would be answered.
    Silent,
    /// `br-int`: what local ports send; `in_port` says which one.
    Integration,
    /// `br-tun`: what local ports send towards other nodes, with the local VLAN of their network as tag.
    Tunnel,
}

/// Why nothing is said to what no responder is there for.
const NOBODY: &str = "nobody answers it";

/// Answers the packets of one connection.
#[derive(Debug)]
pub struct Responder {
    role: Role,
    snapshot: Arc<Snapshot>,
    /// See [`Responder::foresees`].
    foresees: bool,
    limits: Limits,
    tally: Tally,
    advertisements: Schedule,
    /// Of `br-int`, once somebody reads it.
    security_log: Option<SecurityLog>,
    /// The snapshot has changed since the advertisements followed it.
    is_new: bool,
    /// On a learning bridge: it answers everything.
    learning: Option<LearningBridge>,
}

impl Responder {
    /// Answers nothing: for a connection that was not adopted yet, and for physical bridges.
    pub fn silent() -> Self {
        Self::new(Role::Silent, Arc::default(), Limits::none())
    }

    /// Answers what comes up on a bridge of this role.
    pub fn new(role: Role, snapshot: Arc<Snapshot>, limits: Limits) -> Self {
        Self {
            role,
            foresees: role == Role::Tunnel && snapshot.outgrows_caches(),
            snapshot,
            limits,
            tally: Tally::default(),
            advertisements: Schedule::default(),
            security_log: None,
            is_new: true,
            learning: None,
        }
    }

    /// Makes records of what the firewall tells of packets, as many as these limits allow.
    pub fn with_security_log(self, limits: Limits) -> Self {
        Self { security_log: Some(SecurityLog::new(limits)), ..self }
    }

    /// Switches what comes up on a learning bridge.
    pub fn learning() -> Self {
        Self { learning: Some(LearningBridge::new()), ..Self::silent() }
    }

    /// The bridge that learns, if this is one.
    pub const fn learning_bridge(&mut self) -> Option<&mut LearningBridge> {
        self.learning.as_mut()
    }

    /// From now on, answers from `snapshot`.
    pub fn set_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        self.foresees = self.role == Role::Tunnel && snapshot.outgrows_caches();
        self.snapshot = snapshot;
        self.is_new = true;
    }

    /// What came up since the last [`Responder::take_punts`], and what became of it.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether answers are likely to wait for memory, so that it pays to [`foresee`](Self::foresee) packets.
    pub const fn foresees(&self) -> bool {
        self.foresees
    }

    /// These packets come next: has the processor fetch what their answers will look up, for all of them at once.
    pub fn foresee<'a>(&self, packets: impl Iterator<Item = &'a PacketIn<'a>>) {
        for packet_in in packets {
            let Some((vid, address)) = query::likely_target(packet_in.data) else { continue };
            let Some(known) = self.snapshot.network(vid) else { continue };
            match address {
                IpAddr::V4(address) => known.addresses.prefetch_ipv4(address),
                IpAddr::V6(address) => known.addresses.prefetch_ipv6(address),
            }
        }
    }

    /// One packet from the switch: appends what is to be sent for it, whole messages only.
    pub fn on_packet_in(&mut self, packet_in: &PacketIn<'_>, now: Duration, out: &mut Writer) {
        if let Some(bridge) = &mut self.learning {
            let verdict = bridge.on_packet_in(packet_in, now, out);
            return self.tally.count(Source::Port(in_port(packet_in)), Topic::Learning, verdict, now);
        }
        if self.role == Role::Integration
            && let Some(sight) = Sight::of(packet_in)
        {
            return self.hear(sight, packet_in, now);
        }
        let begin = out.begin();
        let (source, topic, verdict) = match Query::of(packet_in, self.role) {
            Ok(query) if !self.limits.admit(query.source(), now) => (query.source(), query.topic, Verdict::Limited),
            Ok(query) => {
                let mut reply = Reply::new(&query, out);
                let verdict = self.answer(&query, now, &mut reply);
                let verdict = if reply.is_sound() { verdict } else { Verdict::Ignored("its answer is too long") };
                (query.source(), query.topic, verdict)
            }
            Err(error) => (Source::Port(in_port(packet_in)), Topic::Other, Verdict::Malformed(error)),
        };
        if !matches!(verdict, Verdict::Answered | Verdict::PassedOn) {
            out.undo(begin);
        }
        self.tally.count(source, topic, verdict, now);
    }

    /// What the firewall tells of a packet is no question to anybody.
    fn hear(&mut self, sight: Sight, packet_in: &PacketIn<'_>, now: Duration) {
        let (source, topic, verdict) = match &mut self.security_log {
            Some(log) => log.hear(sight, packet_in, &self.snapshot, now),
            None => (Source::Port(in_port(packet_in)), Topic::SecurityLog, Verdict::Ignored("nobody reads the log")),
        };
        self.tally.count(source, topic, verdict, now);
    }

    /// If records for the log of the firewall wait.
    pub fn has_records(&self) -> bool {
        self.security_log.as_ref().is_some_and(SecurityLog::is_waiting)
    }

    /// The records that wait, in the order of their packets.
    pub fn take_records(&mut self) -> Vec<Record> {
        self.security_log.as_mut().map(SecurityLog::take).unwrap_or_default()
    }

    /// One packet that there is no room to answer.
    pub fn on_packet_in_refused(&mut self, packet_in: &PacketIn<'_>, now: Duration) {
        self.tally.count(Source::Port(in_port(packet_in)), Topic::Other, Verdict::Limited, now);
    }

    /// If answers wait to be sent.
    pub const fn has_leaving(&self) -> bool {
        self.tally.has_leaving()
    }

    /// Everything that was appended has been sent.
    pub fn on_sent(&mut self, now: Duration) {
        self.tally.left(now);
    }

    /// What came up since the last time; `None` if that is nothing.
    pub fn take_punts(&mut self) -> Option<Punts> {
        self.tally.take()
    }

    /// Goes on counting, and advertising, where another one stopped.
    pub fn inherit(&mut self, before: Self) {
        self.tally = before.tally;
        self.advertisements = before.advertisements;
        if let (Some(log), Some(before)) = (&mut self.security_log, before.security_log) {
            log.inherit(before);
        }
    }

    fn answer(&mut self, query: &Query<'_>, now: Duration, reply: &mut Reply<'_>) -> Verdict {
        let network = || self.snapshot.network(query.vid());
        match (query.role, query.topic, &query.body) {
            (Role::Tunnel, Topic::Arp, Body::Arp(packet)) => arp::answer(query, *packet, network(), reply),
            (Role::Tunnel, Topic::Nd, Body::Icmpv6(ip, icmp)) => nd::answer(query, (ip, icmp), network(), reply),
            (Role::Integration, _, _) => self.answer_port(query, now, reply),
            _ => Verdict::Ignored(NOBODY),
        }
    }

    /// What a local port asks of the servers and routers that Heddle is.
    fn answer_port(&mut self, query: &Query<'_>, now: Duration, reply: &mut Reply<'_>) -> Verdict {
        if query.topic == Topic::RouterSolicitation {
            self.follow_snapshot(now);
        }
        let Some(port) = self.snapshot.port(query.in_port) else {
            return Verdict::Ignored("of a port that is not bound");
        };
        let PortAnswers { dhcpv4, dhcpv6, router, .. } = port;
        match (query.topic, &query.body) {
            (Topic::Dhcpv4, Body::Udp4(ip, udp)) => {
                dhcpv4.as_ref().map_or(Verdict::Ignored(NOBODY), |server| server.answer(query, (ip, udp), reply))
            }
            (Topic::Dhcpv6, _) => {
                dhcpv6.as_ref().map_or(Verdict::Ignored(NOBODY), |server| server.answer(query, reply))
            }
            (Topic::RouterSolicitation, _) => router
                .as_ref()
                .map_or(Verdict::Ignored(NOBODY), |router| self.advertisements.answer(router, query, now, reply)),
            _ => Verdict::Ignored(NOBODY),
        }
    }

    /// What is advertised follows the snapshot before anything is said from it: what was said is to be let go later.
    fn follow_snapshot(&mut self, now: Duration) {
        if std::mem::take(&mut self.is_new) {
            self.advertisements.follow(&self.snapshot, now);
        }
    }

    /// Time passes; call it about once a second.
    pub fn on_tick(&mut self, now: Duration, out: &mut Writer) {
        if self.role != Role::Integration {
            return;
        }
        self.follow_snapshot(now);
        self.advertisements.on_tick(now, &mut Reply::unasked(out));
    }
}
