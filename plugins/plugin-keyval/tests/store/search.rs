//! Searching.

use buntime_keyval::{Atomic, Error, Exceeded, Hits, Index, Key, Search, Snippet, Store, Tokenizer, What, key};
use serde_json::json;

use crate::world::{on_both, value};

on_both! {
    what_is_declared_is_found,
    what_was_found_is_marked,
    only_what_a_filter_means_is_found,
    what_cannot_be_understood_is_told_alike,
}

async fn fill(store: &Store) {
    let posts = [(1, "Red <wine>", "Ada", 5), (2, "White wines & wine", "Grace", 50), (3, "Beer", "Ada", 7)];
    let post = |(n, title, author, views)| {
        (key!["posts", n], value(&json!({ "title": title, "author": { "name": author }, "views": views })))
    };
    let write = posts.map(post).into_iter().fold(Atomic::new(), |write, (key, value)| write.set(key, value));
    store.write(write).await.unwrap();
    let index = Index::search(key!["posts"], ["title", "author.name"]).with_tokenizer(Tokenizer::Porter);
    store.declare(index).await.unwrap();
}

fn search(query: &str) -> Search {
    Search::new(key!["posts"], query)
}

fn keys(hits: &Hits) -> Vec<Key> {
    hits.hits.iter().map(|hit| hit.entry.key.clone()).collect()
}

fn posts(numbers: &[i32]) -> Vec<Key> {
    numbers.iter().map(|n| key!["posts", *n]).collect()
}

async fn what_is_declared_is_found(store: Store) {
    fill(&store).await;
    let found = async |search: Search| store.search(&search).await.unwrap();
    let wine = found(search("wine")).await;
    assert_eq!((keys(&wine), wine.building, wine.truncated), (posts(&[2, 1]), false, false));
    assert!(wine.hits[0].score > wine.hits[1].score && wine.hits[1].score > 0.0);
    assert_eq!(
        Some(wine.hits[0].entry.versionstamp),
        store.get(&key!["posts", 2]).await.unwrap().map(|e| e.versionstamp)
    );
    assert!(wine.hits.iter().all(|hit| hit.snippets.is_empty()));
    assert_eq!(keys(&found(search("author.name:ada NOT \"red wine\"")).await), posts(&[3]));
    assert_eq!(keys(&found(Search { limit: 1, ..search("wine") }).await), posts(&[2]));
    assert_eq!(keys(&found(Search { offset: 1, ..search("wine") }).await), posts(&[1]));
    assert_eq!(found(Search { limit: 0, ..search("wine") }).await, Hits::default());
    assert_eq!(keys(&found(Search::new(key!["posts", 1], "wine")).await), posts(&[]), "below it is nothing");
    store
        .write(Atomic::new().delete(key!["posts", 2]).set(key!["posts", 3, "x"], value(&json!("wine"))))
        .await
        .unwrap();
    assert_eq!(keys(&found(search("wine")).await), posts(&[1]));
}

async fn what_was_found_is_marked(store: Store) {
    fill(&store).await;
    let long = format!("{}red wine{}", "word ".repeat(100), " word".repeat(100));
    store.set(key!["posts", 4], &std::collections::BTreeMap::from([("title", long)])).await.unwrap();
    let hits = store.search(&Search { highlight: true, ..search("red OR grace") }).await.unwrap().hits;
    let mut snippets: Vec<_> = hits.into_iter().map(|hit| (hit.entry.key, hit.snippets)).collect();
    snippets.sort_by(|one, other| one.0.cmp(&other.0));
    let piece = |text: &str, marked| (text.to_owned(), marked);
    let title = Snippet {
        field: "title".into(),
        pieces: vec![piece("Red", true), piece(" <wine>", false)],
        before: false,
        after: false,
    };
    let author =
        Snippet { field: "author.name".into(), pieces: vec![piece("Grace", true)], before: false, after: false };
    assert_eq!(snippets[..2], [(key!["posts", 1], vec![title]), (key!["posts", 2], vec![author])]);
    let [cut] = &snippets[2].1[..] else { panic!("{snippets:?}") };
    assert!(cut.before && cut.after && cut.html().contains("word <mark>red</mark> wine"), "{cut:?}");
}

async fn only_what_a_filter_means_is_found(store: Store) {
    fill(&store).await;
    let of = async |filter| store.search_where(&search("wine OR beer"), &filter).await;
    assert_eq!(keys(&of(json!({ "views": { "$gt": 6 } })).await.unwrap()), posts(&[3, 2]));
    assert_eq!(keys(&of(json!({ "views": { "$gt": { "$now": true } } })).await.unwrap()), posts(&[]));
    assert_eq!(of(json!({})).await.unwrap().hits.len(), 3);
    let wrong = of(json!({ "views": { "$equals": 6 } })).await.unwrap_err();
    assert!(matches!(&wrong, Error::Invalid(words) if words.contains("`$equals`")), "{wrong:?}");
    let typed = of(json!({ "views": { "$eq": { "__type": "mine" } } })).await.unwrap_err();
    assert!(matches!(&typed, Error::InvalidValue(words) if words.contains("\"mine\"")), "{typed:?}");
}

async fn what_cannot_be_understood_is_told_alike(store: Store) {
    let wrong = async |search: Search| store.search(&search).await.unwrap_err();
    let none = Error::NoIndex("There is no search index of [\"posts\"]".into());
    assert_eq!(wrong(search("wine")).await, none);
    fill(&store).await;
    let query = |at, words: &'static str| Error::Query { at, words: words.into() };
    assert_eq!(wrong(search("red AND OR")).await, query(9, "a word is missing before this OR"));
    assert_eq!(wrong(search(" ")).await, query(2, "it ends where a word is missing"));
    assert_eq!(wrong(search("")).await, query(1, "there is no word in it"));
    let limit = |what, most| Error::Limit(Exceeded { what, most });
    assert_eq!(wrong(search(&"x".repeat(2001))).await, limit(What::Query, 2000));
    assert_eq!(wrong(Search { limit: 1001, ..search("wine") }).await, limit(What::Entries, 1000));
    assert_eq!(wrong(Search { offset: 10_001, ..search("wine") }).await, limit(What::Entries, 10_000));
}
