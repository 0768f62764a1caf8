//! Typed rows of the tables that Heddle watches, decoded from a monitor's updates (ovs-vswitchd.conf.db(5)).
//!
//! Columns that Open vSwitch rewrites all the time (statistics, status) are not watched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value, json};

use super::value::{self, FromAtom, Uuid, ValueError};
use crate::openflow::ids::{DatapathId, PortNo};
use crate::openflow::mac::MacAddr;

/// A map column of text to text.
pub type TextMap = BTreeMap<String, String>;

/// A table of the `Open_vSwitch` database that Heddle watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The one row at the root; all bridges hang on it.
    OpenVswitch,
    /// Bridges.
    Bridge,
    /// Ports of bridges.
    Port,
    /// Interfaces of ports: one each, except for bonds.
    Interface,
    /// OpenFlow controllers of bridges.
    Controller,
}

impl Table {
    /// Every table that is watched.
    pub const ALL: [Self; 5] = [Self::OpenVswitch, Self::Bridge, Self::Port, Self::Interface, Self::Controller];

    /// The table's name in the schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenVswitch => "Open_vSwitch",
            Self::Bridge => "Bridge",
            Self::Port => "Port",
            Self::Interface => "Interface",
            Self::Controller => "Controller",
        }
    }

    /// The table with this name in the schema.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The columns that are watched.
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::OpenVswitch => &["bridges", "next_cfg", "cur_cfg", "ovs_version", "other_config", "external_ids"],
            Self::Bridge => &[
                "name",
                "datapath_id",
                "datapath_type",
                "ports",
                "controller",
                "fail_mode",
                "protocols",
                "other_config",
                "external_ids",
            ],
            Self::Port => &["name", "interfaces", "tag", "vlan_mode", "trunks", "external_ids", "other_config"],
            Self::Interface => &[
                "name",
                "type",
                "ofport",
                "external_ids",
                "options",
                "admin_state",
                "link_state",
                "error",
                "mac_in_use",
                "mtu",
                "mtu_request",
            ],
            Self::Controller => &[
                "target",
                "connection_mode",
                "is_connected",
                "inactivity_probe",
                "max_backoff",
                "controller_rate_limit",
                "external_ids",
            ],
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The `<monitor-requests>` for everything that is watched (RFC 7047 §4.1.5).
pub fn monitor_requests() -> Value {
    Table::ALL
        .into_iter()
        .map(|table| (table.name().to_owned(), json!([{ "columns": table.columns() }])))
        .collect::<Map<_, _>>()
        .into()
}

/// A row that is not what the schema promises: the server is not an Open vSwitch database as we know it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The server sent a row of a table that was not asked for.
    #[error("an update names the table {0:?}, which was not asked for")]
    Table(String),
    /// A row's key is not a UUID, or its update is not `{"old": …, "new": …}`.
    #[error("an update of {table} is malformed at the row {row:?}")]
    Update {
        /// The table.
        table: Table,
        /// The key as sent.
        row: String,
    },
    /// A watched column is absent.
    #[error("{table} {row} came without its column {column}")]
    Missing {
        /// The table.
        table: Table,
        /// The row.
        row: Uuid,
        /// The column.
        column: &'static str,
    },
    /// A column holds a value of another type.
    #[error("{table} {row}: {column}: {error}")]
    Column {
        /// The table.
        table: Table,
        /// The row.
        row: Uuid,
        /// The column.
        column: &'static str,
        /// What was found and what expected.
        error: ValueError,
    },
}

/// The one row of `Open_vSwitch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenVswitch {
    /// All bridges.
    pub bridges: BTreeSet<Uuid>,
    /// Counts configuration changes that somebody waits for.
    pub next_cfg: i64,
    /// The last `next_cfg` that ovs-vswitchd has applied.
    pub cur_cfg: i64,
    /// As text, e.g. `3.1.0`.
    pub ovs_version: Option<String>,
    /// Settings.
    pub other_config: TextMap,
    /// Keys of others, `system-id` among them.
    pub external_ids: TextMap,
}

/// A bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    /// Unique among bridges, and also the name of its local port.
    pub name: String,
    /// The datapath id in use; none until ovs-vswitchd has made the bridge.
    pub datapath_id: Option<DatapathId>,
    /// Empty or `system` for the kernel, `netdev` for userspace.
    pub datapath_type: String,
    /// Its ports.
    pub ports: BTreeSet<Uuid>,
    /// Its OpenFlow controllers.
    pub controllers: BTreeSet<Uuid>,
    /// `standalone` or `secure`; empty means standalone.
    pub fail_mode: Option<String>,
    /// OpenFlow versions; empty means Open vSwitch's default.
    pub protocols: BTreeSet<String>,
    /// Settings.
    pub other_config: TextMap,
    /// Keys of others.
    pub external_ids: TextMap,
}

/// A port of a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// Unique among ports.
    pub name: String,
    /// One, or more for a bond.
    pub interfaces: BTreeSet<Uuid>,
    /// The access VLAN.
    pub tag: Option<u16>,
    /// `access`, `trunk`, `native-tagged`, `native-untagged`, `dot1q-tunnel`; empty: by `tag`.
    pub vlan_mode: Option<String>,
    /// The VLANs of a trunk.
    pub trunks: BTreeSet<u16>,
    /// Keys of others, and Heddle's [`marks`](super::marks).
    pub external_ids: TextMap,
    /// Settings.
    pub other_config: TextMap,
}

/// An interface of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Unique among interfaces.
    pub name: String,
    /// `type`: empty or `system`, `internal`, `patch`, `vxlan`, …
    pub kind: String,
    /// Its OpenFlow port number.
    pub ofport: Ofport,
    /// Keys of others, `iface-id` among them, and Heddle's [`marks`](super::marks).
    pub external_ids: TextMap,
    /// What its type needs: `peer`, `remote_ip`, …
    pub options: TextMap,
    /// Administratively up or down; empty until known.
    pub admin_state: Option<LinkState>,
    /// Has a link or not; empty until known.
    pub link_state: Option<LinkState>,
    /// Why ovs-vswitchd could not make it.
    pub error: Option<String>,
    /// The Ethernet address in use.
    pub mac_in_use: Option<MacAddr>,
    /// Its MTU in bytes; empty if it has none, as some tunnels.
    pub mtu: Option<i64>,
    /// The MTU that somebody wants it to have.
    pub mtu_request: Option<i64>,
}

/// A bridge's connection to an OpenFlow controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controller {
    /// Such as `tcp:127.0.0.1:6633`.
    pub target: String,
    /// `in-band` or `out-of-band`; empty means in-band, if the bridge allows it.
    pub connection_mode: Option<String>,
    /// True while the connection is up.
    pub is_connected: bool,
    /// Milliseconds of silence before the bridge sends an echo request.
    pub inactivity_probe: Option<i64>,
    /// Milliseconds at most between attempts to connect.
    pub max_backoff: Option<i64>,
    /// Packets a second that the bridge sends up, at the most: each port its share. Empty: all.
    pub controller_rate_limit: Option<i64>,
    /// Keys of others, and Heddle's [`marks`](super::marks).
    pub external_ids: TextMap,
}

/// `Interface.ofport`: the port number that ovs-vswitchd gave an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ofport {
    /// Empty: ovs-vswitchd has not seen the interface yet.
    #[default]
    Unset,
    /// -1: ovs-vswitchd could not add it; `Interface.error` says why. It tries again when something changes.
    Failed,
    /// A port of the bridge: 1–65279, or [`PortNo::LOCAL`] for the bridge's own (65534 in the database).
    Valid(PortNo),
}

impl Ofport {
    /// Where `OFPP_LOCAL` stands in the database, which keeps 16-bit numbers.
    const LOCAL: i64 = 0xfffe;
    /// The highest number of a port; ovs-vswitchd.conf.db(5).
    const MAX: i64 = 65279;

    /// The number, if there is one.
    pub fn port_no(self) -> Option<PortNo> {
        match self {
            Self::Valid(port_no) => Some(port_no),
            Self::Unset | Self::Failed => None,
        }
    }

    /// From the column; a number that cannot be a port counts as a failure, as -1 does.
    fn from_column(number: Option<i64>) -> Self {
        match number {
            None => Self::Unset,
            Some(Self::LOCAL) => Self::Valid(PortNo::LOCAL),
            Some(number @ 1..=Self::MAX) => u32::try_from(number).map_or(Self::Failed, |n| Self::Valid(PortNo(n))),
            Some(_) => Self::Failed,
        }
    }
}

/// `admin_state` and `link_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// `up`.
    Up,
    /// `down`.
    Down,
}

impl FromAtom for LinkState {
    const EXPECTED: &'static str = "up or down";
    fn from_atom(value: &Value) -> Option<Self> {
        match value.as_str()? {
            "up" => Some(Self::Up),
            "down" => Some(Self::Down),
            _ => None,
        }
    }
}

/// The columns of one row as they came, and where they belong for errors.
pub(crate) struct Columns<'a> {
    pub(crate) table: Table,
    pub(crate) row: Uuid,
    pub(crate) values: &'a Map<String, Value>,
}

impl Columns<'_> {
    fn get<T>(&self, column: &'static str, decode: fn(&Value) -> Result<T, ValueError>) -> Result<T, RowError> {
        let (table, row) = (self.table, self.row);
        let value = self.values.get(column).ok_or(RowError::Missing { table, row, column })?;
        decode(value).map_err(|error| RowError::Column { table, row, column, error })
    }
}

/// A row that decodes from its columns.
pub(crate) trait FromColumns: Sized {
    fn from_columns(columns: &Columns<'_>) -> Result<Self, RowError>;
}

impl FromColumns for OpenVswitch {
    fn from_columns(columns: &Columns<'_>) -> Result<Self, RowError> {
        Ok(Self {
            bridges: columns.get("bridges", value::set)?,
            next_cfg: columns.get("next_cfg", value::one)?,
            cur_cfg: columns.get("cur_cfg", value::one)?,
            ovs_version: columns.get("ovs_version", value::optional)?,
            other_config: columns.get("other_config", value::text_map)?,
            external_ids: columns.get("external_ids", value::text_map)?,
        })
    }
}

impl FromColumns for Bridge {
    fn from_columns(columns: &Columns<'_>) -> Result<Self, RowError> {
        let datapath_id: Option<String> = columns.get("datapath_id", value::optional)?;
        Ok(Self {
            name: columns.get("name", value::one)?,
            // Text to the schema, so anybody may write anything there: what is no id counts as none.
            datapath_id: datapath_id.and_then(|text| text.parse().ok()),
            datapath_type: columns.get("datapath_type", value::one)?,
            ports: columns.get("ports", value::set)?,
            controllers: columns.get("controller", value::set)?,
            fail_mode: columns.get("fail_mode", value::optional)?,
            protocols: columns.get("protocols", value::set)?,
            other_config: columns.get("other_config", value::text_map)?,
            external_ids: columns.get("external_ids", value::text_map)?,
        })
    }
}

impl FromColumns for Port {
    fn from_columns(columns: &Columns<'_>) -> Result<Self, RowError> {
        Ok(Self {
            name: columns.get("name", value::one)?,
            interfaces: columns.get("interfaces", value::set)?,
            tag: columns.get("tag", value::optional)?,
            vlan_mode: columns.get("vlan_mode", value::optional)?,
            trunks: columns.get("trunks", value::set)?,
            external_ids: columns.get("external_ids", value::text_map)?,
            other_config: columns.get("other_config", value::text_map)?,
        })
    }
}

impl FromColumns for Interface {
    fn from_columns(columns: &Columns<'_>) -> Result<Self, RowError> {
        let mac_in_use: Option<String> = columns.get("mac_in_use", value::optional)?;
        Ok(Self {
            name: columns.get("name", value::one)?,
            kind: columns.get("type", value::one)?,
            ofport: Ofport::from_column(columns.get("ofport", value::optional)?),
            external_ids: columns.get("external_ids", value::text_map)?,
            options: columns.get("options", value::text_map)?,
            admin_state: columns.get("admin_state", value::optional)?,
            link_state: columns.get("link_state", value::optional)?,
            error: columns.get("error", value::optional)?,
            mac_in_use: mac_in_use.and_then(|text| text.parse().ok()),
            mtu: columns.get("mtu", value::optional)?,
            mtu_request: columns.get("mtu_request", value::optional)?,
        })
    }
}

impl FromColumns for Controller {
    fn from_columns(columns: &Columns<'_>) -> Result<Self, RowError> {
        Ok(Self {
            target: columns.get("target", value::one)?,
            connection_mode: columns.get("connection_mode", value::optional)?,
            is_connected: columns.get("is_connected", value::one)?,
            inactivity_probe: columns.get("inactivity_probe", value::optional)?,
            max_backoff: columns.get("max_backoff", value::optional)?,
            controller_rate_limit: columns.get("controller_rate_limit", value::optional)?,
            external_ids: columns.get("external_ids", value::text_map)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(ofport: Value) -> Result<Interface, RowError> {
        let values = json!({
            "name": "tap1", "type": "", "ofport": ofport, "external_ids": ["map", [["iface-id", "web1"]]],
            "options": ["map", []], "admin_state": "up", "link_state": ["set", []], "error": ["set", []],
            "mac_in_use": "fa:16:3e:00:00:01",
            "mtu": 1500,
            "mtu_request": ["set", []],
        });
        let values = values.as_object().unwrap();
        Interface::from_columns(&Columns { table: Table::Interface, row: Uuid([7; 16]), values })
    }

    #[test]
    fn an_interface_is_read_from_its_columns() {
        let row = interface(json!(5)).unwrap();
        assert_eq!(row.ofport.port_no(), Some(PortNo(5)));
        assert_eq!(row.external_ids["iface-id"], "web1");
        assert_eq!((row.admin_state, row.link_state), (Some(LinkState::Up), None));
        assert_eq!(row.mac_in_use, "fa:16:3e:00:00:01".parse().ok());
        assert_eq!((row.mtu, row.mtu_request), (Some(1500), None));
    }

    #[test]
    fn an_ofport_is_unset_failed_or_a_port() {
        let ofport = |value| interface(value).unwrap().ofport;
        assert_eq!(ofport(json!(["set", []])), Ofport::Unset);
        assert_eq!(ofport(json!(-1)), Ofport::Failed);
        assert_eq!(ofport(json!(0)), Ofport::Failed);
        assert_eq!(ofport(json!(65279)), Ofport::Valid(PortNo(65279)));
        assert_eq!(ofport(json!(65280)), Ofport::Failed);
        assert_eq!(ofport(json!(65534)), Ofport::Valid(PortNo::LOCAL));
        assert_eq!(ofport(json!(i64::MAX)), Ofport::Failed);
    }

    #[test]
    fn a_surprising_column_is_an_error_that_names_table_row_and_column() {
        let error = interface(json!("five")).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"Interface 07070707-0707-0707-0707-070707070707: ofport: found "five", expected an integer"#
        );
        let values = Map::new();
        let error =
            Controller::from_columns(&Columns { table: Table::Controller, row: Uuid([0; 16]), values: &values });
        assert!(matches!(error, Err(RowError::Missing { column: "target", .. })));
    }

    #[test]
    fn every_decoded_column_is_watched_and_no_statistics_are() {
        let requests = monitor_requests();
        assert_eq!(requests["Controller"][0]["columns"][0], "target");
        assert!(!requests.to_string().contains("statistics"));
        assert!(!requests.to_string().contains("\"status\""));
    }
}
