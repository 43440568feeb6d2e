//! What the shell is not for.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use buntime_core::{Error, ErrorKind};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Api, malformed};
use crate::{
    config::is_basename,
    shell::{
        Shell,
        excludes::{Refused, Source},
    },
};

impl Api {
    fn shell(&self) -> Result<&Shell, Error> {
        self.shell.as_ref().ok_or_else(|| malformed("Shell not configured"))
    }

    /// The shell's state.
    pub(super) fn shell_state(&self) -> Value {
        json!({
            "enabled": self.shell.is_some(),
            "target": self.shell.as_ref().map(|shell| &*shell.target),
            "excludesCount": self.shell.as_ref().map_or(0, |shell| shell.excludes.all().len()),
        })
    }
}

fn show(name: &str, source: Source) -> Value {
    json!({ "basename": name, "source": source.as_str() })
}

pub(super) async fn excludes(State(api): State<Api>) -> Result<Json<Value>, Error> {
    let all = api.shell()?.excludes.all();
    Ok(Json(all.iter().map(|(name, source)| show(name, *source)).collect()))
}

pub(super) async fn exclude(State(api): State<Api>, body: axum::body::Bytes) -> Result<Response, Error> {
    let shell = api.shell()?;
    let said: Value = serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?;
    let name = said.get("basename").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        return Err(malformed("basename is required"));
    }
    check(name)?;
    if shell.excludes.is_configured(name) {
        return Err(malformed("Already excluded via environment"));
    }
    let added = shell.excludes.add(name).await.map_err(|refused| match refused {
        Refused::TooMany => Error::new(ErrorKind::Conflict).with_detail(refused.to_string()),
        Refused::Database(error) => unkept(&error),
    })?;
    let mut shown = show(name, Source::Added);
    shown["persisted"] = json!(shell.excludes.is_kept());
    let status = if added { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(shown)).into_response())
}

pub(super) async fn include(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<Value>, Error> {
    let shell = api.shell()?;
    check(&name)?;
    if shell.excludes.is_configured(&name) {
        return Err(malformed("Cannot remove environment-based exclude"));
    }
    let deleted = shell.excludes.remove(&name).await.map_err(|error| unkept(&error))?;
    Ok(Json(json!({ "deleted": deleted, "basename": name })))
}

fn check(name: &str) -> Result<(), Error> {
    if is_basename(name) { Ok(()) } else { Err(malformed("Invalid basename format")) }
}

fn unkept(error: &buntime_core::BoxError) -> Error {
    Error::new(ErrorKind::PluginFailed).with_detail("The database does not answer").with_internal(error.to_string())
}
