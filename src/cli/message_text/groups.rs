//! Groups and meters.

use super::{Context, Out, Stop, chomp, known_port};
use crate::flow::text::{Numbers, Printer, duration};
use crate::openflow::kind::Kind;
use crate::openflow::{DecodeError, ErrorCode, PortNo, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    let result = match context.kind() {
        Kind::MeterMod => meter_mod(body, out),
        Kind::MeterStatsRequest | Kind::MeterConfigRequest => meter_request(body, out),
        Kind::MeterConfigReply => meter_configs(body, out),
        Kind::MeterStatsReply => meter_stats(body, out),
        Kind::GroupMod => group_mod(body, out),
        Kind::GroupDescReply => group_descs(body, out),
        Kind::GroupStatsReply => group_stats(body, out),
        _ => return None,
    };
    Some(result.map_err(Stop::from))
}

fn meter_id(out: &mut Out, meter: u32, separator: char) {
    put!(out, "meter{separator}");
    match meter {
        0xffff_fffd => put!(out, "slowpath"),
        0xffff_fffe => put!(out, "controller"),
        0xffff_ffff => put!(out, "all"),
        meter => put!(out, "{meter}"),
    }
}

const KBPS: u16 = 1;
const PKTPS: u16 = 2;
const BURST: u16 = 4;
const STATS: u16 = 8;

fn meter_config(out: &mut Out, meter: u32, flags: u16, mut bands: Reader<'_>) -> Result<(), DecodeError> {
    let mut text = Vec::new();
    meter_id(&mut text, meter, '=');
    text.push(b' ');
    for (flag, name) in [(KBPS, "kbps "), (PKTPS, "pktps "), (BURST, "burst "), (STATS, "stats ")] {
        if flags & flag != 0 {
            put!(text, "{name}");
        }
    }
    if flags & !0xf != 0 {
        put!(text, "flags:{:#x} ", flags & !0xf);
    }
    put!(text, "bands=");
    while !bands.is_empty() {
        let at = bands;
        let band_type = bands.u16("meter_band.type")?;
        let length = usize::from(bands.u16("meter_band.len")?);
        if length != 16 {
            return Err(at.error("meter_band.len", length as u64, "16", ErrorCode::BRC_BAD_LEN));
        }
        let rate = bands.u32("meter_band.rate")?;
        let burst_size = bands.u32("meter_band.burst_size")?;
        let prec_level = bands.u8("meter_band.prec_level")?;
        bands.skip(3, "meter_band.pad")?;
        match band_type {
            1 => put!(text, "\ntype=drop"),
            2 => put!(text, "\ntype=dscp_remark"),
            _ => return Err(at.error("meter_band.type", band_type.into(), "1 or 2", ErrorCode::MMFC_BAD_BAND)),
        }
        put!(text, " rate={rate}");
        if flags & BURST != 0 {
            put!(text, " burst_size={burst_size}");
        }
        if band_type == 2 {
            put!(text, " prec_level={prec_level}");
        }
    }
    text.push(b'\n');
    out.append(&mut text);
    Ok(())
}

/// `struct ofp_meter_mod` (OpenFlow 1.3.5 §7.3.4.5).
fn meter_mod(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let at = body;
    let command = body.u16("meter_mod.command")?;
    let flags = body.u16("meter_mod.flags")?;
    let meter = body.u32("meter_mod.meter_id")?;
    let mut text = Vec::new();
    let Some(name) = ["ADD", "MOD", "DEL"].get(usize::from(command)) else {
        return Err(at.error("meter_mod.command", command.into(), "0 to 2", ErrorCode::MMFC_BAD_COMMAND));
    };
    if command != 2 && (flags & !0xf != 0 || flags & (KBPS | PKTPS) == KBPS | PKTPS) {
        return Err(at.error("meter_mod.flags", flags.into(), "known ones", ErrorCode::MMFC_BAD_FLAGS));
    }
    put!(text, " {name} ");
    // A deletion has neither flags nor bands.
    let (flags, bands) = if command == 2 { (0, Reader::new(&[])) } else { (flags, body) };
    meter_config(&mut text, meter, flags, bands)?;
    out.append(&mut text);
    Ok(())
}

fn meter_request(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    out.push(b' ');
    meter_id(out, body.u32("meter_request.meter_id")?, '=');
    Ok(())
}

fn meter_configs(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    while !body.is_empty() {
        let length = usize::from({ body }.u16("meter_config.length")?);
        let mut entry = body.child(length.max(8), "meter_config")?;
        entry.skip(2, "meter_config.length")?;
        let flags = entry.u16("meter_config.flags")?;
        let meter = entry.u32("meter_config.meter_id")?;
        let mut text = b"\n".to_vec();
        meter_config(&mut text, meter, flags, entry)?;
        out.append(&mut text);
    }
    Ok(())
}

/// `struct ofp_meter_stats` (OpenFlow 1.3.5 §7.3.5.12).
fn meter_stats(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    while !body.is_empty() {
        let mut head = body;
        let meter = head.u32("meter_stats.meter_id")?;
        let length = usize::from(head.u16("meter_stats.len")?);
        let mut entry = body.child(length.max(40), "meter_stats")?;
        entry.skip(12, "meter_stats.len")?;
        let mut text = b"\n".to_vec();
        meter_id(&mut text, meter, ':');
        put!(text, " flow_count:{}", entry.u32("meter_stats.flow_count")?);
        put!(text, " packet_in_count:{}", entry.u64("meter_stats.packet_in_count")?);
        put!(text, " byte_in_count:{} duration:", entry.u64("meter_stats.byte_in_count")?);
        duration(&mut text, entry.u32("meter_stats.duration_sec")?, entry.u32("meter_stats.duration_nsec")?);
        put!(text, " bands:\n");
        let mut band = 0;
        while !entry.is_empty() {
            let (packets, bytes) = (entry.u64("meter_band_stats.packets")?, entry.u64("meter_band_stats.bytes")?);
            put!(text, "{band}: packet_count:{packets} byte_count:{bytes}\n");
            band += 1;
        }
        out.append(&mut text);
    }
    Ok(())
}

const ALL: u8 = 0;
const SELECT: u8 = 1;
const INDIRECT: u8 = 2;
const FAST_FAILOVER: u8 = 3;
/// `OFPGC_DELETE`.
const DELETE: u16 = 2;
const GROUP_ANY: u32 = u32::MAX;

/// `group_id=…` and its buckets (`struct ofp_bucket`, OpenFlow 1.3.5 §7.3.4.3).
fn group(out: &mut Out, group_id: u32, group_type: u8, mut buckets: Reader<'_>) -> Result<(), DecodeError> {
    let name = ["all", "select", "indirect", "ff"].get(usize::from(group_type)).unwrap_or(&"unknown");
    put!(out, "group_id={group_id},type={name},");
    while !buckets.is_empty() {
        let at = buckets;
        let length = usize::from({ buckets }.u16("bucket.len")?);
        if length < 16 || length % 8 != 0 || length > buckets.remaining() {
            return Err(at.error("bucket.len", length as u64, "that of the bucket", ErrorCode::GMFC_BAD_BUCKET));
        }
        let mut bucket = buckets.child(length, "bucket")?;
        bucket.skip(2, "bucket.len")?;
        let weight = bucket.u16("bucket.weight")?;
        let watch_port = PortNo(bucket.u32("bucket.watch_port")?);
        let watch_group = bucket.u32("bucket.watch_group")?;
        bucket.skip(4, "bucket.pad")?;
        let watch_port =
            known_port(&at, watch_port).map_err(|error| DecodeError { code: ErrorCode::GMFC_BAD_WATCH, ..error })?;
        put!(out, "bucket=");
        if weight != u16::from(group_type == SELECT) {
            put!(out, "weight:{weight},");
        }
        let printer = Printer::new(&Numbers);
        if watch_port != PortNo::ANY {
            put!(out, "watch_port:");
            printer.port(watch_port, out);
            out.push(b',');
        }
        if watch_group != GROUP_ANY {
            put!(out, "watch_group:{watch_group},");
        }
        put!(out, "actions=");
        printer.actions(bucket, out)?;
        out.push(b',');
    }
    chomp(out, b',');
    Ok(())
}

/// Holds that the buckets, each of which decodes, suit the type of the group.
fn check_buckets(command: u16, group_type: u8, mut buckets: Reader<'_>) -> Result<(), DecodeError> {
    let at = buckets;
    let invalid = |expected, code| at.error("group_mod.buckets", group_type.into(), expected, code);
    let mut count = 0;
    while !buckets.is_empty() {
        let mut bucket = { buckets }.child({ buckets }.u16("bucket.len")?.into(), "bucket")?;
        buckets.skip(bucket.remaining(), "bucket")?;
        bucket.skip(2, "bucket.len")?;
        let weight = bucket.u16("bucket.weight")?;
        let (port, group) = (bucket.u32("bucket.watch_port")?, bucket.u32("bucket.watch_group")?);
        let watches = port != PortNo::ANY.0 || group != GROUP_ANY;
        if weight != 0 && group_type != SELECT {
            return Err(invalid("weights in a select group only", ErrorCode::GMFC_INVALID_GROUP));
        }
        if watches && matches!(group_type, ALL | INDIRECT) {
            return Err(invalid("no bucket that watches", ErrorCode::GMFC_WATCH_UNSUPPORTED));
        }
        if !watches && group_type == FAST_FAILOVER {
            return Err(invalid("buckets that watch", ErrorCode::GMFC_INVALID_GROUP));
        }
        count += 1;
    }
    if group_type == INDIRECT && command != DELETE && count != 1 {
        return Err(invalid("one bucket", ErrorCode::GMFC_INVALID_GROUP));
    }
    Ok(())
}

/// `struct ofp_group_mod` (OpenFlow 1.3.5 §7.3.4.2).
fn group_mod(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let at = body;
    let command = body.u16("group_mod.command")?;
    let group_type = body.u8("group_mod.type")?;
    body.skip(1, "group_mod.pad")?;
    let group_id = body.u32("group_mod.group_id")?;
    let mut text = b"\n ".to_vec();
    match command {
        0 => put!(text, "ADD "),
        1 => put!(text, "MOD "),
        2 => put!(text, "DEL "),
        0x8000 => put!(text, "ADD_OR_MOD "),
        _ => {}
    }
    group(&mut text, group_id, group_type, body)?;
    if !matches!(command, 0..=2 | 0x8000) {
        return Err(at.error("group_mod.command", command.into(), "0 to 2", ErrorCode::GMFC_BAD_COMMAND));
    }
    if group_type > FAST_FAILOVER {
        return Err(at.error("group_mod.type", group_type.into(), "0 to 3", ErrorCode::GMFC_BAD_TYPE));
    }
    check_buckets(command, group_type, body)?;
    out.append(&mut text);
    Ok(())
}

fn group_descs(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    while !body.is_empty() {
        let length = usize::from({ body }.u16("group_desc.length")?);
        let mut entry = body.child(length.max(8), "group_desc")?;
        entry.skip(2, "group_desc.length")?;
        let group_type = entry.u8("group_desc.type")?;
        entry.skip(1, "group_desc.pad")?;
        let group_id = entry.u32("group_desc.group_id")?;
        let mut text = b"\n ".to_vec();
        group(&mut text, group_id, group_type, entry)?;
        out.append(&mut text);
    }
    Ok(())
}

/// `struct ofp_group_stats` (OpenFlow 1.3.5 §7.3.5.9).
fn group_stats(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    while !body.is_empty() {
        let length = usize::from({ body }.u16("group_stats.length")?);
        let mut entry = body.child(length.max(40), "group_stats")?;
        entry.skip(4, "group_stats.length")?;
        let group_id = entry.u32("group_stats.group_id")?;
        let ref_count = entry.u32("group_stats.ref_count")?;
        entry.skip(4, "group_stats.pad")?;
        let (packets, bytes) = (entry.u64("group_stats.packet_count")?, entry.u64("group_stats.byte_count")?);
        let (seconds, nanoseconds) = (entry.u32("group_stats.duration_sec")?, entry.u32("group_stats.duration_nsec")?);
        let mut text = Vec::new();
        put!(text, "\n group_id={group_id},");
        if seconds != u32::MAX {
            put!(text, "duration=");
            duration(&mut text, seconds, nanoseconds);
            text.push(b',');
        }
        put!(text, "ref_count={ref_count},packet_count={packets},byte_count={bytes}");
        let mut bucket = 0;
        while entry.remaining() >= 16 {
            let (packets, bytes) = (entry.u64("bucket_counter.packets")?, entry.u64("bucket_counter.bytes")?);
            if packets != u64::MAX {
                put!(text, ",bucket{bucket}:packet_count={packets},byte_count={bytes}");
            }
            bucket += 1;
        }
        out.append(&mut text);
    }
    Ok(())
}
