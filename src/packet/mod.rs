//! Packets: borrowed views over a frame, one file per protocol, and [`build`], which writes frames.
//!
//! Pure: bytes in, values out. A view copies the fixed part of its header and lends the rest; nothing here
//! allocates, and nothing panics on what a network sends. A header that is cut off, or that cannot be what
//! it should be, is a [`PacketError`] that says what was expected and where.
//!
//! ```text
//! Ethernet ── tags ─┬─ Arp (ARP, RARP)
//!                   ├─ Ipv4 ──────────────────┬─ Tcp, Sctp
//!                   │                         ├─ Udp ─────── Dhcpv4, Dhcpv6 and their options
//!                   ├─ Ipv6 ── UpperLayer ────┼─ Icmp, Igmp
//!                   ├─ LabelStack (MPLS)      └─ Icmpv6 ──── NeighborDiscovery … ── NdOptions
//!                   └─ Nsh
//! ```
//!
//! A view is strict about its own header and looks at nothing behind it. [`Key`] is the other way to read a
//! frame: all the fields that Open vSwitch matches on, of as many layers as there are; never an error.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used))]

pub mod arp;
pub mod build;
pub mod checksum;
pub mod dhcpv4;
pub mod dhcpv6;
pub mod domain;
pub mod ethernet;
pub mod icmp;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod key;
pub mod mpls;
pub mod nd;
pub mod nsh;
pub mod payload;
#[cfg(test)]
mod tests;
pub mod transport;

pub use arp::{Arp, ArpFrame, ArpPacket};
pub use checksum::Checksum;
pub use dhcpv4::{Dhcpv4, Dhcpv4Option, Dhcpv4Options};
pub use dhcpv6::{Dhcpv6, Dhcpv6Option, Dhcpv6Options};
pub use domain::{DomainName, DomainNames};
pub use ethernet::{Addresses, Ethernet, VlanTag};
pub use icmp::{Icmp, Igmp};
pub use icmpv6::Icmpv6;
pub use ipv4::{Ipv4, Ipv4Option, Ipv4Options};
pub use ipv6::{Extension, Extensions, Ipv6, UpperLayer};
pub use key::Key;
pub use mpls::{Label, LabelStack};
pub use nd::{NdOption, NdOptions, NeighborDiscovery, Redirect, RouterAdvertisement};
pub use nsh::Nsh;
pub use payload::{PacketError, Payload};
pub use transport::{Sctp, Tcp, Udp};

/// Which part of a datagram a packet holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fragment {
    /// All of it.
    #[default]
    No,
    /// Its beginning, with the header of the protocol above.
    First,
    /// A part behind the first.
    Later,
}
