//! Nicira's extension actions.

use super::ParseError;
use super::actions::{List, Outer};
use super::fields::{destination, source};
use super::piece::Piece;
use super::values::{self, number_of, number_u16, number_u32};
use crate::openflow::action::NICIRA;
use crate::openflow::oxm::FieldValue;
use crate::openflow::{Action, PortNo, Subfield, TableId, Writer};

/// Appends an action of this subtype.
pub(super) fn put(
    list: &mut List<'_>,
    text: Piece<'_>,
    subtype: u16,
    body: impl FnOnce(&mut Writer),
) -> Result<(), ParseError> {
    list.raw(text, 0xffff, |out| {
        out.u32(NICIRA);
        out.u16(subtype);
        body(out);
    })
}

/// Offset and width in one number.
pub(super) const fn packed(subfield: &Subfield) -> u16 {
    subfield.offset << 6 | (subfield.bits - 1) & 0x3f
}

/// The actions that no other module has, and a port by itself.
pub(super) fn action(list: &mut List<'_>, name: &str, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    match name {
        "resubmit" => resubmit(list, value),
        "conjunction" => conjunction(list, value),
        "note" => note(list, value),
        "exit" => put(list, key, 17, |out| out.zeros(6)),
        "pop_queue" => put(list, key, 5, |out| out.zeros(6)),
        "ct_clear" => put(list, key, 43, |out| out.zeros(6)),
        "push" | "pop" => stack(list, value, name == "push"),
        "clone" => {
            let actions = list.nested(value, Outer::Clone)?;
            put(list, value, 42, |out| {
                out.zeros(6);
                out.bytes(&actions);
            })
        }
        "fin_timeout" => fin_timeout(list, key, value),
        "check_pkt_larger" => check_packet_larger(list, value),
        "delete_field" => Err(key.error("another action: delete_field is not known here yet")),
        _ => match values::port(key, list.names) {
            Ok(port) if port == PortNo::CONTROLLER => list.put(key, &Action::Output { port, max_len: 0 }),
            Ok(port) => list.output_to(key, port),
            Err(_) => Err(key.error("an action or a port")),
        },
    }
}

fn resubmit(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (port, rest) = value.word(",");
    let (table, rest) = rest.word(",");
    let (ct, _) = rest.word(",");
    let in_port = if port.is_empty() { 0xfff8 } else { values::port_16(port, list.names)? };
    let table = if table.is_empty() { TableId(255) } else { values::table(table, list.names)? };
    if in_port == 0xfff8 && table.0 == 255 {
        return Err(value.error("a port or a table to resubmit to"));
    }
    match ct.text {
        "" => list.put(value, &Action::Resubmit { in_port, table }),
        "ct" => put(list, value, 44, |out| {
            out.u16(in_port);
            out.u8(table.0);
            out.zeros(3);
        }),
        _ => Err(ct.error("ct, or nothing")),
    }
}

fn conjunction(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (id, rest) = value.split_once(",").ok_or_else(|| value.error("ID, CLAUSE/CLAUSES"))?;
    let (clause, clauses) = rest.split_once("/").ok_or_else(|| rest.error("CLAUSE/CLAUSES"))?;
    let id = number_u32(id.trim())?;
    let clauses_number = number_of(clauses.trim(), 8, "a number of clauses from 2 to 64")?;
    if !(2..=64).contains(&clauses_number) {
        return Err(clauses.error("a number of clauses from 2 to 64"));
    }
    let clause_number = number_of(clause.trim(), 8, "a clause from 1")?;
    if !(1..=clauses_number).contains(&clause_number) {
        return Err(clause.error("a clause from 1 to the number of clauses"));
    }
    put(list, value, 34, |out| {
        out.u8(clause_number as u8 - 1);
        out.u8(clauses_number as u8);
        out.u32(id);
    })
}

/// Pairs of hexadecimal digits with or without dots between them.
fn hex_bytes(text: Piece<'_>) -> Result<Vec<u8>, ParseError> {
    let mut rest = text;
    let mut bytes = Vec::new();
    while !rest.is_empty() {
        let (dot, after) = rest.split(1);
        if dot.text == "." {
            rest = after;
            continue;
        }
        let (pair, after) = rest.split(2);
        let good = pair.text.len() == 2 && pair.text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = good.then(|| u8::from_str_radix(pair.text, 16).ok()).flatten();
        bytes.push(byte.ok_or_else(|| pair.error("two hexadecimal digits"))?);
        rest = after;
    }
    Ok(bytes)
}

fn note(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let bytes = hex_bytes(value)?;
    put(list, value, 8, |out| {
        out.bytes(&bytes);
        out.zeros(6_usize.saturating_sub(bytes.len()));
    })
}

fn stack(list: &mut List<'_>, value: Piece<'_>, push: bool) -> Result<(), ParseError> {
    let subfield = if push { source(value, &list.packet)? } else { destination(value, &list.packet)? };
    put(list, value, if push { 27 } else { 28 }, |out| {
        out.u16(subfield.offset);
        subfield.field.encode_nxm_header(out);
        out.u16(subfield.bits);
        out.zeros(6);
    })
}

fn fin_timeout(list: &mut List<'_>, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (mut idle, mut hard) = (0, 0);
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        match name.text {
            "idle_timeout" => idle = number_u16(value)?,
            "hard_timeout" => hard = number_u16(value)?,
            _ => return Err(name.error("idle_timeout or hard_timeout")),
        }
    }
    if list.packet.ip_proto != super::check::TCP {
        return Err(key.error("this action in a flow that matches TCP"));
    }
    put(list, key, 19, |out| {
        out.u16(idle);
        out.u16(hard);
        out.zeros(2);
    })
}

fn check_packet_larger(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (length, dst) = value.split_once(")->").ok_or_else(|| value.error("LENGTH)->BIT"))?;
    let length = number_u16(length)?;
    let bit = destination(dst, &list.packet)?;
    if bit.bits != 1 {
        return Err(dst.error("a single bit"));
    }
    put(list, value, 49, |out| {
        out.u16(length);
        out.u16(bit.offset);
        bit.field.encode_nxm_header(out);
    })
}

pub(super) fn dec_ttl(list: &mut List<'_>, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let mut ids = Vec::new();
    let mut rest = value;
    while let Some((id, _)) = rest.next_pair() {
        ids.push(number_u16(id)?);
    }
    if ids.is_empty() {
        return list.put(key, &Action::DecNwTtl);
    }
    put(list, value, 21, |out| {
        out.u16(ids.len() as u16);
        out.zeros(4);
        ids.iter().for_each(|id| out.u16(*id));
    })
}

pub(super) fn output_register(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let src = source(value, &list.packet)?;
    let experimenter = src.field.nxm.is_experimenter();
    put(list, value, if experimenter { 32 } else { 15 }, |out| {
        out.u16(packed(&src));
        if experimenter {
            out.u16(u16::MAX);
        }
        src.field.encode_nxm_header(out);
        if !experimenter {
            out.u16(u16::MAX);
            out.zeros(6);
        }
    })
}

/// `output(port=PORT,max_len=BYTES)`.
pub(super) fn output_truncated(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (mut port, mut max_len) = (None, 0);
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        match name.text {
            "port" => port = Some((value, values::port(value, list.names)?)),
            "max_len" => {
                max_len = number_u32(value)?;
                if max_len < 14 {
                    return Err(value.error("at least 14 bytes"));
                }
            }
            _ => return Err(name.error("port or max_len")),
        }
    }
    let (text, port) = port.ok_or_else(|| value.error("port and max_len"))?;
    let allowed = port.0 < PortNo::MAX.0 || port == PortNo::IN_PORT || port == PortNo::LOCAL;
    if !allowed {
        return Err(text.error("a port of the switch, LOCAL or IN_PORT"));
    }
    put(list, value, 39, |out| {
        out.u16(port.0 as u16);
        out.u32(max_len);
    })
}

const REASONS: [(&str, u8); 6] =
    [("no_match", 0), ("action", 1), ("invalid_ttl", 2), ("action_set", 3), ("group", 4), ("packet_out", 5)];

pub(super) fn controller(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (mut reason, mut max_len, mut id, mut meter) = (1, u16::MAX, 0, 0);
    let (mut userdata, mut pause) = (None, false);
    if !value.is_empty() && value.text.bytes().all(|byte| byte.is_ascii_digit()) {
        max_len = number_u16(value)?;
    } else {
        let mut rest = value;
        while let Some((name, value)) = rest.next_pair() {
            match name.text {
                "reason" => {
                    let known = REASONS.iter().find(|(name, _)| *name == value.text);
                    reason = known.ok_or_else(|| value.error("the reason of a packet-in"))?.1;
                }
                "max_len" => max_len = number_u16(value)?,
                "id" => id = number_u16(value)?,
                "userdata" => userdata = Some(hex_bytes(value)?),
                "pause" => pause = true,
                "meter_id" => meter = number_u32(value)?,
                _ => return Err(name.error("reason, max_len, id, userdata, pause or meter_id")),
            }
        }
    }
    let extended = userdata.as_ref().is_some_and(|bytes| !bytes.is_empty()) || pause || meter != 0;
    if !extended && userdata.is_none() && reason == 1 && id == 0 {
        return list.put(value, &Action::Output { port: PortNo::CONTROLLER, max_len });
    }
    if !extended {
        return put(list, value, 20, |out| {
            out.u16(max_len);
            out.u16(id);
            out.u8(reason);
            out.u8(0);
        });
    }
    put(list, value, 37, |out| {
        out.zeros(6);
        let mut property = |kind: u16, bytes: &[u8]| {
            let mark = out.begin();
            out.u16(kind);
            out.u16(4 + bytes.len() as u16);
            out.bytes(bytes);
            out.pad8(mark);
        };
        if max_len != u16::MAX {
            property(0, &max_len.to_be_bytes());
        }
        if id != 0 {
            property(1, &id.to_be_bytes());
        }
        if reason != 1 {
            property(2, &[reason]);
        }
        if let Some(bytes) = userdata.filter(|bytes| !bytes.is_empty()) {
            property(3, &bytes);
        }
        if pause {
            property(4, &[]);
        }
        if meter != 0 {
            property(5, &meter.to_be_bytes());
        }
    })
}

/// `NXAST_REG_LOAD2`, for fields that only an experimenter's header names.
pub(super) fn load_masked(list: &mut List<'_>, text: Piece<'_>, value: FieldValue) -> Result<(), ParseError> {
    debug_assert!(value.field.writable);
    put(list, text, 33, |out| {
        out.zeros(6);
        value.encode(out);
    })
}
