//! Where the actions of a flow send its packets.

use std::collections::BTreeMap;

use crate::flow::sim::Group;
use crate::openflow::oxm::{self, Field};
use crate::openflow::{Action, DecodeError, FlowStats, GroupId, Instruction, PortNo, Reader, TableId};

/// How packets, or what they teach, get from a table to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Via {
    /// `goto_table`.
    Goto,
    /// `resubmit`.
    Resubmit,
    /// `ct(table=…)`, behind the tracking of connections.
    Conntrack,
    /// `learn`: flows are written there.
    Learn,
}

impl Via {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Goto => "goto_table",
            Self::Resubmit => "resubmit",
            Self::Conntrack => "ct",
            Self::Learn => "learn",
        }
    }
}

/// Where packets leave the tables.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum End {
    /// Switched by MAC address.
    Normal,
    /// To the controller.
    Controller,
    /// A group.
    Group(u32),
    /// A port, in a tunnel whose key the flow sets.
    Tunnel(PortNo),
    /// Any other port.
    Port(PortNo),
    /// The port whose number stands in a field.
    Field(&'static str),
    /// Nowhere: the flow only takes part in a conjunction.
    Conjunction,
    /// Nowhere.
    Drop,
}

/// Where a flow leads.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Way {
    /// On to a table.
    Table(TableId, Via),
    /// Out.
    End(End),
}

/// The groups of a switch; those of a text are not known.
pub type Groups = BTreeMap<GroupId, Group>;

/// All ways of a flow, each once, also those through the buckets of its groups.
pub(super) fn ways(flow: &FlowStats<'_>, groups: &Groups) -> Result<Vec<Way>, DecodeError> {
    let mut walk = Walk { table: flow.table, groups, tunnel: false, ways: Vec::new() };
    for instruction in Instruction::decode_list(Reader::at(flow.instructions, flow.instructions_offset))? {
        match instruction {
            Instruction::GotoTable(table) => walk.add(Way::Table(table, Via::Goto)),
            Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => walk.actions(&actions),
            _ => {}
        }
    }
    // A flow that only teaches sends its packets nowhere.
    let leads = |way: &Way| !matches!(way, Way::Table(_, Via::Learn));
    if !walk.ways.iter().any(leads) {
        walk.add(Way::End(End::Drop));
    }
    Ok(walk.ways)
}

struct Walk<'g> {
    /// Where the flow is.
    table: TableId,
    groups: &'g Groups,
    /// The key of a tunnel was set.
    tunnel: bool,
    ways: Vec<Way>,
}

impl Walk<'_> {
    fn add(&mut self, way: Way) {
        if !self.ways.contains(&way) {
            self.ways.push(way);
        }
    }

    /// 255 stands for the flow's own table.
    fn table(&mut self, table: TableId, via: Via) {
        let table = if table == TableId::ALL { self.table } else { table };
        self.add(Way::Table(table, via));
    }

    fn output(&mut self, port: PortNo) {
        self.add(Way::End(match port {
            PortNo::NORMAL => End::Normal,
            PortNo::CONTROLLER => End::Controller,
            _ if self.tunnel => End::Tunnel(port),
            _ => End::Port(port),
        }));
    }

    fn actions(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Output { port, .. } => self.output(*port),
                Action::OutputTrunc { port, .. } => self.output(PortNo::of_16(*port)),
                Action::OutputReg { src, .. } | Action::OutputReg2 { src, .. } => {
                    self.add(Way::End(End::Field(src.field.name)));
                }
                Action::Bundle(bundle) if bundle.dst.is_none() => {
                    bundle.members.iter().for_each(|port| self.output(PortNo::of_16(*port)));
                }
                Action::Controller { .. } | Action::Controller2(_) => self.output(PortNo::CONTROLLER),
                Action::Group(group) => self.group(*group),
                Action::ResubmitPort(_) => self.table(self.table, Via::Resubmit),
                Action::Resubmit { table, .. } | Action::ResubmitCt { table, .. } => self.table(*table, Via::Resubmit),
                Action::Ct(ct) if ct.recirc_table != TableId::ALL => {
                    self.add(Way::Table(ct.recirc_table, Via::Conntrack));
                }
                Action::Learn(learn) => self.table(learn.table, Via::Learn),
                Action::Clone(actions) => self.cloned(actions),
                Action::Conjunction { .. } => self.add(Way::End(End::Conjunction)),
                Action::SetTunnel(_) | Action::SetTunnel64(_) => self.tunnel = true,
                Action::SetField(value) | Action::Load2(value) => self.written(value.field),
                Action::Load { dst, .. } | Action::Move { dst, .. } => self.written(dst.field),
                _ => {}
            }
        }
    }

    /// The group itself is an end. Each is entered once: groups may lead to groups.
    fn group(&mut self, number: u32) {
        let end = Way::End(End::Group(number));
        if self.ways.contains(&end) {
            return;
        }
        self.ways.push(end);
        let buckets = self.groups.get(&GroupId(number)).into_iter().flat_map(|group| &group.buckets);
        buckets.for_each(|bucket| self.cloned(&bucket.actions));
    }

    /// What a copy of the packet is given stays with the copy.
    fn cloned(&mut self, actions: &[Action]) {
        let tunnel = self.tunnel;
        self.actions(actions);
        self.tunnel = tunnel;
    }

    fn written(&mut self, field: &Field) {
        self.tunnel |= std::ptr::eq(field, &oxm::TUN_ID);
    }
}
