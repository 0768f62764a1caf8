//! `ofctl-dump` against `ovs-ofctl` on a real Open vSwitch that the test starts for itself.
//!
//! Skipped where Open vSwitch is not installed, unless `HEDDLE_REQUIRE_OVS=1`.

#[path = "support/corpora.rs"]
mod corpora;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Open vSwitch with bridges of its own, gone when dropped.
struct Switch {
    directory: TempDir,
}

impl Switch {
    fn start() -> Option<Self> {
        let installed = ["ovs-vswitchd", "ovsdb-server", "ovs-ofctl"].iter().all(|program| {
            let found = Command::new(program).arg("--version").output();
            found.is_ok_and(|output| output.status.success())
        });
        if !installed {
            assert!(
                std::env::var_os("HEDDLE_REQUIRE_OVS").is_none_or(|value| value != "1"),
                "Open vSwitch is not installed"
            );
            println!("Open vSwitch is not installed, skipped");
            return None;
        }
        let switch = Self { directory: tempfile::Builder::new().prefix("heddle-ovs").tempdir().unwrap() };
        let at = |name: &str| switch.path().join(name).display().to_string();
        switch.tool("ovsdb-tool", ["create", &at("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema"]);
        switch.daemon("ovsdb-server", [at("conf.db"), format!("--remote=punix:{}", at("db.sock"))]);
        switch.vsctl(["--no-wait", "init"]);
        // The dummy datapath is the userspace one without devices in the kernel: tests run side by
        // side, and without privileges.
        let options = ["--enable-dummy", "--disable-system"].map(String::from);
        switch.daemon("ovs-vswitchd", options.into_iter().chain([format!("unix:{}", at("db.sock"))]));
        switch.vsctl("add-br br-int -- set bridge br-int datapath_type=dummy".split(' '));
        switch.vsctl("add-br br-phys -- set bridge br-phys datapath_type=dummy".split(' '));
        for (bridge, port, peer) in
            [("br-int", "int-br-phys", "phy-br-phys"), ("br-phys", "phy-br-phys", "int-br-phys")]
        {
            let peer = format!("options:peer={peer}");
            switch.vsctl(["add-port", bridge, port, "--", "set", "interface", port, "type=patch", &peer]);
        }
        switch.vsctl("add-port br-int tap1 -- set interface tap1 type=dummy ofport_request=3".split(' '));
        switch.vsctl("add-port br-int tun1 -- set interface tun1 type=vxlan options:remote_ip=192.0.2.2".split(' '));
        Some(switch)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"] {
            command.env(variable, self.path());
        }
        command
    }

    fn tool<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, program: &str, args: I) -> String {
        succeeded(self.command(program).args(args).output().unwrap())
    }

    fn daemon<I: IntoIterator<Item = String>>(&self, program: &str, args: I) {
        let pidfile = format!("--pidfile={}", self.path().join(format!("{program}.pid")).display());
        let log = format!("--log-file={}", self.path().join(format!("{program}.log")).display());
        let mut command = self.command(program);
        command.args(args).args(["--detach", "--no-chdir", &pidfile, &log]);
        // The daemon keeps what it inherits: no pipes, or reading them would never end.
        let null = || Stdio::null();
        assert!(command.stdin(null()).stdout(null()).stderr(null()).status().unwrap().success(), "{program}");
    }

    fn vsctl<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) {
        let database = format!("--db=unix:{}", self.path().join("db.sock").display());
        succeeded(self.command("ovs-vsctl").arg(database).arg("--timeout=10").args(args).output().unwrap());
    }

    fn ofctl(&self, args: &str) -> String {
        self.tool("ovs-ofctl", ["-O", "OpenFlow13"].into_iter().chain(args.split(' ')))
    }

    fn dump(&self, args: &str) -> Output {
        self.command(env!("CARGO_BIN_EXE_ofctl-dump")).args(args.split(' ')).output().unwrap()
    }

    fn dumped(&self, args: &str) -> String {
        succeeded(self.dump(args))
    }

    fn add_flows(&self, bridge: &str, flows: &str) {
        let path = self.path().join("flows");
        std::fs::write(&path, flows).unwrap();
        self.ofctl(&format!("add-flows {bridge} {}", path.display()));
    }

    /// The flows of the committed vectors, with the meters that they use, in br-int.
    fn add_vectors(&self) {
        for meter in 1..=4 {
            self.ofctl(&format!("add-meter br-int meter={meter},kbps,band=type=drop,rate=1000"));
        }
        self.add_flows("br-int", &vectors());
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for daemon in ["ovs-vswitchd", "ovsdb-server"] {
            let pidfile = self.path().join(format!("{daemon}.pid"));
            let Ok(pid) = std::fs::read_to_string(&pidfile) else { continue };
            let _ = Command::new("kill").arg(pid.trim()).status();
            // A daemon takes its pidfile away when it is done with the directory.
            let deadline = Instant::now() + Duration::from_secs(10);
            while pidfile.exists() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Lines without what time changes, in an order of their own.
fn masked(text: &str) -> BTreeSet<String> {
    let changing = ["duration=", "n_packets=", "n_bytes=", "(xid="];
    text.lines()
        .map(|line| {
            line.split(' ')
                .filter(|part| !changing.iter().any(|name| part.starts_with(name)))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .filter(|line| !line.starts_with("OFPST_FLOW"))
        .collect()
}

/// The flows of the committed vectors as lines for `add-flows`.
fn vectors() -> String {
    let lines = include_str!("data/flow_text.txt").lines().filter(|line| line.starts_with(' '));
    lines
        .map(|line| {
            let kept = line.split(", ").filter(|part| !part.contains("duration=") && !part.starts_with("n_"));
            kept.collect::<Vec<_>>().join(", ") + "\n"
        })
        .collect()
}

#[test]
fn prints_line_by_line_what_ovs_ofctl_prints() {
    let Some(switch) = Switch::start() else { return };
    switch.add_vectors();
    assert!(switch.dumped("br-int").lines().count() > 90);
    for options in ["", " --no-stats", " --names", " --names --no-stats", " --no-names"] {
        let ofctl = switch.ofctl(&format!("dump-flows br-int{options}"));
        // Its tables have names that ovs-ofctl does not know.
        let options = options
            .replace("--names", "--names --table-names none")
            .replace("--no-names --table-names none", "--no-names");
        assert_eq!(masked(&switch.dumped(&format!("br-int{options}"))), masked(&ofctl), "{options}");
        let unsorted = switch.dumped(&format!("br-int{options} --unsorted"));
        assert_eq!(masked(&unsorted), masked(&ofctl), "{options}");
    }
    assert!(switch.dumped("br-int --names").contains("in_port=\"int-br-phys\""));
    assert!(switch.dumped("br-int --names").contains("in_port=tap1"));
    assert_eq!(masked(&switch.dumped("br-int show")), masked(&switch.ofctl("show br-int")));
    assert_eq!(masked(&switch.dumped("br-int ports")), masked(&switch.ofctl("dump-ports-desc br-int")));
    let socket = switch.path().join("br-int.mgmt").display().to_string();
    assert_eq!(masked(&switch.dumped(&socket)), masked(&switch.dumped("br-int flows")));

    let of_a_table = switch.dumped("br-int --no-stats --table 60");
    assert_eq!(masked(&of_a_table), masked(&switch.ofctl("--no-stats dump-flows br-int table=60")));
    assert_eq!(switch.dump("br-int --table 199").status.code(), Some(1));
}

#[test]
fn a_text_dump_prints_as_its_switch_does() {
    let Some(switch) = Switch::start() else { return };
    switch.add_vectors();
    let input = switch.path().join("dump.txt");
    let path = input.display();
    for options in ["", "--no-stats", "--names", "--names --no-stats"] {
        let dumped = switch.ofctl(format!("{options} dump-flows br-int").trim_start());
        std::fs::write(&input, format!("# of br-int\n\n{dumped}")).unwrap();
        let expected = dumped.lines().filter(|line| !line.starts_with("OFPST_FLOW")).collect::<BTreeSet<_>>();
        for arguments in [format!("--no-names --input {path}"), format!("{path} flows --unsorted")] {
            let printed = switch.dumped(&arguments);
            assert_eq!(printed.lines().collect::<BTreeSet<_>>(), expected, "{options}: {arguments}");
        }
    }
}

#[test]
fn a_text_dump_may_come_on_the_standard_input_and_tells_what_is_no_flow() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ofctl-dump"));
    command.args(["--input", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let text = b"NXST_FLOW reply (xid=0x4):\n\n priority=1,in_port=tap1 actions=drop\n priority=2,ip action\n";
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), " priority=1,in_port=tap1 actions=drop\n");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("ofctl-dump: -:4:"), "{told}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn every_dumped_line_of_the_corpora_prints_as_it_was_read() {
    if corpora::folder().is_none() {
        return println!("the corpora: not found, skipped");
    }
    let lines: Vec<String> = corpora::rows("flows-roundtrip.jsonl")
        .iter()
        .flat_map(|row| row["dumped"].as_array().cloned().unwrap_or_default())
        .map(|line| format!("{}\n", line.as_str().unwrap().trim()))
        .collect();
    println!("{} lines", lines.len());
    assert!(lines.len() > 1800);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dump.txt");
    std::fs::write(&path, lines.concat()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ofctl-dump"));
    let printed = succeeded(command.arg(&path).args(["--no-names", "--unsorted"]).output().unwrap());
    for (line, printed) in lines.iter().zip(printed.lines()) {
        assert_eq!(printed.trim(), line.trim());
    }
    assert_eq!(printed.lines().count(), lines.len());
}

#[test]
fn a_text_dump_has_flows_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows.txt");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ofctl-dump")).arg(&path).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert!(matches!(run(&[]), (Some(2), told) if told.contains("flows.txt")));
    std::fs::write(&path, "actions=drop\n").unwrap();
    assert_eq!(run(&[]), (Some(0), String::new()));
    assert!(matches!(run(&["ports"]), (Some(2), told) if told.contains("a text of flows")));
    assert!(matches!(run(&["portz"]), (Some(2), told) if told.contains("did you mean ports?")));
}

#[test]
fn the_switch_may_connect_to_us_as_to_a_controller() {
    let Some(switch) = Switch::start() else { return };
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // A bridge forgets its flows when it gets its first controller.
    switch.vsctl(["set-controller", "br-phys", &format!("tcp:127.0.0.1:{free}")]);
    switch.vsctl(["set", "controller", "br-phys", "max_backoff=1000"]);
    switch.vsctl(["set-fail-mode", "br-phys", "secure"]);
    switch.add_flows("br-phys", "priority=5,in_port=1 actions=drop\n");
    let printed = switch.dumped(&format!("ptcp:{free}:127.0.0.1 --no-stats"));
    assert_eq!(printed, " priority=5,in_port=1 actions=drop\n");
}

#[test]
fn flows_are_sorted_by_table_then_priority_then_match() {
    let Some(switch) = Switch::start() else { return };
    let sorted = " priority=9,in_port=1 actions=drop\n priority=9,in_port=2 actions=drop\n priority=1 actions=drop\n \
                  table=3, priority=7 actions=NORMAL\n table=20, actions=output:1\n";
    let flows: String = sorted.lines().rev().map(|line| format!("{line}\n")).collect();
    switch.add_flows("br-phys", &flows);
    switch.ofctl("del-flows --strict br-phys priority=0");
    assert_eq!(switch.dumped("br-phys --no-stats"), sorted);
}

#[test]
fn flows_are_sorted_by_fields_as_ovs_ofctl_sorts_them() {
    let Some(switch) = Switch::start() else { return };
    switch.add_flows(
        "br-phys",
        "table=1,priority=5,tcp,tp_dst=80,nw_src=10.0.0.2 actions=drop\n\
         table=0,priority=7,tcp,tp_dst=22,nw_src=10.0.0.3 actions=NORMAL\n\
         table=2,priority=6,udp,tp_dst=53,nw_src=10.0.0.1,in_port=1 actions=drop\n",
    );
    switch.ofctl("del-flows --strict br-phys priority=0");
    for options in ["--sort", "--rsort", "--sort=nw_src", "--rsort=ip_src", "--rsort=in_port --sort=priority"] {
        let ofctl = switch.ofctl(&format!("{options} --no-stats dump-flows br-phys"));
        assert_eq!(switch.dumped(&format!("br-phys --no-stats {options}")), ofctl, "{options}");
    }
    let by_table = switch.dumped("br-phys --no-stats --rsort table");
    assert_eq!(by_table.lines().map(|line| line.contains("table=2")).collect::<Vec<_>>(), [true, false, false]);
    let output = switch.dump("br-phys --sort colour");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("n_packets"));
}

#[test]
fn colours_are_those_of_ovs_ofctl() {
    let Some(switch) = Switch::start() else { return };
    switch.add_vectors();
    let flows = |text: &str| {
        let lines = text.lines().filter(|line| line.contains("actions="));
        // Coloured, ovs-ofctl 3.1 keeps a comma behind exec(…) that it takes away otherwise.
        lines
            .map(|line| line.replace("),\x1b[m\x1b[K\x1b[35m\x1b[K)", ")\x1b[m\x1b[K\x1b[35m\x1b[K)"))
            .collect::<BTreeSet<_>>()
    };
    for options in ["--no-stats", "--no-stats --names"] {
        let expected = flows(&switch.ofctl(&format!("--color=always {options} dump-flows br-int")));
        assert!(expected.len() > 90);
        let printed = flows(&switch.dumped(&format!("br-int --color=always --table-names none {options}")));
        let different = printed.symmetric_difference(&expected).collect::<Vec<_>>();
        assert!(different.is_empty(), "{different:#?}");
    }
    for options in ["", "--color", "--color=never"] {
        assert!(!switch.dumped(format!("br-int {options}").trim_end()).contains('\x1b'), "{options}");
    }
    let mut command = switch.command(env!("CARGO_BIN_EXE_ofctl-dump"));
    command.args(["br-int", "--color=always"]).env("OVS_COLORS", "ac=7:vl=no");
    let changed = succeeded(command.output().unwrap());
    assert!(changed.contains("\x1b[7m\x1b[Kactions=") && changed.contains("\x1b[32m\x1b[Kip"));
}

#[test]
fn a_filter_takes_flows_by_match_action_and_counter() {
    let Some(switch) = Switch::start() else { return };
    switch.add_flows(
        "br-int",
        "table=1,priority=5,tcp,in_port=tap1,tp_dst=80 actions=drop\ntable=2,priority=6,udp actions=resubmit(,5)\n",
    );
    let printed = |args: &[&str]| {
        let output = switch.command(env!("CARGO_BIN_EXE_ofctl-dump")).args(args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (tcp, udp) = (
        " table=1, priority=5,tcp,in_port=3,tp_dst=80 actions=drop\n",
        " table=2, priority=6,udp actions=resubmit(,5)\n",
    );
    for (filter, expected) in [
        ("tcp && in_port=tap1", tcp),
        ("resubmit.table=5", udp),
        ("priority>5 and !n_packets>0 and table!=0", udp),
        ("drop && table>0 || udp", &[tcp, udp].concat()),
    ] {
        let (code, text, _) = printed(&["br-int", "flows", "--no-stats", filter]);
        assert_eq!((code, text.as_str()), (Some(0), expected), "{filter}");
        assert_eq!(
            printed(&["br-int", filter, "--no-stats", "--unsorted"]).1.lines().count(),
            expected.lines().count()
        );
    }
    let words = printed(&["--no-stats", "br-int", "tcp", "&&", "drop"]);
    assert_eq!(words, (Some(0), tcp.to_owned(), String::new()));
    assert_eq!(printed(&["br-int", "arp"]).0, Some(1));
    let (code, _, told) = printed(&["br-int", "nw_scr=1"]);
    assert!(code == Some(2) && told.contains("did you mean nw_src"), "{told}");
    let (code, _, told) = printed(&["br-int", "ports", "tcp"]);
    assert!(code == Some(2) && told.contains("only flows and aggregate take a filter"), "{told}");
    let (code, ports, told) = printed(&["br-int", "ports", "--json"]);
    assert!(code == Some(0) && ports.lines().all(|line| line.contains("\"port\":")), "{ports}{told}");
}

#[test]
fn flows_as_json_are_one_object_a_line_in_the_order_of_the_text() {
    let Some(switch) = Switch::start() else { return };
    switch.add_vectors();
    let text = switch.dumped("br-int --no-stats --rsort n_packets");
    let json = switch.dumped("br-int --no-stats --json --rsort n_packets");
    let flows: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(flows.iter().all(|flow| flow["info"]["n_packets"].is_null() && flow["actions"].is_array()));
    let originals: Vec<_> = flows.iter().map(|flow| flow["orig"].as_str().unwrap()).collect();
    assert_eq!(originals, text.lines().map(str::trim).collect::<Vec<_>>());
    let with_counters = switch.dumped("br-int --json --unsorted table=60");
    assert!(with_counters.lines().all(|line| line.contains("\"n_packets\":0")), "{with_counters}");
}

#[test]
fn reports_on_a_switch_are_those_of_ovs_ofctl() {
    let Some(switch) = Switch::start() else { return };
    switch.add_vectors();
    switch.ofctl("add-group br-int group_id=7,type=select,bucket=weight:2,output:3,bucket=weight:1,drop");
    switch.ofctl("add-group br-int group_id=8,type=all");
    for (ours, theirs) in [
        ("ports", "dump-ports-desc br-int"),
        ("ports --stats", "dump-ports br-int"),
        ("tables", "dump-tables br-int"),
        ("groups", "dump-groups br-int"),
        ("groups --stats", "dump-group-stats br-int"),
        ("meters", "dump-meters br-int"),
        ("meters --stats", "meter-stats br-int"),
        ("queues", "queue-stats br-int"),
        ("desc", "dump-desc br-int"),
        ("show", "show br-int"),
        ("aggregate", "dump-aggregate br-int"),
        ("aggregate --table 60", "dump-aggregate br-int table=60"),
        ("aggregate table=60", "dump-aggregate br-int table=60"),
    ] {
        let steady = |text: &str| {
            let lines = text.lines().map(|line| line.split("duration").next().unwrap().replace("0x0", "0x2"));
            lines
                .filter(|line| !line.trim().is_empty())
                .map(|line| line.split("xid=").next().unwrap().to_owned() + line.split("):").last().unwrap())
                .collect::<Vec<_>>()
        };
        let expected = steady(&switch.ofctl(theirs));
        assert!(!expected.is_empty());
        assert_eq!(steady(&switch.dumped(&format!("br-int {ours}"))), expected, "{ours}");
    }
}

#[test]
fn tables_have_the_names_that_the_bridge_or_the_user_gives_them() {
    let Some(switch) = Switch::start() else { return };
    switch.add_flows("br-int", "table=25,priority=7,in_port=tap1 actions=goto_table:60\n");
    let line = |options: &str| {
        let text = switch.dumped(&format!("br-int --no-stats priority=7 {options}"));
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    assert_eq!(line("--names"), " table=\"mac_spoof\", priority=7,in_port=tap1 actions=goto_table:transient\n");
    assert_eq!(line("--names --table-names none"), " table=25, priority=7,in_port=tap1 actions=goto_table:60\n");
    assert!(line("--names --table-names antrea").contains("goto_table:EgressDefaultRule"));
    assert!(line("--names --table-names ovn").starts_with(" table=\"ls_in_acl_after_lb/lr_in_arp_resolve\", "));
    assert_eq!(line("--no-names --table-names ovn"), line(""));

    let file = switch.path().join("tables.toml");
    std::fs::write(&file, "[br-int]\n25 = { name = \"mine\" }\n[br-phys]\n0 = { name = \"wire\" }\n").unwrap();
    assert!(line(&format!("--names --table-names {}", file.display())).contains("table=mine, priority=7"));
    let output = switch.dump("br-int --names --table-names nowhere");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && told.contains("nowhere") && told.contains("ovn-23.03"), "{told}");

    // What was printed with names is read again.
    let dump = switch.path().join("named.txt");
    std::fs::write(&dump, line("--names")).unwrap();
    let again = switch.dumped(&format!("{} --no-names", dump.display()));
    assert_eq!(again, line("--names"));
    assert_eq!(switch.dumped(&format!("{} --json", dump.display())).matches("\"table\":25").count(), 1);
}

#[test]
fn explains_flows_by_cookie_table_and_topology() {
    use heddle::pipeline::cookie::{Kind, cookie};
    let Some(switch) = Switch::start() else { return };
    let (mac, guard) = (cookie(Kind::PortMacAllowed, "web1").0, cookie(Kind::PhysicalGuard, "physnet").0);
    switch.add_flows(
        "br-int",
        &format!(
            "cookie={mac:#x},table=25,priority=2,in_port=3 actions=goto_table:60\n\
             cookie={guard:#x},table=0,priority=2,in_port=1 actions=drop\ntable=24,priority=5 actions=drop\n"
        ),
    );
    let explained = switch.dumped("br-int --explain --no-stats");
    let number = mac & 0xffff_ffff;
    for words in [
        format!("that port {number:08x} owns"),
        "physical network ".into(),
        "# table 24, arp_spoof: ".into(),
        "everything is dropped".into(),
    ] {
        assert!(explained.contains(&words), "{words} in {explained}");
    }
    let topology = switch.path().join("topology.toml");
    std::fs::write(&topology, "[ports.web1]\nnetwork = \"blue\"\n[networks.blue]\nphysical_network = \"physnet\"\n")
        .unwrap();
    let explained = switch.dumped(&format!("br-int --explain --topology {}", topology.display()));
    assert!(explained.contains("that port web1 owns") && explained.contains("physical network physnet"), "{explained}");
    let missing = switch.dump("br-int --explain --topology /nonexistent/topology.toml");
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn a_switch_without_openflow_13_is_told_how_to_speak_it() {
    let Some(switch) = Switch::start() else { return };
    switch.vsctl(["set", "bridge", "br-phys", "protocols=OpenFlow10"]);
    let output = switch.dump("br-phys");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        message.starts_with("ofctl-dump: ") && message.contains("set bridge br-phys protocols=OpenFlow13"),
        "{message}"
    );
    for (target, instead) in [
        ("br-none", "there are br-int, br-phys"),
        ("br-itn", "did you mean br-int? There are br-int, br-phys"),
        ("Cargo.toml", "write --input Cargo"),
        ("/nonexistent/br0.mgmt", "is Open vSwitch running?"),
    ] {
        let output = switch.dump(target);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(told.starts_with("ofctl-dump: no bridge at ") && told.contains(instead), "{told}");
    }
}

#[test]
fn manual_page_help_and_completions_know_every_option() {
    for (program, options) in [
        (env!("CARGO_BIN_EXE_ofctl-dump"), ["--rsort", "--table-names", "--input", "decode"]),
        (env!("CARGO_BIN_EXE_heddle"), ["--topology", "--config", "status", "flows"]),
    ] {
        let run = |arguments: &[&str]| succeeded(Command::new(program).args(arguments).output().unwrap());
        let (page, help) = (run(&["--man"]), run(&["--help"]));
        for section in
            ["NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "EXAMPLES", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES"]
        {
            assert!(page.contains(&format!(".SH {section}\n")), "{section}");
        }
        assert!(help.contains("Examples:") && help.contains("Exit status:"), "{help}");
        for option in options {
            assert!(page.contains(&option.replace('-', "\\-")), "{option}");
            for shell in ["bash", "zsh", "fish"] {
                let option = option.trim_start_matches('-');
                assert!(run(&["--completions", shell]).contains(option), "{option} in {shell}");
            }
        }
    }
    let nothing = Command::new(env!("CARGO_BIN_EXE_ofctl-dump")).output().unwrap();
    assert_eq!(nothing.status.code(), Some(2));
}

/// A peer that answers every connection with `bytes` and hangs up.
fn answer(bytes: &'static [u8]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peer.mgmt");
    let listener = UnixListener::bind(&path).unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    });
    let output = Command::new(env!("CARGO_BIN_EXE_ofctl-dump")).arg(&path).output().unwrap();
    peer.join().unwrap();
    output
}

#[test]
fn a_peer_that_talks_nonsense_is_a_failure_with_a_reason() {
    let hello = b"\x04\x00\x00\x08\x00\x00\x00\x01";
    let error = b"\x04\x00\x00\x08\x00\x00\x00\x01\x04\x01\x00\x0c\x00\x00\x00\x02\x00\x01\x00\x05";
    let cases: [(&[u8], &str); 5] = [
        (b"", "closed the connection"),
        (hello, "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ""),
        (b"\x04\x00\x00\x04\x00\x00\x00\x01", "header.length"),
        (error, "OFPBRC_EPERM"),
    ];
    for (bytes, expected) in cases {
        let output = answer(bytes);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{bytes:?}: {message}");
        assert!(message.starts_with("ofctl-dump: ") && message.contains(expected), "{bytes:?}: {message}");
        assert!(output.stdout.is_empty());
    }
}
