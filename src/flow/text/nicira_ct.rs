//! Connection tracking: `ct(…)` and `nat(…)` (`ovs-actions(7)`).

use super::actions;
use super::names::{self, Names};
use super::nicira::{close, parameter};
use super::put::{self, Out};
use crate::openflow::action::{Conntrack, CtZone, Nat, NatAddresses, NatFlags};
use crate::openflow::{Action, TableId};

pub(super) fn ct(out: &mut Out, names: &dyn Names, ct: &Conntrack) {
    put::text(out, "ct(");
    for name in ct.flags.names() {
        put::text(out, name);
        out.push(b',');
    }
    if ct.recirc_table != TableId::ALL {
        put::text(out, "table=");
        names::table(out, names, ct.recirc_table);
        out.push(b',');
    }
    match &ct.zone {
        CtZone::Number(0) => {}
        CtZone::Number(zone) => parameter(out, "zone=", u64::from(*zone)),
        CtZone::Field(src) => {
            put::text(out, "zone=");
            actions::subfield(out, src);
            out.push(b',');
        }
    }
    // A `nat` that comes first prints outside of `exec(…)`.
    let rest = match ct.actions.split_first() {
        Some((Action::Nat(first), rest)) => {
            nat(out, first);
            out.push(b',');
            rest
        }
        _ => &ct.actions,
    };
    if !rest.is_empty() {
        put::text(out, "exec(");
        actions::list(out, names, rest);
        put::text(out, "),");
    }
    match ct.alg {
        0 => {}
        21 => put::text(out, "alg=ftp,"),
        69 => put::text(out, "alg=tftp,"),
        alg => parameter(out, "alg=", alg.into()),
    }
    close(out);
}

pub(super) fn nat(out: &mut Out, nat: &Nat) {
    put::text(out, "nat");
    let src = nat.flags.contains(NatFlags::SRC);
    if !src && !nat.flags.contains(NatFlags::DST) {
        return;
    }
    put::text(out, if src { "(src" } else { "(dst" });
    if let Some(addresses) = &nat.addresses {
        out.push(b'=');
        // Brackets tell the last group of an address from a port.
        let bracketed = nat.ports.is_some();
        match addresses {
            NatAddresses::Ipv4(min, max) => {
                range(out, *min, *max, |out, address| put::ipv4(out, u32::from(address)));
            }
            NatAddresses::Ipv6(min, max) => range(out, *min, *max, |out, address| {
                out.extend(bracketed.then_some(b'['));
                put::ipv6(out, u128::from(address));
                out.extend(bracketed.then_some(b']'));
            }),
        }
        if let Some(ports) = nat.ports {
            out.push(b':');
            range(out, ports.min, ports.max, |out, port| put::decimal(out, port.into()));
        }
        out.push(b',');
        let how = NatFlags::PERSISTENT | NatFlags::PROTO_HASH | NatFlags::PROTO_RANDOM;
        for name in NatFlags(nat.flags.0 & how.0).names() {
            put::text(out, name);
            out.push(b',');
        }
    }
    close(out);
}

/// The lower end, and the upper one if it is another.
fn range<T: PartialEq + Copy>(out: &mut Out, min: T, max: Option<T>, print: impl Fn(&mut Out, T)) {
    print(out, min);
    if let Some(max) = max.filter(|max| *max != min) {
        out.push(b'-');
        print(out, max);
    }
}
