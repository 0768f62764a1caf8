//! `[learning]`: which bridges are plain learning switches.

use super::Bridges;
use crate::topology::document::{self, At, Report, Value};
use crate::topology::{Fault, Name, check_device};

/// The word in the list that stands for every bridge that is none of `[bridges]`.
const EVERY: &str = "*";

/// The bridges that Heddle switches by the addresses that it hears, and for which it needs no database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Learning {
    /// Bridges by name, each once.
    pub named: Vec<Name>,
    /// Every bridge that is none of `[bridges]`.
    pub every: bool,
}

impl Learning {
    /// True if no bridge is a learning bridge.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && !self.every
    }

    /// True if the bridge of this name is to be one; `taken` are those of `[bridges]`. A switch that tells no name
    /// is one among all.
    pub fn serves<'a>(&self, name: Option<&str>, mut taken: impl Iterator<Item = &'a Name>) -> bool {
        let Some(name) = name else { return self.every };
        self.named.iter().any(|named| **named == *name) || (self.every && taken.all(|taken| **taken != *name))
    }

    pub(super) fn read(&mut self, (value, at): (&Value<'_>, &At<'_>), bridges: &Bridges, report: &mut Report) {
        for (key, value) in document::table(value, at, report).into_iter().flatten() {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "bridges" => self.read_bridges((value, &at), bridges, report),
                _ => report.push(&at, Fault::UnknownKey { known: &["bridges"] }),
            }
        }
    }

    fn read_bridges(&mut self, (value, at): (&Value<'_>, &At<'_>), bridges: &Bridges, report: &mut Report) {
        let mut seen: Vec<(usize, &str)> = Vec::new();
        for (index, value) in document::array(value, at, report).into_iter().flatten().enumerate() {
            let at_this = at.index(index);
            let Some(name) = document::string(value, &at_this, report) else { continue };
            if name != EVERY {
                check_device(name, &at_this, report);
            }
            if bridges.iter().any(|taken| **taken == *name) {
                report.push(&at_this, Fault::BridgeTaken(name.into()));
            }
            if let Some((first, _)) = seen.iter().find(|(_, other)| *other == name) {
                report.clash(&at_this, Fault::BridgeTwice(name.into()), &at.index(*first));
            }
            seen.push((index, name));
        }
        self.every = seen.iter().any(|(_, name)| *name == EVERY);
        self.named = seen.into_iter().map(|(_, name)| name).filter(|name| *name != EVERY).map(Name::from).collect();
    }
}
