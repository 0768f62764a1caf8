//! Instructions and the actions of the standard (OpenFlow 1.3.5 §7.2.4, §7.2.5).

use super::field::{self, Known};
use super::names::{self, Names};
use super::put::{self, Out};
use super::{nicira, nicira_ct};
use crate::openflow::action::NICIRA;
use crate::openflow::oxm::Tlv;
use crate::openflow::{DecodeError, ErrorCode, PortNo, Reader, TableId};

const ONF: u32 = 0x4f4e_4600;

/// The types of the instructions in the order in which they print.
const PRINTED: [u16; 6] = [6, 4, 5, 3, 2, 1];

/// Prints instructions as `ovs-ofctl` shows them behind `actions=`.
pub(super) fn instructions(out: &mut Out, names: &dyn Names, mut reader: Reader<'_>) -> Result<(), DecodeError> {
    let mut known: [Option<Reader<'_>>; 7] = [None; 7];
    let mut unknown = Vec::new();
    while !reader.is_empty() {
        let start = reader;
        let instruction_type = reader.u16("instruction.type")?;
        let length = reader.u16("instruction.len")?;
        let bad_len = |expected| start.error("instruction.len", u64::from(length), expected, ErrorCode::BIC_BAD_LEN);
        if length < 8 || length % 8 != 0 {
            return Err(bad_len("a multiple of 8 and at least 8"));
        }
        let body = reader
            .child(usize::from(length) - 4, "instruction.body")
            .map_err(|_| bad_len("no more than what is left of the flow"))?;
        match known.get_mut(usize::from(instruction_type)).filter(|_| instruction_type != 0) {
            Some(place) if place.is_none() => *place = Some(body),
            Some(_) => {
                let found = u64::from(instruction_type);
                return Err(start.error("instruction.type", found, "each type once", ErrorCode::BIC_DUP_INST));
            }
            None => unknown.push((start, length)),
        }
    }
    let start = out.len();
    for instruction_type in PRINTED {
        let Some(body) = known.get(usize::from(instruction_type)).copied().flatten() else { continue };
        let before = out.len();
        if before > start {
            out.push(b',');
        }
        let separated = out.len();
        instruction(out, names, instruction_type, body)?;
        if out.len() == separated {
            out.truncate(before);
        }
    }
    for (mut whole, length) in unknown {
        if out.len() > start {
            out.push(b',');
        }
        put::text(out, "instruction(0x");
        put::hex_pairs(out, whole.bytes(usize::from(length), "instruction")?);
        out.push(b')');
    }
    if out.len() == start {
        put::text(out, "drop");
    }
    Ok(())
}

fn instruction(
    out: &mut Out,
    names: &dyn Names,
    instruction_type: u16,
    mut body: Reader<'_>,
) -> Result<(), DecodeError> {
    match instruction_type {
        1 => {
            put::text(out, "goto_table:");
            names::table(out, names, TableId(body.u8("goto_table.table_id")?));
        }
        2 => {
            body.skip(4, "write_metadata.pad")?;
            write_metadata(out, body.u64("write_metadata.metadata")?, body.u64("write_metadata.mask")?);
        }
        3 => {
            body.skip(4, "instruction.pad")?;
            put::text(out, "write_actions(");
            list_or_drop(out, names, body)?;
            out.push(b')');
        }
        4 => {
            body.skip(4, "instruction.pad")?;
            list(out, names, body)?;
        }
        5 => put::text(out, "clear_actions"),
        _ => {
            put::text(out, "meter:");
            put::decimal(out, body.u32("meter.meter_id")?.into());
        }
    }
    Ok(())
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
pub(super) fn list_or_drop(out: &mut Out, names: &dyn Names, reader: Reader<'_>) -> Result<(), DecodeError> {
    if reader.is_empty() {
        put::text(out, "drop");
    }
    list(out, names, reader)
}

/// Prints actions with commas between them.
pub(super) fn list(out: &mut Out, names: &dyn Names, mut reader: Reader<'_>) -> Result<(), DecodeError> {
    let mut first = true;
    while !reader.is_empty() {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        let (action_type, body, whole) = next(&mut reader)?;
        action(out, names, (action_type, body), whole)?;
    }
    Ok(())
}

/// Takes one action: its type, what follows its length, and all of it.
pub(super) fn next<'a>(reader: &mut Reader<'a>) -> Result<(u16, Reader<'a>, &'a [u8]), DecodeError> {
    let mut start = *reader;
    let action_type = reader.u16("action.type")?;
    let length = reader.u16("action.len")?;
    let bad_len = |expected| start.error("action.len", u64::from(length), expected, ErrorCode::BAC_BAD_LEN);
    if length < 8 || length % 8 != 0 {
        return Err(bad_len("a multiple of 8 and at least 8"));
    }
    let body = reader
        .child(usize::from(length) - 4, "action.body")
        .map_err(|_| bad_len("no more than what is left of the actions"))?;
    Ok((action_type, body, start.bytes(usize::from(length), "action")?))
}

fn action(
    out: &mut Out,
    names: &dyn Names,
    (action_type, mut body): (u16, Reader<'_>),
    whole: &[u8],
) -> Result<(), DecodeError> {
    let text = |out: &mut Out, text| put::text(out, text);
    match action_type {
        0 => {
            let port = PortNo(body.u32("output.port")?);
            output(out, names, port);
            if port == PortNo::CONTROLLER {
                out.push(b':');
                put::decimal(out, body.u16("output.max_len")?.into());
            }
        }
        16 => text(out, "dec_mpls_ttl"),
        18 => text(out, "pop_vlan"),
        24 => text(out, "dec_ttl"),
        3 | 4 => {
            text(out, if action_type == 3 { "mod_dl_src:" } else { "mod_dl_dst:" });
            put::mac(out, body.bytes(6, "set_dl_addr")?);
        }
        5 | 6 => {
            text(out, if action_type == 5 { "mod_nw_src:" } else { "mod_nw_dst:" });
            put::ipv4(out, body.u32("set_nw_addr")?);
        }
        25 => set_field(out, names, body)?,
        0xffff => match body.u32("action.experimenter")? {
            NICIRA => {
                let subtype = body.u16("nx_action.subtype")?;
                match subtype {
                    35 => nicira_ct::ct(out, names, body)?,
                    36 => nicira_ct::nat(out, body)?,
                    _ if nicira::action(out, names, subtype, body)? => {}
                    _ => other(out, whole),
                }
            }
            ONF if body.u16("onf_action.exp_type")? == 3200 => {
                body.skip(2, "copy_field.pad")?;
                let bits = body.u16("copy_field.n_bits")?;
                let offsets = (body.u16("copy_field.src_offset")?, body.u16("copy_field.dst_offset")?);
                body.skip(2, "copy_field.pad2")?;
                nicira::move_between(out, bits, offsets, body)?;
            }
            _ => other(out, whole),
        },
        _ => match number(action_type, body)? {
            Some((name, number, Style::Decimal)) => {
                text(out, name);
                put::decimal(out, number.into());
            }
            Some((name, number, Style::Hex(width))) => {
                text(out, name);
                if width > 1 {
                    put::hex_padded(out, number.into(), width)
                } else {
                    put::hex_or_zero(out, number.into())
                }
            }
            Some((name, number, Style::Parentheses)) => {
                text(out, name);
                put::decimal(out, number.into());
                out.push(b')');
            }
            None => other(out, whole),
        },
    }
    Ok(())
}

enum Style {
    Decimal,
    Hex(usize),
    Parentheses,
}

/// The actions that carry one number.
fn number(action_type: u16, mut body: Reader<'_>) -> Result<Option<(&'static str, u32, Style)>, DecodeError> {
    use Style::{Decimal, Hex, Parentheses};
    let (name, bytes, style) = match action_type {
        1 => ("set_vlan_vid:", 2, Decimal),
        2 => ("set_vlan_pcp:", 1, Decimal),
        7 => ("mod_nw_tos:", 1, Decimal),
        8 => ("mod_nw_ecn:", 1, Decimal),
        9 => ("mod_tp_src:", 2, Decimal),
        10 => ("mod_tp_dst:", 2, Decimal),
        13 => ("set_mpls_label(", 4, Parentheses),
        14 => ("set_mpls_tc(", 1, Parentheses),
        15 => ("set_mpls_ttl(", 1, Parentheses),
        17 => ("push_vlan:", 2, Hex(1)),
        19 => ("push_mpls:", 2, Hex(4)),
        20 => ("pop_mpls:", 2, Hex(4)),
        21 => ("set_queue:", 4, Decimal),
        22 => ("group:", 4, Decimal),
        23 => ("mod_nw_ttl:", 1, Decimal),
        _ => return Ok(None),
    };
    let number = put::number(body.bytes(bytes, "action.argument")?) as u32;
    Ok(Some((name, number, style)))
}

/// `output:3`; a reserved port stands for itself.
pub(super) fn output(out: &mut Out, names: &dyn Names, port: PortNo) {
    if port.0 < PortNo::MAX.0 {
        put::text(out, "output:");
    }
    names::port(out, names, port);
}

/// `set_field:VALUE[/MASK]->FIELD`, from the field's TLV.
pub(super) fn set_field(out: &mut Out, names: &dyn Names, mut body: Reader<'_>) -> Result<(), DecodeError> {
    let tlv = Tlv::decode(&mut body)?;
    let known = Known::of(&tlv);
    put::text(out, "set_field:");
    field::value(out, names, known, tlv.value, tlv.mask);
    put::text(out, "->");
    known.name(out);
    Ok(())
}

/// An action that is not known: all its bytes.
fn other(out: &mut Out, whole: &[u8]) {
    put::text(out, "action(0x");
    put::hex_pairs(out, whole);
    out.push(b')');
}
