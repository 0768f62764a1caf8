//! The daemon: joins topology, database and bridges.
//!
//! [`host`] is its state without I/O, [`daemon`] its tasks.

mod announce;
pub mod binder;
pub mod bridges;
mod certificates;
pub mod clients;
pub mod counters;
pub mod daemon;
mod descriptors;
mod flow_restore;
mod heap;
pub mod host;
pub mod http;
mod listeners;
pub mod metrics;
mod notify;
pub mod outage;
pub mod port_flows;
pub mod preview;
pub mod punts;
pub mod refusal_status;
pub mod refusals;
pub mod responders;
pub mod security_log;
pub mod socket;
pub mod status;
pub mod strangers;
#[cfg(test)]
mod testing;
mod watch;
pub mod wiring;

pub use daemon::{StartError, run};
pub use punts::PuntsStatus;
pub use status::Status;
