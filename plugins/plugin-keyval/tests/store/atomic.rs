//! Atomic writes with messages that KV Connect has no words for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use buntime_keyval::{
    Atomic, Change, Committed, Error, Exceeded, Index, Key, Message, Selector, Store, SumLimits, Value, Versionstamp,
    What, key, numeric::Numeric,
};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;

use crate::world::{on_both, value};

const LEASE: Duration = Duration::from_secs(30);

on_both! {
    everything_happens_in_one_commit,
    nothing_happens_where_a_check_fails,
    messages_have_priorities_delays_and_deduplication_keys,
    what_cannot_be_done_is_told_alike,
    watches_are_told,
}

fn number(number: f64) -> Value {
    Numeric::Number(number).to_value()
}

/// To a named queue: what makes the write one that KV Connect has no words for.
fn job(n: u64) -> Message {
    Message::new(Value::U64(n)).to("jobs")
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

async fn read(store: &Store, key: Key) -> Option<Value> {
    store.get(&key).await.unwrap().map(|entry| entry.value)
}

async fn committed(store: &Store, write: Atomic) -> Versionstamp {
    store.commit(write).await.unwrap().versionstamp().expect("its checks hold")
}

async fn everything_happens_in_one_commit(store: Store) {
    let bigint = value(&json!({ "__type": "bigint", "value": "12345678901234567890" }));
    let before = Atomic::new().set(key!["n"], number(4.5)).set(key!["gone"], bigint.clone()).sum(key!["u"], 5);
    let seen = committed(&store, before).await;
    let limits = SumLimits { least: Some(number(0.0)), most: Some(number(6.0)), clamp: true };
    let bytes = Value::Bytes(vec![0, 1, 255].into());
    let write = Atomic::new()
        .check(key!["n"], Some(seen))
        .check(key!["new"], None)
        .set(key!["new", 1.5, true, &[7_u8][..]], bigint.clone())
        .set_until(key!["short"], bytes.clone(), now() + 3_600_000)
        .set_until(key!["over"], number(1.0), now() - 1)
        .delete(key!["gone"])
        .mutate(key!["n"], Change::Sum(number(5.0), limits))
        .mutate(key!["least"], Change::Min(number(2.0)))
        .mutate(key!["most"], Change::Max(number(3.0)))
        .sum(key!["u"], u64::MAX)
        .min(key!["u"], 3)
        .max(key!["v"], 9)
        .mutate(key!["log"], Change::SetVersionstamped(bytes.clone()))
        .enqueue(job(1))
        .enqueue(Message::new(bytes.clone()))
        .enqueue(Message { backoff: vec![7, 8], ..Message::new(bigint.clone()) });
    let stamp = committed(&store, write).await;
    let values = [
        (key!["new", 1.5, true, &[7_u8][..]], bigint.clone()),
        (key!["short"], bytes.clone()),
        (key!["n"], number(6.0)),
        (key!["least"], number(2.0)),
        (key!["most"], number(3.0)),
        (key!["u"], Value::U64(3)),
        (key!["v"], Value::U64(9)),
        (key!["log", stamp.to_string()], bytes.clone()),
    ];
    let mut all: Vec<_> = store.list(Selector::default()).stream().try_collect().await.unwrap();
    all.sort_by_key(|entry| values.iter().position(|(key, _)| *key == entry.key));
    assert!(all.iter().all(|entry| entry.versionstamp == stamp), "{all:?}");
    assert_eq!(all.into_iter().map(|entry| (entry.key, entry.value)).collect::<Vec<_>>(), values);
    let got = store.receive("jobs", 5, LEASE).await.unwrap();
    assert_eq!((got.len(), &got[0].payload), (1, &Value::U64(1)));
    let got = store.receive("default", 5, LEASE).await.unwrap();
    let said: Vec<_> = got.iter().map(|one| (&one.payload, one.tries)).collect();
    assert_eq!(said, [(&bytes, 6), (&bigint, 3)]);
}

async fn nothing_happens_where_a_check_fails(store: Store) {
    let seen = committed(&store, Atomic::new().set(key!["a"], number(1.0))).await;
    let write = Atomic::new()
        .check(key!["b"], None)
        .check(key!["a"], None)
        .check(key!["a"], Some(seen))
        .check(key!["c"], Some(seen))
        .set(key!["b"], number(1.0))
        .enqueue(job(1));
    assert_eq!(store.commit(write).await, Ok(Committed::No(vec![1, 3])));
    assert_eq!((read(&store, key!["b"]).await, store.queue_stats("jobs").await.unwrap().pending), (None, 0));
}

async fn messages_have_priorities_delays_and_deduplication_keys(store: Store) {
    let write = Atomic::new()
        .enqueue(Message { priority: 1, ..job(1) })
        .enqueue(Message { priority: 200, ..job(2) })
        .enqueue(job(3).not_before(now() + 3_600_000))
        .enqueue(Message { dedup: Some("one".into()), ..job(4) })
        .enqueue(Message { dedup: Some("one".into()), ..job(5) });
    committed(&store, write).await;
    committed(&store, Atomic::new().enqueue(Message { dedup: Some("one".into()), ..job(6) })).await;
    let got = store.receive("jobs", 10, LEASE).await.unwrap();
    let said: Vec<_> = got.iter().map(|one| (one.payload.clone(), one.priority)).collect();
    assert_eq!(said, [(Value::U64(2), 9), (Value::U64(1), 1), (Value::U64(4), 0)]);
    assert_eq!(store.queue_stats("jobs").await.unwrap().pending, 1, "which is not ready yet");
}

async fn what_cannot_be_done_is_told_alike(store: Store) {
    store.declare(Index::sorted(key!["users"], ["mail"]).unique()).await.unwrap();
    let user = |n: u32| Atomic::new().set(key!["users", n], value(&json!({ "mail": "a@b.c" })));
    committed(&store, user(1).set(key!["text"], value(&json!("hello"))).set(key!["n"], number(5.0))).await;
    let refused = async |write: Atomic| store.commit(write).await.unwrap_err();
    let both = async |write: Atomic| {
        let [plain, with] = both_kinds(&store, write).await;
        assert_eq!(plain, with);
        plain
    };
    let unique = "The index `mail` of [\"users\"] is unique, and [\"users\", 1] has the same as [\"users\", 2]";
    assert_eq!(both(user(2)).await, Error::Unique(unique.into()));
    let limit = |what, most| Error::Limit(Exceeded { what, most });
    let large = Value::Bytes(vec![0; 65_537].into());
    assert_eq!(both(Atomic::new().set(key!["a"], large.clone())).await, limit(What::Value, 65_536));
    let long = key!["x".repeat(3000)];
    assert_eq!(both(Atomic::new().set(long, number(1.0))).await, limit(What::WrittenKey, 2048));
    let mismatch = "Failed to perform 'sum' mutation on a non-U64 value in the database";
    assert_eq!(both(Atomic::new().sum(key!["text"], 1)).await, Error::TypeMismatch(mismatch.into()));
    let bigint = value(&json!({ "__type": "bigint", "value": "1" }));
    let mixed = Atomic::new().mutate(key!["n"], Change::Sum(bigint, SumLimits::default()));
    assert_eq!(both(mixed).await, Error::TypeMismatch("Cannot sum Number with BigInt".into()));
    let limits = SumLimits { most: Some(number(9.0)), ..SumLimits::default() };
    assert_eq!(both(Atomic::new().mutate(key!["n"], Change::Sum(number(5.0), limits))).await, Error::SumOutOfRange);
    let empty = both_kinds(&store, Atomic::new().set(Key::default(), number(1.0))).await;
    assert!(empty.iter().all(|error| matches!(error, Error::InvalidKey(_))), "{empty:?}");

    let message = async |message: Message| refused(Atomic::new().set(key!["a"], number(1.0)).enqueue(message)).await;
    assert_eq!(message(job(1).to("q".repeat(257))).await, limit(What::Name, 256));
    assert_eq!(message(Message { dedup: Some("d".repeat(257)), ..job(1) }).await, limit(What::Name, 256));
    assert_eq!(message(Message::new(large).to("jobs")).await, limit(What::Payload, 65_536));
    let month = 30 * 24 * 60 * 60 * 1000;
    let late = job(1).not_before(now() + month + 60_000);
    assert_eq!(message(late).await, limit(What::Delay, usize::try_from(month).unwrap()));
    let keys = Message { keys_if_undelivered: vec![key!["k"]; 11], ..job(1) };
    assert_eq!(message(keys).await, limit(What::UndeliveredKeys, 10));
    let many = (0..1001_u64).fold(Atomic::new(), |write, n| write.enqueue(job(n)));
    assert_eq!(refused(many).await, limit(What::Mutations, 1000));
    assert_eq!((read(&store, key!["a"]).await, store.queues().await.unwrap()), (None, Vec::new()));
}

/// Over KV Connect and over REST.
async fn both_kinds(store: &Store, write: Atomic) -> [Error; 2] {
    let plain = store.commit(write.clone()).await.unwrap_err();
    [plain, store.commit(write.enqueue(job(1))).await.unwrap_err()]
}

async fn watches_are_told(store: Store) {
    let mut watch = std::pin::pin!(store.watch(vec![key!["w"]]).unwrap());
    assert_eq!(watch.next().await.unwrap().unwrap(), [(true, None)]);
    let stamp = committed(&store, Atomic::new().set(key!["w"], number(1.0)).enqueue(job(1))).await;
    let told = watch.next().await.unwrap().unwrap();
    assert_eq!(told[0].1.as_ref().map(|entry| entry.versionstamp), Some(stamp));
}
