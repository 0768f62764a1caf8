//! A switch for tests: takes bytes, answers with bytes, and does with bundles, errors and the flow monitor
//! what Open vSwitch 3.1 does (`src/openflow/bundle.rs`, `src/openflow/flow_monitor.rs`).

use std::sync::Arc;

use crate::flow::{Flow, FlowKey, FlowTable};
use crate::openflow::bundle::{self, BundleAddMessage, BundleControl, BundleControlType, BundleFlags, BundleId};
use crate::openflow::echo::Echo;
use crate::openflow::error::ONF;
use crate::openflow::error_msg::ErrorMsg;
use crate::openflow::experimenter::{Experimenter, experimenter_message};
use crate::openflow::features::{Capabilities, FeaturesReply};
use crate::openflow::flow_monitor::{self, FlowEvent, FlowUpdate, FlowUpdateFull, encode_updates};
use crate::openflow::frame::Framing;
use crate::openflow::hello::Hello;
use crate::openflow::multipart::{Multipart, MultipartType};
use crate::openflow::port::Port;
use crate::openflow::{
    Cookie, DatapathId, Entry, ErrorCode, FlowMod, FlowModCommand, Match, Message, MessageType, PortNo, Raw, RawMatch,
    Reader, Writer, Xid, empty_message, message,
};

/// Bits of a cookie by which the simulator knows a flow that it refuses as it arrives.
pub(super) const BAD_AT_ADD: u64 = 0xadd;
/// Likewise one that it refuses as it takes effect.
pub(super) const BAD_AT_COMMIT: u64 = 0xc0;

/// See the module.
pub(super) struct Simulator {
    pub(super) flows: FlowTable,
    pub(super) bundles: bool,
    pub(super) monitors: bool,
    /// Refuses nothing any more.
    pub(super) lenient: bool,
    /// Flows in one part of a dump.
    pub(super) part: usize,
    pub(super) ports: Vec<Port>,
    /// Says nothing of changes until resumed.
    paused: bool,
    monitored: bool,
    open: Option<(BundleId, Vec<Vec<u8>>)>,
    input: Vec<u8>,
    output: Writer,
    /// What arrived, in words.
    log: Vec<String>,
}

/// A port as a switch describes it.
pub(super) fn named_port(port_no: PortNo, name: &[u8]) -> Port {
    let mut port = Port { port_no, ..Port::default() };
    port.name.0[..name.len()].copy_from_slice(name);
    port
}

impl Simulator {
    pub(super) fn new() -> Self {
        Self {
            flows: FlowTable::new(),
            bundles: true,
            monitors: true,
            lenient: false,
            part: 3,
            ports: vec![named_port(PortNo(1), b"tap1"), named_port(PortNo::LOCAL, b"br0")],
            paused: false,
            monitored: false,
            open: None,
            input: Vec::new(),
            output: Writer::new(),
            log: Vec::new(),
        }
    }

    /// What arrived since the last call, in words; without barriers, echoes and the handshake.
    pub(super) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// What it has to say.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output).into_vec()
    }

    /// Takes the next bytes of the stream and deals with at most `messages` whole messages.
    pub(super) fn receive(&mut self, bytes: &[u8], messages: usize) {
        self.input.extend_from_slice(bytes);
        for _ in 0..messages {
            let frame = match Framing::of(&self.input) {
                Framing::Frame(frame) => frame.to_vec(),
                Framing::NeedMore => return,
                Framing::Broken(error) => panic!("the session sent a broken stream: {error}"),
            };
            self.input.drain(..frame.len());
            self.on_message(&frame);
        }
    }

    fn on_message(&mut self, frame: &[u8]) {
        let Message { header, body } = Message::decode(frame).unwrap();
        assert_eq!(header.version, 4);
        let xid = header.xid;
        match header.message_type {
            MessageType::HELLO => Hello::OURS.encode(&mut self.output, xid).unwrap(),
            MessageType::FEATURES_REQUEST => {
                let (datapath_id, capabilities) = (DatapathId(7), Capabilities(0));
                let features = FeaturesReply {
                    datapath_id,
                    n_buffers: 0,
                    n_tables: 254,
                    auxiliary_id: 0,
                    capabilities,
                    reserved: 0,
                };
                features.encode(&mut self.output, xid).unwrap();
            }
            MessageType::ECHO_REQUEST => Echo::decode(body).encode_reply(&mut self.output, xid).unwrap(),
            MessageType::BARRIER_REQUEST => empty_message(&mut self.output, MessageType::BARRIER_REPLY, xid),
            MessageType::MULTIPART_REQUEST => self.on_multipart(Multipart::decode(body).unwrap(), xid),
            MessageType::FLOW_MOD => {
                self.log.push(told(frame));
                match self.refusal(frame, true) {
                    Some(code) => self.error(code, xid),
                    None => {
                        self.flow_mod(frame);
                        self.abbrev(xid);
                    }
                }
            }
            MessageType::EXPERIMENTER => self.on_experimenter(&Experimenter::decode(body).unwrap(), xid),
            other => panic!("the session sent {other}"),
        }
    }

    fn error(&mut self, code: ErrorCode, xid: Xid) {
        ErrorMsg { code, data: &[] }.encode(&mut self.output, xid).unwrap();
    }

    fn on_experimenter(&mut self, body: &Experimenter<'_>, xid: Xid) {
        assert_eq!(body.experimenter, ONF);
        if !self.bundles {
            return self.error(ErrorCode::BRC_BAD_EXPERIMENTER, xid);
        }
        if body.exp_type == bundle::ADD_MESSAGE {
            let add = BundleAddMessage::decode(body.body.reader(), xid).unwrap();
            self.log.push(told(add.bytes.bytes()));
            if let Some(code) = self.refusal(add.bytes.bytes(), false) {
                return self.error(code, xid);
            }
            let (id, messages) = self.open.as_mut().unwrap();
            assert_eq!(*id, add.bundle_id);
            return messages.push(add.bytes.bytes().to_vec());
        }
        let control = BundleControl::decode(body.body.reader()).unwrap();
        match control.control {
            BundleControlType::OPEN_REQUEST => {
                assert!(self.open.is_none());
                self.open = Some((control.bundle_id, Vec::new()));
            }
            BundleControlType::DISCARD_REQUEST => {
                self.open = None;
                self.log.push("discard".into());
            }
            BundleControlType::COMMIT_REQUEST => {
                let (_, messages) = self.open.take().unwrap();
                let refused = messages.iter().find_map(|frame| Some((self.refusal(frame, true)?, xid_of(frame))));
                if let Some((code, refused)) = refused {
                    self.error(code, refused);
                    self.log.push("failed".into());
                    return self.error(ErrorCode::BFC_MSG_FAILED, xid);
                }
                messages.iter().for_each(|frame| self.flow_mod(frame));
                if let Some(first) = messages.first() {
                    self.abbrev(xid_of(first));
                }
                self.log.push("commit".into());
            }
            other => panic!("bundle control {other:?}"),
        }
        let reply = BundleControlType(control.control.0 + 1);
        let reply = BundleControl { control: reply, flags: BundleFlags(0), ..control };
        reply.encode(&mut self.output, xid).unwrap();
    }

    fn refusal(&self, frame: &[u8], takes_effect: bool) -> Option<ErrorCode> {
        let flow_mod = FlowMod::decode(Message::decode(frame).unwrap().body).unwrap();
        match flow_mod.cookie.0 & 0xfff {
            _ if self.lenient || flow_mod.command != FlowModCommand::ADD => None,
            BAD_AT_ADD => Some(ErrorCode::BAC_BAD_OUT_PORT),
            BAD_AT_COMMIT if takes_effect => Some(ErrorCode::BAC_BAD_OUT_GROUP),
            _ => None,
        }
    }

    fn flow_mod(&mut self, frame: &[u8]) {
        let flow_mod = FlowMod::decode(Message::decode(frame).unwrap().body).unwrap();
        let flow = Flow::from_stats(&flow_mod.to_stats());
        match flow_mod.command {
            FlowModCommand::ADD => {
                self.flows.insert(Arc::new(flow));
            }
            FlowModCommand::DELETE_STRICT => {
                self.flows.remove(&flow.key());
            }
            FlowModCommand::DELETE => {
                // By cookie and table alone is enough for tests.
                let goes = |there: &&Arc<Flow>| {
                    there.table == flow.table && (there.cookie.0 ^ flow_mod.cookie.0) & flow_mod.cookie_mask == 0
                };
                let gone: Vec<_> = self.flows.iter().filter(goes).cloned().collect();
                gone.iter().for_each(|flow| drop(self.flows.remove(&flow.key())));
            }
            other => panic!("{other:?}"),
        }
    }

    fn on_multipart(&mut self, request: Multipart<'_>, xid: Xid) {
        match request.multipart_type {
            MultipartType::FLOW => {
                self.log.push("dump".into());
                let flows = self.flows.sorted();
                let mut parts: Vec<_> = flows.chunks(self.part).collect();
                let last = parts.pop().unwrap_or_default();
                for (part, more) in parts.into_iter().map(|part| (part, true)).chain([(last, false)]) {
                    let mut body = Writer::new();
                    part.iter().for_each(|flow| flow.to_stats().encode(&mut body).unwrap());
                    let reply = Multipart {
                        multipart_type: MultipartType::FLOW,
                        flags: u16::from(more),
                        body: Raw::new(body.as_slice()),
                    };
                    reply.encode_reply(&mut self.output, xid).unwrap();
                }
            }
            MultipartType::PORT_DESC => {
                for (part, more) in
                    [(&self.ports[..self.ports.len() / 2], true), (&self.ports[self.ports.len() / 2..], false)]
                {
                    let mut body = Writer::new();
                    part.iter().for_each(|port| port.encode(&mut body).unwrap());
                    let body = Raw::new(body.as_slice());
                    let reply = Multipart { multipart_type: MultipartType::PORT_DESC, flags: u16::from(more), body };
                    reply.encode_reply(&mut self.output, xid).unwrap();
                }
            }
            MultipartType::EXPERIMENTER if self.monitors => {
                self.monitored = true;
                encode_updates(&mut self.output, xid, &[]).unwrap();
            }
            MultipartType::EXPERIMENTER => {
                // As Open vSwitch does: version and xid mean nothing.
                let mut error = Writer::new();
                ErrorMsg { code: ErrorCode::BRC_BAD_LEN, data: &[] }.encode(&mut error, Xid(0xdead)).unwrap();
                let mut bytes = error.into_vec();
                bytes[0] = 1;
                self.output.bytes(&bytes);
            }
            other => Multipart::last(other, &[]).encode_reply(&mut self.output, xid).unwrap(),
        }
    }

    fn abbrev(&mut self, xid: Xid) {
        if self.monitored && !self.paused {
            encode_updates(&mut self.output, Xid(0), &[FlowUpdate::Abbrev { xid }]).unwrap();
        }
    }

    fn tell(&mut self, event: FlowEvent, flow: &Flow) {
        if !self.monitored || self.paused {
            return;
        }
        let mut matching = Writer::new();
        Match::encode_tlvs(flow.match_tlvs(), &mut matching).unwrap();
        let update = FlowUpdateFull {
            event,
            reason: 0,
            priority: flow.priority,
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            table_id: flow.table,
            cookie: flow.cookie,
            flow_match: RawMatch::decode(&mut Reader::new(matching.as_slice())).unwrap(),
            instructions: Raw::new(flow.instructions()),
        };
        encode_updates(&mut self.output, Xid(0), &[FlowUpdate::Full(update)]).unwrap();
    }

    /// Somebody else adds a flow.
    pub(super) fn others_add(&mut self, flow: &Arc<Flow>) {
        self.flows.insert(flow.clone());
        self.tell(FlowEvent::Added, flow);
    }

    /// Somebody else deletes a flow.
    pub(super) fn others_delete(&mut self, key: &FlowKey<'_>) {
        if let Some(flow) = self.flows.remove(key) {
            self.tell(FlowEvent::Deleted, &flow);
        }
    }

    /// Somebody else changes the instructions of a flow.
    pub(super) fn others_modify(&mut self, flow: &Arc<Flow>) {
        if self.flows.get(&flow.key()).is_some() {
            self.flows.insert(flow.clone());
            self.tell(FlowEvent::Modified, flow);
        }
    }

    /// Its buffer is full.
    pub(super) fn pause(&mut self) {
        if self.monitored && !self.paused {
            self.paused = true;
            experimenter_message(&mut self.output, (ONF, flow_monitor::PAUSED), Xid(0), |_| Ok(())).unwrap();
        }
    }

    /// It goes on: what was missed comes as added.
    pub(super) fn resume(&mut self) {
        if self.paused {
            self.paused = false;
            for flow in self.flows.sorted() {
                self.tell(FlowEvent::Added, &flow);
            }
            experimenter_message(&mut self.output, (ONF, flow_monitor::RESUMED), Xid(0), |_| Ok(())).unwrap();
        }
    }
}

fn xid_of(frame: &[u8]) -> Xid {
    Message::decode(frame).unwrap().header.xid
}

/// A FLOW_MOD in short: what it does, priority, and cookie.
fn told(frame: &[u8]) -> String {
    let flow_mod = FlowMod::decode(Message::decode(frame).unwrap().body).unwrap();
    let (priority, Cookie(cookie)) = (flow_mod.priority, flow_mod.cookie);
    match flow_mod.command {
        FlowModCommand::ADD => format!("add {priority}"),
        FlowModCommand::DELETE_STRICT => format!("delete {priority}"),
        _ if flow_mod.out_port == PortNo::ANY => format!("forget cookie {cookie:#x}"),
        _ => format!("forget cookie {cookie:#x} to {}", flow_mod.out_port.0),
    }
}

/// An empty message with the xid of nothing, to try what a session does with it.
pub(super) fn message_of(message_type: MessageType, body: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    message(&mut writer, message_type, Xid(0x7777_7777), |w| {
        w.bytes(body);
        Ok(())
    })
    .unwrap();
    writer.into_vec()
}
