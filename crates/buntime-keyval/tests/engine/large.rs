//! What takes more bytes than a database returns at once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use buntime_database::{
    Adapter,
    sqlite::{Options as File, Sqlite},
};
use buntime_keyval::{Atomic, Error, Key, Message, Selector, Value, engine::WatchFrom, key};
use tempfile::TempDir;

use crate::place::Place;

/// Entries, each of which fits several times into what a result may take.
const ALL: usize = 10;

async fn narrow() -> Place {
    let dir = Arc::new(TempDir::new().unwrap());
    Place::of(Box::new(move || {
        let dir = Arc::clone(&dir);
        Box::pin(async move {
            let options = File::in_dir(dir.path()).with_max_result_bytes(256 << 10);
            Arc::new(Sqlite::open(options).await.unwrap()) as Arc<dyn Adapter>
        })
    }))
    .await
}

fn large() -> Value {
    Value::Bytes(vec![7; 60 << 10].into())
}

fn all() -> BTreeSet<Key> {
    (0..ALL).map(|n| key!["k", n as f64]).collect()
}

#[tokio::test]
async fn watches_tell_it_in_pieces() {
    let place = narrow().await;
    let mut changes = place.kv.watch_below(key!["k"], WatchFrom::Now).await.unwrap();
    let write = all().into_iter().fold(Atomic::new(), |write, key| write.set(key, large()));
    place.kv.commit(write).await.unwrap();
    let mut everything = place.kv.watch_below(key!["k"], WatchFrom::Everything).await.unwrap();
    for watch in [&mut changes, &mut everything] {
        let (mut seen, mut pieces) = (BTreeSet::new(), 0);
        loop {
            let told = watch.next().await.unwrap();
            seen.extend(told.entries.into_iter().map(|(key, _)| key));
            pieces += 1;
            if told.version.is_some() {
                break;
            }
        }
        assert_eq!(seen, all(), "whole when it says which version it is");
        assert!(pieces > 1);
    }
    let mut keys = place.kv.watch(all().into_iter().collect()).unwrap();
    assert!(keys.next().await.unwrap().into_iter().all(|(_, entry)| entry.is_some()));
    let range = Selector::prefix(key!["k"]).range(None, 1000, false).unwrap();
    assert_eq!(place.kv.snapshot(&[range]).await.unwrap_err(), Error::TooBig, "one moment cannot be read in pieces");
}

#[tokio::test]
async fn messages_are_leased_in_pieces() {
    let place = narrow().await;
    place.kv.enqueue_all((0..ALL).map(|_| Message::new(large())).collect()).await.unwrap();
    let mut got = BTreeSet::new();
    while got.len() < ALL {
        let some = place.kv.receive("default", 1000, Duration::from_secs(60)).await.unwrap();
        assert!(some.into_iter().all(|delivery| got.insert(delivery.id)));
    }
}

/// However many are asked for: an answer has an end.
#[tokio::test]
async fn a_lease_has_so_many_bytes() {
    let place = Place::new().await;
    for _ in 0..16 {
        place.kv.enqueue_all((0..12).map(|_| Message::new(large())).collect()).await.unwrap();
    }
    let first = place.kv.lease("default", 1000, Duration::from_secs(60)).await.unwrap();
    assert_eq!(first.len(), (8_usize << 20).div_ceil(60 << 10));
    let second = place.kv.lease("default", 1000, Duration::from_secs(60)).await.unwrap();
    assert_eq!(first.len() + second.len(), 16 * 12);
}
