//! Putting messages into queues.

use std::collections::HashMap;

use buntime_database::{Statement, args};

use super::stored;
use crate::{
    Atomic, Error, MOST_PRIORITY, Message, Result, Versionstamp,
    engine::{Committed, Namespace, places, row::signed},
};

/// An id: they are in the order of their making.
pub(in crate::engine) fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// What puts a message into its queue.
pub(in crate::engine) fn statements(
    ns: i64,
    message: &Message,
    id: &str,
    seq: i64,
    now: u64,
    dedup_window: u64,
    into: &mut Vec<Statement>,
) {
    let ready_at = signed(message.ready_at.max(now));
    into.push(Statement::new(
        "INSERT INTO kv_messages (id, ns, queue, payload, encoding, ready_at, priority, seq, backoff, undelivered, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        args![
            id,
            ns,
            message.queue.as_str(),
            message.payload.to_data(),
            message.payload.encoding(),
            ready_at,
            u32::from(message.priority.min(MOST_PRIORITY)),
            seq,
            stored::backoff(&message.backoff),
            stored::keys(&message.keys_if_undelivered),
            signed(now),
        ],
    ));
    if let Some(dedup) = &message.dedup {
        unless_there(ns, &message.queue, dedup, id, now, dedup_window, into);
    }
}

/// Takes the deduplication key, if it is free or its message is gone and its time is over; else the message goes again.
fn unless_there(ns: i64, queue: &str, dedup: &str, id: &str, now: u64, window: u64, into: &mut Vec<Statement>) {
    into.push(Statement::new(
        "INSERT INTO kv_dedup (ns, queue, dedup, message, expires_at) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (ns, queue, dedup) DO UPDATE SET message = excluded.message, expires_at = excluded.expires_at \
         WHERE kv_dedup.expires_at <= ?6 AND NOT EXISTS (SELECT 1 FROM kv_messages WHERE id = kv_dedup.message)",
        args![ns, queue, dedup, id, signed(now.saturating_add(window)), signed(now)],
    ));
    into.push(Statement::new(
        "DELETE FROM kv_messages WHERE id = ?4 AND NOT EXISTS (SELECT 1 FROM kv_dedup \
         WHERE ns = ?1 AND queue = ?2 AND dedup = ?3 AND message = ?4)",
        args![ns, queue, dedup, id],
    ));
}

impl Namespace {
    pub(super) async fn commit_messages(&self, messages: Vec<Message>) -> Result<(Vec<String>, Versionstamp)> {
        let dedups: Vec<_> =
            messages.iter().map(|message| message.dedup.clone().map(|key| (message.queue.clone(), key))).collect();
        let write = Atomic { messages, ..Atomic::default() };
        self.limits.check_write(&write, self.engine.clock.now())?;
        let (ids, committed) = self.commit_with_ids(write).await?;
        match committed {
            Committed::Yes(versionstamp) => Ok((self.kept(ids, &dedups).await?, versionstamp)),
            Committed::No(_) => Err(Error::Database("a write without checks failed one".into())),
        }
    }

    /// The ids of the messages that have the deduplication keys, in the place of those that were put there in vain.
    async fn kept(&self, mut ids: Vec<String>, dedups: &[Option<(String, String)>]) -> Result<Vec<String>> {
        let mut queues: HashMap<&str, Vec<&str>> = HashMap::new();
        for (queue, dedup) in dedups.iter().flatten() {
            queues.entry(queue).or_default().push(dedup);
        }
        let mut kept: HashMap<(&str, String), String> = HashMap::new();
        for (queue, dedups) in queues {
            for some in dedups.chunks(places::SOME) {
                let mut args = args![self.id, queue];
                let places = places::texts(some, &mut args);
                let sql =
                    format!("SELECT dedup, message FROM kv_dedup WHERE ns = ?1 AND queue = ?2 AND dedup IN ({places})");
                for row in self.engine.database.query(&sql, args).await?.iter() {
                    kept.insert((queue, row.at(0)?), row.at(1)?);
                }
            }
        }
        for (id, dedup) in ids.iter_mut().zip(dedups) {
            let there = dedup.as_ref().and_then(|(queue, dedup)| kept.get(&(queue.as_str(), dedup.clone())));
            if let Some(there) = there {
                id.clone_from(there);
            }
        }
        Ok(ids)
    }
}
