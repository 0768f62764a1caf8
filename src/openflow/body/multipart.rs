//! The bodies of multipart messages (OpenFlow 1.3.5 §7.3.5).

use crate::openflow::desc::Desc;
use crate::openflow::error::{NICIRA, ONF};
use crate::openflow::flow_monitor::{FLOW_MONITOR, FlowMonitorRequest, FlowUpdate};
use crate::openflow::flow_stats::{AggregateStats, FlowStatsRequest};
use crate::openflow::group::{GroupDesc, GroupStats};
use crate::openflow::group_features::{GroupFeatures, GroupStatsRequest};
use crate::openflow::ipfix::{IPFIX_BRIDGE, IPFIX_FLOW, IpfixStats};
use crate::openflow::kind::Kind;
use crate::openflow::meter::{MeterConfig, MeterStats};
use crate::openflow::meter_features::{MeterFeatures, MeterRequest};
use crate::openflow::multipart::{Multipart, MultipartType};
use crate::openflow::port::Port;
use crate::openflow::port_stats::{PortStats, PortStatsRequest};
use crate::openflow::queue::{QueueStats, QueueStatsRequest};
use crate::openflow::table_features::TableFeatures;
use crate::openflow::table_stats::TableStats;
use crate::openflow::{DecodeError, EncodeError, Entries, Entry, FlowStats, Raw, Reader, Writer, Xid};

/// What a multipart request asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// `OFPMP_DESC`.
    Desc,
    /// `OFPMP_FLOW`.
    Flow(FlowStatsRequest<'a>),
    /// `OFPMP_AGGREGATE`.
    Aggregate(FlowStatsRequest<'a>),
    /// `OFPMP_TABLE`.
    Table,
    /// `OFPMP_PORT_STATS`.
    PortStats(PortStatsRequest),
    /// `OFPMP_QUEUE`.
    Queue(QueueStatsRequest),
    /// `OFPMP_GROUP`.
    Group(GroupStatsRequest),
    /// `OFPMP_GROUP_DESC`.
    GroupDesc,
    /// `OFPMP_GROUP_FEATURES`.
    GroupFeatures,
    /// `OFPMP_METER`.
    Meter(MeterRequest),
    /// `OFPMP_METER_CONFIG`.
    MeterConfig(MeterRequest),
    /// `OFPMP_METER_FEATURES`.
    MeterFeatures,
    /// `OFPMP_TABLE_FEATURES`: none asks, some set.
    TableFeatures(Vec<TableFeatures<'a>>),
    /// `OFPMP_PORT_DESC`.
    PortDesc,
    /// `ONFST_FLOW_MONITOR`.
    FlowMonitor(Vec<FlowMonitorRequest<'a>>),
    /// `NXST_IPFIX_BRIDGE`.
    IpfixBridge,
    /// `NXST_IPFIX_FLOW`.
    IpfixFlow,
    /// Any other.
    Other {
        /// What the body is.
        multipart_type: MultipartType,
        /// The body.
        body: Raw<'a>,
    },
}

/// One part of a multipart reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// `OFPMP_DESC`.
    Desc(Desc<'a>),
    /// `OFPMP_FLOW`.
    Flow(Vec<FlowStats<'a>>),
    /// `OFPMP_AGGREGATE`.
    Aggregate(AggregateStats),
    /// `OFPMP_TABLE`.
    Table(Vec<TableStats>),
    /// `OFPMP_PORT_STATS`.
    PortStats(Vec<PortStats>),
    /// `OFPMP_QUEUE`.
    Queue(Vec<QueueStats>),
    /// `OFPMP_GROUP`.
    Group(Vec<GroupStats<'a>>),
    /// `OFPMP_GROUP_DESC`.
    GroupDesc(Vec<GroupDesc<'a>>),
    /// `OFPMP_GROUP_FEATURES`.
    GroupFeatures(GroupFeatures),
    /// `OFPMP_METER`.
    Meter(Vec<MeterStats<'a>>),
    /// `OFPMP_METER_CONFIG`.
    MeterConfig(Vec<MeterConfig<'a>>),
    /// `OFPMP_METER_FEATURES`.
    MeterFeatures(MeterFeatures),
    /// `OFPMP_TABLE_FEATURES`.
    TableFeatures(Vec<TableFeatures<'a>>),
    /// `OFPMP_PORT_DESC`.
    PortDesc(Vec<Port>),
    /// `ONFST_FLOW_MONITOR`.
    FlowMonitor(Vec<FlowUpdate<'a>>),
    /// `NXST_IPFIX_BRIDGE`.
    IpfixBridge(Vec<IpfixStats>),
    /// `NXST_IPFIX_FLOW`.
    IpfixFlow(Vec<IpfixStats>),
    /// Any other.
    Other {
        /// What the body is.
        multipart_type: MultipartType,
        /// The body.
        body: Raw<'a>,
    },
}

fn entries<'a, T: Entry<'a>>(body: Reader<'a>) -> Result<Vec<T>, DecodeError> {
    Entries::new(body).collect()
}

fn put<'a, T: Entry<'a>>(entries: &[T], writer: &mut Writer) -> Result<(), EncodeError> {
    entries.iter().try_for_each(|entry| entry.encode(writer))
}

/// Appends what stands between the multipart header and the body of an experimenter's.
fn experimenter(writer: &mut Writer, experimenter: u32, exp_type: u32) {
    writer.u32(experimenter);
    writer.u32(exp_type);
}

impl<'a> Request<'a> {
    /// Decodes a request of this kind, if it is known; `body` is what follows all its headers.
    pub(super) fn decode(multipart: &Multipart<'a>, kind: Option<Kind>, body: Reader<'a>) -> Result<Self, DecodeError> {
        let Multipart { multipart_type, body: whole, .. } = *multipart;
        let Some(kind) = kind else { return Ok(Self::Other { multipart_type, body: whole }) };
        Ok(match kind {
            Kind::DescRequest => Self::Desc,
            Kind::FlowStatsRequest => Self::Flow(FlowStatsRequest::decode(body)?),
            Kind::AggregateStatsRequest => Self::Aggregate(FlowStatsRequest::decode(body)?),
            Kind::TableStatsRequest => Self::Table,
            Kind::PortStatsRequest => Self::PortStats(PortStatsRequest::decode(body)?),
            Kind::QueueStatsRequest => Self::Queue(QueueStatsRequest::decode(body)?),
            Kind::GroupStatsRequest => Self::Group(GroupStatsRequest::decode(body)?),
            Kind::GroupDescRequest => Self::GroupDesc,
            Kind::GroupFeaturesRequest => Self::GroupFeatures,
            Kind::MeterStatsRequest => Self::Meter(MeterRequest::decode(body)?),
            Kind::MeterConfigRequest => Self::MeterConfig(MeterRequest::decode(body)?),
            Kind::MeterFeaturesRequest => Self::MeterFeatures,
            Kind::TableFeaturesRequest => Self::TableFeatures(entries(body)?),
            Kind::PortDescRequest => Self::PortDesc,
            Kind::FlowMonitorRequest => Self::FlowMonitor(entries(body)?),
            Kind::IpfixBridgeRequest => Self::IpfixBridge,
            Kind::IpfixFlowRequest => Self::IpfixFlow,
            _ => Self::Other { multipart_type, body: whole },
        })
    }

    /// What the body is.
    pub const fn multipart_type(&self) -> MultipartType {
        match self {
            Self::Desc => MultipartType::DESC,
            Self::Flow(_) => MultipartType::FLOW,
            Self::Aggregate(_) => MultipartType::AGGREGATE,
            Self::Table => MultipartType::TABLE,
            Self::PortStats(_) => MultipartType::PORT_STATS,
            Self::Queue(_) => MultipartType::QUEUE,
            Self::Group(_) => MultipartType::GROUP,
            Self::GroupDesc => MultipartType::GROUP_DESC,
            Self::GroupFeatures => MultipartType::GROUP_FEATURES,
            Self::Meter(_) => MultipartType::METER,
            Self::MeterConfig(_) => MultipartType::METER_CONFIG,
            Self::MeterFeatures => MultipartType::METER_FEATURES,
            Self::TableFeatures(_) => MultipartType::TABLE_FEATURES,
            Self::PortDesc => MultipartType::PORT_DESC,
            Self::FlowMonitor(_) | Self::IpfixBridge | Self::IpfixFlow => MultipartType::EXPERIMENTER,
            Self::Other { multipart_type, .. } => *multipart_type,
        }
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, flags: u16, xid: Xid) -> Result<(), EncodeError> {
        let mut body = Writer::new();
        self.encode_body(&mut body)?;
        let body = Raw::new(body.as_slice());
        Multipart { multipart_type: self.multipart_type(), flags, body }.encode_request(writer, xid)
    }

    fn encode_body(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Desc | Self::Table | Self::GroupDesc | Self::GroupFeatures | Self::MeterFeatures | Self::PortDesc => {
            }
            Self::Flow(request) | Self::Aggregate(request) => request.encode(writer),
            Self::PortStats(request) => request.encode(writer),
            Self::Queue(request) => request.encode(writer),
            Self::Group(request) => request.encode(writer),
            Self::Meter(request) | Self::MeterConfig(request) => request.encode(writer),
            Self::TableFeatures(tables) => put(tables, writer)?,
            Self::FlowMonitor(requests) => {
                experimenter(writer, ONF, FLOW_MONITOR);
                put(requests, writer)?;
            }
            Self::IpfixBridge => experimenter(writer, NICIRA, IPFIX_BRIDGE),
            Self::IpfixFlow => experimenter(writer, NICIRA, IPFIX_FLOW),
            Self::Other { body, .. } => writer.bytes(body.bytes()),
        }
        Ok(())
    }
}

impl<'a> Reply<'a> {
    /// Decodes a reply of this kind, if it is known; `body` is what follows all its headers.
    pub(super) fn decode(multipart: &Multipart<'a>, kind: Option<Kind>, body: Reader<'a>) -> Result<Self, DecodeError> {
        let Multipart { multipart_type, body: whole, .. } = *multipart;
        let Some(kind) = kind else { return Ok(Self::Other { multipart_type, body: whole }) };
        Ok(match kind {
            Kind::DescReply => Self::Desc(Desc::decode(body)?),
            Kind::FlowStatsReply => Self::Flow(entries(body)?),
            Kind::AggregateStatsReply => Self::Aggregate(AggregateStats::decode(body)?),
            Kind::TableStatsReply => Self::Table(entries(body)?),
            Kind::PortStatsReply => Self::PortStats(entries(body)?),
            Kind::QueueStatsReply => Self::Queue(entries(body)?),
            Kind::GroupStatsReply => Self::Group(entries(body)?),
            Kind::GroupDescReply => Self::GroupDesc(entries(body)?),
            Kind::GroupFeaturesReply => Self::GroupFeatures(GroupFeatures::decode(body)?),
            Kind::MeterStatsReply => Self::Meter(entries(body)?),
            Kind::MeterConfigReply => Self::MeterConfig(entries(body)?),
            Kind::MeterFeaturesReply => Self::MeterFeatures(MeterFeatures::decode(body)?),
            Kind::TableFeaturesReply => Self::TableFeatures(entries(body)?),
            Kind::PortDescReply => Self::PortDesc(entries(body)?),
            Kind::FlowMonitorReply => Self::FlowMonitor(entries(body)?),
            Kind::IpfixBridgeReply => Self::IpfixBridge(entries(body)?),
            Kind::IpfixFlowReply => Self::IpfixFlow(entries(body)?),
            _ => Self::Other { multipart_type, body: whole },
        })
    }

    /// What the body is.
    pub const fn multipart_type(&self) -> MultipartType {
        match self {
            Self::Desc(_) => MultipartType::DESC,
            Self::Flow(_) => MultipartType::FLOW,
            Self::Aggregate(_) => MultipartType::AGGREGATE,
            Self::Table(_) => MultipartType::TABLE,
            Self::PortStats(_) => MultipartType::PORT_STATS,
            Self::Queue(_) => MultipartType::QUEUE,
            Self::Group(_) => MultipartType::GROUP,
            Self::GroupDesc(_) => MultipartType::GROUP_DESC,
            Self::GroupFeatures(_) => MultipartType::GROUP_FEATURES,
            Self::Meter(_) => MultipartType::METER,
            Self::MeterConfig(_) => MultipartType::METER_CONFIG,
            Self::MeterFeatures(_) => MultipartType::METER_FEATURES,
            Self::TableFeatures(_) => MultipartType::TABLE_FEATURES,
            Self::PortDesc(_) => MultipartType::PORT_DESC,
            Self::FlowMonitor(_) | Self::IpfixBridge(_) | Self::IpfixFlow(_) => MultipartType::EXPERIMENTER,
            Self::Other { multipart_type, .. } => *multipart_type,
        }
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, flags: u16, xid: Xid) -> Result<(), EncodeError> {
        let mut body = Writer::new();
        self.encode_body(&mut body)?;
        let body = Raw::new(body.as_slice());
        Multipart { multipart_type: self.multipart_type(), flags, body }.encode_reply(writer, xid)
    }

    fn encode_body(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Desc(desc) => desc.encode(writer),
            Self::Flow(flows) => put(flows, writer)?,
            Self::Aggregate(sum) => sum.encode(writer),
            Self::Table(tables) => put(tables, writer)?,
            Self::PortStats(ports) => put(ports, writer)?,
            Self::Queue(queues) => put(queues, writer)?,
            Self::Group(groups) => put(groups, writer)?,
            Self::GroupDesc(groups) => put(groups, writer)?,
            Self::GroupFeatures(features) => features.encode(writer),
            Self::Meter(meters) => put(meters, writer)?,
            Self::MeterConfig(meters) => put(meters, writer)?,
            Self::MeterFeatures(features) => features.encode(writer),
            Self::TableFeatures(tables) => put(tables, writer)?,
            Self::PortDesc(ports) => put(ports, writer)?,
            Self::FlowMonitor(updates) => {
                experimenter(writer, ONF, FLOW_MONITOR);
                put(updates, writer)?;
            }
            Self::IpfixBridge(stats) => {
                experimenter(writer, NICIRA, IPFIX_BRIDGE);
                put(stats, writer)?;
            }
            Self::IpfixFlow(stats) => {
                experimenter(writer, NICIRA, IPFIX_FLOW);
                put(stats, writer)?;
            }
            Self::Other { body, .. } => writer.bytes(body.bytes()),
        }
        Ok(())
    }
}
