//! The daemon under test: `heddle run` as a child process of the test, inside its host's namespace.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::command::{self, Output, eventually, logs};
use super::host::Host;

/// How long Heddle may take to end after SIGTERM.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// A running `heddle run`.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
}

impl Daemon {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a pid is an i32 in the kernel"))
    }
}

/// A program of this package, which must have been built.
pub fn program(name: &str) -> PathBuf {
    let path = program_path(name);
    assert!(path.exists(), "{} is not there: build it with `cargo build --bins`", path.display());
    path
}

/// Beside `$HEDDLE_BIN`, beside what cargo built for this test, or in the target directory that this test runs from.
pub(super) fn program_path(name: &str) -> PathBuf {
    let by_hand = std::env::var_os("HEDDLE_BIN").map(|heddle| PathBuf::from(heddle).with_file_name(name));
    let by_cargo = option_env!("CARGO_BIN_EXE_heddle").map(|heddle| PathBuf::from(heddle).with_file_name(name));
    by_hand.or(by_cargo).unwrap_or_else(|| {
        let own = std::env::current_exe().expect("the kernel knows what runs");
        own.ancestors().nth(2).expect("cargo builds two levels below the target").join(name)
    })
}

/// A second `heddle run` beside the host's own, with the same topology, database and addresses for bridges. It has a
/// run directory, a log and an address for scrapes of its own, and ends with the value.
#[derive(Debug)]
pub struct SecondHeddle<'a> {
    host: &'a Host,
    daemon: Daemon,
}

impl SecondHeddle<'_> {
    /// Where it answers scrapes.
    pub const METRICS: &'static str = "127.0.0.1:9634";

    fn config_path(host: &Host) -> String {
        host.dir().join("second.toml").display().to_string()
    }

    fn run_dir(host: &Host) -> PathBuf {
        host.dir().join("second")
    }

    /// Runs `heddle` with these arguments and its own file.
    pub fn heddle(&self, args: &[&str]) -> Output {
        let mut command = self.host.command(&program("heddle").display().to_string());
        let config = Self::config_path(self.host);
        command::finish(command.args(args).args(["-c", &config]).env("HEDDLE_RUNDIR", Self::run_dir(self.host)))
    }

    /// Its status; nothing before it answers.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.heddle(&["status", "--json"]).stdout).unwrap_or_default()
    }
}

impl Drop for SecondHeddle<'_> {
    fn drop(&mut self) {
        let _already_ended = self.daemon.child.kill();
        let _reaped = self.daemon.child.wait();
    }
}

/// The files of one daemon.
struct Run<'a> {
    config: &'a str,
    run_dir: &'a Path,
    log: &'a str,
}

impl Host {
    /// Starts `heddle run`; what it logs is added to `heddle.log`.
    pub fn start_heddle(&self) {
        self.start_heddle_by(&[&program("heddle").display().to_string()]);
    }

    /// [`Self::start_heddle`] by another command that ends in the program, for instance `setpriv`.
    pub fn start_heddle_by(&self, words: &[&str]) {
        let mut daemon = self.daemon.lock().unwrap();
        assert!(daemon.is_none(), "heddle of {} runs already", self.name());
        let (config, run_dir) = (self.config_path(), self.run_dir());
        *daemon = Some(self.spawn_heddle(words, Run { config: &config, run_dir: &run_dir, log: "heddle.log" }));
    }

    /// Starts another one beside it.
    pub fn start_second_heddle(&self) -> SecondHeddle<'_> {
        let (config, run_dir) = (SecondHeddle::config_path(self), SecondHeddle::run_dir(self));
        let text = fs::read_to_string(self.config_path()).expect("the host has its file");
        let text = format!("{text}\n[metrics]\nlisten = \"{}\"\n", SecondHeddle::METRICS);
        fs::write(&config, text).expect("the host's directory takes a file");
        let words = [&*program("heddle").display().to_string()];
        let run = Run { config: &config, run_dir: &run_dir, log: "second.log" };
        SecondHeddle { host: self, daemon: self.spawn_heddle(&words, run) }
    }

    fn spawn_heddle(&self, words: &[&str], run: Run<'_>) -> Daemon {
        let Run { config, run_dir, log } = run;
        let log = OpenOptions::new().create(true).append(true).open(self.dir().join(log));
        let child = self
            .command(words[0])
            .args(&words[1..])
            .args(["run", "-c", config])
            .env("HEDDLE_RUNDIR", run_dir)
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or("info,heddle=debug".into()))
            .env("NO_COLOR", "1")
            .process_group(0) // a kept lab outlives the terminal of its test
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the host's directory takes a log"))
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start heddle on {}: {e}", self.name()));
        Daemon { child }
    }

    /// SIGKILL, as after a crash.
    pub fn kill_heddle(&self) {
        self.signal_heddle(Signal::SIGKILL);
        self.reap_heddle();
    }

    /// SIGTERM; panics if it does not end in time.
    pub fn stop_heddle(&self) {
        self.signal_heddle(Signal::SIGTERM);
        self.reap_heddle();
    }

    /// SIGHUP: read the files again.
    pub fn sighup_heddle(&self) {
        self.signal_heddle(Signal::SIGHUP);
    }

    /// [`Self::stop_heddle`] and [`Self::start_heddle`].
    pub fn restart_heddle(&self) {
        self.stop_heddle();
        self.start_heddle();
    }

    /// Heddle was started and has not ended, by itself or by us.
    pub fn heddle_runs(&self) -> bool {
        let mut daemon = self.daemon.lock().unwrap();
        daemon.as_mut().is_some_and(|d| d.child.try_wait().is_ok_and(|exit| exit.is_none()))
    }

    /// The daemon's process, to look at its memory or its descriptors.
    pub fn heddle_pid(&self) -> i32 {
        self.daemon.lock().unwrap().as_ref().map(|d| d.pid().as_raw()).expect("heddle was started")
    }

    /// Panics if Heddle was started and ended by itself.
    pub(super) fn assert_heddle_alive(&self) {
        let ended = self.daemon.lock().unwrap().is_some() && !self.heddle_runs();
        assert!(!ended, "heddle of {} ended by itself\n{}", self.name(), logs());
    }

    fn signal_heddle(&self, signal: Signal) {
        self.assert_heddle_alive();
        let daemon = self.daemon.lock().unwrap();
        let pid = daemon.as_ref().map(Daemon::pid).unwrap_or_else(|| panic!("heddle of {} is stopped", self.name()));
        kill(pid, signal).unwrap_or_else(|e| panic!("cannot send {signal} to heddle: {e}"));
    }

    fn reap_heddle(&self) {
        let mut daemon = self.daemon.lock().unwrap().take().expect("it was there to take the signal");
        eventually(&format!("heddle of {} ends", self.name()), STOP_DEADLINE, || {
            daemon.child.try_wait().expect("a child can be waited for").is_some()
        });
    }

    /// Takes Heddle down at the end of the lab, whatever state it is in.
    pub(super) fn discard_heddle(&self) {
        let daemon = self.daemon.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(mut daemon) = daemon {
            let _already_ended = daemon.child.kill();
            let _reaped = daemon.child.wait();
        }
    }

    /// The host's `heddle.toml`.
    pub fn config_path(&self) -> String {
        self.dir().join("heddle.toml").display().to_string()
    }

    /// Heddle's run directory on this host, as `HEDDLE_RUNDIR` has it.
    pub fn run_dir(&self) -> PathBuf {
        self.dir().join("run")
    }

    /// What Heddle has logged so far.
    pub fn heddle_log(&self) -> String {
        fs::read_to_string(self.dir().join("heddle.log")).unwrap_or_default()
    }

    /// Runs `heddle` with other arguments on this host, for instance `["check", "-c", &host.config_path()]`.
    pub fn heddle(&self, args: &[&str]) -> Output {
        let program = program("heddle").display().to_string();
        command::finish(self.command(&program).args(args).env("HEDDLE_RUNDIR", self.run_dir()))
    }

    /// `heddle status --json` of the running daemon.
    pub fn heddle_status(&self) -> Value {
        let output = self.heddle(&["status", "-c", &self.config_path(), "--json"]);
        serde_json::from_str(&output.stdout)
            .unwrap_or_else(|e| panic!("heddle status --json: {e}\n{}{}\n{}", output.stdout, output.stderr, logs()))
    }

    /// Runs `ofctl-dump`; a bridge is named by [`Host::mgmt`].
    pub fn ofctl_dump(&self, args: &[&str]) -> Output {
        command::finish(self.command(&program("ofctl-dump").display().to_string()).args(args))
    }
}
