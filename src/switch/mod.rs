//! The connections of bridges: handshake, audit, apply, watch.
//!
//! **Invariant:** nothing outside this layer sends a FLOW_MOD, and within it only the reconciler's
//! batches do.

mod batch;
pub mod connection;
mod learnt;
mod outbox;
pub mod reconciler;
pub mod session;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod testing;

pub use connection::{Command, ConnectionId, News, Report, drive, serve};
pub use reconciler::{Ownership, Progress, Rejected, Wanted};
