//! `br-tun`, table 21: ARP requests and neighbour solicitations for known addresses are answered on the host
//! of who asks, by flows or by Heddle. What is not answered goes the way of any other packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::cookie::Kind;
use super::object::{Entry, Recent, Sink};
use super::tables::{ARP_RESPONDER, FLOOD_TO_TUN, PATCH_LV_TO_TUN, UCAST_TO_TUN};
use super::view::{AnsweredBy, Bridge, LocalVlan, Overlay, Question, View};
use crate::openflow::features::SwitchConfig;
use crate::openflow::matching::{ETH_TYPE_ARP, mac_number};
use crate::openflow::numbers::{NEIGHBOR_ADVERTISEMENT, NEIGHBOR_SOLICITATION};
use crate::openflow::oxm::FieldValue;
use crate::openflow::{Action, MacAddr, Match, PortNo, oxm};
use crate::packet::{Arp, NdOption, NeighborDiscovery};
use crate::topology::{Network, Port, Subnet};

/// The hop limit that neighbour discovery must arrive with: nobody beyond the link can have sent it
/// (RFC 4861 §7.1.1).
const HOP_LIMIT: u128 = 255;

const ON: &Bridge = &Bridge::Tunnel;

/// What is asked, where networks that do not say so have answers.
pub(super) fn host(view: &View<'_>, sink: &mut Sink<'_>) {
    for question in Question::ALL {
        if let Some(by) = view.layout.answers(question) {
            take_up((question, by), None, sink);
        }
    }
    if answers_any(view) {
        unanswered(Match::new(), sink);
    }
}

/// What is asked in a network that has answers though others have none, and what of it goes up to Heddle. Only
/// networks with tunnels have local VLANs here: what `br-int` floods of others does not go up.
pub(super) fn network(network: &Network, view: &View<'_>, sink: &mut Sink<'_>) {
    let Some(overlay) = view.overlay(network) else { return };
    let mut takes_up = false;
    for question in Question::ALL {
        let Some(by) = overlay.answers(question) else { continue };
        if view.layout.answers(question).is_none() {
            take_up((question, by), Some(overlay.local_vlan), sink);
            takes_up = true;
        }
        up_to_heddle((question, by), overlay, sink);
    }
    if takes_up && !answers_any(view) {
        unanswered(Match::new().vlan(overlay.local_vlan.vid()), sink);
    }
}

/// True if table 21 is there for all networks.
fn answers_any(view: &View<'_>) -> bool {
    Question::ALL.into_iter().any(|question| view.layout.answers(question).is_some())
}

/// Back to where the packet would have gone. A goto never leads back (`OFPBIC_BAD_TABLE_ID`); a resubmit may.
fn unanswered(matching: Match, sink: &mut Sink<'_>) {
    let to_unicast = [Action::resubmit(UCAST_TO_TUN)];
    sink.add(ON, Entry::new(ARP_RESPONDER, 0, Kind::TableMiss, matching).apply(&to_unicast));
}

/// Brings a question to table 21, and there what is the same for every address.
fn take_up((question, by): (Question, AnsweredBy), local_vlan: Option<LocalVlan>, sink: &mut Sink<'_>) {
    let within = |matching: Match| match local_vlan {
        Some(vlan) => matching.vlan(vlan.vid()),
        None => matching,
    };
    let (kind, asked) = match question {
        Question::Arp => (Kind::ArpRequest, arp_request()),
        Question::Solicitation => (Kind::Solicitation, solicitation().with(FieldValue::new(&oxm::IP_TTL, HOP_LIMIT))),
    };
    sink.add(ON, Entry::new(PATCH_LV_TO_TUN, 1, kind, within(asked)).goto(ARP_RESPONDER));
    match (question, by) {
        (Question::Arp, AnsweredBy::Flows) => {
            let probe = arp_request().arp_spa(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into());
            sink.add(ON, Entry::new(ARP_RESPONDER, 3, Kind::ArpProbe, within(probe)).goto(FLOOD_TO_TUN));
        }
        (Question::Solicitation, AnsweredBy::Flows) => {
            let turned = Match::new().icmpv6_type(NEIGHBOR_ADVERTISEMENT);
            sink.add(ON, Entry::new(ARP_RESPONDER, 1, Kind::Advertise, within(turned)).apply(&advertise()));
        }
        (_, AnsweredBy::Controller) => {}
    }
}

/// Sends up what Heddle is to answer in a network.
fn up_to_heddle((question, by): (Question, AnsweredBy), overlay: Overlay, sink: &mut Sink<'_>) {
    let (priority, kind, asked) = match (question, by) {
        (Question::Arp, AnsweredBy::Flows) => return,
        (Question::Arp, AnsweredBy::Controller) => (1, Kind::ArpToHeddle, arp_request()),
        (Question::Solicitation, AnsweredBy::Controller) => (1, Kind::SolicitationToHeddle, solicitation()),
        // Open vSwitch 3.1 writes the type of the first option without a look whether there is one: what carries
        // no address of its sender, as duplicate address detection, must not come to the flows that answer.
        (Question::Solicitation, AnsweredBy::Flows) => {
            (3, Kind::SolicitationToHeddle, solicitation().with(FieldValue::new(&oxm::ND_SLL, 0)))
        }
    };
    // All of it, since Heddle may have to send it on.
    let up = [Action::Output { port: PortNo::CONTROLLER, max_len: SwitchConfig::WHOLE_PACKET }];
    let matching = asked.vlan(overlay.local_vlan.vid());
    sink.add(ON, Entry::new(ARP_RESPONDER, priority, kind, matching).apply(&up));
}

fn arp_request() -> Match {
    Match::new().eth_type(ETH_TYPE_ARP).arp_op(Arp::REQUEST)
}

fn solicitation() -> Match {
    Match::new().icmpv6_type(NEIGHBOR_SOLICITATION)
}

/// A port of another node: answers in its place.
pub(super) fn remote_port(port: &Port, view: &View<'_>, recent: &mut Recent, sink: &mut Sink<'_>) {
    let (Some(overlay), announces) = recent.overlay(port, view) else { return };
    if overlay.answers(Question::Arp) == Some(AnsweredBy::Flows) {
        for address in ipv4_addresses(port) {
            let answer = arp_answer(port.mac_address, address);
            let request = request_for(overlay, address);
            sink.add(ON, Entry::new(ARP_RESPONDER, 1, Kind::PortArpAnswer, request).apply(&answer));
            if announces {
                announcement(overlay, address, sink);
            }
        }
    }
    if overlay.answers(Question::Solicitation) == Some(AnsweredBy::Flows) {
        let router = view.topology.network(&port.network).is_some_and(|network| may_route(port, network));
        let flags = NeighborDiscovery::SOLICITED | NeighborDiscovery::OVERRIDE;
        let turn = turn(port.mac_address, if router { flags | NeighborDiscovery::ROUTER } else { flags });
        for address in ipv6_addresses(port) {
            let matching = solicitation_of(overlay, address);
            sink.add(ON, Entry::new(ARP_RESPONDER, 1, Kind::PortNdAnswer, matching).apply(&turn));
        }
    }
}

/// A port of this node: it answers itself, so what is asked of it stays here; what it announces does not.
pub(super) fn local_port(port: &Port, view: &View<'_>, sink: &mut Sink<'_>) {
    if !view.bindings.ports.contains_key(&port.name) {
        return;
    }
    let Some(overlay) = view.topology.network(&port.network).and_then(|network| view.overlay(network)) else { return };
    if overlay.answers(Question::Arp) == Some(AnsweredBy::Flows) {
        for address in ipv4_addresses(port) {
            announcement(overlay, address, sink);
            sink.add(ON, Entry::new(ARP_RESPONDER, 1, Kind::PortArpLocal, request_for(overlay, address)));
        }
    }
    if overlay.answers(Question::Solicitation) == Some(AnsweredBy::Flows) {
        for address in ipv6_addresses(port) {
            sink.add(ON, Entry::new(ARP_RESPONDER, 1, Kind::PortNdLocal, solicitation_of(overlay, address)));
        }
    }
}

/// A request for the sender's own address is an announcement (RFC 5227 §3): everyone has to hear it.
fn announcement(overlay: Overlay, address: Ipv4Addr, sink: &mut Sink<'_>) {
    let matching = request_for(overlay, address).arp_spa(IpAddr::V4(address).into());
    sink.add(ON, Entry::new(ARP_RESPONDER, 2, Kind::PortArpAnnounce, matching).goto(FLOOD_TO_TUN));
}

/// The addresses of a port that ARP asks for.
pub fn ipv4_addresses(port: &Port) -> impl Iterator<Item = Ipv4Addr> {
    port.fixed_ips.iter().filter_map(|address| match address {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    })
}

/// The addresses of a port that neighbour discovery asks for: the fixed ones, and the link-local one that its MAC
/// address makes, which no other port of the network has.
pub fn ipv6_addresses(port: &Port) -> impl Iterator<Item = Ipv6Addr> {
    let fixed = port.fixed_ips.iter().filter_map(|address| match address {
        IpAddr::V6(v6) => Some(*v6).filter(|address| !address.is_unicast_link_local()),
        IpAddr::V4(_) => None,
    });
    fixed.chain([port.mac_address.link_local_ipv6()])
}

/// True if others may have a port as their router: it has the gateway's address, or may send what is not its own. Its
/// advertisements say so; one that denied it would take the router away from them (RFC 4861 §7.2.5). From another
/// machine the flag does nothing.
pub fn may_route(port: &Port, network: &Network) -> bool {
    let is_gateway = |subnet: &Subnet| subnet.gateway_ip.is_some_and(|gateway| port.fixed_ips.contains(&gateway));
    !port.port_security || !port.allowed_address_pairs.is_empty() || network.subnets.iter().any(is_gateway)
}

fn request_for(overlay: Overlay, address: Ipv4Addr) -> Match {
    Match::new().eth_type(ETH_TYPE_ARP).vlan(overlay.local_vlan.vid()).arp_op(Arp::REQUEST).arp_tpa(address)
}

fn solicitation_of(overlay: Overlay, address: Ipv6Addr) -> Match {
    solicitation().vlan(overlay.local_vlan.vid()).nd_target(IpAddr::V6(address).into())
}

/// Turns a request into the reply and sends it back.
pub(super) fn arp_answer(mac: MacAddr, address: Ipv4Addr) -> [Action; 8] {
    [
        Action::set_field(&oxm::ARP_OP, Arp::REPLY.into()),
        Action::move_all(&oxm::ARP_SHA, &oxm::ARP_THA),
        Action::move_all(&oxm::ARP_SPA, &oxm::ARP_TPA),
        Action::set_field(&oxm::ARP_SHA, mac_number(mac)),
        Action::set_field(&oxm::ARP_SPA, u128::from(u32::from(address))),
        Action::move_all(&oxm::ETH_SRC, &oxm::ETH_DST),
        Action::set_field(&oxm::ETH_SRC, mac_number(mac)),
        Action::output(PortNo::IN_PORT),
    ]
}

/// Makes a solicitation an advertisement of `mac` with these flags. The rest is still to be written: only a flow that
/// matches advertisements may write what only they have (`OFPBAC_MATCH_INCONSISTENT`).
fn turn(mac: MacAddr, flags: u32) -> [Action; 5] {
    [
        Action::move_all(&oxm::ETH_SRC, &oxm::ETH_DST),
        Action::set_field(&oxm::ETH_SRC, mac_number(mac)),
        Action::set_field(&oxm::ND_RESERVED, flags.into()),
        Action::set_field(&oxm::ICMPV6_TYPE, NEIGHBOR_ADVERTISEMENT.into()),
        Action::resubmit(ARP_RESPONDER),
    ]
}

/// Completes the advertisement (RFC 4861 §7.2.4) and sends it back.
fn advertise() -> [Action; 5] {
    [
        Action::move_all(&oxm::IPV6_SRC, &oxm::IPV6_DST),
        Action::move_all(&oxm::ND_TARGET, &oxm::IPV6_SRC),
        Action::set_field(&oxm::ND_OPTIONS_TYPE, NdOption::TARGET_LINK_ADDRESS.into()),
        Action::move_all(&oxm::ETH_SRC, &oxm::ND_TLL),
        Action::output(PortNo::IN_PORT),
    ]
}
