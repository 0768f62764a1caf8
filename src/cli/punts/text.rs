//! What both the screen and the blocks of a pipe are made of.

use std::time::Duration;

use super::rates::{Refresh, Row};
use crate::cli::watch::text::rate;

/// The verdicts in the order in which a heading names them.
const VERDICTS: [&str; 6] = ["answered", "passed_on", "logged", "ignored", "limited", "malformed"];

/// `compute1: 12.0 packets/s: 11.0 answered, 1.0 limited; answers take 20 us, 99 of 100 at most 50 us`.
pub(super) fn heading(refresh: &Refresh) -> String {
    let mut text = format!("{}: {} packets/s", refresh.node, rate(refresh.rate()));
    if refresh.is_first {
        text.push_str(" (mean since the start)");
    }
    let known = VERDICTS.iter().filter_map(|word| refresh.verdicts.iter().find(|(verdict, _)| verdict == word));
    for (number, (verdict, packets)) in known.enumerate() {
        let separator = if number == 0 { ": " } else { ", " };
        text.push_str(&format!("{separator}{} {}", rate(*packets), verdict.replace('_', " ")));
    }
    if let Some((half, most)) = refresh.latency {
        text.push_str(&format!("; answers take {}, 99 of 100 at most {}", duration(half), duration(most)));
    }
    text
}

/// `20 us`, `1.5 ms`, `2 s`; more than was measured is `long`.
fn duration(duration: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
    let nanoseconds = duration.as_nanos();
    if nanoseconds > 9_000_000_000 {
        return "long".to_owned();
    }
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| nanoseconds >= *unit).unwrap_or((1, "ns"));
    format!("{} {name}", nanoseconds as f64 / unit as f64)
}

/// The columns of a table of senders: their headings, and a line for each row.
pub(super) struct Table {
    widths: [usize; 3],
}

const HEADINGS: [&str; 3] = ["bridge", "from", "kind"];

impl Table {
    /// As wide as these rows need.
    pub(super) fn new<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut widths = HEADINGS.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(cells(row)) {
                *width = (*width).max(cell.chars().count());
            }
        }
        Self { widths }
    }

    /// What stands above the columns.
    pub(super) fn headings(&self) -> String {
        self.line(["packets/s", "packets"], &HEADINGS.map(str::to_owned), "verdict")
    }

    /// One sender.
    pub(super) fn row(&self, row: &Row) -> String {
        let verdict = row.talker.verdict.replace('_', " ");
        let verdict = match &row.talker.reason {
            Some(reason) => format!("{verdict}: {reason}"),
            None => verdict,
        };
        self.line([&rate(row.rate), &row.talker.packets.to_string()], &cells(row), &verdict)
    }

    fn line(&self, [rate, packets]: [&str; 2], cells: &[String; 3], verdict: &str) -> String {
        let mut text = format!("{rate:>11} {packets:>11}");
        for (cell, width) in cells.iter().zip(self.widths) {
            text.push_str(&format!("  {cell:width$}"));
        }
        format!("{text}  {verdict}")
    }
}

fn cells(row: &Row) -> [String; 3] {
    [row.bridge.clone(), sender(row), row.talker.kind.replace('_', " ")]
}

/// `web1 (tap-web1)`, or as much of it as is known.
fn sender(row: &Row) -> String {
    let talker = &row.talker;
    let device = talker.interface.as_deref().or(talker.mac_address.as_deref()).unwrap_or("?");
    match &talker.port {
        Some(port) => format!("{port} ({device})"),
        None => device.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rates::Meter;
    use super::super::rates::tests::{status, talker};
    use super::*;

    #[test]
    fn a_heading_and_rows_tell_who_and_what_and_how_fast() {
        let talkers = vec![talker("web1", "answered", 100), talker("p2", "ignored", 20)];
        let refresh = Meter::default().read(status(10.0, 100, talkers));
        assert_eq!(
            heading(&refresh),
            "a: 11.1 packets/s (mean since the start): 10.1 answered, 1.0 limited; answers take 20 us, 99 of 100 at \
             most 20 us"
        );
        let table = Table::new(refresh.rows.iter());
        let lines: Vec<String> =
            std::iter::once(table.headings()).chain(refresh.rows.iter().map(|row| table.row(row))).collect();
        assert_eq!(
            lines,
            [
                "  packets/s     packets  bridge  from             kind  verdict",
                "       10.0         100  br-int  web1 (tap-web1)  arp   answered",
                "        2.0          20  br-int  p2 (tap-p2)      arp   ignored: nobody has it",
            ]
        );
    }

    #[test]
    fn durations_are_short() {
        for (nanoseconds, expected) in
            [(100, "100 ns"), (20_000, "20 us"), (1_500_000, "1.5 ms"), (9_000_000_000, "9 s")]
        {
            assert_eq!(duration(Duration::from_nanos(nanoseconds)), expected);
        }
        assert_eq!(duration(Duration::from_nanos(u64::MAX)), "long");
    }
}
