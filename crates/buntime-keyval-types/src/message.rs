//! Messages of queues.

use crate::{Key, Value};

/// The queue of those who name none; it is Deno's.
pub const DEFAULT_QUEUE: &str = "default";

/// Milliseconds before each further try of a message that says nothing itself, as Deno has it.
pub const DEFAULT_BACKOFF: [u32; 5] = [100, 1000, 5000, 30_000, 60_000];

/// The highest priority; the lowest is 0.
pub const MOST_PRIORITY: u8 = 9;

/// A message to put into a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which queue.
    pub queue: String,
    /// What it says.
    pub payload: Value,
    /// When it may be delivered, in milliseconds since the Unix epoch; what is past is at once.
    pub ready_at: u64,
    /// Milliseconds before each further try; with none there is one try.
    pub backoff: Vec<u32>,
    /// The payload is set at these keys if no try succeeds.
    pub keys_if_undelivered: Vec<Key>,
    /// Higher ones first, from 0 to [`MOST_PRIORITY`].
    pub priority: u8,
    /// While there is a message with that key in the queue, and for the queue's deduplication window after it was put
    /// there, another one with it is dropped.
    pub dedup: Option<String>,
}

impl Message {
    /// To the default queue, at once, with the default backoff.
    pub fn new(payload: Value) -> Self {
        Self {
            queue: DEFAULT_QUEUE.to_owned(),
            payload,
            ready_at: 0,
            backoff: DEFAULT_BACKOFF.to_vec(),
            keys_if_undelivered: Vec::new(),
            priority: 0,
            dedup: None,
        }
    }

    /// Into another queue.
    #[must_use]
    pub fn to(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// Not before that time, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn not_before(mut self, ready_at: u64) -> Self {
        self.ready_at = ready_at;
        self
    }

    /// How many tries there are at most.
    pub fn tries(&self) -> usize {
        self.backoff.len() + 1
    }
}

/// A message that was delivered, and is the consumer's until its lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which message.
    pub id: String,
    /// Of which queue.
    pub queue: String,
    /// What it says.
    pub payload: Value,
    /// Which try this is, from 1.
    pub attempts: u32,
    /// How many tries there are at most.
    pub tries: u32,
    /// What shows that it is the consumer's; another try has another.
    pub lease: String,
    /// When the lease ends, in milliseconds since the Unix epoch.
    pub leased_until: u64,
    /// When it was put into the queue, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Its priority.
    pub priority: u8,
}

/// How a try failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Why, for people; at most 1,000 characters are kept.
    pub reason: Option<String>,
    /// Milliseconds until the next try, instead of those of its schedule.
    pub delay: Option<u64>,
    /// No further try: it becomes a dead letter now.
    pub last: bool,
}

/// What a queue holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Its name.
    pub queue: String,
    /// Messages that wait, also those that are not ready yet.
    pub pending: u64,
    /// Messages that a consumer has.
    pub processing: u64,
    /// Dead letters.
    pub dead: u64,
}

/// A message whose last try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its own id.
    pub id: String,
    /// The message's.
    pub message: String,
    /// The queue it was in.
    pub queue: String,
    /// What it says.
    pub payload: Value,
    /// Why it is dead.
    pub reason: String,
    /// How many tries there were.
    pub attempts: u32,
    /// When the message was put into its queue, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When it died, in milliseconds since the Unix epoch.
    pub failed_at: u64,
}

impl DeadLetter {
    /// How many are listed at once.
    pub const MOST: u32 = 1000;
}
