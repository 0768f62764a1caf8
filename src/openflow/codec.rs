//! The reader and the writer: the only code that touches offsets.
//!
//! A [`Reader`] never reads past its end, and a child made by [`Reader::child`] never past its
//! parent's; nested objects decode from a child that must end empty. A [`Writer`] fills in the
//! length of what it has written, and refuses what does not fit 16 bits.

use super::ErrorCode;

/// Bytes that are not what the specification asks for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what} at byte {offset}: found {found}, expected {expected} ({code})")]
pub struct DecodeError {
    /// Where the offending item begins, in bytes from the start of the message.
    pub offset: usize,
    /// Which item, as structure and field: `instruction.len`.
    pub what: &'static str,
    /// The value, or the number of bytes, that was there.
    pub found: u64,
    /// What should have been there.
    pub expected: &'static str,
    /// The OpenFlow error that a switch would answer with.
    pub code: ErrorCode,
}

/// A value that cannot be put on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// An object is longer than its 16-bit length field can say.
    #[error("{what} is {found} bytes long, expected 65535 at the most")]
    TooLong {
        /// Which object.
        what: &'static str,
        /// Its length in bytes.
        found: usize,
    },
}

/// A bounded view over bytes that came from a peer.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// Offset of `bytes[0]` from the start of the message.
    offset: usize,
}

/// Equal if what is left is.
impl PartialEq for Reader<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Reader<'_> {}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which begin at `offset` of their message.
    pub const fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, offset }
    }

    /// Reads a whole message.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// True if everything was read.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Offset of the next byte from the start of the message.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What is left, unread.
    pub const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The error "`what` is wrong here": about the item that begins at the next byte.
    #[cold]
    pub fn error(&self, what: &'static str, found: u64, expected: &'static str, code: ErrorCode) -> DecodeError {
        DecodeError { offset: self.offset, what, found, expected, code }
    }

    /// The next `count` bytes.
    #[inline]
    pub fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.bytes.split_at_checked(count) {
            Some((head, tail)) => {
                self.bytes = tail;
                self.offset += count;
                Ok(head)
            }
            None => Err(self.cut(what)),
        }
    }

    /// The error "`what` is longer than what is left".
    #[cold]
    fn cut(&self, what: &'static str) -> DecodeError {
        self.error(what, self.bytes.len() as u64, "more bytes", ErrorCode::BRC_BAD_LEN)
    }

    /// The next `N` bytes as an array.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let Some((head, tail)) = self.bytes.split_first_chunk::<N>() else { return Err(self.cut(what)) };
        self.bytes = tail;
        self.offset += N;
        Ok(*head)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array(what).map(u8::from_be_bytes)
    }

    /// Two bytes, big-endian.
    #[inline]
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    #[inline]
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    #[inline]
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// Passes over `count` bytes of padding, whatever they hold.
    #[inline]
    pub fn skip(&mut self, count: usize, what: &'static str) -> Result<(), DecodeError> {
        self.bytes(count, what).map(|_| ())
    }

    /// A reader for the next `count` bytes alone; this one goes on behind them.
    #[inline]
    pub fn child(&mut self, count: usize, what: &'static str) -> Result<Reader<'a>, DecodeError> {
        let offset = self.offset;
        self.bytes(count, what).map(|bytes| Reader { bytes, offset })
    }

    /// Holds that everything was read: trailing bytes are an error.
    pub fn finish(self, what: &'static str) -> Result<(), DecodeError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(self.error(what, self.bytes.len() as u64, "no bytes left over", ErrorCode::BRC_BAD_LEN))
        }
    }
}

/// Appends to a buffer, and fills in lengths once they are known.
#[derive(Default, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// The place of an object that was begun and whose length is not known yet.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Writer {
    /// An empty buffer.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// An empty buffer that does not grow before it holds `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// Appends to `bytes`, which keep what they hold.
    pub const fn from_vec(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// What was written.
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }

    /// What was written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True if nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets what was written, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two bytes, big-endian.
    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Four bytes, big-endian.
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Eight bytes, big-endian.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Bytes as they are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// `count` zero bytes.
    #[inline]
    pub fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
    }

    /// Remembers where an object begins whose length [`end`](Self::end) will fill in.
    #[inline]
    pub fn begin(&self) -> Mark {
        Mark(self.bytes.len())
    }

    /// Takes back everything since `mark`.
    #[inline]
    pub fn undo(&mut self, mark: Mark) {
        self.bytes.truncate(mark.0);
    }

    /// Pads the object begun at `mark` with zeros to a multiple of 8 bytes.
    pub fn pad8(&mut self, mark: Mark) {
        let length = self.bytes.len() - mark.0;
        self.zeros(length.next_multiple_of(8) - length);
    }

    /// Ends the object begun at `mark`: writes its length into the two bytes at `len_at` from its
    /// start. `what` names it in the error when it is longer than 65,535 bytes.
    #[inline]
    pub fn end(&mut self, mark: Mark, len_at: usize, what: &'static str) -> Result<(), EncodeError> {
        let length = self.length(mark, what)?;
        self.fill_u16(mark, len_at, length);
        Ok(())
    }

    /// The length of the object begun at `mark`. `what` names it in the error when it is longer than 65,535 bytes.
    #[inline]
    pub fn length(&self, mark: Mark, what: &'static str) -> Result<u16, EncodeError> {
        let found = self.bytes.len() - mark.0;
        u16::try_from(found).map_err(|_| EncodeError::TooLong { what, found })
    }

    /// What was written since `mark`.
    #[inline]
    pub fn since(&self, mark: Mark) -> &[u8] {
        self.bytes.get(mark.0..).unwrap_or_default()
    }

    /// Fills in a field that was left open: the two bytes at `at` from `mark`, big-endian.
    #[inline]
    pub fn fill_u16(&mut self, mark: Mark, at: usize, value: u16) {
        if let Some(place) = self.bytes.get_mut(mark.0 + at..mark.0 + at + 2) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_cannot_read_past_its_own_end() {
        let mut parent = Reader::new(&[1, 2, 3, 4, 5]);
        let mut child = parent.child(2, "child").unwrap();
        assert_eq!(child.u16("pair"), Ok(0x0102));
        let error = child.u8("next").unwrap_err();
        assert_eq!((error.offset, error.what, error.found), (2, "next", 0));
        assert_eq!(parent.u8("after"), Ok(3));
        assert_eq!(
            parent.finish("parent").unwrap_err().to_string(),
            "parent at byte 3: found 2, expected no bytes left over (OFPBRC_BAD_LEN)"
        );
    }

    #[test]
    fn lengths_are_filled_in_and_never_wrap() {
        let mut writer = Writer::new();
        let mark = writer.begin();
        writer.u16(7);
        writer.u16(0);
        writer.u8(9);
        writer.pad8(mark);
        writer.end(mark, 2, "thing").unwrap();
        assert_eq!(writer.as_slice(), [0, 7, 0, 8, 9, 0, 0, 0]);
        writer.zeros(65_536);
        assert_eq!(writer.end(mark, 2, "thing"), Err(EncodeError::TooLong { what: "thing", found: 65_544 }));
    }
}
