//! The bodies of experimenter messages: extensions of the ONF and of Nicira (`include/openvswitch/ofp-msgs.h`).

use crate::openflow::async_config::AsyncConfig;
use crate::openflow::bundle::{BundleAddMessage, BundleControl};
use crate::openflow::ct_flush::CtFlush;
use crate::openflow::error::{NICIRA, ONF};
use crate::openflow::experimenter::{Experimenter, experimenter_message};
use crate::openflow::flow_monitor::{self, FlowMonitorCancel};
use crate::openflow::kind::Kind;
use crate::openflow::nicira::{self, CtFlushZone, FlowModTableId, NxRole, SetControllerId};
use crate::openflow::nx_packet_in::{NxPacketIn, SetPacketInFormat};
use crate::openflow::packet_in2::{PACKET_IN2, PacketInProperty, RESUME};
use crate::openflow::property::Property;
use crate::openflow::request_forward::RequestForward;
use crate::openflow::role::RoleStatus;
use crate::openflow::tlv_table::{self, TlvTableMod, TlvTableReply};
use crate::openflow::{DecodeError, EncodeError, Entries, Entry, Message, Raw, Reader, Writer, Xid};

/// What an experimenter message says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Extension<'a> {
    /// `ONFT_BUNDLE_CONTROL`.
    BundleControl {
        /// What to do, or what was done.
        control: BundleControl,
        /// What follows; nothing from Open vSwitch.
        properties: Raw<'a>,
    },
    /// `ONFT_BUNDLE_ADD_MESSAGE`.
    BundleAddMessage(BundleAddMessage<'a>),
    /// `ONFT_FLOW_MONITOR_CANCEL`.
    FlowMonitorCancel(FlowMonitorCancel),
    /// `ONFT_FLOW_MONITOR_PAUSED`.
    FlowMonitorPaused,
    /// `ONFT_FLOW_MONITOR_RESUMED`.
    FlowMonitorResumed,
    /// `ONFT_ROLE_STATUS`.
    RoleStatus(RoleStatus<'a>),
    /// `ONFT_REQUESTFORWARD`.
    RequestForward(RequestForward<'a>),
    /// `NXT_ROLE_REQUEST`.
    RoleRequest(NxRole),
    /// `NXT_ROLE_REPLY`.
    RoleReply(NxRole),
    /// `NXT_FLOW_MOD_TABLE_ID`.
    FlowModTableId(FlowModTableId),
    /// `NXT_SET_PACKET_IN_FORMAT`.
    SetPacketInFormat(SetPacketInFormat),
    /// `NXT_PACKET_IN`.
    PacketIn(NxPacketIn<'a>),
    /// `NXT_PACKET_IN2`, whose properties [`PacketIn2`](crate::openflow::packet_in2::PacketIn2) puts together.
    PacketIn2(Vec<PacketInProperty<'a>>),
    /// `NXT_RESUME`: likewise.
    Resume(Vec<PacketInProperty<'a>>),
    /// `NXT_FLOW_AGE`.
    FlowAge,
    /// `NXT_SET_ASYNC_CONFIG`.
    SetAsyncConfig(AsyncConfig),
    /// `NXT_SET_ASYNC_CONFIG2`: properties of OpenFlow 1.4.
    SetAsyncConfig2(Vec<Property<'a>>),
    /// `NXT_SET_CONTROLLER_ID`.
    SetControllerId(SetControllerId),
    /// `NXT_TLV_TABLE_MOD`.
    TlvTableMod(TlvTableMod),
    /// `NXT_TLV_TABLE_REQUEST`.
    TlvTableRequest,
    /// `NXT_TLV_TABLE_REPLY`.
    TlvTableReply(TlvTableReply),
    /// `NXT_CT_FLUSH_ZONE`.
    CtFlushZone(CtFlushZone),
    /// `NXT_CT_FLUSH`.
    CtFlush(CtFlush<'a>),
    /// Any other.
    Other(Experimenter<'a>),
}

impl<'a> Extension<'a> {
    /// Decodes a message of this kind, if it is known; `body` is what follows all its headers.
    pub(super) fn decode(message: &Message<'a>, kind: Option<Kind>, mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let Some(kind) = kind else { return Ok(Self::Other(Experimenter::decode(message.body)?)) };
        Ok(match kind {
            Kind::BundleControl => Self::BundleControl {
                control: BundleControl::decode_head(&mut body)?,
                properties: Raw::rest(&mut body),
            },
            Kind::BundleAddMessage => Self::BundleAddMessage(BundleAddMessage::decode(body, message.header.xid)?),
            Kind::FlowMonitorCancel => Self::FlowMonitorCancel(FlowMonitorCancel::decode(body)?),
            Kind::FlowMonitorPaused => Self::FlowMonitorPaused,
            Kind::FlowMonitorResumed => Self::FlowMonitorResumed,
            Kind::RoleStatus => Self::RoleStatus(RoleStatus::decode(body)?),
            Kind::RequestForward => Self::RequestForward(RequestForward::decode(body)?),
            Kind::NxRoleRequest => Self::RoleRequest(NxRole::decode(body)?),
            Kind::NxRoleReply => Self::RoleReply(NxRole::decode(body)?),
            Kind::FlowModTableId => Self::FlowModTableId(FlowModTableId::decode(body)?),
            Kind::SetPacketInFormat => Self::SetPacketInFormat(SetPacketInFormat::decode(body)?),
            Kind::NxPacketIn => Self::PacketIn(NxPacketIn::decode(body)?),
            Kind::NxPacketIn2 => Self::PacketIn2(Entries::new(body).collect::<Result<_, _>>()?),
            Kind::Resume => Self::Resume(Entries::new(body).collect::<Result<_, _>>()?),
            Kind::FlowAge => Self::FlowAge,
            Kind::NxSetAsync => Self::SetAsyncConfig(AsyncConfig::decode(body)?),
            Kind::NxSetAsync2 => Self::SetAsyncConfig2(Entries::new(body).collect::<Result<_, _>>()?),
            Kind::SetControllerId => Self::SetControllerId(SetControllerId::decode(body)?),
            Kind::TlvTableMod => Self::TlvTableMod(TlvTableMod::decode(body)?),
            Kind::TlvTableRequest => Self::TlvTableRequest,
            Kind::TlvTableReply => Self::TlvTableReply(TlvTableReply::decode(body)?),
            Kind::CtFlushZone => Self::CtFlushZone(CtFlushZone::decode(body)?),
            Kind::CtFlush => Self::CtFlush(CtFlush::decode(body)?),
            _ => Self::Other(Experimenter::decode(message.body)?),
        })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        let mut empty =
            |experimenter, exp_type| experimenter_message(writer, (experimenter, exp_type), xid, |_| Ok(()));
        match self {
            Self::FlowMonitorPaused => empty(ONF, flow_monitor::PAUSED),
            Self::FlowMonitorResumed => empty(ONF, flow_monitor::RESUMED),
            Self::FlowAge => empty(NICIRA, nicira::FLOW_AGE),
            Self::TlvTableRequest => empty(NICIRA, tlv_table::REQUEST),
            Self::BundleControl { control, properties } => control.encode_with(properties.bytes(), writer, xid),
            Self::BundleAddMessage(add) => add.encode(writer, xid),
            Self::FlowMonitorCancel(cancel) => cancel.encode(writer, xid),
            Self::RoleStatus(status) => status.encode(writer, xid),
            Self::RequestForward(forward) => forward.encode(writer, xid),
            Self::RoleRequest(role) => role.encode(writer, nicira::ROLE_REQUEST, xid),
            Self::RoleReply(role) => role.encode(writer, nicira::ROLE_REPLY, xid),
            Self::FlowModTableId(set) => set.encode(writer, xid),
            Self::SetPacketInFormat(format) => format.encode(writer, xid),
            Self::SetAsyncConfig(config) => config.encode_nicira(writer, xid),
            Self::SetAsyncConfig2(properties) => list(writer, nicira::SET_ASYNC_CONFIG2, xid, properties),
            Self::PacketIn(packet) => packet.encode(writer, xid),
            Self::PacketIn2(properties) => list(writer, PACKET_IN2, xid, properties),
            Self::Resume(properties) => list(writer, RESUME, xid, properties),
            Self::SetControllerId(id) => id.encode(writer, xid),
            Self::TlvTableMod(change) => change.encode(writer, xid),
            Self::TlvTableReply(reply) => reply.encode(writer, xid),
            Self::CtFlushZone(zone) => zone.encode(writer, xid),
            Self::CtFlush(flush) => flush.encode(writer, xid),
            Self::Other(experimenter) => experimenter.encode(writer, xid),
        }
    }
}

/// Appends a message of Nicira's that is nothing but a list.
fn list<'a, T: Entry<'a>>(writer: &mut Writer, exp_type: u32, xid: Xid, entries: &[T]) -> Result<(), EncodeError> {
    experimenter_message(writer, (NICIRA, exp_type), xid, |w| entries.iter().try_for_each(|entry| entry.encode(w)))
}
