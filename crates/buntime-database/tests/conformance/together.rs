//! Many at once: plans, isolation, callers that go away.

use std::sync::{Arc, Mutex};

use buntime_database::{Adapter, Error, ErrorKind, Next, Outcome, Plan, Result, Statement, args};
use futures_util::{FutureExt, future::join_all};

use super::make;

/// Doubles the number, up to a limit; past it, it fails or gives up.
#[derive(Debug)]
struct Double {
    most: i64,
    fails: bool,
    seen: Arc<Mutex<Vec<i64>>>,
}

impl Plan for Double {
    fn next(&self, done: &[Outcome]) -> Result<Next> {
        let Some(read) = done.first() else {
            return Ok(Next::Run(vec![Statement::new("UPDATE t SET n = n * 2 RETURNING n", args![])]));
        };
        if done.len() > 1 {
            return Ok(Next::Commit);
        }
        let n: i64 = read.rows.first().unwrap().at(0)?;
        match n > self.most {
            true if self.fails => Err(Error::new(ErrorKind::Other, "too much")),
            true => Ok(Next::Abandon),
            false => Ok(Next::Run(vec![Statement::new("INSERT INTO log (n) VALUES (?1)", args![n])])),
        }
    }

    fn committed(&self, done: &[Outcome]) {
        self.seen.lock().unwrap().push(done[0].rows.first().unwrap().at(0).unwrap());
    }
}

pub(super) async fn plans(db: Arc<dyn Adapter>) {
    make(&*db, "CREATE TABLE t (n INTEGER); CREATE TABLE log (n INTEGER); INSERT INTO t (n) VALUES (1)").await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let ask = |n: i64| db.planned(Arc::new(Double { most: 64, fails: n % 3 == 0, seen: Arc::clone(&seen) }));
    let ended = join_all((0..30).map(ask)).await;
    let committed = ended.iter().filter(|ended| ended.as_ref().is_ok_and(|planned| planned.committed)).count();
    assert_eq!(committed, 6, "1 doubled six times is 64");
    for error in ended.iter().filter_map(|ended| ended.as_ref().err()) {
        assert_eq!((error.kind(), error.detail()), (ErrorKind::Other, "too much"));
    }
    assert_eq!(*seen.lock().unwrap(), [2, 4, 8, 16, 32, 64], "told once each, in the order of commits");
    let log = db.query("SELECT n FROM log ORDER BY n", args![]).await.unwrap();
    assert_eq!(log.into_values().concat(), args![2, 4, 8, 16, 32, 64]);
}

/// Raises the clock, and writes down what it was.
#[derive(Debug)]
struct Tick(i64);

impl Plan for Tick {
    fn next(&self, done: &[Outcome]) -> Result<Next> {
        match done {
            [] => Ok(Next::Run(vec![Statement::new("UPDATE clock SET n = n + 1 RETURNING n", args![])])),
            [read] => {
                let n: i64 = read.rows.first().unwrap().at(0)?;
                let insert = |m: i64| Statement::new("INSERT INTO log (n, who) VALUES (?1, ?2)", args![m, self.0]);
                Ok(Next::Finish(vec![insert(n), insert(n)]))
            }
            _ => Err(Error::new(ErrorKind::Other, "asked for more when it was finished")),
        }
    }
}

/// While plans raise a counter, a reader that sees a number sees everything up to it.
pub(super) async fn plans_and_counters_are_in_order(db: Arc<dyn Adapter>) {
    let tables = "CREATE TABLE clock (n INTEGER); CREATE TABLE log (n INTEGER, who INTEGER); \
                  INSERT INTO clock (n) VALUES (0)";
    make(&*db, tables).await;
    let writers = (0..8).map(|who| {
        let db = Arc::clone(&db);
        tokio::spawn(async move {
            for _ in 0..10 {
                assert!(db.planned(Arc::new(Tick(who))).await.unwrap().committed);
            }
        })
    });
    let others = (0..4).map(|_| {
        let db = Arc::clone(&db);
        tokio::spawn(async move {
            for _ in 0..10 {
                // Not a plan, and in the way of one.
                let tick = Statement::new("UPDATE clock SET n = n + 1", args![]);
                let note = Statement::new("INSERT INTO log (n, who) SELECT n, 99 FROM clock", args![]);
                db.transaction(vec![tick, note.clone(), note]).await.unwrap();
            }
        })
    });
    let reader = tokio::spawn({
        let db = Arc::clone(&db);
        async move {
            loop {
                let sql = "SELECT (SELECT n FROM clock) AS n, (SELECT count(*) FROM log) AS log";
                let rows = db.query(sql, args![]).await.unwrap();
                let (n, log): (i64, i64) = (rows.first().unwrap().at(0).unwrap(), rows.first().unwrap().at(1).unwrap());
                assert_eq!(log, n * 2, "each number has its two rows");
                if n == 120 {
                    return;
                }
            }
        }
    });
    for done in join_all(writers.chain(others)).await {
        done.unwrap();
    }
    reader.await.unwrap();
}

pub(super) async fn plans_that_fail(db: &dyn Adapter) {
    #[derive(Debug)]
    struct Wrong {
        decided: bool,
    }
    impl Plan for Wrong {
        fn next(&self, done: &[Outcome]) -> Result<Next> {
            let [good, bad] = ["INSERT INTO t (n) VALUES (1)", "INSERT INTO nowhere VALUES (1)"];
            let run = |sql| Statement::new(sql, args![]);
            Ok(match done {
                _ if self.decided => Next::Finish(vec![run(good), run(bad)]),
                [] => Next::Run(vec![run(good)]),
                _ => Next::Run(vec![run(bad)]),
            })
        }
    }
    make(db, "CREATE TABLE t (n INTEGER)").await;
    for decided in [false, true] {
        let error = db.planned(Arc::new(Wrong { decided })).await.unwrap_err();
        assert_eq!((error.kind(), error.statement()), (ErrorKind::Syntax, Some(1)));
        assert!(db.query("SELECT * FROM t", args![]).await.unwrap().is_empty());
    }
}

/// Two may each leave as long as the other is there: never both.
pub(super) async fn transactions_do_not_skew(db: Arc<dyn Adapter>) {
    make(&*db, "CREATE TABLE t (who INTEGER, here INTEGER); INSERT INTO t (who, here) VALUES (1, 1), (2, 1)").await;
    for _ in 0..15 {
        let leave = |who: i64| {
            let db = Arc::clone(&db);
            tokio::spawn(async move {
                let other = Statement::new("SELECT 1 FROM t WHERE who <> ?1 AND here = 1", args![who]).expecting(1);
                let go = Statement::new("UPDATE t SET here = 0 WHERE who = ?1", args![who]);
                match db.transaction(vec![other, go]).await {
                    Ok(_) => 1,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Expectation, "{error}");
                        0
                    }
                }
            })
        };
        let (one, two) = tokio::join!(leave(1), leave(2));
        assert_eq!(one.unwrap() + two.unwrap(), 1, "one leaves, the other stays");
        db.execute("UPDATE t SET here = 1", args![]).await.unwrap();
    }
}

pub(super) async fn nothing_half_is_read(db: Arc<dyn Adapter>) {
    make(&*db, "CREATE TABLE t (id INTEGER, n INTEGER); INSERT INTO t (id, n) VALUES (1, 50), (2, 50)").await;
    let moving = (0..4).map(|at: i64| {
        let db = Arc::clone(&db);
        tokio::spawn(async move {
            for _ in 0..10 {
                let change = |id: i64, by: i64| Statement::new("UPDATE t SET n = n + ?1 WHERE id = ?2", args![by, id]);
                db.transaction(vec![change(1, at - 1), change(2, 1 - at)]).await.unwrap();
            }
        })
    });
    let moving = tokio::spawn(join_all(moving));
    loop {
        let done = moving.is_finished();
        let rows = db.query("SELECT n FROM t ORDER BY id", args![]).await.unwrap();
        let sum: i64 = rows.iter().map(|row| row.at::<i64>(0).unwrap()).sum();
        assert_eq!(sum, 100);
        if done {
            break;
        }
    }
    moving.await.unwrap().into_iter().for_each(|done| done.unwrap());
}

pub(super) async fn callers_that_go_away_leave_all_or_nothing(db: &dyn Adapter) {
    make(db, "CREATE TABLE t (pair INTEGER)").await;
    let pair = |n: i64| {
        let insert = Statement::new("INSERT INTO t (pair) VALUES (?1)", args![n]);
        vec![insert.clone(), insert]
    };
    for n in 0..40 {
        let mut asked = Box::pin(db.transaction(pair(n)));
        // Polled a few times, so that it is on its way, and dropped.
        for _ in 0..n % 8 {
            if let Some(done) = (&mut asked).now_or_never() {
                done.unwrap();
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(asked);
        drop(db.query("SELECT count(*) FROM t", args![]).now_or_never());
    }
    db.transaction(pair(1000)).await.unwrap();
    let halves = db.query("SELECT pair FROM t GROUP BY pair HAVING count(*) <> 2", args![]).await.unwrap();
    assert!(halves.is_empty(), "{halves:?}");
    db.health().await.unwrap();
}
