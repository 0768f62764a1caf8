//! The connections of bridges: handshake, audit, apply, watch.
//!
//! **Invariant:** only the reconciler's batches send FLOW_MODs, but for what a learning bridge learns
//! (`responder::learning`), which is part of the answer to a packet.

mod batch;
pub mod connection;
pub mod ending;
mod learnt;
pub mod listener;
mod liveness;
mod outbox;
pub mod places;
mod progress;
pub mod reconciler;
mod refusals;
pub mod session;
#[cfg(test)]
#[path = "../../tests/support/simulator.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests of their own, which use the rest")]
mod simulator;
#[cfg(test)]
mod testing;

pub use batch::BundleRefusal;
pub use connection::{Command, ConnectionId, News, Report, drive};
pub use ending::ConnectionError;
pub use listener::{Admission, MAX_CONNECTIONS, serve};
pub use places::Places;
pub use progress::Progress;
pub use reconciler::{Ownership, Wanted};
pub use refusals::{RefusedChange, Rejected};
pub use session::Identity;
