//! Properties: how extensible structures of OpenFlow 1.4, and Open vSwitch's messages in 1.3, say what they
//! hold (`struct ofp_prop_header`, OpenFlow 1.4.0 §7.2.1; `include/openvswitch/ofp-prop.h`).
//!
//! | byte | field    |                                                                |
//! |-----:|----------|----------------------------------------------------------------|
//! |    0 | `type`   | [`EXPERIMENTER`]: 8 more bytes of header say whose and which   |
//! |    2 | `length` | with the header, without the padding                           |
//! |    4 | value    | numbers of 8 bytes and lists begin at the next multiple of 8   |
//! |      | padding  | to a multiple of 8 bytes                                       |

use super::{DecodeError, EncodeError, Entry, ErrorCode, Raw, Reader, Writer};

/// `OFPPROP_EXPERIMENTER`: the type of every experimenter's properties.
pub const EXPERIMENTER: u16 = 0xffff;

/// A property as it stands on the wire, its value not looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Property<'a> {
    /// Which one.
    pub property_type: u16,
    /// All of it, with its padding.
    whole: Raw<'a>,
    length: u16,
}

impl<'a> Entry<'a> for Property<'a> {
    /// Decodes one; `OFPBPC_BAD_LEN` for a length that cannot be, `OFPBPC_BAD_EXPERIMENTER` for nobody's.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut head = *reader;
        let property_type = head.u16("property.type").map_err(bad_length)?;
        let at = head;
        let length = head.u16("property.length").map_err(bad_length)?;
        let fits = usize::from(length).next_multiple_of(8) <= reader.remaining();
        if length < header_len(property_type) || !fits {
            let expected = "no less than the header, and with its padding no more than what is left";
            return Err(at.error("property.length", length.into(), expected, ErrorCode::TFFC_BAD_LEN));
        }
        if property_type == EXPERIMENTER && { head }.u32("property.experimenter")? == 0 {
            return Err(head.error("property.experimenter", 0, "anyone", ErrorCode::BPC_BAD_EXPERIMENTER));
        }
        let whole = Raw::take(reader, usize::from(length).next_multiple_of(8), "property")?;
        Ok(Self { property_type, whole, length })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.bytes(self.whole.bytes());
        Ok(())
    }
}

impl<'a> Property<'a> {
    /// What begins `start` bytes behind its beginning, to the end of its value.
    fn behind(&self, start: u16) -> Result<Reader<'a>, DecodeError> {
        let mut value = self.whole.reader();
        let mut value = value.child(self.length.into(), "property.value")?;
        value.skip(start.into(), "property.value").map_err(bad_length)?;
        Ok(value)
    }

    /// The value.
    pub fn value(&self) -> Result<Raw<'a>, DecodeError> {
        Ok(Raw::rest(&mut self.behind(header_len(self.property_type))?))
    }

    /// A value that begins at a multiple of 8 bytes.
    pub fn aligned(&self) -> Result<Raw<'a>, DecodeError> {
        Ok(Raw::rest(&mut self.behind(header_len(self.property_type).next_multiple_of(8))?))
    }

    /// A number of one byte. More bytes behind it do not count: Open vSwitch forgives them.
    pub fn u8(&self, what: &'static str) -> Result<u8, DecodeError> {
        self.value()?.reader().u8(what).map_err(bad_length)
    }

    /// A number of two bytes. More bytes behind it do not count, as above.
    pub fn u16(&self, what: &'static str) -> Result<u16, DecodeError> {
        self.value()?.reader().u16(what).map_err(bad_length)
    }

    /// A number of four bytes.
    pub fn u32(&self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// A number of eight bytes.
    pub fn u64(&self, what: &'static str) -> Result<u64, DecodeError> {
        let mut value = self.aligned()?.reader();
        let number = value.u64(what).map_err(bad_length)?;
        value.finish(what).map_err(bad_length).map(|()| number)
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let mut value = self.value()?.reader();
        let array = value.array(what).map_err(bad_length)?;
        value.finish(what).map_err(bad_length).map(|()| array)
    }
}

const fn header_len(property_type: u16) -> u16 {
    if property_type == EXPERIMENTER { 12 } else { 4 }
}

/// Every length that is wrong in a property is `OFPBPC_BAD_LEN`.
pub(super) fn bad_length(error: DecodeError) -> DecodeError {
    DecodeError { code: ErrorCode::TFFC_BAD_LEN, ..error }
}

/// Appends a property that is no experimenter's; `value` writes what follows the header.
pub fn property(writer: &mut Writer, property_type: u16, value: impl FnOnce(&mut Writer)) -> Result<(), EncodeError> {
    let mark = writer.begin();
    writer.u16(property_type);
    writer.u16(0);
    value(writer);
    writer.end(mark, 2, "property")?;
    writer.pad8(mark);
    Ok(())
}

/// Appends a property whose value begins at a multiple of 8 bytes.
pub fn aligned_property(
    writer: &mut Writer,
    property_type: u16,
    value: impl FnOnce(&mut Writer),
) -> Result<(), EncodeError> {
    property(writer, property_type, |w| {
        w.zeros(4);
        value(w);
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{encoded, hex};
    use super::*;

    #[test]
    fn a_property_is_lent_without_its_frame() {
        let bytes = hex("0003 0005 07 000000  0004 0010 00000000 0000000000000009");
        let mut reader = Reader::at(&bytes, 16);
        let first = Property::decode(&mut reader).unwrap();
        assert_eq!((first.property_type, first.u8("first")), (3, Ok(7)));
        assert_eq!(first.value().unwrap().reader().offset(), 20);
        let second = Property::decode(&mut reader).unwrap();
        assert_eq!((second.property_type, second.u64("second")), (4, Ok(9)));
        assert!(reader.is_empty());
        let again = encoded(|w| {
            property(w, 3, |w| w.u8(7))?;
            aligned_property(w, 4, |w| w.u64(9))
        });
        assert_eq!(again, bytes);
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        for bytes in ["00", "0003 00", "0003 0003 00000000", "0003 0009 00000000", "ffff 000b 00000001 00000000"] {
            let error = Property::decode(&mut Reader::new(&hex(bytes))).unwrap_err();
            assert_eq!(error.code, ErrorCode::TFFC_BAD_LEN, "{bytes}");
        }
        let error = Property::decode(&mut Reader::new(&hex("ffff 000c 00000000 00000001 00000000"))).unwrap_err();
        assert_eq!((error.code, error.offset), (ErrorCode::BPC_BAD_EXPERIMENTER, 4));
        for bytes in ["0003 0007 000000 00", "0003 0004 00000000", "0003 000c 0000000000000000 00000000"] {
            let bytes = hex(bytes);
            let property = Property::decode(&mut Reader::new(&bytes)).unwrap();
            assert_eq!(property.u32("number").unwrap_err().code, ErrorCode::TFFC_BAD_LEN);
            assert_eq!(property.u64("number").unwrap_err().code, ErrorCode::TFFC_BAD_LEN);
        }
    }
}
