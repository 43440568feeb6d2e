//! Changes of a body, as a document.

use buntime_content::{Format, pointer::Pointer, xml};
use buntime_core::SettingsProblem;
use buntime_template::{JsonTemplate, Known, View, shown};
use serde_json::Value;

use crate::{
    config::{BodySettings, FormatName, KindName, OperationSettings},
    content::Document,
    failure::Failure,
};

const MOST_OPERATIONS: usize = 100;

/// The changes of a rule.
#[derive(Debug)]
pub(crate) struct BodyEdit {
    template: Option<JsonTemplate>,
    operations: Vec<Operation>,
    format: Option<Format>,
    root: Option<String>,
}

#[derive(Debug)]
enum Operation {
    Set(Pointer, JsonTemplate),
    Remove(Pointer),
    Move(Pointer, Pointer),
    Copy(Pointer, Pointer),
    Rename(Pointer, String),
    Cast(Pointer, KindName),
}

impl BodyEdit {
    /// Reads them; `at` is where they stand.
    pub(crate) fn new(settings: &BodySettings, known: &Known, at: &str, problems: &mut Vec<SettingsProblem>) -> Self {
        if let Some(root) = &settings.root {
            let place = format!("{at}/root");
            if settings.format != Some(FormatName::Xml) {
                let problem = SettingsProblem::new(place, "only XML has a root element");
                problems.push(problem.with_help("write `format: \"xml\"` beside it, or leave it out"));
            } else if !xml::is_name(root) {
                problems.push(SettingsProblem::new(place, format!("`{root}` is no name of an element")));
            }
        }
        if settings.operations.len() > MOST_OPERATIONS {
            let problem = SettingsProblem::new(format!("{at}/operations"), "these are too many");
            problems.push(problem.with_help(format!("write at most {MOST_OPERATIONS}, or a `template`")));
        }
        let template = settings.template.as_ref().and_then(|value| {
            let read = JsonTemplate::new(value, known, &format!("{at}/template"));
            read.map_err(|found| problems.extend(found)).ok()
        });
        let operations = settings.operations.iter().enumerate();
        let operations = operations.filter_map(|(index, settings)| {
            Operation::new(settings, known, &format!("{at}/operations/{index}"), problems)
        });
        Self {
            operations: operations.collect(),
            template,
            format: settings.format.map(|name| match name {
                FormatName::Json => Format::Json,
                FormatName::Form => Format::Form,
                FormatName::Xml => Format::Xml,
            }),
            root: settings.root.clone(),
        }
    }

    /// Does it need the body as it came?
    pub(crate) fn reads_body(&self) -> bool {
        self.template.as_ref().is_none_or(JsonTemplate::reads_body)
    }

    /// A new document in place of a body that nobody looks into.
    pub(crate) fn fresh(&self) -> Document {
        Document::new(Value::Null, self.format.unwrap_or(Format::Json))
    }

    /// Changes a document.
    ///
    /// # Errors
    /// Something does not fit where it should go.
    pub(crate) fn apply(&self, document: &mut Document, view: &View<'_>) -> Result<(), Failure> {
        if let Some(template) = &self.template {
            document.value = template.value(&view.body(Some(&document.value))).unwrap_or_default();
            document.changed = true;
        }
        for operation in &self.operations {
            document.changed |= operation.apply(&mut document.value, view)?;
        }
        if let Some(format) = self.format {
            document.changed |= format != document.format || self.root.is_some();
            document.format = format;
        }
        if self.root.is_some() {
            document.root.clone_from(&self.root);
        }
        document.settle()
    }
}

impl Operation {
    fn new(settings: &OperationSettings, known: &Known, at: &str, problems: &mut Vec<SettingsProblem>) -> Option<Self> {
        let mut pointer = |key: &str, text: &str| match Pointer::new(text) {
            Ok(pointer) => Some(pointer),
            Err(bad) => {
                let why = format!("`{text}` is no JSON Pointer: {bad}");
                problems.push(SettingsProblem::new(format!("{at}/{key}"), why));
                None
            }
        };
        Some(match settings {
            OperationSettings::Set { path, value } => {
                let path = pointer("path", path);
                let value = JsonTemplate::new(value, known, &format!("{at}/value"));
                let value = value.map_err(|found| problems.extend(found)).ok();
                Self::Set(path?, value?)
            }
            OperationSettings::Remove { path } => Self::Remove(pointer("path", path)?),
            OperationSettings::Move { from, path } => {
                let (from, to) = pointer("from", from).zip(pointer("path", path))?;
                Self::Move(from, outside(&to, &settings_from(settings), at, problems)?)
            }
            OperationSettings::Copy { from, path } => {
                let (from, to) = pointer("from", from).zip(pointer("path", path))?;
                Self::Copy(from, outside(&to, &settings_from(settings), at, problems)?)
            }
            OperationSettings::Rename { path, to } => {
                let whole = path.is_empty();
                let read = pointer("path", path)?;
                if whole {
                    problems.push(SettingsProblem::new(format!("{at}/path"), "the whole has no name"));
                }
                Self::Rename(read, to.clone())
            }
            OperationSettings::Cast { path, to } => Self::Cast(pointer("path", path)?, *to),
        })
    }

    /// Makes the change; answers whether there was something to change. What is not there is left alone.
    fn apply(&self, document: &mut Value, view: &View<'_>) -> Result<bool, Failure> {
        let put = |document: &mut Value, place: &Pointer, value: Value| {
            place
                .set(document, value)
                .map(|()| true)
                .map_err(|bad| Failure::Other(format!("nothing can be put at `{place}`: {bad}")))
        };
        match self {
            Self::Set(place, template) => match template.value(&view.body(Some(document))) {
                Some(value) => put(document, place, value),
                None => Ok(false),
            },
            Self::Remove(place) => Ok(place.remove(document).is_some()),
            Self::Move(from, to) => match from.remove(document) {
                Some(value) => put(document, to, value),
                None => Ok(false),
            },
            Self::Copy(from, to) => match from.get(document).cloned() {
                Some(value) => put(document, to, value),
                None => Ok(false),
            },
            Self::Rename(place, name) => Ok(place.rename(document, name)),
            Self::Cast(place, kind) => match place.update(document, |value| cast(value, *kind)) {
                None | Some(Some(false)) => Ok(false),
                Some(Some(true)) => Ok(true),
                Some(None) => {
                    Err(Failure::Other(format!("what is at `{place}` cannot be made into what it should be")))
                }
            },
        }
    }
}

fn settings_from(settings: &OperationSettings) -> String {
    match settings {
        OperationSettings::Move { from, .. } | OperationSettings::Copy { from, .. } => from.clone(),
        _ => String::new(),
    }
}

/// A place that is not within what goes there: documents would grow without end.
fn outside(to: &Pointer, from: &str, at: &str, problems: &mut Vec<SettingsProblem>) -> Option<Pointer> {
    let within = Pointer::new(from).is_ok_and(|from| from.covers(to) && from != *to);
    if within {
        let problem = SettingsProblem::new(format!("{at}/path"), format!("`{to}` is within `{from}`"));
        problems.push(problem.with_help("choose a place outside of it, or write a `template`"));
    }
    (!within).then(|| to.clone())
}

/// Makes a value into another kind; `None` when it cannot be, else whether it was another.
fn cast(value: &mut Value, kind: KindName) -> Option<bool> {
    let made = match (kind, &*value) {
        (KindName::Text, Value::String(_)) | (KindName::Number, Value::Number(_)) => return Some(false),
        (KindName::Boolean, Value::Bool(_)) | (KindName::List, Value::Array(_)) => return Some(false),
        (KindName::List, _) => Value::Array(vec![value.take()]),
        (KindName::Text, Value::Null) => Value::String(String::new()),
        (KindName::Text, Value::Array(_) | Value::Object(_)) => return None,
        (KindName::Text, scalar) => Value::String(shown(scalar)?.into_owned()),
        (KindName::Number, Value::String(text)) => Value::Number(text.trim().parse().ok()?),
        (KindName::Boolean, Value::String(text)) => match text.trim() {
            "true" | "1" => Value::Bool(true),
            "false" | "0" => Value::Bool(false),
            _ => return None,
        },
        (KindName::Number | KindName::Boolean, _) => return None,
    };
    *value = made;
    Some(true)
}
