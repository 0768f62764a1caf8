//! What is wanted: nodes, networks, subnets, ports and security groups, as plain validated values.
//!
//! A [`Topology`] comes from `topology.toml` ([`Topology::parse`], [`Topology::load`]) or grows port by port
//! ([`Topology::insert_port`]); both ways go through the same checks, so whoever holds one need not check again.
//! It answers by index: which ports of a network are on a node, which nodes share a network, who are a node's peers.
//! What is wrong with a file is a [`Refused`]: every problem with its line and column, and nothing of the file is used.
//!
//! Nothing here does I/O except the two `load` functions (of this module and of [`crate::config`]), which read one file.

mod check;
mod dhcp;
#[cfg(test)]
mod dhcp_tests;
mod diff;
pub(crate) mod document;
mod fault;
mod index;
mod ipv6;
#[cfg(test)]
mod ipv6_tests;
mod model;
mod mtu;
mod parse;
mod security;
#[cfg(test)]
mod tests;

pub use dhcp::{Boot, DHCP_SERVER_MAC, Dhcp, DomainName, HostRoute, Lease4};
pub use diff::Changes;
pub use fault::{Conflict, Fault, Place, Position, Problem, Refused, Step};
pub use index::Topology;
pub use ipv6::{Dhcpv6, Ipv6Mode, Ipv6Router};
pub use model::{AddressPair, Name, Network, NetworkKind, Node, Port, Subnet};
pub use mtu::{Mtu, MtuLimit, Underlay};
pub use security::{
    AddressGroup, Count, DEFAULT_GROUP, Direction, Ethertype, Exchange, Log, Mismatch, NoWay, Pass, Passage, Payload,
    Protocol, Remote, RemoteAddress, RemoteUse, Role, Rule, RuleRef, SecurityGroup, Service, Stop, Traffic, Verdict,
    has_ports, protocol_name, protocol_number,
};

pub(crate) use check::{check_device, check_name};
