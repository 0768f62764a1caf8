//! Running other programs, and waiting for what they bring about.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often [`eventually`] looks.
const POLL: Duration = Duration::from_millis(20);

/// How many lines of each `heddle.log` a failure shows.
const LOG_TAIL_LINES: usize = 40;

thread_local! {
    /// Directories of the labs that this test thread has up: where [`logs`] looks.
    static LAB_DIRS: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
}

/// What a finished program left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Exit code 0.
    pub fn ok(&self) -> bool {
        self.code == 0
    }
}

/// Runs `program` to its end, whatever its exit code.
pub fn run<S: AsRef<str>>(program: &str, args: &[S]) -> Output {
    let mut command = Command::new(program);
    command.args(args.iter().map(AsRef::as_ref)).stdin(Stdio::null());
    finish(&mut command)
}

/// Runs `command` to its end, whatever its exit code.
pub fn finish(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `command`, panics with its whole command line if it fails, and returns its standard output.
pub fn must(command: &mut Command) -> String {
    let output = finish(command);
    assert!(output.ok(), "{command:?} failed with {}:\n{}{}", output.code, output.stderr, output.stdout);
    output.stdout
}

/// Feeds `lines` to one `ip -batch`, inside the namespace if one is given: one process instead of one per line.
pub fn ip_batch(namespace: Option<&str>, lines: &[String]) {
    let error = try_ip_batch(namespace, lines, false).err();
    if let Some(error) = error {
        panic!("ip -batch in {}:\n{}\n{error}", namespace.unwrap_or("the root namespace"), lines.join("\n"));
    }
}

/// Like [`ip_batch`], but goes on after a line that fails, and complains to nobody.
pub fn ip_batch_forced(lines: &[String]) {
    let _best_effort = try_ip_batch(None, lines, true);
}

fn try_ip_batch(namespace: Option<&str>, lines: &[String], force: bool) -> Result<(), String> {
    let mut command = Command::new("ip");
    command.args(namespace.iter().flat_map(|n| ["-n", n])).args(force.then_some("-force")).args(["-batch", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start ip: {e}"))?;
    let mut stdin = child.stdin.take().expect("stdin was asked for as a pipe");
    stdin.write_all((lines.join("\n") + "\n").as_bytes()).map_err(|e| e.to_string())?;
    drop(stdin);
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Waits until `condition` holds. Past the deadline it panics with what was awaited and what Heddle logged.
pub fn eventually(awaited: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    eventually_some(awaited, deadline, || condition().then_some(()));
}

/// Like [`eventually`], for a condition that yields a value.
pub fn eventually_some<T>(awaited: &str, deadline: Duration, mut attempt: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(started.elapsed() < deadline, "awaited in vain for {deadline:?}: {awaited}\n{}", logs());
        std::thread::sleep(POLL);
    }
}

/// From now on [`logs`] shows this lab.
pub(super) fn register_logs(lab: &Path) {
    LAB_DIRS.with_borrow_mut(|dirs| dirs.push(lab.to_owned()));
}

/// The lab is gone, and its logs with it.
pub(super) fn forget_logs(lab: &Path) {
    LAB_DIRS.with_borrow_mut(|dirs| dirs.retain(|dir| dir != lab));
}

/// The tail of every `heddle.log` of this thread's labs, for the message of a failure.
pub fn logs() -> String {
    let dirs = LAB_DIRS.with_borrow(Clone::clone);
    let hosts = dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
    let mut files: Vec<_> = hosts.map(|host| host.path().join("heddle.log")).filter(|log| log.exists()).collect();
    files.sort();
    files.iter().map(|file| format!("--- {}\n{}\n", file.display(), tail(file))).collect()
}

fn tail(file: &Path) -> String {
    let text = fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}
