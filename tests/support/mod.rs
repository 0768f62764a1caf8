//! What several test files share.
#![allow(dead_code, unreachable_pub, reason = "every test file compiles this and uses its part")]

pub mod broadcasts;
pub mod client;
pub mod database;
pub mod dice;
pub mod firewall;
pub mod firewall_connections;
pub mod firewall_network;
pub mod firewall_packet;
pub mod firewall_topology;
pub mod firewall_traffic;
pub mod flow_sim;
pub mod model;
pub mod one_host;
pub mod ovs_trace;
pub mod scenario;
pub mod scene;
pub mod simulator;
pub mod switch;
pub mod switch_server;
pub mod trace_lab;
pub mod world;
