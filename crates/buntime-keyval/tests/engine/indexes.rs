//! Indexes: kept with every write, whoever writes and however.

use std::{sync::Arc, time::Duration};

use buntime_keyval::{
    Atomic, Entry, Error, Key, Message, Part, Selector, Tokenizer, Value,
    engine::{ByIndex, Edge, Failure, Index, IndexInfo, IndexState, Judge, Search},
    json::value_from_json,
    key,
};
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use crate::place::Place;

fn value(json: &Json) -> Value {
    value_from_json(json, None).unwrap()
}

fn all(_: &Entry) -> bool {
    true
}

async fn put(place: &Place, key: Key, json: &Json) {
    place.kv.commit(Atomic::new().set(key, value(json))).await.unwrap();
}

async fn ready(place: &Place, index: Index) -> IndexInfo {
    let info = place.kv.declare(index).await.unwrap();
    let info = place.kv.built(info.id, Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!(info.state, IndexState::Ready);
    info
}

async fn found(place: &Place, prefix: Key, query: &str) -> Vec<Key> {
    let hits = place.kv.search(&Search::new(prefix, query), &all).await.unwrap();
    hits.hits.into_iter().map(|hit| hit.entry.key).collect()
}

async fn by(place: &Place, selected: ByIndex) -> Vec<Key> {
    let page = place.kv.by_index(&ByIndex { limit: 100, ..selected }).await.unwrap();
    page.entries.into_iter().map(|entry| entry.key).collect()
}

fn named(prefix: Key, name: &str) -> ByIndex {
    ByIndex { prefix, name: name.into(), ..ByIndex::default() }
}

async fn count(place: &Place, prefix: Key) -> u64 {
    place.kv.count(&Selector::prefix(prefix).range(None, 1, false).unwrap()).await.unwrap()
}

#[tokio::test]
async fn texts_are_found_ranked_and_marked() {
    texts_are_found_ranked_and_marked_in(Place::new().await).await;
}

pub(crate) async fn texts_are_found_ranked_and_marked_in(place: Place) {
    put(&place, key!["posts", 1], &json!({ "title": "Old wine", "author": { "name": "Ada" }, "n": 1815 })).await;
    let index = Index::search(key!["posts"], ["title", "author.name", "n"]).with_tokenizer(Tokenizer::Porter);
    let info = ready(&place, index.clone()).await;
    assert_eq!(info.entries, Some(1));
    assert_eq!(place.kv.declare(index.clone()).await.unwrap().id, info.id, "the same again is the same");
    let two = json!({ "title": "Wines & wines: <b>the</b> red wine's age", "author": { "name": "Grace" } });
    put(&place, key!["posts", 2], &two).await;
    put(&place, key!["posts", 2, "comments", 1], &json!({ "title": "No beer?" })).await;
    put(&place, key!["posts"], &json!({ "title": "wine" })).await;
    put(&place, key!["posts2", 1], &json!({ "title": "wine" })).await;
    assert_eq!(found(&place, key!["posts"], "wine").await, [key!["posts", 2], key!["posts", 1]]);
    assert_eq!(found(&place, key!["posts"], "author.name:ada OR 1815").await, [key!["posts", 1]]);
    assert_eq!(found(&place, key!["posts"], "\"red wine\" NOT beer").await, [key!["posts", 2]]);
    assert_eq!(found(&place, key!["posts"], "win* NOT (gra* OR \"x y\")").await, [key!["posts", 1]]);
    assert_eq!(found(&place, key!["posts", 2], "beer OR wine").await, [key!["posts", 2, "comments", 1]]);
    assert!(found(&place, key!["posts"], "zebra").await.is_empty());
    let marked = Search { highlight: true, limit: 1, ..Search::new(key!["posts"], "wine") };
    let hits = place.kv.search(&marked, &all).await.unwrap();
    let html: Vec<String> = hits.hits[0].snippets.iter().map(buntime_keyval::Snippet::html).collect();
    let expected =
        "<mark>Wines</mark> &amp; <mark>wines</mark>: &lt;b&gt;the&lt;/b&gt; red <mark>wine</mark>&#39;s age";
    assert_eq!((html, hits.hits.len(), hits.truncated), (vec![expected.to_owned()], 1, false));
    let rest = Search { offset: 1, ..Search::new(key!["posts"], "wine") };
    let second = place.kv.search(&rest, &all).await.unwrap();
    assert_eq!(second.hits.iter().map(|hit| &hit.entry.key).collect::<Vec<_>>(), [&key!["posts", 1]]);
    let no_two = |entry: &Entry| entry.key != key!["posts", 2];
    let kept = place.kv.search(&Search::new(key!["posts"], "wine"), &no_two).await.unwrap();
    assert_eq!(kept.hits.len(), 1);
    // Written anew, deleted, declared otherwise, removed.
    put(&place, key!["posts", 1], &json!({ "title": "beer" })).await;
    place.kv.commit(Atomic::new().delete(key!["posts", 2])).await.unwrap();
    assert!(found(&place, key!["posts"], "wine").await.is_empty());
    let other = ready(&place, Index::search(key!["posts"], ["title"]).with_tokenizer(Tokenizer::Ascii)).await;
    assert_eq!(found(&place, key!["posts"], "BEER").await, [key!["posts", 1], key!["posts", 2, "comments", 1]]);
    let unknown = place.kv.search(&Search::new(key!["posts"], "n:1"), &all).await.unwrap_err();
    assert!(matches!(unknown, Error::Query { at: 1, .. }), "{unknown}");
    assert!(place.kv.undeclare(other.id).await.unwrap() && !place.kv.undeclare(other.id).await.unwrap());
    let none = place.kv.search(&Search::new(key!["posts"], "beer"), &all).await.unwrap_err();
    assert!(matches!(none, Error::NoIndex(_)), "{none}");
    put(&place, key!["posts", 9], &json!({ "title": "beer" })).await;
}

#[tokio::test]
async fn entries_are_listed_by_their_values() {
    entries_are_listed_by_their_values_in(Place::new().await).await;
}

pub(crate) async fn entries_are_listed_by_their_values_in(place: Place) {
    for (n, age, tags) in
        [(1, json!(30), json!(["a", "b"])), (2, json!(7.5), json!(["b"])), (3, json!("old"), json!([]))]
    {
        put(&place, key!["u", n], &json!({ "age": age, "tags": tags })).await;
    }
    ready(&place, Index::sorted(key!["u"], ["age"])).await;
    ready(&place, Index::sorted(key!["u"], ["tags", "age"]).named("tagged")).await;
    put(&place, key!["u", 4], &json!({ "age": -1, "tags": ["c"] })).await;
    put(&place, key!["u", 5], &json!({ "tags": ["c"] })).await;
    let age = || named(key!["u"], "age");
    let users = |all: &[i32]| all.iter().map(|n| key!["u", *n]).collect::<Vec<_>>();
    assert_eq!(by(&place, age()).await, users(&[3, 4, 2, 1]), "texts come before numbers, as in keys");
    assert_eq!(by(&place, ByIndex { equals: vec![30.into()], ..age() }).await, users(&[1]));
    let edge = |value: i32, included| Some(Edge { value: value.into(), included });
    assert_eq!(by(&place, ByIndex { from: edge(-1, false), to: edge(30, true), ..age() }).await, users(&[2, 1]));
    assert_eq!(
        by(&place, ByIndex { from: edge(-1, true), to: edge(30, false), reverse: true, ..age() }).await,
        users(&[2, 4])
    );
    let tagged = ByIndex { equals: vec!["b".into()], ..named(key!["u"], "tagged") };
    assert_eq!(by(&place, tagged.clone()).await, users(&[2, 1]));
    assert_eq!(by(&place, ByIndex { from: edge(8, true), ..tagged }).await, users(&[1]));
    for reverse in [false, true] {
        let (mut cursor, mut keys) = (None, Vec::new());
        loop {
            let page = ByIndex { limit: 1, reverse, cursor, ..age() };
            let page = place.kv.by_index(&page).await.unwrap();
            keys.extend(page.entries.into_iter().map(|entry| entry.key));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(keys, users(if reverse { &[1, 2, 4, 3] } else { &[3, 4, 2, 1] }));
    }
    place.kv.commit(Atomic::new().delete(key!["u", 2]).sum(key!["u", 9], 1)).await.unwrap();
    assert_eq!(by(&place, age()).await, users(&[3, 4, 1]));
    let wrong = async |by: ByIndex| place.kv.by_index(&ByIndex { limit: 10, ..by }).await.unwrap_err();
    assert!(matches!(wrong(named(key!["u"], "nosuch")).await, Error::NoIndex(_)));
    assert!(matches!(wrong(ByIndex { cursor: Some("!".into()), ..age() }).await, Error::InvalidCursor(_)));
    assert!(matches!(wrong(ByIndex { equals: vec![1.into(), 2.into()], ..age() }).await, Error::Invalid(_)));
}

#[tokio::test]
async fn what_is_unique_stays_so() {
    what_is_unique_stays_so_in(Place::new().await).await;
}

pub(crate) async fn what_is_unique_stays_so_in(place: Place) {
    let mail = |mail: &str| value(&json!({ "mail": mail }));
    ready(&place, Index::sorted(key!["u"], ["mail"]).unique()).await;
    let set = |n: i32, text: &str| Atomic::new().set(key!["u", n], mail(text));
    place.kv.commit(set(1, "a")).await.unwrap();
    let refused = place.kv.commit(set(2, "a").set(key!["other"], Value::U64(1))).await.unwrap_err();
    assert_eq!(refused.to_string(), "The index `mail` of [\"u\"] is unique, and [\"u\", 1] has the same as [\"u\", 2]");
    assert!(matches!(refused, Error::Unique(_)) && place.kv.get(&key!["other"]).await.unwrap().is_none());
    assert!(place.kv.commit(set(2, "b").set(key!["u", 3], mail("b"))).await.is_err(), "nor two of one commit");
    place.kv.commit(set(1, "a").set(key!["u", 4], Value::U64(1))).await.unwrap();
    // It goes from one to another in one commit, and is free when its entry is gone.
    place.kv.commit(Atomic::new().delete(key!["u", 1]).set(key!["u", 2], mail("a"))).await.unwrap();
    place.kv.commit(Atomic::new().set_until(key!["u", 2], mail("a"), place.now() + 10)).await.unwrap();
    assert!(place.kv.commit(set(3, "a")).await.is_err());
    place.pass(10);
    place.kv.commit(set(3, "a")).await.unwrap();
    // What is not unique cannot be declared so.
    put(&place, key!["v", 1], &json!({ "n": 1 })).await;
    put(&place, key!["v", 2], &json!({ "n": 1 })).await;
    let failed = place.kv.declare(Index::sorted(key!["v"], ["n"]).unique()).await.unwrap();
    let failed = place.kv.built(failed.id, Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(matches!(&failed.state, IndexState::Failed(why) if why.contains("[\"v\", 2]")), "{failed:?}");
    put(&place, key!["v", 3], &json!({ "n": 1 })).await;
    place.kv.commit(Atomic::new().delete(key!["v", 2]).delete(key!["v", 3])).await.unwrap();
    ready(&place, Index::sorted(key!["v"], ["n"]).unique()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_want_the_same_one_gets_it() {
    of_many_that_want_the_same_one_gets_it_in(Place::new().await).await;
}

pub(crate) async fn of_many_that_want_the_same_one_gets_it_in(place: Place) {
    ready(&place, Index::sorted(key!["u"], ["mail"]).unique()).await;
    let place = Arc::new(place);
    let client = |n: i32| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            let mail = value(&json!({ "mail": n % 10 }));
            place.kv.commit(Atomic::new().set(key!["u", n], mail)).await.is_ok()
        })
    };
    let won = join_all((0..100).map(client)).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!(won, 10);
}

#[tokio::test]
async fn counts_are_exact_at_any_moment() {
    counts_are_exact_at_any_moment_in(Place::new().await).await;
}

pub(crate) async fn counts_are_exact_at_any_moment_in(place: Place) {
    let until = place.now() + 50;
    for n in 0..10 {
        place.kv.commit(Atomic::new().set(key!["c", n], Value::U64(1))).await.unwrap();
    }
    let info = ready(&place, Index::count(key!["c"])).await;
    assert_eq!((info.entries, count(&place, key!["c"]).await), (Some(10), 10));
    let write = Atomic::new()
        .set(key!["c"], Value::U64(1))
        .set(key!["c", 3], Value::U64(2))
        .set(key!["c", 10, 1], Value::U64(1))
        .delete(key!["c", 0])
        .delete(key!["c", 77])
        .set(key!["c", 1], Value::U64(1))
        .delete(key!["c", 1])
        .set_until(key!["c", 11], Value::U64(1), until)
        .set_until(key!["c", 12], Value::U64(1), 5)
        .sum(key!["c", 13], 1);
    place.kv.commit(write).await.unwrap();
    assert_eq!(count(&place, key!["c"]).await, 11);
    place.pass(50);
    assert_eq!(count(&place, key!["c"]).await, 10, "swept away or not");
    // What has expired and is written anew is one again.
    place.kv.commit(Atomic::new().set(key!["c", 11], Value::U64(1))).await.unwrap();
    assert_eq!(count(&place, key!["c"]).await, 11);
    let other = Atomic::new().check(key!["c", 5], None).delete(key!["c", 5]);
    assert!(place.kv.commit(other).await.unwrap().versionstamp().is_none());
    assert_eq!(count(&place, key!["c"]).await, 11);
    let place = place.again().await;
    assert_eq!(count(&place, key!["c"]).await, 11);
    assert_eq!(place.kv.indexes().await.unwrap()[0].entries, Some(11));
}

#[derive(Debug)]
struct Any;

impl Judge for Any {
    fn picks(&self, _: &Entry) -> bool {
        true
    }
}

/// What the sweep, dead letters and other ways than atomic writes do is in the indexes too.
#[tokio::test]
async fn whoever_writes_keeps_them() {
    whoever_writes_keeps_them_in(Place::new().await).await;
}

pub(crate) async fn whoever_writes_keeps_them_in(place: Place) {
    ready(&place, Index::search(key!["d"], ["t"])).await;
    ready(&place, Index::sorted(key!["d"], ["t"])).await;
    ready(&place, Index::count(key!["d"])).await;
    let text = |text: &str| value(&json!({ "t": text }));
    let until = place.now() + 100;
    let write = Atomic::new().set_until(key!["d", 1], text("gone soon"), until).set(key!["d", 2], text("stays"));
    place.kv.commit(write).await.unwrap();
    assert_eq!(found(&place, key!["d"], "gone OR stays").await.len(), 2);
    let mut watch = place.kv.watch(vec![key!["d", 1]]).unwrap();
    watch.next().await.unwrap();
    place.pass(100);
    assert_eq!(found(&place, key!["d"], "gone OR stays").await, [key!["d", 2]]);
    assert_eq!((by(&place, named(key!["d"], "t")).await, count(&place, key!["d"]).await), (vec![key!["d", 2]], 1));
    watch.next().await.unwrap();
    let infos = place.kv.indexes().await.unwrap();
    assert_eq!(
        infos.iter().map(|info| info.entries).collect::<Vec<_>>(),
        [Some(1), None, Some(1)],
        "the sweep is in them"
    );
    // A dead letter.
    let undelivered =
        Message { keys_if_undelivered: vec![key!["d", 3]], backoff: vec![], ..Message::new(text("dead letter")) };
    let (id, _) = place.kv.enqueue(undelivered.clone()).await.unwrap();
    let got = place.kv.lease("default", 10, Duration::from_secs(1)).await.unwrap();
    assert!(place.kv.fail(&id, Some(&got[0].lease), Failure::default()).await.unwrap());
    assert_eq!((found(&place, key!["d"], "letter").await, count(&place, key!["d"]).await), (vec![key!["d", 3]], 2));
    // One that nobody finished.
    let again = Message { keys_if_undelivered: vec![key!["d", 4], key!["d", 3]], ..undelivered };
    place.kv.enqueue(again).await.unwrap();
    place.kv.lease("default", 10, Duration::from_secs(1)).await.unwrap();
    place.pass(2000);
    assert!(place.kv.lease("default", 10, Duration::from_secs(1)).await.unwrap().is_empty());
    assert_eq!((found(&place, key!["d"], "letter").await.len(), count(&place, key!["d"]).await), (2, 3));
    assert_eq!(by(&place, ByIndex { equals: vec![Part::from("dead letter")], ..named(key!["d"], "t") }).await.len(), 2);
    // Deletions of many.
    for n in 10..20 {
        put(&place, key!["d", n], &json!({ "t": format!("many {n}") })).await;
    }
    let range = Selector { start: Some(key!["d", 10]), ..Selector::prefix(key!["d"]) }.range(None, 1, false).unwrap();
    assert_eq!(place.kv.erase(vec![range], 4).await.unwrap().count, 4);
    assert_eq!((found(&place, key!["d"], "many").await.len(), count(&place, key!["d"]).await), (6, 9));
    let seen = place.kv.get_many(&[key!["d", 15], key!["d", 16]]).await.unwrap();
    let mut seen: Vec<_> = seen.into_iter().flatten().map(|entry| (entry.key, entry.versionstamp)).collect();
    // One that changes between is judged as it is.
    put(&place, key!["d", 16], &json!({ "t": "many changed" })).await;
    seen.push((key!["d", 77], buntime_keyval::Versionstamp::new(1)));
    assert_eq!(place.kv.erase_if(seen, Arc::new(Any)).await.unwrap(), 2);
    assert_eq!((found(&place, key!["d"], "many").await.len(), by(&place, named(key!["d"], "t")).await.len()), (4, 7));
    assert_eq!(count(&place, key!["d"]).await, 7);
}

/// One of each, of what [`fill`] and [`write`] write.
pub(crate) fn all_kinds() -> [Index; 3] {
    [Index::search(key!["k"], ["t"]), Index::sorted(key!["k"], ["n"]), Index::count(key!["k"])]
}

fn some_entry(n: i32, round: i32) -> Value {
    value(&json!({ "t": format!("word{} round{round} same", n % 7), "n": n % 13 }))
}

pub(crate) async fn fill(place: &Place, keys: i32) {
    for some in (0..keys).collect::<Vec<_>>().chunks(500) {
        let write = some.iter().fold(Atomic::new(), |write, n| write.set(key!["k", *n], some_entry(*n, 0)));
        place.kv.commit(write).await.unwrap();
    }
}

/// Sets, deletes, or both.
pub(crate) async fn write(place: &Place, round: i32, keys: i32) {
    let n = (round * 37) % (keys + 50);
    let write = match round % 5 {
        0 => Atomic::new().delete(key!["k", n]),
        1 => Atomic::new().delete(key!["k", n]).set(key!["k", n, "below"], some_entry(n, round)),
        _ => Atomic::new().set(key!["k", n], some_entry(n, round)),
    };
    place.kv.commit(write).await.unwrap();
}

pub(crate) async fn all_become_ready(place: &Place, many: usize) {
    let infos = place.kv.indexes().await.unwrap();
    assert_eq!(infos.len(), many);
    for info in infos {
        let info = place.kv.built(info.id, Duration::from_secs(120)).await.unwrap().unwrap();
        assert_eq!(info.state, IndexState::Ready);
    }
}

/// Everybody writes while indexes are declared: whatever was before and whatever comes between is in them once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_go_on_while_an_index_is_built() {
    writers_go_on_while_an_index_is_built_in(Place::new().await).await;
}

pub(crate) async fn writers_go_on_while_an_index_is_built_in(place: Place) {
    fill(&place, 1500).await;
    let place = Arc::new(place);
    let writer = |at: i32| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            for round in 1..40 {
                write(&place, at * 40 + round, 1500).await;
            }
        })
    };
    let declare = async {
        for index in all_kinds() {
            ready(&place, index).await;
        }
    };
    let (writers, ()) = tokio::join!(join_all((0..8).map(writer)), declare);
    writers.into_iter().for_each(|done| done.unwrap());
    agrees_with_a_scan(&place).await;
}

/// Of every word and number the index says what a look at everything says.
pub(crate) async fn agrees_with_a_scan(place: &Place) {
    let mut there = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let range = Selector::prefix(key!["k"]).range(cursor.as_deref(), 1000, false).unwrap();
        let some = place.kv.snapshot(&[range]).await.unwrap().remove(0);
        let Some(last) = some.last() else { break };
        cursor = Some(buntime_keyval::cursor(&last.key));
        there.extend(some);
    }
    let text = |entry: &Entry| buntime_keyval::json::value_to_json(&entry.value).unwrap();
    assert_eq!(count(place, key!["k"]).await, there.len() as u64);
    for n in 0..13 {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let selected = ByIndex { equals: vec![n.into()], limit: 100, cursor, ..named(key!["k"], "n") };
            let page = place.kv.by_index(&selected).await.unwrap();
            keys.extend(page.entries.into_iter().map(|entry| entry.key));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<Key> =
            there.iter().filter(|entry| text(entry)["n"] == n).map(|entry| entry.key.clone()).collect();
        assert_eq!(keys, expected, "n = {n}");
    }
    for word in ["word0", "word6", "round0", "round7", "same"] {
        let mut keys = Vec::new();
        loop {
            let some = Search { limit: 1000, offset: keys.len(), ..Search::new(key!["k"], word) };
            let hits = place.kv.search(&some, &all).await.unwrap();
            assert!(!hits.building && !hits.truncated);
            if hits.hits.is_empty() {
                break;
            }
            keys.extend(hits.hits.into_iter().map(|hit| hit.entry.key));
        }
        keys.sort_unstable();
        let has = |entry: &&Entry| text(entry)["t"].as_str().unwrap().split(' ').any(|one| one == word);
        let expected: Vec<Key> = there.iter().filter(has).map(|entry| entry.key.clone()).collect();
        assert_eq!(keys, expected, "{word}");
    }
}

/// What is half built when a process ends is gone on with by the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_build_goes_on_after_a_restart() {
    a_build_goes_on_after_a_restart_in(Place::new().await).await;
}

pub(crate) async fn a_build_goes_on_after_a_restart_in(place: Place) {
    fill(&place, 1500).await;
    for index in all_kinds() {
        place.kv.declare(index).await.unwrap();
    }
    // Ended wherever it is.
    let place = place.again().await;
    all_become_ready(&place, 3).await;
    agrees_with_a_scan(&place).await;
}

/// What one node declares is kept by what another writes next, whatever that knew before.
#[tokio::test]
async fn what_another_node_declares_is_honoured() {
    what_another_node_declares_is_honoured_in(Place::new().await).await;
}

pub(crate) async fn what_another_node_declares_is_honoured_in(place: Place) {
    let other = place.another().await;
    let theirs = other.namespace("default", buntime_keyval::Limits::DENO).await.unwrap();
    let text = |text: &str| value(&json!({ "t": text }));
    theirs.commit(Atomic::new().set(key!["k", 0], text("zero"))).await.unwrap();
    let index = Index::search(key!["k"], ["t"]);
    ready(&place, index.clone()).await;
    ready(&place, Index::count(key!["k"])).await;
    ready(&place, Index::sorted(key!["k"], ["t"]).unique()).await;
    theirs.commit(Atomic::new().set(key!["k", 1], text("one"))).await.unwrap();
    assert!(matches!(theirs.commit(Atomic::new().set(key!["k", 2], text("one"))).await, Err(Error::Unique(_))));
    assert_eq!(found(&place, key!["k"], "zero OR one").await.len(), 2);
    assert_eq!((count(&place, key!["k"]).await, theirs.indexes().await.unwrap().len()), (2, 3));
    for info in place.kv.indexes().await.unwrap() {
        assert!(place.kv.undeclare(info.id).await.unwrap());
    }
    theirs.commit(Atomic::new().set(key!["k", 2], text("one"))).await.unwrap();
    ready(&place, index).await;
    theirs.commit(Atomic::new().delete(key!["k", 1])).await.unwrap();
    assert_eq!(found(&place, key!["k"], "one").await, [key!["k", 2]]);
    other.close().await;
}

#[tokio::test]
async fn what_cannot_be_declared_is_refused() {
    let place = Place::new().await;
    let refused = async |index: Index| place.kv.declare(index).await.unwrap_err().to_string();
    let none: [&str; 0] = [];
    assert_eq!(refused(Index::search(key!["a"], none)).await, "At least one field must be specified");
    assert_eq!(refused(Index::search(key!["a"], ["x", "x"])).await, "A field is named twice");
    assert!(refused(Index::search(key!["a"], ["a..b"])).await.contains("`a..b` is no path"));
    let many: Vec<String> = (0..17).map(|n| n.to_string()).collect();
    assert_eq!(refused(Index::search(key!["a"], many)).await, "Too many fields (max 16)");
    assert!(refused(Index::sorted(key!["a"], ["x"]).named("\n")).await.contains("visible"));
    for n in 0..64 {
        place.kv.declare(Index::count(key!["a", n])).await.unwrap();
    }
    assert_eq!(refused(Index::count(key!["b"])).await, "Too many indexes (max 64)");
    let query = place.kv.search(&Search { limit: 1001, ..Search::new(key!["a"], "x") }, &all).await.unwrap_err();
    assert_eq!(query.to_string(), "Too many entries (max 1000)");
}
