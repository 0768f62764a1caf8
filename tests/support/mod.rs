//! What several test files share.
#![allow(dead_code, unreachable_pub, reason = "every test file compiles this and uses its part")]

pub mod firewall;
pub mod firewall_topology;
pub mod flow_sim;
pub mod model;
pub mod ovs_trace;
pub mod scenario;
pub mod switch;
pub mod trace_lab;
pub mod world;
