//! What outlives instances: the cells and figures of each entry, kept where the entry was configured.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use buntime_core::{Clock, PluginContext, Scope};
use serde::Serialize;

use super::{
    algorithm::{Algorithm, Cell, Kind, Verdict},
    quota::Ledger,
    table::Table,
    time::{Anchor, of_day},
};

/// The counters of one entry of `rateLimit`.
pub struct Counted {
    pub(crate) table: Table,
    anchor: Anchor,
    clock: Clock,
    pub(crate) figures: Figures,
    /// Of a quota: what is yet to be written.
    pub(crate) ledger: Option<Arc<Ledger>>,
}

/// How often what was said.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) allowed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) observed: AtomicU64,
    pub(crate) delayed: AtomicU64,
    pub(crate) bypassed: AtomicU64,
    pub(crate) uncounted: AtomicU64,
}

/// [`Figures`] at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    /// Let through.
    pub(crate) allowed: u64,
    /// Answered with 429.
    pub(crate) refused: u64,
    /// Over the limit, let through in mode `observe`.
    pub(crate) observed: u64,
    /// Held back before they were let through; also among `allowed`.
    pub(crate) delayed: u64,
    /// Not counted: excluded, bypassed, free.
    pub(crate) bypassed: u64,
    /// Let through or refused because Redis was away.
    pub(crate) uncounted: u64,
}

impl Figures {
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            allowed: self.allowed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            observed: self.observed.load(Relaxed),
            delayed: self.delayed.load(Relaxed),
            bypassed: self.bypassed.load(Relaxed),
            uncounted: self.uncounted.load(Relaxed),
        }
    }
}

impl Counted {
    /// Empty counters for at most about `most` keys.
    pub fn new(clock: &Clock, most: usize) -> Self {
        Self {
            table: Table::new(most),
            anchor: Anchor::new(clock),
            clock: clock.clone(),
            figures: Figures::default(),
            ledger: None,
        }
    }

    /// Those of a quota.
    pub(crate) fn with_ledger(mut self, ledger: Option<Arc<Ledger>>) -> Self {
        self.ledger = ledger;
        self
    }

    /// The moment as this counter sees it.
    pub(crate) fn time(&self, algorithm: &Algorithm, now: Instant) -> u64 {
        match algorithm.kind {
            Kind::Calendar(_) => self.time_of_day(),
            Kind::Bucket { .. } | Kind::Fixed(_) | Kind::Sliding(_) => self.anchor.at(now),
        }
    }

    /// The moment as calendars see it.
    pub(crate) fn time_of_day(&self) -> u64 {
        of_day(self.clock.wall())
    }

    /// Takes a request of that cost. See [`Algorithm::take`].
    pub fn take(&self, key: &[u8], algorithm: &Algorithm, now: Instant, cost: u64, delay: Duration) -> Verdict {
        let time = self.time(algorithm, now);
        let verdict = self.table.with(key, algorithm, time, |cell| algorithm.take(cell, time, cost, delay));
        if let (Some(ledger), true) = (&self.ledger, verdict.allowed && cost > 0) {
            ledger.note(key, time, i64::try_from(cost).unwrap_or(i64::MAX));
        }
        verdict
    }

    /// Gives a request back that another limit refused.
    pub(crate) fn give_back(&self, key: &[u8], algorithm: &Algorithm, now: Instant, cost: u64) {
        let time = self.time(algorithm, now);
        self.table.if_known(key, |cell| algorithm.give_back(cell, time, cost));
        if let Some(ledger) = &self.ledger {
            ledger.note(key, time, -i64::try_from(cost).unwrap_or(i64::MAX));
        }
    }

    /// Forgets a key; false if it was not known. What a quota had used is given back in the database too.
    pub(crate) fn reset(&self, key: &[u8], algorithm: &Algorithm, now: Instant) -> bool {
        let Some(ledger) = &self.ledger else { return self.table.remove(key) };
        let time = self.time(algorithm, now);
        let used = self.table.if_known(key, |cell| std::mem::take(&mut cell.used));
        if let Some(used) = used {
            ledger.note(key, time, -i64::try_from(used).unwrap_or(i64::MAX));
        }
        used.is_some()
    }

    /// Keys that pass, at most so many, with their cells as they are.
    pub(crate) fn list(&self, most: usize, mut passes: impl FnMut(&[u8]) -> bool) -> Vec<(Box<[u8]>, Cell)> {
        let mut found = Vec::new();
        self.table.visit(|key, cell| {
            if passes(key) {
                found.push((key.into(), *cell));
            }
            found.len() < most
        });
        found
    }
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counted").field("table", &self.table).finish_non_exhaustive()
    }
}

/// What must be the same for counters to mean the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub(crate) name: String,
    /// How it is counted: the algorithm, and for windows their length.
    pub(crate) way: (u8, u64),
    /// By what, as it is written.
    pub(crate) keys: String,
    pub(crate) most: usize,
}

/// All counters of one scope.
#[derive(Debug, Default)]
struct Shelf(Mutex<HashMap<Shape, Arc<Counted>>>);

/// The counters of an entry, found again or made. What no instance uses and `listed` no longer names is forgotten.
pub(crate) fn find(
    context: &PluginContext,
    scope: &Scope,
    shape: Shape,
    listed: &[String],
    make: impl FnOnce() -> Counted,
) -> Arc<Counted> {
    let shelf = context.keep_at(scope, "rateLimit", Shelf::default);
    let mut counters = shelf.0.lock().unwrap_or_else(PoisonError::into_inner);
    counters.retain(|known, counted| {
        let wanted = *known == shape || (known.name != shape.name && listed.contains(&known.name));
        wanted || Arc::strong_count(counted) > 1
    });
    counters.entry(shape).or_insert_with(|| Arc::new(make())).clone()
}
