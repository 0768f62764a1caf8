//! Any message as a typed value, and back: what it is decides [`Form`], its body is one of [`Body`].
//!
//! Decoding and encoding gives the same bytes, but for padding, which becomes zero. Messages, properties and codes
//! that nobody knows survive. Matches, actions and instructions stay bytes here; who wants to look at them reads
//! them from where they stand.

mod extension;
mod multipart;
#[cfg(test)]
mod tests;

pub use extension::Extension;
pub use multipart::{Reply, Request};

use super::async_config::AsyncConfig;
use super::echo::Echo;
use super::error_msg::ErrorMsg;
use super::features::{self, FeaturesReply, SwitchConfig};
use super::flow_removed::FlowRemoved;
use super::group::GroupMod;
use super::header::{Header, VERSION};
use super::hello::HelloElements;
use super::kind::{Form, Kind};
use super::message::message;
use super::meter::MeterMod;
use super::multipart::Multipart;
use super::packet::{PacketIn, PacketOut};
use super::port::{PortMod, PortStatus};
use super::queue::{self, PacketQueue, QueueGetConfigReply, QueueGetConfigRequest};
use super::role::ControllerRole;
use super::table_mod::TableMod;
use super::{
    DecodeError, EncodeError, ErrorCode, FlowMod, Message, MessageType, PortNo, Raw, Reader, Writer, Xid, async_config,
    barrier,
};

/// A message of any kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnyMessage<'a> {
    /// Of its header. Only a HELLO, or what nobody knows, has another than OpenFlow 1.3.
    pub version: u8,
    /// Of its header.
    pub xid: Xid,
    /// What it says.
    pub body: Body<'a>,
}

/// What a message says. Variants without a doc line of their own are in the specification what they are here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// `OFPT_HELLO`.
    Hello(HelloElements<'a>),
    /// `OFPT_ERROR`.
    Error(ErrorMsg<'a>),
    /// `OFPT_ECHO_REQUEST`.
    EchoRequest(Echo<'a>),
    /// `OFPT_ECHO_REPLY`.
    EchoReply(Echo<'a>),
    /// `OFPT_EXPERIMENTER`.
    Experimenter(Extension<'a>),
    /// `OFPT_FEATURES_REQUEST`.
    FeaturesRequest,
    /// `OFPT_FEATURES_REPLY`.
    FeaturesReply(FeaturesReply),
    /// `OFPT_GET_CONFIG_REQUEST`.
    GetConfigRequest,
    /// `OFPT_GET_CONFIG_REPLY`.
    GetConfigReply(SwitchConfig),
    /// `OFPT_SET_CONFIG`.
    SetConfig(SwitchConfig),
    /// `OFPT_PACKET_IN`.
    PacketIn(PacketIn<'a>),
    /// `OFPT_FLOW_REMOVED`.
    FlowRemoved(FlowRemoved<'a>),
    /// `OFPT_PORT_STATUS`.
    PortStatus(PortStatus),
    /// `OFPT_PACKET_OUT`.
    PacketOut(PacketOut<'a>),
    /// `OFPT_FLOW_MOD`.
    FlowMod(FlowMod<'a>),
    /// `OFPT_GROUP_MOD`.
    GroupMod(GroupMod<'a>),
    /// `OFPT_PORT_MOD`.
    PortMod(PortMod),
    /// `OFPT_TABLE_MOD`.
    TableMod(TableMod),
    /// `OFPT_METER_MOD`.
    MeterMod(MeterMod<'a>),
    /// `OFPT_MULTIPART_REQUEST`.
    MultipartRequest {
        /// `OFPMPF_REQ_MORE`, and what no one has defined yet.
        flags: u16,
        /// What is asked.
        request: Request<'a>,
    },
    /// `OFPT_MULTIPART_REPLY`.
    MultipartReply {
        /// `OFPMPF_REPLY_MORE`, and what no one has defined yet.
        flags: u16,
        /// This part of the answer.
        reply: Reply<'a>,
    },
    /// `OFPT_BARRIER_REQUEST`.
    BarrierRequest,
    /// `OFPT_BARRIER_REPLY`.
    BarrierReply,
    /// `OFPT_QUEUE_GET_CONFIG_REQUEST`.
    QueueGetConfigRequest(QueueGetConfigRequest),
    /// `OFPT_QUEUE_GET_CONFIG_REPLY`.
    QueueGetConfigReply {
        /// The port that was asked for.
        port_no: PortNo,
        /// Its queues.
        queues: Vec<PacketQueue<'a>>,
    },
    /// `OFPT_ROLE_REQUEST`.
    RoleRequest(ControllerRole),
    /// `OFPT_ROLE_REPLY`.
    RoleReply(ControllerRole),
    /// `OFPT_GET_ASYNC_REQUEST`.
    GetAsyncRequest,
    /// `OFPT_GET_ASYNC_REPLY`.
    GetAsyncReply(AsyncConfig),
    /// `OFPT_SET_ASYNC`.
    SetAsync(AsyncConfig),
    /// A message that nobody knows, or of another version.
    Other {
        /// Of its header.
        message_type: MessageType,
        /// What follows the header.
        body: Raw<'a>,
    },
}

impl<'a> AnyMessage<'a> {
    /// Decodes `bytes`, which are exactly one message. Errors carry the code that a switch would answer with.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let message = Message::decode(bytes)?;
        let Header { version, message_type, xid, .. } = message.header;
        let other = Body::Other { message_type, body: Raw::rest(&mut { message.body }) };
        let (kind, body) = match Form::of(&message) {
            Ok((form, body)) if version == VERSION || form.kind == Kind::Hello => {
                form.check(&body)?;
                (Some(form.kind), body)
            }
            // Too short to say what it is.
            Err(error) if error.code == ErrorCode::BRC_BAD_LEN && version == VERSION => return Err(error),
            Err(_) if version == VERSION => (None, message.body),
            _ => return Ok(Self { version, xid, body: other }),
        };
        let body = Body::decode(&message, kind, body)?.unwrap_or(other);
        Ok(Self { version, xid, body })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        self.body.encode(writer, self.version, self.xid)
    }
}

impl<'a> Body<'a> {
    /// Decodes the body of a message of OpenFlow 1.3, or of a HELLO; `body` is what follows all its headers. `None`:
    /// no type here is for it.
    fn decode(message: &Message<'a>, kind: Option<Kind>, body: Reader<'a>) -> Result<Option<Self>, DecodeError> {
        match message.header.message_type {
            MessageType::EXPERIMENTER => {
                return Ok(Some(Self::Experimenter(Extension::decode(message, kind, body)?)));
            }
            MessageType::MULTIPART_REQUEST => {
                let multipart = Multipart::decode(message.body)?;
                let request = Request::decode(&multipart, kind, body)?;
                return Ok(Some(Self::MultipartRequest { flags: multipart.flags, request }));
            }
            MessageType::MULTIPART_REPLY => {
                let multipart = Multipart::decode(message.body)?;
                let reply = Reply::decode(&multipart, kind, body)?;
                return Ok(Some(Self::MultipartReply { flags: multipart.flags, reply }));
            }
            _ => {}
        }
        let Some(kind) = kind else { return Ok(None) };
        Ok(Some(match kind {
            Kind::Hello => Self::Hello(HelloElements::decode(body)),
            Kind::Error => Self::Error(ErrorMsg::decode(body)?),
            Kind::EchoRequest => Self::EchoRequest(Echo::decode(body)),
            Kind::EchoReply => Self::EchoReply(Echo::decode(body)),
            Kind::FeaturesRequest => Self::FeaturesRequest,
            Kind::FeaturesReply => Self::FeaturesReply(FeaturesReply::decode(body)?),
            Kind::GetConfigRequest => Self::GetConfigRequest,
            Kind::GetConfigReply => Self::GetConfigReply(SwitchConfig::decode(body)?),
            Kind::SetConfig => Self::SetConfig(SwitchConfig::decode(body)?),
            Kind::PacketIn => Self::PacketIn(PacketIn::decode(body)?),
            Kind::FlowRemoved => Self::FlowRemoved(FlowRemoved::decode(body)?),
            Kind::PortStatus => Self::PortStatus(PortStatus::decode(body)?),
            Kind::PacketOut => Self::PacketOut(PacketOut::decode(body)?),
            Kind::FlowMod => Self::FlowMod(FlowMod::decode(body)?),
            Kind::GroupMod => Self::GroupMod(GroupMod::decode(body)?),
            Kind::MeterMod => Self::MeterMod(MeterMod::decode(body)?),
            Kind::PortMod => Self::PortMod(PortMod::decode(body)?),
            Kind::TableMod => Self::TableMod(TableMod::decode(body)?),
            Kind::BarrierRequest => Self::BarrierRequest,
            Kind::BarrierReply => Self::BarrierReply,
            Kind::QueueGetConfigRequest => Self::QueueGetConfigRequest(QueueGetConfigRequest::decode(body)?),
            Kind::QueueGetConfigReply => {
                let reply = QueueGetConfigReply::decode(body)?;
                let queues = reply.queues().collect::<Result<_, _>>()?;
                Self::QueueGetConfigReply { port_no: reply.port_no, queues }
            }
            Kind::RoleRequest => Self::RoleRequest(ControllerRole::decode(body)?),
            Kind::RoleReply => Self::RoleReply(ControllerRole::decode(body)?),
            Kind::GetAsyncRequest => Self::GetAsyncRequest,
            Kind::GetAsyncReply => Self::GetAsyncReply(AsyncConfig::decode(body)?),
            Kind::SetAsync => Self::SetAsync(AsyncConfig::decode(body)?),
            _ => return Ok(None),
        }))
    }

    fn encode(&self, writer: &mut Writer, version: u8, xid: Xid) -> Result<(), EncodeError> {
        match self {
            Self::Hello(hello) => hello.encode(writer, version, xid)?,
            Self::Error(error) => error.encode(writer, xid)?,
            Self::EchoRequest(echo) => echo.encode_request(writer, xid)?,
            Self::EchoReply(echo) => echo.encode_reply(writer, xid)?,
            Self::Experimenter(extension) => extension.encode(writer, xid)?,
            Self::FeaturesRequest => features::encode_request(writer, xid),
            Self::FeaturesReply(features) => features.encode(writer, xid)?,
            Self::GetConfigRequest => features::encode_config_request(writer, xid),
            Self::GetConfigReply(config) => config.encode_reply(writer, xid)?,
            Self::SetConfig(config) => config.encode_set(writer, xid)?,
            Self::PacketIn(packet) => packet.encode(writer, xid)?,
            Self::FlowRemoved(removed) => removed.encode(writer, xid)?,
            Self::PortStatus(status) => status.encode(writer, xid)?,
            Self::PacketOut(packet) => packet.encode(writer, xid)?,
            Self::FlowMod(flow) => message(writer, MessageType::FLOW_MOD, xid, |w| flow.encode(w))?,
            Self::GroupMod(group) => body(writer, MessageType::GROUP_MOD, xid, |w| group.encode(w))?,
            Self::MeterMod(meter) => body(writer, MessageType::METER_MOD, xid, |w| meter.encode(w))?,
            Self::PortMod(change) => change.encode(writer, xid)?,
            Self::TableMod(change) => change.encode(writer, xid)?,
            Self::MultipartRequest { flags, request } => request.encode(writer, *flags, xid)?,
            Self::MultipartReply { flags, reply } => reply.encode(writer, *flags, xid)?,
            Self::BarrierRequest => barrier::encode_request(writer, xid),
            Self::BarrierReply => barrier::encode_reply(writer, xid),
            Self::QueueGetConfigRequest(request) => request.encode(writer, xid)?,
            Self::QueueGetConfigReply { port_no, queues } => queue::encode_config_reply(writer, xid, *port_no, queues)?,
            Self::RoleRequest(role) => role.encode_request(writer, xid)?,
            Self::RoleReply(role) => role.encode_reply(writer, xid)?,
            Self::GetAsyncRequest => async_config::encode_request(writer, xid),
            Self::GetAsyncReply(config) => config.encode_reply(writer, xid)?,
            Self::SetAsync(config) => config.encode_set(writer, xid)?,
            Self::Other { message_type, body } => {
                let mark = writer.begin();
                Header { version, message_type: *message_type, length: 0, xid }.encode(writer);
                writer.bytes(body.bytes());
                writer.end(mark, 2, "message").inspect_err(|_| writer.undo(mark))?;
            }
        }
        Ok(())
    }
}

/// Appends a message whose body `body` writes and always fits.
fn body(
    writer: &mut Writer,
    message_type: MessageType,
    xid: Xid,
    body: impl FnOnce(&mut Writer),
) -> Result<(), EncodeError> {
    message(writer, message_type, xid, |w| {
        body(w);
        Ok(())
    })
}
