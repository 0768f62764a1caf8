//! Actions that send the packet somewhere: ports, groups, `NORMAL`, controllers.

use super::network::{Bridge, Bucket, Cable, End, Group, PortVlan, is_patch, peer_address};
use super::set;
use super::step::{Destination, Fault, Note, Reason, Start, Step};
use super::walk::{Going, Pending, Rest, Walk};
use crate::openflow::action::Bundle;
use crate::openflow::group::GroupType;
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::numbers::ETH_TYPE_VLAN;
use crate::openflow::port::PortConfig;
use crate::openflow::{Action, GroupId, MacAddr, PortNo, TableId, oxm};

/// How deep a group may watch a group that watches a group.
const MAX_WATCH_DEPTH: usize = 128;

impl<'n> Walk<'n> {
    /// An action that outputs. Any other does nothing to the packet.
    pub(super) fn send(&mut self, action: &Action) {
        match action {
            Action::Output { port, .. } => self.output(*port),
            Action::OutputTrunc { port, .. } => self.output(PortNo::of_16(*port)),
            Action::OutputReg { src, .. } | Action::OutputReg2 { src, .. } => {
                let number = self.packet.subfield(src);
                match u16::try_from(number) {
                    Ok(port) => {
                        self.note(Note::OutputPort(number));
                        self.output(PortNo::of_16(port));
                    }
                    Err(_) => self.note(Note::OutOfRange(number)),
                }
            }
            Action::Bundle(bundle) => self.bundle(bundle),
            Action::Controller { reason, .. } => self.deliver(Destination::Controller(Reason(*reason))),
            Action::Controller2(controller) => {
                self.deliver(Destination::Controller(Reason(controller.reason)));
                if controller.pause {
                    self.note(Note::Paused);
                    self.going = Going::Frozen;
                }
            }
            _ => {}
        }
    }

    fn output(&mut self, port: PortNo) {
        match port {
            PortNo::IN_PORT => self.port(self.packet.in_port()),
            PortNo::TABLE => self.resubmit(self.packet.in_port(), TableId(0)),
            PortNo::NORMAL => self.normal(),
            PortNo::FLOOD | PortNo::ALL => self.flood(),
            PortNo::CONTROLLER => self.deliver(Destination::Controller(Reason::ACTION)),
            PortNo::ANY => {}
            _ if port == self.packet.in_port() => self.note(Note::ToInputPort),
            _ => self.port(port),
        }
    }

    /// Out of a port, wherever it leads.
    fn port(&mut self, port: PortNo) {
        let Some(bridge) = self.here() else { return };
        let known = bridge.ports.known.get(&port);
        if known.is_none() && bridge.ports.complete {
            return self.note(Note::NoSuchPort(port));
        }
        if known.is_some_and(|known| known.config.contains(PortConfig::NO_FWD)) {
            return self.note(Note::Forbidden(port));
        }
        if self.packet.get(&oxm::PACKET_TYPE) != 0 {
            return self.note(Note::NotEthernet);
        }
        match self.network.peer(End { bridge: self.bridge, port }) {
            Some((Cable::Patch, end)) => self.cross(end),
            Some((Cable::Tunnel, end)) => self.tunnel(bridge, port, end),
            None => {
                let name = bridge.port_name(port).unwrap_or_default();
                if is_patch(name) {
                    self.note(Note::BeyondBridge(name.to_owned()));
                }
                let tunnel = peer_address(name).is_some();
                self.deliver(if tunnel { Destination::Tunnel(port) } else { Destination::Port(port) });
            }
        }
    }

    /// To another host, where a leg of its own begins.
    fn tunnel(&mut self, bridge: &Bridge, port: PortNo, end: End) {
        self.note(Note::Arrives(end));
        self.deliver(Destination::Tunnel(port));
        let address = |bridge: Option<&Bridge>, port| bridge.and_then(|bridge| peer_address(bridge.port_name(port)?));
        let mut packet = self.packet.clone().through_a_tunnel().with(&oxm::IN_PORT, end.port.0.into());
        let ends = [(&oxm::TUN_DST, address(Some(bridge), port))];
        for (field, address) in
            ends.into_iter().chain([(&oxm::TUN_SRC, address(self.network.bridge(end.bridge), end.port))])
        {
            packet.set(field, address.unwrap_or_default().into());
        }
        let from = End { bridge: self.bridge, port };
        self.postpone(Pending::received(Start::Arrived { from, cable: Cable::Tunnel }, end.bridge, packet));
    }

    /// `FLOOD` and `ALL`: OpenFlow 1.3 does not tell which ports `FLOOD` leaves out.
    fn flood(&mut self) {
        let Some(bridge) = self.here() else { return };
        let in_port = self.packet.in_port();
        for port in bridge.ports.known.keys() {
            if *port != in_port {
                self.port(*port);
            }
        }
        if !bridge.ports.complete {
            self.note(Note::UnknownPorts);
            self.deliver(Destination::Flood);
        }
    }

    fn bundle(&mut self, bundle: &Bundle) {
        let live: Vec<PortNo> =
            bundle.members.iter().map(|port| PortNo::of_16(*port)).filter(|port| self.port_lives(*port)).collect();
        if live.len() > 1 {
            self.note(Note::ByHash(live.len() as u32));
        }
        match &bundle.dst {
            Some(dst) => {
                self.doubts += usize::from(live.len() > 1);
                let port = live.first().copied().unwrap_or(PortNo::ANY);
                self.packet.set_subfield(dst, (port.0 & 0xffff).into());
                self.note(Note::Now(*dst, self.packet.subfield(dst)));
            }
            None => self.one_of(&live, |walk, port| walk.output(*port)),
        }
    }

    /// Does `inner` with each of several, of which only one happens.
    fn one_of<T>(&mut self, choices: &[T], mut inner: impl FnMut(&mut Self, &T)) {
        match choices {
            [only] => inner(self, only),
            _ => self.doubtful(|walk| choices.iter().for_each(|choice| inner(walk, choice))),
        }
    }

    fn port_lives(&self, port: PortNo) -> bool {
        let known = self.here().and_then(|bridge| bridge.ports.known.get(&port));
        known.is_none_or(|port| port.live != Some(false))
    }

    pub(super) fn group(&mut self, id: u32) -> Rest {
        let Some(bridge) = self.here() else { return Rest::Goes };
        let Some(groups) = &bridge.groups else {
            self.note(Note::UnknownGroup(id));
            return Rest::Goes;
        };
        let Some(group) = groups.get(&GroupId(id)) else {
            self.note(Note::NoSuchGroup(id));
            return Rest::IsSkipped;
        };
        match group.kind {
            GroupType::SELECT => self.select(group),
            GroupType::FAST_FAILOVER => match group.buckets.iter().find(|bucket| self.bucket_lives(bucket, 0)) {
                Some(bucket) => self.first_live(bucket),
                None => self.note(Note::NoLiveBucket),
            },
            _ => group.buckets.iter().for_each(|bucket| self.bucket(bucket)),
        }
        Rest::Goes
    }

    fn first_live(&mut self, bucket: &Bucket) {
        self.note(Note::UsesBucket(bucket.id));
        let watched = bucket.watch_port.and_then(|port| self.here()?.ports.known.get(&port));
        if bucket.watch_port.is_some() && watched.is_none_or(|port| port.live.is_none()) {
            self.note(Note::AssumedLive(bucket.id));
        }
        self.bucket(bucket);
    }

    fn select(&mut self, group: &Group) {
        let open = |bucket: &&Bucket| bucket.weight > 0 && self.bucket_lives(bucket, 0);
        let buckets: Vec<&Bucket> = group.buckets.iter().filter(open).collect();
        match buckets[..] {
            [] => self.note(Note::NoLiveBucket),
            [only] => self.note(Note::UsesBucket(only.id)),
            _ => self.note(Note::OneOfBuckets(buckets.len())),
        }
        self.one_of(&buckets, |walk, bucket| walk.bucket(bucket));
    }

    fn bucket_lives(&self, bucket: &Bucket, depth: usize) -> bool {
        let port = bucket.watch_port.map(|port| self.port_lives(port));
        let group = bucket.watch_group.map(|group| self.group_lives(group, depth + 1));
        (port, group) == (None, None) || port == Some(true) || group == Some(true)
    }

    fn group_lives(&self, id: GroupId, depth: usize) -> bool {
        let group = self.here().and_then(|bridge| bridge.groups.as_ref()?.get(&id));
        depth < MAX_WATCH_DEPTH
            && group.is_some_and(|group| group.buckets.iter().any(|bucket| self.bucket_lives(bucket, depth)))
    }

    /// The actions of a bucket, with a copy of the packet.
    fn bucket(&mut self, bucket: &Bucket) {
        let (packet, uncovered) = (self.packet.clone(), self.uncovered);
        let actions = set::order(&bucket.actions);
        let steps = self.nested(|walk| walk.deeper(|walk| walk.actions(&actions)));
        self.steps.push(Step::Bucket { id: bucket.id, steps });
        (self.packet, self.uncovered) = (packet, uncovered);
        self.going = Going::On;
        if matches!(self.fault, Some(Fault::TooManyLabels | Fault::UnsupportedPacketType)) {
            self.fault = None;
        }
    }

    /// `NORMAL`: what a learning switch does (`ovs-actions(7)`), as far as it is known.
    fn normal(&mut self) {
        let Some(bridge) = self.here() else { return };
        let in_port = self.packet.in_port();
        let tag = self.packet.vlan().unwrap_or(0);
        let vlan = match self.port_vlan(bridge, in_port) {
            Some(PortVlan::Access(vlan)) if tag != 0 => return self.note(Note::TaggedOnAccess(vlan)),
            Some(PortVlan::Access(vlan)) => vlan,
            Some(PortVlan::Trunk) => tag,
            None => {
                self.note(Note::UnknownVlan(in_port));
                return self.deliver(Destination::Normal);
            }
        };
        let address = MacAddr::from_number(self.packet.get(&oxm::ETH_DST));
        if address.0[..5] == [0x01, 0x80, 0xc2, 0, 0] && address.0[5] & 0xf0 == 0 {
            return self.note(Note::ReservedMulticast);
        }
        self.note(Note::InVlan(vlan));
        let learnt = bridge.switching.learnt.as_ref();
        match learnt.map(|learnt| learnt.get(&(vlan, address))) {
            Some(Some(port)) if *port == in_port => self.note(Note::LearntOnInput),
            Some(Some(port)) => {
                self.note(Note::Learnt(*port));
                self.send_in_vlan(bridge, *port, vlan);
            }
            None if !address.is_multicast() => {
                self.note(Note::UnknownMacs);
                self.doubtful(|walk| walk.flood_vlan(bridge, vlan));
            }
            _ => {
                self.note(Note::Floods);
                self.flood_vlan(bridge, vlan);
            }
        }
    }

    /// The VLAN of a port; a patch port carries all, unless it was said otherwise.
    fn port_vlan(&self, bridge: &Bridge, port: PortNo) -> Option<PortVlan> {
        let told = bridge.switching.vlans.get(&port).copied();
        let patch = || matches!(self.network.peer(End { bridge: self.bridge, port }), Some((Cable::Patch, _)));
        let nowhere = port == PortNo::ANY;
        told.or_else(|| (nowhere || patch()).then_some(PortVlan::Trunk))
    }

    fn flood_vlan(&mut self, bridge: &Bridge, vlan: u16) {
        let in_port = self.packet.in_port();
        let mut unknown = !bridge.ports.complete;
        for port in bridge.ports.known.keys().filter(|port| **port != in_port) {
            match self.port_vlan(bridge, *port) {
                Some(PortVlan::Access(other)) if other != vlan => {}
                Some(_) => self.send_in_vlan(bridge, *port, vlan),
                None => unknown = true,
            }
        }
        if unknown {
            self.note(Note::UnknownPorts);
            self.doubtful(|walk| walk.deliver(Destination::Normal));
        }
    }

    /// Out of a port that carries this VLAN, with or without its tag.
    fn send_in_vlan(&mut self, bridge: &Bridge, port: PortNo, vlan: u16) {
        let packet = self.packet.clone();
        let access = matches!(self.port_vlan(bridge, port), Some(PortVlan::Access(_)));
        match (access || vlan == 0, self.packet.is_tagged()) {
            (true, true) => self.packet.pop_tag(),
            (true, false) => {}
            (false, true) => self.packet.set(&oxm::VLAN_VID, (vlan | VLAN_PRESENT).into()),
            (false, false) => self.packet.push_tag(ETH_TYPE_VLAN, vlan | VLAN_PRESENT),
        }
        self.port(port);
        self.packet = packet;
    }
}
