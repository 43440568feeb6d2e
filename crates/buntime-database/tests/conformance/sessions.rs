//! Sessions: transactions that are open while their caller thinks.

use std::sync::Arc;

use buntime_database::{Adapter, ErrorKind, Session, Statement, args};

use super::{count, table};

async fn run(session: &mut Box<dyn Session>, sql: &str) -> buntime_database::Result<buntime_database::Outcome> {
    session.execute(Statement::new(sql, args![])).await
}

pub(super) async fn transactions(db: &dyn Adapter) {
    table(db).await;
    let mut session = db.session().await.unwrap();
    assert!(session.is_autocommit().await.unwrap());
    run(&mut session, "INSERT INTO t (name) VALUES ('alone')").await.unwrap();
    assert_eq!(count(db).await, 1, "durable by itself");

    run(&mut session, "BEGIN").await.unwrap();
    assert!(!session.is_autocommit().await.unwrap());
    let insert = Statement::new("INSERT INTO t (name) VALUES (?1)", args!["inside"]);
    assert_eq!(session.execute(insert).await.unwrap().affected, 1);
    let seen = run(&mut session, "SELECT count(*) FROM t").await.unwrap().rows;
    assert_eq!(seen.into_values(), [args![2]]);
    assert_eq!(count(db).await, 1, "nobody else sees it");
    run(&mut session, "COMMIT").await.unwrap();
    assert!(session.is_autocommit().await.unwrap());
    assert_eq!(count(db).await, 2);

    run(&mut session, "BEGIN").await.unwrap();
    run(&mut session, "SAVEPOINT a").await.unwrap();
    run(&mut session, "DELETE FROM t").await.unwrap();
    run(&mut session, "ROLLBACK TO a").await.unwrap();
    assert!(!session.is_autocommit().await.unwrap());
    run(&mut session, "UPDATE t SET n = 1").await.unwrap();
    run(&mut session, "ROLLBACK").await.unwrap();
    let ones = db.query("SELECT 1 FROM t WHERE n = 1", args![]).await.unwrap();
    assert!(ones.is_empty() && count(db).await == 2);

    let error = run(&mut session, "INSERT INTO nowhere VALUES (1)").await.unwrap_err();
    assert_eq!((error.kind(), error.statement()), (ErrorKind::Syntax, None));
    let refused = if db.kind() == "postgres" { "SET search_path TO x" } else { "ATTACH 'x' AS y" };
    assert_eq!(run(&mut session, refused).await.unwrap_err().kind(), ErrorKind::NotAllowed);

    session.script("INSERT INTO t (name) VALUES ('s1'); INSERT INTO t (name) VALUES ('s;2');").await.unwrap();
    let error =
        session.script("INSERT INTO t (name) VALUES ('s3'); INSERT INTO t (name) VALUES ('s3')").await.unwrap_err();
    assert_eq!(error.statement(), Some(1));
    assert_eq!(count(db).await, 5);
}

pub(super) async fn transactions_that_only_read(db: &dyn Adapter) {
    table(db).await;
    let mut session = db.session().await.unwrap();
    run(&mut session, "BEGIN TRANSACTION READONLY").await.unwrap();
    assert!(!session.is_autocommit().await.unwrap());
    run(&mut session, "SELECT count(*) FROM t").await.unwrap();
    let refused = run(&mut session, "INSERT INTO t (name) VALUES ('never')").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly, "{refused}");
    run(&mut session, "ROLLBACK").await.unwrap();
    assert_eq!(count(db).await, 0);
    // The next may write again.
    run(&mut session, "BEGIN").await.unwrap();
    run(&mut session, "INSERT INTO t (name) VALUES ('a')").await.unwrap();
    run(&mut session, "COMMIT").await.unwrap();
    assert_eq!(count(db).await, 1);
}

pub(super) async fn what_is_dropped_is_rolled_back(db: &dyn Adapter) {
    table(db).await;
    let mut session = db.session().await.unwrap();
    run(&mut session, "BEGIN").await.unwrap();
    run(&mut session, "INSERT INTO t (name) VALUES ('never')").await.unwrap();
    drop(session);
    // The writer waits for no more than the rollback.
    let begun = std::time::Instant::now();
    db.execute("INSERT INTO t (name) VALUES ('never')", args![]).await.unwrap();
    assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
    assert_eq!(count(db).await, 1);
}

pub(super) async fn descriptions(db: &dyn Adapter) {
    table(db).await;
    let mut session = db.session().await.unwrap();
    let told = session.describe("SELECT id, name AS label FROM t WHERE n = ?1").await.unwrap();
    let names: Vec<_> = told.columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names.as_slice(), told.parameters.len()), (["id", "label"].as_slice(), 1));
    assert!(told.reads && !told.explains);
    let told = session.describe("INSERT INTO t (name) VALUES (?1)").await.unwrap();
    assert!(!told.reads && told.columns.is_empty());
    if db.kind() != "postgres" {
        // Names are bound by their places.
        let named = "SELECT :b AS b, @a AS a, :b AS again";
        let told = session.describe(named).await.unwrap();
        assert_eq!(told.parameters, [Some(":b".to_owned()), Some("@a".to_owned())]);
        for _ in 0..2 {
            let rows = session.execute(Statement::new(named, args![1, 2])).await.unwrap().rows;
            assert_eq!(rows.into_values(), [args![1, 2, 1]]);
        }
    }
    assert_eq!(session.describe("SELECT x FROM nowhere").await.unwrap_err().kind(), ErrorKind::Syntax);
    assert_eq!(count(db).await, 0);
}

/// Sessions and everybody else raise one counter: nobody starves, nothing is lost.
pub(super) async fn sessions_and_others_take_turns(db: Arc<dyn Adapter>) {
    table(&*db).await;
    db.execute("INSERT INTO t (name, n) VALUES ('counter', 0)", args![]).await.unwrap();
    let sessions = (0..4).map(|_| {
        let db = Arc::clone(&db);
        tokio::spawn(async move {
            let mut session = db.session().await.unwrap();
            let mut done = 0;
            while done < 10 {
                let one = async {
                    run(&mut session, "BEGIN IMMEDIATE").await?;
                    let n = run(&mut session, "SELECT n FROM t").await?.rows.first().unwrap().at::<i64>(0)?;
                    session.execute(Statement::new("UPDATE t SET n = ?1", args![n + 1])).await?;
                    run(&mut session, "COMMIT").await
                };
                match one.await {
                    Ok(_) => done += 1,
                    // Somebody else was in the way: what a caller with a transaction of its own must be ready for.
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                        if !session.is_autocommit().await.unwrap() {
                            run(&mut session, "ROLLBACK").await.unwrap();
                        }
                    }
                }
            }
        })
    });
    let others = (0..4).map(|_| {
        let db = Arc::clone(&db);
        tokio::spawn(async move {
            for _ in 0..25 {
                db.execute("UPDATE t SET n = n + 1", args![]).await.unwrap();
            }
        })
    });
    for done in futures_util::future::join_all(sessions.chain(others)).await {
        done.unwrap();
    }
    assert_eq!(db.query("SELECT n FROM t", args![]).await.unwrap().into_values(), [args![140]]);
}

pub(super) async fn close_ends_them(db: &dyn Adapter) {
    table(db).await;
    let mut session = db.session().await.unwrap();
    run(&mut session, "BEGIN").await.unwrap();
    run(&mut session, "INSERT INTO t (name) VALUES ('never')").await.unwrap();
    db.close().await;
    assert_eq!(run(&mut session, "COMMIT").await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(db.session().await.is_err_and(|error| error.kind() == ErrorKind::Closed));
}
