//! Security groups: what may get in and out of a port, as rules that only allow. Neutron's semantics.
//!
//! The firewall is on as soon as a file says anything about it: a table `[security_groups]` or `[address_groups]`, be
//! it empty, or a port's `security_groups`. It is on for all of the file, so on every node.

mod exchange;
mod index;
mod parse;
mod protocol;
#[cfg(test)]
mod tests;
mod verdict;
#[cfg(test)]
mod verdict_tests;
mod words;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use super::{Name, Port};
use crate::openflow::MacAddr;

pub use exchange::{Exchange, Passage};
pub(super) use index::Security;
pub(super) use parse::{address_group, port_groups, security_group};
pub use protocol::{has_ports, protocol_name, protocol_number};
pub use verdict::{Mismatch, NoWay, Pass, Payload, Role, RuleRef, Stop, Traffic, Verdict};
pub use words::{Count, Protocol};

/// The group of the ports that name none.
pub const DEFAULT_GROUP: &str = "default";

/// Rules under a name. What no rule of any of a port's groups allows does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    /// The name, unique among security groups.
    pub name: Name,
    /// If what belongs to an allowed connection passes too, whatever its direction. All groups of a port agree on it.
    pub stateful: bool,
    /// Which packets are told of.
    pub log: Option<Log>,
    /// In the order of the file, which means nothing.
    pub rules: Vec<Rule>,
}

impl SecurityGroup {
    /// A group that allows nothing.
    pub(super) fn empty(name: &Name) -> Self {
        Self { name: name.clone(), stateful: true, log: None, rules: Vec::new() }
    }

    /// The group of ports that name none in a topology without [`DEFAULT_GROUP`]: what they start passes, and answers.
    pub(super) fn implied() -> Self {
        let open =
            |ethertype| Rule { direction: Direction::Egress, ethertype, service: Service::Any, remote: Remote::Any };
        let rules = vec![open(Ethertype::Ipv4), open(Ethertype::Ipv6)];
        Self { rules, ..Self::empty(&DEFAULT_GROUP.into()) }
    }
}

/// Addresses under a name, for rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressGroup {
    /// The name, unique among address groups.
    pub name: Name,
    /// Blocks without host bits, of both families, sorted, each once.
    pub addresses: Vec<IpNetwork>,
}

impl AddressGroup {
    /// A group without addresses.
    pub(super) fn empty(name: &Name) -> Self {
        Self { name: name.clone(), addresses: Vec::new() }
    }
}

/// Which packets of a group's ports are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Those that are dropped.
    Drop,
    /// Those that start something that is allowed.
    Accept,
    /// Both.
    All,
}

impl Log {
    /// With the words of the file.
    pub const ALL: [(&'static str, Self); 3] = [("drop", Self::Drop), ("accept", Self::Accept), ("all", Self::All)];

    /// True if dropped packets are told of.
    pub const fn tells_drops(self) -> bool {
        matches!(self, Self::Drop | Self::All)
    }

    /// True if packets are told of that start something.
    pub const fn tells_accepts(self) -> bool {
        matches!(self, Self::Accept | Self::All)
    }
}

/// Into a port or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Into the port.
    Ingress,
    /// Out of the port.
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Ingress => Self::Egress,
            Self::Egress => Self::Ingress,
        }
    }

    /// As the file says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// The family of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ethertype {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Ethertype {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// The family of a block.
    pub const fn of(block: IpNetwork) -> Self {
        match block {
            IpNetwork::V4(_) => Self::Ipv4,
            IpNetwork::V6(_) => Self::Ipv6,
        }
    }

    /// As the file says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }

    /// The protocol number of its ICMP.
    pub const fn icmp(self) -> u8 {
        match self {
            Self::Ipv4 => protocol::ICMP,
            Self::Ipv6 => protocol::ICMPV6,
        }
    }
}

/// One thing that a group allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Which way.
    pub direction: Direction,
    /// Of which family.
    pub ethertype: Ethertype,
    /// Which packets.
    pub service: Service,
    /// From or to whom.
    pub remote: Remote,
}

impl Rule {
    /// How much it says of the transport layer, in four steps, as Neutron orders its flows.
    pub const fn precision(&self) -> u16 {
        match self.service {
            Service::Any => 0,
            Service::Protocol(protocol) if protocol == self.ethertype.icmp() => 1,
            Service::Icmp { icmp_code: None, .. } => 2,
            Service::Protocol(_) | Service::Ports { .. } | Service::Icmp { .. } => 3,
        }
    }
}

/// What a rule says of the transport layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Every packet.
    Any,
    /// A whole protocol, 1–255.
    Protocol(u8),
    /// Destination ports of TCP, UDP or SCTP.
    Ports {
        /// 6, 17 or 132.
        protocol: u8,
        /// The lowest, at least 1.
        first: u16,
        /// The highest, at least `first`.
        last: u16,
    },
    /// Messages of the rule's ICMP.
    Icmp {
        /// The type.
        icmp_type: u8,
        /// The code, or all of them.
        icmp_code: Option<u8>,
    },
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Remote {
    /// Anybody.
    Any,
    /// A block of the rule's family that is not all addresses.
    Prefix(IpNetwork),
    /// The addresses of the ports of a security group.
    Group(Name),
    /// The addresses of an address group.
    AddressGroup(Name),
}

impl Remote {
    /// True for those that stand for a set of addresses that changes without the rule.
    pub const fn is_set(&self) -> bool {
        matches!(self, Self::Group(_) | Self::AddressGroup(_))
    }
}

/// An address of a set of them, see [`Remote::is_set`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteAddress {
    /// A block without host bits.
    pub prefix: IpNetwork,
    /// With this Ethernet address only: a pair of all addresses would otherwise make the whole world a member.
    pub mac: Option<MacAddr>,
}

impl RemoteAddress {
    fn block(prefix: IpNetwork) -> Self {
        Self { prefix, mac: None }
    }

    /// The addresses of a port as a member of a group.
    pub fn of_port(port: &Port) -> impl Iterator<Item = Self> {
        let fixed = port.fixed_ips.iter().map(|&address: &IpAddr| Self::block(address.into()));
        let pairs = port.allowed_address_pairs.iter().map(|pair| Self {
            prefix: pair.ip_address,
            mac: (pair.ip_address.prefix() == 0).then_some(pair.mac_address),
        });
        fixed.chain(pairs)
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mac {
            Some(mac) => write!(out, "{} with {mac}", self.prefix),
            None => write!(out, "{}", self.prefix),
        }
    }
}

/// Rules of one group, direction and family with the same set of addresses as their other side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteUse {
    /// The group whose rules they are.
    pub group: Name,
    /// Their other side, a set of addresses.
    pub remote: Remote,
    /// Their direction.
    pub direction: Direction,
    /// Their family.
    pub ethertype: Ethertype,
}

impl RemoteUse {
    /// The use that a rule belongs to, if its other side is a set of addresses.
    pub fn of(group: &Name, rule: &Rule) -> Option<Self> {
        rule.remote.is_set().then(|| Self {
            group: group.clone(),
            remote: rule.remote.clone(),
            direction: rule.direction,
            ethertype: rule.ethertype,
        })
    }
}

/// Groups, shared.
pub(super) type Shared<T> = std::collections::BTreeMap<Name, Arc<T>>;
