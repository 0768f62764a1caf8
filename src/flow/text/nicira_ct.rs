//! Connection tracking: `ct(…)` and `nat(…)` (`ovs-actions(7)`).

use super::actions;
use super::field::{Known, unpack};
use super::names::{self, Names};
use super::nicira::{close, parameter};
use super::put::{self, Out};
use crate::openflow::action::NICIRA;
use crate::openflow::{DecodeError, Reader, TableId};

/// `NX_CT_RECIRC_NONE`.
const NO_TABLE: u8 = 0xff;

/// `ct(…)`, from what follows the subtype.
pub(super) fn ct(out: &mut Out, names: &dyn Names, mut body: Reader<'_>) -> Result<(), DecodeError> {
    let flags = body.u16("ct.flags")?;
    let mut zone_src = body.child(4, "ct.zone_src")?;
    let zone = body.u16("ct.zone")?;
    let table = body.u8("ct.recirc_table")?;
    body.skip(3, "ct.pad")?;
    let alg = body.u16("ct.alg")?;
    put::text(out, "ct(");
    if flags & 1 != 0 {
        put::text(out, "commit,");
    }
    if flags & 2 != 0 {
        put::text(out, "force,");
    }
    if table != NO_TABLE {
        put::text(out, "table=");
        names::table(out, names, TableId(table));
        out.push(b',');
    }
    if zone_src.rest().iter().any(|&byte| byte != 0) {
        let (offset, bits) = unpack(zone);
        put::text(out, "zone=");
        Known::read(&mut zone_src)?.bits(out, offset, bits);
        out.push(b',');
    } else if zone != 0 {
        parameter(out, "zone=", zone.into());
    }
    if let Some(translation) = leading_nat(&mut body)? {
        nat(out, translation)?;
        out.push(b',');
    }
    if !body.is_empty() {
        put::text(out, "exec(");
        actions::list(out, names, body)?;
        put::text(out, "),");
    }
    match alg {
        0 => {}
        21 => put::text(out, "alg=ftp,"),
        69 => put::text(out, "alg=tftp,"),
        _ => parameter(out, "alg=", alg.into()),
    }
    close(out);
    Ok(())
}

/// Takes the `nat` action that comes first, if one does; it prints outside of `exec(…)`.
fn leading_nat<'a>(body: &mut Reader<'a>) -> Result<Option<Reader<'a>>, DecodeError> {
    let mut ahead = *body;
    if ahead.is_empty() {
        return Ok(None);
    }
    let (action_type, mut inner, _) = actions::next(&mut ahead)?;
    if action_type != 0xffff || inner.u32("action.experimenter")? != NICIRA || inner.u16("nx_action.subtype")? != 36 {
        return Ok(None);
    }
    *body = ahead;
    Ok(Some(inner))
}

const RANGE_IPV4_MIN: u16 = 1;
const RANGE_IPV4_MAX: u16 = 2;
const RANGE_IPV6_MIN: u16 = 4;
const RANGE_IPV6_MAX: u16 = 8;
const RANGE_PROTO_MIN: u16 = 16;
const RANGE_PROTO_MAX: u16 = 32;

/// `nat(…)`, from what follows the subtype.
pub(super) fn nat(out: &mut Out, mut body: Reader<'_>) -> Result<(), DecodeError> {
    body.skip(2, "nat.pad")?;
    let flags = body.u16("nat.flags")?;
    let present = body.u16("nat.range_present")?;
    put::text(out, "nat");
    if flags & 3 == 0 {
        return Ok(());
    }
    put::text(out, if flags & 1 != 0 { "(src" } else { "(dst" });
    if present & (RANGE_IPV4_MIN | RANGE_IPV6_MIN) != 0 {
        out.push(b'=');
        range(out, present, body)?;
        out.push(b',');
        for (bit, name) in [(4, "persistent,"), (8, "hash,"), (16, "random,")] {
            if flags & bit != 0 {
                put::text(out, name);
            }
        }
    }
    close(out);
    Ok(())
}

fn range(out: &mut Out, present: u16, mut body: Reader<'_>) -> Result<(), DecodeError> {
    if present & RANGE_IPV4_MIN != 0 {
        let min = body.u32("nat.ipv4_min")?;
        put::ipv4(out, min);
        let max = if present & RANGE_IPV4_MAX != 0 { body.u32("nat.ipv4_max")? } else { min };
        if max != min && max != 0 {
            out.push(b'-');
            put::ipv4(out, max);
        }
        return ports(out, present, body);
    }
    let min = u128::from_be_bytes(body.array("nat.ipv6_min")?);
    let max = match present & RANGE_IPV6_MAX {
        0 => min,
        _ => u128::from_be_bytes(body.array("nat.ipv6_max")?),
    };
    let bracketed = present & RANGE_PROTO_MIN != 0;
    let address = |out: &mut Out, address| {
        out.extend(bracketed.then_some(b'['));
        put::ipv6(out, address);
        out.extend(bracketed.then_some(b']'));
    };
    address(out, min);
    if max != min && max != 0 {
        out.push(b'-');
        address(out, max);
    }
    ports(out, present, body)
}

fn ports(out: &mut Out, present: u16, mut body: Reader<'_>) -> Result<(), DecodeError> {
    if present & RANGE_PROTO_MIN != 0 {
        let min = body.u16("nat.proto_min")?;
        out.push(b':');
        put::decimal(out, min.into());
        let max = if present & RANGE_PROTO_MAX != 0 { body.u16("nat.proto_max")? } else { min };
        if max != min && max != 0 {
            out.push(b'-');
            put::decimal(out, max.into());
        }
    }
    Ok(())
}
