//! The header that begins every message (`struct ofp_header`, OpenFlow 1.3.5 §7.1).
//!
//! | byte | field     |                                      |
//! |-----:|-----------|--------------------------------------|
//! |    0 | `version` | 4 for OpenFlow 1.3                   |
//! |    1 | `type`    | [`MessageType`]                      |
//! |    2 | `length`  | of the whole message, 8 at the least |
//! |    4 | `xid`     | ties a reply to its request          |

use std::fmt;

use super::{DecodeError, ErrorCode, Reader, Writer, Xid};

/// The version byte of OpenFlow 1.3.
pub const VERSION: u8 = 4;

/// `struct ofp_header` (OpenFlow 1.3.5 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Of the protocol that the message is written in; checked by whoever negotiated it.
    pub version: u8,
    /// What the body is.
    pub message_type: MessageType,
    /// Of the whole message, header included: 8–65535 bytes.
    pub length: u16,
    /// The request's, if this is a reply; 0 for what Open vSwitch sends of its own accord.
    pub xid: Xid,
}

impl Header {
    /// Bytes of a header.
    pub const LEN: usize = 8;

    /// Decodes a header; `BRC_BAD_LEN` if its length does not cover the header itself.
    #[inline]
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = reader.u8("header.version")?;
        let message_type = MessageType(reader.u8("header.type")?);
        let at = *reader;
        let length = reader.u16("header.length")?;
        if usize::from(length) < Self::LEN {
            return Err(at.error("header.length", length.into(), "8 at the least", ErrorCode::BRC_BAD_LEN));
        }
        Ok(Self { version, message_type, length, xid: Xid(reader.u32("header.xid")?) })
    }

    /// Encodes the header as it is.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.version);
        writer.u8(self.message_type.0);
        writer.u16(self.length);
        writer.u32(self.xid.0);
    }
}

/// What a message is (`enum ofp_type`, OpenFlow 1.3.5 §7.1). Unknown types survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageType(pub u8);

macro_rules! message_types {
    ($($name:ident = $number:literal,)*) => {
        impl MessageType {
            $(#[doc = concat!("`OFPT_", stringify!($name), "`.")] pub const $name: Self = Self($number);)*

            /// The specification's name, such as `OFPT_HELLO`, if the type is a known one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(concat!("OFPT_", stringify!($name))),)*
                    _ => None,
                }
            }
        }
    };
}

message_types! {
    HELLO = 0,
    ERROR = 1,
    ECHO_REQUEST = 2,
    ECHO_REPLY = 3,
    EXPERIMENTER = 4,
    FEATURES_REQUEST = 5,
    FEATURES_REPLY = 6,
    GET_CONFIG_REQUEST = 7,
    GET_CONFIG_REPLY = 8,
    SET_CONFIG = 9,
    PACKET_IN = 10,
    FLOW_REMOVED = 11,
    PORT_STATUS = 12,
    PACKET_OUT = 13,
    FLOW_MOD = 14,
    GROUP_MOD = 15,
    PORT_MOD = 16,
    TABLE_MOD = 17,
    MULTIPART_REQUEST = 18,
    MULTIPART_REPLY = 19,
    BARRIER_REQUEST = 20,
    BARRIER_REPLY = 21,
    QUEUE_GET_CONFIG_REQUEST = 22,
    QUEUE_GET_CONFIG_REPLY = 23,
    ROLE_REQUEST = 24,
    ROLE_REPLY = 25,
    GET_ASYNC_REQUEST = 26,
    GET_ASYNC_REPLY = 27,
    SET_ASYNC = 28,
    METER_MOD = 29,
}

impl fmt::Display for MessageType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => out.write_str(name),
            None => write!(out, "message type {}", self.0),
        }
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written() {
        let bytes = [4, 14, 0, 80, 0, 0, 1, 2];
        let header = Header { version: 4, message_type: MessageType::FLOW_MOD, length: 80, xid: Xid(0x102) };
        assert_eq!(Header::decode(&mut Reader::new(&bytes)), Ok(header));
        let mut writer = Writer::new();
        header.encode(&mut writer);
        assert_eq!(writer.as_slice(), bytes);
    }

    #[test]
    fn a_length_that_does_not_cover_the_header_is_refused() {
        let error = Header::decode(&mut Reader::new(&[4, 14, 0, 7, 0, 0, 0, 0])).unwrap_err();
        assert_eq!(error.to_string(), "header.length at byte 2: found 7, expected 8 at the least (OFPBRC_BAD_LEN)");
    }

    #[test]
    fn unknown_types_survive_and_print() {
        assert_eq!(MessageType::ROLE_REPLY.to_string(), "OFPT_ROLE_REPLY");
        assert_eq!(MessageType(200).to_string(), "message type 200");
    }
}
