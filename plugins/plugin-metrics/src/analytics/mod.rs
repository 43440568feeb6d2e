//! Analytics: who asked for what and what came of it, over an hour, a day or a month.
//!
//! [`tally`] counts every request by route, consumer, status and error code, in memory and without a lock. Now and then
//! what was counted since is taken and noted in the [`ledger`] under the minute it belongs to; the ledger adds it to the
//! rows of the default database ([`schema`]), where nodes that share one add up, and deletes what is old. [`window`] is
//! what somebody asks for, [`report`] the answer, [`api`] where it is asked.
//!
//! Everything is bounded: the series that are told apart, what waits for a database that is away, the rows.

pub(crate) mod api;
mod key;
mod ledger;
mod report;
mod schema;
mod settings;
mod tally;
mod window;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use buntime_core::{BoxError, Clock, Finding, PluginContext, Startup};
use buntime_database::{Adapter, Registry};

pub use self::{
    key::{Key, OTHER},
    settings::AnalyticsSettings,
    tally::{Counts, Tally},
};
use self::{
    ledger::{Kept, Ledger},
    schema::MINUTE,
};

/// How far behind the beginning of a minute what was counted may be taken and still belong to the minute before.
const SLACK: Duration = Duration::from_secs(1);

/// What is counted, and what waits to be written. Outlives instances of the plugin.
#[derive(Debug)]
pub(crate) struct Analytics {
    pub(crate) tally: Tally,
    pub(crate) ledger: Ledger,
    /// The minute in which was taken last.
    taken: Mutex<i64>,
}

impl Analytics {
    fn new(most: usize, clock: &Clock) -> Self {
        let taken = Mutex::new(minute(clock.wall()));
        Self { tally: Tally::new(most), ledger: Ledger::new(most), taken }
    }

    /// Notes what was counted since it was called last.
    pub(crate) fn take(&self, clock: &Clock) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, now): (SystemTime, Instant) = (clock.wall(), clock.now());
        // The first taking of a minute is at its beginning: what it finds is of the one before.
        let belongs = if minute(wall) == *taken { minute(wall) } else { minute(wall - SLACK) };
        self.ledger.note(belongs, self.tally.take(now));
        *taken = minute(wall);
    }

    /// Takes at least each minute, writes each `every`, until the instance ends, and then once more.
    async fn keep(self: Arc<Self>, database: Arc<dyn Adapter>, kept: Kept, every: Duration, context: PluginContext) {
        let clock = context.clock();
        let mut due = tokio::time::Instant::now() + every;
        loop {
            let pause = due.min(tokio::time::Instant::now() + until_next_minute(clock.wall()));
            tokio::select! {
                () = context.cancelled().cancelled() => break,
                () = tokio::time::sleep_until(pause) => self.take(clock),
            }
            if tokio::time::Instant::now() >= due {
                self.ledger.flush(&*database, kept, minute(clock.wall())).await;
                due = tokio::time::Instant::now() + every;
            }
        }
        self.take(clock);
        self.ledger.flush(&*database, kept, minute(clock.wall())).await;
    }

    fn finding(&self) -> Finding {
        if self.ledger.is_failing() {
            Finding::degraded("the database is away: analytics are kept in memory")
        } else {
            Finding::healthy()
        }
    }
}

/// Analytics of an instance: with the database they are kept in.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) analytics: Arc<Analytics>,
    pub(crate) database: Arc<dyn Adapter>,
    pub(crate) kept: Kept,
}

/// Opens analytics, if they are on. The database need not be there: it is waited for.
///
/// # Errors
/// If they are asked for and no database is configured.
pub(crate) fn open(startup: &mut Startup, settings: &AnalyticsSettings) -> Result<Option<Open>, BoxError> {
    if settings.enabled == Some(false) {
        return Ok(None);
    }
    let database = match (startup.service::<Registry>(), settings.enabled) {
        (Some(registry), Some(true)) => registry.get(None)?,
        (Some(registry), _) => match registry.get(None) {
            Ok(database) => database,
            Err(_) => return Ok(None),
        },
        (None, Some(true)) => return Err("analytics need a database, and there is none".into()),
        (None, _) => return Ok(None),
    };
    let context = startup.context();
    let most = usize::try_from(settings.max_series)?;
    // One that counts as many, if there was one: a reload loses nothing.
    let slot = context.keep("analytics", || Mutex::new(None::<Arc<Analytics>>));
    let analytics = {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some(kept) if kept.tally.most() == most => kept.clone(),
            _ => slot.insert(Arc::new(Analytics::new(most, context.clock()))).clone(),
        }
    };
    let open = Open { analytics: analytics.clone(), database: database.clone(), kept: Kept::of(settings.retention.0) };
    context.spawn_until_done(analytics.clone().keep(database, open.kept, settings.flush_interval.0, context.clone()));
    startup.health_check("plugin:metrics", move || {
        let finding = analytics.finding();
        async move { finding }
    });
    Ok(Some(open))
}

/// Seconds since 1970.
fn seconds(wall: SystemTime) -> i64 {
    let since = wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX / 2)
}

/// The beginning of its minute, in seconds since 1970.
fn minute(wall: SystemTime) -> i64 {
    let seconds = seconds(wall);
    seconds - seconds % MINUTE
}

/// A little more than the rest of its minute, so that a timer does not ring just before the next one.
fn until_next_minute(wall: SystemTime) -> Duration {
    let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let minute = Duration::from_secs(MINUTE.unsigned_abs());
    let inside = Duration::from_nanos(u64::try_from(since.as_nanos() % minute.as_nanos()).unwrap_or(0));
    minute.saturating_sub(inside) + Duration::from_millis(5)
}
