//! Where fields of an answer go.

use buntime_content::{form, pointer::Pointer};
use buntime_core::{Cx, Http, SettingsProblem};
use buntime_template::{header, shown};
use http::{HeaderName, Uri, uri::PathAndQuery};
use serde_json::Value;

use crate::{answer::Failure, condition::place, config::FieldMapSettings};

/// The longest value that goes into a query, in bytes.
const LONGEST: usize = 8 << 10;

/// One field, and where it goes.
#[derive(Debug)]
pub(crate) struct FieldMap {
    source: Pointer,
    to: Destination,
}

#[derive(Debug)]
enum Destination {
    Header(HeaderName),
    Query(String),
    Value(String),
    Body(Pointer),
}

impl FieldMap {
    /// Reads it; `at` is where it stands.
    pub(crate) fn new(settings: &FieldMapSettings, at: &str, problems: &mut Vec<SettingsProblem>) -> Option<Self> {
        let source =
            place(&settings.source).map_err(|why| problems.push(SettingsProblem::new(format!("{at}/source"), why)));
        let to = destination(&settings.destination);
        let to = to.map_err(|why| problems.push(SettingsProblem::new(format!("{at}/destination"), why)));
        Some(Self { source: source.ok()?, to: to.ok()? })
    }

    /// Does it go into the request's body?
    pub(crate) fn is_of_body(&self) -> bool {
        matches!(self.to, Destination::Body(_))
    }

    /// Puts the field where it goes; without an answer, or without the field in it, takes away what a client put there.
    ///
    /// # Errors
    /// It does not fit there.
    pub(crate) fn apply(&self, cx: &mut Cx<Http>, body: Option<&mut Value>, answer: &Value) -> Result<(), Failure> {
        let found = self.source.get(answer).filter(|value| !value.is_null());
        match &self.to {
            Destination::Header(name) => match found.and_then(shown) {
                None => drop(cx.request_mut().headers.remove(name)),
                Some(text) => {
                    let value = header::value(&text).ok_or(Failure::Nonsense)?;
                    cx.request_mut().headers.insert(name.clone(), value);
                }
            },
            Destination::Query(name) => {
                let value = found.and_then(shown);
                if let Some(uri) = with_parameter(&cx.request().uri, name, value.as_deref())? {
                    cx.request_mut().uri = uri;
                }
            }
            Destination::Value(name) => {
                let value = found.cloned().unwrap_or_default();
                cx.set_named(name, value).map_err(|_| Failure::Nonsense)?;
            }
            Destination::Body(place) => match (body, found) {
                (Some(body), Some(value)) => place.set(body, value.clone()).map_err(|_| Failure::Unsendable)?,
                (Some(body), None) => drop(place.remove(body)),
                (None, _) => {}
            },
        }
        Ok(())
    }
}

fn destination(text: &str) -> Result<Destination, String> {
    let (kind, name) = text.split_once(':').unwrap_or(("body", text));
    match kind {
        "header" => header::changeable(name, false).map(Destination::Header),
        "query" if !name.is_empty() => Ok(Destination::Query(name.to_owned())),
        "value" if buntime_core::values::RESERVED.contains(&name) => Err(format!("`{name}` is a reserved name")),
        "value" if !name.is_empty() => Ok(Destination::Value(name.to_owned())),
        "query" | "value" => Err(format!("write `{kind}:NAME`")),
        "body" if name.is_empty() => Err("write a place in the body: `body:/user/tier`".to_owned()),
        "body" => place(name).map(Destination::Body),
        other => Err(format!("`{other}:` is no destination; write header:, query:, value: or body:")),
    }
}

/// A target with that parameter alone of its name; `None` when nothing changes.
fn with_parameter(uri: &Uri, name: &str, value: Option<&str>) -> Result<Option<Uri>, Failure> {
    let query = uri.query().unwrap_or_default();
    let mut out = String::with_capacity(query.len() + 32);
    let named =
        |raw: &str| form::decoded(raw.split_once('=').map_or(raw, |(name, _)| name)).is_some_and(|known| known == name);
    for raw in query.split('&').filter(|raw| !raw.is_empty() && !named(raw)) {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(raw);
    }
    if let Some(value) = value {
        if value.len() > LONGEST {
            return Err(Failure::Nonsense);
        }
        form::push(&mut out, name, value);
    }
    if out == query {
        return Ok(None);
    }
    let target = if out.is_empty() { uri.path().to_owned() } else { format!("{}?{out}", uri.path()) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| Failure::Nonsense)?);
    Uri::from_parts(parts).map(Some).map_err(|_| Failure::Nonsense)
}
