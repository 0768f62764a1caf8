//! Counters of ports, groups, meters, queues and flows together, and what the maker says, as JSON lines.

use serde_json::{Value, json};

use super::report::port_number;
use crate::openflow::DecodeError;
use crate::openflow::desc::Desc;
use crate::openflow::flow_stats::AggregateStats;
use crate::openflow::group::GroupStats;
use crate::openflow::meter::MeterStats;
use crate::openflow::port_stats::PortStats;
use crate::openflow::queue::QueueStats;

pub(super) fn port(port: &PortStats) -> Value {
    json!({
        "port": port_number(port.port_no),
        "rx": {
            "packets": counter(port.rx_packets),
            "bytes": counter(port.rx_bytes),
            "dropped": counter(port.rx_dropped),
            "errors": counter(port.rx_errors),
            "frame_errors": counter(port.rx_frame_err),
            "overruns": counter(port.rx_over_err),
            "crc_errors": counter(port.rx_crc_err),
        },
        "tx": {
            "packets": counter(port.tx_packets),
            "bytes": counter(port.tx_bytes),
            "dropped": counter(port.tx_dropped),
            "errors": counter(port.tx_errors),
            "collisions": counter(port.collisions),
        },
        "duration": seconds(port.duration_sec, port.duration_nsec),
    })
}

pub(super) fn group(group: &GroupStats<'_>) -> Result<Value, DecodeError> {
    let buckets = group.buckets().map(|bucket| {
        let bucket = bucket?;
        Ok(json!({"n_packets": counter(bucket.packet_count), "n_bytes": counter(bucket.byte_count)}))
    });
    Ok(json!({
        "group_id": group.group_id.0,
        "duration": seconds(group.duration_sec, group.duration_nsec),
        "ref_count": group.ref_count,
        "n_packets": counter(group.packet_count),
        "n_bytes": counter(group.byte_count),
        "buckets": buckets.collect::<Result<Vec<_>, DecodeError>>()?,
    }))
}

pub(super) fn meter(meter: &MeterStats<'_>) -> Result<Value, DecodeError> {
    let bands = meter.bands().map(|band| {
        let band = band?;
        Ok(json!({"n_packets": counter(band.packet_band_count), "n_bytes": counter(band.byte_band_count)}))
    });
    Ok(json!({
        "meter": meter.meter_id.0,
        "duration": seconds(meter.duration_sec, meter.duration_nsec),
        "n_flows": meter.flow_count,
        "n_packets": counter(meter.packet_in_count),
        "n_bytes": counter(meter.byte_in_count),
        "bands": bands.collect::<Result<Vec<_>, DecodeError>>()?,
    }))
}

pub(super) fn queue(queue: &QueueStats) -> Value {
    json!({
        "port": port_number(queue.port_no),
        "queue": queue.queue_id,
        "n_packets": counter(queue.tx_packets),
        "n_bytes": counter(queue.tx_bytes),
        "errors": counter(queue.tx_errors),
        "duration": seconds(queue.duration_sec, queue.duration_nsec),
    })
}

pub(super) fn aggregate(sum: &AggregateStats) -> Value {
    json!({"n_packets": counter(sum.packet_count), "n_bytes": counter(sum.byte_count), "n_flows": sum.flow_count})
}

pub(super) fn desc(desc: &Desc<'_>) -> Value {
    let text =
        |bytes: &[u8]| String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
    json!({
        "manufacturer": text(desc.mfr_desc),
        "hardware": text(desc.hw_desc),
        "software": text(desc.sw_desc),
        "serial_number": text(desc.serial_num),
        "description": text(desc.dp_desc),
    })
}

/// Null for what the switch does not count.
fn counter(count: u64) -> Value {
    if count == u64::MAX { Value::Null } else { count.into() }
}

fn seconds(seconds: u32, nanoseconds: u32) -> Value {
    if seconds == u32::MAX {
        Value::Null
    } else {
        (f64::from(seconds) + f64::from(nanoseconds / 1_000_000) / 1e3).into()
    }
}
