//! Packets, flows and notes of a trace in words.

use super::bridges::Bridges;
use super::purpose::Purposes;
use crate::cli::explain::{self, Explainer, Objects, bridge_role};
use crate::cli::ofctl_dump::dump::Dump;
use crate::flow::Flow;
use crate::flow::sim::{Bridge, BridgeId, Delivery, Destination, Hit, Leg, Network, Packet, Start};
use crate::flow::table_names::{BridgeRole, table_name};
use crate::flow::text::{Names, Numbers, Printer};
use crate::openflow::{Action, Instruction, PortNo, Reader, TableId, Writer, oxm};
use crate::topology::Topology;

/// The words of a trace: names where they are wanted, and what flows are for.
pub(super) struct Words<'a> {
    network: &'a Network,
    dumps: &'a [Dump],
    purposes: Vec<Purposes<'a>>,
    topology: Option<&'a Topology>,
    by_name: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(bridges: &'a Bridges, objects: &'a Objects, by_name: bool) -> Self {
        let (network, dumps) = (&bridges.network, &bridges.dumps);
        let purposes = network.bridges().iter().zip(dumps).map(|(bridge, dump)| {
            let known = explain::Bridge { role: role(bridge), objects, names: &dump.names };
            Purposes::new(known, dump)
        });
        Self { network, dumps, purposes: purposes.collect(), topology: objects.topology(), by_name }
    }

    /// What stands in the topology file, if it validates.
    pub(super) const fn topology(&self) -> Option<&'a Topology> {
        self.topology
    }

    /// What is known of the flows of a bridge.
    pub(super) fn explainer(&self, id: BridgeId) -> Option<&Explainer<'a>> {
        self.purposes.get(id).map(Purposes::explainer)
    }

    fn bridge(&self, id: BridgeId) -> Option<&'a Bridge> {
        self.network.bridge(id)
    }

    /// What a bridge is called.
    pub(super) fn bridge_name(&self, id: BridgeId) -> &'a str {
        self.bridge(id).map_or("", |bridge| bridge.name.as_str())
    }

    fn names(&self, id: BridgeId) -> &'a dyn Names {
        match self.dumps.get(id) {
            Some(dump) if self.by_name || self.has_stand_ins(id) => &dump.names,
            _ => &Numbers,
        }
    }

    /// Numbers of ports that only stand for names are of no use to anybody.
    fn has_stand_ins(&self, id: BridgeId) -> bool {
        self.bridge(id).is_some_and(|bridge| !bridge.ports.complete)
    }

    fn printed(&self, id: BridgeId, print: impl FnOnce(&mut Printer<'a>, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        print(&mut Printer::new(self.names(id)), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn matching(&self, id: BridgeId, tlvs: &[u8]) -> String {
        // What was decoded once decodes again.
        self.printed(id, |printer, out| drop(printer.matching(tlvs, out)))
    }

    /// A packet as ofproto/trace writes it.
    pub(super) fn packet(&self, id: BridgeId, packet: &Packet) -> String {
        let text = self.matching(id, &packet.to_match());
        match packet.inner_tag() {
            None => text,
            Some(tci) => {
                let inner = format!(",dl_vlan1={},dl_vlan_pcp1={}", tci & 0xfff, tci >> 13);
                let at = text.find("dl_vlan_pcp=").map_or(text.len(), |at| at + "dl_vlan_pcp=0".len());
                format!("{}{inner}{}", &text[..at], &text[at..])
            }
        }
    }

    /// The fields in which a packet differs from another; empty if it is the same.
    pub(super) fn changes(&self, id: BridgeId, packet: &Packet, from: &Packet) -> String {
        let text = self.matching(id, &packet.differences(from));
        match packet.inner_tag().filter(|_| packet.inner_tag() != from.inner_tag()) {
            Some(tci) => format!("{text},dl_vlan1={},dl_vlan_pcp1={}", tci & 0xfff, tci >> 13),
            None => text,
        }
    }

    /// `in_port=1, priority 100, cookie 0x77`.
    pub(super) fn flow(&self, id: BridgeId, flow: &Flow) -> String {
        let mut text = self.matching(id, flow.match_tlvs());
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&format!("priority {}", flow.priority));
        if flow.cookie.0 != 0 {
            text.push_str(&format!(", cookie {:#x}", flow.cookie.0));
        }
        text
    }

    pub(super) fn match_text(&self, id: BridgeId, flow: &Flow) -> String {
        self.matching(id, flow.match_tlvs())
    }

    /// A flow's instructions.
    pub(super) fn instructions(&self, id: BridgeId, flow: &Flow) -> String {
        self.printed(id, |printer, out| drop(printer.instructions(Reader::new(flow.instructions()), out)))
    }

    pub(super) fn action(&self, id: BridgeId, action: &Action) -> String {
        self.actions(id, std::slice::from_ref(action))
    }

    pub(super) fn actions(&self, id: BridgeId, actions: &[Action]) -> String {
        let mut writer = Writer::new();
        for action in actions {
            // It came out of a message, so it fits one.
            let _ = action.encode(&mut writer);
        }
        self.printed(id, |printer, out| drop(printer.actions(Reader::new(writer.as_slice()), out)))
    }

    pub(super) fn instruction(&self, id: BridgeId, instruction: &Instruction) -> String {
        let mut writer = Writer::new();
        let _ = instruction.encode(&mut writer);
        self.printed(id, |printer, out| drop(printer.instructions(Reader::new(writer.as_slice()), out)))
    }

    pub(super) fn port(&self, id: BridgeId, port: PortNo) -> String {
        self.printed(id, |printer, out| printer.port(port, out))
    }

    /// The name of a table of one of our bridges.
    pub(super) fn table(&self, id: BridgeId, table: TableId) -> Option<&'static str> {
        Some(table_name(role(self.bridge(id)?)?, table)?.name.as_str())
    }

    /// What a flow is for.
    pub(super) fn reason(&self, id: BridgeId, flow: &Flow) -> Option<String> {
        self.purposes.get(id)?.of(flow)
    }

    /// The lines that say more of a flow that a packet hits: what it is for, why it is this one, and which rule of a
    /// security group lets the packet through there, or is missing.
    pub(super) fn remarks(&self, id: BridgeId, (table, hit): (TableId, &Hit), packet: &Packet) -> Vec<String> {
        let reason = match (self.table(id, table), self.reason(id, &hit.flow)) {
            (Some(table), Some(reason)) => Some(format!("{table}: {reason}")),
            (None, Some(reason)) => Some(reason),
            (Some(table), None) => Some(table.to_owned()),
            (None, None) => None,
        };
        let clauses = hit.clauses.iter().map(|(clause, flow)| {
            let (number, of) = (clause.clause + 1, clause.of);
            format!("conjunction {}, {number}/{of}: {}", clause.id, self.flow(id, flow))
        });
        let rival = hit.rival.as_ref().map(|rival| {
            format!(
                "not defined which is hit: this one, or {} actions={}",
                self.flow(id, rival),
                self.instructions(id, rival)
            )
        });
        reason.into_iter().chain(clauses).chain(rival).chain(self.verdict(id, hit, packet)).collect()
    }

    /// Why a leg begins.
    pub(super) fn start(&self, leg: &Leg) -> Option<String> {
        match leg.start {
            Start::Received => None,
            Start::Tracked { table, assumed } => {
                let state = self.field(&leg.first, &oxm::CT_STATE);
                let how = if assumed { " (assumed: --ct says otherwise)" } else { "" };
                Some(format!("tracked - resume at table {table} with {state}{how}"))
            }
            Start::Arrived { from, .. } => {
                let port = self.port(from.bridge, from.port);
                Some(format!("at the other end of the tunnel {port} of {}", self.bridge_name(from.bridge)))
            }
        }
    }

    pub(super) fn field(&self, packet: &Packet, field: &'static oxm::Field) -> String {
        let mut writer = Writer::new();
        oxm::FieldValue::new(field, packet.get(field)).encode(&mut writer);
        self.matching(0, writer.as_slice())
    }

    /// Where a copy of the packet goes.
    pub(super) fn destination(&self, delivery: &Delivery) -> String {
        match &delivery.to {
            Destination::Port(port) => format!("port {}", self.port(delivery.bridge, *port)),
            Destination::Tunnel(port) => format!("tunnel {}", self.port(delivery.bridge, *port)),
            Destination::Controller(reason) => format!("CONTROLLER (reason {reason})"),
            Destination::Normal => "ports that NORMAL chooses".to_owned(),
            Destination::Flood => "every other port (FLOOD)".to_owned(),
        }
    }
}

/// Which of our bridges one is.
fn role(bridge: &Bridge) -> Option<BridgeRole> {
    let ports = bridge.ports.known.values().map(|port| port.name.as_str());
    let (_, name) = bridge.name.rsplit_once(':').unwrap_or(("", &bridge.name));
    bridge_role(ports, name)
}
