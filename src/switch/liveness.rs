//! Whether the switch is still there, and both ways to it are open.
//!
//! Either way may be dead though nobody was told. That bytes arrive proves the one, that the peer answers proves both. A
//! peer that gives no such sign is asked, and given up if it stays silent.
//!
//! Time is counted in ticks of about a second. What has come in between two of them was looked at: a daemon that stood
//! still itself does not take that for its peers' silence.

use crate::openflow::Xid;

/// No sign for so many ticks: ask.
const ASK_AFTER: u32 = 5;
/// Asked, and no sign for so many more: it is gone. Together with what a busy machine adds, that is within 15 seconds.
const GONE_AFTER: u32 = 7;

/// What a tick calls for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// To ask: an ECHO_REQUEST.
    Ask,
    /// No sign came, however it was asked.
    Gone,
    /// Another connection says that it is this peer, and this one has not answered.
    Replaced,
}

/// See the module.
#[derive(Default)]
pub(super) struct Liveness {
    /// Ticks since the last sign.
    quiet: u32,
    /// Ticks since it was asked, if there was no sign since.
    asked: Option<u32>,
    /// The question that only this peer can answer, and ticks since.
    challenge: Option<(Xid, u32)>,
}

impl Liveness {
    /// The peer gave a sign.
    pub(super) fn sign(&mut self) {
        self.quiet = 0;
        self.asked = None;
    }

    /// The peer is being asked.
    pub(super) fn ask(&mut self) {
        self.asked.get_or_insert(0);
    }

    /// The peer is being asked by an ECHO_REQUEST with this xid whether it is there still: nothing but the answer to that
    /// counts.
    pub(super) fn challenge(&mut self, xid: Xid) {
        self.challenge.get_or_insert((xid, 0));
    }

    /// True if a challenge waits for its answer.
    pub(super) fn is_challenged(&self) -> bool {
        self.challenge.is_some()
    }

    /// An ECHO_REPLY came.
    pub(super) fn on_echo_reply(&mut self, xid: Xid) {
        self.sign();
        self.challenge = self.challenge.filter(|(asked, _)| *asked != xid);
    }

    /// A second has passed, or more.
    pub(super) fn on_tick(&mut self) -> Verdict {
        self.quiet = self.quiet.saturating_add(1);
        let counted = |ticks: &mut u32| {
            *ticks = ticks.saturating_add(1);
            *ticks
        };
        let asked = self.asked.as_mut().map(counted);
        let challenged = self.challenge.as_mut().map(|(_, ticks)| counted(ticks));
        if challenged.is_some_and(|ticks| ticks >= GONE_AFTER) {
            return Verdict::Replaced;
        }
        match asked {
            Some(ticks) if ticks >= GONE_AFTER && self.quiet >= ASK_AFTER + GONE_AFTER => Verdict::Gone,
            None if self.quiet >= ASK_AFTER => Verdict::Ask,
            _ => Verdict::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(liveness: &mut Liveness, ticks: u32) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for _ in 0..ticks {
            let verdict = liveness.on_tick();
            if verdict == Verdict::Ask {
                liveness.ask();
            }
            verdicts.extend((verdict != Verdict::Fine).then_some(verdict));
        }
        verdicts
    }

    #[test]
    fn who_is_silent_is_asked_once_and_is_gone_after_twelve_ticks() {
        let mut liveness = Liveness::default();
        assert_eq!(after(&mut liveness, 11), [Verdict::Ask]);
        assert_eq!(after(&mut liveness, 1), [Verdict::Gone]);
    }

    #[test]
    fn who_was_asked_early_has_the_same_time() {
        let mut liveness = Liveness::default();
        liveness.ask();
        assert_eq!(after(&mut liveness, 11), []);
        assert_eq!(after(&mut liveness, 1), [Verdict::Gone]);
    }

    #[test]
    fn a_sign_begins_it_anew() {
        let mut liveness = Liveness::default();
        after(&mut liveness, 11);
        liveness.sign();
        assert_eq!(after(&mut liveness, 11), [Verdict::Ask]);
    }

    #[test]
    fn a_challenge_is_met_by_its_answer_alone() {
        let mut liveness = Liveness::default();
        liveness.challenge(Xid(9));
        for xid in [8, 10] {
            after(&mut liveness, 3);
            liveness.on_echo_reply(Xid(xid));
            liveness.sign();
        }
        assert_eq!(after(&mut liveness, 1), [Verdict::Replaced]);
        let mut liveness = Liveness::default();
        liveness.challenge(Xid(9));
        liveness.challenge(Xid(10));
        liveness.on_echo_reply(Xid(9));
        assert!(!liveness.is_challenged());
        assert_eq!(after(&mut liveness, 4), []);
    }
}
