//! The `learn` action (`ovs-actions(7)`).

use super::field::{self, Known};
use super::names::{self, Names};
use super::put::{self, Out};
use crate::openflow::{DecodeError, ErrorCode, Reader, TableId};

const SEND_FLOW_REM: u16 = 1;
const DELETE_LEARNED: u16 = 2;
const WRITE_RESULT: u16 = 4;
const DEFAULT_PRIORITY: u16 = 0x8000;

const SRC_IMMEDIATE: u16 = 1 << 13;
const DST_MASK: u16 = 3 << 11;
const DST_LOAD: u16 = 1 << 11;
const DST_OUTPUT: u16 = 2 << 11;
const BITS_MASK: u16 = 0x7ff;

/// `learn(…)`, from what follows the subtype; `extended` for `NXAST_LEARN2`.
pub(super) fn learn(out: &mut Out, names: &dyn Names, extended: bool, mut body: Reader<'_>) -> Result<(), DecodeError> {
    let timeouts = [body.u16("learn.idle_timeout")?, body.u16("learn.hard_timeout")?];
    let priority = body.u16("learn.priority")?;
    let cookie = body.u64("learn.cookie")?;
    let flags = body.u16("learn.flags")?;
    let table = TableId(body.u8("learn.table_id")?);
    body.skip(1, "learn.pad")?;
    let fin_timeouts = [body.u16("learn.fin_idle_timeout")?, body.u16("learn.fin_hard_timeout")?];
    put::text(out, "learn(table=");
    names::table(out, names, table);
    let timeout_names = [",idle_timeout=", ",hard_timeout=", ",fin_idle_timeout=", ",fin_hard_timeout="];
    for (timeout, name) in timeouts.into_iter().chain(fin_timeouts).zip(timeout_names) {
        if timeout != 0 {
            put::text(out, name);
            put::decimal(out, timeout.into());
        }
    }
    if priority != DEFAULT_PRIORITY {
        put::text(out, ",priority=");
        put::decimal(out, priority.into());
    }
    for (flag, name) in [(SEND_FLOW_REM, ",send_flow_rem"), (DELETE_LEARNED, ",delete_learned")] {
        if flags & flag != 0 {
            put::text(out, name);
        }
    }
    if cookie != 0 {
        put::text(out, ",cookie=");
        put::hex(out, cookie);
    }
    if extended {
        let limit = body.u32("learn.limit")?;
        let offset = body.u16("learn.result_dst_ofs")?;
        body.skip(2, "learn.pad2")?;
        if limit != 0 {
            put::text(out, ",limit=");
            put::decimal(out, limit.into());
        }
        if flags & WRITE_RESULT != 0 {
            put::text(out, ",result_dst=");
            Known::read(&mut body)?.bits(out, offset, 1);
        }
    }
    while body.remaining() >= 2 {
        let start = body;
        let header = body.u16("learn.spec")?;
        if header == 0 {
            break;
        }
        if header & 0xc000 != 0 || header & DST_MASK == DST_MASK || header & BITS_MASK == 0 {
            return Err(start.error("learn.spec", header.into(), "a flow_mod spec", ErrorCode::BAC_BAD_ARGUMENT));
        }
        out.push(b',');
        spec(out, names, header, &mut body)?;
    }
    out.push(b')');
    Ok(())
}

fn subfield(reader: &mut Reader<'_>) -> Result<(Known, u16), DecodeError> {
    Ok((Known::read(reader)?, reader.u16("learn.ofs")?))
}

fn spec(out: &mut Out, names: &dyn Names, header: u16, body: &mut Reader<'_>) -> Result<(), DecodeError> {
    let bits = header & BITS_MASK;
    if header & DST_MASK == DST_OUTPUT {
        let (src, offset) = subfield(body)?;
        put::text(out, "output:");
        src.bits(out, offset, bits);
        return Ok(());
    }
    let load = header & DST_MASK == DST_LOAD;
    if header & SRC_IMMEDIATE == 0 {
        let (src, src_offset) = subfield(body)?;
        let (dst, dst_offset) = subfield(body)?;
        if load {
            put::text(out, "load:");
            src.bits(out, src_offset, bits);
            put::text(out, "->");
        }
        dst.bits(out, dst_offset, bits);
        let itself = same(src, dst) && src_offset == dst_offset;
        if !load && !itself {
            out.push(b'=');
            src.bits(out, src_offset, bits);
        }
        return Ok(());
    }
    let words = body.bytes(usize::from(bits).div_ceil(16) * 2, "learn.immediate")?;
    let (dst, offset) = subfield(body)?;
    let value = words.get(words.len() - usize::from(bits).div_ceil(8)..).unwrap_or_default();
    if load {
        put::text(out, "load:");
        put::hex_bytes(out, value);
        put::text(out, "->");
        dst.bits(out, offset, bits);
    } else if dst.is_all(offset, bits) {
        dst.name(out);
        out.push(b'=');
        field::value(out, names, dst, value, None);
    } else {
        dst.bits(out, offset, bits);
        out.push(b'=');
        put::hex_bytes(out, value);
    }
    Ok(())
}

fn same(a: Known, b: Known) -> bool {
    match (a, b) {
        (Known::Field(a), Known::Field(b)) => a == b,
        _ => false,
    }
}
