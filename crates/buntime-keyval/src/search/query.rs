//! Queries: words, "phrases", prefix*, field:word, AND, OR, NOT, parentheses.
//!
//! ```text
//! either  := all ("OR" all)*
//! all     := but ("AND" "NOT"? but)*
//! but     := run ("NOT" run)*
//! run     := one+                      each of them has to be there
//! one     := (field ":")? (word | "\"" text "\"" | "(" either ")") "*"?
//! ```
//! It is FTS5's language without `NEAR`, `^` and `+`, and says more: parentheses may stand in a run, and a word may be
//! anything that the tokenizer makes terms of: `foo-bar` is the phrase `"foo bar"`.

mod lex;

use self::lex::{Lexeme, Lexer};
use super::tokenize::tokens;
use crate::{Error, Result, Tokenizer, What, fields::FieldPath, within};

/// Bytes of a query.
pub(crate) const LONGEST: usize = 2000;
/// Terms of a query.
const MOST_TERMS: usize = 64;
/// Parentheses within parentheses.
const DEEPEST: usize = 32;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Leaf(Leaf),
    /// All of these, at least one, and none of those.
    And {
        all: Vec<Self>,
        not: Vec<Self>,
    },
    Or(Vec<Self>),
}

/// Terms that follow each other, one at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Only in that field, by its number.
    pub(crate) field: Option<u32>,
    pub(crate) terms: Vec<String>,
    /// Is the last of them the beginning of a term?
    pub(crate) prefix: bool,
}

/// Understands a query of an index with these fields.
///
/// # Errors
/// [`Error::Query`] with the place of what cannot be understood; [`Error::Limit`] for one that is too long.
pub(crate) fn parse(text: &str, fields: &[FieldPath], tokenizer: Tokenizer) -> Result<Node> {
    within(What::Query, text.len(), LONGEST)?;
    let mut parser = Parser { lexer: Lexer::new(text)?, fields, tokenizer, terms: 0, depth: 0 };
    let query = parser.either(None)?;
    if let Some((at, lexeme)) = parser.lexer.peek() {
        return Err(wrong(at, format!("there is nothing that this {lexeme} belongs to")));
    }
    query.ok_or_else(|| wrong(1, "there is no word in it"))
}

fn wrong(at: usize, words: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::Query { at, words: words.into() }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    fields: &'a [FieldPath],
    tokenizer: Tokenizer,
    terms: usize,
    depth: usize,
}

/// Words without a term, such as `&`, are nothing.
type Parsed = Result<Option<Node>>;

impl Parser<'_> {
    fn either(&mut self, field: Option<u32>) -> Parsed {
        let mut any = Vec::new();
        any.extend(self.all(field)?);
        while self.lexer.take(&Lexeme::Or) {
            any.extend(self.all(field)?);
        }
        Ok(if any.len() > 1 { Some(Node::Or(any)) } else { any.pop() })
    }

    fn all(&mut self, field: Option<u32>) -> Parsed {
        let (mut all, mut not) = (Vec::new(), Vec::new());
        let start = self.lexer.place();
        all.extend(self.but(field)?);
        while self.lexer.take(&Lexeme::And) {
            if self.lexer.take(&Lexeme::Not) {
                not.extend(self.run(field)?);
            } else {
                all.extend(self.but(field)?);
            }
        }
        join(all, not, start)
    }

    fn but(&mut self, field: Option<u32>) -> Parsed {
        let start = self.lexer.place();
        if matches!(self.lexer.peek(), Some((_, Lexeme::Not))) {
            return Err(wrong(start, "NOT needs something before it that is to be found, as in: red NOT wine"));
        }
        let (mut all, mut not) = (Vec::new(), Vec::new());
        all.extend(self.run(field)?);
        while self.lexer.take(&Lexeme::Not) {
            not.extend(self.run(field)?);
        }
        join(all, not, start)
    }

    fn run(&mut self, field: Option<u32>) -> Parsed {
        let mut all = Vec::new();
        let mut any = false;
        while matches!(self.lexer.peek(), Some((_, Lexeme::Open | Lexeme::Field(_) | Lexeme::Text { .. }))) {
            all.extend(self.one(field)?);
            any = true;
        }
        if any {
            return Ok(if all.len() > 1 { Some(Node::And { all, not: Vec::new() }) } else { all.pop() });
        }
        Err(match self.lexer.peek() {
            Some((at, lexeme)) => wrong(at, format!("a word is missing before this {lexeme}")),
            None if self.lexer.place() == 1 => wrong(1, "there is no word in it"),
            None => wrong(self.lexer.place(), "it ends where a word is missing"),
        })
    }

    fn one(&mut self, field: Option<u32>) -> Parsed {
        let Some((at, lexeme)) = self.lexer.next() else {
            return Err(wrong(self.lexer.place(), "it ends where a word is missing"));
        };
        match lexeme {
            Lexeme::Field(name) => {
                let named = self.field(at, name, field)?;
                if matches!(self.lexer.peek(), Some((_, Lexeme::Open | Lexeme::Text { .. } | Lexeme::Field(_)))) {
                    return self.one(Some(named));
                }
                Err(wrong(self.lexer.place(), format!("a word is missing behind `{name}:`")))
            }
            Lexeme::Open => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(wrong(at, format!("there are more than {DEEPEST} parentheses in each other")));
                }
                let inner = self.either(field)?;
                self.depth -= 1;
                if !self.lexer.take(&Lexeme::Close) {
                    return Err(wrong(at, "this parenthesis is not closed"));
                }
                Ok(inner)
            }
            Lexeme::Text { text, quoted, prefix } => self.leaf(at, &text, quoted, prefix, field),
            other => Err(wrong(at, format!("a word is missing before this {other}"))),
        }
    }

    fn field(&self, at: usize, name: &str, within: Option<u32>) -> Result<u32> {
        if within.is_some() {
            return Err(wrong(at, "there is a field within a field"));
        }
        let place = self.fields.iter().position(|field| field.as_str() == name).and_then(|at| u32::try_from(at).ok());
        place.ok_or_else(|| {
            let there: Vec<&str> = self.fields.iter().map(FieldPath::as_str).collect();
            let there = there.join(", ");
            wrong(at, format!("there is no field `{name}` among: {there}; text with a colon is written in quotes"))
        })
    }

    fn leaf(&mut self, at: usize, text: &str, quoted: bool, prefix: bool, field: Option<u32>) -> Parsed {
        let terms: Vec<String> = tokens(self.tokenizer, text).map(|token| token.term).collect();
        if terms.is_empty() {
            // In a field of its own, or in quotes, it was meant.
            return if quoted || prefix || field.is_some() {
                Err(wrong(at, "there is no word in this"))
            } else {
                Ok(None)
            };
        }
        self.terms += terms.len();
        if self.terms > MOST_TERMS {
            return Err(wrong(at, format!("there are more than {MOST_TERMS} words in it")));
        }
        Ok(Some(Node::Leaf(Leaf { field, terms, prefix })))
    }
}

/// All of these and none of those.
fn join(mut all: Vec<Node>, not: Vec<Node>, start: usize) -> Parsed {
    match (all.len(), not.is_empty()) {
        (0, true) => Ok(None),
        (0, false) => Err(wrong(start, "NOT needs something before it that is to be found, as in: red NOT wine")),
        (1, true) => Ok(all.pop()),
        _ => Ok(Some(Node::And { all, not })),
    }
}

#[cfg(test)]
mod tests;
