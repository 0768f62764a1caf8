//! The connection and the switch as a whole: hello, errors, echo, configuration, roles.

use super::{Context, Detail, Out, Stop, dump};
use crate::cli::switch_text;
use crate::openflow::async_config::{AsyncConfig, AsyncMask};
use crate::openflow::desc::Desc;
use crate::openflow::error_msg::ErrorMsg;
use crate::openflow::error_versions;
use crate::openflow::features::{FeaturesReply, SwitchConfig};
use crate::openflow::header::VERSION;
use crate::openflow::hello::{HelloElement, HelloElements};
use crate::openflow::kind::Kind;
use crate::openflow::nicira::NxRole;
use crate::openflow::property::Property;
use crate::openflow::role::{ControllerRole, Role, RoleStatus};
use crate::openflow::{DecodeError, Entries, ErrorCode, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    Some(match context.kind() {
        Kind::Hello => {
            hello(context, body, out);
            Ok(())
        }
        Kind::Error => error(context, body, out),
        Kind::EchoRequest | Kind::EchoReply => {
            put!(out, " {} bytes of payload\n", body.remaining());
            if context.manner.detail == Detail::Full {
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
        | Kind::IpfixBridgeRequest
        | Kind::IpfixFlowRequest
        | Kind::FlowMonitorPaused
        | Kind::FlowMonitorResumed
        | Kind::FlowAge
        | Kind::TlvTableRequest => Ok(()),
        Kind::FeaturesReply => {
            switch(out, |text| FeaturesReply::decode(body).map(|features| switch_text::features_body(text, &features)))
        }
        Kind::GetConfigReply | Kind::SetConfig => switch(out, |text| {
            let config = SwitchConfig::decode(body)?;
            if context.kind() == Kind::SetConfig && config.flags & !3 != 0 {
                let found = config.flags.into();
                return Err(body.error("switch_config.flags", found, "0 to 3", ErrorCode::SCFC_BAD_FLAGS));
            }
            switch_text::config_body(text, &config);
            Ok(())
        }),
        Kind::RoleRequest | Kind::RoleReply => role(context, body, out).map_err(Stop::from),
        Kind::GetAsyncReply | Kind::SetAsync | Kind::NxSetAsync => asynchronous(body, out).map_err(Stop::from),
        Kind::NxSetAsync2 => asynchronous_properties(body, out).map_err(Stop::from),
        Kind::DescReply => desc(body, out).map_err(Stop::from),
        Kind::RoleStatus => role_status(body, out).map_err(Stop::from),
        Kind::NxRoleRequest | Kind::NxRoleReply => nicira_role(body, out).map_err(Stop::from),
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
fn hello(context: &Context<'_>, body: Reader<'_>, out: &mut Out) {
    let hello = HelloElements::decode(body);
    // Without a list: every version up to that of the header.
    let mut versions = (1_u32.checked_shl(u32::from(context.header.version) + 1).unwrap_or(0)).wrapping_sub(2);
    let mut understood = hello.excess.bytes().is_empty();
    for element in &hello.elements {
        match element {
            HelloElement::VersionBitmap(words) if words.first().is_some_and(|word| word & !1 != 0) => {
                versions = words.first().map_or(versions, |word| word & !1);
            }
            _ => understood = false,
        }
    }
    let list: Vec<String> = (0..32).filter(|bit| versions >> bit & 1 == 1).map(|bit| format!("{bit:#04x}")).collect();
    put!(out, "\n version bitmap: {}", list.join(", "));
    if !understood {
        put!(out, "\n unknown data in hello:\n");
        dump::dump(out, context.bytes);
    }
}

fn error(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Result<(), Stop> {
    if context.header.version != VERSION {
        return error_of_another_version(context, body, out);
    }
    let error = ErrorMsg::decode(body)?;
    let code = match error.code {
        // Open vSwitch takes the errors of experimenter 0 for those of the specification, by their type.
        ErrorCode { experimenter: 0, error_type: ErrorCode::EXPERIMENTER, code } => {
            ErrorCode { experimenter: 0, error_type: code, code: 0 }
        }
        code => code,
    };
    let Some(name) = code.name() else {
        return Err(body.error("error.code", error.code.code.into(), "a known one", ErrorCode::BRC_BAD_LEN).into());
    };
    put!(out, " {name}\n");
    if [ErrorCode::HFC_INCOMPATIBLE, ErrorCode::HFC_EPERM].contains(&code) {
        dump::printable(out, error.data);
        return Ok(());
    }
    context.nested(error.data, Detail::Brief, out)
}

fn error_of_another_version(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Result<(), Stop> {
    let (name, data) = error_versions::decode(context.header.version, body)?;
    let Some(name) = name else {
        return Err(body.error("error.code", 0, "a known one", ErrorCode::BRC_BAD_LEN).into());
    };
    put!(out, " {name}\n");
    if name.starts_with("OFPHFC_") {
        dump::printable(out, data);
        return Ok(());
    }
    context.nested(data, Detail::Brief, out)
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

fn nicira_role(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let role = match NxRole::decode(body)? {
        NxRole::Other => Role::EQUAL,
        NxRole::Master => Role::MASTER,
        NxRole::Slave => Role::SLAVE,
    };
    generic_role(out, role, None);
    Ok(())
}

fn role_status(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let status = RoleStatus::decode(body)?;
    if role_name(status.role).is_none() {
        return Err(body.error("role_status.role", status.role.0.into(), "0 to 3", ErrorCode::RRFC_BAD_ROLE));
    }
    generic_role(out, status.role, Some(status.generation_id));
    let reasons = ["primary_request", "configuration_changed", "experimenter_data_changed"];
    put!(out, " reason={}", reasons.get(usize::from(status.reason.0)).unwrap_or(&"(unknown)"));
    Ok(())
}

/// Reasons that Open vSwitch knows of each kind of message.
const ASYNCHRONOUS: [(&str, &[&str]); 6] = [
    ("PACKET_IN", &["no_match", "action", "invalid_ttl"]),
    ("PORT_STATUS", &["add", "delete", "modify"]),
    ("FLOW_REMOVED", &["idle", "hard", "delete", "group_delete", "meter_delete", "eviction"]),
    ("ROLE_STATUS", &["primary_request", "configuration_changed", "experimenter_data_changed"]),
    ("TABLE_STATUS", &["", "", "", "vacancy_down", "vacancy_up"]),
    ("REQUESTFORWARD", &["group_mod_request", "meter_mod_request"]),
];

/// Bits of the reasons that have a name.
fn known(reasons: &[&str]) -> u32 {
    reasons.iter().enumerate().filter(|(_, name)| !name.is_empty()).fold(0, |bits, (bit, _)| bits | 1 << bit)
}

/// Of what Open vSwitch does not know nothing is told.
fn asynchronous(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let config = AsyncConfig::decode(body)?;
    let mut masks = [AsyncMask::default(); 6];
    for (place, mask) in masks.iter_mut().zip([config.packet_in, config.port_status, config.flow_removed]) {
        *place = mask;
    }
    reasons(&masks, out);
    Ok(())
}

/// `NXT_SET_ASYNC_CONFIG2`: a property for each kind of message, even for slaves, odd for masters. Unlike the other
/// forms it may not say what Open vSwitch does not know.
fn asynchronous_properties(body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let mut masks = [AsyncMask::default(); 6];
    for property in Entries::<Property<'_>>::new(body) {
        let property = property?;
        let at = property.value()?.reader();
        let number = property.property_type;
        let kind = usize::from(number / 2);
        let (Some(place), Some((_, names))) = (masks.get_mut(kind), ASYNCHRONOUS.get(kind)) else {
            // A type that belongs to an experimenter is another error.
            let code = if number >= 0xfffe { ErrorCode::BPC_BAD_EXP_TYPE } else { ErrorCode::ACFC_UNSUPPORTED };
            return Err(at.error("async_config.property", number.into(), "0 to 11", code));
        };
        let mask = property.u32("async_config.mask")?;
        if mask & !known(names) != 0 {
            return Err(at.error("async_config.mask", mask.into(), "known reasons", ErrorCode::ACFC_INVALID));
        }
        if number % 2 == 1 { place.master = mask } else { place.slave = mask }
    }
    reasons(&masks, out);
    Ok(())
}

fn reasons(masks: &[AsyncMask; 6], out: &mut Out) {
    for (name, of) in [("primary", (|mask| mask.master) as fn(&AsyncMask) -> u32), ("secondary", |mask| mask.slave)] {
        put!(out, "\n {name}:\n");
        for ((what, reasons), mask) in ASYNCHRONOUS.iter().zip(masks) {
            put!(out, "{what:>16}:");
            let mask = of(mask) & known(reasons);
            for (bit, reason) in reasons.iter().enumerate() {
                if mask >> bit & 1 == 1 {
                    put!(out, " {reason}");
                }
            }
            put!(out, "{}", if mask == 0 { " (off)\n" } else { "\n" });
        }
    }
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
