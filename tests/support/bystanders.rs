//! Those whom an attack must not harm, and what it does to them: a bridge that asks Heddle for echoes, the flows that
//! follow the topology, the memory and the descriptors of the daemon.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use heddle::openflow::experimenter::Experimenter;
use heddle::openflow::flow_monitor::{FlowMonitorFlags, FlowMonitorRequest, FlowUpdate};
use heddle::openflow::multipart::Multipart;
use heddle::openflow::{Entries, MessageType, Xid};

use super::client::{Client, parse};
use super::lab::{Host, Lab, eventually, logs};
use super::peer::Peer;

/// The name and the datapath id of the bridge that asks for echoes; Heddle is to have it as a learning one.
pub const PROBE: (&str, u64) = ("probe", 0xec40);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two looks at the daemon.
const LOOK: Duration = Duration::from_millis(50);
/// What a change of the topology may take, on a machine that does other things as well.
pub const GRANTED: Duration = Duration::from_secs(10);

/// What the daemon has in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Resident memory in bytes.
    pub memory: u64,
    /// Files and sockets.
    pub descriptors: usize,
}

impl Usage {
    /// Now.
    pub fn of(host: &Host) -> Self {
        Self::of_process(host.heddle_pid(), host.heddle_memory())
    }

    fn of_process(pid: i32, memory: u64) -> Self {
        Self { memory, descriptors: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count) }
    }

    fn max(self, other: Self) -> Self {
        Self { memory: self.memory.max(other.memory), descriptors: self.descriptors.max(other.descriptors) }
    }
}

/// What was seen before an attack, during it, or after it.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Round trips of echoes, sorted.
    pub echoes: Vec<Duration>,
    /// From saving the topology to the flow in the switch, sorted.
    pub applies: Vec<Duration>,
    /// The most that was in use.
    pub usage: Usage,
}

impl Figures {
    fn line(&self) -> String {
        let [echo, slowest] = [middle(&self.echoes), last(&self.echoes)].map(|time| time.as_micros());
        let [apply, latest] = [middle(&self.applies), last(&self.applies)].map(|time| time.as_millis());
        let Usage { memory, descriptors } = self.usage;
        let memory = memory as f64 / f64::from(1 << 20);
        format!(
            "echo {echo} us (at most {slowest}), apply {apply} ms (at most {latest}), {memory:.1} MiB, {descriptors} fds"
        )
    }
}

fn middle(sorted: &[Duration]) -> Duration {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn last(sorted: &[Duration]) -> Duration {
    sorted.last().copied().unwrap_or_default()
}

/// A thread that goes on until it is told to stop.
pub struct Beside<T> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Beside<T> {
    /// Starts it; `job` looks at what it is given.
    pub fn start(job: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        Self { stop, thread: std::thread::spawn(move || job(&told)) }
    }

    /// Tells it to stop, and waits for what it has found.
    pub fn stop(self) -> T {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// See the module.
pub struct Bystanders<'a> {
    lab: &'a Lab,
    host: &'a Host,
    monitor: Client,
    probe: Option<Beside<()>>,
    echoes: Arc<Mutex<Vec<Duration>>>,
    changes: u8,
}

impl<'a> Bystanders<'a> {
    /// On the lab's first host, which serves [`PROBE`] and has a port `r1`.
    pub fn start(lab: &'a Lab) -> Self {
        let host = &lab.hosts()[0];
        host.wait_served();
        let echoes: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let (mut peer, into) = (Peer::connect(host), echoes.clone());
        let probe = Beside::start(move |stop| {
            peer.be_a_bridge(PROBE.0, PROBE.1);
            while !stop.load(Ordering::Relaxed) {
                into.lock().unwrap().push(peer.echo());
                std::thread::sleep(PAUSE);
            }
        });
        let monitor = watch(host);
        let begun = Self { lab, host, monitor, probe: Some(probe), echoes, changes: 0 };
        eventually("the probe is answered", GRANTED, || !begun.echoes.lock().unwrap().is_empty());
        begun
    }

    /// From saving a change of the topology to the flow in `br-int`.
    pub fn apply(&mut self) -> Duration {
        self.changes = self.changes % 200 + 1;
        let address = format!("172.18.0.{}", 30 + self.changes);
        let began = Instant::now();
        self.lab.edit_topology(|topology| topology.port("r1").allowed_address_pairs = vec![(address, None)]);
        while !self.monitor.receive_within(GRANTED).is_some_and(|bytes| is_addition(&bytes)) {
            assert!(began.elapsed() < GRANTED, "no flow follows the topology\n{}", logs());
        }
        let took = began.elapsed();
        // What else comes of the same change is no other one's.
        while self.monitor.receive_within(PAUSE).is_some() {}
        took
    }

    /// Does `job` and sees what it does to everybody, in several changes of the topology at least.
    pub fn during(&mut self, job: impl FnOnce() + Send) -> Figures {
        self.echoes.lock().unwrap().clear();
        let (pid, mut applies) = (self.host.heddle_pid(), Vec::new());
        let looks = Beside::start(move |stop| {
            let mut most = Usage::default();
            while !stop.load(Ordering::Relaxed) {
                most = most.max(Usage::of_process(pid, memory(pid)));
                std::thread::sleep(LOOK);
            }
            most
        });
        std::thread::scope(|scope| {
            let attack = scope.spawn(job);
            while applies.len() < 3 || !attack.is_finished() {
                applies.push(self.apply());
            }
            attack.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        applies.sort_unstable();
        let mut echoes = std::mem::take(&mut *self.echoes.lock().unwrap());
        echoes.sort_unstable();
        assert!(!echoes.is_empty(), "not a single echo was answered\n{}", logs());
        Figures { echoes, applies, usage: looks.stop() }
    }

    /// An attack, with 100 pings per second running: none is lost, no bridge is disconnected, and afterwards Heddle has
    /// in use what it had before. `room` is what it may have in use beside that meanwhile.
    pub fn withstand(&mut self, name: &str, room: Usage, attack: impl FnOnce() + Send) {
        let connected = self.connections();
        let before = self.during(|| {});
        let pings = self.lab.vm("r1").ping_stream("r2", Duration::from_millis(10));
        let during = self.during(attack);
        let pings = pings.stop();
        let after = self.during(|| {});
        let had = before.usage;
        eventually("the descriptors are given back", GRANTED, || {
            Usage::of(self.host).descriptors <= had.descriptors + 2
        });
        println!("ATTACK | {name}");
        for (when, figures) in [("before", &before), ("during", &during), ("after", &after)] {
            println!("ATTACK |   {when}: {}", figures.line());
        }
        println!("ATTACK |   pings lost: {} of {}", pings.lost.len(), pings.sent);
        assert!(pings.all(), "{pings:?}\n{}", logs());
        assert_eq!(self.connections(), connected, "a bridge was disconnected\n{}", logs());
        let Usage { memory, descriptors } = during.usage;
        assert!(
            descriptors <= had.descriptors + room.descriptors,
            "{descriptors} descriptors, {} before",
            had.descriptors
        );
        assert!(memory <= had.memory + room.memory, "{memory} bytes of memory, {} before", had.memory);
    }

    /// Where each bridge connects from.
    fn connections(&self) -> Vec<(String, String)> {
        let status = self.host.heddle_status();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let bridges = status["bridges"].as_array().expect("it has bridges");
        bridges.iter().map(|bridge| (text(&bridge["name"]), text(&bridge["connected_from"]))).collect()
    }
}

impl Drop for Bystanders<'_> {
    fn drop(&mut self) {
        if let Some(probe) = self.probe.take() {
            probe.stop.store(true, Ordering::Relaxed);
            // What went wrong in it is said already.
            let _ended = probe.thread.join();
        }
    }
}

impl Host {
    /// Waits until every bridge but learning ones, and every port, is as wanted.
    fn wait_served(&self) {
        self.wait_status("that all is as wanted", |status| {
            let rows = |list: &str| status[list].as_array().cloned().unwrap_or_default();
            let mut bridges = rows("bridges").into_iter().filter(|row| row["role"] != "learning");
            bridges.all(|row| row["connected_from"].is_string() && row["installed"] == row["wanted"])
                && rows("ports").iter().all(|port| port["state"] == "installed")
        });
    }
}

fn memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
}

/// A flow monitor on `br-int`, which tells of what Heddle does.
fn watch(host: &Host) -> Client {
    let mut client = Client::connect(&host.mgmt("br-int"), GRANTED);
    let flags = FlowMonitorFlags::ADD | FlowMonitorFlags::ACTIONS;
    client.send(|w| FlowMonitorRequest::all(3, flags).encode_message(w, Xid(2)));
    client.until_barrier();
    client
}

fn is_addition(bytes: &[u8]) -> bool {
    let message = parse(bytes);
    let Ok(body) = message.body_of(MessageType::MULTIPART_REPLY) else { return false };
    let multipart = Multipart::decode(body).unwrap();
    let body = Experimenter::decode(multipart.body.reader()).unwrap().body;
    Entries::<FlowUpdate<'_>>::new(body.reader()).any(|update| matches!(update, Ok(FlowUpdate::Full(_))))
}
