//! `br-phys`: the operator's bridge; ours is the patch port and what crosses it.

use super::cookie::Kind;
use super::integration::set_vlan;
use super::object::{Entry, Sink};
use super::tables::LOCAL_SWITCHING;
use super::view::{Bridge, View};
use crate::openflow::{Action, Match, PortNo};
use crate::topology::{Name, Network, NetworkKind};

/// The bridge switches by itself, but nothing leaves `br-int` unless a network wants it.
pub(super) fn base(physical_network: &Name, view: &View<'_>, sink: &mut Sink<'_>) {
    let on = Bridge::Physical(physical_network.clone());
    let normal = [Action::output(PortNo::NORMAL)];
    sink.add(&on, Entry::new(LOCAL_SWITCHING, 0, Kind::Normal, Match::new()).apply(&normal));
    if let Some(port) = view.bindings.physical.get(physical_network).and_then(|patch| patch.physical) {
        sink.add(&on, Entry::new(LOCAL_SWITCHING, 2, Kind::PhysicalGuard, Match::new().in_port(port)));
    }
}

/// To the wire: local VLAN to segmentation id, or to no tag.
pub(super) fn network(network: &Network, view: &View<'_>, sink: &mut Sink<'_>) {
    let normal = Action::output(PortNo::NORMAL);
    let (physical_network, actions) = match &network.kind {
        NetworkKind::Flat { physical_network } => (physical_network, [Action::PopVlan, normal]),
        NetworkKind::Vlan { physical_network, segmentation_id } => {
            (physical_network, [set_vlan(*segmentation_id), normal])
        }
        NetworkKind::Local | NetworkKind::Vxlan { .. } => return,
    };
    let Some(local_vlan) = view.local_vlan(&network.name) else { return };
    let Some(port) = view.bindings.physical.get(physical_network).and_then(|patch| patch.physical) else { return };
    let on = Bridge::Physical(physical_network.clone());
    let matching = Match::new().in_port(port).vlan(local_vlan.vid());
    sink.add(&on, Entry::new(LOCAL_SWITCHING, 4, Kind::NetworkToPhysical, matching).apply(&actions));
}
