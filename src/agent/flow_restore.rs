//! `Open_vSwitch.other_config:flow-restore-wait` (ovs-vswitchd.conf.db(5)): whoever restarts `ovs-vswitchd` with saved
//! flows sets it before the start and removes it once the flows are back, as `ovs-ctl restart` does. An `ovs-vswitchd`
//! that starts with it connects to no controller and takes no packet from its datapath until it goes; later it does not
//! look at it any more. Heddle leaves it alone for a while, so that nobody is disturbed who restores flows, and then
//! removes it: whoever set it has died, and nothing would be forwarded, after this start or the next.

use std::fmt;
use std::mem;

use crate::ovsdb::transaction::Mutation;
use crate::ovsdb::{Database, Operation, Table};

const COLUMN: &str = "other_config";
const KEY: &str = "flow-restore-wait";

/// How long it stands already. Time comes in ticks, so that no clock is asked.
#[derive(Default, Debug)]
pub(super) struct FlowRestore {
    /// Seconds since it was first seen; nothing if it is not set.
    since: Option<u32>,
    /// It has to go.
    overdue: bool,
}

/// What there is to be said of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restoration {
    /// It has been set.
    Began,
    /// It has been set for so many seconds: it goes.
    Overdue(u32),
}

impl fmt::Display for Restoration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began => write!(
                out,
                "{COLUMN}:{KEY} is set: an ovs-vswitchd that starts now forwards nothing and connects to nobody until \
                 its flows are restored"
            ),
            Self::Overdue(seconds) => {
                write!(out, "{COLUMN}:{KEY} has been set for {seconds} s: nobody restores flows any more, removing it")
            }
        }
    }
}

impl FlowRestore {
    /// A second has passed. After `timeout` of them, 0 is never, it is overdue, and from then on once a second.
    pub(super) fn on_tick(&mut self, database: Option<&Database>, timeout: u32) -> Option<Restoration> {
        self.overdue = false;
        if !database.is_some_and(is_set) {
            self.since = None;
            return None;
        }
        let seconds = self.since.map_or(0, |seconds| seconds.saturating_add(1));
        self.since = Some(seconds);
        match seconds {
            _ if timeout > 0 && seconds >= timeout => {
                self.overdue = true;
                Some(Restoration::Overdue(seconds))
            }
            0 => Some(Restoration::Began),
            _ => None,
        }
    }

    /// True if [`take_operation`](Self::take_operation) may return something.
    pub(super) fn is_overdue(&self) -> bool {
        self.overdue
    }

    /// What takes it away, if it has to go.
    pub(super) fn take_operation(&mut self, database: &Database) -> Option<Operation> {
        let (uuid, _) = database.open_vswitch().filter(|_| mem::take(&mut self.overdue) && is_set(database))?;
        Some(Operation::mutate(Table::OpenVswitch, uuid, vec![Mutation::remove_key(COLUMN, KEY)]))
    }
}

/// True if an `ovs-vswitchd` that starts is to wait.
pub(super) fn is_set(database: &Database) -> bool {
    let value = database.open_vswitch().and_then(|(_, root)| root.other_config.get(KEY));
    // As smap_get_bool() of Open vSwitch has it: any other text is false.
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::uuid;
    use super::*;
    use crate::ovsdb::{Change, OpenVswitch};

    fn database(value: Option<&str>) -> Database {
        let other_config = value.map(|value| (KEY.to_owned(), value.to_owned())).into_iter().collect();
        let root = OpenVswitch { other_config, ..OpenVswitch::default() };
        Database::from_rows([Change::OpenVswitch(uuid(0), Some(root))])
    }

    #[test]
    fn a_restoration_has_its_time_and_is_overdue_after_it() {
        let (mut restore, set) = (FlowRestore::default(), database(Some("true")));
        assert_eq!(restore.on_tick(None, 3), None);
        assert_eq!(restore.on_tick(Some(&set), 3), Some(Restoration::Began));
        assert_eq!([restore.on_tick(Some(&set), 3), restore.on_tick(Some(&set), 3)], [None, None]);
        assert_eq!(restore.take_operation(&set), None);
        assert_eq!(restore.on_tick(Some(&set), 3), Some(Restoration::Overdue(3)));
        assert!(restore.is_overdue());
        let removed = restore.take_operation(&set).unwrap().to_json();
        assert_eq!(removed["mutations"], serde_json::json!([[COLUMN, "delete", ["set", [KEY]]]]));
        assert_eq!(restore.take_operation(&set), None, "once for each second");
        assert_eq!(restore.on_tick(Some(&set), 3), Some(Restoration::Overdue(4)), "until it is gone");
        assert_eq!(restore.on_tick(Some(&database(None)), 3), None);
        assert_eq!(restore.on_tick(Some(&set), 3), Some(Restoration::Began), "the next one has its time too");
    }

    #[test]
    fn without_a_timeout_it_stays() {
        let (mut restore, set) = (FlowRestore::default(), database(Some("true")));
        restore.on_tick(Some(&set), 0);
        assert!((0..1000).all(|_| restore.on_tick(Some(&set), 0).is_none()));
    }

    #[test]
    fn what_open_vswitch_takes_for_false_is_not_set() {
        for value in [None, Some("false"), Some("yes"), Some("")] {
            assert!(!is_set(&database(value)), "{value:?}");
        }
        assert!(is_set(&database(Some("True"))));
    }
}
