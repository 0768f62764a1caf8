//! The files that the agent reads again: its own and the topology. What is refused changes nothing.

use std::sync::Arc;

use tracing::{info, warn};

use super::{Agent, StartError, first_topology, read_topology};
use crate::agent::certificates::Certificates;
use crate::agent::heap;
use crate::config::Config;
use crate::ovsdb;

impl Agent {
    /// Reads the host's own file. `None`: it says what is in force already, or it is refused.
    pub(super) fn reconfigure(&mut self) -> Option<Box<Config>> {
        self.config_file.remember();
        let checked = || -> Result<_, StartError> {
            let config = Config::load(self.explicit_config.as_deref())?;
            let same = config == *self.host.config();
            if !same {
                first_topology(&config)?;
                config.tls.as_ref().map(Certificates::load).transpose()?;
            }
            Ok((!same).then(|| Box::new(config)))
        };
        match checked() {
            Ok(changed) => {
                self.config_problem = None;
                changed
            }
            Err(error) => {
                self.config_problem = Some(refuse("configuration", &error));
                None
            }
        }
    }

    pub(super) fn reload(&mut self, why: &str) {
        self.topology_file.remember();
        let read = read_topology(self.host.config());
        self.counters.topology.count(&read);
        match read {
            Ok(topology) => {
                info!(why, networks = topology.networks().len(), ports = topology.ports().len(), "topology read");
                self.topology_problem = None;
                let effects = self.host.on_topology(Arc::new(topology));
                self.perform(effects);
                let remote = &self.host.config().ovsdb.remote;
                let credentials = self.certificates.as_ref().map(Certificates::credentials);
                self.database.get_or_insert_with(|| ovsdb::Client::spawn(remote.clone(), credentials));
                heap::trim();
            }
            Err(refused) => self.topology_problem = Some(refuse("topology", &refused)),
        }
    }
}

/// Says in the log that a file is refused, a line for each reason, and returns them.
fn refuse(what: &str, refused: &impl std::error::Error) -> String {
    let text = refused.to_string();
    for line in text.lines() {
        warn!("{what} refused, the last good one stays in force: {line}");
    }
    text
}
