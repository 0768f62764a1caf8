//! Filters on flows, in a language that contains ovs-flowviz's (`ovs-flowviz(8)`, "Filtering syntax");
//! `docs/OFCTL-DUMP.md` defines it.
//!
//! A filter is parsed once, its names and values resolved once. A flow is then tested on the bytes of its match,
//! and only where the filter asks for actions are these printed, into memory that the next flow uses again.

mod action;
mod compare;
mod field;
mod info;
mod lex;
pub(super) mod suggest;
#[cfg(test)]
mod tests;

use action::ActionTest;
use field::FieldTest;
use info::InfoTest;
use lex::{Lexer, Token, Word};

use crate::flow::parse::Lookup;
use crate::flow::text::{Numbers, Printer};
use crate::openflow::{DecodeError, FlowStats, Reader};

/// Why a text is no filter.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("filter, column {column}: found {found}, expected {expected}")]
pub struct FilterError {
    /// Where, in bytes from 1.
    pub column: usize,
    /// What stands there.
    pub found: String,
    /// What could stand there, or what to type instead.
    pub expected: String,
}

/// Which flows to take.
#[derive(Debug)]
pub struct Filter(Expression);

#[derive(Debug)]
enum Expression {
    Info(InfoTest),
    Field(FieldTest),
    Action(ActionTest),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

/// Memory that testing a flow needs; the next flow uses it again.
#[derive(Debug, Default)]
pub struct Scratch {
    actions: Vec<u8>,
    printed: bool,
}

impl Scratch {
    /// The flow's actions as text.
    fn actions(&mut self, flow: &FlowStats<'_>) -> Result<&str, DecodeError> {
        if !self.printed {
            self.actions.clear();
            let reader = Reader::at(flow.instructions, flow.instructions_offset);
            Printer::new(&Numbers).instructions(reader, &mut self.actions)?;
            self.printed = true;
        }
        Ok(std::str::from_utf8(&self.actions).unwrap_or_default())
    }
}

impl Filter {
    /// Reads a filter; `names` are those of the switch whose flows it will see.
    pub fn parse(text: &str, names: &dyn Lookup) -> Result<Self, FilterError> {
        let mut parser = Parser { lexer: Lexer::new(text), names, depth: 0 };
        let expression = parser.any()?;
        match parser.lexer.next()? {
            (Token::End, _) => Ok(Self(expression)),
            (_, word) => Err(word.error("&& or || between two conditions, or the end")),
        }
    }

    /// True if the flow is to be taken. Errors: instructions that cannot be read, if the filter asks for actions.
    pub fn matches(&self, flow: &FlowStats<'_>, scratch: &mut Scratch) -> Result<bool, DecodeError> {
        scratch.printed = false;
        self.0.holds(flow, scratch)
    }
}

impl Expression {
    fn holds(&self, flow: &FlowStats<'_>, scratch: &mut Scratch) -> Result<bool, DecodeError> {
        Ok(match self {
            Self::Info(test) => test.holds(flow),
            Self::Field(test) => test.holds(flow.match_tlvs),
            Self::Action(test) => test.holds(scratch.actions(flow)?),
            Self::Not(inner) => !inner.holds(flow, scratch)?,
            Self::All(parts) => {
                for part in parts {
                    if !part.holds(flow, scratch)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Any(parts) => {
                for part in parts {
                    if part.holds(flow, scratch)? {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

/// What stands between a key and a value. `!=` is `!` before an equality.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    Equal,
    NotEqual,
    Contains,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Deepest nesting of parentheses and `!`.
const MAX_DEPTH: usize = 100;

struct Parser<'t, 'n> {
    lexer: Lexer<'t>,
    names: &'n dyn Lookup,
    depth: usize,
}

impl<'t> Parser<'t, '_> {
    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all()?];
        while self.lexer.take(Token::Or)? {
            parts.push(self.all()?);
        }
        Ok(joined(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.condition()?];
        while self.lexer.take(Token::And)? {
            parts.push(self.condition()?);
        }
        Ok(joined(parts, Expression::All))
    }

    fn condition(&mut self) -> Result<Expression, FilterError> {
        let (token, word) = self.lexer.next()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(word.error("no more than 100 parentheses and ! within each other"));
        }
        let condition = match token {
            Token::Not => self.condition()?.not(),
            Token::Open => {
                let inner = self.any()?;
                let (token, word) = self.lexer.next()?;
                if token != Token::Close {
                    return Err(word.error("&&, || or a closing parenthesis"));
                }
                inner
            }
            Token::Word => self.comparison(word)?,
            _ => return Err(word.error("a condition, such as n_packets>0, drop or nw_src~=10.0.0.0/8")),
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn comparison(&mut self, key: Word<'t>) -> Result<Expression, FilterError> {
        let Some(operator) = self.lexer.operator()? else { return self.test(key, None) };
        let (token, value) = self.lexer.next()?;
        if token != Token::Word {
            return Err(value.error("a value; in quotes if it is not one word"));
        }
        match (operator, value.text) {
            (Operator::NotEqual, _) => Ok(self.test(key, Some((Operator::Equal, value)))?.not()),
            (Operator::Equal, "false") => Ok(self.test(key, None)?.not()),
            (Operator::Equal, "true") => self.test(key, None),
            _ => self.test(key, Some((operator, value))),
        }
    }

    /// `None` for the comparison: the key alone.
    fn test(&self, key: Word<'t>, comparison: Option<(Operator, Word<'t>)>) -> Result<Expression, FilterError> {
        if let Some(test) = InfoTest::new(key, comparison, self.names)? {
            return Ok(Expression::Info(test));
        }
        if let Some(test) = FieldTest::new(key, comparison, self.names)? {
            return Ok(Expression::Field(test));
        }
        if let Some(test) = ActionTest::new(key, comparison, self.names)? {
            return Ok(Expression::Action(test));
        }
        Err(key.error(suggest::expected(key.text)))
    }
}

fn joined(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}
