//! Nicira's extension actions (`ovs-actions(7)`), all but connection tracking and `learn`.

use super::actions::{decimal, list_or_drop, subfield, write_metadata};
use super::controller;
use super::field;
use super::learn::learn;
use super::names::{self, Names};
use super::nicira_ct;
use super::put::{self, Out};
use crate::openflow::action::{
    Bundle, Direction, Encap, EncapProperty, Multipath, PT_ETH, PT_MPLS, PT_MPLS_MC, PT_NSH, PT_USE_NEXT_PROTO, Sample,
    SamplePort,
};
use crate::openflow::{Action, PortNo, Subfield, TableId};

/// Prints an extension action; nothing for another one.
pub(super) fn print(out: &mut Out, names: &dyn Names, action: &Action) {
    match action {
        Action::ResubmitPort(in_port) => resubmit(out, names, (*in_port, TableId::ALL), ""),
        Action::Resubmit { in_port, table } => resubmit(out, names, (*in_port, *table), ""),
        Action::ResubmitCt { in_port, table } => resubmit(out, names, (*in_port, *table), ",ct"),
        Action::SetTunnel(id) => {
            put::text(out, "set_tunnel:");
            put::hex_or_zero(out, u64::from(*id));
        }
        Action::SetTunnel64(id) => {
            put::text(out, "set_tunnel64:");
            put::hex_or_zero(out, *id);
        }
        Action::PopQueue => put::text(out, "pop_queue"),
        Action::Move { src, dst } | Action::CopyField { src, dst } => {
            put::text(out, "move:");
            subfield(out, src);
            put::text(out, "->");
            subfield(out, dst);
        }
        Action::Load { value, dst } => {
            put::text(out, "load:");
            put::hex_or_zero(out, *value);
            put::text(out, "->");
            subfield(out, dst);
        }
        Action::Note(bytes) => {
            put::text(out, "note:");
            put::hex_separated(out, bytes, b'.');
        }
        Action::Multipath(wanted) => multipath(out, wanted),
        Action::Bundle(wanted) => bundle(out, names, wanted),
        Action::OutputReg { src, .. } | Action::OutputReg2 { src, .. } => with_subfield(out, "output:", src),
        Action::Learn(wanted) => learn(out, names, wanted),
        Action::Exit => put::text(out, "exit"),
        Action::FinTimeout { idle_timeout, hard_timeout } => {
            put::text(out, "fin_timeout(");
            for (timeout, name) in [(*idle_timeout, "idle_timeout="), (*hard_timeout, "hard_timeout=")] {
                if timeout != 0 {
                    parameter(out, name, timeout.into());
                }
            }
            close(out);
        }
        Action::Controller { max_len, id, reason } => controller::controller(out, *max_len, *id, *reason),
        Action::Controller2(wanted) => controller::controller2(out, wanted),
        Action::DecTtlCntIds(ids) => {
            put::text(out, "dec_ttl(");
            ids.iter().for_each(|id| parameter(out, "", u64::from(*id)));
            close(out);
        }
        Action::WriteMetadata { metadata, mask } => write_metadata(out, *metadata, *mask),
        Action::StackPush(src) => with_subfield(out, "push:", src),
        Action::StackPop(dst) => with_subfield(out, "pop:", dst),
        Action::Sample(wanted) => sample(out, names, wanted),
        Action::Ct(ct) => nicira_ct::ct(out, names, ct),
        Action::Nat(nat) => nicira_ct::nat(out, nat),
        Action::OutputTrunc { port, max_len } => {
            put::text(out, "output(port=");
            names::port(out, names, PortNo::of_16(*port));
            decimal(out, ",max_len=", u64::from(*max_len));
            out.push(b')');
        }
        Action::Clone(actions) => {
            put::text(out, "clone(");
            list_or_drop(out, names, actions);
            out.push(b')');
        }
        _ => print_rest(out, action),
    }
}

fn print_rest(out: &mut Out, action: &Action) {
    match action {
        Action::Conjunction { id, clause, n_clauses } => {
            decimal(out, "conjunction(", u64::from(*id));
            decimal(out, ",", u64::from(*clause) + 1);
            decimal(out, "/", u64::from(*n_clauses));
            out.push(b')');
        }
        Action::CtClear => put::text(out, "ct_clear"),
        Action::Encap(wanted) => encap(out, wanted),
        Action::Decap(packet_type) => decap(out, *packet_type),
        Action::DecNshTtl => put::text(out, "dec_nsh_ttl"),
        Action::CheckPktLarger { length, dst } => {
            decimal(out, "check_pkt_larger(", u64::from(*length));
            with_subfield(out, ")->", dst);
        }
        Action::DeleteField(field) => {
            put::text(out, "delete_field:");
            put::text(out, field.name);
        }
        Action::DebugSlow => put::text(out, "debug_slow"),
        Action::DebugRecirc => put::text(out, "debug_recirc"),
        _ => {}
    }
}

/// `name` and a number and a comma.
pub(super) fn parameter(out: &mut Out, name: &str, number: u64) {
    decimal(out, name, number);
    out.push(b',');
}

/// A parenthesis in place of the last comma.
pub(super) fn close(out: &mut Out) {
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(b')');
}

fn with_subfield(out: &mut Out, name: &str, place: &Subfield) {
    put::text(out, name);
    subfield(out, place);
}

fn resubmit(out: &mut Out, names: &dyn Names, (in_port, table): (u16, TableId), ending: &str) {
    let port = PortNo::of_16(in_port);
    let this_table = table == TableId::ALL;
    if port != PortNo::IN_PORT && this_table {
        put::text(out, "resubmit:");
        return names::port(out, names, port);
    }
    put::text(out, "resubmit(");
    if port != PortNo::IN_PORT {
        names::port(out, names, port);
    }
    out.push(b',');
    if !this_table {
        names::table(out, names, table);
    }
    put::text(out, ending);
    out.push(b')');
}

/// A name, or what Open vSwitch prints where it has none, and a comma.
fn named(out: &mut Out, name: Option<&str>) {
    put::text(out, name.unwrap_or("<unknown>"));
    out.push(b',');
}

fn multipath(out: &mut Out, wanted: &Multipath) {
    put::text(out, "multipath(");
    named(out, wanted.fields.name());
    parameter(out, "", wanted.basis.into());
    named(out, wanted.algorithm.name());
    parameter(out, "", u64::from(wanted.max_link) + 1);
    parameter(out, "", wanted.arg.into());
    subfield(out, &wanted.dst);
    out.push(b')');
}

fn bundle(out: &mut Out, names: &dyn Names, wanted: &Bundle) {
    put::text(out, if wanted.dst.is_some() { "bundle_load(" } else { "bundle(" });
    named(out, wanted.fields.name());
    parameter(out, "", wanted.basis.into());
    named(out, wanted.algorithm.name());
    put::text(out, "ofport,");
    if let Some(dst) = &wanted.dst {
        subfield(out, dst);
        out.push(b',');
    }
    put::text(out, "members:");
    for (i, member) in wanted.members.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        names::port(out, names, PortNo::of_16(*member));
    }
    out.push(b')');
}

fn sample(out: &mut Out, names: &dyn Names, wanted: &Sample) {
    put::text(out, "sample(");
    parameter(out, "probability=", wanted.probability.into());
    parameter(out, "collector_set_id=", wanted.collector_set_id.into());
    parameter(out, "obs_domain_id=", wanted.obs_domain_id.into());
    parameter(out, "obs_point_id=", wanted.obs_point_id.into());
    let (port, direction) = match wanted.port {
        SamplePort::Unsaid => (PortNo::ANY, Direction::Default),
        SamplePort::At(port) => (PortNo::of_16(port), Direction::Default),
        SamplePort::Directed(port, direction) => (PortNo::of_16(port), direction),
    };
    if port != PortNo::ANY {
        put::text(out, "sampling_port=");
        names::port(out, names, port);
        out.push(b',');
    }
    match direction {
        Direction::Default => {}
        Direction::Ingress => put::text(out, "ingress,"),
        Direction::Egress => put::text(out, "egress,"),
    }
    close(out);
}

fn encap(out: &mut Out, wanted: &Encap) {
    put::text(out, "encap(");
    match wanted.packet_type {
        PT_ETH => put::text(out, "ethernet"),
        PT_NSH => put::text(out, "nsh"),
        PT_MPLS => put::text(out, "mpls"),
        PT_MPLS_MC => put::text(out, "mpls_mc"),
        other => field::packet_type(out, other),
    }
    if !wanted.properties.is_empty() {
        out.push(b'(');
        for property in &wanted.properties {
            match property {
                EncapProperty::NshMdType(md_type) => decimal(out, "md_type=", u64::from(*md_type)),
                EncapProperty::NshTlv { class, kind, data } => {
                    put::text(out, "tlv(");
                    put::hex_padded(out, u64::from(*class), 4);
                    out.push(b',');
                    parameter(out, "", u64::from(*kind));
                    put::hex_bytes(out, data);
                    out.push(b')');
                }
            }
            out.push(b',');
        }
        close(out);
    }
    out.push(b')');
}

fn decap(out: &mut Out, packet_type: u32) {
    put::text(out, "decap(");
    if packet_type != PT_USE_NEXT_PROTO {
        decimal(out, "packet_type(ns=", u64::from(packet_type >> 16));
        put::text(out, ",type=");
        put::hex_or_zero(out, u64::from(packet_type & 0xffff));
        out.push(b')');
    }
    out.push(b')');
}
