//! Watches: who waits for a key, or for what is below one, is told the last state there is.
//!
//! States in between may be left out; the last one never is. What a watch tells is read from the database after it was
//! told that something changed, so it is never older than what it told before.

use std::sync::Arc;

use super::{
    Namespace,
    hub::{Dirty, Missed, Signal},
};
use crate::{Entry, Key, Range, Result, Selector, Versionstamp, What, limits::within};

/// Entries that are read at once when everything is looked at.
const PAGE: u32 = 500;

/// A watch of keys: how each of them is, now and whenever one of them changes.
#[derive(Debug)]
pub struct Watch {
    of: Registered,
    keys: Vec<Key>,
    /// What was told of each.
    told: Vec<Option<Versionstamp>>,
    first: bool,
}

/// A watch of what is below a prefix.
#[derive(Debug)]
pub struct Changes {
    of: Registered,
    prefix: Key,
    /// Where a look at everything goes on, if one is under way.
    all: Option<Whole>,
    /// Up to which commit it has told everything.
    version: u64,
    waiting: Dirty,
}

#[derive(Debug)]
struct Whole {
    cursor: Option<String>,
    version: u64,
    reset: bool,
}

/// What a watch of a prefix tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Each key that changed, with its entry; `None`: there is none any more.
    pub entries: Vec<(Key, Option<Entry>)>,
    /// What was told before is void: these are the first of all entries there are.
    pub reset: bool,
    /// Every change up to that commit has been told, if this is whole; a watch that begins from it misses nothing.
    pub version: Option<Versionstamp>,
}

/// A place in the hub, left when it is dropped.
#[derive(Debug)]
struct Registered {
    namespace: Namespace,
    keys: Vec<Key>,
    below: bool,
    signal: Option<Arc<Signal>>,
}

impl Registered {
    fn new(namespace: &Namespace, keys: Vec<Key>, below: bool) -> Self {
        let signal = Some(namespace.engine.hub.watch(namespace.id, &keys, below));
        Self { namespace: namespace.clone(), keys, below, signal }
    }

    async fn changed(&self) -> Dirty {
        match &self.signal {
            Some(signal) => signal.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.signal = None;
        self.namespace.engine.hub.unwatch(self.namespace.id, &self.keys, self.below);
    }
}

impl Namespace {
    /// Watches keys.
    ///
    /// # Errors
    /// [`crate::Error::Limit`] for more keys than may be watched.
    pub fn watch(&self, keys: Vec<Key>) -> Result<Watch> {
        within(What::WatchedKeys, keys.len(), self.limits.watched)?;
        for key in &keys {
            within(What::ReadKey, key.len(), self.limits.key + 1)?;
        }
        let told = keys.iter().map(|_| None).collect();
        Ok(Watch { of: Registered::new(self, keys.clone(), false), keys, told, first: true })
    }

    /// Watches what is below a prefix: from that commit on, or beginning with everything there is.
    ///
    /// # Errors
    /// [`crate::Error::Limit`], or the database's.
    pub async fn watch_below(&self, prefix: Key, from: From) -> Result<Changes> {
        within(What::ReadKey, prefix.len(), self.limits.key + 1)?;
        // Registered before anything is read: what changes in between is told twice rather than never.
        let of = Registered::new(self, vec![prefix.clone()], true);
        let now = self.version().await?.version().unwrap_or(0);
        let (version, all, waiting) = match from {
            From::Now => (now, None, Dirty::default()),
            From::Everything => (0, Some(Whole { cursor: None, version: now, reset: true }), Dirty::default()),
            From::After(seen) => match self.engine.hub.missed(self.id, &prefix, seen.version().unwrap_or(0)) {
                Missed::Unknown => (0, Some(Whole { cursor: None, version: now, reset: true }), Dirty::default()),
                Missed::Keys(keys, version) => {
                    (seen.version().unwrap_or(0), None, Dirty { keys, everything: false, version })
                }
            },
        };
        Ok(Changes { of, prefix, all, version, waiting })
    }
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the next change.
    Now,
    /// With all entries there are.
    Everything,
    /// With what changed after that commit; with everything, if that is not known any more.
    After(Versionstamp),
}

impl Watch {
    /// Waits for a change, the first time for nothing, and tells how all keys are: each with whether it changed since it
    /// was told last.
    ///
    /// # Errors
    /// The database's; the watch goes on.
    pub async fn next(&mut self) -> Result<Vec<(bool, Option<Entry>)>> {
        loop {
            let first = std::mem::take(&mut self.first);
            if !first {
                self.of.changed().await;
            }
            let ranges: Vec<Range> = self.keys.iter().map(Range::of_key).collect();
            let read = self.of.namespace.read(&ranges).await;
            let entries = match read {
                Ok(entries) => entries,
                Err(error) => {
                    // What made it look is looked at again.
                    self.first = true;
                    return Err(error);
                }
            };
            let told: Vec<_> = entries.into_iter().map(|mut entries| entries.pop()).collect();
            let stamps: Vec<_> = told.iter().map(|entry| entry.as_ref().map(|entry| entry.versionstamp)).collect();
            if !first && stamps == self.told {
                continue;
            }
            let changed = stamps.iter().zip(&self.told).map(|(new, old)| first || new != old);
            let all = changed.zip(told).collect();
            self.told = stamps;
            return Ok(all);
        }
    }

    /// Begins from what was told before: only what differs from it is told first.
    pub fn resume(&mut self, told: Vec<Option<Versionstamp>>) {
        if told.len() == self.keys.len() {
            self.told = told;
            self.first = false;
            if let Some(signal) = &self.of.signal {
                signal.look();
            }
        }
    }

    /// The keys, in the order of what is told.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

impl Changes {
    /// Waits for a change and tells it.
    ///
    /// # Errors
    /// The database's; the watch goes on, and what it was about to tell is told later.
    pub async fn next(&mut self) -> Result<Told> {
        loop {
            if let Some(whole) = self.all.take() {
                return self.page(whole).await;
            }
            let dirty = match self.waiting.keys.is_empty() && !self.waiting.everything {
                true => self.of.changed().await,
                false => std::mem::take(&mut self.waiting),
            };
            if dirty.everything {
                self.all = Some(Whole { cursor: None, version: dirty.version, reset: true });
                continue;
            }
            return self.look(dirty).await;
        }
    }

    async fn look(&mut self, dirty: Dirty) -> Result<Told> {
        let mut keys: Vec<Key> = dirty.keys.iter().cloned().collect();
        keys.sort_unstable();
        match self.of.namespace.get_many(&keys).await {
            Ok(entries) => {
                self.version = self.version.max(dirty.version);
                let entries = keys.into_iter().zip(entries).collect();
                Ok(Told { entries, reset: false, version: Some(Versionstamp::new(self.version)) })
            }
            Err(error) => {
                self.waiting = dirty;
                Err(error)
            }
        }
    }

    /// The next of all entries. What changes meanwhile is told afterwards.
    async fn page(&mut self, whole: Whole) -> Result<Told> {
        let range = Selector::prefix(self.prefix.clone()).range(whole.cursor.as_deref(), PAGE, false)?;
        let entries = match self.of.namespace.read(&[range]).await {
            Ok(mut ranges) => ranges.pop().unwrap_or_default(),
            Err(error) => {
                self.all = Some(whole);
                return Err(error);
            }
        };
        let more = u32::try_from(entries.len()).is_ok_and(|read| read == PAGE);
        let cursor = entries.last().map(|last| crate::range::cursor(&last.key));
        let version = (!more).then(|| Versionstamp::new(whole.version));
        if more {
            self.all = Some(Whole { cursor, version: whole.version, reset: false });
        } else {
            self.version = self.version.max(whole.version);
        }
        let entries = entries.into_iter().map(|entry| (entry.key.clone(), Some(entry))).collect();
        Ok(Told { entries, reset: whole.reset, version })
    }
}
