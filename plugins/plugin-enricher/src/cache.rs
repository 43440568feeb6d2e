//! Answers that are kept, and calls that are under way. Whoever asks for a key while it is being asked for waits for that
//! call; it goes on when its first caller has left.

use std::{
    collections::HashMap,
    hash::RandomState,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use buntime_core::Clock;
use quick_cache::{OptionsBuilder, Weighter, sync::Cache, sync::DefaultLifecycle};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    answer::{Answer, Failure},
    config::CacheSettings,
};

pub(crate) type Key = Box<[u8]>;

/// What a call came to, for all that wait for it.
pub(crate) type Outcome = Result<Arc<Answer>, Failure>;

#[derive(Clone, Debug)]
struct Stored {
    answer: Arc<Answer>,
    until: Instant,
    weight: u64,
}

/// No entry weighs less than its share, so that the number is bounded too.
#[derive(Clone, Debug)]
struct Share(u64);

impl Weighter<Key, Stored> for Share {
    fn weight(&self, key: &Key, stored: &Stored) -> u64 {
        (stored.weight + key.len() as u64).max(self.0)
    }
}

/// See the module.
pub(crate) struct Answers {
    stored: Cache<Key, Stored, Share>,
    flights: Mutex<HashMap<Key, watch::Receiver<Option<Outcome>>>>,
    ttl: Duration,
    clock: Clock,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// What is known of a key.
pub(crate) enum Found {
    /// Its answer.
    Answer(Arc<Answer>),
    /// Somebody asks already.
    Wait(watch::Receiver<Option<Outcome>>),
    /// Nobody does: the finder is to ask, and to tell.
    Ask(watch::Receiver<Option<Outcome>>, watch::Sender<Option<Outcome>>),
}

impl Answers {
    pub(crate) fn new(settings: &CacheSettings, clock: Clock) -> Self {
        let entries = u64::from(settings.max_entries.unwrap_or(10_000));
        let bytes = settings.max_bytes.map_or(16 << 20, |size| size.0);
        let share = (bytes / entries).max(1);
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(usize::try_from(entries.min(10_000)).unwrap_or(10_000)).weight_capacity(bytes);
        // A small one is not split: its parts would hold nothing.
        options.shards(if entries < 1000 { 1 } else { 8 });
        let options = options.build().ok();
        let (hasher, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
        let stored = match options {
            Some(options) => Cache::with_options(options, Share(share), hasher, lifecycle),
            None => Cache::with(1000, bytes, Share(share), hasher, lifecycle),
        };
        let ttl = settings.ttl.map_or(Duration::from_secs(60), Duration::from);
        Self { stored, flights: Mutex::default(), ttl, clock }
    }

    /// Looks a key up.
    pub(crate) fn find(&self, key: &Key) -> Found {
        if let Some(answer) = self.stored(key) {
            return Found::Answer(answer);
        }
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key) {
            return Found::Wait(flight.clone());
        }
        // One that landed a moment ago has left its answer.
        if let Some(answer) = self.stored(key) {
            return Found::Answer(answer);
        }
        let (tell, told) = watch::channel(None);
        flights.insert(key.clone(), told.clone());
        Found::Ask(told, tell)
    }

    fn stored(&self, key: &Key) -> Option<Arc<Answer>> {
        let stored = self.stored.get(key)?;
        if stored.until > self.clock.now() {
            return Some(stored.answer);
        }
        self.stored.remove(key);
        None
    }

    /// Keeps an answer.
    pub(crate) fn keep(&self, key: &Key, answer: &Arc<Answer>) {
        if self.ttl.is_zero() {
            return;
        }
        let weight = weight(&answer.document) + 128;
        self.stored.insert(key.clone(), Stored { answer: answer.clone(), until: self.clock.now() + self.ttl, weight });
    }

    /// Nobody asks for it any more.
    pub(crate) fn landed(&self, key: &Key) {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// How many answers are kept, and how many bytes they weigh.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.stored.len(), self.stored.weight())
    }
}

/// About how many bytes a document takes in memory.
fn weight(value: &Value) -> u64 {
    let inner = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len() as u64,
        Value::Array(list) => list.iter().map(weight).sum(),
        Value::Object(object) => object.iter().map(|(name, value)| name.len() as u64 + 48 + weight(value)).sum(),
    };
    inner + 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use buntime_core::units::{Size, Span};
    use http::StatusCode;
    use serde_json::json;

    fn answers(entries: u32, bytes: u64) -> (Answers, Clock) {
        let clock = Clock::fake();
        let settings = CacheSettings {
            key: None,
            ttl: Some(Span::secs(10)),
            max_entries: Some(entries),
            max_bytes: Some(Size(bytes)),
        };
        (Answers::new(&settings, clock.clone()), clock)
    }

    fn answer(text: &str) -> Arc<Answer> {
        Arc::new(Answer { status: StatusCode::OK, document: json!(text), size: text.len() })
    }

    fn key(number: usize) -> Key {
        format!("key {number}").into_bytes().into_boxed_slice()
    }

    #[test]
    fn answers_are_bounded_in_number_and_bytes() {
        let (few, _) = answers(10, 1 << 20);
        for number in 0..1000 {
            few.keep(&key(number), &answer("x"));
        }
        assert!(few.size().0 <= 10, "{:?}", few.size());
        let (light, _) = answers(100_000, 64 << 10);
        for number in 0..1000 {
            light.keep(&key(number), &answer(&"x".repeat(1000)));
        }
        assert!(light.size().1 <= 64 << 10, "{:?}", light.size());
    }

    #[test]
    fn answers_end_and_flights_land() {
        let (answers, clock) = answers(10, 1 << 20);
        assert!(matches!(answers.find(&key(1)), Found::Ask(..)));
        assert!(matches!(answers.find(&key(1)), Found::Wait(_)));
        answers.keep(&key(1), &answer("x"));
        answers.landed(&key(1));
        assert!(matches!(answers.find(&key(1)), Found::Answer(_)));
        clock.advance(Duration::from_secs(11));
        assert!(matches!(answers.find(&key(1)), Found::Ask(..)));
        assert_eq!(answers.size().0, 0);
    }
}
