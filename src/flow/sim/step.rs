//! What a packet met on its way: the result of a trace, as data.

use std::fmt;
use std::sync::Arc;

use super::network::{BridgeId, Cable, End};
use super::packet::Packet;
use super::table::Clause;
use crate::flow::Flow;
use crate::openflow::{Action, Instruction, PortNo, Subfield, TableId};

/// One thing that happened, in the order in which they happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The packet comes to a bridge.
    Bridge {
        /// Which.
        bridge: BridgeId,
        /// What it meets there.
        steps: Vec<Step>,
    },
    /// It goes on in a table after it was put aside.
    Thaw(TableId),
    /// It is looked up in a table.
    Table {
        /// Which.
        table: TableId,
        /// What it hits; `None`: no flow.
        hit: Option<Box<Hit>>,
        /// What the flow does with it.
        steps: Vec<Step>,
    },
    /// A flow, or a bucket, does nothing with it: it is dropped.
    Drop,
    /// An action.
    Action(Action),
    /// An instruction other than that to apply actions.
    Instruction(Instruction),
    /// A bucket of a group.
    Bucket {
        /// Its number.
        id: u32,
        /// What it does.
        steps: Vec<Step>,
    },
    /// One of the two cases of `check_pkt_larger`.
    Case {
        /// Whether the packet is larger.
        larger: bool,
        /// What happens then.
        steps: Vec<Step>,
    },
    /// The action set is executed.
    ActionSet(Vec<Step>),
    /// Something to know about the step before.
    Note(Note),
}

impl Step {
    /// The steps within it, and the bridge that they are about, where it is itself about `bridge`.
    pub fn inner(&self, bridge: BridgeId) -> (BridgeId, &[Self]) {
        match self {
            Self::Bridge { bridge, steps } => (*bridge, steps),
            Self::Table { steps, .. } | Self::Bucket { steps, .. } | Self::Case { steps, .. } => (bridge, steps),
            Self::ActionSet(steps) => (bridge, steps),
            Self::Thaw(_) | Self::Drop | Self::Action(_) | Self::Instruction(_) | Self::Note(_) => (bridge, &[]),
        }
    }
}

/// The flow that a packet hits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    /// The flow.
    pub flow: Arc<Flow>,
    /// Another of the same priority that it could have hit.
    pub rival: Option<Arc<Flow>>,
    /// A flow for each clause, where a conjunction led there.
    pub clauses: Vec<(Clause, Arc<Flow>)>,
}

/// How much a note matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// What happened.
    Detail,
    /// Something did not happen.
    Warning,
    /// What flows do not tell.
    Unknown,
    /// The switch gives up on the packet.
    Error,
}

/// Something to know about a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// What a subfield holds now.
    Now(Subfield, u128),
    /// `output:REG` read this port.
    OutputPort(u128),
    /// The number in the register is no port.
    OutOfRange(u128),
    /// The packet goes no further with this action: it came from there.
    ToInputPort,
    /// The packet has no frame any more, and the port takes nothing else.
    NotEthernet,
    /// The bridge has no such port.
    NoSuchPort(PortNo),
    /// The port's configuration forbids it.
    Forbidden(PortNo),
    /// It comes out of the tunnel at another host, below.
    Arrives(End),
    /// The flows of the other bridge would be needed.
    BeyondBridge(String),
    /// `resubmit(…,ct)` of a packet that was not tracked.
    NotTracked,
    /// The action writes a field that the packet does not have.
    MissingField(&'static str),
    /// `pop` of an empty stack.
    StackUnderflow,
    /// A TTL ran out: the packet goes no further in this list of actions.
    TtlExpired(&'static str),
    /// A clone of the packet goes on in this table once it was tracked, below.
    Forked(TableId),
    /// The packet is not tracked any more.
    Untracked,
    /// The group is not there.
    NoSuchGroup(u32),
    /// The groups were not told.
    UnknownGroup(u32),
    /// The group uses this bucket.
    UsesBucket(u32),
    /// One of this many buckets, by a hash.
    OneOfBuckets(usize),
    /// No bucket of the group lives.
    NoLiveBucket,
    /// A bucket lives if its port does, which is not known.
    AssumedLive(u32),
    /// One of this many, by a hash; taken is the first.
    ByHash(u32),
    /// `check_pkt_larger`: both cases follow.
    BothLengths(u16),
    /// What `learn` adds to the switch.
    Learns(Box<Flow>),
    /// The action set holds this now.
    ActionSetIs(Vec<Action>),
    /// `NORMAL` forwards within this VLAN (0: without one).
    InVlan(u16),
    /// `NORMAL` drops it: a tag on an access port, which carries this VLAN.
    TaggedOnAccess(u16),
    /// `NORMAL` drops what is meant for the next bridge alone.
    ReservedMulticast,
    /// `NORMAL` knows where the address is.
    Learnt(PortNo),
    /// `NORMAL` knows that it came from there.
    LearntOnInput,
    /// `NORMAL` knows nothing of the address and floods.
    Floods,
    /// `NORMAL`: the VLAN of the input port is not told by flows.
    UnknownVlan(PortNo),
    /// `NORMAL`: which addresses were learnt is not told by flows.
    UnknownMacs,
    /// The bridge's ports are not all known.
    UnknownPorts,
    /// What the label covered is looked at anew, and is not known.
    InnerHeaders,
    /// The packet waits for a controller to send it on.
    Paused,
    /// A sample of packets is reported.
    Sampled,
    /// `conjunction` does nothing by itself.
    IdleConjunction,
    /// An action that this version does not know: it was passed over.
    UnknownAction,
    /// A flow that this version cannot hold against the packet: taken not to match.
    UnknownMatch(Arc<Flow>),
    /// Why the switch gives up.
    Fault(Fault),
}

/// Why a switch gives up on a packet: nothing of what was decided before happens (`xlate_error`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// A resubmit within a resubmit and so on.
    #[error("resubmitted more than 64 deep")]
    TooDeep,
    /// Resubmits without end.
    #[error("resubmitted more than 4096 times")]
    TooManyResubmits,
    /// The stack does not end.
    #[error("more than 64 kB on the stack")]
    StackTooDeep,
    /// Deeper than Open vSwitch looks.
    #[error("more MPLS labels than three")]
    TooManyLabels,
    /// `encap` or `decap` of what cannot be.
    #[error("a packet type that encap and decap do not take")]
    UnsupportedPacketType,
}

impl Note {
    /// How much it matters.
    pub const fn weight(&self) -> Weight {
        match self {
            Self::OutOfRange(_)
            | Self::NotEthernet
            | Self::NoSuchPort(_)
            | Self::Forbidden(_)
            | Self::MissingField(_)
            | Self::TtlExpired(_)
            | Self::NoSuchGroup(_)
            | Self::NoLiveBucket
            | Self::ToInputPort
            | Self::TaggedOnAccess(_)
            | Self::ReservedMulticast
            | Self::LearntOnInput
            | Self::StackUnderflow
            | Self::NotTracked
            | Self::IdleConjunction => Weight::Warning,
            Self::BeyondBridge(_)
            | Self::UnknownGroup(_)
            | Self::OneOfBuckets(_)
            | Self::AssumedLive(_)
            | Self::ByHash(_)
            | Self::BothLengths(_)
            | Self::UnknownVlan(_)
            | Self::UnknownMacs
            | Self::UnknownPorts
            | Self::InnerHeaders
            | Self::UnknownAction
            | Self::UnknownMatch(_) => Weight::Unknown,
            Self::Fault(_) => Weight::Error,
            _ => Weight::Detail,
        }
    }
}

/// Where a copy of the packet ends up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Destination {
    /// A port.
    Port(PortNo),
    /// A port that is a tunnel.
    Tunnel(PortNo),
    /// The controllers, for this reason.
    Controller(Reason),
    /// Ports that `NORMAL` chooses.
    Normal,
    /// All ports but the one that it came from, of which not all are known.
    Flood,
}

/// `OFPR_*` of a packet-in (OpenFlow 1.3.5 §7.4.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reason(pub u8);

impl Reason {
    /// `OFPR_NO_MATCH`.
    pub const NO_MATCH: Self = Self(0);
    /// `OFPR_ACTION`.
    pub const ACTION: Self = Self(1);
    /// `OFPR_INVALID_TTL`.
    pub const INVALID_TTL: Self = Self(2);
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = crate::openflow::action::Controller::REASONS.get(usize::from(self.0));
        match name {
            Some(name) => out.write_str(name),
            None => self.0.fmt(out),
        }
    }
}

/// A copy of the packet that leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// From which bridge.
    pub bridge: BridgeId,
    /// Where to.
    pub to: Destination,
    /// As it is then.
    pub packet: Packet,
    /// False if it depends on what is not known.
    pub certain: bool,
}

/// Why the packet starts anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    /// The packet that was asked about.
    Received,
    /// It was tracked and goes on.
    Tracked {
        /// In which table.
        table: TableId,
        /// True if nobody said what conntrack knows of it, and a new connection was assumed.
        assumed: bool,
    },
    /// It came to another host.
    Arrived {
        /// From which port.
        from: End,
        /// Through what.
        cable: Cable,
    },
}

/// The way from one start until nothing is left to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leg {
    /// Why it begins.
    pub start: Start,
    /// On which bridge.
    pub bridge: BridgeId,
    /// As it is at first.
    pub first: Packet,
    /// What happens.
    pub steps: Vec<Step>,
    /// As it is in the end, on the first bridge.
    pub last: Packet,
    /// True if it goes on in another leg.
    pub goes_on: bool,
    /// What leaves.
    pub deliveries: Vec<Delivery>,
    /// Why the switch gives up.
    pub fault: Option<Fault>,
}

/// A whole trace: the leg that was asked for, and those that followed from it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    /// In the order in which they began.
    pub legs: Vec<Leg>,
    /// True if there were more than a trace follows.
    pub cut: bool,
}

impl Trace {
    /// Whether a copy of the packet comes out anywhere. What only tells the controllers that nothing took it
    /// (`OFPR_NO_MATCH`) does not count.
    pub fn goes_somewhere(&self) -> bool {
        let told = Destination::Controller(Reason::NO_MATCH);
        self.legs.iter().flat_map(|leg| &leg.deliveries).any(|delivery| delivery.to != told)
    }
}
