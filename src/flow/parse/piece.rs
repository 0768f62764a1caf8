//! Pieces of the text, and how `ovs-ofctl` cuts them into keys and values.

use super::ParseError;

/// A part of the text that knows where it stands, so that errors name the right column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    /// Bytes of the whole text before it.
    pub(super) at: usize,
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b',' | b' ' | b'\t' | b'\r' | b'\n')
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

    /// What stands before the first byte that is an `end`, and what follows from there.
    fn until(&self, end: impl FnMut(u8) -> bool) -> (Self, Self) {
        self.split(self.text.bytes().position(end).unwrap_or(self.text.len()))
    }

    /// Where `word` first stands. Pieces are short: to look byte by byte is faster than what `str::find` prepares.
    #[inline]
    pub(super) fn position(&self, word: &str) -> Option<usize> {
        let text = self.text.as_bytes();
        match word.as_bytes() {
            [byte] => text.iter().position(|found| found == byte),
            word => text.windows(word.len()).position(|found| found.first() == word.first() && found == word),
        }
    }

    /// What stands before the first `delimiter`, and what stands behind it.
    #[inline]
    pub(super) fn split_once(&self, delimiter: &str) -> Option<(Self, Self)> {
        let (head, rest) = self.split(self.position(delimiter)?);
        Some((head, rest.split(delimiter.len()).1))
    }

    /// What stands before the last `->`, and what stands behind it.
    pub(super) fn split_arrow(&self) -> Option<(Self, Self)> {
        let (head, rest) = self.split(self.text.as_bytes().windows(2).rposition(|found| found == b"->")?);
        Some((head, rest.split(2).1))
    }

    pub(super) fn strip_prefix(&self, prefix: &str) -> Option<Self> {
        self.text.starts_with(prefix).then(|| self.split(prefix.len()).1)
    }

    pub(super) fn trim_start(&self) -> Self {
        self.split(self.text.len() - self.text.trim_start().len()).1
    }

    pub(super) fn trim(&self) -> Self {
        let start = self.trim_start();
        start.split(start.text.trim_end().len()).0
    }

    /// Takes the next word up to one of `ends`, and the one byte that ended it.
    pub(super) fn word(&self, ends: &str) -> (Self, Self) {
        let (word, rest) = self.until(|byte| ends.as_bytes().contains(&byte));
        (word, rest.split(1).1)
    }

    /// Which of `commands` the word is; as for Open vSwitch its first letters are enough.
    pub(super) fn command<C: Copy>(&self, commands: &[(&str, C)]) -> Option<C> {
        let named = |(name, _): &&(&str, C)| !self.is_empty() && name.starts_with(self.text);
        commands.iter().find(named).map(|(_, command)| *command)
    }

    /// What stands before `actions=…`, and what stands behind the `=`.
    pub(super) fn split_actions(&self) -> (Self, Option<Self>) {
        match self.position("action").map(|at| self.split(at)) {
            Some((head, rest)) => (head, rest.split_once("=").map(|(_, actions)| actions)),
            None => (*self, None),
        }
    }

    /// Takes the next `key`, `key=value`, `key:value` or `key(value)`; `None` at the end.
    pub(super) fn next_pair(&mut self) -> Option<(Self, Self)> {
        let start = self.until(|byte| !is_separator(byte)).1;
        if start.is_empty() {
            *self = start;
            return None;
        }
        let (key, rest) = start.until(|byte| is_separator(byte) || matches!(byte, b':' | b'=' | b'('));
        let (delimiter, rest) = rest.split(1);
        let (value, mut rest) = match delimiter.text {
            ":" | "=" => rest.split(value_len(rest.text, is_separator)),
            "(" => {
                let length = value_len(rest.text, |byte| byte == b')');
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

/// Length up to the first end outside of parentheses. Ends and parentheses are ASCII: no byte within a character
/// is one.
fn value_len(text: &str, is_end: impl Fn(u8) -> bool) -> usize {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| is_end(byte) || byte == b'(') {
        let (_, found) = rest.split_at(at);
        if found.first() != Some(&b'(') {
            return text.len() - found.len();
        }
        rest = behind_parentheses(found);
    }
    text.len()
}

/// What follows the parenthesis that closes the first one; nothing if none does.
fn behind_parentheses(text: &[u8]) -> &[u8] {
    let mut level = 0_usize;
    let closes = |&byte: &u8| {
        match byte {
            b'(' => level += 1,
            b')' => level -= 1,
            _ => {}
        }
        level == 0
    };
    text.iter().position(closes).and_then(|at| text.get(at + 1..)).unwrap_or_default()
}
