//! A run of bits within a field, and the headers by which actions name fields.

use crate::openflow::oxm::{EXPERIMENTER, Field};
use crate::openflow::{DecodeError, ErrorCode, Reader, Writer};

use super::decode::Refused;

/// A run of bits within a field: `NXM_OF_VLAN_TCI[0..11]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subfield {
    /// The field.
    pub field: &'static Field,
    /// The lowest bit, from 0.
    pub offset: u16,
    /// Number of bits, at least 1.
    pub bits: u16,
}

impl Subfield {
    /// All of a field.
    pub fn all(field: &'static Field) -> Self {
        Self { field, offset: 0, bits: field.bits }
    }

    /// True if no bit of the field is left out.
    pub fn is_all(&self) -> bool {
        self.offset == 0 && self.bits == self.field.bits
    }

    /// Offset and width as `load` and `output` have them: offset (10 bits), width - 1 (6 bits).
    pub(super) const fn packed(&self) -> u16 {
        self.offset << 6 | self.bits.saturating_sub(1) & 0x3f
    }

    /// The run of bits packed as above.
    pub(super) const fn unpacked(field: &'static Field, packed: u16) -> Self {
        Self { field, offset: packed >> 6, bits: (packed & 0x3f) + 1 }
    }

    /// Holds that the bits are bits of the field; `BAC_BAD_SET_LEN`.
    pub(super) fn checked(self, reader: &Reader<'_>) -> Result<Self, DecodeError> {
        if self.bits > 0 && u32::from(self.offset) + u32::from(self.bits) <= u32::from(self.field.bits) {
            return Ok(self);
        }
        let (found, expected) = (u64::from(self.offset), "bits of the field");
        Err(reader.error("subfield.ofs", found, expected, ErrorCode::BAC_BAD_SET_LEN))
    }

    /// Likewise, and that the field can be written; `BAC_BAD_SET_ARGUMENT`.
    pub(super) fn checked_dst(self, reader: &Reader<'_>) -> Result<Self, DecodeError> {
        let checked = self.checked(reader)?;
        writable(self.field, reader).map(|()| checked)
    }
}

/// Holds that actions may change the field; `BAC_BAD_SET_ARGUMENT`.
pub(super) fn writable(field: &'static Field, reader: &Reader<'_>) -> Result<(), DecodeError> {
    if field.writable {
        return Ok(());
    }
    let expected = "a field that can be written";
    Err(reader.error("subfield.header", field.rank.into(), expected, ErrorCode::BAC_BAD_SET_ARGUMENT))
}

/// Reads the header of a field: 4 bytes, or 8 for an experimenter's field.
pub(super) fn header(reader: &mut Reader<'_>) -> Result<&'static Field, Refused> {
    let start = *reader;
    let found = reader.u32("subfield.header")?;
    let (class, number) = ((found >> 16) as u16, (found >> 9) as u8 & 0x7f);
    let bad_len = |reader: &Reader<'_>| {
        reader.error("subfield.header", found.into(), "the header of a field", ErrorCode::BMC_BAD_LEN)
    };
    let (field, before) = match class {
        EXPERIMENTER if found & 0xff < 4 => return Err(bad_len(&start).into()),
        EXPERIMENTER => {
            let experimenter = reader.u32("subfield.experimenter").map_err(|_| bad_len(&start))?;
            (Field::by_experimenter(experimenter, number), 4)
        }
        _ => (Field::by_code(class, number), 0),
    };
    let masked = found & 0x100 != 0;
    let length = (found & 0xff).saturating_sub(before) >> u32::from(masked);
    match field.filter(|field| field.has_width(length as usize)) {
        Some(_) if masked => Err(Refused::Unknown(ErrorCode::BMC_BAD_MASK)),
        Some(field) => Ok(field),
        None => Err(Refused::Unknown(ErrorCode::BMC_BAD_FIELD)),
    }
}

/// Reads the header of a field where there is no room for an experimenter's.
pub(super) fn short_header(reader: &mut Reader<'_>) -> Result<&'static Field, Refused> {
    let mut child = reader.child(4, "subfield.header")?;
    header(&mut child).map_err(|_| Refused::Unknown(ErrorCode::BAC_BAD_SET_TYPE))
}

/// Appends a header that [`short_header`] reads.
pub(super) fn encode_short_header(field: &Field, writer: &mut Writer) {
    writer.u32(field.nxm_header());
}
