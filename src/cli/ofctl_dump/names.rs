//! The names of ports and tables that a switch tells, or that a text uses.

use std::collections::BTreeMap;

use crate::cli::client::{Client, ClientError};
use crate::flow::parse::Lookup;
use crate::flow::table_names::TableSet;
use crate::flow::text::Names;
use crate::openflow::multipart::MultipartType;
use crate::openflow::port::Port;
use crate::openflow::{DecodeError, Entries, PortNo, Reader, TableId};

/// Names of ports and tables, both ways. The default knows none.
#[derive(Clone, Default, Debug)]
pub struct NameTable {
    ports: BTreeMap<PortNo, String>,
    tables: BTreeMap<TableId, String>,
    /// The ports behind a name: several where Open vSwitch cut names to 15 bytes.
    by_port_name: BTreeMap<String, Vec<PortNo>>,
}

impl NameTable {
    /// Asks a switch for its ports.
    pub fn read_ports(&mut self, client: &mut Client) -> Result<(), ClientError> {
        client.multipart(
            MultipartType::PORT_DESC,
            |_| Ok(()),
            |_, part| {
                for port in Entries::<Port>::new(part.body.reader()) {
                    let port = port?;
                    self.add_port(port.port_no, port.name.to_string());
                }
                Ok(())
            },
        )
    }

    /// Asks a switch for the names of its tables.
    pub fn read_tables(&mut self, client: &mut Client) -> Result<(), ClientError> {
        client.multipart(
            MultipartType::TABLE_FEATURES,
            |_| Ok(()),
            |_, part| {
                let mut body = part.body.reader();
                while !body.is_empty() {
                    self.tables.extend(table_features(&mut body)?);
                }
                Ok(())
            },
        )
    }

    /// Names a port.
    pub fn add_port(&mut self, port: PortNo, name: String) {
        let ports = self.by_port_name.entry(name.clone()).or_default();
        if !ports.contains(&port) {
            ports.push(port);
        }
        self.ports.insert(port, name);
    }

    /// Names a table.
    pub fn add_table(&mut self, table: TableId, name: String) {
        self.tables.insert(table, name);
    }

    /// Names the tables that have no name yet.
    pub fn name_tables(&mut self, set: &TableSet) {
        for (table, known) in set.iter() {
            self.tables.entry(table).or_insert_with(|| known.name.clone());
        }
    }

    /// The name of the bridge, as far as its own port tells.
    pub fn bridge(&self) -> Option<&str> {
        self.ports.get(&PortNo::LOCAL).map(String::as_str)
    }

    /// All ports, by number. A name may be that of several.
    pub fn ports(&self) -> impl Iterator<Item = (PortNo, &str)> {
        self.ports.iter().map(|(port, name)| (*port, name.as_str()))
    }

    /// All tables that have a name, by number.
    pub fn tables(&self) -> impl Iterator<Item = (TableId, &str)> {
        self.tables.iter().map(|(table, name)| (*table, name.as_str()))
    }
}

/// The number and the name, if there is one, of the next table (`struct ofp_table_features`,
/// OpenFlow 1.3.5 §7.3.5.5).
fn table_features(body: &mut Reader<'_>) -> Result<Option<(TableId, String)>, DecodeError> {
    let length = usize::from(body.u16("table_features.length")?);
    let mut entry = body.child(length.saturating_sub(2), "table_features")?;
    let table = TableId(entry.u8("table_features.table_id")?);
    entry.skip(5, "table_features.pad")?;
    let name = entry.bytes(32, "table_features.name")?;
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok((!name.is_empty()).then(|| (table, String::from_utf8_lossy(name).into_owned())))
}

impl Names for NameTable {
    fn port(&self, port: PortNo) -> Option<&str> {
        let name = self.ports.get(&port)?;
        (self.by_port_name.get(name).map(Vec::len) == Some(1)).then_some(name)
    }

    fn table(&self, table: TableId) -> Option<&str> {
        self.tables.get(&table).map(String::as_str)
    }
}

impl Lookup for NameTable {
    fn port(&self, name: &str) -> Option<PortNo> {
        match self.by_port_name.get(name)?.as_slice() {
            [port] => Some(*port),
            _ => None,
        }
    }

    fn table(&self, name: &str) -> Option<TableId> {
        self.tables.iter().find_map(|(table, other)| (other == name).then_some(*table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_two_ports_have_is_the_name_of_none() {
        let mut names = NameTable::default();
        names.add_port(PortNo(1), "tap0123456789ab".into());
        names.add_port(PortNo(2), "tap0123456789ab".into());
        names.add_port(PortNo(3), "tap1".into());
        names.add_port(PortNo(3), "tap1".into());
        assert_eq!([1, 2, 3].map(|port| Names::port(&names, PortNo(port))), [None, None, Some("tap1")]);
        assert_eq!(["tap0123456789ab", "tap1"].map(|name| Lookup::port(&names, name)), [None, Some(PortNo(3))]);
        assert_eq!(names.ports().count(), 3);
    }
}
