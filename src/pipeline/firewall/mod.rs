//! The firewall of `br-int`, tables 60 and 71 to 94: what a port may send, and what of it reaches another.
//!
//! A packet carries who it is about: `reg5` has the number of the port that it came from, later of the port that it
//! goes to, `reg6` the local VLAN, which is its zone of connection tracking too. `ct_mark` 1 is on connections that
//! no rule allows any more. All of it as in Neutron; `docs/PIPELINE.md` has what differs and why.

mod base;
mod fragments;
mod log;
mod members;
pub mod origin;
mod port_range;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv6Network};

use super::cookie::Kind;
use super::object::{Entry, Sink};
use super::tables::{
    ACCEPT_OR_INGRESS, ACCEPTED_EGRESS, ACCEPTED_EGRESS_NORMAL, ACCEPTED_INGRESS, BASE_EGRESS, BASE_INGRESS, DROPPED,
    LOCAL_SWITCHING, PACKET_RATE_LIMIT, RULES_EGRESS, RULES_INGRESS, TRANSIENT,
};
use super::view::{Bridge, LocalVlan, View};
use crate::flow::Flow;
use crate::openflow::action::{Conntrack, CtFlags, CtZone, Subfield};
use crate::openflow::match_fields::{Form, MatchFields, Strictness};
use crate::openflow::matching::mac_number;
use crate::openflow::numbers::{ETH_TYPE_IPV4, ETH_TYPE_IPV6};
use crate::openflow::oxm::Masked;
use crate::openflow::{Action, MacAddr, Match, PortNo, Reader, TableId, oxm};
use crate::topology::{Ethertype, Network, Port};

pub(super) use members::{Places, address};

const ON: &Bridge = &Bridge::Integration;

/// `ct_mark` of a connection that no rule allows any more.
const REVOKED: u128 = 1;

/// `ct_state`, as `ovs-fields(7)` has it.
mod state {
    pub(super) const NEW: u32 = 0x01;
    pub(super) const EST: u32 = 0x02;
    pub(super) const REL: u32 = 0x04;
    pub(super) const RPL: u32 = 0x08;
    pub(super) const INV: u32 = 0x10;
    pub(super) const TRK: u32 = 0x20;
}

/// `ct_state=+SET-CLEAR`.
fn ct_state(matching: Match, set: u32, clear: u32) -> Match {
    matching.field_masked(&oxm::CT_STATE, set.into(), (set | clear).into())
}

/// EtherTypes of both families.
const FAMILIES: [u16; 2] = [ETH_TYPE_IPV4, ETH_TYPE_IPV6];

const fn eth_type(ethertype: Ethertype) -> u16 {
    match ethertype {
        Ethertype::Ipv4 => ETH_TYPE_IPV4,
        Ethertype::Ipv6 => ETH_TYPE_IPV6,
    }
}

const fn eth_type_of(block: IpNetwork) -> u16 {
    eth_type(Ethertype::of(block))
}

/// `ct(table=NEXT,zone=NXM_NX_REG6[0..15])`.
fn track(next: TableId) -> Action {
    ct(CtFlags(0), next, Vec::new())
}

/// `ct(commit,table=NEXT,zone=NXM_NX_REG6[0..15])`.
fn commit(next: TableId) -> Action {
    ct(CtFlags::COMMIT, next, Vec::new())
}

/// `ct(commit,table=NEXT,zone=NXM_NX_REG6[0..15],exec(set_field:MARK->ct_mark))`; with table 255 it ends there.
fn commit_marked(mark: u128, next: TableId) -> Action {
    ct(CtFlags::COMMIT, next, vec![Action::set_field(&oxm::CT_MARK, mark)])
}

fn ct(flags: CtFlags, recirc_table: TableId, actions: Vec<Action>) -> Action {
    let zone = CtZone::Field(Subfield { field: &oxm::REG6, offset: 0, bits: 16 });
    Action::Ct(Box::new(Conntrack { flags, zone, recirc_table, alg: 0, actions }))
}

/// A port that is plugged in on this node.
#[derive(Clone, Copy)]
struct Bound<'a> {
    port: &'a Port,
    ofport: PortNo,
    local_vlan: LocalVlan,
    /// What it sends may enter.
    open: bool,
    told: log::Told,
}

impl<'a> Bound<'a> {
    fn of(port: &'a Port, view: &View<'_>) -> Option<Self> {
        let ofport = *view.bindings.ports.get(&port.name)?;
        let local_vlan = view.local_vlan(&port.network)?;
        let open = view.is_open(&port.name);
        Some(Self { port, ofport, local_vlan, open, told: log::Told::of(port, view.topology) })
    }

    /// What came from the port, or goes to it.
    fn about(&self) -> Match {
        Match::new().field(&oxm::REG5, self.ofport.0.into())
    }

    /// What came from the port.
    fn from(&self) -> Match {
        self.about().in_port(self.ofport)
    }

    fn set_port(&self) -> Action {
        Action::set_field(&oxm::REG5, self.ofport.0.into())
    }

    fn set_vlan(&self) -> Action {
        Action::set_field(&oxm::REG6, self.local_vlan.vid().into())
    }

    /// The Ethernet addresses that it owns.
    fn macs(&self) -> BTreeSet<MacAddr> {
        let pairs = self.port.allowed_address_pairs.iter().map(|pair| pair.mac_address);
        pairs.chain([self.port.mac_address]).collect()
    }

    /// The addresses that it owns with their Ethernet addresses, and no block inside another of the same one.
    fn addresses(&self) -> BTreeSet<(MacAddr, IpNetwork)> {
        let own = self.port.mac_address;
        let fixed = self.port.fixed_ips.iter().map(|&address| (own, IpNetwork::from(address)));
        let pairs = self.port.allowed_address_pairs.iter().map(|pair| (pair.mac_address, pair.ip_address));
        let link_local = self.macs().into_iter().map(|mac| match mac == own {
            true => (mac, any_link_local()),
            false => (mac, link_local(mac)),
        });
        let all: BTreeSet<(MacAddr, IpNetwork)> = fixed.chain(pairs).chain(link_local).collect();
        let inside = |(mac, block): &(MacAddr, IpNetwork), (other_mac, other): &(MacAddr, IpNetwork)| {
            mac == other_mac && block != other && other.prefix() <= block.prefix() && other.contains(block.network())
        };
        all.iter().filter(|one| !all.iter().any(|other| inside(one, other))).copied().collect()
    }
}

/// `fe80::/10`, the link-local addresses (RFC 4291 §2.4).
fn any_link_local() -> IpNetwork {
    block_v6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)
}

/// A block by its first address; more bits than an address has are all of them.
fn block_v6(first: Ipv6Addr, bits: u8) -> IpNetwork {
    Ipv6Network::new(first, bits).map_or(IpNetwork::V6(first.into()), IpNetwork::V6)
}

/// The link-local address that is made of an Ethernet address (RFC 4291 appendix A).
fn link_local(mac: MacAddr) -> IpNetwork {
    IpNetwork::from(IpAddr::from(mac.link_local_ipv6()))
}

/// The tables that drop what no flow of theirs takes.
const MISSED: [TableId; 8] = [
    BASE_EGRESS,
    RULES_EGRESS,
    ACCEPT_OR_INGRESS,
    BASE_INGRESS,
    RULES_INGRESS,
    ACCEPTED_EGRESS,
    ACCEPTED_INGRESS,
    DROPPED,
];

/// Flows that do not depend on ports.
pub(super) fn host(sink: &mut Sink<'_>) {
    for table in MISSED {
        sink.add(ON, Entry::new(table, 0, Kind::TableMiss, Match::new()));
    }
    let tracked = ct_state(Match::new(), state::TRK, 0);
    let forget = [Action::CtClear, Action::resubmit(BASE_EGRESS)];
    sink.add(ON, Entry::new(BASE_EGRESS, 110, Kind::FirewallForget, tracked).apply(&forget));
    fragments::read(sink);
    let drop = [Action::resubmit(DROPPED)];
    for table in [RULES_EGRESS, RULES_INGRESS] {
        let invalid = ct_state(Match::new(), state::INV | state::TRK, 0);
        sink.add(ON, Entry::new(table, 50, Kind::FirewallInvalid, invalid).apply(&drop));
    }
    let on = [Action::resubmit(ACCEPTED_EGRESS_NORMAL)];
    let valid = ct_state(Match::new(), 0, state::INV);
    sink.add(ON, Entry::new(ACCEPTED_EGRESS, 1, Kind::FirewallAccepted, valid).apply(&on));
    let normal = [Action::output(PortNo::NORMAL)];
    sink.add(ON, Entry::new(ACCEPTED_EGRESS_NORMAL, 1, Kind::Normal, Match::new()).apply(&normal));
}

/// The firewall of a local port.
pub(super) fn port(port: &Port, view: &View<'_>, sink: &mut Sink<'_>) {
    let Some(bound) = Bound::of(port, view) else { return };
    if port.port_security {
        filtered(&bound, sink);
        base::egress(&bound, view, sink);
        base::ingress(&bound, view, sink);
        rules::of_port(&bound, view.topology, sink);
        log::port(&bound, sink);
    } else {
        unfiltered(&bound, sink);
    }
}

/// Table 0 says at once who a packet comes from: what no later flow takes care of is then nobody's, and dropped. So is
/// all that a closed port sends.
fn entry(bound: &Bound<'_>, kind: Kind, matching: Match, sink: &mut Sink<'_>) {
    if !bound.open {
        return;
    }
    let registers = [bound.set_port(), bound.set_vlan()];
    sink.add(ON, Entry::new(LOCAL_SWITCHING, 9, kind, matching).apply(&registers).goto(PACKET_RATE_LIMIT));
}

/// From the port to its checks, and to it from the wire and from its neighbours. A frame with a tag of its own is
/// nothing that an access port may send.
fn filtered(bound: &Bound<'_>, sink: &mut Sink<'_>) {
    let from = || Match::new().in_port(bound.ofport);
    entry(bound, Kind::PortFiltered, from().untagged(), sink);
    let check = [Action::resubmit(BASE_EGRESS)];
    sink.add(ON, Entry::new(TRANSIENT, 100, Kind::PortFiltered, from()).apply(&check));
    reach(bound.port.mac_address, &[*bound], Kind::PortReached, sink);
}

/// From the wire and from neighbours to the ports with this Ethernet address, through the firewall of each.
fn reach(mac: MacAddr, ports: &[Bound<'_>], kind: Kind, sink: &mut Sink<'_>) {
    let Some(Bound { local_vlan, .. }) = ports.first() else { return };
    let check = ports.iter().flat_map(|bound| [bound.set_port(), Action::resubmit(BASE_INGRESS)]);
    let near = Match::new().field(&oxm::REG6, local_vlan.vid().into()).eth_dst(mac);
    let from_near: Vec<Action> = check.clone().collect();
    sink.add(ON, Entry::new(ACCEPT_OR_INGRESS, 100, kind, near).apply(&from_near));
    let far = Match::new().vlan(local_vlan.vid()).eth_dst(mac);
    let mut from_far: Vec<Action> = check.collect();
    let vlan = [Action::set_field(&oxm::REG6, local_vlan.vid().into()), Action::PopVlan];
    from_far.splice(1..1, vlan);
    sink.add(ON, Entry::new(TRANSIENT, 90, kind, far).apply(&from_far));
}

/// True if a flow is about what is sent to this Ethernet address.
pub fn is_to(flow: &Flow, mac: MacAddr) -> bool {
    let fields = MatchFields::decode(Reader::new(flow.match_tlvs()), Form::Oxm, Strictness::Strict);
    fields.is_ok_and(|fields| fields.get(&oxm::ETH_DST) == Masked::exact(mac_number(mac), &oxm::ETH_DST))
}

/// True if the flow is there for packets of the network with this local VLAN.
pub fn is_in_network(flow: &Flow, local_vlan: LocalVlan) -> bool {
    let fields = MatchFields::decode(Reader::new(flow.match_tlvs()), Form::Oxm, Strictness::Strict);
    fields.is_ok_and(|fields| fields.get(&oxm::REG6) == Masked::exact(local_vlan.vid().into(), &oxm::REG6))
}

/// The Ethernet addresses of address pairs: several ports may share one, and which of them uses it is theirs to agree on.
pub(super) fn network(network: &Network, view: &View<'_>, sink: &mut Sink<'_>) {
    let node = &view.layout.node;
    let mut pairs: BTreeMap<MacAddr, Vec<Bound<'_>>> = BTreeMap::new();
    for port in view.topology.ports_on(&network.name, node).filter(|port| port.port_security) {
        let Some(bound) = Bound::of(port, view) else { continue };
        for mac in bound.macs() {
            let owner = view.topology.port_by_mac(&network.name, mac);
            if owner.is_none_or(|owner| owner.node != *node) {
                pairs.entry(mac).or_default().push(bound);
            }
        }
    }
    for (mac, ports) in pairs {
        reach(mac, &ports, Kind::PairReached, sink);
    }
}

/// A port without port security: only what it sends to its neighbours meets a firewall, theirs.
fn unfiltered(bound: &Bound<'_>, sink: &mut Sink<'_>) {
    let from = || Match::new().in_port(bound.ofport);
    entry(bound, Kind::PortUnfiltered, from(), sink);
    let on = [Action::resubmit(ACCEPT_OR_INGRESS)];
    sink.add(ON, Entry::new(TRANSIENT, 100, Kind::PortUnfiltered, from()).apply(&on));
    let out = [Action::resubmit(ACCEPTED_EGRESS_NORMAL)];
    sink.add(ON, Entry::new(ACCEPT_OR_INGRESS, 80, Kind::PortUnfiltered, bound.about()).apply(&out));
}
