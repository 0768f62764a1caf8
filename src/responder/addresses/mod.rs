//! Which MAC address is behind an address of a network: made for millions of addresses, to be looked up for every
//! question that comes up, and to be handed on changed at the cost of the change.
//!
//! ```text
//!  directory ──► page ──► group of one or two cache lines: some addresses, their MAC addresses
//!  2^depth        up to 64 groups
//! ```
//!
//! Extendible hashing. A hash tells the place in the directory and the group within the page; of a full group the
//! next one takes over. A page that fills up doubles its groups, then becomes two pages. Directory and pages are
//! shared between a table and its clones; who changes one copies the directory and the page that changes.
//!
//! A few addresses in a row have one hash: they stand in one group, and whoever asks for all of a subnet
//! waits for memory once for all of them.

mod group;
mod prefetch;
mod table;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use self::group::{GROUP_V4, GROUP_V6};
use self::table::Table;
use crate::openflow::MacAddr;

/// With fewer addresses than this the tables of a network stay in the caches of a processor.
const CACHED: usize = 1 << 15;

/// Who has an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its MAC address.
    pub mac: MacAddr,
    /// Where it is.
    pub place: Place,
    /// What it is to others.
    pub kind: NodeKind,
}

/// What the holder of an address may be to others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// It sends and takes its own packets.
    Host,
    /// It may pass on those of others.
    Router,
}

/// Where the holder of an address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A port of this host: it answers itself.
    Here,
    /// A port of another host.
    Elsewhere,
}

/// The known addresses of one network. A clone costs nothing and never changes.
#[derive(Clone, Default, Debug)]
pub struct AddressTable {
    v4: Table<u32, GROUP_V4>,
    v6: Table<u128, GROUP_V6>,
}

impl AddressTable {
    /// A table without addresses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who has this IPv4 address.
    #[inline]
    pub fn ipv4(&self, address: Ipv4Addr) -> Option<Holder> {
        self.v4.get(address.into())
    }

    /// Who has this IPv6 address.
    #[inline]
    pub fn ipv6(&self, address: Ipv6Addr) -> Option<Holder> {
        self.v6.get(address.into())
    }

    /// Whether looking an address up is likely to wait for memory.
    pub fn outgrows_caches(&self) -> bool {
        self.len() > CACHED
    }

    /// Has the processor fetch what [`AddressTable::ipv4`] will look at.
    #[inline]
    pub fn prefetch_ipv4(&self, address: Ipv4Addr) {
        self.v4.prefetch(address.into());
    }

    /// Has the processor fetch what [`AddressTable::ipv6`] will look at.
    #[inline]
    pub fn prefetch_ipv6(&self, address: Ipv6Addr) {
        self.v6.prefetch(address.into());
    }

    /// Notes who has an address, and returns who had it.
    pub fn insert(&mut self, address: IpAddr, holder: Holder) -> Option<Holder> {
        match address {
            IpAddr::V4(v4) => self.v4.insert(v4.into(), holder),
            IpAddr::V6(v6) => self.v6.insert(v6.into(), holder),
        }
    }

    /// Forgets an address, and returns who had it.
    pub fn remove(&mut self, address: IpAddr) -> Option<Holder> {
        match address {
            IpAddr::V4(v4) => self.v4.remove(v4.into()),
            IpAddr::V6(v6) => self.v6.remove(v6.into()),
        }
    }

    /// Number of addresses.
    pub fn len(&self) -> usize {
        self.v4.len + self.v6.len
    }

    /// True if no address is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl PartialEq for AddressTable {
    fn eq(&self, other: &Self) -> bool {
        self.v4.equals(&other.v4) && self.v6.equals(&other.v6)
    }
}

impl Eq for AddressTable {}
