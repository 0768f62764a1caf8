//! Which connection is which bridge, and how far each bridge is.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::flow::{Changes, Flow, FlowTable};
use crate::openflow::DatapathId;
use crate::ovsdb::Database;
use crate::pipeline::{Bridge, Desired};
use crate::switch::{Command, ConnectionId, Ownership, Progress, Rejected, Wanted};
use crate::topology::Name;

/// Seconds that a connection may wait until the database says which bridge it is, or until an older
/// connection of the same bridge has ended.
const PATIENCE: u32 = 15;

/// Why a connection is sent away.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Stranger {
    /// The database has no such bridge.
    #[error("datapath id {0} is of no bridge in the database; does the bridge belong to another Open vSwitch?")]
    Unknown(DatapathId),
    /// Several bridges answer to one datapath id.
    #[error(
        "bridges {} have the same datapath id {datapath_id}; give each its own: \
         ovs-vsctl set bridge BRIDGE other-config:datapath-id=<16 hexadecimal digits>",
        bridges.join(" and ")
    )]
    Ambiguous {
        /// The datapath id.
        datapath_id: DatapathId,
        /// The bridges.
        bridges: Vec<String>,
    },
    /// A bridge that Heddle does not serve.
    #[error(
        "bridge {0} is none of Heddle's: name it in [bridges] of heddle.toml, or take its controller away with: \
         ovs-vsctl del-controller {0}"
    )]
    NotOurs(String),
    /// The bridge is connected already.
    #[error(
        "bridge {bridge} (datapath id {datapath_id}) is connected already, from {peer}; has another switch the same datapath id?"
    )]
    Connected {
        /// The bridge.
        bridge: String,
        /// Its datapath id.
        datapath_id: DatapathId,
        /// Where the other connection comes from.
        peer: String,
    },
}

impl Stranger {
    /// In a word, for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown",
            Self::Ambiguous { .. } => "ambiguous",
            Self::NotOurs(_) => "not_ours",
            Self::Connected { .. } => "connected_already",
        }
    }
}

struct Waiting {
    connection: ConnectionId,
    datapath_id: DatapathId,
    peer: String,
    ticks: u32,
}

/// A connection that is a bridge.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The connection.
    pub connection: ConnectionId,
    /// Where it comes from.
    pub peer: String,
    /// The bridge's datapath id.
    pub datapath_id: DatapathId,
}

/// One bridge.
#[derive(Clone, Debug, Default)]
pub struct BridgeState {
    /// Its connection, if there is one.
    pub connected: Option<Connected>,
    /// What is known of its flows, from the newest connection.
    pub progress: Progress,
    /// How many flows differed at the last audit.
    pub differences: Option<usize>,
    sent: u64,
    confirmed: u64,
}

/// See the module.
pub struct Bridges {
    by_name: BTreeMap<Name, Bridge>,
    states: BTreeMap<Bridge, BridgeState>,
    waiting: Vec<Waiting>,
}

impl Bridges {
    /// The bridges of this host by name.
    pub fn new(bridges: impl IntoIterator<Item = (Name, Bridge)>) -> Self {
        let by_name: BTreeMap<Name, Bridge> = bridges.into_iter().collect();
        let states = by_name.values().map(|bridge| (bridge.clone(), BridgeState::default())).collect();
        Self { by_name, states, waiting: Vec::new() }
    }

    /// Every bridge with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Bridge, &BridgeState)> {
        self.by_name.iter().filter_map(|(name, bridge)| Some((name, bridge, self.states.get(bridge)?)))
    }

    /// The bridge at the other end of a connection, with its name.
    pub fn at(&self, connection: ConnectionId) -> Option<(&Name, &Bridge)> {
        let is_it = |state: &BridgeState| state.connected.as_ref().is_some_and(|there| there.connection == connection);
        self.iter().find(|(_, _, state)| is_it(state)).map(|(name, bridge, _)| (name, bridge))
    }

    /// The connection of a bridge.
    pub fn connection(&self, bridge: &Bridge) -> Option<ConnectionId> {
        Some(self.states.get(bridge)?.connected.as_ref()?.connection)
    }

    /// The newest generation in which the bridge's wanted flows changed.
    pub fn sent(&self, bridge: &Bridge) -> u64 {
        self.states.get(bridge).map_or(0, |state| state.sent)
    }

    /// The newest generation that is in effect on the bridge; 0 while it is not known.
    pub fn confirmed(&self, bridge: &Bridge) -> u64 {
        self.states.get(bridge).map_or(0, |state| state.confirmed)
    }

    /// Flows that a bridge refuses.
    pub fn rejected(&self) -> impl Iterator<Item = &Rejected> {
        self.states.values().flat_map(|state| &state.progress.rejected)
    }

    /// The wanted flows of a bridge changed: what its connection has to be told.
    pub fn update(&mut self, bridge: &Bridge, generation: u64, changes: Changes) -> Option<(ConnectionId, Command)> {
        let state = self.states.get_mut(bridge)?;
        state.sent = generation;
        let connection = state.connected.as_ref()?.connection;
        Some((connection, Command::Update { generation, changes }))
    }

    /// The complete wanted state of a bridge.
    pub fn wanted(&self, bridge: &Bridge, desired: &Desired, generation: u64) -> Wanted {
        let flows: FlowTable = desired.flows(bridge);
        let (ownership, learnt) = match bridge {
            Bridge::Integration => (Ownership::All, Vec::new()),
            Bridge::Tunnel => (Ownership::All, desired.learnt_scopes()),
            Bridge::Physical(_) => (Ownership::Ours, Vec::new()),
        };
        Wanted { ownership, flows, learnt, generation }
    }

    /// A connection says that it is `datapath_id`; [`settle`](Self::settle) decides.
    pub fn identified(&mut self, connection: ConnectionId, datapath_id: DatapathId, peer: String) {
        self.waiting.push(Waiting { connection, datapath_id, peer, ticks: 0 });
    }

    /// A second has passed.
    pub fn tick(&mut self) {
        for waiting in &mut self.waiting {
            waiting.ticks += 1;
        }
    }

    /// A connection ended.
    pub fn closed(&mut self, connection: ConnectionId) {
        self.waiting.retain(|waiting| waiting.connection != connection);
        for state in self.states.values_mut() {
            if state.connected.as_ref().is_some_and(|connected| connected.connection == connection) {
                state.connected = None;
                state.confirmed = 0;
            }
        }
    }

    fn of_connection(&mut self, connection: ConnectionId) -> Option<(&Bridge, &mut BridgeState)> {
        self.states
            .iter_mut()
            .find(|(_, state)| state.connected.as_ref().is_some_and(|connected| connected.connection == connection))
    }

    /// A bridge's flows were compared with what is wanted. Returns the bridge.
    pub fn audited(&mut self, connection: ConnectionId, differences: usize) -> Option<Bridge> {
        let (bridge, state) = self.of_connection(connection)?;
        state.differences = Some(differences);
        if differences > 0 {
            // Whatever was in effect, not all of it is now.
            state.confirmed = 0;
        }
        Some(bridge.clone())
    }

    /// A bridge has come further.
    pub fn progressed(&mut self, connection: ConnectionId, progress: Progress) {
        if let Some((_, state)) = self.of_connection(connection) {
            state.confirmed = progress.generation;
            state.progress = progress;
        }
    }

    /// Decides about the connections that wait, as far as `database` tells. Adopted ones count as
    /// connected from then on.
    pub fn settle(&mut self, database: &Database) -> Vec<(ConnectionId, Result<Bridge, Stranger>)> {
        let mut verdicts = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            match self.verdict(&waiting, database) {
                Some(Ok(bridge)) => {
                    let Waiting { connection, datapath_id, peer, .. } = waiting;
                    if let Some(state) = self.states.get_mut(&bridge) {
                        state.connected = Some(Connected { connection, peer, datapath_id });
                        state.confirmed = 0;
                        state.differences = None;
                    }
                    verdicts.push((connection, Ok(bridge)));
                }
                Some(Err(stranger)) => verdicts.push((waiting.connection, Err(stranger))),
                None => self.waiting.push(waiting),
            }
        }
        verdicts
    }

    /// `None`: too early to tell.
    fn verdict(&self, waiting: &Waiting, database: &Database) -> Option<Result<Bridge, Stranger>> {
        let datapath_id = waiting.datapath_id;
        let patient = waiting.ticks < PATIENCE;
        let mut names: Vec<&str> = database
            .bridges()
            .filter(|(_, bridge)| bridge.datapath_id == Some(datapath_id))
            .map(|(_, bridge)| bridge.name.as_str())
            .collect();
        names.sort_unstable();
        let name = match names.as_slice() {
            [] if patient => return None,
            [] => return Some(Err(Stranger::Unknown(datapath_id))),
            [name] => *name,
            _ => {
                let bridges = names.into_iter().map(str::to_owned).collect();
                return Some(Err(Stranger::Ambiguous { datapath_id, bridges }));
            }
        };
        let Some(bridge) = self.by_name.get(name) else { return Some(Err(Stranger::NotOurs(name.to_owned()))) };
        match self.states.get(bridge).and_then(|state| state.connected.as_ref()) {
            None => Some(Ok(bridge.clone())),
            Some(_) if patient => None,
            Some(other) => {
                let peer = other.peer.clone();
                Some(Err(Stranger::Connected { bridge: name.to_owned(), datapath_id, peer }))
            }
        }
    }

    /// The flows that bridges refuse.
    pub fn rejected_flows(&self) -> HashSet<Arc<Flow>> {
        self.rejected().map(|rejected| rejected.flow.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::bridge;
    use super::*;
    use crate::ovsdb;

    const PEER: &str = "127.0.0.1:50000";

    fn bridges() -> Bridges {
        Bridges::new([("br-int".into(), Bridge::Integration), ("br-tun".into(), Bridge::Tunnel)])
    }

    fn database() -> Database {
        Database::from_rows([bridge(1, "br-int", &[]), bridge(2, "br-tun", &[]), bridge(3, "br-mine", &[])])
    }

    fn identified(bridges: &mut Bridges, connection: u64, datapath_id: u64) {
        bridges.identified(ConnectionId(connection), DatapathId(datapath_id), PEER.into());
    }

    fn wait(bridges: &mut Bridges) {
        (0..PATIENCE).for_each(|_| bridges.tick());
    }

    #[test]
    fn a_connection_is_the_bridge_whose_datapath_id_it_has() {
        let mut bridges = bridges();
        identified(&mut bridges, 7, 1);
        identified(&mut bridges, 8, 2);
        let verdicts = bridges.settle(&database());
        assert_eq!(verdicts, [(ConnectionId(7), Ok(Bridge::Integration)), (ConnectionId(8), Ok(Bridge::Tunnel))]);
        assert_eq!(bridges.connection(&Bridge::Tunnel), Some(ConnectionId(8)));
        assert!(bridges.settle(&database()).is_empty(), "decided once");
    }

    #[test]
    fn a_bridge_that_the_database_does_not_show_yet_is_waited_for() {
        let mut bridges = bridges();
        identified(&mut bridges, 7, 1);
        assert!(bridges.settle(&Database::default()).is_empty());
        assert_eq!(bridges.settle(&database()).len(), 1);
        identified(&mut bridges, 8, 99);
        assert!(bridges.settle(&database()).is_empty());
        wait(&mut bridges);
        assert_eq!(bridges.settle(&database()), [(ConnectionId(8), Err(Stranger::Unknown(DatapathId(99))))]);
    }

    #[test]
    fn a_bridge_of_others_is_refused_at_once() {
        let mut bridges = bridges();
        identified(&mut bridges, 7, 3);
        let refused = Err(Stranger::NotOurs("br-mine".into()));
        assert_eq!(bridges.settle(&database()), [(ConnectionId(7), refused)]);
    }

    #[test]
    fn bridges_with_one_datapath_id_are_refused_by_name() {
        let mut bridges = bridges();
        let mut database = database();
        let ovsdb::Change::Bridge(uuid, Some(mut twin)) = bridge(3, "br-mine", &[]) else { unreachable!() };
        twin.datapath_id = Some(DatapathId(1));
        database.apply([ovsdb::Change::Bridge(uuid, Some(twin))]);
        identified(&mut bridges, 7, 1);
        let names = vec!["br-int".to_owned(), "br-mine".to_owned()];
        let refused = Err(Stranger::Ambiguous { datapath_id: DatapathId(1), bridges: names });
        assert_eq!(bridges.settle(&database), [(ConnectionId(7), refused)]);
    }

    #[test]
    fn a_second_connection_waits_for_the_first_to_end_and_is_refused_if_it_does_not() {
        let mut bridges = bridges();
        identified(&mut bridges, 7, 1);
        bridges.settle(&database());
        identified(&mut bridges, 8, 1);
        assert!(bridges.settle(&database()).is_empty());
        bridges.closed(ConnectionId(7));
        assert_eq!(bridges.settle(&database()), [(ConnectionId(8), Ok(Bridge::Integration))]);
        identified(&mut bridges, 9, 1);
        wait(&mut bridges);
        let verdicts = bridges.settle(&database());
        assert!(matches!(&verdicts[..], [(_, Err(Stranger::Connected { bridge, .. }))] if bridge == "br-int"));
        assert_eq!(bridges.connection(&Bridge::Integration), Some(ConnectionId(8)));
    }

    #[test]
    fn what_is_confirmed_is_forgotten_with_the_connection_and_after_an_audit_that_differs() {
        let mut bridges = bridges();
        identified(&mut bridges, 7, 1);
        bridges.settle(&database());
        let progress = || Progress { generation: 4, ..Progress::default() };
        bridges.progressed(ConnectionId(7), progress());
        assert_eq!(bridges.confirmed(&Bridge::Integration), 4);
        assert_eq!(bridges.audited(ConnectionId(7), 0), Some(Bridge::Integration));
        assert_eq!(bridges.confirmed(&Bridge::Integration), 4);
        bridges.audited(ConnectionId(7), 2);
        assert_eq!(bridges.confirmed(&Bridge::Integration), 0);
        bridges.progressed(ConnectionId(7), progress());
        bridges.closed(ConnectionId(7));
        assert_eq!((bridges.confirmed(&Bridge::Integration), bridges.connection(&Bridge::Integration)), (0, None));
        bridges.progressed(ConnectionId(7), progress());
        assert_eq!(bridges.confirmed(&Bridge::Integration), 0, "an old connection has no say");
    }
}
