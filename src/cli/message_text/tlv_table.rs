//! Which tunnel options are which of the fields `tun_metadata0` and on.

use super::{Context, Out, Stop};
use crate::openflow::kind::Kind;
use crate::openflow::tlv_table::{TlvMap, TlvTableCommand, TlvTableMod, TlvTableReply};
use crate::openflow::{DecodeError, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    let result = match context.kind() {
        Kind::TlvTableMod => modification(body, out),
        Kind::TlvTableReply => reply(body, out),
        _ => return None,
    };
    Some(result.map_err(Stop::from))
}

fn modification(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let change = TlvTableMod::decode(body)?;
    match change.command {
        TlvTableCommand::Add => put!(out, "\n ADD"),
        TlvTableCommand::Delete => put!(out, "\n DEL"),
        TlvTableCommand::Clear => {
            put!(out, "\n CLEAR");
            return Ok(());
        }
    }
    mappings(&change.mappings, out);
    Ok(())
}

fn reply(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let reply = TlvTableReply::decode(body)?;
    let allocated: u32 = reply.mappings.iter().map(|mapping| u32::from(mapping.option_len)).sum();
    put!(out, "\n max option space={} max fields={}", reply.max_option_space, reply.max_fields);
    put!(out, "\n allocated option space={allocated}\n\n");
    mappings(&reply.mappings, out);
    Ok(())
}

/// A heading, and one line for each.
fn mappings(mappings: &[TlvMap], out: &mut Out) {
    put!(out, " mapping table:\n  class  type  length  match field\n ------  ----  ------  --------------");
    // As printf writes 0 in this form.
    let hex = |number: u16| if number == 0 { "0".to_owned() } else { format!("{number:#x}") };
    for TlvMap { option_class, option_type, option_len, index } in mappings {
        let (class, option_type) = (hex(*option_class), hex((*option_type).into()));
        put!(out, "\n {class:>6}  {option_type:>4}  {option_len:>6}  tun_metadata{index}");
    }
}
