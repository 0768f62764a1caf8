//! Meters: modifications, configurations, counters, features.

use super::{Context, Out, Stop, bits};
use crate::flow::text::duration;
use crate::openflow::kind::Kind;
use crate::openflow::meter::{
    MeterBand, MeterBandType, MeterConfig, MeterFlags, MeterMod, MeterModCommand, MeterStats,
};
use crate::openflow::meter_features::{MeterFeatures, MeterRequest};
use crate::openflow::{DecodeError, Entries, MeterId, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    let result = match context.kind() {
        Kind::MeterMod => modification(body, out),
        Kind::MeterStatsRequest | Kind::MeterConfigRequest => request(body, out),
        Kind::MeterConfigReply => configurations(body, out),
        Kind::MeterStatsReply => counters(body, out),
        Kind::MeterFeaturesReply => features(body, out),
        _ => return None,
    };
    Some(result.map_err(Stop::from))
}

fn meter_id(out: &mut Out, meter: MeterId, separator: char) {
    put!(out, "meter{separator}");
    match meter {
        MeterId(0xffff_fffd) => put!(out, "slowpath"),
        MeterId(0xffff_fffe) => put!(out, "controller"),
        MeterId(0xffff_ffff) => put!(out, "all"),
        MeterId(0xffff_0001..) => put!(out, "unknown"),
        MeterId(number) => put!(out, "{number}"),
    }
}

fn request(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let request = MeterRequest::decode(body)?;
    out.push(b' ');
    meter_id(out, request.meter_id, '=');
    Ok(())
}

fn flags_and_bands(out: &mut Out, flags: MeterFlags, bands: Entries<'_, MeterBand>) -> Result<(), DecodeError> {
    let mut unknown = flags.0;
    for (flag, name) in MeterFlags::NAMES.into_iter().filter(|(flag, _)| flags.has(*flag)) {
        put!(out, "{name} ");
        unknown &= !flag.0;
    }
    if unknown != 0 {
        put!(out, "flags:{unknown:#x} ");
    }
    put!(out, "bands=");
    for band in bands {
        let band = band?;
        let remarks = band.band_type == MeterBandType::DSCP_REMARK;
        put!(out, "\ntype={} rate={}", if remarks { "dscp_remark" } else { "drop" }, band.rate);
        if flags.has(MeterFlags::BURST) {
            put!(out, " burst_size={}", band.burst_size);
        }
        if remarks {
            put!(out, " prec_level={}", band.prec_level);
        }
    }
    out.push(b'\n');
    Ok(())
}

/// Appends the text of a `METER_MOD`'s body.
pub(super) fn modification(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let meter = MeterMod::decode(body)?;
    let mut text = Vec::new();
    let name = match meter.command {
        MeterModCommand::ADD => "ADD",
        MeterModCommand::MODIFY => "MOD",
        _ => "DEL",
    };
    put!(text, " {name} ");
    meter_id(&mut text, meter.meter_id, '=');
    text.push(b' ');
    // A deletion has neither flags nor bands.
    match meter.command {
        MeterModCommand::DELETE => put!(text, "bands=\n"),
        _ => flags_and_bands(&mut text, meter.flags, meter.bands())?,
    }
    out.append(&mut text);
    Ok(())
}

fn configurations(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    for meter in Entries::<MeterConfig<'_>>::new(body) {
        let meter = meter?;
        out.push(b'\n');
        meter_id(out, meter.meter_id, '=');
        out.push(b' ');
        flags_and_bands(out, meter.flags, meter.bands())?;
    }
    Ok(())
}

fn counters(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    for meter in Entries::<MeterStats<'_>>::new(body) {
        let meter = meter?;
        out.push(b'\n');
        meter_id(out, meter.meter_id, ':');
        put!(out, " flow_count:{} packet_in_count:{}", meter.flow_count, meter.packet_in_count);
        put!(out, " byte_in_count:{} duration:", meter.byte_in_count);
        duration(out, meter.duration_sec, meter.duration_nsec);
        put!(out, " bands:\n");
        for (number, band) in meter.bands().enumerate() {
            let band = band?;
            put!(out, "{number}: packet_count:{} byte_count:{}\n", band.packet_band_count, band.byte_band_count);
        }
    }
    Ok(())
}

fn features(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let features = MeterFeatures::decode(body)?;
    put!(out, "\nmax_meter:{} max_bands:{}", features.max_meter, features.max_bands);
    put!(out, " max_color:{}\nband_types: ", features.max_color);
    bits(out, features.band_types, &["", "drop", "dscp_remark"], ' ');
    put!(out, "\ncapabilities: ");
    bits(out, features.capabilities, &["kbps", "pktps", "burst", "stats"], ' ');
    out.push(b'\n');
    Ok(())
}
