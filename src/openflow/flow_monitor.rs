//! Flow monitor: what happens to the flows of a switch, as it happens; in OpenFlow 1.3 an extension of the
//! ONF (EXT-187; `include/openflow/openflow-1.3.h` of Open vSwitch).
//!
//! Request and updates are multipart messages of type `OFPMP_EXPERIMENTER` with experimenter [`ONF`] and
//! `exp_type` [`FLOW_MONITOR`]; behind those 8 bytes a body holds one [`FlowMonitorRequest`] or
//! [`FlowUpdate`] after the other. The answer to a request bears its xid and lists what is there already;
//! updates bear xid 0. Cancel, pause and resume are experimenter messages.
//!
//! Open vSwitch 3.1, as `tests/wire_switch.rs` holds it to: a bundle of one's own is one
//! [`FlowUpdate::Abbrev`] with the xid of its first effective message, sent before the commit reply. An ADD that
//! replaces a flow is *added*, not *modified*. Flows that packets teach arrive in full, but those that a
//! packet-out teaches only with the next change. Seen once and held by no test: what one's own messages changed
//! during a pause arrives in full when it ends, as the outcome and not step by step; and a refused
//! [`FlowMonitorRequest`] is answered with an error whose version, xid and data mean nothing.

use super::error::ONF;
use super::experimenter::experimenter_message;
use super::flags::flags;
use super::header::MessageType;
use super::message::message;
use super::multipart::{MultipartType, multipart_request};
use super::{Cookie, DecodeError, EncodeError, Entry, ErrorCode, PortNo, Raw, RawMatch, Reader, TableId, Writer, Xid};

/// `ONFST_FLOW_MONITOR`: the `exp_type` of the multipart messages.
pub const FLOW_MONITOR: u32 = 1870;
/// `ONFT_FLOW_MONITOR_CANCEL`: the `exp_type` of [`FlowMonitorCancel`].
pub const CANCEL: u32 = 1870;
/// `ONFT_FLOW_MONITOR_PAUSED`: the switch's buffer is full, it sends no more additions and changes. Sent
/// with xid 0 and without a body.
pub const PAUSED: u32 = 1871;
/// `ONFT_FLOW_MONITOR_RESUMED`: what happened in between was sent, updates go on. Sent with xid 0 and
/// without a body.
pub const RESUMED: u32 = 1872;

flags! {
    /// `enum onf_flow_monitor_flags`.
    FlowMonitorFlags(u16) {
        /// `ONFFMF_INITIAL`: flows that are there when the monitor begins.
        INITIAL = 0 => "initial",
        /// `ONFFMF_ADD`: flows that are added.
        ADD = 1 => "add",
        /// `ONFFMF_DELETE`: flows that go.
        DELETE = 2 => "delete",
        /// `ONFFMF_MODIFY`: flows that change.
        MODIFY = 3 => "modify",
        /// `ONFFMF_ACTIONS`: with their instructions.
        ACTIONS = 4 => "actions",
        /// `ONFFMF_OWN`: in full also what this connection does itself; without it that is one
        /// [`FlowUpdate::Abbrev`].
        OWN = 5 => "own",
    }
}

/// `struct onf_flow_monitor_request`: 16 bytes and a match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowMonitorRequest<'a> {
    /// Byte 0: the monitor's name on this connection.
    pub monitor_id: u32,
    /// Byte 4: what to send; one of add, delete and modify at the least.
    pub flags: FlowMonitorFlags,
    /// Byte 8: only flows that output there; [`PortNo::ANY`] for all.
    pub out_port: PortNo,
    /// Byte 12: only flows of that table; [`TableId::ALL`] for all.
    pub table_id: TableId,
    /// Byte 16: only flows that are at least as specific.
    pub flow_match: RawMatch<'a>,
}

impl<'a> FlowMonitorRequest<'a> {
    /// Watches all flows of a switch.
    pub fn all(monitor_id: u32, flags: FlowMonitorFlags) -> Self {
        let flow_match = RawMatch::default();
        Self { monitor_id, flags, out_port: PortNo::ANY, table_id: TableId::ALL, flow_match }
    }

    /// Appends a multipart request with this one monitor.
    pub fn encode_message(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        multipart_request(writer, MultipartType::EXPERIMENTER, xid, |w| {
            w.u32(ONF);
            w.u32(FLOW_MONITOR);
            self.encode(w)
        })
    }
}

impl<'a> Entry<'a> for FlowMonitorRequest<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let monitor_id = reader.u32("flow_monitor_request.id")?;
        let flags = FlowMonitorFlags(reader.u16("flow_monitor_request.flags")?);
        reader.skip(2, "flow_monitor_request.match_len")?;
        let out_port = PortNo(reader.u32("flow_monitor_request.out_port")?);
        let table_id = TableId(reader.u8("flow_monitor_request.table_id")?);
        let at = *reader;
        if let Some(&byte) = reader.bytes(3, "flow_monitor_request.zeros")?.iter().find(|&&byte| byte != 0) {
            let what = "flow_monitor_request.zeros";
            return Err(at.error(what, byte.into(), "0", ErrorCode::NXBRC_MUST_BE_ZERO));
        }
        Ok(Self { monitor_id, flags, out_port, table_id, flow_match: RawMatch::decode(reader)? })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.monitor_id);
        writer.u16(self.flags.0);
        writer.u16(self.flow_match.length());
        writer.u32(self.out_port.0);
        writer.u8(self.table_id.0);
        writer.zeros(3);
        self.flow_match.encode(writer);
        Ok(())
    }
}

/// What happened to a flow (`enum onf_flow_update_event`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FlowEvent {
    /// `ONFFME_ADDED`: it is new, or was there when the monitor began.
    Added,
    /// `ONFFME_DELETED`: it is gone.
    Deleted,
    /// `ONFFME_MODIFIED`: it changed, mostly its instructions.
    Modified,
}

/// `struct onf_flow_update_full`: 24 bytes, a match, and instructions.
///
/// | byte | field          |                                                        |
/// |-----:|----------------|--------------------------------------------------------|
/// |    0 | `length`       | of the whole entry, a multiple of 8                    |
/// |    2 | `event`        | 0 added, 1 deleted, 2 modified                         |
/// |    4 | `reason`       |                                                        |
/// |    6 | `priority`     |                                                        |
/// |    8 | `idle_timeout` |                                                        |
/// |   10 | `hard_timeout` |                                                        |
/// |   12 | `match_len`    | the match's `length`                                   |
/// |   14 | `table_id`     | then 1 byte of padding                                 |
/// |   16 | `cookie`       |                                                        |
/// |   24 | `match`        | padded to 8 bytes, then the instructions               |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowUpdateFull<'a> {
    /// What happened.
    pub event: FlowEvent,
    /// `OFPRR_*` of a deleted flow: 0 idle timeout, 1 hard timeout, 2 delete, 3 group delete, 4 meter
    /// delete, 5 eviction; otherwise 0.
    pub reason: u16,
    /// The flow's priority.
    pub priority: u16,
    /// Seconds; 0 for never.
    pub idle_timeout: u16,
    /// Seconds; 0 for never.
    pub hard_timeout: u16,
    /// The flow's table.
    pub table_id: TableId,
    /// The flow's cookie.
    pub cookie: Cookie,
    /// The flow's match.
    pub flow_match: RawMatch<'a>,
    /// Encoded instructions; none unless [`FlowMonitorFlags::ACTIONS`] was asked for.
    pub instructions: Raw<'a>,
}

/// One entry of an update (`struct onf_flow_update_header` and what follows).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowUpdate<'a> {
    /// Something happened to a flow.
    Full(FlowUpdateFull<'a>),
    /// `ONFFME_ABBREV` (`struct onf_flow_update_abbrev`): this connection's own message did what it said.
    Abbrev {
        /// Of that message.
        xid: Xid,
    },
}

const EVENT_ABBREV: u16 = 3;
const FULL_LEN: usize = 24;

impl<'a> Entry<'a> for FlowUpdate<'a> {
    /// Decodes the next entry; `BRC_BAD_LEN` if its length does not fit, `NXBRC_FM_BAD_EVENT` if its event
    /// is unknown.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = *reader;
        let length = { at }.u16("flow_update.length")?;
        if length % 8 != 0 || length < 8 || usize::from(length) > reader.remaining() {
            let expected = "a multiple of 8, 8 at the least, and no more than what is left of the message";
            return Err(at.error("flow_update.length", length.into(), expected, ErrorCode::BRC_BAD_LEN));
        }
        let mut entry = reader.child(length.into(), "flow_update")?;
        entry.skip(2, "flow_update.length")?;
        let at = entry;
        let event = match entry.u16("flow_update.event")? {
            0 => FlowEvent::Added,
            1 => FlowEvent::Deleted,
            2 => FlowEvent::Modified,
            EVENT_ABBREV => {
                let xid = Xid(entry.u32("flow_update.xid")?);
                entry.finish("flow_update")?;
                return Ok(Self::Abbrev { xid });
            }
            event => {
                let expected = "0 to 3";
                return Err(at.error("flow_update.event", event.into(), expected, ErrorCode::NXBRC_FM_BAD_EVENT));
            }
        };
        let reason = entry.u16("flow_update.reason")?;
        let priority = entry.u16("flow_update.priority")?;
        let idle_timeout = entry.u16("flow_update.idle_timeout")?;
        let hard_timeout = entry.u16("flow_update.hard_timeout")?;
        let at = entry;
        let match_len = entry.u16("flow_update.match_len")?;
        let table_id = TableId(entry.u8("flow_update.table_id")?);
        entry.skip(1, "flow_update.pad")?;
        let cookie = Cookie(entry.u64("flow_update.cookie")?);
        let flow_match = RawMatch::decode(&mut entry)?;
        if match_len != flow_match.length() {
            let expected = "the length of the match";
            return Err(at.error("flow_update.match_len", match_len.into(), expected, ErrorCode::BRC_BAD_LEN));
        }
        let instructions = Raw::rest(&mut entry);
        Ok(Self::Full(FlowUpdateFull {
            event,
            reason,
            priority,
            idle_timeout,
            hard_timeout,
            table_id,
            cookie,
            flow_match,
            instructions,
        }))
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Full(full) => full.encode(writer),
            Self::Abbrev { xid } => {
                writer.u16(8);
                writer.u16(EVENT_ABBREV);
                writer.u32(xid.0);
                Ok(())
            }
        }
    }
}

impl FlowUpdateFull<'_> {
    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let found = FULL_LEN + self.flow_match.whole().bytes().len() + self.instructions.bytes().len();
        let what = "flow_update";
        writer.u16(u16::try_from(found).map_err(|_| EncodeError::TooLong { what, found })?);
        writer.u16(match self.event {
            FlowEvent::Added => 0,
            FlowEvent::Deleted => 1,
            FlowEvent::Modified => 2,
        });
        writer.u16(self.reason);
        writer.u16(self.priority);
        writer.u16(self.idle_timeout);
        writer.u16(self.hard_timeout);
        writer.u16(self.flow_match.length());
        writer.u8(self.table_id.0);
        writer.zeros(1);
        writer.u64(self.cookie.0);
        self.flow_match.encode(writer);
        writer.bytes(self.instructions.bytes());
        Ok(())
    }
}

/// Appends a multipart reply with `updates`, as a switch sends it.
pub fn encode_updates(writer: &mut Writer, xid: Xid, updates: &[FlowUpdate<'_>]) -> Result<(), EncodeError> {
    message(writer, MessageType::MULTIPART_REPLY, xid, |w| {
        w.u16(MultipartType::EXPERIMENTER.0);
        w.zeros(6);
        w.u32(ONF);
        w.u32(FLOW_MONITOR);
        updates.iter().try_for_each(|update| update.encode(w))
    })
}

/// `ONFT_FLOW_MONITOR_CANCEL` (`struct nx_flow_monitor_cancel`), 20 bytes. It is answered only if it is
/// refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowMonitorCancel {
    /// Which monitor.
    pub monitor_id: u32,
}

impl FlowMonitorCancel {
    /// Decodes what follows the experimenter header.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let monitor_id = body.u32("flow_monitor_cancel.id")?;
        body.finish("flow_monitor_cancel")?;
        Ok(Self { monitor_id })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (ONF, CANCEL), xid, |w| {
            w.u32(self.monitor_id);
            Ok(())
        })
    }
}

#[cfg(test)]
#[path = "flow_monitor_tests.rs"]
mod tests;
