//! `ofctl-dump TARGET --watch` on a real Open vSwitch: in a pipe, and on a terminal.
//!
//! Skipped where Open vSwitch is not installed, unless `HEDDLE_REQUIRE_OVS=1`.

#[path = "support/lines.rs"]
mod lines;
#[path = "support/switch.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of what several test files share")]
mod switch;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

use lines::Lines;
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;
use switch::{Switch, wait};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ofctl-dump");

fn ofctl(switch: &Switch, words: &[&str]) {
    switch.run("ovs-ofctl", &[&["-O", "OpenFlow13"], words].concat());
}

/// Sends `count` frames of 60 bytes through the tables.
fn send(switch: &Switch, count: usize) {
    let frame = format!("fa163e000001fa163e0000020800{}", "00".repeat(46));
    let packet = format!("in_port=LOCAL,packet={frame},actions=TABLE");
    for _ in 0..count {
        ofctl(switch, &["packet-out", "br0", &packet]);
    }
}

/// The next block of a pipe: up to an empty line.
fn block(lines: &Lines) -> Vec<String> {
    std::iter::repeat_with(|| lines.next()).take_while(|line| !line.is_empty()).collect()
}

#[test]
fn a_pipe_gets_a_block_per_reading_with_rates_changes_and_flows_never_hit() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    ofctl(&switch, &["del-flows", "br0"]);
    ofctl(&switch, &["add-flow", "br0", "priority=5,dl_src=fa:16:3e:00:00:02 actions=drop"]);
    ofctl(&switch, &["add-flow", "br0", "table=7,priority=3,arp actions=drop"]);
    let mut command = switch.command(PROGRAM, &["br0", "--watch", "0.2", "--count", "100"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = Lines::of(child.stdout.take().unwrap());
    let first = block(&lines);
    assert!(
        first[0].contains(" br0: 2 flows, 0 packets/s, 0 bytes/s (means of their lives), 2 never hit, +0 -0 ~0"),
        "{first:?}"
    );
    assert!(first.contains(&"never hit: table=7, priority=3,arp actions=drop".to_owned()), "{first:?}");

    let next = |what: &str, is_it: &dyn Fn(&str) -> bool| {
        let mut seen = Vec::new();
        wait(what, || {
            seen = block(&lines);
            seen.iter().any(|line| is_it(line))
        });
        seen
    };
    send(&switch, 3);
    let busy = next("packets per second", &|line| line.contains(" packets/s,") && !line.contains(" 0 packets/s"));
    assert!(
        busy.iter().any(|line| line.ends_with("table=0, priority=5,dl_src=fa:16:3e:00:00:02 actions=drop")),
        "{busy:?}"
    );
    ofctl(&switch, &["add-flow", "br0", "table=8,priority=2,ip actions=drop"]);
    next("an added flow", &|line| line == "+ table=8, priority=2,ip actions=drop");
    ofctl(&switch, &["mod-flows", "br0", "table=8,ip actions=NORMAL"]);
    next("a modified flow", &|line| line == "~ table=8, priority=2,ip actions=NORMAL");
    ofctl(&switch, &["del-flows", "br0", "table=7"]);
    next("a removed flow", &|line| line == "- table=7, priority=3,arp actions=drop");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn options_of_flows_choose_what_is_watched() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    ofctl(&switch, &["add-flow", "br0", "table=7,priority=3,in_port=LOCAL actions=drop"]);
    let words = ["br0", "--table", "7", "--names", "--watch=0.01", "--count", "2"];
    let output = switch.command(PROGRAM, &words).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), text.matches(" br0: 1 flow, ").count()), (Some(0), 2), "{text}");
    for (words, code) in [(["br0", "--watch", "never"], 2), (["br0", "--watch", "0"], 2), (["br0", "--count", "1"], 2)]
    {
        let output = switch.command(PROGRAM, &words).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}");
    }
    let output = switch.command(PROGRAM, &["br-none", "--watch"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no bridge at"));
}

/// A terminal with a program on it.
struct Terminal {
    controller: File,
    shown: Receiver<Vec<u8>>,
    /// Keeps the terminal alive behind the program, and is asked how it was left.
    line: OwnedFd,
    child: Child,
    seen: Vec<u8>,
}

impl Terminal {
    fn start(mut command: Command, (columns, rows): (u16, u16)) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let controller: File = pty.master.into();
        let (sender, shown) = channel();
        let mut reader = controller.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { controller, shown, line: pty.slave, child, seen: Vec::new() }
    }

    /// Reads until `text` was shown, and forgets all before it.
    fn wait_for(&mut self, text: &str) {
        let what = format!("{text:?}");
        wait(&what, || {
            self.seen.extend(self.shown.try_iter().flatten());
            let at = self.seen.windows(text.len()).position(|part| part == text.as_bytes());
            at.inspect(|at| drop(self.seen.drain(..at + text.len()))).is_some()
        });
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.line).unwrap().local_flags.contains(LocalFlags::ECHO | LocalFlags::ICANON)
    }

    /// Waits for the program's end, and holds that the terminal is what it was before.
    fn end(mut self) -> ExitStatus {
        self.wait_for("\x1b[?1049l");
        let mut status = None;
        wait("the end of the program", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(self.echoes());
        status.unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_terminal_gets_a_screen_and_is_left_as_it_was_by_a_key_or_a_signal() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    ofctl(&switch, &["add-flow", "br0", "table=7,priority=3,arp actions=drop"]);
    let start = |size| {
        let mut command = switch.command(PROGRAM, &["br0", "--watch", "0.1"]);
        command.env_remove("NO_COLOR");
        let mut terminal = Terminal::start(command, size);
        terminal.wait_for("\x1b[?1049h");
        terminal.wait_for("br0: 1 flow,");
        terminal
    };
    let mut terminal = start((100, 30));
    assert!(!terminal.echoes());
    terminal.wait_for("priority=3,arp actions=drop");
    ofctl(&switch, &["add-flow", "br0", "table=9,priority=4,ip actions=drop"]);
    terminal.wait_for("priority=4,ip actions=drop");
    terminal.controller.write_all(b"n").unwrap();
    terminal.wait_for("never hit");
    terminal.controller.write_all(b"q").unwrap();
    assert_eq!(terminal.end().code(), Some(0));
    ofctl(&switch, &["del-flows", "br0", "table=9"]);

    // What Ctrl-C sends, on a narrow terminal, and the signal that ends services.
    let terminal = start((40, 10));
    kill(Pid::from_raw(terminal.child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(terminal.end().code(), Some(0));
    let terminal = start((80, 24));
    kill(Pid::from_raw(terminal.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(terminal.end().code(), Some(0));
}
