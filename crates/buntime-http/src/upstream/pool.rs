//! The connections of one upstream, by thread. A slot's lock is taken by its own thread in the usual case, and never
//! held across a wait.

use std::{
    cell::Cell,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use axum::body::Body;
use hyper::client::conn::http2;
use tokio::{
    sync::{Notify, oneshot},
    task::coop::unconstrained,
};

use super::{Protocol, link::Link};

pub(super) type Http2 = http2::SendRequest<Body>;

/// How long a connection whose answer is whole may take to be ready again (the rest of a request's body, say).
const SETTLE: Duration = Duration::from_secs(5);

/// What an upstream's pool counts.
#[derive(Debug, Default)]
pub struct UpstreamStats {
    open: AtomicUsize,
    idle: AtomicUsize,
    connected: AtomicU64,
    failed: AtomicU64,
}

impl UpstreamStats {
    /// Connections open now.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// HTTP/1 connections that wait to be used.
    pub fn idle(&self) -> usize {
        self.idle.load(Relaxed)
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
    slots: Box<[Slot]>,
    idle_timeout: Duration,
    max_idle: usize,
    stats: Arc<UpstreamStats>,
    /// The last connection made by ALPN agreed on HTTP/1: others need not wait to see.
    speaks_http1: AtomicBool,
    reaping: AtomicBool,
    watchman: Arc<Watchman>,
    /// The watchman's, for idle connections.
    alarm: Waker,
}

/// Is rung when something happens on an idle connection: its end, in the usual case.
#[derive(Default)]
struct Watchman(Notify);

impl Wake for Watchman {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify_one();
    }
}

#[derive(Default)]
struct Slot {
    http1: Mutex<Vec<Idle>>,
    http2: Mutex<Option<(Http2, Instant)>>,
    /// Held by who connects, where connections can be shared.
    turn: tokio::sync::Mutex<()>,
}

struct Idle {
    link: Link,
    since: Instant,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration, max_idle: usize) -> Self {
        let slots = thread::available_parallelism().map_or(1, usize::from) + 1;
        let watchman = Arc::new(Watchman::default());
        Self {
            alarm: Waker::from(Arc::clone(&watchman)),
            watchman,
            slots: (0..slots).map(|_| Slot::default()).collect(),
            idle_timeout,
            max_idle,
            stats: Arc::default(),
            speaks_http1: AtomicBool::new(false),
            reaping: AtomicBool::new(false),
        }
    }

    pub(super) fn stats(&self) -> &Arc<UpstreamStats> {
        &self.stats
    }

    /// Counts a connection as open for as long as it lives.
    pub(super) fn opened(&self) -> OpenConnection {
        self.stats.open.fetch_add(1, Relaxed);
        OpenConnection(Arc::clone(&self.stats))
    }

    fn slot(&self) -> &Slot {
        &self.slots[thread_number() % self.slots.len()]
    }

    /// The connection this thread used last, if nothing is known against it. It may have died just now.
    pub(super) fn idle_http1(&self) -> Option<Link> {
        let mut idle = lock(&self.slot().http1);
        while let Some(Idle { link, since }) = idle.pop() {
            self.stats.idle.fetch_sub(1, Relaxed);
            if link.is_ready() && !link.has_rung() && since.elapsed() < self.idle_timeout {
                return Some(link);
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

    pub(super) fn share_http2(self: &Arc<Self>, sender: Http2) {
        *lock(&self.slot().http2) = Some((sender, Instant::now()));
        self.speaks_http1.store(false, Relaxed);
        self.reap_later();
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

    /// Lends out a connection; it comes back when the answer is whole.
    pub(super) fn lease(self: &Arc<Self>, link: Link) -> Lease {
        Lease::Held { link, pool: Arc::clone(self) }
    }

    fn give_back(self: &Arc<Self>, link: Link) {
        {
            let mut idle = lock(&self.slot().http1);
            if idle.len() >= self.max_idle {
                return;
            }
            link.idle(&self.alarm);
            idle.push(Idle { link, since: Instant::now() });
            self.stats.idle.fetch_add(1, Relaxed);
        }
        self.reap_later();
    }

    /// Sees to it that what stays unused is closed, by one task for as long as there is anything.
    fn reap_later(self: &Arc<Self>) {
        if self.reaping.load(Relaxed) || self.reaping.swap(true, Relaxed) {
            return;
        }
        let reaper = Reaper(Arc::downgrade(self));
        let watchman = Arc::clone(&self.watchman);
        let pause = (self.idle_timeout / 2).max(Duration::from_millis(10));
        tokio::spawn(async move {
            loop {
                // Late or rung, it looks at all of them.
                let _ = tokio::time::timeout(pause, watchman.0.notified()).await;
                let Some(pool) = reaper.0.upgrade() else { return };
                // Outside tokio's budget: at its end each connection would ask to be looked at again.
                if unconstrained(async { pool.reap() }).await {
                    return;
                }
            }
        });
    }

    /// Closes what was not used for too long or has died. `true`: nothing is left.
    fn reap(&self) -> bool {
        let mut is_empty = true;
        for slot in &self.slots {
            let mut idle = lock(&slot.http1);
            let before = idle.len();
            idle.retain_mut(|one| one.link.still_idles(&self.alarm) && one.since.elapsed() < self.idle_timeout);
            self.stats.idle.fetch_sub(before - idle.len(), Relaxed);
            is_empty &= idle.is_empty();
            drop(idle);
            let mut shared = lock(&slot.http2);
            // Requests under way keep the connection; this only lets go of it.
            if shared.as_ref().is_some_and(|(sender, used)| sender.is_closed() || used.elapsed() >= self.idle_timeout) {
                *shared = None;
            }
            is_empty &= shared.is_none();
        }
        is_empty
    }
}

/// Lets another reaper begin when this one ends, however it ends.
struct Reaper(Weak<Pool>);

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.reaping.store(false, Relaxed);
        }
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
pub(super) enum Lease {
    /// Driven by who has this.
    Held { link: Link, pool: Arc<Pool> },
    /// Driven by a task, which waits for the word that the answer is whole.
    Away { whole: oneshot::Sender<()> },
}

impl Lease {
    /// Leaves the driving to a task: there is more to do than to read the answer.
    pub(super) fn send_away(self) -> Self {
        let Self::Held { mut link, pool } = self else { return self };
        let (whole, mut word) = oneshot::channel();
        tokio::spawn(async move {
            if link.driven_until(&mut word).await.is_ok() {
                settle(link, pool).await;
            }
        });
        Self::Away { whole }
    }

    /// The answer is whole: the connection may be used again once hyper says so.
    pub(super) fn end(self) {
        match self {
            Self::Held { link, pool } if link.is_ready() => pool.give_back(link),
            Self::Held { link, .. } if link.is_closed() => {}
            Self::Held { link, pool } => {
                // A body may be dropped where no runtime is any more.
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(settle(link, pool));
                }
            }
            Self::Away { whole } => {
                let _ = whole.send(());
            }
        }
    }
}

async fn settle(mut link: Link, pool: Arc<Pool>) {
    if let Ok(true) = tokio::time::timeout(SETTLE, link.settled()).await {
        pool.give_back(link);
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
