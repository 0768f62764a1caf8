//! Operations of a transaction, their JSON, and the server's answers (RFC 7047 §4.1.3 and §5.2).
//!
//! ovs-vswitchd sees every committed change of a column that it reads; nothing needs to be counted up for that.

use std::fmt;

use serde_json::{Map, Value, json};

use super::model::Table;
use super::value::{Atom, Datum, FromAtom, Uuid};

/// Columns with their values, as an insert or update writes them.
pub type Row = Vec<(&'static str, Datum)>;

/// Which rows an operation is about: those whose columns all hold these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(pub Vec<(&'static str, Datum)>);

impl Selector {
    /// One row.
    pub fn row(uuid: Uuid) -> Self {
        Self(vec![("_uuid", uuid.into())])
    }

    fn to_json(&self) -> Value {
        self.0.iter().map(|(column, value)| json!([column, "==", value.to_json()])).collect()
    }
}

/// A change to a set or map column that leaves the rest of it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    column: &'static str,
    mutator: &'static str,
    value: Datum,
}

impl Mutation {
    /// Adds members to a set, or keys to a map; a key that is there keeps its old value.
    pub fn insert(column: &'static str, value: impl Into<Datum>) -> Self {
        Self { column, mutator: "insert", value: value.into() }
    }

    /// Takes members from a set; from a map, by keys if given a set, by pairs if given a map.
    pub fn delete(column: &'static str, value: impl Into<Datum>) -> Self {
        Self { column, mutator: "delete", value: value.into() }
    }

    /// Sets one key of a map, whatever its old value.
    pub fn set_key(column: &'static str, key: &str, value: &str) -> [Self; 2] {
        [Self::remove_key(column, key), Self::insert(column, Datum::map([(key, value)]))]
    }

    /// Takes one key from a map.
    pub fn remove_key(column: &'static str, key: &str) -> Self {
        Self::delete(column, Datum::set([key]))
    }
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new row (§5.2.1).
    Insert {
        /// Its table.
        table: Table,
        /// How [`Atom::NamedUuid`] refers to it within the transaction: letters, digits and underscores.
        uuid_name: String,
        /// Its columns; the others take their defaults.
        row: Row,
    },
    /// Overwrites columns (§5.2.3).
    Update {
        /// Their table.
        table: Table,
        /// The rows.
        selector: Selector,
        /// The columns.
        row: Row,
    },
    /// Changes set and map columns (§5.2.4), in the order given.
    Mutate {
        /// Their table.
        table: Table,
        /// The rows.
        selector: Selector,
        /// The changes.
        mutations: Vec<Mutation>,
    },
    /// Deletes rows (§5.2.5). Ports, interfaces and controllers go by themselves when nothing refers to them.
    Delete {
        /// Their table.
        table: Table,
        /// The rows.
        selector: Selector,
    },
    /// The transaction fails unless the columns of the selected row hold these values (§5.2.6, timeout 0):
    /// guards against somebody else's change that we have not seen.
    Wait {
        /// The row's table.
        table: Table,
        /// The row.
        selector: Selector,
        /// What its columns must hold.
        row: Row,
    },
    /// A line for the server's log (§5.2.9).
    Comment(String),
    /// The transaction fails unless this connection holds the lock (§5.2.10).
    Assert {
        /// The lock.
        lock: &'static str,
    },
}

impl Operation {
    /// An insert.
    pub fn insert(table: Table, uuid_name: impl Into<String>, row: Row) -> Self {
        Self::Insert { table, uuid_name: uuid_name.into(), row }
    }

    /// An update of one row.
    pub fn update(table: Table, uuid: Uuid, row: Row) -> Self {
        Self::Update { table, selector: Selector::row(uuid), row }
    }

    /// Mutations of one row.
    pub fn mutate(table: Table, uuid: Uuid, mutations: Vec<Mutation>) -> Self {
        Self::Mutate { table, selector: Selector::row(uuid), mutations }
    }

    /// A delete of one row.
    pub fn delete(table: Table, uuid: Uuid) -> Self {
        Self::Delete { table, selector: Selector::row(uuid) }
    }

    /// A wait on columns of one row.
    pub fn wait(table: Table, uuid: Uuid, row: Row) -> Self {
        Self::Wait { table, selector: Selector::row(uuid), row }
    }

    /// The `<operation>` that the server reads.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Insert { table, uuid_name, row } => {
                json!({"op": "insert", "table": table.name(), "uuid-name": uuid_name, "row": row_json(row)})
            }
            Self::Update { table, selector, row } => {
                json!({"op": "update", "table": table.name(), "where": selector.to_json(), "row": row_json(row)})
            }
            Self::Mutate { table, selector, mutations } => {
                let mutations: Value =
                    mutations.iter().map(|m| json!([m.column, m.mutator, m.value.to_json()])).collect();
                json!({"op": "mutate", "table": table.name(), "where": selector.to_json(), "mutations": mutations})
            }
            Self::Delete { table, selector } => {
                json!({"op": "delete", "table": table.name(), "where": selector.to_json()})
            }
            Self::Wait { table, selector, row } => {
                let columns: Value = row.iter().map(|(column, _)| json!(column)).collect();
                json!({"op": "wait", "table": table.name(), "where": selector.to_json(), "timeout": 0,
                       "columns": columns, "until": "==", "rows": [row_json(row)]})
            }
            Self::Comment(text) => json!({"op": "comment", "comment": text}),
            Self::Assert { lock } => json!({"op": "assert", "lock": lock}),
        }
    }

    /// In a few words, for errors: `mutate Bridge`.
    pub(crate) fn subject(&self) -> OperationName {
        let (op, table) = match self {
            Self::Insert { table, .. } => ("insert", Some(*table)),
            Self::Update { table, .. } => ("update", Some(*table)),
            Self::Mutate { table, .. } => ("mutate", Some(*table)),
            Self::Delete { table, .. } => ("delete", Some(*table)),
            Self::Wait { table, .. } => ("wait", Some(*table)),
            Self::Comment(_) => ("comment", None),
            Self::Assert { .. } => ("assert", None),
        };
        OperationName { op, table }
    }
}

fn row_json(row: &Row) -> Value {
    row.iter().map(|(column, value)| ((*column).to_owned(), value.to_json())).collect::<Map<_, _>>().into()
}

/// What an operation was, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationName {
    /// The operation: `insert`, `update`, …
    pub op: &'static str,
    /// The table, if it has one.
    pub table: Option<Table>,
}

impl fmt::Display for OperationName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.op)?;
        self.table.map_or(Ok(()), |table| write!(out, " {table}"))
    }
}

/// The server's answer to one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpResult {
    /// Of an insert: the new row.
    Inserted(Uuid),
    /// Of an update, mutate or delete: how many rows were selected. 0 if the row is gone.
    Count(u64),
    /// Of the others.
    Done,
}

/// Why a transaction was not committed, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactError {
    /// An operation failed; nothing was changed.
    #[error("operation {index} ({operation}): {error}: {details}")]
    Operation {
        /// Its place in the transaction, from 0.
        index: usize,
        /// What it was.
        operation: OperationName,
        /// The server's word: `timed out` for a wait, `constraint violation`, `referential integrity violation`, …
        error: String,
        /// The server's explanation.
        details: String,
    },
    /// All operations were fine but together they break a constraint of the schema; nothing was changed.
    #[error("commit: {error}: {details}")]
    Commit {
        /// The server's word.
        error: String,
        /// The server's explanation.
        details: String,
    },
    /// The server did not take the request at all; nothing was changed.
    #[error("the server refused the transaction: {0}")]
    Refused(String),
    /// The answer does not fit the transaction. Whether it was committed is not known.
    #[error("the server's answer does not fit the transaction: {0}")]
    Malformed(String),
    /// Not connected, or the connection was lost before the answer; then it may have been committed.
    #[error("not connected to the database")]
    Disconnected,
    /// No answer in time. It may still be committed.
    #[error("no answer within {0:?}")]
    TimedOut(core::time::Duration),
}

/// Reads the reply to a transaction of these operations: one result each up to the first that failed, `null` for
/// those after it, and one more for an error at the commit (RFC 7047 §4.1.3).
pub(crate) fn decode_results(operations: &[OperationName], results: &Value) -> Result<Vec<OpResult>, TransactError> {
    let malformed = || TransactError::Malformed(results.to_string().chars().take(200).collect());
    let results = results.as_array().ok_or_else(malformed)?;
    let text = |result: &Value, key| result.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for (index, result) in results.iter().enumerate() {
        if result.get("error").is_some_and(|error| !error.is_null()) {
            let (error, details) = (text(result, "error"), text(result, "details"));
            return Err(match operations.get(index) {
                Some(&operation) => TransactError::Operation { index, operation, error, details },
                None => TransactError::Commit { error, details },
            });
        }
    }
    if results.len() != operations.len() {
        return Err(malformed());
    }
    let mut decoded = Vec::with_capacity(results.len());
    for (operation, result) in operations.iter().zip(results) {
        decoded.push(match operation.op {
            "insert" => OpResult::Inserted(result.get("uuid").and_then(Uuid::from_atom).ok_or_else(malformed)?),
            "update" | "mutate" | "delete" => {
                OpResult::Count(result.get("count").and_then(Value::as_u64).ok_or_else(malformed)?)
            }
            _ => OpResult::Done,
        });
    }
    Ok(decoded)
}

/// A reference to a row that the same transaction inserts.
pub(crate) fn named(name: &str) -> Atom {
    Atom::NamedUuid(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Uuid = Uuid([1; 16]);
    const ROW_TEXT: &str = "01010101-0101-0101-0101-010101010101";

    #[test]
    fn operations_are_written_as_rfc_7047_wants_them() {
        let selected = json!([["_uuid", "==", ["uuid", ROW_TEXT]]]);
        let cases = [
            (
                Operation::insert(Table::Port, "p", vec![("name", "x".into())]),
                json!({"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": "x"}}),
            ),
            (
                Operation::update(Table::Port, ROW, vec![("tag", Datum::EMPTY)]),
                json!({"op": "update", "table": "Port", "where": selected, "row": {"tag": ["set", []]}}),
            ),
            (
                Operation::mutate(Table::Port, ROW, Mutation::set_key("external_ids", "k", "v").into()),
                json!({"op": "mutate", "table": "Port", "where": selected, "mutations": [
                    ["external_ids", "delete", ["set", ["k"]]],
                    ["external_ids", "insert", ["map", [["k", "v"]]]],
                ]}),
            ),
            (Operation::delete(Table::Bridge, ROW), json!({"op": "delete", "table": "Bridge", "where": selected})),
            (
                Operation::wait(Table::Bridge, ROW, vec![("name", "br".into())]),
                json!({"op": "wait", "table": "Bridge", "where": selected, "timeout": 0, "columns": ["name"],
                       "until": "==", "rows": [{"name": "br"}]}),
            ),
            (Operation::Comment("why".into()), json!({"op": "comment", "comment": "why"})),
            (Operation::Assert { lock: "heddle" }, json!({"op": "assert", "lock": "heddle"})),
        ];
        for (operation, expected) in cases {
            assert_eq!(operation.to_json(), expected);
        }
    }

    fn names() -> Vec<OperationName> {
        let operations = [
            Operation::insert(Table::Port, "p", Vec::new()),
            Operation::delete(Table::Bridge, ROW),
            Operation::Comment(String::new()),
        ];
        operations.iter().map(Operation::subject).collect()
    }

    #[test]
    fn results_are_read_in_order() {
        let results = json!([{"uuid": ["uuid", ROW_TEXT]}, {"count": 1}, {}]);
        let expected = [OpResult::Inserted(ROW), OpResult::Count(1), OpResult::Done];
        assert_eq!(decode_results(&names(), &results).unwrap(), expected);
    }

    #[test]
    fn an_error_names_the_operation_that_failed() {
        let results = json!([{"uuid": ["uuid", ROW_TEXT]}, {"error": "not allowed", "details": "no"}, null]);
        let error = decode_results(&names(), &results).unwrap_err();
        assert_eq!(error.to_string(), "operation 1 (delete Bridge): not allowed: no");
    }

    #[test]
    fn an_error_after_the_last_operation_is_the_commits() {
        let results = json!([{"uuid": ["uuid", ROW_TEXT]}, {"count": 1}, {}, {"error": "constraint violation"}]);
        let error = decode_results(&names(), &results).unwrap_err();
        assert_eq!(error, TransactError::Commit { error: "constraint violation".into(), details: String::new() });
    }

    #[test]
    fn an_answer_that_does_not_fit_is_malformed() {
        for results in [
            json!(null),
            json!([]),
            json!([{}, {"count": 1}, {}]),
            json!([{"uuid": ["uuid", ROW_TEXT]}, {"count": -1}, {}]),
            json!([{"uuid": ["uuid", ROW_TEXT]}, {"count": 1}, {}, {}]),
        ] {
            assert!(matches!(decode_results(&names(), &results), Err(TransactError::Malformed(_))), "{results}");
        }
    }
}
