//! Since when bridges refuse flows, whatever connections come and go, and what of that is new. Who has the clock says
//! what time it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::flow::Flow;
use crate::openflow::{ErrorCode, TableId};
use crate::pipeline::{Bridge, ObjectNames};
use crate::switch::{Progress, RefusedChange, Rejected};

/// Objects that one line of the log names.
const NAMED: usize = 3;

/// See the module.
#[derive(Default)]
pub struct RefusalHistory {
    bridges: BTreeMap<Bridge, Told>,
}

/// What a bridge has told last.
struct Told {
    /// When it did.
    told_at: Duration,
    /// The same moment on the clock of its connection.
    at: Duration,
    rejected: Arc<[Rejected]>,
    since: HashMap<(RefusedChange, Arc<Flow>), Duration>,
}

/// Flows of one table that are refused for one reason since now, or are so no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusalNews {
    /// The table.
    pub table: TableId,
    /// What is refused of them, and why; `None`: nothing any more.
    pub refused: Option<(RefusedChange, ErrorCode)>,
    /// The flows.
    pub flows: Vec<Arc<Flow>>,
}

/// How long a flow has been refused, and when it is tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// For so long.
    pub refused_for: Duration,
    /// After so long; `None`: that is on its way, or takes a connection first.
    pub retry_in: Option<Duration>,
}

impl RefusalHistory {
    /// A bridge has told how far it is, at `now`. Returns what is refused that was not, and what is so no more.
    pub fn on_progress(&mut self, bridge: &Bridge, progress: &Progress, now: Duration) -> Vec<RefusalNews> {
        let rejected = progress.rejected.clone();
        let told = self.bridges.entry(bridge.clone()).or_insert_with(|| Told {
            told_at: now,
            at: progress.at,
            rejected: Arc::default(),
            since: HashMap::new(),
        });
        (told.told_at, told.at) = (now, progress.at);
        if Arc::ptr_eq(&told.rejected, &rejected) || (rejected.is_empty() && told.since.is_empty()) {
            return Vec::new();
        }
        let mut before = std::mem::take(&mut told.since);
        let mut news: BTreeMap<_, Vec<Arc<Flow>>> = BTreeMap::new();
        for Rejected { flow, refused, code, .. } in rejected.iter() {
            let id = (*refused, flow.clone());
            let since = before.remove(&id).unwrap_or_else(|| {
                let reason = (code.experimenter, code.error_type, code.code);
                news.entry((flow.table, Some((*refused, reason)))).or_default().push(flow.clone());
                now
            });
            told.since.insert(id, since);
        }
        if progress.held {
            // Only what led to the hold is known yet.
            told.since.extend(before);
        } else {
            for (_, flow) in before.into_keys() {
                news.entry((flow.table, None)).or_default().push(flow);
            }
        }
        told.rejected = rejected;
        let named = |((table, reason), mut flows): ((TableId, Option<_>), Vec<Arc<Flow>>)| {
            flows.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
            let refused = reason.map(|(refused, (experimenter, error_type, code))| {
                (refused, ErrorCode { experimenter, error_type, code })
            });
            RefusalNews { table, refused, flows }
        };
        news.into_iter().map(named).collect()
    }

    /// Forgets a bridge that has gone for good.
    pub fn forget(&mut self, bridge: &Bridge) {
        self.bridges.remove(bridge);
    }

    /// How it stands at `now` with a flow that a bridge refuses.
    pub fn timing(&self, bridge: &Bridge, rejected: &Rejected, now: Duration) -> Timing {
        let Some(told) = self.bridges.get(bridge) else {
            return Timing { refused_for: Duration::ZERO, retry_in: None };
        };
        let since = told.since.get(&(rejected.refused, rejected.flow.clone())).copied().unwrap_or(now);
        let retry_at = rejected.retry_at.map(|retry_at| told.told_at + retry_at.saturating_sub(told.at));
        Timing {
            refused_for: now.saturating_sub(since),
            retry_in: retry_at.map(|retry_at| retry_at.saturating_sub(now)),
        }
    }
}

impl RefusalNews {
    /// Whose flows they are, for a line of the log: `port web1, network blue and 7 more`.
    pub fn owners(&self, names: &ObjectNames) -> String {
        let mut owners: Vec<String> = Vec::new();
        let mut last = None;
        for flow in &self.flows {
            if last.replace(flow.cookie) != Some(flow.cookie) {
                owners.push(names.owner(flow.cookie).unwrap_or_else(|| "the bridge".to_owned()));
            }
        }
        owners.sort_unstable();
        owners.dedup();
        let more = owners.len().saturating_sub(NAMED);
        owners.truncate(NAMED);
        if more > 0 { format!("{} and {more} more", owners.join(", ")) } else { owners.join(", ") }
    }
}

/// A line of the log for each table and reason when flows begin to be refused, and when that ends; none for each time that
/// they are tried.
pub(super) fn write(news: &RefusalNews, bridge: &str, names: &ObjectNames) {
    let (table, flows, of) = (news.table.0, news.flows.len(), news.owners(names));
    match news.refused {
        Some((RefusedChange::Addition, code)) => {
            warn!(bridge, table, flows, of, "the switch refuses flows: {code}; trying again");
        }
        Some((RefusedChange::Deletion, code)) => {
            warn!(bridge, table, flows, of, "the switch refuses to delete flows: {code}; trying again");
        }
        None => info!(bridge, table, flows, of, "flows are refused no more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::Match;
    use crate::pipeline::cookie::{self, Kind};

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn flow(table: u8, port: &str) -> Arc<Flow> {
        let cookie = cookie::cookie(Kind::PortMac, port);
        Arc::new(Flow::new(TableId(table), 1, &Match::new().eth_type(cookie.0 as u16), cookie, &[], None).unwrap())
    }

    fn rejected(flow: Arc<Flow>, retry_at: Duration) -> Rejected {
        let (refused, code) = (RefusedChange::Addition, ErrorCode::FMFC_TABLE_FULL);
        Rejected { flow, refused, code, attempts: 1, retry_at: Some(retry_at) }
    }

    fn progress(rejected: impl IntoIterator<Item = Rejected>, at: Duration) -> Progress {
        Progress { rejected: rejected.into_iter().collect(), at, ..Progress::default() }
    }

    #[test]
    fn a_refusal_is_news_once_and_so_is_its_end_whatever_connections_come_and_go() {
        let (mut history, on) = (RefusalHistory::default(), Bridge::Integration);
        let both = || [flow(1, "web1"), flow(1, "web2")].map(|flow| rejected(flow, second(9)));
        let news = history.on_progress(&on, &progress(both(), second(8)), second(100));
        assert_eq!(news.len(), 1);
        assert_eq!(news[0].refused, Some((RefusedChange::Addition, ErrorCode::FMFC_TABLE_FULL)));
        let mut names = ObjectNames::default();
        names.add(cookie::ObjectKind::Port, "web1");
        names.add(cookie::ObjectKind::Port, "web2");
        assert_eq!((news[0].flows.len(), news[0].owners(&names)), (2, "port web1, port web2".into()));
        // Tried again, by another connection.
        assert_eq!(history.on_progress(&on, &progress(both(), second(1)), second(110)), []);
        let one = || [rejected(flow(1, "web2"), second(9))];
        let news = history.on_progress(&on, &progress(one(), second(3)), second(120));
        assert_eq!(news, [RefusalNews { table: TableId(1), refused: None, flows: vec![flow(1, "web1")] }]);
        let timing = Timing { refused_for: second(21), retry_in: Some(second(5)) };
        assert_eq!(history.timing(&on, &one()[0], second(121)), timing);
    }

    #[test]
    fn while_a_bridge_waits_for_the_agent_nothing_counts_as_taken() {
        let (mut history, on) = (RefusalHistory::default(), Bridge::Integration);
        let told = |flows: &[Arc<Flow>], held| {
            let rejected = flows.iter().map(|flow| rejected(flow.clone(), second(9)));
            Progress { held, ..progress(rejected, second(1)) }
        };
        let both = [flow(1, "web1"), flow(2, "web2")];
        assert_eq!(history.on_progress(&on, &told(&both, false), second(1)).len(), 2);
        assert_eq!(history.on_progress(&on, &told(&both[..1], true), second(2)), []);
        assert_eq!(history.on_progress(&on, &told(&both, false), second(3)), []);
        assert_eq!(history.on_progress(&on, &told(&[], false), second(4)).len(), 2);
        assert_eq!(history.on_progress(&on, &told(&[], false), second(5)), []);
    }

    #[test]
    fn a_line_names_a_few_of_many() {
        let flows = (0..9).map(|number| flow(1, &format!("web{number}"))).collect();
        let text = RefusalNews { table: TableId(1), refused: None, flows }.owners(&ObjectNames::default());
        assert!(text.ends_with(" and 6 more") && text.matches("port ").count() == 3, "{text}");
    }
}
