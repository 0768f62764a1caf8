//! The task that keeps a connection to the database server.
//!
//! ```text
//!  owner ── transact() ──► commands (bounded) ──► ┌────────────┐ ──► socket
//!    ▲                                            │ task: run  │
//!    └─────────── Event ◄── events (bounded) ◄─── └────────────┘ ◄── socket
//! ```
//!
//! One task, owned by [`Client`] and aborted when that is dropped. It connects, and connects again: backoff is
//! jittered, capped and starts over once the server has said whose the lock is.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::database::{Change, Database};
use super::jsonrpc::{FrameError, MessageError};
use super::model::RowError;
use super::remote::Remote;
use super::session::{News, Session, Transaction, TransactionResult};
use super::transaction::{Operation, TransactError};
use crate::tls::{Credentials, HandshakeError};

/// How long a transaction may take before its caller gets an error.
pub const TRANSACT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Transactions that wait to be sent; when full, `transact` waits.
const COMMANDS: usize = 64;
/// Events that the owner has not taken; when full, later ones are merged in the [`Outbox`].
const EVENTS: usize = 16;
/// Changes that wait in the outbox before we stop reading, and leave the server to wait, or to give us up.
const OUTBOX: usize = 65_536;
/// The content type of an alert (RFC 8446 §5.1), with which a TLS server answers JSON.
const TLS_ALERT: u8 = 21;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// No connection could be made.
    #[error("cannot connect to {remote}: {error}")]
    Connect {
        /// The server.
        remote: Remote,
        /// What the system says.
        error: io::Error,
    },
    /// The server, or we in its eyes, are not who we have to be.
    #[error("no TLS session with {remote}: {error}")]
    Handshake {
        /// The server.
        remote: Remote,
        /// Why.
        error: HandshakeError,
    },
    /// An `ssl:` server without keys to present to it.
    #[error("{0} needs [tls] in heddle.toml")]
    NoCredentials(Remote),
    /// The connection broke.
    #[error("the connection failed: {0}")]
    Io(io::Error),
    /// The server closed it.
    #[error("the server closed the connection")]
    Closed,
    /// The server closed it before it said anything, as `pssl:` of Open vSwitch does to who does not speak TLS.
    #[error("the server closed the connection before it said anything; is its end pssl: where ours is tcp:?")]
    ClosedAtOnce,
    /// The server said nothing, not even to our echo request.
    #[error("the server was silent for {0:?}")]
    Silent(Duration),
    /// The stream is not made of messages.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message is not JSON-RPC.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The server knows no locks.
    #[error("the server refused the lock: {0}")]
    LockRefused(String),
    /// Somebody took the lock away, as `ovsdb-client steal` does.
    #[error("the lock was stolen")]
    LockStolen,
    /// The server does not let us watch: no such database or column.
    #[error("the server refused to be monitored: {0}")]
    MonitorRefused(String),
    /// An update of something else than our monitor, or before its snapshot.
    #[error("an update came that was not asked for")]
    UnexpectedUpdate,
    /// A row is not what the schema promises.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// What happens in the database, in order.
#[derive(Debug)]
pub enum Event {
    /// Connected, and another Heddle holds the lock. A snapshot follows once its connection has ended.
    StandingBy,
    /// Connected and holding the lock, for the first time or again: everything that is watched.
    Snapshot(Box<Database>),
    /// Changes since; never empty. One transaction's changes are never split over two events.
    Changed(Vec<Change>),
    /// The connection was lost, or the first attempt failed. A snapshot follows once it is back.
    Disconnected {
        /// Why.
        reason: ConnectionError,
    },
}

/// A handle to the database; the connection goes when it is dropped.
#[derive(Debug)]
pub struct Client {
    commands: mpsc::Sender<Transaction>,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    /// Starts to connect. `credentials` are for an `ssl:` server. Must be called in a tokio runtime.
    pub fn spawn(remote: Remote, credentials: Option<Arc<Credentials>>) -> (Self, mpsc::Receiver<Event>) {
        let (commands, command_receiver) = mpsc::channel(COMMANDS);
        let (event_sender, events) = mpsc::channel(EVENTS);
        let server = Server { remote, credentials };
        let driver = Driver { commands: command_receiver, events: event_sender, outbox: Outbox::default(), server };
        (Self { commands, task: tokio::spawn(driver.run()) }, events)
    }

    /// Commits operations as one transaction. May be called again before it returns; the transactions are sent in
    /// the order of the calls. The changes come as an event too, and are in the channel when this returns unless
    /// that was full: whoever takes all events first has seen them.
    pub fn transact(&self, operations: Vec<Operation>) -> impl Future<Output = TransactionResult> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        // On its way before anybody waits for the answer.
        let sent = self.commands.try_send(Transaction { operations, reply });
        let commands = self.commands.clone();
        async move {
            let answer = async {
                if let Err(TrySendError::Full(transaction)) = sent {
                    commands.send(transaction).await.map_err(|_| TransactError::Disconnected)?;
                }
                answer.await.map_err(|_| TransactError::Disconnected)?
            };
            timeout(TRANSACT_TIMEOUT, answer).await.unwrap_or(Err(TransactError::TimedOut(TRANSACT_TIMEOUT)))
        }
    }
}

/// Events that the owner's channel has no room for yet, merged: however slow the owner, at most four.
#[derive(Default)]
struct Outbox {
    disconnected: Option<ConnectionError>,
    standing_by: bool,
    snapshot: Option<Box<Database>>,
    changes: Vec<Change>,
}

impl Outbox {
    fn push(&mut self, news: News) {
        match (news, &mut self.snapshot) {
            (News::StandingBy, _) => self.standing_by = true,
            (News::Snapshot(database), snapshot) => *snapshot = Some(database),
            (News::Changed(changes), Some(snapshot)) => snapshot.apply(changes),
            (News::Changed(changes), None) => self.changes.extend(changes),
        }
    }

    /// What came before is of no use: a snapshot will replace it.
    fn disconnect(&mut self, reason: ConnectionError) {
        *self = Self { disconnected: Some(reason), ..Self::default() };
    }

    fn is_empty(&self) -> bool {
        self.disconnected.is_none() && !self.standing_by && self.snapshot.is_none() && self.changes.is_empty()
    }

    fn is_full(&self) -> bool {
        self.changes.len() >= OUTBOX
    }

    fn send_one(&mut self, permit: mpsc::Permit<'_, Event>) {
        if let Some(event) = self.pop() {
            permit.send(event);
        }
    }

    fn pop(&mut self) -> Option<Event> {
        if let Some(reason) = self.disconnected.take() {
            return Some(Event::Disconnected { reason });
        }
        if mem::take(&mut self.standing_by) {
            return Some(Event::StandingBy);
        }
        if let Some(database) = self.snapshot.take() {
            return Some(Event::Snapshot(database));
        }
        let changes = mem::take(&mut self.changes);
        (!changes.is_empty()).then_some(Event::Changed(changes))
    }
}

/// Doubles from one failure to the next, up to a cap.
struct Backoff(Duration);

impl Backoff {
    /// Half to all of the current delay, so that those who lost one server do not all come back at once.
    fn next(&mut self) -> Duration {
        let delay = self.0;
        self.0 = (delay * 2).min(LAST_BACKOFF);
        let random = RandomState::new().build_hasher().finish() % 1000;
        delay.mul_f64(0.5 + random as f64 / 2000.0)
    }
}

/// The owner has gone: end the task.
struct OwnerGone;

/// A connected socket.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where to connect to, and as whom.
#[derive(Clone)]
struct Server {
    remote: Remote,
    credentials: Option<Arc<Credentials>>,
}

impl Server {
    async fn connect(&self) -> Result<Box<dyn Stream>, ConnectionError> {
        match &self.remote {
            Remote::Unix(path) => Ok(Box::new(self.in_time(UnixStream::connect(path)).await?)),
            Remote::Tcp { host, port } => Ok(Box::new(self.in_time(connect_tcp(host, *port)).await?)),
            Remote::Ssl { host, port } => {
                let Some(credentials) = &self.credentials else {
                    return Err(ConnectionError::NoCredentials(self.remote.clone()));
                };
                let stream = self.in_time(connect_tcp(host, *port)).await?;
                match credentials.connect(host, stream).await {
                    Ok(stream) => Ok(Box::new(stream)),
                    Err(error) => Err(self.refused(error)),
                }
            }
        }
    }

    fn refused(&self, error: HandshakeError) -> ConnectionError {
        ConnectionError::Handshake { remote: self.remote.clone(), error }
    }

    async fn in_time<T>(&self, attempt: impl Future<Output = io::Result<T>>) -> Result<T, ConnectionError> {
        let result = timeout(CONNECT_TIMEOUT, attempt).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        result.map_err(|error| ConnectionError::Connect { remote: self.remote.clone(), error })
    }

    /// Reading or writing failed.
    fn broken(&self, error: io::Error) -> ConnectionError {
        match HandshakeError::of_stream(&error) {
            Some(error) => self.refused(error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => ConnectionError::Closed,
            None => ConnectionError::Io(error),
        }
    }
}

async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends some of `output`, or, if it is empty, what was held back. Returns how many bytes it took.
async fn send(writer: &mut (impl AsyncWrite + Unpin), output: &[u8]) -> io::Result<usize> {
    if output.is_empty() {
        writer.flush().await?;
        return Ok(0);
    }
    match writer.write(output).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(count),
    }
}

struct Driver {
    server: Server,
    commands: mpsc::Receiver<Transaction>,
    events: mpsc::Sender<Event>,
    outbox: Outbox,
}

impl Driver {
    async fn run(mut self) {
        let mut backoff = Backoff(FIRST_BACKOFF);
        let mut told = None;
        loop {
            let server = self.server.clone();
            let remote = &server.remote;
            let connected = match self.until(server.connect()).await {
                Ok(result) => result,
                Err(OwnerGone) => return,
            };
            let mut had_news = false;
            let reason = match connected {
                Ok(stream) => {
                    tracing::debug!(%remote, "connected to the database server");
                    match self.serve(stream, &mut had_news).await {
                        Ok(reason) => reason,
                        Err(OwnerGone) => return,
                    }
                }
                Err(reason) => reason,
            };
            if had_news {
                backoff = Backoff(FIRST_BACKOFF);
            }
            let delay = backoff.next();
            tracing::debug!(%remote, %reason, ?delay, "no connection to the database server");
            // The owner learns of the loss and of each other reason after it, not of each attempt.
            let text = reason.to_string();
            if had_news || told.as_ref() != Some(&text) {
                self.outbox.disconnect(reason);
                told = Some(text);
            }
            if self.until(sleep(delay)).await.is_err() {
                return;
            }
        }
    }

    /// Waits for something while there is no session: events go out, transactions are refused.
    async fn until<T>(&mut self, future: impl Future<Output = T>) -> Result<T, OwnerGone> {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Ok(output),
                permit = self.events.reserve(), if !self.outbox.is_empty() => {
                    self.outbox.send_one(permit.map_err(|_| OwnerGone)?);
                }
                command = self.commands.recv() => command.ok_or(OwnerGone)?.refuse(TransactError::Disconnected),
            }
        }
    }

    /// Moves bytes, events and transactions until the session ends.
    async fn serve(&mut self, stream: Box<dyn Stream>, had_news: &mut bool) -> Result<ConnectionError, OwnerGone> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut session = Session::new(Instant::now().into_std());
        let mut chunk = vec![0; 64 << 10];
        // What was written may still be held back: TLS does so while the socket is full.
        let mut unflushed = false;
        let mut heard = false;
        loop {
            let listens = !self.outbox.is_full();
            // An owner that takes no events must not wait for its answers: then they come before the news.
            if self.outbox.is_empty() || self.events.capacity() == 0 {
                session.answer();
            }
            let step = tokio::select! {
                permit = self.events.reserve(), if !self.outbox.is_empty() => {
                    self.outbox.send_one(permit.map_err(|_| OwnerGone)?);
                    if !listens {
                        session.on_resume(Instant::now().into_std());
                    }
                    Ok(())
                }
                command = self.commands.recv() => {
                    session.on_transact(command.ok_or(OwnerGone)?);
                    Ok(())
                }
                read = reader.read(&mut chunk), if listens => match read {
                    Ok(0) if !heard && matches!(self.server.remote, Remote::Tcp { .. }) => {
                        Err(ConnectionError::ClosedAtOnce)
                    }
                    Ok(0) => Err(ConnectionError::Closed),
                    Ok(_) if !mem::replace(&mut heard, true) && chunk.first() == Some(&TLS_ALERT) => {
                        Err(self.server.refused(HandshakeError::NotPlain))
                    }
                    Ok(count) => {
                        let bytes = chunk.get(..count).unwrap_or_default();
                        session.on_bytes(bytes, Instant::now().into_std()).map(|news| {
                            for news in news {
                                *had_news = true;
                                self.outbox.push(news);
                            }
                        })
                    }
                    Err(error) => Err(self.server.broken(error)),
                },
                sent = send(&mut writer, session.output()), if unflushed || !session.output().is_empty() => match sent {
                    Ok(count) => {
                        session.on_sent(count);
                        unflushed = count > 0;
                        Ok(())
                    }
                    Err(error) => Err(self.server.broken(error)),
                },
                () = sleep_until(session.deadline().into()), if listens => {
                    session.on_deadline(Instant::now().into_std())
                }
            };
            if let Err(reason) = step {
                session.answer();
                return Ok(reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ovsdb::model::{Port, Table};
    use crate::ovsdb::value::Uuid;

    fn port(number: u8) -> Change {
        Change::Port(Uuid([number; 16]), Some(Port { name: format!("p{number}"), ..Port::default() }))
    }

    #[test]
    fn backoff_doubles_up_to_its_cap_with_jitter_below() {
        let mut backoff = Backoff(FIRST_BACKOFF);
        let mut full = FIRST_BACKOFF;
        for _ in 0..10 {
            let delay = backoff.next();
            assert!(delay >= full / 2 && delay <= full, "{delay:?} of {full:?}");
            full = (full * 2).min(LAST_BACKOFF);
        }
        assert_eq!(full, LAST_BACKOFF);
    }

    #[test]
    fn what_a_slow_owner_has_not_taken_is_merged() {
        let mut outbox = Outbox::default();
        outbox.push(News::Changed(vec![port(1)]));
        outbox.push(News::Changed(vec![port(2)]));
        assert!(matches!(outbox.pop(), Some(Event::Changed(changes)) if changes == [port(1), port(2)]));
        outbox.push(News::Changed(vec![port(1)]));
        outbox.disconnect(ConnectionError::Closed);
        outbox.push(News::StandingBy);
        outbox.push(News::Snapshot(Box::default()));
        outbox.push(News::Changed(vec![port(3)]));
        assert!(matches!(outbox.pop(), Some(Event::Disconnected { .. })));
        assert!(matches!(outbox.pop(), Some(Event::StandingBy)));
        assert!(matches!(outbox.pop(), Some(Event::Snapshot(db)) if db.port_named("p3").is_some()));
        assert!(outbox.pop().is_none() && outbox.is_empty());
    }

    #[test]
    fn a_full_outbox_stops_the_reading() {
        let mut outbox = Outbox::default();
        outbox.push(News::Changed(vec![port(1); OUTBOX]));
        assert!(outbox.is_full());
        assert_eq!(port(1).table(), Table::Port);
        outbox.pop();
        assert!(!outbox.is_full());
    }
}
