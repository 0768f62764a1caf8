//! `ping` as a value: one burst, or a stream that runs beside a test.

use std::collections::HashSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::NamedTempFile;

use super::command::{eventually, eventually_some};

/// How long a stream may wait for its first reply.
const START_DEADLINE: Duration = Duration::from_secs(5);

/// How late a reply may come: the userspace datapath forwards in the thread that also reconfigures the switch.
const LATE: Duration = Duration::from_secs(1);

/// What came of a number of echo requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pings {
    pub sent: u32,
    /// Requests answered; duplicates count once.
    pub received: u32,
    /// Sequence numbers without an answer, from 1.
    pub lost: Vec<u32>,
    /// Answers beyond the first to the same request.
    pub duplicates: u32,
}

impl Pings {
    /// The first `count` requests, from what `ping` printed.
    pub(super) fn parse(text: &str, count: u32) -> Self {
        let sent = text.lines().find_map(transmitted).unwrap_or_default();
        Self::count(sent.min(count), &replies(text))
    }

    /// From the number of requests and the sequence numbers of the replies.
    fn count(sent: u32, replies: &[u32]) -> Self {
        let answered: HashSet<u32> = replies.iter().copied().collect();
        let lost: Vec<u32> = (1..=sent).filter(|seq| !answered.contains(seq)).collect();
        let received = sent - lost.len() as u32;
        let answers = replies.iter().filter(|&&seq| seq <= sent).count() as u32;
        Self { sent, received, lost, duplicates: answers - received }
    }

    /// At least one was answered.
    pub fn any(&self) -> bool {
        self.received > 0
    }

    /// Every one was answered, and once.
    pub fn all(&self) -> bool {
        self.sent > 0 && self.lost.is_empty() && self.duplicates == 0
    }

    /// Every one was answered, and once, but for what the userspace datapath loses in a tunnel while ports come and go on
    /// its host, Heddle or not: about one in a hundred. Three are let pass.
    pub fn all_but_of_the_tunnel(&self) -> bool {
        self.sent > 0 && self.lost.len() <= 3 && self.duplicates == 0
    }
}

fn replies(text: &str) -> Vec<u32> {
    text.lines().filter(|line| line.contains(" bytes from ")).filter_map(sequence).collect()
}

/// `64 bytes from 172.18.0.4: icmp_seq=7 ttl=64 time=0.04 ms`
fn sequence(line: &str) -> Option<u32> {
    line.split("icmp_seq=").nth(1)?.split(' ').next()?.parse().ok()
}

/// `5 packets transmitted, 5 received, 0% packet loss, time 4ms`
fn transmitted(line: &str) -> Option<u32> {
    line.split_once(" packets transmitted")?.0.parse().ok()
}

/// `12/11 packets, 8% loss, …`, the answer to SIGQUIT; it may stand behind a carriage return.
fn sent_so_far(text: &str) -> Option<u32> {
    let line = text.split(['\r', '\n']).find(|line| line.contains(" packets, "))?;
    line.split_once('/').filter(|(_, rest)| rest.contains(" loss"))?.1.split(' ').next()?.parse().ok()
}

/// A ping that goes on until it is told to stop.
#[derive(Debug)]
pub struct PingStream {
    ping: Child,
    /// All that `ping` says. A file, since it can be looked at without waiting.
    said: NamedTempFile,
}

impl PingStream {
    /// Starts `ping` and waits for its first reply, so that what is lost is lost later.
    pub(super) fn start(ping: &mut Command, interval: Duration, target: &str) -> Self {
        let seconds = format!("{:.3}", interval.as_secs_f64());
        let said = NamedTempFile::new().expect("the temporary directory takes a file");
        let output = || said.as_file().try_clone().expect("an open file can be shared, and its position with it");
        ping.args(["-n", "-i", &seconds, target]).env("LC_ALL", "C").stdin(Stdio::null());
        let child = ping.stdout(output()).stderr(output()).spawn();
        let stream = Self { ping: child.unwrap_or_else(|e| panic!("cannot start ping: {e}")), said };
        let what = format!("a stream of pings gets its first reply from {target}");
        eventually(&what, START_DEADLINE, || !replies(&stream.text()).is_empty());
        stream
    }

    /// Ends the stream and counts what was sent up to now; a reply that is late by up to a second is no loss.
    pub fn stop(mut self) -> Pings {
        self.signal(Signal::SIGQUIT); // it says how many requests it has sent, and goes on
        let sent = eventually_some("ping says how far it is", START_DEADLINE, || sent_so_far(&self.text()));
        let stopped = Instant::now();
        while stopped.elapsed() < LATE && !replies(&self.text()).iter().any(|&seq| seq > sent) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.signal(Signal::SIGINT);
        self.ping.wait().expect("a child can be waited for");
        Pings::count(sent, &replies(&self.text()))
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.ping.id() as i32), signal).expect("ping runs");
    }

    fn text(&self) -> String {
        fs::read(self.said.path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for PingStream {
    fn drop(&mut self) {
        let _already_ended = self.ping.kill();
        let _reaped = self.ping.wait();
    }
}
