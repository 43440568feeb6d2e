//! Taking messages out: at once, or as soon as there is one.

use std::time::Duration;

use axum::response::Response;
use buntime_keyval::rest::{delivery_to_json, queue_to_json, totals_to_json};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::named;
use crate::{
    ops::Op,
    rest::{
        Refused,
        asked::{duration, limit_up_to, text},
        caller::{Caller, NotFromElsewhere},
        sent::Asked,
        show,
    },
};

/// How long a message is the consumer's, if nobody says.
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// The longest that a poll waits.
const LONGEST_WAIT: u64 = 60_000;
/// Messages of one answer.
const MOST: u32 = 1000;

/// How to take.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Poll {
    queue: Option<String>,
    wait: Option<String>,
    lease: Option<String>,
    max: Option<String>,
}

pub(super) async fn poll(caller: Caller, _: NotFromElsewhere, Asked(asked): Asked<Poll>) -> Result<Response, Refused> {
    let queue = named(asked.queue)?;
    let wait = duration("wait", text(asked.wait.as_deref()).as_ref())?.unwrap_or_default().min(LONGEST_WAIT);
    let lease = lease(asked.lease.as_deref())?;
    let several = asked.max.is_some();
    let most = limit_up_to(text(asked.max.as_deref()).as_ref(), 1, MOST)?;
    let most = usize::try_from(most).unwrap_or(1);
    // What is waited for is no part of how long it takes.
    let mut got = caller.time(Op::QueueDequeue, caller.kv.lease(&queue, most, lease)).await?;
    if got.is_empty() && wait > 0 {
        got = tokio::select! {
            got = caller.kv.receive(&queue, most, lease) => got?,
            () = tokio::time::sleep(Duration::from_millis(wait)) => Vec::new(),
            () = caller.rest.face.stopping.cancelled() => Vec::new(),
        };
    }
    let messages: Vec<Json> = got.iter().map(delivery_to_json).collect();
    let mut answer = json!({ "message": messages.first() });
    if several {
        answer["messages"] = messages.into();
    }
    Ok(show::answer(answer))
}

/// How long messages are leased.
pub(super) fn lease(asked: Option<&str>) -> Result<Duration, Refused> {
    let asked = duration("lease", text(asked).as_ref())?;
    Ok(asked.map_or(LEASE, Duration::from_millis))
}

/// Which queue; `None`: all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    pub(super) queue: Option<String>,
}

pub(super) async fn stats(caller: Caller, Asked(of): Asked<Of>) -> Result<Response, Refused> {
    let queues = match of.queue {
        Some(queue) => {
            let held = caller.kv.queue_stats(&queue).await?;
            // What holds nothing is not there.
            Vec::from_iter((held.pending + held.processing + held.dead > 0).then_some(held))
        }
        None => caller.kv.queues().await?,
    };
    let mut answer = totals_to_json(&queues);
    answer["queues"] = queues.iter().map(queue_to_json).collect();
    Ok(show::answer(answer))
}
