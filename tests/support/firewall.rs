//! What security groups mean, read off the topology: no flows. The measure for those that do it by flows.
//!
//! [`leaves`] and [`enters`] say what holds for a port whatever its groups say; [`by_rules`] what these say. What is
//! known of the packet's connection is [`Seen`]; [`super::firewall_connections`] keeps connections over several packets.

use std::net::IpAddr;

use heddle::openflow::MacAddr;
use heddle::topology::{Direction, Ethertype, Port, Remote, Rule, Service, Topology};

use super::firewall_packet::{About, Body, Ip, Load, Packet, Segment};

/// What is known of the packet's connection where it is asked about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
    /// It is an ICMP error about one that was allowed once and then was not.
    RevokedRelated,
    /// It does not fit to any.
    Invalid,
}

/// What holds for a packet before any rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// It goes no further, and why.
    Refused(&'static str),
    /// The same of its first fragment; the others do not tell what they are of, and are of no use alone.
    RefusedFirst(&'static str),
    /// It leaves and enters whatever anybody's rules say.
    Free,
    /// It leaves or enters whatever this port's rules say.
    Needed,
    /// It is for the rules to say.
    Rules,
}

/// What the rules of a port's groups say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ruling {
    Allowed,
    Refused,
    /// Its connection was allowed, and is not any more: refused, and so is all that belongs to it.
    Cut,
}

/// ICMPv6 types (RFC 2710 §3.1, RFC 3810 §5.2, RFC 4861 §4).
const LISTENER_QUERY: u8 = 130;
const LISTENER_REPORTS: [u8; 3] = [131, 132, 143];
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// The address of who has none yet.
const UNSPECIFIED: IpAddr = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);

/// Is it UDP from the first of these ports to the second, by its family?
fn is_udp(ip: &Ip, ports: [(u16, u16); 2]) -> bool {
    let expected = ports[usize::from(ip.src.is_ipv6())];
    matches!(ip.load, Load::Udp { src, dst } if (src, dst) == expected)
}

/// From a DHCP client to a server.
fn is_dhcp_request(ip: &Ip) -> bool {
    is_udp(ip, [(68, 67), (546, 547)])
}

/// From a DHCP server to a client.
fn is_dhcp_answer(ip: &Ip) -> bool {
    is_udp(ip, [(67, 68), (547, 546)])
}

fn icmpv6_type(ip: &Ip) -> Option<u8> {
    match ip.load {
        Load::Icmp { icmp_type, .. } if ip.src.is_ipv6() => Some(icmp_type),
        _ => None,
    }
}

/// May the packet leave this port, before any rule?
pub fn leaves(port: &Port, packet: &Packet) -> Base {
    if !port.port_security {
        return Base::Needed;
    }
    let ip = match &packet.body {
        Body::Arp { sha, spa, .. } => {
            let own = *sha == packet.eth_src && owns(port, *sha, (*spa).into());
            return if own { Base::Free } else { Base::Refused("ARP in another's name") };
        }
        Body::Rarp(_) if macs(port).any(|mac| mac == packet.eth_src) => return Base::Free,
        Body::Rarp(_) => return Base::Refused("RARP from another's MAC address"),
        Body::Unknown => return Base::Refused("no protocol of ours"),
        Body::Ip(ip) => ip,
    };
    let refused = if ip.fragments { Base::RefusedFirst } else { Base::Refused };
    let without_address = !ip.fragments
        && is_dhcp_request(ip)
        && packet.eth_src == port.mac_address
        && ip.src == IpAddr::from([0, 0, 0, 0]);
    let unaddressed = reports_groups(port, packet.eth_src, ip) || asks_without_address(port, packet.eth_src, ip);
    if unaddressed && !ip.fragments {
        return Base::Free;
    }
    if !owns(port, packet.eth_src, ip.src) && !without_address {
        return Base::Refused("from an address that is not its own");
    }
    if ip.fragments && hides_what_it_carries(ip) {
        return refused("it has no ports");
    }
    match icmpv6_type(ip) {
        Some(ROUTER_ADVERTISEMENT) => return refused("a machine is no router"),
        Some(NEIGHBOUR_ADVERTISEMENT) if ip.fragments => return refused("neighbour discovery is never in fragments"),
        _ if ip.fragments => {}
        Some(LISTENER_QUERY | ROUTER_SOLICITATION | NEIGHBOUR_SOLICITATION) => return Base::Free,
        Some(NEIGHBOUR_ADVERTISEMENT) => {
            let own =
                matches!(&ip.load, Load::Icmp { about: About::Address(target), .. } if may_advertise(port, *target));
            return if own { Base::Free } else { Base::Refused("the advertisement of another's address") };
        }
        _ => {}
    }
    match ip {
        ip if is_dhcp_answer(ip) => refused("a machine is no DHCP server"),
        ip if is_dhcp_request(ip) && !ip.fragments => Base::Needed,
        _ => Base::Rules,
    }
}

/// Does it have a port or a type of zero, as what the first fragment does not show?
fn hides_what_it_carries(ip: &Ip) -> bool {
    matches!(ip.load, Load::Udp { src: 0, dst: 0 }) || icmpv6_type(ip) == Some(0)
}

/// Does it say which groups its machine listens to? From a link-local address of its own, or from none yet.
fn reports_groups(port: &Port, mac: MacAddr, ip: &Ip) -> bool {
    let from_link_local = is_link_local(ip.src) && owns(port, mac, ip.src);
    let own = from_link_local || (ip.src == UNSPECIFIED && macs(port).any(|own| own == mac));
    own && ip.dst.is_multicast() && icmpv6_type(ip).is_some_and(|icmp_type| LISTENER_REPORTS.contains(&icmp_type))
}

/// Does it look for a router, or whether an address that the port may have is taken already? Who has no address yet tells
/// no link-layer address either.
fn asks_without_address(port: &Port, mac: MacAddr, ip: &Ip) -> bool {
    let Load::Icmp { icmp_type, about, .. } = &ip.load else { return false };
    let asks = match (*icmp_type, about) {
        (ROUTER_SOLICITATION, _) => ip.dst.is_multicast(),
        (NEIGHBOUR_SOLICITATION, About::Address(target)) => {
            owns(port, mac, (*target).into()) && ip.dst.to_string().starts_with("ff02::1:ff")
        }
        _ => false,
    };
    ip.src == UNSPECIFIED && asks && macs(port).any(|own| own == mac)
}

/// May the packet enter this port, before any rule?
pub fn enters(port: &Port, packet: &Packet) -> Base {
    if !port.port_security {
        return Base::Needed;
    }
    match &packet.body {
        Body::Arp { .. } => Base::Needed,
        Body::Rarp(_) | Body::Unknown => Base::Refused("no protocol of ours"),
        Body::Ip(ip) => {
            let discovery = [LISTENER_QUERY, ROUTER_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT];
            let needed = is_dhcp_answer(ip) || icmpv6_type(ip).is_some_and(|it| discovery.contains(&it));
            if needed && !ip.fragments { Base::Needed } else { Base::Rules }
        }
    }
}

/// The MAC addresses that the port may use.
pub fn macs(port: &Port) -> impl Iterator<Item = MacAddr> {
    port.allowed_address_pairs.iter().map(|pair| pair.mac_address).chain([port.mac_address])
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Is the pair of addresses the port's?
fn owns(port: &Port, mac: MacAddr, address: IpAddr) -> bool {
    let fixed = mac == port.mac_address && port.fixed_ips.contains(&address);
    let pair =
        port.allowed_address_pairs.iter().any(|pair| pair.mac_address == mac && pair.ip_address.contains(address));
    let link_local = match mac == port.mac_address {
        true => is_link_local(address),
        false => macs(port).any(|own| own == mac) && address == IpAddr::from(mac.link_local_ipv6()),
    };
    fixed || pair || link_local
}

/// May the port say that the address is its own? Of link-local addresses, those of its MAC addresses only.
fn may_advertise(port: &Port, target: std::net::Ipv6Addr) -> bool {
    let own = IpAddr::from(target);
    let pair = port.allowed_address_pairs.iter().any(|pair| pair.ip_address.contains(own));
    port.fixed_ips.contains(&own) || pair || macs(port).any(|mac| mac.link_local_ipv6() == target)
}

/// Are connections of the port followed?
pub fn is_stateful(topology: &Topology, port: &Port) -> bool {
    topology.groups_of(port).all(|group| group.stateful)
}

/// What the rules of the port's groups say of an IP packet. Without connections each packet is on its own.
pub fn by_rules(topology: &Topology, (port, direction): (&Port, Direction), packet: &Packet, seen: Seen) -> Ruling {
    let Body::Ip(ip) = &packet.body else { return Ruling::Refused };
    let stateful = is_stateful(topology, port);
    let rules = topology.groups_of(port).flat_map(|group| &group.rules).filter(|rule| rule.direction == direction);
    // Who does not put fragments together sees neither ports nor types.
    let shows_ports = stateful || !ip.fragments;
    let serves = |rule: &Rule| match rule.service {
        Service::Ports { .. } | Service::Icmp { .. } => shows_ports && serves(rule, ip),
        Service::Any | Service::Protocol(_) => serves(rule, ip),
    };
    let allows = |rule: &Rule| {
        rule.ethertype == Ethertype::of(ip.src.into()) && serves(rule) && is_remote(topology, rule, packet, ip)
    };
    let allowed = if rules.into_iter().any(allows) { Ruling::Allowed } else { Ruling::Refused };
    match seen {
        _ if !stateful => allowed,
        Seen::New | Seen::Revoked => allowed,
        Seen::Forward if allowed == Ruling::Refused => Ruling::Cut,
        Seen::Forward | Seen::Reply | Seen::Related => Ruling::Allowed,
        Seen::RevokedReply | Seen::RevokedRelated | Seen::Invalid => Ruling::Refused,
    }
}

/// Is the packet's other side that of the rule?
fn is_remote(topology: &Topology, rule: &Rule, packet: &Packet, ip: &Ip) -> bool {
    let (mac, address) = match rule.direction {
        Direction::Ingress => (packet.eth_src, ip.src),
        Direction::Egress => (packet.eth_dst, ip.dst),
    };
    match &rule.remote {
        Remote::Any => true,
        Remote::Prefix(prefix) => prefix.contains(address),
        Remote::AddressGroup(name) => {
            topology.address_group(name).unwrap().addresses.iter().any(|block| block.contains(address))
        }
        Remote::Group(name) => topology.group_members(name).any(|member| is_of(member, mac, address)),
    }
}

/// Is it an address of this member? A pair of all addresses counts with its MAC address only.
fn is_of(member: &Port, mac: MacAddr, address: IpAddr) -> bool {
    let pair = |pair: &heddle::topology::AddressPair| {
        pair.ip_address.contains(address) && (pair.ip_address.prefix() > 0 || pair.mac_address == mac)
    };
    member.fixed_ips.contains(&address) || member.allowed_address_pairs.iter().any(pair)
}

fn serves(rule: &Rule, ip: &Ip) -> bool {
    let port = match ip.load {
        Load::Tcp(Segment { dst, .. }) | Load::Udp { dst, .. } => Some(dst),
        Load::Icmp { .. } | Load::Other(_) => None,
    };
    match rule.service {
        Service::Any => true,
        Service::Protocol(wanted) => wanted == ip.protocol(),
        Service::Ports { protocol: wanted, first, last } => {
            wanted == ip.protocol() && port.is_some_and(|port| (first..=last).contains(&port))
        }
        Service::Icmp { icmp_type: wanted, icmp_code } => {
            matches!(ip.load, Load::Icmp { icmp_type, code, .. }
                if icmp_type == wanted && icmp_code.is_none_or(|wanted| wanted == code))
        }
    }
}
