//! Putting messages into queues.

use axum::response::Response;
use buntime_keyval::{MOST_PRIORITY, Message};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::named;
use crate::{
    ops::Op,
    rest::{
        Refused,
        asked::{duration, key, short},
        atomic::given,
        caller::Caller,
        keys::value,
        sent::Sent,
        show,
    },
};

/// Milliseconds before each further try of a message that says nothing itself, as the original has it.
const BACKOFF: [u32; 3] = [1000, 5000, 10_000];

/// How a message is treated.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::rest) struct Options {
    queue: Option<String>,
    delay: Option<Json>,
    backoff_schedule: Option<Vec<Json>>,
    keys_if_undelivered: Option<Vec<Json>>,
    priority: Option<Json>,
    #[serde(alias = "deduplicationKey")]
    dedup_key: Option<String>,
}

/// One message, or several.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::rest) struct Enqueue {
    #[serde(default, deserialize_with = "given")]
    value: Option<Json>,
    options: Option<Options>,
    messages: Option<Vec<One>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct One {
    #[serde(default, deserialize_with = "given")]
    value: Option<Json>,
    options: Option<Options>,
}

pub(super) async fn enqueue(caller: Caller, Sent(sent): Sent<Enqueue>) -> Result<Response, Refused> {
    let now = caller.now();
    let missing = || Refused::malformed("value is required");
    match (sent.value, sent.messages) {
        (Some(value), None) => {
            let message = read(&value, sent.options.unwrap_or_default(), now)?;
            let (id, _) = caller.time(Op::QueueEnqueue, caller.kv.enqueue(message)).await?;
            Ok(show::answer(json!({ "ok": true, "id": id })))
        }
        (None, Some(several)) if sent.options.is_none() => {
            let one = |one: One| read(&one.value.ok_or_else(missing)?, one.options.unwrap_or_default(), now);
            let messages = several.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
            if messages.is_empty() {
                return Err(Refused::malformed("messages cannot be empty"));
            }
            let ids = caller.time(Op::QueueEnqueue, caller.kv.enqueue_all(messages)).await?;
            Ok(show::answer(json!({ "ok": true, "ids": ids })))
        }
        (Some(_) | None, Some(_)) => {
            Err(Refused::malformed("Send either value with options, or messages that have both each"))
        }
        (None, None) => Err(missing()),
    }
}

/// A message of that value.
pub(in crate::rest) fn read(json: &Json, options: Options, now: u64) -> Result<Message, Refused> {
    let mut message = Message::new(value(json, now)?).to(named(options.queue)?);
    if let Some(delay) = duration("delay", options.delay.as_ref())? {
        message = message.not_before(now.saturating_add(delay));
    }
    let step = |step: &Json| {
        let step = duration("backoffSchedule", Some(step))?.unwrap_or_default();
        Ok::<_, Refused>(u32::try_from(step).unwrap_or(u32::MAX))
    };
    message.backoff = match options.backoff_schedule {
        Some(steps) => steps.iter().map(step).collect::<Result<_, _>>()?,
        None => BACKOFF.to_vec(),
    };
    let undelivered = options.keys_if_undelivered.unwrap_or_default();
    message.keys_if_undelivered = undelivered.iter().map(key).collect::<Result<_, _>>()?;
    if let Some(json) = &options.priority {
        let priority = json.as_u64().and_then(|priority| u8::try_from(priority).ok());
        message.priority = priority.filter(|priority| *priority <= MOST_PRIORITY).ok_or_else(|| {
            Refused::malformed(format!("priority is a number from 0 to {MOST_PRIORITY}, received {}", short(json)))
        })?;
    }
    message.dedup = options.dedup_key;
    Ok(message)
}
