//! One connection of a bridge, as a state machine without I/O: bytes of messages in, messages and
//! events out. Time is a [`Duration`] since the connection began.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::reconciler::{Progress, Reconciler, Wanted};
use crate::flow::{Changes, LearntScope};
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
use crate::openflow::port::{Port, PortReason, PortStatus};
use crate::openflow::{
    Cookie, DatapathId, DecodeError, EncodeError, Entries, ErrorCode, FlowStats, Message, MessageType, PortNo, TableId,
    Writer, Xid,
};

/// Nothing heard for so long: ask whether the peer is alive.
const ECHO_AFTER: Duration = Duration::from_secs(5);
/// Nothing heard for so long: it is not.
const DEAD_AFTER: Duration = Duration::from_secs(12);
/// A peer that has not said who it is by then is let go.
const IDENTIFIED_WITHIN: Duration = Duration::from_secs(10);
/// How often a switch without flow monitor is audited.
const AUDIT_EVERY: Duration = Duration::from_secs(5);

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
    /// The peer did not say who it is.
    #[error("did not identify itself within {} s", .0.as_secs())]
    Unidentified(Duration),
    /// The peer refused what every switch has to answer.
    #[error("refused {what}: {code}")]
    RefusedBasics {
        /// Which request.
        what: &'static str,
        /// Its error.
        code: ErrorCode,
    },
}

/// What the agent learns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The peer is the bridge with this datapath id, and waits to be adopted.
    Identified(DatapathId),
    /// An audit is complete; so many FLOW_MODs follow.
    Audited {
        /// Number of FLOW_MODs.
        differences: usize,
    },
    /// The switch refuses bundles: its changes go one by one, between barriers.
    WithoutBundles,
    /// The switch has no flow monitor: it is audited from time to time.
    WithoutMonitor,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// HELLO was sent; the peer's HELLO may arrive, and leads to `Identifying`.
    Greeting,
    /// FEATURES_REQUEST was sent; its reply leads to `Waiting`.
    Identifying,
    /// The peer is known; the agent's verdict leads to `Adopted`, or ends the connection.
    Waiting,
    /// Port descriptions, flow monitor and a dump of the flows were asked for. From then on flows are
    /// kept as wanted.
    Adopted,
}

/// See the module.
pub struct Session {
    state: State,
    reconciler: Option<Reconciler>,
    next_xid: Xid,
    last_heard: Duration,
    echo_sent: bool,
    monitor_xid: Option<Xid>,
    monitored: bool,
    /// The flow dump on its way.
    audit_xid: Option<Xid>,
    audited_at: Duration,
    told_without_bundles: bool,
    ports: BTreeMap<PortNo, String>,
    reported: (u64, usize, usize, u64, u64),
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
            echo_sent: false,
            monitor_xid: None,
            monitored: false,
            audit_xid: None,
            audited_at: Duration::ZERO,
            told_without_bundles: false,
            ports: BTreeMap::new(),
            reported: Default::default(),
        })
    }

    fn xid(&mut self) -> Xid {
        let xid = self.next_xid;
        self.next_xid = Xid(xid.0.checked_add(1).unwrap_or(1));
        xid
    }

    /// One message of the peer.
    pub fn on_message(&mut self, frame: &[u8], now: Duration, out: &mut Writer) -> Result<Option<Event>, SessionError> {
        self.last_heard = now;
        self.echo_sent = false;
        let message = Message::decode(frame)?;
        if self.state == State::Greeting {
            return self.on_hello(&message, out).map(|()| None);
        }
        if message.header.version != VERSION {
            return Err(SessionError::NoOpenFlow13(message.header.version));
        }
        match message.header.message_type {
            MessageType::ECHO_REQUEST => {
                Echo::decode(message.body).encode_reply(out, message.header.xid)?;
                Ok(None)
            }
            MessageType::FEATURES_REPLY if self.state == State::Identifying => {
                self.state = State::Waiting;
                Ok(Some(Event::Identified(FeaturesReply::decode(message.body)?.datapath_id)))
            }
            MessageType::ERROR => self.on_error(message.header.xid, &ErrorMsg::decode(message.body)?, now, out),
            MessageType::MULTIPART_REPLY => self.on_multipart(&message, now),
            MessageType::EXPERIMENTER => self.on_experimenter(&message, now, out).map(|()| None),
            MessageType::BARRIER_REPLY => {
                if let Some(reconciler) = &mut self.reconciler {
                    reconciler.on_barrier_reply(message.header.xid, now);
                }
                Ok(None)
            }
            MessageType::PORT_STATUS => {
                self.on_port_status(&PortStatus::decode(message.body)?);
                Ok(None)
            }
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
        let mut reconciler = Reconciler::new(wanted);
        reconciler.begin_audit();
        self.reconciler = Some(reconciler);
        let ports_xid = self.xid();
        multipart_request(out, MultipartType::PORT_DESC, ports_xid, |_| Ok(()))?;
        let monitor_xid = self.xid();
        let flags =
            FlowMonitorFlags::ADD | FlowMonitorFlags::DELETE | FlowMonitorFlags::MODIFY | FlowMonitorFlags::ACTIONS;
        FlowMonitorRequest::all(1, flags).encode_message(out, monitor_xid)?;
        self.monitor_xid = Some(monitor_xid);
        self.monitored = true;
        self.audit(now, out)
    }

    fn audit(&mut self, now: Duration, out: &mut Writer) -> Result<(), SessionError> {
        let xid = self.xid();
        if let Some(reconciler) = &mut self.reconciler {
            reconciler.begin_audit();
            multipart_request(out, MultipartType::FLOW, xid, |out| {
                encode_flow_stats_request(TableId::ALL, Cookie(0), 0, out)
            })?;
            self.audit_xid = Some(xid);
            self.audited_at = now;
        }
        Ok(())
    }

    /// The wanted state changed.
    pub fn update(&mut self, generation: u64, changes: Changes) {
        if let Some(reconciler) = &mut self.reconciler {
            reconciler.update(generation, changes);
        }
    }

    /// Where learnt flows are welcome changed.
    pub fn set_learnt(&mut self, learnt: Vec<LearntScope>) {
        if let Some(reconciler) = &mut self.reconciler {
            reconciler.set_learnt(learnt);
        }
    }

    fn on_error(
        &mut self,
        xid: Xid,
        error: &ErrorMsg<'_>,
        now: Duration,
        out: &mut Writer,
    ) -> Result<Option<Event>, SessionError> {
        if self.state == State::Identifying {
            return Err(SessionError::RefusedBasics { what: "FEATURES_REQUEST", code: error.code });
        }
        if self.monitor_xid == Some(xid) {
            self.monitored = false;
            return Ok(Some(Event::WithoutMonitor));
        }
        if self.audit_xid == Some(xid) {
            return Err(SessionError::RefusedBasics { what: "the dump of its flows", code: error.code });
        }
        if let Some(reconciler) = &mut self.reconciler {
            reconciler.on_error(xid, error.code, now);
            if reconciler.without_bundles() && !self.told_without_bundles {
                self.told_without_bundles = true;
                return Ok(Some(Event::WithoutBundles));
            }
        }
        self.audit_if_needed(now, out)?;
        Ok(None)
    }

    fn on_multipart(&mut self, message: &Message<'_>, now: Duration) -> Result<Option<Event>, SessionError> {
        let multipart = Multipart::decode(message.body)?;
        let Some(reconciler) = &mut self.reconciler else { return Ok(None) };
        match multipart.multipart_type {
            MultipartType::FLOW if self.audit_xid == Some(message.header.xid) => {
                let mut reader = multipart.body.reader();
                while !reader.is_empty() {
                    reconciler.on_flow_stats(&FlowStats::decode(&mut reader)?);
                }
                if multipart.more() {
                    return Ok(None);
                }
                self.audit_xid = None;
                self.audited_at = now;
                return Ok(Some(Event::Audited { differences: reconciler.on_audit_done() }));
            }
            MultipartType::PORT_DESC => {
                for port in Entries::<Port>::new(multipart.body.reader()) {
                    let port = port?;
                    self.ports.insert(port.port_no, port_name(&port));
                }
            }
            MultipartType::EXPERIMENTER => {
                let body = Experimenter::decode(multipart.body.reader())?;
                if (body.experimenter, body.exp_type) == (ONF, flow_monitor::FLOW_MONITOR) {
                    for update in Entries::<FlowUpdate<'_>>::new(body.body.reader()) {
                        if let FlowUpdate::Full(update) = update? {
                            reconciler.on_flow_update(&update);
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(None)
    }

    fn on_experimenter(&mut self, message: &Message<'_>, now: Duration, out: &mut Writer) -> Result<(), SessionError> {
        let body = Experimenter::decode(message.body)?;
        match (body.experimenter, body.exp_type) {
            (ONF, bundle::CONTROL) => {
                let control = BundleControl::decode(body.body.reader())?;
                if let (BundleControlType::COMMIT_REPLY, Some(reconciler)) = (control.control, &mut self.reconciler) {
                    reconciler.on_commit_reply(message.header.xid, now);
                }
                self.audit_if_needed(now, out)
            }
            // What happened to flows in between is not known for sure.
            (ONF, flow_monitor::RESUMED) => self.audit(now, out),
            _ => Ok(()),
        }
    }

    fn audit_if_needed(&mut self, now: Duration, out: &mut Writer) -> Result<(), SessionError> {
        match &self.reconciler {
            Some(reconciler) if self.audit_xid.is_none() && reconciler.needs_audit() => self.audit(now, out),
            _ => Ok(()),
        }
    }

    fn on_port_status(&mut self, status: &PortStatus) {
        if status.reason == PortReason::DELETE {
            self.ports.remove(&status.port.port_no);
        } else {
            self.ports.insert(status.port.port_no, port_name(&status.port));
        }
    }

    /// Time passes; call it about once a second.
    pub fn on_tick(&mut self, now: Duration, out: &mut Writer) -> Result<(), SessionError> {
        let silent = now.saturating_sub(self.last_heard);
        if matches!(self.state, State::Greeting | State::Identifying) && now >= IDENTIFIED_WITHIN {
            return Err(SessionError::Unidentified(IDENTIFIED_WITHIN));
        }
        if silent >= DEAD_AFTER {
            return Err(SessionError::Silent(silent));
        }
        if silent >= ECHO_AFTER && !self.echo_sent && self.state != State::Greeting {
            let xid = self.xid();
            Echo::default().encode_request(out, xid)?;
            self.echo_sent = true;
        }
        let Some(reconciler) = &mut self.reconciler else { return Ok(()) };
        reconciler.on_tick(now);
        let audit_due = !self.monitored && now.saturating_sub(self.audited_at) >= AUDIT_EVERY;
        if self.audit_xid.is_none() && audit_due && reconciler.is_quiet() {
            self.audit(now, out)?;
        }
        Ok(())
    }

    /// Writes FLOW_MODs that wait to be sent, as long as `out` is short. Call it after every event and
    /// when `out` has been sent.
    pub fn write(&mut self, out: &mut Writer) -> Result<(), SessionError> {
        match &mut self.reconciler {
            Some(reconciler) => Ok(reconciler.write(&mut self.next_xid, out)?),
            None => Ok(()),
        }
    }

    /// After [`Event::Audited`]: the cookies of the flows that were missing or another.
    pub fn missing(&self) -> HashSet<Cookie> {
        self.reconciler.as_ref().map(Reconciler::missing).unwrap_or_default()
    }

    /// How far the bridge is, if that changed since the last call.
    pub fn progress(&mut self) -> Option<Progress> {
        let reconciler = self.reconciler.as_mut()?;
        if !reconciler.is_quiet() {
            return None;
        }
        let progress = reconciler.progress();
        let report =
            (progress.generation, progress.installed, progress.rejected.len(), progress.flow_mods, progress.repaired);
        if report == self.reported {
            return None;
        }
        self.reported = report;
        Some(progress)
    }

    /// The bridge's ports as it describes them.
    pub fn ports(&self) -> &BTreeMap<PortNo, String> {
        &self.ports
    }
}

fn port_name(port: &Port) -> String {
    String::from_utf8_lossy(port.name.as_bytes()).into_owned()
}
