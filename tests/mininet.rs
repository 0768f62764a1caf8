//! Real Mininet, with Heddle as its remote controller and nothing but a `[learning]` section.
//!
//! Mininet speaks to the Open vSwitch of the default run directory, on its way out it kills programs by name, and
//! its links have fixed names. So it runs in mount, network and process namespaces of its own, with an Open vSwitch
//! of its own in that directory; all of it ends with its first process.

use std::path::Path;
use std::process::{Command, Stdio};

/// Everything up, then what `mn` is asked for, with `$COMMANDS` for its prompt. Ends with its exit code.
const SCRIPT: &str = r#"
set -eu
mkdir -p /run/openvswitch
mount -t tmpfs none /run/openvswitch
cd /run/openvswitch
export OVS_RUNDIR=/run/openvswitch OVS_DBDIR=/run/openvswitch OVS_LOGDIR=/run/openvswitch
ip link set lo up
ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:db.sock --detach --no-chdir --pidfile --log-file -vconsole:off -vsyslog:off conf.db
ovs-vsctl --no-wait init
ovs-vswitchd --detach --no-chdir --pidfile --log-file -vconsole:off -vsyslog:off
cat >heddle.toml <<END
topology = "there-is-none.toml"
[learning]
bridges = ["*"]
[ovsdb]
remote = "unix:/there/is/none"
END
HEDDLE_RUNDIR=/run/openvswitch "$HEDDLE" run -c heddle.toml 2>heddle.log &
# Mininet 2.3.0 waits until the server has reported twice; iperf 2.1.8 reports once, unless it is told to each second.
mkdir bin
cat >bin/iperf <<END
#!/bin/sh
case " \$* " in
    *" -s "*) exec $(command -v iperf) "\$@" -i 1 ;;
    *) exec $(command -v iperf) "\$@" ;;
esac
END
chmod +x bin/iperf
PATH=$PWD/bin:$PATH
status=0
printf %s "$COMMANDS" >commands
# A TCP connection that never comes about would be tried for ever.
timeout --kill-after=5 180 mn --controller=remote,port=6633 --switch ovs,datapath=user,protocols=OpenFlow13 "$@" <commands ||
    status=$?
HEDDLE_RUNDIR=/run/openvswitch "$HEDDLE" status -c heddle.toml || true
cat heddle.log
exit $status
"#;

/// What Mininet and Heddle said; `None` where Mininet is not installed or namespaces may not be made, unless
/// `HEDDLE_REQUIRE_OVS=1`.
fn mininet(arguments: &[&str], commands: &str) -> Option<String> {
    let runs = |program: &str, arguments: &[&str]| {
        let run = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    let isolated = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let works =
        runs("mn", &["--version"]) && runs("ovs-vswitchd", &["--version"]) && Path::new("/dev/net/tun").exists();
    if !(works && runs("unshare", &[&isolated[..], &["true"]].concat())) {
        let required = std::env::var("HEDDLE_REQUIRE_OVS").is_ok_and(|value| value == "1");
        assert!(!required, "no Mininet (make install-deps), no Open vSwitch or no namespaces");
        println!("no Mininet (make install-deps), no Open vSwitch or no namespaces: skipped");
        return None;
    }
    let output = Command::new("unshare")
        .args(isolated)
        .args(["sh", "-c", SCRIPT, "sh"])
        .args(arguments)
        .env("HEDDLE", env!("CARGO_BIN_EXE_heddle"))
        .env("COMMANDS", commands)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("unshare was tried before");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    Some(said)
}

#[test]
fn every_host_of_a_tree_reaches_every_other() {
    let Some(said) = mininet(&["--topo", "tree,2", "--test", "pingall"], "") else { return };
    assert!(said.contains("0% dropped (12/12 received)"), "{said}");
}

#[test]
fn tcp_crosses_a_tree() {
    // Links without checksum offload, as Mininet has them for switches in user space.
    let Some(said) = mininet(&["--topo", "tree,2", "--link", "tcu", "--test", "iperf"], "") else { return };
    let results = said.lines().find_map(|line| line.strip_prefix("*** Results: ")).unwrap_or_default();
    let rates = results.split('\'').filter_map(|rate| rate.strip_suffix("bits/sec"));
    assert!(rates.clone().count() == 2 && rates.into_iter().all(|rate| !rate.starts_with("0.0")), "{said}");
}

#[test]
fn a_line_of_switches_and_one_with_many_hosts_work_too() {
    for topology in ["linear,4", "single,5"] {
        let Some(said) = mininet(&["--topo", topology, "--test", "pingall"], "") else { return };
        assert!(said.contains(" 0% dropped"), "{topology}: {said}");
    }
}
