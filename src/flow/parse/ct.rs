//! Connection tracking: `ct(…)` and `nat(…)`.

use super::ParseError;
use super::actions::List;
use super::fields::subfield;
use super::piece::Piece;
use super::values::{self, number_u16};
use crate::flow::check::verify::Outer;
use crate::openflow::action::{Conntrack, CtFlags, CtZone, Nat, NatAddresses, NatFlags, PortRange};
use crate::openflow::{Action, TableId};

pub(super) fn ct(list: &List<'_>, value: Piece<'_>) -> Result<Action, ParseError> {
    let zone = CtZone::Number(0);
    let mut ct = Conntrack { flags: CtFlags(0), zone, recirc_table: TableId::ALL, alg: 0, actions: Vec::new() };
    let mut force = None;
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        match name.text {
            "commit" => ct.flags = ct.flags | CtFlags::COMMIT,
            "force" => {
                ct.flags = ct.flags | CtFlags::FORCE;
                force = Some(name);
            }
            "table" => {
                ct.recirc_table = values::table(value, list.names)?;
                if ct.recirc_table == TableId::ALL {
                    return Err(value.error("a table from 0 to 254"));
                }
            }
            "zone" => ct.zone = zone_of(value)?,
            "alg" => {
                ct.alg = match value.text {
                    "ftp" => 21,
                    "tftp" => 69,
                    _ => return Err(value.error("ftp or tftp")),
                }
            }
            "nat" => ct.actions.insert(0, nat(value)?),
            "exec" => ct.actions.extend(list.nested(value, Outer::Ct)?),
            _ => return Err(name.error("commit, force, table, zone, nat, exec or alg")),
        }
    }
    if let Some(force) = force.filter(|_| !ct.flags.contains(CtFlags::COMMIT)) {
        return Err(force.error("commit beside force"));
    }
    Ok(Action::Ct(Box::new(ct)))
}

/// A number, or 16 bits of a field.
fn zone_of(value: Piece<'_>) -> Result<CtZone, ParseError> {
    if let Ok(number) = number_u16(value) {
        return Ok(CtZone::Number(number));
    }
    let src = subfield(value)?;
    if src.bits == 16 { Ok(CtZone::Field(src)) } else { Err(value.error("16 bits")) }
}

pub(super) fn nat(value: Piece<'_>) -> Result<Action, ParseError> {
    let (mut flags, mut addresses, mut ports) = (NatFlags(0), None, None);
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        match name.text {
            "src" | "dst" => {
                flags = flags | if name.text == "src" { NatFlags::SRC } else { NatFlags::DST };
                (addresses, ports) = if value.is_empty() { (None, None) } else { range(value)? };
            }
            "persistent" => flags = flags | NatFlags::PERSISTENT,
            "hash" => flags = flags | NatFlags::PROTO_HASH,
            "random" => flags = flags | NatFlags::PROTO_RANDOM,
            _ => return Err(name.error("src, dst, persistent, hash or random")),
        }
    }
    let has = |flag| flags.contains(flag);
    let (src, dst) = (has(NatFlags::SRC), has(NatFlags::DST));
    if src && dst || !src && !dst && flags.0 != 0 || has(NatFlags::PROTO_HASH) && has(NatFlags::PROTO_RANDOM) {
        return Err(value.error("one of src and dst, and at most one of hash and random"));
    }
    Ok(Action::Nat(Box::new(Nat { flags, addresses, ports })))
}

/// What a range consists of; an address of zeros and port 0 are none.
type Range = (Option<NatAddresses>, Option<PortRange>);

/// `ADDRESS[-ADDRESS][:PORT[-PORT]]`; IPv6 addresses stand in brackets where ports follow.
fn range(text: Piece<'_>) -> Result<Range, ParseError> {
    let ipv6 = text.text.starts_with('[') || text.text.matches(':').count() > 1;
    let (addresses, ports) = match (ipv6, text.text.rfind(']')) {
        (true, Some(at)) => {
            let (addresses, rest) = text.split(at + 1);
            let ports = rest.strip_prefix(":");
            if ports.is_none() && !rest.is_empty() {
                return Err(rest.error("a colon and ports"));
            }
            (addresses, ports)
        }
        (true, None) => (text, None),
        (false, _) => text.split_once(":").map_or((text, None), |(addresses, ports)| (addresses, Some(ports))),
    };
    let address = |piece: Piece<'_>| {
        let inner = piece.strip_prefix("[").filter(|_| piece.text.ends_with(']'));
        let inner = inner.map_or(piece, |inner| inner.split(inner.text.len() - 1).0);
        if ipv6 { values::ipv6(inner) } else { values::ipv4(inner) }
    };
    let (min, max) = match addresses.split_once("-") {
        Some((min, max)) => {
            let found = (address(min)?, address(max)?);
            if found.1 < found.0 {
                return Err(max.error("an address not below the first"));
            }
            found
        }
        None => (address(addresses)?, 0),
    };
    let (port_min, port_max) = match ports.map(|ports| (ports, ports.split_once("-"))) {
        None => (0, 0),
        Some((_, Some((min, max)))) => {
            let found = (values::decimal_u16(min)?, values::decimal_u16(max)?);
            if found.1 < found.0 {
                return Err(max.error("a port not below the first"));
            }
            found
        }
        Some((ports, None)) => (values::decimal_u16(ports)?, 0),
    };
    let upper = (max != 0).then_some(max);
    let addresses = match ipv6 {
        true => NatAddresses::Ipv6(min.into(), upper.map(Into::into)),
        false => NatAddresses::Ipv4((min as u32).into(), upper.map(|max| (max as u32).into())),
    };
    let max = (port_max != 0).then_some(port_max);
    Ok(((min != 0).then_some(addresses), (port_min != 0).then_some(PortRange { min: port_min, max })))
}
