//! Lines of a file, whatever their bytes.

use std::borrow::Cow;
use std::io::{self, BufRead};

/// Reads line by line into one buffer. Bytes that are no UTF-8 are replaced: they end up where the line is refused.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), number: 0 }
    }

    /// The next line without its end, and its number from 1; nothing at the end of the input.
    pub(super) fn next(&mut self) -> io::Result<Option<(usize, Cow<'_, str>)>> {
        self.buffer.clear();
        if self.input.read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
        Ok(Some((self.number, text)))
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn lines_end_with_or_without_a_carriage_return_and_may_hold_any_bytes() {
        let mut lines = Lines::new(&b"a\r\n\n\xff\nlast"[..]);
        for expected in [(1, "a"), (2, ""), (3, "\u{fffd}"), (4, "last")] {
            let (number, line) = lines.next().unwrap().unwrap();
            assert_eq!((number, line.as_ref()), expected);
        }
        assert!(lines.next().unwrap().is_none());
    }
}
