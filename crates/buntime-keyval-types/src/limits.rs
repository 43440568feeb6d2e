//! What may be how large. The defaults are Deno's.

use crate::{Atomic, Error, Exceeded, Key, Message, Range, Result, What};

/// Limits of one face of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a key that is written. A bound that is read may have one byte more.
    pub key: usize,
    /// Bytes of a value, and of a message.
    pub value: usize,
    /// Ranges of a read.
    pub ranges: usize,
    /// Entries of a read.
    pub entries: usize,
    /// Checks of an atomic write.
    pub checks: usize,
    /// Mutations and messages of an atomic write.
    pub mutations: usize,
    /// Bytes of an atomic write.
    pub total: usize,
    /// Bytes of all keys of an atomic write.
    pub total_keys: usize,
    /// Keys of a watch.
    pub watched: usize,
    /// Milliseconds that a message may be delayed.
    pub delay: u64,
    /// Further tries of a message.
    pub backoff_steps: usize,
    /// Milliseconds before each of them.
    pub backoff: u32,
    /// Keys that a message is written to if it is not delivered.
    pub undelivered_keys: usize,
}

impl Limits {
    /// Deno's.
    pub const DENO: Self = Self {
        key: 2048,
        value: 64 << 10,
        ranges: 10,
        entries: 1000,
        checks: 100,
        mutations: 1000,
        total: 800 << 10,
        total_keys: 80 << 10,
        watched: 10,
        delay: 30 * 24 * 60 * 60 * 1000,
        backoff_steps: 5,
        backoff: 60 * 60 * 1000,
        undelivered_keys: 10,
    };
    /// Characters of a queue's name and of a deduplication key.
    pub const NAME: usize = 256;

    /// # Errors
    /// [`Error::Limit`] with the limit that is exceeded.
    pub fn check_ranges(&self, ranges: &[Range]) -> Result<()> {
        within(What::Ranges, ranges.len(), self.ranges)?;
        let entries = ranges.iter().fold(0_usize, |sum, range| sum.saturating_add(range.limit as usize));
        within(What::Entries, entries, self.entries)?;
        for range in ranges {
            within(What::ReadKey, range.start.len().max(range.end.len()), self.key + 1)?;
        }
        Ok(())
    }

    /// Of a key that is read.
    ///
    /// # Errors
    /// [`Error::Limit`].
    pub fn check_key(&self, key: &Key) -> Result<()> {
        within(What::ReadKey, key.len() + 1, self.key + 1)
    }

    /// # Errors
    /// [`Error::Limit`] with the limit that is exceeded; [`Error::InvalidKey`] for an empty key.
    pub fn check_write(&self, write: &Atomic, now: u64) -> Result<()> {
        within(What::Checks, write.checks.len(), self.checks)?;
        within(What::Mutations, write.mutations.len() + write.messages.len(), self.mutations)?;
        let (mut total, mut keys) = (0, 0);
        for key in write.checks.iter().map(|check| &check.key) {
            within(What::ReadKey, key.len(), self.key + 1)?;
            total += key.len();
        }
        for mutation in &write.mutations {
            if mutation.key.is_empty() {
                return Err(Error::InvalidKey("Key cannot be empty".into()));
            }
            within(What::WrittenKey, mutation.key.len(), self.key)?;
            let value = mutation.change.size();
            within(What::Value, value, self.value)?;
            keys += mutation.key.len();
            total += mutation.key.len() + value;
        }
        for message in &write.messages {
            total += self.check_message(message, now)?;
        }
        within(What::Total, total, self.total)?;
        within(What::TotalKeys, keys, self.total_keys)
    }

    fn check_message(&self, message: &Message, now: u64) -> Result<usize> {
        within(What::Payload, message.payload.size(), self.value)?;
        let delay = message.ready_at.saturating_sub(now);
        // Whoever computed it did so a moment ago: a little more is the same.
        if delay > self.delay {
            return Err(exceeded(What::Delay, usize::try_from(self.delay).unwrap_or(usize::MAX)));
        }
        within(What::BackoffSteps, message.backoff.len(), self.backoff_steps)?;
        if message.backoff.iter().any(|step| *step > self.backoff) {
            return Err(exceeded(What::Backoff, self.backoff as usize));
        }
        within(What::UndeliveredKeys, message.keys_if_undelivered.len(), self.undelivered_keys)?;
        for key in &message.keys_if_undelivered {
            if key.is_empty() {
                return Err(Error::InvalidKey("Key cannot be empty".into()));
            }
            within(What::WrittenKey, key.len(), self.key)?;
        }
        within(What::Name, message.queue.chars().count(), Self::NAME)?;
        within(What::Name, message.dedup.as_ref().map_or(0, |dedup| dedup.chars().count()), Self::NAME)?;
        Ok(message.payload.size() + message.keys_if_undelivered.iter().map(crate::Key::len).sum::<usize>())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DENO
    }
}

fn exceeded(what: What, most: usize) -> Error {
    Error::Limit(Exceeded { what, most })
}

/// # Errors
/// [`Error::Limit`] if it is more than that.
pub fn within(what: What, size: usize, most: usize) -> Result<()> {
    if size > most { Err(exceeded(what, most)) } else { Ok(()) }
}
