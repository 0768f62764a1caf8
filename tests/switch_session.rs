//! Sessions with a real Open vSwitch: what is wanted is what the switch holds, whoever else meddles with it.

#[path = "support/switch.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests, which use the rest")]
mod switch;

use std::collections::BTreeMap;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use heddle::flow::{Changes, Flow, FlowTable, LearntScope};
use heddle::openflow::{Action, Cookie, ErrorCode, FlowStats, Match, PortNo, TableId};
use heddle::pipeline::cookie::{self, Kind};
use heddle::pipeline::{
    AnsweredBy, Answering, Bindings, Bridge, Desired, Layout, LocalVlan, PatchPorts, View, all_flows,
};
use heddle::switch::{Command, ConnectionId, News, Ownership, Progress, Report, Wanted, drive};
use heddle::topology::Topology;
use switch::{DEADLINE, Switch};

const BRIDGE: &str = "br0";

/// One session and what it reported.
struct Session {
    reports: mpsc::Receiver<Report>,
    commands: mpsc::UnboundedSender<Command>,
    /// FLOW_MODs that the last audit asked for.
    differences: Option<usize>,
    progress: Progress,
    task: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// Connects to the bridge and keeps its flows as `wanted`.
    async fn with(switch: &Switch, bridge: &str, wanted: Wanted) -> Self {
        let stream = UnixStream::connect(switch.path(&format!("{bridge}.mgmt"))).await.unwrap();
        Self::over(stream, wanted).await
    }

    async fn over(stream: UnixStream, wanted: Wanted) -> Self {
        let (sender, mut reports) = mpsc::channel(16);
        let task = tokio::spawn(drive(stream, "the bridge".into(), ConnectionId(1), sender)).abort_handle();
        let commands = loop {
            match tokio::time::timeout(DEADLINE, reports.recv()).await.expect("identified in time").unwrap().news {
                News::Identified { commands, .. } => break commands,
                News::Closed { .. } => panic!("the session ended"),
                _ => {}
            }
        };
        assert!(commands.send(Command::Adopt(Box::new(wanted))).is_ok());
        Self { reports, commands, differences: None, progress: Progress::default(), task }
    }

    /// Waits for a progress that is `enough`; `None` if the session ended before.
    async fn until(&mut self, what: &str, enough: impl Fn(&Progress) -> bool) -> Option<&Progress> {
        while !enough(&self.progress) {
            let report = tokio::time::timeout(DEADLINE, self.reports.recv()).await;
            match report.unwrap_or_else(|_| panic!("gave up waiting for {what}: {:?}", self.progress))?.news {
                News::Progress(progress) => self.progress = *progress,
                News::Audited { differences, .. } => self.differences = Some(differences),
                News::Closed { .. } => return None,
                News::Identified { .. }
                | News::Punts(_)
                | News::SecurityLog(_)
                | News::Learning(_)
                | News::Crowded { .. } => {}
            }
        }
        Some(&self.progress)
    }

    /// Waits until `generation` is in effect and returns how many FLOW_MODs were sent since the beginning.
    async fn in_effect(&mut self, generation: u64) -> u64 {
        let what = format!("generation {generation}");
        self.until(&what, |progress| progress.generation >= generation).await.expect("the session goes on").flow_mods
    }
}

fn wanted(flows: impl IntoIterator<Item = Arc<Flow>>) -> Wanted {
    Wanted { ownership: Ownership::All, flows: flows.into_iter().collect(), learnt: Vec::new(), generation: 1 }
}

fn flow(number: u32) -> Arc<Flow> {
    let actions = [Action::output(PortNo(number % 7 + 1))];
    let matching = Match::new().tun_id(u64::from(number));
    Arc::new(Flow::new(TableId(4), 7, &matching, cookie::cookie(Kind::Normal, ""), &actions, None).unwrap())
}

/// A flow with these raw instructions.
fn raw_flow(priority: u16, instructions: &[u8]) -> Arc<Flow> {
    Arc::new(Flow::from_stats(&FlowStats {
        table: TableId(0),
        duration_sec: 0,
        duration_nsec: 0,
        priority,
        idle_timeout: 0,
        hard_timeout: 0,
        flags: Default::default(),
        cookie: Cookie(1),
        packet_count: 0,
        byte_count: 0,
        match_tlvs: &[],
        instructions,
        instructions_offset: 0,
    }))
}

/// Apply-actions with an output to a port number that Open vSwitch refuses as the message arrives.
const BAD_PORT: [u8; 24] = [0, 4, 0, 24, 0, 0, 0, 0, 0, 0, 0, 16, 0xff, 0xff, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
/// Apply-actions with a group that does not exist: refused when the bundle is committed.
const NO_GROUP: [u8; 16] = [0, 4, 0, 16, 0, 0, 0, 0, 0, 22, 0, 8, 0, 0, 0x12, 0x34];

fn ofctl(switch: &Switch, command: &str, arguments: &[&str]) -> String {
    let socket = format!("unix:{BRIDGE}.mgmt");
    switch.run("ovs-ofctl", &[&["-OOpenFlow13", command, &socket], arguments].concat())
}

/// The flows of the bridge, without what changes by itself.
fn dump(switch: &Switch) -> Vec<String> {
    let text = ofctl(switch, "dump-flows", &["--no-stats"]);
    let mut flows: Vec<String> =
        text.lines().filter(|line| line.contains("actions=")).map(|line| line.trim().to_owned()).collect();
    flows.sort();
    flows
}

/// The seconds since the youngest flow was added.
fn youngest(switch: &Switch) -> f64 {
    let text = ofctl(switch, "dump-flows", &[]);
    let durations = text.split("duration=").skip(1).map(|rest| rest.split('s').next().unwrap().parse().unwrap());
    durations.fold(f64::MAX, f64::min)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_bridge_gets_20000_flows_and_an_audit_then_finds_nothing_to_do() {
    let Some(switch) = Switch::start(&[BRIDGE]) else { return };
    let flows: Vec<Arc<Flow>> = (0..20_000).map(flow).collect();
    let mut session = Session::with(&switch, BRIDGE, wanted(flows.clone())).await;
    assert_eq!(session.in_effect(1).await, 20_000);
    assert_eq!(dump(&switch).len(), 20_000);
    drop(session);

    let confirmed = Instant::now();
    let mut again = Session::with(&switch, BRIDGE, wanted(flows)).await;
    assert_eq!(again.in_effect(1).await, 0);
    assert_eq!(again.differences, Some(0));
    let since = confirmed.elapsed().as_secs_f64();
    assert!(youngest(&switch) >= since, "a flow is younger than {since} s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_changes_is_sent() {
    let Some(switch) = Switch::start(&[BRIDGE]) else { return };
    let mut session = Session::with(&switch, BRIDGE, wanted((0..100).map(flow))).await;
    assert_eq!(session.in_effect(1).await, 100);
    let changes = Changes { add: vec![flow(100)], delete: vec![flow(0)], ..Changes::default() };
    assert!(session.commands.send(Command::Update { generation: 2, changes }).is_ok());
    assert_eq!(session.in_effect(2).await, 102);
    let flows = dump(&switch);
    assert_eq!(flows.len(), 100);
    assert!(
        flows.iter().any(|flow| flow.contains("tun_id=0x64 ")) && !flows.iter().any(|flow| flow.contains("tun_id=0 "))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_delete_change_or_add_is_repaired_within_a_second() {
    let Some(switch) = Switch::start(&[BRIDGE]) else { return };
    let mut session = Session::with(&switch, BRIDGE, wanted((1..100).map(flow))).await;
    session.in_effect(1).await;
    let expected = dump(&switch);
    let mut count = 0;
    for (command, argument, flows) in [
        ("del-flows", "table=4,tun_id=5", 1),
        ("del-flows", "table=4", 99),
        ("mod-flows", "table=4,tun_id=6,actions=drop", 1),
        ("add-flow", "table=4,priority=7,tun_id=8,cookie=9,actions=drop", 1),
        ("add-flow", "table=9,actions=normal", 1),
    ] {
        ofctl(&switch, command, &[argument]);
        let began = Instant::now();
        count += flows;
        session.until(command, |progress| progress.repaired >= count).await.expect("the session goes on");
        assert!(began.elapsed() < Duration::from_secs(1), "{command} took {:?}", began.elapsed());
        assert_eq!(dump(&switch), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_flow_holds_no_other_back() {
    let Some(switch) = Switch::start(&[BRIDGE]) else { return };
    let refused = [raw_flow(1, &BAD_PORT), raw_flow(2, &NO_GROUP)];
    let flows = (1..100).map(flow).chain(refused.clone());
    let mut session = Session::with(&switch, BRIDGE, wanted(flows)).await;
    session.in_effect(1).await;
    assert_eq!(dump(&switch).len(), 99);
    let found: Vec<_> = session.progress.rejected.iter().map(|rejected| (&rejected.flow, rejected.code)).collect();
    assert_eq!(found, [(&refused[0], ErrorCode::BAC_BAD_OUT_PORT), (&refused[1], ErrorCode::BAC_BAD_OUT_GROUP)]);
    assert_eq!(session.progress.installed, 99);

    // The group comes: so does the flow, when it is tried again.
    ofctl(&switch, "add-group", &["group_id=0x1234,type=all"]);
    session.until("the flow with a group", |progress| progress.rejected.len() == 1).await;
    assert_eq!(dump(&switch).len(), 100);
}

/// An `ovs-vswitchd` that takes the place of the first.
struct Vswitchd(Child);

impl Vswitchd {
    fn start(switch: &Switch) -> Self {
        let folder = switch.path("");
        let mut command = Process::new("unshare");
        command.args(["--net", "ovs-vswitchd", "--no-chdir", "--disable-system", "--unixctl=vs2.ctl", "unix:db.sock"]);
        command.env("OVS_RUNDIR", &folder).env("OVS_LOGDIR", &folder).current_dir(&folder);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Vswitchd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_switch_connects_again_and_gets_its_flows() {
    let Some(switch) = Switch::start(&[BRIDGE]) else { return };
    let listener = UnixListener::bind(switch.path("controller")).unwrap();
    let target = format!("unix:{}", switch.path("controller").display());
    switch.vsctl(&["--", "set-controller", BRIDGE, &target]);
    let (stream, _) = tokio::time::timeout(DEADLINE, listener.accept()).await.expect("a connection").unwrap();
    let mut session = Session::over(stream, wanted((1..100).map(flow))).await;
    session.in_effect(1).await;
    let expected = dump(&switch);

    switch.run("kill", &["-KILL", &switch.vswitchd().to_string()]);
    assert!(session.until("the end of the session", |_| false).await.is_none());
    let _vswitchd = Vswitchd::start(&switch);
    let (stream, _) = tokio::time::timeout(DEADLINE, listener.accept()).await.expect("a connection").unwrap();
    let mut session = Session::over(stream, wanted((1..100).map(flow))).await;
    assert_eq!(session.in_effect(1).await, 99);
    assert_eq!(session.differences, Some(99));
    assert_eq!(dump(&switch), expected);
}

const TOPOLOGY: &str = r#"
    nodes = { here.tunnel_ip = "192.0.2.1", a.tunnel_ip = "192.0.2.2", b.tunnel_ip = "192.0.2.3" }
    [networks]
    local.type = "local"
    flat = { type = "flat", physical_network = "phys" }
    vlan = { type = "vlan", physical_network = "phys", segmentation_id = 4094 }
    blue = { type = "vxlan", segmentation_id = 16777215, subnets.blue4.cidr = "10.0.0.0/8", subnets.blue6.cidr = "2001:db8::/64" }
    red = { type = "vxlan", segmentation_id = 1 }
    [ports]
    l1 = { network = "local", node = "here", mac_address = "fa:16:3e:00:00:01" }
    f1 = { network = "flat", node = "here", mac_address = "fa:16:3e:00:00:02", port_security = false }
    v1 = { network = "vlan", node = "here", mac_address = "fa:16:3e:00:00:03" }
    r1 = { network = "red", node = "here", mac_address = "fa:16:3e:00:00:04" }
    r2 = { network = "red", node = "b", mac_address = "fa:16:3e:00:00:05" }
    b2 = { network = "blue", node = "a", mac_address = "fa:16:3e:00:00:07", fixed_ips = ["10.0.0.7", "2001:db8::7"] }
    b3 = { network = "blue", node = "b", mac_address = "fa:16:3e:00:00:08", fixed_ips = ["10.255.255.1"] }
    [ports.b1]
    network = "blue"
    node = "here"
    mac_address = "fa:16:3e:00:00:06"
    fixed_ips = ["10.0.0.6", "2001:db8::6"]
    allowed_address_pairs = [
        { ip_address = "10.1.0.0/16" }, { ip_address = "0.0.0.0/0", mac_address = "fe:00:00:00:00:01" },
        { ip_address = "2001:db8::/127" }, { ip_address = "192.0.2.77/32" },
    ]
"#;

/// A host with ports of every kind of network.
struct Host {
    topology: Topology,
    layout: Layout,
    bindings: Bindings,
}

impl Host {
    fn new(l2_population: bool) -> Self {
        let topology = Topology::parse(TOPOLOGY, "topology.toml").unwrap_or_else(|error| panic!("{error}"));
        let in_flows = Answering { by: AnsweredBy::Flows, default: true };
        let layout = Layout {
            node: "here".into(),
            physical_networks: vec!["phys".into()],
            l2_population,
            arp_responder: in_flows,
            nd_responder: in_flows,
        };
        let names = ["local", "flat", "vlan", "blue", "red"];
        let vlans = [1, 2, 4094, 7, 100].map(|vid| LocalVlan::new(vid).unwrap());
        let ports = ["l1", "f1", "v1", "r1", "b1"].iter().zip(11..);
        let bindings = Bindings {
            patch_tun: Some(PortNo(1)),
            patch_int: Some(PortNo(1)),
            physical: [("phys".into(), PatchPorts { integration: Some(PortNo(2)), physical: Some(PortNo(9)) })].into(),
            tunnels: [("a".into(), PortNo(3)), ("b".into(), PortNo(4))].into(),
            ports: ports.map(|(&name, number)| (name.into(), PortNo(number))).collect(),
            local_vlans: names.iter().zip(vlans).map(|(&name, vlan)| (name.into(), vlan)).collect(),
            ..Bindings::default()
        };
        Self { topology, layout, bindings }
    }

    fn view(&self) -> View<'_> {
        View { topology: &self.topology, layout: &self.layout, bindings: &self.bindings }
    }

    fn flows(&self) -> BTreeMap<Bridge, FlowTable> {
        all_flows(&self.view())
    }

    fn learnt_scopes(&self) -> Vec<LearntScope> {
        let mut desired = Desired::new();
        desired.update(&self.view(), self.view().objects());
        desired.learnt_scopes()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_flow_of_the_pipeline_comes_back_from_the_switch_as_it_was_sent() {
    let names = ["br-int", "br-tun", "br-phys"];
    let Some(switch) = Switch::start(&names) else { return };
    for l2_population in [true, false] {
        let flows = Host::new(l2_population).flows();
        for (name, flows) in names.iter().zip(flows.values()) {
            let all = || wanted(flows.iter().cloned());
            let mut session = Session::with(&switch, name, all()).await;
            session.in_effect(1).await;
            assert!(session.progress.rejected.is_empty(), "{name}: {:?}", session.progress.rejected);
            drop(session);
            let mut again = Session::with(&switch, name, all()).await;
            again.in_effect(1).await;
            assert_eq!((again.differences, again.progress.installed), (Some(0), flows.len()), "{name}");
            assert!(flows.len() >= 3, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn learnt_flows_survive_an_audit_as_long_as_they_lead_somewhere() {
    let Some(switch) = Switch::start(&[BRIDGE]) else { return };
    let host = Host::new(false);
    let flows = host.flows().remove(&Bridge::Tunnel).unwrap();
    let with = |learnt| Wanted { learnt, ..wanted(flows.iter().cloned()) };
    let mut session = Session::with(&switch, BRIDGE, with(host.learnt_scopes())).await;
    session.in_effect(1).await;
    // Packets through the tunnel to node b: of its port r2, of a stranger in the same network.
    for mac in ["fa163e000005", "fa163e0000ff"] {
        let packet = format!("ffffffffffff{mac}0806{}", "00".repeat(46));
        let out = format!("in_port=4 packet={packet} actions=set_field:1->tun_id,resubmit(,4)");
        ofctl(&switch, "packet-out", &[&out]);
    }
    let learnt = |switch: &Switch| dump(switch).iter().filter(|flow| flow.starts_with("cookie=0x4ed12f")).count();
    assert_eq!(learnt(&switch), 2);
    drop(session);
    let mut again = Session::with(&switch, BRIDGE, with(host.learnt_scopes())).await;
    assert_eq!((again.in_effect(1).await, again.differences, learnt(&switch)), (0, Some(0), 2));
    drop(again);

    // The port moved from b to a: what was learnt of it goes, what was learnt of the stranger stays.
    let moved: Vec<LearntScope> = host
        .learnt_scopes()
        .into_iter()
        .map(|scope| LearntScope {
            out_port: if scope.matching.as_bytes().len() > 16 { PortNo(3) } else { scope.out_port },
            ..scope
        })
        .collect();
    let mut again = Session::with(&switch, BRIDGE, with(moved)).await;
    assert_eq!((again.in_effect(1).await, learnt(&switch)), (1, 1));
    drop(again);

    // The tunnel goes: so does the rest.
    let without = host.learnt_scopes().into_iter().filter(|scope| scope.out_port != PortNo(4)).collect();
    let mut again = Session::with(&switch, BRIDGE, with(without)).await;
    assert_eq!((again.in_effect(1).await, learnt(&switch)), (1, 0));
}
