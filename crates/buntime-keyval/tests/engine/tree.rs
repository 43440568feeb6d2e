//! Keys seen as a tree.

use buntime_keyval::{
    Atomic, Key, Limits, Value,
    engine::{Child, Quota},
    key,
};

use crate::place::Place;

#[tokio::test]
async fn what_stands_below_a_prefix_is_found_once_each() {
    what_stands_below_a_prefix_is_found_once_each_in(Place::new().await).await;
}

pub(crate) async fn what_stands_below_a_prefix_is_found_once_each_in(place: Place) {
    let keys = [
        key!["a"],
        key!["a", 1],
        key!["a", 1, "x"],
        key!["a", 1, "y", true],
        key!["a", "both"],
        // Begins with the bytes of the part before it, and is no child of it.
        key!["a", "both\0", "deep"],
        key!["a", "both\0", "deeper"],
        key!["a", false],
        key!["ab", 7],
    ];
    let write = keys.iter().fold(Atomic::new(), |write, key| write.set(key.clone(), Value::U64(1)));
    place.kv.commit(write).await.unwrap();
    let child = |key: Key, is_entry, is_prefix| Child { key, is_entry, is_prefix };
    let top = [child(key!["a"], true, true), child(key!["ab"], false, true)];
    assert_eq!(place.kv.children(&Key::default(), None, 10).await.unwrap(), top);
    let below = [
        child(key!["a", "both"], true, false),
        child(key!["a", "both\0"], false, true),
        child(key!["a", 1], true, true),
        child(key!["a", false], true, false),
    ];
    assert_eq!(place.kv.children(&key!["a"], None, 10).await.unwrap(), below);
    // In pages, and what has expired is not there.
    assert_eq!(place.kv.children(&key!["a"], None, 1).await.unwrap(), below[..1]);
    assert_eq!(place.kv.children(&key!["a"], Some(&key!["a", "both"]), 2).await.unwrap(), below[1..3]);
    assert_eq!(place.kv.children(&key!["a", false], None, 10).await.unwrap(), []);
    assert!(place.kv.children(&key!["a"], Some(&key!["b"]), 10).await.is_err());
}

#[tokio::test]
async fn namespaces_are_listed_with_their_quotas() {
    let place = Place::new().await;
    let other = place.engine.namespace("other", Limits::DENO).await.unwrap();
    let quota = Quota { entries: Some(5), bytes: None };
    other.set_quota(quota.clone()).await.unwrap();
    let listed = place.engine.namespaces().await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|one| (one.name, one.quota)).collect();
    assert_eq!(listed, [("default".to_owned(), None), ("other".to_owned(), Some(quota))]);
}
