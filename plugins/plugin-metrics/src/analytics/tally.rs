//! Counts requests by series, so many of them told apart, and gives out what was counted since it was asked last.
//!
//! Counting takes no lock and, once a series has been seen, allocates nothing: a series is found in a map that is
//! replaced whole when one is new; its counters are sharded by thread. Whoever takes holds a lock that those who count
//! never wait for. A series that nothing happened to for an hour makes room for another.

use std::{
    hash::RandomState,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{Ordering::Acquire, fence},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use buntime_core::Completion;
use hashbrown::HashMap;

use super::key::{Asked, Key, OTHERS, other_index, other_key};
use crate::cells::Cells;

/// After so long without a request a series is forgotten.
const IDLE: Duration = Duration::from_secs(3_600);

type Map = HashMap<Key, Arc<Series>, RandomState>;

/// See the module. One is shared by every thread.
#[derive(Debug)]
pub struct Tally {
    most: usize,
    series: ArcSwap<Map>,
    /// For what is beyond `most`.
    others: [OnceLock<Series>; OTHERS],
    /// Held to add, to take and to forget. Those that were forgotten stay here while a thread may still count in one.
    forgotten: Mutex<Vec<(Key, Arc<Series>)>>,
}

#[derive(Debug)]
struct Series {
    cells: Cells,
    seen: Mutex<Seen>,
}

/// What was read last; only who takes looks at it.
#[derive(Debug, Default)]
struct Seen {
    raw: [u64; WHAT],
    changed: Option<Instant>,
}

const WHAT: usize = 4;

/// What was counted of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that have ended.
    pub requests: u64,
    /// How long they took, together, in microseconds.
    pub micros: u64,
    /// Bytes of their bodies.
    pub request_bytes: u64,
    /// Bytes of the answers' bodies.
    pub response_bytes: u64,
}

impl Counts {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.micros = self.micros.saturating_add(other.micros);
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
    }
}

impl Tally {
    /// One that tells `most` series apart at a time.
    pub fn new(most: usize) -> Self {
        let others = [const { OnceLock::new() }; OTHERS];
        Self { most, series: ArcSwap::default(), others, forgotten: Mutex::default() }
    }

    /// Most series told apart at a time.
    pub fn most(&self) -> usize {
        self.most
    }

    /// A request has ended. `route` is its bounded label.
    pub fn count(&self, route: &str, consumer: Option<&Arc<str>>, end: &Completion) {
        let asked = Asked { route, consumer, status: end.status, code: end.error };
        let map = self.series.load();
        match map.get(&asked) {
            Some(series) => series.add(end),
            None if map.len() >= self.most || !asked.can_be_kept() => self.other(&asked).add(end),
            None => self.find(&asked, end),
        }
    }

    fn other(&self, asked: &Asked<'_>) -> &Series {
        self.others[other_index(asked.status, asked.code)].get_or_init(Series::new)
    }

    /// Makes a series, or finds the one for series too many, and counts.
    #[cold]
    fn find(&self, asked: &Asked<'_>, end: &Completion) {
        let _adding = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        let map = self.series.load();
        // Another thread may have made it meanwhile, and with it the last that is allowed.
        if let Some(series) = map.get(asked) {
            return series.add(end);
        }
        if map.len() >= self.most {
            return self.other(asked).add(end);
        }
        let series = Arc::new(Series::new());
        series.add(end);
        let mut more = Map::clone(&map);
        more.insert(asked.owned(), series);
        self.series.store(Arc::new(more));
    }

    /// What was counted since it was called last, by series. `now` tells what has been idle for long.
    pub fn take(&self, now: Instant) -> Vec<(Key, Counts)> {
        let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        let mut note =
            |key: &dyn Fn() -> Key, counts: Option<Counts>| taken.extend(counts.map(|counts| (key(), counts)));
        forgotten.retain(|(key, series)| {
            // Only this list holds it: nobody can be counting in it any more, and what was counted is seen.
            let is_left = Arc::strong_count(series) == 1;
            fence(Acquire);
            note(&|| key.clone(), series.take(now));
            !is_left
        });
        for (index, series) in self.others.iter().enumerate() {
            note(&|| other_key(index), series.get().and_then(|series| series.take(now)));
        }
        let map = self.series.load();
        let mut idle = Vec::new();
        for (key, series) in map.iter() {
            note(&|| key.clone(), series.take(now));
            if series.is_idle(now) {
                idle.push(key.clone());
            }
        }
        if !idle.is_empty() {
            let mut fewer = Map::clone(&map);
            forgotten.extend(idle.iter().filter_map(|key| fewer.remove_entry(key)));
            self.series.store(Arc::new(fewer));
        }
        taken
    }
}

impl Series {
    fn new() -> Self {
        Self { cells: Cells::new(WHAT), seen: Mutex::default() }
    }

    fn add(&self, end: &Completion) {
        self.cells.add(0, 1);
        self.cells.add(1, u64::try_from(end.total.as_nanos()).unwrap_or(u64::MAX));
        for (cell, bytes) in [(2, end.request_bytes), (3, end.response_bytes)] {
            if bytes > 0 {
                self.cells.add(cell, bytes);
            }
        }
    }

    /// What was counted since the last time, if anything was.
    fn take(&self, now: Instant) -> Option<Counts> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let raw: [u64; WHAT] = std::array::from_fn(|cell| self.cells.read(cell));
        let before = std::mem::replace(&mut seen.raw, raw);
        if raw == before {
            seen.changed.get_or_insert(now);
            return None;
        }
        seen.changed = Some(now);
        let since = |cell: usize| raw[cell].wrapping_sub(before[cell]);
        // Of the whole, so that what is less than a microsecond is not lost each time.
        let micros = if raw[1] < before[1] { since(1) / 1_000 } else { raw[1] / 1_000 - before[1] / 1_000 };
        Some(Counts { requests: since(0), micros, request_bytes: since(2), response_bytes: since(3) })
    }

    fn is_idle(&self, now: Instant) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.changed.is_some_and(|changed| now.saturating_duration_since(changed) >= IDLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_core::Ended;

    fn end(status: u16, error: Option<&'static str>) -> Completion {
        Completion {
            ended: Ended::Whole,
            status,
            error,
            request_bytes: 10,
            response_bytes: 200,
            to_head: Duration::from_millis(1),
            total: Duration::from_micros(1_500),
        }
    }

    type Told = (String, Option<String>, u16, Option<&'static str>, u64);

    fn sorted(tally: &Tally, now: Instant) -> Vec<Told> {
        let mut all = tally.take(now);
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let one = |(key, counts): (Key, Counts)| {
            (key.route.to_string(), key.consumer.map(|c| c.to_string()), key.status, key.code, counts.requests)
        };
        all.into_iter().map(one).collect()
    }

    #[test]
    fn what_was_counted_is_given_out_once() {
        let (tally, now, acme) = (Tally::new(10), Instant::now(), Arc::<str>::from("acme"));
        tally.count("users", Some(&acme), &end(200, None));
        tally.count("users", Some(&acme), &end(200, None));
        tally.count("users", None, &end(429, Some("rate_limited")));
        let taken = sorted(&tally, now);
        let (users, acme) = ("users".to_owned(), Some("acme".to_owned()));
        assert_eq!(taken, [(users.clone(), None, 429, Some("rate_limited"), 1), (users.clone(), acme, 200, None, 2)]);
        assert_eq!(sorted(&tally, now), []);
        tally.count("users", None, &end(429, Some("rate_limited")));
        assert_eq!(sorted(&tally, now), [(users, None, 429, Some("rate_limited"), 1)]);
        tally.count("x", None, &end(200, None));
        let counts = Counts { requests: 1, micros: 1_500, request_bytes: 10, response_bytes: 200 };
        assert_eq!(tally.take(now)[0].1, counts);
    }

    #[test]
    fn whatever_comes_there_are_no_more_series() {
        let (tally, now) = (Tally::new(3), Instant::now());
        for index in 0..1_000_u16 {
            let consumer = Arc::<str>::from(format!("c{index}"));
            let code = (index % 2 == 0).then_some("broken");
            tally.count("users", Some(&consumer), &end(index, code));
        }
        let taken = sorted(&tally, now);
        assert_eq!(taken.iter().map(|row| row.4).sum::<u64>(), 1_000);
        assert_eq!((taken.len(), taken.iter().filter(|row| row.0 == OTHER_ROUTE).count()), (13, 10));
        let (other, code) = (OTHER_ROUTE.to_owned(), Some(OTHER_ROUTE));
        assert!(taken.contains(&(other.clone(), Some(other), 5, code, 250)), "{taken:?}");
    }

    #[test]
    fn names_that_no_database_keeps_are_not_told_apart() {
        let (tally, now) = (Tally::new(10), Instant::now());
        for name in ["x".repeat(257), "a\0b".to_owned()] {
            tally.count("users", Some(&name.into()), &end(200, None));
        }
        let other = OTHER_ROUTE.to_owned();
        assert_eq!(sorted(&tally, now), [(other.clone(), Some(other), 2, None, 2)]);
    }

    const OTHER_ROUTE: &str = super::super::key::OTHER;

    #[test]
    fn what_is_idle_makes_room_and_nothing_is_lost() {
        let (tally, begun) = (Tally::new(1), Instant::now());
        tally.count("old", None, &end(200, None));
        assert_eq!(sorted(&tally, begun).len(), 1);
        let later = begun + IDLE;
        // A thread that found the series before it was forgotten.
        let held = tally.series.load();
        assert_eq!(sorted(&tally, later), []);
        tally.count("new", None, &end(200, None));
        for series in held.values() {
            series.add(&end(200, None));
        }
        assert_eq!(sorted(&tally, later).iter().map(|row| row.0.as_str()).collect::<Vec<_>>(), ["new", "old"]);
        drop(held);
        assert_eq!(sorted(&tally, later), []);
        assert!(tally.forgotten.lock().unwrap().is_empty());
    }

    #[test]
    fn series_made_at_once_lose_nothing() {
        let tally = Tally::new(50);
        let total = std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..60).for_each(|index| tally.count(&format!("r{index}"), None, &end(200, None))));
            }
            (0..50).flat_map(|_| tally.take(Instant::now())).map(|(_, counts)| counts.requests).sum::<u64>()
        });
        let rest: u64 = tally.take(Instant::now()).iter().map(|(_, counts)| counts.requests).sum();
        assert_eq!(total + rest, 480);
    }
}
