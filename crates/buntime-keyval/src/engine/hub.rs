//! What commits tell those who wait: which keys changed, which queues have messages, when something expires.
//!
//! Told by the commit itself, before whoever asked for it is answered: nobody polls. What is told is only that there is
//! something to look at; who waits looks into the database, so that being told twice, or of more than happened, does no
//! harm.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use crate::Key;

/// Changes that are remembered, for watches that come back.
const REMEMBERED: usize = 1 << 16;
/// Changed keys that a watch remembers until it looks; past that it looks at everything.
const DIRTY: usize = 4096;

#[derive(Debug)]
pub(super) struct Hub {
    watches: Mutex<Watches>,
    queues: Mutex<HashMap<(i64, String), Weak<Bell>>>,
    /// When the next entry expires, as far as is known; `u64::MAX`: none.
    next_expiry: AtomicU64,
    pub(super) sweep: Notify,
}

#[derive(Debug, Default)]
struct Watches {
    exact: HashMap<(i64, Key), Vec<Weak<Signal>>>,
    below: HashMap<(i64, Key), Vec<Weak<Signal>>>,
    recent: VecDeque<(u64, i64, Key)>,
    /// The last version that is not remembered any more.
    forgotten: u64,
}

/// One watch.
#[derive(Debug, Default)]
pub(super) struct Signal {
    dirty: Mutex<Dirty>,
    notify: Notify,
}

/// What changed since a watch looked.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) keys: HashSet<Key>,
    /// There was more than is remembered.
    pub(super) everything: bool,
    /// The last commit that it was told of.
    pub(super) version: u64,
}

/// One queue that somebody listens to.
#[derive(Debug, Default)]
pub(super) struct Bell {
    pub(super) notify: Notify,
    /// When the next message is ready, as far as the listeners were told since they looked.
    pub(super) ready_at: AtomicU64,
}

/// What a watch that comes back missed.
#[derive(Debug)]
pub(super) enum Missed {
    Keys(HashSet<Key>),
    /// It is not known any more.
    Unknown,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// `version` is the last commit there was.
    pub(super) fn new(version: u64) -> Self {
        Self {
            watches: Mutex::new(Watches { forgotten: version, ..Watches::default() }),
            queues: Mutex::default(),
            next_expiry: AtomicU64::new(u64::MAX),
            sweep: Notify::new(),
        }
    }

    /// Called in the order of commits.
    pub(super) fn committed(&self, ns: i64, version: u64, keys: impl Iterator<Item = Key>) {
        let mut watches = lock(&self.watches);
        for key in keys {
            watches.tell(ns, version, &key);
            watches.recent.push_back((version, ns, key));
            if watches.recent.len() > REMEMBERED
                && let Some((version, ..)) = watches.recent.pop_front()
            {
                watches.forgotten = version;
            }
        }
    }

    /// Registers a watch of keys, or of what is below them.
    pub(super) fn watch(&self, ns: i64, keys: &[Key], below: bool) -> Arc<Signal> {
        let signal = Arc::new(Signal::default());
        let mut watches = lock(&self.watches);
        let table = if below { &mut watches.below } else { &mut watches.exact };
        for key in keys {
            let waiting = table.entry((ns, key.clone())).or_default();
            waiting.retain(|signal| signal.strong_count() > 0);
            waiting.push(Arc::downgrade(&signal));
        }
        signal
    }

    /// Forgets places of watches that are gone.
    pub(super) fn unwatch(&self, ns: i64, keys: &[Key], below: bool) {
        let mut watches = lock(&self.watches);
        let table = if below { &mut watches.below } else { &mut watches.exact };
        for key in keys {
            let place = (ns, key.clone());
            if let Some(waiting) = table.get_mut(&place) {
                waiting.retain(|signal| signal.strong_count() > 0);
                if waiting.is_empty() {
                    table.remove(&place);
                }
            }
        }
    }

    /// The keys below a prefix that changed after that version.
    pub(super) fn missed(&self, ns: i64, prefix: &Key, version: u64) -> Missed {
        let watches = lock(&self.watches);
        if version < watches.forgotten {
            return Missed::Unknown;
        }
        let from = watches.recent.partition_point(|(at, ..)| *at <= version);
        let after = watches.recent.range(from..);
        let theirs = after.filter(|(_, of, key)| *of == ns && key.is_below(prefix));
        Missed::Keys(theirs.map(|(.., key)| key.clone()).collect())
    }

    /// An entry expires then.
    pub(super) fn expires(&self, at: u64) {
        if self.next_expiry.fetch_min(at, Ordering::AcqRel) > at {
            self.sweep.notify_one();
        }
    }

    /// When the next entry expires; what is told from here on counts anew.
    pub(super) fn take_expiry(&self) -> u64 {
        self.next_expiry.swap(u64::MAX, Ordering::AcqRel)
    }

    pub(super) fn next_expiry(&self) -> u64 {
        self.next_expiry.load(Ordering::Acquire)
    }

    /// The bell of a queue, for who listens.
    pub(super) fn bell(&self, ns: i64, queue: &str) -> Arc<Bell> {
        let mut queues = lock(&self.queues);
        queues.retain(|_, bell| bell.strong_count() > 0);
        let place = (ns, queue.to_owned());
        if let Some(bell) = queues.get(&place).and_then(Weak::upgrade) {
            return bell;
        }
        let bell = Arc::new(Bell { ready_at: AtomicU64::new(u64::MAX), ..Bell::default() });
        queues.insert(place, Arc::downgrade(&bell));
        bell
    }

    /// There is, or will be then, something in that queue.
    pub(super) fn enqueued(&self, ns: i64, queue: &str, ready_at: u64) {
        let queues = lock(&self.queues);
        if queues.is_empty() {
            return;
        }
        if let Some(bell) = queues.get(&(ns, queue.to_owned())).and_then(Weak::upgrade) {
            bell.ready_at.fetch_min(ready_at, Ordering::AcqRel);
            bell.notify.notify_waiters();
        }
    }
}

impl Watches {
    fn tell(&self, ns: i64, version: u64, key: &Key) {
        if !self.exact.is_empty()
            && let Some(waiting) = self.exact.get(&(ns, key.clone()))
        {
            waiting.iter().filter_map(Weak::upgrade).for_each(|signal| signal.tell(version, key));
        }
        if self.below.is_empty() {
            return;
        }
        for prefix in key.prefixes() {
            if let Some(waiting) = self.below.get(&(ns, prefix)) {
                waiting.iter().filter_map(Weak::upgrade).for_each(|signal| signal.tell(version, key));
            }
        }
    }
}

impl Signal {
    fn tell(&self, version: u64, key: &Key) {
        let mut dirty = lock(&self.dirty);
        dirty.version = dirty.version.max(version);
        if dirty.keys.len() < DIRTY {
            dirty.keys.insert(key.clone());
        } else {
            dirty.everything = true;
        }
        drop(dirty);
        self.notify.notify_one();
    }

    /// Makes the watch look, whatever it was told.
    pub(super) fn look(&self) {
        lock(&self.dirty).everything = true;
        self.notify.notify_one();
    }

    /// Waits until something changed, and takes what it is. Nothing is lost when this is dropped while it waits.
    pub(super) async fn changed(&self) -> Dirty {
        loop {
            let notified = self.notify.notified();
            {
                let mut dirty = lock(&self.dirty);
                if dirty.everything || !dirty.keys.is_empty() {
                    return std::mem::take(&mut *dirty);
                }
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key;

    #[tokio::test]
    async fn who_watches_is_told_of_keys_and_of_what_is_below() {
        let hub = Hub::new(0);
        let (exact, below) = (hub.watch(1, &[key!["a"]], false), hub.watch(1, &[key!["a"]], true));
        hub.committed(1, 5, [key!["a"], key!["a", 1, 2], key!["ab"]].into_iter());
        hub.committed(2, 6, [key!["a", 9]].into_iter());
        assert_eq!(exact.changed().await.keys, HashSet::from([key!["a"]]));
        let told = below.changed().await;
        assert_eq!((told.keys, told.version), (HashSet::from([key!["a", 1, 2]]), 5));
        drop(exact);
        hub.unwatch(1, &[key!["a"]], false);
        assert!(lock(&hub.watches).exact.is_empty());
    }

    #[test]
    fn who_comes_back_learns_what_was_missed_while_it_is_remembered() {
        let hub = Hub::new(10);
        for version in 11..14 {
            hub.committed(1, version, [key!["a", i32::try_from(version).unwrap()]].into_iter());
        }
        let Missed::Keys(keys) = hub.missed(1, &key!["a"], 11) else { panic!("it is remembered") };
        assert_eq!(keys, HashSet::from([key!["a", 12], key!["a", 13]]));
        assert!(matches!(hub.missed(1, &key!["a"], 9), Missed::Unknown));
        (0..REMEMBERED as u64).for_each(|n| hub.committed(1, 20 + n, [key!["b"]].into_iter()));
        assert!(matches!(hub.missed(1, &key!["a"], 11), Missed::Unknown));
    }
}
