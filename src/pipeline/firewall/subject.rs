//! What a rule says of packets, as fields.
//!
//! Where connections are followed, a rule is held against the first packet of a connection (`ct_nw_src` and the fields
//! beside it, `ovs-fields(7)`), which all packets of the connection show: so one flow stands for both directions, for
//! errors about the connection, and for fragments.

use ipnetwork::IpNetwork;

use super::port_range::masks;
use super::{ct_state, eth_type, state};
use crate::openflow::numbers::{IP_PROTO_SCTP, IP_PROTO_TCP};
use crate::openflow::oxm::Field;
use crate::openflow::{Match, oxm};
use crate::topology::{Direction, Ethertype, Rule, Service};

/// `nw_frag=no`.
const NO_FRAGMENT: u128 = 0;

/// What rules are held against.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Subject {
    /// The first packet of the connection that a packet belongs to.
    Connection,
    /// The packet itself: nothing is known of connections.
    Packet,
}

impl Subject {
    pub(super) const fn of(stateful: bool) -> Self {
        if stateful { Self::Connection } else { Self::Packet }
    }

    /// Packets of a family that rules may allow. Open vSwitch takes fields of a connection with `ct_state=-inv+trk` only.
    pub(super) fn family(self, matching: Match, ethertype: Ethertype) -> Match {
        let family = matching.eth_type(eth_type(ethertype));
        match self {
            Self::Connection => ct_state(family, state::TRK, state::INV),
            Self::Packet => family,
        }
    }

    /// Those from a block of addresses, by a rule of ingress, or to it.
    pub(super) fn other_side(self, matching: Match, direction: Direction, block: IpNetwork) -> Match {
        match (self, direction) {
            (Self::Connection, Direction::Ingress) => matching.ct_ip_src(block),
            (Self::Connection, Direction::Egress) => matching.ct_ip_dst(block),
            (Self::Packet, Direction::Ingress) => matching.ip_src(block),
            (Self::Packet, Direction::Egress) => matching.ip_dst(block),
        }
    }

    /// The packets that a rule is about, but for its other side.
    pub(super) fn services(self, matching: Match, rule: &Rule) -> Vec<Match> {
        let family = self.family(matching, rule.ethertype);
        let protocol = |number: u8| family.clone().field(self.protocol(), number.into());
        match rule.service {
            Service::Any => vec![family],
            Service::Protocol(number) => vec![protocol(number)],
            Service::Ports { protocol: number, first, last } => {
                let field = self.destination_port(number);
                let masked = |(port, mask): (u16, u16)| protocol(number).field_masked(field, port.into(), mask.into());
                masks(first, last).into_iter().map(masked).collect()
            }
            Service::Icmp { icmp_type, icmp_code } => {
                let (type_field, code_field) = self.icmp(rule.ethertype);
                let messages = protocol(rule.ethertype.icmp()).field(type_field, icmp_type.into());
                // To Open vSwitch every fragment has the type 0, of connections every later one.
                let messages = if icmp_type == 0 { messages.field(&oxm::IP_FRAG, NO_FRAGMENT) } else { messages };
                vec![match icmp_code {
                    Some(code) => messages.field(code_field, code.into()),
                    None => messages,
                }]
            }
        }
    }

    const fn protocol(self) -> &'static Field {
        match self {
            Self::Connection => &oxm::CT_NW_PROTO,
            Self::Packet => &oxm::IP_PROTO,
        }
    }

    const fn destination_port(self, protocol: u8) -> &'static Field {
        match (self, protocol) {
            (Self::Connection, _) => &oxm::CT_TP_DST,
            (Self::Packet, IP_PROTO_TCP) => &oxm::TCP_DST,
            (Self::Packet, IP_PROTO_SCTP) => &oxm::SCTP_DST,
            (Self::Packet, _) => &oxm::UDP_DST,
        }
    }

    /// The fields of type and code.
    const fn icmp(self, ethertype: Ethertype) -> (&'static Field, &'static Field) {
        match (self, ethertype) {
            (Self::Connection, _) => (&oxm::CT_TP_SRC, &oxm::CT_TP_DST),
            (Self::Packet, Ethertype::Ipv4) => (&oxm::ICMPV4_TYPE, &oxm::ICMPV4_CODE),
            (Self::Packet, Ethertype::Ipv6) => (&oxm::ICMPV6_TYPE, &oxm::ICMPV6_CODE),
        }
    }
}
