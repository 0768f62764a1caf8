//! How the values of keys read, and how those with arguments are cut into them.

use super::{Node, Visitor};
use crate::flow::parse;
use crate::openflow::oxm::{self, Format};

/// Keys with the shape of their values.
pub(super) type Keys = &'static [(&'static str, Shape)];

/// How a text reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// There, or not.
    Flag,
    /// A number.
    Number,
    /// Seconds.
    Seconds,
    /// A number where it is one, else text.
    Word,
    /// Text.
    Text,
    /// A port: number, reserved word or name; or a field that holds it.
    Port,
    /// A table: number or name.
    Table,
    /// `VALUE[/MASK]` of a field with so many bits.
    Masked(u16),
    /// `FIELD[FIRST..LAST]`.
    Field,
    /// A field, or a number.
    FieldOrNumber,
    /// A match.
    Match,
    /// Actions, one after another.
    Actions,
    /// The arguments of `learn`: attributes, fields, actions.
    Learn,
    /// `KEY=VALUE,…`.
    Keyed(Keys),
    /// Values whose keys follow from their places; any character of the second ends one.
    Placed(Keys, &'static str),
    /// `PORT`, or `port=PORT,max_len=LENGTH`.
    Output,
    /// `LENGTH`, or keys.
    Controller,
    /// `VALUE->FIELD`.
    SetField,
    /// The value in it, whose key is the field.
    FieldValue,
    /// `NUMBER->FIELD`; in `learn`, `FIELD->FIELD` too.
    Load,
    /// `FIELD->FIELD`.
    Move,
    /// `src=ADDRESSES[:PORTS],FLAG,…`.
    Nat,
    /// `FIRST[-LAST]`, of addresses.
    Addresses,
    /// `FIRST[-LAST]`, of port numbers.
    Ports,
    /// `HEADER` or `HEADER(PROPERTIES)`.
    Encap,
    /// `FIELDS,BASIS,ALGORITHM,ofport,[DST,]members:PORT,…`.
    Bundle,
    /// `(LENGTH)->FIELD`.
    CheckPktLarger,
    /// Numbers with commas between them.
    Numbers,
}

const SUBFIELD: Keys = &[("field", Shape::Text), ("start", Shape::Number), ("end", Shape::Number)];
const OUTPUT: Keys = &[("port", Shape::Port), ("max_len", Shape::Number)];
const CONTROLLER: Keys = &[
    ("max_len", Shape::Number),
    ("reason", Shape::Word),
    ("id", Shape::Number),
    ("userdata", Shape::Text),
    ("pause", Shape::Flag),
    ("meter_id", Shape::Number),
];
const SET_FIELD: Keys = &[("value", Shape::FieldValue), ("dst", Shape::Field)];
const LOAD: Keys = &[("value", Shape::Number), ("src", Shape::Field), ("dst", Shape::Field)];
const MOVE: Keys = &[("src", Shape::Field), ("dst", Shape::Field)];
const NAT: Keys = &[
    ("type", Shape::Text),
    ("addrs", Shape::Addresses),
    ("ports", Shape::Ports),
    ("random", Shape::Flag),
    ("hash", Shape::Flag),
    ("persistent", Shape::Flag),
];
const ADDRESSES: Keys = &[("start", Shape::Text), ("end", Shape::Text)];
const PORTS: Keys = &[("start", Shape::Number), ("end", Shape::Number)];
const NSH: Keys = &[
    ("md_type", Shape::Word),
    ("tlv", Shape::Placed(&[("class", Shape::Number), ("type", Shape::Number), ("value", Shape::Number)], ",")),
];
const ENCAP: Keys = &[("header", Shape::Text), ("props", Shape::Keyed(NSH))];
const BUNDLE: Keys = &[
    ("fields", Shape::Word),
    ("basis", Shape::Word),
    ("algorithm", Shape::Word),
    ("dst", Shape::Word),
    ("members", Shape::Numbers),
];
const CHECK_PKT_LARGER: Keys = &[("pkt_len", Shape::Number), ("dst", Shape::Field)];

impl Shape {
    /// That of the values of a match field.
    pub fn of_field(name: &str) -> Self {
        if matches!(name, "priority" | "dl_vlan" | "dl_vlan_pcp") {
            return Self::Number;
        }
        let Some(field) = super::known_field(name) else { return Self::Word };
        match field.format {
            // How wide it is stands in a table of the switch.
            _ if field.is_variable() => Self::Text,
            // With the bit that says that there is a tag.
            _ if field == &oxm::VLAN_VID => Self::Masked(13),
            Format::Decimal | Format::Hexadecimal if field.maskable => Self::Masked(field.bits),
            Format::Decimal | Format::Hexadecimal => Self::Number,
            Format::Port => Self::Port,
            _ => Self::Text,
        }
    }

    /// The keys that a value may have; nothing where it has none, or where any field or action is one.
    pub const fn keys(self) -> Keys {
        match self {
            Self::Keyed(keys) | Self::Placed(keys, _) => keys,
            Self::Field | Self::FieldOrNumber => SUBFIELD,
            Self::Output => OUTPUT,
            Self::Controller => CONTROLLER,
            Self::SetField => SET_FIELD,
            Self::Load => LOAD,
            Self::Move => MOVE,
            Self::Nat => NAT,
            Self::Addresses => ADDRESSES,
            Self::Ports => PORTS,
            Self::Encap => ENCAP,
            Self::Bundle => BUNDLE,
            Self::CheckPktLarger => CHECK_PKT_LARGER,
            _ => &[],
        }
    }

    fn of_key(self, key: &str) -> Self {
        self.keys().iter().find(|(known, _)| *known == key).map_or(Self::Word, |(_, shape)| *shape)
    }
}

/// Tells the arguments in `text`.
pub(super) fn children<'t>(shape: Shape, text: &'t str, visit: Visitor<'_, 't>) {
    match shape {
        Shape::Keyed(_) => keyed(shape, text, visit),
        Shape::Placed(keys, ends) => {
            let mut places = keys.iter();
            for value in text.split(|c| ends.contains(c)) {
                let Some((key, shape)) = places.next() else { return };
                visit(key, Node::new(*shape, value));
            }
        }
        Shape::Field | Shape::FieldOrNumber => subfield(text, visit),
        Shape::Output if !text.contains(',') => visit("port", Node::new(Shape::Port, text)),
        Shape::Controller if parse::number(text).is_some() => visit("max_len", Node::new(Shape::Number, text)),
        Shape::Output | Shape::Controller => keyed(shape, text, visit),
        Shape::SetField => {
            visit("value", Node::new(Shape::FieldValue, text));
            destination(text, visit);
        }
        Shape::FieldValue => {
            let (value, name) = text.split_once("->").unwrap_or((text, ""));
            visit(name, super::field(name, value));
        }
        Shape::Load | Shape::Move | Shape::CheckPktLarger => {
            let source = text.split_once("->").map_or(text, |(source, _)| source);
            let (key, shape) = match shape {
                Shape::CheckPktLarger => ("pkt_len", Shape::Number),
                Shape::Load if parse::number(source).is_some() => ("value", Shape::Number),
                _ => ("src", Shape::Field),
            };
            visit(key, Node::new(shape, source.trim_matches(['(', ')'])));
            destination(text, visit);
        }
        Shape::Nat => nat(text, visit),
        Shape::Addresses | Shape::Ports => {
            let (start, end) = text.split_once('-').unwrap_or((text, text));
            for (key, value) in [("start", start), ("end", end)] {
                visit(key, Node::new(shape.of_key(key), value.trim_matches(['[', ']'])));
            }
        }
        Shape::Encap => encap(text, visit),
        Shape::Bundle => bundle(text, visit),
        Shape::Numbers => text
            .split(',')
            .filter(|number| !number.is_empty())
            .for_each(|number| visit("", Node::new(Shape::Word, number))),
        _ => {}
    }
}

/// The field behind the arrow.
fn destination<'t>(text: &'t str, visit: Visitor<'_, 't>) {
    if let Some((_, field)) = text.split_once("->") {
        visit("dst", Node::new(Shape::Field, field));
    }
}

fn keyed<'t>(shape: Shape, text: &'t str, visit: Visitor<'_, 't>) {
    for (key, value) in parse::pairs(text) {
        visit(key, Node::new(if value.is_empty() { Shape::Flag } else { shape.of_key(key) }, value));
    }
}

fn subfield<'t>(text: &'t str, visit: Visitor<'_, 't>) {
    let (field, bits) = text.trim_end_matches(']').split_once('[').unwrap_or((text, ""));
    visit("field", Node::new(Shape::Text, field));
    if !bits.is_empty() {
        let (start, end) = bits.split_once("..").unwrap_or((bits, bits));
        visit("start", Node::new(Shape::Number, start));
        visit("end", Node::new(Shape::Number, end));
    }
}

fn nat<'t>(text: &'t str, visit: Visitor<'_, 't>) {
    let mut pairs = parse::pairs(text);
    let Some((kind, range)) = pairs.next() else { return };
    visit("type", Node::new(Shape::Text, kind));
    if !range.is_empty() {
        // Between the colons of an IPv6 address, brackets tell where the ports begin.
        let (addresses, ports) = match range.rfind("]:") {
            Some(at) => (&range[..=at], Some(&range[at + 2..])),
            None if range.matches(':').count() > 1 => (range, None),
            None => range.split_once(':').map_or((range, None), |(addresses, ports)| (addresses, Some(ports))),
        };
        visit("addrs", Node::new(Shape::Addresses, addresses));
        if let Some(ports) = ports {
            visit("ports", Node::new(Shape::Ports, ports));
        }
    }
    for (flag, _) in pairs {
        visit(flag, Node::new(Shape::Flag, ""));
    }
}

fn encap<'t>(text: &'t str, visit: Visitor<'_, 't>) {
    for (header, properties) in parse::pairs(text).take(1) {
        visit("header", Node::new(Shape::Text, header));
        if !properties.is_empty() {
            visit("props", Node::new(Shape::Keyed(NSH), properties));
        }
    }
}

fn bundle<'t>(text: &'t str, visit: Visitor<'_, 't>) {
    let (head, members) = text.split_once(",members:").unwrap_or((text, ""));
    let names = ["fields", "basis", "algorithm", "ofport", "dst"];
    for (key, value) in names.into_iter().zip(head.split(',')).filter(|(key, _)| *key != "ofport") {
        visit(key, Node::new(Shape::Word, value));
    }
    visit("members", Node::new(Shape::Numbers, members));
}
