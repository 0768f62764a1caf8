//! One batch of FLOW_MODs on its way to a switch: as a bundle, or between barriers where the switch
//! refuses bundles. Every message has an xid that leads back to its flow.

use std::collections::HashMap;
use std::sync::Arc;

use crate::flow::{Flow, LearntScope};
use crate::openflow::bundle::{BundleControl, BundleControlType, BundleFlags, BundleId, encode_add};
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

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// All of it is in effect, but for the operations with a failure of their own.
    Done,
    /// None of it is.
    Failed,
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
    refused_to_open: bool,
    outcome: Option<Outcome>,
}

const BUNDLE_FLAGS: BundleFlags = BundleFlags(BundleFlags::ATOMIC.0 | BundleFlags::ORDERED.0);

/// As long as less than this waits to be sent, more is written.
const ENOUGH: usize = 256 * 1024;

impl Batch {
    /// A batch that brings the switch to `generation`. Takes its xids from `next_xid`.
    pub(super) fn new(operations: Vec<Operation>, generation: u64, bundle: bool, next_xid: &mut Xid) -> Self {
        let first_xid = next_xid.0;
        let messages = u32::try_from(operations.len()).unwrap_or(u32::MAX).saturating_add(3);
        *next_xid = Xid(first_xid.checked_add(messages).unwrap_or(1));
        Self {
            operations,
            failures: HashMap::new(),
            generation,
            bundle: bundle.then_some(BundleId(first_xid)),
            first_xid,
            written: 0,
            refused_to_open: false,
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

    /// Writes messages until all are written or `out` holds enough.
    pub(super) fn write(&mut self, out: &mut Writer) -> Result<(), EncodeError> {
        while self.written <= self.barrier() && out.len() < ENOUGH {
            let xid = self.xid(self.written);
            if self.written == 0 {
                self.control(BundleControlType::OPEN_REQUEST, xid, out)?;
            } else if self.written == self.commit() {
                self.control(BundleControlType::COMMIT_REQUEST, xid, out)?;
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
        (message <= self.barrier()).then_some(message)
    }

    /// Takes note of an error. False: of another message.
    pub(super) fn on_error(&mut self, xid: Xid, code: ErrorCode) -> bool {
        match self.message(xid) {
            None => return false,
            Some(0) => {
                // Without a bundle the errors for what was to go into it say nothing of the flows.
                self.failures.clear();
                self.refused_to_open = true;
            }
            Some(message) if message == self.commit() || message == self.barrier() => {
                self.outcome = Some(Outcome::Failed);
            }
            Some(message) => {
                if !self.refused_to_open {
                    self.failures.insert(message - 1, code);
                }
            }
        }
        true
    }

    pub(super) fn on_commit_reply(&mut self, xid: Xid) {
        if self.message(xid) == Some(self.commit()) {
            self.outcome = Some(Outcome::Done);
        }
    }

    /// A barrier ends a batch without bundle. False: another's barrier.
    pub(super) fn on_barrier_reply(&mut self, xid: Xid) -> bool {
        if self.message(xid) != Some(self.barrier()) {
            return false;
        }
        let done = if self.is_bundle() { Outcome::Failed } else { Outcome::Done };
        self.outcome = self.outcome.or(Some(done));
        true
    }
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
        out_port: scope.out_port,
        flags: FlowFlags::default(),
        match_tlvs: scope.matching.as_bytes(),
        instructions: &[],
    }
}
