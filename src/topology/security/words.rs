//! Rules and packets in words.

use std::fmt;

use super::verdict::{Mismatch, Payload, RuleRef, Traffic};
use super::{Direction, Ethertype, Remote, Rule, Service, protocol_name};
use crate::topology::parse::CHUNK;
use crate::topology::{Place, Position, Step, Topology, document};

/// Names of ICMP types (RFC 792, RFC 6918, and of IPv6 RFC 4443, RFC 4861 §4, RFC 2710 §3.1).
const ICMP_TYPES: &[(Ethertype, u8, &str)] = &[
    (Ethertype::Ipv4, 0, "echo reply"),
    (Ethertype::Ipv4, 3, "destination unreachable"),
    (Ethertype::Ipv4, 5, "redirect"),
    (Ethertype::Ipv4, 8, "echo request"),
    (Ethertype::Ipv4, 11, "time exceeded"),
    (Ethertype::Ipv4, 12, "parameter problem"),
    (Ethertype::Ipv4, 13, "timestamp request"),
    (Ethertype::Ipv4, 14, "timestamp reply"),
    (Ethertype::Ipv6, 1, "destination unreachable"),
    (Ethertype::Ipv6, 2, "packet too big"),
    (Ethertype::Ipv6, 3, "time exceeded"),
    (Ethertype::Ipv6, 4, "parameter problem"),
    (Ethertype::Ipv6, 128, "echo request"),
    (Ethertype::Ipv6, 129, "echo reply"),
    (Ethertype::Ipv6, 130, "listener query"),
    (Ethertype::Ipv6, 133, "router solicitation"),
    (Ethertype::Ipv6, 134, "router advertisement"),
    (Ethertype::Ipv6, 135, "neighbour solicitation"),
    (Ethertype::Ipv6, 136, "neighbour advertisement"),
];

impl Topology {
    /// Where rules begin in the text of the file that they are from.
    pub fn rule_positions(text: &str, rules: &[RuleRef<'_>]) -> Vec<Option<Position>> {
        let key = |key: &str| Step::Key(key.into());
        let place = |rule: &RuleRef<'_>| {
            Place(vec![key("security_groups"), key(&rule.group.name), key("rules"), Step::Index(rule.index)])
        };
        document::positions_of(text, CHUNK, &rules.iter().map(place).collect::<Vec<_>>())
    }

    /// What a rule allows: `IPv4 tcp to port 80, from security group web (3 ports)`.
    pub fn rule_words<'a>(&'a self, rule: &'a Rule) -> impl fmt::Display + 'a {
        RuleWords { rule, topology: self }
    }

    /// In what a packet differs from what a rule allows: `not for udp; 10.0.0.5 is no address of security group web`.
    pub fn mismatch_words(&self, rule: &RuleRef<'_>, traffic: &Traffic) -> String {
        let mut mismatches = self.mismatches(rule.rule, traffic);
        if mismatches.contains(&Mismatch::Ethertype) {
            // No address of one family is among those of the other.
            mismatches.retain(|mismatch| *mismatch != Mismatch::Remote);
        }
        let words = mismatches.into_iter().map(|mismatch| missed(mismatch, rule.rule, traffic));
        words.collect::<Vec<_>>().join("; ")
    }
}

/// One rule.
struct RuleWords<'a> {
    rule: &'a Rule,
    topology: &'a Topology,
}

impl fmt::Display for RuleWords<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule;
        let way = if rule.direction == Direction::Ingress { "from" } else { "to" };
        write!(out, "{} {}, {way} ", rule.ethertype.word(), ServiceWords(rule))?;
        match &rule.remote {
            Remote::Any => write!(out, "anywhere"),
            Remote::Prefix(prefix) => write!(out, "{prefix}"),
            Remote::Group(name) => {
                write!(out, "security group {name} ({})", Count(self.topology.group_members(name).count(), "port"))
            }
            Remote::AddressGroup(name) => {
                let blocks = self.topology.address_group(name).map_or(&[][..], |group| &group.addresses);
                let of_family = blocks.iter().filter(|block| Ethertype::of(**block) == rule.ethertype).count();
                write!(out, "address group {name} ({} of {})", Count(of_family, "block"), rule.ethertype.word())
            }
        }
    }
}

/// The packets of a rule.
struct ServiceWords<'a>(&'a Rule);

impl fmt::Display for ServiceWords<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(rule) = self;
        match rule.service {
            Service::Any => write!(out, "of every protocol"),
            Service::Protocol(number) => write!(out, "{}", Protocol(number)),
            Service::Ports { protocol, first, last } if first == last => {
                write!(out, "{} to port {first}", Protocol(protocol))
            }
            Service::Ports { protocol, first, last } => {
                write!(out, "{} to ports {first}-{last}", Protocol(protocol))
            }
            Service::Icmp { icmp_type, icmp_code } => icmp(rule.ethertype, (icmp_type, icmp_code), out),
        }
    }
}

/// `icmp of type 8 (echo request) and code 0`.
fn icmp(ethertype: Ethertype, (icmp_type, code): (u8, Option<u8>), out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "{} of type {icmp_type}", Protocol(ethertype.icmp()))?;
    if let Some((.., name)) = ICMP_TYPES.iter().find(|(family, number, _)| (*family, *number) == (ethertype, icmp_type))
    {
        write!(out, " ({name})")?;
    }
    code.map_or(Ok(()), |code| write!(out, " and code {code}"))
}

/// `1 port`, `3 ports`.
pub struct Count(pub usize, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        write!(out, "{count} {noun}{}", if *count == 1 { "" } else { "s" })
    }
}

/// A protocol's name, or its number.
pub struct Protocol(pub u8);

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match protocol_name(self.0) {
            Some(name) => write!(out, "{name}"),
            None => write!(out, "protocol {}", self.0),
        }
    }
}

impl fmt::Display for RuleRef<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "security group {}, rule {}", self.group.name, self.number())
    }
}

impl fmt::Display for Traffic {
    /// `tcp to port 80`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload {
            Payload::Ports { protocol, destination, .. } => write!(out, "{} to port {destination}", Protocol(protocol)),
            // Questions have no other code.
            Payload::Icmp { icmp_type, icmp_code: 0 } if self.answer().is_some() => {
                icmp(self.ethertype(), (icmp_type, None), out)
            }
            Payload::Icmp { icmp_type, icmp_code } => icmp(self.ethertype(), (icmp_type, Some(icmp_code)), out),
            Payload::Protocol(number) => write!(out, "{}", Protocol(number)),
        }
    }
}

fn missed(mismatch: Mismatch, rule: &Rule, traffic: &Traffic) -> String {
    let other = traffic.other(rule.direction);
    match (mismatch, &rule.remote) {
        (Mismatch::Ethertype, _) => format!("not for {}", traffic.ethertype().word()),
        (Mismatch::Service, _) => not_served(rule.service, traffic),
        (Mismatch::Remote, Remote::Group(name)) => format!("{other} is no address of security group {name}"),
        (Mismatch::Remote, Remote::AddressGroup(name)) => format!("{other} is not in address group {name}"),
        (Mismatch::Remote, Remote::Prefix(prefix)) => format!("{other} is not in {prefix}"),
        (Mismatch::Remote, Remote::Any) => String::new(),
    }
}

/// `not for udp`, or of the same protocol `not for port 53`.
fn not_served(service: Service, traffic: &Traffic) -> String {
    match (service, traffic.payload) {
        (Service::Ports { protocol, .. }, Payload::Ports { destination, .. }) if protocol == traffic.protocol() => {
            format!("not for port {destination}")
        }
        (Service::Icmp { .. }, Payload::Icmp { icmp_type, icmp_code }) => {
            format!("not for type {icmp_type} and code {icmp_code}")
        }
        _ => format!("not for {}", Protocol(traffic.protocol())),
    }
}
