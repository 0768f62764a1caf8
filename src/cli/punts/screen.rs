//! The live view on a terminal: what stands on the screen after each reading and each key.

use super::rates::{Refresh, Row};
use super::text::{self, Table};
use crate::cli::watch::frame::{Colours, Style, frame};

/// What a key asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    Redraw,
    Quit,
    Nothing,
}

/// What the rows show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum View {
    /// All senders.
    All,
    /// Those whose packets were not answered.
    Unanswered,
}

/// What is on the screen.
pub(super) struct Screen {
    colours: Colours,
    view: View,
    paused: bool,
    first_row: usize,
    refresh: Refresh,
    time: String,
}

impl Screen {
    pub(super) fn new(colours: Colours) -> Self {
        Self { colours, view: View::All, paused: false, first_row: 0, refresh: Refresh::default(), time: String::new() }
    }

    /// Takes a reading made at `time`, unless it is paused.
    pub(super) fn update(&mut self, refresh: Refresh, time: &str) {
        if !self.paused {
            self.refresh = refresh;
            time.clone_into(&mut self.time);
        }
    }

    pub(super) fn key(&mut self, key: u8) -> Wish {
        match key {
            b'q' | b'Q' => return Wish::Quit,
            b'a' | b'u' => {
                self.view = if key == b'a' { View::All } else { View::Unanswered };
                self.first_row = 0;
            }
            b' ' => self.paused = !self.paused,
            b'j' => self.first_row += 1,
            b'k' => self.first_row = self.first_row.saturating_sub(1),
            b'g' => self.first_row = 0,
            _ => return Wish::Nothing,
        }
        Wish::Redraw
    }

    /// The whole screen.
    pub(super) fn draw(&mut self, (width, height): (usize, usize)) -> String {
        let state = if self.paused { "paused" } else { &self.time };
        let mut lines = vec![(Style::Bold, format!("{}  {state}", text::heading(&self.refresh)))];
        // Heading, column names, keys.
        let room = height.saturating_sub(3);
        let rows: Vec<&Row> =
            self.refresh.rows.iter().filter(|row| self.view == View::All || !is_served(row)).collect();
        self.first_row = self.first_row.min(rows.len().saturating_sub(room));
        let shown = || rows.iter().skip(self.first_row).take(room).copied();
        let table = Table::new(shown());
        lines.push((Style::Dim, table.headings()));
        lines.extend(shown().map(|row| (style(row), table.row(row))));
        lines.resize(height.saturating_sub(1), (Style::Plain, String::new()));
        lines.push((Style::Dim, "q quit  a all  u what was not answered  space pause  j/k scroll  g top".to_owned()));
        lines.truncate(height);
        frame(&lines, width, self.colours)
    }
}

fn is_served(row: &Row) -> bool {
    matches!(row.talker.verdict.as_str(), "answered" | "passed_on" | "logged")
}

fn style(row: &Row) -> Style {
    match row.talker.verdict.as_str() {
        _ if row.rate == 0.0 => Style::Dim,
        "limited" => Style::Red,
        "malformed" => Style::Yellow,
        _ => Style::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rates::Meter;
    use super::super::rates::tests::{status, talker};
    use super::*;

    fn screen() -> Screen {
        let talkers = vec![talker("web1", "answered", 100), talker("p2", "limited", 20)];
        let mut screen = Screen::new(Colours::Off);
        screen.update(Meter::default().read(status(10.0, 100, talkers)), "12:00:00");
        screen
    }

    #[test]
    fn the_screen_has_as_many_rows_as_the_terminal_and_none_is_too_wide() {
        for size in [(80, 24), (30, 10), (200, 60), (1, 1), (12, 4)] {
            let drawn = screen().draw(size);
            assert_eq!(drawn.matches("\r\n").count() + 1, size.1, "{drawn:?}");
        }
    }

    #[test]
    fn keys_choose_what_is_shown_and_a_pause_holds_it() {
        let mut screen = screen();
        assert!(screen.draw((150, 10)).contains("web1 (tap-web1)"));
        assert_eq!(screen.key(b'u'), Wish::Redraw);
        let drawn = screen.draw((150, 10));
        assert!(!drawn.contains("web1") && drawn.contains("p2 (tap-p2)"), "{drawn}");
        screen.key(b' ');
        screen.update(Refresh::default(), "13:00:00");
        let drawn = screen.draw((150, 10));
        assert!(drawn.contains("paused") && drawn.contains("p2 (tap-p2)"), "{drawn}");
        assert_eq!((screen.key(b'x'), screen.key(b'q')), (Wish::Nothing, Wish::Quit));
    }
}
