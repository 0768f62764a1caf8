//! Actions that change the packet.

use std::net::Ipv4Addr;

use super::ParseError;
use super::actions::List;
use super::fields::{by_name, subfield};
use super::piece::Piece;
use super::values::{self, Masked, number_of, number_u8, number_u16, ones};
use crate::flow::check::consistency;
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::numbers::{IP_PROTO_SCTP as SCTP, IP_PROTO_TCP as TCP, IP_PROTO_UDP as UDP};
use crate::openflow::oxm::{self, Field, FieldValue, Packet};
use crate::openflow::{Action, Subfield};

/// A subfield to write to.
pub(super) fn destination(piece: Piece<'_>) -> Result<Subfield, ParseError> {
    let subfield = subfield(piece)?;
    if subfield.field.writable { Ok(subfield) } else { Err(piece.error("a field that can be written")) }
}

/// `SOURCE->DESTINATION`, equally wide.
pub(super) fn source_and_destination(value: Piece<'_>) -> Result<(Subfield, Subfield), ParseError> {
    let (src, dst_text) = value.split_once("->").ok_or_else(|| value.error("SOURCE->DESTINATION"))?;
    let (src, dst) = (subfield(src.trim())?, destination(dst_text.trim())?);
    if src.bits != dst.bits {
        return Err(dst_text.error("as many bits as the source has"));
    }
    Ok((src, dst))
}

pub(super) fn move_bits(value: Piece<'_>) -> Result<Action, ParseError> {
    source_and_destination(value).map(|(src, dst)| Action::Move { src, dst })
}

/// The `set_field` that goes out in place of an action of OpenFlow 1.1. Which port a protocol's `mod_tp_src` sets,
/// the packets say: where they do not, it stays as it is.
pub(super) fn in_openflow13(old: &Action, packet: &Packet) -> Option<Action> {
    let (src, dst) = match packet.ip_proto {
        TCP => (Some(&oxm::TCP_SRC), Some(&oxm::TCP_DST)),
        UDP => (Some(&oxm::UDP_SRC), Some(&oxm::UDP_DST)),
        SCTP => (Some(&oxm::SCTP_SRC), Some(&oxm::SCTP_DST)),
        _ => (None, None),
    };
    let (field, number) = match *old {
        Action::SetVlanVid(vid) => (&oxm::VLAN_VID, u128::from(vid | VLAN_PRESENT)),
        Action::SetVlanPcp(pcp) => (&oxm::VLAN_PCP, pcp.into()),
        Action::SetNwSrc(address) => (&oxm::IPV4_SRC, u32::from(address).into()),
        Action::SetNwDst(address) => (&oxm::IPV4_DST, u32::from(address).into()),
        Action::SetNwTos(tos) => (&oxm::IP_DSCP, u128::from(tos >> 2)),
        Action::SetNwEcn(ecn) => (&oxm::IP_ECN, ecn.into()),
        Action::SetTpSrc(port) => (src?, port.into()),
        Action::SetTpDst(port) => (dst?, port.into()),
        Action::SetMplsLabel(label) => (&oxm::MPLS_LABEL, label.into()),
        Action::SetMplsTc(tc) => (&oxm::MPLS_TC, tc.into()),
        _ => return None,
    };
    Some(Action::set_field(field, number))
}

pub(super) fn ipv4(value: Piece<'_>) -> Result<Ipv4Addr, ParseError> {
    values::ipv4(value).map(|address| Ipv4Addr::from(address as u32))
}

pub(super) fn ethertype(value: Piece<'_>, allowed: [u16; 2]) -> Result<u16, ParseError> {
    let ethertype = number_u16(value)?;
    let expected = if allowed.contains(&0x8100) { "0x8100 or 0x88a8" } else { "0x8847 or 0x8848" };
    if allowed.contains(&ethertype) { Ok(ethertype) } else { Err(value.error(expected)) }
}

pub(super) fn nw_tos(value: Piece<'_>) -> Result<Action, ParseError> {
    match number_u8(value)? {
        tos if tos & 3 == 0 => Ok(Action::SetNwTos(tos)),
        _ => Err(value.error("a type of service, a multiple of 4")),
    }
}

pub(super) fn vlan_vid(value: Piece<'_>) -> Result<Action, ParseError> {
    Ok(Action::SetVlanVid(number_of(value, 12, "a VLAN id from 0 to 4095")? as u16))
}

pub(super) fn vlan_pcp(value: Piece<'_>) -> Result<Action, ParseError> {
    Ok(Action::SetVlanPcp(number_of(value, 3, "a priority from 0 to 7")? as u8))
}

/// `action` on a tag, behind one that is pushed where there is none.
pub(super) fn pushed(list: &mut List<'_>, key: Piece<'_>, action: Action) -> Result<Action, ParseError> {
    if !list.packet.is_vlan() {
        list.push(key, Action::PushVlan(0x8100))?;
    }
    Ok(action)
}

pub(super) fn set_field(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (value_text, name) = value.split_arrow().ok_or_else(|| value.error("VALUE->FIELD"))?;
    let (name, value_text) = (name.trim(), value_text.trim());
    let field = by_name(name.text).ok_or_else(|| name.error("the name of a field"))?;
    if !field.writable {
        return Err(name.error("a field that can be written"));
    }
    let found = values::field_value(value_text, field, list.names)?;
    if !field.allows(found.value) {
        return Err(value_text.error("a value that the field can have"));
    }
    if found.mask == field.all_bits() {
        if field == &oxm::IN_PORT {
            return Err(name.error("in_port, which can be written"));
        }
        if field == &oxm::VLAN_VID && found.value & u128::from(VLAN_PRESENT) == 0 {
            return Err(value_text.error("a VLAN id plus 4096 (0x1000), which says that there is a tag"));
        }
        return list.push(value, Action::SetField(FieldValue::new(field, found.value)));
    }
    loads(list, value, field, found)
}

pub(super) fn load(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (number, name) = value.split_once("->").ok_or_else(|| value.error("NUMBER->FIELD"))?;
    let dst = destination(name.trim())?;
    let number = number_of(number.trim(), dst.bits, "a number that fits into the field")?;
    if dst.field.is_variable() && dst.is_all() {
        return list.push(value, Action::Load2(FieldValue::new(dst.field, number)));
    }
    let shift = |number: u128| number.checked_shl(dst.offset.into()).unwrap_or(0);
    loads(list, value, dst.field, Masked { value: shift(number), mask: shift(ones(dst.bits)) })
}

/// `NXAST_REG_LOAD2` for a field that a short header cannot name; for others a `load` for each run of bits in the
/// mask, from the lowest, at most 64 bits at once.
fn loads(list: &mut List<'_>, text: Piece<'_>, field: &'static Field, found: Masked) -> Result<(), ParseError> {
    if field.nxm.is_experimenter() || field.is_variable() {
        let all = found.mask == field.all_bits() && !field.is_variable();
        let masked = || FieldValue::masked(field, found.value, found.mask);
        let value = if all { FieldValue::new(field, found.value) } else { masked() };
        return list.push(text, Action::Load2(value));
    }
    list.fits(text, consistency::has(&list.packet, field))?;
    let mut at = 0_u16;
    while at < 128 && found.mask >> at != 0 {
        at += (found.mask >> at).trailing_zeros() as u16;
        let bits = ((found.mask >> at).trailing_ones() as u16).min(64);
        let value = (found.value >> at & ones(bits)) as u64;
        list.push(text, Action::Load { value, dst: Subfield { field, offset: at, bits } })?;
        at += bits;
    }
    Ok(())
}
