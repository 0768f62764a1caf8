//! MULTIPART: questions whose answers may come in several messages (OpenFlow 1.3.5 §7.3.5).
//!
//! | byte | field   |                                         |
//! |-----:|---------|-----------------------------------------|
//! |    8 | `type`  | [`MultipartType`]                       |
//! |   10 | `flags` | bit 0: more messages of the same follow |
//! |   12 | padding | 4 bytes                                 |
//! |   16 | `body`  |                                         |
//!
//! Every part of an answer stands for itself: no entry is split over two messages.

use std::fmt;

use super::header::MessageType;
use super::message::message;
use super::{DecodeError, EncodeError, Entry, Raw, Reader, Writer, Xid};

/// `enum ofp_multipart_type` (OpenFlow 1.3.5 §7.3.5). Unknown types survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MultipartType(pub u16);

macro_rules! multipart_types {
    ($($name:ident = $number:literal,)*) => {
        impl MultipartType {
            $(#[doc = concat!("`OFPMP_", stringify!($name), "`.")] pub const $name: Self = Self($number);)*

            /// The specification's name, such as `OFPMP_DESC`, if the type is a known one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(concat!("OFPMP_", stringify!($name))),)*
                    _ => None,
                }
            }
        }
    };
}

multipart_types! {
    DESC = 0,
    FLOW = 1,
    AGGREGATE = 2,
    TABLE = 3,
    PORT_STATS = 4,
    QUEUE = 5,
    GROUP = 6,
    GROUP_DESC = 7,
    GROUP_FEATURES = 8,
    METER = 9,
    METER_CONFIG = 10,
    METER_FEATURES = 11,
    TABLE_FEATURES = 12,
    PORT_DESC = 13,
    EXPERIMENTER = 0xffff,
}

impl fmt::Debug for MultipartType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => out.write_str(name),
            None => write!(out, "multipart type {}", self.0),
        }
    }
}

/// `OFPT_MULTIPART_REQUEST` or `OFPT_MULTIPART_REPLY` (OpenFlow 1.3.5 §7.3.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Multipart<'a> {
    /// What the body is.
    pub multipart_type: MultipartType,
    /// `OFPMPF_REQ_MORE` or `OFPMPF_REPLY_MORE`, and what no one has defined yet.
    pub flags: u16,
    /// The body.
    pub body: Raw<'a>,
}

impl<'a> Multipart<'a> {
    /// `OFPMPF_REQ_MORE` and `OFPMPF_REPLY_MORE`: more messages follow.
    pub const MORE: u16 = 1;

    /// A request or the last part of a reply: no more follow.
    pub const fn last(multipart_type: MultipartType, body: &'a [u8]) -> Self {
        Self { multipart_type, flags: 0, body: Raw::new(body) }
    }

    /// Decodes the body of either message.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let multipart_type = MultipartType(body.u16("multipart.type")?);
        let flags = body.u16("multipart.flags")?;
        body.skip(4, "multipart.pad")?;
        Ok(Self { multipart_type, flags, body: Raw::rest(&mut body) })
    }

    /// True if more messages with the same xid follow.
    pub const fn more(&self) -> bool {
        self.flags & Self::MORE != 0
    }

    /// Appends the request.
    pub fn encode_request(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode(writer, MessageType::MULTIPART_REQUEST, xid)
    }

    /// Appends the reply.
    pub fn encode_reply(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode(writer, MessageType::MULTIPART_REPLY, xid)
    }

    fn encode(&self, writer: &mut Writer, message_type: MessageType, xid: Xid) -> Result<(), EncodeError> {
        message(writer, message_type, xid, |w| {
            head(w, self.multipart_type, self.flags);
            w.bytes(self.body.bytes());
            Ok(())
        })
    }
}

fn head(writer: &mut Writer, multipart_type: MultipartType, flags: u16) {
    writer.u16(multipart_type.0);
    writer.u16(flags);
    writer.zeros(4);
}

/// Appends a request in one part, whose body `body` writes.
pub fn multipart_request(
    writer: &mut Writer,
    multipart_type: MultipartType,
    xid: Xid,
    body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    message(writer, MessageType::MULTIPART_REQUEST, xid, |w| {
        head(w, multipart_type, 0);
        body(w)
    })
}

/// Appends a reply in one part that holds `entries`.
pub fn multipart_reply<'a, T: Entry<'a>>(
    writer: &mut Writer,
    multipart_type: MultipartType,
    xid: Xid,
    entries: &[T],
) -> Result<(), EncodeError> {
    message(writer, MessageType::MULTIPART_REPLY, xid, |w| {
        head(w, multipart_type, 0);
        entries.iter().try_for_each(|entry| entry.encode(w))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn a_multipart_message_reads_as_it_was_written() {
        let bytes = hex("04130014 12345678 0001 0001 00000000 aabbccdd");
        let multipart = Multipart::decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!((multipart.multipart_type, multipart.more()), (MultipartType::FLOW, true));
        assert_eq!(multipart.body.reader().offset(), 16);
        assert_eq!(encoded(|w| multipart.encode_reply(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[16, 17, 18, 19, usize::MAX], Multipart::decode);

        let request = hex("04120010 12345678 000d 0000 00000000");
        assert_eq!(encoded(|w| Multipart::last(MultipartType::PORT_DESC, &[]).encode_request(w, XID)), request);
        assert_eq!(encoded(|w| multipart_request(w, MultipartType::PORT_DESC, XID, |_| Ok(()))), request);
    }
}
