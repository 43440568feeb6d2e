//! A target: what is known of it, and its place in a cluster. What is known outlives a reload.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    time::{Duration, Instant, SystemTime},
};

use buntime_config::model::PassiveHealth;
use buntime_core::{
    Clock,
    breaker::{Admission, Breaker, BreakerState},
};

use super::{
    line::Line,
    options::{ClusterOptions, Override},
    wire::Wire,
};

/// What all targets of a cluster share, through its reloads.
#[derive(Debug)]
pub(super) struct Commons {
    /// Counts what changed about targets; a rota of another version is made anew.
    version: AtomicU64,
    pub(super) line: Line,
    /// How many targets passive checks have taken out.
    pub(super) ejected: AtomicU32,
    pub(super) tally: Tally,
    pub(super) clock: Clock,
}

/// What each request to a cluster writes, apart from what each only reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Tally {
    pub(super) turn: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) retries: AtomicU64,
}

impl Commons {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            version: AtomicU64::new(0),
            line: Line::default(),
            ejected: AtomicU32::new(0),
            tally: Tally::default(),
            clock,
        }
    }

    #[inline]
    pub(super) fn version(&self) -> u64 {
        self.version.load(SeqCst)
    }

    /// Something about a target is not as it was.
    pub(super) fn changed(&self) {
        self.version.fetch_add(1, SeqCst);
        self.line.call();
    }
}

/// One address and what is known of it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: Arc<str>,
    /// Its number for hashing.
    pub(super) id: u64,
    pub(super) options: ClusterOptions,
    /// Its name's addresses are asked in turn.
    pub(super) spread: bool,
    pub(super) wire: Wire,
    pub(super) commons: Arc<Commons>,
    pub(super) counts: Counts,
    standing: Mutex<Standing>,
}

/// What each request to a target writes: together, and on cache lines apart from what each only reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    pub(super) in_flight: AtomicU32,
    pub(super) requests: AtomicU64,
    pub(super) failures: AtomicU64,
    /// Until an answer's head, averaged, in microseconds.
    latency: AtomicU64,
}

/// What is looked at when a rota is made, a request fails, or somebody asks.
#[derive(Debug, Default)]
struct Standing {
    wanted: Override,
    unhealthy: bool,
    failures_in_row: u32,
    successes_in_row: u32,
    /// When it failed, for passive checks: as many as they count.
    recent: VecDeque<Instant>,
    ejected_until: Option<Instant>,
    /// Added or back since then: what slow start counts from.
    since: Option<Instant>,
    last_error: Option<(SystemTime, String)>,
}

/// What matters of a standing when targets are chosen.
#[derive(Debug)]
pub(super) struct View {
    pub(super) wanted: Override,
    pub(super) unhealthy: bool,
    pub(super) ejected_until: Option<Instant>,
    pub(super) since: Option<Instant>,
    pub(super) last_error: Option<(SystemTime, String)>,
}

impl Target {
    /// One of which nothing is known. `since`: it was added to others then.
    pub(super) fn new(
        url: Arc<str>,
        wire: Wire,
        options: ClusterOptions,
        spread: bool,
        commons: Arc<Commons>,
        since: Option<Instant>,
    ) -> Self {
        Self {
            id: super::hash::text(&url),
            url,
            options,
            spread,
            wire,
            commons,
            counts: Counts::default(),
            standing: Mutex::new(Standing { since, ..Standing::default() }),
        }
    }

    /// What is known of it at that time.
    pub(super) fn view(&self, now: Instant) -> View {
        let mut standing = self.lock();
        if let Some(until) = standing.ejected_until.filter(|until| *until <= now) {
            standing.ejected_until = None;
            standing.since = Some(until);
            self.commons.ejected.fetch_sub(1, Relaxed);
        }
        View {
            wanted: standing.wanted,
            unhealthy: standing.unhealthy,
            ejected_until: standing.ejected_until,
            since: standing.since,
            last_error: standing.last_error.clone(),
        }
    }

    /// What the operator says.
    pub(super) fn set(&self, wanted: Override) {
        let mut standing = self.lock();
        if standing.wanted == wanted {
            return;
        }
        if matches!(standing.wanted, Override::Drain | Override::ForceOpen) {
            standing.since = Some(self.commons.clock.now());
        }
        standing.wanted = wanted;
        drop(standing);
        self.commons.changed();
    }

    /// What an active check found. Returns whether that changed its health.
    pub(super) fn checked(&self, found: Result<(), String>, unhealthy_after: u32, healthy_after: u32) -> bool {
        let now = &self.commons.clock;
        let mut standing = self.lock();
        let was = standing.unhealthy;
        match found {
            Ok(()) => {
                standing.failures_in_row = 0;
                standing.successes_in_row = standing.successes_in_row.saturating_add(1);
                if was && standing.successes_in_row >= healthy_after {
                    standing.unhealthy = false;
                    standing.since = Some(now.now());
                }
            }
            Err(what) => {
                standing.successes_in_row = 0;
                standing.failures_in_row = standing.failures_in_row.saturating_add(1);
                standing.last_error = Some((now.wall(), format!("health check: {what}")));
                if standing.failures_in_row >= unhealthy_after {
                    standing.unhealthy = true;
                }
            }
        }
        let changed = standing.unhealthy != was;
        drop(standing);
        if changed {
            self.commons.changed();
        }
        changed
    }

    /// Nobody checks it any more.
    pub(super) fn unchecked(&self) {
        let mut standing = self.lock();
        standing.unhealthy = false;
        standing.failures_in_row = 0;
        standing.successes_in_row = 0;
    }

    /// Nobody takes it out for its answers any more.
    pub(super) fn readmit(&self) {
        let mut standing = self.lock();
        standing.recent.clear();
        standing.ejected_until = None;
    }

    /// A request to it failed.
    pub(super) fn note_failure(&self, what: String, passive: Option<&Passive>) {
        self.counts.failures.fetch_add(1, Relaxed);
        let now = self.commons.clock.now();
        let mut standing = self.lock();
        standing.last_error = Some((self.commons.clock.wall(), what));
        let Some(passive) = passive else { return };
        let (count, window) = (passive.settings.failures as usize, *passive.settings.window);
        standing.recent.push_back(now);
        while standing.recent.len() > count {
            standing.recent.pop_front();
        }
        let crowded = standing.recent.len() == count
            && standing.recent.front().is_some_and(|first| now.duration_since(*first) <= window);
        if !crowded || standing.ejected_until.is_some() || !passive.may_eject(&self.commons.ejected) {
            return;
        }
        standing.recent.clear();
        standing.ejected_until = Some(now + window);
        drop(standing);
        tracing::warn!(target = %self.url, "an upstream target fails too often and gets nothing for {window:?}");
        self.commons.changed();
    }

    /// It is back in full: a breaker closed.
    fn came_back(&self) {
        self.lock().since = Some(self.commons.clock.now());
        self.commons.changed();
    }

    pub(super) fn note_latency(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let old = self.counts.latency.load(Relaxed);
        // Lost updates are as good as any others.
        self.counts.latency.store(if old == 0 { took } else { old - old / 8 + took / 8 }, Relaxed);
    }

    /// In microseconds, averaged.
    pub(super) fn latency(&self) -> u64 {
        self.counts.latency.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passive checks of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Passive {
    pub(super) settings: PassiveHealth,
    /// How many targets may be out at a time.
    pub(super) most: u32,
}

impl Passive {
    /// For that many targets: never all of them, and the share that is allowed.
    pub(super) fn new(settings: PassiveHealth, targets: usize) -> Self {
        let targets = u32::try_from(targets).unwrap_or(u32::MAX);
        let share = u64::from(targets) * u64::from(settings.max_ejected) / 100;
        let most = u32::try_from(share).unwrap_or(u32::MAX).min(targets.saturating_sub(1));
        Self { settings, most }
    }

    fn may_eject(&self, ejected: &AtomicU32) -> bool {
        ejected.fetch_update(Relaxed, Relaxed, |now| (now < self.most).then_some(now + 1)).is_ok()
    }
}

/// A target's place in one cluster: what its settings say.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) index: usize,
    pub(super) target: Arc<Target>,
    pub(super) weight: u32,
    pub(super) tier: u32,
    pub(super) max: Option<u32>,
    pub(super) breaker: Option<Arc<Breaker>>,
    pub(super) passive: Option<Passive>,
}

/// Why a target did not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It has as many as it may have.
    Full,
    /// Its breaker is not closed.
    Tripped,
}

impl Member {
    /// Takes a request in. `forced`: whatever its breaker says.
    #[inline]
    pub(super) fn claim(self: &Arc<Self>, forced: bool) -> Result<Slot, Denied> {
        let probe = match &self.breaker {
            Some(breaker) if !forced => match breaker.admit() {
                Admission::Enter => false,
                Admission::Probe => true,
                Admission::Refuse => return Err(Denied::Tripped),
            },
            _ => false,
        };
        let in_flight = &self.target.counts.in_flight;
        match self.max {
            None => {
                in_flight.fetch_add(1, SeqCst);
            }
            Some(max) => {
                if in_flight.fetch_update(SeqCst, SeqCst, |now| (now < max).then_some(now + 1)).is_err() {
                    if let Some(breaker) = self.breaker.as_ref().filter(|_| probe) {
                        breaker.probe_abandoned();
                    }
                    return Err(Denied::Full);
                }
            }
        }
        Ok(Slot { member: Arc::clone(self), probe, left: false })
    }
}

/// One request at a target. Dropped, its place is free again.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) member: Arc<Member>,
    /// It entered as a probe, and how it ended was not told yet.
    probe: bool,
    left: bool,
}

impl Slot {
    pub(super) fn target(&self) -> &Arc<Target> {
        &self.member.target
    }

    /// The answer's head came, and is no failure.
    #[inline]
    pub(super) fn succeeded(&mut self) {
        if std::mem::take(&mut self.probe)
            && let Some(breaker) = &self.member.breaker
        {
            breaker.probe_succeeded();
            if breaker.state() == BreakerState::Closed {
                tracing::info!(target = %self.target().url, "an upstream target's breaker closed");
                self.target().came_back();
            }
        }
    }

    /// It failed.
    #[cold]
    pub(super) fn failed(&mut self, what: String) {
        self.target().note_failure(what, self.member.passive.as_ref());
        let probe = std::mem::take(&mut self.probe);
        let Some(breaker) = &self.member.breaker else { return };
        let before = breaker.state();
        breaker.failed(probe);
        let after = breaker.state();
        if before != after {
            if after == BreakerState::Open {
                tracing::warn!(target = %self.target().url, "an upstream target's breaker opened");
            }
            self.target().commons.changed();
        }
    }
}

impl Slot {
    /// Makes its place free before it is dropped.
    pub(super) fn leave(&mut self) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        if self.probe
            && let Some(breaker) = &self.member.breaker
        {
            breaker.probe_abandoned();
        }
        self.target().counts.in_flight.fetch_sub(1, SeqCst);
        self.target().commons.line.call();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave();
    }
}
