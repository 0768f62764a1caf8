//! Queues of ports: configuration and counters.

use super::{Context, Out, Stop, known_port};
use crate::flow::text::{Numbers, Printer, duration};
use crate::openflow::kind::Kind;
use crate::openflow::queue::{
    ALL_QUEUES, PacketQueue, QueueGetConfigReply, QueueGetConfigRequest, QueueProperty, QueueStats, QueueStatsRequest,
};
use crate::openflow::{DecodeError, Entries, ErrorCode, PortNo, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    let result = match context.kind() {
        Kind::QueueGetConfigRequest => config_request(body, out),
        Kind::QueueGetConfigReply => config_reply(body, out),
        Kind::QueueStatsRequest => stats_request(body, out),
        Kind::QueueStatsReply => stats(&context.printer(), body, out),
        _ => return None,
    };
    Some(result.map_err(Stop::from))
}

fn port(out: &mut Out, port: PortNo) {
    Printer::new(&Numbers).port(port, out);
}

fn queue(out: &mut Out, queue_id: u32) {
    match queue_id {
        ALL_QUEUES => put!(out, "ALL"),
        number => put!(out, "{number}"),
    }
}

fn config_request(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let port_no = known_port(&body, QueueGetConfigRequest::decode(body)?.port_no)?;
    if port_no >= PortNo::MAX && port_no != PortNo::ANY {
        let expected = "a port, or ANY";
        let what = "queue_get_config_request.port";
        return Err(body.error(what, port_no.0.into(), expected, ErrorCode::QOFC_BAD_PORT));
    }
    put!(out, " port=");
    port(out, port_no);
    Ok(())
}

/// What came before an error is told, in order.
fn config_reply(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let reply = QueueGetConfigReply::decode(body)?;
    let mut queues: Vec<PacketQueue<'_>> = Vec::new();
    let mut result = Ok(());
    for next in reply.queues() {
        match known_port(&body, reply.port_no).and(next) {
            Ok(queue) => queues.push(queue),
            Err(error) => result = Err(error),
        }
        if result.is_err() {
            break;
        }
    }
    queues.sort_by_key(|queue| queue.queue_id);
    out.push(b' ');
    if !queues.is_empty() && reply.port_no != PortNo(0) {
        put!(out, "port=");
        port(out, reply.port_no);
        out.push(b'\n');
    }
    for queue in queues {
        put!(out, "queue {}:", queue.queue_id);
        rates(out, &queue);
        out.push(b'\n');
    }
    super::chomp(out, b' ');
    result
}

/// The last of each kind counts; 65535 says as much as none.
fn rates(out: &mut Out, queue: &PacketQueue<'_>) {
    let (mut min_rate, mut max_rate) = (u16::MAX, u16::MAX);
    for property in &queue.properties {
        match *property {
            QueueProperty::MinRate(rate) => min_rate = rate,
            QueueProperty::MaxRate(rate) => max_rate = rate,
            QueueProperty::Other { .. } => {}
        }
    }
    for (name, rate) in [("min_rate", min_rate), ("max_rate", max_rate)] {
        match rate {
            0..=1000 => put!(out, " {name}:{}.{}%", rate / 10, rate % 10),
            u16::MAX => {}
            _ => put!(out, " {name}:(disabled)"),
        }
    }
}

fn stats_request(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let request = QueueStatsRequest::decode(body)?;
    known_port(&body, request.port_no)?;
    put!(out, " port=");
    port(out, request.port_no);
    put!(out, " queue=");
    queue(out, request.queue_id);
    Ok(())
}

fn stats(printer: &Printer<'_>, body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let known = |entry: &Result<QueueStats, DecodeError>| {
        entry.as_ref().is_ok_and(|stats| known_port(&body, stats.port_no).is_ok())
    };
    put!(out, " {} queues\n", Entries::<QueueStats>::new(body).take_while(known).count());
    for stats in Entries::<QueueStats>::new(body) {
        let stats = stats?;
        known_port(&body, stats.port_no)?;
        put!(out, "  port ");
        printer.port(stats.port_no, out);
        put!(out, " queue ");
        queue(out, stats.queue_id);
        put!(out, ": ");
        for (name, counter) in [("bytes", stats.tx_bytes), ("pkts", stats.tx_packets), ("errors", stats.tx_errors)] {
            match counter {
                u64::MAX => put!(out, "{name}=?, "),
                counter => put!(out, "{name}={counter}, "),
            }
        }
        put!(out, "duration=");
        match stats.duration_sec {
            u32::MAX => out.push(b'?'),
            seconds => duration(out, seconds, stats.duration_nsec),
        }
        out.push(b'\n');
    }
    Ok(())
}
