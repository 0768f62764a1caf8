//! Instructions and the actions of the standard (OpenFlow 1.3.5 §7.2.4, §7.2.5).

use super::field::{self, Known};
use super::names::{self, Names};
use super::nicira;
use super::put::{self, Out};
use crate::openflow::oxm::FieldValue;
use crate::openflow::{Action, DecodeError, Instruction, PortNo, Reader, Subfield};

/// Prints instructions as `ovs-ofctl` shows them behind `actions=`.
pub(super) fn instructions(out: &mut Out, names: &dyn Names, reader: Reader<'_>) -> Result<(), DecodeError> {
    let mut list = Instruction::decode_list(reader)?;
    list.sort_by_key(Instruction::rank);
    let start = out.len();
    for instruction in &list {
        let before = out.len();
        if before > start {
            out.push(b',');
        }
        let separated = out.len();
        print_instruction(out, names, instruction);
        if out.len() == separated {
            out.truncate(before);
        }
    }
    if out.len() == start {
        put::text(out, "drop");
    }
    Ok(())
}

fn print_instruction(out: &mut Out, names: &dyn Names, instruction: &Instruction) {
    match instruction {
        Instruction::GotoTable(table) => {
            put::text(out, "goto_table:");
            names::table(out, names, *table);
        }
        Instruction::WriteMetadata { metadata, mask } => write_metadata(out, *metadata, *mask),
        Instruction::WriteActions(actions) => {
            put::text(out, "write_actions(");
            list_or_drop(out, names, actions);
            out.push(b')');
        }
        Instruction::ApplyActions(actions) => list(out, names, actions),
        Instruction::ClearActions => put::text(out, "clear_actions"),
        Instruction::Meter(meter) => decimal(out, "meter:", u64::from(*meter)),
        Instruction::Other { bytes, .. } => unknown(out, "instruction(0x", bytes),
    }
}

pub(super) fn write_metadata(out: &mut Out, metadata: u64, mask: u64) {
    put::text(out, "write_metadata:");
    put::hex_or_zero(out, metadata);
    if mask != u64::MAX {
        out.push(b'/');
        put::hex_or_zero(out, mask);
    }
}

/// Prints actions with commas between them; none print as `drop`.
pub(super) fn list_or_drop(out: &mut Out, names: &dyn Names, actions: &[Action]) {
    if actions.is_empty() {
        put::text(out, "drop");
    }
    list(out, names, actions);
}

/// Prints actions with commas between them.
pub(super) fn list(out: &mut Out, names: &dyn Names, actions: &[Action]) {
    for (i, action) in actions.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        print(out, names, action);
    }
}

fn print(out: &mut Out, names: &dyn Names, action: &Action) {
    match action {
        Action::Output { port, max_len } => {
            output(out, names, *port);
            if *port == PortNo::CONTROLLER {
                decimal(out, ":", u64::from(*max_len));
            }
        }
        Action::SetVlanVid(vid) => decimal(out, "set_vlan_vid:", u64::from(*vid)),
        Action::SetVlanPcp(pcp) => decimal(out, "set_vlan_pcp:", u64::from(*pcp)),
        Action::SetEthSrc(mac) => {
            put::text(out, "mod_dl_src:");
            put::mac(out, &mac.0);
        }
        Action::SetEthDst(mac) => {
            put::text(out, "mod_dl_dst:");
            put::mac(out, &mac.0);
        }
        Action::SetNwSrc(address) => {
            put::text(out, "mod_nw_src:");
            put::ipv4(out, u32::from(*address));
        }
        Action::SetNwDst(address) => {
            put::text(out, "mod_nw_dst:");
            put::ipv4(out, u32::from(*address));
        }
        Action::SetNwTos(tos) => decimal(out, "mod_nw_tos:", u64::from(*tos)),
        Action::SetNwEcn(ecn) => decimal(out, "mod_nw_ecn:", u64::from(*ecn)),
        Action::SetTpSrc(port) => decimal(out, "mod_tp_src:", u64::from(*port)),
        Action::SetTpDst(port) => decimal(out, "mod_tp_dst:", u64::from(*port)),
        Action::CopyTtlOut => put::text(out, "copy_ttl_out"),
        Action::CopyTtlIn => put::text(out, "copy_ttl_in"),
        Action::SetMplsLabel(label) => parenthesized(out, "set_mpls_label(", u64::from(*label)),
        Action::SetMplsTc(tc) => parenthesized(out, "set_mpls_tc(", u64::from(*tc)),
        Action::SetMplsTtl(ttl) => parenthesized(out, "set_mpls_ttl(", u64::from(*ttl)),
        Action::DecMplsTtl => put::text(out, "dec_mpls_ttl"),
        Action::PushVlan(ethertype) => {
            put::text(out, "push_vlan:");
            put::hex_or_zero(out, u64::from(*ethertype));
        }
        Action::PopVlan => put::text(out, "pop_vlan"),
        Action::PushMpls(ethertype) => ethertype_of(out, "push_mpls:", *ethertype),
        Action::PopMpls(ethertype) => ethertype_of(out, "pop_mpls:", *ethertype),
        Action::PushPbb(ethertype) => ethertype_of(out, "push_pbb:", *ethertype),
        Action::PopPbb => put::text(out, "pop_pbb"),
        Action::SetQueue(queue) => decimal(out, "set_queue:", u64::from(*queue)),
        Action::Group(group) => decimal(out, "group:", u64::from(*group)),
        Action::SetNwTtl(ttl) => decimal(out, "mod_nw_ttl:", u64::from(*ttl)),
        Action::DecNwTtl => put::text(out, "dec_ttl"),
        Action::SetField(value) | Action::Load2(value) => set_field(out, names, value),
        Action::Other { bytes, .. } => unknown(out, "action(0x", bytes),
        _ => nicira::print(out, names, action),
    }
}

/// `name` and a number.
pub(super) fn decimal(out: &mut Out, name: &str, number: u64) {
    put::text(out, name);
    put::decimal(out, number);
}

fn parenthesized(out: &mut Out, name: &str, number: u64) {
    decimal(out, name, number);
    out.push(b')');
}

fn ethertype_of(out: &mut Out, name: &str, ethertype: u16) {
    put::text(out, name);
    put::hex_padded(out, ethertype.into(), 4);
}

/// `output:3`; a reserved port stands for itself.
fn output(out: &mut Out, names: &dyn Names, port: PortNo) {
    if port.0 < PortNo::MAX.0 {
        put::text(out, "output:");
    }
    names::port(out, names, port);
}

/// `set_field:VALUE[/MASK]->FIELD`.
fn set_field(out: &mut Out, names: &dyn Names, value: &FieldValue) {
    put::text(out, "set_field:");
    field::value(out, names, Known::Field(value.field), value.value(), value.mask());
    put::text(out, "->");
    put::text(out, value.field.name);
}

/// `NXM_OF_VLAN_TCI[0..11]`.
pub(super) fn subfield(out: &mut Out, subfield: &Subfield) {
    Known::Field(subfield.field).bits(out, subfield.offset, subfield.bits);
}

/// What is not known: all its bytes.
fn unknown(out: &mut Out, name: &str, whole: &[u8]) {
    put::text(out, name);
    put::hex_pairs(out, whole);
    out.push(b')');
}
