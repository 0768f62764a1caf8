//! `--graph` and `--watch`: the flows of a target other than as lines.

use std::io::Write;

use super::Error;
use super::args::{Args, Request};
use super::names::NameTable;
use super::source::{Reading, Source, read_groups, read_switch};
use crate::cli::client::Client;
use crate::cli::filter::{Filter, Scratch};
use crate::cli::graph::{Format, Graph, Groups};
use crate::cli::watch;
use crate::openflow::TableId;

/// True if `args` ask for one of them.
pub(super) const fn asked_for(args: &Args) -> bool {
    args.graph.is_some() || args.watch.is_some()
}

/// Shows the flows that `request` asks for.
pub(super) fn show(request: &Request, args: &Args, out: &mut impl Write) -> Result<(), Error> {
    if let Some(format) = args.graph {
        return graph(request, args, format, out);
    }
    let Some(interval) = args.watch else { return Ok(()) };
    let Source::Switch(target) = &request.source else { return Err(Error::OnlyFlows(request.source.name())) };
    let options = watch::Options {
        interval,
        count: args.count,
        table: args.table.map_or(TableId::ALL, TableId),
        filter: request.filter.clone(),
        by_name: args.look.by_name.get(),
        table_names: args.look.table_names.clone(),
    };
    Ok(watch::run(target, options, out)?)
}

/// Flows, and the groups that they lead to, of which a text says nothing.
fn read(source: &Source) -> Result<(Reading, Groups), Error> {
    let Source::Switch(target) = source else { return Ok((source.read(&NameTable::default())?, Groups::new())) };
    let mut client = Client::connect(target)?;
    let dump = read_switch(&mut client, source.name())?;
    Ok((Reading { dump, faults: 0 }, read_groups(&mut client)?))
}

fn graph(request: &Request, args: &Args, format: Format, out: &mut impl Write) -> Result<(), Error> {
    let (reading, groups) = read(&request.source)?;
    let mut names = reading.dump.names.clone();
    args.look.table_names.apply(&mut names, &reading.dump.name)?;
    let filter = request.filter.as_deref().map(|text| Filter::parse(text, &names)).transpose()?;
    let mut graph = Graph::new(reading.dump.name.clone(), &names, groups);
    let mut scratch = Scratch::default();
    for flow in reading.dump.flows.iter().filter(|flow| args.table.is_none_or(|table| flow.table.0 == table)) {
        if filter.as_ref().map_or(Ok(true), |filter| filter.matches(&flow, &mut scratch))? {
            graph.add(&flow)?;
        }
    }
    graph.write(format, out)?;
    Ok(reading.finish()?)
}
