//! Who is told what.

use super::*;
use crate::key;

fn news<const N: usize>(version: u64, ns: i64, keys: [Key; N]) -> News {
    News { keys: keys.into_iter().map(|key| (ns, key)).collect(), ..News::of(version) }
}

#[tokio::test]
async fn who_watches_is_told_of_keys_and_of_what_is_below() {
    let hub = Hub::new(4, Nodes::One);
    let (exact, below) = (hub.watch(1, &[key!["a"]], false), hub.watch(1, &[key!["a"]], true));
    hub.committed(&news(5, 1, [key!["a"], key!["a", 1, 2], key!["ab"]]));
    hub.committed(&news(6, 2, [key!["a", 9]]));
    assert_eq!(exact.changed().await.keys, HashSet::from([key!["a"]]));
    let told = below.changed().await;
    assert_eq!((told.keys, told.version), (HashSet::from([key!["a", 1, 2]]), 5));
    drop(exact);
    hub.unwatch(1, &[key!["a"]], false);
    assert!(lock(&hub.watches).exact.is_empty() && hub.is_watched());
}

#[test]
fn who_comes_back_learns_what_was_missed_while_it_is_remembered() {
    let hub = Hub::new(10, Nodes::One);
    for version in 11..14 {
        hub.committed(&news(version, 1, [key!["a", i32::try_from(version).unwrap()]]));
    }
    let Missed::Keys(keys, 13) = hub.missed(1, &key!["a"], 11) else { panic!("it is remembered") };
    assert_eq!(keys, HashSet::from([key!["a", 12], key!["a", 13]]));
    assert!(matches!(hub.missed(1, &key!["a"], 9), Missed::Unknown));
    (0..REMEMBERED as u64).for_each(|n| hub.committed(&news(14 + n, 1, [key!["b"]])));
    assert!(matches!(hub.missed(1, &key!["a"], 11), Missed::Unknown));
}

#[tokio::test]
async fn a_gap_is_seen_and_what_was_heard_is_not_told_again() {
    let hub = Hub::new(10, Nodes::One);
    let watch = hub.watch(1, &[key!["a"]], true);
    hub.heard(&news(13, 2, [key!["other"]]));
    let told = watch.changed().await;
    assert!(told.everything && told.version == 13);
    assert!(matches!(hub.missed(1, &key!["a"], 12), Missed::Unknown));
    hub.heard(&news(12, 1, [key!["a", 1]]));
    hub.heard(&news(14, 1, [key!["a", 2]]));
    let told = watch.changed().await;
    assert_eq!((told.keys, told.everything), (HashSet::from([key!["a", 2]]), false));
    hub.missed_until(14);
    hub.missed_until(20);
    assert!(watch.changed().await.everything && hub.last_heard() == 20);
}

#[tokio::test]
async fn what_was_committed_before_a_watch_began_is_not_told_to_it_however_late_it_is_heard() {
    let hub = Hub::new(4, Nodes::One);
    let [late, early, missing] = [(); 3].map(|()| hub.watch(1, &[key!["a"]], true));
    hub.begins(&late, 5);
    hub.heard(&news(5, 1, [key!["a", 1]]));
    hub.begins(&early, 5);
    hub.heard(&news(6, 1, [key!["a", 2]]));
    for watch in [&late, &early] {
        let told = watch.changed().await;
        assert_eq!((told.keys, told.everything, told.version), (HashSet::from([key!["a", 2]]), false, 6));
    }
    hub.begins(&late, 8);
    hub.missed_until(8);
    assert!(lock(&late.dirty).is_empty());
    assert!(early.changed().await.everything);
    // What came later is kept, with what came before: told twice rather than never.
    hub.begins(&missing, 7);
    assert!(missing.changed().await.everything);
    hub.missed_until(9);
    assert!(late.changed().await.everything);
}
