//! Quotas survive a restart: what is used is added to the default database, a second's worth at a time.
//!
//! A crash loses what was counted since the last write: at most one second and the time that write took; while the
//! database is away, all since it was last there (it is written when it is back). A stop writes everything. Nodes that
//! share the database add to the same rows and learn of each other with every write, so together they may let through
//! what each lets through within about two seconds more than the quota.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use buntime_core::{BoxError, PluginContext};
use buntime_database::{Adapter, Migration, Statement, args};

use super::{
    algorithm::{Algorithm, Cell, calendar},
    counted::Counted,
    key::{hex, unhex},
    time::of_day,
};
use crate::config::Period;

/// How often what was counted is written.
const EVERY: Duration = Duration::from_secs(1);
/// How many rows one transaction writes.
const BATCH: usize = 500;

const MIGRATIONS: [(&str, &str); 1] = [(
    "0001-quotas",
    "CREATE TABLE gateway_quotas (
        counter TEXT NOT NULL, period BIGINT NOT NULL, key TEXT NOT NULL, used BIGINT NOT NULL,
        PRIMARY KEY (counter, period, key)
    )",
)];

const ADD: &str =
    "INSERT INTO gateway_quotas (counter, period, key, used) VALUES (?1, ?2, ?3, CASE WHEN ?4 > 0 THEN ?4 ELSE 0 END)
    ON CONFLICT (counter, period, key) DO UPDATE SET used =
        CASE WHEN gateway_quotas.used + ?4 > 0 THEN gateway_quotas.used + ?4 ELSE 0 END
    RETURNING used";

/// A period and a key.
type Row = (u64, Box<[u8]>);
type Unwritten = HashMap<Row, i64>;

/// What a quota has counted and not yet written.
pub(crate) struct Ledger {
    database: Arc<dyn Adapter>,
    counter: String,
    period: Period,
    unwritten: Mutex<Unwritten>,
    /// No more keys are remembered while the database is away.
    most: usize,
    lost: AtomicU64,
    failing: AtomicBool,
    /// The period before which there is nothing in the database.
    begun: AtomicU64,
    loaded: tokio::sync::Mutex<bool>,
}

impl Ledger {
    /// Of one entry; `counter` names it among all.
    pub(crate) fn new(database: Arc<dyn Adapter>, counter: String, period: Period, most: usize) -> Self {
        Self {
            database,
            counter,
            period,
            unwritten: Mutex::default(),
            most: most.max(BATCH),
            lost: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            loaded: tokio::sync::Mutex::new(false),
        }
    }

    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a key used, or gave back.
    pub(crate) fn note(&self, key: &[u8], now: u64, cost: i64) {
        let (period, _) = calendar(self.period, now);
        let mut unwritten = self.unwritten();
        if unwritten.len() >= self.most {
            self.lost.fetch_add(1, Relaxed);
            return;
        }
        let sum = unwritten.entry((period, key.into())).or_default();
        *sum = sum.saturating_add(cost);
    }

    /// Is the database written to?
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Relaxed)
    }

    /// Reads what the present period has used so far, once in the life of the counters.
    ///
    /// # Errors
    /// If the database cannot be read: a quota that begins at nothing is none.
    pub(crate) async fn load(&self, counted: &Counted, algorithm: &Algorithm, now: u64) -> Result<(), BoxError> {
        let mut loaded = self.loaded.lock().await;
        if *loaded {
            return Ok(());
        }
        let migrations = MIGRATIONS.map(|(id, sql)| Migration::new(id, sql));
        self.database.migrate("plugin-gateway", &migrations).await?;
        let (period, _) = calendar(self.period, now);
        let present = i64::try_from(period)?;
        self.forget_before(period).await?;
        let most = i64::try_from(self.most)?;
        let sql = "SELECT key, used FROM gateway_quotas WHERE counter = ?1 AND period = ?2 ORDER BY used DESC LIMIT ?3";
        let rows = self.database.query(sql, args![&self.counter, present, most]).await?;
        for row in rows.iter() {
            let (key, used): (String, i64) = (row.at(0)?, row.at(1)?);
            let Some(key) = unhex(&key) else { continue };
            let used = u64::try_from(used).unwrap_or(0);
            counted.table.with(&key, algorithm, now, |cell| *cell = Cell::of_period(period, used));
        }
        *loaded = true;
        Ok(())
    }

    /// Deletes what is of earlier periods.
    async fn forget_before(&self, period: u64) -> Result<(), BoxError> {
        let old = "DELETE FROM gateway_quotas WHERE counter = ?1 AND period < ?2";
        self.database.execute(old, args![&self.counter, i64::try_from(period)?]).await?;
        self.begun.store(period, Relaxed);
        Ok(())
    }

    /// Writes what there is to write, and takes over what other nodes have added.
    pub(crate) async fn flush(&self, counted: &Counted) {
        let mut all: Vec<_> = mem::take(&mut *self.unwritten()).into_iter().collect();
        while !all.is_empty() {
            let batch = all.split_off(all.len().saturating_sub(BATCH));
            if let Err(error) = self.write(counted, &batch).await {
                if !self.failing.swap(true, Relaxed) {
                    tracing::warn!(
                        counter = self.counter,
                        "quotas cannot be written; they are kept in memory: {error}"
                    );
                }
                let mut unwritten = self.unwritten();
                for (key, sum) in all.into_iter().chain(batch) {
                    *unwritten.entry(key).or_default() += sum;
                }
                return;
            }
        }
        if self.failing.swap(false, Relaxed) {
            let lost = self.lost.swap(0, Relaxed);
            tracing::info!(counter = self.counter, lost, "quotas are written again");
        }
        let (period, _) = calendar(self.period, counted.time_of_day());
        if self.begun.load(Relaxed) < period
            && let Err(error) = self.forget_before(period).await
        {
            tracing::debug!(counter = self.counter, "old quotas cannot be deleted yet: {error}");
        }
    }

    async fn write(&self, counted: &Counted, batch: &[(Row, i64)]) -> Result<(), BoxError> {
        let mut statements = Vec::with_capacity(batch.len());
        for ((period, key), sum) in batch {
            statements.push(Statement::new(ADD, args![&self.counter, i64::try_from(*period)?, hex(key), *sum]));
        }
        let outcomes = self.database.transaction(statements).await?;
        for (((period, key), sum), outcome) in batch.iter().zip(outcomes) {
            let Some(total) = outcome.rows.first().and_then(|row| row.at::<i64>(0).ok()) else { continue };
            let total = u64::try_from(total).unwrap_or(0);
            counted.table.if_known(key, |cell| {
                if cell.is_of(*period) {
                    // What the database has beyond what was known of it and what was just added is others'.
                    let own = cell.before.saturating_add_signed(*sum);
                    cell.used = cell.used.saturating_add(total).saturating_sub(own);
                    cell.before = total;
                }
            });
        }
        Ok(())
    }

    /// Writes every second until the instance ends, and then once more.
    pub(crate) async fn keep_writing(&self, counted: &Counted, context: &PluginContext) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = context.cancelled().cancelled() => break,
                _ = ticks.tick() => self.flush(counted).await,
            }
        }
        self.flush(counted).await;
    }

    /// The moment as calendars see it.
    pub(crate) fn now(context: &PluginContext) -> u64 {
        of_day(context.clock().wall())
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("counter", &self.counter).finish_non_exhaustive()
    }
}
