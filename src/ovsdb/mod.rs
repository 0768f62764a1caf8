//! Open vSwitch's database: an RFC 7047 client, typed rows, and the difference between what is and what should be.
//!
//! | file | subject | pure |
//! |---|---|---|
//! | [`remote`] | where the database server listens | yes |
//! | [`value`] | atoms, sets and maps, UUIDs (RFC 7047 §5.1) | yes |
//! | [`model`] | typed rows and the monitored columns | yes |
//! | [`database`] | the cache of rows with its indexes | yes |
//! | [`transaction`] | operations of a transaction and their results (RFC 7047 §5.2) | yes |
//! | [`desired`] | bridges and ports as they should be | yes |
//! | [`mod@plan`] | the difference to that as one transaction | yes |
//! | [`port_state`] | a port's tag, marks and MTU → operations on one row | yes |
//! | [`jsonrpc`] | messages in a byte stream (RFC 7047 §4) | yes |
//! | `session` | one connection as a state machine | no I/O |
//! | [`client`] | the task that connects, and comes back | no |
//!
//! Invariant: the files marked pure know neither sockets, tasks nor clocks; a test below holds it.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod client;
pub mod database;
pub mod desired;
pub mod jsonrpc;
pub mod model;
pub mod plan;
pub mod port_state;
pub mod remote;
mod session;
pub mod transaction;
pub mod value;

pub use client::{Client, ConnectionError, Event};
pub use database::{Change, Database};
pub use desired::{DesiredBridge, DesiredPort, PortKind, Role, tunnel_port_name};
pub use model::{Bridge, Controller, Interface, LinkState, Ofport, OpenVswitch, Port, RowError, Table};
pub use plan::{Plan, Problem, plan};
pub use remote::{ParseRemoteError, Remote};
pub use session::TransactionResult;
pub use transaction::{OpResult, Operation, TransactError};
pub use value::Uuid;

/// The database that Open vSwitch keeps its configuration in (ovs-vswitchd.conf.db(5)).
pub const DATABASE_NAME: &str = "Open_vSwitch";

/// Keys that Heddle writes into `external_ids`, and their values.
pub mod marks {
    /// On a Port and a Controller row: Heddle made it and may remove it.
    pub const OWNER: &str = "heddle";
    /// Value of [`OWNER`] on a Port.
    pub const OWNER_PORT: &str = "port";
    /// Value of [`OWNER`] on a Controller.
    pub const OWNER_CONTROLLER: &str = "controller";
    /// On a Port: the network whose local VLAN its tag is; read back at start.
    pub const NETWORK: &str = "heddle-network";
    /// On an Interface, `true`: the switch has confirmed the port's flows.
    pub const INSTALLED: &str = "heddle-installed";
    /// On an Interface: the `mtu_request` that Heddle wrote; another one there is somebody else's.
    pub const MTU: &str = "heddle-mtu-request";
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_pure_files_know_no_tasks_sockets_or_clocks() {
        for (name, text) in [
            ("remote", include_str!("remote.rs")),
            ("value", include_str!("value.rs")),
            ("model", include_str!("model.rs")),
            ("database", include_str!("database.rs")),
            ("transaction", include_str!("transaction.rs")),
            ("desired", include_str!("desired.rs")),
            ("plan", include_str!("plan.rs")),
            ("port_state", include_str!("port_state.rs")),
            ("jsonrpc", include_str!("jsonrpc.rs")),
        ] {
            for banned in ["tokio", "std::net::Tcp", "std::time", "tracing::", "std::fs"] {
                assert!(!text.contains(banned), "{name}.rs uses {banned}");
            }
        }
    }
}
