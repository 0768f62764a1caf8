//! What is left of a frame, and what is wrong with it.

/// A frame that is not what its headers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PacketError {
    /// The frame ends too early.
    #[error("{what} at byte {offset}: found {found} bytes, expected {expected}")]
    Truncated {
        /// Which header or part of one: `ipv4.options`.
        what: &'static str,
        /// Where it begins, in bytes from the start of the frame.
        offset: usize,
        /// Bytes that are there.
        found: usize,
        /// Bytes that it needs.
        expected: usize,
    },
    /// A field has a value that it cannot have.
    #[error("{what} at byte {offset}: found {found}, expected {expected}")]
    Invalid {
        /// Which field: `arp.hlen`.
        what: &'static str,
        /// Where its header begins, in bytes from the start of the frame.
        offset: usize,
        /// The value that is there.
        found: u64,
        /// What should have been there.
        expected: &'static str,
    },
}

/// Bytes of a frame from some header on, and where in the frame they stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Payload<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Payload<'a> {
    /// A whole frame.
    #[inline]
    pub const fn new(frame: &'a [u8]) -> Self {
        Self { bytes: frame, offset: 0 }
    }

    /// The bytes.
    #[inline]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many there are.
    #[inline]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True if there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where the first of them stands, counted from the start of the frame.
    #[inline]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Takes the next `count` bytes off.
    #[inline]
    pub fn take(&mut self, count: usize, what: &'static str) -> Result<Self, PacketError> {
        let Some((head, tail)) = self.bytes.split_at_checked(count) else {
            return Err(self.truncated(what, count));
        };
        let taken = Self { bytes: head, offset: self.offset };
        *self = Self { bytes: tail, offset: self.offset + count };
        Ok(taken)
    }

    /// Takes the next `N` bytes off, to be pulled apart.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], PacketError> {
        let Some((head, tail)) = self.bytes.split_first_chunk::<N>() else {
            return Err(self.truncated(what, N));
        };
        *self = Self { bytes: tail, offset: self.offset + N };
        Ok(*head)
    }

    /// The next of the things that these bytes are made of, each of which `decode` takes off. Nothing follows an error.
    #[inline]
    pub(super) fn next_of<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, PacketError>,
    ) -> Option<Result<T, PacketError>> {
        if self.is_empty() {
            return None;
        }
        let next = decode(self);
        if next.is_err() {
            *self = Self::default();
        }
        Some(next)
    }

    /// Takes the next byte off, if there is one.
    #[inline]
    pub const fn next_byte(&mut self) -> Option<u8> {
        let Some((byte, tail)) = self.bytes.split_first() else { return None };
        *self = Self { bytes: tail, offset: self.offset + 1 };
        Some(*byte)
    }

    /// The error "`what` should begin here and needs `expected` bytes".
    #[cold]
    pub const fn truncated(&self, what: &'static str, expected: usize) -> PacketError {
        PacketError::Truncated { what, offset: self.offset, found: self.bytes.len(), expected }
    }

    /// The error "`what`, in the header that begins here, cannot be `found`".
    #[cold]
    pub const fn invalid(&self, what: &'static str, found: u64, expected: &'static str) -> PacketError {
        PacketError::Invalid { what, offset: self.offset, found, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_was_expected_and_where() {
        let mut frame = Payload::new(&[1, 2, 3, 4, 5]);
        assert_eq!(frame.array::<2>("head"), Ok([1, 2]));
        assert_eq!(frame.take(1, "next").unwrap().bytes(), [3]);
        let error = frame.take(3, "tail").unwrap_err();
        assert_eq!(error.to_string(), "tail at byte 3: found 2 bytes, expected 3");
        let error = frame.invalid("tail.version", 7, "4 or 6");
        assert_eq!(error.to_string(), "tail.version at byte 3: found 7, expected 4 or 6");
        assert_eq!((frame.offset(), frame.bytes()), (3, &[4, 5][..]));
    }
}
