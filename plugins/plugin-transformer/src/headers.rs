//! Changes of headers. Values cannot begin a line of their own, and what belongs to the connection or is the edge's to say
//! is not changed.

use buntime_core::SettingsProblem;
use buntime_template::{Known, Template, View, header};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    config::FieldSettings,
    failure::{Failure, Side},
};

/// One change.
#[derive(Debug)]
pub(crate) enum HeaderEdit {
    Remove(HeaderName),
    RemovePrefix(String),
    Rename(HeaderName, HeaderName),
    Set(HeaderName, Template),
    Add(HeaderName, Template),
    Append(HeaderName, Template),
}

type Make = fn(HeaderName, Template) -> HeaderEdit;

/// Reads changes; `at` is where they stand.
pub(crate) fn read(
    settings: &FieldSettings,
    side: Side,
    known: &Known,
    at: &str,
    problems: &mut Vec<SettingsProblem>,
) -> Vec<HeaderEdit> {
    let mut edits = Vec::new();
    let mut name = |place: String, text: &str| {
        let checked = checked(text, side);
        checked.map_err(|why| problems.push(SettingsProblem::new(place, why))).ok()
    };
    for (index, text) in settings.remove.iter().enumerate() {
        let place = format!("{at}/remove/{index}");
        match text.strip_suffix('*') {
            Some(begin) => {
                let begin = name(place, begin);
                edits.extend(begin.map(|name| HeaderEdit::RemovePrefix(name.as_str().to_owned())));
            }
            None => edits.extend(name(place, text).map(HeaderEdit::Remove)),
        }
    }
    for (from, to) in &settings.rename {
        let place = format!("{at}/rename/{from}");
        let (from, to) = (name(place.clone(), from), name(place, to));
        edits.extend(from.zip(to).map(|(from, to)| HeaderEdit::Rename(from, to)));
    }
    let kinds: [(&str, _, Make); 3] = [
        ("set", &settings.set, HeaderEdit::Set),
        ("add", &settings.add, HeaderEdit::Add),
        ("append", &settings.append, HeaderEdit::Append),
    ];
    for (key, fields, make) in kinds {
        for (field, text) in fields {
            let place = format!("{at}/{key}/{field}");
            let field = checked(field, side).map_err(|why| problems.push(SettingsProblem::new(&place, why)));
            let template = Template::new(text, known).map_err(|bad| bad.to_string()).and_then(|template| {
                let fits = template.constant().is_none_or(|text| value(text).is_ok());
                if fits { Ok(template) } else { Err("this cannot be the value of a header".to_owned()) }
            });
            let template = template.map_err(|why| problems.push(SettingsProblem::new(&place, why)));
            edits.extend(field.ok().zip(template.ok()).map(|(field, template)| make(field, template)));
        }
    }
    edits
}

/// A name that may be changed.
fn checked(text: &str, side: Side) -> Result<HeaderName, String> {
    header::changeable(text, side == Side::Response)
}

fn is_protected(name: &str) -> bool {
    [Side::Request, Side::Response].iter().any(|side| checked(name, *side).is_err())
}

/// A text as a value: no line of its own, not too long.
fn value(text: &str) -> Result<HeaderValue, Failure> {
    header::value(text).ok_or_else(|| Failure::Other("a value does not fit into a header".to_owned()))
}

impl HeaderEdit {
    /// The value that it needs; `None` when that is not there, and the change is left out.
    fn text(&self, view: &View<'_>) -> Result<Option<HeaderValue>, Failure> {
        match self {
            Self::Set(_, template) | Self::Add(_, template) | Self::Append(_, template) => {
                template.text(view).map(|text| value(&text)).transpose()
            }
            Self::Remove(_) | Self::RemovePrefix(_) | Self::Rename(..) => Ok(None),
        }
    }

    pub(crate) fn template(&self) -> Option<&Template> {
        match self {
            Self::Set(_, template) | Self::Add(_, template) | Self::Append(_, template) => Some(template),
            Self::Remove(_) | Self::RemovePrefix(_) | Self::Rename(..) => None,
        }
    }

    /// Finds out what is to be done, so that it can be done without looking at the exchange.
    ///
    /// # Errors
    /// The value fits into no header.
    pub(crate) fn ready<'e>(&'e self, view: &View<'_>) -> Result<Ready<'e>, Failure> {
        Ok(Ready { edit: self, value: self.text(view)? })
    }
}

/// A change whose value is known.
#[derive(Debug)]
pub(crate) struct Ready<'e> {
    edit: &'e HeaderEdit,
    value: Option<HeaderValue>,
}

impl Ready<'_> {
    /// Makes the change.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        match (self.edit, self.value) {
            (HeaderEdit::Remove(name), _) => drop(headers.remove(name)),
            (HeaderEdit::RemovePrefix(begin), _) => {
                let named =
                    |name: &&HeaderName| name.as_str().starts_with(begin.as_str()) && !is_protected(name.as_str());
                while let Some(name) = headers.keys().find(named).cloned() {
                    headers.remove(name);
                }
            }
            (HeaderEdit::Rename(from, to), _) => {
                let values: Vec<HeaderValue> = headers.get_all(from).iter().cloned().collect();
                if from != to && !values.is_empty() {
                    headers.remove(from);
                    headers.remove(to);
                    values.into_iter().for_each(|value| {
                        headers.append(to.clone(), value);
                    });
                }
            }
            (HeaderEdit::Set(name, _), Some(value)) => drop(headers.insert(name.clone(), value)),
            (HeaderEdit::Add(name, _), Some(value)) => {
                headers.entry(name.clone()).or_insert(value);
            }
            (HeaderEdit::Append(name, _), Some(value)) => {
                headers.append(name.clone(), value);
            }
            (HeaderEdit::Set(..) | HeaderEdit::Add(..) | HeaderEdit::Append(..), None) => {}
        }
    }
}
