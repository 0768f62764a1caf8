//! The tasks of the daemon.
//!
//! ```text
//!         files ─(polled by)─► agent ◄──Event── ovsdb::Client (connects, comes back; holds the lock)
//!          SIGHUP, SIGTERM ────►  │  ▲ ▲
//! status socket, metrics ─Request─┘  │ └──Report── switch::serve (one a listener; one task a bridge)
//!                                    └──result──── transaction (one at a time)
//! ```
//! The agent task owns the [`Host`] and is the only one that changes it. All channels into it are bounded
//! but for none; what it sends to a connection is bounded by what the topology holds. When it ends, every
//! other task is aborted; flows and database stay as they are.

mod database;
mod files;

use std::collections::BTreeMap;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use std::{io, mem};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::certificates::Certificates;
use super::counters::Counters;
use super::host::{Effects, Host};
use super::http;
use super::listeners::{Listeners, is_taken};
use super::metrics::Metrics;
use super::notify::{Watchdog, notify_service_manager};
use super::outage::{STEADY_AFTER, Telling};
use super::punts::PuntsStatus;
use super::refusals::{self, RefusalHistory};
use super::security_log;
use super::socket::{self, Request};
use super::status::{DatabaseState, Standing, Status};
use super::strangers::{Worth, host_of};
use super::watch::WatchedFile;
use crate::config::{Config, DEFAULT_FILE};
use crate::ovsdb::{self, TransactionResult};
use crate::pipeline::{Bridge, ObjectNames};
use crate::switch::{Command, ConnectionError, ConnectionId, News, Progress, Report};
use crate::tls::LoadError;
use crate::topology::{Refused, Topology};

/// Reports that may wait for the agent before connections wait.
const REPORTS: usize = 1024;
/// How long a stop waits for the transaction on its way.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// How often the files are looked at.
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The topology or the host's own file is refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A file of `[tls]` cannot be used.
    #[error("[tls]: {0}")]
    Tls(#[from] LoadError),
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

/// How one life of the agent ended.
enum End {
    /// SIGTERM or SIGINT.
    Stopped,
    /// The host's own file has changed: begin again with it. What is installed stays, as over any restart.
    Reconfigured(Box<Config>),
    /// Another Heddle serves the database now, which was out of reach meanwhile: begin again, and stand by.
    Relieved,
}

/// Runs until SIGTERM or SIGINT. `config` is the host's own file; `None` is the default one, which may be absent.
/// It is read again when it changes, and on SIGHUP.
pub async fn run(config: Option<PathBuf>) -> Result<(), StartError> {
    let path = config;
    let mut config = Config::load(path.as_deref())?;
    let mut last_good: Option<Config> = None;
    let mut problem = None;
    loop {
        match live(config.clone(), path.as_deref(), problem.take()).await {
            Ok(End::Stopped) => return Ok(()),
            Ok(End::Relieved) => {}
            Ok(End::Reconfigured(changed)) => last_good = Some(mem::replace(&mut config, *changed)),
            Err(error) => {
                let Some(good) = last_good.take() else { return Err(error) };
                warn!("the changed configuration does not work, the last good one stays in force: {error}");
                problem = Some(error.to_string());
                config = good;
            }
        }
    }
}

/// From start to stop, or to another configuration.
async fn live(config: Config, path: Option<&Path>, config_problem: Option<String>) -> Result<End, StartError> {
    let topology_file = WatchedFile::new(config.topology.clone());
    let config_file = WatchedFile::new(path.unwrap_or(Path::new(DEFAULT_FILE)).to_owned());
    let topology = first_topology(&config)?;
    let certificates = config.tls.as_ref().map(Certificates::load).transpose()?;
    let credentials = certificates.as_ref().map(Certificates::credentials);
    let mut tasks = JoinSet::new();
    let (reports, report_receiver) = mpsc::channel(REPORTS);
    let mut listeners = Listeners::new(config.openflow.listen.clone(), credentials.clone(), reports);
    match listeners.open().await {
        // Learning bridges do not wait for the database.
        Err(error) if is_taken(&error) && topology.is_some() && config.learning.is_empty() => {
            debug!("{error}; the database tells whether this is a Heddle to stand by for");
        }
        opened => opened?,
    }
    if config.ovsdb.remote.is_exposed() {
        warn!(remote = %config.ovsdb.remote, "anybody on the way can read and change the database: it has no TLS");
    }
    let (requests, request_receiver) = mpsc::channel(16);
    let socket = socket::socket_path();
    let listener = socket::bind(&socket).await?;
    if let Some(address) = config.metrics.listen {
        tasks.spawn(http::serve(address, requests.clone()));
    }
    tasks.spawn(socket::serve(listener, requests));
    let database = topology.is_some().then(|| ovsdb::Client::spawn(config.ovsdb.remote.clone(), credentials));
    match &topology {
        Some(topology) => info!(
            node = %config.node, topology = %config.topology.display(), networks = topology.networks().len(),
            ports = topology.ports().len(), "started"
        ),
        None => {
            let topology = config.topology.display();
            warn!(%topology, "started without a topology: nothing but learning bridges is served until there is one");
        }
    }
    if !config.learning.is_empty() {
        // They need nothing more.
        notify_service_manager("READY=1");
    }
    let agent = Agent {
        ready: !config.learning.is_empty(),
        host: Host::new(config, Arc::new(topology.unwrap_or_default())),
        database,
        listeners,
        listen_at: None,
        senders: BTreeMap::new(),
        transaction: None,
        transaction_problem: None,
        retry_at: None,
        topology_file,
        config_file,
        certificates,
        explicit_config: path.map(Path::to_owned),
        topology_problem: None,
        config_problem,
        database_state: DatabaseState::Disconnected,
        stood_by: false,
        counters: Counters::new(),
        refusals: RefusalHistory::default(),
        began: Instant::now(),
    };
    let end = agent.run(report_receiver, request_receiver).await;
    // The addresses have to be free when this returns.
    tasks.shutdown().await;
    let _ = std::fs::remove_file(&socket);
    end
}

/// What a life begins with. A host that has learning bridges may have no topology: it serves nothing else then.
fn first_topology(config: &Config) -> Result<Option<Topology>, Refused> {
    let is_absent = matches!(config.topology.try_exists(), Ok(false));
    if is_absent && !config.learning.is_empty() { Ok(None) } else { read_topology(config).map(Some) }
}

/// The topology that `config` names, if this host can have it.
fn read_topology(config: &Config) -> Result<Topology, Refused> {
    let topology = Topology::load(&config.topology)?;
    config.check_topology(&topology)?;
    Ok(topology)
}

/// A connection that has said who it is.
struct Identified {
    commands: mpsc::UnboundedSender<Command>,
    peer: String,
}

struct Agent {
    host: Host,
    /// `None` as long as there is no topology.
    database: Option<(ovsdb::Client, mpsc::Receiver<ovsdb::Event>)>,
    listeners: Listeners,
    /// When to try again to listen.
    listen_at: Option<Instant>,
    /// How to talk to the connections that have said who they are.
    senders: BTreeMap<ConnectionId, Identified>,
    /// The transaction on its way.
    transaction: Option<Pin<Box<dyn Future<Output = TransactionResult> + Send>>>,
    /// Why the last one failed, until one succeeds.
    transaction_problem: Option<String>,
    retry_at: Option<Instant>,
    topology_file: WatchedFile,
    config_file: WatchedFile,
    certificates: Option<Certificates>,
    /// The host's own file, if it is not the default one.
    explicit_config: Option<PathBuf>,
    /// Why the topology file is not what is in force.
    topology_problem: Option<String>,
    /// Why the host's own file is not what is in force.
    config_problem: Option<String>,
    database_state: DatabaseState,
    /// Who holds the addresses has been another Heddle, and will let them go.
    stood_by: bool,
    ready: bool,
    counters: Counters,
    refusals: RefusalHistory,
    /// When this life began.
    began: Instant,
}

impl Agent {
    async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        mut requests: mpsc::Receiver<Request>,
    ) -> Result<End, StartError> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut watchdog = Watchdog::from_environment();
        let mut ticks = interval(Duration::from_secs(1));
        let mut watch = interval(WATCH_EVERY);
        for timer in [&mut ticks, &mut watch] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let end = loop {
            self.write_database();
            tokio::select! {
                // What the database holds comes before the word that a transaction was committed: else the
                // next one would be made from what was there before.
                biased;
                _ = terminate.recv() => break End::Stopped,
                _ = interrupt.recv() => break End::Stopped,
                () = watchdog.feed() => {}
                Some(event) = next_event(&mut self.database) => {
                    if let Some(end) = self.on_database_event(event).await? {
                        break end;
                    }
                }
                result = finished(&mut self.transaction) => self.on_transaction(result),
                () = due(self.retry_at) => self.retry_at = None,
                () = due(self.listen_at) => self.take_over_addresses().await,
                _ = ticks.tick() => {
                    let effects = self.host.on_tick();
                    self.perform(effects);
                    self.tell_of_steady_bridges();
                    if let Some(news) = self.host.follow_restoration() {
                        warn!("database: {news}");
                    }
                }
                _ = watch.tick() => {
                    // What was wrong with one file may have been the other.
                    let again = self.config_problem.is_some() && self.topology_file.changed();
                    if (again || self.config_file.changed()) && let Some(config) = self.reconfigure() {
                        break End::Reconfigured(config);
                    }
                    if self.topology_file.changed() {
                        self.reload("changed");
                    } else if self.topology_file.gone() {
                        self.reload("gone");
                    }
                    if let Some(certificates) = &mut self.certificates
                        && certificates.changed()
                    {
                        certificates.reload();
                    }
                }
                _ = hangup.recv() => {
                    if let Some(config) = self.reconfigure() {
                        break End::Reconfigured(config);
                    }
                    self.reload("SIGHUP");
                    if let Some(certificates) = &mut self.certificates {
                        certificates.reload();
                    }
                }
                // Of these others can send without end: they come last, and neither before the other.
                heard = hear(&mut reports, &mut requests) => match heard {
                    Heard::Report(report) => self.on_report(report),
                    Heard::Request(request) => self.on_request(request),
                },
            }
        };
        notify_service_manager(if matches!(end, End::Stopped) { "STOPPING=1" } else { "RELOADING=1" });
        if let Some(transaction) = self.transaction.take()
            && timeout(STOP_WITHIN, transaction).await.is_err()
        {
            warn!("stopped before the database confirmed the last change");
        }
        let why = match end {
            End::Stopped => "stopped",
            End::Reconfigured(_) => "configuration changed",
            End::Relieved => "another heddle has taken over",
        };
        info!("{why}; flows and database stay as they are");
        // Connections hold the addresses, which have to be free when this returns.
        self.listeners.close().await;
        Ok(end)
    }

    fn on_report(&mut self, report: Report) {
        let Report { connection, news } = report;
        match news {
            News::Identified { identity, peer, commands } => {
                debug!(datapath_id = %identity.datapath_id, name = identity.name, peer, "a bridge connected");
                self.senders.insert(connection, Identified { commands, peer: peer.clone() });
                let effects = self.host.on_identified(connection, identity, peer);
                self.perform(effects);
            }
            News::Audited { differences, missing } => {
                if let Some((name, bridge)) = self.host.bridges().at(connection) {
                    let counters = self.counters.bridge_mut(bridge);
                    counters.audited(differences);
                    if !counters.outage.flaps() {
                        info!(bridge = &**name, differences, "compared flows with what is wanted");
                    }
                }
                self.host.on_audited(connection, differences, &missing);
            }
            News::Learning(counters) => self.host.on_learnt(connection, counters),
            News::Progress(progress) => {
                self.tell_refusals(connection, &progress);
                debug!(
                    bridge = self.bridge_name(connection),
                    generation = progress.generation,
                    flows = progress.installed,
                    "flows in effect"
                );
                if let Some((_, bridge)) = self.host.bridges().at(connection) {
                    self.counters.bridge_mut(bridge).progressed(connection, &progress);
                }
                let effects = self.host.on_progress(connection, *progress);
                self.perform(effects);
            }
            News::Punts(punts) => {
                if let Some((_, bridge)) = self.host.bridges().at(connection) {
                    self.counters.bridge_mut(bridge).punted(&punts, self.began.elapsed());
                }
            }
            News::SecurityLog(records) => {
                records.iter().for_each(|record| security_log::write(record, self.host.topology()));
            }
            News::Crowded { latest, count } => {
                self.counters.strangers.count("too_many", &latest, count);
                self.tell_refused("as many are open as may be");
            }
            News::Closed { peer, error } => self.on_closed(connection, &peer, error.as_ref()),
        }
    }

    fn on_closed(&mut self, connection: ConnectionId, peer: &str, error: Option<&ConnectionError>) {
        let lost = self.host.bridges().at(connection).map(|(name, bridge)| (name.clone(), bridge.clone()));
        let identified = self.senders.remove(&connection).is_some();
        let reason = error.and_then(ConnectionError::reason);
        match (&lost, error, reason) {
            (Some((name, bridge)), ..) => self.tell_lost(name, bridge, error),
            (None, Some(error), Some(_)) => self.tell_refused(&format!("{}: {error}", host_of(peer))),
            _ => {}
        }
        if let Some(reason) = reason.or((error.is_none() && !identified).then_some("gone")) {
            self.counters.strangers.count(reason, peer, 1);
        }
        if !identified {
            return;
        }
        let effects = self.host.on_closed(connection);
        if let Some((_, bridge)) = lost.filter(|(_, bridge)| !self.host.bridges().knows(bridge)) {
            self.counters.forget(&bridge);
            self.refusals.forget(&bridge);
        }
        self.perform(effects);
    }

    fn tell_lost(&mut self, name: &str, bridge: &Bridge, error: Option<&ConnectionError>) {
        let why = error.map(ToString::to_string);
        let reason = why.as_deref().unwrap_or("it has closed the connection");
        let telling = self.counters.bridge_mut(bridge).outage.lost(why.clone(), self.began.elapsed());
        match telling {
            Telling::Plain => warn!(bridge = name, "bridge disconnected; its flows stay: {reason}"),
            Telling::Flaps => warn!(
                bridge = name,
                "bridge disconnected once more; nothing more is said of that until it has been connected for {} s: \
                 {reason}",
                STEADY_AFTER.as_secs()
            ),
            Telling::Silent => debug!(bridge = name, "bridge disconnected: {reason}"),
        }
    }

    /// Says which bridges have stopped flapping.
    fn tell_of_steady_bridges(&mut self) {
        for (bridge, losses) in self.counters.steady_again(self.began.elapsed()) {
            let name = self.host.bridges().connection(&bridge).and_then(|connection| self.bridge_name(connection));
            info!(bridge = name, "bridge stays connected; since the start it was lost {losses} times");
        }
    }

    fn tell_refusals(&mut self, connection: ConnectionId, progress: &Progress) {
        let Some((bridge, of)) = self.host.bridges().at(connection) else { return };
        let news = self.refusals.on_progress(of, progress, self.began.elapsed());
        if news.is_empty() {
            return;
        }
        let names = ObjectNames::of(self.host.topology());
        news.iter().for_each(|news| refusals::write(news, bridge, &names));
    }

    fn bridge_name(&self, connection: ConnectionId) -> Option<&str> {
        self.host.bridges().at(connection).map(|(name, _)| &**name)
    }

    fn perform(&mut self, effects: Effects) {
        for (connection, command) in effects.commands {
            if let (Command::Adopt(_), Some((name, bridge))) = (&command, self.host.bridges().at(connection)) {
                let outage = &mut self.counters.bridge_mut(bridge).outage;
                outage.connected(self.began.elapsed());
                if !outage.flaps() {
                    info!(bridge = &**name, "bridge connected");
                }
            }
            if let Some(identified) = self.senders.get(&connection) {
                // A connection that has just ended reports so itself.
                let _ = identified.commands.send(command);
            }
        }
        for (connection, stranger) in effects.refused {
            // Without its sender the connection ends.
            let peer = self.senders.remove(&connection).map(|identified| identified.peer).unwrap_or_default();
            self.counters.strangers.count(stranger.reason(), &peer, 1);
            self.tell_refused(&stranger.to_string());
        }
    }

    /// A bridge that is refused comes back every few seconds; said once is enough.
    fn tell_refused(&mut self, text: &str) {
        match self.counters.strangers.worth(text, self.began.elapsed()) {
            Worth::Saying => warn!("refused a connection: {text}"),
            Worth::SayingLast => {
                warn!("refused a connection: {text}; more are counted in heddle status, and not told of for a minute");
            }
            Worth::Nothing => debug!("refused a connection again: {text}"),
        }
    }

    /// Whoever asked may have gone since.
    fn on_request(&mut self, request: Request) {
        match request {
            Request::Refused { reason, peer } => self.counters.strangers.count(reason, &peer, 1),
            Request::Status(reply) => drop(reply.send(self.status())),
            Request::Punts(reply) => {
                drop(reply.send(PuntsStatus::of(&self.host, &self.counters, self.began.elapsed())));
            }
            Request::Metrics(reply) => drop(reply.send(Metrics::of(&self.host, &self.status(), &self.counters))),
        }
    }

    fn status(&self) -> Status {
        let standing = Standing {
            database: if self.database.is_some() { self.database_state } else { DatabaseState::Unused },
            topology_problem: self.topology_problem.as_deref(),
            config_problem: self.config_problem.as_deref(),
            tls_problem: self.certificates.as_ref().and_then(Certificates::problem),
            transaction_problem: self.transaction_problem.as_deref(),
            counters: &self.counters,
            refusals: &self.refusals,
            now: self.began.elapsed(),
        };
        Status::of(&self.host, standing)
    }
}

/// What comes from peers and clients.
enum Heard {
    Report(Report),
    Request(Request),
}

async fn hear(reports: &mut mpsc::Receiver<Report>, requests: &mut mpsc::Receiver<Request>) -> Heard {
    tokio::select! {
        Some(report) = reports.recv() => Heard::Report(report),
        Some(request) = requests.recv() => Heard::Request(request),
        else => pending().await,
    }
}

async fn next_event(database: &mut Option<(ovsdb::Client, mpsc::Receiver<ovsdb::Event>)>) -> Option<ovsdb::Event> {
    match database {
        Some((_, events)) => events.recv().await,
        None => pending().await,
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
