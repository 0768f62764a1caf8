//! Whether flows are coloured, and with which colours: those of `ovs-ofctl --color`, which the environment
//! variable `OVS_COLORS` changes (`ovs-ofctl(8)`, `--color`).

use std::env;
use std::io::{self, IsTerminal};

use clap::ValueEnum;

/// When to colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum When {
    /// On a terminal, unless the environment variable NO_COLOR is set
    #[default]
    #[value(aliases = ["tty", "if-tty"])]
    Auto,
    /// Wherever the text goes
    #[value(aliases = ["yes", "force"])]
    Always,
    /// Not at all
    #[value(aliases = ["no", "none"])]
    Never,
}

/// What a part of a flow's text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// `actions=`.
    Actions,
    /// `drop`.
    Drop,
    /// `learn(` and its end.
    Learn,
    /// The name of a field or an argument.
    Param,
    /// An action with parentheses, and its end.
    Paren,
    /// What leads on: tables, outputs, priorities.
    Special,
    /// A word that stands for itself.
    Value,
}

/// The names of the parts in `OVS_COLORS`, in the order of [`Part`], and the usual colours.
const COLORS: [(&str, &str); 7] =
    [("ac", "1;31"), ("dr", "34"), ("le", "31"), ("pm", "36"), ("pr", "35"), ("sp", "33"), ("vl", "32")];

/// What ends a colour: of the line behind it too.
pub(super) const END: &str = "\x1b[m\x1b[K";

/// The beginning of each colour, ready to be printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Palette([String; 7]);

impl Palette {
    /// The colours to print with; none if there is to be no colour.
    pub fn of_environment(when: When) -> Option<Self> {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let wanted = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                let dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
                io::stdout().is_terminal() && !is_set("NO_COLOR") && !dumb
            }
        };
        wanted.then(|| Self::new(&env::var("OVS_COLORS").unwrap_or_default()))
    }

    /// The usual colours, changed by `text`: pairs as `ac=01;31`, with colons between. Names that are not known
    /// and colours that are none are passed over; of several for one name the last counts.
    pub fn new(text: &str) -> Self {
        let mut colors = COLORS.map(|(_, color)| color);
        for (name, color) in text.split(':').filter_map(|pair| pair.split_once('=')) {
            let known = COLORS.iter().zip(&mut colors).find(|((other, _), _)| *other == name);
            if let Some((_, place)) = known
                && color.bytes().all(|byte| byte == b';' || byte.is_ascii_digit())
            {
                *place = color;
            }
        }
        Self(colors.map(|color| format!("\x1b[{color}m\x1b[K")))
    }

    /// What begins the colour of a part.
    pub(super) fn start(&self, part: Part) -> &str {
        &self.0[part as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_changes_colours_by_name_and_the_last_counts() {
        let palette = Palette::new("ac=1:xx=3:dr=red:pm=:sp=4;5:sp=6:le");
        let starts =
            [Part::Actions, Part::Drop, Part::Param, Part::Special, Part::Learn].map(|part| palette.start(part));
        assert_eq!(starts, ["\x1b[1m\x1b[K", "\x1b[34m\x1b[K", "\x1b[m\x1b[K", "\x1b[6m\x1b[K", "\x1b[31m\x1b[K"]);
        assert_eq!(Palette::of_environment(When::Never), None);
    }
}
