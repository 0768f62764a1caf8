//! Messages out of a byte stream.
//!
//! Three outcomes, never two: more bytes are needed, here is a message, or the stream is broken for
//! good, because what claims to be a header cannot be one and nothing tells where the next begins.

use super::header::Header;
use super::{DecodeError, Reader};

/// What the first bytes of a stream are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Framing<'a> {
    /// The beginning of a message, or nothing: more bytes are needed.
    NeedMore,
    /// The bytes of one message, whole.
    Frame(&'a [u8]),
    /// No message can begin so: the connection has to be closed.
    Broken(DecodeError),
}

impl<'a> Framing<'a> {
    /// Looks at the first message of `bytes`.
    pub fn of(bytes: &'a [u8]) -> Self {
        let Some(head) = bytes.get(..Header::LEN) else { return Self::NeedMore };
        match Header::decode(&mut Reader::new(head)) {
            Ok(header) => bytes.get(..header.length.into()).map_or(Self::NeedMore, Self::Frame),
            Err(error) => Self::Broken(error),
        }
    }
}

/// What was read from a stream and not decoded yet: at most [`CAPACITY`](Self::CAPACITY) bytes, and of a stranger
/// at most [`SMALL`](Self::SMALL).
///
/// [`spare`](Self::spare) → read into it → [`filled`](Self::filled) → [`frames`](Self::frames), until the
/// stream ends. Frames are borrowed from the buffer; only the rest of an unfinished message is ever moved.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Default for FrameBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameBuffer {
    /// Bytes that a buffer holds: several of the longest messages (65,535 bytes), so that one read can
    /// bring many.
    pub const CAPACITY: usize = 256 * 1024;
    /// Bytes that a [small](Self::small) one holds.
    pub const SMALL: usize = 4096;
    /// With less room than this behind the unread bytes they move to the front.
    const ROOM: usize = 64 * 1024;

    /// An empty buffer.
    pub fn new() -> Self {
        Self { bytes: vec![0; Self::CAPACITY].into_boxed_slice(), start: 0, end: 0 }
    }

    /// An empty buffer for the first few messages of a peer, which are short, until it [grows](Self::grow).
    pub fn small() -> Self {
        Self { bytes: vec![0; Self::SMALL].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Makes it one of [`CAPACITY`](Self::CAPACITY).
    pub fn grow(&mut self) {
        if self.bytes.len() >= Self::CAPACITY {
            return;
        }
        let mut grown = Self::new();
        let unread = self.bytes.get(self.start..self.end).unwrap_or_default();
        if let Some(place) = grown.bytes.get_mut(..unread.len()) {
            place.copy_from_slice(unread);
            grown.end = unread.len();
        }
        *self = grown;
    }

    /// The length that an unfinished message claims, once its header is here.
    pub fn awaited(&self) -> Option<usize> {
        let head = self.bytes.get(self.start..self.end)?.get(..Header::LEN)?;
        Some(Header::decode(&mut Reader::new(head)).ok()?.length.into())
    }

    /// Where the next bytes go. Never empty once all frames were taken, because what is left then is
    /// shorter than a message; empty only if nobody takes them, or a small one awaits a longer message.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.bytes.len() - self.end < Self::ROOM {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that `count` bytes were put at the start of [`spare`](Self::spare).
    pub fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.bytes.len());
    }

    /// Bytes that no frame was made of yet.
    pub fn pending(&self) -> usize {
        self.end - self.start
    }

    /// The messages that are here whole, in order. What was given out is gone from the buffer when the
    /// iterator is; what was not stays.
    pub fn frames(&mut self) -> Frames<'_> {
        Frames { bytes: self.bytes.get(self.start..self.end).unwrap_or_default(), start: &mut self.start }
    }
}

/// The messages that are in a [`FrameBuffer`]. Ends where more bytes are needed; an error means that the
/// stream is broken, and stays.
#[derive(Debug)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    start: &'a mut usize,
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<&'a [u8], DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match Framing::of(self.bytes) {
            Framing::NeedMore => None,
            Framing::Frame(frame) => {
                self.bytes = self.bytes.get(frame.len()..).unwrap_or_default();
                *self.start += frame.len();
                Some(Ok(frame))
            }
            Framing::Broken(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(buffer: &mut FrameBuffer, bytes: &[u8]) -> usize {
        let spare = buffer.spare();
        let count = bytes.len().min(spare.len());
        spare[..count].copy_from_slice(&bytes[..count]);
        buffer.filled(count);
        count
    }

    fn stream(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, &length) in lengths.iter().enumerate() {
            bytes.extend([4, 2]);
            bytes.extend((length as u16).to_be_bytes());
            bytes.extend((index as u32).to_be_bytes());
            bytes.resize(bytes.len() + length - 8, index as u8);
        }
        bytes
    }

    #[test]
    fn the_start_of_a_message_needs_more() {
        let bytes = stream(&[12]);
        for end in 0..bytes.len() {
            assert_eq!(Framing::of(&bytes[..end]), Framing::NeedMore);
        }
        assert_eq!(Framing::of(&bytes), Framing::Frame(&bytes));
    }

    #[test]
    fn a_length_below_eight_breaks_the_stream_for_good() {
        let mut buffer = FrameBuffer::new();
        feed(&mut buffer, &[4, 2, 0, 8, 0, 0, 0, 0, 4, 2, 0, 7, 0, 0, 0, 0]);
        let mut frames = buffer.frames();
        assert_eq!(frames.next().unwrap().unwrap().len(), 8);
        assert!(frames.next().unwrap().is_err());
        assert!(frames.next().unwrap().is_err());
    }

    #[test]
    fn one_batch_lends_all_its_frames_at_once() {
        let bytes = stream(&[8, 20, 9]);
        let mut buffer = FrameBuffer::new();
        feed(&mut buffer, &bytes[..bytes.len() - 1]);
        let frames: Vec<_> = buffer.frames().collect::<Result<_, _>>().unwrap();
        assert_eq!(frames, [&bytes[..8], &bytes[8..28]]);
        assert_eq!(buffer.pending(), 8);
    }

    #[test]
    fn frames_that_nobody_takes_fill_the_buffer_and_no_more() {
        let mut buffer = FrameBuffer::new();
        let bytes = stream(&[65_535; 5]);
        assert_eq!(feed(&mut buffer, &bytes), FrameBuffer::CAPACITY);
        assert!(buffer.spare().is_empty());
        assert_eq!(buffer.frames().count(), 4);
        assert!(!buffer.spare().is_empty());
    }

    #[test]
    fn a_small_buffer_tells_what_it_has_no_room_for_and_grows_without_losing_a_byte() {
        let bytes = stream(&[12, 65_535]);
        let mut buffer = FrameBuffer::small();
        assert_eq!(buffer.awaited(), None);
        assert_eq!(feed(&mut buffer, &bytes), FrameBuffer::SMALL);
        assert_eq!(buffer.frames().count(), 1);
        assert_eq!(buffer.awaited(), Some(65_535));
        buffer.grow();
        let mut fed = FrameBuffer::SMALL;
        while fed < bytes.len() {
            fed += feed(&mut buffer, &bytes[fed..]);
        }
        assert_eq!(buffer.frames().next().unwrap().unwrap(), &bytes[12..]);
        assert_eq!(buffer.awaited(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn frames_are_the_same_however_the_stream_is_cut(
            lengths in prop::collection::vec(prop_oneof![8usize..100, Just(65_535usize)], 1..12),
            reads in prop::collection::vec(1usize..100_000, 1..40),
        ) {
            let bytes = stream(&lengths);
            let mut buffer = FrameBuffer::new();
            let (mut got, mut fed, mut reads) = (Vec::new(), 0, reads.iter().cycle());
            while fed < bytes.len() {
                let end = bytes.len().min(fed + reads.next().unwrap());
                fed += feed(&mut buffer, &bytes[fed..end]);
                for frame in buffer.frames() {
                    got.extend_from_slice(frame.unwrap());
                }
                prop_assert!(buffer.pending() < 65_535);
            }
            prop_assert_eq!(got, bytes);
        }
    }
}
