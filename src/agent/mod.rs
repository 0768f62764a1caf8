//! The daemon.

pub mod binder;
