//! Queues: messages are delivered at least once, each under a lease.
//!
//! A message that is leased is one that is not ready yet: its lease says when it is again. So a consumer that dies needs
//! no cleaning up after; what it did not finish in time is delivered again by itself, as often as its schedule allows, and
//! then put aside as a dead letter.

mod bury;
mod dead;
pub(super) mod enqueue;
mod finish;
mod lease;
mod look;
mod stored;

use std::time::Duration;

use buntime_database::{Value as Sql, args};

use self::look::Looked;
use super::{
    Namespace,
    hub::{Bell, Nodes},
    row::{signed, unsigned},
};
pub use crate::{DeadLetter, Delivery, Failure, QueueStats};
use crate::{Error, MOST_PRIORITY, Message, Result, Versionstamp};

impl Namespace {
    /// Puts a message into its queue; returns the id, and the commit. With a deduplication key that is there already, the
    /// id of the message that was put there with it.
    ///
    /// # Errors
    /// [`Error::Limit`], or the database's.
    pub async fn enqueue(&self, message: Message) -> Result<(String, Versionstamp)> {
        let (ids, commit) = self.commit_messages(vec![message]).await?;
        Ok((ids.into_iter().next().unwrap_or_default(), commit))
    }

    /// Puts messages into their queues, all or none; returns their ids, in their order. As of [`Namespace::enqueue`] they
    /// may be those of others.
    ///
    /// # Errors
    /// [`Error::Limit`], or the database's.
    pub async fn enqueue_all(&self, messages: Vec<Message>) -> Result<Vec<String>> {
        Ok(self.commit_messages(messages).await?.0)
    }

    /// Waits for messages, at most so many and at least one, and leases them for so long.
    ///
    /// Dropped while it waits, nothing is lost: what was being leased for it is given back at once.
    ///
    /// # Errors
    /// The database's.
    pub async fn receive(&self, queue: &str, most: usize, lease: Duration) -> Result<Vec<Delivery>> {
        check_lease(lease)?;
        let bell = self.engine.hub.bell(self.id, queue);
        loop {
            let rung = bell.notify.notified();
            tokio::pin!(rung);
            // From here on a ring is not missed.
            rung.as_mut().enable();
            let baton = Baton(Some(&bell));
            let looked = look::look(self, &bell, queue, most, lease).await?;
            let next = match looked {
                // There may be more, for another, who is told when the baton is dropped.
                Looked::Got(got) => return Ok(got),
                Looked::Nothing(next) => next,
            };
            baton.keep();
            let left = next.map(|at| Duration::from_millis(at.saturating_sub(self.engine.clock.now()).max(1)));
            // What another node did is not heard everywhere.
            let poll = match self.engine.hub.nodes() {
                Nodes::Polled(every) => Some(*every),
                Nodes::One | Nodes::Notified(_) => None,
            };
            match left.into_iter().chain(poll).min() {
                Some(left) => tokio::select! {
                    () = rung => {}
                    () = tokio::time::sleep(left) => {}
                },
                None => rung.await,
            }
        }
    }

    /// When the next message of a queue is ready; `None`: there is none.
    async fn next_ready(&self, queue: &str) -> Result<Option<u64>> {
        let of = |priority| {
            format!(
                "SELECT (SELECT min(ready_at) FROM kv_messages WHERE ns = ?1 AND queue = ?2 AND priority = {priority}) AS at"
            )
        };
        let all: Vec<String> = (0..=MOST_PRIORITY).map(of).collect();
        let sql = format!("SELECT min(at) FROM ({}) AS each", all.join(" UNION ALL "));
        let rows = self.engine.database.query(&sql, args![self.id, queue]).await?;
        let at: Option<i64> = rows.first().map(|row| row.at(0)).transpose()?.flatten();
        Ok(at.map(unsigned))
    }

    /// What each queue holds, by name.
    ///
    /// # Errors
    /// The database's.
    pub async fn queues(&self) -> Result<Vec<QueueStats>> {
        self.held("", Vec::new()).await
    }

    /// What one queue holds; nothing, if nobody put anything into it.
    ///
    /// # Errors
    /// The database's.
    pub async fn queue_stats(&self, queue: &str) -> Result<QueueStats> {
        let held = self.held("AND queue = ?3", args![queue]).await?.pop();
        Ok(held.unwrap_or_else(|| QueueStats { queue: queue.to_owned(), ..QueueStats::default() }))
    }

    /// What those queues hold of which `and` is true, by name; `more` are its arguments.
    async fn held(&self, and: &str, more: Vec<Sql>) -> Result<Vec<QueueStats>> {
        let sql = format!(
            "SELECT queue, sum(pending), sum(processing), sum(dead) FROM ( \
             SELECT queue, CASE WHEN lease IS NULL OR ready_at <= ?2 THEN 1 ELSE 0 END AS pending, \
             CASE WHEN lease IS NULL OR ready_at <= ?2 THEN 0 ELSE 1 END AS processing, 0 AS dead \
             FROM kv_messages WHERE ns = ?1 {and} \
             UNION ALL SELECT queue, 0, 0, 1 FROM kv_dead WHERE ns = ?1 {and}) AS each GROUP BY queue ORDER BY queue"
        );
        let mut args = args![self.id, signed(self.engine.clock.now())];
        args.extend(more);
        let rows = self.engine.database.query(&sql, args).await?;
        let stats = rows.iter().map(|row| {
            Ok(QueueStats {
                queue: row.at(0)?,
                pending: unsigned(row.at(1)?),
                processing: unsigned(row.at(2)?),
                dead: unsigned(row.at(3)?),
            })
        });
        stats.collect()
    }
}

/// Whoever was woken for a message and goes away without looking wakes another.
struct Baton<'a>(Option<&'a Bell>);

impl Baton<'_> {
    /// There is nothing.
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Baton<'_> {
    fn drop(&mut self) {
        if let Some(bell) = self.0 {
            bell.notify.notify_one();
        }
    }
}

/// # Errors
/// [`Error::Invalid`] for a lease that is none or too long.
fn check_lease(lease: Duration) -> Result<u64> {
    const MOST: Duration = Duration::from_secs(12 * 60 * 60);
    if lease.is_zero() || lease > MOST {
        return Err(Error::Invalid("A lease is from 1 millisecond to 12 hours".into()));
    }
    Ok(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX).max(1))
}
