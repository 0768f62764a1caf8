//! Moves bytes and time between sockets and [`Session`]s.
//!
//! ```text
//!  listener task ──accept──► connection task (one a bridge) ──Report──► agent
//!                                   ▲                                     │
//!                                   └──────────── Command ────────────────┘
//! ```
//! A connection task owns its socket and its session, and ends when the socket does, when the session
//! gives up, or when the agent drops its end of the commands. Reports go through one bounded channel:
//! when the agent is behind, connections wait for it and stop reading, which slows the switches down.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{debug, warn};

use super::reconciler::{Progress, Wanted};
use super::session::{Event, Session, SessionError};
use crate::flow::Changes;
use crate::openflow::frame::FrameBuffer;
use crate::openflow::{Cookie, DatapathId, PortNo, Writer};

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
        datapath_id: DatapathId,
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
    /// All that is wanted is in effect, but for rejected flows.
    Progress(Box<Progress>),
    /// The connection ended.
    Closed,
}

/// Connections at the most; more are closed at once.
const MAX_CONNECTIONS: usize = 1024;

/// How long a peer that is to be sent away may take to read why.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);

/// Accepts connections on `listener` until dropped.
pub async fn serve(listener: TcpListener, first_id: u64, reports: mpsc::Sender<Report>) {
    let mut connections = JoinSet::new();
    let mut next_id = first_id;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < MAX_CONNECTIONS => {
                    connections.spawn(run(stream, peer, ConnectionId(next_id), reports.clone()));
                    next_id += 1;
                }
                Ok((_, peer)) => warn!(%peer, "refused a connection: {MAX_CONNECTIONS} are open already"),
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn run(stream: TcpStream, peer: SocketAddr, connection: ConnectionId, reports: mpsc::Sender<Report>) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    drive(stream, peer.to_string(), connection, reports).await;
}

/// Speaks with the switch at the other end of `stream` until either ends the connection. Whoever connected
/// does not matter: a bridge's management socket will do too.
pub async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: String,
    connection: ConnectionId,
    reports: mpsc::Sender<Report>,
) {
    let mut driver = Driver { peer, connection, reports, commands: None };
    let ended = driver.drive(stream).await;
    let (peer, bridge) = (&driver.peer, driver.bridge());
    match ended {
        Ok(()) => debug!(%peer, bridge, "connection closed"),
        Err(error) => warn!(%peer, bridge, "connection ended: {error}"),
    }
    let _ = driver.reports.send(Report { connection, news: News::Closed }).await;
}

/// Why a connection ended, if not by the peer closing it.
#[derive(Debug, thiserror::Error)]
enum DriveError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the daemon stops")]
    Stopping,
}

struct Driver {
    peer: String,
    connection: ConnectionId,
    reports: mpsc::Sender<Report>,
    /// The agent's commands, once the bridge has said who it is.
    commands: Option<(DatapathId, mpsc::UnboundedReceiver<Command>)>,
}

impl Driver {
    fn bridge(&self) -> String {
        self.commands.as_ref().map_or_else(|| "?".to_owned(), |(datapath_id, _)| datapath_id.to_string())
    }

    async fn drive<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: S) -> Result<(), DriveError> {
        let began = Instant::now();
        let (mut read, mut write) = tokio::io::split(stream);
        let mut input = FrameBuffer::new();
        let mut output = Writer::new();
        let mut sent = 0;
        let mut session = Session::new(&mut output)?;
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if sent == output.len() {
                output.clear();
                sent = 0;
            }
            session.write(&mut output)?;
            if let Some(progress) = session.progress() {
                self.report(News::Progress(Box::new(progress))).await?;
            }
            let pending = output.as_slice().get(sent..).unwrap_or_default();
            tokio::select! {
                count = read.read(input.spare()) => {
                    let count = count?;
                    if count == 0 {
                        return Ok(());
                    }
                    input.filled(count);
                    for frame in input.frames() {
                        let event = session.on_message(frame.map_err(SessionError::from)?, began.elapsed(), &mut output);
                        let event = match event {
                            Ok(event) => event,
                            Err(error) => {
                                // The peer deserves the error that we wrote for it, but no patience.
                                let last = write.write_all(output.as_slice().get(sent..).unwrap_or_default());
                                let _ = timeout(LAST_WORDS_WITHIN, last).await;
                                return Err(error.into());
                            }
                        };
                        if let Some(event) = event {
                            self.on_event(event, &session).await?;
                        }
                    }
                }
                count = write.write(pending), if !pending.is_empty() => sent += count?,
                command = next_command(&mut self.commands) => match command {
                    Some(Command::Adopt(wanted)) => session.adopt(*wanted, began.elapsed(), &mut output)?,
                    Some(Command::Update { generation, changes }) => session.update(generation, changes),
                    Some(Command::PacketOut { in_port, frame }) => session.packet_out(in_port, &frame, &mut output)?,
                    None => return Ok(()),
                },
                _ = ticks.tick() => session.on_tick(began.elapsed(), &mut output)?,
            }
        }
    }

    async fn on_event(&mut self, event: Event, session: &Session) -> Result<(), DriveError> {
        match event {
            Event::Identified(datapath_id) => {
                let (sender, receiver) = mpsc::unbounded_channel();
                self.commands = Some((datapath_id, receiver));
                self.report(News::Identified { datapath_id, peer: self.peer.clone(), commands: sender }).await
            }
            Event::Audited { differences } => {
                self.report(News::Audited { differences, missing: session.missing() }).await
            }
            Event::WithoutBundles => {
                warn!(bridge = self.bridge(), "the switch refuses bundles: flows change one by one");
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

    async fn report(&self, news: News) -> Result<(), DriveError> {
        let report = Report { connection: self.connection, news };
        self.reports.send(report).await.map_err(|_| DriveError::Stopping)
    }
}

async fn next_command(commands: &mut Option<(DatapathId, mpsc::UnboundedReceiver<Command>)>) -> Option<Command> {
    match commands {
        Some((_, commands)) => commands.recv().await,
        None => std::future::pending().await,
    }
}
