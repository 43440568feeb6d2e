//! Who may be asked now, by tier, and who of them is: frozen, and made anew when anything about a target changes.
//!
//! Choosing reads this and the targets' counters; it takes no lock and allocates nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use buntime_config::model::Algorithm;
use buntime_core::breaker::BreakerState;

use super::{
    hash,
    options::Override,
    target::{Denied, Member, Slot},
    wheel::Wheel,
};

/// What slow start multiplies weights with, so that shares of them are whole numbers.
const FINE: u64 = 100;

/// In how many steps a target gets its whole share, and the first of them.
const STEPS: u32 = 20;

/// The rota.
#[derive(Debug)]
pub(super) struct Rota {
    /// Of the [`super::target::Commons`] it was made from.
    pub(super) version: u64,
    /// It holds until then.
    pub(super) until: Option<Instant>,
    tiers: Box<[Tier]>,
}

#[derive(Debug)]
struct Tier {
    seats: Box<[Seat]>,
    wheel: Wheel,
    /// All have the same weight.
    is_equal: bool,
}

#[derive(Debug)]
struct Seat {
    member: Arc<Member>,
    weight: u64,
    is_forced: bool,
}

/// How it is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) algorithm: Algorithm,
    pub(super) slow_start: Option<Duration>,
}

impl Rota {
    /// Made of how the members are at that time.
    pub(super) fn new(members: &[Arc<Member>], rules: Rules, version: u64, now: Instant) -> Self {
        let mut until: Option<Instant> = None;
        let mut seats: Vec<Seat> = Vec::with_capacity(members.len());
        for member in members.iter().filter(|member| member.weight > 0) {
            let (seat, change) = seat(member, rules, now);
            until = [until, change].into_iter().flatten().min();
            seats.extend(seat);
        }
        seats.sort_by_key(|seat| seat.member.tier);
        let mut tiers = Vec::new();
        while let Some(tier) = seats.first().map(|seat| seat.member.tier) {
            let rest = seats.split_off(seats.partition_point(|seat| seat.member.tier == tier));
            tiers.push(Tier::new(std::mem::replace(&mut seats, rest)));
        }
        Self { version, until, tiers: tiers.into() }
    }

    /// Somebody who takes the request in: of the highest tier that is not marked; where all are, of the marked ones.
    ///
    /// # Errors
    /// [`Denied::Full`] when those who are well have no room, else [`Denied::Tripped`].
    pub(super) fn claim(
        &self,
        algorithm: Algorithm,
        turn: &AtomicU64,
        key: Option<u64>,
        tried: &Marks,
    ) -> Result<Slot, Denied> {
        let found = self.claim_among(algorithm, turn, key, tried.clone());
        match found {
            Err(Denied::Tripped) if !tried.is_empty() => self.claim_among(algorithm, turn, key, Marks::default()),
            other => other,
        }
    }

    fn claim_among(
        &self,
        algorithm: Algorithm,
        turn: &AtomicU64,
        key: Option<u64>,
        mut marks: Marks,
    ) -> Result<Slot, Denied> {
        for tier in &self.tiers {
            let mut is_full = false;
            while let Some(seat) = tier.choose(algorithm, turn, key, &marks) {
                match seat.member.claim(seat.is_forced) {
                    Ok(slot) => return Ok(slot),
                    Err(denied) => is_full |= denied == Denied::Full,
                }
                marks.add(seat.member.index);
            }
            // A tier that is well and busy is not left for a lower one.
            if is_full {
                return Err(Denied::Full);
            }
        }
        Err(Denied::Tripped)
    }
}

/// A member's seat, if it may be asked, and when that or its weight changes by itself.
fn seat(member: &Arc<Member>, rules: Rules, now: Instant) -> (Option<Seat>, Option<Instant>) {
    let view = member.target.view(now);
    let is_forced = view.wanted == Override::ForceClosed;
    match view.wanted {
        Override::Drain | Override::ForceOpen => return (None, None),
        Override::Auto => {
            if view.unhealthy {
                return (None, None);
            }
            if let Some(until) = view.ejected_until {
                return (None, Some(until));
            }
            let breaker = member.breaker.as_ref().filter(|breaker| breaker.state() == BreakerState::Open);
            if let Some(until) = breaker.and_then(|breaker| breaker.retry_at()).filter(|until| *until > now) {
                return (None, Some(until));
            }
        }
        Override::ForceClosed => {}
    }
    // `random` knows no weights but those of slow start.
    let weight = if rules.algorithm == Algorithm::Random { 1 } else { u64::from(member.weight) };
    let (percent, change) = match (rules.slow_start, view.since) {
        (Some(whole), Some(since)) => share(whole, now.saturating_duration_since(since), now),
        _ => (FINE, None),
    };
    (Some(Seat { member: Arc::clone(member), weight: weight * percent, is_forced }), change)
}

/// What share of its weight, of [`FINE`], a target has that came back so long ago, and until when.
pub(super) fn share(whole: Duration, passed: Duration, now: Instant) -> (u64, Option<Instant>) {
    let step = (whole / STEPS).max(Duration::from_millis(1));
    let steps = u32::try_from(passed.as_nanos() / step.as_nanos()).unwrap_or(STEPS);
    if passed >= whole || steps >= STEPS {
        return (FINE, None);
    }
    let next = (step * (steps + 1)).saturating_sub(passed);
    (FINE * u64::from(steps + 1) / u64::from(STEPS), Some(now + next))
}

impl Tier {
    fn new(seats: Vec<Seat>) -> Self {
        let weights: Vec<u64> = seats.iter().map(|seat| seat.weight).collect();
        Self {
            wheel: Wheel::new(&weights),
            is_equal: weights.windows(2).all(|pair| pair[0] == pair[1]),
            seats: seats.into(),
        }
    }

    /// Whom to ask next, if anybody is left who is not marked.
    #[inline]
    fn choose(&self, algorithm: Algorithm, turn: &AtomicU64, key: Option<u64>, marks: &Marks) -> Option<&Seat> {
        if let [seat] = &*self.seats {
            return (!marks.has(seat.member.index)).then_some(seat);
        }
        if let Some(key) = key {
            return self.by_key(key, marks);
        }
        match algorithm {
            Algorithm::Weighted | Algorithm::Random => self.next_free(|_| self.wheel.draw(), marks),
            Algorithm::LeastConnections => self.least(turn, marks),
            Algorithm::P2c => {
                let one = self.next_free(|_| self.wheel.draw(), marks)?;
                let others = (0..4).filter_map(|_| self.next_free(|_| self.wheel.draw(), marks));
                let other = others.into_iter().find(|other| other.member.index != one.member.index);
                Some(other.filter(|other| other.is_less_busy(one)).unwrap_or(one))
            }
            // Without what would be hashed, one after the other.
            Algorithm::RoundRobin | Algorithm::IpHash | Algorithm::ConsistentHash => {
                let number = turn.fetch_add(1, Relaxed);
                self.next_free(|nth| self.wheel.turn(number.wrapping_add(nth)), marks)
            }
        }
    }

    /// The first of a row of suggestions that is not marked, or else just any.
    #[inline]
    fn next_free(&self, suggest: impl Fn(u64) -> usize, marks: &Marks) -> Option<&Seat> {
        let mut last = suggest(0);
        if !marks.has(self.seats[last].member.index) {
            return Some(&self.seats[last]);
        }
        for nth in 1..32 {
            last = suggest(nth);
            if !marks.has(self.seats[last].member.index) {
                return Some(&self.seats[last]);
            }
        }
        let (before, from) = self.seats.split_at(last);
        from.iter().chain(before).find(|seat| !marks.has(seat.member.index))
    }

    /// The fewest requests under way for its weight; among equals the one whose turn it is.
    fn least(&self, turn: &AtomicU64, marks: &Marks) -> Option<&Seat> {
        let first = self.wheel.turn(turn.fetch_add(1, Relaxed));
        let (before, from) = self.seats.split_at(first);
        let free = from.iter().chain(before).filter(|seat| !marks.has(seat.member.index));
        free.map(|seat| (seat.in_flight(), seat))
            .reduce(
                |(busy, best), (in_flight, seat)| {
                    if in_flight * best.weight < busy * seat.weight { (in_flight, seat) } else { (busy, best) }
                },
            )
            .map(|(_, seat)| seat)
    }

    fn by_key(&self, key: u64, marks: &Marks) -> Option<&Seat> {
        let free = self.seats.iter().filter(|seat| !marks.has(seat.member.index));
        if self.is_equal {
            return free.max_by_key(|seat| hash::draw(seat.member.target.id, key));
        }
        let draws = free.map(|seat| (hash::weighted(hash::draw(seat.member.target.id, key), seat.weight), seat));
        draws.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, seat)| seat)
    }
}

impl Seat {
    fn in_flight(&self) -> u64 {
        u64::from(self.member.target.counts.in_flight.load(Relaxed))
    }

    fn is_less_busy(&self, than: &Self) -> bool {
        self.in_flight() * than.weight < than.in_flight() * self.weight
    }
}

/// Members that are not to be asked (again). The first 256 cost no allocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    first: [u64; 4],
    rest: Vec<u64>,
}

impl Marks {
    pub(super) fn add(&mut self, index: usize) {
        let (word, bit) = (index / 64, 1 << (index % 64));
        if let Some(word) = self.first.get_mut(word) {
            *word |= bit;
            return;
        }
        let word = word - self.first.len();
        if self.rest.len() <= word {
            self.rest.resize(word + 1, 0);
        }
        self.rest[word] |= bit;
    }

    #[inline]
    pub(super) fn has(&self, index: usize) -> bool {
        let word = index / 64;
        let found = self.first.get(word).or_else(|| self.rest.get(word - self.first.len()));
        found.is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first == [0; 4] && self.rest.is_empty()
    }
}
