//! Watches: pushed by the commit, never stale, the last state never lost.

use std::{collections::BTreeMap, sync::Arc};

use buntime_keyval::{
    Atomic, Key, Value,
    engine::{Told, WatchFrom},
    key,
};

use crate::place::Place;

fn keys(told: &Told) -> Vec<(Key, bool)> {
    told.entries.iter().map(|(key, entry)| (key.clone(), entry.is_some())).collect()
}

#[tokio::test]
async fn keys_are_told_now_and_when_they_change() {
    keys_are_told_now_and_when_they_change_in(Place::new().await).await;
}

pub(crate) async fn keys_are_told_now_and_when_they_change_in(place: Place) {
    place.kv.commit(Atomic::new().set(key!["a"], Value::U64(1))).await.unwrap();
    let mut watch = place.kv.watch(vec![key!["a"], key!["b"]]).unwrap();
    let first = watch.next().await.unwrap();
    assert!(first[0].0 && first[0].1.is_some() && first[1] == (true, None));
    place.kv.commit(Atomic::new().set(key!["b"], Value::U64(2)).set(key!["c"], Value::U64(2))).await.unwrap();
    let next = watch.next().await.unwrap();
    assert!(!next[0].0 && next[1].0 && next[1].1.as_ref().unwrap().value == Value::U64(2));
    place.kv.commit(Atomic::new().delete(key!["a"])).await.unwrap();
    assert_eq!(watch.next().await.unwrap()[0], (true, None));
    let seen = vec![None, Some(place.kv.version().await.unwrap())];
    let mut again = place.kv.watch(vec![key!["a"], key!["b"]]).unwrap();
    again.resume(seen);
    let missed = again.next().await.unwrap();
    assert!(!missed[0].0 && missed[1].0, "only what differs from what was seen");
}

#[tokio::test]
async fn a_prefix_is_told_of_what_is_below_it() {
    a_prefix_is_told_of_what_is_below_it_in(Place::new().await).await;
}

pub(crate) async fn a_prefix_is_told_of_what_is_below_it_in(place: Place) {
    place.kv.commit(Atomic::new().set(key!["u", 1], Value::U64(1)).set(key!["v"], Value::U64(1))).await.unwrap();
    let mut all = place.kv.watch_below(key!["u"], WatchFrom::Everything).await.unwrap();
    let first = all.next().await.unwrap();
    assert!(first.reset && first.version.is_some());
    assert_eq!(keys(&first), [(key!["u", 1], true)]);
    let mut now = place.kv.watch_below(key!["u"], WatchFrom::Now).await.unwrap();
    let write = Atomic::new().set(key!["u", 2, "x"], Value::U64(1)).delete(key!["u", 1]).set(key!["u2"], Value::U64(1));
    place.kv.commit(write).await.unwrap();
    let told = [(key!["u", 1], false), (key!["u", 2, "x"], true)];
    assert_eq!(keys(&now.next().await.unwrap()), told);
    assert_eq!(keys(&all.next().await.unwrap()), told);
    let mut back = place.kv.watch_below(key!["u"], WatchFrom::After(first.version.unwrap())).await.unwrap();
    let missed = back.next().await.unwrap();
    assert_eq!((keys(&missed), missed.reset), (told.to_vec(), false));
    let place = place.again().await;
    let mut later = place.kv.watch_below(key!["u"], WatchFrom::After(first.version.unwrap())).await.unwrap();
    let reset = later.next().await.unwrap();
    assert_eq!(
        (keys(&reset), reset.reset),
        (vec![(key!["u", 2, "x"], true)], true),
        "what is not remembered is told whole"
    );
}

/// However fast the writes, whoever applies what it is told ends with what there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_state_is_never_lost() {
    the_last_state_is_never_lost_in(Place::new().await).await;
}

pub(crate) async fn the_last_state_is_never_lost_in(place: Place) {
    let place = Arc::new(place);
    let mut changes = place.kv.watch_below(key!["k"], WatchFrom::Everything).await.unwrap();
    let watcher = tokio::spawn(async move {
        let mut state = BTreeMap::new();
        let mut resets = 0;
        while !state.contains_key(&key!["k", "end"]) {
            let told = changes.next().await.unwrap();
            if told.reset {
                state.clear();
                resets += 1;
            }
            for (key, entry) in told.entries {
                match entry {
                    Some(entry) => state.insert(key, entry),
                    None => state.remove(&key),
                };
            }
        }
        (state, resets)
    });
    let writer = |at: i32| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            for n in 0..200 {
                let key = key!["k", (at * 7 + n) % 50];
                let write = if n % 3 == 0 { Atomic::new().delete(key) } else { Atomic::new().sum(key, 1) };
                place.kv.commit(write).await.unwrap();
            }
        })
    };
    for done in futures_util::future::join_all((0..8).map(writer)).await {
        done.unwrap();
    }
    place.kv.commit(Atomic::new().set(key!["k", "end"], Value::U64(1))).await.unwrap();
    let (state, resets) = watcher.await.unwrap();
    let range = buntime_keyval::Selector::prefix(key!["k"]).range(None, 1000, false).unwrap();
    let there = place.kv.snapshot(&[range]).await.unwrap().remove(0);
    assert_eq!(state.into_values().collect::<Vec<_>>(), there);
    assert!(resets >= 1);
}
