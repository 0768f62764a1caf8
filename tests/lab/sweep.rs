//! Names that belong to one lab, and taking away everything that carries them.
//!
//! A lab is known by the process that owns it and a counter: `4711-1`. Its namespaces are `hdl-4711-1-…`, its files
//! stand below `/tmp/heddle-lab/4711-1`, and every process of it runs inside one of its namespaces. A test that was
//! killed leaves all of that; the next one that starts takes it away, unless somebody wanted it kept.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use super::command::{self, eventually, ip_batch_forced};

/// Where all labs of this machine have their files; short, since a socket's path may have 108 bytes only.
const BASE: &str = "/tmp/heddle-lab";

/// First letters of every namespace of every lab.
const PREFIX: &str = "hdl-";

/// In a lab's directory: `PID STARTTIME` of its owner, since a pid alone comes back.
const OWNER: &str = "owner";

/// In a lab's directory: it outlives its owner.
const KEPT: &str = "kept";

/// Programs a lab calls, with the Debian package that has them.
const PROGRAMS: [(&str, &str); 6] = [
    ("ovs-vswitchd", "openvswitch-switch"),
    ("ip", "iproute2"),
    ("ping", "iputils-ping"),
    ("arping", "iputils-arping"),
    ("ethtool", "ethtool"),
    ("tcpdump", "tcpdump"),
];

/// The name of one lab.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabId(String);

impl LabId {
    /// A lab of this process: checks what it needs, sweeps once, and takes the next number.
    pub fn claim() -> Self {
        static FIRST: Once = Once::new();
        static NEXT: AtomicU32 = AtomicU32::new(1);
        FIRST.call_once(|| {
            require();
            sweep_dead();
        });
        let pid = std::process::id();
        let id = Self(format!("{pid}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        id.create_directory(pid);
        id
    }

    fn create_directory(&self, pid: u32) {
        let dir = self.dir();
        let made = fs::create_dir_all(&dir);
        made.unwrap_or_else(|e| panic!("cannot create {}: {e}", dir.display()));
        let started = start_time(pid).unwrap_or_default();
        fs::write(dir.join(OWNER), format!("{pid} {started}")).expect("a directory just made takes a file");
    }

    /// The lab's directory.
    pub fn dir(&self) -> PathBuf {
        Path::new(BASE).join(&self.0)
    }

    /// The name of the lab's namespace for `role`.
    pub fn namespace(&self, role: &str) -> String {
        format!("{PREFIX}{}-{role}", self.0)
    }

    /// The lab stays when its owner ends, until [`sweep_all`].
    pub fn keep(&self) {
        fs::write(self.dir().join(KEPT), "").expect("a lab's directory takes a file");
    }

    /// Takes away every process, namespace and file of the lab. What is gone already is no error.
    pub fn sweep(&self) {
        let namespaces = self.namespaces();
        let pids = self.processes(&namespaces);
        for &pid in &pids {
            let _already_gone = kill(pid, Signal::SIGKILL);
        }
        eventually(&format!("the processes of lab {} end", self.0), Duration::from_secs(10), || {
            pids.iter().all(|pid| is_gone(pid.as_raw().unsigned_abs()))
        });
        ip_batch_forced(&namespaces.iter().map(|n| format!("netns del {n}")).collect::<Vec<_>>());
        let _already_gone = fs::remove_dir_all(self.dir());
    }

    /// The lab's namespaces that exist.
    pub fn namespaces(&self) -> Vec<String> {
        let own = self.namespace("");
        all_namespaces().into_iter().filter(|name| name.starts_with(&own)).collect()
    }

    /// Processes inside the namespaces, and daemons that the lab's pidfiles name.
    fn processes(&self, namespaces: &[String]) -> Vec<Pid> {
        let inside = namespaces.iter().map(|n| command::run("ip", &["netns", "pids", n]).stdout);
        let inside: Vec<i32> = inside.flat_map(|list| numbers(&list)).collect();
        inside.into_iter().chain(self.daemons()).map(Pid::from_raw).collect()
    }

    fn daemons(&self) -> Vec<i32> {
        let hosts = fs::read_dir(self.dir()).into_iter().flatten().flatten();
        let files = hosts.filter_map(|host| fs::read_dir(host.path()).ok()).flatten().flatten();
        let pidfiles = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "pid"));
        let pids = pidfiles.filter_map(|path| fs::read_to_string(path).ok()).flat_map(|text| numbers(&text));
        pids.filter(|&pid| self.is_named_by(pid)).collect()
    }

    /// The pid is one of the lab's daemons and not a later process with the same number.
    fn is_named_by(&self, pid: i32) -> bool {
        let dir = self.dir();
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&format!("{}/", dir.display()))
    }

    fn owner_lives(&self) -> bool {
        let owner = fs::read_to_string(self.dir().join(OWNER)).unwrap_or_default();
        match owner.split_once(' ') {
            Some((pid, started)) => pid.parse().ok().and_then(start_time).is_some_and(|now| now == started),
            None => self.0.split('-').next().and_then(|pid| pid.parse().ok()).and_then(start_time).is_some(),
        }
    }

    fn is_kept(&self) -> bool {
        self.dir().join(KEPT).exists()
    }
}

/// Takes away the labs whose owner is dead, but for those that somebody kept.
pub fn sweep_dead() {
    labs().iter().filter(|lab| !lab.owner_lives() && !lab.is_kept()).for_each(LabId::sweep);
}

/// Takes away the labs whose owner is dead, the kept ones too, and says how many there were.
pub fn sweep_all() -> usize {
    let dead: Vec<_> = labs().into_iter().filter(|lab| !lab.owner_lives()).collect();
    dead.iter().for_each(LabId::sweep);
    dead.len()
}

/// Takes away the labs of this process, for a program that is about to end without dropping them.
pub fn sweep_own() {
    let own = format!("{}-", std::process::id());
    labs().iter().filter(|lab| lab.0.starts_with(&own)).for_each(LabId::sweep);
}

/// Every lab of which this machine has a directory or a namespace.
fn labs() -> BTreeSet<LabId> {
    let directories = fs::read_dir(BASE).into_iter().flatten().flatten();
    let directories = directories.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let namespaces = all_namespaces().into_iter().filter_map(|name| name.strip_prefix(PREFIX).map(str::to_owned));
    directories.chain(namespaces).filter_map(|name| lab_of(&name)).collect()
}

/// `4711-1-h-a` and `4711-1` belong to lab `4711-1`.
fn lab_of(name: &str) -> Option<LabId> {
    let mut parts = name.split('-');
    let (pid, number) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?);
    Some(LabId(format!("{pid}-{number}")))
}

fn all_namespaces() -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn numbers(text: &str) -> Vec<i32> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// When the process started, in the kernel's ticks; none if there is no such process.
fn start_time(pid: u32) -> Option<String> {
    stat_field(pid, 22)
}

/// No such process, or one that is dead and only waits for its parent to notice.
pub fn is_gone(pid: u32) -> bool {
    stat_field(pid, 3).is_none_or(|state| state == "Z")
}

/// Processor time that a process has used, of which the kernel counts hundredths of a second.
pub fn processor_seconds(pid: i32) -> f64 {
    let pid = u32::try_from(pid).expect("a process has a number above zero");
    let ticks = |number| stat_field(pid, number).and_then(|ticks| ticks.parse::<f64>().ok());
    [14, 15].into_iter().filter_map(ticks).sum::<f64>() / 100.0
}

/// A field of `/proc/PID/stat`, counted from 1 as in proc(5), beyond the name, which may hold anything.
fn stat_field(pid: u32, number: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split_whitespace().nth(number - 3).map(str::to_owned)
}

/// Ends the program, with success if `HEDDLE_SKIP_LAB=1` asks for that, or panics over what the machine lacks.
///
/// A test cannot say "skipped" from within, so the whole program ends: files with lab tests hold nothing else.
fn require() {
    if std::env::var("HEDDLE_SKIP_LAB").is_ok_and(|value| value == "1") {
        // Not `eprintln`, which the test runner would keep to itself.
        let _closed_pipe = writeln!(io::stderr(), "skipped: HEDDLE_SKIP_LAB=1 is set, so no test of this file ran");
        std::process::exit(0);
    }
    assert!(Uid::effective().is_root(), "the lab makes network namespaces: run as root, or set HEDDLE_SKIP_LAB=1");
    let path = std::env::var("PATH").unwrap_or_default();
    let found = |program: &str| path.split(':').any(|dir| Path::new(dir).join(program).exists());
    let missing: Vec<_> = PROGRAMS.iter().filter(|(program, _)| !found(program)).map(|(_, package)| *package).collect();
    let packages = missing.join(" ");
    assert!(missing.is_empty(), "the lab needs `apt-get install {packages}` (make install-deps), or HEDDLE_SKIP_LAB=1");
}
