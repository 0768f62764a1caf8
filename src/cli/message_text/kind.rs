//! What a message is: the name that Open vSwitch 3.1 prints for it in OpenFlow 1.3, and how long its body may be
//! (`include/openvswitch/ofp-msgs.h`).

use crate::openflow::error::{NICIRA, ONF};
use crate::openflow::multipart::MultipartType;
use crate::openflow::{DecodeError, ErrorCode, Message, MessageType, Reader};

/// One kind of message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Such as `OFPST_FLOW request`.
    pub(super) name: &'static str,
    pub(super) id: Id,
    /// Bytes of the fixed part of the body.
    fixed: usize,
    /// The rest of the body is a multiple of this; 0: there is none.
    unit: usize,
}

/// Message type, experimenter, and which multipart or experimenter type; 0 where there is none.
pub(super) type Id = (u8, u32, u32);

const STAT_REQUEST: u8 = MessageType::MULTIPART_REQUEST.0;
const STAT_REPLY: u8 = MessageType::MULTIPART_REPLY.0;
const EXPERIMENTER: u8 = MessageType::EXPERIMENTER.0;

/// The kinds of OpenFlow 1.3.
#[rustfmt::skip]
const KINDS: &[(&str, Id, usize, usize)] = &[
    ("OFPT_HELLO", (0, 0, 0), 0, 1),
    ("OFPT_ERROR", (1, 0, 0), 4, 1),
    ("OFPT_ECHO_REQUEST", (2, 0, 0), 0, 1),
    ("OFPT_ECHO_REPLY", (3, 0, 0), 0, 1),
    ("OFPT_FEATURES_REQUEST", (5, 0, 0), 0, 0),
    ("OFPT_FEATURES_REPLY", (6, 0, 0), 24, 0),
    ("OFPT_GET_CONFIG_REQUEST", (7, 0, 0), 0, 0),
    ("OFPT_GET_CONFIG_REPLY", (8, 0, 0), 4, 0),
    ("OFPT_SET_CONFIG", (9, 0, 0), 4, 0),
    ("OFPT_PACKET_IN", (10, 0, 0), 16, 1),
    ("OFPT_FLOW_REMOVED", (11, 0, 0), 40, 8),
    ("OFPT_PORT_STATUS", (12, 0, 0), 72, 0),
    ("OFPT_PACKET_OUT", (13, 0, 0), 16, 1),
    ("OFPT_FLOW_MOD", (14, 0, 0), 40, 8),
    ("OFPT_GROUP_MOD", (15, 0, 0), 8, 8),
    ("OFPT_PORT_MOD", (16, 0, 0), 32, 0),
    ("OFPT_TABLE_MOD", (17, 0, 0), 8, 0),
    ("OFPT_BARRIER_REQUEST", (20, 0, 0), 0, 0),
    ("OFPT_BARRIER_REPLY", (21, 0, 0), 0, 0),
    ("OFPT_QUEUE_GET_CONFIG_REQUEST", (22, 0, 0), 8, 0),
    ("OFPT_QUEUE_GET_CONFIG_REPLY", (23, 0, 0), 8, 8),
    ("OFPT_ROLE_REQUEST", (24, 0, 0), 16, 0),
    ("OFPT_ROLE_REPLY", (25, 0, 0), 16, 0),
    ("OFPT_GET_ASYNC_REQUEST", (26, 0, 0), 0, 0),
    ("OFPT_GET_ASYNC_REPLY", (27, 0, 0), 24, 0),
    ("OFPT_SET_ASYNC", (28, 0, 0), 24, 0),
    ("OFPT_METER_MOD", (29, 0, 0), 8, 8),
    ("OFPST_DESC request", (STAT_REQUEST, 0, 0), 0, 0),
    ("OFPST_DESC reply", (STAT_REPLY, 0, 0), 1056, 0),
    ("OFPST_FLOW request", (STAT_REQUEST, 0, 1), 32, 8),
    ("OFPST_FLOW reply", (STAT_REPLY, 0, 1), 0, 1),
    ("OFPST_AGGREGATE request", (STAT_REQUEST, 0, 2), 32, 8),
    ("OFPST_AGGREGATE reply", (STAT_REPLY, 0, 2), 24, 0),
    ("OFPST_TABLE request", (STAT_REQUEST, 0, 3), 0, 0),
    ("OFPST_TABLE reply", (STAT_REPLY, 0, 3), 0, 24),
    ("OFPST_PORT request", (STAT_REQUEST, 0, 4), 8, 0),
    ("OFPST_PORT reply", (STAT_REPLY, 0, 4), 0, 112),
    ("OFPST_QUEUE request", (STAT_REQUEST, 0, 5), 8, 0),
    ("OFPST_QUEUE reply", (STAT_REPLY, 0, 5), 0, 40),
    ("OFPST_GROUP request", (STAT_REQUEST, 0, 6), 8, 0),
    ("OFPST_GROUP reply", (STAT_REPLY, 0, 6), 0, 8),
    ("OFPST_GROUP_DESC request", (STAT_REQUEST, 0, 7), 0, 0),
    ("OFPST_GROUP_DESC reply", (STAT_REPLY, 0, 7), 0, 8),
    ("OFPST_GROUP_FEATURES request", (STAT_REQUEST, 0, 8), 0, 0),
    ("OFPST_GROUP_FEATURES reply", (STAT_REPLY, 0, 8), 40, 0),
    ("OFPST_METER request", (STAT_REQUEST, 0, 9), 8, 0),
    ("OFPST_METER reply", (STAT_REPLY, 0, 9), 0, 8),
    ("OFPST_METER_CONFIG request", (STAT_REQUEST, 0, 10), 8, 0),
    ("OFPST_METER_CONFIG reply", (STAT_REPLY, 0, 10), 0, 8),
    ("OFPST_METER_FEATURES request", (STAT_REQUEST, 0, 11), 0, 0),
    ("OFPST_METER_FEATURES reply", (STAT_REPLY, 0, 11), 16, 0),
    ("OFPST_TABLE_FEATURES request", (STAT_REQUEST, 0, 12), 0, 8),
    ("OFPST_TABLE_FEATURES reply", (STAT_REPLY, 0, 12), 64, 8),
    ("OFPST_PORT_DESC request", (STAT_REQUEST, 0, 13), 0, 0),
    ("OFPST_PORT_DESC reply", (STAT_REPLY, 0, 13), 0, 64),
    ("ONFST_FLOW_MONITOR request", (STAT_REQUEST, ONF, 1870), 0, 8),
    ("ONFST_FLOW_MONITOR reply", (STAT_REPLY, ONF, 1870), 0, 8),
    ("NXST_IPFIX_BRIDGE request", (STAT_REQUEST, NICIRA, 3), 0, 0),
    ("NXST_IPFIX_FLOW request", (STAT_REQUEST, NICIRA, 4), 0, 0),
    ("ONFT_ROLE_STATUS", (EXPERIMENTER, ONF, 1911), 16, 8),
    ("ONFT_REQUESTFORWARD", (EXPERIMENTER, ONF, 2350), 8, 8),
    ("ONFT_BUNDLE_CONTROL", (EXPERIMENTER, ONF, 2300), 8, 8),
    ("ONFT_BUNDLE_ADD_MESSAGE", (EXPERIMENTER, ONF, 2301), 8, 1),
    ("ONFT_FLOW_MONITOR_CANCEL", (EXPERIMENTER, ONF, 1870), 4, 0),
    ("ONFT_FLOW_MONITOR_PAUSED", (EXPERIMENTER, ONF, 1871), 0, 0),
    ("ONFT_FLOW_MONITOR_RESUMED", (EXPERIMENTER, ONF, 1872), 0, 0),
    ("NXT_ROLE_REQUEST", (EXPERIMENTER, NICIRA, 10), 4, 0),
    ("NXT_ROLE_REPLY", (EXPERIMENTER, NICIRA, 11), 4, 0),
    ("NXT_FLOW_MOD_TABLE_ID", (EXPERIMENTER, NICIRA, 15), 8, 0),
    ("NXT_SET_PACKET_IN_FORMAT", (EXPERIMENTER, NICIRA, 16), 4, 0),
    ("NXT_PACKET_IN", (EXPERIMENTER, NICIRA, 17), 24, 1),
    ("NXT_FLOW_AGE", (EXPERIMENTER, NICIRA, 18), 0, 0),
    ("NXT_SET_CONTROLLER_ID", (EXPERIMENTER, NICIRA, 20), 8, 0),
    ("NXT_TLV_TABLE_MOD", (EXPERIMENTER, NICIRA, 24), 8, 8),
    ("NXT_TLV_TABLE_REQUEST", (EXPERIMENTER, NICIRA, 25), 0, 0),
    ("NXT_TLV_TABLE_REPLY", (EXPERIMENTER, NICIRA, 26), 16, 8),
    ("NXT_RESUME", (EXPERIMENTER, NICIRA, 28), 0, 8),
    ("NXT_CT_FLUSH_ZONE", (EXPERIMENTER, NICIRA, 29), 8, 0),
    ("NXT_PACKET_IN2", (EXPERIMENTER, NICIRA, 30), 0, 8),
    ("NXT_CT_FLUSH", (EXPERIMENTER, NICIRA, 32), 8, 8),
];

/// The names of all kinds of messages that have a text, such as `OFPST_FLOW request`.
pub fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.0)
}

impl Kind {
    /// What the beginning of `message` says that it is, and its body. The body's length may be wrong.
    pub(super) fn of<'a>(message: &Message<'a>) -> Result<(Self, Reader<'a>), DecodeError> {
        let at = Reader::at(&[], 1);
        let message_type = message.header.message_type;
        let mut body = message.body;
        let mut id = (message_type.0, 0, 0);
        let mut unknown = ("header.type", ErrorCode::BRC_BAD_TYPE);
        let multipart = matches!(message_type, MessageType::MULTIPART_REQUEST | MessageType::MULTIPART_REPLY);
        if multipart {
            let stat = body.u16("multipart.type")?;
            body.skip(6, "multipart.flags")?;
            id.2 = u32::from(stat);
            unknown = ("multipart.type", ErrorCode::BRC_BAD_MULTIPART);
        }
        let experimenter =
            if multipart { id.2 == u32::from(MultipartType::EXPERIMENTER.0) } else { id.0 == EXPERIMENTER };
        if experimenter {
            id.1 = body.u32("experimenter.experimenter")?;
            id.2 = body.u32("experimenter.exp_type")?;
            let code = if [ONF, NICIRA].contains(&id.1) {
                ErrorCode::BRC_BAD_EXP_TYPE
            } else {
                ErrorCode::BRC_BAD_EXPERIMENTER
            };
            unknown = ("experimenter.exp_type", code);
        }
        KINDS
            .iter()
            .find(|kind| kind.1 == id)
            .map(|&(name, id, fixed, unit)| (Self { name, id, fixed, unit }, body))
            .ok_or_else(|| at.error(unknown.0, id.2.into(), "a known one", unknown.1))
    }

    /// Holds that a body of this kind can be as long as `body`.
    pub(super) fn check(&self, body: &Reader<'_>) -> Result<(), DecodeError> {
        let fits = match body.remaining().checked_sub(self.fixed) {
            Some(rest) if self.unit == 0 => rest == 0,
            Some(rest) => rest % self.unit == 0,
            None => false,
        };
        let found = body.remaining() as u64;
        if fits { Ok(()) } else { Err(body.error("message", found, "another length", ErrorCode::BRC_BAD_LEN)) }
    }
}
