//! The cache of watched rows, and the indexes that Heddle looks things up by.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::model::{Bridge, Columns, Controller, FromColumns, Interface, OpenVswitch, Port, RowError, Table};
use super::value::Uuid;

/// A row's new content, or `None` if it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Of the one row of `Open_vSwitch`.
    OpenVswitch(Uuid, Option<OpenVswitch>),
    /// Of a bridge.
    Bridge(Uuid, Option<Bridge>),
    /// Of a port.
    Port(Uuid, Option<Port>),
    /// Of an interface.
    Interface(Uuid, Option<Interface>),
    /// Of a controller.
    Controller(Uuid, Option<Controller>),
}

impl Change {
    /// The row that changed.
    pub fn uuid(&self) -> Uuid {
        match self {
            Self::OpenVswitch(uuid, _)
            | Self::Bridge(uuid, _)
            | Self::Port(uuid, _)
            | Self::Interface(uuid, _)
            | Self::Controller(uuid, _) => *uuid,
        }
    }

    /// The table it is in.
    pub fn table(&self) -> Table {
        match self {
            Self::OpenVswitch(..) => Table::OpenVswitch,
            Self::Bridge(..) => Table::Bridge,
            Self::Port(..) => Table::Port,
            Self::Interface(..) => Table::Interface,
            Self::Controller(..) => Table::Controller,
        }
    }

    /// True if the row is no more.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::OpenVswitch(_, row) => row.is_none(),
            Self::Bridge(_, row) => row.is_none(),
            Self::Port(_, row) => row.is_none(),
            Self::Interface(_, row) => row.is_none(),
            Self::Controller(_, row) => row.is_none(),
        }
    }

    fn decode(table: Table, row: Uuid, values: Option<&Map<String, Value>>) -> Result<Self, RowError> {
        fn typed<T: FromColumns>(
            table: Table,
            row: Uuid,
            values: Option<&Map<String, Value>>,
        ) -> Result<Option<T>, RowError> {
            values.map(|values| T::from_columns(&Columns { table, row, values })).transpose()
        }
        Ok(match table {
            Table::OpenVswitch => Self::OpenVswitch(row, typed(table, row, values)?),
            Table::Bridge => Self::Bridge(row, typed(table, row, values)?),
            Table::Port => Self::Port(row, typed(table, row, values)?),
            Table::Interface => Self::Interface(row, typed(table, row, values)?),
            Table::Controller => Self::Controller(row, typed(table, row, values)?),
        })
    }
}

/// Decodes `<table-updates>`: `{TABLE: {UUID: {"old": …, "new": …}}}`, where no `new` means that the row is gone
/// (RFC 7047 §4.1.6).
pub fn decode_table_updates(updates: &Map<String, Value>) -> Result<Vec<Change>, RowError> {
    let mut changes = Vec::new();
    for (name, rows) in updates {
        let table = Table::from_name(name).ok_or_else(|| RowError::Table(name.clone()))?;
        let malformed = |row: &str| RowError::Update { table, row: row.to_owned() };
        for (key, update) in rows.as_object().ok_or_else(|| malformed(""))? {
            let uuid = key.parse().map_err(|_| malformed(key))?;
            let values = match update.as_object().ok_or_else(|| malformed(key))?.get("new") {
                None | Some(Value::Null) => None,
                Some(new) => Some(new.as_object().ok_or_else(|| malformed(key))?),
            };
            changes.push(Change::decode(table, uuid, values)?);
        }
    }
    Ok(changes)
}

/// What the database holds of the watched columns. Order of the changes within one transaction does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Database {
    open_vswitch: Option<(Uuid, OpenVswitch)>,
    bridges: HashMap<Uuid, Bridge>,
    ports: HashMap<Uuid, Port>,
    interfaces: HashMap<Uuid, Interface>,
    controllers: HashMap<Uuid, Controller>,
    bridge_by_name: HashMap<String, Uuid>,
    port_by_name: HashMap<String, Uuid>,
    interface_by_name: HashMap<String, Uuid>,
    bridge_of_port: HashMap<Uuid, Uuid>,
    port_of_interface: HashMap<Uuid, Uuid>,
}

impl Database {
    /// A database of these rows.
    pub fn from_rows(rows: impl IntoIterator<Item = Change>) -> Self {
        let mut database = Self::default();
        database.apply(rows);
        database
    }

    /// Takes changes over; costs what changed.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match change {
                Change::OpenVswitch(uuid, Some(row)) => self.open_vswitch = Some((uuid, row)),
                Change::OpenVswitch(uuid, None) => {
                    self.open_vswitch.take_if(|(known, _)| *known == uuid);
                }
                Change::Bridge(uuid, row) => self.apply_bridge(uuid, row),
                Change::Port(uuid, row) => self.apply_port(uuid, row),
                Change::Interface(uuid, row) => {
                    let old = self.interfaces.get(&uuid).map(|row| row.name.as_str());
                    rename(&mut self.interface_by_name, uuid, old, row.as_ref().map(|row| row.name.as_str()));
                    replace(&mut self.interfaces, uuid, row);
                }
                Change::Controller(uuid, row) => replace(&mut self.controllers, uuid, row),
            }
        }
    }

    fn apply_bridge(&mut self, uuid: Uuid, row: Option<Bridge>) {
        let old = self.bridges.get(&uuid);
        let (old_name, old_ports) = old.map_or((None, None), |old| (Some(old.name.as_str()), Some(&old.ports)));
        let (name, ports) = row.as_ref().map_or((None, None), |row| (Some(row.name.as_str()), Some(&row.ports)));
        rename(&mut self.bridge_by_name, uuid, old_name, name);
        adopt(&mut self.bridge_of_port, uuid, old_ports, ports);
        replace(&mut self.bridges, uuid, row);
    }

    fn apply_port(&mut self, uuid: Uuid, row: Option<Port>) {
        let old = self.ports.get(&uuid);
        let (old_name, old_members) = old.map_or((None, None), |old| (Some(old.name.as_str()), Some(&old.interfaces)));
        let (name, members) = row.as_ref().map_or((None, None), |row| (Some(row.name.as_str()), Some(&row.interfaces)));
        rename(&mut self.port_by_name, uuid, old_name, name);
        adopt(&mut self.port_of_interface, uuid, old_members, members);
        replace(&mut self.ports, uuid, row);
    }

    /// The row of `Open_vSwitch`; none if the database was never initialised.
    pub fn open_vswitch(&self) -> Option<(Uuid, &OpenVswitch)> {
        self.open_vswitch.as_ref().map(|(uuid, row)| (*uuid, row))
    }

    /// A bridge by row.
    pub fn bridge(&self, uuid: Uuid) -> Option<&Bridge> {
        self.bridges.get(&uuid)
    }

    /// A bridge by name.
    pub fn bridge_named(&self, name: &str) -> Option<(Uuid, &Bridge)> {
        let uuid = *self.bridge_by_name.get(name)?;
        Some((uuid, self.bridges.get(&uuid)?))
    }

    /// All bridges, in no order.
    pub fn bridges(&self) -> impl Iterator<Item = (Uuid, &Bridge)> {
        self.bridges.iter().map(|(uuid, row)| (*uuid, row))
    }

    /// A port by row.
    pub fn port(&self, uuid: Uuid) -> Option<&Port> {
        self.ports.get(&uuid)
    }

    /// A port by name.
    pub fn port_named(&self, name: &str) -> Option<(Uuid, &Port)> {
        let uuid = *self.port_by_name.get(name)?;
        Some((uuid, self.ports.get(&uuid)?))
    }

    /// The ports of a bridge, by UUID.
    pub fn ports_of(&self, bridge: Uuid) -> impl Iterator<Item = (Uuid, &Port)> {
        let ports = self.bridges.get(&bridge).map(|row| &row.ports).into_iter().flatten();
        ports.filter_map(|uuid| Some((*uuid, self.ports.get(uuid)?)))
    }

    /// The bridge that a port is on.
    pub fn bridge_of_port(&self, port: Uuid) -> Option<Uuid> {
        self.bridge_of_port.get(&port).copied()
    }

    /// An interface by row.
    pub fn interface(&self, uuid: Uuid) -> Option<&Interface> {
        self.interfaces.get(&uuid)
    }

    /// An interface by name.
    pub fn interface_named(&self, name: &str) -> Option<(Uuid, &Interface)> {
        let uuid = *self.interface_by_name.get(name)?;
        Some((uuid, self.interfaces.get(&uuid)?))
    }

    /// The interfaces of a port: one, or more for a bond.
    pub fn interfaces_of(&self, port: Uuid) -> impl Iterator<Item = (Uuid, &Interface)> {
        let members = self.ports.get(&port).map(|row| &row.interfaces).into_iter().flatten();
        members.filter_map(|uuid| Some((*uuid, self.interfaces.get(uuid)?)))
    }

    /// The interface of a port that has exactly one.
    pub fn only_interface_of(&self, port: Uuid) -> Option<(Uuid, &Interface)> {
        let mut members = self.interfaces_of(port);
        let only = members.next()?;
        members.next().is_none().then_some(only)
    }

    /// The port that an interface belongs to.
    pub fn port_of_interface(&self, interface: Uuid) -> Option<Uuid> {
        self.port_of_interface.get(&interface).copied()
    }

    /// A controller by row.
    pub fn controller(&self, uuid: Uuid) -> Option<&Controller> {
        self.controllers.get(&uuid)
    }
}

fn replace<T>(rows: &mut HashMap<Uuid, T>, uuid: Uuid, row: Option<T>) {
    match row {
        Some(row) => rows.insert(uuid, row),
        None => rows.remove(&uuid),
    };
}

/// Moves a row's entry in an index of names. An entry that meanwhile names another row stays: within one
/// transaction a row may go and another take its name, in either order.
fn rename(index: &mut HashMap<String, Uuid>, uuid: Uuid, old: Option<&str>, new: Option<&str>) {
    if let Some(old) = old.filter(|old| Some(*old) != new && index.get(*old) == Some(&uuid)) {
        index.remove(old);
    }
    if let Some(new) = new.filter(|new| index.get(*new) != Some(&uuid)) {
        index.insert(new.to_owned(), uuid);
    }
}

/// Moves the members of a row in an index of owners, under the same condition as [`rename`].
fn adopt(index: &mut HashMap<Uuid, Uuid>, owner: Uuid, old: Option<&BTreeSet<Uuid>>, new: Option<&BTreeSet<Uuid>>) {
    for member in old.into_iter().flatten() {
        if !new.is_some_and(|new| new.contains(member)) && index.get(member) == Some(&owner) {
            index.remove(member);
        }
    }
    for member in new.into_iter().flatten() {
        if !old.is_some_and(|old| old.contains(member)) {
            index.insert(*member, owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn uuid(number: u8) -> Uuid {
        Uuid([number; 16])
    }

    fn bridge(number: u8, name: &str, ports: &[u8]) -> Change {
        let ports = ports.iter().map(|&port| uuid(port)).collect();
        Change::Bridge(uuid(number), Some(Bridge { name: name.into(), ports, ..Bridge::default() }))
    }

    fn port(number: u8, name: &str, interfaces: &[u8]) -> Change {
        let interfaces = interfaces.iter().map(|&interface| uuid(interface)).collect();
        Change::Port(uuid(number), Some(Port { name: name.into(), interfaces, ..Port::default() }))
    }

    /// The indexes after any history equal those of a fresh database with the same rows.
    fn assert_consistent(database: &Database) {
        let rows = database
            .bridges
            .iter()
            .map(|(uuid, row)| Change::Bridge(*uuid, Some(row.clone())))
            .chain(database.ports.iter().map(|(uuid, row)| Change::Port(*uuid, Some(row.clone()))))
            .chain(database.interfaces.iter().map(|(uuid, row)| Change::Interface(*uuid, Some(row.clone()))));
        assert_eq!(&Database::from_rows(rows), database);
    }

    #[test]
    fn a_port_that_moves_between_bridges_is_found_on_the_new_one_whatever_the_order() {
        let start = Database::from_rows([
            bridge(1, "a", &[10, 11]),
            bridge(2, "b", &[]),
            port(10, "p", &[]),
            port(11, "q", &[]),
        ]);
        let moves = [bridge(1, "a", &[11]), bridge(2, "b", &[10])];
        for order in [[0, 1], [1, 0]] {
            let mut database = start.clone();
            database.apply(order.map(|at| moves[at].clone()));
            assert_eq!(database.bridge_of_port(uuid(10)), Some(uuid(2)));
            assert_eq!(database.bridge_of_port(uuid(11)), Some(uuid(1)));
            assert_consistent(&database);
        }
    }

    #[test]
    fn a_name_that_passes_to_another_row_is_found_there_whatever_the_order() {
        let start = Database::from_rows([port(10, "p", &[20])]);
        let changes = [Change::Port(uuid(10), None), port(11, "p", &[21])];
        for order in [[0, 1], [1, 0]] {
            let mut database = start.clone();
            database.apply(order.map(|at| changes[at].clone()));
            assert_eq!(database.port_named("p").unwrap().0, uuid(11));
            assert_eq!(database.port_of_interface(uuid(20)), None);
            assert_eq!(database.port_of_interface(uuid(21)), Some(uuid(11)));
            assert_consistent(&database);
        }
    }

    #[test]
    fn two_rows_that_swap_names_are_both_found() {
        let mut database = Database::from_rows([port(10, "p", &[]), port(11, "q", &[])]);
        database.apply([port(10, "q", &[]), port(11, "p", &[])]);
        assert_eq!(database.port_named("p").unwrap().0, uuid(11));
        assert_eq!(database.port_named("q").unwrap().0, uuid(10));
        assert_consistent(&database);
    }

    #[test]
    fn a_bridge_that_is_gone_leaves_nothing_behind() {
        let mut database = Database::from_rows([bridge(1, "a", &[10]), port(10, "p", &[20])]);
        database.apply([Change::Bridge(uuid(1), None), Change::Port(uuid(10), None)]);
        assert_eq!(database, Database::default());
        database.apply([Change::Bridge(uuid(1), None)]);
        assert_eq!(database, Database::default());
    }

    #[test]
    fn a_dangling_reference_is_skipped() {
        let database = Database::from_rows([bridge(1, "a", &[10, 12]), port(10, "p", &[20])]);
        assert_eq!(database.ports_of(uuid(1)).map(|(uuid, _)| uuid).collect::<BTreeSet<_>>(), [uuid(10)].into());
        assert_eq!(database.only_interface_of(uuid(10)), None);
    }

    #[test]
    fn updates_are_decoded_to_changes_and_anything_else_is_an_error() {
        let decode = |value: Value| decode_table_updates(value.as_object().unwrap());
        let row = "01010101-0101-0101-0101-010101010101";
        assert_eq!(decode(json!({"Port": {row: {"old": {"name": "p"}}}})).unwrap(), [Change::Port(uuid(1), None)]);
        assert_eq!(decode(json!({})).unwrap(), []);
        assert_eq!(decode(json!({"Mirror": {}})), Err(RowError::Table("Mirror".into())));
        for surprise in [
            json!({"Port": 1}),
            json!({"Port": {"x": {}}}),
            json!({"Port": {row: 1}}),
            json!({"Port": {row: {"new": 1}}}),
        ] {
            assert!(matches!(decode(surprise), Err(RowError::Update { .. })));
        }
        assert!(matches!(decode(json!({"Port": {row: {"new": {}}}})), Err(RowError::Missing { column: "name", .. })));
    }
}
