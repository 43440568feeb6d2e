//! Dead letters: messages whose last try failed.

use std::{collections::BTreeMap, sync::Arc};

use buntime_database::{Next, Outcome, Plan, Row, Statement, args};

use super::{enqueue, lease::Found, stored};
use crate::{
    Key, Message, Result, Value,
    engine::{
        Namespace,
        hub::Hub,
        index::{Declared, Documents, Written},
        news::News,
        row::{signed, unsigned},
        trigger::{Effect, Triggers},
        write::{tick, ticked},
    },
};

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its own id.
    pub id: String,
    /// The message's.
    pub message: String,
    /// The queue it was in.
    pub queue: String,
    /// What it says.
    pub payload: Value,
    /// Why it is dead.
    pub reason: String,
    /// How many tries there were.
    pub attempts: u32,
    /// When the message was put into its queue, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When it died.
    pub failed_at: u64,
}

const COLUMNS: &str = "id, message, queue, payload, encoding, reason, attempts, created_at, failed_at";

/// What makes dead letters of messages, and sets the keys they are to be set at.
pub(super) fn bury(
    ns: i64,
    all: &[&Found],
    reason: &str,
    declared: &Declared,
    (version, now): (i64, u64),
    into: &mut Vec<Statement>,
) -> Result<()> {
    let sets = sets(all)?;
    let written: Vec<Written<'_>> = sets.iter().map(|(key, value)| Written::new(key, Some(value))).collect();
    declared.before(ns, &written, into);
    for (key, value) in &sets {
        into.push(Statement::new(
            "INSERT INTO kv_entries (ns, key, value, encoding, version, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, NULL) \
             ON CONFLICT (ns, key) DO UPDATE SET value = excluded.value, encoding = excluded.encoding, \
             version = excluded.version, expires_at = NULL",
            args![ns, key.as_bytes(), value.to_data(), value.encoding(), version],
        ));
    }
    declared.with(&written, version, &Documents::default(), into)?;
    for found in all {
        into.push(letter(ns, found, reason, now));
        into.push(Statement::new("DELETE FROM kv_messages WHERE id = ?1", args![found.id.as_str()]));
    }
    Ok(())
}

/// The keys that dead letters set, each once, and to what.
pub(super) fn sets(all: &[&Found]) -> Result<BTreeMap<Key, Value>> {
    let mut sets = BTreeMap::new();
    for found in all {
        let keys = stored::read_keys(&found.undelivered);
        if !keys.is_empty() {
            let value = Value::from_parts(found.encoding, found.payload.as_slice())?;
            sets.extend(keys.into_iter().map(|key| (key, value.clone())));
        }
    }
    Ok(sets)
}

/// Tells triggers what dead letters have set.
pub(super) fn tell(ns: i64, all: &[&Found], version: u64, triggers: &Triggers) {
    // A plan that cannot read them would not have been committed.
    let sets = sets(all).unwrap_or_default();
    let effect = |value| Effect::Set { value, expires_at: None };
    triggers.committed(ns, version, sets.into_iter().map(|(key, value)| (key, effect(value))));
}

fn letter(ns: i64, found: &Found, reason: &str, now: u64) -> Statement {
    Statement::new(
        "INSERT INTO kv_dead (id, ns, queue, message, payload, encoding, reason, attempts, backoff, undelivered, priority, \
         created_at, failed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        args![
            // Of each message there is one at most.
            found.id.as_str(),
            ns,
            found.queue.as_str(),
            found.id.as_str(),
            found.payload.as_slice(),
            found.encoding,
            reason,
            found.attempts,
            found.backoff.as_str(),
            found.undelivered.as_slice(),
            found.priority,
            found.created_at,
            signed(now),
        ],
    )
}

impl DeadLetter {
    fn read(row: Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.at(0)?,
            message: row.at(1)?,
            queue: row.at(2)?,
            payload: Value::from_parts(row.at(4)?, row.at::<Vec<u8>>(3)?)?,
            reason: row.at(5)?,
            attempts: u32::try_from(row.at::<i64>(6)?).unwrap_or(u32::MAX),
            created_at: unsigned(row.at(7)?),
            failed_at: unsigned(row.at(8)?),
        })
    }
}

impl Namespace {
    /// Dead letters of a queue, or of all, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn dead_letters(&self, queue: Option<&str>, limit: u32, offset: u64) -> Result<Vec<DeadLetter>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM kv_dead WHERE ns = ?1 AND (CAST(?2 AS TEXT) IS NULL OR queue = ?2) \
             ORDER BY failed_at DESC, id DESC LIMIT ?3 OFFSET ?4"
        );
        let rows = self.engine.database.query(&sql, args![self.id, queue, limit, signed(offset)]).await?;
        rows.iter().map(DeadLetter::read).collect()
    }

    /// One dead letter.
    ///
    /// # Errors
    /// The database's.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>> {
        let sql = format!("SELECT {COLUMNS} FROM kv_dead WHERE ns = ?1 AND id = ?2");
        let rows = self.engine.database.query(&sql, args![self.id, id]).await?;
        rows.first().map(DeadLetter::read).transpose()
    }

    /// Puts a dead letter back into its queue, with the options it had and all tries before it; returns the new message's
    /// id. `None`: there is no such letter.
    ///
    /// # Errors
    /// The database's.
    pub async fn requeue(&self, id: &str) -> Result<Option<String>> {
        let new = enqueue::id();
        let plan = RequeuePlan {
            ns: self.id,
            id: id.to_owned(),
            new: new.clone(),
            now: self.engine.clock.now(),
            hub: self.engine.hub.clone(),
        };
        let done = self.engine.database.planned(Arc::new(plan)).await?;
        Ok(done.committed.then_some(new))
    }

    /// Deletes a dead letter; was it there?
    ///
    /// # Errors
    /// The database's.
    pub async fn delete_dead_letter(&self, id: &str) -> Result<bool> {
        let sql = "DELETE FROM kv_dead WHERE ns = ?1 AND id = ?2";
        Ok(self.engine.run_one(sql, args![self.id, id]).await? > 0)
    }

    /// Deletes the dead letters of a queue, or of all; how many were there?
    ///
    /// # Errors
    /// The database's.
    pub async fn purge_dead_letters(&self, queue: Option<&str>) -> Result<u64> {
        let sql = "DELETE FROM kv_dead WHERE ns = ?1 AND (CAST(?2 AS TEXT) IS NULL OR queue = ?2)";
        self.engine.run_one(sql, args![self.id, queue]).await
    }
}

#[derive(Debug)]
struct RequeuePlan {
    ns: i64,
    id: String,
    new: String,
    now: u64,
    hub: Arc<Hub>,
}

impl RequeuePlan {
    fn message(letter: &Outcome) -> buntime_database::Result<Option<Message>> {
        let Some(row) = letter.rows.first() else { return Ok(None) };
        let payload = Value::from_parts(row.at(1)?, row.at::<Vec<u8>>(0)?)
            .map_err(|error| buntime_database::Error::new(buntime_database::ErrorKind::Other, error.to_string()))?;
        Ok(Some(Message {
            queue: row.at(2)?,
            payload,
            ready_at: 0,
            backoff: stored::read_backoff(&row.at::<String>(3)?),
            keys_if_undelivered: stored::read_keys(&row.at::<Vec<u8>>(4)?),
            priority: u8::try_from(row.at::<i64>(5)?).unwrap_or(0),
            dedup: None,
        }))
    }
}

impl RequeuePlan {
    /// Of what it did.
    fn news(&self, done: &[Outcome]) -> News {
        let queue = match done.get(1).map(Self::message) {
            Some(Ok(Some(message))) => Some((self.ns, message.queue)),
            _ => None,
        };
        News { queues: queue.into_iter().collect(), ..News::of(done.first().map_or(0, ticked)) }
    }
}

impl Plan for RequeuePlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        match done {
            [] => {
                let take = "DELETE FROM kv_dead WHERE ns = ?1 AND id = ?2 \
                            RETURNING payload, encoding, queue, backoff, undelivered, priority";
                Ok(Next::Run(vec![tick(), Statement::new(take, args![self.ns, self.id.as_str()])]))
            }
            [clock, letter] => {
                let Some(message) = Self::message(letter)? else { return Ok(Next::Abandon) };
                let seq = signed(ticked(clock));
                let mut statements = Vec::new();
                enqueue::statements(self.ns, &message, &self.new, seq, self.now, 0, &mut statements);
                statements.extend(self.hub.saying(&self.news(done)));
                Ok(Next::Run(statements))
            }
            _ => Ok(Next::Commit),
        }
    }

    fn committed(&self, done: &[Outcome]) {
        self.hub.committed(&self.news(done));
    }
}
