//! Sweeping away what has expired, when it expires: so watches are told, and space is free again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use buntime_database::{Next, Notifications, Outcome, Plan, Statement, args};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::{
    Inner,
    hub::{Hub, Nodes},
    index::{self, Declared},
    listen,
    news::News,
    quota,
    refusal::Refusal,
    row::{signed, unsigned},
    trigger::{Effect, Triggers},
    write::{tick, ticked},
};
use crate::{Key, Result};

/// Entries of one sweep: it holds up writers no longer than that takes.
const SOME: i64 = 500;
/// Expiries that lie closer together than this are swept together.
const PAUSE: Duration = Duration::from_millis(20);

/// What runs for a store.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    all: Mutex<Vec<JoinHandle<()>>>,
    ended: watch::Sender<bool>,
}

/// Tells a task of a store that it is to end.
#[derive(Debug)]
pub(super) struct Ended(watch::Receiver<bool>);

impl Ended {
    pub(super) async fn wait(&mut self) {
        // An error means that the store is gone.
        let _ = self.0.wait_for(|ended| *ended).await;
    }
}

impl Tasks {
    /// Tells them to end, whoever waits for it.
    pub(super) fn tell(&self) {
        self.ended.send_replace(true);
    }

    pub(super) async fn end(&self) {
        self.tell();
        let all = std::mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner));
        for task in all {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the store failed");
            }
        }
    }

    pub(super) fn start<F: Future<Output = ()> + Send + 'static>(&self, task: impl FnOnce(Ended) -> F) {
        let task = tokio::spawn(task(Ended(self.ended.subscribe())));
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }
}

pub(super) fn start(engine: &Arc<Inner>, notifications: Option<Notifications>) {
    let (weak, hub, database) = (Arc::downgrade(engine), engine.hub.clone(), engine.database.clone());
    engine.tasks.start(|ended| run(weak, hub.clone(), ended));
    match (notifications, hub.nodes().clone()) {
        (Some(notifications), _) => {
            engine.tasks.start(|ended| listen::notified(notifications, database, hub, ended));
        }
        (None, Nodes::Polled(every)) => engine.tasks.start(|ended| listen::polled(every, database, hub, ended)),
        (None, _) => {}
    }
}

async fn run(engine: Weak<Inner>, hub: Arc<Hub>, mut ended: Ended) {
    let mut last = None;
    loop {
        let pause = {
            // Nobody has the store any more.
            let Some(engine) = engine.upgrade() else { return };
            match engine.sweep(&mut last).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "expired entries could not be swept away; they are tried again");
                    engine.options.sweep
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = hub.sweep.notified() => tokio::time::sleep(PAUSE).await,
            () = ended.wait() => return,
        }
    }
}

impl Inner {
    /// Deletes what has expired, and says how long to wait. However far away the next expiry is that this node knows of,
    /// it looks as often as is set: other nodes write, too, and there is other housekeeping.
    async fn sweep(&self, last: &mut Option<Instant>) -> Result<Duration> {
        let (now, next) = (self.clock.now(), self.hub.next_expiry());
        let left = last.map_or(Duration::ZERO, |last| self.options.sweep.saturating_sub(last.elapsed()));
        if next > now && next != u64::MAX && !left.is_zero() {
            return Ok(self.until(next).min(left));
        }
        let began = Instant::now();
        self.hub.take_expiry();
        loop {
            let plan = Arc::new(SweepPlan { now, hub: self.hub.clone(), triggers: self.triggers.clone() });
            let done = self.database.planned(plan).await?;
            let swept = done.outcomes.get(1).map_or(0, |outcome| outcome.rows.len());
            if swept < usize::try_from(SOME).unwrap_or(usize::MAX) {
                break;
            }
        }
        self.forget(now).await?;
        let next = "SELECT min(expires_at) FROM kv_entries WHERE expires_at IS NOT NULL";
        let rows = self.database.query(next, args![]).await?;
        let next: Option<i64> = rows.first().map(|row| row.at(0)).transpose()?.flatten();
        if let Some(at) = next {
            self.hub.expires(unsigned(at));
        }
        *last = Some(began);
        Ok(self.until(self.hub.next_expiry()))
    }

    /// Deduplication keys whose time is over, and the oldest of too many dead letters.
    async fn forget(&self, now: u64) -> Result<()> {
        let keys = "DELETE FROM kv_dedup WHERE expires_at <= ?1 \
                    AND NOT EXISTS (SELECT 1 FROM kv_messages WHERE id = kv_dedup.message)";
        let letters = "DELETE FROM kv_dead WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER \
                       (PARTITION BY ns ORDER BY failed_at DESC, id DESC) AS place FROM kv_dead) AS placed WHERE place > ?1)";
        let letters = Statement::new(letters, args![self.options.dead_letters]);
        self.run(vec![Statement::new(keys, args![signed(now)]), letters]).await.map(drop)
    }

    fn until(&self, at: u64) -> Duration {
        let left = at.saturating_sub(self.clock.now());
        Duration::from_millis(left.saturating_add(1)).clamp(PAUSE, self.options.sweep.max(PAUSE))
    }
}

#[derive(Debug)]
struct SweepPlan {
    now: u64,
    hub: Arc<Hub>,
    triggers: Arc<Triggers>,
}

impl SweepPlan {
    /// The keys that were swept, by namespace.
    fn swept(swept: &Outcome) -> buntime_database::Result<BTreeMap<i64, Vec<Key>>> {
        let mut namespaces = BTreeMap::<i64, Vec<Key>>::new();
        for row in swept.rows.iter() {
            namespaces.entry(row.at(0)?).or_default().push(Key::trusted(row.at::<Vec<u8>>(1)?));
        }
        Ok(namespaces)
    }

    /// What has to be read of indexes: nothing where nobody ever declared one.
    fn declared(clock: &Outcome, swept: &Outcome) -> buntime_database::Result<Vec<Statement>> {
        let shape: i64 = clock.rows.first().map(|row| row.at(1)).transpose()?.unwrap_or(0);
        if shape == 0 {
            return Ok(Vec::new());
        }
        let namespaces: Vec<i64> = Self::swept(swept)?.into_keys().collect();
        Ok(index::of_namespaces(&namespaces))
    }
}

impl Plan for SweepPlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        match done {
            [] => {
                let sweep = "DELETE FROM kv_entries WHERE (ns, key) IN (SELECT ns, key FROM kv_entries \
                             WHERE expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2) \
                             RETURNING ns, key, length(key) + length(value)";
                Ok(Next::Run(vec![tick(), Statement::new(sweep, args![signed(self.now), SOME])]))
            }
            [_, swept] if swept.rows.is_empty() => Ok(Next::Abandon),
            [clock, swept, read @ ..] => {
                let asks = Self::declared(clock, swept)?;
                if read.is_empty() && !asks.is_empty() {
                    return Ok(Next::Run(asks));
                }
                if read.len() > asks.len() {
                    return Ok(Next::Commit);
                }
                let mut namespaces = BTreeMap::<i64, (i64, i64)>::new();
                for row in swept.rows.iter() {
                    let sums = namespaces.entry(row.at(0)?).or_default();
                    *sums = (sums.0 + 1, sums.1 + row.at::<i64>(2)?);
                }
                let account = |(ns, (entries, bytes))| quota::without(ns, entries, bytes);
                let mut statements: Vec<Statement> = namespaces.into_iter().map(account).collect();
                let declared = Declared::of_outcomes(read).map_err(Refusal::write)?;
                for (ns, keys) in Self::swept(swept)? {
                    declared.gone(ns, &keys.iter().collect::<Vec<_>>(), &mut statements);
                }
                statements.extend(self.hub.saying(&news(done)));
                Ok(Next::Run(statements))
            }
            _ => Ok(Next::Commit),
        }
    }

    fn committed(&self, done: &[Outcome]) {
        let news = news(done);
        self.hub.committed(&news);
        let (Some(version), Some(swept)) = (news.version, done.get(1)) else { return };
        for (ns, keys) in Self::swept(swept).unwrap_or_default() {
            self.triggers.committed(ns, version, keys.into_iter().map(|key| (key, Effect::Expired)));
        }
    }
}

/// Of a sweep's outcomes.
fn news(done: &[Outcome]) -> News {
    let [clock, swept, ..] = done else { return News::default() };
    let key = |row: buntime_database::Row<'_>| Some((row.at(0).ok()?, Key::trusted(row.at::<Vec<u8>>(1).ok()?)));
    News { keys: swept.rows.iter().filter_map(key).collect(), ..News::of(ticked(clock)) }
}
