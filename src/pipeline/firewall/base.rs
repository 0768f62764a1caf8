//! What holds for a port whatever its security groups say: its own addresses, ARP, neighbour discovery, DHCP.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::{
    Bound, FAMILIES, ON, REVOKED, any_link_local, block_v6, commit, commit_marked, ct_state, eth_type_of, fragments,
    link_local, state, track,
};
use crate::openflow::matching::{ETH_TYPE_ARP, mac_number};
use crate::openflow::numbers::{ETH_TYPE_IPV4, ETH_TYPE_IPV6, ETH_TYPE_RARP, IP_PROTO_UDP};
use crate::openflow::{Action, MacAddr, Match, TableId, oxm};
use crate::pipeline::cookie::Kind;
use crate::pipeline::object::{Entry, Sink};
use crate::pipeline::tables::{
    ACCEPT_OR_INGRESS, ACCEPTED_EGRESS, ACCEPTED_EGRESS_NORMAL, ACCEPTED_INGRESS, BASE_EGRESS, BASE_INGRESS,
    RULES_EGRESS, RULES_INGRESS,
};
use crate::pipeline::view::View;

/// `reg9` of a packet whose connection was just kept.
const KEPT: u128 = 1;

/// ICMPv6 types (RFC 2710 §3.1, RFC 3810 §5.2, RFC 4861 §4).
const LISTENER_QUERY: u8 = 130;
const LISTENER_REPORT: u8 = 131;
const LISTENER_DONE: u8 = 132;
const LISTENER_REPORT_V2: u8 = 143;
const ROUTER_SOLICITATION: u8 = 133;
pub(super) const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
pub(super) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// EtherType, client's and server's port of DHCP (RFC 2131 §4.1, RFC 8415 §7.2).
pub(super) const DHCP: [(u16, u16, u16); 2] = [(ETH_TYPE_IPV4, 68, 67), (ETH_TYPE_IPV6, 546, 547)];

/// `udp,tp_src=FROM,tp_dst=TO` of a family.
fn udp(matching: Match, eth_type: u16, (from, to): (u16, u16)) -> Match {
    let udp = matching.eth_type(eth_type).ip_proto(IP_PROTO_UDP);
    udp.field(&oxm::UDP_SRC, from.into()).field(&oxm::UDP_DST, to.into())
}

/// Tables 71 and 73: what the port may send, and where it goes once it may.
pub(super) fn egress(bound: &Bound<'_>, view: &View<'_>, sink: &mut Sink<'_>) {
    let (v4, v6): (Vec<_>, Vec<_>) = bound.addresses().into_iter().partition(|(_, block)| block.is_ipv4());
    arp(bound, &v4, sink);
    neighbour_discovery(bound, &v6, sink);
    address_detection(bound, &v6, sink);
    multicast(bound, &v6, sink);
    dhcp_client(bound, &v4, &v6, sink);
    refused(bound, sink);
    fragments::refused(bound, sink);
    let next = if view.topology.is_stateful(bound.port) { track(RULES_EGRESS) } else { Action::resubmit(RULES_EGRESS) };
    for &(mac, block) in v4.iter().chain(&v6) {
        let own = bound.from().eth_src(mac).eth_type(eth_type_of(block)).ip_src(block);
        sink.add(ON, Entry::new(BASE_EGRESS, 65, Kind::PortSender, own).apply(std::slice::from_ref(&next)));
    }
    let drop = [vec![Action::CtClear], bound.told.drop()].concat();
    sink.add(ON, Entry::new(BASE_EGRESS, 10, Kind::PortForged, bound.from()).apply(&drop));
    accepted(bound, (ACCEPT_OR_INGRESS, Kind::PortAccepted), (&[], ACCEPTED_EGRESS), sink);
    let out = [Action::resubmit(ACCEPTED_EGRESS_NORMAL)];
    sink.add(ON, Entry::new(ACCEPT_OR_INGRESS, 80, Kind::PortAccepted, bound.about()).apply(&out));
}

/// ARP with an address that the port owns, as the Ethernet header, the ARP packet and both say.
fn arp(bound: &Bound<'_>, v4: &[(MacAddr, IpNetwork)], sink: &mut Sink<'_>) {
    let pass = [Action::resubmit(ACCEPTED_EGRESS_NORMAL)];
    for &(mac, block) in v4 {
        let arp = bound.from().eth_src(mac).eth_type(ETH_TYPE_ARP).arp_spa(block);
        let arp = arp.field(&oxm::ARP_SHA, mac_number(mac));
        sink.add(ON, Entry::new(BASE_EGRESS, 95, Kind::PortArpOut, arp).apply(&pass));
    }
    let macs: BTreeSet<MacAddr> = v4.iter().map(|(mac, _)| *mac).collect();
    for mac in macs {
        let rarp = bound.from().eth_src(mac).eth_type(ETH_TYPE_RARP);
        sink.add(ON, Entry::new(BASE_EGRESS, 95, Kind::PortArpOut, rarp).apply(&pass));
    }
}

/// Solicitations from an address that the port owns; advertisements from one and of one, be they two.
fn neighbour_discovery(bound: &Bound<'_>, v6: &[(MacAddr, IpNetwork)], sink: &mut Sink<'_>) {
    let pass = [Action::resubmit(ACCEPTED_EGRESS_NORMAL)];
    // Conjunctions of this table have the number of their port.
    let id = bound.ofport.0;
    let half = |clause| [Action::Conjunction { id, clause, n_clauses: 2 }];
    let advertisement = || bound.from().icmpv6_type(NEIGHBOUR_ADVERTISEMENT);
    for &(mac, block) in v6 {
        for icmp_type in [LISTENER_QUERY, ROUTER_SOLICITATION, NEIGHBOUR_SOLICITATION] {
            let asked = bound.from().eth_src(mac).icmpv6_type(icmp_type).ip_src(block);
            sink.add(ON, Entry::new(BASE_EGRESS, 95, Kind::PortNeighbourOut, asked).apply(&pass));
        }
        let sender = advertisement().eth_src(mac).ip_src(block);
        sink.add(ON, Entry::new(BASE_EGRESS, 95, Kind::PortAdvertised, sender).apply(&half(1)));
    }
    // It may send from any link-local address, but others ask for those of other ports.
    let own = v6.iter().map(|(_, block)| *block).filter(|block| *block != any_link_local());
    let targets: BTreeSet<IpNetwork> = own.chain(bound.macs().into_iter().map(link_local)).collect();
    for block in targets {
        let target = advertisement().nd_target(block);
        sink.add(ON, Entry::new(BASE_EGRESS, 95, Kind::PortAdvertised, target).apply(&half(0)));
    }
    let both = advertisement().field(&oxm::CONJ_ID, id.into());
    sink.add(ON, Entry::new(BASE_EGRESS, 95, Kind::PortNeighbourOut, both).apply(&pass));
}

/// Is an address that the port may have in use already? Asked from no address (RFC 4862 §5.4.2), of those who listen for
/// it, and with no link-layer address (RFC 4861 §7.1.1), which reads as zero.
fn address_detection(bound: &Bound<'_>, v6: &[(MacAddr, IpNetwork)], sink: &mut Sink<'_>) {
    let pass = [Action::resubmit(ACCEPTED_EGRESS_NORMAL)];
    for &(mac, block) in v6 {
        let asked = bound.from().eth_src(mac).icmpv6_type(NEIGHBOUR_SOLICITATION).ip_src(none_v6());
        let asked = asked.ip_dst(solicited_nodes()).nd_target(block).field(&oxm::ND_SLL, 0);
        sink.add(ON, Entry::new(BASE_EGRESS, 95, Kind::PortNeighbourOut, asked).apply(&pass));
    }
}

/// Which groups the machine listens to, without which it hears of no neighbour: from a link-local address, or from none
/// as long as it has none (RFC 3590 §4). Then it may look for routers too (RFC 4861 §4.1).
fn multicast(bound: &Bound<'_>, v6: &[(MacAddr, IpNetwork)], sink: &mut Sink<'_>) {
    let pass = [Action::resubmit(ACCEPTED_EGRESS_NORMAL)];
    let mut say = |mac, source, icmp_type| {
        let said = bound.from().eth_src(mac).icmpv6_type(icmp_type).ip_src(source).ip_dst(all_multicast());
        sink.add(ON, Entry::new(BASE_EGRESS, 95, Kind::PortNeighbourOut, said).apply(&pass));
    };
    let link_local = v6.iter().filter_map(|&(mac, block)| Some((mac, link_local_part(block)?)));
    for (mac, source) in link_local.chain(bound.macs().into_iter().map(|mac| (mac, none_v6()))) {
        [LISTENER_REPORT, LISTENER_DONE, LISTENER_REPORT_V2].into_iter().for_each(|it| say(mac, source, it));
    }
    bound.macs().into_iter().for_each(|mac| say(mac, none_v6(), ROUTER_SOLICITATION));
}

/// What of a block is link-local.
fn link_local_part(block: IpNetwork) -> Option<IpNetwork> {
    let all = any_link_local();
    match all.contains(block.network()) && block.prefix() >= all.prefix() {
        true => Some(block),
        false => block.contains(all.network()).then_some(all),
    }
}

/// `::`, the address of who has none yet (RFC 4291 §2.5.2).
fn none_v6() -> IpNetwork {
    IpAddr::V6(Ipv6Addr::UNSPECIFIED).into()
}

/// `ff02::1:ff00:0/104`, the groups in which machines hear solicitations (RFC 4291 §2.7.1).
fn solicited_nodes() -> IpNetwork {
    block_v6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0), 104)
}

/// `ff00::/8`, all groups (RFC 4291 §2.7).
fn all_multicast() -> IpNetwork {
    block_v6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8)
}

/// Requests to a DHCP server, from an address that the port owns, or from none yet.
fn dhcp_client(bound: &Bound<'_>, v4: &[(MacAddr, IpNetwork)], v6: &[(MacAddr, IpNetwork)], sink: &mut Sink<'_>) {
    let pass = bound.told.needless();
    let none_yet = (bound.port.mac_address, IpNetwork::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
    let any = |(mac, block): &(MacAddr, IpNetwork)| *mac == none_yet.0 && block.contains(none_yet.1.ip());
    let none_yet = [none_yet].into_iter().filter(|_| !v4.iter().any(any));
    for (mac, block) in v4.iter().chain(v6).copied().chain(none_yet) {
        let own = bound.from().eth_src(mac);
        let (eth_type, client, server) = if block.is_ipv4() { DHCP[0] } else { DHCP[1] };
        let request = udp(own, eth_type, (client, server)).ip_src(block);
        sink.add(ON, Entry::new(BASE_EGRESS, 80, Kind::PortDhcpOut, request).apply(&pass));
    }
}

/// Answers of a DHCP server and advertisements of a router, which a port is not, and of others' addresses.
fn refused(bound: &Bound<'_>, sink: &mut Sink<'_>) {
    let drop = bound.told.drop();
    for (eth_type, client, server) in DHCP {
        let answer = udp(bound.from(), eth_type, (server, client));
        sink.add(ON, Entry::new(BASE_EGRESS, 70, Kind::PortServerOut, answer).apply(&drop));
    }
    let router = bound.from().icmpv6_type(ROUTER_ADVERTISEMENT);
    sink.add(ON, Entry::new(BASE_EGRESS, 70, Kind::PortServerOut, router).apply(&drop));
    // Those of its own addresses have passed before. Tracking knows none, but a stateless port has only its rules.
    let neighbour = bound.from().icmpv6_type(NEIGHBOUR_ADVERTISEMENT);
    sink.add(ON, Entry::new(BASE_EGRESS, 70, Kind::PortServerOut, neighbour).apply(&drop));
}

/// Keeps new connections, of which somebody may be `told`, and takes the mark off those that a rule allows again.
///
/// Nothing stands behind `ct` in a list of actions: the userspace datapath keeps fragments whose others never come, and
/// lets them go 15 seconds later with whatever it tracks then, into another port of another network. Looked up once more,
/// they are invalid, and `next` does not take them.
fn accepted(
    bound: &Bound<'_>,
    (table, kind): (TableId, Kind),
    (told, next): (&[Action], TableId),
    sink: &mut Sink<'_>,
) {
    let once = || Action::set_field(&oxm::REG9, KEPT);
    for family in FAMILIES {
        let of_family = || bound.about().eth_type(family).field(&oxm::REG9, 0);
        let keep = [told, &[once(), commit(next)]].concat();
        let new = ct_state(of_family(), state::NEW, state::EST);
        sink.add(ON, Entry::new(table, 90, kind, new).apply(&keep));
        let revoked = ct_state(of_family(), state::EST, 0).field(&oxm::CT_MARK, REVOKED);
        sink.add(ON, Entry::new(table, 90, kind, revoked).apply(&[once(), commit_marked(0, next)]));
    }
}

/// Tables 81 and 92: what reaches the port without a rule, and how it does with one.
pub(super) fn ingress(bound: &Bound<'_>, view: &View<'_>, sink: &mut Sink<'_>) {
    let deliver = [Action::output(bound.ofport)];
    let types = [LISTENER_QUERY, ROUTER_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT];
    let discovery = types.into_iter().map(|icmp_type| bound.about().icmpv6_type(icmp_type));
    for matching in [bound.about().eth_type(ETH_TYPE_ARP)].into_iter().chain(discovery) {
        sink.add(ON, Entry::new(BASE_INGRESS, 100, Kind::PortNeighbourIn, matching).apply(&deliver));
    }
    for (eth_type, client, server) in DHCP {
        let answer = udp(bound.about(), eth_type, (server, client));
        sink.add(ON, Entry::new(BASE_INGRESS, 95, Kind::PortDhcpIn, answer).apply(&deliver));
    }
    let rules = [Action::resubmit(RULES_INGRESS)];
    let untracked = if view.topology.is_stateful(bound.port) { [track(RULES_INGRESS)] } else { rules.clone() };
    for family in FAMILIES {
        let matching = ct_state(bound.about().eth_type(family), 0, state::TRK);
        sink.add(ON, Entry::new(BASE_INGRESS, 90, Kind::PortTracked, matching).apply(&untracked));
    }
    let tracked = ct_state(bound.about(), state::TRK, 0);
    sink.add(ON, Entry::new(BASE_INGRESS, 80, Kind::PortTracked, tracked).apply(&rules));
    accepted(bound, (ACCEPTED_INGRESS, Kind::PortDelivered), (&bound.told.begun(), ACCEPTED_INGRESS), sink);
    let valid = ct_state(bound.about(), 0, state::INV);
    sink.add(ON, Entry::new(ACCEPTED_INGRESS, 80, Kind::PortDelivered, valid).apply(&deliver));
}
