//! Many at once: writes are one after the other, and everybody sees them so.

use std::{collections::BTreeMap, sync::Arc};

use buntime_keyval::{Atomic, Range, Value, engine::Committed, key};
use futures_util::future::join_all;

use crate::place::Place;

fn number(value: &Value) -> u64 {
    let Value::U64(number) = value else { panic!("{value:?}") };
    *number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_that_check_the_same_one_wins() {
    of_all_that_check_the_same_one_wins_in(Place::new().await).await;
}

pub(crate) async fn of_all_that_check_the_same_one_wins_in(place: Place) {
    let place = Arc::new(place);
    place.kv.commit(Atomic::new().set(key!["n"], Value::U64(0))).await.unwrap();
    let client = |_| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            let mut won = 0;
            while won < 20 {
                let entry = place.kv.get(&key!["n"]).await.unwrap().unwrap();
                let next = Value::U64(number(&entry.value) + 1);
                let write = Atomic::new().check(key!["n"], Some(entry.versionstamp)).set(key!["n"], next);
                won += u32::from(matches!(place.kv.commit(write).await.unwrap(), Committed::Yes(_)));
            }
        })
    };
    join_all((0..16).map(client)).await.into_iter().for_each(|done| done.unwrap());
    assert_eq!(number(&place.kv.get(&key!["n"]).await.unwrap().unwrap().value), 320);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn money_is_moved_and_never_made() {
    money_is_moved_and_never_made_in(Place::new().await).await;
}

pub(crate) async fn money_is_moved_and_never_made_in(place: Place) {
    const ACCOUNTS: i32 = 8;
    let place = Arc::new(place);
    let start = (0..ACCOUNTS).fold(Atomic::new(), |write, n| write.set(key!["account", n], Value::U64(100)));
    place.kv.commit(start).await.unwrap();
    let reader = |_| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            let mut last = None;
            for _ in 0..200 {
                let all: Vec<Range> = (0..ACCOUNTS).map(|n| Range::of_key(&key!["account", n])).collect();
                let entries: Vec<_> = place.kv.snapshot(&all).await.unwrap().into_iter().flatten().collect();
                assert_eq!(entries.iter().map(|entry| number(&entry.value)).sum::<u64>(), 800, "one moment");
                let newest = entries.iter().map(|entry| entry.versionstamp).max();
                assert!(newest >= last, "time goes one way");
                last = newest;
            }
        })
    };
    let mover = |at: i32| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            let mut stamps = Vec::new();
            for n in 0..100 {
                let (from, to) = (key!["account", (at + n) % ACCOUNTS], key!["account", (at + n * 3 + 1) % ACCOUNTS]);
                // Modulo 2^64, taking one is adding all but one.
                let write = Atomic::new().sum(from, u64::MAX).sum(to, 1);
                stamps.push(place.kv.commit(write).await.unwrap().versionstamp().unwrap());
            }
            assert!(stamps.is_sorted(), "as it was acknowledged");
            stamps
        })
    };
    let (stamps, readers) = tokio::join!(join_all((0..8).map(mover)), join_all((0..4).map(reader)));
    readers.into_iter().for_each(|done| done.unwrap());
    let mut all: Vec<_> = stamps.into_iter().flat_map(|done| done.unwrap()).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 800, "each commit has its own");
}

/// A write that was dropped by its caller happened whole or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_goes_away_leaves_no_half() {
    who_goes_away_leaves_no_half_in(Place::new().await).await;
}

pub(crate) async fn who_goes_away_leaves_no_half_in(place: Place) {
    let place = Arc::new(place);
    let client = |n: i32| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            let write = Atomic::new().set(key!["left", n], Value::U64(1)).set(key!["right", n], Value::U64(1));
            let commit = place.kv.commit(write);
            // Gone after a few polls, or done before.
            let gone = async {
                for _ in 0..n % 5 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! { done = commit => done.map(drop).unwrap(), () = gone => {} }
        })
    };
    join_all((0..200).map(client)).await.into_iter().for_each(|done| done.unwrap());
    // What was under way is done when a later write is.
    place.kv.commit(Atomic::new().set(key!["end"], Value::U64(1))).await.unwrap();
    let mut sides = BTreeMap::<String, Vec<String>>::new();
    for side in ["left", "right"] {
        let range = buntime_keyval::Selector::prefix(key![side]).range(None, 1000, false).unwrap();
        let keys = place.kv.snapshot(&[range]).await.unwrap().remove(0);
        sides
            .insert(side.into(), keys.iter().map(|entry| format!("{:?}", entry.key.parts().last().unwrap())).collect());
    }
    assert_eq!(sides["left"], sides["right"]);
}
