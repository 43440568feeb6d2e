//! When a group waits for others before it is committed.
//!
//! Who was answered by the last commit is about to ask again. The first of them would begin a group of its own, and the
//! others would wait for a flush that they could have shared. So where a flush takes long, a group that is smaller than
//! the last waits for a part of one. Nobody is waited for where the last group was no larger.

use std::{cell::Cell, time::Duration};

/// A flush that takes less is not worth waiting for: the shortest nap takes a part of it anyway.
const SLOW: Duration = Duration::from_micros(400);
/// The longest nap.
const LONGEST: Duration = Duration::from_millis(5);
/// Naps of one group: together as long as half a commit. Of 64 clients that is time enough for half to come back.
const NAPS: u32 = 2;

/// How large the last group was, and what commits take.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Cell<usize>,
    commit: Cell<Duration>,
}

impl Pace {
    /// How long a group of that size that has napped so often is to wait for others, if it is.
    pub(super) fn nap(&self, size: usize, naps: u32) -> Option<Duration> {
        let commit = self.commit.get();
        let waits = size < self.last.get() && naps < NAPS && commit >= SLOW;
        waits.then(|| (commit / 4).min(LONGEST))
    }

    /// A group was committed, which took so long.
    pub(super) fn committed(&self, size: usize, took: Duration) {
        self.last.set(size);
        // One that folded the log into the file took longer than most do.
        self.commit.set((self.commit.get() * 3 + took) / 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_those_of_the_last_group_where_a_flush_is_slow() {
        let pace = Pace::default();
        assert_eq!(pace.nap(1, 0), None, "there was none");
        for _ in 0..50 {
            pace.committed(8, Duration::from_millis(2));
        }
        let nap = pace.nap(3, 0).unwrap();
        assert!(nap > Duration::from_micros(450) && nap <= Duration::from_micros(500), "{nap:?}");
        assert_eq!((pace.nap(3, NAPS), pace.nap(8, 0)), (None, None));
        pace.committed(1, Duration::from_millis(2));
        assert_eq!(pace.nap(1, 0), None, "one alone waits for nobody");
        for _ in 0..50 {
            pace.committed(8, Duration::from_micros(80));
        }
        assert_eq!(pace.nap(3, 0), None, "a quick disk");
    }
}
