//! Triggers: what a commit did to the entries below a prefix, told to who subscribed in this process.
//!
//! Told after the commit, in the order of commits, each change once: unlike a watch, which tells only how things are. What
//! a subscriber does not take in time waits for it, up to a number and size; if it falls so far behind, it is told that it
//! missed something and how much, and goes on with what comes then. Nothing is lost without a word while the process
//! lives, and no writer waits for a subscriber. Commits of other processes are not told.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{sync::Notify, task::JoinHandle};

use super::Namespace;
use crate::{Key, Value, Versionstamp};

/// Changes that wait for a subscriber, and bytes of their keys and values.
const WAITING: usize = 16_384;
const BYTES: usize = 64 << 20;

/// Which changes somebody wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    All,
    /// That an entry was set, by whatever mutation.
    Sets,
    /// That an entry is gone.
    Deletes,
}

/// A change of one entry, as its commit left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub key: Key,
    /// The commit.
    pub versionstamp: Versionstamp,
    /// What it did.
    pub what: Effect,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It has this value, until then.
    Set {
        /// The value; of a sum what it came to.
        value: Value,
        /// When it ceases to be, in milliseconds since the Unix epoch.
        expires_at: Option<u64>,
    },
    /// It was deleted. What was not there is not deleted.
    Deleted,
    /// Its time was over, and it was swept away.
    Expired,
}

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// Something changed.
    Changed(Changed),
    /// So many changes were missed, since this subscriber took too long. What it knows has to be read again.
    Lagged(u64),
}

/// Who is to be told.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    all: Mutex<HashMap<i64, Vec<Weak<Subscriber>>>>,
    /// How many there are: most commits ask only that.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Subscriber {
    prefix: Key,
    wanted: Wanted,
    waiting: Mutex<Waiting>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: VecDeque<Changed>,
    bytes: usize,
    /// What came after them and was not kept.
    missed: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Triggers {
    /// Does anybody want to know of that namespace?
    pub(super) fn any(&self, ns: i64) -> bool {
        self.count.load(Ordering::Acquire) > 0 && lock(&self.all).contains_key(&ns)
    }

    /// Called in the order of commits.
    pub(super) fn committed(&self, ns: i64, commit: u64, changes: impl Iterator<Item = (Key, Effect)>) {
        let all = lock(&self.all);
        let Some(theirs) = all.get(&ns) else { return };
        let theirs: Vec<Arc<Subscriber>> = theirs.iter().filter_map(Weak::upgrade).collect();
        for (key, what) in changes {
            for subscriber in &theirs {
                if key.is_below(&subscriber.prefix) && subscriber.wants(&what) {
                    let versionstamp = Versionstamp::new(commit);
                    subscriber.add(Changed { key: key.clone(), versionstamp, what: what.clone() });
                }
            }
        }
    }

    fn subscribe(&self, ns: i64, subscriber: &Arc<Subscriber>) {
        let mut all = lock(&self.all);
        all.entry(ns).or_default().push(Arc::downgrade(subscriber));
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    fn unsubscribe(&self, ns: i64, subscriber: &Arc<Subscriber>) {
        let mut all = lock(&self.all);
        if let Some(theirs) = all.get_mut(&ns) {
            theirs.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(subscriber)));
            if theirs.is_empty() {
                all.remove(&ns);
            }
        }
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Subscriber {
    fn wants(&self, what: &Effect) -> bool {
        match self.wanted {
            Wanted::All => true,
            Wanted::Sets => matches!(what, Effect::Set { .. }),
            Wanted::Deletes => !matches!(what, Effect::Set { .. }),
        }
    }

    fn add(&self, change: Changed) {
        let mut waiting = lock(&self.waiting);
        let size = change.size();
        let full = waiting.changes.len() >= WAITING || (waiting.bytes + size > BYTES && !waiting.changes.is_empty());
        // Once something is missed, what comes later would be told as if it followed.
        if full || waiting.missed > 0 {
            waiting.missed += 1;
        } else {
            waiting.bytes += size;
            waiting.changes.push_back(change);
        }
        drop(waiting);
        self.notify.notify_one();
    }

    fn take(&self) -> Option<Signalled> {
        let mut waiting = lock(&self.waiting);
        if let Some(change) = waiting.changes.pop_front() {
            waiting.bytes -= change.size();
            return Some(Signalled::Changed(change));
        }
        match std::mem::take(&mut waiting.missed) {
            0 => None,
            missed => Some(Signalled::Lagged(missed)),
        }
    }
}

impl Changed {
    fn size(&self) -> usize {
        let value = match &self.what {
            Effect::Set { value, .. } => value.size(),
            Effect::Deleted | Effect::Expired => 0,
        };
        self.key.len() + value
    }
}

/// A subscription. Dropped, it ends.
#[derive(Debug)]
pub struct Subscription {
    subscriber: Arc<Subscriber>,
    namespace: Namespace,
}

impl Subscription {
    /// Waits for the next change. Dropped while it waits, nothing is lost.
    pub async fn next(&mut self) -> Signalled {
        loop {
            let notified = self.subscriber.notify.notified();
            if let Some(told) = self.subscriber.take() {
                return told;
            }
            notified.await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.namespace.engine.triggers.unsubscribe(self.namespace.id, &self.subscriber);
    }
}

/// A handler that is called. Dropped, it is called no more.
#[derive(Debug)]
pub struct Trigger(JoinHandle<()>);

impl Drop for Trigger {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Namespace {
    /// Tells what happens below a prefix from now on.
    pub fn subscribe(&self, prefix: Key, wanted: Wanted) -> Subscription {
        let (waiting, notify) = (Mutex::default(), Notify::new());
        let subscriber = Arc::new(Subscriber { prefix, wanted, waiting, notify });
        self.engine.triggers.subscribe(self.id, &subscriber);
        Subscription { subscriber, namespace: self.clone() }
    }

    /// Calls `handler` with what happens below a prefix from now on, one after the other. What it fails with is logged, and
    /// so is its panic; neither ends it.
    pub fn on_change<F, E>(
        &self,
        prefix: Key,
        wanted: Wanted,
        handler: impl Fn(Signalled) -> F + Send + 'static,
    ) -> Trigger
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let mut subscription = self.subscribe(prefix.clone(), wanted);
        Trigger(tokio::spawn(async move {
            loop {
                let told = subscription.next().await;
                // A task of its own, so that a panic ends no other call.
                let call = std::panic::AssertUnwindSafe(|| handler(told));
                let called = match std::panic::catch_unwind(call) {
                    Ok(future) => Owned(tokio::spawn(future)).await,
                    Err(_) => {
                        tracing::error!(?prefix, "a trigger's handler panicked");
                        continue;
                    }
                };
                match called {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(?prefix, %error, "a trigger's handler failed"),
                    Err(error) => tracing::error!(?prefix, %error, "a trigger's handler panicked"),
                }
            }
        }))
    }
}

/// A task that ends with who waits for it.
struct Owned<T>(JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Future for Owned<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(cx)
    }
}
