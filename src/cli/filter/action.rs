//! What actions do, on their text: `output.port=3`, `ct.table>10`, `drop`.

use super::compare::Set;
use super::lex::Word;
use super::{FilterError, Operator, suggest};
use crate::cli::keyed::{Node, Shape, View, action_shape, known_field};
use crate::flow::parse::{self, Lookup, NoNames};
use crate::openflow::oxm::{self, Field};

/// A test of one action or of one of its arguments. It holds if any of the flow's actions passes it.
#[derive(Debug)]
pub(super) struct ActionTest {
    /// The action, the argument, the argument's argument …
    path: Vec<String>,
    comparison: Option<(Operator, Operand)>,
}

/// A value, as everything that it can be.
#[derive(Debug)]
struct Operand {
    text: String,
    number: Option<Set>,
    seconds: Option<f64>,
    port: Option<u32>,
    table: Option<u8>,
    address: Option<(&'static Field, Set)>,
}

impl Operand {
    fn new(text: &str, names: &dyn Lookup) -> Self {
        let (number, mask) = text.split_once('/').map_or((text, None), |(number, mask)| (number, Some(mask)));
        let mask = mask.map_or(Some(u128::MAX), parse::number);
        Self {
            text: text.to_owned(),
            number: parse::number(number).zip(mask).map(|(number, mask)| Set::new(number, mask)),
            seconds: text.strip_suffix('s').unwrap_or(text).parse().ok(),
            port: names.port(text).map(|port| port.0),
            table: names.table(text).map(|table| table.0),
            address: address(text),
        }
    }
}

/// An address of whichever family, with its mask.
fn address(text: &str) -> Option<(&'static Field, Set)> {
    let fields: [&'static Field; 3] = [&oxm::IPV4_SRC, &oxm::IPV6_SRC, &oxm::ETH_SRC];
    fields.into_iter().find_map(|field| Some((field, address_of(field, text)?)))
}

fn address_of(field: &Field, text: &str) -> Option<Set> {
    let (value, mask) = parse::field_value(text, field, &NoNames).ok()?;
    Some(Set::new(value, mask).within(field.bits))
}

impl ActionTest {
    /// `None`: `key` does not begin with an action.
    pub(super) fn new(
        key: Word<'_>,
        comparison: Option<(Operator, Word<'_>)>,
        names: &dyn Lookup,
    ) -> Result<Option<Self>, FilterError> {
        let (action, arguments) = key.text.split_once('.').unwrap_or((key.text, ""));
        let Some(shape) = action_shape(action) else { return Ok(None) };
        let arguments = Word { text: arguments, at: key.at + action.len() + 1 };
        let mut path = vec![action.to_owned()];
        let shape = if arguments.text.is_empty() { shape } else { resolve(shape, arguments, &mut path)? };
        let comparison = match comparison {
            Some((_, value)) if shape == Shape::Flag => {
                return Err(value.error("true or false, or no value: it is there or not"));
            }
            Some((_, value)) if !is_plain(shape) => {
                return Err(value.error(format!("a key behind {}, {}", key.text, suggest::keys(shape, key.text))));
            }
            comparison => comparison.map(|(operator, value)| (operator, Operand::new(value.text, names))),
        };
        Ok(Some(Self { path, comparison }))
    }

    pub(super) fn holds(&self, actions: &str) -> bool {
        self.any(Node::actions(actions), &self.path)
    }

    fn any(&self, node: Node<'_>, path: &[String]) -> bool {
        let Some((key, rest)) = path.split_first() else {
            return self.comparison.as_ref().is_none_or(|(operator, operand)| compare(node, *operator, operand));
        };
        let mut found = false;
        node.children(&mut |name, child| {
            found = found || name.eq_ignore_ascii_case(key) && self.any(child, rest);
        });
        found
    }
}

/// True if a value of this shape can be compared.
fn is_plain(shape: Shape) -> bool {
    shape.keys().is_empty() && !matches!(shape, Shape::Actions | Shape::Learn | Shape::FieldValue)
        || matches!(shape, Shape::Field | Shape::FieldOrNumber)
}

/// Follows the keys behind an action; adds them to `path`.
fn resolve(mut shape: Shape, arguments: Word<'_>, path: &mut Vec<String>) -> Result<Shape, FilterError> {
    let mut at = arguments.at;
    for key in arguments.text.split('.') {
        let word = Word { text: key, at };
        at += key.len() + 1;
        let mut name = key.to_owned();
        shape = match shape {
            Shape::Actions => action_shape(key).ok_or_else(|| word.error(suggest::action(key)))?,
            Shape::FieldValue => {
                if let Some(field) = known_field(key) {
                    field.name.clone_into(&mut name);
                }
                Shape::of_field(key)
            }
            Shape::Learn => action_shape(key).unwrap_or(Shape::Word),
            _ => {
                let found = shape.keys().iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
                found.map(|(_, shape)| *shape).ok_or_else(|| word.error(suggest::argument(shape, key)))?
            }
        };
        path.push(name);
    }
    Ok(shape)
}

fn compare(node: Node<'_>, operator: Operator, operand: &Operand) -> bool {
    let number =
        |found: u128, wanted: Option<Set>| wanted.is_some_and(|wanted| Set::exactly(found).compare(operator, wanted));
    match node.view() {
        View::Number(found) => match node.shape() {
            Shape::Port => number(found, operand.port.map(|port| Set::exactly(port.into())).or(operand.number)),
            Shape::Table => number(found, operand.table.map(|table| Set::exactly(table.into())).or(operand.number)),
            _ => number(found, operand.number),
        },
        View::Masked { value, mask } => match (node.shape(), operand.number) {
            (Shape::Masked(bits), Some(wanted)) => {
                Set::new(value, mask).within(bits).compare(operator, wanted.within(bits))
            }
            _ => false,
        },
        View::Seconds(found) => match (found.parse::<f64>(), operand.seconds) {
            (Ok(found), Some(wanted)) => compare_seconds(found, operator, wanted),
            _ => false,
        },
        View::Text(found) => compare_text(&found, operator, operand),
        // A field stands where a number could: it compares as it is written.
        View::Object => {
            let field = node.text().split('[').next().unwrap_or_default();
            operator == Operator::Equal
                && [node.text(), field].iter().any(|name| name.eq_ignore_ascii_case(&operand.text))
        }
        View::Values => {
            let mut found = false;
            node.children(&mut |_, child| found = found || compare(child, operator, operand));
            found
        }
        View::True | View::Items => false,
    }
}

fn compare_seconds(found: f64, operator: Operator, wanted: f64) -> bool {
    match operator {
        Operator::Equal | Operator::Contains => found == wanted,
        Operator::NotEqual => found != wanted,
        Operator::Less => found < wanted,
        Operator::LessOrEqual => found <= wanted,
        Operator::Greater => found > wanted,
        Operator::GreaterOrEqual => found >= wanted,
    }
}

/// Addresses compare as sets, other text as it is; `~=` looks for a part of it.
fn compare_text(found: &str, operator: Operator, operand: &Operand) -> bool {
    let addresses = operand.address.and_then(|(field, wanted)| Some((address_of(field, found)?, wanted)));
    if let Some((found, wanted)) = addresses {
        return found.compare(operator, wanted);
    }
    match operator {
        Operator::Equal => found.eq_ignore_ascii_case(&operand.text),
        Operator::Contains => found.contains(&operand.text),
        _ => false,
    }
}
