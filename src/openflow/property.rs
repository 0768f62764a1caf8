//! Properties: type, length, value, as OpenFlow 1.4 has them in most messages and the extensions for 1.3 took over
//! (`struct ofp_prop_header`, OpenFlow 1.4.1 §7.2.2.1; OpenFlow 1.3.5 §7.3.5.5.2 for those of table features).
//!
//! | byte | field     |                                       |
//! |-----:|-----------|---------------------------------------|
//! |    0 | `type`    | 0xffff: an experimenter's             |
//! |    2 | `length`  | without the padding, 4 at the least   |
//! |    4 | value     |                                       |
//! |      | padding   | to a multiple of 8 bytes              |

use super::{DecodeError, EncodeError, Entry, ErrorCode, Raw, Reader, Writer};

/// `OFPTFPT_EXPERIMENTER` and its like: the value begins with the experimenter and its own type.
pub const EXPERIMENTER: u16 = 0xffff;

/// One property. Unknown ones survive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Property<'a> {
    /// Of a meaning that depends on the message.
    pub property_type: u16,
    /// What follows the header, without the padding.
    pub value: Raw<'a>,
}

impl<'a> Property<'a> {
    /// Two bytes at the start of the value, which may be longer; `TFFC_BAD_LEN` (`OFPBPC_BAD_LEN`) if it is shorter.
    pub fn u16(&self) -> Result<u16, DecodeError> {
        self.value.reader().u16("property.value").map_err(bad_len)
    }

    /// The value as more properties, which begin where those 4 bytes of padding end.
    pub fn nested(&self) -> Result<Reader<'a>, DecodeError> {
        let mut reader = self.value.reader();
        reader.skip(4, "property.pad").map_err(bad_len)?;
        Ok(reader)
    }
}

/// The error of a property that is too short for what it holds.
pub(super) fn bad_len(error: DecodeError) -> DecodeError {
    DecodeError { code: ErrorCode::TFFC_BAD_LEN, ..error }
}

impl<'a> Entry<'a> for Property<'a> {
    /// Decodes the next property: `TFFC_BAD_LEN` (`OFPBPC_BAD_LEN`) if it does not fit, `BPC_BAD_EXPERIMENTER` for
    /// the experimenter 0.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut head = *reader;
        let property_type = head.u16("property.type").map_err(bad_len)?;
        let at = head;
        let length = usize::from(head.u16("property.length").map_err(bad_len)?);
        let least = if property_type == EXPERIMENTER { 12 } else { 4 };
        if length < least || length.next_multiple_of(8) > reader.remaining() {
            let expected = "at least its header, and with its padding no more than what is left";
            return Err(at.error("property.length", length as u64, expected, ErrorCode::TFFC_BAD_LEN));
        }
        let mut whole = reader.child(length.next_multiple_of(8), "property")?;
        whole.skip(4, "property.header")?;
        let value = Raw::take(&mut whole, length - 4, "property.value")?;
        if property_type == EXPERIMENTER && value.reader().u32("property.experimenter")? == 0 {
            let code = ErrorCode::BPC_BAD_EXPERIMENTER;
            return Err(value.reader().error("property.experimenter", 0, "not 0", code));
        }
        Ok(Self { property_type, value })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        value(writer, self.property_type, self.value.bytes())
    }
}

/// Appends a property with these bytes as its value.
pub fn value(writer: &mut Writer, property_type: u16, value: &[u8]) -> Result<(), EncodeError> {
    property(writer, property_type, |w| {
        w.bytes(value);
        Ok(())
    })
}

/// Appends a property whose value `value` writes.
pub fn property(
    writer: &mut Writer,
    property_type: u16,
    value: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mark = writer.begin();
    writer.u16(property_type);
    writer.u16(0);
    value(writer)?;
    writer.end(mark, 2, "property")?;
    writer.pad8(mark);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{encoded, hex};
    use super::*;
    use crate::openflow::Entries;

    fn decode(bytes: &[u8]) -> Result<Vec<Property<'_>>, DecodeError> {
        Entries::new(Reader::new(bytes)).collect()
    }

    #[test]
    fn properties_read_as_they_were_written() {
        let bytes = hex("0002 0006 0007 0000  0063 0004 00000000  ffff 000d 00002320 00000001 aa 000000");
        let properties = decode(&bytes).unwrap();
        assert_eq!(properties.iter().map(|p| p.property_type).collect::<Vec<_>>(), [2, 99, 0xffff]);
        assert_eq!(properties[0].u16(), Ok(7));
        assert_eq!(properties[1].u16().unwrap_err().code, ErrorCode::TFFC_BAD_LEN);
        assert_eq!(encoded(|w| properties.iter().try_for_each(|p| p.encode(w))), bytes);
        for end in (1..bytes.len()).filter(|end| ![8, 16].contains(end)) {
            assert_eq!(decode(&bytes[..end]).unwrap_err().code, ErrorCode::TFFC_BAD_LEN, "{end}");
        }
    }

    #[test]
    fn experimenter_zero_is_nobody() {
        let error = decode(&hex("ffff 000c 00000000 00000001 00000000")).unwrap_err();
        assert_eq!(error.code, ErrorCode::BPC_BAD_EXPERIMENTER);
        assert_eq!(error.offset, 4);
    }
}
