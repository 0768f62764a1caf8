//! Fields and their parts, as actions and matches name them.

use super::ParseError;
use super::piece::Piece;
use super::values::decimal_u16;
use crate::openflow::Subfield;
use crate::openflow::oxm::Field;

/// The field of this name, or of a header of this name; `_W` behind the header's changes nothing.
pub(super) fn by_name(name: &str) -> Option<&'static Field> {
    Field::by_name(name)
        .or_else(|| Field::by_header_name(name))
        .or_else(|| Field::by_header_name(name.strip_suffix("_W")?))
}

/// `FIELD`, `FIELD[]`, `FIELD[3]` or `FIELD[0..11]`.
pub(super) fn subfield(piece: Piece<'_>) -> Result<Subfield, ParseError> {
    let (name, range) = match piece.split_once("[") {
        Some((name, rest)) => {
            let (range, after) = rest.split_once("]").ok_or_else(|| rest.error("a closing bracket"))?;
            if !after.is_empty() {
                return Err(after.error("nothing behind the bracket"));
            }
            (name, Some(range))
        }
        None => (piece, None),
    };
    let field = by_name(name.text).ok_or_else(|| name.error("the name of a field"))?;
    let bits = field.bits;
    let Some(range) = range.filter(|range| !range.is_empty()) else {
        return Ok(Subfield { field, offset: 0, bits });
    };
    let (first, last) = match range.split_once("..") {
        Some((first, last)) => (decimal_u16(first)?, decimal_u16(last)?),
        None => (decimal_u16(range)?, decimal_u16(range)?),
    };
    if first > last || last >= bits {
        return Err(range.error("bits of the field, the lowest first"));
    }
    Ok(Subfield { field, offset: first, bits: last - first + 1 })
}

/// Refuses more bits than six bits can count, in which some actions say how many.
pub(super) fn at_most_64_bits(piece: Piece<'_>, subfield: Subfield) -> Result<Subfield, ParseError> {
    if subfield.bits > 64 { Err(piece.error("at most 64 bits")) } else { Ok(subfield) }
}
