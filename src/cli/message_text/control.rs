//! The connection and the switch as a whole: hello, errors, echo, configuration, roles, bundles.

use super::{Context, Detail, NotPrinted, Out, Stop, bits, dump};
use crate::cli::switch_text;
use crate::openflow::async_config::{AsyncConfig, AsyncMask};
use crate::openflow::bundle::{BundleAddMessage, BundleControl};
use crate::openflow::desc::Desc;
use crate::openflow::error_msg::ErrorMsg;
use crate::openflow::features::{FeaturesReply, SwitchConfig};
use crate::openflow::flow_monitor::FlowMonitorCancel;
use crate::openflow::kind::{Form, Kind};
use crate::openflow::role::{ControllerRole, Role};
use crate::openflow::{DecodeError, ErrorCode, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    Some(match context.kind() {
        Kind::Hello => {
            hello(context, body, out);
            Ok(())
        }
        Kind::Error => error(context, body, out),
        Kind::EchoRequest | Kind::EchoReply => {
            put!(out, " {} bytes of payload\n", body.remaining());
            if context.detail == Detail::Full {
                dump::dump(out, body.rest());
            }
            Ok(())
        }
        Kind::FeaturesRequest
        | Kind::GetConfigRequest
        | Kind::BarrierRequest
        | Kind::BarrierReply
        | Kind::GetAsyncRequest
        | Kind::DescRequest
        | Kind::TableStatsRequest
        | Kind::GroupFeaturesRequest
        | Kind::MeterFeaturesRequest
        | Kind::PortDescRequest
        | Kind::IpfixBridgeRequest
        | Kind::IpfixFlowRequest
        | Kind::FlowMonitorPaused
        | Kind::FlowMonitorResumed
        | Kind::FlowAge
        | Kind::TlvTableRequest => Ok(()),
        Kind::FeaturesReply => {
            switch(out, |text| FeaturesReply::decode(body).map(|features| switch_text::features_body(text, &features)))
        }
        Kind::GetConfigReply | Kind::SetConfig => {
            switch(out, |text| SwitchConfig::decode(body).map(|config| switch_text::config_body(text, &config)))
        }
        Kind::RoleRequest | Kind::RoleReply => role(context, body, out).map_err(Stop::from),
        Kind::GetAsyncReply | Kind::SetAsync | Kind::NxSetAsync => asynchronous(body, out).map_err(Stop::from),
        Kind::DescReply => desc(body, out).map_err(Stop::from),
        Kind::BundleControl => bundle_control(body, out).map_err(Stop::from),
        Kind::BundleAddMessage => bundle_add(context, body, out),
        Kind::FlowMonitorCancel => cancel(body, out).map_err(Stop::from),
        Kind::RoleStatus => role_status(body, out).map_err(Stop::from),
        Kind::NxRoleRequest | Kind::NxRoleReply => nicira_role(body, out).map_err(Stop::from),
        Kind::FlowModTableId => flow_mod_table_id(body, out).map_err(Stop::from),
        Kind::SetControllerId => controller_id(body, out).map_err(Stop::from),
        Kind::CtFlushZone => zone(body, out).map_err(Stop::from),
        _ => return None,
    })
}

fn switch(out: &mut Out, print: impl FnOnce(&mut String) -> Result<(), DecodeError>) -> Result<(), Stop> {
    let mut text = String::new();
    print(&mut text)?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Elements that are unknown or do not fit do not stop the versions from being told.
fn hello(context: &Context<'_>, mut body: Reader<'_>, out: &mut Out) {
    let mut versions = (1_u32.checked_shl(u32::from(context.header.version) + 1).unwrap_or(0)).wrapping_sub(2);
    let mut understood = true;
    while !body.is_empty() {
        match element(&mut body) {
            Ok(Some(bitmap)) => versions = bitmap,
            Ok(None) => understood = false,
            Err(_) => {
                understood = false;
                break;
            }
        }
    }
    let list: Vec<String> = (0..32).filter(|bit| versions >> bit & 1 == 1).map(|bit| format!("{bit:#04x}")).collect();
    put!(out, "\n version bitmap: {}", list.join(", "));
    if !understood {
        put!(out, "\n unknown data in hello:\n");
        dump::dump(out, context.bytes);
    }
}

/// The versions of the next element, if that is what it holds.
fn element(body: &mut Reader<'_>) -> Result<Option<u32>, DecodeError> {
    let at = *body;
    let mut head = at;
    let element_type = head.u16("hello_elem.type")?;
    let length = usize::from(head.u16("hello_elem.length")?);
    if length < 4 {
        return Err(at.error("hello_elem.length", length as u64, "4 at the least", ErrorCode::HFC_INCOMPATIBLE));
    }
    let mut element = body.child(length.next_multiple_of(8), "hello_elem")?;
    let mut element = element.child(length, "hello_elem")?;
    element.skip(4, "hello_elem.header")?;
    if element_type != 1 || element.is_empty() || element.remaining() % 4 != 0 {
        return Ok(None);
    }
    Ok(Some(element.u32("hello_elem.bitmaps")? & !1).filter(|&versions| versions != 0))
}

fn error(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Result<(), Stop> {
    let error = ErrorMsg::decode(body)?;
    let Some(name) = error.code.name() else {
        return Err(body.error("error.code", error.code.code.into(), "a known one", ErrorCode::BRC_BAD_LEN).into());
    };
    put!(out, " {name}\n");
    if [ErrorCode::HFC_INCOMPATIBLE, ErrorCode::HFC_EPERM].contains(&error.code) {
        dump::printable(out, error.data);
        return Ok(());
    }
    context.nested(error.data, Detail::Brief, out)
}

fn role_name(role: Role) -> Option<&'static str> {
    ["nochange", "equal", "primary", "secondary"].get(usize::try_from(role.0).ok()?).copied()
}

fn generic_role(out: &mut Out, role: Role, generation_id: Option<u64>) {
    put!(out, " role={}", role_name(role).unwrap_or_default());
    if let Some(generation_id) = generation_id.filter(|&id| id != u64::MAX) {
        put!(out, " generation_id={generation_id}");
    }
}

fn role(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let role = ControllerRole::decode(body)?;
    if role_name(role.role).is_none() {
        return Err(body.error("role.role", role.role.0.into(), "0 to 3", ErrorCode::RRFC_BAD_ROLE));
    }
    let asked = context.kind() == Kind::RoleRequest && role.role == Role::NOCHANGE;
    generic_role(out, role.role, Some(role.generation_id).filter(|_| !asked));
    Ok(())
}

fn nicira_role(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let at = body;
    let role = body.u32("nx_role.role")?;
    if role > 2 {
        return Err(at.error("nx_role.role", role.into(), "0 to 2", ErrorCode::RRFC_BAD_ROLE));
    }
    generic_role(out, Role(role + 1), None);
    Ok(())
}

fn role_status(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let at = body;
    let role = Role(body.u32("role_status.role")?);
    let reason = body.u8("role_status.reason")?;
    body.skip(3, "role_status.pad")?;
    let generation_id = body.u64("role_status.generation_id")?;
    if role_name(role).is_none() {
        return Err(at.error("role_status.role", role.0.into(), "0 to 3", ErrorCode::RRFC_BAD_ROLE));
    }
    generic_role(out, role, Some(generation_id));
    let reasons = ["primary_request", "configuration_changed", "experimenter_data_changed"];
    put!(out, " reason={}", reasons.get(usize::from(reason)).unwrap_or(&"(unknown)"));
    Ok(())
}

/// Reasons that Open vSwitch knows of each kind of message.
const ASYNCHRONOUS: [(&str, &[&str]); 6] = [
    ("PACKET_IN", &["no_match", "action", "invalid_ttl"]),
    ("PORT_STATUS", &["add", "delete", "modify"]),
    ("FLOW_REMOVED", &["idle", "hard", "delete", "group_delete", "meter_delete", "eviction"]),
    ("ROLE_STATUS", &[]),
    ("TABLE_STATUS", &[]),
    ("REQUESTFORWARD", &[]),
];

fn asynchronous(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let config = AsyncConfig::decode(body)?;
    let masks = [config.packet_in, config.port_status, config.flow_removed];
    for (name, of) in [("primary", (|mask| mask.master) as fn(&AsyncMask) -> u32), ("secondary", |mask| mask.slave)] {
        put!(out, "\n {name}:\n");
        for (i, (what, reasons)) in ASYNCHRONOUS.iter().enumerate() {
            put!(out, "{what:>16}:");
            let mask = masks.get(i).map_or(0, of) & ((1 << reasons.len()) - 1);
            for (bit, reason) in reasons.iter().enumerate() {
                if mask >> bit & 1 == 1 {
                    put!(out, " {reason}");
                }
            }
            put!(out, "{}", if mask == 0 { " (off)\n" } else { "\n" });
        }
    }
    Ok(())
}

fn desc(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let desc = Desc::decode(body)?;
    out.push(b'\n');
    for (name, text) in [
        ("Manufacturer", desc.mfr_desc),
        ("Hardware", desc.hw_desc),
        ("Software", desc.sw_desc),
        ("Serial Num", desc.serial_num),
        ("DP Description", desc.dp_desc),
    ] {
        put!(out, "{name}: ");
        out.extend_from_slice(text);
        out.push(b'\n');
    }
    Ok(())
}

fn bundle_flags(out: &mut Out, bundle_id: u32, control: Option<u16>, flags: u16) {
    if bundle_id == 0 {
        put!(out, "\n bundle_id=0");
    } else {
        put!(out, "\n bundle_id={bundle_id:#x}");
    }
    if let Some(control) = control {
        let names = ["OPEN", "CLOSE", "COMMIT", "DISCARD"];
        put!(out, " type=");
        if let Some(name) = names.get(usize::from(control / 2)) {
            put!(out, "{name}_{}", if control % 2 == 0 { "REQUEST" } else { "REPLY" });
        }
    }
    put!(out, " flags=");
    bits(out, flags.into(), &["atomic", "ordered"], ' ');
}

fn bundle_control(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let control = BundleControl::decode(body)?;
    bundle_flags(out, control.bundle_id.0, Some(control.control.0), control.flags.0);
    Ok(())
}

fn bundle_add(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Result<(), Stop> {
    let add = BundleAddMessage::decode(body, context.header.xid)?;
    if !matches!(add.message.header.message_type.0, 13..=16) {
        let (form, inner) = Form::of(&add.message)?;
        if add.message.header.version != context.header.version || form.check(&inner).is_err() {
            return Err(NotPrinted { what: format!("{} with a malformed message", context.form.name) }.into());
        }
        let found = add.message.header.message_type.0.into();
        return Err(body.error("bundle_add.message", found, "a modification", ErrorCode::BFC_MSG_UNSUP).into());
    }
    bundle_flags(out, add.bundle_id.0, None, add.flags.0);
    out.push(b'\n');
    context.nested(add.bytes.bytes(), context.detail, out)
}

fn cancel(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    put!(out, " id={}", FlowMonitorCancel::decode(body)?.monitor_id);
    Ok(())
}

fn flow_mod_table_id(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let enabled = body.u8("nx_flow_mod_table_id.set")? != 0;
    put!(out, " {}", if enabled { "enable" } else { "disable" });
    Ok(())
}

fn controller_id(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    body.skip(6, "nx_controller_id.zero")?;
    put!(out, " id={}", body.u16("nx_controller_id.controller_id")?);
    Ok(())
}

fn zone(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    body.skip(6, "nx_zone_id.zero")?;
    put!(out, " zone_id={}", body.u16("nx_zone_id.zone_id")?);
    Ok(())
}
