//! What befalls a host: daemons that die, hang or lose what they knew.

use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Deserializer, Value, json};

use super::Lab;
use super::command::must;
use super::host::Host;
use super::topology::Port;

impl Host {
    /// `ovs-vswitchd` crashes: SIGKILL.
    pub fn kill_vswitchd(&self) {
        self.end_daemon("ovs-vswitchd", Signal::SIGKILL);
    }

    /// Sends a signal to `ovsdb-server`, for instance SIGSTOP.
    pub fn signal_ovsdb(&self, signal: Signal) {
        self.signal_daemon("ovsdb-server", signal);
    }

    /// The database server ends, its file is lost, and an empty one takes its place, as after a reinstallation: what
    /// an operator keeps in it, bridges of his own, is put back by [`Self::restore_operators_bridges`].
    pub fn lose_database(&self) {
        self.stop_ovsdb();
        fs::remove_file(self.dir().join("conf.db")).expect("the database is a file");
        self.create_database();
    }

    /// The bridges that the harness makes as an operator would.
    pub fn restore_operators_bridges(&self, physical: &[(&str, &str)]) {
        self.create_underlay_bridge();
        self.raise_underlay();
        for (bridge, interface) in physical {
            self.add_bridge(bridge);
            self.vsctl(&["add-port", bridge, interface]);
        }
    }

    /// Says that flows are being restored (`other_config:flow-restore-wait`).
    pub fn begin_flow_restore(&self) {
        self.vsctl(&["--no-wait", "set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true"]);
    }

    /// Says that they are not any more.
    pub fn end_flow_restore(&self) {
        self.vsctl(&["--no-wait", "--if-exists", "remove", "Open_vSwitch", ".", "other_config", "flow-restore-wait"]);
    }

    /// `other_config:flow-restore-wait` is set.
    pub fn has_flow_restore_wait(&self) -> bool {
        self.column("Open_vSwitch", ".", "other_config").contains("flow-restore-wait")
    }

    /// The flows of a bridge as `ovs-save` saves them, in a file that `replace-flows` reads. `line` may change each.
    pub fn save_flows(&self, bridge: &str, line: impl Fn(&str) -> String) -> PathBuf {
        let dump = ["--no-names", "--no-stats", "dump-flows", bridge];
        let text = must(self.command("ovs-ofctl").args(["-O", "OpenFlow14"]).args(dump));
        let lines = text.lines().filter(|line| line.contains("actions=")).map(|text| line(text.trim()) + "\n");
        let path = self.dir().join(format!("{bridge}.saved"));
        fs::write(&path, lines.collect::<String>()).expect("the host's directory takes a file");
        path
    }

    /// Makes a saved file the flows of a bridge, in one bundle.
    pub fn restore_flows(&self, bridge: &str, file: &Path) {
        let replace = ["-O", "OpenFlow14", "--bundle", "replace-flows", bridge];
        must(self.command("ovs-ofctl").args(replace).arg(file));
    }

    /// Bytes that the programs of this host have not read from their TCP connections.
    pub fn unread_bytes(&self) -> u64 {
        let table = self.exec(&["ss", "--no-header", "--tcp", "--numeric", "state", "established"]).stdout;
        table.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok()).sum()
    }

    /// Commits operations (RFC 7047 §5.2) as one transaction, however large; the answer to each.
    pub fn transact(&self, operations: Vec<Value>) -> Vec<Value> {
        let mut server = UnixStream::connect(self.dir().join("db.sock")).expect("the database runs");
        let params = [vec![json!("Open_vSwitch")], operations].concat();
        let request = json!({"method": "transact", "params": params, "id": 1}).to_string();
        server.write_all(request.as_bytes()).expect("the database reads");
        let mut said = Deserializer::from_reader(BufReader::new(server)).into_iter::<Value>();
        let reply = said.next().expect("the database answers").expect("in JSON");
        let answers = reply["result"].as_array().cloned().unwrap_or_default();
        let failed = answers.iter().any(|answer| answer["error"].is_string());
        assert!(!answers.is_empty() && !failed, "a transaction failed: {reply}");
        answers
    }

    /// A table of a bridge takes no more than so many flows (`Flow_Table`, ovs-vswitchd.conf.db(5)).
    pub fn limit_table(&self, bridge: &str, table: u8, flows: usize) {
        let limit = format!("flow_limit={flows}");
        let table = format!("flow_tables:{table}=@full");
        let create = ["--", "--id=@full", "create", "Flow_Table", &limit, "overflow_policy=refuse"];
        self.vsctl(&[&create[..], &["--", "set", "Bridge", bridge, &table]].concat());
    }

    /// All tables of a bridge take what comes.
    pub fn lift_limits(&self, bridge: &str) {
        self.vsctl(&["clear", "Bridge", bridge, "flow_tables"]);
    }

    /// How many flows a table of a bridge has.
    pub fn flows_in(&self, bridge: &str, table: u8) -> usize {
        self.dump_flows(bridge).iter().filter(|flow| flow.table == table).count()
    }

    /// A file system of this size below the host's directory.
    pub fn small_disk(&self, kilobytes: u32) -> SmallDisk {
        let path = self.dir().join("small");
        fs::create_dir_all(&path).expect("the host's directory takes another");
        let size = format!("size={kilobytes}k");
        must(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path));
        SmallDisk { path }
    }
}

/// A file system that is soon full; it goes with the value.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves no room on it.
    pub fn fill(&self) {
        let mut file = File::create(self.path.join("ballast")).expect("a new file takes no room");
        let page = [0x55; 4096];
        while file.write_all(&page).is_ok() {}
    }

    /// Makes room again.
    pub fn clear(&self) {
        fs::remove_file(self.path.join("ballast")).expect("the disk was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _left_to_the_sweep = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

impl Lab {
    /// Adds so many ports of host `b` to the VXLAN network `vxl`, none of which has an interface: some flows of each on
    /// every other host.
    pub fn add_remote_ports(&self, count: u16) {
        self.edit_topology(|topology| topology.ports.extend((0..count).map(remote_port)));
    }

    /// Takes them away.
    pub fn remove_remote_ports(&self) {
        self.edit_topology(|topology| topology.ports.retain(|port| !port.name.starts_with(REMOTE)));
    }
}

const REMOTE: &str = "remote-";

fn remote_port(number: u16) -> Port {
    let [high, low] = number.to_be_bytes();
    Port {
        name: format!("{REMOTE}{number}"),
        network: "vxl".into(),
        node: "b".into(),
        interface: None,
        mac_address: format!("fa:16:3f:00:{high:02x}:{low:02x}"),
        fixed_ips: vec![IpAddr::V4(Ipv4Addr::new(172, 20, 64 + high, low))],
        port_security: None,
        allowed_address_pairs: Vec::new(),
        security_groups: None,
    }
}
