//! `multipath`, `bundle`, `bundle_load`.

use super::fields::at_most_64_bits;
use super::modify::destination;
use super::piece::Piece;
use super::values::{self, decimal_u16, decimal_u32};
use super::{Lookup, ParseError};
use crate::openflow::Action;
use crate::openflow::Subfield;
use crate::openflow::action::{Bundle, BundleAlgorithm, HashFields, Multipath, MultipathAlgorithm};

/// The arguments of an action, cut at commas and blanks.
struct Arguments<'t>(Piece<'t>);

impl<'t> Arguments<'t> {
    fn next(&mut self, ends: &str, expected: &'static str) -> Result<Piece<'t>, ParseError> {
        let mut rest = self.0.trim_start();
        while rest.text.starts_with(|c| ends.contains(c)) {
            rest = rest.split(1).1;
        }
        let (word, after) = rest.word(ends);
        self.0 = after;
        if word.is_empty() { Err(rest.error(expected)) } else { Ok(word) }
    }

    fn argument(&mut self, expected: &'static str) -> Result<Piece<'t>, ParseError> {
        self.next(", ", expected)
    }
}

fn hash_fields(piece: Piece<'_>) -> Result<HashFields, ParseError> {
    HashFields::by_name(piece.text).ok_or_else(|| {
        piece.error("eth_src, nw_src, nw_dst, symmetric_l3, symmetric_l4, symmetric_l3l4 or symmetric_l3l4+udp")
    })
}

/// A destination that a short header can name, and no more bits of it than the action can say.
fn short_destination(piece: Piece<'_>) -> Result<Subfield, ParseError> {
    let dst = at_most_64_bits(piece, destination(piece)?)?;
    if dst.field.nxm.is_experimenter() {
        return Err(piece.error("a field that is not an experimenter's"));
    }
    Ok(dst)
}

/// `multipath(FIELDS,BASIS,ALGORITHM,LINKS,ARGUMENT,DESTINATION)`.
pub(super) fn multipath(value: Piece<'_>) -> Result<Action, ParseError> {
    let mut arguments = Arguments(value);
    let fields = hash_fields(arguments.argument("what to hash")?)?;
    let basis = decimal_u16(arguments.argument("the basis of the hash")?)?;
    let algorithm = arguments.argument("an algorithm")?;
    let algorithm = MultipathAlgorithm::by_name(algorithm.text)
        .ok_or_else(|| algorithm.error("modulo_n, hash_threshold, hrw or iter_hash"))?;
    let links_text = arguments.argument("a number of links")?;
    let links = decimal_u32(links_text)?;
    let arg = decimal_u32(arguments.argument("the argument of the algorithm")?)?;
    let dst_text = arguments.argument("a field to write to")?;
    let dst = short_destination(dst_text)?;
    if !(1..=65536).contains(&links) {
        return Err(links_text.error("a number of links from 1 to 65536"));
    }
    let max_link = (links - 1) as u16;
    if u32::from(dst.bits) < Multipath::bits_for(max_link) {
        return Err(dst_text.error("bits enough for all links"));
    }
    Ok(Action::Multipath(Box::new(Multipath { fields, basis, algorithm, max_link, arg, dst })))
}

/// `bundle(FIELDS,BASIS,ALGORITHM,ofport,members:PORT,…)`.
pub(super) fn bundle(value: Piece<'_>, names: &dyn Lookup) -> Result<Action, ParseError> {
    let mut arguments = Arguments(value);
    let mut bundle = head(&mut arguments)?;
    bundle.members = members(&mut arguments, names)?;
    Ok(Action::Bundle(Box::new(bundle)))
}

/// `bundle_load(FIELDS,BASIS,ALGORITHM,ofport,DESTINATION,members:PORT,…)`.
pub(super) fn bundle_load(value: Piece<'_>, names: &dyn Lookup) -> Result<Action, ParseError> {
    let mut arguments = Arguments(value);
    let mut bundle = head(&mut arguments)?;
    let dst = arguments.argument("a field to write to")?;
    bundle.dst = Some(short_destination(dst)?);
    bundle.members = members(&mut arguments, names)?;
    Ok(Action::Bundle(Box::new(bundle)))
}

fn head(arguments: &mut Arguments<'_>) -> Result<Bundle, ParseError> {
    let fields = hash_fields(arguments.argument("what to hash")?)?;
    let basis = decimal_u16(arguments.argument("the basis of the hash")?)?;
    let algorithm = arguments.argument("an algorithm")?;
    let algorithm = BundleAlgorithm::by_name(algorithm.text).ok_or_else(|| algorithm.error("active_backup or hrw"))?;
    let member_type = arguments.argument("ofport")?;
    if !member_type.text.eq_ignore_ascii_case("ofport") {
        return Err(member_type.error("ofport"));
    }
    Ok(Bundle { algorithm, fields, basis, dst: None, members: Box::default() })
}

fn members(arguments: &mut Arguments<'_>, names: &dyn Lookup) -> Result<Box<[u16]>, ParseError> {
    let word = arguments.next(": ", "members:PORT,…")?;
    if !["members", "slaves"].iter().any(|name| name.eq_ignore_ascii_case(word.text)) {
        return Err(word.error("members:PORT,…"));
    }
    let mut members = Vec::new();
    while let Ok(port) = arguments.next(", []", "a port") {
        if members.len() >= usize::from(Bundle::MAX_MEMBERS) {
            return Err(port.error("2048 members at the most"));
        }
        members.push(values::port_16(port, names)?);
    }
    Ok(members.into())
}
