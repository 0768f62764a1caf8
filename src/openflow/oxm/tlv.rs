//! Fields as they stand on the wire.

use super::{EXPERIMENTER, Field, number};
use crate::openflow::{DecodeError, ErrorCode, Reader};

/// A field as it stands on the wire: header, value, and mask if it has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tlv<'a> {
    /// Class of the field.
    pub class: u16,
    /// Number of the field in its class, 0–127.
    pub number: u8,
    /// Whose field it is, in class [`EXPERIMENTER`]; else 0.
    pub experimenter: u32,
    /// The value.
    pub value: &'a [u8],
    /// The mask, as long as the value.
    pub mask: Option<&'a [u8]>,
}

impl<'a> Tlv<'a> {
    /// Reads one TLV. Errors: `BMC_BAD_LEN` for a length that runs past the end, `BMC_BAD_FIELD` for an odd one
    /// with a mask, which no field has.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let cut = |error: DecodeError| DecodeError { code: ErrorCode::BMC_BAD_LEN, ..error };
        let class = reader.u16("oxm.class").map_err(cut)?;
        let code = reader.u8("oxm.field").map_err(cut)?;
        let length = usize::from(reader.u8("oxm.length").map_err(cut)?);
        let bad = |expected| start.error("oxm.length", length as u64, expected, ErrorCode::BMC_BAD_LEN);
        let mut body = reader.child(length, "oxm.value").map_err(|_| bad("no more than what is left of the match"))?;
        let experimenter = match class {
            EXPERIMENTER => body.u32("oxm.experimenter").map_err(|_| bad("at least 4, for the experimenter"))?,
            _ => 0,
        };
        let body = body.rest();
        let (value, mask) = if code & 1 == 1 {
            if body.len() % 2 == 1 {
                let expected = "an even length, for a value and its mask";
                return Err(start.error("oxm.length", length as u64, expected, ErrorCode::BMC_BAD_FIELD));
            }
            let (value, mask) = body.split_at(body.len() / 2);
            (value, Some(mask))
        } else {
            (body, None)
        };
        Ok(Self { class, number: code >> 1, experimenter, value, mask })
    }

    /// What the registry knows about it; `None` too if its width is another.
    pub fn field(&self) -> Option<&'static Field> {
        let field = match self.class {
            EXPERIMENTER => Field::by_experimenter(self.experimenter, self.number),
            _ => Field::by_code(self.class, self.number),
        };
        field.filter(|field| field.has_width(self.value.len()))
    }

    /// The value as a number, at most its last 16 bytes.
    pub fn number_value(&self) -> u128 {
        number(self.value)
    }
}

/// Iterates over the TLVs of a match; stops behind the first that is malformed.
#[derive(Clone, Debug)]
pub struct Tlvs<'a>(Reader<'a>);

impl<'a> Tlvs<'a> {
    /// The TLVs in `reader`, which holds nothing else.
    pub const fn new(reader: Reader<'a>) -> Self {
        Self(reader)
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<Tlv<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let tlv = Tlv::decode(&mut self.0);
        if tlv.is_err() {
            self.0 = Reader::at(&[], self.0.offset());
        }
        Some(tlv)
    }
}
