//! Writes as JSON, such that they mean to a server what they mean here.

use serde_json::{Value as Json, json};

use super::value_to_json;
use crate::{Atomic, Change, Check, MOST_PRIORITY, Message, Mutation, Result, SumLimits, Value, json::key_to_json};

/// What `POST /atomic` takes. `now`, in milliseconds since the Unix epoch, is what delays of messages count from.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a function of this process.
pub fn atomic_to_json(write: &Atomic, now: u64) -> Result<Json> {
    let check = |check: &Check| {
        let versionstamp = check.versionstamp.map(|stamp| stamp.to_string());
        json!({ "key": key_to_json(&check.key), "versionstamp": versionstamp })
    };
    let mut steps = write.mutations.iter().map(mutation).collect::<Result<Vec<_>>>()?;
    steps.extend(write.messages.iter().map(|message| {
        let mut step = message_to_json(message, now);
        step["type"] = "enqueue".into();
        step
    }));
    Ok(json!({ "checks": write.checks.iter().map(check).collect::<Json>(), "mutations": steps }))
}

fn mutation(mutation: &Mutation) -> Result<Json> {
    let (name, strict) = match &mutation.change {
        Change::Set(_) => ("set", false),
        Change::SetVersionstamped(_) => ("setSuffixVersionstampedKey", false),
        Change::Delete => ("delete", false),
        Change::Sum(..) => ("sum", true),
        Change::Min(_) => ("min", true),
        Change::Max(_) => ("max", true),
        Change::Apply(_) => return Err(Change::stays_here()),
    };
    let mut step = json!({ "type": name, "key": key_to_json(&mutation.key) });
    if let Some(operand) = mutation.change.operand() {
        step["value"] = value_to_json(operand);
    }
    if strict {
        step["strict"] = true.into();
    }
    if let Change::Sum(_, SumLimits { least, most, clamp }) = &mutation.change
        && (least.is_some() || most.is_some())
    {
        let limit = |limit: &Option<Value>| limit.as_ref().map(value_to_json);
        step["limits"] = json!({ "min": limit(least), "max": limit(most), "clamp": clamp });
    }
    if let Some(at) = mutation.expires_at {
        step["expiresAt"] = at.into();
    }
    Ok(step)
}

/// A message, as `POST /queue/enqueue` takes it. Its delay counts from `now`: the server's clock decides.
pub fn message_to_json(message: &Message, now: u64) -> Json {
    let mut options = json!({
        "queue": message.queue,
        "backoffSchedule": message.backoff,
        "keysIfUndelivered": message.keys_if_undelivered.iter().map(key_to_json).collect::<Json>(),
        "priority": message.priority.min(MOST_PRIORITY),
    });
    // What is past is at once.
    let delay = message.ready_at.saturating_sub(now);
    if delay > 0 {
        options["delay"] = delay.into();
    }
    if let Some(dedup) = &message.dedup {
        options["dedupKey"] = dedup.as_str().into();
    }
    json!({ "value": value_to_json(&message.payload), "options": options })
}
