//! Dead letters: messages whose last try failed.

use std::sync::Arc;

use buntime_database::{Next, Outcome, Plan, Row, Statement, args};

use super::{enqueue, stored};
use crate::{
    DeadLetter, Message, Result, Value,
    engine::{
        Namespace,
        hub::Hub,
        news::News,
        row::{signed, unsigned},
        write::{tick, ticked},
    },
};

const COLUMNS: &str = "id, message, queue, payload, encoding, reason, attempts, created_at, failed_at";

fn read(row: Row<'_>) -> Result<DeadLetter> {
    Ok(DeadLetter {
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
        rows.iter().map(read).collect()
    }

    /// One dead letter.
    ///
    /// # Errors
    /// The database's.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>> {
        let sql = format!("SELECT {COLUMNS} FROM kv_dead WHERE ns = ?1 AND id = ?2");
        let rows = self.engine.database.query(&sql, args![self.id, id]).await?;
        rows.first().map(read).transpose()
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
