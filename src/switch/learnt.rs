//! Which of the flows that the switch learnt by itself may stay.

use std::collections::HashMap;

use crate::flow::{Flow, LearntScope};
use crate::openflow::oxm::Tlv;
use crate::openflow::{Action, Instruction, PortNo, Reader, TableId};

/// Where learnt flows are welcome, ready to be asked about every flow of a dump: the cost of an answer
/// does not grow with the number of scopes.
#[derive(Default)]
pub(super) struct Welcome {
    /// The headers of the fields that a scope matches; scopes of one sort have the same.
    shapes: Vec<Vec<[u8; 4]>>,
    /// By table and match: where the flows may lead.
    out_ports: HashMap<(TableId, Vec<u8>), Vec<PortNo>>,
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
        self.out_ports.entry((scope.table, tlvs.to_vec())).or_default().push(scope.out_port);
    }

    /// Takes back one that was added.
    pub(super) fn remove(&mut self, scope: &LearntScope) {
        let key = (scope.table, scope.matching.as_bytes().to_vec());
        let Some(out_ports) = self.out_ports.get_mut(&key) else { return };
        if let Some(place) = out_ports.iter().position(|&out_port| out_port == scope.out_port) {
            out_ports.swap_remove(place);
        }
        if out_ports.is_empty() {
            self.out_ports.remove(&key);
        }
    }

    /// True if a learnt flow lies in a network in use, leads where a known tunnel does, and, if it is for a
    /// port of the topology, through the tunnel of that port.
    pub(super) fn contains(&self, flow: &Flow) -> bool {
        let ports = output_ports(flow);
        let (mut in_network, mut to_tunnel) = (false, false);
        for shape in &self.shapes {
            let Some(part) = part_of(flow.match_tlvs(), shape) else { continue };
            for &out_port in self.out_ports.get(&(flow.table, part)).into_iter().flatten() {
                let leads_there = ports.contains(&out_port);
                match (out_port, shape.is_empty()) {
                    (PortNo::ANY, _) => in_network = true,
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

/// The ports that a flow outputs to.
fn output_ports(flow: &Flow) -> Vec<PortNo> {
    let instructions = flow.decode_instructions().unwrap_or_default();
    let actions = instructions.into_iter().flat_map(|instruction| match instruction {
        Instruction::ApplyActions(actions) => actions,
        _ => Vec::new(),
    });
    actions
        .filter_map(|action| match action {
            Action::Output { port, .. } => Some(port),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::oxm::{self, FieldValue};
    use crate::openflow::{Cookie, MacAddr, Match};

    const TABLE: TableId = TableId(20);
    const MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);

    fn in_vlan(matching: Match, vid: u16) -> Match {
        matching.with(FieldValue::masked(&oxm::VLAN_VID, u128::from(vid), 0xfff))
    }

    fn scope(matching: Match, out_port: PortNo) -> LearntScope {
        LearntScope { table: TABLE, matching, out_port }
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
