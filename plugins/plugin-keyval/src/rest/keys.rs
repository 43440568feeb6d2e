//! One key: read, written.

use axum::response::{IntoResponse, Response};
use buntime_core::ErrorKind;
use buntime_keyval::{
    Atomic, Change, Key, Mutation, Value, Versionstamp,
    engine::Committed,
    rest::{EntryJson, value_from_json},
};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    Refused,
    asked::{expires_in, text},
    caller::{Caller, PathKey},
    preconditions::Preconditions,
    sent::{Asked, SentValue},
    show,
};
use crate::ops::Op;

/// How often a write is tried again when others write the same key between its look and itself.
const TRIES: usize = 20;

pub(super) async fn get(caller: Caller, PathKey(key): PathKey, asked: Preconditions) -> Result<Response, Refused> {
    let found = caller.time(Op::Get, caller.kv.get(&key)).await?;
    let there = found.as_ref().map(|entry| entry.versionstamp);
    if !asked.matches(there) {
        return Err(Preconditions::failed());
    }
    let entry = found.ok_or_else(Refused::no_key)?;
    // What was read may be kept, but is asked for each time.
    let headers = [(header::ETAG, show::etag(entry.versionstamp)), (header::CACHE_CONTROL, NO_CACHE)];
    if !asked.none_matches(there) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, axum::Json(EntryJson::new(&entry).with_expiry())).into_response())
}

const NO_CACHE: http::HeaderValue = http::HeaderValue::from_static("private, no-cache");

/// How long it stays, or until when; the second spelling is Deno's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Stays {
    #[serde(alias = "expireIn")]
    expires_in: Option<String>,
    expires_at: Option<String>,
}

impl Stays {
    fn until(&self, now: u64) -> Result<Option<u64>, Refused> {
        let stays = expires_in(text(self.expires_in.as_deref()).as_ref())?;
        match (stays, self.expires_at.as_deref()) {
            (stays, None) => Ok(stays.map(|stays| now.saturating_add(stays))),
            (None, Some(at)) => {
                let wrong = || Refused::malformed("expiresAt must be milliseconds since the Unix epoch");
                at.parse().map(Some).map_err(|_| wrong())
            }
            (Some(_), Some(_)) => Err(Refused::malformed("Say expiresIn or expiresAt, not both")),
        }
    }
}

pub(super) async fn put(
    caller: Caller,
    PathKey(key): PathKey,
    Asked(stays): Asked<Stays>,
    asked: Preconditions,
    body: SentValue,
) -> Result<Response, Refused> {
    let now = caller.now();
    let expires_at = stays.until(now)?;
    let value = body.value(now)?;
    let change = Mutation { key, change: Change::Set(value), expires_at };
    let versionstamp = caller.ops().time(Op::Set, write(&caller, change, &asked)).await?;
    Ok(show::written(versionstamp))
}

/// Makes one change, if the preconditions hold.
async fn write(caller: &Caller, change: Mutation, asked: &Preconditions) -> Result<Versionstamp, Refused> {
    for _ in 0..TRIES {
        let mut write = Atomic { mutations: vec![change.clone()], ..Atomic::default() };
        if !asked.is_empty() {
            let there = caller.kv.get(&change.key).await?.map(|entry| entry.versionstamp);
            if !asked.hold(there) {
                return Err(Preconditions::failed());
            }
            write = write.check(change.key.clone(), there);
        }
        if let Committed::Yes(versionstamp) = caller.kv.commit(write).await? {
            return Ok(versionstamp);
        }
    }
    Err(contended(&change.key))
}

fn contended(key: &Key) -> Refused {
    tracing::debug!(?key, "a write was given up on");
    Refused::new(ErrorKind::Conflict, "Others write this key all the time; try again")
}

/// A value that somebody wants to store, as JSON.
pub(super) fn value(json: &Json, now: u64) -> Result<Value, Refused> {
    Ok(value_from_json(json, Some(now))?)
}
