//! The `learn` action.

use super::ParseError;
use super::actions::List;
use super::fields::{by_name, subfield};
use super::modify::{destination, source_and_destination};
use super::piece::Piece;
use super::values::{self, decimal_u16, decimal_u32, number, number_of, number_u64};
use super::{Lookup, modify};
use crate::flow::check::consistency;
use crate::openflow::action::learn::{Learn, Learn2, LearnFlags, Source, Spec};
use crate::openflow::oxm::Packet;
use crate::openflow::{Action, Cookie, Subfield, TableId};

pub(super) fn learn(list: &List<'_>, value: Piece<'_>) -> Result<Action, ParseError> {
    let mut learn = Learn::new();
    // What the parts so far say of the packets of the learnt flow.
    let mut learnt = Packet::default();
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        if attribute(&mut learn, name, value, list.names)? {
            continue;
        }
        let part = match name.text {
            "load" if by_name(name.text).is_none() => load(value)?,
            "output" => Spec::Output(subfield(value)?),
            _ => matching(name, value, list.names)?,
        };
        let checked = consistency::spec(&list.packet, &mut learnt, &part);
        let text = if value.is_empty() { name } else { value };
        list.fits(text, checked)?;
        learn.specs.push(part);
    }
    Ok(Action::Learn(Box::new(learn)))
}

/// Takes what is said of the learnt flow besides match and actions; false if it is something else.
fn attribute(learn: &mut Learn, name: Piece<'_>, value: Piece<'_>, names: &dyn Lookup) -> Result<bool, ParseError> {
    match name.text {
        "table" => {
            learn.table = values::table(value, names)?;
            if learn.table == TableId::ALL {
                return Err(value.error("a table from 0 to 254"));
            }
        }
        "priority" => learn.priority = decimal_u16(value)?,
        "idle_timeout" => learn.idle_timeout = decimal_u16(value)?,
        "hard_timeout" => learn.hard_timeout = decimal_u16(value)?,
        "fin_idle_timeout" => learn.fin_idle_timeout = decimal_u16(value)?,
        "fin_hard_timeout" => learn.fin_hard_timeout = decimal_u16(value)?,
        "cookie" => learn.cookie = Cookie(number_u64(value)?),
        "send_flow_rem" => learn.flags = learn.flags | LearnFlags::SEND_FLOW_REM,
        "delete_learned" => learn.flags = learn.flags | LearnFlags::DELETE_LEARNED,
        "limit" => match decimal_u32(value)? {
            // No limit needs no extension.
            0 if learn.extension.is_none() => {}
            limit => learn.extension.get_or_insert_default().limit = limit,
        },
        "result_dst" => {
            let dst = modify::destination(value)?;
            if dst.bits != 1 {
                return Err(value.error("a single bit"));
            }
            learn.extension.get_or_insert_with(Learn2::default).result_dst = Some(dst);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The bytes of a constant in whole 16-bit words.
fn immediate(number: u128, bits: u16) -> Source {
    let length = usize::from(bits).div_ceil(16) * 2;
    let bytes = number.to_be_bytes();
    let mut words = vec![0; length.saturating_sub(bytes.len())];
    words.extend_from_slice(bytes.get(bytes.len() - length.min(16)..).unwrap_or_default());
    Source::Immediate(words.into())
}

/// `learn` names fields by short headers.
fn no_experimenter(text: Piece<'_>, subfield: Subfield) -> Result<Subfield, ParseError> {
    if subfield.field.nxm.is_experimenter() {
        return Err(text.error("a field that is not an experimenter's"));
    }
    Ok(subfield)
}

fn load(value: Piece<'_>) -> Result<Spec, ParseError> {
    let (src, dst_text) = value.split_once("->").ok_or_else(|| value.error("SOURCE->FIELD"))?;
    if src.text.starts_with(|c: char| c.is_ascii_digit()) {
        let dst = no_experimenter(dst_text, destination(dst_text)?)?;
        let number = number_of(src, dst.bits, "a number that fits into the field")?;
        return Ok(Spec::Load { src: immediate(number, dst.bits), dst });
    }
    let (src_field, dst) = source_and_destination(value)?;
    no_experimenter(src, src_field)?;
    no_experimenter(dst_text, dst)?;
    Ok(Spec::Load { src: Source::Field(src_field), dst })
}

fn matching(name: Piece<'_>, value: Piece<'_>, names: &dyn Lookup) -> Result<Spec, ParseError> {
    let dst = subfield(name).map_err(|_| name.error("a field, load, output or an attribute of the learnt flow"))?;
    let dst = no_experimenter(name, dst)?;
    if value.is_empty() {
        return Ok(Spec::match_same(dst));
    }
    if let Ok(src) = subfield(value) {
        let src = no_experimenter(value, src)?;
        if src.bits != dst.bits {
            return Err(value.error("as many bits as the field has that is matched"));
        }
        return Ok(Spec::Match { src: Source::Field(src), dst });
    }
    let number = if dst.is_all() {
        let found = values::field_value(value, dst.field, names)?;
        if found.mask != dst.field.all_bits() {
            return Err(value.error("a value without a mask"));
        }
        found.value
    } else {
        number(value)?
    };
    if dst.bits < 128 && number >> dst.bits != 0 {
        return Err(value.error("a number that fits into the field"));
    }
    Ok(Spec::Match { src: immediate(number, dst.bits), dst })
}
