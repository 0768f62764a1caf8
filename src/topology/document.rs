//! Reading TOML files so that a problem knows its line and column, and a good file costs little.
//!
//! A parsed TOML document takes about 25 times the memory of its text, so a large file is parsed in [`chunks`] that
//! are documents of their own, one after the other. Nobody keeps positions: a problem remembers the keys that lead to
//! its value ([`At`], a list on the stack until something is wrong), and [`Report::refuse`] looks them up in the text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeArray, DeTable, DeValue};

use super::{Fault, Place, Position, Problem, Refused, Step};

/// A value with its place in the text.
pub(crate) type Value<'i> = toml::Spanned<DeValue<'i>>;

/// How many problems a refusal prints.
const SHOWN: usize = 20;
/// How many problems are looked up in the text before the first ones are chosen.
const KEPT: usize = 200;
/// The size of the part of a text in which problems of syntax are told.
const RECOVERED: usize = 1 << 20;

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, Refused> {
    let file = path.to_string_lossy();
    let refuse = |fault| refused(&file, None, fault);
    let io = |error: io::Error| refuse(Fault::Io(error.kind()));
    let open = File::open(path).map_err(io)?;
    let size = open.metadata().map_err(io)?.len();
    if size > limit {
        return Err(refuse(Fault::TooLarge { limit }));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // A pipe has no size, and a file may grow while it is read.
    open.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(refuse(Fault::TooLarge { limit }));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let (text, rest) = error.as_bytes().split_at(good);
        let position = position_in(&String::from_utf8_lossy(text), text.len());
        refused(&file, Some(position), Fault::NotUtf8(rest.first().copied().unwrap_or_default()))
    })
}

/// A refusal for a single reason.
pub(crate) fn refused(file: &str, position: Option<Position>, fault: Fault) -> Refused {
    let problem = Problem { file: Some(Arc::from(file)), position, ..Problem::new(Place::default(), fault) };
    Refused { problems: vec![problem], more: 0 }
}

/// Refuses a text whose part from `start` is not TOML; what comes before is. Of a large text only a part is looked at.
pub(crate) fn check_syntax(file: &str, text: &str, start: usize) -> Result<(), Refused> {
    let rest = text.get(start..).unwrap_or_default();
    let part = rest.get(..cut_after(rest, RECOVERED)).unwrap_or(rest);
    let refused = syntax(file, text, (start, part));
    if refused.problems.is_empty() { Ok(()) } else { Err(refused) }
}

/// The refusal of a text that is not TOML.
pub(crate) fn not_toml(file: &str, text: &str) -> Refused {
    syntax(file, text, (0, text))
}

/// The problems of syntax in a part of a text.
fn syntax(file: &str, text: &str, (start, part): (usize, &str)) -> Refused {
    let errors = if part.len() <= 2 * RECOVERED {
        DeTable::parse_recoverable(part).1
    } else {
        // Only the first, as there may be very many.
        DeTable::parse(part).err().into_iter().collect()
    };
    let mut report = Report::default();
    let mut offsets = Vec::new();
    // A header that comes twice makes every key below it come twice too.
    let mut quiet_until = 0;
    for (index, error) in errors.iter().enumerate() {
        let span = error.span().unwrap_or_default();
        let (offset, found) = (span.start, part.get(span).unwrap_or_default());
        let message = match error.message() {
            "duplicate key" if offset < quiet_until => continue,
            "duplicate key" => {
                let (before, after) = part.split_at_checked(offset).unwrap_or_default();
                if before.rsplit('\n').next().is_some_and(|line| line.contains('[')) {
                    quiet_until = offset + after.find("\n[").unwrap_or(after.len());
                }
                format!("duplicate key {}", clip(found)).into()
            }
            message => message.into(),
        };
        report.problems.push(Problem::new(Place::default(), Fault::Syntax(message)));
        offsets.push(start + offset);
        if offsets.len() == KEPT {
            report.more = errors.len() - index - 1;
            break;
        }
    }
    for (problem, position) in report.problems.iter_mut().zip(positions_in(text, &offsets)) {
        problem.position = Some(position);
    }
    report.finish(file)
}

/// A text without the mark that some editors put at its start.
pub(crate) fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Cuts a text before lines that open a port's table, into chunks of at least `size` bytes. The chunks of a common file are documents of their own; a chunk
/// that is none (the cut fell into a string of several lines, say) does not parse, because its start is unfinished.
pub(crate) fn chunks(text: &str, size: usize) -> Vec<(usize, &str)> {
    let mut chunks = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let rest = text.get(start..).unwrap_or_default();
        let cut = cut_after(rest, size);
        chunks.push((start, rest.get(..cut).unwrap_or(rest)));
        start += cut;
    }
    if chunks.is_empty() {
        chunks.push((0, text));
    }
    chunks
}

/// Where the first line after `size` bytes begins that opens a port's table, or the end.
fn cut_after(text: &str, size: usize) -> usize {
    const HEADER: &[u8] = b"\n[ports.";
    // Bytes, as the size may fall into a character.
    let rest = text.as_bytes().get(size..).unwrap_or_default();
    rest.windows(HEADER.len()).position(|window| window == HEADER).map_or(text.len(), |newline| size + newline + 1)
}

/// Parses a chunk. A chunk after the first must open every table by a header like `[ports.web1]`: what comes before it
/// in the file cannot change its meaning then, except by a table of the same name.
pub(crate) fn parse_chunk<'i>((base, text): (usize, &'i str)) -> Option<DeTable<'i>> {
    let root = DeTable::parse(text).ok()?.into_inner();
    let implied = |(key, value): (&toml::Spanned<_>, &Value<'_>)| key.span() == value.span();
    (base == 0 || root.iter().all(implied)).then_some(root)
}

/// The place of a byte of a text.
pub(crate) fn position_in(text: &str, offset: usize) -> Position {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    // Every character has one byte that does not continue another.
    let column = before.get(line_start..).unwrap_or_default().iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
    Position { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
}

/// As much of a text as a message needs.
pub(crate) fn clip(text: &str) -> &str {
    text.char_indices().nth(80).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// The places of some bytes of a text, in their order; one walk over the text.
pub(crate) fn positions_in(text: &str, offsets: &[usize]) -> Vec<Position> {
    let mut sorted: Vec<(usize, usize)> = offsets.iter().enumerate().map(|(index, offset)| (*offset, index)).collect();
    sorted.sort_unstable();
    let mut positions = vec![Position { line: 1, column: 1 }; offsets.len()];
    let (mut line, mut start) = (0, 0);
    for (offset, index) in sorted {
        // Counted from the start of the line where the one before was found.
        let rest = text.get(start..).unwrap_or_default();
        let here = position_in(rest, offset - start);
        line += here.line - 1;
        start += rest.get(..offset - start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        if let Some(position) = positions.get_mut(index) {
            *position = Position { line: line + 1, column: here.column };
        }
    }
    positions
}

/// The way from the root of a file to a value.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Option<Toward<'a>>,
}

#[derive(Clone, Copy)]
enum Toward<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    /// The whole file.
    pub(crate) const ROOT: At<'static> = At { parent: None, step: None };

    /// A value of this table.
    pub(crate) fn key(&'a self, key: &'a str) -> At<'a> {
        At { parent: Some(self), step: Some(Toward::Key(key)) }
    }

    /// An element of this array.
    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        At { parent: Some(self), step: Some(Toward::Index(index)) }
    }

    fn place(&self) -> Place {
        let mut place = self.parent.map(At::place).unwrap_or_default();
        place.0.extend(self.step.map(|step| match step {
            Toward::Key(key) => Step::Key(key.into()),
            Toward::Index(index) => Step::Index(index),
        }));
        place
    }
}

/// Collects problems.
#[derive(Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
    more: usize,
}

impl Report {
    /// True if nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// A value is wrong.
    pub(crate) fn push(&mut self, at: &At<'_>, fault: Fault) {
        self.add(Problem::new(at.place(), fault));
    }

    /// Two values cannot be together.
    pub(crate) fn clash(&mut self, at: &At<'_>, fault: Fault, other: &At<'_>) {
        self.add(Problem { other: Some((other.place(), None)), ..Problem::new(at.place(), fault) });
    }

    fn add(&mut self, problem: Problem) {
        if self.problems.contains(&problem) {
            return;
        }
        if self.problems.len() < KEPT { self.problems.push(problem) } else { self.more += 1 }
    }

    /// The problems without positions.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Finds the line and column of each problem in the text.
    pub(crate) fn refuse(mut self, file: &str, text: &str, chunks: &[(usize, &str)]) -> Refused {
        let mut places: Vec<(&Place, bool)> = Vec::new();
        for problem in &self.problems {
            places.push((&problem.place, matches!(problem.fault, Fault::UnknownKey { .. })));
            places.extend(problem.other.iter().map(|(place, _)| (place, false)));
        }
        let mut found = locate(text, chunks, &places).into_iter();
        for problem in &mut self.problems {
            let Some((mut here, written)) = found.next() else { break };
            if let Some((place, position)) = &mut problem.other {
                let Some((mut there, mut there_written)) = found.next() else { break };
                // Of two that clash, the first in the file is right.
                if (there_written, there) > (written, here) {
                    std::mem::swap(&mut here, &mut there);
                    there_written = written;
                    std::mem::swap(place, &mut problem.place);
                    if let Fault::Overlap { found, other } = &mut problem.fault {
                        std::mem::swap(found, other);
                    }
                }
                *position = there_written.then_some(there);
            }
            problem.position = Some(here);
        }
        self.finish(file)
    }

    fn finish(mut self, file: &str) -> Refused {
        let file: Arc<str> = Arc::from(file);
        self.problems.sort_by_key(|problem| problem.position);
        self.more += self.problems.len().saturating_sub(SHOWN);
        self.problems.truncate(SHOWN);
        for problem in &mut self.problems {
            problem.file = Some(file.clone());
        }
        Refused { problems: self.problems, more: self.more }
    }
}

/// Where each of these values stands in a text, or the last thing on the way to it that does; true if it stands there
/// itself. A place may be that of a key.
fn locate(text: &str, chunks: &[(usize, &str)], places: &[(&Place, bool)]) -> Vec<(Position, bool)> {
    // How many steps of each place were found, and where the last of them is.
    let mut found = vec![(0, 0); places.len()];
    for &chunk in chunks {
        let Some(root) = parse_chunk(chunk) else { continue };
        for ((place, is_key), best) in places.iter().zip(&mut found) {
            let (depth, offset) = walk(&root, place, *is_key);
            if depth > best.0 {
                *best = (depth, chunk.0 + offset);
            }
        }
    }
    let offsets: Vec<usize> = found.iter().map(|(_, offset)| *offset).collect();
    // A value that is only a default stands in no line.
    let written = places.iter().zip(&found).map(|((place, _), (depth, _))| *depth == place.0.len());
    positions_in(text, &offsets).into_iter().zip(written).collect()
}

/// Where these values stand in a text that is a document; `None` for one that does not. `size` as for [`chunks`].
pub(crate) fn positions_of(text: &str, size: usize, places: &[Place]) -> Vec<Option<Position>> {
    let text = without_byte_order_mark(text);
    let places: Vec<(&Place, bool)> = places.iter().map(|place| (place, false)).collect();
    let mut found = locate(text, &chunks(text, size), &places);
    if found.iter().any(|(_, written)| !written) {
        found = locate(text, &[(0, text)], &places);
    }
    found.into_iter().map(|(position, written)| written.then_some(position)).collect()
}

/// Follows a place as far as it goes: the number of steps, and the offset of what is there.
fn walk(root: &DeTable<'_>, place: &Place, is_key: bool) -> (usize, usize) {
    let (mut depth, mut offset) = (0, 0);
    let (mut table, mut array): (Option<&DeTable<'_>>, Option<&DeArray<'_>>) = (Some(root), None);
    for step in &place.0 {
        let next = match step {
            Step::Key(key) => {
                table.and_then(|table| table.get_key_value(&**key)).map(|(key, value)| (Some(key), value))
            }
            Step::Index(index) => array.and_then(|array| array.get(*index)).map(|value| (None, value)),
        };
        let Some((key, value)) = next else { break };
        depth += 1;
        offset = match key {
            Some(key) if is_key && depth == place.0.len() => key.span().start,
            _ => value.span().start,
        };
        (table, array) = (value.get_ref().as_table(), value.get_ref().as_array());
    }
    (depth, offset)
}

/// A value of another type than expected.
pub(crate) fn wrong_type(value: &Value<'_>, at: &At<'_>, report: &mut Report, expected: &'static str) {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    report.push(at, Fault::WrongType { found, expected });
}

/// A string.
pub(crate) fn string<'v>(value: &'v Value<'_>, at: &At<'_>, report: &mut Report) -> Option<&'v str> {
    let text = value.get_ref().as_str();
    if text.is_none() {
        wrong_type(value, at, report, "a string");
    }
    text
}

/// A string that `read` understands.
pub(crate) fn parsed<T>(
    value: &Value<'_>,
    at: &At<'_>,
    report: &mut Report,
    fault: fn(Box<str>) -> Fault,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let text = string(value, at, report)?;
    let result = read(text);
    if result.is_none() {
        report.push(at, fault(clip(text).into()));
    }
    result
}

/// An integer within a range; `what` it is, in words.
pub(crate) fn number(
    value: &Value<'_>,
    at: &At<'_>,
    report: &mut Report,
    what: &'static str,
    (low, high): (u32, u32),
) -> Option<u32> {
    let DeValue::Integer(integer) = value.get_ref() else {
        wrong_type(value, at, report, "an integer");
        return None;
    };
    let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| (low..=high).contains(n));
    if number.is_none() {
        report.push(at, Fault::OutOfRange { found: clip(integer.as_str()).into(), what, low, high });
    }
    number
}

/// True for the integer 0.
pub(crate) fn is_zero(value: &Value<'_>) -> bool {
    matches!(value.get_ref(), DeValue::Integer(integer) if integer.as_str() == "0")
}

/// True or false.
pub(crate) fn boolean(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<bool> {
    let result = value.get_ref().as_bool();
    if result.is_none() {
        wrong_type(value, at, report, "true or false");
    }
    result
}

/// A table.
pub(crate) fn table<'v, 'i>(value: &'v Value<'i>, at: &At<'_>, report: &mut Report) -> Option<&'v DeTable<'i>> {
    let result = value.get_ref().as_table();
    if result.is_none() {
        wrong_type(value, at, report, "a table");
    }
    result
}

/// The elements of an array.
pub(crate) fn array<'v, 'i>(value: &'v Value<'i>, at: &At<'_>, report: &mut Report) -> Option<&'v DeArray<'i>> {
    let result = value.get_ref().as_array();
    if result.is_none() {
        wrong_type(value, at, report, "an array");
    }
    result
}
