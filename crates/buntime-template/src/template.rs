//! A text with placeholders.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{
    source::{BadName, Known, Source, quoted},
    view::View,
};

/// What is not encoded in a part of a URL.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Longer texts are not filled in: they end before this, in bytes.
const LONGEST: usize = 1 << 20;

/// A text that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Fill { source: Source, other: Option<String> },
}

/// A text that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// A placeholder does not end.
    #[error("a `{0}` is never closed; write `{{{{'{0}'}}}}` for the text itself")]
    Open(&'static str),
    /// A placeholder names nothing.
    #[error(transparent)]
    Name(#[from] BadName),
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// A placeholder in it means nothing here.
    pub fn new(text: &str, known: &Known) -> Result<Self, BadTemplate> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((at, opens, closes)) = next(rest) {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            let inner = &rest[at + opens.len()..];
            let end = end_of(inner, closes).ok_or(BadTemplate::Open(opens))?;
            let (name, other) = match split_other(&inner[..end]) {
                Some((name, other)) => (name, Some(other)),
                None => (&inner[..end], None),
            };
            let other = other.map(|other| quoted(other.trim()).unwrap_or(other.trim()).to_owned());
            parts.push(Part::Fill { source: Source::new(name.trim(), known)?, other });
            rest = &inner[end + closes.len()..];
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The text, if it has no placeholder.
    pub fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// What it names.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.0.iter().filter_map(|part| match part {
            Part::Fill { source, .. } => Some(source),
            Part::Text(_) => None,
        })
    }

    /// Does it look into the body?
    pub fn reads_body(&self) -> bool {
        self.sources().any(|source| matches!(source, Source::Body(_)))
    }

    /// The text with every value filled in; `None` when one is not there, or the text would be longer than 1 MiB.
    pub fn text<'t>(&'t self, view: &View<'t>) -> Option<Cow<'t, str>> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text.into()),
            [Part::Fill { source, other }] => view.text(source).or_else(|| other.as_deref().map(Cow::Borrowed)),
            _ => self.joined(view, |_, text| text).map(Cow::Owned),
        }
    }

    /// The text with every value filled in as one part of a URL: encoded, but for those that come from one already.
    pub fn encoded(&self, view: &View<'_>) -> Option<String> {
        self.joined(view, |source, text| match source {
            Source::Path | Source::Segment(_) | Source::WholeQuery | Source::Capture(_) | Source::NamedCapture(_) => {
                text
            }
            _ => Cow::Owned(utf8_percent_encode(&text, UNRESERVED).to_string()),
        })
    }

    /// The text as JSON: one placeholder alone keeps the kind of its value.
    pub fn value(&self, view: &View<'_>) -> Option<Value> {
        if let [Part::Fill { source, other }] = self.0.as_slice() {
            return view.value(source).or_else(|| other.clone().map(Value::String));
        }
        self.text(view).map(|text| Value::String(text.into_owned()))
    }

    fn joined<'v>(&'v self, view: &View<'v>, shape: impl Fn(&Source, Cow<'v, str>) -> Cow<'v, str>) -> Option<String> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Fill { source, other } => {
                    let text = view.text(source).or_else(|| other.as_deref().map(Cow::Borrowed))?;
                    out.push_str(&shape(source, text));
                }
            }
            if out.len() > LONGEST {
                return None;
            }
        }
        Some(out)
    }
}

/// Where the next placeholder begins, and how it opens and closes.
fn next(text: &str) -> Option<(usize, &'static str, &'static str)> {
    let dollar = text.find("${").map(|at| (at, "${", "}"));
    let braces = text.find("{{").map(|at| (at, "{{", "}}"));
    // `${{` opens with its first two.
    dollar.into_iter().chain(braces).min_by_key(|(at, ..)| *at)
}

/// Where a placeholder ends; not within quotes.
fn end_of(inner: &str, closes: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in inner.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if inner[at..].starts_with(closes) => return Some(at),
            None if c == '\'' || c == '"' => quote = Some(c),
            None => {}
        }
    }
    None
}

/// The name, and what stands in for it.
fn split_other(inner: &str) -> Option<(&str, &str)> {
    if quoted(inner.trim()).is_some_and(|text| !text.contains(['\'', '"'])) {
        return None;
    }
    inner.split_once("??")
}
