//! The tasks of the daemon.
//!
//! ```text
//!   topology file ─(polled by)─► agent ◄──Event── ovsdb::Client (connects, comes back)
//!          SIGHUP, SIGTERM ────►  │  ▲ ▲
//!    status socket task ─Request──┘  │ └──Report── switch::serve (one a listener; one task a bridge)
//!                                    └──result──── transaction (one at a time)
//! ```
//! The agent task owns the [`Host`] and is the only one that changes it. All channels into it are bounded
//! but for none; what it sends to a connection is bounded by what the topology holds. When it ends, every
//! other task is aborted; flows and database stay as they are.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::heap;
use super::host::{Effects, Host};
use super::notify::notify_service_manager;
use super::status::{self, Request};
use super::watch::{Reload, TopologyFile};
use crate::config::Config;
use crate::ovsdb::{self, TransactionResult};
use crate::switch::{self, Command, ConnectionId, News, Report};
use crate::topology::{Refused, Topology};

/// Reports that may wait for the agent before connections wait.
const REPORTS: usize = 1024;
/// Wait after a failed transaction.
const TRANSACTION_RETRY: Duration = Duration::from_secs(1);
/// How long a stop waits for the transaction on its way.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// How often the topology file is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The topology is refused.
    #[error(transparent)]
    Topology(#[from] Refused),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for bridges: {error}; does another controller run there?")]
    Listen {
        /// The address of `[openflow] listen`.
        address: std::net::SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The run directory or the status socket cannot be made.
    #[error("cannot make the status socket {path}: {error}")]
    StatusSocket {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another daemon answers on the status socket.
    #[error("another heddle runs already and answers on {0}")]
    RunsAlready(PathBuf),
    /// The system refuses something basic.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(config: Config) -> Result<(), StartError> {
    let topology = Topology::load(&config.topology)?;
    config.check_topology(&topology)?;
    let mut tasks = JoinSet::new();
    let (reports, report_receiver) = mpsc::channel(REPORTS);
    for (number, &address) in config.openflow.listen.iter().enumerate() {
        let listener = TcpListener::bind(address).await.map_err(|error| StartError::Listen { address, error })?;
        info!(%address, "listening for bridges");
        tasks.spawn(switch::serve(listener, (number as u64) << 48, reports.clone()));
    }
    let (requests, request_receiver) = mpsc::channel(16);
    let socket = status::socket_path();
    let listener = status::bind(&socket).await?;
    tasks.spawn(status::serve(listener, requests));
    let (client, events) = ovsdb::Client::spawn(config.ovsdb.remote.clone());
    let file = TopologyFile::new(config.topology.clone());
    info!(
        node = %config.node, topology = %config.topology.display(), networks = topology.networks().len(),
        ports = topology.ports().len(), "started"
    );
    let agent = Agent {
        host: Host::new(config, Arc::new(topology)),
        client,
        senders: BTreeMap::new(),
        transaction: None,
        retry_at: None,
        file,
        reload_problem: None,
        database_connected: false,
        ready: false,
    };
    let stopped = agent.run(events, report_receiver, request_receiver).await;
    let _ = std::fs::remove_file(&socket);
    stopped.map_err(StartError::from)
}

struct Agent {
    host: Host,
    client: ovsdb::Client,
    /// How to talk to the connections that have said who they are.
    senders: BTreeMap<ConnectionId, mpsc::UnboundedSender<Command>>,
    /// The transaction on its way.
    transaction: Option<Pin<Box<dyn Future<Output = TransactionResult> + Send>>>,
    retry_at: Option<Instant>,
    file: TopologyFile,
    /// Why the file is not what is in force.
    reload_problem: Option<String>,
    database_connected: bool,
    ready: bool,
}

impl Agent {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<ovsdb::Event>,
        mut reports: mpsc::Receiver<Report>,
        mut requests: mpsc::Receiver<Request>,
    ) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut ticks = interval(Duration::from_secs(1));
        let mut watch = interval(WATCH_EVERY);
        for timer in [&mut ticks, &mut watch] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            self.write_database();
            tokio::select! {
                // What the database holds comes before the word that a transaction was committed: else the
                // next one would be made from what was there before.
                biased;
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                Some(event) = events.recv() => self.on_database_event(event),
                result = finished(&mut self.transaction) => self.on_transaction(result),
                Some(report) = reports.recv() => self.on_report(report),
                Some(request) = requests.recv() => self.on_request(request),
                () = due(self.retry_at) => self.retry_at = None,
                _ = ticks.tick() => {
                    let effects = self.host.on_tick();
                    self.perform(effects);
                }
                _ = watch.tick() => {
                    if self.file.changed() {
                        self.reload("changed");
                    }
                }
                _ = hangup.recv() => self.reload("SIGHUP"),
            }
        }
        notify_service_manager("STOPPING=1");
        if let Some(transaction) = self.transaction.take() {
            match timeout(STOP_WITHIN, transaction).await {
                Ok(_) => info!("stopped; flows and database stay as they are"),
                Err(_) => warn!("stopped before the database confirmed the last change"),
            }
        } else {
            info!("stopped; flows and database stay as they are");
        }
        Ok(())
    }

    fn on_database_event(&mut self, event: ovsdb::Event) {
        match event {
            ovsdb::Event::Snapshot(database) => {
                info!(remote = %self.host.config().ovsdb.remote, "connected to the database");
                self.database_connected = true;
                let effects = self.host.on_snapshot(*database);
                self.perform(effects);
            }
            ovsdb::Event::Changed(changes) => {
                let effects = self.host.on_changes(changes);
                self.perform(effects);
            }
            ovsdb::Event::Disconnected { reason } => {
                warn!("database: {reason}; trying again");
                self.database_connected = false;
                self.host.on_database_lost();
            }
        }
        if !self.ready && self.database_connected {
            self.ready = true;
            notify_service_manager("READY=1");
        }
    }

    fn on_report(&mut self, report: Report) {
        let Report { connection, news } = report;
        match news {
            News::Identified { datapath_id, peer, commands } => {
                debug!(%datapath_id, peer, "a bridge connected");
                self.senders.insert(connection, commands);
                let effects = self.host.on_identified(connection, datapath_id, peer);
                self.perform(effects);
            }
            News::Audited { differences, missing } => {
                info!(bridge = self.bridge_name(connection), differences, "compared flows with what is wanted");
                self.host.on_audited(connection, differences, &missing);
            }
            News::Progress(progress) => {
                for rejected in progress.rejected.iter().filter(|rejected| rejected.attempts == 1) {
                    let (table, priority) = (rejected.flow.table.0, rejected.flow.priority);
                    warn!(
                        bridge = self.bridge_name(connection),
                        table, priority, "the switch refuses a flow: {}", rejected.code
                    );
                }
                debug!(
                    bridge = self.bridge_name(connection),
                    generation = progress.generation,
                    flows = progress.installed,
                    "flows in effect"
                );
                let effects = self.host.on_progress(connection, *progress);
                self.perform(effects);
            }
            News::Closed => {
                if let Some(bridge) = self.bridge_name(connection) {
                    warn!(bridge, "bridge disconnected; its flows stay");
                }
                self.senders.remove(&connection);
                let effects = self.host.on_closed(connection);
                self.perform(effects);
            }
        }
    }

    fn bridge_name(&self, connection: ConnectionId) -> Option<&str> {
        let of = |connected: &super::bridges::Connected| connected.connection == connection;
        self.host
            .bridges()
            .iter()
            .find(|(_, _, state)| state.connected.as_ref().is_some_and(of))
            .map(|(name, _, _)| &**name)
    }

    fn perform(&mut self, effects: Effects) {
        for (connection, command) in effects.commands {
            if matches!(command, Command::Adopt(_)) {
                info!(bridge = self.bridge_name(connection), "bridge connected");
            }
            if let Some(sender) = self.senders.get(&connection) {
                // A connection that has just ended reports so itself.
                let _ = sender.send(command);
            }
        }
        for (connection, stranger) in effects.refused {
            warn!("refused a connection: {stranger}");
            self.senders.remove(&connection);
        }
    }

    fn on_request(&mut self, request: Request) {
        let status = status::Status::of(&self.host, self.database_connected, self.reload_problem.as_deref());
        let _ = request.reply.send(status);
    }

    fn reload(&mut self, why: &str) {
        self.file.remember();
        let check = |topology: &Topology| self.host.config().check_topology(topology);
        match self.file.load(check) {
            Reload::Applied(topology) => {
                info!(why, networks = topology.networks().len(), ports = topology.ports().len(), "topology read");
                self.reload_problem = None;
                let effects = self.host.on_topology(topology);
                self.perform(effects);
                heap::trim();
            }
            Reload::Refused(refused) => {
                let text = refused.to_string();
                for line in text.lines() {
                    warn!("topology refused, the last good one stays in force: {line}");
                }
                self.reload_problem = Some(text);
            }
        }
    }

    /// Sends what has to be written to the database, unless something is on its way already.
    fn write_database(&mut self) {
        let idle = self.transaction.is_none() && self.retry_at.is_none() && self.database_connected;
        if !idle || !self.host.has_operations() {
            return;
        }
        let problems_before = self.host.problems().to_vec();
        let operations = self.host.take_operations();
        for problem in self.host.problems().iter().filter(|problem| !problems_before.contains(problem)) {
            warn!("database: {problem}");
        }
        if operations.is_empty() {
            return;
        }
        debug!(operations = operations.len(), "writing to the database");
        self.transaction = Some(Box::pin(self.client.transact(operations)));
    }

    fn on_transaction(&mut self, result: TransactionResult) {
        self.transaction = None;
        let Err(error) = result else { return };
        warn!("a change of the database failed, trying again: {error}");
        self.host.on_transaction_failed();
        self.retry_at = Some(Instant::now() + TRANSACTION_RETRY);
    }
}

async fn finished<T>(future: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
