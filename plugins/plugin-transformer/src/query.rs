//! Changes of the query. Parameters that are not changed stay as they were written.

use buntime_content::form;
use buntime_core::SettingsProblem;
use buntime_template::{Known, Template, View};
use http::{Uri, uri::PathAndQuery};

use crate::{config::FieldSettings, failure::Failure};

/// The longest query that is made, in bytes.
const LONGEST: usize = 16 << 10;

/// One change.
#[derive(Debug)]
pub(crate) enum QueryEdit {
    Remove(String),
    RemovePrefix(String),
    Rename(String, String),
    Set(String, Template),
    Add(String, Template),
    Append(String, Template),
}

type Make = fn(String, Template) -> QueryEdit;

/// Reads changes; `at` is where they stand.
pub(crate) fn read(
    settings: &FieldSettings,
    known: &Known,
    at: &str,
    problems: &mut Vec<SettingsProblem>,
) -> Vec<QueryEdit> {
    let mut edits: Vec<QueryEdit> = Vec::new();
    for name in &settings.remove {
        edits.push(match name.strip_suffix('*') {
            Some(begin) => QueryEdit::RemovePrefix(begin.to_owned()),
            None => QueryEdit::Remove(name.clone()),
        });
    }
    edits.extend(settings.rename.iter().map(|(from, to)| QueryEdit::Rename(from.clone(), to.clone())));
    let kinds: [(&str, _, Make); 3] = [
        ("set", &settings.set, QueryEdit::Set),
        ("add", &settings.add, QueryEdit::Add),
        ("append", &settings.append, QueryEdit::Append),
    ];
    for (key, fields, make) in kinds {
        for (name, text) in fields {
            match Template::new(text, known) {
                Ok(template) => edits.push(make(name.clone(), template)),
                Err(bad) => problems.push(SettingsProblem::new(format!("{at}/{key}/{name}"), bad.to_string())),
            }
        }
    }
    edits
}

impl QueryEdit {
    pub(crate) fn template(&self) -> Option<&Template> {
        match self {
            Self::Set(_, template) | Self::Add(_, template) | Self::Append(_, template) => Some(template),
            Self::Remove(_) | Self::RemovePrefix(_) | Self::Rename(..) => None,
        }
    }

    /// The query with the change made; `None` when nothing changes.
    fn apply(&self, query: &str, view: &View<'_>) -> Option<String> {
        let value = match self.template() {
            Some(template) => Some(template.text(view)?),
            None => None,
        };
        let value = value.as_deref().unwrap_or_default();
        let has = |name: &str| pairs(query).any(|(known, _)| known.as_deref() == Some(name));
        let mut out = String::with_capacity(query.len() + value.len() + 16);
        match self {
            Self::Remove(name) => keep(&mut out, query, |known| known != name),
            Self::RemovePrefix(begin) => keep(&mut out, query, |known| !known.starts_with(begin.as_str())),
            Self::Rename(from, to) if has(from) && from != to => {
                for (name, raw) in pairs(query).filter(|(name, _)| name.as_deref() != Some(to)) {
                    match name.as_deref() == Some(from) {
                        true => renamed(&mut out, to, raw),
                        false => push(&mut out, raw),
                    }
                }
            }
            Self::Set(name, _) if has(name) => {
                let mut done = false;
                for (known, raw) in pairs(query) {
                    match (known.as_deref() == Some(name), done) {
                        (false, _) => push(&mut out, raw),
                        (true, true) => {}
                        (true, false) => {
                            form::push(&mut out, name, value);
                            done = true;
                        }
                    }
                }
            }
            Self::Rename(..) => return None,
            Self::Add(name, _) if has(name) => return None,
            Self::Set(name, _) | Self::Add(name, _) | Self::Append(name, _) => {
                out.push_str(query);
                form::push(&mut out, name, value);
            }
        }
        (out != query).then_some(out)
    }
}

/// The parameters: decoded names, and each as it was written.
fn pairs(query: &str) -> impl Iterator<Item = (Option<std::borrow::Cow<'_, str>>, &str)> {
    let raw = query.split('&').filter(|pair| !pair.is_empty());
    raw.map(|pair| (form::decoded(pair.split_once('=').map_or(pair, |(name, _)| name)), pair))
}

fn push(out: &mut String, raw: &str) {
    if !out.is_empty() {
        out.push('&');
    }
    out.push_str(raw);
}

fn keep(out: &mut String, query: &str, wanted: impl Fn(&str) -> bool) {
    for (_, raw) in pairs(query).filter(|(name, _)| name.as_deref().is_none_or(&wanted)) {
        push(out, raw);
    }
}

fn renamed(out: &mut String, to: &str, raw: &str) {
    form::push(out, to, "");
    if let Some((_, value)) = raw.split_once('=') {
        out.push_str(value);
    }
}

/// Makes every change. `None` when nothing changes.
///
/// # Errors
/// The query would be too long.
pub(crate) fn changed(edits: &[QueryEdit], uri: &Uri, view: &View<'_>) -> Result<Option<Uri>, Failure> {
    let mut query: Option<String> = None;
    for edit in edits {
        let now = query.as_deref().or(uri.query()).unwrap_or_default();
        if let Some(next) = edit.apply(now, view) {
            query = Some(next);
        }
    }
    let Some(query) = query else { return Ok(None) };
    let target = if query.is_empty() { uri.path().to_owned() } else { format!("{}?{query}", uri.path()) };
    with_target(uri, target, LONGEST).map(Some)
}

/// A URI with another path and query.
///
/// # Errors
/// It would be too long, or is none.
pub(crate) fn with_target(uri: &Uri, target: String, longest: usize) -> Result<Uri, Failure> {
    let none = || Failure::Other("the new target is none that can be asked for".to_owned());
    if target.len() > longest + uri.path().len() {
        return Err(none());
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| none())?);
    Uri::from_parts(parts).map_err(|_| none())
}
