//! Quotas: what a namespace holds is known exactly, whoever writes to it and however.

use std::time::Duration;

use buntime_keyval::{
    Atomic, Error, Limits, Message, Value,
    engine::{Failure, Quota, Signalled, Wanted},
    key,
};

use crate::place::Place;

const LEASE: Duration = Duration::from_secs(30);

fn full<T: std::fmt::Debug>(done: &Result<T, Error>) {
    assert!(matches!(done, Err(Error::Quota(_))), "{done:?}");
}

fn entries(most: u64) -> Quota {
    Quota { entries: Some(most), bytes: None }
}

#[tokio::test]
async fn what_expires_is_counted_once_and_not_for_ever() {
    what_expires_is_counted_once_and_not_for_ever_in(Place::new().await).await;
}

pub(crate) async fn what_expires_is_counted_once_and_not_for_ever_in(place: Place) {
    place.kv.set_quota(entries(2)).await.unwrap();
    for _ in 0..20 {
        // Over already when the next is written there, swept away or not.
        let write = Atomic::new().set_until(key!["t"], Value::U64(1), place.now() + 10);
        place.kv.commit(write).await.unwrap();
        place.pass(20);
    }
    // What is written to be gone already is nothing.
    for n in 0..20 {
        place.kv.commit(Atomic::new().set_until(key!["gone", n], Value::U64(1), 5)).await.unwrap();
    }
    for _ in 0..20 {
        let write = Atomic::new().set_until(key!["t"], Value::U64(1), place.now() + 10);
        place.kv.commit(write).await.unwrap();
        place.pass(20);
        place.kv.commit(Atomic::new().delete(key!["t"])).await.unwrap();
    }
    place.kv.commit(Atomic::new().set(key!["a"], Value::U64(1)).set(key!["b"], Value::U64(1))).await.unwrap();
    full(&place.kv.commit(Atomic::new().set(key!["c"], Value::U64(1))).await);
    place.kv.commit(Atomic::new().delete(key!["a"]).set(key!["c"], Value::U64(1))).await.unwrap();
    full(&place.kv.commit(Atomic::new().set(key!["a"], Value::U64(1))).await);
}

#[tokio::test]
async fn a_quota_holds_on_every_node_from_the_next_write_on() {
    a_quota_holds_on_every_node_from_the_next_write_on_in(Place::new().await).await;
}

pub(crate) async fn a_quota_holds_on_every_node_from_the_next_write_on_in(place: Place) {
    let other = place.another().await;
    let there = other.namespace("default", Limits::DENO).await.unwrap();
    there.commit(Atomic::new().set(key![0], Value::U64(1))).await.unwrap();
    place.kv.set_quota(entries(2)).await.unwrap();
    there.commit(Atomic::new().set(key![1], Value::U64(1))).await.unwrap();
    full(&there.commit(Atomic::new().set(key![2], Value::U64(1))).await);
    full(&place.kv.commit(Atomic::new().set(key![2], Value::U64(1))).await);
    place.kv.set_quota(Quota::default()).await.unwrap();
    there.commit(Atomic::new().set(key![2], Value::U64(1))).await.unwrap();
    there.set_quota(entries(3)).await.unwrap();
    full(&place.kv.commit(Atomic::new().set(key![3], Value::U64(1))).await);
    other.close().await;
}

#[tokio::test]
async fn dead_letters_keep_to_it_and_are_kept() {
    dead_letters_keep_to_it_and_are_kept_in(Place::new().await).await;
}

pub(crate) async fn dead_letters_keep_to_it_and_are_kept_in(place: Place) {
    let lost = |n: i32| Message {
        keys_if_undelivered: vec![key!["lost", n]],
        backoff: Vec::new(),
        ..Message::new(Value::U64(1))
    };
    place.kv.set_quota(entries(2)).await.unwrap();
    let mut triggered = place.kv.subscribe(key!["lost"], Wanted::All);
    let last = Failure { last: true, ..Failure::default() };
    for n in 0..2 {
        let (id, _) = place.kv.enqueue(lost(n)).await.unwrap();
        place.kv.lease("default", 1, LEASE).await.unwrap();
        assert!(place.kv.fail(&id, None, last.clone()).await.unwrap());
    }
    full(&place.kv.commit(Atomic::new().set(key!["a"], Value::U64(1))).await);
    // One that nobody finished: what it replaces has its place already; another has none.
    place.kv.enqueue_all(vec![lost(1), lost(2)]).await.unwrap();
    assert_eq!(place.kv.lease("default", 2, LEASE).await.unwrap().len(), 2);
    place.pass(30_001);
    assert!(place.kv.lease("default", 2, LEASE).await.unwrap().is_empty());
    let mut reasons: Vec<String> =
        place.kv.dead_letters(None, 10, 0).await.unwrap().into_iter().map(|letter| letter.reason).collect();
    reasons.sort_unstable();
    let unfinished = "no consumer finished it in time";
    let left = format!("{unfinished}; [\"lost\", 2] was not set: The namespace is full (max 2 entries)");
    assert_eq!(reasons, ["every try failed", "every try failed", unfinished, &left]);
    assert_eq!(place.kv.get(&key!["lost", 2]).await.unwrap(), None);
    for n in [0, 1, 1] {
        let Signalled::Changed(changed) = triggered.next().await else { panic!("a gap") };
        assert_eq!(changed.key, key!["lost", n], "what was not set is not told");
    }
    // What they set is counted, so that taking it away makes as much room and no more.
    place.kv.commit(Atomic::new().delete(key!["lost", 0]).delete(key!["lost", 1])).await.unwrap();
    place.kv.commit(Atomic::new().set(key!["a"], Value::U64(1)).set(key!["b"], Value::U64(1))).await.unwrap();
    full(&place.kv.commit(Atomic::new().set(key!["c"], Value::U64(1))).await);
}
