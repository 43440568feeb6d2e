//! The connections of one upstream, by thread. A slot's lock is taken by its own thread in the usual case, and never
//! held across a wait.

use std::{
    cell::Cell,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use axum::body::Body;
use hyper::client::conn::{http1, http2};

use super::Protocol;

pub(super) type Http1 = http1::SendRequest<Body>;
pub(super) type Http2 = http2::SendRequest<Body>;

/// The idle timeout, in looks of the reaper. Requests read its count instead of a clock.
const TICKS: u32 = 4;
/// How long a connection whose answer is whole may take to be ready again (the rest of a request's body, say).
const SETTLE: Duration = Duration::from_secs(5);

/// What an upstream's pool counts.
#[derive(Debug, Default)]
pub struct UpstreamStats {
    open: AtomicUsize,
    connected: AtomicU64,
    failed: AtomicU64,
}

impl UpstreamStats {
    /// Connections open now.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Connections made since the start.
    pub fn connected(&self) -> u64 {
        self.connected.load(Relaxed)
    }

    /// Connections that could not be made.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    pub(super) fn count_connect(&self, is_ok: bool) {
        let counter = if is_ok { &self.connected } else { &self.failed };
        counter.fetch_add(1, Relaxed);
    }
}

pub(super) struct Pool {
    /// Each with a count of its own: whoever borrows from one shares nothing with other threads.
    slots: Box<[Arc<Slot>]>,
    rules: Arc<Rules>,
    stats: Arc<UpstreamStats>,
    /// The last connection made by ALPN agreed on HTTP/1: others need not wait to see.
    speaks_http1: AtomicBool,
}

/// What all slots go by. Written seldom, and apart from what is written often.
#[derive(Debug)]
struct Rules {
    /// Time, as a request sees it: how often the reaper has looked.
    ticks: AtomicU64,
    reaping: AtomicBool,
    idle_timeout: Duration,
    max_idle: usize,
}

/// The connections of one thread, on cache lines of their own.
#[repr(align(128))]
struct Slot {
    http1: Mutex<Vec<Idle>>,
    http2: Mutex<Option<(Http2, Instant)>>,
    /// Held by who connects, where connections can be shared.
    turn: tokio::sync::Mutex<()>,
    rules: Arc<Rules>,
    pool: Weak<Pool>,
}

struct Idle {
    sender: Http1,
    since: u64,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration, max_idle: usize) -> Arc<Self> {
        let slots = thread::available_parallelism().map_or(1, usize::from) + 1;
        let (ticks, reaping) = (AtomicU64::new(0), AtomicBool::new(false));
        let rules = Arc::new(Rules { ticks, reaping, idle_timeout, max_idle });
        Arc::new_cyclic(|pool| Self {
            slots: (0..slots).map(|_| Arc::new(Slot::new(&rules, pool))).collect(),
            rules,
            stats: Arc::default(),
            speaks_http1: AtomicBool::new(false),
        })
    }

    /// HTTP/1 connections that wait to be used.
    pub(super) fn idle(&self) -> usize {
        self.slots.iter().map(|slot| lock(&slot.http1).len()).sum()
    }

    pub(super) fn stats(&self) -> &Arc<UpstreamStats> {
        &self.stats
    }

    /// Counts a connection as open for as long as it lives.
    pub(super) fn opened(&self) -> OpenConnection {
        self.stats.open.fetch_add(1, Relaxed);
        OpenConnection(Arc::clone(&self.stats))
    }

    fn slot(&self) -> &Arc<Slot> {
        &self.slots[thread_number() % self.slots.len()]
    }

    /// The connection this thread used last, if it still lives. It comes back when the answer is whole.
    pub(super) fn idle_http1(&self) -> Option<Lease> {
        let slot = self.slot();
        let mut idle = lock(&slot.http1);
        while let Some(candidate) = idle.pop() {
            if candidate.sender.is_ready() && slot.rules.is_fresh(&candidate) {
                return Some(Lease { sender: candidate.sender, slot: Arc::clone(slot) });
            }
        }
        None
    }

    /// Does this thread share a connection?
    pub(super) fn has_http2(&self) -> bool {
        self.may_share(Protocol::Auto) && lock(&self.slot().http2).is_some()
    }

    /// The connection that this thread shares, if it still lives.
    pub(super) fn shared_http2(&self) -> Option<Http2> {
        let mut shared = lock(&self.slot().http2);
        let (sender, used) = shared.as_mut()?;
        if sender.is_closed() {
            *shared = None;
            return None;
        }
        *used = Instant::now();
        Some(sender.clone())
    }

    pub(super) fn share_http2(&self, sender: Http2) {
        *lock(&self.slot().http2) = Some((sender, Instant::now()));
        self.speaks_http1.store(false, Relaxed);
        self.slot().reap_later();
    }

    pub(super) fn forget_http2(&self) {
        *lock(&self.slot().http2) = None;
    }

    pub(super) fn speaks_http1(&self) {
        self.speaks_http1.store(true, Relaxed);
    }

    /// Could the next connection be one that several requests share?
    pub(super) fn may_share(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Http1 => false,
            Protocol::Http2 => true,
            Protocol::Auto => !self.speaks_http1.load(Relaxed),
        }
    }

    /// Waits until nobody else on this thread is connecting.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.slot().turn.lock().await
    }

    /// Lends out a new connection.
    pub(super) fn lease(&self, sender: Http1) -> Lease {
        Lease { sender, slot: Arc::clone(self.slot()) }
    }

    /// Does anything wait to be used, or to be shared?
    fn has_any(&self) -> bool {
        self.slots.iter().any(|slot| !lock(&slot.http1).is_empty() || lock(&slot.http2).is_some())
    }

    /// Closes what was not used for too long or has died. `true`: nothing is left.
    fn reap(&self) -> bool {
        self.rules.ticks.fetch_add(1, Relaxed);
        let mut is_empty = true;
        for slot in &self.slots {
            let mut idle = lock(&slot.http1);
            idle.retain(|one| !one.sender.is_closed() && self.rules.is_fresh(one));
            is_empty &= idle.is_empty();
            drop(idle);
            let mut shared = lock(&slot.http2);
            // Requests under way keep the connection; this only lets go of it.
            if shared
                .as_ref()
                .is_some_and(|(sender, used)| sender.is_closed() || used.elapsed() >= self.rules.idle_timeout)
            {
                *shared = None;
            }
            is_empty &= shared.is_none();
        }
        is_empty
    }
}

impl Rules {
    /// Was it used within the idle timeout? Up to a tick's length earlier than that it counts as too old.
    fn is_fresh(&self, idle: &Idle) -> bool {
        self.ticks.load(Relaxed).saturating_sub(idle.since) < u64::from(TICKS)
    }
}

impl Slot {
    fn new(rules: &Arc<Rules>, pool: &Weak<Pool>) -> Self {
        let (http1, http2, turn) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Self { http1, http2, turn, rules: Arc::clone(rules), pool: Weak::clone(pool) }
    }

    fn give_back(&self, sender: Http1) {
        {
            let mut idle = lock(&self.http1);
            if idle.len() >= self.rules.max_idle {
                return;
            }
            idle.push(Idle { sender, since: self.rules.ticks.load(Relaxed) });
        }
        self.reap_later();
    }

    /// Sees to it that what stays unused is closed, by one task for as long as there is anything.
    fn reap_later(&self) {
        let reaping = &self.rules.reaping;
        if reaping.load(Relaxed) || reaping.swap(true, Relaxed) {
            return;
        }
        let reaper = Reaper { pool: Weak::clone(&self.pool), rules: Arc::clone(&self.rules) };
        let pause = (self.rules.idle_timeout / TICKS).max(Duration::from_millis(1));
        tokio::spawn(async move {
            let pool = loop {
                tokio::time::sleep(pause).await;
                let Some(pool) = reaper.pool.upgrade() else { return };
                if pool.reap() {
                    break pool;
                }
            };
            drop(reaper);
            // What was given back after the last look found a reaper that was about to end; without one nothing ages.
            if pool.has_any() {
                pool.slot().reap_later();
            }
        });
    }
}

/// Lets another reaper begin when this one ends, however it ends.
struct Reaper {
    pool: Weak<Pool>,
    rules: Arc<Rules>,
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.rules.reaping.store(false, Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct OpenConnection(Arc<UpstreamStats>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// A connection lent out. Dropped, it is closed; only [`Lease::end`] brings it back.
pub(super) struct Lease {
    sender: Http1,
    slot: Arc<Slot>,
}

impl Lease {
    /// The connection, to be asked something.
    pub(super) fn sender(&mut self) -> &mut Http1 {
        &mut self.sender
    }

    /// The answer is whole: the connection may be used again once hyper says so.
    pub(super) fn end(self) {
        let Self { mut sender, slot } = self;
        if sender.is_ready() {
            slot.give_back(sender);
            return;
        }
        if sender.is_closed() {
            return;
        }
        let settle = async move {
            if let Ok(Ok(())) = tokio::time::timeout(SETTLE, sender.ready()).await {
                slot.give_back(sender);
            }
        };
        // A body may be dropped where no runtime is any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(settle);
        }
    }
}

/// Poisoned or not: what is in there are connections, each whole by itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A small number for each thread, in the order in which they ask.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Relaxed));
    }
    NUMBER.get()
}
