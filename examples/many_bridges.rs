//! What Heddle costs with many bridges and with many flows: `cargo run --release --example many_bridges`.
//!
//! Bridges are simulated (`tests/support/simulator.rs`): they speak OpenFlow over TCP and confirm at once, so that what
//! is measured is Heddle and not Open vSwitch. Three tables:
//!
//! - **many bridges**, each with flows of its own. One host has a handful of bridges, so this is the part of Heddle that
//!   does not know hosts: its listener, sessions and reconcilers, here in one process, the switches in another.
//! - **many learning bridges**: the whole `heddle run`, which serves as many of these as connect.
//! - **many flows on one bridge**: the whole `heddle run`, with a real `ovsdb-server` whose bridges are simulated, and a
//!   topology with as many ports on other nodes as `br-tun` needs.
//!
//! Other sizes: `many_bridges BRIDGES FLOWS` for the first, `many_bridges learning BRIDGES…` for the second,
//! `many_bridges one FLOWS…` for the third table alone.

#[path = "../tests/support/simulator.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests, which use the rest")]
mod simulator;
#[path = "../tests/support/switch_server.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests")]
mod switch_server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use heddle::flow::{Changes, Flow, FlowTable};
use heddle::openflow::{Action, Match, PortNo, TableId};
use heddle::pipeline::cookie::{Kind, cookie};
use heddle::switch::{self, Admission, ConnectionId, MAX_CONNECTIONS, News, Ownership, Wanted};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(300);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &String| text.parse().unwrap_or_else(|_| panic!("{text} is no number"));
    match arguments.as_slice() {
        [role, address, count] if role == "switches" => switches(address.parse().expect("an address"), number(count)),
        [role, sizes @ ..] if role == "learning" => learning_bridges(&sizes.iter().map(number).collect::<Vec<_>>()),
        [role, sizes @ ..] if role == "one" => one_bridge(&sizes.iter().map(number).collect::<Vec<_>>()),
        [bridges, flows] => many_bridges(&[(number(bridges), number(flows))]),
        [] => {
            many_bridges(&[(1, 1_000), (10, 1_000), (100, 1_000), (1_000, 1_000)]);
            learning_bridges(&[10, 100, 1_000]);
            one_bridge(&[1_000, 10_000, 100_000, 200_000]);
        }
        _ => panic!("many_bridges [BRIDGES FLOWS | learning BRIDGES… | one FLOWS…]"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started")
}

/// The other process: so many switches.
fn switches(controller: SocketAddr, count: usize) {
    runtime().block_on(async {
        for number in 1..=count as u64 {
            let bridge = switch_server::bridge(&format!("br{number}"), number);
            tokio::spawn(switch_server::run(bridge, controller, Arc::default()));
        }
        std::future::pending::<()>().await;
    });
}

/// What a process has used so far.
#[derive(Clone, Copy)]
struct Usage {
    cpu: f64,
    megabytes: f64,
}

fn usage(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Fields 14 and 15 of proc(5), counted behind the name; ticks of 10 ms.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kilobytes = line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok()).unwrap_or(f64::NAN);
    Usage { cpu: (ticks(11) + ticks(12)) / 100.0, megabytes: kilobytes / 1000.0 }
}

// Many bridges.

fn many_bridges(sizes: &[(usize, usize)]) {
    if std::env::var_os(ROW).is_none() {
        println!("many bridges: listener, sessions, reconcilers; the switches in another process");
        println!(
            "{:>8}{:>8}{:>12}{:>9}{:>11}{:>16}{:>9}",
            "bridges", "flows", "confirmed s", "CPU s", "RSS MB", "one change s", "CPU s"
        );
    }
    for &(bridges, flows) in sizes {
        // Each in a process of its own: memory that one size used would count for the next.
        let program = std::env::current_exe().expect("the kernel knows what runs");
        if sizes.len() > 1 {
            let status = Command::new(program).args([bridges.to_string(), flows.to_string()]).env(ROW, "1").status();
            assert!(status.is_ok_and(|status| status.success()), "{bridges} bridges failed");
        } else {
            runtime().block_on(serve_bridges(bridges, flows));
        }
    }
}

/// Set for the process that measures one row.
const ROW: &str = "MANY_BRIDGES_ROW";

fn flow(bridge: usize, number: usize) -> Arc<Flow> {
    let matching = Match::new().in_port(PortNo(number as u32 + 1)).vlan((bridge % 4094) as u16 + 1);
    let actions = [Action::output(PortNo(1))];
    let flow = Flow::new(TableId(2), 1, &matching, cookie(Kind::Normal, ""), &actions, None);
    Arc::new(flow.expect("it can be written"))
}

/// With room for as many waiting connections as the daemon has: who finds none loses a second.
fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(1024)
}

async fn serve_bridges(count: usize, flows: usize) {
    let listener = listen().expect("loopback can be listened on");
    let address = listener.local_addr().expect("it listens");
    let (reports, mut received) = mpsc::channel(1024);
    let admission = Arc::new(Admission::new(MAX_CONNECTIONS));
    let server = tokio::spawn(switch::serve(listener, None, 0, admission, reports));
    let wanted: Vec<FlowTable> =
        (0..count).map(|bridge| (0..flows).map(|number| flow(bridge, number)).collect()).collect();
    let before = usage(std::process::id());
    let began = Instant::now();
    let other = start_switches(&address.to_string(), count);
    let mut bridges = Bridges { wanted: wanted.into_iter(), commands: BTreeMap::new(), confirmed: BTreeMap::new() };
    bridges.until(count, 1, &mut received).await;
    let (took, first) = (began.elapsed(), usage(std::process::id()));
    let began = Instant::now();
    for (bridge, commands) in bridges.commands.values().enumerate() {
        let changes = Changes { add: vec![flow(bridge, flows)], ..Changes::default() };
        assert!(commands.send(switch::Command::Update { generation: 2, changes }).is_ok(), "a bridge has gone");
    }
    bridges.until(count, 2, &mut received).await;
    let (change, second) = (began.elapsed(), usage(std::process::id()));
    println!(
        "{count:>8}{flows:>8}{:>12.2}{:>9.2}{:>11.0}{:>16.3}{:>9.2}",
        took.as_secs_f64(),
        first.cpu - before.cpu,
        first.megabytes,
        change.as_secs_f64(),
        second.cpu - first.cpu
    );
    server.abort();
    drop(other);
}

/// So many switches in a process of their own.
fn start_switches(controller: &str, count: usize) -> Killed {
    let program = std::env::current_exe().expect("the kernel knows what runs");
    let child = Command::new(program).args(["switches", controller, &count.to_string()]).spawn();
    Killed(child.expect("it runs already"))
}

/// As the agent has them.
struct Bridges<W> {
    wanted: W,
    commands: BTreeMap<ConnectionId, mpsc::UnboundedSender<switch::Command>>,
    confirmed: BTreeMap<ConnectionId, u64>,
}

impl<W: Iterator<Item = FlowTable>> Bridges<W> {
    /// Until so many bridges have confirmed the generation.
    async fn until(&mut self, count: usize, generation: u64, reports: &mut mpsc::Receiver<switch::Report>) {
        let all = |confirmed: &BTreeMap<_, u64>| confirmed.values().filter(|there| **there == generation).count();
        while all(&self.confirmed) < count {
            let report = tokio::time::timeout(DEADLINE, reports.recv()).await;
            let report = report.expect("bridges have something to say").expect("the listener runs");
            match report.news {
                News::Identified { commands, .. } => {
                    let flows = self.wanted.next().expect("no more bridges than flows for them");
                    let wanted = Wanted { ownership: Ownership::All, flows, learnt: Vec::new(), generation: 1 };
                    assert!(commands.send(switch::Command::Adopt(Box::new(wanted))).is_ok(), "a bridge has gone");
                    self.commands.insert(report.connection, commands);
                }
                News::Progress(progress) => {
                    self.confirmed.insert(report.connection, progress.generation);
                }
                News::Closed { .. } => panic!("a bridge has gone"),
                _ => {}
            }
        }
    }
}

/// A process that ends with its owner.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// Many learning bridges.

fn learning_bridges(sizes: &[usize]) {
    println!("\nmany learning bridges: the whole heddle run");
    println!("{:>8}{:>12}{:>9}{:>9}{:>11}{:>9}", "bridges", "adopted s", "CPU s", "RSS MB", "all gone s", "CPU s");
    for &size in sizes {
        let folder = Folder::new(&format!(
            "node = 'a'\ntopology = 'none'\nopenflow.listen = ['{LISTEN}']\nlearning.bridges = ['*']\nmetrics.listen = ''\n"
        ));
        let heddle = folder.start_heddle();
        folder.until("heddle answers", |status| status["node"] == "a");
        let connected = |status: &serde_json::Value| {
            let bridges = status["bridges"].as_array().into_iter().flatten();
            bridges.filter(|bridge| bridge["installed"].as_u64() > Some(0)).count()
        };
        let before = usage(heddle.0.id());
        let began = Instant::now();
        let switches = start_switches(LISTEN, size);
        folder.until("every bridge is adopted", |status| connected(status) == size);
        let (took, first) = (began.elapsed(), usage(heddle.0.id()));
        let began = Instant::now();
        drop(switches);
        folder.until("every bridge is gone", |status| connected(status) == 0);
        let (gone, second) = (began.elapsed(), usage(heddle.0.id()));
        println!(
            "{size:>8}{:>12.2}{:>9.2}{:>9.0}{:>11.2}{:>9.2}",
            took.as_secs_f64(),
            first.cpu - before.cpu,
            first.megabytes,
            gone.as_secs_f64(),
            second.cpu - first.cpu
        );
    }
}

/// Heddle's files, and its run directory.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(config: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("there is a temporary directory"));
        std::fs::write(folder.file("heddle.toml"), config).expect("the folder takes a file");
        folder
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn heddle(&self) -> Command {
        let own = std::env::current_exe().expect("the kernel knows what runs");
        let program = own.ancestors().nth(2).expect("cargo builds two levels below the target").join("heddle");
        assert!(program.exists(), "{} is not there: build it with `cargo build --release --bins`", program.display());
        let mut command = Command::new(program);
        command.env("HEDDLE_RUNDIR", self.0.path()).env("RUST_LOG", "error").stdin(Stdio::null());
        command
    }

    fn start_heddle(&self) -> Killed {
        let config = self.file("heddle.toml");
        Killed(self.heddle().arg("run").arg("-c").arg(config).spawn().expect("heddle is a program"))
    }

    fn status(&self) -> serde_json::Value {
        let output = self.heddle().args(["status", "--json"]).stderr(Stdio::null()).output();
        output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok()).unwrap_or_default()
    }

    fn until(&self, awaited: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        let began = Instant::now();
        while !holds(&self.status()) {
            assert!(began.elapsed() < DEADLINE, "gave up waiting until {awaited}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

// Many flows on one bridge.

const LOCAL: usize = 100;
const NODES: usize = 50;
const LISTEN: &str = "127.0.0.1:16633";

fn one_bridge(sizes: &[usize]) {
    println!("\nmany flows on br-tun: the whole heddle run, files and database included");
    println!(
        "{:>9}{:>16}{:>9}{:>9}{:>18}{:>9}{:>16}{:>9}",
        "flows", "first apply s", "CPU s", "RSS MB", "restart, audit s", "CPU s", "one change s", "CPU s"
    );
    let runtime = runtime();
    for &size in sizes {
        measure(&runtime, size);
    }
}

fn measure(runtime: &tokio::runtime::Runtime, size: usize) {
    let host = FakeHost::start(runtime, size);
    let began = Instant::now();
    let heddle = host.folder.start_heddle();
    host.play_vswitchd(ports_elsewhere(size).div_ceil(LOCAL).min(NODES));
    host.folder.until("every flow is confirmed", |status| count(status, "installed") >= size as u64 && quiet(status));
    let (took, first) = (began.elapsed(), usage(heddle.0.id()));
    let flows = count(&host.folder.status(), "installed");

    drop(heddle);
    let began = Instant::now();
    let heddle = host.folder.start_heddle();
    host.folder.until("every flow is known again", |status| count(status, "installed") >= size as u64 && quiet(status));
    let (audit, second) = (began.elapsed(), usage(heddle.0.id()));
    assert_eq!(count(&host.folder.status(), "flow_mods"), 0, "a restart sends nothing");

    let changes = host.changes.load(Ordering::Relaxed);
    std::fs::write(host.folder.file("topology.toml"), topology(size, 1)).expect("the folder takes a file");
    let began = Instant::now();
    kill(Pid::from_raw(heddle.0.id() as i32), Signal::SIGHUP).expect("heddle runs");
    while host.changes.load(Ordering::Relaxed) == changes {
        assert!(began.elapsed() < DEADLINE, "the change does not arrive");
        std::thread::sleep(Duration::from_millis(1));
    }
    let (change, third) = (began.elapsed(), usage(heddle.0.id()));
    println!(
        "{flows:>9}{:>16.2}{:>9.2}{:>9.0}{:>18.2}{:>9.2}{:>16.3}{:>9.2}",
        took.as_secs_f64(),
        first.cpu,
        first.megabytes,
        audit.as_secs_f64(),
        second.cpu,
        change.as_secs_f64(),
        third.cpu - second.cpu
    );
}

/// A host whose `ovs-vswitchd` is this program.
struct FakeHost {
    folder: Folder,
    _database: Killed,
    switches: Vec<tokio::task::AbortHandle>,
    /// How often the flows of `br-tun` have changed.
    changes: Arc<AtomicU64>,
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        self.switches.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl FakeHost {
    fn start(runtime: &tokio::runtime::Runtime, size: usize) -> Self {
        let folder = Folder::new("");
        let at = |name: &str| folder.file(name);
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        run(Command::new("ovsdb-tool").arg("create").arg(at("conf.db")).arg(schema));
        let mut server = Command::new("ovsdb-server");
        server.arg(at("conf.db")).arg(format!("--remote=punix:{}", at("db.sock").display()));
        server.arg(format!("--unixctl={}", at("ctl").display())).args(["-vconsole:off", "-vsyslog:off"]);
        let database = Killed(server.env("OVS_RUNDIR", folder.0.path()).spawn().expect("ovsdb-server is installed"));
        let config = format!(
            "node = 'a'\ntopology = '{0}/topology.toml'\nopenflow.listen = ['{LISTEN}']\n\
             ovsdb.remote = 'unix:{0}/db.sock'\nbridges.datapath_type = 'netdev'\nbridges.physical = {{}}\nmetrics.listen = ''\n",
            folder.0.path().display()
        );
        std::fs::write(at("heddle.toml"), config).expect("the folder takes a file");
        std::fs::write(at("topology.toml"), topology(size, 0)).expect("the folder takes a file");
        let changes = Arc::new(AtomicU64::new(0));
        let controller = LISTEN.parse().expect("it is an address");
        let start = |name: &str, number: u64, changes: Arc<AtomicU64>| {
            runtime.spawn(switch_server::run(switch_server::bridge(name, number), controller, changes)).abort_handle()
        };
        let switches = vec![start("br-int", 1, Arc::default()), start("br-tun", 2, changes.clone())];
        let host = Self { folder, _database: database, switches, changes };
        let began = Instant::now();
        while !host.folder.file("db.sock").exists() {
            assert!(began.elapsed() < DEADLINE, "ovsdb-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        host.vsctl(&["init".into()]);
        host
    }

    fn vsctl(&self, arguments: &[String]) -> String {
        let database = format!("--db=unix:{}", self.folder.file("db.sock").display());
        run(Command::new("ovs-vsctl").args([&database, "--no-wait"]).args(arguments))
    }

    /// Gives bridges their datapath ids and interfaces their numbers, and plugs the local ports.
    fn play_vswitchd(&self, peers: usize) {
        let began = Instant::now();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        self.folder.until("heddle has made its bridges", |_| {
            let bridges = self.vsctl(&["list-br".into()]);
            ["br-int", "br-tun"].iter().all(|name| bridges.lines().any(|line| line == *name))
        });
        let mut plug = Vec::new();
        for local in 0..LOCAL {
            plug.extend(words(&format!("-- add-port br-int tap{local}")));
            plug.extend(words(&format!("-- set Interface tap{local} external_ids:iface-id=local{local}")));
        }
        for (bridge, number) in [("br-int", 1), ("br-tun", 2)] {
            plug.extend(words(&format!("-- set Bridge {bridge} datapath_id=\"{number:016x}\"")));
        }
        self.vsctl(&plug);
        let mut number = 0;
        // All ports of Heddle's own, the local ones, and the bridges' own.
        while number < LOCAL + peers + 4 {
            let list = "--bare --columns=name find Interface ofport=[]";
            let mut set = Vec::new();
            for name in self.vsctl(&words(list)).lines().filter(|line| !line.is_empty()) {
                number += 1;
                set.extend(words(&format!("-- set Interface {name} ofport={number}")));
            }
            self.vsctl(&set);
            assert!(began.elapsed() < DEADLINE, "{number} interfaces only");
        }
    }
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn count(status: &serde_json::Value, key: &str) -> u64 {
    status["bridges"].as_array().into_iter().flatten().filter_map(|bridge| bridge[key].as_u64()).sum()
}

fn quiet(status: &serde_json::Value) -> bool {
    let is_installed = |port: &serde_json::Value| port["state"] == "installed";
    let ports = status["ports"].as_array().is_some_and(|ports| ports.len() == LOCAL && ports.iter().all(is_installed));
    ports && count(status, "installed") == count(status, "wanted")
}

/// How many ports on other nodes make so many flows: each is known by its MAC address, and ARP and neighbour discovery are
/// answered for it.
fn ports_elsewhere(flows: usize) -> usize {
    flows.div_ceil(3)
}

/// One local port in each of [`LOCAL`] VXLAN networks, and so many others on other nodes that `br-tun` has about `flows`
/// flows. The first has the name and address of another one for each `version`.
fn topology(flows: usize, version: usize) -> String {
    let mut text = "[nodes.a]\ntunnel_ip = \"192.0.2.1\"\n".to_owned();
    let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a String takes everything");
    for node in 0..NODES {
        add(format_args!("[nodes.n{node}]\ntunnel_ip = \"198.51.100.{}\"\n", node + 1));
    }
    for network in 0..LOCAL {
        add(format_args!(
            "[networks.net{network}]\ntype = \"vxlan\"\nsegmentation_id = {}\nsubnets.v4.cidr = \"10.0.0.0/8\"\n\
             [ports.local{network}]\nnetwork = \"net{network}\"\nnode = \"a\"\nmac_address = \"{}\"\n",
            network + 1,
            mac(network)
        ));
    }
    for remote in 0..ports_elsewhere(flows) {
        let number = if remote == 0 { version * flows } else { remote };
        let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0001 + number as u32));
        add(format_args!(
            "[ports.r{number}]\nnetwork = \"net{}\"\nnode = \"n{}\"\nmac_address = \"{}\"\nfixed_ips = [\"{address}\"]\n",
            remote % LOCAL,
            remote / LOCAL % NODES,
            mac(LOCAL + number)
        ));
    }
    text
}

fn mac(number: usize) -> String {
    let [_, a, b, c] = (number as u32).to_be_bytes();
    format!("fa:16:3e:{a:02x}:{b:02x}:{c:02x}")
}
