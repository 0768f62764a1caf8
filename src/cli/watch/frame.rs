//! A screen full of lines, as a terminal is told of it.

/// Whether the terminal shows colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum Colours {
    On,
    Off,
}

impl Colours {
    /// Off if the environment says so (`NO_COLOR`).
    pub(in crate::cli) fn of_environment() -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if no_colour { Self::Off } else { Self::On }
    }
}

/// How a line stands out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::cli) enum Style {
    #[default]
    Plain,
    Bold,
    Dim,
    Green,
    Red,
    Yellow,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Green => "\x1b[32m",
            Self::Red => "\x1b[31m",
            Self::Yellow => "\x1b[33m",
        }
    }
}

/// The whole screen in one piece: nothing is cleared that is not written in the same breath.
pub(in crate::cli) fn frame(lines: &[(Style, String)], width: usize, colours: Colours) -> String {
    // Between these the terminal shows nothing half done, if it knows how.
    let mut frame = String::from("\x1b[?2026h\x1b[H");
    for (number, (style, line)) in lines.iter().enumerate() {
        if number > 0 {
            frame.push_str("\r\n");
        }
        let code = if colours == Colours::On { style.code() } else { "" };
        frame.push_str(code);
        clip(line, width, &mut frame);
        frame.push_str(if code.is_empty() { "" } else { "\x1b[0m" });
        frame.push_str("\x1b[K");
    }
    frame.push_str("\x1b[J\x1b[?2026l");
    frame
}

/// What of `line` fits into `width` columns; what would move the cursor becomes a dot.
fn clip(line: &str, width: usize, out: &mut String) {
    let count = line.chars().count();
    let kept = if count > width { width.saturating_sub(1) } else { count };
    out.extend(line.chars().take(kept).map(|c| if c.is_control() { '·' } else { c }));
    if count > width && width > 0 {
        out.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_switch_names_moves_the_cursor() {
        let mut out = String::new();
        clip("tap\x1b[2J\r\nx", 80, &mut out);
        assert_eq!(out, "tap·[2J··x");
    }
}
