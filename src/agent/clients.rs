//! Clients of the daemon that are answered once: scrapes, and those of the status socket.
//!
//! A few are served at a time, each for a while at the most. When all places are taken, the oldest client makes room:
//! whoever opens connections and says nothing keeps nobody from asking.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::socket::Request;
use crate::switch::Places;

/// A client that neither asks nor reads for so long is let go.
const PATIENCE: Duration = Duration::from_secs(5);
/// So long a client keeps its place whoever else comes. Who asks, asks at once.
const GRACE: Duration = Duration::from_millis(100);

/// What clients that are let go are counted as.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reasons {
    /// It did not ask, or did not read, in time.
    pub(super) slow: &'static str,
    /// Others came while it did not.
    pub(super) crowded_out: &'static str,
    /// It asked for what there is not.
    pub(super) malformed: &'static str,
}

/// What became of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Served {
    /// It was answered, or has gone.
    Well,
    /// What it asked is no question.
    Malformed,
}

/// See the module.
pub(super) struct Clients {
    places: Places,
    reasons: Reasons,
    requests: mpsc::Sender<Request>,
}

impl Clients {
    /// At most `limit` at a time; the agent hears through `requests` of those that were let go.
    pub(super) fn new(limit: usize, reasons: Reasons, requests: mpsc::Sender<Request>) -> Self {
        Self { places: Places::new(limit, GRACE), reasons, requests }
    }

    /// Begins to serve a client by `job`, as soon as there is a place.
    pub(super) async fn serve(&self, peer: String, job: impl Future<Output = Served> + Send + 'static) {
        let mut place = self.places.take().await;
        let (Reasons { slow, crowded_out, malformed }, requests) = (self.reasons, self.requests.clone());
        tokio::spawn(async move {
            let reason = tokio::select! {
                served = timeout(PATIENCE, job) => match served {
                    Ok(Served::Well) => None,
                    Ok(Served::Malformed) => Some(malformed),
                    Err(_) => Some(slow),
                },
                () = place.wanted_back() => Some(crowded_out),
            };
            drop(place);
            if let Some(reason) = reason {
                // Without an agent there is nobody to tell.
                let _ = requests.send(Request::Refused { reason, peer }).await;
            }
        });
    }
}
