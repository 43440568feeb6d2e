//! Who waits for a free target, in the order of arrival. Only the first in line tries; whoever leaves wakes the next.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Poll, Waker},
};

/// The line. Nobody in it costs one load.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// How many are in it: what is looked at without the lock.
    length: AtomicU32,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    waiting: VecDeque<(u64, Option<Waker>)>,
}

impl Line {
    /// How many wait.
    pub(super) fn len(&self) -> u32 {
        self.length.load(SeqCst)
    }

    /// Something became free, or may have: the first in line looks.
    #[inline]
    pub(super) fn call(&self) {
        if self.len() > 0 {
            self.call_first();
        }
    }

    #[cold]
    fn call_first(&self) {
        let waker = self.lock().waiting.front().and_then(|(_, waker)| waker.clone());
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Gets in line. `None`: `max` wait already. Dropped, the place is given up.
    pub(super) fn join(&self, max: u32) -> Option<Place<'_>> {
        let mut places = self.lock();
        if places.waiting.len() >= max as usize {
            return None;
        }
        let number = places.next;
        places.next += 1;
        places.waiting.push_back((number, None));
        self.length.fetch_add(1, SeqCst);
        Some(Place { line: self, number })
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One's place in the line.
#[derive(Debug)]
pub(super) struct Place<'a> {
    line: &'a Line,
    number: u64,
}

impl Place<'_> {
    /// Waits until, as the first in line, `look` finds something.
    pub(super) async fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        poll_fn(|cx| {
            {
                let mut places = self.line.lock();
                let Some(index) = places.waiting.iter().position(|(number, _)| *number == self.number) else {
                    return Poll::Pending;
                };
                // Noted before looking: what becomes free from here on wakes.
                places.waiting[index].1 = Some(cx.waker().clone());
                if index > 0 {
                    return Poll::Pending;
                }
            }
            look().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.line.lock();
        let before = places.waiting.len();
        places.waiting.retain(|(number, _)| *number != self.number);
        if places.waiting.len() < before {
            self.line.length.fetch_sub(1, SeqCst);
        }
        drop(places);
        self.line.call();
    }
}
