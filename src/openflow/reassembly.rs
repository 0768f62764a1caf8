//! Answers that come in several multipart messages, put together (OpenFlow 1.3.5 §7.3.5).
//!
//! The parts of an answer bear the xid of the question and all but the last say that more follow; no entry is split
//! over two of them. Parts are kept as they came, up to a [`Limit`], so that a peer that never ends its answer, or
//! begins ever new ones, costs a known amount of memory.

use std::collections::HashMap;

use super::multipart::{Multipart, MultipartType};
use super::{DecodeError, Message, MessageType, Reader, Xid};

/// How much a [`Reassembly`] keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Bytes of all parts of all answers together.
    pub bytes: usize,
    /// Answers that have begun and not ended.
    pub answers: usize,
}

impl Default for Limit {
    /// 256 MiB, the flows of a very large switch, and 64 answers.
    fn default() -> Self {
        Self { bytes: 256 << 20, answers: 64 }
    }
}

/// Why a part has no place.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReassemblyError {
    /// It is no multipart message of OpenFlow 1.3.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It is of another type than the parts before it.
    #[error("part of the answer {:#x}: found {found:?}, expected {expected:?} as before", xid.0)]
    OtherType {
        /// Of the answer.
        xid: Xid,
        /// Of this part.
        found: MultipartType,
        /// Of the parts before it.
        expected: MultipartType,
    },
    /// With it the parts would be larger than the limit: the answer is given up.
    #[error("answer {:#x}: {found} bytes are waiting, expected {limit} at the most", xid.0)]
    TooLarge {
        /// Of the answer.
        xid: Xid,
        /// Bytes that there would be.
        found: usize,
        /// Bytes that there may be.
        limit: usize,
    },
    /// More answers have begun than may wait: this one is given up.
    #[error("answer {:#x}: {limit} others are waiting already", xid.0)]
    TooMany {
        /// Of the answer.
        xid: Xid,
        /// Answers that there may be.
        limit: usize,
    },
}

/// A whole answer: its parts in order, none of which is the start of more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Of the question.
    pub xid: Xid,
    /// What the bodies are.
    pub multipart_type: MultipartType,
    /// One message behind the other.
    bytes: Vec<u8>,
}

impl Answer {
    /// The body of each part, with its place in its message.
    pub fn bodies(&self) -> impl Iterator<Item = Reader<'_>> {
        let mut rest = Reader::new(&self.bytes);
        // Each part was decoded when it came.
        std::iter::from_fn(move || {
            let at = rest;
            let length = Message::decode_first(&mut rest).ok()?.header.length;
            let message = { at }.bytes(length.into(), "message").ok()?;
            multipart(message).ok().map(|(_, multipart)| multipart.body.reader())
        })
    }
}

/// Multipart messages on their way to whole answers.
#[derive(Debug, Default)]
pub struct Reassembly {
    limit: Limit,
    waiting: HashMap<Xid, Answer>,
    bytes: usize,
}

/// A multipart message of either direction.
fn multipart(bytes: &[u8]) -> Result<(Xid, Multipart<'_>), DecodeError> {
    let message = Message::decode(bytes)?;
    let body = match message.header.message_type {
        MessageType::MULTIPART_REQUEST => message.body_of(MessageType::MULTIPART_REQUEST)?,
        _ => message.body_of(MessageType::MULTIPART_REPLY)?,
    };
    Ok((message.header.xid, Multipart::decode(body)?))
}

impl Reassembly {
    /// Keeps no more than `limit`.
    pub fn new(limit: Limit) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Takes the next multipart message, request or reply. Returns the answer that it ends. Where this fails nothing
    /// of the answer is kept.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Answer>, ReassemblyError> {
        let (xid, part) = multipart(bytes)?;
        let found = part.multipart_type;
        let mut answer = self.forget(xid).unwrap_or(Answer { xid, multipart_type: found, bytes: Vec::new() });
        if answer.multipart_type != found {
            return Err(ReassemblyError::OtherType { xid, found, expected: answer.multipart_type });
        }
        if self.waiting.len() >= self.limit.answers && part.more() {
            return Err(ReassemblyError::TooMany { xid, limit: self.limit.answers });
        }
        let size = answer.bytes.len() + bytes.len();
        if self.bytes + size > self.limit.bytes {
            return Err(ReassemblyError::TooLarge { xid, found: self.bytes + size, limit: self.limit.bytes });
        }
        answer.bytes.extend_from_slice(bytes);
        if !part.more() {
            return Ok(Some(answer));
        }
        self.bytes += size;
        self.waiting.insert(xid, answer);
        Ok(None)
    }

    /// Gives up an answer, because its question failed or took too long. Returns what there was of it.
    pub fn forget(&mut self, xid: Xid) -> Option<Answer> {
        let answer = self.waiting.remove(&xid)?;
        self.bytes -= answer.bytes.len();
        Some(answer)
    }

    /// Bytes that are kept.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::table_stats::TableStats;
    use super::super::testing::hex;
    use super::*;
    use crate::openflow::{Entries, ErrorCode};

    fn part(xid: u8, more: bool, table: u8) -> Vec<u8> {
        let more = u8::from(more);
        hex(&format!(
            "04130028 000000{xid:02x} 0003 00{more:02x} 00000000 {table:02x}000000 00000000 0000000000000000 0000000000000000"
        ))
    }

    #[test]
    fn parts_of_two_answers_come_together_whatever_their_order() {
        let mut reassembly = Reassembly::default();
        for (xid, more, table) in [(1, true, 0), (2, true, 10), (1, true, 1), (2, false, 11)] {
            let answer = reassembly.take(&part(xid, more, table)).unwrap();
            assert_eq!(answer.is_some(), !more);
        }
        let answer = reassembly.take(&part(1, false, 2)).unwrap().unwrap();
        let tables: Vec<u8> =
            answer.bodies().flat_map(Entries::<TableStats>::new).map(|table| table.unwrap().table_id.0).collect();
        assert_eq!((answer.xid, tables), (Xid(1), vec![0, 1, 2]));
        assert_eq!(reassembly.bytes(), 0);
    }

    #[test]
    fn an_answer_without_an_end_meets_the_limit() {
        let mut reassembly = Reassembly::new(Limit { bytes: 100, answers: 2 });
        reassembly.take(&part(1, true, 0)).unwrap();
        reassembly.take(&part(1, true, 0)).unwrap();
        let error = reassembly.take(&part(1, true, 0)).unwrap_err();
        assert_eq!(error, ReassemblyError::TooLarge { xid: Xid(1), found: 120, limit: 100 });
        assert_eq!(reassembly.bytes(), 0);
        reassembly.take(&part(1, true, 0)).unwrap();
        reassembly.take(&part(2, true, 0)).unwrap();
        let error = reassembly.take(&part(3, true, 0)).unwrap_err();
        assert_eq!(error, ReassemblyError::TooMany { xid: Xid(3), limit: 2 });
        assert_eq!(reassembly.bytes(), 80);
        assert!(reassembly.forget(Xid(1)).is_some() && reassembly.forget(Xid(1)).is_none());
        assert!(reassembly.take(&part(3, true, 0)).unwrap().is_none());
    }

    #[test]
    fn what_is_no_part_of_the_answer_is_refused() {
        let mut reassembly = Reassembly::default();
        reassembly.take(&part(1, true, 0)).unwrap();
        let other = hex("04130010 00000001 000d 0000 00000000");
        let error = reassembly.take(&other).unwrap_err();
        let expected = (MultipartType::PORT_DESC, MultipartType::TABLE);
        assert_eq!(error, ReassemblyError::OtherType { xid: Xid(1), found: expected.0, expected: expected.1 });
        for (bytes, code) in [
            ("04140008 00000001", ErrorCode::BRC_BAD_TYPE),
            ("0413000f 00000001 000d 0000 000000", ErrorCode::BRC_BAD_LEN),
            ("05130010 00000001 000d 0000 00000000", ErrorCode::BRC_BAD_VERSION),
        ] {
            let Err(ReassemblyError::Decode(error)) = reassembly.take(&hex(bytes)) else { panic!("{bytes}") };
            assert_eq!(error.code, code);
        }
        assert_eq!(reassembly.bytes(), 0);
    }
}
