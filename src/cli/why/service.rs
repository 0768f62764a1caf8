//! What is asked about: `tcp/80`, `icmp`, `icmpv6/128/0`, `47`.

use crate::topology::{Ethertype, Payload, has_ports, protocol_name, protocol_number};

/// A protocol, with a port, or with a type and a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// A port of TCP, UDP or SCTP.
    Ports { protocol: u8, port: u16 },
    /// An echo request of either family.
    Ping,
    /// A message of ICMP, or of ICMPv6.
    Icmp { ethertype: Ethertype, icmp_type: u8, icmp_code: u8 },
    /// A protocol of which rules look at nothing else.
    Protocol(u8),
}

/// A text that is no service.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?}: expected {expected}")]
pub(in crate::cli) struct ServiceError {
    found: String,
    expected: &'static str,
}

/// ICMP's number in IPv4.
const ICMP: u8 = Ethertype::Ipv4.icmp();
/// ICMPv6's.
const ICMPV6: u8 = Ethertype::Ipv6.icmp();

impl Service {
    /// Reads the text of the command line.
    pub(super) fn parse(text: &str) -> Result<Self, ServiceError> {
        let refuse = |expected| ServiceError { found: text.to_owned(), expected };
        let mut parts = text.split('/');
        let name = parts.next().unwrap_or_default();
        let numbers: Vec<&str> = parts.collect();
        let protocol = protocol_number(name).filter(|number| *number > 0).ok_or_else(|| {
            refuse("a protocol such as tcp, udp, icmp or 47, and a port or a type behind it: tcp/80, icmp/8/0")
        })?;
        match numbers.as_slice() {
            [port] if has_ports(protocol) => {
                let port =
                    port.parse().map_err(|_| refuse("a port from 0 to 65535 behind the protocol, as in tcp/80"))?;
                Ok(Self::Ports { protocol, port })
            }
            _ if has_ports(protocol) => Err(refuse("one port behind the protocol, as in tcp/80")),
            [] if protocol == ICMP => Ok(Self::Ping),
            _ if protocol == ICMP => message(Ethertype::Ipv4, &numbers).map_err(refuse),
            _ if protocol == ICMPV6 => message(Ethertype::Ipv6, &numbers).map_err(refuse),
            [] => Ok(Self::Protocol(protocol)),
            _ => Err(refuse("nothing behind this protocol: only tcp, udp and sctp have ports to look at")),
        }
    }

    /// The same for a packet of a family; `None`: it is not of this one.
    pub(super) fn payload(self, ethertype: Ethertype, source: u16) -> Option<Payload> {
        match self {
            Self::Ports { protocol, port } => Some(Payload::Ports { protocol, source, destination: port }),
            Self::Ping => Some(Payload::Icmp { icmp_type: echo_request(ethertype), icmp_code: 0 }),
            Self::Icmp { ethertype: own, icmp_type, icmp_code } => {
                (own == ethertype).then_some(Payload::Icmp { icmp_type, icmp_code })
            }
            Self::Protocol(protocol) => Some(Payload::Protocol(protocol)),
        }
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |protocol: u8| protocol_name(protocol).map_or_else(|| protocol.to_string(), str::to_owned);
        match *self {
            Self::Ports { protocol, port } => write!(out, "{}/{port}", name(protocol)),
            Self::Ping => write!(out, "icmp"),
            Self::Icmp { ethertype, icmp_type, icmp_code } => {
                write!(out, "{}/{icmp_type}/{icmp_code}", name(ethertype.icmp()))
            }
            Self::Protocol(protocol) => write!(out, "{}", name(protocol)),
        }
    }
}

/// Type and code; without a type an echo request, without a code 0.
fn message(ethertype: Ethertype, numbers: &[&str]) -> Result<Service, &'static str> {
    let expected = "a type, and a code behind it, from 0 to 255 each, as in icmp/8/0";
    let number = |text: &&str| text.parse::<u8>().map_err(|_| expected);
    let (icmp_type, icmp_code) = match numbers {
        [] => (echo_request(ethertype), 0),
        [icmp_type] => (number(icmp_type)?, 0),
        [icmp_type, icmp_code] => (number(icmp_type)?, number(icmp_code)?),
        _ => return Err(expected),
    };
    Ok(Service::Icmp { ethertype, icmp_type, icmp_code })
}

const fn echo_request(ethertype: Ethertype) -> u8 {
    match ethertype {
        Ethertype::Ipv4 => 8,
        Ethertype::Ipv6 => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_protocol_and_what_rules_look_at_in_it() {
        for (text, expected) in [
            ("tcp/80", "tcp/80"),
            ("6/80", "tcp/80"),
            ("UDP/53", "udp/53"),
            ("icmp", "icmp"),
            ("icmp/8", "icmp/8/0"),
            ("icmp/3/1", "icmp/3/1"),
            ("icmpv6", "icmpv6/128/0"),
            ("ipv6-icmp/135", "icmpv6/135/0"),
            ("gre", "gre"),
            ("200", "200"),
        ] {
            assert_eq!(Service::parse(text).map(|service| service.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("tpc/80", "a protocol such as tcp"),
            ("0", "a protocol such as tcp"),
            ("256", "a protocol such as tcp"),
            ("tcp", "one port behind"),
            ("tcp/80/90", "one port behind"),
            ("tcp/65536", "a port from 0 to 65535"),
            ("tcp/80-90", "a port from 0 to 65535"),
            ("icmp/256", "a type, and a code"),
            ("icmp/8/0/0", "a type, and a code"),
            ("gre/1", "nothing behind this protocol"),
            ("", "a protocol such as tcp"),
        ] {
            let refused = Service::parse(text).unwrap_err().to_string();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }

    #[test]
    fn an_icmp_message_is_of_one_family_and_a_ping_of_both() {
        let payload = |text: &str, ethertype| Service::parse(text).unwrap().payload(ethertype, 1);
        assert_eq!(payload("icmp", Ethertype::Ipv6), Some(Payload::Icmp { icmp_type: 128, icmp_code: 0 }));
        assert_eq!(payload("icmp/8", Ethertype::Ipv6), None);
        assert_eq!(payload("icmpv6", Ethertype::Ipv4), None);
        let tcp = Payload::Ports { protocol: 6, source: 1, destination: 80 };
        assert_eq!(payload("tcp/80", Ethertype::Ipv6), Some(tcp));
    }
}
