//! Search is held against SQLite's FTS5, which is another implementation of the same: of random texts and queries both
//! find the same, and rank it by the same numbers.

use std::{collections::BTreeMap, sync::Arc};

use buntime_database::{
    Adapter, args,
    sqlite::{Options as File, Sqlite},
};
use buntime_keyval::{
    Atomic, Engine, Key, Limits, Options, Part, Tokenizer,
    engine::{Index, Search},
    json::value_from_json,
    key,
};
use proptest::prelude::*;
use serde_json::json;

/// Words of one letter or two make many matches; some differ only in case, accents or endings.
const WORDS: [&str; 14] =
    ["a", "A", "b", "bb", "c", "é", "e", "É", "run", "running", "runs", "connected", "connection", "x-y"];

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(WORDS.as_slice()).prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec((word(), prop::sample::select([" ", ", ", "  ", ". "].as_slice())), 0..12)
        .prop_map(|all| all.into_iter().map(|(word, gap)| word + gap).collect())
}

/// A query as both understand it: FTS5 wants words with signs in quotes, and operators around parentheses.
fn query() -> impl Strategy<Value = String> {
    let plain = || prop::sample::select(&WORDS[..13]).prop_map(str::to_owned);
    let phrase = prop::collection::vec(word(), 1..4).prop_map(|words| format!("\"{}\"", words.join(" ")));
    let one = prop_oneof![4 => plain(), 2 => phrase];
    let one = (prop::sample::select(["", "", "", "title:", "body:"].as_slice()), one, any::<bool>(), any::<bool>());
    let one = one.prop_map(|(field, one, star, really)| {
        let star = if star && really { "*" } else { "" };
        format!("{field}{one}{star}")
    });
    let run = prop::collection::vec(one, 1..3).prop_map(|all| all.join(" "));
    run.prop_recursive(3, 12, 2, |inner| {
        let side = prop_oneof![inner.clone(), inner.prop_map(|inner| format!("({inner})"))];
        (side.clone(), prop::sample::select(["AND", "OR", "NOT"].as_slice()), side)
            .prop_map(|(left, with, right)| format!("{left} {with} {right}"))
    })
}

/// Both with the same texts.
struct Both {
    ours: buntime_keyval::Namespace,
    _engine: Engine,
    theirs: Arc<Sqlite>,
}

impl Both {
    async fn new(texts: &[(String, String)], tokenizer: Tokenizer, first: bool) -> Self {
        let theirs = Arc::new(Sqlite::open(File::memory()).await.unwrap());
        let tokenize = tokenizer.name();
        let table = format!("CREATE VIRTUAL TABLE t USING fts5(title, body, tokenize = '{tokenize}')");
        theirs.execute(&table, args![]).await.unwrap();
        let database = Arc::new(Sqlite::open(File::memory()).await.unwrap());
        let engine = Engine::open(database, Options::default()).await.unwrap();
        let ours = engine.namespace("default", Limits::DENO).await.unwrap();
        let index = Index::search(key!["t"], ["title", "body"]).with_tokenizer(tokenizer);
        if first {
            ours.declare(index.clone()).await.unwrap();
        }
        for (n, (title, body)) in (0_i32..).zip(texts) {
            let value = value_from_json(&json!({ "title": title, "body": body }), None).unwrap();
            ours.commit(Atomic::new().set(key!["t", n], value)).await.unwrap();
            let insert = "INSERT INTO t (rowid, title, body) VALUES (?1, ?2, ?3)";
            theirs.execute(insert, args![n, title.as_str(), body.as_str()]).await.unwrap();
        }
        if !first {
            ours.declare(index).await.unwrap();
        }
        Self { ours, _engine: engine, theirs }
    }

    /// What each finds, with its score.
    async fn find(&self, query: &str) -> (BTreeMap<i64, f64>, BTreeMap<i64, f64>) {
        let search = Search { limit: 1000, ..Search::new(key!["t"], query) };
        let hits = self.ours.search(&search, &|_| true).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        let ours = hits.hits.iter().map(|hit| (number(&hit.entry.key), hit.score)).collect();
        let sql = "SELECT rowid, -bm25(t) FROM t WHERE t MATCH ?1";
        let rows = self.theirs.query(sql, args![query]).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        (ours, rows.iter().map(|row| (row.at(0).unwrap(), row.at(1).unwrap())).collect())
    }
}

fn number(key: &Key) -> i64 {
    match key.parts().last() {
        Some(Part::Number(number)) => *number as i64,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn both_find_the_same(
        texts in prop::collection::vec((text(), text()), 1..12),
        queries in prop::collection::vec(query(), 1..24),
        tokenizer in prop::sample::select(Tokenizer::ALL.as_slice()),
        first in any::<bool>(),
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let both = Both::new(&texts, tokenizer, first).await;
            for query in &queries {
                let (ours, theirs) = both.find(query).await;
                let (ours, theirs): (Vec<_>, Vec<_>) = (ours.into_keys().collect(), theirs.into_keys().collect());
                prop_assert_eq!(ours, theirs, "{} by {}", query, tokenizer.name());
            }
            Ok(())
        })?;
    }

    /// Of single words, whose numbers are known exactly. (What has no word at all is a document to FTS5, and not to us.)
    #[test]
    fn both_rank_by_the_same_numbers(texts in prop::collection::vec((text(), text()), 1..12), words in prop::sample::subsequence(&["a", "b", "c", "e", "run"][..], 1..5)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let texts: Vec<_> = texts.into_iter().map(|(title, body)| (title, format!("{body}z"))).collect();
            let both = Both::new(&texts, Tokenizer::Porter, true).await;
            let (ours, theirs) = both.find(&words.join(" OR ")).await;
            prop_assert_eq!(ours.len(), theirs.len());
            for (document, score) in &ours {
                prop_assert!((score - theirs[document]).abs() < 1e-9, "{}: {} and {}", document, score, theirs[document]);
            }
            Ok(())
        })?;
    }
}
