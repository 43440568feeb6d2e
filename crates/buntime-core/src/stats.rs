//! What is measured of each hook: how often, how it ended, how long, how long it was polled.
//!
//! Sharded by thread, so that recording is a few uncontended atomic additions.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::hooks::Stage;

/// How a hook call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    /// Went on.
    Continue,
    /// Answered.
    Respond,
    /// Chose the handler and ended the pre hooks.
    Handle,
    /// Refused, or ended with an error.
    Fail,
    /// Replaced the response or the error.
    Replaced,
    /// Answered instead of an error.
    Recovered,
    /// The hook failed.
    Error,
    /// The hook took too long.
    Timeout,
    /// The hook panicked.
    Panic,
    /// Not called: its breaker is open.
    Skipped,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 10] = [
        Self::Continue,
        Self::Respond,
        Self::Handle,
        Self::Fail,
        Self::Replaced,
        Self::Recovered,
        Self::Error,
        Self::Timeout,
        Self::Panic,
        Self::Skipped,
    ];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Respond => "respond",
            Self::Handle => "handle",
            Self::Fail => "fail",
            Self::Replaced => "replaced",
            Self::Recovered => "recovered",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::Skipped => "skipped",
        }
    }
}

/// Upper bounds of the duration buckets, in seconds. Each is four times the one before.
pub const BUCKETS: [f64; 12] = [
    0.000_001_024,
    0.000_004_096,
    0.000_016_384,
    0.000_065_536,
    0.000_262_144,
    0.001_048_576,
    0.004_194_304,
    0.016_777_216,
    0.067_108_864,
    0.268_435_456,
    1.073_741_824,
    4.294_967_296,
];

/// How many shards a counter has; [`shard`] is always below it.
pub const SHARDS: usize = 8;
const STAGES: usize = Stage::ALL.len();
const OUTCOMES: usize = Outcome::ALL.len();

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The shard of this thread, the same for every sharded counter.
pub fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Relaxed) % SHARDS);
        }
        shard.get()
    })
}

/// The measurements of one hook set.
#[derive(Debug, Default)]
pub struct HookStats {
    shards: [Shard; SHARDS],
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    stages: [Cells; STAGES],
}

#[derive(Debug, Default)]
struct Cells {
    outcomes: [AtomicU64; OUTCOMES],
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanos: AtomicU64,
    busy_nanos: AtomicU64,
}

/// A reading of one stage's measurements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageReading {
    /// How often, by [`Outcome::ALL`].
    pub outcomes: [u64; OUTCOMES],
    /// How many took at most each of [`BUCKETS`], not cumulative; the last is everything longer.
    pub buckets: [u64; BUCKETS.len() + 1],
    /// Together.
    pub total: Duration,
    /// Time spent polling.
    pub busy: Duration,
}

impl StageReading {
    /// How often it was called.
    pub fn calls(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl HookStats {
    /// One call took that long and was polled that long.
    pub fn record(&self, stage: Stage, outcome: Outcome, took: Duration, busy: Duration) {
        let cells = &self.shards[shard()].stages[stage as usize];
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        cells.outcomes[outcome as usize].fetch_add(1, Relaxed);
        cells.buckets[bucket(nanos)].fetch_add(1, Relaxed);
        cells.nanos.fetch_add(nanos, Relaxed);
        cells.busy_nanos.fetch_add(u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// One call was not made.
    pub fn skip(&self, stage: Stage) {
        self.shards[shard()].stages[stage as usize].outcomes[Outcome::Skipped as usize].fetch_add(1, Relaxed);
    }

    /// What was measured of a stage so far.
    pub fn read(&self, stage: Stage) -> StageReading {
        let mut reading = StageReading::default();
        for shard in &self.shards {
            let cells = &shard.stages[stage as usize];
            for (sum, cell) in reading.outcomes.iter_mut().zip(&cells.outcomes) {
                *sum += cell.load(Relaxed);
            }
            for (sum, cell) in reading.buckets.iter_mut().zip(&cells.buckets) {
                *sum += cell.load(Relaxed);
            }
            reading.total += Duration::from_nanos(cells.nanos.load(Relaxed));
            reading.busy += Duration::from_nanos(cells.busy_nanos.load(Relaxed));
        }
        reading
    }
}

/// The measurements of one plugin's hook sets, whatever instances come and go.
#[derive(Debug, Default)]
pub struct HookBook(Mutex<BySet>);

/// By kind and name of the set.
type BySet = HashMap<(&'static str, String), Arc<HookStats>>;

impl HookBook {
    /// Those of a set, by kind and name.
    pub(crate) fn of(&self, kind: &'static str, set: &str) -> Arc<HookStats> {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.entry((kind, set.to_owned())).or_default().clone()
    }
}

/// Bounds are powers of four from 2^10 ns, so the bucket follows from the position of the highest bit.
fn bucket(nanos: u64) -> usize {
    let bits = 64 - nanos.saturating_sub(1).leading_zeros() as usize;
    bits.saturating_sub(10).div_ceil(2).min(BUCKETS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_where_they_say() {
        for (index, bound) in BUCKETS.iter().enumerate() {
            let nanos = (bound * 1e9).round() as u64;
            assert_eq!(bucket(nanos), index, "{bound}");
            assert_eq!(bucket(nanos + 1), index + 1, "just above {bound}");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS.len()));
    }

    #[test]
    fn readings_add_up_over_threads() {
        let stats = HookStats::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        stats.record(
                            Stage::Pre,
                            Outcome::Continue,
                            Duration::from_nanos(100),
                            Duration::from_nanos(50),
                        );
                    }
                });
            }
        });
        let reading = stats.read(Stage::Pre);
        assert_eq!((reading.calls(), reading.outcomes[0]), (4000, 4000));
        assert_eq!((reading.total, reading.busy), (Duration::from_micros(400), Duration::from_micros(200)));
        assert_eq!(stats.read(Stage::Post).calls(), 0);
    }
}
