//! What is counted: the statements of others, how long they took, and how many failed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use buntime_core::measure::{Family, Figure, Type};
use buntime_measure::{Bounds, Cells};

/// Every adapter that there may be.
const KINDS: [&str; 3] = ["sqlite", "libsql", "postgres"];
/// Upper bounds of the durations, in seconds.
const BOUNDS: [f64; 11] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Counters of each adapter: what failed, and the durations.
#[derive(Debug)]
pub(crate) struct Figures {
    bounds: Bounds,
    seconds: Arc<[f64]>,
    cells: Cells,
}

impl Figures {
    pub(crate) fn new() -> Self {
        let bounds = Bounds::new(&BOUNDS);
        let cells = Cells::new(KINDS.len() * (1 + bounds.cells()));
        Self { bounds, seconds: BOUNDS.into(), cells }
    }

    /// Runs a statement on an adapter of that type, and counts it.
    pub(crate) async fn time<T, E>(&self, kind: &str, doing: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let begun = Instant::now();
        let done = doing.await;
        self.count(kind, begun.elapsed(), done.is_err());
        done
    }

    fn count(&self, kind: &str, took: Duration, failed: bool) {
        let Some(first) = self.first(kind) else { return };
        self.cells.add(first, u64::from(failed));
        self.bounds.observe(&self.cells, first + 1, took);
    }

    fn first(&self, kind: &str) -> Option<usize> {
        KINDS.iter().position(|known| *known == kind).map(|at| at * (1 + self.bounds.cells()))
    }

    /// For the metrics. Adapters that were never asked are left out.
    pub(crate) fn families(&self, streams: usize) -> Vec<Family> {
        let took = "How long statements of the database APIs took";
        let mut took = Family::new("database_statement_duration_seconds", Type::Histogram, took);
        let failed = "Statements of the database APIs that failed";
        let mut failed = Family::new("database_statement_errors_total", Type::Counter, failed);
        for kind in KINDS {
            let Some(first) = self.first(kind) else { continue };
            let read = self.bounds.read(&self.cells, first + 1);
            if read.count() == 0 {
                continue;
            }
            took = took.with([("adapter", kind)], read.figure(Arc::clone(&self.seconds)));
            failed = failed.with([("adapter", kind)], Figure::Count(self.cells.read(first)));
        }
        let open = Family::new("database_streams", Type::Gauge, "Hrana streams that are open")
            .with([], Figure::Count(streams as u64));
        vec![took, failed, open]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_adapter_by_itself() {
        let figures = Figures::new();
        figures.time("postgres", async { Ok::<_, ()>(()) }).await.unwrap();
        figures.time("postgres", async { Err::<(), _>(()) }).await.unwrap_err();
        figures.count("postgres", Duration::from_secs(9), false);
        figures.count("oracle", Duration::from_secs(9), true);
        let [took, failed, open] = figures.families(3).try_into().unwrap();
        assert_eq!(failed.samples.len(), 1);
        assert_eq!(
            (&failed.samples[0].labels[0].1, &failed.samples[0].figure),
            (&"postgres".to_owned(), &Figure::Count(1))
        );
        let Figure::Histogram { buckets, .. } = &took.samples[0].figure else { panic!("no histogram") };
        assert_eq!((buckets.iter().sum::<u64>(), buckets.last()), (3, Some(&1)));
        assert_eq!(open.samples[0].figure, Figure::Count(3));
    }
}
