//! A session and a simulated switch, back to back.

use std::sync::Arc;
use std::time::Duration;

use super::progress::Progress;
use super::reconciler::{Ownership, Wanted};
use super::session::{Event, Session};
use super::simulator::Simulator;
use crate::flow::{Changes, Flow, FlowTable};
use crate::openflow::frame::Framing;
use crate::openflow::{Action, Cookie, Match, PortNo, TableId, Writer};
use crate::pipeline::cookie::{self, Kind};

/// Messages without end.
pub(super) const ALL: usize = usize::MAX;

/// A flow of ours with an identity, which is its priority, and a body, which is its output port.
pub(super) fn flow(priority: u16, port: u32) -> Arc<Flow> {
    with_cookie(priority, port, cookie::cookie(Kind::Normal, "").0)
}

/// The same with a cookie of its own.
pub(super) fn with_cookie(priority: u16, port: u32, cookie: u64) -> Arc<Flow> {
    let actions = [Action::output(PortNo(port))];
    Arc::new(Flow::new(TableId(0), priority, &Match::new(), Cookie(cookie), &actions, None).unwrap())
}

/// A flow of ours that the simulator refuses.
pub(super) fn bad(priority: u16, how: u64) -> Arc<Flow> {
    with_cookie(priority, 1, cookie::cookie(Kind::Normal, "").0 | how)
}

/// A guard; the simulator refuses it as `how` says, 0: not at all.
pub(super) fn guard(priority: u16, how: u64) -> Arc<Flow> {
    with_cookie(priority, 1, cookie::cookie(Kind::PortReached, "").0 & cookie::KIND_MASK | how)
}

pub(super) fn wanted(flows: impl IntoIterator<Item = Arc<Flow>>) -> Wanted {
    Wanted { ownership: Ownership::All, flows: flows.into_iter().collect(), learnt: Vec::new(), generation: 1 }
}

pub(super) fn add(flows: impl IntoIterator<Item = Arc<Flow>>) -> Changes {
    Changes { add: flows.into_iter().collect(), ..Changes::default() }
}

pub(super) fn delete(flows: impl IntoIterator<Item = Arc<Flow>>) -> Changes {
    Changes { delete: flows.into_iter().collect(), ..Changes::default() }
}

/// See the module.
pub(super) struct Pair {
    pub(super) session: Session,
    pub(super) switch: Simulator,
    pub(super) now: Duration,
    pub(super) events: Vec<Event>,
    /// The newest progress.
    pub(super) progress: Progress,
    out: Writer,
}

impl Pair {
    /// A session that greets `switch`.
    pub(super) fn new(switch: Simulator) -> Self {
        let mut out = Writer::new();
        let session = Session::new(&mut out).unwrap();
        Self { session, switch, now: Duration::ZERO, events: Vec::new(), progress: Progress::default(), out }
    }

    /// One that has adopted `switch` and come to rest.
    pub(super) fn adopted(switch: Simulator, wanted: Wanted) -> Self {
        let mut pair = Self::new(switch);
        pair.settle();
        pair.session.adopt(wanted, pair.now, &mut pair.out).unwrap();
        pair.settle();
        pair
    }

    /// The session writes; the switch deals with at most `messages` messages; the session hears of it.
    pub(super) fn step(&mut self, messages: usize) -> bool {
        self.session.write(&mut self.out).unwrap();
        self.switch.receive(self.out.as_slice(), messages);
        let mut busy = !self.out.is_empty();
        self.out.clear();
        let bytes = self.switch.take_output();
        let mut rest = bytes.as_slice();
        while let Framing::Frame(frame) = Framing::of(rest) {
            busy = true;
            rest = &rest[frame.len()..];
            self.events.extend(self.session.on_message(frame, self.now, &mut self.out).unwrap());
            self.progress = self.session.progress().unwrap_or(std::mem::take(&mut self.progress));
        }
        assert!(rest.is_empty());
        self.progress = self.session.progress().unwrap_or(std::mem::take(&mut self.progress));
        busy
    }

    /// Until nobody has anything to say.
    pub(super) fn settle(&mut self) {
        for _ in 0..1000 {
            if !self.step(ALL) {
                return;
            }
        }
        panic!("no end after 1000 steps: {:?}", self.switch.take_log());
    }

    /// The same, and time passes before.
    pub(super) fn settle_after(&mut self, time: Duration) {
        self.now += time;
        self.events.extend(self.session.on_tick(self.now, &mut self.out).unwrap());
        self.settle();
    }

    /// A second passes in which the switch deals with at most `messages` messages, and the session writes as it goes.
    pub(super) fn settle_a_little(&mut self, messages: usize) {
        self.now += Duration::from_secs(1);
        self.events.extend(self.session.on_tick(self.now, &mut self.out).unwrap());
        self.step(messages);
    }

    pub(super) fn update(&mut self, generation: u64, changes: Changes) {
        self.session.update(generation, changes);
    }

    /// What the switch got since the last call.
    pub(super) fn log(&mut self) -> Vec<String> {
        self.switch.take_log()
    }

    pub(super) fn holds(&self, flows: impl IntoIterator<Item = Arc<Flow>>) {
        let flows: FlowTable = flows.into_iter().collect();
        assert_eq!(self.switch.flows.sorted(), flows.sorted());
    }
}
