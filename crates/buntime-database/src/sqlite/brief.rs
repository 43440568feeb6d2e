//! How long a caller's own thread may read: it serves others too.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How long a thread reads before it lets others run, and how long one statement may take to be read that way again.
const TURN: Duration = Duration::from_millis(1);
/// What a thread takes less than, for a statement that was slow to be read briefly again.
const QUICK: Duration = Duration::from_micros(200);
/// Statements that are remembered as slow; more displace each other, and are slow once more.
const PLACES: usize = 64;

thread_local! {
    static SPENT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// This thread read for so long.
pub(super) fn spent(time: Duration) {
    SPENT.set(SPENT.get() + time);
}

/// Lets others run, if this thread has read for long. A read that is ready at once would otherwise never let go.
pub(super) async fn turn() {
    if SPENT.get() >= TURN {
        SPENT.set(Duration::ZERO);
        tokio::task::yield_now().await;
    }
}

/// Statements that took long: what is large, or far from memory, is not known from its text.
#[derive(Debug)]
pub(super) struct Slow {
    hasher: RandomState,
    /// The hash of one at its place; 0: none.
    places: [AtomicU64; PLACES],
}

impl Slow {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), places: [const { AtomicU64::new(0) }; PLACES] }
    }

    /// Under which number a statement is remembered.
    pub(super) fn number(&self, sql: &str) -> u64 {
        self.hasher.hash_one(sql)
    }

    /// Was it slow?
    pub(super) fn knows(&self, number: u64) -> bool {
        self.place(number).load(Relaxed) == number
    }

    /// It took that time, wherever it ran.
    pub(super) fn took(&self, number: u64, time: Duration) {
        if time >= TURN {
            self.place(number).store(number, Relaxed);
        } else if time < QUICK && self.knows(number) {
            self.place(number).store(0, Relaxed);
        }
    }

    fn place(&self, number: u64) -> &AtomicU64 {
        // The remainder is in bounds.
        &self.places[(number % PLACES as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_slow_is_known_until_it_is_quick() {
        let slow = Slow::new();
        let number = slow.number("SELECT 1");
        slow.took(number, TURN / 2);
        assert!(!slow.knows(number));
        slow.took(number, TURN);
        slow.took(number, QUICK);
        assert!(slow.knows(number));
        slow.took(number, QUICK / 2);
        assert!(!slow.knows(number));
    }
}
