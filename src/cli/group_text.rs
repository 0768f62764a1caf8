//! What security groups allow, in words.

use std::io::{self, Write};

use crate::topology::{Count, DEFAULT_GROUP, Direction, Log, Port, RuleRef, SecurityGroup, Topology};

/// Rules of one direction, or blocks of one address group, that are told; there may be thousands.
const SHOWN: usize = 40;

/// Tells of each security group what it allows, and of ports that are in none.
pub(super) fn print(topology: &Topology, out: &mut impl Write) -> io::Result<()> {
    if !topology.firewall() {
        return Ok(());
    }
    for group in topology.security_groups() {
        print_group(group, topology, out)?;
    }
    for group in topology.address_groups() {
        let count = group.addresses.len();
        let shown: Vec<String> = group.addresses.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = if count > SHOWN { format!(" and {} more", count - SHOWN) } else { String::new() };
        let colon = if count > 0 { ": " } else { "" };
        writeln!(out, "address group {}, {}{colon}{}{more}", group.name, Count(count, "block"), shown.join(", "))?;
    }
    print_others(topology, out)
}

/// The ports about which no group says anything.
fn print_others(topology: &Topology, out: &mut impl Write) -> io::Result<()> {
    let count = |wanted: &dyn Fn(&Port) -> bool| topology.ports().filter(|port| wanted(port)).count();
    let has_default = topology.security_group(DEFAULT_GROUP).is_some();
    let unnamed = count(&|port| port.port_security && port.security_groups.is_none());
    let in_none =
        count(&|port| port.port_security && port.security_groups.as_ref().is_some_and(|names| names.is_empty()));
    let open = count(&|port| !port.port_security);
    let by_default = match has_default {
        true => "they are in security group default".to_owned(),
        false => "everything gets out, only answers get in".to_owned(),
    };
    let lines = [
        (unnamed, "without security_groups", by_default),
        (in_none, "with security_groups = []", "nothing gets out or in but what every port needs".to_owned()),
        (open, "with port_security = false", "everything gets out and in".to_owned()),
    ];
    for (count, which, fate) in lines.into_iter().filter(|(count, ..)| *count > 0) {
        writeln!(out, "{} {which}: {fate}", Count(count, "port"))?;
    }
    Ok(())
}

fn print_group(group: &SecurityGroup, topology: &Topology, out: &mut impl Write) -> io::Result<()> {
    write!(out, "security group {}, {}", group.name, Count(topology.group_members(&group.name).count(), "port"))?;
    let stateless = if group.stateful { "" } else { ", stateless: answers need a rule too" };
    let log = match group.log {
        None => "",
        Some(Log::Drop) => ", what its ports are refused is logged",
        Some(Log::Accept) => ", what its ports begin or are allowed to receive is logged",
        Some(Log::All) => ", what its ports are allowed to begin or receive and what they are refused is logged",
    };
    writeln!(out, "{stateless}{log}:")?;
    let nothing = if group.stateful { "nothing but answers" } else { "nothing, not even answers" };
    for (direction, way) in [(Direction::Ingress, "in"), (Direction::Egress, "out")] {
        let rules: Vec<RuleRef<'_>> = group.all_rules().filter(|one| one.rule.direction == direction).collect();
        for one in rules.iter().take(SHOWN) {
            writeln!(out, "  {way}, rule {}: {}", one.number(), topology.rule_words(one.rule))?;
        }
        match rules.len() {
            0 => writeln!(out, "  {way}: {nothing}")?,
            1..=SHOWN => {}
            all => writeln!(out, "  {way}: and {} rules more", all - SHOWN)?,
        }
    }
    Ok(())
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
            addresses = ['203.0.113.0/24', '2001:db8::/32']
            [ports.p]
            network = 'net'
            node = 'n'
            mac_address = 'fa:16:3e:00:00:01'
            security_groups = ['web']
            [ports.q]
            network = 'net'
            node = 'n'
            mac_address = 'fa:16:3e:00:00:02'
            [ports.r]
            network = 'net'
            node = 'n'
            mac_address = 'fa:16:3e:00:00:03'
            security_groups = []
            [ports.s]
            network = 'net'
            node = 'n'
            mac_address = 'fa:16:3e:00:00:04'
            port_security = false",
        );
        let expected = "\
security group closed, 0 ports:
  in: nothing but answers
  out: nothing but answers
security group plain, 0 ports, stateless: answers need a rule too:
  in: nothing, not even answers
  out: nothing, not even answers
security group web, 1 port, what its ports are refused is logged:
  in, rule 1: IPv4 tcp to port 80, from anywhere
  in, rule 2: IPv4 udp to ports 8000-8010, from security group web (1 port)
  in, rule 3: IPv6 icmpv6 of type 1 (destination unreachable) and code 4, from anywhere
  in, rule 4: IPv4 protocol 200, from address group office (1 block of IPv4)
  out, rule 5: IPv4 of every protocol, to 192.0.2.0/24
address group office, 2 blocks: 203.0.113.0/24, 2001:db8::/32
1 port without security_groups: everything gets out, only answers get in
1 port with security_groups = []: nothing gets out or in but what every port needs
1 port with port_security = false: everything gets out and in
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
