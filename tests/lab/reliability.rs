//! Traffic on every type of network, what a fault does to it, and the line that docs/RELIABILITY.md is filled from.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use super::builder::LabBuilder;
use super::command::{eventually, logs};
use super::dice::Dice;
use super::host::Host;
use super::ping::{PingStream, Pings};
use super::topology::Kind::{Flat, Local, Vlan, Vxlan};
use super::{Lab, sweep};

/// The bridges of a host of [`every_network`].
pub const BRIDGES: [&str; 3] = ["br-int", "br-tun", "br-phys"];

/// Type of network, and who pings whom there. The first of each pair is on host `a`.
pub const PAIRS: [(&str, &str, &str); 4] =
    [("local", "l1", "l2"), ("flat", "f1", "f2"), ("VLAN", "v1", "v2"), ("VXLAN", "x1", "x2")];

/// 100 pings per second.
const INTERVAL: Duration = Duration::from_millis(10);

/// How long traffic may take to come back.
const BACK: Duration = Duration::from_secs(30);

/// True in `make soak`: more of everything.
pub fn soak() -> bool {
    std::env::var("HEDDLE_SOAK").is_ok_and(|value| value == "1")
}

/// How much of something: in `make test`, or in `make soak`.
pub fn scaled<T>(short: T, long: T) -> T {
    if soak() { long } else { short }
}

/// Two hosts with a pair of VMs on each type of network.
pub fn every_network(name: &str) -> LabBuilder {
    LabBuilder::new(name)
        .network("loc", Local, &["172.18.0.0/24"])
        .network("flt", Flat("physnet"), &["172.18.1.0/24"])
        .network("vln", Vlan("physnet", 100), &["172.18.2.0/24"])
        .network("vxl", Vxlan(1001), &["172.20.0.0/16"])
        .host("a")
        .host("b")
        .vm("a", "l1", "loc")
        .vm("a", "l2", "loc")
        .vm("a", "f1", "flt")
        .vm("b", "f2", "flt")
        .vm("a", "v1", "vln")
        .vm("b", "v2", "vln")
        .vm("a", "x1", "vxl")
        .vm("b", "x2", "vxl")
}

impl LabBuilder {
    /// [`LabBuilder::start`], and everything as it is wanted.
    pub fn start_settled(self) -> Lab {
        let lab = self.start();
        lab.hosts().iter().for_each(Host::wait_settled);
        lab
    }
}

/// 100 pings per second on every type of network.
pub struct Traffic {
    streams: Vec<(&'static str, PingStream)>,
}

impl Lab {
    /// Starts [`Traffic`] between [`PAIRS`].
    pub fn traffic(&self) -> Traffic {
        self.traffic_on(&PAIRS.map(|(kind, ..)| kind))
    }

    /// Likewise, on these types of network alone.
    pub fn traffic_on(&self, kinds: &[&str]) -> Traffic {
        let pairs = PAIRS.into_iter().filter(|(kind, ..)| kinds.contains(kind));
        Traffic { streams: pairs.map(|(kind, from, to)| (kind, self.vm(from).ping_stream(to, INTERVAL))).collect() }
    }

    /// Waits until every pair of [`PAIRS`] is answered again; how long that took.
    pub fn await_traffic(&self) -> Duration {
        let began = Instant::now();
        for (kind, from, to) in PAIRS {
            eventually(&format!("{from} reaches {to} on the {kind} network"), BACK, || self.vm(from).ping(to));
        }
        began.elapsed()
    }
}

impl Traffic {
    /// Ends it and counts.
    pub fn stop(self) -> Losses {
        Losses { pings: self.streams.into_iter().map(|(kind, stream)| (kind, stream.stop())).collect() }
    }
}

/// What became of the pings, by type of network.
pub struct Losses {
    pings: Vec<(&'static str, Pings)>,
}

impl Losses {
    /// Panics if any is lost or came twice.
    pub fn assert_none(&self) {
        for (kind, pings) in &self.pings {
            assert!(pings.all(), "on the {kind} network: {pings:?}\n{}", logs());
        }
    }

    /// Panics if any came twice: a loop.
    pub fn assert_no_duplicate(&self) {
        for (kind, pings) in &self.pings {
            assert_eq!(pings.duplicates, 0, "on the {kind} network: {pings:?}\n{}", logs());
        }
    }
}

/// `0 of 1204`, or `31 of 1204 (flat 8, VLAN 8, VXLAN 15)`.
impl fmt::Display for Losses {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |count: fn(&Pings) -> usize| self.pings.iter().map(|(_, pings)| count(pings)).sum::<usize>();
        write!(out, "{} of {}", sum(|pings| pings.lost.len()), sum(|pings| pings.sent as usize))?;
        let losers = self.pings.iter().filter(|(_, pings)| !pings.lost.is_empty());
        let by_kind: Vec<String> = losers.map(|(kind, pings)| format!("{kind} {}", pings.lost.len())).collect();
        if by_kind.is_empty() { Ok(()) } else { write!(out, " ({})", by_kind.join(", ")) }
    }
}

/// Prints the line that docs/RELIABILITY.md is filled from.
pub fn report(fault: &str, lost: &Losses, repaired: Duration) {
    println!("RELIABILITY | {fault} | {lost} | {:.2} s", repaired.as_secs_f64());
}

impl Host {
    /// Seconds of processor time that Heddle has used.
    pub fn heddle_cpu(&self) -> f64 {
        sweep::processor_seconds(self.heddle_pid())
    }

    /// The resident memory of Heddle in bytes.
    pub fn heddle_memory(&self) -> u64 {
        self.heddle_memory_of("VmRSS:")
    }

    /// The largest resident memory that Heddle ever had, in bytes.
    pub fn heddle_memory_peak(&self) -> u64 {
        self.heddle_memory_of("VmHWM:")
    }

    fn heddle_memory_of(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.heddle_pid())).expect("heddle runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a process has memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("it is a number") * 1024
    }

    /// Waits until everything is as wanted; how long that took.
    pub fn time_to_settle(&self) -> Duration {
        let began = Instant::now();
        self.wait_settled();
        began.elapsed()
    }
}

/// Random choices that `HEDDLE_SEED` repeats.
pub struct Random(Dice);

impl Random {
    /// Says its seed, so that a failure can be repeated.
    pub fn announced() -> Self {
        let given = std::env::var("HEDDLE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        println!("HEDDLE_SEED={seed}");
        Self(Dice::new(seed))
    }

    /// Lets a random part of `limit` pass: the fault comes at any moment.
    pub fn moment(&mut self, limit: Duration) {
        let micros = usize::try_from(limit.as_micros()).expect("a test waits for seconds");
        std::thread::sleep(Duration::from_micros(self.0.below(micros + 1) as u64));
    }
}
