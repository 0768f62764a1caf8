//! What this host has of both ports, as its daemon tells.

use std::path::Path;

use super::ends::Ends;
use crate::agent::Status;
use crate::agent::socket;
use crate::agent::status::{PortState, PortStatus};
use crate::cli::ask::ask;
use crate::topology::Port;

/// What the daemon of this host tells.
pub(super) struct HostFacts {
    /// This node.
    pub(super) node: String,
    /// Why the daemon may not know what the file says, if so.
    pub(super) doubt: Option<String>,
    /// The ports that were asked about.
    pub(super) ports: Vec<PortFact>,
}

/// What is known of a port here.
pub(super) struct PortFact {
    /// Its name.
    pub(super) name: String,
    /// `None`: it is on another node, or the daemon does not know it.
    pub(super) state: Option<PortState>,
    /// In words.
    pub(super) words: String,
}

impl HostFacts {
    /// Asks the daemon; nothing if none answers here.
    pub(super) fn ask(path: &Path, ends: &Ends<'_>) -> Option<Self> {
        let status: Status = ask(socket::STATUS).ok()?;
        let other = status.topology.as_deref().filter(|used| !is_same(Path::new(used), path));
        let doubt = match (&status.topology_problem, other) {
            (Some(_), _) => Some("it refuses the file as it is now, and an older state is in force".to_owned()),
            (None, Some(used)) => Some(format!("it uses another file, {used}")),
            (None, None) => None,
        };
        let ports = [ends.from.port(), ends.to.port()].into_iter().flatten();
        let ports = ports.map(|port| fact(port, &status)).collect();
        Some(Self { node: status.node, doubt, ports })
    }

    /// True if a packet between these ports meets what the rules say: all of them that are here are in effect.
    pub(super) fn is_in_effect(&self) -> bool {
        let good = |port: &PortFact| port.state.is_none_or(|state| state == PortState::Installed);
        self.doubt.is_none() && self.ports.iter().all(good)
    }
}

/// True if both lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    one == other || real(one).is_some_and(|one| real(other) == Some(one))
}

fn fact(port: &Port, status: &Status) -> PortFact {
    let known = status.ports.iter().find(|known| known.name == *port.name);
    let (state, words) = match known {
        _ if *port.node != *status.node => (None, format!("is on node {}: ask there", port.node)),
        None => (None, "is not known to the daemon".to_owned()),
        Some(known) => (Some(known.state), state_words(known)),
    };
    PortFact { name: port.name.to_string(), state, words }
}

fn state_words(port: &PortStatus) -> String {
    let reason = port.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let interface = port.interface.as_deref().unwrap_or("?");
    match port.state {
        PortState::Installed => format!("is plugged (interface {interface}), and its flows are in effect"),
        PortState::Programming => "is plugged, and its flows are not in effect yet".to_owned(),
        PortState::Refused => format!("is NOT SERVED as wanted{reason}"),
        PortState::Waiting => format!("is NOT PLUGGED{reason}"),
    }
}
