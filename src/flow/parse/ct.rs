//! Connection tracking: `ct(…)` and `nat(…)`.

use super::ParseError;
use super::actions::{List, Outer};
use super::check::Require;
use super::fields::source;
use super::nicira::{packed, put};
use super::piece::Piece;
use super::values::{self, number_u16};
use crate::openflow::matching::{ETH_TYPE_IPV4, ETH_TYPE_IPV6};

pub(super) fn ct(list: &mut List<'_>, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (mut flags, mut table, mut alg) = (0, 0xff, 0);
    let (mut zone, mut zone_src) = (0, None);
    let mut actions = Vec::new();
    let mut force = None;
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        match name.text {
            "commit" => flags |= 1,
            "force" => {
                flags |= 2;
                force = Some(name);
            }
            "table" => {
                table = values::table(value, list.names)?.0;
                if table == 0xff {
                    return Err(value.error("a table from 0 to 254"));
                }
            }
            "zone" => match number_u16(value) {
                Ok(number) => zone = number,
                Err(_) => zone_src = Some((value, source(value, &list.packet)?)),
            },
            "alg" => {
                alg = match value.text {
                    "ftp" => 21,
                    "tftp" => 69,
                    _ => return Err(value.error("ftp or tftp")),
                }
            }
            "nat" => {
                let mut inner = List {
                    names: list.names,
                    packet: list.packet,
                    outer: Outer::Ct,
                    depth: list.depth,
                    out: Default::default(),
                };
                nat(&mut inner, value)?;
                actions.splice(0..0, inner.out.into_vec());
            }
            "exec" => actions.extend(list.nested(value, Outer::Ct)?),
            _ => return Err(name.error("commit, force, table, zone, nat, exec or alg")),
        }
    }
    if let Some(force) = force.filter(|_| flags & 1 == 0) {
        return Err(force.error("commit beside force"));
    }
    list.packet.require_ip(key)?;
    if let Some((text, _)) = zone_src.filter(|(_, src)| src.bits != 16) {
        return Err(text.error("16 bits"));
    }
    put(list, value, 35, |out| {
        out.u16(flags);
        match zone_src {
            Some((_, src)) => {
                src.field.encode_nxm_header(out);
                out.u16(packed(&src));
            }
            None => {
                out.u32(0);
                out.u16(zone);
            }
        }
        out.u8(table);
        out.zeros(3);
        out.u16(alg);
        out.bytes(&actions);
    })
}

/// Addresses and ports to translate to.
#[derive(Default)]
struct Range {
    ipv6: bool,
    min: u128,
    max: u128,
    port_min: u16,
    port_max: u16,
}

pub(super) fn nat(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let mut flags = 0_u16;
    let mut range = None;
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        match name.text {
            "src" | "dst" => {
                flags |= if name.text == "src" { 1 } else { 2 };
                range = if value.is_empty() { None } else { Some((value, parse_range(value)?)) };
            }
            "persistent" => flags |= 4,
            "hash" => flags |= 8,
            "random" => flags |= 16,
            _ => return Err(name.error("src, dst, persistent, hash or random")),
        }
    }
    if flags & 3 == 3 || flags & 3 == 0 && flags != 0 || flags & 24 == 24 {
        return Err(value.error("one of src and dst, and at most one of hash and random"));
    }
    if let Some((text, range)) = &range {
        let wanted = if range.ipv6 { ETH_TYPE_IPV6 } else { ETH_TYPE_IPV4 };
        if list.packet.dl_type() != wanted {
            return Err(text.error("an address of the IP version that the flow matches"));
        }
    }
    let range = range.map(|(_, range)| range).unwrap_or_default();
    put(list, value, 36, |out| {
        out.zeros(2);
        out.u16(flags);
        let bit = |there: bool, bit: u16| if there { bit } else { 0 };
        let shift = if range.ipv6 { 2 } else { 0 };
        let addresses = bit(range.min != 0, 1) | bit(range.max != 0, 2);
        out.u16(addresses << shift | bit(range.port_min != 0, 16) | bit(range.port_max != 0, 32));
        for address in [range.min, range.max].into_iter().filter(|address| *address != 0) {
            if range.ipv6 { out.bytes(&address.to_be_bytes()) } else { out.u32(address as u32) }
        }
        for port in [range.port_min, range.port_max].into_iter().filter(|port| *port != 0) {
            out.u16(port);
        }
    })
}

/// `ADDRESS[-ADDRESS][:PORT[-PORT]]`; IPv6 addresses stand in brackets where ports follow.
fn parse_range(text: Piece<'_>) -> Result<Range, ParseError> {
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
        let inner = piece.strip_prefix("[").and_then(|inner| inner.split_once("]")).map_or(piece, |(inner, _)| inner);
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
            let found = (number_u16(min)?, number_u16(max)?);
            if found.1 < found.0 {
                return Err(max.error("a port not below the first"));
            }
            found
        }
        Some((ports, None)) => (number_u16(ports)?, 0),
    };
    Ok(Range { ipv6, min, max, port_min, port_max })
}
