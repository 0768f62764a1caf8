//! Notes of a trace in words.

use super::words::Words;
use crate::flow::sim::{BridgeId, Note, Packet};
use crate::openflow::{PortNo, Subfield};

impl Words<'_> {
    fn now(&self, subfield: &Subfield, value: u128) -> String {
        let mut text = String::new();
        if subfield.is_all() {
            let value = Packet::default().with(subfield.field, value);
            let field = self.field(&value, subfield.field);
            text.push_str(field.split_once('=').map_or(&*field, |(_, value)| value));
        } else {
            text.push_str(&format!("{value:#x}"));
        }
        let range = match (subfield.is_all(), subfield.bits) {
            (true, _) => "[]".to_owned(),
            (false, 1) => format!("[{}]", subfield.offset),
            (false, bits) => format!("[{}..{}]", subfield.offset, subfield.offset + bits - 1),
        };
        format!("{}{range} is now {text}", subfield.field.nxm.name)
    }

    /// A note about something on this bridge.
    pub(super) fn note(&self, id: BridgeId, note: &Note) -> String {
        let port = |port: &PortNo| self.port(id, *port);
        match note {
            Note::Now(subfield, value) => self.now(subfield, *value),
            Note::OutputPort(number) => format!("output port is {number}"),
            Note::OutOfRange(number) => format!("output port {number} is out of range"),
            Note::ToInputPort => "skipping output to input port".to_owned(),
            Note::NotEthernet => "no Ethernet frame any more: the port does not take it".to_owned(),
            Note::NoSuchPort(number) => format!("there is no port {}", port(number)),
            Note::Forbidden(number) => format!("the configuration of port {} forbids it", port(number)),
            Note::Arrives(end) => {
                let port = self.port(end.bridge, end.port);
                format!("comes out of the tunnel at port {port} of {}: see below", self.bridge_name(end.bridge))
            }
            Note::BeyondBridge(name) => {
                format!("{name} leads to another bridge, of which there are no flows here: --peer adds it")
            }
            Note::NotTracked => "resubmit(ct) of a packet that is not tracked, or no IP".to_owned(),
            Note::MissingField(name) => format!("the packet has no {name}: set_field ignored"),
            Note::StackUnderflow => "stack underflow".to_owned(),
            Note::TtlExpired(name) => format!("{name} expired: the rest of these actions is skipped"),
            Note::Forked(table) => {
                format!("a clone of the packet goes on at table {table} once it was tracked: see below")
            }
            Note::Untracked => "the packet is untracked again, and all conntrack fields are clear".to_owned(),
            Note::Learns(flow) => {
                let actions = self.instructions(id, flow);
                format!("would learn: table={} {} actions={actions}", flow.table, self.flow(id, flow))
            }
            Note::ActionSetIs(actions) => format!("action set is: {}", self.actions(id, actions)),
            _ => self.group_note(id, note),
        }
    }

    fn group_note(&self, id: BridgeId, note: &Note) -> String {
        match note {
            Note::NoSuchGroup(group) => format!("there is no group {group}: the rest of these actions is skipped"),
            Note::UnknownGroup(group) => format!("not known: the buckets of group {group}"),
            Note::UsesBucket(bucket) => format!("using bucket {bucket}"),
            Note::OneOfBuckets(count) => format!("one of these {count} buckets: which one depends on a hash"),
            Note::NoLiveBucket => "no live bucket".to_owned(),
            Note::AssumedLive(bucket) => format!("not known whether bucket {bucket} is live: assumed"),
            Note::ByHash(count) => format!("one of {count}, which depends on a hash"),
            Note::BothLengths(length) => {
                format!("depends on the length of the packet: more than {length} bytes or not")
            }
            _ => self.normal_note(id, note),
        }
    }

    fn normal_note(&self, id: BridgeId, note: &Note) -> String {
        let port = |port: &PortNo| self.port(id, *port);
        match note {
            Note::InVlan(0) => "switched without a VLAN".to_owned(),
            Note::InVlan(vlan) => format!("switched in VLAN {vlan}"),
            Note::TaggedOnAccess(vlan) => format!("a tag on an access port of VLAN {vlan}: dropped"),
            Note::ReservedMulticast => "a reserved multicast address: dropped".to_owned(),
            Note::Learnt(number) => format!("forwarding to learned port {}", port(number)),
            Note::LearntOnInput => "learned port is input port: dropped".to_owned(),
            Note::Floods => "no learned MAC for destination, flooding".to_owned(),
            Note::UnknownVlan(number) => {
                let port = port(number);
                format!("not known: the VLAN of port {port}, which flows do not tell: --tag {port}=VLAN does")
            }
            Note::UnknownMacs => {
                "not known: which addresses were learnt (--fdb tells): one of these, or all".to_owned()
            }
            Note::UnknownPorts => "not known: further ports, or their VLANs".to_owned(),
            _ => self.other_note(id, note),
        }
    }

    fn other_note(&self, id: BridgeId, note: &Note) -> String {
        match note {
            Note::InnerHeaders => "the packet is parsed anew here: what comes behind is not known".to_owned(),
            Note::Paused => "waits for a controller to send it on".to_owned(),
            Note::Sampled => "a sample of these packets is reported to a collector".to_owned(),
            Note::IdleConjunction => "conjunction does nothing by itself".to_owned(),
            Note::UnknownAction => "not known: what this action does; passed over".to_owned(),
            Note::UnknownMatch(flow) => {
                format!("not known whether it matches, passed over: table={} {}", flow.table, self.flow(id, flow))
            }
            Note::Fault(fault) => format!("{fault}: the packet is dropped, whatever was decided before"),
            _ => String::new(),
        }
    }
}
