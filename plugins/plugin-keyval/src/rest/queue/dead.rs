//! Dead letters: seen, put back, deleted.

use axum::{extract::Path, response::Response};
use buntime_core::ErrorKind;
use buntime_keyval::rest::dead_letter_to_json;
use serde::Deserialize;
use serde_json::json;

use super::take::Of;
use crate::rest::{
    Refused,
    asked::{limit, text},
    caller::Caller,
    sent::Asked,
    show,
};

/// Which of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    queue: Option<String>,
    limit: Option<String>,
    offset: Option<u64>,
}

/// The letter in the path, whatever else is in it.
#[derive(Debug, Deserialize)]
pub(super) struct Letter {
    id: String,
}

pub(super) async fn list(caller: Caller, Asked(which): Asked<Which>) -> Result<Response, Refused> {
    let limit = limit(text(which.limit.as_deref()).as_ref())?;
    let letters = caller.kv.dead_letters(which.queue.as_deref(), limit, which.offset.unwrap_or_default()).await?;
    Ok(show::answer(letters.iter().map(dead_letter_to_json).collect::<Vec<_>>()))
}

pub(super) async fn get(caller: Caller, Path(Letter { id }): Path<Letter>) -> Result<Response, Refused> {
    let letter = caller.kv.dead_letter(&id).await?.ok_or_else(nowhere)?;
    Ok(show::answer(dead_letter_to_json(&letter)))
}

pub(super) async fn requeue(caller: Caller, Path(Letter { id }): Path<Letter>) -> Result<Response, Refused> {
    let new = caller.kv.requeue(&id).await?.ok_or_else(nowhere)?;
    // The original's server says one, its client reads the other.
    Ok(show::answer(json!({ "ok": true, "id": new, "newId": new })))
}

pub(super) async fn delete(caller: Caller, Path(Letter { id }): Path<Letter>) -> Result<Response, Refused> {
    let deleted = caller.kv.delete_dead_letter(&id).await?;
    Ok(show::answer(json!({ "ok": true, "deleted": deleted })))
}

pub(super) async fn purge(caller: Caller, Asked(of): Asked<Of>) -> Result<Response, Refused> {
    let count = caller.kv.purge_dead_letters(of.queue.as_deref()).await?;
    Ok(show::answer(json!({ "deletedCount": count })))
}

fn nowhere() -> Refused {
    Refused::new(ErrorKind::NotFound, "Message not found in DLQ").called("no_dead_letter")
}
