//! Back from flows of tables 72 and 82 to the rules that they come from: the inverse of `rules`.
//!
//! A flow may stand for several rules: two groups may say the same, and the halves of conjunctions are shared.

use ipnetwork::IpNetwork;

use super::eth_type;
use super::port_range::masks;
use crate::flow::Flow;
use crate::flow::sim::Hit;
use crate::openflow::oxm::{self, Field, FieldValue, Tlvs};
use crate::openflow::{Action, Instruction, Reader};
use crate::pipeline::tables::{RULES_EGRESS, RULES_INGRESS};
use crate::topology::{Direction, Ethertype, Port, Remote, RemoteUse, Rule, RuleRef, Service, Topology};

/// Ports, types and codes, of the packet itself and of the first packet of its connection.
const TRANSPORT: [&Field; 9] = [
    &oxm::TCP_DST,
    &oxm::UDP_DST,
    &oxm::SCTP_DST,
    &oxm::ICMPV4_TYPE,
    &oxm::ICMPV4_CODE,
    &oxm::ICMPV6_TYPE,
    &oxm::ICMPV6_CODE,
    &oxm::CT_TP_SRC,
    &oxm::CT_TP_DST,
];

/// What a flow matches on and which conjunctions it is part of.
pub struct RuleFlow {
    direction: Option<Direction>,
    fields: Vec<FieldValue>,
    parts: Vec<u32>,
}

impl RuleFlow {
    /// Takes a flow apart.
    pub fn new(flow: &Flow) -> Self {
        let tlvs = Tlvs::new(Reader::new(flow.match_tlvs())).flatten();
        let instructions = flow.decode_instructions().unwrap_or_default();
        let actions = instructions.iter().flat_map(|instruction| match instruction {
            Instruction::ApplyActions(actions) => actions.as_slice(),
            _ => &[],
        });
        let part = |action: &Action| match action {
            Action::Conjunction { id, .. } => Some(*id),
            _ => None,
        };
        let direction = match flow.table {
            RULES_EGRESS => Some(Direction::Egress),
            RULES_INGRESS => Some(Direction::Ingress),
            _ => None,
        };
        Self {
            direction,
            fields: tlvs.filter_map(|tlv| FieldValue::from_tlv(&tlv)).collect(),
            parts: actions.filter_map(part).collect(),
        }
    }

    /// Into the port or out of it; `None`: it is of another table.
    pub const fn direction(&self) -> Option<Direction> {
        self.direction
    }

    /// The numbers of the conjunctions that it is a part of, see [`Topology::remote_use`].
    pub fn parts(&self) -> &[u32] {
        &self.parts
    }

    /// The value of `reg5`: the number of the port that it is about.
    pub fn port_number(&self) -> Option<u32> {
        u32::try_from(self.field(&oxm::REG5)?.0).ok()
    }

    /// True if it comes from this rule, among others.
    pub fn is_from(&self, one: &RuleRef<'_>, topology: &Topology) -> bool {
        let rule = one.rule;
        let conjunction = || RemoteUse::of(&one.group.name, rule).and_then(|one| topology.remote_use(&one));
        let joined = self.field(&oxm::CONJ_ID).and_then(|(id, _)| u32::try_from(id).ok());
        let ethertype = Some((eth_type(rule.ethertype).into(), u128::MAX));
        let same_side = match (joined, self.parts.as_slice()) {
            (Some(id), _) => return conjunction() == Some(id),
            (None, []) => !rule.remote.is_set() && self.has_remote(rule),
            (None, parts) => conjunction().is_some_and(|id| parts.contains(&id)),
        };
        same_side
            && self.direction == Some(rule.direction)
            && self.field(&oxm::ETH_TYPE) == ethertype
            && self.serves(rule)
    }

    /// The value and the mask of a field.
    fn field(&self, field: &'static Field) -> Option<(u128, u128)> {
        let value = self.fields.iter().find(|value| value.field == field)?;
        Some((oxm::number(value.value()), value.mask().map_or(u128::MAX, oxm::number)))
    }

    /// The value and the mask of the first of these fields that it matches on.
    fn first_of(&self, fields: &[&'static Field]) -> Option<(u128, u128)> {
        fields.iter().find_map(|field| self.field(field))
    }

    /// True if it matches on the other side that the rule names, a block or anybody.
    fn has_remote(&self, rule: &Rule) -> bool {
        let fields = match (rule.direction, rule.ethertype) {
            (Direction::Ingress, Ethertype::Ipv4) => [&oxm::CT_NW_SRC, &oxm::IPV4_SRC],
            (Direction::Ingress, Ethertype::Ipv6) => [&oxm::CT_IPV6_SRC, &oxm::IPV6_SRC],
            (Direction::Egress, Ethertype::Ipv4) => [&oxm::CT_NW_DST, &oxm::IPV4_DST],
            (Direction::Egress, Ethertype::Ipv6) => [&oxm::CT_IPV6_DST, &oxm::IPV6_DST],
        };
        match (&rule.remote, self.first_of(&fields)) {
            (Remote::Any, found) => found.is_none(),
            (Remote::Prefix(prefix), Some(found)) => found == value_and_mask(*prefix),
            _ => false,
        }
    }

    /// True if it is one of the flows for what the rule says of the transport layer.
    fn serves(&self, rule: &Rule) -> bool {
        let whole = |value: u8| (value.into(), u128::MAX);
        let protocol = self.first_of(&[&oxm::CT_NW_PROTO, &oxm::IP_PROTO]);
        let no_transport = || TRANSPORT.iter().all(|field| self.field(field).is_none());
        match rule.service {
            Service::Any => protocol.is_none(),
            Service::Protocol(wanted) => protocol == Some(whole(wanted)) && no_transport(),
            Service::Ports { protocol: served, first, last } => {
                let found = self.first_of(&[&oxm::TCP_DST, &oxm::UDP_DST, &oxm::SCTP_DST, &oxm::CT_TP_DST]);
                let all = |mask: u16| if mask == u16::MAX { u128::MAX } else { mask.into() };
                let wanted = |(port, mask): (u16, u16)| found == Some((port.into(), all(mask)));
                protocol == Some(whole(served)) && masks(first, last).into_iter().any(wanted)
            }
            Service::Icmp { icmp_type, icmp_code } => {
                let found_type = self.first_of(&[&oxm::ICMPV4_TYPE, &oxm::ICMPV6_TYPE, &oxm::CT_TP_SRC]);
                let found_code = self.first_of(&[&oxm::ICMPV4_CODE, &oxm::ICMPV6_CODE, &oxm::CT_TP_DST]);
                let icmp = Some(whole(rule.ethertype.icmp()));
                protocol == icmp && found_type == Some(whole(icmp_type)) && found_code == icmp_code.map(whole)
            }
        }
    }
}

/// A block as a field's value and mask; the mask of a single address is none.
fn value_and_mask(prefix: IpNetwork) -> (u128, u128) {
    let (network, bits) = match prefix {
        IpNetwork::V4(prefix) => (u32::from(prefix.network()).into(), 32),
        IpNetwork::V6(prefix) => (u128::from(prefix.network()), 128),
    };
    let mask = match bits - u32::from(prefix.prefix()) {
        0 => u128::MAX,
        host => (u128::MAX >> (128 - bits)) & u128::MAX.checked_shl(host).unwrap_or(0),
    };
    (network, mask)
}

/// The rules of a port by which a flow lets packets through; none if it is there for another reason.
pub fn rules_of_flow<'a>(topology: &'a Topology, port: &'a Port, flow: &Flow) -> Vec<RuleRef<'a>> {
    let read = RuleFlow::new(flow);
    let Some(direction) = read.direction() else { return Vec::new() };
    topology.rules_of(port, direction).filter(|one| read.is_from(one, topology)).collect()
}

/// The rules by which a packet got past a port, of the flow that it hit. Of a conjunction, those whose halves held.
pub fn rules_of_hit<'a>(topology: &'a Topology, port: &'a Port, hit: &Hit) -> Vec<RuleRef<'a>> {
    let halves = hit.clauses.iter().map(|(_, flow)| RuleFlow::new(flow));
    // The half that is about a port has what the rule says of the packet, the other one an address.
    let about_port: Vec<RuleFlow> = halves.filter(|half| half.port_number().is_some()).collect();
    let mut rules = rules_of_flow(topology, port, &hit.flow);
    rules.retain(|one| about_port.iter().all(|half| half.is_from(one, topology)));
    rules
}
