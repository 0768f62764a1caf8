//! The common start of experimenter messages and of experimenter multipart bodies: who, and which of
//! theirs (`struct ofp_experimenter_header`, OpenFlow 1.3.5 §7.5.4; `struct
//! ofp_experimenter_multipart_header`, §7.3.5.15).

use super::header::MessageType;
use super::message::message;
use super::{DecodeError, EncodeError, Raw, Reader, Writer, Xid};

/// `OFPT_EXPERIMENTER`, or the body of `OFPMP_EXPERIMENTER`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Experimenter<'a> {
    /// Byte 8 of a message, 16 of a multipart message: whose it is, such as [`ONF`](super::error::ONF).
    pub experimenter: u32,
    /// The next 4 bytes: which of theirs.
    pub exp_type: u32,
    /// The rest.
    pub body: Raw<'a>,
}

impl<'a> Experimenter<'a> {
    /// Decodes the body of a message, or of a multipart request or reply.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let experimenter = body.u32("experimenter.experimenter")?;
        let exp_type = body.u32("experimenter.exp_type")?;
        Ok(Self { experimenter, exp_type, body: Raw::rest(&mut body) })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (self.experimenter, self.exp_type), xid, |w| {
            w.bytes(self.body.bytes());
            Ok(())
        })
    }
}

/// Appends an `OFPT_EXPERIMENTER` of `kind`, which is experimenter and `exp_type`; `body` writes what
/// follows those.
pub fn experimenter_message(
    writer: &mut Writer,
    kind: (u32, u32),
    xid: Xid,
    body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    message(writer, MessageType::EXPERIMENTER, xid, |w| {
        w.u32(kind.0);
        w.u32(kind.1);
        body(w)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn an_unknown_experimenter_survives() {
        let bytes = hex("04040014 12345678 000000ff 00000001 aabbccdd");
        let experimenter = Experimenter::decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!((experimenter.experimenter, experimenter.exp_type), (255, 1));
        assert_eq!(experimenter.body.reader().offset(), 16);
        assert_eq!(encoded(|w| experimenter.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[16, 17, 18, 19, usize::MAX], Experimenter::decode);
    }
}
