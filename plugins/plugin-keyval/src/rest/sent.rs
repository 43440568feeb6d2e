//! Bodies and queries, with words for what is wrong with them.

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use buntime_keyval::{Error as Kv, Value, json::value_from_text, rest::value_from_json};
use bytes::Bytes;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, error::Category};

use super::{LARGEST, Refused};
use crate::body;

/// A body that is an object of JSON, whatever its type says.
#[derive(Debug)]
pub(super) struct Sent<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        Ok(Self(object(&whole(request).await?)?))
    }
}

/// A body that is any value of JSON.
#[derive(Debug)]
pub(super) enum SentValue {
    /// One that means the same at any time.
    Made(Value),
    Json(Json),
}

impl<S: Send + Sync> FromRequest<S> for SentValue {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let body = whole(request).await?;
        Ok(match value_from_text(&body) {
            Some(value) => Self::Made(value),
            None => Self::Json(json(&body)?),
        })
    }
}

impl SentValue {
    pub(super) fn value(self, now: u64) -> Result<Value, Refused> {
        match self {
            Self::Made(value) => Ok(value),
            Self::Json(json) => Ok(value_from_json(&json, Some(now))?),
        }
    }
}

/// The whole body.
pub(super) async fn whole(request: Request) -> Result<Bytes, Refused> {
    body::whole(request.into_body(), LARGEST).await.map_err(|over| match over {
        Some(over) => Kv::Limit(over).into(),
        None => Refused::malformed("The body could not be read"),
    })
}

/// An object of JSON; members are known by their names only.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Refused::malformed("The body is not what belongs here: it is a list, and an object was expected"));
    }
    json(body)
}

pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| {
        Refused::malformed(match error.classify() {
            Category::Data => format!("The body is not what belongs here: {error}"),
            Category::Eof if body.is_empty() => "There is no body; send JSON".to_owned(),
            Category::Eof | Category::Syntax | Category::Io => format!("The body is not JSON: {error}"),
        })
    })
}

/// A query; what is unknown in it is refused.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(asked)| Self(asked)).map_err(|rejection| Refused::malformed(rejection.body_text()))
    }
}
