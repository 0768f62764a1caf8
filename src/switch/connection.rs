//! Moves bytes and time between sockets and [`Session`]s.
//!
//! A connection task owns its socket and its session, and ends when the socket does, when the session
//! gives up, when somebody else needs its [`Place`], or when the agent drops its end of the commands. Reports go through one bounded channel:
//! when the agent is behind, connections wait for it and stop reading, which slows the switches down.
//!
//! A packet that a flow sends up takes a short path: read in a batch with others, answered by the connection's own
//! [`Responder`] in the same task, and all answers of the batch leave in one write, behind what the session has to say.

use std::collections::HashSet;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{debug, warn};

use super::ending::ConnectionError;
use super::outbox::Outbox;
use super::places::Place;
use super::progress::Progress;
use super::reconciler::Wanted;
use super::session::{Event, Identity, Session, SessionError};
use crate::flow::Changes;
use crate::openflow::frame::FrameBuffer;
use crate::openflow::header::VERSION;
use crate::openflow::packet::PacketIn;
use crate::openflow::{Cookie, DatapathId, DecodeError, Message, MessageType, PortNo};
use crate::responder::security_log::Record;
use crate::responder::{Punts, Responder, Snapshot, learning};
use crate::tls::HandshakeError;

/// Names a connection for as long as the daemon runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// What the agent tells a connection.
pub enum Command {
    /// The bridge is ours: keep its flows so.
    Adopt(Box<Wanted>),
    /// The wanted flows changed.
    Update {
        /// The state that the changes lead to.
        generation: u64,
        /// What changed.
        changes: Changes,
    },
    /// What refused guards were for is closed: what waited for that is to be sent.
    Proceed,
    /// Another connection says that it is this bridge: show that you live, or end.
    Challenge,
    /// The packets that come up are this one's to answer.
    Respond(Box<Responder>),
    /// What they are answered from changed.
    Answers(Arc<Snapshot>),
    /// Sends a packet through the switch's NORMAL, as if it came from a port.
    PacketOut {
        /// The port.
        in_port: PortNo,
        /// The packet, from its Ethernet header.
        frame: Vec<u8>,
    },
}

/// What a connection tells the agent.
pub struct Report {
    /// Which connection.
    pub connection: ConnectionId,
    /// What happened.
    pub news: News,
}

/// What happened on a connection.
pub enum News {
    /// A bridge says who it is, and waits for [`Command::Adopt`]. Dropping `commands` sends it away.
    Identified {
        /// Which bridge.
        identity: Identity,
        /// Where it connects from.
        peer: String,
        /// How to talk to the connection.
        commands: mpsc::UnboundedSender<Command>,
    },
    /// The bridge's flows were compared with what is wanted.
    Audited {
        /// FLOW_MODs that it takes.
        differences: usize,
        /// Cookies of the flows that were missing or another.
        missing: HashSet<Cookie>,
    },
    /// A learning bridge goes on learning.
    Learning(learning::Counters),
    /// All that is wanted is in effect, but for rejected flows.
    Progress(Box<Progress>),
    /// What came up since the last time.
    Punts(Box<Punts>),
    /// What the firewall tells of packets.
    SecurityLog(Vec<Record>),
    /// Peers were sent away at once, for as many connections are open as may be.
    Crowded {
        /// Where the latest came from.
        latest: String,
        /// How many since the last time.
        count: u64,
    },
    /// The connection ended, whether or not it came to be a bridge's.
    Closed {
        /// Where it came from.
        peer: String,
        /// Why, if the peer did not close it.
        error: Option<ConnectionError>,
    },
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Peer {
    address: String,
    /// What it has until it is a bridge of ours.
    place: Option<Place>,
}

impl Peer {
    /// Somebody who has taken a place.
    pub fn stranger(address: String, place: Place) -> Self {
        Self { address, place: Some(place) }
    }
}

/// Somebody who takes nobody's place.
impl From<&str> for Peer {
    fn from(address: &str) -> Self {
        Self { address: address.to_owned(), place: None }
    }
}

/// How long a peer that is to be sent away may take to read why.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);

/// After this much in one read others have their turn: a task may read over a hundred times before it has to let go of
/// its thread, and whoever it has woken meanwhile, the agent above all, waits on that same thread.
const MUCH: usize = 32 * 1024;

/// What a peer may send in bytes until it is known as a bridge of ours: the description of as many ports as Open vSwitch has
/// numbers for takes half of it.
const MAX_INTRODUCTION: usize = 8 << 20;

/// The content type of a TLS handshake (RFC 8446 §5.1), where OpenFlow has its version.
const TLS_HANDSHAKE: u8 = 22;

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Either end has closed it.
    Closed,
    /// The peer does not answer any more. What was sent and has not arrived had better not arrive at all.
    Abandoned,
}

/// Speaks with the switch at the other end of `stream` until either ends the connection, and reports that. Whoever
/// connected does not matter: a bridge's management socket will do too.
pub async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: Peer,
    connection: ConnectionId,
    reports: mpsc::Sender<Report>,
) -> Ended {
    let mut driver = Driver {
        peer,
        connection,
        reports,
        commands: None,
        responder: Responder::silent(),
        told: learning::Counters::default(),
        read: 0,
    };
    let error = driver.drive(stream).await.err();
    let ended = if error.as_ref().is_some_and(ConnectionError::is_silence) { Ended::Abandoned } else { Ended::Closed };
    let Driver { peer, reports, .. } = driver;
    let _ = reports.send(Report { connection, news: News::Closed { peer: peer.address, error } }).await;
    ended
}

struct Driver {
    peer: Peer,
    connection: ConnectionId,
    reports: mpsc::Sender<Report>,
    /// The agent's commands, once the bridge has said who it is.
    commands: Option<(DatapathId, mpsc::UnboundedReceiver<Command>)>,
    responder: Responder,
    /// What the agent knows of a learning bridge.
    told: learning::Counters,
    /// Bytes that came from the peer.
    read: usize,
}

impl Driver {
    fn bridge(&self) -> String {
        self.commands.as_ref().map_or_else(|| "?".to_owned(), |(datapath_id, _)| datapath_id.to_string())
    }

    async fn drive<S: AsyncRead + AsyncWrite + Unpin>(&mut self, mut stream: S) -> Result<(), ConnectionError> {
        let began = Instant::now();
        let mut input = FrameBuffer::small();
        let mut outbox = Outbox::default();
        let mut heard = false;
        let mut session = Session::new(&mut outbox.session)?;
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            session.write(&mut outbox.session)?;
            if session.takes_packets() {
                input.grow();
            }
            if let Some(progress) = session.progress() {
                self.report(News::Progress(Box::new(progress))).await?;
            }
            tokio::select! {
                biased;
                command = next_command(&mut self.commands) => match command {
                    Some(command) => self.on_command(command, &mut session, began.elapsed(), &mut outbox)?,
                    None => return Err(ConnectionError::Dismissed),
                },
                () = wanted_back(&mut self.peer.place) => return Err(ConnectionError::CrowdedOut),
                _ = ticks.tick() => {
                    if let Some(event) = session.on_tick(began.elapsed(), &mut outbox.session)? {
                        self.on_event(event, &mut session, began.elapsed(), &mut outbox).await?;
                    }
                    self.responder.on_tick(began.elapsed(), &mut outbox.answers);
                    self.report_records();
                    self.report_punts();
                    self.tell_counters();
                }
                moved = poll_fn(|context| transfer(&mut stream, &mut input, &mut outbox, context)) => match moved? {
                    Moved::Sent => {
                        // The clock is asked once for all answers that a write took.
                        if self.responder.has_leaving() && outbox.is_empty() {
                            self.responder.on_sent(began.elapsed());
                        }
                    }
                    Moved::Received(0) => return Ok(()),
                    Moved::Received(count) => {
                        if !mem::replace(&mut heard, true) && input.spare().first() == Some(&TLS_HANDSHAKE) {
                            return Err(ConnectionError::Handshake(HandshakeError::NotPlain));
                        }
                        input.filled(count);
                        self.read = self.read.saturating_add(count);
                        if let Err(error) = self.on_input(&mut input, &mut session, began.elapsed(), &mut outbox).await {
                            // The peer deserves the error that was written for it, but no patience.
                            let _ = timeout(LAST_WORDS_WITHIN, send_all(&mut stream, &mut outbox)).await;
                            return Err(error);
                        }
                        if count >= MUCH {
                            yield_now().await;
                        }
                    }
                },
            }
        }
    }

    fn on_command(
        &mut self,
        command: Command,
        session: &mut Session,
        now: Duration,
        outbox: &mut Outbox,
    ) -> Result<(), ConnectionError> {
        match command {
            Command::Adopt(wanted) => {
                self.peer.place = None;
                session.adopt(*wanted, now, &mut outbox.session)?;
            }
            Command::Update { generation, changes } => session.update(generation, changes),
            Command::Proceed => session.proceed(),
            Command::Challenge => session.challenge(&mut outbox.session)?,
            Command::Respond(responder) => {
                let before = mem::replace(&mut self.responder, *responder);
                self.responder.inherit(before);
            }
            Command::Answers(snapshot) => self.responder.set_snapshot(snapshot),
            Command::PacketOut { in_port, frame } => session.packet_out(in_port, &frame, &mut outbox.session)?,
        }
        Ok(())
    }

    /// All messages that have come in whole.
    async fn on_input(
        &mut self,
        input: &mut FrameBuffer,
        session: &mut Session,
        now: Duration,
        outbox: &mut Outbox,
    ) -> Result<(), ConnectionError> {
        let together = if self.responder.foresees() { FORESEEN } else { 1 };
        let mut packets = Packets::default();
        for frame in input.frames() {
            let frame = frame.map_err(SessionError::from)?;
            if let Some(packet_in) = packet_in(frame).filter(|_| session.takes_packets()) {
                packets.push(packet_in.map_err(SessionError::from)?);
                if packets.count == together {
                    self.answer(&mut packets, now, outbox);
                }
            } else if let Some(event) = session.on_message(frame, now, &mut outbox.session)? {
                self.on_event(event, session, now, outbox).await?;
            }
            let is_ours = session.takes_packets();
            if !(if is_ours { outbox.takes_replies() } else { outbox.takes_replies_to_stranger() }) {
                return Err(ConnectionError::NotReading(outbox.session.len()));
            }
        }
        self.answer(&mut packets, now, outbox);
        self.check_introduction(input, session)?;
        session.heard(now);
        self.report_records();
        Ok(())
    }

    /// A stranger's messages are short and few. Who has said which bridge it is may need more room to say its ports.
    fn check_introduction(&self, input: &mut FrameBuffer, session: &Session) -> Result<(), SessionError> {
        if let Some(found) = input.awaited().filter(|length| *length > FrameBuffer::SMALL) {
            if !session.is_introduced() {
                return Err(SessionError::TooLong { found, limit: FrameBuffer::SMALL });
            }
            input.grow();
        }
        if !session.takes_packets() && self.read > MAX_INTRODUCTION {
            return Err(SessionError::TooMuch(self.read));
        }
        Ok(())
    }

    /// Answers packets in their order, as far as there is room for answers.
    fn answer(&mut self, packets: &mut Packets<'_>, now: Duration, outbox: &mut Outbox) {
        if packets.count > 1 {
            self.responder.foresee(packets.iter());
        }
        for packet_in in packets.iter() {
            if outbox.takes_answers() {
                self.responder.on_packet_in(packet_in, now, &mut outbox.answers);
            } else {
                self.responder.on_packet_in_refused(packet_in, now);
            }
        }
        packets.count = 0;
    }

    async fn on_event(
        &mut self,
        event: Event,
        session: &mut Session,
        now: Duration,
        outbox: &mut Outbox,
    ) -> Result<(), ConnectionError> {
        match event {
            Event::Identified(identity) => {
                let (sender, receiver) = mpsc::unbounded_channel();
                self.commands = Some((identity.datapath_id, receiver));
                self.report(News::Identified { identity, peer: self.peer.address.clone(), commands: sender }).await
            }
            Event::PortGone(port) => {
                let Some(bridge) = self.responder.learning_bridge() else { return Ok(()) };
                Ok(bridge.on_port_gone(port, &mut outbox.answers).map_err(SessionError::from)?)
            }
            Event::Refused(code) => {
                debug!(bridge = self.bridge(), "the switch refuses an answer to a packet: {code}");
                if let Some(bridge) = self.responder.learning_bridge() {
                    bridge.on_refused(code, now);
                }
                Ok(())
            }
            Event::Audited { differences } => {
                if let Some(bridge) = self.responder.learning_bridge() {
                    let bridged = session.take_bridged();
                    bridge.recall(&bridged, now, &mut outbox.answers).map_err(SessionError::from)?;
                }
                self.report(News::Audited { differences, missing: session.missing() }).await
            }
            Event::WithoutBundles(refusal) => {
                warn!(bridge = self.bridge(), "the switch refuses bundles ({refusal}): flows change one by one");
                Ok(())
            }
            Event::WithoutMonitor => {
                warn!(
                    bridge = self.bridge(),
                    "the switch has no flow monitor: its flows are audited every few seconds"
                );
                Ok(())
            }
        }
    }

    /// Tells what a learning bridge has learnt. If the agent is behind, the next time will do.
    fn tell_counters(&mut self) {
        let Some(counters) = self.responder.learning_bridge().map(|bridge| bridge.counters()) else { return };
        let report = Report { connection: self.connection, news: News::Learning(counters) };
        if counters != self.told && self.reports.try_send(report).is_ok() {
            self.told = counters;
        }
    }

    /// When the agent is behind, records wait for the next time, or find no place.
    fn report_records(&mut self) {
        if self.responder.has_records()
            && let Ok(permit) = self.reports.try_reserve()
        {
            let records = self.responder.take_records();
            permit.send(Report { connection: self.connection, news: News::SecurityLog(records) });
        }
    }

    /// When the agent is behind, what came up waits for the next time.
    fn report_punts(&mut self) {
        if let Ok(permit) = self.reports.try_reserve()
            && let Some(punts) = self.responder.take_punts()
        {
            permit.send(Report { connection: self.connection, news: News::Punts(Box::new(punts)) });
        }
    }

    async fn report(&self, news: News) -> Result<(), ConnectionError> {
        let report = Report { connection: self.connection, news };
        self.reports.send(report).await.map_err(|_| ConnectionError::Stopping)
    }
}

/// Packets for which the responder looks into memory at once, if it has to.
const FORESEEN: usize = 8;

/// Packets that wait for their answers.
#[derive(Default)]
struct Packets<'a> {
    places: [Option<PacketIn<'a>>; FORESEEN],
    count: usize,
}

impl<'a> Packets<'a> {
    /// Adds one; there has to be room.
    fn push(&mut self, packet_in: PacketIn<'a>) {
        if let Some(place) = self.places.get_mut(self.count) {
            *place = Some(packet_in);
            self.count += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = &PacketIn<'a>> {
        self.places.iter().take(self.count).flatten()
    }
}

async fn next_command(commands: &mut Option<(DatapathId, mpsc::UnboundedReceiver<Command>)>) -> Option<Command> {
    match commands {
        Some((_, commands)) => commands.recv().await,
        None => std::future::pending().await,
    }
}

async fn wanted_back(place: &mut Option<Place>) {
    match place {
        Some(place) => place.wanted_back().await,
        None => std::future::pending().await,
    }
}

/// The packet that a message brings; `None` of another message, and of one in another version.
fn packet_in(frame: &[u8]) -> Option<Result<PacketIn<'_>, DecodeError>> {
    let message = Message::decode(frame).ok()?;
    let is_one = (message.header.version, message.header.message_type) == (VERSION, MessageType::PACKET_IN);
    is_one.then(|| PacketIn::decode(message.body))
}

/// What happened on a socket.
enum Moved {
    /// Some of what waited was sent.
    Sent,
    /// So many bytes came in; 0: the peer has closed.
    Received(usize),
}

/// Sends what waits and, when there is nothing or no room for it, takes what has come in.
fn transfer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    input: &mut FrameBuffer,
    outbox: &mut Outbox,
    context: &mut Context<'_>,
) -> Poll<io::Result<Moved>> {
    let pending = outbox.pending();
    if !pending.is_empty()
        && let Poll::Ready(sent) = Pin::new(&mut *stream).poll_write(context, pending)
    {
        outbox.sent(sent?);
        return Poll::Ready(Ok(Moved::Sent));
    }
    if outbox.is_unflushed()
        && let Poll::Ready(flushed) = Pin::new(&mut *stream).poll_flush(context)
    {
        flushed?;
        outbox.flushed();
    }
    let mut spare = ReadBuf::new(input.spare());
    match Pin::new(stream).poll_read(context, &mut spare) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(Moved::Received(spare.filled().len()))),
        // A peer that ends without a word of TLS. Every message says its length: none can be cut short by it.
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(Moved::Received(0))),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => Poll::Pending,
    }
}

async fn send_all<S: AsyncWrite + Unpin>(stream: &mut S, outbox: &mut Outbox) -> io::Result<()> {
    loop {
        let pending = outbox.pending();
        if pending.is_empty() {
            return stream.flush().await;
        }
        let sent = stream.write(pending).await?;
        outbox.sent(sent);
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
