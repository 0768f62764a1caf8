//! The command line of `ofctl-dump`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::Error;
use super::habits::{self, command_first};
use super::look::Look;
use super::manual::MANUAL;
use super::sort::{Direction, Order, SortKey};
use super::source::{Source, SourceError};
use crate::cli::client::ClientError;
use crate::cli::decode::DecodeArgs;
use crate::cli::filter::suggest::nearest;
use crate::cli::manual::{ManualArgs, exit};
use crate::cli::{diff, graph, monitor, parse, snoop, trace};
use crate::openflow::TableId;

/// Prints what an OpenFlow 1.3 switch holds, in the words of ovs-ofctl.
#[derive(Parser, Debug)]
#[command(name = "ofctl-dump", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// A bridge, a path to a management socket, tcp:HOST:PORT, or ptcp:[PORT[:HOST]]: the switch that connects there
    #[arg(required_unless_present = "input")]
    target: Option<String>,
    /// What to print of it
    ///
    /// flows (the default), ports, tables, groups, meters, queues, aggregate (the counters of flows together), desc
    /// (maker and model) or show (features, ports and configuration).
    #[arg(value_name = "WHAT")]
    what: Option<String>,
    /// Only these flows, such as 'tcp && n_packets>0' or 'drop || resubmit.table=5'
    ///
    /// Conditions on match fields, attributes, counters, actions and their arguments, with &&, ||, ! and
    /// parentheses; = is equal, ~= contains or is contained, < and > compare.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Instead of a TARGET: flows out of a text, as ovs-ofctl dump-flows prints them; - for the standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<String>,
    #[command(flatten)]
    pub(super) look: Look,
    /// Flows without duration and counters
    #[arg(long)]
    pub(super) no_stats: bool,
    /// As JSON, one object a line
    #[arg(long, conflicts_with_all = ["explain", "color"])]
    pub(super) json: bool,
    /// Counters of ports, groups or meters instead of their settings
    #[arg(long, conflicts_with = "no_stats")]
    pub(super) stats: bool,
    /// Below each flow: its table, and what the flow is for
    #[arg(long)]
    pub(super) explain: bool,
    /// Names for --explain; by default the topology of /etc/heddle/heddle.toml
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "explain")]
    pub(super) topology: Option<PathBuf>,
    /// Only the flows of this table; by its name: table=NAME as a FILTER
    #[arg(long, value_name = "N", value_parser = table)]
    pub(super) table: Option<u8>,
    /// Flows in the order in which the switch sends them, as they arrive
    #[arg(long)]
    pub(super) unsorted: bool,
    /// Flows by this field from low to high; may stand several times, as may --rsort
    ///
    /// A match field, or priority (the default), table, cookie, n_packets, n_bytes, duration, idle_timeout or
    /// hard_timeout. Flows without it come last.
    #[arg(long, value_name = "FIELD", num_args = 0..=1, default_missing_value = "priority", conflicts_with = "unsorted")]
    sort: Vec<SortKey>,
    /// Flows by this field from high to low
    #[arg(long, value_name = "FIELD", num_args = 0..=1, default_missing_value = "priority", conflicts_with = "unsorted")]
    rsort: Vec<SortKey>,
    /// The tables and the flows between them, as a picture
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["explain", "no_stats", "unsorted", "json"])]
    pub(super) graph: Option<graph::Format>,
    /// Flows with their packets per second, flows never hit, and what changed: every SECS seconds, by default 1
    #[arg(
        long,
        value_name = "SECS",
        num_args = 0..=1,
        default_missing_value = "1",
        value_parser = seconds,
        conflicts_with_all = ["input", "explain", "no_stats", "unsorted", "json", "graph"]
    )]
    pub(super) watch: Option<Duration>,
    /// With --watch: stop after so many readings
    #[arg(long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// As for ovs-ofctl; OpenFlow13 has to be among them
    #[arg(short = 'O', long = "protocols", value_name = "VERSIONS", value_parser = protocols)]
    protocols: Option<()>,
    #[command(flatten)]
    pub(super) about: ManualArgs,
    #[arg(skip)]
    order: Order,
}

/// Versions of OpenFlow with the one that is spoken among them.
fn protocols(text: &str) -> Result<(), String> {
    let spoken = text.split(',').any(|version| version.trim().eq_ignore_ascii_case("OpenFlow13"));
    spoken.then_some(()).ok_or_else(|| "expected OpenFlow13: no other version is spoken".to_owned())
}

/// The number of a table that flows can be in: up to `OFPTT_MAX`.
fn table(text: &str) -> Result<u8, String> {
    let number = text.parse().ok().filter(|table| *table < TableId::ALL.0);
    number.ok_or_else(|| "expected a number from 0 to 254; by name: 'table=NAME' as a filter".to_owned())
}

/// A positive number of seconds, a day at the most.
fn seconds(text: &str) -> Result<Duration, String> {
    const DAY: f64 = 86_400.0;
    let seconds = text.parse().ok().filter(|seconds| (0.01..=DAY).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "expected a number of seconds, such as 2 or 0.5; a filter stands before --watch".to_owned())
}

/// Commands of a form of their own.
#[derive(Subcommand, Debug)]
pub(super) enum Command {
    Decode(DecodeArgs),
    Parse(parse::Args),
    Diff(diff::Args),
    Snoop(snoop::Args),
    Monitor(monitor::Args),
    Trace(trace::Args),
}

/// What there is to print of a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum What {
    /// Flows, by table, then priority from high to low, then match
    Flows,
    /// Descriptions of the ports
    Ports,
    /// Flows and lookups of each table
    Tables,
    /// Groups and their buckets
    Groups,
    /// Meters and their bands
    Meters,
    /// The switch: features, ports and configuration
    Show,
    /// Maker and model
    Desc,
    /// Counters of the queues
    Queues,
    /// The counters of flows together
    Aggregate,
}

/// A target, what to print of it, and of which flows.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) source: Source,
    pub(super) what: What,
    pub(super) filter: Option<String>,
}

impl Request {
    /// What there is to print whose word is almost the filter.
    fn nearest_what(&self) -> Option<(&str, &'static str)> {
        let word = self.filter.as_deref().filter(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic()))?;
        Some((word, nearest(word, WHATS.into_iter())?))
    }

    /// What may have been meant, where the filter takes no flow.
    pub(super) fn hint(&self) -> Option<String> {
        let (found, what) = self.nearest_what()?;
        Some(format!("no flow has {found}: did you mean {} {what}?", self.source.name()))
    }
}

/// All words for WHAT.
const WHATS: [&str; 9] = ["flows", "ports", "tables", "groups", "meters", "show", "desc", "queues", "aggregate"];

/// A word that cannot stand there.
#[derive(Debug, thiserror::Error)]
pub enum WordError {
    /// A word too many.
    #[error("found {found:?}, expected nothing behind {what}: only flows and aggregate take a filter")]
    Excess {
        /// The word.
        found: String,
        /// What it stands behind.
        what: String,
    },
    /// Almost a WHAT.
    #[error("found {found:?}, expected a filter or one of {}: did you mean {what}?", WHATS.join(", "))]
    Misspelt {
        /// The word.
        found: String,
        /// What was meant.
        what: &'static str,
    },
    /// A word of `ovs-ofctl`, or in its order, or a command behind options.
    #[error("found {found:?} where it cannot stand: type ofctl-dump {instead}")]
    Habit {
        /// The word.
        found: String,
        /// What to type.
        instead: String,
    },
    /// An option of another WHAT.
    #[error("{option} is for {what}: leave it out")]
    Option {
        /// The option.
        option: &'static str,
        /// What has it.
        what: &'static str,
    },
}

impl Args {
    /// The command line of this process. Wrong usage, and a wish for help, end it.
    pub fn parse() -> Self {
        let definition = Self::definition();
        let words = command_first(std::env::args_os(), |word| definition.find_subcommand(word).is_some());
        let matches = definition.try_get_matches_from(words).unwrap_or_else(|error| exit("ofctl-dump", &error));
        let mut args = Self::from_arg_matches(&matches).unwrap_or_else(|error| exit("ofctl-dump", &error));
        args.order = order(&matches);
        args
    }

    /// The one definition of the command line: parser, help, manual page and completions come from it.
    pub(super) fn definition() -> clap::Command {
        MANUAL.with_help(Self::command())
    }

    /// By what flows are sorted.
    pub(super) const fn order(&self) -> &Order {
        &self.order
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.target.iter().chain(&self.what).chain(&self.filter).map(String::as_str)
    }

    /// `error`, which `request` ended with, or what was meant instead of the words.
    pub(super) fn explain(&self, request: &Request, error: Error) -> Error {
        if !matches!(error, Error::Filter(_) | Error::Source(SourceError::Client(ClientError::NoBridge { .. }))) {
            return error;
        }
        if let Some((found, instead)) = habits::instead(&self.words().collect::<Vec<_>>(), &WHATS) {
            return WordError::Habit { found: found.to_owned(), instead }.into();
        }
        match (error, request.nearest_what()) {
            (Error::Filter(_), Some((word, what))) => WordError::Misspelt { found: word.to_owned(), what }.into(),
            (error, _) => error,
        }
    }

    /// Fails if an option says nothing of what `what` prints.
    fn check_options(&self, what: What) -> Result<(), WordError> {
        let is_flows = what == What::Flows;
        let of_flows = [
            ("--graph", self.graph.is_some()),
            ("--watch", self.watch.is_some()),
            ("--explain", self.explain),
            ("--unsorted", self.unsorted),
            ("--sort", !self.sort.is_empty()),
            ("--rsort", !self.rsort.is_empty()),
        ];
        match of_flows.into_iter().find(|(_, given)| *given && !is_flows) {
            Some((option, _)) => Err(WordError::Option { option, what: "flows" }),
            None if self.table.is_some() && !is_flows && what != What::Aggregate => {
                Err(WordError::Option { option: "--table", what: "flows and aggregate" })
            }
            None => Ok(()),
        }
    }

    /// What the words of the command line ask for: TARGET, which is not there with `--input`, WHAT, which may be
    /// left out, FILTER.
    pub(super) fn request(&self) -> Result<Request, Error> {
        let mut words = self.words().peekable();
        let source = match &self.input {
            Some(input) => Source::of_input(input),
            None => Source::parse(words.next().unwrap_or_default())?,
        };
        let what = words.peek().and_then(|word| What::from_str(word, false).ok());
        if what.is_some() {
            words.next();
        }
        let what = what.unwrap_or(What::Flows);
        self.check_options(what)?;
        let filter = words.collect::<Vec<_>>().join(" ");
        let filter = Some(filter).filter(|filter| !filter.trim().is_empty());
        match filter {
            Some(found) if !matches!(what, What::Flows | What::Aggregate) => {
                let what = what.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
                Err(WordError::Excess { found, what }.into())
            }
            filter => Ok(Request { source, what, filter }),
        }
    }
}

/// `--sort` and `--rsort` in the order in which they stand on the command line.
fn order(matches: &ArgMatches) -> Order {
    let keys = |name, direction| {
        let keys = matches.get_many::<SortKey>(name).into_iter().flatten();
        let places = matches.indices_of(name).into_iter().flatten();
        places.zip(keys).map(move |(place, key)| (place, (key.clone(), direction)))
    };
    let ascending = keys("sort", Direction::Ascending);
    let by_place: BTreeMap<_, _> = ascending.chain(keys("rsort", Direction::Descending)).collect();
    Order::new(by_place.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ofctl_dump::sort::Direction::{Ascending, Descending};

    #[test]
    fn sort_and_rsort_count_in_the_order_in_which_they_stand() {
        let cases: [(&[&str], &[_]); 3] = [
            (&["--sort=table", "--rsort", "n_packets", "--sort"], &[Ascending, Descending, Ascending]),
            (&["--rsort", "--sort", "table"], &[Descending, Ascending]),
            (&[], &[]),
        ];
        for (options, expected) in cases {
            let words = ["ofctl-dump", "br0"].iter().chain(options);
            let directions: Vec<_> = order(&Args::command().get_matches_from(words)).directions().collect();
            assert_eq!(directions, expected, "{options:?}");
        }
    }

    #[test]
    fn every_what_has_its_word() {
        let words = What::value_variants().iter().filter_map(What::to_possible_value);
        assert!(words.map(|word| word.get_name().to_owned()).eq(WHATS));
    }

    #[test]
    fn the_command_line_is_a_sound_definition() {
        Args::definition().debug_assert();
    }
}
