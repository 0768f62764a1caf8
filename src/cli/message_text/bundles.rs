//! Messages that carry messages: bundles, and what another controller did.

use super::{Context, Out, Stop, bits, groups, meters};
use crate::openflow::bundle::{BundleAddMessage, BundleControl};
use crate::openflow::kind::{Form, Kind};
use crate::openflow::request_forward::RequestForward;
use crate::openflow::{DecodeError, ErrorCode, Header, Message, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    Some(match context.kind() {
        Kind::BundleControl => control(body, out).map_err(Stop::from),
        Kind::BundleAddMessage => added(context, body, out),
        Kind::RequestForward => forwarded(context, body, out).map_err(Stop::from),
        _ => return None,
    })
}

fn bundle_id(out: &mut Out, bundle_id: u32) {
    // As printf writes 0 in this form.
    match bundle_id {
        0 => put!(out, "\n bundle_id=0"),
        number => put!(out, "\n bundle_id={number:#x}"),
    }
}

fn flags(out: &mut Out, flags: u16) {
    put!(out, " flags=");
    bits(out, flags.into(), &["atomic", "ordered"], ' ');
}

fn control(mut body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let control = BundleControl::decode_head(&mut body)?;
    bundle_id(out, control.bundle_id.0);
    put!(out, " type=");
    let names = ["OPEN", "CLOSE", "COMMIT", "DISCARD"];
    if let Some(name) = names.get(usize::from(control.control.0 / 2)) {
        put!(out, "{name}_{}", if control.control.0 % 2 == 0 { "REQUEST" } else { "REPLY" });
    }
    flags(out, control.flags.0);
    Ok(())
}

/// What `message` is, if its length and version are right.
fn kind<'a>(context: &Context<'_>, message: &Message<'a>) -> Result<(Kind, Reader<'a>), DecodeError> {
    let version = message.header.version;
    if version != context.header.version {
        let at = message.body;
        let expected = "that of the outer message";
        return Err(at.error("header.version", version.into(), expected, ErrorCode::BRC_BAD_VERSION));
    }
    let (form, body) = Form::of(message)?;
    form.check(&body).map(|()| (form.kind, body))
}

fn added(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Result<(), Stop> {
    let mut head = body;
    head.skip(8, "bundle_add.bundle_id")?;
    let at = head;
    let version = head.u8("bundle_add.message.version").unwrap_or(context.header.version);
    if at.remaining() >= Header::LEN && version != context.header.version {
        let what = "bundle_add.message.version";
        let expected = "that of the outer message";
        let error = at.error(what, version.into(), expected, ErrorCode::NXBRC_UNENCODABLE_ERROR);
        return Err(Stop::Named { error, name: "OFPBFC_BAD_VERSION" });
    }
    let add = BundleAddMessage::decode(body, context.header.xid)?;
    match kind(context, &add.message).map(|(kind, _)| kind) {
        Ok(Kind::PacketOut | Kind::FlowMod | Kind::NxFlowMod | Kind::GroupMod | Kind::PortMod) => {}
        _ => {
            let found = add.message.header.message_type.0.into();
            let expected = "a modification, or a packet out";
            return Err(body.error("bundle_add.message", found, expected, ErrorCode::BFC_MSG_UNSUP).into());
        }
    }
    bundle_id(out, add.bundle_id.0);
    flags(out, add.flags.0);
    out.push(b'\n');
    context.nested(add.bytes.bytes(), context.manner.detail, out)
}

fn forwarded(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Result<(), DecodeError> {
    let forward = RequestForward::decode(body)?;
    let (kind, inner) = kind(context, &forward.message)?;
    let mut text = b" reason=".to_vec();
    match kind {
        Kind::GroupMod => {
            put!(text, "group_mod");
            groups::modification(inner, &mut text)?;
        }
        Kind::MeterMod => {
            put!(text, "meter_mod");
            meters::modification(inner, &mut text)?;
        }
        _ => {
            let found = forward.message.header.message_type.0.into();
            let expected = "a modification of a group or a meter";
            return Err(body.error("requestforward.message", found, expected, ErrorCode::BFC_MSG_UNSUP));
        }
    }
    out.append(&mut text);
    Ok(())
}
