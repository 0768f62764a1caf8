//! Heddle: an OpenFlow 1.3 controller for Open vSwitch.
//!
//! The layers, lowest first; each may use those before it, none looks up:
//! [`openflow`] → [`flow`], [`packet`], [`topology`] → [`pipeline`] → [`responder`] → [`switch`], [`ovsdb`] → [`agent`].
//! `docs/ARCHITECTURE.md` is the map.

// What tests of other crates share with unit tests says `heddle`.
#[cfg(test)]
extern crate self as heddle;

pub mod agent;
pub mod cli;
pub mod config;
pub mod flow;
pub mod openflow;
pub mod ovsdb;
pub mod packet;
pub mod pipeline;
pub mod responder;
pub mod switch;
pub mod tls;
pub mod topology;
