//! What a switch says of itself besides its flows: `ofctl-dump TARGET ports|tables|groups|meters|show|desc|queues`,
//! in the words of `ovs-ofctl`.

use std::io::Write;

use super::Error;
use super::args::Args;
use super::names::NameTable;
use crate::cli::client::{Client, ClientError};
use crate::cli::json::report;
use crate::cli::{message_text, switch_text};
use crate::flow::text::{Names, Numbers};
use crate::openflow::features::{self, FeaturesReply, SwitchConfig};
use crate::openflow::multipart::{Multipart, MultipartType};
use crate::openflow::queue::ALL_QUEUES;
use crate::openflow::{Entries, GroupId, MessageType, MeterId, PortNo, Writer, Xid};

/// A question that one kind of multipart message answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Question {
    Ports,
    PortCounters,
    Tables,
    Groups,
    GroupCounters,
    Meters,
    MeterCounters,
    Queues,
    Desc,
}

impl Question {
    /// Its type, and the numbers in its body: all there are of the thing.
    const fn body(self) -> (MultipartType, &'static [u32]) {
        match self {
            Self::Ports => (MultipartType::PORT_DESC, &[]),
            Self::PortCounters => (MultipartType::PORT_STATS, &[PortNo::ANY.0, 0]),
            Self::Tables => (MultipartType::TABLE, &[]),
            Self::Groups => (MultipartType::GROUP_DESC, &[]),
            Self::GroupCounters => (MultipartType::GROUP, &[GroupId::ALL.0, 0]),
            Self::Meters => (MultipartType::METER_CONFIG, &[MeterId::ALL.0, 0]),
            Self::MeterCounters => (MultipartType::METER, &[MeterId::ALL.0, 0]),
            Self::Queues => (MultipartType::QUEUE, &[PortNo::ANY.0, ALL_QUEUES]),
            Self::Desc => (MultipartType::DESC, &[]),
        }
    }
}

/// Asks, and prints each entry of the answer as a line of JSON.
pub(super) fn ask_json(client: &mut Client, question: Question, out: &mut impl Write) -> Result<(), Error> {
    let (multipart_type, body) = question.body();
    let mut text = Vec::new();
    client.multipart(
        multipart_type,
        |writer| {
            body.iter().for_each(|number| writer.u32(*number));
            Ok(())
        },
        |_, part| report::append(part, &mut text),
    )?;
    Ok(out.write_all(&text)?)
}

/// Asks, and prints the answer; with names of ports and tables if `args` say so.
pub(super) fn ask(client: &mut Client, question: Question, args: &Args, out: &mut impl Write) -> Result<(), Error> {
    let names = match (args.look.by_name.get(), question) {
        (true, Question::PortCounters | Question::Groups | Question::Queues) => names(client, args)?,
        _ => NameTable::default(),
    };
    let (multipart_type, body) = question.body();
    let mut text = Vec::new();
    let mut failed = None;
    client.multipart(
        multipart_type,
        |writer| {
            body.iter().for_each(|number| writer.u32(*number));
            Ok(())
        },
        |xid, part| {
            if let Err(error) = named_reply(xid, part, &names, &mut text) {
                failed.get_or_insert(error);
            }
            Ok(())
        },
    )?;
    out.write_all(&text)?;
    failed.map_or(Ok(()), Err)
}

/// The names that the switch and `args` give.
fn names(client: &mut Client, args: &Args) -> Result<NameTable, Error> {
    let mut names = NameTable::default();
    names.read_ports(client)?;
    names.read_tables(client)?;
    args.look.table_names.apply(&mut names, "")?;
    Ok(names)
}

/// Appends the text of one message of an answer, which also says where it could not be read.
pub(super) fn reply(xid: Xid, part: &Multipart<'_>, text: &mut Vec<u8>) -> Result<(), Error> {
    named_reply(xid, part, &Numbers, text)
}

fn named_reply(xid: Xid, part: &Multipart<'_>, names: &dyn Names, text: &mut Vec<u8>) -> Result<(), Error> {
    let mut writer = Writer::new();
    // It came in one message, so it fits one.
    let _ = part.encode_reply(&mut writer, xid);
    message_text::named_message(writer.as_slice(), names, text)?.map_or(Ok(()), |error| Err(error.into()))
}

/// Prints features, ports and configuration.
pub(super) fn show(client: &mut Client, args: &Args, out: &mut impl Write) -> Result<(), Error> {
    let (xid, features) = features(client)?;
    let mut text = String::new();
    switch_text::features(&mut text, xid, &features);
    out.write_all(text.as_bytes())?;
    ask(client, Question::Ports, args, out)?;
    let (xid, config) = config(client)?;
    text.clear();
    switch_text::config(&mut text, xid, &config);
    Ok(out.write_all(text.as_bytes())?)
}

/// Prints the same as one JSON object.
pub(super) fn show_json(client: &mut Client, out: &mut impl Write) -> Result<(), Error> {
    let (_, features) = features(client)?;
    let mut ports = Vec::new();
    let (port_desc, _) = Question::Ports.body();
    client.multipart(
        port_desc,
        |_| Ok(()),
        |_, part| {
            for port in Entries::new(part.body.reader()) {
                ports.push(port?);
            }
            Ok(())
        },
    )?;
    let (_, config) = config(client)?;
    Ok(writeln!(out, "{}", report::switch(&features, &config, &ports))?)
}

fn features(client: &mut Client) -> Result<(Xid, FeaturesReply), ClientError> {
    let (answer, encode) = (MessageType::FEATURES_REPLY, features::encode_request);
    client.transact("OFPT_FEATURES_REQUEST", answer, encode, FeaturesReply::decode)
}

fn config(client: &mut Client) -> Result<(Xid, SwitchConfig), ClientError> {
    let (answer, encode) = (MessageType::GET_CONFIG_REPLY, features::encode_config_request);
    client.transact("OFPT_GET_CONFIG_REQUEST", answer, encode, SwitchConfig::decode)
}
