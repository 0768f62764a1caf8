//! What the agent hears from the database, and what it writes to it: one transaction at a time.

use std::mem;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Agent, End, StartError};
use crate::agent::notify::notify_service_manager;
use crate::agent::status::DatabaseState;
use crate::ovsdb::{self, TransactionResult};

/// Wait after a failed transaction.
const TRANSACTION_RETRY: Duration = Duration::from_secs(1);
/// How often a Heddle that takes over tries the addresses that the other one had.
const LISTEN_RETRY: Duration = Duration::from_millis(100);

impl Agent {
    pub(super) async fn on_database_event(&mut self, event: ovsdb::Event) -> Result<Option<End>, StartError> {
        match event {
            ovsdb::Event::StandingBy => {
                if self.host.database().is_some() {
                    return Ok(Some(End::Relieved));
                }
                warn!("another heddle serves the database: standing by, to take over when it ends");
                notify_service_manager("STATUS=standing by: another heddle serves the database");
                self.database_state = DatabaseState::StandingBy;
                self.stood_by = true;
                if self.host.config().learning.is_empty() {
                    self.listeners.close().await;
                }
            }
            ovsdb::Event::Snapshot(database) => {
                info!(remote = %self.host.config().ovsdb.remote, "connected to the database");
                notify_service_manager("STATUS=connected to the database");
                let before = mem::replace(&mut self.database_state, DatabaseState::Connected);
                if before == DatabaseState::StandingBy {
                    info!("the other heddle has ended: taking over");
                }
                if self.stood_by {
                    self.take_over_addresses().await;
                } else {
                    // Nothing is written to a database whose bridges could not connect.
                    self.listeners.open().await?;
                }
                let effects = self.host.on_snapshot(*database);
                self.perform(effects);
            }
            ovsdb::Event::Changed(changes) => {
                let effects = self.host.on_changes(changes);
                self.perform(effects);
            }
            ovsdb::Event::Disconnected { reason } => {
                warn!("database: {reason}; trying again");
                notify_service_manager(&format!("STATUS=database: {reason}; trying again"));
                self.database_state = DatabaseState::Disconnected;
                self.host.on_database_lost();
            }
        }
        if !self.ready && self.database_state != DatabaseState::Disconnected {
            self.ready = true;
            notify_service_manager("READY=1");
        }
        Ok(None)
    }

    /// Listens where the other Heddle did. It may have been killed, hang, or be slow to go.
    pub(super) async fn take_over_addresses(&mut self) {
        let tried_before = self.listen_at.take().is_some();
        if let Err(error) = self.listeners.open().await {
            if !tried_before {
                warn!("{error}; trying again");
            }
            self.listen_at = Some(Instant::now() + LISTEN_RETRY);
        }
    }

    /// Sends what has to be written to the database, unless something is on its way already.
    pub(super) fn write_database(&mut self) {
        let idle =
            self.transaction.is_none() && self.retry_at.is_none() && self.database_state == DatabaseState::Connected;
        let Some((client, _)) = &self.database else { return };
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
        self.transaction = Some(Box::pin(client.transact(operations)));
    }

    pub(super) fn on_transaction(&mut self, result: TransactionResult) {
        self.transaction = None;
        self.counters.transactions.count(&result);
        let Err(error) = result else {
            if self.transaction_problem.take().is_some() {
                info!("the database takes changes again");
            }
            return;
        };
        let problem = Some(format!("a change of the database failed: {error}"));
        // It fails once a second, perhaps for want of room on the disk that has the log too.
        if self.transaction_problem == problem {
            debug!("a change of the database failed again: {error}");
        } else {
            warn!("a change of the database failed, trying again: {error}");
            self.transaction_problem = problem;
        }
        self.host.on_transaction_failed();
        self.retry_at = Some(Instant::now() + TRANSACTION_RETRY);
    }
}
