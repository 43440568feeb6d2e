//! Entries: written, read, listed, changed together, gone in time.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use buntime_database::{Next, Outcome, Plan};
use buntime_keyval::{
    Apply, Atomic, Change, Error, Key, Limits, Message, Range, Result, Selector, Value,
    engine::{Committed, Quota},
    key,
};
use futures_util::poll;

use crate::place::Place;

fn bytes(text: &str) -> Value {
    Value::Bytes(text.as_bytes().into())
}

async fn list(place: &Place, selector: &Selector, limit: u32, reverse: bool) -> Vec<Key> {
    let range = selector.range(None, limit, reverse).unwrap();
    place.kv.snapshot(&[range]).await.unwrap().remove(0).into_iter().map(|entry| entry.key).collect()
}

#[tokio::test]
async fn what_is_written_is_read_also_after_a_restart() {
    what_is_written_is_read_also_after_a_restart_in(Place::new().await).await;
}

pub(crate) async fn what_is_written_is_read_also_after_a_restart_in(place: Place) {
    let entries = [
        (key!["a", 1], Value::U64(u64::MAX)),
        (key!["a", true, 1.5], bytes("")),
        (key![vec![0_u8, 255, 1], 1_i128 << 90], Value::V8([0xff, 0x0f, b'_'].as_slice().into())),
    ];
    let write = entries.iter().fold(Atomic::new(), |write, (key, value)| write.set(key.clone(), value.clone()));
    let first = place.kv.commit(write).await.unwrap().versionstamp().unwrap();
    let uuid = place.engine.uuid().to_owned();
    let place = place.again().await;
    assert_eq!(place.engine.uuid(), uuid);
    for (key, value) in &entries {
        let entry = place.kv.get(key).await.unwrap().unwrap();
        assert_eq!((&entry.key, &entry.value, entry.versionstamp), (key, value, first));
    }
    assert_eq!(place.kv.get(&key!["a"]).await.unwrap(), None);
    let second = place.kv.commit(Atomic::new().delete(key!["a", 1])).await.unwrap().versionstamp().unwrap();
    assert!(second > first);
    assert_eq!(place.kv.get(&key!["a", 1]).await.unwrap(), None);
}

#[tokio::test]
async fn lists_are_in_order_by_prefix_and_range() {
    lists_are_in_order_by_prefix_and_range_in(Place::new().await).await;
}

pub(crate) async fn lists_are_in_order_by_prefix_and_range_in(place: Place) {
    let keys =
        [key!["u"], key!["u", -1.0], key!["u", 2.0], key!["u", 10.0], key!["u", "a"], key!["u", "a", "b"], key!["u2"]];
    let write = keys.iter().fold(Atomic::new(), |write, key| write.set(key.clone(), Value::U64(1)));
    place.kv.commit(write).await.unwrap();
    let below = Selector::prefix(key!["u"]);
    let all = [key!["u", "a"], key!["u", "a", "b"], key!["u", -1.0], key!["u", 2.0], key!["u", 10.0]];
    assert_eq!(list(&place, &below, 100, false).await, all);
    assert_eq!(list(&place, &below, 2, true).await, [key!["u", 10.0], key!["u", 2.0]]);
    let from = Selector { start: Some(key!["u", 2.0]), ..below.clone() };
    assert_eq!(list(&place, &from, 100, false).await, [key!["u", 2.0], key!["u", 10.0]]);
    let to = Selector { end: Some(key!["u", 2.0]), ..below.clone() };
    assert_eq!(list(&place, &to, 100, true).await, [key!["u", -1.0], key!["u", "a", "b"], key!["u", "a"]]);
    let ranges = [Range::of_key(&key!["u2"]), below.range(None, 2, false).unwrap(), Range::of_key(&key!["no"])];
    let read = place.kv.snapshot(&ranges).await.unwrap();
    let read: Vec<Vec<Key>> =
        read.into_iter().map(|range| range.into_iter().map(|entry| entry.key).collect()).collect();
    assert_eq!(read, [vec![key!["u2"]], vec![key!["u", "a"], key!["u", "a", "b"]], vec![]]);
    assert_eq!(place.kv.count(&below.range(None, 1, false).unwrap()).await.unwrap(), 5);
    let many: Vec<Key> = (0..150).map(|n| key!["u", f64::from(n)]).collect();
    let found = place.kv.get_many(&many).await.unwrap();
    assert_eq!(
        found.iter().flatten().map(|entry| entry.key.clone()).collect::<Vec<_>>(),
        [key!["u", 2.0], key!["u", 10.0]]
    );
    assert!(found.get(2).unwrap().is_some() && found.len() == 150);
}

#[tokio::test]
async fn checks_hold_or_nothing_happens() {
    checks_hold_or_nothing_happens_in(Place::new().await).await;
}

pub(crate) async fn checks_hold_or_nothing_happens_in(place: Place) {
    let set = |versionstamp| {
        Atomic::new().check(key!["a"], versionstamp).set(key!["a"], Value::U64(1)).set(key!["b"], bytes("b"))
    };
    let first = place.kv.commit(set(None)).await.unwrap().versionstamp().unwrap();
    assert_eq!(place.kv.commit(set(None)).await.unwrap(), Committed::No(vec![0]));
    assert!(place.kv.commit(set(Some(first))).await.unwrap().versionstamp().unwrap() > first);
    let two = Atomic::new().check(key!["none"], None).check(key!["a"], Some(first)).delete(key!["b"]);
    assert_eq!(place.kv.commit(two).await.unwrap(), Committed::No(vec![1]));
    assert_eq!(place.kv.get(&key!["b"]).await.unwrap().unwrap().value, bytes("b"));
}

#[tokio::test]
async fn mutations_of_one_key_follow_each_other() {
    mutations_of_one_key_follow_each_other_in(Place::new().await).await;
}

pub(crate) async fn mutations_of_one_key_follow_each_other_in(place: Place) {
    let write = Atomic::new()
        .set(key!["n"], Value::U64(5))
        .sum(key!["n"], 3)
        .max(key!["n"], 100)
        .min(key!["n"], 50)
        .delete(key!["m"])
        .sum(key!["m"], 1);
    place.kv.commit(write).await.unwrap();
    assert_eq!(place.kv.get(&key!["n"]).await.unwrap().unwrap().value, Value::U64(50));
    assert_eq!(place.kv.get(&key!["m"]).await.unwrap().unwrap().value, Value::U64(1));
    place.kv.commit(Atomic::new().set(key!["t"], bytes("text"))).await.unwrap();
    let before = place.kv.version().await.unwrap();
    let mismatch = place.kv.commit(Atomic::new().set(key!["x"], bytes("x")).sum(key!["t"], 1)).await.unwrap_err();
    assert_eq!(mismatch.to_string(), "Failed to perform 'sum' mutation on a non-U64 value in the database");
    assert_eq!((place.kv.get(&key!["x"]).await.unwrap(), place.kv.version().await.unwrap()), (None, before));
}

#[tokio::test]
async fn a_function_changes_what_is_there_or_refuses() {
    #[derive(Debug)]
    struct Append(&'static str);
    impl Apply for Append {
        fn apply(&self, present: Option<&Value>) -> Result<Option<Value>> {
            let Some(Value::Bytes(old)) = present else {
                return Err(Error::Refused("There is nothing to append to".into()));
            };
            Ok(Some(Value::Bytes([old, self.0.as_bytes()].concat().into())))
        }
    }
    let place = Place::new().await;
    let append = |key: Key| Atomic::new().mutate(key, Change::Apply(Arc::new(Append("!"))));
    assert_eq!(
        place.kv.commit(append(key!["a"])).await.unwrap_err(),
        Error::Refused("There is nothing to append to".into())
    );
    place.kv.commit(Atomic::new().set(key!["a"], bytes("a"))).await.unwrap();
    place.kv.commit(append(key!["a"])).await.unwrap();
    assert_eq!(place.kv.get(&key!["a"]).await.unwrap().unwrap().value, bytes("a!"));
}

#[tokio::test]
async fn the_commit_can_be_part_of_a_key() {
    the_commit_can_be_part_of_a_key_in(Place::new().await).await;
}

pub(crate) async fn the_commit_can_be_part_of_a_key_in(place: Place) {
    let write = Atomic::new().mutate(key!["log"], Change::SetVersionstamped(bytes("x")));
    let commit = place.kv.commit(write).await.unwrap().versionstamp().unwrap();
    let below = Selector::prefix(key!["log"]);
    assert_eq!(list(&place, &below, 10, false).await, [key!["log", commit.to_string()]]);
}

#[tokio::test]
async fn what_has_expired_is_never_seen_and_is_swept_away() {
    what_has_expired_is_never_seen_and_is_swept_away_in(Place::new().await).await;
}

pub(crate) async fn what_has_expired_is_never_seen_and_is_swept_away_in(place: Place) {
    let until = place.now() + 100;
    place.kv.commit(Atomic::new().set_until(key!["t"], Value::U64(1), until).sum(key!["t"], 1)).await.unwrap();
    let entry = place.kv.get(&key!["t"]).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.expires_at), (Value::U64(2), Some(until)), "a sum keeps the time");
    let mut watch = place.kv.watch(vec![key!["t"]]).unwrap();
    assert!(watch.next().await.unwrap()[0].1.is_some());
    place.pass(100);
    assert_eq!(place.kv.get(&key!["t"]).await.unwrap(), None);
    let absent = Atomic::new().check(key!["t"], None).sum(key!["t2"], 1);
    assert!(place.kv.commit(absent).await.unwrap().versionstamp().is_some());
    assert_eq!(watch.next().await.unwrap(), [(true, None)], "the sweep tells it");
    // A set without a time stays; one that is over is nothing.
    place.kv.commit(Atomic::new().set_until(key!["t2"], Value::U64(1), 5)).await.unwrap();
    assert_eq!(place.kv.get(&key!["t2"]).await.unwrap(), None);
}

/// Keeps all who write waiting until it is let go.
#[derive(Debug)]
struct Occupied(Mutex<mpsc::Receiver<()>>);

impl Plan for Occupied {
    fn next(&self, _: &[Outcome]) -> buntime_database::Result<Next> {
        self.0.lock().unwrap().recv().unwrap();
        Ok(Next::Abandon)
    }
}

#[tokio::test]
async fn a_write_that_waits_for_its_turn_goes_by_the_time_it_has_then() {
    let place = Place::new().await;
    let write = Atomic::new().set_until(key!["t"], Value::U64(1), place.now() + 50);
    place.kv.commit(write.enqueue(Message::new(Value::U64(1)))).await.unwrap();
    let got = place.kv.lease("default", 1, Duration::from_millis(200)).await.unwrap().remove(0);
    let (go, wait) = mpsc::channel();
    let occupied = Arc::new(Occupied(Mutex::new(wait)));
    let database = place.database.clone();
    let mut occupied = std::pin::pin!(database.planned(occupied));
    assert!(poll!(occupied.as_mut()).is_pending());
    let absent = Atomic::new().check(key!["t"], None).sum(key!["t"], 1);
    let mut commit = std::pin::pin!(place.kv.commit(absent));
    let mut extend = std::pin::pin!(place.kv.extend(&got.id, &got.lease, Duration::from_millis(200)));
    assert!(poll!(commit.as_mut()).is_pending() && poll!(extend.as_mut()).is_pending());
    place.pass(100);
    go.send(()).unwrap();
    occupied.await.unwrap();
    assert!(commit.await.unwrap().versionstamp().is_some(), "it is gone by then");
    assert_eq!(place.kv.get(&key!["t"]).await.unwrap().unwrap().value, Value::U64(1));
    assert!(extend.await.unwrap());
    place.pass(150);
    assert!(place.kv.lease("default", 1, Duration::from_secs(1)).await.unwrap().is_empty(), "so long from then on");
}

#[tokio::test]
async fn limits_are_said_in_denos_words() {
    limits_are_said_in_denos_words_in(Place::new().await).await;
}

pub(crate) async fn limits_are_said_in_denos_words_in(place: Place) {
    let words = |write| async { place.kv.commit(write).await.unwrap_err().to_string() };
    let long = "x".repeat(3000);
    assert_eq!(
        words(Atomic::new().set(key![long.as_str()], Value::U64(1))).await,
        "Key too large for write (max 2048 bytes)"
    );
    let big = Value::Bytes(vec![0; 65537].into());
    assert_eq!(words(Atomic::new().set(key!["a"], big)).await, "Value too large (max 65536 bytes)");
    let many = (0..1001).fold(Atomic::new(), |write, n| write.set(key![n], Value::U64(1)));
    assert_eq!(words(many).await, "Too many mutations (max 1000)");
    let checks = (0..101).fold(Atomic::new(), |write, n| write.check(key![n], None));
    assert_eq!(words(checks).await, "Too many checks (max 100)");
    assert!(matches!(
        place.kv.commit(Atomic::new().set(Key::default(), Value::U64(1))).await,
        Err(Error::InvalidKey(_))
    ));
    let nowhere = Message { keys_if_undelivered: vec![Key::default()], ..Message::new(Value::U64(1)) };
    assert_eq!(words(Atomic::new().enqueue(nowhere)).await, "Invalid key: Key cannot be empty");
    assert!(place.kv.watch((0..11).map(|n| key![n]).collect()).is_err());
}

#[tokio::test]
async fn namespaces_are_apart_and_have_quotas() {
    namespaces_are_apart_and_have_quotas_in(Place::new().await).await;
}

pub(crate) async fn namespaces_are_apart_and_have_quotas_in(place: Place) {
    let other = place.engine.namespace("other", Limits::DENO).await.unwrap();
    place.kv.commit(Atomic::new().set(key!["a"], Value::U64(1))).await.unwrap();
    assert_eq!(other.get(&key!["a"]).await.unwrap(), None);
    for bad in ["", "A", "-a", "a/b", "..", &"a".repeat(64)] {
        assert!(place.engine.namespace(bad, Limits::DENO).await.is_err(), "{bad}");
    }
    other.commit(Atomic::new().set(key![0], Value::U64(1))).await.unwrap();
    other.set_quota(Quota { entries: Some(3), bytes: Some(1000) }).await.unwrap();
    other.commit(Atomic::new().set(key![1], Value::U64(1)).set(key![2], Value::U64(1))).await.unwrap();
    let full = |error: Error| assert!(matches!(error, Error::Quota(_)), "{error}");
    full(other.commit(Atomic::new().set(key![3], Value::U64(1))).await.unwrap_err());
    other.commit(Atomic::new().set(key![1], Value::U64(2)).delete(key![2]).set(key![3], Value::U64(1))).await.unwrap();
    full(other.commit(Atomic::new().set(key![1], Value::Bytes(vec![0; 1000].into()))).await.unwrap_err());
    let place = place.again().await;
    let other = place.engine.namespace("other", Limits::DENO).await.unwrap();
    full(other.commit(Atomic::new().set(key![4], Value::U64(1))).await.unwrap_err());
    other.set_quota(Quota::default()).await.unwrap();
    other.commit(Atomic::new().set(key![4], Value::U64(1))).await.unwrap();
}
