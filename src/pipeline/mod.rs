//! The wanted flows of each bridge, as a pure function of topology and bindings.

pub mod cookie;
pub mod tables;
