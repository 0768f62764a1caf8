//! `heddle why`: whether a packet gets from one port to another, and which rules say so.

mod ends;
mod host;
mod json;
mod service;
mod text;

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

use super::heddle::ConfigArgs;
use crate::topology::{Exchange, Refused, RuleRef, Topology};
use ends::{Ends, EndsError};
use host::HostFacts;
use service::{Service, ServiceError};

/// The port that a client sends from unless --source-port says otherwise: the first of those that are never assigned
/// (RFC 6335 §6).
const CLIENT_PORT: u16 = 49152;

/// Say whether a packet gets from one port to another, and which rules let it through or which one is missing.
///
/// FROM and TO are ports of the topology, or one of them an address outside. Read off the topology file alone; where a
/// daemon runs, what this host has of it is told too. Exit status 0: the rules let it and its answer through; 1: they
/// do not, or not for each family; 2: there is no answer.
#[derive(ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// The topology, instead of the one that heddle.toml names; no daemon is asked then.
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Who sends: a port of the topology, or an address.
    from: String,
    /// To whom, likewise.
    to: String,
    /// What: tcp/80, udp/53, icmp (an echo request), icmp/3/1, icmpv6/128, or any protocol by name or number.
    service: String,
    /// The port that it is sent from: what an answer goes to.
    #[arg(long, value_name = "PORT", default_value_t = CLIENT_PORT)]
    source_port: u16,
    /// IPv4 only; by default every family of which both have an address.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// IPv6 only.
    #[arg(short = '6', long)]
    ipv6: bool,
    /// The address that FROM sends from, instead of its first of each family.
    #[arg(long, value_name = "ADDRESS")]
    from_address: Option<IpAddr>,
    /// The address of TO, likewise.
    #[arg(long, value_name = "ADDRESS")]
    to_address: Option<IpAddr>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A file.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// SERVICE.
    #[error("SERVICE, {0}")]
    Service(#[from] ServiceError),
    /// FROM or TO.
    #[error(transparent)]
    Ends(#[from] EndsError),
    /// The output.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Everything that is told.
struct Answer<'a> {
    topology: &'a Topology,
    ends: Ends<'a>,
    service: Service,
    /// One for each family.
    exchanges: Vec<Exchange<'a>>,
    host: Option<HostFacts>,
    lines: RuleLines<'a>,
}

impl Answer<'_> {
    fn is_allowed(&self) -> bool {
        self.exchanges.iter().all(Exchange::is_allowed)
    }
}

/// Answers the question that `args` put. True: what is asked about gets through.
pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    let service = Service::parse(&args.service)?;
    let host = args.config.load()?;
    let path = args.topology.as_deref().unwrap_or(&host.topology);
    let topology = Topology::load(path)?;
    let ends = Ends::read((&args.from, args.from_address), (&args.to, args.to_address), &topology)?;
    let packets = ends.packets(
        &topology,
        &ends::Wanted { service, source_port: args.source_port, ethertypes: ends::ethertypes(args.ipv4, args.ipv6) },
    )?;
    let exchanges: Vec<Exchange<'_>> =
        packets.iter().map(|traffic| topology.exchange(ends.from.port(), ends.to.port(), traffic)).collect();
    let asked = if args.topology.is_some() { None } else { HostFacts::ask(path, &ends) };
    let lines = RuleLines::read(path, &exchanges);
    let answer = Answer { topology: &topology, ends, service, exchanges, host: asked, lines };
    if args.json {
        json::write(&answer, out)?;
    } else {
        text::write(&answer, out)?;
    }
    Ok(answer.is_allowed())
}

/// Where the rules that are told stand in their file.
struct RuleLines<'a> {
    file: String,
    lines: Vec<(RuleRef<'a>, u32)>,
}

impl<'a> RuleLines<'a> {
    fn read(path: &Path, exchanges: &[Exchange<'a>]) -> Self {
        let mut rules: Vec<RuleRef<'a>> = exchanges.iter().flat_map(text::rules).collect();
        rules.sort_by_key(|one| (&one.group.name, one.index));
        rules.dedup();
        // The rules were read from it; without it, there is only no line to tell.
        let source = std::fs::read_to_string(path).unwrap_or_default();
        let positions = Topology::rule_positions(&source, &rules);
        let lines = rules.into_iter().zip(positions).filter_map(|(one, position)| Some((one, position?.line)));
        Self { file: path.display().to_string(), lines: lines.collect() }
    }

    fn of(&self, rule: &RuleRef<'_>) -> Option<u32> {
        self.lines.iter().find(|(known, _)| known == rule).map(|(_, line)| *line)
    }
}
