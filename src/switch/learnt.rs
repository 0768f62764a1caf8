//! Which of the flows that the switch learnt by itself may stay.

use std::collections::HashMap;

use crate::flow::{Flow, LearntScope};
use crate::openflow::oxm::Tlv;
use crate::openflow::{Action, Instruction, PortNo, Reader, Subfield, TableId, oxm};

/// Where flows of a scope lead, and with which VNI.
type Target = (PortNo, Option<u32>);

/// Where learnt flows are welcome, ready to be asked about every flow of a dump: the cost of an answer
/// does not grow with the number of scopes.
#[derive(Default)]
pub(super) struct Welcome {
    /// The headers of the fields that a scope matches; scopes of one sort have the same.
    shapes: Vec<Vec<[u8; 4]>>,
    /// By table and match: where the flows may lead, and with which VNI.
    targets: HashMap<(TableId, Vec<u8>), Vec<Target>>,
}

impl Welcome {
    pub(super) fn new(scopes: Vec<LearntScope>) -> Self {
        let mut welcome = Self::default();
        scopes.into_iter().for_each(|scope| welcome.add(scope));
        welcome
    }

    pub(super) fn add(&mut self, scope: LearntScope) {
        let tlvs = scope.matching.as_bytes();
        let shape = fields(tlvs).map(|(header, _)| header).collect();
        if !self.shapes.contains(&shape) {
            self.shapes.push(shape);
        }
        self.targets.entry((scope.table, tlvs.to_vec())).or_default().push((scope.out_port, scope.vni));
    }

    /// Takes back one that was added.
    pub(super) fn remove(&mut self, scope: &LearntScope) {
        let key = (scope.table, scope.matching.as_bytes().to_vec());
        let Some(targets) = self.targets.get_mut(&key) else { return };
        if let Some(place) = targets.iter().position(|&target| target == (scope.out_port, scope.vni)) {
            targets.swap_remove(place);
        }
        if targets.is_empty() {
            self.targets.remove(&key);
        }
    }

    /// True if a learnt flow lies in a network in use and sends with its VNI, leads where a known tunnel
    /// does, and, if it is for a port of the topology, through the tunnel of that port.
    pub(super) fn contains(&self, flow: &Flow) -> bool {
        let actions = applied_actions(flow);
        let sends_with = |vni: u32| actions.iter().any(|action| loaded_vni(action) == Some(u64::from(vni)));
        let (mut in_network, mut to_tunnel) = (false, false);
        for shape in &self.shapes {
            let Some(part) = part_of(flow.match_tlvs(), shape) else { continue };
            for &(out_port, vni) in self.targets.get(&(flow.table, part)).into_iter().flatten() {
                let is_output = |action: &Action| matches!(action, Action::Output { port, .. } if *port == out_port);
                let leads_there = actions.iter().any(is_output);
                match (out_port, shape.is_empty()) {
                    (PortNo::ANY, _) => in_network |= vni.is_none_or(sends_with),
                    (_, true) => to_tunnel |= leads_there,
                    (_, false) if !leads_there => return false,
                    (_, false) => {}
                }
            }
        }
        in_network && to_tunnel
    }
}

/// The fields of a match: header and all of the TLV.
fn fields(tlvs: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut reader = Reader::new(tlvs);
    std::iter::from_fn(move || {
        let before = reader;
        let header = { before }.array("oxm.header").ok()?;
        Tlv::decode(&mut reader).ok()?;
        Some((header, before.rest().get(..before.remaining() - reader.remaining())?))
    })
}

/// Those fields of a match that have the headers of `shape`; `None` if one is missing.
fn part_of(tlvs: &[u8], shape: &[[u8; 4]]) -> Option<Vec<u8>> {
    let mut part = Vec::with_capacity(tlvs.len());
    let mut found = 0;
    for (header, tlv) in fields(tlvs) {
        if shape.contains(&header) {
            part.extend_from_slice(tlv);
            found += 1;
        }
    }
    (found == shape.len()).then_some(part)
}

/// What a flow does at once.
fn applied_actions(flow: &Flow) -> Vec<Action> {
    let instructions = flow.decode_instructions().unwrap_or_default();
    let actions = instructions.into_iter().flat_map(|instruction| match instruction {
        Instruction::ApplyActions(actions) => actions,
        _ => Vec::new(),
    });
    actions.collect()
}

/// The VNI that an action writes.
fn loaded_vni(action: &Action) -> Option<u64> {
    match action {
        Action::Load { value, dst } if *dst == Subfield::all(&oxm::TUN_ID) => Some(*value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::oxm::FieldValue;
    use crate::openflow::{Cookie, MacAddr, Match};

    const TABLE: TableId = TableId(20);
    const MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);

    fn in_vlan(matching: Match, vid: u16) -> Match {
        matching.with(FieldValue::masked(&oxm::VLAN_VID, u128::from(vid), 0xfff))
    }

    fn scope(matching: Match, out_port: PortNo) -> LearntScope {
        LearntScope { table: TABLE, matching, out_port, vni: None }
    }

    fn learnt(vid: u16, port: u32) -> Flow {
        let matching = in_vlan(Match::new().eth_dst(MAC), vid);
        Flow::new(TABLE, 1, &matching, Cookie(0), &[Action::output(PortNo(port))], None).unwrap()
    }

    #[test]
    fn a_learnt_flow_needs_its_network_and_its_tunnel() {
        let network = || scope(in_vlan(Match::new(), 7), PortNo::ANY);
        let tunnel = || scope(Match::new(), PortNo(3));
        let both = Welcome::new(vec![network(), tunnel()]);
        assert!(both.contains(&learnt(7, 3)));
        assert!(!both.contains(&learnt(8, 3)));
        assert!(!both.contains(&learnt(7, 4)));
        assert!(!Welcome::new(vec![network()]).contains(&learnt(7, 3)));
        assert!(!Welcome::new(vec![tunnel()]).contains(&learnt(7, 3)));
    }

    #[test]
    fn a_learnt_flow_sends_with_the_vni_of_its_network() {
        let network = LearntScope { vni: Some(1001), ..scope(in_vlan(Match::new(), 7), PortNo::ANY) };
        let welcome = Welcome::new(vec![network, scope(Match::new(), PortNo(3))]);
        let with_vni = |value| {
            let matching = in_vlan(Match::new().eth_dst(MAC), 7);
            let load = Action::Load { value, dst: Subfield::all(&oxm::TUN_ID) };
            Flow::new(TABLE, 1, &matching, Cookie(0), &[load, Action::output(PortNo(3))], None).unwrap()
        };
        assert!(welcome.contains(&with_vni(1001)));
        assert!(!welcome.contains(&with_vni(2001)));
        assert!(!welcome.contains(&learnt(7, 3)));
    }

    #[test]
    fn a_learnt_flow_for_a_known_port_leads_through_its_tunnel() {
        let port = |out_port| scope(in_vlan(Match::new().eth_dst(MAC), 7), PortNo(out_port));
        let with = |port| {
            let tunnels = [3, 4].map(|number| scope(Match::new(), PortNo(number)));
            Welcome::new([scope(in_vlan(Match::new(), 7), PortNo::ANY), port].into_iter().chain(tunnels).collect())
        };
        assert!(with(port(3)).contains(&learnt(7, 3)));
        let mut moved = with(port(4));
        assert!(!moved.contains(&learnt(7, 3)));
        moved.remove(&port(4));
        moved.add(port(3));
        assert!(moved.contains(&learnt(7, 3)));
    }
}
