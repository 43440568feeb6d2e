//! The PostgreSQL adapter on a real server: what every adapter must do, and what is its own.

mod conformance;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use buntime_database::{
    Adapter, Error, ErrorKind, Heard, Notifications, Outcome, Session, Statement, Value, args,
    postgres::{Options, Postgres},
    testing::PostgresServer,
};
use futures_util::{FutureExt, future::join_all};

fn options(server: &PostgresServer) -> Options {
    Options::from_url(&server.url()).unwrap()
}

async fn open(server: &PostgresServer) -> Postgres {
    Postgres::open(options(server)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let Some(server) = PostgresServer::start().await else { return };
    let root = Arc::new(open(&server).await);
    let public = &root;
    let (server, at) = (&server, &AtomicUsize::new(0));
    let open = || async move {
        let schema = format!("s{}", at.fetch_add(1, Ordering::Relaxed));
        public.execute(&format!("CREATE SCHEMA {schema}"), args![]).await.unwrap();
        Arc::new(Postgres::open(options(server).with_schema(schema)).await.unwrap()) as Arc<dyn Adapter>
    };
    conformance::all(open).await;
    conformance::sessions(open).await;
    conformance::tenants(Postgres::tenants(&root, &options(server))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_is_given_and_gives_back() {
    let Some(server) = PostgresServer::start().await else { return };
    let db = open(&server).await;
    let sql = "SELECT true, 1::smallint, 2.50::numeric, '7'::numeric, DATE '2024-02-29', TIMESTAMPTZ '2024-02-29 12:00:00.5+02', \
               '{\"a\":1}'::jsonb, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, 'NaN'::float8, interval '1 day'::text";
    let rows = db.query(sql, args![]).await.unwrap();
    let expected = args![
        1,
        1,
        "2.50",
        7,
        "2024-02-29",
        "2024-02-29 10:00:00.5+00",
        "{\"a\": 1}",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        None::<f64>,
        "1 day"
    ];
    assert_eq!(rows.into_values(), [expected]);

    db.execute("CREATE TABLE t (at timestamptz, id uuid, doc jsonb, yes boolean, n integer, f real)", args![])
        .await
        .unwrap();
    let given = args!["2024-01-01 00:00:00+00", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "[1]", true, 5, 1.5];
    db.execute("INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5, ?6)", given.clone()).await.unwrap();
    assert_eq!(db.query("SELECT * FROM t", args![]).await.unwrap().into_values(), [given]);
    let error = db.execute("INSERT INTO t (n) VALUES (?1)", args![i64::MAX]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
    let error = db.query("SELECT ARRAY[1]", args![]).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Column && error.detail().contains("CAST"), "{error}");
    // No types known beforehand: the server chooses.
    assert_eq!(db.query("SELECT ?1 || 'b'", args!["a"]).await.unwrap().into_values(), [["ab".into()]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_server_comes_back() {
    let Some(mut server) = PostgresServer::start().await else { return };
    let db = open(&server).await;
    db.execute("CREATE TABLE t (n BIGINT)", args![]).await.unwrap();
    join_all((0..20).map(|n| db.execute("INSERT INTO t VALUES (?1)", args![n]))).await;
    server.crash();
    let lost = |error: Error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Uncertain);
    assert!(db.query("SELECT 1", args![]).await.is_err_and(lost));
    assert!(db.execute("INSERT INTO t VALUES (99)", args![]).await.is_err_and(lost));
    assert!(db.health().await.is_err_and(lost));
    server.go_on().await;
    // A crashed server recovers first: it says so, and that is retryable.
    let begun = std::time::Instant::now();
    while let Err(error) = db.health().await {
        assert!(error.is_retryable() && begun.elapsed() < Duration::from_secs(30), "{error}");
    }
    assert_eq!(db.query("SELECT count(*) FROM t", args![]).await.unwrap().into_values(), [args![20]]);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_its_time_and_a_dropped_one_is_stopped() {
    let Some(server) = PostgresServer::start().await else { return };
    let short = options(&server).with_statement_timeout(Duration::from_millis(100)).with_max_connections(1);
    let db = Postgres::open(short).await.unwrap();
    assert_eq!(db.query("SELECT pg_sleep(20)", args![]).await.unwrap_err().kind(), ErrorKind::Timeout);
    db.health().await.unwrap();

    let long = options(&server).with_max_connections(1);
    let db = Postgres::open(long).await.unwrap();
    let mut asleep = Box::pin(db.query("SELECT pg_sleep(25)", args![]));
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%sleep(25)%' \
                   AND query NOT LIKE '%count%'";
    let watch = open(&server).await;
    let active = async || watch.query(running, args![]).await.unwrap().first().unwrap().at::<i64>(0).unwrap();
    while active().await == 0 {
        assert!((&mut asleep).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(asleep);
    // The only connection is replaced, and the server told to stop.
    db.query("SELECT 1", args![]).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), async { while active().await > 0 {} }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_and_what_has_a_limit() {
    let Some(server) = PostgresServer::start().await else { return };
    let wrong = server.url().replace("/postgres", "/nowhere");
    let error = Postgres::open(Options::from_url(&wrong).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Open, "{error}");
    let error = Postgres::open(options(&server).with_schema("nowhere")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Open && error.detail().contains("no schema `nowhere`"), "{error}");
    let tls = format!("{}?sslmode=require", server.url());
    let error = Postgres::open(Options::from_url(&tls).unwrap()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Open), "the server has no TLS: {error}");

    let db = Postgres::open(options(&server).with_max_result_bytes(10_000)).await.unwrap();
    let error = db.query("SELECT repeat('x', 100) FROM generate_series(1, 10000)", args![]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooBig);
    for sql in ["SET search_path TO x", "SELECT set_config('search_path', 'x', false)", "CREATE TEMP TABLE x (y int)"] {
        assert_eq!(db.execute(sql, args![]).await.unwrap_err().kind(), ErrorKind::NotAllowed, "{sql}");
    }
}

/// What a function does to the path is undone before the next caller.
#[tokio::test(flavor = "multi_thread")]
async fn no_statement_runs_in_another_schema() {
    let Some(server) = PostgresServer::start().await else { return };
    let root = Postgres::open(options(&server).with_max_connections(1)).await.unwrap();
    for schema in ["mine", "other"] {
        root.execute(&format!("CREATE SCHEMA {schema}"), args![]).await.unwrap();
    }
    let strays = "CREATE FUNCTION public.strays() RETURNS int LANGUAGE plpgsql AS \
                  $$ BEGIN PERFORM set_config('search_path', 'other', false); RETURN 1; END $$";
    root.execute(strays, args![]).await.unwrap();
    let mine = Postgres::open(options(&server).with_schema("mine").with_max_connections(1)).await.unwrap();
    for (db, schema) in [(root, "public"), (mine, "mine")] {
        let at = async || db.query("SELECT current_schema()", args![]).await.unwrap().into_values();
        db.query("SELECT public.strays()", args![]).await.unwrap();
        assert_eq!(at().await, [args![schema]]);
        let mut session = db.session().await.unwrap();
        run(&mut session, "SELECT public.strays()").await.unwrap();
        session.renew().await.unwrap();
        let rows = run(&mut session, "SELECT current_schema()").await.unwrap().rows;
        assert_eq!(rows.into_values(), [args![schema]]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_rule_fails_its_own_caller_only() {
    let Some(server) = PostgresServer::start().await else { return };
    let db = open(&server).await;
    db.execute("CREATE TABLE t (id BIGINT PRIMARY KEY)", args![]).await.unwrap();
    let child = "CREATE TABLE c (t BIGINT REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)";
    db.execute(child, args![]).await.unwrap();
    let ask = |n: i64| {
        let sql = if n % 5 == 0 { "INSERT INTO c VALUES (?1)" } else { "INSERT INTO t VALUES (?1)" };
        let plan: Vec<Statement> = vec![Statement::new(sql, vec![Value::Integer(n + 1)])];
        db.planned(Arc::new(Once(plan)))
    };
    for (n, ended) in join_all((0..40).map(ask)).await.into_iter().enumerate() {
        assert_eq!(ended.is_ok_and(|planned| planned.committed), n % 5 != 0, "{n}");
    }
    assert_eq!(db.query("SELECT count(*) FROM t", args![]).await.unwrap().into_values(), [args![32]]);
}

/// A plan of one step.
#[derive(Debug)]
struct Once(Vec<Statement>);

impl buntime_database::Plan for Once {
    fn next(&self, done: &[buntime_database::Outcome]) -> buntime_database::Result<buntime_database::Next> {
        use buntime_database::Next;
        Ok(if done.is_empty() { Next::Run(self.0.clone()) } else { Next::Commit })
    }
}

/// What is said is heard once it is committed, by who listens in that schema, in order; and who lost the connection is told so.
#[tokio::test(flavor = "multi_thread")]
async fn notifications() {
    let Some(server) = PostgresServer::start().await else { return };
    let (a, b) = (open(&server).await, open(&server).await);
    a.execute("CREATE SCHEMA other", args![]).await.unwrap();
    let other = Postgres::open(options(&server).with_schema("other")).await.unwrap();
    let mut heard = a.notifications("news").await.unwrap().unwrap();
    let mut elsewhere = other.notifications("news").await.unwrap().unwrap();
    assert_eq!((heard.next().await, elsewhere.next().await), (Some(Heard::Listening), Some(Heard::Listening)));
    let say = |text: &str| b.notification("news", text).unwrap();
    let undone = vec![say("never"), Statement::new("SELECT 1 / 0", args![])];
    assert!(b.transaction(undone).await.is_err());
    b.transaction(vec![b.notification("else", "not here").unwrap(), say("one"), say("two")]).await.unwrap();
    let long = "ä".repeat(Notifications::MOST / 2);
    b.transaction(vec![say(&long)]).await.unwrap();
    for text in ["one", "two", &long] {
        assert_eq!(heard.next().await, Some(Heard::Said(text.to_owned())));
    }
    other.transaction(vec![other.notification("news", "there").unwrap()]).await.unwrap();
    assert_eq!(elsewhere.next().await, Some(Heard::Said("there".to_owned())));
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'";
    b.query(cut, args![]).await.unwrap();
    assert_eq!(heard.next().await, Some(Heard::Listening));
    b.transaction(vec![say("again")]).await.unwrap();
    assert_eq!(heard.next().await, Some(Heard::Said("again".to_owned())));
    a.close().await;
    assert_eq!(heard.next().await, None);
}

/// Callers that give up, again and again, do not make more connections than there may be, and harm nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn callers_that_give_up() {
    let Some(server) = PostgresServer::start().await else { return };
    let (db, other) = (open(&server).await, open(&server).await);
    let most =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let given_up = std::cell::Cell::new(false);
    let give_up = async {
        for _ in 0..40 {
            let calls = (0..8)
                .map(|_| tokio::time::timeout(Duration::from_millis(2), db.query("SELECT pg_sleep(1)::text", args![])));
            assert!(join_all(calls).await.iter().all(Result::is_err), "it takes a second");
        }
        given_up.set(true);
    };
    let watch = async {
        while !given_up.get() {
            let there: i64 = other.query(most, args![]).await.unwrap().first().unwrap().at(0).unwrap();
            // 8, and those whose end the server has not noticed yet.
            assert!(there <= 24, "{there} connections");
        }
    };
    tokio::join!(give_up, watch);
    assert_eq!(db.query("SELECT 1", args![]).await.unwrap().len(), 1);
    db.close().await;
    other.close().await;
}

async fn run(session: &mut Box<dyn Session>, sql: &str) -> buntime_database::Result<Outcome> {
    session.execute(Statement::new(sql, args![])).await
}

async fn count(db: &Postgres) -> i64 {
    db.query("SELECT count(*) FROM t", args![]).await.unwrap().first().unwrap().at(0).unwrap()
}

/// PostgreSQL answers COMMIT of a transaction in which something failed by rolling back, without an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_rolled_back_is_none() {
    let Some(server) = PostgresServer::start().await else { return };
    let db = open(&server).await;
    db.execute("CREATE TABLE t (n BIGINT PRIMARY KEY)", args![]).await.unwrap();
    let mut session = db.session().await.unwrap();
    run(&mut session, "BEGIN").await.unwrap();
    run(&mut session, "INSERT INTO t VALUES (1)").await.unwrap();
    assert!(run(&mut session, "INSERT INTO t VALUES (1)").await.is_err());
    let later = run(&mut session, "INSERT INTO t VALUES (2)").await.unwrap_err();
    assert_eq!(later.kind(), ErrorKind::NotAllowed, "{later}");
    let error = run(&mut session, "COMMIT").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAllowed, "{error}");
    assert!(session.is_autocommit().await.unwrap());
    run(&mut session, "INSERT INTO t VALUES (3)").await.unwrap();
    assert_eq!(count(&db).await, 1);
    // One that can be committed is.
    session.script("BEGIN; INSERT INTO t VALUES (4); COMMIT; COMMIT").await.unwrap();
    assert_eq!(count(&db).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_described_harms_no_transaction() {
    let Some(server) = PostgresServer::start().await else { return };
    let db = open(&server).await;
    db.execute("CREATE TABLE t (n BIGINT)", args![]).await.unwrap();
    let mut session = db.session().await.unwrap();
    run(&mut session, "BEGIN").await.unwrap();
    // Of parameters without arguments nothing is known.
    let sql = "INSERT INTO t (n) VALUES (?1 + ?2) RETURNING n";
    let error = session.describe(sql).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax, "{error}");
    let rows = session.execute(Statement::new(sql, args![1, 2])).await.unwrap().rows;
    assert_eq!(rows.into_values(), [args![3]]);
    // Of what has just run everything is.
    assert_eq!(session.describe(sql).await.unwrap().columns, [("n".to_owned(), Some("int8".to_owned()))]);
    run(&mut session, "COMMIT").await.unwrap();
    assert_eq!(count(&db).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_notice_that_a_table_has_changed() {
    let Some(server) = PostgresServer::start().await else { return };
    let db = open(&server).await;
    db.execute("CREATE TABLE t (n BIGINT)", args![]).await.unwrap();
    let mut session = db.session().await.unwrap();
    let columns = async |session: &mut Box<dyn Session>| {
        run(session, "SELECT * FROM t").await.map(|outcome| outcome.rows.columns().len())
    };
    assert_eq!(columns(&mut session).await, Ok(1));
    db.execute("ALTER TABLE t ADD COLUMN m BIGINT", args![]).await.unwrap();
    assert_eq!(columns(&mut session).await, Ok(2));
    db.execute("ALTER TABLE t ADD COLUMN o BIGINT", args![]).await.unwrap();
    // A transaction has failed by it, and the next sees it.
    run(&mut session, "BEGIN").await.unwrap();
    assert!(columns(&mut session).await.is_err());
    run(&mut session, "ROLLBACK").await.unwrap();
    run(&mut session, "BEGIN").await.unwrap();
    assert_eq!(columns(&mut session).await, Ok(3));
}

/// What writes and returns what cannot be read has done nothing: alone, in a session, and in a transaction of one.
#[tokio::test(flavor = "multi_thread")]
async fn writes_whose_rows_cannot_be_read_are_undone() {
    let Some(server) = PostgresServer::start().await else { return };
    let db = Postgres::open(options(&server).with_max_result_bytes(10_000)).await.unwrap();
    db.execute("CREATE TABLE t (n BIGINT, tags text[] DEFAULT '{a}')", args![]).await.unwrap();
    let foreign = "INSERT INTO t (n) VALUES (1) RETURNING tags";
    let large = "INSERT INTO t (n) SELECT generate_series(1, 300) RETURNING repeat('x', 100)";
    let mut session = db.session().await.unwrap();
    for (sql, kind) in [(foreign, ErrorKind::Column), (large, ErrorKind::TooBig)] {
        assert_eq!(db.execute(sql, args![]).await.unwrap_err().kind(), kind);
        assert_eq!(run(&mut session, sql).await.unwrap_err().kind(), kind);
        assert!(session.is_autocommit().await.unwrap());
        assert_eq!(count(&db).await, 0, "{sql}");
        run(&mut session, "BEGIN").await.unwrap();
        assert_eq!(run(&mut session, sql).await.unwrap_err().kind(), kind);
        assert!(run(&mut session, "COMMIT").await.is_err());
        assert_eq!(count(&db).await, 0, "{sql}");
    }
    let rows = run(&mut session, "INSERT INTO t (n) VALUES (5) RETURNING n").await.unwrap().rows;
    assert_eq!((rows.into_values(), count(&db).await), (vec![args![5]], 1));
    assert_eq!(db.query("INSERT INTO t (n) VALUES (6) RETURNING n", args![]).await.unwrap().len(), 1);
    assert_eq!(count(&db).await, 2);
}
