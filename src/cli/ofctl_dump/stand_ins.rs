//! Numbers for the names that a text dump uses: without the switch nobody knows the real ones.

use std::collections::BTreeSet;

use super::names::NameTable;
use crate::flow::parse::Lookup;
use crate::flow::table_names::{TableSet, built_in, built_in_names};
use crate::openflow::{PortNo, TableId};

/// The highest number of a port: stand-ins count down from here, real ones up from 1.
const LAST_PORT: u32 = 0xfeff;

/// What a text calls ports and tables.
#[derive(Default)]
struct Used {
    ports: BTreeSet<String>,
    /// In order of appearance: first where flows are, then where they lead.
    home_tables: Vec<String>,
    next_tables: Vec<String>,
}

/// `known`, and a number for each name beyond it that `text` uses for a port or a table. Tables are numbered
/// in the order of their flows, around those that the text gives by number.
pub(super) fn stand_ins(text: &str, known: &NameTable) -> NameTable {
    let mut used = Used::default();
    text.lines().for_each(|line| used.scan(line));
    let mut names = known.clone();
    let mut number = LAST_PORT;
    for name in std::mem::take(&mut used.ports) {
        if Lookup::port(known, &name).is_none() {
            names.add_port(PortNo(number), name);
            number -= 1;
        }
    }
    name_known_tables(&mut names, &used);
    add_tables(&mut names, &used.home_tables, &used.next_tables);
    names
}

/// Takes the numbers of a built-in set that has all the names, if there is one.
fn name_known_tables(names: &mut NameTable, used: &Used) {
    let tables = used.home_tables.iter().chain(&used.next_tables);
    let unknown: Vec<_> =
        tables.filter(|table| table.parse::<u8>().is_err() && Lookup::table(names, table).is_none()).collect();
    let has_all = |set: &&TableSet| unknown.iter().all(|name| set.iter().any(|(_, table)| table.name == **name));
    if !unknown.is_empty()
        && let Some(set) = built_in_names().filter_map(built_in).find(has_all)
    {
        for (table, known) in set.iter().filter(|(_, table)| unknown.contains(&&table.name)) {
            names.add_table(table, known.name.clone());
        }
    }
}

fn add_tables(names: &mut NameTable, home: &[String], next: &[String]) {
    let numbered = home.iter().chain(next).filter_map(|table| table.parse::<u8>().ok());
    let mut taken: BTreeSet<u8> = names.tables().map(|(table, _)| table.0).chain(numbered).collect();
    let mut last = None;
    for table in home.iter().chain(next) {
        let known = table.parse().ok().or_else(|| Lookup::table(names, table).map(|table| table.0));
        if let Some(number) = known {
            last = Some(number);
            continue;
        }
        let above = last.map_or(0, |last: u8| last.saturating_add(1));
        let free = (above..TableId::ALL.0).chain(0..above).find(|number| !taken.contains(number));
        if let Some(number) = free {
            taken.insert(number);
            names.add_table(TableId(number), table.clone());
            last = Some(number);
        }
    }
}

impl Used {
    fn scan(&mut self, line: &str) {
        let mut rest = line;
        let mut words = std::iter::from_fn(|| {
            let (word, delimiter, after) = next_word(rest)?;
            rest = after;
            Some((word, delimiter))
        });
        let mut before = ("", ' ');
        while let Some((word, delimiter)) = words.next() {
            match before {
                ("in_port" | "output" | "actset_output" | "port" | "enqueue" | "resubmit", '=' | ':') => {
                    self.port(word)
                }
                ("resubmit", '(') => {
                    self.port(word);
                    if delimiter == ',' {
                        self.next_table(words.next().map_or("", |(table, _)| table));
                    }
                }
                ("table", '=') if before_actions(line, word) => push(&mut self.home_tables, word),
                ("table", '=' | ':') | ("goto_table", ':') => self.next_table(word),
                _ => {}
            }
            before = (word, delimiter);
        }
    }

    fn port(&mut self, word: &str) {
        // A register or a field is written with its bits: `output:reg0[]`.
        let is_name = !word.contains('[') && !word.is_empty() && !word.bytes().all(|byte| byte.is_ascii_digit());
        if is_name && !is_reserved(word) {
            self.ports.insert(unquoted(word));
        }
    }

    fn next_table(&mut self, word: &str) {
        push(&mut self.next_tables, word);
    }
}

fn push(tables: &mut Vec<String>, word: &str) {
    let table = unquoted(word);
    if !table.is_empty() && !tables.contains(&table) {
        tables.push(table);
    }
}

fn is_reserved(word: &str) -> bool {
    const RESERVED: [&str; 10] =
        ["IN_PORT", "TABLE", "NORMAL", "FLOOD", "ALL", "CONTROLLER", "LOCAL", "ANY", "NONE", "UNSET"];
    RESERVED.iter().any(|name| name.eq_ignore_ascii_case(word))
}

/// True if `word`, a part of `line`, stands before the flow's actions.
fn before_actions(line: &str, word: &str) -> bool {
    let at = word.as_ptr() as usize - line.as_ptr() as usize;
    line.find("actions=").is_none_or(|actions| at < actions)
}

/// The next word, quoted or not, the delimiter behind it, and the rest.
fn next_word(text: &str) -> Option<(&str, char, &str)> {
    if text.is_empty() {
        return None;
    }
    let is_end = |c: char| c.is_whitespace() || ",=:()|".contains(c);
    let end = match text.strip_prefix('"') {
        Some(quoted) => quoted_len(quoted) + 1,
        None => text.find(is_end).unwrap_or(text.len()),
    };
    let (word, rest) = text.split_at(end);
    let mut characters = rest.chars();
    let delimiter = characters.next().unwrap_or(' ');
    Some((word, delimiter, characters.as_str()))
}

/// Bytes up to and with the quotation mark that ends a JSON string.
fn quoted_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn unquoted(word: &str) -> String {
    let json = word.starts_with('"').then(|| serde_json::from_str(word).ok()).flatten();
    json.unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_of_a_port_gets_a_number() {
        let names = stand_ins(
            "in_port=\"int-br\",ip actions=output:tap1,resubmit(\"a,b\",7),output:NXM_NX_REG0[],CONTROLLER:65535\n\
             in_port=LOCAL actions=output:3,output(port=tap2,max_len=9),learn(table=5,output:NXM_OF_IN_PORT[])\n",
            &NameTable::default(),
        );
        assert_eq!(names.ports().map(|(_, name)| name).collect::<Vec<_>>(), ["tap2", "tap1", "int-br", "a,b"]);
        assert!(names.ports().all(|(port, _)| port.0 > 0xfe00));
        assert_eq!(names.tables().count(), 0);
    }

    #[test]
    fn a_known_name_keeps_its_number() {
        let mut known = NameTable::default();
        known.add_port(PortNo(3), "tap1".into());
        known.add_table(TableId(60), "transient".into());
        let names = stand_ins("table=transient,in_port=tap1 actions=output:tap2", &known);
        assert_eq!(names.ports().collect::<Vec<_>>(), [(PortNo(3), "tap1"), (PortNo(LAST_PORT), "tap2")]);
        assert_eq!(names.tables().count(), 1);
    }

    #[test]
    fn tables_that_a_built_in_set_names_have_its_numbers() {
        let text = "table=local_switching actions=goto_table:transient\ntable=transient actions=NORMAL\n";
        let expected = [(0, "local_switching"), (60, "transient")];
        let names = stand_ins(text, &NameTable::default());
        assert_eq!(names.tables().map(|(table, name)| (table.0, name)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn named_tables_are_numbered_in_the_order_of_their_flows() {
        let names = stand_ins(
            "table=Classifier actions=goto_table:Output\ntable=\"Spoof Guard\" actions=resubmit(,Classifier)\n\
             table=2 actions=drop\ntable=Output actions=goto_table:Extra\n",
            &NameTable::default(),
        );
        let expected = [(0, "Classifier"), (1, "Spoof Guard"), (3, "Output"), (4, "Extra")];
        assert_eq!(names.tables().map(|(table, name)| (table.0, name)).collect::<Vec<_>>(), expected);
    }
}
