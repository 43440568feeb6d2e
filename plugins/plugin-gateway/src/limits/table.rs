//! Cells by key, in memory: sharded, bounded in number, without an allocation for a key that is known.
//!
//! When a shard is full, a new key takes the place of the one that has used least of its limit among sixteen: who floods
//! the table with keys cannot make it forget who is being limited.
//!
//! Keys are hashed once, with a hash whose key is this table's own and secret: who chooses client keys cannot make them
//! collide.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use hashbrown::HashTable;

use super::algorithm::{Algorithm, Cell};

const SHARDS: usize = 64;
/// How many are looked at to find one that may be forgotten.
const SAMPLE: usize = 16;

/// See the module.
pub(crate) struct Table {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    /// The most keys of one shard.
    most: usize,
    forgotten: AtomicU64,
}

#[derive(Default)]
struct Shard {
    /// Positions in `entries`, by key.
    index: HashTable<u32>,
    entries: Vec<Entry>,
    /// Where the search for one to forget goes on.
    hand: usize,
}

struct Entry {
    hash: u64,
    key: Box<[u8]>,
    cell: Cell,
}

impl Table {
    /// An empty one for at most about `most` keys.
    pub(crate) fn new(most: usize) -> Self {
        let shards = SHARDS.min(most.max(1));
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            most: most.div_ceil(shards).max(1),
            forgotten: AtomicU64::new(0),
        }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(hash >> 40).unwrap_or(0) % self.shards.len();
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` on the cell of a key, alone with it; an unknown key gets a new cell.
    pub(crate) fn with<R>(
        &self,
        key: &[u8],
        algorithm: &Algorithm,
        now: u64,
        change: impl FnOnce(&mut Cell) -> R,
    ) -> R {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash);
        let shard = &mut *shard;
        if let Some(at) = shard.find(hash, key) {
            return change(&mut shard.entries[at].cell);
        }
        let entry = Entry { hash, key: key.into(), cell: Cell::default() };
        let at = if shard.entries.len() < self.most {
            shard.entries.push(entry);
            shard.entries.len() - 1
        } else {
            let at = shard.least(algorithm, now);
            if algorithm.weight(&shard.entries[at].cell, now) > 0 {
                self.forgotten.fetch_add(1, Relaxed);
            }
            shard.unlink(at);
            shard.entries[at] = entry;
            at
        };
        shard.link(at);
        change(&mut shard.entries[at].cell)
    }

    /// Runs `change` on the cell of a key that is known.
    pub(crate) fn if_known<R>(&self, key: &[u8], change: impl FnOnce(&mut Cell) -> R) -> Option<R> {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash);
        let at = shard.find(hash, key)?;
        Some(change(&mut shard.entries[at].cell))
    }

    /// Forgets a key; false if it was not known.
    pub(crate) fn remove(&self, key: &[u8]) -> bool {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash);
        let Some(at) = shard.find(hash, key) else { return false };
        shard.remove(at);
        true
    }

    /// Forgets all keys; says how many.
    pub(crate) fn clear(&self) -> usize {
        let shards =
            self.shards.iter().map(|shard| std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner)));
        shards.map(|shard| shard.entries.len()).sum()
    }

    /// Forgets what has been idle for so long that it makes no difference, and gives memory back.
    pub(crate) fn sweep(&self, algorithm: &Algorithm, now: u64) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let mut at = 0;
            while at < shard.entries.len() {
                if algorithm.weight(&shard.entries[at].cell, now) == 0 {
                    shard.remove(at);
                } else {
                    at += 1;
                }
            }
            if shard.entries.capacity() > 64 && shard.entries.len() < shard.entries.capacity() / 4 {
                let shard = &mut *shard;
                shard.entries.shrink_to_fit();
                let entries = &shard.entries;
                shard.index.shrink_to_fit(|at| entries[*at as usize].hash);
            }
        }
    }

    /// Looks at every key, a shard at a time, until `see` says that it has seen enough.
    pub(crate) fn visit(&self, mut see: impl FnMut(&[u8], &Cell) -> bool) {
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            if !shard.entries.iter().all(|entry| see(&entry.key, &entry.cell)) {
                return;
            }
        }
    }

    /// How many keys it knows.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).entries.len()).sum()
    }

    /// Does it know none?
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys that had used some of their limit were forgotten because there were too many.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.load(Relaxed)
    }
}

impl Shard {
    fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        let is_it = |at: &u32| {
            let entry = &self.entries[*at as usize];
            entry.hash == hash && *entry.key == *key
        };
        let found = self.index.find(hash, is_it);
        found.map(|at| *at as usize)
    }

    fn link(&mut self, at: usize) {
        let entries = &self.entries;
        // A shard never has so many: `maxKeys` is bounded far below.
        let position = u32::try_from(at).unwrap_or(u32::MAX);
        self.index.insert_unique(entries[at].hash, position, |at| entries[*at as usize].hash);
    }

    fn unlink(&mut self, at: usize) {
        if let Ok(found) = self.index.find_entry(self.entries[at].hash, |linked| *linked as usize == at) {
            found.remove();
        }
    }

    fn remove(&mut self, at: usize) {
        self.unlink(at);
        let last = self.entries.len() - 1;
        if at != last {
            self.unlink(last);
        }
        self.entries.swap_remove(at);
        if at != last {
            self.link(at);
        }
    }

    /// The one among the next few that has used least. There is at least one.
    fn least(&mut self, algorithm: &Algorithm, now: u64) -> usize {
        let len = self.entries.len();
        let from = self.hand % len;
        let looked = SAMPLE.min(len);
        self.hand = from + looked;
        let candidates = (from..from + looked).map(|at| at % len);
        candidates.min_by_key(|at| algorithm.weight(&self.entries[*at].cell, now)).unwrap_or(0)
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::LimitSettings;

    const NOW: u64 = 1_790_000_000_000_000_000;

    fn bucket() -> Algorithm {
        Algorithm::new(&LimitSettings { requests: Some(10), ..LimitSettings::default() })
    }

    #[test]
    fn a_flood_of_keys_does_not_free_who_is_limited() {
        let (table, bucket) = (Table::new(1_000), bucket());
        let take = |key: &[u8]| table.with(key, &bucket, NOW, |cell| bucket.take(cell, NOW, 1, Duration::ZERO).allowed);
        for _ in 0..10 {
            assert!(take(b"limited"));
        }
        for number in 0..100_000_u32 {
            assert!(take(&number.to_be_bytes()));
        }
        assert!(table.len() <= 1_024, "{}", table.len());
        assert!(table.forgotten() > 90_000);
        assert!(!take(b"limited"));
    }

    #[test]
    fn keys_are_removed_swept_and_found_again() {
        let (table, bucket) = (Table::new(10_000), bucket());
        for number in 0..5_000_u32 {
            table.with(&number.to_be_bytes(), &bucket, NOW, |cell| bucket.take(cell, NOW, 1, Duration::ZERO));
        }
        for number in (0..5_000_u32).step_by(3) {
            assert!(table.remove(&number.to_be_bytes()) && !table.remove(&number.to_be_bytes()));
        }
        for number in 0..5_000_u32 {
            let known =
                table.if_known(&number.to_be_bytes(), |cell| bucket.take(cell, NOW, 0, Duration::ZERO).remaining);
            assert_eq!(known, (number % 3 != 0).then_some(9), "{number}");
        }
        let later = NOW + 7 * 1_000_000_000;
        table.with(b"late", &bucket, later, |cell| bucket.take(cell, later, 1, Duration::ZERO));
        table.sweep(&bucket, later);
        assert_eq!(table.len(), 1);
        assert!(table.if_known(b"late", |_| ()).is_some());
        assert_eq!((table.clear(), table.is_empty()), (1, true));
    }
}
