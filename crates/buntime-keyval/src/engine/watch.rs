//! Watches: who waits for a key, or for what is below one, is told the last state there is.
//!
//! States in between may be left out; the last one never is. What a watch tells is read from the database after it was
//! told that something changed, so it is never older than what it told before.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use super::{
    Namespace,
    hub::{Dirty, Missed, Signal},
};
use crate::{Entry, Error, Key, Result, Selector, Versionstamp, What, within};

/// Entries that are read at once when everything is looked at; fewer, if they are too large.
const PAGE: u32 = 500;
/// Keys that are looked at at once: of so many a moment can be read.
const KEYS: usize = 1024;

/// A watch of keys: how each of them is, now and whenever one of them changes.
#[derive(Debug)]
pub struct Watch {
    of: Registered,
    keys: Vec<Key>,
    /// What was told of each.
    told: Vec<Option<Versionstamp>>,
    /// Is there something to look at? Stays so until it was looked at, whoever stops waiting meanwhile.
    due: bool,
    /// Is everything told, whether it changed or not?
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

    /// It has whatever was committed up to that version, or does not want it.
    fn begins(&self, version: u64) {
        if let Some(signal) = &self.signal {
            self.namespace.engine.hub.begins(signal, version);
        }
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
        Ok(Watch { of: Registered::new(self, keys.clone(), false), keys, told, due: true, first: true })
    }

    /// Watches what is below a prefix: from that commit on, or beginning with everything there is.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::InvalidCursor`] for a place in another watch, or the database's.
    pub async fn watch_below(&self, prefix: Key, from: From) -> Result<Changes> {
        within(What::ReadKey, prefix.len(), self.limits.key + 1)?;
        if let From::Place(Place { cursor, .. }) = &from {
            Selector::prefix(prefix.clone()).range(cursor.as_deref(), PAGE, false)?;
        }
        // Registered before anything is read, so that nothing is missed in between.
        let of = Registered::new(self, vec![prefix.clone()], true);
        let now = self.version().await?.version().unwrap_or(0);
        let everything = || (0, Some(Whole { cursor: None, version: now, reset: true }), Dirty::default());
        let missed = |version| match self.engine.hub.missed(self.id, &prefix, version) {
            Missed::Unknown => None,
            Missed::Keys(keys, version) => Some(Dirty { keys, version, ..Dirty::default() }),
        };
        let (version, all, waiting) = match from {
            From::Now => (now, None, Dirty::default()),
            From::Everything => everything(),
            From::After(seen) => {
                let version = seen.version().unwrap_or(0);
                missed(version).map_or_else(everything, |missed| (version, None, missed))
            }
            From::Place(Place { version, cursor }) => match (missed(version), cursor) {
                (Some(missed), None) => (version, None, missed),
                (Some(missed), Some(cursor)) if !cursor.is_empty() => {
                    (0, Some(Whole { cursor: Some(cursor), version, reset: false }), missed)
                }
                _ => everything(),
            },
        };
        // What it is told to have seen is believed as far as there is such a commit.
        let seen = all.as_ref().map_or(version, |all| all.version).min(now);
        of.begins(waiting.version.max(seen));
        Ok(Changes { of, prefix, all, version, waiting })
    }
}

/// Where a watch begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// With the next change.
    Now,
    /// With all entries there are.
    Everything,
    /// With what changed after that commit; with everything, if that is not known any more.
    After(Versionstamp),
    /// Where another watch of the same prefix was; with everything, if that is not known any more.
    Place(Place),
}

/// How far a watch of a prefix has told: as a text, so that a client can come back with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// All up to that commit.
    version: u64,
    /// And, of all entries there were, those up to that cursor; empty: none yet.
    cursor: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cursor {
            None => write!(f, "{:x}", self.version),
            Some(cursor) => write!(f, "{:x}~{cursor}", self.version),
        }
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        const WRONG: Error = Error::InvalidCursor(Cow::Borrowed("That is no place in a watch"));
        let (version, cursor) = text.split_once('~').map_or((text, None), |(version, cursor)| (version, Some(cursor)));
        // A sign is not one of its digits.
        let version = version.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(version, 16));
        Ok(Self { version: version.and_then(Result::ok).ok_or(WRONG)?, cursor: cursor.map(ToOwned::to_owned) })
    }
}

impl Watch {
    /// Waits for a change, the first time for nothing, and tells how all keys are: each with whether it changed since it
    /// was told last. Nothing is lost when this is dropped while it waits.
    ///
    /// # Errors
    /// The database's; the watch goes on.
    pub async fn next(&mut self) -> Result<Vec<(bool, Option<Entry>)>> {
        loop {
            if !self.due {
                self.of.changed().await;
                self.due = true;
            }
            if let Some(told) = self.look().await? {
                return Ok(told);
            }
        }
    }

    /// The same without waiting; `None`: nothing changed since it was told last.
    ///
    /// # Errors
    /// The database's.
    pub async fn look(&mut self) -> Result<Option<Vec<(bool, Option<Entry>)>>> {
        let told = self.of.namespace.get_in_pieces(&self.keys).await?;
        self.due = false;
        let first = std::mem::take(&mut self.first);
        let stamps: Vec<_> = told.iter().map(|entry| entry.as_ref().map(|entry| entry.versionstamp)).collect();
        if !first && stamps == self.told {
            return Ok(None);
        }
        let changed = stamps.iter().zip(&self.told).map(|(new, old)| first || new != old);
        let all = changed.zip(told).collect();
        self.told = stamps;
        Ok(Some(all))
    }

    /// Begins from what was told before: only what differs from it is told first.
    pub fn resume(&mut self, told: Vec<Option<Versionstamp>>) {
        if told.len() == self.keys.len() {
            self.told = told;
            self.first = false;
            self.due = true;
        }
    }

    /// What was told of each key last.
    pub fn told(&self) -> &[Option<Versionstamp>] {
        &self.told
    }

    /// The keys, in the order of what is told.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

impl Changes {
    /// Waits for a change and tells it. Nothing is lost when this is dropped while it waits.
    ///
    /// # Errors
    /// The database's; the watch goes on, and what it was about to tell is told later.
    pub async fn next(&mut self) -> Result<Told> {
        loop {
            if self.all.is_some() {
                return self.page().await;
            }
            if self.waiting.is_empty() {
                self.waiting = self.of.changed().await;
            }
            if self.waiting.everything {
                let version = std::mem::take(&mut self.waiting).version;
                self.all = Some(Whole { cursor: None, version, reset: true });
                continue;
            }
            return self.look().await;
        }
    }

    /// Is there something to tell, as far as is known, for which nobody has to wait?
    pub fn pending(&self) -> bool {
        self.all.is_some() || !self.waiting.is_empty()
    }

    /// How far it has told: a watch that begins from there misses nothing.
    pub fn place(&self) -> Place {
        match &self.all {
            None => Place { version: self.version, cursor: None },
            Some(Whole { cursor, version, .. }) => {
                Place { version: *version, cursor: Some(cursor.clone().unwrap_or_default()) }
            }
        }
    }

    /// Some of the keys that changed, whole where that can be read at once.
    async fn look(&mut self) -> Result<Told> {
        let mut keys: Vec<Key> = self.waiting.keys.iter().cloned().collect();
        keys.sort_unstable();
        keys.truncate(KEYS);
        let entries = loop {
            match self.of.namespace.get_many(&keys).await {
                Ok(entries) => break entries,
                Err(Error::TooBig) if keys.len() > 1 => keys.truncate(keys.len() / 2),
                Err(error) => return Err(error),
            }
        };
        for key in &keys {
            self.waiting.keys.remove(key);
        }
        let whole = self.waiting.keys.is_empty();
        if whole {
            self.version = self.version.max(std::mem::take(&mut self.waiting).version);
        }
        let entries = keys.into_iter().zip(entries).collect();
        Ok(Told { entries, reset: false, version: whole.then(|| Versionstamp::new(self.version)) })
    }

    /// The next of all entries. What changes meanwhile is told afterwards.
    async fn page(&mut self) -> Result<Told> {
        let Some(Whole { cursor, version, reset }) = &self.all else { return Ok(Told::default()) };
        let (reset, version) = (*reset, *version);
        let mut range = Selector::prefix(self.prefix.clone()).range(cursor.as_deref(), PAGE, false)?;
        let entries = loop {
            match self.of.namespace.read(std::slice::from_ref(&range)).await {
                Ok(mut found) => break found.pop().unwrap_or_default(),
                Err(Error::TooBig) if range.limit > 1 => range.limit /= 2,
                Err(error) => return Err(error),
            }
        };
        let more = u32::try_from(entries.len()).is_ok_and(|read| read == range.limit);
        self.all = more.then(|| {
            let cursor = entries.last().map(|last| crate::cursor(&last.key));
            Whole { cursor, version, reset: false }
        });
        if !more {
            self.version = self.version.max(version);
        }
        let entries = entries.into_iter().map(|entry| (entry.key.clone(), Some(entry))).collect();
        Ok(Told { entries, reset, version: (!more).then(|| Versionstamp::new(version)) })
    }
}
