//! How requests are counted: pure arithmetic on a cell of three numbers, in whole numbers throughout.
//!
//! Time is nanoseconds since 1970. A token bucket is GCRA: a cell remembers when its bucket will be full again, in
//! 2^-56 ns, so that rounding never adds up to a request. A sliding window counts the window before the present one by
//! how much of it still overlaps, rounded up: it lets no more than its number through where requests came evenly, and
//! at worst as many as two fixed windows.

use std::time::Duration;

use time::{Date, Month, OffsetDateTime};

use crate::config::{AlgorithmName, LimitSettings, Period};

const SHIFT: u32 = 56;
const DAY: u64 = 86_400_000_000_000;

/// What is remembered of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// A bucket: when it is full again, in 2^-56 ns. A window: its number.
    mark: u128,
    /// How many in this window.
    pub(crate) used: u64,
    /// How many in the window before; of a quota, how many the database knows of.
    pub(crate) before: u64,
}

/// What is said of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Does it fit?
    pub allowed: bool,
    /// How long it must be held back so that it fits.
    pub wait: Duration,
    /// How many more fit at once.
    pub remaining: u64,
    /// When the whole limit is free again.
    pub reset: Duration,
    /// When such a request will fit, if it does not now.
    pub retry: Duration,
}

/// How requests are counted, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    pub(crate) kind: Kind,
    /// How many are let through.
    pub(crate) requests: u64,
}

/// Which way of counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What one request takes, and how much there is.
    Bucket { step: u128, depth: u128 },
    /// The window's length.
    Fixed(u64),
    /// The window's length.
    Sliding(u64),
    /// A quota.
    Calendar(Period),
}

impl Algorithm {
    /// That of checked settings.
    pub fn new(settings: &LimitSettings) -> Self {
        let requests = settings.requests().max(1);
        let window = nanos(settings.window()).max(1);
        let kind = match (settings.period, settings.algorithm()) {
            (Some(period), _) => Kind::Calendar(period),
            (None, AlgorithmName::TokenBucket) => {
                let step = (u128::from(window) << SHIFT) / u128::from(requests);
                Kind::Bucket { step, depth: step * u128::from(settings.burst()) }
            }
            (None, AlgorithmName::FixedWindow) => Kind::Fixed(window),
            (None, AlgorithmName::SlidingWindow) => Kind::Sliding(window),
        };
        Self { kind, requests }
    }

    /// Takes a request of that cost from the cell, if it fits, or if it fits when it is held back no longer than
    /// `delay`. A cost of 0 only looks.
    pub fn take(&self, cell: &mut Cell, now: u64, cost: u64, delay: Duration) -> Verdict {
        match self.kind {
            Kind::Bucket { step, depth } => bucket(cell, step, depth, now, cost, nanos(delay)),
            Kind::Fixed(window) => {
                let index = now / window;
                self.window(cell, index, Duration::from_nanos((index + 1) * window - now), cost)
            }
            Kind::Calendar(period) => {
                let (index, left) = calendar(period, now);
                self.window(cell, index, left, cost)
            }
            Kind::Sliding(window) => self.sliding(cell, window, now, cost),
        }
    }

    /// Gives back what a request took: another limit refused it.
    pub fn give_back(&self, cell: &mut Cell, now: u64, cost: u64) {
        match self.kind {
            Kind::Bucket { step, .. } => cell.mark = cell.mark.saturating_sub(step * u128::from(cost)),
            Kind::Fixed(window) | Kind::Sliding(window) if cell.mark != u128::from(now / window) => {}
            Kind::Calendar(period) if cell.mark != u128::from(calendar(period, now).0) => {}
            Kind::Fixed(_) | Kind::Sliding(_) | Kind::Calendar(_) => cell.used = cell.used.saturating_sub(cost),
        }
    }

    /// How much of the limit the key has used, in 2^-16 of it; 0 if it may be forgotten. What is forgotten first when
    /// there are too many keys.
    pub(crate) fn weight(&self, cell: &Cell, now: u64) -> u64 {
        let part = |used: u128, all: u128| u64::try_from((used << 16).div_ceil(all.max(1))).unwrap_or(u64::MAX);
        match self.kind {
            Kind::Bucket { depth, .. } => part(cell.mark.saturating_sub(u128::from(now) << SHIFT) >> 8, depth >> 8),
            Kind::Fixed(window) if cell.mark < u128::from(now / window) => 0,
            Kind::Calendar(period) if cell.mark < u128::from(calendar(period, now).0) => 0,
            Kind::Fixed(_) | Kind::Calendar(_) => part(cell.used.into(), self.requests.into()),
            Kind::Sliding(window) => {
                let index = u128::from(now / window);
                let used = if cell.mark >= index {
                    cell.used + cell.before
                } else if cell.mark + 1 == index {
                    cell.used
                } else {
                    0
                };
                part(used.into(), self.requests.into())
            }
        }
    }

    fn window(&self, cell: &mut Cell, index: u64, left: Duration, cost: u64) -> Verdict {
        // A clock that goes back does not begin a window anew.
        if cell.mark < u128::from(index) {
            *cell = Cell { mark: u128::from(index), used: 0, before: 0 };
        }
        let allowed = cost <= self.requests.saturating_sub(cell.used);
        if allowed {
            cell.used += cost;
        }
        let reset = if cell.used == 0 { Duration::ZERO } else { left };
        let retry = if allowed { Duration::ZERO } else { left };
        let remaining = self.requests.saturating_sub(cell.used);
        Verdict { allowed, wait: Duration::ZERO, remaining, reset, retry }
    }

    fn sliding(&self, cell: &mut Cell, window: u64, now: u64, cost: u64) -> Verdict {
        let index = u128::from(now / window);
        if cell.mark + 1 == index {
            *cell = Cell { mark: index, used: 0, before: cell.used };
        } else if cell.mark < index {
            *cell = Cell { mark: index, used: 0, before: 0 };
        }
        let gone = now % window;
        let left = window - gone;
        let overlap = |count: u64, left: u64| -> u64 {
            let part = (u128::from(count) * u128::from(left)).div_ceil(u128::from(window));
            u64::try_from(part).unwrap_or(u64::MAX)
        };
        let counted = cell.used.saturating_add(overlap(cell.before, left));
        let allowed = cost <= self.requests.saturating_sub(counted);
        if allowed {
            cell.used += cost;
        }
        let free = self.requests.saturating_sub(cost);
        // When so many of `count` requests have left the window that `free` remain: the time that may then be left.
        let still = |count: u64, free: u64| -> u64 {
            if count <= free {
                return window;
            }
            u64::try_from(u128::from(free) * u128::from(window) / u128::from(count)).unwrap_or(window)
        };
        let retry = match free.checked_sub(cell.used) {
            _ if allowed => 0,
            Some(free) => left.saturating_sub(still(cell.before, free)),
            None => left + (window - still(cell.used, free)),
        };
        let reset = match (cell.used, cell.before) {
            (0, 0) => 0,
            (0, _) => left,
            _ => left + window,
        };
        let remaining = self.requests.saturating_sub(counted + if allowed { cost } else { 0 });
        let (reset, retry) = (Duration::from_nanos(reset), Duration::from_nanos(retry));
        Verdict { allowed, wait: Duration::ZERO, remaining, reset, retry }
    }
}

fn bucket(cell: &mut Cell, step: u128, depth: u128, now: u64, cost: u64, delay: u64) -> Verdict {
    let present = u128::from(now) << SHIFT;
    let most = present + depth;
    let full = cell.mark.max(present);
    let after = full + step * u128::from(cost);
    let up = |time: u128| {
        let nanos = (time + ((1 << SHIFT) - 1)) >> SHIFT;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    let left = |full: u128| u64::try_from(most.saturating_sub(full) / step).unwrap_or(u64::MAX);
    if after > most + (u128::from(delay) << SHIFT) {
        let (remaining, reset, retry) = (left(full), up(full - present), up(after - most));
        return Verdict { allowed: false, wait: Duration::ZERO, remaining, reset, retry };
    }
    if cost > 0 {
        cell.mark = after;
    }
    let wait = up(after.saturating_sub(most));
    Verdict { allowed: true, wait, remaining: left(after), reset: up(after - present), retry: Duration::ZERO }
}

/// The number of a period since 1970, and how long it still lasts.
pub(crate) fn calendar(period: Period, now: u64) -> (u64, Duration) {
    match period {
        Period::Day => (now / DAY, Duration::from_nanos(DAY - now % DAY)),
        Period::Month => {
            let date = OffsetDateTime::from_unix_timestamp_nanos(now.into()).map_or(Date::MIN, OffsetDateTime::date);
            let (year, month) = (date.year(), date.month());
            let index = u64::try_from((year - 1970) * 12 + i32::from(u8::from(month)) - 1).unwrap_or(0);
            let year = if month == Month::December { year + 1 } else { year };
            let next = Date::from_calendar_date(year, month.next(), 1).unwrap_or(Date::MAX);
            let end = next.midnight().assume_utc().unix_timestamp_nanos();
            let left = u64::try_from(end - i128::from(now)).unwrap_or(0);
            (index, Duration::from_nanos(left))
        }
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Cell {
    /// Of a quota: what the database knows.
    pub(crate) fn of_period(index: u64, used: u64) -> Self {
        Self { mark: u128::from(index), used, before: used }
    }

    /// Is it of that period?
    pub(crate) fn is_of(&self, index: u64) -> bool {
        self.mark == u128::from(index)
    }
}

#[cfg(test)]
mod tests {
    use buntime_core::units::Span;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const START: u64 = 1_790_000_000 * SECOND;

    fn algorithm(name: AlgorithmName, requests: u64, window: Span) -> Algorithm {
        Algorithm::new(&LimitSettings {
            requests: Some(requests),
            window: Some(window),
            algorithm: Some(name),
            ..LimitSettings::default()
        })
    }

    fn let_through(algorithm: &Algorithm, cell: &mut Cell, now: u64, tries: u64) -> u64 {
        (0..tries).filter(|_| algorithm.take(cell, now, 1, Duration::ZERO).allowed).count() as u64
    }

    #[test]
    fn a_bucket_is_exact_whatever_the_numbers() {
        for (requests, window) in
            [(1, 1), (3, 1_000), (7, 1_000), (1_000_000, 1), (999_983, 60_000), (1_000_000, 86_400_000)]
        {
            let bucket = algorithm(AlgorithmName::TokenBucket, requests, Span::millis(window));
            let mut cell = Cell::default();
            assert_eq!(let_through(&bucket, &mut cell, START, requests + 10), requests, "{requests} in {window} ms");
            // Half a window later half of them are back.
            let half = START + window * 1_000_000 / 2;
            let back = let_through(&bucket, &mut cell, half, requests + 10);
            assert!(back == requests / 2 || back == requests / 2 + 1, "{back} of {requests} in {window} ms");
        }
    }

    #[test]
    fn a_bucket_says_when() {
        let bucket = algorithm(AlgorithmName::TokenBucket, 10, Span::secs(10));
        let mut cell = Cell::default();
        let first = bucket.take(&mut cell, START, 4, Duration::ZERO);
        assert_eq!((first.remaining, first.reset), (6, Duration::from_secs(4)));
        let over = bucket.take(&mut cell, START, 7, Duration::ZERO);
        assert_eq!((over.allowed, over.retry, over.remaining), (false, Duration::from_secs(1), 6));
        assert!(bucket.take(&mut cell, START + SECOND, 7, Duration::ZERO).allowed);
        let held = bucket.take(&mut cell, START + SECOND, 2, Duration::from_secs(2));
        assert_eq!((held.allowed, held.wait, held.remaining), (true, Duration::from_secs(2), 0));
        assert!(!bucket.take(&mut cell, START + SECOND, 1, Duration::from_secs(2)).allowed);
        bucket.give_back(&mut cell, START + SECOND, 2);
        assert_eq!(bucket.take(&mut cell, START + SECOND, 0, Duration::ZERO).remaining, 0);
        assert!(bucket.take(&mut cell, START + 2 * SECOND, 1, Duration::ZERO).allowed);
    }

    #[test]
    fn fixed_windows_begin_anew_and_never_backwards() {
        let fixed = algorithm(AlgorithmName::FixedWindow, 5, Span::secs(10));
        let (mut cell, start) = (Cell::default(), START / (10 * SECOND) * 10 * SECOND);
        assert_eq!(let_through(&fixed, &mut cell, start + 9 * SECOND, 9), 5);
        let over = fixed.take(&mut cell, start + 9 * SECOND, 1, Duration::ZERO);
        assert_eq!((over.retry, over.remaining), (Duration::from_secs(1), 0));
        assert_eq!(let_through(&fixed, &mut cell, start + 10 * SECOND, 9), 5);
        assert_eq!(let_through(&fixed, &mut cell, start, 9), 0, "the clock went back");
    }

    #[test]
    fn a_sliding_window_counts_what_overlaps() {
        let sliding = algorithm(AlgorithmName::SlidingWindow, 100, Span::secs(10));
        let (mut cell, start) = (Cell::default(), START / (10 * SECOND) * 10 * SECOND);
        assert_eq!(let_through(&sliding, &mut cell, start, 200), 100);
        assert_eq!(let_through(&sliding, &mut cell, start + 10 * SECOND, 200), 0);
        let over = sliding.take(&mut cell, start + 10 * SECOND, 1, Duration::ZERO);
        assert_eq!(over.retry, Duration::from_millis(100));
        assert_eq!(let_through(&sliding, &mut cell, start + 13 * SECOND, 200), 30);
        assert_eq!(let_through(&sliding, &mut cell, start + 40 * SECOND, 200), 100);
    }

    /// `retry` is never too early, and never so late that an earlier try had been let through by a wide margin.
    #[test]
    fn who_comes_back_when_told_is_let_through() {
        let mut random = fastrand_like(7);
        for name in [AlgorithmName::TokenBucket, AlgorithmName::FixedWindow, AlgorithmName::SlidingWindow] {
            for _ in 0..2_000 {
                let limit = algorithm(name, 1 + random() % 50, Span::millis(1 + random() % 5_000));
                let (mut cell, mut now) = (Cell::default(), START);
                for _ in 0..60 {
                    now += random() % 200_000_000;
                    let cost = 1 + random() % limit.requests;
                    let verdict = limit.take(&mut cell, now, cost, Duration::ZERO);
                    if !verdict.allowed {
                        now += nanos(verdict.retry);
                        assert!(
                            limit.take(&mut cell, now, cost, Duration::ZERO).allowed,
                            "{name:?} {limit:?} {verdict:?}"
                        );
                    }
                }
            }
        }
    }

    fn fastrand_like(mut state: u64) -> impl FnMut() -> u64 {
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        }
    }

    #[test]
    fn calendar_periods() {
        let at = |text: &str| {
            let format = time::format_description::well_known::Rfc3339;
            u64::try_from(OffsetDateTime::parse(text, &format).unwrap().unix_timestamp_nanos()).unwrap()
        };
        let (december, left) = calendar(Period::Month, at("2026-12-31T23:59:59Z"));
        assert_eq!((december, left), (56 * 12 + 11, Duration::from_secs(1)));
        assert_eq!(
            calendar(Period::Month, at("2027-01-01T00:00:00Z")),
            (december + 1, Duration::from_secs(31 * 86_400))
        );
        assert_eq!(calendar(Period::Month, at("2028-02-01T00:00:00Z")).1, Duration::from_secs(29 * 86_400));
        let (day, left) = calendar(Period::Day, at("2026-11-21T06:00:00Z"));
        assert_eq!((day, left), (20_778, Duration::from_secs(18 * 3_600)));
    }
}
