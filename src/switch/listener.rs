//! Accepts the connections of bridges.
//!
//! ```text
//!  listener task ──accept──► connection task (one a bridge) ──Report──► agent
//!                                   ▲                                     │
//!                                   └──────────── Command ────────────────┘
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::connection::{ConnectionId, Ended, News, Report, drive};
use crate::tls::{Credentials, HandshakeError};

/// Connections at the most; more are closed at once, and counted.
pub const MAX_CONNECTIONS: usize = 1024;

/// Accepts connections on `listener` until dropped; with `credentials`, those that speak TLS.
pub async fn serve(
    listener: TcpListener,
    credentials: Option<Arc<Credentials>>,
    first_id: u64,
    reports: mpsc::Sender<Report>,
) {
    serve_at_most(MAX_CONNECTIONS, listener, credentials, first_id, reports).await;
}

async fn serve_at_most(
    limit: usize,
    listener: TcpListener,
    credentials: Option<Arc<Credentials>>,
    first_id: u64,
    reports: mpsc::Sender<Report>,
) {
    let mut connections = JoinSet::new();
    let mut next_id = first_id;
    // Peers that were sent away, of which the agent does not know yet.
    let mut untold = 0_u64;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < limit => {
                    connections.spawn(run(stream, peer, credentials.clone(), ConnectionId(next_id), reports.clone()));
                    next_id += 1;
                }
                Ok((_, peer)) => {
                    debug!(%peer, "refused a connection: {limit} are open already");
                    untold += 1;
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Ok(permit) = reports.reserve(), if untold > 0 => {
                permit.send(Report { connection: ConnectionId(next_id), news: News::Crowded });
                untold -= 1;
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A handshake takes its time in the connection's own task, within [`HANDSHAKE_WITHIN`](crate::tls::HANDSHAKE_WITHIN).
async fn run(
    mut stream: TcpStream,
    peer: SocketAddr,
    credentials: Option<Arc<Credentials>>,
    connection: ConnectionId,
    reports: mpsc::Sender<Report>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let ended = match credentials {
        None => {
            let ended = drive(&mut stream, peer.to_string(), connection, reports.clone()).await;
            forget_what_is_unsent(&stream, &ended);
            ended
        }
        Some(credentials) => match credentials.accept(stream).await {
            Ok(mut stream) => {
                let ended = drive(&mut stream, peer.to_string(), connection, reports.clone()).await;
                forget_what_is_unsent(stream.get_ref().0, &ended);
                ended
            }
            Err(error) => Err(error),
        },
    };
    if let Err(error) = ended {
        let _ = reports.send(Report { connection, news: News::Refused { peer: peer.ip(), error } }).await;
    }
}

/// Of a peer that does not answer any more: it may come back on another connection, and should not then find on this one
/// what was wanted before. The kernel would keep megabytes of that, and offer them for minutes.
fn forget_what_is_unsent(stream: &TcpStream, ended: &Result<Ended, HandshakeError>) {
    if matches!(ended, Ok(Ended::Abandoned))
        && let Err(error) = stream.set_zero_linger()
    {
        debug!(%error, "cannot reset a connection");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_connection_too_many_is_closed_and_told_of() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // With one place, it is told of as soon as the agent has read what came before.
        let (reports, mut told) = mpsc::channel(1);
        let server = tokio::spawn(serve_at_most(1, listener, None, 7, reports));
        let _first = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            let mut refused = TcpStream::connect(address).await.unwrap();
            assert_eq!(refused.read(&mut [0; 1]).await.unwrap(), 0);
        }
        for _ in 0..3 {
            assert!(matches!(told.recv().await, Some(Report { news: News::Crowded, .. })));
        }
        server.abort();
    }
}
