//! `ofctl-dump monitor` on a real Open vSwitch, and on a peer that pauses.
//!
//! Skipped where Open vSwitch is not installed, unless `HEDDLE_REQUIRE_OVS=1`.

#[path = "support/lines.rs"]
mod lines;
#[path = "support/switch.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of what several test files share")]
mod switch;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use heddle::pipeline::cookie::{Kind, cookie};
use lines::Lines;
use serde_json::Value;
use switch::Switch;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ofctl-dump");

fn ofctl(switch: &Switch, words: &[&str]) {
    switch.run("ovs-ofctl", &[&["-O", "OpenFlow13"], words].concat());
}

struct Monitor {
    child: Child,
    lines: Lines,
}

impl Monitor {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines.next()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn changes_have_the_names_and_colours_that_were_asked_for() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    ofctl(&switch, &["del-flows", "br0"]);
    ofctl(&switch, &["add-flow", "br0", "table=60,arp actions=goto_table:61"]);
    let words = ["monitor", "br0", "--initial", "--count", "1", "--names", "--table-names", "antrea", "--color=always"];
    let told = Monitor::start(switch.command(PROGRAM, &words)).next();
    assert!(told.contains("EgressDefaultRule"), "{told}");
    assert!(told.contains("\x1b[1;31m\x1b[Kactions=\x1b[m\x1b[K"), "{told}");
}

#[test]
fn changes_are_told_as_they_happen_with_reason_and_owner() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    std::fs::write(switch.path("topology.toml"), "[ports.web1]\nnetwork = \"blue\"\n").unwrap();
    ofctl(&switch, &["del-flows", "br0"]);
    ofctl(&switch, &["add-flow", "br0", "table=3,priority=9,in_port=LOCAL actions=drop"]);
    let words = ["monitor", "br0", "--initial", "--names", "--topology", "topology.toml", "--count", "6"];
    let mut monitor = Monitor::start(switch.command(PROGRAM, &words));
    // What was there shows that the monitor is on.
    assert_eq!(monitor.next(), "= cookie=0x0, table=3, priority=9,in_port=LOCAL actions=drop  # not Heddle's");
    switch.vsctl(&["add-port", "br0", "tap-1", "--", "set", "Interface", "tap-1", "type=internal", "ofport_request=5"]);
    let ours = cookie(Kind::PortMacAllowed, "web1").0;
    let flow = format!("cookie={ours:#x},table=25,priority=2,in_port=5,ip");
    ofctl(&switch, &["add-flow", "br0", &format!("{flow} actions=output:5")]);
    let owner = "frames from a MAC address that port web1 owns";
    assert_eq!(
        monitor.next(),
        format!("+ cookie={ours:#x}, table=25, priority=2,ip,in_port=\"tap-1\" actions=output:\"tap-1\"  # {owner}")
    );
    ofctl(&switch, &["mod-flows", "br0", "table=25,ip actions=NORMAL"]);
    assert_eq!(
        monitor.next(),
        format!("~ cookie={ours:#x}, table=25, priority=2,ip,in_port=\"tap-1\" actions=NORMAL  # {owner}")
    );
    ofctl(&switch, &["del-flows", "br0", "table=25"]);
    let gone = monitor.next();
    assert!(
        gone.starts_with(&format!("- (deleted) cookie={ours:#x}, table=25, priority=2,ip,in_port=\"tap-1\"")),
        "{gone}"
    );
    ofctl(&switch, &["add-flow", "br0", "table=4,hard_timeout=1,priority=1 actions=drop"]);
    assert_eq!(monitor.next(), "+ cookie=0x0, table=4, hard_timeout=1, priority=1 actions=drop  # not Heddle's");
    let gone = monitor.next();
    assert!(gone.starts_with("- (hard timeout) cookie=0x0, table=4, hard_timeout=1, priority=1"), "{gone}");
    assert_eq!(monitor.child.wait().unwrap().code(), Some(0));
}

#[test]
fn one_table_can_be_watched_and_changes_come_as_json() {
    let Some(switch) = Switch::start(&["br0"]) else { return };
    ofctl(&switch, &["add-flow", "br0", "table=3,priority=9,tcp actions=drop"]);
    ofctl(&switch, &["add-flow", "br0", "table=4,cookie=0x7,priority=9,tcp,tp_dst=80 actions=drop"]);
    let words = ["monitor", "br0", "--initial", "--json", "--table", "4", "--count", "1"];
    let mut monitor = Monitor::start(switch.command(PROGRAM, &words));
    let change: Value = serde_json::from_str(&monitor.next()).unwrap();
    assert_eq!((&change["event"], &change["table"], &change["priority"]), (&"initial".into(), &4.into(), &9.into()));
    assert_eq!((&change["cookie"], &change["owner"]), (&"0x7".into(), &Value::Null));
    assert_eq!(change["flow"], "cookie=0x7, table=4, priority=9,tcp,tp_dst=80 actions=drop");
    assert_eq!(monitor.child.wait().unwrap().code(), Some(0));
}

/// `OFPT_HELLO`.
const HELLO: &str = "0400000800000001";
/// `ONFT_FLOW_MONITOR_PAUSED` and `RESUMED`.
const PAUSED: &str = "0404001000000000 4f4e4600 0000074f";
const RESUMED: &str = "0404001000000000 4f4e4600 00000750";
/// An abbreviated update (`ONFFME_ABBREV`) of xid 0x1234.
const ABBREVIATED: &str = "0413002000000000 ffff000000000000 4f4e4600 0000074e 00080003 00001234";
/// Empty answers about ports and tables.
const PORTS: &str = "0413001000000002 000d000000000000";
const TABLES: &str = "0413001000000003 000c000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

#[test]
fn pauses_and_what_this_connection_did_itself_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peer.mgmt");
    let listener = UnixListener::bind(&path).unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let answers = [HELLO, PORTS, TABLES, PAUSED, RESUMED, ABBREVIATED];
        stream.write_all(&bytes(&answers.concat())).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
    });
    let output = Command::new(PROGRAM).arg("monitor").arg(&path).args(["--count", "1"]).output().unwrap();
    peer.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(lines[0].starts_with("# paused: ") && lines[1].starts_with("# resumed: "), "{lines:?}");
    assert_eq!(lines[2..], ["* what this connection asked for (xid=0x1234)"]);
}
