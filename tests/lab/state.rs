//! What a host has come to: Heddle's status, its marks in the database, the flows of a bridge as a set.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::command::{eventually, logs};
use super::host::Host;

/// How long Heddle may take until everything is as wanted, a reconnect of the switch included.
const SETTLE_DEADLINE: Duration = Duration::from_secs(15);

impl Host {
    /// `heddle status --json`, if the daemon answers.
    pub fn try_status(&self) -> Option<Value> {
        serde_json::from_str(&self.heddle(&["status", "-c", &self.config_path(), "--json"]).stdout).ok()
    }

    /// Waits until the status is as `wanted` has it. `awaited` completes "Heddle of HOST says …".
    pub fn wait_status(&self, awaited: &str, wanted: impl Fn(&Value) -> bool) {
        eventually(&format!("heddle of {} says {awaited}", self.name()), SETTLE_DEADLINE, || {
            self.assert_heddle_alive();
            self.try_status().is_some_and(|status| wanted(&status))
        });
    }

    /// Waits until every bridge is connected and audited and holds what is wanted, and every plugged port is
    /// installed.
    pub fn wait_settled(&self) {
        self.wait_status("that all is as wanted", is_settled);
    }

    /// How Heddle says that a port is: `installed`, `waiting`, …; empty if the port is not of this node.
    pub fn port_state(&self, port: &str) -> String {
        self.try_status().map(|status| field(&status, "ports", port, "state")).unwrap_or_default()
    }

    /// What Heddle says of an interface that it does not serve.
    pub fn unserved_reason(&self, interface: &str) -> Option<String> {
        let status = self.try_status()?;
        let rows = status["unserved"].as_array()?;
        let row = rows.iter().find(|row| row["interface"] == interface)?;
        row["reason"].as_str().map(str::to_owned)
    }

    /// A column of a row in the database as `ovs-vsctl get` prints it, without quotes.
    pub fn column(&self, table: &str, row: &str, column: &str) -> String {
        let output = self.try_vsctl(&["--if-exists", "get", table, row, column]);
        output.stdout.trim().replace('"', "")
    }

    /// The VLAN tag of a port; empty if it has none.
    pub fn tag(&self, interface: &str) -> String {
        self.column("Port", interface, "tag")
    }

    /// `heddle-installed=true` stands on this interface.
    pub fn is_marked(&self, interface: &str) -> bool {
        self.column("Interface", interface, "external_ids").contains("heddle-installed=true")
    }

    /// The flows of a bridge without their counters.
    pub fn flow_set(&self, bridge: &str) -> BTreeSet<String> {
        let flows = self.dump_flows(bridge).into_iter().filter(|flow| !flow.is_learnt());
        let text = flows.map(|flow| {
            format!(
                "table={} priority={} cookie={:#x} {} actions={}",
                flow.table, flow.priority, flow.cookie, flow.matching, flow.actions
            )
        });
        text.collect()
    }

    /// The database as it is on disk: grows with every transaction that changes what lasts.
    pub fn database_file(&self) -> Vec<u8> {
        fs::read(self.dir().join("conf.db")).expect("the database is a file")
    }

    /// Waits for a line of Heddle's log that contains `text`.
    pub fn wait_log(&self, text: &str) {
        self.wait_log_within(text, SETTLE_DEADLINE);
    }

    /// Waits so long for a line of Heddle's log that contains `text`.
    pub fn wait_log_within(&self, text: &str, deadline: Duration) {
        eventually(&format!("heddle of {} logs {text:?}", self.name()), deadline, || self.heddle_log().contains(text));
    }

    /// Lines of Heddle's log that contain `text`.
    pub fn log_count(&self, text: &str) -> usize {
        self.heddle_log().lines().filter(|line| line.contains(text)).count()
    }

    /// Panics unless the bridge holds these flows and no others.
    pub fn assert_flows(&self, bridge: &str, wanted: &BTreeSet<String>) {
        let found = self.flow_set(bridge);
        let (missing, excess): (Vec<_>, Vec<_>) =
            (wanted.difference(&found).collect(), found.difference(wanted).collect());
        assert!(
            missing.is_empty() && excess.is_empty(),
            "{bridge} of {}: missing {missing:#?}, excess {excess:#?}\n{}",
            self.name(),
            logs()
        );
    }
}

fn is_settled(status: &Value) -> bool {
    let all =
        |list: &str, good: &dyn Fn(&Value) -> bool| status[list].as_array().is_some_and(|rows| rows.iter().all(good));
    status["ovsdb_connected"] == true
        && all("bridges", &|bridge| {
            let connected = bridge["connected_from"].is_string() && bridge["differences"].is_number();
            connected && bridge["installed"] == bridge["wanted"] && bridge["wanted"] != 0
        })
        && all("ports", &|port| port["state"] == "installed" || port["interface"].is_null())
}

fn field(status: &Value, list: &str, name: &str, field: &str) -> String {
    let rows = status[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = rows.iter().find(|row| row["name"] == name);
    row.and_then(|row| row[field].as_str()).unwrap_or_default().to_owned()
}
