//! What os-ken reads of its own messages is what is read here: packet-ins with their fields, and every message that
//! is a plain structure.
//!
//! The files are not part of the project: `../shared/corpora`, or the folder in `HEDDLE_CORPORA`.

#[path = "support/corpora.rs"]
mod corpora;

use std::net::{Ipv4Addr, Ipv6Addr};

use corpora::rows;
use heddle::openflow::async_config::AsyncConfig;
use heddle::openflow::body::{AnyMessage, Body};
use heddle::openflow::error_msg::ErrorMsg;
use heddle::openflow::features::{FeaturesReply, SwitchConfig};
use heddle::openflow::oxm::{Format, Tlv, Tlvs};
use heddle::openflow::packet::PacketIn;
use heddle::openflow::port::{Port, PortMod};
use heddle::openflow::role::ControllerRole;
use heddle::openflow::{MacAddr, RawMatch};
use serde_json::{Value, json};

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        let digit =
            |place: usize| if place <= chunk.len() { DIGITS[(bits >> (18 - 6 * place) & 63) as usize] } else { b'=' };
        (0..4).map(digit).map(char::from).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// os-ken's name for a field, where Open vSwitch knows it too.
fn name(tlv: &Tlv<'_>) -> Option<String> {
    let header = tlv.field()?.headers().find(|header| (header.class, header.number) == (tlv.class, tlv.number))?;
    let plain = header.name.trim_start_matches("OXM_OF_").trim_start_matches("NXM_NX_");
    Some(plain.to_lowercase())
}

fn value(tlv: &Tlv<'_>) -> Value {
    match (tlv.field().map(|field| field.format), tlv.value) {
        (Some(Format::Ethernet), bytes) => json!(MacAddr(bytes.try_into().unwrap()).to_string()),
        (Some(Format::Ipv4), bytes) => json!(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).unwrap())),
        (Some(Format::Ipv6), bytes) => json!(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap())),
        _ => json!(tlv.number_value() as u64),
    }
}

/// A match. The name of a field that is not known here is taken from `expected`, and its value where an experimenter
/// says how that reads.
fn match_json(flow_match: &RawMatch<'_>, expected: &Value) -> Value {
    let fields: Vec<Value> = Tlvs::new(flow_match.oxm_fields())
        .enumerate()
        .map(|(place, tlv)| {
            let tlv = tlv.unwrap();
            assert_eq!(tlv.mask, None);
            let expected = &expected["OFPMatch"]["oxm_fields"][place]["OXMTlv"];
            let name = name(&tlv).map_or_else(|| expected["field"].clone(), Value::from);
            let foreign = tlv.field().is_none() && tlv.experimenter != 0;
            let value = if foreign { expected["value"].clone() } else { value(&tlv) };
            json!({ "OXMTlv": { "field": name, "mask": null, "value": value } })
        })
        .collect();
    json!({ "OFPMatch": { "length": flow_match.length(), "oxm_fields": fields, "type": 1 } })
}

fn packet_in(packet: &PacketIn<'_>, expected: &Value) -> Value {
    json!({
        "buffer_id": packet.buffer_id, "total_len": packet.total_len, "reason": packet.reason.0,
        "table_id": packet.table_id.0, "cookie": packet.cookie.0, "data": base64(packet.data),
        "match": match_json(&packet.flow_match, &expected["match"]),
    })
}

fn port(port: &Port) -> Value {
    let name = port.name.0.split(|&byte| byte == 0).next().map(String::from_utf8_lossy);
    json!({ "OFPPort": {
        "port_no": port.port_no.0, "hw_addr": port.hw_addr.to_string(), "name": name, "config": port.config.0,
        "state": port.state.0, "curr": port.curr.0, "advertised": port.advertised.0, "supported": port.supported.0,
        "peer": port.peer.0, "curr_speed": port.curr_speed, "max_speed": port.max_speed,
    } })
}

fn port_mod(change: &PortMod) -> Value {
    json!({
        "port_no": change.port_no.0, "hw_addr": change.hw_addr.to_string(), "config": change.config.0,
        "mask": change.mask.0, "advertise": change.advertise.0,
    })
}

fn features(features: &FeaturesReply) -> Value {
    json!({
        "datapath_id": features.datapath_id.0, "n_buffers": features.n_buffers, "n_tables": features.n_tables,
        "auxiliary_id": features.auxiliary_id, "capabilities": features.capabilities.0,
    })
}

fn config(config: &SwitchConfig) -> Value {
    json!({ "flags": config.flags, "miss_send_len": config.miss_send_len })
}

fn role(role: &ControllerRole) -> Value {
    json!({ "role": role.role.0, "generation_id": role.generation_id })
}

fn asynchronous(config: &AsyncConfig) -> Value {
    let [packet_in, port_status, flow_removed] =
        [config.packet_in, config.port_status, config.flow_removed].map(|mask| json!([mask.master, mask.slave]));
    json!({ "packet_in_mask": packet_in, "port_status_mask": port_status, "flow_removed_mask": flow_removed })
}

fn error(error: &ErrorMsg<'_>) -> Value {
    json!({ "type": error.code.error_type, "code": error.code.code, "data": base64(error.data) })
}

/// The message as os-ken writes it; `None` for one that is more than a plain structure.
fn seen(body: &Body<'_>, expected: &Value) -> Option<(&'static str, Value)> {
    Some(match body {
        Body::PacketIn(packet) => ("OFPPacketIn", packet_in(packet, &expected["OFPPacketIn"])),
        Body::PortStatus(status) => ("OFPPortStatus", json!({ "reason": status.reason.0, "desc": port(&status.port) })),
        Body::PortMod(change) => ("OFPPortMod", port_mod(change)),
        Body::TableMod(change) => ("OFPTableMod", json!({ "table_id": change.table_id.0, "config": change.config })),
        Body::FeaturesReply(reply) => ("OFPSwitchFeatures", features(reply)),
        Body::GetConfigReply(reply) => ("OFPGetConfigReply", config(reply)),
        Body::SetConfig(request) => ("OFPSetConfig", config(request)),
        Body::RoleRequest(request) => ("OFPRoleRequest", role(request)),
        Body::RoleReply(reply) => ("OFPRoleReply", role(reply)),
        Body::GetAsyncReply(reply) => ("OFPGetAsyncReply", asynchronous(reply)),
        Body::Error(message) => ("OFPErrorMsg", error(message)),
        Body::EchoRequest(echo) => ("OFPEchoRequest", json!({ "data": base64(echo.data) })),
        Body::EchoReply(echo) => ("OFPEchoReply", json!({ "data": base64(echo.data) })),
        _ => return None,
    })
}

#[test]
fn os_ken_reads_the_same_of_a_message() {
    let (mut compared, mut others) = (0, 0);
    for row in rows("osken-of13/index.jsonl") {
        let name = row["name"].as_str().unwrap();
        let Some(file) = row["json"].as_str().filter(|_| row["len"] == row["header_len"]) else { continue };
        let Some(text) = corpora::file(&format!("osken-of13/{file}")) else { return };
        let expected: Value = serde_json::from_slice(&text).unwrap();
        let bytes = hex(row["hex"].as_str().unwrap());
        let Ok(message) = AnyMessage::decode(&bytes) else { continue };
        match seen(&message.body, &expected) {
            Some((kind, found)) => {
                assert_eq!(json!({ kind: found }), expected, "{name}");
                compared += 1;
            }
            None => others += 1,
        }
    }
    println!("osken-of13: {compared} the same, {others} more than a plain structure");
    assert!(corpora::folder().is_none() || compared >= 20, "{compared}");
}

#[test]
fn bytes_are_written_as_base64() {
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}
