//! How many requests ended how: counters sharded by thread.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use buntime_core::stats::{SHARDS, shard};

const TOTAL: usize = 0;
/// 1 to 5 are the classes of status codes.
const MICROS: usize = 6;

/// Lines of their own, so that threads do not share them.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard([AtomicU64; 7]);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tally([Shard; SHARDS]);

/// [`Tally`] at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) total: u64,
    /// By the first digit of their status, from 1.
    pub(crate) classes: [u64; 5],
    /// Until the heads of all answers, together.
    pub(crate) micros: u64,
}

impl Tally {
    /// Counts one.
    #[inline]
    pub(crate) fn count(&self, status: u16, took: Duration) {
        let Shard(cells) = &self.0[shard()];
        cells[TOTAL].fetch_add(1, Relaxed);
        cells[usize::from(status / 100).clamp(1, 5)].fetch_add(1, Relaxed);
        cells[MICROS].fetch_add(micros(took), Relaxed);
    }

    /// All there were.
    pub(crate) fn read(&self) -> Ends {
        let sum =
            |cell: usize| self.0.iter().fold(0_u64, |sum, Shard(cells)| sum.wrapping_add(cells[cell].load(Relaxed)));
        Ends { total: sum(TOTAL), classes: [1, 2, 3, 4, 5].map(sum), micros: sum(MICROS) }
    }
}

impl Ends {
    /// What came since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let mut classes = self.classes;
        for (class, before) in classes.iter_mut().zip(before.classes) {
            *class = class.saturating_sub(before);
        }
        let (total, micros) = (self.total.saturating_sub(before.total), self.micros.saturating_sub(before.micros));
        Self { total, classes, micros }
    }

    /// How long an answer took on average, in milliseconds; `None` if there was none.
    pub(crate) fn average(&self) -> Option<f64> {
        (self.total > 0).then(|| milliseconds(self.micros / self.total))
    }

    /// `{ "2xx": 5 }`: those there are.
    pub(crate) fn by_status(&self) -> serde_json::Map<String, serde_json::Value> {
        let there = self.classes.iter().enumerate().filter(|(_, count)| **count > 0);
        there.map(|(at, count)| (format!("{}xx", at + 1), (*count).into())).collect()
    }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds as milliseconds.
pub(crate) fn milliseconds(micros: u64) -> f64 {
    // Exact up to 285 years.
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_counted_by_class_and_averaged() {
        let tally = Tally::default();
        assert_eq!((tally.read().average(), tally.read().by_status().len()), (None, 0));
        for status in [101, 200, 204, 304, 404, 499, 503, 999, 0] {
            tally.count(status, Duration::from_millis(3));
        }
        let ends = tally.read();
        assert_eq!((ends.total, ends.classes, ends.average()), (9, [2, 2, 1, 2, 2], Some(3.0)));
        assert_eq!(ends.by_status()["2xx"], 2);
        assert_eq!(ends.since(&ends), Ends::default());
        let before = Ends { total: 8, classes: [2, 2, 0, 2, 2], micros: 24_000 };
        assert_eq!(ends.since(&before), Ends { total: 1, classes: [0, 0, 1, 0, 0], micros: 3_000 });
    }
}
