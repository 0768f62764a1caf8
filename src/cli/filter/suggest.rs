//! What to type instead of a key that is none.

use super::{field, info};
use crate::cli::keyed::{ACTIONS, Shape};
use crate::flow::parse::{self, ParseError};
use crate::openflow::FlowFlags;
use crate::openflow::oxm::FIELDS;

/// Instead of the key of a condition.
pub(super) fn expected(found: &str) -> String {
    // A reserved port stands among the actions without a name of its own.
    let upper = found.to_ascii_uppercase();
    if ["NORMAL", "LOCAL", "FLOOD", "ALL", "IN_PORT", "TABLE"].contains(&upper.as_str()) {
        return format!("an action with an argument: output.port={upper}");
    }
    let names = words_of_flows().chain(field::OTHER_KEYS).chain(ACTIONS.iter().map(|(name, _)| *name));
    let kinds = "a match field, an action, or one of table, cookie, duration, n_packets, n_bytes, priority";
    did_you_mean(kinds.to_owned(), found.split('.').next().unwrap_or_default(), names)
}

/// Fields, protocols, attributes and flags.
fn words_of_flows() -> impl Iterator<Item = &'static str> {
    let fields = FIELDS.iter().flat_map(|field| [field.name].into_iter().chain(field.aliases.iter().copied()));
    fields.chain(parse::protocol_names()).chain(info::NAMES).chain(FlowFlags::NAMES)
}

/// What is wrong with the text of a flow, with the word that was probably meant.
pub(in crate::cli) fn advised(error: &ParseError) -> String {
    let meant = if error.expected.starts_with("a match field") {
        nearest(&error.found, words_of_flows())
    } else if error.expected.starts_with("an action") {
        nearest(&error.found, ACTIONS.iter().map(|(name, _)| *name))
    } else {
        None
    };
    meant.map_or_else(|| error.to_string(), |meant| format!("{error}: did you mean {meant}?"))
}

/// Instead of an action within another.
pub(super) fn action(found: &str) -> String {
    did_you_mean("an action".to_owned(), found, ACTIONS.iter().map(|(name, _)| *name))
}

/// Instead of the argument of an action.
pub(super) fn argument(shape: Shape, found: &str) -> String {
    let names = || shape.keys().iter().map(|(name, _)| *name);
    if shape.keys().is_empty() {
        return "nothing behind a value without arguments".to_owned();
    }
    did_you_mean(format!("one of {}", names().collect::<Vec<_>>().join(", ")), found, names())
}

/// How to go on behind `key`, which has arguments.
pub(super) fn keys(shape: Shape, key: &str) -> String {
    match shape.keys().first() {
        Some((first, _)) => format!("such as {key}.{first}"),
        None if shape == Shape::FieldValue => format!("the field's name, such as {key}.reg0"),
        None => format!("the name of an action in it, such as {key}.output.port"),
    }
}

fn did_you_mean(expected: String, found: &str, names: impl Iterator<Item = &'static str>) -> String {
    match nearest(found, names) {
        Some(name) => format!("{expected}: did you mean {name}?"),
        None => expected,
    }
}

/// The name that `found` is a slip of, if there is one.
pub(in crate::cli) fn nearest<'n>(found: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let found = found.to_ascii_lowercase();
    // Of those as near, people get the first letter right.
    let nearness = |name: &str| (distance(&found, name), found.chars().next() != name.chars().next());
    let near = names.map(|name| (nearness(name), name)).min_by_key(|(nearness, _)| *nearness);
    near.filter(|((distance, _), _)| *distance <= 1 + found.len() / 5).map(|(_, name)| name)
}

/// How many characters to insert, leave out, replace or swap to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_letters_are_one_step() {
        assert_eq!((distance("nw_scr", "nw_src"), distance("priorty", "priority"), distance("a", "b")), (1, 1, 1));
    }
}
