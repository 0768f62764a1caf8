//! What passed a link: tcpdump into a file, live before it is returned and drained before it is read.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::{eventually, must};
use super::frame::Frame;
use super::netns;

/// As much of a frame as tcpdump takes by default.
const WHOLE: u32 = 262_144;

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// A running capture; it ends when dropped, its file stays as long as the lab.
#[derive(Debug)]
pub struct Capture {
    file: PathBuf,
    /// How often the kernel counts a packet that tcpdump sees once: on loopback both going out and coming in.
    copies: u64,
    tcpdump: Mutex<(Child, BufReader<ChildStderr>)>,
}

impl Capture {
    /// Captures on `interface` of `namespace` into a new file in `dir`.
    pub(super) fn start(namespace: &str, interface: &str, dir: &Path) -> Self {
        Self::start_with_length(namespace, interface, dir, WHOLE)
    }

    /// Likewise, up to `length` bytes of each frame: the kernel's buffer has room for the more of them.
    pub(super) fn start_with_length(namespace: &str, interface: &str, dir: &Path, length: u32) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = dir.join(format!("{interface}-{number}.pcap"));
        let mut child = netns::command(namespace, "tcpdump")
            .args(["-i", interface, "-U", "--immediate-mode", "-n", "-Z", "root", "-w"])
            .arg(&file)
            .args(["-s", &length.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start tcpdump: {e}"));
        let mut said = BufReader::new(child.stderr.take().expect("stderr was asked for as a pipe"));
        read_until(&mut said, "listening on");
        let copies = if interface == "lo" { 2 } else { 1 };
        Self { file, copies, tcpdump: Mutex::new((child, said)) }
    }

    /// The file, for a look by hand.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Every frame so far.
    pub fn frames(&self) -> Vec<Frame> {
        self.raw().iter().filter_map(|record| Frame::parse(record)).collect()
    }

    /// The bytes of every frame so far.
    pub fn raw(&self) -> Vec<Vec<u8>> {
        self.drain();
        let bytes = fs::read(&self.file).unwrap_or_default();
        records(&bytes).into_iter().map(<[u8]>::to_vec).collect()
    }

    /// Likewise, and the same frames, none more, as a file beside this one that other programs read.
    pub fn snapshot(&self) -> (Vec<Vec<u8>>, PathBuf) {
        let frames = self.raw();
        let whole = FILE_HEADER + frames.iter().map(|frame| RECORD_HEADER + frame.len()).sum::<usize>();
        let bytes = fs::read(&self.file).unwrap_or_default();
        let path = self.file.with_extension("snapshot");
        fs::write(&path, bytes.get(..whole).unwrap_or_default()).expect("the lab's directory is ours");
        (frames, path)
    }

    /// How many frames so far are like that.
    pub fn count(&self, wanted: impl Fn(&Frame) -> bool) -> usize {
        self.frames().iter().filter(|frame| wanted(frame)).count()
    }

    /// The VXLAN packets so far: VNI and the frame inside.
    pub fn vxlan(&self) -> Vec<(u32, Frame)> {
        self.frames().iter().filter_map(Frame::vxlan).collect()
    }

    /// How many VXLAN packets so far carry a frame like that.
    pub fn count_vxlan(&self, wanted: impl Fn(&Frame) -> bool) -> usize {
        self.vxlan().iter().filter(|(_, inner)| wanted(inner)).count()
    }

    /// Of the VXLAN packets so far that carry a frame like that, where they go.
    pub fn vxlan_destinations(&self, wanted: impl Fn(&Frame) -> bool) -> Vec<String> {
        let frames = self.frames();
        let tunnelled = frames.iter().filter(|frame| frame.vxlan().is_some_and(|(_, inner)| wanted(&inner)));
        let mut destinations: Vec<_> =
            tunnelled.filter_map(|frame| Some(frame.ip_destination()?.to_string())).collect();
        destinations.sort();
        destinations
    }

    /// Waits until a frame made by [`super::frame::marked`] has come by.
    pub fn await_marked(&self, text: &str) {
        eventually(&format!("a frame marked {text:?} comes by"), Duration::from_secs(5), || {
            self.count(|frame| frame.is_marked(text)) > 0
        });
    }

    /// Likewise, inside VXLAN.
    pub fn await_marked_inside(&self, text: &str) {
        eventually(&format!("a frame marked {text:?} comes by in VXLAN"), Duration::from_secs(5), || {
            self.count_vxlan(|frame| frame.is_marked(text)) > 0
        });
    }

    /// The frames so far that match a pcap filter, as tcpdump prints them.
    pub fn text(&self, filter: &str) -> String {
        self.drain();
        let mut tcpdump = Command::new("tcpdump");
        must(tcpdump.arg("-r").arg(&self.file).args(["-nn", "-e", "-t", filter]))
    }

    /// Waits until tcpdump has written all that the kernel has seen for it.
    fn drain(&self) {
        let mut tcpdump = self.tcpdump.lock().unwrap();
        eventually("tcpdump has written what the kernel captured", Duration::from_secs(5), || {
            let (child, said) = &mut *tcpdump;
            kill(pid(child), Signal::SIGUSR1).expect("tcpdump runs");
            let line = read_until(said, "captured");
            let captured = number_before(&line, " packets captured").or(number_before(&line, " packet captured"));
            let received = number_before(&line, " packets received").or(number_before(&line, " packet received"));
            // What tcpdump was too slow for counts as received too (packet(7), PACKET_STATISTICS).
            let dropped = number_before(&line, " packets dropped").unwrap_or_default();
            captured.is_some() && captured.map(|n| n * self.copies + dropped) == received
        });
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let mut tcpdump = self.tcpdump.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let _already_ended = tcpdump.0.kill();
        let _reaped = tcpdump.0.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid is an i32 in the kernel"))
}

/// Reads what tcpdump says, up to a line or part of one that contains `text`.
fn read_until(said: &mut impl BufRead, text: &str) -> String {
    let mut all = String::new();
    loop {
        let mut line = String::new();
        let read = said.read_line(&mut line).expect("tcpdump speaks text");
        assert!(read > 0, "tcpdump ended before it said {text:?}: {all}");
        if line.contains(text) {
            return line;
        }
        all += &line;
    }
}

/// `tcpdump: 10 packets captured, 20 packets received by filter, …`
fn number_before(line: &str, words: &str) -> Option<u64> {
    line.split_once(words)?.0.rsplit(' ').next()?.parse().ok()
}

/// The packets of a pcap file, in its writer's byte order, which is ours.
fn records(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
    let mut records = Vec::new();
    while let Some(length) = rest.get(8..12) {
        let length = u32::from_ne_bytes(length.try_into().expect("four bytes")) as usize;
        let Some(record) = rest.get(RECORD_HEADER..RECORD_HEADER + length) else { break };
        records.push(record);
        rest = &rest[RECORD_HEADER + length..];
    }
    records
}
