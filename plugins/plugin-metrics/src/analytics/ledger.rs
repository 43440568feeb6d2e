//! What was counted and is not in the database yet; writing it, and deleting what is old.
//!
//! A crash loses what was counted since the last write. While the database is away it is kept, so many rows of it; what
//! comes beyond that is noted as `other`, and beyond a day of those only its number. Rows are added to, in the order of
//! their keys, so that nodes may write at once.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use buntime_database::Adapter;

use super::{
    key::{Key, OTHERS, other_index, other_key},
    schema::{self, HOUR, MINUTE, SIX_HOURS, TEN_MINUTES},
    tally::Counts,
};

/// How many series one transaction writes.
const BATCH: usize = 300;
/// Minutes with every series busy that are kept while the database is away.
const MINUTES_WAITING: usize = 20;
/// Rows of `other` beyond that: a day of them.
const OTHERS_WAITING: usize = 1_440 * OTHERS;

type Rows = BTreeMap<(i64, Key), Counts>;

/// How long rows of each step are kept, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(super) minutes: i64,
    pub(super) ten_minutes: i64,
    pub(super) hours: i64,
    pub(super) six_hours: i64,
}

impl Kept {
    /// What a retention means for each step.
    pub(crate) fn of(retention: Duration) -> Self {
        let all = i64::try_from(retention.as_secs()).unwrap_or(i64::MAX / 4);
        let most = |hours: i64| all.min(hours * HOUR);
        Self { minutes: most(3), ten_minutes: most(72), hours: most(14 * 24), six_hours: all }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Ledger {
    waiting: Mutex<Rows>,
    most: usize,
    lost: AtomicU64,
    failing: AtomicBool,
    writing: tokio::sync::Mutex<Written>,
}

/// What the database is known to have been told.
#[derive(Debug, Default)]
struct Written {
    is_migrated: bool,
    /// When old rows were deleted last, and by what retention.
    swept: Option<(i64, Kept)>,
}

impl Ledger {
    /// For so many series a minute.
    pub(crate) fn new(series: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            most: (series + OTHERS) * MINUTES_WAITING,
            lost: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            writing: tokio::sync::Mutex::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Rows> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was counted in a minute.
    pub(crate) fn note(&self, minute: i64, taken: Vec<(Key, Counts)>) {
        let mut waiting = self.waiting();
        for (key, counts) in taken {
            self.merge(&mut waiting, minute, key, counts);
        }
    }

    fn merge(&self, waiting: &mut Rows, minute: i64, key: Key, counts: Counts) {
        let row = (minute, key);
        if waiting.len() < self.most || waiting.contains_key(&row) {
            return waiting.entry(row).or_default().add(counts);
        }
        let (_, key) = row;
        let other = (minute, other_key(other_index(key.status, key.code)));
        if waiting.len() < self.most + OTHERS_WAITING || waiting.contains_key(&other) {
            return waiting.entry(other).or_default().add(counts);
        }
        self.lost.fetch_add(counts.requests, Relaxed);
    }

    /// Is the database written to?
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Relaxed)
    }

    /// Requests that could not be kept while the database was away.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Writes what waits and deletes what is old. What cannot be written waits on. `now` in seconds since 1970.
    /// Must not be dropped before it is done: whether what it was writing was written would not be known.
    pub(crate) async fn flush(&self, database: &dyn Adapter, kept: Kept, now: i64) {
        let mut written = self.writing.lock().await;
        match self.write(database, &mut written, kept, now).await {
            Ok(()) => {
                if self.failing.swap(false, Relaxed) {
                    tracing::info!(lost = self.lost(), "analytics are written again");
                }
            }
            Err(error) => {
                if !self.failing.swap(true, Relaxed) {
                    tracing::warn!("analytics cannot be written; they are kept in memory: {error}");
                }
            }
        }
    }

    async fn write(
        &self,
        database: &dyn Adapter,
        written: &mut Written,
        kept: Kept,
        now: i64,
    ) -> buntime_database::Result<()> {
        if !written.is_migrated {
            database.migrate(schema::COMPONENT, &schema::migrations()).await?;
            written.is_migrated = true;
        }
        let mut rest = std::mem::take(&mut *self.waiting());
        while !rest.is_empty() {
            let batch: Vec<_> = std::iter::from_fn(|| rest.pop_first()).take(BATCH).collect();
            let statements = batch.iter().map(|((minute, key), counts)| schema::add(*minute, key, counts)).collect();
            if let Err(error) = database.transaction(statements).await {
                // Meanwhile others may have been noted.
                let mut waiting = self.waiting();
                for ((minute, key), counts) in batch.into_iter().chain(rest) {
                    self.merge(&mut waiting, minute, key, counts);
                }
                return Err(error);
            }
        }
        let is_swept = written.swept.is_some_and(|(at, by)| by == kept && (at..at + TEN_MINUTES).contains(&now));
        if !is_swept {
            let fine = [(MINUTE, kept.minutes), (TEN_MINUTES, kept.ten_minutes)];
            let coarse = [(HOUR, kept.hours), (SIX_HOURS, kept.six_hours)];
            let old = fine.into_iter().chain(coarse).map(|(step, kept)| schema::forget(step, now - kept));
            database.transaction(old.collect()).await?;
            written.swept = Some((now, kept));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_what_does_not_fit_is_told() {
        let ledger = Ledger::new(1);
        let most = 11 * MINUTES_WAITING;
        let key = |index: usize| Key { route: format!("r{index}").into(), consumer: None, status: 200, code: None };
        let counts = Counts { requests: 2, ..Counts::default() };
        for index in 0..most + 50 {
            ledger.note(0, vec![(key(index), counts)]);
        }
        assert_eq!((ledger.waiting().len(), ledger.lost()), (most + 1, 0));
        assert_eq!(ledger.waiting()[&(0, other_key(1))].requests, 100);
        for minute in 1..20_000 {
            ledger.note(minute * 60, vec![(key(0), counts)]);
        }
        assert_eq!(ledger.waiting().len(), most + OTHERS_WAITING);
        let all: u64 = ledger.waiting().values().map(|counts| counts.requests).sum();
        let noted = 2 * (most as u64 + 50 + 19_999);
        assert_eq!(all + ledger.lost(), noted);
        assert!(ledger.lost() > 0);
    }
}
