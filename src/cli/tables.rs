//! Names for the tables of bridges that are known by their ports.

use super::explain::bridge_role;
use super::ofctl_dump::names::NameTable;

/// Gives tables without a name the one of `flows/tables.toml`, where the ports tell which bridge it is.
pub(crate) fn name_known_tables(names: &mut NameTable) {
    let role = bridge_role(names.ports().map(|(_, name)| name), names.bridge().unwrap_or_default());
    if let Some(role) = role {
        names.name_tables(role.tables());
    }
}
