//! The words and signs of a query.

use std::{borrow::Cow, fmt, iter::Peekable, vec};

use super::wrong;
use crate::Result;

/// A word or sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lexeme<'a> {
    Open,
    Close,
    And,
    Or,
    Not,
    /// A word with a colon behind it.
    Field(&'a str),
    Text {
        text: Cow<'a, str>,
        quoted: bool,
        /// Is there a star behind it?
        prefix: bool,
    },
}

impl fmt::Display for Lexeme<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "opening parenthesis",
            Self::Close => "closing parenthesis",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Not => "NOT",
            Self::Field(_) => "field",
            Self::Text { .. } => "word",
        })
    }
}

/// All of a query, with the number of the character at which each begins, from 1.
pub(super) struct Lexer<'a> {
    rest: Peekable<vec::IntoIter<(usize, Lexeme<'a>)>>,
    end: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self> {
        let mut all = Vec::new();
        let mut cursor = Cursor { rest: text, at: 1 };
        while let Some((at, lexeme)) = cursor.lexeme()? {
            all.push((at, lexeme));
        }
        Ok(Self { rest: all.into_iter().peekable(), end: cursor.at })
    }

    pub(super) fn peek(&mut self) -> Option<(usize, Lexeme<'a>)> {
        self.rest.peek().cloned()
    }

    pub(super) fn next(&mut self) -> Option<(usize, Lexeme<'a>)> {
        self.rest.next()
    }

    pub(super) fn take(&mut self, wanted: &Lexeme<'_>) -> bool {
        self.rest.next_if(|(_, lexeme)| lexeme == wanted).is_some()
    }

    /// Where the next one begins, or the query ends.
    pub(super) fn place(&mut self) -> usize {
        self.rest.peek().map_or(self.end, |(at, _)| *at)
    }
}

struct Cursor<'a> {
    rest: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// So many bytes, which are a whole number of characters.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.at += taken.chars().count();
        taken
    }

    fn lexeme(&mut self) -> Result<Option<(usize, Lexeme<'a>)>> {
        let blank = self.rest.find(|c: char| !c.is_whitespace()).unwrap_or(self.rest.len());
        self.take(blank);
        let at = self.at;
        let lexeme = match self.rest.chars().next() {
            None => return Ok(None),
            Some('(') => {
                self.take(1);
                Lexeme::Open
            }
            Some(')') => {
                self.take(1);
                Lexeme::Close
            }
            Some('"') => self.quoted(at)?,
            Some('*') => return Err(wrong(at, "a star stands directly behind a word or a closing quote")),
            Some(':') => return Err(wrong(at, "a colon stands directly behind the name of a field")),
            Some('^' | '+') => {
                return Err(wrong(at, "neither ^ nor + is understood; write words with signs in quotes"));
            }
            Some(_) => self.word(at)?,
        };
        Ok(Some((at, lexeme)))
    }

    fn quoted(&mut self, at: usize) -> Result<Lexeme<'a>> {
        self.take(1);
        let mut from = 0;
        loop {
            let Some(end) = self.rest.get(from..).and_then(|rest| rest.find('"')).map(|end| from + end) else {
                return Err(wrong(at, "this quote is not closed"));
            };
            // Two of them are one that belongs to the text.
            if self.rest.get(end + 1..).is_some_and(|rest| rest.starts_with('"')) {
                from = end + 2;
                continue;
            }
            let text = self.take(end);
            self.take(1);
            let text = if from == 0 { Cow::Borrowed(text) } else { Cow::Owned(text.replace("\"\"", "\"")) };
            return Ok(Lexeme::Text { text, quoted: true, prefix: self.star() });
        }
    }

    fn word(&mut self, at: usize) -> Result<Lexeme<'a>> {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '(' | ')' | ':' | '*');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let word = self.take(end);
        if self.rest.starts_with(':') {
            self.take(1);
            return Ok(Lexeme::Field(word));
        }
        let prefix = self.star();
        Ok(match word {
            "AND" if !prefix => Lexeme::And,
            "OR" if !prefix => Lexeme::Or,
            "NOT" if !prefix => Lexeme::Not,
            "NEAR" if self.rest.starts_with('(') => return Err(wrong(at, "NEAR is not understood")),
            _ => Lexeme::Text { text: word.into(), quoted: false, prefix },
        })
    }

    fn star(&mut self) -> bool {
        let star = self.rest.starts_with('*');
        if star {
            self.take(1);
        }
        star
    }
}
