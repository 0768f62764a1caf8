//! `encap` and `decap`.

use super::ParseError;
use super::piece::Piece;
use super::special::hex_bytes;
use super::values::{decimal_u8, number_u8, number_u16};
use crate::openflow::Action;
use crate::openflow::action::{Encap, EncapProperty, PT_ETH, PT_MPLS, PT_MPLS_MC, PT_NSH, PT_USE_NEXT_PROTO};

/// `encap(HEADER)`, `encap(nsh(PROPERTY,…))`.
pub(super) fn encap(value: Piece<'_>) -> Result<Action, ParseError> {
    let mut rest = value;
    let (header, mut properties_text) = rest.next_pair().ok_or_else(|| value.error("a header"))?;
    let packet_type = match header.text {
        "ethernet" => PT_ETH,
        "nsh" => PT_NSH,
        "mpls" => PT_MPLS,
        "mpls_mc" => PT_MPLS_MC,
        _ => return Err(header.error("ethernet, nsh, mpls or mpls_mc")),
    };
    let mut properties = Vec::new();
    while let Some((name, value)) = properties_text.next_pair() {
        properties.push(match name.text {
            "md_type" if packet_type == PT_NSH => md_type(name, value)?,
            "tlv" if packet_type == PT_NSH => tlv(value)?,
            _ => return Err(name.error("md_type or tlv, of nsh")),
        });
    }
    Ok(Action::Encap(Box::new(Encap { header_size: 0, packet_type, properties })))
}

fn md_type(name: Piece<'_>, value: Piece<'_>) -> Result<EncapProperty, ParseError> {
    if value.is_empty() {
        return Err(name.error("md_type with its value"));
    }
    match number_u8(value)? {
        md_type @ 1..=2 => Ok(EncapProperty::NshMdType(md_type)),
        _ => Err(value.error("1 or 2")),
    }
}

/// `tlv(CLASS,TYPE,VALUE)`, class and value in hexadecimal, the type in decimal.
fn tlv(value: Piece<'_>) -> Result<EncapProperty, ParseError> {
    let (class, rest) = value.word(",");
    let (kind, data) = rest.word(",");
    if !class.text.starts_with("0x") {
        return Err(class.error("a class in hexadecimal, as 0x1000"));
    }
    // An empty value, and one of zeros, prints as 0.
    let zero = (data.text == "0").then(|| data.split(1).1);
    let digits = data.strip_prefix("0x").or(zero).ok_or_else(|| data.error("a value in hexadecimal, as 0x12345678"))?;
    // What is left of a last odd digit is no byte.
    let (digits, _) = digits.split(digits.text.len().min(250) & !1);
    let data = hex_bytes(digits)?.into();
    Ok(EncapProperty::NshTlv { class: number_u16(class)?, kind: decimal_u8(kind)?, data })
}

/// `decap()`, `decap(packet_type(ns=SPACE,type=TYPE))`.
pub(super) fn decap(value: Piece<'_>) -> Result<Action, ParseError> {
    let mut rest = value;
    let Some((name, mut packet_type)) = rest.next_pair() else { return Ok(Action::Decap(PT_USE_NEXT_PROTO)) };
    if name.text != "packet_type" {
        return Err(name.error("packet_type(ns=SPACE,type=TYPE)"));
    }
    let mut part = |wanted: &str, expected| {
        let at = packet_type;
        match packet_type.next_pair() {
            Some((name, value)) if name.text == wanted => Ok((value, number_u16(value)?)),
            _ => Err(at.error(expected)),
        }
    };
    let (space, number) = part("ns", "ns=SPACE")?;
    if number > 4 {
        return Err(space.error("a name space from 0 to 4"));
    }
    let (_, kind) = part("type", "type=TYPE")?;
    Ok(Action::Decap(u32::from(number) << 16 | u32::from(kind)))
}
