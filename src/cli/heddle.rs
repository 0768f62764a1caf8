//! The command `heddle`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use super::ask::{AskError, ask};
use super::manual::{Manual, ManualArgs, exit};
use super::punts::{self, Form};
use super::status_text::print_status;
use super::{group_text, underlay, why};
use crate::agent::preview::{BridgeFlows, preview};
use crate::agent::{self, StartError, Status, socket};
use crate::config::Config;
use crate::flow::text::Cookies;
use crate::openflow::DecodeError;
use crate::tls::{Credentials, LoadError};
use crate::topology::{Refused, Topology};

/// Neutron-grade networking for any Open vSwitch host, without OpenStack.
#[derive(Parser)]
#[command(name = "heddle", version, arg_required_else_help = true)]
struct Heddle {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    about: ManualArgs,
}

/// Shown by `--help` and in the manual page.
const MANUAL: Manual = Manual {
    examples: &[
        ("heddle check", "Validate both files; what is wrong is told with file, line and column."),
        ("heddle flows --topology topology.toml --node compute1", "What would be installed there; needs no switch."),
        ("heddle run", "The daemon, as a service of systemd runs it (Type=notify)."),
        ("heddle why web1 db tcp/5432", "Whether that gets through, and by which rules, or which one is missing."),
        ("heddle status --json | jq .ports", "Ports and their state, for other programs."),
        ("heddle punts", "Live: who sends packets up to the daemon, and what becomes of them."),
    ],
    exit_status: &[
        ("0", "Success."),
        ("1", "The daemon runs, and something is not as it should be; heddle why: it is denied."),
        ("2", "Wrong usage, or something failed; the standard error says what."),
    ],
    environment: &[("RUST_LOG", "What is logged: error, warn, info (the default), debug or trace, also by module.")],
    files: &[
        ("/etc/heddle/heddle.toml", "The host's own file."),
        ("/etc/heddle/topology.toml", "Nodes, networks and ports; the same on every host."),
        ("/run/heddle", "The socket that heddle status, heddle punts and heddle why ask."),
    ],
    see_also: "ofctl-dump(1), ovs-vswitchd(8), ovs-vsctl(8)",
};

#[derive(Subcommand)]
enum Command {
    /// Run the daemon: logs to stderr (set RUST_LOG to see more or less).
    Run(ConfigArgs),
    /// Validate both files, and keys and certificates if heddle.toml names some, and stop.
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// The topology, instead of the one that heddle.toml names.
        #[arg(long, value_name = "FILE")]
        topology: Option<PathBuf>,
    },
    /// Print the wanted flows of a node from its files: no switch, no daemon. In the syntax of ovs-ofctl,
    /// with port names; every port of the node counts as plugged.
    Flows {
        #[command(flatten)]
        config: ConfigArgs,
        /// The topology, instead of the one that heddle.toml names.
        #[arg(long, value_name = "FILE")]
        topology: Option<PathBuf>,
        /// The node, instead of the one that heddle.toml names.
        #[arg(long)]
        node: Option<String>,
        /// Only this bridge.
        #[arg(long)]
        bridge: Option<String>,
    },
    /// Ask the daemon of this host: bridges, ports and their state, flows wanted and installed.
    Status {
        #[command(flatten)]
        config: ConfigArgs,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Ask the daemon of this host which packets come up to it: from whom, what became of them, how fast. On a
    /// terminal a screen, else a block of text for each reading. Exits 1 if --once finds that none ever came up.
    Punts(PuntsArgs),
    Why(why::Args),
}

#[derive(Args)]
struct PuntsArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What the daemon has counted since it started, one JSON object in a line for each reading.
    #[arg(long)]
    json: bool,
    /// One reading, and stop.
    #[arg(long)]
    once: bool,
    /// Seconds between two readings. The daemon itself looks once a second.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, conflicts_with = "once",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,
}

#[derive(Args)]
pub(super) struct ConfigArgs {
    /// The host's own file [default: /etc/heddle/heddle.toml, and defaults for all if that is absent].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    pub(super) fn load(&self) -> Result<Config, Refused> {
        Config::load(self.config.as_deref())
    }
}

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("[tls]: {0}")]
    Tls(#[from] LoadError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Why(why::Error),
    #[error("the daemon's answer cannot be printed: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{bridge} is none of the bridges of this host: {}", bridges.join(", "))]
    NoSuchBridge { bridge: String, bridges: Vec<String> },
    #[error("a wanted flow cannot be printed: {0}")]
    Unprintable(#[from] DecodeError),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Parses the command line, does what it says, and returns the exit code: 0 success, 1 ran and found
/// something wrong, 2 usage or failure.
pub fn main() -> ExitCode {
    let matches = definition().try_get_matches().unwrap_or_else(|error| exit("heddle", &error));
    let arguments = Heddle::from_arg_matches(&matches).unwrap_or_else(|error| exit("heddle", &error));
    let mut out = io::stdout().lock();
    let result = match arguments.command {
        Some(Command::Run(config)) => run(&config),
        Some(Command::Check { config, topology }) => check(&config, topology.as_deref(), &mut out),
        Some(Command::Flows { config, topology, node, bridge }) => {
            flows(&config, topology.as_deref(), node.as_deref(), bridge.as_deref(), &mut out)
        }
        Some(Command::Status { config, json }) => status(&config, json, &mut out),
        Some(Command::Punts(arguments)) => show_punts(&arguments, &mut out),
        Some(Command::Why(arguments)) => why(&arguments, &mut out),
        None => about(&arguments.about, &mut out),
    };
    match result.and_then(|code| Ok(out.flush().map(|()| code)?)) {
        Ok(code) => code,
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            for line in failure.to_string().lines() {
                eprintln!("heddle: {line}");
            }
            ExitCode::from(2)
        }
    }
}

/// The one definition of the command line: parser, help, manual page and completions come from it.
fn definition() -> clap::Command {
    MANUAL.with_help(Heddle::command())
}

fn about(arguments: &ManualArgs, out: &mut impl Write) -> Result<ExitCode, Failure> {
    arguments.print(definition(), &MANUAL, out)?;
    Ok(ExitCode::SUCCESS)
}

fn run(config: &ConfigArgs) -> Result<ExitCode, Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(io::stderr().is_terminal());
    // A log that cannot be written, on a full disk for instance, is no reason to end: complaining of it to stderr is.
    log.with_writer(io::stderr).log_internal_errors(false).init();
    // Two are enough for what a host has to do; on one core a second would only be in the way.
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    runtime.block_on(agent::run(config.config.clone()))?;
    Ok(ExitCode::SUCCESS)
}

/// All files are read as the daemon would; what is wrong goes to stderr.
fn check(config: &ConfigArgs, topology: Option<&Path>, out: &mut impl Write) -> Result<ExitCode, Failure> {
    // A topology alone can be held against nothing but itself when this host has no file of its own.
    let host = match (config.load(), topology) {
        (Ok(host), _) => host,
        (Err(refused), _) => return Err(refused.into()),
    };
    if let Some(tls) = &host.tls {
        Credentials::load(tls.clone())?;
        writeln!(out, "{}: good, so are its key and its authorities", tls.certificate.display())?;
    }
    let path = topology.unwrap_or(&host.topology);
    let read = Topology::load(path)?;
    let alone = topology.is_some() && config.config.is_none();
    if !alone || read.node(&host.node).is_some() {
        host.check_topology(&read)?;
    }
    let (nodes, networks, ports) = (read.nodes().len(), read.networks().len(), read.ports().len());
    writeln!(out, "{}: good: {nodes} nodes, {networks} networks, {ports} ports", path.display())?;
    if read.node(&host.node).is_some() {
        let local = read.local_ports(&host.node).count();
        let peers = read.peers(&host.node).count();
        writeln!(out, "this node, {}: {local} ports, {peers} tunnels", host.node)?;
        for way in underlay::too_small(&read, &host.node) {
            eprintln!("heddle: warning: {way}");
        }
    }
    group_text::print(&read, out)?;
    Ok(ExitCode::SUCCESS)
}

fn flows(
    config: &ConfigArgs,
    topology: Option<&Path>,
    node: Option<&str>,
    bridge: Option<&str>,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    let mut host = config.load()?;
    if let Some(node) = node {
        host.node = node.into();
    }
    let topology = Topology::load(topology.unwrap_or(&host.topology))?;
    host.check_topology(&topology)?;
    let all = preview(&topology, &host);
    let wanted: Vec<&BridgeFlows> = all.iter().filter(|flows| bridge.is_none_or(|name| *flows.name == *name)).collect();
    if let (Some(bridge), []) = (bridge, wanted.as_slice()) {
        let bridges = all.iter().map(|flows| flows.name.to_string()).collect();
        return Err(Failure::NoSuchBridge { bridge: bridge.to_owned(), bridges });
    }
    for (number, flows) in wanted.into_iter().enumerate() {
        if bridge.is_none() {
            // A comment to ovs-ofctl, so that the whole is still a file of flows.
            writeln!(out, "{}# {}", if number > 0 { "\n" } else { "" }, flows.name)?;
        }
        out.write_all(&flows.text(Cookies::Shown)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show_punts(arguments: &PuntsArgs, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if arguments.config.config.is_some() {
        arguments.config.load()?;
    }
    let options = punts::Options {
        form: if arguments.json { Form::Json } else { Form::Text },
        interval: (!arguments.once).then(|| Duration::from_secs(arguments.interval)),
    };
    match punts::run(&options, out) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::from(1)),
        Err(punts::Error::Ask(error)) => Err(error.into()),
        Err(punts::Error::Json(error)) => Err(error.into()),
        Err(punts::Error::Output(error)) => Err(error.into()),
    }
}

fn why(arguments: &why::Args, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match why::run(arguments, out) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::from(1)),
        Err(why::Error::Output(error)) => Err(error.into()),
        Err(error) => Err(Failure::Why(error)),
    }
}

fn status(config: &ConfigArgs, json: bool, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if config.config.is_some() {
        config.load()?;
    }
    let status: Status = ask(socket::STATUS)?;
    if json {
        serde_json::to_writer_pretty(&mut *out, &status)?;
        writeln!(out)?;
    } else {
        print_status(&status, out)?;
    }
    Ok(if status.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
