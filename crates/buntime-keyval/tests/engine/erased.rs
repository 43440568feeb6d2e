//! Deletions of many: counted, whole, and told to everything that keeps something of entries.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use buntime_keyval::{
    Atomic, Entry, Error, Key, Limits, Range, Selector, Value,
    engine::{Effect, Index, Judge, Quota, Signalled, Wanted, WatchFrom},
    key,
};

use crate::place::Place;

fn below(prefix: Key) -> Range {
    Selector::prefix(prefix).range(None, u32::MAX, false).unwrap()
}

async fn put(place: &Place, keys: impl IntoIterator<Item = (Key, u64)>) {
    let write = keys.into_iter().fold(Atomic::new(), |write, (key, value)| write.set(key, Value::U64(value)));
    place.kv.commit(write).await.unwrap();
}

/// Those whose number is that at least; once it was asked, `meanwhile` more are.
#[derive(Debug)]
struct AtLeast(AtomicU64);

impl Judge for AtLeast {
    fn picks(&self, entry: &Entry) -> bool {
        matches!(entry.value, Value::U64(number) if number >= self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn ranges_are_deleted_whole_or_in_parts() {
    ranges_are_deleted_whole_or_in_parts_in(Place::new().await).await;
}

pub(crate) async fn ranges_are_deleted_whole_or_in_parts_in(place: Place) {
    put(&place, (0..100).map(|n| (key!["a", n], 1))).await;
    put(&place, [(key!["a"], 1), (key!["ab"], 1), (key!["b", 1], 1)]).await;
    let until = place.now() + 5;
    place.kv.commit(Atomic::new().set_until(key!["a", "old"], Value::U64(1), until)).await.unwrap();
    place.pass(5);
    let ranges = || (0..40).map(|n| Range::of_key(&key!["a", n])).chain([below(key!["b"])]).collect::<Vec<_>>();
    let refused = place.kv.erase_all(ranges(), 40).await.unwrap_err();
    assert_eq!(refused.to_string(), "Too many entries (max 40)");
    // One more: twice the same is once.
    let twice = ranges().into_iter().chain(ranges()).collect();
    assert_eq!(place.kv.erase_all(twice, 41).await.unwrap(), 41);
    assert_eq!(place.kv.erase_all(ranges(), 41).await.unwrap(), 0);
    assert_eq!(place.kv.erase_all(Vec::new(), 41).await.unwrap(), 0);
    let part = place.kv.erase(vec![below(key!["a"])], 50).await.unwrap();
    assert_eq!((part.count, part.more), (50, true));
    let rest = place.kv.erase(vec![below(key!["a"])], 50).await.unwrap();
    assert_eq!((rest.count, rest.more), (10, false));
    let left = place.kv.snapshot(&[Range { limit: 10, ..below(Key::default()) }]).await.unwrap();
    assert_eq!(left[0].iter().map(|entry| entry.key.clone()).collect::<Vec<_>>(), [key!["a"], key!["ab"]]);
}

#[tokio::test]
async fn what_changed_since_it_was_seen_is_judged_anew() {
    what_changed_since_it_was_seen_is_judged_anew_in(Place::new().await).await;
}

pub(crate) async fn what_changed_since_it_was_seen_is_judged_anew_in(place: Place) {
    put(&place, (0..5).map(|n| (key!["a", n], 10))).await;
    let seen = place.kv.snapshot(&[Range { limit: 10, ..below(key!["a"]) }]).await.unwrap().remove(0);
    let seen = seen.into_iter().map(|entry| (entry.key, entry.versionstamp)).collect::<Vec<_>>();
    // Meanwhile one is meant no more, one still is, and one is gone.
    put(&place, [(key!["a", 1], 5), (key!["a", 2], 20)]).await;
    place.kv.commit(Atomic::new().delete(key!["a", 3])).await.unwrap();
    let judge = Arc::new(AtLeast(AtomicU64::new(10)));
    assert_eq!(place.kv.erase_if(seen.clone(), judge.clone()).await.unwrap(), 3);
    assert_eq!(place.kv.erase_if(seen, judge.clone()).await.unwrap(), 0);
    assert_eq!(place.kv.erase_if(Vec::new(), judge).await.unwrap(), 0);
    assert_eq!(place.kv.get(&key!["a", 1]).await.unwrap().map(|entry| entry.value), Some(Value::U64(5)));
}

#[tokio::test]
async fn indexes_quotas_watches_and_triggers_are_told() {
    indexes_quotas_watches_and_triggers_are_told_in(Place::new().await).await;
}

pub(crate) async fn indexes_quotas_watches_and_triggers_are_told_in(place: Place) {
    put(&place, (0..10).map(|n| (key!["a", n], 1))).await;
    place.kv.set_quota(Quota { entries: Some(10), bytes: None }).await.unwrap();
    let info = place.kv.declare(Index::count(key!["a"])).await.unwrap();
    place.kv.built(info.id, std::time::Duration::from_secs(60)).await.unwrap().unwrap();
    let mut triggered = place.kv.subscribe(key!["a"], Wanted::Deletes);
    let mut watch = place.kv.watch_below(key!["a"], WatchFrom::Now).await.unwrap();
    let full = place.kv.commit(Atomic::new().set(key!["b"], Value::U64(1))).await.unwrap_err();
    assert!(matches!(full, Error::Quota(_)), "{full}");

    let four = (0..4).map(|n| Range::of_key(&key!["a", n])).collect();
    assert_eq!(place.kv.erase_all(four, 10).await.unwrap(), 4);
    let seen = place.kv.get(&key!["a", 4]).await.unwrap().map(|entry| (entry.key, entry.versionstamp)).unwrap();
    put(&place, [(key!["a", 4], 2)]).await;
    let judge = Arc::new(AtLeast(AtomicU64::new(2)));
    assert_eq!(place.kv.erase_if(vec![seen], judge).await.unwrap(), 1);

    let counted = place.kv.count(&below(key!["a"])).await.unwrap();
    assert_eq!(counted, 5);
    put(&place, (0..5).map(|n| (key!["b", n], 1))).await;
    assert!(place.kv.commit(Atomic::new().set(key!["c"], Value::U64(1))).await.is_err());
    for n in 0..5 {
        let Signalled::Changed(changed) = triggered.next().await else { panic!("a gap") };
        assert_eq!((changed.key, changed.what), (key!["a", n], Effect::Deleted));
    }
    let mut gone = std::collections::BTreeSet::new();
    while gone.len() < 5 {
        let told = watch.next().await.unwrap();
        if told.reset {
            // It did not hear of every commit, and tells what is there instead.
            gone.extend((0..5).map(|n| key!["a", n]));
        }
        gone.extend(told.entries.into_iter().filter(|(_, entry)| entry.is_none()).map(|(key, _)| key));
    }
    assert_eq!(gone, (0..5).map(|n| key!["a", n]).collect());
}

#[tokio::test]
async fn a_watch_goes_on_from_any_place_and_loses_nothing_when_it_is_dropped() {
    let place = Place::new().await;
    for some in (0..1200).collect::<Vec<i32>>().chunks(400) {
        put(&place, some.iter().map(|n| (key!["a", *n], 1))).await;
    }
    let mut watch = place.kv.watch_below(key!["a"], WatchFrom::Everything).await.unwrap();
    let mut told = watch.next().await.unwrap().entries.len();
    // What is before the place where it was, and what is behind it.
    put(&place, [(key!["a", 0], 2), (key!["a", 1199], 2)]).await;
    let text = watch.place().to_string();
    drop(watch);
    let other = place.kv.with_limits(Limits { key: 1000, ..Limits::DENO });
    let mut watch = other.watch_below(key!["a"], WatchFrom::Place(text.parse().unwrap())).await.unwrap();
    let mut again = 0;
    while watch.pending() {
        let news = watch.next().await.unwrap();
        assert!(!news.reset);
        again += news.entries.iter().filter(|(key, _)| *key == key!["a", 0]).count();
        told += news.entries.len();
    }
    assert!(told >= 1201 && again == 1, "{told} {again}");
    // A wait that is given up takes nothing with it.
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(1), watch.next()).await;
    assert!(waiting.is_err());
    put(&place, [(key!["a", 7], 7)]).await;
    for _ in 0..20 {
        // Asked once, and dropped wherever it stands.
        let mut next = Box::pin(watch.next());
        if let std::task::Poll::Ready(news) = futures_util::poll!(&mut next) {
            assert_eq!(news.unwrap().entries[0].0, key!["a", 7]);
            return;
        }
    }
    assert_eq!(watch.next().await.unwrap().entries[0].0, key!["a", 7]);
    for wrong in ["", "x", "1~!", "~"] {
        let place_of = wrong.parse().map(WatchFrom::Place);
        match place_of {
            Ok(from) => drop(place.kv.watch_below(key!["a"], from).await.unwrap_err()),
            Err(error) => assert!(matches!(error, Error::InvalidCursor(_))),
        }
    }
}
