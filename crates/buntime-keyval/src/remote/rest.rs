//! What KV Connect has no words for: the REST face of `plugin-keyval`, at `/api` below the store's URL.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value as Json, json};

use super::{
    Inner, Remote,
    answer::{self, Failed},
    exchange::{Does, To, Tries},
};
use crate::{Error, Result, Selector, json::key_to_json};

/// A request of the REST face.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    /// Below `/api`, with its query.
    pub(super) path: &'a str,
    pub(super) body: Json,
    pub(super) does: Does,
    /// How long the server may wait before it answers.
    pub(super) waits: Duration,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) headers: HeaderMap,
    pub(super) json: Json,
}

impl<'a> Asked<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, body: Json::Null, does: Does::Reads, waits: Duration::ZERO }
    }

    pub(super) fn post(path: &'a str, body: Json, does: Does) -> Self {
        Self { method: Method::POST, path, body, does, waits: Duration::ZERO }
    }

    pub(super) fn delete(path: &'a str) -> Self {
        Self { method: Method::DELETE, path, body: Json::Null, does: Does::Writes, waits: Duration::ZERO }
    }
}

impl Inner {
    /// The answer, again where that is safe.
    pub(super) async fn rest(&self, asked: Asked<'_>) -> Result<Json> {
        Ok(self.rest_with_headers(asked).await?.json)
    }

    pub(super) async fn rest_with_headers(&self, asked: Asked<'_>) -> Result<Answered> {
        self.tried(&asked).await.map_err(|failed| failed.error)
    }

    /// The same; `None`: it was refused, with that code.
    pub(super) async fn rest_unless(&self, asked: Asked<'_>, code: &str) -> Result<Option<Json>> {
        match self.tried(&asked).await {
            Ok(answered) => Ok(Some(answered.json)),
            Err(failed) if failed.code.as_deref() == Some(code) => Ok(None),
            Err(failed) => Err(failed.error),
        }
    }

    async fn tried(&self, asked: &Asked<'_>) -> Result<Answered, Failed> {
        let mut tries = Tries::new(&self.options);
        loop {
            let time = tries.time(&self.options).saturating_add(asked.waits);
            let failed = match tokio::time::timeout(time, self.rest_once(asked)).await {
                Ok(Ok(answered)) => return Ok(answered),
                Ok(Err(failed)) => failed,
                Err(_) => Failed::unanswered(asked.does, "the server takes too long"),
            };
            tries.again(failed).await?;
        }
    }

    async fn rest_once(&self, asked: &Asked<'_>) -> Result<Answered, Failed> {
        let to = To {
            method: asked.method.clone(),
            upstream: &self.exchange.upstream,
            path: format!("{}/api{}", self.exchange.path.trim_end_matches('/'), asked.path),
            token: &self.exchange.token,
            headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        };
        let body = if asked.body.is_null() { Vec::new() } else { asked.body.to_string().into_bytes() };
        let (headers, answer) = self.exchange.whole_with_headers(to, body, asked.does).await?;
        let json = serde_json::from_slice(&answer).map_err(|_| Failed::never(answer::unreadable(asked.does)))?;
        Ok(Answered { headers, json })
    }
}

/// A member of an answer.
pub(super) fn member<'a>(answer: &'a Json, name: &str) -> Result<&'a Json> {
    answer.get(name).ok_or_else(|| answer::unreadable(Does::Reads))
}

pub(super) fn number(answer: &Json, name: &str) -> Result<u64> {
    member(answer, name)?.as_u64().ok_or_else(|| answer::unreadable(Does::Reads))
}

pub(super) fn text(answer: &Json, name: &str) -> Result<String> {
    Ok(member(answer, name)?.as_str().ok_or_else(|| answer::unreadable(Does::Reads))?.to_owned())
}

/// What was there, or was done.
pub(super) fn flag(answer: &Json, name: &str, does: Does) -> Result<bool> {
    answer.get(name).and_then(Json::as_bool).ok_or_else(|| answer::unreadable(does))
}

/// All that a list of an answer has, each as `read` reads it.
pub(super) fn all<T>(list: &Json, read: impl Fn(&Json) -> Result<T>) -> Result<Vec<T>> {
    let list = list.as_array().ok_or_else(|| answer::unreadable(Does::Reads))?;
    answer::read(list.iter().map(read).collect(), Does::Reads)
}

impl Remote {
    /// How many entries a selector has. Of servers with the REST face.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub async fn count(&self, selector: &Selector) -> Result<u64> {
        let mut body = json!({});
        for (name, key) in [("prefix", &selector.prefix), ("start", &selector.start), ("end", &selector.end)] {
            if let Some(key) = key.as_ref().filter(|key| !key.is_empty()) {
                body[name] = key_to_json(key);
            }
        }
        let answer = self.0.rest(Asked::post("/keys/count", body, Does::Reads)).await?;
        number(&answer, "count")
    }
}

/// Milliseconds, at least one of what is more than nothing.
pub(super) fn millis(duration: Duration) -> Result<u64> {
    let rounded = duration.as_millis().max(u128::from(!duration.is_zero()));
    u64::try_from(rounded).map_err(|_| Error::Invalid("That is too long a time".into()))
}
