//! May a packet leave a port, may it enter one, and by which rule: a reading of the topology, without a flow.
//!
//! The flows of [`crate::pipeline`] do the same to packets; `tests/firewall_flows.rs` holds the two together.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::protocol::UDP;
use super::{Direction, Ethertype, Remote, RemoteAddress, Rule, SecurityGroup, Service};
use crate::openflow::MacAddr;
use crate::topology::{NetworkKind, Port, Topology};

/// ICMP types that ask for an answer, with the type of that (RFC 792).
const ICMP_ANSWERS: [(u8, u8); 3] = [(8, 0), (13, 14), (15, 16)];
/// The same of ICMPv6 (RFC 4443 §4).
const ICMPV6_ANSWERS: [(u8, u8); 1] = [(128, 129)];

/// ICMPv6 of hosts that a port may send without a rule, from an address of its own: listener queries, router and
/// neighbour solicitations, neighbour advertisements.
const ICMPV6_OUT: [u8; 4] = [130, 133, 135, 136];
/// The ones among them that ask from no address: duplicate address detection, and a look for routers.
const ICMPV6_UNADDRESSED: [u8; 2] = [133, 135];
/// Which multicast groups a host listens to (RFC 2710 §3.1, RFC 3810 §5.2).
const LISTENER_REPORTS: [u8; 3] = [131, 132, 143];
/// ICMPv6 that reaches a port without a rule: listener queries, router advertisements, neighbour discovery.
const ICMPV6_IN: [u8; 4] = [130, 134, 135, 136];
const ROUTER_ADVERTISEMENT: u8 = 134;

/// A packet as rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// From which address.
    pub source: IpAddr,
    /// To which, of the same family.
    pub destination: IpAddr,
    /// From which Ethernet address; `None`: one that nobody in the topology has.
    pub eth_src: Option<MacAddr>,
    /// To which.
    pub eth_dst: Option<MacAddr>,
    /// What it carries.
    pub payload: Payload,
}

/// What rules look at beyond addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// TCP, UDP or SCTP.
    Ports {
        /// 6, 17 or 132.
        protocol: u8,
        /// From which port.
        source: u16,
        /// To which.
        destination: u16,
    },
    /// ICMP, or ICMPv6 in an IPv6 packet.
    Icmp {
        /// The type.
        icmp_type: u8,
        /// The code.
        icmp_code: u8,
    },
    /// Another protocol.
    Protocol(u8),
}

impl Payload {
    /// The number of its protocol, in a packet of a family.
    pub const fn protocol(self, ethertype: Ethertype) -> u8 {
        match self {
            Self::Ports { protocol, .. } | Self::Protocol(protocol) => protocol,
            Self::Icmp { .. } => ethertype.icmp(),
        }
    }
}

impl Traffic {
    /// The family.
    pub fn ethertype(&self) -> Ethertype {
        Ethertype::of(self.source.into())
    }

    /// The number of its protocol.
    pub fn protocol(&self) -> u8 {
        self.payload.protocol(self.ethertype())
    }

    /// The address of the other side, as seen from a port that it leaves or enters.
    pub const fn other(&self, direction: Direction) -> IpAddr {
        match direction {
            Direction::Ingress => self.source,
            Direction::Egress => self.destination,
        }
    }

    /// What is sent back, if it is a question to one machine.
    pub fn answer(&self) -> Option<Self> {
        if self.is_to_many() {
            return None;
        }
        let payload = match self.payload {
            Payload::Ports { protocol, source, destination } => {
                Payload::Ports { protocol, source: destination, destination: source }
            }
            Payload::Icmp { icmp_type, .. } => Payload::Icmp { icmp_type: self.icmp_answer(icmp_type)?, icmp_code: 0 },
            other => other,
        };
        Some(Self {
            source: self.destination,
            destination: self.source,
            eth_src: self.eth_dst,
            eth_dst: self.eth_src,
            payload,
        })
    }

    /// True for multicast and broadcast to all.
    pub fn is_to_many(&self) -> bool {
        self.destination.is_multicast() || self.destination == IpAddr::from([255; 4])
    }

    fn icmp_answer(&self, icmp_type: u8) -> Option<u8> {
        let answers: &[(u8, u8)] = match self.ethertype() {
            Ethertype::Ipv4 => &ICMP_ANSWERS,
            Ethertype::Ipv6 => &ICMPV6_ANSWERS,
        };
        answers.iter().find(|(question, _)| *question == icmp_type).map(|(_, answer)| *answer)
    }

    /// True if connection tracking lets a connection begin with it: of ICMP, questions only.
    fn may_begin(&self) -> bool {
        match self.payload {
            Payload::Icmp { icmp_type, .. } => self.icmp_answer(icmp_type).is_some(),
            Payload::Ports { .. } | Payload::Protocol(_) => true,
        }
    }

    fn icmpv6_type(&self) -> Option<u8> {
        match (self.ethertype(), self.payload) {
            (Ethertype::Ipv6, Payload::Icmp { icmp_type, .. }) => Some(icmp_type),
            _ => None,
        }
    }

    /// True if it tells a group, or all routers, which groups its sender listens to.
    fn reports_groups(&self) -> bool {
        let report = self.icmpv6_type().is_some_and(|icmp_type| LISTENER_REPORTS.contains(&icmp_type));
        report && self.destination.is_multicast()
    }

    /// The ports of DHCP and DHCPv6 (RFC 2131 §4.1, RFC 8415 §7.2), the client's first.
    const fn dhcp(ethertype: Ethertype) -> (u16, u16) {
        match ethertype {
            Ethertype::Ipv4 => (68, 67),
            Ethertype::Ipv6 => (546, 547),
        }
    }

    fn is_udp(&self, (from, to): (u16, u16)) -> bool {
        self.payload == Payload::Ports { protocol: UDP, source: from, destination: to }
    }

    fn is_dhcp_request(&self) -> bool {
        self.is_udp(Self::dhcp(self.ethertype()))
    }

    fn is_dhcp_answer(&self) -> bool {
        let (client, server) = Self::dhcp(self.ethertype());
        self.is_udp((server, client))
    }
}

/// What a packet is in its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It begins one.
    First,
    /// It answers one that was allowed.
    Answer,
}

/// A rule of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleRef<'a> {
    /// The group.
    pub group: &'a SecurityGroup,
    /// Its place among the rules of the group, from 0.
    pub index: usize,
    /// The rule.
    pub rule: &'a Rule,
}

impl RuleRef<'_> {
    /// Its number for people: from 1, in the order of the file.
    pub const fn number(&self) -> usize {
        self.index + 1
    }
}

/// Why a packet gets past a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass<'a> {
    /// The topology has no security groups: there is no firewall.
    NoFirewall,
    /// The port has no port security.
    Unfiltered,
    /// Every port may send or receive it: DHCP, neighbour discovery.
    Needed,
    /// These rules allow it, at least one.
    Rules(Vec<RuleRef<'a>>),
    /// It answers what was allowed.
    Answer,
}

/// Why it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop<'a> {
    /// Its source is no address of the port.
    Forged,
    /// It is a DHCP server's or a router's, which a port is not.
    Server,
    /// Connection tracking knows no connection that begins with it.
    NoConnection,
    /// No rule allows it.
    NoRule {
        /// The rule of this direction that comes closest.
        nearest: Option<RuleRef<'a>>,
    },
}

/// Past a port, or not, and why.
pub type Verdict<'a> = Result<Pass<'a>, Stop<'a>>;

/// What a rule wants otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The family.
    Ethertype,
    /// The protocol, ports, type or code.
    Service,
    /// The other side.
    Remote,
}

/// Why there is no way between two ports but through a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWay {
    /// They are in different networks.
    OtherNetwork,
    /// Their network is local, and they are on different nodes.
    Local,
}

impl Port {
    /// The Ethernet address with which the port may send from an address, if it may: its own if either would do.
    pub fn mac_of(&self, address: IpAddr) -> Option<MacAddr> {
        let pairs = self.allowed_address_pairs.iter().map(|pair| pair.mac_address);
        [self.mac_address].into_iter().chain(pairs).find(|&mac| self.owns(mac, address))
    }

    /// True if a packet has no source address and the port may send it so: to a multicast group, what hosts send before
    /// they have an address.
    fn may_say_unaddressed(&self, mac: MacAddr, traffic: &Traffic) -> bool {
        let own = mac == self.mac_address || self.allowed_address_pairs.iter().any(|pair| pair.mac_address == mac);
        let asks = traffic.icmpv6_type().is_some_and(|icmp_type| ICMPV6_UNADDRESSED.contains(&icmp_type));
        let to_group = traffic.destination.is_multicast();
        own && traffic.source == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && to_group && (asks || traffic.reports_groups())
    }

    /// True if the port may send from an address with an Ethernet address: a fixed one, one of a pair, or the
    /// link-local ones of `docs/PIPELINE.md`.
    fn owns(&self, mac: MacAddr, address: IpAddr) -> bool {
        let own = mac == self.mac_address && (is_link_local(address) || self.fixed_ips.contains(&address));
        let made_of_mac = address == IpAddr::from(mac.link_local_ipv6());
        let mut pairs = self.allowed_address_pairs.iter().filter(|pair| pair.mac_address == mac);
        own || pairs.any(|pair| made_of_mac || pair.ip_address.contains(address))
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

impl Topology {
    /// May a packet leave a port?
    pub fn leaves<'a>(&'a self, port: &'a Port, traffic: &Traffic, role: Role) -> Verdict<'a> {
        if let Some(open) = self.open(port) {
            return Ok(open);
        }
        let mac = traffic.eth_src.unwrap_or(port.mac_address);
        let request = traffic.is_dhcp_request();
        let without_address = request && mac == port.mac_address && traffic.source == IpAddr::from([0, 0, 0, 0]);
        if port.may_say_unaddressed(mac, traffic) {
            return Ok(Pass::Needed);
        }
        if !port.owns(mac, traffic.source) && !without_address {
            return Err(Stop::Forged);
        }
        match traffic.icmpv6_type() {
            Some(ROUTER_ADVERTISEMENT) => return Err(Stop::Server),
            Some(icmp_type) if ICMPV6_OUT.contains(&icmp_type) => return Ok(Pass::Needed),
            Some(_) if traffic.reports_groups() && is_link_local(traffic.source) => return Ok(Pass::Needed),
            _ if request => return Ok(Pass::Needed),
            _ if traffic.is_dhcp_answer() => return Err(Stop::Server),
            _ => {}
        }
        self.by_rules((port, Direction::Egress), traffic, role)
    }

    /// May a packet enter a port?
    pub fn enters<'a>(&'a self, port: &'a Port, traffic: &Traffic, role: Role) -> Verdict<'a> {
        if let Some(open) = self.open(port) {
            return Ok(open);
        }
        let discovery = traffic.icmpv6_type().is_some_and(|icmp_type| ICMPV6_IN.contains(&icmp_type));
        if discovery || traffic.is_dhcp_answer() {
            return Ok(Pass::Needed);
        }
        self.by_rules((port, Direction::Ingress), traffic, role)
    }

    fn open(&self, port: &Port) -> Option<Pass<'static>> {
        match (self.firewall(), port.port_security) {
            (false, _) => Some(Pass::NoFirewall),
            (true, false) => Some(Pass::Unfiltered),
            (true, true) => None,
        }
    }

    /// True if the connections of a port are followed. All of its groups want it, or none.
    pub fn is_stateful(&self, port: &Port) -> bool {
        self.groups_of(port).all(|group| group.stateful)
    }

    fn by_rules<'a>(&'a self, (port, direction): (&'a Port, Direction), traffic: &Traffic, role: Role) -> Verdict<'a> {
        match (self.is_stateful(port), role) {
            (true, Role::Answer) => return Ok(Pass::Answer),
            (true, Role::First) if !traffic.may_begin() => return Err(Stop::NoConnection),
            _ => {}
        }
        let allowing: Vec<RuleRef<'_>> =
            self.rules_of(port, direction).filter(|one| self.mismatches(one.rule, traffic).is_empty()).collect();
        match allowing.is_empty() {
            true => Err(Stop::NoRule { nearest: self.nearest((port, direction), traffic) }),
            false => Ok(Pass::Rules(allowing)),
        }
    }

    /// The rules of one direction that hold for a port, in the order of its groups and of the file.
    pub fn rules_of<'a>(&'a self, port: &'a Port, direction: Direction) -> impl Iterator<Item = RuleRef<'a>> {
        let of_group = |group: &'a Arc<SecurityGroup>| group.all_rules();
        self.groups_of(port).flat_map(of_group).filter(move |one| one.rule.direction == direction)
    }

    /// The rule that misses a packet by the least. None: every rule is about something else altogether.
    fn nearest<'a>(&'a self, at: (&'a Port, Direction), traffic: &Traffic) -> Option<RuleRef<'a>> {
        let distance = |one: &RuleRef<'_>| {
            let mismatches = self.mismatches(one.rule, traffic);
            (mismatches.len(), mismatches.contains(&Mismatch::Ethertype), service_distance(one.rule.service, traffic))
        };
        let near = self.rules_of(at.0, at.1).map(|one| (distance(&one), one)).filter(|((misses, ..), _)| *misses < 3);
        near.min_by_key(|(distance, _)| *distance).map(|(_, one)| one)
    }

    /// In what a rule differs from a packet; nothing if it allows it. Its direction is not looked at.
    pub fn mismatches(&self, rule: &Rule, traffic: &Traffic) -> Vec<Mismatch> {
        let misses = [
            (Mismatch::Ethertype, rule.ethertype != traffic.ethertype()),
            (Mismatch::Service, !rule.serves(traffic.payload)),
            (Mismatch::Remote, !self.is_remote_of(rule, traffic)),
        ];
        misses.into_iter().filter(|(_, missed)| *missed).map(|(mismatch, _)| mismatch).collect()
    }

    fn is_remote_of(&self, rule: &Rule, traffic: &Traffic) -> bool {
        let other = traffic.other(rule.direction);
        let mac = match rule.direction {
            Direction::Ingress => traffic.eth_src,
            Direction::Egress => traffic.eth_dst,
        };
        let is = |one: RemoteAddress| one.prefix.contains(other) && one.mac.is_none_or(|own| Some(own) == mac);
        match &rule.remote {
            Remote::Any => true,
            Remote::Prefix(prefix) => prefix.contains(other),
            set => self.addresses_of(set).into_iter().any(is),
        }
    }

    /// Why two ports do not hear each other, if they do not.
    pub fn no_way(&self, from: &Port, to: &Port) -> Option<NoWay> {
        if from.network != to.network {
            return Some(NoWay::OtherNetwork);
        }
        let local = self.network(&from.network).is_some_and(|network| network.kind == NetworkKind::Local);
        (local && from.node != to.node).then_some(NoWay::Local)
    }
}

impl SecurityGroup {
    /// Its rules with their numbers.
    pub fn all_rules(&self) -> impl Iterator<Item = RuleRef<'_>> {
        self.rules.iter().enumerate().map(|(index, rule)| RuleRef { group: self, index, rule })
    }
}

impl Rule {
    /// True if the rule is about packets of its family that carry this.
    pub fn serves(&self, payload: Payload) -> bool {
        match (self.service, payload) {
            (Service::Any, _) => true,
            (Service::Protocol(protocol), _) => protocol == payload.protocol(self.ethertype),
            (Service::Ports { protocol, first, last }, Payload::Ports { protocol: other, destination, .. }) => {
                protocol == other && (first..=last).contains(&destination)
            }
            (Service::Icmp { icmp_type, icmp_code }, Payload::Icmp { icmp_type: other, icmp_code: code }) => {
                icmp_type == other && icmp_code.is_none_or(|wanted| wanted == code)
            }
            _ => false,
        }
    }
}

/// How far a service is from a packet that it may not be about: 0 if it is, then by ports, then by protocol.
fn service_distance(service: Service, traffic: &Traffic) -> u32 {
    const OTHER_PROTOCOL: u32 = 1 << 20;
    match (service, traffic.payload) {
        (Service::Any, _) => 0,
        (Service::Protocol(protocol), _) if protocol == traffic.protocol() => 0,
        (Service::Ports { protocol, first, last }, Payload::Ports { protocol: other, destination, .. })
            if protocol == other =>
        {
            u32::from(first.saturating_sub(destination).max(destination.saturating_sub(last)))
        }
        (Service::Icmp { icmp_type, .. }, Payload::Icmp { icmp_type: other, .. }) => {
            u32::from(icmp_type.abs_diff(other))
        }
        _ => OTHER_PROTOCOL,
    }
}
