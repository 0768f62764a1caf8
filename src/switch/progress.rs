//! How far a switch is.

use std::sync::Arc;
use std::time::Duration;

use super::batch::BundleRefusal;
use super::refusals::Rejected;

/// What the switch is known to hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// The newest generation that is in effect, but for rejected flows.
    pub generation: u64,
    /// Flows that are wanted.
    pub wanted: usize,
    /// Flows of these that are confirmed; while changes are on their way, flows that are there at all.
    pub installed: usize,
    /// Flows that the switch refuses, by table, priority and match.
    pub rejected: Arc<[Rejected]>,
    /// How often it has refused one since the connection began.
    pub refusals: u64,
    /// Why flows change one by one, if the switch refuses bundles.
    pub without_bundles: Option<BundleRefusal>,
    /// When this was so, as time since the connection began.
    pub at: Duration,
    /// FLOW_MODs sent since the connection began.
    pub flow_mods: u64,
    /// Flows that somebody else changed or removed and that were put right.
    pub repaired: u64,
    /// A guard was refused: nothing is sent until the agent says so.
    pub held: bool,
}

/// The numbers of a [`Progress`], at no cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// The newest generation that is in effect, but for rejected flows.
    pub generation: u64,
    pub(super) rejected: usize,
    pub(super) refusals: u64,
    pub(super) without_bundles: bool,
    pub(super) flow_mods: u64,
    pub(super) repaired: u64,
    /// A guard was refused: nothing is sent until the agent says so.
    pub held: bool,
}
