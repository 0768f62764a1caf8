//! Groups: modifications, descriptions, counters, features.

use super::{Context, Out, Stop, chomp, known_port};
use crate::flow::check::verify;
use crate::flow::text::{Numbers, Printer, duration};
use crate::openflow::group::{Bucket, GroupDesc, GroupMod, GroupModCommand, GroupStats, GroupType};
use crate::openflow::group_features::{GroupFeatures, GroupStatsRequest};
use crate::openflow::kind::Kind;
use crate::openflow::{Action, DecodeError, Entries, ErrorCode, GroupId, PortNo, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    let result = match context.kind() {
        Kind::GroupMod => modification(body, out),
        Kind::GroupStatsRequest => GroupStatsRequest::decode(body).map(|request| group_id(out, request.group_id)),
        // OpenFlow 1.3 has no way to ask for one group.
        Kind::GroupDescRequest => {
            group_id(out, GroupId::ALL);
            Ok(())
        }
        Kind::GroupDescReply => descriptions(&context.printer(), body, out),
        Kind::GroupStatsReply => counters(body, out),
        Kind::GroupFeaturesReply => features(body, out),
        _ => return None,
    };
    Some(result.map_err(Stop::from))
}

fn group_id(out: &mut Out, group: GroupId) {
    put!(out, " group_id=");
    match group {
        GroupId::ALL => put!(out, "ALL"),
        GroupId::ANY => put!(out, "ANY"),
        GroupId(number) => put!(out, "{number}"),
    }
}

/// Appends the text of a `GROUP_MOD`'s body.
pub(super) fn modification(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let group = GroupMod::decode_head(body)?;
    let mut text = b"\n ".to_vec();
    let (name, of_buckets) = match group.command {
        GroupModCommand::ADD => ("ADD", false),
        GroupModCommand::MODIFY => ("MOD", false),
        GroupModCommand::DELETE => ("DEL", false),
        GroupModCommand::INSERT_BUCKET => ("INSERT_BUCKET", true),
        GroupModCommand::REMOVE_BUCKET => ("REMOVE_BUCKET", true),
        // Any other than this is refused below.
        _ => ("ADD_OR_MOD", false),
    };
    put!(text, "{name} group_id={}", group.group_id.0);
    if !of_buckets {
        group_type(&mut text, group.group_type);
    }
    buckets(&Printer::new(&Numbers), group.group_type, group.buckets(), &mut text)?;
    group.check()?;
    out.append(&mut text);
    Ok(())
}

fn group_type(out: &mut Out, group_type: GroupType) {
    let name = group_type.name().unwrap_or("unknown");
    put!(out, ",type={name}");
}

fn buckets(
    printer: &Printer<'_>,
    group_type: GroupType,
    buckets: Entries<'_, Bucket<'_>>,
    out: &mut Out,
) -> Result<(), DecodeError> {
    out.push(b',');
    for bucket in buckets {
        let bucket = bucket?;
        put!(out, "bucket=");
        if bucket.weight != u16::from(group_type == GroupType::SELECT) {
            put!(out, "weight:{},", bucket.weight);
        }
        if bucket.watch_port != PortNo::ANY {
            put!(out, "watch_port:");
            printer.port(bucket.watch_port, out);
            out.push(b',');
        }
        if bucket.watch_group != GroupId::ANY {
            put!(out, "watch_group:{},", bucket.watch_group.0);
        }
        put!(out, "actions=");
        let actions = bucket.actions.reader();
        verify::actions(&Action::decode_list(actions)?).map_err(|violation| violation.at(&actions))?;
        printer.actions(actions, out)?;
        known_port(&actions, bucket.watch_port)
            .map_err(|error| DecodeError { code: ErrorCode::GMFC_BAD_WATCH, ..error })?;
        out.push(b',');
    }
    chomp(out, b',');
    Ok(())
}

fn descriptions(printer: &Printer<'_>, body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    for group in Entries::<GroupDesc<'_>>::new(body) {
        let group = group?;
        let mut text = Vec::new();
        put!(text, "\n group_id={}", group.group_id.0);
        group_type(&mut text, group.group_type);
        buckets(printer, group.group_type, group.buckets(), &mut text)?;
        out.append(&mut text);
    }
    Ok(())
}

fn counters(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    for group in Entries::<GroupStats<'_>>::new(body) {
        let group = group.inspect_err(|_| put!(out, " ***parse error***"))?;
        put!(out, "\n group_id={},", group.group_id.0);
        if group.duration_sec != u32::MAX {
            put!(out, "duration=");
            duration(out, group.duration_sec, group.duration_nsec);
            out.push(b',');
        }
        put!(out, "ref_count={},packet_count={},", group.ref_count, group.packet_count);
        put!(out, "byte_count={}", group.byte_count);
        for (number, bucket) in group.buckets().enumerate() {
            let bucket = bucket?;
            if bucket.packet_count != u64::MAX {
                put!(out, ",bucket{number}:packet_count={},", bucket.packet_count);
                put!(out, "byte_count={}", bucket.byte_count);
            }
        }
    }
    Ok(())
}

fn features(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let features = GroupFeatures::decode(body)?;
    put!(out, "\n Group table:\n    Types:  {:#x}\n", features.types);
    put!(out, "    Capabilities:  {:#x}\n", features.capabilities.0);
    let types = ["all", "select", "indirect", "fast failover"];
    for (number, name) in types.iter().enumerate().filter(|(number, _)| features.types >> number & 1 == 1) {
        let of = |array: [u32; 4]| array.get(number).copied().unwrap_or_default();
        // As printf writes 0 in this form.
        match of(features.max_groups) {
            0 => put!(out, "    {name} group:\n       max_groups=0\n"),
            groups => put!(out, "    {name} group:\n       max_groups={groups:#x}\n"),
        }
        put!(out, "       actions: ");
        super::table_features::actions(out, of(features.actions));
        out.push(b'\n');
    }
    Ok(())
}
