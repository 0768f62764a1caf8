//! A match in words: which packets a flow is about.

use std::borrow::Cow;

use crate::flow::parse;

/// The parts of a printed match, priority left out.
pub(super) fn parts(text: &str) -> Vec<(&str, &str)> {
    parse::pairs(text).filter(|(key, _)| *key != "priority").collect()
}

/// A value as people say it: a mask that means neighbouring port numbers as their range.
pub(super) fn spoken<'t>(key: &str, value: &'t str) -> Cow<'t, str> {
    let range = || {
        let (first, mask) = value.split_once('/')?;
        let (first, mask) = (parse::number(first)?, parse::number(mask)?);
        let others = !mask & 0xffff;
        (others & (others + 1) == 0).then(|| Cow::Owned(format!("{first}-{}", first | others)))
    };
    match key {
        "tp_src" | "tp_dst" | "ct_tp_src" | "ct_tp_dst" => range().unwrap_or(Cow::Borrowed(value)),
        _ => Cow::Borrowed(value),
    }
}

/// The packets that fit all these parts: `TCP to port 80 from port tap1`.
pub(super) fn packets(parts: &[(&str, &str)]) -> String {
    let kind = kind(parts);
    let mut phrases: Vec<(usize, String)> = Vec::new();
    let mut plain: Vec<String> = Vec::new();
    for &(key, value) in parts.iter().filter(|(key, value)| !kind.says.contains(key) && !is_protocol(key, value)) {
        match phrase(key, value) {
            Some(found) => phrases.push(found),
            None => plain.push(if value.is_empty() { key.to_owned() } else { format!("{key}={value}") }),
        }
    }
    phrases.sort_by_key(|(rank, _)| *rank);
    let mut words = kind.words;
    for (_, phrase) in phrases {
        words.push(' ');
        words.push_str(&phrase);
    }
    if !plain.is_empty() {
        words.push_str(" with ");
        words.push_str(&listed(&plain, "and"));
    }
    words
}

/// What kind of packet, and the keys that this says.
struct Kind {
    words: String,
    says: &'static [&'static str],
}

/// Protocols by the keyword that they print with.
const PROTOCOLS: [(&str, &str); 17] = [
    ("tcp", "TCP"),
    ("udp", "UDP"),
    ("sctp", "SCTP"),
    ("tcp6", "TCP over IPv6"),
    ("udp6", "UDP over IPv6"),
    ("sctp6", "SCTP over IPv6"),
    ("icmp", "ICMP"),
    ("icmp6", "ICMPv6"),
    ("ip", "IPv4"),
    ("ipv6", "IPv6"),
    ("arp", "ARP"),
    ("rarp", "RARP"),
    ("mpls", "MPLS"),
    ("mplsm", "multicast MPLS"),
    ("dl_type=0x88cc", "LLDP"),
    ("dl_type=0x8942", "BDDP"),
    ("eth", "Ethernet"),
];

/// Messages that have a name of their own: protocol, and key and value that make it.
const MESSAGES: [(&str, &str, &str, &str); 11] = [
    ("arp", "arp_op", "1", "an ARP request"),
    ("arp", "arp_op", "2", "an ARP reply"),
    ("icmp", "icmp_type", "8", "an ICMP echo request"),
    ("icmp", "icmp_type", "0", "an ICMP echo reply"),
    ("icmp6", "icmp_type", "128", "an ICMPv6 echo request"),
    ("icmp6", "icmp_type", "129", "an ICMPv6 echo reply"),
    ("icmp6", "icmp_type", "130", "a multicast listener query"),
    ("icmp6", "icmp_type", "133", "a router solicitation"),
    ("icmp6", "icmp_type", "134", "a router advertisement"),
    ("icmp6", "icmp_type", "135", "a neighbour solicitation"),
    ("icmp6", "icmp_type", "136", "a neighbour advertisement"),
];

/// Services that a pair of UDP ports tells.
const SERVICES: [(&str, &str, &str, &str); 4] = [
    ("udp", "68", "67", "a DHCP request"),
    ("udp", "67", "68", "a DHCP reply"),
    ("udp6", "546", "547", "a DHCPv6 request"),
    ("udp6", "547", "546", "a DHCPv6 reply"),
];

fn kind(parts: &[(&str, &str)]) -> Kind {
    let has = |key: &str, value: &str| parts.contains(&(key, value));
    let service = SERVICES.iter().find(|(protocol, source, destination, _)| {
        has(protocol, "") && has("tp_src", source) && has("tp_dst", destination)
    });
    if let Some((.., words)) = service {
        return Kind { words: (*words).to_owned(), says: &["tp_src", "tp_dst"] };
    }
    if let Some((.., words)) = MESSAGES.iter().find(|(protocol, key, value, _)| has(protocol, "") && has(key, value)) {
        return Kind { words: (*words).to_owned(), says: &["arp_op", "icmp_type"] };
    }
    let protocol = parts.iter().find_map(|(key, value)| protocol(key, value));
    Kind { words: protocol.unwrap_or("everything").to_owned(), says: &[] }
}

fn protocol(key: &str, value: &str) -> Option<&'static str> {
    let known = PROTOCOLS.iter().find(|(name, _)| match name.split_once('=') {
        Some((field, number)) => field == key && number == value,
        None => *name == key && value.is_empty(),
    });
    known.map(|(_, words)| *words)
}

fn is_protocol(key: &str, value: &str) -> bool {
    protocol(key, value).is_some()
}

const GROUP_BIT: &str = "01:00:00:00:00:00/01:00:00:00:00:00";
const NO_GROUP_BIT: &str = "00:00:00:00:00:00/01:00:00:00:00:00";
const BROADCAST: &str = "ff:ff:ff:ff:ff:ff";

/// A field in words, and where it stands among the others. `None`: it has no words of its own.
fn phrase(key: &str, value: &str) -> Option<(usize, String)> {
    // A name may stand in quotes.
    let value = &*spoken(key, value.trim_matches('"'));
    let before = |rank, words: &str| Some((rank, format!("{words} {value}")));
    // What the first packet of the connection was like.
    let at_first = |rank, words: &str| Some((rank, format!("{words} {value} at first")));
    match (key, value) {
        ("nw_src" | "ipv6_src" | "arp_spa", _) => before(0, "from"),
        ("nw_dst" | "ipv6_dst", _) => before(1, "to"),
        ("arp_tpa" | "nd_target", _) => before(1, "for"),
        ("tp_src", _) => before(2, "with source port"),
        ("tp_dst", _) => before(3, "to port"),
        ("icmp_type", _) => before(2, "of type"),
        ("icmp_code", _) => before(3, "with code"),
        ("nw_proto", _) => before(2, "with IP protocol"),
        ("dl_src", _) => before(4, "from MAC"),
        ("dl_dst", BROADCAST) => Some((5, "to the broadcast address".into())),
        ("dl_dst", GROUP_BIT) => Some((5, "to broadcast and multicast addresses".into())),
        ("dl_dst", NO_GROUP_BIT) => Some((5, "to unicast addresses".into())),
        ("dl_dst", _) => before(5, "to MAC"),
        ("arp_sha", _) => before(4, "with sender MAC"),
        ("arp_tha", _) => before(5, "with target MAC"),
        ("dl_vlan", _) => before(6, "in VLAN"),
        ("vlan_tci", "0x0000/0x1fff") => Some((6, "without a VLAN tag".into())),
        ("vlan_tci", "0x1000/0x1000") => Some((6, "with a VLAN tag".into())),
        ("in_port", _) => before(7, "from port"),
        ("tun_id", _) => Some((8, format!("with tunnel id {}", decimal(value)))),
        ("tun_src", _) => before(8, "through the tunnel from"),
        ("tun_dst", _) => before(9, "through the tunnel to"),
        ("ct_state", _) => Some((10, connection(value))),
        ("ct_zone", _) => before(11, "in connection zone"),
        ("ct_nw_proto", _) => at_first(12, "with IP protocol"),
        ("ct_nw_src" | "ct_ipv6_src", _) => at_first(13, "from"),
        ("ct_nw_dst" | "ct_ipv6_dst", _) => at_first(14, "to"),
        ("ct_tp_src", _) => at_first(15, "with source port"),
        ("ct_tp_dst", _) => at_first(16, "to port"),
        ("dl_type", _) => before(17, "of Ethernet type"),
        _ => None,
    }
}

/// A number that prints in hexadecimal but is spoken of in decimal.
pub(super) fn decimal(value: &str) -> String {
    parse::number(value).map_or_else(|| value.to_owned(), |number| number.to_string())
}

/// `ct_state` in words.
fn connection(value: &str) -> String {
    let mut states = Vec::new();
    let (mut rest, mut tracked) = (value, None);
    while let Some(sign) = rest.chars().next().filter(|sign| matches!(sign, '+' | '-')) {
        let length = rest[1..].find(['+', '-']).map_or(rest.len(), |length| length + 1);
        let state = match &rest[1..length] {
            "new" => "new",
            "est" => "established",
            "rel" => "related to another",
            "rpl" => "in its reply direction",
            "inv" => "invalid",
            "snat" => "source-translated",
            "dnat" => "destination-translated",
            _ => "",
        };
        match (state, sign) {
            ("", sign) => tracked = Some(sign == '+'),
            (state, '+') => states.push(state.to_owned()),
            (state, _) => states.push(format!("not {state}")),
        }
        rest = &rest[length..];
    }
    match tracked {
        _ if !rest.is_empty() => format!("with connection state {value}"),
        Some(false) => "not tracked yet".to_owned(),
        _ if states.is_empty() => "of a tracked connection".to_owned(),
        _ => format!("of a connection that is {}", listed(&states, "and")),
    }
}

/// `a, b and c`.
pub(super) fn listed(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [some @ .., end] => format!("{} {last} {end}", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_reads_as_a_noun() {
        for (text, words) in [
            ("", "everything"),
            ("priority=7,tcp,in_port=tap1,tp_dst=80", "TCP to port 80 from port tap1"),
            ("ip,nw_src=10.0.0.0/8,nw_dst=10.1.2.3", "IPv4 from 10.0.0.0/8 to 10.1.2.3"),
            ("arp,in_port=3,arp_spa=10.0.0.1,arp_op=1", "an ARP request from 10.0.0.1 from port 3"),
            ("icmp6,in_port=3,icmp_type=136,nd_target=fe80::1", "a neighbour advertisement for fe80::1 from port 3"),
            ("udp,in_port=3,tp_src=68,tp_dst=67", "a DHCP request from port 3"),
            ("udp,tp_src=68", "UDP with source port 68"),
            (
                "dl_vlan=7,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
                "everything to broadcast and multicast addresses in VLAN 7",
            ),
            (
                "dl_dst=ff:ff:ff:ff:ff:ff,vlan_tci=0x0000/0x1fff",
                "everything to the broadcast address without a VLAN tag",
            ),
            ("tun_id=0x3e9,in_port=2", "everything from port 2 with tunnel id 1001"),
            ("ct_state=-trk,ip", "IPv4 not tracked yet"),
            (
                "ct_state=+est-rel-rpl,ip,reg5=0x3",
                "IPv4 of a connection that is established, not related to another and not in its reply direction with reg5=0x3",
            ),
            ("ct_state=+trk", "everything of a tracked connection"),
            (
                "ct_state=-inv+trk,ct_nw_src=10.0.0.0/24,ct_nw_proto=6,ct_tp_dst=0x1f40/0xfff8,ip",
                "IPv4 of a connection that is not invalid with IP protocol 6 at first from 10.0.0.0/24 at first to port \
                 8000-8007 at first",
            ),
            ("reg0=0x1/0x1,metadata=0x5", "everything with reg0=0x1/0x1 and metadata=0x5"),
            ("dl_type=0x88cc", "LLDP"),
            ("dl_type=0x9000", "everything of Ethernet type 0x9000"),
            ("tcp,tp_dst=0x1f40/0xfff8", "TCP to port 8000-8007"),
            ("tcp,tp_dst=0x1/0x1", "TCP to port 0x1/0x1"),
            ("icmp,icmp_type=3,icmp_code=4", "ICMP of type 3 with code 4"),
        ] {
            assert_eq!(packets(&parts(text)), words, "{text}");
        }
    }
}
