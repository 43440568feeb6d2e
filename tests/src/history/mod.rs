//! A history checker for stores: many clients do random things while servers are killed; what they were told is recorded,
//! and afterwards it must be what a store would have told that does one thing after the other.
//!
//! Every write also sets a key of its own, its entry in the journal, which nobody writes again. So the end of a run says of
//! every write, also of those whose answer was lost, whether it happened and as which commit. The commits are
//! replayed in the order of their versionstamps; every answer must be that of some moment between its request and its
//! answer, with moments in the order of real time ([`check`]).

mod check;
mod load;
mod model;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use buntime_keyval::{Atomic, Entry, Key, Range, Value, Versionstamp, key};

pub use self::{
    check::{Checked, check},
    load::{Load, Ran},
};

/// What a client did, and what it was told.
#[derive(Clone, Debug)]
pub struct Op {
    /// When it was asked, in nanoseconds since the run began.
    pub start: u64,
    /// When it was answered.
    pub end: u64,
    /// What it was.
    pub did: Did,
}

/// See [`Op`].
#[derive(Clone, Debug)]
pub enum Did {
    /// An atomic write.
    Write {
        /// Its place in the journal.
        id: u32,
        /// What was asked for, the journal's entry with it.
        write: Atomic,
        /// What became of it.
        outcome: Outcome,
    },
    /// A read of ranges.
    Read {
        /// Which.
        ranges: Vec<Range>,
        /// What was there.
        found: Vec<Vec<Entry>>,
    },
    /// A watch was told how its keys are.
    Told {
        /// Which watch.
        watch: usize,
        /// Its keys.
        keys: Vec<Key>,
        /// How they are.
        state: Vec<Option<Entry>>,
    },
}

/// What became of a write, as far as its client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Yes(Versionstamp),
    /// These checks did not hold.
    No(Vec<usize>),
    /// It was refused, or not sent.
    Nothing(String),
    /// The answer was lost.
    Unknown,
}

/// Where clients write down what they did. Clones write into one history.
#[derive(Clone, Debug)]
pub struct Recorder {
    begun: Instant,
    ops: Arc<Mutex<Vec<Op>>>,
    ids: Arc<AtomicU32>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { begun: Instant::now(), ops: Arc::default(), ids: Arc::default() }
    }
}

impl Recorder {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn note(&self, start: u64, did: Did) {
        let op = Op { start, end: self.now(), did };
        self.ops.lock().unwrap_or_else(PoisonError::into_inner).push(op);
    }

    /// A write that leaves an entry in the journal, and its id.
    fn write(&self, write: Atomic) -> (u32, Atomic) {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        (id, journaled(id, write))
    }

    fn take(&self) -> Vec<Op> {
        std::mem::take(&mut *self.ops.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where the journal is.
const JOURNAL: &str = "journal";

fn journaled(id: u32, write: Atomic) -> Atomic {
    write.set(key![JOURNAL, id], Value::U64(id.into()))
}
