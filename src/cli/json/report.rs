//! What else a switch holds, as JSON lines: ports, tables, groups, meters, and the counters of these.

use serde_json::{Value, json};

use super::{counters, node_value};
use crate::cli::keyed::Node;
use crate::cli::switch_text::fragments;
use crate::flow::text::{Numbers, Printer};
use crate::openflow::desc::Desc;
use crate::openflow::features::{FeaturesReply, SwitchConfig};
use crate::openflow::flow_stats::AggregateStats;
use crate::openflow::group::{Bucket, GroupDesc, GroupStats};
use crate::openflow::meter::{MeterBandType, MeterConfig, MeterFlags, MeterStats};
use crate::openflow::multipart::{Multipart, MultipartType};
use crate::openflow::port::{Port, PortFeatures};
use crate::openflow::port_stats::PortStats;
use crate::openflow::queue::QueueStats;
use crate::openflow::table_stats::TableStats;
use crate::openflow::{DecodeError, Entries, Entry, GroupId, PortNo};

/// Appends one object and the end of its line for each entry of an answer; of flows, which have their own form, and of
/// what describes features, nothing.
pub fn append(part: &Multipart<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let body = part.body.reader();
    match part.multipart_type {
        MultipartType::PORT_DESC => entries(part, out, |entry: Port| Ok(port(&entry))),
        MultipartType::PORT_STATS => entries(part, out, |entry: PortStats| Ok(counters::port(&entry))),
        MultipartType::TABLE => entries(part, out, |entry: TableStats| Ok(table(&entry))),
        MultipartType::GROUP_DESC => entries(part, out, |entry: GroupDesc<'_>| group(&entry)),
        MultipartType::GROUP => entries(part, out, |entry: GroupStats<'_>| counters::group(&entry)),
        MultipartType::METER_CONFIG => entries(part, out, |entry: MeterConfig<'_>| meter(&entry)),
        MultipartType::METER => entries(part, out, |entry: MeterStats<'_>| counters::meter(&entry)),
        MultipartType::QUEUE => entries(part, out, |entry: QueueStats| Ok(counters::queue(&entry))),
        MultipartType::DESC => {
            line(out, &counters::desc(&Desc::decode(body)?));
            Ok(())
        }
        MultipartType::AGGREGATE => {
            line(out, &counters::aggregate(&AggregateStats::decode(body)?));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn line(out: &mut Vec<u8>, value: &Value) {
    super::put(out, value);
    out.push(b'\n');
}

fn entries<'a, T: Entry<'a>>(
    part: &Multipart<'a>,
    out: &mut Vec<u8>,
    value: impl Fn(T) -> Result<Value, DecodeError>,
) -> Result<(), DecodeError> {
    for entry in Entries::<T>::new(part.body.reader()) {
        line(out, &value(entry?)?);
    }
    Ok(())
}

fn port(port: &Port) -> Value {
    let features = |features: PortFeatures| features.names().collect::<Vec<_>>();
    json!({
        "port": port_number(port.port_no),
        "name": port.name.to_string(),
        "addr": port.hw_addr.to_string(),
        "config": port.config.names().collect::<Vec<_>>(),
        "state": port.state.names().collect::<Vec<_>>(),
        "current": features(port.curr),
        "advertised": features(port.advertised),
        "supported": features(port.supported),
        "peer": features(port.peer),
        "speed": {"now": port.curr_speed, "max": port.max_speed},
    })
}

/// What a switch is and does, with its ports.
pub fn switch(features: &FeaturesReply, config: &SwitchConfig, ports: &[Port]) -> Value {
    json!({
        "dpid": features.datapath_id.to_string(),
        "n_tables": features.n_tables,
        "n_buffers": features.n_buffers,
        "auxiliary_id": features.auxiliary_id,
        "capabilities": features.capabilities.names().collect::<Vec<_>>(),
        "ports": ports.iter().map(port).collect::<Vec<_>>(),
        "frags": fragments(config),
        "miss_send_len": config.miss_send_len,
    })
}

/// The number, or the reserved word.
pub(super) fn port_number(port: PortNo) -> Value {
    let mut text = Vec::new();
    Printer::new(&Numbers).port(port, &mut text);
    let text = String::from_utf8_lossy(&text);
    text.parse::<u32>().map_or_else(|_| Value::from(text.as_ref()), Value::from)
}

fn table(table: &TableStats) -> Value {
    json!({
        "table": table.table_id.0,
        "active": table.active_count,
        "lookup": table.lookup_count,
        "matched": table.matched_count,
    })
}

fn group(group: &GroupDesc<'_>) -> Result<Value, DecodeError> {
    let kind = group.group_type.name().map_or_else(|| Value::from(group.group_type.0), Value::from);
    let buckets = group.buckets().map(|entry| bucket(&entry?)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"group_id": group.group_id.0, "type": kind, "buckets": buckets}))
}

fn bucket(bucket: &Bucket<'_>) -> Result<Value, DecodeError> {
    let mut text = Vec::new();
    Printer::new(&Numbers).actions(bucket.actions.reader(), &mut text)?;
    let actions = node_value(Node::actions(&String::from_utf8_lossy(&text)));
    let mut value = json!({"weight": bucket.weight, "actions": actions});
    if bucket.watch_port != PortNo::ANY {
        value["watch_port"] = port_number(bucket.watch_port);
    }
    if bucket.watch_group != GroupId::ANY {
        value["watch_group"] = bucket.watch_group.0.into();
    }
    Ok(value)
}

fn meter(meter: &MeterConfig<'_>) -> Result<Value, DecodeError> {
    let flags = MeterFlags::NAMES.iter().filter(|(flag, _)| meter.flags.has(*flag)).map(|(_, name)| *name);
    let bands = meter.bands().map(|band| {
        let band = band?;
        let mut value = json!({"rate": band.rate});
        if meter.flags.has(MeterFlags::BURST) {
            value["burst_size"] = band.burst_size.into();
        }
        if band.band_type == MeterBandType::DSCP_REMARK {
            value["type"] = "dscp_remark".into();
            value["prec_level"] = band.prec_level.into();
        } else {
            value["type"] = "drop".into();
        }
        Ok(value)
    });
    let bands = bands.collect::<Result<Vec<_>, DecodeError>>()?;
    Ok(json!({"meter": meter.meter_id.0, "flags": flags.collect::<Vec<_>>(), "bands": bands}))
}
