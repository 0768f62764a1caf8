//! OVSDB's values: atoms, sets, maps and UUIDs, to and from JSON (RFC 7047 §5.1).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

/// The identity of a row: 128 bits, printed as 8-4-4-4-12 lower-case hexadecimal digits (RFC 7047 §3.1 `<uuid>`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

/// Text that is not a UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {0:?}, expected a UUID such as 550e8400-e29b-41d4-a716-446655440000")]
pub struct ParseUuidError(pub String);

impl fmt::Display for Uuid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                out.write_str("-")?;
            }
            write!(out, "{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseUuidError(text.chars().take(64).collect());
        let hyphens =
            text.len() == 36 && text.bytes().enumerate().all(|(at, b)| matches!(at, 8 | 13 | 18 | 23) == (b == b'-'));
        if !hyphens {
            return Err(refuse());
        }
        let mut octets = [0; 16];
        let mut digits = text.bytes().filter(|&b| b != b'-').map(|b| (b as char).to_digit(16));
        for octet in &mut octets {
            match (digits.next().flatten(), digits.next().flatten()) {
                (Some(high), Some(low)) => *octet = (high << 4 | low) as u8,
                _ => return Err(refuse()),
            }
        }
        Ok(Self(octets))
    }
}

/// One value of a column, or one member of a set or map (RFC 7047 §5.1 `<atom>`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    /// An integer of 64 bits.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// Text.
    String(String),
    /// A reference to a row.
    Uuid(Uuid),
    /// A reference to a row that the same transaction inserts, by its `uuid-name`.
    NamedUuid(String),
}

/// What a column holds (RFC 7047 §5.1 `<value>`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    /// Exactly one value.
    Atom(Atom),
    /// None, one or more; an empty set clears an optional column.
    Set(Vec<Atom>),
    /// Keys with their values.
    Map(Vec<(Atom, Atom)>),
}

impl Atom {
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Integer(number) => json!(number),
            Self::Boolean(truth) => json!(truth),
            Self::String(text) => json!(text),
            Self::Uuid(uuid) => json!(["uuid", uuid.to_string()]),
            Self::NamedUuid(name) => json!(["named-uuid", name]),
        }
    }
}

impl Datum {
    /// The empty set: how a transaction clears an optional column.
    pub const EMPTY: Self = Self::Set(Vec::new());

    /// A set of the atoms of an iterator.
    pub fn set<T: Into<Atom>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Set(items.into_iter().map(Into::into).collect())
    }

    /// A map of the pairs of an iterator.
    pub fn map<K: Into<Atom>, V: Into<Atom>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Atom(atom) => atom.to_json(),
            Self::Set(atoms) => json!(["set", atoms.iter().map(Atom::to_json).collect::<Vec<_>>()]),
            Self::Map(pairs) => {
                json!(["map", pairs.iter().map(|(key, value)| [key.to_json(), value.to_json()]).collect::<Vec<_>>()])
            }
        }
    }
}

impl From<&str> for Atom {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Atom {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Atom {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Atom {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<Uuid> for Atom {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}

impl<T: Into<Atom>> From<T> for Datum {
    fn from(atom: T) -> Self {
        Self::Atom(atom.into())
    }
}

/// What a value had to be and was not; the row's decoder adds table, row and column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found}, expected {expected}")]
pub struct ValueError {
    /// The beginning of the JSON that stood there.
    pub found: String,
    /// What the schema promises.
    pub expected: &'static str,
}

impl ValueError {
    fn new(found: &Value, expected: &'static str) -> Self {
        let mut found = found.to_string();
        if let Some((end, _)) = found.char_indices().nth(80) {
            found.truncate(end);
            found.push('…');
        }
        Self { found, expected }
    }
}

/// A type that an atom decodes to.
pub(crate) trait FromAtom: Sized {
    /// For error messages.
    const EXPECTED: &'static str;
    /// None if the JSON is something else.
    fn from_atom(value: &Value) -> Option<Self>;
}

impl FromAtom for String {
    const EXPECTED: &'static str = "a string";
    fn from_atom(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl FromAtom for i64 {
    const EXPECTED: &'static str = "an integer";
    fn from_atom(value: &Value) -> Option<Self> {
        value.as_i64()
    }
}

impl FromAtom for u16 {
    const EXPECTED: &'static str = "an integer of 0 to 65535";
    fn from_atom(value: &Value) -> Option<Self> {
        value.as_u64()?.try_into().ok()
    }
}

impl FromAtom for bool {
    const EXPECTED: &'static str = "a boolean";
    fn from_atom(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl FromAtom for Uuid {
    const EXPECTED: &'static str = r#"["uuid", UUID]"#;
    fn from_atom(value: &Value) -> Option<Self> {
        match value.as_array()?.as_slice() {
            [Value::String(tag), Value::String(text)] if tag == "uuid" => text.parse().ok(),
            _ => None,
        }
    }
}

/// Exactly one atom.
pub(crate) fn one<T: FromAtom>(value: &Value) -> Result<T, ValueError> {
    T::from_atom(value).ok_or_else(|| ValueError::new(value, T::EXPECTED))
}

/// A set: an atom alone, or `["set", [atom…]]`.
pub(crate) fn set<T: FromAtom + Ord>(value: &Value) -> Result<BTreeSet<T>, ValueError> {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(tag), Value::Array(atoms)]) if tag == "set" => atoms.iter().map(one).collect(),
        _ => Ok(BTreeSet::from([one(value)?])),
    }
}

/// A set of at most one.
pub(crate) fn optional<T: FromAtom>(value: &Value) -> Result<Option<T>, ValueError> {
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(tag), Value::Array(atoms)]) if tag == "set" => match atoms.as_slice() {
            [] => Ok(None),
            [atom] => one(atom).map(Some),
            _ => Err(ValueError::new(value, "at most one value")),
        },
        _ => one(value).map(Some),
    }
}

/// A map of text to text: `["map", [[key, value]…]]`.
pub(crate) fn text_map(value: &Value) -> Result<BTreeMap<String, String>, ValueError> {
    const EXPECTED: &str = r#"["map", [[string, string]…]]"#;
    match value.as_array().map(Vec::as_slice) {
        Some([Value::String(tag), Value::Array(pairs)]) if tag == "map" => pairs
            .iter()
            .map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([Value::String(key), Value::String(value)]) => Ok((key.clone(), value.clone())),
                _ => Err(ValueError::new(pair, EXPECTED)),
            })
            .collect(),
        _ => Err(ValueError::new(value, EXPECTED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_reads_as_it_prints() {
        let text = "550e8400-e29b-41d4-a716-446655440000";
        let uuid: Uuid = text.parse().unwrap();
        assert_eq!(uuid.0[..4], [0x55, 0x0e, 0x84, 0x00]);
        assert_eq!(uuid.to_string(), text);
        assert_eq!(text.to_uppercase().parse::<Uuid>().unwrap(), uuid);
    }

    #[test]
    fn text_that_is_no_uuid_is_refused() {
        let good = "550e8400-e29b-41d4-a716-446655440000";
        for end in 0..good.len() {
            assert!(good[..end].parse::<Uuid>().is_err(), "{}", &good[..end]);
        }
        for text in [
            "550e8400-e29b-41d4-a716-4466554400001",
            "550e8400e-29b-41d4-a716-446655440000",
            "550e8400-e29b-41d4-a716-44665544000g",
            "+50e8400-e29b-41d4-a716-446655440000",
            "550e8400-e29b-41d4-a716-44665544é000",
            "550e8400-e29b-41d4-a716-4466554400-0",
        ] {
            assert!(text.parse::<Uuid>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_lone_atom_is_a_set_of_one() {
        assert_eq!(set::<String>(&json!("a")).unwrap(), BTreeSet::from(["a".to_owned()]));
        assert_eq!(set::<u16>(&json!(["set", []])).unwrap(), BTreeSet::new());
        assert_eq!(set::<u16>(&json!(["set", [3, 1]])).unwrap(), BTreeSet::from([1, 3]));
        let uuid = "550e8400-e29b-41d4-a716-446655440000";
        assert_eq!(set::<Uuid>(&json!(["uuid", uuid])).unwrap().len(), 1);
        assert_eq!(set::<Uuid>(&json!(["set", [["uuid", uuid]]])).unwrap().len(), 1);
        assert_eq!(optional::<i64>(&json!(["set", []])).unwrap(), None);
        assert_eq!(optional::<i64>(&json!(-1)).unwrap(), Some(-1));
        assert_eq!(optional::<i64>(&json!(["set", [7]])).unwrap(), Some(7));
    }

    #[test]
    fn a_value_of_another_type_says_what_was_found_and_expected() {
        let error = one::<i64>(&json!("seven")).unwrap_err();
        assert_eq!(error.to_string(), r#"found "seven", expected an integer"#);
        assert!(optional::<i64>(&json!(["set", [1, 2]])).is_err());
        assert!(set::<u16>(&json!(["set", [65536]])).is_err());
        assert!(set::<u16>(&json!(["set", 1])).is_err());
        assert!(one::<Uuid>(&json!(["uuid"])).is_err());
        assert!(one::<Uuid>(&json!(["uuid", "x"])).is_err());
        assert!(text_map(&json!(["map", [["a", 1]]])).is_err());
        assert!(text_map(&json!(["map", [["a"]]])).is_err());
        assert!(text_map(&json!(null)).is_err());
        assert!(one::<i64>(&json!("ü".repeat(500))).unwrap_err().found.len() < 200);
    }

    #[test]
    fn values_are_written_as_rfc_7047_wants_them() {
        assert_eq!(Datum::from("x").to_json(), json!("x"));
        assert_eq!(Datum::EMPTY.to_json(), json!(["set", []]));
        assert_eq!(Datum::set([1, 2]).to_json(), json!(["set", [1, 2]]));
        assert_eq!(Datum::map([("k", "v")]).to_json(), json!(["map", [["k", "v"]]]));
        assert_eq!(Atom::NamedUuid("row1".into()).to_json(), json!(["named-uuid", "row1"]));
        let uuid = Uuid([0; 16]);
        assert_eq!(Atom::from(uuid).to_json(), json!(["uuid", "00000000-0000-0000-0000-000000000000"]));
    }
}
