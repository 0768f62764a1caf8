//! `ofctl-dump snoop` between a real Open vSwitch and a controller that the test plays.
//!
//! Skipped where Open vSwitch is not installed, unless `HEDDLE_REQUIRE_OVS=1`.

#[path = "support/lines.rs"]
mod lines;
#[path = "support/switch.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of what several test files share")]
mod switch;

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Stdio};

use lines::Lines;
use serde_json::Value;
use switch::{Switch, wait};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ofctl-dump");
const HELLO: [u8; 8] = [4, 0, 0, 8, 0, 0, 0, 1];
const BARRIER: [u8; 8] = [4, 20, 0, 8, 0, 0, 0x12, 0x34];
/// Of a type that no one knows.
const STRANGE: [u8; 12] = [4, 99, 0, 12, 0, 0, 0, 7, 1, 2, 3, 4];

/// The controller's end of a bridge's connection, behind the HELLO. Open vSwitch connects to no other path.
fn controller(switch: &Switch) -> UnixStream {
    let path = switch.path("br0.controller");
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    switch.vsctl(&["set-controller", "br0", &format!("unix:{}", path.display())]);
    let mut accepted = None;
    wait("the switch to connect", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (mut stream, _) = accepted.unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.write_all(&HELLO).unwrap();
    stream
}

struct Snoop {
    child: Child,
    lines: Lines,
}

impl Snoop {
    fn start(switch: &Switch, words: &[&str]) -> Self {
        let mut command = switch.command(PROGRAM, &[&["snoop"], words].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines.next()
    }
}

impl Drop for Snoop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends barriers until one is heard, and returns what: by then the switch copies everything.
fn until_heard(controller: &mut impl Write, snoop: &Snoop) -> String {
    let mut line = None;
    wait("a message on the snoop socket", || {
        controller.write_all(&BARRIER).unwrap();
        line = snoop.lines.already();
        line.is_some()
    });
    line.unwrap()
}

#[test]
fn both_directions_are_heard_and_unknown_messages_too() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    let mut controller = controller(&switch);
    let snoop = Snoop::start(&switch, &["br0"]);
    until_heard(&mut controller, &snoop);
    // What was heard first may have been half of an exchange; from here on both halves are.
    controller.write_all(&BARRIER).unwrap();
    controller.write_all(&STRANGE).unwrap();
    let mut seen: Vec<String> = Vec::new();
    wait("the strange message and the error about it", || {
        seen.push(snoop.next());
        seen.iter().any(|line| line.contains("OFPT_ERROR") && line.contains("OFPBRC_BAD_TYPE"))
    });
    for expected in ["OFPT_BARRIER_REQUEST (OF1.3) (xid=0x1234):", "OFPT_BARRIER_REPLY (OF1.3) (xid=0x1234):"] {
        assert!(seen.iter().any(|line| line == expected), "{expected}: {seen:?}");
    }
    assert!(seen.iter().any(|line| line.starts_with("00000000  04 63 00 0c 00 00 00 07-01 02 03 04")), "{seen:?}");
}

#[test]
fn only_the_types_that_were_asked_for_come_with_their_time_or_as_json() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    let mut controller = controller(&switch);
    let socket = switch.path("br0.mgmt").display().to_string();
    let snoop = Snoop::start(&switch, &["br0", "--type", "barrier_reply", "--timestamp"]);
    let mut json = Snoop::start(&switch, &[&socket, "--json", "--type=barrier_reply,hello", "--count", "2"]);
    let line = until_heard(&mut controller, &snoop);
    let (time, message) = line.split_once(": ").unwrap();
    assert_eq!(message, "OFPT_BARRIER_REPLY (OF1.3) (xid=0x1234):");
    assert_eq!((time.len(), &time[4..5], &time[19..20]), (23, "-", "."), "{time}");

    let heard: Value = serde_json::from_str(&until_heard(&mut controller, &json)).unwrap();
    assert_eq!(
        (&heard["type"], &heard["xid"], &heard["version"]),
        (&"OFPT_BARRIER_REPLY".into(), &0x1234.into(), &4.into())
    );
    assert_eq!((&heard["hex"], &heard["error"]), (&"0415000800001234".into(), &Value::Null));
    controller.write_all(&BARRIER).unwrap();
    assert_eq!(json.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_bridge_that_cannot_be_listened_to_is_a_failure_that_says_why() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    for (words, reason) in [
        (["br0", "--timestamp"], "no connection to a controller"),
        (["br-none", "--timestamp"], "no bridge at"),
        (["tcp:127.0.0.1:6653", "--timestamp"], "only a bridge of this host"),
        (["br0", "--type=flowmod"], "expected the name of a message"),
    ] {
        let output = switch.command(PROGRAM, &[&["snoop"], &words[..]].concat()).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains(reason), "{words:?}: {error}");
    }
}
