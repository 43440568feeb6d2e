//! Queues: at least once, in order, under leases, with dead letters.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use buntime_keyval::{
    Atomic, Limits, Message, Options, Value,
    engine::{Failure, Index},
    key,
};
use futures_util::future::join_all;

use crate::place::Place;

const LEASE: Duration = Duration::from_secs(30);

fn message(n: u64) -> Message {
    Message { backoff: vec![1000, 5000], ..Message::new(Value::U64(n)) }
}

async fn take(place: &Place, most: usize) -> Vec<buntime_keyval::engine::Delivery> {
    place.kv.lease("default", most, LEASE).await.unwrap()
}

fn payloads(got: &[buntime_keyval::engine::Delivery]) -> Vec<Value> {
    got.iter().map(|delivery| delivery.payload.clone()).collect()
}

#[tokio::test]
async fn messages_come_by_priority_then_by_time_and_not_before_it() {
    messages_come_by_priority_then_by_time_and_not_before_it_in(Place::new().await).await;
}

pub(crate) async fn messages_come_by_priority_then_by_time_and_not_before_it_in(place: Place) {
    let later = message(3).not_before(place.now() + 500);
    let urgent = Message { priority: 9, ..message(2) };
    let write = Atomic::new().enqueue(message(1)).enqueue(urgent).enqueue(later).enqueue(message(4));
    place.kv.commit(write.set(key!["with"], Value::U64(1))).await.unwrap();
    assert_eq!(payloads(&take(&place, 10).await), [Value::U64(2), Value::U64(1), Value::U64(4)]);
    assert!(take(&place, 10).await.is_empty());
    place.pass(500);
    assert_eq!(payloads(&take(&place, 10).await), [Value::U64(3)]);
    assert!(place.kv.lease("other", 10, LEASE).await.unwrap().is_empty(), "queues are apart");
    let failed = place.kv.commit(Atomic::new().check(key!["with"], None).enqueue(message(5))).await.unwrap();
    assert_eq!(failed.versionstamp(), None);
    assert!(take(&place, 10).await.is_empty(), "atomic means the messages too");
}

#[tokio::test]
async fn a_lease_ends_and_only_its_holder_finishes() {
    a_lease_ends_and_only_its_holder_finishes_in(Place::new().await).await;
}

pub(crate) async fn a_lease_ends_and_only_its_holder_finishes_in(place: Place) {
    let (id, _) = place.kv.enqueue(message(1)).await.unwrap();
    let first = take(&place, 1).await.remove(0);
    assert_eq!((&first.id, first.attempts, first.tries), (&id, 1, 3));
    assert!(place.kv.extend(&id, &first.lease, 2 * LEASE).await.unwrap());
    place.pass(30_001);
    assert!(take(&place, 1).await.is_empty(), "it was extended");
    place.pass(30_000);
    let second = take(&place, 1).await.remove(0);
    assert_eq!(second.attempts, 2);
    assert_eq!(place.kv.finish(&[(&id, Some(&first.lease))]).await.unwrap(), [false], "too late");
    assert!(!place.kv.fail(&id, Some(&first.lease), Failure::default()).await.unwrap());
    assert!(!place.kv.extend(&id, &first.lease, LEASE).await.unwrap());
    assert_eq!(place.kv.finish(&[(&id, Some(&second.lease)), ("no", None)]).await.unwrap(), [true, false]);
    place.pass(1_000_000);
    assert!(take(&place, 1).await.is_empty());
}

#[tokio::test]
async fn who_has_messages_is_told_which_are_still_its_own() {
    who_has_messages_is_told_which_are_still_its_own_in(Place::new().await).await;
}

pub(crate) async fn who_has_messages_is_told_which_are_still_its_own_in(place: Place) {
    place.kv.enqueue_all(vec![message(1), message(2), message(3)]).await.unwrap();
    let got = take(&place, 2).await;
    let ids: Vec<String> = got.iter().map(|delivery| delivery.id.clone()).chain(["unknown".to_owned()]).collect();
    let mut still = place.kv.leased(&ids).await.unwrap();
    still.sort_unstable();
    assert_eq!(still, ids[..2]);
    place.kv.finish(&[(&ids[0], None)]).await.unwrap();
    assert_eq!(place.kv.leased(&ids).await.unwrap(), ids[1..2]);
    place.pass(u64::try_from(LEASE.as_millis()).unwrap());
    assert!(place.kv.leased(&ids).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_never_answers_does_not_loop_for_ever() {
    who_never_answers_does_not_loop_for_ever_in(Place::new().await).await;
}

pub(crate) async fn who_never_answers_does_not_loop_for_ever_in(place: Place) {
    place.kv.enqueue(Message { keys_if_undelivered: vec![key!["lost", 1]], ..message(1) }).await.unwrap();
    let mut watch = place.kv.watch(vec![key!["lost", 1]]).unwrap();
    assert_eq!(watch.next().await.unwrap(), [(true, None)]);
    for attempt in 1..=3 {
        assert_eq!(take(&place, 1).await.remove(0).attempts, attempt);
        place.pass(30_000);
    }
    assert!(take(&place, 1).await.is_empty());
    let letter = place.kv.dead_letters(None, 10, 0).await.unwrap().remove(0);
    assert_eq!((letter.reason.as_str(), letter.attempts), ("no consumer finished it in time", 3));
    assert_eq!(watch.next().await.unwrap()[0].1.as_ref().unwrap().value, Value::U64(1));
}

#[tokio::test]
async fn failures_follow_the_schedule_and_end_as_dead_letters() {
    failures_follow_the_schedule_and_end_as_dead_letters_in(Place::new().await).await;
}

pub(crate) async fn failures_follow_the_schedule_and_end_as_dead_letters_in(place: Place) {
    let (id, _) = place.kv.enqueue(message(1)).await.unwrap();
    for pause in [1000, 5000] {
        let got = take(&place, 1).await.remove(0);
        assert!(place.kv.fail(&id, Some(&got.lease), Failure::default()).await.unwrap());
        place.pass(pause - 1);
        assert!(take(&place, 1).await.is_empty());
        place.pass(1);
    }
    let got = take(&place, 1).await.remove(0);
    let failure = Failure { reason: Some("the printer burns".into()), ..Failure::default() };
    assert!(place.kv.fail(&id, Some(&got.lease), failure).await.unwrap());
    let letter = place.kv.dead_letters(Some("default"), 10, 0).await.unwrap().remove(0);
    assert_eq!((letter.reason.as_str(), letter.attempts, &letter.message), ("the printer burns", 3, &id));
    assert_eq!(place.kv.dead_letter(&letter.id).await.unwrap().unwrap(), letter);
    let stats = place.kv.queues().await.unwrap().remove(0);
    assert_eq!((stats.pending, stats.processing, stats.dead), (0, 0, 1));
    let new = place.kv.requeue(&letter.id).await.unwrap().unwrap();
    assert_eq!(place.kv.requeue(&letter.id).await.unwrap(), None);
    let again = take(&place, 1).await.remove(0);
    assert_eq!((&again.id, again.attempts, again.tries), (&new, 1, 3), "with the options it had");
    place.kv.fail(&new, None, Failure { last: true, ..Failure::default() }).await.unwrap();
    assert_eq!(place.kv.purge_dead_letters(None).await.unwrap(), 1);
}

#[tokio::test]
async fn a_dead_letter_leaves_what_is_unique_so() {
    a_dead_letter_leaves_what_is_unique_so_in(Place::new().await).await;
}

pub(crate) async fn a_dead_letter_leaves_what_is_unique_so_in(place: Place) {
    let index = place.kv.declare(Index::sorted(key!["u"], ["$"]).unique()).await.unwrap();
    place.kv.built(index.id, Duration::from_secs(60)).await.unwrap().unwrap();
    place.kv.commit(Atomic::new().set(key!["u", 1], Value::U64(7))).await.unwrap();
    let lost = |n| Message { keys_if_undelivered: vec![key!["u", 2], key!["u", 3], key!["v"]], ..message(n) };
    for n in [7, 8] {
        let (id, _) = place.kv.enqueue(lost(n)).await.unwrap();
        take(&place, 1).await;
        assert!(place.kv.fail(&id, None, Failure { last: true, ..Failure::default() }).await.unwrap());
        place.pass(1);
    }
    let at = async |key| place.kv.get(&key).await.unwrap().map(|entry| entry.value);
    assert_eq!(at(key!["u", 2]).await, Some(Value::U64(8)));
    assert_eq!((at(key!["u", 3]).await, at(key!["v"]).await), (None, Some(Value::U64(8))));
    let reasons: Vec<String> =
        place.kv.dead_letters(None, 10, 0).await.unwrap().into_iter().map(|letter| letter.reason).collect();
    let unique = "The index `$` of [\"u\"] is unique, and";
    let left = |n, other| format!("; [\"u\", {n}] was not set: {unique} [\"u\", {other}] has the same as [\"u\", {n}]");
    assert_eq!(
        reasons,
        [format!("every try failed{}", left(3, 2)), format!("every try failed{}{}", left(2, 1), left(3, 1))]
    );
}

/// Whatever else waits for its time, however far away that is.
#[tokio::test]
async fn the_oldest_dead_letters_go_when_there_are_too_many() {
    let place = Place::new().await;
    let options = Options { sweep: Duration::from_millis(20), dead_letters: 2, ..Options::default() };
    let other = place.another_with(options).await;
    let kv = other.namespace("default", Limits::DENO).await.unwrap();
    kv.commit(Atomic::new().set_until(key!["far"], Value::U64(1), u64::MAX / 4)).await.unwrap();
    let stays = async |count: usize| {
        let fewer = async { while place.kv.dead_letters(None, 10, 0).await.unwrap().len() != count {} };
        tokio::time::timeout(Duration::from_secs(30), fewer).await.expect("housekeeping goes on");
    };
    for _ in 0..3 {
        for n in 0..3 {
            let (id, _) = kv.enqueue(message(n)).await.unwrap();
            kv.lease("default", 1, LEASE).await.unwrap();
            assert!(kv.fail(&id, None, Failure { last: true, ..Failure::default() }).await.unwrap());
        }
        stays(2).await;
    }
    other.close().await;
}

#[tokio::test]
async fn one_message_for_a_deduplication_key() {
    one_message_for_a_deduplication_key_in(Place::new().await).await;
}

pub(crate) async fn one_message_for_a_deduplication_key_in(place: Place) {
    let once = |n| Message { dedup: Some("order-7".into()), ..message(n) };
    let (first, _) = place.kv.enqueue(once(1)).await.unwrap();
    assert_eq!(place.kv.enqueue(once(2)).await.unwrap().0, first);
    assert_ne!(place.kv.enqueue(once(3).to("other")).await.unwrap().0, first, "of each queue");
    let got = take(&place, 10).await;
    assert_eq!(payloads(&got), [Value::U64(1)]);
    let keyed = |key: &str, n| Message { dedup: Some(key.into()), ..message(n) };
    let several = vec![once(2), keyed("x", 6), message(7), keyed("x", 8), once(9).to("third"), keyed("y", 10)];
    let ids = place.kv.enqueue_all(several).await.unwrap();
    assert_eq!((&ids[0], &ids[1]), (&first, &ids[3]));
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 5);
    let got = take(&place, 10).await;
    assert_eq!(payloads(&got), [Value::U64(6), Value::U64(7), Value::U64(10)]);
    assert_eq!(got.iter().map(|got| &got.id).collect::<Vec<_>>(), [&ids[1], &ids[2], &ids[5]]);
    place.kv.finish(&[(&first, None)]).await.unwrap();
    assert_eq!(place.kv.enqueue(once(4)).await.unwrap().0, first, "for a while");
    place.pass(5 * 60 * 1000);
    assert_ne!(place.kv.enqueue(once(5)).await.unwrap().0, first);
    assert!(payloads(&take(&place, 10).await).contains(&Value::U64(5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_is_woken_and_everything_comes_once() {
    who_waits_is_woken_and_everything_comes_once_in(Place::new().await).await;
}

pub(crate) async fn who_waits_is_woken_and_everything_comes_once_in(place: Place) {
    const ALL: u64 = 1000;
    let place = Arc::new(place);
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let consumer = |n: usize| {
        let (place, seen) = (Arc::clone(&place), Arc::clone(&seen));
        tokio::spawn(async move {
            while seen.lock().unwrap().len() < ALL as usize {
                let waiting = place.kv.receive("default", 1 + n * 8, LEASE);
                // Half of them go away, while they wait or while they are being given something: it goes to others.
                let patience = Duration::from_millis(if n.is_multiple_of(2) { 5 } else { 500 });
                let Ok(got) = tokio::time::timeout(patience, waiting).await else { continue };
                let got = got.unwrap();
                let done: Vec<(&str, Option<&str>)> =
                    got.iter().map(|d| (d.id.as_str(), Some(d.lease.as_str()))).collect();
                assert!(place.kv.finish(&done).await.unwrap().into_iter().all(|own| own));
                let mut seen = seen.lock().unwrap();
                got.iter().for_each(|delivery| assert!(seen.insert(delivery.id.clone()), "twice"));
            }
        })
    };
    let consumers: Vec<_> = (0..8).map(consumer).collect();
    let producer = |at: u64| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            for n in 0..ALL / 40 {
                place.kv.enqueue_all((0..10).map(|m| message(at * 1000 + n * 10 + m)).collect()).await.unwrap();
            }
        })
    };
    join_all((0..4).map(producer)).await.into_iter().for_each(|done| done.unwrap());
    join_all(consumers).await.into_iter().for_each(|done| done.unwrap());
    assert!(place.kv.queues().await.unwrap().is_empty());
}
