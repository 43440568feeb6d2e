//! What the database does with the statements of indexes: it looks up, and goes through nothing that grows.
//!
//! SQLite chooses without statistics, and chose otherwise from version to version; so it is asked.

use buntime_database::{
    Adapter, Next, Plan, Statement,
    sqlite::{Options, Sqlite},
};

use super::{
    Index, IndexInfo, IndexKind, IndexState,
    declared::{Declared, Live},
    find::candidates::Candidates,
    maintain::{Documents, Written},
};
use crate::{
    Tokenizer, Value,
    engine::schema,
    fields::FieldPath,
    key,
    search::{query, rank::Lookups},
    structured::Structured,
};

fn live(id: i64, index: Index) -> Live {
    let fields = index.kind.fields().iter().map(|field| FieldPath::new(field).unwrap()).collect();
    let info = IndexInfo { id, index, state: IndexState::Ready, entries: None, created_at: 0 };
    Live { info, ns: 1, fields, reached: None, built: 0 }
}

async fn looked_at(database: &Sqlite, statement: &Statement) -> Vec<String> {
    let rows = database.query(&format!("EXPLAIN QUERY PLAN {}", statement.sql), statement.args.clone()).await;
    let rows = rows.unwrap_or_else(|error| panic!("{}: {error}", statement.sql));
    rows.iter().map(|row| row.at(3).unwrap()).collect()
}

/// Everything is found by more than the number of its index or namespace.
async fn check(database: &Sqlite, statements: &[Statement]) {
    for statement in statements {
        for line in looked_at(database, statement).await {
            // What is bounded: the candidates of a search, a count that stops, what is inserted.
            let bounded = line == "SCAN f"
                || line.starts_with("SCAN some")
                || line.contains("CONSTANT ROW")
                || line.contains("VALUES CLAUSE");
            let through = line.starts_with("SCAN") && !bounded;
            let all = line.ends_with("(idx=?)") || line.ends_with("(ns=?)");
            assert!(!through && !all && !line.contains("AUTOMATIC"), "{line}: {}", statement.sql);
        }
    }
}

#[tokio::test]
async fn nothing_that_grows_is_gone_through() {
    let database = Sqlite::open(Options::memory()).await.unwrap();
    schema::migrate(&database).await.unwrap();
    let search = Index::search(key!["k"], ["t", "u"]);
    let all = [live(1, search), live(2, Index::sorted(key!["k"], ["t"]).unique()), live(3, Index::count(key!["k"]))];
    let declared = Declared { shape: 1, quota: None, indexes: all.into_iter().map(Into::into).collect() };
    let keys: Vec<_> = (0..70).map(|n| key!["k", n]).collect();
    let text = Structured::Object(vec![("t".into(), Structured::String("some words".into()))]);
    let value = Value::V8(text.encode().into());
    for many in [1, 2, 70] {
        let written: Vec<_> = keys.iter().take(many).map(|key| Written::new(key, Some(&value))).collect();
        let mut statements = Vec::new();
        declared.before(1, &written, &mut statements);
        declared.with(&written, 7, &Documents::default(), &mut statements).unwrap();
        declared.gone(1, &keys.iter().take(many).collect::<Vec<_>>(), &mut statements);
        statements.extend(declared.probes(1, 0, &written[..1]).unwrap());
        check(&database, &statements).await;
    }
}

#[tokio::test]
async fn a_search_looks_up_what_it_needs() {
    let database = Sqlite::open(Options::memory()).await.unwrap();
    schema::migrate(&database).await.unwrap();
    let index = live(1, Index::search(key!["k"], ["t", "u"]));
    let IndexKind::Search { tokenizer, .. } = index.info.index.kind else { panic!("it is one") };
    for text in
        ["a", "a b", "\"a b\" c*", "a OR b", "a* b*", "a NOT (b OR c*)", "t:a u:(b OR \"c d\"*) e", "(a b) OR (a c*)"]
    {
        let query = query::parse(text, &index.fields, tokenizer).unwrap();
        let lookups = Lookups::of(&query);
        for prefix in [key!["k"], key!["k", "below"]] {
            let candidates = Candidates::new(&index, &query, &lookups, &prefix).unwrap();
            let (counting, args) = candidates.counting();
            check(&database, &[Statement::new(counting, args)]).await;
            let (finding, args) = candidates.finding(&vec![1; lookups.0.len()], 10);
            check(&database, &[Statement::new(finding, args)]).await;
        }
    }
    assert_eq!(tokenizer, Tokenizer::Unicode61);
}

/// What is removed goes in the order in which it lies there.
#[tokio::test]
async fn a_removed_index_is_taken_out_in_its_order() {
    let database = Sqlite::open(Options::memory()).await.unwrap();
    schema::migrate(&database).await.unwrap();
    let Next::Run(statements) = super::backfill::ClearPlan(1).next(&[]).unwrap() else { panic!("it begins") };
    for statement in &statements {
        let lines = looked_at(&database, statement).await;
        assert!(lines[0].starts_with("SEARCH") && lines[0].contains(" AND "), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("TEMP B-TREE") || line.starts_with("SCAN kv")), "{lines:?}");
    }
}
