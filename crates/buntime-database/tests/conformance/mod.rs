//! What every adapter must do. Each case gets an empty database; adapters' own tests call [`all`].

mod sessions;
mod tenants;
mod together;

use std::{future::Future, sync::Arc};

use buntime_database::{Adapter, Constraint, ErrorKind, Migration, Statement, Value, args};
use futures_util::future::join_all;

/// Runs every case, each on a database of its own that `open` makes.
pub(crate) async fn all<F, Fut>(open: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Arc<dyn Adapter>>,
{
    values(&*open().await).await;
    outcomes(&*open().await).await;
    errors_are_typed(&*open().await).await;
    transactions_are_whole(&*open().await).await;
    expectations(&*open().await).await;
    writing_queries(&*open().await).await;
    reading_only(&*open().await).await;
    reads_see_acknowledged_writes(&*open().await).await;
    a_failure_harms_nobody_else(open().await).await;
    counters_lose_nothing(open().await).await;
    together::plans(open().await).await;
    together::plans_and_counters_are_in_order(open().await).await;
    together::plans_that_fail(&*open().await).await;
    together::transactions_do_not_skew(open().await).await;
    together::nothing_half_is_read(open().await).await;
    together::callers_that_go_away_leave_all_or_nothing(&*open().await).await;
    migrations(&*open().await).await;
    close_is_final(&*open().await).await;
}

/// Tables are made by migrations: their types are the same everywhere.
async fn make(db: &dyn Adapter, sql: &'static str) {
    db.migrate("conformance", &[Migration::new("0001", sql)]).await.unwrap();
}

/// Runs every case of sessions.
pub(crate) async fn sessions<F, Fut>(open: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Arc<dyn Adapter>>,
{
    sessions::transactions(&*open().await).await;
    sessions::transactions_that_only_read(&*open().await).await;
    sessions::what_is_dropped_is_rolled_back(&*open().await).await;
    sessions::descriptions(&*open().await).await;
    sessions::sessions_and_others_take_turns(open().await).await;
    sessions::close_ends_them(&*open().await).await;
}

pub(crate) use tenants::tenants;

async fn table(db: &dyn Adapter) {
    make(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, n INTEGER CHECK (n >= 0))").await;
}

async fn count(db: &dyn Adapter) -> i64 {
    db.query("SELECT count(*) FROM t", args![]).await.unwrap().first().unwrap().at(0).unwrap()
}

async fn values(db: &dyn Adapter) {
    let all = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Real(f64::MIN_POSITIVE),
        Value::from(""),
        Value::from("näïve \u{1F980}"),
        Value::Blob(Vec::new()),
        Value::Blob(vec![0, 255, 0]),
    ];
    for value in all {
        let rows = db.query("SELECT ?1 AS v", vec![value.clone()]).await.unwrap();
        assert_eq!(rows.columns(), ["v"]);
        assert_eq!(rows.into_values(), [[value]]);
    }
    let infinite = db.query("SELECT ?1 AS v", args![f64::INFINITY]).await;
    if db.kind() == "libsql" {
        assert_eq!(infinite.unwrap_err().kind(), ErrorKind::Argument, "JSON has no such number");
    } else {
        assert_eq!(infinite.unwrap().into_values(), [args![f64::INFINITY]]);
    }
    let null = db.query("SELECT ?1 AS v", args!["a\0b"]).await;
    if db.kind() == "postgres" {
        assert_eq!(null.unwrap_err().kind(), ErrorKind::Argument, "PostgreSQL has no such text");
    } else {
        assert_eq!(null.unwrap().into_values(), [["a\0b".into()]]);
    }
    let nan = db.query("SELECT ?1", args![f64::NAN]).await.unwrap_err();
    assert_eq!(nan.kind(), ErrorKind::Argument);
}

async fn reading_only(db: &dyn Adapter) {
    table(db).await;
    db.execute("INSERT INTO t (name) VALUES ('a')", args![]).await.unwrap();
    let rows = db.read_only("SELECT name FROM t WHERE name = ?1", args!["a"]).await.unwrap();
    assert_eq!(rows.into_values(), [["a".into()]]);
    for sql in ["DELETE FROM t", "INSERT INTO t (name) VALUES ('b') RETURNING id", "CREATE TABLE u (x INTEGER)"] {
        assert_eq!(db.read_only(sql, args![]).await.unwrap_err().kind(), ErrorKind::ReadOnly, "{sql}");
    }
    assert_eq!(db.read_only("SELECT x FROM nowhere", args![]).await.unwrap_err().kind(), ErrorKind::Syntax);
    assert_eq!(db.read_only("COMMIT", args![]).await.unwrap_err().kind(), ErrorKind::NotAllowed);
    assert_eq!(count(db).await, 1);
}

async fn outcomes(db: &dyn Adapter) {
    table(db).await;
    let inserted = db.execute("INSERT INTO t (name) VALUES (?1), (?2)", args!["a", "b"]).await.unwrap();
    // PostgreSQL knows no such id; `RETURNING` does.
    let last = if db.kind() == "postgres" { None } else { Some(2) };
    assert_eq!((inserted.affected, inserted.last_insert_id), (2, last));
    let changed = db.execute("UPDATE t SET n = 1", args![]).await.unwrap();
    assert_eq!((changed.affected, changed.last_insert_id), (2, None));
    let none = db.execute("DELETE FROM t WHERE id = 99", args![]).await.unwrap();
    assert_eq!(none.affected, 0);
    let made = db.execute("CREATE TABLE u (x INTEGER)", args![]).await.unwrap();
    assert_eq!(made.affected, 0);
    let rows = db.execute("SELECT id FROM t ORDER BY id", args![]).await.unwrap().rows;
    assert_eq!(rows.into_values(), [[Value::Integer(1)], [Value::Integer(2)]]);
}

async fn errors_are_typed(db: &dyn Adapter) {
    table(db).await;
    db.execute("CREATE TABLE child (t BIGINT REFERENCES t (id))", args![]).await.unwrap();
    db.execute("INSERT INTO t (id, name) VALUES (1, 'a')", args![]).await.unwrap();
    let cases = [
        ("INSERT INTO t (name) VALUES ('a')", ErrorKind::Constraint(Constraint::Unique)),
        ("INSERT INTO t (id, name) VALUES (1, 'b')", ErrorKind::Constraint(Constraint::Unique)),
        ("INSERT INTO t (name) VALUES (NULL)", ErrorKind::Constraint(Constraint::NotNull)),
        ("INSERT INTO t (name, n) VALUES ('c', -1)", ErrorKind::Constraint(Constraint::Check)),
        ("INSERT INTO child VALUES (7)", ErrorKind::Constraint(Constraint::ForeignKey)),
        ("SELEC 1", ErrorKind::Syntax),
        ("SELECT x FROM nowhere", ErrorKind::Syntax),
        ("SELECT nothing FROM t", ErrorKind::Syntax),
        ("", ErrorKind::Syntax),
        ("-- only a remark", ErrorKind::Syntax),
        ("SELECT 1; SELECT 2", ErrorKind::Syntax),
        ("SELECT ?1", ErrorKind::Argument),
        ("BEGIN", ErrorKind::NotAllowed),
        ("COMMIT", ErrorKind::NotAllowed),
        ("ROLLBACK", ErrorKind::NotAllowed),
        ("SAVEPOINT x", ErrorKind::NotAllowed),
    ];
    for (sql, kind) in cases {
        assert_eq!(db.execute(sql, args![]).await.unwrap_err().kind(), kind, "execute {sql}");
        let error = db.query(sql, args![]).await.unwrap_err();
        assert_eq!((error.kind(), error.statement()), (kind, None), "query {sql}");
    }
    assert_eq!(db.query("SELECT 1", args![2]).await.unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(count(db).await, 1);
    db.health().await.unwrap();
}

async fn transactions_are_whole(db: &dyn Adapter) {
    table(db).await;
    let insert = |name: &str| Statement::new("INSERT INTO t (name) VALUES (?1)", args![name]);
    let read = Statement::new("SELECT count(*) FROM t", args![]);
    let outcomes = db.transaction(vec![insert("a"), insert("b"), read]).await.unwrap();
    assert_eq!(outcomes.iter().map(|outcome| outcome.affected).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(outcomes[2].rows.first().unwrap().at::<i64>(0).unwrap(), 2);

    let error = db.transaction(vec![insert("c"), insert("a"), insert("d")]).await.unwrap_err();
    assert_eq!((error.kind(), error.statement()), (ErrorKind::Constraint(Constraint::Unique), Some(1)));
    assert_eq!(count(db).await, 2);
    assert!(db.transaction(vec![]).await.unwrap().is_empty());
}

async fn expectations(db: &dyn Adapter) {
    table(db).await;
    db.execute("INSERT INTO t (name, n) VALUES ('a', 5)", args![]).await.unwrap();
    let swap = |from: i64, to: i64| {
        vec![
            Statement::new("SELECT 1 FROM t WHERE id = 1", args![]).expecting(1),
            Statement::new("UPDATE t SET n = ?1 WHERE id = 1 AND n = ?2", args![to, from]).expecting(1),
            Statement::new("INSERT INTO t (name) VALUES (?1)", args![format!("to {to}")]),
        ]
    };
    db.transaction(swap(5, 6)).await.unwrap();
    let error = db.transaction(swap(5, 7)).await.unwrap_err();
    assert_eq!((error.kind(), error.statement()), (ErrorKind::Expectation, Some(1)));
    assert_eq!(count(db).await, 2);
}

async fn writing_queries(db: &dyn Adapter) {
    table(db).await;
    let rows = db.query("INSERT INTO t (name) VALUES ('a') RETURNING id, name", args![]).await.unwrap();
    assert_eq!(rows.columns(), ["id", "name"]);
    assert_eq!(rows.into_values(), [[Value::Integer(1), Value::from("a")]]);
    assert_eq!(count(db).await, 1);
}

async fn reads_see_acknowledged_writes(db: &dyn Adapter) {
    table(db).await;
    for n in 1..=50 {
        db.execute("INSERT INTO t (name) VALUES (?1)", args![format!("{n}")]).await.unwrap();
        assert_eq!(count(db).await, n);
    }
    let before = db.query("SELECT * FROM t WHERE id = 1", args![]).await.unwrap();
    db.execute("ALTER TABLE t ADD COLUMN late TEXT DEFAULT 'x'", args![]).await.unwrap();
    let after = db.query("SELECT * FROM t WHERE id = 1", args![]).await.unwrap();
    assert_eq!((before.columns().len(), after.columns().len()), (3, 4));
    assert_eq!(after.first().unwrap().get::<String>("late").unwrap(), "x");
}

async fn a_failure_harms_nobody_else(db: Arc<dyn Adapter>) {
    table(&*db).await;
    let tasks = (0..400).map(|n| {
        let db = Arc::clone(&db);
        tokio::spawn(async move {
            let insert = |name: String| Statement::new("INSERT INTO t (name) VALUES (?1)", args![name]);
            match n % 4 {
                0 => db.transaction(vec![insert(format!("lost {n}")), insert(format!("lost {n}"))]).await.is_err(),
                1 => db.execute("INSERT INTO nowhere VALUES (1)", args![]).await.is_err(),
                _ => db.transaction(vec![insert(format!("kept {n}"))]).await.is_ok(),
            }
        })
    });
    for done in join_all(tasks).await {
        assert!(done.unwrap());
    }
    assert_eq!(count(&*db).await, 200);
    let lost = db.query("SELECT name FROM t WHERE name LIKE 'lost%'", args![]).await.unwrap();
    assert!(lost.is_empty());
}

async fn counters_lose_nothing(db: Arc<dyn Adapter>) {
    table(&*db).await;
    db.execute("INSERT INTO t (id, name, n) VALUES (1, 'counter', 0)", args![]).await.unwrap();
    let tasks = (0..50).map(|_| {
        let db = Arc::clone(&db);
        tokio::spawn(async move {
            for _ in 0..10 {
                db.execute("UPDATE t SET n = n + 1 WHERE id = 1", args![]).await.unwrap();
            }
        })
    });
    for done in join_all(tasks).await {
        done.unwrap();
    }
    let rows = db.query("SELECT n FROM t", args![]).await.unwrap();
    assert_eq!(rows.first().unwrap().get::<i64>("n").unwrap(), 500);
}

async fn migrations(db: &dyn Adapter) {
    let first = Migration::new("0001", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);");
    let second = Migration::new("0002", "INSERT INTO t VALUES (2);");
    let done = db.migrate("kv", std::slice::from_ref(&first)).await.unwrap();
    assert_eq!((done.applied, done.already), (vec!["0001".to_owned()], 0));

    let both = [first.clone(), second.clone()];
    let (one, two) = tokio::join!(db.migrate("kv", &both), db.migrate("kv", &both));
    assert_eq!(one.unwrap().applied.len() + two.unwrap().applied.len(), 1, "each is applied once");
    assert_eq!(db.migrate("kv", &both).await.unwrap().already, 2);
    assert_eq!(count(db).await, 2);

    let mut edited = both.clone();
    edited[0].sql = "CREATE TABLE other (id INTEGER)".into();
    assert_eq!(db.migrate("kv", &edited).await.unwrap_err().kind(), ErrorKind::Migration);
    assert_eq!(db.migrate("kv", &both[..1]).await.unwrap_err().kind(), ErrorKind::Migration);

    // A script that fails takes those before it in the same call along.
    let broken = [first, second, Migration::new("0003", "INSERT INTO t VALUES (3)"), Migration::new("0004", "SELEC")];
    let error = db.migrate("kv", &broken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax);
    assert!(error.detail().contains("`0004` of `kv`"), "{error}");
    assert_eq!(count(db).await, 2);

    let escaping = [Migration::new("0001", "CREATE TABLE e (x INTEGER); COMMIT;")];
    assert_eq!(db.migrate("escaping", &escaping).await.unwrap_err().kind(), ErrorKind::NotAllowed);
    assert_eq!(db.query("SELECT * FROM e", args![]).await.unwrap_err().kind(), ErrorKind::Syntax);
    let other = [Migration::new("0001", "CREATE TABLE u (x INTEGER)")];
    assert_eq!(db.migrate("other component", &other).await.unwrap().applied.len(), 1);
}

async fn close_is_final(db: &dyn Adapter) {
    table(db).await;
    db.health().await.unwrap();
    db.close().await;
    db.close().await;
    assert_eq!(db.execute("SELECT 1", args![]).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(db.query("SELECT 1", args![]).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(db.migrate("x", &[]).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(db.health().await.unwrap_err().kind(), ErrorKind::Closed);
}
