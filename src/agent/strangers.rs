//! Who was sent away, or given up: counted by reason, and told of in the log as long as that is of use to anybody.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// So many refusals are remembered, so as not to be said again.
const MAX_SAID: usize = 1024;
/// New ones that are said in a [`WINDOW`]; who connects at will should not fill the disk.
const MAX_NEW: u32 = 20;
/// See [`MAX_NEW`].
const WINDOW: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub struct Strangers {
    by_reason: BTreeMap<&'static str, SentAway>,
    said: HashSet<String>,
    window_began: Duration,
    /// In this window.
    new: u32,
}

/// Those of one reason.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SentAway {
    /// How many.
    pub count: u64,
    /// Where the latest came from; empty if that is not known.
    pub latest: String,
}

/// Whether a refusal is worth a line of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Worth {
    /// It is new.
    Saying,
    /// It is new, and the last that is said for a while.
    SayingLast,
    /// The same was said before, or too much was said lately.
    Nothing,
}

impl Strangers {
    /// So many more, the latest from `peer`.
    pub fn count(&mut self, reason: &'static str, peer: &str, more: u64) {
        let sent_away = self.by_reason.entry(reason).or_default();
        sent_away.count += more;
        peer.clone_into(&mut sent_away.latest);
    }

    /// Whether `text` should be said, at a time since the daemon began.
    pub fn worth(&mut self, text: &str, now: Duration) -> Worth {
        if self.said.contains(text) {
            return Worth::Nothing;
        }
        if now.saturating_sub(self.window_began) >= WINDOW {
            (self.window_began, self.new) = (now, 0);
        }
        if self.new >= MAX_NEW {
            return Worth::Nothing;
        }
        self.new += 1;
        if self.said.len() >= MAX_SAID {
            self.said.clear();
        }
        self.said.insert(text.to_owned());
        if self.new == MAX_NEW { Worth::SayingLast } else { Worth::Saying }
    }

    /// All that were counted, by reason.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &SentAway)> {
        self.by_reason.iter().map(|(reason, sent_away)| (*reason, sent_away))
    }
}

/// An address without its port, which is another each time.
pub fn host_of(peer: &str) -> &str {
    peer.rsplit_once(':').map_or(peer, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_number_and_the_latest_peer() {
        let mut strangers = Strangers::default();
        strangers.count("silent", "192.0.2.1:7", 1);
        strangers.count("silent", "192.0.2.2:8", 3);
        strangers.count("unknown", "192.0.2.3:9", 1);
        let found: Vec<_> = strangers.iter().map(|(reason, of)| (reason, of.count, of.latest.as_str())).collect();
        assert_eq!(found, [("silent", 4, "192.0.2.2:8"), ("unknown", 1, "192.0.2.3:9")]);
    }

    #[test]
    fn what_is_the_same_is_said_once_and_what_is_ever_new_a_few_times_a_minute() {
        let mut strangers = Strangers::default();
        let second = Duration::from_secs(1);
        assert_eq!(strangers.worth("a", second), Worth::Saying);
        assert_eq!(strangers.worth("a", 100 * second), Worth::Nothing);
        let said = |strangers: &mut Strangers, from: u32, at: Duration| {
            (from..from + 100).filter(|n| strangers.worth(&n.to_string(), at) != Worth::Nothing).count()
        };
        assert_eq!(said(&mut strangers, 0, 200 * second), 20);
        assert_eq!(said(&mut strangers, 100, 259 * second), 0);
        assert_eq!(said(&mut strangers, 200, 260 * second), 20);
    }

    #[test]
    fn an_address_of_either_family_loses_its_port() {
        assert_eq!(
            ["192.0.2.1:7", "[2001:db8::1]:7", "a socket"].map(host_of),
            ["192.0.2.1", "[2001:db8::1]", "a socket"]
        );
    }
}
