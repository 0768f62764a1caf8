//! Words and signs of a filter.

use super::{FilterError, Operator};

/// What the next piece of the text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token {
    Open,
    Close,
    Not,
    And,
    Or,
    /// A key or a value.
    Word,
    /// An operator, or a character that has no meaning here.
    Sign,
    End,
}

/// A piece of the text that knows where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word<'t> {
    pub(super) text: &'t str,
    /// Bytes of the whole filter before it.
    pub(super) at: usize,
}

impl Word<'_> {
    pub(super) fn error(&self, expected: impl Into<String>) -> FilterError {
        let found = if self.text.is_empty() { "the end".to_owned() } else { format!("\"{}\"", self.text) };
        FilterError { column: self.at + 1, found, expected: expected.into() }
    }
}

const OPERATORS: [(&str, Operator); 7] = [
    ("~=", Operator::Contains),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// Cuts a filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn cut(&mut self, length: usize) -> Word<'t> {
        let word = Word { text: self.rest().get(..length).unwrap_or_default(), at: self.at };
        self.at += length;
        word
    }

    /// Takes the next piece. Errors: a quote that nothing closes.
    pub(super) fn next(&mut self) -> Result<(Token, Word<'t>), FilterError> {
        self.skip_blanks();
        let rest = self.rest();
        let signs = [("&&", Token::And), ("||", Token::Or), ("(", Token::Open), (")", Token::Close), ("!", Token::Not)];
        if let Some((sign, token)) = signs.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
            return Ok((token, self.cut(sign.len())));
        }
        if rest.starts_with('"') {
            return Ok((Token::Word, self.quoted()?));
        }
        let word = self.cut(word_len(rest));
        Ok(match word.text {
            "" => match rest.chars().next() {
                None => (Token::End, word),
                Some(sign) => (Token::Sign, self.cut(sign.len_utf8())),
            },
            "and" => (Token::And, word),
            "or" => (Token::Or, word),
            "not" => (Token::Not, word),
            _ => (Token::Word, word),
        })
    }

    /// The text between two quotes, which holds no quote.
    fn quoted(&mut self) -> Result<Word<'t>, FilterError> {
        let start = self.cut(1);
        let length = self.rest().find('"').ok_or_else(|| start.error("a second quote behind it"))?;
        let word = self.cut(length);
        self.at += 1;
        Ok(word)
    }

    /// Takes the next piece if it is `token`.
    pub(super) fn take(&mut self, token: Token) -> Result<bool, FilterError> {
        let mut ahead = *self;
        let found = ahead.next()?.0 == token;
        if found {
            *self = ahead;
        }
        Ok(found)
    }

    /// Takes an operator, if one is next. Errors: what looks like one of another language.
    pub(super) fn operator(&mut self) -> Result<Option<Operator>, FilterError> {
        self.skip_blanks();
        let rest = self.rest();
        let Some((sign, operator)) = OPERATORS.into_iter().find(|(sign, _)| rest.starts_with(sign)) else {
            return Ok(None);
        };
        let word = self.cut(sign.len());
        match self.rest().chars().next() {
            Some(sign @ ('=' | '~' | '<' | '>')) => {
                let found = Word { text: &rest[..word.text.len() + sign.len_utf8()], at: word.at };
                Err(found.error("=, !=, ~=, <, <=, > or >="))
            }
            _ => Ok(Some(operator)),
        }
    }
}

/// A word ends at a blank, a parenthesis or an operator; a single `|` stands between flags.
fn word_len(text: &str) -> usize {
    let ends = |at: usize, c: char| match c {
        '(' | ')' | '&' | '!' | '=' | '<' | '>' | '~' | ',' | '"' => true,
        '|' => text[at..].starts_with("||"),
        _ => c.is_whitespace(),
    };
    text.char_indices().find(|&(at, c)| ends(at, c)).map_or(text.len(), |(at, _)| at)
}
