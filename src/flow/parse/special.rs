//! Actions that have a syntax of their own.

use super::fields::by_name;
use super::modify::destination;
use super::piece::Piece;
use super::values::{self, decimal_u16, number_of, number_u16, number_u32};
use super::{Lookup, ParseError};
use crate::openflow::Action;
use crate::openflow::action::{Direction, Sample, SamplePort};

pub(super) fn conjunction(value: Piece<'_>) -> Result<Action, ParseError> {
    let (id, rest) = value.split_once(",").ok_or_else(|| value.error("ID, CLAUSE/CLAUSES"))?;
    let (clause, clauses) = rest.split_once("/").ok_or_else(|| rest.error("CLAUSE/CLAUSES"))?;
    let id = number_u32(id.trim())?;
    let clauses_number = number_of(clauses.trim(), 8, "a number of clauses from 2 to 64")?;
    if !(2..=64).contains(&clauses_number) {
        return Err(clauses.error("a number of clauses from 2 to 64"));
    }
    let clause_number = number_of(clause.trim(), 8, "a clause from 1")?;
    if !(1..=clauses_number).contains(&clause_number) {
        return Err(clause.error("a clause from 1 to the number of clauses"));
    }
    Ok(Action::Conjunction { id, clause: clause_number as u8 - 1, n_clauses: clauses_number as u8 })
}

/// Pairs of hexadecimal digits with or without dots between them.
pub(super) fn hex_bytes(text: Piece<'_>) -> Result<Vec<u8>, ParseError> {
    let mut rest = text;
    let mut bytes = Vec::new();
    while !rest.is_empty() {
        let (dot, after) = rest.split(1);
        if dot.text == "." {
            rest = after;
            continue;
        }
        let (pair, after) = rest.split(2);
        let good = pair.text.len() == 2 && pair.text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = good.then(|| u8::from_str_radix(pair.text, 16).ok()).flatten();
        bytes.push(byte.ok_or_else(|| pair.error("two hexadecimal digits"))?);
        rest = after;
    }
    Ok(bytes)
}

pub(super) fn note(value: Piece<'_>) -> Result<Action, ParseError> {
    Ok(Action::Note(hex_bytes(value)?.into()))
}

pub(super) fn delete_field(value: Piece<'_>) -> Result<Action, ParseError> {
    by_name(value.text).map(Action::DeleteField).ok_or_else(|| value.error("the name of a field"))
}

pub(super) fn fin_timeout(value: Piece<'_>) -> Result<Action, ParseError> {
    let (mut idle_timeout, mut hard_timeout) = (0, 0);
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        match name.text {
            "idle_timeout" => idle_timeout = number_u16(value)?,
            "hard_timeout" => hard_timeout = number_u16(value)?,
            _ => return Err(name.error("idle_timeout or hard_timeout")),
        }
    }
    Ok(Action::FinTimeout { idle_timeout, hard_timeout })
}

pub(super) fn check_pkt_larger(value: Piece<'_>) -> Result<Action, ParseError> {
    let (length, dst_text) = value.split_once(")->").ok_or_else(|| value.error("LENGTH)->BIT"))?;
    let (length, dst) = (number_u16(length)?, destination(dst_text)?);
    if dst.bits != 1 {
        return Err(dst_text.error("a single bit"));
    }
    Ok(Action::CheckPktLarger { length, dst })
}

pub(super) fn dec_ttl(value: Piece<'_>) -> Result<Action, ParseError> {
    let mut ids = Vec::new();
    let mut rest = value;
    while let Some((id, _)) = rest.next_pair() {
        ids.push(decimal_u16(id)?);
    }
    Ok(if ids.is_empty() { Action::DecNwTtl } else { Action::DecTtlCntIds(ids.into()) })
}

/// `sample(…)`, in the oldest form that says it.
pub(super) fn sample(value: Piece<'_>, names: &dyn Lookup) -> Result<Action, ParseError> {
    let port = SamplePort::Unsaid;
    let mut sample = Sample { probability: 0, collector_set_id: 0, obs_domain_id: 0, obs_point_id: 0, port };
    let (mut port, mut direction) = (None, None);
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        match name.text {
            "probability" => sample.probability = number_u16(value)?,
            "collector_set_id" => sample.collector_set_id = number_u32(value)?,
            "obs_domain_id" => sample.obs_domain_id = number_u32(value)?,
            "obs_point_id" => sample.obs_point_id = number_u32(value)?,
            "sampling_port" => port = Some(values::port_16(value, names)?),
            "ingress" => direction = Some(Direction::Ingress),
            "egress" => direction = Some(Direction::Egress),
            _ => {
                let expected =
                    "probability, collector_set_id, obs_domain_id, obs_point_id, sampling_port, ingress or egress";
                return Err(name.error(expected));
            }
        }
    }
    if sample.probability == 0 {
        return Err(value.error("a probability from 1 to 65535"));
    }
    sample.port = match (port.filter(|port| *port != OFPP_NONE), direction) {
        (port, Some(direction)) => SamplePort::Directed(port.unwrap_or(OFPP_NONE), direction),
        (Some(port), None) => SamplePort::At(port),
        (None, None) => SamplePort::Unsaid,
    };
    Ok(Action::Sample(Box::new(sample)))
}

/// `OFPP_NONE` of OpenFlow 1.0: no port.
const OFPP_NONE: u16 = 0xffff;
