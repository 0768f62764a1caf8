//! BARRIER: everything before it was processed (OpenFlow 1.3.5 §7.3.8).

use super::header::MessageType;
use super::message::empty_message;
use super::{DecodeError, Reader, Writer, Xid};

/// Appends an `OFPT_BARRIER_REQUEST`.
pub fn encode_request(writer: &mut Writer, xid: Xid) {
    empty_message(writer, MessageType::BARRIER_REQUEST, xid);
}

/// Appends an `OFPT_BARRIER_REPLY`; `xid` is the request's.
pub fn encode_reply(writer: &mut Writer, xid: Xid) {
    empty_message(writer, MessageType::BARRIER_REPLY, xid);
}

/// Holds that the body of either is empty.
pub fn decode(body: Reader<'_>) -> Result<(), DecodeError> {
    body.finish("barrier")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{XID, hex, refuses_cut_and_excess, written};
    use super::*;

    #[test]
    fn a_barrier_is_a_header_alone() {
        let request = hex("04140008 12345678");
        assert_eq!(written(|w| encode_request(w, XID)), request);
        assert_eq!(written(|w| encode_reply(w, XID)), hex("04150008 12345678"));
        refuses_cut_and_excess(&request, &[], decode);
    }
}
