//! Small messages of Nicira's, IPFIX counters, connections to forget.

use std::net::Ipv6Addr;

use super::{Context, Out, Stop};
use crate::flow::text::ipv6_address;
use crate::openflow::ct_flush::{Connections, CtTuple, Family, is_icmp};
use crate::openflow::ipfix::IpfixStats;
use crate::openflow::kind::Kind;
use crate::openflow::nicira::{CtFlushZone, FlowModTableId, SetControllerId};
use crate::openflow::{DecodeError, Entries, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    let result = match context.kind() {
        Kind::FlowModTableId => FlowModTableId::decode(body).map(|message| {
            put!(out, " {}", if message.set != 0 { "enable" } else { "disable" });
        }),
        Kind::SetControllerId => {
            SetControllerId::decode(body).map(|message| put!(out, " id={}", message.controller_id))
        }
        Kind::CtFlushZone => CtFlushZone::decode(body).map(|message| put!(out, " zone_id={}", message.zone_id)),
        Kind::CtFlush => ct_flush(body, out),
        Kind::IpfixBridgeReply => ipfix_bridge(body, out),
        Kind::IpfixFlowReply => ipfix_flow(body, out),
        _ => return None,
    };
    Some(result.map_err(Stop::from))
}

fn ct_flush(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let connections = Connections::decode(body)?;
    let ip_proto = connections.ip_proto;
    put!(out, " zone={} '", connections.zone_id.unwrap_or_default());
    tuple(out, &connections.original, connections.family, ip_proto);
    put!(out, ",ct_nw_proto={ip_proto}' '");
    tuple(out, &connections.reply, connections.family, ip_proto);
    out.push(b'\'');
    Ok(())
}

fn tuple(out: &mut Out, tuple: &CtTuple, family: Option<Family>, ip_proto: u8) {
    let field = if family == Some(Family::Ipv4) { "ct_nw" } else { "ct_ipv6" };
    put!(out, "{field}_src=");
    address(out, tuple.source);
    put!(out, ",{field}_dst=");
    address(out, tuple.destination);
    let id = tuple.source_port_or_icmp_id;
    let [icmp_type, icmp_code] = tuple.destination_port_or_icmp;
    if is_icmp(ip_proto) {
        put!(out, ",icmp_id={id},icmp_type={icmp_type},icmp_code={icmp_code}");
    } else {
        put!(out, ",ct_tp_src={id},ct_tp_dst={}", u16::from_be_bytes(tuple.destination_port_or_icmp));
    }
}

/// An IPv4 address without the prefix that maps it.
fn address(out: &mut Out, address: Ipv6Addr) {
    match address.to_ipv4_mapped() {
        Some(address) => put!(out, "{address}"),
        None => ipv6_address(out, address.into()),
    }
}

fn ipfix_bridge(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    for stats in Entries::<IpfixStats>::new(body) {
        put!(out, "\n  bridge ipfix: ");
        counters(out, &stats?, "                ");
    }
    Ok(())
}

fn ipfix_flow(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    put!(out, " {} ids\n", Entries::<IpfixStats>::new(body).count());
    for stats in Entries::<IpfixStats>::new(body) {
        let stats = stats?;
        put!(out, "  id {:>3}: ", stats.collector_set_id);
        counters(out, &stats, "          ");
    }
    Ok(())
}

/// Two lines, the second one indented.
fn counters(out: &mut Out, stats: &IpfixStats, indent: &str) {
    let mut line = |indent: &str, counters: &[(&str, u64)]| {
        put!(out, "{indent}");
        for (i, &(name, count)) in counters.iter().enumerate() {
            put!(out, "{}{name}=", if i > 0 { ", " } else { "" });
            match count {
                u64::MAX => out.push(b'?'),
                count => put!(out, "{count}"),
            }
        }
        out.push(b'\n');
    };
    line(
        "",
        &[
            ("flows", stats.total_flows),
            ("current flows", stats.current_flows),
            ("sampled pkts", stats.pkts),
            ("ipv4 ok", stats.ipv4_pkts),
            ("ipv6 ok", stats.ipv6_pkts),
            ("tx pkts", stats.tx_pkts),
        ],
    );
    line(
        indent,
        &[
            ("pkts errs", stats.error_pkts),
            ("ipv4 errs", stats.ipv4_error_pkts),
            ("ipv6 errs", stats.ipv6_error_pkts),
            ("tx errs", stats.tx_errors),
        ],
    );
}
