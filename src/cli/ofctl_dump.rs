//! The program `ofctl-dump`: what a switch holds, as text.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::client::{Client, ClientError, ParseTargetError, Target};
use super::decode::{self, DecodeArgs};
use super::explain::{Explainer, Objects, TopologyError, bridge_role};
use super::{parse, switch_text};
use crate::flow::text::{Names, Numbers, Printer};
use crate::openflow::features::{self, FeaturesReply, SwitchConfig};
use crate::openflow::flow_mod::encode_flow_stats_request;
use crate::openflow::multipart::MultipartType;
use crate::openflow::port::Port;
use crate::openflow::{Cookie, DecodeError, Entries, FlowStats, MessageType, PortNo, Reader, TableId};

/// Prints what an OpenFlow 1.3 switch holds, in the words of ovs-ofctl.
#[derive(Parser, Debug)]
#[command(name = "ofctl-dump", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// A bridge, a path to a management socket, or tcp:HOST:PORT
    #[arg(required = true)]
    target: Option<String>,
    /// What to print
    #[arg(value_enum, default_value = "flows")]
    what: What,
    /// Ports and tables by name (the default on a terminal)
    #[arg(long, overrides_with = "no_names")]
    names: bool,
    /// Ports and tables by number (the default elsewhere)
    #[arg(long)]
    no_names: bool,
    /// Flows without duration and counters
    #[arg(long)]
    no_stats: bool,
    /// Below each flow: its table, and what the flow is for
    #[arg(long)]
    explain: bool,
    /// Names for --explain; by default the topology of /etc/heddle/heddle.toml
    #[arg(long, value_name = "FILE", requires = "explain")]
    topology: Option<PathBuf>,
    /// Only the flows of this table
    #[arg(long, value_name = "N")]
    table: Option<u8>,
    /// Flows in the order in which the switch sends them, as they arrive
    #[arg(long)]
    unsorted: bool,
}

/// What needs no switch.
#[derive(Subcommand, Debug)]
enum Command {
    Decode(DecodeArgs),
    Parse(parse::Args),
}

/// What there is to print.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum What {
    /// Flows, by table, then priority from high to low, then match
    Flows,
    /// Descriptions of the ports
    Ports,
    /// The switch: features, ports and configuration
    Show,
}

/// What `ofctl-dump` can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target.
    #[error(transparent)]
    Target(#[from] ParseTargetError),
    /// The switch.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The topology file.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// Messages that could not be printed; each was told.
    #[error("messages that could not be printed: {0}")]
    NotDecoded(usize),
    /// Lines that are no flows; each was told.
    #[error("not every line is a flow")]
    NotParsed,
    /// The output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// Does what `args` ask for. True: something was found.
pub fn run(args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    match &args.command {
        Some(Command::Decode(args)) => match decode::run(args, out)? {
            0 => return Ok(true),
            failed => return Err(Error::NotDecoded(failed)),
        },
        Some(Command::Parse(args)) => match parse::run(args, out)? {
            true => return Ok(true),
            false => return Err(Error::NotParsed),
        },
        None => {}
    }
    let objects = topology(args)?;
    let target = args.target.as_deref().unwrap_or_default();
    let mut client = Client::connect(&Target::parse(target)?)?;
    match args.what {
        What::Flows => flows(&mut client, args, &objects, out),
        What::Ports => {
            ports(&mut client, out)?;
            Ok(true)
        }
        What::Show => {
            let decode = FeaturesReply::decode;
            let reply =
                client.transact("OFPT_FEATURES_REQUEST", MessageType::FEATURES_REPLY, features::encode_request, decode);
            let (xid, features) = reply?;
            let mut text = String::new();
            switch_text::features(&mut text, xid, &features);
            out.write_all(text.as_bytes())?;
            ports(&mut client, out)?;
            let encode = features::encode_config_request;
            let reply =
                client.transact("OFPT_GET_CONFIG_REQUEST", MessageType::GET_CONFIG_REPLY, encode, SwitchConfig::decode);
            let (xid, config) = reply?;
            text.clear();
            switch_text::config(&mut text, xid, &config);
            out.write_all(text.as_bytes())?;
            Ok(true)
        }
    }
}

fn topology(args: &Args) -> Result<Objects, TopologyError> {
    Ok(match &args.topology {
        _ if !args.explain => Objects::default(),
        Some(path) => Objects::read(path)?,
        None => Objects::of_this_host().unwrap_or_default(),
    })
}

fn ports(client: &mut Client, out: &mut impl Write) -> Result<(), Error> {
    let mut text = String::new();
    client.multipart(
        MultipartType::PORT_DESC,
        |_| Ok(()),
        |xid, part| {
            let mut ports = Entries::<Port>::new(part.body.reader()).collect::<Result<Vec<_>, _>>()?;
            switch_text::ports(&mut text, xid, part.more(), &mut ports);
            Ok(())
        },
    )?;
    Ok(out.write_all(text.as_bytes())?)
}

/// The names of ports and tables that a switch tells.
#[derive(Default)]
struct SwitchNames {
    ports: HashMap<PortNo, String>,
    /// Names that several ports have; Open vSwitch cuts names to 15 bytes.
    ambiguous: Vec<String>,
    tables: HashMap<TableId, String>,
}

impl SwitchNames {
    fn read_ports(&mut self, client: &mut Client) -> Result<(), ClientError> {
        client.multipart(
            MultipartType::PORT_DESC,
            |_| Ok(()),
            |_, part| {
                for port in Entries::<Port>::new(part.body.reader()) {
                    let port = port?;
                    self.ports.insert(port.port_no, port.name.to_string());
                }
                Ok(())
            },
        )?;
        let mut names: Vec<&String> = self.ports.values().collect();
        names.sort_unstable();
        self.ambiguous = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
        Ok(())
    }

    fn read_tables(&mut self, client: &mut Client) -> Result<(), ClientError> {
        client.multipart(
            MultipartType::TABLE_FEATURES,
            |_| Ok(()),
            |_, part| {
                let mut body = part.body.reader();
                while !body.is_empty() {
                    self.tables.extend(table_features(&mut body)?);
                }
                Ok(())
            },
        )
    }
}

/// The number and the name, if there is one, of the next table (`struct ofp_table_features`,
/// OpenFlow 1.3.5 §7.3.5.5).
fn table_features(body: &mut Reader<'_>) -> Result<Option<(TableId, String)>, DecodeError> {
    let length = usize::from(body.u16("table_features.length")?);
    let mut entry = body.child(length.saturating_sub(2), "table_features")?;
    let table = TableId(entry.u8("table_features.table_id")?);
    entry.skip(5, "table_features.pad")?;
    let name = entry.bytes(32, "table_features.name")?;
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok((!name.is_empty()).then(|| (table, String::from_utf8_lossy(name).into_owned())))
}

impl Names for SwitchNames {
    fn port(&self, port: PortNo) -> Option<&str> {
        self.ports.get(&port).filter(|name| !self.ambiguous.contains(name)).map(String::as_str)
    }

    fn table(&self, table: TableId) -> Option<&str> {
        self.tables.get(&table).map(String::as_str)
    }
}

/// One flow in the text of all.
struct Line {
    table: TableId,
    priority: Reverse<u16>,
    match_text: Range<usize>,
    whole: Range<usize>,
    cookie: Cookie,
}

fn flows(client: &mut Client, args: &Args, objects: &Objects, out: &mut impl Write) -> Result<bool, Error> {
    let mut names = SwitchNames::default();
    let named = !args.no_names && (args.names || io::stdout().is_terminal());
    if named || args.explain {
        names.read_ports(client)?;
    }
    if named {
        names.read_tables(client)?;
    }
    let bridge = names.ports.get(&PortNo::LOCAL).map_or("", String::as_str);
    let role = bridge_role(names.ports.values().map(String::as_str), bridge);
    let explainer = args.explain.then_some(Explainer { role, objects });
    let mut printer = Printer::new(if named { &names } else { &Numbers });
    let table = args.table.map_or(TableId::ALL, TableId);
    let (mut text, mut lines, mut found, mut failed) = (Vec::new(), Vec::new(), false, None);
    client.multipart(
        MultipartType::FLOW,
        |writer| encode_flow_stats_request(table, Cookie(0), 0, writer),
        |_, part| {
            let mut body = part.body.reader();
            while !body.is_empty() {
                let flow = FlowStats::decode(&mut body)?;
                lines.push(line(&mut printer, &flow, !args.no_stats, &mut text)?);
            }
            found |= !lines.is_empty();
            if args.unsorted && failed.is_none() {
                failed = write_lines(&text, &lines, explainer.as_ref(), out).err();
                text.clear();
                lines.clear();
            }
            Ok(())
        },
    )?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    lines.sort_unstable_by_key(|line| (line.table, line.priority, &text[line.match_text.clone()]));
    write_lines(&text, &lines, explainer.as_ref(), out)?;
    Ok(found || args.table.is_none())
}

fn line(printer: &mut Printer<'_>, flow: &FlowStats<'_>, stats: bool, text: &mut Vec<u8>) -> Result<Line, DecodeError> {
    let start = text.len();
    text.push(b' ');
    let match_text = if stats { printer.with_stats(flow, text)? } else { printer.without_stats(flow, text)? };
    text.push(b'\n');
    let (table, priority, cookie) = (flow.table, Reverse(flow.priority), flow.cookie);
    Ok(Line { table, priority, match_text, whole: start..text.len(), cookie })
}

fn write_lines(text: &[u8], lines: &[Line], explainer: Option<&Explainer<'_>>, out: &mut impl Write) -> io::Result<()> {
    let mut words = Vec::new();
    let mut table = None;
    for line in lines {
        words.clear();
        if let Some(explainer) = explainer.filter(|_| table != Some(line.table)) {
            explainer.heading(line.table, table.is_none(), &mut words);
            table = Some(line.table);
        }
        words.extend_from_slice(&text[line.whole.clone()]);
        if let Some(explainer) = explainer {
            explainer.reason(line.cookie, &mut words);
        }
        out.write_all(&words)?;
    }
    Ok(())
}
