//! What lies between the bridges of a host and its Heddle, which for that lives in a namespace of its own: every
//! connection passes here, and suffers what a test says.
//!
//! ```text
//!    namespace h-a: ovs-vswitchd ──127.0.0.1:6633──► Line ──127.0.0.1:6633──► heddle, namespace c-a
//! ```
//!
//! Bytes are passed on by whole messages, so that one can stop in the middle of one.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use heddle::openflow::frame::FrameBuffer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until};

use super::builder::LabBuilder;
use super::command::{ip_batch, must};
use super::heddle::program;
use super::host::Host;
use super::{Lab, netns};

/// Where bridges look for Heddle, and where Heddle is.
const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 6633);
/// What either end of the line's own may hold, so that who is not read notices soon.
const BUFFER: u32 = 64 << 10;
/// Steps in a second in which something slow passes.
const STEPS: u64 = 50;
/// How often late bytes come on a deserted connection.
const LATE_EVERY: Duration = Duration::from_millis(500);

/// How bytes pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Passage {
    /// As they come.
    #[default]
    Free,
    /// Not at all, and nobody is told: who sends is not read any more.
    Blocked,
    /// So much later.
    Late(Duration),
    /// Each in a packet of its own.
    Trickling,
    /// At most so many in a second.
    Slow(u32),
    /// Up to the middle of the next message of that sort, and then not at all.
    Until(Sort),
}

/// Messages in whose middle a passage may end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// `ONF_ET_BUNDLE_ADD_MESSAGE`
    BundleAdd,
    /// `OFPMP_FLOW`, a part of the answer.
    FlowDump,
}

impl Sort {
    fn is(self, frame: &[u8]) -> bool {
        match self {
            Self::BundleAdd => frame.get(1) == Some(&4) && frame.get(8..16) == Some(&b"ONF\0\0\0\x08\xfd"[..]),
            Self::FlowDump => frame.get(1) == Some(&19) && frame.get(8..10) == Some(&[0, 1][..]),
        }
    }
}

/// A direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    ToSwitch,
    ToHeddle,
}

/// What is done to connections.
#[derive(Clone, Default)]
struct Modes {
    /// There are none, and none can be made.
    is_cut: bool,
    /// Those with lower numbers are blocked.
    blocked_before: u64,
    /// Those with lower numbers have lost their switch.
    deserted_before: u64,
    all: [Passage; 2],
    /// By datapath id.
    of: HashMap<u64, [Passage; 2]>,
}

/// See the module.
pub struct Line {
    namespace: String,
    modes: Option<watch::Sender<Modes>>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    bytes: [AtomicU64; 2],
}

impl Line {
    fn create(lab: &Lab, host: &Host) -> Self {
        let namespace = lab.id.namespace(&format!("c-{}", host.name()));
        ip_batch(None, &[format!("netns add {namespace}")]);
        netns::silence_ipv6(&namespace);
        ip_batch(Some(&namespace), &["link set lo up".into()]);
        let (modes, receiver) = watch::channel(Modes::default());
        let counts = Arc::new(Counts::default());
        let ends = Ends { switch: host.namespace().to_owned(), heddle: namespace.clone() };
        let served = serve(ends, receiver, counts.clone());
        let thread = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the kernel gives what a runtime needs").block_on(served);
        });
        Self { namespace, modes: Some(modes), counts, thread: Some(thread) }
    }

    /// Starts the Heddle of the host at the far end.
    pub fn start_heddle(&self, host: &Host) {
        let heddle = program("heddle").display().to_string();
        host.start_heddle_by(&["ip", "netns", "exec", &self.namespace, &heddle]);
    }

    fn change(&self, change: impl FnOnce(&mut Modes)) {
        self.modes.as_ref().expect("it is there until the line is dropped").send_modify(change);
    }

    /// Ends all connections, and refuses new ones.
    pub fn cut(&self) {
        self.change(|modes| modes.is_cut = true);
    }

    /// All is well again; what was [left](Self::leave_behind) or [deserted](Self::desert) stays so.
    pub fn mend(&self) {
        self.change(|modes| {
            let Modes { blocked_before, deserted_before, .. } = *modes;
            *modes = Modes { blocked_before, deserted_before, ..Modes::default() };
        });
    }

    /// How all bytes pass from now on.
    pub fn pass(&self, passage: Passage) {
        self.change(|modes| modes.all = [passage; 2]);
    }

    /// How bytes pass one way from now on.
    pub fn pass_one_way(&self, way: Way, passage: Passage) {
        self.change(|modes| modes.all[way as usize] = passage);
    }

    /// How bytes pass one way between Heddle and one bridge from now on.
    pub fn pass_of(&self, (host, bridge): (&Host, &str), way: Way, passage: Passage) {
        let id = host.column("Bridge", bridge, "datapath_id");
        let id = u64::from_str_radix(&id, 16).unwrap_or_else(|e| panic!("datapath id {id:?} of {bridge}: {e}"));
        self.change(|modes| modes.of.entry(id).or_default()[way as usize] = passage);
    }

    /// Blocks the connections that there are, and lets new ones pass.
    pub fn leave_behind(&self) {
        let next = self.connections();
        self.change(|modes| modes.blocked_before = next);
    }

    /// Ends the connections that there are for the switch, who makes new ones, but not for Heddle, to whom they go on
    /// bringing bytes of the switch's, late ones.
    pub fn desert(&self) {
        let next = self.connections();
        self.change(|modes| modes.deserted_before = next);
    }

    /// How many connections Heddle has ended whose bytes its kernel goes on offering to the switch.
    pub fn lingering(&self) -> usize {
        let mut list = netns::command(&self.namespace, "ss");
        must(list.args(["--no-header", "--tcp", "--numeric", "state", "fin-wait-1"])).lines().count()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// How many bytes have passed.
    pub fn bytes(&self, way: Way) -> u64 {
        self.counts.bytes[way as usize].load(Ordering::Relaxed)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.modes = None;
        if let Some(thread) = self.thread.take() {
            let _it_has_said_so_itself = thread.join();
        }
    }
}

impl LabBuilder {
    /// Everything up and as it is wanted, with a line between host `a` and its Heddle.
    pub fn start_on_line(self) -> (Lab, Line) {
        let lab = self.start_without_heddle();
        let line = Line::create(&lab, lab.host("a"));
        line.start_heddle(lab.host("a"));
        lab.hosts().iter().filter(|host| host.name() != "a").for_each(Host::start_heddle);
        lab.await_bridges();
        lab.plug_all();
        lab.wait_ready();
        lab.hosts().iter().for_each(Host::wait_settled);
        (lab, line)
    }
}

/// The namespaces of both ends.
#[derive(Clone)]
struct Ends {
    switch: String,
    heddle: String,
}

fn socket_in(namespace: &str) -> io::Result<TcpSocket> {
    let socket = netns::inside(namespace, TcpSocket::new_v4)?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.set_send_buffer_size(BUFFER)?;
    Ok(socket)
}

fn listen(ends: &Ends) -> io::Result<TcpListener> {
    let socket = socket_in(&ends.switch)?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from(ADDRESS))?;
    socket.listen(16)
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    match listener {
        Some(listener) => listener.accept().await.expect("a listener accepts").0,
        None => std::future::pending().await,
    }
}

async fn serve(ends: Ends, mut modes: watch::Receiver<Modes>, counts: Arc<Counts>) {
    let (mut links, mut listener) = (JoinSet::new(), None);
    loop {
        if modes.borrow_and_update().is_cut {
            links.shutdown().await;
            listener = None;
        } else if listener.is_none() {
            listener = Some(listen(&ends).expect("nobody else listens in this namespace"));
        }
        tokio::select! {
            changed = modes.changed() => if changed.is_err() { return },
            switch = accept(listener.as_ref()) => {
                let number = counts.connections.fetch_add(1, Ordering::Relaxed);
                let link = Link { number, datapath: AtomicU64::new(0), stalled: Default::default(),
                    owed: Default::default(), counts: counts.clone() };
                links.spawn(link.carry(switch, ends.heddle.clone(), modes.clone()));
            }
        }
    }
}

/// One connection.
struct Link {
    number: u64,
    /// The switch's datapath id, once it has said it.
    datapath: AtomicU64,
    /// It has ended in the middle of a message.
    stalled: [AtomicBool; 2],
    /// Bytes that have passed faster than they should have.
    owed: [AtomicU64; 2],
    counts: Arc<Counts>,
}

impl Link {
    async fn carry(self, mut switch: TcpStream, heddle: String, modes: watch::Receiver<Modes>) {
        let Ok(socket) = socket_in(&heddle) else { return };
        let Ok(mut heddle) = socket.connect(SocketAddr::from(ADDRESS)).await else { return };
        let _either = (switch.set_nodelay(true), heddle.set_nodelay(true));
        let mut watched = modes.clone();
        let number = self.number;
        {
            let ((from_switch, to_switch), (from_heddle, to_heddle)) = (switch.split(), heddle.split());
            tokio::select! {
                _ended = self.pump(Way::ToSwitch, from_heddle, to_switch, modes.clone()) => return,
                _ended = self.pump(Way::ToHeddle, from_switch, to_heddle, modes) => return,
                deserted = watched.wait_for(|modes| number < modes.deserted_before) => if deserted.is_err() { return },
            }
        }
        drop(switch);
        let _closed_at_last = haunt(heddle).await;
    }

    /// Passes bytes one way until their source ends.
    async fn pump(
        &self,
        way: Way,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        mut modes: watch::Receiver<Modes>,
    ) -> io::Result<()> {
        let mut input = FrameBuffer::new();
        let mut waiting: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
        loop {
            let passage = self.passage(&modes.borrow_and_update(), way);
            let delay = if let Passage::Late(delay) = passage { delay } else { Duration::ZERO };
            let moves = passage != Passage::Blocked;
            let due = waiting.front().map(|(due, _)| *due);
            tokio::select! {
                changed = modes.changed() => changed.map_err(io::Error::other)?,
                count = from.read(input.spare()), if moves && (due.is_none() || !delay.is_zero()) => {
                    let count = count?;
                    if count == 0 {
                        return Ok(());
                    }
                    input.filled(count);
                    for frame in input.frames() {
                        let frame = frame.map_err(io::Error::other)?;
                        self.learn(frame);
                        waiting.push_back((Instant::now() + delay, frame.to_vec()));
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if moves && due.is_some() => {}
            }
            let is_due = |(due, _): &(Instant, Vec<u8>)| *due <= Instant::now();
            while moves && !self.has_stalled(way) && !modes.has_changed().unwrap_or(true) {
                if !waiting.front().is_some_and(is_due) {
                    break;
                }
                let Some((_, frame)) = waiting.pop_front() else { break };
                self.write(way, &mut to, &frame, passage).await?;
            }
        }
    }

    fn has_stalled(&self, way: Way) -> bool {
        self.stalled[way as usize].load(Ordering::Relaxed)
    }

    fn passage(&self, modes: &Modes, way: Way) -> Passage {
        if self.has_stalled(way) || self.number < modes.blocked_before {
            return Passage::Blocked;
        }
        let own = modes.of.get(&self.datapath.load(Ordering::Relaxed)).map(|ways| ways[way as usize]);
        own.filter(|passage| *passage != Passage::Free).unwrap_or(modes.all[way as usize])
    }

    /// The switch says who it is: `OFPT_FEATURES_REPLY`.
    fn learn(&self, frame: &[u8]) {
        if let (Some(6), Some(id)) = (frame.get(1), frame.get(8..16)) {
            let id = u64::from_be_bytes(id.try_into().expect("eight bytes are eight"));
            self.datapath.store(id, Ordering::Relaxed);
        }
    }

    async fn write(&self, way: Way, to: &mut WriteHalf<'_>, frame: &[u8], passage: Passage) -> io::Result<()> {
        let mut frame = frame;
        let step = match passage {
            Passage::Trickling => 1,
            Passage::Until(sort) if sort.is(frame) => {
                self.stalled[way as usize].store(true, Ordering::Relaxed);
                frame = &frame[..frame.len() / 2];
                frame.len()
            }
            _ => frame.len(),
        };
        for chunk in frame.chunks(step) {
            to.write_all(chunk).await?;
            if let Passage::Slow(rate) = passage {
                self.slow_down(way, chunk.len() as u64, rate.into()).await;
            }
        }
        self.counts.bytes[way as usize].fetch_add(frame.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

impl Link {
    /// Waits for as long as these bytes and those before them take, but not for the shortest of times.
    async fn slow_down(&self, way: Way, bytes: u64, rate: u64) {
        let owed = self.owed[way as usize].fetch_add(bytes, Ordering::Relaxed) + bytes;
        if owed >= rate / STEPS {
            self.owed[way as usize].store(0, Ordering::Relaxed);
            sleep(Duration::from_secs_f64(owed as f64 / rate as f64)).await;
        }
    }
}

/// What is left of a connection whose switch has gone: it still brings messages (`OFPT_ECHO_REQUEST`), and nobody reads.
async fn haunt(mut heddle: TcpStream) -> io::Result<()> {
    let mut late = interval(LATE_EVERY);
    loop {
        late.tick().await;
        heddle.write_all(&[4, 2, 0, 8, 0, 0, 0, 99]).await?;
    }
}

impl Host {
    /// Lets so many of a hundred packets between the bridges and Heddle get lost, both ways. Needs nft(8).
    pub fn lose_packets(&self, percent: u8) {
        self.lose_no_packets();
        // Each packet by itself, and not many at once.
        self.exec(&["ethtool", "-K", "lo", "tso", "off", "gso", "off", "gro", "off"]);
        ip_batch(Some(self.namespace()), &["link set lo mtu 1500".into()]);
        let share = if percent < 100 { format!("numgen random mod 100 < {percent}") } else { String::new() };
        let lost = format!("{share} counter drop");
        let rules = format!(
            "add table inet loss; add chain inet loss input {{ type filter hook input priority 0; }}; \
             add rule inet loss input tcp dport 6633 {lost}; add rule inet loss input tcp sport 6633 {lost}"
        );
        let done = self.exec(&["nft", &rules]);
        assert!(done.ok(), "nft (Debian package nftables, make install-deps): {}", done.stderr);
    }

    /// No more are lost.
    pub fn lose_no_packets(&self) {
        self.exec(&["nft", "delete table inet loss"]);
    }

    /// How many were lost since [`Self::lose_packets`].
    pub fn packets_lost(&self) -> u64 {
        let table = self.exec(&["nft", "list", "table", "inet", "loss"]).stdout;
        let counts = table.split("packets ").skip(1).filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        counts.sum()
    }
}
