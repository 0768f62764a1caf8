//! `--table-names`: which names tables get that the switch does not name.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use super::names::NameTable;
use crate::cli::tables::name_known_tables;
use crate::flow::table_names::{TableNamesError, built_in, built_in_names, parse};

/// Where names come from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum TableNames {
    /// From the set that the ports of the bridge tell.
    #[default]
    Auto,
    /// From nowhere.
    None,
    /// From the built-in set of this name.
    BuiltIn(String),
    /// From a file like `flows/tables.toml`.
    File(PathBuf),
}

/// Why there are no names.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{path}: {error}; sets by name: auto, none, {}", built_in_names().collect::<Vec<_>>().join(", "))]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is none of names.
    #[error("{path}: {error}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: TableNamesError,
    },
    /// The file has several bridges, and none is this one.
    #[error("{path}: found tables of {found}, expected those of {bridge}")]
    NoSuchBridge {
        /// Which file.
        path: PathBuf,
        /// Its bridges.
        found: String,
        /// The bridge.
        bridge: String,
    },
}

impl FromStr for TableNames {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            // Both have the names that their ports tell.
            "auto" | "heddle" | "neutron" => Self::Auto,
            "none" => Self::None,
            _ if built_in(text).is_some() => Self::BuiltIn(text.to_owned()),
            _ => Self::File(text.into()),
        })
    }
}

impl TableNames {
    /// Names the tables that have no name yet. `target` is what the bridge is called on the command line.
    pub fn apply(&self, names: &mut NameTable, target: &str) -> Result<(), Error> {
        match self {
            Self::None => {}
            Self::Auto => name_known_tables(names),
            Self::BuiltIn(name) => names.name_tables(built_in(name).unwrap_or(&Default::default())),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| Error::Io { path: path.clone(), error })?;
                let sets = parse(&text).map_err(|error| Error::Content { path: path.clone(), error })?;
                let bridge = names.bridge().unwrap_or(target).to_owned();
                let only = sets.values().next().filter(|_| sets.len() == 1);
                let set = sets.get(&bridge).or_else(|| sets.get(target)).or(only).ok_or_else(|| {
                    let found = sets.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    Error::NoSuchBridge { path: path.clone(), found, bridge: bridge.clone() }
                })?;
                names.name_tables(set);
            }
        }
        Ok(())
    }
}
