//! A whole message: header and body, and the one way to write it.
//!
//! Each message family decodes from the body's [`Reader`] and encodes with [`message`], which appends
//! to the [`Writer`], so that many messages leave in one write.

use super::header::{Header, MessageType, VERSION};
use super::{DecodeError, EncodeError, ErrorCode, Reader, Writer, Xid};

/// A message whose body was not looked at yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header; its offsets count from the start of the message.
    pub body: Reader<'a>,
}

impl<'a> Message<'a> {
    /// Splits `bytes`, which are exactly one message, into header and body. The version is the caller's
    /// to check: a HELLO may bear any.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let header = Header::decode(&mut reader)?;
        if usize::from(header.length) != bytes.len() {
            let found = header.length.into();
            let at = Reader::at(bytes, 2);
            return Err(at.error("header.length", found, "the length of the message", ErrorCode::BRC_BAD_LEN));
        }
        Ok(Self { header, body: reader })
    }

    /// Takes the first message off `reader`, which may hold more; `BRC_BAD_LEN` if it is not there whole.
    pub fn decode_first(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = *reader;
        let header = Header::decode(&mut { at })?;
        let mut body = reader.child(header.length.into(), "message").map_err(|error| DecodeError {
            found: header.length.into(),
            expected: "no more than what is left of the outer message",
            ..error
        })?;
        body.skip(Header::LEN, "header")?;
        Ok(Self { header, body })
    }

    /// The body, if the message is of `message_type` and of OpenFlow 1.3; otherwise `BRC_BAD_TYPE` or
    /// `BRC_BAD_VERSION`.
    #[inline]
    pub fn body_of(&self, message_type: MessageType) -> Result<Reader<'a>, DecodeError> {
        let Header { version, message_type: found, .. } = self.header;
        if version != VERSION {
            let at = Reader::at(&[], 0);
            return Err(at.error("header.version", version.into(), "4 (OpenFlow 1.3)", ErrorCode::BRC_BAD_VERSION));
        }
        if found != message_type {
            let at = Reader::at(&[], 1);
            let expected = message_type.name().unwrap_or("another type");
            return Err(at.error("header.type", found.0.into(), expected, ErrorCode::BRC_BAD_TYPE));
        }
        Ok(self.body)
    }
}

/// Appends a message of OpenFlow 1.3, whose body `body` writes, and fills in its length. Where this fails
/// nothing was appended.
pub fn message(
    writer: &mut Writer,
    message_type: MessageType,
    xid: Xid,
    body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mark = writer.begin();
    Header { version: VERSION, message_type, length: 0, xid }.encode(writer);
    body(writer).and_then(|()| writer.end(mark, 2, "message")).inspect_err(|_| writer.undo(mark))
}

/// Appends a message that is nothing but its header, such as a barrier request.
pub fn empty_message(writer: &mut Writer, message_type: MessageType, xid: Xid) {
    Header { version: VERSION, message_type, length: 8, xid }.encode(writer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_follow_each_other_in_one_buffer() {
        let mut writer = Writer::new();
        empty_message(&mut writer, MessageType::BARRIER_REQUEST, Xid(1));
        message(&mut writer, MessageType::ECHO_REQUEST, Xid(2), |w| {
            w.u8(9);
            Ok(())
        })
        .unwrap();
        assert_eq!(writer.as_slice(), [4, 20, 0, 8, 0, 0, 0, 1, 4, 2, 0, 9, 0, 0, 0, 2, 9]);
    }

    #[test]
    fn a_message_that_is_too_long_leaves_nothing_behind() {
        let mut writer = Writer::new();
        empty_message(&mut writer, MessageType::BARRIER_REQUEST, Xid(1));
        let error = message(&mut writer, MessageType::ECHO_REQUEST, Xid(2), |w| {
            w.zeros(65_528);
            Ok(())
        });
        assert_eq!(error, Err(EncodeError::TooLong { what: "message", found: 65_536 }));
        assert_eq!(writer.len(), 8);
    }

    #[test]
    fn rejects_a_message_whose_length_is_another() {
        assert!(Message::decode(&[4, 20, 0, 8, 0, 0, 0, 1]).is_ok());
        let error = Message::decode(&[4, 20, 0, 8, 0, 0, 0, 1, 0]).unwrap_err();
        assert_eq!((error.offset, error.what), (2, "header.length"));
    }

    #[test]
    fn a_body_is_given_out_only_for_its_type_and_version() {
        let message = Message::decode(&[4, 20, 0, 8, 0, 0, 0, 1]).unwrap();
        assert!(message.body_of(MessageType::BARRIER_REQUEST).is_ok());
        let error = message.body_of(MessageType::HELLO).unwrap_err();
        assert_eq!((error.code, error.offset), (ErrorCode::BRC_BAD_TYPE, 1));
        let message = Message::decode(&[5, 20, 0, 8, 0, 0, 0, 1]).unwrap();
        let error = message.body_of(MessageType::BARRIER_REQUEST).unwrap_err();
        assert_eq!(error.code, ErrorCode::BRC_BAD_VERSION);
    }
}
