//! Where answers are: by URL, each with its variants; bounded by bytes, sharded, the least useful driven out first.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use quick_cache::{OptionsBuilder, Weighter, sync::Cache, sync::DefaultLifecycle};
use serde::Serialize;

use super::{
    collapse::Flights,
    entry::Stored,
    key::{Key, KeyRef},
};

/// Answers to one URL, the newest first.
pub(crate) type Variants = Arc<[Arc<Stored>]>;

/// How long a URL that was not storable is not waited for.
const PASSES_FOR: Duration = Duration::from_secs(30);
/// How many URLs that were not storable, or were invalidated, are remembered.
const REMEMBERED: usize = 16_384;
/// Writers of one URL take turns; those of others seldom do.
const STRIPES: usize = 64;

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<Key, Variants> for ByBytes {
    fn weight(&self, key: &Key, variants: &Variants) -> u64 {
        let answers: usize = variants.iter().map(|stored| stored.weight).sum();
        (answers + key.target.len() + key.host.len()) as u64 + 128
    }
}

/// See the module.
pub(crate) struct Store {
    answers: Cache<Key, Variants, ByBytes, RandomState>,
    hasher: RandomState,
    stripes: [Mutex<()>; STRIPES],
    most_variants: usize,
    heaviest: u64,
    /// URLs whose answers could not be stored lately.
    passes: Cache<u64, Instant>,
    /// When URLs were invalidated lately: what was asked for before is not stored.
    invalidated: Cache<u64, Instant>,
    swept: Mutex<Option<Instant>>,
    pub(crate) flights: Arc<Flights>,
    pub(crate) figures: Figures,
}

/// How often what happened.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) revalidated: AtomicU64,
    pub(crate) collapsed: AtomicU64,
    pub(crate) passed: AtomicU64,
    pub(crate) stored: AtomicU64,
    pub(crate) invalidated: AtomicU64,
}

/// [`Figures`] at a moment, and what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    /// URLs.
    pub(crate) size: u64,
    pub(crate) bytes: u64,
    pub(crate) max_bytes: u64,
    /// Served without asking the upstream.
    pub(crate) hits: u64,
    /// Fetched.
    pub(crate) misses: u64,
    /// Served though stale; also among `hits`.
    pub(crate) stale: u64,
    /// Found unchanged by the upstream.
    pub(crate) revalidated: u64,
    /// Served after waiting for another request; also among `hits`.
    pub(crate) collapsed: u64,
    /// Passed by: excluded, or not for a cache.
    pub(crate) passed: u64,
    pub(crate) stored: u64,
    pub(crate) invalidated: u64,
}

impl Snapshot {
    /// Adds those of another store.
    pub(crate) fn add(&mut self, other: &Self) {
        self.size += other.size;
        self.bytes += other.bytes;
        self.max_bytes += other.max_bytes;
        self.hits += other.hits;
        self.misses += other.misses;
        self.stale += other.stale;
        self.revalidated += other.revalidated;
        self.collapsed += other.collapsed;
        self.passed += other.passed;
        self.stored += other.stored;
        self.invalidated += other.invalidated;
    }
}

impl Store {
    /// An empty one for so many bytes, of which one answer takes `heaviest` at most.
    pub(crate) fn new(max_bytes: u64, max_entry: u64, most_variants: usize) -> Self {
        // What one shard holds must hold the largest answers with room.
        let shards = (max_bytes / max_entry.max(1).saturating_mul(4)).clamp(1, 64);
        let shards = 1_usize << shards.ilog2();
        let items = usize::try_from(max_bytes / 8192).unwrap_or(usize::MAX).clamp(64, 1 << 20);
        let options =
            OptionsBuilder::new().shards(shards).estimated_items_capacity(items).weight_capacity(max_bytes).build();
        let hasher = RandomState::new();
        let answers = match options {
            Ok(options) => Cache::with_options(options, ByBytes, hasher.clone(), DefaultLifecycle::default()),
            Err(_) => Cache::with(items, max_bytes, ByBytes, hasher.clone(), DefaultLifecycle::default()),
        };
        Self {
            heaviest: answers.shard_capacity() / 2,
            answers,
            hasher,
            stripes: std::array::from_fn(|_| Mutex::new(())),
            most_variants,
            passes: Cache::new(REMEMBERED),
            invalidated: Cache::new(REMEMBERED),
            swept: Mutex::new(None),
            flights: Arc::default(),
            figures: Figures::default(),
        }
    }

    /// A number of a URL.
    pub(crate) fn number(&self, key: &KeyRef<'_>) -> u64 {
        self.hasher.hash_one(key)
    }

    /// A number of both.
    pub(crate) fn mix(&self, number: u64, by: &[u8]) -> u64 {
        self.hasher.hash_one((number, by))
    }

    /// Answers to a URL.
    pub(crate) fn get(&self, key: &KeyRef<'_>) -> Option<Variants> {
        self.answers.get(key)
    }

    /// Changes the answers to a URL; `None` or none leaves nothing.
    fn change(&self, key: &Key, change: impl FnOnce(&[Arc<Stored>]) -> Option<Vec<Arc<Stored>>>) {
        let number = self.hasher.hash_one(key);
        let stripe = &self.stripes[(number % STRIPES as u64) as usize];
        let _turn = stripe.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.answers.peek(key);
        match change(before.as_deref().unwrap_or_default()) {
            Some(after) if !after.is_empty() => self.answers.insert(key.clone(), after.into()),
            _ => drop(self.answers.remove(key)),
        }
    }

    /// Stores an answer that was asked for then, in the place of the one it varies like. False if it was invalidated
    /// meanwhile.
    pub(crate) fn insert(&self, key: &Key, stored: &Arc<Stored>, asked: Instant) -> bool {
        if self.was_invalidated(key, asked) {
            return false;
        }
        self.change(key, |before| {
            let others = before.iter().filter(|other| other.variant != stored.variant).cloned();
            let mut after: Vec<Arc<Stored>> = Vec::with_capacity(before.len() + 1);
            let mut weight = 0;
            for one in std::iter::once(stored.clone()).chain(others).take(self.most_variants) {
                weight += one.weight as u64;
                if weight > self.heaviest && !after.is_empty() {
                    break;
                }
                after.push(one);
            }
            Some(after)
        });
        self.figures.stored.fetch_add(1, Relaxed);
        // Whoever invalidated it between the look and the change has found nothing to remove.
        if self.was_invalidated(key, asked) {
            self.remove(key, stored);
            return false;
        }
        true
    }

    fn was_invalidated(&self, key: &Key, asked: Instant) -> bool {
        let swept = *self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let of_url = self.invalidated.get(&self.hasher.hash_one(key));
        swept.max(of_url).is_some_and(|at| at >= asked)
    }

    /// Removes one answer.
    pub(crate) fn remove(&self, key: &Key, stored: &Arc<Stored>) {
        self.change(key, |before| Some(before.iter().filter(|one| !Arc::ptr_eq(one, stored)).cloned().collect()));
    }

    /// Removes all answers to a URL; says how many.
    pub(crate) fn invalidate(&self, key: &Key, now: Instant) -> u64 {
        self.invalidated.insert(self.hasher.hash_one(key), now);
        let mut removed = 0;
        self.change(key, |before| {
            removed = before.len() as u64;
            None
        });
        self.figures.invalidated.fetch_add(removed, Relaxed);
        removed
    }

    /// Removes all answers that are meant; says how many. Looks at everything.
    pub(crate) fn sweep(&self, now: Instant, is_meant: impl Fn(&Key, &Stored) -> bool) -> u64 {
        *self.swept.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        let has_meant = |(key, variants): &(Key, Variants)| variants.iter().any(|stored| is_meant(key, stored));
        let keys: Vec<Key> = self.answers.iter().filter(has_meant).map(|(key, _)| key).collect();
        let mut removed = 0;
        for key in keys {
            self.change(&key, |before| {
                let after: Vec<_> = before.iter().filter(|stored| !is_meant(&key, stored)).cloned().collect();
                removed += (before.len() - after.len()) as u64;
                Some(after)
            });
        }
        self.figures.invalidated.fetch_add(removed, Relaxed);
        removed
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.answers.clear();
    }

    /// Some of what is stored.
    pub(crate) fn list(&self, most: usize, is_meant: impl Fn(&Key) -> bool) -> Vec<(Key, Variants)> {
        self.answers.iter().filter(|(key, _)| is_meant(key)).take(most).collect()
    }

    /// The answer to that URL was not storable: others need not wait for each other.
    pub(crate) fn pass(&self, number: u64, now: Instant) {
        self.passes.insert(number, now);
    }

    /// Was it lately not storable?
    pub(crate) fn passes(&self, number: u64, now: Instant) -> bool {
        self.passes.get(&number).is_some_and(|at| now.saturating_duration_since(at) < PASSES_FOR)
    }

    /// The figures.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let figures = &self.figures;
        Snapshot {
            size: self.answers.len() as u64,
            bytes: self.answers.weight(),
            max_bytes: self.answers.capacity(),
            hits: figures.hits.load(Relaxed),
            misses: figures.misses.load(Relaxed),
            stale: figures.stale.load(Relaxed),
            revalidated: figures.revalidated.load(Relaxed),
            collapsed: figures.collapsed.load(Relaxed),
            passed: figures.passed.load(Relaxed),
            stored: figures.stored.load(Relaxed),
            invalidated: figures.invalidated.load(Relaxed),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.snapshot()).finish()
    }
}
