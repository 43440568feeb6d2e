//! Bodies of the API read: a rule, part of one, an order. Every mistake with its place.

use std::sync::Arc;

use buntime_core::{ErrorKind, SettingsProblem};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Failure, LARGEST};
use crate::{api::MASK, config::RuleSettings, draft::word};

/// What the API adds to a rule that it shows; whoever sends it back says nothing by it.
const SHOWN: [&str; 3] = ["readonly", "version", "problem"];
/// Where a rule leads: one of these.
const WAYS: [&str; 3] = ["target", "service", "upstream"];

/// A rule as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) id: Option<String>,
    pub(super) enabled: bool,
    /// Without its id.
    pub(super) settings: RuleSettings,
    /// The settings as they are kept.
    pub(super) json: String,
}

/// A switch's body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Switch {
    pub(crate) enabled: bool,
}

/// An order's body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    pub(crate) ids: Vec<String>,
}

/// A whole rule.
pub(super) fn whole(body: &Map<String, Value>) -> Result<Sent, Failure> {
    let what = || format!("`{MASK}` stands for a value that is not shown; write the value");
    let unknown: Vec<SettingsProblem> =
        masked(body).map(|(name, _)| SettingsProblem::new(header_place(name), what())).collect();
    if !unknown.is_empty() {
        return Err(Failure::problems(unknown));
    }
    read(body.clone())
}

/// A rule that is there, changed by what was sent: what is left out stays, `null` takes away, and a header's value that
/// is not shown stays as it is.
pub(super) fn changed(before: &RuleSettings, enabled: bool, body: &Map<String, Value>) -> Result<Sent, Failure> {
    let Ok(Value::Object(mut rule)) = serde_json::to_value(before) else {
        return Err(Failure::new(ErrorKind::Internal, "The rule cannot be read"));
    };
    rule.insert("enabled".to_owned(), Value::Bool(enabled));
    if WAYS.iter().any(|way| body.get(*way).is_some_and(|said| !said.is_null())) {
        for way in WAYS {
            rule.remove(way);
        }
    }
    let mut body = body.clone();
    let kept: Vec<(String, Option<String>)> =
        masked(&body).map(|(name, _)| (name.clone(), before.header(name).map(str::to_owned))).collect();
    if let Some(Value::Object(headers)) = body.get_mut("headers") {
        for (name, value) in kept {
            let Some(value) = value else {
                let what = format!("the rule sets no such field, so `{MASK}` stands for nothing; write the value");
                return Err(Failure::problems(vec![SettingsProblem::new(header_place(&name), what)]));
            };
            headers.insert(name, Value::String(value));
        }
    }
    for (key, value) in body {
        if value.is_null() {
            rule.remove(&key)
        } else {
            rule.insert(key, value)
        };
    }
    read(rule)
}

fn masked(body: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let headers = body.get("headers").and_then(Value::as_object);
    headers.into_iter().flatten().filter(|(_, value)| value.as_str() == Some(MASK))
}

fn header_place(name: &str) -> String {
    format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn read(mut rule: Map<String, Value>) -> Result<Sent, Failure> {
    for key in SHOWN {
        rule.remove(key);
    }
    let one = |pointer: &str, what: &str| Failure::problems(vec![SettingsProblem::new(pointer, what)]);
    let enabled = match rule.remove("enabled") {
        None => true,
        Some(Value::Bool(enabled)) => enabled,
        Some(_) => return Err(one("/enabled", "write true or false")),
    };
    let mut settings: RuleSettings = typed(Value::Object(rule))?;
    let id = settings.id.take();
    match id.as_deref().map(word) {
        Some(Err(what)) => return Err(one("/id", &what)),
        // A path of the API.
        _ if id.as_deref() == Some("reorder") => return Err(one("/id", "`reorder` is taken; choose another id")),
        _ => {}
    }
    let json = serde_json::to_string(&settings).map_err(|error| Failure::from(buntime_core::Error::internal(error)))?;
    if json.len() > LARGEST {
        let what = format!("this rule has {} bytes; the most is {LARGEST}", json.len());
        return Err(Failure::new(ErrorKind::PayloadTooLarge, what));
    }
    Ok(Sent { id, enabled, settings, json })
}

/// Settings as they were kept.
pub(super) fn kept(json: &str) -> Result<RuleSettings, Arc<str>> {
    serde_json::from_str(json).map_err(|error| format!("this program cannot read it: {error}").into())
}

/// A JSON object.
pub(crate) fn object(text: &[u8]) -> Result<Map<String, Value>, Failure> {
    parse(text)
}

/// JSON of that type.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Failure> {
    // A list would be taken for an object whose fields have no names.
    if text.trim_ascii_start().first().is_none_or(|first| *first != b'{') {
        return Err(Failure::new(ErrorKind::Malformed, "Send a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| mistake(&error))?;
    deserializer.end().map_err(|error| Failure::new(ErrorKind::Malformed, error.to_string()))?;
    Ok(value)
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(value).map_err(|error| mistake(&error))
}

fn mistake(error: &serde_path_to_error::Error<serde_json::Error>) -> Failure {
    Failure::problems(vec![SettingsProblem::new(pointer_of(error.path()), error.inner().to_string())])
}

/// RFC 6901.
fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}
