//! `[security_groups]` and `[address_groups]` of the file.

use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use toml::de::{DeTable, DeValue};

use super::{
    AddressGroup, Direction, Ethertype, Log, Remote, Rule, SecurityGroup, Service, has_ports, protocol, protocol_name,
    protocol_number,
};
use crate::topology::check::check_host_bits;
use crate::topology::document::{self, At, Report, Value, clip};
use crate::topology::{Fault, Name};

/// A rule's keys.
const RULE: &[&str] = &[
    "direction",
    "ethertype",
    "protocol",
    "port_range",
    "icmp_type",
    "icmp_code",
    "remote_ip_prefix",
    "remote_group",
    "remote_address_group",
];
/// Those of them of which a rule has at most one.
const REMOTES: &[&str] = &["remote_ip_prefix", "remote_group", "remote_address_group"];

/// Reads `[security_groups.NAME]`.
pub(in crate::topology) fn security_group(
    name: &Name,
    value: &Value<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<SecurityGroup> {
    let (mut stateful, mut log, mut rules) = (Some(true), Some(None), Some(Vec::new()));
    for (key, value) in document::table(value, at, report)? {
        let at = at.key(key.get_ref());
        match &**key.get_ref() {
            "stateful" => stateful = document::boolean(value, &at, report),
            "log" => {
                let read = |text: &str| Log::ALL.into_iter().find(|(word, _)| *word == text).map(|(_, log)| log);
                log = document::parsed(value, &at, report, Fault::BadLog, read).map(Some);
            }
            "rules" => rules = group_rules(value, &at, report),
            _ => report.push(&at, Fault::UnknownKey { known: &["stateful", "log", "rules"] }),
        }
    }
    Some(SecurityGroup { name: name.clone(), stateful: stateful?, log: log?, rules: rules? })
}

fn group_rules(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<Vec<Rule>> {
    let values = document::array(value, at, report)?;
    let mut rules = Vec::with_capacity(values.len());
    rules.extend(values.iter().enumerate().filter_map(|(index, value)| rule(value, &at.index(index), report)));
    (rules.len() == values.len()).then_some(rules)
}

fn rule(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<Rule> {
    let table = document::table(value, at, report)?;
    for key in table.keys().filter(|key| !RULE.contains(&&**key.get_ref())) {
        report.push(&at.key(key.get_ref()), Fault::UnknownKey { known: RULE });
    }
    let direction = match table.get("direction") {
        Some(value) => document::parsed(value, &at.key("direction"), report, Fault::BadDirection, |text| {
            Direction::ALL.into_iter().find(|direction| direction.word() == text)
        }),
        None => {
            report.push(at, Fault::Missing { key: "direction", expected: "\"ingress\" or \"egress\"" });
            None
        }
    };
    let ethertype = match table.get("ethertype") {
        Some(value) => document::parsed(value, &at.key("ethertype"), report, Fault::BadEthertype, |text| {
            Ethertype::ALL.into_iter().find(|ethertype| ethertype.word().eq_ignore_ascii_case(text))
        }),
        None => Some(Ethertype::Ipv4),
    };
    // A wrong family is told once: the rest is held against one of them.
    let family = ethertype.unwrap_or(Ethertype::Ipv4);
    let service = service(table, family, at, report);
    let remote = remote(table, ethertype, at, report);
    Some(Rule { direction: direction?, ethertype: ethertype?, service: service?, remote: remote? })
}

/// `protocol` and the keys that depend on it.
fn service(table: &DeTable<'_>, ethertype: Ethertype, at: &At<'_>, report: &mut Report) -> Option<Service> {
    let protocol = match table.get("protocol") {
        Some(value) => protocol(value, ethertype, &at.key("protocol"), report)?,
        None => None,
    };
    let ports = match table.get("port_range") {
        Some(value) => Some(port_range(value, protocol, &at.key("port_range"), report)?),
        None => None,
    };
    let icmp_type = icmp_number(table, "icmp_type", (protocol, ethertype), at, report)?;
    let icmp_code = icmp_number(table, "icmp_code", (protocol, ethertype), at, report)?;
    if icmp_code.is_some() && icmp_type.is_none() {
        report.push(at, Fault::Missing { key: "icmp_type", expected: "one, as there is an icmp_code" });
        return None;
    }
    Some(match (protocol, ports, icmp_type) {
        (None, ..) => Service::Any,
        (Some(_), _, Some(icmp_type)) => Service::Icmp { icmp_type, icmp_code },
        // All ports are as good as no ports, as in Neutron.
        (Some(protocol), Some((first, last)), _) if (first, last) != (1, u16::MAX) => {
            Service::Ports { protocol, first, last }
        }
        (Some(protocol), ..) => Service::Protocol(protocol),
    })
}

/// A name or a number; `None` for every protocol.
fn protocol(value: &Value<'_>, ethertype: Ethertype, at: &At<'_>, report: &mut Report) -> Option<Option<u8>> {
    let number = match value.get_ref() {
        DeValue::Integer(_) => document::number(value, at, report, "a protocol number", (0, 255))?.try_into().ok(),
        _ => {
            let any = |text: &str| (text == "any").then_some(0);
            let read = |text: &str| any(text).or_else(|| protocol_number(text));
            document::parsed(value, at, report, Fault::BadProtocol, read)
        }
    };
    Some(match (number?, ethertype) {
        (0, _) => None,
        (protocol::ICMP, Ethertype::Ipv6) => Some(protocol::ICMPV6),
        (number, Ethertype::Ipv4) if protocol::is_ipv6_only(number) => {
            report.push(at, Fault::ProtocolOfIpv6(protocol_name(number).unwrap_or_default()));
            return None;
        }
        (number, _) => Some(number),
    })
}

/// `22` or `8000-8010`.
fn port_range(value: &Value<'_>, protocol: Option<u8>, at: &At<'_>, report: &mut Report) -> Option<(u16, u16)> {
    let Some(protocol) = protocol else {
        report.push(at, Fault::PortsWithoutProtocol);
        return None;
    };
    if !has_ports(protocol) {
        report.push(at, Fault::NoPorts(protocol_label(protocol).into()));
        return None;
    }
    let (first, last) = match value.get_ref() {
        DeValue::Integer(_) => {
            let port = document::number(value, at, report, "a port", (1, 65535))?.try_into().ok()?;
            (port, port)
        }
        _ => document::parsed(value, at, report, Fault::BadPortRange, |text| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            Some((port(first)?, port(last)?))
        })?,
    };
    if first > last {
        report.push(at, Fault::ReversedPortRange { first, last });
        return None;
    }
    Some((first, last))
}

/// 1–65535 in digits, with blanks around it if need be.
fn port(text: &str) -> Option<u16> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|port| *port > 0)
}

/// A protocol as people call it.
fn protocol_label(number: u8) -> String {
    protocol_name(number).map_or_else(|| number.to_string(), str::to_owned)
}

/// `icmp_type` or `icmp_code`, if it is there.
fn icmp_number(
    table: &DeTable<'_>,
    key: &'static str,
    (protocol, ethertype): (Option<u8>, Ethertype),
    at: &At<'_>,
    report: &mut Report,
) -> Option<Option<u8>> {
    let Some(value) = table.get(key) else { return Some(None) };
    let at = at.key(key);
    if protocol != Some(ethertype.icmp()) {
        report.push(&at, Fault::NoIcmp(protocol.map_or_else(|| "any".to_owned(), protocol_label).into()));
        return None;
    }
    Some(document::number(value, &at, report, "an ICMP type or code", (0, 255))?.try_into().ok())
}

/// The other side.
fn remote(table: &DeTable<'_>, ethertype: Option<Ethertype>, at: &At<'_>, report: &mut Report) -> Option<Remote> {
    let mut given = REMOTES.iter().filter_map(|key| Some((*key, table.get(*key)?)));
    let Some((key, value)) = given.next() else { return Some(Remote::Any) };
    if let Some((other, _)) = given.next() {
        report.clash(&at.key(other), Fault::SeveralRemotes, &at.key(key));
        return None;
    }
    let at = at.key(key);
    match key {
        "remote_group" => Some(Remote::Group(document::string(value, &at, report)?.into())),
        "remote_address_group" => Some(Remote::AddressGroup(document::string(value, &at, report)?.into())),
        _ => {
            let prefix = document::parsed(value, &at, report, Fault::BadCidr, block_or_address)?;
            check_host_bits(prefix, &at, report);
            match ethertype {
                Some(ethertype) if ethertype != Ethertype::of(prefix) => {
                    report.push(&at, Fault::OtherFamily { found: prefix, ethertype: ethertype.word() });
                    None
                }
                _ if prefix.prefix() == 0 => Some(Remote::Any),
                _ => Some(Remote::Prefix(prefix)),
            }
        }
    }
}

/// `ADDRESS/BITS`, or an address by itself.
fn block_or_address(text: &str) -> Option<IpNetwork> {
    super::super::parse::block(text).or_else(|| text.parse().map(IpAddr::into).ok())
}

/// Reads `[address_groups.NAME]`.
pub(in crate::topology) fn address_group(
    name: &Name,
    value: &Value<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<AddressGroup> {
    let mut addresses = None;
    for (key, value) in document::table(value, at, report)? {
        let at = at.key(key.get_ref());
        match &**key.get_ref() {
            "addresses" => addresses = Some(blocks(value, &at, report)),
            _ => report.push(&at, Fault::UnknownKey { known: &["addresses"] }),
        }
    }
    if addresses.is_none() {
        report.push(at, Fault::Missing { key: "addresses", expected: "a list of blocks of addresses" });
    }
    Some(AddressGroup { name: name.clone(), addresses: addresses?? })
}

fn blocks(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<Vec<IpNetwork>> {
    let values = document::array(value, at, report)?;
    let mut blocks = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let at = at.index(index);
        if let Some(block) = document::parsed(value, &at, report, Fault::BadCidr, block_or_address) {
            check_host_bits(block, &at, report);
            blocks.push(block);
        }
    }
    let sound = blocks.len() == values.len();
    blocks.sort_unstable();
    blocks.dedup();
    sound.then_some(blocks)
}

/// The names of a port's `security_groups`.
pub(in crate::topology) fn port_groups(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<Arc<[Name]>> {
    let values = document::array(value, at, report)?;
    let mut names: Vec<Name> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let at_name = at.index(index);
        let name = document::string(value, &at_name, report)?;
        if let Some(twin) = names.iter().position(|other| **other == *name) {
            report.clash(&at_name, Fault::GroupTwice(clip(name).into()), &at.index(twin));
        }
        names.push(name.into());
    }
    Some(names.into())
}
