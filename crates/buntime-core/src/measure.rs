//! What a part measures of itself, as families of samples, and the registry of those who do.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio_util::task::AbortOnDropHandle;

use crate::step::BoxFuture;

/// What kind of values a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
}

/// Samples of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name: `keyval_operations_total`.
    pub name: &'static str,
    /// What kind of values it has.
    pub kind: Type,
    /// What it says, in a sentence.
    pub help: &'static str,
    /// Its samples, each with other labels.
    pub samples: Vec<Sample>,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Pairs of name and value.
    pub labels: Vec<(&'static str, String)>,
    /// How much.
    pub figure: Figure,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// Of a counter or a gauge.
    Count(u64),
    /// Of a gauge.
    Number(f64),
    /// Of a histogram.
    Histogram {
        /// Upper bounds of its buckets, in seconds.
        bounds: Arc<[f64]>,
        /// How many fell into each, not cumulative; one more than there are bounds, for everything longer.
        buckets: Vec<u64>,
        /// All of it together.
        sum: Duration,
    },
}

impl Family {
    /// One without samples yet.
    pub fn new(name: &'static str, kind: Type, help: &'static str) -> Self {
        Self { name, kind, help, samples: Vec::new() }
    }

    /// With one more sample.
    #[must_use]
    pub fn with<const N: usize>(mut self, labels: [(&'static str, &str); N], figure: Figure) -> Self {
        let labels = labels.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        self.samples.push(Sample { labels, figure });
        self
    }
}

type Source = Arc<dyn Fn() -> BoxFuture<'static, Vec<Family>> + Send + Sync>;

/// Those who measure something of their own. Cheap to clone; clones share.
#[derive(Clone, Default)]
pub struct Measures(Arc<Inner>);

#[derive(Default)]
struct Inner {
    next: AtomicU64,
    sources: Mutex<BTreeMap<u64, Source>>,
}

/// Keeps a source registered until it is dropped.
#[derive(Debug)]
#[must_use = "the source is removed when this is dropped"]
pub struct Registered {
    measures: Measures,
    key: u64,
}

impl Measures {
    /// Adds a source.
    pub fn register<F>(&self, source: impl Fn() -> F + Send + Sync + 'static) -> Registered
    where
        F: Future<Output = Vec<Family>> + Send + 'static,
    {
        let key = self.0.next.fetch_add(1, Ordering::Relaxed);
        let source: Source = Arc::new(move || Box::pin(source()));
        self.sources().insert(key, source);
        Registered { measures: self.clone(), key }
    }

    /// Asks all of them at once. One that takes longer than that, or panics, is left out. Of two families of one name the
    /// first counts.
    pub async fn read(&self, within: Duration) -> Vec<Family> {
        let sources: Vec<Source> = self.sources().values().cloned().collect();
        let read = join_all(sources.into_iter().map(|source| async move {
            let task = AbortOnDropHandle::new(tokio::spawn(async move { source().await }));
            match tokio::time::timeout(within, task).await {
                Ok(Ok(families)) => families,
                Ok(Err(_)) | Err(_) => Vec::new(),
            }
        }));
        let mut families: Vec<Family> = Vec::new();
        for family in read.await.into_iter().flatten() {
            if families.iter().all(|known| known.name != family.name) {
                families.push(family);
            }
        }
        families
    }

    fn sources(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Source>> {
        self.0.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.measures.sources().remove(&self.key);
    }
}

impl fmt::Debug for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measures").field("sources", &self.sources().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_registered_is_read_until_it_is_dropped() {
        let measures = Measures::default();
        let family = |count| Family::new("x_total", Type::Counter, "X.").with([("of", "a")], Figure::Count(count));
        let first = measures.register(move || async move { vec![family(1)] });
        let second = measures.register(move || async move { vec![family(2)] });
        let broken = measures.register(|| async { panic!("a source of its own") });
        let slow = measures.register(std::future::pending);
        let read = measures.read(Duration::from_millis(50)).await;
        assert_eq!(read, [family(1)]);
        drop((first, broken, slow));
        assert_eq!(measures.read(Duration::from_secs(5)).await, [family(2)]);
        drop(second);
        assert!(measures.read(Duration::from_secs(5)).await.is_empty());
    }
}
