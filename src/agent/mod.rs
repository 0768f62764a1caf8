//! The daemon.

pub mod binder;
pub mod preview;
