//! Counters sharded by thread: an addition is one uncontended atomic operation, a reading sums the shards.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use buntime_core::{
    measure::Figure,
    stats::{SHARDS, shard},
};

const LINE: usize = 16;

/// Two cache lines, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line([AtomicU64; LINE]);

/// A fixed number of counters. Each shard has lines of its own, so that threads do not share them.
#[derive(Debug)]
pub struct Cells {
    lines: Box<[Line]>,
    lines_per_shard: usize,
}

impl Cells {
    /// That many counters, all zero.
    pub fn new(count: usize) -> Self {
        let lines_per_shard = count.div_ceil(LINE).max(1);
        let lines = std::iter::repeat_with(Line::default).take(lines_per_shard * SHARDS).collect();
        Self { lines, lines_per_shard }
    }

    /// Adds to a counter.
    #[inline]
    pub fn add(&self, index: usize, amount: u64) {
        self.cell(shard(), index).fetch_add(amount, Relaxed);
    }

    /// Takes from a counter. Another thread than the one that added may do so: only the sum means something.
    #[inline]
    pub fn sub(&self, index: usize, amount: u64) {
        self.cell(shard(), index).fetch_sub(amount, Relaxed);
    }

    /// The sum of a counter over all shards.
    pub fn read(&self, index: usize) -> u64 {
        (0..SHARDS).fold(0, |sum: u64, shard| sum.wrapping_add(self.cell(shard, index).load(Relaxed)))
    }

    #[inline]
    fn cell(&self, shard: usize, index: usize) -> &AtomicU64 {
        &self.lines[shard * self.lines_per_shard + index / LINE].0[index % LINE]
    }
}

/// The bounds of a histogram's buckets.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    seconds: Box<[f64]>,
    nanos: Box<[u64]>,
}

impl Bounds {
    /// Those, in seconds; they must ascend.
    pub fn new(seconds: &[f64]) -> Self {
        let nanos = seconds.iter().map(|bound| (bound * 1e9).round() as u64).collect();
        Self { seconds: seconds.into(), nanos }
    }

    /// In seconds.
    pub fn seconds(&self) -> &[f64] {
        &self.seconds
    }

    /// How many counters a histogram of these bounds needs: a bucket for each, one for what is longer, and the sum.
    pub fn cells(&self) -> usize {
        self.nanos.len() + 2
    }

    /// Counts a duration in the counters that begin at `first`.
    #[inline]
    pub fn observe(&self, cells: &Cells, first: usize, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.nanos.partition_point(|bound| *bound < nanos);
        cells.add(first + bucket, 1);
        cells.add(first + self.nanos.len() + 1, nanos);
    }

    /// What was counted so far in the counters that begin at `first`.
    pub fn read(&self, cells: &Cells, first: usize) -> Histogram {
        let count = self.nanos.len() + 1;
        let buckets = (first..first + count).map(|index| cells.read(index)).collect();
        Histogram { buckets, sum: Duration::from_nanos(cells.read(first + count)) }
    }
}

/// A reading of a histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How many fell into each bucket, not cumulative; the last is everything longer.
    pub buckets: Vec<u64>,
    /// All durations together.
    pub sum: Duration,
}

impl Histogram {
    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds another of the same bounds.
    pub fn merge(&mut self, other: &Self) {
        self.buckets.resize(self.buckets.len().max(other.buckets.len()), 0);
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.sum += other.sum;
    }

    /// What was counted since an earlier reading of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.buckets.iter().copied().chain(std::iter::repeat(0));
        let buckets = self.buckets.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect();
        Self { buckets, sum: self.sum.saturating_sub(earlier.sum) }
    }

    /// As a sample, of these bounds in seconds.
    pub fn figure(self, bounds: Arc<[f64]>) -> Figure {
        Figure::Histogram { bounds, buckets: self.buckets, sum: self.sum }
    }

    /// The mean, in seconds; `None` when nothing was counted.
    pub fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum.as_secs_f64() / count as f64)
    }

    /// An estimate of a quantile in seconds, by interpolation within its bucket, as `PromQL`'s `histogram_quantile`. What
    /// is longer than the last bound counts as that bound. `None` when nothing was counted.
    pub fn quantile(&self, quantile: f64, bounds: &[f64]) -> Option<f64> {
        let rank = quantile * self.count() as f64;
        let mut below = 0;
        for (index, inside) in self.buckets.iter().copied().enumerate() {
            if inside > 0 && (below + inside) as f64 >= rank {
                let Some(upper) = bounds.get(index) else { return bounds.last().copied() };
                let lower = index.checked_sub(1).map_or(0.0, |before| bounds[before]);
                return Some(lower + (upper - lower) * (rank - below as f64) / inside as f64);
            }
            below += inside;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_of_all_threads_are_read() {
        let cells = Cells::new(20);
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| (0..1000).for_each(|_| cells.add(19, 2)));
            }
        });
        std::thread::scope(|scope| {
            scope.spawn(|| cells.sub(19, 23_999));
        });
        assert_eq!((cells.read(19), cells.read(18)), (1, 0));
    }

    #[test]
    fn a_duration_at_a_bound_is_below_it() {
        let bounds = Bounds::new(&[0.001, 0.1]);
        let cells = Cells::new(1 + bounds.cells());
        for micros in [0, 1000, 1001, 100_000, 100_001, u64::MAX / 10_000] {
            bounds.observe(&cells, 1, Duration::from_micros(micros));
        }
        assert_eq!(bounds.read(&cells, 1).buckets, [2, 2, 2]);
        assert_eq!(cells.read(0), 0);
    }

    #[test]
    fn readings_are_told_apart() {
        let (before, now) = ([1, 2], [4, 2, 1]);
        let of = |buckets: &[u64], seconds| Histogram { buckets: buckets.to_vec(), sum: Duration::from_secs(seconds) };
        assert_eq!(of(&now, 9).since(&of(&before, 4)), of(&[3, 0, 1], 5));
        assert_eq!(of(&now, 9).since(&Histogram::default()), of(&now, 9));
    }

    #[test]
    fn quantiles_are_interpolated() {
        let bounds = [1.0, 2.0, 4.0];
        let histogram = Histogram { buckets: vec![0, 10, 10, 0], sum: Duration::from_secs(45) };
        assert_eq!(histogram.quantile(0.5, &bounds), Some(2.0));
        assert_eq!(histogram.quantile(0.25, &bounds), Some(1.5));
        assert_eq!(histogram.quantile(1.0, &bounds), Some(4.0));
        assert_eq!(histogram.mean(), Some(2.25));
        let long = Histogram { buckets: vec![0, 0, 0, 3], ..Histogram::default() };
        assert_eq!(long.quantile(0.5, &bounds), Some(4.0));
        assert_eq!((Histogram::default().quantile(0.5, &bounds), Histogram::default().mean()), (None, None));
    }
}
