//! A breaker per instance: hooks that keep failing are no longer called, until a few exchanges may try again.
//!
//! Closed costs one relaxed load. Everything else happens on failure, or while it is not closed.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use crate::{clock::Clock, options::BreakerOptions};

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum BreakerState {
    /// Hooks are called.
    Closed = 0,
    /// A few exchanges try.
    HalfOpen = 1,
    /// Hooks are not called.
    Open = 2,
}

/// May the exchange enter?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Enter,
    /// Yes, as a probe: how it ends must be reported.
    Probe,
    /// No.
    Refuse,
}

/// A breaker.
#[derive(Debug)]
pub struct Breaker {
    state: AtomicU8,
    options: BreakerOptions,
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    failures: VecDeque<Instant>,
    opened: Option<Instant>,
    probing: u32,
    succeeded: u32,
}

impl Breaker {
    /// A closed one.
    pub fn new(options: BreakerOptions, clock: Clock) -> Self {
        Self { state: AtomicU8::new(BreakerState::Closed as u8), options, clock, inner: Mutex::default() }
    }

    /// Where it stands.
    pub fn state(&self) -> BreakerState {
        match self.state.load(Ordering::Relaxed) {
            0 => BreakerState::Closed,
            1 => BreakerState::HalfOpen,
            _ => BreakerState::Open,
        }
    }

    /// May an exchange enter?
    #[inline]
    pub fn admit(&self) -> Admission {
        if self.state.load(Ordering::Relaxed) == BreakerState::Closed as u8 {
            return Admission::Enter;
        }
        self.admit_slowly()
    }

    #[cold]
    fn admit_slowly(&self) -> Admission {
        let mut inner = self.lock();
        match self.state() {
            BreakerState::Closed => return Admission::Enter,
            BreakerState::Open => {
                let rested = inner.opened.is_none_or(|at| self.clock.now().duration_since(at) >= *self.options.open);
                if !rested {
                    return Admission::Refuse;
                }
                self.set(BreakerState::HalfOpen);
                inner.probing = 0;
                inner.succeeded = 0;
            }
            BreakerState::HalfOpen => {}
        }
        if inner.probing >= self.options.half_open_probes {
            return Admission::Refuse;
        }
        inner.probing += 1;
        Admission::Probe
    }

    /// A hook failed. `probe` says whether this exchange entered as one.
    #[cold]
    pub fn failed(&self, probe: bool) {
        let now = self.clock.now();
        let mut inner = self.lock();
        match self.state() {
            BreakerState::Closed => {
                inner.failures.push_back(now);
                while inner.failures.front().is_some_and(|at| now.duration_since(*at) > *self.options.window) {
                    inner.failures.pop_front();
                }
                if inner.failures.len() >= self.options.failures as usize {
                    self.open(&mut inner, now);
                }
            }
            BreakerState::HalfOpen if probe => self.open(&mut inner, now),
            // Exchanges that entered before it opened say nothing new.
            BreakerState::HalfOpen | BreakerState::Open => {}
        }
    }

    /// An exchange that entered as a probe ended without a failure.
    pub fn probe_succeeded(&self) {
        let mut inner = self.lock();
        if self.state() != BreakerState::HalfOpen {
            return;
        }
        inner.probing = inner.probing.saturating_sub(1);
        inner.succeeded += 1;
        if inner.succeeded >= self.options.successes {
            inner.failures.clear();
            self.set(BreakerState::Closed);
        }
    }

    /// An exchange that entered as a probe ended without saying anything: its client left, or it was never sent.
    pub fn probe_abandoned(&self) {
        let mut inner = self.lock();
        if self.state() == BreakerState::HalfOpen {
            inner.probing = inner.probing.saturating_sub(1);
        }
    }

    /// When an open one lets the first exchange try. `None`: it is not open.
    pub fn retry_at(&self) -> Option<Instant> {
        let inner = self.lock();
        (self.state() == BreakerState::Open).then(|| inner.opened.map(|at| at + *self.options.open)).flatten()
    }

    fn open(&self, inner: &mut Inner, now: Instant) {
        inner.opened = Some(now);
        inner.failures.clear();
        self.set(BreakerState::Open);
    }

    fn set(&self, state: BreakerState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn breaker(clock: &Clock) -> Breaker {
        Breaker::new(BreakerOptions::default(), clock.clone())
    }

    #[test]
    fn failures_within_the_window_open_it() {
        let clock = Clock::fake();
        let breaker = breaker(&clock);
        for _ in 0..4 {
            breaker.failed(false);
        }
        clock.advance(Duration::from_secs(61));
        breaker.failed(false);
        assert_eq!(breaker.state(), BreakerState::Closed, "the four are too old to count");
        for _ in 0..4 {
            breaker.failed(false);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.admit(), Admission::Refuse);
    }

    #[test]
    fn probes_are_bounded_and_close_it() {
        let clock = Clock::fake();
        let breaker = breaker(&clock);
        (0..5).for_each(|_| breaker.failed(false));
        clock.advance(Duration::from_secs(30));
        assert_eq!(breaker.admit(), Admission::Probe);
        assert_eq!(breaker.admit(), Admission::Refuse, "one probe at a time");
        breaker.probe_succeeded();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(), Admission::Probe);
        breaker.probe_succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(breaker.admit(), Admission::Enter);
    }

    #[test]
    fn an_abandoned_probe_makes_room_for_another() {
        let clock = Clock::fake();
        let breaker = breaker(&clock);
        assert_eq!(breaker.retry_at(), None);
        (0..5).for_each(|_| breaker.failed(false));
        assert_eq!(breaker.retry_at(), Some(clock.now() + Duration::from_secs(30)));
        clock.advance(Duration::from_secs(30));
        assert_eq!(breaker.admit(), Admission::Probe);
        breaker.probe_abandoned();
        assert_eq!((breaker.admit(), breaker.retry_at()), (Admission::Probe, None));
    }

    #[test]
    fn a_failing_probe_opens_it_again() {
        let clock = Clock::fake();
        let breaker = breaker(&clock);
        (0..5).for_each(|_| breaker.failed(false));
        clock.advance(Duration::from_secs(30));
        assert_eq!(breaker.admit(), Admission::Probe);
        breaker.failed(true);
        assert_eq!(breaker.admit(), Admission::Refuse);
        clock.advance(Duration::from_secs(30));
        assert_eq!(breaker.admit(), Admission::Probe);
    }
}
