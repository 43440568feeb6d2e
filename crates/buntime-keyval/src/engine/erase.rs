//! Deleting many entries, and saying how many there were: all of some ranges, or those that somebody picks.

use std::{fmt, sync::Arc};

use buntime_database::{Next, Outcome, Plan, Row, Statement, args};

use super::{
    Namespace,
    clock::Moment,
    hub::Hub,
    index::{self, Declared},
    news::News,
    quota,
    refusal::{Refusal, own},
    row::{ENTRY, entry, signed},
    trigger::{Effect, Triggers},
    write::{tick, ticked},
};
use crate::{Entry, Error, Exceeded, Key, Range, Result, Versionstamp, What};

/// Ranges of one step of a plan.
const STEP: usize = 32;

/// What became of a deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// How many entries are gone.
    pub count: u64,
    /// There are more, since only so many were to be deleted.
    pub more: bool,
}

/// Who picks entries. A pure function: it may be asked twice, while the database is locked.
pub trait Judge: fmt::Debug + Send + Sync + 'static {
    /// Is this one meant?
    fn picks(&self, entry: &Entry) -> bool;
}

#[cfg(feature = "json")]
impl Judge for crate::filter::Filter {
    fn picks(&self, entry: &Entry) -> bool {
        self.matches(&entry.value)
    }
}

impl Namespace {
    /// Deletes what is in these ranges, in one commit, and no more than `most`. The ranges' own limits count for nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn erase(&self, ranges: Vec<Range>, most: u32) -> Result<Erased> {
        self.run(ranges, most, false).await
    }

    /// Deletes all that is in these ranges, in one commit; how much was there?
    ///
    /// # Errors
    /// [`Error::Limit`] if it is more than `most`, and nothing is deleted; the database's.
    pub async fn erase_all(&self, ranges: Vec<Range>, most: u32) -> Result<u64> {
        Ok(self.run(ranges, most, true).await?.count)
    }

    async fn run(&self, ranges: Vec<Range>, most: u32, all: bool) -> Result<Erased> {
        let plan =
            Arc::new(ErasePlan { ranges, most, all, moment: Moment::of(&self.engine.clock), told: Told::of(self) });
        let done = self.engine.database.planned(Arc::<ErasePlan>::clone(&plan)).await.map_err(own)?;
        let count = if done.committed { plan.count(&done.outcomes) } else { 0 };
        Ok(Erased { count, more: count >= u64::from(most) })
    }

    /// Deletes those of these entries that are as they were seen, and of those that changed meanwhile the ones that are
    /// picked as they are now; all in one commit. How many were deleted?
    ///
    /// # Errors
    /// The database's.
    pub async fn erase_if(&self, seen: Vec<(Key, Versionstamp)>, judge: Arc<dyn Judge>) -> Result<u64> {
        if seen.is_empty() {
            return Ok(0);
        }
        let plan = Arc::new(PickPlan { seen, judge, moment: Moment::of(&self.engine.clock), told: Told::of(self) });
        let done = self.engine.database.planned(Arc::<PickPlan>::clone(&plan)).await.map_err(own)?;
        Ok(if done.committed { plan.deleted(&done.outcomes).count() as u64 } else { 0 })
    }
}

/// What a deletion returns of each entry.
const GONE: &str = "RETURNING key, length(key) + length(value)";

fn gone(row: Row<'_>) -> buntime_database::Result<(Key, i64)> {
    Ok((Key::trusted(row.at::<Vec<u8>>(0)?), row.at(1)?))
}

/// Who is told of what is deleted, and in which namespace that is.
#[derive(Debug)]
struct Told {
    ns: i64,
    hub: Arc<Hub>,
    triggers: Arc<Triggers>,
}

impl Told {
    fn of(namespace: &Namespace) -> Self {
        let (hub, triggers) = (namespace.engine.hub.clone(), namespace.engine.triggers.clone());
        Self { ns: namespace.id, hub, triggers }
    }

    fn news(&self, done: &[Outcome], keys: &[Key]) -> News {
        let Some(clock) = done.first() else { return News::default() };
        News { keys: keys.iter().map(|key| (self.ns, key.clone())).collect(), ..News::of(ticked(clock)) }
    }

    /// What is left to do when these were deleted, and `rest` was returned since: nothing, if there were none.
    fn ending(&self, done: &[Outcome], deleted: &[Row<'_>], rest: &[Outcome]) -> buntime_database::Result<Next> {
        if deleted.is_empty() {
            return Ok(Next::Abandon);
        }
        // Nothing has to be read of indexes where nobody ever declared one.
        let shape: i64 = done.first().and_then(|clock| clock.rows.first()).map_or(Ok(0), |row| row.at(1))?;
        let asks = if shape == 0 { Vec::new() } else { index::of_namespaces(&[self.ns]) };
        if rest.is_empty() && !asks.is_empty() {
            return Ok(Next::Run(asks));
        }
        if rest.len() > asks.len() {
            return Ok(Next::Commit);
        }
        let gone = deleted.iter().map(|row| gone(*row)).collect::<buntime_database::Result<Vec<_>>>()?;
        let (keys, sizes): (Vec<Key>, Vec<i64>) = gone.into_iter().unzip();
        let entries = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        let mut statements = vec![quota::without(self.ns, entries, sizes.iter().sum())];
        let declared = Declared::of_outcomes(rest).map_err(Refusal::write)?;
        declared.gone(self.ns, &keys.iter().collect::<Vec<_>>(), &mut statements);
        statements.extend(self.hub.saying(&self.news(done, &keys)));
        Ok(Next::Run(statements))
    }

    fn committed<'a>(&self, done: &[Outcome], deleted: impl Iterator<Item = Row<'a>>) {
        let keys: Vec<Key> = deleted.filter_map(|row| gone(row).ok()).map(|(key, _)| key).collect();
        let news = self.news(done, &keys);
        self.hub.committed(&news);
        if let Some(version) = news.version {
            let effects = keys.into_iter().map(|key| (key, Effect::Deleted));
            self.triggers.committed(self.ns, version, effects);
        }
    }
}

#[derive(Debug)]
struct ErasePlan {
    ranges: Vec<Range>,
    most: u32,
    /// Is more than that an error?
    all: bool,
    moment: Moment,
    told: Told,
}

impl ErasePlan {
    fn deleted<'a>(&self, done: &'a [Outcome]) -> impl Iterator<Item = Row<'a>> + use<'a> {
        done.iter().skip(1).take(self.ranges.len()).flat_map(|outcome| outcome.rows.iter())
    }

    fn count(&self, done: &[Outcome]) -> u64 {
        self.deleted(done).count() as u64
    }

    fn delete(&self, range: &Range, most: u64) -> Statement {
        let sql = format!(
            "DELETE FROM kv_entries WHERE ns = ?1 AND key IN (SELECT key FROM kv_entries WHERE ns = ?1 AND key >= ?2 \
             AND key < ?3 AND (expires_at IS NULL OR expires_at > ?4) ORDER BY key LIMIT ?5) {GONE}"
        );
        Statement::new(
            sql,
            args![self.told.ns, range.start.as_ref(), range.end.as_ref(), signed(self.moment.now()), signed(most)],
        )
    }
}

impl Plan for ErasePlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        self.moment.of_try(done);
        let ran = done.len().saturating_sub(1);
        let (most, count) = (u64::from(self.most), self.count(done));
        if self.all && count > most {
            return Err(Refusal::write(Error::Limit(Exceeded { what: What::Entries, most: self.most as usize })));
        }
        // One more than allowed shows that there are more.
        let left = (most + u64::from(self.all)).saturating_sub(count);
        let step = if self.all { STEP } else { 1 };
        let mut statements: Vec<Statement> =
            self.ranges.iter().skip(ran).take(step).map(|range| self.delete(range, left)).collect();
        if done.is_empty() {
            statements.insert(0, tick());
        }
        if !statements.is_empty() {
            return Ok(Next::Run(statements));
        }
        let rest = done.get(1 + self.ranges.len()..).unwrap_or_default();
        self.told.ending(done, &self.deleted(done).collect::<Vec<_>>(), rest)
    }

    fn committed(&self, done: &[Outcome]) {
        self.told.committed(done, self.deleted(done));
    }
}

#[derive(Debug)]
struct PickPlan {
    seen: Vec<(Key, Versionstamp)>,
    judge: Arc<dyn Judge>,
    moment: Moment,
    told: Told,
}

const LIVE: &str = "(expires_at IS NULL OR expires_at > ?3)";

impl PickPlan {
    fn as_seen(&self) -> Vec<Statement> {
        let sql = format!("DELETE FROM kv_entries WHERE ns = ?1 AND key = ?2 AND {LIVE} AND version = ?4 {GONE}");
        let delete = |(key, seen): &(Key, Versionstamp)| {
            let version = signed(seen.version().unwrap_or(u64::MAX));
            Statement::new(sql.as_str(), args![self.told.ns, key.as_bytes(), signed(self.moment.now()), version])
        };
        std::iter::once(tick()).chain(self.seen.iter().map(delete)).collect()
    }

    /// Those that were not as they had been seen.
    fn changed<'a>(&'a self, done: &'a [Outcome]) -> impl Iterator<Item = &'a Key> {
        let outcomes = done.iter().skip(1);
        self.seen.iter().zip(outcomes).filter(|(_, outcome)| outcome.rows.is_empty()).map(|((key, _), _)| key)
    }

    fn picked(&self, looked: &[Outcome]) -> Result<Vec<Key>> {
        let mut picked = Vec::new();
        for outcome in looked {
            for row in outcome.rows.iter() {
                let entry = entry(row.values())?;
                if self.judge.picks(&entry) {
                    picked.push(entry.key);
                }
            }
        }
        Ok(picked)
    }

    /// Where in the outcomes each step ends: the deletions of what was seen, the looks at what was not.
    fn ends(&self, done: &[Outcome]) -> (usize, usize) {
        let seen = 1 + self.seen.len();
        (seen, seen + self.changed(done).count())
    }

    fn deleted<'a>(&self, done: &'a [Outcome]) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let (seen, looked) = self.ends(done);
        // What could not be read would have failed the plan.
        let picked = self.picked(done.get(seen..looked).unwrap_or_default()).map_or(0, |picked| picked.len());
        let deletes = done.iter().take(seen).skip(1).chain(done.iter().skip(looked).take(picked));
        deletes.flat_map(|outcome| outcome.rows.iter())
    }
}

impl Plan for PickPlan {
    fn next(&self, done: &[Outcome]) -> buntime_database::Result<Next> {
        self.moment.of_try(done);
        if done.is_empty() {
            return Ok(Next::Run(self.as_seen()));
        }
        let (seen, looked) = self.ends(done);
        if done.len() == seen && looked > seen {
            let sql = format!("SELECT {ENTRY} FROM kv_entries WHERE ns = ?1 AND key = ?2 AND {LIVE}");
            let look = |key: &Key| {
                Statement::new(sql.as_str(), args![self.told.ns, key.as_bytes(), signed(self.moment.now())])
            };
            return Ok(Next::Run(self.changed(done).map(look).collect()));
        }
        let picked = self.picked(done.get(seen..looked).unwrap_or_default()).map_err(Refusal::write)?;
        let wanted = picked.len();
        if done.len() == looked && wanted > 0 {
            let sql = format!("DELETE FROM kv_entries WHERE ns = ?1 AND key = ?2 {GONE}");
            let delete = |key: Key| Statement::new(sql.as_str(), args![self.told.ns, key.as_bytes()]);
            return Ok(Next::Run(picked.into_iter().map(delete).collect()));
        }
        let rest = done.get(looked + wanted..).unwrap_or_default();
        self.told.ending(done, &self.deleted(done).collect::<Vec<_>>(), rest)
    }

    fn committed(&self, done: &[Outcome]) {
        self.told.committed(done, self.deleted(done));
    }
}
