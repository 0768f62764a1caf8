//! The `learn` action.

use super::ParseError;
use super::actions::List;
use super::check::{Packet, Require};
use super::fields::{destination, source, subfield};
use super::piece::Piece;
use super::values::{self, number, number_of, number_u16, number_u64, ones};
use crate::openflow::action::learn::{Learn, LearnFlags, Source, Spec};
use crate::openflow::oxm;
use crate::openflow::{Action, Cookie, Subfield, TableId};

pub(super) fn learn(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let mut learn = Learn::new();
    // What the specs so far say of the packets of the learnt flow.
    let mut learnt = Packet::default();
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        match name.text {
            "table" => {
                learn.table = values::table(value, list.names)?;
                if learn.table == TableId::ALL {
                    return Err(value.error("a table from 0 to 254"));
                }
            }
            "priority" => learn.priority = number_u16(value)?,
            "idle_timeout" => learn.idle_timeout = number_u16(value)?,
            "hard_timeout" => learn.hard_timeout = number_u16(value)?,
            "fin_idle_timeout" => learn.fin_idle_timeout = number_u16(value)?,
            "fin_hard_timeout" => learn.fin_hard_timeout = number_u16(value)?,
            "cookie" => learn.cookie = Cookie(number_u64(value)?),
            "send_flow_rem" => learn.flags = learn.flags | LearnFlags::SEND_FLOW_REM,
            "delete_learned" => learn.flags = learn.flags | LearnFlags::DELETE_LEARNED,
            "limit" | "result_dst" => return Err(name.error("another part of learn: this one is not known here yet")),
            "load" => learn.specs.push(load(list, value, &learnt)?),
            "output" => learn.specs.push(Spec::Output(source(value, &list.packet)?)),
            _ => learn.specs.push(matching(list, name, value, &mut learnt)?),
        }
    }
    list.put(value, &Action::Learn(Box::new(learn)))
}

/// The bytes of a constant in whole 16-bit words.
fn immediate(number: u128, bits: u16) -> Source {
    let length = usize::from(bits).div_ceil(16) * 2;
    let bytes = number.to_be_bytes();
    Source::Immediate(bytes.get(bytes.len() - length.min(16)..).unwrap_or_default().into())
}

fn no_experimenter(text: Piece<'_>, subfield: Subfield) -> Result<Subfield, ParseError> {
    if subfield.field.nxm.is_experimenter() {
        return Err(text.error("a field that is not an experimenter's"));
    }
    Ok(subfield)
}

fn load(list: &List<'_>, value: Piece<'_>, learnt: &Packet) -> Result<Spec, ParseError> {
    let (src, dst_text) = value.split_once("->").ok_or_else(|| value.error("SOURCE->FIELD"))?;
    let dst = no_experimenter(dst_text, destination(dst_text, learnt)?)?;
    if src.text.starts_with(|c: char| c.is_ascii_digit()) {
        let number = number_of(src, dst.bits, "a number that fits into the field")?;
        return Ok(Spec::Load { src: immediate(number, dst.bits), dst });
    }
    let from = source(src, &list.packet)?;
    if from.bits != dst.bits {
        return Err(dst_text.error("as many bits as the source has"));
    }
    Ok(Spec::Load { src: Source::Field(from), dst })
}

fn matching(list: &List<'_>, name: Piece<'_>, value: Piece<'_>, learnt: &mut Packet) -> Result<Spec, ParseError> {
    let dst = subfield(name).map_err(|_| name.error("a field, load, output or an attribute of the learnt flow"))?;
    let dst = no_experimenter(name, dst)?;
    learnt.require(dst.field, name)?;
    if value.is_empty() {
        list.packet.require(dst.field, name)?;
        return Ok(Spec::match_same(dst));
    }
    if let Ok(src) = subfield(value) {
        list.packet.require(src.field, value)?;
        if src.bits != dst.bits {
            return Err(value.error("as many bits as the field has that is matched"));
        }
        return Ok(Spec::Match { src: Source::Field(src), dst });
    }
    let number = if dst.is_all() {
        let found = values::field_value(value, dst.field, list.names)?;
        if found.mask != ones(u16::from(dst.field.bytes) * 8) {
            return Err(value.error("a value without a mask"));
        }
        found.value
    } else {
        number(value)?
    };
    if number & !ones(dst.bits) != 0 {
        return Err(value.error("a number that fits into the field"));
    }
    note(learnt, dst, number);
    Ok(Spec::Match { src: immediate(number, dst.bits), dst })
}

fn note(learnt: &mut Packet, dst: Subfield, number: u128) {
    if dst.field == &oxm::ETH_TYPE {
        learnt.eth_type = number as u16;
    } else if dst.field == &oxm::IP_PROTO {
        learnt.ip_proto = number as u8;
    } else if [&oxm::ICMPV4_TYPE, &oxm::ICMPV6_TYPE].contains(&dst.field) {
        learnt.icmp_type = number as u8;
    } else if [&oxm::VLAN_TCI, &oxm::VLAN_VID].contains(&dst.field) {
        learnt.tci[0] |= (number as u16) << dst.offset;
    }
}
