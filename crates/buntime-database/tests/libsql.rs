//! The libSQL adapter on a real server: what every adapter must do, and what is its own.

mod conformance;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use buntime_database::{
    Adapter, Error, ErrorKind, Statement, args,
    libsql::{Libsql, Options},
    testing::LibsqlServer,
};

async fn open(server: &LibsqlServer) -> Libsql {
    Libsql::open(Options::new(vec![server.url()])).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let Some(server) = LibsqlServer::start().await else { return };
    let (server, at) = (&server, &AtomicUsize::new(0));
    let open = || async move {
        let tenant = format!("t{}", at.fetch_add(1, Ordering::Relaxed));
        let options = Options::new(vec![server.url()]).with_admin(server.admin_url(), None);
        Libsql::create_tenant(&options, &tenant).await.unwrap();
        Arc::new(Libsql::open(options.with_tenant(tenant)).await.unwrap()) as Arc<dyn Adapter>
    };
    conformance::all(open).await;
    conformance::sessions(open).await;
    let options = Options::new(vec![server.url()]).with_admin(server.admin_url(), None);
    let root = Arc::new(Libsql::open(options.clone()).await.unwrap());
    conformance::tenants(Libsql::tenants(&root, &options)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_server_comes_back() {
    let Some(mut server) = LibsqlServer::start().await else { return };
    let db = open(&server).await;
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    db.execute("INSERT INTO t VALUES (1)", args![]).await.unwrap();
    server.crash();
    let lost = |error: Error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Uncertain);
    assert!(db.query("SELECT 1", args![]).await.is_err_and(lost));
    assert!(db.execute("INSERT INTO t VALUES (99)", args![]).await.is_err_and(lost));
    assert!(db.health().await.is_err_and(lost));
    server.go_on().await;
    let begun = Instant::now();
    while let Err(error) = db.health().await {
        assert!(error.is_retryable() && begun.elapsed() < Duration::from_secs(30), "{error}");
    }
    assert_eq!(db.query("SELECT n FROM t", args![]).await.unwrap().into_values(), [args![1]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_answer_and_never_with_what_is_old() {
    let Some(server) = LibsqlServer::start().await else { return };
    let (one, two) = (server.replica().await, server.replica().await);
    let urls = vec![server.url(), one.url(), two.url()];
    let db = Libsql::open(Options::new(urls)).await.unwrap();
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    for n in 1..=50 {
        db.execute("INSERT INTO t VALUES (?1)", args![n]).await.unwrap();
        let rows = db.query("SELECT max(n) FROM t", args![]).await.unwrap();
        assert_eq!(rows.into_values(), [args![n]], "a replica that is behind is not believed");
    }
    let mut session = db.session().await.unwrap();
    for n in 51..=80 {
        session.script(&format!("BEGIN; UPDATE t SET n = {n} WHERE n >= 50; COMMIT")).await.unwrap();
        let rows = db.query("SELECT max(n) FROM t", args![]).await.unwrap();
        assert_eq!(rows.into_values(), [args![n]], "what sessions write counts, too");
        session.execute(Statement::new("UPDATE t SET n = ?1 WHERE n >= 50", args![50])).await.unwrap();
        let rows = db.query("SELECT max(n) FROM t", args![]).await.unwrap();
        assert_eq!(rows.into_values(), [args![50]]);
    }
    session.execute(Statement::new("INSERT INTO t VALUES (100)", args![])).await.unwrap();
    // What another process was acknowledged is known to the primary at once.
    let other = Libsql::open(Options::new(vec![server.url()])).await.unwrap();
    let primary = db.primary().unwrap();
    assert!(primary.primary().is_none());
    other.execute("CREATE TABLE u (n INTEGER)", args![]).await.unwrap();
    for n in 1..=50 {
        other.execute("INSERT INTO u VALUES (?1)", args![n]).await.unwrap();
        let rows = primary.query("SELECT max(n) FROM u", args![]).await.unwrap();
        assert_eq!(rows.into_values(), [args![n]]);
    }
    // Once they have caught up with all that was seen here, they answer even where the primary cannot: reads do not need it.
    let mut server = server;
    let begun = Instant::now();
    while reads(&one.url()).await != Some(50) || reads(&two.url()).await != Some(50) {
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    server.crash();
    for _ in 0..4 {
        assert_eq!(db.query("SELECT max(n) FROM t", args![]).await.unwrap().into_values(), [args![100]]);
    }
    assert!(primary.query("SELECT max(n) FROM t", args![]).await.is_err(), "no replica is asked");
    drop(one);
    for _ in 0..4 {
        assert_eq!(db.query("SELECT max(n) FROM t", args![]).await.unwrap().into_values(), [args![100]]);
    }
    let error = db.execute("INSERT INTO t VALUES (51)", args![]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

/// What a replica knows of what was written last, asked by itself.
async fn reads(url: &str) -> Option<i64> {
    let alone = Libsql::open(Options::new(vec![url.to_owned()])).await.ok()?;
    alone.query("SELECT max(n) FROM u", args![]).await.ok()?.first()?.at(0).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused() {
    let Some(server) = LibsqlServer::start().await else { return };
    for urls in [vec![], vec!["ftp://x".to_owned()], vec!["nonsense".to_owned()]] {
        assert_eq!(Libsql::open(Options::new(urls)).await.unwrap_err().kind(), ErrorKind::Open);
    }
    let with_password = Options::new(vec!["https://admin:secret@db".to_owned()]);
    assert!(!format!("{with_password:?}").contains("secret"));
    let error = Libsql::open(with_password).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Open);
    assert!(!error.detail().contains("secret") && error.detail().contains("authToken"), "{error}");
    let nowhere = Options::new(vec![server.url()]).with_tenant("nowhere");
    assert_eq!(Libsql::open(nowhere).await.unwrap_err().kind(), ErrorKind::Open);
    let db = open(&server).await;
    for sql in ["ATTACH 'x' AS y", "VACUUM INTO '/tmp/x'", "PRAGMA journal_mode = off", "CREATE TEMP TABLE x (y)"] {
        assert_eq!(db.execute(sql, args![]).await.unwrap_err().kind(), ErrorKind::NotAllowed, "{sql}");
    }
    assert_eq!(db.execute("SELECT ?1", args![f64::INFINITY]).await.unwrap_err().kind(), ErrorKind::Argument);
}

/// A statement that writes and returns what cannot be read has done nothing: alone, and in a session.
#[tokio::test(flavor = "multi_thread")]
async fn writes_whose_rows_cannot_be_read_are_undone() {
    let Some(server) = LibsqlServer::start().await else { return };
    let db = Libsql::open(Options::new(vec![server.url()]).with_max_result_bytes(10_000)).await.unwrap();
    db.execute("CREATE TABLE t (n INTEGER)", args![]).await.unwrap();
    let count = async || db.query("SELECT count(*) FROM t", args![]).await.unwrap().into_values();
    let infinite = "INSERT INTO t VALUES (?1) RETURNING 9e999";
    let named = "INSERT INTO t VALUES (:n) RETURNING 9e999";
    assert_eq!(db.execute(infinite, args![1]).await.unwrap_err().kind(), ErrorKind::Column);
    let mut session = db.session().await.unwrap();
    for sql in [infinite, named] {
        let error = session.execute(Statement::new(sql, args![1])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Column, "{error}");
        assert!(session.is_autocommit().await.unwrap());
    }
    assert_eq!(count().await, [args![0]]);
    for sql in ["INSERT INTO t VALUES (?1) RETURNING n", "INSERT INTO t VALUES (:n) RETURNING n"] {
        let done = session.execute(Statement::new(sql, args![7])).await.unwrap();
        assert_eq!((done.affected, done.rows.into_values()), (1, vec![args![7]]));
    }
    let done = db.execute("INSERT INTO t VALUES (8) RETURNING n", args![]).await.unwrap();
    assert_eq!((done.affected, done.last_insert_id, done.rows.len()), (1, Some(3), 1));
    // A transaction whose stream went with an answer that was too large is not gone on with.
    session.execute(Statement::new("BEGIN", args![])).await.unwrap();
    session.execute(Statement::new("INSERT INTO t VALUES (9)", args![])).await.unwrap();
    let large = Statement::new("SELECT hex(zeroblob(30000))", args![]);
    assert_eq!(session.execute(large).await.unwrap_err().kind(), ErrorKind::TooBig);
    let next = session.execute(Statement::new("INSERT INTO t VALUES (10)", args![])).await.unwrap_err();
    assert_eq!(next.kind(), ErrorKind::Timeout, "{next}");
    assert!(session.is_autocommit().await.unwrap());
    assert_eq!(count().await, [args![3]]);
}

/// Whoever waits for a replica that hangs waits no longer than a replica is worth, and the next not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_hangs() {
    let Some(server) = LibsqlServer::start().await else { return };
    // Connections are taken by the system, and nobody reads from them.
    let hangs = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let urls = vec![server.url(), format!("http://{}", hangs.local_addr().unwrap())];
    let [left, waited] = [urls.clone(), urls].map(|urls| Libsql::open(Options::new(urls)));
    let (left, waited) = (left.await.unwrap(), waited.await.unwrap());
    let gone = tokio::time::timeout(Duration::from_secs(1), left.query("SELECT 1", args![])).await;
    assert!(gone.is_err(), "the replica was asked");
    tokio::time::timeout(Duration::from_secs(1), left.query("SELECT 1", args![])).await.unwrap().unwrap();
    let begun = Instant::now();
    waited.query("SELECT 1", args![]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
