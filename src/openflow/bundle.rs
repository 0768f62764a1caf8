//! Bundles: messages that take effect together or not at all, in OpenFlow 1.3 as an extension of the ONF
//! (EXT-230; OpenFlow 1.4.1 §7.3.9; `include/openflow/openflow-1.4.h` of Open vSwitch).
//!
//! | byte | field          |                                               |
//! |-----:|----------------|-----------------------------------------------|
//! |    8 | `experimenter` | [`ONF`]                                       |
//! |   12 | `exp_type`     | [`CONTROL`] or [`ADD_MESSAGE`]                |
//! |   16 | `bundle_id`    |                                               |
//! |   20 | `type`         | [`BundleControlType`]; padding in ADD_MESSAGE |
//! |   22 | `flags`        | [`BundleFlags`], the same in every message    |
//! |   24 | `message`      | ADD_MESSAGE: the message, with the same xid   |
//!
//! Open vSwitch 3.1, as `tests/wire_switch.rs` holds it to: open, additions and commit may leave in one write.
//! An added message that does not decode (an unknown port, a bad table) is refused at once with its own xid,
//! and **the rest still commits**; whoever wants all or nothing waits for a barrier before the commit. A message
//! that fails at the commit (an unknown group) brings two errors, its own with its xid and `BFC_MSG_FAILED` with
//! that of the commit, and nothing takes effect. Errors carry the outer message, not the inner one.

use super::error::ONF;
use super::experimenter::experimenter_message;
use super::flags::flags;
use super::message::Message;
use super::{DecodeError, EncodeError, ErrorCode, Raw, Reader, Writer, Xid};

/// `ONFT_BUNDLE_CONTROL`: the `exp_type` of [`BundleControl`].
pub const CONTROL: u32 = 2300;
/// `ONFT_BUNDLE_ADD_MESSAGE`: the `exp_type` of [`BundleAddMessage`].
pub const ADD_MESSAGE: u32 = 2301;

/// Names a bundle of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct BundleId(pub u32);

flags! {
    /// `enum ofp_bundle_flags` (OpenFlow 1.4.1 §7.3.9).
    BundleFlags(u16) {
        /// `OFPBF_ATOMIC`: no packet sees half of it.
        ATOMIC = 0 => "atomic",
        /// `OFPBF_ORDERED`: in the order of the messages.
        ORDERED = 1 => "ordered",
    }
}

/// `enum ofp_bundle_ctrl_type` (OpenFlow 1.4.1 §7.3.9): what to do, or what was done; a reply is its
/// request plus one. Unknown ones survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BundleControlType(pub u16);

impl BundleControlType {
    /// `OFPBCT_OPEN_REQUEST`.
    pub const OPEN_REQUEST: Self = Self(0);
    /// `OFPBCT_OPEN_REPLY`.
    pub const OPEN_REPLY: Self = Self(1);
    /// `OFPBCT_CLOSE_REQUEST`: no more messages; may be left out before a commit.
    pub const CLOSE_REQUEST: Self = Self(2);
    /// `OFPBCT_CLOSE_REPLY`.
    pub const CLOSE_REPLY: Self = Self(3);
    /// `OFPBCT_COMMIT_REQUEST`.
    pub const COMMIT_REQUEST: Self = Self(4);
    /// `OFPBCT_COMMIT_REPLY`: all of it is in effect.
    pub const COMMIT_REPLY: Self = Self(5);
    /// `OFPBCT_DISCARD_REQUEST`.
    pub const DISCARD_REQUEST: Self = Self(6);
    /// `OFPBCT_DISCARD_REPLY`.
    pub const DISCARD_REPLY: Self = Self(7);
}

/// `ONFT_BUNDLE_CONTROL` (`struct ofp14_bundle_ctrl_msg`; OpenFlow 1.4.1 §7.3.9), 24 bytes, both ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BundleControl {
    /// Which bundle.
    pub bundle_id: BundleId,
    /// What to do, or what was done.
    pub control: BundleControlType,
    /// Of the whole bundle; 0 in the replies of Open vSwitch.
    pub flags: BundleFlags,
}

impl BundleControl {
    /// Decodes what follows the experimenter header. Properties behind it, which Open vSwitch neither sends nor
    /// reads, are an error.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let control = Self::decode_head(&mut body)?;
        body.finish("bundle_control").map(|()| control)
    }

    /// Decodes what follows the experimenter header, up to the properties.
    pub fn decode_head(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bundle_id = BundleId(body.u32("bundle_control.bundle_id")?);
        let control = BundleControlType(body.u16("bundle_control.type")?);
        let flags = BundleFlags(body.u16("bundle_control.flags")?);
        Ok(Self { bundle_id, control, flags })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        self.encode_with(&[], writer, xid)
    }

    /// Appends the message with encoded properties.
    pub fn encode_with(&self, properties: &[u8], writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (ONF, CONTROL), xid, |w| {
            w.u32(self.bundle_id.0);
            w.u16(self.control.0);
            w.u16(self.flags.0);
            w.bytes(properties);
            Ok(())
        })
    }
}

/// `ONFT_BUNDLE_ADD_MESSAGE` (`struct ofp14_bundle_ctrl_msg`; OpenFlow 1.4.1 §7.3.9): one message of a
/// bundle. It is not answered unless it is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BundleAddMessage<'a> {
    /// Which bundle.
    pub bundle_id: BundleId,
    /// Of the whole bundle.
    pub flags: BundleFlags,
    /// The message, not looked at; its offsets count from the start of the outer one.
    pub message: Message<'a>,
    /// Its bytes.
    pub bytes: Raw<'a>,
    /// Padding and properties that follow it; Open vSwitch neither sends nor reads any.
    pub properties: Raw<'a>,
}

impl<'a> BundleAddMessage<'a> {
    /// Decodes what follows the experimenter header of a message with `xid`; `BFC_MSG_BAD_XID` if the inner
    /// message has another, `BFC_MSG_BAD_LEN` if it does not fit.
    pub fn decode(mut body: Reader<'a>, xid: Xid) -> Result<Self, DecodeError> {
        let bundle_id = BundleId(body.u32("bundle_add.bundle_id")?);
        body.skip(2, "bundle_add.pad")?;
        let flags = BundleFlags(body.u16("bundle_add.flags")?);
        let refuse = |error: DecodeError| DecodeError { code: ErrorCode::BFC_MSG_BAD_LEN, ..error };
        let at = body;
        let message = Message::decode_first(&mut body).map_err(refuse)?;
        if message.header.xid != xid {
            let found = message.header.xid.0.into();
            return Err(at.error("bundle_add.message.xid", found, "the outer xid", ErrorCode::BFC_MSG_BAD_XID));
        }
        let bytes = Raw::take(&mut { at }, message.header.length.into(), "bundle_add.message").map_err(refuse)?;
        Ok(Self { bundle_id, flags, message, bytes, properties: Raw::rest(&mut body) })
    }

    /// Appends the message again, its inner message as it was.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        encode_add(writer, (self.bundle_id, self.flags), xid, |w, _| {
            w.bytes(self.bytes.bytes());
            w.bytes(self.properties.bytes());
            Ok(())
        })
    }
}

/// Appends an `ONFT_BUNDLE_ADD_MESSAGE` to `bundle` around the message that `inner` appends; `inner` gets the
/// xid, which has to be the same inside and outside.
pub fn encode_add(
    writer: &mut Writer,
    bundle: (BundleId, BundleFlags),
    xid: Xid,
    inner: impl FnOnce(&mut Writer, Xid) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let (bundle_id, flags) = bundle;
    experimenter_message(writer, (ONF, ADD_MESSAGE), xid, |w| {
        w.u32(bundle_id.0);
        w.zeros(2);
        w.u16(flags.0);
        inner(w, xid)
    })
}

#[cfg(test)]
mod tests {
    use super::super::barrier;
    use super::super::experimenter::Experimenter;
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;

    fn decode_add(body: Reader<'_>) -> Result<BundleAddMessage<'_>, DecodeError> {
        BundleAddMessage::decode(Experimenter::decode(body)?.body.reader(), XID)
    }

    #[test]
    fn a_bundle_control_reads_as_it_was_written() {
        let bytes = hex("04040018 12345678 4f4e4600 000008fc 00000007 0004 0003");
        let decode = |body: Reader<'_>| BundleControl::decode(Experimenter::decode(body)?.body.reader());
        let control = BundleControl {
            bundle_id: BundleId(7),
            control: BundleControlType::COMMIT_REQUEST,
            flags: BundleFlags::ATOMIC | BundleFlags::ORDERED,
        };
        assert_eq!(decode(Message::decode(&bytes).unwrap().body), Ok(control));
        assert_eq!(encoded(|w| control.encode(w, XID)), bytes);
        assert_eq!(control.flags.names().collect::<Vec<_>>(), ["atomic", "ordered"]);
        refuses_cut_and_excess(&bytes, &[], decode);
    }

    #[test]
    fn an_added_message_reads_as_it_was_written() {
        let bytes = hex("04040020 12345678 4f4e4600 000008fd 00000007 0000 0003 04140008 12345678");
        let add = decode_add(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!((add.bundle_id, add.flags, add.bytes.bytes()), (BundleId(7), BundleFlags(3), &bytes[24..]));
        assert_eq!(add.message.body.offset(), 32);
        let again = encoded(|w| {
            encode_add(w, (BundleId(7), BundleFlags(3)), XID, |w, xid| {
                barrier::encode_request(w, xid);
                Ok(())
            })
        });
        assert_eq!(again, bytes);
        assert_eq!(encoded(|w| add.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[usize::MAX], decode_add);
    }

    #[test]
    fn rejects_an_inner_message_that_does_not_fit_or_has_another_xid() {
        for (bytes, code) in [
            ("04040020 12345678 4f4e4600 000008fd 00000007 0000 0003 04140009 12345678", ErrorCode::BFC_MSG_BAD_LEN),
            ("04040020 12345678 4f4e4600 000008fd 00000007 0000 0003 04140007 12345678", ErrorCode::BFC_MSG_BAD_LEN),
            ("04040020 12345678 4f4e4600 000008fd 00000007 0000 0003 04140008 12345679", ErrorCode::BFC_MSG_BAD_XID),
        ] {
            let bytes = hex(bytes);
            assert_eq!(decode_add(Message::decode(&bytes).unwrap().body).unwrap_err().code, code);
        }
    }
}
