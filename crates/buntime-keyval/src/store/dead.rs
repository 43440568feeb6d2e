//! Dead letters. A remote store needs the REST face for them.

use super::{Store, either};
use crate::{DeadLetter, Result, What, within};

/// Messages whose last try failed.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use buntime_keyval::{Failure, Message, Store, Value};
/// # use buntime_keyval::{Engine, Options};
/// # use buntime_database::sqlite::{Options as File, Sqlite};
/// # let engine = Engine::open(std::sync::Arc::new(Sqlite::open(File::memory()).await?), Options::default()).await?;
///
/// let store = Store::in_engine(&engine).await?;
/// store.enqueue(Message { backoff: Vec::new(), ..Message::new(Value::of("to Ada")?).to("mail") }).await?;
/// let got = store.receive("mail", 1, Duration::from_secs(30)).await?;
/// store.fail(&got[0], Failure { reason: Some("no such address".into()), ..Failure::default() }).await?;
///
/// let dead = store.dead_letters(Some("mail"), 10, 0).await?;
/// assert_eq!((dead[0].reason.as_str(), dead[0].attempts), ("no such address", 1));
/// assert!(store.requeue(&dead[0].id).await?.is_some());
/// let stats = store.queue_stats("mail").await?;
/// assert_eq!((stats.pending, stats.dead), (1, 0));
/// # engine.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
impl Store {
    /// Dead letters of a queue, or of all, the newest first: at most `limit`, up to [`DeadLetter::MOST`], behind the first
    /// `offset`.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) for more; as [`Store::get`].
    pub async fn dead_letters(&self, queue: Option<&str>, limit: u32, offset: u64) -> Result<Vec<DeadLetter>> {
        within(What::Entries, limit as usize, DeadLetter::MOST as usize)?;
        either!(self, it => it.dead_letters(queue, limit, offset).await, it.dead_letters(queue, limit, offset).await)
    }

    /// One dead letter.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>> {
        either!(self, it => it.dead_letter(id).await, it.dead_letter(id).await)
    }

    /// Puts a dead letter back into its queue, with the options it had and all tries before it; returns the new message's
    /// id. `None`: there is no such letter.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn requeue(&self, id: &str) -> Result<Option<String>> {
        either!(self, it => it.requeue(id).await, it.requeue(id).await)
    }

    /// Deletes a dead letter; was it there?
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn delete_dead_letter(&self, id: &str) -> Result<bool> {
        either!(self, it => it.delete_dead_letter(id).await, it.delete_dead_letter(id).await)
    }

    /// Deletes the dead letters of a queue, or of all; how many were there?
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn purge_dead_letters(&self, queue: Option<&str>) -> Result<u64> {
        either!(self, it => it.purge_dead_letters(queue).await, it.purge_dead_letters(queue).await)
    }
}
