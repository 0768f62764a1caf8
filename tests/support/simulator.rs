//! A switch for tests: takes bytes, answers with bytes, and does with bundles, errors and the flow monitor
//! what Open vSwitch 3.1 does (`src/openflow/bundle.rs`, `src/openflow/flow_monitor.rs`). The unit tests of
//! `src/switch` compile it too.

use std::collections::HashSet;
use std::sync::Arc;

use heddle::flow::{Flow, FlowKey, FlowTable};
use heddle::openflow::bundle::{self, BundleAddMessage, BundleControl, BundleControlType, BundleFlags, BundleId};
use heddle::openflow::echo::Echo;
use heddle::openflow::error::ONF;
use heddle::openflow::error_msg::ErrorMsg;
use heddle::openflow::experimenter::{Experimenter, experimenter_message};
use heddle::openflow::features::{Capabilities, FeaturesReply};
use heddle::openflow::flow_monitor::{self, FlowEvent, FlowUpdate, FlowUpdateFull, encode_updates};
use heddle::openflow::frame::Framing;
use heddle::openflow::hello::Hello;
use heddle::openflow::multipart::{Multipart, MultipartType};
use heddle::openflow::oxm::{FieldValue, Tlvs};
use heddle::openflow::port::Port;
use heddle::openflow::{
    Action, Cookie, DatapathId, Entry, ErrorCode, FlowMod, FlowModCommand, Instruction, Match, Message, MessageType,
    PortNo, Raw, RawMatch, Reader, Writer, Xid, empty_message, message,
};

/// Bits of a cookie by which the simulator knows a flow that it refuses as it arrives.
pub const BAD_AT_ADD: u64 = 0xadd;
/// Likewise one that it refuses as it takes effect.
pub const BAD_AT_COMMIT: u64 = 0xc0;

/// When a message of a bundle may be refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Arrives,
    TakesEffect,
}

/// What changed, and what was there before.
type Journal = Vec<(Arc<Flow>, Option<Arc<Flow>>)>;

/// See the module.
pub struct Simulator {
    pub datapath_id: DatapathId,
    pub flows: FlowTable,
    pub bundles: bool,
    pub monitors: bool,
    /// Refuses no flow for its cookie.
    pub lenient: bool,
    /// Refuses to add flows of these priorities.
    pub refused: HashSet<u16>,
    /// Refuses to delete flows.
    pub keeps: bool,
    /// Refuses to open, or to commit, bundles.
    pub bundle_error: Option<(BundleControlType, ErrorCode)>,
    /// It is full with so many flows.
    pub capacity: usize,
    /// Flows in one part of a dump.
    pub part: usize,
    pub ports: Vec<Port>,
    /// How often its flows have changed.
    pub changes: u64,
    /// Notes what arrives.
    pub keeps_log: bool,
    /// Says nothing of changes until resumed.
    paused: bool,
    monitored: bool,
    has_greeted: bool,
    open: Option<(BundleId, Vec<Vec<u8>>)>,
    input: Vec<u8>,
    output: Writer,
    /// What arrived, in words.
    log: Vec<String>,
}

/// A port as a switch describes it.
pub fn named_port(port_no: PortNo, name: &[u8]) -> Port {
    let mut port = Port { port_no, ..Port::default() };
    port.name.0[..name.len()].copy_from_slice(name);
    port
}

impl Simulator {
    pub fn new() -> Self {
        Self {
            datapath_id: DatapathId(7),
            flows: FlowTable::new(),
            bundles: true,
            monitors: true,
            lenient: false,
            refused: HashSet::new(),
            keeps: false,
            bundle_error: None,
            capacity: usize::MAX,
            part: 3,
            changes: 0,
            keeps_log: true,
            ports: vec![named_port(PortNo(1), b"tap1"), named_port(PortNo::LOCAL, b"br0")],
            paused: false,
            monitored: false,
            has_greeted: false,
            open: None,
            input: Vec::new(),
            output: Writer::new(),
            log: Vec::new(),
        }
    }

    /// The connection has ended; its flows stay.
    pub fn disconnect(&mut self) {
        (self.paused, self.monitored, self.has_greeted, self.open) = (false, false, false, None);
        self.input.clear();
        self.output.clear();
    }

    /// It starts anew, without a flow.
    pub fn restart(&mut self) {
        self.disconnect();
        self.flows = FlowTable::new();
        self.changes += 1;
    }

    /// Says HELLO first, as Open vSwitch does.
    pub fn greet(&mut self) {
        self.has_greeted = true;
        Hello::OURS.encode(&mut self.output, Xid(1)).unwrap();
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.keeps_log {
            self.log.push(what());
        }
    }

    /// What arrived since the last call, in words; without barriers, echoes and the handshake.
    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// What it has to say.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output).into_vec()
    }

    /// Takes the next bytes of the stream and deals with at most `messages` whole messages.
    pub fn receive(&mut self, bytes: &[u8], messages: usize) {
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut rest = input.as_slice();
        for _ in 0..messages {
            let frame = match Framing::of(rest) {
                Framing::Frame(frame) => frame,
                Framing::NeedMore => break,
                Framing::Broken(error) => panic!("the session sent a broken stream: {error}"),
            };
            self.on_message(frame);
            rest = &rest[frame.len()..];
        }
        self.input = rest.to_vec();
    }

    /// True if a whole message waits to be dealt with.
    pub fn has_message(&self) -> bool {
        matches!(Framing::of(&self.input), Framing::Frame(_))
    }

    fn on_message(&mut self, frame: &[u8]) {
        let Message { header, body } = Message::decode(frame).unwrap();
        assert_eq!(header.version, 4);
        let xid = header.xid;
        match header.message_type {
            MessageType::HELLO if self.has_greeted => {}
            MessageType::HELLO => Hello::OURS.encode(&mut self.output, xid).unwrap(),
            MessageType::FEATURES_REQUEST => {
                let (datapath_id, capabilities) = (self.datapath_id, Capabilities(0));
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
                self.note(|| told(frame));
                match self.flow_mod(frame, &mut Vec::new()) {
                    Err(code) => self.error(code, xid),
                    Ok(()) => {
                        self.changes += 1;
                        self.abbrev(xid);
                    }
                }
            }
            MessageType::PACKET_OUT => {}
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
            self.note(|| told(add.bytes.bytes()));
            if let Some(code) = self.refusal(add.bytes.bytes(), Moment::Arrives) {
                return self.error(code, xid);
            }
            let Some((id, messages)) = &mut self.open else { return self.error(ErrorCode::BFC_BAD_ID, xid) };
            assert_eq!(*id, add.bundle_id);
            return messages.push(add.bytes.bytes().to_vec());
        }
        let control = BundleControl::decode(body.body.reader()).unwrap();
        if let Some((_, code)) = self.bundle_error.filter(|(refused, _)| *refused == control.control) {
            self.note(|| format!("refused {:?}", control.control));
            self.open = None;
            return self.error(code, xid);
        }
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
                let Some((_, messages)) = self.open.take() else { return self.error(ErrorCode::BFC_BAD_ID, xid) };
                let mut journal = Vec::new();
                let refused =
                    messages.iter().find_map(|frame| Some((self.flow_mod(frame, &mut journal).err()?, xid_of(frame))));
                if let Some((code, refused)) = refused {
                    self.undo(journal);
                    self.error(code, refused);
                    self.note(|| "failed".into());
                    return self.error(ErrorCode::BFC_MSG_FAILED, xid);
                }
                if let Some(first) = messages.first() {
                    self.abbrev(xid_of(first));
                }
                self.changes += 1;
                self.note(|| "commit".into());
            }
            other => panic!("bundle control {other:?}"),
        }
        let reply = BundleControlType(control.control.0 + 1);
        let reply = BundleControl { control: reply, flags: BundleFlags(0), ..control };
        reply.encode(&mut self.output, xid).unwrap();
    }

    fn refusal(&self, frame: &[u8], moment: Moment) -> Option<ErrorCode> {
        let flow_mod = FlowMod::decode(Message::decode(frame).unwrap().body).unwrap();
        match flow_mod.cookie.0 & 0xfff {
            _ if flow_mod.command != FlowModCommand::ADD => self.keeps.then_some(ErrorCode::FMFC_EPERM),
            _ if self.refused.contains(&flow_mod.priority) => Some(ErrorCode::BAC_BAD_OUT_PORT),
            _ if self.lenient => None,
            BAD_AT_ADD => Some(ErrorCode::BAC_BAD_OUT_PORT),
            BAD_AT_COMMIT if moment == Moment::TakesEffect => Some(ErrorCode::BAC_BAD_OUT_GROUP),
            _ => None,
        }
    }

    /// Does what a FLOW_MOD says, or nothing of it. What it replaced or removed goes into `journal`, with `None` in
    /// the place of nothing.
    fn flow_mod(&mut self, frame: &[u8], journal: &mut Journal) -> Result<(), ErrorCode> {
        if let Some(code) = self.refusal(frame, Moment::TakesEffect) {
            return Err(code);
        }
        let flow_mod = FlowMod::decode(Message::decode(frame).unwrap().body).unwrap();
        let flow = Arc::new(Flow::from_stats(&flow_mod.to_stats()));
        match flow_mod.command {
            FlowModCommand::ADD => {
                if self.flows.len() >= self.capacity && self.flows.get(&flow.key()).is_none() {
                    return Err(ErrorCode::FMFC_TABLE_FULL);
                }
                let before = self.flows.insert(flow.clone());
                journal.push((flow, before));
            }
            FlowModCommand::DELETE_STRICT => {
                let before = self.flows.remove(&flow.key());
                journal.extend(before.map(|before| (flow, Some(before))));
            }
            FlowModCommand::DELETE => {
                let goes = |there: &&Arc<Flow>| {
                    there.table == flow.table
                        && (there.cookie.0 ^ flow_mod.cookie.0) & flow_mod.cookie_mask == 0
                        && is_within(there.match_tlvs(), flow.match_tlvs())
                        && (flow_mod.out_port == PortNo::ANY || leads_to(there, flow_mod.out_port))
                };
                let gone: Vec<_> = self.flows.iter().filter(goes).cloned().collect();
                for flow in gone {
                    let before = self.flows.remove(&flow.key());
                    journal.push((flow, before));
                }
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    fn undo(&mut self, journal: Journal) {
        for (flow, before) in journal.into_iter().rev() {
            match before {
                Some(before) => drop(self.flows.insert(before)),
                None => drop(self.flows.remove(&flow.key())),
            }
        }
    }

    fn on_multipart(&mut self, request: Multipart<'_>, xid: Xid) {
        match request.multipart_type {
            MultipartType::FLOW => {
                self.note(|| "dump".into());
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
    pub fn others_add(&mut self, flow: &Arc<Flow>) {
        self.flows.insert(flow.clone());
        self.changes += 1;
        self.tell(FlowEvent::Added, flow);
    }

    /// Somebody else deletes a flow.
    pub fn others_delete(&mut self, key: &FlowKey<'_>) {
        if let Some(flow) = self.flows.remove(key) {
            self.changes += 1;
            self.tell(FlowEvent::Deleted, &flow);
        }
    }

    /// Somebody else changes the instructions of a flow.
    pub fn others_modify(&mut self, flow: &Arc<Flow>) {
        if self.flows.get(&flow.key()).is_some() {
            self.flows.insert(flow.clone());
            self.changes += 1;
            self.tell(FlowEvent::Modified, flow);
        }
    }

    /// Its buffer is full.
    pub fn pause(&mut self) {
        if self.monitored && !self.paused {
            self.paused = true;
            experimenter_message(&mut self.output, (ONF, flow_monitor::PAUSED), Xid(0), |_| Ok(())).unwrap();
        }
    }

    /// It goes on: what was missed comes as added.
    pub fn resume(&mut self) {
        if self.paused {
            self.paused = false;
            for flow in self.flows.sorted() {
                self.tell(FlowEvent::Added, &flow);
            }
            experimenter_message(&mut self.output, (ONF, flow_monitor::RESUMED), Xid(0), |_| Ok(())).unwrap();
        }
    }
}

/// True if every packet of the match `special` is one of `general`.
fn is_within(special: &[u8], general: &[u8]) -> bool {
    let fields = |tlvs| Tlvs::new(Reader::new(tlvs)).map(|tlv| FieldValue::from_tlv(&tlv.unwrap()).unwrap());
    fields(general).all(|general| {
        let Some(special) = fields(special).find(|special| special.field == general.field) else { return false };
        let ones = vec![0xff; general.value().len()];
        let mask = |value: &FieldValue| value.mask().unwrap_or(&ones).to_vec();
        let bytes = special.value().iter().zip(general.value()).zip(mask(&special).into_iter().zip(mask(&general)));
        bytes.into_iter().all(|((a, b), (known, asked))| asked & !known == 0 && (a ^ b) & asked == 0)
    })
}

/// True if the flow outputs to the port.
fn leads_to(flow: &Flow, port_no: PortNo) -> bool {
    flow.decode_instructions().unwrap().iter().any(|instruction| match instruction {
        Instruction::ApplyActions(actions) => {
            actions.iter().any(|action| matches!(action, Action::Output { port, .. } if *port == port_no))
        }
        _ => false,
    })
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
pub fn message_of(message_type: MessageType, body: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    message(&mut writer, message_type, Xid(0x7777_7777), |w| {
        w.bytes(body);
        Ok(())
    })
    .unwrap();
    writer.into_vec()
}
