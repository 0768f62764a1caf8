//! Since when a bridge is not connected, why, and how much of its coming and going the log tells.
//!
//! Each loss is told, with its reason, and so is each return. A bridge that is lost more than five times within
//! [`STEADY_AFTER`] flaps: that is said once, and then nothing more is until it has been connected for so long.

use std::collections::VecDeque;
use std::time::Duration;

/// So many losses within [`STEADY_AFTER`] are told.
const TOLD: usize = 5;
/// A bridge that has been connected for so long is steady.
pub const STEADY_AFTER: Duration = Duration::from_secs(60);

/// The losses of one bridge's connection. Times count from the start of the daemon.
#[derive(Debug, Default)]
pub struct Outage {
    /// How often its connection has ended.
    pub count: u64,
    /// Why it ended last, if its peer did not simply close it.
    pub reason: Option<String>,
    connected: bool,
    /// When that changed last.
    since: Duration,
    /// The last losses, as many as are told and one more.
    recent: VecDeque<Duration>,
    flaps: bool,
}

/// How to tell a loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Telling {
    /// As it is.
    Plain,
    /// That the bridge flaps, and that no more will be told for now.
    Flaps,
    /// Not.
    Silent,
}

impl Outage {
    /// The bridge is connected.
    pub fn connected(&mut self, now: Duration) {
        (self.connected, self.since) = (true, now);
    }

    /// Its connection has ended.
    pub fn lost(&mut self, reason: Option<String>, now: Duration) -> Telling {
        self.count += 1;
        self.reason = reason;
        (self.connected, self.since) = (false, now);
        if self.flaps {
            return Telling::Silent;
        }
        self.recent.push_back(now);
        if self.recent.len() <= TOLD {
            return Telling::Plain;
        }
        let first = self.recent.pop_front().unwrap_or_default();
        self.flaps = now.saturating_sub(first) < STEADY_AFTER;
        if self.flaps { Telling::Flaps } else { Telling::Plain }
    }

    /// True while nothing is told of it.
    pub fn flaps(&self) -> bool {
        self.flaps
    }

    /// Time passes. True if the bridge flapped and is steady now.
    pub fn is_steady_again(&mut self, now: Duration) -> bool {
        let steady = self.flaps && self.connected && now.saturating_sub(self.since) >= STEADY_AFTER;
        if steady {
            self.flaps = false;
            self.recent.clear();
        }
        steady
    }

    /// For how long it has not been connected; one that never was, since the daemon started.
    pub fn lasts(&self, now: Duration) -> Option<Duration> {
        (!self.connected).then(|| now.saturating_sub(self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn flap(outage: &mut Outage, now: u64) -> Telling {
        outage.connected(seconds(now));
        outage.lost(None, seconds(now))
    }

    #[test]
    fn a_bridge_that_flaps_is_told_of_six_times_and_once_more_when_it_is_steady() {
        let mut outage = Outage::default();
        let told: Vec<Telling> = (0..100).map(|second| flap(&mut outage, second)).collect();
        assert_eq!(told[..5], [Telling::Plain; 5]);
        assert_eq!(told[5], Telling::Flaps);
        assert!(told[6..].iter().all(|telling| *telling == Telling::Silent));
        assert!(!outage.is_steady_again(seconds(500)), "it is not connected");
        outage.connected(seconds(500));
        assert!(!outage.is_steady_again(seconds(559)));
        assert!(outage.is_steady_again(seconds(560)) && !outage.flaps());
        assert!(!outage.is_steady_again(seconds(561)), "said once");
        assert_eq!((flap(&mut outage, 562), outage.count), (Telling::Plain, 101));
    }

    #[test]
    fn one_that_is_lost_now_and_then_is_told_of_each_time() {
        let mut outage = Outage::default();
        assert!((0..100).all(|n| flap(&mut outage, 15 * n) == Telling::Plain));
    }

    #[test]
    fn an_outage_lasts_from_the_loss_or_the_start_to_the_return() {
        let mut outage = Outage::default();
        assert_eq!(outage.lasts(seconds(7)), Some(seconds(7)));
        outage.connected(seconds(8));
        assert_eq!(outage.lasts(seconds(9)), None);
        outage.lost(Some("nothing heard for 12 s".into()), seconds(20));
        assert_eq!(outage.lasts(seconds(23)), Some(seconds(3)));
        assert_eq!(outage.reason.as_deref(), Some("nothing heard for 12 s"));
    }
}
