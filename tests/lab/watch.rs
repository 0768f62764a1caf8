//! What `ovsdb-client monitor` sees of the interfaces of a host, each row with the time when it came.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::command::eventually;
use super::host::Host;

/// How long the monitor may take to show what is there.
const START_DEADLINE: Duration = Duration::from_secs(5);

/// A row of `Interface` as it became.
#[derive(Debug, Clone)]
pub struct InterfaceRow {
    pub at: Instant,
    pub name: String,
    /// A number that is one.
    pub ofport: Option<u32>,
    /// `heddle-installed=true` stands on it.
    pub installed: bool,
}

/// A running monitor; it ends when dropped.
#[derive(Debug)]
pub struct InterfaceHistory {
    monitor: Child,
    rows: Arc<Mutex<Vec<InterfaceRow>>>,
}

impl Host {
    /// Watches the interfaces from now on; what is there already comes first.
    pub fn watch_interfaces(&self) -> InterfaceHistory {
        let database = format!("unix:{}", self.dir().join("db.sock").display());
        let watched = ["Interface", "name,ofport,external_ids"];
        let mut monitor = self
            .command("ovsdb-client")
            .args(["--format=json", "monitor", &database, "Open_vSwitch"])
            .args(watched)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ovsdb-client starts");
        let output = monitor.stdout.take().expect("stdout was asked for as a pipe");
        let rows = Arc::new(Mutex::new(Vec::new()));
        let into = rows.clone();
        std::thread::spawn(move || read(output, &into));
        let history = InterfaceHistory { monitor, rows };
        eventually("the monitor shows what is there", START_DEADLINE, || !history.rows().is_empty());
        history
    }
}

impl InterfaceHistory {
    /// All rows so far, oldest first.
    pub fn rows(&self) -> Vec<InterfaceRow> {
        self.rows.lock().unwrap().clone()
    }
}

impl Drop for InterfaceHistory {
    fn drop(&mut self) {
        let _already_ended = self.monitor.kill();
        let _reaped = self.monitor.wait();
    }
}

fn read(output: ChildStdout, rows: &Mutex<Vec<InterfaceRow>>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let at = Instant::now();
        let Ok(table) = serde_json::from_str::<Value>(&line) else { continue };
        let new = table["data"].as_array().into_iter().flatten().filter_map(|row| interface(row, at));
        rows.lock().unwrap().extend(new);
    }
}

/// `[uuid, "new", "tap1", 5, ["map", [["iface-id", "web1"]]]]`; what a row was before is not of interest.
fn interface(row: &Value, at: Instant) -> Option<InterfaceRow> {
    if !["initial", "insert", "new"].contains(&row[1].as_str()?) {
        return None;
    }
    let ids = row[4][1].as_array()?;
    let installed = ids.iter().any(|pair| pair[0] == "heddle-installed" && pair[1] == "true");
    let ofport = row[3].as_u64().and_then(|number| u32::try_from(number).ok());
    Some(InterfaceRow { at, name: row[2].as_str()?.to_owned(), ofport, installed })
}
