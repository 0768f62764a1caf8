//! One batch of FLOW_MODs on its way to a switch: as a bundle, or between barriers where the switch
//! refuses bundles. Every message has an xid that leads back to its flow.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::flow::{Flow, LearntScope};
use crate::openflow::bundle::{BundleControl, BundleControlType, BundleFlags, BundleId, encode_add};
use crate::openflow::error::ONF;
use crate::openflow::flow_mod::GROUP_ANY;
use crate::openflow::packet::NO_BUFFER;
use crate::openflow::{
    EncodeError, ErrorCode, FlowFlags, FlowMod, FlowModCommand, MessageType, Writer, Xid, empty_message, message,
};
use crate::pipeline::cookie::{self, Kind};

/// One thing to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    /// Add a flow, or replace the one of the same identity.
    Add(Arc<Flow>),
    /// Delete the flow of this identity.
    Delete(Arc<Flow>),
    /// Delete learnt flows.
    Forget(LearntScope),
}

impl Operation {
    /// True for the addition of a flow whose absence would open something.
    pub(super) fn is_guard(&self) -> bool {
        matches!(self, Self::Add(flow) if cookie::is_guard(flow.cookie))
    }
}

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// All of it is in effect, but for the operations with a failure of their own.
    Done,
    /// None of it is.
    Failed,
}

/// Why a switch takes no bundle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BundleRefusal {
    /// It says nothing of bundles.
    Unanswered,
    /// It answers with this error.
    Error(ErrorCode),
}

impl BundleRefusal {
    /// True if the switch knows nothing of bundles; else it may take the next.
    pub(super) fn is_for_good(self) -> bool {
        match self {
            Self::Unanswered => true,
            Self::Error(code) => UNKNOWN_MESSAGE.contains(&code),
        }
    }
}

impl fmt::Display for BundleRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered => out.write_str("no answer"),
            Self::Error(code) => code.fmt(out),
        }
    }
}

/// Whether the switch has taken the guards of a bundle into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Guards {
    /// There are none, or all are in.
    In,
    /// Nobody has asked yet.
    Unknown,
    /// A barrier is on its way, before the commit.
    Asked,
    /// One is not: without it, what it guards may not come into effect.
    Refused,
}

/// See the module.
pub(super) struct Batch {
    operations: Vec<Operation>,
    failures: HashMap<usize, ErrorCode>,
    generation: u64,
    bundle: Option<BundleId>,
    /// Of the first message; the operations follow, then commit, then barrier.
    first_xid: u32,
    /// Messages written so far.
    written: usize,
    /// The switch refuses not the operations but the bundle around them.
    bundle_refused: Option<BundleRefusal>,
    guards: Guards,
    outcome: Option<Outcome>,
}

const BUNDLE_FLAGS: BundleFlags = BundleFlags(BundleFlags::ATOMIC.0 | BundleFlags::ORDERED.0);

/// How a switch says that it does not know a message.
const UNKNOWN_MESSAGE: [ErrorCode; 3] =
    [ErrorCode::BRC_BAD_TYPE, ErrorCode::BRC_BAD_EXPERIMENTER, ErrorCode::BRC_BAD_EXP_TYPE];

/// As long as less than this waits to be sent, more is written: with what is being sent, the memory that a switch which
/// does not read takes is about twice this, however many flows it is to have.
pub(super) const ENOUGH: usize = 64 * 1024;

impl Batch {
    /// A batch that brings the switch to `generation`. Takes its xids from `next_xid`.
    pub(super) fn new(operations: Vec<Operation>, generation: u64, bundle: bool, next_xid: &mut Xid) -> Self {
        let guarded = bundle && operations.iter().any(Operation::is_guard);
        let messages = u32::try_from(operations.len()).unwrap_or(u32::MAX).saturating_add(3 + u32::from(guarded));
        // The numbers of one batch follow each other; where too few are left it begins anew.
        let first_xid = next_xid.0.checked_add(messages).map_or(1, |_| next_xid.0);
        *next_xid = Xid(first_xid.saturating_add(messages));
        Self {
            operations,
            failures: HashMap::new(),
            generation,
            bundle: bundle.then_some(BundleId(first_xid)),
            first_xid,
            written: 0,
            bundle_refused: None,
            guards: if guarded { Guards::Unknown } else { Guards::In },
            outcome: None,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn is_bundle(&self) -> bool {
        self.bundle.is_some()
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The operations, each with the error that was its own.
    pub(super) fn into_operations(self) -> impl Iterator<Item = (Operation, Option<ErrorCode>)> {
        let failures = self.failures;
        self.operations.into_iter().enumerate().map(move |(i, operation)| (operation, failures.get(&i).copied()))
    }

    fn xid(&self, message: usize) -> Xid {
        Xid(self.first_xid.wrapping_add(u32::try_from(message).unwrap_or(u32::MAX)))
    }

    fn commit(&self) -> usize {
        self.operations.len() + 1
    }

    fn barrier(&self) -> usize {
        self.operations.len() + 2
    }

    /// The barrier that tells whether the guards are in; it is written before the commit.
    fn question(&self) -> usize {
        self.operations.len() + 3
    }

    /// Writes messages until all are written or `out` holds enough.
    pub(super) fn write(&mut self, out: &mut Writer) -> Result<(), EncodeError> {
        while self.written <= self.barrier() && out.len() < ENOUGH {
            let xid = self.xid(self.written);
            if self.written == 0 {
                self.control(BundleControlType::OPEN_REQUEST, xid, out)?;
            } else if self.written == self.commit() {
                match self.guards {
                    Guards::In => self.control(BundleControlType::COMMIT_REQUEST, xid, out)?,
                    Guards::Refused => self.control(BundleControlType::DISCARD_REQUEST, xid, out)?,
                    Guards::Asked => return Ok(()),
                    Guards::Unknown => {
                        self.guards = Guards::Asked;
                        empty_message(out, MessageType::BARRIER_REQUEST, self.xid(self.question()));
                        return Ok(());
                    }
                }
            } else if self.written == self.barrier() {
                empty_message(out, MessageType::BARRIER_REQUEST, xid);
            } else if let Some(operation) = self.operations.get(self.written - 1) {
                match self.bundle {
                    Some(bundle) => {
                        encode_add(out, (bundle, BUNDLE_FLAGS), xid, |out, xid| flow_mod(operation, xid, out))?;
                    }
                    None => flow_mod(operation, xid, out)?,
                }
            }
            self.written += 1;
        }
        Ok(())
    }

    fn control(&self, control: BundleControlType, xid: Xid, out: &mut Writer) -> Result<(), EncodeError> {
        match self.bundle {
            Some(bundle_id) => BundleControl { bundle_id, control, flags: BUNDLE_FLAGS }.encode(out, xid),
            None => Ok(()),
        }
    }

    /// Which message of this batch an xid belongs to.
    fn message(&self, xid: Xid) -> Option<usize> {
        let message = xid.0.wrapping_sub(self.first_xid) as usize;
        let last = if self.guards == Guards::Asked { self.question() } else { self.barrier() };
        (message <= last).then_some(message)
    }

    /// Why the switch refused the bundle, if it said nothing of the operations.
    pub(super) fn bundle_refused(&self) -> Option<BundleRefusal> {
        self.bundle_refused
    }

    /// Takes note of an error. False: of another message.
    pub(super) fn on_error(&mut self, xid: Xid, code: ErrorCode) -> bool {
        let Some(message) = self.message(xid) else { return false };
        if message == self.barrier() || message == self.question() {
            // Errors come in order: what was before it has been dealt with.
            return self.on_barrier_reply(xid);
        }
        if message == self.commit() {
            if self.failures.is_empty() {
                self.bundle_refused.get_or_insert(BundleRefusal::Error(code));
            }
            self.fail();
        } else if message == 0 || (self.is_bundle() && concerns_bundle(code)) {
            self.bundle_refused.get_or_insert(BundleRefusal::Error(code));
        } else {
            self.failures.insert(message - 1, code);
        }
        true
    }

    fn fail(&mut self) {
        if self.bundle_refused.is_some() {
            // Errors for what was to go into a refused bundle say nothing of the flows.
            self.failures.clear();
        }
        self.outcome = Some(Outcome::Failed);
    }

    pub(super) fn on_commit_reply(&mut self, xid: Xid) {
        if self.message(xid) != Some(self.commit()) {
            return;
        }
        if self.bundle_refused.is_some() {
            self.fail();
        } else {
            self.outcome = Some(Outcome::Done);
        }
    }

    /// A barrier ends a batch without bundle, and tells whether the guards are in one. False: another's barrier.
    pub(super) fn on_barrier_reply(&mut self, xid: Xid) -> bool {
        let message = self.message(xid);
        if message == Some(self.question()) {
            let refused =
                |(at, operation): (usize, &Operation)| operation.is_guard() && self.failures.contains_key(&at);
            let any = self.operations.iter().enumerate().any(refused);
            self.guards = if any { Guards::Refused } else { Guards::In };
            return true;
        }
        if message != Some(self.barrier()) {
            return false;
        }
        if self.outcome.is_none() && self.guards == Guards::Refused {
            self.fail();
        } else if self.outcome.is_none() && self.is_bundle() {
            // Neither committed nor refused: this switch knows nothing of bundles.
            self.bundle_refused = Some(BundleRefusal::Unanswered);
            self.fail();
        } else if self.outcome.is_none() {
            self.outcome = Some(Outcome::Done);
        }
        true
    }
}

/// True for errors that a bundle's message brings because of the bundle, whatever the flow in it.
fn concerns_bundle(code: ErrorCode) -> bool {
    let of_bundles = ErrorCode::BFC_UNKNOWN.code..=ErrorCode::BFC_BUNDLE_IN_PROGRESS.code;
    (code.experimenter == ONF && of_bundles.contains(&code.code)) || UNKNOWN_MESSAGE.contains(&code)
}

fn flow_mod(operation: &Operation, xid: Xid, out: &mut Writer) -> Result<(), EncodeError> {
    message(out, MessageType::FLOW_MOD, xid, |out| match operation {
        Operation::Add(flow) => flow.to_add().encode(out),
        Operation::Delete(flow) => flow.to_delete().encode(out),
        Operation::Forget(scope) => forget(scope).encode(out),
    })
}

/// Deletes flows that are learnt, and those alone.
fn forget(scope: &LearntScope) -> FlowMod<'_> {
    FlowMod {
        cookie: cookie::cookie(Kind::Learnt, ""),
        cookie_mask: cookie::KIND_MASK,
        table: scope.table,
        command: FlowModCommand::DELETE,
        idle_timeout: 0,
        hard_timeout: 0,
        priority: 0,
        buffer_id: NO_BUFFER,
        out_port: scope.out_port,
        out_group: GROUP_ANY,
        flags: FlowFlags::default(),
        match_tlvs: scope.matching.as_bytes(),
        instructions: &[],
    }
}
