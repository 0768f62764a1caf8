//! `ofctl-dump TARGET aggregate`: the counters of flows together.
//!
//! The switch adds them up where it can. A filter says more than the question of OpenFlow can, so that the flows
//! it takes are fetched and added up here; so are those of a text.

use std::io::Write;

use super::Error;
use super::args::{Args, Request};
use super::reports::reply;
use super::source::Source;
use crate::cli::client::Client;
use crate::cli::filter::{Filter, Scratch};
use crate::cli::json::report;
use crate::openflow::flow_mod::encode_flow_stats_request;
use crate::openflow::flow_stats::AggregateStats;
use crate::openflow::multipart::{Multipart, MultipartType};
use crate::openflow::{Cookie, TableId, Writer, Xid};

/// Prints the sum, as `ovs-ofctl dump-aggregate` does.
pub(super) fn run(request: &Request, args: &Args, out: &mut impl Write) -> Result<(), Error> {
    let mut text = Vec::new();
    let print = |xid, part: &Multipart<'_>, text: &mut Vec<u8>| match args.json {
        true => Ok(report::append(part, text)?),
        false => reply(xid, part, text),
    };
    match (&request.source, &request.filter) {
        (Source::Switch(target), None) => {
            let table = args.table.map_or(TableId::ALL, TableId);
            let mut failed = None;
            Client::connect(target)?.multipart(
                MultipartType::AGGREGATE,
                |writer| encode_flow_stats_request(table, Cookie(0), 0, writer),
                |xid, part| {
                    failed = print(xid, part, &mut text).err();
                    Ok(())
                },
            )?;
            failed.map_or(Ok(()), Err)?;
        }
        _ => {
            let mut writer = Writer::new();
            sum(request, args)?.encode(&mut writer);
            print(Xid(0), &Multipart::last(MultipartType::AGGREGATE, writer.as_slice()), &mut text)?;
        }
    }
    Ok(out.write_all(&text)?)
}

/// The sum over the flows that are asked for. Counters that nobody knows count as nothing.
fn sum(request: &Request, args: &Args) -> Result<AggregateStats, Error> {
    let reading = request.source.read(&Default::default())?;
    let dump = &reading.dump;
    let mut names = dump.names.clone();
    args.look.table_names.apply(&mut names, &dump.name)?;
    let filter = request.filter.as_deref().map(|text| Filter::parse(text, &names)).transpose()?;
    let mut scratch = Scratch::default();
    let mut sum = AggregateStats { packet_count: 0, byte_count: 0, flow_count: 0 };
    let known = |count| if count == u64::MAX { 0 } else { count };
    for flow in dump.flows.iter().filter(|flow| args.table.is_none_or(|table| flow.table.0 == table)) {
        if filter.as_ref().map_or(Ok(true), |filter| filter.matches(&flow, &mut scratch))? {
            sum.packet_count = sum.packet_count.saturating_add(known(flow.packet_count));
            sum.byte_count = sum.byte_count.saturating_add(known(flow.byte_count));
            sum.flow_count = sum.flow_count.saturating_add(1);
        }
    }
    reading.finish()?;
    Ok(sum)
}
