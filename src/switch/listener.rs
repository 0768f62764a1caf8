//! Accepts the connections of bridges.
//!
//! ```text
//!  listener task ──accept──► connection task (one a bridge) ──Report──► agent
//!                                   ▲                                     │
//!                                   └──────────── Command ────────────────┘
//! ```
//!
//! Anybody may connect. Until the agent has taken a connection for one of its bridges it is a stranger's: those are
//! [few](MAX_STRANGERS), and who has been one for a [while](GRACE) makes room for who comes next.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::connection::{ConnectionId, Ended, News, Peer, Report, drive};
use super::ending::ConnectionError;
use super::places::{Place, Places};
use crate::tls::Credentials;

/// Connections at the most; more are closed at once, and counted.
pub const MAX_CONNECTIONS: usize = 1024;
/// Of these, connections of peers that are no bridges of ours yet.
pub const MAX_STRANGERS: usize = 256;
/// So long a stranger keeps its place whoever else comes. A bridge on the same host is known within milliseconds, one
/// elsewhere after three round trips.
pub const GRACE: Duration = Duration::from_millis(500);

/// How many may be connected, on all addresses together.
#[derive(Debug)]
pub struct Admission {
    connections: Arc<Semaphore>,
    strangers: Arc<Places>,
}

impl Admission {
    /// At most `limit` connections, a quarter of which are strangers'.
    pub fn new(limit: usize) -> Self {
        let limit = limit.clamp(1, MAX_CONNECTIONS);
        let strangers = (limit * MAX_STRANGERS / MAX_CONNECTIONS).max(1);
        Self { connections: Arc::new(Semaphore::new(limit)), strangers: Arc::new(Places::new(strangers, GRACE)) }
    }

    fn stranger(&self) -> Pin<Box<dyn Future<Output = Place> + Send>> {
        let strangers = self.strangers.clone();
        Box::pin(async move { strangers.take().await })
    }
}

/// Who has connected, and waits for a place.
struct Arrival {
    stream: TcpStream,
    address: SocketAddr,
    place: Pin<Box<dyn Future<Output = Place> + Send>>,
    /// One of the connections that there may be.
    permit: OwnedSemaphorePermit,
}

/// Peers that were sent away, of which the agent does not know yet.
#[derive(Default)]
struct Untold {
    count: u64,
    latest: String,
}

/// Accepts connections on `listener` until dropped; with `credentials`, those that speak TLS.
pub async fn serve(
    listener: TcpListener,
    credentials: Option<Arc<Credentials>>,
    first_id: u64,
    admission: Arc<Admission>,
    reports: mpsc::Sender<Report>,
) {
    let mut connections = JoinSet::new();
    let mut next_id = first_id;
    let mut arrived: Option<Arrival> = None;
    let mut untold = Untold::default();
    let mut failing = false;
    loop {
        tokio::select! {
            accepted = listener.accept(), if arrived.is_none() => match accepted {
                Ok((stream, address)) => {
                    failing = false;
                    match admission.connections.clone().try_acquire_owned() {
                        Ok(permit) => arrived = Some(Arrival { stream, address, place: admission.stranger(), permit }),
                        Err(_) => {
                            debug!(peer = %address, "refused a connection: as many are open as may be");
                            untold = Untold { count: untold.count + 1, latest: address.to_string() };
                        }
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(%error, "cannot accept connections; trying again");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            place = had_place(&mut arrived) => {
                if let Some(arrival) = arrived.take() {
                    let connection = ConnectionId(next_id);
                    connections.spawn(run(arrival, place, credentials.clone(), connection, reports.clone()));
                    next_id += 1;
                }
            }
            Ok(permit) = reports.reserve(), if untold.count > 0 => {
                let Untold { count, latest } = std::mem::take(&mut untold);
                permit.send(Report { connection: ConnectionId(next_id), news: News::Crowded { latest, count } });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Waits until who has connected has a place.
async fn had_place(arrived: &mut Option<Arrival>) -> Place {
    match arrived {
        Some(arrival) => arrival.place.as_mut().await,
        None => std::future::pending().await,
    }
}

/// A handshake takes its time in the connection's own task, within [`HANDSHAKE_WITHIN`](crate::tls::HANDSHAKE_WITHIN).
async fn run(
    arrival: Arrival,
    mut place: Place,
    credentials: Option<Arc<Credentials>>,
    connection: ConnectionId,
    reports: mpsc::Sender<Report>,
) {
    let Arrival { mut stream, address, permit: _one_of_all, .. } = arrival;
    if let Err(error) = stream.set_nodelay(true) {
        debug!(peer = %address, %error, "cannot set TCP_NODELAY");
    }
    let peer = address.to_string();
    let Some(credentials) = credentials else {
        let ended = drive(&mut stream, Peer::stranger(peer, place), connection, reports).await;
        return forget_what_is_unsent(&stream, ended);
    };
    let handshake = tokio::select! {
        done = credentials.accept(stream) => done.map_err(ConnectionError::Handshake),
        () = place.wanted_back() => Err(ConnectionError::CrowdedOut),
    };
    match handshake {
        Ok(mut stream) => {
            let ended = drive(&mut stream, Peer::stranger(peer, place), connection, reports).await;
            forget_what_is_unsent(stream.get_ref().0, ended);
        }
        Err(error) => {
            let news = News::Closed { peer, error: Some(error) };
            let _ = reports.send(Report { connection, news }).await;
        }
    }
}

/// Of a peer that does not answer any more: it may come back on another connection, and should not then find on this one
/// what was wanted before. The kernel would keep megabytes of that, and offer them for minutes.
fn forget_what_is_unsent(stream: &TcpStream, ended: Ended) {
    if ended == Ended::Abandoned
        && let Err(error) = stream.set_zero_linger()
    {
        debug!(%error, "cannot reset a connection");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// A server with so much room, its address, and what it tells.
    async fn listening(admission: Admission) -> (JoinSet<()>, SocketAddr, mpsc::Receiver<Report>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (reports, told) = mpsc::channel(1);
        let mut server = JoinSet::new();
        server.spawn(serve(listener, None, 7, Arc::new(admission), reports));
        (server, address, told)
    }

    /// Waits until the server has closed the connection.
    async fn is_closed(stream: &mut TcpStream) {
        let mut said = Vec::new();
        let _closed_or_reset = stream.read_to_end(&mut said).await;
    }

    #[tokio::test]
    async fn a_connection_too_many_is_closed_and_told_of() {
        let (_server, address, mut told) = listening(Admission::new(1)).await;
        let _first = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            is_closed(&mut TcpStream::connect(address).await.unwrap()).await;
        }
        let mut counted = 0;
        while counted < 3 {
            let Some(Report { news: News::Crowded { count, latest }, .. }) = told.recv().await else { panic!() };
            assert!(latest.starts_with("127.0.0.1:"), "{latest}");
            counted += count;
        }
        assert_eq!(counted, 3);
    }

    #[tokio::test]
    async fn the_oldest_stranger_makes_room_for_who_comes_next() {
        let strangers = Arc::new(Places::new(2, Duration::ZERO));
        let admission = Admission { connections: Arc::new(Semaphore::new(8)), strangers };
        let (_server, address, mut told) = listening(admission).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let peer = first.local_addr().unwrap().to_string();
        // It is there once it has been greeted.
        first.read_exact(&mut [0; 8]).await.unwrap();
        let mut later = Vec::new();
        for _ in 0..2 {
            let mut stranger = TcpStream::connect(address).await.unwrap();
            stranger.read_exact(&mut [0; 8]).await.unwrap();
            later.push(stranger);
        }
        is_closed(&mut first).await;
        let Some(Report { news: News::Closed { peer: closed, error }, .. }) = told.recv().await else { panic!() };
        assert_eq!((closed, error.and_then(|error| error.reason())), (peer, Some("crowded_out")));
    }
}
