//! Indexes: declared, filled, listed by, removed.

use std::time::Duration;

use buntime_keyval::{
    Atomic, ByIndex, Edge, Error, Exceeded, Index, IndexInfo, IndexState, Key, Page, Part, Selector, Store, Tokenizer,
    Value, What, key,
};
use serde_json::json;

use crate::world::{on_both, value};

on_both! {
    they_are_declared_and_removed,
    what_cannot_be_declared_is_refused,
    what_is_not_unique_is_failed,
    entries_are_listed_by_their_values,
    counts_are_kept,
}

const LONG: Duration = Duration::from_secs(60);

async fn fill(store: &Store) {
    let all = [(1, "b", 5), (2, "a", 50), (3, "b", 7)].map(|(n, tag, age)| (n, json!({ "tag": tag, "age": age })));
    let write = all.iter().fold(Atomic::new(), |write, (n, json)| write.set(key!["users", *n], value(json)));
    store.write(write).await.unwrap();
}

async fn ready(store: &Store, index: Index) -> IndexInfo {
    let declared = store.declare(index.clone()).await.unwrap();
    let built = store.built(declared.id, LONG).await.unwrap().expect("it is there");
    assert_eq!((&built.index, &built.state), (&index, &IndexState::Ready));
    built
}

async fn they_are_declared_and_removed(store: Store) {
    fill(&store).await;
    assert!(store.indexes().await.unwrap().is_empty());
    let search =
        ready(&store, Index::search(key!["users"], ["tag", "\"a.b\"[0]"]).with_tokenizer(Tokenizer::Porter)).await;
    let sorted = ready(&store, Index::sorted(key!["users"], ["tag", "age"]).named("tägs / 1")).await;
    let unique = ready(&store, Index::sorted(key!["users", true], ["age"]).unique()).await;
    let count = ready(&store, Index::count(key!["users"])).await;
    let everything = ready(&store, Index::count(Key::default())).await;
    assert_eq!([search.entries, sorted.entries, count.entries, everything.entries], [Some(3), None, Some(3), Some(3)]);
    assert!(count.created_at >= search.created_at && search.created_at > 0);
    let all = store.indexes().await.unwrap();
    assert_eq!(all, [everything, search.clone(), sorted.clone(), count, unique]);

    // The same again is that one; another at its place is another.
    assert_eq!(store.declare(search.index.clone()).await.unwrap(), search);
    let other = ready(&store, Index::search(key!["users"], ["tag"])).await;
    assert_ne!(other.id, search.id);
    assert_eq!(store.built(search.id, LONG).await.unwrap(), None);
    let removed = async |id| store.undeclare(id).await.unwrap();
    assert_eq!((removed(sorted.id).await, removed(sorted.id).await, removed(-1).await), (true, false, false));
    assert_eq!(store.indexes().await.unwrap().len(), 4);
}

async fn what_cannot_be_declared_is_refused(store: Store) {
    let refused = async |index: Index| store.declare(index).await.unwrap_err();
    let limit = |what, most| Error::Limit(Exceeded { what, most });
    let fields = |many: u32| (0..many).map(|n| format!("f{n}"));
    assert_eq!(refused(Index::search(key!["a"], fields(17))).await, limit(What::Fields, 16));
    assert_eq!(refused(Index::sorted(key!["a"], fields(9)).named("n")).await, limit(What::Fields, 8));
    assert_eq!(refused(Index::sorted(key!["a"], ["f"]).named("n".repeat(257))).await, limit(What::Name, 256));
    assert_eq!(refused(Index::count(key!["x".repeat(3000)])).await, limit(What::WrittenKey, 2048));
    let invalid = |words: &'static str| Error::Invalid(words.into());
    assert_eq!(refused(Index::search::<&str>(key!["a"], [])).await, invalid("At least one field must be specified"));
    assert_eq!(refused(Index::search(key!["a"], ["f", "f"])).await, invalid("A field is named twice"));
    assert_eq!(
        refused(Index::sorted(key!["a"], ["f"]).named("")).await,
        invalid("An index is named by visible characters")
    );
    assert!(matches!(refused(Index::search(key!["a"], ["a["])).await, Error::Invalid(_)));
    for n in 0..64_u32 {
        store.declare(Index::count(key!["many", n])).await.unwrap();
    }
    assert_eq!(refused(Index::count(key!["another"])).await, Error::Refused("Too many indexes (max 64)".into()));
}

async fn what_is_not_unique_is_failed(store: Store) {
    fill(&store).await;
    let unique = Index::sorted(key!["users"], ["tag"]).unique();
    let declared = store.declare(unique.clone()).await.unwrap();
    let built = store.built(declared.id, LONG).await.unwrap().expect("it is there");
    let IndexState::Failed(why) = &built.state else { panic!("{built:?}") };
    assert!(why.contains("[\"users\", 1]") && why.contains("[\"users\", 3]"), "{why}");
    let words = format!("The index `tag` of [\"users\"] could not be built: {why}");
    assert_eq!(store.by_index(&by("tag")).await, Err(Error::NoIndex(words.into())));
    store.delete(key!["users", 3]).await.unwrap();
    ready(&store, unique).await;
}

fn by(name: &str) -> ByIndex {
    ByIndex { prefix: key!["users"], name: name.into(), limit: 10, ..ByIndex::default() }
}

fn keys(page: &Page) -> Vec<Key> {
    page.entries.iter().map(|entry| entry.key.clone()).collect()
}

fn users(numbers: &[i32]) -> Vec<Key> {
    numbers.iter().map(|n| key!["users", *n]).collect()
}

async fn entries_are_listed_by_their_values(store: Store) {
    fill(&store).await;
    let big = json!({ "tag": { "__type": "bigint", "value": "123456789012345678901234567890" }, "age": -0.5 });
    let stamp = store.write(Atomic::new().set(key!["users", 4], value(&big))).await.unwrap();
    ready(&store, Index::sorted(key!["users"], ["age"])).await;
    ready(&store, Index::sorted(key!["users"], ["tag", "age"]).named("both")).await;
    let listed = async |by: ByIndex| keys(&store.by_index(&by).await.unwrap());
    let edge = |value: Part, included| Some(Edge { value, included });
    assert_eq!(listed(by("age")).await, users(&[4, 1, 3, 2]));
    assert_eq!(listed(ByIndex { reverse: true, ..by("age") }).await, users(&[2, 3, 1, 4]));
    let between = ByIndex { from: edge(5.into(), false), to: edge(50.into(), true), ..by("age") };
    assert_eq!(listed(between.clone()).await, users(&[3, 2]));
    let between = ByIndex { from: edge((-0.5).into(), true), to: edge(50.into(), false), ..between };
    assert_eq!(listed(between).await, users(&[4, 1, 3]));
    let of_b = ByIndex { equals: vec!["b".into()], ..by("both") };
    assert_eq!(listed(of_b.clone()).await, users(&[1, 3]));
    assert_eq!(listed(ByIndex { from: edge(7.into(), true), ..of_b.clone() }).await, users(&[3]));
    assert_eq!(listed(ByIndex { equals: vec!["b".into(), 5.into()], ..by("both") }).await, users(&[1]));
    let texts = ByIndex { from: edge("a".into(), true), to: edge("b".into(), false), ..by("both") };
    assert_eq!(listed(texts).await, users(&[2]));
    let large: Part = 123_456_789_012_345_678_901_234_567_890_i128.into();
    let found = store.by_index(&ByIndex { equals: vec![large], ..by("both") }).await.unwrap();
    assert_eq!((keys(&found), &found.entries[0].value), (users(&[4]), &value(&big)));
    assert_eq!(found.entries[0].versionstamp, stamp);
    assert!(listed(ByIndex { equals: vec![f64::NAN.into()], ..by("both") }).await.is_empty());

    // Page by page.
    let (mut asked, mut seen) = (ByIndex { limit: 3, ..by("age") }, Vec::new());
    loop {
        let page = store.by_index(&asked).await.unwrap();
        seen.extend(keys(&page));
        asked.cursor = page.cursor;
        if asked.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, users(&[4, 1, 3, 2]));
    let nothing = Page { entries: Vec::new(), cursor: None };
    assert_eq!(store.by_index(&ByIndex { limit: 0, ..by("age") }).await, Ok(nothing));

    let wrong = async |by: ByIndex| store.by_index(&by).await.unwrap_err();
    let none = "There is no sorted index `none` of [\"users\"]";
    assert_eq!(wrong(by("none")).await, Error::NoIndex(none.into()));
    assert_eq!(wrong(ByIndex { limit: 0, ..by("none") }).await, Error::NoIndex(none.into()));
    let most = Error::Limit(Exceeded { what: What::Entries, most: 1000 });
    assert_eq!(wrong(ByIndex { limit: 1001, ..by("age") }).await, most);
    let cursor = |cursor: &str| ByIndex { cursor: Some(cursor.into()), ..by("age") };
    assert_eq!(wrong(cursor("!")).await, Error::InvalidCursor("Cursor is not one of this index".into()));
    assert_eq!(wrong(cursor("AAH_")).await, Error::InvalidCursor("Cursor out of bounds".into()));
    let fields = Error::Invalid("The index has only 1 fields".into());
    assert_eq!(wrong(ByIndex { equals: vec![1.into(), 2.into()], ..by("age") }).await, fields);
}

async fn counts_are_kept(store: Store) {
    fill(&store).await;
    let counted = async || store.count(&Selector::prefix(key!["users"])).await.unwrap();
    assert_eq!(counted().await, 3);
    ready(&store, Index::count(key!["users"])).await;
    assert_eq!(counted().await, 3);
    store.write(Atomic::new().delete(key!["users", 1]).set(key!["users", 7, "x"], Value::U64(1))).await.unwrap();
    store.delete(key!["users", 2]).await.unwrap();
    assert_eq!((counted().await, store.indexes().await.unwrap()[0].entries), (2, Some(2)));
}
