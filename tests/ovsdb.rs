//! The database client against a real ovsdb-server that each test starts for itself.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use heddle::openflow::PortNo;
use heddle::ovsdb::model::Table;
use heddle::ovsdb::transaction::Mutation;
use heddle::ovsdb::value::{Atom, Datum};
use heddle::ovsdb::{
    Client, Database, DesiredBridge, DesiredPort, Event, Ofport, OpResult, Operation, PortKind, Problem, Remote, Role,
    TransactError, Uuid, plan, port_state, tunnel_port_name,
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

const DEADLINE: Duration = Duration::from_secs(20);
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// True if Open vSwitch's database is installed. `HEDDLE_REQUIRE_OVS=1` makes its absence a failure.
fn ovsdb_is_installed() -> bool {
    let runs = |program: &str| {
        let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let installed = ["ovsdb-server", "ovsdb-tool", "ovs-vswitchd"].into_iter().all(runs) && Path::new(SCHEMA).exists();
    if !installed {
        let required = std::env::var_os("HEDDLE_REQUIRE_OVS").is_some_and(|value| value == "1");
        assert!(!required, "HEDDLE_REQUIRE_OVS=1, but ovsdb-server, ovsdb-tool, ovs-vswitchd or {SCHEMA} is missing");
        eprintln!("skipped: ovsdb-server, ovsdb-tool, ovs-vswitchd or {SCHEMA} is missing");
    }
    installed
}

/// An ovsdb-server with an own database in an own directory; ends with its owner.
struct Server {
    dir: TempDir,
    process: Option<Child>,
}

impl Server {
    /// Starts a server with an empty database.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Self { dir, process: None };
        let created = Command::new("ovsdb-tool").arg("create").arg(server.path("conf.db")).arg(SCHEMA).status();
        assert!(created.unwrap().success());
        server.start_again();
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start_again(&mut self) {
        let log = fs::File::create(self.path("log")).unwrap();
        let child = Command::new("ovsdb-server")
            .arg(self.path("conf.db"))
            .arg(format!("--remote=punix:{}", self.path("db.sock").display()))
            .arg("--remote=ptcp:0:127.0.0.1")
            .arg(format!("--unixctl={}", self.path("ctl").display()))
            .args(["-vconsole:info", "-vsyslog:off"])
            .env("OVS_RUNDIR", self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
        let deadline = Instant::now() + DEADLINE;
        while UnixStream::connect(self.path("db.sock")).is_err() {
            assert!(Instant::now() < deadline, "ovsdb-server does not listen within {DEADLINE:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn unix(&self) -> Remote {
        format!("unix:{}", self.path("db.sock").display()).parse().unwrap()
    }

    /// The port that the kernel chose stands in the server's log.
    async fn tcp(&self) -> Remote {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let log = fs::read_to_string(self.path("log")).unwrap();
            let port = log.split("listening on port ").nth(1).and_then(|rest| rest.split_whitespace().next());
            if let Some(port) = port {
                return format!("tcp:127.0.0.1:{port}").parse().unwrap();
            }
            assert!(Instant::now() < deadline, "no listening port in the log:\n{log}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An ovs-vswitchd with a dummy datapath, which needs no privileges; ends with its owner.
struct Switch(Child);

impl Switch {
    fn start(server: &Server) -> Self {
        let child = Command::new("ovs-vswitchd")
            .arg(server.unix().to_string())
            .args(["--enable-dummy=override", "-vconsole:off", "-vsyslog:off"])
            .arg(format!("--unixctl={}", server.path("switch.ctl").display()))
            .env("OVS_RUNDIR", server.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client and the database as its events tell it.
struct Watcher {
    client: Client,
    events: mpsc::Receiver<Event>,
    db: Database,
    snapshots: usize,
    disconnects: usize,
    stood_by: usize,
}

impl Watcher {
    fn spawn(remote: Remote) -> Self {
        let (client, events) = Client::spawn(remote, None);
        Self { client, events, db: Database::default(), snapshots: 0, disconnects: 0, stood_by: 0 }
    }

    async fn connect(remote: Remote) -> Self {
        let mut watcher = Self::spawn(remote);
        watcher.until("a snapshot", |watcher| watcher.snapshots == 1).await;
        watcher
    }

    /// The same, and the row that `ovs-vsctl init` makes.
    async fn connect_and_init(remote: Remote) -> Self {
        let mut watcher = Self::connect(remote).await;
        watcher.transact(vec![Operation::insert(Table::OpenVswitch, "root", Vec::new())]).await.unwrap();
        watcher.until("the root row", |watcher| watcher.db.open_vswitch().is_some()).await;
        watcher
    }

    async fn until(&mut self, awaited: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !condition(self) {
            match timeout_at(deadline, self.events.recv()).await {
                Ok(Some(Event::Snapshot(db))) => (self.db, self.snapshots) = (*db, self.snapshots + 1),
                Ok(Some(Event::Changed(changes))) => self.db.apply(changes),
                Ok(Some(Event::Disconnected { .. })) => self.disconnects += 1,
                Ok(Some(Event::StandingBy)) => self.stood_by += 1,
                Ok(None) => panic!("the client ended while {awaited} was awaited"),
                Err(_) => panic!("no {awaited} within {DEADLINE:?}"),
            }
        }
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OpResult>, TransactError> {
        self.client.transact(operations).await
    }

    /// Applies a plan and waits until all of it has come back.
    async fn apply(&mut self, bridges: &[DesiredBridge], ports: &[DesiredPort]) -> Vec<Problem> {
        let planned = plan(&self.db, bridges, ports);
        self.transact(planned.operations).await.unwrap();
        self.until("an empty plan", |watcher| plan(&watcher.db, bridges, ports).operations.is_empty()).await;
        planned.problems
    }
}

fn wanted() -> (Vec<DesiredBridge>, Vec<DesiredPort>) {
    let bridge = |name: &str, role| DesiredBridge {
        name: name.into(),
        role,
        datapath_type: "netdev".into(),
        controllers: vec!["tcp:127.0.0.1:6633".into()],
        controller_rate_limit: Some(10_000),
    };
    let patch = |bridge: &str, name: &str, peer: &str| DesiredPort {
        bridge: bridge.into(),
        name: name.into(),
        kind: PortKind::Patch { peer: peer.into() },
    };
    let vxlan = |remote: &str| {
        let remote_ip = remote.parse().unwrap();
        let kind = PortKind::Vxlan { remote_ip, local_ip: "192.0.2.1".parse().unwrap() };
        DesiredPort { bridge: "br-tun".into(), name: tunnel_port_name(remote_ip), kind }
    };
    let ports = vec![
        patch("br-int", "patch-tun", "patch-int"),
        patch("br-tun", "patch-int", "patch-tun"),
        vxlan("192.0.2.2"),
        vxlan("192.0.2.3"),
    ];
    (vec![bridge("br-int", Role::Integration), bridge("br-tun", Role::Tunnel)], ports)
}

fn insert_root() -> Vec<Operation> {
    vec![Operation::insert(Table::OpenVswitch, "root", Vec::new())]
}

/// The rows of bridges, ports, interfaces and controllers: the same rows, whatever their content.
fn rows(db: &Database) -> Vec<Uuid> {
    let mut rows: Vec<Uuid> = Vec::new();
    for (uuid, bridge) in db.bridges() {
        rows.push(uuid);
        rows.extend(&bridge.controllers);
        for port in &bridge.ports {
            rows.push(*port);
            rows.extend(db.interfaces_of(*port).map(|(uuid, _)| uuid));
        }
    }
    rows.sort();
    rows
}

#[tokio::test]
async fn over_unix_and_tcp_the_snapshot_and_later_changes_arrive() {
    if !ovsdb_is_installed() {
        return;
    }
    let server = Server::start();
    let unix = Watcher::connect_and_init(server.unix()).await;
    let before = unix.db.clone();
    drop(unix);
    let mut tcp = Watcher::connect(server.tcp().await).await;
    assert_eq!(tcp.db, before);
    let (bridges, ports) = wanted();
    assert_eq!(tcp.apply(&bridges, &ports).await, []);
    let (br_int, _) = tcp.db.bridge_named("br-int").unwrap();
    let (port, row) = tcp.db.port_named("patch-tun").unwrap();
    assert_eq!(tcp.db.bridge_of_port(port), Some(br_int));
    assert_eq!(row.external_ids["heddle"], "port");
    assert_eq!(tcp.db.only_interface_of(port).unwrap().1.options["peer"], "patch-int");
    let before = tcp.db.clone();
    drop(tcp);

    let mut late = Watcher::connect(server.unix()).await;
    assert_eq!(late.db, before);
    late.apply(&bridges, &ports[..2]).await;
    assert!(late.db.interface_named("vxlan-c0000202").is_none());
}

#[tokio::test]
async fn of_two_clients_one_stands_by_and_serves_at_once_when_the_other_ends() {
    if !ovsdb_is_installed() {
        return;
    }
    let server = Server::start();
    let mut first = Watcher::connect_and_init(server.unix()).await;
    let mut second = Watcher::spawn(server.unix());
    second.until("that it stands by", |watcher| watcher.stood_by == 1).await;
    assert_eq!(second.transact(insert_root()).await, Err(TransactError::Disconnected));
    assert_eq!(second.snapshots, 0);
    let (bridges, ports) = wanted();
    first.apply(&bridges, &ports).await;
    let left = first.db.clone();
    drop(first);
    second.until("its snapshot", |watcher| watcher.snapshots == 1).await;
    assert_eq!((second.db, second.disconnects), (left, 0));
}

#[tokio::test]
async fn a_client_whose_lock_is_stolen_writes_nothing_more_and_stands_by_until_it_is_back() {
    if !ovsdb_is_installed() {
        return;
    }
    let server = Server::start();
    let mut watcher = Watcher::connect_and_init(server.unix()).await;
    let mut thief = Command::new("ovsdb-client")
        .args(["steal", &server.unix().to_string(), "heddle"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    watcher.until("that the lock is gone", |watcher| watcher.stood_by == 1).await;
    assert_eq!((watcher.disconnects, watcher.transact(insert_root()).await), (1, Err(TransactError::Disconnected)));
    thief.kill().unwrap();
    thief.wait().unwrap();
    watcher.until("the lock again", |watcher| watcher.snapshots == 2).await;
}

#[tokio::test]
async fn a_plan_that_was_applied_leaves_nothing_to_do_and_a_new_one_writes_only_the_difference() {
    if !ovsdb_is_installed() {
        return;
    }
    let server = Server::start();
    let mut watcher = Watcher::connect_and_init(server.unix()).await;
    let (bridges, mut ports) = wanted();
    watcher.apply(&bridges, &ports).await;
    let before = rows(&watcher.db);

    // Somebody spoils a few settings; the rows stay and get what differs.
    let (br_int, _) = watcher.db.bridge_named("br-int").unwrap();
    let (patch, _) = watcher.db.interface_named("patch-tun").unwrap();
    let spoil = vec![
        Operation::update(Table::Bridge, br_int, vec![("fail_mode", Datum::EMPTY)]),
        Operation::mutate(Table::Interface, patch, Mutation::set_key("options", "peer", "elsewhere").into()),
    ];
    watcher.transact(spoil).await.unwrap();
    let spoilt = |watcher: &Watcher| watcher.db.bridge_named("br-int").unwrap().1.fail_mode.is_none();
    watcher.until("the spoilt settings", spoilt).await;
    assert_eq!(plan(&watcher.db, &bridges, &ports).operations.len(), 3, "an update, a mutate and the comment");
    watcher.apply(&bridges, &ports).await;
    assert_eq!(rows(&watcher.db), before);

    // A tunnel goes to another bridge and back: its name is free in the same transaction.
    ports[3].bridge = "br-int".into();
    watcher.apply(&bridges, &ports).await;
    ports[3].bridge = "br-tun".into();
    watcher.apply(&bridges, &ports).await;
    let (port, _) = watcher.db.port_named("vxlan-c0000203").unwrap();
    let holder = watcher.db.bridge_of_port(port).and_then(|bridge| watcher.db.bridge(bridge)).unwrap();
    assert_eq!(holder.name, "br-tun");
}

#[tokio::test]
async fn a_port_is_bound_and_the_keys_of_others_stay() {
    if !ovsdb_is_installed() {
        return;
    }
    let server = Server::start();
    let mut watcher = Watcher::connect_and_init(server.unix()).await;
    let (bridges, ports) = wanted();
    watcher.apply(&bridges, &ports).await;
    let (uuid, row) = watcher.db.port_named("patch-tun").unwrap();
    let (interface, interface_row) = watcher.db.only_interface_of(uuid).unwrap();
    let trunk = Datum::set([7]);
    let mut operations = vec![Operation::update(Table::Port, uuid, vec![("trunks", trunk)])];
    operations.extend(port_state::bind_port(uuid, row, 3, "blue"));
    operations.extend(port_state::mark_installed(interface, interface_row));
    watcher.transact(operations).await.unwrap();
    let installed = |watcher: &Watcher| {
        watcher.db.interface(interface).is_some_and(|row| row.external_ids.contains_key("heddle-installed"))
    };
    watcher.until("the mark", installed).await;
    let row = watcher.db.port(uuid).unwrap();
    assert_eq!((row.tag, row.external_ids["heddle-network"].as_str()), (Some(3), "blue"));
    assert_eq!(row.external_ids["heddle"], "port");
    watcher.transact(port_state::bind_port(uuid, row, 3, "blue")).await.unwrap();
    watcher.until("an access port", |watcher| watcher.db.port(uuid).unwrap().trunks.is_empty()).await;
    watcher.transact(port_state::kill_port(uuid, watcher.db.port(uuid).unwrap())).await.unwrap();
    watcher.until("the dead VLAN", |watcher| watcher.db.port(uuid).unwrap().tag == Some(4095)).await;
    assert!(!watcher.db.port(uuid).unwrap().external_ids.contains_key("heddle-network"));
}

#[tokio::test]
async fn after_a_restart_of_the_server_the_client_is_back_with_a_new_snapshot() {
    if !ovsdb_is_installed() {
        return;
    }
    let mut server = Server::start();
    let mut watcher = Watcher::connect_and_init(server.unix()).await;
    let (bridges, ports) = wanted();
    watcher.apply(&bridges, &ports).await;
    let before = watcher.db.clone();
    server.stop();
    watcher.until("the loss", |watcher| watcher.disconnects == 1).await;
    assert_eq!(watcher.transact(insert_root()).await, Err(TransactError::Disconnected));
    server.start_again();
    watcher.until("a second snapshot", |watcher| watcher.snapshots == 2).await;
    assert_eq!(watcher.db, before);
    assert_eq!(watcher.disconnects, 1);
    assert_eq!(watcher.transact(vec![Operation::Comment("back".into())]).await, Ok(vec![OpResult::Done]));
}

#[tokio::test]
async fn a_server_that_starts_late_is_found() {
    if !ovsdb_is_installed() {
        return;
    }
    let mut server = Server::start();
    server.stop();
    let (client, events) = Client::spawn(server.unix(), None);
    let mut watcher = Watcher { client, events, db: Database::default(), snapshots: 0, disconnects: 0, stood_by: 0 };
    watcher.until("the first failure", |watcher| watcher.disconnects == 1).await;
    server.start_again();
    watcher.until("a snapshot", |watcher| watcher.snapshots == 1).await;
}

#[tokio::test]
async fn a_failed_transaction_names_its_operation_and_changes_nothing() {
    if !ovsdb_is_installed() {
        return;
    }
    let server = Server::start();
    let mut watcher = Watcher::connect_and_init(server.unix()).await;
    let (root, _) = watcher.db.open_vswitch().unwrap();

    let wait = Operation::wait(Table::OpenVswitch, root, vec![("next_cfg", 77.into())]);
    let error = watcher.transact(vec![Operation::Comment("first".into()), wait]).await.unwrap_err();
    assert!(matches!(&error, TransactError::Operation { index: 1, error, .. } if error == "timed out"), "{error}");

    let column = Operation::update(Table::OpenVswitch, root, vec![("no_such_column", 1.into())]);
    let error = watcher.transact(vec![column]).await.unwrap_err();
    assert!(error.to_string().starts_with("operation 0 (update Open_vSwitch): "), "{error}");

    let error = watcher.transact(insert_root()).await.unwrap_err();
    assert!(matches!(&error, TransactError::Commit { error, .. } if error == "constraint violation"), "{error}");

    // Several at once, each with its own answer.
    let good = vec![Operation::update(Table::OpenVswitch, root, vec![("next_cfg", 5.into())])];
    let (first, second, third) = tokio::join!(
        watcher.transact(good.clone()),
        watcher.transact(insert_root()),
        watcher.transact(vec![Operation::delete(Table::Bridge, Uuid([9; 16]))]),
    );
    assert_eq!(first, Ok(vec![OpResult::Count(1)]));
    assert!(second.is_err());
    assert_eq!(third, Ok(vec![OpResult::Count(0)]));
    watcher.until("the one change", |watcher| watcher.db.open_vswitch().unwrap().1.next_cfg == 5).await;
}

#[tokio::test]
async fn the_switch_makes_what_was_planned_and_tells_the_port_numbers() {
    if !ovsdb_is_installed() {
        return;
    }
    let server = Server::start();
    let _switch = Switch::start(&server);
    let mut watcher = Watcher::connect(server.unix()).await;
    let (bridges, ports) = wanted();
    assert_eq!(watcher.apply(&bridges, &ports).await, []);
    let ofport = |watcher: &Watcher, name: &str| watcher.db.interface_named(name).map(|(_, row)| row.ofport);
    let is_made = |watcher: &Watcher| {
        ["br-int", "br-tun"].iter().all(|name| watcher.db.bridge_named(name).unwrap().1.datapath_id.is_some())
            && ports.iter().all(|port| ofport(watcher, &port.name).is_some_and(|ofport| ofport.port_no().is_some()))
    };
    watcher.until("datapath ids and port numbers", is_made).await;
    assert_eq!(ofport(&watcher, "br-int"), Some(Ofport::Valid(PortNo::LOCAL)));

    // An interface that the switch cannot make is told apart from one that it has not seen.
    let (br_int, _) = watcher.db.bridge_named("br-int").unwrap();
    let port = Datum::set([Atom::NamedUuid("p".into())]);
    let interface = Datum::from(Atom::NamedUuid("i".into()));
    let operations = vec![
        Operation::insert(Table::Interface, "i", vec![("name", "odd".into()), ("type", "no-such-type".into())]),
        Operation::insert(Table::Port, "p", vec![("name", "odd".into()), ("interfaces", interface)]),
        Operation::mutate(Table::Bridge, br_int, vec![Mutation::insert("ports", port)]),
    ];
    watcher.transact(operations).await.unwrap();
    watcher.until("the failure", |watcher| ofport(watcher, "odd") == Some(Ofport::Failed)).await;
    assert_eq!(plan(&watcher.db, &bridges, &ports).operations, [], "a port of somebody else is left alone");
}

#[tokio::test]
async fn an_owner_that_takes_no_events_still_gets_its_answers_and_misses_nothing() {
    if !ovsdb_is_installed() {
        return;
    }
    let server = Server::start();
    let mut watcher = Watcher::connect_and_init(server.unix()).await;
    let (root, _) = watcher.db.open_vswitch().unwrap();
    for number in 1..=200 {
        let row = vec![("next_cfg", number.into())];
        watcher.transact(vec![Operation::update(Table::OpenVswitch, root, row)]).await.unwrap();
    }
    watcher.until("the last change", |watcher| watcher.db.open_vswitch().unwrap().1.next_cfg == 200).await;
    assert_eq!(watcher.snapshots, 1);
}
