//! A real Open vSwitch for one test: `ovsdb-server` and `ovs-vswitchd` with userspace bridges, in a directory
//! of their own.
//!
//! Each has a network namespace of its own too, because every userspace datapath makes a device of the
//! same name. Skipped where Open vSwitch is not installed, or where namespaces and tap devices may not be
//! made, unless `HEDDLE_REQUIRE_OVS=1`.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything here may take.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `done`, or fails with `what` was awaited.
pub fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < end, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running Open vSwitch; it ends with the value.
pub struct Switch {
    folder: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Switch {
    /// Starts one with these bridges, or says why there is none and that the test is skipped.
    pub fn start(bridges: &[&str]) -> Option<Self> {
        let works = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output();
            output.is_ok_and(|output| output.status.success())
        };
        let installed = works("unshare", &["--net", "ovs-vswitchd", "--version"]);
        if !(installed && Path::new("/dev/net/tun").exists()) {
            let required = std::env::var("HEDDLE_REQUIRE_OVS").is_ok_and(|value| value == "1");
            assert!(!required, "no Open vSwitch, namespaces or tap devices");
            println!("no Open vSwitch, namespaces or tap devices: skipped");
            return None;
        }
        let mut switch = Self { folder: tempfile::tempdir().unwrap(), daemons: Vec::new() };
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        switch.run("ovsdb-tool", &["create", "conf.db", schema]);
        switch.daemon("ovsdb-server", &["--remote=punix:db.sock", "--unixctl=db.ctl", "conf.db"]);
        let database = switch.path("db.sock");
        wait("ovsdb-server", || UnixStream::connect(&database).is_ok());
        switch.vsctl(&["--no-wait", "init"]);
        switch.daemon("ovs-vswitchd", &["--disable-system", "--unixctl=vs.ctl", "unix:db.sock"]);
        for bridge in bridges {
            let settings = ["datapath_type=netdev", "fail_mode=secure", "protocols=OpenFlow13"];
            switch.vsctl(&[&["add-br", bridge, "--", "set", "Bridge", bridge][..], &settings].concat());
            let socket = switch.path(&format!("{bridge}.mgmt"));
            wait("the management socket", || UnixStream::connect(&socket).is_ok());
        }
        Some(switch)
    }

    /// A file of the switch's directory, where programs run too.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The process id of `ovs-vswitchd`.
    pub fn vswitchd(&self) -> u32 {
        self.daemons[1].id()
    }

    /// A program in the switch's directory, which asks this switch.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let folder = self.folder.path();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        command.env("OVS_RUNDIR", folder).env("OVS_DBDIR", folder).env("OVS_LOGDIR", folder);
        command
    }

    fn daemon(&mut self, program: &str, arguments: &[&str]) {
        let options = ["--net", program, "--no-chdir", "--log-file"];
        let mut command = self.command("unshare", &[&options, arguments].concat());
        self.daemons.push(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    }

    /// Runs a program in the switch's directory to its success and returns what it printed.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// `ovs-vsctl`, which waits for the switch to have done it.
    pub fn vsctl(&self, arguments: &[&str]) {
        self.run("ovs-vsctl", &[&["--db=unix:db.sock", "--timeout=20"], arguments].concat());
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("ovs-vswitchd.log")).unwrap_or_default();
            println!("{log}");
        }
    }
}
