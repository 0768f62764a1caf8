//! Names for the tables of bridges that are known by their ports.

use super::explain::bridge_role;
use super::ofctl_dump::names::NameTable;
use crate::flow::table_names;
use crate::flow::text::Names;
use crate::openflow::PortNo;

/// Gives tables without a name the one of `flows/tables.toml`, where the ports tell which bridge it is.
pub(crate) fn name_known_tables(names: &mut NameTable) {
    let bridge = names.ports().find(|(port, _)| *port == PortNo::LOCAL).map_or("", |(_, name)| name);
    let Some(role) = bridge_role(names.ports().map(|(_, name)| name), bridge) else { return };
    for (table, known) in table_names::tables(role) {
        if Names::table(names, table).is_none() {
            names.add_table(table, known.name.clone());
        }
    }
}
