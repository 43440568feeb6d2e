//! The one clock. Tests move a fake one by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

/// Reads the time. Cheap to clone; a clone of a fake clock moves with it.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Fake>>);

#[derive(Debug)]
struct Fake {
    start: Instant,
    wall: SystemTime,
    nanos: AtomicU64,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// One that stands still until [`Clock::advance`].
    pub fn fake() -> Self {
        Self(Some(Arc::new(Fake { start: Instant::now(), wall: SystemTime::now(), nanos: AtomicU64::new(0) })))
    }

    /// Monotonic time.
    pub fn now(&self) -> Instant {
        match &self.0 {
            None => Instant::now(),
            Some(fake) => fake.start + fake.moved(),
        }
    }

    /// The time of day.
    pub fn wall(&self) -> SystemTime {
        match &self.0 {
            None => SystemTime::now(),
            Some(fake) => fake.wall + fake.moved(),
        }
    }

    /// Moves a fake clock on; the machine's clock cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Some(fake) = &self.0 {
            fake.nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }
}

impl Fake {
    fn moved(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::SeqCst))
    }
}
