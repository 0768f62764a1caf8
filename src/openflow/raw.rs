//! Parts of a message that its decoder passes on as they are: a match, a list of actions, a packet.

use super::{DecodeError, EncodeError, ErrorCode, Reader, Writer};

/// Bytes of a message, and where they stood in it, so that an error in them names the right offset.
/// Equal if the bytes are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Raw<'a> {
    /// Bytes that stand in no message yet.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// All that `reader` has left.
    pub fn rest(reader: &mut Reader<'a>) -> Self {
        let raw = Self { bytes: reader.rest(), offset: reader.offset() };
        *reader = Reader::at(&[], reader.offset() + reader.remaining());
        raw
    }

    /// The next `count` bytes of `reader`.
    pub fn take(reader: &mut Reader<'a>, count: usize, what: &'static str) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        Ok(Self { bytes: reader.bytes(count, what)?, offset })
    }

    /// The bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// A reader for the bytes, with offsets from the start of the message that they stood in.
    pub const fn reader(&self) -> Reader<'a> {
        Reader::at(self.bytes, self.offset)
    }
}

impl PartialEq for Raw<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Raw<'_> {}

/// A match as it stands on the wire (`struct ofp_match`, OpenFlow 1.3.5 §7.2.3): from its type to the last
/// byte of its padding, the OXM fields not looked at. The default is the match of everything.
///
/// | byte | field         |                                     |
/// |-----:|---------------|-------------------------------------|
/// |    0 | `type`        | 1, `OFPMT_OXM`                      |
/// |    2 | `length`      | without the padding, 4 at the least |
/// |    4 | `oxm_fields`  | `length - 4` bytes                  |
/// |      | padding       | to a multiple of 8 bytes            |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawMatch<'a> {
    whole: Raw<'a>,
    length: u16,
}

impl Default for RawMatch<'_> {
    fn default() -> Self {
        Self { whole: Raw::new(&[0, 1, 0, 4, 0, 0, 0, 0]), length: 4 }
    }
}

impl<'a> RawMatch<'a> {
    /// Decodes the frame of a match and passes over its fields; `BMC_BAD_TYPE`, `BMC_BAD_LEN`.
    #[inline]
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (start, mut head) = (*reader, *reader);
        let cut = |error| DecodeError { code: ErrorCode::BMC_BAD_LEN, ..error };
        let match_type = head.u16("match.type").map_err(cut)?;
        let at = head;
        let length = head.u16("match.length").map_err(cut)?;
        let padded = usize::from(length).next_multiple_of(8);
        // Open vSwitch looks at the type between these two, and so must we to refuse with the same error.
        let too_short = length < 4;
        if !too_short && match_type != 1 {
            return Err(start.error("match.type", match_type.into(), "1 (OFPMT_OXM)", ErrorCode::BMC_BAD_TYPE));
        }
        if too_short || padded > reader.remaining() {
            let expected = "4 at the least, and with its padding no more than what is left of the message";
            return Err(at.error("match.length", length.into(), expected, ErrorCode::BMC_BAD_LEN));
        }
        Ok(Self { whole: Raw::take(reader, padded, "match")?, length })
    }

    /// Encodes the match with its padding.
    pub fn encode(&self, writer: &mut Writer) {
        writer.bytes(self.whole.bytes());
    }

    /// The whole of it, header and padding too.
    pub const fn whole(&self) -> Raw<'a> {
        self.whole
    }

    /// The `length` field: header and OXM fields, without the padding.
    pub const fn length(&self) -> u16 {
        self.length
    }

    /// A reader for the OXM fields alone.
    #[inline]
    pub fn oxm_fields(&self) -> Reader<'a> {
        let mut reader = self.whole.reader();
        let fields = reader
            .skip(4, "match.header")
            .and_then(|()| reader.child(usize::from(self.length.saturating_sub(4)), "match.oxm_fields"));
        fields.unwrap_or(Reader::at(&[], 0))
    }
}

/// Something of which a body holds one after the other, such as the ports of a port description.
pub trait Entry<'a>: Sized {
    /// Decodes the next one.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
    /// Appends it.
    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError>;
}

/// The entries of a body, decoded one at a time. After an error there are no more.
#[derive(Clone, Debug)]
pub struct Entries<'a, T> {
    reader: Reader<'a>,
    entry: std::marker::PhantomData<fn() -> T>,
}

impl<'a, T: Entry<'a>> Entries<'a, T> {
    /// All entries that `reader` has left.
    pub const fn new(reader: Reader<'a>) -> Self {
        Self { reader, entry: std::marker::PhantomData }
    }
}

impl<'a, T: Entry<'a>> Iterator for Entries<'a, T> {
    type Item = Result<T, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let entry = T::decode(&mut self.reader);
        if entry.is_err() {
            self.reader = Reader::at(&[], self.reader.offset());
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_is_lent_whole_and_without_its_frame() {
        let bytes = [0, 1, 0, 12, 0x80, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 0, 7];
        let mut reader = Reader::at(&bytes, 40);
        let raw = RawMatch::decode(&mut reader).unwrap();
        assert_eq!(reader.rest(), [7]);
        assert_eq!((raw.length(), raw.whole().bytes()), (12, &bytes[..16]));
        assert_eq!((raw.oxm_fields().offset(), raw.oxm_fields().rest()), (44, &bytes[4..12]));
        assert_eq!(RawMatch::default().oxm_fields().remaining(), 0);
    }

    #[test]
    fn rejects_match_length_past_message_end() {
        for (bytes, code) in [
            (&[0, 0, 0, 4, 0, 0, 0, 0][..], ErrorCode::BMC_BAD_TYPE),
            (&[0, 1, 0, 3, 0, 0, 0, 0], ErrorCode::BMC_BAD_LEN),
            (&[0, 1, 0, 9, 0, 0, 0, 0], ErrorCode::BMC_BAD_LEN),
            (&[0, 1, 0, 4, 0, 0, 0], ErrorCode::BMC_BAD_LEN),
            (&[0, 1, 255, 255, 0, 0, 0, 0], ErrorCode::BMC_BAD_LEN),
        ] {
            assert_eq!(RawMatch::decode(&mut Reader::new(bytes)).unwrap_err().code, code, "{bytes:?}");
        }
    }
}
