//! What listeners have been sent and have not settled: a listener gets no more than it can carry, so that messages are not
//! leased to somebody who will not come to them in time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

/// How long a listener that has all it carries waits before it asks whether some of it was settled elsewhere: on another
/// node, or by a program.
const ELSEWHERE: Duration = Duration::from_millis(500);

/// Of all listeners, by the message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsettled(Arc<Mutex<HashMap<String, Arc<Load>>>>);

/// What one listener carries, with when each lease ends.
#[derive(Debug, Default)]
struct Load {
    carried: Mutex<HashMap<String, u64>>,
    lighter: Notify,
}

/// One listener.
#[derive(Debug)]
pub(super) struct Carrier {
    all: Unsettled,
    load: Arc<Load>,
    most: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Unsettled {
    /// Somebody who carries so much.
    pub(super) fn carrier(&self, most: usize) -> Carrier {
        Carrier { all: self.clone(), load: Arc::default(), most }
    }

    /// A message was finished or given back.
    pub(super) fn settled(&self, id: &str) {
        let load = lock(&self.0).remove(id);
        if let Some(load) = load {
            lock(&load.carried).remove(id);
            load.lighter.notify_one();
        }
    }

    /// Its lease ends later.
    pub(super) fn extended(&self, id: &str, until: u64) {
        let load = lock(&self.0).get(id).cloned();
        if let Some(load) = load
            && let Some(ends) = lock(&load.carried).get_mut(id)
        {
            *ends = until;
        }
    }
}

impl Carrier {
    /// How many more it takes. What it did not settle in time is another's.
    pub(super) fn room(&self, now: u64) -> usize {
        let mut carried = lock(&self.load.carried);
        if carried.len() >= self.most {
            let late: Vec<String> =
                carried.iter().filter(|(_, ends)| **ends <= now).map(|(id, _)| id.clone()).collect();
            carried.retain(|_, ends| *ends > now);
            let room = self.most.saturating_sub(carried.len());
            drop(carried);
            self.forget(late.into_iter());
            return room;
        }
        self.most - carried.len()
    }

    /// It is sent that.
    pub(super) fn takes(&self, id: &str, ends: u64) {
        lock(&self.all.0).insert(id.to_owned(), self.load.clone());
        lock(&self.load.carried).insert(id.to_owned(), ends);
    }

    /// Waits until something was settled here, or a lease ends. `false`: neither for a while, but it may have been settled
    /// elsewhere.
    pub(super) async fn lighter(&self, now: u64) -> bool {
        let next = lock(&self.load.carried).values().min().copied();
        let left = next.map_or(Duration::ZERO, |ends| Duration::from_millis(ends.saturating_sub(now).max(1)));
        tokio::select! {
            () = self.load.lighter.notified() => true,
            () = tokio::time::sleep(left.min(ELSEWHERE)) => left <= ELSEWHERE,
        }
    }

    /// What it carries.
    pub(super) fn carried(&self) -> Vec<String> {
        lock(&self.load.carried).keys().cloned().collect()
    }

    /// Of all that it carried only these are still its own.
    pub(super) fn keep(&self, carried: Vec<String>, still: &[String]) {
        let gone: Vec<String> = carried.into_iter().filter(|id| !still.contains(id)).collect();
        let mut load = lock(&self.load.carried);
        for id in &gone {
            load.remove(id);
        }
        drop(load);
        self.forget(gone.into_iter());
    }

    fn forget(&self, ids: impl Iterator<Item = String>) {
        let mut all = lock(&self.all.0);
        for id in ids {
            // It may be another listener's already.
            if all.get(&id).is_some_and(|load| Arc::ptr_eq(load, &self.load)) {
                all.remove(&id);
            }
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let carried = std::mem::take(&mut *lock(&self.load.carried));
        self.forget(carried.into_keys());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_carries_so_much_until_it_settles_or_is_late() {
        let all = Unsettled::default();
        let (carrier, other) = (all.carrier(2), all.carrier(2));
        carrier.takes("a", 100);
        carrier.takes("b", 200);
        assert_eq!((carrier.room(50), other.room(50)), (0, 2));
        all.settled("a");
        assert!(carrier.lighter(50).await);
        assert_eq!(carrier.room(50), 1);
        carrier.takes("c", 300);
        all.extended("b", 400);
        assert_eq!(carrier.room(250), 0);
        // Late: it goes to another, and what is said of it then is of that other.
        assert_eq!(carrier.room(300), 1);
        other.takes("c", 600);
        all.settled("c");
        assert_eq!((carrier.room(300), other.room(300)), (1, 2));
        other.takes("d", 5000);
        // It was told of the one before; of this one it is not.
        assert!(other.lighter(300).await && !other.lighter(300).await);
        other.keep(other.carried(), &["x".to_owned()]);
        assert_eq!(other.room(300), 2);
        drop((carrier, other));
        assert!(lock(&all.0).is_empty());
    }
}
