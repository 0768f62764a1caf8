//! `learn`: the flow that it makes of a packet.

use std::collections::BTreeMap;

use super::packet::{Packet, ones};
use crate::flow::Flow;
use crate::openflow::action::learn::{Learn, Source, Spec};
use crate::openflow::oxm::{FIELDS, FieldValue};
use crate::openflow::{Action, Match, PortNo, Subfield};

/// The flow that `learn` adds for this packet; `None` if it does not fit a message.
pub(super) fn learnt(learn: &Learn, packet: &Packet) -> Option<Flow> {
    let mut fields: BTreeMap<u8, (u128, u128)> = BTreeMap::new();
    let mut actions = Vec::new();
    for spec in &learn.specs {
        match spec {
            Spec::Match { src, dst } => {
                let (value, mask) = fields.entry(dst.field.rank).or_default();
                *value |= taken(src, packet) << dst.offset;
                *mask |= ones(dst.bits) << dst.offset;
            }
            Spec::Load { src, dst } => actions.push(load(taken(src, packet), *dst)),
            Spec::Output(src) => actions.push(output(packet.subfield(src))),
        }
    }
    let matching =
        fields.into_iter().fold(Match::new(), |matching, (rank, (value, mask))| match FIELDS.get(usize::from(rank)) {
            Some(field) => matching.with(FieldValue::masked(field, value, mask)),
            None => matching,
        });
    let mut flow = Flow::new(learn.table, learn.priority, &matching, learn.cookie, &actions, None).ok()?;
    (flow.idle_timeout, flow.hard_timeout) = (learn.idle_timeout, learn.hard_timeout);
    Some(flow)
}

fn taken(source: &Source, packet: &Packet) -> u128 {
    match source {
        Source::Field(subfield) => packet.subfield(subfield),
        Source::Immediate(bytes) => bytes.iter().fold(0, |number, &byte| number << 8 | u128::from(byte)),
    }
}

fn load(value: u128, dst: Subfield) -> Action {
    match u64::try_from(value) {
        Ok(value) if dst.bits <= 64 => Action::Load { value, dst },
        _ => Action::Load2(FieldValue::masked(dst.field, value << dst.offset, ones(dst.bits) << dst.offset)),
    }
}

/// The port that a field of 16 or 32 bits names.
fn output(number: u128) -> Action {
    Action::output(u16::try_from(number).map_or(PortNo(number as u32), PortNo::of_16))
}
