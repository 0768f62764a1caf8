//! Flows: modifications, dumps, monitors, and what is told of removed ones.

use super::{Context, NotPrinted, Out, Stop, bits, chomp, known_port};
use crate::flow;
use crate::flow::text::{Numbers, Printer, duration};
use crate::openflow::flow_monitor::{
    FlowEvent, FlowMonitorCancel, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateFull,
};
use crate::openflow::flow_removed::FlowRemoved;
use crate::openflow::flow_stats::{AggregateStats, FlowStatsRequest};
use crate::openflow::kind::Kind;
use crate::openflow::match_fields::{Form, MatchFields, Strictness};
use crate::openflow::{
    DecodeError, Entries, ErrorCode, FlowMod, FlowModCommand, FlowStats, PortNo, RawMatch, Reader, TableId,
};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    let result = match context.kind() {
        Kind::FlowMod => flow_mod(body, out),
        Kind::FlowRemoved => removed(body, out),
        Kind::FlowStatsRequest | Kind::AggregateStatsRequest => stats_request(body, out),
        Kind::FlowStatsReply => stats(body, out),
        Kind::AggregateStatsReply => aggregate(body, out),
        Kind::FlowMonitorRequest => monitor_requests(body, out),
        Kind::FlowMonitorReply => updates(body, out),
        Kind::FlowMonitorCancel => FlowMonitorCancel::decode(body).map(|cancel| put!(out, " id={}", cancel.monitor_id)),
        _ => return None,
    };
    Some(result.map_err(|error| standard_match(context, error)))
}

/// The errors of a match's header as Open vSwitch has them: it looks at the type first, and knows that of OpenFlow
/// 1.1, which has one length.
fn standard_match(context: &Context<'_>, error: DecodeError) -> Stop {
    let start = match error.what {
        "match.type" => error.offset,
        "match.length" => error.offset.saturating_sub(2),
        _ => return error.into(),
    };
    let code = match context.bytes.get(start..).and_then(|rest| rest.get(..4)) {
        Some([0, 0, 0, 88]) => {
            return NotPrinted { what: format!("{} with OFPMT_STANDARD", context.form.name) }.into();
        }
        None | Some([0, 0 | 1, ..]) => ErrorCode::BMC_BAD_LEN,
        Some(_) => ErrorCode::BMC_BAD_TYPE,
    };
    DecodeError { code, ..error }.into()
}

/// Priority of a flow for which none was asked.
const DEFAULT_PRIORITY: u16 = 0x8000;

/// Holds a flow against what Open vSwitch holds it against, in its order; the match was read before.
fn check(flow: &FlowMod<'_>, body: &Reader<'_>) -> Result<(), DecodeError> {
    let deletes = [FlowModCommand::DELETE, FlowModCommand::DELETE_STRICT].contains(&flow.command);
    if flow.table == TableId::ALL && !deletes {
        let expected = "0 to 254, but for a delete";
        return Err(body.error("flow_mod.table_id", 255, expected, ErrorCode::FMFC_BAD_TABLE_ID));
    }
    known_port(body, flow.out_port)?;
    if flow.command.0 > FlowModCommand::DELETE_STRICT.0 {
        let found = flow.command.0.into();
        return Err(body.error("flow_mod.command", found, "0 to 4", ErrorCode::FMFC_BAD_COMMAND));
    }
    let offset = body.offset() + (body.remaining() - flow.instructions.len());
    flow::check::instructions(Reader::at(flow.instructions, offset))?;
    if flow.flags.0 & !0x1f != 0 {
        return Err(body.error("flow_mod.flags", flow.flags.0.into(), "known ones", ErrorCode::FMFC_BAD_FLAGS));
    }
    flow::check::flow_mod(flow, offset).map(|_| ())
}

/// The match of a FLOW_MOD, with its place in the message.
fn flow_match(mut body: Reader<'_>) -> Result<RawMatch<'_>, DecodeError> {
    body.skip(40, "flow_mod")?;
    RawMatch::decode(&mut body)
}

fn flow_mod(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let flow = FlowMod::decode(body)?;
    let match_tlvs = fields(&flow_match(body)?)?;
    check(&flow, &body)?;
    let mut text = b" ".to_vec();
    Printer::new(&Numbers).flow_mod(&FlowMod { match_tlvs: &match_tlvs, ..flow }, &mut text)?;
    out.append(&mut text);
    Ok(())
}

fn reason_name(reason: u16) -> Option<&'static str> {
    ["idle", "hard", "delete", "group_delete", "meter_delete", "eviction"].get(usize::from(reason)).copied()
}

fn removed(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let removed = FlowRemoved::decode(body)?;
    let mut text = b" ".to_vec();
    Printer::new(&Numbers).prioritized(removed.priority, &fields(&removed.flow_match)?, &mut text)?;
    match reason_name(removed.reason.0.into()) {
        Some(name) => put!(text, " reason={name}"),
        None => put!(text, " reason={}", removed.reason.0),
    }
    if removed.table_id != TableId::ALL {
        put!(text, " table_id={}", removed.table_id);
    }
    if removed.cookie.0 != 0 {
        put!(text, " cookie:{:#x}", removed.cookie.0);
    }
    put!(text, " duration");
    duration(&mut text, removed.duration_sec, removed.duration_nsec);
    put!(text, " idle{}", removed.idle_timeout);
    if removed.hard_timeout != 0 {
        put!(text, " hard{}", removed.hard_timeout);
    }
    put!(text, " pkts{} bytes{}\n", removed.packet_count, removed.byte_count);
    out.append(&mut text);
    Ok(())
}

fn stats_request(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    // Open vSwitch looks at the port before the match.
    let mut head = body;
    head.skip(4, "flow_stats_request.table_id")?;
    let out_port = known_port(&head, PortNo({ head }.u32("flow_stats_request.out_port")?))?;
    let request = FlowStatsRequest::decode(body)?;
    let mut text = Vec::new();
    table_and_port(request.table_id, out_port, &mut text);
    text.push(b' ');
    Printer::new(&Numbers).matching(&fields(&request.flow_match)?, &mut text)?;
    out.append(&mut text);
    Ok(())
}

fn table_and_port(table: TableId, out_port: PortNo, text: &mut Out) {
    if table != TableId::ALL {
        put!(text, " table={table}");
    }
    if out_port != PortNo::ANY {
        put!(text, " out_port=");
        Printer::new(&Numbers).port(out_port, text);
    }
}

/// Each flow is held against what Open vSwitch holds the flows of a dump against.
fn stats(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let mut printer = Printer::new(&Numbers);
    while !body.is_empty() {
        let at = body;
        let flow = FlowStats::decode(&mut body)?;
        let mut entry = at;
        entry.skip(48, "flow_stats")?;
        fields(&RawMatch::decode(&mut entry)?)?;
        flow::check::instructions(Reader::at(flow.instructions, flow.instructions_offset))?;
        if flow.flags.0 & !0x1f != 0 {
            let found = flow.flags.0.into();
            return Err(at.error("flow_stats.flags", found, "known ones", ErrorCode::FMFC_BAD_FLAGS));
        }
        let end = out.len();
        out.extend_from_slice(b"\n ");
        printer.with_stats(&flow, out).inspect_err(|_| out.truncate(end))?;
    }
    Ok(())
}

fn aggregate(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let sum = AggregateStats::decode(body)?;
    put!(out, " packet_count={} byte_count={} flow_count={}", sum.packet_count, sum.byte_count, sum.flow_count);
    Ok(())
}

fn monitor_requests(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    for request in Entries::<FlowMonitorRequest<'_>>::new(body) {
        let request = request?;
        check_monitor(&request, &body)?;
        let mut text = Vec::new();
        put!(text, "\n id={} flags=", request.monitor_id);
        let names = ["initial", "add", "delete", "modify", "actions", "own"];
        bits(&mut text, request.flags.0.into(), &names, ',');
        table_and_port_of_monitor(&request, &mut text)?;
        text.push(b' ');
        Printer::new(&Numbers).matching(&fields(&request.flow_match)?, &mut text)?;
        chomp(&mut text, b' ');
        out.append(&mut text);
    }
    Ok(())
}

/// Holds that a monitor asks for something, and for nothing that Open vSwitch does not know.
fn check_monitor(request: &FlowMonitorRequest<'_>, at: &Reader<'_>) -> Result<(), DecodeError> {
    let flags = request.flags.0;
    let changes = (FlowMonitorFlags::ADD | FlowMonitorFlags::DELETE | FlowMonitorFlags::MODIFY).0;
    if flags & changes == 0 || flags & !0x3f != 0 {
        let expected = "one of add, delete and modify, and known ones";
        return Err(at.error("flow_monitor_request.flags", flags.into(), expected, ErrorCode::MOFC_BAD_FLAGS));
    }
    Ok(())
}

fn table_and_port_of_monitor(request: &FlowMonitorRequest<'_>, text: &mut Out) -> Result<(), DecodeError> {
    let out_port = known_port(&request.flow_match.whole().reader(), request.out_port)?;
    if out_port != PortNo::ANY {
        put!(text, " out_port=");
        Printer::new(&Numbers).port(out_port, text);
    }
    if request.table_id != TableId::ALL {
        put!(text, " table={}", request.table_id);
    }
    Ok(())
}

/// The fields of a match in canonical order, each held against its prerequisites.
fn fields(flow_match: &RawMatch<'_>) -> Result<Vec<u8>, DecodeError> {
    Ok(MatchFields::decode(flow_match.oxm_fields(), Form::Oxm, Strictness::Strict)?.to_oxm())
}

fn updates(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    for update in Entries::<FlowUpdate<'_>>::new(body) {
        let mut text = b"\n event=".to_vec();
        match update? {
            FlowUpdate::Full(update) => full_update(&update, &mut text)?,
            FlowUpdate::Abbrev { xid } => put!(text, "ABBREV xid={:#x}", xid.0),
        }
        out.append(&mut text);
    }
    Ok(())
}

fn full_update(update: &FlowUpdateFull<'_>, text: &mut Out) -> Result<(), DecodeError> {
    match update.event {
        FlowEvent::Added => put!(text, "ADDED"),
        FlowEvent::Modified => put!(text, "MODIFIED"),
        FlowEvent::Deleted => match reason_name(update.reason) {
            Some(name) => put!(text, "DELETED reason={name}"),
            None => put!(text, "DELETED reason={}", update.reason),
        },
    }
    put!(text, " table={}", update.table_id);
    for (name, timeout) in [("idle", update.idle_timeout), ("hard", update.hard_timeout)] {
        if timeout != 0 {
            put!(text, " {name}_timeout={timeout}");
        }
    }
    match update.cookie.0 {
        0 => put!(text, " cookie=0 "),
        cookie => put!(text, " cookie={cookie:#x} "),
    }
    let mut printer = Printer::new(&Numbers);
    printer.prioritized(DEFAULT_PRIORITY, &fields(&update.flow_match)?, text)?;
    if !update.instructions.bytes().is_empty() {
        if text.last() != Some(&b' ') {
            text.push(b' ');
        }
        put!(text, "actions=");
        flow::check::instructions(update.instructions.reader())?;
        printer.instructions(update.instructions.reader(), text)?;
    }
    Ok(())
}
