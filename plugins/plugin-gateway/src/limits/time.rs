//! The time limits count in: nanoseconds since 1970 that never go back, however the machine's clock is set.

use std::time::{Instant, SystemTime};

use buntime_core::Clock;

use super::algorithm::nanos;

/// Where monotonic time was when the time of day was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    instant: Instant,
    nanos: u64,
}

impl Anchor {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self { instant: clock.now(), nanos: of_day(clock.wall()) }
    }

    /// That moment, in nanoseconds since 1970.
    pub(crate) fn at(&self, now: Instant) -> u64 {
        self.nanos.saturating_add(nanos(now.saturating_duration_since(self.instant)))
    }
}

/// The time of day in nanoseconds since 1970: what calendars go by.
pub(crate) fn of_day(wall: SystemTime) -> u64 {
    wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanos)
}
