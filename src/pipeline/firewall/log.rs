//! What of a port's packets goes up to Heddle, for the log of its security groups: a copy of the first bytes of what is
//! refused, and of what begins something that a rule allows. The packet itself goes its way as without a log.

use super::{Bound, FAMILIES, ON, ct_state, state};
use crate::openflow::numbers::IP_PROTO_TCP;
use crate::openflow::packet::PacketInReason;
use crate::openflow::{Action, Match, oxm};
use crate::pipeline::cookie::Kind;
use crate::pipeline::object::{Entry, Sink};
use crate::pipeline::tables::{ACCEPT_OR_INGRESS, ACCEPTED_INGRESS, DROPPED, RULES_EGRESS, RULES_INGRESS};
use crate::topology::{Log, Port, Topology};

/// Bytes of a packet that go up: IPv6 and TCP with all of its options, behind a tag.
const TOLD_BYTES: u16 = 128;
/// `reg8` of a packet that a port sends: Heddle has heard of it.
const TOLD: u128 = 1;
/// TCP flags as `ovs-fields(7)` has them.
const SYN: u128 = 0x002;
const ACK: u128 = 0x010;

/// Which packets of a port its security groups want to be told of.
#[derive(Clone, Copy, Default)]
pub(super) struct Told {
    refused: bool,
    begun: bool,
    /// If its connections are followed.
    stateful: bool,
}

impl Told {
    pub(super) fn of(port: &Port, topology: &Topology) -> Self {
        let logs = || topology.groups_of(port).filter_map(|group| group.log);
        let stateful = topology.is_stateful(port);
        Self { refused: logs().any(Log::tells_drops), begun: logs().any(Log::tells_accepts), stateful }
    }

    /// For what begins something.
    pub(super) fn begun(self) -> Vec<Action> {
        Vec::from_iter(self.begun.then(tell))
    }

    /// For what is refused.
    pub(super) fn refused(self) -> Vec<Action> {
        Vec::from_iter(self.refused.then(tell))
    }

    /// Passes on to table 73 what needs no rule: nothing is to be told of it.
    pub(super) fn needless(self) -> Vec<Action> {
        let marked = (self.begun && !self.stateful).then(|| Action::set_field(&oxm::REG8, TOLD));
        Vec::from_iter(marked.into_iter().chain([Action::resubmit(ACCEPT_OR_INGRESS)]))
    }

    /// Refuses, and tells of it.
    pub(super) fn drop(self) -> Vec<Action> {
        [self.refused(), vec![Action::resubmit(DROPPED)]].concat()
    }
}

/// `controller(reason=no_match,max_len=128)`. Open vSwitch has a `controller_rate_limit` for misses and another one for
/// what flows send up otherwise: so DHCP never waits behind a flood for the log.
fn tell() -> Action {
    Action::Controller { max_len: TOLD_BYTES, id: 0, reason: PacketInReason::NO_MATCH.0 }
}

/// The flows that are there for the log alone.
pub(super) fn port(bound: &Bound<'_>, sink: &mut Sink<'_>) {
    if bound.told.refused {
        let drop = bound.told.drop();
        for table in [RULES_EGRESS, RULES_INGRESS] {
            let invalid = ct_state(bound.about(), state::INV | state::TRK, 0);
            sink.add(ON, Entry::new(table, 51, Kind::PortInvalid, invalid).apply(&drop));
        }
    }
    if bound.told.begun {
        sent(bound, sink);
        if !bound.told.stateful {
            received_untracked(bound, sink);
        }
    }
}

/// What the port sends is told of in front of the flows that look where it goes, once.
fn sent(bound: &Bound<'_>, sink: &mut Sink<'_>) {
    let once = |matching: Match| matching.field(&oxm::REG8, 0);
    let again = [Action::set_field(&oxm::REG8, TOLD), Action::resubmit(ACCEPT_OR_INGRESS)];
    let tell = [&[tell()][..], &again].concat();
    let entry = |priority, matching| Entry::new(ACCEPT_OR_INGRESS, priority, Kind::PortBegins, once(matching));
    if bound.told.stateful {
        let new = ct_state(bound.about(), state::NEW, state::EST);
        return sink.add(ON, entry(112, new).apply(&tell));
    }
    for family in FAMILIES {
        let [begins, goes_on, other] = untracked(bound, family);
        sink.add(ON, entry(112, begins).apply(&tell));
        sink.add(ON, entry(111, goes_on).apply(&again));
        sink.add(ON, entry(110, other).apply(&tell));
    }
}

/// What a port whose connections nobody follows receives. What a neighbour sends with a connection is told of where it
/// is delivered, as to any port.
fn received_untracked(bound: &Bound<'_>, sink: &mut Sink<'_>) {
    let deliver = [Action::output(bound.ofport)];
    let tell = [&[tell()][..], &deliver].concat();
    let entry = |priority, matching| Entry::new(ACCEPTED_INGRESS, priority, Kind::PortBegins, matching);
    for family in FAMILIES {
        let [begins, goes_on, other] = untracked(bound, family);
        sink.add(ON, entry(87, begins).apply(&tell));
        sink.add(ON, entry(86, goes_on).apply(&deliver));
        sink.add(ON, entry(85, other).apply(&tell));
    }
}

/// Without connections, of TCP only the first packet says that it begins something: that one, the others, and all that
/// is not TCP.
fn untracked(bound: &Bound<'_>, family: u16) -> [Match; 3] {
    let packet = || ct_state(bound.about().eth_type(family), 0, state::TRK | state::INV);
    let tcp = || packet().ip_proto(IP_PROTO_TCP);
    [tcp().field_masked(&oxm::TCP_FLAGS, SYN, SYN | ACK), tcp(), packet()]
}
