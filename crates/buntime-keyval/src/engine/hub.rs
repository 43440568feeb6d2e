//! What commits tell those who wait: which keys changed, which queues have messages, when something expires.
//!
//! Told by the commit itself: nobody polls. What is told is only that there is something to look at; who waits looks into
//! the database, so that being told twice, or of more than happened, does no harm.
//!
//! Changes of entries are told in the order of commits, and none is left out: each commit that changes some has the next
//! version, so that a gap is seen, and then everybody looks at everything. Where the engine has notifications, all
//! nodes' commits are told by them, also this one's: no other way has them in order.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use buntime_database::{Adapter, Statement};
use tokio::sync::{Notify, Semaphore};

use super::news::News;
use crate::Key;

/// Changes that are remembered, for watches that come back.
const REMEMBERED: usize = 1 << 16;
/// Changed keys that a watch remembers until it looks; past that it looks at everything.
const DIRTY: usize = 4096;
/// Consumers of a queue that look into it at the same time.
const LOOKING: usize = 8;
/// Where news are said.
pub(super) const CHANNEL: &str = "keyval";

/// How nodes of one database hear of each other.
#[derive(Clone, Debug)]
pub(super) enum Nodes {
    /// There is this one.
    One,
    /// By notifications of that database.
    Notified(Arc<dyn Adapter>),
    /// By looking, that often.
    Polled(Duration),
}

#[derive(Debug)]
pub(super) struct Hub {
    nodes: Nodes,
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
    /// The last version that was told.
    heard: u64,
}

/// One watch.
#[derive(Debug, Default)]
pub(super) struct Signal {
    dirty: Mutex<Dirty>,
    notify: Notify,
    /// It is told only of later commits. Written and read under the lock of all watches.
    since: AtomicU64,
}

/// What changed since a watch looked.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) keys: HashSet<Key>,
    /// There was more than is remembered.
    pub(super) everything: bool,
    /// The last commit that it was told of, whole.
    pub(super) version: u64,
    /// Is it being told of a commit?
    pub(super) begun: bool,
}

impl Dirty {
    /// Is there nothing to look at?
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.everything
    }
}

/// One queue that somebody listens to.
#[derive(Debug)]
pub(super) struct Bell {
    pub(super) notify: Notify,
    /// Who may look.
    pub(super) looking: Arc<Semaphore>,
}

/// What a watch that comes back missed.
#[derive(Debug)]
pub(super) enum Missed {
    /// These keys, up to that version.
    Keys(HashSet<Key>, u64),
    /// It is not known any more.
    Unknown,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// `version` is the last commit there was.
    pub(super) fn new(version: u64, nodes: Nodes) -> Self {
        Self {
            nodes,
            watches: Mutex::new(Watches { forgotten: version, heard: version, ..Watches::default() }),
            queues: Mutex::default(),
            next_expiry: AtomicU64::new(u64::MAX),
            sweep: Notify::new(),
        }
    }

    pub(super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Are other nodes told of news?
    pub(super) fn says(&self) -> bool {
        matches!(self.nodes, Nodes::Notified(_))
    }

    /// What says news to other nodes, as part of the transaction that makes them.
    pub(super) fn saying(&self, news: &News) -> Option<Statement> {
        match &self.nodes {
            Nodes::Notified(database) => database.notification(CHANNEL, &news.encode()),
            Nodes::One | Nodes::Polled(_) => None,
        }
    }

    /// This node committed it. Called in the order of commits.
    pub(super) fn committed(&self, news: &News) {
        if let Some(at) = news.expires {
            self.expires(at);
        }
        if self.says() {
            // Queues have no order to keep.
            self.ring(news);
        } else {
            self.heard(news);
        }
    }

    /// Some node committed it. Called in the order of commits.
    pub(super) fn heard(&self, news: &News) {
        if let Some(version) = news.version {
            lock(&self.watches).tell(version, news);
        }
        self.ring(news);
    }

    /// Commits up to that version may not have been heard: whoever waits is to look.
    pub(super) fn missed_until(&self, version: u64) {
        let mut watches = lock(&self.watches);
        if version > watches.heard {
            watches.everything(version);
        }
        drop(watches);
        self.ring_all();
    }

    /// The last version that was told.
    pub(super) fn last_heard(&self) -> u64 {
        lock(&self.watches).heard
    }

    /// Does anybody watch?
    pub(super) fn is_watched(&self) -> bool {
        let watches = lock(&self.watches);
        !(watches.exact.is_empty() && watches.below.is_empty())
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

    /// That watch has whatever was committed up to that version, or does not want it: it is told only of what came later,
    /// however late it is heard.
    pub(super) fn begins(&self, signal: &Signal, version: u64) {
        // No telling is under way.
        let watches = lock(&self.watches);
        signal.since.store(version, Ordering::Relaxed);
        let mut dirty = lock(&signal.dirty);
        if dirty.version <= version {
            *dirty = Dirty::default();
        }
        drop((dirty, watches));
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
        Missed::Keys(theirs.map(|(.., key)| key.clone()).collect(), watches.heard)
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
        let bell = Arc::new(Bell { notify: Notify::new(), looking: Arc::new(Semaphore::new(LOOKING)) });
        queues.insert(place, Arc::downgrade(&bell));
        bell
    }

    fn ring(&self, news: &News) {
        if news.more {
            return self.ring_all();
        }
        if news.queues.is_empty() {
            return;
        }
        let queues = lock(&self.queues);
        if queues.is_empty() {
            return;
        }
        for (ns, queue) in &news.queues {
            if let Some(bell) = queues.get(&(*ns, queue.clone())).and_then(Weak::upgrade) {
                bell.notify.notify_waiters();
            }
        }
    }

    fn ring_all(&self) {
        for bell in lock(&self.queues).values().filter_map(Weak::upgrade) {
            bell.notify.notify_waiters();
        }
    }
}

impl Watches {
    fn tell(&mut self, version: u64, news: &News) {
        if version <= self.heard {
            return;
        }
        if version > self.heard + 1 || news.more {
            return self.everything(version);
        }
        self.heard = version;
        let mut told: Vec<Arc<Signal>> = Vec::new();
        for (ns, key) in &news.keys {
            self.signals(*ns, key, |signal| {
                if signal.is_told_of(version) && signal.add(key) {
                    told.push(signal);
                }
            });
            self.recent.push_back((version, *ns, key.clone()));
            if self.recent.len() > REMEMBERED
                && let Some((version, ..)) = self.recent.pop_front()
            {
                self.forgotten = version;
            }
        }
        // Only now has each been told all of the commit.
        told.iter().for_each(|signal| signal.end(version));
    }

    fn signals(&self, ns: i64, key: &Key, mut each: impl FnMut(Arc<Signal>)) {
        if !self.exact.is_empty()
            && let Some(waiting) = self.exact.get(&(ns, key.clone()))
        {
            waiting.iter().filter_map(Weak::upgrade).for_each(&mut each);
        }
        if self.below.is_empty() {
            return;
        }
        for prefix in key.prefixes() {
            if let Some(waiting) = self.below.get(&(ns, prefix)) {
                waiting.iter().filter_map(Weak::upgrade).for_each(&mut each);
            }
        }
    }

    /// What changed up to that version is not known.
    fn everything(&mut self, version: u64) {
        self.heard = version;
        self.forgotten = version;
        self.recent.clear();
        let all = self.exact.values().chain(self.below.values()).flatten().filter_map(Weak::upgrade);
        for signal in all.filter(|signal| signal.is_told_of(version)) {
            lock(&signal.dirty).everything = true;
            signal.end(version);
        }
    }
}

impl Signal {
    fn is_told_of(&self, version: u64) -> bool {
        version > self.since.load(Ordering::Relaxed)
    }

    /// Is it the first of its commit?
    fn add(&self, key: &Key) -> bool {
        let mut dirty = lock(&self.dirty);
        let first = !std::mem::replace(&mut dirty.begun, true);
        if dirty.keys.len() < DIRTY {
            dirty.keys.insert(key.clone());
        } else {
            dirty.everything = true;
        }
        first
    }

    fn end(&self, version: u64) {
        let mut dirty = lock(&self.dirty);
        dirty.version = dirty.version.max(version);
        dirty.begun = false;
        drop(dirty);
        self.notify.notify_one();
    }

    /// Waits until something changed, and takes what it is. Nothing is lost when this is dropped while it waits.
    pub(super) async fn changed(&self) -> Dirty {
        loop {
            let notified = self.notify.notified();
            {
                let mut dirty = lock(&self.dirty);
                // Of a commit all or nothing is seen.
                if !dirty.is_empty() && !dirty.begun {
                    return std::mem::take(&mut *dirty);
                }
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests;
