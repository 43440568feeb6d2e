//! The SQLite adapter: what every adapter must do, and what is its own.

mod conformance;

use std::{sync::Arc, time::Duration};

use buntime_database::{
    Adapter, Constraint, ErrorKind, Statement, Value, args,
    sqlite::{Options, Sqlite},
};
use futures_util::{FutureExt, future::join_all};
use proptest::prelude::*;
use tempfile::TempDir;

async fn open(dir: &TempDir) -> Arc<Sqlite> {
    Arc::new(Sqlite::open(Options::in_dir(dir.path())).await.unwrap())
}

async fn count(db: &Sqlite) -> i64 {
    db.query("SELECT count(*) FROM t", args![]).await.unwrap().first().unwrap().at(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_in_a_file() {
    let dir = TempDir::new().unwrap();
    let at = std::sync::atomic::AtomicUsize::new(0);
    let open = || async {
        let name = format!("{}.db", at.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        Arc::new(Sqlite::open(Options::file(dir.path().join(name))).await.unwrap()) as Arc<dyn Adapter>
    };
    conformance::all(open).await;
    conformance::sessions(open).await;
    conformance::tenants(Sqlite::tenants(&Options::in_dir(dir.path())).unwrap()).await;
}

/// Whoever goes away does not keep the writer from others.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_nobody_waits_for_is_given_up() {
    let dir = TempDir::new().unwrap();
    let db = open(&dir).await;
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    let endless = "INSERT INTO t WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n";
    let gone = tokio::time::timeout(Duration::from_millis(200), db.execute(endless, args![])).await;
    assert!(gone.is_err());
    let begun = std::time::Instant::now();
    let others = (0..20).map(|n| db.execute("INSERT INTO t VALUES (?1)", args![n]));
    assert!(join_all(others).await.iter().all(Result::is_ok));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(count(&db).await, 20);
}

/// A session that thinks for too long loses its transaction, and learns of it; the writer goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_nobody_from_writing_for_long() {
    let dir = TempDir::new().unwrap();
    let options = Options::in_dir(dir.path()).with_session_hold(Duration::from_millis(200)).with_sessions(2);
    let db = Sqlite::open(options).await.unwrap();
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    let mut session = db.session().await.unwrap();
    let run = |sql: &str| Statement::new(sql, args![]);
    session.execute(run("BEGIN IMMEDIATE")).await.unwrap();
    session.execute(run("INSERT INTO t VALUES (1)")).await.unwrap();
    // Waits until the session's time is over.
    db.execute("INSERT INTO t VALUES (2)", args![]).await.unwrap();
    assert_eq!(count(&db).await, 1);
    let error = session.execute(run("COMMIT")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    session.execute(run("INSERT INTO t VALUES (3)")).await.unwrap();
    assert_eq!(count(&db).await, 2);

    // Nor for longer by a statement that runs.
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    session.execute(run("BEGIN IMMEDIATE")).await.unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(session.execute(run(endless)).await.unwrap_err().kind(), ErrorKind::Timeout);
    db.execute("INSERT INTO t VALUES (4)", args![]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    let _second = db.session().await.unwrap();
    assert_eq!(db.session().await.unwrap_err().kind(), ErrorKind::Busy);
    let memory = Sqlite::open(Options::memory()).await.unwrap();
    assert_eq!(memory.session().await.unwrap_err().kind(), ErrorKind::NotAllowed);
}

/// What only reads has a limit, too: the log cannot be folded into the file meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn no_transaction_is_open_for_ever() {
    let dir = TempDir::new().unwrap();
    let db = Sqlite::open(Options::in_dir(dir.path()).with_session_age(Duration::from_millis(200))).await.unwrap();
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    let mut session = db.session().await.unwrap();
    let begun = std::time::Instant::now();
    let mut ask = async |sql: &str| session.execute(Statement::new(sql, args![])).await;
    ask("BEGIN").await.unwrap();
    let error = loop {
        match ask("SELECT count(*) FROM t").await {
            Ok(_) => assert!(begun.elapsed() < Duration::from_secs(10), "it goes on for ever"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    // The next has time of its own.
    for sql in ["BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"] {
        ask(sql).await.unwrap();
    }
    assert_eq!(count(&db).await, 1);
}

#[tokio::test]
async fn conforms_in_memory() {
    conformance::all(|| async { Arc::new(Sqlite::open(Options::memory()).await.unwrap()) as Arc<dyn Adapter> }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_committed_together() {
    let dir = TempDir::new().unwrap();
    let db = open(&dir).await;
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    join_all((0..1000).map(|n| db.execute("INSERT INTO t VALUES (?1)", args![n])))
        .await
        .into_iter()
        .for_each(|done| assert_eq!(done.unwrap().affected, 1));
    let stats = db.stats();
    assert_eq!(stats.requests, 1001);
    assert!(stats.commits < 500, "{stats:?}");
    assert_eq!(count(&db).await, 1000);
}

/// Each of these loses the whole group's transaction; the others must not notice.
#[tokio::test(flavor = "multi_thread")]
async fn what_loses_a_group_loses_only_itself() {
    let dir = TempDir::new().unwrap();
    let db = open(&dir).await;
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)", args![]).await.unwrap();
    db.execute("CREATE TABLE c (t INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)", args![]).await.unwrap();
    db.execute("INSERT INTO t VALUES (0)", args![]).await.unwrap();
    let done = join_all((0..300).map(|n| {
        let db = &db;
        async move {
            match n % 30 {
                7 => {
                    let error = db.execute("INSERT OR ROLLBACK INTO t VALUES (0)", args![]).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Constraint(Constraint::Unique));
                }
                19 => {
                    let error = db.execute("INSERT INTO c VALUES (-1)", args![]).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Constraint(Constraint::ForeignKey));
                }
                _ => {
                    db.execute("INSERT INTO t VALUES (?1)", args![n + 1]).await.unwrap();
                    return 1;
                }
            }
            0
        }
    }))
    .await;
    assert_eq!(count(&db).await, 1 + done.into_iter().sum::<i64>());
    assert!(db.query("SELECT * FROM c", args![]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_go_away_leave_all_or_nothing() {
    let dir = TempDir::new().unwrap();
    let db = open(&dir).await;
    db.execute("CREATE TABLE t (pair INTEGER)", args![]).await.unwrap();
    let pair = |n: i64| {
        let insert = Statement::new("INSERT INTO t VALUES (?1)", args![n]);
        vec![insert.clone(), insert]
    };
    for n in 0..200 {
        let mut asked = Box::pin(db.transaction(pair(n)));
        // Polled once, so that it is on its way, and dropped.
        assert!((&mut asked).now_or_never().is_none_or(|done| done.is_ok()));
        drop(asked);
        drop(db.query("SELECT count(*) FROM t", args![]).now_or_never());
    }
    db.transaction(pair(1000)).await.unwrap();
    let halves = db.query("SELECT pair FROM t GROUP BY pair HAVING count(*) <> 2", args![]).await.unwrap();
    assert!(halves.is_empty(), "{halves:?}");
    db.health().await.unwrap();
}

const ENDLESS: &str = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT sum(n) FROM c";

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_query_frees_its_reader() {
    let dir = TempDir::new().unwrap();
    let db = Sqlite::open(Options::in_dir(dir.path()).with_readers(1)).await.unwrap();
    let mut endless = Box::pin(db.query(ENDLESS, args![]));
    assert!((&mut endless).now_or_never().is_none());
    drop(endless);
    // The only reader: it answers once it has given up on the first.
    tokio::time::timeout(Duration::from_secs(20), db.query("SELECT 1", args![])).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_reads_on_and_on_lets_others_run() {
    let dir = TempDir::new().unwrap();
    let db = open(&dir).await;
    let others = tokio::spawn(async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
    // Each is ready at once.
    while !others.is_finished() {
        assert_eq!(db.query("SELECT 1", args![]).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_its_time() {
    let dir = TempDir::new().unwrap();
    let options = Options::in_dir(dir.path()).with_statement_timeout(Duration::from_millis(50));
    let db = Sqlite::open(options).await.unwrap();
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    assert_eq!(db.query(ENDLESS, args![]).await.unwrap_err().kind(), ErrorKind::Timeout);
    let endless = format!("INSERT INTO t {ENDLESS}");
    let (slow, quick, other) = tokio::join!(
        db.execute(&endless, args![]),
        db.execute("INSERT INTO t VALUES (1)", args![]),
        db.execute("INSERT INTO t VALUES (2)", args![]),
    );
    assert_eq!(slow.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!((quick.unwrap().affected, other.unwrap().affected), (1, 1));
    assert_eq!(count(&db).await, 2);
}

#[tokio::test]
async fn results_have_a_limit() {
    let db = Sqlite::open(Options::memory().with_max_result_bytes(10_000)).await.unwrap();
    let error = db.query("SELECT zeroblob(20000)", args![]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooBig);
    assert!(error.detail().contains("LIMIT"), "{error}");
}

#[tokio::test]
async fn what_would_reach_other_callers_is_refused() {
    let dir = TempDir::new().unwrap();
    let db = open(&dir).await;
    let other = dir.path().join("other.db");
    for sql in [
        format!("ATTACH '{}' AS other", other.display()),
        format!("VACUUM INTO '{}'", other.display()),
        "/* hidden */ end".to_owned(),
        "PRAGMA foreign_keys = OFF".to_owned(),
        "PRAGMA journal_mode = DELETE".to_owned(),
        "PRAGMA writable_schema = 1".to_owned(),
        "CREATE TEMP TABLE x (y INTEGER)".to_owned(),
    ] {
        assert_eq!(db.execute(&sql, args![]).await.unwrap_err().kind(), ErrorKind::NotAllowed, "execute {sql}");
        assert_eq!(db.query(&sql, args![]).await.unwrap_err().kind(), ErrorKind::NotAllowed, "query {sql}");
    }
    assert!(!other.exists());
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    assert_eq!(db.query("PRAGMA table_info(t)", args![]).await.unwrap().len(), 1);
    assert_eq!(db.query("SELECT name FROM pragma_table_info('t')", args![]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn full_text_search_works_under_guard() {
    let dir = TempDir::new().unwrap();
    let db = open(&dir).await;
    db.execute("CREATE VIRTUAL TABLE f USING fts5 (body)", args![]).await.unwrap();
    db.execute("INSERT INTO f VALUES ('a quick fox'), ('a slow snail')", args![]).await.unwrap();
    assert_eq!(db.query("SELECT * FROM f WHERE f MATCH 'fox'", args![]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_clean_close_leaves_one_file() {
    let dir = TempDir::new().unwrap();
    let db = open(&dir).await;
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    // Queued before the close, answered before its end.
    let (written, ()) = tokio::join!(db.execute("INSERT INTO t VALUES (1)", args![]), db.close());
    assert_eq!(written.unwrap().affected, 1);
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, [Options::FILE_NAME]);
    assert_eq!(count(&*open(&dir).await).await, 1);
}

#[tokio::test]
async fn a_file_that_is_gone_is_no_health() {
    let dir = TempDir::new().unwrap();
    let db = open(&dir).await;
    db.health().await.unwrap();
    std::fs::remove_file(dir.path().join(Options::FILE_NAME)).unwrap();
    assert_eq!(db.health().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn another_process_that_holds_the_file_makes_it_busy() {
    let dir = TempDir::new().unwrap();
    let options = Options::in_dir(dir.path()).with_busy_timeout(Duration::from_millis(20));
    let db = Sqlite::open(options).await.unwrap();
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    let other = rusqlite::Connection::open(dir.path().join(Options::FILE_NAME)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = db.execute("INSERT INTO t VALUES (1)", args![]).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Busy && error.is_retryable(), "{error}");
    assert_eq!(count(&db).await, 0, "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    db.execute("INSERT INTO t VALUES (1)", args![]).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_values_come_back_as_they_went(values in proptest::collection::vec(any_value(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let db = Sqlite::open(Options::memory()).await.unwrap();
            db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", args![]).await.unwrap();
            let insert = |value: &Value| Statement::new("INSERT INTO t (v) VALUES (?1)", vec![value.clone()]);
            db.transaction(values.iter().map(insert).collect()).await.unwrap();
            let rows = db.query("SELECT v FROM t ORDER BY id", args![]).await.unwrap();
            assert_eq!(rows.into_values().concat(), values);
        });
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter("NaN is refused", |real| !real.is_nan()).prop_map(Value::Real),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Blob),
    ]
}

/// A file that may not grow: what does not fit is refused whole, reading goes on, and so does writing when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_database() {
    let dir = TempDir::new().unwrap();
    let options = Options::in_dir(dir.path()).with_max_bytes(256 << 10);
    let db = Sqlite::open(options.clone()).await.unwrap();
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)", args![]).await.unwrap();
    let add = || {
        db.transaction(vec![
            Statement::new("INSERT INTO t (data) VALUES (?1)", args![vec![1_u8; 6000]]),
            Statement::new("INSERT INTO t (data) VALUES (?1)", args![vec![2_u8; 6000]]),
        ])
    };
    let mut added = 0;
    let error = loop {
        match add().await {
            Ok(_) => added += 2,
            Err(error) => break error,
        }
        assert!(added < 1000);
    };
    assert_eq!((error.kind(), count(&db).await), (ErrorKind::Full, added));
    // Many at once: each of those that do not fit is refused, and none is half there.
    let many = futures_util::future::join_all((0..20).map(|_| add())).await;
    assert!(many.iter().all(|done| done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Full)));
    assert_eq!(count(&db).await, added);
    db.health().await.unwrap();
    db.execute("DELETE FROM t WHERE id % 2 = 0", args![]).await.unwrap();
    add().await.unwrap();
    assert_eq!(count(&db).await, added / 2 + 2);
    db.close().await;
    let file = rusqlite::Connection::open(dir.path().join(Options::FILE_NAME)).unwrap();
    let whole: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
}

/// A statement that writes and returns what cannot be read has done nothing, also where no transaction is open.
#[tokio::test(flavor = "multi_thread")]
async fn writes_whose_rows_cannot_be_read_are_undone() {
    let dir = TempDir::new().unwrap();
    let db = Sqlite::open(Options::in_dir(dir.path()).with_max_result_bytes(10_000)).await.unwrap();
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    let broken = "INSERT INTO t VALUES (1), (2) RETURNING CAST(x'ff' AS TEXT)";
    let large = "INSERT INTO t VALUES (1), (2) RETURNING zeroblob(6000)";
    let mut session = db.session().await.unwrap();
    for (sql, kind) in [(broken, ErrorKind::Column), (large, ErrorKind::TooBig)] {
        assert_eq!(db.execute(sql, args![]).await.unwrap_err().kind(), kind);
        assert_eq!(session.execute(Statement::new(sql, args![])).await.unwrap_err().kind(), kind);
        assert!(session.is_autocommit().await.unwrap());
        assert_eq!(count(&db).await, 0, "{sql}");
        session.script("BEGIN; INSERT INTO t VALUES (0)").await.unwrap();
        assert_eq!(session.execute(Statement::new(sql, args![])).await.unwrap_err().kind(), kind);
        session.script("COMMIT").await.unwrap();
        assert_eq!(count(&db).await, 1, "{sql}: the transaction goes on without it");
        session.script("DELETE FROM t").await.unwrap();
    }
    let rows = session.execute(Statement::new("INSERT INTO t VALUES (3) RETURNING n", args![])).await.unwrap().rows;
    assert_eq!((rows.into_values(), count(&db).await), (vec![args![3]], 1));
    session.execute(Statement::new("PRAGMA foreign_keys = off", args![])).await.unwrap();
    let off = session.execute(Statement::new("PRAGMA foreign_keys", args![])).await.unwrap().rows;
    assert_eq!(off.into_values(), [args![0]]);
}
