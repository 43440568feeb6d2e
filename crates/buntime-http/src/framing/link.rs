//! What the parts of one connection tell each other: the stream, the adapter, the clock.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use futures_util::task::AtomicWaker;

use super::Refusal;

/// What the parts of one connection tell each other: the stream, the adapter, the clock. All on one thread; atomics
/// only because tokio's tasks must be `Send`.
#[derive(Debug, Default)]
pub(crate) struct LinkState {
    /// Requests hyper has handed over.
    calls: AtomicU64,
    /// The last request that got its response's head, and whether that was a 101.
    pub(super) answered: AtomicU64,
    pub(super) upgraded: AtomicBool,
    /// Reading waits for the answer to a request that asked for an upgrade.
    pub(super) undecided: AtomicBool,
    pub(super) reader: AtomicWaker,
    /// Exchanges whose response has not been handed to hyper whole.
    in_flight: AtomicUsize,
    /// The number of the request that stands in for a refused one, and why it was refused.
    refused_call: AtomicU64,
    refusal: OnceLock<Refusal>,
    /// The clock wants the head that is arriving refused as too slow.
    pub(super) head_is_late: AtomicBool,
    /// A head has begun and is not whole.
    pub(super) partial_head: AtomicBool,
    /// The body of the request at hand has not arrived whole.
    pub(super) in_body: AtomicBool,
    pub(super) heads: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) write_blocked: AtomicBool,
    pub(super) closing: AtomicBool,
    /// How often the connection was polled.
    pub(super) turns: AtomicU64,
}

impl LinkState {
    /// The connection is polled.
    pub(crate) fn turn(&self) {
        // One thread writes it.
        self.turns.store(self.turns.load(Relaxed) + 1, Relaxed);
    }

    /// A request arrived: its number, from 1.
    pub(crate) fn begin(&self) -> u64 {
        self.calls.fetch_add(1, Relaxed) + 1
    }

    /// Why request `call` stands in for a refused one, if it does.
    pub(crate) fn refusal_of(&self, call: u64) -> Option<Refusal> {
        if self.refused_call.load(Relaxed) == call { self.refusal.get().copied() } else { None }
    }

    pub(crate) fn answered(&self, call: u64, upgraded: bool) {
        self.upgraded.store(upgraded, Relaxed);
        self.answered.store(call, Relaxed);
        if self.undecided.load(Relaxed) {
            self.undecided.store(false, Relaxed);
            self.reader.wake();
        }
    }

    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// The number of the head that is arriving in pieces, if one is.
    pub(crate) fn partial_head(&self) -> Option<u64> {
        self.partial_head.load(Relaxed).then(|| self.heads.load(Relaxed))
    }

    pub(crate) fn give_up_on_head(&self) {
        self.head_is_late.store(true, Relaxed);
    }

    /// Is there more of the request's body than was read, or was it broken?
    pub(crate) fn is_in_body(&self) -> bool {
        self.in_body.load(Relaxed)
    }

    /// Bytes written so far, and whether the socket takes no more for now.
    pub(crate) fn writing(&self) -> (u64, bool) {
        (self.written.load(Relaxed), self.write_blocked.load(Relaxed))
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    pub(super) fn refuse(&self, call: u64, refusal: Refusal) {
        let _ = self.refusal.set(refusal);
        self.refused_call.store(call, Relaxed);
    }
}

/// Counts one exchange for as long as it lives.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<LinkState>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
