//! The `learn` action (`ovs-actions(7)`).

use super::actions::{decimal, subfield};
use super::field::{self, Known};
use super::names::{self, Names};
use super::put::{self, Out};
use crate::openflow::Subfield;
use crate::openflow::action::learn::{Learn, Source, Spec};

const DEFAULT_PRIORITY: u16 = 0x8000;

/// `learn(…)`.
pub(super) fn learn(out: &mut Out, names: &dyn Names, learn: &Learn) {
    put::text(out, "learn(table=");
    names::table(out, names, learn.table);
    for (name, timeout) in [
        (",idle_timeout=", learn.idle_timeout),
        (",hard_timeout=", learn.hard_timeout),
        (",fin_idle_timeout=", learn.fin_idle_timeout),
        (",fin_hard_timeout=", learn.fin_hard_timeout),
    ] {
        if timeout != 0 {
            decimal(out, name, timeout.into());
        }
    }
    if learn.priority != DEFAULT_PRIORITY {
        decimal(out, ",priority=", learn.priority.into());
    }
    for name in learn.flags.names() {
        out.push(b',');
        put::text(out, name);
    }
    if learn.cookie.0 != 0 {
        put::text(out, ",cookie=");
        put::hex(out, learn.cookie.0);
    }
    if let Some(extension) = &learn.extension {
        if extension.limit != 0 {
            decimal(out, ",limit=", extension.limit.into());
        }
        if let Some(dst) = &extension.result_dst {
            put::text(out, ",result_dst=");
            subfield(out, dst);
        }
    }
    for part in &learn.specs {
        out.push(b',');
        spec(out, names, part);
    }
    out.push(b')');
}

fn spec(out: &mut Out, names: &dyn Names, part: &Spec) {
    match part {
        Spec::Output(src) => {
            put::text(out, "output:");
            subfield(out, src);
        }
        Spec::Load { src, dst } => {
            put::text(out, "load:");
            match src {
                Source::Field(src) => subfield(out, src),
                Source::Immediate(words) => put::hex_bytes(out, value_of(words, dst)),
            }
            put::text(out, "->");
            subfield(out, dst);
        }
        Spec::Match { src: Source::Field(src), dst } => {
            subfield(out, dst);
            if src != dst {
                out.push(b'=');
                subfield(out, src);
            }
        }
        Spec::Match { src: Source::Immediate(words), dst } if dst.is_all() => {
            put::text(out, dst.field.name);
            out.push(b'=');
            field::value(out, names, Known::Field(dst.field), value_of(words, dst), None);
        }
        Spec::Match { src: Source::Immediate(words), dst } => {
            subfield(out, dst);
            out.push(b'=');
            put::hex_bytes(out, value_of(words, dst));
        }
    }
}

/// The bytes that count of a constant, which stands in whole 16-bit words.
fn value_of<'a>(words: &'a [u8], dst: &Subfield) -> &'a [u8] {
    let length = usize::from(dst.bits).div_ceil(8);
    words.get(words.len().saturating_sub(length)..).unwrap_or_default()
}
