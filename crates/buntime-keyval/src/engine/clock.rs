//! Time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use buntime_database::Outcome;

/// Milliseconds since the Unix epoch. Never goes back: what has expired stays so when the system's clock is set back.
#[derive(Clone)]
pub struct Clock {
    read: Arc<dyn Fn() -> u64 + Send + Sync>,
    latest: Arc<AtomicU64>,
}

impl Clock {
    /// Another clock, for tests.
    pub fn new(read: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { read: Arc::new(read), latest: Arc::default() }
    }

    /// Now.
    pub fn now(&self) -> u64 {
        let now = (self.read)();
        self.latest.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

/// The moment by which a plan judges what has expired: that in which it runs, not that in which it was asked for, since it
/// may wait for its turn. Each of its tries has its own.
#[derive(Debug)]
pub(super) struct Moment {
    clock: Clock,
    at: AtomicU64,
}

impl Moment {
    pub(super) fn of(clock: &Clock) -> Self {
        Self { clock: clock.clone(), at: AtomicU64::new(clock.now()) }
    }

    /// A try begins where nothing was done yet.
    pub(super) fn of_try(&self, done: &[Outcome]) {
        if done.is_empty() {
            self.at.store(self.clock.now(), Ordering::Relaxed);
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }
}

/// The system's.
impl Default for Clock {
    fn default() -> Self {
        let since = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Self::new(move || u64::try_from(since()).unwrap_or(u64::MAX))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
