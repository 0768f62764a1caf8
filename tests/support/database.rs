//! Open vSwitch's database for a test without processes: commits transactions as `ovsdb-server` does (RFC 7047 §5.2),
//! as far as Heddle asks it to, and tells the changes.

use std::collections::{BTreeMap, BTreeSet};

use heddle::ovsdb::database::decode_table_updates;
use heddle::ovsdb::{Change, Database, Operation, Table, Uuid};
use serde_json::{Map, Value, json};

type Row = Map<String, Value>;
type Rows = BTreeMap<(&'static str, Uuid), Row>;

/// See the module.
#[derive(Default)]
pub struct DatabaseServer {
    rows: Rows,
    last_uuid: u64,
}

/// A column's value in a new row.
fn default_of(column: &str) -> Value {
    match column {
        "name" | "type" | "datapath_type" | "target" => json!(""),
        "next_cfg" | "cur_cfg" => json!(0),
        "is_connected" => json!(false),
        "other_config" | "external_ids" | "options" => json!(["map", []]),
        _ => json!(["set", []]),
    }
}

/// The members of a set column, or the pairs of a map column.
fn members(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(parts) if parts.first().is_some_and(|kind| kind == "set" || kind == "map") => {
            parts[1].as_array().cloned().unwrap_or_default()
        }
        one => vec![one.clone()],
    }
}

/// The rows that a column refers to.
fn references(row: &Row, column: &str) -> Vec<Uuid> {
    let uuid = |value: &Value| value[1].as_str().and_then(|text| text.parse().ok());
    row.get(column).map(members).unwrap_or_default().iter().filter_map(uuid).collect()
}

/// A set of one member is written without the set, as the server does.
fn normal(value: Value) -> Value {
    match &value {
        Value::Array(parts) if parts.first().is_some_and(|kind| kind == "set") => match members(&value).as_slice() {
            [one] => one.clone(),
            _ => value,
        },
        _ => value,
    }
}

fn mutate(before: &Value, mutator: &str, argument: &Value) -> Value {
    let is_map = before[0] == "map";
    let mut after = members(before);
    let key = |member: &Value| if is_map { member[0].clone() } else { member.clone() };
    for member in members(argument) {
        let by_pair = is_map && argument[0] == "map";
        match mutator {
            "delete" if by_pair => after.retain(|there| *there != member),
            "delete" => after.retain(|there| key(there) != member),
            "insert" if after.iter().any(|there| key(there) == key(&member)) => {}
            "insert" => after.push(member),
            other => panic!("mutator {other}"),
        }
    }
    let kind = if is_map { "map" } else { "set" };
    normal(json!([kind, after]))
}

impl DatabaseServer {
    fn new_uuid(&mut self) -> Uuid {
        self.last_uuid += 1;
        Uuid(u128::from(self.last_uuid).to_be_bytes())
    }

    /// Everything, as a monitor begins.
    pub fn snapshot(&self) -> Database {
        Database::from_rows(changes(&Rows::new(), &self.rows))
    }

    /// Commits a transaction; `None`: it failed, and nothing has changed.
    pub fn commit(&mut self, operations: &[Operation]) -> Option<Vec<Change>> {
        let before = self.rows.clone();
        let mut names = BTreeMap::new();
        for operation in operations {
            if let Operation::Insert { uuid_name, .. } = operation {
                names.insert(uuid_name.clone(), self.new_uuid());
            }
        }
        for operation in operations {
            if !self.perform(&resolved(operation.to_json(), &names), &names) {
                self.rows = before;
                return None;
            }
        }
        self.collect_garbage();
        Some(changes(&before, &self.rows))
    }

    fn perform(&mut self, operation: &Value, names: &BTreeMap<String, Uuid>) -> bool {
        let table = || Table::from_name(operation["table"].as_str().unwrap()).unwrap();
        let columns = |row: &Value| row.as_object().cloned().unwrap_or_default();
        match operation["op"].as_str().unwrap() {
            "insert" => {
                let mut row: Row =
                    table().columns().iter().map(|name| ((*name).to_owned(), default_of(name))).collect();
                row.extend(columns(&operation["row"]).into_iter().map(|(name, value)| (name, normal(value))));
                self.rows.insert((table().name(), names[operation["uuid-name"].as_str().unwrap()]), row);
            }
            "update" => {
                for row in self.selected(table(), &operation["where"]) {
                    row.extend(columns(&operation["row"]).into_iter().map(|(name, value)| (name, normal(value))));
                }
            }
            "mutate" => {
                for row in self.selected(table(), &operation["where"]) {
                    for mutation in operation["mutations"].as_array().unwrap() {
                        let column = mutation[0].as_str().unwrap();
                        let after = mutate(&row[column], mutation[1].as_str().unwrap(), &mutation[2]);
                        row.insert(column.to_owned(), after);
                    }
                }
            }
            "delete" => {
                let gone: BTreeSet<Uuid> = self.matching(table(), &operation["where"]).collect();
                self.rows.retain(|(name, uuid), _| !(*name == table().name() && gone.contains(uuid)));
            }
            "wait" => {
                let wanted = columns(&operation["rows"][0]);
                let holds = |row: &&mut Row| {
                    let normalised = |value: &Value| {
                        let mut members = members(value);
                        members.sort_by_key(ToString::to_string);
                        members
                    };
                    wanted.iter().all(|(name, value)| normalised(&row[name]) == normalised(value))
                };
                let rows = self.selected(table(), &operation["where"]);
                return !rows.is_empty() && rows.iter().all(holds);
            }
            "comment" | "assert" => {}
            other => panic!("operation {other}"),
        }
        true
    }

    fn matching(&self, table: Table, conditions: &Value) -> impl Iterator<Item = Uuid> {
        let conditions = conditions.as_array().unwrap().clone();
        let holds = move |uuid: Uuid, row: &Row| {
            conditions.iter().all(|condition| match condition[0].as_str().unwrap() {
                "_uuid" => condition[2] == json!(["uuid", uuid.to_string()]),
                column => normal(condition[2].clone()) == row[column],
            })
        };
        self.rows
            .iter()
            .filter(move |((name, uuid), row)| *name == table.name() && holds(*uuid, row))
            .map(|((_, uuid), _)| *uuid)
    }

    fn selected(&mut self, table: Table, conditions: &Value) -> Vec<&mut Row> {
        let selected: BTreeSet<Uuid> = self.matching(table, conditions).collect();
        let rows = self.rows.iter_mut();
        rows.filter(|((name, uuid), _)| *name == table.name() && selected.contains(uuid)).map(|(_, row)| row).collect()
    }

    /// Rows that nothing refers to any more go.
    fn collect_garbage(&mut self) {
        for (parent, column, table) in [
            (Table::OpenVswitch, "bridges", Table::Bridge),
            (Table::Bridge, "ports", Table::Port),
            (Table::Bridge, "controller", Table::Controller),
            (Table::Port, "interfaces", Table::Interface),
        ] {
            let parents = self.rows.iter().filter(|((name, _), _)| *name == parent.name());
            let kept: BTreeSet<Uuid> = parents.flat_map(|(_, row)| references(row, column)).collect();
            self.rows.retain(|(name, uuid), _| *name != table.name() || kept.contains(uuid));
        }
    }

    /// Somebody else, such as `ovs-vswitchd`, writes a column.
    pub fn write(&mut self, table: Table, uuid: Uuid, column: &str, value: Value) -> Vec<Change> {
        let before = self.rows.clone();
        if let Some(row) = self.rows.get_mut(&(table.name(), uuid)) {
            row.insert(column.to_owned(), value);
        }
        changes(&before, &self.rows)
    }
}

/// Names of rows that the transaction inserts become their UUIDs.
fn resolved(value: Value, names: &BTreeMap<String, Uuid>) -> Value {
    match value {
        Value::Array(parts) if parts.first().is_some_and(|kind| kind == "named-uuid") => {
            json!(["uuid", names[parts[1].as_str().unwrap()].to_string()])
        }
        Value::Array(parts) => parts.into_iter().map(|part| resolved(part, names)).collect(),
        Value::Object(parts) => parts.into_iter().map(|(key, part)| (key, resolved(part, names))).collect(),
        other => other,
    }
}

/// What a monitor tells of the way from one state to the other.
fn changes(before: &Rows, after: &Rows) -> Vec<Change> {
    let mut updates: Map<String, Value> = Map::new();
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        if before.get(key) == after.get(key) {
            continue;
        }
        let update = match after.get(key) {
            Some(row) => json!({"new": row}),
            None => json!({"old": {}}),
        };
        let table = updates.entry(key.0).or_insert_with(|| json!({}));
        table[key.1.to_string()] = update;
    }
    decode_table_updates(&updates).unwrap()
}
