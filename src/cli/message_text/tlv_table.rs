//! Which tunnel options are which of the fields `tun_metadata0` and on.

use super::{Context, Out, Stop};
use crate::openflow::kind::Kind;
use crate::openflow::{DecodeError, ErrorCode, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    let result = match context.kind() {
        Kind::TlvTableMod => modification(body, out),
        Kind::TlvTableReply => reply(body, out),
        _ => return None,
    };
    Some(result.map_err(Stop::from))
}

fn modification(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let at = body;
    let command = body.u16("nx_tlv_table_mod.command")?;
    body.skip(6, "nx_tlv_table_mod.pad")?;
    let mut text = Vec::new();
    match command {
        0 => put!(text, "\n ADD"),
        1 => put!(text, "\n DEL"),
        2 => put!(text, "\n CLEAR"),
        _ => {
            let what = "nx_tlv_table_mod.command";
            return Err(at.error(what, command.into(), "0 to 2", ErrorCode::NXTTMFC_BAD_COMMAND));
        }
    }
    let mut rows = Vec::new();
    mappings(body, &mut rows)?;
    out.append(&mut text);
    if command != 2 {
        out.append(&mut rows);
    }
    Ok(())
}

fn reply(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let space = body.u32("nx_tlv_table_reply.max_option_space")?;
    let fields = body.u16("nx_tlv_table_reply.max_fields")?;
    body.skip(10, "nx_tlv_table_reply.reserved")?;
    let mut rows = Vec::new();
    let allocated = mappings(body, &mut rows)?;
    put!(out, "\n max option space={space} max fields={fields}\n allocated option space={allocated}\n\n");
    out.append(&mut rows);
    Ok(())
}

/// One line for each; returns the sum of their lengths.
fn mappings(mut body: Reader<'_>, out: &mut Out) -> Result<u32, DecodeError> {
    put!(out, " mapping table:\n  class  type  length  match field\n ------  ----  ------  --------------");
    let mut sum = 0;
    while !body.is_empty() {
        let at = body;
        let class = body.u16("nx_tlv_map.option_class")?;
        let option_type = body.u8("nx_tlv_map.option_type")?;
        let length = body.u8("nx_tlv_map.option_len")?;
        let index = body.u16("nx_tlv_map.index")?;
        body.skip(2, "nx_tlv_map.pad")?;
        if length % 4 != 0 || length > 124 {
            let expected = "a multiple of 4, 124 at the most";
            return Err(at.error("nx_tlv_map.option_len", length.into(), expected, ErrorCode::NXTTMFC_BAD_OPT_LEN));
        }
        if index >= 64 {
            return Err(at.error("nx_tlv_map.index", index.into(), "0 to 63", ErrorCode::NXTTMFC_BAD_FIELD_IDX));
        }
        sum += u32::from(length);
        let hex = |number: u16| if number == 0 { "0".to_owned() } else { format!("{number:#x}") };
        put!(out, "\n {:>6}  {:>4}  {length:>6}  tun_metadata{index}", hex(class), hex(option_type.into()));
    }
    Ok(sum)
}
