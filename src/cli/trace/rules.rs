//! Which rule of which security group lets a packet through, or which missing one stops it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::words::Words;
use crate::cli::explain::{groups, rule_words};
use crate::flow::sim::{BridgeId, Hit, Packet};
use crate::openflow::MacAddr;
use crate::openflow::numbers::{ETH_TYPE_IPV4, ETH_TYPE_IPV6, IP_PROTO_SCTP, IP_PROTO_TCP, IP_PROTO_UDP};
use crate::openflow::oxm::{self, Field};
use crate::topology::{Direction, Ethertype, Payload, Port, Role, RuleRef, Stop, Topology, Traffic};

impl Words<'_> {
    /// Lines about the rules of a port that a packet has met at a flow; `packet` has its headers.
    pub(super) fn verdict(&self, id: BridgeId, hit: &Hit, packet: &Packet) -> Vec<String> {
        let Some(topology) = self.topology() else { return Vec::new() };
        let Some(explainer) = self.explainer(id) else { return Vec::new() };
        if let Some((_, rules)) = explainer.passed(hit) {
            return rules.iter().map(|one| passed(one, topology)).collect();
        }
        let refused = explainer.refused(hit).zip(traffic(packet));
        refused.map(|((port, direction), traffic)| missing(topology, (port, direction), &traffic)).unwrap_or_default()
    }

    /// The rules by which a packet got past a port at a flow.
    pub(super) fn rules(&self, id: BridgeId, hit: &Hit) -> Vec<RuleRef<'_>> {
        self.explainer(id).and_then(|explainer| explainer.passed(hit)).map(|(_, rules)| rules).unwrap_or_default()
    }
}

fn passed(one: &RuleRef<'_>, topology: &Topology) -> String {
    let way = if one.rule.direction == Direction::Ingress { "in" } else { "out" };
    format!("let {way} by {}", rule_words(one, topology))
}

/// The rule that would be needed, and the one that comes closest.
fn missing(topology: &Topology, (port, direction): (&Port, Direction), traffic: &Traffic) -> Vec<String> {
    let (way, other) = match direction {
        Direction::Ingress => ("from", traffic.source),
        Direction::Egress => ("to", traffic.destination),
    };
    let word = direction.word();
    let line =
        format!("no {word} rule of port {} ({}) allows {traffic} {way} {other}", port.name, groups(topology, port));
    let verdict = match direction {
        Direction::Ingress => topology.enters(port, traffic, Role::First),
        Direction::Egress => topology.leaves(port, traffic, Role::First),
    };
    let nearest = match verdict {
        Err(Stop::NoRule { nearest: Some(nearest) }) => {
            let missed = topology.mismatch_words(&nearest, traffic);
            Some(format!("the nearest is {}: {missed}", rule_words(&nearest, topology)))
        }
        _ => None,
    };
    [line].into_iter().chain(nearest).collect()
}

/// A packet as rules look at it; `None`: it is none of IP.
fn traffic(packet: &Packet) -> Option<Traffic> {
    let number = |field: &Field| packet.get(field);
    let ethertype = match u16::try_from(number(&oxm::ETH_TYPE)).ok()? {
        ETH_TYPE_IPV4 => Ethertype::Ipv4,
        ETH_TYPE_IPV6 => Ethertype::Ipv6,
        _ => return None,
    };
    let address = |v4: &Field, v6: &Field| match ethertype {
        Ethertype::Ipv4 => IpAddr::from(Ipv4Addr::from(number(v4) as u32)),
        Ethertype::Ipv6 => IpAddr::from(Ipv6Addr::from(number(v6))),
    };
    let protocol = number(&oxm::IP_PROTO) as u8;
    let ports = |source: &Field, destination: &Field| Payload::Ports {
        protocol,
        source: number(source) as u16,
        destination: number(destination) as u16,
    };
    let payload = match protocol {
        IP_PROTO_TCP => ports(&oxm::TCP_SRC, &oxm::TCP_DST),
        IP_PROTO_UDP => ports(&oxm::UDP_SRC, &oxm::UDP_DST),
        IP_PROTO_SCTP => ports(&oxm::SCTP_SRC, &oxm::SCTP_DST),
        _ if protocol == ethertype.icmp() => {
            let (icmp_type, icmp_code) = match ethertype {
                Ethertype::Ipv4 => (&oxm::ICMPV4_TYPE, &oxm::ICMPV4_CODE),
                Ethertype::Ipv6 => (&oxm::ICMPV6_TYPE, &oxm::ICMPV6_CODE),
            };
            Payload::Icmp { icmp_type: number(icmp_type) as u8, icmp_code: number(icmp_code) as u8 }
        }
        other => Payload::Protocol(other),
    };
    let mac = |field: &Field| {
        let [_, _, octets @ ..] = (number(field) as u64).to_be_bytes();
        Some(MacAddr(octets))
    };
    Some(Traffic {
        source: address(&oxm::IPV4_SRC, &oxm::IPV6_SRC),
        destination: address(&oxm::IPV4_DST, &oxm::IPV6_DST),
        eth_src: mac(&oxm::ETH_SRC),
        eth_dst: mac(&oxm::ETH_DST),
        payload,
    })
}
