//! Reads JSONC into a tree with ranges, and goes on behind mistakes so that all of them are told at once.
//!
//! Limits: depth, number of values, number of mistakes. jsonc-parser's own parsers stop at the first mistake and keep
//! duplicate keys, hence this one on top of its scanner.

use std::collections::HashMap;

use serde_json::Number;

use crate::{
    diagnostics::Diagnostic,
    hide,
    lexer::{Lexeme, Lexer, short},
    source::{SourceFile, TextRange},
    suggest,
    tree::{Data, Member, Node, Place},
};

/// Objects and arrays may lie in each other so deep.
pub(crate) const DEPTH: usize = 128;
/// A file may hold so many values.
const VALUES: usize = 250_000;
/// Past so many mistakes the rest is not read.
const MISTAKES: usize = 50;

/// What was read.
pub(crate) struct Parsed {
    /// The value; `None` when there was none at all.
    pub(crate) root: Option<Node>,
    /// The mistakes.
    pub(crate) problems: Vec<Diagnostic>,
    /// Values that are in no tree because their keys were there already; their secrets are secrets too.
    pub(crate) dropped: Vec<Node>,
    /// Do the brackets fit? If not, values may hang in the wrong place, and judging them would mislead.
    pub(crate) sound: bool,
}

/// Reads a whole text.
pub(crate) fn parse(source: &SourceFile) -> Parsed {
    let mut lexer = Lexer::new(source.text());
    let ahead = lexer.next();
    let mut parser =
        Parser { source, lexer, ahead, behind: 0, values: 0, problems: Vec::new(), dropped: Vec::new(), sound: true };
    let root = match parser.ahead.0 {
        Lexeme::End => {
            parser.problems.push(empty(source.text()));
            None
        }
        _ => parser.value(0),
    };
    if root.is_some() && !parser.is_full() && !matches!(parser.ahead.0, Lexeme::End) {
        let range = parser.ahead.1;
        parser.report(range, "there is something behind the end of the configuration", Some("a file holds one object"));
        parser.sound = false;
    }
    Parsed { root, problems: parser.problems, dropped: parser.dropped, sound: parser.sound }
}

fn empty(text: &str) -> Diagnostic {
    let what = if text.trim().trim_start_matches('\u{feff}').is_empty() {
        "the file is empty"
    } else {
        "the file holds only comments"
    };
    Diagnostic::whole(what).help("write at least `{}`; `runner init` writes a commented starter file")
}

struct Parser<'t> {
    source: &'t SourceFile,
    lexer: Lexer<'t>,
    ahead: (Lexeme<'t>, TextRange),
    /// Where the token before `ahead` ended.
    behind: usize,
    values: usize,
    problems: Vec<Diagnostic>,
    dropped: Vec<Node>,
    sound: bool,
}

impl<'t> Parser<'t> {
    fn advance(&mut self) -> (Lexeme<'t>, TextRange) {
        let next = self.lexer.next();
        self.behind = self.ahead.1.end;
        std::mem::replace(&mut self.ahead, next)
    }

    fn report(&mut self, range: TextRange, message: impl Into<String>, help: Option<&str>) {
        let diagnostic = Diagnostic::syntax(range, message).maybe_help(help.map(str::to_owned));
        if !self.is_full() {
            self.problems.push(diagnostic);
        }
    }

    /// A piece of the text for a message, unless it may be a secret.
    fn quote(&self, range: TextRange) -> String {
        let (start, line) = self.source.line(self.source.position(range.start).line);
        let text = self.source.text()[range.start..range.end].lines().next().unwrap_or_default();
        let hidden = hide::hidden_parts(line);
        if hidden.iter().any(|part| start + part.start < range.end && range.start < start + part.end) {
            return "this".to_owned();
        }
        format!("`{}`", short(text))
    }

    fn is_full(&self) -> bool {
        self.problems.len() >= MISTAKES
    }

    /// Makes the rest of the text count as read.
    fn give_up(&mut self) {
        let end = self.source.text().len();
        self.ahead = (Lexeme::End, TextRange::new(end, end));
        self.lexer = Lexer::new("");
        self.sound = false;
    }

    /// Reads a value; `None` when there is none here, which the caller reports.
    fn value(&mut self, depth: usize) -> Option<Node> {
        if matches!(
            self.ahead.0,
            Lexeme::Comma | Lexeme::Colon | Lexeme::CloseBrace | Lexeme::CloseBracket | Lexeme::End
        ) {
            if depth > 0 {
                return None;
            }
            let range = self.ahead.1;
            self.report(range, "expected an object", Some("a configuration begins with `{`"));
            self.give_up();
            return None;
        }
        self.values += 1;
        if self.values > VALUES || self.is_full() {
            let range = self.ahead.1;
            if self.values > VALUES {
                self.report(range, format!("the file holds more than {VALUES} values"), None);
            }
            self.give_up();
            return Some(broken(range));
        }
        let (lexeme, range) = self.advance();
        let data = match lexeme {
            Lexeme::OpenBrace | Lexeme::OpenBracket if depth >= DEPTH => {
                self.report(range, format!("objects and arrays lie in each other more than {DEPTH} deep"), None);
                self.give_up();
                Data::Broken
            }
            Lexeme::OpenBrace => return Some(self.table(range, depth + 1)),
            Lexeme::OpenBracket => return Some(self.list(range, depth + 1)),
            Lexeme::Text(text) => {
                self.check_quotes(range);
                Data::Text(text.into_owned())
            }
            Lexeme::Bool(value) => Data::Bool(value),
            Lexeme::Null => Data::Null,
            Lexeme::Number(text) => self.number(text, range),
            Lexeme::Word(word) => self.word(word, range),
            Lexeme::Bad(message, help) => {
                self.report(range, format!("{} {message}", self.quote(range)), help.as_deref());
                // What reaches to the end has eaten the brackets; that they are missing is no second mistake.
                self.sound &= range.end < self.source.text().len();
                Data::Broken
            }
            Lexeme::Comma | Lexeme::Colon | Lexeme::CloseBrace | Lexeme::CloseBracket | Lexeme::End => Data::Broken,
        };
        Some(Node::new(Place::File(range), data))
    }

    fn check_quotes(&mut self, range: TextRange) {
        if self.source.text()[range.start..range.end].starts_with('\'') {
            self.report(range, "strings are written in double quotes", Some("replace `'` by `\"`"));
        }
    }

    fn number(&mut self, text: &str, range: TextRange) -> Data {
        // A number that is followed by letters was cut in two by the scanner.
        match serde_json::from_str::<Number>(text) {
            Ok(number) if number.as_f64().is_some_and(f64::is_finite) => Data::Number(number),
            _ => {
                self.report(
                    range,
                    format!("{} is not a JSON number", self.quote(range)),
                    Some("write it in decimal, such as 42 or 0.5"),
                );
                Data::Broken
            }
        }
    }

    fn word(&mut self, word: &str, range: TextRange) -> Data {
        let help = match suggest::closest(word, ["true", "false", "null"]) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "strings are written in double quotes".to_owned(),
        };
        self.report(range, format!("{} is not JSON", self.quote(range)), Some(&help));
        Data::Broken
    }

    fn list(&mut self, open: TextRange, depth: usize) -> Node {
        let mut items = Vec::new();
        let end = loop {
            match self.ahead.0 {
                Lexeme::CloseBracket => break self.advance().1.end,
                Lexeme::CloseBrace | Lexeme::End => break self.unclosed(open, "array", "]"),
                Lexeme::Comma => self.extra_comma(),
                Lexeme::Colon => {
                    let (_, range) = self.advance();
                    self.report(range, "an array has no keys", Some("use `{ }` for an object"));
                    // What stands here is an object in the wrong brackets; its keys are not values.
                    self.sound = false;
                }
                _ => {
                    items.extend(self.value(depth));
                    self.comma(&Lexeme::CloseBracket);
                }
            }
        };
        Node::new(Place::File(TextRange::new(open.start, end)), Data::List(items))
    }

    fn table(&mut self, open: TextRange, depth: usize) -> Node {
        let mut members: Vec<Member> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        let end = loop {
            match self.ahead.0 {
                Lexeme::CloseBrace => break self.advance().1.end,
                Lexeme::CloseBracket | Lexeme::End => break self.unclosed(open, "object", "}"),
                Lexeme::Comma => self.extra_comma(),
                Lexeme::OpenBrace | Lexeme::OpenBracket | Lexeme::Colon => {
                    let range = self.ahead.1;
                    self.report(range, "expected a key", Some("a member of an object is `\"key\": value`"));
                    if matches!(self.ahead.0, Lexeme::Colon) {
                        self.advance();
                    }
                    let _ = self.value(depth);
                    self.comma(&Lexeme::CloseBrace);
                }
                _ => {
                    if let Some(member) = self.member(depth) {
                        self.keep(member, &mut members, &mut seen);
                    }
                    self.comma(&Lexeme::CloseBrace);
                }
            }
        };
        Node::new(Place::File(TextRange::new(open.start, end)), Data::Table(members))
    }

    fn member(&mut self, depth: usize) -> Option<Member> {
        let (lexeme, range) = self.advance();
        let key = match lexeme {
            Lexeme::Text(key) => {
                self.check_quotes(range);
                Some(key.into_owned())
            }
            Lexeme::Bad(message, help) => {
                self.report(range, format!("{} {message}", self.quote(range)), help.as_deref());
                None
            }
            _ => {
                let word = &self.source.text()[range.start..range.end];
                self.report(range, "a key is written in double quotes", None);
                Some(word.to_owned())
            }
        };
        if matches!(self.ahead.0, Lexeme::Colon) {
            self.advance();
        } else if key.is_some() {
            self.report(TextRange::new(range.end, range.end), "expected `:` behind the key", None);
            if matches!(self.ahead.0, Lexeme::Text(_) | Lexeme::Word(_)) && self.ahead_begins_member() {
                return None;
            }
        }
        let value = self.value(depth).unwrap_or_else(|| {
            if key.is_some() {
                let at = TextRange::new(self.behind, self.behind);
                self.report(at, "expected a value behind the key", None);
            }
            broken(range)
        });
        key.map(|key| Member { key, key_place: Place::File(range), value })
    }

    /// Is the token ahead the key of another member? Then the value of this one is missing altogether.
    fn ahead_begins_member(&self) -> bool {
        self.source.text()[self.ahead.1.end..].trim_start().starts_with(':')
    }

    fn keep(&mut self, member: Member, members: &mut Vec<Member>, seen: &mut HashMap<String, usize>) {
        let Place::File(range) = member.key_place else { return };
        match seen.get(&member.key) {
            Some(&first) => {
                let line = self.source.position(first).line;
                let message = format!("the key `{}` is written twice", short(&member.key));
                self.report(range, message, Some(&format!("the first is on line {line}; remove one of them")));
                let place = member.value.place.clone();
                self.dropped.push(Node::new(place, Data::Table(vec![member])));
            }
            None => {
                seen.insert(member.key.clone(), range.start);
                members.push(member);
            }
        }
    }

    /// After a value: a comma, or the end of what it stands in.
    fn comma(&mut self, close: &Lexeme<'_>) {
        let is_close = std::mem::discriminant(&self.ahead.0) == std::mem::discriminant(close);
        match self.ahead.0 {
            _ if is_close => {}
            Lexeme::Comma => {
                self.advance();
            }
            // The caller reports what closes the wrong thing, and the colon.
            Lexeme::CloseBrace | Lexeme::CloseBracket | Lexeme::End | Lexeme::Colon => {}
            _ => self.report(TextRange::new(self.behind, self.behind), "expected a comma here", None),
        }
    }

    fn extra_comma(&mut self) {
        let (_, range) = self.advance();
        self.report(range, "there is nothing before this comma", Some("remove it"));
    }

    /// The end came, or a bracket that closes something else.
    fn unclosed(&mut self, open: TextRange, what: &str, close: &str) -> usize {
        let (line, range) = (self.source.position(open.start).line, self.ahead.1);
        if !self.sound {
            // One missing bracket makes all that enclose it look unclosed; the first says enough.
        } else if matches!(self.ahead.0, Lexeme::End) {
            self.report(open, format!("this {what} is never closed"), Some(&format!("add the missing `{close}`")));
        } else {
            let wrong = &self.source.text()[range.start..range.end];
            let message = format!("`{wrong}` cannot close the {what} that begins on line {line}");
            self.report(range, message, Some(&format!("write `{close}`")));
        }
        self.sound = false;
        if matches!(self.ahead.0, Lexeme::End) { range.end } else { self.advance().1.end }
    }
}

fn broken(range: TextRange) -> Node {
    Node::new(Place::File(range), Data::Broken)
}
