//! What the flows of the firewall tell of packets, as records for the log.
//!
//! A packet is looked at only once the limit has let it in. Records wait in a queue of fixed size until the connection
//! takes them; what finds no place, at the limit or in the queue, is counted, and the next record of the port says how
//! much that was.

mod headers;
mod rules;
#[cfg(test)]
mod tests;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

pub use headers::{Headers, Transport};
pub use rules::{Allowed, LoggedPort};

use super::limits::{Limits, Source};
use super::snapshot::Snapshot;
use super::{Topic, Verdict};
use crate::openflow::PortNo;
use crate::openflow::packet::{PacketIn, PacketInReason};
use crate::packet::Fragment;
use crate::pipeline::cookie::{self, Kind};
use crate::pipeline::tables;
use crate::topology::Direction;

/// Records that may wait.
const QUEUE: usize = 256;
/// The register with the number of the port that a packet is about.
const PORT: u8 = 5;
/// The register that is not 0 for an answer held to the rules of the other direction.
const ANSWER: u8 = 12;
/// The register with the number of the conjunction that was met last.
const CONJUNCTION: u8 = 7;

/// What became of a packet, as its flow knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Accepted,
    Dropped(Reason),
}

/// Why a packet was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// No rule allows it.
    NoRule,
    /// It belongs to a connection that no rule allows any more.
    Revoked,
    /// It belongs to no connection as it is known.
    Invalid,
    /// Its addresses are not the port's.
    Forged,
    /// It is a DHCP server's answer or a router's advertisement, and comes from a port.
    Server,
}

impl Reason {
    /// As the log says it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoRule => "no rule allows it",
            Self::Revoked => "no rule allows its connection any more",
            Self::Invalid => "it belongs to no known connection",
            Self::Forged => "not from an address of the port",
            Self::Server => "a port is no DHCP server and no router",
        }
    }
}

/// What became of a packet, and by what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It was let through; `None`: by a rule that is not there any more.
    Accepted(Option<Allowed>),
    /// It was dropped.
    Dropped(Reason),
}

/// A line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The port that the packet left or was for.
    pub port: Arc<LoggedPort>,
    /// Which of both.
    pub direction: Direction,
    /// What became of it.
    pub decision: Decision,
    /// What it was.
    pub headers: Headers,
    /// How many packets of the port came up since the record before and are told of by no other.
    pub suppressed: u32,
}

/// What a flow of the firewall says of a packet that it sent up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sight {
    port: PortNo,
    direction: Direction,
    fate: Fate,
}

impl Sight {
    /// `None` of a packet that came up for something else.
    #[inline]
    pub(super) fn of(packet_in: &PacketIn<'_>) -> Option<Self> {
        if packet_in.reason != PacketInReason::NO_MATCH {
            return None;
        }
        let (Ok(kind), _) = cookie::decode(packet_in.cookie)? else { return None };
        let fate = match kind {
            Kind::PortBegins | Kind::PortDelivered => Fate::Accepted,
            Kind::PortNoRule => Fate::Dropped(Reason::NoRule),
            Kind::PortCut | Kind::PortRevoked => Fate::Dropped(Reason::Revoked),
            Kind::PortInvalid => Fate::Dropped(Reason::Invalid),
            Kind::PortForged => Fate::Dropped(Reason::Forged),
            Kind::PortServerOut => Fate::Dropped(Reason::Server),
            _ => return None,
        };
        let direction = match packet_in.table_id {
            tables::RULES_INGRESS | tables::ACCEPTED_INGRESS => Direction::Ingress,
            _ => Direction::Egress,
        };
        let direction = if packet_in.register(ANSWER) == 0 { direction } else { direction.other() };
        Some(Self { port: PortNo(packet_in.register(PORT)), direction, fate })
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct SecurityLog {
    limits: Limits,
    /// Of each place of a port, what was told of by no record.
    suppressed: Box<[u32]>,
    records: Vec<Record>,
}

impl SecurityLog {
    /// Tells of so many packets.
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, suppressed: vec![0; Source::PLACES].into_boxed_slice(), records: Vec::with_capacity(QUEUE) }
    }

    /// Counts what a flow tells of a packet, and makes a record of it if there is room for one.
    pub(super) fn hear(
        &mut self,
        sight: Sight,
        packet_in: &PacketIn<'_>,
        snapshot: &Snapshot,
        now: Duration,
    ) -> (Source, Topic, Verdict) {
        let source = Source::Port(sight.port);
        let admitted = self.limits.admit(source, now) && self.records.len() < QUEUE;
        let verdict = match snapshot.port(sight.port).and_then(|port| port.log.as_ref()) {
            None => Verdict::Ignored("no security group of the port has a log"),
            Some(_) if !admitted => {
                if let Some(count) = self.suppressed.get_mut(source.place()) {
                    *count = count.saturating_add(1);
                }
                Verdict::Limited
            }
            Some(port) => self.record(sight, packet_in, port),
        };
        (source, Topic::SecurityLog, verdict)
    }

    fn record(&mut self, sight: Sight, packet_in: &PacketIn<'_>, port: &Arc<LoggedPort>) -> Verdict {
        let headers = Headers::of(packet_in);
        let decision = match sight.fate {
            Fate::Dropped(reason) => Decision::Dropped(reason),
            // Nothing in it tells what it belongs to: the first one says that.
            Fate::Accepted if headers.fragment == Fragment::Later => return Verdict::Ignored("a later fragment"),
            Fate::Accepted => {
                Decision::Accepted(port.allowing(sight.direction, packet_in.register(CONJUNCTION), &headers))
            }
        };
        let suppressed = self.suppressed.get_mut(Source::Port(sight.port).place()).map(mem::take).unwrap_or(0);
        self.records.push(Record { port: port.clone(), direction: sight.direction, decision, headers, suppressed });
        Verdict::Logged
    }

    /// If records wait.
    pub(super) const fn is_waiting(&self) -> bool {
        !self.records.is_empty()
    }

    /// The records that wait, in the order of their packets.
    pub(super) fn take(&mut self) -> Vec<Record> {
        self.records.drain(..).collect()
    }

    /// Goes on where another one stopped.
    pub(super) fn inherit(&mut self, before: Self) {
        (self.suppressed, self.records) = (before.suppressed, before.records);
    }
}
