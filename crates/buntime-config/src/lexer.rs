//! Tokens of JSONC with ranges, from jsonc-parser's scanner, which is started again behind what it cannot read.

use std::borrow::Cow;

use jsonc_parser::{Scanner, ScannerOptions, errors::ParseErrorKind, tokens::Token};

use crate::source::TextRange;

/// A token, or why there is none.
#[derive(Debug)]
pub(crate) enum Lexeme<'t> {
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Comma,
    Colon,
    Text(Cow<'t, str>),
    /// Letters without quotes.
    Word(&'t str),
    Bool(bool),
    Number(&'t str),
    Null,
    /// Something unreadable, what it is (`is not JSON`), and what to do about it.
    Bad(String, Option<String>),
    End,
}

pub(crate) struct Lexer<'t> {
    text: &'t str,
    scanner: Scanner<'t>,
    /// Where in the text the scanner was started.
    base: usize,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        // A byte order mark is no part of the text.
        let base = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, scanner: scanner(&text[base..]), base }
    }

    /// The next token that is no comment.
    pub(crate) fn next(&mut self) -> (Lexeme<'t>, TextRange) {
        loop {
            let scanned = self.scanner.scan();
            let range = TextRange::new(self.base + self.scanner.token_start(), self.base + self.scanner.token_end());
            let token = match scanned {
                Ok(Some(token)) => token,
                Ok(None) => return (Lexeme::End, TextRange::new(self.text.len(), self.text.len())),
                Err(error) => return self.bad(range.start, error.kind()),
            };
            let lexeme = match token {
                Token::CommentLine(_) | Token::CommentBlock(_) => continue,
                Token::OpenBrace => Lexeme::OpenBrace,
                Token::CloseBrace => Lexeme::CloseBrace,
                Token::OpenBracket => Lexeme::OpenBracket,
                Token::CloseBracket => Lexeme::CloseBracket,
                Token::Comma => Lexeme::Comma,
                Token::Colon => Lexeme::Colon,
                Token::String(_) if self.text[range.start..range.end].contains('\n') => {
                    return self.unclosed(range.start);
                }
                Token::String(text) => Lexeme::Text(text),
                Token::Word(word) => Lexeme::Word(word),
                Token::Boolean(value) => Lexeme::Bool(value),
                Token::Number(_) if self.goes_on(range.end) => return self.bad_number(range.start),
                Token::Number(number) => Lexeme::Number(number),
                Token::Null => Lexeme::Null,
            };
            return (lexeme, range);
        }
    }

    /// A string that its line does not close: a quote is missing, and the next one begins another string.
    fn unclosed(&mut self, start: usize) -> (Lexeme<'t>, TextRange) {
        let line = self.text[start..].lines().next().unwrap_or_default();
        let mut end = start + line.trim_end().len();
        if self.text[..end].ends_with(',') {
            end -= 1;
        }
        self.restart(end.max(start + 1));
        (
            Lexeme::Bad(
                "is a string that its line does not close".to_owned(),
                Some("add the missing quote".to_owned()),
            ),
            TextRange::new(start, end),
        )
    }

    fn bad(&mut self, start: usize, kind: &ParseErrorKind) -> (Lexeme<'t>, TextRange) {
        let (message, help, end) = match kind {
            ParseErrorKind::String(jsonc_parser::ParseStringErrorKind::UnterminatedStringLiteral) => {
                return self.unclosed(start);
            }
            ParseErrorKind::String(kind) => {
                let help = "in a string, `\\` begins an escape: write `\\\\` for a backslash".to_owned();
                (format!("is no string: {}", lower(&kind.to_string())), Some(help), self.string_end(start))
            }
            ParseErrorKind::UnterminatedCommentBlock => {
                ("is a comment that is never closed".to_owned(), Some("close it with `*/`".to_owned()), self.text.len())
            }
            ParseErrorKind::UnexpectedToken | ParseErrorKind::UnexpectedWord => {
                let end = self.word_end(start);
                let word = &self.text[start..end];
                let help =
                    word.starts_with(char::is_alphanumeric).then(|| "strings are written in double quotes".to_owned());
                ("is not JSON".to_owned(), help, end)
            }
            kind => {
                let end = self.word_end(start);
                (format!("is not JSON: {}", lower(&kind.to_string())), None, end)
            }
        };
        self.restart(end);
        (Lexeme::Bad(message, help), TextRange::new(start, end))
    }

    /// Do letters or digits follow at once? `1.2.3` and `10mb` are one mistake, not two values.
    fn goes_on(&self, end: usize) -> bool {
        self.text[end..].starts_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'))
    }

    fn bad_number(&mut self, start: usize) -> (Lexeme<'t>, TextRange) {
        let end = self.word_end(start);
        self.restart(end);
        let help = "write it as 42 or 0.5, and what has a unit in double quotes".to_owned();
        (Lexeme::Bad("is not a JSON number".to_owned(), Some(help)), TextRange::new(start, end))
    }

    fn restart(&mut self, offset: usize) {
        self.base = offset.min(self.text.len());
        self.scanner = scanner(&self.text[self.base..]);
    }

    /// Behind the closing quote of the string that begins at `start`, or the end of its line.
    fn string_end(&self, start: usize) -> usize {
        let line = self.text[start..].lines().next().unwrap_or_default();
        let mut chars = line.char_indices();
        let quote = chars.next().map(|(_, quote)| quote);
        while let Some((at, c)) = chars.next() {
            if c == '\\' {
                chars.next();
            } else if Some(c) == quote {
                return start + at + c.len_utf8();
            }
        }
        start + line.len()
    }

    /// Behind the letters and signs that begin at `start`; always at least one character.
    fn word_end(&self, start: usize) -> usize {
        let rest = &self.text[start..];
        let stop = |c: char| c.is_whitespace() || matches!(c, ',' | ':' | '{' | '}' | '[' | ']' | '"' | '\'');
        let first = rest.chars().next().map_or(0, char::len_utf8);
        start + rest[first..].find(stop).map_or(rest.len(), |at| at + first)
    }
}

fn scanner(text: &str) -> Scanner<'_> {
    // What JSONC does not have but people write is scanned and refused by the parser, which goes on behind it.
    Scanner::new(
        text,
        &ScannerOptions {
            allow_single_quoted_strings: true,
            allow_hexadecimal_numbers: true,
            allow_unary_plus_numbers: true,
            allow_bare_decimal_point_numbers: true,
            allow_non_finite_numbers: true,
            allow_extended_string_escapes: false,
        },
    )
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// No more characters of a text are repeated in a message.
pub(crate) const SHORT: usize = 40;

/// A word for a message, cut when it is long.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
