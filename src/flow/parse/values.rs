//! Numbers, addresses, ports, tables: the values of fields and arguments.

use std::net::Ipv6Addr;
use std::str::FromStr;

use super::piece::Piece;
use super::{Lookup, ParseError};
use crate::openflow::match_fields::MatchFields;
pub(super) use crate::openflow::oxm::Masked;
use crate::openflow::oxm::{Field, FieldValue, Flags, Format, MAX_VALUE};
use crate::openflow::{PortNo, TableId};

/// As many ones as `bits` says.
pub(super) const fn ones(bits: u16) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}

/// A number as C writes it: decimal, `0x…` or octal.
pub(super) fn number(piece: Piece<'_>) -> Result<u128, ParseError> {
    plain_number(piece.text).ok_or_else(|| piece.error("a number"))
}

/// The same without a word about what stands there instead. Only hexadecimal ones have more than 64 bits.
pub(super) fn plain_number(text: &str) -> Option<u128> {
    let text = text.trim_start();
    let (text, negative) = text.strip_prefix('-').map_or((text, false), |text| (text, true));
    let text = if negative { text } else { text.strip_prefix('+').unwrap_or(text) };
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let parsed = unsigned(digits, radix).filter(|parsed| radix == 16 || *parsed <= ones(64))?;
    Some(if negative { parsed.wrapping_neg() } else { parsed })
}

/// A number without sign and prefix.
fn unsigned(digits: &str, radix: u32) -> Option<u128> {
    if digits.len() <= SHORT {
        return short(digits.as_bytes(), radix).map(u128::from);
    }
    let good = digits.chars().all(|c| c.is_digit(radix));
    good.then(|| u128::from_str_radix(digits, radix).ok()).flatten()
}

/// As many digits as fit 64 bits in any radix.
const SHORT: usize = 16;

/// The same of at most [`SHORT`] digits.
fn short(digits: &[u8], radix: u32) -> Option<u64> {
    let add = |number: u64, byte: &u8| Some(number * u64::from(radix) + u64::from(char::from(*byte).to_digit(radix)?));
    (1..=SHORT).contains(&digits.len()).then(|| digits.iter().try_fold(0, add)).flatten()
}

/// A number of at most `bits` bits; negative ones wrap where 64 bits do.
pub(super) fn number_of(piece: Piece<'_>, bits: u16, expected: &'static str) -> Result<u128, ParseError> {
    let parsed = number(piece).map_err(|error| ParseError { expected, ..error })?;
    let wraps = bits >= 64 && piece.text.trim_start().starts_with('-');
    let parsed = if wraps { parsed & ones(64) } else { parsed };
    if parsed > ones(bits) { Err(piece.error(expected)) } else { Ok(parsed) }
}

macro_rules! sized {
    ($($name:ident, $type:ty, $expected:literal;)*) => {
        $(
            #[doc = $expected]
            pub(super) fn $name(piece: Piece<'_>) -> Result<$type, ParseError> {
                number_of(piece, <$type>::BITS as u16, $expected).map(|number| number as $type)
            }
        )*
    };
}

sized! {
    number_u8, u8, "a number from 0 to 255";
    number_u16, u16, "a number from 0 to 65535";
    number_u32, u32, "a number from 0 to 4294967295";
    number_u64, u64, "a number of at most 64 bits";
}

/// An Ethernet address: six numbers of one or two hexadecimal digits.
pub(super) fn mac(piece: Piece<'_>) -> Result<u128, ParseError> {
    let error = || piece.error("an Ethernet address");
    let (mut number, mut count) = (0_u64, 0);
    for byte in piece.text.as_bytes().split(|&byte| byte == b':') {
        let value = if byte.len() <= 2 { short(byte, 16) } else { None };
        number = number << 8 | value.ok_or_else(error)?;
        count += 1;
    }
    if count == 6 { Ok(number.into()) } else { Err(error()) }
}

/// An IPv4 address; its parts are decimal also with zeros in front.
pub(super) fn ipv4(piece: Piece<'_>) -> Result<u128, ParseError> {
    let (mut parts, mut count) = ([0; 4], 0);
    for part in piece.text.as_bytes().split(|&byte| byte == b'.') {
        let octet = short(part, 10).and_then(|octet| u8::try_from(octet).ok());
        let (Some(place), Some(octet)) = (parts.get_mut(count), octet) else {
            return Err(piece.error("an IPv4 address"));
        };
        *place = octet;
        count += 1;
    }
    if count != parts.len() {
        return Err(piece.error("an IPv4 address"));
    }
    Ok(u32::from_be_bytes(parts).into())
}

/// A number where Open vSwitch takes decimal ones only, also with zeros in front: of `0x10` it takes the 0.
fn decimal<T: FromStr>(piece: Piece<'_>, expected: &'static str) -> Result<T, ParseError> {
    let number = piece.text.trim_start();
    let number = number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| piece.error(expected))
}

pub(super) fn decimal_u8(piece: Piece<'_>) -> Result<u8, ParseError> {
    decimal(piece, "a decimal number from 0 to 255")
}

pub(super) fn decimal_u16(piece: Piece<'_>) -> Result<u16, ParseError> {
    decimal(piece, "a decimal number from 0 to 65535")
}

pub(super) fn decimal_u32(piece: Piece<'_>) -> Result<u32, ParseError> {
    decimal(piece, "a decimal number from 0 to 4294967295")
}

pub(super) fn ipv6(piece: Piece<'_>) -> Result<u128, ParseError> {
    let address: Ipv6Addr = piece.text.parse().map_err(|_| piece.error("an IPv6 address"))?;
    Ok(address.into())
}

/// An address with a prefix length or a mask behind a slash.
fn address(
    piece: Piece<'_>,
    bits: u16,
    parse: fn(Piece<'_>) -> Result<u128, ParseError>,
) -> Result<Masked, ParseError> {
    let all = ones(bits);
    let Some((value, mask)) = piece.split_once("/") else {
        return Ok(Masked { value: parse(piece)?, mask: all });
    };
    let value = parse(value)?;
    let mask = match mask.text.parse::<u16>() {
        Ok(length) if length <= bits => all & !ones(bits - length),
        Ok(_) => return Err(mask.error("a prefix length within the address")),
        Err(_) => parse(mask).map_err(|_| mask.error("a prefix length or a mask"))?,
    };
    Ok(Masked { value: value & mask, mask })
}

const PORTS: [(&str, u32); 10] = [
    ("IN_PORT", 0xffff_fff8),
    ("TABLE", 0xffff_fff9),
    ("NORMAL", 0xffff_fffa),
    ("FLOOD", 0xffff_fffb),
    ("ALL", 0xffff_fffc),
    ("CONTROLLER", 0xffff_fffd),
    ("LOCAL", 0xffff_fffe),
    ("ANY", 0xffff_ffff),
    ("NONE", 0xffff_ffff),
    ("UNSET", 0xffff_fff7),
];

/// A port by number, reserved word or name. Open vSwitch keeps 16 bits: the upper ones are a choice of
/// two ranges.
pub(super) fn port(piece: Piece<'_>, names: &dyn Lookup) -> Result<PortNo, ParseError> {
    let digits = piece.text.trim_start();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return match digits.parse::<u32>() {
            Ok(number @ ..0xff00) => Ok(PortNo(number)),
            Ok(number @ 0xff00..=0xffff) => Ok(PortNo(number | 0xffff_0000)),
            Ok(number @ 0xffff_ff00..) => Ok(PortNo(number)),
            _ => Err(piece.error("a port number below 65536, or from 0xffffff00")),
        };
    }
    let reserved = PORTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(piece.text));
    let found = reserved.map(|(_, number)| PortNo(*number));
    found.or_else(|| names.port(&unquoted(piece))).ok_or_else(|| piece.error("a port"))
}

/// A port as Nicira's actions have it, in 16 bits.
pub(super) fn port_16(piece: Piece<'_>, names: &dyn Lookup) -> Result<u16, ParseError> {
    Ok((port(piece, names)?.0 & 0xffff) as u16)
}

/// A table by number or name.
pub(super) fn table(piece: Piece<'_>, names: &dyn Lookup) -> Result<TableId, ParseError> {
    if let Ok(number) = piece.text.trim_start().parse::<u8>() {
        return Ok(TableId(number));
    }
    names.table(&unquoted(piece)).ok_or_else(|| piece.error("a table: a number from 0 to 255, or a known name"))
}

/// A name, which may stand as a JSON string.
fn unquoted(piece: Piece<'_>) -> String {
    serde_json::from_str(piece.text).ok().filter(|_| piece.text.starts_with('"')).unwrap_or_else(|| piece.text.into())
}

/// `+a-b`, `a|b` (exactly these), or a number with or without a mask.
fn flags(piece: Piece<'_>, flags: Flags, bits: u16) -> Result<Masked, ParseError> {
    let allowed = u128::from(flags.allowed);
    let bit = |name: Piece<'_>| {
        let at = flags.names.iter().position(|known| *known == name.text);
        let bit = at.map(|at| 1_u128 << at).filter(|bit| bit & allowed != 0);
        bit.ok_or_else(|| name.error("a flag of this field"))
    };
    if piece.text.starts_with(|c: char| c.is_ascii_digit()) {
        let found = integer(piece, bits)?;
        let beyond = (found.value | if found.mask == ones(bits) { 0 } else { found.mask }) & !allowed;
        return if beyond == 0 { Ok(found) } else { Err(piece.error("flags that this field has")) };
    }
    let mut found = Masked { value: 0, mask: 0 };
    if !piece.text.starts_with(['+', '-']) {
        let mut rest = piece;
        while !rest.is_empty() {
            let (name, after) = rest.word("|");
            if name.text != "0" {
                found.value |= bit(name)?;
            }
            rest = after;
        }
        return if piece.is_empty() { Err(piece.error("flags")) } else { Ok(Masked { mask: ones(bits), ..found }) };
    }
    let mut rest = piece;
    while !rest.is_empty() {
        let (sign, after) = rest.split(1);
        let length = after.text.find(['+', '-']).unwrap_or(after.text.len());
        let (name, after) = after.split(length);
        let bit = bit(name)?;
        if found.mask & bit != 0 {
            return Err(name.error("each flag once"));
        }
        found.mask |= bit;
        found.value |= if sign.text == "+" { bit } else { 0 };
        rest = after;
    }
    Ok(found)
}

/// A number with or without a mask behind a slash.
fn integer(piece: Piece<'_>, bits: u16) -> Result<Masked, ParseError> {
    let (value, mask) = match piece.split_once("/") {
        Some((value, mask)) => (value, number_of(mask, bits, "a mask as wide as the field")?),
        None => (piece, ones(bits)),
    };
    Ok(Masked { value: number_of(value, bits, "a number as wide as the field")?, mask })
}

/// A number of at most `bits` bits, or nothing, `*` or the mask 0, which stand for any.
pub(super) fn number_or_any(piece: Piece<'_>, bits: u16) -> Result<Option<u128>, ParseError> {
    if piece.is_empty() || piece.text == "*" {
        return Ok(None);
    }
    match integer(piece, bits)? {
        Masked { mask: 0, .. } => Ok(None),
        Masked { value, mask } if mask == ones(bits) => Ok(Some(value)),
        _ => Err(piece.error("a value without a mask: this field takes none")),
    }
}

/// `no`, `yes`, `first` …; Open vSwitch's bits are 1 for any fragment, 2 for a later one.
fn fragment(piece: Piece<'_>) -> Result<Masked, ParseError> {
    let known = [("no", 0, 3), ("yes", 1, 1), ("first", 1, 3), ("later", 3, 3), ("not_later", 0, 2)];
    let found = known.iter().find(|(name, ..)| name.eq_ignore_ascii_case(piece.text));
    let (_, value, mask) = found.ok_or_else(|| piece.error("no, yes, first, later or not_later"))?;
    Ok(Masked { value: *value, mask: if *mask == 3 { 0xff } else { *mask } })
}

/// `(ns,type)`. A dump of Open vSwitch has the field's name once more before it in `learn`, which `ovs-ofctl` itself does
/// not read back.
fn packet_type(piece: Piece<'_>) -> Result<u128, ParseError> {
    let expected = "(NAMESPACE,TYPE)";
    let inner =
        piece.strip_prefix("packet_type=").unwrap_or(piece).strip_prefix("(").and_then(|inner| inner.split_once(")"));
    let (pair, rest) = inner.ok_or_else(|| piece.error(expected))?;
    let (space, kind) = pair.split_once(",").ok_or_else(|| piece.error(expected))?;
    if !rest.is_empty() {
        return Err(rest.error("nothing more"));
    }
    Ok(u128::from(number_u16(space)?) << 16 | u128::from(number_u16(kind.trim())?))
}

/// Pairs of hexadecimal digits.
pub(super) fn bytes(piece: Piece<'_>) -> Result<Vec<u8>, ParseError> {
    let digits: Vec<u32> = piece.text.chars().filter(|c| !c.is_whitespace()).map_while(|c| c.to_digit(16)).collect();
    let count = piece.text.chars().filter(|c| !c.is_whitespace()).count();
    if digits.len() != count || count % 2 == 1 {
        return Err(piece.error("pairs of hexadecimal digits"));
    }
    let pairs = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | *digit) as u8);
    Ok(pairs.collect())
}

/// A number of any length in hexadecimal or, if it is short, as C writes it; without zeros in front.
fn long_number(piece: Piece<'_>) -> Result<Vec<u8>, ParseError> {
    let too_long = || piece.error("a number of at most 124 bytes");
    let digits = piece.text.strip_prefix("0x").or_else(|| piece.text.strip_prefix("0X"));
    let Some(digits) = digits else {
        return number_of(piece, 64, "a number").map(|number| number.to_be_bytes().to_vec());
    };
    let digits = digits.trim_start_matches('0').as_bytes();
    if digits.len() > 2 * MAX_VALUE {
        return Err(too_long());
    }
    let pairs = digits.rchunks(2).rev().map(|pair| std::str::from_utf8(pair).ok());
    let byte = |pair: Option<&str>| u8::from_str_radix(pair?, 16).ok();
    pairs.map(byte).collect::<Option<Vec<u8>>>().ok_or_else(|| piece.error("a number"))
}

/// A tunnel option, with a mask or any value of it: what it is as wide as.
pub(super) fn option(piece: Piece<'_>, field: &'static Field) -> Result<FieldValue, ParseError> {
    if piece.is_empty() || piece.text == "*" {
        return Ok(FieldValue::of_bytes(field, &[], Some(&[])));
    }
    let Some((value, mask)) = piece.split_once("/") else {
        return Ok(FieldValue::of_bytes(field, &long_number(piece)?, None));
    };
    let (mut value, mask) = (long_number(value)?, long_number(mask)?);
    let (from, of) = (value.len(), mask.len());
    for (at, byte) in value.iter_mut().enumerate() {
        let mask = (at + of).checked_sub(from).and_then(|at| mask.get(at));
        *byte &= mask.copied().unwrap_or(0);
    }
    Ok(FieldValue::of_bytes(field, &value, Some(&mask)))
}

/// A value of `field`, the mask in all bits of its bytes where it has none.
pub(super) fn field_value(piece: Piece<'_>, field: &Field, names: &dyn Lookup) -> Result<Masked, ParseError> {
    let bits = u16::from(field.bytes) * 8;
    let exact = |value| Masked { value, mask: ones(bits) };
    if piece.text == "*" {
        return Ok(Masked { value: 0, mask: 0 });
    }
    let found = match field.format {
        Format::Decimal | Format::Hexadecimal => integer(piece, bits)?,
        Format::Ethernet => match piece.split_once("/") {
            Some((value, mask)) => {
                let mask = mac(mask)?;
                Masked { value: mac(value)? & mask, mask }
            }
            None => exact(mac(piece)?),
        },
        Format::Ipv4 => address(piece, 32, ipv4)?,
        Format::Ipv6 => address(piece, 128, ipv6)?,
        Format::Port => {
            let port = port(piece, names)?.0;
            exact(u128::from(if field.bytes == 2 { port & 0xffff } else { port }))
        }
        Format::ConnectionState | Format::TcpFlags | Format::TunnelFlags => {
            let known = field.format.flags().ok_or_else(|| piece.error("a field that consists of flags"))?;
            let found = flags(piece, known, bits)?;
            // The mask of a connection's state has no bits beyond the flags that there are.
            let known = if field.format == Format::ConnectionState { known.allowed.into() } else { u128::MAX };
            Masked { mask: found.mask & known, ..found }
        }
        Format::Fragment => fragment(piece)?,
        Format::PacketType => exact(packet_type(piece)?),
    };
    if !field.allows_mask(found.mask) {
        return Err(piece.error("a value without a mask: this field takes none"));
    }
    let bits = if MatchFields::takes_value_for_mask(field) { u128::MAX } else { found.mask };
    Ok(Masked { value: found.value & bits, ..found })
}
