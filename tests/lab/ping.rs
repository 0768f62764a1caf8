//! `ping` as a value: one burst, or a stream that runs beside a test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::logs;

/// Requests at the end of a stream whose replies may still be under way.
const IN_FLIGHT: u32 = 2;

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
    /// From what `ping` printed.
    pub(super) fn parse(text: &str) -> Self {
        let replies: Vec<u32> =
            text.lines().filter(|line| line.contains(" bytes from ")).filter_map(sequence).collect();
        let sent = text.lines().find_map(transmitted).unwrap_or_default();
        let lost: Vec<u32> = (1..=sent).filter(|seq| !replies.contains(seq)).collect();
        let received = sent - lost.len() as u32;
        Self { sent, received, lost, duplicates: replies.len() as u32 - received }
    }

    /// At least one was answered.
    pub fn any(&self) -> bool {
        self.received > 0
    }

    /// Every one was answered, and once.
    pub fn all(&self) -> bool {
        self.sent > 0 && self.lost.is_empty() && self.duplicates == 0
    }
}

/// `64 bytes from 172.18.0.4: icmp_seq=7 ttl=64 time=0.04 ms`
fn sequence(line: &str) -> Option<u32> {
    line.split("icmp_seq=").nth(1)?.split(' ').next()?.parse().ok()
}

/// `5 packets transmitted, 5 received, 0% packet loss, time 4ms`
fn transmitted(line: &str) -> Option<u32> {
    line.split_once(" packets transmitted")?.0.parse().ok()
}

/// A ping that goes on until it is told to stop.
#[derive(Debug)]
pub struct PingStream {
    ping: Child,
    output: BufReader<ChildStdout>,
    read: String,
}

impl PingStream {
    /// Starts `ping` and waits for its first reply, so that what is lost is lost later.
    pub(super) fn start(ping: &mut Command, interval: Duration, target: &str) -> Self {
        let seconds = format!("{:.3}", interval.as_secs_f64());
        let mut child = ping
            .args(["-n", "-i", &seconds, target])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start ping: {e}"));
        let output = BufReader::new(child.stdout.take().expect("stdout was asked for as a pipe"));
        let mut stream = Self { ping: child, output, read: String::new() };
        stream.wait_for_reply(target);
        stream
    }

    fn wait_for_reply(&mut self, target: &str) {
        while !self.read.contains(" bytes from ") {
            let line = self.output.read_line(&mut self.read).expect("ping prints text");
            let failed = line == 0 || self.read.contains("Unreachable");
            assert!(!failed, "a stream of pings to {target} found nobody:\n{}{}", self.read, logs());
        }
    }

    /// Ends the stream and counts. The last requests do not count if they are unanswered: they had no time.
    pub fn stop(mut self) -> Pings {
        kill(Pid::from_raw(self.ping.id() as i32), Signal::SIGINT).expect("ping runs");
        self.output.read_to_string(&mut self.read).expect("ping prints text");
        let mut pings = Pings::parse(&self.read);
        for _ in 0..IN_FLIGHT {
            if pings.lost.last() == Some(&pings.sent) {
                pings.lost.pop();
                pings.sent -= 1;
            }
        }
        pings
    }
}

impl Drop for PingStream {
    fn drop(&mut self) {
        let _already_ended = self.ping.kill();
        let _reaped = self.ping.wait();
    }
}
