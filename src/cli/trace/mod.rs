//! `ofctl-dump trace`: the way of a packet through the flows of one or more bridges.

mod bridges;
mod facts;
mod frame;
mod json;
mod notes;
mod purpose;
mod rules;
mod text;
mod words;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::client::ClientError;
use super::explain::{Objects, TopologyError};
use super::filter::suggest::advised;
use super::ofctl_dump::look::ByName;
use super::ofctl_dump::names::NameTable;
use super::ofctl_dump::source::SourceError;
use crate::flow::parse::{self, ParseError};
use crate::flow::sim::{self, Packet, PacketError};
use crate::openflow::DecodeError;
use bridges::Bridges;
use words::Words;

pub use facts::FactError;

/// The way of a packet through the tables, as ofproto/trace shows it, from flows alone.
///
/// Bridges of one host are connected by the patch ports of Heddle and Neutron (patch-tun and patch-int, int-X and
/// phy-X), those of two hosts by tunnel ports named after the other's address (vxlan-c0000202). What flows do not
/// tell is taken from --ct, --tag and --fdb, or said to be unknown. Exit status 0: the packet comes out somewhere;
/// 1: it is dropped; 2: there is no trace.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Where the packet comes in, as [NAME=]TARGET: a bridge, a management socket, tcp:HOST:PORT, or a file of flows
    target: String,
    /// The packet, as for ofproto/trace: in_port=tap1,dl_src=fa:16:3e:00:00:01,arp,arp_tpa=10.0.0.2
    flow: String,
    /// The packet's bytes, an Ethernet frame in hexadecimal: FLOW says where it comes from, and no headers
    #[arg(long, value_name = "HEX")]
    packet: Option<String>,
    /// Another bridge, likewise; HOST:BRIDGE names one of another host. Bridges of a switch here join by themselves
    #[arg(long, value_name = "[NAME=]TARGET")]
    peer: Vec<String>,
    /// Two ports that are connected, where their names do not tell
    #[arg(long, value_name = "BRIDGE:PORT=BRIDGE:PORT")]
    link: Vec<String>,
    /// What conntrack says of the packet each time that it is tracked, as trk,est; new connections by default
    #[arg(long, value_name = "STATE")]
    ct: Vec<String>,
    /// The VLAN of an access port, or that it is a trunk: what NORMAL goes by
    #[arg(long, value_name = "[BRIDGE:]PORT=VLAN|trunk")]
    tag: Vec<String>,
    /// What a bridge has learnt, as ovs-appctl fdb/show prints it
    #[arg(long, value_name = "[BRIDGE=]FILE")]
    fdb: Vec<String>,
    /// Names for explanations; by default the topology of /etc/heddle/heddle.toml
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    #[command(flatten)]
    by_name: ByName,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flows.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The switch.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A flow that is none.
    #[error("{bridge}: {error}")]
    Flow {
        /// On which bridge.
        bridge: String,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// FLOW is no packet.
    #[error("FLOW, {}", advised(.0))]
    Packet(#[from] ParseError),
    /// No frame.
    #[error("--packet: expected bytes in hexadecimal")]
    Bytes,
    /// FLOW is more than one packet.
    #[error("FLOW: {0}")]
    Ambiguous(#[from] PacketError),
    /// What was said besides.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// The topology file.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// Does what `args` ask for. True: the packet comes out somewhere.
pub fn run(args: &Args, out: &mut impl Write) -> Result<bool, Error> {
    let objects = match &args.topology {
        Some(path) => Objects::read(path)?,
        None => Objects::of_this_host().unwrap_or_default(),
    };
    let mut bridges = bridges::read(&args.target, &args.peer)?;
    facts::tell(args, &mut bridges)?;
    let states = facts::states(&args.ct)?;
    let packet = packet(args, &bridges)?;
    let trace = sim::trace(&bridges.network, 0, packet, &states);
    let words = Words::new(&bridges, &objects, args.by_name.get());
    if args.json {
        json::write(&trace, &words, out)?;
    } else {
        text::write(&trace, &words, out)?;
    }
    Ok(trace.goes_somewhere())
}

/// The packet that is asked about.
fn packet(args: &Args, bridges: &Bridges) -> Result<Packet, Error> {
    let none = NameTable::default();
    let names = bridges.dumps.first().map_or(&none, |dump| &dump.names);
    let packet = Packet::from_match(&parse::matching(&args.flow, names)?)?;
    match &args.packet {
        Some(hex) => Ok(frame::with_headers(packet, &frame::bytes(hex).ok_or(Error::Bytes)?)),
        None => Ok(packet),
    }
}
