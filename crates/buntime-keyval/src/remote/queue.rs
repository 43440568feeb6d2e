//! Queues of a remote store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};

use super::{
    Remote, answer,
    exchange::Does,
    rest::{Asked, all, member, millis, text},
};
use crate::{
    Delivery, Failure, Message, QueueStats, Result,
    rest::{delivery_from_json, message_to_json, queue_from_json},
};

/// How long the server waits for a message before it says that there is none.
const WAIT: Duration = Duration::from_secs(20);

/// This machine's time.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Queues, of servers with the REST face.
impl Remote {
    /// Puts a message into its queue; returns its id, or that of the message that has its deduplication key already. A
    /// message that has one is sent again when an answer was lost.
    ///
    /// # Errors
    /// As [`Remote::commit`].
    pub async fn enqueue(&self, message: &Message) -> Result<String> {
        let does = if message.dedup.is_some() { Does::Reads } else { Does::Writes };
        let answer = self.0.rest(Asked::post("/queue/enqueue", message_to_json(message, now()), does)).await?;
        text(&answer, "id")
    }

    /// Puts messages into their queues, all or none; returns their ids.
    ///
    /// # Errors
    /// As [`Remote::commit`].
    pub async fn enqueue_all(&self, messages: &[Message]) -> Result<Vec<String>> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let now = now();
        let messages: Vec<Json> = messages.iter().map(|message| message_to_json(message, now)).collect();
        let body = json!({ "messages": messages });
        let answer = self.0.rest(Asked::post("/queue/enqueue", body, Does::Writes)).await?;
        let ids = member(&answer, "ids")?.as_array().ok_or_else(|| answer::unreadable(Does::Writes))?;
        ids.iter().map(|id| Ok(id.as_str().ok_or_else(|| answer::unreadable(Does::Writes))?.to_owned())).collect()
    }

    /// Leases messages that are ready now, at most so many. When the answer is lost, they come again after the lease.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub async fn lease(&self, queue: &str, most: usize, lease: Duration) -> Result<Vec<Delivery>> {
        self.poll(queue, most, lease, Duration::ZERO).await
    }

    /// Waits for messages, at most so many and at least one, and leases them. Dropped while it waits, what the server was
    /// about to send comes again, after the lease at the latest.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub async fn receive(&self, queue: &str, most: usize, lease: Duration) -> Result<Vec<Delivery>> {
        loop {
            let got = self.poll(queue, most, lease, WAIT).await?;
            if !got.is_empty() {
                return Ok(got);
            }
        }
    }

    async fn poll(&self, queue: &str, most: usize, lease: Duration, waits: Duration) -> Result<Vec<Delivery>> {
        let queue = utf8_percent_encode(queue, NON_ALPHANUMERIC);
        let (lease, wait, most) = (millis(lease)?, millis(waits)?, most.clamp(1, 1000));
        let path = format!("/queue/poll?queue={queue}&max={most}&lease={lease}&wait={wait}");
        let answer = self.0.rest(Asked { waits, ..Asked::post(&path, Json::Null, Does::Reads) }).await?;
        all(member(&answer, "messages")?, delivery_from_json)
    }

    /// Finishes messages: they are gone. Says of each whether it was still the consumer's.
    ///
    /// # Errors
    /// As [`Remote::commit`].
    pub async fn finish(&self, deliveries: &[(&str, Option<&str>)]) -> Result<Vec<bool>> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let one = |(id, lease): &(&str, Option<&str>)| json!({ "id": id, "lease": lease });
        let body = json!({ "messages": deliveries.iter().map(one).collect::<Vec<_>>() });
        let answer = self.0.rest(Asked::post("/queue/ack", body, Does::Writes)).await?;
        let finished = member(&answer, "finished")?.as_array().ok_or_else(|| answer::unreadable(Does::Writes))?;
        Ok(finished.iter().map(|finished| finished.as_bool().unwrap_or(false)).collect())
    }

    /// Gives a message back: it is tried again later, or is dead if that was its last try. `false`: it was not the
    /// consumer's any more.
    ///
    /// # Errors
    /// As [`Remote::commit`].
    pub async fn fail(&self, id: &str, lease: &str, failure: &Failure) -> Result<bool> {
        let mut body = json!({ "id": id, "lease": lease, "dead": failure.last });
        if let Some(reason) = &failure.reason {
            body["reason"] = reason.as_str().into();
        }
        if let Some(delay) = failure.delay {
            body["delay"] = delay.into();
        }
        self.settle("/queue/nack", body).await
    }

    /// Keeps a message for that long from now. `false`: it was not the consumer's any more.
    ///
    /// # Errors
    /// As [`Remote::commit`].
    pub async fn extend(&self, id: &str, lease: &str, by: Duration) -> Result<bool> {
        self.settle("/queue/extend", json!({ "id": id, "lease": lease, "by": millis(by)? })).await
    }

    async fn settle(&self, path: &str, body: Json) -> Result<bool> {
        match self.0.rest(Asked::post(path, body, Does::Writes)).await {
            Ok(_) => Ok(true),
            // Nothing else of it is refused so.
            Err(crate::Error::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What each queue holds, by name.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub async fn queues(&self) -> Result<Vec<QueueStats>> {
        let answer = self.0.rest(Asked::get("/queue/stats")).await?;
        all(member(&answer, "queues")?, queue_from_json)
    }

    /// What one queue holds.
    ///
    /// # Errors
    /// As [`Remote::get`].
    pub async fn queue_stats(&self, queue: &str) -> Result<QueueStats> {
        let path = format!("/queue/stats?queue={}", utf8_percent_encode(queue, NON_ALPHANUMERIC));
        let answer = self.0.rest(Asked::get(&path)).await?;
        let held = all(member(&answer, "queues")?, queue_from_json)?.pop();
        Ok(held.unwrap_or_else(|| QueueStats { queue: queue.to_owned(), ..QueueStats::default() }))
    }
}
