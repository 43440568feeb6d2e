//! Problems with a place: what is wrong, where, and what to do. Printing is in [`crate::render`].

use std::{fmt, sync::Arc};

use serde_json::{Value, json};

use crate::{
    hide::Secrets,
    render,
    source::{SourceFile, TextRange},
    tree::{Path, Place},
};

/// At most so many problems are kept; past them only their number is told.
const MOST: usize = 100;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing starts.
    Error,
    /// It starts, but probably not as meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A problem at a value named by a JSON pointer, as code that knows no file reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The JSON pointer of the value, such as `/plugins/0/1/rules`.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// An error at the value that `pointer` names.
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, pointer: pointer.into(), message: message.into(), help: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

/// A problem and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where; `None` when it is about the file as a whole.
    pub place: Option<Place>,
    /// The JSON pointer of the value, empty when there is none.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn error(place: &Place, path: &Path, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place: Some(place.clone()),
            path: path.as_str().to_owned(),
            message: message.into(),
            help: None,
        }
    }

    /// An error in the text, before there are values.
    pub(crate) fn syntax(range: TextRange, message: impl Into<String>) -> Self {
        Self::error(&Place::File(range), &Path::default(), message)
    }

    /// An error about the file as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place: None, path: String::new(), message: message.into(), help: None }
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    #[must_use]
    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    fn order(&self) -> (usize, Severity, usize) {
        match &self.place {
            Some(Place::File(range)) => (1, Severity::Error, range.start),
            Some(Place::Outside(_)) => (2, self.severity, 0),
            None => (0, self.severity, 0),
        }
    }
}

/// Every problem of one configuration, in the order of the file. Prints all of them, each with its line and a caret.
#[derive(Clone)]
pub struct Diagnostics {
    source: Arc<SourceFile>,
    secrets: Arc<Secrets>,
    items: Vec<Diagnostic>,
    left_out: usize,
}

impl Diagnostics {
    pub(crate) fn new(source: Arc<SourceFile>, mut items: Vec<Diagnostic>, secrets: Arc<Secrets>) -> Self {
        items.sort_by_key(Diagnostic::order);
        items.dedup();
        let left_out = items.len().saturating_sub(MOST);
        items.truncate(MOST);
        for item in &mut items {
            secrets.scrub(&mut item.message);
            if let Some(help) = &mut item.help {
                secrets.scrub(help);
            }
        }
        Self { source, secrets, items, left_out }
    }

    /// Is there nothing to tell?
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len() + self.left_out
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter()
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// How many were not kept.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }

    /// For a person: each with `file:line:column`, the line, a caret and what to do; with ANSI colours when asked.
    pub fn render(&self, colour: bool) -> String {
        render::render(self, &self.source, &self.secrets, colour)
    }

    /// For a program: `{ severity, file, line, column, message, help, path }` each. What does not stand in the file has
    /// no line and column, and its `file` says where it comes from.
    pub fn to_json(&self) -> Value {
        self.items.iter().map(|item| self.item_json(item)).collect()
    }

    fn item_json(&self, item: &Diagnostic) -> Value {
        let (file, position) = match &item.place {
            Some(Place::File(range)) => (self.source.name(), Some(self.source.position(range.start))),
            Some(Place::Outside(label)) => (&**label, None),
            None => (self.source.name(), None),
        };
        json!({
            "severity": item.severity.as_str(),
            "file": file,
            "line": position.map(|p| p.line),
            "column": position.map(|p| p.column),
            "message": item.message,
            "help": item.help,
            "path": item.path,
        })
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// As printed: an error that is shown with `{:?}` should be as readable, and hide as much.
impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Diagnostics {}
