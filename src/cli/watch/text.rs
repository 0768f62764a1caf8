//! What both the screen and the blocks of a pipe are made of.

use super::rates::{Event, Refresh};
use crate::flow::Flow;
use crate::flow::text::{Cookies, Names, Printer};

/// Above the columns of [`columns`].
pub(super) const COLUMNS: &str = "  packets/s     bytes/s     packets  flow";

/// A rate in at most five characters: `0`, `0.3`, `12.5`, `340`, `12.5k`, `3.1M`.
pub(in crate::cli) fn rate(rate: f64) -> String {
    const STEPS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (value, letter) =
        STEPS.iter().find(|(step, _)| rate >= *step).map_or((rate, ""), |(step, l)| (rate / step, *l));
    match value {
        0.0 => "0".to_owned(),
        value if value >= 99.95 => format!("{value:.0}{letter}"),
        value => format!("{value:.1}{letter}"),
    }
}

/// `br-int: 12 flows, 5.0 packets/s, 490 bytes/s, 3 never hit, +1 -0 ~0`.
pub(super) fn heading(name: &str, refresh: &Refresh) -> String {
    let flows = refresh.flows.len();
    let mut text = format!(
        "{name}: {flows} flow{}, {} packets/s, {} bytes/s{}, {} never hit",
        if flows == 1 { "" } else { "s" },
        rate(refresh.total.packets),
        rate(refresh.total.bytes),
        if refresh.is_first { " (means of their lives)" } else { "" },
        refresh.never_hit().count()
    );
    for event in [Event::Added, Event::Removed, Event::Modified] {
        text.push_str(&format!(
            "{} {}{}",
            if event == Event::Added { "," } else { "" },
            event.sign(),
            refresh.count(event)
        ));
    }
    text
}

/// A flow behind its rates and its packets. Empty if there is none at `row`.
pub(super) fn columns(refresh: &Refresh, row: usize, names: &dyn Names) -> String {
    let Some(row) = refresh.rows.get(row) else { return String::new() };
    let Some(stats) = refresh.flows.get(row.index) else { return String::new() };
    let packets = if stats.packet_count == u64::MAX { "?".to_owned() } else { stats.packet_count.to_string() };
    let flow = flow(&Flow::from_stats(&stats), names);
    format!("{:>11} {:>11} {packets:>11}  {flow}", rate(row.rate.packets), rate(row.rate.bytes))
}

/// A flow without cookie and counters; one that cannot be printed says so.
pub(super) fn flow(flow: &Flow, names: &dyn Names) -> String {
    let mut text = Vec::new();
    match Printer::new(names).wanted(flow, Cookies::Hidden, &mut text) {
        Ok(_) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => format!("table={}, a flow that cannot be printed: {error}", flow.table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        let cases = [(0.0, "0"), (0.333, "0.3"), (12.54, "12.5"), (99.97, "100"), (340.0, "340"), (12_500.0, "12.5k")];
        for (number, expected) in cases.into_iter().chain([(3.14e6, "3.1M"), (7e9, "7.0G"), (2e15, "2000T")]) {
            assert_eq!(rate(number), expected);
        }
    }
}
