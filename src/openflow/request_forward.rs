//! REQUESTFORWARD: another controller changed a group or a meter; in OpenFlow 1.3 an extension of the ONF
//! (EXT-192; OpenFlow 1.4.1 §7.4.6).

use super::error::ONF;
use super::experimenter::experimenter_message;
use super::message::Message;
use super::{DecodeError, EncodeError, ErrorCode, Raw, Reader, Writer, Xid};

/// `ONFT_REQUESTFORWARD`: the `exp_type`.
pub const REQUEST_FORWARD: u32 = 2350;

/// `ONFT_REQUESTFORWARD` (`struct ofp14_requestforward`): the other controller's message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestForward<'a> {
    /// The message, not looked at; its offsets count from the start of the outer one.
    pub message: Message<'a>,
    /// Its bytes.
    pub bytes: Raw<'a>,
    /// What follows it; Open vSwitch neither sends nor reads anything there.
    pub excess: Raw<'a>,
}

impl<'a> RequestForward<'a> {
    /// Decodes what follows the experimenter header; `BFC_MSG_BAD_LEN` if the inner message does not fit.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let refuse = |error: DecodeError| DecodeError { code: ErrorCode::BFC_MSG_BAD_LEN, ..error };
        let mut at = body;
        let message = Message::decode_first(&mut body).map_err(refuse)?;
        let bytes = Raw::take(&mut at, message.header.length.into(), "requestforward.message").map_err(refuse)?;
        Ok(Self { message, bytes, excess: Raw::rest(&mut body) })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (ONF, REQUEST_FORWARD), xid, |w| {
            w.bytes(self.bytes.bytes());
            w.bytes(self.excess.bytes());
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::experimenter::Experimenter;
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;

    fn decode(body: Reader<'_>) -> Result<RequestForward<'_>, DecodeError> {
        RequestForward::decode(Experimenter::decode(body)?.body.reader())
    }

    #[test]
    fn a_forwarded_message_reads_as_it_was_written() {
        let bytes = hex("04040020 12345678 4f4e4600 0000092e 040f0010 00000001 0000 00 00 00000001");
        let forward = decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!((forward.bytes.bytes(), forward.message.body.offset()), (&bytes[16..], 24));
        assert_eq!(encoded(|w| forward.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[usize::MAX], decode);
        let bytes = hex("04040018 12345678 4f4e4600 0000092e 040f0009 00000001");
        assert_eq!(decode(Message::decode(&bytes).unwrap().body).unwrap_err().code, ErrorCode::BFC_MSG_BAD_LEN);
    }
}
