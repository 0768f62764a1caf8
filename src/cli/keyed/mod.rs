//! The printed text of a flow as keys and values: what `--json` writes and what a filter on actions looks at.
//! Keys and values are those of ovs-flowviz (`ovs-flowviz(8)`, "JSON Syntax"); `docs/OFCTL-DUMP.md` has the schema.
//!
//! Nothing is built: a [`Node`] is a piece of the text and how it reads, and tells its children when asked.

mod actions;
mod shape;

use std::borrow::Cow;

pub use actions::{ACTIONS, action_shape};
pub use shape::Shape;

use crate::flow::parse;
use crate::openflow::oxm::Field;

/// A piece of a flow's text and how it reads.
#[derive(Clone, Copy, Debug)]
pub struct Node<'t> {
    shape: Shape,
    text: &'t str,
}

/// What a node is. The children of the last three are told by [`Node::children`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum View<'t> {
    /// A flag, or an action without arguments.
    True,
    /// A number.
    Number(u128),
    /// Seconds, with decimals or without.
    Seconds(&'t str),
    /// Any other value.
    Text(Cow<'t, str>),
    /// A number of which only some bits count.
    Masked {
        /// The number.
        value: u128,
        /// The bits that count.
        mask: u128,
    },
    /// Arguments by key.
    Object,
    /// A list of which each item has a key: actions.
    Items,
    /// A list of plain values: the children's keys are empty.
    Values,
}

/// Is told the children of a node, one by one.
pub type Visitor<'v, 't> = &'v mut dyn FnMut(&'t str, Node<'t>);

impl<'t> Node<'t> {
    /// A text of this shape.
    pub const fn new(shape: Shape, text: &'t str) -> Self {
        Self { shape, text }
    }

    /// What stands behind `actions=`.
    pub const fn actions(text: &'t str) -> Self {
        Self::new(Shape::Actions, text)
    }

    /// A match, priority included.
    pub const fn matching(text: &'t str) -> Self {
        Self::new(Shape::Match, text)
    }

    /// How it reads.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The text itself.
    pub const fn text(&self) -> &'t str {
        self.text
    }

    /// What it is.
    pub fn view(&self) -> View<'t> {
        let number = || parse::number(self.text).map(View::Number);
        let text = || View::Text(unquoted(self.text));
        match self.shape {
            Shape::Match if self.text.is_empty() => View::Object,
            Shape::Text | Shape::Word | Shape::Port | Shape::Table if self.text.is_empty() => text(),
            Shape::Numbers => View::Values,
            _ if self.text.is_empty() => View::True,
            Shape::Flag => View::True,
            Shape::Text => text(),
            Shape::Number | Shape::Word | Shape::Port | Shape::Table => number().unwrap_or_else(text),
            Shape::Seconds => View::Seconds(self.text.strip_suffix('s').unwrap_or(self.text)),
            Shape::Masked(bits) => masked(self.text, bits).unwrap_or_else(text),
            Shape::FieldOrNumber => number().unwrap_or(View::Object),
            Shape::Actions | Shape::Learn => View::Items,
            _ => View::Object,
        }
    }

    /// Tells its children.
    pub fn children(&self, visit: Visitor<'_, 't>) {
        match self.shape {
            Shape::Actions => actions::list(self.text, visit),
            Shape::Learn => actions::learn(self.text, visit),
            Shape::Match => parse::pairs(self.text).for_each(|(key, value)| visit(key, field(key, value))),
            _ => shape::children(self.shape, self.text, visit),
        }
    }
}

/// A value of the field `name`; without one, a protocol or another flag.
pub fn field<'t>(name: &str, value: &'t str) -> Node<'t> {
    Node::new(if value.is_empty() { Shape::Flag } else { Shape::of_field(name) }, value)
}

/// The field of this name, which may be that of one of its headers.
pub fn known_field(name: &str) -> Option<&'static Field> {
    Field::by_name(name).or_else(|| Field::by_header_name(name))
}

/// A name may stand in quotes.
fn unquoted(text: &str) -> Cow<'_, str> {
    let quoted = || text.starts_with('"').then(|| serde_json::from_str(text).ok()).flatten();
    quoted().map_or(Cow::Borrowed(text), Cow::Owned)
}

fn masked<'t>(text: &str, bits: u16) -> Option<View<'t>> {
    let (value, mask) = match text.split_once('/') {
        Some((value, mask)) => (value, parse::number(mask)?),
        None => (text, u128::MAX >> 128_u16.saturating_sub(bits)),
    };
    Some(View::Masked { value: parse::number(value)?, mask })
}
