//! `ofctl-dump monitor`: what happens to the flows of a switch, as it happens, and on whose account.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;

use super::client::{Client, ClientError, ParseTargetError, Peer, Target};
use super::clock;
use super::explain::{Objects, TopologyError};
use super::ofctl_dump::color::Palette;
use super::ofctl_dump::look::Look;
use super::ofctl_dump::names::NameTable;
use super::ofctl_dump::paint::paint;
use super::ofctl_dump::table_names;
use crate::flow::text::{Names, Numbers, Printer};
use crate::openflow::async_config::{AsyncConfig, AsyncMask};
use crate::openflow::error::ONF;
use crate::openflow::error_msg::ErrorMsg;
use crate::openflow::experimenter::Experimenter;
use crate::openflow::flow_monitor::{
    FLOW_MONITOR, FlowEvent, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateFull, PAUSED, RESUMED,
};
use crate::openflow::multipart::{Multipart, MultipartType};
use crate::openflow::port::{PortReason, PortStatus};
use crate::openflow::{DecodeError, Entries, Message, MessageType, TableId, Xid};

/// What happens to the flows of a switch, as it happens, until Ctrl-C
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// A bridge, a path to a management socket, tcp:HOST:PORT, or ptcp:[PORT[:HOST]]
    target: String,
    /// The flows that are there at first, too
    #[arg(long)]
    initial: bool,
    /// Only flows of this table
    #[arg(long, value_name = "N")]
    table: Option<u8>,
    /// When each change was told, in UTC
    #[arg(long)]
    timestamp: bool,
    /// For each change one line of JSON
    #[arg(long, conflicts_with = "color")]
    json: bool,
    #[command(flatten)]
    look: Look,
    /// Names of what flows belong to; by default the topology of /etc/heddle/heddle.toml
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Stop after so many changes
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// Why nothing is heard of flows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target.
    #[error(transparent)]
    Target(#[from] ParseTargetError),
    /// The switch.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Names of tables.
    #[error(transparent)]
    TableNames(#[from] table_names::Error),
    /// The topology file.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// No flow monitor, or none as this.
    #[error(
        "{target} refuses to tell what happens to its flows ({code}): it needs the ONF's flow monitor, as Open vSwitch 3.0 and later have it"
    )]
    Refused {
        /// Which switch.
        target: String,
        /// Its answer.
        code: crate::openflow::ErrorCode,
    },
    /// The output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        ClientError::from(error).into()
    }
}

const MONITOR_ID: u32 = 1;

/// Prints changes as they are told.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Error> {
    let target = Target::parse(&args.target)?;
    let objects = match &args.topology {
        Some(path) => Objects::read(path)?,
        None => Objects::of_this_host().unwrap_or_default(),
    };
    let mut client = Client::connect(&target)?;
    let mut names = NameTable::default();
    names.read_ports(&mut client)?;
    names.read_tables(&mut client)?;
    args.look.table_names.apply(&mut names, &args.target)?;
    // So that a port which is plugged meanwhile has a name in the flows that come for it.
    let all = AsyncMask { master: 0b111, slave: 0b111 };
    let port_status = AsyncConfig { port_status: all, ..AsyncConfig::default() };
    client.post(|writer, xid| port_status.encode_set(writer, xid))?;
    let xid = client.post(|writer, xid| request(args).encode_message(writer, xid))?;
    let (named, palette) = (args.look.by_name.get(), args.look.palette());
    let left = args.count.unwrap_or(u64::MAX);
    let mut monitor = Monitor { args, xid, named, names, palette, objects: &objects, left };
    if left == 0 {
        return Ok(());
    }
    client.listen(Peer::Switch, |bytes| {
        let message = Message::decode(bytes)?;
        let flow = monitor.message(&target, &message, out)?;
        out.flush()?;
        Ok(flow)
    })
}

fn request(args: &Args) -> FlowMonitorRequest<'static> {
    use FlowMonitorFlags as Flags;
    let mut flags = Flags::ADD.0 | Flags::DELETE.0 | Flags::MODIFY.0 | Flags::ACTIONS.0 | Flags::OWN.0;
    if args.initial {
        flags |= Flags::INITIAL.0;
    }
    let table_id = args.table.map_or(TableId::ALL, TableId);
    FlowMonitorRequest { table_id, ..FlowMonitorRequest::all(MONITOR_ID, FlowMonitorFlags(flags)) }
}

/// What it takes to print a change.
struct Monitor<'a> {
    args: &'a Args,
    /// Of the request: what bears it was there before.
    xid: Xid,
    named: bool,
    names: NameTable,
    palette: Option<Palette>,
    objects: &'a Objects,
    left: u64,
}

impl Monitor<'_> {
    fn message(
        &mut self,
        target: &Target,
        message: &Message<'_>,
        out: &mut impl Write,
    ) -> Result<ControlFlow<()>, Error> {
        match message.header.message_type {
            MessageType::MULTIPART_REPLY => {
                let part = Multipart::decode(message.body)?;
                if part.multipart_type == MultipartType::EXPERIMENTER {
                    return self.updates(message.header.xid, &part, out);
                }
            }
            MessageType::EXPERIMENTER => {
                let told = Experimenter::decode(message.body)?;
                match (told.experimenter, told.exp_type) {
                    (ONF, PAUSED) => self.word(
                        "paused",
                        "more happens than the switch can tell; what happened is told when it resumes, as the outcome",
                        out,
                    )?,
                    (ONF, RESUMED) => self.word("resumed", "from here on everything is told as it happens", out)?,
                    _ => {}
                }
            }
            MessageType::PORT_STATUS => {
                let status = PortStatus::decode(message.body)?;
                if status.reason != PortReason::DELETE {
                    self.names.add_port(status.port.port_no, status.port.name.to_string());
                }
            }
            MessageType::ERROR => {
                let code = ErrorMsg::decode(message.body)?.code;
                return Err(Error::Refused { target: target.to_string(), code });
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn updates(&mut self, xid: Xid, part: &Multipart<'_>, out: &mut impl Write) -> Result<ControlFlow<()>, Error> {
        let told = Experimenter::decode(part.body.reader())?;
        if (told.experimenter, told.exp_type) != (ONF, FLOW_MONITOR) {
            return Ok(ControlFlow::Continue(()));
        }
        for update in Entries::<FlowUpdate<'_>>::new(told.body.reader()) {
            match update? {
                FlowUpdate::Full(full) => self.full(&full, xid == self.xid, out)?,
                FlowUpdate::Abbrev { xid } => self.abbreviated(xid, out)?,
            }
            self.left -= 1;
            if self.left == 0 {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn full(&self, update: &FlowUpdateFull<'_>, is_initial: bool, out: &mut impl Write) -> Result<(), Error> {
        let (sign, event) = match update.event {
            FlowEvent::Added if is_initial => ('=', "initial"),
            FlowEvent::Added => ('+', "added"),
            FlowEvent::Deleted => ('-', "deleted"),
            FlowEvent::Modified => ('~', "modified"),
        };
        let reason = (update.event == FlowEvent::Deleted).then(|| reason(update.reason));
        let flow = self.flow(update)?;
        let owner = self.objects.purpose(update.cookie);
        if self.args.json {
            let line = json!({
                "time": clock::timestamp(),
                "event": event,
                "reason": reason,
                "table": update.table_id.0,
                "priority": update.priority,
                "cookie": format!("{:#x}", update.cookie.0),
                "owner": owner,
                "flow": flow,
            });
            return Ok(writeln!(out, "{line}")?);
        }
        self.time(out)?;
        let reason = reason.map(|reason| format!("({reason}) ")).unwrap_or_default();
        let owner = owner.unwrap_or_else(|| "not Heddle's".to_owned());
        let mut text = format!("{sign} {reason}").into_bytes();
        match &self.palette {
            Some(palette) => paint(&flow, palette, &mut text),
            None => text.extend_from_slice(flow.as_bytes()),
        }
        text.extend_from_slice(format!("  # {owner}\n").as_bytes());
        Ok(out.write_all(&text)?)
    }

    /// The flow as `ovs-ofctl --no-stats dump-flows` has it, but for a table that always stands there.
    fn flow(&self, update: &FlowUpdateFull<'_>) -> Result<String, DecodeError> {
        let names: &dyn Names = if self.named { &self.names } else { &Numbers };
        let mut printer = Printer::new(names);
        let mut flow = format!("cookie={:#x}, table=", update.cookie.0).into_bytes();
        printer.table_id(update.table_id, &mut flow);
        flow.extend_from_slice(b", ");
        for (name, timeout) in [("idle_timeout", update.idle_timeout), ("hard_timeout", update.hard_timeout)] {
            if timeout != 0 {
                flow.extend_from_slice(format!("{name}={timeout}, ").as_bytes());
            }
        }
        flow.extend_from_slice(format!("priority={}", update.priority).as_bytes());
        let start = flow.len();
        printer.matching(update.flow_match.oxm_fields().rest(), &mut flow)?;
        if flow.len() > start {
            flow.insert(start, b',');
        }
        flow.extend_from_slice(b" actions=");
        printer.instructions(update.instructions.reader(), &mut flow)?;
        Ok(String::from_utf8_lossy(&flow).into_owned())
    }

    fn abbreviated(&self, xid: Xid, out: &mut impl Write) -> io::Result<()> {
        if self.args.json {
            let line = json!({ "time": clock::timestamp(), "event": "abbreviated", "xid": xid.0 });
            return writeln!(out, "{line}");
        }
        self.time(out)?;
        writeln!(out, "* what this connection asked for (xid={:#x})", xid.0)
    }

    /// Something about the monitor itself.
    fn word(&self, event: &str, words: &str, out: &mut impl Write) -> io::Result<()> {
        if self.args.json {
            return writeln!(out, "{}", json!({ "time": clock::timestamp(), "event": event }));
        }
        self.time(out)?;
        writeln!(out, "# {event}: {words}")
    }

    fn time(&self, out: &mut impl Write) -> io::Result<()> {
        if self.args.timestamp { write!(out, "{} ", clock::timestamp()) } else { Ok(()) }
    }
}

/// `OFPRR_*` (OpenFlow 1.3.5 §7.4.2, and what Open vSwitch has of later versions).
fn reason(code: u16) -> String {
    match code {
        0 => "idle timeout".to_owned(),
        1 => "hard timeout".to_owned(),
        2 => "deleted".to_owned(),
        3 => "its group was deleted".to_owned(),
        4 => "its meter was deleted".to_owned(),
        5 => "evicted".to_owned(),
        code => format!("reason {code}"),
    }
}
