//! Which connection is which bridge, and how far each bridge is.

use std::collections::{BTreeMap, HashMap};

use crate::config::Learning;
use crate::flow::Changes;
use crate::openflow::DatapathId;
use crate::ovsdb::Database;
use crate::pipeline::{Bridge, Desired, learning};
use crate::responder::learning::Counters;
use crate::switch::{Command, ConnectionId, Identity, Ownership, Progress, RefusedChange, Rejected, Wanted};
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
        "bridge {0} is none of Heddle's: name it in [bridges] of heddle.toml or in [learning], or take its controller \
         away with: ovs-vsctl del-controller {0}"
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
    identity: Identity,
    peer: String,
    ticks: u32,
    /// The older connection of the same bridge that was asked because of this one whether it lives.
    challenged: Option<ConnectionId>,
}

/// What becomes of a connection that waits.
enum Verdict {
    Adopt(Bridge),
    Refuse(Stranger),
    /// Too early to tell.
    Wait,
    /// Too early to tell: its bridge has this older connection.
    WaitFor(ConnectionId),
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
    /// What a learning bridge has learnt.
    pub learning: Counters,
    sent: u64,
    confirmed: u64,
}

/// See the module.
pub struct Bridges {
    by_name: BTreeMap<Name, Bridge>,
    states: BTreeMap<Bridge, BridgeState>,
    /// The bridge of each connection that is one.
    by_connection: HashMap<ConnectionId, Bridge>,
    learning: Learning,
    /// The learning bridges that are connected. Two may have one name: it is for people.
    learning_names: BTreeMap<DatapathId, Name>,
    waiting: Vec<Waiting>,
    /// Connections that have to show that they live, for newer ones wait for their bridges.
    challenged: Vec<ConnectionId>,
}

impl Bridges {
    /// The bridges of this host by name, and those that learn.
    pub fn new(bridges: impl IntoIterator<Item = (Name, Bridge)>, learning: Learning) -> Self {
        let by_name: BTreeMap<Name, Bridge> = bridges.into_iter().collect();
        let states = by_name.values().map(|bridge| (bridge.clone(), BridgeState::default())).collect();
        Self {
            by_name,
            states,
            by_connection: HashMap::new(),
            learning,
            learning_names: BTreeMap::new(),
            waiting: Vec::new(),
            challenged: Vec::new(),
        }
    }

    /// Every bridge with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Bridge, &BridgeState)> {
        let ours = self.by_name.iter().filter_map(|(name, bridge)| Some((name, bridge, self.states.get(bridge)?)));
        let learning = self.states.iter().filter_map(|(bridge, state)| match bridge {
            Bridge::Learning(datapath_id) => Some((self.learning_names.get(datapath_id)?, bridge, state)),
            _ => None,
        });
        ours.chain(learning)
    }

    /// The bridge at the other end of a connection, with its name.
    pub fn at(&self, connection: ConnectionId) -> Option<(&Name, &Bridge)> {
        let bridge = self.by_connection.get(&connection)?;
        let name = match bridge {
            Bridge::Learning(datapath_id) => self.learning_names.get(datapath_id)?,
            _ => self.by_name.iter().find(|(_, there)| *there == bridge)?.0,
        };
        Some((name, bridge))
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

    /// True if what this generation changed is in effect on every bridge of the host that there is.
    pub fn all_reached(&self, generation: u64, database: &Database) -> bool {
        let there = self.by_name.iter().filter(|(name, _)| database.bridge_named(name).is_some());
        there.filter_map(|(_, bridge)| self.states.get(bridge)).all(|state| {
            // A flow that a bridge refuses to delete is of an older generation.
            let stays = state.progress.rejected.iter().any(|rejected| rejected.refused == RefusedChange::Deletion);
            // A generation that changed nothing on a bridge is never confirmed by it.
            state.confirmed >= generation.min(state.sent) && !stays
        })
    }

    /// Flows that a bridge refuses.
    pub fn rejected(&self) -> impl Iterator<Item = (&Bridge, &Rejected)> {
        self.states
            .iter()
            .flat_map(|(bridge, state)| state.progress.rejected.iter().map(move |rejected| (bridge, rejected)))
    }

    /// The wanted flows of a bridge changed: what its connection has to be told.
    pub fn update(&mut self, bridge: &Bridge, generation: u64, changes: Changes) -> Option<(ConnectionId, Command)> {
        let state = self.states.get_mut(bridge)?;
        state.sent = generation;
        let connection = state.connected.as_ref()?.connection;
        Some((connection, Command::Update { generation, changes }))
    }

    /// A bridge that waits until what its refused guards were for is closed may go on.
    pub fn proceed(&mut self, bridge: &Bridge) -> Option<(ConnectionId, Command)> {
        let state = self.states.get_mut(bridge)?;
        std::mem::take(&mut state.progress.held).then_some(())?;
        Some((state.connected.as_ref()?.connection, Command::Proceed))
    }

    /// The complete wanted state of a bridge.
    pub fn wanted(&self, bridge: &Bridge, desired: &Desired, generation: u64) -> Wanted {
        let (ownership, learnt) = match bridge {
            Bridge::Integration => (Ownership::All, Vec::new()),
            Bridge::Tunnel => (Ownership::All, desired.learnt_scopes()),
            Bridge::Physical(_) => (Ownership::Ours, Vec::new()),
            Bridge::Learning(_) => (Ownership::Learning, Vec::new()),
        };
        let flows = match bridge {
            Bridge::Learning(_) => learning::flows(),
            _ => desired.flows(bridge),
        };
        Wanted { ownership, flows, learnt, generation }
    }

    /// A connection says who it is; [`settle`](Self::settle) decides.
    pub fn identified(&mut self, connection: ConnectionId, identity: Identity, peer: String) {
        self.waiting.push(Waiting { connection, identity, peer, ticks: 0, challenged: None });
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
        let Some((_, state)) = self.of_connection(connection) else { return };
        state.connected = None;
        state.confirmed = 0;
        if let Some(Bridge::Learning(datapath_id)) = self.by_connection.remove(&connection) {
            self.states.remove(&Bridge::Learning(datapath_id));
            self.learning_names.remove(&datapath_id);
        }
    }

    /// True for a bridge that is, or is to be, this host's.
    pub fn knows(&self, bridge: &Bridge) -> bool {
        self.states.contains_key(bridge)
    }

    fn of_connection(&mut self, connection: ConnectionId) -> Option<(&Bridge, &mut BridgeState)> {
        let bridge = self.by_connection.get(&connection)?;
        Some((bridge, self.states.get_mut(bridge)?))
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

    /// A learning bridge goes on learning.
    pub fn learnt(&mut self, connection: ConnectionId, counters: Counters) {
        if let Some((_, state)) = self.of_connection(connection) {
            state.learning = counters;
        }
    }

    /// Decides about the connections that wait, as far as `database` tells; `None` as long as there are no wanted
    /// flows made of one, which those that learn do not wait for. Adopted ones count as connected from then on.
    pub fn settle(&mut self, database: Option<&Database>) -> Vec<(ConnectionId, Result<Bridge, Stranger>)> {
        let mut verdicts = Vec::new();
        for mut waiting in std::mem::take(&mut self.waiting) {
            match self.verdict(&waiting, database) {
                Verdict::Adopt(bridge) => {
                    let Waiting { connection, identity: Identity { datapath_id, name }, peer, .. } = waiting;
                    if let Bridge::Learning(_) = bridge {
                        let name = name.unwrap_or_else(|| datapath_id.to_string());
                        self.learning_names.insert(datapath_id, name.into());
                    }
                    let state = self.states.entry(bridge.clone()).or_default();
                    self.by_connection.insert(connection, bridge.clone());
                    state.connected = Some(Connected { connection, peer, datapath_id });
                    state.confirmed = 0;
                    state.differences = None;
                    verdicts.push((connection, Ok(bridge)));
                }
                Verdict::Refuse(stranger) => verdicts.push((waiting.connection, Err(stranger))),
                Verdict::Wait => self.waiting.push(waiting),
                Verdict::WaitFor(older) => {
                    if waiting.challenged.replace(older) != Some(older) {
                        self.challenged.push(older);
                    }
                    self.waiting.push(waiting);
                }
            }
        }
        verdicts
    }

    /// After [`settle`](Self::settle): the connections that have to show that they live. A switch that gives a
    /// connection up and makes another may be the only one who knows of it.
    pub fn take_challenged(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.challenged)
    }

    fn verdict(&self, waiting: &Waiting, database: Option<&Database>) -> Verdict {
        let Identity { datapath_id, ref name } = waiting.identity;
        if self.learning.serves(name.as_deref(), self.by_name.keys()) {
            let name = name.clone().unwrap_or_else(|| datapath_id.to_string());
            return self.unless_connected(Bridge::Learning(datapath_id), &name, waiting);
        }
        let patient = waiting.ticks < PATIENCE;
        let Some(database) = database else { return Verdict::Wait };
        let mut names: Vec<&str> = database
            .bridges()
            .filter(|(_, bridge)| bridge.datapath_id == Some(datapath_id))
            .map(|(_, bridge)| bridge.name.as_str())
            .collect();
        names.sort_unstable();
        let name = match names.as_slice() {
            [] if patient => return Verdict::Wait,
            [] => return Verdict::Refuse(Stranger::Unknown(datapath_id)),
            [name] => *name,
            _ => {
                let bridges = names.into_iter().map(str::to_owned).collect();
                return Verdict::Refuse(Stranger::Ambiguous { datapath_id, bridges });
            }
        };
        let Some(bridge) = self.by_name.get(name) else { return Verdict::Refuse(Stranger::NotOurs(name.to_owned())) };
        self.unless_connected(bridge.clone(), name, waiting)
    }

    /// A bridge has one connection at a time: the newest, once the older one does not answer any more.
    fn unless_connected(&self, bridge: Bridge, name: &str, waiting: &Waiting) -> Verdict {
        match self.states.get(&bridge).and_then(|state| state.connected.as_ref()) {
            None => Verdict::Adopt(bridge),
            Some(older) if waiting.ticks < PATIENCE => Verdict::WaitFor(older.connection),
            Some(older) => {
                let (datapath_id, peer) = (waiting.identity.datapath_id, older.peer.clone());
                Verdict::Refuse(Stranger::Connected { bridge: name.to_owned(), datapath_id, peer })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::bridge;
    use super::*;
    use crate::ovsdb;

    const PEER: &str = "127.0.0.1:50000";

    fn bridges() -> Bridges {
        let learning = Learning { named: vec!["s1".into()], every: false };
        Bridges::new([("br-int".into(), Bridge::Integration), ("br-tun".into(), Bridge::Tunnel)], learning)
    }

    fn database() -> Database {
        Database::from_rows([bridge(1, "br-int", &[]), bridge(2, "br-tun", &[]), bridge(3, "br-mine", &[])])
    }

    fn identified(bridges: &mut Bridges, connection: u64, datapath_id: u64) {
        let identity = Identity { datapath_id: DatapathId(datapath_id), name: None };
        bridges.identified(ConnectionId(connection), identity, PEER.into());
    }

    fn wait(bridges: &mut Bridges) {
        (0..PATIENCE).for_each(|_| bridges.tick());
    }

    #[test]
    fn a_connection_is_the_bridge_whose_datapath_id_it_has() {
        let mut bridges = bridges();
        identified(&mut bridges, 7, 1);
        identified(&mut bridges, 8, 2);
        let verdicts = bridges.settle(Some(&database()));
        assert_eq!(verdicts, [(ConnectionId(7), Ok(Bridge::Integration)), (ConnectionId(8), Ok(Bridge::Tunnel))]);
        assert_eq!(bridges.connection(&Bridge::Tunnel), Some(ConnectionId(8)));
        assert!(bridges.settle(Some(&database())).is_empty(), "decided once");
    }

    #[test]
    fn a_bridge_that_the_database_does_not_show_yet_is_waited_for() {
        let mut bridges = bridges();
        identified(&mut bridges, 7, 1);
        assert!(bridges.settle(Some(&Database::default())).is_empty());
        assert_eq!(bridges.settle(Some(&database())).len(), 1);
        identified(&mut bridges, 8, 99);
        assert!(bridges.settle(Some(&database())).is_empty());
        wait(&mut bridges);
        assert_eq!(bridges.settle(Some(&database())), [(ConnectionId(8), Err(Stranger::Unknown(DatapathId(99))))]);
    }

    #[test]
    fn a_bridge_of_others_is_refused_at_once() {
        let mut bridges = bridges();
        identified(&mut bridges, 7, 3);
        let refused = Err(Stranger::NotOurs("br-mine".into()));
        assert_eq!(bridges.settle(Some(&database())), [(ConnectionId(7), refused)]);
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
        assert_eq!(bridges.settle(Some(&database)), [(ConnectionId(7), refused)]);
    }

    #[test]
    fn a_second_connection_waits_for_the_first_to_end_and_is_refused_if_it_does_not() {
        let mut bridges = bridges();
        identified(&mut bridges, 7, 1);
        bridges.settle(Some(&database()));
        identified(&mut bridges, 8, 1);
        assert!(bridges.settle(Some(&database())).is_empty());
        assert_eq!(bridges.take_challenged(), [ConnectionId(7)], "it may be dead and nobody knows");
        assert!(bridges.settle(Some(&database())).is_empty());
        assert_eq!(bridges.take_challenged(), [], "asked once");
        bridges.closed(ConnectionId(7));
        assert_eq!(bridges.settle(Some(&database())), [(ConnectionId(8), Ok(Bridge::Integration))]);
        identified(&mut bridges, 9, 1);
        wait(&mut bridges);
        let verdicts = bridges.settle(Some(&database()));
        assert!(matches!(&verdicts[..], [(_, Err(Stranger::Connected { bridge, .. }))] if bridge == "br-int"));
        assert_eq!(bridges.connection(&Bridge::Integration), Some(ConnectionId(8)));
    }

    #[test]
    fn what_is_confirmed_is_forgotten_with_the_connection_and_after_an_audit_that_differs() {
        let mut bridges = bridges();
        identified(&mut bridges, 7, 1);
        bridges.settle(Some(&database()));
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

    fn named(bridges: &mut Bridges, connection: u64, datapath_id: u64, name: &str) {
        let identity = Identity { datapath_id: DatapathId(datapath_id), name: Some(name.to_owned()) };
        bridges.identified(ConnectionId(connection), identity, PEER.into());
    }

    fn names(bridges: &Bridges) -> Vec<&str> {
        bridges.iter().map(|(name, _, _)| &**name).collect()
    }

    #[test]
    fn a_learning_bridge_is_adopted_without_a_database_and_others_wait() {
        let mut bridges = bridges();
        named(&mut bridges, 7, 77, "s1");
        named(&mut bridges, 8, 78, "s2");
        named(&mut bridges, 9, 1, "br-int");
        let verdicts = bridges.settle(None);
        assert_eq!(verdicts, [(ConnectionId(7), Ok(Bridge::Learning(DatapathId(77))))]);
        assert_eq!(names(&bridges), ["br-int", "br-tun", "s1"]);
        assert_eq!(bridges.settle(Some(&database())), [(ConnectionId(9), Ok(Bridge::Integration))]);
        bridges.closed(ConnectionId(7));
        assert_eq!(names(&bridges), ["br-int", "br-tun"]);
    }

    #[test]
    fn every_bridge_learns_that_is_used_for_nothing_else() {
        let every = Learning { named: Vec::new(), every: true };
        let mut bridges = Bridges::new([("br-int".into(), Bridge::Integration)], every);
        named(&mut bridges, 7, 1, "br-int");
        identified(&mut bridges, 8, 78);
        named(&mut bridges, 9, 79, "s1");
        named(&mut bridges, 10, 80, "s1");
        let adopted: Vec<ConnectionId> = bridges.settle(None).into_iter().map(|(connection, _)| connection).collect();
        assert_eq!(adopted, [8, 9, 10].map(ConnectionId), "one without a name, two with the same");
        assert_eq!(names(&bridges), ["br-int", "000000000000004e", "s1", "s1"]);
    }

    #[test]
    fn a_learning_bridge_has_one_connection_at_a_time() {
        let mut bridges = bridges();
        named(&mut bridges, 7, 77, "s1");
        bridges.settle(None);
        named(&mut bridges, 8, 77, "s1");
        assert!(bridges.settle(None).is_empty());
        bridges.closed(ConnectionId(7));
        assert_eq!(bridges.settle(None), [(ConnectionId(8), Ok(Bridge::Learning(DatapathId(77))))]);
        named(&mut bridges, 9, 77, "another");
        named(&mut bridges, 10, 77, "s1");
        wait(&mut bridges);
        let verdicts = bridges.settle(None);
        assert!(matches!(&verdicts[..], [(ConnectionId(10), Err(Stranger::Connected { .. }))]), "{verdicts:?}");
    }
}
