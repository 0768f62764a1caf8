//! ERROR: a request was refused (`struct ofp_error_msg`, OpenFlow 1.3.5 §7.4.4).
//!
//! | byte | field          |                                                     |
//! |-----:|----------------|-----------------------------------------------------|
//! |    8 | `type`         | `OFPET_*`; 0xffff: the next fields are as in ▸      |
//! |   10 | `code`         | within the type; ▸ `exp_type`                       |
//! |   12 | `data`         | the refused message or its start; ▸ `experimenter`, then `data` at 16 |

use super::header::{Header, MessageType};
use super::message::message;
use super::{DecodeError, EncodeError, ErrorCode, Reader, Writer, Xid};

/// `OFPT_ERROR` (OpenFlow 1.3.5 §7.4.4). Its xid is that of the refused message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorMsg<'a> {
    /// What was wrong.
    pub code: ErrorCode,
    /// The refused message: Open vSwitch sends up to its first 64 bytes; text for `HFC_*`.
    pub data: &'a [u8],
}

impl<'a> ErrorMsg<'a> {
    /// Decodes the body.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let error_type = body.u16("error.type")?;
        let code = body.u16("error.code")?;
        let experimenter = match error_type {
            ErrorCode::EXPERIMENTER => body.u32("error.experimenter")?,
            _ => 0,
        };
        Ok(Self { code: ErrorCode { experimenter, error_type, code }, data: body.rest() })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        message(writer, MessageType::ERROR, xid, |w| {
            w.u16(self.code.error_type);
            w.u16(self.code.code);
            if self.code.is_experimenter() {
                w.u32(self.code.experimenter);
            }
            w.bytes(self.data);
            Ok(())
        })
    }

    /// The header of the refused message, if the error brings one.
    pub fn refused(&self) -> Option<Header> {
        Header::decode(&mut Reader::new(self.data)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn an_error_reads_as_it_was_written() {
        for (bytes, code, open) in [
            ("04010014 12345678 0004 0009 0400000812345678", ErrorCode::BMC_BAD_PREREQ, 12),
            ("04010018 12345678 ffff 0909 4f4e4600 0400000812345678", ErrorCode::BFC_MSG_FAILED, 16),
            (
                "04010018 12345678 ffff 0015 00002320 0400000812345678",
                ErrorCode { experimenter: 0x2320, error_type: 0xffff, code: 21 },
                16,
            ),
            (
                "04010014 12345678 0063 0001 0400000812345678",
                ErrorCode { experimenter: 0, error_type: 99, code: 1 },
                12,
            ),
        ] {
            let bytes = hex(bytes);
            let error = ErrorMsg::decode(Message::decode(&bytes).unwrap().body).unwrap();
            assert_eq!(error.code, code);
            assert_eq!(error.refused().unwrap().xid, XID);
            assert_eq!(encoded(|w| error.encode(w, XID)), bytes);
            let open: Vec<usize> = (open..bytes.len()).chain([usize::MAX]).collect();
            refuses_cut_and_excess(&bytes, &open, ErrorMsg::decode);
        }
    }
}
