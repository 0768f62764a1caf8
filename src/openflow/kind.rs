//! What a message is: the name that Open vSwitch 3.1 gives it and how long its body may be, in every version of
//! OpenFlow (`include/openvswitch/ofp-msgs.h`).
//!
//! A peer of OpenFlow 1.3 may still send a message of another version, a HELLO first of all, and an error may
//! carry one; bodies are decoded for 1.3 alone.

use super::error::{NICIRA, ONF};
use super::header::{MessageType, VERSION};
use super::message::Message;
use super::multipart::MultipartType;
use super::{DecodeError, ErrorCode, Reader};

use Class::{Nicira, NiciraReply, NiciraRequest, Onf, OnfReply, OnfRequest, Plain, Reply, Request};
use Kind::*;

/// What a message is, whatever its version. A variant's own line says what Open vSwitch prints for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// `OFPT_HELLO`.
    Hello,
    /// `OFPT_ERROR`.
    Error,
    /// `OFPT_ECHO_REQUEST`.
    EchoRequest,
    /// `OFPT_ECHO_REPLY`.
    EchoReply,
    /// `OFPT_FEATURES_REQUEST`.
    FeaturesRequest,
    /// `OFPT_FEATURES_REPLY`.
    FeaturesReply,
    /// `OFPT_GET_CONFIG_REQUEST`.
    GetConfigRequest,
    /// `OFPT_GET_CONFIG_REPLY`.
    GetConfigReply,
    /// `OFPT_SET_CONFIG`.
    SetConfig,
    /// `OFPT_PACKET_IN`.
    PacketIn,
    /// `NXT_PACKET_IN`.
    NxPacketIn,
    /// `NXT_PACKET_IN2`.
    NxPacketIn2,
    /// `OFPT_FLOW_REMOVED`.
    FlowRemoved,
    /// `NXT_FLOW_REMOVED`.
    NxFlowRemoved,
    /// `OFPT_PORT_STATUS`.
    PortStatus,
    /// `OFPT_PACKET_OUT`.
    PacketOut,
    /// `OFPT_FLOW_MOD`.
    FlowMod,
    /// `NXT_FLOW_MOD`.
    NxFlowMod,
    /// `NXT_GROUP_MOD`, `OFPT_GROUP_MOD`.
    GroupMod,
    /// `OFPT_PORT_MOD`.
    PortMod,
    /// `OFPT_TABLE_MOD`.
    TableMod,
    /// `OFPT_BARRIER_REQUEST`.
    BarrierRequest,
    /// `OFPT_BARRIER_REPLY`.
    BarrierReply,
    /// `OFPT_QUEUE_GET_CONFIG_REQUEST`.
    QueueGetConfigRequest,
    /// `OFPT_QUEUE_GET_CONFIG_REPLY`.
    QueueGetConfigReply,
    /// `OFPT_ROLE_REQUEST`.
    RoleRequest,
    /// `NXT_ROLE_REQUEST`.
    NxRoleRequest,
    /// `OFPT_ROLE_REPLY`.
    RoleReply,
    /// `NXT_ROLE_REPLY`.
    NxRoleReply,
    /// `OFPT_GET_ASYNC_REQUEST`.
    GetAsyncRequest,
    /// `OFPT_GET_ASYNC_REPLY`.
    GetAsyncReply,
    /// `OFPT_SET_ASYNC`.
    SetAsync,
    /// `NXT_SET_ASYNC_CONFIG`.
    NxSetAsync,
    /// `NXT_SET_ASYNC_CONFIG2`.
    NxSetAsync2,
    /// `OFPT_METER_MOD`.
    MeterMod,
    /// `OFPT_ROLE_STATUS`, `ONFT_ROLE_STATUS`.
    RoleStatus,
    /// `OFPT_TABLE_STATUS`.
    TableStatus,
    /// `NXT_REQUESTFORWARD`, `OFPT_REQUESTFORWARD`, `ONFT_REQUESTFORWARD`.
    RequestForward,
    /// `OFPT_BUNDLE_CONTROL`, `ONFT_BUNDLE_CONTROL`.
    BundleControl,
    /// `OFPT_BUNDLE_ADD_MESSAGE`, `ONFT_BUNDLE_ADD_MESSAGE`.
    BundleAddMessage,
    /// `OFPST_DESC request`.
    DescRequest,
    /// `OFPST_DESC reply`.
    DescReply,
    /// `NXST_FLOW request`, `OFPST_FLOW request`.
    FlowStatsRequest,
    /// `NXST_FLOW reply`, `OFPST_FLOW reply`.
    FlowStatsReply,
    /// `NXST_AGGREGATE request`, `OFPST_AGGREGATE request`.
    AggregateStatsRequest,
    /// `NXST_AGGREGATE reply`, `OFPST_AGGREGATE reply`.
    AggregateStatsReply,
    /// `OFPST_TABLE request`.
    TableStatsRequest,
    /// `OFPST_TABLE reply`.
    TableStatsReply,
    /// `OFPST_PORT request`.
    PortStatsRequest,
    /// `OFPST_PORT reply`.
    PortStatsReply,
    /// `OFPST_QUEUE request`.
    QueueStatsRequest,
    /// `OFPST_QUEUE reply`.
    QueueStatsReply,
    /// `NXST_GROUP request`, `OFPST_GROUP request`.
    GroupStatsRequest,
    /// `NXST_GROUP reply`, `OFPST_GROUP reply`.
    GroupStatsReply,
    /// `NXST_GROUP_DESC request`, `OFPST_GROUP_DESC request`.
    GroupDescRequest,
    /// `NXST_GROUP_DESC reply`, `OFPST_GROUP_DESC reply`.
    GroupDescReply,
    /// `NXST_GROUP_FEATURES request`, `OFPST_GROUP_FEATURES request`.
    GroupFeaturesRequest,
    /// `NXST_GROUP_FEATURES reply`, `OFPST_GROUP_FEATURES reply`.
    GroupFeaturesReply,
    /// `OFPST_METER request`.
    MeterStatsRequest,
    /// `OFPST_METER reply`.
    MeterStatsReply,
    /// `OFPST_METER_CONFIG request`.
    MeterConfigRequest,
    /// `OFPST_METER_CONFIG reply`.
    MeterConfigReply,
    /// `OFPST_METER_FEATURES request`.
    MeterFeaturesRequest,
    /// `OFPST_METER_FEATURES reply`.
    MeterFeaturesReply,
    /// `OFPST_TABLE_FEATURES request`.
    TableFeaturesRequest,
    /// `OFPST_TABLE_FEATURES reply`.
    TableFeaturesReply,
    /// `OFPST_TABLE_DESC request`.
    TableDescRequest,
    /// `OFPST_TABLE_DESC reply`.
    TableDescReply,
    /// `OFPST_PORT_DESC request`.
    PortDescRequest,
    /// `OFPST_PORT_DESC reply`.
    PortDescReply,
    /// `OFPST_QUEUE_DESC request`.
    QueueDescRequest,
    /// `OFPST_QUEUE_DESC reply`.
    QueueDescReply,
    /// `NXST_FLOW_MONITOR request`, `OFPST_FLOW_MONITOR request`, `ONFST_FLOW_MONITOR request`.
    FlowMonitorRequest,
    /// `NXST_FLOW_MONITOR reply`, `OFPST_FLOW_MONITOR reply`, `ONFST_FLOW_MONITOR reply`.
    FlowMonitorReply,
    /// `NXT_FLOW_MONITOR_CANCEL`, `ONFT_FLOW_MONITOR_CANCEL`.
    FlowMonitorCancel,
    /// `NXT_FLOW_MONITOR_PAUSED`, `ONFT_FLOW_MONITOR_PAUSED`.
    FlowMonitorPaused,
    /// `NXT_FLOW_MONITOR_RESUMED`, `ONFT_FLOW_MONITOR_RESUMED`.
    FlowMonitorResumed,
    /// `NXT_SET_FLOW_FORMAT`.
    SetFlowFormat,
    /// `NXT_FLOW_MOD_TABLE_ID`.
    FlowModTableId,
    /// `NXT_SET_PACKET_IN_FORMAT`.
    SetPacketInFormat,
    /// `NXT_FLOW_AGE`.
    FlowAge,
    /// `NXT_SET_CONTROLLER_ID`.
    SetControllerId,
    /// `NXT_TLV_TABLE_MOD`.
    TlvTableMod,
    /// `NXT_TLV_TABLE_REQUEST`.
    TlvTableRequest,
    /// `NXT_TLV_TABLE_REPLY`.
    TlvTableReply,
    /// `NXT_RESUME`.
    Resume,
    /// `NXT_CT_FLUSH_ZONE`.
    CtFlushZone,
    /// `NXT_CT_FLUSH`.
    CtFlush,
    /// `NXST_IPFIX_BRIDGE request`.
    IpfixBridgeRequest,
    /// `NXST_IPFIX_BRIDGE reply`.
    IpfixBridgeReply,
    /// `NXST_IPFIX_FLOW request`.
    IpfixFlowRequest,
    /// `NXST_IPFIX_FLOW reply`.
    IpfixFlowReply,
}

/// Where the number of a message stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// The type in the header.
    Plain,
    /// The type of a multipart request.
    Request,
    /// The type of a multipart reply.
    Reply,
    /// An experimenter message of Nicira.
    Nicira,
    /// A multipart request of Nicira.
    NiciraRequest,
    /// A multipart reply of Nicira.
    NiciraReply,
    /// An experimenter message of the ONF.
    Onf,
    /// A multipart request of the ONF.
    OnfRequest,
    /// A multipart reply of the ONF.
    OnfReply,
}

/// Kind, printed name, first and last version, class, number, bytes of the fixed part of the body, and of what
/// the rest is a multiple (0: there is none).
type Row = (Kind, &'static str, u8, u8, Class, u32, usize, usize);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (Hello, "OFPT_HELLO", 1, 255, Plain, 0, 0, 1),
    (Error, "OFPT_ERROR", 1, 255, Plain, 1, 4, 1),
    (EchoRequest, "OFPT_ECHO_REQUEST", 1, 255, Plain, 2, 0, 1),
    (EchoReply, "OFPT_ECHO_REPLY", 1, 255, Plain, 3, 0, 1),
    (FeaturesRequest, "OFPT_FEATURES_REQUEST", 1, 6, Plain, 5, 0, 0),
    (FeaturesReply, "OFPT_FEATURES_REPLY", 1, 1, Plain, 6, 24, 48),
    (FeaturesReply, "OFPT_FEATURES_REPLY", 2, 3, Plain, 6, 24, 64),
    (FeaturesReply, "OFPT_FEATURES_REPLY", 4, 6, Plain, 6, 24, 0),
    (GetConfigRequest, "OFPT_GET_CONFIG_REQUEST", 1, 6, Plain, 7, 0, 0),
    (GetConfigReply, "OFPT_GET_CONFIG_REPLY", 1, 6, Plain, 8, 4, 0),
    (SetConfig, "OFPT_SET_CONFIG", 1, 6, Plain, 9, 4, 0),
    (PacketIn, "OFPT_PACKET_IN", 1, 1, Plain, 10, 10, 1),
    (PacketIn, "OFPT_PACKET_IN", 2, 2, Plain, 10, 16, 1),
    (PacketIn, "OFPT_PACKET_IN", 3, 3, Plain, 10, 8, 1),
    (PacketIn, "OFPT_PACKET_IN", 4, 6, Plain, 10, 16, 1),
    (NxPacketIn, "NXT_PACKET_IN", 1, 6, Nicira, 17, 24, 1),
    (NxPacketIn2, "NXT_PACKET_IN2", 1, 6, Nicira, 30, 0, 8),
    (FlowRemoved, "OFPT_FLOW_REMOVED", 1, 1, Plain, 11, 80, 0),
    (FlowRemoved, "OFPT_FLOW_REMOVED", 2, 5, Plain, 11, 40, 8),
    (FlowRemoved, "OFPT_FLOW_REMOVED", 6, 6, Plain, 11, 16, 8),
    (NxFlowRemoved, "NXT_FLOW_REMOVED", 1, 6, Nicira, 14, 40, 8),
    (PortStatus, "OFPT_PORT_STATUS", 1, 1, Plain, 12, 56, 0),
    (PortStatus, "OFPT_PORT_STATUS", 2, 4, Plain, 12, 72, 0),
    (PortStatus, "OFPT_PORT_STATUS", 5, 6, Plain, 12, 48, 8),
    (PacketOut, "OFPT_PACKET_OUT", 1, 1, Plain, 13, 8, 1),
    (PacketOut, "OFPT_PACKET_OUT", 2, 5, Plain, 13, 16, 1),
    (PacketOut, "OFPT_PACKET_OUT", 6, 6, Plain, 13, 8, 1),
    (FlowMod, "OFPT_FLOW_MOD", 1, 1, Plain, 14, 64, 8),
    (FlowMod, "OFPT_FLOW_MOD", 2, 6, Plain, 14, 40, 8),
    (NxFlowMod, "NXT_FLOW_MOD", 1, 6, Nicira, 13, 32, 8),
    (GroupMod, "NXT_GROUP_MOD", 1, 1, Nicira, 31, 16, 8),
    (GroupMod, "OFPT_GROUP_MOD", 2, 5, Plain, 15, 8, 8),
    (GroupMod, "OFPT_GROUP_MOD", 6, 6, Plain, 15, 16, 8),
    (PortMod, "OFPT_PORT_MOD", 1, 1, Plain, 15, 24, 0),
    (PortMod, "OFPT_PORT_MOD", 2, 4, Plain, 16, 32, 0),
    (PortMod, "OFPT_PORT_MOD", 5, 6, Plain, 16, 24, 8),
    (TableMod, "OFPT_TABLE_MOD", 2, 4, Plain, 17, 8, 0),
    (TableMod, "OFPT_TABLE_MOD", 5, 6, Plain, 17, 8, 8),
    (BarrierRequest, "OFPT_BARRIER_REQUEST", 1, 1, Plain, 18, 0, 0),
    (BarrierRequest, "OFPT_BARRIER_REQUEST", 2, 6, Plain, 20, 0, 0),
    (BarrierReply, "OFPT_BARRIER_REPLY", 1, 1, Plain, 19, 0, 0),
    (BarrierReply, "OFPT_BARRIER_REPLY", 2, 6, Plain, 21, 0, 0),
    (QueueGetConfigRequest, "OFPT_QUEUE_GET_CONFIG_REQUEST", 1, 1, Plain, 20, 4, 0),
    (QueueGetConfigRequest, "OFPT_QUEUE_GET_CONFIG_REQUEST", 2, 4, Plain, 22, 8, 0),
    (QueueGetConfigReply, "OFPT_QUEUE_GET_CONFIG_REPLY", 1, 1, Plain, 21, 8, 8),
    (QueueGetConfigReply, "OFPT_QUEUE_GET_CONFIG_REPLY", 2, 4, Plain, 23, 8, 8),
    (RoleRequest, "OFPT_ROLE_REQUEST", 3, 6, Plain, 24, 16, 0),
    (NxRoleRequest, "NXT_ROLE_REQUEST", 1, 6, Nicira, 10, 4, 0),
    (RoleReply, "OFPT_ROLE_REPLY", 3, 6, Plain, 25, 16, 0),
    (NxRoleReply, "NXT_ROLE_REPLY", 1, 6, Nicira, 11, 4, 0),
    (GetAsyncRequest, "OFPT_GET_ASYNC_REQUEST", 4, 6, Plain, 26, 0, 0),
    (GetAsyncReply, "OFPT_GET_ASYNC_REPLY", 4, 4, Plain, 27, 24, 0),
    (GetAsyncReply, "OFPT_GET_ASYNC_REPLY", 5, 6, Plain, 27, 0, 8),
    (SetAsync, "OFPT_SET_ASYNC", 4, 4, Plain, 28, 24, 0),
    (NxSetAsync, "NXT_SET_ASYNC_CONFIG", 1, 6, Nicira, 19, 24, 0),
    (NxSetAsync2, "NXT_SET_ASYNC_CONFIG2", 1, 4, Nicira, 27, 0, 8),
    (SetAsync, "OFPT_SET_ASYNC", 5, 6, Plain, 28, 0, 8),
    (MeterMod, "OFPT_METER_MOD", 4, 6, Plain, 29, 8, 8),
    (RoleStatus, "ONFT_ROLE_STATUS", 4, 4, Onf, 1911, 16, 8),
    (RoleStatus, "OFPT_ROLE_STATUS", 5, 6, Plain, 30, 16, 8),
    (TableStatus, "OFPT_TABLE_STATUS", 5, 6, Plain, 31, 8, 8),
    (RequestForward, "NXT_REQUESTFORWARD", 1, 3, Nicira, 132, 8, 8),
    (RequestForward, "ONFT_REQUESTFORWARD", 4, 4, Onf, 2350, 8, 8),
    (RequestForward, "OFPT_REQUESTFORWARD", 5, 6, Plain, 32, 8, 8),
    (BundleControl, "OFPT_BUNDLE_CONTROL", 5, 6, Plain, 33, 8, 8),
    (BundleControl, "ONFT_BUNDLE_CONTROL", 4, 4, Onf, 2300, 8, 8),
    (BundleAddMessage, "OFPT_BUNDLE_ADD_MESSAGE", 5, 6, Plain, 34, 8, 1),
    (BundleAddMessage, "ONFT_BUNDLE_ADD_MESSAGE", 4, 4, Onf, 2301, 8, 1),
    (DescRequest, "OFPST_DESC request", 1, 6, Request, 0, 0, 0),
    (DescReply, "OFPST_DESC reply", 1, 6, Reply, 0, 1056, 0),
    (FlowStatsRequest, "OFPST_FLOW request", 1, 1, Request, 1, 44, 0),
    (FlowStatsRequest, "OFPST_FLOW request", 2, 6, Request, 1, 32, 8),
    (FlowStatsRequest, "NXST_FLOW request", 1, 1, NiciraRequest, 0, 8, 8),
    (FlowStatsReply, "OFPST_FLOW reply", 1, 6, Reply, 1, 0, 1),
    (FlowStatsReply, "NXST_FLOW reply", 1, 1, NiciraReply, 0, 0, 1),
    (AggregateStatsRequest, "OFPST_AGGREGATE request", 1, 1, Request, 2, 44, 0),
    (AggregateStatsRequest, "OFPST_AGGREGATE request", 2, 6, Request, 2, 32, 8),
    (AggregateStatsRequest, "NXST_AGGREGATE request", 1, 1, NiciraRequest, 1, 8, 8),
    (AggregateStatsReply, "OFPST_AGGREGATE reply", 1, 5, Reply, 2, 24, 0),
    (AggregateStatsReply, "OFPST_AGGREGATE reply", 6, 6, Reply, 2, 0, 1),
    (AggregateStatsReply, "NXST_AGGREGATE reply", 1, 1, NiciraReply, 1, 24, 0),
    (TableStatsRequest, "OFPST_TABLE request", 1, 6, Request, 3, 0, 0),
    (TableStatsReply, "OFPST_TABLE reply", 1, 1, Reply, 3, 0, 64),
    (TableStatsReply, "OFPST_TABLE reply", 2, 2, Reply, 3, 0, 88),
    (TableStatsReply, "OFPST_TABLE reply", 3, 3, Reply, 3, 0, 128),
    (TableStatsReply, "OFPST_TABLE reply", 4, 6, Reply, 3, 0, 24),
    (PortStatsRequest, "OFPST_PORT request", 1, 6, Request, 4, 8, 0),
    (PortStatsReply, "OFPST_PORT reply", 1, 3, Reply, 4, 0, 104),
    (PortStatsReply, "OFPST_PORT reply", 4, 4, Reply, 4, 0, 112),
    (PortStatsReply, "OFPST_PORT reply", 5, 6, Reply, 4, 0, 8),
    (QueueStatsRequest, "OFPST_QUEUE request", 1, 6, Request, 5, 8, 0),
    (QueueStatsReply, "OFPST_QUEUE reply", 1, 3, Reply, 5, 0, 32),
    (QueueStatsReply, "OFPST_QUEUE reply", 4, 4, Reply, 5, 0, 40),
    (QueueStatsReply, "OFPST_QUEUE reply", 5, 6, Reply, 5, 0, 8),
    (GroupStatsRequest, "NXST_GROUP request", 1, 1, NiciraRequest, 7, 8, 0),
    (GroupStatsRequest, "OFPST_GROUP request", 2, 6, Request, 6, 8, 0),
    (GroupStatsReply, "NXST_GROUP reply", 1, 1, NiciraReply, 7, 0, 8),
    (GroupStatsReply, "OFPST_GROUP reply", 2, 6, Reply, 6, 0, 8),
    (GroupDescRequest, "NXST_GROUP_DESC request", 1, 1, NiciraRequest, 8, 8, 0),
    (GroupDescRequest, "OFPST_GROUP_DESC request", 2, 5, Request, 7, 0, 0),
    (GroupDescRequest, "OFPST_GROUP_DESC request", 6, 6, Request, 7, 8, 0),
    (GroupDescReply, "NXST_GROUP_DESC reply", 1, 1, NiciraReply, 8, 0, 8),
    (GroupDescReply, "OFPST_GROUP_DESC reply", 2, 6, Reply, 7, 0, 8),
    (GroupFeaturesRequest, "NXST_GROUP_FEATURES request", 1, 2, NiciraRequest, 9, 0, 0),
    (GroupFeaturesRequest, "OFPST_GROUP_FEATURES request", 3, 6, Request, 8, 0, 0),
    (GroupFeaturesReply, "NXST_GROUP_FEATURES reply", 1, 2, NiciraReply, 9, 40, 0),
    (GroupFeaturesReply, "OFPST_GROUP_FEATURES reply", 3, 6, Reply, 8, 40, 0),
    (MeterStatsRequest, "OFPST_METER request", 4, 6, Request, 9, 8, 0),
    (MeterStatsReply, "OFPST_METER reply", 4, 6, Reply, 9, 0, 8),
    (MeterConfigRequest, "OFPST_METER_CONFIG request", 4, 6, Request, 10, 8, 0),
    (MeterConfigReply, "OFPST_METER_CONFIG reply", 4, 6, Reply, 10, 0, 8),
    (MeterFeaturesRequest, "OFPST_METER_FEATURES request", 4, 6, Request, 11, 0, 0),
    (MeterFeaturesReply, "OFPST_METER_FEATURES reply", 4, 6, Reply, 11, 16, 0),
    (TableFeaturesRequest, "OFPST_TABLE_FEATURES request", 4, 6, Request, 12, 0, 8),
    (TableFeaturesReply, "OFPST_TABLE_FEATURES reply", 4, 6, Reply, 12, 64, 8),
    (TableDescRequest, "OFPST_TABLE_DESC request", 5, 6, Request, 14, 0, 0),
    (TableDescReply, "OFPST_TABLE_DESC reply", 5, 6, Reply, 14, 8, 8),
    (PortDescRequest, "OFPST_PORT_DESC request", 1, 5, Request, 13, 0, 0),
    (PortDescRequest, "OFPST_PORT_DESC request", 6, 6, Request, 13, 8, 0),
    (PortDescReply, "OFPST_PORT_DESC reply", 1, 1, Reply, 13, 0, 48),
    (PortDescReply, "OFPST_PORT_DESC reply", 2, 4, Reply, 13, 0, 64),
    (PortDescReply, "OFPST_PORT_DESC reply", 5, 6, Reply, 13, 0, 8),
    (QueueDescRequest, "OFPST_QUEUE_DESC request", 5, 6, Request, 15, 8, 0),
    (QueueDescReply, "OFPST_QUEUE_DESC reply", 5, 6, Reply, 15, 0, 8),
    (FlowMonitorRequest, "OFPST_FLOW_MONITOR request", 5, 6, Request, 16, 0, 8),
    (FlowMonitorRequest, "ONFST_FLOW_MONITOR request", 4, 4, OnfRequest, 1870, 0, 8),
    (FlowMonitorRequest, "NXST_FLOW_MONITOR request", 1, 3, NiciraRequest, 2, 0, 8),
    (FlowMonitorReply, "OFPST_FLOW_MONITOR reply", 5, 6, Reply, 16, 0, 8),
    (FlowMonitorReply, "ONFST_FLOW_MONITOR reply", 4, 4, OnfReply, 1870, 0, 8),
    (FlowMonitorReply, "NXST_FLOW_MONITOR reply", 1, 3, NiciraReply, 2, 0, 8),
    (FlowMonitorCancel, "ONFT_FLOW_MONITOR_CANCEL", 4, 4, Onf, 1870, 4, 0),
    (FlowMonitorCancel, "NXT_FLOW_MONITOR_CANCEL", 1, 3, Nicira, 21, 4, 0),
    (FlowMonitorPaused, "ONFT_FLOW_MONITOR_PAUSED", 4, 4, Onf, 1871, 0, 0),
    (FlowMonitorPaused, "NXT_FLOW_MONITOR_PAUSED", 1, 3, Nicira, 22, 0, 0),
    (FlowMonitorResumed, "ONFT_FLOW_MONITOR_RESUMED", 4, 4, Onf, 1872, 0, 0),
    (FlowMonitorResumed, "NXT_FLOW_MONITOR_RESUMED", 1, 3, Nicira, 23, 0, 0),
    (SetFlowFormat, "NXT_SET_FLOW_FORMAT", 1, 1, Nicira, 12, 4, 0),
    (FlowModTableId, "NXT_FLOW_MOD_TABLE_ID", 1, 6, Nicira, 15, 8, 0),
    (SetPacketInFormat, "NXT_SET_PACKET_IN_FORMAT", 1, 6, Nicira, 16, 4, 0),
    (FlowAge, "NXT_FLOW_AGE", 1, 6, Nicira, 18, 0, 0),
    (SetControllerId, "NXT_SET_CONTROLLER_ID", 1, 6, Nicira, 20, 8, 0),
    (TlvTableMod, "NXT_TLV_TABLE_MOD", 1, 6, Nicira, 24, 8, 8),
    (TlvTableRequest, "NXT_TLV_TABLE_REQUEST", 1, 6, Nicira, 25, 0, 0),
    (TlvTableReply, "NXT_TLV_TABLE_REPLY", 1, 6, Nicira, 26, 16, 8),
    (Resume, "NXT_RESUME", 1, 6, Nicira, 28, 0, 8),
    (CtFlushZone, "NXT_CT_FLUSH_ZONE", 1, 6, Nicira, 29, 8, 0),
    (CtFlush, "NXT_CT_FLUSH", 1, 6, Nicira, 32, 8, 8),
    (IpfixBridgeRequest, "NXST_IPFIX_BRIDGE request", 1, 6, NiciraRequest, 3, 0, 0),
    (IpfixBridgeReply, "NXST_IPFIX_BRIDGE reply", 1, 6, NiciraReply, 3, 88, 0),
    (IpfixFlowRequest, "NXST_IPFIX_FLOW request", 1, 6, NiciraRequest, 4, 0, 0),
    (IpfixFlowReply, "NXST_IPFIX_FLOW reply", 1, 6, NiciraReply, 4, 0, 88),
];

/// The names of all messages of OpenFlow 1.3.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().filter(|row| (row.2..=row.3).contains(&VERSION)).map(|row| row.1)
}

/// The form of one kind of message in one version.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// What the message is.
    pub kind: Kind,
    /// Its name in the words of Open vSwitch, such as `OFPST_FLOW request`.
    pub name: &'static str,
    fixed: usize,
    unit: usize,
}

impl Form {
    /// What the beginning of `message`, which may be cut off, says that it is, and its body behind the headers.
    /// `BRC_BAD_TYPE`, `BRC_BAD_MULTIPART`, `BRC_BAD_EXPERIMENTER` or `BRC_BAD_EXP_TYPE` if nobody knows it.
    pub fn of<'a>(message: &Message<'a>) -> Result<(Self, Reader<'a>), DecodeError> {
        let at = Reader::at(&[], 1);
        let number = Number::decode(message)?;
        let version = message.header.version;
        ROWS.iter()
            .find(|row| (row.2..=row.3).contains(&version) && row.4 == number.class && row.5 == number.number)
            .map(|&(kind, name, _, _, _, _, fixed, unit)| (Self { kind, name, fixed, unit }, number.body))
            .ok_or_else(|| {
                let (what, code) = match number.class {
                    Plain => ("header.type", ErrorCode::BRC_BAD_TYPE),
                    Request | Reply => ("multipart.type", ErrorCode::BRC_BAD_MULTIPART),
                    _ => ("experimenter.exp_type", ErrorCode::BRC_BAD_EXP_TYPE),
                };
                at.error(what, number.number.into(), "a known one", code)
            })
    }

    /// Holds that a body of this form can be as long as `body`: `BRC_BAD_LEN`.
    pub fn check(&self, body: &Reader<'_>) -> Result<(), DecodeError> {
        let fits = match body.remaining().checked_sub(self.fixed) {
            Some(rest) if self.unit == 0 => rest == 0,
            Some(rest) => rest % self.unit == 0,
            None => false,
        };
        let found = body.remaining() as u64;
        let expected = match self.unit {
            0 => "the length of its kind",
            1 => "at least the length of its fixed part",
            _ => "a whole number of units behind its fixed part",
        };
        if fits { Ok(()) } else { Err(body.error("message.body", found, expected, ErrorCode::BRC_BAD_LEN)) }
    }
}

/// Where in the tables a message belongs.
struct Number<'a> {
    class: Class,
    number: u32,
    body: Reader<'a>,
}

impl<'a> Number<'a> {
    fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        let (mut body, version) = (message.body, message.header.version);
        let message_type = message.header.message_type;
        let plain = match (version, message_type) {
            (_, MessageType::EXPERIMENTER) => {
                let (experimenter, number) = experimenter(&mut body, &[NICIRA, ONF])?;
                let class = if experimenter == ONF { Onf } else { Nicira };
                return Ok(Self { class, number, body });
            }
            // Statistics had other numbers, and no padding, in OpenFlow 1.0.
            (1, MessageType(16)) | (2.., MessageType::MULTIPART_REQUEST) => Request,
            (1, MessageType(17)) | (2.., MessageType::MULTIPART_REPLY) => Reply,
            _ => return Ok(Self { class: Plain, number: message_type.0.into(), body }),
        };
        let number = body.u16("multipart.type")?;
        body.skip(if version == 1 { 2 } else { 6 }, "multipart.flags")?;
        if number != MultipartType::EXPERIMENTER.0 {
            return Ok(Self { class: plain, number: number.into(), body });
        }
        let known: &[u32] = if version == 1 { &[NICIRA] } else { &[NICIRA, ONF] };
        let (experimenter, number) = experimenter(&mut body, known)?;
        if version == 1 {
            body.skip(4, "multipart.pad")?;
        }
        let class = match (plain, experimenter == ONF) {
            (Request, false) => NiciraRequest,
            (Request, true) => OnfRequest,
            (_, false) => NiciraReply,
            (_, true) => OnfReply,
        };
        Ok(Self { class, number, body })
    }
}

/// Whose a message is and which of theirs; only those of `known`.
fn experimenter(body: &mut Reader<'_>, known: &[u32]) -> Result<(u32, u32), DecodeError> {
    let at = *body;
    let experimenter = body.u32("experimenter.experimenter")?;
    let exp_type = body.u32("experimenter.exp_type")?;
    if !known.contains(&experimenter) {
        let what = "experimenter.experimenter";
        return Err(at.error(what, experimenter.into(), "a known one", ErrorCode::BRC_BAD_EXPERIMENTER));
    }
    Ok((experimenter, exp_type))
}

#[cfg(test)]
mod tests {
    use super::super::testing::hex;
    use super::*;

    fn form(bytes: &str) -> Result<Form, DecodeError> {
        let bytes = hex(bytes);
        let message = Message::decode(&bytes).unwrap();
        let (form, body) = Form::of(&message)?;
        form.check(&body).map(|()| form)
    }

    #[test]
    fn a_message_is_named_by_its_version_and_number() {
        for (bytes, kind, name) in [
            ("04140008 00000001", BarrierRequest, "OFPT_BARRIER_REQUEST"),
            ("01120008 00000001", BarrierRequest, "OFPT_BARRIER_REQUEST"),
            ("66000008 00000001", Hello, "OFPT_HELLO"),
            ("04120010 00000001 0003000000000000", TableStatsRequest, "OFPST_TABLE request"),
            ("0110000c 00000001 00030000", TableStatsRequest, "OFPST_TABLE request"),
            ("04130018 00000001 ffff000000000000 4f4e46000000074e", FlowMonitorReply, "ONFST_FLOW_MONITOR reply"),
            ("04040010 00000001 0000232000000012", FlowAge, "NXT_FLOW_AGE"),
        ] {
            let form = form(bytes).unwrap();
            assert_eq!((form.kind, form.name), (kind, name));
        }
    }

    #[test]
    fn what_nobody_knows_is_refused_as_open_vswitch_refuses_it() {
        for (bytes, code) in [
            ("04630008 00000001", ErrorCode::BRC_BAD_TYPE),
            ("66140008 00000001", ErrorCode::BRC_BAD_TYPE),
            ("04120010 00000001 0063000000000000", ErrorCode::BRC_BAD_MULTIPART),
            ("04040010 00000001 0000000100000012", ErrorCode::BRC_BAD_EXPERIMENTER),
            ("04040010 00000001 0000232000000001", ErrorCode::BRC_BAD_EXP_TYPE),
            ("04040008 00000001", ErrorCode::BRC_BAD_LEN),
            ("04140009 00000001 00", ErrorCode::BRC_BAD_LEN),
            ("04120018 00000001 0004000000000000 00000001 00000000 00", ErrorCode::BRC_BAD_LEN),
        ] {
            let mut bytes = hex(bytes);
            let length = bytes.len() as u16;
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            let message = Message::decode(&bytes).unwrap();
            let refused = Form::of(&message).and_then(|(form, body)| form.check(&body));
            assert_eq!(refused.unwrap_err().code, code, "{bytes:02x?}");
        }
    }
}
