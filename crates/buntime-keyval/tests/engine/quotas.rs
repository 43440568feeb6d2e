//! Quotas: what a namespace holds is known exactly, whoever writes to it and however.

use buntime_keyval::{Atomic, Error, Limits, Value, engine::Quota, key};

use crate::place::Place;

fn full<T: std::fmt::Debug>(done: Result<T, Error>) {
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
    full(place.kv.commit(Atomic::new().set(key!["c"], Value::U64(1))).await);
    place.kv.commit(Atomic::new().delete(key!["a"]).set(key!["c"], Value::U64(1))).await.unwrap();
    full(place.kv.commit(Atomic::new().set(key!["a"], Value::U64(1))).await);
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
    full(there.commit(Atomic::new().set(key![2], Value::U64(1))).await);
    full(place.kv.commit(Atomic::new().set(key![2], Value::U64(1))).await);
    place.kv.set_quota(Quota::default()).await.unwrap();
    there.commit(Atomic::new().set(key![2], Value::U64(1))).await.unwrap();
    there.set_quota(entries(3)).await.unwrap();
    full(place.kv.commit(Atomic::new().set(key![3], Value::U64(1))).await);
    other.close().await;
}
