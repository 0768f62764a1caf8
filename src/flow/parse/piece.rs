//! Pieces of the text, and how `ovs-ofctl` cuts them into keys and values.

use nom::Parser;
use nom::bytes::complete::{take_till, take_while};

use super::ParseError;

/// A part of the text that knows where it stands, so that errors name the right column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    /// Bytes of the whole text before it.
    pub(super) at: usize,
}

type Cut<'t> = nom::IResult<&'t str, &'t str>;

const fn is_separator(c: char) -> bool {
    matches!(c, ',' | ' ' | '\t' | '\r' | '\n')
}

impl<'t> Piece<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn error(&self, expected: &'static str) -> ParseError {
        ParseError { column: self.at + 1, found: self.text.into(), expected }
    }

    /// The first `length` bytes, and what follows; all of it if a character stands across the cut.
    pub(super) fn split(&self, length: usize) -> (Self, Self) {
        let (head, tail) = self.text.split_at_checked(length).unwrap_or((self.text, ""));
        (Self { text: head, at: self.at }, Self { text: tail, at: self.at + head.len() })
    }

    /// What `parser` takes, and the rest.
    fn take(&self, mut parser: impl FnMut(&'t str) -> Cut<'t>) -> (Self, Self) {
        let taken = parser(self.text).map_or(0, |(_, taken)| taken.len());
        self.split(taken)
    }

    /// What stands before the first `delimiter`, and what stands behind it.
    pub(super) fn split_once(&self, delimiter: &str) -> Option<(Self, Self)> {
        let (head, rest) = self.split(self.text.find(delimiter)?);
        Some((head, rest.split(delimiter.len()).1))
    }

    pub(super) fn split_last(&self, delimiter: &str) -> Option<(Self, Self)> {
        let (head, rest) = self.split(self.text.rfind(delimiter)?);
        Some((head, rest.split(delimiter.len()).1))
    }

    pub(super) fn strip_prefix(&self, prefix: &str) -> Option<Self> {
        self.text.starts_with(prefix).then(|| self.split(prefix.len()).1)
    }

    pub(super) fn trim_start(&self) -> Self {
        self.take(|text| take_while(char::is_whitespace).parse(text)).1
    }

    pub(super) fn trim(&self) -> Self {
        let start = self.trim_start();
        start.split(start.text.trim_end().len()).0
    }

    /// Takes the next word up to one of `ends`, and the one byte that ended it.
    pub(super) fn word(&self, ends: &str) -> (Self, Self) {
        let (word, rest) = self.take(|text| take_till(|c| ends.contains(c)).parse(text));
        (word, rest.split(1).1)
    }

    /// Which of `commands` the word is; as for Open vSwitch its first letters are enough.
    pub(super) fn command<C: Copy>(&self, commands: &[(&str, C)]) -> Option<C> {
        let named = |(name, _): &&(&str, C)| !self.is_empty() && name.starts_with(self.text);
        commands.iter().find(named).map(|(_, command)| *command)
    }

    /// What stands before `actions=…`, and what stands behind the `=`.
    pub(super) fn split_actions(&self) -> (Self, Option<Self>) {
        match self.text.find("action").map(|at| self.split(at)) {
            Some((head, rest)) => (head, rest.split_once("=").map(|(_, actions)| actions)),
            None => (*self, None),
        }
    }

    /// Takes the next `key`, `key=value`, `key:value` or `key(value)`; `None` at the end.
    pub(super) fn next_pair(&mut self) -> Option<(Self, Self)> {
        let start = self.take(|text| take_while(is_separator).parse(text)).1;
        if start.is_empty() {
            *self = start;
            return None;
        }
        let (key, rest) = start.take(|text| take_till(|c| is_separator(c) || matches!(c, ':' | '=' | '(')).parse(text));
        let (delimiter, rest) = rest.split(1);
        let (value, mut rest) = match delimiter.text {
            ":" | "=" => rest.split(value_len(rest.text, is_separator)),
            "(" => {
                let length = value_len(rest.text, |c| c == ')');
                let (value, after) = rest.split(length);
                if after.text.starts_with(")->") {
                    rest.split(length + value_len(after.text, is_separator))
                } else {
                    (value, after)
                }
            }
            _ => rest.split(0),
        };
        if matches!(delimiter.text, ":" | "=" | "(") {
            rest = rest.split(1).1;
        }
        *self = rest;
        Some((key, value))
    }
}

/// Length up to the first end outside of parentheses.
fn value_len(text: &str, is_end: impl Fn(char) -> bool) -> usize {
    let mut level = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            _ if level == 0 && is_end(c) => return at,
            '(' => level += 1,
            ')' => level = level.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}
