//! A flow table in software: what would these flows do with this packet?
//!
//! Fields and actions are those that the pipeline uses. `learn` is passed over.

use std::collections::BTreeMap;
use std::sync::Arc;

use heddle::flow::{Flow, FlowTable};
use heddle::openflow::oxm::{self, Field, FieldValue, Tlvs};
use heddle::openflow::{Action, Instruction, PortNo, TableId};

/// `OFPVID_PRESENT`.
const VLAN_PRESENT: u128 = 0x1000;

/// The value of each field by its rank in the registry; a field that is not here is zero.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Packet(BTreeMap<u8, u128>);

impl Packet {
    pub fn get(&self, field: &Field) -> u128 {
        self.0.get(&field.rank).copied().unwrap_or(0)
    }

    pub fn set(&mut self, field: &Field, value: u128) {
        if value == 0 {
            self.0.remove(&field.rank);
        } else {
            self.0.insert(field.rank, value);
        }
    }

    #[must_use]
    pub fn with(mut self, field: &Field, value: u128) -> Self {
        self.set(field, value);
        self
    }

    /// The VLAN id, if there is a tag.
    pub fn vlan(&self) -> Option<u16> {
        let tag = self.get(&oxm::VLAN_VID);
        (tag & VLAN_PRESENT != 0).then_some((tag & 0xfff) as u16)
    }

    /// With a tag, or without.
    #[must_use]
    pub fn with_vlan(self, vlan: Option<u16>) -> Self {
        self.with(&oxm::VLAN_VID, vlan.map_or(0, |vid| u128::from(vid) | VLAN_PRESENT))
    }

    /// As it arrives from elsewhere: no port, no tunnel.
    #[must_use]
    pub fn on_the_wire(self) -> Self {
        self.with(&oxm::IN_PORT, 0).with(&oxm::TUN_ID, 0)
    }
}

/// The flows of one bridge.
pub struct Sim {
    flows: Vec<Arc<Flow>>,
}

/// A resubmit within a resubmit, and so on, is cut off as Open vSwitch does.
const MAX_DEPTH: usize = 64;

impl Sim {
    pub fn new(table: &FlowTable) -> Self {
        Self { flows: table.sorted() }
    }

    /// What comes out where. `NORMAL` stands for itself.
    pub fn send(&self, in_port: PortNo, packet: Packet) -> Vec<(PortNo, Packet)> {
        let mut packet = packet.with(&oxm::IN_PORT, u128::from(in_port.0));
        let mut out = Vec::new();
        self.table(TableId(0), &mut packet, &mut out, 0);
        out
    }

    /// The flow that a packet hits in a table. Two of one priority that both match are a mistake.
    fn lookup(&self, table: TableId, packet: &Packet) -> Option<&Arc<Flow>> {
        let mut hits = self.flows.iter().filter(|flow| flow.table == table && matches(flow, packet));
        let hit = hits.next()?;
        let same = hits.find(|flow| flow.priority == hit.priority);
        assert!(same.is_none(), "{packet:?} hits two flows of table {table}: {hit:?} and {same:?}");
        Some(hit)
    }

    fn table(&self, table: TableId, packet: &mut Packet, out: &mut Vec<(PortNo, Packet)>, depth: usize) {
        assert!(depth < MAX_DEPTH, "the flows lead in a circle");
        let Some(flow) = self.lookup(table, packet) else { return };
        for instruction in flow.decode_instructions().unwrap() {
            match instruction {
                Instruction::ApplyActions(actions) => {
                    for action in &actions {
                        self.apply(action, packet, out, depth);
                    }
                }
                Instruction::GotoTable(next) => {
                    assert!(next > table, "goto leads from table {table} back to {next}");
                    self.table(next, packet, out, depth);
                }
                other => panic!("not simulated: {other:?}"),
            }
        }
    }

    fn apply(&self, action: &Action, packet: &mut Packet, out: &mut Vec<(PortNo, Packet)>, depth: usize) {
        let in_port = PortNo(packet.get(&oxm::IN_PORT) as u32);
        match action {
            Action::Output { port: PortNo::IN_PORT, .. } => out.push((in_port, packet.clone())),
            Action::Output { port, .. } if *port == in_port => {}
            Action::Output { port, .. } => out.push((*port, packet.clone())),
            Action::PushVlan(_) => packet.set(&oxm::VLAN_VID, VLAN_PRESENT),
            Action::PopVlan => packet.set(&oxm::VLAN_VID, 0),
            Action::SetField(value) => packet.set(value.field, number(value.value())),
            Action::Move { src, dst } => packet.set(dst.field, packet.get(src.field)),
            Action::Resubmit { in_port: 0xfff8, table } => self.table(*table, packet, out, depth + 1),
            Action::Learn(_) => {}
            other => panic!("not simulated: {other:?}"),
        }
    }
}

fn matches(flow: &Flow, packet: &Packet) -> bool {
    Tlvs::new(heddle::openflow::Reader::new(flow.match_tlvs())).all(|tlv| {
        let tlv = tlv.unwrap();
        let value = FieldValue::from_tlv(&tlv).expect("a known field");
        let mask = value.mask().map_or(u128::MAX, number);
        packet.get(value.field) & mask == number(value.value())
    })
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u128::from(byte))
}
