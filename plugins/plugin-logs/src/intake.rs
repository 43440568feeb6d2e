//! Where producers leave what they have: a few places, each with a lock of its own, so that workers seldom meet.
//!
//! A worker appends to the buffer of its place and goes on. The collector comes by every few milliseconds and takes
//! whole buffers, leaving those of its last round, emptied: nothing is allocated for a line. It is woken only by the
//! first that comes while it rests, and by a place that has grown large.

use std::{
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::{Thread, available_parallelism},
    time::Instant,
};

use crate::{
    bus::Done,
    line::{self, Line, nanos},
    record::Record,
};

/// What may wait in one place, in bytes, but for the last of it. What comes then is lost and counted.
const MOST: usize = 1 << 20;
/// A place that waits with that many bytes wakes the collector.
const LARGE: usize = 128 << 10;
/// The room a buffer begins with, and keeps.
const ROOM: usize = 32 << 10;
/// A larger buffer that was filled to less than a part of this is made smaller.
const SPARSE: usize = 8;

/// What waits for the collector.
pub(crate) struct Intake {
    places: Box<[Place]>,
    flushes: Mutex<Vec<Flush>>,
    dropped: AtomicU64,
    /// The collector sleeps until it is woken.
    resting: AtomicBool,
    /// Empty: there is no collector, and everything is lost.
    collector: OnceLock<Thread>,
    born: Instant,
}

/// On a cache line of its own, and on the one that is fetched with it.
#[repr(align(128))]
#[derive(Default)]
struct Place(Mutex<Pending>);

/// What waits in one place.
#[derive(Default)]
pub(crate) struct Pending {
    /// Compact lines, one behind the other.
    pub(crate) lines: Vec<u8>,
    /// Events, and where in `lines` they came.
    pub(crate) events: Vec<(usize, Record)>,
    /// About how many bytes the events take.
    weight: usize,
}

/// Somebody who waits until everything before is seen to; `written` when also written to stdout.
pub(crate) struct Flush {
    pub(crate) written: bool,
    pub(crate) done: Done,
}

impl Intake {
    pub(crate) fn new() -> Self {
        let threads = available_parallelism().map_or(1, usize::from);
        let places = (2 * threads).next_power_of_two().clamp(4, 64);
        Self {
            places: std::iter::repeat_with(Place::default).take(places).collect(),
            flushes: Mutex::default(),
            dropped: AtomicU64::new(0),
            resting: AtomicBool::new(false),
            collector: OnceLock::new(),
            born: Instant::now(),
        }
    }

    /// Who collects.
    pub(crate) fn collected_by(&self, thread: Thread) {
        // Told once.
        let _ = self.collector.set(thread);
    }

    /// Nanoseconds since the bus began, as lines have them.
    pub(crate) fn moment(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.born))
    }

    /// False when the line was lost.
    pub(crate) fn line(&self, line: &Line<'_>) -> bool {
        self.offer(|pending| {
            if pending.lines.capacity() == 0 {
                pending.lines.reserve(ROOM);
            }
            line.encode(&mut pending.lines);
        })
    }

    /// False when the event was lost.
    pub(crate) fn event(&self, record: Record) -> bool {
        self.offer(|pending| {
            pending.weight += record.size();
            pending.events.push((pending.lines.len(), record));
        })
    }

    fn offer(&self, put: impl FnOnce(&mut Pending)) -> bool {
        let mut pending = self.places[place() & (self.places.len() - 1)].lock();
        let before = pending.weight();
        if before >= MOST || self.collector.get().is_none() {
            drop(pending);
            self.dropped.fetch_add(1, Relaxed);
            return false;
        }
        put(&mut pending);
        let after = pending.weight();
        drop(pending);
        // The collector says that it rests before it looks a last time: either it sees this, or this sees it resting.
        let asleep = before == 0 && self.resting.load(Relaxed) && self.resting.swap(false, Relaxed);
        if asleep || (before < LARGE && after >= LARGE) {
            self.wake();
        }
        true
    }

    /// Calls `done` when everything offered before has been seen to; drops it when there is nobody to do so.
    pub(crate) fn flush(&self, flush: Flush) {
        if self.collector.get().is_some() {
            self.flushes().push(flush);
            self.wake();
        }
    }

    /// Makes the collector come now.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.collector.get() {
            thread.unpark();
        }
    }

    /// Entries that were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// How many places there are.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// Takes everything, and leaves what `taken` has: as many as there are places, emptied. Who waits is taken first:
    /// what came before them is among the rest.
    pub(crate) fn take(&self, taken: &mut [Pending]) -> Vec<Flush> {
        let flushes = std::mem::take(&mut *self.flushes());
        for (place, taken) in self.places.iter().zip(taken) {
            let mut pending = place.lock();
            if pending.weight() > 0 {
                // Who gets it need not make room.
                taken.lines.reserve(if pending.lines.is_empty() { 0 } else { ROOM });
                std::mem::swap(&mut *pending, taken);
            }
        }
        flushes
    }

    /// To be called before the collector sleeps until it is woken. False when there is something to do after all.
    pub(crate) fn rest(&self) -> bool {
        self.resting.store(true, Relaxed);
        let nothing = self.flushes().is_empty() && self.places.iter().all(|place| place.lock().weight() == 0);
        self.resting.fetch_and(nothing, Relaxed);
        nothing
    }

    /// To be called when the collector works again.
    pub(crate) fn rested(&self) {
        self.resting.store(false, Relaxed);
    }

    fn flushes(&self) -> MutexGuard<'_, Vec<Flush>> {
        self.flushes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn weight(&self) -> usize {
        self.lines.len() + self.weight
    }

    /// About how many entries it has, at most.
    pub(crate) fn most(&self) -> usize {
        self.lines.len() / line::LEAST + self.events.len()
    }

    /// Makes it as good as new, but for the room it has.
    pub(crate) fn empty(&mut self) {
        let used = self.lines.len();
        self.lines.clear();
        if self.lines.capacity() > ROOM && used < self.lines.capacity() / SPARSE {
            self.lines.shrink_to(ROOM);
        }
        let used = self.events.len();
        self.events.clear();
        if used < self.events.capacity() / SPARSE {
            self.events.shrink_to(SPARSE);
        }
        self.weight = 0;
    }
}

/// The place of this thread: threads take turns.
fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PLACE: usize = NEXT.fetch_add(1, Relaxed);
    }
    // A thread that is about to end may have none any more.
    PLACE.try_with(|place| *place).unwrap_or_default()
}
