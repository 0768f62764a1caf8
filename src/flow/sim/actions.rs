//! One action at a time: those that change the packet are in [`super::rewrite`], those that send it somewhere in
//! [`super::output`].

use super::packet::MAX_LABELS;
use super::rewrite;
use super::step::{Destination, Fault, Note, Reason, Step};
use super::walk::{Going, Operation, Rest, Walk};
use crate::openflow::oxm::{self, FieldValue};
use crate::openflow::{Action, PortNo, TableId};

impl Walk<'_> {
    pub(super) fn action(&mut self, action: &Action) -> Rest {
        if let Some(done) = rewrite::rewrite(&mut self.packet, action) {
            done.into_iter().for_each(|note| self.note(note));
            return Rest::Goes;
        }
        match action {
            Action::DecNwTtl | Action::DecTtlCntIds(_) | Action::DecMplsTtl | Action::DecNshTtl => {
                return self.decrement(action);
            }
            Action::Group(group) => return self.group(*group),
            Action::ResubmitPort(in_port) => self.resubmit_from(*in_port, TableId::ALL, Self::resubmit),
            Action::Resubmit { in_port, table } => self.resubmit_from(*in_port, *table, Self::resubmit),
            Action::ResubmitCt { in_port, table } => self.resubmit_from(*in_port, *table, Self::resubmit_original),
            Action::StackPush(subfield) => self.stack.push((self.packet.subfield(subfield), subfield.bits)),
            Action::StackPop(subfield) => match self.stack.pop() {
                Some((value, _)) => {
                    self.packet.set_subfield(subfield, value);
                    self.note(Note::Now(*subfield, self.packet.subfield(subfield)));
                }
                None => self.note(Note::StackUnderflow),
            },
            Action::Clone(actions) => self.aside(|walk| walk.actions(actions)),
            Action::Exit => self.going = Going::Stopped,
            Action::Learn(learn) => {
                let learnt = super::learn::learnt(learn, &self.packet);
                self.steps.extend(learnt.map(|flow| Step::Note(Note::Learns(Box::new(flow)))));
            }
            Action::Ct(ct) => self.track(ct),
            Action::CtClear if self.tracked => self.untrack(),
            Action::Encap(_) | Action::Decap(_) => self.encapsulate(action),
            Action::Multipath(multipath) => {
                self.note(Note::ByHash(u32::from(multipath.max_link) + 1));
                self.doubts += usize::from(multipath.max_link > 0);
                self.packet.set_subfield(&multipath.dst, 0);
                self.note(Note::Now(multipath.dst, 0));
            }
            Action::PushMpls(ethertype) => self.push_label(*ethertype),
            Action::PopMpls(ethertype) => self.pop_label(*ethertype),
            Action::Sample(_) => self.note(Note::Sampled),
            Action::Conjunction { .. } => self.note(Note::IdleConjunction),
            Action::DebugRecirc => self.wait_for_headers(),
            Action::Other { .. } => self.note(Note::UnknownAction),
            _ => self.send(action),
        }
        Rest::Goes
    }

    fn resubmit_from(&mut self, in_port: u16, table: TableId, resubmit: fn(&mut Self, PortNo, TableId)) {
        let in_port = match PortNo::of_16(in_port) {
            PortNo::IN_PORT => self.packet.in_port(),
            port => port,
        };
        let table = if table == TableId::ALL { self.table } else { table };
        resubmit(self, in_port, table);
    }

    fn decrement(&mut self, action: &Action) -> Rest {
        let (field, there) = match action {
            Action::DecMplsTtl => (&oxm::MPLS_TTL, self.packet.is_mpls()),
            Action::DecNshTtl => (&oxm::NSH_TTL, self.packet.has(&oxm::NSH_TTL)),
            _ if !self.packet.is_ip() => return Rest::Goes,
            _ => (&oxm::IP_TTL, true),
        };
        let ttl = self.packet.get(field);
        if there && ttl > 1 {
            self.packet.set(field, ttl - 1);
            return Rest::Goes;
        }
        if there {
            self.deliver(Destination::Controller(Reason::INVALID_TTL));
        }
        self.note(Note::TtlExpired(field.name));
        Rest::IsSkipped
    }

    fn push_label(&mut self, ethertype: u16) {
        if self.packet.label_count() >= MAX_LABELS {
            return self.fail(Fault::TooManyLabels);
        }
        self.packet.push_label(ethertype);
    }

    fn pop_label(&mut self, ethertype: u16) {
        let count = self.packet.label_count();
        if self.packet.pop_label(ethertype) {
            self.uncovered |= !self.packet.is_mpls();
        } else if count >= MAX_LABELS {
            self.fail(Fault::TooManyLabels);
        }
    }
}

/// Whether an operation needs what a label covered: outputs and the frame's own fields do not.
pub(super) fn reads_inner_headers(operation: &Operation<'_>) -> bool {
    let Operation::Action(action) = operation else { return true };
    let above = |value: &FieldValue| (oxm::MPLS_TC.rank..=oxm::ARP_THA.rank).contains(&value.field.rank);
    match action {
        Action::Output { port, .. } => *port == PortNo::CONTROLLER,
        Action::SetField(value) | Action::Load2(value) => above(value),
        Action::OutputTrunc { .. }
        | Action::OutputReg { .. }
        | Action::OutputReg2 { .. }
        | Action::SetVlanVid(_)
        | Action::SetVlanPcp(_)
        | Action::SetEthSrc(_)
        | Action::SetEthDst(_)
        | Action::SetTunnel(_)
        | Action::SetTunnel64(_)
        | Action::SetQueue(_)
        | Action::Group(_) => false,
        _ => true,
    }
}
