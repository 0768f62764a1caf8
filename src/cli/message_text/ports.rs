//! Ports and tables: their state, changes and counters.

use super::{Context, Out, Stop, known_port};
use crate::cli::switch_text;
use crate::flow::text::{Numbers, Printer, duration};
use crate::openflow::kind::Kind;
use crate::openflow::port::{Port, PortConfig, PortMod, PortStatus};
use crate::openflow::port_stats::{PortStats, PortStatsRequest};
use crate::openflow::table_mod::TableMod;
use crate::openflow::table_stats::TableStats;
use crate::openflow::{DecodeError, Entries, ErrorCode, Reader, TableId};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    let result = match context.kind() {
        Kind::PortStatus => status(body, out),
        Kind::PortMod => port_mod(body, out),
        Kind::TableMod => table_mod(body, out),
        // OpenFlow 1.3 has no way to ask for one port.
        Kind::PortDescRequest => {
            put!(out, " port=ANY");
            Ok(())
        }
        Kind::PortDescReply => descriptions(body, out),
        Kind::PortStatsRequest => stats_request(body, out),
        Kind::PortStatsReply => stats(&context.printer(), body, out),
        Kind::TableStatsReply => tables(body, out),
        _ => return None,
    };
    Some(result.map_err(Stop::from))
}

fn status(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let status = PortStatus::decode(body)?;
    let Some(reason) = [" ADD:", " DEL:", " MOD:"].get(usize::from(status.reason.0)) else {
        let found = status.reason.0.into();
        return Err(body.error("port_status.reason", found, "0 to 2", ErrorCode::NXBRC_BAD_REASON));
    };
    known_port(&body, status.port.port_no)?;
    put!(out, "{reason}");
    let mut text = String::new();
    switch_text::one_port(&mut text, &status.port);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn port_mod(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let port_mod = PortMod::decode(body)?;
    known_port(&body, port_mod.port_no)?;
    put!(out, " port: ");
    Printer::new(&Numbers).port(port_mod.port_no, out);
    put!(out, ": addr:{}\n", port_mod.hw_addr);
    let mut text = String::from("     config: ");
    // Of a bit that is not to change nothing is told.
    switch_text::bits(&mut text, PortConfig(port_mod.config.0 & port_mod.mask.0).names());
    text.push_str("\n     mask:   ");
    switch_text::bits(&mut text, port_mod.mask.names());
    text.push_str("\n     advertise: ");
    match port_mod.advertise.names().next() {
        Some(_) => switch_text::bits(&mut text, port_mod.advertise.names()),
        None => text.push_str("UNCHANGED"),
    }
    text.push('\n');
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// In OpenFlow 1.3 the configuration means nothing.
fn table_mod(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    match TableMod::decode(body)?.table_id {
        TableId::ALL => put!(out, " table_id: ALL_TABLES"),
        table => put!(out, " table_id={table}"),
    }
    Ok(())
}

fn descriptions(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    out.push(b'\n');
    let mut ports = Entries::<Port>::new(body).collect::<Result<Vec<_>, _>>()?;
    for port in &ports {
        known_port(&body, port.port_no)?;
    }
    let mut text = String::new();
    switch_text::ports_body(&mut text, &mut ports);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn stats_request(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let port = known_port(&body, PortStatsRequest::decode(body)?.port_no)?;
    put!(out, " port_no=");
    Printer::new(&Numbers).port(port, out);
    Ok(())
}

fn stats(printer: &Printer<'_>, body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let known = |entry: &Result<PortStats, DecodeError>| {
        entry.as_ref().is_ok_and(|stats| known_port(&body, stats.port_no).is_ok())
    };
    put!(out, " {} ports\n", Entries::<PortStats>::new(body).take_while(known).count());
    for port in Entries::<PortStats>::new(body) {
        let port = port?;
        known_port(&body, port.port_no)?;
        put!(out, "  port ");
        if port.port_no.0 < 10 {
            out.push(b' ');
        }
        printer.port(port.port_no, out);
        let line = |out: &mut Out, title: &str, counters: &[(&str, u64)]| {
            put!(out, "{title}");
            for (i, &(name, count)) in counters.iter().enumerate() {
                put!(out, "{}{name}=", if i > 0 { ", " } else { "" });
                if count == u64::MAX {
                    out.push(b'?');
                } else {
                    put!(out, "{count}");
                }
            }
            out.push(b'\n');
        };
        line(
            out,
            ": rx ",
            &[
                ("pkts", port.rx_packets),
                ("bytes", port.rx_bytes),
                ("drop", port.rx_dropped),
                ("errs", port.rx_errors),
                ("frame", port.rx_frame_err),
                ("over", port.rx_over_err),
                ("crc", port.rx_crc_err),
            ],
        );
        line(
            out,
            "           tx ",
            &[
                ("pkts", port.tx_packets),
                ("bytes", port.tx_bytes),
                ("drop", port.tx_dropped),
                ("errs", port.tx_errors),
                ("coll", port.collisions),
            ],
        );
        if port.duration_sec != u32::MAX {
            put!(out, "           duration=");
            duration(out, port.duration_sec, port.duration_nsec);
            out.push(b'\n');
        }
    }
    Ok(())
}

/// Tables that are as the one before are told together.
fn tables(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let (mut before, mut same): (Option<TableStats>, Option<(u8, u8)>) = (None, None);
    for table in Entries::<TableStats>::new(body) {
        let table = table?;
        let number = table.table_id.0;
        let counters = |table: &TableStats| (table.active_count, table.lookup_count, table.matched_count);
        if before.as_ref().is_some_and(|before| counters(before) == counters(&table)) {
            same = Some((same.map_or(number, |(first, _)| first), number));
        } else {
            ditto(out, same.take());
            put!(
                out,
                "\n  table {number}:\n    active={}, lookup={}, matched={}\n",
                table.active_count,
                table.lookup_count,
                table.matched_count
            );
        }
        before = Some(table);
    }
    ditto(out, same);
    Ok(())
}

/// Tables that are as the one before, first and last.
pub(super) fn ditto(out: &mut Out, same: Option<(u8, u8)>) {
    match same {
        Some((first, last)) if first == last => put!(out, "\n  table {first}: ditto\n"),
        Some((first, last)) => put!(out, "\n  tables {first}...{last}: ditto\n"),
        None => {}
    }
}
