//! A host: one namespace with an Open vSwitch of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use heddle::pipeline::cookie::Kind;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::capture::Capture;
use super::command::{self, eventually, eventually_some, ip_batch, must};
use super::flows::FlowLine;
use super::heddle::Daemon;
use super::netns;
use super::openflow_log::OpenflowLog;
use super::sweep::{LabId, is_gone};

/// How long a daemon of Open vSwitch may take to come or go.
const DAEMON_DEADLINE: Duration = Duration::from_secs(10);

/// The bridge with the tunnel endpoint's address: the userspace datapath sends tunnels through itself.
pub const BR_UNDER: &str = "br-under";

/// Its port to the other hosts.
pub const UNDERLAY_IF: &str = "under0";

/// One host of a lab.
#[derive(Debug)]
pub struct Host {
    name: String,
    /// 1 for the first host of the lab: the last byte of its addresses.
    number: u8,
    namespace: String,
    dir: PathBuf,
    /// Tunnel address and MAC of the other hosts, to be told to the switch again when it restarts.
    peers: Mutex<Vec<(String, String)>>,
    pub(super) daemon: Mutex<Option<Daemon>>,
}

/// The tunnel address of host number `number`.
pub fn tunnel_ip(number: u8) -> String {
    format!("192.0.2.{number}")
}

fn tunnel_mac(number: u8) -> String {
    format!("02:00:c0:00:02:{number:02x}")
}

impl Host {
    /// Namespace and directory, nothing running yet.
    pub(super) fn create(id: &LabId, name: &str, number: u8) -> Self {
        let (namespace, dir) = (id.namespace(&format!("h-{name}")), id.dir().join(name));
        ip_batch(None, &[format!("netns add {namespace}")]);
        netns::silence_ipv6(&namespace);
        ip_batch(Some(&namespace), &["link set lo up".into()]);
        fs::create_dir_all(dir.join("run")).expect("the lab's directory takes the host's");
        Self { name: name.into(), number, namespace, dir, peers: Mutex::default(), daemon: Mutex::default() }
    }

    /// Its name in the lab and in `topology.toml`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace, for `ip netns exec`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its directory: database, sockets, logs, both TOML files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its end of the tunnels.
    pub fn tunnel_ip(&self) -> String {
        tunnel_ip(self.number)
    }

    /// The name of another host's tunnel port to this one.
    pub fn tunnel_port_name(&self) -> String {
        format!("vxlan-c00002{:02x}", self.number)
    }

    /// The number of this host's tunnel port to `peer`.
    pub fn tunnel_to(&self, peer: &Host) -> Option<u32> {
        self.ofport(&peer.tunnel_port_name())
    }

    /// The management socket of a bridge.
    pub fn mgmt(&self, bridge: &str) -> PathBuf {
        self.dir.join(format!("{bridge}.mgmt"))
    }

    /// A command inside the host's namespace, with Open vSwitch's directories in its environment.
    pub fn command(&self, program: &str) -> Command {
        let mut command = netns::command(&self.namespace, program);
        for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"] {
            command.env(variable, &self.dir);
        }
        command
    }

    /// Runs a command inside the host's namespace to its end.
    pub fn exec(&self, words: &[&str]) -> command::Output {
        command::finish(self.command(words[0]).args(&words[1..]))
    }

    // Open vSwitch's daemons.

    /// Database and switch from nothing.
    pub(super) fn create_ovs(&self) {
        self.create_database();
        self.spawn_daemon("ovs-vswitchd", &[]);
    }

    /// An empty database and its server.
    pub(super) fn create_database(&self) {
        let database = self.dir.join("conf.db");
        must(self.command("ovsdb-tool").arg("create").arg(database).arg("/usr/share/openvswitch/vswitch.ovsschema"));
        self.start_ovsdb();
        self.vsctl(&["--no-wait", "init"]);
        let few_threads = ["other_config:n-handler-threads=1", "other_config:n-revalidator-threads=1"];
        self.vsctl(&[&["--no-wait", "set", "Open_vSwitch", "."], &few_threads[..]].concat());
    }

    /// `br-under` with the tunnel address, and its veth towards the others.
    pub(super) fn create_underlay_bridge(&self) {
        let hwaddr = format!("other-config:hwaddr=\"{}\"", tunnel_mac(self.number));
        let bridge = ["set", "Bridge", BR_UNDER, "datapath_type=netdev", "fail_mode=standalone", &hwaddr];
        let port = ["--", "add-port", BR_UNDER, UNDERLAY_IF];
        self.vsctl(&[&["add-br", BR_UNDER, "--"], &bridge[..], &port[..]].concat());
    }

    /// Tells the host of its peers, so that no tunnelled packet is lost to the underlay's ARP.
    pub(super) fn meet(&self, hosts: u8) {
        let others = (1..=hosts).filter(|&number| number != self.number);
        *self.peers.lock().unwrap() = others.map(|number| (tunnel_ip(number), tunnel_mac(number))).collect();
        self.raise_underlay();
    }

    /// Address and neighbours of `br-under`: in the userspace datapath they live and die with the switch.
    pub(super) fn raise_underlay(&self) {
        let address = format!("addr replace {}/24 dev {BR_UNDER}", self.tunnel_ip());
        ip_batch(Some(&self.namespace), &[address, format!("link set {BR_UNDER} up")]);
        eventually(&format!("the switch of {} sees its route", self.name), DAEMON_DEADLINE, || {
            self.appctl(&["ovs/route/show"]).contains(&format!("dev {BR_UNDER}"))
        });
        for (ip, mac) in self.peers.lock().unwrap().iter() {
            self.appctl(&["tnl/arp/set", BR_UNDER, ip, mac]);
        }
    }

    /// Starts `ovsdb-server` on the database that is there.
    pub fn start_ovsdb(&self) {
        self.start_ovsdb_by(&[]);
    }

    /// [`Self::start_ovsdb`] by another command that ends in the program.
    pub fn start_ovsdb_by(&self, words: &[&str]) {
        let remote = format!("--remote=punix:{}", self.dir.join("db.sock").display());
        let database = self.dir.join("conf.db").display().to_string();
        // As `ovs-ctl` starts it: `set-manager` and `set-ssl` of ovs-vsctl take effect.
        let more = [
            "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
            "--private-key=db:Open_vSwitch,SSL,private_key",
            "--certificate=db:Open_vSwitch,SSL,certificate",
            "--bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert",
        ];
        let args = [&[&*remote], &more[..], &[&*database]].concat();
        self.spawn_daemon_by(words, "ovsdb-server", &args);
    }

    fn spawn_daemon(&self, program: &str, args: &[&str]) {
        self.spawn_daemon_by(&[], program, args);
    }

    fn spawn_daemon_by(&self, words: &[&str], program: &str, args: &[&str]) {
        let file = |suffix: &str| self.dir.join(format!("{program}.{suffix}")).display().to_string();
        let (pidfile, log) = (format!("--pidfile={}", file("pid")), format!("--log-file={}", file("log")));
        let common = ["--detach", "--no-chdir", "-vconsole:off", "-vsyslog:off", &pidfile, &log];
        let words = [words, &[program]].concat();
        must(self.command(words[0]).args(&words[1..]).args(common).args(args));
    }

    /// Ends `ovs-vswitchd`; flows and datapath are gone, the database stays.
    pub fn stop_vswitchd(&self) {
        self.stop_daemon("ovs-vswitchd");
    }

    /// Starts `ovs-vswitchd` again and gives `br-under` its address back.
    pub fn start_vswitchd(&self) {
        self.spawn_daemon("ovs-vswitchd", &[]);
        if self.bridge_exists(BR_UNDER) {
            eventually("br-under is back", DAEMON_DEADLINE, || self.exec(&["ip", "link", "show", BR_UNDER]).ok());
            self.raise_underlay();
        }
    }

    /// [`Self::stop_vswitchd`] and [`Self::start_vswitchd`].
    pub fn restart_vswitchd(&self) {
        self.stop_vswitchd();
        self.start_vswitchd();
    }

    /// Sends a signal to `ovs-vswitchd`, for instance SIGSTOP.
    pub fn signal_vswitchd(&self, signal: Signal) {
        self.signal_daemon("ovs-vswitchd", signal);
    }

    /// Ends `ovsdb-server`; the switch goes on.
    pub fn stop_ovsdb(&self) {
        self.stop_daemon("ovsdb-server");
    }

    /// Ends `ovsdb-server` and starts it again on the same database.
    pub fn restart_ovsdb(&self) {
        self.stop_ovsdb();
        self.start_ovsdb();
    }

    fn stop_daemon(&self, program: &str) {
        self.end_daemon(program, Signal::SIGTERM);
    }

    /// Ends a daemon by this signal.
    pub(super) fn end_daemon(&self, program: &str, signal: Signal) {
        let pid = self.signal_daemon(program, signal);
        eventually(&format!("{program} of {} ends", self.name), DAEMON_DEADLINE, || is_gone(pid));
    }

    /// Sends a signal to a daemon; its process id.
    pub(super) fn signal_daemon(&self, program: &str, signal: Signal) -> u32 {
        let pid = self.daemon_pid(program).unwrap_or_else(|| panic!("{program} of {} does not run", self.name));
        kill(Pid::from_raw(pid as i32), signal).unwrap_or_else(|e| panic!("cannot send {signal} to {program}: {e}"));
        pid
    }

    fn daemon_pid(&self, program: &str) -> Option<u32> {
        let text = fs::read_to_string(self.dir.join(format!("{program}.pid"))).ok()?;
        text.trim().parse().ok().filter(|&pid| !is_gone(pid))
    }

    // Open vSwitch's tools.

    /// `ovs-vsctl` on the host's database. It waits for the switch only if that runs.
    pub fn vsctl(&self, args: &[&str]) -> String {
        must(&mut self.vsctl_command(args))
    }

    /// Like [`Self::vsctl`], where failing is an answer.
    pub fn try_vsctl(&self, args: &[&str]) -> command::Output {
        command::finish(&mut self.vsctl_command(args))
    }

    fn vsctl_command(&self, args: &[&str]) -> Command {
        let mut command = self.command("ovs-vsctl");
        command.arg("--timeout=10").args(self.daemon_pid("ovs-vswitchd").is_none().then_some("--no-wait")).args(args);
        command
    }

    /// `ovs-ofctl -O OpenFlow13`, for instance `["add-flow", "br-int", "actions=NORMAL"]`.
    pub fn ofctl(&self, args: &[&str]) -> String {
        must(&mut self.ofctl_command(args))
    }

    /// Like [`Self::ofctl`], where failing is an answer.
    pub fn try_ofctl(&self, args: &[&str]) -> command::Output {
        command::finish(&mut self.ofctl_command(args))
    }

    fn ofctl_command(&self, args: &[&str]) -> Command {
        let mut command = self.command("ovs-ofctl");
        command.args(["-O", "OpenFlow13", "--timeout=10"]).args(args);
        command
    }

    /// `ovs-appctl` to the switch.
    pub fn appctl(&self, args: &[&str]) -> String {
        must(self.command("ovs-appctl").arg("--timeout=10").args(args))
    }

    /// `ovs-appctl` to another daemon, for instance `ovsdb-server`.
    pub fn appctl_to(&self, daemon: &str, args: &[&str]) -> String {
        must(self.command("ovs-appctl").args(["--timeout=10", "-t", daemon]).args(args))
    }

    /// `ofproto/trace`.
    pub fn trace(&self, bridge: &str, flow: &str) -> String {
        self.appctl(&["ofproto/trace", bridge, flow])
    }

    /// Makes a bridge in the userspace datapath.
    pub fn add_bridge(&self, bridge: &str) {
        self.vsctl(&["add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev"]);
    }

    /// The bridge is in the database.
    pub fn bridge_exists(&self, bridge: &str) -> bool {
        self.try_vsctl(&["br-exists", bridge]).ok()
    }

    /// The OpenFlow port number of an interface; none while it has none, or -1.
    pub fn ofport(&self, interface: &str) -> Option<u32> {
        self.try_vsctl(&["get", "Interface", interface, "ofport"]).stdout.trim().parse().ok()
    }

    // Flows.

    /// The bridge's flows as `ovs-ofctl dump-flows` prints them.
    pub fn dump_flows(&self, bridge: &str) -> Vec<FlowLine> {
        FlowLine::parse_dump(&self.ofctl(&["dump-flows", bridge]))
    }

    /// [`Self::dump_flows`] with packet counters that are up to date: the datapath reports to the flows with a delay.
    pub fn flow_packets(&self, bridge: &str) -> Vec<FlowLine> {
        self.appctl(&["revalidator/wait"]);
        self.dump_flows(bridge)
    }

    /// Packets that table `table` has counted, in all flows whose match or actions contain `text`.
    pub fn packets_in(&self, bridge: &str, table: u8, text: &str) -> u64 {
        let flows = self.flow_packets(bridge);
        flows.iter().filter(|flow| flow.table == table && flow.contains(text)).map(|flow| flow.packets).sum()
    }

    /// Flows of this kind, with up-to-date packet counters.
    pub fn flows_of(&self, bridge: &str, kind: Kind) -> Vec<FlowLine> {
        self.flow_packets(bridge).into_iter().filter(|flow| flow.kind() == Some(kind)).collect()
    }

    /// Panics unless the bridge has a flow of each of these kinds that a packet has hit.
    pub fn assert_hit(&self, bridge: &str, kinds: &[Kind]) {
        let flows = self.flow_packets(bridge);
        for &kind in kinds {
            let hit = flows.iter().any(|flow| flow.kind() == Some(kind) && flow.packets > 0);
            assert!(hit, "no packet has hit a flow of kind {kind:?} on {bridge} of {}: {flows:#?}", self.name);
        }
    }

    /// Waits until a flow is there, and returns it. `awaited` completes "a flow that …".
    pub fn wait_for_flow(&self, bridge: &str, awaited: &str, wanted: impl Fn(&FlowLine) -> bool) -> FlowLine {
        let what = format!("{bridge} of {} has a flow that {awaited}", self.name);
        eventually_some(&what, DAEMON_DEADLINE, || self.dump_flows(bridge).into_iter().find(|flow| wanted(flow)))
    }

    /// Records the OpenFlow messages that the switch receives from now on.
    pub fn record_openflow(&self) -> OpenflowLog<'_> {
        OpenflowLog::start(self)
    }

    /// Captures what passes an interface of the host, for instance `lo`.
    pub fn capture(&self, interface: &str) -> Capture {
        Capture::start(&self.namespace, interface, &self.dir)
    }
}
