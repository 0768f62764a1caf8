//! `br-tun`: VNI to local VLAN and back, and who is behind which tunnel.

use super::arp_nd;
use super::cookie::{self, Kind};
use super::integration::set_vlan;
use super::object::{Entry, Recent, Sink};
use super::tables::{FLOOD_TO_TUN, LEARN_FROM_TUN, LOCAL_SWITCHING, PATCH_LV_TO_TUN, UCAST_TO_TUN, VXLAN_TUN_TO_LV};
use super::view::{Bridge, LocalVlan, Overlay, View};
use crate::flow::LearntScope;
use crate::openflow::action::learn::{Learn, Source, Spec};
use crate::openflow::matching::{ETH_TYPE_ARP, ETH_TYPE_VLAN};
use crate::openflow::oxm::FieldValue;
use crate::openflow::{Action, MacAddr, Match, PortNo, Subfield, oxm};
use crate::topology::{Network, Port};

/// ICMPv6 types of router and neighbour advertisements (RFC 4861 §4.2, §4.4).
const ADVERTISEMENTS: [u8; 2] = [134, 136];
/// The bit that tells multicast from unicast.
const GROUP_BIT: MacAddr = MacAddr([1, 0, 0, 0, 0, 0]);
/// Seconds that a learnt flow lives, as with Neutron.
const LEARNT_HARD_TIMEOUT: u16 = 300;

const ON: &Bridge = &Bridge::Tunnel;

/// Flows that do not depend on networks or ports.
pub(super) fn host(view: &View<'_>, sink: &mut Sink<'_>) {
    let miss = |table| Entry::new(table, 0, Kind::TableMiss, Match::new());
    let Some(patch_int) = view.bindings.patch_int else {
        sink.add(ON, miss(LOCAL_SWITCHING));
        return;
    };
    let from_integration = Match::new().in_port(patch_int);
    sink.add(ON, Entry::new(LOCAL_SWITCHING, 1, Kind::FromIntegration, from_integration).goto(PATCH_LV_TO_TUN));
    sink.add(ON, miss(LOCAL_SWITCHING));
    arp_nd::host(view, sink);
    let unicast = Match::new().eth_dst_masked(MacAddr::default(), GROUP_BIT);
    let multicast = Match::new().eth_dst_masked(GROUP_BIT, GROUP_BIT);
    sink.add(ON, Entry::new(PATCH_LV_TO_TUN, 0, Kind::Unicast, unicast).goto(UCAST_TO_TUN));
    sink.add(ON, Entry::new(PATCH_LV_TO_TUN, 0, Kind::Flooded, multicast).goto(FLOOD_TO_TUN));
    sink.add(ON, miss(VXLAN_TUN_TO_LV));
    learning(patch_int, sink);
    sink.add(ON, miss(UCAST_TO_TUN).goto(FLOOD_TO_TUN));
    sink.add(ON, miss(FLOOD_TO_TUN));
}

/// Gratuitous ARP and advertisements stand in flows of their own, so that a datapath that caches
/// decisions has none for them and learns from every one.
fn learning(patch_int: PortNo, sink: &mut Sink<'_>) {
    let actions = [Action::Learn(Box::new(learn())), Action::output(patch_int)];
    let entry = |priority, matching| Entry::new(LEARN_FROM_TUN, priority, Kind::LearnFromTunnel, matching);
    let announcement = Match::new().eth_type(ETH_TYPE_ARP).arp_tha(MacAddr::BROADCAST);
    sink.add(ON, entry(2, announcement).apply(&actions));
    for icmp_type in ADVERTISEMENTS {
        sink.add(ON, entry(2, Match::new().icmpv6_type(icmp_type)).apply(&actions));
    }
    sink.add(ON, entry(1, Match::new()).apply(&actions));
}

fn learn() -> Learn {
    let vlan = Subfield { field: &oxm::VLAN_TCI, offset: 0, bits: 12 };
    let all = Subfield::all;
    Learn {
        hard_timeout: LEARNT_HARD_TIMEOUT,
        priority: 1,
        cookie: cookie::cookie(Kind::Learnt, ""),
        table: UCAST_TO_TUN,
        specs: vec![
            Spec::match_same(vlan),
            Spec::Match { src: Source::Field(all(&oxm::ETH_SRC)), dst: all(&oxm::ETH_DST) },
            Spec::load_number(0, all(&oxm::VLAN_TCI)),
            Spec::Load { src: Source::Field(all(&oxm::TUN_ID)), dst: all(&oxm::TUN_ID) },
            Spec::Output(all(&oxm::IN_PORT)),
        ],
        ..Learn::new()
    }
}

/// What comes from another node.
pub(super) fn peer(node: &str, view: &View<'_>, sink: &mut Sink<'_>) {
    if let Some(&port) = view.bindings.tunnels.get(node) {
        let from_peer = Match::new().in_port(port);
        sink.add(ON, Entry::new(LOCAL_SWITCHING, 1, Kind::FromPeer, from_peer).goto(VXLAN_TUN_TO_LV));
        sink.scopes.push(learnt(None, None, port));
    }
}

/// Flows learnt from packets of `mac`, or of anyone, in a local VLAN.
fn learnt(local_vlan: Option<LocalVlan>, mac: Option<MacAddr>, out_port: PortNo) -> LearntScope {
    let mut matching = Match::new();
    if let Some(mac) = mac {
        matching = matching.eth_dst(mac);
    }
    if let Some(vlan) = local_vlan {
        matching = matching.with(FieldValue::masked(&oxm::VLAN_VID, u128::from(vlan.vid()), 0xfff));
    }
    LearntScope { table: UCAST_TO_TUN, matching, out_port, vni: None }
}

/// VNI to local VLAN, and the flood list.
pub(super) fn network(network: &Network, view: &View<'_>, sink: &mut Sink<'_>) {
    let Some(overlay) = view.overlay(network) else { return };
    let tag = [Action::PushVlan(ETH_TYPE_VLAN), set_vlan(overlay.local_vlan.vid())];
    let from_tunnel = Match::new().tun_id(u64::from(overlay.vni));
    sink.add(ON, Entry::new(VXLAN_TUN_TO_LV, 1, Kind::NetworkFromTunnel, from_tunnel).apply(&tag).goto(LEARN_FROM_TUN));
    // What was learnt before the network changed its VNI would go on sending with the old one.
    sink.scopes.push(LearntScope { vni: Some(overlay.vni), ..learnt(Some(overlay.local_vlan), None, PortNo::ANY) });
    let ports = view.flood_ports(&network.name);
    if !ports.is_empty() {
        let actions: Vec<Action> =
            to_tunnel(overlay).into_iter().chain(ports.into_iter().map(Action::output)).collect();
        let flooded = Match::new().vlan(overlay.local_vlan.vid());
        sink.add(ON, Entry::new(FLOOD_TO_TUN, 1, Kind::NetworkFlood, flooded).apply(&actions));
    }
    arp_nd::network(network, view, sink);
}

fn to_tunnel(overlay: Overlay) -> [Action; 2] {
    [Action::PopVlan, Action::set_field(&oxm::TUN_ID, u128::from(overlay.vni))]
}

/// A port of another node: its MAC as a unicast flow, and answers in its place. Without L2
/// population only what the switch learnt of it is kept track of, to be forgotten when the port moves.
pub(super) fn remote_port(port: &Port, view: &View<'_>, recent: &mut Recent, sink: &mut Sink<'_>) {
    let (Some(overlay), _) = recent.overlay(port, view) else { return };
    let Some(tunnel) = recent.tunnel(port, view) else { return };
    if !view.layout.l2_population {
        sink.scopes.push(learnt(Some(overlay.local_vlan), Some(port.mac_address), tunnel));
        return;
    }
    let [pop, set_tunnel] = to_tunnel(overlay);
    let unicast = Match::new().eth_dst(port.mac_address).vlan(overlay.local_vlan.vid());
    let actions = [pop, set_tunnel, Action::output(tunnel)];
    sink.add(ON, Entry::new(UCAST_TO_TUN, 2, Kind::PortUnicast, unicast).apply(&actions));
    arp_nd::remote_port(port, view, recent, sink);
}
