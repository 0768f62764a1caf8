//! Names of IP protocols, as Neutron's API takes them.

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;
pub(super) const SCTP: u8 = 132;

/// IANA's numbers; the first name of a number is the one that is printed.
const NAMES: &[(&str, u8)] = &[
    ("icmp", ICMP),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", TCP),
    ("egp", 8),
    ("udp", UDP),
    ("dccp", 33),
    ("ipv6-encap", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", ICMPV6),
    ("ipv6-icmp", ICMPV6),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ospf", 89),
    ("vrrp", 112),
    ("pgm", 113),
    ("sctp", SCTP),
    ("udplite", 136),
];

/// Those that mean something in IPv6 only; Neutron refuses them in rules for IPv4.
const IPV6_ONLY: &[u8] = &[41, 43, 44, ICMPV6, 59, 60];

/// The name of a protocol.
pub fn protocol_name(number: u8) -> Option<&'static str> {
    NAMES.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// The number of a protocol by its name, or by its number in digits.
pub fn protocol_number(text: &str) -> Option<u8> {
    let lower = text.to_ascii_lowercase();
    match NAMES.iter().find(|(name, _)| *name == lower) {
        Some((_, number)) => Some(*number),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// True if Open vSwitch can look at the ports of a protocol.
pub const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | SCTP)
}

/// True for a protocol of IPv6 only.
pub(super) fn is_ipv6_only(protocol: u8) -> bool {
    IPV6_ONLY.contains(&protocol)
}
