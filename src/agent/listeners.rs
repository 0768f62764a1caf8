//! The addresses on which bridges connect.
//!
//! One that is taken when the daemon starts may be that of the Heddle that this one stands by for: who is master, the
//! lock in the database tells. The address is tried again once the lock is ours, and given up while it is not, so that
//! bridges find the master alone.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::daemon::StartError;
use super::descriptors;
use crate::config::{Listen, Transport};
use crate::switch::{self, Admission, Report};
use crate::tls::Credentials;

/// Connections that may wait to be accepted: all bridges come back at once when Heddle restarts, and who finds no room
/// loses a second or more.
const BACKLOG: u32 = 1024;

/// See the module.
pub(super) struct Listeners {
    addresses: Vec<Listen>,
    credentials: Option<Arc<Credentials>>,
    reports: mpsc::Sender<Report>,
    admission: Arc<Admission>,
    /// A task each for the first of `addresses`.
    tasks: JoinSet<()>,
    /// What the next connection's id begins with: a new one for each listener.
    series: u64,
}

impl Listeners {
    /// Listens on nothing yet; what connections have to tell goes to `reports`.
    pub(super) fn new(
        addresses: Vec<Listen>,
        credentials: Option<Arc<Credentials>>,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        let admission = Arc::new(Admission::new(descriptors::room_for_connections()));
        Self { addresses, credentials, reports, admission, tasks: JoinSet::new(), series: 0 }
    }

    /// Listens on the addresses that it does not listen on yet, up to the first that cannot be had.
    pub(super) async fn open(&mut self) -> Result<(), StartError> {
        for &listen in self.addresses.iter().skip(self.tasks.len()) {
            let Listen { transport, address } = listen;
            let listener = listen_on(address).map_err(|error| StartError::Listen { address, error })?;
            info!(%listen, "listening for bridges");
            if listen.is_exposed() {
                warn!(%listen, "anybody who reaches this address can be a bridge or listen to one: it has no TLS");
            }
            let credentials = self.credentials.clone().filter(|_| transport == Transport::Ssl);
            let (admission, reports) = (self.admission.clone(), self.reports.clone());
            self.tasks.spawn(switch::serve(listener, credentials, self.series << 48, admission, reports));
            self.series += 1;
        }
        Ok(())
    }

    /// Gives up all addresses and connections. They are free when this returns.
    pub(super) async fn close(&mut self) {
        self.tasks.shutdown().await;
    }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// True if another process listens there.
pub(super) fn is_taken(error: &StartError) -> bool {
    matches!(error, StartError::Listen { error, .. } if error.kind() == io::ErrorKind::AddrInUse)
}
