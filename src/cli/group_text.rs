//! What security groups allow, in words.

use std::fmt;
use std::io::{self, Write};

use crate::topology::{DEFAULT_GROUP, Direction, Log, Remote, Rule, SecurityGroup, Service, Topology, protocol_name};

/// Rules of one direction that are told; a group may have thousands.
const SHOWN: usize = 40;

/// Tells of each security group what it allows.
pub(super) fn print(topology: &Topology, out: &mut impl Write) -> io::Result<()> {
    if !topology.firewall() {
        return Ok(());
    }
    for group in topology.security_groups() {
        print_group(group, topology, out)?;
    }
    let without = topology.ports().filter(|port| port.port_security && port.security_groups.is_none()).count();
    if topology.security_group(DEFAULT_GROUP).is_none() && without > 0 {
        writeln!(out, "{}: everything gets out, only answers get in", Ports(without, "name no security group"))?;
    }
    Ok(())
}

fn print_group(group: &SecurityGroup, topology: &Topology, out: &mut impl Write) -> io::Result<()> {
    write!(out, "security group {}, {}", group.name, Ports(topology.group_members(&group.name).count(), ""))?;
    let log = match group.log {
        None => "",
        Some(Log::Drop) => ", what its ports are refused is logged",
        Some(Log::Accept) => ", what its ports begin or are allowed to receive is logged",
        Some(Log::All) => ", what its ports are allowed to begin or receive and what they are refused is logged",
    };
    writeln!(out, "{log}:")?;
    let nothing = if group.stateful { "nothing but answers" } else { "nothing, not even answers" };
    for (direction, way) in [(Direction::Ingress, "in"), (Direction::Egress, "out")] {
        let rules: Vec<&Rule> = group.rules.iter().filter(|rule| rule.direction == direction).collect();
        for rule in rules.iter().take(SHOWN) {
            writeln!(out, "  {way}: {}", Words { rule, topology })?;
        }
        match rules.len() {
            0 => writeln!(out, "  {way}: {nothing}")?,
            1..=SHOWN => {}
            all => writeln!(out, "  {way}: and {} rules more", all - SHOWN)?,
        }
    }
    Ok(())
}

/// `1 port`, `3 ports`, with the verb in the right number.
struct Ports(usize, &'static str);

impl fmt::Display for Ports {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, verb) = self;
        write!(out, "{count} {}", if *count == 1 { "port" } else { "ports" })?;
        match (*verb, *count) {
            ("", _) => Ok(()),
            ("name no security group", 1) => write!(out, " names no security group"),
            (verb, _) => write!(out, " {verb}"),
        }
    }
}

/// One rule.
struct Words<'a> {
    rule: &'a Rule,
    topology: &'a Topology,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule;
        write!(out, "{} ", rule.ethertype.word())?;
        match rule.service {
            Service::Any => write!(out, "of every protocol")?,
            Service::Protocol(number) => write!(out, "{}", Protocol(number))?,
            Service::Ports { protocol, first, last } if first == last => {
                write!(out, "{} to port {first}", Protocol(protocol))?;
            }
            Service::Ports { protocol, first, last } => {
                write!(out, "{} to ports {first}-{last}", Protocol(protocol))?;
            }
            Service::Icmp { icmp_type, icmp_code } => {
                write!(out, "{} of type {icmp_type}", Protocol(rule.ethertype.icmp()))?;
                if let Some(code) = icmp_code {
                    write!(out, " and code {code}")?;
                }
            }
        }
        let way = if rule.direction == Direction::Ingress { "from" } else { "to" };
        match &rule.remote {
            Remote::Any => write!(out, ", {way} anywhere"),
            Remote::Prefix(prefix) => write!(out, ", {way} {prefix}"),
            Remote::Group(name) => {
                let members = Ports(self.topology.group_members(name).count(), "");
                write!(out, ", {way} security group {name} ({members})")
            }
            Remote::AddressGroup(name) => {
                let blocks = self.topology.address_group(name).map_or(0, |group| group.addresses.len());
                write!(out, ", {way} address group {name} ({blocks} {})", if blocks == 1 { "block" } else { "blocks" })
            }
        }
    }
}

/// Its name, or its number.
struct Protocol(u8);

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match protocol_name(self.0) {
            Some(name) => write!(out, "{name}"),
            None => write!(out, "protocol {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let topology = Topology::parse(&format!("[nodes.n]\n[networks.net]\ntype = 'local'\n{text}"), "t").unwrap();
        let mut out = Vec::new();
        print(&topology, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_group_is_told_rule_by_rule() {
        let text = told(
            "[security_groups.web]
            log = 'drop'
            rules = [
                { direction = 'ingress', protocol = 'tcp', port_range = '80' },
                { direction = 'ingress', protocol = 'udp', port_range = '8000-8010', remote_group = 'web' },
                { direction = 'ingress', ethertype = 'IPv6', protocol = 'icmp', icmp_type = 1, icmp_code = 4 },
                { direction = 'ingress', protocol = 200, remote_address_group = 'office' },
                { direction = 'egress', remote_ip_prefix = '192.0.2.0/24' },
            ]
            [security_groups.closed]
            [security_groups.plain]
            stateful = false
            [address_groups.office]
            addresses = ['203.0.113.0/24']
            [ports.p]
            network = 'net'
            node = 'n'
            mac_address = 'fa:16:3e:00:00:01'
            security_groups = ['web']
            [ports.q]
            network = 'net'
            node = 'n'
            mac_address = 'fa:16:3e:00:00:02'",
        );
        let expected = "\
security group closed, 0 ports:
  in: nothing but answers
  out: nothing but answers
security group plain, 0 ports:
  in: nothing, not even answers
  out: nothing, not even answers
security group web, 1 port, what its ports are refused is logged:
  in: IPv4 tcp to port 80, from anywhere
  in: IPv4 udp to ports 8000-8010, from security group web (1 port)
  in: IPv6 icmpv6 of type 1 and code 4, from anywhere
  in: IPv4 protocol 200, from address group office (1 block)
  out: IPv4 of every protocol, to 192.0.2.0/24
1 port names no security group: everything gets out, only answers get in
";
        assert_eq!(text, expected);
    }

    #[test]
    fn of_thousands_of_rules_the_first_are_told() {
        let rule = "{ direction = 'egress' }, ".repeat(1000);
        let text = told(&format!("[security_groups.g]\nrules = [{rule}]"));
        assert_eq!(text.lines().count(), 1 + 1 + SHOWN + 1);
        assert!(text.ends_with("  out: and 960 rules more\n"), "{text}");
    }

    #[test]
    fn where_nothing_is_said_of_security_nothing_is_told() {
        assert_eq!(told(""), "");
    }
}
