//! Triggers: each change once, in the order of commits, after its commit.

use std::sync::{Arc, Mutex};

use buntime_keyval::{
    Atomic, Value, Versionstamp,
    engine::{Changed, Effect, Signalled, Subscription, Wanted},
    key,
};
use futures_util::future::join_all;
use tokio::sync::mpsc;

use crate::place::Place;

async fn changed(subscription: &mut Subscription) -> Changed {
    match subscription.next().await {
        Signalled::Changed(changed) => changed,
        lagged @ Signalled::Lagged(_) => panic!("{lagged:?}"),
    }
}

fn set(number: u64) -> Effect {
    Effect::Set { value: Value::U64(number), expires_at: None }
}

#[tokio::test]
async fn changes_are_told_once_as_their_commit_left_them() {
    changes_are_told_once_as_their_commit_left_them_in(Place::new().await).await;
}

pub(crate) async fn changes_are_told_once_as_their_commit_left_them_in(place: Place) {
    let mut all = place.kv.subscribe(key!["a"], Wanted::All);
    let mut deletes = place.kv.subscribe(key!["a"], Wanted::Deletes);
    let mut everything = place.kv.subscribe(buntime_keyval::Key::default(), Wanted::Sets);
    let other = place.engine.namespace("other", buntime_keyval::Limits::DENO).await.unwrap();
    other.commit(Atomic::new().set(key!["a", 1], Value::U64(1))).await.unwrap();
    let write = Atomic::new()
        .set(key!["a", 1], Value::U64(1))
        .sum(key!["a", 1], 4)
        .set(key!["a"], Value::U64(9))
        .set(key!["ab", 1], Value::U64(9))
        .delete(key!["a", "missing"]);
    let first = place.kv.commit(write).await.unwrap().versionstamp().unwrap();
    assert_eq!(changed(&mut all).await, Changed { key: key!["a", 1], versionstamp: first, what: set(5) });
    let no = place.kv.commit(Atomic::new().check(key!["a", 1], None).delete(key!["a", 1])).await.unwrap();
    assert_eq!(no.versionstamp(), None);
    let until = place.now() + 50;
    let write = Atomic::new().delete(key!["a", 1]).set_until(key!["a", 2], Value::U64(1), until);
    let second = place.kv.commit(write).await.unwrap().versionstamp().unwrap();
    let gone = Changed { key: key!["a", 1], versionstamp: second, what: Effect::Deleted };
    assert_eq!(changed(&mut all).await, gone);
    assert_eq!(changed(&mut deletes).await, gone);
    let what = Effect::Set { value: Value::U64(1), expires_at: Some(until) };
    assert_eq!(changed(&mut all).await, Changed { key: key!["a", 2], versionstamp: second, what });
    place.pass(50);
    let expired = changed(&mut deletes).await;
    assert_eq!((expired.key, expired.what), (key!["a", 2], Effect::Expired));
    let keys =
        [changed(&mut everything).await.key, changed(&mut everything).await.key, changed(&mut everything).await.key];
    assert_eq!(keys, [key!["a", 1], key!["a"], key!["ab", 1]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn they_come_in_the_order_of_commits_and_none_is_lost() {
    they_come_in_the_order_of_commits_and_none_is_lost_in(Place::new().await).await;
}

pub(crate) async fn they_come_in_the_order_of_commits_and_none_is_lost_in(place: Place) {
    let mut all = place.kv.subscribe(key!["n"], Wanted::All);
    let place = Arc::new(place);
    let writer = |at: i32| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            for n in 0..50 {
                place.kv.commit(Atomic::new().sum(key!["n", 0], 1).set(key!["n", at, n], Value::U64(1))).await.unwrap();
            }
        })
    };
    join_all((1..9).map(writer)).await.into_iter().for_each(|done| done.unwrap());
    let mut last = Versionstamp::new(0);
    for n in 1..=400 {
        let (counter, own) = (changed(&mut all).await, changed(&mut all).await);
        assert_eq!((counter.key, counter.what), (key!["n", 0], set(n)), "in order, one by one");
        assert!(own.versionstamp == counter.versionstamp && counter.versionstamp > last);
        last = counter.versionstamp;
    }
}

#[tokio::test]
async fn who_falls_behind_is_told_so() {
    let place = Place::new().await;
    let mut slow = place.kv.subscribe(key!["n"], Wanted::All);
    for commit in 0..20 {
        let write = (0..1000).fold(Atomic::new(), |write, n| write.set(key!["n", commit, n], Value::U64(1)));
        place.kv.commit(write).await.unwrap();
    }
    for _ in 0..16_384 {
        changed(&mut slow).await;
    }
    assert_eq!(slow.next().await, Signalled::Lagged(20_000 - 16_384));
}

#[tokio::test]
async fn handlers_are_called_one_after_the_other_and_may_fail() {
    let place = Place::new().await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let (seen, kv) = (Arc::clone(&seen), place.kv.clone());
        move |told: Signalled| {
            let (seen, sender, kv) = (Arc::clone(&seen), sender.clone(), kv.clone());
            async move {
                let Signalled::Changed(Changed { key, .. }) = told else { return Err("it lags") };
                seen.lock().unwrap().push(key.clone());
                let _ = sender.send(key.clone());
                assert!(key != key!["t", 1], "a panic");
                if key == key!["t", 2] {
                    return Err("it fails");
                }
                // It may write itself, also what it is called for.
                if key == key!["t", 3] {
                    kv.commit(Atomic::new().set(key!["t", 4], Value::U64(1))).await.map_err(|_| "no commit")?;
                }
                Ok(())
            }
        }
    };
    let trigger = place.kv.on_change(key!["t"], Wanted::Sets, handler);
    for n in 1..4 {
        place.kv.commit(Atomic::new().set(key!["t", n], Value::U64(1))).await.unwrap();
    }
    for n in 1..5 {
        assert_eq!(receiver.recv().await, Some(key!["t", n]));
    }
    drop(trigger);
    // Nobody holds the other end once the task has ended.
    assert_eq!(receiver.recv().await, None);
    place.kv.commit(Atomic::new().set(key!["t", 5], Value::U64(1))).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 4);
}
