//! Table 71: what fragments carry that a port must not send.
//!
//! Matches see no ports and no types of a fragment (`ovs-ofctl(8)`, `set-frags normal`), but an action that copies them
//! out of a first one does. So they are copied into `reg10`, where each port's flows look for answers of servers. Later
//! fragments tell nothing: they pass, and without their first nobody can use them.

use super::base::{DHCP, NEIGHBOUR_ADVERTISEMENT, ROUTER_ADVERTISEMENT};
use super::rules::FIRST_FRAGMENT;
use super::{Bound, FAMILIES, ON};
use crate::openflow::action::Subfield;
use crate::openflow::numbers::{ETH_TYPE_IPV6, IP_PROTO_ICMPV6, IP_PROTO_UDP};
use crate::openflow::oxm::Field;
use crate::openflow::{Action, Match, oxm};
use crate::pipeline::cookie::Kind;
use crate::pipeline::object::{Entry, Sink};
use crate::pipeline::tables::BASE_EGRESS;

/// `reg11` of a first fragment of which `reg10` tells what it carries.
const READ: u128 = 1;
/// What `reg10` tells of a fragment that hides it: headers fill it up (RFC 7112 §3), or there is no such port or type.
const NOTHING: u128 = 0;
/// The protocol of an IPv6 packet whose headers could not be read to their end: to the userspace datapath, and to that of
/// the kernel ("no next header", RFC 8200 §4.7).
const UNREADABLE: [u8; 2] = [0, 59];

/// First fragments of a protocol.
fn first(matching: Match, eth_type: u16, protocol: u8) -> Match {
    matching.eth_type(eth_type).ip_proto(protocol).field(&oxm::IP_FRAG, FIRST_FRAGMENT)
}

/// Copies a field into `reg10` from a bit on.
fn copy(field: &'static Field, bits: u16, offset: u16) -> Action {
    let dst = Subfield { field: &oxm::REG10, offset, bits };
    Action::Move { src: Subfield { field, offset: 0, bits }, dst }
}

/// Reads what first fragments carry. Without one of these flows, ports send none of them.
pub(super) fn read(sink: &mut Sink<'_>) {
    let ports = || vec![copy(&oxm::UDP_SRC, 16, 0), copy(&oxm::UDP_DST, 16, 16)];
    let udp = FAMILIES.map(|family| (family, IP_PROTO_UDP, ports()));
    let icmpv6 = (ETH_TYPE_IPV6, IP_PROTO_ICMPV6, vec![copy(&oxm::ICMPV6_TYPE, 8, 0)]);
    for (family, protocol, copies) in udp.into_iter().chain([icmpv6]) {
        let unread = first(Match::new().field(&oxm::REG11, 0), family, protocol);
        let again = [Action::set_field(&oxm::REG11, READ), Action::resubmit(BASE_EGRESS)];
        let actions = [copies, again.to_vec()].concat();
        sink.add(ON, Entry::new(BASE_EGRESS, 105, Kind::FirewallFragment, unread).apply(&actions));
    }
}

/// Refuses of a port what servers and routers say, and what hides whether it is that. Neighbour discovery in fragments
/// nobody may send (RFC 6980 §5).
pub(super) fn refused(bound: &Bound<'_>, sink: &mut Sink<'_>) {
    let drop = bound.told.drop();
    let mut refuse = |matching| sink.add(ON, Entry::new(BASE_EGRESS, 70, Kind::PortServerOut, matching).apply(&drop));
    for (family, client, server) in DHCP {
        for found in [u128::from(client) << 16 | u128::from(server), NOTHING] {
            refuse(first(bound.from(), family, IP_PROTO_UDP).field(&oxm::REG10, found));
        }
    }
    for found in [ROUTER_ADVERTISEMENT.into(), NEIGHBOUR_ADVERTISEMENT.into(), NOTHING] {
        refuse(first(bound.from(), ETH_TYPE_IPV6, IP_PROTO_ICMPV6).field(&oxm::REG10, found));
    }
    for protocol in UNREADABLE {
        refuse(bound.from().eth_type(ETH_TYPE_IPV6).ip_proto(protocol));
    }
}
