//! What security groups mean, read off the topology: no flows. The measure for those that do it by flows.
//!
//! [`sends`] and [`receives`] are the two questions: may this leave that port, may it enter. What is known of the
//! packet's connection is [`Seen`]; who keeps connections over several packets, asks once for each.

use std::net::IpAddr;

use heddle::openflow::MacAddr;
use heddle::topology::{Direction, Ethertype, Port, Remote, Rule, Service, Topology};

/// An IP packet between two machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    pub eth_src: MacAddr,
    pub eth_dst: MacAddr,
    pub src: IpAddr,
    pub dst: IpAddr,
    pub what: What,
}

/// What it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Tcp {
        src: u16,
        dst: u16,
    },
    Udp {
        src: u16,
        dst: u16,
    },
    /// ICMP or ICMPv6, by the family of the packet.
    Icmp {
        icmp_type: u8,
        code: u8,
    },
    /// A protocol without ports.
    Other(u8),
}

/// What is known of the packet's connection where it is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Nothing: it begins one.
    New,
    /// It goes the way of one that was allowed.
    Forward,
    /// It goes the way of one that was allowed once and then was not.
    Revoked,
    /// It answers one that was allowed.
    Reply,
    /// It answers one that was allowed once and then was not.
    RevokedReply,
    /// It is an ICMP error about one that was allowed.
    Related,
    /// It does not fit to any.
    Invalid,
}

impl Probe {
    fn ethertype(&self) -> Ethertype {
        Ethertype::of(self.src.into())
    }

    fn is_dhcp(&self, ports: [(u16, u16); 2]) -> bool {
        let expected = ports[usize::from(self.ethertype() == Ethertype::Ipv6)];
        matches!(self.what, What::Udp { src, dst } if (src, dst) == expected)
    }

    /// From a client to a server.
    fn is_dhcp_request(&self) -> bool {
        self.is_dhcp([(68, 67), (546, 547)])
    }

    /// From a server to a client.
    fn is_dhcp_answer(&self) -> bool {
        self.is_dhcp([(67, 68), (547, 546)])
    }

    fn icmpv6_type(&self) -> Option<u8> {
        match (self.what, self.ethertype()) {
            (What::Icmp { icmp_type, .. }, Ethertype::Ipv6) => Some(icmp_type),
            _ => None,
        }
    }
}

/// May the packet leave this port?
pub fn sends(topology: &Topology, port: &Port, probe: &Probe, seen: Seen) -> bool {
    if !port.port_security {
        return true;
    }
    let dhcp_without_address =
        probe.is_dhcp_request() && probe.eth_src == port.mac_address && probe.src == IpAddr::from([0, 0, 0, 0]);
    if !owns(port, probe.eth_src, probe.src) && !dhcp_without_address {
        return false;
    }
    match probe.icmpv6_type() {
        // A machine is no router.
        Some(134) => return false,
        Some(130 | 133 | 135) => return true,
        _ => {}
    }
    if probe.is_dhcp_answer() {
        return false;
    }
    probe.is_dhcp_request() || by_rules(topology, port, Direction::Egress, probe, seen)
}

/// May the packet enter this port?
pub fn receives(topology: &Topology, port: &Port, probe: &Probe, seen: Seen) -> bool {
    let needed = probe.is_dhcp_answer() || matches!(probe.icmpv6_type(), Some(130 | 134 | 135 | 136));
    !port.port_security || needed || by_rules(topology, port, Direction::Ingress, probe, seen)
}

/// Is the pair of addresses the port's?
fn owns(port: &Port, mac: MacAddr, address: IpAddr) -> bool {
    let fixed = mac == port.mac_address && port.fixed_ips.contains(&address);
    let pair =
        port.allowed_address_pairs.iter().any(|pair| pair.mac_address == mac && pair.ip_address.contains(address));
    let is_link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    let of_pair = port.allowed_address_pairs.iter().any(|pair| pair.mac_address == mac);
    let link_local = match mac == port.mac_address {
        true => is_link_local,
        false => of_pair && address == IpAddr::from(mac.link_local_ipv6()),
    };
    fixed || pair || link_local
}

fn by_rules(topology: &Topology, port: &Port, direction: Direction, probe: &Probe, seen: Seen) -> bool {
    let groups: Vec<_> = topology.groups_of(port).collect();
    let rules = groups.iter().flat_map(|group| &group.rules);
    let allowed = rules.filter(|rule| rule.direction == direction).any(|rule| allows(topology, rule, probe));
    if groups.iter().any(|group| !group.stateful) {
        return allowed;
    }
    match seen {
        Seen::New | Seen::Forward | Seen::Revoked => allowed,
        Seen::Reply | Seen::Related => true,
        Seen::RevokedReply | Seen::Invalid => false,
    }
}

fn allows(topology: &Topology, rule: &Rule, probe: &Probe) -> bool {
    let (other_mac, other) = match rule.direction {
        Direction::Ingress => (probe.eth_src, probe.src),
        Direction::Egress => (probe.eth_dst, probe.dst),
    };
    let remote = match &rule.remote {
        Remote::Any => true,
        Remote::Prefix(prefix) => prefix.contains(other),
        Remote::AddressGroup(name) => {
            topology.address_group(name).unwrap().addresses.iter().any(|block| block.contains(other))
        }
        Remote::Group(name) => topology.group_members(name).any(|member| is_of(member, other_mac, other)),
    };
    rule.ethertype == probe.ethertype() && remote && serves(rule, probe.what)
}

/// Is it an address of this member? A pair of all addresses counts with its MAC address only.
fn is_of(member: &Port, mac: MacAddr, address: IpAddr) -> bool {
    let pair = |pair: &heddle::topology::AddressPair| {
        pair.ip_address.contains(address) && (pair.ip_address.prefix() > 0 || pair.mac_address == mac)
    };
    member.fixed_ips.contains(&address) || member.allowed_address_pairs.iter().any(pair)
}

fn serves(rule: &Rule, what: What) -> bool {
    let (protocol, port) = match what {
        What::Tcp { dst, .. } => (6, Some(dst)),
        What::Udp { dst, .. } => (17, Some(dst)),
        What::Icmp { .. } => (rule.ethertype.icmp(), None),
        What::Other(protocol) => (protocol, None),
    };
    match rule.service {
        Service::Any => true,
        Service::Protocol(wanted) => wanted == protocol,
        Service::Ports { protocol: wanted, first, last } => {
            wanted == protocol && port.is_some_and(|port| (first..=last).contains(&port))
        }
        Service::Icmp { icmp_type: wanted, icmp_code } => {
            matches!(what, What::Icmp { icmp_type, code } if icmp_type == wanted && icmp_code.is_none_or(|c| c == code))
        }
    }
}
