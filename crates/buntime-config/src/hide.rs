//! What of a file must not turn up in a diagnostic: neither in a message nor in the line that is shown.
//!
//! Goes by the tree where there is one, values that could not be read among them, and by the text of the line besides:
//! what is broken badly enough is in no tree.

use std::{
    collections::{BTreeMap, HashSet},
    sync::LazyLock,
};

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
    /// Texts that no message may repeat, by their length: there may be very many, but of few lengths.
    texts: BTreeMap<usize, HashSet<String>>,
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
        secrets.ranges.sort();
        secrets
    }

    fn collect(&mut self, source: &SourceFile, node: &Node, under: Under, parent: Option<&str>) {
        let hidden = under == Under::Secret || node.tainted;
        match &node.data {
            Data::Text(text) if hidden => {
                self.add(text);
                self.hide(source, &node.place);
            }
            Data::Number(number) if under == Under::Secret && parent.is_none_or(counts_nothing) => {
                self.add(&number.to_string());
                self.hide(source, &node.place);
            }
            Data::Broken if hidden => self.hide(source, &node.place),
            Data::Text(text) => url_secret(text).into_iter().for_each(|text| self.add(text)),
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

    fn add(&mut self, text: &str) {
        // A message may cut a long text.
        let cut = text.char_indices().nth(SHORT).map(|(at, _)| &text[..at]);
        for text in [Some(text), cut].into_iter().flatten().filter(|text| text.len() >= SHORTEST) {
            self.texts.entry(text.len()).or_default().insert(text.to_owned());
        }
    }

    /// Hides what stands between the quotes, or all of what has none.
    fn hide(&mut self, source: &SourceFile, place: &Place) {
        let Place::File(range) = place else { return };
        let text = &source.text()[range.start..range.end];
        let inner = inner_of(text);
        if !is_reference(&text[inner.start..inner.end]) {
            self.add(text[inner.start..inner.end].trim());
            self.ranges.push(TextRange::new(range.start + inner.start, range.start + inner.end));
        }
    }

    /// Where secrets stand in a text; of two that begin at one place the longer.
    pub(crate) fn find(&self, text: &str) -> Vec<TextRange> {
        let mut found = Vec::new();
        let mut behind = 0;
        for (at, _) in text.char_indices().filter(|_| !self.texts.is_empty()) {
            let is_secret = |length: usize| {
                let part = text.get(at..at + length)?;
                self.texts.get(&length)?.contains(part).then(|| TextRange::new(at, at + length))
            };
            if at >= behind
                && let Some(range) = self.texts.keys().rev().find_map(|length| is_secret(*length))
            {
                behind = range.end;
                found.push(range);
            }
        }
        found
    }

    /// Takes the secrets out of a message.
    pub(crate) fn scrub(&self, text: &mut String) {
        for range in self.find(text).into_iter().rev() {
            text.replace_range(range.start..range.end, MASK);
        }
    }

    /// The parts of a line that are not shown because of where they stand, in order and apart from each other. `start` is
    /// where the line begins.
    pub(crate) fn hidden_in(&self, start: usize, line: &str) -> Vec<TextRange> {
        let end = start + line.len();
        let mut parts = hidden_parts(line);
        for range in self.ranges.iter().filter(|range| range.start < end && range.end > start) {
            parts.push(TextRange::new(range.start.max(start) - start, range.end.min(end) - start));
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

pub(crate) fn merge(mut parts: Vec<TextRange>) -> Vec<TextRange> {
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
