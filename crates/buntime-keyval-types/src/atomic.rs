//! Atomic writes: checks, mutations and messages that happen together or not at all.

use std::{fmt, sync::Arc};

#[cfg(any(feature = "json", feature = "wire"))]
use crate::Error;
use crate::{Key, Message, Result, Value, Versionstamp};

/// What became of an atomic write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It happened, as that commit.
    Yes(Versionstamp),
    /// These checks do not hold, by their place, and nothing happened.
    No(Vec<usize>),
}

impl Committed {
    /// The commit, if it happened.
    pub fn versionstamp(&self) -> Option<Versionstamp> {
        match self {
            Self::Yes(versionstamp) => Some(*versionstamp),
            Self::No(_) => None,
        }
    }
}

/// An atomic write: if every check holds, every mutation is made, in order, and every message is put into its queue.
///
/// ```
/// use buntime_keyval_types::{Atomic, Value, key};
///
/// let counted = Atomic::new().check(key!["user", 7], None).set(key!["user", 7], Value::U64(1)).sum(key!["users"], 1);
/// assert_eq!(counted.mutations.len(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Atomic {
    /// What must hold.
    pub checks: Vec<Check>,
    /// What is done, in order.
    pub mutations: Vec<Mutation>,
    /// What is put into queues.
    pub messages: Vec<Message>,
}

/// A key must be as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which.
    pub key: Key,
    /// The commit that wrote it; `None`: there must be no entry.
    pub versionstamp: Option<Versionstamp>,
}

/// What happens to a key.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// Which.
    pub key: Key,
    /// What.
    pub change: Change,
    /// When the entry ceases to be, in milliseconds since the Unix epoch. `None`: of a set, never; of the others, as it
    /// was before.
    pub expires_at: Option<u64>,
}

/// A change of one entry.
#[derive(Clone, Debug)]
pub enum Change {
    /// It becomes this.
    Set(Value),
    /// The key gets the commit's versionstamp, as a string of twenty digits, for a last part, and becomes this.
    SetVersionstamped(Value),
    /// It is gone.
    Delete,
    /// This is added; numbers of JavaScript within limits, a `KvU64` modulo 2⁶⁴. A missing entry becomes this.
    Sum(Value, SumLimits),
    /// The less of the two, which are `KvU64`, or numbers, or bigints. A missing entry becomes this.
    Min(Value),
    /// The greater of the two.
    Max(Value),
    /// Whatever a function of this process says.
    Apply(Arc<dyn Apply>),
}

/// Limits of a sum: values as V8 serializes them, of the operand's type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SumLimits {
    /// The least it may become.
    pub least: Option<Value>,
    /// The most it may become.
    pub most: Option<Value>,
    /// Is a sum outside of them the limit, rather than an error?
    pub clamp: bool,
}

/// A change that is computed from what is there.
pub trait Apply: fmt::Debug + Send + Sync + 'static {
    /// The new value; `None` deletes the entry. A pure function: it may be asked twice, while the database is locked.
    ///
    /// # Errors
    /// Undoes the whole write.
    fn apply(&self, present: Option<&Value>) -> Result<Option<Value>>;

    /// Bytes that it comes with, for the limits of a write. Default: none.
    fn size(&self) -> usize {
        0
    }
}

impl Atomic {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The entry must have that versionstamp; `None`: there must be none.
    #[must_use]
    pub fn check(mut self, key: Key, versionstamp: Option<Versionstamp>) -> Self {
        self.checks.push(Check { key, versionstamp });
        self
    }

    /// Sets an entry that stays.
    #[must_use]
    pub fn set(self, key: Key, value: Value) -> Self {
        self.mutate(key, Change::Set(value))
    }

    /// Sets an entry that ceases to be at that time, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn set_until(mut self, key: Key, value: Value, expires_at: u64) -> Self {
        self.mutations.push(Mutation { key, change: Change::Set(value), expires_at: Some(expires_at) });
        self
    }

    /// Deletes an entry.
    #[must_use]
    pub fn delete(self, key: Key) -> Self {
        self.mutate(key, Change::Delete)
    }

    /// Adds to a `KvU64`, modulo 2⁶⁴.
    #[must_use]
    pub fn sum(self, key: Key, number: u64) -> Self {
        self.mutate(key, Change::Sum(Value::U64(number), SumLimits::default()))
    }

    /// Lowers a `KvU64` to this, if it is more.
    #[must_use]
    pub fn min(self, key: Key, number: u64) -> Self {
        self.mutate(key, Change::Min(Value::U64(number)))
    }

    /// Raises a `KvU64` to this, if it is less.
    #[must_use]
    pub fn max(self, key: Key, number: u64) -> Self {
        self.mutate(key, Change::Max(Value::U64(number)))
    }

    /// Any change.
    #[must_use]
    pub fn mutate(mut self, key: Key, change: Change) -> Self {
        self.mutations.push(Mutation { key, change, expires_at: None });
        self
    }

    /// Puts a message into its queue.
    #[must_use]
    pub fn enqueue(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }
}

impl Change {
    /// Why a [`Change::Apply`] is in no message to a server.
    #[cfg(any(feature = "json", feature = "wire"))]
    pub(crate) fn stays_here() -> Error {
        Error::Invalid("A function of this process cannot go to a server".into())
    }

    /// The value it comes with.
    pub fn operand(&self) -> Option<&Value> {
        match self {
            Self::Set(value)
            | Self::SetVersionstamped(value)
            | Self::Sum(value, _)
            | Self::Min(value)
            | Self::Max(value) => Some(value),
            Self::Delete | Self::Apply(_) => None,
        }
    }

    /// Bytes that it comes with.
    pub fn size(&self) -> usize {
        match self {
            Self::Apply(apply) => apply.size(),
            other => other.operand().map_or(0, Value::size),
        }
    }

    /// Does what it makes depend on what is there?
    pub fn reads(&self) -> bool {
        matches!(self, Self::Sum(..) | Self::Min(_) | Self::Max(_) | Self::Apply(_))
    }
}
