//! The event bus: typed events, and named JSON events for plugins that are not compiled in.
//!
//! Nobody waits for a subscriber: one that falls more than [`CAPACITY`] events behind loses the oldest and is told how
//! many.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use tokio::sync::broadcast;

/// How many events a subscriber may fall behind.
pub const CAPACITY: usize = 256;

/// The bus. Cheap to clone; clones share.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Channels>>);

#[derive(Default)]
struct Channels {
    typed: HashMap<TypeId, Box<dyn Any + Send>>,
    named: HashMap<String, broadcast::Sender<Arc<Value>>>,
}

impl Events {
    /// Tells everyone who subscribed to this type. Returns how many there are.
    pub fn publish<T: Send + Sync + 'static>(&self, event: T) -> usize {
        self.with(|channels| {
            let sender = channels.typed.get(&TypeId::of::<T>())?.downcast_ref::<broadcast::Sender<Arc<T>>>()?;
            sender.send(Arc::new(event)).ok()
        })
        .unwrap_or(0)
    }

    /// Every event of this type from now on.
    pub fn subscribe<T: Send + Sync + 'static>(&self) -> broadcast::Receiver<Arc<T>> {
        self.with(|channels| {
            let sender = channels
                .typed
                .entry(TypeId::of::<T>())
                .or_insert_with(|| Box::new(broadcast::Sender::<Arc<T>>::new(CAPACITY)));
            match sender.downcast_ref::<broadcast::Sender<Arc<T>>>() {
                Some(sender) => sender.subscribe(),
                None => unreachable!("channels are keyed by their type"),
            }
        })
    }

    /// Tells everyone who subscribed to this name. Returns how many there are.
    pub fn publish_named(&self, name: &str, event: Value) -> usize {
        self.with(|channels| channels.named.get(name).and_then(|s| s.send(Arc::new(event)).ok())).unwrap_or(0)
    }

    /// Every event of this name from now on.
    pub fn subscribe_named(&self, name: &str) -> broadcast::Receiver<Arc<Value>> {
        self.with(|channels| {
            channels.named.entry(name.to_owned()).or_insert_with(|| broadcast::Sender::new(CAPACITY)).subscribe()
        })
    }

    fn with<R>(&self, f: impl FnOnce(&mut Channels) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn typed_and_named_events_reach_their_subscribers() {
        let events = Events::default();
        assert_eq!(events.publish(1u32), 0);
        let (mut numbers, mut named) = (events.subscribe::<u32>(), events.subscribe_named("saved"));
        assert_eq!(events.publish(7u32), 1);
        assert_eq!(events.publish("text"), 0);
        assert_eq!(events.publish_named("saved", serde_json::json!({ "id": 1 })), 1);
        assert_eq!(*numbers.recv().await.unwrap(), 7);
        assert_eq!(named.recv().await.unwrap()["id"], 1);
    }
}
