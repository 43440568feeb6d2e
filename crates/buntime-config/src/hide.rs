//! What of a file must not turn up in a diagnostic: neither in a message nor in the line that is shown.
//!
//! Goes by the tree where there is one, values that could not be read among them, and by the text of the line besides:
//! what is broken badly enough is in no tree.

use std::sync::{LazyLock, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::Regex;

use crate::{
    lexer::SHORT,
    mask::{MASK, USERINFO, Under, counts_nothing, is_secret_name, url_secret},
    source::{SourceFile, TextRange},
    tree::{Data, Node, Place},
};

/// Shorter texts are not looked for in messages: they would turn up everywhere.
const SHORTEST: usize = 4;

/// The secrets of a file.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// Texts that no message may repeat.
    texts: Vec<String>,
    /// Finds them all in one pass, for there may be very many. Made when there is something to look through.
    finder: OnceLock<Option<AhoCorasick>>,
    /// Parts of the file that are not shown.
    ranges: Vec<TextRange>,
}

impl Secrets {
    /// Every text that stands under a secret key or came from a secret variable. `dropped` are members that are in no
    /// tree because their keys were there already.
    pub(crate) fn of<'n>(source: &SourceFile, roots: impl IntoIterator<Item = &'n Node>) -> Self {
        let mut secrets = Self::default();
        for root in roots {
            secrets.collect(source, root, Under::Plain, None);
        }
        // A message may cut a long text.
        let cut =
            secrets.texts.iter().filter_map(|text| text.char_indices().nth(SHORT).map(|(at, _)| text[..at].to_owned()));
        let cut: Vec<String> = cut.collect();
        secrets.texts.extend(cut);
        secrets.texts.retain(|text| text.len() >= SHORTEST);
        secrets.texts.sort();
        secrets.texts.dedup();
        secrets.ranges.sort();
        secrets
    }

    fn collect(&mut self, source: &SourceFile, node: &Node, under: Under, parent: Option<&str>) {
        let hidden = under == Under::Secret || node.tainted;
        match &node.data {
            Data::Text(text) if hidden => {
                self.texts.push(text.clone());
                self.hide(source, &node.place);
            }
            Data::Number(number) if under == Under::Secret && parent.is_none_or(counts_nothing) => {
                self.texts.push(number.to_string());
                self.hide(source, &node.place);
            }
            Data::Broken if hidden => self.hide(source, &node.place),
            Data::Text(text) => self.texts.extend(url_secret(text).map(str::to_owned)),
            Data::List(items) => items.iter().for_each(|item| self.collect(source, item, under, parent)),
            Data::Table(members) => {
                for member in members {
                    let below = under.inside().below(parent, &member.key);
                    self.collect(source, &member.value, below, Some(&member.key));
                }
            }
            _ => {}
        }
    }

    /// Hides what stands between the quotes, or all of what has none.
    fn hide(&mut self, source: &SourceFile, place: &Place) {
        let Place::File(range) = place else { return };
        let text = &source.text()[range.start..range.end];
        let inner = inner_of(text);
        if !is_reference(&text[inner.start..inner.end]) {
            self.texts.push(text[inner.start..inner.end].trim().to_owned());
            self.ranges.push(TextRange::new(range.start + inner.start, range.start + inner.end));
        }
    }

    fn finder(&self) -> Option<&AhoCorasick> {
        // Of a secret within another the longer one is found. The kind is the one that is made fastest.
        let make = || {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .kind(Some(AhoCorasickKind::NoncontiguousNFA))
                .build(&self.texts)
                .ok()
        };
        self.finder.get_or_init(|| if self.texts.is_empty() { None } else { make() }).as_ref()
    }

    /// Takes the secrets out of a message.
    pub(crate) fn scrub(&self, text: &mut String) {
        if let Some(finder) = self.finder().filter(|finder| finder.is_match(text.as_str())) {
            *text = finder.replace_all(text, &vec![MASK; self.texts.len()]);
        }
    }

    /// The parts of a line that are not shown, in order and apart from each other. `start` is where the line begins.
    pub(crate) fn hidden_in(&self, start: usize, line: &str) -> Vec<TextRange> {
        let end = start + line.len();
        let mut parts = hidden_parts(line);
        for range in self.ranges.iter().filter(|range| range.start < end && range.end > start) {
            parts.push(TextRange::new(range.start.max(start) - start, range.end.min(end) - start));
        }
        if let Some(finder) = self.finder() {
            parts.extend(finder.find_iter(line).map(|found| TextRange::new(found.start(), found.end())));
        }
        merge(parts)
    }
}

fn inner_of(literal: &str) -> TextRange {
    let quoted = |quote: char| literal.starts_with(quote);
    let start = usize::from(quoted('"') || quoted('\''));
    let closed = start == 1 && literal.len() > 1 && literal.ends_with(&literal[..1]);
    TextRange::new(start, literal.len() - usize::from(closed))
}

fn merge(mut parts: Vec<TextRange>) -> Vec<TextRange> {
    parts.retain(|part| part.end > part.start);
    parts.sort();
    let mut merged: Vec<TextRange> = Vec::new();
    for part in parts {
        match merged.last_mut() {
            Some(last) if part.start < last.end => last.end = last.end.max(part.end),
            _ => merged.push(part),
        }
    }
    merged
}

static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"["']?([A-Za-z0-9_$.-]+)["']?\s*[:=]\s*"#).ok());

/// The parts of a line that look secret by the text alone: what follows a secret key, and who a URL says one is.
pub(crate) fn hidden_parts(line: &str) -> Vec<TextRange> {
    let mut parts = Vec::new();
    for found in KEY.iter().flat_map(|regex| regex.captures_iter(line)) {
        let (Some(all), Some(key)) = (found.get(0), found.get(1)) else { continue };
        if is_secret_name(key.as_str()) || key.as_str() == "value" {
            parts.extend(value_at(line, all.end(), key.as_str()));
        }
    }
    for found in USERINFO.iter().flat_map(|regex| regex.captures_iter(line)) {
        parts.extend(found.get(1).map(|part| TextRange::new(part.start(), part.end())));
    }
    merge(parts)
}

/// The value that begins at `at`: to its quote, to what ends a word, or to the end of the list.
fn value_at(line: &str, at: usize, key: &str) -> Option<TextRange> {
    let rest = &line[at..];
    let first = rest.chars().next()?;
    let (start, end) = match first {
        '"' | '\'' => {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == first && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            (1, end.map_or(rest.len(), |end| end + 1))
        }
        '[' if rest[1..].trim_start().starts_with('{') => return None,
        '[' => (1, rest.find(']').unwrap_or(rest.len())),
        '{' | '}' | ']' | ',' => return None,
        _ => (0, rest.find([',', '}', ']']).unwrap_or(rest.len())),
    };
    let text = rest[start..end].trim_end();
    // `true` and a number that counts are no secrets, and `${NAME}` is a name, not what it stands for.
    let counts = text.parse::<f64>().is_ok() && !counts_nothing(key);
    let plain = counts || matches!(text, "true" | "false" | "null") || is_reference(text);
    (!plain).then(|| TextRange::new(at + start, at + start + text.len()))
}

/// `${NAME}` without a default.
fn is_reference(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let hidden =
            |line: &str| hidden_parts(line).iter().map(|p| line[p.start..p.end].to_owned()).collect::<Vec<_>>();
        assert_eq!(hidden(r#"  "token": "abc", "port": 1"#), ["abc"]);
        assert_eq!(hidden(r#"  "token": "abc"#), ["abc"]);
        assert_eq!(hidden(r#"  "token": "a\"bc" }"#), [r#"a\"bc"#]);
        assert_eq!(hidden("token: abc def, x"), ["abc def"]);
        assert_eq!(hidden(r#""token": "${X}", "keys": ["a", "b"] "#), [r#""a", "b""#]);
        assert_eq!(hidden(r#""providers": [{ "keys": [{ "value": "a", "name": "b" }] }]"#), ["a"]);
        assert_eq!(hidden(r#""url": "redis://u:p@h/""#), ["u:p"]);
        assert!(hidden(r#""name": "x", "maxTokens": 5, "credentials": true"#).is_empty());
    }
}
