//! One connection of a bridge, as a state machine without I/O: bytes of messages in, messages and
//! events out. Time is a [`Duration`] since the connection began.

use std::collections::HashSet;
use std::time::Duration;

use super::batch::BundleRefusal;
use super::liveness::{Liveness, Verdict};
use super::progress::{Counts, Progress};
use super::reconciler::{Ownership, Reconciler, Wanted};
use crate::flow::{Changes, Flow};
use crate::openflow::bundle::{self, BundleControl, BundleControlType};
use crate::openflow::echo::Echo;
use crate::openflow::error::ONF;
use crate::openflow::error_msg::ErrorMsg;
use crate::openflow::experimenter::Experimenter;
use crate::openflow::features::{self, FeaturesReply};
use crate::openflow::flow_mod::encode_flow_stats_request;
use crate::openflow::flow_monitor::{self, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate};
use crate::openflow::header::VERSION;
use crate::openflow::hello::Hello;
use crate::openflow::multipart::{Multipart, MultipartType, multipart_request};
use crate::openflow::packet::{NO_BUFFER, PacketOut};
use crate::openflow::port::{Port, PortConfig, PortReason, PortState, PortStatus};
use crate::openflow::{
    Action, Cookie, DatapathId, DecodeError, EncodeError, Entries, ErrorCode, FlowStats, Message, MessageType, PortNo,
    Raw, TableId, Writer, Xid,
};

/// Among so many bytes of flows one ECHO_REQUEST, so that a switch which reads slowly shows that it reads.
const ASK_EVERY: usize = 32 * 1024;
/// Of a peer that does not answer: nothing heard for so long is silence.
const SILENT_AFTER: Duration = Duration::from_secs(7);
/// A peer that has not said who it is by then is let go.
const IDENTIFIED_WITHIN: Duration = Duration::from_secs(10);
/// A peer that has not named its ports by then has no name.
const DESCRIBED_WITHIN: Duration = Duration::from_secs(2);
/// The most flows that a dump may have; each is kept until it is compared.
const MAX_DUMP_FLOWS: usize = 1 << 20;
/// The longest dump in bytes.
const MAX_DUMP_BYTES: usize = 256 << 20;
/// A switch that does not go on with the dump of its flows for so long has forgotten it.
const DUMPED_WITHIN: Duration = Duration::from_secs(30);
/// How often a switch without flow monitor is audited.
const AUDIT_EVERY: Duration = Duration::from_secs(5);

/// So much of a message goes into the error that answers it (OpenFlow 1.3.5 §7.4.4).
const ERROR_DATA: usize = 64;

/// The xid of answers to packets, which no request of a session has.
const UNASKED: Xid = Xid(0);

/// Why a connection has to end.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SessionError {
    /// The peer speaks other versions.
    #[error(
        "speaks no OpenFlow 1.3 (its version is {0}); allow it with: ovs-vsctl set bridge BRIDGE protocols=OpenFlow10,OpenFlow13"
    )]
    NoOpenFlow13(u8),
    /// What the peer sent makes no sense.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// What was to be sent cannot be.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The peer's first message is no HELLO.
    #[error("began with message type {0}, expected HELLO")]
    NoHello(u8),
    /// Silence.
    #[error("nothing heard for {} s", .0.as_secs())]
    Silent(Duration),
    /// The peer is heard, and does not answer.
    #[error("no answer for {} s, though it is heard", .0.as_secs())]
    Unanswering(Duration),
    /// The peer has another connection.
    #[error("has connected anew, and does not answer on this connection any more")]
    Replaced,
    /// The peer did not say who it is.
    #[error("did not identify itself within {} s", .0.as_secs())]
    Unidentified(Duration),
    /// The peer began a message longer than a stranger's may be.
    #[error("began a message of {found} bytes before it said who it is, expected {limit} at the most")]
    TooLong {
        /// Its length.
        found: usize,
        /// The longest that is taken.
        limit: usize,
    },
    /// The peer talks, and is no bridge of ours.
    #[error("sent {0} bytes before it was known as a bridge of ours")]
    TooMuch(usize),
    /// The dump of its flows is longer than any.
    #[error(
        "sent {flows} flows in {bytes} bytes as the dump of its flows, expected {MAX_DUMP_FLOWS} flows and \
         {MAX_DUMP_BYTES} bytes at the most"
    )]
    EndlessDump {
        /// Flows so far.
        flows: usize,
        /// Bytes so far.
        bytes: usize,
    },
    /// The dump of its flows does not go on.
    #[error("has not gone on with the dump of its flows for {} s", .0.as_secs())]
    NoDump(Duration),
    /// The peer refused what every switch has to answer.
    #[error("refused {what}: {code}")]
    RefusedBasics {
        /// Which request.
        what: &'static str,
        /// Its error.
        code: ErrorCode,
    },
}

impl SessionError {
    /// In a word, for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoOpenFlow13(_) => "wrong_version",
            Self::Decode(_) => "malformed",
            Self::Encode(_) => "unsendable",
            Self::NoHello(_) => "no_hello",
            Self::Silent(_) => "silent",
            Self::Unanswering(_) => "unanswering",
            Self::Replaced => "replaced",
            Self::Unidentified(_) => "unidentified",
            Self::TooLong { .. } => "too_long",
            Self::TooMuch(_) => "too_much",
            Self::EndlessDump { .. } => "dump_too_large",
            Self::NoDump(_) => "dump_unfinished",
            Self::RefusedBasics { .. } => "refused_basics",
        }
    }
}

/// What the agent learns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The peer says who it is, and waits to be adopted.
    Identified(Identity),
    /// An audit is complete; so many FLOW_MODs follow.
    Audited {
        /// Number of FLOW_MODs.
        differences: usize,
    },
    /// The switch refuses bundles, now or for good: its changes go one by one, between barriers.
    WithoutBundles(BundleRefusal),
    /// The switch has no flow monitor: it is audited from time to time.
    WithoutMonitor,
    /// A port is down or gone.
    PortGone(PortNo),
    /// The switch refused a message that is no request of the session's own.
    Refused(ErrorCode),
}

/// Who a bridge is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its datapath id.
    pub datapath_id: DatapathId,
    /// The name of its local port, which with Open vSwitch is the bridge's own; other switches may have none.
    pub name: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// HELLO was sent; the peer's HELLO may arrive, and leads to `Identifying`.
    Greeting,
    /// FEATURES_REQUEST was sent; its reply leads to `Describing`.
    Identifying,
    /// The ports of this switch were asked for; all of the answer, or that there is none, leads to `Waiting`, and
    /// so does patience that ends.
    Describing(DatapathId, Xid),
    /// The peer is known; the agent's verdict leads to `Adopted`, or ends the connection.
    Waiting,
    /// Flow monitor and a dump of the flows were asked for. From then on flows are kept as wanted.
    Adopted,
}

/// What the switch tells of its flows unasked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Monitor {
    /// Nothing: it was not asked to, or refused.
    None,
    /// Every change, since the request with this xid.
    On(Xid),
    /// Nothing until it resumes, which leads to an audit.
    Paused(Xid),
}

/// See the module.
pub struct Session {
    state: State,
    reconciler: Option<Reconciler>,
    next_xid: Xid,
    last_heard: Duration,
    last_answer: Duration,
    liveness: Liveness,
    /// Bytes of flows since the last ECHO_REQUEST among them.
    unasked: usize,
    monitor: Monitor,
    /// The flow dump on its way.
    audit_xid: Option<Xid>,
    /// When it was asked for, went on, or was complete.
    audited_at: Duration,
    /// Flows and bytes of it so far.
    dumped: (usize, usize),
    asked_for_ports: Duration,
    told_without_bundles: bool,
    /// The name of its local port, as far as it is known.
    local_name: Option<String>,
    reported: Counts,
}

impl Session {
    /// A connection that has just begun; appends our HELLO to `out`.
    pub fn new(out: &mut Writer) -> Result<Self, SessionError> {
        Hello::OURS.encode(out, Xid(1))?;
        Ok(Self {
            state: State::Greeting,
            reconciler: None,
            next_xid: Xid(2),
            last_heard: Duration::ZERO,
            last_answer: Duration::ZERO,
            liveness: Liveness::default(),
            unasked: 0,
            monitor: Monitor::None,
            audit_xid: None,
            audited_at: Duration::ZERO,
            dumped: (0, 0),
            asked_for_ports: Duration::ZERO,
            told_without_bundles: false,
            local_name: None,
            reported: Counts::default(),
        })
    }

    fn xid(&mut self) -> Xid {
        let xid = self.next_xid;
        self.next_xid = Xid(xid.0.checked_add(1).unwrap_or(1));
        xid
    }

    /// Something came from the peer.
    pub fn heard(&mut self, now: Duration) {
        self.last_heard = now;
        if self.state != State::Adopted {
            self.liveness.sign();
        }
    }

    /// The peer answered a question of ours.
    fn answered(&mut self, now: Duration) {
        self.last_answer = now;
        self.liveness.sign();
    }

    /// Asks the peer whether it is there.
    fn ask(&mut self, out: &mut Writer) -> Result<(), SessionError> {
        let xid = self.xid();
        Echo::default().encode_request(out, xid)?;
        self.liveness.ask();
        Ok(())
    }

    /// Another connection says that it is this peer. A switch has one: if this one does not answer any more, it ends.
    pub fn challenge(&mut self, out: &mut Writer) -> Result<(), SessionError> {
        if self.liveness.is_challenged() {
            return Ok(());
        }
        let xid = self.xid();
        self.liveness.challenge(xid);
        Ok(Echo::default().encode_request(out, xid)?)
    }

    /// True once the peer has said which bridge it is; how it is called may follow.
    pub fn is_introduced(&self) -> bool {
        !matches!(self.state, State::Greeting | State::Identifying)
    }

    /// True once packets from the switch are no surprise, and the responder's.
    pub fn takes_packets(&self) -> bool {
        self.state == State::Adopted
    }

    /// One message of the peer.
    pub fn on_message(&mut self, frame: &[u8], now: Duration, out: &mut Writer) -> Result<Option<Event>, SessionError> {
        self.heard(now);
        let message = Message::decode(frame)?;
        if self.state == State::Greeting {
            return self.on_hello(&message, out).map(|()| None);
        }
        if message.header.version != VERSION {
            // Open vSwitch refuses a flow monitor with an error of version 1 and of any xid.
            if message.header.message_type == MessageType::ERROR && self.monitor != Monitor::None {
                return Ok(Some(self.without_monitor()));
            }
            let data = frame.get(..ERROR_DATA).unwrap_or(frame);
            ErrorMsg { code: ErrorCode::BRC_BAD_VERSION, data }.encode(out, message.header.xid)?;
            return Err(SessionError::NoOpenFlow13(message.header.version));
        }
        let event = self.on_openflow13(&message, now, out)?;
        self.audit_if_needed(now, out)?;
        Ok(event)
    }

    fn on_openflow13(
        &mut self,
        message: &Message<'_>,
        now: Duration,
        out: &mut Writer,
    ) -> Result<Option<Event>, SessionError> {
        match message.header.message_type {
            MessageType::ECHO_REQUEST => {
                Echo::decode(message.body).encode_reply(out, message.header.xid)?;
                Ok(None)
            }
            MessageType::ECHO_REPLY => {
                self.answered(now);
                self.liveness.on_echo_reply(message.header.xid);
                Ok(None)
            }
            MessageType::FEATURES_REPLY if self.state == State::Identifying => {
                let xid = self.xid();
                self.asked_for_ports = now;
                self.state = State::Describing(FeaturesReply::decode(message.body)?.datapath_id, xid);
                multipart_request(out, MultipartType::PORT_DESC, xid, |_| Ok(()))?;
                Ok(None)
            }
            MessageType::ERROR => self.on_error(message.header.xid, &ErrorMsg::decode(message.body)?, now),
            MessageType::MULTIPART_REPLY => self.on_multipart(message, now),
            MessageType::EXPERIMENTER => self.on_experimenter(message, now).map(|()| None),
            MessageType::BARRIER_REPLY => {
                self.answered(now);
                if let Some(reconciler) = &mut self.reconciler {
                    reconciler.on_barrier_reply(message.header.xid, now);
                }
                Ok(None)
            }
            MessageType::PORT_STATUS => Ok(self.on_port_status(&PortStatus::decode(message.body)?)),
            _ => Ok(None),
        }
    }

    fn on_hello(&mut self, message: &Message<'_>, out: &mut Writer) -> Result<(), SessionError> {
        if message.header.message_type != MessageType::HELLO {
            return Err(SessionError::NoHello(message.header.message_type.0));
        }
        let hello = Hello::decode(message)?;
        if !hello.supports(VERSION) {
            let data = b"OpenFlow 1.3 expected";
            ErrorMsg { code: ErrorCode::HFC_INCOMPATIBLE, data }.encode(out, message.header.xid)?;
            return Err(SessionError::NoOpenFlow13(hello.version));
        }
        let xid = self.xid();
        features::encode_request(out, xid);
        self.state = State::Identifying;
        Ok(())
    }

    /// The agent wants this bridge: from now on its flows are kept as `wanted`.
    pub fn adopt(&mut self, wanted: Wanted, now: Duration, out: &mut Writer) -> Result<(), SessionError> {
        if self.state != State::Waiting {
            return Ok(());
        }
        self.state = State::Adopted;
        self.answered(now);
        // What a learning bridge learns, and forgets, is its own: only what sends packets up is watched.
        let out_port = if wanted.ownership == Ownership::Learning { PortNo::CONTROLLER } else { PortNo::ANY };
        self.reconciler = Some(Reconciler::new(wanted));
        let monitor_xid = self.xid();
        let flags =
            FlowMonitorFlags::ADD | FlowMonitorFlags::DELETE | FlowMonitorFlags::MODIFY | FlowMonitorFlags::ACTIONS;
        FlowMonitorRequest { out_port, ..FlowMonitorRequest::all(1, flags) }.encode_message(out, monitor_xid)?;
        self.monitor = Monitor::On(monitor_xid);
        self.audit_if_needed(now, out)
    }

    /// Asks for all flows if that is due. No batch is on its way then, so that the answer tells either all
    /// or nothing of it.
    fn audit_if_needed(&mut self, now: Duration, out: &mut Writer) -> Result<(), SessionError> {
        let Some(reconciler) = self.reconciler.as_mut().filter(|reconciler| reconciler.needs_audit()) else {
            return Ok(());
        };
        if self.audit_xid.is_some() {
            return Ok(());
        }
        reconciler.begin_audit();
        let xid = self.xid();
        multipart_request(out, MultipartType::FLOW, xid, |out| {
            encode_flow_stats_request(TableId::ALL, Cookie(0), 0, out)
        })?;
        self.audit_xid = Some(xid);
        self.audited_at = now;
        self.dumped = (0, 0);
        Ok(())
    }

    /// The wanted state changed.
    pub fn update(&mut self, generation: u64, changes: Changes) {
        if let Some(reconciler) = &mut self.reconciler {
            reconciler.update(generation, changes);
        }
    }

    /// What refused guards were for is closed: what waited for that is sent.
    pub fn proceed(&mut self) {
        if let Some(reconciler) = &mut self.reconciler {
            reconciler.proceed();
        }
    }

    /// Sends a packet through the switch's NORMAL, as if it came from `in_port`.
    pub fn packet_out(&mut self, in_port: PortNo, frame: &[u8], out: &mut Writer) -> Result<(), SessionError> {
        let mut actions = Writer::new();
        Action::output(PortNo::NORMAL).encode(&mut actions)?;
        let actions = Raw::new(actions.as_slice());
        PacketOut { buffer_id: NO_BUFFER, in_port, actions, data: frame }.encode(out, self.xid())?;
        Ok(())
    }

    fn without_monitor(&mut self) -> Event {
        self.monitor = Monitor::None;
        Event::WithoutMonitor
    }

    fn on_error(&mut self, xid: Xid, error: &ErrorMsg<'_>, now: Duration) -> Result<Option<Event>, SessionError> {
        if self.state == State::Identifying {
            return Err(SessionError::RefusedBasics { what: "FEATURES_REQUEST", code: error.code });
        }
        if let State::Describing(datapath_id, asked) = self.state {
            return Ok((xid == asked).then(|| self.identified(datapath_id)));
        }
        if self.monitor == Monitor::On(xid) {
            return Ok(Some(self.without_monitor()));
        }
        if self.audit_xid == Some(xid) {
            return Err(SessionError::RefusedBasics { what: "the dump of its flows", code: error.code });
        }
        if let Some(reconciler) = &mut self.reconciler {
            if !reconciler.on_error(xid, error.code, now) && xid == UNASKED {
                return Ok(Some(Event::Refused(error.code)));
            }
            if let Some(refusal) = reconciler.without_bundles()
                && !self.told_without_bundles
            {
                self.told_without_bundles = true;
                return Ok(Some(Event::WithoutBundles(refusal)));
            }
        }
        Ok(None)
    }

    fn on_multipart(&mut self, message: &Message<'_>, now: Duration) -> Result<Option<Event>, SessionError> {
        let multipart = Multipart::decode(message.body)?;
        if self.audit_xid == Some(message.header.xid) {
            self.answered(now);
        }
        if let State::Describing(datapath_id, xid) = self.state {
            if (multipart.multipart_type, message.header.xid) != (MultipartType::PORT_DESC, xid) {
                return Ok(None);
            }
            for port in Entries::<Port>::new(multipart.body.reader()) {
                self.learn_name(&port?);
            }
            return Ok((!multipart.more()).then(|| self.identified(datapath_id)));
        }
        let Some(reconciler) = &mut self.reconciler else { return Ok(None) };
        match multipart.multipart_type {
            MultipartType::FLOW if self.audit_xid == Some(message.header.xid) => {
                let mut reader = multipart.body.reader();
                self.audited_at = now;
                let (flows, bytes) = &mut self.dumped;
                *bytes += reader.rest().len();
                while !reader.is_empty() {
                    *flows += 1;
                    reconciler.on_flow_stats(&FlowStats::decode(&mut reader)?);
                }
                let (flows, bytes) = self.dumped;
                if flows > MAX_DUMP_FLOWS || bytes > MAX_DUMP_BYTES {
                    return Err(SessionError::EndlessDump { flows, bytes });
                }
                if multipart.more() {
                    return Ok(None);
                }
                self.audit_xid = None;
                return Ok(Some(Event::Audited { differences: reconciler.on_audit_done() }));
            }
            MultipartType::EXPERIMENTER => {
                let body = Experimenter::decode(multipart.body.reader())?;
                if (body.experimenter, body.exp_type) == (ONF, flow_monitor::FLOW_MONITOR) {
                    for update in Entries::<FlowUpdate<'_>>::new(body.body.reader()) {
                        match update? {
                            FlowUpdate::Full(update) if matches!(self.monitor, Monitor::On(_)) => {
                                reconciler.on_flow_update(&update);
                                if reconciler.ownership() == Ownership::Learning {
                                    // Whoever touched this flow may have touched others, which are not watched.
                                    reconciler.doubt();
                                }
                            }
                            _ => {}
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(None)
    }

    fn on_experimenter(&mut self, message: &Message<'_>, now: Duration) -> Result<(), SessionError> {
        let body = Experimenter::decode(message.body)?;
        let Some(reconciler) = &mut self.reconciler else { return Ok(()) };
        match (body.experimenter, body.exp_type, self.monitor) {
            (ONF, bundle::CONTROL, _) => {
                let control = BundleControl::decode(body.body.reader())?;
                if control.control == BundleControlType::COMMIT_REPLY {
                    reconciler.on_commit_reply(message.header.xid, now);
                }
            }
            (ONF, flow_monitor::PAUSED, Monitor::On(xid)) => self.monitor = Monitor::Paused(xid),
            (ONF, flow_monitor::RESUMED, Monitor::On(xid) | Monitor::Paused(xid)) => {
                // What happened in between, and in which order with our own changes, is not told for sure.
                self.monitor = Monitor::On(xid);
                reconciler.doubt();
            }
            _ => {}
        }
        Ok(())
    }

    fn on_port_status(&mut self, status: &PortStatus) -> Option<Event> {
        let port = &status.port;
        self.learn_name(port);
        let is_down = port.state.contains(PortState::LINK_DOWN) || port.config.contains(PortConfig::PORT_DOWN);
        (status.reason == PortReason::DELETE || is_down).then_some(Event::PortGone(port.port_no))
    }

    fn learn_name(&mut self, port: &Port) {
        let name = String::from_utf8_lossy(port.name.as_bytes());
        if port.port_no == PortNo::LOCAL && !name.is_empty() {
            self.local_name = Some(name.into_owned());
        }
    }

    fn identified(&mut self, datapath_id: DatapathId) -> Event {
        self.state = State::Waiting;
        let name = self.local_name.clone();
        Event::Identified(Identity { datapath_id, name })
    }

    /// Time passes; call it about once a second.
    pub fn on_tick(&mut self, now: Duration, out: &mut Writer) -> Result<Option<Event>, SessionError> {
        if matches!(self.state, State::Greeting | State::Identifying | State::Describing(..))
            && now >= IDENTIFIED_WITHIN
        {
            return Err(SessionError::Unidentified(IDENTIFIED_WITHIN));
        }
        if let State::Describing(datapath_id, _) = self.state
            && now.saturating_sub(self.asked_for_ports) >= DESCRIBED_WITHIN
        {
            return Ok(Some(self.identified(datapath_id)));
        }
        match self.liveness.on_tick() {
            Verdict::Ask if self.state != State::Greeting => self.ask(out)?,
            Verdict::Fine | Verdict::Ask => {}
            Verdict::Replaced => return Err(SessionError::Replaced),
            Verdict::Gone => {
                let silent = now.saturating_sub(self.last_heard);
                let is_silent = silent >= SILENT_AFTER || self.state != State::Adopted;
                let unanswering = SessionError::Unanswering(now.saturating_sub(self.last_answer));
                return Err(if is_silent { SessionError::Silent(silent) } else { unanswering });
            }
        }
        if self.audit_xid.is_some() && now.saturating_sub(self.audited_at) >= DUMPED_WITHIN {
            return Err(SessionError::NoDump(DUMPED_WITHIN));
        }
        let Some(reconciler) = &mut self.reconciler else { return Ok(None) };
        if self.monitor == Monitor::None && now.saturating_sub(self.audited_at) >= AUDIT_EVERY {
            reconciler.doubt();
        }
        reconciler.on_tick(now);
        self.audit_if_needed(now, out).map(|()| None)
    }

    /// Writes FLOW_MODs that wait to be sent, as long as `out` is short. Call it after every event and
    /// when `out` has been sent.
    pub fn write(&mut self, out: &mut Writer) -> Result<(), SessionError> {
        let Some(reconciler) = &mut self.reconciler else { return Ok(()) };
        let before = out.len();
        reconciler.write(&mut self.next_xid, out)?;
        self.unasked += out.len() - before;
        if self.unasked >= ASK_EVERY {
            self.unasked = 0;
            self.ask(out)?;
        }
        Ok(())
    }

    /// After [`Event::Audited`]: the cookies of the flows that were missing or another.
    pub fn missing(&self) -> HashSet<Cookie> {
        self.reconciler.as_ref().map(Reconciler::missing).unwrap_or_default()
    }

    /// After [`Event::Audited`] on a learning bridge: the flows that it has learnt.
    pub fn take_bridged(&mut self) -> Vec<Flow> {
        self.reconciler.as_mut().map(Reconciler::take_bridged).unwrap_or_default()
    }

    /// How far the bridge is, if a newer state came into effect or it has come to rest since the last call.
    pub fn progress(&mut self) -> Option<Progress> {
        let reconciler = self.reconciler.as_mut()?;
        let counts = reconciler.counts();
        let newer = counts.generation != self.reported.generation;
        let rests = reconciler.is_quiet() || counts.held;
        if !(newer || (rests && counts != self.reported)) {
            return None;
        }
        self.reported = counts;
        Some(reconciler.progress())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
