//! The wanted flows of each bridge, as a pure function of topology and bindings.
//!
//! [`View`] is the input. Every flow belongs to an [`Object`]; [`Desired`] keeps the flows of each and
//! makes anew those of the objects that a change concerns ([`View::objects_of_port`] and its like say
//! which). `docs/PIPELINE.md` explains table by table.

mod arp_nd;
pub mod cookie;
mod desired;
mod dhcp;
mod firewall;
mod impact;
mod integration;
mod ipv6;
pub mod learning;
mod names;
mod object;
mod physical;
pub mod tables;
mod tunnel;
mod view;

pub use arp_nd::{ipv4_addresses, ipv6_addresses, may_route};
pub use desired::{Desired, all_flows};
pub use firewall::{is_in_network, is_to, origin};
pub use names::ObjectNames;
pub use object::{Object, Unencodable};
pub use view::{AnsweredBy, Answering, Bindings, Bridge, Layout, LocalVlan, PatchPorts, View};
