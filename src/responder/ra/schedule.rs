//! When a port hears of its routers without having asked (RFC 4861 §6.2.4), and how often it may ask for all (§6.2.6).
//!
//! ```text
//!  a port, or another content ──► at once, and twice more after 16 s each ──► every 200 to 600 s
//!  advertisements end ──────────► three farewells likewise ─────────────────► silence
//! ```
//! Two advertisements to all nodes of a port are at least 3 s apart, whatever asks for them. Solicitations are answered
//! without the random delay that keeps the routers of a link from speaking all at once: behind a port there is one voice.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{Listener, Router, Solicitation};
use crate::openflow::PortNo;
use crate::responder::{Destination, PortAnswers, Query, Reply, Snapshot, Verdict};
use crate::topology::Name;

/// `MIN_DELAY_BETWEEN_RAS` (RFC 4861 §10).
const MIN_DELAY: Duration = Duration::from_secs(3);
/// `MAX_INITIAL_RTR_ADVERT_INTERVAL` and `MAX_INITIAL_RTR_ADVERTISEMENTS`, which is `MAX_FINAL_RTR_ADVERTISEMENTS` too.
const INITIAL_INTERVAL: Duration = Duration::from_secs(16);
const INITIAL_COUNT: u8 = 3;
/// `MinRtrAdvInterval` and `MaxRtrAdvInterval` (§6.2.1), in milliseconds.
const MIN_INTERVAL: u64 = 200_000;
const MAX_INTERVAL: u64 = 600_000;
/// Ports that hear something in one tick at the most: the rest waits for the next, so that the start of a large host
/// keeps nothing else waiting.
const PORTS_PER_TICK: usize = 256;

/// The advertisements that are due on the ports of a bridge.
#[derive(Debug, Default)]
pub(in crate::responder) struct Schedule {
    ports: HashMap<PortNo, Station>,
    due: BTreeSet<(Duration, PortNo)>,
    /// Begins alike in every process: each port is a link of its own, with nobody else to be out of step with.
    random: u64,
}

/// One port that hears advertisements.
#[derive(Debug)]
struct Station {
    /// Whose number it is.
    name: Name,
    /// What it hears; `None`: only farewells are left to be said.
    router: Option<Arc<Router>>,
    /// What it hears until the initial advertisements are over, if it has heard something else before.
    transition: Option<Arc<Router>>,
    /// How many initial advertisements, or farewells, are left.
    initial: u8,
    last: Option<Duration>,
    next: Duration,
}

impl Schedule {
    /// The ports, and what they hear, are now those of `snapshot`.
    pub(in crate::responder) fn follow(&mut self, snapshot: &Snapshot, now: Duration) {
        let is_gone = |port: &&PortNo| snapshot.port(**port).is_none();
        let gone: Vec<PortNo> = self.ports.keys().filter(is_gone).copied().collect();
        for port in gone {
            self.forget(port);
        }
        for (port, answers) in snapshot.ports() {
            self.follow_port(port, answers, now);
        }
    }

    fn follow_port(&mut self, port: PortNo, answers: &PortAnswers, now: Duration) {
        let wanted = answers.router.as_ref();
        if self.ports.get(&port).is_some_and(|station| station.name != answers.name) {
            self.forget(port);
        }
        let before = self.ports.get(&port);
        if before.and_then(|station| station.router.as_ref()) == wanted {
            return;
        }
        let said = before.and_then(|station| station.transition.as_ref().or(station.router.as_ref()));
        let transition = said.map(|said| Arc::new(Router::after(said, wanted.map(|router| &**router))));
        let last = before.and_then(|station| station.last);
        let next = last.map_or(now, |last| now.max(last + MIN_DELAY));
        self.forget(port);
        let (name, router) = (answers.name.clone(), wanted.cloned());
        self.ports.insert(port, Station { name, router, transition, initial: INITIAL_COUNT, last, next });
        self.due.insert((next, port));
    }

    fn forget(&mut self, port: PortNo) {
        if let Some(station) = self.ports.remove(&port) {
            self.due.remove(&(station.next, port));
        }
    }

    /// Says what is due.
    pub(in crate::responder) fn on_tick(&mut self, now: Duration, reply: &mut Reply<'_>) {
        for _ in 0..PORTS_PER_TICK {
            match self.due.first() {
                Some(&(next, port)) if next <= now => self.speak(port, now, reply),
                _ => return,
            }
        }
    }

    fn speak(&mut self, port: PortNo, now: Duration, reply: &mut Reply<'_>) {
        let interval = self.random_interval();
        let Some(station) = self.ports.get_mut(&port) else { return };
        self.due.remove(&(station.next, port));
        if let Some(router) = station.transition.as_ref().or(station.router.as_ref()) {
            router.tell(Listener::ALL_NODES, Destination::Port(port), reply);
        }
        station.last = Some(now);
        station.initial = station.initial.saturating_sub(1);
        if station.initial == 0 {
            station.transition = None;
        }
        match station.initial {
            0 if station.router.is_none() => {
                self.ports.remove(&port);
            }
            left => {
                station.next = now + if left == 0 { interval } else { INITIAL_INTERVAL };
                self.due.insert((station.next, port));
            }
        }
    }

    /// Answers a solicitation. Where all nodes of the port would have to be told again too soon, that is due as soon as
    /// it may be.
    pub(in crate::responder) fn answer(
        &mut self,
        router: &Router,
        query: &Query<'_>,
        now: Duration,
        reply: &mut Reply<'_>,
    ) -> Verdict {
        match Solicitation::of(query) {
            Ok(Ok(Solicitation::FromNobody)) if !self.may_tell_all(query.in_port, now) => {
                Verdict::Ignored("the next advertisement to all nodes answers it")
            }
            Ok(Ok(solicitation)) => router.answer(query, solicitation, reply),
            Ok(Err(reason)) => Verdict::Ignored(reason),
            Err(error) => Verdict::Malformed(error),
        }
    }

    /// True if all nodes of a port may be told now.
    fn may_tell_all(&mut self, port: PortNo, now: Duration) -> bool {
        let Some(station) = self.ports.get_mut(&port) else { return true };
        let earliest = station.last.map_or(now, |last| last + MIN_DELAY);
        if earliest <= now {
            station.last = Some(now);
            return true;
        }
        if earliest < station.next {
            self.due.remove(&(station.next, port));
            station.next = earliest;
            self.due.insert((earliest, port));
        }
        false
    }

    /// From the shortest interval to the longest, evenly (splitmix64).
    fn random_interval(&mut self) -> Duration {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis(MIN_INTERVAL + (mixed ^ (mixed >> 31)) % (MAX_INTERVAL - MIN_INTERVAL + 1))
    }
}
