//! The live view on a terminal: what stands on the screen after each reading and each key.

use std::collections::VecDeque;

use super::frame::{Colours, Style, frame};
use super::rates::{Change, Event, Refresh, Row};
use super::text;
use crate::flow::text::Names;

/// Changes that are remembered.
const LOG: usize = 1000;
/// Changes that stand below the flows.
const RECENT: usize = 6;

/// What the rows show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum View {
    Traffic,
    NeverHit,
    Changes,
}

/// What a key asks for beyond another look at the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    Redraw,
    Quit,
    Nothing,
}

/// A change as it is remembered.
struct Logged {
    event: Event,
    time: String,
    flow: String,
}

/// What is on the screen.
pub(super) struct Screen {
    name: String,
    colours: Colours,
    view: View,
    by_bytes: bool,
    paused: bool,
    first_row: usize,
    refresh: Refresh,
    time: String,
    log: VecDeque<Logged>,
}

impl Screen {
    pub(super) fn new(name: &str, colours: Colours) -> Self {
        Self {
            name: name.to_owned(),
            colours,
            view: View::Traffic,
            by_bytes: false,
            paused: false,
            first_row: 0,
            refresh: Refresh::default(),
            time: String::new(),
            log: VecDeque::new(),
        }
    }

    /// Takes a reading made at `time`. A paused screen only remembers what changed.
    pub(super) fn update(&mut self, refresh: Refresh, time: &str, names: &dyn Names) {
        for Change { event, flow } in &refresh.changes {
            self.log.push_front(Logged { event: *event, time: time.to_owned(), flow: text::flow(flow, names) });
        }
        self.log.truncate(LOG);
        if !self.paused {
            self.refresh = refresh;
            time.clone_into(&mut self.time);
            self.sort();
        }
    }

    fn sort(&mut self) {
        if self.by_bytes {
            self.refresh.rows.sort_by(|a, b| b.rate.bytes.total_cmp(&a.rate.bytes));
        } else {
            self.refresh.rows.sort_by(|a, b| b.rate.packets.total_cmp(&a.rate.packets));
        }
    }

    pub(super) fn key(&mut self, key: u8) -> Wish {
        match key {
            b'q' | b'Q' => return Wish::Quit,
            b't' => self.show(View::Traffic),
            b'n' => self.show(View::NeverHit),
            b'c' => self.show(View::Changes),
            b'p' | b'b' => {
                self.by_bytes = key == b'b';
                self.sort();
            }
            b' ' => self.paused = !self.paused,
            b'j' => self.first_row += 1,
            b'k' => self.first_row = self.first_row.saturating_sub(1),
            b'd' => self.first_row += 10,
            b'u' => self.first_row = self.first_row.saturating_sub(10),
            b'g' => self.first_row = 0,
            _ => return Wish::Nothing,
        }
        Wish::Redraw
    }

    fn show(&mut self, view: View) {
        self.view = view;
        self.first_row = 0;
    }

    /// The whole screen in one piece: nothing is cleared that is not written in the same breath.
    pub(super) fn draw(&mut self, (width, height): (usize, usize), names: &dyn Names) -> String {
        let mut lines = Vec::with_capacity(height);
        let state = if self.paused { "paused" } else { &self.time };
        lines.push((Style::Bold, format!("{}  {state}", text::heading(&self.name, &self.refresh))));
        let recent = if self.view == View::Changes { 0 } else { self.log.len().min(RECENT).min(height / 4) };
        let foot = if recent > 0 { recent + 1 } else { 0 };
        // Heading, column names, keys.
        let room = height.saturating_sub(3 + foot);
        self.rows(room, names, &mut lines);
        lines.resize(height.saturating_sub(1 + foot), (Style::Plain, String::new()));
        if recent > 0 {
            lines.push((Style::Dim, "changes".to_owned()));
            lines.extend(self.log.iter().take(recent).map(Logged::line));
        }
        let keys = "q quit  p/b by packets/bytes  t traffic  n never hit  c changes  space pause  j/k/d/u scroll";
        lines.push((Style::Dim, keys.to_owned()));
        lines.truncate(height);
        frame(&lines, width, self.colours)
    }

    fn rows(&mut self, room: usize, names: &dyn Names, lines: &mut Vec<(Style, String)>) {
        let never_hit = |row: &Row| row.never_hit;
        let rows: Vec<usize> = match self.view {
            View::Traffic => (0..self.refresh.rows.len()).collect(),
            View::NeverHit => (0..self.refresh.rows.len()).filter(|&i| never_hit(&self.refresh.rows[i])).collect(),
            View::Changes => (0..self.log.len()).collect(),
        };
        self.first_row = self.first_row.min(rows.len().saturating_sub(room));
        let heading = if self.view == View::Changes { "  time      flow" } else { text::COLUMNS };
        lines.push((Style::Dim, heading.to_owned()));
        for &row in rows.iter().skip(self.first_row).take(room) {
            lines.push(match self.view {
                View::Changes => self.log.get(row).map(Logged::line).unwrap_or_default(),
                _ if never_hit(&self.refresh.rows[row]) => (Style::Dim, text::columns(&self.refresh, row, names)),
                _ => (Style::Plain, text::columns(&self.refresh, row, names)),
            });
        }
    }
}

impl Logged {
    fn line(&self) -> (Style, String) {
        let style = match self.event {
            Event::Added => Style::Green,
            Event::Removed => Style::Red,
            Event::Modified => Style::Yellow,
        };
        (style, format!("{} {}  {}", self.event.sign(), self.time, self.flow))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::rates::Meter;
    use super::*;
    use crate::cli::ofctl_dump::dump::FlowEntries;
    use crate::flow::parse::{NoNames, flow_stats};
    use crate::flow::text::Numbers;

    fn entries(lines: &[&str]) -> FlowEntries {
        let mut flows = FlowEntries::default();
        for line in lines {
            flows.encode(&flow_stats(line, &NoNames).unwrap().to_flow_stats()).unwrap();
        }
        flows
    }

    /// The lines of a frame without their escapes.
    fn shown(screen: &mut Screen, size: (usize, usize)) -> Vec<String> {
        let frame = screen.draw(size, &Numbers);
        let plain = frame.split("\x1b[").map(|part| part.trim_start_matches(|c: char| "?0123456789;".contains(c)));
        // The letter that ends an escape.
        let text: String = plain.filter(|part| !part.is_empty()).map(|part| &part[1..]).collect();
        text.split("\r\n").map(str::to_owned).collect()
    }

    fn screen() -> Screen {
        let mut meter = Meter::default();
        let mut screen = Screen::new("br0", Colours::Off);
        let first = [
            "table=1,duration=9s,n_packets=5,n_bytes=50 actions=drop",
            "table=2,duration=9s,n_packets=0,n_bytes=0 actions=drop",
        ];
        screen.update(meter.read(entries(&first), Duration::ZERO), "12:00:00", &Numbers);
        let second = [
            "table=1,duration=10s,n_packets=6,n_bytes=950 actions=drop",
            "table=3,duration=1s,n_packets=4,n_bytes=40 actions=drop",
        ];
        screen.update(meter.read(entries(&second), Duration::from_secs(1)), "12:00:01", &Numbers);
        screen
    }

    #[test]
    fn the_screen_has_as_many_rows_as_the_terminal_and_none_is_too_wide() {
        for size in [(80, 24), (30, 10), (200, 60), (1, 1), (12, 4)] {
            let lines = shown(&mut screen(), size);
            assert_eq!(lines.len(), size.1, "{size:?}: {lines:?}");
            assert!(lines.iter().all(|line| line.chars().count() <= size.0), "{size:?}: {lines:?}");
        }
    }

    #[test]
    fn the_busiest_flow_is_first_and_changes_stand_below() {
        let mut screen = screen();
        let lines = shown(&mut screen, (120, 24));
        assert!(
            lines[0].starts_with("br0: 2 flows, 5.0 packets/s, 940 bytes/s, 0 never hit, +1 -1 ~0  12:00:01"),
            "{lines:?}"
        );
        assert!(lines[2].contains("table=3,") && lines[3].contains("table=1,"), "{lines:?}");
        assert!(
            lines[21].starts_with("- 12:00:01  table=2,") && lines[22].starts_with("+ 12:00:01  table=3,"),
            "{lines:?}"
        );
        assert_eq!(screen.key(b'b'), Wish::Redraw);
        let lines = shown(&mut screen, (120, 24));
        assert!(lines[2].contains("table=1,") && lines[3].contains("table=3,"), "{lines:?}");
        assert_eq!((screen.key(b'x'), screen.key(b'q')), (Wish::Nothing, Wish::Quit));
    }
}
