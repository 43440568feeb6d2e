//! Connections of streams that were closed, kept for a while for the next: most clients open a stream for each statement.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use buntime_database::{Adapter, Session};
use tokio::time::Instant;

/// So many are kept, of all databases together.
const MOST: usize = 8;

/// See the module. What is kept is in no transaction, and as it was when it was opened.
#[derive(Clone, Debug)]
pub(super) struct Spares(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kept: Mutex<Vec<Spare>>,
    keep_for: Duration,
}

#[derive(Debug)]
struct Spare {
    adapter: Arc<dyn Adapter>,
    session: Box<dyn Session>,
    until: Instant,
}

impl Spares {
    pub(super) fn new(keep_for: Duration) -> Self {
        Self(Arc::new(Inner { kept: Mutex::default(), keep_for }))
    }

    /// One of that database: the one that was used last.
    pub(super) fn take(&self, adapter: &Arc<dyn Adapter>) -> Option<Box<dyn Session>> {
        let mut kept = self.lock();
        let at = kept.iter().rposition(|spare| Arc::ptr_eq(&spare.adapter, adapter))?;
        Some(kept.remove(at).session)
    }

    /// Keeps one; the oldest goes if there are too many.
    pub(super) fn give(&self, adapter: &Arc<dyn Adapter>, session: Box<dyn Session>) {
        let spare = Spare { adapter: Arc::clone(adapter), session, until: Instant::now() + self.0.keep_for };
        let mut kept = self.lock();
        let oldest = (kept.len() >= MOST).then(|| kept.remove(0));
        kept.push(spare);
        drop(kept);
        drop(oldest);
    }

    /// Closes those whose time is up; when the next one's is.
    pub(super) fn expire(&self, now: Instant) -> Option<Instant> {
        let mut kept = self.lock();
        // In the order of their time.
        let over = kept.iter().take_while(|spare| spare.until <= now).count();
        let gone: Vec<Spare> = kept.drain(..over).collect();
        let next = kept.first().map(|spare| spare.until);
        drop(kept);
        drop(gone);
        next
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        let all = std::mem::take(&mut *self.lock());
        drop(all);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_database::sqlite::{Options, Sqlite};

    #[tokio::test]
    async fn few_are_kept_and_not_for_long() {
        let dir = tempfile::tempdir().unwrap();
        let open = async |name: &str| {
            Arc::new(Sqlite::open(Options::file(dir.path().join(name))).await.unwrap()) as Arc<dyn Adapter>
        };
        let (one, other) = (open("one.db").await, open("other.db").await);
        let spares = Spares::new(Duration::from_secs(10));
        spares.give(&one, one.session().await.unwrap());
        assert!(spares.take(&other).is_none() && spares.take(&one).is_some() && spares.take(&one).is_none());
        for _ in 0..MOST {
            spares.give(&one, one.session().await.unwrap());
        }
        spares.give(&other, other.session().await.unwrap());
        assert_eq!(spares.lock().len(), MOST);
        assert!(spares.expire(Instant::now() + Duration::from_secs(9)).is_some());
        assert!(spares.expire(Instant::now() + Duration::from_secs(11)).is_none());
        assert!(spares.take(&other).is_none());
    }
}
