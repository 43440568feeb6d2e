//! How deliveries end: finished, failed, or with a longer lease.
//!
//! A message is known by its id. With the lease it came with, only the consumer that has it ends it; without, as the
//! original's clients send it, whoever knows its id does.

use std::time::Duration;

use axum::response::Response;
use buntime_core::ErrorKind;
use buntime_keyval::engine::Failure;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{
    ops::Op,
    rest::{Refused, asked::duration, caller::Caller, sent::Sent, show},
};

/// Messages of one request.
const MOST: usize = 1000;

/// One message, or several.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Done {
    #[serde(default)]
    id: Json,
    lease: Option<String>,
    messages: Option<Vec<Leased>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Leased {
    #[serde(default)]
    id: Json,
    lease: Option<String>,
}

pub(super) async fn ack(caller: Caller, Sent(done): Sent<Done>) -> Result<Response, Refused> {
    let single = done.messages.is_none();
    let asked_for = single && done.lease.is_some();
    let messages = done.messages.unwrap_or_else(|| vec![Leased { id: done.id, lease: done.lease }]);
    if messages.len() > MOST {
        return Err(Refused::new(ErrorKind::PayloadTooLarge, format!("Too many messages (max {MOST})")));
    }
    let pairs = messages.iter().map(|one| Ok((id(&one.id)?, one.lease.as_deref())));
    let pairs = pairs.collect::<Result<Vec<_>, Refused>>()?;
    let finished = caller.time(Op::QueueAck, caller.kv.finish(&pairs)).await?;
    for ((id, _), _) in pairs.iter().zip(&finished).filter(|(_, finished)| **finished) {
        caller.rest.face.unsettled.settled(id);
    }
    match finished.as_slice() {
        [false] if asked_for => Err(not_yours()),
        _ if single => Ok(show::answer(json!({ "ok": true }))),
        finished => Ok(show::answer(json!({ "ok": true, "finished": finished }))),
    }
}

/// A message that failed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Failed {
    #[serde(default)]
    id: Json,
    lease: Option<String>,
    /// Why, for people.
    reason: Option<String>,
    /// Milliseconds until the next try, instead of the schedule's.
    delay: Option<Json>,
    /// No further try: it becomes a dead letter.
    #[serde(default)]
    dead: bool,
}

pub(super) async fn nack(caller: Caller, Sent(failed): Sent<Failed>) -> Result<Response, Refused> {
    let id = id(&failed.id)?;
    let delay = duration("delay", failed.delay.as_ref())?;
    let failure = Failure { reason: failed.reason, delay, last: failed.dead };
    let was_theirs = caller.time(Op::QueueNack, caller.kv.fail(id, failed.lease.as_deref(), failure)).await?;
    if was_theirs {
        caller.rest.face.unsettled.settled(id);
    } else if failed.lease.is_some() {
        return Err(not_yours());
    }
    Ok(show::answer(json!({ "ok": true })))
}

/// A message that takes longer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Longer {
    #[serde(default)]
    id: Json,
    lease: String,
    /// Milliseconds from now.
    by: Option<Json>,
}

pub(super) async fn extend(caller: Caller, Sent(longer): Sent<Longer>) -> Result<Response, Refused> {
    let id = id(&longer.id)?;
    let by = duration("by", longer.by.as_ref())?.map_or(super::take::LEASE, Duration::from_millis);
    if !caller.time(Op::QueueExtend, caller.kv.extend(id, &longer.lease, by)).await? {
        return Err(not_yours());
    }
    let until = caller.now().saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
    caller.rest.face.unsettled.extended(id, until);
    Ok(show::answer(json!({ "ok": true, "leasedUntil": until })))
}

fn id(json: &Json) -> Result<&str, Refused> {
    json.as_str().filter(|id| !id.is_empty()).ok_or_else(|| Refused::malformed("id must be a non-empty string"))
}

fn not_yours() -> Refused {
    Refused::new(ErrorKind::Conflict, "The lease has ended: the message is another's by now, or is gone")
}
