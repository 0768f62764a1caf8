//! ECHO: is the peer alive (`OFPT_ECHO_REQUEST`, `OFPT_ECHO_REPLY`; OpenFlow 1.3.5 §7.5.2 and §7.5.3).

use super::header::MessageType;
use super::message::message;
use super::{EncodeError, Reader, Writer, Xid};

/// The body of an echo request or reply: any bytes, which the reply repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Echo<'a> {
    /// The bytes, 65,527 at the most.
    pub data: &'a [u8],
}

impl<'a> Echo<'a> {
    /// Decodes the body of either; every body is one.
    pub const fn decode(body: Reader<'a>) -> Self {
        Self { data: body.rest() }
    }

    /// Appends an echo request.
    pub fn encode_request(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode(writer, MessageType::ECHO_REQUEST, xid)
    }

    /// Appends an echo reply; `xid` is the request's.
    pub fn encode_reply(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode(writer, MessageType::ECHO_REPLY, xid)
    }

    fn encode(&self, writer: &mut Writer, message_type: MessageType, xid: Xid) -> Result<(), EncodeError> {
        message(writer, message_type, xid, |w| {
            w.bytes(self.data);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{XID, encoded, hex};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn an_echo_reads_as_it_was_written() {
        let bytes = hex("0402000c 12345678 686f6765");
        let echo = Echo::decode(Message::decode(&bytes).unwrap().body);
        assert_eq!(echo.data, b"hoge");
        assert_eq!(encoded(|w| echo.encode_request(w, XID)), bytes);
        assert_eq!(encoded(|w| echo.encode_reply(w, XID)), hex("0403000c 12345678 686f6765"));
        assert_eq!(encoded(|w| Echo::default().encode_request(w, XID)), hex("04020008 12345678"));
    }
}
