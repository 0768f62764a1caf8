//! The daemon as the service runs it: a user of its own without any capability, its socket for a group, a watchdog
//! that hears from its loop, a unit that systemd takes.

mod lab;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lab::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SOON: Duration = Duration::from_secs(15);
/// The user nobody and its group, who may do nothing.
const NOBODY: u32 = 65_534;

/// What `heddle.service` leaves of root's rights.
const UNPRIVILEGED: [&str; 7] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--no-new-privs",
];

/// As `packaging/ovsdb-server.conf` has it.
const SHARED_DATABASE: [&str; 7] =
    ["setpriv", "--regid=65534", "--clear-groups", "sh", "-c", "umask 0007; exec \"$@\"", "sh"];

/// A copy of the program that everybody may run, wherever cargo put it.
fn public_program(host: &Host) -> PathBuf {
    let copy = host.dir().join("heddle");
    fs::copy(program("heddle"), &copy).unwrap();
    copy
}

fn http(host: &Host, path: &str) -> String {
    netns::inside(host.namespace(), || {
        let mut text = String::new();
        let Ok(mut stream) = TcpStream::connect("127.0.0.1:9633") else { return text };
        let _ = write!(stream, "GET {path} HTTP/1.1\r\n\r\n").and_then(|()| stream.read_to_string(&mut text));
        text
    })
}

/// A line of `/proc/PID/status`.
fn process_status(host: &Host, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{}/status", host.heddle_pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {text}")).trim().to_owned()
}

#[test]
fn a_daemon_without_any_rights_does_all_that_it_has_to() {
    let lab = Lab::new("least-rights")
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .with("subnets.blue-0.enable_dhcp = true\nsubnets.blue-0.dhcp_server_ip = \"172.18.0.2\"")
        .network("wire", Vlan("physnet", 100), &["172.18.1.0/24"])
        .host("a")
        .host("b")
        .vm("a", "web1", "blue")
        .vm("b", "web2", "blue")
        .vm("a", "office1", "wire")
        .vm("b", "office2", "wire")
        .config_all("[tunnel]\narp_responder = \"controller\"")
        .start_without_heddle();
    for host in lab.hosts() {
        host.stop_ovsdb();
        host.start_ovsdb_by(&SHARED_DATABASE);
        let socket = fs::metadata(host.dir().join("db.sock")).unwrap();
        assert_eq!((socket.gid(), socket.mode() & 0o777), (NOBODY, 0o770));
        // RuntimeDirectory=
        chown(host.run_dir(), Some(NOBODY), Some(NOBODY)).unwrap();
        let program = public_program(host).display().to_string();
        host.start_heddle_by(&[&UNPRIVILEGED[..], &[&program]].concat());
    }
    for host in lab.hosts() {
        eventually("heddle makes its bridges", SOON, || host.bridge_exists("br-int"));
    }
    lab.plug_all();
    lab.wait_ready();
    let host = lab.host("a");
    assert_eq!(process_status(host, "Uid"), [NOBODY.to_string().as_str(); 4].join("\t"));
    assert_eq!(process_status(host, "NoNewPrivs"), "1");
    for set in ["CapEff", "CapPrm", "CapBnd", "CapAmb"] {
        assert_eq!(process_status(host, set), "0000000000000000", "{set}");
    }

    lab.vm("web1").assert_ping("web2");
    lab.vm("office1").assert_ping("office2");
    let lease = lab.vm("web1").exec(&["udhcpc", "-i", "eth0", "-n", "-q", "-s", "/bin/true"]);
    assert!(lease.ok() && lease.stderr.contains(&lab.vm("web1").ip()), "{lease:?}");
    assert!(http(host, "/metrics").contains("heddle_ports_bound 2"));
    assert!(http(host, "/readyz").starts_with("HTTP/1.1 200"));
    let socket = fs::metadata(host.run_dir().join("heddle.sock")).unwrap();
    assert_eq!((socket.uid(), socket.mode() & 0o777), (NOBODY, 0o660));

    host.stop_ovsdb();
    host.start_ovsdb_by(&SHARED_DATABASE);
    host.wait_log_within("connected to the database", SOON);
    host.restart_vswitchd();
    lab.wait_ready();
    lab.vm("web1").assert_ping("web2");
    host.stop_heddle();
    lab.vm("office2").assert_ping("office1");
}

#[test]
fn who_may_not_ask_the_daemon_is_told_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    for directory in [folder.path(), &run] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let _listener = std::os::unix::net::UnixListener::bind(run.join("heddle.sock")).unwrap();
    fs::set_permissions(run.join("heddle.sock"), fs::Permissions::from_mode(0o660)).unwrap();
    let copy = folder.path().join("heddle");
    fs::copy(program("heddle"), &copy).unwrap();
    let mut command = Command::new(UNPRIVILEGED[0]);
    let output = command.args(&UNPRIVILEGED[1..]).arg(copy).arg("status").env("HEDDLE_RUNDIR", &run).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("may be asked by root and by members of the group heddle: permission denied"), "{err}");
}

/// A daemon with a service manager that the test plays.
struct Service {
    folder: tempfile::TempDir,
    manager: UnixDatagram,
    child: Child,
}

impl Service {
    /// Learning bridges alone: it is ready without a database.
    fn start(watchdog: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("heddle.toml");
        let text = "topology = \"none.toml\"\nmetrics.listen = \"\"\nlearning.bridges = [\"*\"]\n\
                    openflow.listen = [\"127.0.0.1:0\"]\n";
        fs::write(&config, text).unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(SOON)).unwrap();
        let child = Command::new(program("heddle"))
            .args(["run", "-c"])
            .arg(config)
            .env("HEDDLE_RUNDIR", folder.path())
            .env("NOTIFY_SOCKET", path)
            .envs(watchdog.iter().copied())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, manager, child }
    }

    /// What the daemon says next.
    fn hears(&self) -> String {
        let mut text = [0; 256];
        let count = self.manager.recv(&mut text).expect("the daemon says something in time");
        String::from_utf8_lossy(&text[..count]).into_owned()
    }

    fn hears_until(&self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        while all.last().is_none_or(|text| text != last) {
            all.push(self.hears());
        }
        all
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_watchdog_hears_from_the_daemon_as_often_as_it_wants_to() {
    let service = Service::start(&[("WATCHDOG_USEC", "200000")]);
    service.hears_until("READY=1");
    for _ in 0..3 {
        service.hears_until("WATCHDOG=1");
    }
    service.signal(Signal::SIGHUP);
    service.hears_until("WATCHDOG=1");
    // A daemon whose loop stands still says nothing: that is what systemd waits for.
    service.signal(Signal::SIGSTOP);
    let stopped = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", service.child.id())).unwrap();
        stat.rsplit(')').next().unwrap().trim().starts_with('T')
    };
    eventually("the daemon is stopped", SOON, stopped);
    service.manager.set_nonblocking(true).unwrap();
    while service.manager.recv(&mut [0; 256]).is_ok() {}
    service.manager.set_nonblocking(false).unwrap();
    service.manager.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(service.manager.recv(&mut [0; 256]).is_err(), "silence");
    service.manager.set_read_timeout(Some(SOON)).unwrap();
    service.signal(Signal::SIGCONT);
    service.hears_until("WATCHDOG=1");
    service.signal(Signal::SIGTERM);
    service.hears_until("STOPPING=1");
}

#[test]
fn a_watchdog_of_another_process_or_none_hears_nothing() {
    for watchdog in [&[][..], &[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")], &[("WATCHDOG_USEC", "x")]] {
        let service = Service::start(watchdog);
        service.hears_until("READY=1");
        // It has gone round its loop by the time that it answers.
        let status = Command::new(program("heddle")).arg("status").env("HEDDLE_RUNDIR", service.folder.path()).output();
        assert!(String::from_utf8_lossy(&status.unwrap().stdout).contains("node"));
        service.signal(Signal::SIGTERM);
        assert_eq!(service.hears_until("STOPPING=1"), ["STOPPING=1"]);
    }
}

fn packaging(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(file)
}

/// The unit as `make install` writes it, but for the place of the program.
fn installed_unit(folder: &Path) -> (PathBuf, String) {
    let text = fs::read_to_string(packaging("heddle.service")).unwrap();
    let text = text.replace("@PREFIX@/bin/heddle", &program("heddle").display().to_string());
    let path = folder.join("heddle.service");
    fs::write(&path, &text).unwrap();
    (path, text)
}

#[test]
fn the_unit_is_one_that_systemd_takes_and_calls_safe() {
    let folder = tempfile::tempdir().unwrap();
    let (unit, text) = installed_unit(folder.path());
    let setting = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    assert_eq!((setting("Requires"), setting("PartOf"), setting("BindsTo")), (None, None, None));
    assert!(setting("After").unwrap().contains("openvswitch-switch.service"));
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("no systemd-analyze: the rest is skipped");
        return;
    }
    for args in [&["verify", "--man=no"][..], &["security", "--offline=true", "--no-pager", "--threshold=15"]] {
        let output = Command::new("systemd-analyze").args(args).arg(&unit).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said));
    }
    let users = Command::new("systemd-sysusers").arg("--dry-run").arg(packaging("sysusers.conf")).output().unwrap();
    assert!(users.status.success(), "{}", String::from_utf8_lossy(&users.stderr));
}

#[test]
fn the_example_files_are_good() {
    let output = Command::new(program("heddle"))
        .args(["check", "-c"])
        .arg(packaging("heddle.toml"))
        .arg("--topology")
        .arg(packaging("topology.toml"))
        .output()
        .unwrap();
    // The host of the test need not be one of its nodes.
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || err.contains("which is this host's name"), "{err}");
    assert_eq!(err.lines().count(), usize::from(!output.status.success()), "{err}");
}
